"""How fast the BGP engine behind `dualhome route-server` is, beside BIRD, FRR and OpenBGPD where they are installed (and GoBGP, where it is named).

`dualhome bench engine`, or `python benches/engine.py [SCENARIO …] [--runs N] [--against NAMES] [--scale F] [--json]`. Every speaker's table is checked
route by route: a phase is over when each holds exactly what it must, for a second (`--quiet`). CPU: of all processes of the daemon, from the first UPDATE to
the end of that second. Wall: until the last speaker's table was right. Medians of the runs; daemons take turns, so that what else the machine does hits all
alike. A ratio is to the best of the others: below 1 it is better than all of them. Bytes a path: how much resident memory grew, over the paths announced.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from daemons import DAEMONS, OURS, Daemon
from figures import machine, machine_line, table
from loading import INSIDE, Event, Scenario, enter, loader, run

DROP = {"do": "drop", "peer": 0}
SCENARIOS: dict[str, Scenario] = {
    each.name: each
    for each in (
        Scenario(
            name="through",
            title="1,000,000 prefixes of one peer to another; then all withdrawn",
            senders=1,
            receivers=1,
            prefixes=1_000_000,
            then=[{"do": "withdraw"}],
        ),
        Scenario(
            name="azure",
            title="8 peers, 4,000 prefixes each, as many as Azure takes; then one peer is lost",
            senders=8,
            prefixes=4000,
            then=[DROP],
        ),
        Scenario(
            name="same",
            title="10 peers, the same 100,000 prefixes; then one peer is lost",
            senders=10,
            prefixes=100_000,
            same=True,
            then=[DROP],
        ),
        Scenario(
            name="best-lost",
            title="2 peers, the same 500,000 prefixes, to two more; then the better one is lost",
            senders=2,
            receivers=2,
            prefixes=500_000,
            same=True,
            preferred=0,
            then=[DROP],
        ),
        Scenario(name="exchange", title="100 peers, 1,000 prefixes each; then one peer is lost", senders=100, prefixes=1000, then=[DROP]),
        Scenario(
            name="latency",
            title="one prefix changes, 8 peers at rest: until the last of them has it",
            senders=8,
            prefixes=4000,
            then=[{"do": "latency", "rounds": 500}],
        ),
    )
}
COLUMNS = (
    "phase", "daemon", "version", "runs", "cpu_s", "cpu_ratio", "wall_s", "wall_ratio", "rss_mib", "bytes_a_path", "p50_us", "p99_us", "p99_ratio", "why",
)  # fmt: skip
Row = dict[str, object]


def scaled(scenario: Scenario, factor: float) -> Scenario:
    """The same with fewer prefixes, or more."""
    prefixes = max(1, round(scenario.prefixes * factor))
    return scenario if factor == 1 else replace(scenario, prefixes=prefixes, title=f"{scenario.title} (here {prefixes:,} of each)")


def phases(events: Sequence[Event]) -> dict[str, Event]:
    """The phases of one run, by name."""
    return {str(each["name"]): each for each in events if each["event"] == "phase"}


def trouble(events: Sequence[Event]) -> str | None:
    """What went wrong in a run."""
    for each in events:
        if each["event"] == "failed":
            return str(each["why"])
        if each["event"] == "phase" and each["lost"]:
            return f"{each['name']}: a session was lost: {each['lost'][0]['why']}"  # type: ignore[index]
        if each["event"] == "phase" and not each["right"]:
            return f"{each['name']}: {each['wrong']} routes not right in time"
    return None


def rows(scenario: Scenario, runs: Mapping[str, Sequence[Sequence[Event]]], versions: Mapping[str, str]) -> list[Row]:
    """A row for each phase and daemon, with ratios."""
    names = ["announce", *(str(each["do"]) for each in scenario.then)]
    out: list[Row] = []
    for phase in names:
        made = [_row(scenario, phase, name, versions[name], each) for name, each in runs.items()]
        for row in made:
            others = [other for other in made if other is not row and other["daemon"] != OURS.name]
            for figure, ratio in (("cpu_s", "cpu_ratio"), ("wall_s", "wall_ratio"), ("p99_us", "p99_ratio")):
                best = min((float(str(other[figure])) for other in others if other.get(figure) is not None), default=0.0)
                if best and row.get(figure) is not None:
                    row[ratio] = round(float(str(row[figure])) / best, 3)
        out += made
    return out


def _row(scenario: Scenario, phase: str, daemon: str, version: str, runs: Sequence[Sequence[Event]]) -> Row:
    row: Row = {"scenario": scenario.name, "phase": phase, "daemon": daemon, "version": version}
    fine = [found for events in runs if (found := phases(events).get(phase)) and found["right"] and not found["lost"]]
    row["runs"] = f"{len(fine)} of {len(runs)}"
    if len(fine) < len(runs):
        row["why"] = next(filter(None, map(trouble, runs)), "an earlier phase failed")
    if not fine:
        return row

    def median(key: str) -> float:
        return statistics.median(float(str(each[key])) for each in fine)

    row |= {"cpu_s": median("cpu_s"), "wall_s": median("wall_s"), "rss_mib": median("rss_kib") / 1024, "load_cpu_s": median("load_cpu_s")}
    if phase == "announce":
        before = statistics.median(float(str(events[0]["rss_kib"])) for events in runs if events[0]["event"] == "established")
        row["bytes_a_path"] = round((median("rss_kib") - before) * 1024 / scenario.paths)
    if latencies := [each["latency_us"] for each in fine if "latency_us" in each]:
        for share in ("p50", "p99"):
            row[f"{share}_us"] = statistics.median(float(each[share]) for each in latencies)  # type: ignore[index]
    return row


def summary(made: Sequence[Row]) -> list[Row]:
    """Ours against the best of the others: a line for each phase of each scenario. Memory is what grew, the interpreter's own left out."""
    out = []
    for row in made:
        if row["daemon"] != OURS.name or row.get("cpu_ratio") is None:
            continue
        others = [each for each in made if (each["scenario"], each["phase"]) == (row["scenario"], row["phase"]) and each is not row]
        paths = [int(str(each["bytes_a_path"])) for each in others if each.get("bytes_a_path")]
        memory = round(int(str(row["bytes_a_path"])) / min(paths), 3) if paths and row.get("bytes_a_path") is not None else None
        kept = {key: row.get(key) for key in ("scenario", "phase", "cpu_ratio", "wall_ratio", "p99_ratio")}
        out.append({**kept, "memory_ratio": memory})
    return out


