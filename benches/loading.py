"""One run against a route server: a network namespace of its own, the daemon, and `dualhome-load` (crates/load) as all of its peers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daemons import Daemon, Place, running

ROOT = Path(__file__).resolve().parent.parent
ADDRESS, PORT, ASN, FIRST_ASN = "198.18.0.1", 1790, 65000, 100001  # RFC 2544's addresses for benchmarks
INSIDE = "DUALHOME_BENCH_NAMESPACE"
Event = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Who announces what to whom, and what comes after that; `then` as crates/load/src/plan.rs has it."""

    name: str
    title: str
    senders: int
    receivers: int = 0
    prefixes: int
    same: bool = False
    preferred: int | None = None
    then: Sequence[Mapping[str, object]] = ()

    @property
    def peers(self) -> int:
        """All speakers."""
        return self.senders + self.receivers

    @property
    def paths(self) -> int:
        """That the route server has of them."""
        return self.senders * self.prefixes


def address_of(peer: int) -> str:
    """The address from which a speaker connects."""
    return f"198.18.{1 + (peer + 1) // 256}.{(peer + 1) % 256}"


def enter() -> None:
    """Go on in a network namespace of our own, where root's may be had: nothing is reachable from outside there, and no port is taken."""
    if os.environ.get(INSIDE):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # daemons end with us
        for words in ("link set lo up", f"address replace {ADDRESS}/15 dev lo"):  # all of the /15 is local then
            subprocess.run(["ip", *words.split()], check=True)
        return
    root = os.geteuid() == 0
    unshare = ["unshare", "--net"] if root else ["unshare", "--user", "--map-root-user", "--net"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        sys.exit("a network namespace is needed, and this machine refuses it: run it as root")
    os.environ[INSIDE] = "root" if root else "user"
    os.execvp("unshare", [*unshare, sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]])


def loader() -> Path:
    """The load generator, built where it isn't or is older than its sources.

    Raises:
        SystemExit: it can't be built.
    """
    if given := os.environ.get("DUALHOME_LOAD"):
        return Path(given)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    binary = target / "release/dualhome-load"
    newest = max(file.stat().st_mtime for file in (ROOT / "crates/load").rglob("*.*"))
    if not binary.exists() or binary.stat().st_mtime < newest:
        if shutil.which("cargo") is None:
            sys.exit("the load generator isn't built, and cargo is missing: install Rust, https://rustup.rs")
        print("building the load generator (a minute on a new machine)", file=sys.stderr)
        if subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "dualhome-load"], cwd=ROOT, check=False).returncode:
            sys.exit("the load generator can't be built")
    return binary


def run(
    daemon: Daemon,
    scenario: Scenario,
    seed: int = 1,
    timeout_s: float = 180,
    quiet_s: float = 1.0,
    tell: Callable[[Event], None] = lambda event: None,
) -> list[Event]:
    """What the load generator says of a scenario, line by line; `tell` hears it as it comes. A last event `failed` says what went wrong."""
    events: list[Event] = []
    with tempfile.TemporaryDirectory(prefix="dualhome-bench-") as scratch:
        directory = Path(scratch)
        directory.chmod(0o755)  # there are daemons that become somebody else
        peers = [(address_of(n), FIRST_ASN + n) for n in range(scenario.peers)]
        place = Place(directory=directory, address=ADDRESS, port=PORT, asn=ASN, peers=peers)
        try:
            with running(daemon, place) as pids:
                for event in _load(_plan(daemon, scenario, pids) | {"seed": seed, "timeout_s": timeout_s, "quiet_s": quiet_s}):
                    events.append(event)
                    tell(event)
        except RuntimeError as error:
            events.append({"event": "failed", "why": str(error)})
    return events


def _plan(daemon: Daemon, scenario: Scenario, pids: Sequence[int]) -> dict[str, object]:
    return {
        "to": f"{ADDRESS}:{PORT}", "first_address": address_of(0), "asn": ASN, "first_asn": FIRST_ASN,
        "senders": scenario.senders, "receivers": scenario.receivers, "prefixes": scenario.prefixes,
        "table": "same" if scenario.same else "disjoint", "preferred": scenario.preferred, "own": daemon.own,
        "pids": list(pids), "then": list(scenario.then),
    }  # fmt: skip


def _load(plan: Mapping[str, object]) -> Iterator[Event]:
    with subprocess.Popen([loader(), json.dumps(plan)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as made:
        assert made.stdout is not None
        assert made.stderr is not None
        try:
            for line in made.stdout:
                yield json.loads(line)
        finally:
            if made.poll() is None and sys.exc_info()[0] is not None:
                made.terminate()
        complaint = made.stderr.read().strip()
    if made.returncode not in (0, 1):
        raise RuntimeError(complaint or f"the load generator ended with {made.returncode}")
