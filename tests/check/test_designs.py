"""55 small designs, one a finding: all that `check` says of each, and that --fix touches nothing else. That they are clean then: tests/rules/test_12_linter."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import pytest
from repairs import BY_HAND

from dualhome.app.checking import Verdict, examine, examine_file, repair
from dualhome.check import ENTRIES

HERE = Path(__file__).parent
DESIGNS = sorted((HERE / "designs").glob("L-*.yaml"))
CODES = [f"L-{number:03}" for number in range(1, 56)]


def told(verdict: Verdict) -> str:
    """All that a finding says, and what --fix makes of it."""
    parts = []
    for finding in verdict.findings:
        where = f"{Path(finding.file).name}:{finding.line}:{finding.column}"
        parts.append(
            f"{finding.code} {finding.severity} {finding.on}\n{finding.message}\nremedy: {finding.remedy}\nrule: {finding.rule}\nat: {where}\n"
        )
    after = repair(verdict.text, verdict.file).after.text
    lines = difflib.unified_diff(verdict.text.splitlines(), after.splitlines(), "before", "after", lineterm="", n=0)
    return "\n".join([*parts, *lines]).rstrip() + "\n"


def test_there_is_a_design_for_each_finding_of_the_list() -> None:
    assert [file.stem for file in DESIGNS] == CODES
    assert all(file.read_text("utf-8").startswith("# ") for file in DESIGNS)


@pytest.mark.parametrize("file", DESIGNS, ids=lambda f: f.stem)
def test_a_design_golden(file: Path) -> None:
    verdict = examine_file(file)
    assert [finding.code for finding in verdict.findings] == [file.stem]
    assert not verdict.faults
    assert verdict.findings[0].severity == ENTRIES[file.stem].severity
    assert verdict.findings[0].line > 0
    golden = HERE / "goldens" / f"{file.stem}.txt"
    if os.environ.get("REGENERATE"):
        golden.write_text(told(verdict), "utf-8")
    assert told(verdict) == golden.read_text("utf-8"), "read it, then run: make goldens"


@pytest.mark.parametrize("code", [code for code in CODES if code not in BY_HAND])
def test_a_repair_touches_nothing_else(code: str) -> None:
    """Every comment stays, lines that are not part of the remedy stay byte by byte, and a second repair finds nothing to do."""
    text = (HERE / "designs" / f"{code}.yaml").read_text("utf-8")
    after = repair(text, code).after.text
    assert [line for line in text.splitlines() if line.startswith("#")] == [line for line in after.splitlines() if line.startswith("#")]
    changed = [line for line in difflib.ndiff(text.splitlines(True), after.splitlines(True)) if line.startswith(("- ", "+ "))]
    assert 0 < len(changed) <= 4
    assert repair(after, code).after.text == after
    windows = repair(text.replace("\n", "\r\n"), code).after.text
    assert windows == after.replace("\n", "\r\n")


def test_what_can_be_mended_says_so() -> None:
    fixable = {code for code in CODES if code not in BY_HAND}
    assert fixable <= {code for code, entry in ENTRIES.items() if entry.fix}


def test_a_comment_accepts_a_finding() -> None:
    text = (HERE / "designs/L-018.yaml").read_text("utf-8")
    beside = examine(text.replace("# the portal asks for a /26 today", "# accepted: L-018 the lab was so"), "x.yaml")
    assert beside.findings == ()
    assert [(f.code, why) for f, why in beside.accepted] == [("L-018", "the lab was so")]
    above = examine(text.replace('      RouteServerSubnet: "', '      # accepted: L-018, L-016\n      RouteServerSubnet: "'), "x.yaml")
    assert above.findings == ()
    other = examine(text.replace("# the portal asks for a /26 today", "# accepted: L-016"), "x.yaml")
    assert [f.code for f in other.findings] == ["L-018"]
