"""The RIBs: what is refused and why, what is told to whom, and that each state is the one that a fresh RIB reaches."""

from __future__ import annotations

import ipaddress
import itertools
import json
import random
from typing import Any

import pytest

from dualhome import _core
from dualhome._core import Rib, Table
from tests.bgp.rib_help import (
    ROUNDS,
    Receiver,
    announce,
    config,
    drain,
    make,
    on_the_wire,
    plain,
    prefix,
    row,
    text,
    told,
    up,
    withdraw,
)  # fmt: skip
from tests.reference import policy as oracle

TEN = prefix("10.0.0.0/8")


def receive(rib: Rib, peer: int, data: bytes) -> None:
    assert rib.receive(peer, data) is None
    rib.process()


# --- import -------------------------------------------------------------------------------------------------------------


def test_refused_routes_are_kept_with_their_reasons() -> None:
    check = {"name": "own space", "match": {"prefix_within": ["10.9.0.0/16"]}, "then": "reject", "reason": "own-prefix"}
    rule = {"name": "drop it", "match": {"community_any": ["1:1"]}, "then": "reject"}
    rib = make({1: config(1, checks=[check], **{"import": [rule]})})
    rows = [row("10.1.0.0/16", "65101 65000"), row("10.9.1.0/24"), row("10.2.0.0/16", communities=["1:1"]), row("10.3.0.0/16")]
    bad = bytearray(announce(row("10.4.0.0/16")))
    bad[bad.index(b"\x40\x01\x01\x00") + 3] = 9  # ORIGIN 9: treat-as-withdraw (RFC 7606 section 7.1)
    receive(rib, 1, announce(*rows) + bytes(bad))
    got = [(text(r.prefix), r.reason, r.detail) for r in rib.rejected()]
    assert got[0] == ("10.1.0.0/16", "as-loop", "own ASN 65000 in the path once")
    assert got[1] == ("10.2.0.0/16", "policy", "drop it")
    assert got[2][:2] == ("10.4.0.0/16", "invalid")
    assert got[2][2] is not None
    assert got[2][2].startswith("ORIGIN")
    assert got[3] == ("10.9.1.0/24", "own-prefix", "own space")
    assert [(text(r.prefix), r.reason) for r in rib.received(1)] == [("10.2.0.0/16", "policy"), ("10.3.0.0/16", None)]
    assert [text(r.prefix) for r in rib.candidates()] == ["10.3.0.0/16"]
    assert rib.statistics()["rejected"] == 4
    assert rib.rejected(1)[0].as_path == "65101 65000"


def test_what_was_refused_lives_once_the_configuration_lets_it() -> None:
    rib = make([1, 2])
    receive(rib, 1, announce(row("10.0.0.0/8", "65101 65000")))
    assert rib.best() == []
    rib.set_peer(1, config(1, allowas_in=1))
    assert rib.process() == 1
    assert told(rib, 2) == ["10.0.0.0/8 65000 65101 65000"]
    rib.set_peer(1, config(1))
    assert rib.process() == 1
    assert told(rib, 2) == ["-10.0.0.0/8"]


def test_a_reflected_route_of_our_own_cluster_is_refused() -> None:
    rib = make({1: config(1, asn=65000, ebgp=False)})
    attributes = bytes.fromhex("40010100 400200 4003040a000001 40050400000064 800a0401010101")
    body = b"\0\0" + len(attributes).to_bytes(2, "big") + attributes + b"\x08\x0a"
    receive(rib, 1, b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + b"\x02" + body)
    assert [r.reason for r in rib.rejected()] == ["cluster-loop"]


def test_a_broken_configuration_changes_nothing() -> None:
    rib = make([1])
    receive(rib, 1, announce(row("10.0.0.0/8")))
    before = plain(rib.candidates())
    term = {"name": "t", "match": {"prefx": []}}
    for broken, error in [
        (config(1, checks=[term]), "peer 'peer1': checks: term 1 't': unknown field `prefx`"),
        (config(1, **{"import": [{"name": "t", "do": [{"prepnd": [1]}]}]}), "import: term 1 't': unknown variant `prepnd`"),
        (config(1, export=[[{"name": "t", "do": [{"next_hop": "x"}]}]]), "export stage 1: term 1 't': next_hop 'x' is no address"),
        (config(1, export=[[{"name": "t", "do": [{"next_hop": "0.0.0.0"}]}]]), "term 1 't': next_hop 0.0.0.0 can't be a host's address"),
        (config(1, export=[[{"name": "t", "do": [{"prepend": [65000, 0]}]}]]), "term 1 't': AS number 0 must not be in a path"),
        (config(1, **{"import": [{"name": "t", "do": [{"path_replace": [0]}]}]}), "term 1 't': AS number 0 must not be in a path"),
        (config(1, **{"import": [{"name": "t", "do": [{"path_substitute": {"from": 9, "to": 0}}]}]}), "AS number 0 must not be in a path"),
        (config(1, **{"import": [{"name": "t", "match": {"prefix_equals": ["10.0.0.1/8"]}}]}), "has host bits"),
        (config(1, colour="red"), "unknown field `colour`"),
        (config(1, checks=[{"name": "t", "do": [{"weight": 1}]}]), "checks only let in or refuse"),
        ("{", "peer configuration: "),
    ]:
        with pytest.raises(ValueError, match=error.replace("(", r"\(")):
            rib.set_peer(1, broken)
    rib.process()
    assert plain(rib.candidates()) == before
    with pytest.raises(ValueError, match="no peer 7"):
        rib.peer_down(7)


