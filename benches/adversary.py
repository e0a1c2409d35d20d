"""How BGP speakers take what a peer must not send: ours, and those of Debian that are installed, by the tables of tests/live/adversary.

python benches/adversary.py [--engines dualhome,bird,frr,openbgpd] [--only WORDS] [--mutated N --group ebgp --seed S] [--stories] [-v]

Each line of a table says what the RFCs allow; the score is how many lines a speaker fails. Where others fail, the line's expectation is worth
a second look. Mutated UPDATEs are judged by an oracle of RFC 7606's text.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.live.adversary import attributes, burdens, families, lists, messages, opens, stories, storm, unknown
from tests.live.adversary.bench import Bench, Case
from tests.live.adversary.messages import Message
from tests.live.adversary.others import OTHERS
from tests.live.adversary.peer import World
from tests.live.adversary.servers import AZURE, GROUPS, Group, Ours, transparent

TABLES = (attributes, families, lists, unknown, messages, opens)


def cases(only: str) -> Iterator[Case | Message]:
    """All lines with these words in their name."""
    for table in TABLES:
        for case in table.all_cases():
            if only in case.name:
                yield case


def judged(bench: Bench, server: Any, case: Case | Message, name: str) -> list[str]:
    """What is wrong; a case about our own address is about a server of ours alone."""
    if isinstance(case, Case) and case.only and name != "dualhome":
        return []
    try:
        return messages.run(bench, case) if isinstance(case, Message) else bench.run(case).wrong
    except AssertionError as error:
        for peer in [peer for peer in bench.world.peers if peer not in bench.watchers]:
            peer.close()
        return [f"can't be told: {error}"]


def server_of(name: str, directory: Path, mode: str, groups: dict[str, Group]) -> Any:
    """The speaker under test, not started yet."""
    if name != "dualhome":
        return OTHERS[name](directory, groups=groups)
    if mode == "ranges":
        return Ours(directory, groups=groups, ranges=True)
    if mode == "azure":
        return Ours(directory, mode="azure", defaults=AZURE, groups=groups)
    return Ours(directory, groups=groups) if mode == "router" else Ours(directory, groups=groups, defaults="")


def score(name: str, args: argparse.Namespace) -> tuple[int, int]:
    """(lines, failed ones) of one speaker."""
    groups = transparent(GROUPS) if args.mode == "server" else dict(GROUPS)
    if args.mutated:
        groups[args.group] = dataclasses.replace(groups[args.group], count=max(60, args.mutated * 45 // 100))
    with tempfile.TemporaryDirectory() as directory:
        server = server_of(name, Path(directory), args.mode, groups)
        server.start()
        world = World(server.at)
        try:
            bench = Bench(world, groups, tags=args.mode == "azure")
            began, count, failed = time.monotonic(), 0, 0
            if args.mutated:
                result = storm.run(bench, args.seed, args.mutated, args.group)
                print(f"{name}: {result}")
                for line in result.wrong if args.verbose else result.wrong[:10]:
                    print(f"  {line}")
                return result.sent, len(result.wrong)
            lines: Iterator[Any] = iter(burdens.STORIES) if args.stories else cases(args.only)
            for each in lines:
                if args.stories and args.only not in each.name:
                    continue
                wrong = stories.run(each, bench, server) if args.stories else judged(bench, server, each, name)
                count, failed = count + 1, failed + bool(wrong)
                if wrong and (args.verbose or name == "dualhome"):
                    print(f"{name}: {each.name} ({each.source}): {'; '.join(wrong)[:300]}", flush=True)
                if not all(watcher.up for watcher in bench.watchers):
                    time.sleep(2)
                    bench.watch()
                if not server.alive():
                    print(f"{name}: DEAD after {each.name}")
                    break
            print(
                f"{name}: {failed} of {count} lines failed, {time.monotonic() - began:.1f} s, {len(server.wrong())} exceptions in the log"
            )
            return count, failed
        finally:
            world.close()
            server.stop()


def main() -> int:
    """Score the speakers; 1 where ours fails a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="dualhome")
    parser.add_argument("--mode", default="router", choices=["router", "server", "azure", "ranges"], help="what ours behaves like")
    parser.add_argument("--only", default="", help="lines with these words in their name")
    parser.add_argument("--mutated", type=int, default=0)
    parser.add_argument("--group", default="ebgp")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stories", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    failed = 0
    for name in args.engines.split(","):
        if name != "dualhome" and OTHERS[name].missing():
            print(f"{name}: not installed")
            continue
        wrong = score(name, args)[1]
        failed += wrong if name == "dualhome" else 0
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
