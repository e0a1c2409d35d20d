"""`check FILE`."""

from __future__ import annotations

import typer

from dualhome.cli.common import JsonOption, TopologyArgument, open_net, show, show_json, working


def check(file: TopologyArgument, json: JsonOption = False) -> None:
    """Errors of the file, and findings about the design, each with what helps."""
    from dualhome.errors import TopologyError
    from dualhome.report import data, tables
    from dualhome.report import json as shapes

    try:
        with working("checking"):
            found = open_net(file).check()
    except TopologyError as error:
        if json:
            show_json(shapes.findings([data.fault(fault) for fault in error.faults]))
        raise
    if json:
        show_json(shapes.findings([data.finding(each) for each in found]))
    elif found:
        show(tables.findings(found))
    else:
        show("Nothing to complain about.")
    if any(each.severity != "info" for each in found):
        raise typer.Exit(1)
