"""Switches of effective routes and of packets: what Azure does by the recommended reading, and what by the other one."""

from __future__ import annotations

from typing import Any

import pytest

import dualhome
from dualhome.app import Run
from dualhome.errors import TopologyError
from tests.rules.asking import NONE_ROWS, learned, row, rows, ways

# spoke 10.10/16 with a route server and a VM ══ hub 10.1/16 with an NVA, a route server and a VPN gateway ── site 192.168/16
DUAL = """
version: 1
name: dual
virtual_networks:
  spoke: {address_space: [10.10.0.0/16], region: north, subnets: {RouteServerSubnet: 10.10.0.0/26, vm: 10.10.1.0/24}}
  hub: {address_space: [10.1.0.0/16], region: south, subnets: {RouteServerSubnet: 10.1.0.0/26, GatewaySubnet: 10.1.1.0/27, nva: 10.1.2.0/24}}
peerings: [{between: [spoke, hub], allow_forwarded_traffic: true}]
route_servers:
  spoke-rs: {virtual_network: spoke, peers: [nva]}
  hub-rs: {virtual_network: hub, peers: [nva], branch_to_branch: true}
network_virtual_appliances:
  nva: {subnet: hub/nva, address: 10.1.2.4, ip_forwarding: true, asn: 65001, as_override: true, hosts: {beyond: 172.30.0.9}}
virtual_network_gateways: {gw: {type: Vpn, virtual_network: hub, active_active: true}}
on_premises: {site: {asn: 65010, prefixes: [192.168.0.0/16], hosts: {dc: 192.168.0.9}}}
vpn_connections: [{gateway: gw, to: site}]
virtual_machines: {vm: {subnet: spoke/vm, address: 10.10.1.4}, hub-vm: {subnet: hub/nva, address: 10.1.2.9}}
"""
BY_NVA = "VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4"


def dual(quirks: dict[str, Any], *changes: dict[str, Any]) -> Run:
    """The network with these switches, changed before it begins."""
    topology = dualhome.parse(DUAL).topology.changed({"quirks": quirks})
    for change in changes:
        topology = topology.changed(change)
    return dualhome.Net(topology).simulate()


def announcing(*prefixes: str) -> dict[str, Any]:
    return {"network_virtual_appliances": {"nva": {"originates": list(prefixes)}}}


@pytest.mark.rules("R6")
@pytest.mark.parametrize(
    ("at_most", "prefix", "refused"),
    [(27, "10.10.0.0/27", False), (27, "10.10.0.0/28", True), (26, "10.10.0.0/27", True), (26, "10.10.0.0/26", False)],
)
def test_how_small_a_route_servers_subnet_may_be(at_most: int, prefix: str, refused: bool) -> None:
    """D1: documents say /26 by now, and labs run /27."""
    text = DUAL.replace("RouteServerSubnet: 10.10.0.0/26", f"RouteServerSubnet: {prefix}")
    text += f"quirks: {{route_server_subnet_at_most: {at_most}}}"
    if not refused:
        assert str(dualhome.parse(text).network.virtual_networks["spoke"].subnets["RouteServerSubnet"].prefix) == prefix
        return
    with pytest.raises(TopologyError) as found:
        dualhome.parse(text)
    assert f"{prefix} is too small for a route server (R6)" in str(found.value)


@pytest.mark.rules("R59", "R56", "R105")
@pytest.mark.parametrize("equal", [False, True])
def test_bgp_inside_the_own_virtual_network(equal: bool) -> None:
    """D3: a virtual address inside the range was steered in one lab; documents say that it can't be. A peered range is not concerned."""
    plain = {"network_virtual_appliances": {"nva": {"as_override": False}}}  # else it would tell route servers what they told it
    run = dual({"virtual_network_equal_bgp": equal}, plain, announcing("10.10.0.0/16", "10.10.7.7/32", "10.1.7.0/24"))
    assert row(run, "vm", "10.10.0.0/16") == ([f"10.10.0.0/16 {BY_NVA}"] if equal else ["10.10.0.0/16 VnetLocal"])
    assert row(run, "vm", "10.10.7.7/32") == ([f"10.10.7.7/32 {BY_NVA}"] if equal else [])
    assert row(run, "vm", "10.1.7.0/24") == []
    refused = {str(r.prefix) for r in run.rejected("spoke-rs#0/nva") if r.reason == "own-prefix"}
    assert refused == (set() if equal else {"10.10.0.0/16", "10.10.7.7/32"})


