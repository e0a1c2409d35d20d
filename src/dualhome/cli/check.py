"""`check FILE…`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualhome.cli.common import JsonOption, note, show, show_json, working

if TYPE_CHECKING:
    from dualhome.app.checking import Repair, Verdict


class Severity(StrEnum):
    """The least that counts as a no."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


def complete_codes(incomplete: str) -> list[tuple[str, str]]:
    """Codes of the catalogue, each with what it is about."""
    from dualhome.check import ENTRIES

    return [(code, entry.trigger) for code, entry in ENTRIES.items() if code.startswith(incomplete)]


FilesArgument = Annotated[list[Path] | None, typer.Argument(metavar="FILE…", help="Topology files.", show_default=False)]
FixOption = Annotated[
    bool, typer.Option("--fix", help="Carry out the remedies that need no decision, in the files; comments and order stay.")
]
DiffOption = Annotated[bool, typer.Option("--diff", "--dry-run", help="Show what --fix would change, and change nothing.")]
SarifOption = Annotated[bool, typer.Option("--sarif", help="Print SARIF 2.1.0, for pipelines.")]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write JSON or SARIF there.", show_default=False)]
IgnoreOption = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="CODE", help="Leave this finding out. Repeatable.", autocompletion=complete_codes, show_default=False),
]
SeverityOption = Annotated[Severity, typer.Option("--severity", help="The least that makes the exit code 1.")]
ExplainOption = Annotated[
    str | None,
    typer.Option("--explain", metavar="CODE", help="Say what a code is about.", autocompletion=complete_codes, show_default=False),
]


def check(
    files: FilesArgument = None,
    json: JsonOption = False,
    sarif: SarifOption = False,
    output: OutputOption = None,
    fix: FixOption = False,
    diff: DiffOption = False,
    ignore: IgnoreOption = None,
    severity: SeverityOption = Severity.WARNING,
    explain: ExplainOption = None,
) -> None:
    """Errors of the files, and findings about the designs, each with what helps. Exit 1 where there are findings, 2 where a file is wrong otherwise."""
    from dualhome.app.checking import examine_file, repair, write
    from dualhome.errors import RequestError
    from dualhome.topology.reading import read_file

    codes = [_known(code) for code in (*(ignore or ()), *([explain] if explain else ()))]
    if explain:
        _explain(codes[-1])
        return
    if not files:
        raise RequestError("check needs a FILE, or --explain CODE")
    if json and sarif:
        raise RequestError("--json and --sarif: give one of them")
    verdicts: list[Verdict] = []
    changed = False
    with working("checking"):
        for file in files:
            if not fix and not diff:
                verdicts.append(examine_file(file, codes))
                continue
            done = repair(read_file(file), str(file), codes)
            verdicts.append(done.after if not diff else done.before)
            changed |= bool(done.done)
            if done.done and not diff:
                write(file, done.after.text)
            _say(done, told=diff, quiet=json or sarif)
    if not diff or json or sarif:
        _print(verdicts, json=json, sarif=sarif, output=output, quiet=changed)
    _leave(verdicts, severity)


def _known(code: str) -> str:
    from dualhome.check import ENTRIES
    from dualhome.errors import RequestError

    wanted = code.upper()
    if wanted not in ENTRIES:
        raise RequestError(f"no finding {code!r} (they are L-001 to L-055 and L-101 to {max(ENTRIES)})")
    return wanted


def _say(done: Repair, *, told: bool, quiet: bool) -> None:
    """What a repair did, or its difference."""
    from difflib import unified_diff

    if quiet:
        return
    if told:
        lines = (done.before.text.splitlines(keepends=True), done.after.text.splitlines(keepends=True))
        typer.echo("".join(unified_diff(*lines, done.before.file, done.before.file)), nl=False)
        note(f"{done.before.file}: {_count(done.before)}, {_count(done.after)} once --fix has been there")
        return
    for finding in done.done:
        typer.echo(f"{finding.file}: {finding.code} {finding.on}: {finding.remedy}")


def _count(verdict: Verdict) -> str:
    count = len(verdict.findings) + len(verdict.faults)
    return "1 finding" if count == 1 else f"{count or 'no'} findings"


def _print(verdicts: list[Verdict], *, json: bool, sarif: bool, output: Path | None, quiet: bool) -> None:
    from dualhome import __version__
    from dualhome.report import data, tables
    from dualhome.report import json as shapes
    from dualhome.report import sarif as sarif_log

    found = [finding for verdict in verdicts for finding in verdict.findings]
    if json or sarif:
        rows = [data.finding(each) for each in found] + [data.fault(fault) for verdict in verdicts for fault in verdict.faults]
        value = sarif_log.log(verdicts, __version__) if sarif else shapes.findings(rows)
        if output is None:
            show_json(value)
        else:
            output.write_text(shapes.dumps(value) + "\n", "utf-8")
        return
    if found:
        show(tables.findings(found))
    elif not quiet and not any(verdict.faults for verdict in verdicts):
        show("Nothing to complain about.")
    accepted = sum(len(verdict.accepted) for verdict in verdicts)
    if accepted:
        note(f"{accepted} accepted by a comment")


def _leave(verdicts: list[Verdict], severity: Severity) -> None:
    """Exit 2 with the faults of files that are wrong, 1 where a finding counts."""
    from dualhome.errors import TopologyError

    faults = [fault for verdict in verdicts for fault in verdict.faults]
    if faults:
        raise TopologyError(faults)
    counting = [*Severity][: [*Severity].index(severity) + 1]
    if any(finding.severity in counting for verdict in verdicts for finding in verdict.findings):
        raise typer.Exit(1)


def _explain(code: str) -> None:
    from dualhome.check import ENTRIES

    entry = ENTRIES[code]
    typer.echo(f"{entry.code} ({entry.severity}): {entry.trigger}\n")
    typer.echo(f"What happens: {entry.effect}.\nRemedy: {entry.remedy}.\nRules: {entry.rules}.")
    typer.echo(f"check --fix: {entry.fix}." if entry.fix else "check --fix leaves it to you.")
