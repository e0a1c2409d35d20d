"""Before and after: what a failure changed in sessions, effective routes and paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dualhome.model import base_name
from dualhome.report import tables
from dualhome.report.data import Data
from dualhome.report.paths import alike

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
    restored: bool = False


def snapshot(
    sessions: Sequence[SessionView], routes: Mapping[str, Sequence[EffectiveRoute]], paths: Mapping[Pair, Sequence[Path]]
) -> Snapshot:
    """Of what was asked."""
    return Snapshot(
        sessions={f"{v.speaker}/{v.peer}": str(v.state) for v in sessions},
        routes={nic: _by_prefix(rows) for nic, rows in routes.items()},
        paths={pair: tuple(_way(path, names) for path, names, _ in alike(found)) for pair, found in paths.items()},
    )


def _way(path: Path, names: Sequence[str]) -> str:
    """`spoke-vm → hub1-nva → internet`, or where and why it is lost."""
    text = " → ".join(name for name, _ in groupby(names))
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
        "restore" if episode.restored else "fail": episode.target,
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
    if episode.restored:
        text.append(f"✓ {episode.target} restored", "bold green")
    else:
        text.append(f"✗ {episode.target}{how}", "bold red")
    text.append(f"  settled after {tables.duration(episode.settled_after_s)}")
    lost = [k for k, _, b in _differences(episode.before.sessions, episode.after.sessions) if b != "Established"]
    if lost:
        text.append("\n  sessions down  ", "bright_black")
        text.append(_pairs(lost))
    back = [k for k, _, b in _differences(episode.before.sessions, episode.after.sessions) if b == "Established"]
    if back:
        text.append("\n  sessions up  ", "bright_black")
        text.append(_pairs(back))
    for nic, rows in episode.after.routes.items():
        for prefix, old, new in _differences(episode.before.routes.get(nic, {}), rows):
            text.append(f"\n  {nic}  ", "bright_black")
            text.append(f"{prefix}  ")
            text.append(old or "none", "bright_black")
            text.append(f" → {new or 'gone'}", "" if new else "red")
    for (source, destination), old_ways, ways in _differences(episode.before.paths, episode.after.paths):
        for word, some, others in (("no longer", old_ways, ways), ("now", ways, old_ways)):
            for each in (way for way in some or () if way not in (others or ())):
                text.append(f"\n  {source} ⇒ {destination} {word}  ", "bright_black")
                text.append(each, "red" if "✗" in each else "bright_black" if word == "no longer" else "")
    if not episode.outages:
        return text
    return Group(text, Text(), tables.outages(episode.outages))


def summary(episodes: Sequence[Episode]) -> Table:
    """One line a failure: when all was at rest again, the longest outage of those who recovered, and who is cut off until it is mended."""
    table = tables.light("failure", "at rest after", "longest outage", "cut off", fold=("cut off",))
    for episode in episodes:
        lost = [pair for pair, ways in episode.after.paths.items() if any("✗" in way for way in ways)]
        worst = max((gap_s for a, b, gap_s in episode.outages if (a, b) not in lost), default=0.0)
        cut = [f"{a} ⇒ {b}" for a, b in lost]
        table.add_row(
            episode.target + ("" if episode.how == "crash" else f" ({episode.how})"),
            tables.duration(episode.settled_after_s),
            tables.outage(worst),
            Text(", ".join(cut), "red") if cut else Text("nobody", "green"),
        )
    return table


def _pairs(sessions: Sequence[str], most: int = 6) -> str:
    """`hub1-nva ↔ spoke-rs (2)`: both sides as one, instances counted."""
    both = {tuple(sorted(session.split("/"))) for session in sessions}
    counts: dict[str, int] = {}
    for a, b in sorted(both):
        name = f"{base_name(a)} ↔ {base_name(b)}"
        counts[name] = counts.get(name, 0) + 1
    told = [name + (f" ({count})" if count > 1 else "") for name, count in counts.items()]
    return ", ".join(told[:most]) + (f" and {len(told) - most} more" if len(told) > most else "")


def _differences(before: Mapping[K, V], after: Mapping[K, V]) -> list[tuple[K, V | None, V | None]]:
    keys = [*before, *(k for k in after if k not in before)]
    return [(k, before.get(k), after.get(k)) for k in keys if before.get(k) != after.get(k)]
