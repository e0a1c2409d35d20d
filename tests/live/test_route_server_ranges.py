"""Peers by address range: whoever comes from it with an AS number that is let in is a peer, as long as it is there."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dualhome.bgp.events import State
from dualhome.errors import TopologyError
from dualhome.live.route_server import visitors
from dualhome.live.route_server.config import load, parse
from dualhome.live.route_server.daemon import RouteServer
from dualhome.live.route_server.speakers import secrets_of
from dualhome.live.signatures import Md5
from dualhome.net import Prefix
from tests.live.test_route_server_net import ended, until
from tests.live.workers import port

PORT = port(17961)
HERE = ("127.0.1.1", PORT)
FILE = """\
behaves_like: ideal
instances: [{name: rs0, router_id: 10.0.0.4, listen: [127.0.1.1], port: 17961}]
peers:
  - {name: fixed, address: 127.0.2.9, asn: 65009, passive: true}
  - {name: hosts, range: 127.0.2.0/24, asn: [65001, 65002], limit: 2, max_routes: 3}
  - {name: wide, range: 127.0.0.0/16, asn: any}
""".replace("17961", str(PORT))


def message(kind: int, body: bytes = b"") -> bytes:
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body


def opening(address: str, asn: int) -> bytes:
    return message(1, struct.pack("!BHH4sB", 4, asn, 180, socket.inet_aton(address), 0))


async def connected(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    made.bind((address, 0))
    await asyncio.get_running_loop().sock_connect(made, HERE)
    return made


async def says(address: str, asn: int) -> socket.socket:
    made = await connected(address)
    await asyncio.get_running_loop().sock_sendall(made, opening(address, asn) + message(4))
    return made


def serve(path: Path, test: Callable[[RouteServer], Awaitable[None]], text: str = FILE) -> None:
    async def main() -> None:
        (path / "rs.yaml").write_text(text)
        server = RouteServer(load(path / "rs.yaml"))
        try:
            await server.start()
            await test(server)
        finally:
            await server.stop()

    asyncio.run(main())


def up(server: RouteServer) -> list[str]:
    rs = server.speakers["rs0"]
    return [name for name in rs.config.peers if rs.session(name).state is State.ESTABLISHED]


def test_ranges_are_read() -> None:
    config = parse(FILE)
    hosts, everybody = config.ranges
    assert (hosts.prefix, hosts.asns, hosts.limit, hosts.peer.max_routes, hosts.peer.passive) == (
        Prefix.parse("127.0.2.0/24"),
        (65001, 65002),
        2,
        3,
        True,
    )
    assert (everybody.asns, everybody.limit) == ((), 100)
    assert [each.name for each in config.peers] == ["fixed"]


def test_a_range_signs_with_its_password() -> None:
    config = parse(FILE.replace("asn: any", "asn: any, password: secret"))
    assert secrets_of(config, config.instances[0]) == {Prefix.parse("127.0.0.0/16"): Md5(key=b"secret")}


def test_faults_of_ranges_are_found() -> None:
    with pytest.raises(TopologyError) as caught:
        parse(
            """\
instances: [{name: rs0, listen: [10.0.0.4]}]
peers:
  - {name: a, range: 10.0.0.0/24, asn: some}
  - {name: b, range: 10.0.0.1/24, asn: 65001}
  - {name: c, range: 10.0.0.0/24, asn: []}
  - {name: d, range: 10.0.0.0/24, asn: 65001, passive: true}
