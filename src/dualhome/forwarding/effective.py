"""Effective routes of a NIC: system, user-defined and programmed routes, mixed by Azure's rules (section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from dualhome.errors import RequestError
from dualhome.forwarding.world import Programmed, World
from dualhome.model import GATEWAY_SUBNET, ROUTE_SERVER_SUBNET, GatewayKind, Network, Peering, RouteTable, Subnet, UserRoute, base_name
from dualhome.net import DEFAULT_V4, DEFAULT_V6, WIDTH, Address, Prefix, covered

RESERVED = tuple(map(Prefix.parse, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))  # R45
LINK_LOCAL = Prefix.parse("169.254.0.0/16")
DEFAULTS = (DEFAULT_V4, DEFAULT_V6)


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveRoute:
    """A row of the table. `via`: the route server, gateway, route table or peering it comes from; `rule` and `note` say why it is as it is."""

    prefix: Prefix
    source: str  # Default | User | VirtualNetworkGateway
    state: str  # Active | Invalid
    next_hop_type: str
    next_hops: tuple[Address, ...] = ()
    via: str = ""
    rule: str = ""
    note: str = ""


RANK = {"User": 0, "VirtualNetworkGateway": 1, "Default": 2}  # R56, step 4


class Routes:
    """A NIC's rows, and which of them takes an address. `through` are rows that nobody lists and that packets through a gateway follow."""

    def __init__(self, rows: Iterable[EffectiveRoute], through: Iterable[EffectiveRoute] = ()) -> None:
        self.rows = tuple(sorted(rows, key=lambda r: (r.prefix, RANK[r.source], r.next_hop_type)))
        self._by_length: dict[tuple[int, int], dict[int, EffectiveRoute]] = {}
        for row in (*self.rows, *through):
            if row.state == "Active":
                best = self._by_length.setdefault((row.prefix.version, row.prefix.length), {})
                if row.prefix.bits not in best or RANK[row.source] < RANK[best[row.prefix.bits].source]:
                    best[row.prefix.bits] = row
        self._lengths = sorted(self._by_length, reverse=True)

    def winners(self) -> dict[Prefix, EffectiveRoute]:
        """By prefix the row that counts."""
        return {row.prefix: row for best in self._by_length.values() for row in best.values()}

    def select(self, address: Address) -> EffectiveRoute | None:
        """Longest match; of equal prefixes user-defined before BGP before system (R56, R57). Rows of BGP that a VnetLocal or peering row covers are not there."""
        for version, length in self._lengths:
            if version == address.version:
                shift = WIDTH[version] - length
                found = self._by_length[version, length].get(address.bits >> shift << shift)
                if found is not None:
                    return found
        return None


def effective_routes(world: World, nic: str) -> tuple[EffectiveRoute, ...]:
    """Rows of a machine's NIC, or of a gateway (its subnet's).

    Raises:
        RequestError: no NIC or gateway is called so.
    """
    return routes_of(world, nic).rows


def routes_of(world: World, nic: str) -> Routes:
    """The same, ready to select from; also for a route server's instance."""
    network = world.network
    base = base_name(nic)
    if base in network.gateways:
        place = network.gateways[base].virtual_network
        return _subnet_routes(world, network.virtual_networks[place].subnets[GATEWAY_SUBNET], None, gateway=True)
    if base in network.route_servers:
        place = network.route_servers[base].virtual_network
        return _subnet_routes(world, network.virtual_networks[place].subnets[ROUTE_SERVER_SUBNET], None, gateway=False)
    found = network.nic(nic)
    if found is None:
        raise RequestError(f"{nic!r} is no NIC and no gateway")
    return _subnet_routes(world, network.subnet(found.subnet), nic, gateway=False)


def select(routes: Iterable[EffectiveRoute], address: Address) -> EffectiveRoute | None:
    """Which of these rows takes the address (R56)."""
    return Routes(routes).select(address)


