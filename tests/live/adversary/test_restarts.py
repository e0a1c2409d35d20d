"""Peers that go and come back, or only say so: graceful restart (RFC 4724, RFC 8538) and enhanced refresh (RFC 7313) through sockets."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from tests.live.adversary import octets as o
from tests.live.adversary.bench import LIMIT_S, Bench, Context
from tests.live.adversary.peer import Peer, World
from tests.live.adversary.servers import GROUPS, Group, Ours

pytestmark = pytest.mark.live

R, N, F = 8, 4, 0x80
BOTH = ((1, 1), (2, 1))
KINDS = {
    "watch4": GROUPS["watch4"],
    "keeps": Group("keeps", 74, 65011, 60, settings={"graceful_restart": "{restart_s: 120, stale_s: 2}"}),
    "plain": Group("plain", 75, 65012, 20),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    server = Ours(tmp_path_factory.mktemp("restarts"), groups=KINDS)
    server.start()
    world = World(server.at)
    try:
        yield Bench(world, KINDS, ["watch4"])
        assert world.faults == []
        assert server.alive()
        assert server.wrong() == []
    finally:
        world.close()
        server.stop()


@pytest.fixture(autouse=True)
def nobody(bench: Bench) -> Iterator[None]:
    """All of a test's peers are gone, with their routes, before the next."""
    yield
    for peer in [peer for peer in bench.world.peers if peer not in bench.watchers]:
        peer.send(o.notification(6, 9, b"\6\2"))
        peer.close()
    assert bench.world.wait(lambda: not any(watcher.table for watcher in bench.watchers), LIMIT_S)


def restart(flags: int = 0, time_s: int = 60, families: tuple[tuple[int, int], ...] = BOTH, forwarding: int = F) -> bytes:
    """The capability (RFC 4724 section 3)."""
    return o.capability(
        64, struct.pack("!H", flags << 12 | time_s) + b"".join(struct.pack("!HBB", *family, forwarding) for family in families)
    )


def begin(bench: Bench, said: bytes, group: str = "keeps") -> tuple[Peer, Context]:
    """A peer with three prefixes, base, other and base6, which said this of itself."""
    peer = bench.peer(group)
    assert peer.establish(peer.our_open(more=said)), peer.outcome()
    context = bench.context(group, peer.address)
    peer.send(bench.base(context) + o.end_of_rib() + o.end_of_rib(o.IPV6))
    assert bench.world.wait(lambda: bench.everywhere(context.base, context.other, context.base6), LIMIT_S)
    return peer, context


def back(bench: Bench, peer: Peer, said: bytes) -> Peer:
    """The same peer on a new connection."""
    again = Peer(bench.world, peer.address, peer.asn, peer.told, peer.name + "'")
    assert again.establish(again.our_open(more=said)), again.outcome()
    return again


def stay(bench: Bench, *prefixes: str, time_s: float = 0.7) -> bool:
    """Whether they are there all the time."""
    return not bench.world.wait(lambda: not bench.everywhere(*prefixes), time_s)


def go(bench: Bench, *prefixes: str, within_s: float = LIMIT_S) -> bool:
    return bench.world.wait(lambda: bench.nowhere(*prefixes), within_s)


def test_routes_outlive_a_connection_that_breaks_and_are_swept_when_all_is_told(bench: Bench) -> None:
    """RFC 4724 section 4.2."""
    peer, context = begin(bench, restart())
    peer.reset()
    assert stay(bench, context.base, context.other, context.base6)
    again = back(bench, peer, restart(R))
    assert stay(bench, context.base, context.other, context.base6, time_s=0.3)
    again.send(o.update(context.mandatory(64999), o.prefix(context.base)))
    assert stay(bench, context.other, context.base6, time_s=0.3), "nothing goes before End-of-RIB"
    again.send(o.end_of_rib())
    assert go(bench, context.other)
    assert bench.everywhere(context.base, context.base6), "one family's End-of-RIB is about that family"
    again.send(o.end_of_rib(o.IPV6))
    assert go(bench, context.base6)
    assert bench.everywhere(context.base)


