"""Route servers: where they may be, whom they may peer with, and what their route maps may say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.arm.azure import NETWORK, Azure, azure
from tests.arm.kinds.hub import machine, network, nic, place, public, route_server


@pytest.fixture
def az() -> Iterator[Azure]:
    with azure() as found:
        network(found)
        yield found


def refused(az: Azure, path: str, properties: dict[str, Any]) -> tuple[int, str]:
    return az.refused("PUT", path, {"location": "westeurope", "properties": properties})


def peer(asn: int = 65001, ip: str = "10.1.2.4", **more: Any) -> dict[str, Any]:
    return {"peerAsn": asn, "peerIp": ip, **more}


def test_a_route_server_is_made_in_two_steps(az: Azure) -> None:
    hub = az.put("virtualHubs/rs", {"sku": "Standard"})
    assert hub["kind"] == "RouteServer"
    assert hub["properties"]["virtualRouterIps"] == []
    assert hub["properties"]["allowBranchToBranchTraffic"] is False
    assert hub["properties"]["hubRoutingPreference"] == "ExpressRoute"
    assert refused(az, "virtualHubs/rs/bgpConnections/nva", peer()) == (400, "HubBgpConnectionParentHubMustHaveProvisionedRoutingState")
    public(az, "pip")
    part = az.put("virtualHubs/rs/ipConfigurations/Default", place(az, address="pip"))
    assert part["properties"]["privateIPAddress"] == "10.1.0.4"
    hub = az.get("virtualHubs/rs")["properties"]
    assert (hub["virtualRouterIps"], hub["virtualRouterAsn"]) == (["10.1.0.4", "10.1.0.5"], 65515)  # R9
    assert hub["routingState"] == hub["provisioningState"].replace("Succeeded", "Provisioned")
    assert [each["id"].rpartition("/")[2] for each in hub["ipConfigurations"]] == ["Default"]


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"sku": "Basic"}, "InvalidRequestFormat"),
        ({"hubRoutingPreference": "Shortest"}, "InvalidRequestFormat"),
        ({"virtualRouterAutoScaleConfiguration": {"minCapacity": 1}}, "InvalidRequestFormat"),
        ({"virtualRouterAutoScaleConfiguration": {"minCapacity": 51}}, "InvalidRequestFormat"),
        ({"allowBranchToBranchTraffic": "yes"}, "InvalidRequestFormat"),
    ],
)
def test_words_of_a_route_server(az: Azure, properties: dict[str, Any], code: str) -> None:
    assert refused(az, "virtualHubs/rs", properties) == (400, code)
    assert az.ask("GET", "virtualHubs/rs").status_code == 404


def test_preferences_are_read_without_case(az: Azure) -> None:
    assert az.put("virtualHubs/rs", {"hubRoutingPreference": "aspath"})["properties"]["hubRoutingPreference"] == "ASPath"


def test_where_a_route_server_may_be(az: Azure) -> None:
    az.put("virtualHubs/rs", {"sku": "Standard"})
    public(az, "basic", "Basic")
    assert refused(az, "virtualHubs/rs/ipConfigurations/Default", place(az, subnet="nva")) == (400, "InvalidSubnetName")  # R5
    assert refused(az, "virtualHubs/rs/ipConfigurations/Default", place(az, address="basic")) == (400, "InvalidOperation")  # R11
    assert refused(az, "virtualHubs/rs/ipConfigurations/Default", place(az, network="none")) == (400, "InvalidResourceReference")
    assert refused(az, "virtualHubs/rs/ipConfigurations/Default", {}) == (400, "InvalidRequestFormat")
    assert refused(az, "virtualHubs/none/ipConfigurations/Default", place(az)) == (404, "ParentResourceNotFound")


def test_a_subnet_that_is_too_small(az: Azure) -> None:
    """R6: /27 is taken, /28 is not, whether subnet or route server says so."""
    network(az, "wide", "10.2", "27")
    route_server(az, "wide-rs", "wide")
    az.put("virtualNetworks/narrow", {"addressSpace": {"addressPrefixes": ["10.3.0.0/16"]}})
    answer = az.ask("PUT", "virtualNetworks/narrow/subnets/RouteServerSubnet", {"properties": {"addressPrefix": "10.3.0.0/28"}})
    if answer.status_code < 300:
        az.put("virtualHubs/rs", {"sku": "Standard"})
        assert refused(az, "virtualHubs/rs/ipConfigurations/Default", place(az, "narrow")) == (400, "InvalidSubnetSize")
    else:
        assert answer.status_code == 400


def test_one_route_server_in_a_network(az: Azure) -> None:
    """R5."""
    route_server(az)
    az.put("virtualHubs/second", {"sku": "Standard"})
    assert refused(az, "virtualHubs/second/ipConfigurations/Default", place(az)) == (400, "VirtualNetworkHasRouteServer")
    assert refused(az, "virtualHubs/rs/ipConfigurations/Another", place(az)) == (400, "MultipleIpConfigurationsNotSupported")


def test_a_route_server_stays_where_it_is(az: Azure) -> None:
    route_server(az)
    network(az, "other", "10.2")
    assert refused(az, "virtualHubs/rs/ipConfigurations/Default", place(az, "other")) == (400, "PropertyChangeNotAllowed")
    assert az.get("virtualHubs/rs")["properties"]["virtualRouterIps"] == ["10.1.0.4", "10.1.0.5"]
    az.put("virtualHubs/rs/ipConfigurations/Default", place(az, address="rs-pip"))  # the same again
    az.delete("virtualHubs/rs/ipConfigurations/Default")
    assert az.get("virtualHubs/rs")["properties"]["virtualRouterIps"] == []
    az.put("virtualHubs/rs/ipConfigurations/Default", place(az, "other"))
    assert az.get("virtualHubs/rs")["properties"]["virtualRouterIps"] == ["10.2.0.4", "10.2.0.5"]


def test_no_route_server_beside_virtual_wan(az: Azure) -> None:
    """R86."""
    az.put("virtualWans/wan", {})
    az.put("virtualHubs/wan-hub", {"virtualWan": az.id("virtualWans/wan"), "addressPrefix": "10.99.0.0/23"})
    az.put("virtualHubs/wan-hub/hubVirtualNetworkConnections/hub", {"remoteVirtualNetwork": az.id("virtualNetworks/hub")})
    az.put("virtualHubs/rs", {"sku": "Standard"})
    assert refused(az, "virtualHubs/rs/ipConfigurations/Default", place(az)) == (400, "VnetConnectedToVirtualHubCannotHaveRouteServer")


def test_no_route_server_in_a_network_that_uses_remote_gateways(az: Azure) -> None:
    """R31: a route server counts as a gateway."""
    route_server(az)
    network(az, "spoke", "10.10")
    flags = {"remoteVirtualNetwork": az.id("virtualNetworks/spoke"), "allowGatewayTransit": True}
    az.put("virtualNetworks/hub/virtualNetworkPeerings/spoke", flags)
    flags = {"remoteVirtualNetwork": az.id("virtualNetworks/hub"), "useRemoteGateways": True}
    az.put("virtualNetworks/spoke/virtualNetworkPeerings/hub", flags)
    az.put("virtualHubs/spoke-rs", {"sku": "Standard"})
    assert refused(az, "virtualHubs/spoke-rs/ipConfigurations/Default", place(az, "spoke"))[0] == 400


@pytest.mark.parametrize(
    "asn", [8074, 8075, 12076, 65515, 65517, 65518, 65519, 65520, 23456, 64496, 64511, 65535, 65551, 65552, 4200000000]
)
def test_reserved_asns(az: Azure, asn: int) -> None:
    """R79."""
    route_server(az)
    assert refused(az, "virtualHubs/rs/bgpConnections/nva", peer(asn)) == (400, "HubBgpConnectionInvalidPeerAsn")


@pytest.mark.parametrize("asn", [1, 64495, 64512, 65001, 65514, 65516, 65521, 65534])
def test_asns_that_may_be(az: Azure, asn: int) -> None:
    """R79."""
    route_server(az)
    assert az.put("virtualHubs/rs/bgpConnections/nva", peer(asn))["properties"]["peerAsn"] == asn


def test_addresses_of_peers(az: Azure) -> None:
    route_server(az)
    connections = "virtualHubs/rs/bgpConnections"
    assert refused(az, f"{connections}/nva", {"peerAsn": 65001}) == (400, "InvalidRequestFormat")
    assert refused(az, f"{connections}/nva", {"peerIp": "10.1.2.4"}) == (400, "InvalidRequestFormat")
    assert refused(az, f"{connections}/nva", peer(ip="10.1.2")) == (400, "InvalidIPAddress")
    assert refused(az, f"{connections}/nva", peer(ip="fd00::4")) == (400, "HubBgpConnectionPeerIpMustBeIPv4")
    assert refused(az, f"{connections}/nva", peer(ip="10.1.0.5")) == (400, "HubBgpConnectionInvalidPeerIp")
    az.put(f"{connections}/nva", peer())
    assert refused(az, f"{connections}/twin", peer(65002)) == (400, "HubBgpConnectionPeerIpAlreadyInUse")
    az.put(f"{connections}/NVA", peer(65002))  # the same resource: names are compared without case
    assert [each["properties"]["peerAsn"] for each in az.get(connections)["value"]] == [65002]


def test_eight_peers(az: Azure) -> None:
    """R89."""
    route_server(az)
    for number in range(8):
        az.put(f"virtualHubs/rs/bgpConnections/nva{number}", peer(ip=f"10.1.2.{number + 4}"))
    ninth = refused(az, "virtualHubs/rs/bgpConnections/nva8", peer(ip="10.1.2.12"))
    assert ninth == (400, "MaximumLocalNetworkSitesLimitReachedForGateway")
    az.put("virtualHubs/rs/bgpConnections/nva7", peer(65007, ip="10.1.2.11"))  # one that is there may change


def test_names_of_connections(az: Azure) -> None:
    """R190: routes are asked for by the connection's name."""
    route_server(az)
    az.put("virtualHubs/rs/bgpConnections/to-nva", peer())
    assert az.refused("POST", "virtualHubs/rs/bgpConnections/nva/learnedRoutes") == (404, "ResourceNotFound")
    assert az.post("virtualHubs/rs/bgpConnections/to-nva/learnedRoutes") == {"RouteServiceRole_IN_0": [], "RouteServiceRole_IN_1": []}


