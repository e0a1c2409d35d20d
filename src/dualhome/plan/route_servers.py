"""What a route server accepts, how it chooses and what it tells: sections 4.1 to 4.7 of the rules. One function a rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from dualhome.bgp.policy import PeerPolicy, Policy, Term
from dualhome.model import (
    AZURE_ASN,
    PERSONALITIES,
    GatewayKind,
    Network,
    RouteServer,
    RoutingPreference,
    Rule,
    VirtualNetworkGateway,
    base_name,
)
from dualhome.plan.azure import BRANCH_TAG, ROUTE_SERVER_ROUNDS, refuse_own_space
from dualhome.plan.rules import policy_of

OTHERS_FIRST: Final = 32769  # a weight over that of a speaker's own routes
STAYS: Final = 32770  # a weight over that of routes of ExpressRoute
GATEWAYS: Final = ("class:er", "class:vpn")
BRANCHES: Final = ("class:nva", *GATEWAYS)

# --- how it chooses ---------------------------------------------------------------------------------------------------


def rounds(network: Network, rs: RouteServer) -> tuple[str, ...]:
    """The routing preference, then the AS path, then a tie (R106, R107, R108, R110): ORIGIN, MED and LOCAL_PREF mean nothing (R113).

    Where sources disagree: of equal paths under preference ASPath ExpressRoute's wins or all share the load (D12), MED and ORIGIN are compared (D16),
    what stays on others after an outage of ExpressRoute goes before the preference (D14), so does what is heard of its own ranges (D3). Others than
    Azure's compare what their makers say before it comes to a tie (`behaves_like`).
    """
    quirks, after = network.quirks, ROUTE_SERVER_ROUNDS.index("as-path") + 1
    found = [*ROUTE_SERVER_ROUNDS[:after], *_compares(network, rs), *ROUTE_SERVER_ROUNDS[after:]]
    if quirks.as_path_tie == "multipath":
        found.remove("preference-tie")
    if quirks.virtual_network_equal_bgp:
        found[found.index("self")] = "weight"
    elif quirks.expressroute_failback == "sticky":
        found.insert(found.index("preference"), "weight")
    return tuple(found)


def _compares(network: Network, rs: RouteServer) -> tuple[str, ...]:
    """What is compared of equal AS paths before they are a tie (R113, D16)."""
    own = PERSONALITIES[rs.behaves_like].compares
    return ("origin", "med") if not own and network.quirks.med_and_origin == "compared" else own


def preference(network: Network, rs: RouteServer) -> str:
    """hubRoutingPreference (R107). Sources disagree on whether it holds without branch-to-branch (D13); where not, it is the default: a prefix of
    ExpressRoute and of an NVA is ExpressRoute's (R112).
    """
    if network.quirks.preference_needs_branch_to_branch and not rs.branch_to_branch:
        return RoutingPreference.EXPRESSROUTE.value
    return rs.routing_preference.value


def width(network: Network, rs: RouteServer) -> int:
    """How many next hops a route has at most: all ties are programmed (R106), up to the width that nobody documents (D20, `behaves_like`)."""
    return PERSONALITIES[rs.behaves_like].multipath or network.quirks.multipath_width


def weight(network: Network) -> dict[str, object]:
    """Of what it hears: over its own word, where a route of its own ranges may beat that (D3)."""
    return {"weight": OTHERS_FIRST} if network.quirks.virtual_network_equal_bgp else {}


# --- what it lets in --------------------------------------------------------------------------------------------------


def limits_on_nva(network: Network, rs: RouteServer) -> dict[str, object]:
    """How many routes a peer may announce, and how they count: one too many, and the session ends (R87); whether its MED means anything (R113)."""
    return {
        "discard_med": not _compares(network, rs),
        "max_prefixes": rs.max_routes_per_peer,
        "max_prefixes_count": PERSONALITIES[rs.behaves_like].counts,
    }


def checks_on_nva(network: Network, rs: RouteServer) -> Policy:
    """After the own-ASN check (R99, R100), its only guard against loops (R103): no prefix equal to or inside its own space (R59, R105).

    Differs: RFC 4271 section 6.3 lets a speaker refuse a path that doesn't begin with the peer's ASN. Nothing says that Azure does; the appliances of
    R188 that pass routes on as a route server's clients would be refused.
    """
    return (refuse_own_space(network, rs.virtual_network, "R59"),)


def nothing_inside() -> dict[str, object]:
    """With a peer of its own ASN the session is iBGP: it comes up and carries no routes, neither way (R79)."""
    nothing = (Term(name="the peer has the route server's ASN", then="reject", reason="policy", source="R79"),)
    return {"tags": ("class:nva",), "checks": nothing, "export": (nothing,), "route_class": "nva"}


def checks_on_gateway(network: Network, rs: RouteServer, gateway: VirtualNetworkGateway) -> Policy:
    """No prefix of its own space; from a VPN gateway with an ASN of its own nothing that carries a tag of Azure's (R104)."""
    own = (refuse_own_space(network, rs.virtual_network, "R59"),)
    if gateway.kind is GatewayKind.VPN and gateway.asn != AZURE_ASN:
        return (Term(name="branch-tag", match={"community_high": 65517}, then="reject", reason="branch-tag", source="R104"), *own)
    return own


