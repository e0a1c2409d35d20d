"""Why an outage took as long as it did: detection, withdrawal from speaker to speaker, decision, programming, up to the first packet that arrives.

The tale is made backward. Where the lost way and the new one part, some speaker decided last; who had told it; who had told that one; up to the speaker
whose session ended, or whose own routes changed. The parts follow one another without gaps, so they add up to what the stream of packets measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from dualhome.bgp.events import State
from dualhome.engine import Engine, JournalEntry
from dualhome.engine.decisions import Decision
from dualhome.explain.gap import Gap
from dualhome.explain.story import Phase, Remedy, Step, Story
from dualhome.forwarding.packets import home_of
from dualhome.forwarding.trace import Path, paths
from dualhome.model import base_name
from dualhome.net import Prefix
from dualhome.units import as_seconds

WAS_UP = f"{State.ESTABLISHED.value} ->"
DONE = ("fail", "restore", "announce", "withdraw", "change")
HOLD, BFD_WORD = "Hold Timer Expired", "bfd"


def outage_story(engine: Engine, gap: Gap | None, source: str, destination: str) -> Story:
    """The parts of the longest gap since something was done to the network, in order; they add up to its length (R115, R71)."""
    done = _what_was_done(engine, gap)
    if gap is None or (gap.length_us == 0 and gap.after is not None):
        return _none(engine, source, destination)
    lost = _lost(gap)
    if gap.after is None:
        return _open(engine, gap, done, lost)
    question = f"Why was {source} cut off from {destination} for {length(gap.length_us)}{done}?"
    phases = tuple(_clipped(list(_phases(engine, gap)), gap))
    answer = f"{_sums(phases)}: {_telling(phases)}"
    return Story(question=question, answer=f"{answer}; {lost}", phases=phases, remedy=_remedy(engine, gap, phases), facts=_facts(gap))


def length(us: int) -> str:
    """`3 ms`, `12.7 ms`, `1.25 s`, `160 s`."""
    if us < 1_000_000:
        return f"{us / 1000:.1f}".removesuffix(".0") + " ms"
    return f"{as_seconds(us):.2f}".rstrip("0").rstrip(".") + " s"


# --- the parts ----------------------------------------------------------------------------------------------------------


def _phases(engine: Engine, gap: Gap) -> Iterator[Phase]:
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


def _clipped(phases: list[Phase], gap: Gap) -> Iterator[Phase]:
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
        return "", f"{standby.who} {standby.text}, {length(standby.time_us - there[0].time_us)} after that failed", "R158"
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
        return _phase(gap, "detection", standby.who, text, gap.marked_us, gap.until_us, "R158")
    probed = next((e for e in entries if e.time_us == gap.until_us and e.kind == "probe" and e.who in engine.network.load_balancers), None)
    if probed is not None:
        balancer = engine.network.load_balancers[probed.who]
        text = f"the health probes of {probed.who} find that {probed.text}: one every {balancer.probe_interval_s:g} s, {balancer.probe_threshold} must fail"
        return _phase(gap, "detection", probed.who, text, gap.marked_us, gap.until_us, "R117")
    mended = next((e for e in entries if e.time_us == gap.until_us and e.kind in DONE), None)
    onto = _next_after(gap.after, node) if gap.after else ""
    text = f"{mended.kind} {mended.who}" if mended else f"{node} sends packets to {onto or 'another way'} by itself, without BGP"
    return _phase(gap, "other", node, text, gap.marked_us, gap.until_us)


# --- the answer ---------------------------------------------------------------------------------------------------------


def _what_was_done(engine: Engine, gap: Gap | None) -> str:
    """` after hub1-nva failed (silent)`."""
    if gap is None:
        return ""
    done = [e for e in engine.journal if e.time_us == gap.marked_us and e.kind in DONE]
    words = {"fail": "{} failed ({})", "restore": "{} was restored", "announce": "{} announced {}", "withdraw": "{} withdrew {}"}
    told = [words.get(e.kind, "the configuration changed").format(e.who, e.text) for e in done]
    return " after " + " and ".join(dict.fromkeys(told)) if told else ""


def _lost(gap: Gap) -> str:
    where = f"{gap.during.at} ({gap.during.because})"
    which = "all flows" if gap.flows_hit == gap.flows else f"{gap.flows_hit} of {gap.flows} flows"
    return f"{which} were lost, at {where}"


def _sums(phases: Sequence[Phase]) -> str:
    """`159.99 s detection, 1.3 ms withdrawal, 0 ms programming`."""
    totals: dict[str, int] = {}
    for phase in phases:
        totals[phase.kind] = totals.get(phase.kind, 0) + phase.took_us
    counted = {kind: us for kind, us in totals.items() if us} or totals
    return ", ".join(f"{length(us)} {kind if kind != 'other' else 'otherwise'}" for kind, us in counted.items())


def _telling(phases: Sequence[Phase]) -> str:
    """What took longest; of news that passes several speakers, its whole way."""
    longest = max(phases, key=lambda phase: phase.took_us)
    passed = [phase for phase in phases if phase.kind in ("withdrawal", "announcement")]
    if longest in passed and len(passed) > 1:
        return f"the news passes {', '.join(phase.node for phase in passed)} and {passed[-1].peer}"
    return longest.text + (f" ({longest.rule})" if longest.rule else "")


def _facts(gap: Gap) -> dict[str, object]:
    return {"outage_s": as_seconds(gap.length_us), "flows": gap.flows, "flows_hit": gap.flows_hit, "ended": gap.after is not None}


def _none(engine: Engine, source: str, destination: str) -> Story:
    done = [e for e in engine.journal if e.kind in DONE]
    after = f" after {done[-1].kind} {done[-1].who}" if done else ""
    step = _unhurt(engine, done[-1] if done else None, source, destination)
    return Story(
        question=f"Why was {source} cut off from {destination}{after}?",
        answer=f"it was not, no flow was interrupted: {step.text}" + (f" ({step.rule})" if step.rule else ""),
        steps=(step,),
        facts={"outage_s": 0.0, "flows_hit": 0, "ended": True},
    )


def _unhurt(engine: Engine, done: JournalEntry | None, source: str, destination: str) -> Step:
    """What kept packets from being lost."""
    target = done.who if done is not None and done.kind == "fail" else ""
    rs = engine.network.route_servers.get(base_name(target))
    now = " or ".join(dict.fromkeys(" → ".join(base_name(hop.name) for hop in path.hops) for path in paths(engine, source, destination)))
    if rs is not None and not any(engine.alive(f"{rs.name}#{i}") for i in (0, 1)):
        return Step(node=rs.name, what="programmed", text=f"{rs.name} forwards no packets, and NICs keep what it programmed", rule="D15")
    if rs is not None:
        return Step(node=rs.name, what="programmed", text=f"the other instance of {rs.name} keeps its routes", rule="R84")
    if "/" in target:
        text = f"both ends of {target} know of it at once, and no packets need it; they go {now}"
        return Step(node=source, what="selected", text=text, rule="R115")
    return Step(node=source, what="selected", text=f"packets go {now}, and whatever changed did so at once")


def _open(engine: Engine, gap: Gap, done: str, lost: str) -> Story:
    """It lasts still: either nobody notices, or nobody has another way."""
    question = f"Why is {gap.source} cut off from {gap.destination}{done}?"
    at = gap.during.at
    if gap.before is not None and gap.before.outcome != "delivered":
        text = f"it was cut off before that: at {gap.before.at} packets are dropped ({gap.before.detail or gap.before.because})"
        phase = Phase(kind="open", node=gap.before.at, text=text, at_us=gap.since_us - gap.marked_us, took_us=gap.length_us)
        return Story(question=question, answer=text, phases=(phase,), facts=_facts(gap))
    alive = [
        s for s in engine.sessions() if base_name(at) in (base_name(s.speaker), base_name(s.peer)) and s.state == State.ESTABLISHED.value
    ]
    if gap.during.because == "down" and alive:
        peers = " and ".join(dict.fromkeys(base_name(s.peer) for s in alive if base_name(s.speaker) == base_name(at))) or base_name(
            alive[0].speaker
        )
        text = f"nobody notices: {at} drops packets, and its BGP sessions with {peers} stay up, for their own packets pass"
        remedy = Remedy(
            text=f"let {base_name(at)} announce only while it reaches what lies behind it (while: HOST in its originates), or take it out of service"
        )
        phase = Phase(kind="open", node=at, text=text, at_us=gap.since_us - gap.marked_us, took_us=gap.length_us, rule="R162")
    else:
        text = f"there is no other way: at {at} packets are dropped ({gap.during.detail or gap.during.because})"
        remedy = Remedy(text=f"mend what failed, or give {at} a second way")
        phase = Phase(kind="open", node=at, text=text, at_us=gap.since_us - gap.marked_us, took_us=gap.length_us)
    answer = f"it has no end: {text}" + (f" ({phase.rule})" if phase.rule else "") + f"; {lost.replace(' were ', ' are ')}"
    return Story(question=question, answer=answer, phases=(phase,), remedy=remedy, facts=_facts(gap))


def _remedy(engine: Engine, gap: Gap, phases: Sequence[Phase]) -> Remedy | None:
    """What would shorten the longest part."""
    longest = max(phases, key=lambda phase: phase.took_us)
    if longest.took_us < 1_000_000:
        return None
    gateway = engine.network.gateways.get(base_name(longest.node))
    if longest.rule == "R158" and gateway is not None:
        active: dict[str, object] = {"virtual_network_gateways": {gateway.name: {"active_active": True}}}
        return Remedy(text=f"make {gateway.name} active-active", change=active)
    balancer = engine.network.load_balancers.get(longest.node)
    if longest.rule == "R117" and balancer is not None and balancer.probe_threshold > 1:
        quicker: dict[str, object] = {"load_balancers": {balancer.name: {"probe": {"threshold": 1}}}}
        return Remedy(text=f"let {balancer.name} give a backend up after one failed probe: threshold 1", change=quicker)
    if longest.kind == "programming" and "damping" in longest.text:
        return Remedy(text="replace routes in one update in place of withdrawing and announcing them: damping counts both (L-047)")
    if longest.rule.startswith("R75"):
        router = engine.network.router(base_name(longest.peer)) or engine.network.router(base_name(longest.node))
        if router is not None:
            section = "network_virtual_appliances" if router.nics else "on_premises"
            change: dict[str, object] = {section: {router.name: {"timers": {"keepalive_s": 5, "hold_s": 15}}}}
            return Remedy(text=f"let {router.name} propose a shorter hold time, which its peers take (R75): 15 s instead", change=change)
    return None
