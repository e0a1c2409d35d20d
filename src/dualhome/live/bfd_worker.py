"""The loop of the BFD process: packets, timers and commands, in this order."""

from __future__ import annotations

import os
import random
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from dualhome.bfd.demux import Sessions
from dualhome.bfd.packet import Discarded, State, decode
from dualhome.bfd.session import Action, Configure, Disable, Down, Enable, Received, Send, Session, Transition, Up
from dualhome.errors import DualhomeError
from dualhome.live.bfd_sockets import Path, open_listener, open_sender, receive, send
from dualhome.live.bfd_switch import Switch
from dualhome.live.bfd_words import Add, Forget, Remove, Stop, error_id, error_line, line, read
from dualhome.units import Instant

LINES: Final = 10_000
"""Unread lines that are kept; older ones go first."""


@dataclass(slots=True)
class Watched:
    """A session, and what it has of the machine."""

    id: str
    path: Path
    port: int
    session: Session
    sender: socket.socket


@dataclass(slots=True)
class Listener:
    """A socket to receive from, and how many sessions share it."""

    path: Path
    socket: socket.socket
    users: int = 0


class Worker:
    """All sessions and one loop. `commands` and `lines` are file descriptors of pipes."""

    def __init__(self, switch: Switch, commands: int, lines: int) -> None:
        self._switch, self._commands, self._lines = switch, commands, lines
        self._rng = random.Random(os.urandom(16))
        self._watched: dict[str, Watched] = {}
        self._sessions = Sessions[tuple[str, str, str, int, str], Watched](self._rng)
        self._listeners: dict[tuple[str, str, str, int], Listener] = {}
        self._by_descriptor: dict[int, Listener] = {}
        self._input, self._output = b"", deque[bytes](maxlen=LINES)
        self._epoll = select.epoll()
        self._writing = False
        self._ended = False
        self._alarm = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._alarm, select.EPOLLIN)
        os.set_blocking(commands, False)
        os.set_blocking(lines, False)
        self._epoll.register(commands, select.EPOLLIN)

    def run(self) -> None:
        """Until the end. What has arrived is taken before anything counts as missed, however late we are."""
        while not self._ended:
            self._wait()
            for descriptor, _ in self._epoll.poll(0):
                if descriptor in self._by_descriptor:
                    self._listen(self._by_descriptor[descriptor])
                elif descriptor == self._commands:
                    self._obey()
            now = _now()
            for watched in tuple(self._watched.values()):
                if (due := watched.session.deadline()) is not None and due <= now:
                    self._do(watched, watched.session.tick(now), now)
            self._write()
        for name in tuple(self._watched):
            self._remove(name)
        self._write()

    def end(self) -> None:
        """From a signal's handler: no more than what is begun."""
        self._ended = True
        os.eventfd_write(self._alarm, 1)

    def _wait(self) -> None:
        """`epoll` knows milliseconds only, and rounds up; `select` on it knows microseconds."""
        due = min((time for w in self._watched.values() if (time := w.session.deadline()) is not None), default=None)
        wait = None if due is None else max(0, due - _now()) / 1_000_000
        select.select([self._epoll], [], [], wait)

    # --- packets ------------------------------------------------------------------------------------------------------

    def _listen(self, listener: Listener) -> None:
        path, now = listener.path, _now()
        for datagram in receive(listener.socket):
            packet = decode(datagram.data)
            if isinstance(packet, Discarded):
                continue
            found = self._sessions.find(packet, (*path.listener, datagram.source))
            if isinstance(found, Discarded) or datagram.ttl < found.path.minimum_ttl or found.path.listener != path.listener:
                continue  # GTSM: nobody farther away sends it (RFC 5881 section 5)
            self._do(found, found.session.handle(Received(packet), now), now)

    def _do(self, watched: Watched, actions: list[Action], now: Instant) -> None:
        """In order: groups first, then the other end, then the words."""
        failed = False
        for action in actions:
            match action:
                case Down(failed=failed):
                    if failed and watched.port and not self._reached(watched.port):
                        self._switching(watched, self._switch.lose)
                case Up():
                    if watched.port:
                        self._switching(watched, self._switch.regain)
                case Send(data):
                    send(watched.sender, watched.path, data)
                case Transition():
                    self._output.append(line(watched.id, action, failed, now))
                case Discarded():
                    pass

    def _reached(self, port: int) -> bool:
        """Whether another session to this port is up: then it is the near end that is cut off, and others still use the port."""
        return any(each.port == port and each.session.state is State.UP for each in self._watched.values())

    def _switching(self, watched: Watched, change: Callable[[int], None]) -> None:
        try:
            change(watched.port)
        except DualhomeError as error:
            self._output.append(error_line(watched.id, str(error)))

    # --- commands -----------------------------------------------------------------------------------------------------

    def _obey(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._commands, 1 << 20)
            self._ended = self._ended or not data
            self._input += data
        while b"\n" in self._input and not self._ended:
            text, self._input = self._input.split(b"\n", 1)
            if text.strip():
                try:
                    self._perform(text)
                except DualhomeError as error:
                    self._output.append(error_line(error_id(text), str(error)))

    def _perform(self, text: bytes) -> None:
        match read(text):
            case Add() as wanted:
                self._add(wanted)
            case Remove(name):
                self._remove(name)
            case Forget(port):
                self._switch.forget(port)
            case Stop():
                self._ended = True

    def _add(self, wanted: Add) -> None:
        there = self._watched.get(wanted.id)
        now = _now()
        if there and (there.path, there.port) == (wanted.path, wanted.port):
            self._do(there, there.session.handle(Configure(wanted.config), now), now)
            return
        self._remove(wanted.id)
        key = _key(wanted.path)
        if key in self._sessions:
            raise DualhomeError("another session has this path")
        listener = self._listener(wanted.path)
        try:
            sender = open_sender(wanted.path, self._rng)
        except DualhomeError:
            self._release(listener)
            raise
        session = Session(wanted.config, self._sessions.draw(), self._rng)
        watched = self._watched[wanted.id] = Watched(wanted.id, wanted.path, wanted.port, session, sender)
        listener.users += 1
        self._sessions.add(key, session.discriminator, watched)
        now = _now()
        self._do(watched, session.handle(Enable(), now), now)

    def _remove(self, name: str) -> None:
        """The other end hears that nothing failed."""
        watched = self._watched.pop(name, None)
        if watched is None:
            return
        now = _now()
        self._do(watched, watched.session.handle(Disable(), now), now)
        self._sessions.remove(_key(watched.path))
        watched.sender.close()
        listener = self._listeners[watched.path.listener]
        listener.users -= 1
        self._release(listener)

    def _listener(self, path: Path) -> Listener:
        """The one that is there, or a new one."""
        listener = self._listeners.get(path.listener)
        if listener is None:
            listener = self._listeners[path.listener] = Listener(path, open_listener(path))
            self._by_descriptor[listener.socket.fileno()] = listener
            self._epoll.register(listener.socket.fileno(), select.EPOLLIN)
        return listener

    def _release(self, listener: Listener) -> None:
        if not listener.users:
            self._epoll.unregister(listener.socket.fileno())
            del self._by_descriptor[listener.socket.fileno()], self._listeners[listener.path.listener]
            listener.socket.close()

    # --- words --------------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        """As much as the reader takes; it is never waited for."""
        try:
            while self._output:
                written = os.write(self._lines, self._output[0])
                rest = self._output.popleft()[written:]
                if rest:
                    self._output.appendleft(rest)
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._ended = True
            self._output.clear()
        if self._writing != bool(self._output):
            self._writing = not self._writing
            if self._writing:
                self._epoll.register(self._lines, select.EPOLLOUT)
            else:
                self._epoll.unregister(self._lines)


def _key(path: Path) -> tuple[str, str, str, int, str]:
    return *path.listener, path.remote


def _now() -> Instant:
    return Instant(time.monotonic_ns() // 1000)
