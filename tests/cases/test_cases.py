"""Networks from documents and real labs, run as scenarios: the examples, and the shared cases where they lie beside the project."""

from __future__ import annotations

from pathlib import Path

import pytest

import dualhome
from tests.files import ALL, SHARED


@pytest.mark.parametrize("file", ALL, ids=lambda p: p.parent.name if p.stem == "topology" else p.stem)
def test_everything_that_a_scenario_expects_holds(file: Path) -> None:
    results = dualhome.load(file).test()
    assert results, f"{file} expects nothing"
    wrong = [result.message for result in results if not result.ok]
    assert not wrong, "\n".join(wrong)


@pytest.mark.skipif(not SHARED, reason="the shared cases are not beside the project")
def test_the_shared_cases_are_there() -> None:
    assert len(SHARED) > 20
