"""UPDATEs whose attributes are wrong, or look so: RFC 7606 row by row, and the documents that came after it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from tests.live.adversary import octets as o
from tests.live.adversary.bench import Build, Case, Context

TAKEN, WITHDRAWN, IGNORED = ("taken",), ("withdrawn",), ("ignored",)
LOCAL_100 = o.attribute(0x40, o.LOCAL_PREF, b"\0\0\0\x64")


def with_more(*more: bytes) -> Build:
    """A good message with these attributes beside the mandatory ones."""
    return lambda c: o.update(c.mandatory() + b"".join(more), c.nlri())


def before(*more: bytes) -> Build:
    """The same, but they come first."""
    return lambda c: o.update(b"".join(more) + c.mandatory(), c.nlri())


def instead(kind: int, of: Callable[[Context], bytes] | bytes = b"") -> Build:
    """A message in which this stands for a mandatory attribute."""

    def build(c: Context) -> bytes:
        parts = {o.ORIGIN: o.origin(), o.AS_PATH: c.path(), o.NEXT_HOP: o.next_hop(c.hop)}
        if c.group.asn == 65515:
            parts[o.LOCAL_PREF] = LOCAL_100
        parts[kind] = of(c) if callable(of) else of
        return o.update(b"".join(parts.values()), c.nlri())

    return build


def path_of(*segments: bytes, flags: int = 0x40) -> Build:
    """A message whose AS_PATH has these octets."""
    return instead(o.AS_PATH, o.attribute(flags, o.AS_PATH, b"".join(segments)))


def six(of: Callable[[Context], bytes], more: bytes = b"") -> Build:
    """A message of IPv6 prefixes: `of` gives MP_REACH_NLRI and the like."""

    def build(c: Context) -> bytes:
        local = LOCAL_100 if c.group.asn == 65515 else b""
        return o.update(of(c) + o.origin() + c.path() + local + more)

    return build


SEQ = o.segment(o.AS_SEQUENCE, 65001)

# Name, type, right flags, a right value for an external peer.
KNOWN = (
    ("ORIGIN", o.ORIGIN, 0x40, b"\0"),
    ("AS_PATH", o.AS_PATH, 0x40, SEQ),
    ("NEXT_HOP", o.NEXT_HOP, 0x40, bytes([127, 66, 9, 9])),
    ("MED", o.MED, 0x80, b"\0\0\0\x07"),
    ("ATOMIC_AGGREGATE", o.ATOMIC, 0x40, b""),
    ("AGGREGATOR", o.AGGREGATOR, 0xC0, struct.pack("!I4B", 65001, 1, 2, 3, 4)),
    ("COMMUNITIES", o.COMMUNITIES, 0xC0, struct.pack("!HH", 65001, 1)),
    ("EXTENDED_COMMUNITIES", o.EXT_COMMUNITIES, 0xC0, struct.pack("!BBHI", 0, 2, 65001, 1)),
    ("LARGE_COMMUNITY", o.LARGE, 0xC0, struct.pack("!III", 65001, 1, 2)),
)


def flags() -> Iterator[Case]:
    """RFC 7606 section 3 c: Optional and Transitive as the attribute's own; the other bits are not looked at."""
    for name, kind, right, value in KNOWN:
        place = instead if kind in (1, 2, 3) else (lambda kind, raw: with_more(raw))
        for wrong in (0x00, 0x40, 0x80, 0xC0):
            if wrong != right:
                yield Case(f"{name} with flags {wrong:#04x}", "RFC 7606 3c", place(kind, o.attribute(wrong, kind, value)), WITHDRAWN)
        yield Case(f"{name} with right flags", "RFC 4271 4.3", place(kind, o.attribute(right, kind, value)), TAKEN)
        yield Case(f"{name} with Partial", "RFC 7606 3c", place(kind, o.attribute(right | 0x20, kind, value)), TAKEN)
        yield Case(f"{name} with unused flag bits", "RFC 4271 4.3", place(kind, o.attribute(right | 0x0F, kind, value)), TAKEN)
        yield Case(f"{name} with Extended Length", "RFC 4271 4.3", place(kind, o.attribute(right | 0x10, kind, value)), TAKEN)


