"""Effective routes and paths by Azure's rules, on one small network that each test changes in one place."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dualhome
from dualhome.app import Run
from dualhome.forwarding.effective import select
from dualhome.net import Address

HUB = """
version: 1
name: hub
virtual_networks:
  hub:
    address_space: [10.0.0.0/16]
    subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/27, nva: {prefix: 10.0.2.0/24}, vm: {prefix: 10.0.3.0/24}}
  spoke: {address_space: [10.1.0.0/16], subnets: {vm: {prefix: 10.1.1.0/24}}}
  far: {address_space: [10.2.0.0/16], subnets: {vm: 10.2.1.0/24}}
peerings:
  - {between: [hub, spoke], allow_forwarded_traffic: true, hub->spoke: {allow_gateway_transit: true}, spoke->hub: {use_remote_gateways: true}}
  - {between: [hub, far], allow_forwarded_traffic: true}
route_servers:
  rs: {virtual_network: hub, peers: [nva1, nva2]}
network_virtual_appliances:
  nva1: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001, originates: [172.30.0.0/16], hosts: {h: 172.30.0.9}}
  nva2: {subnet: hub/nva, address: 10.0.2.5, ip_forwarding: true, asn: 65002, originates: [172.30.0.0/16], hosts: {h: 172.30.0.9}}
load_balancers:
  lb: {subnet: hub/nva, address: 10.0.2.100, backends: [nva1, nva2]}
virtual_machines:
  vm: {subnet: hub/vm, address: 10.0.3.4}
  spoke-vm: {subnet: spoke/vm, address: 10.1.1.4}
  far-vm: {subnet: far/vm, address: 10.2.1.4}
route_tables:
  table: {routes: []}
