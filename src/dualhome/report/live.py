"""A live network in a terminal: what is up, what is down, what became of packets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dualhome.report import tables

MOST_DOWN = 20
MOST_LINES = 10


def summary(status: Mapping[str, Any], settled_s: float | None) -> RenderableType:
    """What `up` ends with: one line, and the sessions that are not up."""
    views = status["sessions"]
    up = [each for each in views if each.state == "Established"]
    settled = f"settled after {tables.duration(settled_s)}" if settled_s is not None else "not waited for"
    line = Text.assemble(
        (str(status["name"]), "bold"),
        f"  is up, {settled}: {len(up)} of {len(views)} BGP sessions, {status['nodes']} nodes, {status['ports']} ports, {status['routes']} routes in the fabric",
    )
    down = [each for each in views if each.state != "Established"]
    below = _programs(status)
    if down:
        below = [Text(), tables.sessions(down[:MOST_DOWN]), *below]
    below = [*_warnings(status), *below]
    return Group(line, *below) if below else line


def shown(status: Mapping[str, Any]) -> RenderableType:
    """The whole status."""
    parts: list[RenderableType] = [_head(status), *_warnings(status)]
    if status["failed"]:
        parts.append(Text("failed: " + ", ".join(status["failed"]), "red"))
    if status["ended"]:
        parts.append(Text("process gone: " + ", ".join(status["ended"]), "red"))
    parts += [Text(), tables.session_pairs(status["both_sides"])]
    down = [each for each in status["sessions"] if each.state != "Established"]
    if down:
        parts += [Text(), tables.sessions(down[:MOST_DOWN])]
    parts += _programs(status)
    parts += [Text(), _packets(status["packets"])]
    if status["journal"]:
        parts += [Text(), _journal(status["journal"][-MOST_LINES:])]
    return Group(*parts)


def _head(status: Mapping[str, Any]) -> Text:
    speed = f", {status['speed']:g} times as fast as the world" if status["speed"] != 1 else ""
    rest = f"waiting: {status['unsettled']}" if status["unsettled"] else "settled"
    return Text.assemble(
        (str(status["name"]), "bold"), f"  up for {tables.duration(status['up_s'])}{speed}; {rest}  ", (str(status["file"]), "bright_black")
    )


def _programs(status: Mapping[str, Any]) -> list[RenderableType]:
    """Programs that speak for nodes, with the way to their shells; devices that wait for machines of the user's."""
    found: list[RenderableType] = []
    if status["programs"]:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for head in ("program", "of", "state", "its shell"):
            table.add_column(head, overflow="fold")
        for node, each in status["programs"].items():
            state = each.get("refused") or ("runs" if each["running"] else "ended")
            table.add_row(each["runtime"], node, Text(state, "" if each["running"] else "red"), Text(each["shell"]))
        found += [Text(), table]
    if status["plugs"]:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for head in ("device in the host", "of", "to", "MAC", "address", "gateway"):
            table.add_column(head, overflow="fold")
        for plug in status["plugs"]:
            table.add_row(plug.device, plug.node, plug.to, plug.mac, ", ".join(plug.addresses), ", ".join(plug.gateways))
        found += [Text(), table]
    return found


def _warnings(status: Mapping[str, Any]) -> list[RenderableType]:
    return [Text(f"warning: {each}", "yellow") for each in status["tunnels"]["warnings"]]


def _packets(packets: Mapping[str, int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("packets")
    table.add_column("", justify="right")
    for reason, count in packets.items():
        table.add_row(reason, f"{count:,}")
    return table


def _journal(entries: Sequence[Any]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for entry in entries:
        table.add_row(f"{entry.time_us / 1_000_000:.3f} s", entry.kind, entry.who, entry.text)
    return table
