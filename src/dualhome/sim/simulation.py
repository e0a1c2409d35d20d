"""Virtual time: the engine's driver. Events of one instant are handled in the order of their making, then all that follows is decided once."""

from __future__ import annotations

import heapq

from dualhome.engine import Engine, events
from dualhome.errors import NotSettled
from dualhome.explain.gap import Gap
from dualhome.forwarding.places import places
from dualhome.plan import Plan
from dualhome.sim.probes import Probe
from dualhome.sim.record import Record
from dualhome.sim.transports import Arrival, Transports
from dualhome.units import Instant, as_seconds, seconds


class Simulation:
    """A plan on virtual time, from a cold start at 0. With a seed other than 0 timers have jitter; with a record all inputs are written down."""

    def __init__(self, plan: Plan, seed: int = 0, record: Record | None = None) -> None:
        self.engine = Engine(plan, seed or None)
        self.now = Instant(0)
        self._record = record
        self._queue: list[tuple[Instant, int, Arrival]] = []
        self._made = 0
        self._transports = Transports(self.engine, self._schedule)
        self._probes: dict[tuple[str, str], Probe] = {}
        self._perform(self.engine.start(self.now))

    # --- time ---------------------------------------------------------------------------------------------------------

    def step(self, until: int) -> bool:
        """Go on to the next instant at which something happens, and let it; False, and go on to `until`, where that is later."""
        deadline = self.engine.deadline()
        due = [when for when in (deadline, self._queue[0][0] if self._queue else None) if when is not None and when <= until]
        if not due:
            self.now = Instant(max(self.now, until))
            return False
        self.now = max(self.now, min(due))
        while self._queue and self._queue[0][0] <= self.now:
            _, _, arrival = heapq.heappop(self._queue)
            for event in self._transports.arrive(arrival, self.now):
                self._give(event)
        if deadline is not None and deadline <= self.now:
            if self._record:
                self._record.tick(self.now)
            self._perform(self.engine.tick(self.now))
        self._end_instant()
        return True

    def run_until(self, until: int) -> None:
        """Let time pass."""
        while self.step(until):
            pass

    def settle(self, within_s: float) -> float:
        """Go on until only keepalives, and attempts to connect that must fail, are left; the time by then, in seconds since the start.

        Raises:
            NotSettled: it takes longer; the message says what was still going on.
        """
        limit = self.now + seconds(within_s)
        while (reason := self.unsettled()) is not None:
            if not self.step(limit):
                raise NotSettled(f"not settled after {within_s:g} s: {reason}")
        return as_seconds(self.now)

    def unsettled(self) -> str | None:
        """What may still change; None where nothing may."""
        return "messages are on their way" if self._transports.busy else self.engine.unsettled()

    # --- doing and watching -------------------------------------------------------------------------------------------

    def handle(self, event: events.Event) -> None:
        """Something is done to the network now; outages count from here.

        Raises:
            RequestError: it names what isn't there; then nothing has happened.
        """
        self.engine.decisions.clear(self.now)
        self._give(event)
        for probe in self._probes.values():
            probe.mark(self.now)
        self._end_instant()

    def probe(self, source: str, destination: str) -> None:
        """Watch this stream from now on.

        Raises:
            RequestError: one of the two is nothing that sends or receives.
        """
        if (source, destination) not in self._probes:
            probe = Probe(source, destination)
            probe.look(self.engine, self.now)
            self._probes[source, destination] = probe
            self.engine.watch(places(self.engine).address_of(destination))

    def outage(self, source: str, destination: str) -> float:
        """Seconds of the longest gap of any flow since the last event, or since the stream is watched."""
        self.probe(source, destination)
        return as_seconds(self._probes[source, destination].outage(self.now))

    def gap(self, source: str, destination: str) -> Gap | None:
        """The longest of these gaps with what its flow met; None where no flow was interrupted."""
        self.probe(source, destination)
        return self._probes[source, destination].gap(self.now)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _give(self, event: events.Event) -> None:
        effects = self.engine.handle(event, self.now)
        if self._record:
            self._record.event(self.now, event)
        self._perform(effects)

    def _end_instant(self) -> None:
        """All of this instant is in: decide, send, look."""
        if self._record:
            self._record.flush(self.now)
        self._perform(self.engine.flush(self.now))
        self._transports.wake(self.now)
        for probe in self._probes.values():
            probe.look(self.engine, self.now)

    def _perform(self, effects: list[events.Effect]) -> None:
        for effect in effects:
            self._transports.perform(effect, self.now)

    def _schedule(self, when: Instant, arrival: Arrival) -> None:
        self._made += 1
        heapq.heappush(self._queue, (when, self._made, arrival))
