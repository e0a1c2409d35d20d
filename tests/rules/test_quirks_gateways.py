"""What gateways do where sources disagree: both settings of each switch."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.asking import learned, row, settled, told, ways

POOL = """
version: 1
name: clients
quirks: {point_to_site_transit: TRANSIT}
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/26, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
route_servers: {rs: {virtual_network: hub, branch_to_branch: true, peers: [nva]}}
network_virtual_appliances: {nva: {subnet: hub/nva, ip_forwarding: true, asn: 65001}}
virtual_network_gateways:
  er: {type: ExpressRoute, virtual_network: hub}
  vpn: {type: Vpn, virtual_network: hub, active_active: true, point_to_site: {address_pool: [172.31.0.0/24]}}
expressroute_circuits: {circuit: {gateways: [er], provider_edge: [dc]}}
vpn_connections: [{gateway: vpn, to: branch}]
on_premises:
  dc: {asn: 65010, prefixes: [192.168.1.0/24], hosts: {host: 192.168.1.9}}
  branch: {asn: 65020, prefixes: [192.168.2.0/24], hosts: {desk: 192.168.2.9}}
virtual_machines: {vm: {subnet: hub/vm}}
"""


@pytest.mark.rules("R127")
@pytest.mark.parametrize("transit", [False, True])
def test_whether_nvas_and_expressroute_learn_the_pool_of_clients(transit: bool) -> None:
    """D8. Machines and the gateway's own sites reach clients in any case."""
    run = settled(POOL.replace("TRANSIT", str(transit).lower()))
    assert ("172.31.0.0/24 65515" in learned(run, "nva/rs")) is transit
    assert ("172.31.0.0/24 12076" in learned(run, "dc/circuit")) is transit
    assert any(each.startswith("172.31.0.0/24") for each in told(run, "vpn/branch"))
    assert row(run, "vm", "172.31.0.0/24") == ["172.31.0.0/24 VirtualNetworkGateway VirtualNetworkGateway 10.0.1.6 10.0.1.7"]
    assert ways(run, "vm", "172.31.0.5") == {"vpn"}
    assert ways(run, "desk", "172.31.0.5") == {"branch > vpn"}
    assert ways(run, "host", "172.31.0.5") == ({"dc > circuit > er > vpn"} if transit else {"dc > dropped at dc: no-route"})
    if transit:
        assert ways(run, "172.31.0.5", "host") == {"vpn > er > circuit > dc > host"}


@pytest.mark.rules("R127")
def test_without_branch_to_branch_nobody_but_machines_and_sites_learns_it() -> None:
    change: dict[str, Any] = {"route_servers": {"rs": {"branch_to_branch": False}}}
    run = settled(POOL.replace("TRANSIT", "true"), change)
    assert not any(each.startswith("172.31.") for each in learned(run, "nva/rs") | learned(run, "dc/circuit"))
    assert ways(run, "desk", "172.31.0.5") == {"branch > vpn"}


MANY = [f"100.{64 + i // 256}.{i % 256}.0/24" for i in range(1002)]


@pytest.mark.rules("R88", "R141")
@pytest.mark.parametrize("over", ["session-down", "excess-ignored"])
def test_what_the_edge_does_with_a_gateway_that_tells_too_much(over: str) -> None:
    """D23. The hub's one range and 999 prefixes fit."""
    text = POOL.replace("{point_to_site_transit: TRANSIT}", f"{{over_the_edge_limit: {over}}}").replace(
        "vpn_connections: [{gateway: vpn, to: branch}]", ""
    )
    run = settled(text)
    run.announce("nva", MANY[:999])
    run.settle(60)
    assert len(learned(run, "circuit/er")) == 1000
    run.announce("nva", MANY[999:])
    run.wait(5)
    states = {view.state for view in run.sessions("circuit/er")}
    [finding] = [each for each in run.check() if each.code == "L-022"]
    if over == "session-down":
        assert "Established" not in states
        assert learned(run, "dc/circuit") == set(), "on-premises lost the virtual network, too"
        assert "they end the session above 1000" in finding.message
    else:
        assert states == {"Established"}
        assert len(learned(run, "circuit#0/er#0")) == 1000
        assert "10.0.0.0/16 12076" in learned(run, "dc/circuit")
        assert "they ignore what comes above 1000" in finding.message


@pytest.mark.rules("R141")
def test_four_fifths_of_the_limit_are_reason_to_look() -> None:
    run = settled(POOL.replace("{point_to_site_transit: TRANSIT}", "{}"))
    run.announce("nva", MANY[:700])
    run.settle(60)
    assert not [each for each in run.check() if each.code == "L-022"]
    run.announce("nva", MANY[700:810])
    run.settle(60)
    assert [each.on for each in run.check() if each.code == "L-022"] == ["er"]
    assert {view.state for view in run.sessions("circuit/er")} == {"Established"}
