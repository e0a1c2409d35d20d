from __future__ import annotations

from collections.abc import Callable

import pytest
from settled import Settled

from dualhome.check import Finding, findings
from dualhome.topology import Topology


@pytest.fixture
def check() -> Callable[..., list[Finding]]:
    """Findings of a network at rest, some of its nodes down."""

    def run(net: Topology, down: tuple[str, ...] = ()) -> list[Finding]:
        world = Settled(net.network, down)
        return findings(net.network, world.plan, world, net.lines.of, net.file)

    return run
