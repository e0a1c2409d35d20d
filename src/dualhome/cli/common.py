"""What verbs share: options, opening a file as a running network, printing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from dualhome.app import LiveRun, Net, Run


def complete_networks(incomplete: str) -> list[str]:
    """Networks that are up."""
    from dualhome.app import networks

    return [each.name for each in networks() if each.name.startswith(incomplete)]


def complete_names(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the network in -f FILE, else of the one that is up; none where it can't be read."""
    from dualhome.app import node_names
    from dualhome.errors import DualhomeError

    try:
        names = node_names(_asked(context).network)
    except (DualhomeError, OSError):
        return []
    return [name for name in [*names, "internet"] if name.startswith(incomplete)]


def _asked(context: typer.Context) -> Net | LiveRun:
    """What a command line that is being written asks."""
    from dualhome.app import LiveRun, load

    file = context.params.get("file") or context.params.get("topology")
    return load(file) if file else LiveRun.attach(context.params.get("network"))


def complete_sessions(context: typer.Context, incomplete: str) -> list[str]:
    """`a/b` of every session of the network in -f FILE, else of the one that is up."""
    from dualhome.errors import DualhomeError
    from dualhome.model import base_name
    from dualhome.plan import make_plan

    try:
        sessions = make_plan(_asked(context).network).sessions
    except (DualhomeError, OSError):
        return []
    both = [pair for s in sessions for pair in ((s.a, s.b), (s.b, s.a))]
    return [name for name in dict.fromkeys(f"{base_name(a)}/{base_name(b)}" for a, b in both) if name.startswith(incomplete)]


TopologyArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The topology file.", show_default=False)]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "-f", "--file", metavar="FILE", help="Ask a simulation of this topology file; else the network that is up.", show_default=False
    ),
]
NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--network", metavar="NAME", help="Which network, where several are up.", autocompletion=complete_networks, show_default=False
    ),
]
NetworkArgument = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="The network, where several are up.", autocompletion=complete_networks, show_default=False),
]
FailOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fail",
        metavar="X",
        help="Fail this first: a node, spoke-rs#0, a<->b, a/b. Repeatable.",
        autocompletion=complete_names,
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AzureOption = Annotated[bool, typer.Option("--azure", help="JSON as az prints it, of what Azure's own objects know.")]
SessionArgument = Annotated[
    str, typer.Argument(metavar="RS/PEER", help="Whose side, and toward whom: spoke-rs/hub1-nva.", autocompletion=complete_sessions)
]


def node_argument(metavar: str, text: str) -> Any:
    """An argument that is a name of the network."""
    return typer.Argument(metavar=metavar, help=text, autocompletion=complete_names, show_default=False)


def console() -> Console:
    """Standard output; wide where it is no terminal, so that pipes get whole lines."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False, emoji=False, markup=False)


def show(*things: RenderableType) -> None:
    """Print to standard output, an empty line between things."""
    out = console()
    for index, thing in enumerate(things):
        if index:
            out.print()
        out.print(thing)


def show_json(value: object) -> None:
    """Print data as JSON."""
    from dualhome.report.json import dumps

    sys.stdout.write(dumps(value) + "\n")


def note(text: str) -> None:
    """Say something beside the data."""
    print(text, file=sys.stderr)


@contextmanager
def working(text: str) -> Iterator[None]:
    """A progress line on standard error while something long is done; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


def open_net(file: Path) -> Net:
    """The network of a file."""
    from dualhome.app import load

    return load(file)


def attach(network: str | None) -> LiveRun:
    """The network that is up."""
    from dualhome.app import LiveRun

    return LiveRun.attach(network)


def open_run(file: Path | None, fail: list[str] | None = None, network: str | None = None) -> Run | LiveRun:
    """The network of a file, simulated until it is settled, with these failures; without a file the network that is up."""
    from dualhome.errors import RequestError

    if file is None:
        if fail:
            raise RequestError("--fail goes with -f FILE; `dualhome fail X` breaks the network that is up")
        return attach(network)
    if network is not None:
        raise RequestError("-f FILE asks a simulation and --network a network that is up: give one of them")
    run = open_net(file).simulate(settle=False)
    settle(run)
    for target in fail or ():
        run.fail(target)
        settle(run)
    return run


def settle(run: Run | LiveRun) -> float:
    """Let it settle; where it doesn't, say so and go on with what there is."""
    from dualhome.errors import DualhomeError

    start_s = run.now_s
    with working("settling"):
        try:
            return run.settle()
        except DualhomeError as error:
            note(f"dualhome: not settled: {error}; what follows is as of {run.now_s:g} s")
    return run.now_s - start_s
