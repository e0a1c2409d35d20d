"""Probe streams: how long flows were interrupted since the last thing that was done to the network."""

from __future__ import annotations

from typing import Final

from dualhome.engine import Engine
from dualhome.forwarding.trace import FlowTable
from dualhome.units import Duration, Instant, between

FLOWS: Final = 64


class Probe:
    """64 flows from one place to another, one way. Each is delivered or not; the longest gap of any of them counts."""

    def __init__(self, source: str, destination: str) -> None:
        self.source, self.destination = source, destination
        self._version = -1
        self._down_since: list[Instant | None] = [None] * FLOWS
        self._longest = Duration(0)

    def mark(self, now: Instant) -> None:
        """Something was done to the network: count anew; a gap that is open counts from here."""
        self._longest = Duration(0)
        self._down_since = [None if since is None else now for since in self._down_since]

    def look(self, engine: Engine, now: Instant) -> None:
        """See what becomes of each flow, if anything changed."""
        if engine.version() == self._version:
            return
        self._version = engine.version()
        ways = FlowTable(engine, self.source, self.destination)
        for flow, since in enumerate(self._down_since):
            delivered = ways.outcome(flow).outcome == "delivered"
            if delivered and since is not None:
                self._longest = max(self._longest, between(since, now))
                self._down_since[flow] = None
            elif not delivered and since is None:
                self._down_since[flow] = now

    def outage(self, now: Instant) -> Duration:
        """The longest gap; one that is still open counts until now."""
        return max(self._longest, *(between(since, now) for since in self._down_since if since is not None), Duration(0))
