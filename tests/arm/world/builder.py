"""Resources for tests in few words, put through the server's own rules."""

from __future__ import annotations

import base64
import json
from typing import Any

from dualhome.arm.world import World, world_of
from tests.arm.azure import GROUP, Azure

COMPUTE = f"{GROUP}/providers/Microsoft.Compute/virtualMachines"


def vnet(az: Azure, name: str, space: str, **subnets: str) -> None:
    listed = [{"name": short, "properties": {"addressPrefix": prefix}} for short, prefix in subnets.items()]
    az.put(f"virtualNetworks/{name}", {"addressSpace": {"addressPrefixes": [space]}, "subnets": listed})


def peer(az: Azure, *pair: str, **flags: Any) -> None:
    """Both directions."""
    for near, far in (pair, pair[::-1]):
        values = {"remoteVirtualNetwork": az.id(f"virtualNetworks/{far}"), "allowForwardedTraffic": True, **flags}
        az.put(f"virtualNetworks/{near}/virtualNetworkPeerings/to-{far}", values)


def nic(
    az: Azure, name: str, subnet: str, address: str, *, forwards: bool = False, public: str | None = None, pool: str | None = None
) -> None:
    network, _, short = subnet.partition("/")
    values: dict[str, Any] = {
        "privateIPAllocationMethod": "Static",
        "privateIPAddress": address,
        "subnet": az.id(f"virtualNetworks/{network}/subnets/{short}"),
    }
    if public:
        values["publicIPAddress"] = az.id(f"publicIPAddresses/{public}")
    if pool:
        values["loadBalancerBackendAddressPools"] = [az.id(pool)]
    az.put(f"networkInterfaces/{name}", {"enableIPForwarding": forwards, "ipConfigurations": [{"name": "one", "properties": values}]})


def vm(az: Azure, name: str, *nics: str, user_data: object = None, tag: object = None) -> None:
    properties: dict[str, Any] = {
        "hardwareProfile": {"vmSize": "Standard_B1s"},
        "networkProfile": {
            "networkInterfaces": [{**az.id(f"networkInterfaces/{each}"), "properties": {"primary": each == nics[0]}} for each in nics]
        },
        "storageProfile": {"imageReference": {"publisher": "Canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts-gen2"}},
        "osProfile": {
            "computerName": name[:15],
            "adminUsername": "azureuser",
            "linuxConfiguration": {"disablePasswordAuthentication": True},
        },
    }
    if user_data is not None:
        text = user_data if isinstance(user_data, str) else json.dumps(user_data)
        properties["userData"] = base64.b64encode(text.encode()).decode()
    top = {} if tag is None else {"tags": {"dualhome": tag if isinstance(tag, str) else json.dumps(tag)}}
    az.put(f"{COMPUTE}/{name}", properties, **top)


def public(az: Azure, name: str) -> str:
    """A public address; the address."""
    found = az.put(f"publicIPAddresses/{name}", {"publicIPAllocationMethod": "Static"}, sku={"name": "Standard"})
    return str(found["properties"]["ipAddress"])


def route_server(az: Azure, name: str, network: str, *peers: tuple[str, str, int], **properties: Any) -> None:
    """`peers`: name, address, ASN of each connection."""
    public(az, f"{name}-pip")
    az.put(f"virtualHubs/{name}", {"sku": "Standard", **properties})
    place = {
        "subnet": az.id(f"virtualNetworks/{network}/subnets/RouteServerSubnet"),
        "publicIPAddress": az.id(f"publicIPAddresses/{name}-pip"),
    }
    az.put(f"virtualHubs/{name}/ipConfigurations/Default", place)
    for each, address, asn in peers:
        az.put(f"virtualHubs/{name}/bgpConnections/{each}", {"peerIp": address, "peerAsn": asn})


def gateway(az: Azure, name: str, network: str, kind: str = "Vpn", asn: int = 65515) -> str:
    """A gateway with one public address; the address."""
    address = public(az, f"{name}-pip")
    values = {
        "subnet": az.id(f"virtualNetworks/{network}/subnets/GatewaySubnet"),
        "publicIPAddress": az.id(f"publicIPAddresses/{name}-pip"),
    }
    sku = "VpnGw1AZ" if kind == "Vpn" else "ErGw1AZ"
    more: dict[str, Any] = {"enableBgp": True, "vpnType": "RouteBased", "bgpSettings": {"asn": asn}} if kind == "Vpn" else {}
    az.put(
        f"virtualNetworkGateways/{name}",
        {"gatewayType": kind, "sku": {"name": sku, "tier": sku}, "ipConfigurations": [{"name": "one", "properties": values}], **more},
    )
    return address


def hub(az: Azure) -> None:
    """The network most tests begin with: a hub with all reserved subnets, one for NVAs, and a spoke beside it."""
    vnet(az, "hub", "10.1.0.0/16", RouteServerSubnet="10.1.0.0/26", GatewaySubnet="10.1.1.0/27", nva="10.1.2.0/24")
    vnet(az, "spoke", "10.10.0.0/16", workload="10.10.1.0/24")


def world(az: Azure, extra: Any = None) -> World:
    """What the resources make by now."""
    return world_of(az.service.context.records, extra)


def key(path: str) -> str:
    """A record's key; paths as the client takes them."""
    return (path if path.startswith("/") else f"{GROUP}/providers/Microsoft.Network/{path}").lower()
