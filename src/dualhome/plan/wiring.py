"""Who speaks with whom: one function for each way in which a file makes sessions. A `Wire` is a session before its policies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from dualhome.model import AZURE_ASN, Bfd, GatewayKind, Network, Router, Timers, VirtualNetworkGateway, VpnConnection
from dualhome.net import Address, Prefix
from dualhome.plan.types import Carrier

GATEWAY_TIMERS = Timers()  # fixed, R155
NAMELESS = Prefix.parse("192.0.2.0/24")  # addresses of routers that the file gives none (RFC 5737)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a wire: the speaker, its address on this session, the timers it proposes."""

    speaker: str
    address: Address
    timers: Timers


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A session to be; `what` tells how it came about: route-server, exchange, sibling, circuit, edge, global-reach, vpn, link, session."""

    a: End
    b: End
    what: str
    carrier: Carrier
    enabled: bool = True
    weight: int = 0
    bfd: Bfd | None = None
    far_asn: int | None = None  # of `b`, where it is a speaker outside the file


def router_address(network: Network, router: Router) -> Address:
    """A router's own address; one that the file gives none gets one of RFC 5737's by its place in the file."""
    if router.address:
        return router.address
    return NAMELESS.address(1 + list(network.on_premises).index(router.name) % 250)


def all_wires(network: Network) -> list[Wire]:
    """Every session of the network; of two between the same speakers the first counts."""
    seen: dict[tuple[str, str], Wire] = {}
    for source in (_route_server_peers, _route_exchange, _siblings, _circuits, _global_reach, _vpn_tunnels, _links, _declared):
        for wire in source(network):
            seen.setdefault((min(wire.a.speaker, wire.b.speaker), max(wire.a.speaker, wire.b.speaker)), wire)
    return list(seen.values())


def _route_server_peers(network: Network) -> Iterator[Wire]:
    """Each NVA that a route server names, with each instance that it is given (R73, R76): of its own virtual network or of a peered one, as in the dual-homed
    network (R44, R159); an NVA may speak with the route servers of several (R182).
    """
    for rs in network.route_servers.values():
        for peer, instance in ((p, i) for p in rs.peers for i in p.instances):
            mine = End(speaker=f"{rs.name}#{instance}", address=rs.addresses[instance], timers=rs.timers)
            nva = network.router(peer.name)
            if peer.address is not None and nva is None:
                far = End(speaker=peer.name, address=peer.address, timers=Timers())
                yield Wire(a=mine, b=far, what="route-server", carrier=Carrier.NOWHERE, far_asn=peer.asn)
            elif nva is not None and nva.asn is not None:
                theirs = End(speaker=nva.name, address=router_address(network, nva), timers=nva.timers)
                yield Wire(a=mine, b=theirs, what="route-server", carrier=Carrier.NETWORK, bfd=rs.bfd)


def active(gateway: VirtualNetworkGateway, instance: int) -> bool:
    """Whether the instance works while both are healthy: of a VPN gateway that is not active-active only the first does."""
    return gateway.both_work or instance == 0


def _gateway_end(gateway: VirtualNetworkGateway, instance: int) -> End:
    return End(speaker=f"{gateway.name}#{instance}", address=gateway.addresses[instance], timers=GATEWAY_TIMERS)


def _route_exchange(network: Network) -> Iterator[Wire]:
    """A route server with each gateway instance of its own virtual network, of itself (R128, R129); gateways don't speak with one another (R130). Where
    there are no gateways, branch-to-branch has nothing to do (R174).
    """
    for rs in network.route_servers.values():
        partners = [gateway for gateway in network.gateways_of(rs.virtual_network) if _exchanges(network, gateway)]
        for gateway, i, j in product(partners, (0, 1), (0, 1)):
            mine = End(speaker=f"{rs.name}#{i}", address=rs.addresses[i], timers=GATEWAY_TIMERS)
            yield Wire(a=mine, b=_gateway_end(gateway, j), what="exchange", carrier=Carrier.PLATFORM, enabled=active(gateway, j))


def _exchanges(network: Network, gateway: VirtualNetworkGateway) -> bool:
    """Whether a route server exchanges routes with it: with a VPN gateway of another ASN sources disagree (R151, D7)."""
    foreign = gateway.kind is GatewayKind.VPN and gateway.asn != AZURE_ASN
    return not foreign or network.quirks.custom_asn_vpn_gateway == "accepted"


def _siblings(network: Network) -> Iterator[Wire]:
    """The two instances of an active-active VPN gateway tell each other what they learn (R158)."""
    for gateway in network.gateways.values():
        if gateway.kind is GatewayKind.VPN and gateway.active_active:
            yield Wire(a=_gateway_end(gateway, 0), b=_gateway_end(gateway, 1), what="sibling", carrier=Carrier.PLATFORM)


def _circuits(network: Network) -> Iterator[Wire]:
    """Each of Microsoft's two edge routers with both instances of each gateway, and with its provider edge router (R139)."""
    for circuit in network.circuits.values():
        for i in (0, 1):
            edge = End(speaker=f"{circuit.name}#{i}", address=circuit.microsoft_address(i), timers=Timers())
            for connection, j in product(circuit.gateways, (0, 1)):
                gateway = _gateway_end(network.gateways[connection.gateway], j)
                yield Wire(a=gateway, b=edge, what="circuit", carrier=Carrier.PLATFORM, weight=connection.routing_weight)
            if circuit.provider_edge:
                router = network.on_premises[circuit.provider_edge[i]]
                if router.asn is not None:
                    theirs = End(speaker=router.name, address=circuit.router_address(i), timers=router.timers)
                    yield Wire(a=edge, b=theirs, what="edge", carrier=Carrier.LINK, bfd=circuit.bfd)


