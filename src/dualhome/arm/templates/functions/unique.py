"""uniqueString: 13 letters that a text always gives.

Source: MurmurHash3 (A. Appleby), in the form with two lanes of 32 bits that ARM uses, its 64 bits in base 32.
"""

from __future__ import annotations

from typing import Final

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz234567"
MASK: Final = 0xFFFFFFFF
ONE, TWO = 0x239B961B, 0xAB0E9789  # what a block's words are multiplied by


def _turned(x: int, by: int) -> int:
    return ((x << by) | (x >> (32 - by))) & MASK


def _mixed(x: int, first: int, by: int, then: int) -> int:
    return _turned(x * first & MASK, by) * then & MASK


def _final(x: int) -> int:
    x = (x ^ x >> 16) * 0x85EBCA6B & MASK
    x = (x ^ x >> 13) * 0xC2B2AE35 & MASK
    return x ^ x >> 16


def hash64(data: bytes) -> int:
    """64 bits of a text."""
    a = b = 0
    whole = len(data) - len(data) % 8
    for at in range(0, whole, 8):
        x, y = int.from_bytes(data[at : at + 4], "little"), int.from_bytes(data[at + 4 : at + 8], "little")
        a = (_turned(a ^ _mixed(x, ONE, 15, TWO), 19) + b) * 5 + 0x561CCD1B & MASK
        b = (_turned(b ^ _mixed(y, TWO, 17, ONE), 13) + a) * 5 + 0x0BCAA747 & MASK
    rest = data[whole:]
    if rest:
        a ^= _mixed(int.from_bytes(rest[:4], "little"), ONE, 15, TWO)
    if len(rest) > 4:
        b ^= _mixed(int.from_bytes(rest[4:], "little"), TWO, 17, ONE)
    a, b = a ^ len(data), b ^ len(data)
    a = a + b & MASK
    b = a + b & MASK
    a, b = _final(a), _final(b)
    a = a + b & MASK
    b = a + b & MASK
    return b << 32 | a


def unique(text: str) -> str:
    """13 letters and digits."""
    number = hash64(text.encode("utf-8", "replace"))
    found = []
    for _ in range(13):
        found.append(LETTERS[number >> 59])
        number = number << 5 & 2**64 - 1
    return "".join(found)
