"""Other scenarios with their tables: section 9 of the rules."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.asking import best, learned, refused, row, settled, told, ways

# --- 9.1 Route injection in spokes ----------------------------------------------------------------------------------------------

INJECTION = """
version: 1
name: injection
virtual_networks:
  hub:
    address_space: [10.0.0.0/16]
    subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/27, nva: {prefix: 10.0.2.0/24, route_table: out}, vm: 10.0.3.0/24}
  one: {address_space: [10.1.0.0/16], subnets: {vm: 10.1.0.0/24}}
  two: {address_space: [10.2.0.0/16], subnets: {vm: 10.2.0.0/24}}
peerings:
  - {between: [hub, one], allow_forwarded_traffic: true, hub->one: {allow_gateway_transit: true}, one->hub: {use_remote_gateways: true}}
  - {between: [hub, two], allow_forwarded_traffic: true, hub->two: {allow_gateway_transit: true}, two->hub: {use_remote_gateways: true}}
route_servers: {rs: {virtual_network: hub, peers: [nva]}}
network_virtual_appliances:
  nva: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001, originates: [PREFIX], translates: internet, export: {rs: own}}
virtual_network_gateways: {er: {type: ExpressRoute, virtual_network: hub}}
expressroute_circuits: {circuit: {gateways: [er], provider_edge: [dc]}}
on_premises: {dc: {asn: 65010, prefixes: [192.168.0.0/16], hosts: {host: 192.168.0.9}}}
virtual_machines: {hub-vm: {subnet: hub/vm}, vm1: {subnet: one/vm}, vm2: {subnet: two/vm}}
route_tables: {out: {routes: [{prefix: 0.0.0.0/0, next_hop_type: Internet}]}}
route_maps: {own: [{match: {learned_from: [self]}}, {actions: {prefix: drop}}]}
"""
NVA = "VirtualNetworkGateway VirtualNetworkGateway 10.0.2.4"


@pytest.mark.rules("R47", "R68", "R177")
def test_an_nva_that_announces_a_default_route() -> None:
    """Spokes' Internet and each other's networks by the NVA; on-premises past it, by the longer prefix. Its own subnet needs a route to the Internet."""
    run = settled(INJECTION.replace("PREFIX", "0.0.0.0/0"))
    assert row(run, "vm1", "0.0.0.0/0") == [f"0.0.0.0/0 {NVA}"]
    assert ways(run, "vm1", "vm2") == {"nva > vm2"}
    assert ways(run, "vm1", "internet") == {"nva > internet"}
    assert row(run, "vm1", "192.168.0.0/16") == ["192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 169.254.0.2 169.254.0.6"]
    assert ways(run, "vm1", "host") == {"er > circuit > dc > host"}
    run.change({"virtual_networks": {"hub": {"subnets": {"nva": {"route_table": None}}}}})
    assert ways(run, "vm1", "internet") == {"nva > dropped at nva: loop"}
    assert {finding.code for finding in run.check()} >= {"L-011"}


@pytest.mark.rules("R58")
def test_an_nva_that_announces_a_supernet() -> None:
    """It catches what neither the own network nor a peering covers."""
    run = settled(INJECTION.replace("PREFIX", "10.0.0.0/8"))
    assert row(run, "vm1", "10.0.0.0/8") == [f"10.0.0.0/8 {NVA}"]
    assert row(run, "vm1", "10.0.0.0/16") == ["10.0.0.0/16 VNetPeering"]
    assert ways(run, "vm1", "vm2") == {"nva > vm2"}
    assert ways(run, "vm1", "hub-vm") == {"hub-vm"}


@pytest.mark.rules("R59")
@pytest.mark.parametrize("prefix", ["10.0.0.0/16", "10.1.0.0/16", "10.1.5.0/24"])
def test_an_nva_that_announces_what_the_virtual_networks_have(prefix: str) -> None:
    run = settled(INJECTION.replace("PREFIX", prefix))
    assert refused(run, "rs/nva") == {f"{prefix} own-prefix"}
    assert not [each for nic in ("hub-vm", "vm1", "vm2") for each in row(run, nic, prefix) if "Gateway" in each]


@pytest.mark.rules("R63", "R177")
def test_a_firewall_in_front_takes_its_spokes_by_route_tables() -> None:
    """Propagation is off in the spokes and 0/0 is the firewall's; its own subnet learns both on-premises and what the NVA announces."""
    text = INJECTION.replace("PREFIX", "172.16.0.0/16").replace(
        "{vm: 10.1.0.0/24}", "{vm: {prefix: 10.1.0.0/24, route_table: to-firewall}}"
    )
    text = text.replace("vm: 10.0.3.0/24}", "vm: 10.0.3.0/24, firewall: 10.0.4.0/24}")
    text = text.replace(
        "virtual_network_gateways:", "  firewall: {subnet: hub/firewall, address: 10.0.4.4, ip_forwarding: true}\nvirtual_network_gateways:"
    )
    by_firewall = (
        "{disable_bgp_route_propagation: true, routes: [{prefix: 0.0.0.0/0, next_hop_type: VirtualAppliance, next_hop: firewall}]}"
    )
    run = settled(text.replace("route_tables: {", f"route_tables: {{to-firewall: {by_firewall}, "))
    assert row(run, "vm1", "192.168.0.0/16") == row(run, "vm1", "172.16.0.0/16") == []
    assert ways(run, "vm1", "host") == {"firewall > er > circuit > dc > host"}
    assert row(run, "firewall", "172.16.0.0/16") == [f"172.16.0.0/16 {NVA}"]
    assert len(row(run, "firewall", "192.168.0.0/16")) == 1