@pytest.mark.parametrize(("count", "error"), [("azure", True), ("held", False)])
def test_the_limit_of_prefixes(count: str, error: bool) -> None:
    """R87: Azure counts what it holds and what comes, so announcing the same again is over the limit."""
    rib = make({1: config(1, max_prefixes={"limit": 3, "count": count})})
    first = announce(row("10.0.0.0/16"), row("10.1.0.0/16"))
    assert rib.receive(1, first) is None
    again = rib.receive(1, first)
    assert (again is not None) == error
    if again:
        assert (again.code, again.subcode, again.data) == (6, 1, bytes([0, 1, 1, 0, 0, 0, 3]))
        assert again.reason == "4 prefixes, limit 3"
    else:
        assert rib.receive(1, announce(row("10.2.0.0/16"))) is None
        over = rib.receive(1, announce(row("10.3.0.0/16")))
        assert over is not None
        assert (over.code, over.subcode) == (6, 1)


def test_a_discarded_med_is_still_what_was_received() -> None:
    rib = make({1: config(1, discard_med=True)})
    receive(rib, 1, announce(row("10.0.0.0/8", med=5)))
    assert [r.med for r in rib.candidates()] == [None]
    assert [r.med for r in rib.received(1)] == [5]


# --- export -------------------------------------------------------------------------------------------------------------


def test_a_route_goes_to_all_but_its_source() -> None:
    rib = make([1, 2, 3])
    receive(rib, 1, announce(row("10.0.0.0/8", med=7, communities=["1:1"])))
    assert rib.statistics()["update_groups"] == 1
    assert rib.pending() == [2, 3]
    assert (told(rib, 1), told(rib, 2)) == ([], ["10.0.0.0/8 65000 65101"])
    [route] = rib.advertised(3)
    assert (route.next_hop, route.med, route.communities, route.peer) == ("10.0.0.254", None, ["1:1"], 1)


def test_when_the_best_route_moves_both_sources_are_told() -> None:
    """The old source, left out until now, is told the new one; the new source is told that the old one is gone."""
    rib = make([1, 2, 3])
    receive(rib, 1, announce(row("10.0.0.0/8", "65101 1")))
    assert told(rib, 2) == told(rib, 3) == ["10.0.0.0/8 65000 65101 1"]
    receive(rib, 2, announce(row("10.0.0.0/8", "65102", "10.0.0.2")))
    assert told(rib, 1) == told(rib, 3) == ["10.0.0.0/8 65000 65102"]
    assert told(rib, 2) == ["-10.0.0.0/8"]
    receive(rib, 2, withdraw("10.0.0.0/8"))
    assert told(rib, 1) == ["-10.0.0.0/8"]
    assert told(rib, 2) == told(rib, 3) == ["10.0.0.0/8 65000 65101 1"]


def test_equal_on_the_wire_is_not_told_again_but_to_the_sources() -> None:
    """Two instances of one AS: the third peer sees no difference between them."""
    rib = make({n: config(n, asn=65100) for n in (1, 2, 3)})
    receive(rib, 2, announce(row("10.0.0.0/8", "65100", "10.0.0.2")))
    assert told(rib, 1) == told(rib, 3) == ["10.0.0.0/8 65000 65100"]
    receive(rib, 1, announce(row("10.0.0.0/8", "65100", "10.0.0.1")))
    assert told(rib, 3) == []
    assert told(rib, 1) == ["-10.0.0.0/8"]
    assert told(rib, 2) == ["10.0.0.0/8 65000 65100"]


