"""A fabric in this machine's kernel for tests: a namespace for each port, and frames that go in at one and come out at another."""

from __future__ import annotations

import errno
import os
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dualhome._core import Namespace, namespace_create, namespace_directory_delete
from dualhome.fabric.difference import difference
from dualhome.fabric.flow import Frame
from dualhome.fabric.kernel import SIZES, Kernel
from dualhome.fabric.state import GATEWAY_MAC, Reason, State
from dualhome.net import WIDTH, Address
from tests.fabric import wire

SMALL: Mapping[str, int] = {**SIZES, "ports": 64, "counters": 64 * 16}
PATIENCE_S = 5.0
ALL_PROTOCOLS = 0x0003
OUTGOING = 4  # packet(7)


def missing() -> str:
    """Why these can't run here; "" where they can."""
    if os.geteuid() != 0:
        return "eBPF and network namespaces need root"
    tools = [tool for tool in ("ip", "nsenter", "mount", "ping") if shutil.which(tool) is None]
    return f"{', '.join(tools)} not installed (Debian: iproute2 util-linux mount iputils-ping)" if tools else ""


def mac_of(number: int) -> bytes:
    return bytes.fromhex("0264") + number.to_bytes(4)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a frame: the reason that was counted, with its octets, and where it came out (0: nowhere)."""

    reason: Reason
    length: int
    target: int = 0
    seen: wire.Seen | None = None


class Lab:
    """One namespace a port, `guests[number]`, with an interface eth0; the fabric's own, its maps and pins. Closed, all of it is gone."""

    def __init__(self, path: Path, sizes: Mapping[str, int] = SMALL) -> None:
        self.path, self.pins, self.state = path, path / "bpf" / "fabric", State()
        self.patience_s = PATIENCE_S
        self.last = b""  # the frame that came out last
        self.guests: dict[int, Namespace] = {}
        self._sockets: dict[int, socket.socket] = {}
        for each in ("ns", "bpf"):
            (path / each).mkdir()
        subprocess.run(["mount", "-t", "bpf", "bpf", str(path / "bpf")], check=True)
        self.pins.mkdir()
        self.namespace = self.guest("fabric")
        self.namespace.sysctl([("net.ipv6.conf.default.disable_ipv6", "1")])
        self.kernel = Kernel.create(self.namespace, str(self.pins), sizes)

    def close(self) -> None:
        for each in self._sockets.values():
            each.close()
        namespace_directory_delete(self.path / "ns")
        subprocess.run(["umount", str(self.path / "bpf")], check=True)

    def plug(self, numbers: Iterable[int], *, silent: bool = True) -> None:
        """Ports with guests behind them; a silent guest says nothing by itself."""
        numbers = list(numbers)
        for number in numbers:
            guest = self.guests[number] = self.guest(f"guest{number}")
            quiet = ("disable_ipv6", "1") if silent else ("accept_dad", "0")
            guest.sysctl([(f"net.ipv6.conf.default.{quiet[0]}", quiet[1]), ("net.ipv4.ping_group_range", "0 0")])
            guest.link_up("lo")
        self.namespace.veths([(f"p{n}", n, bytes.fromhex("0265") + n.to_bytes(4), "eth0", self.guests[n], mac_of(n), 0) for n in numbers])
        self.kernel.attach(numbers)

    def hold(self, state: State) -> None:
        """Make the fabric hold this, from whatever it holds. Its ports get the MAC addresses of their guests."""
        ports = {number: replace(port, mac=mac_of(number)) for number, port in state.ports.items()}
        self.state = replace(state, ports=ports)
        self.kernel.apply(difference(self.kernel.read(), self.state))

    def address(self, number: int, *addresses: str) -> None:
        """Make the guest's kernel speak, as a node of a live network does."""
        guest = self.guests[number]
        guest.addresses([("eth0", f"{each}/{WIDTH[Address.parse(each).version]}") for each in addresses])
        guest.neighbors([("eth0", "169.254.0.1", GATEWAY_MAC), ("eth0", "fe80::1", GATEWAY_MAC)])
        self.run(number, "ip route replace default via 169.254.0.1 dev eth0 onlink")
        if any(":" in each for each in addresses):
            self.run(number, "ip -6 route replace default via fe80::1 dev eth0 onlink")

    def guest(self, name: str) -> Namespace:
        """One more namespace."""
        namespace_create(self.path / "ns" / name)
        return Namespace(self.path / "ns" / name)

    def run(self, number: int, command: str) -> str:
        """What a command says inside a guest."""
        words = ["nsenter", f"--net={self.guests[number].path}", *command.split()]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def socket(self, number: int, family: int, kind: int) -> socket.socket:
        """A socket inside a guest."""
        made = socket.socket(fileno=self.guests[number].socket(family, kind))
        made.settimeout(PATIENCE_S)
        return made

    def send(self, frame: Frame) -> Outcome:
        """Let a guest send this, and see what becomes of it."""
        return self.send_bytes(frame.port, wire.encode(frame))

    def send_bytes(self, number: int, data: bytes) -> Outcome:
        """The same for any frame; `seen` is only there for IP."""
        sockets = {n: self.raw(n) for n in self.guests}
        before = self.kernel.counters()
        sockets[number].send(data)
        reason, length = self._counted(number, before)
        if reason not in (Reason.FORWARDED, Reason.ANSWERED):
            assert not self._arrived(sockets, 0), f"{reason.name}, but it came out"
            return Outcome(reason, length)
        arrived = self._arrived(sockets, self.patience_s)
        assert len(arrived) == 1, f"{reason.name}, and came out {len(arrived)} times"
        ((target, found),) = arrived
        is_ip = found[12:14] in (b"\x08\0", b"\x86\xdd")
        self.last = found
        return Outcome(reason, length, target, wire.decode(found) if is_ip else None)

    # --- inside -------------------------------------------------------------------------------------------------------

    def raw(self, number: int) -> socket.socket:
        """All frames at a guest's interface."""
        if number not in self._sockets:
            made = socket.socket(fileno=self.guests[number].socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS)))
            made.setblocking(False)
            made.bind(("eth0", ALL_PROTOCOLS))
            self._sockets[number] = made
        return self._sockets[number]

    def _counted(self, number: int, before: Mapping[tuple[int, Reason], tuple[int, int]]) -> tuple[Reason, int]:
        deadline = time.monotonic() + self.patience_s
        while time.monotonic() < deadline:
            for (port, reason), (packets, size) in self.kernel.counters().items():
                known, known_size = before.get((port, reason), (0, 0))
                if port == number and packets > known:
                    return reason, size - known_size
        raise AssertionError(f"port {number} counted nothing")

    @staticmethod
    def _arrived(sockets: Mapping[int, socket.socket], patience_s: float) -> list[tuple[int, bytes]]:
        """Frames that came in at guests; waits for the first so long."""
        found: list[tuple[int, bytes]] = []
        deadline = time.monotonic() + patience_s
        while True:
            ready, _, _ = select.select(list(sockets.values()), [], [], 0 if found else max(0.0, deadline - time.monotonic()))
            if not ready:
                return found
            for number, each in sockets.items():
                if each not in ready:
                    continue
                try:
                    data, (_, _, kind, *_) = each.recvfrom(65535)
                except OSError as error:
                    if error.errno != errno.ENETDOWN:  # said once, of an interface that went down
                        raise
                    continue
                if kind != OUTGOING:
                    found.append((number, data))
