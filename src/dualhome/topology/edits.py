"""A change of a file as data: a path in the words of its readers, and what shall stand there. `rewrite` carries it out.

A path's steps are keys, and in lists names: ("peerings", "spoke->hub1", "allow_forwarded_traffic"), ("route_servers", "rs", "peers", "nva1"),
("route_tables", "to-nva", "routes", "10.0.0.0/8"). The step "+" is the place after a list's last item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from dualhome.topology.reading import Path
from dualhome.topology.words import LINKS, PEERINGS, ends, pair_name

END: Final = "+"
NAMES_OF_ITEMS = ("name", "gateway", "prefix", "on", "node")


class Absent(Enum):
    """What stands where nothing shall stand."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The value at `path` becomes `value`, whatever stood there; ABSENT takes it out."""

    path: Path
    value: object

    def to_data(self) -> dict[str, object]:
        """For JSON: the path, and what stands there then, or that nothing does."""
        return {"path": [*self.path], **({"remove": True} if self.value is ABSENT else {"value": self.value})}


def actual(data: Any, path: Path) -> Path:
    """The path in plain data of what a path names; where the data ends before the path does, the rest stays as it is."""
    found: list[str | int] = []
    for place, step in enumerate(path):
        if isinstance(data, list) and isinstance(step, str) and step != END:
            steps = _item(data, step, of=str(path[place - 1]) if place else "")
            if steps is None:
                return (*found, *path[place:])
        else:
            steps = (step,)
        for each in steps:
            found.append(each)
            data = _inside(data, each)
    return tuple(found)


def _inside(data: Any, step: str | int) -> Any:
    if isinstance(data, Mapping):
        return data.get(step)
    return data[step] if isinstance(data, list) and isinstance(step, int) and step < len(data) else None


def _item(listed: Sequence[Any], word: str, of: str) -> tuple[str | int, ...] | None:
    """Where a list has what bears this name: its index; of a peering that is written for both directions, the direction too."""
    for place, item in enumerate(listed):
        if of == PEERINGS and "->" in word and "<->" not in word:
            if ends(item) == ends(word) and "from" in item:
                return (place,)
            if "from" not in item and sorted(ends(item)) == sorted(ends(word)):
                return (place, word)
        elif of == LINKS and "<->" in word:
            if sorted(ends(item)) == sorted(ends(word)):
                return (place,)
        elif (isinstance(item, str) and item == word) or (isinstance(item, Mapping) and word in _names(item)):
            return (place,)
    return None


def _names(item: Mapping[str, Any]) -> list[str]:
    return [str(item[key]) for key in NAMES_OF_ITEMS if key in item] + [pair_name(item)]
