"""JUnit's XML, as pipelines read it: a suite for each file, a case for each check."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from dualhome.report.json import Checked


def junit(results: Sequence[Checked], files: Sequence[str] = ()) -> str:
    """The whole document. `files` that have no checks are empty suites."""
    by_file: dict[str, list[Checked]] = {file: [] for file in files}
    for result in results:
        by_file.setdefault(result.file, []).append(result)
    failed = sum(not r.ok for r in results)
    suites = "".join(_suite(file, rows) for file, rows in by_file.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="dualhome" tests="{len(results)}" failures="{failed}">\n{suites}</testsuites>\n'


def _suite(file: str, results: Sequence[Checked]) -> str:
    failed = sum(not r.ok for r in results)
    cases = "".join(_case(file, r) for r in results)
    return f'  <testsuite name={_attribute(file)} tests="{len(results)}" failures="{failed}">\n{cases}  </testsuite>\n'


def _case(file: str, result: Checked) -> str:
    head = f'    <testcase classname={_attribute(file)} name={_attribute(f"line {result.line}: {result.what}")} file={_attribute(file)} line="{result.line}"'
    if result.ok:
        return f"{head}/>\n"
    return f"{head}>\n      <failure message={_attribute(result.message)}>{_text(result.message)}</failure>\n    </testcase>\n"


def _attribute(text: str) -> str:
    return quoteattr(_legal(text))


def _text(text: str) -> str:
    return escape(_legal(text))


def _legal(text: str) -> str:
    """Without the characters that XML 1.0 has no way to write."""
    return "".join(
        c if c in "\t\n\r" or (ord(c) >= 32 and not 0xD800 <= ord(c) <= 0xDFFF and ord(c) not in (0xFFFE, 0xFFFF)) else "\ufffd"
        for c in text
    )
