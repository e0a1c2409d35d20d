"""What needs more than one message: connections that collide, say nothing, end anywhere, or come by the hundred; time; peers that don't read.

Each story gets a bench and the speaker under test, and gives what went wrong, in words.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tests.live.adversary import octets as o
from tests.live.adversary.bench import LIMIT_S, Bench, Context
from tests.live.adversary.peer import Peer
from tests.live.adversary.strict import Told


class Server(Protocol):
    """What stories ask of a speaker under test."""

    def alive(self) -> bool: ...

    def memory_kb(self) -> int: ...

    def log(self) -> str: ...


Tell = Callable[[Bench, Server], list[str]]


@dataclass(frozen=True)
class Story:
    """One of them; `slow`: it takes seconds by its nature."""

    name: str
    source: str
    tell: Tell
    slow: bool = False


STORIES: list[Story] = []


def story(name: str, source: str, *, slow: bool = False) -> Callable[[Tell], Tell]:
    def add(tell: Tell) -> Tell:
        STORIES.append(Story(name, source, tell, slow))
        return tell

    return add


def run(each: Story, bench: Bench, server: Server) -> list[str]:
    """What went wrong, with what every story must leave as it was: the watchers, and what they are told."""
    faults = len(bench.world.faults)
    wrong = each.tell(bench, server)
    for peer in [peer for peer in bench.world.peers if peer not in bench.watchers]:
        peer.close()
    if not bench.world.wait(lambda: not any(watcher.table for watcher in bench.watchers), LIMIT_S):
        wrong.append(f"routes outlive their peer: {[len(watcher.table) for watcher in bench.watchers]}")
    wrong += [f"the session of {watcher.name} ended: {watcher.outcome()}" for watcher in bench.watchers if not watcher.up]
    wrong += [] if server.alive() else ["the speaker is dead"]
    return wrong + bench.world.faults[faults:]


def again(bench: Bench, peer: Peer) -> Peer:
    """A connection more of the same peer."""
    return Peer(bench.world, peer.address, peer.asn, peer.told, peer.name + "'", peer.router_id).connect()


def marks(bench: Bench, peer: Peer, context: Context) -> list[str]:
    return [] if bench.mark(peer, context) and peer.up else [f"the session of {peer.name} doesn't live: {peer.outcome()}"]


def _let_in(bench: Bench, peer: Peer, context: Context) -> list[str]:
    """Whether a session comes up within 8 s, a few attempts allowed."""
    end = time.monotonic() + 8
    while time.monotonic() < end:
        good = again(bench, peer)
        if good.establish():
            return marks(bench, good, context)
        bench.world.rest(0.25)
    return [f"a good session isn't let in: {good.outcome()}"]


# --- connections ----------------------------------------------------------------------------------------------------------


@story("a second connection with an OPEN while the session is up", "RFC 4271 6.8")
def second_open(bench: Bench, server: Server) -> list[str]:
    peer, context = bench.begin("ebgp")
    second = again(bench, peer)
    second.send(second.our_open())
    bench.world.wait(lambda: second.over, LIMIT_S)
    wrong = [] if second.outcome() in ("reset 6/7", "closed") else [f"the second one: {second.outcome()}"]
    return wrong + marks(bench, peer, context)


@story("a second connection that says nothing while the session is up", "RFC 4271 6.8")
def second_silent(bench: Bench, server: Server) -> list[str]:
    peer, context = bench.begin("ebgp")
    second = again(bench, peer)
    bench.world.rest(0.1)
    wrong = marks(bench, peer, context)
    second.close()
    bench.world.rest(0.1)
    return wrong + marks(bench, peer, context)


@story("a second connection with nonsense while the session is up", "RFC 4271 6.8")
def second_nonsense(bench: Bench, server: Server) -> list[str]:
    peer, context = bench.begin("ebgp")
    for nonsense in (
        b"\0" * 100,
        o.message(1, b"\7" * 10),
        o.message(9),
        o.update(),
        o.notification(6, 2),
        o.message(1, b"\4\0\0\0\xb4\1\2\3\4\0"),
    ):
        second = again(bench, peer)
        second.send(nonsense)
        bench.world.wait(lambda second=second: second.over, LIMIT_S)
        if not second.over:
            return [f"a second connection lives after {nonsense[:40].hex()}"]
    return marks(bench, peer, context)


@story("two connections, both with an OPEN, neither with a KEEPALIVE", "RFC 4271 6.8")
def two_opens(bench: Bench, server: Server) -> list[str]:
    peer = bench.peer("ebgp").connect()
    context = bench.context("ebgp", peer.address)
    second = again(bench, peer)
    for each in (peer, second):
        each.send(each.our_open())
    bench.world.wait(lambda: peer.over or second.over, 2)
    live = [each for each in (peer, second) if not each.over]
    gone = [each for each in (peer, second) if each.over]
    if len(live) != 1:
        return [f"{len(live)} of two connections live"]
    wrong = [] if gone[0].outcome() in ("reset 6/7", "closed") else [f"the other one: {gone[0].outcome()}"]
    live[0].send(o.keepalive())
    if not bench.world.wait(lambda: live[0].up, LIMIT_S):
        return [*wrong, f"no session is left: {live[0].outcome()}"]
    return wrong + marks(bench, live[0], context)


@story("twenty connections that say nothing, then a good one", "RFC 4271 8.2.1")
def many_silent(bench: Bench, server: Server) -> list[str]:
    peer = bench.peer("ebgp").connect()
    context = bench.context("ebgp", peer.address)
    for _ in range(20):
        again(bench, peer)
    return _let_in(bench, peer, context)


@story("a hundred connections, closed at once or reset at once, then a good one", "RFC 4271 8.2.2")
def connect_and_close(bench: Bench, server: Server) -> list[str]:
    peer = bench.peer("ebgp")
    context = bench.context("ebgp", peer.address)
    for number in range(100):
        each = again(bench, peer)
        (each.reset if number % 2 else each.close)()
    return _let_in(bench, peer, context)


@story("strangers by the hundred", "RFC 4271 8.2.1, RFC 4486 5 (Connection Rejected)")
def strangers(bench: Bench, server: Server) -> list[str]:
    peer, context = bench.begin("ebgp")
    told = Told(asn=65515)
    crowd = [Peer(bench.world, f"127.99.{n // 250}.{n % 250 + 1}", 65001, told, f"stranger-{n}") for n in range(300)]
    for each in crowd:
        each.connect()
        each.send(each.our_open())
    bench.world.wait(lambda: all(each.over for each in crowd), LIMIT_S)
    live = [each for each in crowd if not each.over]
    wrong = [f"{len(live)} strangers are still connected"] if live else []
    wrong += [f"a stranger has a session: {each.outcome()}" for each in crowd if each.up][:1]
    wrong += [f"a stranger is told {each.outcome()}" for each in crowd if each.outcome() not in ("closed", "reset 6/5", "reset 2/2")][:1]
    return wrong + marks(bench, peer, context)


@story("the session ends without a word and comes back", "RFC 4271 8.2.2")
def hang_up_and_return(bench: Bench, server: Server) -> list[str]:
    peer, context = bench.begin("ebgp")
    for politely in (True, False):
        (peer.close if politely else peer.reset)()
        if not bench.world.wait(lambda: bench.nowhere(context.base, context.other, context.base6), LIMIT_S):
            return ["routes outlive their peer"]
        end = time.monotonic() + 8
        while not peer.up and time.monotonic() < end:
            bench.world.rest(0.25)
            peer = again(bench, peer)
            peer.establish()
        if not peer.up:
            return [f"it isn't let in again: {peer.outcome()}"]
        peer.send(bench.base(context))
        if not bench.world.wait(lambda: bench.everywhere(context.base, context.other), LIMIT_S):
            return ["its routes don't come back"]
    return marks(bench, peer, context)


# --- bytes ----------------------------------------------------------------------------------------------------------------


@story("all messages octet by octet", "RFC 4271 4.1")
def octet_by_octet(bench: Bench, server: Server) -> list[str]:
    peer = bench.peer("ebgp").connect()
    context = bench.context("ebgp", peer.address)
    said = peer.our_open() + o.keepalive() + bench.base(context)
    for octet in said:
        peer.send(bytes([octet]))
        bench.world.pump(0)
    if not bench.world.wait(lambda: bench.everywhere(context.base, context.other, context.base6), LIMIT_S):
        return [f"not all was taken: {peer.outcome()}"]
    return marks(bench, peer, context)


@story("all messages in one go, before its OPEN has come", "RFC 4271 4.1")
def in_one_go(bench: Bench, server: Server) -> list[str]:
    peer = bench.peer("ebgp").connect()
    context = bench.context("ebgp", peer.address)
    peer.send(peer.our_open() + o.keepalive() + bench.base(context) + o.end_of_rib() + o.keepalive() + o.end_of_rib(o.IPV6))
    if not bench.world.wait(lambda: bench.everywhere(context.base, context.other, context.base6), LIMIT_S):
        return [f"not all was taken: {peer.outcome()}"]
    return marks(bench, peer, context)


@story("the connection ends within an UPDATE, at any octet", "RFC 4271 8.2.2")
def cut_within(bench: Bench, server: Server) -> list[str]:
    wrong = []
    for reset in (False, True):
        for at in (1, 16, 18, 19, 21, 23, 40):
            peer, context = bench.begin("ebgp")
            peer.send(o.update(context.mandatory(), context.nlri())[:at])
            bench.world.rest(0.02)
            (peer.reset if reset else peer.close)()
            if not bench.world.wait(lambda c=context: bench.nowhere(c.base, c.other, c.new), LIMIT_S):
                wrong.append(f"routes outlive a connection that ended at octet {at}")
    return wrong


@story("it says that it won't say more, and reads on", "RFC 4271 8.2.2 (event 18)")
def half_closed(bench: Bench, server: Server) -> list[str]:
    peer, context = bench.begin("ebgp")
    assert peer.socket is not None
    peer.socket.shutdown(socket.SHUT_WR)
    gone = bench.world.wait(lambda: peer.over and bench.nowhere(context.base), LIMIT_S)
    return [] if gone else ["a connection of which no more can come lives on"]


@story("good UPDATEs and a wrong one in one go", "RFC 4271 6.3")
def glued(bench: Bench, server: Server) -> list[str]:
    peer, context = bench.begin("ebgp")
    good = o.update(context.mandatory(), o.prefix(context.new))
    peer.send(good + o.update(context.mandatory() + o.attribute(0x40, 99, b""), o.prefix(context.mark)) + good)
    bench.world.wait(lambda: peer.over, LIMIT_S)
    wrong = [] if peer.outcome() == "reset 3/2" else [peer.outcome()]
    if not bench.world.wait(lambda: bench.nowhere(context.base, context.new, context.mark), LIMIT_S):
        wrong.append("routes outlive the session")
    return wrong


# --- time -----------------------------------------------------------------------------------------------------------------


@story("hold time of 3 s, and silence", "RFC 4271 6.5, 4.4", slow=True)
def hold_timer(bench: Bench, server: Server) -> list[str]:
    peer = bench.peer("ebgp", keeps=False)
    context = bench.context("ebgp", peer.address)
    if not peer.establish(peer.our_open(hold_s=3)):
        return [peer.outcome()]
    peer.send(bench.base(context))
    bench.world.wait(lambda: bench.everywhere(context.base), LIMIT_S)
    began, longest, last = time.monotonic(), 0.0, time.monotonic()
    while not peer.over and time.monotonic() - began < 8:
        before = peer.last_in
        bench.world.pump(0.1)
        if peer.last_in != before:
            longest, last = max(longest, peer.last_in - last), peer.last_in
    took = time.monotonic() - began
    wrong = [] if peer.outcome() == "reset 4/0" else [peer.outcome()]
    wrong += [] if 2.5 < took < 4.5 else [f"it took {took:.1f} s"]
    wrong += [] if longest < 1.6 else [f"{longest:.1f} s between its KEEPALIVEs (a third of 3 s)"]
    return wrong + ([] if bench.world.wait(lambda: bench.nowhere(context.base), LIMIT_S) else ["routes outlive the session"])


@story("hold time of 3 s, and a message that never ends", "RFC 4271 6.5", slow=True)
def dribble(bench: Bench, server: Server) -> list[str]:
    peer = bench.peer("ebgp", keeps=False)
    context = bench.context("ebgp", peer.address)
    if not peer.establish(peer.our_open(hold_s=3)):
        return [peer.outcome()]
    data = o.update(context.mandatory() + o.attribute(0xC0, 99, b"x" * 200), context.nlri())
    for octet in data:
        if peer.over:
            break
        peer.send(bytes([octet]))
        bench.world.rest(0.1)
        if len(data) > 100 and peer.over:
            break
    return [] if peer.outcome() == "reset 4/0" else [f"{peer.outcome()} after {len(data)} octets, one each 0.1 s"]


@story("hold time of 3 s, kept by UPDATEs alone", "RFC 4271 4.4", slow=True)
def kept_by_updates(bench: Bench, server: Server) -> list[str]:
    peer = bench.peer("ebgp", keeps=False)
    context = bench.context("ebgp", peer.address)
    if not peer.establish(peer.our_open(hold_s=3)):
        return [peer.outcome()]
    for _ in range(5):
        peer.send(o.update(context.mandatory(), context.nlri()))
        bench.world.rest(1)
    return marks(bench, peer, context)


@story("hold time of 3 s, silence after OPEN", "RFC 4271 8.2.2 (OpenConfirm)", slow=True)
def silent_in_confirm(bench: Bench, server: Server) -> list[str]:
    peer = bench.peer("ebgp", keeps=False).connect()
    peer.send(peer.our_open(hold_s=3))
    bench.world.wait(lambda: peer.over, 8)
    return [] if peer.outcome() == "reset 4/0" else [peer.outcome()]


@story("a hold time of 0: no KEEPALIVEs are needed, and none come", "RFC 4271 4.2, 4.4", slow=True)
def no_hold(bench: Bench, server: Server) -> list[str]:
    peer = bench.peer("ebgp", keeps=False)
    context = bench.context("ebgp", peer.address)
    if not peer.establish(peer.our_open(hold_s=0)):
        return [] if peer.outcome() == "reset 2/6" else [peer.outcome()]
    bench.world.rest(2)
    return marks(bench, peer, context)


# --- floods ---------------------------------------------------------------------------------------------------------------


def _block(context: Context, count: int, tag: int = 0, first: int = 0) -> bytes:
    """So many routes, 900 in a message."""
    nlri = [bytes([32, 20 + (context.number & 31)]) + struct.pack("!I", first + n)[1:] for n in range(count)]
    attributes = (
        context.mandatory(64999)
        + o.attribute(0x80, o.MED, struct.pack("!I", tag))
        + o.attribute(0xC0, o.LARGE, struct.pack("!III", 65001, 7, tag))
    )
    return b"".join(o.update(attributes, b"".join(nlri[at : at + 700])) for at in range(0, count, 700))


def _tagged(bench: Bench, context: Context, count: int, tag: int) -> Callable[[], bool]:
    """Whether all watchers have so many routes of this tag; looked at only where the number fits."""
    value = struct.pack("!III", 65001, 7, tag)

    def holds() -> bool:
        tables = [watcher.table for watcher in bench.watchers]
        if any(len(table) < count for table in tables):
            return False
        last = [next(reversed(table.values())) for table in tables]
        if any(route.attributes.get(o.LARGE, (0, b""))[1] != value for route in last):
            return False
        return all(sum(route.attributes.get(o.LARGE, (0, b""))[1] == value for route in table.values()) >= count for table in tables)

    return holds


@story("announced and withdrawn a hundred times in one go", "RFC 4271 9")
def flapping(bench: Bench, server: Server) -> list[str]:
    peer, context = bench.begin("ebgp")
    announced, withdrawn = o.update(context.mandatory(), context.nlri()), o.update(b"", b"", context.nlri())
    peer.send((announced + withdrawn) * 100)
    wrong = marks(bench, peer, context)
    wrong += [] if bench.nowhere(context.base, context.new) else ["what was withdrawn at last is there"]
    peer.send((withdrawn + announced) * 100)
    peer.send(o.update(b"", b"", o.prefix(context.mark)))
    bench.world.wait(lambda: bench.everywhere(context.base, context.new) and bench.nowhere(context.mark), LIMIT_S)
    return wrong + ([] if bench.everywhere(context.base, context.new) else ["what was announced at last is not there"])


@story("fifty thousand KEEPALIVEs in one go", "RFC 4271 8.2.2")
def keepalives(bench: Bench, server: Server) -> list[str]:
    peer, context = bench.begin("ebgp")
    peer.send(o.keepalive() * 50_000)
    return marks(bench, peer, context)


@story("twenty thousand empty UPDATEs in one go", "RFC 4724 2")
def ends_of_rib(bench: Bench, server: Server) -> list[str]:
    peer, context = bench.begin("ebgp")
    peer.send((o.end_of_rib() + o.end_of_rib(o.IPV6)) * 10_000)
    return marks(bench, peer, context)


@story("a peer that asks for all routes again and again, and doesn't read", "RFC 2918, RFC 9687", slow=True)
def refresh_flood(bench: Bench, server: Server) -> list[str]:
    peer, context = bench.begin("ebgp")
    peer.send(_block(context, 30_000))
    if not bench.world.wait(_tagged(bench, context, 30_000, 0), 30):
        return ["the routes are not sent on"]
    greedy = bench.peer("ebgp", receive_buffer=4096)
    if not greedy.establish():
        return [greedy.outcome()]
    greedy.reads = False
    greedy._register()
    before = server.memory_kb()
    for _ in range(20):
        greedy.send(o.refresh() * 200)
        bench.world.rest(0.05)
    bench.mark(peer, context)
    began = time.monotonic()
    peer.send(o.update(context.mandatory(), o.prefix(context.new)))
    if not bench.world.wait(lambda: bench.everywhere(context.new), LIMIT_S):
        return ["others wait for a peer that doesn't read"]
    took, grown = time.monotonic() - began, server.memory_kb() - before
    wrong = [f"another peer's route took {took:.1f} s"] if took > 2 else []
    return wrong + ([f"memory grew by {grown // 1024} MB"] if grown > 40_000 else [])


@story("a peer that never reads, while 20,000 routes change eight times", "RFC 9687 (and nobody else is delayed)", slow=True)
def never_reads(bench: Bench, server: Server) -> list[str]:
    stuck = bench.peer("ebgp", receive_buffer=4096)
    if not stuck.establish():
        return [stuck.outcome()]
    stuck.reads = False
    stuck._register()
    peer, context = bench.begin("ebgp")
    wrong, grown = [], 0
    for tag in range(8):
        began = time.monotonic()
        peer.send(_block(context, 20_000, tag))
        if not bench.world.wait(_tagged(bench, context, 20_000, tag), 30):
            return [f"round {tag} doesn't arrive beside a peer that never reads: {[len(w.table) for w in bench.watchers]} {peer.outcome()}"]
        took = time.monotonic() - began
        if took > 15:
            wrong.append(f"round {tag} took {took:.1f} s")
        if tag == 1:
            grown = -server.memory_kb()
    grown += server.memory_kb()
    wrong += [f"memory grew by {grown // 1024} MB from the second round to the eighth"] if grown > 40_000 else []
    stuck.reads = True  # it wakes up: what it gets then is what is so now
    stuck._register()
    bench.world.wait(lambda: stuck.over or len(stuck.table) >= len(bench.watchers[0].table), 30)
    if not stuck.over:
        value = struct.pack("!III", 65001, 7, 7)
        got = sum(route.attributes.get(o.LARGE, (0, b""))[1] == value for route in stuck.table.values())
        bench.world.wait(lambda: sum(r.attributes.get(o.LARGE, (0, b""))[1] == value for r in stuck.table.values()) >= 20_000, 20)
        got = sum(route.attributes.get(o.LARGE, (0, b""))[1] == value for route in stuck.table.values())
        wrong += [] if got == 20_000 else [f"the peer that woke up has {got} of 20,000 routes as they are now, of {len(stuck.table)}"]
    return wrong
