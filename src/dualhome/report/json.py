"""JSON that is the same bytes in any process: order of making where it means something, two spaces, no escapes but the needed ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from dualhome.report.data import Data, plain


class Checked(Protocol):
    """A scenario's result for one item, as `scenario.CheckResult`."""

    @property
    def file(self) -> str: ...  # noqa: D102
    @property
    def step(self) -> int: ...  # noqa: D102
    @property
    def line(self) -> int: ...  # noqa: D102
    @property
    def what(self) -> str: ...  # noqa: D102
    @property
    def ok(self) -> bool: ...  # noqa: D102
    @property
    def expected(self) -> object: ...  # noqa: D102
    @property
    def found(self) -> object: ...  # noqa: D102
    @property
    def message(self) -> str: ...  # noqa: D102
    @property
    def confidence(self) -> str | None: ...  # noqa: D102
    @property
    def evidence(self) -> tuple[str, ...]: ...  # noqa: D102


def dumps(value: object) -> str:
    """Text of plain data or of views, without a newline at the end."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False)


def checks(results: Sequence[Checked]) -> Data:
    """What `test --json` prints."""
    return {
        "passed": sum(r.ok for r in results),
        "failed": sum(not r.ok for r in results),
        "checks": [
            {
                "file": r.file,
                "step": r.step,
                "line": r.line,
                "what": r.what,
                "ok": r.ok,
                "expected": r.expected,
                "found": r.found,
                "message": r.message,
                "confidence": r.confidence,
                "evidence": list(r.evidence),
            }
            for r in results
        ],
    }


def findings(rows: Sequence[Mapping[str, object]]) -> Data:
    """What `check --json` prints; `ok` is false where anything was found that is more than a hint."""
    return {"ok": not any(row["severity"] in ("error", "warning") for row in rows), "findings": list(rows)}
