"""The journal of inputs: everything that the engine was given, with its time. It replays to the same state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from dualhome.engine import Engine, events
from dualhome.plan import Plan
from dualhome.units import Instant

Line = tuple[Instant, events.Event | str]


class Record:
    """What an engine was given, in order: events, and where it was told to tick or to flush."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def event(self, now: Instant, event: events.Event) -> None:
        """An event."""
        self.lines.append((now, event))

    def tick(self, now: Instant) -> None:
        """Timers."""
        self.lines.append((now, "tick"))

    def flush(self, now: Instant) -> None:
        """The end of an instant."""
        self.lines.append((now, "flush"))


def replay(plan: Plan, lines: Iterable[Line], seed: int | None = None) -> Engine:
    """An engine that was given the same."""
    engine = Engine(plan, seed)
    engine.start(Instant(0))
    for now, what in lines:
        if what == "tick":
            engine.tick(now)
        elif what == "flush":
            engine.flush(now)
        elif not isinstance(what, str):
            engine.handle(what, now)
    return engine


def fingerprint(engine: Engine) -> str:
    """A digest of all that its speakers hold, refused and told, and of what is programmed."""
    digest = hashlib.sha256()
    for name, plan in engine.plan.speakers.items():
        for row in engine.table(name):
            digest.update(repr(row).encode())
        for peer in plan.config.peers:
            for row in (*engine.rejected(name, peer), *engine.advertised(name, peer)):
                digest.update(repr(row).encode())
    for virtual_network in engine.network.virtual_networks:
        digest.update(repr(sorted(engine.programmed(virtual_network, None).items())).encode())
    return digest.hexdigest()
