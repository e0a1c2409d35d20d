"""What the fabric costs a packet, against a veth that joins two namespaces directly; how quickly it is programmed. Needs root; figures are printed.

Packets go from one socket of this process to another, in two namespaces. A round trip is two packets; one way is what it takes to send one and to
have it in the receiver's queue. The interpreter's own share is in both columns. Medians of rounds that take turns, for the machine may be busy.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from figures import Rows

from dualhome._core import Fabric, Namespace
from dualhome.fabric.backend import Batch
from dualhome.fabric.kernel import BIG, KEY4, SIZES, U32
from dualhome.fabric.state import Hop, NextHops, Port, PortKind, State
from dualhome.net import Address, Prefix
from tests.fabric.lab import Lab, missing

CLIENT, SERVER = 16, 17
ENDS = {CLIENT: "16.0.0.4", SERVER: "20.3.7.4"}  # the other one among the many routes
ROUTES, PUTS = 500_000, 4
ROUNDS, PACKETS, SIZE = 9, 4000, 64
STATISTICS = Path("/proc/sys/kernel/bpf_stats_enabled")


def main() -> None:
    """All measurements."""
    if why := missing():
        sys.exit(why)
    rows = Rows("--json" in sys.argv)
    with tempfile.TemporaryDirectory() as directory, fabric(Path(directory)) as lab:
        direct = sockets(*veth(lab))
        through = sockets(lab.guests[CLIENT], lab.guests[SERVER])
        rows.say(f"{'a packet':<28}{'direct veth':>14}{'fabric':>12}{'ratio':>8}{'program alone':>16}")
        packets("10 routes", direct, through, lab, rows)
        programming(lab, rows)
        packets(f"{ROUTES:,} routes", direct, through, lab, rows)
        for each in (*direct, *through):
            each.close()
    rows.end()


@contextmanager
def fabric(directory: Path) -> Iterator[Lab]:
    """Two machines that reach each other by a route to a next hop, and ten routes."""
    lab = Lab(directory, {**SIZES, "ports": 64, "counters": 64 * 16})
    try:
        lab.plug(ENDS, silent=False)
        ports = {
            n: Port(number=n, name=f"p{n}", kind=PortKind.NIC, mac=b"", address=Address.parse(at), network=1, table=2)
            for n, at in ENDS.items()
        }
        routes = {Prefix(4, 172 << 24 | n << 16, 16): NextHops((Hop(SERVER),)) for n in range(8)}
        ends = {Prefix.parse("16.0.0.0/16"): NextHops((Hop(CLIENT),)), Prefix.parse("20.3.0.0/16"): NextHops((Hop(SERVER),))}
        lab.hold(State(ports=ports, tables={2: {**routes, **ends}}))
        for number, at in ENDS.items():
            lab.address(number, at)
        yield lab
    finally:
        lab.close()


def veth(lab: Lab) -> tuple[Namespace, Namespace]:
    """The same two machines, joined directly."""
    a, b = lab.guest("a"), lab.guest("b")
    macs = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
    a.veth("eth0", 0, macs[0], "eth0", b, macs[1])
    for one, own, far, mac in ((a, CLIENT, SERVER, macs[1]), (b, SERVER, CLIENT, macs[0])):
        one.addresses([("eth0", f"{ENDS[own]}/4")])
        one.neighbors([("eth0", ENDS[far], mac)])
    return a, b


def sockets(*guests: Namespace) -> tuple[socket.socket, socket.socket]:
    """A UDP socket in each, joined with the other's."""
    made = [socket.socket(fileno=guest.socket(socket.AF_INET, socket.SOCK_DGRAM)) for guest in guests]
    for one, own, far in ((made[0], CLIENT, SERVER), (made[1], SERVER, CLIENT)):
        one.settimeout(2)
        one.bind((ENDS[own], 7000))
        one.connect((ENDS[far], 7000))
    return made[0], made[1]


Pair = tuple[socket.socket, socket.socket]


