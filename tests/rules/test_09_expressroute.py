"""Group 9: the hairpin at Microsoft's edge, private ASNs toward on-premises, anycast over one circuit."""

from __future__ import annotations

from typing import Any

import pytest

from dualhome.app import Run
from tests.rules.asking import best, communities, learned, refused, row, settled, ways

HAIRPIN = """
version: 1
name: hairpin
virtual_networks:
  one: {address_space: [10.1.0.0/16], subnets: {RouteServerSubnet: 10.1.0.0/26, GatewaySubnet: 10.1.1.0/27, nva: 10.1.2.0/24}}
  two: {address_space: [10.2.0.0/16], subnets: {RouteServerSubnet: 10.2.0.0/26, GatewaySubnet: 10.2.1.0/27, vm: 10.2.2.0/24}}
route_servers:
  rs1: {virtual_network: one, branch_to_branch: true, peers: [nva1]}
  rs2: {virtual_network: two, branch_to_branch: true}
network_virtual_appliances:
  nva1: {subnet: one/nva, ip_forwarding: true, asn: 65001, originates: [172.16.0.0/16, {prefix: 172.17.0.0/16, as_path: 64496}], hosts: {app: 172.16.0.9}}
virtual_network_gateways:
  er1: {type: ExpressRoute, virtual_network: one, allow_remote_virtual_network_traffic: true}
  er2: {type: ExpressRoute, virtual_network: two, allow_remote_virtual_network_traffic: true}
expressroute_circuits:
  circuit: {gateways: [er1, er2], provider_edge: [dc]}
on_premises:
  dc: {asn: 65010, prefixes: [192.168.0.0/16], hosts: {host: 192.168.0.9}}
virtual_machines: {vm2: {subnet: two/vm}}
"""


@pytest.mark.rules("R95", "R135")
def test_the_hairpin_brings_nothing_to_a_virtual_network_with_a_route_server() -> None:
    """The tag of the first route server survives the edge; the gateway beside the second one drops what bears it. On-premises learns the route."""
    run = settled(HAIRPIN)
    assert "172.16.0.0/16 12076" in learned(run, "dc/circuit")
    assert {"172.16.0.0/16 branch-tag", "172.17.0.0/16 branch-tag"} <= refused(run, "er2/circuit")
    assert not any(each.startswith("172.") for each in learned(run, "rs2/er2"))
    assert row(run, "vm2", "172.16.0.0/16") == []
    assert best(run, "er2#0", "10.1.0.0/16") == {"12076 12076 from circuit#0", "12076 12076 from circuit#1"}, (
        "virtual networks bear no tag (D24)"
    )


@pytest.mark.rules("R135", "R145")
def test_without_a_route_server_of_its_own_it_learns_them() -> None:
    run = settled(HAIRPIN, {"route_servers": {"rs2": None}})
    assert {"172.16.0.0/16 12076 12076 65001", "172.17.0.0/16 12076 12076 65001 64496"} <= learned(run, "er2/circuit")
    assert row(run, "vm2", "172.16.0.0/16") == ["172.16.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 169.254.0.2 169.254.0.6"]
    assert ways(run, "vm2", "app") == {"er2 > circuit > er1 > nva1 > app"}
    run.change({"virtual_network_gateways": {"er2": {"allow_remote_virtual_network_traffic": False}}})
    run.settle(60)
    assert "172.16.0.0/16 remote-virtual-network" in refused(run, "er2/circuit")
    assert row(run, "vm2", "172.16.0.0/16") == []


@pytest.mark.rules("R135")
def test_on_premises_that_tags_its_routes_as_azure_does_is_not_heard() -> None:
    tagging: dict[str, Any] = {"on_premises": {"dc": {"communities": {"circuit": ["65517:65517"]}}}}
    run = settled(HAIRPIN, tagging)
    assert refused(run, "er1/circuit") >= {"192.168.0.0/16 branch-tag"}
    assert learned(run, "rs1/er1") == {"10.2.0.0/16 12076 12076"}, "of the other virtual network alone"


@pytest.mark.rules("R134", "R143")
def test_private_asns_leave_the_path_and_public_ones_stay() -> None:
    run = settled(HAIRPIN)
    assert learned(run, "circuit/er1") == {"10.1.0.0/16 65515", "172.16.0.0/16 65515 65001", "172.17.0.0/16 65515 65001 64496"}
    assert learned(run, "dc/circuit") == {"10.1.0.0/16 12076", "10.2.0.0/16 12076", "172.16.0.0/16 12076", "172.17.0.0/16 12076 64496"}
    assert "65517:65517" in communities(run.learned("dc/circuit"), "172.16.0.0/16"), "the edge passes communities on"


@pytest.mark.rules("R134")
def test_copies_of_a_private_asn_change_nothing_on_premises() -> None:
    run = settled(HAIRPIN, {"network_virtual_appliances": {"nva1": {"prepend": {"rs1": 3}}}})
    assert "172.16.0.0/16 65515 65001 65001 65001 65001" in learned(run, "circuit/er1")
    assert "172.16.0.0/16 12076" in learned(run, "dc/circuit")


