"""Where sources disagree on a route server: both settings of each switch."""

from __future__ import annotations

import pytest

import dualhome
from dualhome.app import Run
from tests.rules.asking import best, communities, learned, refused, row, settled, told

HUB = """
version: 1
name: quirks
quirks: {QUIRK}
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/26, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
  transit: {address_space: [10.1.0.0/16], subnets: {vm: 10.1.1.0/24}}
peerings: [{between: [hub, transit], hub->transit: {allow_gateway_transit: true}, transit->hub: {use_remote_gateways: true}}]
route_servers: {rs: {virtual_network: hub, branch_to_branch: true, peers: [nva, nva2], routing_preference: ExpressRoute}}
network_virtual_appliances:
  nva: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001, originates: [172.16.0.0/16]}
  nva2: {subnet: hub/nva, address: 10.0.2.5, ip_forwarding: true, asn: 65002, originates: [172.16.0.0/16]}
virtual_network_gateways:
  er: {type: ExpressRoute, virtual_network: hub}
  vpn: {type: Vpn, virtual_network: hub, active_active: true}
expressroute_circuits: {circuit: {gateways: [er], provider_edge: [dc]}}
vpn_connections: [{gateway: vpn, to: branch}]
on_premises:
  dc: {asn: 65010, originates: [192.168.1.0/24, 192.168.9.0/24]}
  branch: {asn: 65020, originates: [192.168.2.0/24]}
virtual_machines: {vm: {subnet: hub/vm}}
"""
SHARED = "192.168.9.0/24"
BY_ER = [f"{SHARED} VirtualNetworkGateway VirtualNetworkGateway 169.254.0.2 169.254.0.6"]
BY_NVA = [f"{SHARED} VirtualNetworkGateway VirtualNetworkGateway 10.0.2.4"]
BOTH_NVAS = "172.16.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.0.2.4 10.0.2.5"


def text(quirk: str, *changes: tuple[str, str]) -> str:
    """The network under a quirk, with words of it replaced."""
    found = HUB.replace("QUIRK", quirk)
    for before, after in changes:
        assert before in found, before
        found = found.replace(before, after)
    return found


OFFERS = ("originates: [172.16.0.0/16]}\n  nva2", f"originates: [172.16.0.0/16, {SHARED}]}}\n  nva2")
EQUAL = ("originates: [172.16.0.0/16]}\n  nva2", f"originates: [172.16.0.0/16, {{prefix: {SHARED}, as_path: 65009}}]}}\n  nva2")


def preferring(preference: str) -> tuple[str, str]:
    return "routing_preference: ExpressRoute", f"routing_preference: {preference}"


OFF = ("virtual_network: hub, branch_to_branch: true", "virtual_network: hub, branch_to_branch: false")


@pytest.mark.rules("R104", "R129", "R151")
@pytest.mark.parametrize("setting", ["accepted", "refused"])
def test_whether_routes_are_exchanged_with_a_vpn_gateway_of_another_asn(setting: str) -> None:
    """D7. Where they are, a route with a community 65517:… or with 65515 in its path isn't taken."""
    own_asn = ("active_active: true", "active_active: true, asn: 65050")
    strange = 'asn: 65020, communities: {vpn: ["65517:1"]}, originates: [192.168.2.0/24]'
    run = settled(text(f"custom_asn_vpn_gateway: {setting}", own_asn))
    assert bool(run.sessions("rs/vpn")) is (setting == "accepted")
    assert ("192.168.2.0/24 65515 65050 65020" in learned(run, "nva/rs")) is (setting == "accepted")
    if setting == "accepted":
        run = settled(text(f"custom_asn_vpn_gateway: {setting}", own_asn, ("asn: 65020, originates: [192.168.2.0/24]", strange)))
        assert "192.168.2.0/24 branch-tag" in refused(run, "rs/vpn")


