"""Every story against `dualhome route-server`: connections, time, floods, burdens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.adversary import stories
from tests.live.adversary.bench import Bench
from tests.live.adversary.burdens import STORIES
from tests.live.adversary.peer import World
from tests.live.adversary.servers import Ours
from tests.live.adversary.stories import Story

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    each = Ours(tmp_path_factory.mktemp("stories"))
    each.start()
    try:
        yield each
        assert each.alive()
        assert each.wrong() == []
    finally:
        each.stop()


@pytest.fixture(scope="module")
def bench(server: Ours) -> Iterator[Bench]:
    world = World(server.at)
    try:
        yield Bench(world)
    finally:
        world.close()


@pytest.mark.parametrize("each", STORIES, ids=lambda each: each.name.replace(" ", "-"))
def test_nobody_suffers_from(bench: Bench, server: Ours, each: Story) -> None:
    assert stories.run(each, bench, server) == [], each.source