def test_a_peer_that_does_not_come_back_loses_its_routes_when_its_time_is_over(bench: Bench) -> None:
    peer, context = begin(bench, restart(time_s=2))
    peer.reset()
    assert stay(bench, context.base, time_s=1.0)
    assert go(bench, context.base, context.other, context.base6, within_s=4)


def test_a_peer_that_never_ends_its_telling_loses_what_it_does_not_tell(bench: Bench) -> None:
    """RFC 4724 section 4.2: an upper bound on how long stale routes are kept; here 2 s."""
    peer, context = begin(bench, restart())
    peer.reset()
    again = back(bench, peer, restart(R))
    again.send(o.update(context.mandatory(64999), o.prefix(context.base)))
    assert go(bench, context.other, context.base6, within_s=5)
    assert bench.everywhere(context.base)
    assert again.up


@pytest.mark.parametrize("said", [restart(R, forwarding=0), restart(R, families=()), b""], ids=["no F", "no families", "no capability"])
def test_what_was_not_forwarded_is_gone_at_once(bench: Bench, said: bytes) -> None:
    """RFC 4724 section 4.2: the F bit, the family, or the capability itself is missing when the peer is back."""
    peer, context = begin(bench, restart())
    peer.reset()
    back(bench, peer, said)
    assert go(bench, context.base, context.other, context.base6, within_s=1)


def test_a_family_that_was_not_named_does_not_outlive_the_connection(bench: Bench) -> None:
    peer, context = begin(bench, restart(families=((1, 1),)))
    peer.reset()
    assert go(bench, context.base6, within_s=1)
    assert bench.everywhere(context.base, context.other)
    back(bench, peer, b"")  # so that what is kept goes


@pytest.mark.parametrize("said", [restart(time_s=0), restart(families=()), b""], ids=["time 0", "no families", "no capability"])
def test_who_asks_for_nothing_keeps_nothing(bench: Bench, said: bytes) -> None:
    peer, context = begin(bench, said)
    peer.reset()
    assert go(bench, context.base, context.other, context.base6, within_s=1)


def test_where_it_is_not_configured_nothing_is_kept(bench: Bench) -> None:
    peer, context = begin(bench, restart(), "plain")
    peer.reset()
    assert go(bench, context.base, context.other, context.base6, within_s=1)


@pytest.mark.parametrize(
    ("flags", "notification", "kept"),
    [
        (0, (6, 4), False),
        (0, (6, 9), False),
        (N, (6, 4), True),
        (N, (6, 2), True),
        (N, (6, 9), False),
        (N, (3, 1), True),
    ],
)
def test_a_notification_ends_it_or_not(bench: Bench, flags: int, notification: tuple[int, int], kept: bool) -> None:
    """RFC 4724 section 4, RFC 8538 section 4: with N on both ends only a Hard Reset takes the routes away."""
    peer, context = begin(bench, restart(flags))
    peer.send(o.notification(*notification, b"\6\2" if notification == (6, 9) else b""))
    assert bench.world.wait(lambda: peer.over, LIMIT_S)
    if kept:
        assert stay(bench, context.base, context.other)
        back(bench, peer, b"")
    assert go(bench, context.base, context.other, within_s=2)


def test_a_restart_of_a_restart_keeps_what_is_still_stale_no_longer(bench: Bench) -> None:
    """RFC 4724 section 4.2: consecutive restarts; stale routes of before are not kept for ever."""
    peer, context = begin(bench, restart(time_s=3))
    for _ in range(3):
        peer.reset()
        peer = back(bench, peer, restart(R, time_s=3))
    peer.reset()
    assert go(bench, context.base, context.other, context.base6, within_s=6)


def test_routes_that_were_kept_can_be_withdrawn_and_malformed(bench: Bench) -> None:
    peer, context = begin(bench, restart())
    peer.reset()
    again = back(bench, peer, restart(R))
    again.send(o.update(b"", b"", o.prefix(context.base)))
    assert go(bench, context.base)
    again.send(o.update(o.origin(9) + context.path() + o.next_hop(context.hop), o.prefix(context.other)))
    assert go(bench, context.other)
    assert again.up


