"""What belongs to a virtual network; what gateways and Microsoft's edge accept and tell. One function a rule."""

from __future__ import annotations

from collections.abc import Iterator

from dualhome.bgp.config import OriginConfig
from dualhome.bgp.policy import Policy, Term
from dualhome.model import AZURE_ASN, Circuit, GatewayKind, Network, VirtualNetworkGateway
from dualhome.net import DEFAULT_V4, Address, Prefix
from dualhome.plan.regions import community
from dualhome.plan.wiring import tunnel_ends

BRANCH_TAG = "65517:65517"  # of branch routes that a route server re-advertises (R95)
TRANSIT_TAG = "65518:65518"  # of a transit spoke's prefix, as a lab of 2026 shows it (netlab-hub-peering-no-transit)
EDGE_PREFIX_LIMIT, EDGE_PREFIX_LIMIT_V6 = 1000, 100  # from a gateway (R141)
EDGE_ALERT = 0.8  # of the limit (D23)
WELL_KNOWN = ("no-export", "no-advertise", "no-export-subconfed", "65535:0")  # the last: graceful-shutdown
VPN_PREFIX_LIMIT = 4000  # from a site (R155)

ROUTE_SERVER_ROUNDS = ("next-hop", "self", "preference", "as-path", "preference-tie", "|", "router-id", "peer-address", "peer")
GATEWAY_ROUNDS = (
    "next-hop", "weight", "local-preference", "self", "as-path", "origin", "med", "ebgp", "|", "router-id", "cluster-list", "peer-address", "peer",
)  # fmt: skip
ROUTER_ROUNDS = (
    "next-hop", "self", "local-preference", "as-path", "origin", "med", "ebgp", "|=", "router-id", "cluster-list", "peer-address", "peer",
)  # fmt: skip


# --- what belongs to a virtual network --------------------------------------------------------------------------------


def own_space(network: Network, virtual_network: str) -> tuple[Prefix, ...]:
    """Its ranges and those of its transit spokes (R34, R59, R150), as its peerings know them (R16)."""
    spokes = (prefix for spoke in network.transit_spokes(virtual_network) for prefix in network.known_space(virtual_network, spoke))
    return (*network.virtual_networks[virtual_network].address_space, *spokes)


def space_origins(network: Network, virtual_network: str, address: Address) -> Iterator[OriginConfig]:
    """A route for each range of the virtual network and of its transit spokes; one for each range, none for subnets (R1, R34, R36). So an NVA hears of the
    spoke (R160), and a route server in a virtual network of its own serves many (R175, R178).
    """
    for prefix in network.virtual_networks[virtual_network].address_space:
        if prefix.version == address.version:
            yield OriginConfig(prefix=prefix, next_hop=address, tags=("self", "vnet"))
    for spoke in network.transit_spokes(virtual_network):
        for prefix in network.known_space(virtual_network, spoke):
            if prefix.version == address.version:
                yield OriginConfig(prefix=prefix, next_hop=address, tags=("self", "transit", spoke), communities=(TRANSIT_TAG,))


def refuse_own_space(network: Network, virtual_network: str, source: str) -> Term:
    """A prefix equal to or inside own or transit space is not let in (R59 at route servers, R150 at gateways)."""
    space = own_space(network, virtual_network)
    if source == "R59" and network.quirks.virtual_network_equal_bgp:  # D3: of its own space it takes everything
        space = space[len(network.virtual_networks[virtual_network].address_space) :]
    return Term(name="own-prefix", match={"prefix_within": [str(p) for p in space]}, then="reject", reason="own-prefix", source=source)


# --- gateways ---------------------------------------------------------------------------------------------------------


