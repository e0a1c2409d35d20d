"""Routing programs of others that may speak for an NVA or on-premises router: their configuration from the plan, their command lines, their answers.

In: a `Job` (`job_of`). Out: text and commands, all files in one directory; whoever calls starts and ends the processes, in the node's namespace.
Begin at `Runtime`; `RUNTIMES` has FRR 8.4 and BIRD 2.0, as Debian 12 packages them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dualhome.live.runtimes.bird import Bird
from dualhome.live.runtimes.frr import Frr
from dualhome.live.runtimes.job import Job, Learned, Process, Runtime, job_of

__all__ = ["RUNTIMES", "Bird", "Frr", "Job", "Learned", "Process", "Runtime", "job_of"]

RUNTIMES: Final[Mapping[str, Runtime]] = {"frr": Frr(), "bird": Bird()}
