"""The life of a live network by the command line: it is interrupted, its helpers die, the machine refuses; what is said then, and that nothing stays."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import dualhome
from dualhome import _core
from dualhome.app import LiveRun, UpOptions, down, networks
from dualhome.errors import RequestError, SystemRefused
from dualhome.live import machine
from dualhome.live.place import MARK, Place
from dualhome.live.place import ROOT as RUN
from tests.consoles import ROOT

pytestmark = pytest.mark.live

FILE = ROOT / "examples/1-internet/topology.yaml"
NAME = f"life-{os.getpid()}"
OTHER = f"{NAME}-other"
ALL_OF_IT = FILE.read_text("utf-8").replace(
    "peers: [hub1-nva, hub2-nva]", "peers: [hub1-nva, hub2-nva], bfd: {interval_ms: 50, multiplier: 3}"
)
EXTERNAL = FILE.read_text("utf-8").replace("asn: 65002\n", "asn: 65002\n    runtime: external\n")


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    if reason := "; ".join(machine.missing()):
        pytest.skip(reason)
    before = host()
    yield
    left = {name: everything(name) for name in (NAME, OTHER)}
    for name in (NAME, OTHER):
        with suppress(RequestError):
            Place(name).clear()
    assert left == {NAME: [], OTHER: []}
    assert host() == before


def host() -> list[str]:
    """Links of this namespace, but for those of other tests' machines."""
    return [name for _, name, *_ in _core.Namespace("/proc/self/ns/net").links() if not name.startswith("dh-")]


def everything(name: str) -> list[str]:
    """Mounts, files, processes of a network."""
    found = [line for line in Path("/proc/self/mounts").read_text().splitlines() if f"{RUN}/{name}/" in line]
    found += [str(each) for each in (RUN / name).rglob("*")] if (RUN / name).exists() else []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and f"{MARK}={name}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(f"{entry.name}: {(entry / 'cmdline').read_text()}")
    return found


def cli(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dualhome.cli", *words], capture_output=True, text=True, timeout=60, check=False)


def until(true: Callable[[], object], limit_s: float = 10) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def pings(live: LiveRun, node: str, address: str) -> bool:
    words = ["nsenter", f"--net={live.nodes()[node]}", "ping", "-n", "-c", "2", "-i", "0.05", "-W", "1", address]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


# --- the whole way, by the command line -----------------------------------------------------------------------------------


def test_up_status_down_and_down_once_more() -> None:
    done = cli("up", str(FILE), "--name", NAME, "--speed", "20")
    assert done.returncode == 0, done.stderr
    assert NAME in done.stdout
    told = json.loads(cli("status", NAME, "--json").stdout)
    assert {each["state"] for each in told["sessions"]} == {"Established"}
    taken = cli("up", str(FILE), "--name", NAME)
    assert taken.returncode == 2
    assert (
        taken.stderr
        == f"dualhome: a network '{NAME}' is up already: `dualhome down {NAME}` takes it down, `--name` gives this one another name\n"
    )
    gone = cli("down", NAME)
    assert gone.returncode == 0
    assert f"/run/dualhome/{NAME}" in gone.stderr
    again = cli("down", NAME)
    assert again.returncode == 2
    assert again.stderr.startswith(f"dualhome: no network '{NAME}' is up")


def test_what_is_left_of_a_killed_network_is_told_of_everywhere() -> None:
    live = dualhome.load(FILE).up(NAME)
    live.close()
    pid = Place(NAME).driver()
    assert pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: Place(NAME).driver() is None)
    hint = f"`dualhome down {NAME}` removes what is left"
    for words, code in (
        (("status", NAME), 3),
        (("probe", "spoke-vm", "internet", "--network", NAME), 3),
        (("up", str(FILE), "--name", NAME), 2),
    ):
        done = cli(*words)
        assert (done.returncode, hint in done.stderr) == (code, True), done.stderr
    assert [each.running for each in networks() if each.name == NAME] == [False]
    assert cli("down", NAME).returncode == 0
    assert cli("down", NAME).returncode == 2


