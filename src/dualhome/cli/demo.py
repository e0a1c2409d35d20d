"""`demo`: the article's ExpressRoute network comes up, then its parts fail in turn and come back; live where the machine allows it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dualhome.cli.common import JsonOption, note, open_net, show

if TYPE_CHECKING:
    from dualhome.app import LiveRun, Net

FILE = Path(__file__).with_name("demo.yaml")
FAILURES = ["hub1-nva", "hub1-nva:silent", "circuit1", "hub1:silent", "hub1", "spoke-rs#0"]
LIVE_FAILURES = ("hub1-nva", "circuit1", "hub1", "spoke-rs#0")
ENDS = ("spoke-vm", "dc-host")
FLOWS = 8  # of a thousand packets a second: gaps are known to 8 ms
SETTLE_S = 20
WATCH_S = 0.7


def demo(
    simulated: Annotated[bool, typer.Option("--simulated", help="On virtual time, even where it could run live.")] = False,
    json: JsonOption = False,
) -> None:
    """The article's network with two hubs and ExpressRoute: live on this machine where it has the privileges, else on virtual time. It comes up; then an NVA
    dies, a circuit fails behind a healthy NVA, a whole hub is lost, an instance of the route server dies, and each comes back.
    """
    from dualhome.live import machine

    lacking = [] if simulated or json else list(machine.missing())
    if simulated or json or lacking:
        for each in lacking:
            note(f"Not live: {each}")
        _simulated(json)
    else:
        _live()


def _simulated(json: bool) -> None:
    from dualhome.cli.simulate import How, simulate

    if not json:
        note(
            'The second network of the article "About dual-homed network with Azure Route Server" (examples/2-expressroute), on virtual time.'
        )
    simulate(FILE, FAILURES, How.crash, each=True, every=False, json=json)


def _live() -> None:
    """Up, looked at, broken and mended four times, down."""
    from dualhome.errors import SystemRefused

    note(
        'The second network of the article "About dual-homed network with Azure Route Server" (examples/2-expressroute), live on this machine:'
    )
    note(
        "a network namespace for each node, BGP over TCP, effective routes in the kernel by eBPF. `dualhome demo --simulated` shows it on virtual time.\n"
    )
    net, start = open_net(FILE), time.monotonic()
    with net.up(f"demo-{os.getpid()}") as live:
        live.settle(SETTLE_S)
        took_s = time.monotonic() - start
        _introduce(live, took_s)
        _failures(net, live)
        namespaces = [str(path) for path in live.place.namespaces.iterdir()]
        place = live.place
    left = [path for path in [*namespaces, str(place.path)] if Path(path).exists()] + [f"process {pid}" for pid in place.processes()]
    if left:
        raise SystemRefused("not everything is gone: " + ", ".join(left))
    note(f"\nTaken down, nothing left. {time.monotonic() - start:.1f} s in all. `dualhome up FILE` brings up a network of yours.")


def _introduce(live: LiveRun, took_s: float) -> None:
    """Sessions, the machine's routes, and what real packets say."""
    from rich.text import Text

    views = live.sessions()
    up = sum(view.state == "Established" for view in views)
    show(Text(f"Up and settled in {took_s:.1f} s: {len(live.nodes())} namespaces, {up // 2} of {len(views) // 2} BGP sessions.", "bold"))
    print(f"\nEffective routes of {ENDS[0]}:")
    for row in live.effective_routes(ENDS[0]):
        print(f"  {row.prefix!s:<16} {row.next_hop_type:<22} {', '.join(map(str, row.next_hops))}".rstrip())
    print()
    address = str(live.network.addresses_of(ENDS[1])[0])
    command = ["ping", "-n", "-q", "-c", "20", "-i", "0.01", "-W", "1", address]
    if (said := _inside(live, ENDS[0], command)) is not None:
        lines = [line for line in said.splitlines() if "packets transmitted" in line or line.startswith("rtt")]
        print(f"{ENDS[0]}# {' '.join(command)}\n  " + "\n  ".join(lines))
    for source, destination in (ENDS, ENDS[::-1]):
        found = live.probe(source, destination, 1000, 16, 0.5)
        print(
            f"\n1,000 packets a second from {source} to {destination}: {found.sent} sent, {found.lost} lost. The ways that a traceroute sees:"
        )
        for way in found.paths:
            print("  " + " → ".join((source, *way)))


def _inside(live: LiveRun, node: str, command: Sequence[str]) -> str | None:
    """What a program inside a node says; None where it isn't installed."""
    try:
        done = subprocess.run(
            ["nsenter", f"--net={live.nodes()[node]}", *command], capture_output=True, text=True, env=live.place.environment(), check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode in (0, 1) else None


def _failures(net: Net, live: LiveRun) -> None:
    """Each failure, predicted on virtual time beside what was measured."""
    from dualhome.report import tables

    run = net.simulate()
    pairs = (ENDS, ENDS[::-1])
    for pair in pairs:
        run.watch(*pair)
        live.watch(*pair, FLOWS)
    time.sleep(WATCH_S)
    table = tables.light("fails", "from, to", "predicted", "measured", "mended: predicted, measured")
    for target in LIVE_FAILURES:
        rows = list(zip(_each(run, target, pairs), _each(live, target, pairs), strict=True))
        for pair, ((predicted, mending), (measured, mended)) in zip(pairs, rows, strict=True):
            table.add_row(
                target if pair == ENDS else "",
                f"{pair[0]} → {pair[1]}",
                _gap(predicted),
                _gap(measured),
                f"{_gap(mending)}, {_gap(mended)}",
            )
    print(f"\nFailures under a stream of 1,000 packets a second each way ({FLOWS} flows in turn, so measured to {FLOWS} ms):\n")
    show(table)


def _gap(seconds: float) -> str:
    from dualhome.report import tables

    return tables.duration(seconds) if seconds else "none"


def _each(network: object, target: str, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[float, float]]:
    """Outage by the failure and by its mending, in seconds, for each pair."""
    from dualhome.app import LiveRun, Run

    assert isinstance(network, LiveRun | Run), "one of the two"
    gaps = []
    for act in (network.fail, network.restore):
        act(target)
        network.settle(SETTLE_S)
        network.wait(WATCH_S)
        gaps.append([network.outage(*pair) for pair in pairs])
    yield from zip(*gaps, strict=True)
