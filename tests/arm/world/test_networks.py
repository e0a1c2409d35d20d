"""Virtual networks, peerings, tables and groups; gateways, circuits and connections; and whatever else clients may store."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dualhome import app
from dualhome.arm.records import Records
from dualhome.arm.store import MemoryStore
from dualhome.arm.world import world_of
from dualhome.topology import examine
from tests.arm.azure import Azure, azure
from tests.arm.test_article import build
from tests.arm.world.builder import gateway, hub, key, nic, peer, public, route_server, vm, vnet, world
from tests.arm.world.test_machines import network_of


def test_a_peering_knows_the_ranges_that_it_was_told() -> None:
    """What was added to the other side is not reached until the peering is synced (R16)."""
    with azure() as az:
        hub(az)
        peer(az, "hub", "spoke", allowGatewayTransit=True)
        assert not network_of(world(az)).peerings[0].remote_address_space
        shown = az.get("virtualNetworks/spoke")
        shown["properties"]["addressSpace"]["addressPrefixes"].append("10.11.0.0/16")
        az.put("virtualNetworks/spoke", shown["properties"])
        found = {each.name: each for each in network_of(world(az)).peerings}
        assert [str(each) for each in found["hub->spoke"].remote_address_space or ()] == ["10.10.0.0/16"]
        assert not found["spoke->hub"].remote_address_space
        assert found["hub->spoke"].allow_gateway_transit
        url = "virtualNetworks/hub/virtualNetworkPeerings/to-spoke"
        az.put(f"{url}?syncRemoteAddressSpace=true", az.get(url)["properties"])
        assert not any(each.remote_address_space for each in network_of(world(az)).peerings)


def test_a_peering_with_one_side_carries_nothing() -> None:
    with azure() as az:
        hub(az)
        nic(az, "hub-nic", "hub/nva", "10.1.2.4")
        nic(az, "spoke-nic", "spoke/workload", "10.10.1.4")
        peer(az, "hub", "spoke")
        run = app.Net(world(az).topology).simulate()
        assert {each.outcome for each in run.paths("spoke-nic", "hub-nic")} == {"delivered"}
        az.delete("virtualNetworks/hub/virtualNetworkPeerings/to-spoke")
        run = app.Net(world(az).topology).simulate()
        assert {each.outcome for each in run.paths("spoke-nic", "hub-nic")} == {"dropped"}


def test_tables_and_groups_of_subnets() -> None:
    with azure() as az:
        hub(az)
        routes = [
            {
                "name": "a",
                "properties": {"addressPrefix": "192.168.0.0/16", "nextHopType": "virtualappliance", "nextHopIpAddress": "10.1.2.4"},
            },
            {"name": "b", "properties": {"addressPrefix": "0.0.0.0/0", "nextHopType": "None"}},
        ]
        az.put("routeTables/table", {"routes": routes, "disableBgpRoutePropagation": True})
        az.put("routeTables/unused", {"routes": routes})
        rule = {
            "priority": 100,
            "direction": "Inbound",
            "access": "Deny",
            "protocol": "Tcp",
            "sourcePortRange": "*",
            "sourceAddressPrefix": "10.1.0.0/16",
            "destinationAddressPrefix": "*",
            "destinationPortRange": "22",
        }
        strange = {**rule, "priority": 101, "sourceAddressPrefix": "Storage.WestEurope"}
        ported = {**rule, "priority": 102, "sourcePortRange": "1024"}
        az.put(
            "networkSecurityGroups/group",
            {"securityRules": [{"name": n, "properties": r} for n, r in (("one", rule), ("two", strange), ("three", ported))]},
        )
        subnet = {
            "addressPrefix": "10.10.1.0/24",
            "routeTable": az.id("routeTables/table"),
            "networkSecurityGroup": az.id("networkSecurityGroups/group"),
        }
        az.put("virtualNetworks/spoke/subnets/workload", subnet)
        found = world(az)
        network = network_of(found)
        assert set(network.route_tables) == {"table"}
        assert network.route_tables["table"].disable_bgp_route_propagation
        assert [(str(each.prefix), each.next_hop_type) for each in network.route_tables["table"].routes] == [
            ("192.168.0.0/16", "VirtualAppliance"),
            ("0.0.0.0/0", "None"),
        ]
        assert [each.name for each in network.network_security_groups["group"].rules] == ["one"]
        workload = network.virtual_networks["spoke"].subnets["workload"]
        assert (workload.route_table, workload.network_security_group) == ("table", "group")
        assert {each.id.rpartition("/")[2] for each in found.omitted} == {"two", "three"}


def connection(az: Azure, name: str, near: str, far: dict[str, Any], kind: str = "IPsec", **more: Any) -> None:
    az.put(
        f"connections/{name}",
        {"connectionType": kind, "virtualNetworkGateway1": az.id(f"virtualNetworkGateways/{near}"), "sharedKey": "abc", **far, **more},
    )


def local(az: Azure, name: str, address: str, *prefixes: str, asn: int | None = None, own: str = "") -> dict[str, Any]:
    """A local network gateway, as a connection refers to it."""
    bgp = {"bgpSettings": {"asn": asn, "bgpPeeringAddress": own}} if asn else {}
    az.put(
        f"localNetworkGateways/{name}",
        {"gatewayIpAddress": address, "localNetworkAddressSpace": {"addressPrefixes": list(prefixes)}, **bgp},
    )
    return {"localNetworkGateway2": az.id(f"localNetworkGateways/{name}")}


def test_where_connections_lead() -> None:
    """To a router on premises, to the VM that has the address, to another gateway; static, or with BGP."""
    with azure() as az:
        hub(az)
        vnet(az, "far", "10.2.0.0/16", GatewaySubnet="10.2.1.0/27", nva="10.2.2.0/24")
        gateway(az, "gw", "hub")
        other = gateway(az, "far-gw", "far", asn=65020)
        nic(az, "nva-nic", "far/nva", "10.2.2.4", public=(public(az, "nva-pip"), "nva-pip")[1])
        vm(az, "nva", "nva-nic", user_data={"asn": 65030})
        machine = az.get("publicIPAddresses/nva-pip")["properties"]["ipAddress"]
        connection(
            az,
            "to-site",
            "gw",
            local(az, "branch", "203.0.113.1", "172.16.4.0/24", "172.16.4.1/32", asn=65010, own="172.16.4.1"),
            enableBgp=True,
            routingWeight=3,
        )
        connection(az, "to-store", "gw", local(az, "store", "203.0.113.2", "172.16.5.0/24"), routingWeight=7)
        connection(
            az, "to-nva", "gw", local(az, "nva-lng", machine, "10.2.2.4/32", asn=65030, own="10.2.2.4"), enableBgp=True, routingWeight=3
        )
        connection(az, "to-far", "gw", local(az, "far-lng", other, asn=65020, own="10.2.1.30"), enableBgp=True, routingWeight=3)
        found = world(az)
        network = network_of(found)
        assert {(each.gateway, each.to, each.bgp, each.routing_weight) for each in network.vpn_connections} == {
            ("gw", "branch", True, 3),
            ("gw", "store", False, 7),
            ("gw", "nva", True, 3),
            ("gw", "far-gw", True, 3),
        }
        assert [str(each) for each in network.on_premises["branch"].prefixes] == ["172.16.4.0/24"]
        assert (network.on_premises["branch"].asn, str(network.on_premises["branch"].address)) == (65010, "172.16.4.1")
        assert set(network.on_premises) == {"branch", "store"}
        assert found.links[key("connections/to-store")] == "gw<->store"
        assert found.omitted == ()
        run = app.Net(found.topology).simulate()
        assert {str(each.prefix) for each in run.learned("gw#0/branch")} == {"172.16.4.0/24"}
        assert "Established" in run.session_states("gw#0/nva").values()


def test_two_connections_that_mirror_each_other_are_one() -> None:
    with azure() as az:
        hub(az)
        vnet(az, "far", "10.2.0.0/16", GatewaySubnet="10.2.1.0/27")
        gateway(az, "gw", "hub")
        gateway(az, "far-gw", "far", asn=65020)
        for near, far in (("gw", "far-gw"), ("far-gw", "gw")):
            connection(
                az,
                f"{near}-to-{far}",
                near,
                {"virtualNetworkGateway2": az.id(f"virtualNetworkGateways/{far}")},
                "Vnet2Vnet",
                enableBgp=True,
            )
        found = world(az)
        assert [each.name for each in network_of(found).vpn_connections] == ["gw<->far-gw"]
        assert set(found.links) == {key("connections/gw-to-far-gw"), key("connections/far-gw-to-gw")}


def circuit(az: Azure, name: str, first: int, tag: str | None = None) -> None:
    provider = {"serviceProviderName": "Equinix", "peeringLocation": "Amsterdam", "bandwidthInMbps": 50}
    az.put(
        f"expressRouteCircuits/{name}",
        {"serviceProviderProperties": provider},
        sku={"name": "Premium_MeteredData", "tier": "Premium", "family": "MeteredData"},
        **({"tags": {"dualhome": tag}} if tag else {}),
    )
    links = {"primaryPeerAddressPrefix": f"172.31.0.{first}/30", "secondaryPeerAddressPrefix": f"172.31.0.{first + 4}/30"}
    az.put(
        f"expressRouteCircuits/{name}/peerings/AzurePrivatePeering",
        {"peeringType": "AzurePrivatePeering", "peerASN": 65010, "vlanId": 100, **links},
    )


def test_circuits_and_what_lies_behind_them() -> None:
    with azure() as az:
        hub(az)
        gateway(az, "er", "hub", "ExpressRoute")
        circuit(az, "one", 0, "{prefixes: [192.168.0.0/16], hosts: {dc-host: 192.168.1.10}}")
        circuit(az, "two", 8)
        connection(az, "to-one", "er", {"peer": az.id("expressRouteCircuits/one")}, "ExpressRoute", routingWeight=10)
        found = world(az)
        network = network_of(found)
        assert [each.gateway for each in network.circuits["one"].gateways] == ["er"]
        assert [str(each) for each in network.circuits["one"].link_subnets] == ["172.31.0.0/30", "172.31.0.4/30"]
        router = network.on_premises[network.circuits["one"].provider_edge[0]]
        assert (router.asn, [str(each) for each in router.prefixes]) == (65010, ["192.168.0.0/16"])
        assert found.links == {key("connections/to-one"): "er<->one"}
        assert found.omitted == ()
        run = app.Net(found.topology).simulate()
        assert {str(each.prefix) for each in run.learned("er#0/one")} >= {"192.168.0.0/16"}


def test_a_fragment_is_merged_and_what_is_wrong_in_it_is_left_out() -> None:
    with azure() as az:
        hub(az)
        nic(az, "vm-nic", "spoke/workload", "10.10.1.4")
        more = world(az, {"name": "mine", "on_premises": {"dc": {"prefixes": ["192.168.0.0/16"], "asn": 65010}}})
        assert (network_of(more).name, set(network_of(more).on_premises)) == ("mine", {"dc"})
        wrong = world(az, {"on_premises": {"dc": {"asn": "x"}}, "peerings": {"hub<->nobody": {"allow_forwarded_traffic": True}}})
        assert network_of(wrong).virtual_machines.keys() == {"vm-nic"}
        assert {each.id for each in wrong.omitted} >= {"on_premises/dc/asn"}
        assert any("nobody" in each.why for each in wrong.omitted)
        assert not network_of(wrong).peerings


@pytest.mark.parametrize(
    "fragment",
    [
        {"peerings": 7},
        {"peerings": [{"from": "hub", "to": "spoke"}]},
        {"on_premises": [3]},
        {"virtual_networks": 3},
        {"version": 9},
        {"version": None},
        {"name": {}},
    ],
)
def test_a_fragment_that_is_none_changes_nothing(fragment: Any) -> None:
    with azure() as az:
        hub(az)
        nic(az, "vm-nic", "spoke/workload", "10.10.1.4")
        found = world(az, fragment)
        assert network_of(found) == network_of(world(az))
        assert [each.id for each in found.omitted] == ["--with"]


def test_what_is_left_out_is_named_by_its_resource() -> None:
    with azure() as az:
        hub(az)
        az.put("virtualHubs/empty", {"sku": "Standard"})
        nic(az, "nva-nic", "hub/nva", "10.1.2.4", forwards=True)
        vm(az, "nva", "nva-nic", user_data={"asn": 65001, "prepend": {"nobody": 2}})
        left = {each.id.rpartition("/")[2]: each.why for each in world(az).omitted}
        assert left["empty"] == "it has no ipConfiguration in a RouteServerSubnet yet"
        assert left["nva"].startswith("network_virtual_appliances/nva/prepend/nobody: ")


# --- whatever is stored --------------------------------------------------------------------------------------------------------

GARBAGE: Any = [
    None, True, 0, -1, 1.5, 10**12, "", "x", "Ä/ #", "10.0.0.300", "10.1.2.4", "::1", [], {}, [None], ["10.0.0.0/8"], {"id": 3}, {"id": "/x"},
    {"properties": None}, {"properties": []}, [{}], [{"properties": "x"}],
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*path, step)
        yield from places(inner, (*path, step))


def spoiled(base: Records, chance: random.Random) -> Records:
    """The same resources, of which some are gone, or hold something else somewhere."""
    records = base.detached(MemoryStore())
    with records.change():
        for _ in range(chance.choice([1, 1, 2, 3, 6])):
            all_ = [each for each in records if "/providers/" in each.id]
            record = chance.choice(all_)
            if chance.random() < 0.2:
                records.delete(record.id)
                continue
            body = json.loads(json.dumps(record.body))
            path = chance.choice(list(places(body)))
            holder = body
            for step in path[:-1]:
                holder = holder[step]
            holder[path[-1]] = chance.choice(GARBAGE)
            records.put(replace(record, body=body))
    return records


@pytest.mark.parametrize("block", range(4))
def test_whatever_is_stored_there_is_a_network_and_it_is_valid(block: int) -> None:
    """Resources that are gone, and values of any kind in any place, take what they are in from the network, and never the network."""
    with azure() as az:
        build(az)
        base = az.service.context.records
        for seed in range(60 * block, 60 * block + 60):
            records = spoiled(base, random.Random(seed))
            found = world_of(records)
            assert found.topology is not None, seed
            network, wrongs = examine(found.data)
            assert (network, wrongs) == (found.topology.network, []), seed
            names = {name for name in found.nodes.values() if "." not in name}
            assert all(name in names for name in found.down), seed


def test_what_disturbs_one_resource_leaves_the_others() -> None:
    with azure() as az:
        build(az)
        records = az.service.context.records.detached(MemoryStore())
        victim = records.get(key("virtualNetworks/hub1/virtualNetworkPeerings/to-spoke"))
        assert victim is not None
        with records.change():
            records.put(replace(victim, body={**victim.body, "properties": "x"}))
        found, before = world_of(records), world(az)
        assert [each.id for each in found.omitted] == [victim.id]
        assert {each.name for each in network_of(before).peerings} - {each.name for each in network_of(found).peerings} == {"hub1->spoke"}
        assert network_of(found).nvas == network_of(before).nvas


def test_a_hub_of_virtual_wan_is_said_to_be_none() -> None:
    with azure() as az:
        hub(az)
        nic(az, "vm-nic", "spoke/workload", "10.10.1.4")
        route_server(az, "rs", "hub")
        assert set(network_of(world(az)).route_servers) == {"rs"}
        az.delete("virtualHubs/rs")
        assert network_of(world(az)).route_servers == {}