def _subnet_routes(world: World, subnet: Subnet, nic: str | None, *, gateway: bool) -> Routes:
    """Made once for each state of what it hangs on: the shape of the network, and what is programmed."""
    network = world.network
    hub = network.transit_hub(subnet.virtual_network)
    tables = [world.programmed(subnet.virtual_network, nic)]
    if hub is not None and world.joined(subnet.virtual_network, hub):
        tables.append(world.programmed(hub, nic))
    known: list[tuple[int, list[Mapping[Prefix, Programmed]], Routes]] = world.memo.setdefault(("routes", subnet.key, gateway), [])
    for shape, made_of, routes in known:
        if (
            shape == world.shape()
            and len(made_of) == len(tables)
            and all(a is b or not (a or b) for a, b in zip(made_of, tables, strict=True))
        ):
            return routes
    fresh = _mixed(world, network, subnet, tables, gateway=gateway)
    known[:] = [(world.shape(), tables, fresh), *known[:1]]  # two: under partition a subnet has NICs of both instances
    return fresh


def _mixed(world: World, network: Network, subnet: Subnet, tables: list[Mapping[Prefix, Programmed]], *, gateway: bool) -> Routes:
    """System, BGP and user-defined routes; of one prefix a user's is Active and the others Invalid (R60), one of BGP is there alone (R61).

    The default route of an NVA isn't a gateway's own (R68), yet what comes in from beyond Azure leaves by the NVA, as Azure VMware Solution's traffic to
    the Internet does (R185).
    """
    table = network.route_tables.get(subnet.route_table) if subnet.route_table else None
    user = list(_user_rows(world, subnet, table))
    mine = {row.prefix for row in user}
    local = list(_local_rows(network, subnet))
    peered = [] if table and table.disable_peering_route else list(_peering_rows(world, subnet))  # R54
    bgp: dict[Prefix, EffectiveRoute] = {}
    beaten: dict[Prefix, EffectiveRoute] = {}
    through: list[EffectiveRoute] = []
    if table is None or not table.disable_bgp_route_propagation:  # R63
        shields = _Shields(network, local, peered, gateway=gateway)
        for each in tables:
            for row, shield in _programmed_rows(world, subnet, each, shields):
                if gateway and row.prefix in DEFAULTS and each[row.prefix].route_class == "nva":
                    through += [row] if row.next_hops else []
                else:
                    (beaten if shield else bgp).setdefault(row.prefix, row)
    system = [*local, *peered, *_default_rows(network, subnet, mine, set(bgp))]
    system = [row for row in system if row.prefix not in bgp]  # R61
    overridden = [
        replace(row, state="Invalid", rule="R60", note="a user-defined route of the same prefix wins")
        for row in (*system, *bgp.values())
        if row.prefix in mine
    ]
    found = [*user, *overridden, *beaten.values(), *(row for row in (*system, *bgp.values()) if row.prefix not in mine)]
    loses = _loses_ipv6(network, subnet.virtual_network)
    return Routes(*([row for row in rows if not loses or row.prefix.version == 4] for rows in (found, through)))


def _loses_ipv6(network: Network, virtual_network: str) -> bool:
    """A route server has no IPv6, and the dual-stack virtual network that hosts one loses it (R17)."""
    return network.route_server_of(virtual_network) is not None


class _Shields:
    """System routes that win over BGP's, whether equal or longer (R56 step 2, R58), so over gateways too (R24): of the own and of peered virtual networks.

    They shield from BGP even where a user-defined route of their prefix makes them Invalid: BGP never steers what is local or directly peered.
    Two switches lift that: for the own space (D3), and on GatewaySubnet for what NVAs announce of peered space (D4).
    """

    def __init__(self, network: Network, local: Iterable[EffectiveRoute], peered: Iterable[EffectiveRoute], *, gateway: bool) -> None:
        quirks = network.quirks
        own = [] if quirks.virtual_network_equal_bgp else [row.prefix for row in local]
        beside = [row.prefix for row in peered]
        self._from_all = Space([*own, *beside])
        self._from_nvas = Space(own) if gateway and quirks.gateway_subnet_follows_bgp else self._from_all
        self._listed = {*own, *beside} if quirks.losing_bgp_rows == "listed" else set()

    def keep_away(self, prefix: Prefix, route_class: str) -> bool:
        """Whether a route of BGP doesn't count."""
        return (self._from_nvas if route_class == "nva" else self._from_all).covers(prefix)

    def listed(self, prefix: Prefix) -> bool:
        """Whether it is shown all the same: not by default (R62, D22)."""
        return prefix in self._listed


