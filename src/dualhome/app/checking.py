"""A file's verdict: what is wrong with it, what was accepted by a comment, and what it is once the remedies are carried out.

A comment `# accepted: L-018 the lab was built so` on a finding's line, or alone on the line above, accepts it. What Azure refuses can't be accepted.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as File

from dualhome.app import parse
from dualhome.check import Finding, refusal
from dualhome.errors import Fault, TopologyError
from dualhome.topology import edits
from dualhome.topology.reading import read_file
from dualhome.topology.rewrite import CannotEdit, rewritten

ACCEPTED = re.compile(r"#\s*accepted:\s*((?:L-[0-9]{3}[,\s]*)+)(.*)")
SEVERITIES = ("error", "warning", "info")
ROUNDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `check` says of one file. `faults`: what else is wrong with it; `accepted`: findings and the reason that its comment gives."""

    file: str
    text: str
    findings: tuple[Finding, ...]
    accepted: tuple[tuple[Finding, str], ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def weight(self) -> tuple[int, ...]:
        """How bad it is: faults, errors, warnings, hints. A smaller one is better."""
        return (len(self.faults), *(sum(f.severity == word for f in self.findings) for word in SEVERITIES))

    def remedied(self, finding: Finding) -> str | None:
        """The text once one finding's remedy is carried out; None where it has none, or the text can't be changed so."""
        return _changed(self.text, [finding]) if finding.edits else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What became of a file: `done` are the findings whose remedies were carried out, `after` what is left."""

    before: Verdict
    after: Verdict
    done: tuple[Finding, ...]


def examine_file(path: File, ignored: Collection[str] = ()) -> Verdict:
    """The verdict of a file; of one that can't be read, a fault."""
    try:
        text = read_file(path)
    except TopologyError as error:
        return Verdict(file=str(path), text="", findings=(), faults=error.faults)
    return examine(text, str(path), ignored)


def examine(text: str, file: str, ignored: Collection[str] = ()) -> Verdict:
    """The verdict of a text; findings whose code is ignored are left out."""
    try:
        found = parse(text, file).check()
    except TopologyError as error:
        refused = [finding for fault in error.faults if (finding := refusal(fault)) is not None]
        others = tuple(fault for fault in error.faults if not fault.code)
        return Verdict(file=file, text=text, findings=tuple(f for f in refused if f.code not in ignored), faults=others)
    wanted = [finding for finding in found if finding.code not in ignored]
    reasons = dict(_accepted(text.splitlines()))
    accepted = [(f, reasons[f.line, f.code]) for f in wanted if (f.line, f.code) in reasons]
    left = tuple(f for f in wanted if (f.line, f.code) not in reasons)
    return Verdict(file=file, text=text, findings=left, accepted=tuple(accepted))


def _accepted(lines: Sequence[str]) -> Iterator[tuple[tuple[int, str], str]]:
    """Line and code of what comments accept, and why."""
    for number, line in enumerate(lines, 1):
        if match := ACCEPTED.search(line):
            place = number + 1 if line.lstrip().startswith("#") else number
            for code in re.findall("L-[0-9]{3}", match[1]):
                yield (place, code), match[2].strip()


def repair(text: str, file: str, ignored: Collection[str] = ()) -> Repair:
    """Carry out remedies, all at once where that helps and else one by one, until nothing that is left can be mended; never to anything worse."""
    before = current = examine(text, file, ignored)
    done: list[Finding] = []
    for _ in range(ROUNDS):
        found = _step(current, ignored) if not current.faults else None
        if found is None:
            break
        current, carried = found
        done += carried
    return Repair(before=before, after=current, done=tuple(done))


def _step(current: Verdict, ignored: Collection[str]) -> tuple[Verdict, list[Finding]] | None:
    """What is better than before, and by which remedies."""
    fixable = [finding for finding in current.findings if finding.edits]
    for group in ([fixable] if len(fixable) > 1 else []) + [[each] for each in fixable]:
        text = _changed(current.text, group)
        if text is not None and text != current.text:
            after = examine(text, current.file, ignored)
            if after.weight < current.weight:
                return after, group
    return None


def _changed(text: str, findings: Sequence[Finding]) -> str | None:
    wanted: dict[str, edits.Edit] = {}
    for finding in findings:
        wanted |= {repr(edit): edit for edit in finding.edits}
    try:
        return rewritten(text, wanted.values())
    except CannotEdit:
        return None


def write(path: File, text: str) -> None:
    """Put a text in a file's place, whole or not at all; permissions and a byte order mark stay, and a link goes on leading there."""
    target = path.resolve()
    mark = b"\xef\xbb\xbf" if target.read_bytes().startswith(b"\xef\xbb\xbf") else b""
    mode = target.stat().st_mode & 0o7777
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(mark + text.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, mode)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
