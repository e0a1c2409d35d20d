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
    rows = open_run(file, fail, network).effective_routes(nic)
    from dualhome.report import data, tables

    if azure:
        show_json({"value": [data.azure_route(row) for row in rows]})
    elif json:
        show_json([data.effective_route(row) for row in rows])
    else:
        show(tables.effective_routes(rows))
