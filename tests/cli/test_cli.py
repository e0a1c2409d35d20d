"""Every verb: what goes to standard output, what to standard error, and the exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dualhome.cli import run

ROOT = Path(__file__).parents[2]
INTERNET = str(ROOT / "examples/1-internet/topology.yaml")
BROKEN = str(ROOT / "examples/3-without-as-override/mistake.yaml")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 110 columns without colours."""
    for name, value in {"COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = run(list(words))
    told = capsys.readouterr()
    return code, "\n".join(line.rstrip() for line in told.out.splitlines()), told.err


def test_routes_golden(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "routes", "spoke-vm", "-f", INTERNET, "--json")
    assert code == 0
    assert json.loads(out)[0] == {
        "prefix": "0.0.0.0/0",
        "source": "VirtualNetworkGateway",
        "state": "Active",
        "next_hop_type": "VirtualNetworkGateway",
        "next_hops": ["10.1.2.4", "10.2.2.4"],
    }
    _, out, _ = ask(capsys, "routes", "spoke-vm", "-f", INTERNET, "--json", "--fail", "hub1-nva")
    assert json.loads(out)[0]["next_hops"] == ["10.2.2.4"]


def test_routes_as_az_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = ask(capsys, "routes", "spoke-vm", "-f", INTERNET, "--azure")
    default = [row for row in json.loads(out)["value"] if row["addressPrefix"] == ["0.0.0.0/0"]]
    assert [row["nextHopIpAddress"] for row in default] == [["10.1.2.4"], ["10.2.2.4"]]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("learned", "spoke-rs/hub1-nva"), "spoke-rs#0/hub1-nva  0.0.0.0/0"),
        (("advertised", "spoke-rs/hub1-nva"), "10.10.0.0/16"),
        (("rejected", "spoke-rs/hub1-nva"), "as-loop"),
        (("bgp", "spoke-rs#0"), "*>  0.0.0.0/0"),
        (("trace", "spoke-vm", "internet"), "✓ delivered at internet"),
        (("why", "spoke-vm", "0.0.0.0/0"), "Why does spoke-vm have 0.0.0.0/0?"),
    ],
)
def test_questions(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], shown: str) -> None:
    code, out, _ = ask(capsys, *words, "-f", INTERNET)
    assert code == 0
    assert shown in out
    code, out, _ = ask(capsys, *words, "-f", INTERNET, "--json")
    assert code == 0
    json.loads(out)


def test_check_says_no_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "check", BROKEN, "--json")
    found = json.loads(out)
    assert code == 1
    assert found["ok"] is False
    assert {"L-004"} <= {each["code"] for each in found["findings"]}
    assert list(found["findings"][0]) == [
        "code",
        "severity",
        "on",
        "message",
        "remedy",
        "rule",
        "file",
        "line",
        "column",
        "fixable",
        "edits",
    ]


def test_a_dropped_packet_is_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "trace", "spoke-vm", "10.99.0.1", "-f", BROKEN)
    assert code == 1
    assert "✗ dropped at spoke-vm: no-route" in out


def test_test_runs_files_and_folders(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = ask(capsys, "test", INTERNET, "--json")
    result = json.loads(out)
    assert (code, result["failed"]) == (0, 0)
    assert result["passed"] == len(result["checks"]) > 0
    wrong = (
        Path(INTERNET).read_text("utf-8").split("scenario:")[0]
        + "scenario: [{settle: {within_s: 60}}, {expect: {sessions: {hub1-nva/spoke-rs: Down}}}]\n"
    )
    (tmp_path / "a.yaml").write_text(wrong, "utf-8")
    (tmp_path / "daemon.yaml").write_text("instances: [{name: rs0, asn: 65515}]\n", "utf-8")
    code, out, told = ask(capsys, "test", str(tmp_path), "--junit", str(tmp_path / "r.xml"))
    assert code == 1
    assert "daemon.yaml: no topology, passed over" in told
    assert "expected Down; found hub1-nva/spoke-rs#0 is Established" in out
    assert out.endswith("1 passed, 1 failed")
    assert 'failures="1"' in (tmp_path / "r.xml").read_text("utf-8")


def test_wrong_input_is_2_with_its_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("version: 1\nname: x\nvirtual_networks: {a: {address_space: [10.0.0.0/33]}}\n", "utf-8")
    for words in (("check", str(file)), ("test", str(file)), ("plan", str(file)), ("routes", "vm", "-f", str(file))):
        code, _, err = ask(capsys, *words)
        assert code == 2
        assert err.startswith(f"{file}:3:")
    code, out, _ = ask(capsys, "check", str(file), "--json")
    assert code == 2
    assert json.loads(out)["findings"][0]["line"] == 3


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("routes", "spoke-vn"), "dualhome: no machine, NIC or gateway 'spoke-vn' (did you mean 'spoke-vm'?)"),
        (("learned", "spoke-rs/hub9-nva"), "dualhome: no BGP session 'spoke-rs/hub9-nva' (did you mean"),
        (("bgp", "spoke"), "dualhome: no BGP speaker 'spoke'"),
        (("routes", "spoke-vm", "--fail", "hub1-nvaa"), "dualhome: no node 'hub1-nvaa' (did you mean 'hub1-nva'?)"),
    ],
)
def test_a_name_that_is_not_there_is_2(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], complaint: str) -> None:
    code, out, err = ask(capsys, *words, "-f", INTERNET)
    assert (code, out) == (2, "")
    assert err.startswith(complaint)


