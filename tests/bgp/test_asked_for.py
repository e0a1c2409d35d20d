"""What a peer's configuration may ask for beside its policies: RFC 4271 section 6.3, 6890, 8212, 9234, 9774; and families that were not agreed on."""

import re
import struct
from typing import Any

import pytest

from dualhome._core import Rib
from dualhome.check.facts import FIXED_RULES
from tests.bgp.rib_help import config, make, text, told
from tests.consoles import ROOT

ORIGIN = bytes.fromhex("400101" + "00")
NEXT_HOP = bytes.fromhex("400304" + "0a000001")
IPV4 = bytes([24, 10, 1, 1])


def path(*segments: tuple[int, list[int]]) -> bytes:
    value = b"".join(bytes([kind, len(asns)]) + struct.pack(f">{len(asns)}I", *asns) for kind, asns in segments)
    return bytes([0x40, 2, len(value)]) + value


def otc(asn: int) -> bytes:
    return bytes([0xC0, 35, 4]) + struct.pack(">I", asn)


def update(*attributes: bytes, nlri: bytes = IPV4) -> bytes:
    block = b"".join(attributes)
    body = struct.pack(">HH", 0, len(block)) + block + nlri
    return b"\xff" * 16 + struct.pack(">HB", 19 + len(body), 2) + body


SEQUENCE = path((2, [65101, 7]))


def reasons(rib: Rib, peer: int = 1) -> list[str | None]:
    return [row.reason for row in rib.rejected(peer)]


def heard(attributes: tuple[bytes, ...], nlri: bytes = IPV4, **given: Any) -> Rib:
    """Peer 1, so configured, announced this; peer 2 is plain."""
    rib = make({1: config(1, **given), 2: config(2)})
    assert rib.receive(1, update(*attributes, nlri=nlri)) is None
    rib.process()
    return rib


@pytest.mark.parametrize("where", [((2, [65101]), (1, [7, 8])), ((1, [7]),), ((1, [7]), (2, [8]))])
def test_a_path_with_an_as_set_is_as_if_withdrawn(where: tuple[tuple[int, list[int]], ...]) -> None:
    attributes = (ORIGIN, path(*where), NEXT_HOP)
    assert reasons(heard(attributes)) == []
    rib = heard(attributes, reject_as_sets=True)
    assert reasons(rib) == ["invalid"]
    assert "AS_SET" in (rib.rejected(1)[0].detail or "")
    assert told(rib, 2) == []


@pytest.mark.parametrize("first", [[7, 65101], [7], []])
def test_an_external_path_begins_with_the_peer(first: list[int]) -> None:
    attributes = (ORIGIN, path((2, first)) if first else path(), NEXT_HOP)
    assert reasons(heard(attributes)) == []
    assert reasons(heard(attributes, first_as=True)) == ["first-as"]
    assert reasons(heard((ORIGIN, SEQUENCE, NEXT_HOP), first_as=True)) == []
    assert reasons(heard(attributes, first_as=True, ebgp=False)) == []


