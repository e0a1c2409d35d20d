"""Findings about a design: what will not work, or not as expected, and what helps. One function a finding, each with its L code.

In: a `Network`, its `Plan`, (for findings that need its routes) the engine once it has settled, and (for those about changes) the scenario. Out:
`Finding`s, with their remedy as data where the file can be changed so. Begin at `findings`, then `catalogue.CHECKS`; `entries` says of each code what
it is about. Codes up to L-055 are those of the rules' section 11, those from L-101 on our own. What Azure refuses outright never gets here: reading
the file tells it, under the same codes; `refusal` makes findings of that.
"""

from __future__ import annotations

from dualhome.check.catalogue import CHECKS, findings
from dualhome.check.entries import ENTRIES, Entry
from dualhome.check.finding import Check, Finding
from dualhome.check.refusals import refusal

__all__ = ["CHECKS", "ENTRIES", "Check", "Entry", "Finding", "findings", "refusal"]
