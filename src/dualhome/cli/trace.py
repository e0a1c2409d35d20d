"""`trace FROM TO`."""

from __future__ import annotations

from typing import Annotated

import typer

from dualhome.cli.common import FailOption, FileOption, JsonOption, NetworkOption, node_argument, open_run, show, show_json


def trace(
    source: Annotated[str, node_argument("FROM", "A machine, NIC, host, gateway instance, or internet.")],
    destination: Annotated[str, node_argument("TO", "The same, or an address.")],
    flow: Annotated[
        str | None,
        typer.Option("--flow", metavar="Tcp/443", help="What security groups judge; default: a probe of UDP.", show_default=False),
    ] = None,
    file: FileOption = None,
    fail: FailOption = None,
    network: NetworkOption = None,
    json: JsonOption = False,
) -> None:
    """The way of a packet, every branch of it, and of its answer. Exit 1 where a branch is dropped."""
    ways = open_run(file, fail, network).trace(source, destination, flow)
    from dualhome.report import data, paths

    if json:
        show_json([data.path(path) | {"replies": [data.path(reply) for reply in replies]} for path, replies in ways])
    else:
        show(paths.traced(ways))
    if any(path.outcome != "delivered" for path, _ in ways):
        raise typer.Exit(1)
