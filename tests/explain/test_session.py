"""`why` of a session: why it is up and what passes over it, why it is down and what would help."""

from __future__ import annotations

from typing import Any

import pytest

import dualhome
from dualhome.app import Run
from dualhome.errors import RequestError
from dualhome.explain import Story
from tests.consoles import ROOT
from tests.engine.networks import run as dual

EXPRESSROUTE = ROOT / "examples/2-expressroute/topology.yaml"
LIMIT = ROOT / "tests/cases/over-the-route-limit.yaml"
NVAS = "network_virtual_appliances"
BOTH = "spoke-rs#0/hub1-nva, spoke-rs#1/hub1-nva"


def network(patch: dict[str, Any] | None = None) -> Run:
    net = dualhome.load(EXPRESSROUTE)
    return (dualhome.Net(net.topology.changed(patch)) if patch else net).simulate()


def why(patch: dict[str, Any] | None = None, name: str = "spoke-rs/hub1-nva", fail: tuple[str, ...] = ()) -> Story:
    run = network(patch)
    for target in fail:
        run.fail(target)
        run.settle()
    return run.why_session(name)


@pytest.mark.rules("R75", "R78")
def test_a_session_that_is_up() -> None:
    told = why()
    assert told.question == "Why is the session spoke-rs/hub1-nva up?"
    assert told.answer == f"all of {BOTH} are Established since 0.004 s; hold time 180 s, as both propose"
    assert [(step.text, step.rule) for step in told.steps] == [
        ("its packets are carried by the peering of spoke and hub1", "R44"),
        ("hold time 180 s, as both propose", "R75"),
        ("eBGP, AS 65515 and AS 65001; both know IPv4 unicast, 4-octet AS numbers, route refresh, messages up to 65535 octets", "R78"),
        ("spoke-rs has received 1 route from hub1-nva: 1 accepted, 0 rejected; it advertises 1 route", ""),
    ]
    assert told.refusals == ()


def test_a_session_that_is_up_as_data() -> None:
    sides: Any = why().to_data()["sessions"]
    assert [side["speaker"] for side in sides] == ["spoke-rs#0", "spoke-rs#1"]
    assert sides[0] | {"since_s": 0} == {
        "speaker": "spoke-rs#0",
        "peer": "hub1-nva",
        "state": "Established",
        "since_s": 0,
        "hold_time_s": 180,
        "last_error": "",
        "carrier": "network",
        "received": 1,
        "accepted": 1,
        "rejected": 0,
        "advertised": 1,
        "kind": "route server",
    }


@pytest.mark.rules("R75")
def test_who_proposed_the_hold_time() -> None:
    told = why({NVAS: {"hub1-nva": {"timers": {"keepalive_s": 5, "hold_s": 15}}}})
    assert "hold time 15 s, which hub1-nva proposes; spoke-rs would have 180 s, and the lower one counts" in [s.text for s in told.steps]


def test_refused_routes_are_counted_with_their_reason() -> None:
    told = why({NVAS: {"hub1-nva": {"as_override": False}}})
    assert told.steps[-1].text == "spoke-rs has received 1 route from hub1-nva: 0 accepted, 1 rejected (as-loop); it advertises 1 route"
    assert told.steps[-1].rule == "R99"


@pytest.mark.rules("R128")
def test_azures_own_wiring_carries_a_gateways_session() -> None:
    told = why(name="hub1-rs/hub1-er")
    assert told.steps[0].text == "its packets are carried by Azure's own wiring"
    assert told.steps[0].rule == "R128"
    assert told.steps[2].text.startswith("iBGP, AS 65515 and AS 65515")


@pytest.mark.rules("R74")
def test_without_multihop_it_is_up_and_no_use() -> None:
    told = why({NVAS: {"hub1-nva": {"multihop": False}}})
    assert told.answer.endswith(
        "; but hub1-nva can use nothing of what spoke-rs tells it, for it has no multihop: the next hop is not beside it (R74)"
    )
    assert told.remedy is not None
    assert told.remedy.change == {NVAS: {"hub1-nva": {"multihop": True}}}


@pytest.mark.rules("R73")
def test_one_instance_alone() -> None:
    told = why({"route_servers": {"spoke-rs": {"peers": [{"name": "hub1-nva", "instances": [0]}, "hub2-nva"]}}})
    assert told.refusals[-1].text == (
        "spoke-rs#1 has no session with hub1-nva: spoke-rs names it for instance 0 alone, so machines of the other instance may lack its routes"
    )
    assert told.refusals[-1].rule == "R73"


