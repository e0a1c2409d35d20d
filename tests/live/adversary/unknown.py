"""Unrecognized attributes, AS numbers of two octets, what is too big (RFC 4271 section 5, RFC 6793, RFC 8654)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.live.adversary import octets as o
from tests.live.adversary.attributes import TAKEN, WITHDRAWN, path_of, with_more
from tests.live.adversary.bench import Case, Context


def unrecognized() -> Iterator[Case]:
    """RFC 4271 section 5 and 6.3: optional transitive ones go on with Partial, non-transitive ones don't, well-known ones end the session."""
    for kind in (11, 12, 13, 19, 20, 21, 22, 25, 28, 30, 34, 40, 99, 128, 200, 241, 254, 255):
        for value in (b"", b"abc", b"\xff" * 300):
            if kind in (25, 128) or (kind == 22 and value != b"abc"):
                expect: tuple[str, ...] = ("taken", "withdrawn")
                kept: tuple[tuple[int, bytes], ...] = ()
            elif kind in (22, 40, 20, 21, 30, 34, 28, 19):
                expect, kept = TAKEN, ()
            else:
                expect, kept = TAKEN, ((kind, value),)
            yield Case(
                f"optional transitive attribute {kind} of {len(value)} octets",
                "RFC 4271 5",
                with_more(o.attribute(0xC0, kind, value)),
                expect,
                kept=kept,
            )
        yield Case(
            f"optional non-transitive attribute {kind}",
            "RFC 4271 5",
            with_more(o.attribute(0x80, kind, b"abc")),
            ("taken", "withdrawn") if kind in (19, 20, 21, 22, 25, 28, 30, 34, 40, 128) else TAKEN,
            gone=(kind,),
        )
    for kind in (0, 11, 13, 99, 200, 255):
        for flags in (0x40, 0x00, 0x50):
            raw = o.attribute(flags, kind, b"abc")
            yield Case(
                f"unrecognized well-known attribute {kind} of flags {flags:#04x}", "RFC 4271 6.3", with_more(raw), ("reset 3/2",), data=raw
            )
    for kind in (24, 26, 29, 33):
        yield Case(
            f"optional non-transitive attribute {kind}",
            "RFC 4271 5, RFC 7311",
            with_more(o.attribute(0x80, kind, b"\1\0\x0b" + bytes(8))),
            ("taken", "withdrawn") if kind != 26 else TAKEN,
            gone=(kind,),
        )
    yield Case(
        "AIGP with flags of a transitive one",
        "RFC 7311 3",
        with_more(o.attribute(0xC0, o.AIGP, b"\1\0\x0b" + bytes(8))),
        ("taken", "withdrawn"),
        gone=(o.AIGP,),
    )
    yield Case("AIGP of no octets", "RFC 7311 3", with_more(o.attribute(0x80, o.AIGP, b"")), TAKEN, gone=(o.AIGP,))
    yield Case("attribute 0, optional transitive", "RFC 4271 5 (reserved)", with_more(o.attribute(0xC0, 0, b"abc")), ("taken", "withdrawn"))
    yield Case(
        "a hundred unrecognized attributes",
        "RFC 4271 5",
        lambda c: o.update(c.mandatory() + b"".join(o.attribute(0xC0, kind, b"x") for kind in range(130, 230)), c.nlri()),
        TAKEN,
    )


