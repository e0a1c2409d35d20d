"""Tables of a speaker in slices, in the order of their prefixes, so that a long answer never holds the sessions up. What changes meanwhile is shown as it is then."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from dualhome import _core
from dualhome._core import Route
from dualhome.bgp.speaker import Speaker
from dualhome.net import Prefix

Table = Literal["candidates", "received", "rejected", "advertised"]
SLICE: Final = 500
"""Prefixes in one go; a few milliseconds."""
HEADER: Final = 19
LONGEST: Final = 65535
"""Octets of a message that was not agreed on by anybody, and so holds what any peer may have sent (RFC 8654)."""


def slices(
    speaker: Speaker, table: Table, peer: str | None = None, after: Prefix | None = None, size: int = SLICE
) -> Iterator[list[Route]]:
    """The routes beyond a prefix: what is decided among, or what one peer announced, was refused or is told; all routes of a prefix together."""
    prefixes = _prefixes(speaker, table, peer)
    start = 0 if after is None else bisect_right(prefixes, after)
    ask = _asking(speaker, table, peer)
    for at in range(start, len(prefixes), size):
        if found := [route for prefix in prefixes[at : at + size] for route in ask(prefix)]:
            yield found


def _prefixes(speaker: Speaker, table: Table, peer: str | None) -> Sequence[Prefix]:
    if table == "candidates":
        return [Prefix(*prefix) for prefix, _ in speaker.rib.best()]
    assert peer is not None, f"{table} of nobody"
    match table:
        case "received":
            rows = speaker.learned(peer)
        case "rejected":
            rows = speaker.rejected(peer)
        case "advertised":
            rows = speaker.advertised(peer)
    return sorted({Prefix(*route.prefix) for route in rows})


def _asking(speaker: Speaker, table: Table, peer: str | None) -> Callable[[Prefix], list[Route]]:
    if table == "candidates":
        return speaker.table
    assert peer is not None
    if table == "rejected":
        refused: dict[Prefix, list[Route]] = {}
        for route in speaker.rejected(peer):
            refused.setdefault(Prefix(*route.prefix), []).append(route)
        return lambda prefix: refused.get(prefix, [])
    ask = speaker.learned if table == "received" else speaker.advertised
    return lambda prefix: ask(peer, prefix)


def sayable(route: Route) -> bool:
    """Whether a message can hold it: a next hop of the other IP version has no place in one (own routes of an instance without such an address have it)."""
    return (":" in route.next_hop) == (route.prefix[0] == 6)


def announcement(routes: Sequence[Route]) -> bytes:
    """UPDATEs that announce these as far as they can be said, with four-octet ASNs; routes of equal attributes share messages."""
    rows = [_row(route) for route in routes if sayable(route)]
    return _core.encode_updates(json.dumps(rows), max_message=LONGEST) if rows else b""


def withdrawal(prefixes: Sequence[Prefix]) -> bytes:
    """UPDATEs that withdraw these."""
    return _core.encode_updates(json.dumps([{"prefix": str(prefix), "withdrawn": True} for prefix in prefixes])) if prefixes else b""


def attributes(route: Route, known: dict[tuple[object, ...], bytes]) -> bytes:
    """Path attributes of a route that can be said as octets, with four-octet ASNs; MP_REACH_NLRI holds the next hop alone (RFC 6396 section 4.3.4). `known` remembers."""
    key = (
        route.prefix[0],
        route.next_hop,
        route.as_path,
        route.origin,
        route.med,
        route.local_preference,
        *route.communities,
        "|",
        *route.large_communities,
    )
    found = known.get(key)
    if found is None:
        message = announcement([route])
        withdrawn = int.from_bytes(message[HEADER : HEADER + 2])
        at = HEADER + 2 + withdrawn
        length = int.from_bytes(message[at : at + 2])
        found = known[key] = b"".join(map(_short, _split(message[at + 2 : at + 2 + length])))
    return found


def _split(octets: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Flags, type, value of each path attribute."""
    at = 0
    while at < len(octets):
        flags, kind = octets[at], octets[at + 1]
        size = 2 if flags & 0x10 else 1
        length = int.from_bytes(octets[at + 2 : at + 2 + size])
        at += 2 + size + length
        yield flags, kind, octets[at - length : at]


def _short(attribute: tuple[int, int, bytes]) -> bytes:
    flags, kind, value = attribute
    if kind == 14:  # AFI, SAFI, length of the next hop, next hop, a zero, NLRI
        value = value[3 : 4 + value[3]]
    length = len(value).to_bytes(2 if len(value) > 255 else 1)
    return bytes([flags & ~0x10 | (0x10 if len(value) > 255 else 0), kind]) + length + value


def _row(route: Route) -> dict[str, object]:
    return {
        "prefix": str(Prefix(*route.prefix)),
        "withdrawn": False,
        "next_hop": route.next_hop,
        "as_path": route.as_path,
        "origin": route.origin,
        "med": route.med,
        "local_preference": route.local_preference,
        "communities": route.communities,
        "large_communities": route.large_communities,
    }
