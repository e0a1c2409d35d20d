"""What would change if: one answer before and one after, and what differs between the two networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from dualhome.engine.views import RouteView, SessionView
from dualhome.explain.story import Story
from dualhome.forwarding.effective import EffectiveRoute
from dualhome.forwarding.trace import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is otherwise: `what` is route, session or path; None where it isn't there."""

    what: str
    name: str
    before: str | None
    after: str | None

    def to_data(self) -> dict[str, object]:
        """For JSON."""
        return {"what": self.what, "name": self.name, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The answers to one question before and after changes, and what they change. `note` says what was asked, where that isn't plain."""

    changes: tuple[str, ...]
    before: Story
    after: Story
    differences: tuple[Difference, ...]
    note: str = ""

    @property
    def verdict(self) -> str:
        """In a sentence: whether anything would be otherwise, and what."""
        outages = [story.facts["outage_s"] for story in (self.before, self.after) if story.facts.get("ended")]
        if len(outages) == 2 and outages[0] != outages[1]:
            return f"it would take {outages[1]:g} s in place of {outages[0]:g} s"
        if self.before.answer != self.after.answer:
            return f"it would change: {self.after.answer}"
        if self.differences:
            return "the answer stays, but something else would change"
        return "nothing would change"

    def to_data(self) -> dict[str, object]:
        """For JSON."""
        return {
            "if": list(self.changes),
            "answer": self.verdict,
            "before": self.before.to_data(),
            "after": self.after.to_data(),
            "differences": [difference.to_data() for difference in self.differences],
            **({"note": self.note} if self.note else {}),
        }


def rows_by_prefix(rows: Sequence[EffectiveRoute]) -> dict[str, str]:
    """Active effective routes, each in short: where it leads."""
    return {str(row.prefix): _row(row) for row in rows if row.state == "Active"}


def _row(row: EffectiveRoute) -> str:
    hops = ", ".join(map(str, row.next_hops))
    return f"{hops} ({row.via})" if hops and row.via else hops or row.next_hop_type


def best_by_prefix(routes: Sequence[RouteView]) -> dict[str, str]:
    """Best and equal routes of speakers, each in short: from whom, with which AS path."""
    found: dict[str, list[str]] = {}
    several = len({route.speaker for route in routes}) > 1
    for route in routes:
        if route.best or route.multipath:
            name = f"{route.speaker} {route.prefix}" if several else str(route.prefix)
            found.setdefault(name, []).append(f"{route.learned_from} [{route.as_path}]" if route.learned_from != "self" else "its own")
    return {prefix: ", ".join(ways) for prefix, ways in found.items()}


def states(sessions: Sequence[SessionView]) -> dict[str, str]:
    """Sessions by name."""
    return {f"{view.speaker}/{view.peer}": str(view.state) for view in sessions}


def ways(paths: Sequence[Path]) -> dict[str, str]:
    """Paths, each a line; the same line once."""
    return {text: text for text in dict.fromkeys(_way(path) for path in paths)}


def _way(path: Path) -> str:
    names = " → ".join(name for name, _ in groupby(hop.name.partition("#")[0] for hop in path.hops))
    return names if path.outcome == "delivered" else f"{names} ✗ {path.because} at {path.at}"


def differences(what: str, before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Difference, ...]:
    """Where two mappings differ, in order."""
    keys = [*before, *(key for key in after if key not in before)]
    return tuple(
        Difference(what=what, name=key, before=before.get(key), after=after.get(key)) for key in keys if before.get(key) != after.get(key)
    )
