"""Numbers for Prometheus, gathered when they are asked for, and the small HTTP server that hands them out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from dualhome.bgp.events import State
from dualhome.bgp.speaker import Speaker
from dualhome.errors import SystemRefused
from dualhome.live.route_server.bmp_station import Station
from dualhome.live.route_server.dumps import Dumps
from dualhome.live.route_server.programming import Programming

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

    @property
    def turns(self) -> tuple[int, float]:
        """In how many turns routes were decided and sent, and the seconds that they took in all."""
        ...

    @property
    def stations(self) -> Sequence[Station]:
        """Connections to collectors."""
        ...

    @property
    def dumps(self) -> Dumps | None:
        """MRT files, where they are kept."""
        ...

    @property
    def programs(self) -> Mapping[str, Programming]:
        """What writes to the kernel, by instance."""
        ...


class Collector:
    """All families of metrics; labels are `instance_name` and `peer`."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def collect(self) -> Iterator[Metric]:
        """As the library asks for it."""
        yield from self._of_instances()
        yield from self._of_peers()
        yield from self._of_monitors()
        turns = SummaryMetricFamily("dualhome_decision_seconds", "Turns in which routes were decided and sent, and what they took")
        turns.add_metric([], *self._watched.turns)
        yield turns
        yield GaugeMetricFamily("dualhome_start_timestamp_seconds", "When the daemon started", value=self._watched.started_s)

    def _of_instances(self) -> Iterator[Metric]:
        one = ["instance_name"]
        updates = CounterMetricFamily("dualhome_updates", "UPDATE messages", labels=[*one, "direction"])
        paths = GaugeMetricFamily("dualhome_paths", "Paths that are held", labels=one)
        prefixes = GaugeMetricFamily("dualhome_prefixes", "Prefixes with a path", labels=one)
        blocks = GaugeMetricFamily("dualhome_attribute_blocks", "Distinct path attributes that are held", labels=one)
        groups = GaugeMetricFamily("dualhome_update_groups", "Groups of peers that are told the same", labels=one)
        refused = CounterMetricFamily("dualhome_refused_connections", "Connections of strangers, reset at once", labels=one)
        other = GaugeMetricFamily("dualhome_rib", "What else the RIB counts, each by its name", labels=[*one, "what"])
        for name, speaker in self._watched.speakers.items():
            numbers = dict(speaker.rib.statistics())
            paths.add_metric([name], numbers.pop("paths"))
            prefixes.add_metric([name], numbers.pop("prefixes"))
            updates.add_metric([name, "in"], numbers.pop("updates_in"))
            updates.add_metric([name, "out"], numbers.pop("updates_out"))
            blocks.add_metric([name], numbers.pop("attributes"))
            groups.add_metric([name], numbers.pop("update_groups"))
            refused.add_metric([name], self._watched.refused.get(name, 0))
            for what, value in sorted(numbers.items()):
                other.add_metric([name, what], value)
        yield from (updates, paths, prefixes, blocks, groups, refused, other)

    def _of_peers(self) -> Iterator[Metric]:
        watched, both = self._watched, ["instance_name", "peer"]
        up = GaugeMetricFamily("dualhome_session_up", "1 while the session is Established", labels=both)
        since = GaugeMetricFamily("dualhome_session_changed_timestamp_seconds", "Last change of the session's state", labels=both)
        accepted = GaugeMetricFamily("dualhome_routes_accepted", "Routes of the peer that take part in the decision", labels=both)
        received = GaugeMetricFamily("dualhome_routes_received", "Routes that the peer announces, refused ones included", labels=both)
        rejected = GaugeMetricFamily("dualhome_routes_rejected", "Routes of the peer that were refused", labels=[*both, "reason"])
        beyond = GaugeMetricFamily("dualhome_routes_over_limit", "Routes beyond max_routes since the session began", labels=both)
        memory = GaugeMetricFamily("dualhome_routes_memory_bytes", "Memory of the peer's routes, as if nobody else had them", labels=both)
        told = GaugeMetricFamily("dualhome_routes_advertised", "Routes that the peer was told", labels=both)
        queue = GaugeMetricFamily("dualhome_queue_bytes", "What was sent to the peer and the kernel has not taken yet", labels=both)
        flow = CounterMetricFamily("dualhome_update_bytes", "Bytes of UPDATE messages", labels=[*both, "direction"])
        all_kinds = CounterMetricFamily("dualhome_messages", "BGP messages", labels=[*both, "direction"])
        notes = CounterMetricFamily("dualhome_notifications", "NOTIFICATION messages", labels=[*both, "direction"])
        asked = CounterMetricFamily("dualhome_route_refreshes", "ROUTE-REFRESH messages", labels=[*both, "direction"])
        nlri = CounterMetricFamily("dualhome_prefixes_heard", "Prefixes in UPDATEs of the peer in this session", labels=[*both, "kind"])
        faults = CounterMetricFamily(
            "dualhome_malformed_updates",
            "UPDATEs of this session with a defect, by what it meant (RFC 7606)",
            labels=[*both, "attribute", "verdict"],
        )
        long = CounterMetricFamily("dualhome_routes_too_long", "Attributes that no message of the session can hold", labels=both)
        ups = CounterMetricFamily("dualhome_sessions_established", "Sessions that became Established", labels=both)
        drops = CounterMetricFamily("dualhome_session_drops", "Ends of Established sessions", labels=both)
        for name, speaker in watched.speakers.items():
            for peer in speaker.config.peers:
                session, labels = speaker.session(peer), [name, peer]
                counters = session.counters
                let_in, refusals, advertised, over = speaker.counts(peer)
                for key, value in speaker.rib.peer_statistics(speaker.peer_number(peer)).items():
                    kind, _, rest = key.partition("/")
                    if kind == "malformed":
                        faults.add_metric([*labels, *rest.rsplit("/", 1)], value)
                    elif key in ("announced_in", "withdrawn_in"):
                        nlri.add_metric([*labels, key.removesuffix("_in")], value)
                    elif key == "too_long_out":
                        long.add_metric(labels, value)
                up.add_metric(labels, session.state is State.ESTABLISHED)
                since.add_metric(labels, watched.changed_s.get((name, peer), watched.started_s))
                accepted.add_metric(labels, let_in)
                received.add_metric(labels, let_in + sum(refusals.values()))
                beyond.add_metric(labels, over)
                memory.add_metric(labels, speaker.rib.memory(speaker.peer_number(peer)))
                told.add_metric(labels, advertised)
                queue.add_metric(labels, watched.queued_bytes(name, peer))
                ups.add_metric(labels, counters.established)
                drops.add_metric(labels, counters.dropped)
                for reason, many in sorted(refusals.items()):
                    rejected.add_metric([*labels, reason], many)
                for direction, octets, messages, notified, refreshes in (
                    ("in", counters.update_bytes_in, counters.messages_in, counters.notifications_in, counters.refreshes_in),
                    ("out", counters.update_bytes_out, counters.messages_out, counters.notifications_out, counters.refreshes_out),
                ):
                    flow.add_metric([*labels, direction], octets)
                    all_kinds.add_metric([*labels, direction], messages)
                    notes.add_metric([*labels, direction], notified)
                    asked.add_metric([*labels, direction], refreshes)
        yield from (
            up,
            since,
            received,
            accepted,
            rejected,
            beyond,
            memory,
            told,
            queue,
            flow,
            all_kinds,
            notes,
            asked,
            nlri,
            faults,
            long,
            ups,
            drops,
        )

    def _of_monitors(self) -> Iterator[Metric]:
        labels = ["instance_name", "collector"]
        connected = GaugeMetricFamily("dualhome_bmp_connected", "1 while a collector is connected", labels=labels)
        queue = GaugeMetricFamily("dualhome_bmp_queue_bytes", "What a collector has not taken yet", labels=labels)
        sent = CounterMetricFamily("dualhome_bmp_bytes", "Bytes that a collector was sent", labels=labels)
        slow = CounterMetricFamily("dualhome_bmp_overflows", "Connections given up, for the collector read too slowly", labels=labels)
        for station in self._watched.stations:
            each = [station.instance, station.name]
            connected.add_metric(each, station.listens)
            queue.add_metric(each, station.queued_bytes)
            sent.add_metric(each, station.bytes_sent)
            slow.add_metric(each, station.overflows)
        if self._watched.stations:
            yield from (connected, queue, sent, slow)
        if (dumps := self._watched.dumps) is not None:
            yield CounterMetricFamily("dualhome_mrt_bytes", "Bytes of MRT updates on disk", value=dumps.written_bytes)
            yield CounterMetricFamily("dualhome_mrt_lost_records", "MRT records that no disk took", value=dumps.lost_records)
            yield GaugeMetricFamily("dualhome_mrt_table_seconds", "How long the last MRT tables took", value=dumps.table_s)
        missing = GaugeMetricFamily("dualhome_programming_unresolved", "Prefixes without a way to their next hop", labels=["instance_name"])
        for name, program in self._watched.programs.items():
            missing.add_metric([name], program.unresolved)
        if self._watched.programs:
            yield missing


def text_of(watched: Watched) -> bytes:
    """All metrics in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(watched))
    ProcessCollector(registry=registry)  # memory, processor time, open descriptors
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
