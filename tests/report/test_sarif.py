"""SARIF is valid by its own schema (OASIS, sarif-schema-2.1.0.json, errata 01), and says all that a finding says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft4Validator

from dualhome.app.checking import examine, examine_file
from dualhome.check import ENTRIES
from dualhome.report import sarif
from tests.consoles import ROOT

SCHEMA = Draft4Validator(json.loads((Path(__file__).parent / "sarif-schema-2.1.0.json").read_text("utf-8")))
DESIGNS = sorted((ROOT / "tests/check/designs").glob("*.yaml"))


def run_of(*files: sarif.Examined) -> dict:
    log = sarif.log(files, "1.0")
    assert [error.message for error in SCHEMA.iter_errors(log)] == []
    assert json.loads(json.dumps(log)) == log
    (run,) = log["runs"]
    return run


def test_every_design_is_valid_sarif() -> None:
    run = run_of(*(examine_file(file) for file in DESIGNS))
    assert [result["ruleId"] for result in run["results"]] == [file.stem for file in DESIGNS]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"] for rule in rules)
    assert {rule["id"] for rule in rules} == {*ENTRIES, "file"}


def test_a_result_has_its_place_and_its_remedy() -> None:
    text = (ROOT / "tests/check/designs/L-041.yaml").read_text("utf-8")
    (result,) = run_of(examine(text, "a folder/net.yaml"))["results"]
    line = text.splitlines().index("  nva:") + 1
    assert result["level"] == "warning"
    assert result["message"]["text"].startswith("packets that rs leads to nva")
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20folder/net.yaml"},
        "region": {"startLine": line, "startColumn": 3},
    }
    assert location["logicalLocations"] == [{"name": "nva"}]
    (fix,) = result["fixes"]
    (replacement,) = fix["artifactChanges"][0]["replacements"]
    assert replacement["insertedContent"]["text"] == "    ip_forwarding: true\n"
    assert replacement["deletedRegion"]["startLine"] == replacement["deletedRegion"]["endLine"] == line + 4


@pytest.mark.parametrize("ending", ["\n", "", "\r\n"])
def test_replacements_make_the_text_that_fix_writes(ending: str) -> None:
    for file in DESIGNS:
        text = file.read_text("utf-8").rstrip("\n").replace("\n", ending or "\n") + ending
        verdict = examine(text, "x.yaml")
        (result,) = run_of(verdict)["results"]
        for fix in result.get("fixes", []):
            assert applied(text, fix["artifactChanges"][0]["replacements"]) == verdict.remedied(verdict.findings[0])


def applied(text: str, replacements: list[dict]) -> str:
    """As a reader of SARIF would do it: from the end, by lines and columns."""
    lines = text.splitlines(keepends=True)

    def place(line: int, column: int) -> int:
        return sum(map(len, lines[: line - 1])) + column - 1

    for each in reversed(replacements):
        region = each["deletedRegion"]
        begin, end = place(region["startLine"], region["startColumn"]), place(region["endLine"], region["endColumn"])
        text = text[:begin] + each["insertedContent"]["text"] + text[end:]
    return text


def test_what_a_comment_accepts_is_suppressed_and_a_wrong_file_is_a_result() -> None:
    text = (ROOT / "tests/check/designs/L-018.yaml").read_text("utf-8")
    (result,) = run_of(examine(text.replace("# the portal", "# accepted: L-018 so be it #"), "x.yaml"))["results"]
    assert result["suppressions"] == [{"kind": "inSource", "justification": "so be it # asks for a /26 today"}]
    (wrong,) = run_of(examine(text.replace("10.0.0.0/27", "10.0.0.0/33"), "/tmp/x.yaml"))["results"]
    assert (wrong["ruleId"], wrong["level"]) == ("file", "error")
    assert wrong["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///tmp/x.yaml"