@pytest.mark.rules("R169", "R68")
@pytest.mark.parametrize("follows", [False, True])
def test_which_way_packets_from_on_premises_take_at_the_gateway(follows: bool) -> None:
    """D4: past the NVA by the peering, or by the NVA that announces the spoke."""
    run = dual({"gateway_subnet_follows_bgp": follows})
    assert row(run, "gw", "10.10.0.0/16") == ([f"10.10.0.0/16 {BY_NVA}"] if follows else ["10.10.0.0/16 VNetGlobalPeering"])
    assert row(run, "hub-vm", "10.10.0.0/16") == ["10.10.0.0/16 VNetGlobalPeering"], "other subnets follow the peering"
    assert ways(run, "dc", "vm") == ({"site > gw > nva > vm"} if follows else {"site > gw > vm"})


@pytest.mark.rules("R37")
@pytest.mark.parametrize("judge", ["receiver", "sender"])
@pytest.mark.parametrize("allowing", ["hub->spoke", "spoke->hub"])
def test_whose_resource_judges_what_an_nva_forwards(judge: str, allowing: str) -> None:
    """D10: from behind the NVA in the hub, to a VM in the spoke."""
    flags = {name: {"allow_forwarded_traffic": name == allowing} for name in ("hub->spoke", "spoke->hub")}
    run = dual({"forwarded_traffic_judged_by": judge}, {"peerings": flags})
    lets = {"receiver": "spoke->hub", "sender": "hub->spoke"}[judge] == allowing
    assert ways(run, "beyond", "vm") == ({"nva > vm"} if lets else {"nva > dropped at vm: forwarded-traffic"})
    assert ways(run, "nva", "vm") == {"vm"}, "its own packets are no forwarded traffic"


@pytest.mark.rules("R48")
@pytest.mark.parametrize("reading", ["dropped", "unlisted"])
def test_a_peering_that_allows_no_access(reading: str) -> None:
    """D11: routes stay and packets are dropped, or the route goes, and with it next hops there."""
    closed = {"peerings": {"spoke->hub": {"allow_virtual_network_access": False}}}
    run = dual({"without_virtual_network_access": reading}, closed, announcing("172.30.0.0/16"))
    assert row(run, "vm", "10.1.0.0/16") == (["10.1.0.0/16 VNetGlobalPeering"] if reading == "dropped" else [])
    assert row(run, "hub-vm", "10.10.0.0/16") == ["10.10.0.0/16 VNetGlobalPeering"]
    said = {"dropped": "dropped at hub-vm: virtual-network-access", "unlisted": "dropped at vm: no-route"}[reading]
    assert ways(run, "vm", "hub-vm") == {said}
    assert all(view.state != "Established" for view in run.sessions("spoke-rs/nva"))


@pytest.mark.rules("R40")
@pytest.mark.parametrize("how", ["refresh", "reset"])
def test_a_new_peering_has_nvas_tell_everything_again(how: str) -> None:
    """D18: by a ROUTE-REFRESH to every NVA of the route server; sessions stay. Or by sessions that begin anew. Those of gateways are not concerned."""
    run = dual({"on_new_peering": how}, announcing("172.30.0.0/16"))
    before, since = refreshes(run), {view.speaker + view.peer: view.since_s for view in run.sessions()}
    run.change({"virtual_networks": {"new": {"address_space": ["10.50.0.0/16"]}}})
    run.settle()
    assert refreshes(run) == before, "it isn't peered yet"
    run.change({"peerings": {"hub<->new": {}}})
    run.settle()
    again = {view.speaker + view.peer for view in run.sessions() if view.since_s != since[view.speaker + view.peer]}
    if how == "refresh":
        assert refreshes(run) == {**before, "hub-rs#0": 1, "hub-rs#1": 1}
        assert again == set()
    else:
        assert refreshes(run) == before
        assert again == {"hub-rs#0nva", "hub-rs#1nva", "nvahub-rs#0", "nvahub-rs#1"}
    assert learned(run, "hub-rs/nva") >= {"172.30.0.0/16 65001"}


