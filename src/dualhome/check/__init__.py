"""Findings about a design: what will not work, or not as expected, and what helps. One function a finding, each with its L code.

In: a `Network`, its `Plan`, and (for findings that need its routes) the engine once it has settled. Out: `Finding`s. Begin at `findings`, then
`catalogue.CHECKS`. Codes are those of the rules' section 11; those that the format cannot express (security groups, Virtual WAN, point-to-site,
expectations that a file does not state) are listed in `catalogue.NOT_EXPRESSIBLE`.
"""

from __future__ import annotations

from dualhome.check.catalogue import CHECKS, NOT_EXPRESSIBLE, findings
from dualhome.check.finding import Check, Finding

__all__ = ["CHECKS", "NOT_EXPRESSIBLE", "Check", "Finding", "findings"]
