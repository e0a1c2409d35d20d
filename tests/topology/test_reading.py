"""Both parsers see the same in a text, or the quick one says nothing."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dualhome.topology import reading
from tests.files import ALL
from tests.topology.test_cases import PIECES, SMALL


def seen(text: str, *, quick: bool) -> object:
    """What is read of a text, each value with its place; or why it isn't."""
    with pytest.MonkeyPatch.context() as patch:
        if not quick:
            patch.setattr(reading, "_quick_events", lambda _: None)
        try:
            return reading.read(text, "f")
        except reading.TopologyError as error:
            return error.faults


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_spoiled_text_is_the_same_to_both(data: st.DataObject) -> None:
    text = SMALL
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = (
            text[:start]
            + data.draw(st.sampled_from(PIECES) | st.sampled_from([*"\t*!&?%|>'\"@`\u2028é"]) | st.text(max_size=3))
            + text[end:]
        )
    assert seen(text, quick=True) == seen(text, quick=False)


def test_topologies_are_the_same_to_both() -> None:
    texts = [file.read_text("utf-8") for file in ALL]
    assert all(seen(text, quick=True) == seen(text, quick=False) for text in texts)
    assert sum(reading._quick_events(text) is not None for text in texts) >= len(texts) // 2  # most of them the quick way


def test_a_text_without_end_is_left_to_the_other() -> None:
    assert reading._quick_events("[" * 500_000) is None
    assert reading._quick_events("a: [" + "1," * (4 * reading.MAX_VALUES) + "]") is None
    assert reading._quick_events("a: 1") is not None
