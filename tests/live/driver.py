"""The smallest driver of a speaker over real TCP: one selector, one clock, no rule of the protocol."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dualhome.bgp.events import Accepted, Closed, Connected, ConnectFailed, Event, Received
from dualhome.bgp.speaker import Close, Connect, Journal, Send, Speaker, SpeakerAction
from dualhome.units import Instant, as_seconds


@dataclass(slots=True, eq=False)
class Transport:
    """One socket, and what it could not take yet."""

    number: int
    peer: str
    socket: socket.socket
    connecting: bool = False
    closing: bool = False
    unsent: bytearray = field(default_factory=bytearray)


class Driver:
    """A speaker that listens on one port and reaches each peer's address at that peer's port."""

    def __init__(self, speaker: Speaker, port: int, peer_ports: dict[str, int]) -> None:
        self.speaker = speaker
        self.journal: list[str] = []
        self._peer_ports = peer_ports
        self._selector = selectors.DefaultSelector()
        self._transports: dict[int, Transport] = {}
        self._attempts: dict[str, Transport] = {}
        self._numbers = 0
        self._began = time.monotonic_ns()
        self._by_address = {str(each.session.remote_address): name for name, each in speaker.config.peers.items()}
        [local] = {str(each.session.local_address) for each in speaker.config.peers.values()}
        self._listener = socket.create_server((local, port), reuse_port=False)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, None)

    def start(self) -> None:
        """Start the speaker. Who called before waits in the listener."""
        self._perform(self.speaker.start(self.now))

    def await_caller(self, limit_s: float = 20) -> None:
        """Until somebody has opened a transport to us, which is not looked at yet."""
        assert self._selector.select(limit_s), "nobody called"

    def close(self) -> None:
        """Stop the speaker, and give back all sockets; harmless the second time."""
        if self._listener.fileno() < 0:
            return
        self._perform(self.speaker.stop(self.now))
        for transport in [*self._transports.values(), *self._attempts.values()]:
            self._forget(transport)
        self._listener.close()
        self._selector.close()

    @property
    def now(self) -> Instant:
        return Instant((time.monotonic_ns() - self._began) // 1000)

    def until(self, true: Callable[[], bool], limit_s: float = 20) -> None:
        """Run until it is true; it is asked after every round, and fails with the journal."""
        end = time.monotonic() + limit_s
        while not true():
            assert time.monotonic() < end, "\n".join(["not in time", *self.journal])
            self.round(0.2)

    def round(self, wait_s: float) -> None:
        """Wait for something, and do it."""
        deadline = self.speaker.deadline()
        if deadline is not None:
            wait_s = min(wait_s, max(0.0, as_seconds(deadline - self.now)))
        for key, mask in self._selector.select(wait_s):
            if key.data is None:
                self._accept()
            elif key.data.socket.fileno() < 0:
                continue  # What came before it in this round closed it.
            elif mask & selectors.EVENT_WRITE:
                self._writable(key.data)
            elif not key.data.closing:
                self._readable(key.data)
        deadline = self.speaker.deadline()
        if deadline is not None and deadline <= self.now:
            self._perform(self.speaker.tick(self.now))

    def tell(self, actions: list[SpeakerAction]) -> None:
        """Do what a call of the test's own to the speaker asked for."""
        self._perform(actions)

    def _handle(self, peer: str, event: Event) -> None:
        self._perform(self.speaker.handle(peer, event, self.now))

    def _perform(self, actions: list[SpeakerAction]) -> None:
        for action in actions:
            match action:
                case Connect(peer):
                    self._connect(peer)
                case Send(_, number, data):
                    if transport := self._transports.get(number):
                        transport.unsent += data
                        self._write(transport)
                case Close(_, number):
                    if transport := self._transports.get(number):
                        transport.closing = True
                        self._write(transport)
                case Journal(peer, kind, text):
                    self.journal.append(f"{as_seconds(self.now):.3f} {peer} {kind}: {text}")

    def _connect(self, peer: str) -> None:
        if old := self._attempts.pop(peer, None):
            self._forget(old)
        session = self.speaker.config.peers[peer].session
        each = socket.socket(socket.AF_INET if session.remote_address.version == 4 else socket.AF_INET6)
        each.setblocking(False)
        each.bind((str(session.local_address), 0))
        each.connect_ex((str(session.remote_address), self._peer_ports[peer]))
        self._attempts[peer] = transport = self._new(peer, each, connecting=True)
        self._selector.register(each, selectors.EVENT_WRITE, transport)

    def _accept(self) -> None:
        each, address = self._listener.accept()
        each.setblocking(False)
        peer = self._by_address.get(address[0])
        if peer is None:
            each.close()
            return
        transport = self._new(peer, each)
        self._transports[transport.number] = transport
        self._selector.register(each, selectors.EVENT_READ, transport)
        self._handle(peer, Accepted(transport.number))

    def _new(self, peer: str, each: socket.socket, connecting: bool = False) -> Transport:
        self._numbers += 1
        return Transport(self._numbers, peer, each, connecting)

    def _writable(self, transport: Transport) -> None:
        if not transport.connecting:
            self._write(transport)
            return
        del self._attempts[transport.peer]
        if transport.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._forget(transport)
            self._handle(transport.peer, ConnectFailed())
            return
        transport.connecting = False
        self._transports[transport.number] = transport
        self._selector.modify(transport.socket, selectors.EVENT_READ, transport)
        self._handle(transport.peer, Connected(transport.number))

    def _readable(self, transport: Transport) -> None:
        try:
            data = transport.socket.recv(65536)
        except OSError:
            data = b""
        if data:
            self._handle(transport.peer, Received(transport.number, data))
        else:
            self._lost(transport)

    def _write(self, transport: Transport) -> None:
        try:
            while transport.unsent:
                del transport.unsent[: transport.socket.send(transport.unsent)]
        except BlockingIOError:
            self._selector.modify(transport.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, transport)
            return
        except OSError:
            self._lost(transport)
            return
        if transport.closing:
            self._forget(transport)
        else:
            self._selector.modify(transport.socket, selectors.EVENT_READ, transport)

    def _lost(self, transport: Transport) -> None:
        closing = transport.closing
        self._forget(transport)
        if not closing:
            self._handle(transport.peer, Closed(transport.number))

    def _forget(self, transport: Transport) -> None:
        self._transports.pop(transport.number, None)
        self._selector.unregister(transport.socket)
        transport.socket.close()
