"""The use cases, and the library: a file becomes a `Net`, a simulated `Net` a `Run`. The only place that wires the floors together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path as File

from dualhome import check as checks
from dualhome import topology as files
from dualhome.check import Finding
from dualhome.engine import Engine, events
from dualhome.engine.views import RouteView, SessionView
from dualhome.errors import Fault, NotSettled, RequestError, TopologyError
from dualhome.explain import Story, story
from dualhome.forwarding.effective import EffectiveRoute, effective_routes
from dualhome.forwarding.trace import Path, paths, verdict
from dualhome.model import Network
from dualhome.net import Prefix
from dualhome.plan import Plan, make_plan
from dualhome.report import diagram
from dualhome.scenario import CheckResult
from dualhome.scenario import run as run_scenario
from dualhome.sim.simulation import Simulation
from dualhome.topology import Topology
from dualhome.units import after, as_seconds, seconds

Way = tuple[Path, tuple[Path, ...]]  # one branch there, and its branches back
Progress = Callable[[int, int, str], None]


def load(path: str | File) -> Net:
    """The network of a topology file.

    Raises:
        TopologyError: the file can't be read, or is wrong; all its faults.
    """
    try:
        return Net(files.load(File(path)))
    except OSError as error:
        raise TopologyError([Fault(file=str(path), line=0, column=0, message=f"can't be read: {error.strerror or error}")]) from error
    except UnicodeDecodeError as error:
        raise TopologyError([Fault(file=str(path), line=0, column=0, message="is not a text in UTF-8")]) from error


def parse(text: str, file: str = "topology.yaml") -> Net:
    """The network of a topology's text.

    Raises:
        TopologyError: the text is wrong; all its faults, under the name `file`.
    """
    return Net(files.parse(text, file))


class Net:
    """A network as its file describes it. In a notebook it shows itself as a picture."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.network: Network = topology.network
        self.plan: Plan = make_plan(topology.network)

    def simulate(self, seed: int = 0, settle: bool = True, fail: Sequence[str | Mapping[str, object]] = ()) -> Run:
        """Start it cold on virtual time; let it settle, then fail what is named, one after the other, settling after each."""
        run = Run(self.topology, self.plan, seed)
        if settle:
            run.settle()
        for target in fail:
            run.fail(target)
            if settle:
                run.settle()
        return run

    def test(self, progress: Progress | None = None, seed: int = 0) -> list[CheckResult]:
        """Run the scenario of the file."""
        return run_scenario(self.topology, lambda topology: Run(topology, self.plan, seed), progress)

    def check(self, simulate: bool = True) -> list[Finding]:
        """Findings about the design; those that need its routes too, if it may be simulated."""
        if simulate and self.plan.speakers:
            run = Run(self.topology, self.plan, 0)
            with suppress(NotSettled):  # one that flaps has findings too, as of the end of that time
                run.simulation.settle(600)
            return run.check()
        return list(checks.findings(self.network, self.plan, None, self.topology.lines.of, self.topology.file))

    def diagram(self, form: str = "svg") -> str:
        """A drawing: `svg`, or text for `mermaid`."""
        if form not in diagram.FORMS:
            raise RequestError(f"no such drawing: {form!r} (there are {', '.join(diagram.FORMS)})")
        return diagram.draw(self.network, self.plan, form)

    def _repr_svg_(self) -> str:
        return self.diagram("svg")

    def __repr__(self) -> str:
        return f"<dualhome.Net {self.network.name}: {len(self.network.virtual_networks)} virtual networks, {len(self.plan.speakers)} BGP speakers>"