def measured(scenario: Scenario, daemons: Sequence[Daemon], times: int, seed: int, quiet_s: float, timeout_s: float) -> list[Row]:
    """All daemons so many times, in turns."""
    runs: dict[str, list[list[Event]]] = {each.name: [] for each in daemons}
    for number in range(times):
        for daemon in daemons:
            print(f"{scenario.name}: {daemon.name}, run {number + 1} of {times}", file=sys.stderr, flush=True)
            runs[daemon.name].append(run(daemon, scenario, seed, timeout_s, quiet_s))
    return rows(scenario, runs, {each.name: each.version() for each in daemons})


def chosen(names: str | None) -> list[Daemon]:
    """Ours and those named; without names, all that are installed."""
    root = os.environ.get(INSIDE) == "root"
    usable = {name: each for name, each in DAEMONS.items() if each.program() and (root or not each.only_root)}
    wanted = (
        [name for name, each in usable.items() if not each.only_named]
        if names is None
        else [OURS.name, *(word.strip() for word in names.split(",") if word.strip() not in ("", OURS.name, "none"))]
    )
    for name in wanted:
        if name not in DAEMONS:
            sys.exit(f"no such daemon: {name} (there are {', '.join(DAEMONS)}, none)")
        if name not in usable:
            sys.exit(f"{name} isn't installed" if DAEMONS[name].program() is None else f"{name} can be measured by root alone")
    return [DAEMONS[name] for name in wanted]


def main() -> None:
    """A table for each scenario."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("scenario", nargs="*", help=f"{', '.join(SCENARIOS)} (all)")
    arguments.add_argument("--runs", type=int, default=3, help="of each daemon; medians are shown (3)")
    arguments.add_argument(
        "--against",
        metavar="NAMES",
        help=f"{', '.join(name for name in DAEMONS if name != OURS.name)}, or none (what is installed, but gobgp)",
    )
    arguments.add_argument("--scale", type=float, default=1.0, help="so many prefixes (1)")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--quiet", type=float, default=1.0, help="seconds without an UPDATE that end a phase (1)")
    arguments.add_argument("--timeout", type=float, default=180.0, help="seconds after which a phase has failed (180)")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    if unknown := [name for name in given.scenario if name not in SCENARIOS]:
        sys.exit(f"no such scenario: {unknown[0]} (there are {', '.join(SCENARIOS)})")
    loader()
    enter()
    daemons = chosen(given.against)
    out: list[Row] = []
    if not given.json:
        print(machine_line())
    for name in given.scenario or SCENARIOS:
        scenario = scaled(SCENARIOS[name], given.scale)
        made = measured(scenario, daemons, given.runs, given.seed, given.quiet, given.timeout)
        out += made
        if not given.json:
            print(
                f"\n{scenario.name}: {scenario.title}\n{table(made, [c for c in COLUMNS if any(row.get(c) is not None for row in made)])}",
                flush=True,
            )
    if given.json:
        print(json.dumps({"machine": machine(), "rows": out, "summary": summary(out)}, indent=1))
    elif short := summary(out):
        print(f"\ndualhome against the best of the others (1 is as good, a third is 0.333)\n{table(short, list(short[0]))}")
    if any("why" in row for row in out if row["daemon"] == OURS.name):
        sys.exit(1)


if __name__ == "__main__":
    main()