LENGTHS = (  # name, type, flags, wrong lengths, section, what follows
    ("ORIGIN", o.ORIGIN, 0x40, (0, 2, 255), "RFC 7606 7.1", WITHDRAWN),
    ("NEXT_HOP", o.NEXT_HOP, 0x40, (0, 3, 5, 16, 255), "RFC 7606 7.3", WITHDRAWN),
    ("MED", o.MED, 0x80, (0, 1, 3, 5, 8), "RFC 7606 7.4", WITHDRAWN),
    ("ATOMIC_AGGREGATE", o.ATOMIC, 0x40, (1, 4, 255), "RFC 7606 7.6", TAKEN),
    ("AGGREGATOR", o.AGGREGATOR, 0xC0, (0, 1, 4, 6, 7, 9, 12), "RFC 7606 7.7", TAKEN),
    ("COMMUNITIES", o.COMMUNITIES, 0xC0, (0, 1, 3, 5, 6, 255), "RFC 7606 7.8", WITHDRAWN),
    ("EXTENDED_COMMUNITIES", o.EXT_COMMUNITIES, 0xC0, (0, 1, 4, 7, 9, 12), "RFC 7606 7.14", WITHDRAWN),
    ("LARGE_COMMUNITY", o.LARGE, 0xC0, (0, 1, 4, 8, 11, 13, 20), "RFC 8092 5", WITHDRAWN),
    ("OTC", o.OTC, 0xC0, (0, 1, 3, 5, 8), "RFC 9234 5", WITHDRAWN),
)


def lengths() -> Iterator[Case]:
    for name, kind, right, wrong, source, expect in LENGTHS:
        place = instead if kind in (1, 2, 3) else (lambda kind, raw: with_more(raw))
        for length in wrong:
            value = (b"\x01\x00" * 128)[:length]
            gone = (kind,) if expect is TAKEN else ()
            yield Case(f"{name} of {length} octets", source, place(kind, o.attribute(right, kind, value)), expect, gone=gone)


