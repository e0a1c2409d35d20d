"""VPN gateways: section 7 of the rules."""

from __future__ import annotations

import pytest

import dualhome
from dualhome.errors import TopologyError
from tests.rules.asking import best, learned, outages, refused, row, settled, told, ways
from tests.rules.hub import OFF, ON, RANGES, SITES, prefixes


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
