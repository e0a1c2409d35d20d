"""`bench [engine|fabric|simulation|api|all]`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dualhome.cli.common import JsonOption, note, show_json


class Part(StrEnum):
    """What can be measured."""

    engine = "engine"
    fabric = "fabric"
    simulation = "simulation"
    api = "api"
    all = "all"


def bench(
    part: Annotated[Part, typer.Argument(help="What to measure.")] = Part.all,
    runs: Annotated[
        int | None,
        typer.Option("--runs", metavar="N", min=1, help="Of each BGP daemon; medians are shown. 3, where not given.", show_default=False),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="NAMES", help="bird,frr,openbgpd,gobgp, or none; what is installed, where not given.", show_default=False
        ),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option("--scenario", metavar="NAME", help="Of the engine's scenarios this alone. Repeatable.", show_default=False),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, one run: does it work, not how fast.")] = False,
    json: JsonOption = False,
) -> None:
    """How fast it is on this machine: the BGP engine beside other daemons, the fabric beside the kernel alone, simulations, Azure's REST API. From a checkout of the sources."""
    from dualhome.app.benches import Options, measure

    options = Options(part=part.value, runs=runs, against=against, scenarios=scenario or (), quick=quick)
    found = measure(options, json, note)
    if json:
        show_json({each.program.name: {"about": each.program.about, "why": each.why, **(each.report or {})} for each in found})
    for each in found:
        if each.why:
            note(f"{each.program.name}: {each.why}")
    if any(each.failed for each in found):
        raise typer.Exit(1)
