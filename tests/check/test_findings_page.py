"""The page of findings is the catalogue's."""

from __future__ import annotations

import os

from findings_page import PAGE, page


def test_findings_page_golden() -> None:
    if os.environ.get("REGENERATE"):
        PAGE.write_text(page(), "utf-8")
    assert page() == PAGE.read_text("utf-8"), "run: make goldens"
