"""The way that a route took from who announced it to a speaker that holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from dualhome.check.facts import Facts
from dualhome.explain.story import Step
from dualhome.net import Prefix

if TYPE_CHECKING:
    from dualhome._core import Route

MOST_HOPS = 32
ROUND_RULES = {"preference": "R107", "as-path": "R106", "preference-tie": "D12", "weight": "R137", "next-hop": "R74"}
TIES = ("router-id", "cluster-list", "peer-address", "peer")
ROUND_WORDS = {
    "next-hop": "its next hop cannot be used",
    "preference": "another kind of gateway is preferred",
    "weight": "a lower weight",
    "local-preference": "a lower local preference",
    "self": "what a speaker announces itself goes first",
    "as-path": "a longer AS path",
    "preference-tie": "ExpressRoute goes first",
    "origin": "a worse origin",
    "med": "a higher MED",
    "med-of-any": "a higher MED",
    "ebgp": "eBGP goes before iBGP",
    "router-id": "a higher router ID",
}


def way(facts: Facts, speaker: str, prefix: Prefix, first: Route | None = None) -> list[tuple[str, Route]]:
    """Speakers from the origin to this one, each with the route it uses; `first` is the one to follow here in place of the best."""
    stations: list[tuple[str, Route]] = []
    at: str | None = speaker
    route = first
    while at is not None and facts.has(at) and at not in {name for name, _ in stations} and len(stations) < MOST_HOPS:
        route = route or best(facts, at, prefix)
        if route is None:
            break
        stations.append((at, route))
        at, route = facts.source(at, route), None
    return stations[::-1]


def best(facts: Facts, speaker: str, prefix: Prefix) -> Route | None:
    """The best route of its Loc-RIB."""
    return next((route for route in facts.candidates(speaker, prefix) if route.best), None)


def steps(facts: Facts, stations: list[tuple[str, Route]], prefix: Prefix) -> Iterator[Step]:
    """A tale of the way: origination, then for each hop what was changed on export, how it was received, what else was there and lost."""
    for index, (name, route) in enumerate(stations):
        if route.peer < 0:
            yield _origination(facts, name, route, prefix)
        else:
            sender = facts.source(name, route) or "a speaker outside the file"
            yield from _export(facts, sender, name, prefix)
            yield _import(facts, sender, name, route, prefix)
        yield from _losers(facts, name, prefix, last=index == len(stations) - 1)


def _origination(facts: Facts, name: str, route: Route, prefix: Prefix) -> Step:
    tags = route.tags
    if "transit" in tags:
        text, rule = f"{name} announces {prefix}, of a virtual network with a transit pair", "R34"
    elif "vnet" in tags:
        text, rule = f"{name} announces {prefix}, of its own virtual network", "R1"
    elif "static" in tags:
        behind = next((tag.removeprefix("static:") for tag in tags if tag.startswith("static:")), "a connection")
        text, rule = f"{name} is told by its connection that {prefix} lies behind {behind}", "R49"
    elif "summary" in tags:
        text, rule = f"{name} announces {prefix}, a summary", "R148"
    else:
        text, rule = f"{name} announces {prefix}" + (f" with AS path {route.as_path}" if route.as_path else ""), ""
    return Step(node=name, what="originated", text=text, rule=rule, after=attributes(route))


def _export(facts: Facts, sender: str, receiver: str, prefix: Prefix) -> Iterator[Step]:
    """What the sender's rules and settings made of the route for this peer; nothing where only the ASN and next hop changed."""
    if not facts.has(sender) or receiver not in facts.plan.speakers[sender].config.peers:
        return
    for judgement in facts.exports(sender, receiver, prefix):
        if judgement.effect == "change" and judgement.term:
            text = f"{sender} changes it for {receiver}: {judgement.term}"
            yield Step(node=sender, what="advertised", text=text, rule=judgement.rule, before=judgement.before, after=judgement.after)


