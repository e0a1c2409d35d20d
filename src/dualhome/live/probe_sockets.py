"""UDP sockets of probes inside namespaces, and the packets that they carry."""

from __future__ import annotations

import os
import socket
import struct
from typing import Final, NamedTuple

from dualhome.live.udp import udp

PORT: Final = 40007  # where probes go to
SOURCE_PORT: Final = 20000  # flow n comes from this one + n; below those that the kernel gives away
BUFFER: Final = 8 << 20  # bytes; the fabric never waits for us
MAGIC: Final = 0x64756862
PAYLOAD: Final = struct.Struct("!IIIIQQ")
_SO_RCVBUFFORCE: Final = 33
_FREEBIND: Final = {socket.AF_INET: (socket.IPPROTO_IP, 15), socket.AF_INET6: (socket.IPPROTO_IPV6, 78)}


class Payload(NamedTuple):
    """What a packet says of itself. `run` tells apart processes, `stream` the streams and traces of one; `number` is a trace's TTL; `sent_at` in ns."""

    magic: int
    run: int
    stream: int
    flow: int
    number: int
    sent_at: int


def decode(data: bytes) -> Payload | None:
    """The payload; None for anything else."""
    if len(data) != PAYLOAD.size:
        return None
    found = Payload._make(PAYLOAD.unpack(data))
    return found if found.magic == MAGIC else None


def family_of(address: str) -> socket.AddressFamily:
    """Of an address in text."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def identity(namespace: str) -> tuple[int, int]:
    """What tells namespaces apart, also where one was made anew in the place of another."""
    found = os.stat(namespace or "/proc/self/ns/net")
    return found.st_dev, found.st_ino


def open_receiver(namespace: str, address: str) -> socket.socket:
    """Receives probes to an address, which needn't be there yet."""
    made = bound(namespace, address, PORT)
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER)
    except OSError:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    return made


def bound(namespace: str, address: str, port: int) -> socket.socket:
    """A nonblocking socket with this end. Others may have the same: a trace takes the way of a stream's flow."""
    family = family_of(address)
    made = udp(namespace, family)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(*_FREEBIND[family], 1)
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made
