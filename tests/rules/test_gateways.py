"""Route exchange, ExpressRoute and VPN gateways: sections 5 to 7 of the rules."""

from __future__ import annotations

from typing import Any

import pytest

import dualhome
from dualhome.errors import TopologyError
from tests.rules.asking import best, communities, heard, learned, outages, refused, row, settled, told, ways

# hub with everything, two transit spokes' worth of neighbors: one with a transit pair, one without
HUB = """
version: 1
name: hub
virtual_networks:
  hub: {address_space: [10.0.0.0/16], region: westeurope, subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/26, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
  spoke: {address_space: [10.1.0.0/16], region: eastus, subnets: {vm: 10.1.0.0/24}}
  plain: {address_space: [10.2.0.0/16], subnets: {vm: 10.2.0.0/24}}
peerings:
  - {between: [hub, spoke], allow_forwarded_traffic: true, hub->spoke: {allow_gateway_transit: true}, spoke->hub: {use_remote_gateways: true}}
  - {between: [hub, plain], allow_forwarded_traffic: true}
route_servers:
  rs: {virtual_network: hub, branch_to_branch: BRANCH, peers: [nva, quiet]}
network_virtual_appliances:
  nva:
    {subnet: hub/nva, ip_forwarding: true, asn: 65001, originates: [172.16.0.0/16, 0.0.0.0/0, 0.0.0.0/1, 128.0.0.0/1],
     prepend: {rs: 2}, hosts: {app: 172.16.0.9}, export: {rs: own}}
  quiet: {subnet: hub/nva, ip_forwarding: true, asn: 65002, originates: [172.18.0.0/16], communities: {rs: [no-advertise]}}
virtual_network_gateways:
  er: {type: ExpressRoute, virtual_network: hub}
  vpn: {type: Vpn, virtual_network: hub, active_active: true, point_to_site: {address_pool: [172.31.0.0/24]}}
expressroute_circuits:
  c1: {gateways: [er], provider_edge: [dc1]}
  c2: {gateways: [er], provider_edge: [dc2]}
vpn_connections:
  - {gateway: vpn, to: branch}
  - {gateway: vpn, to: office}
  - {gateway: vpn, to: store}
on_premises:
  dc1: {asn: 65010, prefixes: [192.168.1.0/24], hosts: {host1: 192.168.1.9}, export: {c1: own}}
  dc2: {asn: 65011, prefixes: [192.168.2.0/24], hosts: {host2: 192.168.2.9}, export: {c2: own}}
  branch: {asn: 65020, prefixes: [192.168.3.0/24], hosts: {host3: 192.168.3.9}, export: {vpn: own}}
  office: {asn: 65021, prefixes: [192.168.4.0/24], hosts: {host4: 192.168.4.9}, export: {vpn: own}}
  store: {prefixes: [192.168.5.0/24], hosts: {host5: 192.168.5.9}}
route_maps: {own: [{match: {learned_from: [self]}}, {actions: {prefix: drop}}]}
virtual_machines: {hub-vm: {subnet: hub/vm}, spoke-vm: {subnet: spoke/vm}, plain-vm: {subnet: plain/vm}}
"""
ON, OFF = HUB.replace("BRANCH", "true"), HUB.replace("BRANCH", "false")
RANGES = {"10.0.0.0/16", "10.1.0.0/16"}
NVAS = {"172.16.0.0/16", "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"}
CIRCUITS, SITES, POOL = {"192.168.1.0/24", "192.168.2.0/24"}, {"192.168.3.0/24", "192.168.4.0/24", "192.168.5.0/24"}, {"172.31.0.0/24"}


def prefixes(said: set[str]) -> set[str]:
    return {each.split()[0] for each in said}


# --- section 5: who learns what ---------------------------------------------------------------------------------------------


