"""Findings that hang on effective routes; the routes are given, so that these tests show which rows make which finding."""

from __future__ import annotations

from typing import Any

import pytest
from networks import hub

from dualhome.forwarding.effective import EffectiveRoute, Routes
from dualhome.net import Address, Prefix

NVAS = "network_virtual_appliances"


def row(
    prefix: str, *hops: str, source: str = "VirtualNetworkGateway", kind: str = "VirtualNetworkGateway", rule: str = "R50"
) -> EffectiveRoute:
    hops_ = tuple(Address.parse(hop) for hop in hops)
    return EffectiveRoute(
        prefix=Prefix.parse(prefix), source=source, state="Active", next_hop_type=kind, next_hops=hops_, via="rs", rule=rule, note=""
    )


@pytest.fixture
def found(check, monkeypatch):
    """Codes and objects, where the NICs have these rows."""

    def run(patch: dict[str, Any], rows: dict[str, tuple[EffectiveRoute, ...]]) -> set[tuple[str, str]]:
        monkeypatch.setattr("dualhome.check.finding.routes_of", lambda world, nic: Routes(rows.get(nic, ())))
        return {(f.code, f.on) for f in check(hub(patch))}

    return run


def test_l_009_a_next_hop_out_of_reach(found) -> None:
    assert ("L-009", "vm") in found({}, {"vm": (row("172.16.0.0/16", kind="None", rule="R43"),)})
    assert ("L-009", "vm") not in found({}, {"vm": (row("10.0.0.0/8", source="Default", kind="None", rule="R45"),)})


def test_l_011_its_own_default_on_its_nic(found) -> None:
    announced = {NVAS: {"nva1": {"originates": ["0.0.0.0/0"]}}}
    own, internet = row("0.0.0.0/0", "10.0.2.4"), row("0.0.0.0/0", source="User", kind="Internet")
    assert ("L-011", "nva1") in found(announced, {"nva1": (own,)})
    assert ("L-011", "nva1") not in found(announced, {"nva1": (internet,)})
    assert ("L-011", "nva1") not in found(announced, {"nva1": (row("0.0.0.0/0", "10.0.2.5"),)})


def test_l_011_halves_to_the_internet_beat_a_default(found) -> None:
    halves = (row("0.0.0.0/1", source="User", kind="Internet"), row("128.0.0.0/1", source="User", kind="Internet"))
    assert ("L-011", "nva1") not in found({}, {"nva1": (row("0.0.0.0/0", "10.0.2.4"), *halves)})
    assert ("L-011", "nva1") in found({}, {"nva1": (row("0.0.0.0/0", "10.0.2.4"), halves[0])})


def test_l_011_by_way_of_the_load_balancer_before_it(found) -> None:
    assert ("L-011", "nva1") in found({}, {"nva1": (row("0.0.0.0/0", "10.0.2.100"),)})


def test_l_012_a_peer_without_a_tunnel(found) -> None:
    """nva1 has 10.9.128.0/17 from nva9 over the peering, and the route server programs it back."""
    rows = {"nva1": (row("10.9.128.0/17", "10.0.2.4"),)}
    announced = {"nva9": {"originates": ["10.9.128.0/17"]}}
    over = lambda word: {NVAS: announced | {"nva1": {"sessions": [{"to": "nva9", "over": word}]}}}  # noqa: E731  # two words, one use
    assert ("L-012", "nva1") in found(over("network"), rows)
    assert ("L-012", "nva1") not in found(over("tunnel"), rows)
    assert ("L-012", "nva1") not in found(over("network"), {})


def test_l_012_what_lies_behind_the_nva_itself_is_no_circle(found) -> None:
    assert ("L-012", "nva1") not in found({}, {"nva1": (row("172.16.0.0/16", "10.0.2.4"),)})


def test_l_028_firewalls_side_by_side(found) -> None:
    stateful = {NVAS: {"nva1": {"stateful": True}, "nva2": {"stateful": True}}}
    both, one, balanced = (row("172.0.0.0/8", *hops) for hops in (("10.0.2.4", "10.0.2.5"), ("10.0.2.4",), ("10.0.2.100",)))
    assert {("L-028", "nva1"), ("L-028", "nva2")} <= found(stateful, {"vm": (both,)})
    assert "L-028" not in {code for code, _ in found(stateful, {"vm": (one, balanced)})}
    assert "L-028" not in {code for code, _ in found({}, {"vm": (both,)})}
    hidden = {NVAS: {name: {"stateful": True, "translates": ["172.0.0.0/8"]} for name in ("nva1", "nva2")}}
    assert "L-028" not in {code for code, _ in found(hidden, {"vm": (both,)})}
