"""The slow decision process stands in `dualhome.hunt.decision`; tests compare the core with the same one."""

from dualhome.hunt.decision import Candidate, Candidates, Decision, decide, order_of, rounds_of

__all__ = ["Candidate", "Candidates", "Decision", "decide", "order_of", "rounds_of"]
