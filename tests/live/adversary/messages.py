"""Headers, OPENs, capabilities and messages in the wrong state: RFC 4271 sections 6.1, 6.2, 6.6, RFC 5492, 6608, 6793, 7607, 9072."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.live.adversary import octets as o
from tests.live.adversary.bench import LIMIT_S, Bench, Context
from tests.live.adversary.peer import Peer

Build = Callable[[Context, Peer], bytes]
STAGES = ("sent", "confirm", "up")  # the speaker's state: OpenSent, OpenConfirm, Established


@dataclass(frozen=True)
class Message:
    """What is said in one state; `expect` as with `Case`, and "up": the session stays, or comes up. `data`: that of the NOTIFICATION."""

    name: str
    source: str
    stage: str
    build: Build
    expect: tuple[str, ...]
    data: tuple[bytes, ...] | None = None
    peer: str = "ebgp"
    last: bool = False  # nothing may be said after it
    four: bool = True  # whether the session then has AS numbers of four octets


def run(bench: Bench, case: Message) -> list[str]:
    """What is wrong with how the speaker took it."""
    faults = len(bench.world.faults)
    peer = bench.peer(case.peer).connect()
    context = bench.context(case.peer, peer.address)
    context.four = case.four and context.group.four
    wrong = _to_stage(bench, case.stage, peer, context)
    if wrong:
        return wrong
    peer.send(case.build(context, peer))
    if (case.stage == "sent" and "up" in case.expect) or (case.stage == "confirm" and "up" in case.expect and not case.last):
        peer.send(o.keepalive())
    if case.stage != "sent" and "up" in case.expect:
        bench.mark(peer, context)
    else:
        bench.world.wait(lambda: peer.over or (peer.up and case.stage == "sent"), LIMIT_S)
        if peer.up and "up" in case.expect:
            bench.mark(peer, context)
    outcome = peer.outcome()
    if outcome not in case.expect and not (outcome == "up" and "up" in case.expect):
        wrong.append(f"{outcome}, and {case.source} says {' or '.join(case.expect)}")
    if peer.notified and case.data is not None and outcome in case.expect and peer.notified[2] not in case.data:
        wrong.append(
            f"the NOTIFICATION's data is {peer.notified[2].hex() or 'empty'}, and should be {' or '.join(each.hex() or 'empty' for each in case.data)}"
        )
    if peer.notified and not bench.world.wait(lambda: peer.over, LIMIT_S):
        wrong.append("the connection stays open after a NOTIFICATION")
    if outcome == "up" and not bench.everywhere(context.mark):
        wrong.append("a mark doesn't come through")
    peer.send(o.notification(6, 9, b"\6\2"))  # a hard reset, as it may have asked for its routes to be kept (RFC 8538 section 3)
    peer.close()
    if not bench.world.wait(lambda: bench.nowhere(context.base, context.other, context.mark, context.base6), LIMIT_S):
        wrong.append("routes outlive their peer")
    wrong += bench.world.faults[faults:]
    wrong += [f"the session of {each.name} ended: {each.outcome()}" for each in bench.watchers if not each.up]
    return wrong


def _to_stage(bench: Bench, stage: str, peer: Peer, context: Context) -> list[str]:
    if stage == "confirm":
        peer.send(peer.our_open())
        if (
            not bench.world.wait(lambda: peer.up or peer.over, LIMIT_S) or peer.over
        ):  # its OPEN and its KEEPALIVE are here, ours is not there
            return [f"a good OPEN is not taken: {peer.outcome()}"]
    elif stage == "up":
        if not peer.establish():
            return [f"the session doesn't come up: {peer.outcome()}"]
        peer.send(bench.base(context))
        if not bench.world.wait(lambda: bench.everywhere(context.base, context.other), LIMIT_S):
            return ["the base prefixes are not sent on"]
    return []


def headers() -> Iterator[Message]:
    """RFC 4271 section 6.1, in every state. In OpenSent and OpenConfirm too: the header is judged before the state."""
    update = o.update()[19:]
    lengths: list[tuple[str, int, int, bytes]] = [
        ("of length 0", 4, 0, b""), ("of length 18", 4, 18, b""), ("KEEPALIVE of 20 octets", 4, 20, b"\0"), ("KEEPALIVE of 4096", 4, 4096, b""),
        ("KEEPALIVE of 65535", 4, 65535, b""), ("OPEN of 28 octets", 1, 28, b"\4\0\1\0\xb4\1\2\3\4"), ("OPEN of 19 octets", 1, 19, b""),
        ("UPDATE of 22 octets", 2, 22, update[:3]), ("UPDATE of 19 octets", 2, 19, b""), ("NOTIFICATION of 19 octets", 3, 19, b""),
        ("NOTIFICATION of 20 octets", 3, 20, b"\6"), ("OPEN of 4097 octets", 1, 4097, b""), ("OPEN of 65535 octets", 1, 65535, b""), ("of length 1, type 2", 2, 1, b""),
    ]  # fmt: skip
    for stage in STAGES:
        for index in (0, 7, 15):
            marker = bytes(0 if at == index else 255 for at in range(16))
            yield Message(
                f"{stage}: marker with a 0 at {index}",
                "RFC 4271 6.1",
                stage,
                lambda c, p, m=marker: o.message(4, b"", marker=m),
                ("reset 1/1",),
                (b"",),
            )
        yield Message(
            f"{stage}: marker of zeros", "RFC 4271 6.1", stage, lambda c, p: o.message(4, b"", marker=bytes(16)), ("reset 1/1",), (b"",)
        )
        yield Message(
            f"{stage}: an HTTP request", "RFC 4271 6.1", stage, lambda c, p: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ("reset 1/1",), (b"",)
        )
        for name, kind, length, body in lengths:
            yield Message(
                f"{stage}: {name}",
                "RFC 4271 6.1",
                stage,
                lambda c, p, k=kind, n=length, b=body: o.message(k, b, length=n),
                ("reset 1/2",),
                (length.to_bytes(2, "big"),),
            )
        for kind in (0, 6, 7, 127, 128, 255):
            yield Message(
                f"{stage}: type {kind}", "RFC 4271 6.1", stage, lambda c, p, k=kind: o.message(k), ("reset 1/3",), (bytes([kind]),)
            )
        yield Message(f"{stage}: type 9 with a body", "RFC 4271 6.1", stage, lambda c, p: o.message(9, b"abc"), ("reset 1/3",), (b"\x09",))


def unexpected() -> Iterator[Message]:
    """RFC 4271 section 6.6, RFC 6608: messages in the wrong state; the data of RFC 6608 is the message's type."""
    kinds: dict[str, Build] = {
        "OPEN": lambda c, p: p.our_open(), "UPDATE": lambda c, p: o.update(c.mandatory(), c.nlri()), "KEEPALIVE": lambda c, p: o.keepalive(),
        "ROUTE-REFRESH": lambda c, p: o.refresh(), "End-of-RIB": lambda c, p: o.end_of_rib(),
    }  # fmt: skip
    number = {"OPEN": 1, "UPDATE": 2, "KEEPALIVE": 4, "ROUTE-REFRESH": 5, "End-of-RIB": 2}
    for name in ("UPDATE", "KEEPALIVE", "ROUTE-REFRESH", "End-of-RIB"):
        yield Message(f"sent: {name} before OPEN", "RFC 6608 3", "sent", kinds[name], ("reset 5/1",), (bytes([number[name]]),))
    for name in ("UPDATE", "ROUTE-REFRESH", "End-of-RIB"):
        yield Message(
            f"confirm: {name} before KEEPALIVE", "RFC 6608 3", "confirm", kinds[name], ("reset 5/2",), (bytes([number[name]]),), last=True
        )
    yield Message("confirm: a second OPEN", "RFC 6608 3, RFC 4271 8.2.2", "confirm", kinds["OPEN"], ("reset 5/2", "reset 6/7"), last=True)
    yield Message("up: OPEN", "RFC 6608 3, RFC 4271 8.2.2", "up", kinds["OPEN"], ("reset 5/3", "reset 6/7"))
    yield Message("up: a hundred KEEPALIVEs", "RFC 4271 8.2.2", "up", lambda c, p: o.keepalive() * 100, ("up",))
    yield Message("confirm: ten KEEPALIVEs", "RFC 4271 8.2.2", "confirm", lambda c, p: o.keepalive() * 10, ("up",))
    malformed = o.update(b"\x40", b"")
    yield Message("sent: malformed UPDATE before OPEN", "RFC 6608 3", "sent", lambda c, p: malformed, ("reset 5/1",), (b"\2",))
    yield Message(
        "confirm: malformed UPDATE before KEEPALIVE", "RFC 6608 3", "confirm", lambda c, p: malformed, ("reset 5/2",), (b"\2",), last=True
    )
    yield Message("up: malformed OPEN", "RFC 6608 3", "up", lambda c, p: o.message(1, b"\7" * 30), ("reset 5/3", "reset 6/7"))


