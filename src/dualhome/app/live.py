"""A network on this machine, as the command line and the library see it: brought up in a process of its own, asked and changed over its socket."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from dualhome.app.questions import Way
from dualhome.app.run import Run
from dualhome.app.what_if import settled
from dualhome.check import Finding
from dualhome.engine.views import RouteView, SessionView
from dualhome.errors import RequestError, SystemRefused
from dualhome.explain import Story
from dualhome.forwarding.effective import EffectiveRoute
from dualhome.forwarding.places import INTERNET
from dualhome.forwarding.trace import Path
from dualhome.live import machine, programs
from dualhome.live.control import Client, pack
from dualhome.live.layout import lay_out
from dualhome.live.place import Place, all_places, the_place
from dualhome.live.probes import FLOWS, ends
from dualhome.live.probing import Prober
from dualhome.model import Network
from dualhome.plan import make_plan
from dualhome.topology import Topology

Progress = Callable[[int, int, str], None]
STREAM: Final = "probe"
END_S: Final = 8.0  # for a network's process to say goodbye


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """How a network is brought up. `speed`: seconds of its own time in a second; `isolate`: a process for each built-in speaker.

    `tunnels`: wireguard, plain, or auto, which is wireguard where the machine can.
    """

    speed: float = 1.0
    seed: int | None = None
    isolate: bool = False
    tunnels: str = "auto"


def up(topology: Topology, name: str | None = None, options: UpOptions | None = None, progress: Progress | None = None) -> LiveRun:
    """Bring a network up; it is there when this returns, and not settled yet.

    Raises:
        RequestError: the name is taken, or none.
        SystemRefused: the machine lacks something, or refused; whatever was made by then is removed.
    """
    place = Place(name or topology.network.name)
    options = options or UpOptions()
    machine.require()
    directory = pathlib.Path(topology.file).absolute().parent
    _require_programs(topology, options, directory)
    order = pack({"name": place.name, "topology": topology, "directory": str(directory), "options": asdict(options)})
    place.make()
    reading, writing = os.pipe()
    try:
        with place.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dualhome.app.daemon", str(writing)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(writing,),
                env=place.environment(),
                start_new_session=True,
                cwd="/",
            )
        assert process.stdin is not None, "it is a pipe"
        process.stdin.write(order)
        process.stdin.close()
        os.close(writing)
        with os.fdopen(reading, "r", encoding="utf-8") as lines:
            _until_there(lines, place, progress)
    except BaseException:
        place.clear()
        raise
    return LiveRun(place)


def _require_programs(topology: Topology, options: UpOptions, directory: pathlib.Path) -> None:
    """Of the nodes for which others' programs speak."""
    network = topology.network
    foreign = [router for router in network.routers() if router.asn is not None and router.runtime != "builtin"]
    if foreign and options.speed != 1:
        raise RequestError(
            f"{foreign[0].name} has `runtime: {foreign[0].runtime}`, whose timers run as fast as the world's: leave out --speed, or runtime"
        )
    if foreign:
        programs.require(make_plan(network), lay_out(network), directory)


def _until_there(lines: Any, place: Place, progress: Progress | None) -> None:
    """Follow what the process says until it is ready."""
    for line in lines:
        said = json.loads(line)
        if "ready" in said:
            return
        if "refused" in said:
            raise SystemRefused(said["refused"])
        if progress:
            progress(*said["progress"])
    tail = place.log.read_text(errors="replace").strip().splitlines()[-3:] if place.log.exists() else []
    raise SystemRefused("the network's process ended before it was ready" + (": " + " / ".join(tail) if tail else ""))