def _route_map(maps: Mapping[str, str], route_maps: Mapping[str, tuple[Rule, ...]], peer: str, source: str) -> Policy:
    """The route map attached for this peer, if any (R121); one for an instance goes before one for all. Peers are NVAs and gateways of the route server's own
    virtual network: to other networks' connections none is attached (R123, R126).
    """
    name = maps.get(peer) or maps.get(base_name(peer))
    return policy_of(route_maps[name], f"route map {name}, {source}") if name else ()


def inbound_map(network: Network, rs: RouteServer, peer: str) -> Policy:
    """Runs after the own-ASN check, so it can't rescue a route, and before selection (section 4.7, R100)."""
    return _route_map(rs.inbound_route_maps, network.route_maps, peer, "section 4.7")


# --- what it tells ----------------------------------------------------------------------------------------------------


def export_to_nva(network: Network, rs: RouteServer, nva: str) -> tuple[Policy, ...]:
    """Table 4.3: its space always, other NVAs' as R92 says, gateways' with branch-to-branch on (R127); nothing where it doesn't advertise.

    Nobody's ASN is looked for in what it tells (R93), what came from a peer isn't told to it again (R94), paths and communities stay as they are but for
    its own ASN and the branch tag (R95), nothing is summarized or left out (R98); what an outbound map does comes last (section 4.7).
    """
    if not rs.advertises:
        return ((Term(name="advertises is off", then="reject"),),)
    told = network.quirks.gateway_routes_without_branch_to_branch
    terms = (*_reflection(network, rs, nva), *_no_clients(network, rs), *(() if told else _no_exchange(rs, GATEWAYS)))
    return terms, _tag_branches(network), _outbound_map(network, rs, nva)


def _reflection(network: Network, rs: RouteServer, nva: str) -> Iterator[Term]:
    """NVAs' routes for other NVAs: within its own virtual network, unless `reflect_between_nvas` says all or none (R92, D2)."""
    if rs.reflect_between_nvas == "all":
        return
    if rs.reflect_between_nvas == "none" or not _is_inside(network, rs, nva):
        yield Term(name="reflect_between_nvas", match={"from": ["class:nva"]}, then="reject", source="R92")
    elif strangers := [peer.name for peer in rs.peers if not _is_inside(network, rs, peer.name)]:
        yield Term(name="reflect_between_nvas", match={"from": strangers}, then="reject", source="R92")


def _is_inside(network: Network, rs: RouteServer, nva: str) -> bool:
    """Whether an NVA stands in the route server's own virtual network."""
    router = network.router(nva)
    return router is not None and router.virtual_network == rs.virtual_network


