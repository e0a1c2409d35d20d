"""What a running network can be asked, simulated or live, in the words of the topology file; and what may be done to it, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from dualhome import check as checks
from dualhome.check import Finding
from dualhome.engine import Engine, events
from dualhome.engine.views import RouteView, SessionView
from dualhome.errors import RequestError
from dualhome.explain import Story, session_story, story
from dualhome.forwarding.effective import EffectiveRoute, effective_routes
from dualhome.forwarding.packets import PROBE, Flow
from dualhome.forwarding.trace import Path, paths, verdict
from dualhome.model import Network
from dualhome.net import Prefix
from dualhome.plan import Plan
from dualhome.topology import Topology

Way = tuple[Path, tuple[Path, ...]]  # one branch there, and its branches back


class Questions:
    """Answers about the network that an engine runs. Nodes are named as in the topology file."""

    def __init__(self, topology: Topology, plan: Plan, engine: Engine) -> None:
        self.topology = topology
        self.plan = plan
        self.engine = engine

    @property
    def network(self) -> Network:
        """The network as it is by now, after `change`s."""
        return self.topology.network

    @property
    def journal(self) -> Sequence[object]:
        """What happened, in order: session transitions, failures, withdrawals, programming."""
        return self.engine.journal

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
        return tuple(s for s in self.plan.speakers if _means(name, s))

    def effective_routes(self, nic: str) -> tuple[EffectiveRoute, ...]:
        """Effective routes of a machine's NIC, or of a gateway."""
        known = [n.name for n in self.network.nics()] + list(self.network.gateways)
        if nic.partition("#")[0] not in known:
            raise RequestError(f"no machine, NIC or gateway {nic!r}{hint(nic, known)}")
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
            raise RequestError(f"no BGP speaker {speaker!r}{hint(speaker, self.engine.speakers)}")
        return tuple(route for name in names for route in self.engine.table(name))

    def paths(self, source: str, destination: str, flow: str | None = None) -> tuple[Path, ...]:
        """Every way of a packet, one for each branch of ECMP. `flow` (`Tcp/443`, `Icmp`): what security groups judge, by default a probe of UDP."""
        return tuple(paths(self.engine, source, destination, Flow.parse(flow) if flow else PROBE))

    def trace(self, source: str, destination: str, flow: str | None = None) -> tuple[Way, ...]:
        """Every way of a packet, each with every way back of its answer; `flow` as for `paths`."""
        ways = verdict(self.engine, source, destination, Flow.parse(flow) if flow else PROBE)
        return tuple((path, tuple(back)) for path, back in ways)

    verdict = trace

    def why(self, node: str, prefix: str, instead_of: str | None = None) -> Story:
        """Why a node has a route to a prefix, an address or a name, or where it was lost; with `instead_of` why it doesn't go by that node or address."""
        return story(self.engine, node, prefix, instead_of)

    def why_session(self, name: str) -> Story:
        """Why the session `spoke-rs/hub1-nva` is up or down: of each instance of the first toward each of the second."""
        return session_story(self.engine, name)

    def check(self) -> list[Finding]:
        """Findings about the network as it is by now."""
        return list(checks.findings(self.network, self.plan, self.engine, self.topology.locate, self.topology.file))

    # --- names ---

    def _session(self, name: str) -> tuple[SessionView, ...]:
        views = self.sessions(name)
        if not views:
            known = [f"{_base(v.speaker)}/{_base(v.peer)}" for v in self.sessions()]
            raise RequestError(f"no BGP session {name!r}{hint(name, dict.fromkeys(known))}")
        return views

    def router_named(self, name: str) -> str:
        """The name, if a router has it."""
        if self.network.router(name) is None:
            known = [r.name for r in self.network.routers()]
            raise RequestError(f"no NVA or on-premises router {name!r}{hint(name, known)}")
        return name

    def targets(self, target: object, how: str) -> Iterator[events.Target]:
        """What `fail` and `restore` name; checked, so that a typing error isn't a failure of nothing."""
        if isinstance(target, (list, tuple)):
            for each in target:
                yield from self.targets(each, how)
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
                raise RequestError(f"no {kind.replace('_', ' ')} {part!r}{hint(part, known)}")
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


def prefix_of(text: str) -> Prefix:
    """The prefix that a text is; RequestError where it is none."""
    try:
        return Prefix.parse(text)
    except ValueError as error:
        raise RequestError(f"no prefix: {text!r} ({error})") from error


def hint(name: str, known: object) -> str:
    """What somebody may have meant who wrote a name that isn't known, in brackets."""
    names = [str(k) for k in known] if hasattr(known, "__iter__") else []
    if close := get_close_matches(name, names, 1):
        return f" (did you mean {close[0]!r}?)"
    return f" (there are {', '.join(names[:8])}{'…' if len(names) > 8 else ''})" if names else ""
