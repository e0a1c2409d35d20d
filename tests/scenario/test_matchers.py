"""When a row is the expected one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualhome import topology
from dualhome.scenario.matchers import as_path_text, fits_item, fits_set, is_named, mismatches, nearest
from tests.scenario.fakes import NETWORK

NET = topology.parse(NETWORK.replace("scenario:\n", "")).network
ROW = {
    "prefix": "0.0.0.0/0",
    "next_hop": "10.10.0.5",
    "as_path": "65001 65010",
    "communities": ["65001:1", "no-export"],
    "med": None,
    "learned_from": "spoke-rs#1",
    "best": True,
    "next_hops": ["10.1.2.4", "10.2.2.4"],
}


@pytest.mark.parametrize(
    "item",
    [
        {"prefix": "0.0.0.0/0"},
        {"next_hop": "10.10.0.5"},
        {"next_hop": "spoke-rs"},
        {"next_hop": "spoke-rs#1"},
        {"as_path": "65001 65010"},
        {"communities": ["no-export", "65001:1"]},
        {"med": 0},
        {"learned_from": "spoke-rs"},
        {"learned_from": "spoke-rs#1"},
        {"best": True},
        {"next_hops": ["hub2-nva", "10.1.2.4"]},
        {"next_hops": ["hub2-nva", "hub1-nva"]},
        {"absent": True, "evidence": "R1", "confidence": "observed"},
    ],
)
def test_an_item_fits(item: dict[str, object]) -> None:
    assert fits_item(ROW, item, NET)


@pytest.mark.parametrize(
    "item",
    [
        {"prefix": "0.0.0.0/1"},
        {"next_hop": "spoke-rs#0"},
        {"next_hop": "hub1-nva"},
        {"as_path": 65001},
        {"as_path": ""},
        {"communities": ["no-export"]},
        {"communities": []},
        {"med": 10},
        {"learned_from": "spoke-rs#0"},
        {"best": False},
        {"next_hops": ["hub1-nva"]},
        {"next_hops": []},
        {"next_hops": ["10.1.2.4", "10.2.2.4", "10.2.2.5"]},
    ],
)
def test_an_item_does_not_fit(item: dict[str, object]) -> None:
    assert mismatches(ROW, item, NET) == list(item)


def test_an_as_path_is_text_or_a_number_or_nothing() -> None:
    assert [as_path_text(v) for v in ("65001  65010", 65001, "", None)] == ["65001 65010", "65001", "", ""]


def test_a_name_means_all_its_instances() -> None:
    assert is_named("spoke-rs#0", "spoke-rs")
    assert is_named("spoke-rs#0", "spoke-rs#0")
    assert not is_named("spoke-rs", "spoke-rs#0")
    assert not is_named("spoke-rs2#0", "spoke-rs")


def test_the_nearest_route_is_of_the_same_prefix_with_the_fewest_mismatches() -> None:
    rows = [ROW | {"prefix": "10.0.0.0/8"}, ROW | {"as_path": "1"}, ROW | {"as_path": "1", "best": False}]
    assert nearest(rows, {"prefix": "0.0.0.0/0", "as_path": 2, "best": True}, NET) is rows[1]
    assert nearest(rows, {"prefix": "192.168.0.0/16"}, NET) is None


@given(st.lists(st.integers(0, 5)), st.lists(st.integers(0, 5)))
def test_sets_compare_both_ways(found: list[int], expected: list[int]) -> None:
    assert fits_set(found, expected, lambda a, b: a == b) == (set(found) == set(expected))


@given(st.permutations(ROW["next_hops"]))  # type: ignore[arg-type]
def test_next_hops_have_no_order(hops: list[str]) -> None:
    assert fits_item(ROW, {"next_hops": hops}, NET)
