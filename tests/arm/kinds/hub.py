"""A hub for tests of route servers, gateways and machines: a network, its special subnets, public addresses, a NIC."""

from __future__ import annotations

from typing import Any

from tests.arm.azure import GROUP, Azure

COMPUTE = f"{GROUP}/providers/Microsoft.Compute"


def network(az: Azure, name: str = "hub", space: str = "10.1", route_server: str = "26") -> None:
    """A virtual network with all subnets that a hub has."""
    subnets = [
        {"name": word, "properties": {"addressPrefix": f"{space}.{place}"}}
        for word, place in (
            ("RouteServerSubnet", f"0.0/{route_server}"),
            ("GatewaySubnet", "1.0/27"),
            ("nva", "2.0/24"),
            ("workload", "3.0/24"),
        )
    ]
    az.put(f"virtualNetworks/{name}", {"addressSpace": {"addressPrefixes": [f"{space}.0.0/16"]}, "subnets": subnets})


def public(az: Azure, name: str, sku: str = "Standard") -> dict[str, str]:
    """A public address; a reference to it."""
    az.put(f"publicIPAddresses/{name}", {"publicIPAllocationMethod": "Static"}, sku={"name": sku})
    return az.id(f"publicIPAddresses/{name}")


def place(az: Azure, network: str = "hub", subnet: str = "RouteServerSubnet", address: str | None = None) -> dict[str, Any]:
    """Properties of a route server's ipConfiguration."""
    found: dict[str, Any] = {"subnet": az.id(f"virtualNetworks/{network}/subnets/{subnet}")}
    return {**found, "publicIPAddress": az.id(f"publicIPAddresses/{address}")} if address else found


def route_server(az: Azure, name: str = "rs", network: str = "hub", **properties: Any) -> None:
    """A route server in a network that is there."""
    az.put(f"virtualHubs/{name}", {"sku": "Standard", **properties})
    public(az, f"{name}-pip")
    az.put(f"virtualHubs/{name}/ipConfigurations/Default", place(az, network, address=f"{name}-pip"))


def gateway(az: Azure, name: str, kind: str, network: str = "hub", **properties: Any) -> dict[str, Any]:
    """Properties of a gateway with one address, which is made."""
    address = public(az, f"{name}-pip")
    part = {"subnet": az.id(f"virtualNetworks/{network}/subnets/GatewaySubnet"), "publicIPAddress": address}
    return {"gatewayType": kind, "ipConfigurations": [{"name": "default", "properties": part}], **properties}


def nic(az: Azure, name: str, subnet: str = "hub/subnets/nva", **part: Any) -> dict[str, str]:
    """A NIC; a reference to it."""
    properties = {"subnet": az.id(f"virtualNetworks/{subnet}"), **part}
    az.put(f"networkInterfaces/{name}", {"enableIPForwarding": True, "ipConfigurations": [{"name": "ipconfig1", "properties": properties}]})
    return az.id(f"networkInterfaces/{name}")


def machine(*nics: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """Properties of a virtual machine."""
    image = {"publisher": "Canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts-gen2", "version": "latest"}
    return {
        "hardwareProfile": {"vmSize": "Standard_B1s"},
        "networkProfile": {"networkInterfaces": list(nics)},
        "storageProfile": {"imageReference": image},
        "osProfile": {"computerName": "vm", "adminUsername": "azureuser"},
        **properties,
    }
