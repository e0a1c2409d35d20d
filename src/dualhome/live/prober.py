"""Probe streams in a process of its own, `python -m dualhome.live.prober`: UDP packets between namespaces, and what becomes of them.

In, on stdin, a JSON object a line; each has an "id", which its answer on stdout repeats:

    {"id": 1, "add": {"name": "spoke-vm>dc-host", "source": {"namespace": "/run/…/ns/spoke-vm", "address": "10.10.1.4"}, "destination": "192.168.1.10",
                      "targets": [{"namespace": "/run/…/ns/dc-host", "address": "192.168.1.10"}], "flows": 64, "rate": 1000}}
    {"id": 2, "mark": NAME}    {"id": 3, "read": NAME}    {"id": 4, "remove": NAME}
    {"id": 5, "trace": {"source": {…}, "destination": "192.168.1.10", "flows": 8, "hops": 16, "timeout_ms": 500}}

`read` is answered with a `Reading` (module `streams`), `trace` with {"paths": [{"hops": ["10.1.2.4", "*", …], "reached": true, "flow": 0}, …]}, the rest with
nothing but the id; what can't be done with {"error", "fault": "request" | "system"}. It ends at the end of stdin, or with SIGTERM.

Packets go to port 40007, from port 20000 + flow; nobody answers them, and they are known by what is in them, so their source may be translated.
The loop wakes for what is to be sent; what arrived is taken then, before anything counts as lost and before anything is sent. When it was late it sends what
was due, packet for packet, so lateness is never taken for a gap.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from dualhome.errors import DualhomeError, RequestError, SystemRefused
from dualhome.live.probe_receivers import Receivers, Spot
from dualhome.live.probe_sockets import MAGIC, PAYLOAD, PORT, SOURCE_PORT, bound
from dualhome.live.probe_trace import LOOK_MS, Tracer
from dualhome.live.probe_words import Add, Command, End, Mark, Read, Remove, Trace, answer, parse
from dualhome.live.streams import Reading, Stream
from dualhome.live.urgent import prefer

PRIORITY: Final = 5  # below BFD's
STREAMS: Final = 256
TOTAL_RATE: Final = 20_000  # packets a second, of all streams
BURST: Final = 64  # packets of a stream that are sent before we look again for what arrived
LINES: Final = 10_000  # answers that nobody reads; older ones go first
SECOND: Final = 1_000_000_000


@dataclass(slots=True)
class Watched:
    """A stream that is sent. Packet n is due at `start` + n / rate."""

    wanted: Add
    number: int
    senders: list[socket.socket]
    start: int
    stream: Stream
    spots: list[Spot] = field(default_factory=list)

    def due(self) -> int:
        """When the next packet is to be sent."""
        return self.start + self.stream.sent * SECOND // self.wanted.rate


class Worker:
    """All streams and one loop; `commands` and `lines` are file descriptors of pipes."""

    def __init__(self, commands: int, lines: int) -> None:
        self._commands, self._lines = commands, lines
        self._run = int.from_bytes(os.urandom(4), "big")
        self._last = 0  # number of the latest stream or trace; none is used again
        self._watched: dict[str, Watched] = {}
        self._streams: dict[int, Stream] = {}
        self._receivers = Receivers(self._run)
        self._alarm = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._tracer = Tracer(self._run, self._answer)
        self._input, self._output = b"", deque[bytes](maxlen=LINES)
        self._ended = False
        os.set_blocking(commands, False)
        os.set_blocking(lines, False)

    def run(self) -> None:
        """Until the end."""
        while not self._ended:
            self._wait()
            now = time.monotonic_ns()  # before arrivals are taken: what came in time is never lost
            self._take()
            for stream in self._streams.values():
                stream.expire(now)
            self._obey()
            self._send()
            self._write()

    def end(self) -> None:
        """From a signal's handler."""
        self._ended = True
        os.eventfd_write(self._alarm, 1)

    def _wait(self) -> None:
        due = min((each.due() for each in self._watched.values()), default=None)
        wait = None if due is None else max(0, due - time.monotonic_ns()) / SECOND
        if self._tracer.stream:
            wait = min(wait if wait is not None else LOOK_MS / 1000, LOOK_MS / 1000)
        select.select([self._commands, self._alarm], [self._lines] if self._output else [], [], wait)
        with suppress(BlockingIOError):
            os.eventfd_read(self._alarm)

    # --- packets ------------------------------------------------------------------------------------------------------

    def _take(self) -> None:
        """All that arrived. In the order of numbers: a flow that changed its receiver isn't overtaken by itself."""
        found: list[tuple[int, int]] = []
        for payload in self._receivers.take():
            if payload.stream in self._streams:
                found.append((payload.number, payload.stream))
            elif payload.stream == self._tracer.stream:
                self._tracer.arrived(payload)
        for number, stream in sorted(found) if len(found) > 1 else found:
            self._streams[stream].arrived(number)

    def _send(self) -> None:
        """What is due. A packet that the kernel refuses to send is one that is lost."""
        for each in self._watched.values():
            stream, to, now = each.stream, (each.wanted.destination, PORT), time.monotonic_ns()
            for _ in range(BURST):
                if each.due() > now:
                    break
                now = time.monotonic_ns()
                number, flow = stream.send(now)
                with suppress(OSError):
                    each.senders[flow].sendto(PAYLOAD.pack(MAGIC, self._run, each.number, flow, number, now), to)

    # --- commands -----------------------------------------------------------------------------------------------------

    def _obey(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._commands, 1 << 20)
            self._ended = self._ended or not data
            self._input += data
        while b"\n" in self._input:
            line, self._input = self._input.split(b"\n", 1)
            name, command = parse(line)
            if isinstance(command, RequestError):
                self._answer(name, command)
                continue
            try:
                said = self._perform(name, command)
            except DualhomeError as error:
                self._answer(name, error)
            else:
                if said is not None:
                    self._answer(name, said)

    def _perform(self, name: object, command: Command) -> Mapping[str, object] | Reading | None:
        match command:
            case Add():
                self._add(command)
            case Mark():
                self._find(command.name).stream.mark(time.monotonic_ns())
            case Read():
                return self._find(command.name).stream.read(time.monotonic_ns())
            case Remove():
                self._remove(self._find(command.name))
            case Trace():
                self._last += 1
                self._tracer.ask(name, self._last, command)
                return None
        return {}

    def _find(self, name: str) -> Watched:
        try:
            return self._watched[name]
        except KeyError:
            raise RequestError(f"no stream {name!r}") from None

    def _add(self, wanted: Add) -> None:
        if wanted.name in self._watched:
            raise RequestError(f"a stream {wanted.name!r} is sent already")
        if len(self._watched) >= STREAMS:
            raise RequestError(f"{STREAMS} streams are sent already")
        if (total := wanted.rate + sum(each.wanted.rate for each in self._watched.values())) > TOTAL_RATE:
            raise RequestError(f"{total} packets a second: at most {TOTAL_RATE} of all streams together")
        self._last += 1
        with _refusals(wanted.source):
            senders = _senders(wanted)
        each = Watched(wanted, self._last, senders, 0, Stream(wanted.flows))
        try:
            for target in wanted.targets:
                with _refusals(target):
                    each.spots.append(self._receivers.share(target))
        except SystemRefused:
            self._release(each)
            raise
        each.start = time.monotonic_ns()
        self._watched[wanted.name] = each
        self._streams[each.number] = each.stream

    def _remove(self, each: Watched) -> None:
        del self._watched[each.wanted.name], self._streams[each.number]
        self._release(each)

    def _release(self, each: Watched) -> None:
        for sender in each.senders:
            sender.close()
        for spot in each.spots:
            self._receivers.release(spot)

    # --- words --------------------------------------------------------------------------------------------------------

    def _answer(self, name: object, what: Mapping[str, object] | Reading | DualhomeError) -> None:
        """Also from the tracer's thread."""
        self._output.append(answer(name, what))
        os.eventfd_write(self._alarm, 1)

    def _write(self) -> None:
        """As much as the reader takes; it is never waited for."""
        try:
            while self._output:
                line = self._output.popleft()
                written = 0
                try:
                    written = os.write(self._lines, line)
                finally:
                    if written < len(line):
                        self._output.appendleft(line[written:])
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._ended = True


def _senders(wanted: Add) -> list[socket.socket]:
    """A socket for each flow."""
    with ExitStack() as undo:
        made = [
            undo.enter_context(bound(wanted.source.namespace, wanted.source.address, SOURCE_PORT + flow)) for flow in range(wanted.flows)
        ]
        undo.pop_all()
    return made


@contextmanager
def _refusals(end: End) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SystemRefused(f"no probes at {end.address} in {end.namespace or 'this namespace'}: {error}") from error


def _allow_sockets() -> None:
    """Many flows are many sockets."""
    with suppress(OSError, ValueError):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    """The process."""
    worker = Worker(0, 1)
    signal.signal(signal.SIGTERM, lambda *_: worker.end())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the parent ends us
    _allow_sockets()
    prefer(PRIORITY)
    worker.run()


if __name__ == "__main__":
    main()