def test_what_a_peer_says_is_learned_and_told(az: Azure) -> None:
    """R189: the shapes of both answers."""
    route_server(az)
    az.put(
        f"{NETWORK.replace('Microsoft.Network', 'Microsoft.Compute')}/virtualMachines/nva",
        machine(nic(az, "nva-nic")),
        tags={"dualhome": '{"asn": 65001, "originates": ["10.9.0.0/16"]}'},
    )
    az.put("virtualHubs/rs/bgpConnections/nva", peer())
    learned = az.post("virtualHubs/rs/bgpConnections/nva/learnedRoutes")
    assert sorted(learned) == ["RouteServiceRole_IN_0", "RouteServiceRole_IN_1"]
    for rows in learned.values():
        assert [{name: row[name] for name in ("network", "nextHop", "sourcePeer", "origin", "asPath", "weight")} for row in rows] == [
            {
                "network": "10.9.0.0/16",
                "nextHop": "10.1.2.4",
                "sourcePeer": "10.1.2.4",
                "origin": "EBgp",
                "asPath": "65001",
                "weight": 32768,
            }
        ]
    told = az.post("virtualHubs/rs/bgpConnections/nva/advertisedRoutes")
    assert {row["network"] for rows in told.values() for row in rows} == {"10.1.0.0/16"}
    assert {row["nextHop"] for rows in told.values() for row in rows} == {"10.1.0.4", "10.1.0.5"}
    assert az.get("virtualHubs/rs/bgpConnections/nva")["properties"]["connectionState"] == "Connected"
    which = {"resourceUri": f"{NETWORK}/virtualHubs/rs/bgpConnections/nva", "connectionType": "BgpConnection"}
    assert [(row["prefix"], row["asPath"]) for row in az.post("virtualHubs/rs/inboundRoutes", which)["value"]] == [("10.9.0.0/16", "65001")]
    assert [row["prefix"] for row in az.post("virtualHubs/rs/outboundRoutes", which)["value"]] == ["10.1.0.0/16"]
    best = az.post("virtualHubs/rs/effectiveRoutes", {"virtualWanResourceType": "RouteTable"})["value"]
    assert {prefix: row["nextHops"] for row in best for prefix in row["addressPrefixes"]}["10.9.0.0/16"] == ["10.1.2.4"]
    nowhere = {"resourceUri": f"{NETWORK}/virtualHubs/rs/bgpConnections/none"}
    assert az.refused("POST", "virtualHubs/rs/inboundRoutes", nowhere) == (400, "InvalidResourceReference")
    assert az.refused("POST", "virtualHubs/rs/inboundRoutes") == (400, "InvalidRequestFormat")