# --- 9.2 Split route servers ----------------------------------------------------------------------------------------------------

SPLIT = """
version: 1
name: split
virtual_networks:
  hub:
    address_space: [10.0.0.0/16]
    subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: {prefix: 10.0.1.0/27, route_table: inspect}, nva: {prefix: 10.0.2.0/24, route_table: out}}
  aux: {address_space: [10.9.0.0/16], subnets: {RouteServerSubnet: 10.9.0.0/26}}
  spoke: {address_space: [10.1.0.0/16], subnets: {vm: 10.1.0.0/24}}
peerings:
  - {between: [hub, spoke], allow_forwarded_traffic: true}
  - {between: [hub, aux]}
  - {between: [aux, spoke], aux->spoke: {allow_gateway_transit: true}, spoke->aux: {use_remote_gateways: true}}
route_servers:
  rs1: {virtual_network: hub, branch_to_branch: true, peers: [nva]}
  rs2: {virtual_network: aux, peers: [nva]}
network_virtual_appliances:
  nva:
    subnet: hub/nva
    address: 10.0.2.4
    ip_forwarding: true
    asn: 65001
    as_override: [rs1]
    originates: [0.0.0.0/0, 172.16.0.0/16]
    translates: internet
    hosts: {branch: 172.16.0.9}
    export: {rs2: default-only, rs1: spokes-and-branches}
virtual_network_gateways: {er: {type: ExpressRoute, virtual_network: hub}}
expressroute_circuits: {circuit: {gateways: [er], provider_edge: [dc]}}
on_premises: {dc: {asn: 65010, prefixes: [192.168.0.0/16], hosts: {host: 192.168.0.9}}}
virtual_machines: {vm: {subnet: spoke/vm}}
route_tables:
  inspect: {routes: [{prefix: 10.1.0.0/16, next_hop_type: VirtualAppliance, next_hop: 10.0.2.4}]}
  out: {routes: [{prefix: 0.0.0.0/0, next_hop_type: Internet}]}
route_maps:
  default-only: [{match: {prefix: {equals: [0.0.0.0/0]}}}, {actions: {prefix: drop}}]
  spokes-and-branches: [{match: {prefix: {equals: [10.1.0.0/16, 172.16.0.0/16]}}}, {actions: {prefix: drop}}]
"""


