"""UDP sockets that were made inside a namespace, and stay there wherever they are used."""

from __future__ import annotations

import socket

from dualhome import _core


def udp(namespace: str, family: socket.AddressFamily) -> socket.socket:
    """A nonblocking one; `namespace` is a file, "" for the process's own.

    Raises:
        OSError: the namespace can't be entered, or the kernel refuses.
    """
    if not namespace:
        return socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    made = socket.socket(family, socket.SOCK_DGRAM, fileno=_core.Namespace(namespace).socket(family, socket.SOCK_DGRAM))
    made.setblocking(False)
    return made
