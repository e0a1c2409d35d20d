"""All verbs, in the order in which help shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from dualhome.cli import (
    act,
    azure,
    bench,
    bgp,
    check,
    demo,
    exchange,
    hunt,
    metrics,
    plan,
    ribs,
    route_server,
    routes,
    schema,
    serve,
    simulate,
    status,
    test,
    trace,
    up,
    why,
)

program = typer.Typer(
    help="The dual-homed network of Azure Route Server, simulated and live: sessions, effective routes, paths, failures, and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

FILES, LIVE, QUESTIONS, AZURE, OTHER = (
    "A topology file",
    "The network on this machine",
    "Questions (to the network that is up; -f FILE: to a simulation, --fail X applied first)",
    "As Azure",
    "Other",
)
VERBS: tuple[tuple[str, dict[str, Callable[..., None]]], ...] = (
    (FILES, {"check": check.check, "plan": plan.plan, "simulate": simulate.simulate, "test": test.run_tests}),
    (
        LIVE,
        {
            "up": up.up,
            "status": status.status,
            "down": up.down,
            "fail": act.fail,
            "restore": act.restore,
            "exec": act.execute,
            "probe": act.probe,
        },
    ),
    (
        QUESTIONS,
        {
            "routes": routes.routes,
            "learned": ribs.learned,
            "advertised": ribs.advertised,
            "rejected": ribs.rejected,
            "bgp": bgp.bgp,
            "metrics": metrics.metrics,
            "trace": trace.trace,
            "why": why.why,
        },
    ),
    (
        AZURE,
        {
            "serve": serve.serve,
            "env": azure.env,
            "az": azure.az,
            "openapi": azure.openapi,
            "export": exchange.export,
            "import": exchange.import_,
        },
    ),
    (OTHER, {"schema": schema.schema, "demo": demo.demo, "hunt": hunt.hunt, "bench": bench.bench}),
)
for panel, verbs in VERBS:
    for name, verb in verbs.items():
        program.command(name, rich_help_panel=panel)(verb)
program.add_typer(azure.principal, name="principal", rich_help_panel=AZURE)
program.add_typer(route_server.route_server, rich_help_panel=OTHER)


def _version(wanted: bool) -> None:
    if wanted:
        from dualhome import __version__

        typer.echo(f"dualhome {__version__}")
        raise typer.Exit


@program.callback()
def _program(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """The dual-homed network of Azure Route Server, simulated and live: sessions, effective routes, paths, failures, and why."""