@pytest.mark.rules("R33", "R178")
def test_one_route_server_for_the_gateway_and_another_for_spokes() -> None:
    """Spokes get the default route by the NVA and nothing else; on-premises and the branch go by it, both ways."""
    run = settled(SPLIT)
    assert [str(r.prefix) for r in run.effective_routes("vm") if r.source == "VirtualNetworkGateway"] == ["0.0.0.0/0"]
    assert row(run, "vm", "0.0.0.0/0") == [f"0.0.0.0/0 {NVA}"]
    assert ways(run, "vm", "host") == {"nva > er > circuit > dc > host"}
    assert ways(run, "vm", "branch") == {"nva > branch"}
    assert ways(run, "host", "vm") == {"dc > circuit > er > nva > vm"}
    assert ways(run, "host", "branch") == {"dc > circuit > er > nva > branch"}
    assert {"10.1.0.0/16 12076", "172.16.0.0/16 12076"} <= learned(run, "dc/circuit")


@pytest.mark.rules("R169", "R178")
def test_without_the_gateway_subnets_route_packets_to_the_spoke_go_past_the_nva() -> None:
    run = settled(SPLIT, {"virtual_networks": {"hub": {"subnets": {"GatewaySubnet": {"route_table": None}}}}})
    assert ways(run, "host", "vm") == {"dc > circuit > er > vm"}
    assert {finding.code for finding in run.check()} >= {"L-027"}


# --- 9.3 Several regions ----------------------------------------------------------------------------------------------------------

REGIONS = """
version: 1
name: regions
virtual_networks:
  hub1: {address_space: [10.1.0.0/16], region: westeurope, subnets: {RouteServerSubnet: 10.1.0.0/26, GatewaySubnet: 10.1.1.0/27, nva: 10.1.2.0/24, vm: 10.1.3.0/24}}
  hub2: {address_space: [10.2.0.0/16], region: eastus, subnets: {RouteServerSubnet: 10.2.0.0/26, nva: 10.2.2.0/24, vm: 10.2.3.0/24}}
  spoke11: {address_space: [10.11.0.0/16], region: westeurope, subnets: {vm: 10.11.0.0/24}}
  spoke21: {address_space: [10.21.0.0/16], region: eastus, subnets: {vm: 10.21.0.0/24}}
peerings:
  - {between: [hub1, hub2], allow_forwarded_traffic: true}
  - {between: [hub1, spoke11], allow_forwarded_traffic: true, hub1->spoke11: {allow_gateway_transit: true}, spoke11->hub1: {use_remote_gateways: true}}
  - {between: [hub2, spoke21], allow_forwarded_traffic: true, hub2->spoke21: {allow_gateway_transit: true}, spoke21->hub2: {use_remote_gateways: true}}
route_servers:
  rs1: {virtual_network: hub1, peers: [nva1]}
  rs2: {virtual_network: hub2, peers: [nva2]}
network_virtual_appliances:
  nva1: {subnet: hub1/nva, address: 10.1.2.4, ip_forwarding: true, asn: 65001, as_strip: [rs1], export: {rs1: from-far}, sessions: [{to: nva2, over: OVER}]}
  nva2: {subnet: hub2/nva, address: 10.2.2.4, ip_forwarding: true, asn: 65002, as_strip: [rs2], export: {rs2: from-near}}
virtual_machines: {vm1: {subnet: hub1/vm}, vm2: {subnet: hub2/vm}, vm11: {subnet: spoke11/vm}, vm21: {subnet: spoke21/vm}}
route_maps:
  from-far: [{match: {learned_from: [nva2]}}, {actions: {prefix: drop}}]
  from-near: [{match: {learned_from: [nva1]}}, {actions: {prefix: drop}}]
"""
TUNNEL = REGIONS.replace("OVER", "tunnel")


@pytest.mark.rules("R25", "R56", "R101", "R179")
def test_two_hubs_with_a_tunnel_between_their_nvas() -> None:
    """The table of section 9.3."""
    run = settled(TUNNEL)
    assert "10.11.0.0/16 65515" in learned(run, "nva1/rs1")
    assert "10.11.0.0/16 65001 65515" in learned(run, "nva2/nva1")
    assert "10.11.0.0/16 65002 65001" in learned(run, "rs2/nva2")
    assert row(run, "vm21", "10.11.0.0/16") == ["10.11.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.2.2.4"]
    assert row(run, "vm2", "10.1.0.0/16") == ["10.1.0.0/16 VNetGlobalPeering"]
    assert ways(run, "vm21", "vm11") == {"nva2 > nva1 > vm11"}
    assert ways(run, "vm11", "vm21") == {"nva1 > nva2 > vm21"}
    run.change({"network_virtual_appliances": {"nva2": {"as_strip": None}}})
    run.settle(60)
    assert refused(run, "rs2/nva2") >= {"10.11.0.0/16 as-loop"}, "all route servers share an ASN"


