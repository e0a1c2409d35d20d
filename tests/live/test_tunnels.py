"""Tunnels in namespaces: what crosses their wires is WireGuard's alone, failures and hop counts are as without, and nothing stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import dualhome
from dualhome.app import LiveRun, UpOptions, down
from dualhome.errors import RequestError, SystemRefused
from dualhome.live import machine, wireguard
from dualhome.live.place import Place, all_places
from dualhome.live.wireguard import Userland
from dualhome.live.wireguard_words import Device, Keys, interface_text, new_keys, peer_text
from tests.consoles import ROOT

LACKING = list(machine.missing())
pytestmark = pytest.mark.skipif(bool(LACKING), reason="; ".join(LACKING) or "nothing is missing")
encrypted = pytest.mark.skipif(
    shutil.which("wg") is None or shutil.which("wireguard-go") is None, reason="wg and wireguard-go are not installed"
)
FILE = ROOT / "examples/5-vpn/topology.yaml"
NAME = f"tunnels-{os.getpid()}"
UP = {"spoke-rs#0/hub1-nva", "hub1-vpn#0/dc-r1", "hub1-vpn#1/dc-r1", "dc-r2/hub2-vpn#0"}


@pytest.fixture(scope="module")
def live() -> Iterator[LiveRun]:
    """Example 5 with WireGuard, sixty times as fast as the world."""
    run = dualhome.load(FILE).up(NAME, UpOptions(tunnels="wireguard", speed=60))
    try:
        run.settle(1200)
        yield run
    finally:
        run.close()
        down(NAME)


def inside(node: str, *command: str, name: str = NAME) -> str:
    words = ["nsenter", f"--net={Place(name).namespace(node)}", "--", *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=15, check=False).stdout


def pings(source: str, destination: str, name: str = NAME) -> bool:
    return "1 received" in inside(source, "ping", "-c", "1", "-W", "2", destination, name=name)


def of_tunnels(place: Place) -> list[int]:
    return [pid for pid in place.processes() if b"wireguard-go" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@encrypted
def test_sessions_are_up_and_packets_pass(live: LiveRun) -> None:
    states = live.session_states()
    assert {states[each] for each in UP} == {"Established"}
    assert pings("spoke-vm", "192.168.1.10")
    found = live.status()["tunnels"]
    assert (found["encrypted"], found["warnings"]) == (4, [])


@encrypted
@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not installed")
def test_nothing_plain_crosses_the_wires(live: LiveRun) -> None:
    wires = [line.split("@")[0].split()[-1] for line in inside("dc-r1", "ip", "-o", "link").splitlines() if "wire~" in line]
    assert len(wires) == 2
    words = ["nsenter", f"--net={Place(NAME).namespace('dc-r1')}", "--", "tcpdump", "--immediate-mode", "-lnn", "-i", "any"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watch:
        assert watch.stderr
        assert watch.stdout
        while "listening" not in watch.stderr.readline():
            pass
        assert pings("dc-host", "10.10.1.4")
        time.sleep(1)
        watch.terminate()
        seen = watch.stdout.read().splitlines()
    crossing = [line for line in seen if any(f" {wire} " in line for wire in wires) and "multicast listener" not in line]
    assert len(crossing) >= 2
    assert not [line for line in crossing if "fdd4:7564:616c::" not in line or ": UDP, length" not in line]
    assert any("ICMP echo request" in line and " hub1-vpn." in line for line in seen), "inside it is seen plain"


@encrypted
@pytest.mark.skipif(shutil.which("traceroute") is None, reason="traceroute is not installed")
@pytest.mark.parametrize(("source", "destination", "via"), [("dc-host", "10.10.1.4", 3), ("spoke-vm", "192.168.1.10", 3)])
def test_no_trace_shows_a_gateway(live: LiveRun, source: str, destination: str, via: int) -> None:
    traced = inside(source, "traceroute", "-n", "-q", "1", "-w", "1", destination).splitlines()[1:]
    assert len(traced) == via
    assert not any(" 10.1.1." in line or " 10.2.1." in line or "*" in line for line in traced), traced


@encrypted
def test_failures_are_as_without(live: LiveRun) -> None:
    states = lambda: {each: live.session_states()[each] for each in ("hub1-vpn#0/dc-r1", "dc-r2/hub2-vpn#0")}  # noqa: E731
    live.fail("hub1-vpn<->dc-r1", "crash")
    live.settle(1200)
    assert states() == {"hub1-vpn#0/dc-r1": "Connect", "dc-r2/hub2-vpn#0": "Established"} or states()["hub1-vpn#0/dc-r1"] != "Established"
    assert pings("spoke-vm", "192.168.1.10")
    live.restore("all")
    live.settle(1200)
    assert set(states().values()) == {"Established"}
    assert pings("spoke-vm", "192.168.1.10")


@encrypted
def test_what_fails_for_data_alone_keeps_its_sessions(live: LiveRun) -> None:
    for pair in ("hub1-vpn<->dc-r1", "hub2-vpn<->dc-r2"):
        live.fail(pair, "forwarding")
    live.settle(1200)
    live.wait(200)  # longer than the hold time
    assert {live.session_states()[each] for each in UP} == {"Established"}
    assert not pings("spoke-vm", "192.168.1.10")
    live.restore("all")
    live.settle(1200)
    assert pings("spoke-vm", "192.168.1.10")


@encrypted
def test_a_tunnel_goes_and_comes_back(live: LiveRun) -> None:
    live.change({"vpn_connections": {"hub2-vpn<->dc-r2": None}, "on_premises": {"dc-r2": {"export": None}}})
    live.settle(1200)
    assert live.status()["tunnels"]["encrypted"] == 2
    assert len(of_tunnels(Place(NAME))) == 4
    assert pings("dc-host", "10.10.1.4")
    live.change({"vpn_connections": {"hub2-vpn<->dc-r2": {}}, "on_premises": {"dc-r2": {"export": {"hub2-vpn": "only-our-own"}}}})
    live.settle(1200)
    assert live.session_states()["dc-r2/hub2-vpn#0"] == "Established"
    assert live.status()["tunnels"]["encrypted"] == 4
    assert inside("dc-r2", "ping", "-c", "1", "-W", "2", "-I", "hub2-vpn.0", "10.2.1.4").count("1 received") == 1


@encrypted
def test_keys_are_for_root_alone(live: LiveRun) -> None:
    keys = sorted(Place(NAME).path.glob("tunnels/*/key"))
    assert len(keys) == 8
    assert all((each.stat().st_mode & 0o777, each.stat().st_uid) == (0o600, 0) for each in keys)
    assert len({each.read_text() for each in keys}) == 8


@encrypted
def test_a_killed_process_is_told_and_nothing_is_left() -> None:
    name = f"{NAME}-killed"
    place = Place(name)
    dualhome.load(FILE).up(name, UpOptions(tunnels="wireguard")).close()
    try:
        os.kill(of_tunnels(place)[0], signal.SIGKILL)
        time.sleep(0.2)
        run = LiveRun.attach(name)
        assert "has ended" in "".join(run.status()["tunnels"]["warnings"])
        run.close()
        driver = place.driver()
        assert driver is not None
        os.kill(driver, signal.SIGKILL)
        time.sleep(0.2)
        assert len(of_tunnels(place)) == 7, "they live on"
    finally:
        down(name)
    assert not place.exists()
    assert not list(place.processes())
    assert name not in Path("/proc/self/mountinfo").read_text()
    with pytest.raises(RequestError):
        down(name)
    assert name not in [each.name for each in all_places()]


def test_plain_tunnels_are_warned_of() -> None:
    name = f"{NAME}-plain"
    run = dualhome.load(FILE).up(name, UpOptions(tunnels="plain", speed=20))
    try:
        run.settle(120)
        [warning] = run.status()["tunnels"]["warnings"]
        assert warning.startswith("4 tunnels are not encrypted (dc-r1<->hub1-vpn#0, ")
        assert warning.endswith("): as asked")
        assert "not encrypted: as asked" in Place(name).log.read_text()
        assert pings("spoke-vm", "192.168.1.10", name)
        assert not of_tunnels(Place(name))
    finally:
        run.close()
        down(name)


@pytest.mark.parametrize("program", ["wg", "wireguard-go"])
def test_what_is_missing_is_named(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else which(name))
    found, reason = wireguard.driver(Place("x"))
    if found is None:
        assert f"the program {program} is missing (Debian: apt-get install wireguard-" in reason


def test_where_encryption_is_asked_for_and_missing_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in ("nsenter", "ip", "nft", "mount", "umount", "unshare", "tc", "sh"):
        (tmp_path / each).symlink_to(shutil.which(each) or "/")
    monkeypatch.setenv("PATH", str(tmp_path))
    name = f"{NAME}-missing"
    with pytest.raises(SystemRefused, match="tunnels can't be encrypted on this machine: the program wg is missing"):
        dualhome.load(FILE).up(name, UpOptions(tunnels="wireguard"))
    assert not Place(name).exists()


@encrypted
def test_the_kernel_would_be_told_the_same() -> None:
    """What `wg` is to read is read, by the device of a process."""
    place = Place(f"{NAME}-alone")
    place.make()
    try:
        dualhome._core.namespace_create(str(place.namespace("a")))  # type: ignore[attr-defined]
        device, userland = Device(node="a", name="b", number=16, far=17, wire="wire~16"), Userland(place)
        mine, far = new_keys(2)
        userland.make([(device, mine)])
        [pid] = of_tunnels(place)
        text = interface_text(device, mine) + peer_text(device, far)
        words = ["nsenter", f"--target={pid}", "--net", "--mount", "--", "wg"]
        subprocess.run([*words, "setconf", "b", "/dev/stdin"], input=text, text=True, check=True)
        shown = subprocess.run([*words, "show", "b", "dump"], capture_output=True, text=True, check=True).stdout.split()
        assert shown[:3] == [mine.private, mine.public, "51836"]
        assert shown[4:8] == [far.public, "(none)", "[fdd4:7564:616c::11]:51837", "0.0.0.0/0,::/0"]
        assert Keys(private=mine.private, public=mine.public) == mine
        userland.drop([device])
        assert not of_tunnels(place)
    finally:
        place.clear()
