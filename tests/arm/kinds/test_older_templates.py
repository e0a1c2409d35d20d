"""What templates written for older versions of Azure's API say, and Azure takes: text for numbers, addresses without a SKU."""

from __future__ import annotations

import pytest

from tests.arm.azure import azure

SUBNETS = [{"name": "GatewaySubnet", "properties": {"addressPrefix": "10.0.1.0/27"}}]


@pytest.mark.parametrize(("said", "kept"), [("false", False), ("True", True), (False, False)])
def test_yes_and_no_as_text(said: object, kept: bool) -> None:
    with azure() as az:
        assert az.put("routeTables/t", {"disableBgpRoutePropagation": said})["properties"]["disableBgpRoutePropagation"] is kept


def test_a_number_as_text() -> None:
    with azure() as az:
        assert az.put("publicIPAddresses/p", {"idleTimeoutInMinutes": "10"})["properties"]["idleTimeoutInMinutes"] == 10


@pytest.mark.parametrize("said", ["", "ten", "1.5", "0x10", " 7", "1_0", "٤", [10], True])
def test_what_is_no_number(said: object) -> None:
    with azure() as az:
        assert az.refused("PUT", "publicIPAddresses/p", {"location": "westeurope", "properties": {"idleTimeoutInMinutes": said}}) == (
            400,
            "InvalidRequestFormat",
        )


@pytest.mark.parametrize("said", ["", "yes", "1", 1])
def test_what_is_neither_yes_nor_no(said: object) -> None:
    with azure() as az:
        body = {"location": "westeurope", "properties": {"disableBgpRoutePropagation": said}}
        assert az.refused("PUT", "routeTables/t", body) == (400, "InvalidRequestFormat")


def test_a_dynamic_address_without_a_sku_is_basic() -> None:
    with azure() as az:
        assert az.put("publicIPAddresses/p", {"publicIPAllocationMethod": "Dynamic"})["sku"]["name"] == "Basic"
        assert az.put("publicIPAddresses/q", {"publicIPAllocationMethod": "Static"})["sku"]["name"] == "Standard"
        assert az.put("publicIPAddresses/r")["sku"]["name"] == "Standard"
        body = {"location": "westeurope", "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Dynamic"}}
        assert az.refused("PUT", "publicIPAddresses/s", body) == (400, "StandardSkuPublicIPAddressMustBeStatic")


def test_a_gateway_takes_it() -> None:
    with azure() as az:
        az.put("virtualNetworks/v", {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": SUBNETS})
        az.put("publicIPAddresses/p", {"publicIPAllocationMethod": "Dynamic"})
        part = {"subnet": az.id("virtualNetworks/v/subnets/GatewaySubnet"), "publicIPAddress": az.id("publicIPAddresses/p")}
        given = {
            "gatewayType": "Vpn",
            "enableBgp": "true",
            "bgpSettings": {"asn": "65010"},
            "ipConfigurations": [{"name": "c", "properties": part}],
        }
        kept = az.put("virtualNetworkGateways/g", {**given, "sku": {"name": "VpnGw1", "tier": "VpnGw1"}})["properties"]
        assert kept["enableBgp"] is True
        assert kept["bgpSettings"]["asn"] == 65010
