"""Traces of paths: for each flow a packet of every TTL at once, and the errors that come back (IP_RECVERR), so that it takes one round trip.

A flow of a trace has the ports of the same flow of a stream, so it takes the same way. Where a stream of this process is received at the destination, the
packets of a trace are received there too, and nobody answers them: the receiver tells (`arrived`).
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from dualhome.errors import DualhomeError, RequestError, SystemRefused
from dualhome.live.probe_sockets import MAGIC, PAYLOAD, PORT, SOURCE_PORT, Payload, bound, decode, family_of
from dualhome.live.probe_words import Trace

UNKNOWN: Final = "*"  # a hop that didn't answer
WAITING: Final = 64  # traces that wait for their turn
ROUNDS: Final = 4  # what wasn't answered is asked again in the time given: kernels limit ICMP (icmp_msgs_burst)
LOOK_MS: Final = 5  # between looks at what receivers saw
_TRIES: Final = 4  # an error that is pending is told instead of sending
_ERROR: Final = struct.Struct("=IBBBBII")  # struct sock_extended_err, linux/errqueue.h


@dataclass(frozen=True, slots=True)
class _Family:
    """What differs between IPv4 and IPv6: option levels and numbers, the ICMP type of an exceeded TTL, type and code of a closed port."""

    level: int
    receive_errors: int
    ttl: int
    origin: int
    exceeded: int
    closed: tuple[int, int]
    address_at: slice


_FAMILIES: Final = {
    socket.AF_INET: _Family(socket.IPPROTO_IP, 11, socket.IP_TTL, 2, 11, (3, 3), slice(4, 8)),
    socket.AF_INET6: _Family(socket.IPPROTO_IPV6, 25, socket.IPV6_HOPLIMIT, 3, 3, (1, 4), slice(8, 24)),
}


@dataclass(frozen=True, slots=True)
class _Hop:
    """Who answered; `last` where the packet goes no further, `reached` where that is its destination."""

    address: str
    last: bool = False
    reached: bool = False


@dataclass(slots=True)
class _Way:
    """What is known of one flow, by TTL."""

    hops: dict[int, _Hop] = field(default_factory=dict)

    def known(self, most: int) -> bool:
        """Whether nothing is left to wait for."""
        end = min((ttl for ttl, hop in self.hops.items() if hop.last), default=most)
        return all(ttl in self.hops for ttl in range(1, end + 1))

    def lacks(self, ttl: int) -> bool:
        """Whether this hop is still to be found: nobody answered, and the path didn't end before."""
        return ttl not in self.hops and not any(hop.last and end < ttl for end, hop in self.hops.items())

    def told(self, flow: int) -> dict[str, object]:
        """The path: up to the end, or the last hop that answered."""
        end = min((ttl for ttl, hop in self.hops.items() if hop.last), default=max(self.hops, default=0))
        names = [self.hops[ttl].address if ttl in self.hops else UNKNOWN for ttl in range(1, end + 1)]
        return {"hops": names, "reached": bool(end) and self.hops[end].reached, "flow": flow}


