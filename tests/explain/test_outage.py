"""`why … --outage`: the parts of an outage follow one another and add up to what the stream of packets measured."""

from __future__ import annotations

from typing import Any

import pytest

import dualhome
from dualhome.app import Run
from dualhome.cli.simulate import single_failures, watched_pairs
from dualhome.explain import Story
from tests.consoles import ROOT
from tests.engine.networks import run as dual
from tests.files import EXAMPLES, OURS

EXPRESSROUTE = ROOT / "examples/2-expressroute/topology.yaml"


def adds_up(run: Run, pair: tuple[str, str], told: Story) -> None:
    """The sum of the parts is the outage, to the microsecond, and none of them overlaps another."""
    assert sum(phase.took_us for phase in told.phases) == round(run.outage(*pair) * 1e6), told.lines()
    for one, next_ in zip(told.phases, told.phases[1:], strict=False):
        assert one.at_us + one.took_us == next_.at_us, told.lines()


def parts(told: Story) -> list[tuple[str, str]]:
    return [(phase.kind, phase.text) for phase in told.phases]


def outage(target: str, source: str = "spoke-vm", to: str = "dc-host", **changes: Any) -> Story:
    net = dualhome.load(EXPRESSROUTE)
    run = (dualhome.Net(net.topology.changed(changes)) if changes else net).simulate()
    run.wait(40)
    told = run.outage_by(source, to, target)
    adds_up(run, (source, to), told)
    return told


@pytest.mark.parametrize("path", [*EXAMPLES, *OURS], ids=lambda path: path.parent.name if path.name == "topology.yaml" else path.stem)
def test_the_parts_of_every_outage_add_up(path: Any) -> None:
    """Each NVA, instance, gateway, circuit and router, each session of a few, in every way to fail, and their restoration."""
    run = dualhome.load(path).simulate()
    pairs = watched_pairs(run)
    for pair in pairs:
        run.watch(*pair)
    sessions = [f"{session.a}/{session.b}" for session in run.plan.sessions[:2]]
    for target in (*single_failures(run)[:4], *sessions):
        for how in ("crash", "silent", "forwarding"):
            run.wait(17)
            run.fail(target, how)
            run.settle()
            for pair in pairs:
                adds_up(run, pair, run.why_outage(*pair))
            run.restore()
            run.settle()
            for pair in pairs:
                adds_up(run, pair, run.why_outage(*pair))


@pytest.mark.rules("R115")
def test_a_crash_is_known_at_once() -> None:
    told = outage("hub1-nva")
    assert told.question == "Why was spoke-vm cut off from dc-host for 1.1 ms after hub1-nva failed (crash)?"
    assert told.answer == (
        "1.1 ms detection: the transport of spoke-rs#0 to hub1-nva closes, and spoke-rs#0 knows at once (R115); "
        "30 of 64 flows were lost, at hub1-nva (down)"
    )
    assert parts(told) == [
        ("detection", "the transport of spoke-rs#0 to hub1-nva closes, and spoke-rs#0 knows at once"),
        ("decision", "spoke-rs#0 decides: from spoke-vm packets to dc-host go by hub2-nva, hub2-er#1 from now on"),
        ("programming", "spoke-rs programs spoke-vm"),
    ]


@pytest.mark.rules("R75", "R115")
def test_silence_lasts_until_the_hold_timer_and_its_remedy_shortens_it() -> None:
    told = outage("hub1-nva:silent")
    assert told.phases[0].text == "spoke-rs#0 hears nothing of hub1-nva until its hold timer of 180 s runs out"
    assert 119e6 < told.phases[0].took_us < 180e6
    assert told.remedy is not None
    assert told.remedy.change is not None
    shorter = outage("hub1-nva:silent", **told.remedy.change)  # type: ignore[arg-type]
    assert shorter.phases[0].text == "spoke-rs#0 hears nothing of hub1-nva until its hold timer of 15 s runs out"
    assert shorter.phases[0].took_us < 15e6


@pytest.mark.rules("R166")
def test_news_of_a_circuit_passes_every_speaker() -> None:
    told = outage("circuit1")
    assert [(phase.kind, phase.node) for phase in told.phases] == [
        ("detection", "hub1-er#1"),
        ("withdrawal", "hub1-er#1"),
        ("withdrawal", "hub1-rs#1"),
        ("withdrawal", "hub1-nva"),
        ("decision", "spoke-rs#0"),
        ("programming", "spoke-rs"),
    ]
    assert [phase.text for phase in told.phases[1:4]] == [
        "hub1-er#1 tells hub1-rs#1",
        "hub1-rs#1 tells hub1-nva",
        "hub1-nva tells spoke-rs#0",
    ]


def test_the_other_way_round_the_last_to_decide_is_a_router() -> None:
    told = outage("hub1-nva", "dc-host", "spoke-vm")
    assert [(phase.kind, phase.node) for phase in told.phases][-1] == ("decision", "dc-r1")
    assert told.phases[0].text == "the transport of hub1-rs#1 to hub1-nva closes, and hub1-rs#1 knows at once"


def test_the_longest_part_is_the_answer() -> None:
    assert "the news passes circuit1#1, hub1-er#1, hub1-rs#1, hub1-nva and spoke-rs#0" in outage("dc-r1").answer


def test_bfd_detects() -> None:
    told = outage("hub1-nva:silent", route_servers={"spoke-rs": {"bfd": {"interval_ms": 100, "multiplier": 3}}})
    assert told.phases[0].text == "BFD of spoke-rs#1 and hub1-nva finds that nothing arrives any more"
    assert told.phases[0].took_us == 300_000


