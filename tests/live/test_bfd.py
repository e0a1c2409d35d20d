"""Our BFD process against itself, FRR's bfdd and BIRD, over a veth between two namespaces."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
    pytest.mark.skipif(shutil.which("ip") is None, reason="iproute2 is not installed (apt-get install iproute2)"),
]
BFDD = Path("/usr/lib/frr/bfdd")
frr_is_here = pytest.mark.skipif(not BFDD.exists() or not shutil.which("vtysh"), reason="FRR is not installed (apt-get install frr)")
bird_is_here = pytest.mark.skipif(
    not shutil.which("bird") or not shutil.which("birdc"), reason="BIRD is not installed (apt-get install bird2)"
)
LATE_MS = 30
OURS, THEIRS = "10.9.0.1", "10.9.0.2"

BIRD = """\
log stderr all;
router id 10.9.0.2;
protocol device {{ }}
protocol bfd {{
  interface "veth*" {{ min rx interval {interval} ms; min tx interval {interval} ms; multiplier 3; }};
  multihop {{ min rx interval {interval} ms; min tx interval {interval} ms; multiplier 3; }};
  neighbor 10.9.0.1 {how};
}}
"""
FRR = """\
log stdout
bfd
 peer 10.9.0.1 multihop local-address 10.9.0.2
  detect-multiplier 3
  receive-interval {interval}
  transmit-interval {interval}
  minimum-ttl 254
  no shutdown
"""


class Inside:
    """A daemon in a namespace, by nsenter, which becomes it; what it says is in `directory`/log. It is ready once `ready` is there."""

    def __init__(self, namespace: str, directory: Path, config: str, command: list[str], ready: Path) -> None:
        self._directory, self._ready = directory, ready
        self._command = ["nsenter", f"--net={namespace}", *command]
        self.config = directory / "daemon.conf"
        self.config.write_text(config)

    def __enter__(self) -> Self:
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT, cwd=self._directory)
        end = time.monotonic() + 10
        while not self._ready.exists():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def log(self) -> str:
        return (self._directory / "log").read_text(errors="replace")

    def kill(self) -> int:
        """At once and without a word; when, on CLOCK_MONOTONIC in microseconds."""
        self._process.kill()
        at = time.monotonic_ns() // 1000
        self._process.wait()
        return at


class Bfd:
    """Our process."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "dualhome.live.bfd_process"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._rest = b""
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(5) in (0, -9)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def tell(self, **command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")

    def add(self, namespace: str, local: str, remote: str, interval_ms: int = 50, **more: Any) -> None:
        fields = {"namespace": namespace, "local": local, "remote": remote, "interval_ms": interval_ms, "multiplier": 3, "port": 0}
        self.tell(add={"id": local, **fields, **more})

    def line(self, wait_s: float = 10) -> dict[str, Any]:
        """The next one."""
        assert self.process.stdout is not None
        while b"\n" not in self._rest:
            assert select.select([self.process.stdout], [], [], wait_s)[0], "nothing was said"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, "it ended"
            self._rest += data
        text, self._rest = self._rest.split(b"\n", 1)
        found: dict[str, Any] = json.loads(text)
        return found

    def until(self, state: str) -> dict[str, Any]:
        while (found := self.line())["state"] != state:
            pass
        return found

    def kill(self) -> int:
        self.process.kill()
        at = time.monotonic_ns() // 1000
        self.process.wait()
        return at


@pytest.fixture
def ends() -> Iterator[tuple[str, str]]:
    """Two namespaces with a veth between them: 10.9.0.1 and 10.9.0.2, fd09::1 and fd09::2."""
    names = [f"bfd-{os.getpid()}-{end}" for end in "ab"]
    try:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
        subprocess.run(
            ["ip", "link", "add", "veth0", "netns", names[0], "type", "veth", "peer", "name", "veth0", "netns", names[1]], check=True
        )
        for number, name in enumerate(names, 1):
            for words in (
                "link set lo up", "link set veth0 up", f"addr add 10.9.0.{number}/24 dev veth0", f"addr add fd09::{number}/64 dev veth0 nodad",
            ):  # fmt: skip
                subprocess.run(["ip", "-n", name, *words.split()], check=True)
        yield f"/run/netns/{names[0]}", f"/run/netns/{names[1]}"
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)


def detected_within(killed_at: int, line: dict[str, Any], interval_ms: int) -> float:
    """Milliseconds between death and word of it; the last packet was up to an interval earlier."""
    took_ms = (line["at_us"] - killed_at) / 1000
    assert line["failed"]
    assert 2 * interval_ms - LATE_MS <= took_ms <= 3 * interval_ms + LATE_MS
    return took_ms


