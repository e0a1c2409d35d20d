"""The benchmarks of the source tree's folder `benches`, in one report. Each is a program of its own, so that none spoils another's memory or caches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Final

import dualhome
from dualhome.errors import RequestError, SystemRefused

FOLDER: Final = File(dualhome.__file__).parents[2] / "benches"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One of them; `quick`: its words for a run of seconds."""

    name: str
    part: str
    about: str
    quick: Sequence[str] = ()
    root: bool = False


PROGRAMS: Final = (
    Program(name="engine", part="engine", about="BGP: speed and memory, beside other daemons", quick=("--scale", "0.02", "--runs", "1")),
    Program(name="simulate", part="simulation", about="whole networks on virtual time", quick=("10",)),
    Program(name="check", part="simulation", about="findings about large designs", quick=("dual", "50")),
    Program(
        name="api",
        part="api",
        about="Azure's REST API: a large template, tables under load",
        quick=("--networks", "50", "--machines", "50", "--clients", "10"),
    ),
    Program(name="netlink", part="fabric", about="routes into the kernel, beside ip -batch", root=True),
    Program(name="fabric", part="fabric", about="packets through the fabric, beside a veth alone", root=True),
    Program(name="restart", part="fabric", about="packets while a route server is killed and comes back", quick=("--quick",), root=True),
)
PARTS: Final = ("engine", "fabric", "simulation", "api")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to measure, and how. `runs`, `against` and `scenarios` are the engine's."""

    part: str = "all"
    runs: int | None = None
    against: str | None = None
    scenarios: Sequence[str] = ()
    quick: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a program said. `failed`: it found something wrong, or couldn't run; `why`, where that is known."""

    program: Program
    report: Mapping[str, object] | None = None
    failed: bool = False
    why: str | None = None


def measure(options: Options, as_json: bool, tell: Callable[[str], None] = lambda text: None) -> list[Outcome]:
    """Run what is asked for, one after the other: tables go to standard output as they come, or every report into its outcome.

    Raises:
        RequestError: there is no such part.
        SystemRefused: this isn't a source tree.
    """
    if options.part not in (*PARTS, "all"):
        raise RequestError(f"no such benchmarks: {options.part!r} (there are {', '.join(PARTS)}, all)")
    if not FOLDER.is_dir():
        raise SystemRefused("benchmarks are part of the source tree, which this installation isn't: run it from a checkout")
    out = []
    for program in PROGRAMS:
        if options.part not in (program.part, "all"):
            continue
        tell(f"{program.name}: {program.about}")
        out.append(_run(program, options, as_json))
    return out


def _run(program: Program, options: Options, as_json: bool) -> Outcome:
    if program.root and os.geteuid() != 0:
        return Outcome(program=program, failed=options.part != "all", why="it needs root")
    command = [sys.executable, str(FOLDER / f"{program.name}.py"), *_words(program, options), *(["--json"] if as_json else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE if as_json else None, text=True, check=False)
    report = json.loads(done.stdout) if as_json and done.stdout.strip() else None
    return Outcome(
        program=program, report=report, failed=done.returncode != 0, why=f"it ended with {done.returncode}" if done.returncode else None
    )


def _words(program: Program, options: Options) -> list[str]:
    words = list(program.quick) if options.quick else []
    if program.name == "engine":
        words += ["--runs", str(options.runs)] if options.runs is not None else []
        words += ["--against", options.against] if options.against is not None else []
        words += options.scenarios
    return words
