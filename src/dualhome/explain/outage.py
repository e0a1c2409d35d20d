"""Why an outage took as long as it did: detection, withdrawal from speaker to speaker, decision, programming, up to the first packet that arrives.

The parts (`phases`) follow one another without gaps, so they add up to what the stream of packets measured.
"""

from __future__ import annotations

from collections.abc import Sequence

from dualhome.bgp.events import State
from dualhome.engine import Engine, JournalEntry
from dualhome.explain.gap import Gap
from dualhome.explain.phases import DONE, clipped, length, phases_of
from dualhome.explain.story import Phase, Remedy, Step, Story
from dualhome.forwarding.trace import paths
from dualhome.model import base_name
from dualhome.units import as_seconds


def outage_story(engine: Engine, gap: Gap | None, source: str, destination: str) -> Story:
    """The parts of the longest gap since something was done to the network, in order; they add up to its length (R115, R71)."""
    done = _what_was_done(engine, gap)
    if gap is None or (gap.length_us == 0 and gap.after is not None):
        return _none(engine, source, destination)
    lost = _lost(gap)
    if gap.after is None:
        return _open(engine, gap, done, lost)
    question = f"Why was {source} cut off from {destination} for {length(gap.length_us)}{done}?"
    phases = tuple(clipped(phases_of(engine, gap), gap))
    answer = f"{_sums(phases)}: {_telling(phases)}"
    return Story(question=question, answer=f"{answer}; {lost}", phases=phases, remedy=_remedy(engine, gap, phases), facts=_facts(gap))


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
    if longest.rule == "R51" and gateway is not None:
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
