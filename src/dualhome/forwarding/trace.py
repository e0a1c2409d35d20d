"""The paths of packets: every branch of ECMP, to where they are delivered or dropped, and back."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dualhome.errors import RequestError
from dualhome.forwarding.effective import routes_of
from dualhome.forwarding.fabric import crossing
from dualhome.forwarding.own import is_lost_behind_itself
from dualhome.forwarding.packets import ANSWER, PROBE, Dropped, Flow, Hop, Landed, Move, Packet, Results, Step, home_of, kind_of
from dualhome.forwarding.places import Owner, active_instances, places
from dualhome.forwarding.security import refused
from dualhome.forwarding.steps import results_of
from dualhome.forwarding.world import World
from dualhome.model import base_name
from dualhome.net import Address

__all__ = ["FlowTable", "Hop", "Path", "crossed", "paths", "reaches", "replies", "verdict"]

LONGEST = 64
BRANCHES = 4096
TRANSIT = ("nva", "gateway", "circuit", "router")
STEP_FROM = {
    "nva": Step.LEAVE_NVA,
    "router": Step.ROUTER,
    "gateway": Step.GATEWAY,
    "circuit": Step.EDGE,
    "internet": Step.FROM_INTERNET,
    "vm": Step.LEAVE_NIC,
    "route server": Step.LEAVE_NIC,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One branch, start and end included. `at`: the node where it was delivered or dropped; `end`: the host behind it, if it ends at one."""

    hops: tuple[Hop, ...]
    outcome: str
    at: str
    end: str
    because: str | None = None
    detail: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    translated: tuple[tuple[str, Address, Address], ...] = ()
    source: Address
    destination: Address


def paths(world: World, source: str, destination: str, flow: Flow | None = PROBE) -> tuple[Path, ...]:
    """Every way of a new flow, in a stated order. `flow`: what security groups judge; None: one that they let pass before.

    Raises:
        RequestError: the source or the destination is nothing that sends or receives.
    """
    target = places(world).address_of(destination)
    starts = [(start, replace(packet, flow=flow)) for start, packet in _starts(world, source, target)]
    found: list[Path] = []
    for start, packet in starts:
        chosen = ((source, start.hop.name),) if len(starts) > 1 else ()
        found += _walk(world, start, packet, {}, frozenset(), chosen)
    return tuple(found)


def _starts(world: World, source: str, target: Address) -> Iterator[tuple[Move, Packet]]:
    """Where packets of this source set out: at a NIC, at an instance, at the router that leads to a host."""
    network, known = world.network, places(world)
    base = base_name(source)
    if source in known.hosts:
        yield _from_host(world, source, target)
    elif (nic := network.nic(source)) is not None:
        hop = Hop(name=nic.machine, kind=kind_of(network, nic.machine), address=nic.address)
        step = Step.LEAVE_NVA if nic.machine in network.nvas and nic.name == nic.machine else Step.LEAVE_NIC
        yield Move(hop=hop, step=step, nic=nic), Packet(source=nic.address, destination=target)
    elif source == "internet":
        start = Move(hop=Hop(name="internet", kind="internet"), step=Step.FROM_INTERNET)
        yield start, Packet(source=known.address_of(source), destination=target)
    elif network.router(source):
        own = known.addresses(source)
        if not own:
            raise RequestError(f"{source!r} has no address to send from")
        yield Move(hop=Hop(name=source, kind="router", address=own[0]), step=Step.ROUTER), Packet(source=own[0], destination=target)
    elif base in network.gateways or base in network.route_servers or base in network.circuits:
        for instance in [source] if "#" in source else [f"{source}#0", f"{source}#1"]:
            kind = kind_of(network, instance)
            address = known.addresses(instance)[0]
            hop = Hop(name=instance, kind=kind, address=address)
            yield Move(hop=hop, step=STEP_FROM[kind]), Packet(source=address, destination=target)
    elif (node := known.node_at(source)) is not None and node not in network.load_balancers:
        yield from _starts(world, node, target)
    elif (name := known.gateway_of_client(source)) is not None:
        for instance in (f"{name}#{i}" for i in active_instances(world, network.gateways[name])):
            hop = Hop(name=instance, kind="gateway", address=known.addresses(instance)[0], note=f"from client {source}")
            yield Move(hop=hop, step=Step.GATEWAY), Packet(source=Address.parse(source), destination=target)
    else:
        raise RequestError(f"{source!r} is no machine, NIC, host, gateway or router of the network, nor an address of one")