@pytest.mark.parametrize(
    ("fail", "answer", "remedy"),
    [
        ("hub1-nva", "hub1-nva is down (crash); it ended at 0.03 s, the transport was closed (R115)", "restore hub1-nva"),
        ("hub1-nva:silent", "hub1-nva is down (silent); it ended at 180.03 s, Hold Timer Expired (4/0) (R115)", "restore hub1-nva"),
        ("hub1", "hub1-nva is down (crash); it ended at 0.03 s, the transport was closed (R115)", "restore hub1"),
        (
            "hub1-nva/spoke-rs",
            "the session itself has failed (crash); it ended at 0.03 s, administrative shutdown (R115)",
            "restore spoke-rs/hub1-nva",
        ),
        (
            "spoke<->hub1",
            "the peering of spoke and hub1 has failed; it ended at 0.03 s, the transport was closed (R44)",
            "restore spoke<->hub1",
        ),
    ],
)
def test_what_failed(fail: str, answer: str, remedy: str) -> None:
    told = why(fail=(fail,))
    assert told.question == "Why is the session spoke-rs/hub1-nva down?"
    assert told.answer == f"{BOTH} are Idle: {answer}"
    assert told.remedy is not None
    assert told.remedy.text == remedy


def test_a_session_that_is_up_again_says_how_it_ended_before() -> None:
    run = network()
    run.fail("hub1-nva")
    run.settle()
    run.restore()
    run.settle()
    told = run.why_session("spoke-rs/hub1-nva")
    assert told.question.endswith(" up?")
    assert told.steps[-1].text == "it ended once before, last at 0.03 s: the transport was closed"


def test_down_in_part() -> None:
    told = why(fail=("spoke-rs#0",))
    assert told.question == "Why is the session spoke-rs/hub1-nva down in part?"
    assert told.answer == "spoke-rs#0/hub1-nva is Idle: spoke-rs#0 is down (crash) (R115); spoke-rs#1/hub1-nva is up"


@pytest.mark.rules("R20", "R44")
def test_no_peering_carries_it() -> None:
    told = why({"peerings": {"spoke<->hub1": None}})
    assert told.answer.endswith(": spoke and hub1 are not peered; a session between virtual networks needs a direct peering (R44)")
    assert told.remedy is not None
    assert told.remedy.change == {"peerings": {"spoke<->hub1": {}}}
    told = why({"peerings": {"spoke->hub1": None}})
    assert told.refusals[0].text.endswith(
        "only hub1->spoke is there of their peering, which stays Initiated; a session between virtual networks needs a direct peering"
    )
    assert told.refusals[0].rule == "R20"


def test_the_remedies_of_a_peering_bring_it_up() -> None:
    run = network({"peerings": {"spoke<->hub1": None}})
    remedy = run.why_session("spoke-rs/hub1-nva").remedy
    assert remedy is not None
    assert remedy.change is not None
    assert set(run.what_if(remedy.change).session_states("spoke-rs/hub1-nva").values()) == {"Established"}


def test_a_security_group_keeps_it_down() -> None:
    shut = {"rules": [{"name": way, "priority": 100, "direction": way, "access": "Deny"} for way in ("Inbound", "Outbound")]}
    group = {
        "virtual_networks": {"hub1": {"subnets": {"nva": {"network_security_group": "shut"}}}},
        "network_security_groups": {"shut": shut},
    }
    told = why(group)
    assert "dropped at hub1-nva: shut of hub1/nva: Inbound (100) denies Tcp/179 from 10.10.0.4 (R77)" in told.answer
    assert told.remedy is not None
    assert told.remedy.text.startswith("allow TCP port 179 from spoke-rs#0 to hub1-nva")


@pytest.mark.rules("R87")
def test_too_many_routes() -> None:
    run = dualhome.load(LIMIT).simulate()
    run.announce("nva", ["192.168.3.0/24"])
    run.settle()
    told = run.why_session("rs/nva")
    assert told.answer == (
        "rs#0/nva, rs#1/nva are Idle: nva announces more than the 3 routes that rs takes of a peer, and rs ends the session each time (R87)"
    )


def test_a_speaker_outside_the_file() -> None:
    peers = ["hub1-nva", "hub2-nva", {"name": "far", "address": "10.1.2.9", "asn": 65009}]
    told = why({"route_servers": {"spoke-rs": {"peers": peers}}}, "spoke-rs/far")
    assert told.answer.endswith("far is a speaker outside the file, so nothing carries the session in a simulation (R76)")


