"""What becomes of an UPDATE, by the text of RFC 7606 and of those around it: slow, plain, and apart from the code under test.

Where the texts leave a choice, or are silent, the judgement says so (`may_reset`, `either`) and both are right.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from tests.live.adversary import octets as o
from tests.live.adversary.strict import FLAGS, FaultError, Prefix, is_host

FAMILIES = {(1, 1), (2, 1)}
FIXED = {o.ORIGIN: 1, o.NEXT_HOP: 4, o.MED: 4, o.LOCAL_PREF: 4, o.ATOMIC: 0, o.ORIGINATOR_ID: 4, o.OTC: 4}
MULTIPLE = {o.COMMUNITIES: 4, o.CLUSTER_LIST: 4, o.EXT_COMMUNITIES: 8, o.IPV6_COMMUNITIES: 20, o.LARGE: 12}
DISCARDED = {o.ATOMIC, o.AGGREGATOR, o.AS4_PATH, o.AS4_AGGREGATOR}  # where wrong: "attribute discard"
INTERNAL = {o.LOCAL_PREF, o.ORIGINATOR_ID, o.CLUSTER_LIST}
UNSURE = {0, 19, 20, 21, 22, 24, 25, 26, 28, 29, 30, 33, 34, 40, 128}  # some speakers know them, some don't
KEEPS_BACK = {0xFFFFFF01, 0xFFFFFF02, 0xFFFFFF03, 0xFFFFFF04, 0xFFFF029A, 0xFFFF0000, 0xFFFF0006, 0xFFFF0007}


@dataclass
class Judgement:
    """`reset`: it must end the session. Otherwise `gone` are withdrawn and `told` announced, and of `either` nobody knows."""

    reset: list[str] = field(default_factory=list)
    may_reset: list[str] = field(default_factory=list)
    withdraw: list[str] = field(default_factory=list)
    gone: set[Prefix] = field(default_factory=set)
    told: set[Prefix] = field(default_factory=set)
    either: set[Prefix] = field(default_factory=set)
    attributes: dict[int, bytes] = field(default_factory=dict)  # those that count, of the first of each type
    unsure: list[str] = field(default_factory=list)


class _Reader:
    def __init__(self, *, internal: bool, four: bool, asn: int, own: int, addresses: tuple[str, ...]) -> None:
        self.internal, self.four, self.asn, self.own, self.addresses = internal, four, asn, own, addresses
        self.j = Judgement()
        self.seen: set[int] = set()
        self.reached: list[Prefix] = []
        self.reaches = False
        self.hop_wrong: list[str] = []
        self.foreign = False  # a family that was not agreed on
        self.loops = False  # our own AS is in the path

    def attribute(self, flags: int, kind: int, value: bytes) -> None:
        j = self.j
        if kind in self.seen:
            if kind in (o.MP_REACH, o.MP_UNREACH):
                j.reset.append(f"{kind} twice")
            elif kind not in FLAGS and not flags & o.OPTIONAL:
                j.may_reset.append(f"{kind} twice, then well-known")
            return
        self.seen.add(kind)
        if kind not in FLAGS:
            self._unknown(flags, kind, value)
        elif kind in INTERNAL and not self.internal:
            if flags & 0xC0 != FLAGS[kind]:
                j.unsure.append(f"{kind} from an external peer with wrong flags")
        elif kind in (o.MP_REACH, o.MP_UNREACH):
            if flags & 0xC0 != FLAGS[kind]:
                j.withdraw.append(f"flags of {kind}")
                j.may_reset.append(f"flags of {kind}")
            (self._reach if kind == o.MP_REACH else self._unreach)(value)
        elif kind in (o.AS4_PATH, o.AS4_AGGREGATOR) and self.four:
            if flags & 0xC0 != FLAGS[kind]:
                j.unsure.append(f"{kind} from a speaker of four octets with wrong flags")
        elif flags & 0xC0 != FLAGS[kind]:
            (self.hop_wrong if kind == o.NEXT_HOP else j.unsure if kind in (o.AS4_PATH, o.AS4_AGGREGATOR) else j.withdraw).append(
                f"flags of {kind}"
            )
        elif why := self._value(kind, value):
            if kind in DISCARDED:
                return
            (self.hop_wrong if kind == o.NEXT_HOP else j.withdraw).append(why)
        else:
            j.attributes[kind] = value

    def _unknown(self, flags: int, kind: int, value: bytes) -> None:
        if not flags & o.OPTIONAL and kind in UNSURE:
            self.j.may_reset.append(f"attribute {kind}, well-known")
        elif not flags & o.OPTIONAL:
            self.j.reset.append(f"unrecognized well-known {kind}")
        elif kind in UNSURE:
            self.j.unsure.append(f"attribute {kind}")
        elif flags & o.TRANSITIVE:
            self.j.attributes[kind] = value

    def _value(self, kind: int, value: bytes) -> str:
        size = FIXED.get(kind, 0)
        if kind == o.AGGREGATOR:
            size = 8 if self.four else 6
        if kind == o.AS4_AGGREGATOR:
            size = 8
        if (kind in FIXED or size) and len(value) != size:
            return f"length {len(value)} of {kind}"
        if kind in MULTIPLE and (not value or len(value) % MULTIPLE[kind]):
            return f"length {len(value)} of {kind}"
        if kind == o.ORIGIN and value[0] > 2:
            return f"ORIGIN {value[0]}"
        if kind in (o.AGGREGATOR, o.AS4_AGGREGATOR) and not any(value[:-4]):
            return "AGGREGATOR of AS 0"
        if kind == o.OTC and not any(value):
            self.j.unsure.append("OTC of AS 0")
        if kind == o.NEXT_HOP:
            hop = ipaddress.IPv4Address(value)
            if not is_host(hop):
                return f"next hop {hop}"
            if str(hop) in self.addresses or hop.is_loopback:
                self.j.unsure.append(f"next hop {hop}")
        if kind == o.COMMUNITIES and KEEPS_BACK & {int.from_bytes(value[at : at + 4], "big") for at in range(0, len(value), 4)}:
            self.j.unsure.append("a well-known community")
        if kind in (o.ORIGINATOR_ID, o.CLUSTER_LIST):
            names = {str(ipaddress.IPv4Address(value[at : at + 4])) for at in range(0, len(value), 4)}
            self.j.unsure += ["a reflection of our own"] * bool(names & set(self.addresses))
        if kind == o.AS_PATH:
            return self._path(value, 4 if self.four else 2)
        if kind == o.AS4_PATH:
            return self._path4(value)
        return ""

    def _path(self, value: bytes, size: int) -> str:
        first, at = None, 0
        while at < len(value):
            if len(value) - at < 2:
                return "AS_PATH underrun"
            kind, count = value[at], value[at + 1]
            asns = [int.from_bytes(value[n : n + size], "big") for n in range(at + 2, at + 2 + count * size, size)]
            if kind != o.AS_SEQUENCE or not count:
                return f"AS_PATH segment of type {kind} with {count}"
            if at + 2 + count * size > len(value):
                return "AS_PATH overrun"
            if 0 in asns:
                return "AS_PATH with AS 0"
            self.loops |= self.own in asns
            first = asns[0] if first is None else first
            at += 2 + count * size
        if not self.internal and first != self.asn:
            self.j.unsure.append("another AS first")
        return ""

    def _path4(self, value: bytes) -> str:
        self.j.unsure.append("AS4_PATH")
        return ""

    def _reach(self, value: bytes) -> None:
        j = self.j
        if len(value) < 5 or len(value) < 5 + value[3]:
            j.reset.append("MP_REACH_NLRI is short")
            return
        family, length = (int.from_bytes(value[:2], "big"), value[2]), value[3]
        rest = value[5 + length :]
        self.reaches = bool(rest)
        if family not in FAMILIES:
            self.foreign = True
            return
        if length not in ((4,) if family == (1, 1) else (16, 32)):
            j.reset.append(f"next hop of {length} octets")
            return
        hop = ipaddress.ip_address(value[4 : 4 + min(16, length)])
        try:
            self.reached = _loose(rest, family)
        except FaultError:
            j.reset.append("MP_REACH_NLRI: prefixes")
            return
        if self.reached and not is_host(hop):
            j.withdraw.append(f"next hop {hop}")
        if hop.is_loopback or hop.is_link_local or str(hop) in self.addresses or (hop.version == 6 and hop.ipv4_mapped):
            j.unsure.append(f"next hop {hop}")

    def _unreach(self, value: bytes) -> None:
        if len(value) < 3:
            self.j.reset.append("MP_UNREACH_NLRI is short")
            return
        family = int.from_bytes(value[:2], "big"), value[2]
        if family not in FAMILIES:
            self.j.may_reset.append(f"MP_UNREACH_NLRI of family {family}")
            return
        try:
            self.j.gone |= set(_loose(value[3:], family))
        except FaultError:
            self.j.reset.append("MP_UNREACH_NLRI: prefixes")


def _loose(data: bytes, family: tuple[int, int]) -> list[Prefix]:
    """Prefixes, whatever bits stand beyond them (RFC 4271 section 4.3: "irrelevant")."""
    out: list[Prefix] = []
    width = 4 if family == o.IPV4 else 16
    while data:
        bits, count = data[0], (data[0] + 7) // 8
        if bits > 8 * width or len(data) < 1 + count:
            raise FaultError("prefix")
        number = int.from_bytes(data[1 : 1 + count].ljust(width, b"\0"), "big") >> (8 * width - bits) << (8 * width - bits)
        out.append(ipaddress.IPv4Network((number, bits)) if width == 4 else ipaddress.IPv6Network((number, bits)))
        data = data[1 + count :]
    return out


def judge(
    body: bytes, *, internal: bool = False, four: bool = True, asn: int = 65001, own: int = 65515, addresses: tuple[str, ...] = ()
) -> Judgement:
    """Of an UPDATE's body."""
    reader = _Reader(internal=internal, four=four, asn=asn, own=own, addresses=addresses)
    j = reader.j
    at = 2 + int.from_bytes(body[:2], "big")
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    if at + 2 > len(body) or end > len(body):
        j.reset.append("the lists go beyond the message")
        return j
    nlri: list[Prefix] = []
    try:
        j.gone |= set(_loose(body[2:at], o.IPV4))
        nlri = _loose(body[end:], o.IPV4)
    except FaultError:
        j.reset.append("prefixes")
    _list(body[at + 2 : end], reader)
    _whole(reader, nlri)
    return j


