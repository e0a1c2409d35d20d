"""BGP messages, read strictly: whatever a careful speaker would not write is refused. Shares nothing with the core's own reader.

Source: RFC 4271 section 4, RFC 4760, RFC 5492, RFC 6793, RFC 7606, RFC 8654.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

Prefix = tuple[int, int, int]  # version, bits, length
Family = tuple[int, int]

MARKER: Final = b"\xff" * 16
OPEN, UPDATE, NOTIFICATION, KEEPALIVE, REFRESH = 1, 2, 3, 4, 5
SHORTEST: Final = {OPEN: 29, UPDATE: 23, NOTIFICATION: 21, KEEPALIVE: 19, REFRESH: 23}
_VERSION: Final = {(1, 1): 4, (2, 1): 6}

# Flags of the attributes that we know, Partial aside, and the lengths that they may have: (flags, least, of which a multiple).
OPTIONAL, TRANSITIVE, PARTIAL, EXTENDED = 0x80, 0x40, 0x20, 0x10
KNOWN: Final = {
    1: (TRANSITIVE, 1, 0), 2: (TRANSITIVE, 0, 0), 3: (TRANSITIVE, 4, 0), 4: (OPTIONAL, 4, 0), 5: (TRANSITIVE, 4, 0), 6: (TRANSITIVE, 0, 0),
    7: (OPTIONAL | TRANSITIVE, 8, 0), 8: (OPTIONAL | TRANSITIVE, 4, 4), 9: (OPTIONAL, 4, 0), 10: (OPTIONAL, 4, 4), 14: (OPTIONAL, 5, 0),
    15: (OPTIONAL, 3, 0), 16: (OPTIONAL | TRANSITIVE, 8, 8), 32: (OPTIONAL | TRANSITIVE, 12, 12), 35: (OPTIONAL | TRANSITIVE, 4, 0),
}  # fmt: skip
EXACT: Final = (1, 3, 4, 5, 6, 7, 9, 18, 35)
AS4_PATH, AS4_AGGREGATOR, AS_TRANS = 17, 18, 23456
REMARKABLE: Final = frozenset({*range(11, 14), *range(17, 32), *range(33, 35), *range(36, 51), 128, 129, 241, 242, 243})
"""Types that have a meaning, which a speaker may know or not; what it makes of them is not ours to say."""


class MalformedError(Exception):
    """What a careful speaker would not have written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """Path attributes of a route; what has no order is sorted."""

    next_hop: str
    as_path: tuple[int | frozenset[int], ...] = ()  # as read by us, numbers alone
    origin: int = 0
    med: int | None = None
    local_preference: int | None = None
    atomic_aggregate: bool = False
    aggregator: tuple[int, str] | None = None
    communities: tuple[int, ...] = ()
    originator_id: str | None = None
    cluster_list: tuple[str, ...] = ()
    extended_communities: tuple[int, ...] = ()
    large_communities: tuple[tuple[int, ...], ...] = ()
    only_to_customer: int | None = None
    unknown: tuple[tuple[int, int, bytes], ...] = ()  # flags, type, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What an UPDATE says."""

    withdrawn: tuple[Prefix, ...] = ()
    announced: tuple[tuple[Prefix, Attributes], ...] = ()
    end_of_rib: Family | None = None
    is_remarkable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """What an OPEN says."""

    asn: int
    hold_time_s: int
    router_id: str
    families: tuple[Family, ...]
    four_octet_as: bool
    extended_message: bool
    route_refresh: bool
    enhanced_refresh: bool = False
    restart: Restart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """The Graceful Restart capability (RFC 4724 section 3, RFC 8538 section 2). `forwards`: families of which packets were forwarded on."""

    has_restarted: bool
    on_notification: bool
    time_s: int
    families: tuple[Family, ...]
    forwards: tuple[Family, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What both OPENs make of a session, as far as messages are concerned; and whether the peer is external."""

    four_octet_as: bool
    longest: int
    families: tuple[Family, ...]
    ebgp: bool
    enhanced_refresh: bool = False


def split(data: bytes, longest: int = 65535) -> list[tuple[int, bytes]]:
    """Whole messages as (type, all octets). Raises MalformedError where it is anything else."""
    messages = []
    while data:
        length = int.from_bytes(data[16:18])
        if data[:16] != MARKER or len(data) < 19 or not 19 <= length <= len(data):
            raise MalformedError(f"no whole message: {data[:24].hex()}")
        kind = data[18]
        if kind not in SHORTEST or length < SHORTEST[kind] or (kind == KEEPALIVE and length != 19):
            raise MalformedError(f"a message of type {kind} and {length} octets")
        if length > (4096 if kind in (OPEN, KEEPALIVE) else longest):
            raise MalformedError(f"a message of type {kind} and {length} octets, the longest is {longest}")
        messages.append((kind, data[:length]))
        data = data[length:]
    return messages


class Reader:
    """Octets, one after the other."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._at, self._what = data, 0, what

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """So many octets; MalformedError where there are fewer."""
        end = self._at + count
        if end > len(self._data):
            raise MalformedError(f"{self._what}: cut off")
        data, self._at = self._data[self._at : end], end
        return data

    def number(self, octets: int) -> int:
        """A number of so many octets."""
        return int.from_bytes(self.take(octets))

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._at)