class Tracer:
    """Does one trace after the other, in a thread of its own. `answer` is called there."""

    def __init__(self, run: int, answer: Callable[[object, Mapping[str, object] | DualhomeError], None]) -> None:
        self._run, self._answer = run, answer
        self._wanted: queue.Queue[tuple[object, int, Trace]] = queue.Queue(WAITING)
        self._seen: queue.SimpleQueue[Payload] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.stream = 0  # the number in the packets of the trace that goes on; 0 for none

    def ask(self, name: object, stream: int, trace: Trace) -> None:
        """Begin as soon as the others are done.

        Raises:
            RequestError: too many wait.
        """
        try:
            self._wanted.put_nowait((name, stream, trace))
        except queue.Full:
            raise RequestError(f"{WAITING} traces wait already") from None
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()

    def arrived(self, payload: Payload) -> None:
        """A receiver saw this packet of the present trace."""
        self._seen.put(payload)

    def _work(self) -> None:
        while True:
            name, stream, trace = self._wanted.get()
            self.stream = stream
            try:
                self._answer(name, {"paths": self._trace(stream, trace)})
            except OSError as error:
                self._answer(name, SystemRefused(f"no trace from {trace.source.address} in {trace.source.namespace or 'here'}: {error}"))
            self.stream = 0

    def _trace(self, stream: int, trace: Trace) -> list[dict[str, object]]:
        ways = [_Way() for _ in range(trace.flows)]
        made = _sockets(trace)
        try:
            poll = select.poll()
            for each in made:
                poll.register(each, 0)  # errors are always told
            again = time.monotonic()
            end = again + trace.timeout_ms / 1000
            while made and not all(way.known(trace.hops) for way in ways) and (left := end - time.monotonic()) > 0:
                if time.monotonic() >= again:
                    again += trace.timeout_ms / 1000 / ROUNDS
                    for ttl, flow in product(range(1, trace.hops + 1), range(trace.flows)):  # hop by hop: who answers, doesn't answer often
                        if ways[flow].lacks(ttl):
                            _send(made[flow], PAYLOAD.pack(MAGIC, self._run, stream, flow, ttl, time.monotonic_ns()), ttl)
                poll.poll(min(LOOK_MS, left * 1000))
                for flow, each in enumerate(made):
                    self._hear(each, stream, ways[flow])
                while not self._seen.empty():
                    seen = self._seen.get()
                    if seen.stream == stream and seen.flow < trace.flows:
                        ways[seen.flow].hops[seen.number] = _Hop(trace.destination, last=True, reached=True)
        finally:
            for each in made:
                each.close()
        return [way.told(flow) for flow, way in enumerate(ways)]

    def _hear(self, each: socket.socket, stream: int, way: _Way) -> None:
        """Take the errors that came; those of other packets are none of ours."""
        family = _FAMILIES[each.family]
        while True:
            try:
                data, ancillary, _, _ = each.recvmsg(PAYLOAD.size, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            payload = decode(data)
            if payload is None or (payload.run, payload.stream) != (self._run, stream):
                continue
            for level, kind, value in ancillary:
                if (level, kind) == (family.level, family.receive_errors) and (hop := _hop(each.family, value)) is not None:
                    way.hops[payload.number] = hop


def _hop(kind: int, value: bytes) -> _Hop | None:
    """What an error says; None for one of this machine's own."""
    family = _FAMILIES[socket.AddressFamily(kind)]
    _, origin, type_, code, *_ = _ERROR.unpack_from(value)
    if origin != family.origin:
        return None
    address = socket.inet_ntop(kind, value[_ERROR.size :][family.address_at])
    return _Hop(address, last=type_ != family.exceeded, reached=(type_, code) == family.closed)


def _sockets(trace: Trace) -> list[socket.socket]:
    """One for each flow. They are connected, so they hear of errors before a stream's socket with the same ports."""
    family = _FAMILIES[family_of(trace.destination)]
    with contextlib.ExitStack() as undo:
        made = []
        for flow in range(trace.flows):
            each = undo.enter_context(bound(trace.source.namespace, trace.source.address, SOURCE_PORT + flow))
            each.setsockopt(family.level, family.receive_errors, 1)
            with contextlib.suppress(OSError):  # no route: then nothing is sent, and the path is empty
                each.connect((trace.destination, PORT))
                made.append(each)
        if len(made) == trace.flows:
            undo.pop_all()
            return made
    return []


def _send(each: socket.socket, data: bytes, ttl: int) -> None:
    family = _FAMILIES[socket.AddressFamily(each.family)]
    for _ in range(_TRIES):
        try:
            each.sendmsg([data], [(family.level, family.ttl, struct.pack("=i", ttl))])
        except OSError:  # told of an earlier packet
            continue
        return
