"""`learned`, `advertised`, `rejected`: what passed between two speakers."""

from __future__ import annotations

from typing import Annotated

import typer

from dualhome.cli.common import (
    AzureOption,
    FailOption,
    FileOption,
    JsonOption,
    NetworkOption,
    SessionArgument,
    complete_sessions,
    open_run,
    show,
    show_json,
)


def learned(
    session: SessionArgument,
    file: FileOption = None,
    fail: FailOption = None,
    network: NetworkOption = None,
    azure: AzureOption = False,
    json: JsonOption = False,
) -> None:
    """What a speaker holds from a peer: accepted, before its own rules."""
    run = open_run(file, fail, network)
    if azure:
        from dualhome.app import azure as shapes

        show_json(shapes.learned(run, session))
        return
    rows = run.learned(session)
    from dualhome.report import data, tables

    if json:
        show_json([data.route(row) for row in rows])
    else:
        show(tables.routes(rows) if rows else f"Nothing is learned by {session}.")


def advertised(
    session: SessionArgument,
    file: FileOption = None,
    fail: FailOption = None,
    network: NetworkOption = None,
    azure: AzureOption = False,
    json: JsonOption = False,
) -> None:
    """What a speaker tells a peer."""
    run = open_run(file, fail, network)
    if azure:
        from dualhome.app import azure as shapes

        show_json(shapes.advertised(run, session))
        return
    rows = run.advertised(session)
    from dualhome.report import data, tables

    if json:
        show_json([data.route(row) for row in rows])
    else:
        show(tables.routes(rows) if rows else f"Nothing is advertised by {session}.")


def rejected(
    session: Annotated[
        str, typer.Argument(metavar="RS[/PEER]", help="Whose side, and from whom: spoke-rs/hub1-nva.", autocompletion=complete_sessions)
    ],
    file: FileOption = None,
    fail: FailOption = None,
    network: NetworkOption = None,
    json: JsonOption = False,
) -> None:
    """What a speaker received and refused, and which rule refused it."""
    rows = open_run(file, fail, network).rejected(session)
    from dualhome.report import data, tables

    if json:
        show_json([data.route(row) for row in rows])
    else:
        show(tables.rejected(rows) if rows else f"Nothing is rejected by {session}.")
