"""The process that probes, as an object: what it is told and what it answers."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from typing import Any, Final

from dualhome.errors import RequestError, SystemRefused

ANSWER_S: Final = 10.0  # an answer takes milliseconds; on a machine that does other things too, more
END_S: Final = 2.0

Place = Mapping[str, str]  # {"namespace": a file, "" for this one; "address": in text}
Answer = dict[str, Any]


class Prober:
    """A process of `dualhome.live.prober`, from now to `close`. Its methods may be called from any thread.

    They wait for the answer, some milliseconds but for `trace`; on an asyncio loop `await asyncio.wrap_future(prober.ask(...))` doesn't hold up the others.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dualhome.live.prober"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=None if environment is None else dict(environment),
        )
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._asked: dict[int, Future[Answer]] = {}
        self._over = False
        self._reader = threading.Thread(target=self._read_lines, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def add(self, name: str, *, source: Place, targets: Sequence[Place], destination: str, flows: int = 64, rate: int = 1000) -> None:
        """Send a stream from now on: `rate` packets a second, of all flows together.

        Raises:
            RequestError: there is one of this name; too many flows, packets or streams.
            SystemRefused: a namespace or an address can't be used.
        """
        self._get(
            {
                "add": {
                    "name": name,
                    "source": dict(source),
                    "targets": [dict(target) for target in targets],
                    "destination": destination,
                    "flows": flows,
                    "rate": rate,
                }
            }
        )

    def mark(self, name: str) -> None:
        """Forget gaps so far; one that is open counts from now. RequestError where there is no such stream."""
        self._get({"mark": name})

    def read(self, name: str) -> Answer:
        """The fields of `streams.Reading`. RequestError where there is no such stream."""
        return self._get({"read": name})

    def remove(self, name: str) -> None:
        """Send no more of it. RequestError where there is no such stream."""
        self._get({"remove": name})

    def trace(self, *, source: Place, destination: str, flows: int = 8, hops: int = 16, timeout_ms: int = 500) -> list[Answer]:
        """The way of each flow: {"hops": addresses, "*" where nobody answered, "reached", "flow"}.

        Raises:
            SystemRefused: the namespace or the address can't be used.
        """
        what = {"source": dict(source), "destination": destination, "flows": flows, "hops": hops, "timeout_ms": timeout_ms}
        paths: list[Answer] = self._get({"trace": what}, timeout_ms / 1000)["paths"]
        return paths

    def ask(self, command: Mapping[str, object]) -> Future[Answer]:
        """Any command; the answer comes by itself, errors as exceptions."""
        future: Future[Answer] = Future()
        with self._lock:
            if self._over:
                raise SystemRefused("the process that probes has ended")
            number = next(self._ids)
            self._asked[number] = future
            assert self._process.stdin is not None, "started without a pipe"
            try:
                self._process.stdin.write(json.dumps({"id": number, **command}).encode() + b"\n")
                self._process.stdin.flush()
            except OSError as error:
                del self._asked[number]
                raise SystemRefused(f"the process that probes has ended: {error}") from error
        return future

    def close(self) -> None:
        """End the process, and wait until it has. Fine more than once."""
        with self._lock:
            self._over = True
            assert self._process.stdin is not None, "started without a pipe"
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _get(self, command: Mapping[str, object], takes_s: float = 0) -> Answer:
        try:
            return self.ask(command).result(ANSWER_S + takes_s)
        except Late:
            raise SystemRefused(f"the process that probes didn't answer within {ANSWER_S + takes_s:g} s") from None

    def _read_lines(self) -> None:
        assert self._process.stdout is not None, "started without a pipe"
        for line in self._process.stdout:
            said = json.loads(line)
            with self._lock:
                future = self._asked.pop(said.pop("id"), None)
            if future is None:
                continue
            if "error" in said:
                future.set_exception((RequestError if said["fault"] == "request" else SystemRefused)(said["error"]))
            else:
                future.set_result(said)
        with self._lock:
            self._over = True
            left, self._asked = list(self._asked.values()), {}
        for future in left:
            future.set_exception(SystemRefused("the process that probes has ended"))
