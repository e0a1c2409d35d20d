"""A topology as ARM resources, in an order in which they can be made. What ARM has no words for goes into tags and user data, or else into a fragment."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dualhome.arm.exchange.sandbox import SUBSCRIPTION, Sandbox
from dualhome.arm.world import world_of
from dualhome.model import ROUTE_SERVER_SUBNET, GatewayKind, Network, Router
from dualhome.topology import Topology

Data = dict[str, Any]
NETWORK = "Microsoft.Network"
COMPUTE = "Microsoft.Compute"
PLACED = frozenset(("subnet", "address", "interfaces", "ip_forwarding", "description"))
IMAGE = {"publisher": "Canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts-gen2", "version": "latest"}
CARRIED = (
    "name",
    "description",
    "flow_hash",
    "behaves_like",
    "quirks",
    "route_maps",
    "on_premises",
    "links",
    "metric_alerts",
    "intents",
    "scenario",
)


@dataclass
class Export:
    """`resources`: each with id, type, name, location and properties; `fragment`: the rest of the topology, as `--with` merges it."""

    group: str
    resources: list[Data] = field(default_factory=list)
    fragment: Data = field(default_factory=dict)

    def id(self, path: str) -> str:
        """`virtualNetworks/spoke` as an id."""
        namespace = "" if path.startswith("Microsoft.") else f"{NETWORK}/"
        return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{self.group}/providers/{namespace}{path}"

    def ref(self, path: str) -> Data:
        """A reference."""
        return {"id": self.id(path)}

    def add(self, path: str, properties: Data, location: str | None = "westeurope", tags: Data | None = None, **top: Any) -> None:
        """One resource."""
        words = path.split("/")
        first = 1 if words[0].startswith("Microsoft.") else 0
        namespace = words[0] if first else NETWORK
        one: Data = {"id": self.id(path), "type": "/".join((namespace, *words[first::2])), "name": "/".join(words[first + 1 :: 2])}
        if location is not None:
            one["location"] = location
        if tags:
            one["tags"] = {"dualhome": json.dumps(tags)}
        self.resources.append(one | top | {"properties": properties})


def export_of(topology: Topology, group: str = "dualhome") -> Export:
    """All of it; put back through the server's rules it is the same network."""
    network, export = topology.network, Export(group)
    regions = {name: each.region or "westeurope" for name, each in network.virtual_networks.items()}
    _tables(export, network)
    _networks(export, network, regions)
    _machines(export, network, topology.data, regions)
    _balancers(export, network, topology.data)
    _servers(export, network, topology.data, regions)
    _gateways(export, network, topology.data, regions)
    behind = _circuits(export, network, topology.data)
    behind |= _connections(export, network, topology.data)
    export.fragment = _fragment(export, topology, behind)
    return export


# --- networks ------------------------------------------------------------------------------------------------------------------


def _tables(export: Export, network: Network) -> None:
    for name, table in network.route_tables.items():
        routes = []
        for place, route in enumerate(table.routes, 1):
            values: Data = {"addressPrefix": str(route.prefix), "nextHopType": route.next_hop_type}
            hops = [str(each) for each in route.next_hops]
            if route.next_hop_type == "VirtualAppliance":
                values["nextHopIpAddress"] = hops[0]
            elif hops:
                values["nextHop"] = {"nextHopIpAddresses": hops}
            routes.append({"name": f"route{place}", "properties": values})
        properties: Data = {"disableBgpRoutePropagation": table.disable_bgp_route_propagation, "routes": routes}
        if table.disable_peering_route:
            properties["disablePeeringRoute"] = "All"
        export.add(f"routeTables/{name}", properties)
    for name, security in network.network_security_groups.items():
        export.add(f"networkSecurityGroups/{name}", {"securityRules": [_security_rule(rule) for rule in security.rules]})


def _security_rule(rule: Any) -> Data:
    values: Data = {
        "priority": rule.priority,
        "direction": "Inbound" if rule.inbound else "Outbound",
        "access": "Allow" if rule.allow else "Deny",
        "protocol": rule.protocol,
        "sourcePortRange": "*",
    }
    for end, given in (("source", rule.source), ("destination", rule.destination)):
        listed = [str(each) for each in given]
        values |= {f"{end}AddressPrefix": listed[0] if listed else "*"} if len(listed) < 2 else {f"{end}AddressPrefixes": listed}
    ports = [str(low) if low == high else f"{low}-{high}" for low, high in rule.ports]
    values |= {"destinationPortRange": ports[0] if ports else "*"} if len(ports) < 2 else {"destinationPortRanges": ports}
    return {"name": rule.name.replace(" ", "-"), "properties": values}


