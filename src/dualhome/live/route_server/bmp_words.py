"""Messages of the BGP Monitoring Protocol, version 3: values in, octets out (RFC 7854 section 4, RFC 8671)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from dualhome.net import Address

VERSION: Final = 3
INFORMATION_LIMIT: Final = 4096
"""Octets of a text in a TLV; a collector wants words, no volumes."""
HEADER: Final = 19
"""Octets before the body of a BGP message."""


class Kind(IntEnum):
    """Types of messages (RFC 7854 section 4.1)."""

    ROUTE_MONITORING = 0
    STATISTICS = 1
    PEER_DOWN = 2
    PEER_UP = 3
    INITIATION = 4
    TERMINATION = 5
    ROUTE_MIRRORING = 6


class Statistic(IntEnum):
    """What is counted of a peer (RFC 7854 section 4.8, RFC 8671 section 6.2); those below 7 and 11 to 13 are counters of 32 bits, the rest gauges of 64."""

    REJECTED = 0  # prefixes that a check or a rule refused
    CLUSTER_LOOPS = 3  # UPDATEs, as the next two
    AS_PATH_LOOPS = 4
    ORIGINATOR_LOOPS = 5
    ADJ_RIB_IN = 7
    LOC_RIB = 8
    TREATED_AS_WITHDRAW = 11  # UPDATEs
    PREFIXES_TREATED_AS_WITHDRAW = 12
    ADJ_RIB_OUT = 15


_COUNTERS: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 11, 12, 13})


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitored:
    """A peer, as each message about it names it. `two_octet_as`: the AS_PATH of messages of this session has two octets an ASN."""

    address: Address
    asn: int
    identifier: Address
    two_octet_as: bool = False

    def header(self, time_us: int, *, post_policy: bool = False, four_octet_as: bool = False) -> bytes:
        """The per-peer header; time is Unix time, 0 where it isn't known. With `four_octet_as` the message is written anew, with four octets.

        Source: RFC 7854 section 4.2.
        """
        flags = 0x80 * (self.address.version == 6) | 0x40 * post_policy | 0x20 * (self.two_octet_as and not four_octet_as)
        second, rest = divmod(time_us, 1_000_000)
        return struct.pack("!BBQ16sIIII", 0, flags, 0, _octets(self.address), self.asn, self.identifier.bits, second, rest)


def initiation(name: str, description: str) -> bytes:
    """Who speaks, and what it is: sysName, sysDescr (RFC 7854 section 4.3)."""
    return _message(Kind.INITIATION, _tlv(1, _text(description)) + _tlv(2, _text(name)))


def termination(reason: int, text: str = "") -> bytes:
    """The end: 0 closed by the operator, 1 unspecified, 2 out of resources (RFC 7854 section 4.5)."""
    return _message(Kind.TERMINATION, (_tlv(0, _text(text)) if text else b"") + _tlv(1, struct.pack("!H", reason)))


def peer_up(peer: Monitored, time_us: int, local: tuple[Address, int], remote_port: int, opens: tuple[bytes, bytes], name: str) -> bytes:
    """A session is Established: our end, the peer's port, the OPEN that was sent and the one that came, and what the peer is called here.

    Source: RFC 7854 section 4.10.
    """
    body = _octets(local[0]) + struct.pack("!HH", local[1], remote_port) + opens[0] + opens[1] + _tlv(0, _text(name))
    return _message(Kind.PEER_UP, peer.header(time_us) + body)


def peer_down(peer: Monitored, time_us: int, notification: tuple[bool, bytes] | None, *, removed: bool = False) -> bytes:
    """It is not any more: by a NOTIFICATION (ours or not; whole), or without one, and then the far end closed the transport.

    Source: RFC 7854 section 4.9: reason 1 is our NOTIFICATION, 3 the peer's, 4 neither, 5 that the peer isn't monitored any more.
    """
    if removed:
        said = b"\x05"
    elif notification is None:
        said = b"\x04"
    else:
        ours, octets = notification
        said = (b"\x01" if ours else b"\x03") + octets
    return _message(Kind.PEER_DOWN, peer.header(time_us) + said)


def route_monitoring(header: bytes, updates: Iterable[bytes]) -> bytes:
    """UPDATEs, each a message of its own after the same per-peer header (RFC 7854 section 4.6)."""
    parts: list[bytes] = []
    for update in updates:
        parts += (struct.pack("!BIB", VERSION, 6 + len(header) + len(update), Kind.ROUTE_MONITORING), header, update)
    return b"".join(parts)


def route_mirroring(header: bytes, message: bytes, *, errored: bool = True) -> bytes:
    """A message as it came; `errored`: something was wrong with it (RFC 7854 section 4.7)."""
    why = _tlv(1, struct.pack("!H", 0)) if errored else b""
    return _message(Kind.ROUTE_MIRRORING, header + why + _tlv(0, message))


def statistics(peer: Monitored, time_us: int, values: Mapping[Statistic, int]) -> bytes:
    """Numbers of a peer (RFC 7854 section 4.8)."""
    rows: Sequence[bytes] = [
        _tlv(kind, struct.pack("!I", value & 0xFFFFFFFF) if kind in _COUNTERS else struct.pack("!Q", value))
        for kind, value in values.items()
    ]
    return _message(Kind.STATISTICS, peer.header(time_us) + struct.pack("!I", len(rows)) + b"".join(rows))


def split(messages: bytes) -> Iterator[bytes]:
    """A run of whole BGP messages, one by one."""
    at = 0
    while at < len(messages):
        length = int.from_bytes(messages[at + 16 : at + 18])
        yield messages[at : at + length]
        at += length


def end_of_rib(family: tuple[int, int]) -> bytes:
    """All of this family was told (RFC 4724 section 2)."""
    afi, safi = family
    body = bytes(4) if family == (1, 1) else struct.pack("!HHBBBHB", 0, 6, 0x80, 15, 3, afi, safi)
    return b"\xff" * 16 + struct.pack("!HB", HEADER + len(body), 2) + body


def _message(kind: Kind, body: bytes) -> bytes:
    return struct.pack("!BIB", VERSION, 6 + len(body), kind) + body


def _tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value


def _text(text: str) -> bytes:
    return text.encode()[:INFORMATION_LIMIT]


def _octets(address: Address) -> bytes:
    """Sixteen octets; those before an IPv4 address are zero."""
    return address.bits.to_bytes(16)
