"""UPDATEs whose lists, lengths or prefixes are wrong, and what RFC 4271, 4760 and 7606 make of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tests.bgp.defects import KNOWN, NLRI, WITHDRAW, attribute, reach

NOTHING, TAKEN = "taken as nothing", "taken"
MANDATORY = KNOWN["ORIGIN"].raw() + KNOWN["AS_PATH"].raw() + KNOWN["NEXT_HOP"].raw()
BAD_ORIGIN = attribute(0x40, 1, b"\7") + KNOWN["AS_PATH"].raw() + KNOWN["NEXT_HOP"].raw()
UNREACH = attribute(0x80, 15, b"\0\2\1" + bytes.fromhex("2020010db9"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """The body of one UPDATE from an external peer of four-octet AS numbers."""

    name: str
    verdict: str
    source: str
    body: bytes


def body(attributes: bytes, nlri: bytes = NLRI, withdrawn: bytes = b"", *, beyond: int = 0, withdrawn_beyond: int = 0) -> bytes:
    """An UPDATE's body; `beyond` octets more are claimed than are there."""
    return (
        struct.pack(">H", len(withdrawn) + withdrawn_beyond) + withdrawn + struct.pack(">H", len(attributes) + beyond) + attributes + nlri
    )


def line(name: str, verdict: str, source: str, body: bytes) -> Structure:
    return Structure(name=name, verdict=verdict, source=source, body=body)


LISTS, NETWORK, LAST = "RFC 4271 section 6.3", "RFC 7606 section 5.3", "RFC 7606 section 4"
MALFORMED_LIST, INVALID_NETWORK = "session reset 3/1", "session reset 3/10"

STRUCTURE = (
    line("UPDATE: no octets", "session reset 1/2", "RFC 4271 section 6.1", b""),
    line("UPDATE: a single octet", "session reset 1/2", "RFC 4271 section 6.1", b"\0"),
    line("UPDATE: Withdrawn Routes Length beyond its end", MALFORMED_LIST, LISTS, body(MANDATORY, withdrawn_beyond=500)),
    line("UPDATE: Withdrawn Routes Length leaves no room for the next length", MALFORMED_LIST, LISTS, b"\0\1\0\0"),
    line("UPDATE: Total Path Attribute Length beyond its end", MALFORMED_LIST, LISTS, body(MANDATORY, beyond=len(NLRI) + 1)),
    line("attribute list: the last one goes beyond it", WITHDRAW, LAST, body(MANDATORY + bytes([0x80, 4, 9, 0]))),
    line("attribute list: a single octet at its end", WITHDRAW, LAST, body(MANDATORY + b"\x80")),
    line("attribute list: two octets at its end", WITHDRAW, LAST, body(MANDATORY + b"\x80\4")),
    line("attribute list: half an extended length at its end", WITHDRAW, LAST, body(MANDATORY + b"\x90\4\0")),
    line("attribute list: an unknown one goes beyond it", WITHDRAW, LAST, body(MANDATORY + bytes([0xC0, 99, 9, 0]))),
    line("attribute list: MP_REACH_NLRI goes beyond it", "session reset 3/9", "RFC 7606 section 3 j", body(MANDATORY + b"\x80\x0e\x50\0\2\1")),
    line("attribute list: MP_UNREACH_NLRI goes beyond it", "session reset 3/9", "RFC 7606 section 3 j", body(MANDATORY + b"\x80\x0f\x50\0\2\1")),
    line("attribute list: an unknown well-known one", "session reset 3/2", LISTS, body(MANDATORY + attribute(0x40, 99, b"abc"))),
    line("attribute list: an unknown one that is neither", "session reset 3/2", LISTS, body(MANDATORY + attribute(0x00, 99, b"abc"))),
    line("attribute list: an unknown optional transitive one", TAKEN, "RFC 4271 section 5", body(MANDATORY + attribute(0xC0, 99, b"abc"))),
    line("attribute list: an unknown optional one", TAKEN, "RFC 4271 section 5", body(MANDATORY + attribute(0x80, 99, b"abc"))),
    line("attribute list: in any order", TAKEN, "RFC 4271 section 5", body(KNOWN["NEXT_HOP"].raw() + KNOWN["AS_PATH"].raw() + KNOWN["ORIGIN"].raw())),
    line("NLRI: 33 bits", INVALID_NETWORK, NETWORK, body(MANDATORY, NLRI + bytes([33, 1, 1, 1, 1, 1]))),
    line("NLRI: a prefix goes beyond it", INVALID_NETWORK, NETWORK, body(MANDATORY, NLRI + bytes([24, 1]))),
    line("NLRI: 33 bits beside a bad ORIGIN", INVALID_NETWORK, "RFC 7606 section 3 j", body(BAD_ORIGIN, NLRI + bytes([33, 1, 1, 1, 1, 1]))),
    line("Withdrawn Routes: 33 bits", INVALID_NETWORK, "RFC 7606 section 3 i", body(b"", b"", bytes([33, 1, 1, 1, 1, 1]))),
    line("Withdrawn Routes: a prefix goes beyond it", INVALID_NETWORK, "RFC 7606 section 3 i", body(b"", b"", bytes([24, 1]))),
    line("no prefixes: well-formed attributes", NOTHING, "RFC 7606 section 5.2", body(MANDATORY, b"")),
    line("no prefixes: an attribute that is discarded", NOTHING, "RFC 7606 section 5.2", body(MANDATORY + attribute(0x40, 6, b"\1"), b"")),
    line("no prefixes: a bad ORIGIN", MALFORMED_LIST, "RFC 7606 section 5.2", body(BAD_ORIGIN, b"")),
    line("no prefixes: a bad ORIGIN beside Withdrawn Routes", MALFORMED_LIST, "RFC 7606 section 5.2", body(BAD_ORIGIN, b"", bytes([8, 11]))),
    line("no prefixes: a bad ORIGIN beside MP_UNREACH_NLRI", MALFORMED_LIST, "RFC 7606 section 5.2", body(BAD_ORIGIN + UNREACH, b"")),
    line("two defects: discard and withdraw", WITHDRAW, "RFC 7606 section 3 h", body(MANDATORY + attribute(0x40, 6, b"\1") + attribute(0x80, 4, b""))),
    line("two defects: withdraw and reset", "session reset 3/2", "RFC 7606 section 3 h", body(BAD_ORIGIN + attribute(0x40, 99, b""))),
    line("MP_REACH_NLRI of IPv4 with a next hop of 16 octets", "session reset 3/9", "RFC 7606 section 7.11",
         body(MANDATORY + attribute(0x80, 14, reach(family=b"\0\1\1", nlri=bytes([8, 11]))))),
    line("MP_REACH_NLRI: the flags are wrong, and so are its prefixes", "session reset 3/9", "RFC 7606 section 3 j",
         body(MANDATORY + attribute(0x40, 14, reach(nlri=b"\x81" + bytes(17))))),
    line("MP_REACH_NLRI: a next hop that is no host's", WITHDRAW, "RFC 4271 section 6.3, RFC 7606 section 3 e",
         body(MANDATORY + attribute(0x80, 14, reach(next_hop=b"\xff" + bytes(15))))),
)  # fmt: skip
