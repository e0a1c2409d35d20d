"""Messages between the network's process and a speaker's, over a pair of sockets: sent at once or kept until there is room; nothing waits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

from dualhome.live.control import HEADER, pack, unpack

READ_BYTES: Final = 256 * 1024


class Channel:
    """One end. `heard` gets each message, `ended` is called once when the far end is gone; both from the loop, or from `drain`."""

    def __init__(
        self, end: socket.socket, heard: Callable[[Any], None], ended: Callable[[], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._socket, self._heard, self._ended, self._loop = end, heard, ended, loop
        self._read = bytearray()
        self._unsent = bytearray()
        self._open = True
        end.setblocking(False)
        loop.add_reader(end.fileno(), self._readable)

    def send(self, message: object) -> None:
        """Send it; a far end that is gone gets nothing."""
        if not self._open:
            return
        if not self._unsent:
            self._loop.add_writer(self._socket.fileno(), self._writable)
        self._unsent += pack(message)
        self._writable()

    def drain(self) -> None:
        """Hear all that has arrived."""
        while self._open and self._readable():
            pass

    def close(self) -> None:
        """Send and hear nothing any more."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()

    def _readable(self) -> bool:
        """Whether there may be more."""
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            self._ended()
            return False
        self._read += data
        begin = 0
        while len(self._read) - begin >= HEADER.size:
            end = begin + HEADER.size + HEADER.unpack_from(self._read, begin)[0]
            if len(self._read) < end:
                break
            message = unpack(bytes(self._read[begin + HEADER.size : end]))
            begin = end
            self._heard(message)
        del self._read[:begin]
        return True

    def _writable(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            sent = len(self._unsent)  # nobody reads it; reading will tell
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._socket.fileno())
