"""Virtual time: the engine's driver. Events of one instant are handled in the order of their making, then all that follows is decided once."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from dualhome.engine import Engine, events
from dualhome.errors import DualhomeError
from dualhome.plan import Plan
from dualhome.sim.probes import Probe
from dualhome.sim.record import Record
from dualhome.sim.transports import Arrival, Transports
from dualhome.units import Instant, as_seconds, seconds


class NotSettled(DualhomeError):  # noqa: N818  # a state of the network and not a mistake of anybody's
    """The network didn't come to rest in the time given; says what was still going on."""


DOINGS = (events.Fail, events.Restore, events.Announce, events.Withdraw, events.Change)


class Simulation:
    """A plan on virtual time, from a cold start at 0."""

    def __init__(self, plan: Plan, seed: int | None = None) -> None:
        self.engine = Engine(plan, seed or None)
        self.now = Instant(0)
        self.record = Record()
        self._queue: list[tuple[Instant, int, Arrival]] = []
        self._made = 0
        self._transports = Transports(self.engine, self._schedule)
        self._probes: dict[tuple[str, str], Probe] = {}
        self._unrest: tuple[str, str] | None = None
        self._perform(self.engine.start(self.now))

    # --- time ---------------------------------------------------------------------------------------------------------

    def next_instant(self) -> Instant | None:
        """When something happens next, if ever."""
        due = [self._queue[0][0]] if self._queue else []
        deadline = self.engine.deadline()
        return min([*due, *([] if deadline is None else [deadline])], default=None)

    def step(self, until: Instant) -> bool:
        """Go to the next instant at which something happens and let it; False, and go to `until`, where that lies later."""
        when = self.next_instant()
        if when is None or when > until:
            self.now = max(self.now, until)
            return False
        self.now = max(self.now, when)
        while self._queue and self._queue[0][0] <= self.now:
            _, _, arrival = heapq.heappop(self._queue)
            for event in self._transports.arrive(arrival, self.now):
                self._give(event)
        self.record.tick(self.now)
        self._perform(self.engine.tick(self.now))
        self._rest()
        return True

    def run_until(self, until: Instant) -> None:
        """Let time pass."""
        while self.step(until):
            pass

    def settle(self, within_s: float) -> float:
        """Go on until nothing can change but keepalives and attempts to connect that must fail; the time in seconds when that was.

        Raises:
            NotSettled: it took longer.
        """
        limit = Instant(self.now + seconds(within_s))
        while (reason := self.unsettled()) is not None:
            if not self.step(limit):
                raise NotSettled(f"not settled after {within_s:g} s: {reason}")
        return as_seconds(self.now)

    def unsettled(self) -> str | None:
        """What may still change, None where nothing may."""
        if self._transports.busy:
            return "messages are on their way"
        if (reason := self.engine.pending_programming()) is not None:
            return reason
        if self._unrest is not None and (reason := self.engine.restless(*self._unrest)) is not None:
            return reason
        for session in self.engine.plan.sessions:
            for pair in ((session.a, session.b), (session.b, session.a)):
                if pair[0] in self.engine.speakers and (reason := self.engine.restless(*pair)) is not None:
                    self._unrest = pair
                    return reason
        return None

    # --- doing --------------------------------------------------------------------------------------------------------

    def handle(self, event: events.Event) -> None:
        """Something is done to the network now; outages count from here."""
        for probe in self._probes.values():
            probe.look(self.engine, self.now)
            probe.mark(self.now)
        self._give(event)
        self._transports.shape_changed(self.now)
        self._rest()

    def probe(self, source: str, destination: str) -> None:
        """Watch this stream from now on."""
        if (source, destination) not in self._probes:
            probe = self._probes[source, destination] = Probe(source, destination)
            probe.look(self.engine, self.now)

    def outage(self, source: str, destination: str) -> float:
        """Seconds of the longest gap of any flow since the last event."""
        self.probe(source, destination)
        return as_seconds(self._probes[source, destination].outage(self.now))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _give(self, event: events.Event) -> None:
        self.record.event(self.now, event)
        self._perform(self.engine.handle(event, self.now))

    def _rest(self) -> None:
        """All of this instant is in: decide, send, look."""
        self.record.flush(self.now)
        self._perform(self.engine.flush(self.now))
        for probe in self._probes.values():
            probe.look(self.engine, self.now)

    def _perform(self, effects: Iterator[events.Effect] | list[events.Effect]) -> None:
        for effect in effects:
            self._transports.perform(effect, self.now)

    def _schedule(self, when: Instant, arrival: Arrival) -> None:
        self._made += 1
        heapq.heappush(self._queue, (when, self._made, arrival))
