"""MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760, 2545), and messages with prefixes of both families."""

from __future__ import annotations

from collections.abc import Iterator

from tests.live.adversary import octets as o
from tests.live.adversary.attributes import IGNORED, TAKEN, WITHDRAWN, instead, six, with_more
from tests.live.adversary.bench import Case

OPTIONAL_ERROR = ("reset 3/9",)
UNSYNTACTIC = ("reset 3/10", "reset 3/9")  # RFC 4760 section 7 says 9, RFC 4271 section 6.3 says 10 of prefixes
GLOBAL, LINK = bytes.fromhex("20010db8000000000000000000000001"), bytes.fromhex("fe800000000000000000000000000001")


def reach() -> Iterator[Case]:
    for length in (0, 1, 4, 8, 12, 15, 17, 20, 24, 31, 33, 48):
        hop = (GLOBAL * 3)[:length]
        yield Case(
            f"MP_REACH_NLRI: next hop of {length} octets",
            "RFC 7606 7.11",
            six(lambda c, hop=hop: o.mp_reach(c.nlri6(), hop)),
            OPTIONAL_ERROR,
            family=6,
        )
    yield Case("MP_REACH_NLRI: next hop of 16 octets", "RFC 2545 3", six(lambda c: o.mp_reach(c.nlri6(), GLOBAL)), TAKEN, family=6)
    yield Case(
        "MP_REACH_NLRI: global and link-local next hop", "RFC 2545 3", six(lambda c: o.mp_reach(c.nlri6(), GLOBAL + LINK)), TAKEN, family=6
    )
    for hop in ("::", "ff02::1", "ff0e::5"):
        yield Case(
            f"MP_REACH_NLRI: next hop {hop}", "RFC 4271 6.3", six(lambda c, hop=hop: o.mp_reach(c.nlri6(), hop)), WITHDRAWN, family=6
        )
    for hop in ("::1", "::ffff:10.0.0.1", "fe80::1"):
        yield Case(
            f"MP_REACH_NLRI: next hop {hop}",
            "RFC 2545 3",
            six(lambda c, hop=hop: o.mp_reach(c.nlri6(), hop)),
            ("taken", "withdrawn"),
            family=6,
        )
    for length, what in ((0, "nothing"), (1, "one octet"), (2, "AFI alone"), (3, "AFI and SAFI alone")):
        yield Case(
            f"MP_REACH_NLRI of {what}",
            "RFC 7606 7.11, 5.3",
            six(lambda c, n=length: o.attribute(0x80, o.MP_REACH, b"\0\2\1"[:n])),
            OPTIONAL_ERROR,
            family=6,
        )
    cut_hop = b"\0\2\1\x10" + GLOBAL[:9]
    yield Case(
        "MP_REACH_NLRI ends within its next hop",
        "RFC 7606 7.11",
        six(lambda c: o.attribute(0x80, o.MP_REACH, cut_hop)),
        OPTIONAL_ERROR,
        family=6,
    )
    no_reserved = b"\0\2\1\x10" + GLOBAL
    yield Case(
        "MP_REACH_NLRI ends before Reserved",
        "RFC 7606 5.3",
        six(lambda c: o.attribute(0x80, o.MP_REACH, no_reserved)),
        OPTIONAL_ERROR,
        family=6,
    )
    yield Case(
        "MP_REACH_NLRI: Reserved is not 0",
        "RFC 4760 3 (ignored)",
        six(lambda c: o.mp_reach(c.nlri6(), GLOBAL, reserved=255)),
        TAKEN,
        family=6,
    )
    for bad, what in (
        (b"\x81" + b"\x20" * 17, "prefix of 129 bits"),
        (b"\xff" + b"\x20" * 32, "prefix of 255 bits"),
        (b"\x40\x20\x01", "prefix overrun"),
        (b"\x80", "prefix of 128 bits without octets"),
    ):
        yield Case(
            f"MP_REACH_NLRI: {what}", "RFC 7606 5.3", six(lambda c, bad=bad: o.mp_reach(c.nlri6() + bad, GLOBAL)), UNSYNTACTIC, family=6
        )
        yield Case(
            f"MP_UNREACH_NLRI: {what}", "RFC 7606 5.3", lambda c, bad=bad: o.update(o.mp_unreach(c.nlri6() + bad)), UNSYNTACTIC, family=6
        )
    for flags in (0x00, 0x40, 0xC0):
        yield Case(
            f"MP_REACH_NLRI with flags {flags:#04x}",
            "RFC 7606 3c",
            six(lambda c, f=flags: o.mp_reach(c.nlri6(), GLOBAL, flags=f)),
            WITHDRAWN,
            family=6,
        )
        yield Case(
            f"MP_UNREACH_NLRI with flags {flags:#04x}",
            "RFC 7606 3c",
            lambda c, f=flags: o.update(o.mp_unreach(o.prefix(c.base6), flags=f)),
            ("withdrawn", "reset 3/1", "reset 3/9", "reset 3/4"),
            family=6,
        )
    yield Case(
        "MP_REACH_NLRI with Extended Length", "RFC 4271 4.3", six(lambda c: o.mp_reach(c.nlri6(), GLOBAL, flags=0x90)), TAKEN, family=6
    )
    yield Case("MP_REACH_NLRI with Partial", "RFC 7606 3c", six(lambda c: o.mp_reach(c.nlri6(), GLOBAL, flags=0xA0)), TAKEN, family=6)
    yield Case("MP_UNREACH_NLRI withdraws", "RFC 4760 4", lambda c: o.update(o.mp_unreach(c.nlri6())), WITHDRAWN, family=6)
    yield Case(
        "MP_REACH_NLRI after all others", "RFC 7606 5.1", lambda c: o.update(o.origin() + c.path() + o.mp_reach(c.nlri6())), TAKEN, family=6
    )
    yield Case("MP_REACH_NLRI without prefixes", "RFC 7606 5.2", six(lambda c: o.mp_reach(b"", GLOBAL)), IGNORED, family=6)
    yield Case(
        "MP_REACH_NLRI without prefixes and a bad ORIGIN",
        "RFC 7606 5.2",
        lambda c: o.update(o.mp_reach(b"", GLOBAL) + o.origin(9) + c.path()),
        ("reset 3/1", "reset 3/6"),
        family=6,
    )
    yield Case(
        "MP_REACH_NLRI and NEXT_HOP",
        "RFC 4760 3 (ignored)",
        six(lambda c: o.mp_reach(c.nlri6(), GLOBAL), o.next_hop("10.9.9.9")),
        TAKEN,
        family=6,
    )
    yield Case(
        "MP_REACH_NLRI and a wrong NEXT_HOP",
        "RFC 4760 3, RFC 7606 7.3",
        six(lambda c: o.mp_reach(c.nlri6(), GLOBAL), o.attribute(0x40, o.NEXT_HOP, b"\1\2")),
        ("taken", "withdrawn"),
        family=6,
    )
    yield Case(
        "MP_REACH_NLRI of a bad ORIGIN",
        "RFC 7606 7.1",
        lambda c: o.update(o.mp_reach(c.nlri6()) + o.origin(7) + c.path()),
        WITHDRAWN,
        family=6,
    )
    yield Case(
        "MP_REACH_NLRI goes beyond the list",
        "RFC 7606 3j, 4",
        lambda c: o.update(o.origin() + c.path() + o.attribute(0x80, o.MP_REACH, b"\0\2\1\x10" + GLOBAL, 200)),
        ("reset 3/1", "reset 3/5", "reset 3/9"),
        family=6,
    )
    yield Case(
        "MP_UNREACH_NLRI goes beyond the list",
        "RFC 7606 3j, 4",
        lambda c: o.update(o.attribute(0x80, o.MP_UNREACH, b"\0\2\1", 200)),
        ("reset 3/1", "reset 3/5", "reset 3/9"),
        family=6,
    )
    for length in (0, 1, 2):
        yield Case(
            f"MP_UNREACH_NLRI of {length} octets",
            "RFC 7606 5.3, RFC 4760 7",
            lambda c, n=length: o.update(o.attribute(0x80, o.MP_UNREACH, b"\0\2\1"[:n])),
            ("reset 3/9", "reset 3/1", "reset 3/5"),
            family=6,
        )
    both = lambda c: o.update(o.mp_reach(c.nlri6()) + c.mandatory(), c.nlri())  # noqa: E731
    yield Case("both kinds of prefixes, the IPv4 ones", "RFC 4760 3", both, TAKEN)
    yield Case("both kinds of prefixes, the IPv6 ones", "RFC 4760 3", both, TAKEN, family=6)
    bad_both = lambda c: o.update(o.mp_reach(c.nlri6()) + instead(o.ORIGIN, o.origin(9))(c)[23:][: -len(c.nlri())], c.nlri())  # noqa: E731
    yield Case("both kinds of prefixes under a bad ORIGIN, the IPv4 ones", "RFC 7606 7.1", bad_both, WITHDRAWN)
    yield Case("both kinds of prefixes under a bad ORIGIN, the IPv6 ones", "RFC 7606 7.1", bad_both, WITHDRAWN, family=6)
    yield Case(
        "IPv4 prefixes in MP_REACH_NLRI",
        "RFC 4760 3",
        lambda c: o.update(o.mp_reach(c.nlri(), "10.0.0.1", o.IPV4) + o.origin() + c.path()),
        ("taken",),
    )
    yield Case(
        "IPv4 prefixes in MP_REACH_NLRI with an IPv6 next hop",
        "RFC 8950 (not agreed on)",
        lambda c: o.update(o.mp_reach(c.nlri(), GLOBAL, o.IPV4) + o.origin() + c.path()),
        ("reset 3/9",),
    )
    yield Case("IPv4 prefixes in MP_UNREACH_NLRI", "RFC 4760 4", lambda c: o.update(o.mp_unreach(o.prefix(c.base), o.IPV4)), WITHDRAWN)
    for family in (
        (1, 2),
        (1, 4),
        (1, 128),
        (2, 2),
        (2, 128),
        (25, 65),
        (25, 70),
        (16388, 71),
        (0, 0),
        (65535, 255),
        (1, 0),
        (3, 1),
        (1, 133),
    ):
        yield Case(
            f"MP_REACH_NLRI of family {family}",
            "RFC 4760 7 (ignored, or the session ends)",
            lambda c, f=family: o.update(o.mp_reach(b"\x18\1\2\3", "10.0.0.1", f) + o.origin() + c.path()),
            ("ignored", "reset 3/9"),
        )
        yield Case(
            f"MP_UNREACH_NLRI of family {family}",
            "RFC 4760 7 (ignored, or the session ends)",
            lambda c, f=family: o.update(o.mp_unreach(b"\x18\1\2\3", f)),
            ("ignored", "reset 3/9"),
        )
        yield Case(f"End-of-RIB of family {family}", "RFC 4724 2", lambda c, f=family: o.end_of_rib(f), ("ignored", "reset 3/9"))
    yield Case("End-of-RIB of IPv4", "RFC 4724 2", lambda c: o.end_of_rib(), IGNORED)
    yield Case("End-of-RIB of IPv6", "RFC 4724 2", lambda c: o.end_of_rib(o.IPV6), IGNORED, family=6)
    yield Case("End-of-RIB of IPv4 in MP_UNREACH_NLRI", "RFC 4724 2", lambda c: o.update(o.mp_unreach(b"", o.IPV4)), IGNORED)
    yield Case("End-of-RIB a thousand times", "RFC 4724 2", lambda c: o.end_of_rib() * 500 + o.end_of_rib(o.IPV6) * 500, IGNORED)
    yield Case(
        "MP_REACH_NLRI announces what MP_UNREACH_NLRI withdraws",
        "RFC 4271 4.3",
        lambda c: o.update(o.mp_unreach(c.nlri6()) + o.mp_reach(c.nlri6()) + o.origin() + c.path()),
        TAKEN,
        family=6,
    )


