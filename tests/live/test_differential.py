"""The same network simulated and live: RIBs with all paths, refusals, sessions, effective routes; and the kernels hold what follows from them.

Random networks are those of `tests/reference`, with all kinds of rules, and those of `networks`, with all kinds of nodes, by seed.
`DUALHOME_SEED=17` runs one of each alone.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

import dualhome
from dualhome import _core
from dualhome.app import LiveRun, Net, Run, UpOptions, load
from dualhome.errors import RequestError
from dualhome.fabric.desired import desired
from dualhome.fabric.difference import difference
from dualhome.fabric.kernel import Kernel
from dualhome.fabric.numbers import Numbers
from dualhome.live import machine
from dualhome.live.kernel_routes import Routes, wanted_routes
from dualhome.live.layout import lay_out
from dualhome.live.nodes import port_name
from dualhome.live.place import FABRIC, Place
from dualhome.live.ports import ports_of
from tests.files import EXAMPLES
from tests.live import networks
from tests.reference.test_fixed_point import random_network

RESTLESS = {12, 21, 24, 27, 29}  # networks in dispute, which never come to rest (RFC 3345)
TWO_ANSWERS = {
    5,
    7,
    9,
    17,
}  # each edge router of a circuit prefers the other's route by way of a router of ours: rest, if ever, in one of two states
SEEDS = (
    [int(os.environ["DUALHOME_SEED"])]
    if "DUALHOME_SEED" in os.environ
    else [seed for seed in range(35) if seed not in RESTLESS | TWO_ANSWERS]
)
NAME = f"differential-{os.getpid()}"
ALL_KINDS = [int(os.environ["DUALHOME_SEED"])] if "DUALHOME_SEED" in os.environ else list(range(24))
SPEED = 100.0  # hold times of 180 s pass in 2
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
        yield "fail", f"{target}:{chance.choice(('crash', 'crash', 'crash', 'silent'))}"
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


@pytest.mark.parametrize("seed", ALL_KINDS)
def test_a_random_network_of_all_kinds_is_alike_whatever_is_done_to_it(seed: int) -> None:
    """And kernels hold what follows from the simulation, to the last route and group."""
    text = networks.network(seed)
    net, numbers = dualhome.parse(json.dumps(text), f"everything-{seed}.json"), Numbers()
    simulated = net.simulate()
    with net.up(NAME, UpOptions(speed=SPEED, tunnels="plain")) as live:
        live.settle(SETTLE_S)
        assert_alike(live, simulated, "at first")
        assert_kernels_hold(live, simulated, numbers, "at first")
        for act, what in networks.deeds(text, seed):
            for run in (simulated, live):
                getattr(run, act)(*(what if isinstance(what, tuple) else (what,)))
                run.settle(SETTLE_S)
            assert_alike(live, simulated, f"after {act} {what}")
            assert_kernels_hold(live, simulated, numbers, f"after {act} {what}")


def assert_kernels_hold(live: LiveRun, simulated: Run, numbers: Numbers, when: str) -> None:
    """What the simulated engine knows is what is read from the fabric, but for the ids of groups, and from each node's kernel."""
    engine, layout = simulated.engine, lay_out(simulated.network)
    for node in layout.nodes.values():  # as they are made
        for each in node.interfaces:
            numbers.port(port_name(node.name, each))
    wanted = desired(engine, simulated.plan, numbers, ports_of(layout, numbers), engine.fails, engine.fails_between)
    held = Kernel.open(_core.Namespace(str(live.place.namespace(FABRIC))), str(live.place.pins)).read()
    named = {number: each.name for number, each in wanted.ports.items()}  # which the kernel isn't told
    held.ports = {number: replace(port, name=named.get(number, port.name)) for number, port in held.ports.items()}
    assert difference(held, wanted) == [], when
    for name, path in live.nodes().items():
        assert Routes(name, _core.Namespace(path)).audit(wanted_routes(engine, layout.nodes[name])) == [], when
