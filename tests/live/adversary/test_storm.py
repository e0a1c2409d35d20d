"""Mutated UPDATEs: what is taken, withdrawn or ends the session is what an oracle of the RFCs' text says, and nothing malformed is sent on.

20,000 of them: `python benches/adversary.py --mutated 20000`.
"""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from tests.live.adversary import storm
from tests.live.adversary.bench import Bench
from tests.live.adversary.peer import World
from tests.live.adversary.servers import GROUPS, Ours

pytestmark = pytest.mark.live


@pytest.mark.parametrize("group", ["ebgp", "ibgp", "ebgp2"])
def test_mutated_updates_fare_as_the_oracle_says(group: str, tmp_path: Path) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}: python benches/adversary.py --mutated 1500 --group {group} --seed {seed}")
    groups = {name: dataclasses.replace(each, count=900 if name == group else 1) for name, each in GROUPS.items()}
    server = Ours(tmp_path, groups=groups)
    server.start()
    world = World(server.at)
    try:
        result = storm.run(Bench(world, groups), seed, 1500, group)
        assert result.wrong == []
        assert min(result.sent, 1500) == 1500
        assert min(result.taken, result.withdrawn, result.resets) > 100, str(result)
        assert server.alive()
        assert server.wrong() == []
    finally:
        world.close()
        server.stop()
