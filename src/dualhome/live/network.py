"""A network on this machine: the engine on real sockets and the real clock, its nodes as namespaces, its effective routes in the kernel.

`build` makes it, `start` lets the speakers speak; then things are done to it by `handle`, and everything that follows happens in the event loop: events of
transports go into the engine, its effects onto sockets; what the engine then knows of routes is written into the fabric and the nodes' kernels.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dualhome.bgp.speaker import Speaker
from dualhome.engine import Engine, events
from dualhome.engine.views import SessionView
from dualhome.errors import NotSettled
from dualhome.fabric.kernel import Kernel
from dualhome.fabric.numbers import Numbers
from dualhome.live.bfd import Bfd, wanted_sessions
from dualhome.live.clock import Clock
from dualhome.live.data_plane import DataPlane
from dualhome.live.endpoints import Side, listeners, sides
from dualhome.live.foreign import Foreign
from dualhome.live.isolation import Isolation
from dualhome.live.layout import Layout, lay_out
from dualhome.live.nodes import Nodes, Progress
from dualhome.live.place import Place
from dualhome.live.plugs import plugs
from dualhome.live.probes import FLOWS, Probes
from dualhome.live.sockets import Endpoint
from dualhome.live.transports import Transports
from dualhome.live.tunnels import Tunnels
from dualhome.net import Address
from dualhome.plan import Plan
from dualhome.units import Instant, as_seconds

JOURNAL: Final = 20  # lines of it that a status shows
GOODBYE_S: Final = 2.0
PROGRAM_S: Final = 0.001
LOOK_S: Final = 0.01  # how often a network that settles is looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a network runs. `speed`: seconds of its own time in a second; `seed`: of the jitter of its timers; `directory`: of the files it names.

    `tunnels`: wireguard, plain, or auto, which is wireguard where the machine can. `isolate`: each built-in speaker has a process of its own.
    """

    speed: float = 1.0
    seed: int | None = None
    directory: Path = Path()
    tunnels: str = "auto"
    isolate: bool = False


