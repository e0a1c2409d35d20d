"""Every line of docs/malformed-updates.md through sockets, with four watchers that read what is sent on."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest

from tests.bgp import defects as d
from tests.bgp.structure import STRUCTURE
from tests.bgp.test_malformed_updates import message, update
from tests.live.adversary import octets as o
from tests.live.adversary.bench import LIMIT_S, Bench, Context
from tests.live.adversary.peer import Peer, World
from tests.live.adversary.servers import ASN, GROUPS, WATCHERS, Group, Ours

pytestmark = pytest.mark.live

KINDS = {
    **{name: GROUPS[name] for name in WATCHERS},
    "external": Group("external", 74, 65101, 400),
    "internal": Group("internal", 75, ASN, 120),
    "two-octet": Group("two-octet", 76, 65101, 120, four=False),
}
DEFECTS = d.all_defects()
# Name, kind of peer, verdict, the message, one without the defect that means the same, the prefix that it is about.
LINES: list[tuple[str, str, str, bytes, bytes | None, str]] = [
    *(
        (each.name, each.peer, each.verdict, update(each.peer, each.attribute, each.raw), update(each.peer, each.attribute, each.same_as),
         d.PREFIX6 if each.attribute == "MP_REACH_NLRI" and each.raw else d.PREFIX)
        for each in DEFECTS
    ),
    *((each.name, "external", each.verdict, message(each.body), None, d.PREFIX) for each in STRUCTURE),
]  # fmt: skip


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    server = Ours(tmp_path_factory.mktemp("lines"), groups=KINDS)
    server.start()
    world = World(server.at)
    try:
        yield Bench(world, KINDS)
        assert world.faults == []
        assert server.alive()
        assert server.wrong() == []
    finally:
        world.close()
        server.stop()


def run(bench: Bench, kind: str, verdict: str, data: bytes, plain: bytes | None, prefix: str) -> list[str]:
    """What is wrong with how one line was taken."""
    peer = bench.peer(kind)
    context = bench.context(kind, peer.address)
    assert peer.establish(), peer.outcome()
    peer.send(update(kind))
    assert bench.world.wait(lambda: bench.everywhere(d.PREFIX), LIMIT_S), peer.outcome()
    peer.send(data)
    bench.mark(peer, context)
    wrong = list(_judged(bench, peer, context, verdict, plain, prefix))
    peer.close()
    if not bench.world.wait(lambda: not any(watcher.table for watcher in bench.watchers), LIMIT_S):
        wrong.append("routes outlive their peer")
    return wrong


def _judged(bench: Bench, peer: Peer, context: Context, verdict: str, plain: bytes | None, prefix: str) -> Iterator[str]:
    if verdict.startswith("session reset"):
        if peer.outcome() != verdict.removeprefix("session "):
            yield f"{peer.outcome()} instead of {verdict}"
        return
    if not peer.up:
        yield f"{peer.outcome()} instead of {verdict}"
    elif verdict == d.WITHDRAW:
        if not bench.nowhere(prefix):
            yield "it is not withdrawn"
    elif not bench.everywhere(prefix):
        yield f"it is gone, and the verdict is {verdict}"
    elif plain is not None:
        before = told(bench, prefix)
        peer.send(plain)
        again = context.v4(5)
        peer.send(message_of(context, again))
        bench.world.wait(lambda: bench.everywhere(again), LIMIT_S)
        if told(bench, prefix) != before:
            yield f"what was told differs from a message with {verdict} done by hand"


def message_of(context: Context, prefix: str) -> bytes:
    return o.update(context.mandatory(64998), o.prefix(prefix))


def told(bench: Bench, prefix: str) -> list[dict[int, tuple[int, bytes]]]:
    """What each watcher has of a prefix."""
    at = ipaddress.ip_network(prefix)
    return [{kind: value for kind, value in watcher.table[at].attributes.items() if kind != 14} for watcher in bench.watchers]


@pytest.mark.parametrize("verdict", sorted({line[2] for line in LINES}))
def test_every_line_of_the_page_holds_through_sockets(bench: Bench, verdict: str) -> None:
    lines = [line for line in LINES if line[2] == verdict]
    assert lines
    assert {name: wrong for name, *rest in lines if (wrong := run(bench, *rest))} == {}


def test_all_lines_are_run() -> None:
    assert len(LINES) == len(DEFECTS) + len(STRUCTURE) > 250
