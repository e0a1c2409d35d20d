"""A router's own routes: hosts, LANs and far ends, static routes, then BGP's; one table for a single packet's step and for a whole kernel table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dualhome.forwarding.packets import kind_of
from dualhome.forwarding.places import Places, active_instances, places
from dualhome.forwarding.world import RibHop, World
from dualhome.model import Network, Router, StaticRoute, base_name
from dualhome.net import Address, Prefix

DEEPEST = 4  # next hops behind next hops


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a route leads to. One field is set; `local` is a host, or "" for whoever has the address on the LAN."""

    local: str | None = None
    static: StaticRoute | None = None
    hops: tuple[RibHop, ...] = ()


def routes_beside_bgp(world: World, router: Router) -> dict[Prefix, Choice]:
    """Longest first; of one prefix only what counts: hosts before far ends of tunnels and links, then LANs, then static routes. BGP's rank behind all."""
    known = places(world)
    made_of, routes = world.memo.get(("own routes", router.name), (None, {}))
    if made_of is not known:
        table: dict[Prefix, Choice] = {}
        for prefix, choice in _ranked(known, router):
            table.setdefault(prefix, choice)
        routes = dict(sorted(table.items(), key=lambda row: -row[0].length))
        world.memo["own routes", router.name] = known, routes
    found: dict[Prefix, Choice] = routes
    return found


def _ranked(known: Places, router: Router) -> Iterator[tuple[Prefix, Choice]]:
    """In the order in which routes of one prefix are preferred."""
    for host, address in router.hosts.items():
        yield address.host_prefix, Choice(local=host)
    for address, peer in known.attached(router.name).items():
        yield address.host_prefix, Choice(hops=(RibHop(peer=peer, next_hop=address),))
    for prefix in router.prefixes:
        yield prefix, Choice(local="")
    for static in (*router.static_routes, *_sides_of_connections(known.network, router)):
        yield static.prefix, Choice(static=static)


def _sides_of_connections(network: Network, router: Router) -> Iterator[StaticRoute]:
    """A router at a VPN connection without BGP sends the gateway's virtual networks, and its clients' addresses, into the tunnel: its traffic selectors."""
    for connection in network.vpn_connections:
        if connection.to == router.name and not connection.bgp:
            place = network.gateways[connection.gateway].virtual_network
            for pool in network.gateways[connection.gateway].point_to_site:
                yield StaticRoute(prefix=pool, to=connection.gateway, over_tunnel=True)
            spokes = (network.known_space(place, spoke) for spoke in network.transit_spokes(place))
            for ranges in (network.virtual_networks[place].address_space, *spokes):
                yield from (StaticRoute(prefix=prefix, to=connection.gateway, over_tunnel=True) for prefix in ranges)


def choose(world: World, router: Router, destination: Address) -> Choice | None:
    """The longest route that a router has, if it has any; `local` is then who takes the packet: a host, or the address itself."""
    own = next((row for row in routes_beside_bgp(world, router).items() if row[0].covers(destination)), None)
    found = world.rib(router.name, destination)
    if found is not None and (own is None or found[0].length > own[0].length):
        return Choice(hops=found[1])
    if own is None or own[1].local != "":
        return own[1] if own else None
    return Choice(local=places(world).host_at.get(destination, str(destination)))


def is_lost_behind_itself(world: World, nva: Router, destination: Address) -> bool:
    """Whether an NVA looks for a route server behind that route server (R81).

    A route server tells its own range with itself as next hop. An NVA that imports that, and has no static route to the route server's subnet by way of
    its own subnet's gateway, needs the route to find the next hop of the route: packets to the route server go nowhere, its session ends with the hold
    time, the route goes with it, and the session comes up again.
    """
    if nva.route_server_route or not any(destination in rs.addresses for rs in world.network.route_servers.values()):
        return False
    found = world.rib(nva.name, destination)
    if found is None or found[0].length == 0 or choose(world, nva, destination) != Choice(hops=found[1]):
        return False
    return all(hop.peer is not None and base_name(hop.peer) in world.network.route_servers for hop in found[1])


# --- from a route to neighbors --------------------------------------------------------------------------------------------


def leads(world: World, node: str, to: str) -> list[str]:
    """Neighbors that a static route toward `to` means: a name, a host's router, who has an address; of a gateway the instances that the connection
    joins and that work. Nobody where nobody leads there.
    """
    network, known = world.network, places(world)
    if to in network.gateways:
        return [f"{to}#{i}" for i in active_instances(world, network.gateways[to], known.far_instances(node, to))]
    if kind_of(network, to) != "vm":
        return [to]
    routers = known.hosts[to][1] if to in known.hosts else [name for name in (known.node_at(to),) if name]
    alive = next((name for name in routers if world.alive(name)), next(iter(routers), None))
    return [] if alive is None or alive == node or kind_of(network, alive) == "vm" else [alive]


def onward(world: World, router: Router, choice: Choice | None, depth: int = DEEPEST) -> list[str]:
    """Neighbors of an on-premises router that a route leads to; where its next hop is no neighbor, the way to the next hop is looked up."""
    if choice is None or depth == 0:
        return []
    if choice.static is not None:
        return leads(world, router.name, choice.static.to) if choice.static.to else []
    found: list[str] = []
    for hop in choice.hops:
        if hop.peer is None:
            continue
        way = None if places(world).beside(router.name, hop.peer) else choose(world, router, hop.next_hop)
        found += [hop.peer] if way is None or way.local is not None else onward(world, router, way, depth - 1)
    return list(dict.fromkeys(found))


def into_tunnels(world: World, nva: str, hops: tuple[RibHop, ...]) -> tuple[list[str], bool]:
    """Of an NVA's route: peers at the far ends of its tunnels, and whether packets (also) leave by its NIC."""
    far = [hop.peer for hop in hops if hop.peer and places(world).tunnel(nva, hop.peer)]
    return list(dict.fromkeys(far)), len(far) < max(1, len(hops))
