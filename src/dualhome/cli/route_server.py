"""`route-server`: the daemon, and questions to it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dualhome.cli.common import JsonOption, note, show

if TYPE_CHECKING:
    from rich.table import Table

Row = Mapping[str, Any]
SHOWN: Final = 1000
"""Prefixes of a printed table, where nothing else is said."""

route_server = typer.Typer(
    name="route-server",
    help="A BGP route server for real peers, as a daemon: Azure's way or a plain one.",
    invoke_without_command=True,
    no_args_is_help=True,
)

ControlOption = Annotated[Path, typer.Option("--control", metavar="PATH", help="The daemon's control socket.", show_default=False)]
InstanceOption = Annotated[str | None, typer.Option("--instance", metavar="NAME", help="Of this instance alone.", show_default=False)]
PeerOption = Annotated[str | None, typer.Option("--peer", metavar="NAME", help="Of this peer alone.", show_default=False)]
AfterOption = Annotated[
    str | None, typer.Option("--after", metavar="PREFIX", help="Only what comes behind this prefix.", show_default=False)
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", help="At most N prefixes; 1000 where a table is printed.", show_default=False)
]
LinesOption = Annotated[bool, typer.Option("--lines", help="Print JSON, one line a row, as it comes.")]
PrefixArgument = Annotated[str | None, typer.Argument(metavar="PREFIX", help="This prefix alone.", show_default=False)]


@route_server.callback()
def run(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="The route server's file.", show_default=False)] = None,
    check: Annotated[bool, typer.Option("--check", help="Only read the file, and say what is wrong with it.")] = False,
    print_unit: Annotated[bool, typer.Option("--print-unit", help="Print a systemd unit that starts it with few rights.")] = False,
) -> None:
    """Run until SIGTERM. SIGHUP reads the file anew: sessions that don't change stay up, and a wrong file changes nothing."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise typer.BadParameter("a route server needs its file", param_hint="--config")
    import asyncio

    from dualhome.live.route_server.config import load

    read = load(config)
    if print_unit:
        from dualhome.live.route_server.unit import unit

        typer.echo(unit(config, read.kernel is not None, any(each.namespace for each in read.instances)), nl=False)
    elif check:
        typer.echo(f"{config}: {len(read.instances)} instances, {len(read.peers)} peers: nothing is wrong")
    else:
        from dualhome.live.route_server.daemon import run as serve

        asyncio.run(serve(read))


@route_server.command()
def status(control: ControlOption, instance: InstanceOption = None, peer: PeerOption = None, json: JsonOption = False) -> None:
    """The sessions; with --json their counters, too."""
    columns = ("instance", "peer", "address", "asn", "state", "for_s", "accepted", "rejected", "advertised", "last_error")
    _print(_rows(control, "status", instance=instance, peer=peer), json, columns)


@route_server.command()
def history(
    control: ControlOption,
    instance: InstanceOption = None,
    peer: PeerOption = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="The latest N alone.", show_default=False)] = None,
    json: JsonOption = False,
    lines: LinesOption = False,
) -> None:
    """What happened to the peers: their sessions' states, NOTIFICATIONs, limits."""
    rows = _rows(control, "history", instance=instance, peer=peer, limit=limit)
    _print(({**row, "at": _moment(row["at_s"])} for row in rows), json, ("at", "instance", "peer", "kind", "text"), lines=lines)


def _asking(what: str, columns: Sequence[str], text: str, *, of_peers: bool = True) -> None:
    def verb(
        control: ControlOption,
        prefix: PrefixArgument = None,
        instance: InstanceOption = None,
        peer: PeerOption = None,
        after: AfterOption = None,
        limit: LimitOption = None,
        json: JsonOption = False,
        lines: LinesOption = False,
    ) -> None:
        if not (json or lines or limit or prefix):
            limit = SHOWN
        asked = {"prefix": prefix, "instance": instance, "peer": peer, "after": after, "limit": limit}
        key = ("speaker", "peer", "prefix") if of_peers else ("speaker", "prefix")
        _print(_counted(_rows(control, what, **asked), limit, key), json, columns, lines=lines)

    if of_peers:
        route_server.command(what, help=text)(verb)
        return

    def without_peer(
        control: ControlOption,
        prefix: PrefixArgument = None,
        instance: InstanceOption = None,
        after: AfterOption = None,
        limit: LimitOption = None,
        json: JsonOption = False,
        lines: LinesOption = False,
    ) -> None:
        verb(control, prefix, instance, None, after, limit, json, lines)

    route_server.command(what, help=text)(without_peer)


_DECIDED = ("speaker", "prefix", "next_hop", "as_path", "learned_from", "best", "multipath", "lost_in")
_ROUTE = ("speaker", "peer", "prefix", "next_hop", "as_path", "communities", "origin")
_asking("routes", _DECIDED, "All paths that take part in the decision, the best of each prefix first.", of_peers=False)
_asking("learned", _ROUTE, "What peers announce, before rules.")
_asking("advertised", _ROUTE, "What peers are told.")
_asking("rejected", ("speaker", "peer", "prefix", "as_path", "reason", "detail"), "What was refused, and why.")


@route_server.command()
def reload(control: ControlOption) -> None:
    """Read the file anew, as SIGHUP does; exit 2 where it is wrong."""
    from dualhome.live.route_server.control import ask

    ask(control, {"ask": "reload"})


def _rows(control: Path, what: str, **asked: object) -> Iterator[Row]:
    from dualhome.live.route_server.control import rows

    return rows(control, {"ask": what, **asked})


def _counted(rows: Iterable[Row], limit: int | None, key: Sequence[str]) -> Iterator[Row]:
    """The rows; where a page is full, how to ask for the next one is said at its end. `key` names what one prefix of one table is."""
    seen, last, prefix = 0, None, ""
    for row in rows:
        now = [row[each] for each in key]
        seen, last, prefix = seen + (now != last), now, row["prefix"]
        yield row
    if limit is not None and seen >= limit:
        note(f"dualhome: {limit} prefixes, the last is {prefix}; --limit takes more, --after goes on behind one")


def _print(rows: Iterable[Row], json: bool, columns: Sequence[str], *, lines: bool = False) -> None:
    """A table; JSON is written as it comes, so that the longest table needs no memory."""
    if lines:
        from json import dumps

        for row in rows:
            sys.stdout.write(dumps(row, ensure_ascii=False) + "\n")
    elif json:
        _show_array(rows)
    else:
        show(_table(list(rows), columns))


def _show_array(rows: Iterable[Row]) -> None:
    """As `show_json` prints a list."""
    from dualhome.report.json import dumps

    before = "[\n"
    for row in rows:
        sys.stdout.write(before + indent(dumps(row), "  "))
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")


def _moment(at_s: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> Table:
    from dualhome.report.tables import light

    table = light(*(each.replace("_", " ") for each in columns), fold=("as path", "last error", "detail"))
    for row in rows:
        table.add_row(*map(_cell, (row.get(each) for each in columns)))
    return table


def _cell(value: object) -> str:
    match value:
        case None | False:
            return ""
        case True:
            return "yes"
        case list():
            return " ".join(map(str, value))
    return str(value)
