"""Findings beyond the list, and what is no finding."""

from __future__ import annotations

from pathlib import Path

import pytest
from networks import hub

import dualhome
from dualhome.app.checking import examine, repair

DESIGNS = Path(__file__).parent / "designs"
NVAS, SERVERS, PEERINGS = "network_virtual_appliances", "route_servers", "peerings"


def codes(check, patch) -> set[tuple[str, str]]:
    return {(f.code, f.on) for f in check(hub(patch))}


@pytest.mark.rules("R75")
def test_a_hold_time_that_is_refused(check) -> None:
    short = {NVAS: {"nva1": {"timers": {"hold_s": 0}}}}
    assert ("L-101", "nva1") in codes(check, short)
    assert "L-101" not in {code for code, _ in codes(check, {**short, "quirks": {"hold_time_zero": "accepted"}})}
    assert not {c for c, _ in codes(check, {NVAS: {"nva1": {"timers": {"keepalive_s": 1, "hold_s": 3}}}})}


@pytest.mark.rules("R44", "R80")
def test_a_peer_out_of_reach(check) -> None:
    apart = {"peerings": {"hub<->far": None}, SERVERS: {"rs": {"peers": ["nva1", "nva2", "nva9"]}}}
    assert ("L-102", "nva9") in codes(check, apart)
    beside = {SERVERS: {"rs": {"peers": ["nva1", "nva2", "nva9"]}}}
    assert "L-102" not in {code for code, _ in codes(check, beside)}


@pytest.mark.rules("R20")
def test_a_peering_without_its_mirror(check) -> None:
    assert ("L-103", "hub->far") in codes(check, {PEERINGS: {"far->hub": None}})


@pytest.mark.rules("R90")
def test_more_machines_than_two_units_serve(check) -> None:
    quirks = {"quirks": {"virtual_machines_at_two_units": 1000}, "virtual_networks": {"spoke": {"subnets": {"many": "10.1.8.0/21"}}}}
    machines = {f"m{i}": {"subnet": "spoke/many"} for i in range(998)}
    assert ("L-104", "rs") in codes(check, {**quirks, "virtual_machines": machines})
    assert codes(check, {**quirks, "virtual_machines": {name: machines[name] for name in list(machines)[:990]}}) == set()


@pytest.mark.rules("R28")
def test_more_virtual_networks_than_a_route_server_supports(check) -> None:
    spokes = {f"s{i}": {"address_space": [f"10.{16 + i // 256}.{i % 256}.0/24"]} for i in range(498)}
    peerings = {f"hub<->{name}": {} for name in spokes}
    assert "L-105" not in {
        code for code, _ in codes(check, {"virtual_networks": dict([*spokes.items()][:497]), PEERINGS: dict([*peerings.items()][:497])})
    }
    assert ("L-105", "rs") in codes(check, {"virtual_networks": spokes, PEERINGS: peerings})


@pytest.mark.rules("R28", "R53")
def test_more_peerings_and_routes_than_azure_takes(check) -> None:
    spokes = {f"s{i}": {"address_space": [f"10.{16 + i // 256}.{i % 256}.0/24"]} for i in range(499)}
    assert ("L-108", "hub") in codes(check, {"virtual_networks": spokes, PEERINGS: {f"hub<->{name}": {} for name in spokes}})
    routes = [{"prefix": f"203.{i // 256}.{i % 256}.0/24", "next_hop_type": "None"} for i in range(401)]
    assert ("L-109", "many") in codes(check, {"route_tables": {"many": {"routes": routes}}})
    assert codes(check, {"route_tables": {"many": {"routes": routes[:400]}}}) == set()


@pytest.mark.rules("R90")
def test_further_units_serve_more_machines(check) -> None:
    quirks = {"quirks": {"virtual_machines_at_two_units": 1000}, "virtual_networks": {"spoke": {"subnets": {"many": "10.1.8.0/21"}}}}
    machines = {f"m{i}": {"subnet": "spoke/many"} for i in range(998)}
    assert codes(check, {**quirks, "virtual_machines": machines, SERVERS: {"rs": {"routing_infrastructure_units": 3}}}) == set()


def test_more_prefixes_than_a_route_server_holds(check, monkeypatch: pytest.MonkeyPatch) -> None:
    """L-106, with a limit that a small network can pass."""
    assert codes(check, {}) == set()
    monkeypatch.setattr("dualhome.check.beyond.PREFIXES", 1)
    assert ("L-106", "rs") in codes(check, {})


@pytest.mark.rules("R141")
def test_more_prefixes_than_a_circuit_takes(check) -> None:
    assert ("L-107", "dc") in codes(
        check, {"expressroute_circuits": {"circuit": {"max_prefixes": 1}}, "on_premises": {"dc": {"originates": ["192.168.0.0/24"]}}}
    )


def test_a_load_balancer_is_no_detour_where_both_directions_are_hashed_alike(check) -> None:
    """L-028 is silent with flow_hash symmetric: answers come by the firewall that saw the beginning."""
    both = {NVAS: {name: {"stateful": True, "originates": ["172.18.0.0/16"], "hosts": None} for name in ("nva1", "nva2")}}
    assert {"L-028"} == {code for code, _ in codes(check, both)}
    assert codes(check, {**both, "flow_hash": "symmetric"}) == set()


