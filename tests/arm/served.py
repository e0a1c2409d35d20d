"""`dualhome serve` as a process, and Azure's own clients, each in its virtual environment (`make clients`)."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DUALHOME = Path(sys.executable).with_name("dualhome")
AZ, SDK = ROOT / ".cache" / "az" / "bin" / "az", ROOT / ".cache" / "sdk" / "bin" / "python"
needs_az = pytest.mark.skipif(not AZ.exists(), reason="azure-cli is not there: make clients")
needs_sdk = pytest.mark.skipif(not SDK.exists(), reason="Azure's SDK is not there: make clients")


@dataclass
class Served:
    """A server that runs. `environment`: for whoever is to find it."""

    home: Path
    url: str
    subscription: str
    environment: dict[str, str]
    process: subprocess.Popen[str]

    def variables(self) -> dict[str, str]:
        """As `dualhome env` has them, over the environment."""
        said = subprocess.run([DUALHOME, "env", "--shell", "json"], env=self.environment, capture_output=True, text=True, check=True)
        return self.environment | json.loads(said.stdout)

    def az(self, *words: str, check: bool = True) -> Any:
        """What az prints, as data; by `dualhome az`."""
        done = subprocess.run(
            [DUALHOME, "az", "--", *words, "-o", "json", "--only-show-errors"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stderr
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else done.stderr

    def token(self) -> str:
        """Of the owner."""
        given = json.loads((self.home / "serve" / "credentials.json").read_text())
        form = {"grant_type": "client_credentials", "client_id": given["client_id"], "client_secret": given["client_secret"]}
        data = urllib.parse.urlencode(form | {"scope": f"{self.url}/.default"}).encode()
        with urllib.request.urlopen(f"{self.url}/{given['tenant_id']}/oauth2/v2.0/token", data, context=self.trust()) as answer:
            return str(json.load(answer)["access_token"])

    def trust(self) -> ssl.SSLContext:
        """For whoever asks it without a client of Azure's."""
        return ssl.create_default_context(cafile=self.home / "serve" / "ca.pem")

    def python(self, *arguments: str | Path, **more: str) -> str:
        """What a program prints that uses the SDK."""
        done = subprocess.run([SDK, *arguments], env=self.variables() | more, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def kill(self) -> None:
        """As a power cut does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def start(home: Path, *options: str, engine: str = "simulated") -> Served:
    """Start one on the state of a directory, and wait until it answers."""
    environment = {**os.environ, "DUALHOME_HOME": str(home), "HOME": str(home), "DUALHOME_AZ": str(AZ), "AZURE_CORE_COLLECT_TELEMETRY": "0"}
    name = f"arm-{os.getpid()}-{abs(hash(str(home))) % 10000}"
    log = (home / "serve.log").open("a")
    command = [str(DUALHOME), "serve", "--port", "0", "--engine", engine, "--name", name, *options]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, (home / "serve.log").read_text()[-3000:]
    said = json.loads(line)
    assert said["engine"] == engine
    return Served(home, said["url"], said["subscription"], environment, process)


@contextmanager
def served(home: Path, *options: str, engine: str = "simulated") -> Iterator[Served]:
    """A server for a test; its live network is gone afterwards."""
    found = start(home, *options, engine=engine)
    try:
        yield found
    finally:
        found.process.send_signal(signal.SIGTERM)
        try:
            found.process.wait(60)
        except subprocess.TimeoutExpired:
            found.kill()
            raise


def until(what: Any, seconds: float = 30) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False
