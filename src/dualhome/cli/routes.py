"""`routes NIC`."""

from __future__ import annotations

from typing import Annotated

import typer

from dualhome.cli.common import FailOption, FileOption, JsonOption, NetworkOption, node_argument, open_run, show, show_json


def routes(
    nic: Annotated[str, node_argument("NIC", "A machine's NIC, or a gateway.")],
    file: FileOption = None,
    fail: FailOption = None,
    network: NetworkOption = None,
    azure: Annotated[bool, typer.Option("--azure", help="JSON as az network nic show-effective-route-table prints it.")] = False,
    json: JsonOption = False,
) -> None:
    """Effective routes of a NIC."""
    run = open_run(file, fail, network)
    if azure:
        from dualhome.app import azure as shapes

        show_json(shapes.effective_routes(run, nic))
        return
    rows = run.effective_routes(nic)
    from dualhome.report import data, tables

    if json:
        show_json([data.effective_route(row) for row in rows])
    else:
        show(tables.effective_routes(rows))
