"""The book that is kept of a probe stream: what was sent, what arrived, what is lost, and how long the gaps were. No clock, no socket; times in ns.

Packets are numbered through the stream, and the flows take turns: packet n is of flow n mod flows. All gaps lie on the axis of sending times, so they don't
grow when the receiver is late.

    flow 3   sent  a     b     c     d     e        b, c lost; d arrived: the gap of flow 3 is from b to d
                   ✓     ✗     ✗     ✓     ?        e is in flight: neither lost nor arrived for 200 ms
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

PATIENCE_NS: Final = 200_000_000  # a packet that isn't there by then is lost
PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A stream's state. Counts are of its whole life, gaps since the last mark.

    `sent` = `received` + `lost` + those in flight; `extra` are arrivals that had been decided before: doubles, and packets that came after they had
    counted as lost. `open` flows are interrupted now.
    """

    sent: int
    received: int
    lost: int
    extra: int
    longest_gap_ms: float
    total_gap_ms: float
    open: int
    flows: int


class Gaps:
    """The gaps in one sequence of packets, which are told in the order in which they were sent."""

    def __init__(self) -> None:
        self.since: int | None = None  # sending time of the first lost packet of the gap that is open
        self._mark = 0
        self._longest = 0

    def lost(self, sent_at: int) -> None:
        """A gap begins, or goes on."""
        if self.since is None:
            self.since = sent_at

    def arrived(self, sent_at: int) -> None:
        """A gap ends, if one was open."""
        if self.since is not None:
            self._longest = self.longest(sent_at)
            self.since = None

    def mark(self, now: int) -> None:
        """Forget; a gap that is open counts from now. So does one that began before, and isn't known yet."""
        self._longest, self._mark = 0, now

    def longest(self, until: int) -> int:
        """The longest since the mark; one that is open counts up to `until`."""
        return self._longest if self.since is None else max(self._longest, until - max(self.since, self._mark))


class Stream:
    """One stream. Call `arrived` for everything that is there before `expire` and `read` of a later time."""

    def __init__(self, flows: int) -> None:
        self.flows = flows
        self.sent = 0
        self._received = self._lost = self._extra = 0
        self._gaps = [Gaps() for _ in range(flows)]
        self._together = Gaps()
        self._waiting: list[deque[tuple[int, int]]] = [
            deque() for _ in range(flows)
        ]  # by flow: number and sending time of what is undecided
        # Packets from the first undecided one on, in the stream's order: sending times, and whether they arrived (None: undecided).
        self._times: deque[int] = deque()
        self._fates: deque[bool | None] = deque()
        self._first = 0

    def send(self, now: int) -> tuple[int, int]:
        """Number and flow of the packet that is sent now."""
        number = self.sent
        flow = number % self.flows
        self.sent += 1
        self._waiting[flow].append((number, now))
        self._times.append(now)
        self._fates.append(None)
        return number, flow

    def arrived(self, number: int) -> None:
        """This packet arrived; what was sent before it in its flow, and hasn't, is lost."""
        if number >= self.sent:
            return
        flow = number % self.flows
        waiting = self._waiting[flow]
        if not waiting or number < waiting[0][0]:
            self._extra += 1
            return
        while waiting[0][0] < number:
            self._lose(flow)
        _, sent_at = waiting.popleft()
        self._received += 1
        self._gaps[flow].arrived(sent_at)
        self._fates[number - self._first] = True
        self._advance()

    def expire(self, now: int) -> None:
        """What was sent 200 ms ago or before, and hasn't arrived, is lost."""
        while self._times and self._times[0] <= now - PATIENCE_NS:
            self._lose(self._first % self.flows)  # the first of the window is undecided, so it is the first of its flow
            self._advance()

    def mark(self, now: int) -> None:
        """Forget gaps so far; one that is open counts from now."""
        self._together.mark(now)
        for gaps in self._gaps:
            gaps.mark(now)

    def read(self, now: int) -> Reading:
        """What is known now. The longest gap is that of the worst flow; `total_gap_ms` is the longest time in which nothing arrived of any flow."""
        arrived = next((sent_at for sent_at, there in zip(self._times, self._fates, strict=True) if there), now)
        return Reading(
            sent=self.sent,
            received=self._received,
            lost=self._lost,
            extra=self._extra,
            longest_gap_ms=max(gaps.longest(now) for gaps in self._gaps) / PER_MS,
            total_gap_ms=self._together.longest(arrived) / PER_MS,
            open=sum(gaps.since is not None for gaps in self._gaps),
            flows=self.flows,
        )

    def _lose(self, flow: int) -> None:
        number, sent_at = self._waiting[flow].popleft()
        self._lost += 1
        self._gaps[flow].lost(sent_at)
        self._fates[number - self._first] = False

    def _advance(self) -> None:
        """Tell the stream's own gaps what is decided, as far as the order goes."""
        times, fates, together = self._times, self._fates, self._together
        while fates and fates[0] is not None:
            sent_at = times.popleft()
            self._first += 1
            if fates.popleft():
                together.arrived(sent_at)
            else:
                together.lost(sent_at)
