"""What the route server's file may ask for of single peers, through sockets: first AS, AS_SETs, martians, a policy, a distance."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.live.adversary import octets as o
from tests.live.adversary.bench import LIMIT_S, Bench, Context
from tests.live.adversary.peer import Peer, World
from tests.live.adversary.servers import GROUPS, Group, Ours

pytestmark = pytest.mark.live

ASKED = {
    "watch4": GROUPS["watch4"],
    "plain": Group("plain", 74, 65011, 20),
    "any first": Group("any-first", 75, 65012, 20, settings={"first_as": "false"}),
    "sets": Group("sets", 76, 65013, 20, settings={"as_sets": "accept"}),
    "no martians": Group("no-martians", 77, 65014, 20, settings={"martians": "reject"}),
    "policy": Group("policy", 78, 65016, 20, settings={"requires_policy": "true"}),
    "near": Group("near", 79, 65017, 20, settings={"ttl_security": 1}),
    "three hops": Group("three-hops", 84, 65018, 20, settings={"ttl_security": 3}),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    server = Ours(tmp_path_factory.mktemp("options"), groups=ASKED)
    server.start()
    world = World(server.at)
    try:
        yield Bench(world, ASKED, ["watch4"])
        assert server.alive()
        assert server.wrong() == []
    finally:
        world.close()
        server.stop()


@pytest.fixture
def told(bench: Bench) -> Iterator[None]:
    """All of a test's peers are gone, with their routes, before the next; faults of the watchers' reading are the test's."""
    faults = len(bench.world.faults)
    yield
    for peer in [peer for peer in bench.world.peers if peer not in bench.watchers]:
        peer.close()
    assert bench.world.wait(lambda: not any(watcher.table for watcher in bench.watchers), LIMIT_S)
    assert bench.world.faults[faults:] == []


def says(bench: Bench, group: str, path: bytes, nlri: bytes | None = None) -> tuple[Peer, Context]:
    """A peer that announced this, and whose mark came through."""
    peer = bench.peer(group)
    assert peer.establish(), peer.outcome()
    context = bench.context(group, peer.address)
    peer.send(o.update(o.origin() + o.attribute(0x40, o.AS_PATH, path) + o.next_hop(context.hop), nlri or o.prefix(context.new)))
    assert bench.mark(peer, context)
    assert peer.up, peer.outcome()
    return peer, context


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("path", [o.segment(2, 64777, 65011), o.segment(2, 64777), b""], ids=["later", "not at all", "empty"])
def test_an_external_path_begins_with_the_peers_own_number(bench: Bench, path: bytes) -> None:
    _, context = says(bench, "plain", path)
    assert bench.nowhere(context.new), "RFC 4271 section 6.3"
    _, context = says(bench, "any first", path)
    assert bench.everywhere(context.new)


@pytest.mark.usefixtures("told")
def test_as_sets_are_as_if_withdrawn_where_they_are_not_accepted(bench: Bench) -> None:
    _, context = says(bench, "plain", o.segment(2, 65011) + o.segment(1, 64777, 64778))
    assert bench.nowhere(context.new), "RFC 9774 section 3"


def test_as_sets_are_let_in_where_they_are_accepted(bench: Bench) -> None:
    faults = len(bench.world.faults)
    peer, context = says(bench, "sets", o.segment(2, 65013) + o.segment(1, 64777, 64778))
    peer.close()
    assert bench.world.wait(lambda: bench.nowhere(context.mark), LIMIT_S)
    said = bench.world.faults[faults:]
    assert said, "the strict reader refuses it, so that is how it is seen"
    assert "AS_PATH: segment type 1" in said[0]


@pytest.mark.usefixtures("told")
def test_martians_are_refused_where_that_is_asked(bench: Bench) -> None:
    nobodys = ("127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "0.1.2.0/24")
    peer, context = says(bench, "no martians", o.segment(2, 65014), o.prefixes(*nobodys, "99.9.0.0/16"))
    assert bench.nowhere(*nobodys)
    assert bench.everywhere("99.9.0.0/16")
    peer.close()
    assert bench.world.wait(lambda: bench.nowhere("99.9.0.0/16", context.mark), LIMIT_S)
    says(bench, "plain", o.segment(2, 65011), o.prefixes("127.0.0.0/8", "99.9.0.0/16"))
    assert bench.everywhere("127.0.0.0/8", "99.9.0.0/16")


@pytest.mark.usefixtures("told")
def test_without_a_policy_nothing_is_let_in_or_told(bench: Bench) -> None:
    peer = bench.peer("policy")
    assert peer.establish()
    context = bench.context("policy", peer.address)
    peer.send(o.update(context.mandatory(), o.prefix(context.new)))
    _, other = says(bench, "plain", o.segment(2, 65011))
    assert bench.everywhere(other.new, other.mark)
    assert bench.nowhere(context.new), "RFC 8212 section 3"
    assert peer.up
    assert peer.table == {}


def with_ttl(bench: Bench, group: str, first: int, then: int = 0) -> bool:
    """Whether a session comes up whose packets leave with this TTL; the first ones, and those after our OPEN."""
    peer = bench.peer(group, ttl=first).connect()
    peer.send(peer.our_open())
    bench.world.wait(lambda: peer.up or peer.over, 1.0)
    if peer.up and then and peer.socket is not None:
        peer.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, then)
    context = bench.context(group, peer.address)
    peer.send(o.keepalive() + o.update(context.mandatory(), o.prefix(context.new)))
    return bench.world.wait(lambda: bench.everywhere(context.new), 1.0)


@pytest.mark.usefixtures("told")
def test_who_is_farther_away_than_ttl_security_says_is_not_heard(bench: Bench) -> None:
    assert with_ttl(bench, "near", 255)
    assert not with_ttl(bench, "near", 254), "RFC 5082 section 3"
    assert not with_ttl(bench, "near", 64)
    assert not with_ttl(bench, "near", 255, 64), "whoever comes in between"
    assert with_ttl(bench, "three hops", 253)
    assert not with_ttl(bench, "three hops", 252)
    assert with_ttl(bench, "plain", 1)
