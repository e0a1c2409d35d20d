"""MRT records: written, read back, spoiled, and read by a program of others."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualhome import _core, mrt
from dualhome.net import Address, Prefix

NOW_US = 1_700_000_000_250_000
PEER, LOCAL = (Address.parse("192.0.2.1"), 4_200_000_001), (Address.parse("192.0.2.2"), 65515)
PEER6, LOCAL6 = (Address.parse("2001:db8::1"), 65001), (Address.parse("2001:db8::2"), 65515)
ATTRIBUTES = bytes.fromhex("40010100400206020100000102400304c0000201")
"""ORIGIN IGP, AS_PATH 258, NEXT_HOP 192.0.2.1."""
ATTRIBUTES6 = bytes.fromhex("40010100400206020100000102800e111020010db8000000000000000000000001")
"""ORIGIN IGP, AS_PATH 258, MP_REACH_NLRI with the next hop 2001:db8::1 alone."""


def update(four_octet_as: bool = True) -> bytes:
    row = {"prefix": "198.51.100.0/24", "withdrawn": False, "next_hop": "192.0.2.1", "as_path": "65001", "origin": "igp"}
    return _core.encode_updates(json.dumps([row]), four_octet_as)


def parts() -> list[bytes]:
    parties = [
        mrt.Party(identifier=Address.parse("10.0.0.1"), address=PEER[0], asn=PEER[1]),
        mrt.Party(identifier=Address.parse("10.0.0.2"), address=PEER6[0], asn=PEER6[1]),
    ]
    return [
        mrt.peer_index(NOW_US, Address.parse("10.0.0.4"), "rs0", parties),
        mrt.rib(NOW_US, 0, Prefix.parse("198.51.100.0/25"), [mrt.Entry(0, 1_600_000_000, ATTRIBUTES), mrt.Entry(1, 7, ATTRIBUTES)]),
        mrt.rib(NOW_US, 1, Prefix.parse("2001:db8:7::/48"), [mrt.Entry(1, 1_600_000_000, ATTRIBUTES6)]),
        mrt.message(NOW_US, PEER, LOCAL, update()),
        mrt.message(NOW_US, (PEER[0], 65001), LOCAL, update(False), four_octet_as=False),
        mrt.message(NOW_US, PEER6, LOCAL6, _core.encode_keepalive()),
        mrt.state_change(NOW_US, PEER, LOCAL, 5, 6),
    ]


def read(data: bytes) -> list[mrt.Record]:
    return list(mrt.records(io.BytesIO(data)))


def read_until_wrong(data: bytes) -> list[mrt.Record]:
    """What comes before the first fault; any other exception than ValueError is a failure."""
    found: list[mrt.Record] = []
    with contextlib.suppress(ValueError):
        for each in mrt.records(io.BytesIO(data)):
            found.append(each)
    return found


def test_octets_are_those_of_the_rfc() -> None:
    """RFC 6396 sections 2, 3, 4.3.1, 4.3.2 and 4.4.3, octet by octet."""
    index, rib, _, heard, *_ = parts()
    # time, type 13, subtype 1, length; collector, view, two peers: type 2 (four-octet ASN), then 3 (IPv6, too)
    assert index.hex() == (
        "6553f100" "000d" "0001" "00000031" "0a000004" "0003" "727330" "0002"
        "02" "0a000001" "c0000201" "fa56ea01" "03" "0a000002" "20010db8000000000000000000000001" "0000fde9"
    )  # fmt: skip
    # sequence 0, 198.51.100.0/25 in four octets, two entries: peer, time, length of the attributes
    assert rib.hex().startswith("6553f100000d0002000000430000000019c6336400000200005f5e1000001440010100")
    # type 17 has microseconds; ASNs of both, interface 0, IPv4, addresses, the message
    assert heard.hex().startswith("6553f10000110004")
    assert heard[12:16] == (250_000).to_bytes(4)
    assert heard[16:36].hex() == "fa56ea010000ffeb00000001c0000201c0000202"
    assert heard[36:] == update()


def test_what_is_written_is_read() -> None:
    index, rib, rib6, heard, old, keepalive, change = read(b"".join(parts()))
    assert isinstance(index, mrt.PeerIndex)
    assert [each.asn for each in index.peers] == [4_200_000_001, 65001]
    assert isinstance(rib, mrt.RibEntries)
    assert str(rib.prefix) == "198.51.100.0/25"
    assert rib.entries[1] == mrt.Entry(1, 7, ATTRIBUTES)
    assert isinstance(rib6, mrt.RibEntries)
    assert (rib6.sequence, rib6.entries[0].attributes) == (1, ATTRIBUTES6)
    assert isinstance(heard, mrt.Message)
    assert (heard.time_us, heard.peer, heard.octets) == (NOW_US, PEER, update())
    assert isinstance(old, mrt.Message)
    assert (old.four_octet_as, old.peer[1]) == (False, 65001)
    assert isinstance(keepalive, mrt.Message)
    assert keepalive.local == LOCAL6
    assert isinstance(change, mrt.StateChange)
    assert (change.old, change.new) == (5, 6)


def test_an_asn_of_four_octets_has_no_place_in_an_old_record() -> None:
    """RFC 6793 section 9: AS_TRANS stands for it."""
    [one] = read(mrt.message(NOW_US, PEER, LOCAL, update(False), four_octet_as=False))
    assert isinstance(one, mrt.Message)
    assert (one.peer[1], one.local[1]) == (23456, 65515)


@given(st.integers(0, 400), st.integers(0, 255), st.booleans())
def test_spoiled_records_are_refused_or_read_but_never_more(at: int, value: int, cut: bool) -> None:
    data = b"".join(parts())
    spoiled = data[:at] if cut else data[:at] + bytes([value]) + data[at + 1 :]
    before = read_until_wrong(spoiled)
    assert len(before) <= 7
    if cut:
        assert before == read(data)[: len(before)]


@given(
    st.integers(0, 32).flatmap(lambda length: st.tuples(st.just(length), st.integers(0, (1 << length) - 1))),
    st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.binary(max_size=300)), max_size=4),
)
def test_any_entries_come_back(prefix: tuple[int, int], entries: list[tuple[int, int, bytes]]) -> None:
    length, value = prefix
    [one] = read(mrt.rib(NOW_US, 9, Prefix(4, value << (32 - length), length), [mrt.Entry(*each) for each in entries]))
    assert isinstance(one, mrt.RibEntries)
    assert (one.prefix, [(e.peer, e.since_s, e.attributes) for e in one.entries]) == (Prefix(4, value << (32 - length), length), entries)


@pytest.mark.skipif(not shutil.which("bgpdump"), reason="bgpdump is not installed (apt-get install bgpdump)")
def test_bgpdump_reads_it(tmp_path: Path) -> None:
    """libbgpdump, which RIPE's archives are read with."""
    file = tmp_path / "all.mrt"
    file.write_bytes(b"".join(parts()))
    done = subprocess.run(["bgpdump", "-m", "-O", str(tmp_path / "out"), str(file)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_text().splitlines() == [
        "TABLE_DUMP2|1700000000|B|192.0.2.1|4200000001|198.51.100.0/25|258|IGP|192.0.2.1|0|0||NAG||",
        "TABLE_DUMP2|1700000000|B|2001:db8::1|65001|198.51.100.0/25|258|IGP|192.0.2.1|0|0||NAG||",
        "TABLE_DUMP2|1700000000|B|2001:db8::1|65001|2001:db8:7::/48|258|IGP|2001:db8::1|0|0||NAG||",
        "BGP4MP_ET|1700000000.250000|A|192.0.2.1|4200000001|198.51.100.0/24|65001|IGP|192.0.2.1|0|0||NAG||",
        "BGP4MP_ET|1700000000.250000|A|192.0.2.1|65001|198.51.100.0/24|65001|IGP|192.0.2.1|0|0||NAG||",
        "BGP4MP_ET|1700000000.250000|STATE|192.0.2.1|4200000001|5|6",
    ]
