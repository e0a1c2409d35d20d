"""Roles, and the attribute that keeps routes from leaking, through sockets (RFC 9234)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest

from tests.live.adversary import octets as o
from tests.live.adversary.bench import LIMIT_S, Bench, Context
from tests.live.adversary.peer import Peer, World
from tests.live.adversary.servers import ASN, GROUPS, Group, Ours

pytestmark = pytest.mark.live

CODES = {"provider": 0, "rs": 1, "rs-client": 2, "customer": 3, "peer": 4}
FITS = {"provider": "customer", "customer": "provider", "rs": "rs-client", "rs-client": "rs", "peer": "peer"}  # ours: theirs
ROLES = {
    "watch4": GROUPS["watch4"],
    "plain": Group("plain", 74, 65011, 60),
    **{role: Group(role, 90 + code, 65021 + code, 60, settings={"role": role}) for role, code in CODES.items()},
    "strict": Group("strict", 95, 65030, 20, settings={"role": "peer", "role_strict": "true"}),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    server = Ours(tmp_path_factory.mktemp("roles"), groups=ROLES)
    server.start()
    world = World(server.at)
    try:
        yield Bench(world, ROLES, ["watch4"])
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
        peer.close()
    assert bench.world.wait(lambda: not any(watcher.table for watcher in bench.watchers), LIMIT_S)


def role(code: int) -> bytes:
    return o.capability(9, bytes([code]))


def join(bench: Bench, group: str, *capabilities: bytes) -> tuple[Peer, Context]:
    """A peer that said this in its OPEN, up or not."""
    peer = bench.peer(group)
    peer.connect()
    peer.establish(peer.our_open(more=b"".join(capabilities)))
    bench.world.wait(lambda: peer.up or peer.over, LIMIT_S)
    return peer, bench.context(group, peer.address)


def partner(bench: Bench, ours: str) -> tuple[Peer, Context]:
    """One whose role fits ours."""
    peer, context = join(bench, ours, role(CODES[FITS[ours]]))
    assert peer.up, peer.outcome()
    return peer, context


def otc(asn: int) -> bytes:
    return o.attribute(0xC0, o.OTC, asn.to_bytes(4, "big"))


def held(peer: Peer, prefix: str) -> bytes | None:
    """OTC of a prefix as this peer has it; b"" where it has the prefix without, None where it hasn't the prefix."""
    route = peer.table.get(ipaddress.ip_network(prefix))
    return None if route is None else route.attributes.get(o.OTC, (0, b""))[1]


@pytest.mark.parametrize("ours", CODES)
def test_roles_that_do_not_fit_end_the_session(bench: Bench, ours: str) -> None:
    for theirs, code in CODES.items():
        peer, _ = join(bench, ours, role(code))
        assert peer.outcome() == ("up" if FITS[ours] == theirs else "reset 2/11"), (ours, theirs, "RFC 9234 section 4.2")
        assert (9, bytes([CODES[ours]])) in (peer.open or {})["capabilities"]
    for code in (5, 100, 255):
        assert join(bench, ours, role(code))[0].outcome() == "reset 2/11"


def test_a_role_may_be_told_twice_but_not_two_roles(bench: Bench) -> None:
    assert join(bench, "peer", role(4), role(4))[0].up
    assert join(bench, "peer", role(4), role(3))[0].outcome() == "reset 2/11"
    assert join(bench, "peer", role(3), role(4))[0].outcome() == "reset 2/11"


def test_without_a_role_strictness_decides(bench: Bench) -> None:
    assert join(bench, "peer")[0].up
    assert join(bench, "strict")[0].outcome() == "reset 2/11"
    assert join(bench, "strict", role(4))[0].up
    plain, _ = join(bench, "plain", role(0))
    assert plain.up, "we have no role there"
    assert 9 not in dict((plain.open or {})["capabilities"])


@pytest.mark.parametrize("ours", CODES)
def test_what_comes_in_is_judged_and_marked(bench: Bench, ours: str) -> None:
    """RFC 9234 section 5, ingress: from customers and clients no OTC, from peers their own, from the others it is added."""
    peer, context = partner(bench, ours)
    own, foreign, without = context.v4(4), context.v4(5), context.v4(6)
    peer.send(o.update(context.mandatory() + otc(peer.asn), o.prefix(own)))
    peer.send(o.update(context.mandatory() + otc(64999), o.prefix(foreign)))
    peer.send(o.update(context.mandatory(), o.prefix(without)))
    assert bench.world.wait(lambda: bench.everywhere(without), LIMIT_S)
    [watcher] = bench.watchers
    mine, other = peer.asn.to_bytes(4, "big"), (64999).to_bytes(4, "big")
    seen = held(watcher, own), held(watcher, foreign), held(watcher, without)
    assert (
        seen
        == {
            "provider": (None, None, b""),
            "rs": (None, None, b""),
            "peer": (mine, None, mine),
            "customer": (mine, other, mine),
            "rs-client": (mine, other, mine),
        }[ours]
    )
    assert peer.up


@pytest.mark.parametrize("ours", CODES)
def test_what_goes_out_is_held_back_or_marked(bench: Bench, ours: str) -> None:
    """RFC 9234 section 5, egress: with OTC to customers, peers and clients, added where it lacks; with OTC never to providers, peers and servers."""
    listener, _ = partner(bench, ours)
    speaker, context = join(bench, "plain")
    marked, without = context.v4(4), context.v4(5)
    speaker.send(o.update(context.mandatory() + otc(64999), o.prefix(marked)) + o.update(context.mandatory(), o.prefix(without)))
    assert bench.world.wait(lambda: bench.everywhere(marked, without) and held(listener, without) is not None, LIMIT_S)
    us, other = ASN.to_bytes(4, "big"), (64999).to_bytes(4, "big")
    assert (held(listener, marked), held(listener, without)) == {
        "provider": (other, us),
        "rs": (other, us),
        "peer": (None, us),
        "customer": (None, b""),
        "rs-client": (None, b""),
    }[ours]


def test_a_route_that_gets_the_mark_leaves_a_provider_again(bench: Bench) -> None:
    """Told without OTC first, then with: whoever must not have it is told that it is gone."""
    provider, _ = partner(bench, "customer")
    speaker, context = join(bench, "plain")
    speaker.send(o.update(context.mandatory(), o.prefix(context.new)))
    assert bench.world.wait(lambda: held(provider, context.new) == b"", LIMIT_S)
    speaker.send(o.update(context.mandatory() + otc(64999), o.prefix(context.new)))
    assert bench.world.wait(lambda: held(provider, context.new) is None, LIMIT_S)
    assert bench.everywhere(context.new)
