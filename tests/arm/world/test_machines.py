"""NICs, VMs, load balancers and route servers as they stand in the topology."""

from __future__ import annotations

import pytest

from dualhome import app
from dualhome.arm.world import World
from dualhome.model import Network
from tests.arm.azure import GROUP, azure
from tests.arm.world.builder import COMPUTE, hub, key, nic, public, route_server, vm, vnet, world


def network_of(found: World) -> Network:
    assert found.topology is not None, found.omitted
    return found.topology.network


def test_nothing_is_no_network() -> None:
    with azure() as az:
        found = world(az)
        assert (found.topology, found.nodes, found.omitted) == (None, {}, ())
        public(az, "alone")
        assert world(az).topology is None


def test_machines_by_what_they_do() -> None:
    """One NIC that forwards nothing: a virtual machine. Forwarding, a second NIC, or BGP: an NVA. A NIC alone: a machine of its own name."""
    with azure() as az:
        hub(az)
        for place, (name, forwards) in enumerate(
            (("plain", False), ("forwarding", True), ("first", False), ("second", True), ("lone", False)), 4
        ):
            nic(az, f"{name}-nic", "hub/nva", f"10.1.2.{place}", forwards=forwards)
        vm(az, "plain", "plain-nic")
        vm(az, "forwarding", "forwarding-nic")
        vm(az, "double", "first-nic", "second-nic")
        found = world(az)
        network = network_of(found)
        assert set(network.virtual_machines) == {"plain", "lone-nic"}
        assert {name: [str(each.address) for each in nva.nics] for name, nva in network.nvas.items()} == {
            "forwarding": ["10.1.2.5"],
            "double": ["10.1.2.6", "10.1.2.7"],
        }
        assert found.nodes[key("networkInterfaces/second-nic")] == "double.second-nic"
        assert found.nodes[key(f"{COMPUTE}/double")] == found.nodes[key("networkInterfaces/first-nic")] == "double"
        assert found.omitted == ()


def test_a_peer_of_a_route_server_is_an_nva_with_the_asn_that_is_expected() -> None:
    with azure() as az:
        hub(az)
        vnet(az, "far", "10.2.0.0/16", nva="10.2.2.0/24")
        nic(az, "nva-nic", "hub/nva", "10.1.2.4")
        vm(az, "nva", "nva-nic")
        nic(az, "lone-nic", "hub/nva", "10.1.2.9")
        route_server(az, "rs", "hub", ("to-nva", "10.1.2.4", 65001), ("to-lone", "10.1.2.9", 65002), allowBranchToBranchTraffic=True)
        found = world(az)
        network = network_of(found)
        assert network.nvas["nva"].asn == 65001
        assert found.sessions == {
            key("virtualHubs/rs/bgpConnections/to-nva"): "rs/nva",
            key("virtualHubs/rs/bgpConnections/to-lone"): "rs/to-lone",
        }
        assert network.route_servers["rs"].branch_to_branch
        run = app.Net(found.topology).simulate()
        assert run.session_states("rs#0/nva") == {"rs#0/nva": "Established"}
        assert "Established" not in run.session_states("rs#0/to-lone").values()
        assert found.omitted == ()


def test_the_same_address_in_a_network_that_is_not_beside_it_is_another_machine() -> None:
    with azure() as az:
        hub(az)
        vnet(az, "elsewhere", "10.1.0.0/16", nva="10.1.2.0/24")
        for network in ("hub", "elsewhere"):
            nic(az, f"{network}-nic", f"{network}/nva", "10.1.2.4")
            vm(az, f"{network}-vm", f"{network}-nic")
        route_server(az, "rs", "hub", ("nva", "10.1.2.4", 65001))
        network = network_of(world(az))
        assert (set(network.nvas), set(network.virtual_machines)) == ({"hub-vm"}, {"elsewhere-vm"})


def test_two_that_disagree_about_the_asn_have_no_session() -> None:
    with azure() as az:
        hub(az)
        nic(az, "nva-nic", "hub/nva", "10.1.2.4", forwards=True)
        vm(az, "nva", "nva-nic", user_data={"asn": 65009, "originates": ["0.0.0.0/0"]})
        route_server(az, "rs", "hub", ("to-nva", "10.1.2.4", 65001))
        found = world(az)
        assert network_of(found).nvas["nva"].asn == 65009
        name = found.sessions[key("virtualHubs/rs/bgpConnections/to-nva")]
        run = app.Net(found.topology).simulate()
        states = run.session_states(name)
        assert states
        assert "Established" not in states.values()