def _list(data: bytes, reader: _Reader) -> None:
    while data:
        long = len(data) > 1 and bool(data[0] & o.EXTENDED)
        if len(data) < 3 + long or len(data) < 3 + long + int.from_bytes(data[2 : 3 + long], "big"):
            reader.j.withdraw.append("the list ends within an attribute")
            reader.seen.add(-1)
            if len(data) > 1 and data[1] in (o.MP_REACH, o.MP_UNREACH):
                reader.j.reset.append("MP_(UN)REACH_NLRI beyond the list")
            return
        length = int.from_bytes(data[2 : 3 + long], "big")
        reader.attribute(data[0], data[1], data[3 + long : 3 + long + length])
        data = data[3 + long + length :]


def _whole(reader: _Reader, nlri: list[Prefix]) -> None:
    j = reader.j
    reachable = bool(nlri) or reader.reaches
    hop_counts = bool(nlri) or not reachable
    if hop_counts:
        j.withdraw += reader.hop_wrong
    elif reader.hop_wrong:
        j.unsure.append("NEXT_HOP is wrong and not used")
    if reader.foreign:
        j.may_reset.append("a family that was not agreed on")
    if not reachable:
        if j.withdraw and reader.seen - {o.MP_UNREACH}:
            j.reset.append(f"{j.withdraw} and no prefixes")
        j.may_reset += j.unsure
        return
    for kind in (o.ORIGIN, o.AS_PATH, *((o.NEXT_HOP,) if nlri else ())):
        if kind not in reader.seen:
            j.withdraw.append(f"{kind} is missing")
    if reader.internal and o.LOCAL_PREF not in reader.seen:
        j.unsure.append("LOCAL_PREF is missing")
    announced = set(nlri) | set(reader.reached)
    j.gone -= announced
    if j.withdraw or reader.loops:
        j.gone |= announced
    elif j.unsure:
        j.either |= announced
    else:
        j.told |= announced