def test_a_prepend_that_nobody_beyond_shall_see_is_not_in_vain(check) -> None:
    prepend = {"prepend": {"rs": 2}}
    assert ("L-030", "nva1") in codes(check, {NVAS: {"nva1": prepend}})
    assert codes(check, {NVAS: {"nva1": {**prepend, "communities": {"rs": ["no-advertise"]}}}}) == set()
    by_rule = {"export": {"rs": [{"actions": {"as_path": {"add": [65001, 65001]}}}]}}
    assert ("L-030", "nva1") in codes(check, {NVAS: {"nva1": by_rule}})


def test_the_hub_of_an_nva_expects_no_routes_of_its_spokes_route_server(check) -> None:
    """L-010 is about spokes: here hub's machines stand beside the NVA, and the route server is in the far network, its spoke."""
    patch = {
        SERVERS: {"rs": None, "far-rs": {"virtual_network": "far", "peers": ["nva1"]}},
        "virtual_machines": {"hub-vm": {"subnet": "hub/edge"}},
        "virtual_network_gateways": {"vpn": None, "er": None},
        "vpn_connections": None,
        "expressroute_circuits": None,
        "on_premises": None,
        PEERINGS: {"spoke->hub": {"use_remote_gateways": False}},
        "virtual_networks": {"far": {"region": "west"}},
    }
    assert "L-010" not in {code for code, _ in codes(check, patch)}


MIXED = """\
version: 1
name: mixed            # four mistakes
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/27, nva: 10.0.1.0/24}}
  spoke: {address_space: [10.1.0.0/16], subnets: {vm: 10.1.1.0/24}}
peerings:
  - {between: [hub, spoke]}
route_servers: {rs: {virtual_network: hub, peers: [nva]}}
network_virtual_appliances:
  nva: {subnet: hub/nva, asn: 65001, originates: [0.0.0.0/0]}    # last
virtual_machines: {vm: {subnet: spoke/vm}}
"""


def test_remedies_go_on_until_nothing_is_left() -> None:
    """The transit pair comes first, and only then it shows that the spoke drops what is forwarded to it."""
    done = repair(MIXED, "mixed.yaml")
    assert {f.code for f in done.before.findings} >= {"L-010", "L-011", "L-018", "L-041"}
    assert done.after.findings == ()
    assert "# four mistakes" in done.after.text
    assert "# last" in done.after.text


def test_a_remedy_that_makes_it_worse_is_not_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the text can't be changed, or what comes out is refused, the file stays."""
    text = MIXED.replace("nva: {subnet: hub/nva, asn", "nva: &nva {subnet: hub/nva, asn")
    after = repair(text, "mixed.yaml").after
    assert {f.code for f in after.findings} == {"L-041"}
    assert "&nva {subnet: hub/nva, asn: 65001, originates: [0.0.0.0/0]}" in after.text


def test_a_fault_without_code_keeps_every_remedy_away() -> None:
    done = repair(MIXED + "nonsense: 1\n", "mixed.yaml")
    assert done.done == ()
    assert len(done.after.faults) == 1


def test_what_azure_refuses_is_told_at_its_place() -> None:
    text = MIXED.replace("{between: [hub, spoke]}", "{between: [hub, spoke], hub->spoke: {use_remote_gateways: true}}")
    verdict = examine(text, "mixed.yaml")
    assert [(f.code, f.on, f.line) for f in verdict.findings] == [("L-007", "hub->spoke", 7), ("L-008", "hub->spoke", 7)]


def test_what_a_scenario_expects_before_anything_happens_is_an_expectation() -> None:
    """L-020 without intents: the path is asked for by the scenario, in the network as the file describes it."""
    file = DESIGNS / "L-020.yaml"
    text = file.read_text("utf-8").partition("intents:")[0]
    expect = "scenario:\n  - settle: {within_s: 60}\n"
    path = "  - expect: {path: [{from: vm1, to: vm2, via: [nva]}]}\n"
    assert [(f.code, f.line) for f in examine(text + expect + path, "x.yaml").findings] == [("L-020", text.count("\n") + 3)]
    assert examine(text + expect + "  - fail: nva\n" + path, "x.yaml").findings == ()


@pytest.mark.rules("R81")
def test_an_nva_that_does_not_import_the_route_servers_range_needs_no_route_to_it(check) -> None:
    without = {"route_server_route": False}
    assert ("L-014", "nva1") in codes(check, {NVAS: {"nva1": without}})
    refusing = {"import": {"rs": [{"match": {"prefix": {"equals": ["10.0.0.0/16"]}}, "actions": {"prefix": "drop"}}]}}
    assert codes(check, {NVAS: {"nva1": {**without, **refusing}}}) == set()


@pytest.mark.rules("R64", "R164")
def test_what_is_hidden_from_the_internet_alone_is_not_hidden_from_another_spoke() -> None:
    """L-028: two firewalls that translate toward the Internet announce the default; what spokes tell each other goes by either of them, too."""
    text = (Path(__file__).parents[2] / "docs/guide/firewall-one-hub.yaml").read_text("utf-8").partition("\nintents:")[0]
    assert text.count(", 10.0.0.0/8") == 2
    spokes = text.replace(", 10.0.0.0/8", "")
    assert [f.message for f in dualhome.parse(spokes).check()] == [
        "flows to 10.11.1.4/32, 10.12.1.4/32 are dropped where their answers come by another NVA: fw1, fw2 keep state side by side"
    ] * 2
    one_spoke = spokes.replace("  spoke2-vm: {subnet: spoke2/workload, address: 10.12.1.4}\n", "")
    assert dualhome.parse(one_spoke).check() == []
