"""Third-party next hops: load balancers with their probes, watchers that forward nothing, next hops out of reach (section 4.6)."""

from __future__ import annotations

import pytest

import dualhome
from dualhome.app import Run
from tests.rules.asking import row, settled, ways

HUB = """
version: 1
name: next-hop-ip
virtual_networks:
  hub: {address_space: [10.0.0.0/16], region: west, subnets: {RouteServerSubnet: 10.0.0.0/26, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
  spoke: {address_space: [10.1.0.0/16], region: west, subnets: {vm: 10.1.1.0/24}}
  beyond: {address_space: [10.2.0.0/16], region: west, subnets: {nva: 10.2.1.0/24}}
peerings:
  - {between: [hub, spoke], allow_forwarded_traffic: true, hub->spoke: {allow_gateway_transit: true}, spoke->hub: {use_remote_gateways: true}}
  - {between: [hub, beyond], allow_forwarded_traffic: true}
route_servers: {rs: {virtual_network: hub, peers: [nva1, nva2]}}
network_virtual_appliances:
  nva1: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001, next_hop: {rs: ilb}, originates: [172.16.0.0/16], hosts: {far: 172.16.0.9}}
  nva2: {subnet: hub/nva, address: 10.0.2.5, ip_forwarding: true, asn: 65001, next_hop: {rs: ilb}, originates: [172.16.0.0/16], hosts: {far: 172.16.0.9}}
load_balancers: {ilb: {subnet: hub/nva, address: 10.0.2.100, backends: [nva1, nva2], probe: {interval_s: 5, threshold: 2}}}
virtual_machines: {vm: {subnet: hub/vm}, spoke-vm: {subnet: spoke/vm}}
"""
BY_ILB = ["172.16.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.0.2.100"]


def watched() -> Run:
    """Both NVAs healthy, and a stream from a machine to a host behind them."""
    run = dualhome.parse(HUB).simulate()
    run.watch("vm", "far")
    run.wait(60)
    return run


@pytest.mark.rules("R116", "R117", "R50")
def test_the_next_hop_is_programmed_as_it_was_told_and_duplicates_are_one_route() -> None:
    """Each NVA has its own sessions, and both tell the load balancer's address."""
    run = settled(HUB)
    assert {(r.next_hop, r.learned_from) for r in run.table("rs#0") if r.multipath} >= {("10.0.2.100", "nva1"), ("10.0.2.100", "nva2")}
    for nic in ("vm", "spoke-vm"):
        assert row(run, nic, "172.16.0.0/16") == BY_ILB
        assert ways(run, nic, "far") == {"nva1 > far", "nva2 > far"}


@pytest.mark.rules("R116", "R117")
@pytest.mark.parametrize(("interval_s", "threshold"), [(5, 2), (15, 3)])
def test_a_dead_backend_gets_flows_until_its_probe_failed_often_enough(interval_s: int, threshold: int) -> None:
    """The other NVA still announces, so BGP changes nothing; the probe alone finds out, after the threshold times the interval."""
    run = dualhome.parse(HUB.replace("interval_s: 5, threshold: 2", f"interval_s: {interval_s}, threshold: {threshold}")).simulate()
    run.watch("vm", "far")
    run.wait(60)
    run.fail("nva1")
    run.wait(interval_s * threshold - 0.5)
    assert row(run, "vm", "172.16.0.0/16") == BY_ILB
    assert ways(run, "vm", "far") == {"nva1 > dropped at nva1: down", "nva2 > far"}
    run.wait(1)
    assert ways(run, "vm", "far") == {"nva2 > far"}
    assert run.outage("vm", "far") == pytest.approx(interval_s * threshold, abs=0.1)


@pytest.mark.rules("R116")
def test_one_answered_probe_brings_a_backend_back() -> None:
    run = watched()
    run.fail("nva1")
    run.settle(600)
    run.restore("nva1")
    run.wait(4.5)
    assert ways(run, "vm", "far") == {"nva2 > far"}
    run.wait(1)
    assert ways(run, "vm", "far") == {"nva1 > far", "nva2 > far"}


