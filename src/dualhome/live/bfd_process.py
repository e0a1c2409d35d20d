"""BFD in a process of its own, `python -m dualhome.live.bfd_process [--bpf DIRECTORY]`: sockets, the clock, and a fabric's groups.

In, on stdin, a JSON object a line:

    {"add": {"id": "a", "namespace": "/run/…/ns/hub1-nva", "local": "10.1.0.4", "remote": "10.1.1.4", "device": "", "multihop": true,
             "interval_ms": 50, "multiplier": 3, "port": 17}}       an id that is there: other intervals (a Poll Sequence), or another path
    {"remove": "a"}     {"forget": 17}     {"stop": true}

`port` is the fabric's port to take out of groups on loss, 0 for none; `forget` says that its groups are as they shall be now. A namespace "" is the
process's own. `minimum_ttl` may be given for multihop (1 where it isn't).

Out, on stdout, a line for each change of a state: {"id", "state", "why", "failed", "at_us"}; `failed` is true where an Up session was lost, and not just
switched off at one of its ends; `at_us` is CLOCK_MONOTONIC. What can't be done is said as {"id", "error"}. It ends with `stop`, SIGTERM or the end of stdin.

It does nothing else, so that it is never late: asyncio's timers in a loop that parses updates were late by more than a detection time.
"""

from __future__ import annotations

import argparse
import signal
from typing import Final

from dualhome.fabric.kernel import Kernel
from dualhome.live.bfd_switch import BackendGroups, GroupSwitch, NoSwitch, Switch
from dualhome.live.bfd_worker import Worker
from dualhome.live.urgent import prefer

PRIORITY: Final = 10


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(prog="dualhome.live.bfd_process")
    parser.add_argument("--bpf", default="", help="directory of the fabric's maps")
    worker = Worker(_switch(parser.parse_args().bpf), 0, 1)

    signal.signal(signal.SIGTERM, lambda *_: worker.end())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the parent ends us
    prefer(PRIORITY)
    worker.run()


def _switch(directory: str) -> Switch:
    """Over the fabric's groups; none without a directory."""
    return GroupSwitch(BackendGroups(Kernel.open(None, directory))) if directory else NoSwitch()


if __name__ == "__main__":
    main()
