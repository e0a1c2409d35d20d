"""What `why` answers: a value, whose sentences are made here and nowhere else guessed at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
class Story:
    """The tale of a route: how it came to the node, or where it got to and what stopped it there."""

    question: str
    answer: str
    steps: tuple[Step, ...] = ()
    refusals: tuple[Step, ...] = ()
    remedy: Remedy | None = None

    def to_data(self) -> dict[str, object]:
        """For JSON."""
        return {
            "question": self.question,
            "answer": self.answer,
            "steps": [step.to_data() for step in self.steps],
            "refusals": [step.to_data() for step in self.refusals],
            "remedy": self.remedy.to_data() if self.remedy else None,
        }

    def lines(self) -> list[str]:
        """As plain text: question, answer, steps, refusals, remedy."""
        text = [self.question, f"  {self.answer}"]
        text += [f"  {number}. {step.text}{_rule(step)}" for number, step in enumerate(self.steps, 1)]
        text += [f"  ✗ {step.text}{_rule(step)}" for step in self.refusals]
        return [*text, f"  remedy: {self.remedy.text}"] if self.remedy else text


def _rule(step: Step) -> str:
    rule = f" ({step.rule})" if step.rule and step.rule not in step.text else ""
    changed = [
        f"{key} {step.before[key]} → {step.after.get(key)}" for key in step.before if step.after and step.before[key] != step.after.get(key)
    ]
    return rule + (f": {'; '.join(changed)}" if changed else "")
