"""Who is due when. The earliest deadline is known at any time in as many steps as there are digits in their number."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from dualhome.units import Instant

SPARE = 64  # entries of the heap that have been overtaken, and may stay


class Deadlines:
    """One deadline a name. The heap holds every deadline that counts, and for a while those that don't count any more."""

    __slots__ = ("_due", "_heap")

    def __init__(self) -> None:
        self._due: dict[str, Instant] = {}
        self._heap: list[tuple[Instant, str]] = []

    def set(self, name: str, when: Instant | None) -> None:
        """From now on the name is due then; None: not at all."""
        if when is None:
            self._due.pop(name, None)
        elif self._due.get(name) != when:
            self._due[name] = when
            heappush(self._heap, (when, name))
            if len(self._heap) > 2 * len(self._due) + SPARE:
                self._heap = [(due, each) for each, due in self._due.items()]
                heapify(self._heap)

    def first(self) -> Instant | None:
        """The earliest deadline."""
        while self._heap:
            when, name = self._heap[0]
            if self._due.get(name) == when:
                return when
            heappop(self._heap)
        return None

    def due(self, now: Instant) -> list[str]:
        """Names that are due by now, in the order of the names; they are until they get another deadline."""
        found: dict[str, Instant] = {}
        while (when := self.first()) is not None and when <= now:
            found[heappop(self._heap)[1]] = when
        for name, when in found.items():
            heappush(self._heap, (when, name))
        return sorted(found)
