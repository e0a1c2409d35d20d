"""UPDATEs drawn from a seed: a right one, and then a few of its octets, attributes or lengths are not what they were."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from tests.live.adversary import octets as o
from tests.live.adversary.bench import Context

Raw = tuple[int, int, bytes, int | None]  # flags, type, value, length told (None: the true one)


def right(chance: random.Random, c: Context, which: int) -> tuple[bytes, list[Raw], bytes]:
    """Withdrawn Routes, attributes and NLRI of a right message."""
    names = [c.v4(4 + which % 6), c.v4(10 + which % 5)]
    six = [c.v6(which % 5), c.v6(5 + which % 5)]
    path = [c.asn] if c.group.asn != 65515 else []
    path += [chance.choice((64999, 65077, 4_200_000_077 if c.four else 65078)) for _ in range(chance.randrange(4))]
    body = b"".join(asn.to_bytes(4 if c.four else 2, "big") for asn in path)
    value = bytes([2, len(path)]) + body if path else b""
    attributes: list[Raw] = [(0x40, o.ORIGIN, bytes([chance.randrange(3)]), None), (0x40, o.AS_PATH, value, None)]
    kind = chance.random()
    nlri = b""
    if kind < 0.6:
        attributes.append((0x40, o.NEXT_HOP, bytes([10, 9, chance.randrange(256), 1]), None))
        nlri = o.prefixes(*names[: chance.randint(1, 2)])
    if kind > 0.5:
        hop = bytes.fromhex("20010db8000000000000000000000001") + (
            bytes.fromhex("fe80") + bytes(13) + b"\1" if chance.random() < 0.3 else b""
        )
        attributes.insert(
            0, (0x80, o.MP_REACH, b"\0\2\1" + bytes([len(hop)]) + hop + b"\0" + o.prefixes(*six[: chance.randint(1, 2)]), None)
        )
    if c.group.asn == 65515:
        attributes.append((0x40, o.LOCAL_PREF, struct.pack("!I", chance.randrange(1000)), None))
    asn = struct.pack("!I" if c.four else "!H", 65001)
    extras: list[Raw] = [
        (0x80, o.MED, struct.pack("!I", chance.randrange(1000)), None), (0x40, o.ATOMIC, b"", None), (0xC0, o.AGGREGATOR, asn + b"\1\2\3\4", None),
        (0xC0, o.COMMUNITIES, b"".join(struct.pack("!HH", 65001, n) for n in range(chance.randint(1, 5))), None),
        (0xC0, o.EXT_COMMUNITIES, struct.pack("!BBHI", 0, 2, 65001, 5), None), (0xC0, o.LARGE, struct.pack("!III", 65001, 2, 3), None),
        (0xC0, 99, bytes(chance.randrange(20)), None), (0x80, 98, b"abc", None), (0xC0, o.OTC, struct.pack("!I", 65001), None),
        (0xC0, o.IPV6_COMMUNITIES, b"\0\2" + bytes(18), None),
    ]  # fmt: skip
    attributes += chance.sample(extras, chance.randint(0, 4))
    withdrawn = o.prefix(names[0]) if chance.random() < 0.15 else b""
    if chance.random() < 0.15:
        attributes.append((0x80, o.MP_UNREACH, b"\0\2\1" + o.prefixes(six[0]), None))
    return withdrawn, attributes, nlri


def _octet(chance: random.Random, data: bytes) -> bytes:
    if not data:
        return bytes([chance.randrange(256)])
    at = chance.randrange(len(data))
    how = chance.randrange(5)
    if how == 0:
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    if how == 1:
        return data[:at] + bytes([chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))]) + data[at + 1 :]
    if how == 2:
        return data[:at] + data[at + 1 :]
    if how == 3:
        return data[:at] + bytes([chance.randrange(256)]) + data[at:]
    return data[:at] + data[at:][: chance.randrange(8)] * 2


def _of_attribute(chance: random.Random, attributes: list[Raw]) -> None:
    at = chance.randrange(len(attributes))
    flags, kind, value, length = attributes[at]
    how = chance.randrange(9)
    if how == 0:
        attributes[at] = flags ^ chance.choice((0x80, 0x40, 0x20, 0x10, 0x0F, 0xC0)), kind, value, length
    elif how == 1:
        attributes[at] = flags, chance.choice((*range(41), 99, 128, 255, chance.randrange(256))), value, length
    elif how in (2, 3):
        attributes[at] = flags, kind, _octet(chance, value), length
    elif how == 4:
        attributes[at] = flags, kind, value, max(0, len(value) + chance.choice((-4, -1, 1, 4, 100)))
    elif how == 5:
        attributes[at] = flags, kind, b"", length
    elif how == 6:
        del attributes[at]
    elif how == 7:
        attributes.insert(
            chance.randrange(len(attributes) + 1), (flags, kind, _octet(chance, value) if chance.random() < 0.5 else value, length)
        )
    else:
        chance.shuffle(attributes)


def mutated(chance: random.Random, c: Context, which: int) -> bytes:
    """One whole message with a right header."""
    withdrawn, attributes, nlri = right(chance, c, which)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        how = chance.random()
        if how < 0.75 and attributes:
            _of_attribute(chance, attributes)
        elif how < 0.80:
            nlri = _octet(chance, nlri)
        elif how < 0.83:
            withdrawn = _octet(chance, withdrawn)
    block = b"".join(o.attribute(flags, kind, value, length) for flags, kind, value, length in attributes)
    whole = o.update(block, nlri, withdrawn)
    body = whole[19:]
    if chance.random() < 0.12:
        body = _octet(chance, body)
    if len(body) < 4:
        body = body.ljust(4, b"\0")
    return o.message(o.UPDATE, body[:4000])


Draw = Callable[[random.Random, Context, int], bytes]
