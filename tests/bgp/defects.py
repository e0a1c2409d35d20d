"""UPDATEs with one defect each, and what RFC 7606 and its companions make of them: a table of its own, not taken from the code under test."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

DISCARD, WITHDRAW = "attribute discard", "treat-as-withdraw"
FLAGS, LENGTH, VALUE, REPEATED, MISSING, EXTERNAL = "flags", "length", "value", "repeated", "missing", "from an external peer"

PREFIX, PREFIX6 = "10.1.1.0/24", "2001:db8::/32"
NLRI, NLRI6 = bytes([24, 10, 1, 1]), bytes.fromhex("2020010db8")


def attribute(flags: int, kind: int, value: bytes) -> bytes:
    return bytes([flags, kind, len(value)]) + value


def segment(kind: int, *asns: int, size: int = 4, count: int | None = None) -> bytes:
    """A segment of an AS path; `count` may lie."""
    return bytes([kind, len(asns) if count is None else count]) + b"".join(asn.to_bytes(size, "big") for asn in asns)


def reach(next_hop: bytes = bytes.fromhex("fd" + "00" * 14 + "01"), nlri: bytes = NLRI6, family: bytes = b"\0\2\1") -> bytes:
    """The value of MP_REACH_NLRI."""
    return family + bytes([len(next_hop)]) + next_hop + b"\0" + nlri


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A right attribute: its flags, a value, and another value."""

    kind: int
    flags: int
    good: bytes
    other: bytes

    def raw(self) -> bytes:
        return attribute(self.flags, self.kind, self.good)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One message: `raw` stands where the attribute would, b"" for nothing."""

    attribute: str
    defect: str
    what: str
    verdict: str  # DISCARD, WITHDRAW, or "session reset 3/N"
    source: str
    raw: bytes
    peer: str = "external"  # external | internal | two-octet
    same_as: bytes = b""  # a message with this in its place means the same; for DISCARD

    @property
    def name(self) -> str:
        return f"{self.attribute}: {self.what}"


KNOWN = {
    "ORIGIN": Known(kind=1, flags=0x40, good=b"\0", other=b"\2"),
    "AS_PATH": Known(kind=2, flags=0x40, good=segment(2, 65101), other=segment(2, 65101, 7)),
    "NEXT_HOP": Known(kind=3, flags=0x40, good=bytes([10, 0, 0, 1]), other=bytes([10, 0, 0, 9])),
    "MULTI_EXIT_DISC": Known(kind=4, flags=0x80, good=b"\0\0\0\7", other=b"\0\0\0\x09"),
    "LOCAL_PREF": Known(kind=5, flags=0x40, good=b"\0\0\0\x65", other=b"\0\0\0\x09"),
    "ATOMIC_AGGREGATE": Known(kind=6, flags=0x40, good=b"", other=b""),
    "AGGREGATOR": Known(kind=7, flags=0xC0, good=struct.pack(">I4B", 65101, 1, 2, 3, 4), other=struct.pack(">I4B", 9, 9, 9, 9, 9)),
    "COMMUNITIES": Known(kind=8, flags=0xC0, good=struct.pack(">HH", 65101, 1), other=struct.pack(">HH", 65101, 9)),
    "ORIGINATOR_ID": Known(kind=9, flags=0x80, good=bytes([3, 3, 3, 3]), other=bytes([9, 9, 9, 9])),
    "CLUSTER_LIST": Known(kind=10, flags=0x80, good=bytes([4, 4, 4, 4]), other=bytes([9, 9, 9, 9])),
    "MP_REACH_NLRI": Known(kind=14, flags=0x80, good=reach(), other=reach(nlri=bytes.fromhex("2020010db9"))),
    "MP_UNREACH_NLRI": Known(
        kind=15, flags=0x80, good=b"\0\2\1" + bytes.fromhex("2020010db9"), other=b"\0\2\1" + bytes.fromhex("2020010dba")
    ),
    "EXTENDED COMMUNITIES": Known(
        kind=16, flags=0xC0, good=struct.pack(">BBHI", 0, 2, 65101, 1), other=struct.pack(">BBHI", 0, 2, 65101, 9)
    ),
    "AS4_PATH": Known(kind=17, flags=0xC0, good=segment(2, 65101), other=segment(2, 65109)),
    "AS4_AGGREGATOR": Known(kind=18, flags=0xC0, good=struct.pack(">I4B", 65101, 1, 2, 3, 4), other=struct.pack(">I4B", 9, 9, 9, 9, 9)),
    "IPv6 EXTENDED COMMUNITIES": Known(kind=25, flags=0xC0, good=bytes(range(20)), other=bytes(range(1, 21))),
    "AIGP": Known(kind=26, flags=0x80, good=b"\1\0\x0b" + bytes(8), other=b"\1\0\x0b" + bytes([9] * 8)),
    "LARGE_COMMUNITY": Known(kind=32, flags=0xC0, good=struct.pack(">III", 65101, 1, 2), other=struct.pack(">III", 9, 9, 9)),
    "ONLY_TO_CUSTOMER": Known(kind=35, flags=0xC0, good=struct.pack(">I", 65101), other=struct.pack(">I", 9)),
}

PEER_OF = {
    "LOCAL_PREF": "internal", "ORIGINATOR_ID": "internal", "CLUSTER_LIST": "internal", "AS4_PATH": "two-octet", "AS4_AGGREGATOR": "two-octet",
}  # fmt: skip

# What no octets can show, as every value of the right length is a right one, or as the attribute's length is that of its content.
NOT_POSSIBLE = {
    **{
        (name, VALUE): "any value of this length is right"
        for name in (
            "MULTI_EXIT_DISC", "LOCAL_PREF", "COMMUNITIES", "ORIGINATOR_ID", "CLUSTER_LIST", "EXTENDED COMMUNITIES",
            "IPv6 EXTENDED COMMUNITIES", "LARGE_COMMUNITY", "ONLY_TO_CUSTOMER",
        )
    },
    ("ATOMIC_AGGREGATE", VALUE): "it has no value",
}  # fmt: skip


def peer_of(name: str) -> str:
    return PEER_OF.get(name, "external")


def flags() -> Iterator[Defect]:
    """RFC 7606 section 3 c; AIGP is discarded (RFC 7311 section 3.2)."""
    for name, known in KNOWN.items():
        for wrong in (0x00, 0x40, 0x80, 0xC0):
            if wrong == known.flags:
                continue
            yield Defect(
                attribute=name,
                defect=FLAGS,
                what=f"flags {wrong:#04x} instead of {known.flags:#04x}",
                verdict=DISCARD if name == "AIGP" else WITHDRAW,
                source="RFC 7311 section 3.2" if name == "AIGP" else "RFC 7606 section 3 c",
                raw=attribute(wrong, known.kind, known.good),
                peer=peer_of(name),
            )


LENGTHS = {  # wrong lengths, verdict, source
    "ORIGIN": ((0, 2, 255), WITHDRAW, "RFC 7606 section 7.1"),
    "NEXT_HOP": ((0, 3, 5, 16), WITHDRAW, "RFC 7606 section 7.3"),
    "MULTI_EXIT_DISC": ((0, 3, 5, 8), WITHDRAW, "RFC 7606 section 7.4"),
    "LOCAL_PREF": ((0, 3, 5, 8), WITHDRAW, "RFC 7606 section 7.5"),
    "ATOMIC_AGGREGATE": ((1, 4, 255), DISCARD, "RFC 7606 section 7.6"),
    "AGGREGATOR": ((0, 6, 7, 9), DISCARD, "RFC 7606 section 7.7"),
    "COMMUNITIES": ((0, 1, 3, 5, 255), WITHDRAW, "RFC 7606 section 7.8"),
    "ORIGINATOR_ID": ((0, 3, 5, 8), WITHDRAW, "RFC 7606 section 7.9"),
    "CLUSTER_LIST": ((0, 3, 5, 7), WITHDRAW, "RFC 7606 section 7.10"),
    "EXTENDED COMMUNITIES": ((0, 1, 7, 9), WITHDRAW, "RFC 7606 section 7.14"),
    "AS4_AGGREGATOR": ((0, 4, 6, 9), DISCARD, "RFC 6793 section 6"),
    "IPv6 EXTENDED COMMUNITIES": ((0, 8, 19, 21), WITHDRAW, "RFC 7606 section 7.15"),
    "AIGP": ((0, 2, 10), DISCARD, "RFC 7311 section 3.2"),
    "LARGE_COMMUNITY": ((0, 4, 11, 13), WITHDRAW, "RFC 8092 section 6"),
    "ONLY_TO_CUSTOMER": ((0, 1, 3, 5, 8), WITHDRAW, "RFC 9234 section 5"),
}


def lengths() -> Iterator[Defect]:
    for name, (wrong, verdict, source) in LENGTHS.items():
        known = KNOWN[name]
        for length in wrong:
            raw = attribute(known.flags, known.kind, (b"\1" * 255)[:length])
            yield Defect(
                attribute=name, defect=LENGTH, what=f"{length} octets", verdict=verdict, source=source, raw=raw, peer=peer_of(name)
            )
    for name, source, verdict in (("AS_PATH", "RFC 7606 section 7.2", WITHDRAW), ("AS4_PATH", "RFC 6793 section 6", DISCARD)):
        good = segment(2, 65101)
        for what, value in (
            ("a segment that goes beyond the attribute", segment(2, 65101, count=2)),
            ("a single octet after a segment", good + b"\2"),
            ("an empty segment", segment(2)),
            ("an empty segment after another", good + segment(2)),
        ):
            raw = attribute(KNOWN[name].flags, KNOWN[name].kind, value)
            yield Defect(attribute=name, defect=LENGTH, what=what, verdict=verdict, source=source, raw=raw, peer=peer_of(name))


def reaching() -> Iterator[Defect]:
    """RFC 7606 sections 3 j, 5.3, 7.11, 7.12, RFC 4760 section 7: prefixes that can't be known end the session."""

    def of(name: str, defect: str, what: str, value: bytes, source: str) -> Defect:
        raw = attribute(KNOWN[name].flags, KNOWN[name].kind, value)
        return Defect(attribute=name, defect=defect, what=what, verdict="session reset 3/9", source=source, raw=raw)

    nothing = "RFC 7606 section 3 j"
    for length in (0, 1, 2, 3, 4):
        yield of("MP_REACH_NLRI", LENGTH, f"{length} octets", reach()[:length], nothing)
    for length in (0, 4, 15, 17, 24, 33):
        yield of("MP_REACH_NLRI", LENGTH, f"an IPv6 next hop of {length} octets", reach(next_hop=b"\xfd" * length), "RFC 7606 section 7.11")
    yield of("MP_REACH_NLRI", LENGTH, "a next hop that goes beyond it", b"\0\2\1\x10" + b"\xfd" * 9, "RFC 7606 section 7.11")
    yield of("MP_REACH_NLRI", VALUE, "a prefix of 129 bits", reach(nlri=b"\x81" + bytes(17)), "RFC 7606 section 5.3")
    yield of("MP_REACH_NLRI", VALUE, "a prefix that goes beyond it", reach(nlri=NLRI6[:-1]), "RFC 7606 section 5.3")
    for length in (0, 1, 2):
        yield of("MP_UNREACH_NLRI", LENGTH, f"{length} octets", b"\0\2\1"[:length], nothing)
    yield of("MP_UNREACH_NLRI", VALUE, "a prefix of 129 bits", b"\0\2\1\x81" + bytes(17), "RFC 7606 section 5.3")
    yield of("MP_UNREACH_NLRI", VALUE, "a prefix that goes beyond it", b"\0\2\1" + NLRI6[:-1], "RFC 7606 section 5.3")


