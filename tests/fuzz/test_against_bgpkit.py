"""Our codec against another one: UPDATEs in files of MRT, read by bgpkit-parser (fuzz/against) and by the core, say the same."""

from __future__ import annotations

import ipaddress
import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dualhome import _core, mrt
from dualhome.net import Address, Prefix
from tests.bgp.rib_help import text
from tests.live.adversary import octets as o

FUZZ = Path(__file__).parents[2] / "fuzz"
PEER, LOCAL = (Address.parse("10.0.0.1"), 65101), (Address.parse("10.0.0.254"), 65000)
Rows = list[dict[str, Any]]


@pytest.fixture(scope="session")
def bgpkit() -> Callable[[Path], list[Rows]]:
    """A file's records, each as routes."""
    if not shutil.which("cargo"):
        pytest.skip("cargo is missing: https://rustup.rs")
    build = ["cargo", "build", "--quiet", "--manifest-path", str(FUZZ / "Cargo.toml"), "-p", "dualhome-against"]
    made = subprocess.run(build, capture_output=True, text=True, check=False)
    if re.search("failed to (download|get|fetch)|could not resolve host|spurious network error", made.stderr.lower()):
        pytest.skip(f"bgpkit-parser can't be had here: {made.stderr.strip().splitlines()[-1]}")
    assert made.returncode == 0, made.stderr

    def read(path: Path) -> list[Rows]:
        program = FUZZ / "target" / "debug" / "dualhome-against"
        out = subprocess.run([program, path], capture_output=True, text=True, check=True).stdout
        return [json.loads(line) for line in out.splitlines()]

    return read


def draw(chance: random.Random, *, four: bool) -> bytes:
    """A right message; whatever attributes both readers show, some that only we do, in any order of types and with lengths of either size."""
    asns = [1, 9, 64999, 65101] + ([70_000, 4_200_000_001] if four else [23456])
    path = b"".join(
        o.segment(2 if at or chance.random() < 0.9 else 1, *sorted(chance.sample(asns, chance.randint(1, 4))), four=four)
        for at in range(chance.choice((0, 1, 1, 1, 2)))
    )
    extended = chance.choice((0, 0, o.EXTENDED))
    core = [o.attribute(0x40 | extended, o.ORIGIN, bytes([chance.randrange(3)])), o.attribute(0x40 | extended, o.AS_PATH, path)]
    extras = [
        o.attribute(0x80, o.MED, chance.randbytes(4)), o.attribute(0x40, o.LOCAL_PREF, chance.randbytes(4)), o.attribute(0x40, o.ATOMIC),
        o.attribute(0xC0, o.AGGREGATOR, (b"\0\1\x11\x70" if four else b"\x5b\xa0") + b"\1\2\3\4"),
        o.attribute(0xC0, o.COMMUNITIES, chance.randbytes(4 * chance.randint(1, 70))), o.attribute(0xC0, o.COMMUNITIES, b"\xff\xff\xff\1\xff\xff\xff\2\xff\xff\xff\3"),
        o.attribute(0xC0, o.EXT_COMMUNITIES, b"\0\2" + chance.randbytes(6)), o.attribute(0xC0, o.LARGE, chance.randbytes(12 * chance.randint(1, 3))),
        o.attribute(0xC0, o.OTC, b"\0\0\xfe\x4d"), o.attribute(0xE0, 99, chance.randbytes(chance.choice((0, 5, 300)))),
    ]  # fmt: skip
    chosen = {each[1]: each for each in chance.sample(extras, chance.randint(0, 6))}
    nlri, six = b"", b""
    if chance.random() < 0.6:
        core.append(o.next_hop(f"10.9.{chance.randrange(256)}.1"))
        nlri = b"".join(v4(chance) for _ in range(chance.choice((1, 2, 5, 300))))
    else:
        six = o.mp_reach(b"".join(v6(chance) for _ in range(chance.randint(1, 5))), f"2001:db8::{chance.randint(1, 65535):x}")
    rest = core + list(chosen.values())
    chance.shuffle(rest)
    gone = b"".join(v4(chance) for _ in range(chance.choice((0, 0, 1, 3))))
    gone6 = o.mp_unreach(b"".join(v6(chance) for _ in range(chance.randint(1, 3)))) if chance.random() < 0.2 else b""
    return o.update(six + b"".join(rest) + gone6, nlri, gone)


# Not of length 0: bgpkit takes such a one for the beginning of a path identifier (RFC 7911), whatever the type of the record.
def v4(chance: random.Random) -> bytes:
    length = chance.randint(1, 32)
    return o.prefix(str(ipaddress.ip_network((chance.getrandbits(32), length), strict=False)))


def v6(chance: random.Random) -> bytes:
    length = chance.randint(1, 128)
    return o.prefix(str(ipaddress.IPv6Network((chance.getrandbits(128), length), strict=False)))


