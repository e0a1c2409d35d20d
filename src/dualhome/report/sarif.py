"""Findings as SARIF 2.1.0, which code hosts and pipelines show beside the lines: rules with their help, results, remedies as replacements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import PurePath
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from dualhome.check import ENTRIES, Entry
from dualhome.report.data import Data

if TYPE_CHECKING:
    from dualhome.check import Finding
    from dualhome.errors import Fault

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
FILE_RULE = "file"


class Examined(Protocol):
    """One file's verdict, as `app.checking.Verdict`."""

    @property
    def file(self) -> str: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def findings(self) -> Sequence[Finding]: ...  # noqa: D102
    @property
    def accepted(self) -> Sequence[tuple[Finding, str]]: ...  # noqa: D102
    @property
    def faults(self) -> Sequence[Fault]: ...  # noqa: D102

    def remedied(self, finding: Finding) -> str | None:
        """The text with this finding's remedy carried out."""
        ...


def log(files: Sequence[Examined], version: str) -> Data:
    """A log with one run."""
    driver = {
        "name": "dualhome",
        "version": version,
        "rules": [_rule(entry) for entry in ENTRIES.values()] + [_file_rule()],
    }
    results = [result for each in files for result in _results(each)]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": {"uri": _uri(name)}} for name in dict.fromkeys(each.file for each in files)],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(entry: Entry) -> Data:
    help_text = f"{entry.effect[:1].upper()}{entry.effect[1:]}. Remedy: {entry.remedy}. ({entry.rules})"
    markdown = f"**What happens:** {entry.effect}.\n\n**Remedy:** {entry.remedy}.\n\n**Rules:** {entry.rules}"
    return {
        "id": entry.code,
        "shortDescription": {"text": _sentence(entry.trigger)},
        "fullDescription": {"text": f"{_sentence(entry.trigger)} {_sentence(entry.effect)}"},
        "help": {"text": help_text, "markdown": markdown},
        "defaultConfiguration": {"level": LEVELS[entry.severity]},
        "properties": {"rules": entry.rules.split(", "), "fixable": bool(entry.fix)},
    }


def _file_rule() -> Data:
    return {
        "id": FILE_RULE,
        "shortDescription": {"text": "The file is wrong."},
        "help": {"text": "The file can't be read as a topology; each fault says what would be right."},
        "defaultConfiguration": {"level": "error"},
    }


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _results(each: Examined) -> Iterator[Data]:
    places = {code: index for index, code in enumerate((*ENTRIES, FILE_RULE))}
    for finding in each.findings:
        yield _result(finding, each, places)
    for finding, why in each.accepted:
        suppression = {"kind": "inSource", **({"justification": why} if why else {})}
        yield {**_result(finding, each, places), "suppressions": [suppression]}
    for fault in each.faults:
        text = fault.message + (f" ({fault.hint})" if fault.hint else "")
        yield {
            "ruleId": FILE_RULE,
            "ruleIndex": places[FILE_RULE],
            "level": "error",
            "message": {"text": text},
            "locations": [_location(fault.file, fault.line, fault.column)],
        }


def _result(finding: Finding, each: Examined, places: dict[str, int]) -> Data:
    result: Data = {
        "ruleId": finding.code,
        "ruleIndex": places[finding.code],
        "level": LEVELS[finding.severity],
        "message": {"text": f"{finding.message} ({finding.rule}). Remedy: {finding.remedy}."},
        "locations": [_location(finding.file, finding.line, finding.column) | {"logicalLocations": [{"name": finding.on}]}],
    }
    after = each.remedied(finding)
    if after is not None:
        change = {"artifactLocation": {"uri": _uri(finding.file)}, "replacements": list(_replacements(each.text, after))}
        result["fixes"] = [{"description": {"text": finding.remedy}, "artifactChanges": [change]}]
    return result


def _location(file: str, line: int, column: int) -> Data:
    region = {"region": {"startLine": line, "startColumn": max(column, 1)}} if line else {}
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(file)}, **region}}


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _replacements(before: str, after: str) -> Iterator[Data]:
    """Whole lines that go, and what comes in their place."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            end = (j + 1, 1) if j < len(old) or not old or old[-1].endswith("\n") else (j, len(old[-1]) + 1)
            region = {"startLine": i + 1, "startColumn": 1, "endLine": end[0], "endColumn": end[1]}
            yield {"deletedRegion": region, "insertedContent": {"text": "".join(new[k:m])}}
