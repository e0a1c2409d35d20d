"""`bgp NODE`."""

from __future__ import annotations

from typing import Annotated

import typer

from dualhome.cli.common import AzureOption, FailOption, FileOption, JsonOption, NetworkOption, node_argument, open_run, show, show_json


def bgp(
    node: Annotated[str, node_argument("NODE", "A BGP speaker: spoke-rs, spoke-rs#0, hub1-nva, circuit1, dc1-r1.")],
    file: FileOption = None,
    fail: FailOption = None,
    network: NetworkOption = None,
    azure: AzureOption = False,
    peers: Annotated[bool, typer.Option("--peers", help="With --azure: the state of its sessions in place of routes.")] = False,
    json: JsonOption = False,
) -> None:
    """Sessions and BGP table of a speaker, with what lost and in which round."""
    run = open_run(file, fail, network)
    if azure or peers:
        from dualhome.app import azure as shapes

        show_json(shapes.peers(run, node) if peers else shapes.speaker(run, node))
        return
    rows, views = run.table(node), run.sessions(node)
    from dualhome.report import data, tables

    if json:
        show_json({"sessions": [data.session(view) for view in views], "routes": [data.route(row) for row in rows]})
    else:
        show(tables.sessions(views), tables.bgp_table(rows) if rows else "The table is empty.")