def _from_host(world: World, host: str, target: Address) -> tuple[Move, Packet]:
    """A host sends to its router, or while that is dead to another on its LAN (section 1 of the format)."""
    address, routers = places(world).hosts[host]
    lans = {
        p
        for name in routers
        for p in (world.network.on_premises[name].prefixes if name in world.network.on_premises else ())
        if p.covers(address)
    }
    others = [r.name for r in world.network.on_premises.values() if any(p in lans for p in r.prefixes)]
    candidates = [*routers, *(name for name in others if name not in routers)]
    name = next((each for each in candidates if world.alive(each)), routers[0])
    packet = Packet(source=address, destination=target)
    kind = kind_of(world.network, name)
    nic = world.network.nic(name) if kind == "nva" else None
    return Move(hop=Hop(name=name, kind=kind, address=address, note=f"from {host}"), step=STEP_FROM[kind], nic=nic), packet


def _walk(
    world: World,
    start: Move,
    packet: Packet,
    pins: Mapping[str, str],
    forbidden: frozenset[str],
    chosen: tuple[tuple[str, str], ...] = (),
) -> list[Path]:
    """Depth first over every branch. `pins` fixes load balancers' choices; `forbidden` are stateful NVAs that have no state of this flow."""
    done: list[Path] = []
    stack: list[_Place] = [_Place(result=start, packet=packet, choices=chosen)]
    while stack and len(done) < BRANCHES:
        here = stack.pop()
        move, now = here.result, here.packet
        if isinstance(move, Landed):
            done.append(_path(here, "delivered", move.at, move.end))
            continue
        if isinstance(move, Dropped):
            done.append(_path(replace(here, hops=(*here.hops, *move.more)), "dropped", move.at, move.at, move.because, move.detail))
            continue
        node = move.hop.name
        here = replace(here, hops=(*here.hops, move.hop))
        state = (node, now.source, now.destination)
        if not world.alive(node):
            done.append(_path(here, "dropped", node, node, "down", f"{node} is down"))
        elif (state in here.seen and move.hop.kind != "load balancer") or len(here.hops) > LONGEST:
            done.append(_path(here, "dropped", node, node, "loop", f"the packet comes back to {node} (R67)"))
        elif node in forbidden and len(here.hops) > 1 and now.destination != move.hop.address:
            detail = f"{node} keeps state and hasn't seen the way out of this flow (R64)"
            done.append(_path(here, "dropped", node, node, "no-state", detail))
        else:
            results = results_of(world, move, now)
            if world.network.flow_hash == "symmetric":
                results = _alike(results, now)
            stack += reversed(list(_branches(replace(here, seen=here.seen | {state}), node, results, pins)))
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """How far a branch is: what comes next, and how it came here."""

    result: Move | Landed | Dropped
    packet: Packet
    hops: tuple[Hop, ...] = ()
    choices: tuple[tuple[str, str], ...] = ()
    seen: frozenset[object] = frozenset()


def _alike(results: Results, packet: Packet) -> Results:
    """Under symmetric hashing an answer meets the appliance that the flow met on its way out, wherever that is among the choices."""
    met = [result for result in results if isinstance(result, Move) and result.hop.kind == "nva" and result.hop.name in packet.known_to]
    return met or results


def _branches(here: _Place, node: str, results: Results, pins: Mapping[str, str]) -> Iterator[_Place]:
    """What comes next, each under a name of its own where there are several."""
    labels: list[str] = []
    for result in results:
        label = result.label if result.label not in labels else f"{result.label} ({len(labels) + 1})"
        labels.append(label)
        choices, packet = here.choices, here.packet
        if isinstance(result, Move):
            if result.pin in pins and pins[result.pin] != result.hop.name:
                continue
            packet = replace(packet, **result.changes) if result.changes else packet
        if len(results) > 1:
            choices = (*choices, (node, label))
        yield replace(here, result=result, packet=packet, choices=choices)


def _path(here: _Place, outcome: str, at: str, end: str, because: str | None = None, detail: str = "") -> Path:
    packet = here.packet
    return Path(
        hops=here.hops,
        outcome=outcome,
        at=at,
        end=end,
        because=because,
        detail=detail,
        choices=here.choices,
        translated=packet.translated,
        source=packet.source,
        destination=packet.destination,
    )


