"""What machines, NVAs, load balancers and on-premises routers do with a packet that reaches them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dualhome.forwarding.fabric import leave_nic, no_route, to_internet
from dualhome.forwarding.own import choose, into_tunnels, is_lost_behind_itself, leads, onward
from dualhome.forwarding.packets import Dropped, Hop, Landed, Move, Packet, Result, Results, Step, kind_of
from dualhome.forwarding.places import places
from dualhome.forwarding.security import live_backends, refused
from dualhome.forwarding.world import World
from dualhome.model import Router, base_name
from dualhome.net import Address

STEP_AT = {"gateway": Step.GATEWAY, "circuit": Step.EDGE, "nva": Step.TUNNEL, "router": Step.ROUTER}

# --- arriving -----------------------------------------------------------------------------------------------------------


def at_nic(world: World, move: Move, packet: Packet) -> Results:
    """A packet arrives at a machine, past its subnet's security group: for itself, for a host behind it, or to be forwarded (R66)."""
    nic, network = move.nic, world.network
    assert nic is not None, f"{move.hop.name} has no NIC"
    if (kept := refused(world, nic, packet, inbound=True)) is not None:
        return [Dropped(at=nic.machine, because=kept[0], detail=kept[1])]
    if (restored := _translated_back(move, nic.machine, packet)) is not None:
        return [replace(restored, step=Step.LEAVE_NVA, nic=nic)]
    nva = network.nvas.get(nic.machine)
    if packet.destination == nic.address or (nva is not None and any(packet.destination == each.address for each in nva.nics)):
        return [Landed(at=nic.machine, end=nic.machine)]
    if not nic.ip_forwarding:
        said = f"{nic.name} takes only what is sent to {nic.address}: IP forwarding is off (R66)"
        return [Dropped(at=nic.machine, because="ip-forwarding", detail=said)]
    if nva is None:
        return [no_route(nic.machine, f"{nic.machine} is a machine and forwards nothing")]
    return leave_nva(world, move, packet)


def from_tunnel(world: World, move: Move, packet: Packet) -> Results:
    """A packet comes out of a tunnel inside an NVA: no NIC judges it."""
    assert move.nic is not None, f"{move.hop.name} has no NIC"
    if (restored := _translated_back(move, move.hop.name, packet)) is not None:
        return [replace(restored, step=Step.LEAVE_NVA, nic=move.nic)]
    return leave_nva(world, move, packet)


def at_load_balancer(world: World, move: Move, packet: Packet) -> Results:
    """One of the backends that answer its probes, the same in both directions of a flow. What is for the frontend itself is for the backend."""
    balancer, network = world.network.load_balancers[move.hop.name], world.network
    nics = live_backends(world, balancer)
    if not nics:
        return [Dropped(at=move.hop.name, because="down", detail=f"no backend of {balancer.name} answers its probes")]
    return [
        Move(
            hop=Hop(name=nic.machine, kind=kind_of(network, nic.machine), address=nic.address, note=f"a backend of {balancer.name}"),
            step=Step.NIC,
            nic=nic,
            pin=balancer.name,
            changes={"destination": nic.address} if packet.destination == balancer.address else {},
        )
        for nic in nics
    ]


def at_route_server(world: World, move: Move, packet: Packet) -> Results:
    """It answers what is meant for itself and forwards nothing (R82)."""
    if packet.destination == move.hop.address:
        return [Landed(at=move.hop.name, end=move.hop.name)]
    return [no_route(move.hop.name, "a route server forwards nothing (R82)")]


def _translated_back(move: Move, node: str, packet: Packet) -> Move | None:
    """Whoever translated the way out undoes it and sends the answer on."""
    original = next((before for name, address, before in packet.undo if name == node and packet.destination == address), None)
    if original is None:
        return None
    hop = replace(move.hop, note=f"translation undone: to {original}")
    rest = tuple(each for each in packet.undo if each[0] != node)
    return Move(hop=hop, step=Step.ROUTER, changes={"destination": original, "undo": rest})


# --- forwarding by its own routes --------------------------------------------------------------------------------------


