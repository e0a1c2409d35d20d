"""JSON, JUnit, tables, stories, differences."""

from __future__ import annotations

import json
import xml.etree.ElementTree as Xml
from io import StringIO
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dualhome.explain import Remedy, Step, Story
from dualhome.net import Address, Prefix
from dualhome.report import azure, changes, data, story, tables
from dualhome.report.json import checks, dumps, findings
from dualhome.report.junit import junit


def result(ok: bool, message: str = "", what: str = "settle") -> Any:
    return SimpleNamespace(
        file="a.yaml",
        step=0,
        line=7,
        what=what,
        ok=ok,
        expected={"within_s": 1},
        found="x",
        message=message,
        confidence=None,
        evidence=("R1",),
    )


def text(thing: Any, width: int = 100) -> str:
    out = StringIO()
    Console(file=out, width=width, color_system=None).print(thing)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def effective(**fields: Any) -> Any:
    free = {
        "prefix": Prefix.parse("0.0.0.0/0"),
        "source": "VirtualNetworkGateway",
        "state": "Active",
        "next_hop_type": "VirtualNetworkGateway",
    }
    hops = (Address.parse("10.1.2.4"), Address.parse("10.2.2.4"))
    return SimpleNamespace(**{**free, "next_hops": hops, "via": "spoke-rs", "rule": "R50", "note": "", **fields})


def test_the_shape_of_test() -> None:
    shape = checks([result(True), result(False, "a.yaml:7: no")])
    assert (shape["passed"], shape["failed"]) == (1, 1)
    first = shape["checks"][0]  # type: ignore[index]
    assert list(first) == ["file", "step", "line", "what", "ok", "expected", "found", "message", "confidence", "evidence"]


def test_the_shape_of_check() -> None:
    assert findings([]) == {"ok": True, "findings": []}
    assert findings([{"severity": "warning"}])["ok"] is False
    assert findings([{"severity": "info"}])["ok"] is True


def test_the_shape_of_routes_and_azures() -> None:
    assert data.effective_route(effective()) == {
        "prefix": "0.0.0.0/0",
        "source": "VirtualNetworkGateway",
        "state": "Active",
        "next_hop_type": "VirtualNetworkGateway",
        "next_hops": ["10.1.2.4", "10.2.2.4"],
    }
    found: Any = azure.effective_routes([effective()])
    assert [(row["addressPrefix"], row["nextHopIpAddress"]) for row in found["value"]] == [
        (["0.0.0.0/0"], ["10.1.2.4"]),
        (["0.0.0.0/0"], ["10.2.2.4"]),
    ]


@given(st.dictionaries(st.text(), st.lists(st.one_of(st.integers(), st.text(), st.none(), st.booleans()))))
def test_json_comes_back(value: dict[str, list[object]]) -> None:
    assert json.loads(dumps(value)) == value


def test_json_of_views() -> None:
    assert json.loads(dumps({"p": Prefix.parse("10.0.0.0/8"), "s": frozenset({3, 1, 2}), "t": (Address.parse("::1"),)})) == {
        "p": "10.0.0.0/8",
        "s": [1, 2, 3],
        "t": ["::1"],
    }


@given(st.text(), st.text())
def test_junit_is_well_formed_whatever_the_words(what: str, message: str) -> None:
    root = Xml.fromstring(junit([result(True, what=what), result(False, message, what)], ["a.yaml", "b.yaml"]))
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    assert [suite.get("name") for suite in root] == ["a.yaml", "b.yaml"]


def test_effective_routes_in_a_terminal() -> None:
    shown = text(
        tables.effective_routes([effective(), effective(next_hop_type="None", next_hops=(), source="Default", via="", rule="R45")])
    )
    assert shown == (
        "prefix     source                 state   next hop type          next hops           from\n"
        f"{chr(0x2500) * 99}\n"
        "0.0.0.0/0  VirtualNetworkGateway  Active  VirtualNetworkGateway  10.1.2.4, 10.2.2.4  spoke-rs (R50)\n"
        "0.0.0.0/0  Default                Active  None                                       (R45)"
    )
    assert all(len(line) <= 100 for line in shown.splitlines())


def test_how_long_in_words() -> None:
    assert [tables.duration(s) for s in (0, 0.0031, 1.25, 4, 180.5)] == ["0 ms", "3 ms", "1.25 s", "4 s", "180.5 s"]


def test_a_story_is_told() -> None:
    step = Step(
        node="hub1-nva",
        what="advertised",
        text="hub1-nva tells spoke-rs",
        rule="R165",
        before={"as_path": "65515"},
        after={"as_path": "65001"},
    )
    remedy = Remedy(text="as_override on hub1-nva")
    whole = Story(question="why?", answer="spoke-rs refuses it.", steps=(step,), refusals=(step,), remedy=remedy)
    assert text(story.told(whole)) == (
        "why?\nspoke-rs refuses it.\n\n  1. hub1-nva tells spoke-rs  R165\n       as_path 65515 → 65001\n\n"
        "  ✗ hub1-nva tells spoke-rs  R165\n       as_path 65515 → 65001\n\n→ as_override on hub1-nva"
    )


def test_what_a_failure_changed() -> None:
    pair = ("spoke-vm", "internet")
    before = changes.Snapshot(
        sessions={"a/b": "Established", "b/c": "Established"}, routes={"vm": {"0.0.0.0/0": "10.1.2.4"}}, paths={pair: ("x",)}
    )
    after = changes.Snapshot(sessions={"a/b": "Idle", "b/c": "Established"}, routes={"vm": {}}, paths={pair: ("x ✗ no-route at vm",)})
    episode = changes.Episode(target="b", how="crash", settled_after_s=1.5, before=before, after=after, outages=[(*pair, 2.0)])
    shape = changes.data(episode)
    assert shape["sessions"] == [{"session": "a/b", "before": "Established", "after": "Idle"}]
    assert shape["routes"] == [{"nic": "vm", "prefix": "0.0.0.0/0", "before": "10.1.2.4", "after": None}]
    assert shape["outages"] == [{"from": "spoke-vm", "to": "internet", "outage_s": 2.0}]
    shown = text(changes.shown(episode))
    assert "✗ b  settled after 1.5 s" in shown
    assert "0.0.0.0/0  10.1.2.4 → gone" in shown
