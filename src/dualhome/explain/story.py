"""What `why` answers: a value, whose sentences are made here and nowhere else guessed at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dualhome.units import as_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One station of a route: `what` is originated | received | chosen | lost | advertised | programmed | selected | absent."""

    node: str
    what: str
    text: str
    rule: str = ""
    before: Mapping[str, object] = field(default_factory=dict)
    after: Mapping[str, object] = field(default_factory=dict)

    def to_data(self) -> dict[str, object]:
        """For JSON."""
        return {
            "node": self.node,
            "what": self.what,
            "text": self.text,
            "rule": self.rule,
            "before": dict(self.before),
            "after": dict(self.after),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What would help: in words, and as a `change` of the topology format where one can say it."""

    text: str
    change: Mapping[str, object] | None = None

    def to_data(self) -> dict[str, object]:
        """For JSON."""
        return {"text": self.text, "change": self.change}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A part of an outage. `kind`: detection | withdrawal | decision | programming | other | open; `at_us` counts from what was done to the network."""

    kind: str
    node: str
    text: str
    at_us: int
    took_us: int
    rule: str = ""
    peer: str = ""  # whose loss was detected, or who was told

    def to_data(self) -> dict[str, object]:
        """For JSON, in seconds."""
        return {
            "kind": self.kind,
            "node": self.node,
            "text": self.text,
            "rule": self.rule,
            "at_s": as_seconds(self.at_us),
            "took_s": as_seconds(self.took_us),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What `why` answers: the answer in a sentence, then its steps, what was refused or lost on the way, and what would help.

    Of an outage `phases` are its parts, which follow one another and add up to it. `facts` is what a program may want to know of the answer.
    """

    question: str
    answer: str
    steps: tuple[Step, ...] = ()
    refusals: tuple[Step, ...] = ()
    remedy: Remedy | None = None
    phases: tuple[Phase, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)

    def to_data(self) -> dict[str, object]:
        """For JSON."""
        return {
            "question": self.question,
            "answer": self.answer,
            "steps": [step.to_data() for step in self.steps],
            "refusals": [step.to_data() for step in self.refusals],
            "remedy": self.remedy.to_data() if self.remedy else None,
            **({"phases": [phase.to_data() for phase in self.phases]} if self.phases else {}),
            **self.facts,
        }

    def lines(self) -> list[str]:
        """As plain text: question, answer, phases, steps, refusals, remedy."""
        text = [self.question, f"  {self.answer}"]
        text += [f"  {as_seconds(phase.took_us):.6f} s {phase.kind}: {phase.text}" for phase in self.phases]
        text += [f"  {number}. {step.text}{_rule(step)}" for number, step in enumerate(self.steps, 1)]
        text += [f"  ✗ {step.text}{_rule(step)}" for step in self.refusals]
        return [*text, f"  remedy: {self.remedy.text}"] if self.remedy else text


def _rule(step: Step) -> str:
    rule = f" ({step.rule})" if step.rule and step.rule not in step.text else ""
    changed = [
        f"{key} {step.before[key]} → {step.after.get(key)}" for key in step.before if step.after and step.before[key] != step.after.get(key)
    ]
    return rule + (f": {'; '.join(changed)}" if changed else "")
