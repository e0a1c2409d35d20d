"""Speakers in processes of their own: the same network as in simulation; one that is killed takes no other with it, and what the network knows is what they know."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import dualhome
from dualhome.app import LiveRun
from dualhome.app.live import UpOptions
from dualhome.bgp import events as session_events
from dualhome.bgp.speaker import Send, Speaker
from dualhome.engine import events
from dualhome.engine.events import Target
from dualhome.errors import RequestError
from dualhome.live import machine
from dualhome.live.ledger import Ledger, Told
from dualhome.live.network import LiveNetwork, Options
from dualhome.live.place import ROOT as RUN
from dualhome.live.place import Place
from dualhome.live.replica import Replica
from dualhome.live.replication import Answers, Entry, apply, fingerprint
from dualhome.live.transports import End
from dualhome.net import Prefix
from dualhome.units import Instant, seconds
from tests.consoles import ROOT

FILE = ROOT / "examples/2-expressroute/topology.yaml"
NAME = f"isolate-{os.getpid()}"


@pytest.fixture
def machine_can() -> Iterator[None]:
    if reason := next(machine.missing(), ""):
        pytest.skip(reason)
    yield
    with suppress(RequestError):
        Place(NAME).clear()
    assert not (RUN / NAME).exists()


def until(holds: Callable[[], object], within_s: float) -> float:
    """Seconds until it holds."""
    begin = time.monotonic()
    while not holds():
        assert time.monotonic() - begin < within_s
        time.sleep(0.005)
    return time.monotonic() - begin


def reaches(live: LiveRun, node: str, address: str) -> bool:
    command = ["nsenter", f"--net={live.nodes()[node]}", "--", "ping", "-c", "2", "-i", "0.05", "-W", "1", address]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


def hops(live: LiveRun) -> list[str]:
    return sorted(str(hop) for row in live.effective_routes("spoke-vm") if str(row.prefix) == "192.168.0.0/16" for hop in row.next_hops)


def alive(pid: int) -> bool:
    """Whether it runs; one that ended and that nobody has taken note of yet doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# --- a network ------------------------------------------------------------------------------------------------------------


@pytest.mark.live
@pytest.mark.usefixtures("machine_can")
def test_the_network_is_as_simulated_and_a_speaker_that_is_killed_takes_no_other_with_it() -> None:
    net = dualhome.load(FILE)
    simulated = net.simulate()
    with net.up(NAME, UpOptions(isolate=True)) as live:
        live.settle(30)
        for nic in simulated.network.nics():
            assert live.effective_routes(nic.name) == simulated.effective_routes(nic.name)
        for speaker in net.plan.speakers:
            assert live.table(speaker) == simulated.table(speaker), speaker
        assert set(live.session_states().values()) == {"Established"}
        processes = live.status()["processes"]
        assert set(processes) == set(net.plan.speakers)
        assert reaches(live, "spoke-vm", "192.168.1.10")
        for name, pid in processes.items():
            assert f"DUALHOME_NETWORK={NAME}" in Path(f"/proc/{pid}/environ").read_text("utf-8").split("\0"), name

        since = {each.speaker + "/" + each.peer: each.since_s for each in live.sessions()}
        os.kill(processes["hub1-nva"], signal.SIGKILL)
        until(lambda: hops(live) == ["10.2.2.4"], 10)
        assert reaches(live, "spoke-vm", "192.168.1.10")
        lines = [each for each in live.journal if each.kind == "process"]
        assert "was ended by SIGKILL; another starts in 1 s" in lines[0].text
        live.settle(30)
        assert hops(live) == ["10.1.2.4", "10.2.2.4"]
        assert reaches(live, "spoke-vm", "192.168.1.10")
        for each in live.sessions():
            assert (each.since_s > since[each.speaker + "/" + each.peer]) == ("hub1-nva" in (each.speaker, each.peer))
        after = live.status()["processes"]
        assert {name for name in after if after[name] != processes[name]} == {"hub1-nva"}

        live.fail("hub1-nva")
        assert not alive(after["hub1-nva"])
        live.settle(30)
        assert hops(live) == ["10.2.2.4"]
        assert reaches(live, "spoke-vm", "192.168.1.10")
        live.restore("hub1-nva")
        live.settle(30)
        for speaker in net.plan.speakers:
            assert live.table(speaker) == simulated.table(speaker), speaker
        last = [pid for pid in live.status()["processes"].values() if pid]
        assert len(last) == len(net.plan.speakers)
    assert not any(alive(pid) for pid in last)


async def _begin(net: dualhome.Net, speed: float = 1) -> LiveNetwork:
    place = Place(NAME)
    place.make()
    network = LiveNetwork(net.plan, place, Options(isolate=True, seed=5, speed=speed))
    network.build(lambda *_: None)
    network.start(lambda *_: None)
    await network.settle(20)
    return network