def _networks(export: Export, network: Network, regions: Mapping[str, str]) -> None:
    for name, vnet in network.virtual_networks.items():
        subnets = []
        for subnet in vnet.subnets.values():
            values: Data = {"addressPrefix": str(subnet.prefix)}
            if subnet.route_table and subnet.name != ROUTE_SERVER_SUBNET:
                values["routeTable"] = export.ref(f"routeTables/{subnet.route_table}")
            if subnet.network_security_group and subnet.name != ROUTE_SERVER_SUBNET:
                values["networkSecurityGroup"] = export.ref(f"networkSecurityGroups/{subnet.network_security_group}")
            subnets.append({"name": subnet.name, "properties": values})
        properties: Data = {"addressSpace": {"addressPrefixes": [str(each) for each in vnet.address_space]}, "subnets": subnets}
        if vnet.summarized_gateway_prefixes:
            properties["summarizedGatewayPrefixes"] = {"addressPrefixes": [str(each) for each in vnet.summarized_gateway_prefixes]}
        if vnet.bgp_community:
            properties["bgpCommunities"] = {"virtualNetworkCommunity": vnet.bgp_community}
        export.add(f"virtualNetworks/{name}", properties, regions[name], {"region": None} if vnet.region is None else None)
    remote = [each for each in network.peerings if each.use_remote_gateways]
    for each in (*[p for p in network.peerings if not p.use_remote_gateways], *[]):
        _peering(export, each)
    export.fragment["_later"] = remote  # they need a gateway on the other side first


def _peering(export: Export, each: Any) -> None:
    flags = {
        "allowVirtualNetworkAccess": each.allow_virtual_network_access,
        "allowForwardedTraffic": each.allow_forwarded_traffic,
        "allowGatewayTransit": each.allow_gateway_transit,
        "useRemoteGateways": each.use_remote_gateways,
        "remoteVirtualNetwork": export.ref(f"virtualNetworks/{each.remote}"),
    }
    export.add(f"virtualNetworks/{each.local}/virtualNetworkPeerings/to-{each.remote}", flags, None)


# --- machines ------------------------------------------------------------------------------------------------------------------


def _machines(export: Export, network: Network, data: Mapping[str, Any], regions: Mapping[str, str]) -> None:
    for name, vm in network.virtual_machines.items():
        _nic(export, f"{name}-nic", vm.nic, regions, None)
        _machine(
            export, name, [f"{name}-nic"], regions[vm.nic.virtual_network], {"virtual_machine": True} if vm.nic.ip_forwarding else None
        )
    ended = {connection.to for connection in network.vpn_connections}
    for name, nva in network.nvas.items():
        told = {key: value for key, value in data["network_virtual_appliances"][name].items() if key not in PLACED}
        nics = []
        for nic in nva.nics:
            short = nic.name.partition(".")[2]
            nics.append(short or f"{name}-nic")
            public = f"{name}-pip" if name in ended and not short else None
            if public:
                _public(export, public, regions[nic.virtual_network])
            _nic(export, nics[-1], nic, regions, public)
        _machine(export, name, nics, regions[nva.nics[0].virtual_network], told or {"stateful": False})


def _nic(export: Export, name: str, nic: Any, regions: Mapping[str, str], public: str | None) -> None:
    network, _, subnet = nic.subnet.partition("/")
    values: Data = {
        "privateIPAllocationMethod": "Static",
        "privateIPAddress": str(nic.address),
        "subnet": export.ref(f"virtualNetworks/{network}/subnets/{subnet}"),
    }
    if public:
        values["publicIPAddress"] = export.ref(f"publicIPAddresses/{public}")
    properties = {"enableIPForwarding": nic.ip_forwarding, "ipConfigurations": [{"name": "ipconfig1", "properties": values}]}
    export.add(f"networkInterfaces/{name}", properties, regions[network])


def _machine(export: Export, name: str, nics: list[str], location: str, told: Data | None) -> None:
    listed = [{**export.ref(f"networkInterfaces/{nic}"), "properties": {"primary": place == 0}} for place, nic in enumerate(nics)]
    properties: Data = {
        "hardwareProfile": {"vmSize": "Standard_B1s"},
        "storageProfile": {"imageReference": dict(IMAGE), "osDisk": {"createOption": "FromImage"}},
        "osProfile": {"computerName": name, "adminUsername": "azureuser", "linuxConfiguration": {"disablePasswordAuthentication": True}},
        "networkProfile": {"networkInterfaces": listed},
    }
    if told:
        properties["userData"] = base64.b64encode(json.dumps(told).encode()).decode()
    export.add(f"{COMPUTE}/virtualMachines/{name}", properties, location)


