"""Probe streams: how long flows were interrupted since the last thing that was done to the network."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from dualhome.engine import Engine
from dualhome.explain.gap import Gap
from dualhome.forwarding.trace import FlowTable, Path
from dualhome.units import Duration, Instant, between

FLOWS: Final = 64


class Probe:
    """64 flows from one place to another, one way. Each is delivered or not; the longest gap of any of them counts."""

    def __init__(self, source: str, destination: str) -> None:
        self.source, self.destination = source, destination
        self._version = -1
        self._down_since: list[Instant | None] = [None] * FLOWS
        self._longest = Duration(0)
        self._marked = Instant(0)
        self._ways: list[Path] = []  # of each flow, now
        self._before: list[Path] = []  # when the last thing was done
        self._worst: Gap | None = None
        self._hit: dict[int, None] = {}  # flows that were interrupted

    def mark(self, now: Instant) -> None:
        """Something was done to the network: count anew; a gap that is open counts from here."""
        self._longest = Duration(0)
        self._down_since = [None if since is None else now for since in self._down_since]
        self._marked, self._before, self._worst = now, self._ways, None
        self._hit = {flow: None for flow, since in enumerate(self._down_since) if since is not None}

    def look(self, engine: Engine, now: Instant) -> None:
        """See what becomes of each flow, if anything changed."""
        if engine.version() == self._version:
            return
        self._version = engine.version()
        ways = FlowTable(engine, self.source, self.destination)
        before, self._ways = self._ways, [ways.outcome(flow) for flow in range(FLOWS)]
        for flow, since in enumerate(self._down_since):
            delivered = self._ways[flow].outcome == "delivered"
            if delivered and since is not None:
                if between(since, now) > self._longest:
                    self._longest = between(since, now)
                    self._worst = self._gap(flow, since, now, before[flow], self._ways[flow])
                self._down_since[flow] = None
            elif not delivered and since is None:
                self._down_since[flow] = now
                self._hit[flow] = None

    def outage(self, now: Instant) -> Duration:
        """The longest gap; one that is still open counts until now."""
        return max(self._longest, *(between(since, now) for since in self._down_since if since is not None), Duration(0))

    def gap(self, now: Instant) -> Gap | None:
        """The longest gap since the last thing that was done to the network, and what its flow met; None where no flow was interrupted."""
        open_ = [(since, flow) for flow, since in enumerate(self._down_since) if since is not None]
        if open_ and between(min(open_)[0], now) >= self._longest:
            since, flow = min(open_)
            return self._gap(flow, since, now, self._ways[flow], None)
        return self._worst and replace(self._worst, flows_hit=len(self._hit))

    def _gap(self, flow: int, since: Instant, until: Instant, during: Path, after: Path | None) -> Gap:
        return Gap(
            source=self.source,
            destination=self.destination,
            marked_us=self._marked,
            since_us=since,
            until_us=until,
            before=self._before[flow] if self._before else None,
            during=during,
            after=after,
            flows=FLOWS,
            flows_hit=len(self._hit),
        )
