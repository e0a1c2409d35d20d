"""Addresses and prefixes, IPv4 and IPv6, as small comparable values.

In: text as `10.1.0.0/16`, `fd00::4`. Out: `Address`, `Prefix`; both are tuples, so they hash and sort quickly and cross to Rust as they
are: `(version, bits)` and `(version, bits, length)`. Begin at `Prefix`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

WIDTH = {4: 32, 6: 128}


class Address(NamedTuple):
    """One IP address: its version (4 or 6) and its bits as a number."""

    version: int
    bits: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """From text; ValueError where it is none."""
        return _parse_address(text)

    def __str__(self) -> str:
        return str(ipaddress.IPv4Address(self.bits) if self.version == 4 else ipaddress.IPv6Address(self.bits))

    @property
    def host_prefix(self) -> Prefix:
        """The /32 or /128 of this address alone."""
        return Prefix(self.version, self.bits, WIDTH[self.version])


class Prefix(NamedTuple):
    """A prefix without host bits: version, bits of its first address, length."""

    version: int
    bits: int
    length: int

    @classmethod
    def parse(cls, text: str) -> Prefix:
        """From text; ValueError where it is none or has host bits."""
        return _parse_prefix(text)

    def __str__(self) -> str:
        return f"{Address(self.version, self.bits)}/{self.length}"

    def covers(self, other: Address | Prefix) -> bool:
        """Whether an address or a prefix lies in this one (a prefix lies in itself)."""
        if isinstance(other, Prefix) and other.length < self.length:
            return False
        return other.version == self.version and not (other.bits ^ self.bits) >> (WIDTH[self.version] - self.length)

    def __contains__(self, other: object) -> bool:
        """`covers` as an operator."""
        return isinstance(other, (Address, Prefix)) and self.covers(other)

    def overlaps(self, other: Prefix) -> bool:
        """Whether the two have an address in common."""
        return self.covers(other) or other.covers(self)

    def address(self, index: int) -> Address:
        """The address at this place, counted from the first (0)."""
        return Address(self.version, self.bits + index)

    @property
    def size(self) -> int:
        """How many addresses it has."""
        return 1 << (WIDTH[self.version] - self.length)


DEFAULT_V4 = Prefix(4, 0, 0)
DEFAULT_V6 = Prefix(6, 0, 0)


@lru_cache(maxsize=65536)
def _parse_address(text: str) -> Address:
    value = ipaddress.ip_address(text)
    return Address(value.version, int(value))


@lru_cache(maxsize=65536)
def _parse_prefix(text: str) -> Prefix:
    value = ipaddress.ip_network(text)
    return Prefix(value.version, int(value.network_address), value.prefixlen)


def covered(prefix: Prefix, ranges: Iterable[Prefix]) -> bool:
    """Whether the prefix equals one of the ranges or lies inside one."""
    return any(each.covers(prefix) for each in ranges)