def ours(message: bytes, four: bool) -> Rows:
    rows: Rows = []
    for row in _core.decode_updates(message, four):
        assert row.error is None, (row.error, message.hex())
        each: dict[str, Any] = {"prefix": text(row.prefix), "withdrawn": row.withdrawn}
        if not row.withdrawn:
            keys = ("next_hop", "as_path", "origin", "med", "local_preference", "communities", "large_communities")
            each |= {key: getattr(row, key) for key in keys}
        rows.append(each)
    return rows


def plainly(rows: Rows) -> list[str]:
    """In one order, and without what is told in another form: LOCAL_PREF of an external peer, which we don't read; a MED that isn't there, which is 0 to
    bgpkit; order and doubles in lists and sets.
    """
    out = []
    for row in rows:
        row = dict(row)
        row.pop("local_preference", None)
        if not row["withdrawn"]:
            row["med"] = row["med"] or 0
        for key in ("communities", "large_communities"):
            if key in row:
                row[key] = sorted(set(row[key]))
        if "as_path" in row:
            row["as_path"] = re.sub(r"\{([\d,]+)\}", lambda m: "{" + ",".join(sorted(set(m[1].split(",")))) + "}", row["as_path"])
        out.append(json.dumps(row, sort_keys=True))
    return sorted(out)


@pytest.mark.parametrize("four", [True, False])
def test_messages_say_the_same(bgpkit: Callable[[Path], list[Rows]], tmp_path: Path, four: bool) -> None:
    """BGP4MP records with AS numbers of four octets and of two (RFC 6396 section 4.4)."""
    chance = random.Random(f"against {four}")
    messages = [draw(chance, four=four) for _ in range(1500)]
    path = tmp_path / "updates.mrt"
    path.write_bytes(b"".join(mrt.message(at, PEER, LOCAL, message, four_octet_as=four) for at, message in enumerate(messages)))
    theirs = bgpkit(path)
    assert len(theirs) == len(messages)
    for message, seen in zip(messages, theirs, strict=True):
        assert plainly(ours(message, four)) == plainly(seen), message.hex()
    assert sum(map(len, theirs)) > 5000


def test_what_the_core_writes_is_read(bgpkit: Callable[[Path], list[Rows]], tmp_path: Path) -> None:
    """Announcements and withdrawals that a RIB sends to an external peer."""
    chance = random.Random("written")
    rib = _core.Rib(asn=65000, router_id="1.1.1.1", rounds=["as-path", "|", "peer"])
    for number in (1, 2):
        config = {"name": "p", "asn": 65100 + number, "ebgp": True, "local_address": "10.0.0.254", "peer_address": f"10.0.0.{number}"}
        rib.set_peer(number, json.dumps(config))
        rib.peer_up(number, four_octet_as=True, families=[(1, 1), (2, 1)], max_message=4096, router_id=f"1.0.0.{number}")
    messages: list[bytes] = []
    for _ in range(400):
        assert rib.receive(1, draw(chance, four=True)) is None
        rib.process()
        while data := rib.output(2):
            while data:
                length = int.from_bytes(data[16:18], "big")
                messages.append(data[:length])
                data = data[length:]
    path = tmp_path / "written.mrt"
    path.write_bytes(b"".join(mrt.message(at, PEER, LOCAL, message) for at, message in enumerate(messages)))
    theirs = bgpkit(path)
    assert len(messages) == len(theirs) > 200
    for message, seen in zip(messages, theirs, strict=True):
        assert plainly(ours(message, True)) == plainly(seen), message.hex()


def test_tables_say_the_same(bgpkit: Callable[[Path], list[Rows]], tmp_path: Path) -> None:
    """TABLE_DUMP_V2 of IPv4 (RFC 6396 section 4.3): attributes are octets of UPDATEs, four-octet AS numbers always."""
    chance = random.Random("tables")
    records, expected = [mrt.peer_index(0, LOCAL[0], "", [mrt.Party(identifier=PEER[0], address=PEER[0], asn=PEER[1])])], []
    while len(expected) < 500:
        message = draw(chance, four=True)
        rows = [row for row in ours(message, True) if not row["withdrawn"]]
        if not rows or ":" in rows[0]["prefix"]:
            continue
        start = 23 + int.from_bytes(message[19:21], "big")
        attributes = message[start : start + int.from_bytes(message[start - 2 : start], "big")]
        if b"\x80\x0f" in attributes:  # it withdraws, too
            continue
        records.append(mrt.rib(0, len(expected), Prefix.parse(rows[0]["prefix"]), [mrt.Entry(0, 0, attributes)]))
        expected.append(rows[:1])
    path = tmp_path / "table.mrt"
    path.write_bytes(b"".join(records))
    index, *theirs = bgpkit(path)
    assert index == []
    for rows, seen in zip(expected, theirs, strict=True):
        assert plainly(rows) == plainly(seen)
