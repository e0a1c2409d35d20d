"""What `why` answers, on the dual-homed network at rest."""

from __future__ import annotations

import json

import pytest
from networks import dual_homed, hub
from settled import Settled

from dualhome.errors import RequestError
from dualhome.explain import Story, story

NVAS = "network_virtual_appliances"


def why(node: str, prefix: str, patch: dict | None = None, down: tuple[str, ...] = (), net=dual_homed) -> Story:
    return story(Settled(net(patch).network, down), node, prefix)


def test_the_way_from_on_premises_to_the_spoke() -> None:
    told = why("spoke-rs", "192.168.0.0/16")
    assert (
        told.answer
        == "spoke-rs#0 uses 192.168.0.0/16 from hub1-nva, AS path 65001 65001 12076 65010, next hop 10.1.2.4; dc-r1 announces it"
    )
    assert [s.text for s in told.steps if s.what in ("originated", "received")] == [
        "dc-r1 announces 192.168.0.0/16",
        "circuit1#0 learns it from dc-r1 with AS path 65010 and next hop 169.254.0.1",
        "hub1-er#0 learns it from circuit1#0 with AS path 12076 65010 and next hop 169.254.0.2",
        "hub1-rs#0 learns it from hub1-er#0 with AS path 12076 65010 and next hop 10.1.1.4",
        "hub1-nva learns it from hub1-rs#0 with AS path 65515 12076 65010 and next hop 10.1.0.4",
        "spoke-rs#0 learns it from hub1-nva with AS path 65001 65001 12076 65010 and next hop 10.1.2.4",
    ]
    override = next(s for s in told.steps if "as-override" in s.text)
    assert override.rule == "R101"
    assert (override.before["as_path"], override.after["as_path"]) == ("65515 12076 65010", "65001 12076 65010")
    assert told.steps[-2].text.startswith("spoke-rs#0 holds the one from hub2-nva as its equal")
    assert told.steps[-1].text == "spoke-rs#0 uses those of hub1-nva and hub2-nva alike, of 2"


def test_the_refusal_by_65515_and_its_remedy() -> None:
    told = why("spoke-rs", "192.168.0.0/16", {NVAS: {"hub1-nva": {"as_override": False}, "hub2-nva": {"as_override": False}}})
    assert told.answer == (
        "spoke-rs#0 has no route 192.168.0.0/16: spoke-rs#0 refused 192.168.0.0/16 from hub1-nva: "
        "AS path 65001 65515 12076 65010 holds its own ASN 65515 (R99)"
    )
    assert [s.node for s in told.refusals] == ["spoke-rs#0", "spoke-rs#0"]
    assert told.remedy is not None
    assert told.remedy.text == "let hub1-nva apply as_override toward spoke-rs"
    assert told.remedy.change == {NVAS: {"hub1-nva": {"as_override": True}}}


def test_what_one_hub_lost_is_told_while_the_other_delivers() -> None:
    told = why("spoke-rs", "192.168.0.0/16", {NVAS: {"hub1-nva": {"as_override": False}}})
    assert "from hub2-nva" in told.answer
    assert [s.rule for s in told.refusals] == ["R99"]


def test_a_loser_is_told_with_its_round() -> None:
    told = why("spoke-rs", "192.168.0.0/16", {NVAS: {"hub2-nva": {"prepend": {"spoke-rs": 2}}}})
    lost = [s for s in told.steps if s.what == "lost" and s.node == "spoke-rs#0"]
    assert "which lost in round as-path" in lost[0].text
    assert lost[0].rule == "R106"


def test_dead_nodes_on_the_way() -> None:
    told = why("spoke-rs", "192.168.0.0/16", down=("hub1-nva", "hub2-nva"))
    assert told.answer == "spoke-rs#0 has no route 192.168.0.0/16: hub1-rs#0 cannot tell hub1-nva: hub1-nva is down (R115)"
    assert told.remedy is not None
    assert told.remedy.text == "restore hub1-nva"


def test_branch_to_branch_off() -> None:
    """The NVA has no route of its own, and its NIC has one all the same: the story says both."""
    told = why(
        "hub1-nva", "192.168.0.0/16", {"route_servers": {"hub1-rs": {"branch_to_branch": False}, "hub2-rs": {"branch_to_branch": False}}}
    )
    assert "hub1-rs#0 does not tell hub1-nva of 192.168.0.0/16: branch-to-branch is off (R127)" in told.answer
    assert told.remedy is not None
    assert told.remedy.change == {"route_servers": {"hub1-rs": {"branch_to_branch": True}}}
    assert told.question == "Why does hub1-nva not have 192.168.0.0/16?"
    assert "on its NIC hub1-nva sends packets for 192.168.0.0/16 to 169.254.0.2 and 169.254.0.6: hub1-rs programs" in told.answer


def test_a_speaker_that_is_down() -> None:
    told = why("hub1-nva", "192.168.0.0/16", down=("hub1-nva",))
    assert told.answer == "hub1-nva uses no route 192.168.0.0/16: it is down"
    assert told.remedy is not None
    assert told.remedy.text == "restore hub1-nva"


def test_no_advertise() -> None:
    told = why("dc", "172.16.0.0/16", {NVAS: {"nva1": {"communities": {"rs": ["no-advertise"]}}}}, net=hub)
    assert "it carries no-advertise (R96)" in told.answer
    assert told.remedy is not None
    assert told.remedy.change == {NVAS: {"nva1": {"communities": {"rs": None}}}}


def test_own_prefix() -> None:
    told = why("rs", "10.1.128.0/17", {NVAS: {"nva1": {"originates": ["10.1.128.0/17"]}}}, net=hub)
    assert "refused 10.1.128.0/17 from nva1: it lies in its own address space or that of its transit spokes (R59)" in told.answer


def test_branch_tag() -> None:
    patch = {
        "expressroute_circuits": {"circuit1": {"gateways": ["hub1-er", "hub2-er"]}},
        NVAS: {"hub1-nva": {"originates": ["172.16.0.0/16"], "export": {"hub1-rs": None}}},
    }
    told = why("hub2-rs", "172.16.0.0/16", patch)
    assert any(s.rule == "R135" for s in told.refusals)


def test_nobody_announces_it() -> None:
    assert why("spoke-rs", "172.31.0.0/16").answer == "spoke-rs#0 has no route 172.31.0.0/16: nobody announces it"
    assert "192.168.0.0/16, which dc-r2 announces, covers it" in why("spoke-rs", "192.168.5.0/24").answer


def test_who_would_announce_it_is_down() -> None:
    told = why("spoke-rs", "192.168.0.0/16", down=("dc-r1", "dc-r2"))
    assert told.answer == "spoke-rs#0 has no route 192.168.0.0/16: dc-r1, which announces 192.168.0.0/16, is down"


def test_questions_that_cannot_be_answered() -> None:
    with pytest.raises(RequestError, match="nothing here is named 'hub9-nva'"):
        why("hub9-nva", "10.0.0.0/8")
    with pytest.raises(RequestError, match="is no prefix"):
        why("spoke-rs", "10.0.0.1/8")


def test_a_story_is_data_and_lines() -> None:
    told = why("hub1-rs", "10.10.0.0/16")
    assert json.loads(json.dumps(told.to_data()))["steps"][0]["what"] == "originated"
    assert told.lines()[0] == "Why does hub1-rs#0 have 10.10.0.0/16?"
    assert told == why("hub1-rs", "10.10.0.0/16")