def values() -> Iterator[Case]:
    for value in (3, 4, 127, 255):
        yield Case(f"ORIGIN {value}", "RFC 7606 7.1", instead(o.ORIGIN, o.origin(value)), WITHDRAWN)
    for value in (0, 1, 2):
        yield Case(f"ORIGIN {value}", "RFC 4271 5.1.1", instead(o.ORIGIN, o.origin(value)), TAKEN, kept=((o.ORIGIN, bytes([value])),))
    # RFC 4271 section 6.3: a next hop that is no host's address makes the route ignored.
    for hop in ("0.0.0.0", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"):
        yield Case(f"next hop {hop}", "RFC 4271 6.3", instead(o.NEXT_HOP, o.next_hop(hop)), WITHDRAWN)
    yield Case("next hop 0.1.2.3", "RFC 4271 6.3", instead(o.NEXT_HOP, o.next_hop("0.1.2.3")), ("withdrawn", "taken"))
    yield Case(
        "next hop is the server's own address",
        "RFC 4271 6.3",
        instead(o.NEXT_HOP, o.next_hop("127.0.0.91")),
        ("withdrawn", "taken"),
        only="ours",
    )
    yield Case(
        "AGGREGATOR of AS 0",
        "RFC 7607 2",
        with_more(o.attribute(0xC0, o.AGGREGATOR, bytes(4) + b"\x01\2\3\4")),
        TAKEN,
        gone=(o.AGGREGATOR,),
    )
    many = struct.pack("!HH", 65001, 5) * 3 + struct.pack("!HH", 65001, 1)
    yield Case("COMMUNITIES with repeated values", "RFC 1997", with_more(o.attribute(0xC0, o.COMMUNITIES, many)), TAKEN)
    large = struct.pack("!III", 65001, 1, 1) * 4
    once = struct.pack("!III", 65001, 1, 1)
    yield Case(
        "LARGE_COMMUNITY with repeated values", "RFC 8092 3", with_more(o.attribute(0xC0, o.LARGE, large)), TAKEN, kept=((o.LARGE, once),)
    )
    yield Case(
        "255 communities",
        "RFC 1997",
        with_more(o.attribute(0xC0, o.COMMUNITIES, b"".join(struct.pack("!HH", 65001, n) for n in range(255)))),
        TAKEN,
    )
    yield Case("MED of all ones", "RFC 4271", with_more(o.attribute(0x80, o.MED, b"\xff" * 4)), TAKEN)


def paths() -> Iterator[Case]:
    """RFC 7606 section 7.2, RFC 7607, RFC 9774, RFC 5065."""
    malformed = (
        ("a segment of type 0", o.segment(0, 65001)),
        ("a segment of type 5", SEQ + o.segment(5, 65009)),
        ("a segment of type 255", o.segment(255, 65001)),
        ("an empty segment", o.segment(o.AS_SEQUENCE)),
        ("an empty segment after another", SEQ + o.segment(o.AS_SEQUENCE)),
        ("an empty segment before another", o.segment(o.AS_SEQUENCE) + SEQ),
        ("an overrun segment", o.segment(o.AS_SEQUENCE, 65001, 65002, count=3)),
        ("a segment of 255 with one number", o.segment(o.AS_SEQUENCE, 65001, count=255)),
        ("a single octet after it", SEQ + b"\x02"),
        ("three octets after it", SEQ + b"\x02\x01\x00"),
        ("a single octet", b"\x02"),
        ("numbers of two octets", o.segment(o.AS_SEQUENCE, 65001, 65009, 65010, four=False)),
    )
    for name, value in malformed:
        yield Case(f"AS_PATH: {name}", "RFC 7606 7.2", path_of(value), WITHDRAWN)
    for name, value in (
        ("AS 0 first", o.segment(o.AS_SEQUENCE, 0, 65001)),
        ("AS 0 in the middle", o.segment(o.AS_SEQUENCE, 65001, 0, 65009)),
        ("AS 0 last", o.segment(o.AS_SEQUENCE, 65001, 0)),
        ("AS 0 alone", o.segment(o.AS_SEQUENCE, 0)),
    ):
        yield Case(f"AS_PATH: {name}", "RFC 7607 2", path_of(value), WITHDRAWN)
    for name, value in (
        ("AS_SET at the end", SEQ + o.segment(o.AS_SET, 65009, 65010)),
        ("AS_SET of one", SEQ + o.segment(o.AS_SET, 65009)),
        ("AS_SET alone", o.segment(o.AS_SET, 65001)),
        ("AS_SET in the middle", SEQ + o.segment(o.AS_SET, 65009) + o.segment(o.AS_SEQUENCE, 65010)),
        ("an empty AS_SET", SEQ + o.segment(o.AS_SET)),
        ("AS_SET with AS 0", SEQ + o.segment(o.AS_SET, 0)),
    ):
        yield Case(f"AS_PATH: {name}", "RFC 9774 3", path_of(value), WITHDRAWN)
    for name, value in (
        ("AS_CONFED_SEQUENCE first", o.segment(o.CONFED_SEQUENCE, 65009) + SEQ),
        ("AS_CONFED_SEQUENCE after", SEQ + o.segment(o.CONFED_SEQUENCE, 65009)),
        ("AS_CONFED_SET", SEQ + o.segment(o.CONFED_SET, 65009)),
        ("AS_CONFED_SEQUENCE alone", o.segment(o.CONFED_SEQUENCE, 65009)),
    ):
        yield Case(f"AS_PATH: {name}", "RFC 5065 5", path_of(value), WITHDRAWN)
    yield Case("AS_PATH: empty from an external peer", "RFC 7606 7.2, RFC 4271 6.3", path_of(b""), ("withdrawn", "taken"))
    yield Case("AS_PATH: another AS first", "RFC 4271 6.3 (may)", path_of(o.segment(2, 65077, 65001)), ("withdrawn", "taken", "reset 3/11"))
    yield Case("AS_PATH: our own AS", "RFC 4271 9.1.2", path_of(o.segment(2, 65001, 65515)), WITHDRAWN)
    yield Case("AS_PATH: AS_TRANS", "RFC 6793", path_of(o.segment(2, 65001, 23456)), TAKEN)
    yield Case("AS_PATH: AS 4294967295", "RFC 7300", path_of(o.segment(2, 65001, 4294967295)), ("taken", "withdrawn"))
    yield Case("AS_PATH: AS 65535", "RFC 7300", path_of(o.segment(2, 65001, 65535)), ("taken", "withdrawn"))
    yield Case("AS_PATH: two sequences", "RFC 4271 4.3", path_of(SEQ + o.segment(2, 65009)), TAKEN)
    full = o.segment(2, 65001, *[65009] * 254)
    yield Case("AS_PATH: 255 in a segment", "RFC 4271 4.3", path_of(full), TAKEN)
    yield Case("AS_PATH: 510 in two segments", "RFC 4271 4.3", path_of(full + o.segment(2, *[65010] * 255)), TAKEN)
    yield Case("AS_PATH: a hundred segments of one", "RFC 4271 4.3", path_of(SEQ, *[o.segment(2, 65009)] * 99), TAKEN)


def absent() -> Iterator[Case]:
    """RFC 7606 section 3 d: a mandatory attribute is missing."""
    for name, kind in (("ORIGIN", o.ORIGIN), ("AS_PATH", o.AS_PATH), ("NEXT_HOP", o.NEXT_HOP)):
        yield Case(f"no {name}", "RFC 7606 3d", instead(kind), WITHDRAWN)
    yield Case("no attributes", "RFC 7606 3d", lambda c: o.update(b"", c.nlri()), WITHDRAWN)
    yield Case("ORIGIN alone", "RFC 7606 3d", lambda c: o.update(o.origin(), c.nlri()), WITHDRAWN)
    yield Case("MP_REACH_NLRI without ORIGIN", "RFC 7606 3d", lambda c: o.update(o.mp_reach(c.nlri6()) + c.path()), WITHDRAWN, family=6)
    yield Case("MP_REACH_NLRI without AS_PATH", "RFC 7606 3d", lambda c: o.update(o.mp_reach(c.nlri6()) + o.origin()), WITHDRAWN, family=6)
    yield Case("no LOCAL_PREF from an internal peer", "RFC 4271 5.1.5", instead(o.LOCAL_PREF), ("taken", "withdrawn"), peer="ibgp")


def repeated() -> Iterator[Case]:
    """RFC 7606 section 3 g: all but the first are left out; two MP_REACH_NLRI or MP_UNREACH_NLRI end the session."""
    second = {
        o.ORIGIN: b"\2", o.AS_PATH: o.segment(2, 65001, 65077), o.NEXT_HOP: bytes([127, 66, 9, 10]), o.MED: b"\0\0\0\x09", o.ATOMIC: b"",
        o.AGGREGATOR: struct.pack("!I4B", 65009, 9, 9, 9, 9), o.COMMUNITIES: struct.pack("!HH", 65009, 9),
        o.EXT_COMMUNITIES: struct.pack("!BBHI", 0, 2, 65009, 9), o.LARGE: struct.pack("!III", 65009, 9, 9),
    }  # fmt: skip
    for name, kind, right, value in KNOWN:
        for again, raw in (
            ("", o.attribute(right, kind, second[kind])),
            (", wrong", o.attribute(right, kind, b"\xff" * 7)),
            (", of other flags", o.attribute(right ^ 0xC0, kind, second[kind])),
        ):
            first = o.attribute(right, kind, value)
            kept = ((kind, value),) if kind in (o.ORIGIN, o.COMMUNITIES, o.EXT_COMMUNITIES, o.LARGE, o.ATOMIC) else ()
            build = instead(kind, first + raw) if kind in (1, 2, 3) else with_more(first, raw)
            yield Case(f"{name} twice{again}", "RFC 7606 3g", build, TAKEN, kept=kept)
    value = b"abc"
    twice = o.attribute(0xC0, 99, value) + o.attribute(0xC0, 99, b"xyz")
    yield Case("an unrecognized attribute twice", "RFC 7606 3g", with_more(twice), TAKEN, kept=((99, value),))
    yield Case("MP_REACH_NLRI twice", "RFC 7606 3g", six(lambda c: o.mp_reach(c.nlri6()) + o.mp_reach(c.nlri6())), ("reset 3/1",), family=6)
    yield Case(
        "MP_REACH_NLRI twice, of two families",
        "RFC 7606 3g",
        six(lambda c: o.mp_reach(c.nlri6()) + o.mp_reach(c.nlri(), "10.0.0.1", (1, 2))),
        ("reset 3/1",),
        family=6,
    )
    yield Case("MP_UNREACH_NLRI twice", "RFC 7606 3g", lambda c: o.update(o.mp_unreach(c.nlri6()) * 2), ("reset 3/1",), family=6)
    yield Case("ORIGIN a hundred times", "RFC 7606 3g", with_more(o.origin(1) * 100), TAKEN)


def internal_only() -> Iterator[Case]:
    """RFC 7606 sections 7.5, 7.9, 7.10: discarded from an external peer however they look, withdrawn by a wrong length from an internal one."""
    rows = (
        ("LOCAL_PREF", o.LOCAL_PREF, 0x40, b"\0\0\0\x64", (0, 1, 3, 5, 8), "RFC 7606 7.5"),
        ("ORIGINATOR_ID", o.ORIGINATOR_ID, 0x80, b"\1\2\3\4", (0, 1, 3, 5, 8), "RFC 7606 7.9"),
        ("CLUSTER_LIST", o.CLUSTER_LIST, 0x80, b"\1\2\3\4", (0, 1, 3, 5, 7), "RFC 7606 7.10"),
    )
    for name, kind, right, value, wrong, source in rows:
        yield Case(f"{name} from an external peer", source, with_more(o.attribute(right, kind, value)), TAKEN)
        for length in wrong:
            raw = o.attribute(right, kind, bytes([9] * length))
            yield Case(f"{name} of {length} octets from an external peer", source, with_more(raw), TAKEN)
            build = instead(o.LOCAL_PREF, raw) if kind == o.LOCAL_PREF else with_more(raw)
            yield Case(f"{name} of {length} octets from an internal peer", source, build, WITHDRAWN, peer="ibgp")
        raw = o.attribute(right ^ 0xC0, kind, value)
        build = instead(o.LOCAL_PREF, raw) if kind == o.LOCAL_PREF else with_more(raw)
        yield Case(f"{name} with wrong flags from an internal peer", "RFC 7606 3c", build, WITHDRAWN, peer="ibgp")
        yield Case(f"{name} with wrong flags from an external peer", f"{source} (3c)", with_more(raw), ("taken", "withdrawn"))
        build = (
            instead(o.LOCAL_PREF, o.attribute(right, kind, value)) if kind == o.LOCAL_PREF else with_more(o.attribute(right, kind, value))
        )
        yield Case(f"{name} from an internal peer", "RFC 4456", build, TAKEN, peer="ibgp")
    own = o.attribute(0x80, o.ORIGINATOR_ID, bytes([127, 0, 0, 91]))
    yield Case("ORIGINATOR_ID is our own", "RFC 4456 8", with_more(own), WITHDRAWN, peer="ibgp", only="ours")
    own = o.attribute(0x80, o.CLUSTER_LIST, bytes([9, 9, 9, 9, 127, 0, 0, 91]))
    yield Case("CLUSTER_LIST has our own", "RFC 4456 8", with_more(own), WITHDRAWN, peer="ibgp", only="ours")


def all_cases() -> Iterator[Case]:
    for of in (flags, lengths, values, paths, absent, repeated, internal_only):
        yield from of()
