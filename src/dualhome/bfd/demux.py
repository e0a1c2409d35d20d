"""To which session a packet belongs, and the discriminators that sessions have (RFC 5880 section 6.3)."""

from __future__ import annotations

import random
from collections.abc import Hashable
from typing import Generic, TypeVar

from dualhome.bfd.packet import Discarded, Packet

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Sessions(Generic[K, V]):
    """Sessions by discriminator and, for first packets, by their path (addresses, kind, device), which no two sessions share."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._numbered: dict[int, V] = {}
        self._at: dict[K, int] = {}

    def draw(self) -> int:
        """A discriminator that no session has."""
        while (number := self._rng.randrange(1, 1 << 32)) in self._numbered:
            pass
        return number

    def add(self, path: K, discriminator: int, session: V) -> None:
        """A new session."""
        assert path not in self._at, f"two sessions on {path}"
        assert discriminator not in self._numbered, f"two sessions with discriminator {discriminator}"
        self._numbered[discriminator], self._at[path] = session, discriminator

    def remove(self, path: K) -> None:
        """Forget the session of this path."""
        del self._numbered[self._at.pop(path)]

    def __contains__(self, path: K) -> bool:
        return path in self._at

    def find(self, packet: Packet, path: K) -> V | Discarded:
        """The session of a packet that came this way; once it names our discriminator, where it came from doesn't count."""
        number = packet.your_discriminator or self._at.get(path, 0)
        if number in self._numbered:
            return self._numbered[number]
        return Discarded(f"no session has discriminator {number}" if number else "no session has this path")
