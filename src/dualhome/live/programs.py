"""Programs that speak for a node: written down, checked, started in its namespace, asked, ended.

All their files are in the network's directory under `nodes/NODE`; their processes bear the network's mark. Begin at `program_for`; `require` refuses beforehand.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from dualhome.errors import RequestError, SystemRefused
from dualhome.live.layout import Layout, Node
from dualhome.live.place import Place
from dualhome.live.runtimes import RUNTIMES, Job, Learned, Runtime, job_of
from dualhome.plan import Plan

NAMES: Final = {"frr": "FRR", "bird": "BIRD"}
READY_S: Final = 15.0  # for a process to be there
END_S: Final = 2.0  # for one to go when asked
ASK_S: Final = 10.0
TAIL: Final = 3  # lines of a log that an error shows
KERNEL_PROTOCOLS: Final = ("bgp", "bird")


class Program:
    """One node's: one process or several, which are one."""

    def __init__(self, name: str, runtime: str, job: Job, place: Place, own: Path | None = None) -> None:
        """`own`: the user's configuration, instead of a generated one.

        Raises:
            RequestError: the network asks for what the program can't do.
        """
        self.name, self.word, self.runtime, self.job = name, NAMES[runtime], RUNTIMES[runtime], job
        self._place, self._own = place, own
        self.text = _text(self.runtime, job, own)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._states: Mapping[str, str] = {}

    @property
    def running(self) -> bool:
        """All of it."""
        return bool(self._processes) and all(each.poll() is None for each in self._processes)

    def start(self) -> None:
        """Start it anew, and wait until it can be asked and has its configuration.

        Raises:
            RequestError: it refuses its configuration; the message has its own words.
            SystemRefused: it doesn't start.
        """
        self._end(signal.SIGKILL)
        self.clear()
        where = self.job.directory
        where.mkdir(exist_ok=True)
        file, log = where / self.runtime.file, where / "log"
        file.write_text(self.text)
        log.touch()
        check(self.name, self.word, self.runtime, file, self._own)
        if self.runtime.owner is not None:
            for each in (where, log):
                shutil.chown(each, self.runtime.owner, self.runtime.owner)
        try:
            for process in self.runtime.processes(self.job):
                process.ready.unlink(missing_ok=True)
                self._run(process.command, log)
                self._await(process.name, process.ready, log)
            if (command := self.runtime.load(self.job)) and (said := self._said(command)):
                raise SystemRefused(f"{self.name}: {self.word} doesn't take its configuration: {said}")
        except BaseException:
            self._end(signal.SIGKILL)
            raise

    def stop(self) -> None:
        """Ask it to end, and see to it that it does."""
        self._end(signal.SIGTERM)

    def terminate(self) -> None:
        """Ask it to end; `stop` waits for that."""
        for each in reversed(self._processes):
            each.terminate()

    def kill(self) -> None:
        """It crashes; its kernel closes what it had open. `clear` follows."""
        self._end(signal.SIGKILL)

    def clear(self) -> None:
        """The node crashed with it: of its routes nothing is left. Takes some 20 ms, so not for an event loop."""
        for protocol in KERNEL_PROTOCOLS:
            for family in ("-4", "-6"):
                words = ["nsenter", self._net, "--", "ip", family, "route", "flush", "proto", protocol]
                subprocess.run(words, capture_output=True, check=False)

    def poll(self) -> None:
        """Ask for the states of its sessions; takes some 50 ms, so not for an event loop."""
        if not self.running:
            self._states = {}
            return
        try:
            states = self.runtime.states(self.job, self._ask(self.runtime.ask_states(self.job)))
            self._states = states if self.running else {}
        except (OSError, ValueError, subprocess.TimeoutExpired):
            self._states = {}  # it is on its way up or down

    def states(self) -> Mapping[str, str]:
        """By peer the state of the session as RFC 4271 calls it, as `poll` found it; empty where it can't be asked."""
        return self._states

    def learned(self, peer: str) -> tuple[Learned, ...]:
        """What a peer sent, as the program tells.

        Raises:
            SystemRefused: it doesn't answer.
        """
        try:
            return self.runtime.learned(self._ask(self.runtime.ask_learned(self.job, peer)))
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise SystemRefused(f"{self.name}: {self.word} doesn't answer: {error}") from error

    def shell(self) -> str:
        """The command that opens its own shell, or asks it something."""
        return f"dualhome exec {self.name} --network {self._place.name} -- {' '.join(self.runtime.shell(self.job))}"

    # --- processes ----------------------------------------------------------------------------------------------------

    @property
    def _net(self) -> str:
        return f"--net={self._place.namespace(self.name)}"

    def _run(self, command: Sequence[str], log: Path) -> None:
        with log.open("ab") as out:
            process = subprocess.Popen(
                ["nsenter", self._net, "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.job.directory,
                env=self._place.environment(),
                start_new_session=True,
            )
        self._processes.append(process)

    def _await(self, name: str, ready: Path, log: Path) -> None:
        end = time.monotonic() + READY_S
        while not ready.exists():
            ended = self._processes[-1].poll() is not None
            if ended or time.monotonic() > end:
                tail = " / ".join(log.read_text(errors="replace").strip().splitlines()[-TAIL:])
                raise SystemRefused(f"{self.name}: {name} {'ended' if ended else 'is not ready'} after its start: {tail or 'no word'}")
            time.sleep(0.01)

    def _end(self, number: signal.Signals) -> None:
        for each in reversed(self._processes):
            each.send_signal(number)
        end = time.monotonic() + END_S
        for each in reversed(self._processes):
            try:
                each.wait(max(0.01, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()
        self._processes.clear()
        self._states = {}

    def _inside(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        words = ["nsenter", self._net, "--", *command]
        return subprocess.run(words, capture_output=True, text=True, timeout=ASK_S, check=False, env=self._place.environment())

    def _said(self, command: Sequence[str]) -> str:
        """What a command says where it fails."""
        done = self._inside(command)
        return (done.stdout + done.stderr).strip() or f"it ended with {done.returncode}" if done.returncode else ""

    def _ask(self, command: Sequence[str]) -> str:
        done = self._inside(command)
        if done.returncode:
            raise OSError(done.stderr.strip() or f"{command[0]} ended with {done.returncode}")
        return done.stdout


def program_for(plan: Plan, node: Node, place: Place, directory: Path) -> Program | None:
    """The program that a node's runtime names; None for one that is the user's own. `directory`: where files that the topology names are.

    Raises:
        RequestError: the network asks for what the program can't do, or names a file that can't be read.
    """
    router = node.router
    if router is None or router.runtime not in RUNTIMES:
        return None
    own = directory / router.configuration if router.configuration else None
    return Program(node.name, router.runtime, job_of(plan, node, place.nodes / node.name), place, own)


def require(plan: Plan, layout: Layout, directory: Path) -> None:
    """All programs that a network needs are installed and take their configurations. Nothing is made but a temporary directory.

    Raises:
        RequestError: one can't do what it is asked to, or refuses its configuration; the message has its own words.
        SystemRefused: one isn't installed; the message has the package's name.
    """
    nodes = [node for node in layout.nodes.values() if node.name in plan.speakers and node.router and node.router.runtime in RUNTIMES]
    lacking = [(node.name, said) for node in nodes if node.router and (said := RUNTIMES[node.router.runtime].missing())]
    if lacking:
        raise SystemRefused("; ".join(f"{name}: {said}" for name, said in lacking))
    with tempfile.TemporaryDirectory(prefix="dualhome-") as made:
        for node in nodes:
            assert node.router is not None, "these have one"
            runtime, own = node.router.runtime, directory / node.router.configuration if node.router.configuration else None
            job = job_of(plan, node, Path(made))
            file = Path(made) / RUNTIMES[runtime].file
            file.write_text(_text(RUNTIMES[runtime], job, own))
            check(node.name, NAMES[runtime], RUNTIMES[runtime], file, own)


def check(name: str, word: str, runtime: Runtime, file: Path, own: Path | None) -> None:
    """Whether a program takes a configuration.

    Raises:
        RequestError: it doesn't, and says why.
    """
    if said := runtime.check_configuration(file):
        whose = str(own) if own else "the configuration that was made for it"
        raise RequestError(f"{name}: {word} refuses {whose}: {said.replace(str(file), own.name if own else file.name)}")


def _text(runtime: Runtime, job: Job, own: Path | None) -> str:
    if own is None:
        return runtime.configuration(job)
    try:
        return own.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{job.config.name}: {own} can't be read: {getattr(error, 'strerror', None) or error}") from error
