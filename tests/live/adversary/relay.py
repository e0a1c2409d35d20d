"""What each kind of peer is told of a route, octet by octet: RFC 4271 section 5.1, RFC 1997, 4360, 4456, 6793, 7947."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.live.adversary import octets as o
from tests.live.adversary.bench import LIMIT_S, Bench, Build, Context
from tests.live.adversary.strict import Prefix

FOUR, TWO, INTERNAL, LONG = "watch4", "watch2", "watchi", "watchx"
ALL = (FOUR, TWO, INTERNAL, LONG)
Octets = bytes | None  # None: it must not be there


@dataclass(frozen=True)
class Relay:
    """A message and what each watcher must have of its prefix; `told` of a watcher that isn't named is not looked at."""

    name: str
    source: str
    build: Build
    told: Mapping[str, Mapping[int, Octets] | None]  # None: it must not be told of the route at all
    peer: str = "ebgp"
    family: int = 4
    modes: tuple[str, ...] = ("router", "route server")
    short_hop: bool = False  # the next hop in MP_REACH_NLRI must be of 16 octets


def run(bench: Bench, case: Relay) -> list[str]:
    """What a watcher has that it must not have, or hasn't."""
    peer, context = bench.begin(case.peer)
    faults = len(bench.world.faults)
    peer.send(o.update(b"", b"", o.prefix(context.base)) + case.build(context))
    wrong = [] if bench.mark(peer, context) and peer.up else [f"the session doesn't live: {peer.outcome()}"]
    at: Prefix = ipaddress.ip_network(context.new if case.family == 4 else context.new6)
    for watcher in bench.watchers:
        if watcher.name not in case.told:
            continue
        wanted, route = case.told[watcher.name], watcher.table.get(at)
        if (wanted is None) != (route is None):
            wrong.append(f"{watcher.name} is {'told of it' if route else 'not told of it'}")
        for kind, value in (wanted or {}).items():
            got = route.attributes.get(kind, (0, None))[1] if route else None
            if got != value:
                wrong.append(
                    f"{watcher.name} has attribute {kind} {got.hex() if got is not None else None}, not {value.hex() if value is not None else None}"
                )
        if route and case.short_hop and route.attributes[o.MP_REACH][1][3] != 16:
            wrong.append(f"{watcher.name} is told a next hop of {route.attributes[o.MP_REACH][1][3]} octets")
    peer.close()
    told = [context.base, context.new, context.other, context.base6, context.new6, context.mark]
    if not bench.world.wait(lambda: bench.nowhere(*told), LIMIT_S):
        wrong.append("routes outlive their peer")
    return wrong + bench.world.faults[faults:]


def message(*more: bytes, after: tuple[int, ...] = (), hop: str = "192.0.2.77") -> Build:
    def build(c: Context) -> bytes:
        local = o.attribute(0x40, o.LOCAL_PREF, b"\0\0\0\x64") if c.group.asn == 65515 else b""
        return o.update(o.origin() + c.path(*after) + o.next_hop(hop) + local + b"".join(more), o.prefix(c.new))

    return build


def path(*asns: int, four: bool = True) -> bytes:
    return o.segment(o.AS_SEQUENCE, *asns, four=four) if asns else b""


def cases() -> Iterator[Relay]:
    yield from _paths()
    yield from _communities()
    yield from _others()


