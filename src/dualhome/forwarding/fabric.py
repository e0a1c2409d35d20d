"""What Azure's fabric does with a packet that leaves a NIC or a gateway: effective routes, peerings, next hops, the Internet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dualhome.forwarding.effective import EffectiveRoute, routes_of
from dualhome.forwarding.packets import PRIVATE, Dropped, Hop, Landed, Move, Packet, Result, Results, Step, home_of
from dualhome.forwarding.places import Owner, active_instances, places
from dualhome.forwarding.security import ACCESS, crossing_refused, may_pass_without_access, refused, without_access
from dualhome.forwarding.world import World
from dualhome.model import Circuit, GatewayKind, Network, Nic, Peering, VirtualNetworkGateway, base_name
from dualhome.net import Address

STEP_AT = {"load balancer": Step.LOAD_BALANCER, "gateway": Step.GATEWAY, "route server": Step.ROUTE_SERVER}


def leave_nic(world: World, move: Move, packet: Packet) -> Results:
    """A packet leaves a NIC: the subnet's security group judges it, then effective routes decide, whoever sends it (R67); a foreign source needs
    IP forwarding (R66).
    """
    node, nic = move.hop.name, move.nic
    home = home_of(world.network, nic.name if nic else node)
    assert home is not None, f"{node} has no NIC"
    if nic is not None and packet.source != nic.address and not nic.ip_forwarding:
        said = f"NIC {nic.name} may not send for {packet.source}: IP forwarding is off (R66)"
        return [Dropped(at=node, because="ip-forwarding", detail=said)]
    if packet.destination == (nic.address if nic else move.hop.address):
        return [Landed(at=node, end=node)]
    row = routes_of(world, nic.name if nic else node).select(packet.destination)
    if nic is not None and (kept := refused(world, nic, _as_sent(world, nic, row, packet), inbound=False)) is not None:
        return [Dropped(at=node, because=kept[0], detail=kept[1])]
    return by_effective_route(world, node, nic, home, row, packet, gateway=False)


def _as_sent(world: World, nic: Nic, row: EffectiveRoute | None, packet: Packet) -> Packet:
    """As it leaves the NIC: toward the Internet an NVA may have translated it."""
    nva = world.network.nvas.get(nic.machine)
    if nva is None or nva.translates is not True or row is None or row.next_hop_type != "Internet":
        return packet
    return replace(packet, source=nic.address)


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
            return [hand(world, home, home, owner, packet, said, nic=nic, gateway=gateway)]
        case "VNetPeering" | "VNetGlobalPeering":
            way = _to_address(world, home, packet.destination)
            return [_by_way(world, node, home, way, packet, said, nic=nic, gateway=gateway)]
        case _:
            return [_by_way(world, node, home, way, packet, said, nic=nic, gateway=gateway) for way in ways(world, home, row)]


def no_route(node: str, detail: str) -> Dropped:
    """The node doesn't know where to."""
    return Dropped(at=node, because="no-route", detail=detail)


def _by_way(world: World, node: str, home: str, way: Way, packet: Packet, said: str, *, nic: Nic | None, gateway: bool) -> Result:
    """The packet goes one of the ways of its route."""
    if way.lost:
        return no_route(node, f"{said}: {way.lost}")
    onward = _at_edge(world.network, way.edge, said) if way.edge else None
    if way.owner is not None:
        handed = hand(world, home, way.place, way.owner, packet, said, nic=nic, gateway=gateway)
        return replace(handed, then=onward) if isinstance(handed, Move) else handed
    assert onward is not None, "a way leads to an owner or an edge router"
    kept = crossing(world, home, way.place, packet, (nic, None), gateway=gateway)
    return onward if kept is None else Dropped(at=way.edge, because=kept[0], detail=kept[1], more=(onward.hop,))


def _at_edge(network: Network, edge: str, said: str) -> Move:
    address = network.circuits[base_name(edge)].microsoft_address(int(edge[-1]))
    return Move(hop=Hop(name=edge, kind="circuit", address=address, note=said), step=Step.EDGE)


def hand(
    world: World, home: str, place: str, owner: Owner, packet: Packet, said: str, *, nic: Nic | None = None, gateway: bool
) -> Move | Dropped:
    """The fabric hands the packet to the owner of an address, if the peering on the way lets it."""
    hop = Hop(name=owner.node, kind=owner.kind, address=owner.address, note=said)
    if (kept := crossing(world, home, place, packet, (nic, owner.nic), gateway=gateway)) is not None:
        return Dropped(at=owner.node, because=kept[0], detail=kept[1], more=(hop,))
    return Move(hop=hop, step=STEP_AT.get(owner.kind, Step.NIC), nic=owner.nic)


