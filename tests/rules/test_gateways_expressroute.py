"""ExpressRoute gateways, circuits and the edge: section 6 of the rules."""

from __future__ import annotations

from typing import Any

import pytest

import dualhome
from dualhome.errors import TopologyError
from dualhome.net import Address
from dualhome.plan.azure import edge_limit
from tests.rules.asking import communities, heard, learned, refused, row, settled, told, ways
from tests.rules.hub import NO_CONNECTIONS, NVAS, OFF, ON, POOL, RANGES, prefixes


@pytest.mark.rules("R139", "R140")
def test_a_circuit_is_two_edge_routers_with_the_second_address_of_their_links() -> None:
    run = settled(ON)
    sides = {view.speaker: (view.peer, view.state) for view in run.sessions("c1/dc1")}
    assert sides == {"c1#0": ("dc1", "Established"), "c1#1": ("dc1", "Established")}
    first, second = run.network.circuits["c1"].link_subnets
    assert heard(run, "c1/dc1") == {f"192.168.1.0/24 65010 via {first.address(1)}", f"192.168.1.0/24 65010 via {second.address(1)}"}
    assert {r.next_hop for r in run.learned("dc1/c1")} == {str(first.address(2)), str(second.address(2))}


@pytest.mark.rules("R19", "R139")
def test_link_subnets_are_two_of_30_as_the_halves_of_a_29_outside_every_virtual_network() -> None:
    def given(text: str) -> str:
        return ON.replace("c1: {gateways", f"c1: {{link_subnets: [{text}], gateways", 1)

    run = settled(given("192.168.100.128/30, 192.168.100.132/30"))
    assert {r.next_hop for r in run.learned("dc1/c1")} == {"192.168.100.130", "192.168.100.134"}
    assert {r.next_hop for r in run.learned("c1/dc1")} == {"192.168.100.129", "192.168.100.133"}
    with pytest.raises(TopologyError, match=r"is no /30 \(R139\)"):
        dualhome.parse(given("192.168.100.128/29, 192.168.100.136/29"))
    with pytest.raises(TopologyError, match=r"overlaps 10.0.0.0/16 of virtual network 'hub' \(R19\)"):
        dualhome.parse(given("10.0.200.0/30, 10.0.200.4/30"))


@pytest.mark.rules("R140", "R152")
@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("dc1: {asn: 65010", "dc1: {asn: 65517", "circuit takes none of 65515 to 65520 (R140)"),
        ("branch: {asn: 65020", "branch: {asn: 65518", "'branch' has ASN 65518, which Azure keeps for itself (R152)"),
        ("active_active: true", "active_active: true, asn: 65519", "'vpn' has ASN 65519, which is reserved (R152)"),
        ("active_active: true", "active_active: true, asn: 23456", "'vpn' has ASN 23456, which is reserved (R152)"),
        ("type: ExpressRoute", "type: ExpressRoute, asn: 65050", "65515"),
    ],
)
def test_asns_that_azure_refuses(before: str, after: str, says: str) -> None:
    with pytest.raises(TopologyError) as refusal:
        dualhome.parse(ON.replace(before, after, 1))
    assert says in str(refusal.value)


@pytest.mark.rules("R140", "R152")
def test_asns_of_four_octets_are_fine_on_premises_and_at_a_vpn_gateway() -> None:
    run = settled(
        ON.replace("dc1: {asn: 65010", "dc1: {asn: 4200000010").replace("active_active: true", "active_active: true, asn: 4200000001")
    )
    assert {view.state for name in ("c1/dc1", "vpn/branch", "rs/vpn") for view in run.sessions(name)} == {"Established"}


LIMIT = [f"100.{64 + i // 256}.{i % 256}.0/24" for i in range(1001)]


@pytest.mark.rules("R88", "R141")
def test_the_edge_ends_the_session_of_a_gateway_that_tells_over_a_thousand_prefixes() -> None:
    """Branch-to-branch, so that the NVA's routes go to the circuit: two ranges, 998 of the NVA are the last that fit."""
    run = settled(ON, NO_CONNECTIONS)
    run.withdraw("nva", [*NVAS])
    run.announce("nva", LIMIT[:998])
    run.settle(60)
    assert len(learned(run, "c1/er")) == 1000
    assert {view.state for view in run.sessions("c1/er")} == {"Established"}
    assert {finding.code for finding in run.check()} >= {"L-022"}
    run.announce("nva", LIMIT[998:999])
    run.wait(1)
    assert {view.state for view in run.sessions("c1/er")}.isdisjoint({"Established"})
    assert any("1001 prefixes, limit 1000" in view.last_error for view in run.sessions("c1/er"))


