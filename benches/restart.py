"""A route server is killed (`kill -9`) under a stream of packets and started again: how many of them are lost?

    .venv/bin/python benches/restart.py             100,000 routes, 4,000 packets a second
    .venv/bin/python benches/restart.py --quick     2,000 routes: does it work here?

`graceful`   one route server stands between a router and its routes, with graceful restart (RFC 4724): both its neighbors keep what it told, the kernel keeps
             what it wrote. No packet may be lost while it is away and when it comes back.
`instances`  a live network (`dualhome up --isolate`), whose route servers offer no graceful restart, as Azure's don't: the first instance of one is killed. No packet
             may be lost, for there is another.
`alone`      as `graceful`, but without graceful restart: packets must be lost, so that losses are seen where there are any.

In `graceful` and `alone` there are namespaces in a row, each with `dualhome route-server`: `client`, which sends the packets, `middle`, which is killed, and two
that originate half of all routes each; the first two write them into their kernels. Needs root. Exits with 1 where a packet was lost that must not be, or where `alone` lost none.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from figures import machine, machine_line, table

import dualhome
from dualhome._core import ROUTE_PROTOCOL, Namespace, namespace_directory_delete, namespaces_create
from dualhome.app import LiveRun, Net, down
from dualhome.app.live import UpOptions
from dualhome.errors import DualhomeError
from dualhome.live.layout import lay_out
from dualhome.live.probes import ends
from dualhome.live.probing import Prober
from dualhome.live.route_server.control import ask

ROOT: Final = Path(__file__).resolve().parent.parent
COMMAND: Final = (sys.executable, "-m", "dualhome.cli", "route-server", "--config")
EXAMPLE: Final = ROOT / "examples/2-expressroute/topology.yaml"
CASES: Final = ("graceful", "instances", "alone")
COLUMNS: Final = ("case", "routes", "killed", "away_s", "settled_s", "sent", "lost", "longest_gap_ms", "verdict")
FAR: Final = {"far1": "10.9.0.3", "far2": "10.9.0.4"}
"""Each originates half of all, as a file holds no more than 100,000 values."""
STATIC: Final = 4  # the kernel's mark of routes that somebody wrote by hand
STREAMS: Final = 8
"""To as many destinations, spread over all routes."""
PATIENCE_S: Final = 180.0
TAIL_S: Final = 3.0
"""Packets go on so long after all has settled, for what a restart throws away at its end."""

Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How much of everything. `away_s`: how long the killed one stays away, as a supervisor waits before it starts it again."""

    routes: int
    rate: int
    away_s: float


def prefixes(count: int) -> Iterator[str]:
    """/24s from 20.0.0.0 on."""
    for number in range(count):
        yield f"{20 + number // 65536}.{number // 256 % 256}.{number % 256}.0/24"


@dataclass(slots=True)
class Daemon:
    """A route server of its own process."""

    folder: Path
    name: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def control(self) -> Path:
        """Where it answers."""
        return self.folder / f"{self.name}.sock"

    def start(self) -> None:
        """Once more."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen([*COMMAND, str(self.folder / f"{self.name}.yaml")], stdout=log, stderr=log)

    def kill(self) -> None:
        """Without a word."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Politely."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
            self.process.kill()

    def sessions(self) -> list[dict[str, Any]]:
        """Its status."""
        return ask(self.control, {"ask": "status"})  # type: ignore[no-any-return]

    def said(self) -> str:
        """The end of its log."""
        return (self.folder / f"{self.name}.log").read_text("utf-8")[-1000:].strip()


def until(holds: Callable[[], object], what: str, daemons: Iterable[Daemon] = ()) -> float:
    """Seconds until it holds; SystemExit where it doesn't in time, or one of these has ended."""
    begin = time.monotonic()
    while True:
        with suppress(DualhomeError):
            if holds():
                return time.monotonic() - begin
        for each in daemons:
            if each.process is not None and each.process.poll() is not None:
                sys.exit(f"restart: {each.name} has ended with {each.process.returncode}: {each.said()}")
        if time.monotonic() - begin > PATIENCE_S:
            sys.exit(f"restart: {what}: not within {PATIENCE_S:.0f} s; {'; '.join(f'{each.name}: {each.said()}' for each in daemons)}")
        time.sleep(0.05)


# --- packets ----------------------------------------------------------------------------------------------------------------


