"""Connections between speakers on real sockets of the loopback interface."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

import pytest

from dualhome import _core
from dualhome.engine import events
from dualhome.errors import SystemRefused
from dualhome.live import transports as module
from dualhome.live.sockets import Endpoint, listener
from dualhome.live.transports import Transports
from dualhome.net import Address

pytestmark = pytest.mark.live

A, B = Address.parse("127.0.0.11"), Address.parse("127.0.0.12")


class Pair:
    """Two speakers, a and b, both in one `Transports`; all events in order."""

    def __init__(self) -> None:
        self.addresses = {"a": A, "b": B}
        self.ports: dict[str, int] = {}
        self.events: list[events.OfTransport] = []
        self.drained: list[tuple[str, str]] = []
        self.transports = Transports(self.events.append, self._endpoint, self._who, lambda *pair: self.drained.append(pair))
        for name, address in self.addresses.items():
            self.ports[name] = self.transports.listen(name, None, address, 0)

    def _endpoint(self, speaker: str, peer: str) -> Endpoint | None:
        if peer not in self.addresses:
            return None
        return Endpoint(local=self.addresses[speaker], remote=self.addresses[peer], port=self.ports[peer], ttl=3)

    def _who(self, speaker: str, remote: Address, device: str | None) -> str | None:
        return next((name for name, address in self.addresses.items() if address == remote and name != speaker), None)

    async def until(self, true: Callable[[], bool], limit_s: float = 5) -> None:
        end = asyncio.get_running_loop().time() + limit_s
        while not true():
            assert asyncio.get_running_loop().time() < end, self.events
            await asyncio.sleep(0.002)

    async def join(self) -> tuple[int, int]:
        """One connection from a to b; its numbers at both ends."""
        self.transports.perform(events.Open("a", "b"))
        await self.until(lambda: len(self.events) == 2)
        [up] = [e for e in self.events if isinstance(e, events.TransportUp)]
        [accepted] = [e for e in self.events if isinstance(e, events.Accepted)]
        self.events.clear()
        return up.transport, accepted.transport

    def data(self, speaker: str) -> bytes:
        return b"".join(e.data for e in self.events if isinstance(e, events.Bytes) and e.speaker == speaker)

    def closed(self) -> list[str]:
        return [e.speaker for e in self.events if isinstance(e, events.TransportClosed)]


@pytest.fixture
def run() -> Callable[..., None]:
    """Runs a test's coroutine on a fresh pair."""

    def go(test: Callable[[Pair], object]) -> None:
        async def main() -> None:
            pair = Pair()
            try:
                await test(pair)  # type: ignore[misc]
            finally:
                pair.transports.close()

        asyncio.run(main())

    return go


def test_what_is_sent_before_the_close_arrives_before_it(run: Callable[..., None]) -> None:
    async def test(pair: Pair) -> None:
        a, b = await pair.join()
        pair.transports.perform(events.Send("b", "a", b, b"unread by a"))
        pair.transports.perform(events.Send("a", "b", a, b"x" * 5_000_000))
        pair.transports.perform(events.Send("a", "b", a, b"last"))
        pair.transports.perform(events.Close("a", "b", a))
        assert pair.transports.in_flight() > 1_000_000
        await pair.until(lambda: pair.closed() == ["b"])
        assert pair.data("b") == b"x" * 5_000_000 + b"last"
        assert pair.data("a") == b"", "who closed wants nothing of it any more"
        await pair.until(lambda: not pair.transports.lingering)
        assert pair.transports.in_flight() == 0

    run(test)


def test_a_full_connection_says_so_and_says_when_it_is_not(run: Callable[..., None]) -> None:
    async def test(pair: Pair) -> None:
        a, _ = await pair.join()
        assert pair.transports.writable("a", "b")
        pair.transports.perform(events.Send("a", "b", a, b"x" * 20_000_000))
        assert not pair.transports.writable("a", "b")
        assert pair.transports.writable("b", "a")
        await pair.until(lambda: pair.drained == [("a", "b")])
        assert pair.transports.writable("a", "b")
        await pair.until(lambda: pair.transports.in_flight() == 0)
        assert len(pair.data("b")) == 20_000_000

    run(test)


def test_nothing_is_in_flight_only_when_all_is_read(run: Callable[..., None]) -> None:
    async def test(pair: Pair) -> None:
        pair.transports.perform(events.Open("a", "b"))
        assert pair.transports.in_flight() == 1
        assert pair.transports.in_flight(carries=lambda a, b: False) == 0
        await pair.until(lambda: len(pair.events) == 2)
        assert pair.transports.in_flight() == 0
        [up] = [e for e in pair.events if isinstance(e, events.TransportUp)]
        pair.transports.perform(events.Send("a", "b", up.transport, b"12345"))
        assert pair.transports.in_flight() == 5
        await pair.until(lambda: pair.data("b") == b"12345")
        assert pair.transports.in_flight() == 0
        pair.transports.perform(events.Vanish("a"))
        assert pair.transports.in_flight() == 1, "b hasn't heard of it yet"
        await pair.until(lambda: pair.closed() == ["b"])
        assert pair.transports.in_flight() == 0

    run(test)


def test_a_cut_ends_both_ends(run: Callable[..., None]) -> None:
    async def test(pair: Pair) -> None:
        await pair.join()
        pair.transports.perform(events.Cut("b", "a"))
        assert pair.events == [], "never from inside perform"
        await pair.until(lambda: sorted(pair.closed()) == ["a", "b"])
        assert pair.transports.in_flight() == 0

    run(test)


