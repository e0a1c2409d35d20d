"""UDP sockets of BFD inside namespaces (RFC 5881 sections 4 and 5, RFC 5883 section 3)."""

from __future__ import annotations

import errno
import random
import socket
import struct
from dataclasses import dataclass
from typing import Final

from dualhome.errors import SystemRefused
from dualhome.live.udp import udp

SINGLE_HOP_PORT: Final = 3784
MULTIHOP_PORT: Final = 4784
SOURCE_PORTS: Final = (49152, 65535)
TTL: Final = 255
_IP_RECVTTL, _IP_FREEBIND, _IPV6_FREEBIND, _IPV6_RECVHOPLIMIT, _IPV6_HOPLIMIT = 12, 15, 78, 51, 52
_CONTROL_TRAFFIC: Final = 0xC0  # DSCP CS6


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Where a session runs. `namespace`: a file, "" for this process's own; `device`: "" for any; `minimum_ttl` is 255 for a single hop (RFC 5881)."""

    namespace: str
    local: str
    remote: str
    device: str = ""
    multihop: bool = False
    minimum_ttl: int = TTL

    @property
    def port(self) -> int:
        """Where packets of this kind are sent to."""
        return MULTIHOP_PORT if self.multihop else SINGLE_HOP_PORT

    @property
    def family(self) -> socket.AddressFamily:
        """By the local address."""
        return socket.AF_INET6 if ":" in self.local else socket.AF_INET

    @property
    def listener(self) -> tuple[str, str, str, int]:
        """Sessions that share it share a socket to receive from."""
        return self.namespace, self.local, self.device, self.port


def open_listener(path: Path) -> socket.socket:
    """Receives what is sent to the local address; with each packet its TTL."""
    return _bound(path, (path.port,))


def open_sender(path: Path, rng: random.Random) -> socket.socket:
    """Sends with TTL 255 from one port of the range, which stays the session's (RFC 5881 section 4)."""
    return _bound(path, tuple(rng.randint(*SOURCE_PORTS) for _ in range(64)))


def _bound(path: Path, ports: tuple[int, ...]) -> socket.socket:
    """Bound to the first of these ports that is free. The address needn't be there yet.

    Raises:
        SystemRefused: the namespace can't be entered, or the kernel refuses.
    """
    try:
        return _open(path, ports)
    except OSError as error:
        raise SystemRefused(f"BFD in {path.namespace or 'this namespace'}: {error}") from error


def _open(path: Path, ports: tuple[int, ...]) -> socket.socket:
    made = udp(path.namespace, path.family)
    try:
        if path.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, TTL)
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _CONTROL_TRAFFIC)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TTL)
            made.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _CONTROL_TRAFFIC)
        if path.device:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, path.device.encode())
        for place, port in enumerate(ports):
            try:
                made.bind((path.local, port))
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE or place == len(ports) - 1:
                    raise
    except OSError:
        made.close()
        raise
    return made


@dataclass(frozen=True, slots=True)
class Datagram:
    """What came; `ttl` is -1 where the kernel doesn't say."""

    data: bytes
    source: str
    ttl: int


def receive(listener: socket.socket, most: int = 256) -> list[Datagram]:
    """What is there, at most so many; none on a transient error."""
    found: list[Datagram] = []
    while len(found) < most:
        try:
            data, ancillary, _, source = listener.recvmsg(128, 64)
        except OSError:
            break
        ttl = -1
        for level, kind, value in ancillary:
            if (level, kind) in ((socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, _IPV6_HOPLIMIT)):
                ttl = struct.unpack("i", value[:4])[0]
        found.append(Datagram(data, source[0], ttl))
    return found


def send(sender: socket.socket, path: Path, data: bytes) -> None:
    """Send once; what the kernel refuses is lost like any packet, and the detection time tells."""
    try:
        sender.sendto(data, (path.remote, path.port))
    except OSError:
        return
