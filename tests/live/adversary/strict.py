"""Reading what a speaker sends, without mercy: whatever no RFC allows it to send is a `FaultError`. Written from the RFCs, not from the speaker's code."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from tests.live.adversary import octets as o

Prefix = ipaddress.IPv4Network | ipaddress.IPv6Network

FLAGS = {
    o.ORIGIN: 0x40, o.AS_PATH: 0x40, o.NEXT_HOP: 0x40, o.MED: 0x80, o.LOCAL_PREF: 0x40, o.ATOMIC: 0x40, o.AGGREGATOR: 0xC0, o.COMMUNITIES: 0xC0,
    o.ORIGINATOR_ID: 0x80, o.CLUSTER_LIST: 0x80, o.MP_REACH: 0x80, o.MP_UNREACH: 0x80, o.EXT_COMMUNITIES: 0xC0, o.AS4_PATH: 0xC0,
    o.AS4_AGGREGATOR: 0xC0, o.LARGE: 0xC0, o.OTC: 0xC0, o.IPV6_COMMUNITIES: 0xC0,
}  # fmt: skip
INTERNAL = {o.LOCAL_PREF, o.ORIGINATOR_ID, o.CLUSTER_LIST}
NEVER = {o.AIGP: "AIGP was not agreed on (RFC 7311)"}


class FaultError(Exception):
    """What was sent must not be sent."""


@dataclass(frozen=True)
class Told:
    """What a session lets the speaker send to us."""

    asn: int  # the speaker's
    external: bool = True
    four: bool = True
    longest: int = 4096
    transparent: bool = False
    families: tuple[tuple[int, int], ...] = (o.IPV4, o.IPV6)
    client: bool = False


@dataclass
class Update:
    """A strictly right one. Attributes by type code, as octets."""

    withdrawn: list[Prefix] = field(default_factory=list)
    announced: list[Prefix] = field(default_factory=list)
    attributes: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    end_of_rib: tuple[int, int] | None = None


def need(holds: object, what: str) -> None:
    if not holds:
        raise FaultError(what)


def cut(data: bytes, longest: int) -> tuple[list[tuple[int, bytes]], bytes]:
    """Whole messages (type, body), and the octets after them (RFC 4271 section 4.1)."""
    out = []
    while len(data) >= 19:
        need(data[:16] == o.MARKER, f"marker {data[:16].hex()}")
        length, kind = int.from_bytes(data[16:18], "big"), data[18]
        need(1 <= kind <= 5, f"message type {kind}")
        need(length <= (longest if kind not in (o.OPEN, o.KEEPALIVE) else 4096), f"message of {length} octets")
        need(
            length >= {o.OPEN: 29, o.UPDATE: 23, o.NOTIFICATION: 21, o.KEEPALIVE: 19, o.REFRESH: 23}[kind],
            f"message {kind} of {length} octets",
        )
        need(kind != o.KEEPALIVE or length == 19, f"KEEPALIVE of {length} octets")
        if len(data) < length:
            break
        out.append((kind, data[19:length]))
        data = data[length:]
    return out, data


def read_prefixes(data: bytes, family: tuple[int, int]) -> list[Prefix]:
    width = 4 if family == o.IPV4 else 16
    out: list[Prefix] = []
    while data:
        bits, count = data[0], (data[0] + 7) // 8
        need(bits <= 8 * width, f"prefix length {bits}")
        need(len(data) > count, "a prefix goes beyond its field")
        value = data[1 : 1 + count].ljust(width, b"\0")
        try:
            out.append(ipaddress.IPv4Network((value, bits)) if width == 4 else ipaddress.IPv6Network((value, bits)))
        except ValueError as error:
            raise FaultError(f"bits are set beyond a prefix: {error}") from None
        data = data[1 + count :]
    return out


def read_update(body: bytes, told: Told) -> Update:
    """RFC 4271 sections 4.3 and 5, RFC 4760, 6793, 7606 section 5, 7607, 9774."""
    update = Update()
    at = 2 + int.from_bytes(body[:2], "big")
    need(at + 2 <= len(body), "Withdrawn Routes go beyond the message")
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    need(end <= len(body), "Path Attributes go beyond the message")
    update.withdrawn = read_prefixes(body[2:at], o.IPV4)
    update.announced = read_prefixes(body[end:], o.IPV4)
    if body == bytes(4):
        update.end_of_rib = o.IPV4
        return update
    classic = bool(update.announced)
    _attributes(body[at + 2 : end], update, told)
    _families(update, told)
    _whole(update, classic, told)
    both = set(update.withdrawn) & set(update.announced)
    need(not both, f"{both} both withdrawn and announced")
    need(len(set(update.announced)) == len(update.announced), "a prefix is announced twice in one message")
    return update


def _attributes(data: bytes, update: Update, told: Told) -> None:
    while data:
        need(len(data) >= 3, "the attributes end within a header")
        flags, kind = data[0], data[1]
        long = bool(flags & o.EXTENDED)
        need(len(data) >= 3 + long, "the attributes end within a header")
        length = int.from_bytes(data[2 : 3 + long], "big")
        value = data[3 + long : 3 + long + length]
        need(len(value) == length, f"attribute {kind} goes beyond the list")
        need(kind not in update.attributes, f"attribute {kind} twice")
        need(not flags & 0x0F, f"attribute {kind}: unused flags {flags:#04x}")
        need(kind not in NEVER, NEVER.get(kind, ""))
        if kind in FLAGS:
            need(flags & 0xC0 == FLAGS[kind], f"attribute {kind}: flags {flags:#04x}")
            need(flags & 0xC0 == 0xC0 or not flags & o.PARTIAL, f"attribute {kind}: Partial")
        else:
            need(flags & 0xE0 == 0xE0, f"unrecognized attribute {kind} is sent on with flags {flags:#04x}")
        need(kind not in INTERNAL or not told.external, f"attribute {kind} to an external peer")
        update.attributes[kind] = flags, value
        _value(kind, value, told)
        data = data[3 + long + length :]


def _value(kind: int, value: bytes, told: Told) -> None:
    size = {
        o.ORIGIN: 1,
        o.NEXT_HOP: 4,
        o.MED: 4,
        o.LOCAL_PREF: 4,
        o.ATOMIC: 0,
        o.ORIGINATOR_ID: 4,
        o.AS4_AGGREGATOR: 8,
        o.OTC: 4,
        o.AGGREGATOR: 8 if told.four else 6,
    }
    multiple = {o.COMMUNITIES: 4, o.CLUSTER_LIST: 4, o.EXT_COMMUNITIES: 8, o.LARGE: 12}
    if kind in size:
        need(len(value) == size[kind], f"attribute {kind} has {len(value)} octets")
    if kind in multiple:
        need(value and len(value) % multiple[kind] == 0, f"attribute {kind} has {len(value)} octets")
    match kind:
        case o.ORIGIN:
            need(value[0] <= 2, f"ORIGIN {value[0]}")
        case o.AS_PATH:
            read_path(value, told.four)
        case o.AS4_PATH:
            need(not told.four, "AS4_PATH to a speaker of four octets")
            read_path(value, True)
        case o.NEXT_HOP:
            need(is_host(ipaddress.IPv4Address(value)), f"next hop {ipaddress.IPv4Address(value)}")
        case o.AGGREGATOR:
            need(any(value[:-4]), "AGGREGATOR of AS 0")
        case o.AS4_AGGREGATOR:
            need(not told.four, "AS4_AGGREGATOR to a speaker of four octets")
            need(any(value[:4]), "AS4_AGGREGATOR of AS 0")


def is_host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        return not (address.is_unspecified or address.is_multicast)
    return not (int(address) >> 24 == 0 or int(address) >> 28 >= 0xE)


def read_path(value: bytes, four: bool) -> list[int]:
    """AS numbers; AS_SETs and confederations must not be sent (RFC 9774 section 3, RFC 5065 section 5)."""
    size, out = 4 if four else 2, []
    while value:
        need(len(value) >= 2, "AS_PATH: a segment ends after its type")
        kind, count = value[0], value[1]
        need(kind == o.AS_SEQUENCE, f"AS_PATH: segment type {kind}")
        need(count, "AS_PATH: an empty segment")
        body = value[2 : 2 + count * size]
        need(len(body) == count * size, "AS_PATH: a segment goes beyond its end")
        out += [int.from_bytes(body[at : at + size], "big") for at in range(0, len(body), size)]
        value = value[2 + count * size :]
    need(0 not in out, "AS_PATH: AS 0")
    return out


def _families(update: Update, told: Told) -> None:
    if o.MP_UNREACH in update.attributes:
        value = update.attributes[o.MP_UNREACH][1]
        need(len(value) >= 3, "MP_UNREACH_NLRI is short")
        family = int.from_bytes(value[:2], "big"), value[2]
        need(family in told.families, f"MP_UNREACH_NLRI of family {family}, which was not agreed on")
        gone = read_prefixes(value[3:], family)
        if not gone and len(update.attributes) == 1 and not update.withdrawn:
            update.end_of_rib = family
        else:
            need(gone, "MP_UNREACH_NLRI without prefixes among other things")
        update.withdrawn += gone
    if o.MP_REACH in update.attributes:
        value = update.attributes[o.MP_REACH][1]
        need(len(value) >= 5, "MP_REACH_NLRI is short")
        family, length = (int.from_bytes(value[:2], "big"), value[2]), value[3]
        need(family in told.families, f"MP_REACH_NLRI of family {family}, which was not agreed on")
        need(length in ((4,) if family == o.IPV4 else (16, 32)), f"next hop of {length} octets")
        hop = ipaddress.ip_address(value[4 : 4 + min(length, 16)])
        need(is_host(hop), f"next hop {hop}")
        need(value[4 + length : 5 + length] == b"\0", "MP_REACH_NLRI: Reserved is not 0")
        reached = read_prefixes(value[5 + length :], family)
        need(reached, "MP_REACH_NLRI without prefixes")
        update.announced += reached


def _whole(update: Update, classic: bool, told: Told) -> None:
    has = update.attributes
    if not update.announced:
        need(not set(has) - {o.MP_UNREACH}, f"attributes {sorted(has)} without prefixes")
        need(update.withdrawn or update.end_of_rib, "an UPDATE that says nothing")
        return
    need({o.ORIGIN, o.AS_PATH} <= set(has), f"mandatory attributes are missing among {sorted(has)}")
    need(o.NEXT_HOP in has or not classic, "NEXT_HOP is missing")
    need(o.LOCAL_PREF in has or told.external, "LOCAL_PREF is missing to an internal peer")
    path = read_path(has[o.AS_PATH][1], told.four)
    if told.external and not told.transparent:
        need(
            path and path[0] == (told.asn if told.four or told.asn < 65536 else 23456), f"the path {path} doesn't begin with AS {told.asn}"
        )
    if o.AS4_PATH in has:
        need(any(asn == 23456 for asn in path), "AS4_PATH beside a path without AS_TRANS")
        need(len(read_path(has[o.AS4_PATH][1], True)) <= len(path), "AS4_PATH is longer than AS_PATH")


def read_open(body: bytes) -> dict[str, object]:
    """RFC 4271 section 4.2, RFC 5492, RFC 9072: capabilities as (code, value)."""
    need(body[0] == 4, f"version {body[0]}")
    hold_s = int.from_bytes(body[3:5], "big")
    need(hold_s not in (1, 2), f"hold time {hold_s}")
    need(any(body[5:9]), "BGP Identifier 0")
    rest, wide = body[10:], 1
    length = body[9]
    if length and rest[:1] == b"\xff":
        length, rest, wide = int.from_bytes(rest[1:3], "big"), rest[3:], 2
    need(len(rest) == length, "the optional parameters don't fill the message")
    capabilities: list[tuple[int, bytes]] = []
    while rest:
        need(rest[0] == 2, f"optional parameter {rest[0]}")
        size = int.from_bytes(rest[1 : 1 + wide], "big")
        value, rest = rest[1 + wide : 1 + wide + size], rest[1 + wide + size :]
        need(len(value) == size, "an optional parameter goes beyond the message")
        while value:
            need(len(value) >= 2 and len(value) >= 2 + value[1], "a capability goes beyond its parameter")
            capabilities.append((value[0], value[2 : 2 + value[1]]))
            value = value[2 + value[1] :]
    asn = int.from_bytes(body[1:3], "big")
    asn = next((int.from_bytes(value, "big") for code, value in capabilities if code == 65), asn)
    need(asn, "AS 0")
    return {"asn": asn, "hold_s": hold_s, "router_id": str(ipaddress.IPv4Address(body[5:9])), "capabilities": capabilities}
