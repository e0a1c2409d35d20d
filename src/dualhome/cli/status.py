"""`status`: what is up."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dualhome.cli.common import JsonOption, NetworkArgument, attach, console, show, show_json

if TYPE_CHECKING:
    from dualhome.app import LiveRun


def status(
    name: NetworkArgument = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on showing it until interrupted.")] = False,
    every_s: Annotated[float, typer.Option("--every", metavar="S", min=0.1, help="With --watch: how often.")] = 1,
    json: JsonOption = False,
) -> None:
    """The network that is up: sessions, what failed, what became of packets, the last events. Exit 1 where none is up."""
    from dualhome.app import networks

    known = networks()
    if name is None and len(known) != 1:
        _all(known, json)
        raise typer.Exit(0 if known else 1)
    live = attach(name)
    from dualhome.report import live as told

    if json:
        show_json(data(live))
    elif not watch:
        show(told.shown(live.status()))
    else:
        from rich.live import Live

        with Live(told.shown(live.status()), console=console(), refresh_per_second=4, screen=False) as view:
            while True:
                time.sleep(every_s)
                view.update(told.shown(live.status()))


def data(live: LiveRun) -> dict[str, Any]:
    """The status as data."""
    from dualhome.report import data as form

    found = live.status()
    return {k: v for k, v in found.items() if k not in ("both_sides", "journal")} | {
        "plugs": [asdict(each) for each in found["plugs"]],
        "sessions": [form.session(view) for view in found["sessions"]],
        "journal": [asdict(entry) for entry in found["journal"]],
    }


def _all(known: Any, json: bool) -> None:
    if json:
        show_json({"networks": [asdict(each) for each in known]})
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("network", "state", "file"):
        table.add_column(head)
    for each in known:
        table.add_row(each.name, f"up (process {each.pid})" if each.running else "left over: dualhome down " + each.name, each.file)
    show(table if known else "no network is up")