@pytest.mark.rules("R107")
@pytest.mark.parametrize(
    ("setting", "hops"), [("ExpressRoute", BY_ER[0].split()[3:]), ("multipath", ["10.0.2.4", "169.254.0.2", "169.254.0.6"])]
)
def test_equal_paths_of_expressroute_and_an_nva_under_preference_aspath(setting: str, hops: list[str]) -> None:
    """D12."""
    run = settled(text(f"as_path_tie: {setting}", preferring("ASPath"), EQUAL))
    assert row(run, "vm", SHARED)[0].split()[3:] == hops


@pytest.mark.rules("R107", "R112")
@pytest.mark.parametrize(("setting", "without"), [("false", BY_NVA), ("true", BY_ER)])
def test_whether_the_preference_holds_without_branch_to_branch(setting: str, without: list[str]) -> None:
    """D13: preference ASPath and an NVA with the shorter path."""
    quirk = f"preference_needs_branch_to_branch: {setting}"
    assert row(settled(text(quirk, preferring("ASPath"), OFFERS)), "vm", SHARED) == BY_NVA
    assert row(settled(text(quirk, preferring("ASPath"), OFFERS, OFF)), "vm", SHARED) == without


def after_an_outage(setting: str, *changes: tuple[str, str]) -> Run:
    run = settled(text(f"expressroute_failback: {setting}", OFF, *changes))
    assert row(run, "vm", SHARED) == BY_ER
    run.fail("circuit")
    run.settle(600)
    assert row(run, "vm", SHARED)[0].split()[3:] == ["10.0.2.4"]
    run.restore("circuit")
    run.settle(600)
    return run


@pytest.mark.rules("R111")
@pytest.mark.parametrize(("setting", "way"), [("immediate", BY_ER), ("sticky", BY_NVA)])
def test_whether_traffic_goes_back_to_expressroute_after_its_outage(setting: str, way: list[str]) -> None:
    """D14. It stays only where the other path isn't longer; what announces the prefix goes on, so that nothing but the outage has happened."""
    run = after_an_outage(setting, OFFERS)
    assert row(run, "vm", SHARED) == way
    assert (
        row(after_an_outage(setting, (OFFERS[0], OFFERS[1].replace(SHARED, f"{{prefix: {SHARED}, as_path: 65009 65009}}"))), "vm", SHARED)
        == BY_ER
    )
    run.change({"network_virtual_appliances": {"nva": {"prepend": {"rs": 2}}}})
    run.settle(600)
    assert row(run, "vm", SHARED) == BY_ER, "the remedy: a longer path"


@pytest.mark.rules("R111")
def test_what_stays_goes_with_the_other_way_and_a_cold_start_is_no_outage() -> None:
    run = after_an_outage("sticky", OFFERS)
    run.withdraw("nva", [SHARED])
    run.settle(600)
    assert row(run, "vm", SHARED) == BY_ER
    run.announce("nva", [SHARED])
    run.settle(600)
    assert row(run, "vm", SHARED) == BY_ER


@pytest.mark.rules("R115")
@pytest.mark.parametrize(("setting", "rows"), [("kept", [BOTH_NVAS]), ("removed", [])])
@pytest.mark.parametrize(
    "failures", [["rs"], ["rs#0", "rs#1"], ["rs#1", "rs#0"], ["nva/rs", "rs"], ["rs", "nva/rs"], ["rs#1", "nva/rs", "rs#0"]]
)
def test_what_machines_have_of_a_dead_route_server(setting: str, rows: list[str], failures: list[str]) -> None:
    """D15. What fails in one instant has no order."""
    run = settled(text(f"routes_of_a_dead_route_server: {setting}"))
    for target in failures:
        run.fail(target)
    run.settle(600)
    assert row(run, "vm", "172.16.0.0/16") == rows
    run.restore()
    run.settle(600)
    assert row(run, "vm", "172.16.0.0/16") == [BOTH_NVAS]