def refreshes(run: Run) -> dict[str, int]:
    """How many ROUTE-REFRESH each instance of a route server sent to the NVA."""
    speakers = run.engine.speakers
    return {name: speakers[name].session("nva").counters.refreshes_out for name in speakers if "-rs#" in name}


@pytest.mark.rules("R62", "R56")
@pytest.mark.parametrize("rows_", ["hidden", "listed"])
def test_whether_a_bgp_route_that_loses_to_the_systems_is_listed(rows_: str) -> None:
    """D22: of the same prefix; longer ones are never. It decides nothing."""
    run = dual({"losing_bgp_rows": rows_}, announcing("10.1.0.0/16", "10.1.7.0/24"))
    loser = "10.1.0.0/16 VirtualNetworkGateway VirtualNetworkGateway Invalid 10.1.2.4"
    assert row(run, "vm", "10.1.0.0/16") == [*([loser] if rows_ == "listed" else []), "10.1.0.0/16 VNetGlobalPeering"]
    assert row(run, "vm", "10.1.7.0/24") == []
    assert ways(run, "vm", "hub-vm") == {"hub-vm"}


@pytest.mark.rules("R26", "R34")
@pytest.mark.parametrize("works", [True, False])
def test_a_transit_pair_over_a_global_peering(works: bool) -> None:
    """D25: old documents forbade it. Within a region it works either way."""
    no_server = {"route_servers": {"spoke-rs": None}}
    pair = {"peerings": {"hub->spoke": {"allow_gateway_transit": True}, "spoke->hub": {"use_remote_gateways": True}}}
    run = dual({"transit_over_global_peering": works}, no_server, pair)
    assert bool(row(run, "vm", "192.168.0.0/16")[0].count("VirtualNetworkGateway")) is works
    assert ("10.10.0.0/16 65515" in learned(run, "site/gw")) is works
    near = dual({"transit_over_global_peering": works}, no_server, pair, {"virtual_networks": {"spoke": {"region": "south"}}})
    assert "10.10.0.0/16 65515" in learned(near, "site/gw")


@pytest.mark.rules("R47", "R61")
@pytest.mark.parametrize("none_rows", ["absent", "present"])
def test_none_rows_under_a_default_of_bgp(none_rows: str) -> None:
    """D27: whether private destinations follow it. Under a user's default they do."""
    run = dual({"none_rows_under_bgp_default": none_rows}, announcing("0.0.0.0/0"))
    assert row(run, "vm", "0.0.0.0/0") == [f"0.0.0.0/0 {BY_NVA}"]
    kept = [each for each in NONE_ROWS if none_rows == "present"]
    assert [each for each in rows(run, "vm") if each in NONE_ROWS and "192.168" not in each] == [
        each for each in kept if "192.168" not in each
    ]
    assert ways(run, "vm", "beyond") == ({"nva > beyond"} if none_rows == "absent" else {"dropped at vm: no-route"})
    user = {
        "virtual_networks": {"spoke": {"subnets": {"vm": {"route_table": "t"}}}},
        "route_tables": {"t": {"routes": [{"prefix": "0.0.0.0/0", "next_hop_type": "VirtualAppliance", "next_hop": "nva"}]}},
    }
    assert ways(dual({"none_rows_under_bgp_default": none_rows}, user), "vm", "beyond") == {"nva > beyond"}