class Run:
    """A network that runs on virtual time: do things to it, and ask what became of it. Nodes are named as in the topology file."""

    def __init__(self, topology: Topology, plan: Plan, seed: int = 0) -> None:
        self.topology = topology
        self.plan = plan
        self.simulation = Simulation(plan, seed)

    @property
    def engine(self) -> Engine:
        """The whole network as one machine, at this moment."""
        return self.simulation.engine

    @property
    def network(self) -> Network:
        """The network as it is by now, after `change`s."""
        return self.topology.network

    @property
    def now_s(self) -> float:
        """Seconds of virtual time since the start."""
        return as_seconds(self.simulation.now)

    @property
    def journal(self) -> Sequence[object]:
        """What happened, in order: session transitions, failures, withdrawals, programming."""
        return self.engine.journal

    # --- doing things to it ---

    def settle(self, within_s: float = 600) -> float:
        """Run until only keepalives, and attempts to connect that must fail, are left; the seconds it took.

        Raises:
            NotSettled: it didn't come to rest in that time; says what was still going on.
        """
        start_s = self.now_s
        self.simulation.settle(within_s)
        return self.now_s - start_s

    def wait(self, seconds_: float) -> None:
        """Let so many seconds pass."""
        self.simulation.run_until(after(self.simulation.now, seconds(seconds_)))

    def fail(self, target: object, how: str = "crash") -> None:
        """Break a node, instance, session, link, virtual network or region, or several at once, as a scenario's `fail` names them."""
        for each in self._targets(target, how):
            self.simulation.handle(events.Fail(each))

    def restore(self, target: object = "all") -> None:
        """Mend what `fail` broke; `all` mends everything."""
        if target == "all":
            self.simulation.handle(events.Restore("all"))
            return
        for each in self._targets(target, "crash"):
            self.simulation.handle(events.Restore(each))

    def announce(self, node: str, prefixes: Sequence[str]) -> None:
        """Let a router announce prefixes besides those of the file."""
        self.simulation.handle(events.Announce(self._router(node), tuple(map(_prefix, prefixes))))

    def withdraw(self, node: str, prefixes: Sequence[str]) -> None:
        """Let a router take prefixes back, the file's too."""
        self.simulation.handle(events.Withdraw(self._router(node), tuple(map(_prefix, prefixes))))

    def change(self, patch: Mapping[str, object]) -> None:
        """Change the network's description, as a scenario's `change` does; sessions that it doesn't touch go on.

        Raises:
            TopologyError: what comes out is no valid network.
        """
        self.topology = self.topology.changed(patch)
        self.plan = make_plan(self.topology.network)
        self.simulation.handle(events.Change(self.plan))

    # --- asking it ---

    def sessions(self, name: str | None = None) -> tuple[SessionView, ...]:
        """All sides of sessions, or those that `spoke-rs/hub1-nva` means: of each instance of the first toward each of the second."""
        every = tuple(self.engine.sessions())
        if name is None:
            return every
        own, _, peer = name.partition("/")
        return tuple(v for v in every if _means(own, v.speaker) and (not peer or _means(peer, v.peer)))

    def session_states(self, name: str | None = None) -> dict[str, str]:
        """State of each side, by `speaker/peer`."""
        return {f"{v.speaker}/{v.peer}": str(v.state) for v in self.sessions(name)}

    def speakers(self, name: str) -> tuple[str, ...]:
        """Full names of the speakers that a name means: `spoke-rs` is `spoke-rs#0` and `spoke-rs#1`."""
        return tuple(s for s in self.engine.speakers if _means(name, s))

    def effective_routes(self, nic: str) -> tuple[EffectiveRoute, ...]:
        """Effective routes of a machine's NIC, or of a gateway."""
        known = [n.name for n in self.network.nics()] + list(self.network.gateways)
        if nic.partition("#")[0] not in known:
            raise RequestError(f"no machine, NIC or gateway {nic!r}{_hint(nic, known)}")
        return effective_routes(self.engine, nic)

    def learned(self, session: str) -> tuple[RouteView, ...]:
        """What `spoke-rs/hub1-nva`'s first holds from its second, after acceptance and before its rules."""
        return tuple(route for view in self._session(session) for route in self.engine.learned(view.speaker, view.peer))

    def advertised(self, session: str) -> tuple[RouteView, ...]:
        """What the first tells the second."""
        return tuple(route for view in self._session(session) for route in self.engine.advertised(view.speaker, view.peer))

    def rejected(self, session: str) -> tuple[RouteView, ...]:
        """What the first refused of what the second sent, and by which rule; a node alone: of all its peers."""
        return tuple(route for view in self._session(session) for route in self.engine.rejected(view.speaker, view.peer))

    def table(self, speaker: str) -> tuple[RouteView, ...]:
        """Loc-RIB of a speaker, or of each instance, with what lost."""
        names = self.speakers(speaker)
        if not names:
            raise RequestError(f"no BGP speaker {speaker!r}{_hint(speaker, self.engine.speakers)}")
        return tuple(route for name in names for route in self.engine.table(name))

    def paths(self, source: str, destination: str) -> tuple[Path, ...]:
        """Every way of a packet, one for each branch of ECMP."""
        return tuple(paths(self.engine, source, destination))

    def trace(self, source: str, destination: str) -> tuple[Way, ...]:
        """Every way of a packet, each with every way back of its answer."""
        return tuple((path, tuple(back)) for path, back in verdict(self.engine, source, destination))

    verdict = trace

    def watch(self, source: str, destination: str) -> None:
        """Send probes from now on, for `outage`."""
        self.simulation.probe(source, destination)

    def outage(self, source: str, destination: str) -> float:
        """Seconds of the longest gap of the worst of 64 flows since the last event; `watch` the pair first."""
        return float(self.simulation.outage(source, destination))

    def why(self, node: str, prefix: str) -> Story:
        """Why a node has a route to a prefix or an address, or where it was lost."""
        return story(self.engine, node, prefix)

    def check(self) -> list[Finding]:
        """Findings about the network as it is by now."""
        return list(checks.findings(self.network, self.plan, self.engine, self.topology.lines.of, self.topology.file))

    # --- names ---

    def _session(self, name: str) -> tuple[SessionView, ...]:
        views = self.sessions(name)
        if not views:
            known = [f"{_base(v.speaker)}/{_base(v.peer)}" for v in self.sessions()]
            raise RequestError(f"no BGP session {name!r}{_hint(name, dict.fromkeys(known))}")
        return views

    def _router(self, name: str) -> str:
        if self.network.router(name) is None:
            known = [r.name for r in self.network.routers()]
            raise RequestError(f"no NVA or on-premises router {name!r}{_hint(name, known)}")
        return name

    def _targets(self, target: object, how: str) -> Iterator[events.Target]:
        """What `fail` and `restore` name; checked, so that a typing error isn't a failure of nothing."""
        if isinstance(target, (list, tuple)):
            for each in target:
                yield from self._targets(each, how)
            return
        if isinstance(target, Mapping):
            kind = next((k for k in ("node", "link", "session", "virtual_network", "region") if k in target), "")
            if not kind:
                raise RequestError("a failure names a node, link, session, virtual_network or region")
            yield self._target(kind, str(target[kind]), str(target.get("how", how)))
            return
        name, _, own_how = str(target).partition(":")
        kind = "link" if "<->" in name else "session" if "/" in name else "node"
        if name in self.network.virtual_networks:
            kind = "virtual_network"
        elif name in self._failing("region"):
            kind = "region"
        yield self._target(kind, name, own_how or how)

    def _target(self, kind: str, name: str, how: str) -> events.Target:
        if how not in ("crash", "silent", "forwarding"):
            raise RequestError(f"no such way to fail: {how!r} (there are crash, silent, forwarding)")
        known = self._failing(kind)
        whole = kind in ("virtual_network", "region")
        parts = [name] if whole else name.replace("<->", "/").split("/")
        for part in parts:
            if (part if whole else _base(part)) not in known:
                raise RequestError(f"no {kind.replace('_', ' ')} {part!r}{_hint(part, known)}")
        if kind == "session" and not self.sessions(name):
            raise RequestError(f"no BGP session {name!r}")
        return events.Target(kind, name, how)

    def _failing(self, kind: str) -> list[str]:
        """Names that a target of this kind may be made of."""
        network = self.network
        if kind == "virtual_network":
            return list(network.virtual_networks)
        if kind == "region":
            return list(dict.fromkeys(v.region for v in network.virtual_networks.values() if v.region))
        nodes = node_names(network)
        outside = [p.name for rs in network.route_servers.values() for p in rs.peers if p.address]
        return [*nodes, *outside, *(["internet", *network.virtual_networks] if kind == "link" else [])]


def node_names(network: Network) -> list[str]:
    """Everything that can fail or be asked about by its name alone."""
    groups: tuple[Mapping[str, object], ...] = (
        network.virtual_machines,
        network.nvas,
        network.route_servers,
        network.gateways,
        network.load_balancers,
        network.circuits,
        network.on_premises,
        network.hosts(),
    )
    return [name for group in groups for name in group]


def _base(name: str) -> str:
    return name.partition("#")[0]


def _means(name: str, full: str) -> bool:
    return full == name or _base(full) == name


def _prefix(text: str) -> Prefix:
    try:
        return Prefix.parse(text)
    except ValueError as error:
        raise RequestError(f"no prefix: {text!r} ({error})") from error


def _hint(name: str, known: object) -> str:
    names = [str(k) for k in known] if hasattr(known, "__iter__") else []
    if close := get_close_matches(name, names, 1):
        return f" (did you mean {close[0]!r}?)"
    return f" (there are {', '.join(names[:8])}{'…' if len(names) > 8 else ''})" if names else ""
