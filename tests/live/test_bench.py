"""The benchmarks work, and what they say is right can be wrong: figures are never asserted here, only that tables are checked and counts add up."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from dualhome.app import benches
from dualhome.cli import run
from tests.consoles import ROOT

BENCHES = ROOT / "benches"
MARKER = b"\xff" * 16
OPEN, UPDATE, KEEPALIVE = 1, 2, 4
ASN = 65000
Said = list[dict[str, object]]


@cache
def loader() -> str:
    """The load generator, built."""
    if shutil.which("cargo") is None:
        pytest.skip("cargo is missing, and the load generator is built with it")
    code = "import loading; print(loading.loader())"
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCHES, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def needs_namespace() -> None:
    """Benchmarks of the engine have a network namespace of their own."""
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are refused here")


# --- a route server that can lie ---------------------------------------------------------------------------------------

Change = Callable[[int, list[bytes]], list[bytes]]


def message(kind: int, body: bytes = b"") -> bytes:
    return MARKER + (19 + len(body)).to_bytes(2, "big") + bytes([kind]) + body


def read_message(peer: socket.socket) -> tuple[int, bytes]:
    header = peer.recv(19, socket.MSG_WAITALL)
    if len(header) < 19:
        raise ConnectionError
    length = int.from_bytes(header[16:18], "big") - 19
    return header[18], peer.recv(length, socket.MSG_WAITALL) if length else b""


class Relay:
    """Tells every peer the other's UPDATEs as they are, after `change` has had its way with them."""

    def __init__(self, peers: int, messages: int, change: Change) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.peers, self.messages, self.change = peers, messages, change
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        made = [self.listener.accept()[0] for _ in range(self.peers)]
        made.sort(key=lambda peer: peer.getpeername())
        for peer in made:
            assert read_message(peer)[0] == OPEN
            capabilities = bytes([1, 4, 0, 1, 0, 1, 65, 4]) + ASN.to_bytes(4, "big")
            body = bytes([4]) + ASN.to_bytes(2, "big") + (240).to_bytes(2, "big") + b"\x01\x01\x01\x01"
            peer.sendall(message(OPEN, body + bytes([len(capabilities) + 2, 2, len(capabilities)]) + capabilities))
            assert read_message(peer)[0] == KEEPALIVE
            peer.sendall(message(KEEPALIVE))
        told = [[body for _ in range(self.messages) if (body := read_message(peer)[1])] for peer in made]
        for number, peer in enumerate(made):
            others = [body for other, bodies in enumerate(told) if other != number for body in bodies]
            peer.sendall(b"".join(message(UPDATE, body) for body in self.change(number, others)))
        self.connections = made  # kept, so that they stay open


@contextmanager
def relay(change: Change, messages: int) -> Iterator[str]:
    made = Relay(2, messages, change)
    try:
        yield f"127.0.0.1:{made.listener.getsockname()[1]}"
    finally:
        made.listener.close()


def load(to: str, prefixes: int = 1, **more: object) -> tuple[int, Said, str]:
    """What the load generator says of two senders, and its exit."""
    plan = {"to": to, "first_address": "127.18.0.1", "asn": ASN, "first_asn": 100001, "senders": 2, "prefixes": prefixes}
    plan |= {"quiet_s": 0.2, "timeout_s": 1.0, **more}
    done = subprocess.run([loader(), json.dumps(plan)], capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def honest(number: int, bodies: list[bytes]) -> list[bytes]:
    return bodies


def test_a_route_server_that_tells_everything_is_right() -> None:
    with relay(honest, messages=1) as to:
        code, said, _ = load(to)
    assert (code, said[-1]["right"], said[-1]["wrong"], said[-1]["held"]) == (0, True, 0, 2)


def leaves_one_out(number: int, bodies: list[bytes]) -> list[bytes]:
    return bodies if number else []


def loses_a_community(number: int, bodies: list[bytes]) -> list[bytes]:
    return [lengthened(body) if number == 0 else body for body in bodies]


def lengthened(body: bytes) -> bytes:
    """The same UPDATE with one AS more in its path."""
    length = int.from_bytes(body[2:4], "big")
    attributes, nlri = body[4 : 4 + length], body[4 + length :]
    assert attributes[4:6] == b"\x40\x02"  # ORIGIN comes first, then the path
    size, count = attributes[6], attributes[8]
    path = bytes([size + 4, 2, count + 1]) + attributes[9 : 7 + size] + (77).to_bytes(4, "big")
    changed = attributes[:6] + path + attributes[7 + size :]
    return b"\0\0" + len(changed).to_bytes(2, "big") + changed + nlri


def moves_the_prefix(number: int, bodies: list[bytes]) -> list[bytes]:
    return [body[:-1] + bytes([body[-1] ^ 1]) if number == 0 else body for body in bodies]


def tells_and_withdraws(number: int, bodies: list[bytes]) -> list[bytes]:
    gone = [nlri_of(body) for body in bodies]
    return bodies + ([len(nlri).to_bytes(2, "big") + nlri + b"\0\0" for nlri in gone] if number == 0 else [])


def nlri_of(body: bytes) -> bytes:
    return body[4 + int.from_bytes(body[2:4], "big") :]


@pytest.mark.parametrize(("lie", "unknown"), [(leaves_one_out, 0), (loses_a_community, 1), (moves_the_prefix, 1), (tells_and_withdraws, 0)])
def test_a_lie_about_one_route_is_noticed(lie: Change, unknown: int) -> None:
    with relay(lie, messages=1) as to:
        code, said, _ = load(to)
    assert (code, said[-1]["right"], said[-1]["wrong"], said[-1]["unknown"]) == (1, False, 1, unknown)


def test_a_route_told_to_the_one_who_announced_it_is_counted() -> None:
    own: dict[int, list[bytes]] = {}

    def echo(number: int, bodies: list[bytes]) -> list[bytes]:
        own[number] = bodies
        return bodies + own.get(0, [])  # what the first one is told is the second one's own

    with relay(echo, messages=1) as to:
        _, said, _ = load(to)
    assert said[-1]["echoes"] == 1


def test_a_malformed_update_ends_the_session_and_is_told() -> None:
    with relay(lambda number, bodies: [body + b"\x21" for body in bodies] if number else bodies, messages=1) as to:
        code, said, _ = load(to)
    assert code == 1
    assert said[-1]["malformed"] == 1
    assert said[-1]["lost"] == [{"peer": 1, "why": "a malformed UPDATE: a prefix that can't be one"}]


def test_nobody_there_is_no_result() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    code, said, complaint = load(f"127.0.0.1:{port}")
    assert (code, said) == (3, [])
    assert complaint.startswith("dualhome-load: 0 of 2 sessions came up; the last that failed: Connection refused")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"senders": 0}, "a load needs a sender and a prefix"),
        ({"surprise": 1}, "the plan is wrong: unknown field `surprise`"),
        ({"table": "same", "senders": 15}, "at most 14 speakers can announce the same prefixes"),
        ({"then": [{"do": "drop", "peer": 9}]}, "no such speaker to drop"),
    ],
)
def test_a_plan_that_cannot_be_done_is_refused(change: Mapping[str, object], complaint: str) -> None:
    code, said, told = load("127.0.0.1:1", **change)
    assert (code, said) == (2, [])
    assert told.startswith(f"dualhome-load: {complaint}")


# --- the programs ------------------------------------------------------------------------------------------------------