class Packets:
    """Streams of probes from now on; `read` says what became of all of them."""

    def __init__(self, streams: Mapping[str, Mapping[str, Any]], rate: int, environment: Mapping[str, str] | None = None) -> None:
        self._prober = Prober(environment)
        self._names: Final = tuple(streams)
        for name, where in streams.items():
            self._prober.add(name, flows=4, rate=max(1, rate // len(streams)), **where)

    def read(self) -> Row:
        """Packets sent and lost, and the longest time without one."""
        all_ = [self._prober.read(name) for name in self._names]
        return {
            "sent": sum(int(each["sent"]) for each in all_),
            "lost": sum(int(each["lost"]) for each in all_),
            "longest_gap_ms": round(max(float(each["longest_gap_ms"]) for each in all_), 1),
        }

    def close(self) -> None:
        """No more."""
        self._prober.close()


# --- route servers in a row --------------------------------------------------------------------------------------------


def configuration(
    folder: Path, name: str, address: str, asn: int, peers: Sequence[str], *, graceful: bool, originates: Sequence[str]
) -> str:
    """A route server's file; `peers` are its peers' rows."""
    return "\n".join(
        [
            "behaves_like: ideal",
            f"instances: [{{name: {name}, asn: {asn}, router_id: {address}, listen: [{address}], namespace: {folder / 'ns' / name}}}]",
            f"control: {folder / name}.sock",
            *([f"state: {folder / 'state'}"] if graceful else []),
            f"defaults: {{next_hop: self, route_server_client: false, graceful_restart: {'true' if graceful else 'false'}}}",
            *([] if originates else ["programming: {kernel: {table: 254, metric: 20}}"]),
            "peers:",
            *(f"  - {{{each}}}" for each in peers),
            *(["originate:", *(f"  - {each}" for each in originates)] if originates else []),
            "log: {level: warning}",
            "",
        ]
    )


@contextmanager
def row_of_three(folder: Path, wanted: Wanted, graceful: bool) -> Iterator[tuple[dict[str, Daemon], dict[str, Namespace]]]:
    """The three of them, with all routes everywhere."""
    (folder / "ns").mkdir()
    (folder / "state").mkdir()
    names = ("client", "middle", *FAR)
    with ExitStack() as stack:
        stack.callback(namespace_directory_delete, folder / "ns")
        namespaces_create([folder / "ns" / name for name in names])
        spaces = {name: Namespace(folder / "ns" / name) for name in names}
        _wire(spaces)
        middle = "name: middle, address: 10.9.0.2, asn: 65002"
        to = {
            "client": ("10.9.0.1", 65001, [middle]),
            "middle": (
                "10.9.0.2",
                65002,
                ["name: client, address: 10.9.0.1, asn: 65001", *(f"name: {far}, address: {at}, asn: 65003" for far, at in FAR.items())],
            ),
            **{far: (at, 65003, [middle]) for far, at in FAR.items()},
        }
        half = wanted.routes // 2
        theirs = dict(zip(FAR, (list(prefixes(wanted.routes))[:half], list(prefixes(wanted.routes))[half:]), strict=True))
        daemons = {}
        for name, (address, asn, peers) in to.items():
            text = configuration(folder, name, address, asn, peers, graceful=graceful, originates=theirs.get(name, ()))
            (folder / f"{name}.yaml").write_text(text)
            daemons[name] = Daemon(folder, name)
            daemons[name].start()
            stack.callback(daemons[name].end)
        until(lambda: settled(daemons, spaces, wanted), "route servers with all routes", daemons.values())
        yield daemons, spaces


def _wire(spaces: Mapping[str, Namespace]) -> None:
    def mac(number: int) -> bytes:
        return bytes([2, 0, 0, 0, 0, number])

    client, middle = spaces["client"], spaces["middle"]
    client.veth("eth0", 0, mac(1), "eth0", middle, mac(2))
    for number, far in enumerate(FAR, 1):
        middle.veth(f"eth{number}", 0, mac(2 * number + 1), "eth0", spaces[far], mac(2 * number + 2))
    for space in spaces.values():
        space.link_up("lo")
        space.sysctl([("net.ipv4.ip_forward", "1"), ("net.ipv4.conf.all.rp_filter", "0")])
    client.addresses([("eth0", "10.9.0.1/24")])
    middle.addresses([("eth0", "10.9.0.2/32")])
    for number, to in enumerate(("10.9.0.1", *FAR.values())):
        middle.nexthops([(number + 1, None, f"eth{number}", False)], protocol=STATIC)
        middle.routes([(bytes(map(int, to.split("."))), 32, number + 1)], protocol=STATIC)
    for far, at in FAR.items():
        spaces[far].addresses([("eth0", f"{at}/24")])
        spaces[far].special_routes("local", [(bytes([20, 0, 0, 0]), 7)])  # every address of every prefix is its own


def settled(daemons: Mapping[str, Daemon], spaces: Mapping[str, Namespace], wanted: Wanted) -> bool:
    """All sessions are up, and both kernels have all routes."""
    if not all(each["state"] == "Established" for daemon in daemons.values() for each in daemon.sessions()):
        return False
    accepted = [sum(each["accepted"] for each in daemons[name].sessions() if each["peer"] != "client") for name in ("client", "middle")]
    return accepted == [wanted.routes] * 2 and all(
        sum(row[3] == ROUTE_PROTOCOL for row in spaces[name].route_dump()) == wanted.routes for name in ("client", "middle")
    )


def of_three(case: str, wanted: Wanted, tell: Callable[[str], None]) -> Row:
    """`graceful` and `alone`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with row_of_three(folder, wanted, case == "graceful") as (daemons, spaces):
            tell(f"{case}: {wanted.routes:,} routes are in the kernels")
            every = max(1, wanted.routes // STREAMS)
            targets = [each.replace(".0/24", ".7") for each in list(prefixes(wanted.routes))[::every][:STREAMS]]
            streams = {
                to: {
                    "source": {"namespace": str(folder / "ns/client"), "address": "10.9.0.1"},
                    "destination": to,
                    "targets": [{"namespace": str(folder / "ns" / far), "address": to} for far in FAR],
                }
                for to in targets
            }
            packets = Packets(streams, wanted.rate)
            try:
                time.sleep(1)
                return _killed(case, wanted, packets, daemons["middle"], lambda: settled(daemons, spaces, wanted), tell)
            finally:
                packets.close()


def _killed(
    case: str, wanted: Wanted, packets: Packets, daemon: Daemon, is_settled: Callable[[], bool], tell: Callable[[str], None]
) -> Row:
    before = packets.read()["lost"]
    if before:
        sys.exit(f"restart: {before} packets were lost before anything was done")
    daemon.kill()
    tell(f"{case}: the route server was killed")
    time.sleep(wanted.away_s)
    daemon.start()
    took = until(is_settled, "the route server is back", [daemon])
    tell(f"{case}: all is back {took:.1f} s after it was started again")
    time.sleep(TAIL_S)
    assert is_settled()
    return {"killed": "the one route server", "away_s": wanted.away_s, "settled_s": round(took, 1), **packets.read()}


# --- the live network -----------------------------------------------------------------------------------------------------------


def of_instances(wanted: Wanted, tell: Callable[[str], None]) -> Row:
    """Both NVAs of the article's network announce all routes; the first instance of the spoke's route server is killed."""
    name = f"bench-restart-{os.getpid()}"
    server = {"max_routes_per_peer": wanted.routes + 100}
    patch = {"route_servers": dict.fromkeys(("spoke-rs", "hub1-rs", "hub2-rs"), server)}
    net = Net(dualhome.load(EXAMPLE).topology.changed(patch))
    try:
        with net.up(name, UpOptions(isolate=True)) as live:
            live.settle(60)
            for nva in ("hub1-nva", "hub2-nva"):
                live.announce(nva, list(prefixes(wanted.routes)))
            live.settle(300)
            tell(f"instances: each instance has {wanted.routes:,} routes of each NVA")
            return _instance_killed(live, wanted, tell)
    finally:
        with suppress(DualhomeError):
            down(name)


def _instance_killed(live: LiveRun, wanted: Wanted, tell: Callable[[str], None]) -> Row:
    victim = "spoke-rs#0"
    network = live.network
    pairs = (("spoke-vm", "dc-host"), ("dc-host", "spoke-vm"))
    streams = {f"{a}>{b}": ends(network, lay_out(network), live.place, a, b) for a, b in pairs}
    before = live.status()["processes"][victim]
    packets = Packets(streams, wanted.rate, live.place.environment())
    try:
        time.sleep(1)
        lost = packets.read()["lost"]
        if lost:
            sys.exit(f"restart: {lost} packets were lost before anything was done")
        os.kill(before, signal.SIGKILL)
        begin = time.monotonic()
        tell(f"instances: {victim} was killed")
        until(lambda: live.status()["processes"].get(victim) not in (None, before), "another process")
        away_s = time.monotonic() - begin
        live.settle(300)
        until(lambda: set(live.session_states().values()) == {"Established"}, "all sessions are up")
        took = time.monotonic() - begin - away_s
        tell(f"instances: all is back {took:.1f} s after it was started again")
        time.sleep(TAIL_S)
        return {"killed": victim, "away_s": round(away_s, 1), "settled_s": round(took, 1), **packets.read()}
    finally:
        packets.close()


# --- all of it -------------------------------------------------------------------------------------------------------------------


def verdict(case: str, row: Row) -> str:
    """`fine`, or what isn't."""
    if case == "alone":
        return "fine" if row["lost"] else "no loss was seen where there must be one"
    return "fine" if row["lost"] == 0 else f"{row['lost']} packets were lost"


def main() -> None:
    """All cases, or some."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("cases", nargs="*", help=", ".join(CASES))
    arguments.add_argument("--routes", type=int, help="100,000; 2,000 with --quick")
    arguments.add_argument("--rate", type=int, default=4000, help="packets a second (4000)")
    arguments.add_argument("--away", type=float, default=1.0, help="seconds until it is started again (1)")
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    if unknown := [each for each in given.cases if each not in CASES]:
        arguments.error(f"no such cases: {', '.join(unknown)}")
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    wanted = Wanted(routes=given.routes or (2000 if given.quick else 100_000), rate=given.rate, away_s=given.away)
    print(machine_line(), file=sys.stderr)
    rows: list[Row] = []
    for case in given.cases or CASES:
        row = of_instances(wanted, _say) if case == "instances" else of_three(case, wanted, _say)
        rows.append({"case": case, "routes": wanted.routes, **row, "verdict": verdict(case, row)})
    if given.json:
        print(json.dumps({"machine": machine(), "rows": rows}, indent=1))
    else:
        print(table(rows, COLUMNS))
    sys.exit(any(row["verdict"] != "fine" for row in rows))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
