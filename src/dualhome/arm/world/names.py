"""Names in the topology, of which there is one for each object, given for good when a resource is made."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import count
from typing import Final

from dualhome.arm.ids import ResourceId

RESERVED: Final = frozenset(("internet", "self", "all"))


def handle_for(id_: str, type_: str, taken: Collection[str]) -> str:
    """The resource's own name where that is free and begins with a letter, else one with its type or group before it, else one with a number behind it."""
    parsed = ResourceId.parse(id_)
    plain = re.sub(r"[^A-Za-z0-9_.\-]", "-", parsed.name)
    word = type_.rpartition("/")[2]
    group = re.sub(r"[^A-Za-z0-9_.\-]", "-", parsed.group or "rg")
    wanted = [plain, f"{group}.{plain}", f"{word}.{plain}", f"{word}.{group}.{plain}"]
    for name in wanted:
        if _valid(name) and name not in taken:
            return name
    return next(name for number in count(2) if (name := f"{word}.{plain}-{number}") not in taken)


def _valid(name: str) -> bool:
    return name[:1].isalpha() and name.isascii() and name not in RESERVED