def test_a_change_that_is_undone_before_it_is_decided_tells_nothing() -> None:
    rib = make([1, 2])
    receive(rib, 1, announce(row("10.0.0.0/8")))
    drain(rib, 2)
    rib.receive(1, withdraw("10.0.0.0/8"))
    rib.receive(1, announce(row("10.0.0.0/8")))
    assert rib.process() == 0
    assert rib.pending() == []
    receive(rib, 1, withdraw("11.0.0.0/8"))
    assert rib.pending() == []


def test_end_of_rib_follows_the_first_dump() -> None:
    rib = make([1])
    receive(rib, 1, announce(row("10.0.0.0/8")))
    rib.set_peer(2, config(2))
    up(rib, 2, families=[(2, 1), (1, 1)])
    data = drain(rib, 2)
    ipv4, ipv6 = b"\xff" * 16 + bytes([0, 23, 2, 0, 0, 0, 0]), b"\xff" * 16 + bytes([0, 29, 2, 0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1])
    assert data.endswith(ipv4 + ipv6)
    assert [text(r.prefix) for r in _core.decode_updates(data)] == ["10.0.0.0/8"]


@pytest.mark.parametrize(
    ("community", "to_ebgp", "to_ibgp"), [("no-advertise", 0, 0), ("no-export", 0, 1), ("no-export-subconfed", 0, 1), ("1:1", 1, 1)]
)
def test_well_known_communities_hold_before_the_rules(community: str, to_ebgp: int, to_ibgp: int) -> None:
    """RFC 1997; a rule that takes the community away comes too late."""
    strip = [[{"name": "strip", "do": [{"community_replace": []}]}]]
    rib = make({1: config(1), 2: config(2, export=strip), 3: config(3, asn=65000, ebgp=False, export=strip)})
    receive(rib, 1, announce(row("10.0.0.0/8", communities=[community])))
    assert (len(rib.advertised(2)), len(rib.advertised(3))) == (to_ebgp, to_ibgp)


def test_ibgp_goes_to_ibgp_by_reflection_alone() -> None:
    """RFC 4456: from a client to all, from others to clients; LOCAL_PREF, next hop and path are kept."""
    inner: dict[str, Any] = {"asn": 65000, "ebgp": False, "next_hop": "unchanged"}
    rib = make({1: config(1, **inner, reflector_client=True), 2: config(2, **inner), 3: config(3, **inner), 4: config(4)})
    receive(rib, 1, announce(row("10.1.0.0/16", "9", "10.0.0.9", local_preference=50)))
    receive(rib, 2, announce(row("10.2.0.0/16", "9", "10.0.0.9")))
    receive(rib, 4, announce(row("10.4.0.0/16", "65104", "10.0.0.4", med=3)))
    seen = {n: [(text(r.prefix), r.as_path, r.next_hop, r.local_preference, r.med) for r in rib.advertised(n)] for n in (1, 2, 3, 4)}
    of_1, of_2 = ("10.1.0.0/16", "9", "10.0.0.9", 50, None), ("10.2.0.0/16", "9", "10.0.0.9", 100, None)
    of_4 = ("10.4.0.0/16", "65104", "10.0.0.4", 100, 3)
    assert seen[1] == [of_2, of_4]
    assert seen[2] == [of_1, of_4]
    assert seen[3] == [of_1, of_4]
    assert [r[:3] for r in seen[4]] == [("10.1.0.0/16", "65000 9", "10.0.0.254"), ("10.2.0.0/16", "65000 9", "10.0.0.254")]
    data = drain(rib, 3)
    assert bytes([0x80, 9, 4, 1, 0, 0, 1, 0x80, 10, 4, 1, 1, 1, 1]) in data  # ORIGINATOR_ID 1.0.0.1, CLUSTER_LIST 1.1.1.1


def test_own_routes_have_tags_and_our_address() -> None:
    term = {"name": "spaces only", "match": {"from": ["vnet"]}, "do": [{"med": 9}, {"community_add": ["1:2"]}]}
    rib = make({1: config(1, export=[[term, {"name": "no", "then": "reject"}]]), 2: config(2, export=[[], [{"name": "x"}]])})
    rib.originate(TEN, '{"next_hop": "10.7.7.7", "tags": ["vnet"]}')
    rib.originate(prefix("11.0.0.0/8"), '{"next_hop": "10.7.7.7", "as_path": [5], "communities": ["2:2"]}')
    rib.process()
    assert [(text(r.prefix), r.as_path, r.next_hop, r.med, r.communities) for r in rib.advertised(1)] == [
        ("10.0.0.0/8", "65000", "10.0.0.254", 9, ["1:2"])
    ]
    assert [r.as_path for r in rib.advertised(2)] == ["65000", "65000 5"]
    assert [r.tags for r in rib.candidates()] == [["self", "vnet"], ["self"]]
    with pytest.raises(ValueError, match=r"route 10\.0\.0\.0/8: unknown field"):
        rib.originate(TEN, '{"next_hop": "10.7.7.7", "colour": 1}')
    rib.withdraw(TEN)
    rib.process()
    assert rib.advertised(1) == []


