"""Commands and what they print, as documents show them: fenced blocks of the language `console`, `$ dualhome …` and its output.

A block is run line by line in the document's folder, or in the one that a comment names (`<!-- in examples/1-internet -->`); standard output is
compared to the letter. `tests.regenerate` writes it anew. Blocks with the title "live, as root" act on this machine: they are run in turn, those
that end in & beside the next one, and compared but for numbers.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import warm

ROOT = warm.ROOT
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIVE = re.compile(r'^```console title="live, as root"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"^<!-- in (\S+) -->$", re.MULTILINE)
PROMPT = re.compile(r"^\$ ((?:.*\\\n)*.*)$", re.MULTILINE)
"""A command; a line that ends in a backslash goes on in the next one."""
WIDTH = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a document; `output` is what stands under it, `failing` whether the prompt says that it exits with 1 (`$?1 dualhome …`)."""

    document: Path
    line: int
    command: str
    output: str


def documents() -> list[Path]:
    """The README, the guide, and each example's."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").glob("*/README.md"))]


def commands(document: Path, blocks: re.Pattern[str] = BLOCK) -> Iterator[Command]:
    """Every `$ dualhome …` of a document, in order."""
    text = document.read_text("utf-8")
    for block in blocks.finditer(text):
        start = text.count("\n", 0, block.start()) + 2
        current: list[str] = []
        for number, line in enumerate(block[1].splitlines(), start):
            if line.startswith("$ "):
                if current:
                    yield _command(document, current)
                current = [f"{number}", line[2:]]
            elif current[-1].endswith("\\") and len(current) == 2:
                current[-1] += "\n" + line
            else:
                current.append(line)
        if current:
            yield _command(document, current)


def folder(document: Path) -> Path:
    """Where a document's commands are run."""
    named = ELSEWHERE.search(document.read_text("utf-8"))
    return ROOT / named[1] if named else document.parent


def _command(document: Path, lines: list[str]) -> Command:
    return Command(document=document, line=int(lines[0]), command=lines[1], output="\n".join(lines[2:]).rstrip())


def run(command: str, folder: Path) -> str:
    """What the command prints on standard output (standard error after it), in a terminal of fixed width and without colours."""
    code, out, complaints = warm.ask(_words(command), folder, _environment())
    return _text(command, code, out, complaints)


def run_in_turn(shown: Sequence[str], folder: Path) -> list[str]:
    """What each prints; one that ends in & goes on beside the next one, which follows it after a second."""
    started: list[_Running] = []
    for command in shown:
        started.append(_start(command.removesuffix("&"), folder))
        if command.endswith("&"):
            time.sleep(1)
        else:
            for each in started:
                _printed(each)
    return [_printed(each) for each in started]


@dataclass(slots=True, kw_only=True)
class _Running:
    command: str
    process: subprocess.Popen[str]
    printed: str | None = None


def _start(command: str, folder: Path) -> _Running:
    whole = [sys.executable, "-m", "dualhome.cli", *_words(command)]
    out = subprocess.PIPE
    return _Running(command=command, process=subprocess.Popen(whole, cwd=folder, env=_environment(), stdout=out, stderr=out, text=True))


def _printed(running: _Running) -> str:
    """All that it printed, once it has ended."""
    if running.printed is None:
        with running.process as process:
            try:
                out, complaints = process.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        running.printed = _text(running.command, process.returncode, out, complaints)
    return running.printed


def _words(command: str) -> list[str]:
    words = shlex.split(command.replace("\\\n", " "))
    assert not any("<" in word for word in command.split() if not word.startswith(("'", '"'))), f"a shell would redirect: {command}"
    assert words[0] == "dualhome", f"only dualhome is run from documents, not {command!r}"
    return words[1:]


def _environment() -> dict[str, str]:
    return {**os.environ, "COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb", "PYTHONHASHSEED": "random"}


def _text(command: str, code: int, out: str, complaints: str) -> str:
    assert code in (0, 1, 2), f"{command}: exit {code}\n{complaints}"
    return "\n".join(line.rstrip() for line in (out + complaints).rstrip().splitlines())


def without_numbers(text: str) -> str:
    """What two runs of a live network have in common: words. A probe may have lost nothing, and then tells of no gap."""
    return re.sub(r"[─ ]+", " ", re.sub(r"\d+(\.\d+)?( ?(ms|s|min)\b)?", "N", re.sub(r", longest gap .* ms", "", text)))


def rewritten(document: Path) -> str:
    """The document with every output as it is now."""

    def block(match: re.Match[str]) -> str:
        shown = _prompts(match)
        return "```console\n" + "\n".join(map(_shown, shown, (run(c, folder(document)) for c in shown))) + "```"

    return BLOCK.sub(block, document.read_text("utf-8"))


def rewritten_live(document: Path) -> str:
    """The document with the output of its live commands as it is now, where more than numbers differ."""

    def block(match: re.Match[str]) -> str:
        shown = _prompts(match)
        body = "\n".join(map(_shown, shown, run_in_turn(shown, folder(document))))
        return match[0] if without_numbers(body) == without_numbers(match[1]) else f'```console title="live, as root"\n{body}```'

    return LIVE.sub(block, document.read_text("utf-8"))


def _prompts(block: re.Match[str]) -> list[str]:
    return [found[1] for found in PROMPT.finditer(block[1])]


def _shown(command: str, printed: str) -> str:
    return f"$ {command}\n{printed}\n" if printed else f"$ {command}\n"