def _public(export: Export, name: str, location: str) -> None:
    export.add(f"publicIPAddresses/{name}", {"publicIPAllocationMethod": "Static"}, location, sku={"name": "Standard"})


def _balancers(export: Export, network: Network, data: Mapping[str, Any]) -> None:
    for name, balancer in network.load_balancers.items():
        vnet, _, subnet = balancer.subnet.partition("/")
        front = {
            "privateIPAllocationMethod": "Static",
            "privateIPAddress": str(balancer.address),
            "subnet": export.ref(f"virtualNetworks/{vnet}/subnets/{subnet}"),
        }
        members = [network.nvas[each].nics[0] for each in balancer.backends]
        addresses = [
            {"name": nic.name, "properties": {"ipAddress": str(nic.address), "virtualNetwork": export.ref(f"virtualNetworks/{vnet}")}}
            for nic in members
        ]
        probe = {
            "protocol": "Tcp",
            "port": 179,
            "intervalInSeconds": balancer.probe_interval_s,
            "numberOfProbes": balancer.probe_threshold,
            "probeThreshold": balancer.probe_threshold,
        }
        own = f"loadBalancers/{name}"
        rule = {
            "protocol": "All",
            "frontendPort": 0,
            "backendPort": 0,
            "frontendIPConfiguration": export.ref(f"{own}/frontendIPConfigurations/front"),
            "backendAddressPool": export.ref(f"{own}/backendAddressPools/nvas"),
            "probe": export.ref(f"{own}/probes/probe"),
        }
        properties = {
            "frontendIPConfigurations": [{"name": "front", "properties": front}],
            "backendAddressPools": [{"name": "nvas", "properties": {"loadBalancerBackendAddresses": addresses}}],
            "probes": [{"name": "probe", "properties": probe}],
            "loadBalancingRules": [{"name": "all", "properties": rule}],
        }
        export.add(own, properties, sku={"name": "Standard"})


# --- route servers ---------------------------------------------------------------------------------------------------------------


def _servers(export: Export, network: Network, data: Mapping[str, Any], regions: Mapping[str, str]) -> None:
    for name, server in network.route_servers.items():
        location = regions[server.virtual_network]
        given = data["route_servers"][name]
        known = ("virtual_network", "branch_to_branch", "routing_preference", "routing_infrastructure_units", "peers", "description")
        told = {key: value for key, value in given.items() if key not in known}
        if any(isinstance(each, Mapping) and set(each) - {"name", "address", "asn"} for each in given.get("peers", [])):
            told["peers"] = given["peers"]
        properties = {
            "sku": "Standard",
            "allowBranchToBranchTraffic": server.branch_to_branch,
            "hubRoutingPreference": str(server.routing_preference),
            "virtualRouterAutoScaleConfiguration": {"minCapacity": server.routing_infrastructure_units},
        }
        _public(export, f"{name}-pip", location)
        export.add(f"virtualHubs/{name}", properties, location, told or None)
        place = {
            "subnet": export.ref(f"virtualNetworks/{server.virtual_network}/subnets/{ROUTE_SERVER_SUBNET}"),
            "publicIPAddress": export.ref(f"publicIPAddresses/{name}-pip"),
        }
        export.add(f"virtualHubs/{name}/ipConfigurations/Default", place, None)
        for peer in server.peers:
            nva = network.nvas.get(peer.name)
            address, asn = (nva.address, nva.asn) if nva is not None else (peer.address, peer.asn)
            if address is not None and asn is not None:
                export.add(f"virtualHubs/{name}/bgpConnections/{peer.name}", {"peerIp": str(address), "peerAsn": asn}, None)


# --- gateways --------------------------------------------------------------------------------------------------------------------


