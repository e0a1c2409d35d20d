"""The whole network as one machine: all speakers, what carries their sessions, what is broken, what is programmed on NICs.

In: events and the time (`events.py`). Out: effects on transports, and answers: it is the `World` that forwarding asks. A driver (`sim`) performs
the effects and keeps the time. Its inputs can be written down and played again. Begin at `engine.Engine.handle`, then `faults`, `carriers`,
`programs`.
"""

from __future__ import annotations

from dualhome.engine.engine import Engine
from dualhome.engine.events import JournalEntry, Target

__all__ = ["Engine", "JournalEntry", "Target"]
