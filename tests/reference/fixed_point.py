"""A network at rest, without sessions, messages or time: the RIBs of a plan as a direct fixed point, in slow and plain Python.

Decision and policy are those of the oracles beside it; here is what RFC 4271 and RFC 4456 ask on import and export, and the iteration:
a speaker whose neighbors say something else decides anew, until nobody has anything to do. Which sessions are up is given.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dualhome.bgp.config import OriginConfig, SpeakerConfig
from dualhome.bgp.policy import PeerPolicy
from dualhome.net import Address, Prefix
from dualhome.plan import Plan
from tests.reference import decision
from tests.reference.policy import Facts, Network, Refused, Working
from tests.reference.policy import run as run_policy

KEEP = -1  # the MED of a route whose MED no stage set
ORIGINS = {"igp": 0, "egp": 1, "incomplete": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A route as on the wire; MED and LOCAL_PREF are None where it has none."""

    prefix: Prefix
    next_hop: str
    as_path: tuple[int, ...]
    communities: frozenset[str] = frozenset()
    local_preference: int | None = None
    med: int | None = None
    origin: int = 0
    originator_id: int | None = None
    cluster_list: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A candidate: the route after import, and what became of it. `learned_from` is None for our own."""

    route: Message
    learned_from: str | None
    tags: tuple[str, ...]
    weight: int
    best: bool = False
    multipath: bool = False
    lost_in: str | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A route that was refused, as received."""

    route: Message
    peer: str
    reason: str


Judged = tuple[Held, ...] | Rejection


class NoFixedPoint(AssertionError):  # noqa: N818  # a state of the network
    """The speakers go on and on."""


def _number(address: str) -> int:
    return int(ipaddress.ip_address(address))


def _working(route: Message, weight: int, next_hop: str, med: int | None) -> Working:
    return Working(
        prefix=ipaddress.ip_network(str(route.prefix)),
        as_path=route.as_path,
        next_hop=next_hop,
        communities=route.communities,
        local_preference=route.local_preference,
        med=med,
        weight=weight,
    )


def _prefix(network: Network) -> Prefix:
    return Prefix.parse(str(network))


@dataclass
class Rib:
    """One speaker's."""

    config: SpeakerConfig
    heard: dict[str, dict[Prefix, Message]] = field(default_factory=dict)  # by peer
    candidates: dict[Prefix, list[Held]] = field(default_factory=dict)  # of each prefix the best first
    rejected: list[Rejection] = field(default_factory=list)
    neighbor_ids: dict[str, int] = field(default_factory=dict)  # BGP Identifiers of peers
    _judged: dict[tuple[str, Message], Judged] = field(default_factory=dict)
    _told: dict[tuple[str, Held], tuple[Message, ...]] = field(default_factory=dict)

    @property
    def identifier(self) -> int:
        return _number(self.config.router_id)

    @property
    def cluster(self) -> int:
        return _number(self.config.cluster_id or self.config.router_id)

    def best(self) -> list[Held]:
        """Each prefix's best, sorted."""
        return [routes[0] for _, routes in sorted(self.candidates.items()) if routes[0].best]

    # --- import -------------------------------------------------------------------------------------------------------

    def judge(self, peer: str, route: Message) -> Judged:
        """What comes in: own ASN, own reflection, checks, rules (RFC 4271 section 9.1.2, RFC 4456 section 8)."""
        if (peer, route) not in self._judged:
            self._judged[peer, route] = self._judge(peer, self.config.peers[peer].policy, route)
        return self._judged[peer, route]

    def _judge(self, peer: str, policy: PeerPolicy, route: Message) -> Judged:
        if policy.ebgp:  # RFC 4271 section 5.1.5, RFC 4456 section 8: these are of no meaning from outside
            route = replace(route, local_preference=None, originator_id=None, cluster_list=())
        if policy.discard_med:
            route = replace(route, med=None)
        if route.as_path.count(self.config.asn) > policy.allowas_in:
            return Rejection(route, peer, "as-loop")
        if route.originator_id == self.identifier or self.cluster in route.cluster_list:
            return Rejection(route, peer, "cluster-loop")
        facts = Facts(tags=policy.tags, ebgp=policy.ebgp, local_address=policy.local_address, next_hop=route.next_hop)
        working = _working(route, policy.weight, route.next_hop, route.med)
        checked = run_policy([term.data() for term in policy.checks], working, facts)
        if isinstance(checked, Refused):
            return Rejection(route, peer, next(t.reason or "" for t in policy.checks if t.name == checked.term))
        done = run_policy([term.data() for term in policy.rules], working, facts)
        if isinstance(done, Refused):
            return Rejection(route, peer, "policy")
        return tuple(
            Held(
                route=replace(
                    route,
                    prefix=_prefix(each.prefix),
                    next_hop=each.next_hop,
                    as_path=each.as_path,
                    communities=each.communities,
                    local_preference=each.local_preference,
                    med=each.med,
                ),
                learned_from=peer,
                tags=policy.tags,
                weight=each.weight,
            )
            for each in done
        )

    # --- decision -----------------------------------------------------------------------------------------------------

    def decide(self) -> None:
        """All anew, from what was heard and what is our own."""
        pools: dict[Prefix, list[Held]] = {prefix: [self._own(origin)] for prefix, origin in self.config.origins.items()}
        self.rejected = []
        for peer in self.config.peers:
            let_in: dict[Prefix, Held] = {}
            for prefix, route in sorted(self.heard.get(peer, {}).items()):
                judged = self.judge(peer, route)
                if isinstance(judged, Rejection):
                    self.rejected.append(judged)
                    continue
                for held in judged:  # a summary is as its first contributor makes it, and goes before a route of the same prefix
                    here = let_in.get(held.route.prefix)
                    if here is None or (held.route.prefix != prefix and here.route == self.heard[peer].get(held.route.prefix)):
                        let_in[held.route.prefix] = held
            for prefix, held in let_in.items():
                pools.setdefault(prefix, []).append(held)
        self.candidates = {prefix: self._ranked(routes) for prefix, routes in sorted(pools.items())}

    def _own(self, origin: OriginConfig) -> Held:
        route = Message(
            prefix=origin.prefix,
            next_hop=str(origin.next_hop),
            as_path=origin.as_path,
            communities=frozenset(origin.communities),
            local_preference=100,
            origin=ORIGINS[origin.origin],
        )
        return Held(route=route, learned_from=None, tags=tuple(dict.fromkeys((*origin.tags, "self"))), weight=origin.weight)

    def _ranked(self, routes: Sequence[Held]) -> list[Held]:
        by_number = {self._peer_number(held.learned_from): held for held in routes}
        config = self.config
        result = decision.decide(
            [self._candidate(number, held) for number, held in by_number.items()], config.rounds, config.preference, config.multipath
        )
        return [
            replace(by_number[n], best=n == result.best, multipath=n in result.multipath, lost_in=result.lost_in.get(n))
            for n in decision.order_of(result, config.rounds)
        ]

    def _peer_number(self, peer: str | None) -> int:
        return -1 if peer is None else list(self.config.peers).index(peer)

    def _candidate(self, number: int, held: Held) -> decision.Candidate:
        route = held.route
        policy = None if held.learned_from is None else self.config.peers[held.learned_from].policy
        return decision.Candidate(
            peer=number,
            peer_asn=policy.asn if policy else self.config.asn,
            peer_address=Address.parse(policy.peer_address) if policy else None,
            router_id=self.neighbor_ids[held.learned_from] if held.learned_from else self.identifier,
            ebgp=policy is not None and policy.ebgp,
            usable=policy is None or policy.usable,
            route_class=policy.route_class if policy else "other",
            weight=held.weight,
            local_preference=100 if route.local_preference is None else route.local_preference,
            as_path=route.as_path,
            origin=route.origin,
            med=route.med,
            next_hop=Address.parse(route.next_hop),
            originator_id=route.originator_id,
            cluster_list=route.cluster_list,
        )

    # --- export -------------------------------------------------------------------------------------------------------

    def told(self, peer: str) -> dict[Prefix, Message]:
        """The Adj-RIB-Out of a peer."""
        direct: dict[Prefix, Message] = {}
        summaries: dict[Prefix, Message] = {}
        for best in self.best():
            messages = self._messages(peer, best)
            if best.learned_from == peer:  # split horizon
                second = self._second(best) if self.config.peers[peer].policy.own == "second" else None
                is_told = second is not None and any(m.prefix == best.route.prefix for m in messages)
                messages = [m for m in self._messages(peer, second) if m.prefix == best.route.prefix] if second and is_told else ()
            for message in messages:
                (direct if message.prefix == best.route.prefix else summaries).setdefault(message.prefix, message)
        return {**direct, **summaries}

    def _second(self, best: Held) -> Held | None:
        """The best of the paths of others than this one's sender (RFC 7947 section 2.3)."""
        others = [held for held in self.candidates[best.route.prefix] if held.learned_from != best.learned_from]
        return next((held for held in self._ranked(others) if held.best), None) if others else None

    def _messages(self, peer: str, held: Held) -> Sequence[Message]:
        if (peer, held) not in self._told:
            self._told[peer, held] = tuple(self._tell(self.config.peers[peer].policy, held))
        return self._told[peer, held]

    def _tell(self, policy: PeerPolicy, held: Held) -> Iterator[Message]:
        """Well-known communities, reflection, the stages of the policy, and what RFC 4271 section 5.1 asks of attributes."""
        route = held.route
        source = None if held.learned_from is None else self.config.peers[held.learned_from].policy
        if "no-advertise" in route.communities:
            return
        if policy.ebgp and policy.honors_no_export and route.communities & {"no-export", "no-export-subconfed"}:
            return
        if source is not None and not source.ebgp and not policy.ebgp:
            if not source.reflector_client and not policy.reflector_client:
                return
            assert held.learned_from is not None
            originator = self.neighbor_ids[held.learned_from] if route.originator_id is None else route.originator_id
            route = replace(route, originator_id=originator, cluster_list=(self.cluster, *route.cluster_list))
        facts = Facts(tags=held.tags, ebgp=source is not None and source.ebgp, local_address=policy.local_address, next_hop=route.next_hop)
        routes = [_working(route, held.weight, "", KEEP)]  # what no stage sets is seen by these marks
        for stage in policy.export:
            results = [run_policy([term.data() for term in stage], each, facts) for each in routes]
            routes = [each for result in results if not isinstance(result, Refused) for each in result]
        for each in routes:
            message = self._finish(policy, route, each, own=source is None)
            if Address.parse(message.next_hop).version == message.prefix.version == Address.parse(policy.local_address).version:
                yield message

    def _finish(self, policy: PeerPolicy, route: Message, done: Working, *, own: bool) -> Message:
        mine = own or policy.next_hop == "self"
        message = replace(
            route,
            prefix=_prefix(done.prefix),
            next_hop=done.next_hop or (policy.local_address if mine else route.next_hop),
            as_path=done.as_path,
            communities=done.communities if policy.send_communities else frozenset(),
            local_preference=100 if done.local_preference is None else done.local_preference,
            med=route.med if done.med == KEEP else done.med,
        )
        if not policy.ebgp:
            return message
        return replace(
            message,
            as_path=message.as_path if policy.transparent and not own else (self.config.asn, *message.as_path),
            local_preference=None,
            med=message.med if policy.transparent and not own else None if done.med == KEEP else done.med,
            originator_id=None,
            cluster_list=(),
        )


