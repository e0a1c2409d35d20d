"""Connections between speakers: they carry bytes in order, with a delay, and only while their packets would arrive.

What is sent while packets don't arrive isn't lost: TCP sends it again, and it arrives soon after they do again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from dualhome.engine import Engine, events
from dualhome.plan import Carrier
from dualhome.units import Duration, Instant, after, seconds

NEAR: Final = seconds(0.001)
"""One way, within Azure."""
FAR: Final = seconds(0.005)
"""One way over circuits, tunnels and links."""
OWN: Final = 300
"""Microseconds, at most, by which a direction differs from others of its kind."""
RESEND: Final = seconds(1)
"""From when packets arrive again to when what is lost is sent again."""
GIVE_UP: Final = seconds(20)
"""For how long an attempt to connect goes on without an answer."""
KEEPALIVE: Final = b"\xff" * 16 + b"\x00\x13\x04"

Schedule = Callable[[Instant, "Arrival"], None]


@dataclass(slots=True, eq=False)
class Connection:
    """One TCP connection; the first of `ends` opened it, and `open` says who holds it open. `held` waits, by receiver, for packets to arrive again."""

    number: int
    ends: tuple[str, str]
    open: list[bool] = field(default_factory=lambda: [False, False])
    held: dict[str, list[bytes]] = field(default_factory=dict)
    unheard: bool = False  # an attempt whose SYN was lost

    def other(self, end: str) -> str:
        """The far end."""
        return self.ends[1] if end == self.ends[0] else self.ends[0]

    def is_open(self, end: str) -> bool:
        """Whether this end holds it open."""
        return self.open[self.ends.index(end)]

    def shut(self, end: str) -> None:
        """This end is done with it."""
        self.open[self.ends.index(end)] = False


@dataclass(slots=True, eq=False)
class Arrival:
    """What comes to an end at a time. `what`: syn, answer, refusal, data, end, resend. `quiet` ones change nothing but timers."""

    what: str
    connection: Connection
    to: str
    data: bytes = b""
    quiet: bool = False


class Transports:
    """All connections. `perform` does what the engine asks; `arrive` says what comes of it, as events for the engine."""

    def __init__(self, engine: Engine, schedule: Schedule) -> None:
        self._engine, self._schedule = engine, schedule
        self._made = 0
        self._version = -1
        self._delays: dict[tuple[str, str], Duration] = {}  # as of a shape of the network
        self._delays_of = -1
        self._open: dict[int, Connection] = {}
        self._attempts: dict[tuple[str, str], Connection] = {}
        self._waiting: dict[int, Connection] = {}  # for packets to arrive again
        self.busy = 0  # arrivals on their way that may change something

    def delay(self, connection: Connection, to: str) -> Duration:
        """One way. Each direction has a little of its own, by its name: no two speakers go on in lockstep for ever, which real ones don't either."""
        if self._delays_of != self._engine.shape():
            self._delays_of = self._engine.shape()
            self._delays.clear()
        way = (connection.other(to), to)
        if way not in self._delays:
            self._delays[way] = self._delay(*way)
        return self._delays[way]

    def _delay(self, a: str, b: str) -> Duration:
        edges = any(end.partition("#")[0] in self._engine.network.circuits for end in (a, b))
        far = edges or self._engine.carrier(a, b) in (Carrier.LINK, Carrier.TUNNEL)
        return Duration((FAR if far else NEAR) + zlib.crc32(f"{a}>{b}".encode()) % OWN)

    def perform(self, effect: events.Effect, now: Instant) -> None:
        """Do what the engine asks."""
        match effect:
            case events.Open(speaker=speaker, peer=peer):
                self._connect(speaker, peer, now)
            case events.Send(speaker=speaker, transport=number, data=data):
                if (connection := self._open.get(number)) is not None and connection.is_open(speaker):
                    self._send(connection, speaker, data, now)
            case events.Close(speaker=speaker, transport=number):
                if (connection := self._open.get(number)) is not None:
                    self._close(connection, speaker, now)
            case events.Vanish(speaker=speaker):
                self._vanish(speaker, now)
            case events.Cut(a=a, b=b):
                for connection in [c for c in self._open.values() if c.ends in ((a, b), (b, a))]:
                    connection.held.clear()
                    for end in connection.ends:
                        self._put("end", connection, end, now)

    def arrive(self, arrival: Arrival, now: Instant) -> Iterator[events.Event]:
        """What an arrival means to the engine."""
        self.busy -= not arrival.quiet
        connection, to = arrival.connection, arrival.to
        far = connection.other(to)
        if arrival.what in ("syn", "answer", "refusal") and self._attempts.get(connection.ends) is not connection:
            if arrival.what == "answer" and connection.is_open(far):
                self._put("end", connection, far, after(now, self.delay(connection, far)))  # given up in the meantime: a reset
            return
        match arrival.what:
            case "syn":
                yield from self._knock(connection, now)
            case "answer":
                del self._attempts[connection.ends]
                if connection.is_open(far):
                    connection.open[0] = True
                    yield events.TransportUp(to, far, connection.number)
                else:
                    yield events.TransportFailed(to, far)
            case "refusal":
                del self._attempts[connection.ends]
                self._waiting.pop(connection.number, None)
                yield events.TransportFailed(to, far)
            case "data":
                if connection.is_open(to):
                    yield events.Bytes(to, far, connection.number, arrival.data)
                elif connection.is_open(far) and self._passes(connection):
                    self._put("end", connection, far, after(now, self.delay(connection, far)))  # nobody there any more: a reset
            case "end":
                if connection.is_open(to):
                    connection.shut(to)
                    self._forget(connection)
                    yield events.TransportClosed(to, far, connection.number)
            case "resend":
                for data in connection.held.pop(to, []):
                    self._send(connection, far, data, now)

    def wake(self, now: Instant) -> None:
        """Where packets arrive again, what was lost is sent again in a while."""
        if not self._waiting or self._version == self._engine.version():
            return
        self._version = self._engine.version()
        for number, connection in list(self._waiting.items()):
            if not (self._comes_about(connection) if connection.unheard else self._passes(connection)):
                continue
            del self._waiting[number]
            if connection.unheard:
                connection.unheard = False
                self._put("syn", connection, connection.ends[1], after(now, RESEND))
            for to, held in connection.held.items():
                self._put("resend", connection, to, after(now, RESEND), quiet=all(data == KEEPALIVE for data in held))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _passes(self, connection: Connection) -> bool:
        a, b = connection.ends
        return self._engine.carries(a, b) and self._engine.carries(b, a)

    def _comes_about(self, connection: Connection) -> bool:
        """Whether a SYN arrives and is answered: security groups judge whoever opens a connection."""
        return self._engine.opens(*connection.ends) and self._passes(connection)

    def _connect(self, speaker: str, peer: str, now: Instant) -> None:
        self._made += 1
        connection = Connection(number=self._made, ends=(speaker, peer))
        self._attempts[connection.ends] = connection
        self._put("refusal", connection, speaker, after(now, GIVE_UP), quiet=True)
        if self._comes_about(connection):
            self._put("syn", connection, peer, after(now, self.delay(connection, peer)))
        else:
            self._lose_syn(connection)

    def _lose_syn(self, connection: Connection) -> None:
        connection.unheard = True
        self._wait(connection)

    def _knock(self, connection: Connection, now: Instant) -> Iterator[events.Event]:
        """A SYN arrives: a host that lives answers at once, and refuses whom the speaker doesn't want (R76)."""
        caller, called = connection.ends
        back = after(now, self.delay(connection, caller))
        if not self._comes_about(connection):
            self._lose_syn(connection)
        elif not self._engine.wants(called, caller):
            self._put("refusal", connection, caller, back)
        else:
            connection.open = [False, True]
            self._open[connection.number] = connection
            self._put("answer", connection, caller, back)
            yield events.Accepted(called, caller, connection.number)

    def _send(self, connection: Connection, sender: str, data: bytes, now: Instant) -> None:
        to = connection.other(sender)
        if connection.held.get(to) or not self._engine.carries(sender, to):
            connection.held.setdefault(to, []).append(data)
            self._wait(connection)
        else:
            self._put("data", connection, to, after(now, self.delay(connection, to)), data, quiet=data == KEEPALIVE)

    def _wait(self, connection: Connection) -> None:
        self._waiting[connection.number] = connection
        self._version = -1

    def _close(self, connection: Connection, speaker: str, now: Instant) -> None:
        connection.shut(speaker)
        far = connection.other(speaker)
        if connection.is_open(far) and self._engine.carries(speaker, far):
            self._put("end", connection, far, after(now, self.delay(connection, far)))
        self._forget(connection)

    def _vanish(self, speaker: str, now: Instant) -> None:
        for connection in [c for c in self._open.values() if speaker in c.ends]:
            connection.shut(speaker)
            connection.held.clear()
            far = connection.other(speaker)
            if connection.is_open(far):
                self._put("end", connection, far, after(now, self.delay(connection, far)))
            self._forget(connection)
        for ends in [ends for ends in self._attempts if ends[0] == speaker]:
            self._waiting.pop(self._attempts.pop(ends).number, None)

    def _forget(self, connection: Connection) -> None:
        if not any(connection.open):
            self._open.pop(connection.number, None)
            self._waiting.pop(connection.number, None)

    def _put(self, what: str, connection: Connection, to: str, when: Instant, data: bytes = b"", quiet: bool = False) -> None:
        self.busy += not quiet
        self._schedule(when, Arrival(what, connection, to, data, quiet))
