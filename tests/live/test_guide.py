"""The guide's commands for a live network, done as it says."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dualhome.errors import RequestError
from dualhome.live import machine
from dualhome.live.place import Place
from tests.consoles import LIVE, ROOT, commands, documents, folder, run_in_turn, without_numbers

pytestmark = pytest.mark.live

PAGES = [document for document in documents() if any(commands(document, LIVE))]
NAME = re.compile(r"\bguide\b")
"""What the guide calls its network; the test's has a name of its own, for others run beside it."""
OWN = f"guide-{os.getpid()}"


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    if reason := "; ".join(machine.missing()):
        pytest.skip(reason)
    yield
    with suppress(RequestError):
        Place(OWN).clear()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_page_shows_what_its_live_commands_do(page: Path) -> None:
    """All of a page in turn; numbers differ from run to run and are left out of the comparison."""
    shown = list(commands(page, LIVE))
    for command, printed in zip(shown, run_in_turn([NAME.sub(OWN, c.command) for c in shown], folder(page)), strict=True):
        expected = without_numbers(command.output)
        assert without_numbers(printed.replace(OWN, "guide")) == expected, f"{page}:{command.line}: run make goldens as root"


@pytest.mark.rules("R169")
def test_the_bypass_and_its_remedy_hold_for_packets() -> None:
    """From on-premises past the NVA, until the gateway subnets have their route tables."""
    [told] = run_in_turn(["dualhome test -q --live --speed 30 expressroute-bypass.yaml"], ROOT / "docs/guide")
    assert told.endswith("10 passed, 0 failed")