@pytest.mark.rules("R71")
def test_programming_takes_its_time() -> None:
    run = dual(route_servers={"rs": {"programming": {"delay_s": 2}}})
    run.wait(100)
    told = run.outage_by("vm", "far", "nva1")
    adds_up(run, ("vm", "far"), told)
    assert parts(told)[-1] == ("programming", "rs programs vm, which takes 2 s (delay)")
    assert told.phases[-1].rule == "R71"


@pytest.mark.rules("R71")
def test_damping_holds_the_second_change_back() -> None:
    run = dual(route_servers={"rs": {"programming": {"delay_s": 1, "damping_s": 30}}})
    run.wait(100)
    run.watch("vm", "far")
    run.fail("nva1")
    run.settle()
    run.restore("nva1")
    run.settle()
    told = run.outage_by("vm", "far", "nva1")
    adds_up(run, ("vm", "far"), told)
    assert parts(told)[-1][1].startswith("rs programs vm: it changes a prefix once in 30 s only (damping), then takes 1 s")
    assert told.remedy is not None
    assert "(L-047)" in told.remedy.text


def test_a_standby_instance_takes_its_time() -> None:
    net = dualhome.load(ROOT / "tests/cases/vpn-static-standby-forced.yaml")
    run = net.simulate()
    run.wait(10)
    told = run.outage_by("vma", "h", "ga#0")
    adds_up(run, ("vma", "h"), told)
    assert parts(told) == [("detection", "ga#1 stands in for ga#0: until then nobody does")]
    assert told.remedy is not None
    assert told.remedy.change == {"virtual_network_gateways": {"ga": {"active_active": True}}}


def test_health_probes_take_their_time() -> None:
    behind = {"ip_forwarding": True, "originates": ["172.16.4.0/24"], "hosts": {"far": "172.16.4.10"}, "next_hop": {"rs": "10.1.2.100"}}
    patch: dict[str, Any] = {
        "load_balancers": {"lb": {"subnet": "hub1/nva", "address": "10.1.2.100", "backends": ["nva1", "nva3"]}},
        "network_virtual_appliances": {"nva1": behind, "nva3": behind | {"subnet": "hub1/nva", "address": "10.1.2.5", "asn": 65003}},
        "route_servers": {"rs": {"peers": ["nva1", "nva3"]}},
    }
    run = dual(**patch)
    run.wait(100)
    told = run.outage_by("vm", "far", "nva1")
    adds_up(run, ("vm", "far"), told)
    assert parts(told) == [("detection", "the health probes of lb find that nva1 is not healthy: one every 5 s, 2 must fail")]
    assert told.remedy is not None
    assert told.remedy.change == {"load_balancers": {"lb": {"probe": {"threshold": 1}}}}
    assert run.again().why_outage_if([told.remedy.change], "vm", "far", "nva3").after.answer.startswith("it has no end")


@pytest.mark.rules("R84")
def test_one_instance_of_a_route_server_is_missed_by_nobody() -> None:
    told = outage("spoke-rs#0")
    assert told.answer == "it was not, no flow was interrupted: the other instance of spoke-rs keeps its routes (R84)"
    assert told.phases == ()
    assert outage("spoke-rs").answer.endswith("spoke-rs forwards no packets, and NICs keep what it programmed (D15)")


def test_data_alone_is_lost_and_nobody_notices() -> None:
    told = outage("hub1-nva:forwarding")
    assert told.question == "Why is spoke-vm cut off from dc-host after hub1-nva failed (forwarding)?"
    assert told.answer == (
        "it has no end: nobody notices: hub1-nva drops packets, and its BGP sessions with spoke-rs and hub1-rs stay up, for their own packets pass "
        "(R162); 30 of 64 flows are lost, at hub1-nva (down)"
    )


def test_no_other_way() -> None:
    run = dualhome.load(EXPRESSROUTE).simulate(fail=["hub2-nva"])
    told = run.outage_by("spoke-vm", "dc-host", "hub1-nva")
    assert told.answer.startswith(
        "it has no end: there is no other way: at spoke-vm packets are dropped (spoke-vm: 192.168.0.0/16 None (R45))"
    )


def test_it_was_cut_off_before() -> None:
    run = dualhome.load(ROOT / "examples/3-without-as-override/mistake.yaml").simulate()
    told = run.outage_by("spoke-vm", "dc-host", "hub1-nva")
    assert told.answer == "it was cut off before that: at spoke-vm packets are dropped (spoke-vm: 192.168.0.0/16 None (R45))"


def test_routes_that_come_back() -> None:
    run = dualhome.load(EXPRESSROUTE).simulate(fail=["hub2-nva", "hub1-nva"])
    run.watch("spoke-vm", "dc-host")
    run.restore("hub1-nva")
    run.settle()
    told = run.why_outage("spoke-vm", "dc-host")
    adds_up(run, ("spoke-vm", "dc-host"), told)
    assert told.question.endswith("after hub1-nva was restored?")
    assert "announcement" in [phase.kind for phase in told.phases]


def test_an_outage_as_data() -> None:
    told: Any = outage("hub1-nva").to_data()
    assert told["outage_s"] == pytest.approx(sum(phase["took_s"] for phase in told["phases"]))
    assert (told["flows"], told["flows_hit"], told["ended"]) == (64, 30, True)
    assert list(told["phases"][0]) == ["kind", "node", "text", "rule", "at_s", "took_s"]
