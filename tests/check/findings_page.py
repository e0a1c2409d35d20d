"""docs/findings.md: every finding, made from the catalogue."""

from __future__ import annotations

from pathlib import Path

from dualhome.check import ENTRIES, Entry

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"
OUR_OWN = "L-101"

HEAD = """\
# Findings

What `dualhome check` finds in a design, made from its catalogue by `make goldens`. Codes up to L-055 are those of
[section 11 of the rules](azure-routing-rules.md), those from L-101 on follow from the rules as well. Findings that hang on routes are found in the
simulated network; L-002, L-006, L-007, L-016 and L-017, and L-008 where there is no gateway, are what Azure refuses to create: other commands refuse such a file.

`--fix` carries out the remedies that need no decision, until none is left: the file changes in their places, all else stays byte by byte, and it is replaced
only by what has fewer findings. `--diff` shows the difference instead. A comment `# accepted: L-018 why` on a finding's line, or alone on the line above,
accepts it. `--json` has each remedy as edits (`path`, `value`), `--sarif` prints SARIF 2.1.0 with remedies as replacements
and accepted findings as suppressed; `--explain CODE` says what stands here.
"""


def page() -> str:
    """The page as it should be now."""
    listed = [entry for code, entry in ENTRIES.items() if code < OUR_OWN]
    beyond = [entry for code, entry in ENTRIES.items() if code >= OUR_OWN]
    return f"{HEAD}\n## Of the list\n\n{_table(listed)}\n## Beyond it\n\n{_table(beyond)}"


def _table(entries: list[Entry]) -> str:
    rows = ["| code | severity | trigger | what happens | remedy | `--fix` | rules |", "|---|---|---|---|---|---|---|"]
    for e in entries:
        rows.append(f"| {e.code} | {e.severity} | {e.trigger} | {e.effect} | {e.remedy} | {e.fix or '–'} | {e.rules} |")
    return "\n".join(rows) + "\n"
