"""TCP connections of speakers, on an asyncio loop. What comes of them is delivered as the engine's events; no rule of BGP is here.

A connection lives from its event Up or Accepted to Closed, or to the effect Close, Vanish or Cut. One that was closed lingers until the far end has seen
the last byte, for a reset would take a NOTIFICATION away that is still on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never

from dualhome.engine import events
from dualhome.errors import SystemRefused
from dualhome.live.callers import Callers
from dualhome.live.signatures import Secret, sign, unsign
from dualhome.live.sockets import BGP_PORT, Endpoint, Namespace, begin, ends, is_near, listener, reset, tune
from dualhome.net import Address, Prefix

CONNECT_S: Final = 20.0
LINGER_S: Final = 5.0
READ_BYTES: Final = 256 * 1024
FULL_BYTES: Final = 256 * 1024
"""From so many unsent bytes on a connection takes no more routes; whatever was sent nevertheless is kept."""
MOST: Final = 8
"""Connections between a speaker and a peer, lingering ones among them; more are refused."""
ACCEPTS: Final = 32
"""In one go, so that others get their turn."""
RETRY_S: Final = 1.0
"""Until connections are accepted again, when the process had no descriptor left."""

Deliver = Callable[[events.OfTransport], None]
EndpointOf = Callable[[str, str], Endpoint | None]
Who = Callable[[str, Address, str | None], str | None]


@dataclass(slots=True, eq=False)
class Connection:
    """One socket of a speaker. `key` and `far_key` name its two ends, so that two ends of ours find each other."""

    number: int
    speaker: str
    peer: str
    socket: socket.socket
    key: tuple[str, str, str] = ("", "", "")
    far_key: tuple[str, str, str] = ("", "", "")
    unsent: bytearray = field(default_factory=bytearray)
    written: int = 0
    read: int = 0
    waiting: bool = False  # for the socket to take more
    full: bool = False  # somebody was told so
    closing: bool = False
    timer: asyncio.TimerHandle | None = None
    moved: float = 0  # when the socket took something last
    holding: asyncio.TimerHandle | None = None  # until it must have taken something again

    @property
    def pair(self) -> tuple[str, str]:
        """Whose it is, and to whom."""
        return self.speaker, self.peer


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connection, as its process tells another; `sent`: bytes that were handed to it, written or not."""

    peer: str
    key: tuple[str, str, str]
    far_key: tuple[str, str, str]
    sent: int
    read: int
    closing: bool


@dataclass(slots=True, eq=False)
class Listener:
    """A socket that listens for a speaker."""

    speaker: str
    socket: socket.socket
    device: str | None