def crossing(
    world: World, sender: str, receiver: str, packet: Packet, ends: tuple[Nic | None, Nic | None], *, gateway: bool
) -> tuple[str, str] | None:
    """What a peering does to a packet on its way from one virtual network to the other: None where it passes, else reason and rule.

    `ends` are the NICs between which it crosses, where there are any. What opened before (a packet without flow) is judged by the peering alone.
    """
    judged = border(world, sender, receiver, gateway=gateway)
    if isinstance(judged, tuple):
        return judged
    if sender != receiver and packet.flow is not None and (kept := crossing_refused(world, sender, receiver, packet, ends)) is not None:
        return kept
    if judged is None or any(p.covers(packet.source) for p in world.network.virtual_networks[sender].address_space):
        return None
    return "forwarded-traffic", f"{judged.name} doesn't allow forwarded traffic, and {packet.source} is not in {sender} (R37)"


def border(world: World, sender: str, receiver: str, *, gateway: bool) -> Peering | tuple[str, str] | None:
    """What a peering lets pass from one virtual network to the other: None for everything that security groups let pass, the judging peering where it
    lets only the sender's own sources pass, reason and rule where nothing passes.

    A source that isn't the sender's, as of what an NVA forwards (R170), needs `allow_forwarded_traffic` of the receiver's resource, or by another reading
    the sender's (R37, D10), unless a gateway forwards it (R38). Without access nothing passes that no rule allows (D11), unless routes go instead.
    """
    if sender == receiver:
        return None
    network = world.network
    out, back = network.peering(sender, receiver), network.peering(receiver, sender)
    if out is None or back is None or not world.joined(sender, receiver):
        return "no-route", f"{sender} and {receiver} are not peered (R20)"
    if any(without_access(network, sender, receiver)) and not may_pass_without_access(network, sender, receiver):
        return ACCESS, f"the peering of {sender} and {receiver} blocks all traffic (D11)"
    judge = back if network.quirks.forwarded_traffic_judged_by == "receiver" else out
    return None if gateway or judge.allow_forwarded_traffic else judge


# --- where routes with next hops lead -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of a route: to an address's owner in a virtual network, which for Microsoft's edge is an instance of the gateway before it, with FastPath
    nobody (R147). `lost` says why there is none.
    """

    place: str = ""
    owner: Owner | None = None
    edge: str = ""
    lost: str = ""


def ways(world: World, home: str, row: EffectiveRoute) -> list[Way]:
    """Of a row with next hops, and of a user's to the gateway: to appliances, load balancers, gateways' instances, Microsoft's edge (R50, R51, R52)."""
    if row.source == "User" and row.next_hop_type == "VirtualNetworkGateway":
        return _to_vpn_gateway(world, home)
    return [way for hop in row.next_hops for way in _to_next_hop(world, home, hop)]


def _to_next_hop(world: World, home: str, hop: Address) -> list[Way]:
    edge = places(world).edges.get(hop)
    return [_to_address(world, home, hop)] if edge is None else _to_edge(world, home, edge)


def _to_address(world: World, home: str, address: Address) -> Way:
    """To whoever has the address in the own or a peered virtual network."""
    found = places(world).owner_near(world, home, address)
    return Way(lost=f"nobody has the address {address}") if found is None else Way(place=found[0], owner=found[1])


def _to_edge(world: World, home: str, edge: str) -> list[Way]:
    """To Microsoft's edge through a live instance of the gateway (R167); with FastPath past it (R147)."""
    circuit = world.network.circuits[base_name(edge)]
    gateway = _gateway_to(world, home, circuit)
    if gateway is None:
        return [Way(lost=f"no gateway near leads to {edge}")]
    if any(x.gateway == gateway.name and x.fast_path for x in circuit.gateways):
        return [Way(place=gateway.virtual_network, edge=edge)]
    return [replace(each, edge=edge) for each in through(world, gateway)]


def through(world: World, gateway: VirtualNetworkGateway) -> list[Way]:
    """Through the instances of a gateway that packets enter (R167)."""
    owners = places(world).owners
    return [
        Way(place=gateway.virtual_network, owner=owners[gateway.virtual_network, gateway.addresses[i]])
        for i in active_instances(world, gateway)
    ]


def _gateway_to(world: World, home: str, circuit: Circuit) -> VirtualNetworkGateway | None:
    """The gateway that leads to a circuit: of the own virtual network, else of the one whose gateways it uses (R34)."""
    network = world.network
    near = [gateway for place in (home, network.transit_hub(home)) if place for gateway in network.gateways_of(place)]
    return next((gateway for gateway in near if any(x.gateway == gateway.name for x in circuit.gateways)), None)


def _to_vpn_gateway(world: World, home: str) -> list[Way]:
    """A user-defined route to the gateway means a VPN gateway: the own virtual network's, else the one that it uses (R52)."""
    network = world.network
    near = [g for place in (home, network.transit_hub(home)) if place for g in network.gateways_of(place) if g.kind is GatewayKind.VPN]
    if not near:
        return [Way(lost="there is no VPN gateway (R52)")]
    return [_to_address(world, home, near[0].addresses[i]) for i in active_instances(world, near[0])]


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
