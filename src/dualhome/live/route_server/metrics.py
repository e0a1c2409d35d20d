"""Numbers for Prometheus, gathered when they are asked for, and the small HTTP server that hands them out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from dualhome.bgp.events import State
from dualhome.bgp.speaker import Speaker
from dualhome.errors import SystemRefused

LONGEST_REQUEST: Final = 8192
PATIENCE_S: Final = 5.0
CONTENT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Watched(Protocol):
    """What metrics are made of."""

    @property
    def speakers(self) -> dict[str, Speaker]:
        """By name."""
        ...

    @property
    def started_s(self) -> float:
        """When the daemon started, as Unix time."""
        ...

    @property
    def changed_s(self) -> dict[tuple[str, str], float]:
        """When a session last changed its state, as Unix time."""
        ...

    @property
    def refused(self) -> dict[str, int]:
        """Connections of strangers, by speaker."""
        ...

    def queued_bytes(self, instance: str, peer: str) -> int:
        """What was sent to a peer and the kernel has not taken yet."""
        ...


class Collector:
    """All families of metrics; labels are `instance` and `peer`."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def collect(self) -> Iterator[Metric]:
        """As the library asks for it."""
        watched, both = self._watched, ["instance_name", "peer"]
        up = GaugeMetricFamily("dualhome_session_up", "1 while the session is Established", labels=both)
        since = GaugeMetricFamily("dualhome_session_changed_timestamp_seconds", "Last change of the session's state", labels=both)
        accepted = GaugeMetricFamily("dualhome_routes_accepted", "Routes of the peer that take part in the decision", labels=both)
        received = GaugeMetricFamily("dualhome_routes_received", "Routes that the peer announces, refused ones included", labels=both)
        rejected = GaugeMetricFamily("dualhome_routes_rejected", "Routes of the peer that were refused", labels=[*both, "reason"])
        beyond = GaugeMetricFamily("dualhome_routes_over_limit", "Routes beyond max_routes since the session began", labels=both)
        told = GaugeMetricFamily("dualhome_routes_advertised", "Routes that the peer was told", labels=both)
        flow = CounterMetricFamily("dualhome_update_bytes", "Bytes of UPDATE messages", labels=[*both, "direction"])
        notes = CounterMetricFamily("dualhome_notifications", "NOTIFICATION messages", labels=[*both, "direction"])
        drops = CounterMetricFamily("dualhome_session_drops", "Ends of Established sessions", labels=both)
        updates = CounterMetricFamily("dualhome_updates", "UPDATE messages", labels=["instance_name", "direction"])
        paths = GaugeMetricFamily("dualhome_paths", "Paths that are held", labels=["instance_name"])
        prefixes = GaugeMetricFamily("dualhome_prefixes", "Prefixes with a path", labels=["instance_name"])
        refused = CounterMetricFamily("dualhome_refused_connections", "Connections of strangers, reset at once", labels=["instance_name"])
        for name, speaker in watched.speakers.items():
            statistics = speaker.rib.statistics()
            paths.add_metric([name], statistics["paths"])
            prefixes.add_metric([name], statistics["prefixes"])
            updates.add_metric([name, "in"], statistics["updates_in"])
            updates.add_metric([name, "out"], statistics["updates_out"])
            refused.add_metric([name], watched.refused.get(name, 0))
            for peer in speaker.config.peers:
                session, labels = speaker.session(peer), [name, peer]
                let_in, refusals, advertised, over = speaker.counts(peer)
                up.add_metric(labels, session.state is State.ESTABLISHED)
                since.add_metric(labels, watched.changed_s.get((name, peer), watched.started_s))
                accepted.add_metric(labels, let_in)
                received.add_metric(labels, let_in + sum(refusals.values()))
                beyond.add_metric(labels, over)
                told.add_metric(labels, advertised)
                drops.add_metric(labels, session.counters.dropped)
                for reason, many in sorted(refusals.items()):
                    rejected.add_metric([*labels, reason], many)
                flow.add_metric([*labels, "in"], session.counters.update_bytes_in)
                flow.add_metric([*labels, "out"], session.counters.update_bytes_out)
                notes.add_metric([*labels, "in"], session.counters.notifications_in)
                notes.add_metric([*labels, "out"], session.counters.notifications_out)
        yield from (up, since, received, accepted, rejected, beyond, told, flow, notes, drops, updates, paths, prefixes, refused)
        yield GaugeMetricFamily("dualhome_start_timestamp_seconds", "When the daemon started", value=watched.started_s)


def text_of(watched: Watched) -> bytes:
    """All metrics in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(watched))
    return generate_latest(registry)


async def serve(host: str, port: int, text: Callable[[], bytes]) -> asyncio.Server:
    """Answer GET /metrics.

    Raises:
        SystemRefused: the port is taken, or the address isn't this machine's.
    """

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
            found = head.split(b" ", 2)[:2] in ([b"GET", b"/metrics"], [b"GET", b"/"])
            status, body = ("200 OK", text()) if found else ("404 Not Found", b"metrics are at /metrics\n")
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            )
            writer.write(body)
            await asyncio.wait_for(writer.drain(), PATIENCE_S)
        writer.close()

    try:
        return await asyncio.start_server(connected, host, port, limit=LONGEST_REQUEST)
    except OSError as error:
        raise SystemRefused(f"can't serve metrics on {host} port {port}: {error.strerror or error}") from error
