"""Group 7: the worked example of section 8.2, exactly its two tables, then every row of its failure table, with the time without connection."""

from __future__ import annotations

import pytest

import dualhome
from dualhome.app import Run
from tests.consoles import ROOT
from tests.rules.asking import best, heard, learned, outages, refused, row, rows, told, ways

FILE = ROOT / "examples/2-expressroute/topology.yaml"
OUT, BACK = ("spoke-vm", "dc-host"), ("dc-host", "spoke-vm")
FAST_S = 5.0  # R71: what Azure takes to program a withdrawal

pytestmark = pytest.mark.rules("R159", "R160", "R161", "R165", "R166", "R167")


def network() -> Run:
    """On-premises 192.168/16 behind both circuits, hub1 10.1/16, hub2 10.2/16, spoke 10.10/16 with a route server of its own; watched from both ends."""
    run = dualhome.load(FILE).simulate()
    run.watch(*OUT)
    run.watch(*BACK)
    run.wait(10)
    return run


@pytest.fixture(scope="module")
def converged() -> Run:
    """For questions only."""
    return network()


# --- the two tables -------------------------------------------------------------------------------------------------------


@pytest.mark.rules("R91", "R101", "R134", "R143", "R171", "R173", "R174")
@pytest.mark.parametrize(
    ("session", "routes"),
    [
        ("hub1-er/circuit1#0", {"192.168.0.0/16 12076 65010 via 169.254.0.2"}),
        ("hub1-rs/hub1-er", {"192.168.0.0/16 12076 65010 via 10.1.1.4", "192.168.0.0/16 12076 65010 via 10.1.1.5"}),
        ("hub1-nva/hub1-rs#0", {"192.168.0.0/16 65515 12076 65010 via 10.1.0.4", "10.1.0.0/16 65515 via 10.1.0.4"}),
        ("hub1-nva/hub1-rs#1", {"192.168.0.0/16 65515 12076 65010 via 10.1.0.5", "10.1.0.0/16 65515 via 10.1.0.5"}),
        ("spoke-rs/hub1-nva", {"192.168.0.0/16 65001 65001 12076 65010 via 10.1.2.4"}),
        ("spoke-rs/hub2-nva", {"192.168.0.0/16 65002 65002 12076 65010 via 10.2.2.4"}),
        ("hub1-nva/spoke-rs", {"10.10.0.0/16 65515 via 10.10.0.4", "10.10.0.0/16 65515 via 10.10.0.5"}),
        ("hub2-nva/spoke-rs", {"10.10.0.0/16 65515 via 10.10.0.4", "10.10.0.0/16 65515 via 10.10.0.5"}),
        ("hub1-rs/hub1-nva", {"10.10.0.0/16 65001 65001 via 10.1.2.4"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_step_of_the_worked_example(converged: Run, session: str, routes: set[str]) -> None:
    assert heard(converged, session) == routes


@pytest.mark.rules("R91", "R95", "R134")
def test_the_spokes_prefix_on_its_way_to_on_premises(converged: Run) -> None:
    """Tagged by the route server, with the gateway's ASN before the NVA's at the edge, and with the edge's alone behind it."""
    to_gateway = [r for r in converged.advertised("hub1-rs/hub1-er") if str(r.prefix) == "10.10.0.0/16"]
    assert {(r.as_path, r.next_hop, r.communities) for r in to_gateway} == {("65001 65001", "10.1.2.4", ("65517:65517",))}
    assert {each for each in told(converged, "hub1-er/circuit1") if each.startswith("10.10.")} == {
        "10.10.0.0/16 65515 65001 65001 via 10.1.1.4",
        "10.10.0.0/16 65515 65001 65001 via 10.1.1.5",
    }
    assert learned(converged, "dc-r1/circuit1") == {"10.10.0.0/16 12076", "10.1.0.0/16 12076"}


@pytest.mark.rules("R45", "R47", "R49", "R50")
def test_effective_routes_of_the_spokes_machine(converged: Run) -> None:
    assert rows(converged, "spoke-vm") == [
        "0.0.0.0/0 Internet",
        "10.0.0.0/8 None",
        "10.1.0.0/16 VNetPeering",
        "10.2.0.0/16 VNetPeering",
        "10.10.0.0/16 VnetLocal",
        "100.64.0.0/10 None",
        "172.16.0.0/12 None",
        "192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4 10.2.2.4",
    ]


@pytest.mark.rules("R51", "R56", "R62")
def test_effective_routes_of_the_hubs_machine(converged: Run) -> None:
    """The NVA's copy of the spoke's prefix loses to the peering, and on-premises is the circuit's."""
    assert [each for each in rows(converged, "hub1-vm") if "None" not in each] == [
        "0.0.0.0/0 Internet",
        "10.1.0.0/16 VnetLocal",
        "10.10.0.0/16 VNetPeering",
        "192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 169.254.0.2 169.254.0.6",
    ]


@pytest.mark.rules("R57", "R60", "R169")
def test_effective_routes_of_the_gateways_subnet() -> None:
    run = network()
    assert row(run, "hub1-er", "10.10.0.0/16") == ["10.10.0.0/16 User VirtualAppliance 10.1.2.4", "10.10.0.0/16 VNetPeering Invalid"]
    run.change({"virtual_networks": {"hub1": {"subnets": {"GatewaySubnet": {"route_table": None}}}}})
    assert row(run, "hub1-er", "10.10.0.0/16") == ["10.10.0.0/16 VNetPeering"]


@pytest.mark.rules("R42", "R168", "R170")
def test_packets_cross_an_nva_both_ways_and_never_a_route_server(converged: Run) -> None:
    assert ways(converged, *OUT) == {"hub1-nva > hub1-er > circuit1 > dc-r1 > dc-host", "hub2-nva > hub2-er > circuit2 > dc-r2 > dc-host"}
    assert ways(converged, *BACK) == {"dc-r1 > circuit1 > hub1-er > hub1-nva > spoke-vm"}


# --- the failure table ----------------------------------------------------------------------------------------------------

BY_BOTH = ["192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4 10.2.2.4"]
BY_HUB2 = ["192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.2.2.4"]


def is_by_hub2(run: Run) -> None:
    """Both directions cross hub 2."""
    assert row(run, "spoke-vm", "192.168.0.0/16") == BY_HUB2
    assert ways(run, *OUT) == {"hub2-nva > hub2-er > circuit2 > dc-r2 > dc-host"}
    assert {way.partition(" > ")[2] for way in ways(run, *BACK)} == {"dc-r2 > circuit2 > hub2-er > hub2-nva > spoke-vm"}


def told_of_the_spoke(run: Run) -> bool:
    return any(each.startswith("10.10.0.0/16") for each in told(run, "hub1-rs/hub1-er"))


@pytest.mark.rules("R115", "R162")
def test_nva1_dies() -> None:
    run = network()
    assert told_of_the_spoke(run)
    run.fail("hub1-nva")
    run.settle(60)
    is_by_hub2(run)
    assert not told_of_the_spoke(run), "the route server withdraws the spoke's prefix from the gateway"
    assert best(run, "dc-r1", "10.10.0.0/16") == {"12076 from dc-r2"}
    assert max(outages(run, OUT, BACK)) <= FAST_S


@pytest.mark.rules("R75", "R115", "R162")
def test_nva1_hangs() -> None:
    """Nobody is told; hold timers find out, up to a keepalive interval sooner than they run."""
    run = network()
    run.fail("hub1-nva", how="silent")
    run.wait(100)
    assert row(run, "spoke-vm", "192.168.0.0/16") == BY_BOTH
    run.settle(200)
    is_by_hub2(run)
    assert all(119 <= each <= 181 for each in outages(run, OUT, BACK))


@pytest.mark.rules("R162")
def test_circuit1_goes_down() -> None:
    run = network()
    run.fail("circuit1")
    run.settle(60)
    is_by_hub2(run)
    assert not any(each.startswith("192.168.") for each in learned(run, "hub1-nva/hub1-rs")), "the hub's route server withdraws it"
    assert learned(run, "spoke-rs/hub1-nva") == set(), "and the NVA from the spoke's"
    assert learned(run, "spoke-rs/hub2-nva") == {"192.168.0.0/16 65002 65002 12076 65010"}
    assert {view.state for view in run.sessions("spoke-rs/hub1-nva")} == {"Established"}
    assert max(outages(run, OUT, BACK)) <= FAST_S


@pytest.mark.rules("R73", "R115")
def test_the_session_to_one_instance_goes_down() -> None:
    run = network()
    run.fail("hub1-nva/spoke-rs#0")
    run.settle(60)
    assert learned(run, "spoke-rs#0/hub1-nva") == set()
    assert row(run, "spoke-vm", "192.168.0.0/16") == BY_BOTH
    assert outages(run, OUT, BACK) == [0.0, 0.0]


@pytest.mark.rules("R73")
def test_where_instances_share_the_nics_those_of_that_instance_lose_the_nva() -> None:
    text = FILE.read_text("utf-8").replace("peers: [hub1-nva, hub2-nva]}", "peers: [hub1-nva, hub2-nva], programming: {by: partition}}")
    text = text.replace("  hub1-vm: {subnet", "  spoke-vm2: {subnet: spoke/workload}\n  hub1-vm: {subnet")
    run = dualhome.parse(text).simulate()
    assert row(run, "spoke-vm", "192.168.0.0/16") == row(run, "spoke-vm2", "192.168.0.0/16") == BY_BOTH
    run.fail("hub1-nva/spoke-rs#0")
    run.settle(60)
    assert row(run, "spoke-vm", "192.168.0.0/16") == BY_HUB2
    assert row(run, "spoke-vm2", "192.168.0.0/16") == BY_BOTH


@pytest.mark.rules("R115")
def test_both_instances_of_the_spokes_route_server_die() -> None:
    """D15: NICs keep what they have. On-premises forgets the spoke."""
    run = network()
    run.fail("spoke-rs")
    run.settle(300)
    assert row(run, "spoke-vm", "192.168.0.0/16") == BY_BOTH
    assert ways(run, *OUT) == {"hub1-nva > hub1-er > circuit1 > dc-r1 > dc-host", "hub2-nva > hub2-er > circuit2 > dc-r2 > dc-host"}
    assert best(run, "dc-r1", "10.10.0.0/16") == set()
    assert outages(run, OUT) == [0.0]


@pytest.mark.rules("R43", "R44")
def test_the_peering_is_deleted() -> None:
    """Sessions to the NVA run into their hold timers; until then its routes lead nowhere."""
    run = network()
    run.change({"network_virtual_appliances": {"hub2-nva": {"prepend": {"spoke-rs": 2}}}})
    run.settle(60)
    run.change({"peerings": {"spoke<->hub1": None}})
    run.wait(30)
    assert {view.state for view in run.sessions("spoke-rs/hub1-nva")} == {"Established"}
    assert row(run, "spoke-vm", "192.168.0.0/16") == ["192.168.0.0/16 VirtualNetworkGateway None"]
    run.settle(200)
    assert {view.state for view in run.sessions("spoke-rs/hub1-nva")}.isdisjoint({"Established"})
    is_by_hub2(run)
    assert 119 <= run.outage(*OUT) <= 181


@pytest.mark.rules("R99", "R173")
def test_as_override_is_missing_toward_the_spokes_route_server() -> None:
    run = network()
    run.change({"network_virtual_appliances": {"hub1-nva": {"as_override": ["hub1-rs"]}}})
    run.settle(60)
    assert learned(run, "spoke-rs/hub1-nva") == set()
    assert refused(run, "spoke-rs/hub1-nva") == {"192.168.0.0/16 as-loop"}
    assert row(run, "spoke-vm", "192.168.0.0/16") == BY_HUB2
    assert told_of_the_spoke(run), "inbound is as before"


@pytest.mark.rules("R99", "R173")
def test_as_override_is_missing_toward_the_hubs_route_server() -> None:
    run = network()
    run.change({"network_virtual_appliances": {"hub1-nva": {"as_override": ["spoke-rs"]}}})
    run.settle(60)
    assert refused(run, "hub1-rs/hub1-nva") == {"10.10.0.0/16 as-loop"}
    assert not told_of_the_spoke(run)
    assert best(run, "dc-r1", "10.10.0.0/16") == {"12076 from dc-r2"}
    assert row(run, "spoke-vm", "192.168.0.0/16") == BY_BOTH, "outbound is as before"


# --- what the design must not do ------------------------------------------------------------------------------------------


@pytest.mark.rules("R31", "R42", "R168")
def test_the_spoke_may_not_use_remote_gateways() -> None:
    text = FILE.read_text("utf-8").replace(
        "  - {between: [spoke, hub1], allow_forwarded_traffic: true}",
        "  - {between: [spoke, hub1], allow_forwarded_traffic: true, hub1->spoke: {allow_gateway_transit: true}, spoke->hub1: {use_remote_gateways: true}}",
    )
    with pytest.raises(dualhome.TopologyError, match="R31"):
        dualhome.parse(text)


@pytest.mark.rules("R170")
def test_without_forwarded_traffic_packets_from_on_premises_end_at_the_spoke() -> None:
    run = network()
    run.change({"peerings": {"spoke->hub1": {"allow_forwarded_traffic": False}}})
    run.settle(60)
    assert ways(run, *BACK) == {"dc-r1 > circuit1 > hub1-er > hub1-nva > dropped at spoke-vm: forwarded-traffic"}


@pytest.mark.rules("R171", "R172")
def test_without_export_rules_and_with_a_route_server_that_reflects_a_hub_points_at_itself() -> None:
    """The spoke's route server reflects hub 2's on-premises route to NVA 1; once hub 1 has lost its own, that comes back to hub 1's NICs."""
    run = network()
    free = {"spoke-rs": None, "hub1-rs": None}
    run.change({"route_servers": {"spoke-rs": {"reflect_between_nvas": "all"}}})
    run.change({"network_virtual_appliances": {"hub1-nva": {"export": free}, "hub2-nva": {"export": free}}})
    run.settle(60)
    run.fail("circuit1")
    run.settle(60)
    assert row(run, "hub1-vm", "192.168.0.0/16") == ["192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4"]
    assert ways(run, "hub1-vm", "dc-host") == {"hub1-nva > dropped at hub1-nva: loop"}


@pytest.mark.rules("R171")
def test_with_them_it_has_no_route() -> None:
    run = network()
    run.change({"route_servers": {"spoke-rs": {"reflect_between_nvas": "all"}}})
    run.fail("circuit1")
    run.settle(60)
    assert row(run, "hub1-vm", "192.168.0.0/16") == ["192.168.0.0/16 None"]


@pytest.mark.rules("R174")
def test_the_spokes_route_server_needs_no_branch_to_branch_and_the_hubs_do() -> None:
    run = network()
    before = {name: heard(run, name) for name in ("hub1-nva/spoke-rs", "spoke-rs/hub1-nva", "hub1-rs/hub1-nva")}
    run.change({"route_servers": {"spoke-rs": {"branch_to_branch": True}}})
    run.settle(60)
    assert {name: heard(run, name) for name in before} == before
    run.change({"route_servers": {"hub1-rs": {"branch_to_branch": False}}})
    run.settle(60)
    assert learned(run, "spoke-rs/hub1-nva") == set()
    assert not told_of_the_spoke(run)
    is_by_hub2(run)


@pytest.mark.rules("R175")
def test_one_route_server_in_a_third_network_serves_several_spokes() -> None:
    """Spokes form transit pairs with it, and plain peerings with both hubs."""
    text = """
version: 1
name: third
virtual_networks:
  t: {address_space: [10.40.0.0/16], subnets: {RouteServerSubnet: 10.40.0.0/26}}
  hub1: {address_space: [10.1.0.0/16], subnets: {nva: 10.1.2.0/24}}
  hub2: {address_space: [10.2.0.0/16], subnets: {nva: 10.2.2.0/24}}
  one: {address_space: [10.11.0.0/16], subnets: {vm: 10.11.1.0/24}}
  two: {address_space: [10.12.0.0/16], subnets: {vm: 10.12.1.0/24}}
peerings:
  - {between: [t, hub1]}
  - {between: [t, hub2]}
  - {between: [one, t], t->one: {allow_gateway_transit: true}, one->t: {use_remote_gateways: true}}
  - {between: [two, t], t->two: {allow_gateway_transit: true}, two->t: {use_remote_gateways: true}}
  - {between: [one, hub1], allow_forwarded_traffic: true}
  - {between: [one, hub2], allow_forwarded_traffic: true}
  - {between: [two, hub1], allow_forwarded_traffic: true}
  - {between: [two, hub2], allow_forwarded_traffic: true}
route_servers: {rs: {virtual_network: t, peers: [nva1, nva2]}}
network_virtual_appliances:
  nva1: {subnet: hub1/nva, address: 10.1.2.4, ip_forwarding: true, asn: 65001, originates: [0.0.0.0/0], sessions: [{to: dc, over: tunnel}]}
  nva2: {subnet: hub2/nva, address: 10.2.2.4, ip_forwarding: true, asn: 65002, originates: [0.0.0.0/0], sessions: [{to: dc, over: tunnel}], prepend: {dc: 2}}
on_premises: {dc: {asn: 65010, prefixes: [192.168.0.0/16]}}
virtual_machines: {vm1: {subnet: one/vm}, vm2: {subnet: two/vm}}
"""
    run = dualhome.parse(text).simulate()
    for name in ("vm1", "vm2"):
        assert row(run, name, "0.0.0.0/0") == ["0.0.0.0/0 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4 10.2.2.4"]
    for spoke in ("10.11.0.0/16", "10.12.0.0/16"):
        assert {f"{spoke} 65001 65515"} <= learned(run, "dc/nva1")
        assert {f"{spoke} 65002 65002 65002 65515"} <= learned(run, "dc/nva2")
        assert best(run, "dc", spoke) == {"65001 65515 from nva1"}
