"""Sockets as speakers want them: made in a namespace, bound, nonblocking. Nothing here waits."""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
import struct
from dataclasses import dataclass
from typing import Final, Protocol

from dualhome.errors import SystemRefused
from dualhome.live.signatures import Secret, sign
from dualhome.net import WIDTH, Address, Prefix

BACKLOG: Final = 4096
"""A thousand peers may come at once; who finds no room tries again a second later. The kernel takes less where net.core.somaxconn says so."""
BGP_PORT: Final = 179
IP_MINTTL: Final = 21  # of <linux/in.h>
IPV6_MINHOPCOUNT: Final = 73  # of <linux/in6.h>
TCP_SAVE_SYN: Final = 27  # of <linux/tcp.h>
TCP_SAVED_SYN: Final = 28


class Namespace(Protocol):
    """A network namespace that makes sockets."""

    def socket(self, family: int, kind: int, protocol: int) -> int:
        """A new socket of the namespace, as a file descriptor; OSError where the kernel refuses."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How a speaker reaches a peer. Without `namespace` the process's own; without `device` as routes say; `ttl` 0 is the kernel's.

    `hops`: what comes from farther away is thrown away by the kernel (RFC 5082); 0 takes all. `secret`: segments are signed with it.
    `send_hold_s`: how long the peer may take nothing of what waits to be written (RFC 9687); 0 for ever.
    """

    local: Address
    remote: Address
    port: int = BGP_PORT
    namespace: Namespace | None = None
    device: str | None = None
    ttl: int = 0
    hops: int = 0
    secret: Secret | None = None
    send_hold_s: float = 0


def make(namespace: Namespace | None, address: Address, device: str | None = None) -> socket.socket:
    """A nonblocking TCP socket of the address's family; OSError where the kernel refuses."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    if namespace is None:
        made = socket.socket(family, socket.SOCK_STREAM)
    else:
        made = socket.socket(family, socket.SOCK_STREAM, fileno=namespace.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP))
    try:
        made.setblocking(False)
        made.set_inheritable(False)
        if device is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    except OSError:
        made.close()
        raise
    return made


def tune(each: socket.socket, ttl: int, hops: int = 0) -> None:
    """What a transport of BGP wants: small messages leave at once; the TTL of the session; the security that the TTL gives (RFC 5082 section 3)."""
    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hops:
        ttl = 255
        least = 256 - hops
        if each.family == socket.AF_INET:
            each.setsockopt(socket.IPPROTO_IP, IP_MINTTL, least)
        else:
            each.setsockopt(socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT, least)
    if ttl and each.family == socket.AF_INET:
        each.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    elif ttl:
        each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)


def is_near(accepted: socket.socket, hops: int) -> bool:
    """Whether the packet that began a connection came from so few hops away: what it brought before `tune` is then of somebody near, too."""
    header = accepted.getsockopt(socket.IPPROTO_TCP, TCP_SAVED_SYN, 128)
    return len(header) > 8 and header[8 if accepted.family == socket.AF_INET else 7] >= 256 - hops


def begin(to: Endpoint) -> socket.socket:
    """A socket on its way to the far end; OSError where there is none, SystemRefused where it can't be signed."""
    made = make(to.namespace, to.local, to.device)
    try:
        tune(made, to.ttl, to.hops)
        if to.secret is not None:
            sign(made, Prefix(to.remote.version, to.remote.bits, WIDTH[to.remote.version]), to.secret)
        made.bind((str(to.local), 0))
        failed = made.connect_ex((str(to.remote), to.port))
        if failed not in (0, errno.EINPROGRESS):
            raise OSError(failed, "connect")
    except (OSError, SystemRefused):
        made.close()
        raise
    return made


def raise_file_limit() -> int:
    """Let this process have as many descriptors as it may, for every connection takes one; how many that are."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def listener(namespace: Namespace | None, address: Address, port: int, device: str | None) -> socket.socket:
    """A socket that listens.

    Raises:
        SystemRefused: the address isn't ours, the port is taken, or a privilege is missing; the message says which.
    """
    try:
        made = make(namespace, address, device)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if namespace is not None:  # ours alone: a socket of a device stands beside the one of all devices
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if address.version == 6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((str(address), port))
            made.setsockopt(socket.IPPROTO_TCP, TCP_SAVE_SYN, 1)
            made.listen(BACKLOG)
            if (
                namespace is not None
            ):  # among sockets that share a port the kernel takes the first that fits; among others the one that fits best
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        except OSError:
            made.close()
            raise
    except OSError as error:
        raise SystemRefused(f"can't listen on {where(address, port)}{f' of {device}' if device else ''}: {_why(error)}") from error
    return made


def where(address: Address, port: int) -> str:
    """An address and a port in one word."""
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


def _why(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is taken by another program (ss -ltnp shows which)"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case errno.EACCES | errno.EPERM:
            return "that takes the capability CAP_NET_BIND_SERVICE (for a device CAP_NET_RAW)"
        case _:
            return error.strerror or str(error)


def reset(each: socket.socket) -> None:
    """Close at once; the far end gets a reset."""
    with contextlib.suppress(OSError):  # it may be gone already
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    each.close()


def ends(each: socket.socket) -> tuple[str, str]:
    """Both ends in words, ours first; empty where there are none any more."""
    try:
        return _word(each.getsockname()), _word(each.getpeername())
    except OSError:
        return "", ""


def _word(address: tuple[str, int]) -> str:
    return f"{address[0].partition('%')[0]} {address[1]}"