def gateway_origins(network: Network, gateway: VirtualNetworkGateway, instance: int) -> Iterator[OriginConfig]:
    """Its space, summaries of it (R148), what lies behind its static connections, with an empty path (R49, R109, R151), and its clients' addresses (D8)."""
    address = gateway.addresses[instance]
    for summary in network.virtual_networks[gateway.virtual_network].summarized_gateway_prefixes:
        yield OriginConfig(prefix=summary, next_hop=address, tags=("self", "summary"))
    yield from space_origins(network, gateway.virtual_network, address)
    if gateway.kind is GatewayKind.VPN:
        for prefix, far in static_prefixes(network, f"{gateway.name}#{instance}"):
            yield OriginConfig(prefix=prefix, next_hop=address, tags=("self", "static", f"static:{far}"))
        for pool in gateway.point_to_site:
            yield OriginConfig(prefix=pool, next_hop=address, tags=("self", "static", "point-to-site"))


def static_prefixes(network: Network, speaker: str) -> Iterator[tuple[Prefix, str]]:
    """What a VPN gateway instance is told to lie behind its connections, and behind which object.

    Between two gateways without BGP each side knows the other's virtual network.
    """
    for connection in network.vpn_connections:
        ends = list(tunnel_ends(network, connection))
        if any(mine == speaker for mine, _, _ in ends):
            far_gateway = network.gateways.get(connection.to)
            prefixes = connection.prefixes
            if not connection.bgp and not prefixes and far_gateway:
                prefixes = network.virtual_networks[far_gateway.virtual_network].address_space
            yield from ((prefix, connection.to) for prefix in prefixes)
        elif any(theirs == speaker for _, theirs, _ in ends) and not connection.bgp:
            near = network.gateways[connection.gateway]
            yield from ((prefix, near.name) for prefix in network.virtual_networks[near.virtual_network].address_space)


def checks_on_edge(network: Network, gateway: VirtualNetworkGateway) -> Policy:
    """What an ExpressRoute gateway takes from a circuit, a default route too (R142): not its own space, beside a route server no branch routes of others
    (R135), other virtual networks only where that is switched on (R145). The edge puts its ASN in place of 65515, so a path of another virtual network begins with an even
    number of 12076, one of on-premises with an odd one (AS_PATH table of section 5).
    """
    terms = [refuse_own_space(network, gateway.virtual_network, "R150")]
    if network.route_server_of(gateway.virtual_network):
        terms.append(Term(name="branch-tag", match={"community_any": [BRANCH_TAG]}, then="reject", reason="branch-tag", source="R135"))
    if not gateway.allow_remote_virtual_network_traffic:
        asns = sorted({c.microsoft_asn for c in network.circuits.values() if any(x.gateway == gateway.name for x in c.gateways)})
        terms += [
            Term(
                name="allow_remote_virtual_network_traffic is off",
                match={"as_path_leading_even": asn},
                then="reject",
                reason="remote-virtual-network",
                source="R145",
            )
            for asn in asns
        ]
    return tuple(terms)


def checks_on_site(network: Network, gateway: VirtualNetworkGateway) -> Policy:
    """What a VPN gateway takes from a site: not its own space, supernets are fine (R150)."""
    return (refuse_own_space(network, gateway.virtual_network, "R150"),)


def _summaries(network: Network, gateway: VirtualNetworkGateway) -> Iterator[Term]:
    """Summaries replace the hub's own ranges, whatever they cover, and each spoke's range that they cover (R148)."""
    summaries = [str(p) for p in network.virtual_networks[gateway.virtual_network].summarized_gateway_prefixes]
    if summaries:
        yield Term(name="the summary itself", match={"from": ["summary"]}, source="R148")
        yield Term(name="summarized", match={"from": ["vnet"]}, then="reject", source="R148")
        yield Term(name="summarized", match={"from": ["transit"], "prefix_within": summaries}, then="reject", source="R148")


def export_to_edge(network: Network, gateway: VirtualNetworkGateway) -> tuple[Policy, ...]:
    """Its space and what the route server relays; never one circuit's routes (R131). Every circuit hears the same, AVS as
    on-premises (R185). Prefixes of virtual networks that have a community bear it (R144).
    """
    never = Term(name="circuit to circuit", match={"from": ["class:edge"]}, then="reject", source="R131")
    return (never, *_summaries(network, gateway)), tuple(_tag_regions(network, gateway))


