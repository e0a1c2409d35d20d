"""One step of a packet at each kind of node. A step gives the branches: on to another node, delivered, or dropped with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dualhome.forwarding.effective import EffectiveRoute, routes_of
from dualhome.forwarding.places import INTERNET, Owner, places
from dualhome.forwarding.world import RibHop, World
from dualhome.model import GatewayKind, Network, Nic, Router, StaticRoute, VirtualNetworkGateway, base_name
from dualhome.net import Address, Prefix

PRIVATE = tuple(map(Prefix.parse, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A node on a path; `note` says why the packet came here."""

    name: str
    kind: str
    address: Address | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """What is on its way. `translated`: SNATs done, (NVA, its address, the source before); `undo`: those of the way out, on the way back."""

    source: Address
    destination: Address
    translated: tuple[tuple[str, Address, Address], ...] = ()
    undo: tuple[tuple[str, Address, Address], ...] = ()
    heard: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """On to a node, where `step` goes on; `nic` it arrives at or leaves from; `pin` names a load balancer whose choice this is."""

    hop: Hop
    step: Callable[[World, Move, Packet], Sequence[Move | Landed | Dropped]]
    nic: Nic | None = None
    pin: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """Delivered."""

    at: str
    end: str
    more: tuple[Hop, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Dropped, and why."""

    at: str
    because: str
    detail: str
    more: tuple[Hop, ...] = ()


Results = Sequence[Move | Landed | Dropped]


def kind_of(network: Network, node: str) -> str:
    """What a node is, as paths say it."""
    base = base_name(node)
    if base in network.gateways:
        return "gateway"
    if base in network.circuits:
        return "circuit"
    if base in network.route_servers:
        return "route server"
    if base in network.nvas:
        return "nva"
    return "router" if base in network.on_premises else "vm"


def home_of(network: Network, node: str) -> str | None:
    """The virtual network that a node sends from."""
    base = base_name(node)
    if base in network.gateways:
        return network.gateways[base].virtual_network
    if base in network.route_servers:
        return network.route_servers[base].virtual_network
    nic = network.nic(node) or network.nic(base)
    return nic.virtual_network if nic else None


# --- leaving a NIC ------------------------------------------------------------------------------------------------------


def leave_nic(world: World, move: Move, packet: Packet) -> Results:
    """A packet leaves a NIC: its effective routes decide, whoever sends it (R67)."""
    network = world.network
    node, nic = move.hop.name, move.nic
    home = home_of(network, nic.name if nic else node)
    assert home is not None, f"{node} has no NIC"
    if nic is not None and packet.source != nic.address and not nic.ip_forwarding:
        return [
            Dropped(at=node, because="ip-forwarding", detail=f"NIC {nic.name} may not send for {packet.source}: IP forwarding is off (R66)")
        ]
    if packet.destination == move.hop.address or (nic is not None and packet.destination == nic.address):
        return [Landed(at=node, end=node)]
    row = routes_of(world, nic.name if nic else node).select(packet.destination)
    return _by_row(world, node, nic, home, row, packet, gateway=False)


def _by_row(world: World, node: str, nic: Nic | None, home: str, row: EffectiveRoute | None, packet: Packet, *, gateway: bool) -> Results:
    """What an effective route does with the packet."""
    if row is None:
        return [Dropped(at=node, because="no-route", detail=f"no effective route of {node} covers {packet.destination}")]
    said = (
        f"{node}: {row.prefix} {row.next_hop_type}"
        + (f" -> {', '.join(map(str, row.next_hops))}" if row.next_hops else "")
        + (f" ({row.rule})" if row.rule else "")
    )
    match row.next_hop_type:
        case "None":
            return [Dropped(at=node, because="no-route", detail=f"{said}{': ' + row.note if row.note else ''}")]
        case "Internet":
            return _to_internet(world, node, nic, packet, said)
        case "VirtualNetworkGateway" if row.source == "User":
            return _to_vpn_gateway(world, node, home, said)
        case "VnetLocal" | "VNetPeering" | "VNetGlobalPeering":
            owner = places(world).owner_near(world, home, packet.destination)
            if owner is not None and row.next_hop_type == "VnetLocal" and owner[0] != home:
                owner = None
            if owner is None:
                return [Dropped(at=node, because="no-route", detail=f"{said}: nobody has the address {packet.destination}")]
            return _hand(world, home, *owner, packet, said, gateway=gateway)
        case _:
            return [result for hop in row.next_hops for result in _to_next_hop(world, node, home, hop, packet, said, gateway=gateway)]


def _to_vpn_gateway(world: World, node: str, home: str, said: str) -> Results:
    """A user-defined route names no address: the VPN gateway of the virtual network, or of its transit hub (R52)."""
    network = world.network
    hub = network.transit_hub(home)
    for gateway in (g for place in (home, hub) if place for g in network.gateways_of(place) if g.kind is GatewayKind.VPN):
        return [
            Move(hop=Hop(name=f"{gateway.name}#{i}", kind="gateway", address=gateway.addresses[i], note=said), step=at_gateway)
            for i in working_instances(world, gateway)
        ]
    return [Dropped(at=node, because="no-route", detail=f"{said}: there is no VPN gateway (R52)")]


def working_instances(world: World, gateway: VirtualNetworkGateway) -> list[int]:
    """Instances that take packets: the live ones, and of a VPN gateway that isn't active-active the first of them; a dead one where none lives."""
    live = [i for i in (0, 1) if world.alive(f"{gateway.name}#{i}")] or [0]
    return live if gateway.active_active or gateway.kind is GatewayKind.EXPRESSROUTE else live[:1]


def _to_internet(world: World, node: str, nic: Nic | None, packet: Packet, said: str) -> Results:
    if any(p.covers(packet.destination) for p in PRIVATE):
        return [Dropped(at=node, because="no-route", detail=f"{said}: {packet.destination} is a private address, unknown to the Internet")]
    nva = world.network.nvas.get(base_name(node))
    changes: dict[str, Any] = {"heard": nic.name if nic else node}
    if nva is not None:
        if not world.joined(nva.name, "internet"):
            return [Dropped(at=node, because="down", detail=f"{node} is cut off from the Internet")]
        if nva.translates is True and nic is not None and packet.source != nic.address:
            changes |= {"source": nic.address, "translated": (*packet.translated, (node, nic.address, packet.source))}
    return [Move(hop=Hop(name="internet", kind="internet", note=said), step=at_internet, changes=changes)]


def at_internet(world: World, move: Move, packet: Packet) -> Results:
    """It has arrived."""
    return [Landed(at="internet", end="internet" if packet.destination == INTERNET else str(packet.destination))]


def from_internet(world: World, move: Move, packet: Packet) -> Results:
    """An answer goes to whom the Internet heard: a NIC that sent of its own; a private address behind one is unknown to it."""
    nic = next(
        (n for n in world.network.nics() if n.address == packet.destination and (not packet.heard or packet.heard in (n.name, n.machine))),
        None,
    )
    if nic is None:
        return [Dropped(at="internet", because="no-route", detail=f"the Internet knows no {packet.destination}: nobody translated it")]
    kind = "vm" if nic.machine in world.network.virtual_machines else "nva"
    return [Move(hop=Hop(name=nic.machine, kind=kind, address=nic.address, note="from the Internet"), step=at_nic, nic=nic)]


def _to_next_hop(world: World, node: str, home: str, hop: Address, packet: Packet, said: str, *, gateway: bool) -> Results:
    """An appliance, a load balancer, a gateway's instance, or Microsoft's edge."""
    known = places(world)
    if hop in known.edges:
        return _through_gateway(world, home, known.edges[hop], packet, said)
    owner = known.owner_near(world, home, hop)
    if owner is None:
        return [Dropped(at=node, because="no-route", detail=f"{said}: nobody has the address {hop}")]
    return _hand(world, home, *owner, packet, said, gateway=gateway)


def _through_gateway(world: World, home: str, edge: str, packet: Packet, said: str) -> Results:
    """To Microsoft's edge through a live instance of the gateway (R167); with FastPath past it (R147)."""
    network = world.network
    circuit = network.circuits[base_name(edge)]
    hub = network.transit_hub(home)
    gateways = [
        g for place in (home, hub) if place for g in network.gateways_of(place) if any(x.gateway == g.name for x in circuit.gateways)
    ]
    to_edge = Move(hop=Hop(name=edge, kind="circuit", address=circuit.microsoft_address(int(edge[-1])), note=said), step=at_edge)
    if not gateways:
        return [Dropped(at=edge, because="no-route", detail=f"{said}: no gateway near leads to {edge}")]
    gateway = gateways[0]
    if any(x.gateway == gateway.name and x.fast_path for x in circuit.gateways):
        return [to_edge]
    return [
        Move(
            hop=Hop(name=f"{gateway.name}#{i}", kind="gateway", address=gateway.addresses[i], note=said),
            step=_onward(to_edge, f"{gateway.name}#{i}"),
        )
        for i in working_instances(world, gateway)
    ]


def _onward(move: Move, gateway: str) -> Callable[[World, Move, Packet], Results]:
    """A gateway that hands on to a given edge router."""
    return lambda world, _, packet: [_join(world, gateway, move)]


def _join(world: World, node: str, move: Move) -> Move | Dropped:
    """On to a neighbor, if what joins the two works."""
    if world.joined(node, move.hop.name):
        return move
    return Dropped(at=node, because="down", detail=f"what joins {node} and {move.hop.name} is down")


def crossing(world: World, sender: str, receiver: str, source: Address | None, *, gateway: bool) -> tuple[str, str] | None:
    """What a peering does to a packet on its way from one virtual network to the other: None where it passes, else reason and rule."""
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


def _hand(world: World, home: str, place: str, owner: Owner, packet: Packet, said: str, *, gateway: bool) -> Results:
    """The fabric hands the packet to the owner of an address."""
    if (refused := crossing(world, home, place, packet.source, gateway=gateway)) is not None:
        hop = Hop(name=owner.node, kind=owner.kind, address=owner.address, note=said)
        return [Dropped(at=owner.node, because=refused[0], detail=refused[1], more=(hop,))]
    hop = Hop(name=owner.node, kind=owner.kind, address=owner.address, note=said)
    step = {"load balancer": at_load_balancer, "gateway": at_gateway, "route server": at_route_server}.get(owner.kind, at_nic)
    return [Move(hop=hop, step=step, nic=owner.nic)]


# --- arriving -----------------------------------------------------------------------------------------------------------


def at_route_server(world: World, move: Move, packet: Packet) -> Results:
    """It answers what is meant for itself and forwards nothing (R82)."""
    if packet.destination == move.hop.address:
        return [Landed(at=move.hop.name, end=move.hop.name)]
    return [Dropped(at=move.hop.name, because="no-route", detail="a route server forwards nothing (R82)")]


def at_load_balancer(world: World, move: Move, packet: Packet) -> Results:
    """One of its live backends, the same in both directions of a flow."""
    balancer = world.network.load_balancers[move.hop.name]
    live = [name for name in balancer.backends if world.alive(name)]
    if not live:
        return [Dropped(at=move.hop.name, because="down", detail=f"no backend of {balancer.name} is alive")]
    return [
        Move(
            hop=Hop(name=name, kind="nva", address=world.network.nvas[name].nics[0].address, note=f"a backend of {balancer.name}"),
            step=at_nic,
            nic=world.network.nvas[name].nics[0],
            pin=balancer.name,
        )
        for name in live
    ]


def at_nic(world: World, move: Move, packet: Packet) -> Results:
    """A packet arrives at a machine: for itself, for a host behind it, or to be forwarded (R66)."""
    nic, network = move.nic, world.network
    assert nic is not None, f"{move.hop.name} has no NIC"
    for name, address, original in packet.undo:
        if name == nic.machine and packet.destination == address:
            return [_restored(move, nic, original, packet)]
    if nic.machine in network.virtual_machines:
        if packet.destination == nic.address:
            return [Landed(at=nic.machine, end=nic.machine)]
        if not nic.ip_forwarding:
            return [
                Dropped(
                    at=nic.machine,
                    because="ip-forwarding",
                    detail=f"{nic.name} takes only what is sent to {nic.address}: IP forwarding is off (R66)",
                )
            ]
        return [Dropped(at=nic.machine, because="no-route", detail=f"{nic.machine} is a machine and forwards nothing")]
    nva = network.nvas[nic.machine]
    if any(packet.destination == each.address for each in nva.nics):
        return [Landed(at=nva.name, end=nva.name)]
    if not nic.ip_forwarding:
        return [
            Dropped(
                at=nva.name,
                because="ip-forwarding",
                detail=f"{nic.name} takes only what is sent to {nic.address}: IP forwarding is off (R66)",
            )
        ]
    return leave_nva(world, Move(hop=move.hop, step=leave_nva, nic=nic), packet)


def _restored(move: Move, nic: Nic, original: Address, packet: Packet) -> Move:
    """The NVA undoes its translation and sends the answer on."""
    rest = tuple(u for u in packet.undo if u[0] != nic.machine)
    hop = Hop(name=move.hop.name, kind=move.hop.kind, address=move.hop.address, note=f"translation undone: to {original}")
    return Move(hop=hop, step=leave_nva, nic=nic, changes={"destination": original, "undo": rest})


# --- routers ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A router's own longest route: hosts and LANs, then static, then BGP where lengths are equal."""

    local: str | None = None  # the host, or the router itself for an address of its LAN
    static: StaticRoute | None = None
    hops: tuple[RibHop, ...] = ()


def _choose(world: World, router: Router, destination: Address) -> Choice | None:
    best: tuple[int, int] | None = None
    choice: Choice | None = None

    def offer(length: int, rank: int, made: Choice) -> None:
        nonlocal best, choice
        if best is None or (length, -rank) > best:
            best, choice = (length, -rank), made

    for host, address in router.hosts.items():
        if address == destination:
            offer(128, 0, Choice(local=host))
    for prefix in router.prefixes:
        if prefix.covers(destination):
            name = next((h for h, (a, _) in places(world).hosts.items() if a == destination), str(destination))
            offer(prefix.length, 0, Choice(local=name))
    for static in (*router.static_routes, *_sides_of_connections(world.network, router)):
        if static.prefix.covers(destination):
            offer(static.prefix.length, 1, Choice(static=static))
    found = world.rib(router.name, destination)
    if found is not None:
        offer(found[0].length, 2, Choice(hops=found[1]))
    return choice


def _sides_of_connections(network: Network, router: Router) -> Iterator[StaticRoute]:
    """A router at a VPN connection without BGP sends the gateway's virtual networks into the tunnel: its traffic selectors."""
    for connection in network.vpn_connections:
        if connection.to == router.name and not connection.bgp:
            place = network.gateways[connection.gateway].virtual_network
            for name in (place, *network.transit_spokes(place)):
                for prefix in network.virtual_networks[name].address_space:
                    yield StaticRoute(prefix=prefix, to=connection.gateway, over_tunnel=True)


def leave_nva(world: World, move: Move, packet: Packet) -> Results:
    """An NVA forwards by its own routes: into a tunnel, or out of a NIC, and there only the destination counts (R3, R67)."""
    network = world.network
    nva = network.nvas[move.hop.name]
    if any(packet.destination == each.address for each in nva.nics):
        return [Landed(at=nva.name, end=nva.name)]
    choice = _choose(world, nva, packet.destination)
    nic = nva.nics[0]
    if isinstance(nva.translates, tuple) and any(p.covers(packet.destination) for p in nva.translates) and packet.source != nic.address:
        packet = Packet(
            source=nic.address,
            destination=packet.destination,
            translated=(*packet.translated, (nva.name, nic.address, packet.source)),
            undo=packet.undo,
            heard=packet.heard,
        )
    kept = {"source": packet.source, "translated": packet.translated}
    if choice is not None and choice.local is not None:
        return [Landed(at=nva.name, end=choice.local)]
    if choice is not None and choice.static is not None:
        if choice.static.over_tunnel and choice.static.to is not None:
            return _with(_into_tunnel(world, nva.name, choice.static.to), kept)
        if choice.static.interface is not None:
            nic = next(each for each in nva.nics if each.name == f"{nva.name}.{choice.static.interface}")
    tunnels = [hop.peer for hop in choice.hops if hop.peer and places(world).tunnel(nva.name, hop.peer)] if choice else []
    results: list[Move | Landed | Dropped] = []
    for peer in tunnels:
        results += _with([_neighbor(world, nva.name, peer)], kept)
    if not tunnels or (choice and len(tunnels) < len(choice.hops)):
        results += _with(leave_nic(world, Move(hop=move.hop, step=leave_nic, nic=nic), packet), kept)
    return results


def _with(results: Results, changes: Mapping[str, Any]) -> list[Move | Landed | Dropped]:
    """What a translation changed goes along."""
    return [
        Move(hop=r.hop, step=r.step, nic=r.nic, pin=r.pin, changes={**changes, **r.changes}) if isinstance(r, Move) else r for r in results
    ]


def _into_tunnel(world: World, node: str, to: str) -> Results:
    """To a name at the far end of a tunnel; of a gateway, a live instance that works."""
    if to in world.network.gateways:
        gateway = world.network.gateways[to]
        return [_neighbor(world, node, f"{to}#{i}") for i in working_instances(world, gateway)]
    return [_neighbor(world, node, to)]


def _neighbor(world: World, node: str, peer: str) -> Move | Dropped:
    """On to a neighbor over a tunnel or link."""
    network = world.network
    kind = kind_of(network, peer)
    step = {"gateway": at_gateway, "circuit": at_edge, "nva": from_tunnel}.get(kind, at_router)
    address = next(iter(network.addresses_of(peer)), None)
    nic = network.nvas[peer].nics[0] if kind == "nva" else None
    return _join(world, node, Move(hop=Hop(name=peer, kind=kind, address=address, note=f"{node} joins {peer}"), step=step, nic=nic))


def from_tunnel(world: World, move: Move, packet: Packet) -> Results:
    """A packet comes out of a tunnel inside an NVA: no NIC judges it."""
    assert move.nic is not None, f"{move.hop.name} has no NIC"
    for name, address, original in packet.undo:
        if name == move.hop.name and packet.destination == address:
            return [_restored(move, move.nic, original, packet)]
    return leave_nva(world, move, packet)


def at_router(world: World, move: Move, packet: Packet) -> Results:
    """An on-premises router: hosts and LANs, static routes, BGP; no default of its own."""
    router = world.network.on_premises[move.hop.name]
    for name, address, original in packet.undo:
        if name == router.name and packet.destination == address:
            return [
                Move(hop=move.hop, step=at_router, changes={"destination": original, "undo": tuple(u for u in packet.undo if u[0] != name)})
            ]
    if packet.destination in world.network.addresses_of(router.name):
        return [Landed(at=router.name, end=router.name)]
    choice = _choose(world, router, packet.destination)
    if choice is None:
        return [Dropped(at=router.name, because="no-route", detail=f"{router.name} has no route to {packet.destination}")]
    if choice.local is not None:
        return [Landed(at=router.name, end=choice.local)]
    if choice.static is not None:
        to = choice.static.to or ""
        if to == "internet":
            changes: dict[str, Any] = {"heard": router.name}
            return [_join(world, router.name, Move(hop=Hop(name="internet", kind="internet"), step=at_internet, changes=changes))]
        if kind_of(world.network, to) != "vm" or to in world.network.on_premises:
            return _into_tunnel(world, router.name, to)
        owner = next(iter(places(world).hosts.get(to, (None, ()))[1]), None)
        return (
            [_neighbor(world, router.name, owner)]
            if owner
            else [Dropped(at=router.name, because="no-route", detail=f"{router.name}: nobody leads to {to}")]
        )
    peers = [hop.peer for hop in choice.hops if hop.peer]
    if not peers:
        return [
            Dropped(
                at=router.name, because="no-route", detail=f"{router.name} announces {packet.destination}'s prefix and has no host there"
            )
        ]
    return [_neighbor(world, router.name, peer) for peer in dict.fromkeys(peers)]


# --- gateways and the edge ----------------------------------------------------------------------------------------------


def at_gateway(world: World, move: Move, packet: Packet) -> Results:
    """A gateway instance: GatewaySubnet's effective routes (R68, R169), and its own table where they lead to itself."""
    network, node = world.network, move.hop.name
    gateway = network.gateways[base_name(node)]
    if packet.destination in gateway.addresses:
        return [Landed(at=node, end=node)]
    row = routes_of(world, node).select(packet.destination)
    own = [
        a
        for a in (row.next_hops if row else ())
        if a in gateway.addresses or (a in places(world).edges and _leads(network, gateway.name, places(world).edges[a]))
    ]
    if row is not None and (row.source != "VirtualNetworkGateway" or not own) and row.next_hop_type not in ("Internet", "None"):
        return _by_row(world, node, None, gateway.virtual_network, row, packet, gateway=True)
    found = world.rib(node, packet.destination)
    if found is None or (row is not None and row.next_hop_type == "None" and row.source == "User"):
        return [Dropped(at=node, because="no-route", detail=f"{node} has no route to {packet.destination}")]
    return _by_own_table(world, node, packet, found[1])


def _leads(network: Network, gateway: str, edge: str) -> bool:
    return any(x.gateway == gateway for x in network.circuits[base_name(edge)].gateways)


def _by_own_table(world: World, node: str, packet: Packet, hops: Sequence[RibHop]) -> Results:
    """A gateway's Loc-RIB: edge routers, sites, the sibling; what is static lies behind a connection."""
    results: list[Move | Landed | Dropped] = []
    for hop in hops:
        if hop.peer is None:
            for far in (tag.removeprefix("static:") for tag in hop.tags if tag.startswith("static:")):
                results += _into_tunnel(world, node, far)
        elif base_name(hop.peer) not in world.network.route_servers:
            results.append(_neighbor(world, node, hop.peer))
    return results or [Dropped(at=node, because="no-route", detail=f"{node} has no route to {packet.destination}")]


def at_edge(world: World, move: Move, packet: Packet) -> Results:
    """One of Microsoft's edge routers: its table decides."""
    node = move.hop.name
    found = world.rib(node, packet.destination)
    peers = [hop.peer for hop in found[1] if hop.peer] if found else []
    if not peers:
        return [Dropped(at=node, because="no-route", detail=f"{node} has no route to {packet.destination}")]
    return [_neighbor(world, node, peer) for peer in dict.fromkeys(peers)]
