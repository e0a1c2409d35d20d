"""Scenarios: events, and what must hold after them (topology-format.md section 2).

In: a `Topology` with its steps, and something to do them to (a `Subject`, which `app.Run` is). Out: a `CheckResult` for each expected
item, in the user's words and with the line that asked for it. What an expected item means is in `matchers`, what a path must be like in `paths`,
how a step is done in `runner`. Begin at `runner.run`.
"""

from dualhome.scenario.results import CheckResult
from dualhome.scenario.runner import Subject, run

__all__ = ["CheckResult", "Subject", "run"]
