"""What a live network leaves behind: nothing, whatever ended how. And networks side by side, which don't see each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dualhome.app import LiveRun, down, load, networks
from dualhome.errors import DualhomeError, RequestError, SystemRefused
from dualhome.live import machine
from dualhome.live.place import MARK, ROOT, Place
from tests.consoles import ROOT as PROJECT

FILE = PROJECT / "examples/1-internet/topology.yaml"
NAME = f"nothing-{os.getpid()}"
OTHER = f"{NAME}-other"


@pytest.fixture(autouse=True)
def machine_can() -> Iterator[None]:
    if reason := next(machine.missing(), ""):
        pytest.skip(reason)
    yield
    for name in (NAME, OTHER):
        with suppress(RequestError):
            Place(name).clear()


def left(name: str) -> list[str]:
    """Whatever bears the name of a network: its directory, mounts, processes."""
    found = [line for line in Path("/proc/mounts").read_text().splitlines() if f"{ROOT}/{name}/" in line]
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and f"{MARK}={name}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(f"process {entry.name}")
    return [*found, *([str(ROOT / name)] if (ROOT / name).exists() else [])]


def links() -> list[str]:
    return sorted(each.name for each in Path("/sys/class/net").iterdir())


def ping(live: LiveRun, node: str, address: str) -> bool:
    command = ["nsenter", f"--net={live.nodes()[node]}", "ping", "-n", "-c", "2", "-i", "0.05", "-W", "1", address]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_down_leaves_nothing() -> None:
    before = links()
    with load(FILE).up(NAME) as live:
        live.settle(20)
        live.watch("spoke-vm", "internet")
        assert [each.running for each in networks() if each.name == NAME] == [True]
    assert left(NAME) == []
    assert links() == before
    with pytest.raises(RequestError, match=f"no network '{NAME}' is up"):
        down(NAME)


def test_a_killed_network_is_told_of_and_removed() -> None:
    live = load(FILE).up(NAME)
    live.settle(20)
    live.watch("spoke-vm", "internet")  # another process
    [info] = [each for each in networks() if each.name == NAME]
    assert info.pid is not None
    os.kill(info.pid, signal.SIGKILL)
    end = time.monotonic() + 5
    while Place(NAME).driver() is not None:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert [each.running for each in networks() if each.name == NAME] == [False]
    with pytest.raises(SystemRefused, match=f"has ended: `dualhome down {NAME}`"):
        LiveRun.attach(NAME)
    with pytest.raises(RequestError, match=f"left a network '{NAME}' behind: `dualhome down {NAME}`"):
        load(FILE).up(NAME)
    assert down(NAME)
    assert left(NAME) == []


@pytest.mark.parametrize("after_s", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_an_up_that_is_killed_half_way_can_be_taken_down(after_s: float) -> None:
    command = [sys.executable, "-c", "from dualhome.cli import main; main()", "up", str(FILE), "--name", NAME]
    up = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after_s)
    up.kill()
    up.wait()
    end = time.monotonic() + 5
    while left(NAME) and time.monotonic() < end:
        with suppress(DualhomeError):
            down(NAME)
    assert left(NAME) == []


def test_a_name_that_is_taken_or_none() -> None:
    with load(FILE).up(NAME):
        with pytest.raises(RequestError, match=f"a network '{NAME}' is up already"):
            load(FILE).up(NAME)
        assert left(NAME)
    with pytest.raises(RequestError, match="is no name for a network"):
        load(FILE).up("../etc")


def test_two_networks_with_the_same_addresses_do_not_see_each_other() -> None:
    with load(FILE).up(NAME) as one, load(FILE).up(OTHER) as other:
        for live in (one, other):
            live.settle(20)
        one.change({"virtual_machines": {"only-here": {"subnet": "spoke/workload", "address": "10.10.1.77"}}})
        one.settle(20)
        assert ping(one, "spoke-vm", "10.10.1.77")
        assert not ping(other, "spoke-vm", "10.10.1.77")
        before = other.effective_routes("spoke-vm")
        one.fail("hub1-nva")
        one.settle(20)
        assert one.effective_routes("spoke-vm") != before == other.effective_routes("spoke-vm")
        assert ping(other, "spoke-vm", "8.8.8.8")
        assert other.audit() == one.audit() == []


def test_without_root_it_says_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)
    with pytest.raises(SystemRefused, match="it takes root"):
        load(FILE).up(NAME)
    assert left(NAME) == []


def test_a_full_disk_leaves_nothing_half_made(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=3", "tmpfs", str(tmp_path)], check=True)
    try:
        with pytest.raises(SystemRefused, match=r"can't be (made|filled): No space left on device"):
            Place("full", tmp_path / "networks").make()
        assert not (tmp_path / "networks" / "full").exists()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