def address(octets: bytes) -> str:
    """As text."""
    return str(ipaddress.ip_address(octets))


def read_open(message: bytes) -> Open:
    """A whole OPEN, whose capabilities may be of any kind, but whole."""
    reader = Reader(message[19:], "OPEN")
    version, my_as, hold, identifier = reader.number(1), reader.number(2), reader.number(2), reader.take(4)
    parameters = Reader(reader.take(reader.number(1)), "optional parameters")
    if version != 4 or hold in (1, 2) or identifier == bytes(4) or reader:
        raise MalformedError(f"OPEN: {message.hex()}")
    capabilities: list[tuple[int, bytes]] = []
    while parameters:
        if parameters.number(1) != 2:
            raise MalformedError("OPEN: a parameter that is no capabilities")
        inner = Reader(parameters.take(parameters.number(1)), "capabilities")
        while inner:
            capabilities.append((inner.number(1), inner.take(inner.number(1))))
    four = [int.from_bytes(value) for code, value in capabilities if code == 65]
    families = [(int.from_bytes(value[:2]), value[3]) for code, value in capabilities if code == 1 and len(value) == 4]
    asn = four[0] if four else my_as
    if asn == 0 or (four and my_as not in (asn, 23456)) or my_as == 0:
        raise MalformedError(f"OPEN: AS {my_as} and {asn}")
    codes = [code for code, _ in capabilities]
    return Open(
        asn=asn,
        hold_time_s=hold,
        router_id=address(identifier),
        families=tuple(families) or ((1, 1),),
        four_octet_as=bool(four),
        extended_message=6 in codes,
        route_refresh=2 in codes,
        enhanced_refresh=70 in codes,
        restart=next((read_restart(value) for code, value in capabilities if code == 64), None),
    )


def read_restart(value: bytes) -> Restart:
    """The value of capability 64."""
    reader = Reader(value, "Graceful Restart")
    head = reader.number(2)
    rows = list[tuple[Family, int]]()
    while reader:
        rows.append(((reader.number(2), reader.number(1)), reader.number(1)))
    return restart_of(head >> 12, head & 0xFFF, rows)


def restart_of(flags: int, time_s: int, rows: list[tuple[Family, int]]) -> Restart:
    """From its fields."""
    return Restart(
        has_restarted=bool(flags & 8),
        on_notification=bool(flags & 4),
        time_s=time_s,
        families=tuple(family for family, _ in rows),
        forwards=tuple(family for family, marks in rows if marks & 0x80),
    )


