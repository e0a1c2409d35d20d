"""A route server for a long time: a thousand peers that stay, or changes without end.

    python benches/soak.py stay  [--peers 1000] [--prefixes 1000] [--seconds 3600]
    python benches/soak.py churn [--peers 8] [--prefixes 4000] [--rate 1000] [--seconds 3600]

`stay`: all peers announce, all are told everything, and from then on there are KEEPALIVEs alone. `churn`: peers in turn announce single prefixes with other paths,
withdraw them and announce them again; when it ends, every table must be right. Both count lost sessions, and take processor time and resident memory of
the daemon now and then. Exit 1: a session was lost, a table wasn't right, or a limit was passed (`--cpu-limit` of one processor at rest, in percent;
`--memory-limit`: how far memory strays from its median, in percent, once a tenth of the time is over).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence

from daemons import DAEMONS
from figures import machine, machine_line, table
from loading import Event, Scenario, enter, loader, run

from engine import phases, trouble

COLUMNS = ("at_s", "established", "lost", "cpu_percent", "rss_mib", "updates", "wrong")
DEFAULTS = {"stay": (1000, 1000), "churn": (8, 4000)}


def scenario(given: argparse.Namespace) -> Scenario:
    """What is to be done."""
    peers, prefixes = DEFAULTS[given.what]
    every_s = given.every or max(0.5, given.seconds / 60)
    phase = {"do": given.what, "seconds": given.seconds, "every_s": every_s} | ({"rate": given.rate} if given.what == "churn" else {})
    return Scenario(name=given.what, title=given.what, senders=given.peers or peers, prefixes=given.prefixes or prefixes, then=[phase])


def told(event: Event) -> None:
    """A line on the way."""
    if event["event"] == "established":
        print(
            f"{event['peers']} sessions up after {event['seconds']:.2f} s; {event['routes']} routes in {event['octets']} octets",
            file=sys.stderr,
        )
    elif event["event"] == "sample":
        row = {**event, "rss_mib": int(str(event["rss_kib"])) / 1024}
        print(
            "  ".join(f"{column} {row[column]:.1f}" if isinstance(row[column], float) else f"{column} {row[column]}" for column in COLUMNS),
            file=sys.stderr,
        )
    elif event["event"] == "phase" and event["right"]:
        print(f"{event['name']}: right after {event['wall_s']:.3f} s, {event['cpu_s']:.3f} s of processor time", file=sys.stderr)
    sys.stderr.flush()


def verdict(what: str, events: Sequence[Event], limits: argparse.Namespace) -> dict[str, object]:
    """What came of it, and all that isn't as it should be."""
    samples = [each for each in events if each["event"] == "sample"]
    done = phases(events)
    wrong = [said] if (said := trouble(events)) else []
    found: dict[str, object] = {
        "lost": sum(len(each["lost"]) for each in done.values()),  # type: ignore[arg-type]
        "right": all(bool(done.get(name, {}).get("right")) for name in ("announce", what)),
        "converged_s": done["announce"]["wall_s"] if "announce" in done else None,
        "convergence_cpu_s": done["announce"]["cpu_s"] if "announce" in done else None,
    }
    later = samples[len(samples) // 10 :]
    if later:
        memory = [int(str(each["rss_kib"])) / 1024 for each in later]
        middle = statistics.median(memory)
        strays = 100 * max(max(memory) - middle, middle - min(memory)) / middle if middle else 0.0
        cpu = statistics.mean(float(str(each["cpu_percent"])) for each in later)
        found |= {
            "cpu_percent": round(cpu, 2),
            "rss_mib": round(middle, 1),
            "memory_strays_percent": round(strays, 2),
            "samples": len(samples),
        }
        if what == "stay" and cpu > limits.cpu_limit:
            wrong.append(f"at rest it takes {cpu:.1f} % of a processor, more than {limits.cpu_limit:g} %")
        if strays > limits.memory_limit:
            wrong.append(f"its memory strays by {strays:.1f} % from {middle:.0f} MiB, more than {limits.memory_limit:g} %")
    return found | {"wrong": wrong}


def main() -> None:
    """One soak."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=list(DEFAULTS))
    arguments.add_argument("--peers", type=int, help="1,000 that stay, 8 for churn")
    arguments.add_argument("--prefixes", type=int, help="of each; 1,000, or 4,000 for churn")
    arguments.add_argument("--rate", type=int, default=1000, help="UPDATEs a second (1000)")
    arguments.add_argument("--seconds", type=float, default=3600.0, help="how long (3600)")
    arguments.add_argument("--every", type=float, help="seconds between samples (a sixtieth of the time)")
    arguments.add_argument("--timeout", type=float, default=600.0, help="seconds until all must be right (600)")
    arguments.add_argument("--quiet", type=float, default=1.0, help="seconds without an UPDATE after which a table counts as right (1)")
    arguments.add_argument("--cpu-limit", type=float, default=5.0)
    arguments.add_argument("--memory-limit", type=float, default=5.0)
    arguments.add_argument("--daemon", choices=list(DAEMONS), default="dualhome")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    loader()
    enter()
    print(machine_line(), file=sys.stderr)
    events = run(DAEMONS[given.daemon], scenario(given), timeout_s=given.timeout, quiet_s=given.quiet, tell=told)
    found = verdict(given.what, events, given)
    if given.json:
        samples = [each for each in events if each["event"] == "sample"]
        print(json.dumps({"machine": machine(), "daemon": given.daemon, **found, "samples": samples}, indent=1))
    else:
        print(table([found], [key for key in found if key != "wrong"]))
        print("\n".join(map(str, found["wrong"])) or "all is as it should be")  # type: ignore[call-overload]
    sys.exit(bool(found["wrong"]))


if __name__ == "__main__":
    main()
