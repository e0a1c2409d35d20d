"""What Azure refuses, with its status and code, and that nothing is changed by asking: a network with a bit of everything, and requests that don't fit it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.arm.azure import GROUP, Azure, azure

NETWORK = "virtualNetworks"
OVERLAPS = "VnetAddressSpacesOverlap"


def subnet(name: str, prefix: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "properties": {"addressPrefix": prefix, **more}}


def space(*prefixes: str, subnets: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"addressSpace": {"addressPrefixes": list(prefixes)}} | ({"subnets": subnets} if subnets is not None else {})


def part(az: Azure, at: str, public: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "ipConfigurations": [
            {
                "name": "one",
                "properties": {"subnet": az.id(f"{NETWORK}/{at}"), **({"publicIPAddress": az.id(public)} if public else {}), **more},
            }
        ]
    }


def peering(az: Azure, to: str, **flags: bool) -> dict[str, Any]:
    return {"remoteVirtualNetwork": az.id(f"{NETWORK}/{to}"), "allowVirtualNetworkAccess": True, **flags}


def gateway(az: Azure, network: str, public: str, kind: str = "Vpn", **more: Any) -> dict[str, Any]:
    sku = {"name": "VpnGw1", "tier": "VpnGw1"} if kind == "Vpn" else {"name": "Standard", "tier": "Standard"}
    found = {"gatewayType": kind, "sku": sku, "enableBgp": True, **part(az, f"{network}/subnets/GatewaySubnet", public), **more}
    return found | ({"vpnType": "RouteBased"} if kind == "Vpn" else {})


@pytest.fixture
def az() -> Iterator[Azure]:
    """hub (10.0/16) with a route server, a VPN gateway, an NVA's NIC; spoke (10.1/16) peered with it; far (10.0/16 again); bare (10.9/16)."""
    with azure() as found:
        hub = [
            subnet(*each)
            for each in (
                ("RouteServerSubnet", "10.0.0.0/26"),
                ("GatewaySubnet", "10.0.1.0/26"),
                ("nva", "10.0.2.0/29"),
                ("free", "10.0.3.0/24"),
            )
        ]
        found.put(f"{NETWORK}/hub", space("10.0.0.0/16", subnets=hub))
        found.put(f"{NETWORK}/spoke", space("10.1.0.0/16", subnets=[subnet("vms", "10.1.1.0/24"), subnet("GatewaySubnet", "10.1.2.0/26")]))
        found.put(f"{NETWORK}/far", space("10.0.0.0/16"))
        found.put(
            f"{NETWORK}/bare",
            space("10.9.0.0/16", subnets=[subnet("RouteServerSubnet", "10.9.0.0/27"), subnet("GatewaySubnet", "10.9.1.0/26")]),
        )
        for name in ("rs-ip", "gw-ip", "free-ip"):
            found.put(f"publicIPAddresses/{name}", {"publicIPAllocationMethod": "Static"}, sku={"name": "Standard"})
        found.put("virtualHubs/rs", {"sku": "Standard"})
        found.put(
            "virtualHubs/rs/ipConfigurations/one",
            {"subnet": found.id(f"{NETWORK}/hub/subnets/RouteServerSubnet"), "publicIPAddress": found.id("publicIPAddresses/rs-ip")},
        )
        found.put("networkInterfaces/nva", part(found, "hub/subnets/nva", privateIPAddress="10.0.2.4", privateIPAllocationMethod="Static"))
        found.put("virtualHubs/rs/bgpConnections/nva", {"peerIp": "10.0.2.4", "peerAsn": 65001})
        found.put("virtualNetworkGateways/gw", gateway(found, "hub", "publicIPAddresses/gw-ip", bgpSettings={"asn": 65515}))
        found.put("routeTables/udr", {"routes": [{"name": "one", "properties": {"addressPrefix": "10.5.0.0/16", "nextHopType": "None"}}]})
        found.put("networkSecurityGroups/nsg")
        found.put(
            f"{NETWORK}/spoke/subnets/vms",
            {
                "addressPrefix": "10.1.1.0/24",
                "routeTable": found.id("routeTables/udr"),
                "networkSecurityGroup": found.id("networkSecurityGroups/nsg"),
            },
        )
        found.put(f"{NETWORK}/hub/virtualNetworkPeerings/to-spoke", peering(found, "spoke", allowGatewayTransit=True))
        found.put(f"{NETWORK}/spoke/virtualNetworkPeerings/to-hub", peering(found, "hub", useRemoteGateways=True))
        found.put(
            "localNetworkGateways/site",
            {"localNetworkAddressSpace": {"addressPrefixes": ["192.168.0.0/24"]}, "gatewayIpAddress": "203.0.113.1"},
        )
        found.put(
            "connections/site",
            {
                "connectionType": "IPsec",
                "virtualNetworkGateway1": found.id("virtualNetworkGateways/gw"),
                "localNetworkGateway2": found.id("localNetworkGateways/site"),
                "sharedKey": "abc123",
            },
        )
        yield found


