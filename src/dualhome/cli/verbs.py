"""All verbs, in the order in which help shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from dualhome.cli import bgp, check, demo, plan, ribs, routes, schema, simulate, test, trace, why

program = typer.Typer(
    help="The dual-homed network of Azure Route Server, simulated: sessions, effective routes, paths, failures, and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

FILES, QUESTIONS, OTHER = "A topology file", "Questions (-f FILE, --fail X applied first)", "Other"
VERBS: tuple[tuple[str, dict[str, Callable[..., None]]], ...] = (
    (FILES, {"check": check.check, "plan": plan.plan, "simulate": simulate.simulate, "test": test.run_tests}),
    (
        QUESTIONS,
        {
            "routes": routes.routes,
            "learned": ribs.learned,
            "advertised": ribs.advertised,
            "rejected": ribs.rejected,
            "bgp": bgp.bgp,
            "trace": trace.trace,
            "why": why.why,
        },
    ),
    (OTHER, {"schema": schema.schema, "demo": demo.demo}),
)
for panel, verbs in VERBS:
    for name, verb in verbs.items():
        program.command(name, rich_help_panel=panel)(verb)


def _version(wanted: bool) -> None:
    if wanted:
        from dualhome import __version__

        typer.echo(f"dualhome {__version__}")
        raise typer.Exit


@program.callback()
def _program(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """The dual-homed network of Azure Route Server, simulated: sessions, effective routes, paths, failures, and why."""