@pytest.mark.rules("R134")
def test_copies_of_a_public_asn_do() -> None:
    run = settled(HAIRPIN, {"network_virtual_appliances": {"nva1": {"asn": 64600, "prepend": {"rs1": 1}}}})
    assert "172.16.0.0/16 12076" in learned(run, "dc/circuit"), "64600 is private too"
    run.change({"network_virtual_appliances": {"nva1": {"asn": 3333}}})
    run.settle(60)
    assert "172.16.0.0/16 12076 3333 3333" in learned(run, "dc/circuit")


# --- anycast --------------------------------------------------------------------------------------------------------------

ANYCAST = """
version: 1
name: anycast
virtual_networks:
  east: {address_space: [10.1.0.0/16], subnets: {RouteServerSubnet: 10.1.0.0/26, GatewaySubnet: 10.1.1.0/27, nva: 10.1.2.0/24}}
  west: {address_space: [10.2.0.0/16], subnets: {RouteServerSubnet: 10.2.0.0/26, GatewaySubnet: 10.2.1.0/27, nva: 10.2.2.0/24}}
route_servers:
  rs-east: {virtual_network: east, branch_to_branch: true, peers: [nva-east]}
  rs-west: {virtual_network: west, branch_to_branch: true, peers: [nva-west]}
network_virtual_appliances:
  nva-east: {subnet: east/nva, ip_forwarding: true, asn: 65010, originates: [{prefix: 9.9.9.9/32, while: app}], hosts: {app: 9.9.9.9}}
  nva-west: {subnet: west/nva, ip_forwarding: true, asn: 65010, originates: [9.9.9.9/32], hosts: {app: 9.9.9.9}}
virtual_network_gateways:
  er-east: {type: ExpressRoute, virtual_network: east}
  er-west: {type: ExpressRoute, virtual_network: west}
expressroute_circuits:
  circuit: {gateways: [er-east, er-west], provider_edge: [dc]}
on_premises:
  dc: {asn: 65020, prefixes: [192.168.0.0/16], hosts: {host: 192.168.0.9}}
"""
EAST, WEST = "dc > circuit > er-east > nva-east > app", "dc > circuit > er-west > nva-west > app"


def at_the_edge(run: Run) -> set[str]:
    """`as-path gateway` of every route of the primary edge router; the best ones with a star."""
    routes = [r for r in run.table("circuit#0") if str(r.prefix) == "9.9.9.9/32"]
    return {f"{'*' if r.best or r.multipath else ''}{r.as_path} {r.learned_from.partition('#')[0]}" for r in routes}


@pytest.mark.rules("R162", "R183")
def test_anycast_over_one_circuit() -> None:
    """Equal announcements share the load; copies make one the backup; failover is a matter of seconds."""
    run = settled(ANYCAST)
    assert at_the_edge(run) == {"*65515 65010 er-east", "*65515 65010 er-west"}
    assert ways(run, "host", "9.9.9.9") == {EAST, WEST}
    run.change({"network_virtual_appliances": {"nva-west": {"prepend": {"rs-west": 2}}}})
    run.watch("host", "9.9.9.9")
    run.settle(60)
    assert at_the_edge(run) == {"*65515 65010 er-east", "65515 65010 65010 65010 er-west"}
    assert {(r.as_path, r.next_hop) for r in run.learned("circuit#0/er-east") if str(r.prefix) == "9.9.9.9/32"} == {
        ("65515 65010", "10.1.1.4"),
        ("65515 65010", "10.1.1.5"),
    }
    assert ways(run, "host", "9.9.9.9") == {EAST}
    run.wait(10)
    run.fail("nva-east")
    run.settle(60)
    assert at_the_edge(run) == {"*65515 65010 65010 65010 er-west"}
    assert ways(run, "host", "9.9.9.9") == {WEST}
    assert run.outage("host", "9.9.9.9") <= 3


@pytest.mark.rules("R183")
def test_an_nva_that_withdraws_because_its_service_is_ill_loses_its_share() -> None:
    run = settled(ANYCAST)
    run.withdraw("nva-east", ["9.9.9.9/32"])
    run.settle(60)
    assert at_the_edge(run) == {"*65515 65010 er-west"}
    assert ways(run, "host", "9.9.9.9") == {WEST}


@pytest.mark.rules("R184")
def test_answers_of_a_service_that_keeps_the_clients_address_need_a_route_to_the_nva() -> None:
    """A machine behind the NVA that sees the client's own address answers past it; a user-defined route for on-premises leads it back."""
    text = ANYCAST.replace("nva: 10.1.2.0/24}", "nva: 10.1.2.0/24, app: {prefix: 10.1.3.0/24, route_table: back}}")
    text += "virtual_machines: {server: {subnet: east/app}}\nroute_tables: {back: {routes: []}}\n"
    run = settled(text)
    assert ways(run, "server", "host") == {"er-east > circuit > dc > host"}
    back = {"prefix": "192.168.0.0/16", "next_hop_type": "VirtualAppliance", "next_hop": "nva-east"}
    run.change({"route_tables": {"back": {"routes": [back]}}})
    assert ways(run, "server", "host") == {"nva-east > er-east > circuit > dc > host"}
