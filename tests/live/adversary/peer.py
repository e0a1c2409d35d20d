"""A peer of the speaker under test: one socket, what it says read strictly, what we say said raw. All peers of a `World` share one loop without threads."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.live.adversary import octets as o
from tests.live.adversary.strict import FaultError, Prefix, Told, Update, cut, read_open, read_update


@dataclass(frozen=True)
class At:
    """Where the speaker under test is."""

    address: str
    port: int
    asn: int


class World:
    """All peers, and the faults that they found in what they were sent."""

    def __init__(self, at: At) -> None:
        self.at = at
        self.selector = selectors.DefaultSelector()
        self.peers: list[Peer] = []
        self.faults: list[str] = []

    def pump(self, limit_s: float = 0.0) -> None:
        """Read and write what can be, waiting at most so long for the first of it."""
        for key, mask in self.selector.select(limit_s):
            peer: Peer = key.data
            if mask & selectors.EVENT_WRITE:
                peer.writable()
            if mask & selectors.EVENT_READ:
                peer.readable()
        now = time.monotonic()
        for peer in self.peers:
            peer.stay_alive(now)

    def wait(self, holds: Callable[[], Any], limit_s: float = 5.0) -> bool:
        """Until it holds; whether it did within the limit."""
        end = time.monotonic() + limit_s
        while not holds():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.pump(min(left, 0.25))
        return True

    def rest(self, time_s: float) -> None:
        """Let so much time pass, reading."""
        self.wait(lambda: False, time_s)

    def close(self) -> None:
        for peer in list(self.peers):
            peer.close()


@dataclass
class Route:
    """What a peer was told of a prefix: attributes by type code, flags and octets."""

    attributes: dict[int, tuple[int, bytes]]
    count: int = 1  # how often it was told


@dataclass
class Peer:
    """One socket. `reads` False: it never takes anything from the kernel. `keeps` False: no KEEPALIVEs come of themselves."""

    world: World
    address: str
    asn: int
    told: Told
    name: str = ""
    router_id: str = ""
    reads: bool = True
    keeps: bool = True
    receive_buffer: int = 0
    ttl: int = 0  # of what we send; the kernel's where it is 0
    socket: socket.socket | None = None
    open: dict[str, Any] | None = None
    up: bool = False
    notified: tuple[int, int, bytes] | None = None
    closed: str = ""  # "end" or "reset"
    table: dict[Prefix, Route] = field(default_factory=dict)
    ends: set[tuple[int, int]] = field(default_factory=set)
    refreshes: list[bytes] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)  # of messages that came, UPDATEs and KEEPALIVEs left out
    updates: int = 0
    octets_in: int = 0
    last_in: float = 0.0
    _in: bytes = b""
    _out: bytearray = field(default_factory=bytearray)
    _kept: float = 0.0

    def connect(self) -> Peer:
        """Begin a connection from our address; it is made when something is sent."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        if self.ttl:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, self.ttl)
        made.bind((self.address, 0))
        made.settimeout(5)
        self.socket = made
        try:
            made.connect((self.world.at.address, self.world.at.port))
        except OSError as error:
            self.closed = f"refused ({error.strerror})"
            made.close()
            return self
        made.setblocking(False)
        self.world.peers.append(self)
        self._register()
        return self

    def send(self, data: bytes) -> None:
        """Say these octets, as soon as the kernel takes them."""
        if self.closed or self.socket is None:
            return
        self._out += data
        self._kept = time.monotonic()
        self.writable()

    def writable(self) -> None:
        if self._out and self.socket is not None and not self.closed:
            try:
                sent = self.socket.send(self._out)
                del self._out[:sent]
            except BlockingIOError:
                pass
            except OSError:
                self._out.clear()
                if not self.reads:
                    self._ended("reset")
        self._register()

    def _register(self) -> None:
        if self.socket is None or self.closed:
            return
        mask = (selectors.EVENT_READ if self.reads else 0) | (selectors.EVENT_WRITE if self._out else 0)
        registered = self.socket in self.world.selector.get_map()
        if not mask:
            if registered:
                self.world.selector.unregister(self.socket)
        elif registered:
            self.world.selector.modify(self.socket, mask, self)
        else:
            self.world.selector.register(self.socket, mask, self)

    @property
    def unsent(self) -> int:
        return len(self._out)

    def readable(self) -> None:
        assert self.socket is not None
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            self._ended("reset")
            return
        if not data:
            if self._in and not self.closed and self.notified is None:
                self._fault("the connection ends within a message", self._in)
            self._ended("end")
            return
        self.octets_in += len(data)
        self.last_in = time.monotonic()
        self._in += data
        try:
            messages, self._in = cut(self._in, self.told.longest)
        except FaultError as fault:
            self._fault(str(fault), self._in[:4200])
            self._ended("nonsense")
            return
        for kind, body in messages:
            self._message(kind, body)

    def _message(self, kind: int, body: bytes) -> None:
        if self.notified is not None:
            self._fault(f"message of type {kind} after a NOTIFICATION", body)
        try:
            if kind == o.UPDATE:
                if not self.up:
                    raise FaultError("an UPDATE before the session is up")
                self._update(read_update(body, self.told))
                return
            if kind == o.KEEPALIVE:
                self.up = self.open is not None
                return
            self.kinds.append(kind)
            if kind == o.OPEN:
                if self.open is not None:
                    raise FaultError("a second OPEN")
                self.open = read_open(body)
            elif kind == o.NOTIFICATION:
                self.notified = body[0], body[1], body[2:]
            else:
                if not self.up:
                    raise FaultError("a ROUTE-REFRESH before the session is up")
                self.refreshes.append(body)
        except FaultError as fault:
            self._fault(str(fault), body)
        except IndexError:
            self._fault("cut off", body)

    def _update(self, update: Update) -> None:
        self.updates += 1
        for prefix in update.withdrawn:
            if self.table.pop(prefix, None) is None:
                self.world.faults.append(f"{self.name}: {prefix} is withdrawn that was never told")
        for prefix in update.announced:
            before = self.table.get(prefix)
            self.table[prefix] = Route(update.attributes, before.count + 1 if before else 1)
        if update.end_of_rib:
            self.ends.add(update.end_of_rib)

    def _fault(self, what: str, data: bytes) -> None:
        self.world.faults.append(f"{self.name}: {what}: {data[:400].hex()}")

    def _ended(self, how: str) -> None:
        self.closed, self.up = self.closed or how, False
        self._drop()

    def _drop(self) -> None:
        if self.socket is not None:
            with contextlib.suppress(KeyError, ValueError):
                self.world.selector.unregister(self.socket)
            self.socket.close()
            self.socket = None
        if self in self.world.peers:
            self.world.peers.remove(self)

    def close(self) -> None:
        """Hang up."""
        self.closed = self.closed or "by us"
        self.up = False
        self._drop()

    def reset(self) -> None:
        """Hang up with a reset."""
        if self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def stay_alive(self, now: float) -> None:
        if self.up and self.keeps and now - self._kept > 20:
            self.send(o.keepalive())

    # --- a session ----------------------------------------------------------------------------------------------------

    def our_open(self, **changes: Any) -> bytes:
        """The OPEN that fits what we say we are."""
        plain: dict[str, Any] = {"four": self.told.four, "extended": self.told.longest > 4096, "families": self.told.families}
        return o.open_message(self.asn, self.router_id or self.address, **(plain | changes))

    def establish(self, open_octets: bytes | None = None) -> bool:
        """Say OPEN and KEEPALIVE; whether the session came up."""
        if self.socket is None and not self.closed:
            self.connect()
        self.send(self.our_open() if open_octets is None else open_octets)
        if not self.world.wait(lambda: self.open or self.closed) or self.closed or self.notified:
            return False
        self.send(o.keepalive())
        return self.world.wait(lambda: self.up or self.closed) and self.up

    @property
    def over(self) -> bool:
        return bool(self.closed)

    def outcome(self) -> str:
        """How it stands with the session: "up", "reset C/S", or "closed" without a word."""
        if self.notified:
            return f"reset {self.notified[0]}/{self.notified[1]}"
        return "closed" if self.closed else "up" if self.up else "opening"