@pytest.mark.rules("R141")
@pytest.mark.parametrize(("address", "limit"), [("10.0.1.4", 1000), ("fd00::4", 100)])
def test_of_ipv6_prefixes_the_edge_takes_a_tenth(address: str, limit: int) -> None:
    assert edge_limit(dualhome.parse(ON).network, Address.parse(address))["max_prefixes"] == limit


@pytest.mark.rules("R141", "R143")
def test_a_circuit_ends_the_session_of_a_router_that_tells_over_its_limit() -> None:
    run = settled(ON, {"expressroute_circuits": {"c1": {"max_prefixes": 5}}})
    run.announce("dc1", LIMIT[:4])
    run.settle(60)
    assert {view.state for view in run.sessions("c1/dc1")} == {"Established"}
    run.announce("dc1", LIMIT[4:5])
    run.wait(1)
    assert {view.state for view in run.sessions("c1/dc1")}.isdisjoint({"Established"})


@pytest.mark.rules("R45", "R142")
def test_a_default_route_from_on_premises_takes_the_machines_off_the_internet() -> None:
    run = settled(
        OFF,
        {"network_virtual_appliances": {"nva": {"originates": ["172.16.0.0/16"]}}},
        {"on_premises": {"dc1": {"originates": ["0.0.0.0/0"]}}},
    )
    assert row(run, "hub-vm", "0.0.0.0/0") == ["0.0.0.0/0 VirtualNetworkGateway VirtualNetworkGateway 169.254.0.2 169.254.0.6"]
    assert row(run, "hub-vm", "10.0.0.0/8") == [], "and private addresses follow it (R47)"
    assert ways(run, "spoke-vm", "internet") == {"er > c1 > dc1 > dropped at dc1: no-route"}, "unless on-premises leads there"


@pytest.mark.rules("R143")
def test_the_edge_takes_its_own_asn_twice_and_passes_communities() -> None:
    """Allowas-in 2: what on-premises learned over another circuit comes in; with a third copy it doesn't."""
    copies = {
        prefix: "64496" + " 12076" * n for n, prefix in enumerate(("172.20.0.0/16", "172.21.0.0/16", "172.22.0.0/16", "172.23.0.0/16"))
    }
    more: dict[str, Any] = {
        "originates": [{"prefix": p, "as_path": path} for p, path in copies.items()],
        "communities": {"c1": ["65010:7"]},
    }
    run = settled(ON, {"on_premises": {"dc1": more}})
    assert prefixes(learned(run, "c1/dc1")) == {"192.168.1.0/24", "172.20.0.0/16", "172.21.0.0/16", "172.22.0.0/16"}
    assert refused(run, "c1/dc1") == {"172.23.0.0/16 as-loop"}
    assert "172.22.0.0/16 12076 65010 64496 12076 12076" in learned(run, "er/c1")
    assert "65010:7" in communities(run.learned("er/c1"), "192.168.1.0/24")


@pytest.mark.rules("R144")
def test_microsoft_tags_prefixes_with_their_region_and_honors_no_community_of_customers() -> None:
    of_customer = {"on_premises": {"dc1": {"communities": {"c1": ["no-advertise", "65010:7"]}}}}
    assert not communities(settled(ON, of_customer).learned("dc1/c1"), "10.0.0.0/16"), "nobody asked for any"
    tagged = {"hub": {"bgp_community": "12076:20001"}, "spoke": {"bgp_community": "12076:20002"}}
    run = settled(ON, {**of_customer, "virtual_networks": tagged})
    assert communities(run.learned("dc1/c1"), "10.0.0.0/16") == {"12076:20001", "12076:50002"}
    assert {"12076:20002", "12076:50004"} <= communities(run.learned("dc1/c1"), "10.1.0.0/16")
    assert not any(each.startswith("12076:") for each in communities(run.learned("dc1/c1"), "172.16.0.0/16"))
    assert communities(run.learned("er/c1"), "192.168.1.0/24") == {"65010:7"}
    assert "192.168.1.0/24" in prefixes(learned(run, "nva/rs")), "no-advertise is not obeyed"


