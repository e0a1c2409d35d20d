"""A live network for a test, and what tests ask of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

import dualhome
from dualhome.app import LiveRun, UpOptions
from dualhome.errors import RequestError
from dualhome.live import machine
from dualhome.live.place import Place


@contextmanager
def brought_up(text: str, name: str, speed: float = 20) -> Iterator[LiveRun]:
    """The network of a text, up and settled, and gone afterwards whatever happens; skips where this machine can't. `speed`: its seconds in one of ours."""
    if reason := "; ".join(machine.missing()):
        pytest.skip(reason)
    name = f"{name}-{os.getpid()}"
    try:
        with dualhome.parse(text).up(name, UpOptions(speed=speed, tunnels="plain")) as run:
            run.settle(600)
            yield run
    finally:
        with suppress(RequestError):
            Place(name).clear()


def inside(live: LiveRun, node: str, *command: str) -> list[str]:
    """A command as it is run in a node."""
    return ["nsenter", f"--net={live.nodes()[node]}", "--", *command]


def reaches(live: LiveRun, node: str, address: str) -> bool:
    """Whether a ping is answered."""
    words = inside(live, node, "ping", "-n", "-c", "2", "-i", "0.05", "-W", "1", address)
    return subprocess.run(words, capture_output=True, timeout=30, check=False).returncode == 0