def _global_reach(network: Network) -> Iterator[Wire]:
    """Two circuits joined by Global Reach: primary with primary, secondary with secondary (R131)."""
    pairs = {tuple(sorted((c.name, other))) for c in network.circuits.values() for other in c.global_reach}
    for (first, second), i in product(sorted(pairs), (0, 1)):
        a, b = (
            End(speaker=f"{name}#{i}", address=network.circuits[name].microsoft_address(i), timers=Timers()) for name in (first, second)
        )
        yield Wire(a=a, b=b, what="global-reach", carrier=Carrier.PLATFORM)


def tunnel_ends(network: Network, connection: VpnConnection) -> Iterator[tuple[str, str, bool]]:
    """Speakers that a connection's tunnels join, and whether the tunnel is in use while all is healthy: all pairs of the ends' instances."""
    gateway = network.gateways[connection.gateway]
    mine = [connection.gateway_instance] if connection.gateway_instance is not None else [0, 1]
    if connection.to in network.gateways:
        other = network.gateways[connection.to]
        theirs = [connection.to_instance] if connection.to_instance is not None else [0, 1]
        for i, j in product(mine, theirs):
            yield f"{gateway.name}#{i}", f"{other.name}#{j}", active(gateway, i) and active(other, j)
    else:
        for i in mine:
            yield f"{gateway.name}#{i}", connection.to, active(gateway, i)


def _vpn_tunnels(network: Network) -> Iterator[Wire]:
    """BGP inside the tunnels of each connection that has it (R155, R158)."""
    for connection in network.vpn_connections:
        if not connection.bgp:
            continue
        for mine, theirs, enabled in tunnel_ends(network, connection):
            a = _gateway_end(network.gateways[connection.gateway], int(mine[-1]))
            if connection.to in network.gateways:
                b = _gateway_end(network.gateways[connection.to], int(theirs[-1]))
            else:
                router = network.router(connection.to)
                if router is None or router.asn is None:
                    continue
                b = End(speaker=router.name, address=router_address(network, router), timers=router.timers)
            yield Wire(a=a, b=b, what="vpn", carrier=Carrier.TUNNEL, enabled=enabled, weight=connection.routing_weight)


def _links(network: Network) -> Iterator[Wire]:
    """On-premises routers side by side."""
    for link in network.links:
        first, second = (network.on_premises[name] for name in link.between)
        if first.asn is not None and second.asn is not None:
            a, b = (End(speaker=r.name, address=router_address(network, r), timers=link.timers or r.timers) for r in (first, second))
            yield Wire(a=a, b=b, what="link", carrier=Carrier.LINK, bfd=link.bfd)


def _declared(network: Network) -> Iterator[Wire]:
    """Sessions that a router declares for both ends."""
    for router in network.routers():
        for spec in router.sessions:
            other = network.router(spec.to)
            if router.asn is None or other is None or other.asn is None:
                continue
            own = spec.addresses or (router_address(network, router), router_address(network, other))
            a, b = (
                End(speaker=r.name, address=address, timers=spec.timers or r.timers)
                for r, address in zip((router, other), own, strict=True)
            )
            yield Wire(a=a, b=b, what="session", carrier=Carrier.TUNNEL if spec.over_tunnel else Carrier.NETWORK, bfd=spec.bfd)
