"""Mutated UPDATEs straight into a RIB, in batches that a seed draws: what each does is what an oracle of the RFCs' text says.

    attacker (external, internal, or of two-octet numbers) ─┐
                                                            ├─ Rib of AS 65515 ─┬─ external, two-octet, internal, route server's client, of long messages
    steady peer, four routes that nobody else announces ────┘                   └─ each reads strictly, slowly at times, and comes and goes

The oracle, the draws and the strict reader are those of `tests.live.adversary`, which know nothing of the core's code. The same seed, kind and number give the
same batch; `benches/mutants.py` runs a million messages, `test_mutated.py` some thousands.
"""

from __future__ import annotations

import ipaddress
import json
import random
from collections import Counter
from dataclasses import dataclass, field

from dualhome._core import Rib
from tests.bgp.rib_help import ROUNDS
from tests.live.adversary import octets as o
from tests.live.adversary.bench import Context
from tests.live.adversary.mutate import Raw, mutated, right
from tests.live.adversary.oracle import Judgement, judge
from tests.live.adversary.servers import Group
from tests.live.adversary.strict import FaultError, Prefix, Told, cut, read_update

ASN = 65515
OWN = "10.9.255.254"
ATTACKER, STEADY = 1, 2
KINDS = {
    "external": Group("external", 1, 65001, 1),
    "internal": Group("internal", 1, ASN, 1),
    "two-octet": Group("two-octet", 1, 65001, 1, four=False),
}
WATCHERS = {
    3: Told(asn=ASN),
    4: Told(asn=ASN, four=False),
    5: Told(asn=ASN, external=False),
    6: Told(asn=ASN, transparent=True),
    7: Told(asn=ASN, longest=65535),
}
STEADY_PREFIXES = ("203.0.113.0/24", "198.51.100.0/24", "2001:db8:ffff::/48", "2001:db8:fffe::/48")
STEADY_NETWORKS = frozenset(ipaddress.ip_network(text) for text in STEADY_PREFIXES)
PER_BATCH = 2_000
MULTIPLE = {o.COMMUNITIES: 4, o.EXT_COMMUNITIES: 8, o.LARGE: 12}


class WrongError(Exception):
    """Something is not as it must be."""


@dataclass
class Watcher:
    """A peer that only listens; `table` holds the attributes of each prefix, by type code."""

    number: int
    told: Told
    table: dict[Prefix, dict[int, tuple[int, bytes]]] = field(default_factory=dict)
    up: bool = True

    def read(self, data: bytes) -> None:
        messages, rest = cut(data, self.told.longest)
        if rest:
            raise WrongError(f"watcher {self.number} is told a part of a message: {rest.hex()}")
        for kind, body in messages:
            if kind == o.REFRESH:
                continue
            if kind != o.UPDATE:
                raise WrongError(f"watcher {self.number} is told a message of type {kind} by the RIB")
            update = read_update(body, self.told)
            for prefix in update.withdrawn:
                if self.table.pop(prefix, None) is None:
                    raise WrongError(f"{prefix} is withdrawn from watcher {self.number}, which doesn't have it")
            self.table.update(dict.fromkeys(update.announced, update.attributes))


def _config(number: int, asn: int, **more: object) -> str:
    return json.dumps(
        {
            "name": f"peer{number}", "asn": asn, "ebgp": asn != ASN, "local_address": OWN, "peer_address": f"10.8.0.{number}", "tags": [],
            "reject_as_sets": True, "reflector_client": asn == ASN, "next_hop": "unchanged", **more,
        }
    )  # fmt: skip


