"""For processes that must not be late."""

from __future__ import annotations

import gc
import os
from contextlib import suppress

NICE = -10


def prefer(priority: int) -> None:
    """Run before others: in real time at this priority where the machine allows it, else a better nice value; and never stop to collect garbage."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))
    except OSError:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, NICE)
    gc.collect()
    gc.freeze()
    gc.disable()