@pytest.mark.rules("R179")
def test_a_standby_nva_prepends() -> None:
    text = TUNNEL.replace(
        "virtual_machines:",
        "  spare: {subnet: hub2/nva, ip_forwarding: true, asn: 65003, as_strip: [rs2], prepend: {rs2: 2}, export: {rs2: by-tunnel}}\nvirtual_machines:",
    )
    text = text.replace("peers: [nva2]", "peers: [nva2, spare]").replace(
        "sessions: [{to: nva2, over: tunnel}]", "sessions: [{to: nva2, over: tunnel}, {to: spare, over: tunnel}]"
    )
    text = text.replace("  from-near:", "  by-tunnel: [{match: {learned_from: [nva1]}}, {actions: {prefix: drop}}]\n  from-near:")
    run = settled(text)
    assert best(run, "rs2#0", "10.11.0.0/16") == {"65002 65001 from nva2"}
    run.fail("nva2")
    run.settle(60)
    assert best(run, "rs2#0", "10.11.0.0/16") == {"65003 65003 65003 65001 from spare"}
    assert ways(run, "vm21", "vm11") == {"spare > nva1 > vm11"}


@pytest.mark.rules("R67", "R180")
def test_without_a_tunnel_the_nva_points_at_itself() -> None:
    """What NVA 2 announces is on its own NIC, too. With propagation off, and a route to the other NVA, it isn't."""
    run = settled(REGIONS.replace("OVER", "network"))
    assert row(run, "nva2", "10.11.0.0/16") == ["10.11.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.2.2.4"]
    assert ways(run, "vm21", "vm11") == {"nva2 > dropped at nva2: loop"}
    assert {finding.code for finding in run.check()} >= {"L-012"}
    static: dict[str, Any] = {
        "virtual_networks": {f"hub{i}": {"subnets": {"nva": {"route_table": f"far{i}"}}} for i in (1, 2)},
        "route_tables": {
            "far1": {
                "disable_bgp_route_propagation": True,
                "routes": [{"prefix": "10.21.0.0/16", "next_hop_type": "VirtualAppliance", "next_hop": "nva2"}],
            },
            "far2": {
                "disable_bgp_route_propagation": True,
                "routes": [{"prefix": "10.11.0.0/16", "next_hop_type": "VirtualAppliance", "next_hop": "nva1"}],
            },
        },
    }
    run.change(static)
    run.settle(60)
    assert row(run, "nva2", "10.11.0.0/16") == ["10.11.0.0/16 User VirtualAppliance 10.1.2.4"]
    assert ways(run, "vm21", "vm11") == {"nva2 > nva1 > vm11"}
    assert ways(run, "vm11", "vm21") == {"nva1 > nva2 > vm21"}


@pytest.mark.rules("R181")
def test_over_expressroute_an_overlay_brings_on_premises_by_the_nva_alone() -> None:
    """The circuit carries the tunnel's ends; on-premises prefixes come from the NVA, so that packets cross it."""
    text = TUNNEL.replace(
        "route_servers:",
        "expressroute_circuits: {circuit: {gateways: [er], provider_edge: [edge]}}\nvirtual_network_gateways: {er: {type: ExpressRoute, virtual_network: hub1}}\nroute_servers:",
    )
    text += """
on_premises:
  edge: {asn: 65010, prefixes: [192.168.255.0/24]}
  wan: {asn: 65011, address: 192.168.255.9, prefixes: [192.168.0.0/24], hosts: {host: 192.168.0.9}, sessions: [{to: nva1, over: tunnel}]}
"""
    text = text.replace("from-far: [{match: {learned_from: [nva2]}}", "from-far: [{match: {learned_from: [nva2, wan]}}")
    run = settled(text)
    assert learned(run, "er/circuit") == {"192.168.255.0/24 12076 65010"}
    assert learned(run, "rs1/nva1") >= {"192.168.0.0/24 65001 65011"}
    assert ways(run, "vm11", "host") == {"nva1 > wan > host"}
    assert ways(run, "vm21", "host") == {"nva2 > nva1 > wan > host"}