@pytest.mark.rules("R34", "R35", "R127", "R130", "R131", "R133", "R154")
@pytest.mark.parametrize(
    ("text", "to_nva", "to_circuit", "to_site"),
    [
        (OFF, RANGES, RANGES, RANGES | POOL | {"192.168.4.0/24", "192.168.5.0/24"}),
        (
            ON,
            RANGES | CIRCUITS | SITES,
            RANGES | NVAS | SITES,
            RANGES | POOL | {"192.168.4.0/24", "192.168.5.0/24"} | NVAS - {"0.0.0.0/0"} | CIRCUITS,
        ),
    ],
    ids=["branch-to-branch off", "branch-to-branch on"],
)
def test_the_matrix_of_who_learns_what(text: str, to_nva: set[str], to_circuit: set[str], to_site: set[str]) -> None:
    """Each row and column of section 5's table. Neither `quiet`'s no-advertise route nor the plain peering's range goes to anybody; NICs have all."""
    run = settled(text)
    assert prefixes(told(run, "rs/nva")) == to_nva
    assert prefixes(told(run, "er/c1")) == to_circuit
    assert prefixes(told(run, "vpn/branch")) == to_site
    for nic in ("hub-vm", "spoke-vm"):
        programmed = {str(r.prefix) for r in run.effective_routes(nic) if r.source == "VirtualNetworkGateway"}
        assert programmed == NVAS | {"172.18.0.0/16"} | CIRCUITS | SITES | POOL
    assert not [r for r in run.effective_routes("plain-vm") if r.source == "VirtualNetworkGateway"]


@pytest.mark.rules("R128", "R129", "R130")
def test_sessions_of_a_route_server_and_its_gateways() -> None:
    """Each instance with each, iBGP; the gateways don't speak to each other; gateways of other virtual networks take no part."""
    text = ON.replace(
        "plain: {address_space: [10.2.0.0/16], subnets: {", "plain: {address_space: [10.2.0.0/16], subnets: {GatewaySubnet: 10.2.1.0/27, "
    )
    run = settled(text.replace("  vpn: {type", "  far: {type: ExpressRoute, virtual_network: plain}\n  vpn: {type"))
    with_gateways = {f"rs#{i}/{name}#{j}" for i in (0, 1) for name in ("er", "vpn") for j in (0, 1)}
    states = run.session_states()
    assert {name for name in states if name.startswith("rs#") and "nva" not in name and "quiet" not in name} == with_gateways
    assert {states[name] for name in with_gateways} == {"Established"}
    assert not any("er#" in name and "vpn#" in name for name in states)
    assert {route.origin for route in run.learned("rs/er")} == {"IBgp"}


@pytest.mark.rules("R91", "R95", "R127", "R133")
def test_as_paths_by_who_looks() -> None:
    """The table of section 5."""
    run = settled(ON, {"network_virtual_appliances": {"nva": {"prepend": None}}})
    assert {"10.0.0.0/16 65515", "10.1.0.0/16 65515", "192.168.3.0/24 65515 65020", "192.168.1.0/24 65515 12076 65010"} <= learned(
        run, "nva/rs"
    )
    assert "172.16.0.0/16 65001" in learned(run, "rs/nva")
    assert {"10.0.0.0/16 65515", "172.16.0.0/16 65515 65001", "192.168.1.0/24 65515 12076 65010"} <= learned(run, "branch/vpn")
    assert {"10.0.0.0/16 65515", "172.16.0.0/16 65515 65001", "192.168.3.0/24 65515 65020"} <= learned(run, "c1/er")
    assert learned(run, "dc1/c1") >= {"10.0.0.0/16 12076", "172.16.0.0/16 12076", "192.168.3.0/24 12076"}
    assert learned(run, "er/c1") == {"192.168.1.0/24 12076 65010"}
    run.change({"network_virtual_appliances": {"nva": {"prepend": {"rs": 2}}}})
    run.settle(60)
    assert "172.16.0.0/16 65515 65001 65001 65001" in learned(run, "branch/vpn"), "copies are kept"
    assert "172.16.0.0/16 65515 65001 65001 65001" in learned(run, "c1/er")


