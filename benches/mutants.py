"""Mutated UPDATEs by the million through the RIB of the BGP core, with watchers that read strictly.

python benches/mutants.py [--count 1000000] [--jobs 2] [--seed S] [--kind external] [--batch N]

What must become of each is said by an oracle of the RFCs' text (tests/fuzz/mutants.py). The first fault of a batch ends the batch, and is
printed with the command that replays it; exit 1 where there was one.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.fuzz import mutants


def one(seed: int, what: tuple[str, int]) -> tuple[Counter[str], str]:
    """Counts of a batch, and what was wrong. A panic of the core is a `BaseException`: it counts as well."""
    kind, number = what
    try:
        return mutants.run(seed, kind, number), ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Counter(), f"{type(error).__name__}: {error}\n  python benches/mutants.py --seed {seed} --kind {kind} --batch {number}"


def batches(options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """Kind and number, the kinds in turn."""
    kinds = [options.kind] if options.kind else list(mutants.KINDS)
    if options.batch is not None:
        yield from ((kind, options.batch) for kind in kinds)
        return
    for at in range(-(-options.count // mutants.PER_BATCH)):
        yield kinds[at % len(kinds)], at // len(kinds)


def main() -> int:
    """The count of faulty batches decides the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--kind", choices=list(mutants.KINDS))
    parser.add_argument("--batch", type=int)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    total: Counter[str] = Counter()
    faults, begin, all_batches = 0, time.monotonic(), list(batches(options))
    with multiprocessing.Pool(options.jobs) as pool:
        for done, (counts, wrong) in enumerate(pool.imap_unordered(functools.partial(one, options.seed), all_batches), 1):
            total += counts
            if wrong:
                faults += 1
                print(wrong, flush=True)
            if done % 50 == 0 or done == len(all_batches):
                words = ", ".join(f"{number:,} {name}" for name, number in sorted(total.items()))
                print(f"{time.monotonic() - begin:6.0f} s  {words}, {faults} faulty batches", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
