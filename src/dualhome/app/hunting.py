"""Many seeds at once, each in a process of its own (`dualhome.hunt` runs one)."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from dualhome.hunt.run import Outcome, hunt, shrink

__all__ = ["Outcome", "hunt", "hunt_all", "shrink"]


def hunt_all(seeds: range, jobs: int | None = None) -> Iterator[Outcome]:
    """What became of each seed, in their order; as many at a time as there are processors, unless told otherwise."""
    workers = min(jobs or os.cpu_count() or 1, len(seeds) or 1)
    if workers == 1:
        yield from map(hunt, seeds)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(hunt, seeds, chunksize=4)
        finally:
            pool.shutdown(cancel_futures=True)
