"""`check`: several files, remedies, thresholds, formats, and what it leaves alone."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from dualhome.cli import run
from dualhome.cli.check import complete_codes

DESIGNS = Path(__file__).parents[1] / "check" / "designs"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")


def ask(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = run(["check", *map(str, words)])
    told = capsys.readouterr()
    return code, told.out, told.err


def copy(code: str, folder: Path) -> Path:
    file = folder / f"{code}.yaml"
    file.write_bytes((DESIGNS / file.name).read_bytes())
    return file


def test_several_files_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, DESIGNS / "L-041.yaml", DESIGNS / "L-003.yaml", "--json")
    assert code == 1
    assert [each["code"] for each in json.loads(out)["findings"]] == ["L-041", "L-003"]


@pytest.mark.parametrize("code", ["L-002", "L-006", "L-007", "L-017"])
def test_what_azure_refuses_is_a_finding_and_other_verbs_refuse_the_file(capsys: pytest.CaptureFixture[str], code: str) -> None:
    status, out, err = ask(capsys, DESIGNS / f"{code}.yaml")
    assert status == 1
    assert code in out
    assert "Azure refuses it" in out
    assert err == ""
    assert run(["plan", str(DESIGNS / f"{code}.yaml")]) == 2


def test_a_file_that_is_wrong_otherwise_is_2_with_what_there_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = copy("L-017", tmp_path)
    file.write_text(file.read_text("utf-8") + "nonsense: 1\n", "utf-8")
    status, out, err = ask(capsys, file)
    assert status == 2
    assert "L-017" in out
    assert "unknown key 'nonsense'" in err
    assert ask(capsys, tmp_path / "none.yaml")[0] == 2


def test_fix_writes_the_file_and_says_what_it_did(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = copy("L-041", tmp_path)
    os.chmod(file, 0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    status, out, _ = ask(capsys, link, "--fix")
    assert (status, out) == (0, f"{link}: L-041 nva: set ip_forwarding to true\n")
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert file.read_text("utf-8") == (DESIGNS / "L-041.yaml").read_text("utf-8") + "    ip_forwarding: true\n"
    assert sorted(tmp_path.iterdir()) == [file, link]
    assert ask(capsys, file, "--fix")[:2] == (0, "Nothing to complain about.\n")


def test_fix_keeps_a_byte_order_mark(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = copy("L-003", tmp_path)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert ask(capsys, file, "--fix")[0] == 0
    after = file.read_bytes()
    assert after == b"\xef\xbb\xbf" + (DESIGNS / "L-003.yaml").read_bytes().replace(b"multihop: false", b"multihop: true").replace(
        b"\n", b"\r\n"
    )


def test_fix_leaves_what_needs_a_decision_and_does_not_write(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = copy("L-028", tmp_path)
    before = file.stat().st_mtime_ns, file.stat().st_ino
    status, out, _ = ask(capsys, file, "--fix")
    assert status == 1
    assert "L-028" in out
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before


@pytest.mark.parametrize("words", [("--diff",), ("--fix", "--dry-run")])
def test_diff_shows_and_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...]) -> None:
    file = copy("L-003", tmp_path)
    status, out, err = ask(capsys, file, *words)
    assert status == 1
    assert out.startswith(f"--- {file}\n+++ {file}\n@@")
    assert "+  nva: {subnet: hub/nva, ip_forwarding: true, asn: 65001, originates: [172.16.0.0/16], multihop: true}\n" in out
    assert err == f"{file}: 1 finding, no findings once --fix has been there\n"
    assert file.read_bytes() == (DESIGNS / "L-003.yaml").read_bytes()


def test_what_is_ignored_and_what_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, DESIGNS / "L-018.yaml", "--ignore", "l-018")[:2] == (0, "Nothing to complain about.\n")
    assert ask(capsys, DESIGNS / "L-018.yaml")[0] == 1
    assert ask(capsys, DESIGNS / "L-018.yaml", "--severity", "error")[0] == 0
    assert ask(capsys, DESIGNS / "L-054.yaml")[0] == 0
    assert ask(capsys, DESIGNS / "L-054.yaml", "--severity", "info")[0] == 1


def test_explain_and_completion(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = ask(capsys, "--explain", "l-027")
    assert status == 0
    assert out.startswith("L-027 (warning): NVAs carry a spoke's packets")
    assert "Rules: R169.\n" in out
    status, _, err = ask(capsys, "--explain", "L-099")
    assert (status, err) == (2, "dualhome: no finding 'L-099' (they are L-001 to L-055 and L-101 to L-109)\n")
    assert [code for code, _ in complete_codes("L-05")] == ["L-050", "L-051", "L-052", "L-053", "L-054", "L-055"]


def test_json_has_the_remedy_as_an_edit(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = ask(capsys, DESIGNS / "L-041.yaml", DESIGNS / "L-054.yaml", DESIGNS / "L-028.yaml", "--json")
    assert [each["edits"] for each in json.loads(out)["findings"]] == [
        [{"path": ["network_virtual_appliances", "nva", "ip_forwarding"], "value": True}],
        [{"path": ["metric_alerts", 1], "remove": True}],
        [],
    ]


def test_sarif_to_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, _ = ask(capsys, DESIGNS / "L-003.yaml", "--sarif", "-o", tmp_path / "found.sarif")
    assert (status, out) == (1, "")
    log = json.loads((tmp_path / "found.sarif").read_text("utf-8"))
    assert log["runs"][0]["results"][0]["ruleId"] == "L-003"
    assert ask(capsys, DESIGNS / "L-003.yaml", "--sarif", "--json")[0] == 2
