"""Short questions to a simulated network, so that what is expected stands in a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import dualhome
from dualhome.app import Run
from dualhome.engine.views import RouteView
from dualhome.forwarding.trace import crossed

NONE_ROWS = ("10.0.0.0/8 None", "100.64.0.0/10 None", "172.16.0.0/12 None", "192.168.0.0/16 None")


def settled(text: str, *changes: Mapping[str, object]) -> Run:
    """The network of this text, changed and at rest."""
    run = dualhome.parse(text).simulate()
    for change in changes:
        run.change(change)
        run.settle(600)
    return run


def _said(routes: Iterable[RouteView], line: Callable[[RouteView], str]) -> set[str]:
    return {line(route).rstrip() for route in routes}


def paths_of(routes: Iterable[RouteView]) -> set[str]:
    """`prefix as-path`; of several instances what any of them has."""
    return _said(routes, lambda r: f"{r.prefix} {r.as_path}")


def learned(run: Run, session: str) -> set[str]:
    """`prefix as-path` of what the first holds from the second."""
    return paths_of(run.learned(session))


def heard(run: Run, session: str) -> set[str]:
    """The same with next hops: `prefix as-path via next-hop`."""
    return _said(run.learned(session), lambda r: f"{r.prefix} {r.as_path} via {r.next_hop}")


def told(run: Run, session: str) -> set[str]:
    """`prefix as-path via next-hop` of what the first tells the second."""
    return _said(run.advertised(session), lambda r: f"{r.prefix} {r.as_path} via {r.next_hop}")


def refused(run: Run, session: str) -> set[str]:
    """`prefix reason` of what the first refused."""
    return _said(run.rejected(session), lambda r: f"{r.prefix} {r.reason}")


def best(run: Run, speaker: str, prefix: str) -> set[str]:
    """`as-path from peer` of the best and those that share the load with it."""
    routes = [r for r in run.table(speaker) if str(r.prefix) == prefix and (r.best or r.multipath)]
    return _said(routes, lambda r: f"{r.as_path} from {r.learned_from}")


def communities(routes: Iterable[RouteView], prefix: str) -> set[str]:
    """Of all routes of this prefix."""
    return {each for route in routes if str(route.prefix) == prefix for each in route.communities}


def rows(run: Run, nic: str) -> list[str]:
    """Every effective route: `prefix source type state next-hops`, source and state left out where they are Default and Active."""
    return [
        " ".join(
            [
                str(row.prefix),
                *([row.source] if row.source != "Default" else []),
                row.next_hop_type,
                *([row.state] if row.state != "Active" else []),
                *map(str, row.next_hops),
            ]
        )
        for row in run.effective_routes(nic)
    ]


def row(run: Run, nic: str, prefix: str) -> list[str]:
    """Those of one prefix."""
    return [each for each in rows(run, nic) if each.startswith(f"{prefix} ")]


def ways(run: Run, source: str, destination: str) -> set[str]:
    """Every way: `hop > hop > end`, instances left out; a dropped one ends with where and why."""
    found = set()
    for path in run.paths(source, destination):
        hops = list(dict.fromkeys(hop.partition("#")[0] for hop in crossed(path) if hop != source))
        end = [path.end.partition("#")[0]] if path.outcome == "delivered" else [f"dropped at {path.at}: {path.because}"]
        found.add(" > ".join(hops if hops[-1:] == end else [*hops, *end]))
    return found


def outages(run: Run, *pairs: tuple[str, str]) -> list[float]:
    """How long each pair was cut off since the last event, in seconds."""
    return [run.outage(*pair) for pair in pairs]