def test_families_that_were_not_agreed_on_are_not_told() -> None:
    v6: dict[str, Any] = {"local_address": "fd00::fe", "peer_address": "fd00::1"}
    rib = make({1: config(1, **v6), 2: config(2), 3: config(3, **v6)})
    up(rib, 1, 3, families=[(1, 1), (2, 1)])
    receive(rib, 1, announce(row("fd01::/32", "65101", "fd00::1"), row("10.0.0.0/8")))
    drain(rib, 2)
    assert [text(r.prefix) for r in rib.advertised(2)] == ["10.0.0.0/8"]
    # Toward peer 3 the next hop of IPv4 would be an IPv6 address, which no message of ours can hold.
    assert told(rib, 3) == ["fd01::/32 65000 65101"]
    assert [r.next_hop for r in rib.advertised(3)] == ["fd00::fe"]


def test_a_two_octet_peer_reads_the_same_paths() -> None:
    rib = make([1, 2])
    up(rib, 2, four_octet_as=False)
    receive(rib, 1, announce(row("10.0.0.0/8", "65101 4200000000 {70000,3}")))
    receiver = Receiver(four_octet_as=False)
    receiver.read(drain(rib, 2))
    assert receiver.table == on_the_wire(rib.advertised(2), ebgp=True)
    assert receiver.table[TEN][0] == "65000 65101 4200000000 {3,70000}"


def test_a_summary_lives_as_long_as_one_contributor() -> None:
    """prefix_replace on export: one route, with an empty path; a contributor is not told of a summary of its own routes alone."""
    term = {"name": "sum", "match": {"prefix_within": ["10.0.0.0/8"]}, "do": [{"prefix_replace": ["10.0.0.0/8"]}]}
    rib = make({n: config(n, export=[[term]]) for n in (1, 2, 3)})
    receive(rib, 1, announce(row("10.1.0.0/16"), row("10.3.0.0/16"), row("172.16.0.0/12")))
    assert told(rib, 3) == ["172.16.0.0/12 65000 65101", "10.0.0.0/8 65000"]
    assert (told(rib, 1), len(told(rib, 2))) == ([], 2)
    receive(rib, 2, announce(row("10.2.0.0/16", "65102", "10.0.0.2")))
    assert (told(rib, 1), told(rib, 3)) == (["10.0.0.0/8 65000"], [])
    receive(rib, 1, withdraw("10.1.0.0/16", "10.3.0.0/16"))
    assert (told(rib, 1), told(rib, 2), told(rib, 3)) == ([], ["-10.0.0.0/8"], [])
    receive(rib, 2, withdraw("10.2.0.0/16"))
    assert (told(rib, 1), told(rib, 3)) == (["-10.0.0.0/8"], ["-10.0.0.0/8"])


def test_a_summary_on_import() -> None:
    term = {"name": "sum", "match": {"prefix_within": ["10.0.0.0/8"]}, "do": [{"prefix_replace": ["10.0.0.0/8", "11.0.0.0/8"]}]}
    rib = make({1: config(1, **{"import": [term]}), 2: config(2)})
    receive(rib, 1, announce(row("10.1.0.0/16"), row("10.2.0.0/16"), row("11.0.0.0/8", "65101 7")))
    assert [(text(r.prefix), r.as_path) for r in rib.candidates()] == [("10.0.0.0/8", ""), ("11.0.0.0/8", "")]
    receive(rib, 1, withdraw("10.1.0.0/16"))
    assert [text(r.prefix) for r in rib.candidates()] == ["10.0.0.0/8", "11.0.0.0/8"]
    receive(rib, 1, withdraw("10.2.0.0/16"))
    assert [(text(r.prefix), r.as_path) for r in rib.candidates()] == [("11.0.0.0/8", "65101 7")]
    rib.set_peer(1, config(1))
    rib.process()
    assert [(text(r.prefix), r.as_path) for r in rib.candidates()] == [("11.0.0.0/8", "65101 7")]


def test_another_export_policy_is_followed_without_telling_anything_twice() -> None:
    keep = {"name": "not 11", "match": {"prefix_equals": ["11.0.0.0/8"]}, "then": "reject"}
    rib = make([1, 2, 3])
    receive(rib, 1, announce(row("10.0.0.0/8"), row("11.0.0.0/8")))
    drain(rib, 2)
    rib.set_peer(2, config(2, export=[[keep]]))
    assert told(rib, 2) == ["-11.0.0.0/8"]
    rib.set_peer(2, config(2, export=[[{"name": "p", "do": [{"prepend": [65000, 7]}]}]]))
    assert told(rib, 2) == ["10.0.0.0/8 65000 65000 7 65101", "11.0.0.0/8 65000 65000 7 65101"]
    rib.set_peer(2, config(2))
    rib.set_peer(2, config(2, export=[[{"name": "p", "do": [{"prepend": [65000, 7]}]}]]))
    assert told(rib, 2) == []
    assert told(rib, 3) == ["10.0.0.0/8 65000 65101", "11.0.0.0/8 65000 65101"]


def test_a_refresh_brings_all_of_a_family_again() -> None:
    rib = make([1, 2])
    receive(rib, 1, announce(row("10.0.0.0/8"), row("11.0.0.0/8")))
    drain(rib, 2)
    rib.refresh(2, 2, 1)
    assert told(rib, 2) == []
    rib.refresh(2, 1, 1)
    receive(rib, 1, withdraw("11.0.0.0/8"))
    assert told(rib, 2) == ["-11.0.0.0/8", "10.0.0.0/8 65000 65101"]
    assert told(rib, 2) == []


def test_output_is_whole_messages_of_about_the_size_asked_for() -> None:
    rib = make([1, 2])
    receive(rib, 1, announce(*(row(f"10.{n // 256}.{n % 256}.0/24", f"65101 {1 + n // 10}") for n in range(3000))))
    receiver, pieces = Receiver(), 0
    while piece := rib.output(2, 500):
        assert len(piece) <= 500
        receiver.read(piece)
        pieces += 1
    assert pieces > 10
    assert receiver.table == on_the_wire(rib.advertised(2), ebgp=True)


def test_a_slow_peer_is_caught_up_from_the_table() -> None:
    """It misses more changes than the log holds; then it is told the difference, and nothing that it need not be told."""
    rib = make([1, 2, 3])
    receiver = Receiver()
    names = [row(f"10.{n // 256}.{n % 256}.0/24") for n in range(5000)]
    receive(rib, 1, announce(*names))
    receiver.read(rib.output(2, 5000))
    for turn in range(30):
        receive(rib, 1, announce(*({**n, "as_path": f"65101 {turn % 7 + 1}"} for n in names)))
        drain(rib, 3)
    receive(rib, 1, withdraw(*(n["prefix"] for n in names[1000:4500])))
    receive(rib, 1, announce(*names[:10]))
    receiver.read(drain(rib, 2, 3000))
    assert len(receiver.table) == 1500
    assert receiver.table == on_the_wire(rib.advertised(2), ebgp=True)


# --- the state is what a fresh RIB reaches --------------------------------------------------------------------------------


def summary_of(rib: Rib, peers: dict[int, str]) -> dict[str, object]:
    return {
        "candidates": plain(rib.candidates()),
        "rejected": plain(rib.rejected()),
        "best": rib.best(),
        "received": {n: plain(rib.received(n)) for n in peers},
        "advertised": {n: plain(rib.advertised(n)) for n in peers},
        **{f"explain {n}": rib.explain_export(n, TEN) + rib.explain_import(n, TEN) for n in peers},
    }


PREFIXES = ["10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.2.0.0/16", "10.3.0.0/16", "172.16.0.0/12", "0.0.0.0/0"]
TERMS: list[dict[str, Any]] = [
    {"name": "drop", "match": {"prefix_equals": ["10.2.0.0/16"]}, "then": "reject"},
    {"name": "tag", "match": {"as_path_contains": [7]}, "do": [{"community_add": ["1:1"]}], "then": "continue"},
    {"name": "prefer", "match": {"community_any": ["1:1"]}, "do": [{"local_preference": 200}, {"weight": 7}]},
    {"name": "sum", "match": {"prefix_within": ["10.0.0.0/8"]}, "do": [{"prefix_replace": ["10.0.0.0/8"]}], "then": "continue"},
    {"name": "two", "match": {"prefix_equals": ["10.3.0.0/16"]}, "do": [{"prefix_replace": ["10.1.0.0/16", "10.2.0.0/16"]}, {"prepend": [8]}]},
    {"name": "from", "match": {"from": ["peer1", "self"]}, "do": [{"med": 4}], "then": "continue"},
    {"name": "no 2", "match": {"from": ["peer2"], "ebgp": True}, "then": "reject"},
    {"name": "next", "do": [{"next_hop": "10.0.0.77"}], "then": "continue"},
]  # fmt: skip


