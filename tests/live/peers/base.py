"""What every daemon can do, and the process that it is."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The session as a daemon is told of it, and where all that it writes goes."""

    directory: Path
    ours: str
    theirs: str
    port: int  # both ends listen on it, each on its own address
    our_asn: int = 4_200_000_001
    their_asn: int = 4_200_000_002
    passive: bool = False  # whether they wait for us


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A route of one end as the other has it; communities sorted."""

    as_path: str
    next_hop: str
    med: int | None
    communities: tuple[str, ...]
    large_communities: tuple[str, ...]


class Daemon(Protocol):
    """A daemon with one session, to us. It announces 10.2.0.0/16 and 2001:db8:2::/48 from its start."""

    name: ClassVar[str]
    package: ClassVar[str]
    words: ClassVar[dict[str, str]]  # what it puts down of events; keys: "shutdown", "hold timer", "bad AS of us", "bad AS of them"
    lacks: ClassVar[dict[str, str]]  # "asking" or "answering" for routes again: why it can't
    process: Process

    def __init__(self, setting: Setting) -> None: ...

    @staticmethod
    def missing() -> bool:
        """Whether it is not installed here."""

    def start(self) -> None:
        """Start it, and return when it can be asked."""

    def established(self) -> bool:
        """Whether it calls its session with us so."""

    def said(self) -> str:
        """All that it put down of what happened, for `words`."""

    def seen(self) -> dict[str, Seen]:
        """What it has from us, of both families."""

    def announce(self, prefix: str) -> None:
        """One more IPv4 prefix."""

    def withdraw(self, prefix: str) -> None:
        """One IPv4 prefix less."""

    def ask_refresh(self) -> None:
        """Have it send a ROUTE-REFRESH for IPv4 to us."""

    def shut_down(self, reason: str) -> str:
        """End the session administratively; gives the reason that it can tell (RFC 9003)."""

    def open_again(self) -> None:
        """Take the shutdown back."""


class Process:
    """A process of ours and its children: a process group, its output in `directory`/log. Ended on exit, however it fares."""

    def __init__(self, command: list[str], directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._directory = directory
        self._environment = {**os.environ, **(environment or {})}
        self._running: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[], bool]) -> None:
        """Start it and wait until it is ready, at most 20 s."""
        with (self._directory / "log").open("ab") as log:
            self._running = subprocess.Popen(
                self._command, stdout=log, stderr=subprocess.STDOUT, cwd=self._directory, env=self._environment, start_new_session=True
            )
        self.wait(ready)

    def wait(self, ready: Callable[[], bool]) -> None:
        """Until it is true; fails with the log after 20 s, or when the process ends."""
        end = time.monotonic() + 20
        while not ready():
            assert self._running is not None
            assert self._running.poll() is None, f"{self._command[0]} ended:\n{self.log()}"
            assert time.monotonic() < end, f"{self._command[0]} is not ready:\n{self.log()}"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as its system would, with all its children; harmless where it doesn't run."""
        if self._running is None:
            return
        process, self._running = self._running, None
        os.killpg(process.pid, signal.SIGCONT)
        process.terminate()
        # Its number, and so that of its group, can't be another's before it is waited for: children left behind are ended first.
        end = time.monotonic() + 5
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None and time.monotonic() < end:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def pause(self) -> None:
        """It falls silent, with its transports open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def log(self) -> str:
        """All that it wrote."""
        return (self._directory / "log").read_text(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        assert self._running is not None
        os.killpg(self._running.pid, number)  # it leads its group


def run(*command: str) -> str:
    """What a tool prints; fails with its own words."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout
