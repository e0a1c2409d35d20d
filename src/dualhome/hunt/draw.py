"""From a seed to a `Case`. Networks are drawn so that they have one stable state alone, whatever the order of events.

Each edge makes AS paths longer or leads within one AS or through a route server, and what goes before the length of paths in the decision is equal for
all of an AS; so the state is found from the shortest paths on, each choice from choices that stand (no "dispute", Griffin, Shepherd, Wilfong 2002).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any, Final

from dualhome.bgp.config import IPV4_UNICAST, IPV6_UNICAST, OriginConfig, PeerConfig, SessionConfig, SpeakerConfig
from dualhome.bgp.policy import PeerPolicy, Policy, Term
from dualhome.bgp.restart import GracefulRestart
from dualhome.hunt.case import Case, Change, Fault, Kind, Link
from dualhome.net import Address, Prefix
from dualhome.units import Duration, Instant, seconds

COMMUNITIES: Final = ("65001:1", "65001:2", "65517:65517", "no-export", "no-advertise")
TIES: Final = ("router-id", "cluster-list", "peer-address", "peer")
SERVER_ASN, REFLECTED_ASN = 65515, 65000
SUMMARY: Final = "172.16.0.0/12"
"""What summaries are made of routes to; some speakers have it themselves, too."""
KINDS: Final = {
    Kind.KILL: 2, Kind.VANISH: 2, Kind.STOP: 2, Kind.SILENCE: 3, Kind.STALL: 3, Kind.CUT: 4, Kind.JUMP: 1, Kind.REFRESH: 2, Kind.RESET: 2,
    Kind.SLIP_IN: 4, Kind.MUTATE: 4, Kind.CHANGE: 6,
}  # fmt: skip
"""How often each befalls a network, relative to the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A speaker before it has its peers."""

    name: str
    asn: int
    router_id: str
    addresses: Mapping[int, Address]
    server: bool = False
    reflector: bool = False


def draw(seed: int) -> Case:
    """The network of a seed, and what befalls it."""
    return _Drawing(seed).case()


class _Drawing:
    """One case on its way. Each part has chance of its own, so that a change of one part leaves the others."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(f"{seed} network")
        self.shape = self.rng.choice(("routers", "route servers", "reflectors"))
        self.nodes: dict[str, Node] = {}
        self.edges: list[tuple[str, str]] = []
        {"routers": self._routers, "route servers": self._servers, "reflectors": self._reflectors}[self.shape]()
        self.pool = self._prefixes()
        asns = sorted({node.asn for node in self.nodes.values()})
        some = [asn for asn in asns if self.rng.random() < 0.25]
        self.preferred = {asn: {self.rng.choice(self.pool): self.rng.choice((90, 200))} for asn in some}
        self.rounds = self._rounds(self.rng)
        self.roles = self._roles()

    def case(self) -> Case:
        """All parts together."""
        peers: dict[str, dict[str, PeerConfig]] = {name: {} for name in self.nodes}
        links = {}
        for a, b in self.edges:
            peers[a][b], peers[b][a] = self._session(a, b)
            links[min(a, b), max(a, b)] = self._link()
        speakers = {name: self._speaker(node, peers[name]) for name, node in self.nodes.items()}
        ends = seconds(self.rng.uniform(30, 90))
        return Case(
            seed=self.seed, shape=self.shape, speakers=speakers, links=links, faults=self._faults(speakers, ends), ends=Instant(ends),
            deferred=self.rng.choice((0.0, 0.3, 0.9)),
        )  # fmt: skip

    # --- networks -----------------------------------------------------------------------------------------------------

    def _add(self, name: str, asn: int, server: bool = False, reflector: bool = False) -> None:
        number = len(self.nodes) + 1
        addresses = {4: Address.parse(f"10.0.0.{number}"), 6: Address.parse(f"fd00::{number}")}
        router_id = f"1.0.{self.rng.randrange(256)}.{number}"
        self.nodes[name] = Node(name=name, asn=asn, router_id=router_id, addresses=addresses, server=server, reflector=reflector)

    def _routers(self) -> None:
        for number in range(self.rng.randint(2, 6)):
            self._add(f"r{number}", self.rng.choice((65001, 4200000001)) + number)
        names = list(self.nodes)
        self.edges = list(pairwise(names))
        self.edges += [pair for pair in combinations(names, 2) if pair not in self.edges and self.rng.random() < 0.4]

    def _servers(self) -> None:
        for number in range(self.rng.randint(1, 2)):
            self._add(f"rs{number}", SERVER_ASN, server=True)
        for number in range(self.rng.randint(2, 4)):
            self._add(f"nva{number}", 65001 + number)
        servers = [node.name for node in self.nodes.values() if node.server]
        routers = [node.name for node in self.nodes.values() if not node.server]
        self.edges = [(server, router) for server in servers for router in routers]
        self.edges += [pair for pair in combinations(routers, 2) if self.rng.random() < 0.15]

    def _reflectors(self) -> None:
        for number in range(self.rng.randint(1, 2)):
            self._add(f"rr{number}", REFLECTED_ASN, reflector=True)
        for number in range(self.rng.randint(1, 2)):
            self._add(f"c{number}", REFLECTED_ASN)
        for number in range(self.rng.randint(1, 2)):
            self._add(f"x{number}", 65001 + number)
        reflectors, clients, others = ([name for name in self.nodes if name.startswith(kind)] for kind in ("rr", "c", "x"))
        self.edges = [*combinations(reflectors, 2), *((r, c) for r in reflectors for c in clients)]
        self.edges += [(c, x) for x in others for c in clients if self.rng.random() < 0.7 or c == clients[0]]
        self.edges += list(combinations(others, 2))

    def _prefixes(self) -> list[Prefix]:
        rng = self.rng
        count = rng.choice((2, 4, 6, 8)) if rng.random() < 0.97 else 150
        fourth = [Prefix.parse(f"172.{16 + number % 16}.{number // 16 * 4}.0/{rng.choice((22, 23, 24))}") for number in range(count)]
        sixth = [Prefix.parse(f"fd01:{number:x}::/32") for number in range(rng.randint(0, 2))]
        known = [Prefix.parse(SUMMARY)] if rng.random() < 0.4 else []
        return [
            *fourth,
            *sixth,
            *known,
            *([Prefix.parse("0.0.0.0/0")] if rng.random() < 0.3 else []),
            *([Prefix.parse("169.254.7.0/24")] if rng.random() < 0.1 else []),
        ]

    def _rounds(self, rng: random.Random) -> tuple[str, ...]:
        """Own routes go first where preferences may go before the length of paths; MEDs within an AS compare always or never."""
        med = rng.choice((["med-of-any"], [])) if self.shape == "reflectors" else rng.choice((["med"], ["med-of-any"], []))
        bar = rng.choice((["|"], ["|="], []))
        return ("next-hop", "self", "weight", "local-preference", "as-path", "origin", *med, "ebgp", *bar, *TIES)

    def _roles(self) -> dict[tuple[str, str], str]:
        """What each is to the other on some external sessions (RFC 9234), by (near, far)."""
        roles = {}
        for a, b in self.edges:
            if self.nodes[a].asn != self.nodes[b].asn and self.rng.random() < 0.25:
                usual = ("provider", "customer"), ("customer", "provider"), ("peer", "peer")
                roles[a, b], roles[b, a] = ("rs", "rs-client") if self.nodes[a].server else self.rng.choice(usual)
        return roles

    def _link(self) -> Link:
        rng = self.rng
        return Link(
            latency=seconds(rng.choice((0.0001, 0.001, 0.02, 0.2))),
            wavering=seconds(rng.choice((0, 0, 0.001, 0.1))),
            window=rng.choice((1, 300, 65536)),
            pieces=rng.choice((1, 1, 2, 4, 40)),
        )

    # --- speakers -----------------------------------------------------------------------------------------------------

    def _speaker(self, node: Node, peers: Mapping[str, PeerConfig]) -> SpeakerConfig:
        rng = self.rng
        count = 0 if node.server and rng.random() < 0.8 else rng.randint(0, min(6, len(self.pool)))
        if len(self.pool) > 100 and node is next(each for each in self.nodes.values() if not each.server):
            count = len(self.pool)
        origins = [self._origin(rng, node, prefix) for prefix in sorted(rng.sample(self.pool, count))]
        return SpeakerConfig(
            name=node.name,
            asn=node.asn,
            router_id=node.router_id,
            rounds=self.rounds,
            cluster_id=rng.choice((None, "9.9.9.9")) if node.reflector else None,
            multipath=rng.choice((1, 2, 64)),
            peers=peers,
            origins={origin.prefix: origin for origin in origins},
        )

    def _origin(self, rng: random.Random, node: Node, prefix: Prefix) -> OriginConfig:
        return OriginConfig(
            prefix=prefix,
            next_hop=node.addresses[prefix.version],
            communities=tuple(rng.sample(COMMUNITIES, rng.choice((0, 0, 1, 2)))),
            large_communities=(f"{node.asn}:1:{rng.randrange(4)}",) if rng.random() < 0.2 else (),
            origin=rng.choice(("igp", "igp", "incomplete")),
        )

    def _session(self, a: str, b: str) -> tuple[PeerConfig, PeerConfig]:
        """Both sides."""
        rng = self.rng
        version = 6 if rng.random() < 0.25 else 4
        families = rng.choice(((IPV4_UNICAST,), (IPV4_UNICAST, IPV6_UNICAST), (IPV4_UNICAST, IPV6_UNICAST)))
        passive = rng.choice((None, None, None, a, b))
        sides = []
        for near, far in ((a, b), (b, a)):
            hold = rng.choice((9, 15, 30))
            session = SessionConfig(
                peer=far,
                local_asn=self.nodes[near].asn,
                remote_asn=self.nodes[far].asn,
                router_id=self.nodes[near].router_id,
                local_address=self.nodes[near].addresses[version],
                remote_address=self.nodes[far].addresses[version],
                hold_time_s=hold,
                keepalive_s=hold / 3,
                connect_retry_s=rng.choice((5, 10, 20)),
                families=families,
                passive=near == passive,
                role=self.roles.get((near, far)),
                role_strict=(near, far) in self.roles and rng.random() < 0.5,
                damping=rng.random() < 0.7,
                extended_messages=rng.random() < 0.7,
                graceful_restart=self._restart(rng),
                enhanced_refresh=rng.random() < 0.6,
                refresh_s=rng.choice((5, 60)),
                four_octet_as=self.nodes[near].asn > 65535 or rng.random() < 0.85,
            )
            sides.append(PeerConfig(session=session, policy=self._policy(rng, near, far, version)))
        return sides[0], sides[1]

    def _restart(self, rng: random.Random) -> GracefulRestart | None:
        if rng.random() < 0.5:
            return None
        return GracefulRestart(restart_s=rng.choice((2, 15, 60)), stale_s=rng.choice((1, 10, 60)), defer_s=rng.choice((1, 10, 40)))

    def _limit(self, rng: random.Random) -> Mapping[str, Any]:
        """How many routes a peer may announce: more than there are, but for what is slipped in; or few, if that is only said."""
        action = rng.choice(("teardown", "drop", "warn"))
        all_ = len({*self.pool, Prefix.parse(SUMMARY)})
        return (
            {"max_prefixes": rng.randint(1, all_) if action == "warn" else all_, "max_prefixes_action": action}
            if rng.random() < 0.3
            else {}
        )

    def _policy(self, rng: random.Random, near: str, far: str, version: int) -> PeerPolicy:
        us, peer = self.nodes[near], self.nodes[far]
        ebgp = us.asn != peer.asn
        preferred = self.preferred.get(us.asn, {}) if ebgp else {}
        first = [self._preference(prefix, value) for prefix, value in preferred.items()]
        return PeerPolicy(
            name=far,
            asn=peer.asn,
            ebgp=ebgp,
            local_address=str(us.addresses[version]),
            peer_address=str(peer.addresses[version]),
            tags=(far, f"as:{peer.asn}"),
            reflector_client=us.reflector and not ebgp and not peer.reflector,
            next_hop="unchanged" if us.server or (us.reflector and not ebgp) else "self",
            transparent=us.server and rng.random() < 0.8,
            own="second" if us.server and rng.random() < 0.4 else "none",
            send_communities=rng.random() < 0.9,
            honors_no_export=rng.random() < 0.9,
            discard_med=ebgp and rng.random() < 0.1,
            first_as=not peer.server and rng.random() < 0.3,
            reject_as_sets=rng.random() < 0.5,
            reject_martians=rng.random() < 0.2,
            requires_policy=rng.random() < 0.05,
            role=self.roles.get((near, far)),
            **self._limit(rng),
            checks=(self._refusal(rng, peer),) if rng.random() < 0.1 else (),
            rules=(*first, *self._terms(rng, us, peer, outward=False)),
            export=tuple(self._terms(rng, us, peer, outward=True) for _ in range(rng.choice((0, 1, 1, 2)))),
        )

    def _preference(self, prefix: Prefix, value: int) -> Term:
        return Term(name="preferred", match={"prefix_equals": [str(prefix)]}, do=({"local_preference": value},), then="continue")

    def _refusal(self, rng: random.Random, peer: Node) -> Term:
        matches: Sequence[Mapping[str, object]] = (
            {"prefix_within": [str(rng.choice(self.pool))]},
            {"community_any": [rng.choice(COMMUNITIES)]},
            {"as_path_contains": [rng.choice(list(self.nodes.values())).asn]},
            {"from": [f"as:{peer.asn}"], "community_all": ["65001:1", "65001:2"]},
        )
        return Term(name="refused", match=rng.choice(matches), then="reject")

    def _terms(self, rng: random.Random, us: Node, peer: Node, *, outward: bool) -> Policy:
        terms = []
        if outward and us.asn != peer.asn and rng.random() < 0.4:
            terms.append(Term(name="med", do=({"med": rng.choice((0, 5, 10))},), then="continue"))
        for _ in range(rng.choice((0, 0, 0, 1, 2))):
            actions: list[Mapping[str, object]] = [
                {"community_add": [rng.choice(COMMUNITIES[:3])]},
                {"community_remove": [rng.choice(COMMUNITIES)]},
            ]
            if us.asn != peer.asn and outward:
                actions += [{"prepend": [us.asn] * rng.choice((1, 2))}, {"med": rng.choice((0, 5, 10))}]
            match: Mapping[str, object] = rng.choice(({}, {"prefix_within": ["172.16.0.0/13"]}, {"ebgp": True}, {"from": ["self"]}))
            act = Term(name="acts", match=match, do=(rng.choice(actions),), then=rng.choice(("accept", "continue")))
            if us.asn != peer.asn and rng.random() < 0.2:
                act = Term(name="summary", match={"prefix_within": ["172.16.0.0/13"]}, do=({"prefix_replace": [SUMMARY]},), then=act.then)
            terms.append(self._refusal(rng, peer) if rng.random() < 0.3 else act)
        return tuple(terms)

    # --- faults -------------------------------------------------------------------------------------------------------

    def _faults(self, speakers: Mapping[str, SpeakerConfig], ends: Duration) -> tuple[Fault, ...]:
        rng = random.Random(f"{self.seed} faults")
        count = rng.choice((0, 1, 2, 3, 5, 8, 12, 16))
        times = sorted(rng.randrange(seconds(0.1), ends) for _ in range(count))
        kinds = rng.choices(list(KINDS), list(KINDS.values()), k=count)
        return tuple(
            self._fault(rng, speakers, number, Instant(at), kind) for number, (at, kind) in enumerate(zip(times, kinds, strict=True))
        )

    def _fault(self, rng: random.Random, speakers: Mapping[str, SpeakerConfig], number: int, at: Instant, kind: Kind) -> Fault:
        node, peer = rng.sample(rng.choice(self.edges), 2)
        lasts = Duration(0)
        if kind is Kind.JUMP:
            lasts = seconds(rng.choice((0.3, 1, 7, 20, 100)))
        elif kind in (Kind.KILL, Kind.VANISH, Kind.STOP, Kind.SILENCE, Kind.STALL):
            lasts = seconds(rng.choice((0.01, 0.5, 5, 20, 40)))
        change = self._change(rng, speakers, node, peer) if kind is Kind.CHANGE else None
        alone = kind in (Kind.KILL, Kind.VANISH, Kind.STOP, Kind.JUMP)
        return Fault(
            number=number, at=at, kind=kind, node=node, peer="" if alone else peer, lasts=lasts, seed=rng.randrange(1 << 32),
            count=rng.randrange(200) if kind is Kind.CUT else 0, change=change,
        )  # fmt: skip

    def _change(self, rng: random.Random, speakers: Mapping[str, SpeakerConfig], name: str, peer: str) -> Change:
        node, config = self.nodes[name], speakers[name].peers[peer]
        what = rng.choice(("policy", "policy", "origin", "origin", "gone", "hold", "enabled", "removed", "added", "rounds", "identity"))
        prefix = rng.choice(self.pool)
        version = config.session.local_address.version
        return Change(
            what=what,
            peer=peer if what not in ("origin", "gone", "rounds", "identity") else "",
            policy=self._policy(rng, name, peer, version),
            config=replace(config, policy=self._policy(rng, name, peer, version)),
            number={"hold": rng.choice((6, 12, 24)), "enabled": rng.choice((0, 1))}.get(what, 0),
            prefix=prefix if what in ("origin", "gone") else None,
            origin=self._origin(rng, node, prefix),
            rounds=self._rounds(rng) if self.shape != "reflectors" else self.rounds,
            router_id=f"1.1.{rng.randrange(256)}.{node.router_id.rpartition('.')[2]}" if what == "identity" else "",
        )
