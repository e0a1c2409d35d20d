"""What a scenario gives: one result for each thing that was expected."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One expectation and what was found; `message` is a whole line for people, `expected` and `found` are plain data for programs."""

    file: str
    step: int  # counted from 0, as in the file's list
    line: int
    what: str  # "effective_routes spoke-vm 0.0.0.0/0"
    ok: bool
    expected: object
    found: object
    message: str  # file:line: what was expected, what was found; "" where it holds
    confidence: str | None = None  # observed | documented | inferred
    evidence: tuple[str, ...] = ()
