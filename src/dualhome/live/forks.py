"""Processes of speakers, from the network's side: forked from one that has imported everything, which takes milliseconds instead of half a second each."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Final

from dualhome.errors import SystemRefused
from dualhome.live.place import Place

DEATH_S: Final = 2.0  # how long the kernel may take to end a process that is killed
FORK_S: Final = 20.0


class Fork:
    """One process. `descriptor` becomes readable when it has ended."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self.descriptor = os.pidfd_open(pid)
        except OSError as error:
            raise SystemRefused(f"process {pid} of a speaker ended as it began: {error.strerror}") from error

    def kill(self) -> None:
        """End it at once; when this returns the kernel has closed its sockets."""
        with suppress(OSError):
            signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)
        self.wait(DEATH_S)

    def wait(self, within_s: float) -> bool:
        """Whether it ends within this time."""
        return bool(select.select([self.descriptor], [], [], within_s)[0])

    def close(self) -> None:
        """Follow it no more."""
        os.close(self.descriptor)


class Forks:
    """The process that forks; begun when this is made, so that it imports while namespaces are made."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._statuses: dict[int, int] = {}
        self._begin()

    def _begin(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(FORK_S)
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "dualhome.live.speaker_process", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env=self._place.environment(),
            cwd="/",
        )
        theirs.close()

    def fork(self, name: str) -> tuple[Fork, socket.socket]:
        """A process for this speaker, and the network's end of the socket between them.

        Raises:
            SystemRefused: the machine has no room for it.
        """
        mine, theirs = socket.socketpair()
        try:
            for again in (False, True):
                try:
                    return Fork(self._ask(name, theirs)), mine
                except OSError as error:
                    if again:
                        raise SystemRefused(f"no process for {name} can be made: {error}") from error
                    self.close()  # somebody ended it
                    self._begin()
        except BaseException:
            mine.close()
            raise
        finally:
            theirs.close()
        raise AssertionError("one of two returns or raises")

    def _ask(self, name: str, end: socket.socket) -> int:
        socket.send_fds(self._control, [name.encode()], [end.fileno()])
        while (pid := self._hear()) is None:
            pass
        return pid

    def _hear(self) -> int | None:
        """One message; the process that it says has begun."""
        data = self._control.recv(4096)
        if not data:
            raise ConnectionError("the process that forks has ended")
        said = json.loads(data)
        if "ended" in said:
            self._statuses[said["ended"]] = said["status"]
            return None
        return int(said["begun"])

    def ended(self, pid: int) -> str:
        """How a process ended, in words."""
        with suppress(OSError):
            while pid not in self._statuses and select.select([self._control], [], [], 0.1)[0]:
                self._hear()
        status = self._statuses.pop(pid, None)
        if status is None:
            return "is gone"
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    def close(self) -> None:
        """Fork no more."""
        self._control.close()
        try:
            self._popen.wait(1)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
