"""The time of a live network, in microseconds since its start. It may run faster than the world's: then hold timers of 180 s take seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from dualhome.units import MICROSECONDS, Instant


@dataclass(slots=True)
class Clock:
    """`speed`: seconds of the network in one second of the world."""

    speed: float = 1.0
    _start_ns: int = field(default_factory=time.monotonic_ns)

    def restart(self) -> None:
        """It is 0 now."""
        self._start_ns = time.monotonic_ns()

    def now(self) -> Instant:
        """The network's time."""
        return Instant(int((time.monotonic_ns() - self._start_ns) * self.speed) // 1000)

    def wait_s(self, until: int) -> float:
        """Seconds of the world until then; 0 where that is past."""
        return max(0.0, (until - self.now()) / MICROSECONDS / self.speed)

    def real_s(self, duration_s: float) -> float:
        """Seconds of the world that a duration of the network takes."""
        return duration_s / self.speed