def test_a_peer_that_still_seems_up_may_come_back(bench: Bench) -> None:
    """RFC 4724 section 5: a new connection in the middle of a session is a restart that was not noticed; the old one goes."""
    peer, context = begin(bench, restart())
    again = Peer(bench.world, peer.address, peer.asn, peer.told, peer.name + "'")
    assert again.establish(again.our_open(more=restart(R))), again.outcome()
    assert bench.world.wait(lambda: peer.over, LIMIT_S)
    assert stay(bench, context.base, context.other, time_s=0.5)


# --- enhanced refresh -----------------------------------------------------------------------------------------------------

ENHANCED = o.capability(70)
BEGIN, END = 1, 2


def test_what_is_not_told_again_between_begin_and_end_is_gone(bench: Bench) -> None:
    """RFC 7313 section 4."""
    peer, context = begin(bench, ENHANCED, "plain")
    peer.send(o.refresh(1, 1, BEGIN) + o.update(context.mandatory(64999), o.prefix(context.base)))
    assert stay(bench, context.base, context.other, context.base6, time_s=0.4), "nothing goes before its end"
    peer.send(o.refresh(1, 1, END))
    assert go(bench, context.other)
    assert bench.everywhere(context.base, context.base6), "the other family is not meant"
    assert peer.up


def test_begin_and_end_with_nothing_between_take_all_of_the_family(bench: Bench) -> None:
    peer, context = begin(bench, ENHANCED, "plain")
    peer.send(o.refresh(1, 1, BEGIN) + o.refresh(1, 1, END))
    assert go(bench, context.base, context.other)
    assert bench.everywhere(context.base6)


def test_an_end_without_a_begin_takes_nothing(bench: Bench) -> None:
    peer, context = begin(bench, ENHANCED, "plain")
    peer.send(o.refresh(1, 1, END) + o.refresh(2, 1, END))
    assert stay(bench, context.base, context.other, context.base6, time_s=0.4)
    peer.send(o.refresh(25, 70, BEGIN) + o.refresh(25, 70, END) + o.refresh(1, 1, 77))
    assert stay(bench, context.base, context.other, context.base6, time_s=0.4)
    assert peer.up


def test_begin_twice_is_one_begin(bench: Bench) -> None:
    """RFC 7313 section 4.2: a second BoRR begins anew; what was told between the two has to be told again, or may stay."""
    peer, context = begin(bench, ENHANCED, "plain")
    peer.send(o.refresh(1, 1, BEGIN) * 2 + o.update(context.mandatory(64999), o.prefix(context.base)) + o.refresh(1, 1, END))
    assert go(bench, context.other)
    assert bench.everywhere(context.base)


def test_a_begin_that_never_ends_is_ended_by_a_timer_or_harmless(bench: Bench) -> None:
    peer, context = begin(bench, ENHANCED, "plain")
    peer.send(o.refresh(1, 1, BEGIN))
    assert bench.mark(peer, context)
    assert peer.up
    peer.reset()
    assert go(bench, context.base, context.other, context.mark)


def test_our_own_answer_is_between_begin_and_end(bench: Bench) -> None:
    speaker, context = begin(bench, b"", "plain")
    asks = bench.peer("plain")
    assert asks.establish(asks.our_open(more=ENHANCED))
    assert bench.world.wait(lambda: len(asks.table) == 3, LIMIT_S)
    asks.refreshes.clear()
    asks.send(o.refresh(1, 1))
    assert bench.world.wait(lambda: len(asks.refreshes) == 2, LIMIT_S)
    assert asks.refreshes == [bytes([0, 1, BEGIN, 1]), bytes([0, 1, END, 1])]
    assert {route.count for prefix, route in asks.table.items() if prefix.version == 4} == {2}
    old = bench.peer("plain")
    assert old.establish()
    old.send(o.refresh(1, 1))
    assert bench.world.wait(lambda: any(route.count == 2 for route in old.table.values()), LIMIT_S)
    assert old.refreshes == [], "who doesn't know it isn't told (RFC 7313 section 4)"
    assert speaker.up
    assert context
