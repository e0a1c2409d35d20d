"""Values to MRT records. Times are microseconds since 1970, as a wall clock has them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dualhome.net import Address, Prefix

TABLE_DUMP_V2: Final = 13
BGP4MP_ET: Final = 17
"""BGP4MP with microseconds (RFC 6396 sections 4.4 and 3)."""
PEER_INDEX_TABLE: Final = 1
RIB_UNICAST: Final = {4: 2, 6: 4}
MESSAGE: Final = 1
STATE_CHANGE_AS4: Final = 5
MESSAGE_AS4: Final = 4
AS_TRANS: Final = 23456
LAST_SECOND: Final = (1 << 32) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A peer of a table: its BGP Identifier (0.0.0.0 where it never said one), its address and its ASN."""

    identifier: Address
    address: Address
    asn: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A path of a prefix: the peer's place in the index table, when it came (seconds since 1970), its path attributes with four-octet ASNs.

    MP_REACH_NLRI among them holds the length of the next hop and the next hop alone (RFC 6396 section 4.3.4).
    """

    peer: int
    since_s: int
    attributes: bytes


def message(time_us: int, peer: tuple[Address, int], local: tuple[Address, int], octets: bytes, *, four_octet_as: bool = True) -> bytes:
    """A BGP message that came from `peer` (address, ASN), whole with its header; `four_octet_as` says how its AS_PATH is.

    Source: RFC 6396 sections 4.4.2 and 4.4.3.
    """
    return _extended(time_us, MESSAGE_AS4 if four_octet_as else MESSAGE, _parties(peer, local, four_octet_as) + octets)


def state_change(time_us: int, peer: tuple[Address, int], local: tuple[Address, int], old: int, new: int) -> bytes:
    """A session went from one state to another: 1 Idle, 2 Connect, 3 Active, 4 OpenSent, 5 OpenConfirm, 6 Established.

    Source: RFC 6396 section 4.4.4.
    """
    return _extended(time_us, STATE_CHANGE_AS4, _parties(peer, local, True) + struct.pack("!HH", old, new))


def peer_index(time_us: int, collector: Address, view: str, peers: Sequence[Party]) -> bytes:
    """The record that stands before those of a table; their entries name peers by the place in it.

    Source: RFC 6396 section 4.3.1.
    """
    assert len(peers) <= 0xFFFF, "an index table has 65535 peers at most"
    name = view.encode()[:0xFFFF]
    head = struct.pack("!IH", collector.bits, len(name)) + name + struct.pack("!H", len(peers))
    return _plain(time_us, PEER_INDEX_TABLE, head + b"".join(map(_party, peers)))


def rib(time_us: int, sequence: int, prefix: Prefix, entries: Sequence[Entry]) -> bytes:
    """All paths of one prefix, unicast.

    Source: RFC 6396 sections 4.3.2 and 4.3.4.
    """
    width = 4 if prefix.version == 4 else 16
    nlri = bytes([prefix.length]) + prefix.bits.to_bytes(width)[: (prefix.length + 7) // 8]
    parts = [struct.pack("!I", sequence & 0xFFFFFFFF), nlri, struct.pack("!H", len(entries))]
    for entry in entries:
        parts += (struct.pack("!HIH", entry.peer, entry.since_s, len(entry.attributes)), entry.attributes)
    return _plain(time_us, RIB_UNICAST[prefix.version], b"".join(parts))


def _party(peer: Party) -> bytes:
    """Type (2: the ASN has four octets, 1: the address is of IPv6), identifier, address, ASN."""
    v6 = peer.address.version == 6
    return struct.pack("!BI", 2 | v6, peer.identifier.bits) + _octets(peer.address) + struct.pack("!I", peer.asn)


def _parties(peer: tuple[Address, int], local: tuple[Address, int], four_octet_as: bool) -> bytes:
    form = "!IIHH" if four_octet_as else "!HHHH"
    asns = [asn if four_octet_as or asn <= 0xFFFF else AS_TRANS for _, asn in (peer, local)]
    return struct.pack(form, *asns, 0, 1 if peer[0].version == 4 else 2) + _octets(peer[0]) + _octets(local[0])


def _octets(address: Address) -> bytes:
    return address.bits.to_bytes(4 if address.version == 4 else 16)


def _plain(time_us: int, subtype: int, body: bytes) -> bytes:
    return struct.pack("!IHHI", min(time_us // 1_000_000, LAST_SECOND), TABLE_DUMP_V2, subtype, len(body)) + body


def _extended(time_us: int, subtype: int, body: bytes) -> bytes:
    second, rest = divmod(time_us, 1_000_000)
    return struct.pack("!IHHII", min(second, LAST_SECOND), BGP4MP_ET, subtype, len(body) + 4, rest) + body
