"""What a speaker should make of routes, slow and plain: who lets them in (RFC 4271 section 9.1.1), who is told of them (section 9.1.3).

The core's forms stand in `crates/core/src/rib/{adj_in,export}.rs`. Nothing is taken from there; terms are those that `draw` writes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, cast

from dualhome.bgp.config import OriginConfig, SpeakerConfig
from dualhome.bgp.policy import PeerPolicy, Policy
from dualhome.hunt.decision import Candidate
from dualhome.hunt.wire import PARTIAL, TRANSITIVE, Attributes, Family, Prefix
from dualhome.net import Address

NO_EXPORT, NO_ADVERTISE, NO_EXPORT_SUBCONFED = 0xFFFFFF01, 0xFFFFFF02, 0xFFFFFF03
WELL_KNOWN: Final = {"no-export": NO_EXPORT, "no-advertise": NO_ADVERTISE, "no-export-subconfed": NO_EXPORT_SUBCONFED}
_NAMES: Final = {number: name for name, number in WELL_KNOWN.items()}
COMES_FROM_ABOVE: Final = ("customer", "peer", "rs-client")
"""Our roles toward those whose routes, and to whom routes with ONLY_TO_CUSTOMER, go no further (RFC 9234 section 5)."""
MARTIANS: Final = (
    "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "::ffff:0:0/96", "100::/64", "fe80::/10", "ff00::/8",
)  # fmt: skip
ORIGINS: Final = ("igp", "egp", "incomplete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Whom a route comes from; `peer` is "" for the speaker itself."""

    peer: str = ""
    number: int = -1
    asn: int = 0
    address: str = ""
    router_id: str = "0.0.0.0"
    ebgp: bool = False
    client: bool = False
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A route that was let in. Of one that is not `exact` the RIB alone says what it holds, as its message was malformed."""

    source: Source
    attributes: Attributes
    weight: int
    exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A route on its way through terms."""

    prefix: Prefix
    attributes: Attributes
    weight: int
    med_set: bool = False
    next_hop_set: bool = False
    is_summary: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a route goes no further."""

    reason: str


def community_number(text: str) -> int:
    """From `65001:100` or a well-known name."""
    if text in WELL_KNOWN:
        return WELL_KNOWN[text]
    high, low = text.split(":")
    return int(high) << 16 | int(low)


def community_text(number: int) -> str:
    """As `Route.communities` has it."""
    return _NAMES.get(number) or f"{number >> 16}:{number & 0xFFFF}"


def let_in(us: SpeakerConfig, policy: PeerPolicy, prefix: Prefix, received: Attributes) -> list[Working] | Refused:
    """What becomes of a route that a peer announced: loops (RFC 4271 section 9.1.2, RFC 4456 section 8), then the peer's rules."""
    unknown = tuple((flags | PARTIAL, kind, value) for flags, kind, value in received.unknown if flags & TRANSITIVE)
    attributes = replace(received, unknown=tuple(sorted(unknown)))
    if attributes.as_path.count(us.asn) > policy.allowas_in:
        return Refused("as-loop")
    if attributes.originator_id == us.router_id or (us.cluster_id or us.router_id) in attributes.cluster_list:
        return Refused("cluster-loop")
    if reason := _asked_for(policy, prefix, attributes):
        return Refused(reason)
    if policy.role in COMES_FROM_ABOVE and attributes.only_to_customer is None:
        attributes = replace(attributes, only_to_customer=policy.asn)
    if policy.discard_med:
        attributes = replace(attributes, med=None)
    source = Source(tags=policy.tags, ebgp=policy.ebgp)
    route = Working(prefix=prefix, attributes=attributes, weight=policy.weight)
    checked = run(policy.checks, route, source, policy.local_address)
    return checked if isinstance(checked, Refused) else run(policy.rules, route, source, policy.local_address)