def test_a_standby_instance() -> None:
    net = dualhome.load(ROOT / "examples/5-vpn/topology.yaml")
    patch = {"virtual_network_gateways": {"hub1-vpn": {"active_active": False}}}
    told = dualhome.Net(net.topology.changed(patch)).simulate().why_session("hub1-vpn#1/dc-r1")
    assert told.answer.endswith("hub1-vpn#1 stands by: hub1-vpn is not active-active, and hub1-vpn#0 works (R51)")
    assert told.remedy is not None
    assert told.remedy.change == {"virtual_network_gateways": {"hub1-vpn": {"active_active": True}}}


@pytest.mark.rules("R76", "R83", "R128")
@pytest.mark.parametrize(
    ("name", "reason", "rule"),
    [
        ("hub1-rs/hub2-nva", "hub1-rs does not know hub2-nva: a route server refuses whom it has no peer for", "R76"),
        (
            "spoke-rs/hub1-rs",
            "route servers never speak with one another: between two virtual networks only an NVA passes routes on",
            "R83",
        ),
        (
            "spoke-rs/hub1-er",
            "spoke-rs and hub1-er stand in different virtual networks: a route server speaks with its own network's gateways only",
            "R128",
        ),
        ("spoke-rs/spoke-vm", "spoke-vm speaks no BGP: only NVAs, routers, route servers, gateways and circuits do", ""),
        ("hub1-nva/dc-host", "dc-host speaks no BGP: only NVAs, routers, route servers, gateways and circuits do", ""),
        ("hub1-nva/dc-r1", "nothing in the file joins hub1-nva and dc-r1 by BGP", ""),
    ],
)
def test_no_such_session(name: str, reason: str, rule: str) -> None:
    told = why(name=name)
    assert told.question == f"Why is there no session {name}?"
    assert told.answer == f"{name} does not exist: {reason}" + (f" ({rule})" if rule else "")


def test_an_nva_without_asn() -> None:
    net = dualhome.load(ROOT / "tests/cases/route-maps-and-fastpath.yaml")
    patch = {NVAS: {"quiet": {"subnet": "hub/vm"}}}
    subnet = next(iter(net.network.virtual_networks.values()))
    patch[NVAS]["quiet"]["subnet"] = next(s.key for s in subnet.subnets.values() if "Subnet" not in s.name)
    told = dualhome.Net(net.topology.changed(patch)).simulate().why_session("rs/quiet")
    assert told.answer == "rs/quiet does not exist: quiet has no ASN, so it speaks no BGP (R79)"


def test_either_end_may_be_named_first() -> None:
    assert why(name="hub1-nva/spoke-rs").answer.startswith("all of hub1-nva/spoke-rs#0, hub1-nva/spoke-rs#1 are Established")
    assert why(name="spoke-rs<->hub1-nva").answer.startswith(f"all of {BOTH} are Established")
    assert why(name="spoke-rs#1/hub1-nva").answer.startswith("spoke-rs#1/hub1-nva is Established")


def test_questions_that_name_nothing() -> None:
    with pytest.raises(RequestError, match="nothing here is named 'hub9-nva'"):
        why(name="spoke-rs/hub9-nva")
    with pytest.raises(RequestError, match="names no session"):
        why(name="10.0.0.0/8")


@pytest.mark.rules("R81")
def test_a_session_that_comes_and_goes() -> None:
    """The remedy of the answer ends it."""
    run = dual(network_virtual_appliances={"nva1": {"route_server_route": False, "subnet": "spoke/work", "address": "10.10.1.9"}})
    text = "it comes and goes: nva1 learns the range that rs stands in from rs itself, and then looks for it behind itself (R81)"
    told = run.why_session("rs/nva1")
    assert text in told.answer
    run.wait(100)
    assert text in run.why_session("rs/nva1").answer
    assert told.remedy is not None
    assert told.remedy.change is not None
    other = run.what_if(told.remedy.change)
    other.wait(400)
    assert set(other.session_states("rs/nva1").values()) == {"Established"}


def test_a_session_that_is_up_and_will_end() -> None:
    run = dual()
    run.fail("nva1", "silent")
    told = run.why_session("rs/nva1")
    assert told.question == "Why is the session rs/nva1 up?"
    assert told.answer.endswith("; but its packets do not arrive any more, and its hold timer will end it: nva1 is down (silent) (R115)")
