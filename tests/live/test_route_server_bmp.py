"""BMP of the route server: what a strict collector makes of it equals what the route server holds, whenever it connects and whatever peers send."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dualhome import _core
from dualhome.bgp.events import Deliver, State
from dualhome.live.route_server import bmp_words
from dualhome.live.route_server.bmp import judged
from dualhome.net import Address, Prefix
from tests.live.bmp_reader import Collector
from tests.live.test_route_server import FILE, PORT, Lab, nva, until
from tests.live.workers import port

COLLECTOR = port(19019)
NOTHING_WRONG = {0: 0, 3: 0, 4: 0, 5: 0, 11: 0, 12: 0}
"""Counters of RFC 7854 section 4.8: prefixes that policy rejected, three kinds of loops, UPDATEs and prefixes that were taken for withdrawals."""
BOTH = f"bmp: [{{to: '127.0.0.1:{COLLECTOR}', monitor: [pre-policy, post-policy], statistics_s: 1, retry_s: 1}}]\n"


def run(tmp_path: Path, test: Callable[[Lab, Collector], Awaitable[None]], text: str = FILE + BOTH, *, first: bool = True) -> None:
    async def main() -> None:
        lab, collector = Lab(tmp_path, text), Collector()
        if first:
            await collector.start(COLLECTOR)
        try:
            await lab.up()
            await test(lab, collector)
        finally:
            await lab.nvas.end()
            await lab.server.stop()
            if collector._server is not None:
                await collector.stop()
        assert collector.wrong == []

    asyncio.run(main())


def held(lab: Lab, name: str) -> dict[bool, dict[str, str]]:
    """What the route server has of a peer, before the rules and after them."""
    rs = lab.server.speakers["rs0"]
    received = [*rs.learned(name), *(r for r in rs.rejected(name) if r.reason not in ("policy", "invalid"))]
    number = rs.peer_number(name)
    return {
        False: {str(Prefix(*r.prefix)): r.as_path for r in received},
        True: {str(Prefix(*r.prefix)): r.as_path for r in rs.table() if r.peer == number},
    }


async def agree(lab: Lab, collector: Collector) -> None:
    addresses = {"nva1": "127.0.0.32", "nva2": "127.0.0.33"}

    def same() -> bool:
        return collector.wrong != [] or all(
            address in collector.peers and collector.peers[address].routes == held(lab, name) for name, address in addresses.items()
        )

    try:
        await until(same)
    except AssertionError:
        seen = {name: collector.peers[address].routes if address in collector.peers else None for name, address in addresses.items()}
        raise AssertionError(f"{seen} is not { ({name: held(lab, name) for name in addresses}) }; {collector.wrong}") from None
    assert collector.wrong == []


@pytest.mark.live
def test_a_collector_that_is_there_first_is_told_of_everything(tmp_path: Path) -> None:
    async def test(lab: Lab, collector: Collector) -> None:
        await agree(lab, collector)
        assert collector.said[0] == "initiation rs0"
        assert sorted(collector.said[1:3]) == [
            "up nva1 127.0.0.32 from 127.0.0.31, AS65001 to AS65515",
            "up nva2 127.0.0.33 from 127.0.0.31, AS65002 to AS65515",
        ]
        assert held(lab, "nva1") == {
            False: {"192.168.0.0/16": "65001", "10.0.7.0/24": "65001"},
            True: {"192.168.0.0/16": "65001"},
        }
        await until(lambda: set(collector.statistics) == {"127.0.0.32", "127.0.0.33"})
        assert collector.statistics["127.0.0.32"] == NOTHING_WRONG | {0: 1, 7: 2, 8: 1, 15: 2}
        lab.nvas.stop("nva2")
        await until(lambda: collector.said[-1].startswith("down"))
        assert collector.said[-1] == "down 127.0.0.33 3 6/2"
        lab.nvas.start("nva2")
        await until(lambda: lab.server.speakers["rs0"].session("nva2").state is State.ESTABLISHED)
        await agree(lab, collector)
        await lab.server.stop()
        assert collector.said[-3:] == ["down 127.0.0.32 1 6/2", "down 127.0.0.33 1 6/2", "termination 0"]

    run(tmp_path, test)


@pytest.mark.live
def test_one_that_comes_late_or_comes_back_is_told_the_tables(tmp_path: Path) -> None:
    async def test(lab: Lab, collector: Collector) -> None:
        await collector.start(COLLECTOR)
        await agree(lab, collector)
        assert collector.peers["127.0.0.32"].ended == {(False, 23), (True, 23)}, "End-of-RIB of IPv4, before and after the rules"
        collector.hang_up()
        await until(lambda: collector.connections == 2)
        await agree(lab, collector)

    run(tmp_path, test, first=False)


@pytest.mark.live
def test_changed_rules_show_after_them(tmp_path: Path) -> None:
    async def test(lab: Lab, collector: Collector) -> None:
        await agree(lab, collector)
        refusing = "asn: 65002, import: [{match: {prefix: {equals: [192.168.0.0/16]}}, actions: {prefix: drop}}]"
        lab.path.write_text((FILE + BOTH).replace("asn: 65002", refusing))
        assert lab.server.reload() == []
        await until(lambda: collector.peers["127.0.0.33"].routes[True] == {"172.16.0.0/12": "65002"})
        await agree(lab, collector)
        lab.path.write_text(FILE + BOTH)
        assert lab.server.reload() == []
        await until(lambda: len(collector.peers["127.0.0.33"].routes[True]) == 2)

    run(tmp_path, test)


@pytest.mark.live
def test_what_changes_while_tables_are_told_is_told_as_it_is_in_the_end(tmp_path: Path) -> None:
    """6,000 routes; every third goes, another third comes, while a collector that has just connected is told the tables."""
    text = FILE.replace("azure", "ideal").replace("originate: [10.0.0.0/16]\n", "") + BOTH

    def some(keep: Callable[[int], bool]) -> list[str]:
        return [f"172.{16 + (i >> 8)}.{i & 255}.0/24" for i in range(6000) if keep(i)]

    async def test(lab: Lab, collector: Collector) -> None:
        for name in ("nva1", "nva2"):
            lab.nvas.reconfigure(nva(name, some(lambda i: i % 3 != 2)))
        rs = lab.server.speakers["rs0"]
        await until(lambda: rs.counts("nva1")[0] == rs.counts("nva2")[0] == 4000)
        await collector.start(COLLECTOR)
        await until(lambda: "127.0.0.32" in collector.peers and len(collector.peers["127.0.0.32"].routes[False]) > 500)
        assert len(collector.peers["127.0.0.32"].ended) < 2, "it is still being told"
        for name in ("nva1", "nva2"):
            lab.nvas.reconfigure(nva(name, some(lambda i: i % 3 != 0)))
        await until(lambda: all(len(peer.ended) == 2 for peer in collector.peers.values()))
        await agree(lab, collector)
        assert set(collector.peers["127.0.0.33"].routes[True]) == set(some(lambda i: i % 3 != 0))

    run(tmp_path, test, text, first=False)


@pytest.mark.live
def test_a_collector_that_does_not_read_costs_its_connection_and_nothing_else(tmp_path: Path) -> None:
    """2 MiB of UPDATEs wait for a collector whose queue holds one, and whose socket takes little."""
    text = FILE.replace("azure", "ideal") + f"bmp: [{{to: '127.0.0.1:{COLLECTOR}', queue_mb: 1, retry_s: 1}}]\n"

    async def test(lab: Lab, collector: Collector) -> None:
        rows = [{"prefix": f"10.{i >> 8}.{i & 255}.0/24", "withdrawn": True} for i in range(16384)]
        updates = Deliver(_core.encode_updates(json.dumps(rows)))
        with socket.socket() as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stuck.bind(("127.0.0.1", COLLECTOR))
            stuck.listen()
            assert lab.server.monitoring is not None
            [station] = lab.server.monitoring.stations
            await until(lambda: station.listens)
            most = 0
            for _ in range(400):
                lab.server.monitoring.watch("rs0", "nva1", updates)
                most = max(most, station.queued_bytes)
                if station.overflows:
                    break
                await asyncio.sleep(0)
            assert (station.overflows, station.listens) == (1, False)
            assert most <= 1 << 20
        assert all(lab.server.speakers["rs0"].session(name).state is State.ESTABLISHED for name in ("nva1", "nva2"))
        await collector.start(COLLECTOR)
        await until(lambda: {"127.0.0.32", "127.0.0.33"} <= set(collector.peers))

    run(tmp_path, test, text, first=False)


@pytest.mark.live
def test_a_peer_of_two_octet_asns_and_its_faulty_update(tmp_path: Path) -> None:
    """RFC 7854 section 4.2: the flag A says that AS_PATHs have two octets; a faulty UPDATE is mirrored, and told as a withdrawal."""
    text = FILE + "  - {name: old, address: 127.0.0.35, asn: 65005}\n" + BOTH
    attributes, faulty = "40010100" + "4002040201fded" + "4003047f000023", "40010109" + "4002040201fded" + "4003047f000023"

    async def test(lab: Lab, collector: Collector) -> None:
        _, writer = await asyncio.open_connection("127.0.0.31", PORT, local_addr=("127.0.0.35", 0))
        hello = _core.encode_open(asn=65005, hold_time_s=180, router_id="127.0.0.35", families=[(1, 1)], four_octet_as=False)
        writer.write(hello + _core.encode_keepalive() + update(attributes, "18c63364" + "18cb0071"))
        await until(lambda: "127.0.0.35" in collector.peers and len(collector.peers["127.0.0.35"].routes[True]) == 2)
        table = collector.peers["127.0.0.35"]
        assert table.routes[False] == table.routes[True] == {"198.51.100.0/24": "65005", "203.0.113.0/24": "65005"}
        assert "up old 127.0.0.35 from 127.0.0.31, AS65005 to AS65515" in collector.said
        writer.write(update(faulty, "18cb0071"))
        await until(lambda: table.routes == {False: {"198.51.100.0/24": "65005"}, True: {"198.51.100.0/24": "65005"}})
        assert collector.mirrored == [update(faulty, "18cb0071")]
        writer.close()
        await until(lambda: not table.up)
        assert collector.said[-1] == "down 127.0.0.35 4"

    run(tmp_path, test, text)


@pytest.mark.live
def test_statistics_count_what_was_refused_and_why(tmp_path: Path) -> None:
    """RFC 7854 section 4.8, types 0, 4, 11 and 12: they count up, also where the same route is refused again, and begin at zero with each session."""
    text = FILE + "  - {name: odd, address: 127.0.0.35, asn: 65005}\n" + BOTH
    head, tail = "40010100" + "4002", "4003047f000023"
    plain, looped = "060201" + "0000fded", "0a0202" + "0000fded" + "0000ffeb"
    faulty = "40010109" + "4002" + plain + tail

    async def test(lab: Lab, collector: Collector) -> None:
        def counted() -> dict[int, int]:
            return collector.statistics.get("127.0.0.35", {})

        async def session() -> asyncio.StreamWriter:
            _, writer = await asyncio.open_connection("127.0.0.31", PORT, local_addr=("127.0.0.35", 0))
            hello = _core.encode_open(asn=65005, hold_time_s=180, router_id="127.0.0.35", families=[(1, 1)])
            writer.write(hello + _core.encode_keepalive())
            await until(lambda: "127.0.0.35" in collector.peers and collector.peers["127.0.0.35"].up)
            return writer

        writer = await session()
        two = "18c63364" + "18cb0071"
        writer.write(update(head + plain + tail, two) + update(head + looped + tail, two) + update(head + looped + tail, "18c63364"))
        await until(lambda: counted() == NOTHING_WRONG | {4: 2, 7: 2, 8: 0, 15: 3})
        own = "180a0007" + "180a0008"
        writer.write(update(head + plain + tail, own + "18c63364") + update(head + plain + tail, "180a0007"))
        await until(lambda: counted() == NOTHING_WRONG | {0: 3, 4: 2, 7: 4, 8: 1, 15: 3})
        writer.write(update(faulty, two) + update(faulty, "180a0007"))
        await until(lambda: counted() == NOTHING_WRONG | {0: 3, 4: 2, 7: 4, 8: 0, 11: 2, 12: 3, 15: 3})
        writer.close()
        await until(lambda: not collector.peers["127.0.0.35"].up)
        collector.statistics.clear()
        writer = await session()
        await until(lambda: counted() == NOTHING_WRONG | {7: 0, 8: 0, 15: 3})
        writer.close()

    run(tmp_path, test, text)


@pytest.mark.live
def test_reflected_routes_that_come_back_are_counted_as_loops(tmp_path: Path) -> None:
    """Types 3 and 5: our cluster in CLUSTER_LIST, our identifier in ORIGINATOR_ID (RFC 4456 section 8)."""
    text = FILE + "  - {name: inside, address: 127.0.0.35, asn: 65515}\n" + BOTH
    attributes = "40010100" + "400200" + "4003047f000023" + "400504" + "00000064"
    us = "0a000004"

    async def test(lab: Lab, collector: Collector) -> None:
        _, writer = await asyncio.open_connection("127.0.0.31", PORT, local_addr=("127.0.0.35", 0))
        hello = _core.encode_open(asn=65515, hold_time_s=180, router_id="127.0.0.35", families=[(1, 1)])
        writer.write(hello + _core.encode_keepalive())
        writer.write(update(attributes + "800904" + us + "800a04" + "09090909", "18c63364"))
        writer.write(update(attributes + "800904" + "09090909" + "800a08" + "08080808" + us, "18c63364") * 2)
        await until(lambda: collector.statistics.get("127.0.0.35", {}) == NOTHING_WRONG | {3: 2, 5: 1, 7: 1, 8: 0, 15: 3})
        writer.close()

    run(tmp_path, test, text)


# --- what is told of faulty UPDATEs -------------------------------------------------------------------------------------------

GOOD = "4001010040020602010000fde9400304c0000201"


def update(attributes: str, nlri: str) -> bytes:
    body = bytes(2) + len(bytes.fromhex(attributes)).to_bytes(2) + bytes.fromhex(attributes + nlri)
    return b"\xff" * 16 + (19 + len(body)).to_bytes(2) + b"\x02" + body


def test_a_faulty_update_is_a_withdrawal_and_the_others_go_as_they_came() -> None:
    """RFC 7606 section 2: treat-as-withdraw; here for an ORIGIN of 9."""
    good, bad = update(GOOD, "18c63364"), update("40010109" + GOOD[8:], "18cb0071")
    heard = judged(good + bad + good, True)
    assert (heard.good, heard.bad) == ((good, good), (bad,))
    assert [str(prefix) for prefix in heard.withdrawn] == ["203.0.113.0/24"]
    assert judged(good, True).bad == ()


def test_nothing_is_told_behind_an_update_that_ends_the_session() -> None:
    good, worst = update(GOOD, "18c63364"), b"\xff" * 16 + (23).to_bytes(2) + b"\x02" + b"\x00\x09\x00\x00"
    heard = judged(good + worst + good, True)
    assert (heard.good, heard.bad, heard.withdrawn) == ((good,), (worst,), ())


def test_octets_of_each_kind_are_those_of_the_rfc() -> None:
    """RFC 7854 sections 4.1 to 4.9, octet by octet."""
    who = bmp_words.Monitored(address=Address.parse("192.0.2.1"), asn=65001, identifier=Address.parse("10.0.0.1"), two_octet_as=True)
    peer = "00200000000000000000000000000000000000000000c00002010000fde90a0000016553f1000003d090"
    assert bmp_words.initiation("rs0", "x").hex() == "030000001204000100017800020003727330"
    assert bmp_words.termination(0).hex() == "030000000c05000100020000"
    assert bmp_words.peer_down(who, 1_700_000_000_250_000, None).hex() == "030000003102" + peer + "04"
    assert bmp_words.statistics(who, 1_700_000_000_250_000, {bmp_words.Statistic.REJECTED: 5, bmp_words.Statistic.ADJ_RIB_IN: 7}).hex() == (
        "030000004801" + peer + "000000020000000400000005000700080000000000000007"
    )
    header = who.header(1_700_000_000_250_000, post_policy=True, four_octet_as=True)
    assert header.hex() == peer.replace("0020", "0040", 1)
    assert bmp_words.route_mirroring(header, b"\xff").hex() == "030000003b06" + header.hex() + "00010002000000000001ff"
    assert bmp_words.end_of_rib((2, 1)).hex() == "ff" * 16 + "001d0200000006800f03000201"
