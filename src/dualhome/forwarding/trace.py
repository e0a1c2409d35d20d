"""The paths of packets: every branch of ECMP, to where they are delivered or dropped, and back."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dualhome.errors import RequestError
from dualhome.forwarding import steps
from dualhome.forwarding.effective import routes_of
from dualhome.forwarding.places import places
from dualhome.forwarding.steps import Dropped, Hop, Landed, Move, Packet
from dualhome.forwarding.world import World
from dualhome.model import base_name
from dualhome.net import Address

__all__ = ["FlowTable", "Hop", "Path", "crossed", "paths", "reaches", "replies", "verdict"]

LONGEST = 64
BRANCHES = 4096
TRANSIT = ("nva", "gateway", "circuit", "router")


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


def paths(world: World, source: str, destination: str) -> tuple[Path, ...]:
    """Every way of a new flow, in a stated order.

    Raises:
        RequestError: the source or the destination is nothing that sends or receives.
    """
    target = places(world).address_of(destination)
    found: list[Path] = []
    for start, packet in _starts(world, source, target):
        found += _walk(world, start, packet, {}, frozenset())
    return tuple(found)


def _starts(world: World, source: str, target: Address) -> Iterator[tuple[Move, Packet]]:
    """Where packets of this source set out: at a NIC, at an instance, at the router that leads to a host."""
    network, known = world.network, places(world)
    nic = network.nic(source)
    if source in known.hosts:
        yield _from_host(world, source, target)
    elif nic is not None:
        kind = "vm" if nic.machine in network.virtual_machines else "nva"
        hop = Hop(name=nic.machine, kind=kind, address=nic.address)
        yield (
            Move(hop=hop, step=steps.leave_nic if kind == "vm" or nic.name != nic.machine else steps.leave_nva, nic=nic),
            Packet(source=nic.address, destination=target),
        )
    elif source == "internet":
        yield (
            Move(hop=Hop(name="internet", kind="internet"), step=steps.from_internet),
            Packet(source=places(world).address_of(source), destination=target),
        )
    elif network.router(source):
        own = network.addresses_of(source)
        if not own:
            raise RequestError(f"{source!r} has no address to send from")
        yield (
            Move(hop=Hop(name=source, kind="router", address=own[0]), step=steps.at_router),
            Packet(source=own[0], destination=target),
        )
    elif base_name(source) in network.gateways or base_name(source) in network.route_servers or base_name(source) in network.circuits:
        instances = [source] if "#" in source else [f"{source}#0", f"{source}#1"]
        for instance in instances:
            kind = steps.kind_of(network, instance)
            step = {"gateway": steps.at_gateway, "circuit": steps.at_edge}.get(kind, steps.leave_nic)
            address = network.addresses_of(instance)[0]
            yield Move(hop=Hop(name=instance, kind=kind, address=address), step=step), Packet(source=address, destination=target)
    else:
        raise RequestError(f"{source!r} is no machine, NIC, host, gateway or router of the network")


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
    if name in world.network.nvas:
        return Move(
            hop=Hop(name=name, kind="nva", address=address, note=f"from {host}"), step=steps.leave_nva, nic=world.network.nvas[name].nics[0]
        ), packet
    return Move(hop=Hop(name=name, kind="router", address=address, note=f"from {host}"), step=steps.at_router), packet


def _walk(world: World, start: Move, packet: Packet, pins: Mapping[str, str], forbidden: frozenset[str]) -> list[Path]:
    """Depth first over every branch. `pins` fixes load balancers' choices; `forbidden` are stateful NVAs that have no state of this flow."""
    done: list[Path] = []
    stack: list[tuple[Move, Packet, tuple[Hop, ...], tuple[tuple[str, str], ...], frozenset[object]]] = [
        (start, packet, (), (), frozenset())
    ]
    while stack and len(done) < BRANCHES:
        move, now, hops, choices, seen = stack.pop()
        hops = (*hops, move.hop)
        end = {"choices": choices, "translated": now.translated, "source": now.source, "destination": now.destination}
        state = (move.hop.name, now.source, now.destination) if move.hop.kind != "load balancer" else None
        if not world.alive(move.hop.name):
            done.append(_dropped(hops, move.hop.name, "down", f"{move.hop.name} is down", end))
        elif state in seen or len(hops) > LONGEST:
            done.append(_dropped(hops, move.hop.name, "loop", f"the packet comes back to {move.hop.name} (R67)", end))
        elif move.hop.name in forbidden and len(hops) > 1 and now.destination != move.hop.address:
            done.append(
                _dropped(
                    hops, move.hop.name, "no-state", f"{move.hop.name} keeps state and hasn't seen the way out of this flow (R64)", end
                )
            )
        else:
            results = move.step(world, move, now)
            branching = [r for r in results if isinstance(r, Move)]
            for result in reversed(results):
                if isinstance(result, Landed):
                    done.append(Path(hops=(*hops, *result.more), outcome="delivered", at=result.at, end=result.end, **end))  # type: ignore[arg-type]
                elif isinstance(result, Dropped):
                    done.append(_dropped((*hops, *result.more), result.at, result.because, result.detail, end))
                else:
                    if result.pin and result.pin in pins and pins[result.pin] != result.hop.name:
                        continue
                    chosen = (*choices, (result.pin or move.hop.name, result.hop.name)) if len(branching) > 1 else choices
                    follow = replace(now, **result.changes) if result.changes else now
                    stack.append((result, follow, hops, chosen, seen | {state}))
    return done