def not_agreed_on() -> Iterator[Case]:
    """Families that we know, and that were not agreed on (RFC 4760 sections 6 and 8): ignored, or the session ends."""
    never = ("ignored", "withdrawn", "reset 3/9")
    yield Case(
        "IPv6 prefixes where IPv4 alone was agreed on",
        "RFC 4760 7, 8",
        six(lambda c: o.mp_reach(c.nlri6(), GLOBAL)),
        never,
        peer="v4",
        family=6,
    )
    both = with_more(o.mp_reach(b"\x20\x20\x01\x0d\xb8", GLOBAL))
    yield Case(
        "IPv6 prefixes beside IPv4 ones, which alone were agreed on", "RFC 4760 7, 8", both, ("taken", "ignored", "reset 3/9"), peer="v4"
    )
    yield Case(
        "IPv6 withdrawals where IPv4 alone was agreed on",
        "RFC 4760 7, 8",
        lambda c: o.update(o.mp_unreach(c.nlri6())),
        never,
        peer="v4",
        family=6,
    )
    yield Case(
        "End-of-RIB of IPv6 where IPv4 alone was agreed on",
        "RFC 4724 2",
        lambda c: o.end_of_rib(o.IPV6),
        ("ignored", "reset 3/9"),
        peer="v4",
    )
    yield Case(
        "a malformed MP_REACH_NLRI of IPv6 where IPv4 alone was agreed on",
        "RFC 4760 7",
        six(lambda c: o.mp_reach(c.nlri6(), GLOBAL[:7])),
        ("ignored", "reset 3/9"),
        peer="v4",
    )
    yield Case(
        "IPv4 prefixes where IPv6 alone was agreed on",
        "RFC 4760 8",
        lambda c: o.update(c.mandatory(), c.nlri()),
        ("withdrawn", "reset 3/9", "reset 3/10"),
        peer="v6",
    )
    yield Case(
        "IPv6 prefixes where IPv6 alone was agreed on",
        "RFC 4760 8",
        six(lambda c: o.mp_reach(c.nlri6(), GLOBAL)),
        TAKEN,
        peer="v6",
        family=6,
    )


def all_cases() -> Iterator[Case]:
    for of in (reach, not_agreed_on):
        yield from of()
