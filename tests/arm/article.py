"""The article's ExpressRoute network (examples/2-expressroute), as resources in the order in which they can be made."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

Data = dict[str, Any]
Reference = Callable[[str], Data]

SPACES = {"spoke": "10.10", "hub1": "10.1", "hub2": "10.2"}


def user_data(number: int) -> str:
    """What the NVA of a hub says in BGP."""
    rules: Data = {
        "spoke-rs": [
            {"match": {"prefix": {"contains": ["192.168.0.0/16"]}, "learned_from": [f"hub{number}-rs"]}},
            {"actions": {"prefix": "drop"}},
        ],
        f"hub{number}-rs": [
            {"match": {"prefix": {"equals": ["10.10.0.0/16"]}, "learned_from": ["spoke-rs"]}},
            {"actions": {"prefix": "drop"}},
        ],
    }
    return base64.b64encode(json.dumps({"asn": 65000 + number, "as_override": True, "export": rules}).encode()).decode()


def resources(reference: Reference) -> Iterator[tuple[str, Data]]:
    """Path beneath Microsoft.Network (or with its own provider) and body of each."""
    for number in (1, 2):
        routes = [
            {
                "name": "spoke",
                "properties": {"addressPrefix": "10.10.0.0/16", "nextHopType": "VirtualAppliance", "nextHopIpAddress": f"10.{number}.2.4"},
            }
        ]
        yield f"routeTables/gateway{number}-to-nva", {"properties": {"routes": routes}}
    for name, space in SPACES.items():
        yield (
            f"virtualNetworks/{name}",
            {"properties": {"addressSpace": {"addressPrefixes": [f"{space}.0.0/16"]}, "subnets": list(subnets(name, space, reference))}},
        )
    for hub in ("hub1", "hub2"):
        for local, remote in (("spoke", hub), (hub, "spoke")):
            flags = {
                "allowForwardedTraffic": True,
                "allowVirtualNetworkAccess": True,
                "remoteVirtualNetwork": reference(f"virtualNetworks/{remote}"),
            }
            yield f"virtualNetworks/{local}/virtualNetworkPeerings/to-{remote}", {"properties": flags}
    for name in SPACES:
        yield f"publicIPAddresses/{name}-rs-pip", {"sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
        yield f"virtualHubs/{name}-rs", {"properties": {"sku": "Standard", "allowBranchToBranchTraffic": name != "spoke"}}
        place = {
            "subnet": reference(f"virtualNetworks/{name}/subnets/RouteServerSubnet"),
            "publicIPAddress": reference(f"publicIPAddresses/{name}-rs-pip"),
        }
        yield f"virtualHubs/{name}-rs/ipConfigurations/Default", {"properties": place}
    for name, subnet, forwards in (
        ("hub1-nva", "hub1/nva", True),
        ("hub2-nva", "hub2/nva", True),
        ("spoke-vm", "spoke/workload", False),
        ("hub1-vm", "hub1/workload", False),
    ):
        yield from machine(name, subnet, forwards, reference)
    for number in (1, 2):
        yield from branch(number, reference)
    for hub, peers in (("spoke-rs", (1, 2)), ("hub1-rs", (1,)), ("hub2-rs", (2,))):
        for number in peers:
            yield (
                f"virtualHubs/{hub}/bgpConnections/hub{number}-nva",
                {"properties": {"peerAsn": 65000 + number, "peerIp": f"10.{number}.2.4"}},
            )


def subnets(name: str, space: str, reference: Reference) -> Iterator[Data]:
    yield {"name": "RouteServerSubnet", "properties": {"addressPrefix": f"{space}.0.0/26"}}
    if name == "spoke":
        yield {"name": "workload", "properties": {"addressPrefix": f"{space}.1.0/24"}}
        return
    table = reference(f"routeTables/gateway{name[-1]}-to-nva")
    yield {"name": "GatewaySubnet", "properties": {"addressPrefix": f"{space}.1.0/27", "routeTable": table}}
    yield {"name": "nva", "properties": {"addressPrefix": f"{space}.2.0/24"}}
    yield {"name": "workload", "properties": {"addressPrefix": f"{space}.3.0/24"}}


def machine(name: str, subnet: str, forwards: bool, reference: Reference) -> Iterator[tuple[str, Data]]:
    network, _, short = subnet.partition("/")
    part = {
        "name": "ipconfig1",
        "properties": {"privateIPAllocationMethod": "Dynamic", "subnet": reference(f"virtualNetworks/{network}/subnets/{short}")},
    }
    yield f"networkInterfaces/{name}-nic", {"properties": {"enableIPForwarding": forwards, "ipConfigurations": [part]}}
    properties: Data = {
        "hardwareProfile": {"vmSize": "Standard_B1s"},
        "networkProfile": {"networkInterfaces": [reference(f"networkInterfaces/{name}-nic")]},
        "storageProfile": {
            "imageReference": {
                "publisher": "Canonical",
                "offer": "0001-com-ubuntu-server-jammy",
                "sku": "22_04-lts-gen2",
                "version": "latest",
            }
        },
        "osProfile": {"computerName": name, "adminUsername": "azureuser", "linuxConfiguration": {"disablePasswordAuthentication": True}},
    }
    if name.endswith("-nva"):
        properties["userData"] = user_data(int(name[3]))
    yield f"Microsoft.Compute/virtualMachines/{name}", {"properties": properties}


def branch(number: int, reference: Reference) -> Iterator[tuple[str, Data]]:
    """A gateway, its circuit and their connection."""
    hub = f"hub{number}"
    yield f"publicIPAddresses/{hub}-er-pip", {"sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
    part = {
        "name": "default",
        "properties": {
            "subnet": reference(f"virtualNetworks/{hub}/subnets/GatewaySubnet"),
            "publicIPAddress": reference(f"publicIPAddresses/{hub}-er-pip"),
        },
    }
    yield (
        f"virtualNetworkGateways/{hub}-er",
        {"properties": {"gatewayType": "ExpressRoute", "sku": {"name": "ErGw1AZ", "tier": "ErGw1AZ"}, "ipConfigurations": [part]}},
    )
    told = {
        "name": f"dc-r{number}",
        "prefixes": ["192.168.0.0/16"],
        "export": {f"circuit{number}": [{"match": {"learned_from": ["self"]}}, {"actions": {"prefix": "drop"}}]},
    }
    if number == 1:
        told["hosts"] = {"dc-host": "192.168.1.10"}
    provider = {"serviceProviderName": "Equinix", "peeringLocation": "Amsterdam", "bandwidthInMbps": 50}
    yield (
        f"expressRouteCircuits/circuit{number}",
        {"tags": {"dualhome": json.dumps(told)}, "properties": {"serviceProviderProperties": provider}},
    )
    first = 8 * number - 8  # the links that a topology file makes up
    links = {"primaryPeerAddressPrefix": f"169.254.0.{first}/30", "secondaryPeerAddressPrefix": f"169.254.0.{first + 4}/30"}
    peering = {"peeringType": "AzurePrivatePeering", "peerASN": 65010, "vlanId": 100, **links}
    yield f"expressRouteCircuits/circuit{number}/peerings/AzurePrivatePeering", {"properties": peering}
    ends = {
        "virtualNetworkGateway1": reference(f"virtualNetworkGateways/{hub}-er"),
        "peer": reference(f"expressRouteCircuits/circuit{number}"),
    }
    yield f"connections/{hub}-er-circuit{number}", {"properties": {"connectionType": "ExpressRoute", **ends}}
