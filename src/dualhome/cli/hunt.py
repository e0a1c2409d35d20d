"""`hunt`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from dualhome.cli.common import JsonOption, note, show_json

if TYPE_CHECKING:
    from dualhome.app.hunting import Outcome

SHOWN = 5
"""Failures that are made smaller and told in full; the others' seeds are named."""

SeedsOption = Annotated[int, typer.Option("--seeds", metavar="N", min=1, help="How many seeds to run.")]
FirstOption = Annotated[int, typer.Option("--first", metavar="K", min=0, help="The first seed; the others follow it.")]
NewOption = Annotated[bool, typer.Option("--new", help="Begin at a seed that the clock gives.")]
SeedOption = Annotated[
    int | None, typer.Option("--seed", metavar="K", min=0, help="Run this seed alone, and tell its network and faults.", show_default=False)
]
OnlyOption = Annotated[
    str | None,
    typer.Option("--only", metavar="NUMBERS", help="Of that seed's faults do these alone: 1,4, or none.", show_default=False),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Print the journal of that seed on standard error.")]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", metavar="N", min=1, help="Seeds at a time; as many as there are processors.", show_default=False)
]


def hunt(
    seeds: SeedsOption = 100,
    first: FirstOption = 0,
    new: NewOption = False,
    seed: SeedOption = None,
    only: OnlyOption = None,
    verbose: VerboseOption = False,
    jobs: JobsOption = None,
    json: JsonOption = False,
) -> None:
    """Hunt faults of the BGP engine: networks drawn from seeds, on virtual time, whose links and machines fail in every way. Exit 1 where something didn't hold."""
    from dualhome.errors import RequestError

    if only is not None and seed is None:
        raise RequestError("--only goes with --seed K")
    outcomes = [_one(seed, only, verbose)] if seed is not None else _many(range(_first(first, new), _first(first, new) + seeds), jobs)
    broken = [outcome for outcome in outcomes if outcome.broken]
    if json:
        show_json([_data(outcome) for outcome in (broken if seed is None else outcomes)])
    elif seed is None:
        _tell_all(outcomes, broken)
    else:
        _tell(outcomes[0])
    if broken:
        raise typer.Exit(1)


def _first(first: int, new: bool) -> int:
    return int(time.time()) // 10 % 100_000_000 * 1000 if new else first


def _one(seed: int, only: str | None, verbose: bool) -> Outcome:
    from dualhome.app.hunting import hunt as run

    return run(seed, None if only is None else _numbers(only), note if verbose else None)


def _numbers(text: str) -> frozenset[int]:
    from dualhome.errors import RequestError

    try:
        return frozenset(int(word) for word in text.split(",") if word != "none")
    except ValueError:
        raise RequestError(f"--only {text}: numbers of faults, as in 1,4, or none") from None


def _many(seeds: range, jobs: int | None) -> list[Outcome]:
    """All, with progress; the first failures are made smaller."""
    from dualhome.app.hunting import hunt_all, shrink

    note(f"seeds {seeds.start} to {seeds.stop - 1}")
    outcomes: list[Outcome] = []
    begun, failures = time.monotonic(), 0
    for outcome in hunt_all(seeds, jobs):
        if outcome.broken:
            failures += 1
            outcome = shrink(outcome) if failures <= SHOWN else outcome
        outcomes.append(outcome)
        if sys.stderr.isatty():
            print(f"\r{len(outcomes)} of {len(seeds)} seeds, {failures} failed ", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    note(f"{len(outcomes)} seeds in {time.monotonic() - begun:.0f} s, {sum(outcome.events for outcome in outcomes)} events")
    return outcomes


def _tell_all(outcomes: list[Outcome], broken: list[Outcome]) -> None:
    for outcome in broken[:SHOWN]:
        _tell(outcome)
    if len(broken) > SHOWN:
        typer.echo(f"Failed, too: {', '.join(str(outcome.seed) for outcome in broken[SHOWN:])}")
    held = len(outcomes) - len(broken)
    typer.echo(f"Everything held in {held} of {len(outcomes)} networks." if broken else f"Everything held in all {held} networks.")


def _tell(outcome: Outcome) -> None:
    typer.echo(
        f"seed {outcome.seed} ({outcome.shape}): {f'at {outcome.at_s:.3f} s: {outcome.broken}' if outcome.broken else 'everything held'}"
    )
    for fault in outcome.faults:
        typer.echo(f"  {fault}")
    if outcome.broken:
        typer.echo(f"  replay: {outcome.command} --verbose")


def _data(outcome: Outcome) -> dict[str, object]:
    return {
        "seed": outcome.seed,
        "shape": outcome.shape,
        "ok": not outcome.broken,
        "broken": outcome.broken,
        "at_s": outcome.at_s,
        "faults": [str(fault) for fault in outcome.faults],
        "replay": outcome.command,
    }