@pytest.mark.rules("R131", "R145")
def test_circuits_of_one_gateway_are_joined_by_global_reach_alone() -> None:
    run = settled(ON, {"network_virtual_appliances": {"nva": {"originates": ["172.16.0.0/16"]}}})
    assert "192.168.2.0/24" not in prefixes(learned(run, "dc1/c1"))
    assert ways(run, "host1", "host2") == {"dc1 > dropped at dc1: no-route"}
    run.change({"expressroute_circuits": {"c1": {"global_reach": ["c2"]}}})
    run.settle(60)
    assert "192.168.2.0/24 12076 12076 12076" in learned(run, "dc1/c1")
    assert ways(run, "host1", "host2") == {"dc1 > c1 > c2 > dc2 > host2"}


@pytest.mark.rules("R131", "R185")
def test_a_gateway_carries_nothing_from_one_circuit_to_another() -> None:
    """A default route of an NVA brings packets for the other circuit's network to the gateway, and there they end; answers to the NVA's hosts don't."""
    run = settled(ON)
    assert ways(run, "host1", "host2") == {"dc1 > c1 > er > dropped at er#0: no-route", "dc1 > c1 > er > dropped at er#1: no-route"}
    assert all("(R131)" in path.detail for path in run.paths("host1", "host2"))
    assert ways(run, "host1", "app") == {"dc1 > c1 > er > nva > app"}
    assert {path.outcome for path, _ in run.trace("app", "host2")} == {"delivered"}


@pytest.mark.rules("R68", "R91", "R136")
@pytest.mark.parametrize(("asn", "next_hops"), [(65515, {"10.0.2.4"}), (65050, {"10.0.0.4", "10.0.0.5"})], ids=["iBGP", "eBGP"])
def test_packets_follow_the_nva_whatever_next_hop_the_gateway_was_told(asn: int, next_hops: set[str]) -> None:
    run = settled(ON, {"virtual_network_gateways": {"vpn": {"asn": asn}}})
    assert {r.next_hop for r in run.learned("vpn/rs") if str(r.prefix) == "172.16.0.0/16"} == next_hops
    assert ways(run, "host3", "app") == {"branch > vpn > nva > app"}


@pytest.mark.rules("R68")
def test_a_default_route_of_an_nva_is_not_applied_to_gateways() -> None:
    run = settled(ON)
    assert [each for each in row(run, "er", "0.0.0.0/0") if "VirtualNetworkGateway" in each] == []
    assert row(run, "hub-vm", "0.0.0.0/0") == ["0.0.0.0/0 VirtualNetworkGateway VirtualNetworkGateway 10.0.2.4"]


@pytest.mark.rules("R137")
def test_a_gateway_prefers_its_circuit_to_what_the_route_server_relays() -> None:
    """A shorter path from the route server loses: weight 32769 against 32768."""
    only = {"on_premises": {"dc1": {"originates": ["172.16.0.0/16"]}}}
    run = settled(
        ON, {"network_virtual_appliances": {"nva": {"prepend": None}}, "route_servers": {"rs": {"routing_preference": "VpnGateway"}}}, only
    )
    assert {(r.weight, r.learned_from.partition("#")[0]) for r in run.table("er#0") if str(r.prefix) == "172.16.0.0/16"} == {
        (32769, "c1"),
        (32768, "rs"),
    }
    assert best(run, "er#0", "172.16.0.0/16") == {"12076 65010 from c1#0", "12076 65010 from c1#1"}


# --- section 6: ExpressRoute --------------------------------------------------------------------------------------------------


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


NO_CONNECTIONS: dict[str, Any] = {
    "vpn_connections": {"vpn<->branch": None, "vpn<->office": None, "vpn<->store": None},
    "on_premises": {"branch": {"export": None}, "office": {"export": None}},
}
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
    run = settled(ON, {"on_premises": {"dc1": {"communities": {"c1": ["no-advertise", "65010:7"]}}}})
    assert communities(run.learned("dc1/c1"), "10.0.0.0/16") == {"12076:50002"}
    assert "12076:50004" in communities(run.learned("dc1/c1"), "10.1.0.0/16")
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


