"""Why not by another way: what became of the route that leads to a given next hop, and in which round, by which rule it lost or was kept away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualhome.check.facts import Facts
from dualhome.errors import RequestError
from dualhome.explain.search import distances, judge
from dualhome.explain.story import Remedy, Step, Story
from dualhome.explain.tale import attributes, best, compared, lost_rule
from dualhome.forwarding.places import places
from dualhome.model import Network, base_name
from dualhome.net import Address, Prefix

if TYPE_CHECKING:
    from dualhome._core import Route

MOST_HOPS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What is asked about: a node, the addresses under which routes name it as next hop, the speakers from whom such routes come."""

    name: str
    addresses: frozenset[Address]
    speakers: tuple[str, ...]

    def is_of(self, facts: Facts, speaker: str, route: Route) -> bool:
        """Whether a speaker's route leads that way: it comes from there, or has its address as next hop."""
        return facts.source(speaker, route) in self.speakers or Address.parse(route.next_hop) in self.addresses


def way_to(facts: Facts, text: str) -> Way:
    """The node that a name or an address means.

    Raises:
        RequestError: it means none.
    """
    network, known = facts.engine.network, places(facts.engine)
    try:
        addresses = {Address.parse(text)}
        owner = known.node_at(text)
    except ValueError:
        addresses, owner = set(), text
    base = base_name(owner) if owner is not None else ""
    base = base.partition(".")[0] if network.nic(base) and base not in network.nvas else base
    speakers = tuple(name for name in facts.plan.speakers if owner in (name, base_name(name)) or base == name)
    if owner is not None and not addresses:
        addresses |= {address for name in dict.fromkeys((owner, *speakers)) for address in network.addresses_of(name)}
        addresses |= _edges(network, owner)
    if not addresses and not speakers:
        everyone = sorted({base_name(name) for name in facts.plan.speakers} | set(network.virtual_machines) | set(network.load_balancers))
        raise RequestError(f"nothing here is named {text!r} or has that address; there are {', '.join(everyone)}")
    return Way(name=owner or text, addresses=frozenset(addresses), speakers=speakers)


def _edges(network: Network, name: str) -> set[Address]:
    """Microsoft's edge routers that NICs list as next hops for a circuit, or for an ExpressRoute gateway (R51)."""
    base = base_name(name)
    circuits = [c for c in network.circuits.values() if c.name == base or any(x.gateway == base for x in c.gateways)]
    return {c.microsoft_address(i) for c in circuits for i in (0, 1) if "#" not in name or c.name != base or name.endswith(f"#{i}")}


# --- at a speaker -------------------------------------------------------------------------------------------------------


def lost_at(facts: Facts, speaker: str, prefix: Prefix, way: Way) -> Iterator[Step]:
    """Candidates of a speaker that lead that way, and what became of each: used, or lost in which round to what."""
    chosen = best(facts, speaker, prefix)
    for route in (r for r in facts.candidates(speaker, prefix) if way.is_of(facts, speaker, r)):
        source = facts.source(speaker, route) or "itself"
        if route.multipath:
            text = f"{speaker} uses what {source} tells it"
            yield Step(node=speaker, what="chosen", text=text, rule="R106", after=attributes(route))
        else:
            text = f"{speaker} has it from {source}, and it {compared(facts, speaker, route, chosen)}"
            yield Step(
                node=speaker,
                what="lost",
                text=text,
                rule=lost_rule(facts, speaker, route),
                after=attributes(route),
            )


def kept_away(facts: Facts, prefix: Prefix, way: Way, wanted: Sequence[str]) -> Iterator[tuple[Step, Remedy | None]]:
    """Where the route of that way stopped on its way to the wanted speakers: held back, refused, lost in a decision, not carried."""
    far = distances(facts, wanted)
    for start in (name for name in way.speakers if name in far and facts.has(name)):
        if facts.engine.alive(start) and best(facts, start, prefix) is None:
            text = f"{start} has no route {prefix} to pass on"
            yield Step(node=start, what="absent", text=text, rule="R115"), None
            continue
        yield from _along(facts, prefix, start, far)


