"""`route-server`: the daemon, and questions to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dualhome.cli.common import JsonOption, show, show_json

if TYPE_CHECKING:
    from rich.table import Table

route_server = typer.Typer(
    name="route-server",
    help="A BGP route server for real peers, as a daemon: Azure's way or a plain one.",
    invoke_without_command=True,
    no_args_is_help=True,
)

ControlOption = Annotated[Path, typer.Option("--control", metavar="PATH", help="The daemon's control socket.", show_default=False)]
InstanceOption = Annotated[str | None, typer.Option("--instance", metavar="NAME", help="Of this instance alone.", show_default=False)]
PeerOption = Annotated[str | None, typer.Option("--peer", metavar="NAME", help="Of this peer alone.", show_default=False)]
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
    """The sessions."""
    rows = _ask(control, "status", instance, peer)
    _print(rows, json, ("instance", "peer", "address", "asn", "state", "for_s", "accepted", "rejected", "advertised", "last_error"))


@route_server.command()
def routes(control: ControlOption, prefix: PrefixArgument = None, instance: InstanceOption = None, json: JsonOption = False) -> None:
    """All paths that take part in the decision, the best of each prefix first."""
    rows = _ask(control, "routes", instance, None, prefix)
    _print(rows, json, ("speaker", "prefix", "next_hop", "as_path", "learned_from", "best", "multipath", "lost_in"))


def _asking(what: str, columns: Sequence[str], text: str) -> None:
    def verb(
        control: ControlOption,
        prefix: PrefixArgument = None,
        instance: InstanceOption = None,
        peer: PeerOption = None,
        json: JsonOption = False,
    ) -> None:
        _print(_ask(control, what, instance, peer, prefix), json, columns)

    route_server.command(what, help=text)(verb)


_ROUTE = ("speaker", "peer", "prefix", "next_hop", "as_path", "communities", "origin")
_asking("learned", _ROUTE, "What peers announce, before rules.")
_asking("advertised", _ROUTE, "What peers are told.")
_asking("rejected", ("speaker", "peer", "prefix", "as_path", "reason", "detail"), "What was refused, and why.")


@route_server.command()
def reload(control: ControlOption) -> None:
    """Read the file anew, as SIGHUP does; exit 2 where it is wrong."""
    _ask(control, "reload")


def _ask(control: Path, what: str, instance: str | None = None, peer: str | None = None, prefix: str | None = None) -> Any:
    from dualhome.live.route_server.control import ask

    return ask(control, {"ask": what, "instance": instance, "peer": peer, "prefix": prefix})


def _print(rows: Sequence[Mapping[str, object]], json: bool, columns: Sequence[str]) -> None:
    if json:
        show_json(rows)
    else:
        show(_table(rows, columns))


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
