"""What holds whatever happens: mending all leads back, order within an instant is nothing, a record replays, hashes of strings mean nothing."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from itertools import permutations
from pathlib import Path

import pytest

import dualhome
from dualhome.app import Run
from dualhome.engine import Target, events
from dualhome.errors import RequestError
from dualhome.sim.record import Record, fingerprint, replay
from dualhome.sim.simulation import Simulation
from tests.engine.networks import BRANCHES, DUAL, MANY

TARGETS = {
    "dual": (
        DUAL,
        ("nva1", "nva2", "rs", "rs#0", "rs#1", "vm", "spoke<->hub1", "hub2<->spoke", "rs/nva1", "rs#1/nva2", "hub1", "west", "north"),
    ),
    "branches": (
        BRANCHES,
        (
            "nva",
            "rs#0",
            "rs",
            "er",
            "er#1",
            "vpn#0",
            "vpn#1",
            "circuit",
            "circuit#1",
            "circuit#0<->r1",
            "branch",
            "branch<->lab",
            "lab",
            "rs/nva",
            "hub",
        ),
    ),
    "many": (MANY, ("nva1", "nva2", "rs", "rs#1", "spoke<->hub1", "nva2/rs", "hub2", "south")),
}
PREFIXES = ("172.16.4.0/24", "198.18.0.0/16", "10.99.0.0/16")


def _state(run: Run) -> tuple[object, ...]:
    """All that is the same in equal networks: digest, sessions, paths."""
    machines = list(run.network.virtual_machines)
    ways = [str(run.paths(a, b)) for a in machines for b in ("10.99.0.1", "172.16.4.10", "172.20.0.10", *machines) if a != b]
    return fingerprint(run.engine), {k: v == "Established" for k, v in run.session_states().items()}, ways


def _trouble(run: Run, targets: tuple[str, ...], seed: int) -> None:
    chance = random.Random(seed)
    failed: set[str] = set()
    for _ in range(8):
        match chance.randrange(6):
            case 0 if failed:
                target = chance.choice(sorted(failed))
                with suppress(RequestError):  # mended with its whole
                    run.restore(target)
                failed.discard(target)
            case 1:
                node = chance.choice([r.name for r in run.network.routers() if r.name in run.engine.speakers])
                run.announce(node, ["10.99.0.0/16"])
            case 2:
                run.wait(chance.choice((0.0005, 0.003, 1.0, 61.5, 200)))
            case _:
                target = chance.choice(targets)
                run.fail(target, chance.choice(("crash", "silent", "forwarding")))
                failed.add(target)
        if chance.random() < 0.5:
            run.wait(chance.choice((0.001, 0.5, 30)))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("seed", range(12))
def test_mending_all_leads_to_what_a_fresh_start_leads_to(name: str, seed: int) -> None:
    text, targets = TARGETS[name]
    fresh, run = dualhome.parse(text).simulate(), dualhome.parse(text).simulate(settle=seed % 2 == 0)
    _trouble(run, targets, seed)
    for router in [r.name for r in run.network.routers() if r.name in run.engine.speakers]:
        run.withdraw(router, ["10.99.0.0/16"])
    run.restore()
    run.settle()
    assert _state(run) == _state(fresh)


@pytest.mark.parametrize("name", TARGETS)
def test_the_order_of_events_of_one_instant_is_nothing(name: str) -> None:
    text, targets = TARGETS[name]
    chance = random.Random(7)
    for _ in range(6):
        some = chance.sample([t for t in targets if "#" not in t], 3)
        found = []
        for order in permutations(some):
            run = dualhome.parse(text).simulate()
            run.wait(70)
            for target in order:
                run.fail(target)
            run.settle()
            found.append(_state(run))
            for target in order:
                run.restore(target)
            run.settle()
            found.append(_state(run))
        assert all(each == found[0] for each in found[::2]), some
        assert all(each == found[1] for each in found[1::2]), some


CHANGES = (
    {"route_servers": {"rs": {"branch_to_branch": True}}},
    {"route_servers": {"rs": {"programming": {"delay_s": 3, "damping_s": 30}}}},
    {"route_servers": {"rs": {"programming": {"by": "partition"}}}},
    {"route_servers": {"rs": {"peers": ["nva2"]}}},
    {"route_servers": {"rs": {"timers": {"hold_s": 30, "keepalive_s": 10}}}},
    {"network_virtual_appliances": {"nva1": {"asn": 65077}}},
    {"network_virtual_appliances": {"nva2": {"prepend": {"rs": 2}}}},
    {"network_virtual_appliances": {"nva2": {"originates": ["172.16.4.0/24", "172.18.0.0/16"]}}},
    {"network_virtual_appliances": {"nva3": {"subnet": "hub1/nva", "ip_forwarding": True, "asn": 65003, "originates": ["172.19.0.0/16"]}},
     "route_servers": {"rs": {"peers": ["nva1", "nva3"]}}},
    {"network_virtual_appliances": {"nva1": {"address": "10.1.2.77"}}},
    {"peerings": {"spoke<->hub1": None}},
)  # fmt: skip


@pytest.mark.parametrize("seed", range(16))
def test_a_network_that_was_changed_is_one_that_was_written_so(seed: int) -> None:
    chance = random.Random(seed)
    run = dualhome.parse(DUAL).simulate()
    for _ in range(4):
        run.change(chance.choice(CHANGES))
        if chance.random() < 0.5:
            run.fail(chance.choice(("nva2", "rs#0", "rs", "hub2")), chance.choice(("crash", "silent")))
        run.wait(chance.choice((0, 0.002, 5, 100)))
    run.restore()
    run.settle()
    assert _state(run) == _state(dualhome.Net(run.topology).simulate())


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("seed", [0, 3])
def test_a_record_replays_to_the_same(name: str, seed: int, tmp_path: Path) -> None:
    text, targets = TARGETS[name]
    net, record = dualhome.parse(text), Record()
    run = net.simulate(seed, settle=False)
    run.simulation = Simulation(net.plan, seed, record)
    run.engine = run.simulation.engine
    _trouble(run, targets, seed)
    run.change({"route_servers": {"rs": {"timers": {"hold_s": 60, "keepalive_s": 20}}}})
    with pytest.raises(dualhome.DualhomeError):
        run.simulation.handle(events.Restore(Target("node", "nobody")))
    run.restore()
    run.settle()
    file = tmp_path / "record.jsonl"
    file.write_text("\n".join(record.lines))
    again = replay(net.plan, file.read_text().splitlines(), record.plans, seed or None)
    assert fingerprint(again) == fingerprint(run.engine)
    assert again.journal == run.engine.journal


@pytest.mark.parametrize(
    "arguments",
    [("routes", "vm"), ("bgp", "rs"), ("trace", "vm", "far"), ("why", "rs", "172.16.4.0/24"), ("test", "FILE")],
    ids=lambda a: a[0],
)  # fmt: skip
def test_one_file_gives_the_same_bytes_in_every_process(arguments: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "dual.yaml"
    file.write_text(DUAL + "scenario: [settle: {within_s: 60}, expect: {path: [{from: vm, to: far, outcome: delivered}]}]\n")
    told = [str(file) if a == "FILE" else a for a in arguments]
    told += [] if arguments[0] == "test" else ["-f", str(file), "--fail", "nva1"]
    printed = []
    for seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-m", "dualhome.cli", *told, "--json"],
            env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    json.loads(printed[0])
