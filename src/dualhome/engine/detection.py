"""Bidirectional forwarding detection, as far as sessions feel it: where packets stop arriving, both ends know after the detection time."""

from __future__ import annotations

from typing import Protocol

from dualhome.plan import Plan
from dualhome.units import Duration, Instant, after

Pair = tuple[str, str]


class Machine(Protocol):
    """The engine, as far as it is asked here."""

    def carries(self, speaker: str, peer: str) -> bool:
        """Whether a packet of this session arrives at the peer."""
        ...

    def version(self) -> int:
        """Grows with whatever may change that."""
        ...


class Detection:
    """The plan's sessions with BFD, and since when nothing arrives on each.

    Source: RFC 5880 section 6.8.4 (detection time in asynchronous mode: interval times multiplier).
    """

    def __init__(self, plan: Plan) -> None:
        self._silent: dict[Pair, Instant | None] = {}  # when it will be known; None: it is
        self.change(plan)

    def change(self, plan: Plan) -> None:
        """Another plan: sessions that stay keep what is known of them."""
        self._times = {s.ends: Duration(s.bfd.interval_ms * s.bfd.multiplier * 1000) for s in plan.sessions if s.bfd is not None}
        self._silent = {pair: due for pair, due in self._silent.items() if pair in self._times}
        self._looked = -1

    def look(self, engine: Machine, now: Instant) -> list[Pair]:
        """Sessions of which it becomes known now that their packets don't arrive."""
        if self._times and self._looked != engine.version():
            self._looked = engine.version()
            for pair, time in self._times.items():
                if engine.carries(*pair) and engine.carries(*reversed(pair)):
                    self._silent.pop(pair, None)
                elif pair not in self._silent:
                    self._silent[pair] = after(now, time)
        found = [pair for pair, due in self._silent.items() if due is not None and due <= now]
        self._silent.update(dict.fromkeys(found))
        return found

    def deadline(self) -> Instant | None:
        """When something will be known next."""
        return min((due for due in self._silent.values() if due is not None), default=None)
