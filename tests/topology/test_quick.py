"""The quick look at a file's form against the schema: what it lets pass, the schema does, and the names in use are the same."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest

from dualhome.topology import form
from dualhome.topology.reading import read

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "examples", ROOT / "tests/cases", ROOT.parent / "shared/cases")
FILES = [path for folder in FOLDERS for path in sorted(folder.rglob("*.yaml")) if "\nvirtual_networks:" in path.read_text("utf-8")]
NOISE: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    1.5,
    1.0,
    70000,
    "",
    "x",
    "10.0.0.0/8",
    "10.0.0.1/8",
    "10.0.0.1",
    [],
    ["x", "x"],
    {},
    {"x": 1},
)


def by_schema(data: dict[str, Any]) -> tuple[list[form.Wrong], list[form.Use]]:
    """As the schema sees it."""
    return form.inspect(data, form._validator())


def ordered(uses: list[form.Use] | None) -> list[form.Use]:
    """Nothing hangs on the order in which names are found: faults are told in the order of the lines."""
    return sorted(uses or [], key=str)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_names_in_use_are_those_that_the_schema_finds(path: Path) -> None:
    """Valid files are seen through at once, with the same names."""
    data = read(path.read_text("utf-8"), path.name)[0].value
    wrongs, uses = by_schema(data)
    assert (ordered(form.names_of(data)), wrongs) == (ordered(uses), [])


@pytest.mark.parametrize("seed", range(8))
def test_what_it_lets_pass_the_schema_does(seed: int) -> None:
    """Files with one value replaced by noise, dropped, or doubled under a wrong key."""
    chance = random.Random(seed)
    examples = [
        read(path.read_text("utf-8"), path.name)[0].value for path in FILES if path.parent.name in ("cases", "2-expressroute", "5-vpn")
    ]
    for _ in range(150):
        data = copy.deepcopy(chance.choice(examples))
        holder: Any = data
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            key = chance.choice(keys)
            if isinstance(holder[key], (dict, list)) and holder[key] and chance.random() < 0.85:
                holder = holder[key]
                continue
            break
        match chance.randrange(3):
            case 0:
                holder[key] = chance.choice(NOISE)
            case 1:
                del holder[key]
            case _ if isinstance(holder, dict):
                holder[chance.choice(("asn", "to", "next_hop", "peers", "strange", "é"))] = chance.choice(NOISE)
            case _:
                holder.append(chance.choice(NOISE))
        found = form.names_of(data)
        if found is not None:
            wrongs, uses = by_schema(data)
            assert (wrongs, ordered(found)) == ([], ordered(uses))
