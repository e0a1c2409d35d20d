"""Connections of those who say who they are by their first message: it is looked at, not taken, before it is known whose connection this is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from dualhome.live.sockets import reset

HEADER: Final = 19
LONGEST: Final = 4096
"""Octets of an OPEN (RFC 8654 section 4)."""
AGAIN_S: Final = 0.05
"""Until a message of which a part is there is looked at again."""

SHORTEST: Final = 29
_MARKER: Final = b"\xff" * 16
_OPEN: Final = 1

Met = Callable[[socket.socket, bytes], None]


class Callers:
    """Sockets that wait for the first message. It is handed on as it came, whatever it is, with the socket, from which it can still be read; who says nothing
    whole within the time is reset.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[socket.socket, tuple[str, Met, asyncio.TimerHandle]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, speaker: str, made: socket.socket, seconds: float, met: Met) -> None:
        """Await the first message of a connection to a speaker."""
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, HEADER)
        except OSError:
            reset(made)
            return
        self._waiting[made] = (speaker, met, self._loop.call_later(seconds, self._end, made))
        self._loop.add_reader(made.fileno(), self._look, made)

    def end(self, speaker: str | None = None) -> None:
        """Reset those of a speaker, or all."""
        for made in [made for made, (of, _, _) in self._waiting.items() if speaker in (None, of)]:
            self._end(made)

    def _look(self, made: socket.socket) -> None:
        if made not in self._waiting:
            return
        try:
            data = made.recv(LONGEST, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._end(made)
            return
        wanted = _length(data)
        if len(data) >= wanted:
            _, met, _ = self._forget(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            met(made, data[:wanted])
            return
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted)
        self._loop.remove_reader(made.fileno())  # one that ended halfway is readable for ever
        self._loop.call_later(AGAIN_S, self._look_again, made)

    def _look_again(self, made: socket.socket) -> None:
        if made in self._waiting:
            self._loop.add_reader(made.fileno(), self._look, made)

    def _forget(self, made: socket.socket) -> tuple[str, Met, asyncio.TimerHandle]:
        self._loop.remove_reader(made.fileno())
        found = self._waiting.pop(made)
        found[2].cancel()
        return found

    def _end(self, made: socket.socket) -> None:
        self._forget(made)
        reset(made)


def _length(data: bytes) -> int:
    """So many octets are enough to judge the first message: the whole of an OPEN, the header of all else, of which nothing more is worth waiting for."""
    length = int.from_bytes(data[16:18])
    is_open = data[:16] == _MARKER and data[18:19] == bytes([_OPEN]) and SHORTEST <= length <= LONGEST
    return length if is_open else HEADER
