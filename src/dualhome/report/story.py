"""The story of a route, as `why` tells it: the answer first, then who told whom what, then what would change it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from dualhome.explain.phases import length
from dualhome.model import base_name
from dualhome.report.tables import light

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.table import Table

    from dualhome.explain import Step, Story
    from dualhome.explain.compare import Difference, WhatIf

MOST_DIFFERENCES = 12
LEADER = re.compile(r"(?: *\d+\. | *[✗→] |  (?:now |then|route|no way|new way) )? *")


class Told:
    """Text whose lines go on beneath their beginning where they are too long."""

    def __init__(self, text: Text) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self.text.split("\n", allow_blank=True):
            head = len(LEADER.match(line.plain)[0])  # type: ignore[index]  # it matches everywhere
            first, rest = line.divide([head])
            wrapped = rest.wrap(console, max(options.max_width - head, 20)) if rest else [rest]
            for number, part in enumerate(wrapped):
                part.rstrip()
                yield Text.assemble(first if number == 0 else " " * head, part)


def told(story: Story) -> RenderableType:
    """Question and answer, the parts of an outage, numbered steps with what each changed, what refused the route, the remedy."""
    head = Text(story.question, "bright_black")
    head.append(f"\n{story.answer}", "bold")
    if not story.phases or not story.facts.get("ended"):
        return Told(_steps(head, story))
    parts: list[RenderableType] = [Told(head), Text(), _timeline(story)]
    rest = _steps(Text(), story)
    return Group(*parts, Told(rest)) if rest else Group(*parts)


def _timeline(story: Story) -> Table:
    """The parts of an outage, one after the other: since when, how long, what."""
    table = light("after", "took", "part", "what", fold=("what",))
    for phase in story.phases:
        what = Text(phase.text)
        if phase.rule:
            what.append(f"  {phase.rule}", "bright_black")
        table.add_row(length(phase.at_us), Text(length(phase.took_us), "bold" if phase.took_us else "bright_black"), phase.kind, what)
    last = story.phases[-1]
    table.add_row(length(last.at_us + last.took_us), "", "", Text("packets arrive again", "green"))
    return table


def compared(found: WhatIf) -> RenderableType:
    """What would change: the changes, both answers, what differs."""
    head = Text(found.before.question, "bright_black")
    for change in found.changes:
        head.append(f"\nif {change}", "yellow")
    head.append(f"\n{found.verdict.removesuffix(found.after.answer).rstrip(': ')}", "bold")
    head.append("\n\n  now  ", "bright_black")
    head.append(found.before.answer)
    head.append("\n  then ", "bright_black")
    head.append(found.after.answer)
    lines = [_difference(each) for each in found.differences if each.what != "session"] + list(_sessions(found.differences))
    for number, line in enumerate(lines[:MOST_DIFFERENCES]):
        head.append("\n\n" if number == 0 else "\n")
        head.append(line)
    if (more := len(lines) - MOST_DIFFERENCES) > 0:
        head.append(f"\n  and {more} differences more", "bright_black")
    if found.note:
        head.append(f"\n\n({found.note})", "bright_black")
    if found.after.phases and found.after.facts.get("ended"):
        return Group(Told(head), Text("\nthen", "bright_black"), _timeline(found.after))
    return Told(head)


def _difference(each: Difference) -> Text:
    if each.what == "path":
        word = "  no way " if each.after is None else "  new way "
        return Text.assemble((word, "bright_black"), (each.name, "red" if "✗" in each.name else ""))
    after = (f" → {each.after or 'gone'}", "" if each.after else "red")
    return Text.assemble((f"  {each.what} ", "bright_black"), f"{each.name}  ", (each.before or "none", "bright_black"), after)


def _sessions(found: Sequence[Difference]) -> Iterator[Text]:
    """Both sides of a session, and sessions of all instances of the same two, in one line."""
    groups: dict[tuple[frozenset[str], bool], list[Difference]] = {}
    for each in (each for each in found if each.what == "session" and "Established" in (each.before, each.after)):
        groups.setdefault((frozenset(map(base_name, each.name.split("/"))), each.after == "Established"), []).append(each)
    for (_, up), same in groups.items():
        ends = " ↔ ".join(map(base_name, same[0].name.split("/")))
        count = len({frozenset(each.name.split("/")) for each in same})
        which = f"{count} sessions " if count > 1 else "session "
        yield Text.assemble((f"  {which}", "bright_black"), ends, ("  come up" if up else "  go down", "" if up else "red"))


def _steps(text: Text, story: Story) -> Text:
    for number, step in enumerate(story.steps, 1):
        text.append("\n\n" if number == 1 else "\n")
        text.append(f"{number:>3}. ", "bright_black")
        text.append(_step(step))
    for number, step in enumerate(story.refusals):
        text.append("\n\n" if number == 0 else "\n")
        text.append("  ✗ ", "red")
        text.append(_step(step))
    if story.remedy:
        text.append("\n\n→ " if text.plain or not story.phases else "\n→ ", "green")
        text.append(story.remedy.text, "italic")
    return text


def _step(step: Step) -> Text:
    text = Text(step.text)
    if step.rule and step.rule not in step.text:
        text.append(f"  {step.rule}", "bright_black")
    if change := _change(step.before, step.after):
        text.append(f"\n       {change}", "yellow")
    return text


def _change(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """`as_path 65001 65010 → 65001 65515`: only what differs."""
    if not before or not after:
        return ""
    keys = [k for k in (*before, *(k for k in after if k not in before)) if before.get(k) != after.get(k)]
    return "; ".join(f"{k} {_value(before.get(k))} → {_value(after.get(k))}" for k in keys)


def _value(value: object) -> str:
    if value is None or value in ("", [], ()):
        return "none"
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
