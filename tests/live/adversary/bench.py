"""Running a case: an attacker with a session of its own, four watchers, and what came of it in a word.

Before the octets of a case, the attacker announces the base prefixes; after them, where the session lives, a mark. When all watchers have the mark,
what they have of the case's prefixes is what came of it. So nothing is waited for by time but what must not come.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.live.adversary import octets as o
from tests.live.adversary.peer import Peer, Route, World
from tests.live.adversary.servers import GROUPS, WATCHERS, Group
from tests.live.adversary.strict import Prefix

LIMIT_S = 8.0


@dataclass
class Context:
    """What a case's octets are made of: prefixes of its own, and who sends them."""

    number: int
    group: Group
    address: str
    four: bool = True

    @property
    def asn(self) -> int:
        return self.group.asn

    def v4(self, which: int) -> str:
        """Prefix number `which` of this case, of 16."""
        at = self.number * 16 + which
        return f"{100 + (at >> 16)}.{(at >> 8) & 255}.{at & 255}.0/24"

    def v6(self, which: int) -> str:
        return f"2001:db8:{self.number & 0xFFFF:x}:{which:x}::/64"

    @property
    def hop(self) -> str:
        return f"192.0.2.{self.number % 250 + 1}"

    @property
    def base(self) -> str:  # announced before, and again in the wrong message
        return self.v4(0)

    @property
    def new(self) -> str:  # announced in the wrong message alone
        return self.v4(1)

    @property
    def other(self) -> str:  # announced before, not touched
        return self.v4(2)

    @property
    def mark(self) -> str:
        return self.v4(3) if o.IPV4 in self.group.families else self.v6(3)

    @property
    def base6(self) -> str:
        return self.v6(0)

    @property
    def new6(self) -> str:
        return self.v6(1)

    def path(self, *after: int) -> bytes:
        """AS_PATH as this peer would say it: its own AS first, where it is external."""
        own = () if self.group.asn == 65515 else (self.asn,)
        return o.as_path(*own, *after, four=self.four)

    def mandatory(self, *after: int, local_pref: bool = True) -> bytes:
        """ORIGIN, AS_PATH, NEXT_HOP, and LOCAL_PREF from an internal peer."""
        out = o.origin() + self.path(*after) + o.next_hop(self.hop)
        if self.group.asn == 65515 and local_pref:
            out += o.attribute(o.WELL_KNOWN, o.LOCAL_PREF, b"\0\0\0\x64")
        return out

    def nlri(self) -> bytes:
        return o.prefixes(self.base, self.new)

    def nlri6(self) -> bytes:
        return o.prefixes(self.base6, self.new6)


Build = Callable[[Context], bytes]


@dataclass(frozen=True)
class Case:
    """One message, or a few, that a peer must not send, or may; `expect` are the outcomes that the source allows.

    Outcomes: "taken", "withdrawn", "ignored" (as if it hadn't come), "reset C/S", "closed" (without a word). `gone`: attributes that must not be sent
    on; `kept`: those that must, with their octets; `family`: 6 where the case is about IPv6 prefixes. `data`: that of the NOTIFICATION.
    """

    name: str
    source: str
    build: Build
    expect: tuple[str, ...]
    peer: str = "ebgp"
    gone: tuple[int, ...] = ()
    kept: tuple[tuple[int, bytes], ...] = ()
    family: int = 4
    data: bytes | Callable[[Context], bytes] | None = None
    only: str = ""  # a kind of speaker alone


@dataclass
class Result:
    """What came of a case; `wrong` is empty where all is as it must be."""

    case: Case
    outcome: str
    wrong: list[str] = field(default_factory=list)
    sent: bytes = b""


