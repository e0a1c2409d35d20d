"""Nodes for which a program of somebody else's speaks: FRR, BIRD, or whatever the user connects. What they know is read from the kernel of their namespace.

The kernel tells when its routes change, the programs are asked for their sessions; both in the event loop, by `attend`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from dualhome.engine import Engine
from dualhome.engine.rest import HOPELESS
from dualhome.engine.views import RouteView, SessionView
from dualhome.errors import DualhomeError, RequestError
from dualhome.forwarding.places import places
from dualhome.live.kernels import Kernels, Row
from dualhome.live.layout import Layout, Node
from dualhome.live.nodes import Nodes
from dualhome.live.place import Place
from dualhome.live.programs import Program, program_for
from dualhome.model import Network
from dualhome.net import Address, Prefix
from dualhome.plan import Plan

LOG: Final = logging.getLogger("dualhome.live")
QUIET_S: Final = 2.0  # of its own choice FRR gathers what it tells a new peer for more than a second
ASK_S: Final = (0.3, 1.0)  # between questions for sessions: while one may come up, and afterwards


class Progress(Protocol):
    """How far something is."""

    def __call__(self, done: int, of: int, what: str, /) -> None: ...  # noqa: D102


class Foreign:
    """All of them; the engine's `Outside`."""

    engine: Engine

    def __init__(self, network: Network, place: Place, nodes: Nodes, directory: Path) -> None:
        self._place, self._nodes, self._directory = place, nodes, directory
        self._killed: set[str] = set()
        self._starting: set[str] = set()
        self._refused: dict[str, str] = {}  # what a program said that was to be started again
        self._kernels = Kernels(nodes, self._news)
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: Callable[[], None] = lambda: None
        self._programs: dict[str, Program] = {}
        self._changed_at = 0.0
        self._seen: dict[str, Mapping[str, str]] = {}  # states of sessions, when they were last compared
        self._writable: Callable[[str, str], bool] = lambda speaker, peer: True
        self._plan: Plan | None = None
        self.change(network)

    def change(self, network: Network) -> None:
        """The network is another."""
        self._network = network
        self._names = {router.name for router in network.routers() if router.asn is not None and router.runtime != "builtin"}

    def writable_by(self, writable: Callable[[str, str], bool]) -> None:
        """Who knows whether transports take more."""
        self._writable = writable

    # --- what the engine asks -----------------------------------------------------------------------------------------

    def foreign(self, speaker: str) -> bool:
        """Whether a program of somebody else's speaks for this node."""
        return speaker in self._names

    def writable(self, speaker: str, peer: str) -> bool:
        """Whether the transport of this session takes more now."""
        return self._writable(speaker, peer)

    def table(self, speaker: str) -> Sequence[Row]:
        """Routes of BGP in its kernel, as they were read last."""
        return self._kernels.table(speaker)

    def lookup(self, speaker: str, address: Address) -> Row | None:
        """The longest match among them."""
        return self._kernels.lookup(speaker, address)

    def session(self, speaker: str, peer: str) -> SessionView:
        """Its side of a session, as its program tells."""
        program = self._programs.get(speaker)
        state = program.states().get(peer, "Idle") if program is not None else self._seen_from(peer, speaker)
        return SessionView(
            speaker=speaker,
            peer=peer,
            state=state,
            since_s=0,
            last_error="",
            hold_time_s=0,
            routes_learned=0,
            carrier=self._carrier(speaker, peer),
        )

    def _seen_from(self, peer: str, speaker: str) -> str:
        """Of a machine of the user's we know what its peers say."""
        return self.engine.session(peer, speaker).state if peer in self.engine.speakers else "Unknown"

    def expected(self, speaker: str, peer: str) -> bool:
        """Nobody waits for a machine of the user's, or for a program that has ended."""
        if (program := self._programs.get(speaker)) is not None:
            return program.running or speaker in self._starting
        return self._seen_from(peer, speaker) == "Established"

    def learned(self, speaker: str, peer: str) -> list[RouteView]:
        """As its program tells."""
        program = self._programs.get(speaker)
        if program is None:
            raise RequestError(self.instead(speaker, peer))
        ebgp = self._speaker(speaker).config.peers[peer].policy.ebgp
        return [
            RouteView(
                speaker=speaker,
                peer=peer,
                prefix=Prefix.parse(each.prefix),
                next_hop=each.next_hop,
                as_path=each.as_path,
                communities=(),
                med=None,
                local_preference=100,
                origin="EBgp" if ebgp else "IBgp",
                weight=0,
                learned_from=peer,
                best=False,
                multipath=False,
                lost_in=None,
                reason=None,
                detail=None,
            )
            for each in program.learned(peer)
        ]

    def instead(self, speaker: str, peer: str = "") -> str:
        """Whom to ask, and how."""
        program = self._programs.get(speaker)
        if program is None:
            return f"{speaker} is a machine of yours (`runtime: external`): ask it there"
        words = " ".join(program.runtime.show(program.job, peer if peer in program.job.config.peers else ""))
        return f"for {speaker} speaks {program.word}, which keeps this to itself; ask it: {program.shell()} {words}"

    def _speaker(self, name: str) -> Any:
        assert self._plan is not None, "programs run only for a plan"
        return self._plan.speakers[name]

    def _carrier(self, speaker: str, peer: str) -> str:
        assert self._plan is not None, "programs run only for a plan"
        return next((s.carrier.value for s in self._plan.sessions if {speaker, peer} == {s.a, s.b}), "")

    # --- programs -----------------------------------------------------------------------------------------------------

    def start(self, plan: Plan, layout: Layout, progress: Progress) -> None:
        """Start what isn't running and should be, and anew what is to be told otherwise.

        Raises:
            RequestError: a program refuses its configuration; the message has its own words.
            SystemRefused: a program doesn't start.
        """
        self._plan = plan
        self.retire(layout)
        wanted = [layout.nodes[name] for name in plan.speakers if name in self._names and name in layout.nodes]
        for done, node in enumerate(wanted):
            program, known = program_for(plan, node, self._place, self._directory), self._programs.get(node.name)
            if program is None:
                known = self._programs.pop(node.name, None)
            elif known is None or (known.word, known.text) != (program.word, program.text):
                progress(done, len(wanted), f"{program.word} for {node.name}")
                self._programs[node.name] = program
                if known is not None:
                    known.kill()
                if node.name not in self._killed:
                    program.start()
                continue
            if known is not None and program is None:
                known.kill()

    def retire(self, layout: Layout) -> None:
        """End programs whose nodes speak for themselves from now on, or are gone; their ports are free then."""
        for name in [name for name in self._programs if name not in self._names or name not in layout.nodes]:
            self._programs.pop(name).kill()
            self._killed.discard(name)

    def forget(self, name: str) -> None:
        """The node is gone; if it comes again it is another one."""
        if (program := self._programs.pop(name, None)) is not None:
            program.stop()
        self._kernels.forget(name)
        self._killed.discard(name)

    def follow(self, engine: Engine) -> None:
        """Programs of crashed nodes are killed, those of restored ones started."""
        for name, program in self._programs.items():
            crashed = "crash" in engine.fails(name)
            if crashed and name not in self._killed and name not in self._starting:
                self._killed.add(name)
                program.kill()
                self._spawn(asyncio.to_thread(program.clear))
            elif not crashed and name in self._killed and name not in self._starting:
                self._killed.discard(name)
                self._spawn(self._start_again(name, program))

    async def _start_again(self, name: str, program: Program) -> None:
        """It takes a second or two, so not in the event loop."""
        self._starting.add(name)
        self._refused.pop(name, None)
        try:
            await asyncio.to_thread(program.start)
        except DualhomeError as error:
            self._refused[name] = str(error)
            LOG.error("%s", error)
        finally:
            self._starting.discard(name)
        self.stir()
        self.follow(self.engine)  # it may have crashed again meanwhile
        self._told()

    def stop(self) -> None:
        """End all."""
        for task in self._tasks:
            task.cancel()
        self._kernels.close()
        for program in self._programs.values():
            program.terminate()
        for program in self._programs.values():
            program.stop()
        self._programs.clear()

    def status(self) -> dict[str, dict[str, object]]:
        """By node its program: whether it runs, by which command it is asked."""
        return {
            name: {
                "runtime": program.word,
                "running": program.running,
                "shell": program.shell(),
                "log": str(program.job.directory / "log"),
                **({"refused": self._refused[name]} if name in self._refused else {}),
            }
            for name, program in self._programs.items()
        }

    # --- word of changes ----------------------------------------------------------------------------------------------

    def attend(self, told: Callable[[], None]) -> None:
        """From now on call this in the event loop whenever routes may be others."""
        self._told = told
        self._spawn(self._ask())

    def hear(self, layout: Layout) -> None:
        """Listen to the kernels of the nodes that have programs."""
        self._kernels.hear(node.name for node in self._inside(layout))

    def _inside(self, layout: Layout) -> list[Node]:
        return [layout.nodes[name] for name in sorted(self._names) if name in layout.nodes and not layout.nodes[name].external]

    def look(self, layout: Layout) -> bool:
        """Read the kernels; whether anything changed."""
        return self._kernels.look(self._inside(layout), lambda name: list(self._speaker(name).config.peers), places(self.engine))

    def _news(self) -> None:
        self.stir()
        self._told()

    async def _ask(self) -> None:
        """Ask the programs for their sessions, again and again."""
        while True:
            for name, program in list(self._programs.items()):
                if name not in self._starting:
                    await asyncio.to_thread(program.poll)
            restless = any(state != "Established" for program in self._programs.values() for state in program.states().values())
            await asyncio.sleep(ASK_S[not restless] if self._programs else ASK_S[1])

    def _spawn(self, what: Any) -> None:
        task = asyncio.get_running_loop().create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stir(self) -> None:
        """Something changed just now."""
        self._changed_at = time.monotonic()

    def unsettled(self, engine: Engine) -> str | None:
        """Whether one of them may still change something."""
        for name in sorted(self._starting):
            return f"{self._programs[name].word} of {name} starts"
        seen = {name: program.states() for name, program in self._programs.items()}
        if seen != self._seen:
            self._seen = seen
            self.stir()
        if self._programs and time.monotonic() - self._changed_at < QUIET_S:
            return "routes or sessions of FRR or BIRD changed just now"
        for name, program in self._programs.items():
            for peer in engine.plan.speakers[name].config.peers:
                if program.states().get(peer) != "Established" and self._may_come_up(engine, name, peer):
                    return f"{name}/{peer} is {program.states().get(peer, 'Idle')} and may come up"
        return None

    def _may_come_up(self, engine: Engine, name: str, peer: str) -> bool:
        both = ((name, peer), (peer, name))
        hopeless = max(engine.refusals(*pair) for pair in both) >= HOPELESS
        opens = any(engine.opens(*pair) for pair in both)
        return not hopeless and opens and all(engine.wants(*pair) and engine.carries(*pair) for pair in both)