# --- section 7: VPN gateways ---------------------------------------------------------------------------------------------------


@pytest.mark.rules("R105", "R150")
def test_a_site_may_not_tell_the_virtual_networks_own_prefixes_but_supernets_and_those_without_transit() -> None:
    run = settled(
        ON, {"on_premises": {"branch": {"originates": ["10.0.0.0/16", "10.0.7.0/24", "10.1.0.0/16", "10.2.0.0/16", "10.0.0.0/8"]}}}
    )
    assert refused(run, "vpn/branch") == {"10.0.0.0/16 own-prefix", "10.0.7.0/24 own-prefix", "10.1.0.0/16 own-prefix"}
    assert {"10.2.0.0/16 65020", "10.0.0.0/8 65020"} <= learned(run, "vpn/branch")
    assert {"10.2.0.0/16 65020", "10.0.0.0/8 65020"} <= learned(run, "rs/vpn")
    run = settled(OFF, {"on_premises": {"dc1": {"originates": ["10.0.7.0/24", "10.2.0.0/16"]}}})
    assert "10.0.7.0/24 own-prefix" in refused(run, "er/c1"), "at ExpressRoute the same"
    assert "10.2.0.0/16 12076 65010" in learned(run, "er/c1")


@pytest.mark.rules("R150", "R168")
def test_a_hub_takes_the_spokes_prefix_from_its_nva_because_there_is_no_transit() -> None:
    run = settled(ON, {"network_virtual_appliances": {"nva": {"originates": ["10.2.0.0/16", "10.1.0.0/16"]}}})
    assert {"10.2.0.0/16 65001 65001 65001"} <= learned(run, "rs/nva")
    assert refused(run, "rs/nva") == {"10.1.0.0/16 own-prefix"}
    assert "10.2.0.0/16 12076" in learned(run, "dc1/c1")


@pytest.mark.rules("R49", "R109", "R151")
def test_connections_without_bgp_give_the_route_server_their_prefixes() -> None:
    run = settled(ON)
    assert {"192.168.5.0/24"} <= learned(run, "rs/vpn"), "AS path empty"
    assert {"192.168.5.0/24 65515"} <= learned(run, "nva/rs")
    assert row(run, "spoke-vm", "192.168.5.0/24") == ["192.168.5.0/24 VirtualNetworkGateway VirtualNetworkGateway 10.0.1.6 10.0.1.7"]
    assert ways(run, "spoke-vm", "host5") == {"vpn > store > host5"}


@pytest.mark.rules("R15", "R151")
@pytest.mark.parametrize(
    ("more", "says"), [("active_active: false", "is not active-active"), ("active_active: true, asn: 65050", "has ASN 65050")]
)
def test_what_microsoft_does_not_support_beside_a_route_server_is_a_finding(more: str, says: str) -> None:
    run = settled(ON.replace("active_active: true", more))
    [finding] = [each for each in run.check() if each.code == "L-015"]
    assert says in finding.message
    assert prefixes(learned(run, "nva/rs")) >= SITES, "routes are exchanged all the same (D7)"


@pytest.mark.rules("R153")
def test_bgp_needs_asns_that_differ() -> None:
    two = """
version: 1
name: two
virtual_networks:
  a: {address_space: [10.1.0.0/16], subnets: {GatewaySubnet: 10.1.0.0/27, vm: 10.1.1.0/24}}
  b: {address_space: [10.2.0.0/16], subnets: {GatewaySubnet: 10.2.0.0/27, vm: 10.2.1.0/24}}
virtual_network_gateways: {ga: {type: Vpn, virtual_network: a}, gb: {type: Vpn, virtual_network: b, asn: 65515}}
vpn_connections: [{gateway: ga, to: gb}]
virtual_machines: {vma: {subnet: a/vm}, vmb: {subnet: b/vm}}
"""
    run = settled(two)
    assert run.session_states() == {}
    assert ways(run, "vma", "vmb") == {"ga > gb > vmb"}, "without BGP each knows the other's range"
    with pytest.raises(TopologyError, match=r"have the same ASN 65515 \(R153\)"):
        dualhome.parse(two.replace("to: gb}", "to: gb, bgp: true}"))
    with_bgp = settled(two.replace("asn: 65515", "asn: 65100"))
    assert learned(with_bgp, "ga/gb") == {"10.2.0.0/16 65100"}