@pytest.mark.rules("R113")
@pytest.mark.parametrize(("setting", "hops"), [("ignored", ["10.0.2.4", "10.0.2.5"]), ("compared", ["10.0.2.5"])])
def test_whether_a_lower_med_of_the_same_asn_wins(setting: str, hops: list[str]) -> None:
    """D16. MEDs of one neighboring AS are compared; of two they aren't in any case."""
    lower = ("asn: 65002,", "asn: 65002, export: {rs: [{actions: {med: 5}}]},")
    higher = ("asn: 65001,", "asn: 65001, export: {rs: [{actions: {med: 10}}]},")
    same = ("asn: 65002", "asn: 65001")
    run = settled(text(f"med_and_origin: {setting}", lower, higher, same))
    assert row(run, "vm", "172.16.0.0/16")[0].split()[3:] == hops
    assert len(row(settled(text(f"med_and_origin: {setting}", lower, higher)), "vm", "172.16.0.0/16")[0].split()[3:]) == 2


@pytest.mark.rules("R97")
@pytest.mark.parametrize("community", ["no-export", "65535:65283"])
@pytest.mark.parametrize("setting", ["honored", "ignored"])
def test_what_no_export_does(setting: str, community: str) -> None:
    """D17: where it is ignored the next NVA is told, community and all. no-export-subconfed is treated as no-export."""
    told_apart = (
        "asn: 65001, originates: [172.16.0.0/16]",
        f"asn: 65001, communities: {{rs: ['{community}']}}, originates: [172.17.0.0/16]",
    )
    run = settled(text(f"no_export: {setting}", told_apart))
    assert row(run, "vm", "172.17.0.0/16") == ["172.17.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.0.2.4"]
    assert ("172.17.0.0/16 65515 65001" in learned(run, "nva2/rs")) is (setting == "ignored")
    assert "172.17.0.0/16 65001" in learned(run, "er/rs"), "a gateway of the same ASN has it either way"
    if setting == "ignored":
        assert any(each.startswith("no-export") for each in communities(run.learned("nva2/rs"), "172.17.0.0/16"))


@pytest.mark.rules("R97")
def test_graceful_shutdown_means_nothing_to_a_route_server() -> None:
    """D17."""
    run = settled(text("", ("asn: 65001,", "asn: 65001, communities: {rs: ['65535:0']},")))
    assert row(run, "vm", "172.16.0.0/16") == [BOTH_NVAS]


def many(count: int) -> tuple[tuple[str, str], ...]:
    names = [f"n{i}" for i in range(count)]
    nvas = "\n".join(
        f"  {name}: {{subnet: hub/nva, address: 10.0.2.{20 + i}, asn: {65101 + i}, originates: [172.20.0.0/16]}}"
        for i, name in enumerate(names)
    )
    return ("peers: [nva, nva2]", f"peers: [{', '.join(names)}]"), ("network_virtual_appliances:", f"network_virtual_appliances:\n{nvas}")


@pytest.mark.rules("R106")
@pytest.mark.parametrize(("quirk", "width"), [("", 8), ("multipath_width: 4", 4), ("multipath_width: 64", 10)])
def test_how_many_next_hops_a_route_has_at_most(quirk: str, width: int) -> None:
    """D20."""
    run = settled(text(quirk, *many(10)))
    assert len(row(run, "vm", "172.20.0.0/16")[0].split()[3:]) == width


@pytest.mark.rules("R95")
@pytest.mark.parametrize("setting", ["branches", "everything"])
def test_which_routes_are_tagged(setting: str) -> None:
    """D24."""
    run = settled(text(f"branch_tag_on: {setting}"))
    for prefix in ("10.0.0.0/16", "10.1.0.0/16"):
        assert ("65517:65517" in communities(run.learned("nva/rs"), prefix)) is (setting == "everything")
    for prefix in ("192.168.1.0/24", "192.168.2.0/24"):
        assert "65517:65517" in communities(run.learned("nva/rs"), prefix)


