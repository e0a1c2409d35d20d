"""One connection to a collector: how it is made again, paced and ended, and the tables that it begins with."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from dualhome.bgp.speaker import Speaker
from dualhome.live.route_server import bmp_words as words
from dualhome.live.route_server.config import Bmp
from dualhome.live.route_server.pages import announcements, prefixes
from dualhome.net import Address

DESCRIPTION: Final = "dualhome route-server"
CONNECT_S: Final = 10.0
LONGEST_RETRY_S: Final = 720.0
"""RFC 7854 section 3.2."""
PACE_BYTES: Final = 256 * 1024
"""A table waits while so much of it is unsent."""
GOODBYE_S: Final = 2.0


class Source(Protocol):
    """Whom collectors are told of."""

    @property
    def speakers(self) -> dict[str, Speaker]:
        """By instance."""
        ...

    def ends_of(self, transport: int) -> tuple[tuple[Address, int], tuple[Address, int]] | None:
        """Our address and port of a connection, and the peer's."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class Followed:
    """A peer while its session is Established."""

    instance: str
    peer: str
    who: words.Monitored
    transport: int
    up: bytes  # the message that says so
    families: tuple[tuple[int, int], ...]
    notification: tuple[bool, bytes] | None = None


class Station:
    """One instance's connection to one collector."""

    def __init__(self, instance: str, to: Bmp, source: Source, followed: Callable[[str], list[Followed]], log: Any) -> None:
        self.instance: Final = instance
        self.to: Final = to
        self._source, self._followed, self._log = source, followed, log
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self.connections = 0  # that were made
        self.overflows = 0  # connections that ended because the collector read too slowly
        self.bytes_sent = 0

    @property
    def name(self) -> str:
        """The collector's address and port."""
        return "{}:{}".format(*self.to.to)

    @property
    def listens(self) -> bool:
        """Whether it is connected."""
        return self._writer is not None

    @property
    def queued_bytes(self) -> int:
        """What the collector has not taken yet."""
        return 0 if self._writer is None else self._writer.transport.get_write_buffer_size()

    def start(self) -> None:
        """Connect, again and again."""
        self._task = minded(asyncio.get_running_loop().create_task(self._run()))

    async def end(self) -> None:
        """Say goodbye, and no more."""
        if (writer := self._writer) is not None:
            writer.write(words.termination(0, "the route server ends"))
            with contextlib.suppress(OSError, TimeoutError):
                writer.transport.set_write_buffer_limits(0)
                await asyncio.wait_for(writer.drain(), GOODBYE_S)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def put(self, data: bytes) -> None:
        """Send this, or end a connection that takes too little."""
        if self._writer is None or not data:
            return
        if self.queued_bytes + len(data) > self.to.queue_bytes:
            self.overflows += 1
            self.drop(f"{self.to.queue_bytes >> 20} MiB are waiting for it")
            return
        self._writer.write(data)
        self.bytes_sent += len(data)

    def drop(self, why: str) -> None:
        """End the connection; the next one begins with everything."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
            self._log.warning("bmp", instance=self.instance, collector=self.name, text=f"connection given up: {why}")

    async def _run(self) -> None:
        wait_s = self.to.retry_s
        while True:
            try:
                opening = asyncio.open_connection(*self.to.to)
                reader, writer = await asyncio.wait_for(opening, CONNECT_S)
            except (OSError, TimeoutError) as error:
                self._log.debug("bmp", instance=self.instance, collector=self.name, text=f"not reached: {error or 'no answer'}")
            else:
                wait_s = self.to.retry_s
                await self._talk(reader, writer)
                self._log.warning("bmp", instance=self.instance, collector=self.name, text="the connection has ended")
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the connection ends."""
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        writer.transport.set_write_buffer_limits(PACE_BYTES)
        self.connections += 1
        self._log.info("bmp", instance=self.instance, collector=self.name, text="connected")
        self._writer = writer
        now = self._followed(self.instance)
        self.put(words.initiation(self.instance, DESCRIPTION) + b"".join(each.up for each in now))
        tasks = [asyncio.ensure_future(each) for each in (self._listen(reader), self._count(), self._tell_all(now, writer))]
        try:
            await tasks[0]
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self._writer = None
            writer.transport.abort()
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, OSError | asyncio.CancelledError):
                raise result

    @staticmethod
    async def _listen(reader: asyncio.StreamReader) -> None:
        """A collector says nothing (RFC 7854 section 3.2), but it ends the connection."""
        with contextlib.suppress(OSError):
            while await reader.read(4096):
                pass

    async def _count(self) -> None:
        """Statistics of all peers, every now and then."""
        while self.to.statistics_s:
            await asyncio.sleep(self.to.statistics_s)
            for each in self._followed(self.instance):
                self.put(words.statistics(each.who, time.time_ns() // 1000, numbers(self._source.speakers[self.instance], each.peer)))

    async def _tell_all(self, now: Sequence[Followed], writer: asyncio.StreamWriter) -> None:
        """The tables of peers that were Established when it connected. What changes meanwhile is told at once, so each is told as it is now."""
        for each in now:
            for post_policy in (False, True):
                if not (self.to.post_policy if post_policy else self.to.pre_policy):
                    continue
                header = each.who.header(0, post_policy=post_policy, four_octet_as=True)
                speaker = self._source.speakers[each.instance]
                for some in prefixes(speaker, each.peer):
                    if each not in self._followed(self.instance):
                        break
                    updates, _ = announcements(speaker, "accepted" if post_policy else "received", each.peer, some)
                    self.put(words.route_monitoring(header, updates))
                    await writer.drain()
                    await asyncio.sleep(0)
                else:
                    self.put(words.route_monitoring(header, map(words.end_of_rib, each.families)))


def minded(task: asyncio.Task[None]) -> asyncio.Task[None]:
    """A task whose fault is said at once, and not when somebody asks for its result."""

    def ended(done: asyncio.Task[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            done.get_loop().call_exception_handler({"message": "a task of the route server has ended", "exception": error, "task": done})

    task.add_done_callback(ended)
    return task


COUNTED: Final = {
    words.Statistic.REJECTED: "rejected_in",
    words.Statistic.CLUSTER_LOOPS: "cluster_loops_in",
    words.Statistic.AS_PATH_LOOPS: "as_loops_in",
    words.Statistic.ORIGINATOR_LOOPS: "originator_loops_in",
    words.Statistic.TREATED_AS_WITHDRAW: "treated_as_withdraw",
    words.Statistic.PREFIXES_TREATED_AS_WITHDRAW: "prefixes_treated_as_withdraw",
}
"""Counters since the session began, by their names in `Rib.peer_statistics`."""


def numbers(speaker: Speaker, peer: str) -> dict[words.Statistic, int]:
    """What is counted of a peer, in BMP's kinds, ascending."""
    let_in, refused, told, _ = speaker.counts(peer)
    counted = speaker.rib.peer_statistics(speaker.peer_number(peer))
    found = {kind: counted[name] for kind, name in COUNTED.items()} | {
        words.Statistic.ADJ_RIB_IN: let_in + sum(refused.values()),
        words.Statistic.LOC_RIB: let_in,
        words.Statistic.ADJ_RIB_OUT: told,
    }
    return {kind: found[kind] for kind in sorted(found)}
