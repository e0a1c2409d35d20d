"""Questions to the daemon over a socket of the file system, for root and its owner: a line of JSON in, a line of JSON out; a table is a line for each row."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dualhome.errors import DualhomeError, RequestError, SystemRefused

LONGEST_REQUEST: Final = 64 * 1024
LONGEST_WAIT_S: Final = 600.0
"""For a reader who has stopped in the middle of a table."""
Answer = Callable[[Mapping[str, Any]], Any]
"""What is said to a request: data, or an iterator of slices of rows, which are sent as they come."""


async def serve(path: Path, answer: Answer) -> asyncio.Server:
    """Answer on this socket until the server is closed.

    Raises:
        SystemRefused: another daemon answers there, or the path can't be used.
    """

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            if _user(writer) in (0, os.geteuid()):
                while line := await reader.readline():
                    async for said in _answered(answer, line):
                        writer.write(said)
                        await asyncio.wait_for(writer.drain(), LONGEST_WAIT_S)
                        await asyncio.sleep(0)
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


async def _answered(answer: Answer, line: bytes) -> AsyncIterator[bytes]:
    """`{"answer": …}`, or of a table `{"row": …}` again and again and `{"rows": how many}`; `{"error": …}` where something is wrong."""
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise RequestError("a request is an object")
        said = answer(request)
        if not isinstance(said, Iterator):
            yield _line({"answer": said})
            return
        count = 0
        for rows in said:
            count += len(rows)
            yield b"".join(_line({"row": row}) for row in rows)
        yield _line({"rows": count})
    except (DualhomeError, ValueError, RecursionError) as error:
        yield _line({"error": str(error)})


def _line(said: object) -> bytes:
    return json.dumps(said).encode() + b"\n"


def ask(path: Path, request: Mapping[str, object]) -> Any:
    """What the daemon answers; the rows of a table in a list.

    Raises:
        RequestError: it doesn't know what is asked for; the message says why.
        SystemRefused: nobody answers there.
    """
    said = list(_said(path, request))
    return said[0]["answer"] if said and "answer" in said[0] else [each["row"] for each in said]


def rows(path: Path, request: Mapping[str, object]) -> Iterator[Any]:
    """The rows of what the daemon answers, as they come.

    Raises:
        RequestError: it doesn't know what is asked for; the message says why.
        SystemRefused: nobody answers there, or the answer breaks off.
    """
    for each in _said(path, request):
        if "answer" in each:
            yield from each["answer"]
        else:
            yield each["row"]


def _said(path: Path, request: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    heard = False
    try:
        with socket.socket(socket.AF_UNIX) as to:
            to.connect(str(path))
            to.sendall(_line(request))
            with to.makefile("rb") as answers:
                for line in answers:
                    heard = True
                    said = json.loads(line)
                    if "error" in said:
                        raise RequestError(said["error"])
                    if "rows" in said:
                        return
                    yield said
                    if "answer" in said:
                        return
    except OSError as error:
        raise SystemRefused(f"no route server answers at {path}: {error.strerror or error}") from error
    raise SystemRefused(f"the route server at {path} " + ("stopped in the middle of its answer" if heard else "doesn't talk to this user"))
