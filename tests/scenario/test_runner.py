"""Steps, and what each kind of expectation makes of what is found. Messages are shown whole: they are what users read."""

from __future__ import annotations

import pytest

from dualhome.errors import RequestError, TopologyError
from dualhome.scenario import CheckResult
from tests.scenario.fakes import FakeRun, effective, finding, play, route, session

BOTH = [
    session("hub1-nva", "spoke-rs#0"),
    session("hub1-nva", "spoke-rs#1"),
    session("spoke-rs#0", "hub1-nva"),
    session("spoke-rs#1", "hub1-nva"),
]


def only(results: list[CheckResult]) -> CheckResult:
    assert len(results) == 1
    return results[0]


def test_events_are_done_in_order_and_outages_watched_from_the_start() -> None:
    fake = FakeRun(gaps={("spoke-vm", "internet"): 1.0})
    play(
        """
- fail: {node: hub1-nva, how: silent}
- wait_s: 5
- announce: {node: hub1-nva, prefixes: [192.168.77.0/24]}
- withdraw: {node: hub1-nva, prefixes: [192.168.77.0/24]}
- change: {network_virtual_appliances: {hub2-nva: {prepend: {spoke-rs: 2}}}}
- restore: all
- expect: {outage: [{from: spoke-vm, to: internet, at_most_s: 1}]}
""",
        fake,
    )
    assert fake.done == [
        ("watch", "spoke-vm", "internet"),
        ("fail", {"node": "hub1-nva", "how": "silent"}),
        ("wait", 5.0),
        ("announce", "hub1-nva", "192.168.77.0/24"),
        ("withdraw", "hub1-nva", "192.168.77.0/24"),
        ("change", ("network_virtual_appliances",)),
        ("restore", "all"),
    ]


def test_settling_is_a_check_and_the_scenario_goes_on_after_a_failed_one() -> None:
    results = play("- settle: {within_s: 10}\n- settle: {within_s: 20}", FakeRun(settles_in=None))
    assert [r.message for r in results] == [
        "fake.yaml:17: settle: not settled within 10 s: hub1-nva/spoke-rs#0 is flapping",
        "fake.yaml:18: settle: not settled within 20 s: hub1-nva/spoke-rs#0 is flapping",
    ]
    assert only(play("- settle: {within_s: 10}", FakeRun())).ok


def test_a_session_without_instances_means_all_of_them() -> None:
    up = "- expect: {sessions: {hub1-nva/spoke-rs: Established}}"
    assert only(play(up, FakeRun(views=BOTH))).ok
    half = [session("hub1-nva", "spoke-rs#0"), session("hub1-nva", "spoke-rs#1", "Active", "hold timer expired")]
    failed = only(play(up, FakeRun(views=half)))
    assert failed.message == (
        "fake.yaml:17: session hub1-nva/spoke-rs: expected Established; found hub1-nva/spoke-rs#1 is Active (hold timer expired)"
    )
    assert failed.found == {"hub1-nva/spoke-rs#0": "Established", "hub1-nva/spoke-rs#1": "Active"}
    assert only(play("- expect: {sessions: {hub1-nva/spoke-rs#0: Established}}", FakeRun(views=half))).ok


def test_down_is_any_state_but_established() -> None:
    down = "- expect: {sessions: {hub1-nva/spoke-rs: Down}}"
    assert only(play(down, FakeRun(views=[session("hub1-nva", "spoke-rs#0", "Active"), session("hub1-nva", "spoke-rs#1", "Idle")]))).ok
    assert not only(play(down, FakeRun(views=BOTH))).ok
    assert not only(play(down, FakeRun())).ok


def test_each_instance_must_have_what_is_expected() -> None:
    step = "- expect: {learned_routes: {spoke-rs/hub1-nva: [{prefix: 0.0.0.0/0, next_hop: hub1-nva, as_path: 65001}]}}"
    there = {"spoke-rs#0/hub1-nva": [route("0.0.0.0/0")], "spoke-rs#1/hub1-nva": [route("0.0.0.0/0")]}
    assert only(play(step, FakeRun(views=BOTH, routes=there))).ok
    longer = there | {"spoke-rs#1/hub1-nva": [route("0.0.0.0/0", as_path="65001 65001")]}
    assert only(play(step, FakeRun(views=BOTH, routes=longer))).message == (
        "fake.yaml:17: learned by spoke-rs/hub1-nva 0.0.0.0/0: expected 0.0.0.0/0, next_hop hub1-nva, as_path 65001; "
        "found 0.0.0.0/0, as_path 65001 65001 at spoke-rs#1/hub1-nva"
    )
    missing = only(play(step, FakeRun(views=BOTH, routes={"spoke-rs#0/hub1-nva": [route("0.0.0.0/0")]})))
    assert missing.message.endswith("found no such route at spoke-rs#1/hub1-nva, the table is empty")