def _local_rows(network: Network, subnet: Subnet) -> Iterator[EffectiveRoute]:
    """One for each range of the virtual network, none for subnets (R1, R45)."""
    for prefix in network.virtual_networks[subnet.virtual_network].address_space:
        yield EffectiveRoute(
            prefix=prefix, source="Default", state="Active", next_hop_type="VnetLocal", via=subnet.virtual_network, rule="R45"
        )


def _in_use(world: World, virtual_network: str) -> Iterator[Peering]:
    """Its peerings that are Connected (R20) and work; without access a peering keeps its routes, unless they go with it (D11)."""
    network = world.network
    for peering in network.connected(virtual_network):
        unlisted = network.quirks.without_virtual_network_access == "unlisted" and not peering.allow_virtual_network_access
        if not unlisted and world.joined(peering.local, peering.remote):
            yield peering


def _peering_rows(world: World, subnet: Subnet) -> Iterator[EffectiveRoute]:
    """One for each range of each directly peered virtual network (R20, R23, R41, R48), as this side knows them (R16), of another type across regions (R25).

    IPv6 of a virtual network with a route server is lost (R17).
    """
    network = world.network
    for peering in _in_use(world, subnet.virtual_network):
        far = network.is_global(peering.local, peering.remote)
        for prefix in network.known_space(peering.local, peering.remote):
            if prefix.version == 6 and _loses_ipv6(network, peering.remote):
                continue
            yield EffectiveRoute(
                prefix=prefix,
                source="Default",
                state="Active",
                next_hop_type="VNetGlobalPeering" if far else "VNetPeering",
                via=peering.name,
                rule="R25" if far else "R48",
            )


def _default_rows(network: Network, subnet: Subnet, mine: set[Prefix], learned: set[Prefix]) -> Iterator[EffectiveRoute]:
    """0.0.0.0/0 to the Internet, and the None rows (R45): carved out by ranges (R46), gone once another default is there (R47; one of BGP: D27)."""
    ranges = network.virtual_networks[subnet.virtual_network].address_space
    for default in DEFAULTS:
        if any(prefix.version == default.version for prefix in ranges) or default.version == 4:
            yield EffectiveRoute(prefix=default, source="Default", state="Active", next_hop_type="Internet", rule="R45")
    by_bgp = DEFAULT_V4 in learned and network.quirks.none_rows_under_bgp_default == "absent"
    if DEFAULT_V4 not in mine and not by_bgp:
        for prefix in RESERVED:
            if not covered(prefix, ranges):
                yield EffectiveRoute(prefix=prefix, source="Default", state="Active", next_hop_type="None", rule="R45")


