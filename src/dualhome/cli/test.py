"""`test FILE|DIR…`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualhome.cli.common import JsonOption, note, show_json

if TYPE_CHECKING:
    from dualhome.app import Net
    from dualhome.scenario import CheckResult

ENDINGS = (".yaml", ".yml", ".json")


def run_tests(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE|DIR…", help="Topology files with scenarios, or folders of them.", show_default=False)
    ],
    json: JsonOption = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the results there as JUnit's XML.", show_default=False)
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="On this machine instead: real BGP, real packets; the network is taken down at the end.")
    ] = False,
    speed: Annotated[
        float,
        typer.Option(
            "--speed", metavar="X", min=0.1, max=1000, help="With --live: timers run X times as fast; a hold time of 180 s ends in 180/X s."
        ),
    ] = 1,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only what failed, and the sum.")] = False,
) -> None:
    """Run the scenarios, in virtual time or live; one line a check. Exit 1 where a check fails, 2 where a file is wrong."""
    from dualhome.app import load
    from dualhome.errors import TopologyError

    results: list[CheckResult] = []
    wrong = False
    chosen = scenarios(files)
    for number, file in enumerate(chosen, 1):
        try:
            found = _tested(load(file), _Progress(f"{number}/{len(chosen)} {file}"), live, speed)
        except TopologyError as error:
            wrong = True
            for fault in error.faults:
                note(str(fault))
            continue
        finally:
            _Progress.clear()
        results += found
        if not json:
            _show(found, quiet)
            if not found:
                note(f"{file}: has no scenario that expects anything")
    if json:
        from dualhome.report.json import checks

        show_json(checks(results))
    else:
        failed = sum(not r.ok for r in results)
        typer.echo(f"{len(results) - failed} passed, {failed} failed")
    if junit is not None:
        from dualhome.report.junit import junit as written

        junit.write_text(written(results, [str(f) for f in chosen]), "utf-8")
    if wrong:
        raise typer.Exit(2)
    if any(not r.ok for r in results):
        raise typer.Exit(1)


def _tested(net: Net, progress: _Progress, live: bool, speed: float) -> list[CheckResult]:
    if not live:
        return net.test(progress)
    from dualhome.app import UpOptions

    name = f"{net.network.name[:40]}-test-{os.getpid()}"
    return net.test_live(progress, name, UpOptions(speed=speed))


def scenarios(files: Sequence[Path]) -> list[Path]:
    """The files themselves, and those in the folders that are topologies, sorted."""
    found: list[Path] = []
    for each in files:
        if each.is_dir():
            inside = sorted(p for p in each.rglob("*") if p.suffix in ENDINGS and p.is_file())
            if not inside:
                note(f"{each}: no {', '.join(ENDINGS)} files in this folder")
            for path in inside:
                if b"virtual_networks" in path.read_bytes():
                    found.append(path)
                else:
                    note(f"{path}: no topology, passed over")
        else:
            found.append(each)
    return found


def _show(results: Sequence[CheckResult], quiet: bool) -> None:
    for result in results:
        if result.ok and not quiet:
            typer.echo(f"{typer.style('✓', 'green')} {result.file}:{result.line}: {result.what}")
        elif not result.ok:
            typer.echo(f"{typer.style('✗', 'red')} {result.message}")


class _Progress:
    """A line on standard error that says which step of which file is done; nothing where that is no terminal."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __call__(self, step: int, steps: int, what: str) -> None:
        """Say it."""
        if sys.stderr.isatty():
            text = f"{self._file}: step {step + 1} of {steps}: {what}"
            sys.stderr.write(f"\r\x1b[K{text[:110]}")
            sys.stderr.flush()

    @staticmethod
    def clear() -> None:
        """Take the line away."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
