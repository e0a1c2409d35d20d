"""A peer that reads nothing: it delays nobody, takes bounded memory, and goes when the send hold time is over (RFC 9687)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dualhome.bgp.events import State
from dualhome.live.host import AT_ONCE
from dualhome.live.route_server.config import load
from dualhome.live.route_server.daemon import RouteServer
from dualhome.live.transports import FULL_BYTES
from tests.live.test_route_server_net import until
from tests.live.workers import port

PORT = port(17951)
ROUTES = 200_000
HERE = ("127.0.0.151", PORT)
FILE = """\
behaves_like: ideal
instances: [{name: rs0, router_id: 10.0.0.4, listen: [127.0.0.151], port: 17951}]
defaults: {passive: true}
peers:
  - {name: feeder, address: 127.0.0.152, asn: 65001}
  - {name: reader, address: 127.0.0.153, asn: 65002}
  - {name: stuck, address: 127.0.0.154, asn: 65003, send_hold_s: HOLD}
""".replace("17951", str(PORT))


def message(kind: int, body: bytes = b"") -> bytes:
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body


def update(number: int, asn: int, address: str) -> bytes:
    """A route of its own attributes, so that no two of them share a message."""
    path = struct.pack("!BBBBBH", 0x40, 2, 4, 2, 1, asn)
    attributes = bytes([0x40, 1, 1, 0]) + path + bytes([0x40, 3, 4]) + socket.inet_aton(address) + bytes([0x80, 4, 4]) + number.to_bytes(4)
    prefix = bytes([24]) + ((1 << 16) + number).to_bytes(3)
    return message(2, bytes(2) + len(attributes).to_bytes(2) + attributes + prefix)


class Client:
    """A peer of two-octet ASNs that says what it is told to."""

    def __init__(self, address: str, asn: int) -> None:
        self.address, self.asn = address, asn
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setblocking(False)
        self.socket.bind((address, 0))
        self.told: set[bytes] = set()

    async def begin(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, HERE)
        opening = message(1, struct.pack("!BHH4sB", 4, self.asn, 0, socket.inet_aton(self.address), 0))
        await loop.sock_sendall(self.socket, opening + message(4))

    async def read(self) -> None:
        """Read for ever."""
        loop, data = asyncio.get_running_loop(), b""
        while got := await loop.sock_recv(self.socket, 1 << 18):
            data += got
            at = 0
            while len(data) - at >= 19 and len(data) - at >= (size := int.from_bytes(data[at + 16 : at + 18])):
                if data[at + 18] == 2:
                    body = data[at + 19 : at + size]
                    nlri = body[4 + int.from_bytes(body[2:4]) :]
                    self.told.update(nlri[i : i + 4] for i in range(0, len(nlri), 4))
                at += size
            data = data[at:]


class Crowd:
    """A route server, one who feeds it, one who reads, and one who doesn't."""

    def __init__(self, path: Path, send_hold_s: int) -> None:
        (path / "rs.yaml").write_text(FILE.replace("HOLD", str(send_hold_s)))
        self.server = RouteServer(load(path / "rs.yaml"))
        self.clients = [Client(f"127.0.0.{152 + n}", 65001 + n) for n in range(3)]
        self.feeder, self.reader, _ = self.clients
        self.most_waiting = 0
        self._reading: asyncio.Task[None] | None = None

    def state(self, name: str) -> State:
        return self.server.speakers["rs0"].session(name).state

    async def begin(self) -> None:
        await self.server.start()
        for each in self.clients:
            await each.begin()
        await until(lambda: all(self.state(name) is State.ESTABLISHED for name in ("feeder", "reader", "stuck")))
        self._reading = asyncio.create_task(self.reader.read())

    async def feed(self, routes: range) -> None:
        loop = asyncio.get_running_loop()
        for begin in range(routes.start, routes.stop, 1000):
            some = range(begin, min(begin + 1000, routes.stop))
            await loop.sock_sendall(self.feeder.socket, b"".join(update(n, 65001, self.feeder.address) for n in some))
            self.most_waiting = max(self.most_waiting, self.server.queued_bytes("rs0", "stuck"))
        await until(lambda: len(self.reader.told) == routes.stop, 60)
        self.most_waiting = max(self.most_waiting, self.server.queued_bytes("rs0", "stuck"))

    async def end(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        for each in self.clients:
            each.socket.close()
        await self.server.stop()


def run(path: Path, send_hold_s: int, test: Callable[[Crowd], Awaitable[None]]) -> None:
    async def main() -> None:
        crowd = Crowd(path, send_hold_s)
        try:
            await crowd.begin()
            await test(crowd)
        finally:
            await crowd.end()

    asyncio.run(main())


@pytest.mark.live
def test_one_that_reads_nothing_delays_nobody_and_takes_bounded_memory(tmp_path: Path) -> None:
    async def test(crowd: Crowd) -> None:
        await crowd.feed(range(ROUTES))
        assert 0 < crowd.most_waiting <= AT_ONCE + FULL_BYTES + 65535, "what waits for it beyond that stays in the RIB"
        waiting = crowd.server.queued_bytes("rs0", "stuck")
        for number in range(ROUTES, ROUTES + 100):
            await crowd.feed(range(number, number + 1))
        assert crowd.server.queued_bytes("rs0", "stuck") == waiting, "nothing is added to what it doesn't take"
        assert crowd.state("stuck") is State.ESTABLISHED, "and all that was while it was there"

    run(tmp_path, 0, test)


@pytest.mark.live
def test_one_that_reads_nothing_goes_when_the_send_hold_time_is_over(tmp_path: Path) -> None:
    """RFC 9687 section 4."""

    def gone(crowd: Crowd) -> bool:
        return any("Send Hold Timer Expired (8/0)" in each.text for each in crowd.server.history.events(["rs0"], ["stuck"]))

    async def test(crowd: Crowd) -> None:
        await crowd.feed(range(ROUTES))
        await until(lambda: gone(crowd), 30)
        await until(lambda: crowd.server.queued_bytes("rs0", "stuck") == 0, 30)
        assert crowd.state("stuck") is not State.ESTABLISHED
        assert [crowd.state(name) for name in ("feeder", "reader")] == [State.ESTABLISHED] * 2

    run(tmp_path, 1, test)