class Batch:
    """One RIB, one attacker, and what must be so."""

    def __init__(self, seed: int, kind: str, number: int) -> None:
        self.chance = random.Random(f"{seed} {kind} {number}")
        self.context = Context(number % 4096, KINDS[kind], "10.8.0.1", KINDS[kind].four)
        self.internal = kind == "internal"
        self.counts: Counter[str] = Counter()
        self.there: dict[Prefix, dict[int, bytes]] = {}  # what the attacker has announced rightly, and what must go on unchanged of it
        self.unsure: set[Prefix] = set()  # nobody knows
        self.watchers = [Watcher(number, told) for number, told in WATCHERS.items()]
        self.rib = Rib(asn=ASN, router_id="9.9.9.9", rounds=ROUNDS)
        self.rib.set_peer(ATTACKER, _config(ATTACKER, self.context.asn))
        self.rib.set_peer(STEADY, _config(STEADY, 65002))
        for watcher in self.watchers:
            asn = 65000 + watcher.number if watcher.told.external else ASN
            self.rib.set_peer(watcher.number, _config(watcher.number, asn, **({"transparent": True} if watcher.told.transparent else {})))
            self._up(watcher.number, watcher.told.four, watcher.told.longest)
        self._up(ATTACKER, self.context.four)
        self._up(STEADY)
        self._steady()

    def _up(self, number: int, four: bool = True, longest: int = 4096) -> None:
        self.rib.peer_up(number, four_octet_as=four, families=[o.IPV4, o.IPV6], max_message=longest, router_id=f"8.8.8.{number}")

    def _steady(self) -> None:
        """The steady peer says its routes."""
        attributes = o.origin() + o.as_path(65002, 64999) + o.next_hop("10.7.0.1")
        v4, v6 = STEADY_PREFIXES[:2], STEADY_PREFIXES[2:]
        for data in (o.update(attributes, o.prefixes(*v4)), o.update(o.mp_reach(o.prefixes(*v6)) + attributes)):
            if self.rib.receive(STEADY, data) is not None:
                raise WrongError("a right message ends the session")

    def run(self, count: int) -> Counter[str]:
        """So many messages; raises at the first that does what it must not."""
        for _ in range(count):
            data = self._draw()
            try:
                self._one(data)
                if self.chance.random() < 0.4:
                    self._turn()
            except (WrongError, FaultError, AssertionError) as error:
                raise WrongError(f"{error}: {data.hex()}") from None
        self._end()
        return self.counts

    def _draw(self) -> bytes:
        which = self.chance.randrange(1000)
        if self.chance.random() < 0.75:
            return mutated(self.chance, self.context, which)
        withdrawn, attributes, nlri = right(self.chance, self.context, which)
        return o.update(_block(attributes), nlri, withdrawn)

    def _one(self, data: bytes) -> None:
        """A message, and whether the session must live on."""
        verdict = judge(
            data[19:], internal=self.internal, four=self.context.four, asn=self.context.asn, own=ASN, addresses=(OWN, "9.9.9.9")
        )
        error = self.rib.receive(ATTACKER, data)
        self.counts["messages"] += 1
        if error is not None:
            self.counts["resets"] += 1
            if error.code != 3 or not 1 <= error.subcode <= 11 or not error.reason:
                raise WrongError(f"NOTIFICATION {error.code}/{error.subcode} {error.reason}")
            if not verdict.reset and not verdict.may_reset:
                raise WrongError(f"a needless reset ({error}); by the oracle {verdict}")
            self.rib.peer_down(ATTACKER)
            self._up(ATTACKER, self.context.four)
            self.there.clear()
            self.unsure.clear()
        elif verdict.reset:
            raise WrongError(f"the session lives on after {verdict.reset}")
        else:
            self._note(verdict)

    def _note(self, verdict: Judgement) -> None:
        changed = verdict.gone | verdict.told | verdict.either
        for prefix in changed:
            self.there.pop(prefix, None)
        if verdict.may_reset:
            self.unsure |= changed
            self.counts["either way"] += 1
            return
        self.unsure = self.unsure - changed | verdict.either
        for prefix in verdict.told:
            self.there[prefix] = verdict.attributes
        self.counts["taken"] += bool(verdict.told)
        self.counts["withdrawn"] += bool(verdict.gone and not verdict.told)
        self.counts["either way"] += bool(verdict.either)

    def _turn(self) -> None:
        """All is decided; some listen, some come and go, some ask again; those that have heard all are right."""
        self.rib.process()
        for watcher in self.watchers:
            chance = self.chance.random()
            if not watcher.up:
                self._up(watcher.number, watcher.told.four, watcher.told.longest)
                watcher.up = True
            elif chance < 0.01:
                self.rib.peer_down(watcher.number)
                watcher.table.clear()
                watcher.up = False
                continue
            elif chance < 0.03:
                self.rib.refresh(watcher.number, *self.chance.choice((o.IPV4, o.IPV6)), enhanced=chance < 0.02)
            if chance < 0.15:  # slow: it reads a few octets
                watcher.read(self.rib.output(watcher.number, self.chance.choice((1, 100, 4096))))
            elif chance > 0.2:
                self._hear(watcher)

    def _hear(self, watcher: Watcher) -> None:
        while data := self.rib.output(watcher.number):
            watcher.read(data)
        held, must = watcher.table.keys() - self.unsure, self.there.keys() - self.unsure | STEADY_NETWORKS
        if held != must:
            raise WrongError(
                f"watcher {watcher.number}: {sorted(map(str, must - held))} are missing, {sorted(map(str, held - must))} are still there"
            )
        for prefix in must - STEADY_NETWORKS:
            _compare(watcher, prefix, self.there[prefix])

    def _end(self) -> None:
        """What is held is what was said; when the attacker is gone, so is all that it brought."""
        for gone in (False, True):
            if gone:
                self.rib.peer_down(ATTACKER)
                self.there.clear()
                self.unsure.clear()
            self.rib.process()
            for watcher in [each for each in self.watchers if each.up]:
                self._hear(watcher)
                said = {_network(route.prefix) for route in self.rib.advertised(watcher.number)}
                if said != set(watcher.table):
                    raise WrongError(f"watcher {watcher.number} holds {set(watcher.table) ^ said} or doesn't, against the Adj-RIB-Out")
        if self.rib.statistics()["paths"] != len(STEADY_PREFIXES):
            raise WrongError(f"something is left: {self.rib.statistics()}")


