"""Route exchange, branch to branch: section 5 of the rules."""

from __future__ import annotations

import pytest

from tests.rules.asking import best, learned, row, settled, told, ways
from tests.rules.hub import CIRCUITS, NVAS, OFF, ON, POOL, RANGES, SITES, prefixes


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
