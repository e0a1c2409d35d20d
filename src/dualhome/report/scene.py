"""What a drawing shows, before anything has a place: boxes of virtual networks with subnets and nodes in them, nodes outside, lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dualhome.model import GatewayKind
from dualhome.plan import Carrier

if TYPE_CHECKING:
    from dualhome.model import Network, Router, VirtualNetwork
    from dualhome.plan import Plan

MOST_CARDS: Final = 6  # of one subnet; the rest is one card that says how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A node: what it is in a word (its badge), its name, one or two short lines."""

    name: str
    kind: str  # rs | gateway | nva | vm | lb | circuit | router | host | internet | more
    badge: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A subnet, or an unlabelled place for what is outside."""

    name: str
    note: str
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A virtual network (`framed`), or a single node outside; areas stand in one column or two."""

    name: str
    note: str
    columns: tuple[tuple[Area, ...], ...]
    framed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Between two boxes or cards, by name."""

    a: str
    b: str
    kind: str  # peering | transit | initiated | bgp | tunnel | circuit | vpn | link | way


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Boxes in columns from left to right, and lines. A node that has no card of its own is drawn by the one that stands for it."""

    title: str
    columns: tuple[tuple[Box, ...], ...]
    lines: tuple[Line, ...]


def scene(network: Network, plan: Plan) -> Scene:
    """Spokes, hubs, circuits, what is on premises: from left to right."""
    remote = [v for v in network.virtual_networks.values() if _is_remote(network, v.name)]
    hubs = [v for v in network.virtual_networks.values() if v not in remote and _is_hub(network, v.name)]
    spokes = [v for v in network.virtual_networks.values() if v not in remote and v not in hubs]
    shown: dict[str, str] = {}  # node -> the card that stands for it
    left = tuple(_virtual_network(network, v, shown) for v in spokes)
    middle = tuple(_virtual_network(network, v, shown) for v in hubs)
    circuits = tuple(
        _alone(Card(name=c.name, kind="circuit", badge="ER", lines=("ExpressRoute circuit",))) for c in network.circuits.values()
    )
    sites = (*(_alone(_site(r)) for r in network.on_premises.values()), *(_virtual_network(network, v, shown) for v in remote))
    beyond = () if sites or circuits else tuple(_beyond(network))
    lines = [*_peerings(network), *_joints(network), *_sessions(network, plan)]
    lines += [Line(a=nva, b=each, kind="way") for each, nvas in _reached(network).items() if beyond for nva in nvas]
    named = {*network.virtual_networks, *network.circuits, *network.on_premises, *(b.name for b in beyond)}
    drawn = [
        Line(a=shown.get(ln.a, ln.a), b=shown.get(ln.b, ln.b), kind=ln.kind)
        for ln in lines
        if all(e in shown or e in named for e in (ln.a, ln.b))
    ]
    columns = tuple(column for column in (left, middle, circuits, sites, beyond) if column)
    return Scene(title=network.name, columns=columns, lines=tuple(dict.fromkeys(drawn)))


def _is_hub(network: Network, name: str) -> bool:
    """Where gateways or NVAs stand, unless it is a spoke by its peering."""
    return bool(network.gateways_of(name)) or (
        any(n.virtual_network == name for n in network.nvas.values()) and network.transit_hub(name) is None
    )


def _is_remote(network: Network, name: str) -> bool:
    """A virtual network that plays a site: it has a gateway, and neither a peering nor a route server."""
    peered = any(name in (p.local, p.remote) for p in network.peerings)
    return bool(network.gateways_of(name)) and not peered and network.route_server_of(name) is None and len(network.virtual_networks) > 1


def _virtual_network(network: Network, vnet: VirtualNetwork, shown: dict[str, str]) -> Box:
    areas = []
    for subnet in vnet.subnets.values():
        cards = list(_cards(network, subnet.key))
        if len(cards) > MOST_CARDS:
            rest = cards[MOST_CARDS - 1 :]
            more = Card(name=f"{rest[0].name} …", kind="more", badge="+", lines=(f"{len(rest)} nodes",))
            shown.update((c.name, more.name) for c in rest)
            cards = [*cards[: MOST_CARDS - 1], more]
        shown.update((c.name, c.name) for c in cards)
        note = f"{subnet.prefix}" + (f" · UDR {subnet.route_table}" if subnet.route_table else "")
        areas.append(Area(name=subnet.name, note=note, cards=tuple(cards)))
    full = [a for a in areas if a.cards]
    return Box(name=vnet.name, note=", ".join(map(str, vnet.address_space)), columns=_in_columns(full))


def _in_columns(areas: list[Area]) -> tuple[tuple[Area, ...], ...]:
    """Gateways face the right side, NVAs the left; with both there, the box has two columns."""
    kinds = [{c.kind for c in a.cards} for a in areas]
    if not any("gateway" in k for k in kinds) or not any("nva" in k or "rs" in k for k in kinds):
        return (tuple(sorted(areas, key=_rank)),)
    right = [a for a, k in zip(areas, kinds, strict=True) if "gateway" in k or k <= {"vm"}]
    left = [a for a in areas if a not in right]
    return tuple(sorted(left, key=_rank)), tuple(sorted(right, key=_rank))


def _rank(area: Area) -> int:
    order = ("nva", "lb", "gateway", "rs", "vm", "more")
    return min(order.index(c.kind) for c in area.cards)


