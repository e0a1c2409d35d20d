"""The wire format through Python's door: what is written is read back, and nothing but WireError ever comes of bad bytes."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualhome import _core
from dualhome._core import Framer, WireError

MARKER = b"\xff" * 16
ORIGIN = bytes([0x40, 1, 1, 0])
AS_PATH = bytes([0x40, 2, 6, 2, 1, 0, 0, 0xFD, 0xE9])
NEXT_HOP = bytes([0x40, 3, 4, 10, 0, 0, 1])
KEEPALIVE = MARKER + bytes([0, 19, 4])


def message(kind: int, body: bytes) -> bytes:
    return MARKER + (19 + len(body)).to_bytes(2, "big") + bytes([kind]) + body


def update(attributes: bytes, nlri: bytes = b"\x08\x0a", withdrawn: bytes = b"") -> bytes:
    """An UPDATE that announces 10.0.0.0/8 unless told otherwise."""
    body = len(withdrawn).to_bytes(2, "big") + withdrawn + len(attributes).to_bytes(2, "big") + attributes + nlri
    return message(2, body)


# ---------------------------------------------------------------- OPEN and the small messages


def test_open_of_a_four_octet_speaker_is_these_bytes() -> None:
    got = _core.encode_open(asn=4200000001, hold_time_s=90, router_id="10.0.0.1", families=[(1, 1), (2, 1)])
    assert got == message(1, bytes.fromhex("045ba0005a0a000001 1c021a 010400010001 010400020001 0200 0600 40020000 4104fa56ea01"))


def test_open_is_read() -> None:
    whole = _core.encode_open(asn=65515, hold_time_s=180, router_id="10.1.2.4", families=[(1, 1)], route_refresh=False)
    opened = _core.decode_open(whole[19:])
    assert (opened.version, opened.asn, opened.my_as, opened.hold_time_s, opened.router_id) == (4, 65515, 65515, 180, "10.1.2.4")
    assert opened.four_octet_as
    assert opened.extended_message
    assert not opened.route_refresh
    assert opened.families == [(1, 1)]
    assert opened.graceful_restart == (0, 0, [])
    assert opened.capabilities == [(1, b"\0\1\0\1"), (6, b""), (64, b"\0\0"), (65, b"\0\0\xff\xeb")]


def test_an_open_without_capabilities_is_for_ipv4_unicast() -> None:
    opened = _core.decode_open(bytes([4, 0, 7, 0, 0, 1, 1, 1, 1, 0]))
    assert (opened.asn, opened.families, opened.graceful_restart) == (7, [(1, 1)], None)


@pytest.mark.parametrize(
    ("body", "subcode", "data"),
    [
        (bytes([3, 0, 7, 0, 90, 1, 1, 1, 1, 0]), 1, b"\0\4"),
        (bytes([4, 0, 0, 0, 90, 1, 1, 1, 1, 0]), 2, b""),
        (bytes([4, 0, 7, 0, 90, 0, 0, 0, 0, 0]), 3, b""),
        (bytes([4, 0, 7, 0, 90, 1, 1, 1, 1, 2, 1, 0]), 4, b""),
        (bytes([4, 0, 7, 0, 2, 1, 1, 1, 1, 0]), 6, b""),
        (bytes([4, 0, 7, 0, 90, 1, 1, 1, 1, 9]), 0, b""),
        (b"", 0, b""),
    ],
)
def test_bad_opens_are_answered_by_section_6_2(body: bytes, subcode: int, data: bytes) -> None:
    with pytest.raises(WireError) as caught:
        _core.decode_open(body)
    assert (caught.value.code, caught.value.subcode, caught.value.data) == (2, subcode, data)


def test_an_open_that_can_not_be_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="router ID 'x' is no IPv4 address"):
        _core.encode_open(asn=1, hold_time_s=90, router_id="x", families=[])
    with pytest.raises(ValueError, match="1000 families do not fit"):
        _core.encode_open(asn=1, hold_time_s=90, router_id="1.1.1.1", families=[(n, 1) for n in range(1000)])


@given(
    asn=st.integers(1, 2**32 - 1),
    hold_time_s=st.sampled_from([0, 3, 90, 65535]),
    router_id=st.integers(1, 2**32 - 1),
    families=st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 255)), min_size=1, max_size=100, unique=True),
    refresh=st.booleans(),
    extended=st.booleans(),
    graceful=st.booleans(),
)
def test_decoding_undoes_encoding_of_opens(
    asn: int, hold_time_s: int, router_id: int, families: list[tuple[int, int]], refresh: bool, extended: bool, graceful: bool
) -> None:
    whole = _core.encode_open(
        asn=asn,
        hold_time_s=hold_time_s,
        router_id=str(ipaddress.IPv4Address(router_id)),
        families=families,
        route_refresh=refresh,
        extended_message=extended,
        graceful_restart=graceful,
    )
    [(kind, body)], error = Framer().feed(whole)
    opened = _core.decode_open(body)
    assert (kind, error) == (1, None)
    assert (opened.asn, opened.hold_time_s, int(ipaddress.IPv4Address(opened.router_id))) == (asn, hold_time_s, router_id)
    assert opened.my_as == (asn if asn < 65536 else 23456)
    assert (opened.families, opened.route_refresh, opened.extended_message) == (families, refresh, extended)
    assert opened.graceful_restart == ((0, 0, []) if graceful else None)


def test_small_messages_are_these_bytes() -> None:
    assert _core.encode_keepalive() == KEEPALIVE
    assert _core.encode_notification(6, 2) == message(3, b"\6\2")
    assert _core.encode_notification(6, 2, b"bye") == message(3, b"\6\2bye")
    assert _core.decode_notification(b"\6\2bye") == (6, 2, b"bye")
    assert _core.encode_route_refresh(2, 1) == message(5, b"\0\2\0\1")
    assert _core.decode_route_refresh(b"\0\2\1\1") == (2, 1, 1)
    with pytest.raises(WireError) as caught:
        _core.decode_route_refresh(b"\0\2\1")
    assert caught.value.args[:3] == (7, 1, message(5, b"\0\2\1"))
    with pytest.raises(WireError):
        _core.decode_notification(b"\6")


def test_a_wire_error_says_its_reason_and_survives_pickling() -> None:
    error = WireError(1, 1, b"", "marker is not all ones")
    assert str(error) == "marker is not all ones (NOTIFICATION 1/1)"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.args) == (WireError, error.args)


# ---------------------------------------------------------------- framing

STREAM = [KEEPALIVE, update(b"", b"", b"\x08\x0a"), update(b"", b"", b"\x08\x0b"), message(5, b"\0\1\0\1"), KEEPALIVE]


def test_a_run_of_updates_is_one_item_and_the_others_are_bodies() -> None:
    assert Framer().feed(b"".join(STREAM)) == ([(4, b""), (2, STREAM[1] + STREAM[2]), (5, b"\0\1\0\1"), (4, b"")], None)


@pytest.mark.parametrize("step", [1, 2, 7, 18, 19, 20, 64])
def test_messages_arrive_cut_anywhere(step: int) -> None:
    framer = Framer()
    stream = b"".join(STREAM)
    got = b""
    for start in range(0, len(stream), step):
        messages, error = framer.feed(stream[start : start + step])
        assert error is None
        got += b"".join(body if kind == 2 else message(kind, body) for kind, body in messages)
    assert got == stream


def test_messages_before_an_error_live_and_after_it_nothing_does() -> None:
    framer = Framer()
    messages, error = framer.feed(STREAM[1] + b"\0" * 19 + KEEPALIVE)
    assert messages == [(2, STREAM[1])]
    assert error is not None
    assert (error.code, error.subcode, error.data, error.reason) == (1, 1, b"", "marker is not all ones")
    assert framer.feed(KEEPALIVE) == ([], None)


@pytest.mark.parametrize(
    ("header", "subcode", "data"),
    [
        (MARKER + b"\0\x12\4", 2, b"\0\x12"),
        (MARKER + b"\0\x14\4", 2, b"\0\x14"),
        (MARKER + b"\x10\x01\2", 2, b"\x10\x01"),
        (MARKER + b"\0\x13\6", 3, b"\6"),
    ],
)
def test_bad_headers_are_answered_by_section_6_1(header: bytes, subcode: int, data: bytes) -> None:
    _, error = Framer().feed(header)
    assert error is not None
    assert error.args[:3] == (1, subcode, data)


def test_extended_messages_need_to_be_agreed() -> None:
    framer = Framer()
    framer.extend()
    long = message(2, bytes(60000))
    assert framer.feed(long) == ([(2, long)], None)
    _, error = framer.feed(message(1, bytes(5000)))
    assert error is not None
    assert error.args[:2] == (1, 2)


# ---------------------------------------------------------------- UPDATE


def test_rows_are_these_bytes() -> None:
    rows = [
        {"prefix": "10.0.0.0/8", "next_hop": "10.0.0.1", "as_path": "65001"},
        {"prefix": "192.168.0.0/16", "withdrawn": True},
        {"prefix": "0.0.0.0/0", "next_hop": "10.0.0.1", "as_path": "65001", "origin": "igp", "med": None},
    ]
    expected = update(b"", b"", b"\x10\xc0\xa8") + update(ORIGIN + AS_PATH + NEXT_HOP, b"\x08\x0a\x00")
    assert _core.encode_updates(json.dumps(rows)) == expected


def test_an_update_is_read_into_rows() -> None:
    extra = bytes.fromhex("800404 00000032 c00808 fde90064 ffffff01 c0200c 000000010000000200000003")
    rows = _core.decode_updates(update(ORIGIN + AS_PATH + NEXT_HOP + extra, b"\x08\x0a", b"\x10\xc0\xa8"))
    assert [(row.prefix, row.withdrawn) for row in rows] == [((4, 0xC0A80000, 16), True), ((4, 0x0A000000, 8), False)]
    row = rows[1]
    assert (row.next_hop, row.as_path, row.origin, row.med, row.local_preference) == ("10.0.0.1", "65001", "igp", 50, None)
    assert (row.communities, row.large_communities, row.error) == (["65001:100", "no-export"], ["1:2:3"], None)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ('{"prefix": 1}', "rows: invalid type"),
        ("[1]", "1 is no object"),
        ('[{"prefix": "10.0.0.1/8"}]', r"'10.0.0.1/8' has host bits \(write 10.0.0.0/8\)"),
        ('[{"prefix": "10.0.0.0/8"}]', "a row that is not withdrawn needs a next_hop"),
        ('[{"withdrawn": true}]', "a row has no prefix"),
        ('[{"prefix": "10.0.0.0/8", "via": 1}]', "unknown key 'via' in a row"),
        ('[{"prefix": "10.0.0.0/8", "next_hop": "1.1.1.1", "as_path": "x"}]', "'x' is no AS path"),
        ('[{"prefix": "10.0.0.0/8", "next_hop": "1.1.1.1", "communities": ["x"]}]', "'x' is no community"),
        ('[{"prefix": "10.0.0.0/8", "next_hop": "::1"}]', "the next hop of 10.0.0.0/8 is of the other IP version"),
    ],
)
def test_bad_rows_are_value_errors(rows: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        _core.encode_updates(rows)


def test_attributes_that_leave_no_room_are_reported() -> None:
    row = {"prefix": "10.0.0.0/8", "next_hop": "1.1.1.1", "communities": [f"1:{n}" for n in range(1100)]}
    with pytest.raises(ValueError, match=r"no room for 10\.0\.0\.0/8"):
        _core.encode_updates(json.dumps([row]))
    assert len(_core.encode_updates(json.dumps([row]), max_message=65535)) > 4096


number = st.integers(0, 2**32 - 1)


def prefixes(version: int) -> st.SearchStrategy[str]:
    if version == 4:
        return st.tuples(number, st.integers(0, 32)).map(lambda p: str(ipaddress.IPv4Network(p, strict=False)))
    return st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(lambda p: str(ipaddress.IPv6Network(p, strict=False)))


@st.composite
def announcements(draw: st.DrawFn) -> dict[str, object]:
    version = draw(st.sampled_from([4, 6]))
    path = draw(st.lists(st.integers(1, 2**32 - 1), max_size=300))
    members = draw(st.lists(st.integers(1, 2**32 - 1), max_size=5))
    text = " ".join(map(str, path)) + (" {" + ",".join(map(str, sorted(set(members)))) + "}" if members else "")
    communities = sorted(draw(st.sets(st.tuples(st.integers(0, 65000), st.integers(0, 65535)), max_size=20)))
    large = sorted(draw(st.sets(st.tuples(number, number, number), max_size=5)))
    return {
        "prefix": draw(prefixes(version)),
        "withdrawn": False,
        "next_hop": "10.0.0.1" if version == 4 else "fd00::1",
        "as_path": text.strip(),
        "origin": draw(st.sampled_from(["igp", "egp", "incomplete"])),
        "med": draw(st.none() | number),
        "local_preference": draw(st.none() | number),
        "communities": [f"{high}:{low}" for high, low in communities],
        "large_communities": [f"{a}:{b}:{c}" for a, b, c in large],
    }


def as_dict(row: _core.UpdateRow) -> dict[str, object]:
    version, bits, length = row.prefix
    address = ipaddress.IPv4Address(bits) if version == 4 else ipaddress.IPv6Address(bits)
    names = ["withdrawn", "next_hop", "as_path", "origin", "med", "local_preference", "communities", "large_communities"]
    return {"prefix": f"{address}/{length}"} | {name: getattr(row, name) for name in names}


@given(rows=st.lists(announcements(), max_size=5), four_octet_as=st.booleans())
def test_decoding_undoes_encoding_of_updates(rows: list[dict[str, object]], four_octet_as: bool) -> None:
    data = _core.encode_updates(json.dumps(rows), four_octet_as=four_octet_as)
    decoded = _core.decode_updates(data, four_octet_as=four_octet_as)
    key = json.dumps
    assert sorted(map(as_dict, decoded), key=key) == sorted(rows, key=key)
    assert all(row.error is None for row in decoded)
    assert _core.encode_updates(decoded, four_octet_as=four_octet_as) == data
    messages, error = Framer().feed(data)
    assert (messages, error) == ([(2, data)] if data else [], None)


@given(withdrawn=st.lists(prefixes(4), max_size=2000), max_message=st.sampled_from([64, 100, 4096, 65535]))
def test_withdrawals_are_packed_into_messages_that_fit(withdrawn: list[str], max_message: int) -> None:
    data = _core.encode_updates(json.dumps([{"prefix": p, "withdrawn": True} for p in withdrawn]), max_message=max_message)
    assert [as_dict(row)["prefix"] for row in _core.decode_updates(data)] == withdrawn
    lengths = []
    while data:
        length = int.from_bytes(data[16:18], "big")
        lengths.append(length)
        data = data[length:]
    assert all(length <= max_message for length in lengths)
    assert all(length > max_message - 5 for length in lengths[:-1]), "a message that could hold more is full"


# ---------------------------------------------------------------- RFC 7606

TREAT_AS_WITHDRAW = [
    ("40010103" + AS_PATH.hex() + NEXT_HOP.hex(), "ORIGIN: undefined value 3"),
    ("4001020000" + AS_PATH.hex() + NEXT_HOP.hex(), "ORIGIN: length 2 instead of 1"),
    ("c0010100" + AS_PATH.hex() + NEXT_HOP.hex(), "ORIGIN: flags 0xc0 instead of 0x40"),
    (ORIGIN.hex() + "40020202ff" + NEXT_HOP.hex(), "AS_PATH: a segment of 255 AS numbers has 0 octets"),
    (ORIGIN.hex() + "4002020200" + NEXT_HOP.hex(), "AS_PATH: an empty segment"),
    (ORIGIN.hex() + "4002060901000000ff" + NEXT_HOP.hex(), "AS_PATH: segment type 9"),
    (ORIGIN.hex() + "4002060401000000ff" + NEXT_HOP.hex(), "AS_PATH: segment type 4"),
    (ORIGIN.hex() + "400206020100000000" + NEXT_HOP.hex(), "AS_PATH: AS number 0"),
    (ORIGIN.hex() + AS_PATH.hex() + "400300", "NEXT_HOP: length 0 instead of 4"),
    (ORIGIN.hex() + AS_PATH.hex() + "40030400000000", "NEXT_HOP: 0.0.0.0 is no host's address"),
    (AS_PATH.hex() + NEXT_HOP.hex(), "ORIGIN: missing"),
    (ORIGIN.hex() + NEXT_HOP.hex(), "AS_PATH: missing"),
    (ORIGIN.hex() + AS_PATH.hex(), "NEXT_HOP: missing"),
    ("", "ORIGIN: missing"),
]
GOOD = (ORIGIN + AS_PATH + NEXT_HOP).hex()
TREAT_AS_WITHDRAW += [
    (GOOD + "80040101", "MULTI_EXIT_DISC: length 1 instead of 4"),
    (GOOD + "40050101", "LOCAL_PREF: length 1 instead of 4"),
    (GOOD + "c00800", "COMMUNITIES: length 0 is no multiple of 4 above 0"),
    (GOOD + "80090101", "ORIGINATOR_ID: length 1 instead of 4"),
    (GOOD + "800a0101", "CLUSTER_LIST: length 1 is no multiple of 4 above 0"),
    (GOOD + "c0100101", "EXTENDED COMMUNITIES: length 1 is no multiple of 8 above 0"),
    (GOOD + "c0200101", "LARGE_COMMUNITY: length 1 is no multiple of 12 above 0"),
    (GOOD + "c06309", "attribute list: the last one goes beyond its end"),
]


@pytest.mark.parametrize(("attributes", "error"), TREAT_AS_WITHDRAW)
def test_treat_as_withdraw(attributes: str, error: str) -> None:
    [row] = _core.decode_updates(update(bytes.fromhex(attributes)))
    assert (row.prefix, row.withdrawn, row.error) == ((4, 0x0A000000, 8), False, error)


@pytest.mark.parametrize(
    "attribute",
    [
        "40060100",  # ATOMIC_AGGREGATE with a value
        "c0070100",  # AGGREGATOR of one octet
        "c0110100",  # AS4_PATH between speakers of four octets
        "c0120100",  # AS4_AGGREGATOR, likewise
        "40010102",  # a second ORIGIN
        "80630100",  # unknown, not transitive
        "c0630100",  # unknown, transitive
    ],
)
def test_attribute_discard(attribute: str) -> None:
    [row] = _core.decode_updates(update(bytes.fromhex(GOOD + attribute)))
    assert (row.error, row.origin, row.as_path, row.next_hop) == (None, "igp", "65001", "10.0.0.1")


@pytest.mark.parametrize(
    ("data", "subcode"),
    [
        (message(2, b"\0\xff\0\0"), 1),
        (message(2, b"\0\0\0\xff"), 1),
        (update(bytes.fromhex(GOOD), b"\x21\1\1\1\1\1"), 10),
        (update(bytes.fromhex(GOOD), b"\x10\1"), 10),
        (update(b"", b"", b"\x10\1"), 10),
        (update(bytes.fromhex(GOOD + "406300")), 2),
        (update(bytes.fromhex(GOOD + "800f03000201" * 2)), 1),
        (update(bytes.fromhex(GOOD + "800e020001")), 9),
        (update(bytes.fromhex(GOOD + "800e09000201040a00000100")), 9),
        (update(bytes.fromhex(GOOD + "800f0500020181ff")), 9),
        (update(bytes.fromhex("40010103"), b""), 1),
    ],
)
def test_session_reset(data: bytes, subcode: int) -> None:
    with pytest.raises(WireError) as caught:
        _core.decode_updates(data)
    assert (caught.value.code, caught.value.subcode) == (3, subcode)


# ---------------------------------------------------------------- noise

DECODERS: list[Callable[[bytes], object]] = [
    _core.decode_open,
    _core.decode_notification,
    _core.decode_route_refresh,
    _core.decode_updates,
    lambda data: _core.decode_updates(message(2, data), four_octet_as=False),
    lambda data: _core.decode_updates(update(data)),
]


@pytest.mark.parametrize("decode", DECODERS)
@given(data=st.binary(max_size=300))
def test_noise_raises_nothing_but_wire_errors(decode: Callable[[bytes], object], data: bytes) -> None:
    with contextlib.suppress(WireError):
        decode(data)


@given(pieces=st.lists(st.binary(max_size=60) | st.sampled_from(STREAM), max_size=20))
def test_noise_in_the_stream_ends_it_once(pieces: list[bytes]) -> None:
    framer = Framer()
    errors = [error for piece in pieces for error in [framer.feed(piece)[1]] if error is not None]
    assert len(errors) <= 1


@pytest.mark.parametrize("family", ["0001 02", "0002 02", "0001 80"])
def test_prefixes_of_families_that_nobody_agreed_on_are_passed_over(family: str) -> None:
    """Multicast and VPN prefixes have no place in a unicast RIB (RFC 4760 section 6); the IPv4 prefix beside them does."""
    reach = bytes.fromhex(f"800e0b {family} 04 0a000001 00 0814")
    unreach = bytes.fromhex(f"800f05 {family} 0815")
    rows = _core.decode_updates(update(ORIGIN + AS_PATH + NEXT_HOP + reach + unreach))
    assert [(row.prefix, row.withdrawn, row.error) for row in rows] == [((4, 10 << 24, 8), False, None)]
    assert _core.decode_updates(update(ORIGIN + AS_PATH + reach, nlri=b"")) == []