def packets(what: str, direct: Pair, through: Pair, lab: Lab, rows: Rows) -> None:
    """Cost of a packet, one way and there and back."""
    alone = program_ns(lab, lambda: round_trip(*through))
    for name, measure in (("one way", one_way), ("round trip", round_trip)):
        direct_s, through_s = [], []
        for _ in range(ROUNDS):
            direct_s.append(measure(*direct))
            through_s.append(measure(*through))
        a, b = median(direct_s) * 1e6, median(through_s) * 1e6
        text = f"{what + ', ' + name:<28}{a:>11.2f} us{b:>9.2f} us{b / a:>8.2f}{alone:>13.0f} ns"
        rows.add(text, what=f"{what}, {name}", unit="us", direct=a, fabric=b, ratio=b / a, program_ns=None if isnan(alone) else alone)


def round_trip(client: socket.socket, server: socket.socket) -> float:
    """Seconds."""
    data = bytes(SIZE)
    began = time.perf_counter()
    for _ in range(PACKETS):
        client.send(data)
        server.send(server.recv(SIZE))
        client.recv(SIZE)
    return (time.perf_counter() - began) / PACKETS


def one_way(client: socket.socket, server: socket.socket) -> float:
    """Seconds to send a packet; what receives it is done in the same system call, up to its queue."""
    data, spent = bytes(SIZE), 0.0
    for _ in range(PACKETS // 50):
        began = time.perf_counter()
        for _ in range(50):
            client.send(data)
        spent += time.perf_counter() - began
        for _ in range(50):
            server.recv(SIZE)
    return spent / (PACKETS // 50 * 50)


def program_ns(lab: Lab, work: Callable[[], object]) -> float:
    """Nanoseconds of a run of the eBPF program, by the kernel's own clock."""
    kept = STATISTICS.read_text()
    STATISTICS.write_text("1")
    try:
        runs, ns = counted(lab)
        work()
        more_runs, more_ns = counted(lab)
    finally:
        STATISTICS.write_text(kept)
    return (more_ns - ns) / (more_runs - runs) if more_runs > runs else float("nan")


def counted(lab: Lab) -> tuple[int, int]:
    """Runs of the program, and their nanoseconds; 0 where nobody tells."""
    if shutil.which("bpftool") is None:
        return 0, 0
    command = ["bpftool", "--json", "prog", "show", "pinned", str(lab.pins / "fabric")]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return told.get("run_cnt", 0), told.get("run_time_ns", 0)


def programming(lab: Lab, rows: Rows) -> None:
    """Routes by the hundred thousand, all of one group; then one write moves them."""
    group = lab.kernel.read().routes[2][Prefix.parse("20.3.0.0/16")]
    routes = [(2, Prefix(4, 20 << 24 | n << 8, 24), group) for n in range(ROUTES)]
    part = ROUTES // PUTS
    seconds = [timed(lambda i=i: lab.kernel.apply([Batch("routes", put=routes[i * part : (i + 1) * part])])) for i in range(PUTS)]
    rate = ROUTES / sum(seconds)
    rows.add(f"{'programmed':<28}{rate:>14,.0f} routes/s", what="programmed", unit="routes/s", fabric=rate)
    keys = b"".join(KEY4.pack(32 + length, BIG.pack(table), BIG.pack(bits)) for table, (_, bits, length), _ in routes)
    values = U32.pack(group) * ROUTES
    maps = Fabric.open(str(lab.pins))
    again = timed(lambda: maps.update("routes4", keys, values))
    text = f"{'  of it the kernel':<28}{ROUTES / again:>14,.0f} routes/s (written again)"
    rows.add(text, what="written again", unit="routes/s", fabric=ROUTES / again)
    hops = [NextHops((Hop(SERVER),)), NextHops((Hop(SERVER), Hop(CLIENT)))]
    switch = [timed(lambda i=i: lab.kernel.apply([Batch("groups", put=[(group, hops[i % 2])])])) for i in range(101)]
    moved, read, counted_s = median(switch) * 1e6, ROUTES / timed(lab.kernel.read), timed(lab.kernel.counters)
    rows.add(f"{'all moved by one group':<28}{moved:>14.0f} us", what="all moved by one group", unit="us", fabric=moved)
    rows.add(f"{'read':<28}{read:>14,.0f} routes/s", what="read", unit="routes/s", fabric=read)
    rows.add(f"{'counters':<28}{counted_s * 1e3:>14.1f} ms for 64 ports", what="counters of 64 ports", unit="ms", fabric=counted_s * 1e3)


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
