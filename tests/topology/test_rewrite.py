"""A change of a file touches its own place and no other byte."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dualhome.topology.edits import ABSENT, END, Edit
from dualhome.topology.reading import read
from dualhome.topology.rewrite import CannotEdit, rewritten
from tests.consoles import ROOT
from tests.files import EXAMPLES

BLOCK = """\
# A network.
version: 1
name: x   # its name
virtual_networks:
  hub:
    address_space: [10.0.0.0/16]   # one range
    subnets:
      RouteServerSubnet: '10.0.0.0/27'
      nva: 10.0.1.0/24             # short
      # after the last one

peerings:
  - {between: [hub, spoke], allow_forwarded_traffic: true}
  - between: [hub, far]
    hub->far: {allow_gateway_transit: true}
  - from: spoke
    to: far   # one direction

route_servers:
  rs:
    virtual_network: hub
    peers:
      - nva1
      - name: nva2        # with more
        instances: [0]

# the end
"""


def change(path: tuple[str | int, ...], value: object, text: str = BLOCK) -> list[str]:
    """Lines that go (-) and come (+)."""
    after = rewritten(text, [Edit(path=path, value=value)])
    old, new = text.splitlines(), after.splitlines()
    return [f"-{line}" for line in old if line not in new] + [f"+{line}" for line in new if line not in old]


def test_a_value_is_replaced_and_its_quotes_stay() -> None:
    changed = change(("virtual_networks", "hub", "subnets", "RouteServerSubnet", "prefix"), "10.0.0.0/26")
    assert changed == ["-      RouteServerSubnet: '10.0.0.0/27'", "+      RouteServerSubnet: '10.0.0.0/26'"]


def test_a_short_form_becomes_a_long_one() -> None:
    changed = change(("virtual_networks", "hub", "subnets", "nva", "route_table"), "out")
    assert changed == [
        "-      nva: 10.0.1.0/24             # short",
        "+      nva: {prefix: 10.0.1.0/24, route_table: out}             # short",
    ]
    assert change(("route_servers", "rs", "peers", "nva1", "instances"), [0, 1])[1] == "+      - {name: nva1, instances: [0, 1]}"


def test_a_key_is_added_after_the_last_one() -> None:
    assert change(("route_servers", "rs", "branch_to_branch"), True) == ["+    branch_to_branch: true"]
    after = rewritten(BLOCK, [Edit(path=("route_servers", "rs", "branch_to_branch"), value=True)])
    assert after.endswith("        instances: [0]\n    branch_to_branch: true\n\n# the end\n")


@pytest.mark.parametrize(
    ("peering", "line"),
    [
        ("spoke->hub", "+  - {between: [hub, spoke], allow_forwarded_traffic: true, spoke->hub: {allow_gateway_transit: false}}"),
        ("hub->far", "+    hub->far: {allow_gateway_transit: false}"),
        ("far->hub", "+    far->hub: {allow_gateway_transit: false}"),
        ("spoke->far", "+    allow_gateway_transit: false"),
    ],
)
def test_one_direction_of_a_peering_however_it_is_written(peering: str, line: str) -> None:
    assert change(("peerings", peering, "allow_gateway_transit"), False)[-1] == line


def test_a_new_section_stands_at_the_end_and_before_a_scenario() -> None:
    table = {"out": {"routes": [{"prefix": "0.0.0.0/0", "next_hop_type": "Internet"}]}}
    added = ["+route_tables:", "+  out: {routes: [{prefix: 0.0.0.0/0, next_hop_type: Internet}]}"]
    assert change(("route_tables",), table) == added
    text = BLOCK.replace("# the end\n", "scenario:   # what happens\n  - wait_s: 1\n")
    assert change(("route_tables",), table, text) == added
    assert rewritten(text, [Edit(path=("route_tables",), value=table)]).index("route_tables") < text.index("scenario") + 5


def test_keys_and_items_go() -> None:
    assert change(("route_servers", "rs", "peers", "nva2", "instances"), ABSENT) == ["-        instances: [0]"]
    assert change(("route_servers", "rs", "peers", "nva1"), ABSENT) == ["-      - nva1"]
    assert change(("virtual_networks", "hub", "address_space", "10.0.0.0/16"), ABSENT)[1] == "+    address_space: []   # one range"
    assert change(("peerings", "hub->far", "allow_gateway_transit"), ABSENT)[1] == "+    hub->far: {}"
    assert change(("peerings", "spoke->far", "to"), ABSENT) == ["-    to: far   # one direction"]
    assert change(("peerings", "spoke->far", "from"), ABSENT) == [
        "-  - from: spoke",
        "-    to: far   # one direction",
        "+  - to: far   # one direction",
    ]


def test_an_edit_survives_a_message() -> None:
    """Findings of a network that is up come over a socket, with their remedies."""
    edit = pickle.loads(pickle.dumps(Edit(path=("route_servers", "rs", "peers", "nva1"), value=ABSENT)))
    assert rewritten(BLOCK, [edit]) == BLOCK.replace("      - nva1\n", "")


def test_what_is_not_there_need_not_go() -> None:
    assert change(("route_servers", "rs", "branch_to_branch"), ABSENT) == []


@pytest.mark.parametrize(
    ("text", "path", "after"),
    [
        ("a: {}\n", ("a", "b"), "a: {b: 1}\n"),
        ("a: {c: 2, }\n", ("a", "b"), "a: {c: 2, b: 1 }\n"),
        ("a:\n  c: |\n    text\n\n\nd: 3\n", ("a", "b"), "a:\n  c: |\n    text\n  b: 1\n\n\nd: 3\n"),
        ("a:\n  c: 2", ("a", "b"), "a:\n  c: 2\n  b: 1\n"),
        ("a:\n", ("a", "b"), "a: {b: 1}\n"),
        ("a: [1, 2]\n", ("a", "+"), "a: [1, 2, 1]\n"),
        ("a:\n- x   # first\n", ("a", "+"), "a:\n- x   # first\n- 1\n"),
        ("a: {\n  c: 2   # two\n}\n", ("a", "b"), "a: {\n  c: 2, b: 1   # two\n}\n"),
    ],
)
def test_places_that_need_care(text: str, path: tuple[str, ...], after: str) -> None:
    assert rewritten(text, [Edit(path=path, value=1)]) == after


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: &x {b: 2}\nc: *x\n", ("a", "b")),
        ("a: &x {b: 2}\nc: *x\n", ("c", "b")),
        ("a: &x {b: {c: 2}}\nd:\n  <<: *x\n  e: 1\n", ("d", "b", "c")),
        ("a: b\n", ("a", "c")),
        ("a: {b: &x 1}\nc: *x\n", ("a",)),
        ("a:   # why\n  b: 1\n", ("a",)),
    ],
)
def test_what_stands_in_two_places_is_left_alone(text: str, path: tuple[str, ...]) -> None:
    with pytest.raises(CannotEdit):
        rewritten(text, [Edit(path=path, value=3)])


def _put(data: object, path: tuple[str | int, ...], value: object) -> object:
    """Plain data after the same change."""
    after: Any = copy.deepcopy(data)
    inner = after
    for step in path[:-1]:
        inner = inner[step]
    if value is ABSENT:
        del inner[path[-1]]
    elif path[-1] == END:
        inner.append(value)
    else:
        inner[path[-1]] = value
    return after


def _everywhere(data: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Every value that may change, and what may be put there."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, inner in pairs:
        yield (*path, step), ABSENT
        yield (*path, step), "a b: c"
        yield from _everywhere(inner, (*path, step))
    if path and isinstance(data, dict | list):
        yield (*path, "zz" if isinstance(data, dict) else END), {"a": [1]}


@pytest.mark.parametrize("file", [*EXAMPLES[1:2], *sorted((ROOT / "tests/check/designs").glob("L-0[0145]*.yaml"))], ids=lambda f: f.stem)
def test_the_text_says_what_the_data_would_be(file: Path) -> None:
    """Wherever a file is changed, reading it gives the same as changing its data, or the change is refused."""
    text = file.read_text("utf-8")
    data = read(text, "")[0].value
    changes = [*_everywhere(data)]
    for path, value in changes[:: 1 + len(changes) // 40]:
        try:
            after = rewritten(text, [Edit(path=path, value=value)])
        except CannotEdit:
            continue
        assert read(after, "")[0].value == _put(data, path, value), path