def _dropped(hops: tuple[Hop, ...], at: str, because: str, detail: str, end: Mapping[str, object]) -> Path:
    return Path(hops=hops, outcome="dropped", at=at, end=at, because=because, detail=detail, **end)  # type: ignore[arg-type]


def replies(world: World, path: Path) -> tuple[Path, ...]:
    """Every way back of a delivered path: load balancers choose as before, SNAT is undone, a stateful NVA that it didn't cross drops it."""
    if path.outcome != "delivered":
        return ()
    network = world.network
    stateful = frozenset(n.name for n in network.nvas.values() if n.stateful) - {hop.name for hop in path.hops}
    back = Packet(
        source=path.destination, destination=path.source, undo=path.translated, heard=path.hops[-2].name if len(path.hops) > 1 else ""
    )
    last = path.hops[-1]
    hosts = places(world).hosts
    if path.end in hosts and path.at not in hosts[path.end][1]:
        return tuple(_walk(world, _from_host(world, path.end, path.source)[0], back, dict(path.choices), stateful))
    if last.kind == "internet":
        start = Move(hop=last, step=steps.from_internet)
    elif last.kind == "nva":
        start = Move(hop=last, step=steps.leave_nva, nic=network.nvas[last.name].nics[0])
    elif last.kind == "router":
        start = Move(hop=last, step=steps.at_router)
    elif last.kind == "gateway":
        start = Move(hop=last, step=steps.at_gateway)
    elif last.kind == "circuit":
        start = Move(hop=last, step=steps.at_edge)
    else:
        nic = network.nic(last.name)
        start = Move(hop=last, step=steps.leave_nic, nic=nic)
    return tuple(_walk(world, start, back, dict(path.choices), stateful))


def crossed(path: Path) -> tuple[str, ...]:
    """Names of the hops in the sense of the format: NVAs, gateways, circuits, routers, and the ends."""
    return tuple(dict.fromkeys(hop.name for hop in path.hops if hop.kind in TRANSIT))


def verdict(world: World, source: str, destination: str) -> list[tuple[Path, tuple[Path, ...]]]:
    """Every way with its ways back; one whose answer a stateful NVA drops for want of state counts as dropped there."""
    result = []
    for path in paths(world, source, destination):
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


def reaches(world: World, node: str, destination: Address) -> bool:
    """Whether a packet of this node to the address arrives. Within the own or a peered virtual network, where no user-defined route says otherwise, it
    is judged without routes: BGP never wins there (R56).
    """
    known, network = places(world), world.network
    home = steps.home_of(network, node)
    if home is not None:
        owner = known.owner_near(world, home, destination)
        if owner is not None:
            row = routes_of(world, node).select(destination)
            if row is not None and row.next_hop_type in ("VnetLocal", "VNetPeering", "VNetGlobalPeering"):
                return world.alive(owner[1].node) and steps.crossing(world, home, owner[0], None, gateway=False) is None
    try:
        name = next((o.node for (_, address), o in known.owners.items() if address == destination), str(destination))
        return any(p.outcome == "delivered" for p in paths(world, node, name if name in network.nvas else str(destination)))
    except RequestError:
        return False