@pytest.mark.live
@pytest.mark.usefixtures("machine_can")
def test_what_the_network_knows_is_what_its_speakers_know() -> None:
    net = dualhome.load(FILE)

    async def run() -> None:
        chance = random.Random(11)
        network = await _begin(net)
        isolation = network._isolation
        assert isolation is not None
        announced: set[tuple[str, Prefix]] = set()
        broken: list[Target] = []
        things = [Target("node", name) for name in ("hub1-nva", "hub2-er#0", "circuit1", "dc-r2", "spoke-rs#1")]
        things += [Target("session", "spoke-rs#0/hub2-nva"), Target("link", "hub2-er<->circuit2"), Target("node", "dc-r1", "silent")]
        for _ in range(24):
            match chance.randrange(4):
                case 0:
                    each = (chance.choice(["hub1-nva", "dc-r1", "dc-r2"]), Prefix.parse(f"10.{chance.randrange(60, 80)}.0.0/16"))
                    if each[0] not in {t.name for t in broken}:
                        announced.add(each)
                        network.handle(events.Announce(each[0], (each[1],)))
                case 1 if announced:
                    node, prefix = announced.pop()
                    network.handle(events.Withdraw(node, (prefix,)))
                case 2 if broken:
                    network.handle(events.Restore(broken.pop(chance.randrange(len(broken)))))
                case _:
                    thing = chance.choice([each for each in things if each not in broken])
                    broken.append(thing)
                    network.handle(events.Fail(thing))
            if chance.random() < 0.3:
                isolation.compare()
            if chance.random() < 0.2:
                pid = chance.choice([pid for pid in isolation.pids().values() if pid])
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(chance.random() * 0.15)
        network.handle(events.Restore("all"))
        await asyncio.sleep(0.1)
        isolation.compare()
        while isolation.in_flight(network.engine.carries):
            await asyncio.sleep(0.01)
        compared = isolation.compared()
        assert all(differed == 0 for _, differed in compared.values()), compared
        assert all(times for times, _ in compared.values()), compared
        await network.close()

    asyncio.run(run())


@pytest.mark.live
@pytest.mark.usefixtures("machine_can")
def test_a_speaker_that_always_ends_stays_away_until_it_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dualhome.live.isolation.AGAIN_S", 0.05)
    net = dualhome.load(FILE)

    async def run() -> None:
        network = await _begin(net, speed=20)  # for peers wait longer each time
        isolation = network._isolation
        assert isolation is not None
        for _ in range(6):
            pid = isolation.pids()["dc-r1"]
            assert pid
            os.kill(pid, signal.SIGKILL)
            for _ in range(100):
                await asyncio.sleep(0.01)
                if isolation.pids()["dc-r1"] not in (None, pid):
                    break
        assert network.engine.ended() == ("dc-r1",)
        assert isolation.pids()["dc-r1"] is None
        assert "stays away until `dualhome restore dc-r1`" in [e.text for e in network.engine.journal if e.kind == "process"][-1]
        await network.settle(400)
        network.handle(events.Restore(Target("node", "dc-r1")))
        await network.settle(400)
        assert network.engine.ended() == ()
        assert {each.state for each in network.engine.sessions()} == {"Established"}
        os.kill(isolation.forks._popen.pid, signal.SIGKILL)  # whoever forks may be ended as well
        network.handle(events.Fail(Target("node", "dc-r2")))
        network.handle(events.Restore(Target("node", "dc-r2")))
        await network.settle(400)
        assert {each.state for each in network.engine.sessions()} == {"Established"}
        await network.close()

    asyncio.run(run())


@pytest.mark.live
@pytest.mark.usefixtures("machine_can")
def test_a_change_makes_and_ends_processes_and_leaves_the_others_alone() -> None:
    text = FILE.read_text("utf-8")
    third = "  dc-r3:\n    asn: 65010\n    prefixes: [192.168.0.0/16]\nlinks:\n  - [dc-r1, dc-r3]\n"
    small, large = dualhome.load(FILE), dualhome.parse(text.replace("links:\n", third, 1))

    async def run() -> None:
        network = await _begin(small)
        isolation = network._isolation
        assert isolation is not None
        before = isolation.pids()
        for net in (large, small, large):
            network.change(net.plan)
            await network.settle(20)
            assert {each.state for each in network.engine.sessions()} == {"Established"}
            assert set(isolation.pids()) == set(net.plan.speakers)
            isolation.compare()
            await network.settle(20)
            assert set(isolation.compared().values()) <= {(count, 0) for count in range(1, 4)}
        assert before.items() <= isolation.pids().items()
        await network.close()

    asyncio.run(run())


# --- doubles --------------------------------------------------------------------------------------------------------------


class Nobody:
    def __init__(self) -> None:
        self.ordered: list[str] = []

    def begin(self, config: object) -> None:
        self.ordered.append("begin")

    def order(self, what: str, config: object = None) -> None:
        self.ordered.append(what)

    def kill(self) -> None:
        self.ordered.append("kill")


