"""Messages that are dear to work off, peers that take no no for an answer, and what a log must not carry on: more stories."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable

from tests.live.adversary import octets as o
from tests.live.adversary.bench import LIMIT_S, Bench, Context
from tests.live.adversary.peer import Peer
from tests.live.adversary.stories import STORIES, Server, again, story
from tests.live.adversary.stories import marks as lives

__all__ = ["STORIES"]  # these among them

GROWTH_KB = 60_000


@story("it goes on talking after it was told to go", "RFC 4271 8.2.2 (Idle)")
def talks_on(bench: Bench, server: Server) -> list[str]:
    peer, context = bench.begin("ebgp")
    peer.reads = False  # so that the connection stays, as far as it is up to us
    peer._register()
    peer.send(o.update(context.mandatory() + o.attribute(0x40, 99, b""), o.prefix(context.new)))
    before = server.memory_kb()
    for _ in range(50):
        peer.send(o.update(context.mandatory(), context.nlri()) * 2000)
        bench.world.rest(0.01)
    wrong = [] if bench.nowhere(context.new, context.base) else ["what came after the NOTIFICATION was taken"]
    grown = server.memory_kb() - before
    wrong += [f"memory grew by {grown // 1024} MB"] if grown > GROWTH_KB else []
    peer.close()
    return wrong


@story("a hundred faults from one address, each on a connection of its own that comes at once", "RFC 4271 8.1.1 (damping is off)")
def one_after_the_other(bench: Bench, server: Server) -> list[str]:
    peer = bench.peer("ebgp")
    context = bench.context("ebgp", peer.address)
    faults = (
        o.message(9),
        o.update(context.mandatory() + o.attribute(0x40, 99), context.nlri()),
        o.message(o.REFRESH, b"ab"),
        o.message(4, b"x"),
    )
    for number in range(100):
        if not peer.establish():
            return [f"connection {number} isn't let in: {peer.outcome()}"]
        peer.send(faults[number % len(faults)])
        peer = again(bench, peer)
    return lives(bench, peer, context) if peer.establish() else [f"the last one isn't let in: {peer.outcome()}"]


@story("noise: handshakes and messages with a few octets changed, cut, doubled or made up", "RFC 4271 6")
def noise(bench: Bench, server: Server) -> list[str]:
    seed = random.randrange(1_000_000)
    chance = random.Random(seed)
    peer = bench.peer("ebgp")
    context = bench.context("ebgp", peer.address)
    for number in range(400):
        said = [peer.our_open(hold_s=chance.choice((0, 3, 180))), o.keepalive(), o.update(context.mandatory(), o.prefix(context.new))]
        said += [o.refresh(), o.end_of_rib(o.IPV6), o.notification(6, chance.randrange(12), chance.randbytes(chance.randrange(40)))]
        data = bytearray(b"".join(said[: chance.randint(1, 6)]))
        for _ in range(chance.choice((1, 1, 2, 5, 40))):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
            if not data:
                data += chance.randbytes(1)
        peer.connect()
        peer.send(bytes(data))
        bench.world.wait(lambda peer=peer: peer.over, 0.01)
        if peer.notified and peer.notified[0] not in (1, 2, 3, 4, 5, 6, 7):
            return [f"seed {seed}, number {number}: NOTIFICATION {peer.notified}: {data.hex()}"]
        if not server.alive():
            return [f"seed {seed}, number {number}: {data.hex()}"]
        (peer.reset if chance.random() < 0.5 else peer.close)()
        peer = Peer(bench.world, peer.address, peer.asn, peer.told, peer.name)
    bench.world.rest(0.2)
    wrong = lives(bench, peer, context) if peer.establish() else [f"seed {seed}: a good session isn't let in afterwards: {peer.outcome()}"]
    return [f"seed {seed}: {each}" for each in wrong]


@story("two peers with one BGP Identifier", "RFC 6286 2.1")
def one_identifier(bench: Bench, server: Server) -> list[str]:
    first, context = bench.begin("ebgp")
    second = bench.peer("ebgp", router_id=first.address)
    other = bench.context("ebgp", second.address)
    if not second.establish():
        return [f"the second one isn't let in: {second.outcome()}"]
    return lives(bench, first, context) + lives(bench, second, other)


@story("the same prefixes from two peers, one of whom goes", "RFC 4271 9.1.4")
def two_of_a_kind(bench: Bench, server: Server) -> list[str]:
    first, context = bench.begin("ebgp")
    second = bench.peer("ebgp2")
    mine = bench.context("ebgp2", second.address)
    if not second.establish():
        return [second.outcome()]
    path = o.as_path(65005, 65077, 65078, four=False)
    second.send(o.update(o.origin() + path + o.next_hop("192.0.2.200"), o.prefixes(context.base, context.other)))
    wrong = lives(bench, second, mine)
    first.send(o.update(o.origin(9) + context.path() + o.next_hop(context.hop), o.prefix(context.base)))  # withdrawn by RFC 7606
    wrong += lives(bench, first, context)
    for route in bench.seen(context.base):
        if route is None or b"\xfe\x35" not in route.attributes[o.AS_PATH][1]:
            wrong.append("the other peer's path doesn't take the place of one that was treated as withdrawn")
    first.close()
    bench.world.wait(lambda: all(r and b"\xfe\x35" in r.attributes[o.AS_PATH][1] for r in bench.seen(context.other)), LIMIT_S)
    if not all(route and b"\xfe\x35" in route.attributes[o.AS_PATH][1] for route in bench.seen(context.other)):
        wrong.append("the other peer's path doesn't take the place of one whose peer is gone")
    return wrong


@story("a hundred messages of four thousand default routes", "RFC 4271 4.3")
def defaults(bench: Bench, server: Server) -> list[str]:
    return _dear(bench, lambda peer, c: o.update(c.mandatory(), b"\0" * 4000) * 100)


@story("messages of a thousand communities each", "RFC 1997")
def communities(bench: Bench, server: Server) -> list[str]:
    def build(peer: Peer, c: Context) -> bytes:
        out = b""
        for number in range(200):
            value = b"".join(struct.pack("!HH", number, n * 7 % 997) for n in range(900))
            out += o.update(c.mandatory() + o.attribute(0xC0, o.COMMUNITIES, value), o.prefix(f"99.1.{number}.0/24"))
        return out

    return _dear(bench, build)


@story("extended messages of 16,000 communities and 5,000 large ones, out of order and repeated", "RFC 1997, RFC 8092")
def many_communities(bench: Bench, server: Server) -> list[str]:
    def build(peer: Peer, c: Context) -> bytes:
        out = b""
        for number in range(20):
            small = b"".join(struct.pack("!HH", 65001, (n * 7919 + number) & 0x3FFF) for n in range(5000))
            large = b"".join(struct.pack("!III", 65001, 0, (n * 7919 + number) & 0x7FF) for n in range(3000))
            block = c.mandatory() + o.attribute(0xC0, o.COMMUNITIES, small) + o.attribute(0xC0, o.LARGE, large)
            out += o.update(block, o.prefix(f"99.2.{number}.0/24"))
        return out

    return _dear(bench, build, "big")


@story("paths of a thousand numbers in segments of one", "RFC 4271 4.3")
def long_paths(bench: Bench, server: Server) -> list[str]:
    def build(peer: Peer, c: Context) -> bytes:
        out = b""
        for number in range(300):
            segments = o.segment(2, 65001) + b"".join(o.segment(2, 64000 + (n + number) % 500) for n in range(600))
            out += o.update(
                o.origin() + o.attribute(0x40, o.AS_PATH, segments) + o.next_hop("192.0.2.1"), o.prefix(f"99.3.{number % 256}.0/24")
            )
        return out

    return _dear(bench, build)


@story("a hundred thousand prefixes that are all treated as withdrawn", "RFC 7606 2")
def all_withdrawn(bench: Bench, server: Server) -> list[str]:
    before = server.memory_kb()

    def build(peer: Peer, c: Context) -> bytes:
        bad = o.origin(9) + o.as_path(65001) + o.next_hop("192.0.2.1")
        return b"".join(
            o.update(bad, b"".join(bytes([32, 99, *(at + n).to_bytes(3, "big")]) for n in range(700))) for at in range(0, 100_000, 700)
        )

    wrong = _dear(bench, build)
    grown = server.memory_kb() - before
    return wrong + ([f"memory grew by {grown // 1024} MB"] if grown > GROWTH_KB else [])


@story("an extended message octet by octet", "RFC 8654", slow=True)
def dribbled(bench: Bench, server: Server) -> list[str]:
    peer, context = bench.begin("big")
    data = o.update(context.mandatory() + o.attribute(0xC0, 99, b"x" * 30_000), context.nlri())
    for at in range(0, len(data), 3):
        peer.send(data[at : at + 3])
        bench.world.pump(0)
    return lives(bench, peer, context)


@story("its words can't write into the log what they like", "RFC 9003 2")
def escaped(bench: Bench, server: Server) -> list[str]:
    for text in (b"\x1b[31mred\x1b[0m", b"one\ntwo: [error] it's all gone", b"\r\x08\x08\x07bell", "\u202ebackwards \u2028 line".encode()):
        peer, _ = bench.begin("ebgp")
        peer.send(o.notification(6, 2, bytes([len(text)]) + text))
        bench.world.wait(lambda peer=peer: peer.over, LIMIT_S)
    bench.world.rest(0.2)
    log = server.log().replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\x1b[2m", "")
    wrong = [f"the log has {bad!r}" for bad in ("\x1b[31mred", "\x07", "\u202e", "\u2028", "\x08") if bad in log]
    return wrong + [f"a line of the log is the peer's: {line}" for line in log.splitlines() if line.startswith("two: ")]


def _dear(bench: Bench, build: Callable[[Peer, Context], bytes], group: str = "ebgp", limit_s: float = 4.0) -> list[str]:
    """Whether another peer's route is told soon while this is worked off, and the session lives."""
    peer, context = bench.begin(group)
    other, mine = bench.begin("ebgp")
    data = build(peer, context)
    peer.send(data)
    bench.world.pump(0)
    began = time.monotonic()
    wrong = lives(bench, other, mine)
    took = time.monotonic() - began
    wrong += [f"another peer's route took {took:.1f} s"] if took > limit_s else []
    return wrong + lives(bench, peer, context)
