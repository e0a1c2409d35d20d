"""`why NODE PREFIX`."""

from __future__ import annotations

from typing import Annotated

import typer

from dualhome.cli.common import FailOption, FileOption, JsonOption, NetworkOption, node_argument, open_run, show, show_json


def why(
    node: Annotated[str, node_argument("NODE", "A machine, gateway or BGP speaker.")],
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="A prefix or an address.", show_default=False)],
    file: FileOption = None,
    fail: FailOption = None,
    network: NetworkOption = None,
    json: JsonOption = False,
) -> None:
    """Why a node has a route, or where it was lost."""
    story = open_run(file, fail, network).why(node, prefix)
    if json:
        show_json(story.to_data())
        return
    from dualhome.report import story as stories

    show(stories.told(story))
