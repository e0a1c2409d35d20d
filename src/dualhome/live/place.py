"""Where a live network is on this machine: one directory in /run/dualhome, and the marks by which all that belongs to it is found again.

Every process that a network starts has its name in the environment (`MARK`), every namespace and pin lies in its directory. So `clear` finds all of it,
whatever became of the processes that made it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from dualhome import _core
from dualhome.errors import RequestError, SystemRefused

ROOT: Final = Path("/run/dualhome")
MARK: Final = "DUALHOME_NETWORK"
FABRIC: Final = ".fabric"
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,59}")
GRACE_S: Final = 2.0  # between asking a process to end and ending it
TRIES: Final = 10  # of removing what is in use, a tenth of a second apart


class Place:
    """The directory of one network: `ns` (namespaces), `bpf` (pins), `nodes` (files of what runs in them), `control.sock`, `state.json`, `log`."""

    def __init__(self, name: str, root: Path = ROOT) -> None:
        if not NAME.fullmatch(name):
            raise RequestError(f"{name!r} is no name for a network: a letter first, then letters, digits, '.', '_', '-'; at most 60 in all")
        self.name, self.path = name, root / name
        self.pins, self.namespaces, self.nodes = self.path / "bpf", self.path / "ns", self.path / "nodes"
        self.control, self.state, self.log = self.path / "control.sock", self.path / "state.json", self.path / "log"

    def exists(self) -> bool:
        """Whether anything of such a network is here."""
        return self.path.exists()

    def make(self) -> None:
        """The directories, and a file system for pins.

        Raises:
            RequestError: the name is taken.
            SystemRefused: no space, no privilege, no bpffs.
        """
        try:
            self._make_directory()
            self.path.chmod(0o751)  # FRR drops its privileges and goes through it to its own
        except FileExistsError:
            raise RequestError(self.taken()) from None
        except OSError as error:
            with suppress(OSError):
                self.path.parent.rmdir()
            raise SystemRefused(f"{self.path} can't be made: {error.strerror}") from error
        try:
            for each in (self.namespaces, self.pins, self.nodes):
                each.mkdir()
            self.nodes.chmod(0o755)
            done = subprocess.run(["mount", "-t", "bpf", "bpf", str(self.pins)], capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemRefused(f"no file system for eBPF (bpffs) could be mounted at {self.pins}: {done.stderr.strip()}")
        except (OSError, SystemRefused) as error:
            self.clear()
            if isinstance(error, OSError):
                raise SystemRefused(f"{self.path} can't be filled: {error.strerror}") from error
            raise

    def _make_directory(self) -> None:
        """In the directory of all networks, which the last network that goes takes along: perhaps between our two steps, so they are tried again."""
        for _ in range(3):
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                self.path.mkdir(mode=0o750)
                return
        self.path.mkdir(mode=0o750)

    def taken(self) -> str:
        """What to say where the name is in use: by a network that runs, or by what an earlier run left."""
        if self.driver() is not None:
            return f"a network {self.name!r} is up already: `dualhome down {self.name}` takes it down, `--name` gives this one another name"
        return f"an earlier run left a network {self.name!r} behind: `dualhome down {self.name}` removes what is left of it"

    def namespace(self, node: str) -> Path:
        """Where a node's namespace is bound."""
        return self.namespaces / node

    def environment(self) -> dict[str, str]:
        """For every process of this network."""
        return {**os.environ, MARK: self.name}

    # --- state ---

    def write_state(self, state: Mapping[str, object]) -> None:
        """Keep it: whole or not at all. SystemRefused where there is no space."""
        fresh = self.state.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(state, indent=1) + "\n")
            fresh.replace(self.state)
        except OSError as error:
            raise SystemRefused(f"{self.state} can't be written: {error.strerror}") from error

    def read_state(self) -> dict[str, object]:
        """What was kept; empty where nothing was."""
        try:
            kept = json.loads(self.state.read_text())
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}

    def driver(self) -> int | None:
        """The process that runs the network, if it lives."""
        pid = self.read_state().get("pid")
        return pid if isinstance(pid, int) and _mark(pid) == self.name else None

    # --- the way back ---

    def clear(self, grace_s: float = GRACE_S) -> list[str]:
        """End its processes, remove its namespaces, pins and files; what was removed, in words. Fine where half of it, or nothing, is there.

        Raises:
            SystemRefused: something is left that can't be removed.
        """
        done: list[str] = []
        for last in (*(False,) * TRIES, True):
            try:
                self._clear(done, grace_s)
                break
            except OSError as error:  # a process that was born meanwhile mounts, or writes, behind us
                if last:
                    raise SystemRefused(f"{self.path} can't be removed: {error.filename}: {error.strerror}") from error
                time.sleep(0.1)
        with suppress(OSError):
            self.path.parent.rmdir()
        return done

    def _clear(self, done: list[str], grace_s: float) -> None:
        """Once. OSError where something of it is in use."""
        if ended := self._end_processes(grace_s):
            done.append(f"{ended} process{'es' * (ended != 1)}")
        bound = [each for each in self.namespaces.iterdir() if each.is_file()] if self.namespaces.is_dir() else []
        try:
            _core.namespaces_delete([str(each) for each in bound])
            if self.namespaces.is_dir():
                _core.namespace_directory_delete(str(self.namespaces))
        except OSError as error:
            raise SystemRefused(f"the namespaces in {self.namespaces} can't be removed: {error}") from error
        if bound:
            done.append(f"{len(bound)} namespace{'s' * (len(bound) != 1)}")
        while os.path.ismount(self.pins):
            gone = subprocess.run(["umount", "-l", str(self.pins)], capture_output=True, text=True, check=False)
            if gone.returncode:
                raise SystemRefused(f"{self.pins} can't be unmounted: {gone.stderr.strip()}")
        if self.path.exists():
            shutil.rmtree(self.path)
            done.append(str(self.path))

    def processes(self) -> Iterator[int]:
        """Processes that bear the mark, or live in one of its namespaces; never this one."""
        inodes = set()
        if self.namespaces.is_dir():
            inodes = {os.stat(each).st_ino for each in self.namespaces.iterdir() if os.path.ismount(each)}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    if _mark(int(entry.name)) == self.name or os.stat(entry / "ns/net").st_ino in inodes:
                        yield int(entry.name)

    def _end_processes(self, grace_s: float) -> int:
        """All of them; those that don't go when asked are killed."""
        found = list(self.processes())
        for pid in found:
            _signal(pid, signal.SIGTERM)
        end = time.monotonic() + grace_s
        left = found
        while left and time.monotonic() < end:
            time.sleep(0.02)
            left = [pid for pid in left if _lives(pid)]
        for pid in self.processes():
            _signal(pid, signal.SIGKILL)
        while any(_lives(pid) for pid in found) and time.monotonic() < end + 5:
            time.sleep(0.02)
        return len(found)