def test_prefixes_that_are_nobodys_are_refused() -> None:
    nlri = bytes([8, 127, 16, 169, 254, 4, 224, 8, 10, 0, 24, 0, 1, 2])
    rib = heard((ORIGIN, SEQUENCE, NEXT_HOP), nlri=nlri, reject_martians=True)
    assert [(text(row.prefix), row.reason) for row in rib.rejected(1)] == [
        (prefix, "martian") for prefix in ("0.1.2.0/24", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4")
    ]
    assert sorted(told(rib, 2)) == ["0.0.0.0/0 65000 65101 7", "10.0.0.0/8 65000 65101 7"]


def test_our_own_address_is_no_next_hop() -> None:
    ours = bytes.fromhex("400304" + "0a0000fe")
    assert reasons(heard((ORIGIN, SEQUENCE, ours))) == []
    rib = heard((ORIGIN, SEQUENCE, ours), reject_own_next_hop=True)
    assert reasons(rib) == ["own-next-hop"]
    assert rib.rejected(1)[0].detail == "next hop 10.0.0.254 is our own address"
    assert told(rib, 2) == []
    rib = heard((ORIGIN, SEQUENCE, NEXT_HOP), reject_own_next_hop=True)
    assert (reasons(rib), told(rib, 2)) == ([], ["10.1.1.0/24 65000 65101 7"])


@pytest.mark.parametrize(
    ("key", "attributes", "reason"),
    [
        ("reject_as_sets", (ORIGIN, path((2, [65101]), (1, [7, 8])), NEXT_HOP), "invalid"),
        ("reject_own_next_hop", (ORIGIN, SEQUENCE, bytes.fromhex("400304" + "0a0000fe")), "own-next-hop"),
        ("first_as", (ORIGIN, path((2, [7])), NEXT_HOP), "first-as"),
        ("requires_policy", (ORIGIN, SEQUENCE, NEXT_HOP), "no-import-policy"),
    ],
)
def test_what_is_there_already_is_judged_anew(key: str, attributes: tuple[bytes, ...], reason: str) -> None:
    rib = heard(attributes)
    assert (reasons(rib), len(told(rib, 2))) == ([], 1)
    rib.set_peer(1, config(1, **{key: True}))
    rib.process()
    assert (reasons(rib), told(rib, 2)) == ([reason], ["-10.1.1.0/24"])
    rib.set_peer(1, config(1))
    rib.process()
    assert (reasons(rib), len(told(rib, 2))) == ([], 1)


def test_without_a_policy_nothing_is_let_in_or_told() -> None:
    assert reasons(heard((ORIGIN, SEQUENCE, NEXT_HOP), requires_policy=True)) == ["no-import-policy"]
    letting = [{"name": "all"}]
    assert reasons(heard((ORIGIN, SEQUENCE, NEXT_HOP), requires_policy=True, **{"import": letting})) == []
    rib = make({1: config(1), 2: config(2, requires_policy=True), 3: config(3, requires_policy=True, export=[letting])})
    assert rib.receive(1, update(ORIGIN, SEQUENCE, NEXT_HOP)) is None
    rib.process()
    assert (told(rib, 2), told(rib, 3)) == ([], ["10.1.1.0/24 65000 65101 7"])


@pytest.mark.parametrize(
    ("role", "sent", "reason", "held"),
    [  # RFC 9234 section 5, ingress; the role is ours
        ("provider", 7, "route-leak", None),
        ("rs", 7, "route-leak", None),
        ("peer", 7, "route-leak", None),
        ("peer", 65101, None, 65101),
        ("customer", 7, None, 7),
        ("rs-client", 7, None, 7),
        ("provider", None, None, None),
        ("rs", None, None, None),
        ("peer", None, None, 65101),
        ("customer", None, None, 65101),
        ("rs-client", None, None, 65101),
    ],
)
def test_only_to_customer_on_the_way_in(role: str, sent: int | None, reason: str | None, held: int | None) -> None:
    attributes = (ORIGIN, SEQUENCE, NEXT_HOP, *([otc(sent)] if sent is not None else []))
    rib = heard(attributes, role=role)
    assert reasons(rib) == ([reason] if reason else [])
    data = rib.output(2)
    if reason:
        assert data == b""
    else:
        assert (otc(held) if held else bytes([0xC0, 35])) in data or held is None
        assert (bytes([0xC0, 35, 4]) in data) == (held is not None)


@pytest.mark.parametrize(
    ("role", "carries", "goes_with"),
    [  # RFC 9234 section 5, egress
        ("provider", None, 65000),
        ("peer", None, 65000),
        ("rs", None, 65000),
        ("provider", 7, 7),
        ("rs", 7, 7),
        ("customer", 7, False),
        ("peer", 7, False),
        ("rs-client", 7, False),
        ("customer", None, None),
        ("rs-client", None, None),
    ],
)
def test_only_to_customer_on_the_way_out(role: str, carries: int | None, goes_with: int | bool | None) -> None:
    rib = make({1: config(1), 2: config(2, role=role)})
    attributes = (ORIGIN, SEQUENCE, NEXT_HOP, *([otc(carries)] if carries else []))
    assert rib.receive(1, update(*attributes)) is None
    rib.process()
    data = rib.output(2)
    if goes_with is False:
        assert data == b""
    else:
        assert data != b""
        assert (bytes([0xC0, 35, 4]) in data) == (goes_with is not None)
        assert goes_with is None or otc(int(goes_with)) in data


@pytest.mark.parametrize("size", [0, 1, 3, 5, 8])
def test_a_malformed_only_to_customer_withdraws(size: int) -> None:
    rib = heard((ORIGIN, SEQUENCE, NEXT_HOP, bytes([0xC0, 35, size]) + bytes(size)))
    assert reasons(rib) == ["invalid"]


@pytest.mark.parametrize("flags", [0x80, 0xC0])
def test_aigp_is_never_passed_on(flags: int) -> None:
    aigp = bytes([flags, 26, 11, 1, 0, 11]) + bytes(8)
    rib = heard((ORIGIN, SEQUENCE, NEXT_HOP, aigp))
    assert reasons(rib) == []
    assert bytes([26, 11, 1]) not in rib.output(2)


def test_ipv6_extended_communities_are_passed_on_whole_or_withdraw() -> None:
    good = bytes([0xC0, 25, 20]) + bytes(range(20))
    assert good in heard((ORIGIN, SEQUENCE, NEXT_HOP, good)).output(2)
    for size in (0, 19, 21):
        assert reasons(heard((ORIGIN, SEQUENCE, NEXT_HOP, bytes([0xC0, 25, size]) + bytes(size)))) == ["invalid"]


def test_prefixes_of_families_that_were_not_agreed_on_are_ignored() -> None:
    reach = bytes.fromhex("800e1a" + "000201" + "10" + "fd000000000000000000000000000001" + "00" + "2020010db8")
    ipv6 = update(ORIGIN, SEQUENCE, reach, nlri=b"")
    for families, ipv4_held, ipv6_held in (([(1, 1)], 1, 0), ([(2, 1)], 0, 1), ([(1, 1), (2, 1)], 1, 1)):
        rib = make((1, 2))
        for number in (1, 2):
            rib.peer_down(number)
            rib.peer_up(number, four_octet_as=True, families=families, max_message=4096, router_id=f"2.2.2.{number}")
        assert rib.receive(1, update(ORIGIN, SEQUENCE, NEXT_HOP)) is None
        assert rib.receive(1, ipv6) is None
        rib.process()
        versions = [row.prefix[0] for row in rib.received(1)]
        assert (versions.count(4), versions.count(6)) == (ipv4_held, ipv6_held), families


def test_the_second_best_is_told_where_the_best_is_refused_to_all() -> None:
    refuse = [[{"name": "not those of 1", "match": {"from": ["peer1"]}, "then": "reject"}]]
    rib = make({n: config(n, own="second", export=refuse) for n in (1, 2, 3)})
    assert rib.receive(1, update(ORIGIN, path((2, [65101])), NEXT_HOP)) is None
    assert rib.receive(2, update(ORIGIN, path((2, [65102, 7])), NEXT_HOP)) is None
    rib.process()
    assert told(rib, 1) == ["10.1.1.0/24 65000 65102 7"]
    assert (told(rib, 2), told(rib, 3)) == ([], [])
    assert [rib.counts(n)[2] for n in (1, 2, 3)] == [1, 0, 0]


def test_what_a_session_brought_is_counted() -> None:
    rib = make((1, 2))
    unknown_origin = bytes.fromhex("400101" + "07")
    long_aggregator = bytes([0xC0, 7, 1, 0])
    for message in (
        update(ORIGIN, SEQUENCE, NEXT_HOP, nlri=IPV4 + bytes([8, 20])),
        update(unknown_origin, SEQUENCE, NEXT_HOP),
        update(ORIGIN, SEQUENCE, NEXT_HOP, long_aggregator),
        b"\xff" * 16 + bytes.fromhex("001b02" + "0004" + "180a0101" + "0000"),
    ):
        assert rib.receive(1, message) is None
    rib.process()
    drained = rib.output(2)
    assert drained
    numbers = rib.peer_statistics(1)
    assert {key: value for key, value in numbers.items() if key.startswith("malformed/")} == {
        "malformed/ORIGIN/treat-as-withdraw": 1,
        "malformed/AGGREGATOR/attribute-discard": 1,
    }
    assert (numbers["updates_in"], numbers["announced_in"], numbers["withdrawn_in"]) == (4, 4, 1)
    assert rib.peer_statistics(2)["updates_out"] >= 1
    error = rib.receive(1, update(ORIGIN, SEQUENCE, NEXT_HOP, nlri=bytes([33, 1, 2, 3, 4, 5])))
    assert error is not None
    assert rib.peer_statistics(1)["malformed/message/session-reset"] == 1


def test_routes_that_no_message_can_hold_are_not_told_and_counted() -> None:
    rib = Rib(asn=65000, router_id="1.1.1.1", rounds=["next-hop", "as-path", "|", "peer"])
    for number, most in ((1, 65535), (2, 4096), (3, 65535)):
        rib.set_peer(number, config(number))
        rib.peer_up(number, four_octet_as=True, families=[(1, 1)], max_message=most, router_id=f"2.2.2.{number}")
        rib.output(number)
    large = b"".join(struct.pack(">I", 65101 << 16 | n) for n in range(1100))
    communities = bytes([0xD0, 8]) + struct.pack(">H", len(large)) + large
    assert rib.receive(1, update(ORIGIN, SEQUENCE, NEXT_HOP, communities)) is None
    rib.process()
    assert (told(rib, 2), told(rib, 3)) == ([], ["10.1.1.0/24 65000 65101 7"])
    assert [rib.peer_statistics(n)["too_long_out"] for n in (1, 2, 3)] == [0, 1, 0]
    assert rib.statistics()["too_long_out"] == 1
    assert "too-long" in rib.explain_export(2, (4, 10 << 24 | 1 << 16 | 1 << 8, 24))


def test_each_refusal_that_can_be_asked_for_names_its_source() -> None:
    source = (ROOT / "crates" / "core" / "src" / "rib" / "adj_in.rs").read_text("utf-8")
    steps = set(re.findall(r'steps\.push\(\(\s*"([a-z-]+)"', source))
    assert {"own-next-hop", "first-as", "martian", "route-leak"} <= steps
    assert steps <= set(FIXED_RULES)
