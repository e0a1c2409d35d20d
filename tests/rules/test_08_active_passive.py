"""Group 8: active and passive by prepending, with either technique; the way back with and without the gateway subnets' route tables."""

from __future__ import annotations

from typing import Any

import pytest

import dualhome
from dualhome.app import Run
from tests.consoles import ROOT
from tests.rules.asking import learned, row, ways

FILE = ROOT / "examples/2-expressroute/topology.yaml"
BY_HUB1 = ["192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4"]
BY_HUB2 = ["192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.2.2.4"]
BY_BOTH = ["192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4 10.2.2.4"]


def network(one: dict[str, Any], two: dict[str, Any], *changes: dict[str, Any]) -> Run:
    """The article's second diagram; what NVA 1 and NVA 2 have of their own."""
    run = dualhome.load(FILE).simulate()
    for change in ({"network_virtual_appliances": {"hub1-nva": one, "hub2-nva": two}}, *changes):
        run.change(change)
    run.settle(300)
    return run


OVERRIDE: dict[str, Any] = {"as_override": True}
STRIP: dict[str, Any] = {"as_override": None, "as_strip": True}
PREPEND: dict[str, Any] = {"prepend": {"spoke-rs": 2}}


@pytest.mark.rules("R101", "R106", "R163")
@pytest.mark.parametrize(
    ("technique", "first", "second"),
    [
        (OVERRIDE, "65001 65001 12076 65010", "65002 65002 65002 65002 12076 65010"),
        (STRIP, "65001 12076 65010", "65002 65002 65002 12076 65010"),
    ],
    ids=["as-override", "as-strip"],
)
def test_two_copies_more_make_an_nva_passive(technique: dict[str, Any], first: str, second: str) -> None:
    """Equal paths share the load; the longer one waits, and takes over."""
    run = network(technique, technique)
    assert row(run, "spoke-vm", "192.168.0.0/16") == BY_BOTH
    run.change({"network_virtual_appliances": {"hub2-nva": PREPEND}})
    run.settle(60)
    assert learned(run, "spoke-rs/hub1-nva") == {f"192.168.0.0/16 {first}"}
    assert learned(run, "spoke-rs/hub2-nva") == {f"192.168.0.0/16 {second}"}
    assert row(run, "spoke-vm", "192.168.0.0/16") == BY_HUB1
    run.fail("hub1-nva")
    run.settle(60)
    assert row(run, "spoke-vm", "192.168.0.0/16") == BY_HUB2
    run.restore("hub1-nva")
    run.settle(150)
    assert row(run, "spoke-vm", "192.168.0.0/16") == BY_HUB1, "it goes back"


@pytest.mark.rules("R101")
def test_mixed_techniques_make_one_passive_without_a_word() -> None:
    run = network(OVERRIDE, STRIP)
    assert row(run, "spoke-vm", "192.168.0.0/16") == BY_HUB2
    assert {finding.code for finding in run.check()} >= {"L-029"}


# --- the way back -----------------------------------------------------------------------------------------------------------

NO_TABLES: dict[str, Any] = {
    "virtual_networks": {hub: {"subnets": {"GatewaySubnet": {"route_table": None}}} for hub in ("hub1", "hub2")},
}
AT_R2: dict[str, Any] = {"on_premises": {"dc-r1": {"hosts": None}, "dc-r2": {"hosts": {"dc-host": "192.168.1.10"}}}}
PREFERS_HUB1: dict[str, Any] = {"on_premises": {"dc-r1": {"import": {"circuit1": [{"actions": {"local_preference": 200}}]}}}}


def crossed(run: Run, source: str, destination: str) -> set[tuple[str, ...]]:
    """NVAs on the ways."""
    return {tuple(hop for hop in way.split(" > ") if hop.endswith("-nva")) for way in ways(run, source, destination)}


@pytest.mark.rules("R163", "R167", "R169")
def test_with_the_gateway_subnets_route_tables_both_directions_cross_the_active_nva() -> None:
    run = network(OVERRIDE, {**OVERRIDE, **PREPEND})
    assert crossed(run, "spoke-vm", "dc-host") == crossed(run, "dc-host", "spoke-vm") == {("hub1-nva",)}
    assert [finding for finding in run.check() if finding.code == "L-027"] == []


@pytest.mark.rules("R24", "R169")
def test_without_them_packets_from_on_premises_go_past_it() -> None:
    """GatewaySubnet's peering route beats the NVA's of BGP; answers cross the NVA, which as a stateful one drops them."""
    run = network(OVERRIDE, {**OVERRIDE, **PREPEND}, NO_TABLES)
    assert crossed(run, "spoke-vm", "dc-host") == {("hub1-nva",)}
    assert crossed(run, "dc-host", "spoke-vm") == {()}
    assert ways(run, "dc-host", "spoke-vm") == {"dc-r1 > circuit1 > hub1-er > spoke-vm"}
    found = [finding for finding in run.check() if finding.code == "L-027"]
    assert {(each.on, each.rule) for each in found} == {("hub1-er", "R169"), ("hub2-er", "R169")}
    assert "past hub1-nva, which their answers cross" in found[0].message
    run.change({"network_virtual_appliances": {"hub1-nva": {"stateful": True}}})
    assert {path.because for path, _ in run.trace("dc-host", "spoke-vm")} == {"no-state"}


@pytest.mark.rules("R164")
def test_on_premises_chooses_its_own_way_back_unless_it_prefers_the_same_hub() -> None:
    """Paths toward on-premises are equally long, whatever the NVAs prepend (R134): the host behind the passive hub's circuit goes by that one."""
    run = network(OVERRIDE, {**OVERRIDE, **PREPEND}, AT_R2)
    assert crossed(run, "spoke-vm", "dc-host") == {("hub1-nva",)}
    assert crossed(run, "dc-host", "spoke-vm") == {("hub2-nva",)}
    run.change(PREFERS_HUB1)
    run.settle(60)
    assert crossed(run, "dc-host", "spoke-vm") == {("hub1-nva",)}


@pytest.mark.rules("R134", "R164")
def test_prepending_toward_the_passive_hubs_route_server_is_not_seen_on_premises() -> None:
    run = network(OVERRIDE, {**OVERRIDE, "prepend": {"spoke-rs": 2, "hub2-rs": 2}}, AT_R2)
    assert learned(run, "hub2-rs/hub2-nva") == {"10.10.0.0/16 65002 65002 65002 65002"}
    assert "10.10.0.0/16 12076" in learned(run, "dc-r2/circuit2")
    assert crossed(run, "dc-host", "spoke-vm") == {("hub2-nva",)}


@pytest.mark.rules("R64", "R164")
def test_active_active_and_stateful_loses_what_comes_back_through_the_other_hub_unless_nvas_translate() -> None:
    stateful: dict[str, Any] = {**OVERRIDE, "stateful": True}
    run = network(stateful, stateful)
    assert fates(run) == {("hub1-nva",): None, ("hub2-nva",): "no-state"}
    translates: dict[str, Any] = {name: {"translates": ["192.168.0.0/16"]} for name in ("hub1-nva", "hub2-nva")}
    run.change({"network_virtual_appliances": translates})
    run.settle(60)
    assert fates(run) == {("hub1-nva",): None, ("hub2-nva",): None}


def fates(run: Run) -> dict[tuple[str, ...], str | None]:
    """By the NVAs of the way out, why a flow from the spoke fails; None where it is answered."""
    return {tuple(hop.name for hop in path.hops if hop.kind == "nva"): path.because for path, _ in run.trace("spoke-vm", "dc-host")}