def _programmed_rows(
    world: World, subnet: Subnet, table: Mapping[Prefix, Programmed], shields: _Shields
) -> Iterator[tuple[EffectiveRoute, bool]]:
    """What a route server or gateway programs (R49, R50), and whether a VnetLocal or peering row of the same prefix beats it (R56, R62). A next hop out of
    reach makes a row of type None (R43, R119).

    Left out is what such a row covers and nobody lists, and link-local prefixes.
    """
    reach = _reachable_space(world, subnet)
    reached: dict[tuple[Address, ...], tuple[Address, ...]] = {}  # routes share next hops
    for prefix, route in table.items():
        beaten = shields.keep_away(prefix, route.route_class)
        if (beaten and not shields.listed(prefix)) or LINK_LOCAL.covers(prefix):
            continue
        if route.next_hops not in reached:
            reached[route.next_hops] = tuple(sorted(hop for hop in route.next_hops if reach.covers(hop.host_prefix)))
        hops = tuple(sorted(route.next_hops)) if route.route_class == "er" else reached[route.next_hops]
        row = EffectiveRoute(
            prefix=prefix,
            source="VirtualNetworkGateway",
            state="Active",
            next_hop_type="VirtualNetworkGateway" if hops else "None",
            next_hops=hops,
            via=route.by,
            rule="R49" if hops else "R43",
            note="" if hops else _out_of_reach(route.next_hops),
        )
        yield (replace(row, state="Invalid", rule="R62", note="a system route of the same prefix wins") if beaten else row), beaten


def _out_of_reach(hops: Iterable[Address]) -> str:
    return f"next hop {', '.join(map(str, hops))} is in no directly peered virtual network"


def _user_rows(world: World, subnet: Subnet, table: RouteTable | None) -> Iterator[EffectiveRoute]:
    """User-defined routes (R52), one or, as VirtualApplianceEcmp, several next hops (R54). Whose next hop nothing leads to, drops."""
    reach = _reachable_space(world, subnet)
    for route in table.routes if table else ():
        hops = tuple(hop for hop in route.next_hops if reach.covers(hop.host_prefix))
        rule, lost = _nowhere(world.network, subnet, route, hops)
        yield EffectiveRoute(
            prefix=route.prefix,
            source="User",
            state="Active",
            next_hop_type="None" if lost else route.next_hop_type,
            next_hops=tuple(sorted(hops)),
            via=table.name if table else "",
            rule=rule,
            note=lost,
        )


def _nowhere(network: Network, subnet: Subnet, route: UserRoute, hops: tuple[Address, ...]) -> tuple[str, str]:
    """The rule by which a user-defined route leads nowhere, and why; "" where it leads somewhere.

    An appliance must be in reach (R43), so not behind a gateway (R69). The gateway must be a VPN gateway, alone (R52): routes of ExpressRoute
    come by BGP only (R149).
    """
    if route.next_hops and not hops:
        return "R43", _out_of_reach(route.next_hops)
    if route.next_hop_type != "VirtualNetworkGateway":
        return "R52", ""
    home = subnet.virtual_network
    kinds = {gateway.kind for gateway in network.gateways_of(home) or network.gateways_of(network.transit_hub(home) or "")}
    if GatewayKind.EXPRESSROUTE in kinds:
        beside = " beside a VPN gateway" if len(kinds) > 1 else ""
        return "R52", f"a user-defined route can't lead to a gateway where there is one of type ExpressRoute{beside}"
    return "R52", "" if kinds else "there is no VPN gateway"


def _reachable_space(world: World, subnet: Subnet) -> Space:
    """Where a next hop may lie: in the own virtual network or a directly peered one (R41, R43), as this side knows it (R16)."""
    network, home = world.network, subnet.virtual_network
    beside = (network.known_space(home, peering.remote) for peering in _in_use(world, home))
    return Space(prefix for ranges in (network.virtual_networks[home].address_space, *beside) for prefix in ranges)


class Space:
    """Ranges of addresses, by length: asked in as many steps as there are lengths, however many ranges."""

    def __init__(self, ranges: Iterable[Prefix]) -> None:
        self._by_length: dict[tuple[int, int], set[int]] = {}
        for prefix in ranges:
            self._by_length.setdefault((prefix.version, prefix.length), set()).add(prefix.bits)

    def covers(self, prefix: Prefix) -> bool:
        """Whether the prefix equals one of the ranges or lies inside one."""
        for (version, length), bits in self._by_length.items():
            shift = WIDTH[version] - length
            if version == prefix.version and length <= prefix.length and prefix.bits >> shift << shift in bits:
                return True
        return False