class LiveNetwork:
    """One network, between `build` and `close`."""

    def __init__(self, plan: Plan, place: Place, options: Options = Options()) -> None:  # frozen
        self.place, self.options = place, options
        self.clock = Clock(options.speed)
        self.layout: Layout = lay_out(plan.network)
        self.numbers = Numbers()
        self.tunnels = Tunnels(place, options.tunnels)
        self.nodes = Nodes(place, self.numbers, self.tunnels)
        self.foreign = Foreign(plan.network, place, self.nodes, options.directory)
        self.bfd = Bfd(place, lambda a, b: self._give(events.Undetected(a, b)), lambda port: self._plane.restore(port))
        self.probes = Probes(place)
        self.probes.where = lambda: (self.engine.network, self.layout)
        self._loop = asyncio.get_running_loop()
        self._isolation = Isolation(place, self.clock, self._give, self._loop) if options.isolate else None
        make = self._isolation.make if self._isolation else Speaker
        self.engine = self.foreign.engine = Engine(plan, options.seed, self.foreign, make)
        self._plane: DataPlane
        shared = Transports(self._give, self._endpoint, self._who, lambda name, _: self._give(events.Ready(name)))
        self._transports: Transports | Isolation = self._isolation or shared
        self.foreign.writable_by(self._transports.writable)
        self._sides: dict[tuple[str, str], Side] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._turn = self._closing = False
        self._programming: asyncio.TimerHandle | None = None
        self._listening: dict[str, set[tuple[Address, str | None]]] = {}

    @property
    def now(self) -> Instant:
        """The network's time."""
        return self.clock.now()

    # --- making it ----------------------------------------------------------------------------------------------------

    def build(self, progress: Progress) -> None:
        """Namespaces, interfaces, the fabric.

        Raises:
            SystemRefused: the machine doesn't let us; what was made is removed by `Place.clear`.
        """
        self.nodes.begin()
        fabric = Kernel.create(self.nodes.fabric, str(self.place.pins))
        self._plane = DataPlane(self.engine, self.nodes, self.numbers, self.tunnels, fabric)
        self._enter(self.engine.plan, progress)

    def _enter(self, plan: Plan, progress: Progress) -> None:
        fresh = self.nodes.enter(self.layout, progress)
        self._sides = sides(plan, self.layout)
        self._plane.enter(self.layout, fresh, self._sides)
        if self._isolation:
            self._isolation.know(
                self._sides,
                {
                    name: self.nodes.handle(name).path
                    for name in plan.speakers
                    if name in self.layout.nodes and not self.engine.foreign(name)
                },
            )

    def start(self, progress: Progress) -> None:
        """Programs of NVAs start, and all speakers."""
        self.program()
        self.foreign.hear(self.layout)
        self.foreign.start(self.engine.plan, self.layout, progress)
        self.foreign.attend(self._outside_changed)
        self._listen()
        self.clock.restart()  # a cold start is at 0, as in a simulation
        self._perform(self.engine.start(self.now))
        self._soon()

    def _listen(self) -> None:
        for name in self.engine.plan.speakers:
            if name in self.layout.nodes and not self.engine.foreign(name):
                known = self._listening.setdefault(name, set())
                for each in dict.fromkeys(listeners(self._sides, name)):
                    if each not in known:
                        known.add(each)
                        self._transports.listen(name, self.nodes.handle(name), each[0], device=each[1])

    async def close(self) -> None:
        """The speakers say goodbye, programs end; nothing is removed."""
        if self._timer:
            self._timer.cancel()
        self._closing = True
        self._perform(self.engine.stop(self.now))
        end = self._loop.time() + GOODBYE_S
        while self._transports.lingering and self._loop.time() < end:
            await asyncio.sleep(LOOK_S)
        self._transports.close()
        self.probes.close()
        self.bfd.close()
        self.foreign.stop()

    # --- what happens -------------------------------------------------------------------------------------------------

    def handle(self, event: events.Event) -> None:
        """Something is done to the network now.

        Raises:
            RequestError: it names what isn't there; then nothing has happened.
        """
        self._give(event)
        self.foreign.follow(self.engine)  # before its ports are dead: its kernel still closes what it had open, as after any crash
        self.probes.mark()
        self._plane.fail()

    def change(self, plan: Plan) -> None:
        """The network is another from now on: what is new is made first, what is gone goes last."""
        layout = lay_out(plan.network)
        self._leave(layout, remade=True)
        self.layout = layout
        self.foreign.change(plan.network)
        self._enter(plan, lambda *_: None)
        effects = self.engine.handle(events.Change(plan), self.now)
        self._plane.see()
        if self._isolation:
            self._isolation.keep(self.engine.speakers)
        for name in [name for name in self._listening if self.engine.foreign(name)]:  # a program of somebody else's takes its port
            self._transports.deafen(name)
            del self._listening[name]
        self.foreign.retire(layout)  # and leaves it
        self._listen()
        self.foreign.hear(layout)
        self._perform([each for each in effects if not isinstance(each, events.Open)])  # goodbyes, while there is a way
        self.program()
        self._perform([each for each in effects if isinstance(each, events.Open)])
        self.engine.hurry(self.now)
        self._soon()
        self.foreign.start(plan, layout, lambda *_: None)
        self._end_turn()
        self._leave(layout, remade=False)

    def _leave(self, layout: Layout, *, remade: bool) -> None:
        gone, lost = self.nodes.leave(layout, remade)
        for name in gone:
            self._perform([events.Vanish(name)])
            self._transports.deafen(name)
            self._listening.pop(name, None)
            self._plane.leave(name)
            self.foreign.forget(name)
        for name, device in lost:
            self._plane.lose(name, device)
            known = self._listening.get(name, set())
            known -= {each for each in known if each[1] == device}  # a device of that name that comes later is another one

    def _outside_changed(self) -> None:
        if not self._closing and self.foreign.look(self.layout):
            self.engine.outside_changed()
            self._soon()

    def _give(self, event: events.Event) -> None:
        self._perform(self.engine.handle(event, self.now))
        self._plane.see()
        self._soon()

    def _soon(self) -> None:
        """All events of this turn of the loop are one instant."""
        if not self._turn and not self._closing:
            self._turn = True
            self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._turn = False
        self._perform(self.engine.flush(self.now))
        self._plane.decided()
        if self._programming is None:  # a moment later: what has arrived meanwhile goes first
            self._programming = self._loop.call_later(PROGRAM_S, self._program_now)
        self._arm()

    def _program_now(self) -> None:
        self._programming = None
        if not self._closing:
            self.program()

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if (deadline := self.engine.deadline()) is not None:
            self._timer = self._loop.call_later(self.clock.wait_s(deadline), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._perform(self.engine.tick(self.now))
        self._plane.see()
        self._end_turn()

    def _perform(self, effects: list[events.Effect]) -> None:
        for effect in effects:
            self._transports.perform(effect)

    # --- the data plane -----------------------------------------------------------------------------------------------

    def program(self) -> None:
        """Write into fabric and kernels what the engine knows by now; nothing where nothing changed."""
        if self._plane.behind:
            self._plane.program()
            self._follow_bfd()
            self.foreign.stir()
        self.bfd.settle()

    def audit(self) -> list[str]:
        """Where fabric and kernels are otherwise than they should be, in words."""
        return self._plane.audit()

    def _follow_bfd(self) -> None:
        """Sessions of crashed nodes are gone without a word; groups are by now as they shall be."""
        engine = self.engine

        def runs(name: str) -> bool:
            return not engine.foreign(name) and "crash" not in engine.fails(name)

        numbers = {name: port.number for name, port in self._plane.ports.nics.items()}
        self.bfd.follow(wanted_sessions(engine.plan, self.layout, self._sides, numbers, self.place, runs))

    # --- transports ---------------------------------------------------------------------------------------------------

    def _endpoint(self, speaker: str, peer: str) -> Endpoint | None:
        each = self._sides.get((speaker, peer))
        if each is None:
            return None
        return Endpoint(namespace=self.nodes.handle(speaker), local=each.local, remote=each.remote, device=each.device)

    def _who(self, speaker: str, remote: Address, device: str | None) -> str | None:
        """The peer that has this address; on a wire only the one at its far end."""
        return next(
            (peer for (name, peer), each in self._sides.items() if name == speaker and each.remote == remote and each.device == device),
            None,
        )

    # --- what is measured ---------------------------------------------------------------------------------------------

    def watch(self, source: str, destination: str, flows: int = FLOWS) -> None:
        """Send a packet a millisecond from one to the other from now on, over so many flows in turn."""
        self.probes.watch(source, destination, flows)

    def outage(self, source: str, destination: str) -> float:
        """Seconds of the network's time of the longest gap of the worst flow since the last event."""
        return self.probes.outage(source, destination) * self.options.speed

    def status(self) -> dict[str, Any]:
        """What `dualhome status` shows."""
        views = self.engine.sessions()
        return {
            "up_s": as_seconds(self.now),
            "speed": self.options.speed,
            "nodes": len(self.layout.nodes),
            **self._plane.status(),
            "sessions": [view for view in views if view.speaker < view.peer or not self._both(view)],
            "both_sides": views,
            "bfd": dict(self.bfd.states),
            "failed": [f"{each.name} ({each.how})" for each in self.engine.failed()],
            "processes": self._isolation.pids() if self._isolation else {},
            "ended": self.engine.ended(),
            "programs": self.foreign.status(),
            "tunnels": self.tunnels.status(),
            "plugs": list(plugs(self.engine.network, self.layout, self.nodes.plugs())),
            "journal": self.engine.journal[-JOURNAL:],
        }

    def _both(self, view: SessionView) -> bool:
        """Whether the far side of a session is a speaker of the plan as well."""
        return view.peer in self.engine.plan.speakers

    # --- rest ---------------------------------------------------------------------------------------------------------

    def unsettled(self) -> str | None:
        """What may still change; None where nothing may."""
        if self._transports.in_flight(self.engine.carries, self.engine.opens) or self._turn:
            return "messages are on their way"
        if self._plane.behind:
            return "routes are being written"
        return self.engine.unsettled() or self.foreign.unsettled(self.engine)

    async def settle(self, within_s: float) -> float:
        """Wait until only keepalives, and attempts to connect that must fail, are left; the network's time by then, in seconds since its start.

        Raises:
            NotSettled: it takes longer; the message says what was still going on.
        """
        limit = self.now + round(within_s * 1_000_000)
        while True:
            await asyncio.sleep(LOOK_S)
            if (reason := self.unsettled()) is None:
                return as_seconds(self.now)
            if self.now > limit:
                raise NotSettled(f"not settled after {within_s:g} s: {reason}")

    async def wait(self, seconds: float) -> None:
        """Let so many seconds of the network's time pass."""
        await asyncio.sleep(self.clock.real_s(seconds))
