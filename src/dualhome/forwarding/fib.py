"""What the kernel of a node must hold so that it forwards as the steps of `routers` and `gateways` say: whole tables, in bulk.

In: the world, a node. Out: by prefix its ways; several are ECMP. What is addressed to the node itself is not in it. Begin at `node_routes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dualhome.forwarding.effective import EffectiveRoute, routes_of
from dualhome.forwarding.gateways import PAST_GATEWAY, GatewayWay, beyond, fast_path, way_of
from dualhome.forwarding.own import Choice, choose, into_tunnels, is_lost_behind_itself, leads, onward, routes_beside_bgp
from dualhome.forwarding.packets import PRIVATE
from dualhome.forwarding.places import places
from dualhome.forwarding.world import RibHop, World
from dualhome.model import Router, RouterKind, base_name
from dualhome.net import DEFAULT_V4, DEFAULT_V6, WIDTH, Prefix


@dataclass(frozen=True, slots=True)
class Out:
    """Out of a NIC: a machine's by its name, a gateway instance's by the instance's."""

    nic: str


@dataclass(frozen=True, slots=True)
class To:
    """Over what joins the node to a neighbor (full name: `hub1-er#0`, `dc1-r1`), or to a host behind it. With FastPath to a machine: past the gateway."""

    node: str


@dataclass(frozen=True, slots=True)
class Up:
    """Up to the Internet, from an on-premises router."""


@dataclass(frozen=True, slots=True)
class Nowhere:
    """Unreachable."""


Way = Out | To | Up | Nowhere
Ways = tuple[Way, ...]

NOWHERE: Final[Ways] = (Nowhere(),)
UP: Final[Ways] = (Up(),)


def node_routes(world: World, node: str) -> dict[Prefix, Ways]:
    """The table of an NVA, an on-premises router, a gateway's instance (`hub1-er#0`) or an edge router (`circuit1#0`); empty for any other node.

    Routes of the same ways share one tuple. A way over what has failed is left out where another one remains. What no prefix covers has no route.
    """
    base, network = base_name(node), world.network
    if (router := network.router(node)) is not None:
        return _of_nva(world, router) if router.kind is RouterKind.NVA else _of_router(world, router)
    if base in network.gateways:
        return _of_gateway(world, node)
    return _of_edge(world, node) if base in network.circuits else {}


# --- routers ------------------------------------------------------------------------------------------------------------


def _of_nva(world: World, nva: Router) -> dict[Prefix, Ways]:
    """Into tunnels, to hosts, and everything else out of a NIC, where the effective routes decide (R3, R67)."""
    primary = nva.nics[0].name

    def of_hops(hops: tuple[RibHop, ...]) -> Ways:
        far, by_nic = into_tunnels(world, nva.name, hops)
        return (*_joined(world, nva.name, far), Out(primary)) if by_nic else _over(world, nva.name, far)

    def of_choice(choice: Choice) -> Ways:
        static = choice.static
        if static is None:
            return of_hops(choice.hops)
        if static.over_tunnel and static.to is not None:
            return _over(world, nva.name, leads(world, nva.name, static.to)) or NOWHERE
        return (Out(f"{nva.name}.{static.interface}" if static.interface is not None else primary),)

    versions = {address.version for address in places(world).addresses(nva.name)}
    table: dict[Prefix, Ways] = {p: (Out(primary),) for p in (DEFAULT_V4, DEFAULT_V6) if p.version in versions}
    table |= _of_its_own(world, nva, of_hops, of_choice)
    servers = () if nva.route_server_route else (address for rs in world.network.route_servers.values() for address in rs.addresses)
    return table | {address.host_prefix: NOWHERE for address in servers if is_lost_behind_itself(world, nva, address)}


def _of_router(world: World, router: Router) -> dict[Prefix, Ways]:
    """To neighbors, hosts and the Internet, which knows no private addresses; no default of its own."""

    def of_hops(hops: tuple[RibHop, ...]) -> Ways:
        return _over(world, router.name, onward(world, router, Choice(hops=hops))) or NOWHERE

    def of_choice(choice: Choice) -> Ways:
        if choice.static is not None and choice.static.to == "internet":
            return UP
        return _over(world, router.name, onward(world, router, choice)) or NOWHERE

    return _without_private(_of_its_own(world, router, of_hops, of_choice))


def _of_its_own(
    world: World, router: Router, of_hops: Callable[[tuple[RibHop, ...]], Ways], of_choice: Callable[[Choice], Ways]
) -> dict[Prefix, Ways]:
    """BGP's routes, then over them what goes before BGP where prefixes are equal; on a LAN its hosts, and nobody else."""
    table = dict(_each_once(world.loc_rib(router.name), of_hops))
    lans: list[Prefix] = []
    for prefix, choice in routes_beside_bgp(world, router).items():
        if choice.local == "":
            lans.append(prefix)
        table[prefix] = of_choice(choice) if choice.local is None else (To(choice.local),) if choice.local else NOWHERE
    for address, host in places(world).host_at.items():
        if any(lan.covers(address) for lan in lans):
            choice = choose(world, router, address) or Choice()
            if choice.local == host:
                table[address.host_prefix] = (To(host),)
    return table


