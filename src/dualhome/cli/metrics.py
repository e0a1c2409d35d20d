"""`metrics [RS]`."""

from __future__ import annotations

from typing import Annotated

from dualhome.cli.common import FailOption, FileOption, JsonOption, NetworkOption, node_argument, open_run, show, show_json


def metrics(
    server: Annotated[str | None, node_argument("RS", "A route server; all, where none is named.")] = None,
    file: FileOption = None,
    fail: FailOption = None,
    network: NetworkOption = None,
    json: JsonOption = False,
) -> None:
    """Metrics of route servers, by the names that Azure Monitor has for them."""
    from dualhome.app import azure

    found = azure.metrics(open_run(file, fail, network), server)
    if json:
        show_json(found)
        return
    from dualhome.report.metrics import table

    show(table(found) if found else "The network has no route server.")