@pytest.mark.rules("R44", "R182")
def test_instead_an_nva_peers_with_both_regions_route_servers() -> None:
    """As in the dual-homed network: no tunnel, and each region's machines have the other region's NVA as next hop."""
    text = (
        REGIONS.replace(", sessions: [{to: nva2, over: OVER}]", "")
        .replace("peers: [nva1]", "peers: [nva1, nva2]")
        .replace("peers: [nva2]", "peers: [nva1, nva2]")
    )
    text = text.replace("as_strip: [rs1], export: {rs1: from-far}", "as_strip: true, export: {rs2: of-one, rs1: nothing}")
    text = text.replace("as_strip: [rs2], export: {rs2: from-near}", "as_strip: true, export: {rs1: of-two, rs2: nothing}")
    text += """
  of-one: [{match: {prefix: {equals: [10.11.0.0/16]}}}, {actions: {prefix: drop}}]
  of-two: [{match: {prefix: {equals: [10.21.0.0/16]}}}, {actions: {prefix: drop}}]
  nothing: [{actions: {prefix: drop}}]
"""
    text = text.replace(
        "peerings:",
        "peerings:\n  - {between: [hub1, spoke21], allow_forwarded_traffic: true}\n  - {between: [hub2, spoke11], allow_forwarded_traffic: true}",
    )
    run = settled(text)
    assert learned(run, "rs2/nva1") == {"10.11.0.0/16 65001"}
    assert row(run, "vm21", "10.11.0.0/16") == ["10.11.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4"]
    assert ways(run, "vm21", "vm11") == {"nva1 > vm11"}
    assert ways(run, "vm11", "vm21") == {"nva2 > vm21"}


# --- 9.5 to 9.8 -------------------------------------------------------------------------------------------------------------------


@pytest.mark.rules("R96", "R131", "R133", "R185")
def test_a_default_route_reaches_avs_and_on_premises_alike() -> None:
    """AVS is a second circuit of the gateway. On-premises has to filter; between the two the gateway carries nothing."""
    text = INJECTION.replace("PREFIX", "0.0.0.0/0").replace(
        "{virtual_network: hub, peers", "{virtual_network: hub, branch_to_branch: true, peers"
    )
    text = text.replace("provider_edge: [dc]}", "provider_edge: [dc]}, avs: {gateways: [er], provider_edge: [tier0]}")
    text = text.replace("on_premises: {", "on_premises: {tier0: {asn: 64600, prefixes: [10.100.0.0/22], hosts: {guest: 10.100.0.9}}, ")
    run = settled(text)
    assert "0.0.0.0/0 12076" in learned(run, "tier0/avs")
    assert "0.0.0.0/0 12076" in learned(run, "dc/circuit"), "it leaks"
    assert {finding.code for finding in run.check()} >= {"L-032"}
    assert "192.168.0.0/16 12076" not in learned(run, "tier0/avs")
    assert "10.100.0.0/22 12076" not in learned(run, "dc/circuit")
    filtered: dict[str, Any] = {
        "on_premises": {"dc": {"import": {"circuit": [{"match": {"prefix": {"equals": ["0.0.0.0/0"]}}, "actions": {"prefix": "drop"}}]}}}
    }
    run.change(filtered)
    run.settle(60)
    assert best(run, "dc", "0.0.0.0/0") == set()
    assert best(run, "tier0", "0.0.0.0/0") == {"12076 from avs#0", "12076 from avs#1"}


