"""Why: of a route, a session, an outage. Stories are values; the sentences in them are made here.

In: the engine, and what is asked about. Out: a `Story`. All that it says comes from RIBs (`_core.Rib.explain_import`, `explain_export`), the plan's
terms with their rules, effective routes and traces, the engine's journal and its `decisions`. Begin at `why.story` (a route), then `search.stops` and
`rivals` (why not by another way); `session.session_story`; `outage.outage_story`.
"""

from __future__ import annotations

from dualhome.explain.gap import Gap
from dualhome.explain.outage import outage_story
from dualhome.explain.session import session_story
from dualhome.explain.story import Phase, Remedy, Step, Story
from dualhome.explain.why import story

__all__ = ["Gap", "Phase", "Remedy", "Step", "Story", "outage_story", "session_story", "story"]