def put(path: str, make: Any, status: int, code: str, **top: Any) -> Any:
    """A PUT that is refused: `make` gives the properties."""
    return pytest.param("PUT", path, make, top, status, code, id=f"{code}: {path}")


def delete(path: str, status: int, code: str) -> Any:
    return pytest.param("DELETE", path, None, {}, status, code, id=f"{code}: delete {path}")


CASES = [
    # networks, R1 to R17
    put(f"{NETWORK}/x", lambda az: {}, 400, "InvalidRequestFormat"),
    put(f"{NETWORK}/x", lambda az: space("10.0.0.1/16"), 400, "InvalidCIDRNotation"),
    put(f"{NETWORK}/x", lambda az: space("ten"), 400, "InvalidAddressPrefixFormat"),
    put(f"{NETWORK}/x", lambda az: space("10.3.0.0/16", "10.3.4.0/24"), 400, "VnetAddressPrefixesOverlap"),
    put(f"{NETWORK}/x", lambda az: space("10.3.0.0/16", subnets=[subnet("a", "10.4.0.0/24")]), 400, "NetcfgInvalidSubnet"),
    put(
        f"{NETWORK}/x",
        lambda az: space("10.3.0.0/16", subnets=[subnet("a", "10.3.0.0/24"), subnet("b", "10.3.0.0/25")]),
        400,
        "NetcfgSubnetRangesOverlap",
    ),
    put(f"{NETWORK}/hub", lambda az: space("10.7.0.0/16"), 400, "NetcfgInvalidSubnet"),
    put(f"{NETWORK}/hub/subnets/new", lambda az: {"addressPrefix": "10.0.3.0/25"}, 400, "NetcfgSubnetRangesOverlap"),
    put(f"{NETWORK}/hub/subnets/new", lambda az: {}, 400, "InvalidRequestFormat"),
    put(f"{NETWORK}/far/subnets/RouteServerSubnet", lambda az: {"addressPrefix": "10.0.0.0/28"}, 400, "InvalidSubnetSize"),
    put(f"{NETWORK}/hub/subnets/tiny", lambda az: {"addressPrefix": "10.0.9.0/30"}, 400, "NetcfgInvalidSubnet"),
    put(f"{NETWORK}/hub/subnets/nva", lambda az: {"addressPrefix": "10.0.8.0/24"}, 400, "InUsePrefixCannotBeDeleted"),
    put(f"{NETWORK}/none/subnets/a", lambda az: {"addressPrefix": "10.0.0.0/24"}, 404, "ParentResourceNotFound"),
    put(
        f"{NETWORK}/hub/subnets/free",
        lambda az: {"addressPrefix": "10.0.3.0/24", "routeTable": az.id("routeTables/none")},
        400,
        "InvalidResourceReference",
    ),
    put(
        f"{NETWORK}/hub/subnets/RouteServerSubnet",
        lambda az: {"addressPrefix": "10.0.0.0/26", "routeTable": az.id("routeTables/udr")},
        400,
        "RouteTableCannotBeAttachedToRouteServerSubnet",
    ),
    # peerings, R15 to R32
    put(f"{NETWORK}/hub/virtualNetworkPeerings/x", lambda az: peering(az, "far"), 400, OVERLAPS),
    put(f"{NETWORK}/spoke/virtualNetworkPeerings/x", lambda az: peering(az, "far"), 400, "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet"),
    put(f"{NETWORK}/hub/virtualNetworkPeerings/x", lambda az: peering(az, "spoke"), 400, "AnotherPeeringAlreadyReferencesRemoteVnet"),
    put(f"{NETWORK}/hub/virtualNetworkPeerings/x", lambda az: peering(az, "hub"), 400, "VnetCannotBePeeredWithItself"),
    put(f"{NETWORK}/hub/virtualNetworkPeerings/x", lambda az: peering(az, "none"), 400, "InvalidResourceReference"),
    put(f"{NETWORK}/hub/virtualNetworkPeerings/to-spoke", lambda az: peering(az, "bare"), 400, "CannotUpdateRemoteVirtualNetwork"),
    put(
        f"{NETWORK}/spoke/virtualNetworkPeerings/x",
        lambda az: peering(az, "bare", useRemoteGateways=True),
        400,
        "PeeringCannotHaveUseRemoteGatewaysFlag",
    ),
    put(f"{NETWORK}/bare/virtualNetworkPeerings/x", lambda az: peering(az, "far", useRemoteGateways=True), 400, "RemoteVnetHasNoGateways"),
    put(
        f"{NETWORK}/hub/virtualNetworkPeerings/to-spoke",
        lambda az: peering(az, "spoke", useRemoteGateways=True),
        400,
        "VnetHasGatewaysAndUseRemoteGateways",
    ),
    # routes, R50 to R54
    put("routeTables/udr/routes/two", lambda az: {"addressPrefix": "10.5.0.0/16", "nextHopType": "None"}, 400, "RouteConflict"),
    put(
        "routeTables/udr/routes/two",
        lambda az: {"addressPrefix": "10.6.0.0/16", "nextHopType": "VirtualAppliance"},
        400,
        "InvalidRouteNextHop",
    ),
    put(
        "routeTables/udr/routes/two",
        lambda az: {"addressPrefix": "10.6.0.0/16", "nextHopType": "Internet", "nextHopIpAddress": "10.0.2.4"},
        400,
        "RouteCannotHaveNextHopIpAddress",
    ),
    put("routeTables/udr/routes/two", lambda az: {"addressPrefix": "10.6.0.0/16", "nextHopType": "Elsewhere"}, 400, "InvalidRequestFormat"),
    # addresses, R2
    put(
        "networkInterfaces/x",
        lambda az: part(az, "hub/subnets/free", privateIPAddress="10.0.3.3", privateIPAllocationMethod="Static"),
        400,
        "PrivateIPAddressInReservedRange",
    ),
    put(
        "networkInterfaces/x",
        lambda az: part(az, "hub/subnets/free", privateIPAddress="10.0.3.255", privateIPAllocationMethod="Static"),
        400,
        "PrivateIPAddressInReservedRange",
    ),
    put(
        "networkInterfaces/x",
        lambda az: part(az, "hub/subnets/free", privateIPAddress="10.0.4.4", privateIPAllocationMethod="Static"),
        400,
        "PrivateIPAddressNotInSubnet",
    ),
    put(
        "networkInterfaces/x",
        lambda az: part(az, "hub/subnets/nva", privateIPAddress="10.0.2.4", privateIPAllocationMethod="Static"),
        400,
        "PrivateIPAddressIsAllocated",
    ),
    put("networkInterfaces/x", lambda az: part(az, "hub/subnets/none"), 400, "InvalidResourceReference"),
    put("networkInterfaces/x", lambda az: part(az, "hub/subnets/GatewaySubnet"), 400, "SubnetIsReservedForGateways"),
    put("networkInterfaces/x", lambda az: part(az, "hub/subnets/free", "publicIPAddresses/rs-ip"), 400, "PublicIPAddressInUse"),
    put("networkInterfaces/x", lambda az: {}, 400, "InvalidRequestFormat"),
    put(
        "publicIPAddresses/x",
        lambda az: {"publicIPAllocationMethod": "Dynamic"},
        400,
        "StandardSkuPublicIPAddressMustBeStatic",
        sku={"name": "Standard"},
    ),
    # route servers, R5 to R10, R73 to R89, R123
    put(
        "virtualHubs/two/ipConfigurations/one",
        lambda az: {"subnet": az.id(f"{NETWORK}/hub/subnets/RouteServerSubnet"), "publicIPAddress": az.id("publicIPAddresses/free-ip")},
        404,
        "ParentResourceNotFound",
    ),
    put(
        "virtualHubs/rs/ipConfigurations/two",
        lambda az: {"subnet": az.id(f"{NETWORK}/hub/subnets/RouteServerSubnet"), "publicIPAddress": az.id("publicIPAddresses/free-ip")},
        400,
        "MultipleIpConfigurationsNotSupported",
    ),
    put("virtualHubs/rs/bgpConnections/x", lambda az: {"peerIp": "10.0.2.5", "peerAsn": 65515}, 400, "HubBgpConnectionInvalidPeerAsn"),
    put("virtualHubs/rs/bgpConnections/x", lambda az: {"peerIp": "10.0.2.5", "peerAsn": 0}, 400, "InvalidRequestFormat"),
    put("virtualHubs/rs/bgpConnections/x", lambda az: {"peerIp": "10.0.2.5", "peerAsn": 2**32}, 400, "HubBgpConnectionInvalidPeerAsn"),
    put("virtualHubs/rs/bgpConnections/x", lambda az: {"peerIp": "10.0.2.4", "peerAsn": 65002}, 400, "HubBgpConnectionPeerIpAlreadyInUse"),
    put("virtualHubs/rs/bgpConnections/x", lambda az: {"peerIp": "here", "peerAsn": 65002}, 400, "InvalidIPAddress"),
    # gateways and connections
    put(
        "virtualNetworkGateways/two", lambda az: gateway(az, "hub", "publicIPAddresses/free-ip"), 400, "VirtualNetworkGatewayAlreadyExists"
    ),
    put("virtualNetworkGateways/x", lambda az: gateway(az, "far", "publicIPAddresses/free-ip"), 400, "InvalidResourceReference"),
    put(
        "virtualNetworkGateways/x",
        lambda az: {**gateway(az, "bare", "publicIPAddresses/free-ip"), **part(az, "bare/subnets/GatewaySubnet")},
        400,
        "InvalidRequestFormat",
    ),
    put(
        "connections/x",
        lambda az: {
            "connectionType": "IPsec",
            "virtualNetworkGateway1": az.id("virtualNetworkGateways/none"),
            "localNetworkGateway2": az.id("localNetworkGateways/site"),
        },
        400,
        "InvalidResourceReference",
    ),
    # deletes
    delete(f"{NETWORK}/hub", 400, "InUseSubnetCannotBeDeleted"),
    delete(f"{NETWORK}/hub/subnets/nva", 400, "InUseSubnetCannotBeDeleted"),
    delete("publicIPAddresses/rs-ip", 400, "PublicIPAddressCannotBeDeleted"),
    delete("routeTables/udr", 400, "InUseRouteTableCannotBeDeleted"),
    delete("networkSecurityGroups/nsg", 400, "InUseNetworkSecurityGroupCannotBeDeleted"),
    delete("localNetworkGateways/site", 400, "LocalNetworkGatewayCannotBeDeleted"),
    delete("virtualNetworkGateways/gw", 400, "VirtualNetworkGatewayCannotBeDeleted"),
    # what is no such thing
    put("virtualNetwork/x", lambda az: {}, 404, "InvalidResourceType"),
    delete("virtualNetworks/none", 204, ""),
]