def solve(
    plan: Plan,
    up: Callable[[str, str], bool],
    origins: Mapping[str, Mapping[Prefix, OriginConfig]] | None = None,
    *,
    backwards: bool = False,
    together: bool = False,
    turns: int = 1000,
) -> dict[str, Rib]:
    """Every speaker's RIB at rest. `up` says which sessions are (of both ends, in the plan's order), `origins` what speakers originate where
    that isn't the plan's. Speakers take turns, each when its neighbors say something else; `backwards` begins at the last one;
    with `together` all that wait decide before any is told, as in a network of equal delays.

    Raises:
        NoFixedPoint: it was nobody's last turn.
    """
    order = list(plan.speakers)[:: -1 if backwards else 1]
    ribs: dict[str, Rib] = {}
    for name in order:
        config = plan.speakers[name].config
        ribs[name] = Rib(config if origins is None else replace(config, origins=origins[name]))
        for peer in config.peers:
            if peer in plan.speakers:
                ribs[name].neighbor_ids[peer] = _number(plan.speakers[peer].config.peers[name].session.router_id)
    neighbors: dict[str, list[str]] = {name: [] for name in order}
    for session in plan.sessions:
        if session.a in ribs and session.b in ribs and up(session.a, session.b):
            neighbors[session.a].append(session.b)
            neighbors[session.b].append(session.a)
    waiting: dict[str, Any] = dict.fromkeys(order)
    while waiting:
        turns -= 1
        if turns < 0:
            raise NoFixedPoint(f"no rest; still to decide: {', '.join(waiting)}")
        now = list(waiting) if together else [next(iter(waiting))]
        for name in now:
            del waiting[name]
            ribs[name].decide()
        for name, peer in [(each, peer) for each in now for peer in neighbors[each]]:
            told = ribs[name].told(peer)
            if ribs[peer].heard.get(name, {}) != told:
                ribs[peer].heard[name] = told
                waiting.setdefault(peer)
    return ribs