def all_places(root: Path = ROOT) -> list[Place]:
    """Every network of which something is here, by name."""
    return [Place(each.name, root) for each in sorted(root.iterdir()) if NAME.fullmatch(each.name)] if root.is_dir() else []


def the_place(name: str | None, root: Path = ROOT) -> Place:
    """The network of this name; the only one where no name is given.

    Raises:
        RequestError: there is none of that name, none at all, or several.
    """
    known = all_places(root)
    if name is not None:
        found = next((each for each in known if each.name == name), None)
        if found is None:
            raise RequestError(f"no network {name!r} is up" + (f" (there are {', '.join(p.name for p in known)})" if known else ""))
        return found
    if len(known) != 1:
        names = ", ".join(each.name for each in known)
        raise RequestError(
            f"several networks are up, name one with --network: {names}"
            if known
            else "no network is up: `dualhome up FILE`, or ask a file with -f FILE"
        )
    return known[0]


def _mark(pid: int) -> str | None:
    """The network that a process bears the mark of."""
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None
    if state == "Z":
        return None
    start = f"{MARK}=".encode()
    return next((word[len(start) :].decode(errors="replace") for word in words if word.startswith(start)), None)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError as error:
        if error.errno != errno.ESRCH:
            raise SystemRefused(f"process {pid} can't be ended: {error.strerror}") from error


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
