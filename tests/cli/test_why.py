"""`dualhome why`: what it prints, in a terminal and as JSON, and what it complains of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dualhome.cli import run

ROOT = Path(__file__).parents[2]
EXPRESSROUTE = str(ROOT / "examples/2-expressroute/topology.yaml")
PASSIVE = str(ROOT / "examples/4-active-passive/topology.yaml")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 110 columns without colours."""
    for name, value in {"COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = run(["why", *words])
    told = capsys.readouterr()
    return code, "\n".join(line.rstrip() for line in told.out.splitlines()), told.err


def test_another_next_hop(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "spoke-vm", "internet", "--not", "hub2-nva", "-f", PASSIVE)
    assert (code, out) == (
        0,
        "Why does spoke-vm not send packets for 0.0.0.0/0, the way to internet, to hub2-nva?\n"
        "spoke-rs#0 has it from hub2-nva, and it lost in round as-path: a longer AS path, 3 against 1 of hub1-nva's\n"
        "(R106)\n"
        "\n"
        "  1. spoke-vm sends packets for 0.0.0.0/0 to 10.1.2.4, which spoke-rs programs  R49\n"
        "\n"
        "  ✗ spoke-rs#0 has it from hub2-nva, and it lost in round as-path: a longer AS path, 3 against 1 of hub1-nva's\n"
        "    R106",
    )


def test_a_session(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "spoke-rs/hub1-nva", "-f", EXPRESSROUTE, "--fail", "spoke<->hub1")
    assert (code, out) == (
        0,
        "Why is the session spoke-rs/hub1-nva down?\n"
        "spoke-rs#0/hub1-nva, spoke-rs#1/hub1-nva are Idle: the peering of spoke and hub1 has failed; it ended at 0.03\n"
        "s, the transport was closed (R44)\n"
        "\n"
        "  ✗ spoke-rs#0/hub1-nva, spoke-rs#1/hub1-nva: the peering of spoke and hub1 has failed; it ended at 0.03 s,\n"
        "    the transport was closed  R44\n"
        "\n"
        "→ restore spoke<->hub1",
    )


def test_an_outage(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "spoke-vm", "dc-host", "--outage", "--fail", "circuit1", "-f", EXPRESSROUTE)
    assert code == 0
    assert out.splitlines()[0] == "Why was spoke-vm cut off from dc-host for 8.9 ms after circuit1 failed (crash)?"
    table = [line.split() for line in out.splitlines() if " ms  " in line]
    assert [row[4] for row in table[:-1]] == ["detection", "withdrawal", "withdrawal", "withdrawal", "decision", "programming"]
    assert table[-1] == ["8.9", "ms", "packets", "arrive", "again"]


def test_what_would_change(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "spoke-vm", "dc-host", "--if", "fail hub1-nva", "-f", EXPRESSROUTE)
    assert code == 0
    lines = out.splitlines()
    assert lines[:2] == ["Why does spoke-vm have 192.168.0.0/16, the way to dc-host?", "if fail hub1-nva"]
    assert "  route 192.168.0.0/16  10.1.2.4, 10.2.2.4 (spoke-rs) → 10.2.2.4 (spoke-rs)" in lines
    assert "  no way spoke-vm → hub1-nva → hub1-er → circuit1 → dc-r1" in lines
    assert "  2 sessions spoke-rs ↔ hub1-nva  go down" in lines


def test_an_outage_would_be_shorter(capsys: pytest.CaptureFixture[str]) -> None:
    bfd = "route_servers.spoke-rs.bfd={interval_ms: 100, multiplier: 3}"
    code, out, _ = ask(capsys, "spoke-vm", "dc-host", "--outage", "--fail", "hub1-nva:silent", "--if", bfd, "-f", EXPRESSROUTE)
    assert code == 0
    assert "it would take 0.3 s in place of 1" in out
    assert "BFD of spoke-rs#1 and hub1-nva finds that nothing arrives any more" in out


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (("spoke-vm", "dc-host"), ["question", "answer", "steps", "refusals", "remedy"]),
        (("spoke-vm", "dc-host", "--not", "hub2-nva"), ["question", "answer", "steps", "refusals", "remedy"]),
        (("spoke-rs/hub1-nva",), ["question", "answer", "steps", "refusals", "remedy", "sessions"]),
        (
            ("spoke-vm", "dc-host", "--outage", "--fail", "hub1-nva"),
            ["question", "answer", "steps", "refusals", "remedy", "phases", "outage_s", "flows", "flows_hit", "ended"],
        ),
        (("spoke-rs/hub1-nva", "--if", "fail hub1-nva"), ["if", "answer", "before", "after", "differences"]),
    ],
)
def test_all_as_json(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], keys: list[str]) -> None:
    code, out, _ = ask(capsys, *words, "-f", EXPRESSROUTE, "--json")
    assert code == 0
    assert list(json.loads(out)) == keys


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("spoke-vm",), "dualhome: 'spoke-vm' names no session: write it as spoke-rs/hub1-nva"),
        (("spoke-vm", "dc-host", "--outage"), "dualhome: --outage needs --fail X"),
        (("spoke-rs/hub1-nva", "--outage", "--fail", "hub1-nva"), "dualhome: --outage and --not ask about packets"),
        (("spoke-vm", "dc-host", "--outage", "--not", "hub1-nva"), "dualhome: --outage and --not are two questions"),
        (("spoke-vm", "dc-host", "--if", "fail hub9"), "--if 'fail hub9': no node 'hub9'"),
        (
            ("spoke-vm", "dc-host", "--if", "peerings.spoke<->hub9={}"),
            "--if 'peerings.spoke<->hub9={}': peering 'spoke->hub9': no virtual network",
        ),
        (("spoke-vm", "dc-host", "--not", "hub9"), "dualhome: nothing here is named 'hub9' or has that address"),
    ],
)
def test_what_it_complains_of(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], complaint: str) -> None:
    code, out, err = ask(capsys, *words, "-f", EXPRESSROUTE)
    assert (code, out) == (2, "")
    assert err.startswith(complaint)
