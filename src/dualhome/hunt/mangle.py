"""Octets that no careful speaker writes, or that its peer did not: what faults put into a stream."""

from __future__ import annotations

import random
from collections.abc import Sequence

from dualhome.hunt.wire import (
    KEEPALIVE,
    MARKER,
    NOTIFICATION,
    OPTIONAL,
    REFRESH,
    TRANSITIVE,
    UPDATE,
    Prefix,
    message,
    write_attribute,
    write_update,
)
from dualhome.net import Address

BOTH = OPTIONAL | TRANSITIVE


def slipped_in(rng: random.Random, asn: int, ebgp: bool, next_hop: Address, prefixes: Sequence[Prefix]) -> bytes:
    """A message of one's own making: an UPDATE of a route that is nowhere, sound or not, or another message."""
    draw = rng.random()
    if draw < 0.68:
        update = _update(rng, asn, ebgp, next_hop, prefixes)
        return altered(rng, update) if rng.random() < 0.5 else update
    if draw < 0.75:  # marks of a refresh in which nothing is told: all is forgotten (RFC 7313 section 4.2)
        family = rng.choice((b"\0\1", b"\0\2"))
        return b"".join(message(REFRESH, family + bytes([mark, 1])) for mark in rng.choice(((1, 2), (1, 2), (1,), (2,))))
    if draw < 0.82:
        return message(REFRESH, rng.choice((b"\0\1\0\1", b"\0\2\0\1", b"\0\1\7\1", b"\0\1\1\1", b"\0\x19\0\x46", b"\0\1\0")))
    if draw < 0.86:
        return message(NOTIFICATION, rng.choice((b"\6\2\7by hand", b"\xff\xff\0\1\2", b"\6\4\x80abc", b"\1\1")))
    if draw < 0.94:
        return message(rng.choice((KEEPALIVE, 0, 6, 255)), rng.choice((b"", b"\0")))
    return rng.choice((bytes(19), MARKER + b"\xff\xff\2", MARKER + b"\0\x13", rng.randbytes(40)))


def _update(rng: random.Random, asn: int, ebgp: bool, next_hop: Address, prefixes: Sequence[Prefix]) -> bytes:
    path = [asn] * ebgp + rng.choices((65010, 65011, 64999, 4200000123), k=rng.randrange(4))
    segments = bytes([2, len(path)]) + b"".join(each.to_bytes(4) for each in path) if path else b""
    needed = [(TRANSITIVE, 1, bytes([rng.randrange(3)])), (TRANSITIVE, 2, segments), (TRANSITIVE, 3, next_hop.bits.to_bytes(4))]
    if not ebgp:
        needed.append((TRANSITIVE, 5, (100).to_bytes(4)))
    more = [
        (OPTIONAL, 4, rng.randrange(20).to_bytes(4)),
        (TRANSITIVE, 6, b""),
        (BOTH, 7, (65010).to_bytes(4) + b"\x0a\0\0\x63"),
        (BOTH, 8, b"".join((65001 << 16 | rng.randrange(4)).to_bytes(4) for _ in range(rng.randint(1, 3)))),
        (BOTH, 16, b"\0\2\xfd\xe9" + rng.randbytes(4)),
        (BOTH, 32, (65001).to_bytes(4) + bytes(7) + b"\1"),
        (BOTH, 35, rng.choice((asn, 65010)).to_bytes(4)),
        (BOTH, 200, rng.randbytes(rng.choice((0, 3, 300)))),
        (OPTIONAL, 201, b"for us alone"),
    ]
    chosen = rng.sample(more, rng.randrange(len(more)))
    gone = rng.sample(prefixes, min(rng.randrange(3), len(prefixes)))
    announced = [prefix for prefix in rng.sample(prefixes, min(rng.randint(1, 3), len(prefixes))) if prefix not in gone]
    announced.append((4, 0xC6120000 | rng.randrange(4) << 8, 24))
    return write_update([write_attribute(*each) for each in sorted([*needed, *chosen], key=lambda each: each[1])], announced, gone)


def altered(rng: random.Random, whole: bytes) -> bytes:
    """A message of which bytes are others, gone, or more; its length mostly fits."""
    body = bytearray(whole[19:])
    kind = whole[18]
    draw = rng.random()
    if draw < 0.1 or not body:
        data = bytearray(whole)
        data[rng.choice((0, 15, 16, 17, 18, rng.randrange(len(data))))] ^= 1 << rng.randrange(8)
        return bytes(data)
    if draw < 0.6:
        for _ in range(rng.randint(1, 3)):
            body[rng.randrange(len(body))] = rng.choice((0, 1, 0xFF, rng.randrange(256)))
    elif draw < 0.75:
        del body[rng.randrange(len(body)) :]
    elif draw < 0.9:
        at = rng.randrange(len(body) + 1)
        body[at:at] = rng.randbytes(rng.randint(1, 9))
    else:
        at = rng.randrange(len(body))
        body[at:at] = body[at : at + rng.randint(1, 9)]
    return message(kind, bytes(body)) if kind != UPDATE or len(body) >= 4 else message(kind, bytes(4))