def _block(attributes: list[Raw]) -> bytes:
    return b"".join(o.attribute(flags, kind, value, length) for flags, kind, value, length in attributes)


def _network(prefix: tuple[int, int, int]) -> Prefix:
    version, bits, length = prefix
    return ipaddress.IPv4Network((bits, length)) if version == 4 else ipaddress.IPv6Network((bits, length))


def _compare(watcher: Watcher, prefix: Prefix, attributes: dict[int, bytes]) -> None:
    """Whether what must go on unchanged did: ORIGIN and ATOMIC_AGGREGATE, communities as sets, unknown attributes."""
    told = watcher.table[prefix]
    for kind, value in attributes.items():
        got = told.get(kind, (0, b""))[1]
        if kind in (o.COMMUNITIES, o.LARGE):
            size = MULTIPLE[kind]
            same = {value[at : at + size] for at in range(0, len(value), size)} == {got[at : at + size] for at in range(0, len(got), size)}
        else:
            same = got == value or not (kind in (o.ORIGIN, o.ATOMIC) or kind > 40)
        if not same or (kind not in told and (kind in (o.COMMUNITIES, o.LARGE, o.ORIGIN, o.ATOMIC) or kind > 40)):
            raise WrongError(f"{prefix}: attribute {kind} goes on as {got.hex()}, not {value.hex()}, to watcher {watcher.number}")


def run(seed: int, kind: str, number: int, count: int = PER_BATCH) -> Counter[str]:
    """One batch; a `WrongError` says with which message it went wrong. A panic of the core is no `Exception`, and comes through."""
    return Batch(seed, kind, number).run(count)
