"""FRR's bgpd and BIRD 2, started by hand on loopback addresses with all that they write in one directory; asked by their own tools."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

BGPD = Path("/usr/lib/frr/bgpd")


def missing_frr() -> str:
    """Why FRR can't be used here; "" where it can."""
    return "" if BGPD.exists() and shutil.which("vtysh") else "FRR is not installed (apt-get install frr)"


def missing_bird() -> str:
    """Why BIRD can't be used here; "" where it can."""
    return "" if shutil.which("bird") and shutil.which("birdc") else "BIRD is not installed (apt-get install bird2)"


class Daemon:
    """A process that is ours: started on entry, ended on exit, its output in `directory`/log."""

    def __init__(self, directory: Path, config: str, command: list[str], ready: Path) -> None:
        self.directory = directory
        self.config = directory / "daemon.conf"
        self.config.write_text(config)
        self._command = command
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT, cwd=self.directory)
        end = time.monotonic() + 10
        while not self._ready.exists():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")


class Frr(Daemon):
    """bgpd alone, without zebra and without touching the kernel."""

    def __init__(self, directory: Path, config: str, address: str, port: int) -> None:
        directory.chmod(0o777)  # bgpd gives its socket to another group
        command = [
            str(BGPD), "-n", "--skip_runas", "-f", str(directory / "daemon.conf"), "-i", str(directory / "pid"), "--vty_socket", str(directory),
            "-z", str(directory / "no-zebra"), "-P", "0", "-p", str(port), "-l", address, "--log", "stdout", "--log-level", "informational",
        ]  # fmt: skip
        super().__init__(directory, config, command, directory / "bgpd.vty")

    def ask(self, command: str) -> Any:
        """vtysh's answer to a command that ends in json."""
        done = subprocess.run(
            ["vtysh", "--vty_socket", str(self.directory), "-d", "bgpd", "-c", command],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        return json.loads(done.stdout)

    def tell(self, *commands: str) -> None:
        """Configure."""
        words = [word for command in ("configure terminal", *commands) for word in ("-c", command)]
        subprocess.run(
            ["vtysh", "--vty_socket", str(self.directory), "-d", "bgpd", *words], capture_output=True, text=True, timeout=10, check=True
        )


class Bird(Daemon):
    """BIRD without any protocol that touches the kernel."""

    def __init__(self, directory: Path, config: str) -> None:
        command = ["bird", "-f", "-c", str(directory / "daemon.conf"), "-s", str(directory / "ctl"), "-P", str(directory / "pid")]
        super().__init__(directory, config, command, directory / "ctl")

    def ask(self, command: str) -> str:
        """birdc's answer."""
        done = subprocess.run(
            ["birdc", "-s", str(self.directory / "ctl"), *command.split()], capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout

    def reconfigure(self, config: str) -> None:
        """Another configuration, without a restart."""
        self.config.write_text(config)
        self.ask("configure")
