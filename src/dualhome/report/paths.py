"""Paths of packets, drawn with arrows: each hop with what sends the packet on, and where and why it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from dualhome.forwarding.trace import Path

Way = tuple["Path", Sequence["Path"]]


def line(path: Path) -> Text:
    """The whole path in one line: `spoke-vm → hub1-nva → internet  delivered`."""
    text = Text()
    for index, hop in enumerate(path.hops):
        text.append(" → " if index else "", "bright_black")
        text.append(hop.name, "bold" if index in (0, len(path.hops) - 1) else "")
    if path.outcome == "delivered":
        text.append("  delivered", "green")
        text.append(f" at {path.at}" if path.at and path.hops and path.at not in (path.hops[-1].name, path.end) else "")
    else:
        text.append(f"  ✗ {path.because or path.outcome} at {path.at}", "red")
    return text


def steps(path: Path) -> Text:
    """One hop a line, each with its note; the end with its reason."""
    width = max((len(hop.name) for hop in path.hops), default=0) + 2
    address_width = max((len(str(hop.address or "")) for hop in path.hops), default=0) + 2
    text = Text()
    for index, hop in enumerate(path.hops):
        text.append("  " if index == 0 else "→ ", "bright_black")
        text.append(hop.name.ljust(width), "bold")
        text.append(str(hop.address or "").ljust(address_width), "cyan")
        text.append(f"{hop.note}".rstrip(), "")
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
    """Every branch of the way there with its hops, and for each its branches back in a line."""
    text = Text()
    for number, (path, replies) in enumerate(ways[:limit], 1):
        if number > 1:
            text.append("\n\n")
        if len(ways) > 1:
            text.append(f"way {number} of {len(ways)}\n", "bright_black")
        text.append(steps(path))
        for reply in replies[:limit]:
            text.append("\n  back: ", "bright_black")
            text.append(line(reply))
    if len(ways) > limit:
        text.append(f"\n\nand {len(ways) - limit} ways more")
    return text
