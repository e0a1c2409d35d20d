"""Who connects and is nobody's peer: told, but no more often than a log can bear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

EVERY_S: Final = 10.0


@dataclass(slots=True)
class _Told:
    at: float
    since: int = 0  # that were not told of


class Strangers:
    """`say` gets an instance, an address, and how many others there were since it was called for this instance last."""

    def __init__(self, say: Callable[[str, str, int], None], clock: Callable[[], float]) -> None:
        self._say, self._clock = say, clock
        self._told: dict[str, _Told] = {}

    def came(self, instance: str, address: str) -> None:
        """One was refused."""
        now, told = self._clock(), self._told.get(instance)
        if told is not None and now < told.at + EVERY_S:
            told.since += 1
            return
        self._told[instance] = _Told(now)
        self._say(instance, address, 0 if told is None else told.since)