def _tag_regions(network: Network, gateway: VirtualNetworkGateway) -> Iterator[Term]:
    """A virtual network's own community and with it 12076:5xxxx of its region, on its prefixes, where it is given one (R144)."""
    hub = gateway.virtual_network
    for name, tags in ((hub, ["vnet", "summary"]), *((spoke, [spoke]) for spoke in network.transit_spokes(hub))):
        place = network.virtual_networks[name]
        if place.bgp_community is not None:
            added = [place.bgp_community, *([region] if (region := community(place.region)) else [])]
            yield Term(name=f"community of {name}", match={"from": tags}, do=({"community_add": added},), then="continue", source="R144")


def export_to_site(network: Network, gateway: VirtualNetworkGateway, site: str) -> tuple[Policy, ...]:
    """Its space, other sites', what the route server relays; never 0/0, nor what lies inside its space, nor the site's own static prefixes (R133, R154)."""
    learned = ["class:rs", "class:site", "sibling"]
    inside = [str(p) for p in own_space(network, gateway.virtual_network)]
    return (
        (
            Term(name="no default route", match={"prefix_equals": [str(DEFAULT_V4), "::/0"]}, then="reject", source="R133"),
            Term(name="the site's own", match={"from": [f"static:{site}"]}, then="reject", source="R154"),
            Term(name="inside its own space", match={"from": learned, "prefix_within": inside}, then="reject", source="R154"),
            *_summaries(network, gateway),
        ),
    )


def export_from_gateway_to_route_server(gateway: VirtualNetworkGateway) -> tuple[Policy, ...]:
    """What it knows from beyond Azure: its circuits' or sites' routes, static prefixes included (R127, R151)."""
    outside = ["class:edge"] if gateway.kind is GatewayKind.EXPRESSROUTE else ["class:site", "sibling", "static"]
    return ((Term(name="from beyond", match={"from": outside}), Term(name="Azure's own", then="reject", source="R127")),)


def export_to_sibling() -> tuple[Policy, ...]:
    """What it learned from its sites (R158)."""
    return ((Term(name="from its sites", match={"from": ["class:site", "static"]}), Term(name="the rest", then="reject", source="R158")),)


# --- Microsoft's edge -------------------------------------------------------------------------------------------------


def edge_limit(network: Network, gateway_address: Address) -> dict[str, object]:
    """Prefixes that the edge takes from a gateway: one more ends the session, or isn't taken (R141, D23)."""
    limit = EDGE_PREFIX_LIMIT if gateway_address.version == 4 else EDGE_PREFIX_LIMIT_V6
    ends = network.quirks.over_the_edge_limit == "session-down"
    return {"max_prefixes": limit, "max_prefixes_action": "teardown" if ends else "drop"}


def edge_rules() -> Policy:
    """Microsoft honors no community that a customer sets: those that every speaker obeys are taken off, others stay as they are (R144)."""
    return (Term(name="customers' communities", do=({"community_remove": list(WELL_KNOWN)},), then="continue", source="R144"),)


def export_from_edge_to_gateway(circuit: Circuit) -> tuple[Policy, ...]:
    """As-override: 65515 becomes the edge's own ASN (R143)."""
    override = {"path_substitute": {"from": AZURE_ASN, "to": circuit.microsoft_asn}}
    return ((Term(name="as-override", do=(override,), then="continue", source="R143"),),)


def export_from_edge_to_router() -> tuple[Policy, ...]:
    """Private ASNs leave the path, so on-premises sees 12076 alone (R134, R143)."""
    return ((Term(name="remove-private-as", do=({"remove_private": True},), then="continue", source="R143"),),)


def export_over_global_reach(circuit: Circuit) -> tuple[Policy, ...]:
    """What its own routers and gateways told it, with as-override and one more copy of its ASN (AS_PATH table of section 5, R131)."""
    override = {"path_substitute": {"from": AZURE_ASN, "to": circuit.microsoft_asn}}
    return (
        (
            Term(name="no third circuit", match={"from": ["class:global-reach"]}, then="reject", source="R131"),
            Term(name="as-override", do=(override, {"prepend": [circuit.microsoft_asn]}), then="continue", source="R143"),
        ),
    )