@pytest.mark.parametrize("multihop", [False, True])
@pytest.mark.parametrize(("local", "remote"), [(OURS, THEIRS), ("fd09::1", "fd09::2")])
def test_two_of_ours(ends: tuple[str, str], multihop: bool, local: str, remote: str) -> None:
    """Up; other intervals while up; then one is killed, and the other knows in time."""
    took = []
    with Bfd() as ours:
        for _ in range(10 if multihop and local == OURS else 1):
            with Bfd() as theirs:
                ours.add(ends[0], local, remote, multihop=multihop, device="" if multihop else "veth0")
                theirs.add(ends[1], remote, local, multihop=multihop)
                assert theirs.until("Up")["why"].startswith("the other end says")
                ours.until("Up")
                time.sleep(0.5)
                killed_at = theirs.kill()
                took.append(detected_within(killed_at, ours.until("Down"), 50))
                ours.tell(remove=local)
                ours.until("AdminDown")
    print("detected after ms:", *(f"{ms:.1f}" for ms in took))


def test_other_intervals_keep_the_session_up(ends: tuple[str, str]) -> None:
    with Bfd() as ours, Bfd() as theirs:
        ours.add(ends[0], OURS, THEIRS, interval_ms=20)
        theirs.add(ends[1], THEIRS, OURS, interval_ms=20)
        ours.until("Up")
        theirs.until("Up")
        time.sleep(0.3)
        for interval in (200, 50):
            ours.add(ends[0], OURS, THEIRS, interval_ms=interval)
            time.sleep(1)
        killed_at = theirs.kill()
        detected_within(killed_at, ours.line(), 50)


def test_switching_off_is_no_failure(ends: tuple[str, str]) -> None:
    with Bfd() as ours, Bfd() as theirs:
        ours.add(ends[0], OURS, THEIRS)
        theirs.add(ends[1], THEIRS, OURS)
        ours.until("Up")
        theirs.until("Up")
        theirs.tell(stop=True)
        down = ours.until("Down")
        assert (down["failed"], down["why"]) == (False, "the other end is administratively down")


def test_what_cannot_be_done_is_said(ends: tuple[str, str]) -> None:
    with Bfd() as ours:
        ours.add("/run/netns/nowhere", OURS, THEIRS)
        assert "No such file" in ours.line()["error"]
        ours.tell(other=1)
        assert ours.line() == {"id": "", "error": "neither add, remove, forget nor stop"}


@frr_is_here
def test_frr(ends: tuple[str, str], tmp_path: Path) -> None:
    """Multihop; FRR takes other intervals by a Poll Sequence of ours, and dies."""
    tmp_path.chmod(0o777)
    config = tmp_path / "daemon.conf"
    command = [
        str(BFDD), "-u", "frr", "-g", "frr", "-f", str(config), "-i", str(tmp_path / "pid"), "--vty_socket", str(tmp_path),
        "-z", str(tmp_path / "no-zebra"), "--bfdctl", str(tmp_path / "bfdd.sock"), "--log", "stdout",
    ]  # fmt: skip
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    frr = Inside(ends[1], tmp_path, FRR.format(interval=50), command, tmp_path / "bfdd.vty")

    def peer() -> dict[str, Any]:
        ask = ["vtysh", "--vty_socket", str(tmp_path), "-d", "bfdd", "-c", "show bfd peers json"]
        found: dict[str, Any] = json.loads(subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True).stdout)[0]
        return found

    with Bfd() as ours, frr:
        ours.add(ends[0], OURS, THEIRS, multihop=True)
        ours.until("Up")
        time.sleep(0.5)
        assert (peer()["status"], peer()["remote-transmit-interval"]) == ("up", 50)
        ours.add(ends[0], OURS, THEIRS, multihop=True, interval_ms=100)
        time.sleep(1)
        assert (peer()["status"], peer()["remote-transmit-interval"]) == ("up", 100)
        killed_at = frr.kill()
        detected_within(killed_at, ours.line(), 100)


@bird_is_here
@pytest.mark.parametrize("multihop", [False, True])
def test_bird(ends: tuple[str, str], tmp_path: Path, multihop: bool) -> None:
    """BIRD changes its intervals by a Poll Sequence of its own, and dies."""
    how = "local 10.9.0.2 multihop" if multihop else 'dev "veth0"'
    control = str(tmp_path / "ctl")
    command = ["bird", "-f", "-c", str(tmp_path / "daemon.conf"), "-s", control, "-P", str(tmp_path / "pid")]
    bird = Inside(ends[1], tmp_path, BIRD.format(interval=50, how=how), command, tmp_path / "ctl")

    def ask(*words: str) -> str:
        return subprocess.run(["birdc", "-s", control, *words], capture_output=True, text=True, timeout=10, check=True).stdout

    with Bfd() as ours, bird:
        ours.add(ends[0], OURS, THEIRS, multihop=multihop)
        ours.until("Up")
        time.sleep(0.5)
        assert " Up " in ask("show", "bfd", "sessions")
        bird.config.write_text(BIRD.format(interval=100, how=how))
        ask("configure")
        time.sleep(1)
        killed_at = bird.kill()
        detected_within(killed_at, ours.line(), 100)