class Transports:
    """All connections of the speakers of this process.

    `deliver` gets events, always from the loop and never from inside `perform`; `endpoint` says how a speaker reaches a peer, None where it can't;
    `who` says which peer of a speaker has an address; `drained` is called when a connection that was full takes routes again;
    `stuck` when its peer took nothing for the time that its endpoint says; `is_up` says whether a peer has a session, so that `most_new`, how many connections
    there may be that were accepted and carry none yet, is about the others.
    """

    def __init__(
        self,
        deliver: Deliver,
        endpoint: EndpointOf,
        who: Who,
        drained: Callable[[str, str], None] = lambda speaker, peer: None,
        loop: asyncio.AbstractEventLoop | None = None,
        stuck: Callable[[str, str, int], None] = lambda speaker, peer, number: None,
        is_up: Callable[[str, str], bool] = lambda speaker, peer: False,
    ) -> None:
        self._deliver, self._endpoint, self._who, self._drained = deliver, endpoint, who, drained
        self._stuck, self._is_up = stuck, is_up
        self.most_new: int | None = None
        self._new_ones: dict[int, Connection] = {}  # accepted, and not seen with a session so far
        self.awaits: Callable[[str, Address], float] = lambda speaker, remote: 0
        """How many seconds the first message of an unknown address is awaited, by which `meets` tells whose connection it is; 0 where it is nobody's."""
        self.meets: Callable[[str, Address, bytes], str | None] = lambda speaker, remote, message: None
        self._secrets: dict[str, Mapping[Prefix, Secret]] = {}
        self._loop: Final = loop or asyncio.get_running_loop()
        self._callers: Final = Callers(self._loop)
        self._made = 0
        self._open: dict[int, Connection] = {}
        self._pairs: dict[tuple[str, str], list[Connection]] = {}
        self._attempts: dict[tuple[str, str], Connection] = {}
        self._keys: dict[tuple[str, str, str], Connection] = {}
        self._unmet: dict[tuple[str, str, str], tuple[str, str]] = {}  # far ends of ours that have not been accepted yet
        self._listeners: dict[str, list[Listener]] = {}
        self._refusing: set[str] = set()
        self._queued = 0
        self.refused: dict[str, int] = {}  # connections that were reset at once, by speaker
        self.met: list[tuple[bool, tuple[str, str, str]]] | None = None
        """Accepting ends, where they are kept: True where it is one of ours, False where we connected to it."""

    # --- what the driver asks -----------------------------------------------------------------------------------------

    def listen(self, speaker: str, namespace: Namespace | None, address: Address, port: int = BGP_PORT, device: str | None = None) -> int:
        """Accept connections to a speaker; the port, which the kernel chooses for 0.

        Raises:
            SystemRefused: the machine doesn't let it; the message says why.
        """
        each = Listener(speaker, listener(namespace, address, port, device), device)
        try:
            _sign(each.socket, {}, self._secrets.get(speaker, {}))
        except SystemRefused:
            each.socket.close()
            raise
        self._listeners.setdefault(speaker, []).append(each)
        self._loop.add_reader(each.socket.fileno(), self._acceptable, each)
        return int(each.socket.getsockname()[1])

    def deafen(self, speaker: str) -> None:
        """End all listeners of a speaker; its connections stay."""
        for each in self._listeners.pop(speaker, ()):
            self._loop.remove_reader(each.socket.fileno())
            each.socket.close()
        self._callers.end(speaker)
        for key in [key for key in self._unmet if key[0] == speaker]:
            del self._unmet[key]

    def secure(self, speaker: str, secrets: Mapping[Prefix, Secret]) -> None:
        """Who from these addresses connects to a speaker must sign with this; connections that there are stay as they are.

        Raises:
            SystemRefused: the kernel can't do it; the message says why.
        """
        old, self._secrets[speaker] = self._secrets.get(speaker, {}), dict(secrets)
        for each in self._listeners.get(speaker, ()):
            _sign(each.socket, old, secrets)

    def refuse(self, speaker: str, refusing: bool) -> None:
        """Whether whoever connects to this speaker is reset at once."""
        (self._refusing.add if refusing else self._refusing.discard)(speaker)

    def perform(self, effect: events.Effect) -> None:
        """Do what the engine asks."""
        match effect:
            case events.Open(speaker=speaker, peer=peer):
                self._connect(speaker, peer)
            case events.Send(transport=number, data=data):
                if (connection := self._open.get(number)) is not None and not connection.closing:
                    self._send(connection, data)
            case events.Close(transport=number):
                if (connection := self._open.get(number)) is not None and not connection.closing:
                    self._close(connection)
            case events.Vanish(speaker=speaker):
                self._vanish(speaker)
            case events.Cut(a=a, b=b):
                for connection in [*self._pairs.get((a, b), ()), *self._pairs.get((b, a), ())]:
                    self._end(connection)
                    if not connection.closing:
                        self._soon(events.TransportClosed(connection.speaker, connection.peer, connection.number))
            case _:
                assert_never(effect)

    def writable(self, speaker: str, peer: str) -> bool:
        """Whether routes to this peer would be written soon; where not, `drained` says when."""
        for connection in self._pairs.get((speaker, peer), ()):
            if not connection.closing and len(connection.unsent) >= FULL_BYTES:
                connection.full = True
                return False
        return True

    def in_flight(
        self, carries: Callable[[str, str], bool] = lambda a, b: True, opens: Callable[[str, str], bool] = lambda a, b: True
    ) -> int:
        """Bytes, attempts and ends that are on their way between two speakers of ours; 0 where all is quiet.

        Pairs between which packets don't arrive, as `carries` says, don't count: what they sent waits. Nor do attempts that security groups drop.
        """
        total = self._queued
        total += sum(1 for a, b in self._attempts if b in self._listeners and carries(a, b) and opens(a, b))
        total += sum(1 for a, b in self._unmet.values() if carries(a, b))
        for connection in self._open.values():
            if connection.peer not in self._listeners or not carries(connection.speaker, connection.peer):
                continue
            far = self._keys.get(connection.far_key)
            if far is not None:
                total += len(connection.unsent) + connection.written - far.read
            if not connection.closing and connection.far_key not in self._unmet and (far is None or far.closing):
                total += 1  # the far end is gone, and its last word is on its way
        return total

    def ends(self) -> dict[int, End]:
        """All connections, by number."""
        return {
            number: End(each.peer, each.key, each.far_key, each.written + len(each.unsent), each.read, each.closing)
            for number, each in self._open.items()
        }

    def words_of(self, number: int) -> tuple[str, str] | None:
        """Both ends of a connection, as `sockets.ends` has them; None where it is gone."""
        each = self._open.get(number)
        return None if each is None else (each.key[1], each.key[2])

    def has(self, speaker: str, peer: str) -> bool:
        """Whether there is a connection between them that wasn't closed."""
        return any(not each.closing for each in self._pairs.get((speaker, peer), ()))

    def unsent_bytes(self, speaker: str, peer: str) -> int:
        """What was sent to a peer and the kernel has not taken yet."""
        return sum(len(each.unsent) for each in self._pairs.get((speaker, peer), ()))

    def attempts(self) -> tuple[str, ...]:
        """Peers of connections that are being made."""
        return tuple(peer for _, peer in self._attempts)

    @property
    def busy(self) -> bool:
        """Whether `ends` or `attempts` may change without an event."""
        return bool(self._queued) or any(each.closing or each.unsent for each in self._open.values())

    @property
    def lingering(self) -> int:
        """Connections that were closed and whose last bytes the far end may not have yet."""
        return sum(connection.closing for connection in self._open.values())

    def close(self) -> None:
        """End everything, by resets."""
        for speaker in list(self._listeners):
            self.deafen(speaker)
        for connection in [*self._open.values(), *self._attempts.values()]:
            self._end(connection)
        self._callers.end()
        self._unmet.clear()

    # --- connecting ---------------------------------------------------------------------------------------------------

    def _connect(self, speaker: str, peer: str) -> None:
        if (old := self._attempts.get((speaker, peer))) is not None:
            self._end(old)
        try:
            to = self._endpoint(speaker, peer)
            made = begin(to) if to is not None else None
        except (OSError, SystemRefused):
            made = None
        if made is None:
            self._soon(events.TransportFailed(speaker, peer))
            return
        attempt = self._attempts[speaker, peer] = self._new(speaker, peer, made)
        attempt.timer = self._loop.call_later(CONNECT_S, self._connected, attempt, True)
        self._loop.add_writer(made.fileno(), self._connected, attempt)

    def _connected(self, attempt: Connection, late: bool = False) -> None:
        fd = attempt.socket.fileno()
        if late or attempt.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._end(attempt)
            self._deliver(events.TransportFailed(attempt.speaker, attempt.peer))
            return
        self._loop.remove_writer(fd)
        del self._attempts[attempt.pair]
        assert attempt.timer is not None
        attempt.timer.cancel()
        attempt.timer = None
        self._follow(attempt)
        if self.met is not None:
            self.met.append((False, attempt.far_key))
        if attempt.peer in self._listeners and attempt.far_key not in self._keys:
            self._unmet[attempt.far_key] = attempt.pair
        self._deliver(events.TransportUp(attempt.speaker, attempt.peer, attempt.number))

    def _acceptable(self, each: Listener) -> None:
        for _ in range(ACCEPTS):
            try:
                made, address = each.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._loop.remove_reader(each.socket.fileno())
                    self._loop.call_later(RETRY_S, self._accept_again, each)
                    return
                continue  # this one ended before it was accepted
            self._accept(each, made, Address.parse(address[0].partition("%")[0]))

    def _accept_again(self, each: Listener) -> None:
        if each in self._listeners.get(each.speaker, ()):
            self._loop.add_reader(each.socket.fileno(), self._acceptable, each)

    def _accept(self, each: Listener, made: socket.socket, remote: Address) -> None:
        near, far = ends(made)
        self._unmet.pop((each.speaker, near, far), None)
        if self.met is not None:
            self.met.append((True, (each.speaker, near, far)))
        refusing = each.speaker in self._refusing
        wait_s = 0 if refusing or self._is_crowded() else self.awaits(each.speaker, remote)
        if wait_s:
            self._callers.wait(
                each.speaker, made, wait_s, lambda made, said: self._take_in(each, made, self.meets(each.speaker, remote, said))
            )
            return
        self._take_in(each, made, None if refusing else self._who(each.speaker, remote, each.device))

    def _take_in(self, each: Listener, made: socket.socket, peer: str | None) -> None:
        """Follow a connection of which it is known whose it is, or refuse it."""
        if (
            peer is None
            or len(self._pairs.get((each.speaker, peer), ())) >= MOST
            or (self._is_crowded() and not self._is_up(each.speaker, peer))
        ):
            self.refused[each.speaker] = self.refused.get(each.speaker, 0) + 1
            reset(made)
            return
        try:
            made.setblocking(False)
            to = self._endpoint(each.speaker, peer)
            if to is not None and to.hops and not is_near(made, to.hops):
                self.refused[each.speaker] = self.refused.get(each.speaker, 0) + 1
                reset(made)
                return
            tune(made, to.ttl if to is not None else 0, to.hops if to is not None else 0)
        except OSError:
            pass  # it ended already, which reading will tell
        connection = self._new(each.speaker, peer, made)
        self._follow(connection)
        if self.most_new is not None:
            self._new_ones[connection.number] = connection
        self._deliver(events.Accepted(each.speaker, peer, connection.number))

    def _is_crowded(self) -> bool:
        """Whether as many connections as there may be carry no session yet."""
        if self.most_new is None or len(self._new_ones) + len(self._callers) < self.most_new:
            return False
        self._new_ones = {number: each for number, each in self._new_ones.items() if not self._is_up(*each.pair)}
        return len(self._new_ones) + len(self._callers) >= self.most_new

    def _new(self, speaker: str, peer: str, made: socket.socket) -> Connection:
        self._made += 1
        return Connection(self._made, speaker, peer, made)

    def _follow(self, connection: Connection) -> None:
        near, far = ends(connection.socket)
        connection.key, connection.far_key = (connection.speaker, near, far), (connection.peer, far, near)
        self._open[connection.number] = self._keys[connection.key] = connection
        self._pairs.setdefault(connection.pair, []).append(connection)
        self._loop.add_reader(connection.socket.fileno(), self._readable, connection)

    # --- bytes --------------------------------------------------------------------------------------------------------

    def _readable(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        connection.read += len(data)
        if data and not connection.closing:
            self._deliver(events.Bytes(connection.speaker, connection.peer, connection.number, data))
        elif not data:
            self._lost(connection)

    def _send(self, connection: Connection, data: bytes) -> None:
        if connection.unsent:
            connection.unsent += data
            return
        try:
            taken = connection.socket.send(data)
        except (BlockingIOError, InterruptedError):
            taken = 0
        except OSError:
            self._loop.call_soon(self._lost, connection)
            return
        connection.written += taken
        if taken < len(data):
            connection.unsent += memoryview(data)[taken:]
            self._await_room(connection)

    def _await_room(self, connection: Connection) -> None:
        if not connection.waiting:
            connection.waiting = True
            connection.moved = self._loop.time()
            to = self._endpoint(*connection.pair)
            if to is not None and to.send_hold_s and connection.holding is None:
                connection.holding = self._loop.call_later(to.send_hold_s, self._look, connection, to.send_hold_s)
            self._loop.add_writer(connection.socket.fileno(), self._writable, connection)

    def _look(self, connection: Connection, hold_s: float) -> None:
        """Whether the peer has taken something within the send hold time (RFC 9687 section 4)."""
        connection.holding = None
        if not connection.waiting or connection.closing:
            return
        left_s = connection.moved + hold_s - self._loop.time()
        if left_s > 0:
            connection.holding = self._loop.call_later(left_s, self._look, connection, hold_s)
        else:
            self._stuck(connection.speaker, connection.peer, connection.number)

    def _writable(self, connection: Connection) -> None:
        try:
            taken = connection.socket.send(connection.unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lost(connection)
            return
        connection.written += taken
        connection.moved = self._loop.time()
        del connection.unsent[:taken]
        if connection.unsent:
            return
        connection.waiting = False
        self._loop.remove_writer(connection.socket.fileno())
        if connection.closing:
            self._shut(connection)
        elif connection.full:
            connection.full = False
            self._drained(connection.speaker, connection.peer)

    # --- ends ---------------------------------------------------------------------------------------------------------

    def _close(self, connection: Connection) -> None:
        connection.closing = True
        connection.timer = self._loop.call_later(LINGER_S, self._end, connection)
        if not connection.unsent:
            self._shut(connection)

    def _shut(self, connection: Connection) -> None:
        """All is written: say so, and read on until the far end has said the same."""
        try:
            connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._end(connection)

    def _lost(self, connection: Connection) -> None:
        """The far end, or what lies between, ended it."""
        if connection.number not in self._open:
            return
        self._end(connection, politely=True)
        if not connection.closing:
            self._deliver(events.TransportClosed(connection.speaker, connection.peer, connection.number))

    def _vanish(self, speaker: str) -> None:
        for connection in [c for c in [*self._open.values(), *self._attempts.values()] if c.speaker == speaker]:
            self._end(connection)

    def _end(self, connection: Connection, politely: bool = False) -> None:
        """Forget a connection or an attempt, and close its socket."""
        for timer in (connection.timer, connection.holding):
            if timer is not None:
                timer.cancel()
        self._new_ones.pop(connection.number, None)
        self._loop.remove_reader(connection.socket.fileno())
        self._loop.remove_writer(connection.socket.fileno())
        if self._attempts.get(connection.pair) is connection:
            del self._attempts[connection.pair]
        elif self._open.pop(connection.number, None) is not None:
            if self._keys.get(connection.key) is connection:
                del self._keys[connection.key]
            each = self._pairs[connection.pair]
            each.remove(connection)
            if not each:
                del self._pairs[connection.pair]
            if connection.far_key in self._unmet:  # the far end may never learn that there was a connection
                self._loop.call_later(LINGER_S, self._unmet.pop, connection.far_key, None)
        connection.socket.close() if politely else reset(connection.socket)

    def _soon(self, event: events.OfTransport) -> None:
        self._queued += 1
        self._loop.call_soon(self._deliver_queued, event)

    def _deliver_queued(self, event: events.OfTransport) -> None:
        self._queued -= 1
        self._deliver(event)


def _sign(each: socket.socket, old: Mapping[Prefix, Secret], new: Mapping[Prefix, Secret]) -> None:
    """Change the secrets of a socket that listens."""
    for prefix, secret in old.items():
        if new.get(prefix) != secret:
            with contextlib.suppress(OSError):  # it never had it
                unsign(each, prefix, secret)
    for prefix, secret in new.items():
        if old.get(prefix) != secret:
            sign(each, prefix, secret)