@pytest.mark.rules("R154")
def test_what_a_gateway_tells_its_sites() -> None:
    """Ranges, other sites', static prefixes of others; neither 0/0, nor parts of the virtual networks' space, nor a site's own."""
    run = settled(ON, {"on_premises": {"branch": {"originates": ["0.0.0.0/0"]}}})
    assert prefixes(told(run, "vpn/office")) >= RANGES | {"192.168.3.0/24", "192.168.5.0/24", "0.0.0.0/1", "128.0.0.0/1"}
    assert "0.0.0.0/0" not in prefixes(told(run, "vpn/office"))
    run.change({"vpn_connections": {"vpn<->office": {"prefixes": ["192.168.9.0/24"]}}})
    run.settle(60)
    assert "192.168.9.0/24" in prefixes(told(run, "vpn/branch"))
    assert "192.168.9.0/24" not in prefixes(told(run, "vpn/office"))


@pytest.mark.rules("R155")
def test_a_vpn_gateway_takes_four_thousand_prefixes_of_a_site() -> None:
    many = [f"100.{64 + i // 256}.{i % 256}.0/24" for i in range(4000)]
    run = settled(OFF)
    run.announce("branch", many[:3999])
    run.settle(60)
    assert len(learned(run, "vpn#0/branch")) == 4000
    assert {view.hold_time_s for view in run.sessions("vpn/branch")} == {180}
    run.announce("branch", many[3999:])
    run.wait(1)
    assert {view.state for view in run.sessions("vpn/branch")}.isdisjoint({"Established"})


@pytest.mark.rules("R75", "R155")
def test_timers_of_a_vpn_gateway_are_fixed_and_the_lower_hold_time_is_agreed() -> None:
    run = settled(OFF, {"on_premises": {"branch": {"timers": {"keepalive_s": 10, "hold_s": 30}}}})
    assert {view.hold_time_s for view in run.sessions("vpn/branch")} == {30}
    assert {view.hold_time_s for view in run.sessions("vpn/office")} == {180}
    assert not [s for s in run.plan.sessions if s.bfd is not None]


@pytest.mark.rules("R156")
def test_a_site_reaches_the_gateways_bgp_address_through_the_tunnel() -> None:
    run = settled(OFF)
    address = run.network.gateways["vpn"].addresses[0]
    assert ways(run, "branch", str(address)) == {"vpn"}
    run.change({"vpn_connections": {"vpn<->branch": {"prefixes": [f"{run.network.on_premises['branch'].address}/32"]}}})
    run.settle(60)
    assert {finding.code for finding in run.check()} >= {"L-051"}


@pytest.mark.rules("R157")
@pytest.mark.parametrize(("more", "says"), [("vpn_type: PolicyBased", "is policy-based"), ("sku: Basic", "is of SKU Basic")])
def test_a_policy_based_or_basic_gateway_stands_alone(more: str, says: str) -> None:
    with pytest.raises(TopologyError) as refusal:
        dualhome.parse(ON.replace("active_active: true", more))
    assert says in str(refusal.value)
    assert "R157" in str(refusal.value)
    alone = """
version: 1
name: alone
virtual_networks: {a: {address_space: [10.1.0.0/16], subnets: {GatewaySubnet: 10.1.0.0/27}}}
virtual_network_gateways: {ga: {type: Vpn, virtual_network: a, MORE}}
"""
    assert dualhome.parse(alone.replace("MORE", more))