def everything(az: Azure) -> Any:
    return (
        az.get(f"{GROUP}/resources"),
        az.get(f"{NETWORK}/hub"),
        az.get(f"{NETWORK}/spoke"),
        az.get("routeTables/udr"),
        az.get("virtualHubs/rs/bgpConnections"),
    )


@pytest.mark.parametrize(("method", "path", "make", "top", "status", "code"), CASES)
def test_refused(az: Azure, method: str, path: str, make: Any, top: dict[str, Any], status: int, code: str) -> None:
    before = everything(az)
    body = None if make is None else {"location": "westeurope", "properties": make(az), **top}
    answer = az.ask(method, path, body)
    found = answer.json()["error"]["code"] if answer.content else ""
    assert (answer.status_code, found) == (status, code), answer.text
    if found:
        assert len(answer.json()["error"]["message"]) > 20
    assert everything(az) == before, "nothing is half done"


def test_a_second_route_server_in_a_network(az: Azure) -> None:
    az.put("virtualHubs/two", {"sku": "Standard"})
    at = {"subnet": az.id(f"{NETWORK}/hub/subnets/RouteServerSubnet"), "publicIPAddress": az.id("publicIPAddresses/free-ip")}
    body = {"properties": at}
    assert az.refused("PUT", "virtualHubs/two/ipConfigurations/one", body) == (400, "VirtualNetworkHasRouteServer")
    assert az.get("virtualHubs/two/ipConfigurations")["value"] == []