# --- route maps -------------------------------------------------------------------------------------------------------


def rule(asns: list[str], action: str = "Add", condition: str = "Contains") -> dict[str, Any]:
    return {
        "name": "prepend",
        "matchCriteria": [{"matchCondition": condition, "routePrefix": ["10.9.0.0/16"]}],
        "actions": [{"type": action, "parameters": [{"asPath": asns}]}],
        "nextStepIfMatched": "Terminate",
    }


def test_a_map_of_a_peer_in_the_network(az: Azure) -> None:
    route_server(az)
    az.put("virtualHubs/rs/routeMaps/prepend", {"rules": [rule(["1234", "1234"])]})
    inbound = {"inboundRouteMap": az.id("virtualHubs/rs/routeMaps/prepend")}
    az.put(
        f"{NETWORK.replace('Microsoft.Network', 'Microsoft.Compute')}/virtualMachines/nva",
        machine(nic(az, "nva-nic")),
        tags={"dualhome": '{"asn": 65001, "originates": ["10.9.0.0/16"]}'},
    )
    one = az.put("virtualHubs/rs/bgpConnections/nva", peer(routingConfiguration=inbound))
    found = az.get("virtualHubs/rs/routeMaps/prepend")["properties"]
    assert (found["associatedInboundConnections"], found["associatedOutboundConnections"]) == ([one["id"]], [])
    best = az.post("virtualHubs/rs/effectiveRoutes", {"virtualWanResourceType": "RouteTable"})["value"]
    assert {prefix: row["asPath"] for row in best for prefix in row["addressPrefixes"]}["10.9.0.0/16"] == "1234-1234-65001"
    assert az.refused("DELETE", "virtualHubs/rs/routeMaps/prepend") == (400, "InUseRouteMapCannotBeDeleted")
    az.put("virtualHubs/rs/bgpConnections/nva", peer())
    assert az.delete("virtualHubs/rs/routeMaps/prepend") in (200, 202)


