"""Two sessions and a link that may lose, delay and reorder packets, on virtual time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from dualhome.bfd.packet import Discarded, Packet, State, decode
from dualhome.bfd.session import Action, Configure, Down, Enable, Event, Received, Send, Session, SessionConfig, Transition
from dualhome.units import Duration, Instant, seconds

MS = 1000
START = Instant(0)


def config(interval_ms: int = 50, multiplier: int = 3, receive_ms: int | None = None) -> SessionConfig:
    receive = interval_ms if receive_ms is None else receive_ms
    return SessionConfig(transmit=Duration(interval_ms * MS), receive=Duration(receive * MS), multiplier=multiplier)


@dataclass
class Sent:
    """A packet that an end sent."""

    at: int
    end: int
    packet: Packet


@dataclass
class Pair:
    """Ends 0 and 1. `delay` gives how long a packet takes, None: it is lost."""

    a: SessionConfig = field(default_factory=config)
    b: SessionConfig = field(default_factory=config)
    seed: int | None = 1
    delay: Callable[[int], int | None] = lambda end: 100
    now: Instant = START
    dead: set[int] = field(default_factory=set)
    sent: list[Sent] = field(default_factory=list)
    delivered: list[tuple[int, int, Packet]] = field(default_factory=list)  # at, to, packet
    changes: list[tuple[int, int, Transition]] = field(default_factory=list)  # at, end, transition
    downs: list[tuple[int, int, Down]] = field(default_factory=list)
    discarded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = [random.Random(self.seed + end) if self.seed is not None else None for end in (0, 1)]
        self.ends = [Session(self.a, 0xA, rng[0]), Session(self.b, 0xB, rng[1])]
        self._flying: list[tuple[int, int, int, bytes]] = []
        self._order = count()

    def start(self) -> None:
        for end in (0, 1):
            self.give(end, Enable())

    def give(self, end: int, event: Event) -> list[Action]:
        actions = self.ends[end].handle(event, self.now)
        self._do(end, actions)
        return actions

    def configure(self, end: int, new: SessionConfig) -> None:
        self.give(end, Configure(new))

    def run(self, duration_s: float) -> None:
        """Until so much later."""
        until = self.now + seconds(duration_s)
        while True:
            due = [(time, end) for end in (0, 1) if end not in self.dead and (time := self.ends[end].deadline()) is not None]
            timer = min(due, default=None)
            arrival = self._flying[0] if self._flying else None
            if arrival and arrival[0] <= until and (timer is None or arrival[0] <= timer[0]):
                heapq.heappop(self._flying)
                self.now = Instant(arrival[0])
                self._arrive(arrival[2], arrival[3])
            elif timer and timer[0] <= until:
                self.now = Instant(max(timer[0], self.now))
                self._do(timer[1], self.ends[timer[1]].tick(self.now))
            else:
                break
        self.now = Instant(until)

    def states(self) -> list[State]:
        return [end.state for end in self.ends]

    def packets(self, end: int, since: int = 0) -> list[Sent]:
        return [each for each in self.sent if each.end == end and each.at >= since]

    def _arrive(self, to: int, data: bytes) -> None:
        packet = decode(data)
        assert isinstance(packet, Packet)
        if to not in self.dead:
            self.delivered.append((self.now, to, packet))
            self._do(to, self.ends[to].handle(Received(packet), self.now))

    def _do(self, end: int, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(data):
                    packet = decode(data)
                    assert isinstance(packet, Packet)
                    self.sent.append(Sent(self.now, end, packet))
                    if (delay := self.delay(end)) is not None:
                        heapq.heappush(self._flying, (self.now + delay, next(self._order), 1 - end, data))
                case Transition():
                    self.changes.append((self.now, end, action))
                case Down():
                    self.downs.append((self.now, end, action))
                case Discarded(reason):
                    self.discarded.append(reason)
                case _:
                    pass