def test_a_ninth_peer(az: Azure) -> None:
    for number in range(2, 9):
        az.put(f"virtualHubs/rs/bgpConnections/peer{number}", {"peerIp": f"10.0.3.{number + 10}", "peerAsn": 65100 + number})
    body = {"properties": {"peerIp": "10.0.3.30", "peerAsn": 65120}}
    assert az.refused("PUT", "virtualHubs/rs/bgpConnections/peer9", body) == (400, "MaximumLocalNetworkSitesLimitReachedForGateway")


def test_an_api_version_that_there_is_none_of(az: Azure) -> None:
    for version, code in (("1999-01-01", "NoRegisteredProviderFound"), ("soon", "InvalidApiVersionParameter")):
        answer = az.client.get(f"{GROUP}/providers/Microsoft.Network/{NETWORK}/hub?api-version={version}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), answer.text
    answer = az.client.get(f"{GROUP}/providers/Microsoft.Network/{NETWORK}/hub")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "MissingApiVersionParameter")


def resource(name: str, *needs: str) -> dict[str, Any]:
    depends = [f"[resourceId('Microsoft.Network/routeTables', '{each}')]" for each in needs]
    return {
        "type": "Microsoft.Network/routeTables",
        "apiVersion": "2024-05-01",
        "name": name,
        "location": "westeurope",
        "dependsOn": depends,
    }