"""


def hub(patch: dict[str, Any] | None = None) -> Run:
    net = dualhome.Net(dualhome.parse(HUB).topology.changed(patch)) if patch else dualhome.parse(HUB)
    return net.simulate()


def udr(*routes: dict[str, Any], subnet: str = "spoke", **options: Any) -> dict[str, Any]:
    return {
        "virtual_networks": {subnet: {"subnets": {"vm": {"route_table": "table"}}}},
        "route_tables": {"table": {"routes": list(routes), **options}},
    }


def rows(run: Run, nic: str) -> list[tuple[str, str, str, str, list[str]]]:
    return [(str(r.prefix), r.source, r.state, r.next_hop_type, list(map(str, r.next_hops))) for r in run.effective_routes(nic)]


def ways(run: Run, source: str, destination: str) -> list[tuple[list[str], str]]:
    return [([hop.name for hop in path.hops], path.because or path.outcome) for path in run.paths(source, destination)]


BOTH = ["10.0.2.4", "10.0.2.5"]
BY_BOTH = ("172.30.0.0/16", "VirtualNetworkGateway", "Active", "VirtualNetworkGateway", BOTH)
NONE_ROWS = [(p, "Default", "Active", "None", []) for p in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")]


@pytest.mark.rules("R34", "R45", "R48", "R50", "R23")
def test_the_table_of_a_transit_spoke() -> None:
    """R34, R45, R48, R50: own range, the hub's, None rows, what the hub's route server programs; nothing of the other spoke (R23)."""
    assert rows(hub(), "spoke-vm") == [
        ("0.0.0.0/0", "Default", "Active", "Internet", []),
        NONE_ROWS[0],
        ("10.0.0.0/16", "Default", "Active", "VNetPeering", []),
        ("10.1.0.0/16", "Default", "Active", "VnetLocal", []),
        NONE_ROWS[1],
        NONE_ROWS[2],
        BY_BOTH,
        NONE_ROWS[3],
    ]


@pytest.mark.rules("R35")
def test_without_a_transit_pair_nothing_is_programmed() -> None:
    """R35."""
    assert not [row for row in rows(hub(), "far-vm") if row[1] == "VirtualNetworkGateway"]


@pytest.mark.rules("R63")
def test_no_propagation_keeps_all_of_them_away_and_leaves_peerings() -> None:
    """R63."""
    found = rows(hub(udr(disable_bgp_route_propagation=True)), "spoke-vm")
    assert BY_BOTH not in found
    assert ("10.0.0.0/16", "Default", "Active", "VNetPeering", []) in found


@pytest.mark.rules("R47", "R60", "R61")
@pytest.mark.parametrize("kind", ["system", "user", "bgp"])
def test_none_rows_under_three_kinds_of_default(kind: str) -> None:
    """R47, R60, R61: they go with any other default; a user's leaves the system's as Invalid, one of BGP removes it."""
    patch: dict[str, Any] = {
        "system": None,
        "user": udr({"prefix": "0.0.0.0/0", "next_hop_type": "VirtualAppliance", "next_hop": "nva1"}),
        "bgp": {"network_virtual_appliances": {"nva1": {"originates": ["0.0.0.0/0"]}}},
    }[kind]
    found = rows(hub(patch), "spoke-vm")
    assert [row for row in found if row[3] == "None"] == (NONE_ROWS if kind == "system" else [])
    system = {"system": "Active", "user": "Invalid", "bgp": None}[kind]
    assert [row[2] for row in found if row[:2] == ("0.0.0.0/0", "Default")] == ([system] if system else [])


@pytest.mark.parametrize(
    ("prefix", "listed", "goes_to"),
    [
        ("10.0.0.0/16", False, None),  # the peering's own: the system's row goes first, and the route server takes no own space (R56, R59)
        ("10.0.5.0/24", False, None),
        ("10.0.0.0/8", True, "10.0.2.4"),  # a supernet is programmed and catches what no row covers (R58)
    ],
)
def test_bgp_never_wins_within_a_virtual_network_or_peering(prefix: str, listed: bool, goes_to: str | None) -> None:
    run = hub({"network_virtual_appliances": {"nva1": {"originates": [prefix]}}})
    found = [row for row in rows(run, "spoke-vm") if row[0] == prefix and row[1] == "VirtualNetworkGateway"]
    assert bool(found) == listed
    row = select(run.effective_routes("spoke-vm"), Address.parse("10.0.5.9"))
    assert row is not None
    assert row.next_hop_type == "VNetPeering"
    if goes_to:
        row = select(run.effective_routes("spoke-vm"), Address.parse("10.2.1.4"))
        assert row is not None
        assert list(map(str, row.next_hops)) == [goes_to]


@pytest.mark.rules("R57", "R60")
def test_a_user_defined_route_beats_both_and_leaves_them_invalid() -> None:
    """R57, R60."""
    routes = [
        {"prefix": "10.0.0.0/16", "next_hop_type": "VirtualAppliance", "next_hop": "nva1"},
        {"prefix": "172.30.0.0/16", "next_hop_type": "None"},
    ]
    found = rows(hub(udr(*routes)), "spoke-vm")
    assert ("10.0.0.0/16", "Default", "Invalid", "VNetPeering", []) in found
    assert ("10.0.0.0/16", "User", "Active", "VirtualAppliance", ["10.0.2.4"]) in found
    assert ("172.30.0.0/16", "VirtualNetworkGateway", "Invalid", "VirtualNetworkGateway", BOTH) in found


@pytest.mark.rules("R43")
def test_a_next_hop_out_of_reach_is_none() -> None:
    """R43: in no directly peered virtual network."""
    run = hub({"network_virtual_appliances": {"nva1": {"next_hop": {"rs": "far-vm"}}, "nva2": {"originates": []}}})
    assert ("172.30.0.0/16", "VirtualNetworkGateway", "Active", "None", []) in rows(run, "spoke-vm")
    assert ("172.30.0.0/16", "VirtualNetworkGateway", "Active", "VirtualNetworkGateway", ["10.2.1.4"]) in rows(run, "vm")
    assert ways(run, "spoke-vm", "h") == [(["spoke-vm"], "no-route")]


@pytest.mark.rules("R64")
def test_flows_spread_over_equal_next_hops() -> None:
    """R64."""
    assert ways(hub(), "spoke-vm", "h") == [(["spoke-vm", "nva1"], "delivered"), (["spoke-vm", "nva2"], "delivered")]


def test_a_load_balancer_chooses_the_same_backend_back() -> None:
    patch = udr({"prefix": "10.2.0.0/16", "next_hop_type": "VirtualAppliance", "next_hop": "lb"})
    patch["virtual_networks"]["far"] = {"subnets": {"vm": {"route_table": "back"}}}
    patch["route_tables"]["back"] = {"routes": [{"prefix": "10.1.0.0/16", "next_hop_type": "VirtualAppliance", "next_hop": "lb"}]}
    patch["network_virtual_appliances"] = {"nva1": {"stateful": True}, "nva2": {"stateful": True}}
    found = hub(patch).trace("spoke-vm", "far-vm")
    assert [[h.name for h in path.hops] for path, _ in found] == [["spoke-vm", "lb", n, "far-vm"] for n in ("nva1", "nva2")]
    for path, back in found:
        assert path.outcome == "delivered"
        assert [[h.name for h in reply.hops] for reply in back] == [["far-vm", "lb", path.hops[2].name, "spoke-vm"]]


@pytest.mark.rules("R64")
def test_a_stateful_nva_that_did_not_see_the_flow_drops_its_answer() -> None:
    """R64: out by both, back by either: without a load balancer half of the flows die."""
    patch = udr({"prefix": "10.2.0.0/16", "next_hop_type": "VirtualAppliance", "next_hop": "nva1"})
    patch["virtual_networks"]["far"] = {"subnets": {"vm": {"route_table": "back"}}}
    patch["route_tables"]["back"] = {"routes": [{"prefix": "10.1.0.0/16", "next_hop_type": "VirtualAppliance", "next_hop": "nva2"}]}
    patch["network_virtual_appliances"] = {"nva2": {"stateful": True}}
    ((path, _),) = hub(patch).trace("spoke-vm", "far-vm")
    assert (path.outcome, path.because, path.at) == ("dropped", "no-state", "nva2")


@pytest.mark.parametrize(
    ("patch", "because", "at"),
    [
        ({"network_virtual_appliances": {"nva1": {"ip_forwarding": False}}}, "ip-forwarding", "nva1"),  # R66
        ({"peerings": {"spoke->hub": {"allow_virtual_network_access": False}}}, "virtual-network-access", "nva1"),  # D11
        ({"peerings": {"far->hub": {"allow_forwarded_traffic": False}}}, "forwarded-traffic", "far-vm"),  # R37: the receiver judges
    ],
)
def test_why_a_packet_is_dropped(patch: dict[str, Any], because: str, at: str) -> None:
    by_nva = udr({"prefix": "10.2.0.0/16", "next_hop_type": "VirtualAppliance", "next_hop": "nva1"})
    (path,) = hub({**by_nva, **patch}).paths("spoke-vm", "far-vm")
    assert (path.because, path.at) == (because, at)


@pytest.mark.rules("R67")
def test_a_dead_nva_and_its_own_route_on_its_nic() -> None:
    """Down at it while it is still a next hop; R67: what it announced and does not hold comes back to it."""
    run = hub({"network_virtual_appliances": {"nva1": {"hosts": None}, "nva2": {"hosts": None, "originates": []}}})
    assert ways(run, "vm", "172.30.0.9") == [(["vm", "nva1", "nva1"], "loop")]
    run = hub()
    run.fail("nva1", "silent")
    assert ways(run, "vm", "h") == [(["vm", "nva1"], "down"), (["vm", "nva2"], "delivered")]


def test_the_route_server_answers_and_forwards_nothing() -> None:
    """R82."""
    assert ways(hub(), "nva1", "10.0.0.4") == [(["nva1", "rs#0"], "delivered")]


def test_translation_is_undone_on_the_way_back() -> None:
    patch = {"network_virtual_appliances": {"nva1": {"originates": ["0.0.0.0/0"], "translates": "internet"}}}
    patch["virtual_networks"] = {"hub": {"subnets": {"nva": {"route_table": "out"}}}}  # type: ignore[dict-item]
    patch["route_tables"] = {"out": {"routes": [{"prefix": "0.0.0.0/0", "next_hop_type": "Internet"}]}}  # type: ignore[dict-item]
    ((path, back),) = hub(patch).trace("spoke-vm", "internet")
    assert [hop.name for hop in path.hops] == ["spoke-vm", "nva1", "internet"]
    assert back[0].outcome == "delivered"
    assert back[0].at == "spoke-vm"


@pytest.mark.rules("R52")
def test_a_user_defined_route_to_a_vpn_gateway_needs_one() -> None:
    """R52."""
    run = hub(udr({"prefix": "198.51.100.0/24", "next_hop_type": "VirtualNetworkGateway"}))
    assert ways(run, "spoke-vm", "198.51.100.1") == [(["spoke-vm"], "no-route")]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_trace_never_disagrees_with_the_effective_routes(seed: int) -> None:
    """The first step of every path from a machine is what its NIC's effective routes say."""
    chance = random.Random(seed)
    prefixes = ["0.0.0.0/0", "10.0.0.0/8", "10.2.0.0/16", "172.16.0.0/12", "172.30.0.0/16", "192.168.0.0/16", "10.0.2.0/24"]
    nvas = {
        n: {"originates": chance.sample(prefixes, chance.randint(0, 3)), "prepend": {"rs": chance.randint(0, 1)}} for n in ("nva1", "nva2")
    }
    kinds = [
        {"next_hop_type": "None"},
        {"next_hop_type": "Internet"},
        {"next_hop_type": "VirtualAppliance", "next_hop": "nva2"},
        {"next_hop_type": "VirtualApplianceEcmp", "next_hops": ["nva1", "nva2"]},
    ]
    routes = [{"prefix": p, **chance.choice(kinds)} for p in chance.sample(prefixes, chance.randint(0, 3))]
    run = hub({**udr(*routes, disable_bgp_route_propagation=chance.random() < 0.2), "network_virtual_appliances": nvas})
    if chance.random() < 0.5:
        run.fail(chance.choice(["nva1", "nva2", "rs#0", "spoke<->hub"]))
        run.settle()
    for source in ("vm", "spoke-vm", "far-vm"):
        table = run.effective_routes(source)
        for target in ("10.0.3.4", "10.1.1.4", "10.2.1.4", "172.30.0.9", "192.168.3.3", "8.8.4.4", "10.0.2.5"):
            row = select(table, Address.parse(target))
            for path in run.paths(source, target):
                if len(path.hops) == 1 and path.outcome == "delivered":
                    continue  # to itself
                if row is None or row.next_hop_type == "None":
                    assert (path.outcome, path.because, path.at) == ("dropped", "no-route", source)
                elif row.next_hops:
                    assert path.hops[1].address in row.next_hops
                elif row.next_hop_type == "Internet":
                    assert path.hops[-1].name in ("internet", source)
                elif len(path.hops) > 1:
                    assert path.hops[1].address == Address.parse(target)
