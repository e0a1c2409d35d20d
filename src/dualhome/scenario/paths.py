"""What a scenario may ask of a path: it is judged over every flow, that is over every branch of ECMP, there and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from dualhome.forwarding.trace import Path, crossed
from dualhome.model import Network
from dualhome.scenario.matchers import is_named

Way = tuple[Path, Sequence[Path]]  # one branch, and the branches of its replies


def complaints(ways: Sequence[Way], item: Mapping[str, object], network: Network) -> list[str]:
    """What is not as expected, each in a few words; empty where all holds."""
    judged = [_with_replies(path, replies) for path, replies in ways]
    if not judged:
        return ["there is no path at all"]
    found: list[str] = []
    for path, _ in judged:
        found += _of_one(path, item, network)
    if spread := _names(item.get("spread_over")):
        found += [f"none crosses {name}" for name in spread if not any(_crosses(path, name) for path, _ in judged)]
        found += [f"{arrows(path)} crosses none of {', '.join(spread)}" for path, _ in judged if not any(_crosses(path, n) for n in spread)]
    if "symmetric" in item:
        found += _symmetry(judged, bool(item["symmetric"]), network)
    return list(dict.fromkeys(found))


def _of_one(path: Path, item: Mapping[str, object], network: Network) -> list[str]:
    """Complaints about one branch by itself."""
    found = [f"{arrows(path)} doesn't cross {name}" for name in _names(item.get("via")) if not _crosses(path, name)]
    found += [f"{arrows(path)} crosses {name}" for name in _names(item.get("avoids")) if _crosses(path, name)]
    if (
        ("outcome" in item and path.outcome != item["outcome"])
        or ("at" in item and not _ends_at(path, str(item["at"])))
        or ("because" in item and path.because != item["because"])
    ):
        found.append(f"{arrows(path)} is {ending(path)}")
    return found


def _symmetry(judged: Sequence[Way], expected: bool, network: Network) -> list[str]:
    """Each flow's way back crosses its NVAs, every branch of it."""
    one_way = [_one_way(path, replies, network) for path, replies in judged]
    asymmetric = [text for text in one_way if text]
    if expected:
        return asymmetric
    return [] if asymmetric else ["each flow's way back crosses its NVAs"]


def _one_way(path: Path, replies: Sequence[Path], network: Network) -> str:
    """Why this flow isn't symmetric; "" where it is."""
    if path.outcome != "delivered":
        return f"{arrows(path)} is {ending(path)}, so nothing comes back"
    mine = [name for name in crossed(path) if name.partition("#")[0] in network.nvas]
    for reply in replies:
        if reply.outcome != "delivered":
            return f"the way back {arrows(reply)} is {ending(reply)}"
        back = [name for name in crossed(reply) if name.partition("#")[0] in network.nvas]
        if missing := [name for name in mine if name not in back]:
            return f"the way back {arrows(reply)} doesn't cross {', '.join(missing)}"
    return "" if replies else f"nothing comes back on {arrows(path)}"


def _with_replies(path: Path, replies: Sequence[Path]) -> Way:
    """A flow whose answers a firewall drops for want of state is dropped there."""
    if path.outcome == "delivered":
        for reply in replies:
            if reply.because == "no-state":
                return _dropped_as(path, reply), replies
    return path, replies


def _dropped_as(path: Path, reply: Path) -> Path:
    return replace(path, outcome="dropped", at=reply.at, because="no-state", detail=reply.detail)


def arrows(path: Path) -> str:
    """`spoke-vm → hub1-nva → internet`."""
    return " → ".join(name for name, _ in groupby(hop.name for hop in path.hops))


def ending(path: Path) -> str:
    """`delivered at hub1-nva`, `dropped at spoke-vm because no-route`."""
    return (
        f"{path.outcome} at {path.at}"
        + (f" because {path.because}" if path.because else "")
        + (f": {path.detail}" if path.because and path.detail else "")
    )


def _crosses(path: Path, name: str) -> bool:
    return any(is_named(each, name) for each in crossed(path))


def _ends_at(path: Path, name: str) -> bool:
    return is_named(path.at, name) or is_named(path.end, name)


def _names(value: object) -> list[str]:
    if value is None:
        return []
    return [str(v) for v in value] if isinstance(value, Iterable) and not isinstance(value, str) else [str(value)]
