"""`simulate FILE`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dualhome.cli.common import FailOption, JsonOption, TopologyArgument, console, open_net, settle, show_json, working

if TYPE_CHECKING:
    from dualhome.app import LiveRun, Run
    from dualhome.report.changes import Episode, Snapshot

MOST_PAIRS = 12
MOST_ROWS = 40


class How(StrEnum):
    """Ways to fail."""

    crash = "crash"
    silent = "silent"
    forwarding = "forwarding"


def simulate(
    file: TopologyArgument,
    fail: FailOption = None,
    how: Annotated[
        How, typer.Option("--how", help="How each of them fails: its transport closes, its packets vanish, or it drops data alone.")
    ] = How.crash,
    each: Annotated[bool, typer.Option("--each", help="Mend each failure before the next.")] = False,
    every: Annotated[bool, typer.Option("--every", help="Fail each NVA, instance, gateway, circuit and router, one at a time.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the table at the end, one line a failure.")] = False,
    json: JsonOption = False,
) -> None:
    """Start the network cold, let it settle, then fail what is named, one on top of the other: what changes, and how long the outage is.

    A virtual network or region fails whole; hub1-nva:silent says for one failure how.
    """
    net = open_net(file)
    run = net.simulate(settle=False)
    pairs = watched_pairs(run)
    for pair in pairs:
        run.watch(*pair)
    settled_s = settle(run)
    first = look(run, pairs)
    targets = [*(fail or ()), *(single_failures(run) if every else ())]
    if json:
        from dualhome.report import changes

        episodes = [changes.data(e) for e in failures(run, pairs, first, targets, how.value, restore=each or every)]
        show_json(opening(run, settled_s) | {"failures": episodes})
        return
    from dualhome.report import changes

    out = console()
    if not quiet:
        show_opening(run, settled_s, pairs)
    failed = []
    for episode in failures(run, pairs, first, targets, how.value, restore=each or every):
        if not episode.restored:
            failed.append(episode)
        if not quiet:
            out.print()
            out.print(changes.shown(episode))
    if quiet:
        out.print(changes.summary(failed))
    elif len(failed) > 1:
        out.print()
        out.print(changes.summary(failed))


def failures(
    run: Run | LiveRun, pairs: Sequence[tuple[str, str]], first: Snapshot, targets: Sequence[str], how: str, *, restore: bool
) -> Iterator[Episode]:
    """Fail one after the other; with `restore` each is mended before the next."""
    from dualhome.report.changes import Episode

    before = first
    for text in targets:
        target, _, own_how = text.partition(":")
        this_how = own_how or how
        for restored in (False, True) if restore else (False,):
            with working(f"{'restoring' if restored else 'failing'} {target}"):
                if restored:
                    run.restore(target)
                else:
                    run.fail(target, this_how)
                settled_s = settle(run)
                after = look(run, pairs)
                gaps = [(a, b, run.outage(a, b)) for a, b in pairs]
            lost = [gap for gap in gaps if gap[2] > 0]
            yield Episode(
                target=target, how=this_how, settled_after_s=settled_s, before=before, after=after, outages=lost, restored=restored
            )
            before = after


def look(run: Run | LiveRun, pairs: Sequence[tuple[str, str]]) -> Snapshot:
    """The network at this moment: its sessions, its machines' routes, the ways between the watched."""
    from dualhome.report.changes import snapshot

    machines = list(run.network.virtual_machines)[:MOST_PAIRS]
    return snapshot(run.sessions(), {nic: run.effective_routes(nic) for nic in machines}, {pair: run.paths(*pair) for pair in pairs})


def watched_pairs(run: Run | LiveRun) -> list[tuple[str, str]]:
    """Whom to watch: what the intents name; else each virtual network's first machine toward hosts, one another, and the Internet."""
    network = run.network
    stated = [(str(i.data["from"]), str(i.data["to"])) for i in network.intents if "from" in i.data and "to" in i.data]
    if stated:
        return list(dict.fromkeys(stated))[:MOST_PAIRS]
    first: dict[str, str] = {}
    for machine in network.virtual_machines.values():
        first.setdefault(machine.nic.virtual_network, machine.name)
    machines, hosts = list(first.values()), list(network.hosts())
    pairs = [(m, h) for m in machines for h in hosts] + [(h, m) for m in machines for h in hosts]
    pairs += [(m, "internet") for m in machines if _announces_default(run)]
    pairs += [(a, b) for a in machines for b in machines if a != b]
    return pairs[:MOST_PAIRS]


def _announces_default(run: Run | LiveRun) -> bool:
    return any(o.prefix.length <= 1 for router in run.network.routers() for o in router.originates)


def single_failures(run: Run) -> list[str]:
    """Every single thing that can fail, but machines."""
    network = run.network
    twins = [*network.route_servers, *network.gateways, *network.circuits]
    speakers = dict.fromkeys(s.partition("#")[0] for s in run.engine.speakers)
    return [*network.nvas, *(f"{name}#0" for name in twins if name in speakers), *network.on_premises]


def opening(run: Run | LiveRun, settled_s: float) -> dict[str, object]:
    """The settled network as data."""
    from dualhome.report import data

    return {
        "name": run.network.name,
        "settled_after_s": round(settled_s, 6),
        "sessions": [data.session(view) for view in run.sessions()],
        "routes": {nic: [data.effective_route(row) for row in run.effective_routes(nic)] for nic in run.network.virtual_machines},
        "paths": [{"from": a, "to": b, "ways": [data.path(path) for path in run.paths(a, b)]} for a, b in watched_pairs(run)],
    }


def show_opening(run: Run | LiveRun, settled_s: float, pairs: Sequence[tuple[str, str]]) -> None:
    """The settled network in a terminal: sessions, the machines' routes, paths."""
    from rich.text import Text

    from dualhome.report import paths, tables

    out = console()
    views = run.sessions()
    up = sum(v.state == "Established" for v in views)
    out.print(Text.assemble((run.network.name, "bold"), f"  settled after {tables.duration(settled_s)}: {up // 2} BGP sessions up"))
    out.print()
    out.print(tables.session_pairs(views))
    down = [v for v in views if v.state != "Established"]
    if down:
        out.print()
        out.print(tables.sessions(down[:MOST_ROWS]))
    machines = list(run.network.virtual_machines)
    for nic in machines[:4]:
        out.print()
        out.print(tables.effective_routes(run.effective_routes(nic)[:MOST_ROWS], title=f"Effective routes of {nic}"))
    if len(machines) > 4:
        out.print(f"\nand {len(machines) - 4} machines more: dualhome routes NIC -f FILE")
    if pairs:
        out.print()
        for source, destination in pairs:
            for path, names, _ in paths.alike(run.paths(source, destination)):
                out.print(Text.assemble((f"{source} ⇒ {destination}  ", "bright_black"), paths.line(path, names)))