def export_to_gateway(network: Network, rs: RouteServer, gateway: VirtualNetworkGateway, speaker: str) -> tuple[Policy, ...]:
    """With branch-to-branch on a reflector among NVAs and gateways (R127): the spoke's prefix to on-premises, and on-premises' to the spoke (R166); but never
    from circuit to circuit (R131) or back to the gateway (R94).
    """
    terms = [Term(name="its own", match={"from": [gateway.name]}, then="reject", source="R94")]
    if gateway.kind is GatewayKind.EXPRESSROUTE:
        terms.append(Term(name="circuit to circuit", match={"from": ["class:er"]}, then="reject", source="R131"))
        terms += _no_clients(network, rs)
    return (*terms, *_no_exchange(rs, BRANCHES)), _tag_branches(network), _outbound_map(network, rs, speaker)


def next_hop(*, internal: bool) -> str:
    """Toward eBGP peers the instance's own address, toward gateways of its ASN the NVA's (R91)."""
    return "unchanged" if internal else "self"


def honors_no_export(network: Network) -> bool:
    """no-export and no-export-subconfed keep a route from NVAs and from gateways with an ASN of their own (RFC 1997); gateways of its ASN have it and
    tell it to nobody beyond. Undocumented (R97, D17), unlike no-advertise, which NICs alone obtain (R96).
    """
    return network.quirks.no_export == "honored"


def agrees_without_hold_timer(network: Network) -> bool:
    """Whether a hold time of 0, no KEEPALIVEs and no hold timer, is agreed to (R75, D29)."""
    return network.quirks.hold_time_zero == "accepted"


def _no_exchange(rs: RouteServer, sources: Sequence[str]) -> Iterator[Term]:
    """Without branch-to-branch routes don't go from one kind of party to another (R127)."""
    if not rs.branch_to_branch:
        yield Term(name="branch-to-branch is off", match={"from": list(sources)}, then="reject", source="R127")


def _no_clients(network: Network, rs: RouteServer) -> Iterator[Term]:
    """Pools of point-to-site clients go from the VPN gateway to machines and its sites, not to NVAs or ExpressRoute, unless the quirk says so (D8)."""
    pools = [str(pool) for gateway in network.gateways_of(rs.virtual_network) for pool in gateway.point_to_site]
    if pools and not network.quirks.point_to_site_transit:
        yield Term(name="point-to-site", match={"from": ["class:vpn"], "prefix_equals": pools}, then="reject", source="D8")


def _tag_branches(network: Network) -> Policy:
    """Branch routes leave with 65517:65517 (R95); sources disagree on whether those of virtual networks do (D24)."""
    match = {"from": list(BRANCHES)} if network.quirks.branch_tag_on == "branches" else {}
    return (Term(name="branch tag", match=match, do=({"community_add": [BRANCH_TAG]},), then="continue", source="R95"),)


def _outbound_map(network: Network, rs: RouteServer, peer: str) -> Policy:
    """Changes what is told, and nothing else (section 4.7); never the address space of virtual networks (R122)."""
    attached = _route_map(rs.outbound_route_maps, network.route_maps, peer, "section 4.7")
    untouched = Term(name="address space of virtual networks", match={"from": ["vnet", "transit"]}, source="R122")
    return (untouched, *attached) if attached else ()


# --- what it remembers ------------------------------------------------------------------------------------------------


def still_told(policy: PeerPolicy, prefixes: Sequence[str]) -> PeerPolicy:
    """Branch-to-branch was turned off while the session was up: what was told before stays told (D28)."""
    if not policy.export or not prefixes:
        return policy
    first = policy.export[0]
    place = next((n for n, term in enumerate(first) if term.source == "R127"), len(first))
    kept = Term(
        name="told before branch-to-branch was turned off", match={"from": list(BRANCHES), "prefix_equals": list(prefixes)}, source="D28"
    )
    return replace(policy, export=((*first[:place], kept, *first[place:]), *policy.export[1:]))


def staying(policy: PeerPolicy, prefixes: Sequence[str]) -> PeerPolicy:
    """ExpressRoute is back, and traffic stays on what an NVA or VPN gateway offers for these prefixes (R111, D14)."""
    if policy.route_class == "er" or not prefixes:
        return policy
    term = Term(
        name="after an outage of ExpressRoute",
        match={"prefix_equals": list(prefixes)},
        do=({"weight": STAYS},),
        then="continue",
        source="D14",
    )
    return replace(policy, rules=(term, *policy.rules))