@pytest.mark.rules("R51", "R158")
def test_instances_of_an_active_active_gateway_tell_each_other_what_they_learn() -> None:
    """Less preferred than the site's own word; NICs have both instances, and lose nothing where one tunnel fails."""
    run = settled(ON)
    assert {r.learned_from for r in run.table("vpn#0") if str(r.prefix) == "192.168.3.0/24" and not r.learned_from.startswith("rs")} == {
        "branch",
        "vpn#1",
    }
    assert best(run, "vpn#0", "192.168.3.0/24") == {"65020 from branch"}
    assert {r.learned_from for r in run.table("rs#0") if str(r.prefix) == "192.168.3.0/24"} == {"vpn#0", "vpn#1"}
    both = ["192.168.3.0/24 VirtualNetworkGateway VirtualNetworkGateway 10.0.1.6 10.0.1.7"]
    assert row(run, "spoke-vm", "192.168.3.0/24") == both
    run.watch("spoke-vm", "host3")
    run.wait(5)
    run.fail("vpn#1<->branch")
    run.settle(200)
    assert best(run, "vpn#1", "192.168.3.0/24") == {"65020 from vpn#0"}
    assert row(run, "spoke-vm", "192.168.3.0/24") == both
    hops = {tuple(hop.name for hop in path.hops[1:]) for path in run.paths("spoke-vm", "host3")}
    assert hops == {("vpn#0", "branch"), ("vpn#1", "vpn#0", "branch")}
    assert outages(run, ("spoke-vm", "host3"))[0] <= 5


@pytest.mark.rules("R151")
@pytest.mark.parametrize(("given", "seconds"), [("", 75), (", standby_takeover_s: 12", 12)])
def test_a_standby_takes_its_time(given: str, seconds: float) -> None:
    """Not active-active: the second instance stands in after what Azure takes, unless the file says otherwise; then its BGP comes up."""
    run = settled(OFF.replace("active_active: true", f"active_active: false{given}"))
    pairs = (("spoke-vm", "host3"), ("spoke-vm", "host5"))
    for pair in pairs:
        run.watch(*pair)
    run.wait(5)
    run.fail("vpn#0")
    assert "will stand in for the first" in str(run.engine.unsettled())
    run.settle(300)
    assert {tuple(hop.name for hop in path.hops[1:]) for path in run.paths("spoke-vm", "host3")} == {("vpn#1", "branch")}
    assert {view.speaker for view in run.sessions("branch/vpn") if view.state == "Established"} == {"branch"}
    with_bgp, static = outages(run, *pairs)
    assert seconds <= static <= seconds + 1
    assert seconds <= with_bgp <= seconds + 5
    run.restore("vpn#0")
    run.settle(300)
    assert {tuple(hop.name for hop in path.hops[1:]) for path in run.paths("spoke-vm", "host3")} == {("vpn#0", "branch")}


@pytest.mark.rules("R34", "R130")
def test_clients_that_dial_in_are_reached_from_machines_and_sites_and_reach_them() -> None:
    """Point-to-site: the pool ends at the gateway."""
    run = settled(ON)
    assert row(run, "spoke-vm", "172.31.0.0/24") == ["172.31.0.0/24 VirtualNetworkGateway VirtualNetworkGateway 10.0.1.6 10.0.1.7"]
    assert ways(run, "spoke-vm", "172.31.0.9") == {"vpn"}
    assert ways(run, "host3", "172.31.0.9") == {"branch > vpn"}
    assert ways(run, "host5", "172.31.0.9") == {"store > vpn"}
    assert ways(run, "172.31.0.9", "spoke-vm") == {"vpn > spoke-vm"}
    assert ways(run, "172.31.0.9", "host5") == {"vpn > store > host5"}
    assert {path.outcome for path, _ in run.trace("172.31.0.9", "spoke-vm")} == {"delivered"}