def _paths() -> Iterator[Relay]:
    hop = {o.NEXT_HOP: bytes([192, 0, 2, 77])}
    router = {
        FOUR: {o.AS_PATH: path(65515, 65001, 64999), **hop, o.AS4_PATH: None, o.LOCAL_PREF: None},
        TWO: {o.AS_PATH: path(65515, 65001, 64999, four=False), **hop, o.AS4_PATH: None},
        INTERNAL: {o.AS_PATH: path(65001, 64999), **hop, o.LOCAL_PREF: b"\0\0\0\x64", o.ORIGINATOR_ID: None, o.CLUSTER_LIST: None},
    }
    yield Relay("a path", "RFC 4271 5.1.2", message(after=(64999,)), router, modes=("router",))
    server = {FOUR: {o.AS_PATH: path(65001, 64999), **hop}, TWO: {o.AS_PATH: path(65001, 64999, four=False), **hop}}
    yield Relay("a path through a route server", "RFC 7947 2.2.2", message(after=(64999,)), server, modes=("route server",))
    big = 4_200_000_077
    yield Relay(
        "a path with an AS of four octets", "RFC 6793 4.2.2", message(after=(big,)),
        {FOUR: {o.AS_PATH: path(65515, 65001, big), o.AS4_PATH: None}, TWO: {o.AS_PATH: path(65515, 65001, 23456, four=False), o.AS4_PATH: path(65515, 65001, big)}},
        modes=("router",),
    )  # fmt: skip
    yield Relay(
        "a path with an AS of four octets through a route server", "RFC 6793 4.2.2", message(after=(big,)),
        {FOUR: {o.AS_PATH: path(65001, big), o.AS4_PATH: None}, TWO: {o.AS_PATH: path(65001, 23456, four=False), o.AS4_PATH: path(65001, big)}},
        modes=("route server",),
    )  # fmt: skip
    as4 = o.attribute(0xC0, o.AS4_PATH, path(65005, big))
    hidden = lambda c: o.update(o.origin() + o.as_path(65005, 23456, four=False) + o.next_hop("192.0.2.77") + as4, o.prefix(c.new))  # noqa: E731
    yield Relay(
        "a path from a speaker of two octets, put together", "RFC 6793 4.2.3", hidden,
        {FOUR: {o.AS_PATH: path(65515, 65005, big)}, TWO: {o.AS_PATH: path(65515, 65005, 23456, four=False), o.AS4_PATH: path(65515, 65005, big)},
            INTERNAL: {o.AS_PATH: path(65005, big)}},
        peer="ebgp2", modes=("router",),
    )  # fmt: skip
    short = o.attribute(0xC0, o.AS4_PATH, path(big))
    partly = lambda c: o.update(o.origin() + o.as_path(65005, 64700, 23456, four=False) + o.next_hop("192.0.2.77") + short, o.prefix(c.new))  # noqa: E731
    yield Relay("AS4_PATH shorter than AS_PATH", "RFC 6793 4.2.3", partly, {INTERNAL: {o.AS_PATH: path(65005, 64700, big)}}, peer="ebgp2")
    long = o.attribute(0xC0, o.AS4_PATH, path(65005, big, big, big))
    over = lambda c: o.update(o.origin() + o.as_path(65005, 23456, four=False) + o.next_hop("192.0.2.77") + long, o.prefix(c.new))  # noqa: E731
    yield Relay(
        "AS4_PATH longer than AS_PATH is ignored", "RFC 6793 4.2.3", over, {INTERNAL: {o.AS_PATH: path(65005, 23456)}}, peer="ebgp2"
    )
    full = o.segment(2, 65001, *[64999] * 254)
    brim = lambda c: o.update(o.origin() + o.attribute(0x40, o.AS_PATH, full) + o.next_hop("192.0.2.77"), o.prefix(c.new))  # noqa: E731
    yield Relay(
        "our AS before a full segment",
        "RFC 4271 5.1.2 b 1 (a new one, or room is made)",
        brim,
        {INTERNAL: {o.AS_PATH: full}},
        modes=("router",),
    )
    for kind, value in ((0, b"\0"), (1, b"\1"), (2, b"\2")):
        build = lambda c, k=kind: o.update(o.origin(k) + c.path() + o.next_hop("192.0.2.77"), o.prefix(c.new))  # noqa: E731
        yield Relay(f"ORIGIN {kind}", "RFC 4271 5.1.1", build, {each: {o.ORIGIN: value} for each in ALL})


def _communities() -> Iterator[Relay]:
    plain = struct.pack("!HHHH", 65001, 1, 65001, 2)
    yield Relay("communities", "RFC 1997", message(o.attribute(0xC0, 8, plain)), {each: {8: plain} for each in ALL})
    for name, value in (("NO_EXPORT", 0xFFFFFF01), ("NO_EXPORT_SUBCONFED", 0xFFFFFF03)):
        raw = struct.pack("!I", value)
        yield Relay(
            name, "RFC 1997", message(o.attribute(0xC0, 8, raw)), {FOUR: None, TWO: None, LONG: None, INTERNAL: {8: raw}}, modes=("router",)
        )
    raw = struct.pack("!I", 0xFFFFFF02)
    yield Relay("NO_ADVERTISE", "RFC 1997", message(o.attribute(0xC0, 8, raw)), dict.fromkeys(ALL), modes=("router",))
    transitive, local = struct.pack("!BBHI", 0, 2, 65001, 5), struct.pack("!BBHI", 0x40, 2, 65001, 6)
    yield Relay("extended communities", "RFC 4360 2", message(o.attribute(0xC0, 16, transitive)), {each: {16: transitive} for each in ALL})
    mixed = message(o.attribute(0xC0, 16, local + transitive))
    yield Relay(
        "a non-transitive extended community",
        "RFC 4360 6 (should)",
        mixed,
        {FOUR: {16: transitive}, TWO: {16: transitive}},
        modes=("router",),
    )
    alone = message(o.attribute(0xC0, 16, local))
    yield Relay(
        "a non-transitive extended community alone", "RFC 4360 6 (should)", alone, {FOUR: {16: None}, TWO: {16: None}}, modes=("router",)
    )
    large = struct.pack("!IIIIII", 65001, 1, 2, 65001, 1, 3)
    yield Relay("large communities", "RFC 8092", message(o.attribute(0xC0, 32, large)), {each: {32: large} for each in ALL})