def notifications() -> Iterator[Message]:
    """RFC 4271 section 6.4: a NOTIFICATION is never answered, whatever it says."""
    texts = (
        ("Cease/2 with a message", 6, 2, b"\x05hello"), ("Cease/2 whose message is cut off", 6, 2, b"\x50hello"), ("Cease/2 with no UTF-8", 6, 2, b"\x04\xff\xfe\0\x1b"),
        ("Cease/2 with a length of 255", 6, 2, b"\xff" + b"x" * 255), ("Cease/2 with control octets", 6, 4, b"\x0c\x1b[31m\r\n\0\x07bell"), ("Cease/9", 6, 9, b"\6\2\1a"),
        ("Hard Reset without data", 6, 9, b""), ("code 0", 0, 0, b""), ("code 255", 255, 255, b"\xff" * 1000), ("Hold Timer Expired", 4, 0, b""),
        ("2/1", 2, 1, b"\0\4"),
        ("1/1", 1, 1, b""), ("3/1", 3, 1, b""), ("7/1", 7, 1, b""), ("8/0, Send Hold Timer Expired", 8, 0, b""),
        ("Cease/1 with a family", 6, 1, b"\0\1\1\0\0\0\5"), ("Cease/0", 6, 0, b""),
        ("Cease/7", 6, 7, b""), ("with 4000 octets", 6, 2, b"\xc8" + b"y" * 3999),
    )  # fmt: skip
    for stage in STAGES:
        for name, code, subcode, data in texts:
            raw = o.notification(code, subcode, data)
            yield Message(f"{stage}: NOTIFICATION {name}", "RFC 4271 6.4", stage, lambda c, p, raw=raw: raw, ("closed",), last=True)
        yield Message(
            f"{stage}: NOTIFICATION and more after it",
            "RFC 4271 6.4",
            stage,
            lambda c, p: o.notification(6, 2) + o.keepalive() + b"\0" * 50,
            ("closed",),
            last=True,
        )


