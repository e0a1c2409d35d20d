"""One side of a session becomes a policy: one function a kind of speaker and of session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from dualhome.bgp.policy import PeerPolicy
from dualhome.model import GatewayKind, Network, base_name
from dualhome.plan import azure, route_servers, routers
from dualhome.plan.types import Carrier, SpeakerKind
from dualhome.plan.wiring import End, Wire

Parts = dict[str, object]
"""Fields of a `PeerPolicy`; `tags` are those beside the peer's names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A session as one of its ends sees it."""

    network: Network
    near: End
    far: End
    wire: Wire
    local_asn: int
    remote_asn: int

    @property
    def owner(self) -> str:
        """The object whose speaker it is."""
        return base_name(self.near.speaker)

    @property
    def peer(self) -> str:
        """The object that the peer belongs to."""
        return base_name(self.far.speaker)

    @property
    def internal(self) -> bool:
        """Whether both have one ASN (iBGP)."""
        return self.local_asn == self.remote_asn


def policy_of_side(side: Side, kind: SpeakerKind) -> PeerPolicy:
    """By what the speaker is and how the session came about."""
    parts = POLICIES.get((kind, side.wire.what), _router)(side)
    tags = parts.pop("tags", ())
    assert isinstance(tags, tuple)
    return PeerPolicy(
        name=f"{side.near.speaker}/{side.far.speaker}",
        asn=side.remote_asn,
        ebgp=not side.internal or side.wire.what == "global-reach",
        local_address=str(side.near.address),
        peer_address=str(side.far.address),
        tags=(*dict.fromkeys((side.peer, side.far.speaker)), *tags),
        **parts,  # type: ignore[arg-type]  # keys are PeerPolicy's own
    )


# --- route servers ----------------------------------------------------------------------------------------------------


def _route_server_to_nva(side: Side) -> Parts:
    """eBGP with an NVA (R74): section 4 of the rules. Its own address is the next hop of what it tells (R91)."""
    network, rs = side.network, side.network.route_servers[side.owner]
    if side.internal:
        return route_servers.nothing_inside()
    return {
        "tags": ("class:nva",),
        "checks": route_servers.checks_on_nva(network, rs),
        "rules": route_servers.inbound_map(network, rs, side.far.speaker),
        "export": route_servers.export_to_nva(network, rs, side.far.speaker),
        "route_class": "nva",
        "honors_no_export": route_servers.honors_no_export(network),
        **route_servers.limits_on_nva(network, rs),
        **route_servers.weight(network),
    }


def _route_server_to_gateway(side: Side) -> Parts:
    """iBGP with a gateway of its own ASN, which is its client; eBGP with another (R129)."""
    network, rs, gateway = side.network, side.network.route_servers[side.owner], side.network.gateways[side.peer]
    word = "er" if gateway.kind is GatewayKind.EXPRESSROUTE else "vpn"
    return {
        "tags": (f"class:{word}",),
        "checks": route_servers.checks_on_gateway(network, rs, gateway),
        "rules": route_servers.inbound_map(network, rs, side.far.speaker),
        "export": route_servers.export_to_gateway(network, rs, gateway, side.far.speaker),
        "route_class": word,
        "reflector_client": side.internal,
        "next_hop": route_servers.next_hop(internal=side.internal),
        "honors_no_export": route_servers.honors_no_export(network),
        **route_servers.weight(network),
    }


# --- gateways ---------------------------------------------------------------------------------------------------------


def _gateway_to_edge(side: Side) -> Parts:
    """A circuit's routes go before those of the route server (R137), and by the weight of its connection (R146)."""
    gateway = side.network.gateways[side.owner]
    return {
        "tags": ("class:edge",),
        "checks": azure.checks_on_edge(side.network, gateway),
        "export": azure.export_to_edge(side.network, gateway),
        "weight": 32769 + side.wire.weight,
    }


def _gateway_to_site(side: Side) -> Parts:
    """A site, or another gateway, at the far end of a VPN connection (R150, R154, R155)."""
    gateway = side.network.gateways[side.owner]
    return {
        "tags": ("class:site",),
        "checks": azure.checks_on_site(side.network, gateway),
        "export": azure.export_to_site(side.network, gateway, side.peer),
        "weight": 32768 + side.wire.weight,
        "max_prefixes": azure.VPN_PREFIX_LIMIT,
    }


def _gateway_to_sibling(side: Side) -> Parts:
    """Between the two instances of a VPN gateway (R158)."""
    return {"tags": ("sibling",), "export": azure.export_to_sibling()}


def _gateway_to_route_server(side: Side) -> Parts:
    """Route exchange, from the gateway's end (R127, R129)."""
    gateway = side.network.gateways[side.owner]
    export = azure.export_from_gateway_to_route_server(gateway)
    return {"tags": ("class:rs",), "export": export, "reflector_client": side.internal}


# --- Microsoft's edge -------------------------------------------------------------------------------------------------


def _edge_to_gateway(side: Side) -> Parts:
    """As-override toward the gateway (R143), and no more than the edge takes from it (R141)."""
    export = azure.export_from_edge_to_gateway(side.network.circuits[side.owner])
    return {"tags": ("class:gateway",), "export": export, **azure.edge_limit(side.network, side.far.address)}


def _edge_to_router(side: Side) -> Parts:
    """Toward on-premises private ASNs go (R134), and from there its own ASN may come twice (R141, R143)."""
    return {
        "tags": ("class:router",),
        "rules": azure.edge_rules(),
        "export": azure.export_from_edge_to_router(),
        "allowas_in": 2,
        "max_prefixes": side.network.circuits[side.owner].max_prefixes,
    }


def _edge_to_edge(side: Side) -> Parts:
    """Global Reach (R131): both have the same ASN and treat each other as external."""
    return {"tags": ("class:global-reach",), "export": azure.export_over_global_reach(side.network.circuits[side.owner]), "allowas_in": 3}


# --- NVAs and on-premises routers -------------------------------------------------------------------------------------


def _router(side: Side) -> Parts:
    """The file's own words. Without multihop an NVA can't use what it hears from another subnet, though the session is up (R74)."""
    router = side.network.router(side.owner)
    assert router is not None, f"{side.owner} speaks and is no router"
    to_route_server = side.peer in side.network.route_servers
    word = "rs" if to_route_server else {"edge": "edge", "vpn": "site"}.get(side.wire.what, "router")
    return {
        "tags": (f"class:{word}",),
        "rules": routers.import_rules(router, side.far.speaker),
        "export": routers.export(side.network, router, side.far.speaker, side.remote_asn, route_server=to_route_server),
        "weight": 0,
        "usable": router.multihop or side.wire.carrier is not Carrier.NETWORK or side.internal,
    }


POLICIES: Final[Mapping[tuple[SpeakerKind, str], Callable[[Side], Parts]]] = {
    (SpeakerKind.ROUTE_SERVER, "route-server"): _route_server_to_nva,
    (SpeakerKind.ROUTE_SERVER, "exchange"): _route_server_to_gateway,
    (SpeakerKind.GATEWAY, "circuit"): _gateway_to_edge,
    (SpeakerKind.GATEWAY, "vpn"): _gateway_to_site,
    (SpeakerKind.GATEWAY, "sibling"): _gateway_to_sibling,
    (SpeakerKind.GATEWAY, "exchange"): _gateway_to_route_server,
    (SpeakerKind.EDGE, "circuit"): _edge_to_gateway,
    (SpeakerKind.EDGE, "edge"): _edge_to_router,
    (SpeakerKind.EDGE, "global-reach"): _edge_to_edge,
}
"""All others are routers' sides."""