def values() -> Iterator[Defect]:
    rows: list[tuple[str, str, bytes, str, str]] = [
        *(("ORIGIN", f"{value}", bytes([value]), WITHDRAW, "RFC 7606 section 7.1") for value in (3, 127, 255)),
        *(("AS_PATH", f"a segment of type {kind}", segment(kind, 65101), WITHDRAW, "RFC 7606 section 7.2") for kind in (0, 5, 255)),
        *(("AS_PATH", f"a confederation's segment, type {kind}", segment(kind, 65101), WITHDRAW, "RFC 5065 section 5") for kind in (3, 4)),
        ("AS_PATH", "AS 0", segment(2, 65101, 0), WITHDRAW, "RFC 7607 section 2"),
        *(
            ("NEXT_HOP", ".".join(map(str, hop)), bytes(hop), WITHDRAW, "RFC 4271 section 6.3, RFC 7606 section 3 e")
            for hop in ((0, 0, 0, 0), (0, 1, 2, 3), (224, 0, 0, 5), (240, 0, 0, 1), (255, 255, 255, 255))
        ),
        ("AGGREGATOR", "AS 0", struct.pack(">I4B", 0, 1, 2, 3, 4), DISCARD, "RFC 7607 section 2"),
        *(("AS4_PATH", f"a segment of type {kind}", segment(kind, 65101), DISCARD, "RFC 6793 section 6") for kind in (0, 5)),
        ("AS4_PATH", "AS 0", segment(2, 65101, 0), DISCARD, "RFC 7607 section 2"),
        ("AS4_AGGREGATOR", "AS 0", struct.pack(">I4B", 0, 1, 2, 3, 4), DISCARD, "RFC 7607 section 2"),
        ("AIGP", "a TLV that goes beyond it", b"\1\0\xff" + bytes(8), DISCARD, "RFC 7311 section 3.2"),
    ]
    for name, what, value, verdict, source in rows:
        raw = attribute(KNOWN[name].flags, KNOWN[name].kind, value)
        yield Defect(attribute=name, defect=VALUE, what=what, verdict=verdict, source=source, raw=raw, peer=peer_of(name))