def agree(ours: Open, theirs: Open, ebgp: bool) -> Agreed:
    """What two OPENs make of a session."""
    return Agreed(
        four_octet_as=ours.four_octet_as and theirs.four_octet_as,
        longest=65535 if ours.extended_message and theirs.extended_message else 4096,
        families=tuple(each for each in ours.families if each in theirs.families),
        ebgp=ebgp,
        enhanced_refresh=ours.enhanced_refresh and theirs.enhanced_refresh,
    )


def read_prefixes(data: bytes, version: int) -> list[Prefix]:
    """NLRI (RFC 4271 section 4.3), host bits zero."""
    reader, prefixes, width = Reader(data, "NLRI"), [], 32 if version == 4 else 128
    while reader:
        length = reader.number(1)
        if length > width:
            raise MalformedError(f"a prefix length of {length}")
        octets = (length + 7) // 8
        bits = reader.number(octets) << (width - 8 * octets)
        if bits & ((1 << (width - length)) - 1):
            raise MalformedError("a prefix with host bits")
        prefixes.append((version, bits, length))
    return prefixes


def read_update(message: bytes, agreed: Agreed) -> Update:
    """A whole UPDATE. Raises MalformedError where a careful speaker would not have written it so."""
    reader = Reader(message[19:], "UPDATE")
    withdrawn = read_prefixes(reader.take(reader.number(2)), 4)
    values = _attributes(reader.take(reader.number(2)), agreed)
    nlri = read_prefixes(reader.rest(), 4)
    if not values and not withdrawn and not nlri:
        return Update(end_of_rib=(1, 1))
    reach, reach_next_hop = _reach(values.pop(14, None), agreed)
    unreach, end_of_rib = _unreach(values.pop(15, None), agreed)
    if end_of_rib and not (withdrawn or nlri or reach or values):
        return Update(end_of_rib=end_of_rib)
    if (withdrawn or nlri) and (1, 1) not in agreed.families:
        raise MalformedError("IPv4 was not agreed on")
    announced = _announced(values, nlri, reach, reach_next_hop, agreed)
    everything = [*withdrawn, *unreach, *(prefix for prefix, _ in announced)]
    if len(set(everything)) < len(everything):
        raise MalformedError("a prefix stands there twice")
    return Update(withdrawn=(*withdrawn, *unreach), announced=announced, is_remarkable=_is_remarkable(values, agreed))


def _is_remarkable(values: dict[int, tuple[int, bytes]], agreed: Agreed) -> bool:
    """Whether it has an attribute, or an extended community (one that isn't transitive, RFC 4360 section 6), of which speakers may make what they like."""
    extended = values.get(16, (0, b""))[1]
    remarkable = REMARKABLE if agreed.four_octet_as else REMARKABLE - {AS4_PATH, AS4_AGGREGATOR}
    return not remarkable.isdisjoint(values) or any(octet & 0x40 for octet in extended[::8])


def _known(agreed: Agreed) -> dict[int, tuple[int, int, int]]:
    """The attributes that we know on such a session: one of two-octet AS numbers has two more (RFC 6793 section 3)."""
    if agreed.four_octet_as:
        return KNOWN
    both = OPTIONAL | TRANSITIVE
    return KNOWN | {7: (both, 6, 0), AS4_PATH: (both, 6, 0), AS4_AGGREGATOR: (both, 8, 0)}


def _attributes(data: bytes, agreed: Agreed) -> dict[int, tuple[int, bytes]]:
    """Type to flags and value; each once, with the flags and lengths that it must have."""
    known = _known(agreed)
    reader, values = Reader(data, "path attributes"), dict[int, tuple[int, bytes]]()
    while reader:
        flags, kind = reader.number(1), reader.number(1)
        value = reader.take(reader.number(2 if flags & EXTENDED else 1))
        if kind in values or flags & 0x0F:
            raise MalformedError(f"attribute {kind}, flags {flags:#x}")
        if kind in known:
            wanted, least, multiple = known[kind]
            if flags & (OPTIONAL | TRANSITIVE) != wanted or (flags & PARTIAL and wanted != OPTIONAL | TRANSITIVE):
                raise MalformedError(f"attribute {kind} with flags {flags:#x}")
            if len(value) < least or (multiple and len(value) % multiple) or (kind in EXACT and len(value) != least):
                raise MalformedError(f"attribute {kind} of {len(value)} octets")
        elif not flags & OPTIONAL:
            raise MalformedError(f"well-known attribute {kind} is none")
        values[kind] = (flags, value)
    return values