def _cards(network: Network, subnet: str) -> Iterator[Card]:
    """The nodes of a subnet: its route server, gateways, NVAs, load balancers, machines."""
    vnet, _, name = subnet.partition("/")
    for rs in network.route_servers.values():
        if rs.virtual_network == vnet and name == "RouteServerSubnet":
            extra = ("branch-to-branch",) if rs.branch_to_branch else ()
            yield Card(name=rs.name, kind="rs", badge="RS", lines=(_both(rs.addresses), *extra))
    for gateway in network.gateways_of(vnet):
        if name == "GatewaySubnet":
            badge = "ER" if gateway.kind is GatewayKind.EXPRESSROUTE else "VPN"
            yield Card(name=gateway.name, kind="gateway", badge=badge, lines=(_both(gateway.addresses), f"AS {gateway.asn}"))
    for nva in network.nvas.values():
        nics = [nic for nic in nva.nics if nic.subnet == subnet]
        if nva.nics and nva.nics[0].subnet == subnet:
            beyond = "Internet" if nva.translates is True else ""
            behind = ", ".join(list(nva.hosts)[:2]) + (" …" if len(nva.hosts) > 2 else "")
            leads = " · ".join(t for t in (beyond, behind) if t) if network.circuits or network.on_premises else ""
            who = f"{nva.address} · AS {nva.asn}" if nva.asn else str(nva.address)
            yield Card(name=nva.name, kind="nva", badge="NVA", lines=(who, *((f"to {leads}",) if leads else ())))
        else:
            yield from (Card(name=nic.name, kind="nva", badge="NIC", lines=(str(nic.address),)) for nic in nics)
    for balancer in network.load_balancers.values():
        if balancer.subnet == subnet:
            yield Card(name=balancer.name, kind="lb", badge="LB", lines=(str(balancer.address),))
    for machine in network.virtual_machines.values():
        if machine.nic.subnet == subnet:
            yield Card(name=machine.name, kind="vm", badge="VM", lines=(str(machine.nic.address),))


def _both(addresses: tuple[object, ...]) -> str:
    """`10.10.0.4, .5`."""
    first, *rest = map(str, addresses)
    return ", ".join(
        [first, *("." + a.rpartition(".")[2] if "." in a and a.rpartition(".")[0] == first.rpartition(".")[0] else a for a in rest)]
    )


def _site(router: Router) -> Card:
    who = f"AS {router.asn}" if router.asn else "no BGP"
    lan = ", ".join(map(str, router.prefixes[:2])) + (" …" if len(router.prefixes) > 2 else "")
    hosts = ", ".join(list(router.hosts)[:3])
    return Card(name=router.name, kind="router", badge="R", lines=tuple(t for t in (f"{who} · {lan}" if lan else who, hosts) if t))


def _alone(card: Card) -> Box:
    return Box(name=card.name, note="", columns=((Area(name="", note="", cards=(card,)),),), framed=False)


def _reached(network: Network) -> dict[str, list[str]]:
    """What lies beyond NVAs: hosts, the Internet."""
    found: dict[str, list[str]] = {}
    for nva in network.nvas.values():
        if nva.translates is True or any(o.prefix.length == 0 for o in nva.originates):
            found.setdefault("internet", []).append(nva.name)
        for host in list(nva.hosts)[:4]:
            found.setdefault(host, []).append(nva.name)
    return found


def _beyond(network: Network) -> Iterator[Box]:
    for name in _reached(network):
        if name == "internet":
            yield _alone(Card(name="internet", kind="internet", badge="WWW", lines=("the Internet",)))
        else:
            yield _alone(Card(name=name, kind="host", badge="H", lines=(str(network.hosts()[name][0]),)))


def _peerings(network: Network) -> Iterator[Line]:
    connected = {p.name for v in network.virtual_networks for p in network.connected(v)}
    seen: set[frozenset[str]] = set()
    for peering in network.peerings:
        pair = frozenset((peering.local, peering.remote))
        if pair not in seen:
            seen.add(pair)
            transit = network.transit_hub(peering.local) == peering.remote or network.transit_hub(peering.remote) == peering.local
            yield Line(
                a=peering.local,
                b=peering.remote,
                kind="initiated" if peering.name not in connected else "transit" if transit else "peering",
            )


def _joints(network: Network) -> Iterator[Line]:
    """Circuits, VPN connections, links."""
    for circuit in network.circuits.values():
        yield from (Line(a=c.gateway, b=circuit.name, kind="circuit") for c in circuit.gateways)
        yield from (Line(a=circuit.name, b=edge, kind="circuit") for edge in dict.fromkeys(circuit.provider_edge))
        yield from (Line(a=circuit.name, b=other, kind="circuit") for other in circuit.global_reach if circuit.name < other)
    yield from (Line(a=c.gateway, b=c.to, kind="vpn") for c in network.vpn_connections)
    yield from (Line(a=k.between[0], b=k.between[1], kind="link") for k in network.links)


def _sessions(network: Network, plan: Plan) -> Iterator[Line]:
    """BGP sessions that run over no line drawn already: one for all instances of the two."""
    joined = {frozenset((ln.a, ln.b)) for ln in _joints(network)}
    for session in plan.sessions:
        ends = [plan.speakers[s].owner for s in session.ends if s in plan.speakers]
        if len(ends) == 2 and ends[0] != ends[1] and frozenset(ends) not in joined:
            yield Line(a=ends[0], b=ends[1], kind="tunnel" if session.carrier is Carrier.TUNNEL else "bgp")