def test_no_map_for_a_peer_of_a_spoke(az: Azure) -> None:
    """R123."""
    route_server(az)
    az.put("virtualHubs/rs/routeMaps/prepend", {"rules": []})
    routing = {"outboundRouteMap": az.id("virtualHubs/rs/routeMaps/prepend")}
    answer = refused(az, "virtualHubs/rs/bgpConnections/far", peer(ip="10.2.2.4", routingConfiguration=routing))
    assert answer == (400, "HubBgpConnectionFromSpokeVnetCannotReferenceRouteMap")


def test_maps_of_others(az: Azure) -> None:
    route_server(az)
    network(az, "other", "10.2")
    route_server(az, "other-rs", "other")
    az.put("virtualHubs/other-rs/routeMaps/prepend", {"rules": []})
    for wrong in ("virtualHubs/other-rs/routeMaps/prepend", "virtualHubs/rs/routeMaps/none", "virtualNetworks/hub"):
        routing = {"inboundRouteMap": az.id(wrong)}
        answer = refused(az, "virtualHubs/rs/bgpConnections/nva", peer(routingConfiguration=routing))
        assert answer == (400, "InvalidResourceReference"), wrong


def test_connections_are_not_written_on_a_map(az: Azure) -> None:
    """Section 10.5; what is there already may be sent back."""
    route_server(az)
    az.put("virtualHubs/rs/bgpConnections/nva", peer())
    mine = f"{NETWORK}/virtualHubs/rs/bgpConnections/nva"
    assert refused(az, "virtualHubs/rs/routeMaps/m", {"rules": [], "associatedInboundConnections": [mine]}) == (400, "InvalidJson")
    az.put("virtualHubs/rs/routeMaps/m", {"rules": [], "associatedInboundConnections": []})
    az.put("virtualHubs/rs/bgpConnections/nva", peer(routingConfiguration={"inboundRouteMap": az.id("virtualHubs/rs/routeMaps/m")}))
    az.put("virtualHubs/rs/routeMaps/m", az.get("virtualHubs/rs/routeMaps/m")["properties"])
    assert az.get("virtualHubs/rs/routeMaps/m")["properties"]["associatedInboundConnections"] == [mine]


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ([rule(["64512"])], "RouteMapInvalidAsn"),
        ([rule(["65515"], "Replace")], "RouteMapInvalidAsn"),
        ([rule(["70000"])], "RouteMapInvalidAsn"),
        ([rule(["x"])], "RouteMapInvalidAsn"),
        ([rule(["1"]), rule(["2"])], "RouteMapDuplicateRuleName"),
        ([rule(["1"], "Reverse")], "InvalidJson"),
        ([rule(["1"], condition="Like")], "InvalidJson"),
        ([{**rule(["1"]), "nextStepIfMatched": "Jump"}], "InvalidJson"),
    ],
)
def test_rules(az: Azure, rules: list[dict[str, Any]], code: str) -> None:
    """R120, R122."""
    az.put("virtualHubs/rs", {"sku": "Standard"})
    assert refused(az, "virtualHubs/rs/routeMaps/m", {"rules": rules}) == (400, code)


