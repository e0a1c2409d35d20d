"""The objects of a network, as frozen values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dualhome.model.quirks import Quirks
from dualhome.model.security import NetworkSecurityGroup
from dualhome.net import Address, Prefix

__all__ = [
    "AZURE_ASN",
    "GATEWAY_SUBNET",
    "MSEE_ASN",
    "ROUTE_SERVER_SUBNET",
    "Bfd",
    "Circuit",
    "Connection",
    "GatewayKind",
    "Intent",
    "Link",
    "LoadBalancer",
    "Match",
    "MetricAlert",
    "Network",
    "Nic",
    "Originated",
    "Peering",
    "Programming",
    "RouteMapActions",
    "RouteServer",
    "RouteServerPeer",
    "RouteTable",
    "Router",
    "RouterKind",
    "RoutingPreference",
    "Rule",
    "SessionSpec",
    "StaticRoute",
    "Subnet",
    "Timers",
    "UserRoute",
    "VirtualMachine",
    "VirtualNetwork",
    "VirtualNetworkGateway",
    "VpnConnection",
    "base_name",
]  # fmt: skip

AZURE_ASN = 65515
MSEE_ASN = 12076
ROUTE_SERVER_SUBNET = "RouteServerSubnet"
GATEWAY_SUBNET = "GatewaySubnet"


def base_name(name: str) -> str:
    """The object that an instance belongs to: `spoke-rs` of `spoke-rs#0`."""
    return name.partition("#")[0]


class RoutingPreference(StrEnum):
    """hubRoutingPreference (R107)."""

    EXPRESSROUTE = "ExpressRoute"
    VPN_GATEWAY = "VpnGateway"
    AS_PATH = "ASPath"


class GatewayKind(StrEnum):
    """gatewayType of a virtual network gateway."""

    EXPRESSROUTE = "ExpressRoute"
    VPN = "Vpn"


class RouterKind(StrEnum):
    """What a `Router` is: an NVA in a virtual network, or a router on premises."""

    NVA = "nva"
    ON_PREMISES = "on-premises"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """What a speaker proposes, in seconds (R75)."""

    keepalive_s: float = 60
    hold_s: float = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Bfd:
    """Bidirectional forwarding detection: beyond Azure, off unless given."""

    interval_ms: int
    multiplier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A subnet; `route_table` and `network_security_group` are names in the `Network`'s mappings of these."""

    virtual_network: str
    name: str
    prefix: Prefix
    route_table: str | None = None
    network_security_group: str | None = None
    service_endpoint_policy: str | None = None

    @property
    def key(self) -> str:
        """As the file writes it: `hub1/nva`."""
        return f"{self.virtual_network}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualNetwork:
    """A virtual network (R1)."""

    name: str
    address_space: tuple[Prefix, ...]
    region: str | None = None
    summarized_gateway_prefixes: tuple[Prefix, ...] = ()
    virtual_wan_hub: str | None = None
    bgp_community: str | None = None  # on its prefixes toward ExpressRoute, beside its region's (R144)
    subnets: Mapping[str, Subnet] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peering:
    """One direction: the resource that `local` owns (R20, section 2.2), with Azure's defaults (R39). It carries something only while its mirror exists."""

    local: str
    remote: str
    allow_virtual_network_access: bool = True
    allow_forwarded_traffic: bool = False
    allow_gateway_transit: bool = False
    use_remote_gateways: bool = False
    remote_address_space: tuple[Prefix, ...] | None = None  # what this side knows of the remote's ranges; None: in sync (R16)

    @property
    def name(self) -> str:
        """As the file writes it: `hub1->spoke`."""
        return f"{self.local}->{self.remote}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteServerPeer:
    """A peer that a route server names: an NVA of the file, or (address and asn given) a speaker outside it."""

    name: str
    address: Address | None = None
    asn: int | None = None
    instances: tuple[int, ...] = (0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Programming:
    """How a route server's routes reach the NICs (R71, R73)."""

    by: str = "all"  # all | partition
    delay_s: float = 0
    damping_s: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteServer:
    """A route server: two instances, `name#0` and `name#1` at `addresses`."""

    name: str
    virtual_network: str
    addresses: tuple[Address, Address]
    behaves_like: str = "azure"  # azure | aws | google | ideal
    branch_to_branch: bool = False
    routing_preference: RoutingPreference = RoutingPreference.EXPRESSROUTE
    peers: tuple[RouteServerPeer, ...] = ()
    asn: int = AZURE_ASN
    timers: Timers = Timers()
    bfd: Bfd | None = None
    max_routes_per_peer: int | None = 4000  # None: no limit
    any_peer_asn: bool = False
    advertises: bool = True  # whether its peers are told anything
    persist_routes_minutes: int = 0  # routes outlive the last session until so long after one is back; 0: they go with it
    reflect_between_nvas: str = "same-virtual-network"  # all | same-virtual-network | none
    programming: Programming = Programming()
    routing_infrastructure_units: int = 2  # virtualRouterAutoScaleConfiguration.minCapacity (R90)
    inbound_route_maps: Mapping[str, str] = field(default_factory=dict)  # peer or gateway (maybe with #) -> route map
    outbound_route_maps: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Criteria of a rule; all that are given must match, none given matches all (R120)."""

    prefix_equals: tuple[Prefix, ...] | None = None
    prefix_contains: tuple[Prefix, ...] | None = None
    as_path_equals: tuple[int, ...] | None = None
    as_path_contains: tuple[int, ...] | None = None
    community_equals: tuple[str, ...] | None = None
    community_contains: tuple[str, ...] | None = None
    learned_from: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteMapActions:
    """What a rule does with what matched."""

    drop: bool = False
    prefix_replace: tuple[Prefix, ...] | None = None
    as_path_add: tuple[int, ...] | None = None
    as_path_replace: tuple[int, ...] | None = None
    as_path_remove: tuple[int, ...] | None = None
    community_add: tuple[str, ...] | None = None
    community_replace: tuple[str, ...] | None = None
    community_remove: tuple[str, ...] | None = None
    local_preference: int | None = None
    med: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a route map, of `import` or of `export` (topology-format.md, section 3)."""

    name: str  # as given, else "rule 1", "rule 2"...
    match: Match = Match()
    actions: RouteMapActions = RouteMapActions()
    proceed: bool = False  # then: continue


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A machine's NIC. A VM and an NVA's primary bear the machine's name, a further one `nva.nic`."""

    name: str
    machine: str
    subnet: str  # key of a Subnet: hub1/nva
    address: Address
    ip_forwarding: bool = False

    @property
    def virtual_network(self) -> str:
        """Its virtual network."""
        return self.subnet.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualMachine:
    """A machine with one NIC."""

    name: str
    nic: Nic


@dataclass(frozen=True, slots=True, kw_only=True)
class Originated:
    """A prefix that a router announces of its own; `as_path` is what lies beyond it, `while_reaches` a host (R162)."""

    prefix: Prefix
    as_path: tuple[int, ...] = ()
    while_reaches: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticRoute:
    """A router's own route: to a name or an address, maybe through a tunnel, or out of a NIC (`interface`, its name without the machine's)."""

    prefix: Prefix
    to: str | None = None
    interface: str | None = None
    over_tunnel: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """A session that a router declares beyond those of route servers, circuits, connections and links."""

    to: str
    over_tunnel: bool = False
    addresses: tuple[Address, Address] | None = None  # own, far end's; inside the tunnel
    timers: Timers | None = None
    bfd: Bfd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """An NVA (`kind` nva: has NICs) or an on-premises router (has `prefixes`, its LANs)."""

    name: str
    kind: RouterKind
    address: Address | None  # an NVA's primary NIC; a router's own; None for a router that has neither address nor prefixes
    nics: tuple[Nic, ...] = ()  # primary first
    prefixes: tuple[Prefix, ...] = ()
    asn: int | None = None
    timers: Timers = Timers()
    multihop: bool = True
    originates: tuple[Originated, ...] = ()
    hosts: Mapping[str, Address] = field(default_factory=dict)
    static_routes: tuple[StaticRoute, ...] = ()
    as_override: bool | tuple[str, ...] = False  # True: toward every route server; or peers' names
    as_strip: bool | tuple[str, ...] = False
    prepend: Mapping[str, int] = field(default_factory=dict)  # by peer's name, maybe with #
    next_hop: Mapping[str, str] = field(default_factory=dict)  # host, address or "unchanged"
    communities: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    import_rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)  # names of route maps are resolved
    export_rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    sessions: tuple[SessionSpec, ...] = ()
    translates: bool | tuple[Prefix, ...] = False  # True: toward the Internet
    stateful: bool = False
    runtime: str = "builtin"
    configuration: str | None = None
    route_server_route: bool = True  # a static route to the route servers' subnets by way of its subnet's gateway (R81)

    @property
    def virtual_network(self) -> str | None:
        """An NVA's virtual network."""
        return self.nics[0].virtual_network if self.nics else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer:
    """An internal load balancer: all ports, both directions of a flow to one backend."""

    name: str
    subnet: str
    address: Address
    backends: tuple[str, ...]
    probe_interval_s: float = 5
    probe_threshold: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualNetworkGateway:
    """A gateway: two instances, `name#0` and `name#1`. A VPN gateway that isn't active-active works with one of them at a time."""

    name: str
    kind: GatewayKind
    virtual_network: str
    addresses: tuple[Address, Address]
    asn: int = AZURE_ASN
    active_active: bool = False
    allow_remote_virtual_network_traffic: bool = False
    sku: str | None = None
    vpn_type: str = "RouteBased"  # | PolicyBased
    point_to_site: tuple[Prefix, ...] = ()  # pools of clients' addresses
    standby_takeover_s: float = 75  # Azure: 60 to 90 s where nobody planned it, 10 to 15 s in maintenance

    @property
    def both_work(self) -> bool:
        """Whether both instances carry traffic at a time; of a VPN gateway that isn't active-active one does, the other stands by."""
        return self.kind is GatewayKind.EXPRESSROUTE or self.active_active


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A circuit's connection to a gateway (R146, R147)."""

    gateway: str
    routing_weight: int = 0
    fast_path: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """An ExpressRoute circuit: two of Microsoft's edge routers, `name#0` primary and `name#1` secondary.

    `provider_edge` holds (primary, secondary), the same router twice where one takes both. `link_subnets[i]`: the router has the first usable address, Microsoft the second.
    """

    name: str
    gateways: tuple[Connection, ...]
    provider_edge: tuple[str, str] | tuple[()]
    link_subnets: tuple[Prefix, Prefix]
    global_reach: tuple[str, ...] = ()
    max_prefixes: int = 4000
    bfd: Bfd | None = None
    microsoft_asn: int = MSEE_ASN
    peering_location: str | None = None  # where it enters Microsoft's network (R146)

    def microsoft_address(self, instance: int) -> Address:
        """Microsoft's address on the primary (0) or secondary (1) link; gateways see it as next hop as well."""
        return self.link_subnets[instance].address(2)

    def router_address(self, instance: int) -> Address:
        """The provider edge router's address on that link."""
        return self.link_subnets[instance].address(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VpnConnection:
    """A connection of a gateway (maybe one instance, `gateway_instance`) to a router, an NVA or another gateway (maybe one instance)."""

    gateway: str
    to: str
    gateway_instance: int | None = None
    to_instance: int | None = None
    bgp: bool  # default applied
    prefixes: tuple[Prefix, ...] = ()  # what lies at `to`, static; default applied: a router's prefixes where bgp is off, else ()
    routing_weight: int = 0

    @property
    def name(self) -> str:
        """As the file writes it: `hub1-vpn<->branch1`."""
        return f"{self.gateway}<->{self.to}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Two on-premises routers side by side, with a session where both have an ASN."""

    between: tuple[str, str]
    timers: Timers | None = None
    bfd: Bfd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRoute:
    """A user-defined route (R52, R54). `next_hops` are addresses, resolved; empty but for the two appliance types."""

    prefix: Prefix
    next_hop_type: str
    next_hops: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """A route table that subnets refer to by name."""

    name: str
    disable_bgp_route_propagation: bool = False
    disable_peering_route: bool = False
    routes: tuple[UserRoute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What `verify` holds against every failure; kept as the file has it."""

    data: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricAlert:
    """A metric of a route server that somebody watches (section 10.4 of the rules)."""

    route_server: str
    metric: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A whole network. Mappings are in the order of the file."""

    name: str
    description: str = ""
    flow_hash: str = "azure"  # azure: each direction of a flow on its own (R64); symmetric: both alike, beyond Azure
    quirks: Quirks = field(default_factory=Quirks)
    virtual_networks: Mapping[str, VirtualNetwork]
    peerings: tuple[Peering, ...] = ()
    route_servers: Mapping[str, RouteServer] = field(default_factory=dict)
    nvas: Mapping[str, Router] = field(default_factory=dict)
    load_balancers: Mapping[str, LoadBalancer] = field(default_factory=dict)
    virtual_machines: Mapping[str, VirtualMachine] = field(default_factory=dict)
    gateways: Mapping[str, VirtualNetworkGateway] = field(default_factory=dict)
    circuits: Mapping[str, Circuit] = field(default_factory=dict)
    vpn_connections: tuple[VpnConnection, ...] = ()
    on_premises: Mapping[str, Router] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    route_tables: Mapping[str, RouteTable] = field(default_factory=dict)
    route_maps: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    network_security_groups: Mapping[str, NetworkSecurityGroup] = field(default_factory=dict)
    metric_alerts: tuple[MetricAlert, ...] = ()
    intents: tuple[Intent, ...] = ()
    _by_ends: dict[str, dict[str, Peering]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _hubs: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    _nics: dict[str, Nic] = field(default_factory=dict, init=False, repr=False, compare=False)
    _servers_in: dict[str, RouteServer] = field(default_factory=dict, init=False, repr=False, compare=False)
    _gateways_in: dict[str, tuple[VirtualNetworkGateway, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """What is looked up all the time: peerings by their ends, transit hubs, NICs by name, what lives in a virtual network."""
        for each in self.peerings:
            self._by_ends.setdefault(each.local, {}).setdefault(each.remote, each)
        for each in self.peerings:
            theirs = self.peering(each.remote, each.local)
            if theirs is not None and self._is_transit_pair(theirs, each):
                self._hubs.setdefault(each.local, each.remote)
        self._nics.update((nic.name, nic) for nic in self.nics())
        for rs in self.route_servers.values():
            self._servers_in.setdefault(rs.virtual_network, rs)
        for gateway in self.gateways.values():
            self._gateways_in[gateway.virtual_network] = (*self.gateways_of(gateway.virtual_network), gateway)

    def routers(self) -> Iterator[Router]:
        """NVAs, then on-premises routers."""
        yield from self.nvas.values()
        yield from self.on_premises.values()

    def router(self, name: str) -> Router | None:
        """The NVA or on-premises router of this name."""
        return self.nvas.get(name) or self.on_premises.get(name)

    def nics(self) -> Iterator[Nic]:
        """Every NIC of VMs and NVAs."""
        for machine in self.virtual_machines.values():
            yield machine.nic
        for nva in self.nvas.values():
            yield from nva.nics

    def nic(self, name: str) -> Nic | None:
        """The NIC of this name: a machine's, or `nva.nic`."""
        return self._nics.get(name)

    def subnet(self, key: str) -> Subnet:
        """By key, as hub1/nva."""
        network, _, name = key.partition("/")
        return self.virtual_networks[network].subnets[name]

    def peering(self, local: str, remote: str) -> Peering | None:
        """The resource that `local` owns toward `remote`, whatever its state."""
        return self._by_ends.get(local, {}).get(remote)

    def connected(self, local: str) -> Iterator[Peering]:
        """Peerings of `local` that are Connected: the mirror exists (R20), and hasn't been deleted (R21)."""
        return (each for each in self._by_ends.get(local, {}).values() if self.peering(each.remote, local))

    def transit_spokes(self, hub: str) -> Iterator[str]:
        """Virtual networks that form a transit pair with this one: they use its gateways and route server (R29, R34)."""
        for mine in self.connected(hub):
            theirs = self.peering(mine.remote, hub)
            if theirs is not None and self._is_transit_pair(mine, theirs):
                yield mine.remote

    def _is_transit_pair(self, of_hub: Peering, of_spoke: Peering) -> bool:
        """One flag at each side (R29, R33), over a global peering too (R26), unless that is switched off (D25)."""
        flags = of_hub.allow_gateway_transit and of_spoke.use_remote_gateways
        return flags and (self.quirks.transit_over_global_peering or not self.is_global(of_hub.local, of_hub.remote))

    def is_global(self, a: str, b: str) -> bool:
        """Whether a peering of the two crosses regions: both are told, and differ (R25)."""
        here, there = self.virtual_networks[a].region, self.virtual_networks[b].region
        return here is not None and there is not None and here != there

    def known_space(self, local: str, remote: str) -> tuple[Prefix, ...]:
        """The remote's ranges as the local side of their peering knows them: until it is synced, those of before (R16)."""
        peering = self.peering(local, remote)
        if peering is None or peering.remote_address_space is None:
            return self.virtual_networks[remote].address_space
        return peering.remote_address_space

    def peering_state(self, peering: Peering) -> str:
        """peeringState: Connected once the mirror exists, Initiated until then (R20)."""
        return "Connected" if self.peering(peering.remote, peering.local) else "Initiated"

    def peering_sync_level(self, peering: Peering) -> str:
        """peeringSyncLevel: whether each side knows the ranges that the other one has by now (R16)."""

        def knows(local: str, remote: str) -> bool:
            return set(self.known_space(local, remote)) == set(self.virtual_networks[remote].address_space)

        remote_is_known, local_is_known = knows(peering.local, peering.remote), knows(peering.remote, peering.local)
        if remote_is_known:
            return "FullyInSync" if local_is_known else "LocalNotInSync"
        return "RemoteNotInSync" if local_is_known else "LocalAndRemoteNotInSync"

    def transit_hub(self, spoke: str) -> str | None:
        """The virtual network whose gateways and route server this one uses, if any (R29)."""
        return self._hubs.get(spoke)

    def route_server_of(self, virtual_network: str) -> RouteServer | None:
        """The route server that lives in this virtual network (at most one, R5)."""
        return self._servers_in.get(virtual_network)

    def gateways_of(self, virtual_network: str) -> tuple[VirtualNetworkGateway, ...]:
        """The gateways that live in this virtual network."""
        return self._gateways_in.get(virtual_network, ())

    def hosts(self) -> Mapping[str, tuple[Address, tuple[str, ...]]]:
        """Hosts behind routers: address, and the routers that lead to it (several: anycast)."""
        found: dict[str, tuple[Address, tuple[str, ...]]] = {}
        for router in self.routers():
            for host, address in router.hosts.items():
                found[host] = (address, (*(found[host][1] if host in found else ()), router.name))
        return found

    def addresses_of(self, name: str) -> tuple[Address, ...]:
        """Every address that a name stands for as a value: of all its instances or of the one after `#`; () for `internet` and unknown names."""
        base, _, index = name.partition("#")
        both: tuple[Address, ...] = ()
        if base in self.route_servers:
            both = self.route_servers[base].addresses
        elif base in self.gateways:
            both = self.gateways[base].addresses
        elif base in self.circuits:
            both = (self.circuits[base].microsoft_address(0), self.circuits[base].microsoft_address(1))
        if both:
            return (both[int(index)],) if index else both
        if base in self.load_balancers:
            return (self.load_balancers[base].address,)
        if base in self.virtual_machines:
            return (self.virtual_machines[base].nic.address,)
        if router := self.router(base):
            mine = [router.address] if router.address else []
            mine += [nic.address for nic in router.nics[1:]]
            mine += [c.router_address(i) for c in self.circuits.values() for i, edge in enumerate(c.provider_edge) if edge == base]
            mine += [s.addresses[0] for s in router.sessions if s.addresses]
            mine += [s.addresses[1] for other in self.routers() for s in other.sessions if s.addresses and s.to == base]
            return tuple(dict.fromkeys(mine))
        if nic := self.nic(base):
            return (nic.address,)
        if host := self.hosts().get(base):
            return (host[0],)
        return ()
