"""The strict reader takes what the core writes, and nothing that a careful speaker would not."""

from __future__ import annotations

import json

import pytest

from dualhome import _core
from dualhome.hunt import wire
from dualhome.hunt.wire import Agreed, MalformedError, read_open, read_update, split, write_attribute, write_update

EXTERNAL = Agreed(four_octet_as=True, longest=4096, families=((1, 1), (2, 1)), ebgp=True)
NET = (4, 0x0A000000, 8)
ORIGIN, PATH, VIA = (
    write_attribute(0x40, 1, b"\0"),
    write_attribute(0x40, 2, b"\2\1\0\0\xfd\xe9"),
    write_attribute(0x40, 3, b"\x0a\0\0\1"),
)


def test_an_open_of_ours() -> None:
    data = _core.encode_open(asn=4200000001, hold_time_s=9, router_id="1.2.3.4", families=[(1, 1), (2, 1)])
    [(kind, message)] = split(data)
    said = read_open(message)
    assert (kind, said.asn, said.hold_time_s, said.router_id, said.families) == (1, 4200000001, 9, "1.2.3.4", ((1, 1), (2, 1)))
    assert (said.four_octet_as, said.extended_message, said.route_refresh) == (True, True, True)


def test_a_restart_in_an_open() -> None:
    value = (0xC << 12 | 90).to_bytes(2) + b"\0\1\1\x80" + b"\0\2\1\0"
    data = _core.encode_open(
        asn=65001, hold_time_s=9, router_id="1.2.3.4", families=[(1, 1)], graceful_restart=False, more=[(64, value), (70, b"")]
    )
    said = read_open(data)
    assert said.enhanced_refresh
    assert said.restart == wire.Restart(has_restarted=True, on_notification=True, time_s=90, families=((1, 1), (2, 1)), forwards=((1, 1),))
    with pytest.raises(MalformedError, match="Graceful Restart: cut off"):
        wire.read_restart(value[:-1])


OLD = Agreed(four_octet_as=False, longest=4096, families=((1, 1),), ebgp=True)


def test_paths_of_two_octets() -> None:
    """RFC 6793 section 4.2: the core writes both attributes, and what it means is read again."""
    for path in ((65001, 65002), (65001, 4200000001), (4200000001, 65002, 4200000002)):
        row = {"prefix": "10.0.0.0/8", "as_path": " ".join(map(str, path)), "next_hop": "10.0.0.1"}
        [(_, message)] = split(_core.encode_updates(json.dumps([row]), False))
        update = read_update(message, OLD)
        assert update.announced[0][1].as_path == path
        assert not update.is_remarkable


@pytest.mark.parametrize(
    ("two", "four", "what"),
    [
        ("0201" + "5ba0", "", "AS_TRANS without AS4_PATH"),
        ("0201" + "fde9", "0202" + "0000fde9" + "0000fdea", "AS4_PATH"),
        ("0201" + "fde9", "0201" + "0000fdea", "AS4_PATH"),
        ("0201" + "5ba0", "0201" + "0000fdea", "AS4_PATH"),
        ("0201" + "5ba0", "0201" + "00000000", "AS 0"),
        ("0201" + "fde9", "0201" + "fa56ea01", "AS4_PATH"),
    ],
)
def test_paths_of_two_octets_that_are_refused(two: str, four: str, what: str) -> None:
    attributes = [ORIGIN, write_attribute(0x40, 2, bytes.fromhex(two)), VIA]
    attributes += [write_attribute(0xC0, 17, bytes.fromhex(four))] if four else []
    with pytest.raises(MalformedError, match=what):
        read_update(write_update(attributes, [NET], []), OLD)


def test_updates_of_ours() -> None:
    rows = [
        {"prefix": "10.0.0.0/8", "as_path": "65001 65002", "next_hop": "10.0.0.1", "med": 3, "communities": ["65001:7", "no-export"]},
        {"prefix": "fd01::/32", "as_path": "65001", "next_hop": "fd00::1"},
        {"prefix": "10.1.0.0/16", "withdrawn": True},
        {"prefix": "fd02::/32", "withdrawn": True},
    ]
    updates = [read_update(message, EXTERNAL) for _, message in split(_core.encode_updates(json.dumps(rows)))]
    announced = dict(pair for update in updates for pair in update.announced)
    assert announced[NET].as_path == (65001, 65002)
    assert (announced[NET].med, announced[NET].communities) == (3, (65001 << 16 | 7, 0xFFFFFF01))
    assert announced[6, 0xFD01 << 112, 32].next_hop == "fd00::1"
    assert {prefix for update in updates for prefix in update.withdrawn} == {(4, 0x0A010000, 16), (6, 0xFD02 << 112, 32)}


@pytest.mark.parametrize(
    ("attributes", "what"),
    [
        ([ORIGIN, PATH], "attributes"),
        ([ORIGIN, PATH, VIA, VIA], "attribute 3"),
        ([write_attribute(0xC0, 1, b"\0"), PATH, VIA], "attribute 1 with flags"),
        ([write_attribute(0x41, 1, b"\0"), PATH, VIA], "attribute 1, flags"),
        ([write_attribute(0x40, 1, b"\3"), PATH, VIA], "ORIGIN 3"),
        ([ORIGIN, write_attribute(0x40, 2, b"\1\1\0\0\xfd\xe9"), VIA], "segment of type 1"),
        ([ORIGIN, write_attribute(0x40, 2, b"\2\0"), VIA], "segment of type 2 and 0"),
        ([ORIGIN, write_attribute(0x40, 2, b"\2\1\0\0\0\0"), VIA], "AS 0"),
        ([ORIGIN, write_attribute(0x40, 2, b"\2\2\0\0\xfd\xe9"), VIA], "cut off"),
        ([ORIGIN, PATH, write_attribute(0x40, 3, b"\x7f\0\0\1")], "next hop 127.0.0.1"),
        ([ORIGIN, PATH, VIA, write_attribute(0x40, 5, b"\0\0\0\1")], "attributes"),
        ([ORIGIN, PATH, VIA, write_attribute(0xC0, 8, b"")], "attribute 8 of 0 octets"),
        ([ORIGIN, PATH, VIA, write_attribute(0xC0, 32, bytes(13))], "attribute 32 of 13 octets"),
        ([ORIGIN, PATH, VIA, write_attribute(0x40, 99, b"")], "well-known attribute 99"),
    ],
)
def test_what_is_refused(attributes: list[bytes], what: str) -> None:
    assert read_update(write_update([ORIGIN, PATH, VIA], [NET], []), EXTERNAL).announced
    with pytest.raises(MalformedError, match=what):
        read_update(write_update(attributes, [NET], []), EXTERNAL)


def test_prefixes_are_refused() -> None:
    with pytest.raises(MalformedError, match="host bits"):
        wire.read_prefixes(b"\x08\x0a\x0c\x0b\x01"[:2] + b"\x0c\x0b\x01", 4)
    with pytest.raises(MalformedError, match="a prefix length of 33"):
        wire.read_prefixes(b"\x21\x0a\0\0\0\0", 4)
    with pytest.raises(MalformedError, match="twice"):
        read_update(write_update([ORIGIN, PATH, VIA], [NET], [NET]), EXTERNAL)


@pytest.mark.parametrize(
    "data", [b"\0" * 19, wire.MARKER + b"\0\x12\4", wire.message(4, b"\0"), wire.message(9, b""), wire.message(2, bytes(4078))]
)
def test_no_whole_messages(data: bytes) -> None:
    with pytest.raises(MalformedError):
        split(data, 4096)