@pytest.mark.rules("R127")
@pytest.mark.parametrize("setting", ["false", "true"])
def test_whether_nvas_are_told_gateways_routes_without_branch_to_branch(setting: str) -> None:
    """D26. Gateways are told nothing of NVAs or of each other in any case."""
    run = settled(text(f"gateway_routes_without_branch_to_branch: {setting}", OFF))
    of_gateways = {"192.168.1.0/24 65515 12076 65010", "192.168.2.0/24 65515 65020"}
    assert (of_gateways <= learned(run, "nva/rs")) is (setting == "true")
    assert (of_gateways & learned(run, "nva/rs") != set()) is (setting == "true")
    assert not any(each.startswith(("172.16.", "192.168.2.")) for each in told(run, "rs/er"))


TURN_OFF: dict[str, object] = {"route_servers": {"rs": {"branch_to_branch": False}}}


@pytest.mark.rules("R127")
@pytest.mark.parametrize("setting", ["withdraws", "keeps"])
def test_what_turning_branch_to_branch_off_does_to_what_was_told(setting: str) -> None:
    """D28: it is withdrawn, or stays until the session ends. What is new is told in no case."""
    run = settled(text(f"branch_to_branch_off: {setting}"))
    run.change(TURN_OFF)
    run.settle(600)
    kept = setting == "keeps"
    assert ("192.168.1.0/24 65515 12076 65010" in learned(run, "nva/rs")) is kept
    assert ("172.16.0.0/16 65001" in learned(run, "er/rs")) is kept
    assert ("192.168.2.0/24 65020" in learned(run, "er/rs")) is kept
    run.announce("dc", ["192.168.77.0/24"])
    run.settle(600)
    assert not any(each.startswith("192.168.77.") for each in learned(run, "nva/rs"))
    assert row(run, "vm", "192.168.77.0/24") != []
    run.fail("nva/rs#0")
    run.settle(600)
    run.restore("nva/rs#0")
    run.settle(600)
    assert not any(each.startswith("192.168.") for each in learned(run, "nva/rs#0")), "the session began anew"
    assert any(each.startswith("192.168.") for each in learned(run, "nva/rs#1")) is kept


@pytest.mark.rules("R127")
def test_what_was_kept_is_told_as_ever_once_branch_to_branch_is_on_again() -> None:
    run = settled(text("branch_to_branch_off: keeps"))
    run.change(TURN_OFF)
    run.settle(600)
    run.change({"route_servers": {"rs": {"branch_to_branch": True}}})
    run.settle(600)
    fresh = settled(text("branch_to_branch_off: keeps"))
    for session in ("nva/rs", "nva2/rs", "er/rs", "vpn/rs"):
        assert learned(run, session) == learned(fresh, session)
    assert best(run, "rs#0", "192.168.1.0/24") == best(fresh, "rs#0", "192.168.1.0/24")


@pytest.mark.rules("R75")
@pytest.mark.parametrize("setting", ["refused", "accepted"])
def test_a_session_without_hold_timer(setting: str) -> None:
    """D29: refused with Unacceptable Hold Time (RFC 4271 section 6.2), or agreed to: then a silent NVA is never missed."""
    run = settled(text(f"hold_time_zero: {setting}", ("asn: 65001,", "asn: 65001, timers: {hold_s: 0},")))
    views = run.sessions("rs/nva")
    assert ({view.state for view in views} == {"Established"}) is (setting == "accepted")
    if setting == "refused":
        assert all("hold time" in view.last_error.lower() for view in views)
        return
    run.fail("nva", how="silent")
    run.wait(3600)
    assert row(run, "vm", "172.16.0.0/16") == [BOTH_NVAS]


@pytest.mark.rules("R75")
@pytest.mark.parametrize("hold_s", [1, 2, 2.5])
def test_hold_times_between_0_and_3_s_are_no_proposals(hold_s: float) -> None:
    """RFC 4271 section 4.2."""
    with pytest.raises(dualhome.TopologyError, match="0 for none, or 3 to 65535 seconds"):
        dualhome.parse(text("", ("asn: 65001,", f"asn: 65001, timers: {{hold_s: {hold_s}}},")))
