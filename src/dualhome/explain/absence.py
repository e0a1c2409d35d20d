"""The answer where a route is missing: how far it came, what stopped it, what would help."""

from __future__ import annotations

from collections.abc import Iterator

from dualhome.check.facts import Facts
from dualhome.explain.search import Stop, holders, stops
from dualhome.explain.story import Remedy, Step, Story
from dualhome.explain.tale import attributes, lost_round, steps, way
from dualhome.model import base_name
from dualhome.net import Prefix


def absent_story(facts: Facts, question: str, node: str, prefix: Prefix, wanted: tuple[str, ...]) -> Story:
    """Where the route got to on its way to the wanted speakers, and what stopped it."""
    having = holders(facts, prefix)
    dead_ends = [name for name in wanted if facts.has(name) and facts.candidates(name, prefix)]
    if dead_ends:
        refusals = tuple(
            Step(
                node=name,
                what="lost",
                text=f"{name} has {prefix} from {facts.source(name, r) or 'itself'} and cannot use it: it {lost_round(r)}",
                rule="R74",
                after=attributes(r),
            )
            for name in dead_ends
            for r in facts.candidates(name, prefix)
        )
        return Story(question=question, answer=f"{node} has no route {prefix}: {refusals[0].text}", refusals=refusals)
    if not having:
        return _unannounced(facts, question, node, prefix)
    found = stops(facts, prefix, wanted, having)
    telling = [stop for stop in found if stop.step.rule != "R94" and "not in use" not in stop.step.text] or found
    telling = sorted(telling, key=lambda stop: stop.step.rule == "R92")  # that NVAs are not told of each other's routes is as it should be
    unique: dict[tuple[str, str, str], Stop] = {}
    for stop in telling:
        unique.setdefault((base_name(stop.sender), base_name(stop.receiver), stop.step.rule), stop)
    kept = list(unique.values())
    if not kept:
        origin = way(facts, having[0], prefix)[0][0]
        text = f"{origin} announces it, and no session leads from there to {' or '.join(wanted) or node}"
        step = Step(node=origin, what="absent", text=text, rule="R76")
        return Story(question=question, answer=f"{node} has no route {prefix}: {text}", refusals=(step,))
    stations = way(facts, kept[0].sender, prefix) if facts.has(kept[0].sender) else []
    rule = f" ({kept[0].step.rule})" if kept[0].step.rule else ""
    remedy = next((stop.remedy for stop in kept if stop.remedy is not None), None)
    return Story(
        question=question,
        answer=f"{node} has no route {prefix}: {kept[0].step.text}{rule}",
        steps=tuple(steps(facts, stations, prefix)),
        refusals=(*(stop.step for stop in kept), *_down_origins(facts, prefix)),
        remedy=remedy,
    )


def _down_origins(facts: Facts, prefix: Prefix) -> Iterator[Step]:
    """Who would announce it, were they working."""
    for name, speaker in facts.plan.speakers.items():
        if prefix in speaker.config.origins and not facts.engine.alive(name):
            yield Step(node=name, what="absent", text=f"{name}, which announces {prefix}, is down", rule="R115")


def _unannounced(facts: Facts, question: str, node: str, prefix: Prefix) -> Story:
    """Nobody holds it: who would, and what covers it."""
    engine = facts.engine
    refusals = []
    remedy: Remedy | None = None
    for name, speaker in facts.plan.speakers.items():
        if prefix not in speaker.config.origins:
            continue
        condition = next((c for c in facts.plan.conditions if c.speaker == name and c.prefix == str(prefix)), None)
        if not engine.alive(name):
            text, remedy = f"{name}, which announces {prefix}, is down", remedy or Remedy(text=f"restore {name}")
        elif condition is not None:
            text = f"{name} announces {prefix} only while it reaches {condition.host}, and it does not (R162)"
        else:
            text = f"{name} announces {prefix} by the file, and has withdrawn it"
        refusals.append(Step(node=name, what="absent", text=text, rule="R162" if condition else "R115"))
    if refusals:
        return Story(question=question, answer=f"{node} has no route {prefix}: {refusals[0].text}", refusals=tuple(refusals), remedy=remedy)
    covering = {q: name for name, s in facts.plan.speakers.items() for q in s.config.origins if q != prefix and q.covers(prefix)}
    text = "nobody announces it"
    if covering:
        nearest = max(covering, key=lambda q: q.length)
        text += f"; {nearest}, which {covering[nearest]} announces, covers it"
    step = Step(node=node, what="absent", text=f"{prefix}: {text}", rule="RFC 4271 section 9.4")
    return Story(question=question, answer=f"{node} has no route {prefix}: {text}", refusals=(step,))