def _reach(raw: tuple[int, bytes] | None, agreed: Agreed) -> tuple[list[Prefix], str]:
    if raw is None:
        return [], ""
    reader = Reader(raw[1], "MP_REACH_NLRI")
    family, next_hop, reserved = (reader.number(2), reader.number(1)), reader.take(reader.number(1)), reader.number(1)
    if family != (2, 1) or family not in agreed.families or len(next_hop) != 16 or reserved:
        raise MalformedError(f"MP_REACH_NLRI: {raw[1].hex()}")
    prefixes = read_prefixes(reader.rest(), 6)
    if not prefixes:
        raise MalformedError("MP_REACH_NLRI without a prefix")
    return prefixes, address(next_hop)


def _unreach(raw: tuple[int, bytes] | None, agreed: Agreed) -> tuple[list[Prefix], Family | None]:
    if raw is None:
        return [], None
    reader = Reader(raw[1], "MP_UNREACH_NLRI")
    family = (reader.number(2), reader.number(1))
    if family not in agreed.families:
        raise MalformedError(f"MP_UNREACH_NLRI of {family}, which was not agreed on")
    prefixes = read_prefixes(reader.rest(), _VERSION[family])
    return prefixes, None if prefixes else family


def _announced(
    values: dict[int, tuple[int, bytes]], nlri: list[Prefix], reach: list[Prefix], reach_next_hop: str, agreed: Agreed
) -> tuple[tuple[Prefix, Attributes], ...]:
    if not nlri and not reach:
        if values:
            raise MalformedError(f"attributes {sorted(values)} of no route")
        return ()
    needed = {1, 2, *([3] if nlri else []), *([] if agreed.ebgp else [5])}
    if not needed <= set(values) or (agreed.ebgp and values.keys() & {5, 9, 10}):
        raise MalformedError(f"attributes {sorted(values)}, external {agreed.ebgp}")
    next_hop = address(values[3][1]) if 3 in values else ""
    attributes = [(nlri, next_hop), (reach, reach_next_hop)]
    return tuple((prefix, _read(values, via, agreed)) for prefixes, via in attributes for prefix in prefixes)


def _read(values: dict[int, tuple[int, bytes]], next_hop: str, agreed: Agreed) -> Attributes:
    via = ipaddress.ip_address(next_hop)
    if via.is_unspecified or via.is_loopback or via.is_multicast or (via.version == 4 and not 0 < int(via) >> 24 < 224):
        raise MalformedError(f"next hop {next_hop}")

    def numbers(kind: int, octets: int) -> list[int]:
        value = values.get(kind, (0, b""))[1]
        return [int.from_bytes(value[at : at + octets]) for at in range(0, len(value), octets)]

    def one(kind: int) -> int | None:
        return int.from_bytes(values[kind][1]) if kind in values else None

    origin = one(1) or 0
    if origin > 2:
        raise MalformedError(f"ORIGIN {origin}")
    aggregator = _aggregator(values, agreed)
    large = numbers(32, 4)
    return Attributes(
        next_hop=next_hop,
        origin=origin,
        as_path=_path(values, agreed),
        med=one(4),
        local_preference=one(5),
        atomic_aggregate=6 in values,
        aggregator=aggregator,
        communities=tuple(sorted(set(numbers(8, 4)))),
        originator_id=address(values[9][1]) if 9 in values else None,
        cluster_list=tuple(str(ipaddress.IPv4Address(each)) for each in numbers(10, 4)),
        extended_communities=tuple(sorted(set(numbers(16, 8)))),
        large_communities=tuple(sorted({tuple(large[at : at + 3]) for at in range(0, len(large), 3)})),
        only_to_customer=one(35),
        unknown=tuple(sorted((flags & ~EXTENDED, kind, value) for kind, (flags, value) in values.items() if kind not in _known(agreed))),
    )


