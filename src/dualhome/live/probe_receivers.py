"""The sockets that receive probes: one for each address in a namespace, shared by all streams that go there."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from dualhome.live.probe_sockets import Payload, decode, identity, open_receiver
from dualhome.live.probe_words import End

TAKEN: Final = 4096  # packets that are taken of one receiver in one turn

Spot = tuple[tuple[int, int], str]  # the namespace's identity, and the address


@dataclass(slots=True)
class _Receiver:
    """A socket, and how many streams are received with it."""

    socket: socket.socket
    users: int = 0


class Receivers:
    """All that are open. `run`: only packets of this process count."""

    def __init__(self, run: int) -> None:
        self._run = run
        self._open: dict[Spot, _Receiver] = {}
        self._by_descriptor: dict[int, socket.socket] = {}
        self._epoll = select.epoll()

    def share(self, target: End) -> Spot:
        """The one that is there, or a new one; `release` it as often.

        Raises:
            OSError: the namespace or the address can't be used.
        """
        spot = identity(target.namespace), target.address
        there = self._open.get(spot)
        if there is None:
            there = self._open[spot] = _Receiver(open_receiver(target.namespace, target.address))
            self._by_descriptor[there.socket.fileno()] = there.socket
            self._epoll.register(there.socket, select.EPOLLIN)
        there.users += 1
        return spot

    def release(self, spot: Spot) -> None:
        """Close it with its last user; an open socket would keep the namespace alive."""
        there = self._open[spot]
        there.users -= 1
        if not there.users:
            self._epoll.unregister(there.socket)
            del self._open[spot], self._by_descriptor[there.socket.fileno()]
            there.socket.close()

    def take(self) -> Iterator[Payload]:
        """What arrived; nothing is waited for."""
        for descriptor, _ in self._epoll.poll(0):
            receive = self._by_descriptor[descriptor].recv
            with suppress(OSError):
                for _ in range(TAKEN):
                    payload = decode(receive(64))
                    if payload is not None and payload.run == self._run:
                        yield payload
