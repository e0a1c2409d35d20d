"""What gateways and Microsoft's edge routers do with a packet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import Final

from dualhome.forwarding.effective import EffectiveRoute, routes_of
from dualhome.forwarding.fabric import by_effective_route, hand, no_route
from dualhome.forwarding.own import leads
from dualhome.forwarding.packets import Landed, Move, Packet, Result, Results
from dualhome.forwarding.places import places
from dualhome.forwarding.routers import neighbor
from dualhome.forwarding.world import RibHop, World
from dualhome.model import GATEWAY_SUBNET, VirtualNetworkGateway, base_name
from dualhome.net import Address

PAST_GATEWAY: Final = ("vm", "nva", "load balancer")  # whom FastPath reaches


def at_gateway(world: World, move: Move, packet: Packet) -> Results:
    """A gateway instance: GatewaySubnet's effective routes (R68, R169), and its own table where they lead to the gateway itself. Its clients (point-to-site)
    are behind it.
    """
    network, node = world.network, move.hop.name
    gateway = network.gateways[base_name(node)]
    if any(pool.covers(packet.destination) for pool in gateway.point_to_site):
        return [Landed(at=node, end=node)]
    if packet.destination in gateway.addresses:
        owner = f"{gateway.name}#{gateway.addresses.index(packet.destination)}"
        return [Landed(at=owner, end=owner)]
    row = routes_of(world, node).select(packet.destination)
    match way_of(world, gateway, row):
        case GatewayWay.NOWHERE:
            user = row is not None and row.source == "User" and row.next_hop_type == "None"
            said = (
                f"{row.prefix} None ({row.rule})"
                if user and row
                else "GatewaySubnet takes no gateway routes, so the gateway doesn't work (R13)"
            )
            return [no_route(node, f"{node}: {said}")]
        case GatewayWay.FABRIC:
            return by_effective_route(world, node, None, gateway.virtual_network, row, packet, gateway=True)
    found = world.rib(node, packet.destination)
    ways = beyond(world, node, found[1] if found else ())
    allowed = [each for each in ways if not between_circuits(world, packet.circuit, each)]
    if ways and not allowed:
        return [no_route(node, f"{node} carries nothing from {packet.circuit} to {base_name(ways[0])} (R131)")]
    return [neighbor(world, node, each) for each in allowed] or [no_route(node, f"{node} has no route to {packet.destination}")]


def between_circuits(world: World, circuit: str, neighbor_: str) -> bool:
    """Whether a packet that came by this circuit would leave by another one, which gateways don't carry (R131)."""
    return bool(circuit) and base_name(neighbor_) in world.network.circuits and base_name(neighbor_) != circuit


class GatewayWay(Enum):
    """Where a gateway looks, by the effective route that takes the packet."""

    NOWHERE = "a user's None route, or a gateway that doesn't work"
    FABRIC = "into the fabric"
    OWN_TABLE = "its own table: the effective route leads to itself, to the Internet, or nowhere"


def way_of(world: World, gateway: VirtualNetworkGateway, row: EffectiveRoute | None) -> GatewayWay:
    """GatewaySubnet's effective routes go first (R68, R169). Without propagation there the gateway works no more (R13)."""
    table = world.network.virtual_networks[gateway.virtual_network].subnets[GATEWAY_SUBNET].route_table
    if table is not None and world.network.route_tables[table].disable_bgp_route_propagation:
        return GatewayWay.NOWHERE
    if row is None or row.next_hop_type == "Internet":
        return GatewayWay.OWN_TABLE
    if row.next_hop_type == "None":
        return GatewayWay.NOWHERE if row.source == "User" else GatewayWay.OWN_TABLE
    itself = row.source == "VirtualNetworkGateway" and any(_is_own(world, gateway, hop) for hop in row.next_hops)
    return GatewayWay.OWN_TABLE if itself else GatewayWay.FABRIC


def _is_own(world: World, gateway: VirtualNetworkGateway, hop: Address) -> bool:
    """Whether a next hop is the gateway itself, or an edge router that it leads to."""
    edge = places(world).edges.get(hop)
    if edge is None:
        return hop in gateway.addresses
    return any(x.gateway == gateway.name for x in world.network.circuits[base_name(edge)].gateways)


def beyond(world: World, node: str, hops: Sequence[RibHop]) -> list[str]:
    """Neighbors that a gateway's own route leads to: edge routers, sites, the sibling; what is static lies behind a connection. Route servers
    forward nothing (R136).
    """
    found: list[str] = []
    for hop in hops:
        if hop.peer is None:
            for far in (tag.removeprefix("static:") for tag in hop.tags if tag.startswith("static:")):
                found += leads(world, node, far)
        elif base_name(hop.peer) not in world.network.route_servers:
            found.append(hop.peer)
    return found


def at_edge(world: World, move: Move, packet: Packet) -> Results:
    """One of Microsoft's edge routers: its table decides, gateways that it finds equal share (R183); with FastPath straight to machines of the gateway's
    virtual network (R147).
    """
    node = move.hop.name
    if packet.destination == move.hop.address:
        return [Landed(at=node, end=node)]
    if (peer := places(world).attached(node).get(packet.destination)) is not None:
        return [neighbor(world, node, peer)]
    found = world.rib(node, packet.destination)
    results: list[Result] = []
    for peer in dict.fromkeys(hop.peer for hop in found[1] if hop.peer) if found else ():
        past = _past_gateway(world, node, peer, packet)
        if past is None or past not in results:
            results.append(past or _to_neighbor(world, node, peer))
    return results or [no_route(node, f"{node} has no route to {packet.destination}")]


def _to_neighbor(world: World, edge: str, peer: str) -> Result:
    """On to a gateway, a router or another circuit; the packet remembers by which circuit it came."""
    result = neighbor(world, edge, peer)
    return replace(result, changes={"circuit": base_name(edge)}) if isinstance(result, Move) else result


def _past_gateway(world: World, edge: str, peer: str, packet: Packet) -> Result | None:
    """FastPath bypasses the gateway and its subnet's route table; peered virtual networks it doesn't reach (R147)."""
    place = fast_path(world, edge, peer)
    owner = places(world).owners.get((place, packet.destination)) if place else None
    if place is None or owner is None or owner.kind not in PAST_GATEWAY:
        return None
    return hand(world, place, place, owner, packet, f"{edge}: FastPath (R147)", gateway=True)


def fast_path(world: World, edge: str, peer: str) -> str | None:
    """The virtual network whose machines an edge router reaches past this peer, where the peer is a gateway connected with FastPath (R147)."""
    circuit, gateway = world.network.circuits[base_name(edge)], world.network.gateways.get(base_name(peer))
    if gateway is None or not any(x.gateway == gateway.name and x.fast_path for x in circuit.gateways):
        return None
    return gateway.virtual_network