def _gateways(export: Export, network: Network, data: Mapping[str, Any], regions: Mapping[str, str]) -> None:
    for name, gateway in network.gateways.items():
        location, vpn = regions[gateway.virtual_network], gateway.kind is GatewayKind.VPN
        parts = []
        for place in range(2 if gateway.active_active else 1):
            _public(export, f"{name}-pip{place + 1}", location)
            values = {
                "subnet": export.ref(f"virtualNetworks/{gateway.virtual_network}/subnets/GatewaySubnet"),
                "publicIPAddress": export.ref(f"publicIPAddresses/{name}-pip{place + 1}"),
            }
            parts.append({"name": f"gateway{place + 1}", "properties": values})
        sku = gateway.sku or ("VpnGw1AZ" if vpn else "ErGw1AZ")
        properties: Data = {"gatewayType": str(gateway.kind), "sku": {"name": sku, "tier": sku}, "ipConfigurations": parts}
        if vpn:
            properties |= {
                "enableBgp": True,
                "activeActive": gateway.active_active,
                "vpnType": gateway.vpn_type,
                "bgpSettings": {"asn": gateway.asn},
            }
            if gateway.point_to_site:
                properties["vpnClientConfiguration"] = {
                    "vpnClientAddressPool": {"addressPrefixes": [str(each) for each in gateway.point_to_site]}
                }
        elif gateway.allow_remote_virtual_network_traffic:
            properties["allowRemoteVnetTraffic"] = True
        given = data["virtual_network_gateways"][name]
        told: Data = {key: given[key] for key in ("addresses", "standby_takeover_s") if key in given}
        if gateway.sku is None:
            told["sku"] = None
        export.add(f"virtualNetworkGateways/{name}", properties, location, told or None)


def _circuits(export: Export, network: Network, data: Mapping[str, Any]) -> set[str]:
    """Circuits; the on-premises routers that are in their tags."""
    behind: set[str] = set()
    for name, circuit in network.circuits.items():
        given = data["expressroute_circuits"][name]
        told = {key: given[key] for key in ("max_prefixes", "bfd", "microsoft_asn") if key in given}
        edges = list(dict.fromkeys(circuit.provider_edge))
        if len(edges) == 1 and edges[0] not in behind:
            behind.add(edges[0])
            told |= {"name": edges[0], **{key: value for key, value in data["on_premises"][edges[0]].items() if key != "description"}}
        else:
            told["provider_edge"] = list(given["provider_edge"])
        if circuit.peering_location is None:
            told["peering_location"] = None
        provider = {"serviceProviderName": "Equinix", "peeringLocation": circuit.peering_location or "Amsterdam", "bandwidthInMbps": 50}
        export.add(
            f"expressRouteCircuits/{name}",
            {"serviceProviderProperties": provider},
            tags=told,
            sku={"name": "Standard_MeteredData", "tier": "Standard", "family": "MeteredData"},
        )
        asn = network.on_premises[edges[0]].asn if edges else None
        links = {"primaryPeerAddressPrefix": str(circuit.link_subnets[0]), "secondaryPeerAddressPrefix": str(circuit.link_subnets[1])}
        peering = {"peeringType": "AzurePrivatePeering", "peerASN": asn or 65000, "vlanId": 100, **links}
        export.add(f"expressRouteCircuits/{name}/peerings/AzurePrivatePeering", peering, None)
        for connection in circuit.gateways:
            ends = {
                "virtualNetworkGateway1": export.ref(f"virtualNetworkGateways/{connection.gateway}"),
                "peer": export.ref(f"expressRouteCircuits/{name}"),
            }
            values = {
                "connectionType": "ExpressRoute",
                "routingWeight": connection.routing_weight,
                "expressRouteGatewayBypass": connection.fast_path,
                **ends,
            }
            export.add(f"connections/{connection.gateway}-{name}", values)
    done: set[frozenset[str]] = set()
    for name, circuit in network.circuits.items():
        for other in circuit.global_reach:
            if frozenset((name, other)) not in done:
                done.add(frozenset((name, other)))
                ends = {
                    each: export.ref(f"expressRouteCircuits/{which}/peerings/AzurePrivatePeering")
                    for each, which in (("expressRouteCircuitPeering", name), ("peerExpressRouteCircuitPeering", other))
                }
                export.add(f"expressRouteCircuits/{name}/peerings/AzurePrivatePeering/connections/to-{other}", ends, None)
    return behind