def test_a_double_catches_up_also_where_the_transport_was_full() -> None:
    """What was told to a peer hangs on when its transport took it; a double that believed otherwise would know another Adj-RIB-Out."""
    plan = dualhome.load(FILE).plan
    config = plan.speakers["hub1-nva"].config
    full = {"now": False}
    answers = Answers(lambda peer: not full["now"])
    speaker, nobody = Speaker(config, 1, answers), Nobody()
    double = Replica(config, 1, nobody)
    double.start(Instant(0))
    assert nobody.ordered == ["begin", "start"]
    far = {name: Speaker(plan.speakers[name].config, 1) for name in ("spoke-rs#0", "hub1-rs#0")}
    now = Instant(0)

    def give(what: str, peer: str = "", event: session_events.Event | None = None) -> None:
        entry = Entry(what, now, peer=peer, event=event)
        done = apply(speaker, entry, None)
        told = Entry(what, now, answers.take(), peer, event)
        refused.extend(answer for answer in told.writable if not answer)
        double.hear(told)
        for action in done:
            if isinstance(action, Send) and action.peer in far:
                for back in far[action.peer].handle("hub1-nva", session_events.Received(1, action.data), now):
                    if isinstance(back, Send):
                        pending.append((action.peer, back.data))

    pending: list[tuple[str, bytes]] = []
    refused: list[bool] = []
    give("start")
    for each in far.values():
        each.start(now)
    for step in range(12):
        now = Instant(now + seconds(0.01))
        full["now"] = step < 6
        if step == 0:
            for name in far:
                opened = far[name].handle("hub1-nva", session_events.Connected(1), now)
                pending += [(name, each.data) for each in opened if isinstance(each, Send)]
                give("handle", name, session_events.Accepted(1))
        arrived, pending = pending, []
        for name, data in arrived:
            give("handle", name, session_events.Received(1, data))
        give("flush")
    double.flush(now)
    assert refused
    assert {speaker.session(name).state for name in far} == {session_events.State.ESTABLISHED}
    assert speaker.advertised("hub1-rs#0") or speaker.advertised("spoke-rs#0")
    double.hear(Entry("compare", now, fingerprint=fingerprint(speaker)))
    double.flush(now)
    assert (double.compared, double.differs) == (1, 0)
    assert [repr(each) for each in double.table()] == [repr(each) for each in speaker.table()]
    before = double.version()
    assert double.stop(now, silent=True)
    assert double.version() != before
    assert nobody.ordered[-1] == "kill"
    assert double.learned("spoke-rs#0") == []


def test_answers_up_to_the_last_no_are_kept() -> None:
    said = iter([True, False, True, True])
    answers = Answers(lambda peer: next(said))
    for _ in range(4):
        answers("peer")
    assert answers.take() == (True, False)
    answers.given = [True, False]
    assert [answers("peer") for _ in range(4)] == [True, False, True, True]


# --- whether anything is on its way ---------------------------------------------------------------------------------------

OURS = {"a", "b"}.__contains__
NEAR, FAR = ("a", "10.0.0.1 5", "10.0.0.2 179"), ("b", "10.0.0.2 179", "10.0.0.1 5")


def end(peer: str, sent: int, read: int, closing: bool = False) -> End:
    keys = (NEAR, FAR) if peer == "b" else (FAR, NEAR)
    return End(peer, *keys, sent, read, closing)


def test_a_ledger_is_even_when_both_ends_told_the_same() -> None:
    clock = [0.0]
    ledger = Ledger(lambda: clock[0])

    def open_(carries: bool = True) -> int:
        return ledger.in_flight(OURS, OURS, lambda one, other: carries)

    ledger.tell("a", Told(attempts=("b",)))
    assert open_()
    ledger.tell("a", Told({1: end("b", 0, 0)}, met=((False, FAR),)))
    assert open_()  # b hasn't accepted it yet
    ledger.tell("b", Told({1: end("a", 0, 0)}, met=((True, FAR),)))
    assert not open_()
    ledger.tell("b", Told({1: end("a", 0, 7)}))
    assert open_()  # read before it was told that it was sent
    ledger.tell("a", Told({1: end("b", 7, 0)}))
    assert not open_()
    ledger.tell("a", Told({1: end("b", 9, 0)}))
    assert open_()
    assert not open_(carries=False)
    ledger.tell("b", Told({1: end("a", 0, 9)}))
    ledger.tell("a", Told({1: end("b", 9, 0, closing=True)}))
    assert open_()
    assert ledger.lingering() == 1
    ledger.tell("b", Told(gone=(1,)))
    ledger.tell("a", Told(gone=(1,)))
    assert not open_()


def test_a_connection_that_ended_before_it_was_accepted_is_awaited_for_a_while() -> None:
    clock = [0.0]
    ledger = Ledger(lambda: clock[0])
    ledger.tell("a", Told({1: end("b", 0, 0)}, met=((False, FAR),)))
    ledger.tell("a", Told(gone=(1,)))
    assert ledger.in_flight(OURS, OURS)
    clock[0] = 10
    assert not ledger.in_flight(OURS, OURS)
    ledger.tell("b", Told(met=((True, FAR),)))  # told first
    ledger.tell("a", Told(met=((False, FAR),)))
    assert not ledger.in_flight(OURS, OURS)
    ledger.tell("a", Told({2: end("b", 5, 0)}))
    ledger.forget("a")
    assert not ledger.in_flight(OURS, OURS)
