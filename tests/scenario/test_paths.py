"""What may be asked of a path."""

from __future__ import annotations

from typing import Any

import pytest

from dualhome.forwarding.trace import Hop, Path
from dualhome.net import Address
from tests.scenario.fakes import FakeRun, play

SOMEWHERE = Address.parse("10.10.1.4")
KINDS = {"spoke-vm": "vm", "internet": "internet", "hub1-nva": "nva", "hub2-nva": "nva"}


def path(*names: str, because: str | None = None, detail: str = "", at: str | None = None) -> Any:
    hops = tuple(Hop(name=n, kind=KINDS[n], address=None, note="") for n in names)
    return Path(
        hops=hops,
        outcome="dropped" if because else "delivered",
        at=at or names[-1],
        end=names[-1],
        because=because,
        detail=detail,
        choices=(),
        translated=(),
        source=SOMEWHERE,
        destination=SOMEWHERE,
    )


OUT1, OUT2 = path("spoke-vm", "hub1-nva", "internet"), path("spoke-vm", "hub2-nva", "internet")
BACK1, BACK2 = path("internet", "hub1-nva", "spoke-vm"), path("internet", "hub2-nva", "spoke-vm")


def judged(item: str, *ways: Any) -> tuple[bool, str]:
    results = play(f"- expect: {{path: [{{from: spoke-vm, to: internet, {item}}}]}}", FakeRun(ways={("spoke-vm", "internet"): ways}))
    assert len(results) == 1
    return results[0].ok, results[0].message


@pytest.mark.parametrize("item", ["via: [hub1-nva]", "avoids: [hub2-nva]", "outcome: delivered", "symmetric: true", "at: internet"])
def test_what_holds_of_the_one_way(item: str) -> None:
    assert judged(item, (OUT1, (BACK1,))) == (True, "")


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        ("via: [hub2-nva]", "expected via [hub2-nva]; spoke-vm → hub1-nva → internet doesn't cross hub2-nva"),
        ("avoids: [hub1-nva]", "expected avoids [hub1-nva]; spoke-vm → hub1-nva → internet crosses hub1-nva"),
        ("outcome: dropped", "expected outcome dropped; spoke-vm → hub1-nva → internet is delivered at internet"),
        ("symmetric: false", "expected symmetric false; each flow's way back crosses its NVAs"),
        (
            "spread_over: [hub1-nva, hub2-nva]",
            "expected spread_over [hub1-nva, hub2-nva]; none crosses hub2-nva",
        ),
    ],
)
def test_what_does_not_hold_is_told(item: str, complaint: str) -> None:
    assert judged(item, (OUT1, (BACK1,))) == (False, f"fake.yaml:17: path spoke-vm → internet: {complaint}")


def test_via_is_of_every_branch_and_spread_over_of_all_together() -> None:
    both = ((OUT1, (BACK1,)), (OUT2, (BACK2,)))
    assert judged("spread_over: [hub1-nva, hub2-nva]", *both)[0]
    assert not judged("via: [hub1-nva]", *both)[0]
    assert not judged("spread_over: [hub1-nva, hub2-nva]", *both, (path("spoke-vm", "internet"), ()))[0]


def test_one_branch_that_comes_back_otherwise_breaks_the_symmetry() -> None:
    ways = ((OUT1, (BACK1, BACK2)),)
    assert not judged("symmetric: true", *ways)[0]
    assert judged("symmetric: false", *ways)[0]


def test_what_is_not_delivered_has_no_way_back() -> None:
    lost = path("spoke-vm", because="no-route")
    assert not judged("symmetric: true", (lost, ()))[0]


def test_where_and_why_it_is_dropped() -> None:
    lost = path("spoke-vm", "hub1-nva", because="ip-forwarding", detail="hub1-nva forwards nothing (R66)")
    assert judged("outcome: dropped, at: hub1-nva, because: ip-forwarding", (lost, ()))[0]
    assert judged("outcome: delivered", (lost, ()))[1].endswith(
        "spoke-vm → hub1-nva is dropped at hub1-nva because ip-forwarding: hub1-nva forwards nothing (R66)"
    )
    assert not judged("at: spoke-vm", (lost, ()))[0]
    assert not judged("because: down", (lost, ()))[0]


def test_a_flow_whose_answers_a_firewall_drops_is_dropped_there() -> None:
    unanswered = path("internet", "hub2-nva", because="no-state", at="hub2-nva")
    assert judged("outcome: dropped, at: hub2-nva, because: no-state", (OUT1, (BACK1, unanswered)))[0]
