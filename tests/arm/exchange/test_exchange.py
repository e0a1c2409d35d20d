"""A topology as ARM template and back is the same network; outputs of az and plans of Terraform's become topologies."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from dualhome import app
from dualhome.arm.exchange.reading import imported
from dualhome.arm.exchange.resources import export_of
from dualhome.arm.exchange.writing import script, template, topology_text
from dualhome.errors import RequestError
from dualhome.model import Network
from dualhome.topology import parse
from tests.arm.azure import GROUP, azure
from tests.arm.test_article import build
from tests.files import ROOT

EXAMPLES = sorted(ROOT.glob("examples/*/topology.yaml"))


def settled(network: Network) -> Network:
    """The order of peerings means nothing."""
    return dataclasses.replace(network, peerings=tuple(sorted(network.peerings, key=lambda each: each.name)))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_template_and_back_is_the_same_network(file: Path, tmp_path: Path) -> None:
    topology = app.load(file).topology
    (tmp_path / "t.json").write_text(template(export_of(topology)))
    back = imported(tmp_path / "t.json")
    assert not back.left
    assert back.world.topology is not None
    assert settled(back.world.topology.network) == settled(topology.network)
    again = parse(topology_text(back.world.data))
    assert settled(again.network) == settled(topology.network)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_what_arm_has_words_for_is_no_fragment(file: Path) -> None:
    fragment = export_of(app.load(file).topology).fragment
    assert not {
        "virtual_networks",
        "route_servers",
        "network_virtual_appliances",
        "virtual_machines",
        "virtual_network_gateways",
        "peerings",
    } & set(fragment)


def test_a_script_has_a_command_for_each_resource() -> None:
    exported = export_of(app.load(EXAMPLES[1]).topology)
    lines = [line for line in script(exported).splitlines() if line.startswith(("put ", "az network"))]
    assert len(lines) == len(exported.resources)


def test_outputs_of_az_become_the_network(tmp_path: Path) -> None:
    with azure() as az:
        build(az)
        for type_ in (
            "virtualNetworks",
            "routeTables",
            "publicIPAddresses",
            "networkInterfaces",
            "virtualHubs",
            "virtualNetworkGateways",
            "connections",
            "expressRouteCircuits",
        ):
            shown = az.get(type_)["value"]
            (tmp_path / f"{type_}.json").write_text(json.dumps([flat(each) for each in shown]))
        vms = az.get(f"{GROUP}/providers/Microsoft.Compute/virtualMachines")["value"]
        (tmp_path / "vms.json").write_text(json.dumps(vms))
        for hub in ("spoke-rs", "hub1-rs", "hub2-rs"):
            for kind in ("ipConfigurations", "bgpConnections"):
                (tmp_path / f"{hub}-{kind}.json").write_text(
                    json.dumps([flat(each) for each in az.get(f"virtualHubs/{hub}/{kind}")["value"]])
                )
    found = imported(tmp_path)
    assert found.world.topology is not None, found.left
    network = found.world.topology.network
    wanted = app.load(ROOT / "examples/2-expressroute/topology.yaml").network
    assert set(network.virtual_networks) == set(wanted.virtual_networks)
    assert network.route_servers == wanted.route_servers
    assert {name: circuit.gateways for name, circuit in network.circuits.items()} == {
        name: circuit.gateways for name, circuit in wanted.circuits.items()
    }
    assert network.gateways["hub1-er"].addresses == wanted.gateways["hub1-er"].addresses
    assert set(network.nvas) == {"hub1-nva", "hub2-nva"}


def flat(shown: Any) -> Any:
    """As az prints what REST has beneath `properties`."""
    if isinstance(shown, list):
        return [flat(each) for each in shown]
    if not isinstance(shown, dict):
        return shown
    inner = shown.get("properties")
    rest = {key: flat(value) for key, value in shown.items() if key != "properties"}
    return rest | {key: flat(value) for key, value in inner.items()} | {"resourceGroup": "rg1"} if isinstance(inner, dict) else rest


PLAN: dict[str, Any] = {
    "format_version": "1.2",
    "terraform_version": "1.9.0",
    "planned_values": {
        "root_module": {
            "resources": [
                {
                    "address": "azurerm_resource_group.rg",
                    "mode": "managed",
                    "type": "azurerm_resource_group",
                    "values": {"name": "rg", "location": "westeurope"},
                },
                {
                    "address": "azurerm_virtual_network.hub",
                    "type": "azurerm_virtual_network",
                    "values": {"name": "hub", "resource_group_name": "rg", "location": "westeurope", "address_space": ["10.1.0.0/16"]},
                },
                *(
                    {
                        "address": f"azurerm_subnet.{key}",
                        "type": "azurerm_subnet",
                        "values": {"name": name, "resource_group_name": "rg", "virtual_network_name": "hub", "address_prefixes": [prefix]},
                    }
                    for key, name, prefix in (("rs", "RouteServerSubnet", "10.1.0.0/26"), ("nva", "nva", "10.1.2.0/24"))
                ),
                {
                    "address": "azurerm_public_ip.rs",
                    "type": "azurerm_public_ip",
                    "values": {"name": "rs-pip", "resource_group_name": "rg", "sku": "Standard", "allocation_method": "Static"},
                },
                {
                    "address": "azurerm_route_server.rs",
                    "type": "azurerm_route_server",
                    "values": {
                        "name": "rs",
                        "resource_group_name": "rg",
                        "location": "westeurope",
                        "sku": "Standard",
                        "branch_to_branch_traffic_enabled": True,
                    },
                },
                {
                    "address": "azurerm_route_server_bgp_connection.nva",
                    "type": "azurerm_route_server_bgp_connection",
                    "values": {"name": "nva", "peer_asn": 65001, "peer_ip": "10.1.2.4"},
                },
                {
                    "address": "azurerm_network_interface.nva[0]",
                    "type": "azurerm_network_interface",
                    "values": {
                        "name": "nva-nic",
                        "resource_group_name": "rg",
                        "ip_forwarding_enabled": True,
                        "ip_configuration": [{"name": "one", "private_ip_address_allocation": "Dynamic"}],
                    },
                },
                {
                    "address": "azurerm_linux_virtual_machine.nva[0]",
                    "type": "azurerm_linux_virtual_machine",
                    "values": {"name": "nva", "resource_group_name": "rg", "size": "Standard_B1s"},
                },
                {"address": "azurerm_storage_account.logs", "type": "azurerm_storage_account", "values": {"name": "logs"}},
            ]
        }
    },
    "configuration": {
        "root_module": {
            "resources": [
                {
                    "address": "azurerm_route_server.rs",
                    "expressions": {
                        "subnet_id": {"references": ["azurerm_subnet.rs.id", "azurerm_subnet.rs"]},
                        "public_ip_address_id": {"references": ["azurerm_public_ip.rs.id"]},
                    },
                },
                {
                    "address": "azurerm_route_server_bgp_connection.nva",
                    "expressions": {"route_server_id": {"references": ["azurerm_route_server.rs.id"]}},
                },
                {
                    "address": "azurerm_network_interface.nva",
                    "expressions": {"ip_configuration": [{"subnet_id": {"references": ["azurerm_subnet.nva.id"]}}]},
                },
                {
                    "address": "azurerm_linux_virtual_machine.nva",
                    "expressions": {
                        "network_interface_ids": {"references": ["azurerm_network_interface.nva[0].id", "azurerm_network_interface.nva"]}
                    },
                },
            ]
        }
    },
}


def test_a_plan_of_terraforms(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    found = imported(tmp_path / "plan.json")
    assert [what for what, _ in found.left] == ["azurerm_storage_account.logs"]
    assert found.world.topology is not None
    network = found.world.topology.network
    assert network.route_servers["rs"].branch_to_branch
    assert [peer.name for peer in network.route_servers["rs"].peers] == ["nva"]
    assert (network.nvas["nva"].asn, str(network.nvas["nva"].address)) == (65001, "10.1.2.4")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"a": 1}',
        '{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "resources": 3}',
    ],
)
def test_what_is_nothing_of_azures(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(RequestError):
        imported(tmp_path / "x.json")