def _aggregator(values: dict[int, tuple[int, bytes]], agreed: Agreed) -> tuple[int, str] | None:
    if 7 not in values:
        return None
    value = values[7][1]
    asn, router = int.from_bytes(value[:-4]), address(value[-4:])
    if not agreed.four_octet_as and asn == AS_TRANS and AS4_AGGREGATOR in values:
        asn = int.from_bytes(values[AS4_AGGREGATOR][1][:4])
    return asn, router


def _path(values: dict[int, tuple[int, bytes]], agreed: Agreed) -> tuple[int, ...]:
    """Sequences alone: sets are not to be sent any more (RFC 9774), and no AS is 0 (RFC 7607).

    Among AS numbers of two octets AS_TRANS stands for the greater ones, and the end of the path is in AS4_PATH too, which must fit (RFC 6793 section 4.2.3).
    """
    path = _sequences(values[2][1], 4 if agreed.four_octet_as else 2)
    if agreed.four_octet_as or AS4_PATH not in values:
        if AS_TRANS in path and not agreed.four_octet_as:
            raise MalformedError("AS_PATH: AS_TRANS without AS4_PATH")
        return path
    if 7 in values and int.from_bytes(values[7][1][:-4]) != AS_TRANS and AS4_AGGREGATOR in values:
        raise MalformedError("AS4_AGGREGATOR beside an AGGREGATOR of two octets")
    four = _sequences(values[AS4_PATH][1], 4)
    if (
        not four
        or len(four) > len(path)
        or any(a not in (b, AS_TRANS) or (b < 65536) != (a == b) for a, b in zip(path[-len(four) :], four, strict=True))
    ):
        raise MalformedError(f"AS4_PATH {four} of AS_PATH {path}")
    return (*path[: -len(four)], *four)


def _sequences(value: bytes, octets: int) -> tuple[int, ...]:
    reader, path = Reader(value, "AS_PATH"), list[int]()
    while reader:
        kind, count = reader.number(1), reader.number(1)
        if kind != 2 or not count:
            raise MalformedError(f"AS_PATH: a segment of type {kind} and {count} numbers")
        path += [reader.number(octets) for _ in range(count)]
    if 0 in path:
        raise MalformedError("AS_PATH: AS 0")
    return tuple(path)


# --- writing, for what is put among a speaker's messages ------------------------------------------------------------------


def message(kind: int, body: bytes) -> bytes:
    """With its header."""
    return MARKER + (19 + len(body)).to_bytes(2) + bytes([kind]) + body


def write_attribute(flags: int, kind: int, value: bytes) -> bytes:
    """One path attribute; the length takes two octets where it must."""
    if len(value) > 255:
        return bytes([flags | EXTENDED, kind]) + len(value).to_bytes(2) + value
    return bytes([flags & ~EXTENDED, kind, len(value)]) + value


def write_prefix(prefix: Prefix) -> bytes:
    """One NLRI."""
    version, bits, length = prefix
    return bytes([length]) + bits.to_bytes(4 if version == 4 else 16)[: (length + 7) // 8]


def write_update(attributes: list[bytes], announced: list[Prefix], withdrawn: list[Prefix]) -> bytes:
    """An UPDATE of IPv4 prefixes with these attributes, right or wrong."""
    gone, block = b"".join(map(write_prefix, withdrawn)), b"".join(attributes)
    nlri = b"".join(map(write_prefix, announced))
    return message(UPDATE, len(gone).to_bytes(2) + gone + len(block).to_bytes(2) + block + nlri)