@pytest.mark.rules("R145")
@pytest.mark.parametrize(("here", "there"), [(True, True), (True, False), (False, False)])
def test_another_virtual_network_at_the_circuit_is_heard_where_that_is_allowed(here: bool, there: bool) -> None:
    text = f"""
version: 1
name: two
virtual_networks:
  a: {{address_space: [10.1.0.0/16], subnets: {{GatewaySubnet: 10.1.0.0/27, vm: 10.1.1.0/24}}}}
  b: {{address_space: [10.2.0.0/16], subnets: {{GatewaySubnet: 10.2.0.0/27, vm: 10.2.1.0/24}}}}
virtual_network_gateways:
  era: {{type: ExpressRoute, virtual_network: a, allow_remote_virtual_network_traffic: {str(here).lower()}}}
  erb: {{type: ExpressRoute, virtual_network: b, allow_remote_virtual_network_traffic: {str(there).lower()}}}
expressroute_circuits: {{c: {{gateways: [era, erb], provider_edge: [dc]}}}}
on_premises: {{dc: {{asn: 65010, prefixes: [192.168.0.0/16]}}}}
virtual_machines: {{vma: {{subnet: a/vm}}, vmb: {{subnet: b/vm}}}}
"""
    run = settled(text)
    assert ("10.2.0.0/16 12076 12076" in learned(run, "era/c")) is here
    assert ("10.1.0.0/16 12076 12076" in learned(run, "erb/c")) is there
    assert (ways(run, "vma", "vmb") == {"era > c > erb > vmb"}) is here
    assert "192.168.0.0/16 12076 65010" in learned(run, "era/c"), "on-premises always is"


WEIGHTS = """
version: 1
name: weights
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/27, vm: 10.0.3.0/24}}
virtual_network_gateways: {er: {type: ExpressRoute, virtual_network: hub}}
expressroute_circuits:
  c1: {gateways: [er], provider_edge: [dc]}
  c2: {gateways: [er], provider_edge: [dc]}
on_premises: {dc: {asn: 65010, prefixes: [192.168.0.0/16], hosts: {host: 192.168.0.9}}}
virtual_machines: {vm: {subnet: hub/vm}}
"""


@pytest.mark.rules("R114", "R146")
def test_routing_weight_chooses_among_connections_on_the_way_out() -> None:
    """Equal ones share the load, beside a route server one carries it; weight decides only between equal prefixes."""
    run = settled(WEIGHTS)
    assert ways(run, "vm", "host") == {"er > c1 > dc > host", "er > c2 > dc > host"}
    both = ways(run, "host", "vm")
    run.change({"expressroute_circuits": {"c2": {"gateways": [{"gateway": "er", "routing_weight": 10}]}}})
    run.settle(60)
    assert ways(run, "vm", "host") == {"er > c2 > dc > host"}
    assert ways(run, "host", "vm") == both, "the way in is on-premises' own choice"
    run.change(
        {
            "on_premises": {
                "dc": {
                    "originates": ["192.168.0.0/24"],
                    "export": {"c2": [{"match": {"prefix": {"equals": ["192.168.0.0/24"]}}, "actions": {"prefix": "drop"}}]},
                }
            }
        }
    )
    run.settle(60)
    assert ways(run, "vm", "host") == {"er > c1 > dc > host"}, "the longer prefix goes before any weight"
    run = settled(WEIGHTS, {"route_servers": {"rs": {"virtual_network": "hub"}}})
    assert ways(run, "vm", "host") == {"er > c1 > dc > host"}


