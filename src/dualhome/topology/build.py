"""From data of the right form to the model: defaults filled in, names resolved, addresses assigned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from dualhome.errors import TopologyError
from dualhome.model import (
    AZURE_ASN,
    MSEE_ASN,
    PERSONALITIES,
    Circuit,
    Connection,
    GatewayKind,
    Intent,
    Link,
    LoadBalancer,
    MetricAlert,
    Network,
    NetworkSecurityGroup,
    Nic,
    Peering,
    Programming,
    Quirks,
    RouteServer,
    RouteServerPeer,
    RouteTable,
    RoutingPreference,
    SecurityRule,
    Subnet,
    UserRoute,
    VirtualMachine,
    VirtualNetwork,
    VirtualNetworkGateway,
    VpnConnection,
)
from dualhome.net import Address, Prefix
from dualhome.topology import assign
from dualhome.topology.build_routers import bfd, on_premises, prefixes, router_values, rules, timers
from dualhome.topology.reading import Locator
from dualhome.topology.site import Direction, Site
from dualhome.topology.words import (
    BALANCERS,
    CIRCUITS,
    CONNECTIONS,
    GATEWAYS,
    GROUPS,
    LINKS,
    MACHINES,
    MAPS,
    NVAS,
    ROUTERS,
    SERVERS,
    TABLES,
    VNETS,
    Wrong,
    ends,
    entries,
    faults,
    items,
)

T = TypeVar("T")
Data = Mapping[str, Any]


def build(data: Data, locator: Locator, file: str) -> Network:
    """The network that valid data describes. TopologyError where a subnet runs out of addresses, or a next hop has none."""
    network, wrongs = attempt(data)
    if wrongs:
        raise TopologyError(faults(wrongs, data, locator, file))
    return network


def attempt(data: Data) -> tuple[Network, list[Wrong]]:
    """As `build`, with what went wrong beside what came of it."""
    site = Site(data)
    given = assign.Assignment(site)
    links = assign.link_subnets(site)

    def each(section: str, make: Callable[[str, Data], T]) -> dict[str, T]:
        return {name: make(name, x) for name, x in entries(data, section)}

    circuits = each(CIRCUITS, lambda name, x: _circuit(name, x, links[name]))
    at_links = {edge: c.router_address(i) for c in reversed(circuits.values()) for i, edge in reversed([*enumerate(c.provider_edge)])}
    addresses = assign.routers(site, at_links.get)
    maps = {name: rules(listed) for name, listed in data.get(MAPS, {}).items()}
    network = Network(
        name=data["name"],
        description=data.get("description", ""),
        flow_hash=data.get("flow_hash", "azure"),
        quirks=_quirks(data.get("quirks", {})),
        virtual_networks=each(VNETS, lambda name, x: _virtual_network(name, x, site)),
        peerings=tuple(_peering(d) for d in site.directions),
        route_servers=each(SERVERS, lambda name, x: _route_server(name, x, given.pairs[name], data.get("behaves_like", "azure"))),
        nvas=each(NVAS, lambda name, x: router_values(name, x, maps, nics=_nics(name, x, given.machines))),
        load_balancers=each(BALANCERS, lambda name, x: _load_balancer(name, x, given.machines[name])),
        virtual_machines=each(MACHINES, lambda name, x: VirtualMachine(name=name, nic=_nic(name, name, x, given.machines))),
        gateways=each(GATEWAYS, lambda name, x: _gateway(name, x, given.pairs[name])),
        circuits=circuits,
        vpn_connections=tuple(_vpn_connection(item, data) for item in items(data, CONNECTIONS)),
        on_premises=each(ROUTERS, lambda name, x: on_premises(name, x, maps, addresses[name])),
        links=tuple(_link(item) for item in items(data, LINKS)),
        route_maps=maps,
        network_security_groups=each(GROUPS, _security_group),
        metric_alerts=tuple(MetricAlert(route_server=item["on"], metric=item["metric"]) for item in items(data, "metric_alerts")),
        intents=tuple(Intent(data=item) for item in items(data, "intents")),
    )
    wrongs = [*given.wrongs, *_nowhere(network, data)]
    tables = each(TABLES, lambda name, x: _route_table(name, x, network))
    object.__setattr__(network, "route_tables", tables)  # next hops are looked up in the network itself, which nobody else has yet
    return network, wrongs


def _virtual_network(name: str, x: Data, site: Site) -> VirtualNetwork:
    subnets = {}
    for subnet in x.get("subnets", {}):
        place = site.subnets[f"{name}/{subnet}"]
        more = x["subnets"][subnet] if isinstance(x["subnets"][subnet], Mapping) else {}
        subnets[subnet] = Subnet(
            virtual_network=name,
            name=subnet,
            prefix=place.prefix,
            route_table=place.route_table,
            network_security_group=more.get("network_security_group"),
            service_endpoint_policy=more.get("service_endpoint_policy"),
        )
    return VirtualNetwork(
        name=name,
        address_space=tuple(site.ranges[name]),
        region=x.get("region"),
        summarized_gateway_prefixes=prefixes(x, "summarized_gateway_prefixes"),
        virtual_wan_hub=x.get("virtual_wan_hub"),
        bgp_community=x.get("bgp_community"),
        subnets=subnets,
    )


def _quirks(x: Data) -> Quirks:
    values: dict[str, Any] = {name: int(value) if isinstance(value, float) else value for name, value in x.items()}
    return Quirks(**values)


def _peering(each: Direction) -> Peering:
    flags: dict[str, Any] = dict(each.flags)
    known = flags.pop("remote_address_space", None)
    return Peering(local=each.local, remote=each.remote, remote_address_space=tuple(map(Prefix.parse, known)) if known else None, **flags)


def _route_server(name: str, x: Data, addresses: tuple[Address, Address], behaves_like: str) -> RouteServer:
    """Its own keys go before what `behaves_like` sets."""
    maps, whose = x.get("route_maps", {}), x.get("behaves_like", behaves_like)
    default = PERSONALITIES[whose]
    most = x.get("max_routes_per_peer", default.max_routes_per_peer)
    return RouteServer(
        name=name,
        virtual_network=x["virtual_network"],
        addresses=addresses,
        behaves_like=whose,
        branch_to_branch=x.get("branch_to_branch", False),
        routing_preference=RoutingPreference(x.get("routing_preference", "ExpressRoute")),
        peers=tuple(_peer(peer) for peer in x.get("peers", [])),
        asn=int(x.get("asn", AZURE_ASN)),
        timers=replace(default.timers, **x.get("timers", {})),
        bfd=bfd(x["bfd"]) if "bfd" in x else default.bfd if x.get("peer_liveness_detection") == "bfd" else None,
        max_routes_per_peer=None if most is None else int(most),
        any_peer_asn=x.get("any_peer_asn", default.any_peer_asn),
        advertises=x.get("advertises", True),
        persist_routes_minutes=int(x.get("persist_routes_minutes", 0)),
        reflect_between_nvas=x.get("reflect_between_nvas", default.reflect_between_nvas),
        programming=Programming(**x.get("programming", {})),
        routing_infrastructure_units=int(x.get("routing_infrastructure_units", 2)),
        inbound_route_maps=maps.get("inbound", {}),
        outbound_route_maps=maps.get("outbound", {}),
    )


def _peer(x: str | Data) -> RouteServerPeer:
    if isinstance(x, str):
        return RouteServerPeer(name=x)
    return RouteServerPeer(
        name=x["name"],
        address=Address.parse(x["address"]) if "address" in x else None,
        asn=int(x["asn"]) if "asn" in x else None,
        instances=tuple(sorted(map(int, x.get("instances", (0, 1))))),
    )


def _nics(name: str, x: Data, addresses: Mapping[str, Address]) -> tuple[Nic, ...]:
    further = (_nic(f"{name}.{nic}", name, y, addresses) for nic, y in x.get("interfaces", {}).items())
    return (_nic(name, name, x, addresses), *further)


def _nic(name: str, machine: str, x: Data, addresses: Mapping[str, Address]) -> Nic:
    return Nic(name=name, machine=machine, subnet=x["subnet"], address=addresses[name], ip_forwarding=x.get("ip_forwarding", False))


def _load_balancer(name: str, x: Data, address: Address) -> LoadBalancer:
    probe = x.get("probe", {})
    return LoadBalancer(
        name=name,
        subnet=x["subnet"],
        address=address,
        backends=tuple(x["backends"]),
        probe_interval_s=probe.get("interval_s", 5),
        probe_threshold=int(probe.get("threshold", 2)),
    )


def _gateway(name: str, x: Data, addresses: tuple[Address, Address]) -> VirtualNetworkGateway:
    return VirtualNetworkGateway(
        name=name,
        kind=GatewayKind(x["type"]),
        virtual_network=x["virtual_network"],
        addresses=addresses,
        asn=int(x.get("asn", AZURE_ASN)),
        active_active=x.get("active_active", False),
        allow_remote_virtual_network_traffic=x.get("allow_remote_virtual_network_traffic", False),
        sku=x.get("sku"),
        vpn_type=x.get("vpn_type", "RouteBased"),
        point_to_site=prefixes(x.get("point_to_site", {}), "address_pool"),
        standby_takeover_s=float(x.get("standby_takeover_s", 75)),
    )


def _circuit(name: str, x: Data, links: tuple[Prefix, Prefix]) -> Circuit:
    edge = x["provider_edge"]
    connections: Iterator[Data] = ({"gateway": each} if isinstance(each, str) else each for each in x["gateways"])
    return Circuit(
        name=name,
        gateways=tuple(
            Connection(gateway=c["gateway"], routing_weight=int(c.get("routing_weight", 0)), fast_path=c.get("fast_path", False))
            for c in connections
        ),
        provider_edge=(edge[0], edge[-1]) if edge else (),
        link_subnets=links,
        global_reach=tuple(x.get("global_reach", ())),
        max_prefixes=int(x.get("max_prefixes", 4000)),
        bfd=bfd(x.get("bfd")),
        microsoft_asn=int(x.get("microsoft_asn", MSEE_ASN)),
        peering_location=x.get("peering_location"),
    )


def _vpn_connection(x: Data, data: Data) -> VpnConnection:
    gateway, _, gateway_instance = x["gateway"].partition("#")
    to, _, to_instance = x["to"].partition("#")
    gateways = dict(entries(data, GATEWAYS))
    far = dict(entries(data, NVAS)).get(to) or dict(entries(data, ROUTERS)).get(to) or {}
    far_asn = gateways[to].get("asn", AZURE_ASN) if to in gateways else far.get("asn")
    bgp = x.get("bgp", far_asn is not None and far_asn != gateways[gateway].get("asn", AZURE_ASN))
    return VpnConnection(
        gateway=gateway,
        to=to,
        gateway_instance=int(gateway_instance) if gateway_instance else None,
        to_instance=int(to_instance) if to_instance else None,
        bgp=bgp,
        prefixes=prefixes(x, "prefixes") if "prefixes" in x or bgp else prefixes(far, "prefixes"),
        routing_weight=int(x.get("routing_weight", 0)),
    )


def _link(x: list[str] | Data) -> Link:
    a, b = ends(x)
    more: Data = x if isinstance(x, Mapping) else {}
    return Link(between=(a, b), timers=timers(more["timers"]) if "timers" in more else None, bfd=bfd(more.get("bfd")))


def _security_group(name: str, x: Data) -> NetworkSecurityGroup:
    listed = [_security_rule(place, rule) for place, rule in enumerate(x["rules"], 1)]
    return NetworkSecurityGroup(name=name, rules=tuple(sorted(listed, key=lambda rule: rule.priority)))


def _security_rule(place: int, x: Data) -> SecurityRule:
    return SecurityRule(
        name=x.get("name", f"rule {place}"),
        priority=int(x["priority"]),
        inbound=x["direction"] == "Inbound",
        allow=x["access"] == "Allow",
        protocol=x.get("protocol", "*"),
        source=tuple(_security_end(end) for end in items(x, "source")),
        destination=tuple(_security_end(end) for end in items(x, "destination")),
        ports=tuple(_ports(each) for each in items(x, "ports")),
    )


def _security_end(text: str) -> Prefix | str:
    return Prefix.parse(text) if text[0].isdigit() or ":" in text else text


def _ports(value: float | str) -> tuple[int, int]:
    first, _, last = (value if isinstance(value, str) else str(int(value))).partition("-")
    return int(first), int(last or first)


def _route_table(name: str, x: Data, network: Network) -> RouteTable:
    return RouteTable(
        name=name,
        disable_bgp_route_propagation=x.get("disable_bgp_route_propagation", False),
        disable_peering_route=x.get("disable_peering_route", "None") == "All",
        routes=tuple(_user_route(route, network) for route in x.get("routes", [])),
    )


def _user_route(x: Data, network: Network) -> UserRoute:
    single = [x["next_hop"]] if "next_hop" in x else []
    hops = (_hop(text, network)[:1] for text in (*single, *x.get("next_hops", [])))
    return UserRoute(
        prefix=Prefix.parse(x["prefix"]),
        next_hop_type=x["next_hop_type"],
        next_hops=tuple(dict.fromkeys(address for found in hops for address in found)),
    )


def _hop(text: str, network: Network) -> tuple[Address, ...]:
    """A next hop's addresses, the first of them its own."""
    try:
        return (Address.parse(text),)
    except ValueError:
        return network.addresses_of(text)


def _nowhere(network: Network, data: Data) -> Iterator[Wrong]:
    """Next hops that name something without an address."""
    named = [
        ((TABLES, table, "routes", place, *where), hop)
        for table, x in entries(data, TABLES)
        for place, route in enumerate(items(x, "routes"))
        for where, hop in [
            (("next_hop",), route.get("next_hop")),
            *((("next_hops", i), hop) for i, hop in enumerate(route.get("next_hops", []))),
        ]
    ]
    for section in (NVAS, ROUTERS):
        named += [
            ((section, name, "next_hop", peer), hop) for name, x in entries(data, section) for peer, hop in x.get("next_hop", {}).items()
        ]
    for path, hop in named:
        if hop not in (None, "internet", "unchanged") and not _hop(hop, network):
            yield Wrong(path, f"{hop!r} has no address", "a next hop is an NVA, a NIC, a load balancer, a VM, a host or an address")