def _along(facts: Facts, prefix: Prefix, start: str, far: Mapping[str, int]) -> Iterator[tuple[Step, Remedy | None]]:
    """Follow the sessions that lead nearer, as long as the next speaker uses what it is told."""
    queue, seen = [start], {start}
    while queue and len(seen) < MOST_HOPS:
        here = queue.pop(0)
        for there in (p for p in facts.peers(here) if far.get(p, MOST_HOPS) < far[here] and p not in seen):
            seen.add(there)
            told = [r for r in facts.candidates(there, prefix) if facts.source(there, r) == here]
            if not told:
                stop = judge(facts, prefix, here, there, far[there])
                yield stop.step, stop.remedy
            elif told[0].multipath:
                queue.append(there)
            elif far[there]:
                text = f"{there} has it from {here}, and it {compared(facts, there, told[0], best(facts, there, prefix))}"
                yield (
                    Step(node=there, what="lost", text=text, rule=lost_rule(facts, there, told[0])),
                    None,
                )


def speaker_rival(facts: Facts, speaker: str, prefix: Prefix, via: str) -> Story:
    """Why a speaker doesn't use the way by `via`, or that it does."""
    way = way_to(facts, via)
    question = f"Why does {speaker} not use {prefix} by {via}?"
    if base_name(speaker) == base_name(way.name):
        return Story(question=question, answer=f"{via} is {speaker} itself")
    found = list(lost_at(facts, speaker, prefix, way))
    used = [step for step in found if step.what == "chosen"]
    if used:
        return Story(question=question, answer=f"it does: {used[0].text}", steps=tuple(found))
    lost = [step for step in found if step.what == "lost"]
    stopped = [] if lost else list(kept_away(facts, prefix, way, (speaker,)))
    return told(facts, question, [*((step, None) for step in lost), *stopped], way, prefix)


def told(
    facts: Facts, question: str, reasons: Sequence[tuple[Step, Remedy | None]], way: Way, prefix: Prefix, used: tuple[Step, ...] = ()
) -> Story:
    """The first reason is the answer; without any, that nobody ever told of such a way."""
    if not reasons:
        reasons = [(never(facts, way, prefix), None)]
    unique = {(base_name(step.node), step.what, step.rule, base_text(step.text)): (step, remedy) for step, remedy in reversed(reasons)}
    kept = list(unique.values())[::-1]
    step = kept[0][0]
    rule = f" ({step.rule})" if step.rule and step.rule not in step.text else ""
    remedy = next((remedy for _, remedy in kept if remedy is not None), None)
    return Story(question=question, answer=f"{step.text}{rule}", steps=used, refusals=tuple(step for step, _ in kept), remedy=remedy)


def base_text(text: str) -> str:
    """Without instances, so that what both say is said once."""
    return text.replace("#0", "").replace("#1", "")


def never(facts: Facts, way: Way, prefix: Prefix) -> Step:
    """Nobody announces that way: it speaks no BGP, is down, or has no session that leads here."""
    dead = [name for name in way.speakers if not facts.engine.alive(name)]
    if dead and len(dead) == len(way.speakers):
        return Step(node=way.name, what="absent", text=f"{' and '.join(dead)} is down", rule="R115")
    if base_name(way.name) in facts.engine.network.route_servers:
        text = f"{way.name} is a route server: it forwards no packets, and is never a next hop"
        return Step(node=way.name, what="absent", text=text, rule="R82")
    if not way.speakers:
        text = (
            f"{way.name} speaks no BGP, and nobody announces {prefix} with its address as next hop; a user-defined route could lead there"
        )
        return Step(node=way.name, what="absent", text=text, rule="R116")
    return Step(node=way.name, what="absent", text=f"no session leads from {way.name} to where {prefix} is wanted", rule="R76")
