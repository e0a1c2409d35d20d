"""Mutated UPDATEs, one after the other: what the oracle says of each, and what the watchers have of it."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.live.adversary import octets as o
from tests.live.adversary.bench import LIMIT_S, Bench, Context
from tests.live.adversary.mutate import mutated
from tests.live.adversary.oracle import Judgement, judge
from tests.live.adversary.peer import Peer
from tests.live.adversary.strict import Prefix


@dataclass
class Storm:
    """What came of so many messages."""

    sent: int = 0
    resets: int = 0
    withdrawn: int = 0
    taken: int = 0
    unsure: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.sent} sent, {self.taken} taken, {self.withdrawn} withdrawn, {self.resets} resets, {self.unsure} either way, {len(self.wrong)} wrong"


@dataclass
class _Attack:
    """One attacker's session, and what it has announced."""

    peer: Peer
    context: Context
    known: dict[Prefix, bool] = field(default_factory=dict)  # prefix: whether it must be there; missing: nobody knows
    why: dict[Prefix, str] = field(default_factory=dict)


def run(bench: Bench, seed: int, count: int, group: str = "ebgp", stop: Callable[[], bool] = lambda: False) -> Storm:
    """`count` messages from peers of one group."""
    storm, chance = Storm(), random.Random(f"{seed} {group}")
    attack: _Attack | None = None
    for number in range(count):
        if attack is None:
            attack = _begin(bench, group, storm)
        data = mutated(chance, attack.context, number)
        faults = len(bench.world.faults)
        judgement = _judged(bench, attack, data)
        wrong = _one(bench, attack, data, number, judgement, storm) + bench.world.faults[faults:]
        storm.wrong += [f"{group} seed {seed} number {number}: {each}: {data.hex()}" for each in wrong]
        if attack.peer.over:
            attack = None
        if stop() or len(storm.wrong) > 50:
            break
    if attack is not None:
        attack.peer.close()
    if not bench.world.wait(lambda: not any(watcher.table for watcher in bench.watchers), LIMIT_S):
        storm.wrong.append(f"left over: {[list(watcher.table)[:5] for watcher in bench.watchers]}")
    return storm


def glued(bench: Bench, seed: int, batches: int, group: str = "ebgp", size: int = 40) -> Storm:
    """As `run`, but so many messages in one go, cut anywhere; those that end a session, or may, are left out."""
    storm, chance = Storm(), random.Random(f"{seed} {group} glued")
    attack = _begin(bench, group, storm)
    for number in range(batches):
        data: list[bytes] = []
        while len(data) < size:
            each = mutated(chance, attack.context, chance.randrange(1000))
            verdict = _judged(bench, attack, each)
            if not verdict.reset and not verdict.may_reset:
                data.append(each)
                _note(attack, verdict, storm)
        tag = struct.pack("!III", 4_294_000_000, attack.context.number, number)
        faults = len(bench.world.faults)
        _in_pieces(bench, attack, chance, b"".join(data) + _mark(attack, tag))
        storm.sent += size
        wrong = [] if bench.world.wait(_marked(bench, attack, tag), LIMIT_S) and attack.peer.up else [f"{attack.peer.outcome()}"]
        wrong = wrong or _states(bench, attack, set(attack.known))
        storm.wrong += [f"{group} seed {seed} batch {number}: {each}" for each in (wrong + bench.world.faults[faults:])[:3]]
        if wrong:
            attack.peer.close()
            attack = _begin(bench, group, storm)
    attack.peer.close()
    bench.world.wait(lambda: not any(watcher.table for watcher in bench.watchers), LIMIT_S)
    return storm


def _in_pieces(bench: Bench, attack: _Attack, chance: random.Random, data: bytes) -> None:
    """All of it, cut anywhere or nowhere."""
    while data:
        at = chance.choice((1, 18, 19, 500, len(data), chance.randrange(1, len(data) + 1)))
        attack.peer.send(data[:at])
        data = data[at:]
        bench.world.pump(0)


def _judged(bench: Bench, attack: _Attack, data: bytes) -> Judgement:
    asn = attack.peer.asn
    return judge(data[19:], internal=asn == 65515, four=attack.context.four, asn=asn, addresses=(bench.world.at.address,))


def _mark(attack: _Attack, tag: bytes) -> bytes:
    return o.update(attack.context.mandatory(64999) + o.attribute(0xC0, o.LARGE, tag), o.prefix(attack.context.mark))


def _marked(bench: Bench, attack: _Attack, tag: bytes) -> Callable[[], bool]:
    """Whether the session is over, or all watchers have this mark."""

    def holds() -> bool:
        seen = bench.seen(attack.context.mark)
        return attack.peer.over or all(route and route.attributes.get(o.LARGE, (0, b""))[1] == tag for route in seen)

    return holds