@pytest.mark.rules("R116", "R117", "R186")
def test_a_load_balancers_address_as_next_hop() -> None:
    """Both NVAs announce the same next hop: one on NICs, instead of two; flows come back to the firewall that they met."""
    text = """
version: 1
name: balanced
virtual_networks:
  hub: {address_space: [10.0.0.0/24], subnets: {RouteServerSubnet: 10.0.0.0/27, nva: {prefix: 10.0.0.160/28, route_table: out}}}
  one: {address_space: [10.0.1.0/24], subnets: {vm: 10.0.1.0/27}}
  two: {address_space: [10.0.2.0/24], subnets: {vm: 10.0.2.0/27}}
peerings:
  - {between: [hub, one], allow_forwarded_traffic: true, hub->one: {allow_gateway_transit: true}, one->hub: {use_remote_gateways: true}}
  - {between: [hub, two], allow_forwarded_traffic: true, hub->two: {allow_gateway_transit: true}, two->hub: {use_remote_gateways: true}}
route_servers: {rs: {virtual_network: hub, peers: [nva1, nva2]}}
load_balancers: {ilb: {subnet: hub/nva, address: 10.0.0.166, backends: [nva1, nva2]}}
network_virtual_appliances:
  nva1: {subnet: hub/nva, address: 10.0.0.164, ip_forwarding: true, stateful: true, asn: 65001, originates: [10.0.0.0/16, 0.0.0.0/0], NEXT}
  nva2: {subnet: hub/nva, address: 10.0.0.165, ip_forwarding: true, stateful: true, asn: 65002, originates: [10.0.0.0/16, 0.0.0.0/0], NEXT}
virtual_machines: {vm1: {subnet: one/vm}, vm2: {subnet: two/vm}}
route_tables: {out: {routes: [{prefix: 0.0.0.0/0, next_hop_type: Internet}]}}
"""
    plain = settled(text.replace(", NEXT", ""))
    assert row(plain, "vm1", "10.0.0.0/16") == ["10.0.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.0.0.164 10.0.0.165"]
    assert "no-state" in {path.because for path, _ in plain.trace("vm1", "vm2")}
    run = settled(text.replace("NEXT", "next_hop: {rs: ilb}"))
    for prefix in ("10.0.0.0/16", "0.0.0.0/0"):
        assert row(run, "vm1", prefix) == [f"{prefix} VirtualNetworkGateway VirtualNetworkGateway 10.0.0.166"]
    assert {path.outcome for path, _ in run.trace("vm1", "vm2")} == {"delivered"}


@pytest.mark.rules("R89", "R116", "R188")
def test_a_speaker_between_brings_more_than_eight_nvas_to_a_route_server() -> None:
    """It passes next hops on unchanged, so that NICs have the NVAs', and no packet crosses it."""
    nvas = "".join(
        f"  nva{i}: {{subnet: hub/nva, address: 10.0.2.{10 + i}, ip_forwarding: true, asn: {65100 + i}, originates: [172.16.{i}.0/24], hosts: {{app{i}: 172.16.{i}.9}}}}\n"
        for i in range(1, 11)
    )
    sessions = ", ".join(f"{{to: nva{i}}}" for i in range(1, 11))
    text = f"""
version: 1
name: aggregation
virtual_networks:
  hub: {{address_space: [10.0.0.0/16], subnets: {{RouteServerSubnet: 10.0.0.0/26, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}}}
route_servers: {{rs: {{virtual_network: hub, peers: [between]}}}}
network_virtual_appliances:
  between: {{subnet: hub/nva, address: 10.0.2.4, asn: 65001, next_hop: {{rs: unchanged}}, sessions: [{sessions}]}}
{nvas}virtual_machines: {{vm: {{subnet: hub/vm}}}}
"""
    run = settled(text)
    for i in range(1, 11):
        assert f"172.16.{i}.0/24 65001 {65100 + i}" in learned(run, "rs/between")
        assert row(run, "vm", f"172.16.{i}.0/24") == [f"172.16.{i}.0/24 VirtualNetworkGateway VirtualNetworkGateway 10.0.2.{10 + i}"]
        assert ways(run, "vm", f"app{i}") == {f"nva{i} > app{i}"}
    assert any(each.startswith("10.0.0.0/16 65001 65515") for each in told(run, "between/nva1")), "and the way back is told"
    run.change({"network_virtual_appliances": {"between": {"next_hop": None}}})
    run.settle(60)
    assert row(run, "vm", "172.16.1.0/24") == ["172.16.1.0/24 VirtualNetworkGateway VirtualNetworkGateway 10.0.2.4"], "otherwise its own"
    assert ways(run, "vm", "app1") == {"between > dropped at between: ip-forwarding"}
