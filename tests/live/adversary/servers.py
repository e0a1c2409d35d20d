"""Speakers under test: ours, and for comparison those of Debian. Each has groups of peers by address range, each with its AS and settings of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.live.adversary.peer import At
from tests.live.adversary.strict import Told

ASN = 65515


@dataclass(frozen=True)
class Group:
    """Peers 127.NET.0.1 … of one AS; `settings` are keys of a route server's file, `told` what they let the speaker send."""

    name: str
    net: int
    asn: int
    count: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    four: bool = True
    longest: int = 4096
    transparent: bool = False
    families: tuple[tuple[int, int], ...] = ((1, 1), (2, 1))

    def address(self, number: int) -> str:
        return f"127.{self.net}.{number // 250}.{number % 250 + 1}"

    def told(self) -> Told:
        return Told(
            asn=ASN, external=self.asn != ASN, four=self.four, longest=self.longest, transparent=self.transparent, families=self.families
        )


GROUPS = {
    each.name: each
    for each in (
        Group("ebgp", 66, 65001, 900),
        Group("ibgp", 68, ASN, 150),
        Group("ebgp2", 69, 65005, 60, four=False),
        Group("big", 70, 65006, 40, longest=65535),
        Group("as4", 71, 4_200_000_001, 20),
        Group("v4", 72, 65007, 40, families=((1, 1),)),
        Group("v6", 73, 65008, 20, families=((2, 1),)),
        Group("watch4", 80, 65002, 1),
        Group("watch2", 81, 65003, 1, four=False),
        Group("watchi", 82, ASN, 1),
        Group("watchx", 83, 65004, 1, longest=65535),
    )
}
WATCHERS = ("watch4", "watch2", "watchi", "watchx")
PLAIN = "route_server_client: false, next_hop: unchanged"
"""A router: own AS before the path, next hops as they came."""

AZURE = "next_hop: unchanged, max_routes: 100000"


def transparent(groups: Mapping[str, Group] = GROUPS) -> dict[str, Group]:
    """The same groups at a route server whose AS is not in the paths (RFC 7947 section 2.2.2)."""
    return {name: replace(each, transparent=True) for name, each in groups.items()}


def free_port(address: str) -> int:
    """One that nobody listens on now."""
    with socket.socket() as each:
        each.bind((address, 0))
        return int(each.getsockname()[1])


class Ours:
    """`dualhome route-server`."""

    name = "dualhome"

    def __init__(
        self, directory: Path, *, port: int = 0, address: str = "127.0.0.91", mode: str = "ideal", extra: str = "",
        groups: Mapping[str, Group] = GROUPS, defaults: str = PLAIN, ranges: bool = False,
    ) -> None:  # fmt: skip
        port = port or free_port(address)
        self.at = At(address, port, ASN)
        self.directory = directory
        self._file = directory / "rs.yaml"
        lines = [
            f"behaves_like: {mode}",
            "instances:",
            f"  - {{name: rs, asn: {ASN}, router_id: {address}, listen: [{address}], port: {port}}}",
            f"defaults: {{{'' if ranges else 'passive: true, '}families: [ipv4, ipv6], timers: {{hold_s: 180}}{', ' + defaults if defaults else ''}}}",
            "log: {level: warning}",
            f"control: {directory}/control",
            *([] if "limits:" in extra else [f"limits: {{peers: {sum(group.count for group in groups.values())}}}"]),
            extra,
            "peers:",
        ]
        for group in groups.values():
            more = "".join(f", {key}: {value}" for key, value in group.settings.items())
            if ranges:
                lines.append(f"  - {{name: {group.name}, range: 127.{group.net}.0.0/16, asn: {group.asn}, limit: 10000{more}}}")
            for number in range(0 if ranges else group.count):
                lines.append(f"  - {{name: {group.name}-{number}, address: {group.address(number)}, asn: {group.asn}{more}}}")
        self._file.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "dualhome.cli", "route-server", "--config", str(self._file)]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            assert self._process.poll() is None, self.log()
            try:
                socket.create_connection((self.at.address, self.at.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"it doesn't listen: {self.log()}")

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def memory_kb(self) -> int:
        assert self._process is not None
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") // 1024

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def wrong(self) -> list[str]:
        """What must never stand in the log."""
        return [
            line
            for line in self.log().splitlines()
            if any(word in line for word in ("Traceback", "panicked", "Exception", "AssertionError"))
        ]

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
