"""The decision process, slow and obviously right: what `_core.Rib` is compared with. Rounds of removal, as in RFC 4271 section 9.1.2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One path to a destination; `peer` is -1 for our own, then `peer_address` is None."""

    peer: int
    peer_asn: int
    peer_address: tuple[int, int] | None  # version, bits
    router_id: int
    ebgp: bool
    usable: bool
    route_class: str  # nva | er | vpn | other
    weight: int
    local_preference: int
    as_path: tuple[int | frozenset[int], ...]
    origin: int
    med: int | None
    next_hop: tuple[int, int]
    originator_id: int | None = None
    cluster_list: tuple[int, ...] = ()

    @property
    def own(self) -> bool:
        """Whether it is the speaker's own."""
        return self.peer == -1

    @property
    def neighbor_as(self) -> int:
        """A path that begins with no sequence was made by the peer."""
        first = self.as_path[0] if self.as_path else None
        return first if isinstance(first, int) else self.peer_asn


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The best, the multipath set, and the name of the round in which each other one lost, by peer."""

    best: int | None
    multipath: frozenset[int]
    lost_in: dict[int, str]


Candidates = Sequence[Candidate]
Keep = Callable[[Candidates], Candidates]


def _lowest(key: Callable[[Candidate], object]) -> Keep:
    def keep(routes: Candidates) -> Candidates:
        least = min((key(r) for r in routes), default=None)  # type: ignore[type-var]
        return [r for r in routes if key(r) == least]

    return keep


def _if_any(wanted: Callable[[Candidate], bool]) -> Keep:
    return lambda routes: [r for r in routes if wanted(r)] or routes


def preference_class(preference: str) -> Keep:
    """R107; own routes always stay, "other" passes as nva."""
    if preference == "ExpressRoute":
        return _if_any(lambda r: r.own or r.route_class == "er")
    if preference == "VpnGateway":
        return _if_any(lambda r: r.own or r.route_class != "er")
    return lambda routes: routes


def preference_tie(preference: str) -> Keep:
    """D12: under ASPath ExpressRoute goes before others; own routes stay."""

    def keep(routes: Candidates) -> Candidates:
        if preference != "ASPath" or not any(not r.own and r.route_class == "er" for r in routes):
            return routes
        return [r for r in routes if r.own or r.route_class == "er"]

    return keep


def lowest_med_per_neighbor_as(routes: Candidates) -> Candidates:
    """MED compares only within one neighboring AS (RFC 4271 section 9.1.2.2 c); own routes are not compared."""
    least: dict[int, int] = {}
    for r in routes:
        if not r.own:
            least[r.neighbor_as] = min(r.med or 0, least.get(r.neighbor_as, r.med or 0))
    return [r for r in routes if r.own or (r.med or 0) == least[r.neighbor_as]]


def rounds_of(preference: str) -> dict[str, Keep]:
    """Every round by its name."""
    return {
        "next-hop": lambda routes: [r for r in routes if r.usable],
        "preference": preference_class(preference),
        "weight": _lowest(lambda r: -r.weight),
        "local-preference": _lowest(lambda r: -r.local_preference),
        "self": _if_any(lambda r: r.own),
        "as-path": _lowest(lambda r: len(r.as_path)),
        "preference-tie": preference_tie(preference),
        "origin": _lowest(lambda r: r.origin),
        "med": lowest_med_per_neighbor_as,
        "med-of-any": _lowest(lambda r: r.med or 0),
        "ebgp": _if_any(lambda r: r.ebgp or r.own),
        "router-id": _lowest(lambda r: r.router_id if r.originator_id is None else r.originator_id),
        "cluster-list": _lowest(lambda r: len(r.cluster_list)),
        "peer-address": _lowest(lambda r: (0, 0) if r.peer_address is None else r.peer_address),
        "peer": _lowest(lambda r: r.peer),
    }


def decide(candidates: Candidates, rounds: Sequence[str], preference: str, multipath: int = 64) -> Decision:
    """Choose the best, and say in which round each other one lost."""
    keeps = rounds_of(preference)
    lost_in: dict[int, str] = {}
    left: Candidates = list(candidates)
    equal: Candidates = []
    order: list[Candidate] = []  # losers, the latest first
    for name in rounds:
        if name in ("|", "|="):
            equal = left
            continue
        kept = keeps[name](left)
        losers = [r for r in left if r not in kept]
        lost_in.update({r.peer: name for r in losers})
        order = [*sorted(losers, key=lambda r: r.peer), *order]
        left = kept
        if name == "next-hop":
            equal = [r for r in equal if r in kept]  # wherever the round stands, no packet goes by what can't be used
    assert len(left) <= 1, "a tie survived every round"
    if "|" not in rounds and "|=" not in rounds:
        equal = left
    if "|=" in rounds and left:  # only routes of the best one's neighboring AS; own routes have none
        neighbor = [r.own or r.neighbor_as for r in left[:1]]
        equal = [r for r in equal if (r.own or r.neighbor_as) in neighbor]
    ranked = [r for r in [*left, *order] if r in equal]
    return Decision(best=left[0].peer if left else None, multipath=frozenset(r.peer for r in ranked[:multipath]), lost_in=lost_in)


def order_of(decision: Decision, rounds: Sequence[str]) -> list[int]:
    """Peers in the order of `Rib.candidates`."""
    places = {name: place for place, name in enumerate(rounds)}
    losers = sorted(decision.lost_in, key=lambda peer: (-places[decision.lost_in[peer]], peer))
    return losers if decision.best is None else [decision.best, *losers]
