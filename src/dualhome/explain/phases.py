"""The parts of an outage, one after the other: who detected it, who told whom, who decided, what programming took.

Made backward: where the lost way and the new one part, some speaker decided last; who had told it; who had told that one; up to the speaker whose session
ended, or whose own routes changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from dualhome.engine import Engine, JournalEntry
from dualhome.engine.decisions import Decision
from dualhome.explain.down import UP
from dualhome.explain.gap import Gap
from dualhome.explain.story import Phase
from dualhome.forwarding.packets import home_of
from dualhome.forwarding.trace import Path
from dualhome.model import base_name
from dualhome.net import Prefix
from dualhome.units import as_seconds

WAS_UP = f"{UP} ->"
DONE = ("fail", "restore", "announce", "withdraw", "change")
HOLD, BFD_WORD = "Hold Timer Expired", "bfd"


def length(us: int) -> str:
    """`3 ms`, `12.7 ms`, `1.25 s`, `160 s`."""
    if us < 1_000_000:
        return f"{us / 1000:.1f}".removesuffix(".0") + " ms"
    return f"{as_seconds(us):.2f}".rstrip("0").rstrip(".") + " s"


def phases_of(engine: Engine, gap: Gap) -> Iterator[Phase]:
    """From what was done to the first packet that arrives again; instants count from what was done."""
    assert gap.after is not None, "it has ended"
    entries = _since(engine, gap.marked_us)
    node = _parting(gap.during, gap.after)
    last = _last_decision(engine, gap, node)
    if last is None:
        yield _otherwise(engine, gap, entries, node)
        return
    chain = _chain(engine, gap, last, entries)
    first = chain[0]
    peer, text, rule = _beginning(engine, first, entries)
    passing = "withdrawal" if peer else "announcement"
    yield replace(_phase(gap, "detection", first.speaker, text, gap.marked_us, first.time_us, rule), peer=peer)
    for told, heard in pairwise(chain):
        text = f"{told.speaker} tells {heard.speaker}"
        yield replace(_phase(gap, passing, told.speaker, text, told.time_us, heard.time_us), peer=heard.speaker)
    onto = _next_after(gap.after, node)
    chosen = f"{last.speaker} decides" + (f": from {node} packets to {gap.destination} go by {onto} from now on" if onto else "")
    rule = "R106" if base_name(last.speaker) in engine.network.route_servers else "RFC 4271 section 9.1.2"
    yield _phase(gap, "decision", last.speaker, chosen, last.time_us, last.time_us, rule)
    if last.speaker == node:
        if gap.until_us > last.time_us:
            yield _phase(gap, "other", node, f"until {node} uses it", last.time_us, gap.until_us)
        return
    text, rule = _programming(engine, gap, node, last)
    yield _phase(gap, "programming", base_name(last.speaker), text, last.time_us, gap.until_us, rule)


def _phase(gap: Gap, kind: str, node: str, text: str, start_us: int, end_us: int, rule: str = "") -> Phase:
    return Phase(kind=kind, node=node, text=text, at_us=start_us - gap.marked_us, took_us=end_us - start_us, rule=rule)


def clipped(phases: Iterable[Phase], gap: Gap) -> Iterator[Phase]:
    """As far as they are part of the gap: what was over before packets were lost took none of its time."""
    start = gap.since_us - gap.marked_us
    for phase in phases:
        end = phase.at_us + phase.took_us
        if end >= start:
            at = max(phase.at_us, start)
            yield replace(phase, at_us=at, took_us=end - at)


def _parting(during: Path, after: Path) -> str:
    """The last node that the lost way and the new one have in common."""
    common = during.hops[0].name if during.hops else during.at
    for lost, now in zip(during.hops, after.hops, strict=False):
        if lost.name != now.name:
            break
        common = lost.name
    return common


def _next_after(path: Path, node: str) -> str:
    """By which one or two nodes a way goes on from this one."""
    names = [hop.name for hop in path.hops]
    return ", ".join(names[names.index(node) + 1 :][:2]) if node in names[:-1] else ""


def _deciders(engine: Engine, node: str) -> list[str]:
    """Speakers on whose decisions it hangs where the node sends packets: itself, and who programs its NIC (R34, R49)."""
    network = engine.network
    found = [node] if node in engine.plan.speakers else []
    home = home_of(network, node)
    for place in (home, network.transit_hub(home) if home else None):
        if place is not None:
            rs = network.route_server_of(place)
            owners = [*([rs.name] if rs else []), *(gateway.name for gateway in network.gateways_of(place))]
            found += [name for name in engine.plan.speakers if base_name(name) in owners]
    return list(dict.fromkeys(found))


def _last_decision(engine: Engine, gap: Gap, node: str) -> Decision | None:
    """The one that turned the flow: the last before it arrived again."""
    deciders = _deciders(engine, node)
    fitting = [d for d in engine.decisions.kept if d.speaker in deciders and gap.marked_us <= d.time_us <= gap.until_us]
    exact = [d for d in fitting if d.time_us == gap.until_us]
    return (exact or fitting)[-1] if fitting else None


def _chain(engine: Engine, gap: Gap, last: Decision, entries: Sequence[JournalEntry]) -> list[Decision]:
    """Decisions that led to one another, the first first."""
    chain = [last]
    while not _ended(entries, chain[0]):
        told = [
            d
            for d in engine.decisions.kept
            if d.speaker in chain[0].told_by and gap.marked_us <= d.time_us < chain[0].time_us and _same(d.prefixes, chain[0].prefixes)
        ]
        if not told:
            break
        chain.insert(0, max(told, key=lambda d: d.time_us))
    return chain


def _same(one: tuple[Prefix, ...], other: tuple[Prefix, ...]) -> bool:
    """Whether both are about the same prefix, as far as that is known."""
    return not one or not other or any(prefix in other for prefix in one)


def _since(engine: Engine, marked_us: int) -> list[JournalEntry]:
    return [entry for entry in engine.journal if entry.time_us >= marked_us]


def _ended(entries: Sequence[JournalEntry], decision: Decision) -> JournalEntry | None:
    """The session whose end made the speaker decide."""
    return next(
        (
            e
            for e in entries
            if e.kind == "session"
            and e.time_us == decision.time_us
            and e.who.startswith(f"{decision.speaker}/")
            and e.text.startswith(WAS_UP)
        ),
        None,
    )


# --- what each part was ---------------------------------------------------------------------------------------------------


def _beginning(engine: Engine, first: Decision, entries: Sequence[JournalEntry]) -> tuple[str, str, str]:
    """Whom the first decision lost, words and rule of the part up to it."""
    ended = _ended(entries, first)
    if ended is None:
        return _without_an_end(first, entries)
    speaker, _, peer = ended.who.partition("/")
    reason = ended.text.partition(": ")[2]
    bfd = any(e.kind == BFD_WORD and set(e.who.split("/")) == {speaker, peer} and e.time_us <= ended.time_us for e in entries)
    if bfd:
        return peer, f"BFD of {speaker} and {peer} finds that nothing arrives any more", "RFC 5880 section 6.8.4"
    if HOLD in reason and "received" not in reason:
        hold_s = _hold_time_s(engine, speaker, peer)
        return peer, f"{speaker} hears nothing of {peer} until its hold timer of {hold_s} s runs out", "R75, R115"
    if "transport was closed" in reason:
        return peer, f"the transport of {speaker} to {peer} closes, and {speaker} knows at once", "R115"
    return peer, f"the session of {speaker} with {peer} ends: {reason}", "R115"


def _without_an_end(first: Decision, entries: Sequence[JournalEntry]) -> tuple[str, str, str]:
    """The first decision followed from no session's end: from what was done, a condition, a session that came up."""
    there = [e for e in entries if e.time_us <= first.time_us]
    condition = next((e for e in reversed(there) if e.kind == "condition" and e.who == first.speaker), None)
    if condition is not None:
        return "", f"{first.speaker} finds out what its announcement hangs on: {condition.text}", "R162"
    standby = next((e for e in reversed(there) if e.kind == "standby"), None)
    if standby is not None:
        return "", f"{standby.who} {standby.text}, {length(standby.time_us - there[0].time_us)} after that failed", "R51"
    came_up = next(
        (
            e
            for e in reversed(there)
            if e.kind == "session" and e.who.startswith(f"{first.speaker}/") and e.text.partition(":")[0].endswith("-> Established")
        ),
        None,
    )
    if came_up is not None:
        return "", f"{first.speaker} has a session with {came_up.who.partition('/')[2]} again, and hears its routes", "R115"
    done = next((e for e in there if e.kind in DONE), None)
    if done is not None and first.time_us == done.time_us:
        return "", f"{first.speaker} is told itself: {done.kind} {done.who} {done.text}".rstrip(), ""
    if first.told_by:
        return "", f"{' and '.join(first.told_by)} tells {first.speaker} something else", ""
    return "", f"until {first.speaker} decides anew", ""


