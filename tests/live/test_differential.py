"""The same network simulated and live: RIBs with all paths, refusals, sessions, effective routes; and the kernels hold what follows from them.

Random networks are those of `tests/reference`, by seed. `DUALHOME_SEED=17` runs one of them alone.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from contextlib import suppress

import pytest

import dualhome
from dualhome.app import LiveRun, Net, Run, UpOptions, load
from dualhome.errors import RequestError
from dualhome.live import machine
from dualhome.live.place import Place
from tests.consoles import ROOT
from tests.reference.test_fixed_point import random_network

EXAMPLES = sorted((ROOT / "examples").glob("*/topology.yaml"))
RESTLESS = {12, 21, 24, 27, 29, 36, 47, 56}  # networks in dispute, which never come to rest (RFC 3345)
SEEDS = [int(os.environ["DUALHOME_SEED"])] if "DUALHOME_SEED" in os.environ else [seed for seed in range(60) if seed not in RESTLESS]
NAME = f"differential-{os.getpid()}"
SPEED = 60.0  # hold times of 180 s pass in 3
SETTLE_S = 600


@pytest.fixture(autouse=True)
def machine_can() -> Iterator[None]:
    if reason := next(machine.missing(), ""):
        pytest.skip(reason)
    yield
    with suppress(RequestError):
        Place(NAME).clear()


def state_of(run: Run | LiveRun) -> dict[str, object]:
    """All that both must have alike, by where it is."""
    network = run.network
    speakers = [name for owner in dict.fromkeys(view.speaker.partition("#")[0] for view in run.sessions()) for name in run.speakers(owner)]
    up = {name: state == "Established" for name, state in run.session_states().items()}  # whoever isn't is between two attempts
    found: dict[str, object] = {"sessions": up}
    for name in speakers:
        found[f"table of {name}"] = sorted(map(repr, run.table(name)))
        found[f"refused by {name}"] = sorted(map(repr, run.rejected(name)))
    for place in [*(nic.name for nic in network.nics()), *network.gateways]:
        found[f"routes of {place}"] = run.effective_routes(place)
    return found


def assert_alike(live: LiveRun, simulated: Run, when: str) -> None:
    ours, theirs = state_of(live), state_of(simulated)
    assert ours.keys() == theirs.keys()
    for what, mine in ours.items():
        assert mine == theirs[what], f"{what}, {when}"
    assert live.audit() == [], when


def events(net: Net, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Two things that fail, and their mending."""
    network = net.network
    twins = [*network.route_servers, *network.gateways, *network.circuits]
    nodes = [*network.nvas, *(f"{name}#{chance.randint(0, 1)}" for name in twins), *network.on_premises]
    for target in chance.sample(nodes, min(2, len(nodes))):
        yield "fail", f"{target}:{chance.choice(('crash', 'crash', 'silent'))}"
        yield "restore", target


@pytest.mark.parametrize("file", EXAMPLES, ids=[file.parent.name for file in EXAMPLES])
def test_an_example_is_alike(file: os.PathLike[str]) -> None:
    compare(load(str(file)), random.Random(str(file)))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_is_alike(seed: int) -> None:
    compare(dualhome.parse(json.dumps(random_network(seed)), f"random-{seed}.json"), random.Random(seed))


def compare(net: Net, chance: random.Random) -> None:
    """Both from a cold start, then through the same failures."""
    simulated = net.simulate()
    with net.up(NAME, UpOptions(speed=SPEED, tunnels="plain")) as live:
        live.settle(SETTLE_S)
        assert_alike(live, simulated, "at first")
        for act, target in events(net, chance):
            for run in (simulated, live):
                run.fail(target) if act == "fail" else run.restore(target)
                run.settle(SETTLE_S)
            assert_alike(live, simulated, f"after {act} {target}")