def test_an_absent_route_is_absent_everywhere() -> None:
    step = "- expect: {effective_routes: {spoke-vm: [{prefix: 10.99.0.0/16, absent: true}]}}"
    assert only(play(step, FakeRun(routes={"spoke-vm": []}))).ok
    failed = only(play(step, FakeRun(routes={"spoke-vm": [effective("10.99.0.0/16", "10.1.2.4")]})))
    assert failed.message == (
        "fake.yaml:17: effective route of spoke-vm 10.99.0.0/16: expected none; found 10.99.0.0/16, source VirtualNetworkGateway, "
        "state Active, next_hop_type VirtualNetworkGateway, next_hops [10.1.2.4]"
    )


def test_exactly_allows_nothing_else() -> None:
    step = "- expect: {effective_routes: {spoke-vm: {exactly: [{prefix: 0.0.0.0/0, next_hops: [hub1-nva, hub2-nva]}]}}}"
    default = effective("0.0.0.0/0", "10.1.2.4", "10.2.2.4")
    assert [r.ok for r in play(step, FakeRun(routes={"spoke-vm": [default]}))] == [True, True]
    results = play(step, FakeRun(routes={"spoke-vm": [default, effective("10.0.0.0/8", "10.1.2.4")]}))
    assert [r.ok for r in results] == [True, False]
    assert "nothing else: expected nothing else; found 10.0.0.0/8" in results[1].message
    nothing = "- expect: {learned_routes: {spoke-rs/hub1-nva: {exactly: []}}}"
    assert only(play(nothing, FakeRun(views=BOTH))).ok


def test_a_missing_route_is_told_with_what_covers_it() -> None:
    step = "- expect: {effective_routes: {spoke-vm: [{prefix: 192.168.0.0/16}]}}"
    failed = only(play(step, FakeRun(routes={"spoke-vm": [effective("0.0.0.0/0", "10.1.2.4")]})))
    assert "found no such route, the longest that covers it is 0.0.0.0/0" in failed.message


def test_findings_by_code_and_node() -> None:
    step = "- expect: {findings: [{code: L-012, at: hub1-nva}, {code: L-013, absent: true}]}"
    assert [r.ok for r in play(step, FakeRun(found=[finding("L-012", "hub1-nva")]))] == [True, True]
    results = play(step, FakeRun(found=[finding("L-012", "hub2-nva"), finding("L-013", "hub1-nva")]))
    assert [r.message for r in results] == [
        "fake.yaml:17: finding L-012 at hub1-nva: expected L-012, at hub1-nva; found L-012, at hub2-nva",
        "fake.yaml:17: finding L-013: expected none; found L-013, severity error, at hub1-nva",
    ]
    assert only(play("- expect: {findings: {exactly: []}}", FakeRun())).ok


def test_an_outage_has_bounds() -> None:
    step = "- expect: {outage: [{from: spoke-vm, to: internet, at_most_s: 5, at_least_s: 1}]}"
    gap = ("spoke-vm", "internet")
    assert only(play(step, FakeRun(gaps={gap: 5.0}))).ok
    assert only(play(step, FakeRun(gaps={gap: 180.25}))).message == (
        "fake.yaml:17: outage spoke-vm → internet: expected at least 1 s and at most 5 s; found 180.250 s"
    )
    assert not only(play(step, FakeRun(gaps={gap: 0.5}))).ok


def test_the_items_own_evidence_goes_first() -> None:
    results = play(
        """
- expect:
    evidence: [R1, R2]
    confidence: documented
    effective_routes:
      spoke-vm:
        - {prefix: 0.0.0.0/0}
        - {prefix: 0.0.0.0/0, evidence: a lab, confidence: observed}
""",
        FakeRun(routes={"spoke-vm": [effective("0.0.0.0/0", "10.1.2.4")]}),
    )
    assert [(r.line, r.evidence, r.confidence) for r in results] == [(22, ("R1", "R2"), "documented"), (23, ("a lab",), "observed")]


def test_a_question_that_cannot_be_asked_is_a_failed_check() -> None:
    class Refusing(FakeRun):
        def outage(self, source: str, destination: str) -> float:
            raise RequestError(f"nothing is called {source}")

    failed = only(play("- expect: {outage: [{from: spoke-vm, to: internet, at_most_s: 5}]}", Refusing()))
    assert failed.message == "fake.yaml:17: outage spoke-vm → internet: nothing is called spoke-vm"


def test_an_event_that_names_nothing_is_a_fault_of_the_file() -> None:
    class Refusing(FakeRun):
        def fail(self, target: object) -> None:
            raise RequestError("no node 'hub1-nva'")

    with pytest.raises(TopologyError, match=r"fake\.yaml:17:5: fail: no node 'hub1-nva'"):
        play("- fail: hub1-nva", Refusing())