# --- leaving ----------------------------------------------------------------------------------------------------------


def test_what_goes_with_a_route_server(az: Azure) -> None:
    route_server(az)
    az.put("virtualHubs/rs/routeMaps/m", {"rules": []})
    az.put("virtualHubs/rs/bgpConnections/nva", peer(routingConfiguration={"inboundRouteMap": az.id("virtualHubs/rs/routeMaps/m")}))
    assert az.refused("DELETE", "virtualHubs/rs/ipConfigurations/Default") == (400, "InUseIpConfigurationCannotBeDeleted")
    assert az.refused("DELETE", "virtualNetworks/hub/subnets/RouteServerSubnet") == (400, "InUseSubnetCannotBeDeleted")
    assert az.refused("DELETE", "virtualNetworks/hub")[0] == 400
    assert az.refused("DELETE", "publicIPAddresses/rs-pip") == (400, "PublicIPAddressCannotBeDeleted")
    az.delete("virtualHubs/rs")
    for path in ("", "/ipConfigurations/Default", "/bgpConnections/nva", "/routeMaps/m"):
        assert az.ask("GET", f"virtualHubs/rs{path}").status_code == 404
    az.delete("virtualNetworks/hub")
    az.delete("publicIPAddresses/rs-pip")


def test_an_update_sends_back_all_that_was_shown(az: Azure) -> None:
    """az network routeserver update."""
    route_server(az)
    az.put("virtualHubs/rs/bgpConnections/nva", peer())
    whole = az.get("virtualHubs/rs")
    whole["properties"]["allowBranchToBranchTraffic"] = True
    answer = az.ask("PUT", "virtualHubs/rs", whole)
    assert answer.status_code == 200
    assert answer.json()["properties"]["allowBranchToBranchTraffic"] is True
    assert answer.json()["properties"]["virtualRouterIps"] == ["10.1.0.4", "10.1.0.5"]
    assert len(az.get("virtualHubs/rs/bgpConnections")["value"]) == 1


def test_routing_state_lags() -> None:
    """A fault mode."""
    with azure(faults={"routing-lag": 3600}) as az:
        network(az)
        route_server(az)
        assert az.get("virtualHubs/rs")["properties"]["routingState"] == "Provisioning"
        assert refused(az, "virtualHubs/rs/bgpConnections/nva", peer()) == (400, "HubBgpConnectionParentHubMustHaveProvisionedRoutingState")