def _others() -> Iterator[Relay]:
    med = message(o.attribute(0x80, o.MED, b"\0\0\0\x07"))
    yield Relay("MED", "RFC 4271 5.1.4", med, {FOUR: {4: None}, TWO: {4: None}, INTERNAL: {4: b"\0\0\0\x07"}}, modes=("router",))
    yield Relay("MED through a route server", "RFC 7947 2.2.3", med, {FOUR: {4: b"\0\0\0\x07"}}, modes=("route server",))
    local = message(o.attribute(0x40, o.LOCAL_PREF, b"\0\0\0\xc8"))
    yield Relay("LOCAL_PREF of an external peer", "RFC 7606 7.5", local, {FOUR: {5: None}, INTERNAL: {5: b"\0\0\0\x64"}})
    reflected = message(o.attribute(0x80, o.ORIGINATOR_ID, b"\1\2\3\4"), o.attribute(0x80, o.CLUSTER_LIST, b"\5\6\7\x08"))
    yield Relay(
        "ORIGINATOR_ID and CLUSTER_LIST of an external peer",
        "RFC 7606 7.9, 7.10",
        reflected,
        {FOUR: {9: None, 10: None}, INTERNAL: {9: None, 10: None}},
    )
    yield Relay(
        "a route of an internal peer", "RFC 4456 8", message(), 
        {INTERNAL: {o.AS_PATH: b"", o.CLUSTER_LIST: bytes([127, 0, 0, 91])}, FOUR: {9: None, 10: None, 5: None}}, peer="ibgp",
    )  # fmt: skip
    yield Relay(
        "a reflected route of an internal peer", "RFC 4456 8", reflected, 
        {INTERNAL: {9: b"\1\2\3\4", 10: bytes([127, 0, 0, 91]) + b"\5\6\7\x08"}, FOUR: {9: None, 10: None}}, peer="ibgp",
    )  # fmt: skip
    four, two = struct.pack("!I4B", 4_200_000_077, 1, 2, 3, 4), struct.pack("!H4B", 23456, 1, 2, 3, 4)
    yield Relay(
        "AGGREGATOR of four octets",
        "RFC 6793 4.2.2",
        message(o.attribute(0xC0, 7, four)),
        {FOUR: {7: four, 18: None}, TWO: {7: two, 18: four}, INTERNAL: {7: four}},
    )
    small, narrow = struct.pack("!I4B", 65001, 1, 2, 3, 4), struct.pack("!H4B", 65001, 1, 2, 3, 4)
    yield Relay(
        "AGGREGATOR of two octets", "RFC 6793 4.2.2", message(o.attribute(0xC0, 7, small)), {FOUR: {7: small}, TWO: {7: narrow, 18: None}}
    )
    yield Relay("ATOMIC_AGGREGATE", "RFC 4271 5.1.6", message(o.attribute(0x40, 6)), {each: {6: b""} for each in ALL})
    yield Relay("an unrecognized attribute", "RFC 4271 5", message(o.attribute(0xC0, 99, b"abc")), {each: {99: b"abc"} for each in ALL})
    yield Relay(
        "an unrecognized attribute of 300 octets",
        "RFC 4271 5",
        message(o.attribute(0xC0, 99, b"z" * 300)),
        {each: {99: b"z" * 300} for each in ALL},
    )
    yield Relay(
        "an unrecognized attribute that isn't transitive",
        "RFC 4271 5",
        message(o.attribute(0x80, 98, b"abc")),
        {each: {98: None} for each in ALL},
    )
    odd = message(o.attribute(0xDF, 99, b"abc"), o.attribute(0x5F, 6), o.attribute(0xDF, 8, struct.pack("!HH", 65001, 1)))
    yield Relay(
        "unused flags, and Extended Length without need",
        "RFC 4271 4.3",
        odd,
        {each: {99: b"abc", 6: b"", 8: struct.pack("!HH", 65001, 1)} for each in ALL},
    )
    otc = struct.pack("!I", 65001)
    yield Relay("OTC between peers without roles", "RFC 9234 5", message(o.attribute(0xC0, 35, otc)), {each: {35: otc} for each in ALL})
    linked = bytes.fromhex("20010db8000000000000000000000077fe800000000000000000000000000077")

    def with_link(c: Context) -> bytes:
        return o.update(o.mp_reach(o.prefix(c.new6), linked) + o.origin() + c.path())

    yield Relay(
        "a link-local next hop isn't told to others",
        "RFC 2545 3",
        with_link,
        {each: {o.ORIGIN: b"\0"} for each in ALL},
        family=6,
        short_hop=True,
    )