@pytest.mark.rules("R116")
def test_a_backend_that_is_away_for_less_than_that_is_never_missed() -> None:
    run = watched()
    run.fail("nva1", how="silent")
    run.wait(9)
    run.restore("nva1")
    run.wait(20)
    assert [entry for entry in run.journal if entry.kind == "probe"] == []
    assert ways(run, "vm", "far") == {"nva1 > far", "nva2 > far"}


@pytest.mark.rules("R116")
def test_without_a_healthy_backend_packets_are_dropped_at_the_load_balancer() -> None:
    """The routes stay, for a next hop isn't looked after."""
    run = watched()
    run.fail("nva1", how="forwarding")
    run.fail("nva2", how="forwarding")
    run.settle(600)
    assert row(run, "vm", "172.16.0.0/16") == BY_ILB
    assert ways(run, "vm", "far") == {"dropped at ilb: down"}


@pytest.mark.rules("R116")
def test_probes_that_are_under_way_keep_the_network_from_being_at_rest() -> None:
    run = watched()
    run.fail("nva1", how="forwarding")
    assert run.settle(600) == pytest.approx(10, abs=0.1)


@pytest.mark.rules("R117")
def test_a_load_balancer_of_another_region_is_found() -> None:
    text = HUB.replace(
        "  beyond: {address_space: [10.2.0.0/16], region: west", "  beyond: {address_space: [10.2.0.0/16], region: north"
    ).replace("ilb: {subnet: hub/nva, address: 10.0.2.100", "ilb: {subnet: beyond/nva, address: 10.2.1.100")
    found = [finding for finding in settled(text).check() if "R117" in finding.rule]
    assert found
    assert not any("R117" in finding.rule for finding in settled(HUB).check())


@pytest.mark.rules("R118")
@pytest.mark.parametrize("passive", [False, True])
def test_active_and_passive_behind_a_load_balancer_are_symmetric(passive: bool) -> None:
    """Where one of two isn't a healthy backend, each way crosses the same NVA. Flows that a load balancer has on both ways meet the same one too."""
    run = settled(HUB.replace("backends: [nva1, nva2]", "backends: [nva1]") if passive else HUB)
    assert ways(run, "vm", "far") == ({"nva1 > far"} if passive else {"nva1 > far", "nva2 > far"})


WATCHER = """
version: 1
name: watcher
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, watcher: 10.0.2.0/24, vm: 10.0.3.0/24}}
route_servers: {rs: {virtual_network: hub, peers: [watcher]}}
network_virtual_appliances:
  watcher: {subnet: hub/watcher, asn: 65001, next_hop: {rs: web1}, originates: [192.0.2.10/32]}
  web1: {subnet: hub/vm, address: 10.0.3.10, ip_forwarding: true, hosts: {vip: 192.0.2.10}}
  web2: {subnet: hub/vm, address: 10.0.3.11, ip_forwarding: true}
virtual_machines: {vm: {subnet: hub/vm}}
"""


@pytest.mark.rules("R118", "R66")
def test_a_watcher_that_forwards_nothing_announces_for_others() -> None:
    """Its next hop is a web server; packets never see the watcher, so it needs no IP forwarding."""
    run = settled(WATCHER)
    assert row(run, "vm", "192.0.2.10/32") == ["192.0.2.10/32 VirtualNetworkGateway VirtualNetworkGateway 10.0.3.10"]
    assert ways(run, "vm", "192.0.2.10") == {"web1 > vip"}
    run.change({"network_virtual_appliances": {"watcher": {"next_hop": {"rs": "web2"}}}})
    run.settle(600)
    assert row(run, "vm", "192.0.2.10/32") == ["192.0.2.10/32 VirtualNetworkGateway VirtualNetworkGateway 10.0.3.11"]


@pytest.mark.rules("R119", "R43")
def test_a_next_hop_out_of_reach_is_judged_where_it_is_programmed() -> None:
    """In the hub's peered network it is in reach of the hub's machines and not of the spoke's: None there, and a finding."""
    text = HUB.replace("ilb: {subnet: hub/nva, address: 10.0.2.100", "ilb: {subnet: beyond/nva, address: 10.2.1.100")
    run = settled(text)
    assert row(run, "vm", "172.16.0.0/16") == ["172.16.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.2.1.100"]
    assert row(run, "spoke-vm", "172.16.0.0/16") == ["172.16.0.0/16 VirtualNetworkGateway None"]
    assert any("R43" in finding.rule for finding in run.check())
