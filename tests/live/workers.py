"""Tests of several processes run side by side on one machine: each has ports of its own."""

from __future__ import annotations

import os


def port(first: int) -> int:
    """The one of this process, for tests whose first process uses `first`."""
    return first + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
