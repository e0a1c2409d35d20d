"""A bug in the engine is found within 200 seeds, and told by a command that shows it again."""

from __future__ import annotations

import pytest

from dualhome.hunt.run import Outcome, hunt, shrink
from tests.hunt.plants import PLANTS

MOST = 200


def found(patch: pytest.MonkeyPatch, name: str) -> Outcome:
    """The first seed that shows a bug, and holds without it."""
    for seed in range(MOST):
        with patch.context() as planted:
            PLANTS[name](planted)
            outcome = hunt(seed)
        if outcome.broken and not hunt(seed).broken:
            return outcome
    raise AssertionError(f"{name}: not found within {MOST} seeds")


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_found_and_made_smaller(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = found(monkeypatch, name)
    PLANTS[name](monkeypatch)
    least = shrink(outcome)
    again = hunt(least.seed, frozenset(fault.number for fault in least.faults))
    assert again.broken == least.broken
    assert len(least.faults) <= len(outcome.faults)
    for fault in least.faults:
        others = frozenset(each.number for each in least.faults) - {fault.number}
        assert not hunt(least.seed, others).broken, f"{fault} isn't needed"