def random_config(chance: random.Random, number: int) -> str:
    def terms() -> list[dict[str, Any]]:
        return chance.sample(TERMS, chance.choice((0, 0, 1, 2, 3)))

    return config(
        number,
        **({"asn": 65000, "ebgp": False, "reflector_client": chance.random() < 0.5} if number > 3 else {}),
        usable=chance.random() < 0.9,
        route_class=chance.choice(("er", "nva")),
        next_hop=chance.choice(("self", "unchanged")),
        allowas_in=chance.choice((0, 0, 1)),
        transparent=chance.random() < 0.3,
        own=chance.choice(("none", "second")),
        discard_med=chance.random() < 0.2,
        checks=[{"name": "c", "match": {"as_path_contains": [9]}, "then": "reject", "reason": "branch-tag"}]
        if chance.random() < 0.3
        else [],
        **{"import": terms()},
        export=chance.choice(([], [], [terms()], [terms(), terms()])),
    )


def random_row(chance: random.Random, number: int) -> dict[str, Any]:
    path = " ".join(
        map(str, [65100 + number] * (number <= 3) + chance.choices((6, 7, 8, 9, 65000), (6, 6, 6, 2, 1), k=chance.randint(0, 2)))
    )
    given = {"med": chance.choice((None, 1, 2)), "communities": chance.choice(([], [], ["1:1"], ["no-export"]))}
    return row(chance.choice(PREFIXES), path, f"10.0.0.{number}", **given)


@pytest.mark.parametrize("seed", range(60))
def test_after_random_changes_the_state_is_that_of_a_fresh_rib(seed: int) -> None:
    """Announcements, withdrawals, sessions, policies, origins in any order; each peer's table is rebuilt from the bytes that it was sent."""
    chance = random.Random(seed)
    peers = {n: random_config(chance, n) for n in (1, 2, 3, 4, 5)}
    rib = make(peers)
    sent: dict[int, dict[str, dict[str, Any]]] = {n: {} for n in peers}
    own: dict[str, str] = {}
    down: set[int] = set()
    receivers = {n: Receiver(reflected=n > 3) for n in peers}
    for _ in range(120):
        number = chance.choice(list(peers))
        match chance.choices(("announce", "withdraw", "flap", "config", "own", "read", "refresh", "move"), (30, 12, 3, 8, 4, 20, 2, 3))[0]:
            case "announce" if number not in down:
                rows = {r["prefix"]: r for r in (random_row(chance, number) for _ in range(chance.randint(1, 3)))}
                sent[number].update(rows)
                assert rib.receive(number, announce(*rows.values())) is None
            case "withdraw" if number not in down:
                gone = chance.sample(PREFIXES, 2)
                sent[number] = {p: r for p, r in sent[number].items() if p not in gone}
                assert rib.receive(number, withdraw(*gone)) is None
            case "flap" if number in down:
                down.remove(number)
                up(rib, number)
            case "flap":
                down.add(number)
                rib.peer_down(number)
                sent[number], receivers[number] = {}, Receiver(reflected=number > 3)
            case "config":
                peers[number] = random_config(chance, number)
                rib.set_peer(number, peers[number])
            case "move":  # all get the same policy, so that groups merge
                export = [chance.sample(TERMS, 2)]
                for n in peers:
                    peers[n] = json.dumps({**json.loads(peers[n]), "export": export})
                    rib.set_peer(n, peers[n])
            case "own":
                p = chance.choice(PREFIXES)
                own.pop(p, None)
                if chance.random() < 0.6:
                    own[p] = json.dumps({"next_hop": "10.0.0.254", "communities": chance.choice(([], ["1:1"]))})
                    rib.originate(prefix(p), own[p])
                else:
                    rib.withdraw(prefix(p))
            case "refresh":
                rib.refresh(number, 1, 1)
                receivers[number].read(drain(rib, number), exact=False)
            case "read":
                receivers[number].read(rib.output(number, chance.choice((60, 200, 65536))))
        if chance.random() < 0.5:
            rib.process()
    rib.process()
    for n in peers:
        receivers[n].read(drain(rib, n, chance.choice((100, 65536))))
        told_now = on_the_wire(rib.advertised(n), ebgp=n <= 3)
        assert receivers[n].table == told_now, f"peer {n} holds something else than what it was to be told"
    assert rib.pending() == []

    fresh = make({})
    chance.shuffle(order := list(peers))
    for n in order:
        fresh.set_peer(n, peers[n])
        if n not in down:
            up(fresh, n)
    for p, attributes in own.items():
        fresh.originate(prefix(p), attributes)
    for n in order:
        chance.shuffle(rows_of := list(sent[n].values()))
        for r in rows_of:
            assert fresh.receive(n, announce(r)) is None
    fresh.process()
    # router IDs of peers that are down are not the same, but they have no routes
    assert summary_of(rib, peers) == summary_of(fresh, peers)