def _asked_for(policy: PeerPolicy, prefix: Prefix, a: Attributes) -> str:
    """Why a configuration refuses a route: RFC 8212, RFC 4271 section 6.3, RFC 6890, RFC 9234 section 5."""
    if policy.requires_policy and policy.ebgp and not policy.rules and not policy.checks:
        return "no-import-policy"
    if policy.first_as and policy.ebgp and a.as_path[:1] != (policy.asn,):
        return "first-as"
    network = _network(prefix)
    if policy.reject_martians and any(network.version == _of(each).version and network.subnet_of(_of(each)) for each in MARTIANS):  # type: ignore[arg-type]
        return "martian"
    leaks = a.only_to_customer is not None and (
        policy.role in ("provider", "rs") or (policy.role == "peer" and a.only_to_customer != policy.asn)
    )
    return "route-leak" if leaks else ""


def own_path(us: SpeakerConfig, origin: OriginConfig) -> Path:
    """A route of the speaker's own."""
    attributes = Attributes(
        next_hop=str(origin.next_hop),
        as_path=origin.as_path,
        origin=ORIGINS.index(origin.origin),
        local_preference=100,
        communities=tuple(sorted({community_number(text) for text in origin.communities})),
        large_communities=tuple(sorted({tuple(map(int, text.split(":"))) for text in origin.large_communities})),
    )
    tags = origin.tags if "self" in origin.tags else ("self", *origin.tags)
    return Path(source=Source(asn=us.asn, router_id=us.router_id, tags=tags), attributes=attributes, weight=origin.weight)


def candidate(path: Path) -> Candidate:
    """As the decision process has it."""
    source, a = path.source, path.attributes
    return Candidate(
        peer=source.number,
        peer_asn=source.asn,
        peer_address=_address(source.address) if source.peer else None,
        router_id=_address(source.router_id).bits,
        ebgp=source.ebgp,
        usable=True,
        route_class="other",
        weight=path.weight,
        local_preference=100 if a.local_preference is None else a.local_preference,
        as_path=a.as_path,
        origin=a.origin,
        med=a.med,
        next_hop=_address(a.next_hop),
        originator_id=_address(a.originator_id).bits if a.originator_id else None,
        cluster_list=tuple(_address(each).bits for each in a.cluster_list),
    )


def told(us: SpeakerConfig, to: PeerPolicy, families: tuple[Family, ...], prefix: Prefix, path: Path) -> tuple[Working, ...]:
    """What a peer is told of the best route, before split horizon: nothing, itself, or the summaries that it makes."""
    a, source = path.attributes, path.source
    if NO_ADVERTISE in a.communities:
        return ()
    if to.ebgp and to.honors_no_export and {NO_EXPORT, NO_EXPORT_SUBCONFED} & set(a.communities):
        return ()
    if to.requires_policy and to.ebgp and not any(to.export):
        return ()
    if to.role in COMES_FROM_ABOVE and a.only_to_customer is not None:
        return ()  # RFC 9234 section 5: what came from above goes to customers alone
    if source.peer and not source.ebgp and not to.ebgp:
        if not source.client and not to.reflector_client:
            return ()  # RFC 4456 section 6
        a = replace(a, originator_id=a.originator_id or source.router_id, cluster_list=(us.cluster_id or us.router_id, *a.cluster_list))
    routes = [Working(prefix=prefix, attributes=a, weight=path.weight)]
    for stage in to.export:
        results = [run(stage, route, source, to.local_address, path.attributes.next_hop) for route in routes]
        routes = [route for result in results if not isinstance(result, Refused) for route in result]
    done = [replace(route, attributes=_finished(us, to, route, path)) for route in routes]
    return tuple(route for route in done if _is_expressible(route, families))


def _is_expressible(route: Working, families: tuple[Family, ...]) -> bool:
    """Whether the session carries such a route: its family was agreed on, its next hop is of its IP version."""
    version = route.prefix[0]
    return ((1, 1) if version == 4 else (2, 1)) in families and _address(route.attributes.next_hop).version == version


def _finished(us: SpeakerConfig, to: PeerPolicy, route: Working, path: Path) -> Attributes:
    """What RFC 4271 section 5.1 and RFC 7947 section 2.2 ask of attributes on their way out."""
    a, own = route.attributes, not path.source.peer
    if to.ebgp:
        untouched = to.transparent and not own
        a = replace(
            a,
            as_path=a.as_path if untouched else (us.asn, *a.as_path),
            med=a.med if route.med_set or untouched else None,
            local_preference=None,
            originator_id=None,
            cluster_list=(),
        )
    elif a.local_preference is None:
        a = replace(a, local_preference=100)
    if to.role in ("provider", "peer", "rs") and a.only_to_customer is None:
        a = replace(a, only_to_customer=us.asn)
    if not to.send_communities:
        a = replace(a, communities=(), extended_communities=(), large_communities=())
    if not route.next_hop_set and (own or to.next_hop == "self"):
        a = replace(a, next_hop=str(_address(to.local_address)))
    return a