def networks() -> list[LiveNetworkInfo]:
    """Every network of which something is on this machine."""
    return [
        LiveNetworkInfo(
            name=each.name,
            file=str(each.read_state().get("file", "")),
            running=each.driver() is not None,
            pid=each.driver(),
        )
        for each in all_places()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveNetworkInfo:
    """A network on this machine: running, or left over from a process that ended."""

    name: str
    file: str
    running: bool
    pid: int | None


def down(name: str | None = None) -> list[str]:
    """Take a network down, whatever is left of it; what was removed, in words.

    Raises:
        RequestError: there is none of this name.
        SystemRefused: something couldn't be removed.
    """
    place = the_place(name)
    pid = place.driver()
    if pid is not None:
        try:
            client = Client(place.control)
            client.call("shutdown")
            client.close()
        except SystemRefused:
            pass  # it is ended below
        end = time.monotonic() + END_S
        while place.driver() is not None and time.monotonic() < end:
            time.sleep(0.02)
    return place.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What became of a stream. `paths`: hops that a trace saw, by name where the network has one for the address; "*" didn't answer."""

    sent: int
    lost: int
    longest_gap_ms: float
    open: int  # flows that are interrupted now
    paths: tuple[tuple[str, ...], ...]


def _probed(read: Mapping[str, Any], paths: tuple[tuple[str, ...], ...]) -> ProbeResult:
    return ProbeResult(sent=read["sent"], lost=read["lost"], longest_gap_ms=read["longest_gap_ms"], open=read["open"], paths=paths)


class LiveRun:
    """A network that runs on this machine: the same questions and commands as `Run`, asked over its socket."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._client = Client(place.control)

    @classmethod
    def attach(cls, name: str | None = None) -> LiveRun:
        """The network of this name, or the only one.

        Raises:
            RequestError: there is none, or several.
            SystemRefused: its process has ended.
        """
        place = the_place(name)
        if place.driver() is None:
            raise SystemRefused(f"the process of network {place.name!r} has ended: `dualhome down {place.name}` removes what is left")
        return cls(place)

    def __enter__(self) -> LiveRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        down(self.place.name)

    def close(self) -> None:
        """Ask no more; the network stays."""
        self._client.close()

    def _ask(self, method: str, *arguments: object) -> Any:
        return self._client.call(method, *arguments)

    # --- doing things to it ---

    def settle(self, within_s: float = 600) -> float:
        """Wait until nothing changes any more; the seconds it took. NotSettled where it doesn't come to rest."""
        return float(self._ask("settle", within_s))

    def unsettled(self) -> str | None:
        """What may still change; None where nothing may."""
        said: str | None = self._ask("unsettled")
        return said

    def wait(self, seconds_: float) -> None:
        """Let so many seconds of the network's time pass."""
        self._ask("wait", seconds_)

    def fail(self, target: object, how: str = "crash") -> None:
        """Break something, really."""
        self._ask("fail", target, how)

    def restore(self, target: object = "all") -> None:
        """Mend it."""
        self._ask("restore", target)

    def announce(self, node: str, prefixes: Sequence[str]) -> None:
        """Let a router announce prefixes."""
        self._ask("announce", node, list(prefixes))

    def withdraw(self, node: str, prefixes: Sequence[str]) -> None:
        """Let it take prefixes back."""
        self._ask("withdraw", node, list(prefixes))

    def change(self, patch: Mapping[str, object]) -> None:
        """Change the description; what it touches is changed on the machine."""
        self._ask("change", dict(patch))

    def become(self, topology: Topology) -> None:
        """Replace the whole network by another; on the machine only what differs changes."""
        self._ask("become", topology)

    def watch(self, source: str, destination: str, flows: int = FLOWS) -> None:
        """Send a packet a millisecond from now on, over so many flows in turn: gaps are known to `flows` milliseconds."""
        self._ask("watch", source, destination, flows)

    def outage(self, source: str, destination: str) -> float:
        """Seconds of the longest gap since the last event."""
        return float(self._ask("outage", source, destination))

    # --- asking it ---

    @property
    def network(self) -> Network:
        """The model, as it is by now."""
        return self._ask("get_network")  # type: ignore[no-any-return]

    @property
    def topology(self) -> Topology:
        """The file, as it is by now."""
        return self._ask("get_topology")  # type: ignore[no-any-return]

    @property
    def now_s(self) -> float:
        """Seconds of its time since its start."""
        return float(self._ask("get_now_s"))

    @property
    def journal(self) -> Sequence[object]:
        """What happened."""
        return self._ask("get_journal")  # type: ignore[no-any-return]

    def sessions(self, name: str | None = None) -> tuple[SessionView, ...]:
        """Sides of sessions."""
        return self._ask("sessions", name)  # type: ignore[no-any-return]

    def session_states(self, name: str | None = None) -> dict[str, str]:
        """State of each side, by `speaker/peer`."""
        return self._ask("session_states", name)  # type: ignore[no-any-return]

    def speakers(self, name: str) -> tuple[str, ...]:
        """Full names of speakers."""
        return self._ask("speakers", name)  # type: ignore[no-any-return]

    def effective_routes(self, nic: str) -> tuple[EffectiveRoute, ...]:
        """Effective routes of a NIC."""
        return self._ask("effective_routes", nic)  # type: ignore[no-any-return]

    def learned(self, session: str) -> tuple[RouteView, ...]:
        """What the first holds from the second."""
        return self._ask("learned", session)  # type: ignore[no-any-return]

    def advertised(self, session: str) -> tuple[RouteView, ...]:
        """What the first tells the second."""
        return self._ask("advertised", session)  # type: ignore[no-any-return]

    def rejected(self, session: str) -> tuple[RouteView, ...]:
        """What the first refused of the second."""
        return self._ask("rejected", session)  # type: ignore[no-any-return]

    def table(self, speaker: str) -> tuple[RouteView, ...]:
        """Loc-RIB of a speaker."""
        return self._ask("table", speaker)  # type: ignore[no-any-return]

    def paths(self, source: str, destination: str, flow: str | None = None) -> tuple[Path, ...]:
        """Every way of a packet."""
        return self._ask("paths", source, destination, flow)  # type: ignore[no-any-return]

    def trace(self, source: str, destination: str, flow: str | None = None) -> tuple[Way, ...]:
        """Every way of a packet, each with every way back."""
        return self._ask("trace", source, destination, flow)  # type: ignore[no-any-return]

    verdict = trace

    def why(self, node: str, prefix: str, instead_of: str | None = None) -> Story:
        """Why a node has a route, or where it was lost; with `instead_of` why it doesn't go by that node or address."""
        return self._ask("why", node, prefix, instead_of)  # type: ignore[no-any-return]

    def why_session(self, name: str) -> Story:
        """Why a session is up or down."""
        return self._ask("why_session", name)  # type: ignore[no-any-return]

    def simulated(self) -> Run:
        """A simulation of its topology as it is by now, with what is failed there; settled. What was announced by hand isn't in it."""
        topology = self.topology
        run = Run(topology, make_plan(topology.network))
        settled(run)
        for failed in self.status()["failed"]:
            name, _, how = failed.rpartition(" (")
            run.fail(name, how.rstrip(")"))
            settled(run)
        return run

    def check(self) -> list[Finding]:
        """Findings about the network as it is by now."""
        return self._ask("check")  # type: ignore[no-any-return]

    def probe(
        self,
        source: str,
        destination: str,
        rate: int = 1000,
        flows: int = 16,
        seconds_: float = 5,
        watch: Callable[[ProbeResult], None] | None = None,
    ) -> ProbeResult:
        """Send a stream of packets, one way, and say what became of them; `watch` is told every tenth of a second.

        Raises:
            RequestError: one of the two is nothing that sends or receives.
        """
        network = self.network
        layout = lay_out(network)
        where = ends(network, layout, self.place, source, destination)
        prober = Prober(self.place.environment())
        try:
            prober.add(STREAM, flows=flows, rate=rate, **where)
            end = time.monotonic() + seconds_
            while (left := end - time.monotonic()) > 0:
                time.sleep(min(0.1, left))
                if watch:
                    watch(_probed(prober.read(STREAM), ()))
            traced = prober.trace(source=where["source"], destination=where["destination"], flows=flows)
            names = {str(INTERNET): "internet"}
            for node in layout.nodes.values():
                names |= {str(a): node.name for a in (*node.addresses, *(a for i in node.interfaces for a in i.addresses))}
            ways = dict.fromkeys(tuple(names.get(hop, hop) for hop in each["hops"]) for each in traced)
            return _probed(prober.read(STREAM), tuple(sorted(ways)))
        finally:
            prober.close()

    def status(self) -> dict[str, Any]:
        """Sessions, processes, packets: what `dualhome status` shows."""
        return self._ask("status")  # type: ignore[no-any-return]

    def audit(self) -> list[str]:
        """Where the fabric, or a node's kernel, holds something else than it should, in words; empty where none does."""
        return self._ask("audit")  # type: ignore[no-any-return]

    def nodes(self) -> dict[str, str]:
        """Every node, and the namespace that it is."""
        return self._ask("nodes")  # type: ignore[no-any-return]