@pytest.mark.parametrize("how", ["user_data", "tag"])
def test_what_a_machine_says_of_itself(how: str) -> None:
    """In user data or a tag, YAML or JSON; the ASN is its peers' where it is not told."""
    with azure() as az:
        hub(az)
        nic(az, "nva-nic", "hub/nva", "10.1.2.4", forwards=True)
        vm(az, "nva", "nva-nic", **{how: "{originates: [0.0.0.0/0], prepend: {rs: 2}}"})
        route_server(az, "rs", "hub", ("to-nva", "10.1.2.4", 65001))
        found = world(az)
        nva = network_of(found).nvas["nva"]
        assert (nva.asn, [str(each.prefix) for each in nva.originates], dict(nva.prepend)) == (65001, ["0.0.0.0/0"], {"rs": 2})
        run = app.Net(found.topology).simulate()
        assert [(str(each.prefix), str(each.as_path)) for each in run.learned("rs#0/nva")] == [("0.0.0.0/0", "65001 65001 65001")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{asn: [", "no YAML"),
        ("{asn: many}", "many"),
        ("{asn: 65001, nonsense: 1}", "nonsense"),
        ("{asn: 65001, prepend: {nobody: 1}}", "nobody"),
        ("{asn: 65001, originates: [10.0.0.300/8]}", "10.0.0.300/8"),
    ],
)
def test_what_it_says_wrongly_is_left_out_and_said(text: str, why: str) -> None:
    with azure() as az:
        hub(az)
        nic(az, "nva-nic", "hub/nva", "10.1.2.4", forwards=True)
        nic(az, "vm-nic", "spoke/workload", "10.10.1.4")
        vm(az, "nva", "nva-nic", user_data=text)
        found = world(az)
        assert any(why in each.why for each in found.omitted), found.omitted
        assert "nva" in network_of(found).nvas
        assert "vm-nic" in network_of(found).virtual_machines


def test_data_that_is_no_text_is_not_ours() -> None:
    """User data of other programs is none of ours."""
    with azure() as az:
        hub(az)
        nic(az, "vm-nic", "spoke/workload", "10.10.1.4")
        vm(az, "vm", "vm-nic", user_data="#!/bin/sh\necho hello\n")
        found = world(az)
        assert "vm" in network_of(found).virtual_machines
        assert found.omitted == ()


def test_names_of_two_groups_are_kept_apart() -> None:
    """The second one of a name has its group before it; what refers to it by name within its group means it, in a load balancer's pool too."""
    other = GROUP.replace("rg1", "rg2")
    with azure() as az:
        az.put(other)
        hub(az)
        nic(az, "nva-nic", "hub/nva", "10.1.2.4", forwards=True)
        vm(az, "nva", "nva-nic")
        values = {"privateIPAllocationMethod": "Static", "privateIPAddress": "10.1.2.5", "subnet": az.id("virtualNetworks/hub/subnets/nva")}
        second = f"{other}/providers/Microsoft.Network/networkInterfaces/nva-nic"
        az.put(second, {"enableIPForwarding": True, "ipConfigurations": [{"name": "one", "properties": values}]})
        machine = az.get(f"{COMPUTE}/nva")["properties"]
        profile = {"networkInterfaces": [{"id": second}]}
        shape = {key: machine[key] for key in ("hardwareProfile",)}
        az.put(
            f"{other}/providers/Microsoft.Compute/virtualMachines/nva",
            {
                **shape,
                "networkProfile": profile,
                "storageProfile": {
                    "imageReference": {"publisher": "Canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts-gen2"}
                },
                "osProfile": {"computerName": "nva", "adminUsername": "u", "linuxConfiguration": {"disablePasswordAuthentication": True}},
            },
        )
        front = {
            "privateIPAllocationMethod": "Static",
            "privateIPAddress": "10.1.2.100",
            "subnet": az.id("virtualNetworks/hub/subnets/nva"),
        }
        members = [
            {"name": each, "properties": {"ipAddress": each, "virtualNetwork": az.id("virtualNetworks/hub")}}
            for each in ("10.1.2.4", "10.1.2.5")
        ]
        az.put(
            "loadBalancers/ilb",
            {
                "frontendIPConfigurations": [{"name": "front", "properties": front}],
                "backendAddressPools": [{"name": "pool", "properties": {"loadBalancerBackendAddresses": members}}],
                "probes": [{"name": "probe", "properties": {"protocol": "Tcp", "port": 179, "intervalInSeconds": 7, "numberOfProbes": 3}}],
            },
            sku={"name": "Standard"},
        )
        network = network_of(world(az))
        assert set(network.nvas) == {"nva", "rg2.nva"}
        balancer = network.load_balancers["ilb"]
        assert (set(balancer.backends), balancer.probe_interval_s) == ({"nva", "rg2.nva"}, 7)


def test_members_of_a_pool_by_their_nics() -> None:
    with azure() as az:
        hub(az)
        front = {
            "privateIPAllocationMethod": "Static",
            "privateIPAddress": "10.1.2.100",
            "subnet": az.id("virtualNetworks/hub/subnets/nva"),
        }
        pools = {"frontendIPConfigurations": [{"name": "front", "properties": front}], "backendAddressPools": [{"name": "pool"}]}
        az.put("loadBalancers/ilb", pools, sku={"name": "Standard"})
        assert [each.why for each in world(az).omitted] == ["no machine is in its backend pools"]
        for name, address in (("a.b", "10.1.2.4"), ("c", "10.1.2.5")):
            nic(az, f"{name}-nic", "hub/nva", address, pool="loadBalancers/ilb/backendAddressPools/pool")
            vm(az, name, f"{name}-nic")
        network = network_of(world(az))
        assert set(network.load_balancers["ilb"].backends) == {"a.b", "c"}
        assert network.virtual_machines == {}


def test_who_is_powered_off_is_down() -> None:
    with azure() as az:
        hub(az)
        nic(az, "vm-nic", "spoke/workload", "10.10.1.4")
        vm(az, "vm", "vm-nic")
        assert world(az).down == ()
        assert az.ask("POST", f"{COMPUTE}/vm/deallocate").status_code == 200
        assert world(az).down == ("vm",)


def test_maps_stand_where_connections_name_them() -> None:
    """By the connection's routingConfiguration (R120, R121)."""
    with azure() as az:
        hub(az)
        nic(az, "nva-nic", "hub/nva", "10.1.2.4")
        vm(az, "nva", "nva-nic")
        route_server(az, "rs", "hub")
        rule = {
            "name": "longer",
            "matchCriteria": [{"matchCondition": "Contains", "routePrefix": ["10.0.0.0/8"]}],
            "actions": [{"type": "Add", "parameters": [{"asPath": ["3356", "3356"]}]}],
            "nextStepIfMatched": "Continue",
        }
        az.put("virtualHubs/rs/routeMaps/demote", {"rules": [rule]})
        map_ = {"inboundRouteMap": az.id("virtualHubs/rs/routeMaps/demote")}
        az.put("virtualHubs/rs/bgpConnections/to-nva", {"peerIp": "10.1.2.4", "peerAsn": 65001, "routingConfiguration": map_})
        found = world(az)
        assert found.data["route_servers"]["rs"]["route_maps"] == {"inbound": {"nva": "demote"}}
        assert found.data["route_maps"]["demote"] == [
            {
                "name": "longer",
                "match": {"prefix": {"contains": ["10.0.0.0/8"]}},
                "actions": {"as_path": {"add": [3356, 3356]}},
                "then": "continue",
            }
        ]
        run = app.Net(found.topology).simulate()
        assert "Established" in run.session_states("rs#0/nva").values()


def test_names_with_dots() -> None:
    """Azure allows them; a further NIC is its machine's all the same."""
    with azure() as az:
        hub(az)
        nic(az, "a.b", "hub/nva", "10.1.2.4")
        nic(az, "c.d", "hub/nva", "10.1.2.5")
        vm(az, "x.y", "a.b", "c.d")
        route_server(az, "rs", "hub", ("p.q", "10.1.2.4", 65001))
        found = world(az)
        assert (found.nodes[key("networkInterfaces/a.b")], found.nodes[key("networkInterfaces/c.d")]) == ("x.y", "x.y.c-d")
        assert found.omitted == ()
        run = app.Net(found.topology).simulate()
        assert run.session_states("rs#0/x.y") == {"rs#0/x.y": "Established"}
        assert az.post("networkInterfaces/c.d/effectiveRouteTable")["value"]
