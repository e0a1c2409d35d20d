"""A machine that is switched on: its process 1, and what is run in it. Begin at `Alive`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dualhome.arm.guests.machine import Machine
from dualhome.errors import SystemRefused

INSIDE: Final = Path(__file__).with_name("inside.py")
KEEP_BYTES: Final = 4096  # of each channel of a script: the last 4 KB, as Azure's agent
CHUNK: Final = 65536
LINGER_S: Final = 0.3  # for what a script has left behind to close its output
BASH: Final = "/bin/bash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be run: `script` by its `#!`, else by bash, with arguments; no script is a shell that reads standard input."""

    script: str | None
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    user: str = "root"
    stdin: bool = False

    @property
    def home(self) -> str:
        """Of its user."""
        return "/root" if self.user == "root" else f"/home/{self.user}"


class Alive:
    """One machine's process 1. `up` begins it, `down` ends it and all that runs in the machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._first: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._begin = asyncio.Lock()
        self._over = False

    @property
    def on(self) -> bool:
        """Whether it lives."""
        return self._first is not None and self._first.poll() is None

    async def up(self, namespace: Path | None) -> None:
        """See to it that it lives, in this network namespace; None: in one of its own.

        Raises:
            SystemRefused: this machine doesn't let it.
        """
        async with self._begin:
            if self.on:
                return
            if self._over:
                raise SystemRefused(f"{self.machine.name} was switched off")
            await asyncio.to_thread(self.machine.prepare)
            spec = {**self.machine.spec(), "net": str(namespace or ""), "parent": os.getpid()}
            command, environment = _inside("init", spec)
            first = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd="/"
            )
            word, pid, said = await asyncio.to_thread(_first_word, first)
            if word != "ready":
                raise SystemRefused(f"{self.machine.name} can't be started: {said}")
            self._first, self._pid = first, int(pid)

    async def down(self) -> None:
        """End all that runs in it; nothing is run in it any more."""
        self._over = True
        first, self._first = self._first, None
        if first is not None:
            first.kill()  # process 1 goes with it, and everybody with process 1
            await asyncio.to_thread(first.wait)

    def way_in(self, wanted: Wanted, namespace: Path | None, node: Path | None, file: str) -> dict[str, Any]:
        """What `inside.py enter` is told. `file`: where the script is, in the machine."""
        if wanted.script is None:
            command = [BASH, "-l"]
        elif wanted.script.startswith("#!"):
            command = [file, *wanted.arguments]
        else:
            command = [BASH, file, *wanted.arguments]
        return {
            "pid": self._pid,
            "net": str(namespace or ""),
            "node": str(node or ""),
            "home": wanted.home,
            "user": wanted.user,
            "command": command,
            "environment": dict(wanted.environment or {}),
            "parent": os.getpid(),
        }

    def command(self, wanted: Wanted, namespace: Path | None, node: Path | None) -> list[str]:
        """For somebody's terminal: what becomes that in the machine."""
        spec = self.way_in(wanted, namespace, node, "") | {"exec": True}
        command, environment = _inside("enter", spec)
        return ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environment.items()), *command]

    @asynccontextmanager
    async def running(self, wanted: Wanted, namespace: Path | None, node: Path | None) -> AsyncIterator[asyncio.subprocess.Process]:
        """A process in it, its output in pipes; it ends with the block, and its session with it."""
        await self.up(namespace)
        if self._over:
            raise SystemRefused(f"{self.machine.name} was switched off")
        name = f".script-{uuid.uuid4().hex}"
        file = self.machine.programs / name
        if wanted.script is not None:
            await asyncio.to_thread(_write, file, wanted.script)
        process: asyncio.subprocess.Process | None = None
        try:
            spec = self.way_in(wanted, namespace, node, f"/dualhome-bin/{name}")
            process = await _helper("enter", spec, stdin=subprocess.PIPE if wanted.stdin else subprocess.DEVNULL)
            yield process
        finally:
            file.unlink(missing_ok=True)
            if process is not None:
                await _end(process)

    async def run(self, wanted: Wanted, namespace: Path | None, node: Path | None, timeout: float) -> tuple[str, str, int]:
        """The last 4 KB of what a script prints on each channel, and its exit code; after `timeout` seconds it is ended."""
        async with self.running(wanted, namespace, node) as process:
            tails = [bytearray(), bytearray()]
            reading = [asyncio.ensure_future(_tail(one, tail)) for one, tail in zip((process.stdout, process.stderr), tails, strict=True)]
            late = False
            try:
                await asyncio.wait_for(ended(process), timeout)
                await asyncio.wait(reading, timeout=LINGER_S)
            except TimeoutError:
                late = True
            finally:
                for each in reading:
                    each.cancel()
            out, err = (_text(bytes(tail)) for tail in tails)
            if late:
                return out, f"{err}\nThe script did not end within {timeout:g} s.", 124
            return out, err, process.returncode or 0


def _inside(verb: str, spec: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, "-I", "-S", str(INSIDE), verb], {"SPEC": json.dumps(spec)}


def _first_word(first: subprocess.Popen[bytes]) -> tuple[str, str, str]:
    """`ready` and the process id of process 1; else why not."""
    assert first.stdout is not None, "it is a pipe"
    assert first.stderr is not None, "it is a pipe"
    with first.stdout, first.stderr:
        word, _, pid = first.stdout.readline().decode().partition(" ")
        if word == "ready":
            return word, pid, ""
        said = first.stderr.read().decode(errors="replace").strip().splitlines()
    return "", "", said[-1] if said else f"it ended with {first.wait()}"


async def _helper(verb: str, spec: Mapping[str, Any], *, stdin: int) -> asyncio.subprocess.Process:
    command, environment = _inside(verb, spec)
    pipe = subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdin=stdin, stdout=pipe, stderr=pipe, env=environment, cwd="/", limit=CHUNK)


async def ended(process: asyncio.subprocess.Process) -> int:
    """Its exit code, as soon as it has one: its own `wait` is for the ends of its channels too, which a daemon may have."""
    pause = 0.005
    while process.returncode is None:
        await asyncio.sleep(pause)
        pause = min(0.1, pause * 1.2)
    return process.returncode


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask who went in to end the script and its session, and wait until that is done."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(ended(process), 5)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await ended(process)
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()  # pipes that a daemon still has open at its end


async def _tail(stream: asyncio.StreamReader | None, kept: bytearray) -> None:
    """Read to the end; the last bytes stay."""
    assert stream is not None, "output goes to pipes"
    while chunk := await stream.read(CHUNK):
        kept += chunk
        del kept[:-KEEP_BYTES]


def _text(tail: bytes) -> str:
    """Without the rest of a character that was cut."""
    return tail.decode(errors="replace").lstrip("\ufffd") if len(tail) == KEEP_BYTES else tail.decode(errors="replace")


def _write(file: Path, script: str) -> None:
    file.write_bytes((script if script.endswith("\n") else script + "\n").encode(errors="replace"))
    file.chmod(0o755)
