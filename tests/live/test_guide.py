"""The guide's commands for a live network, done as it says."""

from __future__ import annotations

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
NETWORK = "guide"
"""The name that live networks have in the guide."""


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    if reason := "; ".join(machine.missing()):
        pytest.skip(reason)
    yield
    with suppress(RequestError):
        Place(NETWORK).clear()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_page_shows_what_its_live_commands_do(page: Path) -> None:
    """All of a page in turn; numbers differ from run to run and are left out of the comparison."""
    shown = list(commands(page, LIVE))
    for command, printed in zip(shown, run_in_turn([c.command for c in shown], folder(page)), strict=True):
        assert without_numbers(printed) == without_numbers(command.output), f"{page}:{command.line}: run make goldens as root"
