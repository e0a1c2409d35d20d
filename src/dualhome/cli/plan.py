"""`plan FILE`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dualhome.cli.common import JsonOption, TopologyArgument, open_net, show, show_json


class Form(StrEnum):
    """Kinds of drawings."""

    svg = "svg"
    mermaid = "mermaid"


def plan(
    file: TopologyArgument,
    diagram: Annotated[Form | None, typer.Option("--diagram", help="A drawing instead of tables.", show_default=False)] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the drawing there.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """What the file becomes: speakers, sessions, policies; or a drawing of the network."""
    net = open_net(file)
    if diagram is not None or output is not None:
        drawn = net.diagram((diagram or Form.svg).value)
        if output is None:
            typer.echo(drawn.rstrip("\n"))
        else:
            output.write_text(drawn.rstrip("\n") + "\n", "utf-8")
    elif json:
        from dualhome.report import plans

        show_json(plans.plan(net.plan))
    else:
        from dualhome.report import tables

        show(tables.plan_speakers(net.plan), tables.plan_sessions(net.plan), *net.plan.notes)
