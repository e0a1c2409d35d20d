"""What Azure's fabric does with a packet that leaves a NIC or a gateway: effective routes, peerings, next hops, the Internet."""

from __future__ import annotations

from typing import Any

from dualhome.forwarding.effective import EffectiveRoute, routes_of
from dualhome.forwarding.packets import Dropped, Hop, Landed, Move, Packet, Result, Results, Step, home_of
from dualhome.forwarding.places import Owner, active_instances, places
from dualhome.forwarding.world import World
from dualhome.model import Circuit, GatewayKind, Nic, VirtualNetworkGateway, base_name
from dualhome.net import Address, Prefix

PRIVATE = tuple(
    map(Prefix.parse, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10"))
)
STEP_AT = {"load balancer": Step.LOAD_BALANCER, "gateway": Step.GATEWAY, "route server": Step.ROUTE_SERVER}


def leave_nic(world: World, move: Move, packet: Packet) -> Results:
    """A packet leaves a NIC: its effective routes decide, whoever sends it (R67); a foreign source needs IP forwarding (R66)."""
    node, nic = move.hop.name, move.nic
    home = home_of(world.network, nic.name if nic else node)
    assert home is not None, f"{node} has no NIC"
    if nic is not None and packet.source != nic.address and not nic.ip_forwarding:
        said = f"NIC {nic.name} may not send for {packet.source}: IP forwarding is off (R66)"
        return [Dropped(at=node, because="ip-forwarding", detail=said)]
    if packet.destination == (nic.address if nic else move.hop.address):
        return [Landed(at=node, end=node)]
    row = routes_of(world, nic.name if nic else node).select(packet.destination)
    return by_effective_route(world, node, nic, home, row, packet, gateway=False)


def by_effective_route(
    world: World, node: str, nic: Nic | None, home: str, row: EffectiveRoute | None, packet: Packet, *, gateway: bool
) -> Results:
    """What the winning row does with the packet; `gateway`: whether a gateway sends it, whom R38 exempts."""
    if row is None:
        return [no_route(node, f"no effective route of {node} covers {packet.destination}")]
    to = f" -> {', '.join(map(str, row.next_hops))}" if row.next_hops else ""
    said = f"{node}: {row.prefix} {row.next_hop_type}{to}" + (f" ({row.rule})" if row.rule else "")
    match row.next_hop_type:
        case "None":
            return [no_route(node, f"{said}{': ' + row.note if row.note else ''}")]
        case "Internet":
            return to_internet(world, node, nic.address if nic else None, nic.name if nic else node, packet, said)
        case "VnetLocal":
            owner = places(world).owners.get((home, packet.destination))
            if owner is None:
                return [no_route(node, f"{said}: nobody in {home} has the address {packet.destination}")]
            return [hand(world, home, home, owner, packet, said, gateway=gateway)]
        case "VNetPeering" | "VNetGlobalPeering":
            return [_to_address(world, node, home, packet.destination, packet, said, gateway=gateway)]
        case "VirtualNetworkGateway" if row.source == "User":
            return _to_vpn_gateway(world, node, home, packet, said, gateway=gateway)
        case _:
            return [r for hop in row.next_hops for r in _to_next_hop(world, node, home, hop, packet, said, gateway=gateway)]


def no_route(node: str, detail: str) -> Dropped:
    """The node doesn't know where to."""
    return Dropped(at=node, because="no-route", detail=detail)


def _to_next_hop(world: World, node: str, home: str, hop: Address, packet: Packet, said: str, *, gateway: bool) -> Results:
    """An appliance, a load balancer, a gateway's instance, or Microsoft's edge behind a gateway (R50, R51)."""
    edge = places(world).edges.get(hop)
    if edge is not None:
        return _through_gateway(world, node, home, edge, packet, said, gateway=gateway)
    return [_to_address(world, node, home, hop, packet, said, gateway=gateway)]


def _to_address(world: World, node: str, home: str, address: Address, packet: Packet, said: str, *, gateway: bool) -> Result:
    """To whoever has the address in the own or a peered virtual network."""
    owner = places(world).owner_near(world, home, address)
    if owner is None:
        return no_route(node, f"{said}: nobody has the address {address}")
    return hand(world, home, *owner, packet, said, gateway=gateway)


def hand(world: World, home: str, place: str, owner: Owner, packet: Packet, said: str, *, gateway: bool) -> Move | Dropped:
    """The fabric hands the packet to the owner of an address, if the peering on the way lets it."""
    hop = Hop(name=owner.node, kind=owner.kind, address=owner.address, note=said)
    if (refused := crossing(world, home, place, packet.source, gateway=gateway)) is not None:
        return Dropped(at=owner.node, because=refused[0], detail=refused[1], more=(hop,))
    return Move(hop=hop, step=STEP_AT.get(owner.kind, Step.NIC), nic=owner.nic)


def crossing(world: World, sender: str, receiver: str, source: Address | None, *, gateway: bool) -> tuple[str, str] | None:
    """What a peering does to a packet on its way from one virtual network to the other: None where it passes, else reason and rule.

    A source that isn't the sender's needs the receiver's `allow_forwarded_traffic` (R37, D10), unless a gateway forwards it (R38).
    """
    if sender == receiver:
        return None
    network = world.network
    out, back = network.peering(sender, receiver), network.peering(receiver, sender)
    if out is None or back is None or not world.joined(sender, receiver):
        return "no-route", f"{sender} and {receiver} are not peered (R20)"
    if not (out.allow_virtual_network_access and back.allow_virtual_network_access):
        return "virtual-network-access", f"the peering of {sender} and {receiver} blocks all traffic (D11)"
    foreign = source is not None and not any(p.covers(source) for p in network.virtual_networks[sender].address_space)
    if foreign and not gateway and not back.allow_forwarded_traffic:
        return "forwarded-traffic", f"{back.name} doesn't allow forwarded traffic, and {source} is not in {sender} (R37)"
    return None


# --- gateways as next hops ----------------------------------------------------------------------------------------------


def _through_gateway(world: World, node: str, home: str, edge: str, packet: Packet, said: str, *, gateway: bool) -> Results:
    """To Microsoft's edge through a live instance of the gateway (R167); with FastPath past it (R147)."""
    network = world.network
    circuit = network.circuits[base_name(edge)]
    to_edge = Move(hop=Hop(name=edge, kind="circuit", address=circuit.microsoft_address(int(edge[-1])), note=said), step=Step.EDGE)
    found = _gateway_to(world, home, circuit)
    if found is None:
        return [no_route(node, f"{said}: no gateway near leads to {edge}")]
    refused = crossing(world, home, found.virtual_network, packet.source, gateway=gateway)
    if any(x.gateway == found.name and x.fast_path for x in circuit.gateways):
        return [to_edge] if refused is None else [Dropped(at=edge, because=refused[0], detail=refused[1], more=(to_edge.hop,))]
    results: list[Result] = []
    for i in active_instances(world, found):
        hop = Hop(name=f"{found.name}#{i}", kind="gateway", address=found.addresses[i], note=said)
        if refused is not None:
            results.append(Dropped(at=hop.name, because=refused[0], detail=refused[1], more=(hop,)))
        else:
            results.append(Move(hop=hop, step=Step.GATEWAY, then=to_edge))
    return results


def _gateway_to(world: World, home: str, circuit: Circuit) -> VirtualNetworkGateway | None:
    """The gateway that leads to a circuit: of the own virtual network, else of the one whose gateways it uses (R34)."""
    network = world.network
    near = [gateway for place in (home, network.transit_hub(home)) if place for gateway in network.gateways_of(place)]
    return next((gateway for gateway in near if any(x.gateway == gateway.name for x in circuit.gateways)), None)


def _to_vpn_gateway(world: World, node: str, home: str, packet: Packet, said: str, *, gateway: bool) -> Results:
    """A user-defined route to the gateway means a VPN gateway: the own virtual network's, else the one that it uses (R52)."""
    network = world.network
    near = [g for place in (home, network.transit_hub(home)) if place for g in network.gateways_of(place) if g.kind is GatewayKind.VPN]
    if not near:
        return [no_route(node, f"{said}: there is no VPN gateway (R52)")]
    addresses = [near[0].addresses[i] for i in active_instances(world, near[0])]
    return [_to_address(world, node, home, address, packet, said, gateway=gateway) for address in addresses]


# --- the Internet -------------------------------------------------------------------------------------------------------


def to_internet(world: World, node: str, own: Address | None, heard: str, packet: Packet, said: str) -> Results:
    """Out of Azure or of a site; an NVA or router may translate to the address `own` (`translates: internet`). Private addresses are unknown there."""
    if any(p.covers(packet.destination) for p in PRIVATE):
        return [no_route(node, f"{said}: {packet.destination} is a private address, unknown to the Internet")]
    router = world.network.router(base_name(node))
    changes: dict[str, Any] = {"heard": heard}
    if router is not None:
        if not world.joined(router.name, "internet"):
            return [Dropped(at=node, because="down", detail=f"{node} is cut off from the Internet")]
        if router.translates is True and own is not None and packet.source != own and router.name not in packet.known_to:
            changes |= {"source": own, "translated": (*packet.translated, (node, own, packet.source))}
    return [Move(hop=Hop(name="internet", kind="internet", note=said), step=Step.INTERNET, changes=changes)]


def from_internet(world: World, move: Move, packet: Packet) -> Results:
    """An answer goes to whom the Internet heard: a NIC or router that sent of its own; a private address behind one is unknown to it."""
    network = world.network
    owners = places(world).owners_of(packet.destination)
    nic = next((o.nic for o in owners if o.nic and (not packet.heard or packet.heard in (o.nic.name, o.nic.machine))), None)
    if nic is not None:
        kind = "vm" if nic.machine in network.virtual_machines else "nva"
        return [Move(hop=Hop(name=nic.machine, kind=kind, address=nic.address, note="from the Internet"), step=Step.NIC, nic=nic)]
    router = network.on_premises.get(packet.heard)
    if router is not None and packet.destination in places(world).addresses(router.name):
        return [Move(hop=Hop(name=router.name, kind="router", address=packet.destination, note="from the Internet"), step=Step.ROUTER)]
    return [no_route("internet", f"the Internet knows no {packet.destination}: nobody translated it")]