def program(name: str, *words: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, str(BENCHES / f"{name}.py"), *words, "--json"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert isinstance(report, dict)
    return report


def test_every_scenario_of_the_engine_ends_with_all_tables_right() -> None:
    loader()
    needs_namespace()
    rows = program("engine", "--against", "none", "--runs", "1", "--scale", "0.002", "--quiet", "0.2", "--timeout", "30")["rows"]
    assert isinstance(rows, list)
    assert [(row["scenario"], row["phase"]) for row in rows] == [
        ("through", "announce"),
        ("through", "withdraw"),
        ("azure", "announce"),
        ("azure", "drop"),
        ("same", "announce"),
        ("same", "drop"),
        ("best-lost", "announce"),
        ("best-lost", "drop"),
        ("exchange", "announce"),
        ("exchange", "drop"),
        ("latency", "announce"),
        ("latency", "latency"),
    ]
    assert [row["runs"] for row in rows] == ["1 of 1"] * 12


@pytest.mark.live
@pytest.mark.parametrize("daemon", ["bird", "frr", "openbgpd"])
def test_other_daemons_can_be_measured_in_the_same_run(daemon: str) -> None:
    loader()
    needs_namespace()
    words = ["same", "--against", daemon, "--runs", "1", "--scale", "0.002", "--quiet", "0.2", "--timeout", "30", "--json"]
    done = subprocess.run([sys.executable, str(BENCHES / "engine.py"), *words], capture_output=True, text=True, check=False, timeout=120)
    if "isn't installed" in done.stderr or "by root alone" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    rows = json.loads(done.stdout)["rows"]
    assert [(row["daemon"], row["phase"], row["runs"]) for row in rows] == [
        ("dualhome", "announce", "1 of 1"),
        (daemon, "announce", "1 of 1"),
        ("dualhome", "drop", "1 of 1"),
        (daemon, "drop", "1 of 1"),
    ]
    assert rows[0]["cpu_ratio"] > 0


def test_peers_stay_and_changes_without_end_leave_every_table_right() -> None:
    loader()
    needs_namespace()
    unlimited = ["--cpu-limit", "1000", "--memory-limit", "1000", "--every", "0.5", "--quiet", "0.2"]
    stay = program("soak", "stay", "--peers", "60", "--prefixes", "20", "--seconds", "2", *unlimited)
    churn = program("soak", "churn", "--peers", "4", "--prefixes", "200", "--rate", "500", "--seconds", "2", *unlimited)
    for found in (stay, churn):
        assert (found["lost"], found["right"], found["wrong"]) == (0, True, [])
        assert found["samples"], "it was looked at on the way"
    assert [sample["updates"] for sample in listed(stay["samples"])] == [0] * len(listed(stay["samples"]))
    assert all(int(str(sample["updates"])) > 0 for sample in listed(churn["samples"]))


def listed(value: object) -> Sequence[Mapping[str, object]]:
    assert isinstance(value, list)
    return value


# --- what is made of it ------------------------------------------------------------------------------------------------


def phase(name: str, cpu_s: float, right: bool = True, **more: object) -> dict[str, object]:
    usual = {"wall_s": cpu_s * 2, "load_cpu_s": 0.1, "rss_kib": 2048, "lost": [], "wrong": 0 if right else 7}
    return {"event": "phase", "name": name, "right": right, "cpu_s": cpu_s, **usual, **more}


def made(cpu_s: float, right: bool = True) -> Said:
    return [{"event": "established", "rss_kib": 1024}, phase("announce", cpu_s, right)]


def test_rows_are_medians_with_ratios_to_the_best_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHES))
    from loading import Scenario

    import engine

    scenario = Scenario(name="s", title="", senders=2, prefixes=512)
    runs = {"dualhome": [made(1.0), made(3.0), made(2.0)], "bird": [made(4.0)], "frr": [made(8.0)]}
    rows = engine.rows(scenario, runs, dict.fromkeys(runs, "1"))
    assert [(row["daemon"], row["runs"], row["cpu_s"], row["cpu_ratio"], row["wall_ratio"]) for row in rows] == [
        ("dualhome", "3 of 3", 2.0, 0.5, 0.5),
        ("bird", "1 of 1", 4.0, 0.5, 0.5),
        ("frr", "1 of 1", 8.0, 2.0, 2.0),
    ]
    assert rows[0]["bytes_a_path"] == 1024
    assert engine.summary(rows) == [
        {"scenario": "s", "phase": "announce", "cpu_ratio": 0.5, "wall_ratio": 0.5, "p99_ratio": None, "memory_ratio": 1.0}
    ]


def test_a_run_that_is_not_right_counts_for_nothing_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHES))
    from loading import Scenario

    import engine

    scenario = Scenario(name="s", title="", senders=1, prefixes=1)
    runs = {"dualhome": [made(1.0), made(0.1, right=False)], "bird": [[{"event": "failed", "why": "bird doesn't listen"}]]}
    rows = engine.rows(scenario, runs, dict.fromkeys(runs, "1"))
    assert [(row["runs"], row.get("cpu_s"), row["why"]) for row in rows] == [
        ("1 of 2", 1.0, "announce: 7 routes not right in time"),
        ("0 of 1", None, "bird doesn't listen"),
    ]


def test_the_verb_puts_reports_together_and_says_what_it_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benches.os, "geteuid", lambda: 1000)
    assert run(["bench", "fabric", "--json"]) == 1
    shown = capsys.readouterr()
    assert {name: report["why"] for name, report in json.loads(shown.out).items()} == {
        "netlink": "it needs root",
        "fabric": "it needs root",
        "restart": "it needs root",
    }


def test_the_verb_runs_the_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "simulation", "--quick", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["spokes"] for row in found["simulate"]["rows"]] == [10]
    assert [(row["shape"], row["spokes"]) for row in found["check"]["rows"]] == [("dual", 50)]
    assert found["simulate"]["machine"]["processors"] >= 1


def test_without_the_sources_there_are_no_benchmarks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(benches, "FOLDER", tmp_path / "benches")
    assert run(["bench"]) == 3
    assert capsys.readouterr().err == (
        "dualhome: benchmarks are part of the source tree, which this installation isn't: run it from a checkout\n"
    )