def replies(world: World, path: Path) -> tuple[Path, ...]:
    """Every way back of a delivered path, by the routes of whoever answers (R164, R184): load balancers choose as before, SNAT is undone, a stateful NVA
    that it didn't cross drops it.
    """
    if path.outcome != "delivered":
        return ()
    network, hosts = world.network, places(world).hosts
    crossed_ = frozenset(hop.name for hop in path.hops)
    stateful = frozenset(n.name for n in network.nvas.values() if n.stateful) - crossed_
    heard = path.hops[-2].name if len(path.hops) > 1 else ""
    back = Packet(source=path.destination, destination=path.source, flow=ANSWER, undo=path.translated, heard=heard, known_to=crossed_)
    last = path.hops[-1]
    start = Move(hop=last, step=STEP_FROM[last.kind], nic=network.nic(last.name))
    if path.end in hosts and path.at not in hosts[path.end][1]:
        start = _from_host(world, path.end, path.source)[0]
    return tuple(_walk(world, start, back, _pins(world, path), stateful))


def _pins(world: World, path: Path) -> dict[str, str]:
    """What load balancers chose on the way: the hop after each."""
    return {a.name: b.name for a, b in zip(path.hops, path.hops[1:], strict=False) if a.kind == "load balancer"}


def crossed(path: Path) -> tuple[str, ...]:
    """Names of the hops in the sense of the format: NVAs, gateways, circuits, routers, and the ends."""
    return tuple(dict.fromkeys(hop.name for hop in path.hops if hop.kind in TRANSIT))


def verdict(world: World, source: str, destination: str, flow: Flow | None = PROBE) -> list[tuple[Path, tuple[Path, ...]]]:
    """Every way with its ways back; one whose answer a stateful NVA drops for want of state counts as dropped there."""
    result = []
    for path in paths(world, source, destination, flow):
        back = replies(world, path)
        lost = next((reply for reply in back if reply.because == "no-state"), None)
        if lost is not None:
            path = replace(path, outcome="dropped", at=lost.at, because="no-state", detail=lost.detail)
        result.append((path, back))
    return result


class FlowTable:
    """Which way each flow takes: at every branch a member by the flow's hash (R64)."""

    def __init__(self, world: World, source: str, destination: str) -> None:
        self._paths = paths(world, source, destination)

    def outcome(self, flow: int) -> Path:
        """The path of a flow, which is a number that stands for its 5-tuple."""
        left: Sequence[Path] = self._paths
        depth = 0
        while len(left) > 1:
            points = {p.choices[depth][0] for p in left if len(p.choices) > depth}
            if not points:
                break
            point = min(points)
            members = sorted({p.choices[depth][1] for p in left if len(p.choices) > depth})
            member = members[zlib.crc32(f"{flow} {point}".encode()) % len(members)]
            left = [p for p in left if len(p.choices) > depth and p.choices[depth][1] == member]
            depth += 1
        return left[0]


def reaches(world: World, node: str, destination: Address, flow: Flow | None = None) -> bool:
    """Whether a packet of this node to the address arrives: of a new flow, or of one that security groups let pass before. Within the own or a peered
    virtual network, where no user-defined route says otherwise, it is judged without routes: BGP never wins there (R56), but inside an NVA (R81).
    """
    known, network = places(world), world.network
    if node in network.nvas and is_lost_behind_itself(world, network.nvas[node], destination):
        return False
    home = home_of(network, node)
    if home is not None:
        owner = known.owner_near(world, home, destination)
        if owner is not None:
            row = routes_of(world, node).select(destination)
            local = ("VnetLocal",) if owner[0] == home else ("VNetPeering", "VNetGlobalPeering")
            if row is not None and row.next_hop_type in local:
                packet = Packet(source=known.addresses(node)[0], destination=destination, flow=flow)
                return world.alive(node) and world.alive(owner[1].node) and _is_handed(world, node, home, owner, packet)
    try:
        return any(path.outcome == "delivered" for path in paths(world, node, str(destination), flow))
    except RequestError:
        return False


def _is_handed(world: World, node: str, home: str, owner: tuple[str, Owner], packet: Packet) -> bool:
    """Whether peering and security groups let a node's own packet pass to the owner of its destination."""
    place, to = owner
    nic = world.network.nic(node)
    if crossing(world, home, place, packet, (nic, to.nic), gateway=False) is not None:
        return False
    judges = ((nic, False), (to.nic, True))
    return all(each is None or refused(world, each, packet, inbound=inbound) is None for each, inbound in judges)
