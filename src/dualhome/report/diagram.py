"""Drawings of a network: `svg`, laid out here without other programs, and `mermaid`, text that other programs lay out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dualhome.report.layout import place
from dualhome.report.mermaid import mermaid
from dualhome.report.scene import scene
from dualhome.report.svg import svg

if TYPE_CHECKING:
    from dualhome.model import Network
    from dualhome.plan import Plan

FORMS: Final = ("svg", "mermaid")


def draw(network: Network, plan: Plan, form: str = "svg") -> str:
    """The network as text of this form."""
    assert form in FORMS, f"no such drawing: {form}"
    what = scene(network, plan)
    return svg(place(what)) if form == "svg" else mermaid(what)
