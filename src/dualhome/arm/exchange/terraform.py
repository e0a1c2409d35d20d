"""`terraform show -json`: azurerm and azapi resources of a plan or a state, as ARM resources.

Ids are not known in a plan: they are worked out of names, and references are followed by the plan's configuration.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dualhome.arm.exchange.sandbox import SUBSCRIPTION

Data = dict[str, Any]
NETWORK: Final = "Microsoft.Network"


@dataclass(slots=True)
class Block:
    """One resource of Terraform's. `expressions`: what its configuration says of attributes that are not known yet."""

    address: str
    type: str
    values: Data
    expressions: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""

    @property
    def index(self) -> str:
        """`[0]`, `["a"]`, or nothing."""
        found = re.search(r"\[[^\]]*\]$", self.address)
        return found[0] if found else ""


def is_plan(data: Mapping[str, Any]) -> bool:
    """Whether it is of `terraform show -json`."""
    return "terraform_version" in data or "planned_values" in data


class Plan:
    """All blocks, by address."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        values = data.get("planned_values") or data.get("values") or {}
        said = dict(_configured((data.get("configuration") or {}).get("root_module") or {}, ""))
        self.blocks = {each.address: each for each in _blocks(values.get("root_module") or {}, said)}
        self.left: list[tuple[str, str]] = []
        for block in self.blocks.values():
            block.id = str(block.values.get("id") or self._id(block))

    def _id(self, block: Block) -> str:
        if (known := TYPES.get(block.type)) is None or known[0] is None:
            return ""
        values, path = block.values, known[0]
        if block.type == "azurerm_resource_group":
            return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{values.get('name')}"
        filled = re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1]) or "unknown"), path)
        above = known[1]
        if above:
            return f"{self.reference(block, above)}/{filled}"
        return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{values.get('resource_group_name')}/providers/{filled if filled.startswith('Microsoft.') else f'{NETWORK}/{filled}'}"

    def reference(self, block: Block, name: str, within: Mapping[str, Any] | None = None, expressions: Any = None) -> str:
        """The id that an attribute refers to; "" where nobody can say."""
        value = (block.values if within is None else within).get(name)
        if isinstance(value, str) and value.startswith("/"):
            return value
        said = (block.expressions if expressions is None else expressions).get(name) or {}
        for target in said.get("references", []) if isinstance(said, Mapping) else []:
            base = ".".join(str(target).split(".")[:2])
            prefix = block.address.rpartition(f"{block.type}.")[0]
            for wanted in (prefix + base + block.index, prefix + base, base + block.index, base):
                if (found := self.blocks.get(wanted)) is not None:
                    return found.id or self._id(found)
            if (first := next((each for address, each in self.blocks.items() if address.startswith(f"{prefix}{base}[")), None)) is not None:
                return first.id or self._id(first)
        return ""


def _blocks(module: Mapping[str, Any], said: Mapping[str, Any]) -> Iterator[Block]:
    for each in module.get("resources") or []:
        if each.get("mode", "managed") == "managed":
            plain = re.sub(r"\[[^\]]*\]", "", str(each["address"]))
            yield Block(str(each["address"]), str(each["type"]), dict(each.get("values") or {}), said.get(plain, {}))
    for child in module.get("child_modules") or []:
        yield from _blocks(child, said)


def _configured(module: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for each in module.get("resources") or []:
        yield prefix + str(each.get("address")), each.get("expressions") or {}
    for name, call in (module.get("module_calls") or {}).items():
        yield from _configured(call.get("module") or {}, f"{prefix}module.{name}.")


def resources_of_plan(data: Mapping[str, Any]) -> tuple[list[Data], list[tuple[str, str]]]:
    """ARM resources; and blocks that are none, with the reason."""
    plan = Plan(data)
    found: dict[str, Data] = {}
    joins = []
    for block in plan.blocks.values():
        if block.type in JOINS:
            joins.append(block)
        elif block.type == "azapi_resource":
            _azapi(plan, block, found)
        elif block.type in TYPES:
            make = TYPES[block.type][2]
            if make is not None and block.id:
                one = {"id": block.id, "location": block.values.get("location") or "westeurope", "tags": block.values.get("tags") or {}}
                found[block.id.lower()] = one | make(plan, block)
        elif not block.type.startswith(("random_", "null_", "local_", "tls_", "time_")):
            plan.left.append((block.address, f"{block.type} is no part of a topology"))
    for block in joins:
        JOINS[block.type](plan, block, found)
    return list(found.values()), plan.left


def _azapi(plan: Plan, block: Block, found: dict[str, Data]) -> None:
    values = block.values
    type_ = str(values.get("type", "")).partition("@")[0]
    parent = plan.reference(block, "parent_id")
    body = values.get("body") or {}
    body = json.loads(body) if isinstance(body, str) else body
    last = type_.rpartition("/")[2]
    id_ = f"{parent}/{last}/{values.get('name')}" if type_.count("/") > 1 else f"{parent}/providers/{type_}/{values.get('name')}"
    found[id_.lower()] = {"id": id_, "location": values.get("location") or "westeurope", **(body if isinstance(body, dict) else {})}
    block.id = id_


# --- what each type is -----------------------------------------------------------------------------------------------------------


def _first(block: Block, name: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """A nested block, and what its configuration says."""
    values = block.values.get(name) or [{}]
    said = block.expressions.get(name) or [{}]
    return (values[0] if isinstance(values, list) else values), (said[0] if isinstance(said, list) else said)


def _vnet(plan: Plan, block: Block) -> Data:
    properties: Data = {"addressSpace": {"addressPrefixes": list(block.values.get("address_space") or [])}}
    inline = [
        {"name": each["name"], "properties": {"addressPrefixes": each.get("address_prefixes") or [each.get("address_prefix")]}}
        for each in block.values.get("subnet") or []
        if each.get("name")
    ]
    return {"properties": properties | ({"subnets": inline} if inline else {})}


def _subnet(plan: Plan, block: Block) -> Data:
    return {"properties": {"addressPrefixes": list(block.values.get("address_prefixes") or [])}}


def _peering(plan: Plan, block: Block) -> Data:
    v = block.values
    flags = {
        "allowVirtualNetworkAccess": v.get("allow_virtual_network_access", True),
        "allowForwardedTraffic": bool(v.get("allow_forwarded_traffic")),
    }
    flags |= {"allowGatewayTransit": bool(v.get("allow_gateway_transit")), "useRemoteGateways": bool(v.get("use_remote_gateways"))}
    return {"properties": {**flags, "remoteVirtualNetwork": {"id": plan.reference(block, "remote_virtual_network_id")}}}


def _public(plan: Plan, block: Block) -> Data:
    return {
        "sku": {"name": block.values.get("sku") or "Standard"},
        "properties": {"publicIPAllocationMethod": block.values.get("allocation_method") or "Static"},
    }


def _nic(plan: Plan, block: Block) -> Data:
    parts = []
    said = block.expressions.get("ip_configuration") or []
    for place, each in enumerate(block.values.get("ip_configuration") or []):
        inner = said[place] if isinstance(said, list) and place < len(said) else {}
        values: Data = {
            "privateIPAllocationMethod": each.get("private_ip_address_allocation") or "Dynamic",
            "subnet": {"id": plan.reference(block, "subnet_id", each, inner)},
        }
        if each.get("private_ip_address"):
            values["privateIPAddress"] = each["private_ip_address"]
        if public := plan.reference(block, "public_ip_address_id", each, inner):
            values["publicIPAddress"] = {"id": public}
        parts.append({"name": each.get("name") or f"ipconfig{place}", "properties": values})
    forwards = block.values.get("ip_forwarding_enabled", block.values.get("enable_ip_forwarding"))
    return {"properties": {"enableIPForwarding": bool(forwards), "ipConfigurations": parts}}


def _vm(plan: Plan, block: Block) -> Data:
    v = block.values
    ids = [each for each in v.get("network_interface_ids") or [] if isinstance(each, str) and each.startswith("/")]
    if not ids:
        said = block.expressions.get("network_interface_ids") or {}
        names = dict.fromkeys(
            re.sub(r"\[[^\]]*\]", "", ".".join(str(each).split(".")[:2]))
            for each in said.get("references", [])
            if str(each).startswith("azurerm_network_interface.")
        )
        ids = [plan.reference(block, "nic", {}, {"nic": {"references": [name]}}) for name in names]
    nics = [{"id": id_, "properties": {"primary": place == 0}} for place, id_ in enumerate(ids)]
    profile: Data = {"computerName": v.get("computer_name") or v.get("name"), "adminUsername": v.get("admin_username") or "azureuser"}
    if v.get("custom_data"):
        profile["customData"] = v["custom_data"]
    image, _ = _first(block, "source_image_reference")
    one: Data = {
        "hardwareProfile": {"vmSize": v.get("size") or v.get("vm_size") or "Standard_B1s"},
        "networkProfile": {"networkInterfaces": nics},
        "osProfile": profile,
    }
    one["storageProfile"] = {"imageReference": {key: image[key] for key in ("publisher", "offer", "sku", "version") if image.get(key)}}
    return {"properties": one | ({"userData": v["user_data"]} if v.get("user_data") else {})}


def _route(values: Mapping[str, Any]) -> Data:
    kind = {"VnetLocal": "VnetLocal"}.get(str(values.get("next_hop_type")), values.get("next_hop_type"))
    one = {"addressPrefix": values.get("address_prefix"), "nextHopType": kind}
    return one | ({"nextHopIpAddress": values["next_hop_in_ip_address"]} if values.get("next_hop_in_ip_address") else {})


def _table(plan: Plan, block: Block) -> Data:
    v = block.values
    routes = [{"name": each["name"], "properties": _route(each)} for each in v.get("route") or []]
    off = (
        not v["bgp_route_propagation_enabled"]
        if v.get("bgp_route_propagation_enabled") is not None
        else bool(v.get("disable_bgp_route_propagation"))
    )
    return {"properties": {"disableBgpRoutePropagation": off, "routes": routes}}


def _hub(plan: Plan, block: Block) -> Data:
    v = block.values
    preference = v.get("hub_routing_preference") or "ExpressRoute"
    return {
        "properties": {
            "sku": v.get("sku") or "Standard",
            "allowBranchToBranchTraffic": bool(v.get("branch_to_branch_traffic_enabled")),
            "hubRoutingPreference": preference,
        }
    }


def _bgp(plan: Plan, block: Block) -> Data:
    return {"properties": {"peerAsn": block.values.get("peer_asn"), "peerIp": block.values.get("peer_ip")}}


def _gateway(plan: Plan, block: Block) -> Data:
    v = block.values
    parts = []
    said = block.expressions.get("ip_configuration") or []
    for place, each in enumerate(v.get("ip_configuration") or []):
        inner = said[place] if isinstance(said, list) and place < len(said) else {}
        values: Data = {"subnet": {"id": plan.reference(block, "subnet_id", each, inner)}}
        if public := plan.reference(block, "public_ip_address_id", each, inner):
            values["publicIPAddress"] = {"id": public}
        parts.append({"name": each.get("name") or f"gateway{place}", "properties": values})
    bgp, _ = _first(block, "bgp_settings")
    sku = v.get("sku") or "VpnGw1AZ"
    one: Data = {
        "gatewayType": v.get("type") or "Vpn",
        "vpnType": v.get("vpn_type") or "RouteBased",
        "ipConfigurations": parts,
        "sku": {"name": sku, "tier": sku},
    }
    one |= {"activeActive": bool(v.get("active_active")), "enableBgp": bool(v.get("bgp_enabled", v.get("enable_bgp")))}
    return {"properties": one | ({"bgpSettings": {"asn": bgp["asn"]}} if bgp.get("asn") else {})}


def _local(plan: Plan, block: Block) -> Data:
    v = block.values
    bgp, _ = _first(block, "bgp_settings")
    one: Data = {
        "gatewayIpAddress": v.get("gateway_address") or "198.51.100.1",
        "localNetworkAddressSpace": {"addressPrefixes": v.get("address_space") or []},
    }
    return {
        "properties": one
        | ({"bgpSettings": {"asn": bgp["asn"], "bgpPeeringAddress": bgp.get("bgp_peering_address")}} if bgp.get("asn") else {})
    }


def _connection(plan: Plan, block: Block) -> Data:
    v = block.values
    one: Data = {
        "connectionType": v.get("type"),
        "enableBgp": bool(v.get("bgp_enabled", v.get("enable_bgp"))),
        "routingWeight": v.get("routing_weight") or 0,
    }
    ends = {"virtual_network_gateway_id": "virtualNetworkGateway1", "peer_virtual_network_gateway_id": "virtualNetworkGateway2"}
    for ours, theirs in {**ends, "local_network_gateway_id": "localNetworkGateway2", "express_route_circuit_id": "peer"}.items():
        if id_ := plan.reference(block, ours):
            one[theirs] = {"id": id_}
    return {"properties": one}


def _circuit(plan: Plan, block: Block) -> Data:
    v, sku = block.values, _first(block, "sku")[0]
    provider = {
        "serviceProviderName": v.get("service_provider_name") or "Equinix",
        "peeringLocation": v.get("peering_location") or "Amsterdam",
        "bandwidthInMbps": v.get("bandwidth_in_mbps") or 50,
    }
    return {
        "sku": {"tier": sku.get("tier") or "Standard", "family": sku.get("family") or "MeteredData"},
        "properties": {"serviceProviderProperties": provider},
    }


def _circuit_peering(plan: Plan, block: Block) -> Data:
    v = block.values
    one = {"peeringType": v.get("peering_type"), "peerASN": v.get("peer_asn"), "vlanId": v.get("vlan_id")}
    return {
        "properties": one
        | {
            "primaryPeerAddressPrefix": v.get("primary_peer_address_prefix"),
            "secondaryPeerAddressPrefix": v.get("secondary_peer_address_prefix"),
        }
    }


def _balancer(plan: Plan, block: Block) -> Data:
    parts = []
    said = block.expressions.get("frontend_ip_configuration") or []
    for place, each in enumerate(block.values.get("frontend_ip_configuration") or []):
        inner = said[place] if isinstance(said, list) and place < len(said) else {}
        values: Data = {}
        if subnet := plan.reference(block, "subnet_id", each, inner):
            values["subnet"] = {"id": subnet}
        if public := plan.reference(block, "public_ip_address_id", each, inner):
            values["publicIPAddress"] = {"id": public}
        if each.get("private_ip_address"):
            values |= {"privateIPAddress": each["private_ip_address"], "privateIPAllocationMethod": "Static"}
        parts.append({"name": each.get("name") or f"front{place}", "properties": values})
    return {
        "sku": {"name": block.values.get("sku") or "Standard"},
        "properties": {"frontendIPConfigurations": parts, "backendAddressPools": [], "loadBalancingRules": [], "probes": []},
    }


def _security(plan: Plan, block: Block) -> Data:
    words = {"priority": "priority", "direction": "direction", "access": "access", "protocol": "protocol",
             "source_port_range": "sourcePortRange", "destination_port_range": "destinationPortRange",
             "source_address_prefix": "sourceAddressPrefix", "destination_address_prefix": "destinationAddressPrefix", "source_address_prefixes": "sourceAddressPrefixes",
             "destination_address_prefixes": "destinationAddressPrefixes", "destination_port_ranges": "destinationPortRanges"}  # fmt: skip
    rules = [
        {"name": each["name"], "properties": {theirs: each[ours] for ours, theirs in words.items() if each.get(ours) not in (None, "", [])}}
        for each in block.values.get("security_rule") or []
    ]
    return {"properties": {"securityRules": rules}}


Make = Callable[[Plan, Block], Data]
TYPES: Final[dict[str, tuple[str | None, str, Make | None]]] = {
    "azurerm_resource_group": ("{name}", "", None),
    "azurerm_virtual_network": ("virtualNetworks/{name}", "", _vnet),
    "azurerm_subnet": ("virtualNetworks/{virtual_network_name}/subnets/{name}", "", _subnet),
    "azurerm_virtual_network_peering": ("virtualNetworks/{virtual_network_name}/virtualNetworkPeerings/{name}", "", _peering),
    "azurerm_public_ip": ("publicIPAddresses/{name}", "", _public),
    "azurerm_network_interface": ("networkInterfaces/{name}", "", _nic),
    "azurerm_linux_virtual_machine": ("Microsoft.Compute/virtualMachines/{name}", "", _vm),
    "azurerm_windows_virtual_machine": ("Microsoft.Compute/virtualMachines/{name}", "", _vm),
    "azurerm_virtual_machine": ("Microsoft.Compute/virtualMachines/{name}", "", _vm),
    "azurerm_route_table": ("routeTables/{name}", "", _table),
    "azurerm_route": ("routeTables/{route_table_name}/routes/{name}", "", lambda plan, block: {"properties": _route(block.values)}),
    "azurerm_route_server": ("virtualHubs/{name}", "", _hub),
    "azurerm_route_server_bgp_connection": ("bgpConnections/{name}", "route_server_id", _bgp),
    "azurerm_virtual_network_gateway": ("virtualNetworkGateways/{name}", "", _gateway),
    "azurerm_local_network_gateway": ("localNetworkGateways/{name}", "", _local),
    "azurerm_virtual_network_gateway_connection": ("connections/{name}", "", _connection),
    "azurerm_express_route_circuit": ("expressRouteCircuits/{name}", "", _circuit),
    "azurerm_express_route_circuit_peering": (
        "expressRouteCircuits/{express_route_circuit_name}/peerings/{peering_type}",
        "",
        _circuit_peering,
    ),
    "azurerm_express_route_circuit_authorization": (
        "expressRouteCircuits/{express_route_circuit_name}/authorizations/{name}",
        "",
        lambda plan, block: {"properties": {}},
    ),
    "azurerm_lb": ("loadBalancers/{name}", "", _balancer),
    "azurerm_lb_backend_address_pool": ("backendAddressPools/{name}", "loadbalancer_id", None),
    "azurerm_lb_probe": ("probes/{name}", "loadbalancer_id", None),
    "azurerm_lb_rule": ("loadBalancingRules/{name}", "loadbalancer_id", None),
    "azurerm_network_security_group": ("networkSecurityGroups/{name}", "", _security),
}


# --- blocks that join others ---------------------------------------------------------------------------------------------------------


def _subnet_has(theirs: str, ours: str) -> Callable[[Plan, Block, dict[str, Data]], None]:
    def join(plan: Plan, block: Block, found: dict[str, Data]) -> None:
        subnet, target = found.get(plan.reference(block, "subnet_id").lower()), plan.reference(block, ours)
        if subnet is not None and target:
            subnet["properties"][theirs] = {"id": target}
        else:
            plan.left.append((block.address, "what it joins can't be told from the plan"))

    return join


def _pool(plan: Plan, block: Block, found: dict[str, Data]) -> None:
    balancer = found.get(plan.reference(block, "loadbalancer_id").lower())
    if balancer is not None:
        balancer["properties"]["backendAddressPools"].append({"name": block.values["name"], "properties": {}})


def _member(plan: Plan, block: Block, found: dict[str, Data]) -> None:
    nic, pool = found.get(plan.reference(block, "network_interface_id").lower()), plan.reference(block, "backend_address_pool_id")
    if nic is not None and pool:
        nic["properties"]["ipConfigurations"][0]["properties"].setdefault("loadBalancerBackendAddressPools", []).append({"id": pool})


def _place(plan: Plan, block: Block, found: dict[str, Data]) -> None:
    """azurerm has the ipConfiguration of a route server in the route server itself."""
    if not block.id:
        return
    id_ = f"{block.id}/ipConfigurations/Default"
    place = {"subnet": {"id": plan.reference(block, "subnet_id")}, "publicIPAddress": {"id": plan.reference(block, "public_ip_address_id")}}
    found[id_.lower()] = {"id": id_, "properties": {name: value for name, value in place.items() if value["id"]}}
    one = {"id": block.id, "location": block.values.get("location") or "westeurope", "tags": block.values.get("tags") or {}}
    found[block.id.lower()] = one | _hub(plan, block)


JOINS: Final[dict[str, Callable[[Plan, Block, dict[str, Data]], None]]] = {
    "azurerm_route_server": _place,
    "azurerm_subnet_route_table_association": _subnet_has("routeTable", "route_table_id"),
    "azurerm_subnet_network_security_group_association": _subnet_has("networkSecurityGroup", "network_security_group_id"),
    "azurerm_lb_backend_address_pool": _pool,
    "azurerm_network_interface_backend_address_pool_association": _member,
}
