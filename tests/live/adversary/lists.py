"""NLRI, and the lengths of an UPDATE's lists (RFC 7606 sections 3 and 4)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.live.adversary import octets as o
from tests.live.adversary.attributes import IGNORED, TAKEN, WITHDRAWN, before
from tests.live.adversary.bench import Case, Context

MALFORMED, NETWORK = ("reset 3/1",), ("reset 3/10",)


def nlri() -> Iterator[Case]:
    """RFC 7606 sections 3 i, 3 j, 5.3; RFC 4271 section 6.3."""
    for bad, what in (
        (b"\x21\1\2\3\4\5", "33 bits"), (b"\xff" + b"\1" * 32, "255 bits"), (b"\x80" + b"\1" * 16, "128 bits"), (b"\x18\1\2", "overrun"),
        (b"\x20", "32 bits without octets"), (b"\x08", "8 bits without octets"),
    ):  # fmt: skip
        yield Case(f"NLRI: {what}", "RFC 7606 5.3", lambda c, bad=bad: o.update(c.mandatory(), c.nlri() + bad), NETWORK)
        yield Case(f"NLRI: {what}, alone", "RFC 7606 5.3", lambda c, bad=bad: o.update(c.mandatory(), bad), NETWORK)
        yield Case(
            f"Withdrawn Routes: {what}", "RFC 7606 3i", lambda c, bad=bad: o.update(b"", b"", c.nlri() + bad), ("reset 3/10", "reset 3/1")
        )
        yield Case(
            f"NLRI: {what}, with a bad ORIGIN",
            "RFC 7606 3j",
            lambda c, bad=bad: o.update(o.origin(7) + c.path() + o.next_hop(c.hop), c.nlri() + bad),
            NETWORK,
        )
    yield Case("NLRI", "RFC 4271 4.3", lambda c: o.update(c.mandatory(), c.nlri()), TAKEN)
    yield Case(
        "NLRI with bits beyond the prefix", "RFC 4271 4.3 (irrelevant)", lambda c: o.update(c.mandatory(), c.nlri() + b"\x04\xdf"), TAKEN
    )
    yield Case("a prefix twice in NLRI", "RFC 4271", lambda c: o.update(c.mandatory(), c.nlri() * 2), TAKEN)
    yield Case("a prefix both withdrawn and announced", "RFC 4271 4.3", lambda c: o.update(c.mandatory(), c.nlri(), c.nlri()), TAKEN)
    yield Case("withdrawn", "RFC 4271 4.3", lambda c: o.update(b"", b"", c.nlri()), WITHDRAWN)
    yield Case("withdrawn twice", "RFC 4271 4.3", lambda c: o.update(b"", b"", c.nlri() * 2), WITHDRAWN)
    yield Case("withdrawn with attributes and no NLRI", "RFC 4271 4.3", lambda c: o.update(c.mandatory(), b"", c.nlri()), WITHDRAWN)
    yield Case(
        "withdrawn with a bad attribute and no NLRI",
        "RFC 7606 5.2",
        lambda c: o.update(o.origin(7), b"", c.nlri()),
        ("reset 3/1", "reset 3/6"),
    )
    yield Case("withdrawn, never announced", "RFC 4271 4.3", lambda c: o.update(b"", b"", o.prefix("203.0.113.0/24")), IGNORED)
    yield Case("attributes and no prefixes", "RFC 7606 5.2", lambda c: o.update(c.mandatory()), IGNORED)
    yield Case("a bad attribute and no prefixes", "RFC 7606 5.2", lambda c: o.update(o.origin(7) + c.path()), ("reset 3/1", "reset 3/6"))
    yield Case(
        "a discarded attribute and no prefixes",
        "RFC 7606 5.2",
        lambda c: o.update(c.mandatory() + o.attribute(0x40, o.ATOMIC, b"\1")),
        IGNORED,
    )
    yield Case("the default route", "RFC 4271", lambda c: o.update(c.mandatory(), b"\0" + c.nlri()), TAKEN)
    yield Case(
        "prefixes that are martians",
        "RFC 6890 (by default taken)",
        lambda c: o.update(
            c.mandatory(), o.prefixes("127.0.0.0/8", "224.0.0.0/4", "0.0.0.0/8", "240.0.0.0/4", "169.254.0.0/16") + c.nlri()
        ),
        TAKEN,
    )


def lists() -> Iterator[Case]:
    """RFC 7606 sections 3 a and 4."""
    good = lambda c: c.mandatory()  # noqa: E731
    for more in (1, 4, 100, 60000):
        yield Case(
            f"Total Path Attribute Length {more} too long",
            "RFC 7606 3a",
            lambda c, n=more: o.update(good(c), c.nlri(), attributes_length=len(good(c)) + len(c.nlri()) + n),
            MALFORMED,
        )
        yield Case(
            f"Withdrawn Routes Length {more} too long",
            "RFC 7606 3a",
            lambda c, n=more: o.update(good(c), c.nlri(), withdrawn_length=min(65535, len(good(c)) + len(c.nlri()) + 2 + n)),
            MALFORMED,
        )
    yield Case(
        "Withdrawn Routes Length of all ones", "RFC 7606 3a", lambda c: o.update(good(c), c.nlri(), withdrawn_length=65535), MALFORMED
    )
    yield Case(
        "Withdrawn Routes Length 1 too long for the next length", "RFC 7606 3a", lambda c: o.message(o.UPDATE, b"\0\1\0\0"), MALFORMED
    )
    # Section 4: the length of the last attribute is wrong; the list's own length still finds the prefixes.
    for kind, right, name in (
        (o.MED, 0x80, "MED"),
        (o.COMMUNITIES, 0xC0, "COMMUNITIES"),
        (99, 0xC0, "an unrecognized one"),
        (o.ORIGIN, 0x40, "ORIGIN"),
        (o.AGGREGATOR, 0xC0, "AGGREGATOR"),
        (o.ATOMIC, 0x40, "ATOMIC_AGGREGATE"),
    ):
        for length in (5, 30, 255, 4000):
            raw = o.attribute(right, kind, b"\0\0\0\1", length)

            def build(c: Context, raw: bytes = raw, kind: int = kind) -> bytes:
                before = c.path() + o.next_hop(c.hop) if kind == o.ORIGIN else c.mandatory()
                return o.update(before + raw, c.nlri())

            yield Case(f"the last attribute, {name}, claims {length} octets", "RFC 7606 4", build, WITHDRAWN)
    for rest, what in (
        (b"\x40", "one octet"),
        (b"\x40\x01", "two octets"),
        (b"\xd0\x63\x00", "three octets of an extended one"),
        (b"\xc0\x63\x01", "a header alone"),
    ):
        yield Case(f"the list ends with {what}", "RFC 7606 4", lambda c, rest=rest: o.update(good(c) + rest, c.nlri()), WITHDRAWN)
    yield Case(
        "an attribute swallows those after it",
        "RFC 7606 4",
        lambda c: o.update(o.origin() + o.attribute(0xC0, 99, b"", 9) + c.path() + o.next_hop(c.hop), c.nlri()),
        WITHDRAWN,
    )
    yield Case(
        "attributes in descending order",
        "RFC 4271 5 (should)",
        lambda c: o.update(
            o.attribute(0xC0, o.COMMUNITIES, b"\0\1\0\1")
            + o.attribute(0x80, o.MED, b"\0\0\0\1")
            + o.next_hop(c.hop)
            + c.path()
            + o.origin(),
            c.nlri(),
        ),
        TAKEN,
    )
    yield Case(
        "several errors, the gravest counts",
        "RFC 7606 3h",
        before(o.attribute(0x40, o.ATOMIC, b"\1"), o.attribute(0x80, o.MED, b"")),
        WITHDRAWN,
    )
    yield Case(
        "several errors, and a reset among them",
        "RFC 7606 3h",
        before(o.attribute(0x80, o.MED, b""), o.attribute(0x40, 99, b"")),
        ("reset 3/2",),
    )


def all_cases() -> Iterator[Case]:
    for of in (nlri, lists):
        yield from of()
