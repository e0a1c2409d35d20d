"""Pages of a RIB's tables: prefixes in order, from any place on, and paths as octets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualhome import _core
from dualhome.bgp.policy import PeerPolicy, Term
from dualhome.net import Prefix

ROUNDS = ["local-preference", "as-path", "origin", "|", "router-id", "peer"]
LOOP = "65515"


def rib(rules: tuple[Term, ...] = ()) -> _core.Rib:
    """Two peers, of both families; AS65515 is our own."""
    made = _core.Rib(asn=65515, router_id="10.0.0.4", rounds=ROUNDS)
    for number in (0, 1):
        policy = PeerPolicy(
            name=f"p{number}",
            asn=65001 + number,
            ebgp=True,
            local_address="10.0.0.4",
            peer_address=f"10.0.0.{5 + number}",
            tags=("nva",),
            rules=rules,
        )
        made.set_peer(number, policy.json())
        made.peer_up(number, four_octet_as=True, families=[(1, 1), (2, 1)], max_message=4096, router_id=f"10.0.0.{5 + number}")
    return made


def announce(to: _core.Rib, peer: int, prefixes: list[str], path: str = "", **more: Any) -> None:
    rows = [
        {
            "prefix": prefix,
            "withdrawn": False,
            "next_hop": "fd00::5" if ":" in prefix else f"10.0.0.{5 + peer}",
            "as_path": f"{65001 + peer} {path}".strip(),
            "origin": "igp",
            **more,
        }
        for prefix in prefixes
    ]
    assert to.receive(peer, _core.encode_updates(json.dumps(rows))) is None


def texts(prefixes: list[Any]) -> list[str]:
    return [str(Prefix(*each)) for each in prefixes]


def test_prefixes_come_in_order_and_from_any_place_on() -> None:
    made = rib()
    announce(made, 0, ["10.2.0.0/16", "10.1.0.0/16", "10.1.0.0/24", "2001:db8::/32"])
    announce(made, 1, ["10.3.0.0/16", "10.1.0.0/16"], LOOP)
    assert texts(made.prefixes()) == ["10.1.0.0/16", "10.1.0.0/24", "10.2.0.0/16", "10.3.0.0/16", "2001:db8::/32"]
    assert texts(made.prefixes(1)) == ["10.1.0.0/16", "10.3.0.0/16"], "refused ones, too"
    assert texts(made.prefixes(0, None, 2)) == ["10.1.0.0/16", "10.1.0.0/24"]
    assert texts(made.prefixes(0, Prefix.parse("10.1.0.0/24"), 2)) == ["10.2.0.0/16", "2001:db8::/32"]
    assert texts(made.prefixes(None, Prefix.parse("10.1.128.0/17"), 1)) == ["10.2.0.0/16"], "one that isn't there is a place, too"
    assert made.prefixes(None, Prefix.parse("2001:db8::/32")) == []
    made.peer_down(0)
    made.process()
    assert texts(made.prefixes()) == ["10.1.0.0/16", "10.3.0.0/16"]
    with pytest.raises(ValueError, match="peer 7"):
        made.prefixes(7)


@given(st.sets(st.integers(0, 999), max_size=300), st.integers(1, 50))
@settings(deadline=None, max_examples=50)
def test_pages_join_without_gap_and_overlap(numbers: set[int], limit: int) -> None:
    made = rib()
    every = [Prefix(4, (10 << 24) + (number << 8), 24) for number in sorted(numbers)]
    announce(made, 0, [str(prefix) for prefix in every]) if every else None
    pages: list[Any] = []
    after = None
    while page := made.prefixes(0, after, limit):
        assert len(page) <= limit
        pages += page
        after = page[-1]
    assert pages == every


def test_paths_are_given_as_they_came_and_as_the_rules_left_them() -> None:
    rules = (
        Term(name="cut", match={"prefix_within": ["10.9.0.0/16"]}, then="reject", reason="policy"),
        Term(name="mark", do=({"community_add": ["65515:7"]},), then="accept"),
    )
    made = rib(rules)
    announce(made, 0, ["10.1.0.0/16", "10.2.0.0/16", "10.9.1.0/24"])
    announce(made, 1, ["10.1.0.0/16"], LOOP)
    announce(made, 0, ["2001:db8::/32"])
    all_of = [Prefix.parse(text) for text in ("10.1.0.0/16", "10.2.0.0/16", "10.9.1.0/24", "10.77.0.0/16", "2001:db8::/32")]
    plain, loop = "400101004002060201" + "0000fde9" + "4003040a000005", "4001010040020a0202" + "0000fdea" + "0000ffeb" + "4003040a000006"
    rows, blocks = made.blocks("received", None, all_of)
    told = [(str(Prefix(*prefix)), peer, blocks[place][0].hex(), blocks[place][1]) for prefix, peer, place in rows]
    assert told == [
        ("10.1.0.0/16", 0, plain, "10.0.0.5"),
        ("10.1.0.0/16", 1, loop, "10.0.0.6"),
        ("10.2.0.0/16", 0, plain, "10.0.0.5"),
        ("10.9.1.0/24", 0, plain, "10.0.0.5"),
        ("2001:db8::/32", 0, "400101004002060201" + "0000fde9", "fd00::5"),
    ]
    assert len(blocks) == 3, "equal ones once"
    rows, blocks = made.blocks("accepted", 0, all_of)
    told = [(str(Prefix(*prefix)), peer, blocks[place][0].hex(), blocks[place][1]) for prefix, peer, place in rows]
    assert told[:2] == [
        ("10.1.0.0/16", 0, plain + "c00804ffeb0007", "10.0.0.5"),
        ("10.2.0.0/16", 0, plain + "c00804ffeb0007", "10.0.0.5"),
    ]
    assert [row[0] for row in told[2:]] == ["2001:db8::/32"]
    assert made.blocks("accepted", 1, all_of) == ([], [])
    with pytest.raises(ValueError, match="'told' is neither received nor accepted"):
        made.blocks("told", None, [])


def test_what_is_withdrawn_for_a_fault_was_not_received() -> None:
    """RFC 7606 section 2: treat-as-withdraw, for an ORIGIN of 9. Unknown attributes are given as they came, with the Partial bit (RFC 4271 section 9)."""
    made = rib()
    path = "40020602010000fde9" + "4003040a000005"

    def update(attributes: str, nlri: str) -> bytes:
        body = bytes(2) + len(bytes.fromhex(attributes)).to_bytes(2) + bytes.fromhex(attributes + nlri)
        return b"\xff" * 16 + (19 + len(body)).to_bytes(2) + b"\x02" + body

    assert made.receive(0, update("40010100" + path, "100a01") + update("40010109" + path, "100a02")) is None
    assert made.receive(0, update("40010100" + path + "c0f103010203", "100a03")) is None
    rows, blocks = made.blocks("received", 0, made.prefixes(0))
    assert [str(Prefix(*prefix)) for prefix, _, _ in rows] == ["10.1.0.0/16", "10.3.0.0/16"]
    assert blocks[rows[1][2]][0].hex().endswith("f103010203")