@pytest.mark.rules("R146")
def test_a_gateway_is_connected_to_a_circuit_once_and_a_network_to_four_of_a_location() -> None:
    with pytest.raises(TopologyError, match="connected twice"):
        dualhome.parse(WEIGHTS.replace("c1: {gateways: [er]", "c1: {gateways: [er, er]"))
    more = "".join(f"  c{i}: {{gateways: [er], provider_edge: [dc], peering_location: Amsterdam}}\n" for i in range(3, 7))
    four = WEIGHTS.replace("on_premises:", more + "on_premises:")
    assert dualhome.parse(four).simulate(settle=False).network.circuits["c6"].peering_location == "Amsterdam"
    with pytest.raises(TopologyError, match="'c6' is the fifth circuit from Amsterdam to 'hub'"):
        dualhome.parse(four.replace("c1: {gateways: [er]", "c1: {peering_location: amsterdam, gateways: [er]"))


FAST: dict[str, Any] = {"expressroute_circuits": {"c1": {"gateways": [{"gateway": "er", "fast_path": True}]}}}
INSPECTED: dict[str, Any] = {
    "virtual_networks": {"hub": {"subnets": {"GatewaySubnet": {"route_table": "inspect"}}}},
    "route_tables": {
        "inspect": {
            "routes": [
                {"prefix": p, "next_hop_type": "VirtualAppliance", "next_hop": "nva"} for p in ("10.0.3.0/24", "10.1.0.0/16", "10.2.0.0/16")
            ]
        }
    },
}


@pytest.mark.rules("R147")
def test_fast_path_bypasses_the_gateway_and_its_subnets_route_table() -> None:
    """To machines of the gateway's own virtual network; into peered ones packets go by the gateway, and by its route table."""
    run = settled(ON, INSPECTED)
    assert ways(run, "host1", "hub-vm") == {"dc1 > c1 > er > nva > hub-vm"}
    run.change(FAST)
    run.settle(60)
    assert ways(run, "host1", "hub-vm") == {"dc1 > c1 > hub-vm"}
    assert ways(run, "host1", "spoke-vm") == {"dc1 > c1 > er > nva > spoke-vm"}
    assert "192.168.1.0/24 12076 65010" in learned(run, "er/c1"), "the gateway still learns and tells the routes"
    assert {finding.code for finding in run.check()} >= {"L-055"}


@pytest.mark.rules("R147")
@pytest.mark.parametrize(("sku", "has"), [("Standard", False), ("ErGw1AZ", False), ("UltraPerformance", True), ("ErGw3AZ", True)])
def test_fast_path_needs_the_largest_gateways(sku: str, has: bool) -> None:
    text = ON.replace("er: {type: ExpressRoute,", f"er: {{type: ExpressRoute, sku: {sku},").replace(
        "gateways: [er]", "gateways: [{gateway: er, fast_path: true}]", 1
    )
    if has:
        assert dualhome.parse(text)
        return
    with pytest.raises(TopologyError, match=f"of SKU {sku}, which has no FastPath"):
        dualhome.parse(text)


@pytest.mark.rules("R148")
def test_summaries_replace_the_hubs_ranges_and_those_of_spokes_that_they_cover() -> None:
    run = settled(OFF, {"virtual_networks": {"hub": {"summarized_gateway_prefixes": ["10.0.0.0/15"]}}})
    assert prefixes(learned(run, "dc1/c1")) == {"10.0.0.0/15"}
    assert prefixes(told(run, "vpn/branch")) == {"10.0.0.0/15", "192.168.4.0/24", "192.168.5.0/24"} | POOL
    assert prefixes(told(run, "rs/nva")) == RANGES, "a route server tells the ranges"
    run.change({"virtual_networks": {"hub": {"summarized_gateway_prefixes": ["172.30.0.0/16"]}}})
    run.settle(60)
    assert prefixes(learned(run, "dc1/c1")) == {"172.30.0.0/16", "10.1.0.0/16"}, "an unrelated one replaces the hub's too, not the spoke's"


@pytest.mark.rules("R149")
def test_a_users_route_to_the_gateway_never_means_expressroute() -> None:
    to_gateway = {"prefix": "198.51.100.0/24", "next_hop_type": "VirtualNetworkGateway"}
    table = {"virtual_networks": {"hub": {"subnets": {"vm": {"route_table": "t"}}}}, "route_tables": {"t": {"routes": [to_gateway]}}}
    run = settled(OFF, table, NO_CONNECTIONS, {"virtual_network_gateways": {"vpn": None}})
    assert ways(run, "hub-vm", "198.51.100.1") == {"dropped at hub-vm: no-route"}
