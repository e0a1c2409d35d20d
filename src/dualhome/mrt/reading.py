"""MRT records to values, strictly: what doesn't fit its length, or is of a kind that isn't written here, is a ValueError that says where."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from dualhome.mrt.writing import (
    BGP4MP_ET,
    MESSAGE,
    MESSAGE_AS4,
    PEER_INDEX_TABLE,
    RIB_UNICAST,
    STATE_CHANGE_AS4,
    TABLE_DUMP_V2,
    Entry,
    Party,
)
from dualhome.net import Address, Prefix

BGP4MP: Final = 16
LONGEST: Final = 16 << 20
"""A record; a table's prefix with all its paths, with room to spare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A BGP message that came from a peer."""

    time_us: int
    peer: tuple[Address, int]
    local: tuple[Address, int]
    octets: bytes
    four_octet_as: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """A session's states by their numbers, 1 Idle to 6 Established."""

    time_us: int
    peer: tuple[Address, int]
    local: tuple[Address, int]
    old: int
    new: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerIndex:
    """The peers of the table that follows."""

    time_us: int
    collector: Address
    view: str
    peers: tuple[Party, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RibEntries:
    """All paths of one prefix."""

    time_us: int
    sequence: int
    prefix: Prefix
    entries: tuple[Entry, ...]


Record = Message | StateChange | PeerIndex | RibEntries


def records(file: BinaryIO) -> Iterator[Record]:
    """All records of a file.

    Raises:
        ValueError: the file isn't what RFC 6396 says, or holds what isn't written here.
    """
    at = 0
    while head := file.read(12):
        if len(head) < 12:
            raise ValueError(f"octet {at}: a header of {len(head)} octets")
        second, kind, subtype, length = struct.unpack("!IHHI", head)
        if length > LONGEST:
            raise ValueError(f"octet {at}: a record of {length} octets")
        body = file.read(length)
        if len(body) < length:
            raise ValueError(f"octet {at}: {len(body)} octets of {length}")
        try:
            yield _record(second * 1_000_000, kind, subtype, _Octets(body))
        except (ValueError, struct.error) as error:
            raise ValueError(f"octet {at}, record of type {kind}/{subtype}: {error}") from error
        at += 12 + length


class _Octets:
    """What is left of a record."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise ValueError(f"{count} octets wanted, {len(self._data) - self._at} are left")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def address(self, version: int) -> Address:
        return Address(version, self.number(4 if version == 4 else 16))

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        if left := self.rest():
            raise ValueError(f"{len(left)} octets too many")


def _record(time_us: int, kind: int, subtype: int, body: _Octets) -> Record:
    versions = {number: version for version, number in RIB_UNICAST.items()}
    if (kind, subtype) == (TABLE_DUMP_V2, PEER_INDEX_TABLE):
        return _peer_index(time_us, body)
    if kind == TABLE_DUMP_V2 and subtype in versions:
        return _rib(time_us, versions[subtype], body)
    if kind in (BGP4MP, BGP4MP_ET) and subtype in (MESSAGE, MESSAGE_AS4, STATE_CHANGE_AS4):
        if kind == BGP4MP_ET:
            time_us += body.number(4)
        return _heard(time_us, subtype, body)
    raise ValueError("not one that is known here")


def _peer_index(time_us: int, body: _Octets) -> PeerIndex:
    collector, view, peers = body.address(4), body.take(body.number(2)).decode(), []
    for _ in range(body.number(2)):
        form = body.number(1)
        identifier, address = body.address(4), body.address(6 if form & 1 else 4)
        peers.append(Party(identifier=identifier, address=address, asn=body.number(4 if form & 2 else 2)))
    body.end()
    return PeerIndex(time_us=time_us, collector=collector, view=view, peers=tuple(peers))


def _rib(time_us: int, version: int, body: _Octets) -> RibEntries:
    sequence, length, width = body.number(4), body.number(1), 32 if version == 4 else 128
    if length > width:
        raise ValueError(f"a prefix of {length} bits")
    octets = (length + 7) // 8
    bits = body.number(octets) << (width - octets * 8)
    if bits & ((1 << (width - length)) - 1):
        raise ValueError("a prefix with host bits")
    entries = [Entry(body.number(2), body.number(4), body.take(body.number(2))) for _ in range(body.number(2))]
    body.end()
    return RibEntries(time_us=time_us, sequence=sequence, prefix=Prefix(version, bits, length), entries=tuple(entries))


def _heard(time_us: int, subtype: int, body: _Octets) -> Message | StateChange:
    size = 2 if subtype == MESSAGE else 4
    asns, _, family = (body.number(size), body.number(size)), body.number(2), body.number(2)
    if family not in (1, 2):
        raise ValueError(f"an address family {family}")
    version = 4 if family == 1 else 6
    peer, local = (body.address(version), asns[0]), (body.address(version), asns[1])
    if subtype == STATE_CHANGE_AS4:
        old, new = body.number(2), body.number(2)
        body.end()
        return StateChange(time_us=time_us, peer=peer, local=local, old=old, new=new)
    octets = body.rest()
    if octets[:16] != b"\xff" * 16 or int.from_bytes(octets[16:18]) != len(octets):
        raise ValueError("not one whole BGP message")
    return Message(time_us=time_us, peer=peer, local=local, octets=octets, four_octet_as=subtype == MESSAGE_AS4)
