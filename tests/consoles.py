"""Commands and what they print, as documents show them: fenced blocks of the language `console`, `$ dualhome …` and its output.

A block is run line by line in the document's folder; standard output is compared to the letter. `tests.regenerate` writes it anew.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
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
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").glob("*/README.md"))]


def commands(document: Path) -> Iterator[Command]:
    """Every `$ dualhome …` of a document, in order."""
    text = document.read_text("utf-8")
    for block in BLOCK.finditer(text):
        start = text.count("\n", 0, block.start()) + 2
        current: list[str] = []
        for number, line in enumerate(block[1].splitlines(), start):
            if line.startswith("$ "):
                if current:
                    yield _command(document, current)
                current = [f"{number}", line[2:]]
            else:
                current.append(line)
        if current:
            yield _command(document, current)


def _command(document: Path, lines: list[str]) -> Command:
    return Command(document=document, line=int(lines[0]), command=lines[1], output="\n".join(lines[2:]).rstrip())


def run(command: str, folder: Path) -> str:
    """What the command prints on standard output (standard error after it), in a terminal of fixed width and without colours."""
    words = shlex.split(command)
    assert words[0] == "dualhome", f"only dualhome is run from documents, not {command!r}"
    environment = {**os.environ, "COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb", "PYTHONHASHSEED": "random"}
    done = subprocess.run(
        [sys.executable, "-m", "dualhome.cli", *words[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1, 2), f"{command}: exit {done.returncode}\n{done.stderr}"
    return "\n".join(line.rstrip() for line in (done.stdout + done.stderr).rstrip().splitlines())


def rewritten(document: Path) -> str:
    """The document with every output as it is now."""

    def block(match: re.Match[str]) -> str:
        shown = [line[2:] for line in match[1].splitlines() if line.startswith("$ ")]
        return "```console\n" + "".join(f"$ {c}\n{out}\n" if (out := run(c, document.parent)) else f"$ {c}\n" for c in shown) + "```"

    return BLOCK.sub(block, document.read_text("utf-8"))
