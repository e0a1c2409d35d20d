"""What a peer's routes take of memory: measured, bounded (`PeerPolicy.max_memory`), and given back."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from dualhome._core import Rib
from tests.bgp.rib_help import config, make

ROOT = Path(__file__).parents[2]
MIB = 1 << 20


def update(number: int, prefixes: int = 1, padding: int = 0) -> bytes:
    """A run of prefixes with attributes that no other number has; `padding` octets of an attribute that nobody knows."""
    unknown = bytes([0xD0, 200]) + struct.pack(">H", padding) + random.Random(number).randbytes(padding) if padding else b""
    block = bytes.fromhex("400101004002060201" + "0000fe4d" + "400304" + "0a000001" + "800404") + struct.pack(">I", number) + unknown
    nlri = b"".join(b"\x18" + struct.pack(">I", (1 << 24) + ((number * prefixes + each) << 8))[:3] for each in range(prefixes))
    body = struct.pack(">HH", 0, len(block)) + block + nlri
    return b"\xff" * 16 + struct.pack(">HB", 19 + len(body), 2) + body


def withdrawal(numbers: range) -> bytes:
    gone = b"".join(b"\x18" + struct.pack(">I", (1 << 24) + (each << 8))[:3] for each in numbers)
    body = struct.pack(">H", len(gone)) + gone + bytes(2)
    return b"\xff" * 16 + struct.pack(">HB", 19 + len(body), 2) + body


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def limited(limit: int | None) -> Rib:
    return make({1: config(1, max_memory=limit), 2: config(2)})


def grown(padding: int, prefixes: int) -> tuple[int, int]:
    """What is said that routes take, and by how much this process has grown with them."""
    rib = limited(None)
    assert rib.memory(1) == 0
    before = resident()
    for number in range(24_000_000 // (200 * prefixes + 2 * padding)):
        assert rib.receive(1, update(number, prefixes, padding)) is None
    assert rib.memory(2) == 0
    return rib.memory(1), resident() - before


@pytest.mark.parametrize(("padding", "prefixes"), [(0, 1), (0, 40), (3000, 1), (3000, 40)])
def test_it_is_about_what_the_process_grows_by(padding: int, prefixes: int) -> None:
    """Of a process of its own: one that has freed memory before grows by less."""
    program = f"from tests.bgp.test_memory import grown; print(*grown({padding}, {prefixes}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    takes, more = map(int, done.stdout.split())
    assert takes / 2 < more < takes * 2.2, (takes, more)


@pytest.mark.parametrize(("padding", "prefixes"), [(0, 1), (0, 200), (3000, 1)])
def test_who_takes_too_much_is_out_of_resources(padding: int, prefixes: int) -> None:
    rib = limited(MIB)
    for number in count():
        if (error := rib.receive(1, update(number, prefixes, padding))) is not None:
            break
        assert rib.memory(1) <= MIB * 1.35
    assert (error.code, error.subcode, error.data) == (6, 8, b"")
    assert "limit 1024 KiB" in error.reason
    assert MIB < rib.memory(1) < MIB * 1.35, "what comes between two measurements is little, if it is no prefixes alone"
    rib.peer_down(1)
    assert rib.memory(1) == 0
    assert rib.receive(2, update(1)) is None


def test_churn_that_takes_nothing_ends_nothing_and_leaves_no_garbage() -> None:
    """40 MiB of attributes, of which next to nothing is held: what nobody names any more goes, by octets as well as by number."""
    rib = limited(MIB)
    before = resident()
    for number in range(14_000):
        assert rib.receive(1, update(number % 10, 1, 3000)[:-4] + update(0)[-4:]) is None
        message = update(number, 1, 3000)
        assert rib.receive(1, message) is None
        assert rib.receive(1, withdrawal(range(number, number + 1))) is None
        if number % 50 == 0:
            rib.process()
    rib.process()
    assert rib.memory(1) < MIB / 4
    assert resident() - before < 40 * MIB


def test_peers_that_announce_the_same_are_each_measured_as_if_alone() -> None:
    rib = limited(None)
    for peer in (1, 2):
        for number in range(2000):
            assert rib.receive(peer, update(number)) is None
    assert rib.memory(1) == rib.memory(2) > 2000 * 100


def test_refused_routes_and_stale_ones_count() -> None:
    refused = make({1: config(1, asn=65109, reject_martians=True, first_as=True)})
    for number in range(2000):
        assert refused.receive(1, update(number)) is None
    assert refused.counts(1)[1] == {"first-as": 2000}
    assert refused.memory(1) > limited_memory(2000)
    stale = limited(None)
    for number in range(2000):
        assert stale.receive(1, update(number)) is None
    full = stale.memory(1)
    stale.peer_down(1, keep=[(1, 1)])
    assert stale.memory(1) == full
    assert stale.sweep_stale(1, 1, 1) == 2000
    assert stale.memory(1) == 0


def limited_memory(routes: int) -> int:
    rib = limited(None)
    for number in range(routes):
        assert rib.receive(1, update(number)) is None
    return rib.memory(1)
