"""Files that are right: the shared cases, after each of their changes; and files that chance has spoiled."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dualhome.errors import TopologyError
from dualhome.topology import Topology, load, parse
from tests.topology.test_build import SMALL

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
CASES = sorted((SHARED / "cases").glob("*.yaml"))
PIECES = [
    ":",
    "{",
    "}",
    "[",
    "]",
    "- ",
    "\n",
    "  ",
    "null",
    "7",
    "-1",
    "'",
    "&a ",
    "*a",
    "<<: ",
    "10.0.0.0/8",
    "hub1",
    "true",
    "#0",
    "<->",
    "\t",
    "!!int ",
    "\x00",
]


@pytest.mark.skipif(not CASES, reason="../shared/cases is not there")
@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_shared_cases_load_with_all_their_changes(case: Path) -> None:
    topology = load(case)
    for step in topology.scenario:
        if step.kind == "change":
            assert isinstance(step.value, dict)
            topology = topology.changed(step.value)
    assert topology.network.virtual_networks


@pytest.mark.skipif(not SHARED.exists(), reason="../shared is not there")
def test_the_schema_is_the_shared_one_and_what_came_since() -> None:
    ours = json.loads((ROOT / "src/dualhome/topology/topology.schema.json").read_text("utf-8"))
    shared = json.loads((SHARED / "reference/topology.schema.json").read_text("utf-8"))
    assert not [*lost(shared, ours)]


def lost(before: object, now: object, path: str = "") -> Iterator[str]:
    """What stands in one schema and not in a later one, which may have more keys of objects, more words to choose from, lower minima, other descriptions."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key, value in before.items():
            yield from lost(value, now[key], f"{path}/{key}") if key in now else [f"{path}/{key}"]
    elif isinstance(before, list) and isinstance(now, list) and path.endswith("/enum"):
        yield from (f"{path}: {word}" for word in before if word not in now)
    elif path.endswith("/minimum") and isinstance(before, int) and isinstance(now, int):
        yield from [f"{path}: {before}, now {now}"] if now > before else []
    elif before != now and not path.endswith("timers/description"):
        yield f"{path}: {before}, now {now}"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_spoiled_file_gives_a_topology_or_its_faults(data: st.DataObject) -> None:
    text = SMALL
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.sampled_from(PIECES) | st.text(max_size=3)) + text[end:]
    judged(text)


def values(text: str) -> list[tuple[int, int]]:
    """Where words stand, for whole values to be put in their place."""
    import re

    return [match.span() for match in re.finditer(r"[A-Za-z0-9_./<>#-]+", text)]


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_word_replaced_gives_a_topology_or_its_faults(data: st.DataObject) -> None:
    text = SMALL
    for _ in range(data.draw(st.integers(1, 2))):
        start, end = data.draw(st.sampled_from(values(text)))
        other_start, other_end = data.draw(st.sampled_from(values(text)))
        word = data.draw(
            st.sampled_from([text[other_start:other_end], "null", "[]", "{}", "7", "0", "1.5", "65001.0", "'x'", "~", "fd00::/8", "::1"])
        )
        text = text[:start] + word + text[end:]
    judged(text)


def judged(text: str) -> None:
    try:
        topology = parse(text)
        assert isinstance(topology, Topology)
        for step in topology.scenario:
            if isinstance(step.value, dict) and step.kind == "change":
                topology = topology.changed(step.value)
    except TopologyError as error:
        faults = error.faults
    else:
        return
    assert faults
    assert all(fault.message for fault in faults)


def test_a_large_file_is_quick() -> None:
    spokes = range(200)
    lines = ["version: 1", "name: big", "virtual_networks:", "  hub: {address_space: [10.0.0.0/16], subnets: {nva: 10.0.1.0/24}}"]
    for i in spokes:
        lines += [
            f"  spoke{i}:",
            f"    address_space: [10.{i + 1}.0.0/16]",
            "    subnets:",
            f"      workload: 10.{i + 1}.1.0/24",
            "      apps:",
        ]
        lines += [f"        prefix: 10.{i + 1}.2.0/24"]
    lines += ["peerings:"]
    lines += [
        line
        for i in spokes
        for line in (
            f"  - between: [hub, spoke{i}]",
            "    allow_forwarded_traffic: true",
            f"    hub->spoke{i}:",
            "      allow_gateway_transit: true",
        )
    ]
    lines += ["virtual_machines:"]
    lines += [
        line
        for i in spokes
        for line in (f"  vm{i}:", f"    subnet: spoke{i}/workload", "    ip_forwarding: false", f"  app{i}:", f"    subnet: spoke{i}/apps")
    ]
    assert len(lines) > 3000
    began = time.process_time()
    parse("\n".join(lines))
    assert time.process_time() - began < 3  # a second on an idle machine
