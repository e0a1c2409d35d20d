"""`fail X`, `restore X`, `exec NODE -- CMD`, `probe FROM TO`: acting on the network that is up."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from dualhome.cli.common import JsonOption, NetworkOption, attach, complete_names, node_argument, note, show_json
from dualhome.cli.simulate import How

if TYPE_CHECKING:
    from dualhome.app import ProbeResult

Targets = Annotated[
    list[str],
    typer.Argument(
        metavar="X…", help="A node, spoke-rs#0, a<->b, a/b, a virtual network or region.", autocompletion=complete_names, show_default=False
    ),
]
HowOption = Annotated[How, typer.Option("--how", help="Its processes end, its packets vanish, or it drops data alone.")]
SettleOption = Annotated[
    float, typer.Option("--settle", metavar="S", help="Wait so long at most for the network to settle; 0: don't wait.")
]


def fail(targets: Targets, how: HowOption = How.crash, settle_s: SettleOption = 0, network: NetworkOption = None) -> None:
    """Break something of the network that is up, really: processes are killed, packets dropped."""
    live = attach(network)
    live.fail([f"{each}:{how.value}" if ":" not in each else each for each in targets])
    if settle_s:
        note(f"settled after {live.settle(settle_s):.3f} s")


def restore(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="X…", help="What `fail` named; all of it if nothing is named.", show_default=False)
    ] = None,
    settle_s: SettleOption = 0,
    network: NetworkOption = None,
) -> None:
    """Mend what `fail` broke."""
    live = attach(network)
    live.restore(list(targets) if targets else "all")
    if settle_s:
        note(f"settled after {live.settle(settle_s):.3f} s")


def execute(
    node: Annotated[str, node_argument("NODE", "A machine, NVA, router, host, instance of a gateway or route server, or internet.")],
    command: Annotated[list[str], typer.Argument(metavar="-- CMD…", help="The program and its arguments.", show_default=False)],
    network: NetworkOption = None,
) -> None:
    """Run a program inside a node, as if on that machine: `dualhome exec spoke-vm -- ping 192.168.1.10`."""
    from dualhome.app import hint
    from dualhome.errors import RequestError

    live = attach(network)
    nodes = live.nodes()
    if any(plug.node == node for plug in live.status()["plugs"]):
        raise RequestError(f"{node} is a machine of yours (`runtime: external`): run it there")
    if node not in nodes:
        raise RequestError(f"no node {node!r}{hint(node, nodes)}")
    os.environ.update(live.place.environment())
    os.execvp("nsenter", ["nsenter", f"--net={nodes[node]}", "--", *command])


def probe(
    source: Annotated[str, node_argument("FROM", "Who sends: a machine, NVA, router, host or instance.")],
    destination: Annotated[str, node_argument("TO", "To whom: the same, internet, or an address.")],
    rate: Annotated[int, typer.Option("--rate", metavar="N", min=1, max=5000, help="Packets a second.")] = 1000,
    flows: Annotated[int, typer.Option("--flows", metavar="N", min=1, max=1024, help="Flows, each with a port of its own.")] = 16,
    seconds: Annotated[float, typer.Option("--seconds", metavar="S", min=0.1, help="For how long.")] = 5,
    network: NetworkOption = None,
    json: JsonOption = False,
) -> None:
    """Send packets through the network that is up: how many are lost, how long the longest gap of a flow is, which ways they take. Exit 1 where any is lost."""
    live = attach(network)
    with _counting() as tell:
        found = live.probe(source, destination, rate, flows, seconds, tell)
    if json:
        ways = [list(way) for way in found.paths]
        show_json({"sent": found.sent, "lost": found.lost, "longest_gap_ms": round(found.longest_gap_ms, 3), "paths": ways})
    else:
        print(_said(found))
        for way in found.paths:
            print("  " + " → ".join((source, *way)))
    if found.lost:
        raise typer.Exit(1)


@contextmanager
def _counting() -> Iterator[Callable[[ProbeResult], None] | None]:
    """A line on standard error that counts, where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return

    def tell(found: ProbeResult) -> None:
        sys.stderr.write(f"\r\x1b[K{_said(found)}")
        sys.stderr.flush()

    yield tell
    sys.stderr.write("\r\x1b[K")


def _said(found: ProbeResult) -> str:
    lost = f"{found.lost} lost" + (f", longest gap {found.longest_gap_ms:.0f} ms" if found.longest_gap_ms else "")
    return f"{found.sent} sent, {lost}" + (f"; {found.open} flows are interrupted" if found.open else "")