""",
            "rs.yaml",
        )
    lines = [str(fault) for fault in caught.value.faults]
    assert [line.split(": ", 2)[1] for line in lines] == ["peer 'a'", "peer 'b'", "peer 'c'", "peer 'd'"], lines
    with pytest.raises(TopologyError, match=r"'range' is 'fd00::/64', and no instance listens on IPv6"):
        parse("instances: [{name: rs0, listen: [10.0.0.4]}]\npeers: [{name: a, range: 'fd00::/64', asn: any}]\n")


@pytest.mark.live
def test_who_comes_from_a_range_is_a_peer_of_the_smallest_one(tmp_path: Path) -> None:
    async def test(server: RouteServer) -> None:
        made = [await says("127.0.2.1", 65002), await says("127.0.3.1", 64999), await says("127.0.2.9", 65009)]
        await until(lambda: len(up(server)) == 3)
        assert sorted(up(server)) == ["fixed", "hosts-127.0.2.1", "wide-127.0.3.1"]
        peers = server.speakers["rs0"].config.peers
        assert [peers[name].session.remote_asn for name in ("hosts-127.0.2.1", "wide-127.0.3.1")] == [65002, 64999]
        assert peers["hosts-127.0.2.1"].policy.max_prefixes == 3
        assert peers["hosts-127.0.2.1"].policy.tags[:2] == ("hosts-127.0.2.1", "hosts")
        for each in made:
            each.close()

    serve(tmp_path, test)


@pytest.mark.live
def test_an_as_number_that_is_not_let_in_is_told_so(tmp_path: Path) -> None:
    async def test(server: RouteServer) -> None:
        with await says("127.0.2.1", 64999) as made:
            said = await ended(made, 5)
        assert said is not None
        assert said[-21:] == message(3, bytes([2, 2])), "Bad Peer AS (RFC 4271 section 6.2)"

    serve(tmp_path, test)


@pytest.mark.live
def test_no_more_than_the_limit_and_a_place_is_free_again_after_one_has_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "LOOK_S", 0.05)

    async def test(server: RouteServer) -> None:
        first, second = await says("127.0.2.1", 65001), await says("127.0.2.2", 65001)
        await until(lambda: len(up(server)) == 2)
        with await says("127.0.2.3", 65001) as third:
            assert await ended(third, 5) == b"", "reset without a word"
        assert server.refused == {"rs0": 1}
        first.close()
        await until(lambda: "hosts-127.0.2.1" not in server.speakers["rs0"].config.peers)
        third = await says("127.0.2.3", 65001)
        await until(lambda: up(server) == ["hosts-127.0.2.2", "hosts-127.0.2.3"])
        for each in (second, third):
            each.close()
        await until(lambda: list(server.speakers["rs0"].config.peers) == ["fixed"])
        assert [each.name for each in server.config.peers] == ["fixed"]

    serve(tmp_path, test)


@pytest.mark.live
def test_one_may_come_back_with_another_as_number(tmp_path: Path) -> None:
    async def test(server: RouteServer) -> None:
        with await says("127.0.3.1", 65001):
            await until(lambda: up(server) == ["wide-127.0.3.1"])
        await until(lambda: up(server) == [])
        with await says("127.0.3.1", 65002):
            await until(lambda: up(server) == ["wide-127.0.3.1"])
            assert server.speakers["rs0"].config.peers["wide-127.0.3.1"].session.remote_asn == 65002

    serve(tmp_path, test)


@pytest.mark.live
def test_visitors_stay_through_a_reload_that_lets_them_in(tmp_path: Path) -> None:
    async def test(server: RouteServer) -> None:
        stays, goes = await says("127.0.2.1", 65001), await says("127.0.3.1", 65001)
        await until(lambda: len(up(server)) == 2)
        since = dict(server.changed_s)
        Path(server.config.file).write_text(FILE.rsplit("  - ", 1)[0])
        assert server.reload() == []
        assert up(server) == ["hosts-127.0.2.1"]
        assert server.changed_s["rs0", "hosts-127.0.2.1"] == since["rs0", "hosts-127.0.2.1"]
        said = await ended(goes, 5)
        assert said is not None
        assert said[-21:] == message(3, bytes([6, 3])), "Cease, Peer De-configured (RFC 4486 section 4)"
        for each in (stays, goes):
            each.close()

    serve(tmp_path, test)


@pytest.mark.live
def test_who_does_not_say_who_it_is_takes_nothing_but_a_connection(tmp_path: Path) -> None:
    """Silence, half a message, the end of the connection amid one, and what isn't BGP at all."""
    text = FILE.replace("peers:\n", "limits: {open_s: 1}\npeers:\n", 1)

    async def test(server: RouteServer) -> None:
        loop = asyncio.get_running_loop()
        made = [await connected("127.0.3.1") for _ in range(4)]
        await loop.sock_sendall(made[1], opening("127.0.3.1", 65001)[:25])
        await loop.sock_sendall(made[2], opening("127.0.3.1", 65001)[:25])
        made[2].shutdown(socket.SHUT_WR)
        await loop.sock_sendall(made[3], b"GET / HTTP/1.1\r\nHost: 127.0.1.1\r\n\r\n" * 2000)
        for each in made:
            assert await ended(each, 5) == b""
            each.close()
        assert list(server.speakers["rs0"].config.peers) == ["fixed"]

    serve(tmp_path, test, text)


@pytest.mark.live
def test_an_open_that_comes_octet_by_octet_is_awaited(tmp_path: Path) -> None:
    async def test(server: RouteServer) -> None:
        with await connected("127.0.3.1") as made:
            for octet in opening("127.0.3.1", 65001) + message(4):
                await asyncio.get_running_loop().sock_sendall(made, bytes([octet]))
                await asyncio.sleep(0.001)
            await until(lambda: up(server) == ["wide-127.0.3.1"])

    serve(tmp_path, test)