def refreshes() -> Iterator[Message]:
    """RFC 2918, RFC 7313."""
    stage = "up"
    yield Message("up: ROUTE-REFRESH", "RFC 2918", stage, lambda c, p: o.refresh(), ("up",))
    yield Message("up: ROUTE-REFRESH of IPv6", "RFC 2918", stage, lambda c, p: o.refresh(2, 1), ("up",))
    for afi, safi in ((1, 2), (1, 128), (25, 70), (0, 0), (65535, 255), (2, 0)):
        yield Message(
            f"up: ROUTE-REFRESH of family {afi}/{safi}", "RFC 2918 4 (ignored)", stage, lambda c, p, f=(afi, safi): o.refresh(*f), ("up",)
        )
    for subtype in (1, 2, 3, 100, 255):
        yield Message(
            f"up: ROUTE-REFRESH of subtype {subtype}", "RFC 7313 5 (ignored)", stage, lambda c, p, s=subtype: o.refresh(1, 1, s), ("up",)
        )
    for length in (0, 1, 2, 3):
        raw = o.message(o.REFRESH, b"\0\1\0\1"[:length])
        yield Message(
            f"up: ROUTE-REFRESH of {length} octets",
            "RFC 7313 5, RFC 4271 6.1",
            stage,
            lambda c, p, raw=raw: raw,
            ("reset 7/1", "reset 1/2"),
        )
    for subtype in (1, 2):
        raw = o.message(o.REFRESH, bytes([0, 1, subtype, 1, 0]))
        yield Message(
            f"up: ROUTE-REFRESH of subtype {subtype} and 5 octets", "RFC 7313 5", stage, lambda c, p, raw=raw: raw, ("reset 7/1",), (raw,)
        )
    raw = o.message(o.REFRESH, b"\0\1\0\1\0")
    yield Message(
        "up: ROUTE-REFRESH of 5 octets", "RFC 2918, RFC 7313 5", stage, lambda c, p, raw=raw: raw, ("reset 7/1", "reset 1/2", "up")
    )
    yield Message("up: EoRR without BoRR", "RFC 7313 4", stage, lambda c, p: o.refresh(1, 1, 2), ("up",))
    yield Message(
        "up: BoRR and EoRR a hundred times", "RFC 7313 4", stage, lambda c, p: (o.refresh(1, 1, 1) + o.refresh(1, 1, 2)) * 100, ("up",)
    )
    yield Message("up: a thousand ROUTE-REFRESHes", "RFC 2918", stage, lambda c, p: o.refresh() * 1000, ("up",))


def all_cases() -> Iterator[Message]:
    for of in (headers, unexpected, notifications, refreshes):
        yield from of()
