"""Seeds hold, and a run hangs on its seed alone."""

from __future__ import annotations

import json
import re

import pytest

from dualhome.bgp.config import PeerConfig
from dualhome.cli import run as command
from dualhome.hunt.case import Kind
from dualhome.hunt.draw import draw
from dualhome.hunt.run import hunt

SEEDS = range(100, 150)


def test_everything_holds() -> None:
    """New seeds are run by `make test`; these are always the same."""
    broken = [hunt(seed) for seed in SEEDS]
    assert [f"{outcome.command}: {outcome.broken}" for outcome in broken if outcome.broken] == []


def test_seeds_draw_every_network_and_every_fault() -> None:
    cases = [draw(seed) for seed in SEEDS]
    assert {case.shape for case in cases} == {"routers", "route servers", "reflectors"}
    assert {fault.kind for case in cases for fault in case.faults} == set(Kind)
    assert {2, 3, 4, 5, 6} <= {len(case.speakers) for case in cases}
    assert draw(7) == draw(7) != draw(8)


def test_seeds_draw_what_sessions_may_have() -> None:
    """Graceful restart, enhanced refresh, AS numbers of two octets, each kind of limit: on one end, on both, on none."""
    features = {"restart", "refresh", "two octets", "teardown", "drop", "warn"}
    found = [
        (_features(config.peers[peer]), _features(case.speakers[peer].peers[name]))
        for case in map(draw, SEEDS)
        for name, config in case.speakers.items()
        for peer in config.peers
    ]
    for each in features:
        assert {(False, False), (True, False)} <= {(each in near, each in far) for near, far in found}, each
    assert any("restart" in near & far for near, far in found)
    assert any("refresh" in near & far for near, far in found)


def _features(peer: PeerConfig) -> set[str]:
    session, policy = peer.session, peer.policy
    has = {"restart": session.graceful_restart is not None, "refresh": session.enhanced_refresh, "two octets": not session.four_octet_as}
    return {name for name, holds in has.items() if holds} | ({policy.max_prefixes_action} if policy.max_prefixes is not None else set())


def test_routes_are_kept_in_some_of_them() -> None:
    """What is drawn does happen: a process is killed, its peers keep its routes, and it waits for theirs."""
    lines = _journal(5)
    for each in ("its routes are kept for", "routes were kept long enough", "as one that restarts"):
        assert any(each in line for line in lines), each
    assert any("Maximum Number of Prefixes" in line for line in _journal(670))


def _journal(seed: int) -> list[str]:
    lines: list[str] = []
    hunt(seed, tell=lines.append)
    return lines


def test_a_run_hangs_on_its_seed_alone() -> None:
    journals: list[list[str]] = []
    for _ in range(2):
        journal: list[str] = []
        hunt(101, tell=journal.append)
        journals.append(journal)
    assert journals[0] == journals[1]
    assert any("Established" in line for line in journals[0])


def test_some_of_the_faults_alone() -> None:
    case = next(case for case in map(draw, SEEDS) if len(case.faults) > 2)
    outcome = hunt(case.seed, frozenset({0, 2}))
    assert [fault.number for fault in outcome.faults] == [0, 2]
    assert outcome.command == f"dualhome hunt --seed {case.seed} --only 0,2"


def test_the_command_tells_of_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["hunt", "--seed", "101", "--only", "none", "--verbose"]) == 0
    told = capsys.readouterr()
    assert told.out == "seed 101 (" + draw(101).shape + "): everything held\n"
    assert "Established" in told.err


def test_the_command_runs_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["hunt", "--seeds", "6", "--first", "100", "--jobs", "2"]) == 0
    told = capsys.readouterr()
    assert told.out == "Everything held in all 6 networks.\n"
    assert told.err.startswith("seeds 100 to 105\n6 seeds in ")


def test_the_command_says_how_a_failure_is_replayed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.hunt.plants import PLANTS

    PLANTS["collision: the lower identifier wins"](monkeypatch)
    assert command(["hunt", "--seeds", "24", "--jobs", "1"]) == 1
    told = capsys.readouterr().out
    assert "loses a collision that it should win" in told
    replays = re.findall(r"^  replay: (dualhome hunt --seed (\d+) --only [\d,a-z]+) --verbose$", told, re.MULTILINE)
    seed = replays[0][1]
    assert command(["hunt", "--first", seed, "--seeds", "1", "--jobs", "1", "--json"]) == 1
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["seed"], first["ok"], first["replay"]) == (int(seed), False, replays[0][0])
    assert command(replays[0][0].split()[1:]) == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["--only", "1"], "--only goes with --seed K"), (["--seed", "1", "--only", "a"], "--only a: numbers of faults, as in 1,4, or none")],
)
def test_wrong_words(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["hunt", *words]) == 2
    assert capsys.readouterr().err == f"dualhome: {complaint}\n"