def test_strangers_and_callers_of_a_dead_speaker_are_reset(run: Callable[..., None]) -> None:
    async def test(pair: Pair) -> None:
        loop = asyncio.get_running_loop()
        stranger = socket.socket()
        stranger.bind(("127.0.0.13", 0))
        stranger.connect((str(B), pair.ports["b"]))
        stranger.setblocking(False)
        with pytest.raises(ConnectionResetError):
            await loop.sock_recv(stranger, 1)
        stranger.close()
        pair.transports.refuse("b", True)
        pair.transports.perform(events.Open("a", "b"))
        await pair.until(lambda: any(isinstance(e, events.TransportClosed | events.TransportFailed) for e in pair.events))
        assert pair.transports.refused == {"b": 2}
        assert pair.transports.in_flight() == 0
        pair.events.clear()
        pair.transports.refuse("b", False)
        await pair.join()

    run(test)


def test_attempts_fail_late_or_at_once_and_newer_ones_replace_older(run: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(pair: Pair) -> None:
        pair.transports.perform(events.Open("a", "nobody"))
        await pair.until(lambda: pair.events == [events.TransportFailed("a", "nobody")])
        pair.events.clear()
        pair.ports["b"] = 1  # nobody listens
        pair.transports.perform(events.Open("a", "b"))
        await pair.until(lambda: pair.events == [events.TransportFailed("a", "b")])
        pair.events.clear()
        pair.addresses["b"] = Address.parse("192.0.2.1")
        pair.addresses["a"] = Address.parse("192.0.2.2")  # not ours
        pair.transports.perform(events.Open("a", "b"))
        await pair.until(lambda: pair.events == [events.TransportFailed("a", "b")])

    run(test)


def test_an_attempt_ends_after_its_time(run: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_S", 0.05)

    async def test(pair: Pair) -> None:
        deaf = socket.socket()  # a backlog of one that is taken: the kernel drops further SYNs
        deaf.bind((str(B), 0))
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(2)]
        for each in fillers:
            each.setblocking(False)
            each.connect_ex(deaf.getsockname())
        pair.ports["b"] = deaf.getsockname()[1]
        pair.transports.perform(events.Open("a", "b"))
        pair.transports.perform(events.Open("a", "b"))
        await pair.until(lambda: bool(pair.events))
        await asyncio.sleep(0.1)
        assert pair.events == [events.TransportFailed("a", "b")], "the older attempt was dropped without a word"
        for each in (deaf, *fillers):
            each.close()

    run(test)


def test_who_doesnt_close_its_end_is_reset(run: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER_S", 0.05)

    async def test(pair: Pair) -> None:
        caller = socket.socket()
        caller.setblocking(False)
        caller.bind((str(A), 0))
        await asyncio.get_running_loop().sock_connect(caller, (str(B), pair.ports["b"]))
        await pair.until(lambda: bool(pair.events))
        [accepted] = pair.events
        assert isinstance(accepted, events.Accepted)
        pair.transports.perform(events.Send("b", "a", accepted.transport, b"bye"))
        pair.transports.perform(events.Close("b", "a", accepted.transport))
        assert await asyncio.get_running_loop().sock_recv(caller, 10) == b"bye"
        assert await asyncio.get_running_loop().sock_recv(caller, 10) == b""
        await pair.until(lambda: not pair.transports.lingering)
        with pytest.raises(BrokenPipeError):
            caller.send(b"more")
        caller.close()

    run(test)


def test_a_speaker_takes_only_so_many_connections_of_a_peer(run: Callable[..., None]) -> None:
    async def test(pair: Pair) -> None:
        callers = []
        for _ in range(module.MOST + 2):
            callers.append(socket.socket())
            callers[-1].bind((str(A), 0))
            callers[-1].connect((str(B), pair.ports["b"]))
        await pair.until(lambda: pair.transports.refused == {"b": 2})
        assert len(pair.events) == module.MOST
        for each in callers:
            each.close()

    run(test)


def test_a_taken_port_and_a_strange_address_are_named(run: Callable[..., None]) -> None:
    async def test(pair: Pair) -> None:
        with pytest.raises(SystemRefused, match=rf"can't listen on 127.0.0.11:{pair.ports['a']}: the port is taken by another program"):
            pair.transports.listen("a", None, A, pair.ports["a"])
        with pytest.raises(SystemRefused, match=r"can.t listen on 192\.0\.2\.1:179: this machine has no such address"):
            pair.transports.listen("a", None, Address.parse("192.0.2.1"))

    run(test)


@pytest.mark.skipif(os.geteuid() != 0, reason="a device's own sockets take root")
@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
@pytest.mark.parametrize("order", [(None, "lo"), ("lo", None)], ids=["device last", "device first"])
def test_what_comes_out_of_a_device_is_its_own_listeners(address: str, order: tuple[str | None, str | None]) -> None:
    """Another one listens on all devices."""
    here = _core.Namespace("/proc/self/ns/net")
    first = listener(here, Address.parse(address), 0, order[0])
    with first, listener(here, Address.parse(address), first.getsockname()[1], order[1]) as second:
        of_device = first if order[0] else second
        for _ in range(8):
            with socket.create_connection(("127.0.0.1" if address == "0.0.0.0" else "::1", first.getsockname()[1])):
                of_device.setblocking(True)
                of_device.settimeout(5)
                of_device.accept()[0].close()