def _without_private(table: dict[Prefix, Ways]) -> dict[Prefix, Ways]:
    """Private addresses are unknown to the Internet: where they would go there, they go nowhere."""
    if UP not in table.values():
        return table
    for private in PRIVATE:
        above = max((prefix for prefix in table if prefix.covers(private)), key=lambda prefix: prefix.length, default=None)
        if above is not None and table[above] == UP:
            table[private] = NOWHERE
    return {prefix: NOWHERE if ways == UP and any(p.covers(prefix) for p in PRIVATE) else ways for prefix, ways in table.items()}


# --- gateways and edge routers ------------------------------------------------------------------------------------------


def _of_gateway(world: World, node: str) -> dict[Prefix, Ways]:
    """GatewaySubnet's effective routes where they lead into the fabric, else its own table; the other instance is in the fabric."""
    gateway = world.network.gateways[base_name(node)]
    fabric: Ways = (Out(node),)
    rows = routes_of(world, node).winners()
    own = dict(_each_once(world.loc_rib(node), lambda hops: _over(world, node, beyond(world, node, hops)) or NOWHERE))
    judged: dict[int, GatewayWay] = {}
    table: dict[Prefix, Ways] = {}
    for prefix, row, ways in _both(rows, own):
        way = judged.get(id(row))
        if way is None:
            way = judged[id(row)] = way_of(world, gateway, row)
        if way is GatewayWay.OWN_TABLE:
            table[prefix] = NOWHERE if ways is None else ways
        else:
            table[prefix] = fabric if way is GatewayWay.FABRIC else NOWHERE
    table |= {address.host_prefix: fabric for i, address in enumerate(gateway.addresses) if f"{gateway.name}#{i}" != node}
    return table


def _both(rows: Mapping[Prefix, EffectiveRoute], own: Mapping[Prefix, Ways]) -> Iterator[tuple[Prefix, EffectiveRoute | None, Ways | None]]:
    """For each prefix of either table the longest row and the longest route that cover it."""
    above: list[
        tuple[tuple[int, int], EffectiveRoute | None, Ways | None]
    ] = []  # (version, last address), from the shortest prefix to the longest
    for prefix in sorted({**rows, **own}):
        version, bits, length = prefix
        last = (version, bits + (1 << (WIDTH[version] - length)) - 1)
        while above and above[-1][0] < last:
            above.pop()
        _, row, ways = above[-1] if above else (last, None, None)
        row, ways = rows.get(prefix, row), own.get(prefix, ways)
        above.append((last, row, ways))
        yield prefix, row, ways


def _of_edge(world: World, node: str) -> dict[Prefix, Ways]:
    """Its table, far ends of its circuits, and with FastPath machines past the gateway (R147)."""

    def of_hops(hops: tuple[RibHop, ...]) -> Ways:
        return _over(world, node, _peers([hops])) or NOWHERE

    known, rows = places(world), world.loc_rib(node)
    table = dict(_each_once(rows, of_hops))
    fast = {peer: place for peer in _peers(hops for _, hops in rows) if (place := fast_path(world, node, peer))}
    for address in dict.fromkeys(address for place, address in known.owners if place in fast.values()):
        found = world.rib(node, address)
        peers = _peers([found[1]]) if found else []
        past = {
            peer: owner.node for peer in peers if (owner := known.owners.get((fast.get(peer, ""), address))) and owner.kind in PAST_GATEWAY
        }
        if past:
            table[address.host_prefix] = _over(world, node, [past.get(peer, peer) for peer in peers])
    table |= {address.host_prefix: _over(world, node, [peer]) for address, peer in known.attached(node).items()}
    return table


# --- ways ---------------------------------------------------------------------------------------------------------------


def _each_once(
    rows: Sequence[tuple[Prefix, tuple[RibHop, ...]]], of_hops: Callable[[tuple[RibHop, ...]], Ways]
) -> Iterator[tuple[Prefix, Ways]]:
    """Every set of hops is looked at once, however many routes share it."""
    by_identity: dict[int, Ways] = {}
    shared: dict[Ways, Ways] = {}
    for prefix, hops in rows:
        ways = by_identity.get(id(hops))
        if ways is None:
            fresh = of_hops(hops)
            ways = by_identity[id(hops)] = shared.setdefault(fresh, fresh)
        yield prefix, ways


def _peers(sets: Iterable[Sequence[RibHop]]) -> list[str]:
    """Whom routes were learned from, each once; `sets` of hops that are the same object are looked at once."""
    each = {id(hops): hops for hops in sets}
    return list(dict.fromkeys(hop.peer for hops in each.values() for hop in hops if hop.peer))


def _over(world: World, node: str, neighbors: Iterable[str]) -> Ways:
    """To neighbors: those that what joins them still leads to, or all where none does."""
    every = tuple(dict.fromkeys(neighbors))
    return _joined(world, node, every) or tuple(To(each) for each in every)


def _joined(world: World, node: str, neighbors: Iterable[str]) -> Ways:
    return tuple(To(each) for each in neighbors if world.joined(node, each))
