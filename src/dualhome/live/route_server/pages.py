"""Tables of a speaker in slices, in the order of their prefixes, so that a long answer never holds the sessions up. What changes meanwhile is shown as it is then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final, Literal

from dualhome._core import Route
from dualhome.bgp.speaker import Speaker
from dualhome.net import Address, Prefix

Table = Literal["candidates", "received", "rejected", "advertised"]
Stage = Literal["received", "accepted"]
SLICE: Final = 500
"""Prefixes in one go; a few milliseconds."""
PAGE: Final = 20_000
"""Prefixes whose names are asked for in one go: for each page all names are looked at once."""
LONGEST: Final = 65535
"""Octets of a message that was not agreed on with anybody, and so holds what any peer may have sent (RFC 8654)."""
HEADER: Final = b"\xff" * 16
MP_REACH, MP_UNREACH = 14, 15
OPTIONAL, EXTENDED = 0x80, 0x10


def prefixes(speaker: Speaker, peer: str | None = None, after: Prefix | None = None, size: int = SLICE) -> Iterator[list[Prefix]]:
    """All prefixes beyond one, those that a peer announced or those that anybody did."""
    number = None if peer is None else speaker.peer_number(peer)
    while page := speaker.rib.prefixes(number, after, PAGE):
        after = Prefix(*page[-1])
        for at in range(0, len(page), size):
            yield [Prefix(*each) for each in page[at : at + size]]


def slices(
    speaker: Speaker, table: Table, peer: str | None = None, after: Prefix | None = None, size: int = SLICE
) -> Iterator[list[Route]]:
    """The routes beyond a prefix: what is decided among, or what one peer announced, was refused or is told; all routes of a prefix together."""
    ask = _asking(speaker, table, peer)
    for some in prefixes(speaker, peer if table in ("received", "rejected") else None, after, size):
        if found := [route for prefix in some for route in ask(prefix)]:
            yield found


def _asking(speaker: Speaker, table: Table, peer: str | None) -> Callable[[Prefix], list[Route]]:
    if table == "candidates":
        return speaker.table
    assert peer is not None, f"{table} of nobody"
    ask = {"received": speaker.learned, "rejected": speaker.rejected, "advertised": speaker.advertised}[table]
    return lambda prefix: ask(peer, prefix)


def announcements(speaker: Speaker, stage: Stage, peer: str, some: Sequence[Prefix]) -> tuple[list[bytes], set[Prefix]]:
    """UPDATEs that announce these prefixes as a peer did, or as the rules let them in, with four-octet ASNs; and which of them there are."""
    rows, blocks = speaker.rib.blocks(stage, speaker.peer_number(peer), list(some))
    by_block: dict[tuple[int, int], list[Prefix]] = {}
    for prefix, _, place in rows:
        by_block.setdefault((place, prefix[0]), []).append(Prefix(*prefix))
    made = [update for (place, version), its in by_block.items() for update in _announced(version, *blocks[place], its)]
    return made, {Prefix(*prefix) for prefix, _, _ in rows}


def withdrawals(some: Sequence[Prefix]) -> list[bytes]:
    """UPDATEs that withdraw these."""
    made = []
    for version, its in groupby(sorted(some), key=lambda prefix: prefix.version):
        nlri = list(map(_nlri, its))
        if version == 4:
            made += [_update(part, b"", b"") for part in _parts(nlri, LONGEST - 23)]
        else:
            made += [_update(b"", _attribute(OPTIONAL, MP_UNREACH, b"\0\2\1" + part), b"") for part in _parts(nlri, LONGEST - 30)]
    return made


def short(octets: bytes, next_hop: str) -> bytes:
    """Path attributes of an entry of a table: of MP_REACH_NLRI the next hop alone (RFC 6396 section 4.3.4)."""
    if ":" not in next_hop:
        return octets
    hop = _octets(next_hop)
    return octets + _attribute(OPTIONAL, MP_REACH, bytes([len(hop)]) + hop)


def _announced(version: int, octets: bytes, next_hop: str, its: Sequence[Prefix]) -> Iterator[bytes]:
    nlri, room = list(map(_nlri, its)), LONGEST - 23 - len(octets)
    if version == 4:
        for part in _parts(nlri, room):
            yield _update(b"", octets, part)
        return
    hop = _octets(next_hop)
    for part in _parts(nlri, room - len(hop) - 9):
        yield _update(b"", _attribute(OPTIONAL, MP_REACH, b"\0\2\1" + bytes([len(hop)]) + hop + b"\0" + part) + octets, b"")


def _parts(nlri: Sequence[bytes], room: int) -> Iterator[bytes]:
    """All together in as few runs as fit; one that fits nowhere is left out."""
    part = bytearray()
    for each in nlri:
        if len(part) + len(each) > room and part:
            yield bytes(part)
            part.clear()
        if len(each) <= room:
            part += each
    if part:
        yield bytes(part)


def _update(withdrawn: bytes, attributes: bytes, nlri: bytes) -> bytes:
    body = len(withdrawn).to_bytes(2) + withdrawn + len(attributes).to_bytes(2) + attributes + nlri
    return HEADER + (19 + len(body)).to_bytes(2) + b"\2" + body


def _attribute(flags: int, kind: int, value: bytes) -> bytes:
    if len(value) > 255:
        return bytes([flags | EXTENDED, kind]) + len(value).to_bytes(2) + value
    return bytes([flags, kind, len(value)]) + value


def _nlri(prefix: Prefix) -> bytes:
    octets = prefix.bits.to_bytes(4 if prefix.version == 4 else 16)
    return bytes([prefix.length]) + octets[: (prefix.length + 7) // 8]


def _octets(address: str) -> bytes:
    each = Address.parse(address)
    return each.bits.to_bytes(4 if each.version == 4 else 16)