@pytest.mark.parametrize("after_s", [0.05, 0.45, 0.6, 0.7, 0.8, 0.95, 1.2])
def test_an_interrupted_up_leaves_nothing(after_s: float) -> None:
    """Ctrl-C, which a terminal sends to all of its foreground group."""
    words = [sys.executable, "-m", "dualhome.cli", "up", str(FILE), "--name", NAME]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True) as up:
        time.sleep(after_s)
        os.killpg(up.pid, signal.SIGINT)
        _, said = up.communicate(timeout=20)
    gone = up.returncode == -signal.SIGINT and Place(NAME).exists()  # Python was on its way out, with nobody to hear a signal
    if up.returncode == 0 or gone:  # it was up already
        down(NAME)
    loading = "Traceback" in said and "<frozen " in said and "KeyboardInterrupt" in said  # Python's own words, before ours run
    assert up.returncode in (0, 130, -signal.SIGINT) or loading, said
    assert "Traceback" not in said or loading, said


def test_the_directory_of_all_networks_may_go_while_one_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last other network takes it along, between our two steps."""
    made, mkdir = [], Path.mkdir

    def and_another_goes(path: Path, *words: Any, **options: Any) -> None:
        mkdir(path, *words, **options)
        if path == tmp_path / "run":
            made.append(path)
            if len(made) == 1:
                path.rmdir()

    monkeypatch.setattr(Path, "mkdir", and_another_goes)
    place = Place("one", tmp_path / "run")
    place.make()
    assert place.exists()
    assert len(made) == 2
    place.clear()


# --- helpers --------------------------------------------------------------------------------------------------------------


def helpers(kind: str) -> list[int]:
    found = []
    for pid in Place(NAME).processes():
        with suppress(OSError):
            if kind in Path(f"/proc/{pid}/cmdline").read_text():
                found.append(pid)
    return found


@pytest.mark.parametrize("kind", ["dualhome.live.prober", "dualhome.live.bfd_process"])
def test_a_helper_that_is_killed_takes_nothing_with_it(kind: str) -> None:
    live = dualhome.parse(ALL_OF_IT).up(NAME, UpOptions(speed=20))
    live.settle(60)
    live.watch("spoke-vm", "internet")
    [pid] = helpers(kind)
    os.kill(pid, signal.SIGKILL)
    until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
    if "prober" in kind:
        with pytest.raises(SystemRefused, match="the process that probes has ended"):
            live.outage("spoke-vm", "internet")
    with suppress(SystemRefused):
        live.fail("hub1-nva")
    live.settle(400)
    with suppress(SystemRefused):
        live.restore("hub1-nva")
    live.settle(400)
    assert pings(live, "spoke-vm", "8.8.8.8")
    assert set(live.session_states().values()) == {"Established"}
    log = Place(NAME).log
    live.close()
    live.place.driver()
    assert "Traceback" not in log.read_text()
    down(NAME)


@pytest.mark.parametrize("kind", ["dualhome.live.prober", "dualhome.live.bfd_process", "dualhome.app.daemon"])
def test_down_removes_all_whichever_process_was_killed(kind: str) -> None:
    live = dualhome.parse(ALL_OF_IT).up(NAME, UpOptions(speed=20))
    live.settle(60)
    live.watch("spoke-vm", "internet")
    live.close()
    [pid] = helpers(kind)
    os.kill(pid, signal.SIGKILL)
    assert down(NAME)
    with pytest.raises(RequestError, match="no network"):
        down(NAME)


def test_cables_into_this_machine_go_with_a_network_that_was_killed() -> None:
    live = dualhome.parse(EXTERNAL).up(NAME)
    devices = {plug.device for plug in live.status()["plugs"]}
    live.close()
    links = lambda: {name for _, name, *_ in _core.Namespace("/proc/self/ns/net").links()}  # noqa: E731
    assert devices
    assert devices <= links()
    pid = Place(NAME).driver()
    assert pid
    os.kill(pid, signal.SIGKILL)
    down(NAME)
    until(lambda: not devices & links())


# --- side by side ---------------------------------------------------------------------------------------------------------


def test_nothing_of_one_network_is_felt_in_another_of_the_same_addresses() -> None:
    with dualhome.load(FILE).up(NAME) as one, dualhome.load(FILE).up(OTHER) as other:
        for live in (one, other):
            live.settle(20)
        with pytest.raises(RequestError, match="several networks are up"):
            LiveRun.attach()
        other.watch("spoke-vm", "branch-host")
        before = {reason: count for reason, count in other.status()["packets"].items() if reason not in ("forwarded", "not-ip")}
        one.change({"virtual_machines": {"only-here": {"subnet": "spoke/workload", "address": "10.10.1.77"}}})
        one.fail("hub1-nva")
        one.fail("spoke-rs#0")
        one.settle(20)
        assert pings(one, "spoke-vm", "10.10.1.77")
        one.fail("only-here")
        one.settle(20)
        assert not pings(one, "spoke-vm", "10.10.1.77")
        assert other.outage("spoke-vm", "branch-host") == 0
        after = {reason: count for reason, count in other.status()["packets"].items() if reason not in ("forwarded", "not-ip")}
        assert after == before
        assert set(other.session_states().values()) == {"Established"}


# --- the machine refuses --------------------------------------------------------------------------------------------------


def refused(monkeypatch: pytest.MonkeyPatch, **functions: object) -> str:
    """What `up` says where these functions of the core do something else."""
    real = {name: getattr(_core, name) for name in dir(_core) if not name.startswith("__")}
    monkeypatch.setattr(machine, "_core", SimpleNamespace(**real | functions))
    with pytest.raises(SystemRefused) as caught:
        dualhome.load(FILE).up(NAME)
    return str(caught.value)


def fails(*_: object, **__: object) -> None:
    raise OSError(95, "Operation not supported")


def namespaces_that(**methods: object) -> Callable[[str], object]:
    class Lacking:
        def __init__(self, path: str) -> None:
            self._real = _core.Namespace(path)

        def __getattr__(self, name: str) -> object:
            return methods.get(name) or getattr(self._real, name)

    return Lacking


def test_a_kernel_without_namespaces_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the kernel makes no network namespaces (CONFIG_NET_NS): " in refused(monkeypatch, namespaces_create=fails)


def test_a_kernel_without_veth_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the kernel makes no veth pairs (CONFIG_VETH): " in refused(monkeypatch, Namespace=namespaces_that(veths=fails))


def test_a_program_that_is_missing_is_told_of_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda tool: None if tool == "nft" else tool)
    assert refused(monkeypatch) == ("this machine can't run a live network: the program nft is missing (Debian: apt-get install nftables)")


def test_a_kernel_without_bpffs_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "Path", lambda _: SimpleNamespace(read_text=lambda: "nodev\ttmpfs\n"))
    monkeypatch.setattr(machine, "_kernel", lambda _: iter(()))
    assert refused(monkeypatch) == "this machine can't run a live network: the kernel has no bpffs (CONFIG_BPF_SYSCALL)"


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is missing (apt-get install util-linux)")
def test_another_user_is_told_what_it_takes() -> None:
    words = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        sys.executable,
        "-m",
        "dualhome.cli",
        "up",
        str(FILE),
        "--name",
        NAME,
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if "Permission denied" in done.stderr or "No module" in done.stderr:
        pytest.skip("another user may not read the project's directory")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(
        "dualhome: this machine can't run a live network: it takes root (CAP_NET_ADMIN, CAP_SYS_ADMIN and CAP_BPF "
    )
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is missing (apt-get install util-linux)")
@pytest.mark.parametrize(
    ("options", "fill"), [*((f"nr_inodes={n}", "/dev/null") for n in (2, 3, 5, 7, 8, 9, 10, 13)), ("size=64k", "/dev/zero")]
)
def test_a_full_disk_is_told_of_and_leaves_nothing(options: str, fill: str) -> None:
    """/run is a file system with next to no room, in a mount namespace of its own."""
    script = f"""mount -t tmpfs -o {options} tmpfs /run && test {fill} = /dev/null || cat {fill} >/run/filler 2>/dev/null
        "$@"; code=$?
        find /run -name "*dualhome*"; grep " /run/dualhome/{NAME}/" /proc/self/mounts
        exit $code"""
    words = ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-m", "dualhome.cli", "up", str(FILE), "--name", NAME]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert "No space left on device" in done.stderr
    assert len(done.stderr.splitlines()) == 1