class Bench:
    """A world with its watchers, and the next attacker's address."""

    def __init__(self, world: World, groups: dict[str, Group] = GROUPS, watchers: Iterable[str] = WATCHERS, tags: bool = False) -> None:
        self.world, self.groups, self.tags = world, groups, tags  # `tags`: the speaker adds communities of its own
        self.number = 0
        self._used: dict[str, int] = {}
        self._watchers = tuple(watchers)
        self.watchers: list[Peer] = []
        self.watch()

    def watch(self) -> None:
        """Have all watchers' sessions up, from now on."""
        for each in self.watchers:
            each.close()
        self.watchers = []
        for name in self._watchers:
            group = self.groups[name]
            watcher = Peer(self.world, group.address(0), group.asn, group.told(), name)
            if not watcher.establish():
                raise AssertionError(f"the watcher {name} isn't let in: {watcher.outcome()} {watcher.notified}")
            self.watchers.append(watcher)

    def peer(self, group: str, **changes: Any) -> Peer:
        """A peer of this group that had no session yet."""
        each = self.groups[group]
        number = self._used.get(group, 0)
        if number >= each.count:
            raise AssertionError(f"no peer is left in group {group}")
        self._used[group] = number + 1
        address = each.address(number)
        return Peer(self.world, address, each.asn, each.told(), f"{group}-{number}", **changes)

    def context(self, group: str, address: str) -> Context:
        self.number += 1
        return Context(self.number, self.groups[group], address, self.groups[group].four)

    def seen(self, prefix: str) -> list[Route | None]:
        at: Prefix = ipaddress.ip_network(prefix)
        return [watcher.table.get(at) for watcher in self.watchers if _hears(watcher, at)]

    def everywhere(self, *prefixes: str) -> bool:
        return all((seen := self.seen(prefix)) and all(seen) for prefix in prefixes)

    def nowhere(self, *prefixes: str) -> bool:
        return not any(any(self.seen(prefix)) for prefix in prefixes)

    def begin(self, group: str) -> tuple[Peer, Context]:
        """An attacker whose session is up and whose base prefixes are seen by all."""
        peer = self.peer(group)
        context = self.context(group, peer.address)
        assert peer.establish(), f"{peer.name} isn't let in: {peer.outcome()} {peer.notified}"
        peer.send(self.base(context))
        told = [prefix for prefix in (context.base, context.other, context.base6) if self._says(context, prefix)]
        assert self.world.wait(lambda: self.everywhere(*told), LIMIT_S), f"{peer.name}: the base prefixes are not sent on; {peer.outcome()}"
        return peer, context

    def base(self, context: Context) -> bytes:
        six = o.origin() + context.path(64999) + (o.attribute(0x40, o.LOCAL_PREF, b"\0\0\0\x64") if context.group.asn == 65515 else b"")
        out = b""
        if o.IPV4 in context.group.families:
            out += o.update(context.mandatory(64999), o.prefixes(context.base, context.other))
        if o.IPV6 in context.group.families:
            out += o.update(o.mp_reach(o.prefix(context.base6)) + six)
        return out

    def _says(self, context: Context, prefix: str) -> bool:
        """Whether a peer agreed to say prefixes of this version."""
        return (o.IPV6 if ":" in prefix else o.IPV4) in context.group.families

    def mark(self, peer: Peer, context: Context) -> bool:
        """Whether all that was said before has been worked off: a mark comes through, or the session is over."""
        if o.IPV4 in context.group.families:
            peer.send(o.update(context.mandatory(64999), o.prefix(context.mark)))
        else:
            peer.send(o.update(o.mp_reach(o.prefix(context.mark)) + o.origin() + context.path(64999)))
        return self.world.wait(lambda: peer.over or self.everywhere(context.mark), LIMIT_S)

    def run(self, case: Case) -> Result:
        """One case, whole."""
        peer, context = self.begin(case.peer)
        sent = case.build(context)
        faults = len(self.world.faults)
        peer.send(sent)
        done = self.mark(peer, context)
        result = Result(case, self._outcome(peer, context, case.family), sent=sent)
        if not done:
            result.wrong.append("neither a mark came through nor did the session end")
        self._judge(case, peer, context, result)
        result.wrong += self.world.faults[faults:]
        peer.close()
        told = [context.base, context.new, context.other, context.base6, context.new6, context.mark]
        if not self.world.wait(lambda: self.nowhere(*told), LIMIT_S):
            result.wrong.append("routes outlive their peer")
        for watcher in self.watchers:
            if not watcher.up:
                result.wrong.append(f"the session of {watcher.name} ended: {watcher.outcome()}")
        return result

    def _outcome(self, peer: Peer, context: Context, family: int) -> str:
        if peer.over or peer.notified:
            return peer.outcome()
        base, new = (context.base, context.new) if family == 4 else (context.base6, context.new6)
        if self.everywhere(new):
            return "taken" if self.everywhere(base) else "taken in part"
        if any(self.seen(new)):
            return "taken by some"
        return "ignored" if self.everywhere(base) else "withdrawn" if self.nowhere(base) else "withdrawn from some"

    def _judge(self, case: Case, peer: Peer, context: Context, result: Result) -> None:
        if result.outcome not in case.expect:
            result.wrong.append(f"{result.outcome}, and {case.source} says {' or '.join(case.expect)}")
        if result.outcome.startswith("reset") and case.data is not None and peer.notified:
            wanted = case.data(context) if callable(case.data) else case.data
            if peer.notified[2] != wanted:
                result.wrong.append(f"the NOTIFICATION's data is {peer.notified[2].hex()}, and should be {wanted.hex()}")
        if peer.up and self._says(context, context.other) and not self.everywhere(context.other):
            result.wrong.append("a prefix of another message is gone")
        if result.outcome == "taken":
            for route in self.seen(context.new if case.family == 4 else context.new6):
                assert route is not None
                result.wrong += [f"attribute {kind} was sent on" for kind in case.gone if kind in route.attributes]
                for kind, value in case.kept:
                    got = route.attributes.get(kind, (0, b"none"))[1]
                    if got != value and not (self.tags and kind == o.COMMUNITIES and got.startswith(value)):
                        result.wrong.append(
                            f"attribute {kind} is sent on as {route.attributes.get(kind, (0, b''))[1].hex()}, not {value.hex()}"
                        )


def _hears(watcher: Peer, prefix: Prefix) -> bool:
    return ((1, 1) if prefix.version == 4 else (2, 1)) in watcher.told.families
