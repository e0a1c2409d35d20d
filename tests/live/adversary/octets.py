"""Messages in octets, right ones and wrong ones: nothing is checked here."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable

MARKER = b"\xff" * 16
OPEN, UPDATE, NOTIFICATION, KEEPALIVE, REFRESH = 1, 2, 3, 4, 5
WELL_KNOWN, OPTIONAL, BOTH, PARTIAL, EXTENDED, TRANSITIVE = 0x40, 0x80, 0xC0, 0x20, 0x10, 0x40

ORIGIN, AS_PATH, NEXT_HOP, MED, LOCAL_PREF, ATOMIC, AGGREGATOR, COMMUNITIES = 1, 2, 3, 4, 5, 6, 7, 8
ORIGINATOR_ID, CLUSTER_LIST, MP_REACH, MP_UNREACH, EXT_COMMUNITIES, AS4_PATH, AS4_AGGREGATOR = 9, 10, 14, 15, 16, 17, 18
IPV6_COMMUNITIES, AIGP, LARGE, OTC = 25, 26, 32, 35
AS_SET, AS_SEQUENCE, CONFED_SEQUENCE, CONFED_SET = 1, 2, 3, 4
IPV4, IPV6 = (1, 1), (2, 1)


def message(kind: int, body: bytes = b"", length: int | None = None, marker: bytes = MARKER) -> bytes:
    """With a header that may lie about its length (RFC 4271 section 4.1)."""
    return marker + struct.pack("!HB", (19 + len(body) if length is None else length) & 0xFFFF, kind) + body


def keepalive() -> bytes:
    return message(KEEPALIVE)


def capability(code: int, value: bytes = b"", length: int | None = None) -> bytes:
    return bytes([code, len(value) if length is None else length]) + value


def multiprotocol(afi: int, safi: int) -> bytes:
    return capability(1, struct.pack("!HBB", afi, 0, safi))


def four_octet(asn: int) -> bytes:
    return capability(65, struct.pack("!I", asn))


def parameter(value: bytes, kind: int = 2) -> bytes:
    return bytes([kind, len(value)]) + value


def open_message(
    asn: int,
    router_id: str,
    *,
    hold_s: int = 180,
    version: int = 4,
    capabilities: bytes | None = None,
    parameters: bytes | None = None,
    four: bool = True,
    families: Iterable[tuple[int, int]] = (IPV4, IPV6),
    extended: bool = False,
    more: bytes = b"",
    parameters_length: int | None = None,
) -> bytes:
    """RFC 4271 section 4.2; `parameters` overrides `capabilities`, which overrides what the rest says."""
    if capabilities is None:
        capabilities = b"".join(multiprotocol(*family) for family in families) + capability(2)
        capabilities += (capability(6) if extended else b"") + (four_octet(asn) if four else b"") + more
    if parameters is None:
        parameters = parameter(capabilities) if capabilities else b""
    my_as = asn if asn < 65536 else 23456
    body = struct.pack("!BHH4s", version, my_as, hold_s, ipaddress.IPv4Address(router_id).packed)
    body += bytes([len(parameters) if parameters_length is None else parameters_length]) + parameters
    return message(OPEN, body)


def notification(code: int, subcode: int, data: bytes = b"") -> bytes:
    return message(NOTIFICATION, bytes([code, subcode]) + data)


def refresh(afi: int = 1, safi: int = 1, subtype: int = 0) -> bytes:
    return message(REFRESH, struct.pack("!HBB", afi, subtype, safi))


def prefix(text: str) -> bytes:
    """As in NLRI (RFC 4271 section 4.3)."""
    network = ipaddress.ip_network(text)
    return bytes([network.prefixlen]) + network.network_address.packed[: (network.prefixlen + 7) // 8]


def prefixes(*texts: str) -> bytes:
    return b"".join(prefix(text) for text in texts)


def attribute(flags: int, kind: int, value: bytes = b"", length: int | None = None) -> bytes:
    """One that may lie about its length; Extended Length where it is needed or asked for."""
    told = len(value) if length is None else length
    if flags & EXTENDED or told > 255:
        return struct.pack("!BBH", flags | EXTENDED, kind, told & 0xFFFF) + value
    return struct.pack("!BBB", flags, kind, told) + value


def update(
    attributes: bytes = b"",
    nlri: bytes = b"",
    withdrawn: bytes = b"",
    *,
    attributes_length: int | None = None,
    withdrawn_length: int | None = None,
) -> bytes:
    body = struct.pack("!H", len(withdrawn) if withdrawn_length is None else withdrawn_length) + withdrawn
    body += struct.pack("!H", (len(attributes) if attributes_length is None else attributes_length) & 0xFFFF) + attributes
    return message(UPDATE, body + nlri)


def segment(kind: int, *asns: int, four: bool = True, count: int | None = None) -> bytes:
    return bytes([kind, (len(asns) if count is None else count) & 0xFF]) + b"".join(asn.to_bytes(4 if four else 2, "big") for asn in asns)


def origin(value: int = 0) -> bytes:
    return attribute(WELL_KNOWN, ORIGIN, bytes([value]))


def as_path(*asns: int, four: bool = True) -> bytes:
    return attribute(WELL_KNOWN, AS_PATH, segment(AS_SEQUENCE, *asns, four=four) if asns else b"")


def next_hop(address: str) -> bytes:
    return attribute(WELL_KNOWN, NEXT_HOP, ipaddress.IPv4Address(address).packed)


def mp_reach(
    nlri: bytes, address: bytes | str = "2001:db8::1", family: tuple[int, int] = IPV6, *, reserved: int = 0, flags: int = OPTIONAL
) -> bytes:
    """RFC 4760 section 3."""
    octets = ipaddress.ip_address(address).packed if isinstance(address, str) else address
    return attribute(flags, MP_REACH, struct.pack("!HBB", *family, len(octets)) + octets + bytes([reserved]) + nlri)


def mp_unreach(nlri: bytes = b"", family: tuple[int, int] = IPV6, *, flags: int = OPTIONAL) -> bytes:
    """RFC 4760 section 4."""
    return attribute(flags, MP_UNREACH, struct.pack("!HB", *family) + nlri)


def end_of_rib(family: tuple[int, int] = IPV4) -> bytes:
    return update() if family == IPV4 else update(mp_unreach(b"", family))
