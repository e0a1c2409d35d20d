"""What the golden tests and their regeneration share: the folder, files that are generated, and what a file's faults read like."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

from dualhome.errors import TopologyError
from dualhome.topology import parse
from dualhome.topology.reading import decode

GOLDEN = Path(__file__).parent / "golden"


def noise() -> bytes:
    """Ten megabytes of it."""
    return random.Random(1).randbytes(10_000_000)


GENERATED: Mapping[str, Callable[[], bytes]] = {
    "noise": noise,
    "less-noise": lambda: noise()[:1_000_000],
    "printable-noise": lambda: bytes(32 + byte % 95 for byte in noise()[:4_000_000]),
    "not-utf-8": lambda: "version: 1\nname: früh\n".encode("latin-1"),
    "deep": lambda: b"[" * 4_000_000,
    "long-list": lambda: b"- 1\n" * 1_000_000,
    "long-word": lambda: b"a" * 4_000_000,
}


def messages(raw: bytes, name: str) -> str:
    """One line a fault, as the user sees them."""
    try:
        parse(decode(raw, name), name)
    except TopologyError as error:
        return f"{error}\n"
    raise AssertionError(f"{name} is valid")