def leave_nva(world: World, move: Move, packet: Packet) -> Results:
    """An NVA forwards by its own routes: into a tunnel (R179, R181), or out of a NIC, and there only the destination counts (R3, R67, R180)."""
    nva = world.network.nvas[move.hop.name]
    if packet.destination in places(world).addresses(nva.name):
        return [Landed(at=nva.name, end=nva.name)]
    if is_lost_behind_itself(world, nva, packet.destination):
        return [
            no_route(nva.name, f"{nva.name} looks for {packet.destination} behind itself: it imported a route server's own range (R81)")
        ]
    choice = choose(world, nva, packet.destination)
    if choice is not None and choice.local is not None:
        return [Landed(at=nva.name, end=choice.local)]
    static = choice.static if choice else None
    nic = nva.nics[0]
    if static is not None and static.interface is not None:
        nic = next(each for each in nva.nics if each.name == f"{nva.name}.{static.interface}")
    kept, packet = _translate(nva, nic.address, packet)
    if static is not None and static.over_tunnel and static.to is not None:
        return _with(into_tunnel(world, nva.name, static.to), kept)
    far, by_nic = into_tunnels(world, nva.name, choice.hops if choice else ())
    results = _with([neighbor(world, nva.name, peer) for peer in far], kept)
    if by_nic:
        results += _with(leave_nic(world, replace(move, nic=nic), packet), kept)
    return results


def _translate(router: Router, own: Address | None, packet: Packet) -> tuple[dict[str, Any], Packet]:
    """SNAT toward the prefixes that `translates` lists, to the address `own`; what changed, and the packet with it."""
    if not isinstance(router.translates, tuple) or own is None or packet.source == own or router.name in packet.known_to:
        return {}, packet
    if not any(p.covers(packet.destination) for p in router.translates):
        return {}, packet
    changes: dict[str, Any] = {"source": own, "translated": (*packet.translated, (router.name, own, packet.source))}
    return changes, replace(packet, **changes)


def _with(results: Results, changes: dict[str, Any]) -> list[Result]:
    """What a translation changed goes along."""
    return [replace(r, changes={**changes, **r.changes}) if isinstance(r, Move) else r for r in results]


def at_router(world: World, move: Move, packet: Packet) -> Results:
    """An on-premises router: hosts and LANs, static routes, BGP; no default of its own."""
    router = world.network.on_premises[move.hop.name]
    if (restored := _translated_back(move, router.name, packet)) is not None:
        return [restored]
    if packet.destination in places(world).addresses(router.name):
        return [Landed(at=router.name, end=router.name)]
    choice = choose(world, router, packet.destination)
    if choice is not None and choice.local is not None:
        return [Landed(at=router.name, end=choice.local)]
    own = router.address or next(iter(places(world).addresses(router.name)), None)
    kept, packet = _translate(router, own, packet)
    if choice is not None and choice.static is not None and choice.static.to == "internet":
        said = f"{router.name}: {choice.static.prefix} Internet"
        return _with(to_internet(world, router.name, own, router.name, packet, said), kept)
    if choice is not None and choice.static is not None and choice.static.to is not None:
        return _with(into_tunnel(world, router.name, choice.static.to), kept)
    results = _with([neighbor(world, router.name, peer) for peer in onward(world, router, choice)], kept)
    return results or [no_route(router.name, f"{router.name} has no route to {packet.destination}")]


# --- neighbors ----------------------------------------------------------------------------------------------------------


def into_tunnel(world: World, node: str, to: str) -> Results:
    """To the far end of a static route."""
    found = [neighbor(world, node, far) for far in leads(world, node, to)]
    return found or [no_route(node, f"{node}: nobody leads to {to}")]


def neighbor(world: World, node: str, peer: str) -> Move | Dropped:
    """On to a neighbor over a tunnel or link, if what joins the two works."""
    network = world.network
    if not world.joined(node, peer):
        return Dropped(at=node, because="down", detail=f"what joins {node} and {peer} is down")
    kind = kind_of(network, peer)
    nic = network.nvas[base_name(peer)].nics[0] if kind == "nva" else None
    address = next(iter(places(world).addresses(peer)), None)
    return Move(hop=Hop(name=peer, kind=kind, address=address, note=f"{node} joins {peer}"), step=STEP_AT[kind], nic=nic)


def passed_on(world: World, node: str, then: Move) -> Results:
    """A gateway that hands on to a given edge router (R167)."""
    if world.joined(node, then.hop.name):
        return [then]
    return [Dropped(at=node, because="down", detail=f"what joins {node} and {then.hop.name} is down")]