def _import(facts: Facts, sender: str, receiver: str, route: Route, prefix: Prefix) -> Step:
    told = facts.received(receiver, sender, prefix)
    raw = told[0] if told else route
    text = f"{receiver} learns it from {sender} with AS path {raw.as_path or '(empty)'} and next hop {raw.next_hop}"
    changes = [j for j in facts.imports(receiver, sender, prefix) if j.effect == "change"]
    if changes:
        text += "; its rules change it: " + ", ".join(j.term or j.step for j in changes)
    rule = next((j.rule for j in changes if j.rule), "")
    return Step(node=receiver, what="received", text=text, rule=rule, before=attributes(raw), after=attributes(route))


def _losers(facts: Facts, name: str, prefix: Prefix, *, last: bool) -> Iterator[Step]:
    """Other candidates and the round that each lost in; on the way only those that lost before the tie-breakers, at its end all."""
    for route in facts.candidates(name, prefix):
        if route.best or (not last and (route.multipath or route.lost_in == "self")):
            continue
        sender = facts.source(name, route) or "itself"
        if route.multipath:
            text = f"{name} holds the one from {sender} as its equal, and uses both ({route.as_path or 'no AS path'}, next hop {route.next_hop})"
            yield Step(node=name, what="chosen", text=text, rule="R106", after=attributes(route))
        else:
            text = f"{name} has it from {sender} as well (AS path {route.as_path or 'empty'}, next hop {route.next_hop}), which "
            text += compared(facts, name, route, best(facts, name, prefix))
            yield Step(node=name, what="lost", text=text, rule=lost_rule(facts, name, route), after=attributes(route))


def lost_round(route: Route) -> str:
    """In which round of the decision it lost, and what that means."""
    word = ROUND_WORDS.get(route.lost_in or "")
    return f"lost in round {route.lost_in}" + (f": {word}" if word else "")


def compared(facts: Facts, speaker: str, route: Route, winner: Route | None) -> str:
    """The round in which it lost, and the two values that were compared there: `lost in round as-path: a longer AS path, 3 ASNs against 1 of hub1-nva's`."""
    text = lost_round(route)
    if _beyond_the_width(facts, speaker, route):
        most = facts.plan.speakers[speaker].config.multipath
        return f"is as good, and only {most} equal ways are used: it {text}"
    value = VALUES.get(route.lost_in or "")
    if winner is None or value is None:
        return text
    mine, theirs = value(route), value(winner)
    whose = facts.source(speaker, winner) or speaker
    return f"{text}, {mine} against {theirs} of {whose}'s" if mine != theirs else text


def lost_rule(facts: Facts, speaker: str, route: Route) -> str:
    """The rule of the round in which it lost; of an equal one for which there was no room, that of the width (D20)."""
    if _beyond_the_width(facts, speaker, route):
        return "D20"
    return ROUND_RULES.get(route.lost_in or "", "RFC 4271 section 9.1.2.2")


def _beyond_the_width(facts: Facts, speaker: str, route: Route) -> bool:
    """Whether it lost to its equals alone, of which as many are used as may be (D20)."""
    most = facts.plan.speakers[speaker].config.multipath
    if route.lost_in not in TIES or most < 2:
        return False
    return sum(each.multipath for each in facts.candidates(speaker, Prefix(*route.prefix))) >= most


def _kind(route: Route) -> str:
    words = {"class:er": "ExpressRoute", "class:vpn": "VPN", "class:nva": "an NVA"}
    return next((words[tag] for tag in route.tags if tag in words), "another")


VALUES: Final[Mapping[str, Callable[[Route], object]]] = {
    "preference": _kind,
    "preference-tie": _kind,
    "weight": lambda route: route.weight,
    "local-preference": lambda route: route.local_preference,
    "as-path": lambda route: route.as_path_length,
    "origin": lambda route: route.origin,
    "med": lambda route: route.med or 0,
    "med-of-any": lambda route: route.med or 0,
}
"""What each round compares, as far as a reader would look at it."""


def attributes(route: Route) -> dict[str, object]:
    """Of a route, as steps show them."""
    return {
        "as_path": route.as_path,
        "next_hop": route.next_hop,
        "communities": list(route.communities),
        "local_preference": route.local_preference,
        "med": route.med,
    }