def _hold_time_s(engine: Engine, speaker: str, peer: str) -> int:
    """What the two agree on: the lower proposal (R75)."""
    mine = engine.plan.speakers[speaker].config.peers[peer].session.hold_time_s
    far = engine.plan.speakers.get(peer)
    theirs = far.config.peers[speaker].session.hold_time_s if far and speaker in far.config.peers else mine
    return min(mine, theirs)


def _programming(engine: Engine, gap: Gap, node: str, last: Decision) -> tuple[str, str]:
    """The way from the decision to NICs (R71)."""
    place = home_of(engine.network, last.speaker)
    rs = engine.network.route_server_of(place) if place else None
    took = gap.until_us - last.time_us
    text = f"{rs.name if rs else base_name(last.speaker)} programs {node}"
    if rs is None or took == 0:
        return text, "R49"
    settings = rs.programming
    if settings.damping_s and took > (settings.delay_s + 0.2) * 1_000_000:
        return f"{text}: it changes a prefix once in {settings.damping_s:g} s only (damping), then takes {settings.delay_s:g} s", "R71"
    return f"{text}, which takes {settings.delay_s:g} s (delay)", "R71"


def _otherwise(engine: Engine, gap: Gap, entries: Sequence[JournalEntry], node: str) -> Phase:
    """No speaker decided anything: the network is mended, or packets find another way by themselves."""
    standby = next((e for e in entries if e.time_us == gap.until_us and e.kind == "standby"), None)
    if standby is not None:
        text = f"{standby.who} {standby.text}: until then nobody does"
        return _phase(gap, "detection", standby.who, text, gap.marked_us, gap.until_us, "R51")
    probed = next((e for e in entries if e.time_us == gap.until_us and e.kind == "probe" and e.who in engine.network.load_balancers), None)
    if probed is not None:
        balancer = engine.network.load_balancers[probed.who]
        text = f"the health probes of {probed.who} find that {probed.text}: one every {balancer.probe_interval_s:g} s, {balancer.probe_threshold} must fail"
        return _phase(gap, "detection", probed.who, text, gap.marked_us, gap.until_us, "R117")
    mended = next((e for e in entries if e.time_us == gap.until_us and e.kind in DONE), None)
    onto = _next_after(gap.after, node) if gap.after else ""
    text = f"{mended.kind} {mended.who}" if mended else f"{node} sends packets to {onto or 'another way'} by itself, without BGP"
    return _phase(gap, "other", node, text, gap.marked_us, gap.until_us)
