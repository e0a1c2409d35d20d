"""What each kind of peer is told of a route, octet by octet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.adversary import relay
from tests.live.adversary.bench import Bench
from tests.live.adversary.peer import World
from tests.live.adversary.servers import GROUPS, Ours, transparent

pytestmark = pytest.mark.live


@pytest.mark.parametrize("mode", ["router", "route server"])
def test_routes_are_told_as_their_rfcs_say(mode: str, tmp_path: Path) -> None:
    groups = GROUPS if mode == "router" else transparent()
    server = Ours(tmp_path) if mode == "router" else Ours(tmp_path, groups=groups, defaults="")
    server.start()
    world = World(server.at)
    try:
        bench = Bench(world, groups)
        ran = [case for case in relay.cases() if mode in case.modes]
        assert {case.name: wrong for case in ran if (wrong := relay.run(bench, case))} == {}
        assert len(ran) > 20
    finally:
        world.close()
        server.stop()
