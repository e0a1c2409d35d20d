"""The whole network as one machine: all speakers, what carries their sessions, what is broken, what is programmed on NICs.

In: events and the time (`events`). Out: effects on transports, and answers: it is the `World` that forwarding asks. A driver (`sim`) performs the
effects and keeps the time. Begin at `engine.Engine.handle`; then `faults` (what is broken), `carriers` (does a session's packet arrive), `force`
(the plan as failures and announcements leave it in force), `programs` (what NICs have), `rest` (why it isn't settled), `decisions`
(what was decided about destinations that are watched), `views` (answers).
"""

from dualhome.engine.engine import Engine
from dualhome.engine.events import JournalEntry, Target

__all__ = ["Engine", "JournalEntry", "Target"]