def test_the_order_of_arrival_changes_nothing() -> None:
    messages = [
        (1, announce(row("10.0.0.0/8", "65101 1", med=3))),
        (2, announce(row("10.0.0.0/8", "65101 1", "10.0.0.2", med=1))),
        (3, announce(row("10.0.0.0/8", "65103 1", "10.0.0.3"))),
        (4, announce(row("10.0.0.0/8", "65103 1", "10.0.0.4", med=2))),
    ]
    results = []
    for order in itertools.permutations(messages):
        rib = make([1, 2, 3, 4])
        for number, data in order:
            receive(rib, number, data)
        results.append((plain(rib.candidates()), [plain(rib.advertised(n)) for n in (1, 2, 3, 4)]))
    assert all(result == results[0] for result in results)
    assert [r[12] for r in results[0][0]] == [None, "router-id", "med", "med"]


# --- policy -------------------------------------------------------------------------------------------------------------


def random_terms(chance: random.Random) -> list[dict[str, Any]]:
    asns, communities = [64512, 65001, 65002, 3, 4200000000], ["1:1", "1:2", "65517:65517", "2:1"]
    some: dict[str, Any] = {
        "prefix_equals": lambda: chance.sample(PREFIXES, 3),
        "prefix_within": lambda: chance.sample(PREFIXES[:-1], 2),
        "as_path_equals": lambda: chance.choices(asns[:2], k=chance.randint(0, 2)),
        "as_path_contains": lambda: chance.sample(asns, 2),
        "as_path_leading_even": lambda: chance.choice(asns[:3]),
        "community_all": lambda: chance.sample(communities, chance.randint(0, 2)),
        "community_any": lambda: chance.sample(communities, chance.randint(0, 3)),
        "community_high": lambda: chance.choice((1, 65517)),
        "from": lambda: chance.sample(["peer1", "peer2", "nva"], chance.randint(0, 2)),
        "ebgp": lambda: chance.random() < 0.7,
    }
    actions: dict[str, Any] = {
        "prepend": lambda: chance.choices(asns, k=chance.randint(0, 3)),
        "path_replace": lambda: chance.choices(asns, k=chance.randint(0, 2)),
        "path_remove": lambda: chance.sample(asns, 2),
        "path_substitute": lambda: {"from": chance.choice(asns), "to": chance.choice(asns)},
        "remove_private": lambda: True,
        "community_add": lambda: chance.sample(communities, 2),
        "community_replace": lambda: chance.sample(communities, chance.randint(0, 2)),
        "community_remove": lambda: chance.sample(communities, 2),
        "local_preference": lambda: chance.randint(0, 300),
        "med": lambda: chance.choice((None, 1, 2)),
        "next_hop": lambda: chance.choice(("10.0.0.9", "self", "unchanged")),
        "weight": lambda: chance.randint(0, 9),
        "prefix_replace": lambda: [str(n) for n in chance.sample(PREFIXES[1:], chance.randint(1, 2))],
    }
    return [
        {
            "name": f"t{n}",
            "match": {key: some[key]() for key in chance.sample(list(some), chance.choice((0, 1, 1, 2)))},
            "do": [{key: actions[key]()} for key in chance.sample(list(actions), chance.choice((0, 1, 2)))],
            "then": chance.choice(("continue", "continue", "accept", "reject")),
        }
        for n in range(chance.randint(0, 4))
    ]


def test_policies_do_what_the_oracle_does() -> None:
    chance = random.Random(1)
    outcomes = set()
    for _ in range(3000):
        terms = random_terms(chance)
        ebgp = chance.random() < 0.8
        route = oracle.Working(
            prefix=ipaddress.ip_network(chance.choice(PREFIXES)),
            as_path=tuple(chance.choices((64512, 65001, 65001, 3, 4200000000), k=chance.randint(1, 4))),
            next_hop="10.0.0.1",
            communities=frozenset(chance.sample(["1:1", "1:2", "65517:65517", "2:1"], chance.randint(0, 3))),
            med=chance.choice((None, 5)),
        )
        facts = oracle.Facts(tags=("peer1", "nva"), ebgp=ebgp, local_address="10.0.0.254", next_hop="10.0.0.1")
        expected = oracle.run(terms, route, facts)
        rib = make({1: config(1, ebgp=ebgp, tags=["peer1", "nva"], **{"import": terms})})
        path = " ".join(map(str, route.as_path))
        receive(rib, 1, announce(row(str(route.prefix), path, med=route.med, communities=sorted(route.communities))))
        if isinstance(expected, oracle.Refused):
            assert [(r.reason, r.detail) for r in rib.rejected()] == [("policy", expected.term)], terms
            assert rib.candidates() == []
            outcomes.add("refused")
            continue
        got = {
            (text(r.prefix), r.as_path, r.next_hop, frozenset(r.communities), r.local_preference, r.med, r.weight) for r in rib.candidates()
        }
        wanted = {}
        for r in expected:
            local_preference = 100 if r.local_preference is None else r.local_preference
            fields = (" ".join(map(str, r.as_path)), r.next_hop, r.communities, local_preference, r.med, r.weight)
            wanted[str(r.prefix)] = (str(r.prefix), *fields)
        assert got == set(wanted.values()), terms
        outcomes.add(len(wanted))
    assert {"refused", 1, 2} <= outcomes


