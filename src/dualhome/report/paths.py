"""Paths of packets, drawn with arrows: each hop with what sends the packet on, and where and why it ends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text

from dualhome.model import base_name

if TYPE_CHECKING:
    from dualhome.forwarding.trace import Path

Way = tuple["Path", Sequence["Path"]]


def line(path: Path, names: Sequence[str] = ()) -> Text:
    """The whole path in one line: `spoke-vm → hub1-nva → internet  delivered`; `names` stand for its hops where several paths are told as one."""
    text = Text()
    shown = [name for name, _ in groupby(names or [hop.name for hop in path.hops])]
    for index, name in enumerate(shown):
        text.append(" → " if index else "", "bright_black")
        text.append(name, "bold" if index in (0, len(shown) - 1) else "")
    if path.outcome == "delivered":
        text.append("  delivered", "green")
        text.append(f" at {path.at}" if path.at and path.at not in (shown[-1], path.end) else "")
    else:
        text.append(f"  ✗ {path.because or path.outcome} at {path.at}", "red")
    return text


def steps(path: Path, names: Sequence[str] = ()) -> Text:
    """One hop a line, each with its note; the end with its reason."""
    names = names or [hop.name for hop in path.hops]
    width = max(map(len, names), default=0) + 2
    address_width = max((len(str(hop.address or "")) for hop in path.hops), default=0) + 2
    text = Text()
    for index, (name, hop) in enumerate(zip(names, path.hops, strict=True)):
        text.append("  " if index == 0 else "→ ", "bright_black")
        text.append(name.ljust(width), "bold")
        text.append(str(hop.address or "").ljust(address_width) if name == hop.name else "".ljust(address_width), "cyan")
        text.append(hop.note)
        text.rstrip()
        text.append("\n")
    if path.outcome == "delivered":
        text.append("✓ delivered", "green")
        if path.at:
            text.append(f" at {path.at}")
    else:
        text.append(f"✗ dropped at {path.at}: {path.because}", "red")
        if path.detail:
            text.append(f"\n  {path.detail}")
    return text


def traced(ways: Sequence[Way], *, limit: int = 8) -> Text:
    """Every branch of the way there with its hops, and each way back in a line; branches that differ only in instances are told as one."""
    text = Text()
    groups = alike([path for path, _ in ways])
    for number, (path, names, members) in enumerate(groups[:limit], 1):
        if number > 1:
            text.append("\n\n")
        if len(groups) > 1 or len(members) > 1:
            count = f", {len(members)} branches" if len(members) > 1 else ""
            text.append(f"way {number} of {len(groups)}{count}\n", "bright_black")
        text.append(steps(path, names))
        back = [reply for i in members for reply in ways[i][1]]
        for reply, reply_names, _ in alike(back)[:limit]:
            text.append("\n  back: ", "bright_black")
            text.append(line(reply, reply_names))
    if len(groups) > limit:
        text.append(f"\n\nand {len(groups) - limit} ways more")
    return text


def alike(found: Sequence[Path]) -> list[tuple[Path, list[str], list[int]]]:
    """Paths that cross the same objects, by whichever instances: one of them, names as `hub1-er#0,1`, and the places of all of them."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, path in enumerate(found):
        key = (*(base_name(hop.name) for hop in path.hops), path.outcome, base_name(path.at), path.because)
        groups.setdefault(key, []).append(place)
    return [(found[places[0]], _names([found[i] for i in places]), places) for places in groups.values()]


def _names(paths: Sequence[Path]) -> list[str]:
    names = []
    for hops in zip(*(path.hops for path in paths), strict=True):
        instances = sorted({hop.name.partition("#")[2] for hop in hops})
        names.append(base_name(hops[0].name) + (f"#{','.join(instances)}" if instances != [""] else ""))
    return names
