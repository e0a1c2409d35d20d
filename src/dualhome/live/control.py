"""Questions and commands between the command line and the process that runs a network: over a socket in its directory, for its owner only.

A message is its length in four bytes, then a pickle; one that names anything but this package's own values and plain data is refused.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import pickle
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from dualhome import errors
from dualhome.errors import DualhomeError, RequestError, SystemRefused, TopologyError

LOG: Final = logging.getLogger("dualhome.live")
LARGEST: Final = 1 << 30
PLAIN: Final = {("builtins", name) for name in ("set", "frozenset", "bytearray", "complex", "range", "slice")}
HEADER: Final = struct.Struct("!I")

Answer = Callable[[str, tuple[Any, ...]], Awaitable[Any]]


class _Reader(pickle.Unpickler):
    """Values of this package and plain data, nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("dualhome.") or (module, name) in PLAIN or (module, name) == ("types", "MappingProxyType"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a message")


def pack(value: object) -> bytes:
    """A message."""
    data = pickle.dumps(value, protocol=5)
    return HEADER.pack(len(data)) + data


def unpack(data: bytes) -> Any:
    """What is in a message, without its length; RequestError where it isn't one."""
    try:
        return _Reader(io.BytesIO(data)).load()
    except (pickle.UnpicklingError, AttributeError, EOFError, ImportError, IndexError, TypeError, ValueError) as error:
        raise RequestError(f"not understood: {error}; the network was started by another version of dualhome?") from error


# --- the network's side -------------------------------------------------------------------------------------------------


async def serve(path: Path, answer: Answer) -> asyncio.Server:
    """Answer on this socket until the server is closed."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if _owner(writer) in (0, os.geteuid()):
                while (request := await _read(reader)) is not None:
                    writer.write(pack(await _answered(answer, request)))
                    await writer.drain()
        except (ConnectionError, RequestError) as error:
            LOG.debug("control: %s", error)
        finally:
            writer.close()

    server = await asyncio.start_unix_server(connected, path)
    path.chmod(0o600)
    return server


def _owner(writer: asyncio.StreamWriter) -> int:
    """The user at the other end."""
    credentials = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    _, uid, _ = struct.unpack("iII", credentials)
    return int(uid)


async def _read(reader: asyncio.StreamReader) -> Any:
    try:
        length = HEADER.unpack(await reader.readexactly(HEADER.size))[0]
        if length > LARGEST:
            raise RequestError(f"a message of {length} bytes")
        return unpack(await reader.readexactly(length))
    except asyncio.IncompleteReadError:
        return None


async def _answered(answer: Answer, request: Any) -> tuple[str, Any]:
    try:
        method, arguments = request
        return "result", await answer(method, arguments)
    except DualhomeError as error:
        return "error", _of_error(error)
    except Exception as error:
        LOG.exception("control: %r", request)
        return "error", ("AssertionError", f"{type(error).__name__}: {error}")


def _of_error(error: DualhomeError) -> tuple[str, Any]:
    return type(error).__name__, error.faults if isinstance(error, TopologyError) else str(error)


# --- the command line's side --------------------------------------------------------------------------------------------


class Client:
    """Asks the network whose socket this is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise SystemRefused(f"the network's process doesn't answer at {path}: {error.strerror}") from error

    def call(self, method: str, *arguments: object) -> Any:
        """The answer.

        Raises:
            DualhomeError: the one that was raised there.
            SystemRefused: the process ended in between.
        """
        try:
            self._socket.sendall(pack((method, arguments)))
            kind, value = unpack(self._exactly(HEADER.unpack(self._exactly(HEADER.size))[0]))
        except OSError as error:
            raise SystemRefused(f"the network's process ended: {error}") from error
        if kind == "result":
            return value
        name, said = value
        raised = getattr(errors, name, AssertionError)
        raise raised(said)

    def close(self) -> None:
        """Done."""
        self._socket.close()

    def _exactly(self, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            part = self._socket.recv(min(length - len(parts), 1 << 20))
            if not part:
                raise ConnectionResetError("it closed the connection")
            parts += part
        return bytes(parts)
