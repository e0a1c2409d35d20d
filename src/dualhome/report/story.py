"""The story of a route, as `why` tells it: the answer first, then who told whom what, then what would change it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

    from dualhome.explain import Step, Story

LEADER = re.compile(r"(?: *\d+\. | *[✗→] )? *")


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


def told(story: Story) -> Told:
    """Question and answer, numbered steps with what each changed, what refused the route, the remedy."""
    return Told(_text(story))


def _text(story: Story) -> Text:
    text = Text(story.question, "bright_black")
    text.append(f"\n{story.answer}", "bold")
    for number, step in enumerate(story.steps, 1):
        text.append("\n\n" if number == 1 else "\n")
        text.append(f"{number:>3}. ", "bright_black")
        text.append(_step(step))
    for number, step in enumerate(story.refusals):
        text.append("\n\n" if number == 0 else "\n")
        text.append("  ✗ ", "red")
        text.append(_step(step))
    if story.remedy:
        text.append("\n\n→ ", "green")
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
