"""`fail X`, `restore X`, `exec NODE -- CMD`: acting on the network that is up."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from dualhome.cli.common import NetworkOption, attach, complete_names, node_argument, note
from dualhome.cli.simulate import How

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
    if node not in nodes:
        raise RequestError(f"no node {node!r}{hint(node, nodes)}")
    os.environ.update(live.place.environment())
    os.execvp("nsenter", ["nsenter", f"--net={nodes[node]}", "--", *command])
