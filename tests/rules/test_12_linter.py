"""Group 12: each finding of section 11 has a design in which it is the only one, and that design mended, in which there is none.

The designs are tests/check/designs, mended by --fix where it can, by tests/check/repairs where somebody has to decide.
"""

from __future__ import annotations

import pytest

from dualhome.app.checking import examine, repair
from dualhome.check import ENTRIES
from tests.check.repairs import BY_HAND
from tests.consoles import ROOT

CODES = [f"L-{number:03}" for number in range(1, 56)]

pytestmark = pytest.mark.rules(
    "R5", "R6", "R7", "R8", "R13", "R16", "R17", "R29", "R30", "R31", "R32", "R34", "R43", "R56", "R58", "R59", "R63", "R66", "R67",
    "R71", "R73", "R74", "R79", "R81", "R85", "R86", "R87", "R88", "R89", "R99", "R101", "R102", "R104", "R111", "R114", "R117", "R120",
    "R122", "R123", "R131", "R133", "R134", "R135", "R138", "R141", "R147", "R150", "R151", "R156", "R165", "R169", "R170", "R171", "R172",
    "R173", "R177", "R180",
)  # fmt: skip


def design(code: str) -> str:
    return (ROOT / "tests/check/designs" / f"{code}.yaml").read_text("utf-8")


@pytest.mark.parametrize("code", CODES)
def test_positive(code: str) -> None:
    verdict = examine(design(code), code)
    assert [(finding.code, finding.severity) for finding in verdict.findings] == [(code, ENTRIES[code].severity)]
    assert not verdict.faults


@pytest.mark.parametrize("code", CODES)
def test_negative(code: str) -> None:
    text = design(code)
    for old, new in BY_HAND.get(code, ()):
        assert old in text
        text = text.replace(old, new)
    done = repair(text, code)
    assert [finding.code for finding in done.done] == ([] if code in BY_HAND else [code])
    assert done.after.findings == ()
    assert done.after.faults == ()
