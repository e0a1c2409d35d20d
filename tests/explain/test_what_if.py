"""What would change if: changes as one writes them, both answers, what differs; the network that is asked stays as it is."""

from __future__ import annotations

from typing import Any

import pytest

import dualhome
from dualhome.app import Run
from dualhome.errors import TopologyError
from dualhome.explain.compare import Difference
from tests.consoles import ROOT

EXPRESSROUTE = ROOT / "examples/2-expressroute/topology.yaml"
B2B = "route_servers.hub1-rs.branch_to_branch=false"


@pytest.fixture
def run() -> Run:
    return dualhome.load(EXPRESSROUTE).simulate()


@pytest.mark.parametrize(
    "change",
    [
        "network_virtual_appliances.hub2-nva.prepend={spoke-rs: 2}",
        "network_virtual_appliances.hub2-nva.prepend.spoke-rs=2",
        "{network_virtual_appliances: {hub2-nva: {prepend: {spoke-rs: 2}}}}",
        '{"network_virtual_appliances": {"hub2-nva": {"prepend": {"spoke-rs": 2}}}}',
        "{change: {network_virtual_appliances: {hub2-nva: {prepend: {spoke-rs: 2}}}}}",
        {"network_virtual_appliances": {"hub2-nva": {"prepend": {"spoke-rs": 2}}}},
    ],
)
def test_every_way_to_write_a_change(run: Run, change: Any) -> None:
    found = run.why_if([change], "spoke-vm", "dc-host")
    assert (
        found.verdict == "it would change: spoke-vm sends packets for 192.168.0.0/16 to 10.1.2.4: spoke-rs programs what hub1-nva tells it"
    )
    assert found.before.answer.startswith("spoke-vm sends packets for 192.168.0.0/16 to 10.1.2.4 and 10.2.2.4")
    assert found.differences == (
        Difference(what="route", name="192.168.0.0/16", before="10.1.2.4, 10.2.2.4 (spoke-rs)", after="10.1.2.4 (spoke-rs)"),
        Difference(
            what="path",
            name="spoke-vm → hub2-nva → hub2-er → circuit2 → dc-r2",
            before="spoke-vm → hub2-nva → hub2-er → circuit2 → dc-r2",
            after=None,
        ),
    )


def test_the_network_that_is_asked_stays(run: Run) -> None:
    before = run.effective_routes("spoke-vm"), run.now_s, len(run.journal)
    run.why_if(["fail hub1-nva"], "spoke-vm", "dc-host")
    assert (run.effective_routes("spoke-vm"), run.now_s, len(run.journal)) == before


def test_what_was_done_before_is_done_again(run: Run) -> None:
    run.fail("hub2-nva")
    run.settle()
    run.withdraw("dc-r1", ["192.168.0.0/16"])
    run.wait(3)
    other = run.again()
    assert other.now_s == run.now_s
    assert other.effective_routes("spoke-vm") == run.effective_routes("spoke-vm")
    assert other.session_states() == run.session_states()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("fail hub1-nva", {"spoke-rs#0/hub1-nva", "hub1-nva/hub1-rs#0"}),
        ("{fail: {node: hub1-nva, how: silent}}", {"spoke-rs#0/hub1-nva", "hub1-nva/hub1-rs#0"}),
        ("peerings.spoke<->hub1=", {"spoke-rs#0/hub1-nva"}),
        ("fail spoke<->hub1", {"spoke-rs#0/hub1-nva"}),
    ],
)
def test_sessions_that_would_go_down(run: Run, change: str, names: set[str]) -> None:
    found = run.why_if([change], "spoke-vm", "dc-host")
    assert names <= {each.name for each in found.differences if each.what == "session" and each.before == "Established"}


def test_announcements(run: Run) -> None:
    found = run.why_if(["announce dc-r1 192.168.77.0/24"], "spoke-vm", "192.168.77.0/24")
    assert found.before.answer.startswith("spoke-vm has no route 192.168.77.0/24: nobody announces it")
    assert found.after.answer.startswith("spoke-vm sends packets for 192.168.77.0/24 to 10.1.2.4")
    both = ["withdraw dc-r1 192.168.0.0/16", "withdraw dc-r2 192.168.0.0/16"]
    assert run.why_if(both, "spoke-vm", "192.168.0.0/16").verdict.startswith("it would change: spoke-vm has no route 192.168.0.0/16")