# --- questions ----------------------------------------------------------------------------------------------------------


def test_explanations_agree_with_what_happened() -> None:
    rule = {"name": "longer", "do": [{"prepend": [7]}], "then": "continue"}
    stop = {"name": "not to 3", "then": "reject"}
    rib = make({1: config(1, **{"import": [rule]}), 2: config(2), 3: config(3, export=[[stop]])})
    receive(rib, 1, announce(row("10.0.0.0/8"), row("11.0.0.0/8", "65101 65000")))
    steps = json.loads(rib.explain_import(1, TEN))
    assert [(s["step"], s["effect"], s["term"]) for s in steps] == [
        ("invalid", "pass", None), ("as-loop", "pass", None), ("cluster-loop", "pass", None), ("import", "change", "longer"),
    ]  # fmt: skip
    assert (steps[-1]["before"]["as_path"], steps[-1]["after"]["as_path"]) == ("65101", "7 65101")
    assert json.loads(rib.explain_import(1, prefix("11.0.0.0/8")))[-1]["effect"] == "reject"
    assert json.loads(rib.explain_import(1, prefix("12.0.0.0/8"))) == []
    ends = {n: json.loads(rib.explain_export(n, TEN))[-1] for n in (1, 2, 3)}
    assert (ends[1]["step"], ends[1]["reason"]) == ("split-horizon", "split-horizon")
    assert (ends[2]["step"], ends[2]["effect"], ends[2]["after"]["as_path"]) == ("next-hop", "change", rib.advertised(2)[0].as_path)
    assert (ends[3]["step"], ends[3]["effect"], ends[3]["term"], ends[3]["reason"]) == ("export", "reject", "not to 3", "policy")


def test_changes_are_recorded_from_the_first_question_on() -> None:
    rib = make([1, 2])
    receive(rib, 1, announce(row("10.0.0.0/8")))
    assert rib.changes() == []
    version = rib.version()
    receive(rib, 1, announce(row("12.0.0.0/8"), row("11.0.0.0/8")))
    receive(rib, 1, withdraw("10.0.0.0/8"))
    assert [text(p) for p in rib.changes()] == ["10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8"]
    assert rib.version() > version
    version = rib.version()
    receive(rib, 2, announce(row("12.0.0.0/8", "65102 1", "10.0.0.2")))
    assert (rib.changes(), rib.version()) == ([], version)


def test_the_longest_match_wins() -> None:
    rib = make({1: config(1), 2: config(2, usable=False)})
    receive(rib, 1, announce(row("0.0.0.0/0"), row("10.0.0.0/8")))
    receive(rib, 2, announce(row("10.1.0.0/16", next_hop="10.0.0.2")))
    assert [text(r.prefix) for r in rib.lookup("10.1.1.1")] == ["10.0.0.0/8"]
    assert [text(r.prefix) for r in rib.lookup("11.1.1.1")] == ["0.0.0.0/0"]
    assert rib.lookup("fd00::1") == []
    table = Table([(prefix("10.0.0.0/8"), 1), (prefix("10.1.0.0/16"), 2), (prefix("fd00::/8"), 3)])
    assert table.lookup(4, prefix("10.1.2.3/32")[1]) == (prefix("10.1.0.0/16"), 2)
    assert table.lookup(4, prefix("10.2.2.3/32")[1]) == (prefix("10.0.0.0/8"), 1)
    assert table.lookup(4, 1) is None
    with pytest.raises(ValueError, match="no address"):
        table.lookup(4, 1 << 32)


def test_the_last_round_is_always_the_peer() -> None:
    rib = make({1: config(1), 2: config(2, peer_address="10.0.0.1")}, rounds=[r for r in ROUNDS if r not in ("peer", "router-id")])
    for n in (2, 1):
        receive(rib, n, announce(row("10.0.0.0/8", "5")))
    assert [(r.peer, r.lost_in) for r in rib.candidates()] == [(1, None), (2, "peer")]
