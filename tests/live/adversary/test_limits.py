"""Peers with a limit of routes: what comes beyond it, counted by what is held (RFC 4271 section 6.7, RFC 4486 section 4)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.adversary import octets as o
from tests.live.adversary.bench import LIMIT_S, Bench, Context
from tests.live.adversary.peer import Peer, World
from tests.live.adversary.servers import GROUPS, WATCHERS, Group, Ours

pytestmark = pytest.mark.live

LIMITED = {
    **{name: GROUPS[name] for name in WATCHERS},
    "teardown": Group("teardown", 74, 65011, 10, settings={"max_routes": 5}),
    "drop": Group("drop", 75, 65012, 10, settings={"max_routes": "{limit: 5, action: drop}"}),
    "warn": Group("warn", 76, 65013, 10, settings={"max_routes": "{limit: 5, action: warn}"}),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    server = Ours(tmp_path_factory.mktemp("limits"), groups=LIMITED)
    server.start()
    world = World(server.at)
    try:
        yield Bench(world, LIMITED)
        assert world.faults == []
        assert server.alive()
        assert server.wrong() == []
    finally:
        world.close()
        server.stop()


@pytest.fixture
def told(bench: Bench) -> Iterator[None]:
    """All of a test's peers are gone, with their routes, before the next."""
    yield
    for peer in [peer for peer in bench.world.peers if peer not in bench.watchers]:
        peer.close()
    assert bench.world.wait(lambda: not any(watcher.table for watcher in bench.watchers), LIMIT_S)


def begin(bench: Bench, group: str) -> tuple[Peer, Context, list[str]]:
    """A peer whose session is up, and twelve prefixes of it."""
    peer = bench.peer(group)
    assert peer.establish(), peer.outcome()
    context = bench.context(group, peer.address)
    return peer, context, [context.v4(4 + n) for n in range(12)]


def announce(context: Context, *prefixes: str) -> bytes:
    return o.update(context.mandatory(), o.prefixes(*prefixes))


def withdraw(*prefixes: str) -> bytes:
    return o.update(b"", b"", o.prefixes(*prefixes))


@pytest.mark.usefixtures("told")
def test_one_beyond_the_limit_ends_the_session(bench: Bench) -> None:
    peer, context, prefixes = begin(bench, "teardown")
    peer.send(announce(context, *prefixes[:5]))
    assert bench.world.wait(lambda: bench.everywhere(*prefixes[:5]), LIMIT_S)
    peer.send(announce(context, prefixes[5]))
    assert bench.world.wait(lambda: peer.over, LIMIT_S)
    assert peer.notified == (6, 1, b"\0\1\1\0\0\0\5"), "Cease, Maximum Number of Prefixes Reached; the family and the limit"
    assert bench.world.wait(lambda: bench.nowhere(*prefixes[:6]), LIMIT_S)


@pytest.mark.usefixtures("told")
def test_what_is_held_counts_and_not_what_came(bench: Bench) -> None:
    peer, context, prefixes = begin(bench, "teardown")
    for _ in range(20):
        peer.send(announce(context, *prefixes[:5], *prefixes[:5]))
    for _ in range(20):
        peer.send(withdraw(*prefixes[:4]) + announce(context, *prefixes[5:9]) + withdraw(*prefixes[5:9]) + announce(context, *prefixes[:4]))
    peer.send(withdraw(prefixes[0]) + announce(context, prefixes[11]))
    assert bench.world.wait(lambda: bench.everywhere(prefixes[11]) or peer.over, LIMIT_S)
    assert peer.up, peer.outcome()
    assert bench.everywhere(*prefixes[1:5])
    assert bench.nowhere(prefixes[0], *prefixes[5:9])


@pytest.mark.usefixtures("told")
def test_a_flood_in_one_message_ends_the_session_before_it_is_told(bench: Bench) -> None:
    peer, context, _ = begin(bench, "teardown")
    peer.send(o.update(context.mandatory(), b"".join(bytes([32, 99, 1, n >> 8, n & 255]) for n in range(700))))
    assert bench.world.wait(lambda: peer.over, LIMIT_S)
    assert peer.outcome() == "reset 6/1"
    assert not any(watcher.table for watcher in bench.watchers)


@pytest.mark.usefixtures("told")
def test_what_is_dropped_is_not_told_and_the_session_lives(bench: Bench) -> None:
    peer, context, prefixes = begin(bench, "drop")
    peer.send(announce(context, *prefixes) + withdraw(prefixes[0]) + announce(context, prefixes[11]))
    assert bench.world.wait(lambda: bench.everywhere(*prefixes[1:5], prefixes[11]), LIMIT_S)
    assert peer.up, peer.outcome()
    assert bench.nowhere(prefixes[0], *prefixes[5:11])
    peer.send(withdraw(*prefixes[5:11]) + announce(context, prefixes[1]) + withdraw(prefixes[2]))
    assert bench.world.wait(lambda: bench.nowhere(prefixes[2]), LIMIT_S)
    assert bench.everywhere(prefixes[1], *prefixes[3:5], prefixes[11])


@pytest.mark.usefixtures("told")
def test_a_warning_lets_all_in(bench: Bench) -> None:
    peer, context, prefixes = begin(bench, "warn")
    peer.send(announce(context, *prefixes))
    assert bench.world.wait(lambda: bench.everywhere(*prefixes), LIMIT_S)
    assert peer.up, peer.outcome()
