"""Questions to the daemon over a socket of the file system, for root and its owner: a line of JSON in, a line of JSON out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from dualhome.errors import DualhomeError, RequestError, SystemRefused

LONGEST_REQUEST: Final = 64 * 1024
Answer = Callable[[Mapping[str, Any]], Any]


async def serve(path: Path, answer: Answer) -> asyncio.Server:
    """Answer on this socket until the server is closed.

    Raises:
        SystemRefused: another daemon answers there, or the path can't be used.
    """

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
            if _user(writer) in (0, os.geteuid()):
                while line := await reader.readline():
                    writer.write(_answered(answer, line))
                    await writer.drain()
        writer.close()

    _make_room(path)
    mask = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(connected, path, limit=LONGEST_REQUEST)
    except OSError as error:
        raise SystemRefused(f"can't listen at {path}: {error.strerror or error}") from error
    finally:
        os.umask(mask)


def _make_room(path: Path) -> None:
    """Remove the socket of a daemon that ended without doing so."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise SystemRefused(f"can't listen at {path}: something else is there")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise SystemRefused(f"can't listen at {path}: another route server answers there")
    path.unlink()


def _user(writer: asyncio.StreamWriter) -> int:
    credentials = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("iII", credentials)[1])


def _answered(answer: Answer, line: bytes) -> bytes:
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise RequestError("a request is an object")
        said: object = {"answer": answer(request)}
    except (DualhomeError, ValueError, RecursionError) as error:
        said = {"error": str(error)}
    return json.dumps(said).encode() + b"\n"


def ask(path: Path, request: Mapping[str, object]) -> Any:
    """What the daemon answers.

    Raises:
        RequestError: it doesn't know what is asked for; the message says why.
        SystemRefused: nobody answers there.
    """
    try:
        with socket.socket(socket.AF_UNIX) as to:
            to.connect(str(path))
            to.sendall(json.dumps(request).encode() + b"\n")
            with to.makefile("rb") as answers:
                line = answers.readline()
    except OSError as error:
        raise SystemRefused(f"no route server answers at {path}: {error.strerror or error}") from error
    if not line:
        raise SystemRefused(f"the route server at {path} doesn't talk to this user")
    said = json.loads(line)
    if "error" in said:
        raise RequestError(said["error"])
    return said["answer"]