def repeated() -> Iterator[Defect]:
    """RFC 7606 section 3 g: the first counts; two MP_REACH_NLRI or MP_UNREACH_NLRI end the session."""
    for name, known in KNOWN.items():
        is_reach = name in ("MP_REACH_NLRI", "MP_UNREACH_NLRI")
        for what, second in (
            ("twice", attribute(known.flags, known.kind, known.other)),
            ("twice, the second malformed", attribute(known.flags ^ 0xC0, known.kind, b"\1" * 7)),
        ):
            yield Defect(
                attribute=name,
                defect=REPEATED,
                what=what,
                verdict="session reset 3/1" if is_reach else DISCARD,
                source="RFC 7606 section 3 g",
                raw=known.raw() + second,
                peer=peer_of(name),
                same_as=b"" if is_reach else known.raw(),
            )


def missing() -> Iterator[Defect]:
    """RFC 7606 section 3 d: ORIGIN, AS_PATH and NEXT_HOP have to be there; of all others nothing is amiss."""
    for name in KNOWN:
        needed = name in ("ORIGIN", "AS_PATH", "NEXT_HOP")
        yield Defect(
            attribute=name,
            defect=MISSING,
            what="not there",
            verdict=WITHDRAW if needed else DISCARD,
            source="RFC 7606 section 3 d" if needed else "RFC 4271 section 5",
            raw=b"",
            peer=peer_of(name),
        )


def external() -> Iterator[Defect]:
    """RFC 7606 sections 7.5, 7.9, 7.10: from an external peer they are discarded, however they look."""
    for name, source in (
        ("LOCAL_PREF", "RFC 7606 section 7.5"), ("ORIGINATOR_ID", "RFC 7606 section 7.9"), ("CLUSTER_LIST", "RFC 7606 section 7.10"),
    ):  # fmt: skip
        known = KNOWN[name]
        for what, raw in (("right but for its sender", known.raw()), ("malformed, too", attribute(known.flags, known.kind, b"\1" * 3))):
            yield Defect(attribute=name, defect=EXTERNAL, what=what, verdict=DISCARD, source=source, raw=raw)


def all_defects() -> tuple[Defect, ...]:
    return tuple(defect for of in (flags, lengths, reaching, values, repeated, missing, external) for defect in of())
