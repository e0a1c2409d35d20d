"""What speakers decided about destinations that somebody watches, and on whose word: what tells how an outage came to its end.

The journal says what sessions did; this says what became of routes. Nothing is kept before `watch`, so a network that nobody watches pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dualhome._core import Rib
from dualhome.net import Address, Prefix
from dualhome.units import Instant

HEADER_BYTES: Final = 19
KEEPALIVE: Final = 4
MOST: Final = 20_000  # decisions kept of one event; the first are those that count


@dataclass(frozen=True, slots=True)
class Decision:
    """A speaker has other best routes now. `prefixes`: those that cover what is watched, () where that isn't known; `told_by`: whose messages it had just heard."""

    time_us: int
    speaker: str
    prefixes: tuple[Prefix, ...]
    told_by: tuple[str, ...]


class Decisions:
    """Decisions since the last event, in order."""

    def __init__(self) -> None:
        self.kept: list[Decision] = []
        self._watched: dict[Address, None] = {}
        self._recording: dict[str, Rib] = {}
        self._heard: dict[str, dict[str, None]] = {}

    def watch(self, address: Address, ribs: Iterable[tuple[str, Rib]]) -> None:
        """Keep what is decided about this destination from now on."""
        self._watched[address] = None
        for name, rib in ribs:
            rib.changes()
            self._recording[name] = rib

    def clear(self, now: Instant) -> None:
        """Something is done to the network: what was decided before this instant is history."""
        self.kept = [each for each in self.kept if each.time_us == now]

    def heard(self, speaker: str, peer: str, data: bytes) -> None:
        """Bytes came from a peer; a KEEPALIVE alone is no word."""
        if self._watched and not (len(data) == HEADER_BYTES and data[-1] == KEEPALIVE):
            self._heard.setdefault(speaker, {})[peer] = None

    def decided(self, speaker: str, rib: Rib, now: Instant) -> None:
        """Its best routes may be others now."""
        if not self._watched:
            return
        changed = [Prefix(*each) for each in rib.changes()]
        known = self._recording.get(speaker) is rib
        self._recording[speaker] = rib
        prefixes = tuple(prefix for prefix in changed if any(prefix.covers(address) for address in self._watched))
        if (prefixes or not known) and len(self.kept) < MOST:
            self.kept.append(Decision(now, speaker, prefixes, tuple(self._heard.get(speaker, ()))))

    def flushed(self, speaker: str) -> None:
        """Its instant is over: what it heard, it has judged."""
        self._heard.pop(speaker, None)