def two_octets() -> Iterator[Case]:
    """RFC 6793 section 6: AS4_PATH and AS4_AGGREGATOR that are wrong are discarded."""
    as4 = lambda *segments: o.attribute(0xC0, o.AS4_PATH, b"".join(segments))  # noqa: E731
    yield Case("AS4_PATH from a speaker of four octets", "RFC 6793 4.1", with_more(as4(o.segment(2, 65001, 4200000009))), TAKEN, gone=(17,))
    yield Case(
        "AS4_AGGREGATOR from a speaker of four octets",
        "RFC 6793 4.1",
        with_more(o.attribute(0xC0, 18, b"\xfa\x56\xea\x09\1\2\3\4")),
        TAKEN,
        gone=(18,),
    )
    yield Case(
        "a malformed AS4_PATH from a speaker of four octets", "RFC 6793 4.1", with_more(o.attribute(0xC0, 17, b"\2")), TAKEN, gone=(17,)
    )
    for name, raw in (
        ("of no octets", as4()), ("of one octet", o.attribute(0xC0, 17, b"\2")), ("with an overrun segment", as4(o.segment(2, 65005, count=5))),
        ("with an empty segment", as4(o.segment(2))), ("with a segment of type 9", as4(o.segment(9, 65005))), ("with AS 0", as4(o.segment(2, 65005, 0))),
        ("with octets after it", as4(o.segment(2, 65005), b"\2")), ("with a confederation", as4(o.segment(3, 65077), o.segment(2, 65005))),
    ):  # fmt: skip
        yield Case(f"AS4_PATH {name}", "RFC 6793 6", with_more(raw), TAKEN, peer="ebgp2")
    yield Case(
        "AS4_PATH with an AS_SET", "RFC 9774 3", with_more(as4(o.segment(2, 65005), o.segment(1, 4200000009))), ("withdrawn",), peer="ebgp2"
    )
    yield Case(
        "AS4_PATH longer than AS_PATH", "RFC 6793 4.2.3", with_more(as4(o.segment(2, 65005, 4200000009, 4200000010))), TAKEN, peer="ebgp2"
    )

    def merged(c: Context) -> bytes:
        as_path = o.as_path(65005, 23456, four=False)
        return o.update(o.origin() + as_path + o.next_hop(c.hop) + as4(o.segment(2, 65005, 4200000009)), c.nlri())

    yield Case("AS4_PATH beside AS_TRANS", "RFC 6793 4.2.3", merged, TAKEN, peer="ebgp2")
    yield Case(
        "AS4_PATH with wrong flags",
        "RFC 7606 3c, RFC 6793 6",
        with_more(o.attribute(0x40, 17, o.segment(2, 65005))),
        ("taken", "withdrawn"),
        peer="ebgp2",
    )
    for length in (0, 4, 6, 7, 9):
        yield Case(
            f"AS4_AGGREGATOR of {length} octets", "RFC 6793 6", with_more(o.attribute(0xC0, 18, b"\1" * length)), TAKEN, peer="ebgp2"
        )
    trans = o.attribute(0xC0, o.AGGREGATOR, b"\x5b\xa0\1\2\3\4")
    yield Case("AS4_AGGREGATOR of AS 0", "RFC 7607 2", with_more(trans, o.attribute(0xC0, 18, bytes(4) + b"\1\2\3\4")), TAKEN, peer="ebgp2")
    yield Case(
        "AGGREGATOR of 8 octets from a speaker of two",
        "RFC 7606 7.7",
        with_more(o.attribute(0xC0, o.AGGREGATOR, b"\0\0\0\1\1\2\3\4")),
        TAKEN,
        peer="ebgp2",
        gone=(7,),
    )
    yield Case(
        "AGGREGATOR of 6 octets from a speaker of two",
        "RFC 4271 5.1.7",
        with_more(o.attribute(0xC0, o.AGGREGATOR, b"\xfd\xe9\1\2\3\4")),
        TAKEN,
        peer="ebgp2",
    )
    yield Case("AS_PATH of four octets from a speaker of two", "RFC 7606 7.2", path_of(o.segment(2, 65005)), ("withdrawn",), peer="ebgp2")
    yield Case("AS_PATH of two octets with AS 0", "RFC 7607 2", path_of(o.segment(2, 65005, 0, four=False)), WITHDRAWN, peer="ebgp2")
    yield Case(
        "AS_SET from a speaker of two",
        "RFC 9774 3",
        path_of(o.segment(2, 65005, four=False), o.segment(1, 7, four=False)),
        WITHDRAWN,
        peer="ebgp2",
    )


def big() -> Iterator[Case]:
    """What fits in one message fits, and what doesn't fit in another peer's messages is withdrawn from it (RFC 8654 section 4)."""

    def filled(c: Context, size: int) -> bytes:
        around = len(o.update(c.mandatory(), c.nlri())) + 4
        return o.update(c.mandatory() + o.attribute(0xD0, 99, b"x" * (size - around)), c.nlri())

    for size in (3000, 3900, 4000):
        yield Case(f"a message of {size} octets", "RFC 4271 4.1", lambda c, n=size: filled(c, n), TAKEN)
    # With our own AS before them, some no longer fit.
    for size in (4085, 4090, 4092, 4093, 4094, 4095, 4096):
        yield Case(
            f"a message of {size} octets",
            "RFC 4271 4.1",
            lambda c, n=size: filled(c, n),
            ("taken", "taken by some", "withdrawn", "withdrawn from some"),
        )
    for size in (4097, 5000, 30000, 65535):
        yield Case(
            f"a message of {size} octets, not agreed on",
            "RFC 4271 6.1",
            lambda c, n=size: filled(c, n),
            ("reset 1/2", "taken by some", "withdrawn"),  # fine where the speaker has the capability itself (RFC 8654 section 4)
            data=size.to_bytes(2, "big"),
        )
        yield Case(
            f"an extended message of {size} octets",
            "RFC 8654 4",
            lambda c, n=size: filled(c, n),
            ("taken by some", *(("withdrawn",) if size > 65530 else ())),
            peer="big",
        )
    yield Case(
        "900 communities",
        "RFC 1997",
        with_more(o.attribute(0xD0, o.COMMUNITIES, b"".join(struct.pack("!HH", 65001, n) for n in range(900)))),
        TAKEN,
    )
    yield Case(
        "many prefixes in an extended message",
        "RFC 8654 4",
        lambda c: o.update(c.mandatory(), b"".join(bytes([32, 99, c.number & 255, n >> 8, n & 255]) for n in range(12000)) + c.nlri()),
        TAKEN,
        peer="big",
    )
    yield Case("a long path", "RFC 4271 4.3", path_of(*[o.segment(2, 65001, *[65009] * 200)] * 4), TAKEN)


def all_cases() -> Iterator[Case]:
    for of in (unrecognized, two_octets, big):
        yield from of()
