"""Deadlines against the plain way: ask everybody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dualhome.bgp.deadlines import SPARE, Deadlines
from dualhome.units import Instant

Steps = st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 9)), max_size=200)


@given(Steps)
def test_the_earliest_and_the_due_ones_are_those_of_the_last_setting(steps: list[tuple[str, int | None]]) -> None:
    """Whatever was set before, only the last deadline of each name counts; asking changes nothing."""
    deadlines, plain = Deadlines(), {}
    for name, when in steps:
        deadlines.set(name, None if when is None else Instant(when))
        plain[name] = when
        wanted = {each: due for each, due in plain.items() if due is not None}
        assert deadlines.first() == min(wanted.values(), default=None)
        for now in (0, 5, 9):
            assert deadlines.due(Instant(now)) == sorted(each for each, due in wanted.items() if due <= now)


def test_what_was_overtaken_does_not_pile_up() -> None:
    """A hold timer starts again with each message; a million messages are one deadline."""
    deadlines = Deadlines()
    for when in range(10_000):
        deadlines.set("a", Instant(when))
    assert len(deadlines._heap) <= 2 + SPARE + 1
    assert deadlines.due(Instant(9_998)) == []
    assert deadlines.due(Instant(9_999)) == ["a"]