def _begin(bench: Bench, group: str, storm: Storm) -> _Attack:
    peer = bench.peer(group)
    if not peer.establish():
        raise AssertionError(f"{peer.name} isn't let in: {peer.outcome()}")
    if not bench.world.wait(lambda: not any(watcher.table for watcher in bench.watchers), LIMIT_S):
        storm.wrong.append(f"left over: {[list(watcher.table)[:5] for watcher in bench.watchers]}")
    return _Attack(peer, bench.context(group, peer.address))


def _one(bench: Bench, attack: _Attack, data: bytes, number: int, judgement: Judgement, storm: Storm) -> list[str]:
    peer = attack.peer
    tag = struct.pack("!III", 4_294_000_000, attack.context.number, number)
    storm.sent += 1
    peer.send(data + _mark(attack, tag))
    if not bench.world.wait(_marked(bench, attack, tag), LIMIT_S):
        peer.close()
        return ["neither a mark came through nor did the session end"]
    if peer.over or peer.notified:
        storm.resets += 1
        bench.world.wait(lambda: peer.over, LIMIT_S)
        if not peer.notified:
            return [f"the session ended without a word ({peer.closed})"]
        if peer.notified[0] != 3:
            return [f"NOTIFICATION {peer.notified[:2]}"]
        return [] if judgement.reset or judgement.may_reset else [f"a needless {peer.outcome()}; by the oracle {judgement}"]
    if judgement.reset:
        return [f"the session lives on after {judgement.reset}"]
    return _compare(bench, attack, judgement, storm)


def _compare(bench: Bench, attack: _Attack, judgement: Judgement, storm: Storm) -> list[str]:
    changed = judgement.gone | judgement.told | judgement.either
    if judgement.may_reset:
        for prefix in changed:
            attack.known.pop(prefix, None)
        storm.unsure += 1
        return []
    _note(attack, judgement, storm)
    wrong = [f"{each}; by the oracle {judgement}" for each in _states(bench, attack, changed)]
    for watcher in bench.watchers:
        wrong += [w for prefix in judgement.told if (w := _changed(watcher, prefix, judgement, attack, bench.tags))]
    return wrong[:3]


def _note(attack: _Attack, judgement: Judgement, storm: Storm) -> None:
    """What must be so from now on."""
    for prefix in judgement.gone:
        attack.known[prefix] = False
        attack.why[prefix] = f" ({', '.join(judgement.withdraw)})" if judgement.withdraw else ""
    for prefix in judgement.told:
        attack.why[prefix] = ""
        attack.known[prefix] = True
    for prefix in judgement.either:
        attack.known.pop(prefix, None)
    storm.taken += bool(judgement.told)
    storm.withdrawn += bool(judgement.gone and not judgement.told)
    storm.unsure += bool(judgement.either)


def _states(bench: Bench, attack: _Attack, prefixes: set[Prefix]) -> list[str]:
    """Prefixes that are somewhere where they must not be, or are not where they must be."""
    wrong = []
    for watcher in bench.watchers:
        for prefix in prefixes:
            if prefix in attack.known and (prefix in watcher.table) != attack.known[prefix] and str(prefix) != attack.context.mark:
                wrong.append(
                    f"{prefix} {'is missing' if attack.known[prefix] else 'is still there'} at {watcher.name}{attack.why.get(prefix, '')}"
                )
    return wrong


def _changed(watcher: Peer, prefix: Prefix, judgement: Judgement, attack: _Attack, tags: bool) -> str:
    """Whether attributes that must go on unchanged did."""
    route = watcher.table.get(prefix)
    if route is None or str(prefix) == attack.context.mark:
        return ""
    for kind, value in judgement.attributes.items():
        size = {o.COMMUNITIES: 4, o.LARGE: 12, o.EXT_COMMUNITIES: 8}.get(kind)
        got = route.attributes.get(kind, (0, None))[1]
        if kind == o.ORIGIN or kind == o.ATOMIC or (kind not in range(40) and kind not in (128,)):
            if got != value:
                return f"attribute {kind} went on as {got.hex() if got is not None else None}, not {value.hex()}, to {watcher.name}"
        elif size and kind != o.EXT_COMMUNITIES:
            parts = {value[at : at + size] for at in range(0, len(value), size)}
            found = {got[at : at + size] for at in range(0, len(got), size)} if got else set()
            if found != parts and not (tags and kind == o.COMMUNITIES and found > parts):
                return f"attribute {kind} went on as {got.hex() if got is not None else None}, not {value.hex()}, to {watcher.name}"
    return ""
