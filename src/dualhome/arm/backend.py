"""The network that runs behind the resources: simulated on virtual time, or live on this machine.

What runs follows the resources: whenever they changed, the newest topology replaces the one that runs, at the latest when somebody asks. All of it happens
in one thread of its own, in order; the event loop never waits for the network.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from dualhome.app import LiveRun, Net, Run, UpOptions, azure, down
from dualhome.arm.records import Records
from dualhome.arm.world import World, world_of
from dualhome.errors import DualhomeError, NotSettled
from dualhome.report.azure import connection_state
from dualhome.topology import Topology

LOG: Final = logging.getLogger("dualhome.arm")
T = TypeVar("T")
Running = Run | LiveRun
SOON_S: Final = 0.2  # how long changes are gathered before a live network follows them
SETTLE_S: Final = {"simulated": 900.0, "live": 20.0}  # the network's time; live it goes on by itself, so nobody waits for ever


class Engine(Protocol):
    """How a network is run."""

    word: str

    def start(self, topology: Topology) -> Running:
        """Bring it up."""
        ...

    def stop(self, run: Running) -> None:
        """Take it down."""
        ...


class Simulated:
    """On virtual time, in this process."""

    word = "simulated"

    def start(self, topology: Topology) -> Running:
        """A cold start at time 0."""
        return Net(topology).simulate(settle=False)

    def stop(self, run: Running) -> None:
        """Nothing is left of it."""


class Live:
    """On this machine, as `dualhome up` runs it."""

    word = "live"

    def __init__(self, name: str, options: UpOptions | None = None) -> None:
        self.name, self.options = name, options

    def start(self, topology: Topology) -> Running:
        """Namespaces, fabric, speakers."""
        with suppress(DualhomeError):
            down(self.name)  # what a process that died has left
        return Net(topology).up(self.name, self.options)

    def stop(self, run: Running) -> None:
        """All of it goes."""
        if isinstance(run, LiveRun):
            run.close()
        down(self.name)


class Backend:
    """The network that follows the resources. `ask` it."""

    def __init__(self, records: Records, engine: Engine, extra: Callable[[], Any] = lambda: None) -> None:
        self.records, self.engine, self._extra = records, engine, extra
        self.world: World | None = None
        self._run: Running | None = None
        self._down: set[str] = set()
        self._drills: dict[str, str] = {}  # what somebody failed on purpose: target -> how
        self._drilled: dict[str, str] = {}
        self._states: dict[str, str] = {}
        self._version = -1
        self._settled = True
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._soon: asyncio.TimerHandle | None = None
        self.generation = 0  # grows whenever what runs was replaced, or something in it failed
        self.trouble = ""  # why the newest topology doesn't run, "" where it does
        self.before: Callable[[World], None] = lambda world: None  # in the network's thread, before a new world runs
        self.after: Callable[[World], None] = lambda world: None  # and once it runs

    # --- following ----------------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """The resources have changed: a live network follows soon, a simulated one when somebody asks."""
        if self.engine.word == "live" and self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(SOON_S, self._follow_soon)

    def _follow_soon(self) -> None:
        self._soon = None
        task = asyncio.get_running_loop().create_task(self.follow())
        task.add_done_callback(_said)

    async def follow(self) -> None:
        """Let the network be what the resources say by now, without waiting for it to settle."""
        records = self._newest()
        await self._in_thread(lambda: self._follow(records))

    def _newest(self) -> Records | None:
        """The resources, where they are others than those that run; a copy, since they change while the network's thread reads."""
        return self.records.copy() if self.records.version != self._version else None

    def _follow(self, records: Records | None) -> None:
        if records is not None and records.version > self._version:
            try:
                world = world_of(records, self._extra())
            except Exception as error:  # what one resource says must not take the network from all others
                LOG.exception("the resources make no topology")
                self.trouble, self._version = f"the resources make no topology: {error}", records.version
                self.world = self.world or World({}, None)
                return
            for omission in world.omitted:
                if self.world is None or omission not in self.world.omitted:
                    LOG.info("not in the network: %s: %s", omission.id, omission.why)
            self._become(world)
            self.world, self._version = world, records.version
            self._settled = False
            self.generation += 1
        self._fail()

    def _become(self, world: World) -> None:
        self.before(world)
        try:
            if world.topology is None:
                self._stop()
            elif self._run is None:
                self._run = self.engine.start(world.topology)
                self._down, self._drilled = set(), {}
            elif self.world is None or self.world.topology is None or self.world.topology.network != world.topology.network:
                self._run.become(world.topology)
            self.trouble = ""
        except DualhomeError as error:
            self.trouble = str(error)
            LOG.error("the network does not follow the resources: %s", error)
        self.after(world)

    def _stop(self) -> None:
        if self._run is not None:
            run, self._run = self._run, None
            self._down, self._drilled = set(), {}
            self.engine.stop(run)

    def _fail(self) -> None:
        """Machines that are powered off are down, and what a drill failed."""
        run, world = self._run, self.world
        if run is None or world is None:
            return
        there = set(world.nodes.values())
        wanted = {name for name in world.down if name in there}
        drills = {target: how for target, how in self._drills.items() if target.partition("#")[0] in there}
        deeds: list[tuple[str, tuple[str, ...]]] = [("restore", (name,)) for name in self._down - wanted if name in there]
        deeds += [("restore", (target,)) for target in self._drilled if target not in drills]
        deeds += [("fail", (name,)) for name in wanted - self._down]
        deeds += [("fail", (target, how)) for target, how in drills.items() if target not in self._drilled]
        for verb, arguments in deeds:
            try:
                getattr(run, verb)(*arguments)
            except DualhomeError as error:
                LOG.error("%s %s: %s", verb, arguments, error)
            self._settled = False
            self.generation += 1
        self._down, self._drilled = wanted, drills

    async def drill(self, target: str, how: str = "crash") -> None:
        """Fail something until `undo` (a failover test)."""
        self._drills[target] = how
        await self.follow()

    async def undo(self, targets: Iterable[str]) -> None:
        """Restore what drills failed."""
        for target in list(targets):
            self._drills.pop(target, None)
        await self.follow()

    # --- asking -------------------------------------------------------------------------------------------------------

    async def ask(self, question: Callable[[Running | None, World], T], settle: bool = True) -> T:
        """The answer of a function that is called in the network's thread, once the network is what the resources say and at rest."""

        records = self._newest()

        def answer() -> T:
            self._follow(records)
            if settle and not self._settled and self._run is not None:
                with suppress(NotSettled):
                    self._run.settle(SETTLE_S[self.engine.word])
                self._settled = True
                self._look()
            elif self.engine.word == "live":
                self._look()
            assert self.world is not None, "it follows the resources"
            return question(self._run, self.world)

        return await self._in_thread(answer)

    def name_of(self, key: str) -> str | None:
        """What a record is called in the network that runs by now."""
        return self.world.nodes.get(key) if self.world else None

    def namespace_of(self, key: str) -> Path | None:
        """The network namespace of a record's node, as a file; None in a simulation, or where it is not there."""
        run, name = self._run, self.name_of(key)
        if not isinstance(run, LiveRun) or name is None:
            return None
        nodes = run.nodes()
        found = nodes.get(name) or nodes.get(name.rpartition(".")[0])  # of a further NIC its machine's; names have dots of their own
        return Path(found) if found else None

    def link_of(self, key: str) -> str | None:
        """What joins the ends of a connection, in the network that runs by now."""
        return self.world.links.get(key) if self.world else None

    def connected(self, key: str) -> bool:
        """Whether a connection carries: its ends are there, and neither they nor it are failed; of one with BGP, a session is up."""
        link = self.link_of(key)
        if link is None or link in self._drills:
            return False
        return not any(end in self._down for end in link.split("<->"))

    def connection_state(self, key: str) -> str:
        """connectionState of a bgpConnection, as it was when the network was last asked anything; Unknown before."""
        return self._states.get(key, "Unknown")

    def _look(self) -> None:
        """Note the states of sessions that resources show."""
        if self._run is not None and self.world is not None:
            by_name: dict[str, list[Any]] = {}
            for view in self._run.sessions():
                by_name.setdefault(f"{view.speaker.partition('#')[0]}/{view.peer}", []).append(view)
            self._states = {key: connection_state(by_name.get(name, ())) for key, name in self.world.sessions.items()}

    async def look(self) -> None:
        """Know what sessions and connections are doing: in a simulation once all is at rest, live as it is now."""
        await self.ask(lambda run, world: None, settle=self.engine.word == "simulated")

    async def effective_routes(self, nic: str) -> dict[str, Any]:
        """effectiveRouteTable of a NIC, by its record's key; empty where the network has no such NIC."""

        def question(run: Running | None, world: World) -> dict[str, Any]:
            name = world.nodes.get(nic)
            return azure.effective_routes(run, name) if run is not None and name is not None else {"value": []}

        return await self.ask(question)

    async def _in_thread(self, what: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, what)

    async def close(self, *, keep: bool = False) -> None:
        """Take the network down; `keep`: leave a live one as it is."""
        if self._soon is not None:
            self._soon.cancel()
        if not keep:
            await self._in_thread(self._stop)
        self._pool.shutdown(wait=True)


def _said(done: asyncio.Task[None]) -> None:
    """What a task of ours that nobody waits for ended with."""
    if not done.cancelled() and (error := done.exception()) is not None:
        LOG.error("the network can't follow the resources", exc_info=error)
