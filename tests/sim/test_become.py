"""A network that became another is that other one, whatever it was before."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest

import dualhome
from dualhome.app import Net
from dualhome.errors import RequestError
from dualhome.topology import Topology
from tests.engine.networks import BRANCHES, DUAL, MANY
from tests.files import EXAMPLES, OURS
from tests.sim.test_properties import CHANGES, _state

NETWORKS = [dualhome.parse(text).topology for text in (DUAL, BRANCHES, MANY)]


def another(chance: random.Random) -> Topology:
    """One of the three, maybe changed."""
    place = chance.randrange(len(NETWORKS))
    return NETWORKS[0].changed(chance.choice(CHANGES)) if place == 0 and chance.random() < 0.5 else NETWORKS[place]


@pytest.mark.parametrize("seed", range(12))
def test_it_ends_as_a_fresh_start_does(seed: int) -> None:
    """Through several networks, with failures on the way that may concern what is no more."""
    chance = random.Random(seed)
    run = Net(another(chance)).simulate(settle=seed % 2 == 0)
    for _ in range(5):
        run.become(another(chance))
        if chance.random() < 0.5:
            with suppress(RequestError):  # not every network has it
                run.fail(chance.choice(("nva2", "rs#0", "rs", "hub2", "er", "vpn#0")), chance.choice(("crash", "silent")))
        run.wait(chance.choice((0, 0.002, 5, 100)))
    run.restore()
    run.settle()
    assert _state(run) == _state(Net(run.topology).simulate())


@pytest.mark.parametrize("file", [*EXAMPLES, *OURS], ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_file_after_another_one(file: Path) -> None:
    run = Net(NETWORKS[1]).simulate()
    net = dualhome.load(file)
    run.become(net.topology)
    run.settle()
    fresh = Net(net.topology).simulate()
    assert run.network == net.network
    assert _state(run) == _state(fresh)


def test_what_is_the_same_in_both_goes_on() -> None:
    """A session that neither network differs in is never down, and the new machine is there."""
    run = Net(NETWORKS[0]).simulate()
    began = len(run.journal)
    run.become(NETWORKS[0].changed({"virtual_machines": {"newcomer": {"subnet": "hub1/nva"}}}))
    run.settle()
    assert [each.kind for each in run.journal[began:]] == ["change"]
    assert run.effective_routes("newcomer")
    run.become(NETWORKS[0].changed({"network_virtual_appliances": {"nva1": {"asn": 65077}}}))
    run.settle()
    ended = {each.who for each in run.journal[began:] if each.text.startswith("Established -> Idle")}
    assert {who.partition("/")[0].partition("#")[0] for who in ended if "nva1" in who} >= {"rs"}
    assert not [who for who in ended if "nva2" in who]


def test_what_was_done_is_done_again() -> None:
    """`again`, and so what-if, knows that the network became another one."""
    run = Net(NETWORKS[0]).simulate()
    run.become(NETWORKS[1])
    run.settle()
    assert run.again().network == NETWORKS[1].network
    assert _state(run.again()) == _state(run)
