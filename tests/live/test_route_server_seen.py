"""What can be seen of a route server from outside: MRT files, history, pages of tables, metrics."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dualhome import _core, mrt
from dualhome.bgp.events import State
from dualhome.errors import RequestError, SystemRefused
from dualhome.live.route_server import control, metrics
from dualhome.live.route_server.dumps import file_name
from dualhome.live.route_server.history import PEERS, History
from dualhome.net import Prefix
from tests.live.test_route_server import FILE, Lab, nva, until
from tests.live.test_route_server import run as run_lab
from tests.live.workers import port

COLLECTOR = port(19029)
COMMAND = [sys.executable, "-m", "dualhome.cli", "route-server"]
ADDRESSES = {"127.0.0.32": "nva1", "127.0.0.33": "nva2"}


def run(tmp_path: Path, test: Callable[[Lab], Awaitable[None]], more: str = "", text: str = FILE) -> None:
    run_lab(tmp_path, test, f"{text}control: {tmp_path}/control\n{more}")


def asking(tmp_path: Path) -> Callable[..., Awaitable[Any]]:
    def ask(**request: Any) -> Awaitable[Any]:
        return asyncio.to_thread(control.ask, tmp_path / "control", request)

    return ask


async def command(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    call = [*COMMAND, *words, "--control", str(tmp_path / "control")]
    return await asyncio.to_thread(subprocess.run, call, capture_output=True, text=True, timeout=30)


# --- MRT ------------------------------------------------------------------------------------------------------------------


@pytest.mark.live
def test_what_peers_say_is_in_the_file_of_updates(tmp_path: Path) -> None:
    """Replayed, the messages give what the route server has learned; states and OPENs are there as well."""

    async def test(lab: Lab) -> None:
        lab.nvas.stop("nva2")
        await until(lambda: lab.server.speakers["rs0"].session("nva2").state is not State.ESTABLISHED)
        await lab.server.stop()
        [file] = tmp_path.glob("updates.*.mrt")
        records = list(mrt.records(io.BytesIO(file.read_bytes())))
        assert records == sorted(records, key=lambda record: record.time_us)
        routes: dict[str, set[str]] = {"nva1": set(), "nva2": set()}
        kinds: dict[str, list[int]] = {"nva1": [], "nva2": []}
        states: dict[str, list[tuple[int, int]]] = {"nva1": [], "nva2": []}
        for record in records:
            assert isinstance(record, mrt.Message | mrt.StateChange)
            name = ADDRESSES[str(record.peer[0])]
            assert str(record.local[0]) == "127.0.0.31"
            assert (record.peer[1], record.local[1]) == (65001 if name == "nva1" else 65002, 65515)
            if isinstance(record, mrt.StateChange):
                states[name].append((record.old, record.new))
                continue
            kinds[name].append(record.octets[18])
            if record.octets[18] == 2:
                routes[name] |= {str(Prefix(*row.prefix)) for row in _core.decode_updates(record.octets, record.four_octet_as)}
        assert routes == {"nva1": {"192.168.0.0/16", "10.0.7.0/24"}, "nva2": {"192.168.0.0/16", "172.16.0.0/12"}}
        assert kinds["nva2"][0] == 1
        assert kinds["nva2"][-1] == 3, "the NOTIFICATION with which it said goodbye"
        assert (5, 6) in states["nva1"]
        assert (6, 3) in states["nva2"], "its session is over, and it may come back at once"

    run(tmp_path, test, f"mrt: {{updates: {tmp_path}/updates.mrt, every_s: 86400}}\n")


@pytest.mark.live
def test_a_table_is_kept_with_all_its_paths(tmp_path: Path) -> None:
    async def test(lab: Lab) -> None:
        assert lab.server.dumps is not None
        [file] = await lab.server.dumps.dump()
        index, *entries = mrt.records(io.BytesIO(file.read_bytes()))
        assert isinstance(index, mrt.PeerIndex)
        assert (str(index.collector), index.view) == ("10.0.0.4", "rs0")
        assert [(str(each.identifier), str(each.address), each.asn) for each in index.peers] == [
            ("10.0.0.4", "127.0.0.31", 65515),
            ("127.0.0.32", "127.0.0.32", 65001),
            ("127.0.0.33", "127.0.0.33", 65002),
        ]
        found = {str(each.prefix): [entry.peer for entry in each.entries] for each in entries if isinstance(each, mrt.RibEntries)}
        assert found == {"10.0.0.0/16": [0], "172.16.0.0/12": [2], "192.168.0.0/16": [1, 2]}
        assert not list(tmp_path.glob("*.part"))
        if shutil.which("bgpdump"):
            done = subprocess.run(["bgpdump", "-m", "-O", str(tmp_path / "read"), str(file)], capture_output=True, timeout=20)
            lines = [line.split("|") for line in (tmp_path / "read").read_text().splitlines()]
            assert (done.returncode, sorted((line[3], line[5], line[6], line[8]) for line in lines)) == (
                0,
                [
                    ("127.0.0.31", "10.0.0.0/16", "", "127.0.0.31"),
                    ("127.0.0.32", "192.168.0.0/16", "65001", "127.0.0.32"),
                    ("127.0.0.33", "172.16.0.0/12", "65002", "127.0.0.33"),
                    ("127.0.0.33", "192.168.0.0/16", "65002", "127.0.0.33"),
                ],
            )

    own = FILE.replace("[10.0.0.0/16]", "[10.0.0.0/16, 'fd00::/64']")  # for which it has no next hop, so that nothing can say it
    run(tmp_path, test, f"mrt: {{rib: {tmp_path}/rib.%Y%m%d.mrt, every_s: 86400}}\n", own)


@pytest.mark.live
def test_a_table_that_is_not_whole_leaves_nothing(tmp_path: Path) -> None:
    async def test(lab: Lab) -> None:
        assert lab.server.dumps is not None
        writing = asyncio.ensure_future(lab.server.dumps.dump())
        while not list(tmp_path.glob("*.part")):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert list(tmp_path.glob("rib*")) == []

    run(tmp_path, test, f"mrt: {{rib: {tmp_path}/rib.mrt, every_s: 86400}}\n")


def test_files_are_named_by_their_period() -> None:
    """1,700,000,000 s is 2023-11-14 22:13:20 UTC."""
    at = 1_700_000_000
    assert str(file_name("/x/updates.%Y%m%d.%H%M.mrt", at, 900)) == "/x/updates.20231114.2200.mrt"
    assert str(file_name("/x/updates.mrt", at, 900)) == "/x/updates.20231114T220000Z.mrt"
    assert str(file_name("/x/rib.%H%M.mrt", at, 900, "rs0")) == "/x/rib.2200.rs0.mrt"
    assert str(file_name("/x/rib", at, 60, "rs0")) == "/x/rib.rs0.20231114T221300Z"


@pytest.mark.live
def test_a_directory_that_is_not_there_costs_the_records_only(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def test(lab: Lab) -> None:
        assert lab.server.dumps is not None
        assert await lab.server.dumps.dump() == []
        await until(lambda: lab.server.dumps is not None and lab.server.dumps.lost_records > 0)
        assert lab.server.speakers["rs0"].session("nva1").state is State.ESTABLISHED

    run(tmp_path, test, f"mrt: {{rib: {tmp_path}/no/rib.mrt, updates: {tmp_path}/no/updates.mrt}}\n")
    assert "can't be written: No such file or directory" in capfd.readouterr().err


# --- history ----------------------------------------------------------------------------------------------------------------


@pytest.mark.live
def test_history_says_what_happened_and_status_says_why(tmp_path: Path) -> None:
    async def test(lab: Lab) -> None:
        ask = asking(tmp_path)
        lab.nvas.stop("nva2")
        rs = lab.server.speakers["rs0"]
        await until(lambda: rs.session("nva2").state is not State.ESTABLISHED)
        events = await ask(ask="history", peer="nva2")
        assert [row["text"] for row in events if row["kind"] == "notification"] == [
            "received Cease, Administrative Shutdown (6/2): administrative shutdown"
        ]
        assert any(row["text"].startswith("OpenConfirm -> Established") for row in events)
        assert [row["number"] for row in events] == sorted(row["number"] for row in events)
        assert {row["peer"] for row in await ask(ask="history")} == {"nva1", "nva2"}
        assert await ask(ask="history", peer="nva2", limit=1) == events[-1:]
        assert await ask(ask="history", peer="nva2", after=events[-2]["number"]) == events[-1:]
        [row] = [row for row in await ask(ask="status") if row["peer"] == "nva2"]
        assert "Cease, Administrative Shutdown (6/2)" in row["last_error"]
        assert row["last_error_s"] >= 0
        assert (row["counters"]["notifications_in"], row["counters"]["dropped"]) == (1, 1)
        done = await command(tmp_path, "history", "--peer", "nva2", "--lines")
        assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == [row["text"] for row in events], done.stderr

    run(tmp_path, test)


def test_only_so_many_events_of_a_peer_and_so_many_peers_are_kept() -> None:
    history = History(3)
    for number in range(10):
        history.note("rs0", "a", "session", f"{number}", float(number))
    assert [event.text for event in history.events(["rs0"], ["a"])] == ["7", "8", "9"]
    for number in range(PEERS):
        history.note("rs0", f"p{number}", "session", "x" * 10_000, 0.0, error=True)
    assert list(history.events(["rs0"], ["a"])) == []
    assert history.error("rs0", "a") is None
    assert sum(1 for _ in history.events(["rs0"], None)) == PEERS
    assert {len(event.text) for event in history.events(["rs0"], None)} == {500}
    history.resize(1)
    history.note("rs0", "p1", "session", "later", 1.0)
    assert [event.text for event in history.events(["rs0"], ["p1"])] == ["later"]


# --- pages ------------------------------------------------------------------------------------------------------------------


@pytest.mark.live
def test_tables_come_in_pages_that_join_without_gap_and_overlap(tmp_path: Path) -> None:
    async def test(lab: Lab) -> None:
        ask = asking(tmp_path)
        many = [f"172.{16 + (i >> 8)}.{i & 255}.0/24" for i in range(1234)]
        for name in ("nva1", "nva2"):
            lab.nvas.reconfigure(nva(name, many))
        rs = lab.server.speakers["rs0"]
        await until(lambda: rs.counts("nva1")[0] == rs.counts("nva2")[0] == 1234)
        whole = await ask(ask="routes", instance="rs0")
        assert len(whole) == 2469
        pages: list[Any] = []
        after = None
        while page := await ask(ask="routes", instance="rs0", after=after, limit=100):
            assert len({row["prefix"] for row in page}) <= 100
            after = page[-1]["prefix"]
            pages += page
        assert pages == whole
        for what, peer in (("learned", "nva1"), ("advertised", "nva2")):
            all_of = await ask(ask=what, instance="rs0", peer=peer)
            first = await ask(ask=what, instance="rs0", peer=peer, limit=700)
            rest = await ask(ask=what, instance="rs0", peer=peer, after=first[-1]["prefix"])
            assert (len(first), first + rest) == (700, all_of)
        with pytest.raises(RequestError, match="'after' goes with one table: give the instance and the peer"):
            await ask(ask="learned", after="10.0.0.0/8")
        with pytest.raises(RequestError, match="'limit' is 'x', wanted a number"):
            await ask(ask="routes", limit="x")
        printed = await command(tmp_path, "routes", "--limit", "5")
        assert printed.stderr.splitlines() == [
            "dualhome: 5 prefixes, the last is 172.16.3.0/24; --limit takes more, --after goes on behind one"
        ]
        as_lines = await command(tmp_path, "routes", "--lines")
        assert [json.loads(line) for line in as_lines.stdout.splitlines()] == whole
        as_array = await command(tmp_path, "routes", "--json")
        assert json.loads(as_array.stdout) == whole
        nothing = await command(tmp_path, "rejected", "--peer", "nva1", "--json")
        assert (nothing.returncode, nothing.stdout) == (0, "[]\n")

    run(tmp_path, test)


@pytest.mark.live
def test_who_asks_for_a_table_and_goes_away_harms_nobody(tmp_path: Path) -> None:
    async def test(lab: Lab) -> None:
        many = [f"172.{16 + (i >> 8)}.{i & 255}.0/24" for i in range(3000)]
        lab.nvas.reconfigure(nva("nva1", many))
        rs = lab.server.speakers["rs0"]
        await until(lambda: rs.counts("nva1")[0] == 3000)
        reader, writer = await asyncio.open_unix_connection(tmp_path / "control")
        writer.write(b'{"ask": "routes"}\n')
        assert json.loads(await reader.readline())["row"]["prefix"] == "10.0.0.0/16"
        writer.close()
        assert len(await asking(tmp_path)(ask="routes", limit=2)) == 2
        assert rs.session("nva1").state is State.ESTABLISHED

    run(tmp_path, test)


def test_an_answer_that_breaks_off_is_no_answer(tmp_path: Path) -> None:
    async def main() -> None:
        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b'{"row": {"prefix": "10.0.0.0/8"}}\n')
            writer.close()

        server = await asyncio.start_unix_server(half, tmp_path / "control")
        with pytest.raises(SystemRefused, match="stopped in the middle of its answer"):
            await asyncio.to_thread(control.ask, tmp_path / "control", {"ask": "routes"})
        server.close()

    asyncio.run(main())


# --- metrics ----------------------------------------------------------------------------------------------------------------


@pytest.mark.live
def test_metrics_tell_of_collectors_files_queues_and_turns(tmp_path: Path) -> None:
    def value(text: str, name: str) -> float:
        [line] = [line for line in text.splitlines() if line.startswith(name + " ")]
        return float(line.rpartition(" ")[2])

    async def test(lab: Lab) -> None:
        text = metrics.text_of(lab.server).decode()
        labels = f'{{collector="127.0.0.1:{COLLECTOR}",instance_name="rs0"}}'
        assert value(text, f"dualhome_bmp_connected{labels}") == 0
        assert value(text, f"dualhome_bmp_overflows_total{labels}") == 0
        assert value(text, 'dualhome_queue_bytes{instance_name="rs0",peer="nva1"}') == 0
        assert value(text, 'dualhome_sessions_established_total{instance_name="rs0",peer="nva1"}') == 1
        assert value(text, 'dualhome_messages_total{direction="in",instance_name="rs0",peer="nva1"}') >= 3  # OPEN, KEEPALIVE, UPDATE
        assert value(text, 'dualhome_attribute_blocks{instance_name="rs0"}') >= 2
        assert value(text, "dualhome_decision_seconds_count") >= 1
        assert value(text, "dualhome_decision_seconds_sum") > 0
        assert value(text, "process_resident_memory_bytes") > 1_000_000
        assert lab.server.dumps is not None
        await until(lambda: lab.server.dumps is not None and lab.server.dumps.written_bytes > 0)
        assert value(metrics.text_of(lab.server).decode(), "dualhome_mrt_bytes_total") == lab.server.dumps.written_bytes
        assert value(text, "dualhome_mrt_lost_records_total") == 0

    run(tmp_path, test, f"mrt: {{updates: {tmp_path}/updates.mrt}}\nbmp: [{{to: '127.0.0.1:{COLLECTOR}'}}]\n")