def test_restore(run: Run) -> None:
    run.fail("hub1-nva")
    run.settle()
    found = run.why_if(["restore hub1-nva"], "spoke-rs/hub1-nva")
    assert found.before.question == "Why is the session spoke-rs/hub1-nva down?"
    assert found.after.question == "Why is the session spoke-rs/hub1-nva up?"


def test_nothing_would_change(run: Run) -> None:
    found = run.why_if(["network_virtual_appliances.hub1-nva.stateful=true"], "spoke-vm", "dc-host")
    assert (found.verdict, found.differences) == ("nothing would change", ())


def test_another_answer_stays_while_something_else_changes(run: Run) -> None:
    found = run.why_if(["announce dc-r1 192.168.77.0/24"], "spoke-vm", "dc-host")
    assert found.verdict == "the answer stays, but something else would change"


def test_an_outage_would_be_shorter(run: Run) -> None:
    bfd = "route_servers.spoke-rs.bfd={interval_ms: 100, multiplier: 3}"
    found = run.why_outage_if([bfd], "spoke-vm", "dc-host", "hub1-nva:silent")
    assert found.verdict.startswith("it would take 0.3 s in place of 1")
    assert run.session_states("spoke-rs/hub1-nva") == {"spoke-rs#0/hub1-nva": "Established", "spoke-rs#1/hub1-nva": "Established"}


def test_of_a_net() -> None:
    net = dualhome.load(EXPRESSROUTE)
    assert [str(hop) for row in net.what_if("fail hub1-nva").effective_routes("spoke-vm") for hop in row.next_hops] == ["10.2.2.4"]
    told = net.why_outage("spoke-vm", "dc-host", "hub2-nva", "hub1-nva/hub1-rs")
    assert told.answer.startswith("it has no end: there is no other way: at spoke-vm packets are dropped")


def test_as_data(run: Run) -> None:
    found: Any = run.why_if([B2B], "spoke-vm", "dc-host").to_data()
    assert list(found) == ["if", "answer", "before", "after", "differences"]
    assert found["if"] == [B2B]
    assert found["differences"][0] == {
        "what": "route",
        "name": "192.168.0.0/16",
        "before": "10.1.2.4, 10.2.2.4 (spoke-rs)",
        "after": "10.2.2.4 (spoke-rs)",
    }


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("blah", "it is a single value, not a mapping (write section.name.key=value, a mapping"),
        ("a: b: c", "not YAML: mapping values are not allowed here"),
        ("route_servers.hub1-rs.branch_to_branch=maybe", "route server 'hub1-rs': 'branch_to_branch' is 'maybe', wanted true or false"),
        ("peerings.spoke<->hub9={}", "peering 'spoke->hub9': no virtual network 'hub9' (did you mean 'hub1'?)"),
        ("fail hub9", "no node 'hub9'"),
        ("fail hub1-nva hub2-nva", "fail names one thing (fail X; several changes are several --if)"),
        ("announce dc-r1", "announce names a router and its prefixes (announce NODE PREFIX)"),
        ("announce dc-r1 10.0.0.0/33", "no prefix: '10.0.0.0/33'"),
        ("restore hub1-nva", "'hub1-nva' has not failed"),
        ("{fail: }", "fail names nothing"),
        ("{announce: dc-r1}", "announce names a router and its prefixes"),
        ("{}", "is no change"),
        (
            "network_virtual_appliances.hub2-nva.prepend={spoke-rs:2}",
            "'spoke-rs:2' is one word to YAML ('spoke-rs: 2', with a space)",
        ),
    ],
)
def test_a_change_that_is_wrong_is_told_like_a_file(run: Run, change: str, fault: str) -> None:
    with pytest.raises(TopologyError) as raised:
        run.what_if(change)
    assert str(raised.value.faults[0]).startswith(f"--if {change!r}: {fault}")
