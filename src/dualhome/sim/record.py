"""A record of all that an engine was given, with the times: one JSON text a line. Played again it leads to the same state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

from dualhome.engine import Engine, events
from dualhome.plan import Plan
from dualhome.units import Instant


class Record:
    """Lines as they come. Plans are kept beside them, in the order of the changes, since a plan is no line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.plans: list[Plan] = []

    def event(self, now: Instant, event: events.Event) -> None:
        """The engine handles an event."""
        if isinstance(event, events.Change):
            self._line({"at_us": now, "event": "Change", "plan": len(self.plans)})
            self.plans.append(event.plan)
        else:
            self._line({"at_us": now, **events.as_data(event)})

    def tick(self, now: Instant) -> None:
        """Its timers."""
        self._line({"at_us": now, "event": "tick"})

    def flush(self, now: Instant) -> None:
        """The end of an instant."""
        self._line({"at_us": now, "event": "flush"})

    def _line(self, data: dict[str, object]) -> None:
        self.lines.append(json.dumps(data, separators=(",", ":")))


def replay(plan: Plan, lines: Iterable[str], plans: Sequence[Plan] = (), seed: int | None = None) -> Engine:
    """An engine that was given the same; `plans` are those that it changed to."""
    engine = Engine(plan, seed)
    engine.start(Instant(0))
    for line in lines:
        data = json.loads(line)
        now = Instant(data.pop("at_us"))
        match data["event"]:
            case "tick":
                engine.tick(now)
            case "flush":
                engine.flush(now)
            case "Change":
                engine.handle(events.Change(plans[data["plan"]]), now)
            case _:
                engine.handle(events.from_data(data), now)
    return engine


def fingerprint(engine: Engine) -> str:
    """A digest of all that speakers hold, refused and tell, and of what NICs have: equal states have equal ones."""
    digest = hashlib.sha256()
    for name, plan in engine.plan.speakers.items():
        rows = [
            *engine.table(name),
            *(row for peer in plan.config.peers for row in (*engine.rejected(name, peer), *engine.advertised(name, peer))),
        ]
        digest.update("".join(f"{row!r}\n" for row in rows).encode())
    for virtual_network in engine.network.virtual_networks:
        digest.update(repr(sorted(engine.programmed(virtual_network, None).items())).encode())
    return digest.hexdigest()
