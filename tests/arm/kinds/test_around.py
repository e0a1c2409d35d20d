"""What stands around a network: a firewall is where routes send packets, a watcher says which way one goes, a storage account has addresses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.arm.azure import GROUP, TENANT, Azure, azure

STORE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/vm"


@pytest.fixture
def az() -> Iterator[Azure]:
    """A machine whose default route leads to a firewall."""
    with azure() as found:
        subnets = [
            {"name": name, "properties": {"addressPrefix": prefix}}
            for name, prefix in (("AzureFirewallSubnet", "10.0.1.0/26"), ("vms", "10.0.2.0/24"))
        ]
        found.put("virtualNetworks/net", {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": subnets})
        found.put("publicIPAddresses/pip", {"publicIPAllocationMethod": "Static"}, sku={"name": "Standard"})
        yield found


def firewall(az: Azure, subnet: str = "AzureFirewallSubnet") -> object:
    values = {"subnet": az.id(f"virtualNetworks/net/subnets/{subnet}"), "publicIPAddress": az.id("publicIPAddresses/pip")}
    return {"ipConfigurations": [{"name": "one", "properties": values}]}


def test_a_firewall_is_a_next_hop(az: Azure) -> None:
    shown = az.put("azureFirewalls/fw", firewall(az))  # type: ignore[arg-type]
    address = shown["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"]
    assert address == "10.0.1.4"
    az.put("azureFirewalls/fw", {**firewall(az), "threatIntelMode": "Deny"})  # type: ignore[dict-item]
    assert az.get("azureFirewalls/fw")["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"] == address
    route = {"addressPrefix": "0.0.0.0/0", "nextHopType": "VirtualAppliance", "nextHopIpAddress": address}
    az.put("routeTables/udr", {"routes": [{"name": "out", "properties": route}]})
    az.put("virtualNetworks/net/subnets/vms", {"addressPrefix": "10.0.2.0/24", "routeTable": az.id("routeTables/udr")})
    az.put(
        "networkInterfaces/nic", {"ipConfigurations": [{"name": "one", "properties": {"subnet": az.id("virtualNetworks/net/subnets/vms")}}]}
    )
    properties = {"hardwareProfile": {"vmSize": "Standard_B1s"}, "networkProfile": {"networkInterfaces": [az.id("networkInterfaces/nic")]}}
    az.put(VM, properties)
    az.put("networkWatchers/eyes")
    for destination, kind, hop in (("8.8.8.8", "VirtualAppliance", "10.0.1.4"), ("10.0.2.9", "VnetLocal", "")):
        asked = {"targetResourceId": VM, "sourceIPAddress": "10.0.2.4", "destinationIPAddress": destination}
        found = az.post("networkWatchers/eyes/nextHop", asked)
        assert (found["nextHopType"], found["nextHopIpAddress"]) == (kind, hop)
        assert (found["routeTableId"] == "System Route") is (kind == "VnetLocal")
    assert az.refused("POST", "networkWatchers/eyes/nextHop", {"targetResourceId": VM, "destinationIPAddress": "nowhere"})[0] == 400
    assert az.refused("POST", "networkWatchers/eyes/nextHop", {"destinationIPAddress": "8.8.8.8"})[0] == 400
    az.ask("POST", f"{VM}/deallocate")
    asked = {"targetResourceId": VM, "sourceIPAddress": "10.0.2.4", "destinationIPAddress": "8.8.8.8"}
    assert az.refused("POST", "networkWatchers/eyes/nextHop", asked) == (409, "VMNotRunning")


def test_a_firewall_has_a_subnet_of_its_own(az: Azure) -> None:
    assert az.refused("PUT", "azureFirewalls/fw", {"location": "westeurope", "properties": firewall(az, "vms")}) == (
        400,
        "AzureFirewallSubnetNameInvalid",
    )


def test_storage_accounts(az: Azure) -> None:
    shown = az.put(f"{STORE}/logs001")
    assert shown["properties"]["primaryEndpoints"]["blob"] == "https://logs001.blob.core.windows.net/"
    assert az.refused("PUT", f"{STORE}/No_Such", {"location": "westeurope"}) == (400, "AccountNameInvalid")
    assert [each["keyName"] for each in az.post(f"{STORE}/logs001/listKeys")["keys"]] == ["key1", "key2"]


def test_ids_that_scripts_read(az: Azure) -> None:
    me = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/me"
    made = az.put(me)["properties"]
    assert made["tenantId"] == TENANT
    assert len({made["principalId"], made["clientId"]}) == 2
    assert az.put(me, {"principalId": "mine"})["properties"]["principalId"] == made["principalId"]
    logs = az.put(f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/logs")["properties"]
    assert logs["customerId"]
    assert logs["sku"] == {"name": "PerGB2018"}