def test_what_the_system_refuses_is_3(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = ask(capsys, "plan", INTERNET, "--diagram", "svg", "-o", str(tmp_path / "no/such/folder.svg"))
    assert code == 3
    assert "no/such/folder.svg" in err


def test_our_own_fault_is_70_without_a_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dualhome.app.make_plan", lambda _: 1 // 0)
    code, _, err = ask(capsys, "plan", INTERNET)
    assert code == 70
    assert err.startswith("dualhome: internal error: ZeroDivisionError")
    assert "Please report it" in err
    assert "Traceback" not in err


def test_simulate_tells_what_each_failure_changed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "simulate", INTERNET, "--fail", "hub1-nva", "--how", "silent", "--json")
    episode = json.loads(out)["failures"][0]
    assert code == 0
    assert (episode["fail"], episode["how"]) == ("hub1-nva", "silent")
    assert {"nic": "spoke-vm", "prefix": "0.0.0.0/0", "before": "10.1.2.4, 10.2.2.4", "after": "10.2.2.4"} in episode["routes"]
    worst = {(o["from"], o["to"]): o["outage_s"] for o in episode["outages"]}
    assert 119 <= worst["spoke-vm", "internet"] <= 181


def test_demo_shows_the_examples_network(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "demo", "--simulated")
    assert code == 0
    assert out.count("✗ hub1-nva  settled after") == 1
    assert "longest outage" in out
    example = (ROOT / "examples/2-expressroute/topology.yaml").read_text("utf-8")
    assert (ROOT / "src/dualhome/cli/demo.yaml").read_text("utf-8") == example, "copy the example: it is what `demo` shows"


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert "$defs" in json.loads(ask(capsys, "schema")[1])


def test_diagrams(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert ask(capsys, "plan", INTERNET, "--diagram", "mermaid")[1].startswith("flowchart LR")
    assert ask(capsys, "plan", INTERNET, "-o", str(tmp_path / "p.svg"))[0] == 0
    assert (tmp_path / "p.svg").read_text("utf-8").startswith("<svg ")


def test_output_is_the_same_bytes_in_any_process() -> None:
    def once(seed: str) -> bytes:
        words = [sys.executable, "-m", "dualhome.cli", "simulate", INTERNET, "--fail", "hub1-nva", "--json"]
        return subprocess.run(words, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout

    assert once("1") == once("2")


def test_help_starts_without_the_engine() -> None:
    code = "import sys; from dualhome.cli import run; run(['--help']); sys.exit('dualhome.engine' in sys.modules or 'dualhome.app' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_the_library() -> None:
    import dualhome

    assert len(dualhome.__all__) <= 20
    net = dualhome.load(INTERNET)
    assert net._repr_svg_().startswith("<svg ")
    run_ = net.simulate()
    run_.fail("hub1-nva")
    run_.settle()
    assert [str(h) for h in run_.effective_routes("spoke-vm")[0].next_hops] == ["10.2.2.4"]
    assert run_.session_states("spoke-rs/hub2-nva") == {"spoke-rs#0/hub2-nva": "Established", "spoke-rs#1/hub2-nva": "Established"}
