"""Networks from documents and real labs, run as scenarios: the examples, and the shared cases where they lie beside the project."""

from __future__ import annotations

from pathlib import Path

import pytest

import dualhome
from tests.consoles import ROOT

SHARED = ROOT.parent / "shared" / "cases"
EXAMPLES = sorted((ROOT / "examples").glob("*/topology.yaml"))
CASES = sorted(SHARED.glob("*.yaml"))
OURS = sorted(Path(__file__).parent.glob("*.yaml"))


@pytest.mark.parametrize("file", [*EXAMPLES, *OURS, *CASES], ids=lambda p: p.parent.name if p.stem == "topology" else p.stem)
def test_everything_that_a_scenario_expects_holds(file: Path) -> None:
    results = dualhome.load(file).test()
    assert results, f"{file} expects nothing"
    wrong = [result.message for result in results if not result.ok]
    assert not wrong, "\n".join(wrong)


@pytest.mark.skipif(not CASES, reason="the shared cases are not beside the project")
def test_the_shared_cases_are_there() -> None:
    assert len(CASES) > 20
