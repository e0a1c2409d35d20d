"""Everything that reads what came from outside, through Python's door: right or refused in the way that the texts say, and nothing else."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import example, given
from hypothesis import strategies as st

from dualhome import _core
from dualhome._core import Framer, Rib, Table, WireError
from tests.bgp.rib_help import ROUNDS, announce, config, make, plain, row
from tests.fuzz import slow
from tests.live.adversary import octets as o

T = TypeVar("T")


def attempt(work: Callable[..., T], *given_values: Any) -> T | WireError | ValueError:
    """What comes of it; whatever else is raised is a fault."""
    try:
        return work(*given_values)
    except (WireError, ValueError) as error:
        if not str(error):
            raise AssertionError("an error without a word") from error
        return error


octet = st.integers(0, 255)
short = st.binary(max_size=8)

# ---------------------------------------------------------------- streams

bodies = st.sampled_from([b"", bytes(4), b"\0\1\0\1", b"\6\2", bytes(10), bytes(5000)])
headed = st.builds(
    o.message,
    st.sampled_from([1, 2, 2, 2, 3, 4, 5, 0, 6, 255]),
    bodies,
    st.none() | st.sampled_from([0, 18, 19, 22, 23, 29, 4096, 4097, 65535]),
    st.sampled_from([o.MARKER] * 9 + [b"\xff" * 15 + b"\xfe"]),
)
right_ones = st.sampled_from([o.keepalive(), o.update(), o.update(withdrawn=b"\x08\x0a"), o.refresh(), o.notification(6, 2)])
streams = st.lists(right_ones | right_ones | headed | short, max_size=12).map(b"".join)


def fed(framer: Framer, pieces: list[bytes]) -> tuple[list[slow.Frame], list[tuple[int, int, bytes]]]:
    """What a framer says, its runs of UPDATEs cut again, the others with their headers."""
    out: list[slow.Frame] = []
    errors = []
    for piece in pieces:
        messages, error = framer.feed(piece)
        for kind, data in messages:
            cut, wrong = slow.frames(data, True) if kind == 2 else ([(kind, o.message(kind, data))], None)
            assert wrong is None
            assert b"".join(each for _, each in cut) == (data if kind == 2 else o.message(kind, data))
            out += cut
        if error is not None:
            assert error.reason
            errors.append((error.code, error.subcode, error.data))
    return out, errors


@given(stream=streams, cuts=st.lists(st.integers(0, 10_000), max_size=8), extended=st.booleans())
@example(stream=o.message(2, bytes(4078)), cuts=[], extended=False)
@example(stream=o.message(2, bytes(4077)), cuts=[4095], extended=False)
@example(stream=o.message(2, bytes(65516)), cuts=[1, 18, 19, 4096], extended=True)
@example(stream=o.message(1, bytes(4078)), cuts=[], extended=True)
def test_a_stream_is_cut_as_section_6_1_says_however_it_arrives(stream: bytes, cuts: list[int], extended: bool) -> None:
    framer = Framer()
    if extended:
        framer.extend()
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    messages, error = slow.frames(stream, extended)
    assert fed(framer, pieces) == (messages, [error] if error else [])
    assert framer.feed(o.keepalive()) == ([], None) or error is None


# ---------------------------------------------------------------- OPEN and the small messages

capability = st.builds(
    o.capability, st.sampled_from([1, 2, 5, 6, 9, 64, 65, 69, 70, 128]) | octet, st.sampled_from([b"", bytes(4), b"\0\1\0\1"]) | short
)
broken = st.builds(o.capability, octet, short, octet)
parameter = st.builds(
    o.parameter, st.lists(capability | capability | broken, max_size=4).map(b"".join), st.sampled_from([2, 2, 2, 2, 0, 1, 3, 255])
)
extended_parameters = st.lists(capability, max_size=60).map(b"".join).map(lambda value: b"\2" + len(value).to_bytes(2, "big") + value)
optional = st.one_of(
    st.lists(parameter, max_size=4).map(b"".join).map(lambda data: (data, len(data) & 255)),
    extended_parameters.map(lambda data: (b"\xff" + len(data).to_bytes(2, "big") + data, 255)),
    st.tuples(st.binary(max_size=30), octet),
)
opens = st.builds(
    lambda version, asn, hold, router_id, rest: bytes([version]) + asn + hold + router_id + bytes([rest[1]]) + rest[0],
    st.sampled_from([4] * 9 + [3]),
    st.sampled_from([b"\xfe\x4d", b"\x5b\xa0", b"\0\0"]),
    st.sampled_from([b"\0\xb4", b"\0\0", b"\0\1", b"\0\2", b"\0\3"]),
    st.sampled_from([b"\1\2\3\4", b"\1\2\3\4", bytes(4), b"\xff" * 4]),
    optional,
)


@given(body=opens | opens.flatmap(lambda body: st.integers(0, len(body)).map(lambda at: body[:at])))
@example(body=o.open_message(65101, "1.1.1.1", more=o.capability(65, bytes(4)))[19:])
@example(body=o.open_message(65101, "1.1.1.1", parameters=b"\xff\0\x05\2\0\2\x02\0", parameters_length=3)[19:])
def test_an_open_is_read_or_refused_as_section_6_2_says(body: bytes) -> None:
    capabilities, asn, wrong = slow.subcodes(body)
    opened = attempt(_core.decode_open, body)
    if isinstance(opened, WireError):
        assert opened.code == 2
        assert opened.subcode in wrong, opened.reason
        assert opened.data == (b"\0\4" if opened.subcode == 1 else b"")
        return
    assert not wrong
    assert isinstance(opened, _core.OpenMessage)
    assert (opened.capabilities, opened.asn, opened.my_as) == (capabilities, asn, int.from_bytes(body[1:3], "big"))
    assert opened.hold_time_s == int.from_bytes(body[3:5], "big")
    named = {(int.from_bytes(value[:2], "big"), value[3]) for code, value in capabilities if code == 1}
    assert set(opened.families) == (named or {(1, 1)})
    assert len(set(opened.families)) == len(opened.families)


@given(body=st.binary(max_size=4))
def test_notifications_and_refreshes_have_their_lengths(body: bytes) -> None:
    if len(body) >= 2:
        assert _core.decode_notification(body) == (body[0], body[1], body[2:])
        assert _core.encode_notification(body[0], body[1], body[2:]) == o.notification(body[0], body[1], body[2:])
    if len(body) == 4:
        assert _core.decode_route_refresh(body) == (int.from_bytes(body[:2], "big"), body[2], body[3])
    else:
        error = attempt(_core.decode_route_refresh, body)
        assert isinstance(error, WireError)
        assert (error.code, error.subcode, error.data) == (7, 1, o.message(5, body))


@given(body=st.binary(max_size=1))
def test_a_notification_without_a_code_is_too_short(body: bytes) -> None:
    error = attempt(_core.decode_notification, body)
    assert isinstance(error, WireError)
    assert (error.code, error.subcode) == (1, 2)


# ---------------------------------------------------------------- UPDATEs

known = st.sampled_from([*range(41), 99, 128, 255])
value = short | st.sampled_from(
    [b"\0", bytes(4), b"\2\1\0\0\xfe\x4d", b"\x0a\0\0\1", b"\0\2\1\x10" + b"\x20\1" + bytes(14) + b"\0\x20\x20\1\x0d\xb8", b"\0\1\1"]
)
attribute = st.builds(
    o.attribute, st.sampled_from([0x40, 0x80, 0xC0, 0xE0, 0x50, 0xD0, 0x00]) | octet, known, value, st.none() | st.integers(0, 40)
)
good = st.sampled_from([o.origin() + o.as_path(65101, 9) + o.next_hop("10.0.0.1"), o.origin(2) + o.as_path(65101) + o.next_hop("10.0.0.2")])
nlri = st.sampled_from([b"", o.prefixes("10.0.0.0/8"), o.prefixes("10.1.0.0/16", "192.0.2.1/32"), b"\x21\1"]) | short
updates = st.builds(
    o.update, st.tuples(good | st.just(b""), st.lists(attribute, max_size=3).map(b"".join)).map(b"".join), nlri, nlri | st.just(b"")
)


@given(messages=st.lists(updates, max_size=8), four=st.booleans())
def test_messages_at_once_do_what_they_do_one_by_one(messages: list[bytes], four: bool) -> None:
    """A run of UPDATEs ends where the session does; what stood before that was heard, what stands behind it was not."""
    together, apart = (Rib(asn=65000, router_id="1.1.1.1", rounds=ROUNDS) for _ in range(2))
    for rib in (together, apart):
        rib.set_peer(1, config(1))
        rib.peer_up(1, four_octet_as=four, families=[(1, 1), (2, 1)], max_message=4096, router_id="1.0.0.1")
    of_all = together.receive(1, b"".join(messages))
    of_each = next((error for message in messages if (error := apart.receive(1, message)) is not None), None)
    assert (of_all and of_all.args) == (of_each and of_each.args)
    assert plain(together.received(1)) == plain(apart.received(1))
    assert plain(together.rejected(1)) == plain(apart.rejected(1))
    assert together.ended(1) == apart.ended(1)


@given(message=updates, four=st.booleans())
def test_rows_of_an_update_are_what_a_rib_makes_of_it(message: bytes, four: bool) -> None:
    rib = Rib(asn=65000, router_id="1.1.1.1", rounds=ROUNDS)
    rib.set_peer(1, config(1, asn=65000, ebgp=False))
    rib.peer_up(1, four_octet_as=four, families=[(1, 1), (2, 1)], max_message=4096, router_id="1.0.0.1")
    error = rib.receive(1, message)
    rows = attempt(_core.decode_updates, message, four)
    if not isinstance(rows, list):
        assert isinstance(rows, WireError)
        assert error is not None
        assert (rows.code, rows.subcode) == (error.code, error.subcode)
        return
    assert error is None
    refused = {route.prefix for route in rib.rejected(1) if route.reason == "invalid"}
    assert refused == {each.prefix for each in rows if each.error is not None}
    announced = {each.prefix for each in rows if not each.withdrawn and each.error is None}
    assert {route.prefix for route in rib.received(1)} | {
        route.prefix for route in rib.rejected(1) if route.reason != "invalid"
    } == announced


# ---------------------------------------------------------------- text, JSON, numbers

near_text = st.text("0123456789abf:./%+- ", max_size=20)
texts = st.one_of(
    near_text,
    st.builds(lambda a, n: f"{a}/{n}", st.ip_addresses(v=4) | st.ip_addresses(v=6), st.integers(-1, 130)),
    st.ip_addresses().map(lambda a: f"{a}/{a.max_prefixlen}"),
)


@given(text=texts)
@example("10.0.0.1/8")
@example("10.0.0.0/+8")
@example("10.0.0.0/08")
@example("::ffff:10.0.0.1/128")
@example("fe80::%1/64")
@example("010.0.0.0/8")
@example("0.0.0.0/0")
def test_a_prefix_is_read_as_python_reads_it(text: str) -> None:
    rows = json.dumps([{"prefix": text, "withdrawn": True}])
    written = attempt(_core.encode_updates, rows)
    got = [each.prefix for each in _core.decode_updates(written)] if isinstance(written, bytes) else [None]
    assert got == [slow.prefix(text)]


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["10.0.0.0/8", "accept", "self", "65000:1"])
)
tree = st.recursive(scalars, lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3), max_leaves=6)
KEYS = [
    "name", "asn", "ebgp", "local_address", "peer_address", "tags", "route_class", "weight", "allowas_in", "usable", "reflector_client", "next_hop", "transparent",
    "own", "max_prefixes", "send_communities", "honors_no_export", "discard_med", "first_as", "reject_as_sets", "reject_martians", "requires_policy", "role",
    "checks", "import", "export",
]  # fmt: skip
MATCHES = [
    "prefix_equals", "prefix_within", "as_path_equals", "as_path_contains", "as_path_leading_even", "community_all", "community_any", "community_high", "from", "ebgp",
]  # fmt: skip
DO = [
    "prepend", "path_replace", "path_remove", "path_substitute", "remove_private", "community_add", "community_replace", "community_remove", "local_preference",
    "med", "next_hop", "weight", "prefix_replace",
]  # fmt: skip
values = tree | st.sampled_from([[1], ["10.0.0.0/8"], ["65000:1"], 5, {"from": 9, "to": 7}, ["10.0.0.0/8", "11.0.0.0/8"], [65101] * 300])
terms = st.builds(
    lambda match, do, then: {"name": "t", "match": match, "do": do, "then": then},
    st.dictionaries(st.sampled_from(MATCHES), values, max_size=2),
    st.lists(st.dictionaries(st.sampled_from(DO), values, min_size=1, max_size=1), max_size=2),
    st.sampled_from(["accept", "continue", "reject"]),
)
configs = st.one_of(
    st.dictionaries(st.sampled_from(KEYS), values, max_size=2).map(lambda more: json.loads(config(1)) | more),
    st.builds(lambda a, b: json.loads(config(1, **{"import": a, "export": [b]})), st.lists(terms, max_size=2), st.lists(terms, max_size=2)),
    tree,
)


@given(given_config=configs)
def test_a_configuration_is_taken_or_refused_whole(given_config: Any) -> None:
    rib = make([1, 2])
    rib.receive(1, announce(row("10.0.0.0/8", communities=["65000:1"]), row("10.1.0.0/16", "65101 9")))
    rib.process()
    before = [plain(rib.received(1)), plain(rib.candidates()), plain(rib.advertised(2))]
    if attempt(rib.set_peer, 1, json.dumps(given_config)) is not None:
        rib.process()
        assert [plain(rib.received(1)), plain(rib.candidates()), plain(rib.advertised(2))] == before
        return
    rib.process()
    _core.decode_updates(rib.output(2))
    rib.set_peer(1, config(1))
    rib.process()
    assert [plain(rib.received(1)), plain(rib.candidates())] == before[:2]


@given(
    attributes=tree
    | st.dictionaries(
        st.sampled_from(["as_path", "next_hop", "origin", "med", "local_preference", "weight", "communities", "large_communities", "tags"]),
        values,
        max_size=4,
    )
)
def test_a_route_of_our_own_is_taken_or_refused(attributes: Any) -> None:
    rib = make([1])
    for data in (attributes, {"next_hop": "10.0.0.4", **attributes} if isinstance(attributes, dict) else attributes):
        with contextlib.suppress(ValueError):
            rib.originate((4, 10 << 24, 8), json.dumps(data))
        rib.process()
        for each in _core.decode_updates(rib.output(1)):
            assert each.error is None


@given(
    rows=tree
    | st.lists(
        st.dictionaries(
            st.sampled_from(
                ["prefix", "withdrawn", "next_hop", "as_path", "origin", "med", "local_preference", "communities", "large_communities"]
            ),
            values,
            max_size=4,
        ),
        max_size=3,
    )
)
def test_rows_are_written_or_refused(rows: Any) -> None:
    with contextlib.suppress(ValueError):
        for each in _core.decode_updates(_core.encode_updates(json.dumps(rows))):
            assert not each.withdrawn or each.error is None


numbers = st.integers(-3, 300) | st.integers(-(2**130), 2**130)
tuples = st.tuples(st.sampled_from([4, 6, 5, 0]) | numbers, numbers, numbers)


@given(prefix=tuples, text=texts, peer=st.sampled_from([1, 2, 99]))
def test_questions_about_what_is_no_prefix_are_answered_or_refused(prefix: tuple[int, int, int], text: str, peer: int) -> None:
    rib = make([1])
    rib.receive(1, announce(row("10.0.0.0/8")))
    rib.process()
    questions = [
        lambda: rib.candidates(prefix), lambda: rib.received(peer, prefix), lambda: rib.rejected(peer, prefix), lambda: rib.advertised(peer, prefix),
        lambda: rib.explain_import(peer, prefix), lambda: rib.explain_export(peer, prefix), lambda: rib.prefixes(peer, prefix, 10), lambda: rib.lookup(text),
        lambda: rib.originate(prefix, '{"next_hop": "10.0.0.4"}'), lambda: rib.withdraw(prefix), lambda: Table([(prefix, 1)]), lambda: rib.counts(peer),
        lambda: Table([((4, 10 << 24, 8), 1)]).lookup(prefix[0], prefix[1]), lambda: rib.peer_down(peer) if peer != 1 else None,
    ]  # fmt: skip
    for question in questions:
        with contextlib.suppress(ValueError, OverflowError, KeyError):
            question()
    rib.process()
    assert [route.prefix for route in rib.received(1)] == [(4, 10 << 24, 8)]
