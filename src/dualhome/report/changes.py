"""Before and after: what a failure changed in sessions, effective routes and paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from rich.console import Group, RenderableType
from rich.text import Text

from dualhome.report import tables
from dualhome.report.data import Data

if TYPE_CHECKING:
    from dualhome.engine.views import SessionView
    from dualhome.forwarding.effective import EffectiveRoute
    from dualhome.forwarding.trace import Path

Pair = tuple[str, str]
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a network looks like at one moment, in short texts that can be compared."""

    sessions: Mapping[str, str]  # speaker/peer -> state
    routes: Mapping[str, Mapping[str, str]]  # NIC -> prefix -> next hops
    paths: Mapping[Pair, tuple[str, ...]]  # each way in a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One failure and what came of it."""

    target: str
    how: str
    settled_after_s: float
    before: Snapshot
    after: Snapshot
    outages: Sequence[tuple[str, str, float]]


def snapshot(
    sessions: Sequence[SessionView], routes: Mapping[str, Sequence[EffectiveRoute]], paths: Mapping[Pair, Sequence[Path]]
) -> Snapshot:
    """Of what was asked."""
    return Snapshot(
        sessions={f"{v.speaker}/{v.peer}": str(v.state) for v in sessions},
        routes={nic: _by_prefix(rows) for nic, rows in routes.items()},
        paths={pair: tuple(dict.fromkeys(map(way, found))) for pair, found in paths.items()},
    )


def way(path: Path) -> str:
    """`spoke-vm → hub1-nva → internet`, or where and why it is lost."""
    text = " → ".join(hop.name for hop in path.hops)
    return text if path.outcome == "delivered" else f"{text} ✗ {path.because} at {path.at}"


def _by_prefix(rows: Sequence[EffectiveRoute]) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in rows:
        if row.state == "Active":
            hops = ", ".join(map(str, row.next_hops)) or row.next_hop_type
            found[str(row.prefix)] = hops
    return found


def data(episode: Episode) -> Data:
    """As `simulate --json` prints it."""
    return {
        "fail": episode.target,
        "how": episode.how,
        "settled_after_s": round(episode.settled_after_s, 6),
        "sessions": [{"session": k, "before": a, "after": b} for k, a, b in _differences(episode.before.sessions, episode.after.sessions)],
        "routes": [
            {"nic": nic, "prefix": k, "before": a, "after": b}
            for nic, rows in episode.after.routes.items()
            for k, a, b in _differences(episode.before.routes.get(nic, {}), rows)
        ],
        "paths": [
            {"from": pair[0], "to": pair[1], "before": list(a or ()), "after": list(b or ())}
            for pair, a, b in _differences(episode.before.paths, episode.after.paths)
        ],
        "outages": [{"from": a, "to": b, "outage_s": round(gap_s, 6)} for a, b, gap_s in episode.outages],
    }


def shown(episode: Episode) -> RenderableType:
    """For a terminal."""
    how = "" if episode.how == "crash" else f" ({episode.how})"
    text = Text()
    text.append(f"✗ {episode.target}{how}", "bold red")
    text.append(f"  settled after {tables.duration(episode.settled_after_s)}")
    lost = [k for k, _, b in _differences(episode.before.sessions, episode.after.sessions) if b != "Established"]
    if lost:
        text.append("\n  sessions down  ", "bright_black")
        text.append(_few(lost))
    for nic, rows in episode.after.routes.items():
        for prefix, old, new in _differences(episode.before.routes.get(nic, {}), rows):
            text.append(f"\n  {nic}  ", "bright_black")
            text.append(f"{prefix}  ")
            text.append(old or "none", "bright_black")
            text.append(f" → {new or 'gone'}", "" if new else "red")
    for pair, _, ways in _differences(episode.before.paths, episode.after.paths):
        for each in ways or ():
            text.append(f"\n  now  {pair[0]} ⇒ {pair[1]}:  ", "bright_black")
            text.append(each, "red" if "✗" in each else "")
    if not episode.outages:
        return text
    return Group(text, Text(), tables.outages(episode.outages))


def _few(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _differences(before: Mapping[K, V], after: Mapping[K, V]) -> list[tuple[K, V | None, V | None]]:
    keys = [*before, *(k for k in after if k not in before)]
    return [(k, before.get(k), after.get(k)) for k in keys if before.get(k) != after.get(k)]