def _connections(export: Export, network: Network, data: Mapping[str, Any]) -> set[str]:
    """VPN connections; the on-premises routers that their local network gateways stand for."""
    behind: set[str] = set()
    later: list[Any] = export.fragment.pop("_later", [])
    for place, each in enumerate(network.vpn_connections, 1):
        name, told = f"{each.gateway}-{each.to}", dict(data["vpn_connections"][place - 1])
        told.pop("description", None)
        base = {
            "virtualNetworkGateway1": export.ref(f"virtualNetworkGateways/{each.gateway}"),
            "routingWeight": each.routing_weight,
            "enableBgp": each.bgp,
        }
        if each.to in network.gateways:
            values = {**base, "connectionType": "Vnet2Vnet", "virtualNetworkGateway2": export.ref(f"virtualNetworkGateways/{each.to}")}
        else:
            router = network.router(each.to)
            assert router is not None, "a connection leads to a gateway or a router"
            if each.to not in behind:
                _local(export, router, data)
            if router.name in network.on_premises:
                behind.add(router.name)
            local = each.to if router.name in network.on_premises else f"{each.to}-lng"
            values = {**base, "connectionType": "IPsec", "localNetworkGateway2": export.ref(f"localNetworkGateways/{local}")}
        if any(taken["id"] == export.id(f"connections/{name}") for taken in export.resources):
            name = f"{name}-{place}"
        export.add(
            f"connections/{name}", values, tags={"bgp": each.bgp, "prefixes": [str(prefix) for prefix in each.prefixes] or None} | told
        )
    for each in later:
        _peering(export, each)
    return behind


def _local(export: Export, router: Router, data: Mapping[str, Any]) -> None:
    prefixes = [str(each) for each in router.prefixes]
    bgp = {"asn": router.asn, "bgpPeeringAddress": str(router.address)} if router.asn is not None and router.address is not None else None
    properties: Data = {
        "localNetworkAddressSpace": {"addressPrefixes": prefixes or ([f"{router.address}/32"] if router.address else ["192.0.2.0/24"])}
    }
    if bgp:
        properties["bgpSettings"] = bgp
    if router.name in data.get("on_premises", {}):
        number = sum(each["type"].endswith("localNetworkGateways") for each in export.resources) + 1
        told = {key: value for key, value in data["on_premises"][router.name].items() if key != "description"}
        properties["gatewayIpAddress"] = f"198.51.100.{number}"
        export.add(f"localNetworkGateways/{router.name}", properties, tags={"only": True, **told})
    else:
        properties["gatewayIpAddress"] = f"[public:{router.name}-pip]"
        export.add(f"localNetworkGateways/{router.name}-lng", properties)


# --- what is left ------------------------------------------------------------------------------------------------------------------


def _fragment(export: Export, topology: Topology, behind: set[str]) -> Data:
    """What must be merged into what the resources make, so that it is this network again."""
    data = topology.data
    fragment: Data = {key: data[key] for key in CARRIED if key in data and key not in ("on_premises", "links", "scenario")}
    routers = {name: value for name, value in data.get("on_premises", {}).items() if name not in behind}
    if routers:
        fragment["on_premises"] = routers
    if topology.network.links:
        fragment["links"] = {
            "<->".join(link.between): _link(item) for link, item in zip(topology.network.links, data["links"], strict=True)
        }
    made = made_of(export.resources, fragment)
    wanted = topology.network
    for section, theirs, ours in _sections(made.network if made else None, wanted):
        for name in [*ours, *[each for each in theirs if each not in ours]]:
            if name not in ours:
                fragment.setdefault(section, {})[name] = None
            elif theirs.get(name) != ours[name]:
                fragment.setdefault(section, {})[name] = data[section][name]
    return fragment


def _link(item: Any) -> Data:
    return {key: value for key, value in item.items() if key not in ("between", "description")} if isinstance(item, Mapping) else {}


def _sections(made: Network | None, wanted: Network) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    names = {
        "virtual_networks": "virtual_networks",
        "route_servers": "route_servers",
        "network_virtual_appliances": "nvas",
        "load_balancers": "load_balancers",
        "virtual_machines": "virtual_machines",
        "virtual_network_gateways": "gateways",
        "expressroute_circuits": "circuits",
        "on_premises": "on_premises",
        "route_tables": "route_tables",
        "network_security_groups": "network_security_groups",
    }
    for section, attribute in names.items():
        yield section, getattr(made, attribute) if made else {}, getattr(wanted, attribute)


def made_of(resources: list[Data], fragment: Data | None = None) -> Topology | None:
    """The topology that the server would make of resources."""
    sandbox = Sandbox()
    sandbox.put_all(resolved(resources, sandbox))
    return world_of(sandbox.records, fragment).topology


def resolved(resources: list[Data], sandbox: Sandbox) -> list[Data]:
    """With public addresses in the place of their names: those that the server will give are known only when they are made."""
    text = json.dumps(resources)
    if "[public:" not in text:
        return resources
    sandbox.put_all([each for each in resources if each["type"].endswith("publicIPAddresses")])
    for record in sandbox.records.of_type("Microsoft.Network/publicIPAddresses"):
        text = text.replace(f"[public:{record.name}]", str(record.properties["ipAddress"]))
    found: list[Data] = json.loads(text)
    return found