@pytest.mark.parametrize(
    ("template", "code", "said"),
    [
        ({"resources": [resource("a", "b"), resource("b", "a")]}, "InvalidTemplate", "Circular dependency"),
        ({"resources": [resource("a", "none")]}, "InvalidTemplate", "none"),
        ({"resources": [resource("[parameters('nowhere')]")]}, "InvalidTemplate", "nowhere"),
        ({"resources": [resource("[concat('a']")]}, "InvalidTemplate", "concat"),
        ({"resources": [resource("[nofunction('a')]")]}, "InvalidTemplate", "nofunction"),
        ({"resources": [resource("a"), resource("a")]}, "InvalidTemplate", "defined multiple times"),
        ({"parameters": {"given": {"type": "string"}}, "resources": []}, "InvalidTemplate", "given"),
    ],
)
def test_templates(az: Azure, template: dict[str, Any], code: str, said: str) -> None:
    schema = {"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0"}
    body = {"properties": {"mode": "Incremental", "template": {**schema, **template}}}
    path = f"{GROUP}/providers/Microsoft.Resources/deployments/wrong"
    answer = az.ask("PUT", path, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), answer.text
    assert said in answer.json()["error"]["message"]
    assert az.ask("GET", path).status_code == 404
    assert {each["name"] for each in az.get("routeTables")["value"]} == {"udr"}