def run(terms: Policy, route: Working, source: Source, local_address: str, came_by: str = "") -> list[Working] | Refused:
    """A list of terms; its end accepts. A route that becomes several is refused where all of them are."""
    came_by = came_by or route.attributes.next_hop
    for number, term in enumerate(terms):
        if not all(_holds(key, wanted, route, source) for key, wanted in term.match.items()):
            continue
        if term.then == "reject":
            return Refused(term.reason or "policy")
        prefixes = [route.prefix]
        for action in term.do:
            if "prefix_replace" in action:
                prefixes, route = [_prefix(name) for name in cast("list[str]", action["prefix_replace"])], _summary(route)
            else:
                route = _act(action, route, local_address, came_by)
        rest = () if term.then == "accept" else terms[number + 1 :]
        results = [run(rest, replace(route, prefix=prefix), source, local_address, came_by) for prefix in prefixes]
        kept = [each for result in results if not isinstance(result, Refused) for each in result]
        return kept or results[-1]
    return [route]


def _summary(route: Working) -> Working:
    """A route of its own: who made the path it is of, and how it was marked, is forgotten."""
    attributes = replace(route.attributes, as_path=(), communities=(), extended_communities=(), large_communities=())
    return replace(route, attributes=attributes, is_summary=True)


@lru_cache(maxsize=4096)
def _prefix(text: str) -> Prefix:
    network = ipaddress.ip_network(text)
    return network.version, int(network.network_address), network.prefixlen


def _holds(key: str, wanted: object, route: Working, source: Source) -> bool:
    a = route.attributes
    names = cast("list[str]", wanted)
    match key:
        case "prefix_within":
            network = _network(route.prefix)
            return any(network.version == _of(name).version and network.subnet_of(_of(name)) for name in names)  # type: ignore[arg-type]
        case "prefix_equals":
            return str(_network(route.prefix)) in names
        case "as_path_contains":
            numbers = {asn for each in a.as_path for asn in (each if isinstance(each, frozenset) else (each,))}
            return any(asn in numbers for asn in cast("list[int]", wanted))
        case "community_any":
            return any(community_number(name) in a.communities for name in names)
        case "community_all":
            return all(community_number(name) in a.communities for name in names)
        case "from":
            return any(tag in source.tags for tag in names)
        case "ebgp":
            return wanted is source.ebgp
    raise AssertionError(f"the oracle knows no match {key}")


def _act(action: Mapping[str, object], route: Working, local_address: str, came_by: str) -> Working:
    [(key, value)] = action.items()
    a = route.attributes
    match key:
        case "prepend":
            return replace(route, attributes=replace(a, as_path=(*cast("list[int]", value), *a.as_path)))
        case "community_add" | "community_remove":
            named = {community_number(text) for text in cast("list[str]", value)}
            kept = set(a.communities) | named if key == "community_add" else set(a.communities) - named
            return replace(route, attributes=replace(a, communities=tuple(sorted(kept))))
        case "local_preference":
            return replace(route, attributes=replace(a, local_preference=cast("int", value)))
        case "med":
            return replace(route, attributes=replace(a, med=cast("int | None", value)), med_set=True)
        case "weight":
            return replace(route, weight=cast("int", value))
        case "next_hop":
            next_hop = {"self": local_address, "unchanged": came_by}.get(str(value), str(value))
            return replace(route, attributes=replace(a, next_hop=str(_address(next_hop))), next_hop_set=True)
    raise AssertionError(f"the oracle knows no action {key}")


@lru_cache(maxsize=4096)
def _network(prefix: Prefix) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    version, bits, length = prefix
    return ipaddress.IPv4Network((bits, length)) if version == 4 else ipaddress.IPv6Network((bits, length))


@lru_cache(maxsize=4096)
def _of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)


@lru_cache(maxsize=4096)
def _address(text: str) -> Address:
    return Address.parse(text)
