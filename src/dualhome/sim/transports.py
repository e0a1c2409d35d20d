"""Connections between speakers: they carry bytes in order, with a delay, and only while their packets would arrive.

What is sent while packets don't arrive isn't lost: TCP sends it again, so it arrives within a second of their arriving again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dualhome.engine import Engine, events
from dualhome.plan import Carrier
from dualhome.units import Duration, Instant, after, seconds

NEAR, FAR = seconds(0.001), seconds(0.005)  # one way: within Azure; over circuits, tunnels and links
RESEND = seconds(1)
GIVE_UP = seconds(20)  # an attempt to connect that nobody answers
KEEPALIVE = b"\xff" * 16 + b"\x00\x13\x04"

Schedule = Callable[[Instant, "Arrival"], None]


@dataclass(slots=True)
class Connection:
    """One TCP connection; `ends` are the speakers, the first opened it. `held` are bytes that wait in each direction for the packets to arrive again."""

    number: int
    ends: tuple[str, str]
    open: list[bool]
    held: dict[str, list[bytes]] = field(default_factory=dict)

    def other(self, end: str) -> str:
        """The far end."""
        return self.ends[1] if end == self.ends[0] else self.ends[0]

    def is_open(self, end: str) -> bool:
        """Whether this end holds it open."""
        return self.open[self.ends.index(end)]


@dataclass(slots=True)
class Arrival:
    """Something that arrives at a time: `kind` is syn, answer, refusal, data, end, resend. `quiet` ones change nothing but timers."""

    kind: str
    connection: Connection
    to: str
    data: bytes = b""
    quiet: bool = False


class Transports:
    """All connections. `perform` takes the engine's effects; `arrive` what comes of them, as events for the engine."""

    def __init__(self, engine: Engine, schedule: Schedule) -> None:
        self._engine, self._schedule = engine, schedule
        self._made = 0
        self._open: dict[int, Connection] = {}
        self._attempts: dict[tuple[str, str], Connection] = {}
        self.busy = 0  # arrivals on their way that may change something

    def delay(self, a: str, b: str) -> Duration:
        """One way."""
        carrier = self._engine.carrier(a, b)
        return FAR if carrier in (Carrier.LINK, Carrier.TUNNEL) else NEAR

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
            case events.Break(speaker=speaker, peer=peer):
                self._break(speaker, peer, now)

    def arrive(self, arrival: Arrival, now: Instant) -> Iterator[events.Event]:
        """What an arrival means to the engine."""
        self.busy -= not arrival.quiet
        connection, to = arrival.connection, arrival.to
        other = connection.other(to)
        if arrival.kind in ("syn", "answer", "refusal") and self._attempts.get(connection.ends) is not connection:
            return  # given up for a newer attempt
        match arrival.kind:
            case "syn":
                if not self._engine.wants(to, other):
                    self._put(connection, "refusal", other, after(now, self.delay(to, other)))
                elif self._passes(other, to):
                    connection.open = [False, True]
                    self._open[connection.number] = connection
                    self._put(connection, "answer", other, after(now, self.delay(to, other)))
                    yield events.Accepted(to, other, connection.number)
                else:
                    self._put(connection, "refusal", other, after(now, GIVE_UP), quiet=True)
            case "answer":
                del self._attempts[connection.ends]
                if connection.open[1]:
                    connection.open[0] = True
                    yield events.TransportUp(to, other, connection.number)
                else:
                    yield events.TransportFailed(to, other)
            case "refusal":
                del self._attempts[connection.ends]
                yield events.TransportFailed(to, other)
            case "data":
                if connection.is_open(to):
                    yield events.Bytes(to, other, connection.number, arrival.data)
                elif connection.is_open(other) and self._passes(to, other):
                    self._put(connection, "end", other, after(now, self.delay(to, other)))  # a reset
            case "end":
                if connection.is_open(to):
                    connection.open[connection.ends.index(to)] = False
                    self._forget(connection)
                    yield events.TransportClosed(to, other, connection.number)
            case "resend":
                for data in connection.held.pop(to, []):
                    self._send(connection, other, data, now)

    def shape_changed(self, now: Instant) -> None:
        """Packets may arrive again: what is held goes on its way."""
        for connection in self._open.values():
            for to in list(connection.held):
                if self._passes(connection.other(to), to):
                    quiet = all(data == KEEPALIVE for data in connection.held[to])
                    self._put(connection, "resend", to, after(now, RESEND), quiet=quiet)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _passes(self, a: str, b: str) -> bool:
        return self._engine.carries(a, b) and self._engine.carries(b, a)

    def _connect(self, speaker: str, peer: str, now: Instant) -> None:
        self._made += 1
        connection = Connection(number=self._made, ends=(speaker, peer), open=[False, False])
        self._attempts[connection.ends] = connection
        if self._passes(speaker, peer):
            self._put(connection, "syn", peer, after(now, self.delay(speaker, peer)))
        else:
            self._put(connection, "refusal", speaker, after(now, GIVE_UP), quiet=True)

    def _send(self, connection: Connection, sender: str, data: bytes, now: Instant) -> None:
        to = connection.other(sender)
        if connection.held.get(to) or not self._engine.carries(sender, to):
            connection.held.setdefault(to, []).append(data)
        else:
            self._put(connection, "data", to, after(now, self.delay(sender, to)), data, quiet=data == KEEPALIVE)

    def _close(self, connection: Connection, speaker: str, now: Instant) -> None:
        connection.open[connection.ends.index(speaker)] = False
        far = connection.other(speaker)
        if connection.is_open(far) and self._engine.carries(speaker, far):
            self._put(connection, "end", far, after(now, self.delay(speaker, far)))
        self._forget(connection)

    def _break(self, speaker: str, peer: str | None, now: Instant) -> None:
        """Ends of a crash: whoever still holds an end open sees it close at once."""
        for connection in list(self._open.values()):
            if speaker not in connection.ends or (peer is not None and peer not in connection.ends):
                continue
            if peer is None:
                connection.open[connection.ends.index(speaker)] = False
            connection.held.clear()
            for end in connection.ends:
                if connection.is_open(end):
                    self._put(connection, "end", end, after(now, self.delay(*connection.ends)))
            self._forget(connection)
        for ends in [ends for ends in self._attempts if speaker == ends[0] and peer is None]:
            del self._attempts[ends]

    def _forget(self, connection: Connection) -> None:
        if not any(connection.open):
            self._open.pop(connection.number, None)

    def _put(self, connection: Connection, kind: str, to: str, when: Instant, data: bytes = b"", quiet: bool = False) -> None:
        self.busy += not quiet
        self._schedule(when, Arrival(kind, connection, to, data, quiet))
