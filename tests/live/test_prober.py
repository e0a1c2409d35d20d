"""Probes between namespaces that `ip` makes: what is lost, for how long, in which flows, and the way that packets take."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from dualhome.errors import RequestError, SystemRefused
from dualhome.live.probing import Answer, Prober

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root"),
    pytest.mark.skipif(not all(map(shutil.which, ("ip", "nft", "sysctl"))), reason="iproute2, nftables or procps is missing"),
]

TAG = uuid4().hex[:6]
A, B, C = (f"dhp-{TAG}-{name}" for name in "abc")
LINKS = ((A, "right", B, "left"), (B, "left", A, "right"), (B, "right", C, "left"), (C, "left", B, "right"))  # both ways
NEXT = (("10.9.1.2", "fd09:1::2"), ("10.9.1.1", "fd09:1::1"), ("10.9.2.2", "fd09:2::2"), ("10.9.2.1", "fd09:2::1"))
ENDS = {4: ("10.9.1.1", "10.9.2.2"), 6: ("fd09:1::1", "fd09:2::2")}


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def settle(namespace: str, *settings: str) -> None:
    ip("netns", "exec", namespace, "sysctl", "-qw", *settings)


def join(one: str, device: str, other: str, far: str) -> None:
    ip("-n", one, "link", "add", device, "type", "veth", "peer", "name", far, "netns", other)
    for namespace, name in ((one, device), (other, far)):
        ip("-n", namespace, "link", "set", name, "up")


def mac(number: int) -> str:
    """Of the far end of a link."""
    return f"02:00:00:00:00:0{number}"


def introduce(number: int) -> None:
    """The near end of a link knows the far one: nobody asks, for a question that is lost would be asked again a second later."""
    name, device, *_ = LINKS[number]
    for address in NEXT[number]:
        ip("-n", name, "neighbor", "replace", address, "lladdr", mac(number), "dev", device, "nud", "permanent")


def route(name: str) -> None:
    """From an end to everywhere."""
    for four_or_six, router in zip(("-4", "-6"), NEXT[0] if name == A else NEXT[3], strict=True):
        ip("-n", name, four_or_six, "route", "replace", "default", "via", router)


def nft(namespace: str, rules: str) -> None:
    subprocess.run(["ip", "netns", "exec", namespace, "nft", "-f", "-"], input=rules, text=True, check=True)


@pytest.fixture(scope="module")
def row() -> Iterator[None]:
    """a (.1.1) ─── b (.1.2, .2.1) ─── c (.2.2), with both families."""
    try:
        for name in (A, B, C):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
            settle(name, "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0", "net.ipv6.conf.default.accept_dad=0")
            settle(name, "net.ipv6.conf.all.forwarding=1", "net.ipv6.icmp.ratelimit=0", "net.ipv6.conf.all.keep_addr_on_down=1")
        join(A, "right", B, "left")
        join(B, "right", C, "left")
        for name, device, four, six in (
            (A, "right", "10.9.1.1/24", "fd09:1::1/64"),
            (B, "left", "10.9.1.2/24", "fd09:1::2/64"),
            (B, "right", "10.9.2.1/24", "fd09:2::1/64"),
            (C, "left", "10.9.2.2/24", "fd09:2::2/64"),
        ):
            ip("-n", name, "address", "add", four, "dev", device)
            ip("-n", name, "address", "add", six, "dev", device, "nodad")
        for number, (_, _, far, device) in enumerate(LINKS):
            ip("-n", far, "link", "set", device, "address", mac(number))
        for number in range(len(LINKS)):
            introduce(number)
        route(A)
        route(C)
        yield
    finally:
        for name in (A, B, C):
            with suppress(AssertionError):
                ip("netns", "delete", name)


@pytest.fixture
def prober(row: None) -> Iterator[Prober]:
    made = Prober()
    try:
        yield made
    finally:
        made.close()
        assert not Path(f"/proc/{made.pid}").exists()


def end(namespace: str, address: str) -> dict[str, str]:
    return {"namespace": f"/run/netns/{namespace}", "address": address}


def begin(prober: Prober, *, flows: int = 8, rate: int = 1000, version: int = 4, name: str = "s") -> None:
    """A stream from a to c that has begun to arrive."""
    source, destination = ENDS[version]
    prober.add(name, source=end(A, source), targets=[end(C, destination)], destination=destination, flows=flows, rate=rate)
    until(lambda: prober.read(name), lambda reading: bool(reading["received"] > flows and not reading["open"]))
    prober.mark(name)


def until(read: Callable[[], Answer], true: Callable[[Answer], bool], limit_s: float = 10) -> Answer:
    deadline = time.monotonic() + limit_s
    while not true(reading := read()):
        assert time.monotonic() < deadline, reading
        time.sleep(0.01)
    return reading


@pytest.mark.parametrize("version", [4, 6])
def test_a_network_that_is_whole_loses_nothing(prober: Prober, version: int) -> None:
    begin(prober, flows=64, version=version)
    before = prober.read("s")
    time.sleep(1)
    after = prober.read("s")
    assert after["lost"] == before["lost"]
    assert (after["longest_gap_ms"], after["total_gap_ms"], after["open"], after["extra"], after["flows"]) == (0, 0, 0, 0, 64)
    assert 900 < after["sent"] - before["sent"] < 1300
    assert after["sent"] - after["received"] - after["lost"] <= 2


def test_a_link_that_is_down_for_half_a_second_is_a_gap_of_half_a_second(prober: Prober) -> None:
    begin(prober)
    ip("-n", A, "link", "set", "right", "down")
    start = time.monotonic()
    time.sleep(0.45)
    assert prober.read("s")["open"] == 8
    time.sleep(max(0.0, start + 0.5 - time.monotonic()))
    ip("-n", A, "link", "set", "right", "up")
    introduce(0)
    route(A)
    down_ms = (time.monotonic() - start) * 1000
    reading = until(lambda: prober.read("s"), lambda reading: not reading["open"])
    assert reading["longest_gap_ms"] == pytest.approx(down_ms, abs=20)
    assert reading["total_gap_ms"] == pytest.approx(down_ms, abs=20)
    assert 400 < reading["lost"] < 700
    prober.mark("s")
    assert prober.read("s")["longest_gap_ms"] == 0


def test_a_gap_of_some_flows_is_theirs_alone(prober: Prober) -> None:
    """Flows 0 to 2 of 8 are dropped for good: the gap is open, and of the stream as a whole there is none; a mark begins it anew."""
    begin(prober)
    nft(B, "table ip t { chain c { type filter hook forward priority 0; udp sport 20000-20002 drop; }; }")
    try:
        reading = until(lambda: prober.read("s"), lambda reading: bool(reading["open"] == 3 and reading["longest_gap_ms"] > 400))
        assert reading["total_gap_ms"] <= 30
        prober.mark("s")
        assert prober.read("s")["longest_gap_ms"] < 100
    finally:
        nft(B, "delete table ip t")
    until(lambda: prober.read("s"), lambda reading: not reading["open"])


def test_a_translated_source_is_known_by_what_is_in_the_packet(prober: Prober) -> None:
    nft(B, "table ip t { chain c { type nat hook postrouting priority 100; udp dport 40007 masquerade; }; }")
    try:
        begin(prober)
        assert prober.read("s")["received"] > 8
    finally:
        nft(B, "delete table ip t")


@pytest.mark.parametrize("received", [False, True])
@pytest.mark.parametrize("version", [4, 6])
def test_a_trace_shows_the_node_in_the_middle(prober: Prober, version: int, received: bool) -> None:
    """Whether the far end refuses the port or a stream is received there. It takes a round trip and not the time allowed."""
    source, destination = ENDS[version]
    if received:
        begin(prober, version=version)
    start = time.monotonic()
    paths = prober.trace(source=end(A, source), destination=destination, flows=4, timeout_ms=5000)
    assert time.monotonic() - start < 2, paths
    middle = {4: "10.9.1.2", 6: "fd09:1::2"}[version]
    assert paths == [{"hops": [middle, destination], "reached": True, "flow": flow} for flow in range(4)]
    if received:
        assert prober.read("s")["open"] == 0


def test_a_trace_that_ends_nowhere_says_how_far_it_came(prober: Prober) -> None:
    nft(B, "table ip t { chain c { type filter hook forward priority 0; udp dport 40007 drop; }; }")
    try:
        [path] = prober.trace(source=end(A, "10.9.1.1"), destination="10.9.2.2", flows=1, timeout_ms=200)
    finally:
        nft(B, "delete table ip t")
    assert path == {"hops": ["10.9.1.2"], "reached": False, "flow": 0}


def test_what_cannot_be_done_is_said(prober: Prober) -> None:
    with pytest.raises(RequestError, match="no stream 'x'"):
        prober.read("x")
    begin(prober)
    with pytest.raises(RequestError, match="a stream 's' is sent already"):
        begin(prober)
    with pytest.raises(RequestError, match="rate 100000: from 1 to 5000"):
        begin(prober, rate=100_000, name="t")
    with pytest.raises(SystemRefused, match=r"no probes at 10\.9\.1\.1 in /run/netns/none"):
        prober.add("u", source=end("none", "10.9.1.1"), targets=[], destination="10.9.2.2")
    prober.remove("s")
    begin(prober)


def test_the_process_ends_with_its_input_and_says_so(prober: Prober) -> None:
    begin(prober)
    prober.close()
    with pytest.raises(SystemRefused, match="has ended"):
        prober.read("s")
