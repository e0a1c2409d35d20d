"""Gateways, what they connect to, and circuits: what Azure refuses, what it fills in, and what the network says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.arm.azure import Azure, azure
from tests.arm.kinds.hub import gateway, network, public, route_server

CIRCUIT = {"serviceProviderProperties": {"serviceProviderName": "Equinix", "peeringLocation": "Silicon Valley", "bandwidthInMbps": 200}}


@pytest.fixture
def az() -> Iterator[Azure]:
    with azure() as found:
        network(found)
        yield found


def refused(az: Azure, path: str, properties: dict[str, Any]) -> tuple[int, str]:
    return az.refused("PUT", path, {"location": "westeurope", "properties": properties})


def peering(**changes: Any) -> dict[str, Any]:
    found = {
        "peeringType": "AzurePrivatePeering",
        "peerASN": 65010,
        "primaryPeerAddressPrefix": "169.254.0.0/30",
        "secondaryPeerAddressPrefix": "169.254.0.4/30",
        "vlanId": 100,
    }
    return {**found, **changes}


def circuit(az: Azure, name: str = "c1", **changes: Any) -> None:
    az.put(f"expressRouteCircuits/{name}", CIRCUIT)
    az.put(f"expressRouteCircuits/{name}/peerings/AzurePrivatePeering", peering(**changes))


def joined(az: Azure, gateway: str = "er", circuit: str = "c1", **more: Any) -> dict[str, Any]:
    ends = {
        "virtualNetworkGateway1": az.id(f"virtualNetworkGateways/{gateway}"),
        "peer": az.id(f"expressRouteCircuits/{circuit}"),
    }
    return {"connectionType": "ExpressRoute", **ends, **more}


def tunnel(az: Azure, gateway: str = "vpn", site: str = "site", **more: Any) -> dict[str, Any]:
    ends = {
        "virtualNetworkGateway1": az.id(f"virtualNetworkGateways/{gateway}"),
        "localNetworkGateway2": az.id(f"localNetworkGateways/{site}"),
    }
    return {"connectionType": "IPsec", **ends, **more}


# --- gateways ---------------------------------------------------------------------------------------------------------


def test_what_is_filled_in(az: Azure) -> None:
    """Scripts read bgpPeeringAddresses[0].defaultBgpIpAddresses[0] and .tunnelIpAddresses[0]."""
    found = az.put("virtualNetworkGateways/vpn", gateway(az, "vpn", "Vpn", enableBgp=True))["properties"]
    assert (found["sku"], found["vpnType"], found["activeActive"]) == ({"name": "VpnGw1AZ", "tier": "VpnGw1AZ"}, "RouteBased", False)
    bgp = found["bgpSettings"]
    assert (bgp["asn"], bgp["peerWeight"], bgp["bgpPeeringAddress"]) == (65515, 0, "10.1.1.4")  # R14, R152
    one = bgp["bgpPeeringAddresses"][0]
    assert one["defaultBgpIpAddresses"] == ["10.1.1.4"]
    assert one["ipconfigurationId"].endswith("/virtualNetworkGateways/vpn/ipConfigurations/default")
    assert one["tunnelIpAddresses"] == [az.get("publicIPAddresses/vpn-pip")["properties"]["ipAddress"]]
    second = az.put("virtualNetworkGateways/er", gateway(az, "er", "ExpressRoute"))["properties"]
    assert second["bgpSettings"]["bgpPeeringAddress"] == "10.1.1.6"  # the addresses of the first are taken


def test_active_active(az: Azure) -> None:
    properties = gateway(az, "vpn", "Vpn", activeActive=True)
    assert refused(az, "virtualNetworkGateways/vpn", properties) == (400, "ActiveActiveGatewayNeedsTwoIpConfigurations")
    other = {"subnet": properties["ipConfigurations"][0]["properties"]["subnet"], "publicIPAddress": public(az, "pip2")}
    twice = [*properties["ipConfigurations"], {**properties["ipConfigurations"][0], "name": "second"}]
    assert refused(az, "virtualNetworkGateways/vpn", {**properties, "ipConfigurations": twice}) == (400, "PublicIPAddressInUse")
    properties["ipConfigurations"].append({"name": "second", "properties": other})
    found = az.put("virtualNetworkGateways/vpn", properties)["properties"]
    assert found["bgpSettings"]["bgpPeeringAddress"] == "10.1.1.4,10.1.1.5"
    assert [each["defaultBgpIpAddresses"] for each in found["bgpSettings"]["bgpPeeringAddresses"]] == [["10.1.1.4"], ["10.1.1.5"]]


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        ("Bgp", {}, "InvalidRequestFormat"),
        ("Vpn", {"ipConfigurations": []}, "InvalidRequestFormat"),
        ("Vpn", {"sku": {"name": "VpnGw9"}}, "InvalidGatewaySize"),
        ("Vpn", {"sku": {"name": "ErGw1AZ"}}, "InvalidGatewaySkuSpecifiedForGatewayDeploymentType"),
        ("ExpressRoute", {"sku": {"name": "VpnGw1"}}, "InvalidGatewaySkuSpecifiedForGatewayDeploymentType"),
        ("ExpressRoute", {"bgpSettings": {"asn": 65001}}, "InvalidAsn"),
        ("Vpn", {"bgpSettings": {"asn": 12076}}, "InvalidAsn"),
        ("Vpn", {"bgpSettings": {"asn": 0}}, "InvalidAsn"),
    ],
)
def test_gateways_that_cannot_be(az: Azure, kind: str, changes: dict[str, Any], code: str) -> None:
    assert refused(az, "virtualNetworkGateways/gw", {**gateway(az, "gw", kind), **changes}) == (400, code)


def test_where_a_gateway_may_be(az: Azure) -> None:
    """R12, and one of a type in a network."""
    properties = gateway(az, "vpn", "Vpn")
    wrong = {"name": "default", "properties": {"subnet": az.id("virtualNetworks/hub/subnets/nva"), "publicIPAddress": public(az, "pip")}}
    assert refused(az, "virtualNetworkGateways/vpn", {**properties, "ipConfigurations": [wrong]}) == (400, "InvalidSubnetName")
    az.put("virtualNetworkGateways/vpn", properties)
    assert refused(az, "virtualNetworkGateways/second", gateway(az, "second", "Vpn")) == (400, "VirtualNetworkGatewayAlreadyExists")
    assert refused(
        az, "virtualNetworkGateways/third", {**gateway(az, "third", "ExpressRoute"), **properties, "gatewayType": "ExpressRoute"}
    ) == (
        400,
        "PublicIPAddressInUse",
    )
    network(az, "other", "10.2")
    moved = gateway(az, "moved", "Vpn", "other")
    assert refused(az, "virtualNetworkGateways/vpn", moved) == (400, "PropertyChangeNotAllowed")
    assert refused(az, "virtualNetworkGateways/vpn", {**properties, "gatewayType": "ExpressRoute"}) == (400, "PropertyChangeNotAllowed")
    assert az.refused("DELETE", "virtualNetworks/hub/subnets/GatewaySubnet") == (400, "InUseSubnetCannotBeDeleted")


def test_no_gateway_in_a_network_that_uses_a_remote_one(az: Azure) -> None:
    """R31."""
    az.put("virtualNetworkGateways/er", gateway(az, "er", "ExpressRoute"))
    network(az, "spoke", "10.10")
    flags = {"remoteVirtualNetwork": az.id("virtualNetworks/spoke"), "allowGatewayTransit": True}
    az.put("virtualNetworks/hub/virtualNetworkPeerings/spoke", flags)
    flags = {"remoteVirtualNetwork": az.id("virtualNetworks/hub"), "useRemoteGateways": True}
    az.put("virtualNetworks/spoke/virtualNetworkPeerings/hub", flags)
    assert refused(az, "virtualNetworkGateways/spoke", gateway(az, "spoke", "Vpn", "spoke"))[0] == 400


def test_routes_of_a_gateway_need_a_peer_that_it_has(az: Azure) -> None:
    az.put("virtualNetworkGateways/er", gateway(az, "er", "ExpressRoute"))
    assert az.refused("POST", "virtualNetworkGateways/er/getAdvertisedRoutes") == (400, "MissingQueryParameter")
    assert az.post("virtualNetworkGateways/er/getBgpPeerStatus") == {"value": []}


# --- local network gateways -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"gatewayIpAddress": "nonsense", "localNetworkAddressSpace": {"addressPrefixes": ["192.168.0.0/16"]}}, "InvalidIPAddress"),
        ({"localNetworkAddressSpace": {"addressPrefixes": ["192.168.0.0/16"]}}, "InvalidRequestFormat"),
        ({"gatewayIpAddress": "203.0.113.1"}, "LocalNetworkGatewayAddressSpaceEmpty"),
        ({"gatewayIpAddress": "203.0.113.1", "localNetworkAddressSpace": {"addressPrefixes": ["192.168.0.1/16"]}}, "InvalidCIDRNotation"),
        ({"gatewayIpAddress": "203.0.113.1", "bgpSettings": {"asn": 12076, "bgpPeeringAddress": "192.168.0.1"}}, "InvalidAsn"),
        ({"gatewayIpAddress": "203.0.113.1", "bgpSettings": {"bgpPeeringAddress": "192.168.0.1"}}, "InvalidAsn"),
        ({"gatewayIpAddress": "203.0.113.1", "bgpSettings": {"asn": 65010, "bgpPeeringAddress": "x"}}, "InvalidIPAddress"),
    ],
)
def test_local_network_gateways_that_cannot_be(az: Azure, properties: dict[str, Any], code: str) -> None:
    assert refused(az, "localNetworkGateways/site", properties) == (400, code)


def site(az: Azure, name: str = "site", **more: Any) -> None:
    space = {"addressPrefixes": ["192.168.0.0/16"]}
    az.put(f"localNetworkGateways/{name}", {"gatewayIpAddress": "203.0.113.1", "localNetworkAddressSpace": space, **more})


# --- connections ------------------------------------------------------------------------------------------------------


def test_a_tunnel_and_its_key(az: Azure) -> None:
    az.put("virtualNetworkGateways/vpn", gateway(az, "vpn", "Vpn"))
    site(az)
    made = az.put("connections/to-site", tunnel(az, sharedKey="secret"))["properties"]
    assert "sharedKey" not in made
    assert made["routingWeight"] == 10
    assert az.get("connections/to-site/sharedkey") == {"value": "secret"}
    answer = az.ask("PUT", "connections/to-site/sharedkey", {"value": "another"})
    assert (answer.status_code, answer.json()) == (200, {"value": "another"})
    az.put("connections/to-site", {**tunnel(az), "routingWeight": 20})
    assert az.get("connections/to-site/sharedkey") == {"value": "another"}
    assert az.post("connections/to-site/sharedkey/reset", {"keyLength": 48}) == {"keyLength": 48}
    assert len(az.get("connections/to-site/sharedkey")["value"]) == 48
    assert az.refused("PUT", "connections/to-site/sharedkey", {"value": ""}) == (400, "InvalidSharedKey")
    assert az.refused("POST", "connections/to-site/sharedkey/reset", {"keyLength": 129}) == (400, "InvalidKeyLength")


def test_connection_status_is_there_without_asking_for_routes(az: Azure) -> None:
    """A script waits for it."""
    az.put("virtualNetworkGateways/vpn", gateway(az, "vpn", "Vpn"))
    site(az)
    az.put("connections/to-site", tunnel(az))
    assert az.get("connections/to-site")["properties"]["connectionStatus"] == "Connected"
    assert [each["properties"]["connectionStatus"] for each in az.get("connections")["value"]] == ["Connected"]
    assert [each["name"] for each in az.get("virtualNetworkGateways/vpn/connections")["value"]] == ["to-site"]


def test_connections_that_cannot_be(az: Azure) -> None:
    az.put("virtualNetworkGateways/vpn", gateway(az, "vpn", "Vpn"))
    az.put("virtualNetworkGateways/er", gateway(az, "er", "ExpressRoute"))
    site(az)
    circuit(az)
    wrong: list[tuple[dict[str, Any], str]] = [
        (tunnel(az, connectionType="Carrier"), "InvalidRequestFormat"),
        ({"connectionType": "IPsec", "localNetworkGateway2": az.id("localNetworkGateways/site")}, "InvalidRequestFormat"),
        ({"connectionType": "IPsec", "virtualNetworkGateway1": az.id("virtualNetworkGateways/vpn")}, "InvalidRequestFormat"),
        (tunnel(az, "none"), "InvalidResourceReference"),
        (tunnel(az, site="none"), "InvalidResourceReference"),
        (tunnel(az, "er"), "ConnectionTypeNotSupportedByGateway"),
        (joined(az, "vpn"), "ConnectionTypeNotSupportedByGateway"),
        (tunnel(az, routingWeight=32001), "InvalidRoutingWeight"),
        (tunnel(az, routingWeight=-1), "InvalidRoutingWeight"),
        (joined(az, authorizationKey="wrong"), "ExpressRouteCircuitAuthorizationKeyInvalid"),
        (
            {
                "connectionType": "Vnet2Vnet",
                "virtualNetworkGateway1": az.id("virtualNetworkGateways/vpn"),
                "virtualNetworkGateway2": az.id("virtualNetworkGateways/vpn"),
            },
            "ConnectionToSameGateway",
        ),
    ]
    for properties, code in wrong:
        assert refused(az, "connections/c", properties) == (400, code), properties
    assert az.get("connections")["value"] == []


def test_one_connection_to_a_circuit(az: Azure) -> None:
    """R146; and its ends stay."""
    az.put("virtualNetworkGateways/er", gateway(az, "er", "ExpressRoute"))
    circuit(az)
    circuit(az, "c2", primaryPeerAddressPrefix="169.254.1.0/30", secondaryPeerAddressPrefix="169.254.1.4/30")
    az.put("connections/one", joined(az))
    assert refused(az, "connections/two", joined(az)) == (400, "ExpressRouteGatewayConnectionAlreadyExists")
    assert refused(az, "connections/one", joined(az, circuit="c2")) == (400, "PropertyChangeNotAllowed")
    az.put("connections/one", joined(az, routingWeight=100))
    az.put("connections/two", joined(az, circuit="c2"))


def test_authorizations(az: Azure) -> None:
    az.put("virtualNetworkGateways/er", gateway(az, "er", "ExpressRoute"))
    circuit(az)
    key = az.put("expressRouteCircuits/c1/authorizations/a1", {})["properties"]
    assert key["authorizationUseStatus"] == "Available"
    az.put("connections/one", joined(az, authorizationKey=key["authorizationKey"]))
    assert "authorizationKey" not in az.get("connections/one")["properties"]
    found = az.get("expressRouteCircuits/c1/authorizations/a1")["properties"]
    assert (found["authorizationUseStatus"], found["authorizationKey"]) == ("InUse", key["authorizationKey"])
    assert found["connectionResourceUri"].endswith("/connections/one")


def test_maps_of_the_gateways_own_network(az: Azure) -> None:
    """R121."""
    az.put("virtualNetworkGateways/er", gateway(az, "er", "ExpressRoute"))
    circuit(az)
    route_server(az)
    az.put("virtualHubs/rs/routeMaps/m", {"rules": []})
    network(az, "other", "10.2")
    route_server(az, "other-rs", "other")
    az.put("virtualHubs/other-rs/routeMaps/m", {"rules": []})
    far = {"inboundRouteMap": az.id("virtualHubs/other-rs/routeMaps/m")}
    assert refused(az, "connections/one", joined(az, routingConfiguration=far)) == (400, "InvalidResourceReference")
    near = {"inboundRouteMap": az.id("virtualHubs/rs/routeMaps/m")}
    made = az.put("connections/one", joined(az, routingConfiguration=near))
    assert az.get("virtualHubs/rs/routeMaps/m")["properties"]["associatedInboundConnections"] == [made["id"]]
    assert az.refused("DELETE", "virtualHubs/rs/routeMaps/m") == (400, "InUseRouteMapCannotBeDeleted")


def test_what_is_in_use_stays(az: Azure) -> None:
    az.put("virtualNetworkGateways/er", gateway(az, "er", "ExpressRoute"))
    az.put("virtualNetworkGateways/vpn", gateway(az, "vpn", "Vpn"))
    site(az)
    circuit(az)
    az.put("connections/one", joined(az))
    az.put("connections/to-site", tunnel(az))
    assert az.refused("DELETE", "virtualNetworkGateways/er") == (400, "VirtualNetworkGatewayCannotBeDeleted")
    assert az.refused("DELETE", "localNetworkGateways/site") == (400, "LocalNetworkGatewayCannotBeDeleted")
    assert az.refused("DELETE", "expressRouteCircuits/c1") == (400, "InUseExpressRouteCircuitCannotBeDeleted")
    assert az.refused("DELETE", "publicIPAddresses/er-pip") == (400, "PublicIPAddressCannotBeDeleted")
    for path in (
        "connections/one",
        "connections/to-site",
        "virtualNetworkGateways/er",
        "virtualNetworkGateways/vpn",
        "expressRouteCircuits/c1",
    ):
        az.delete(path)
    assert az.ask("GET", "expressRouteCircuits/c1/peerings/AzurePrivatePeering").status_code == 404


# --- circuits ---------------------------------------------------------------------------------------------------------


def test_a_circuit(az: Azure) -> None:
    found = az.put("expressRouteCircuits/c1", CIRCUIT)
    assert found["sku"] == {"tier": "Standard", "family": "MeteredData", "name": "Standard_MeteredData"}
    properties = found["properties"]
    assert (properties["circuitProvisioningState"], properties["serviceProviderProvisioningState"]) == ("Enabled", "Provisioned")
    key = properties["serviceKey"]
    assert (properties["peerings"], properties["authorizations"]) == ([], [])
    az.put("expressRouteCircuits/c1/peerings/AzurePrivatePeering", peering())
    again = az.put("expressRouteCircuits/c1", CIRCUIT)["properties"]
    assert again["serviceKey"] == key
    assert [each["name"] for each in again["peerings"]] == ["AzurePrivatePeering"]
    assert az.get("expressRouteCircuits/c1/stats")["primarybytesIn"] == 0
    assert az.get("expressRouteCircuits/c1/peerings/AzurePrivatePeering/stats")["primarybytesIn"] == 0


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({}, "InvalidRequestFormat"),
        ({"serviceProviderProperties": {"serviceProviderName": "Equinix"}}, "InvalidRequestFormat"),
    ],
)
def test_circuits_that_cannot_be(az: Azure, properties: dict[str, Any], code: str) -> None:
    assert refused(az, "expressRouteCircuits/c1", properties) == (400, code)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"peerASN": 65515}, "InvalidPeerASN"),
        ({"peerASN": 65520}, "InvalidPeerASN"),
        ({"peerASN": 12076}, "InvalidPeerASN"),
        ({"peerASN": None}, "InvalidPeerASN"),
        ({"vlanId": 0}, "InvalidVlanId"),
        ({"vlanId": 4095}, "InvalidVlanId"),
        ({"primaryPeerAddressPrefix": "169.254.0.0/29"}, "InvalidPeerAddressPrefix"),
        ({"secondaryPeerAddressPrefix": "169.254.0.0/30"}, "PeerAddressPrefixesOverlap"),
        ({"secondaryPeerAddressPrefix": None}, "InvalidRequestFormat"),
        ({"primaryPeerAddressPrefix": "169.254.0.1/30"}, "InvalidCIDRNotation"),
        ({"peeringType": "MicrosoftPeering"}, "InvalidPeeringType"),
        ({"state": "Off"}, "InvalidRequestFormat"),
    ],
)
def test_peerings_that_cannot_be(az: Azure, changes: dict[str, Any], code: str) -> None:
    """R139, R140."""
    az.put("expressRouteCircuits/c1", CIRCUIT)
    assert refused(az, "expressRouteCircuits/c1/peerings/AzurePrivatePeering", peering(**changes)) == (400, code)


def test_vlans_are_of_one_peering(az: Azure) -> None:
    circuit(az)
    other = peering(peeringType="MicrosoftPeering", primaryPeerAddressPrefix="203.0.113.0/30", secondaryPeerAddressPrefix="203.0.113.4/30")
    assert refused(az, "expressRouteCircuits/c1/peerings/MicrosoftPeering", other) == (400, "VlanIdInUse")
    az.put("expressRouteCircuits/c1/peerings/MicrosoftPeering", {**other, "vlanId": 101})


def test_paths_of_a_circuit(az: Azure) -> None:
    circuit(az)
    az.put("virtualNetworkGateways/er", gateway(az, "er", "ExpressRoute"))
    az.put("connections/one", joined(az))
    tables = "expressRouteCircuits/c1/peerings/AzurePrivatePeering"
    assert az.refused("POST", f"{tables}/arpTables/third") == (400, "InvalidDevicePath")
    arp = az.post(f"{tables}/arpTables/primary")["value"]
    assert [(row["interface"], row["ipAddress"]) for row in arp] == [("On-Prem", "169.254.0.1"), ("Microsoft", "169.254.0.2")]  # R139
    for path in ("primary", "secondary"):
        assert "10.1.0.0/16" in {row["network"] for row in az.post(f"{tables}/routeTables/{path}")["value"]}  # R194
        assert {str(row["as"]) for row in az.post(f"{tables}/routeTablesSummary/{path}")["value"]} >= {"65010"}


def test_global_reach(az: Azure) -> None:
    """R131."""
    circuit(az)
    circuit(az, "c2", primaryPeerAddressPrefix="169.254.1.0/30", secondaryPeerAddressPrefix="169.254.1.4/30")
    own, other = (az.id(f"expressRouteCircuits/{name}/peerings/AzurePrivatePeering") for name in ("c1", "c2"))
    path = "expressRouteCircuits/c1/peerings/AzurePrivatePeering/connections"
    ends = {"expressRouteCircuitPeering": own, "peerExpressRouteCircuitPeering": other}
    assert refused(az, f"{path}/reach", {"addressPrefix": "192.168.8.0/29"}) == (400, "InvalidRequestFormat")
    assert refused(az, f"{path}/reach", {**ends, "peerExpressRouteCircuitPeering": own}) == (400, "CircuitConnectionToItself")
    assert refused(az, f"{path}/reach", {**ends, "addressPrefix": "192.168.8.0/28"}) == (400, "InvalidAddressPrefix")
    made = az.put(f"{path}/reach", {**ends, "addressPrefix": "192.168.8.0/29"})
    assert made["properties"]["circuitConnectionStatus"] == "Connected"
    assert refused(az, f"{path}/again", {**ends, "addressPrefix": "192.168.9.0/29"}) == (400, "CircuitConnectionAlreadyExists")
    for one, far in (("c1", "169.254.1.0/30"), ("c2", "169.254.0.0/30")):
        assert az.get(f"expressRouteCircuits/{one}")["properties"]["provisioningState"] == "Succeeded", far
    assert az.refused("DELETE", "expressRouteCircuits/c2")[0] == 400
    az.delete(f"{path}/reach")
    az.delete("expressRouteCircuits/c2")


def test_providers_are_listed(az: Azure) -> None:
    from tests.arm.azure import SUBSCRIPTION

    listed = az.get(f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/expressRouteServiceProviders")["value"]
    assert "Equinix" in {each["name"] for each in listed}
    assert all(each["properties"]["peeringLocations"] and each["properties"]["bandwidthsOffered"] for each in listed)
