"""`up FILE`, `down`: the live network."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualhome.cli.common import JsonOption, NetworkArgument, TopologyArgument, note, open_net, show, show_json

if TYPE_CHECKING:
    from dualhome.app import LiveRun

NameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Its name on this machine; the file's own name if none is given.", show_default=False),
]
SpeedOption = Annotated[
    float,
    typer.Option(
        "--speed", metavar="X", min=0.1, max=1000, help="Let its timers run X times as fast: a hold time of 180 s ends in 180/X s."
    ),
]


class TunnelMode(StrEnum):
    """How tunnels are made."""

    AUTO = "auto"
    WIREGUARD = "wireguard"
    PLAIN = "plain"


TunnelsOption = Annotated[
    TunnelMode, typer.Option("--tunnels", help="VPN tunnels: by WireGuard, or not encrypted; auto: by WireGuard where this machine can.")
]


def up(
    file: TopologyArgument,
    name: NameOption = None,
    wait_s: Annotated[float, typer.Option("--wait", metavar="S", help="How long it may take to settle; 0: don't wait for that.")] = 120,
    speed: SpeedOption = 1,
    isolate: Annotated[bool, typer.Option("--isolate", help="A process of its own for each built-in speaker.")] = False,
    tunnels: TunnelsOption = TunnelMode.AUTO,
    json: JsonOption = False,
) -> None:
    """Bring the network up on this machine: namespaces, real BGP, routes in the kernel. Returns once it has settled."""
    live: LiveRun | None = None
    settled_s = None
    try:
        live = start(file, name, speed, isolate, tunnels)
        if wait_s:
            with _Line(live):
                live.settle(wait_s)
                settled_s = live.now_s
        summary = live.status()
    except KeyboardInterrupt:  # whoever gives up waiting has no network
        if live is not None:
            from dualhome.app import down as take_down

            take_down(live.place.name)
        raise
    if json:
        from dualhome.cli.status import data

        show_json(data(live) | {"settled_after_s": settled_s})
        return
    from dualhome.report import live as told

    show(told.summary(summary, settled_s))


def start(file: Path, name: str | None = None, speed: float = 1, isolate: bool = False, tunnels: TunnelMode = TunnelMode.AUTO) -> LiveRun:
    """The network of a file, up, with progress on standard error."""
    from dualhome.app import UpOptions

    net = open_net(file)
    try:
        return net.up(name, UpOptions(speed=speed, isolate=isolate, tunnels=tunnels.value), _progress)
    finally:
        _clear()


def down(
    name: NetworkArgument = None,
    every: Annotated[bool, typer.Option("--all", help="All networks.")] = False,
    json: JsonOption = False,
) -> None:
    """Take a network down, or remove what is left of one: processes, namespaces, interfaces, routes, files."""
    from dualhome.app import down as take_down
    from dualhome.app import networks

    names = [each.name for each in networks()] if every else [name]
    removed = {each or "": take_down(each) for each in names}
    if json:
        show_json({"removed": [what for each in removed.values() for what in each]})
    elif not removed:
        note("no network is up")
    for each in removed.values() if not json else ():
        note("removed: " + (", ".join(each) if each else "nothing was left"))


def _progress(done: int, of: int, what: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what}: {done} of {of}")
        sys.stderr.flush()


def _clear() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class _Line:
    """While a network settles, what it waits for; nothing where standard error is no terminal."""

    def __init__(self, live: LiveRun) -> None:
        self._live = live

    def __enter__(self) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("settling")
            sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        _clear()
