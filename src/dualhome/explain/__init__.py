"""Why a route is there, or where it was lost: from who announced it, hop by hop, to the machine or speaker asked about.

In: the engine, a node, a prefix. Out: a `Story`. All that it says comes from RIBs (`_core.Rib.explain_import`, `explain_export`), the plan's
terms with their rules, effective routes and traces. Begin at `why.story`, then `search.stops`.
"""

from __future__ import annotations

from dualhome.explain.story import Remedy, Step, Story
from dualhome.explain.why import story

__all__ = ["Remedy", "Step", "Story", "story"]
