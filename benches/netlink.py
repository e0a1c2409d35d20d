"""How many routes a second go into the kernel, against `ip -batch` in the same namespace. Needs root; figures are printed, not asserted."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from figures import Rows

from dualhome._core import Namespace, namespace_create, namespace_directory_delete

ROUTES = 100_000
MAC = bytes.fromhex("123456789abc")


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes once."""
    begin = time.perf_counter()
    refused = work()
    assert not refused, refused
    return time.perf_counter() - begin


def batch(namespace: Namespace, directory: Path, lines: list[str]) -> Callable[[], None]:
    """A run of `ip -batch` inside."""
    path = directory / "batch"
    path.write_text("\n".join(lines) + "\n")

    def run() -> None:
        subprocess.run(["nsenter", f"--net={namespace.path}", "ip", "-batch", str(path)], check=True)

    return run


def report(rows: Rows, what: str, ours: float, theirs: float, routes: int = ROUTES) -> None:
    """One line: routes a second by both, and the ratio."""
    rows.add(
        f"{what:<28} {routes / ours:>12,.0f} routes/s   ip -batch {routes / theirs:>12,.0f} routes/s   x {theirs / ours:.1f}",
        what=what,
        unit="routes/s",
        ours=routes / ours,
        ip_batch=routes / theirs,
        ratio=theirs / ours,
    )


def measure(namespace: Namespace, directory: Path, rows: Rows) -> None:
    """Put, move and drop: ours, then `ip`'s."""
    prefixes = [(20 << 24 | n << 8).to_bytes(4, "big") for n in range(ROUTES)]
    texts = [".".join(map(str, p)) + "/24" for p in prefixes]
    put = timed(lambda: namespace.routes([(p, 24, 10) for p in prefixes]))
    dump = timed(lambda: namespace.route_dump() and None)
    move = timed(lambda: namespace.nexthops(groups=[(10, [2])]))
    drop = timed(lambda: namespace.routes(drop=[(p, 24) for p in prefixes]))
    ip_put = timed(batch(namespace, directory, [f"route replace {t} nhid 10 proto 84" for t in texts]))
    ip_move = timed(batch(namespace, directory, ["nexthop replace id 10 group 1"]))
    ip_drop = timed(batch(namespace, directory, [f"route del {t} proto 84" for t in texts]))
    report(rows, "put", put, ip_put)
    report(rows, "drop", drop, ip_drop)
    moved = f"{'all moved by one group':<28} {move * 1e3:>12.2f} ms         ip -batch {ip_move * 1e3:>12.2f} ms (with its start)"
    rows.add(moved, what="all moved by one group", unit="ms", ours=move * 1e3, ip_batch=ip_move * 1e3, ratio=ip_move / move)
    rows.add(f"{'dump':<28} {ROUTES / dump:>12,.0f} routes/s", what="dump", unit="routes/s", ours=ROUTES / dump)


def main() -> None:
    """All measurements."""
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    rows = Rows("--json" in sys.argv)
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        (directory / "ns").mkdir()
        try:
            namespace_create(directory / "ns/one")
            namespace = Namespace(directory / "ns/one")
            namespace.link_up("lo")
            namespace.sysctl([("net.ipv4.nexthop_compat_mode", "0")])
            namespace.veth("eth0", 0, MAC, "eth1", namespace, b"")
            namespace.nexthops([(1, "169.254.0.1", "eth0", True), (2, "169.254.0.2", "eth0", True)], [(10, [1])])
            measure(namespace, directory, rows)
        finally:
            namespace_directory_delete(directory / "ns")
    rows.end()


if __name__ == "__main__":
    main()
