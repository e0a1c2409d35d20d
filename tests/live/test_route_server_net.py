"""What keeps a route server's sockets safe: signed segments, limits on connections, the OPEN deadline, the send hold time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dualhome._core import encode_keepalive, encode_open
from dualhome.bgp.events import State
from dualhome.bgp.restart import GracefulRestart
from dualhome.errors import SystemRefused, TopologyError
from dualhome.live.route_server.config import load, parse
from dualhome.live.route_server.daemon import RouteServer
from dualhome.live.route_server.speakers import speaker_config
from dualhome.live.route_server.strangers import EVERY_S, Strangers
from dualhome.live.signatures import Ao, Md5, sign
from dualhome.net import Prefix
from tests.live.workers import port

PORT = port(17931)
HEAD = """\
behaves_like: ideal
instances: [{name: rs0, router_id: 10.0.0.4, listen: [127.0.0.131], port: 17931}]
defaults: {passive: true}
""".replace("17931", str(PORT))
HERE = ("127.0.0.131", PORT)


async def until(true: Callable[[], bool], limit_s: float = 15) -> None:
    end = asyncio.get_running_loop().time() + limit_s
    while not true():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)


def serve(path: Path, text: str, test: Callable[[RouteServer], Awaitable[None]]) -> None:
    async def main() -> None:
        file = path / "rs.yaml"
        file.write_text(text)
        server = RouteServer(load(file))
        try:
            await server.start()
            await test(server)
        finally:
            await server.stop()

    asyncio.run(main())


def client(address: str, secret: Md5 | None = None) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    made.bind((address, 0))
    if secret is not None:
        sign(made, Prefix.parse(f"{HERE[0]}/32"), secret)
    return made


async def connects(made: socket.socket, limit_s: float) -> bool:
    try:
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(made, HERE), limit_s)
    except TimeoutError:
        return False
    return True


async def ended(made: socket.socket, limit_s: float) -> bytes | None:
    """All that came until the far end closed, b"" after a reset; None where it didn't within the time."""
    loop, got = asyncio.get_running_loop(), b""
    end = loop.time() + limit_s
    while True:
        try:
            data = await asyncio.wait_for(loop.sock_recv(made, 4096), max(0.01, end - loop.time()))
        except TimeoutError:
            return None
        except ConnectionError:
            return b""
        if not data:
            return got
        got += data


# --- the file -------------------------------------------------------------------------------------------------------------


def test_keys_of_sessions_reach_the_speaker() -> None:
    config = parse(
        HEAD
        + """\
limits: {open_s: 7, connections: 3}
peers:
  - {name: a, address: 127.0.0.132, asn: 65001, role: rs, role_strict: true, graceful_restart: {restart_s: 30, stale_s: 40}}
  - {name: b, address: 127.0.0.133, asn: 65002, damping: true, enhanced_refresh: false, extended_messages: false, graceful_restart: true}
  - {name: c, address: 127.0.0.134, asn: 65515, role: peer, timers: {hold_s: 900, keepalive_s: 10}, send_hold_s: 60}
"""
    )
    peers = speaker_config(config, config.instances[0]).peers
    a, b, c = (peers[name].session for name in "abc")
    assert (a.role, a.role_strict, a.graceful_restart, a.open_s) == ("rs", True, GracefulRestart(restart_s=30, stale_s=40), 7)
    assert peers["a"].policy.role == "rs"
    assert (a.damping, a.enhanced_refresh, a.extended_messages) == (False, True, True)
    assert (b.damping, b.enhanced_refresh, b.extended_messages, b.graceful_restart) == (True, False, False, GracefulRestart())
    assert (c.role, peers["c"].policy.role, c.graceful_restart) == (None, None, None), "RFC 9234 is about external sessions"
    assert [each.send_hold_s for each in config.peers] == [480, 480, 60]
    assert config.connections == 3


def test_faults_of_these_keys_are_found() -> None:
    with pytest.raises(TopologyError) as caught:
        parse(
            HEAD
            + """\
peers:
  - {name: a, address: 127.0.0.132, asn: 65001, role_strict: true}
  - {name: b, address: 127.0.0.133, asn: 65002, password: x, tcp_ao: {key: y, key_id: 1}}
  - {name: c, address: 127.0.0.134, asn: 65003, password: "%s"}
"""
            % ("ü" * 41),
            "rs.yaml",
        )
    assert [str(fault) for fault in caught.value.faults] == [
        "rs.yaml:5:62: peer 'a': 'role_strict' without a 'role' (say what this server is to the peer)",
        "rs.yaml:6:59: peer 'b': 'password' with 'tcp_ao' (leave one of the two away)",
        "rs.yaml:7:59: peer 'c': 'password' has more than 80 octets in UTF-8",
    ]


def test_a_secret_is_in_no_text() -> None:
    config = parse(HEAD + "peers: [{name: a, address: 127.0.0.132, asn: 65001, password: hush-hush}]\n")
    assert config.peers[0].secret == Md5(key=b"hush-hush")
    assert "hush" not in repr(config)


def test_strangers_are_told_of_once_in_a_while() -> None:
    now, said = [0.0], []
    strangers = Strangers(lambda *line: said.append(line), lambda: now[0])
    for number in range(1000):
        strangers.came("rs0", f"10.0.0.{number % 200}")
    now[0] = EVERY_S
    strangers.came("rs0", "10.9.9.9")
    assert said == [("rs0", "10.0.0.0", 0), ("rs0", "10.9.9.9", 999)]


# --- signed segments --------------------------------------------------------------------------------------------------------


def may_sign() -> bool:
    with socket.socket() as each:
        try:
            sign(each, Prefix.parse("127.0.0.1/32"), Md5(key=b"x"))
        except SystemRefused:
            return False
    return True


needs_md5 = pytest.mark.skipif(not may_sign(), reason="this kernel has no TCP MD5 (CONFIG_TCP_MD5SIG)")


@pytest.mark.live
@needs_md5
def test_only_who_knows_the_password_gets_through(tmp_path: Path) -> None:
    text = HEAD + "peers: [{name: a, address: 127.0.0.132, asn: 65001, password: right}, {name: b, address: 127.0.0.133, asn: 65002}]\n"

    async def test(server: RouteServer) -> None:
        for address, secret, gets_in in (
            ("127.0.0.132", Md5(key=b"right"), True),
            ("127.0.0.132", Md5(key=b"wrong"), False),
            ("127.0.0.132", None, False),
            ("127.0.0.133", None, True),
            ("127.0.0.133", Md5(key=b"right"), False),
        ):
            with client(address, secret) as made:
                assert await connects(made, 2 if gets_in else 0.4) is gets_in, (address, secret)
        file = Path(server.config.file)
        file.write_text(file.read_text().replace("right", "other"))
        assert server.reload() == []
        for key, gets_in in ((b"right", False), (b"other", True)):
            with client("127.0.0.132", Md5(key=key)) as made:
                assert await connects(made, 2 if gets_in else 0.4) is gets_in, f"after the reload, {key!r}"
        file.write_text(file.read_text().replace(", password: other", ""))
        assert server.reload() == []
        with client("127.0.0.132") as made:
            assert await connects(made, 2), "no password any more"

    serve(tmp_path, text, test)


@pytest.mark.live
@needs_md5
def test_two_servers_that_sign_find_each_other(tmp_path: Path) -> None:
    """We sign what we send when we connect, too."""
    far = """\
behaves_like: ideal
instances: [{name: far, asn: 65001, router_id: 10.0.0.5, listen: [127.0.0.132], port: 17932}]
peers: [{name: rs0, address: 127.0.0.131, asn: 65515, port: 17931, password: right}]
""".replace("17932", str(port(17932))).replace("17931", str(PORT))

    async def test(server: RouteServer) -> None:
        other = RouteServer(parse(far))
        try:
            await other.start()
            await until(lambda: server.speakers["rs0"].session("a").state is State.ESTABLISHED)
        finally:
            await other.stop()

    serve(tmp_path, HEAD + "peers: [{name: a, address: 127.0.0.132, asn: 65001, password: right}]\n", test)


@pytest.mark.live
def test_what_tcp_ao_cannot_do_is_said_aloud() -> None:
    """A kernel without it refuses the first key, one with it the second of the same number."""
    secret = Ao(key=b"x", key_id=7)
    with socket.socket() as each, pytest.raises(SystemRefused, match=r"can't sign what is sent to 127\.0\.0\.1 by TCP-AO: "):  # noqa: PT012
        sign(each, Prefix.parse("127.0.0.1/32"), secret)
        sign(each, Prefix.parse("127.0.0.1/32"), secret)


# --- limits -----------------------------------------------------------------------------------------------------------------


@pytest.mark.live
def test_connections_without_a_session_are_limited(tmp_path: Path) -> None:
    peers = "".join(f"  - {{name: p{n}, address: 127.0.0.{140 + n}, asn: {65001 + n}}}\n" for n in range(4))

    async def test(server: RouteServer) -> None:
        silent = [client(f"127.0.0.{140 + n}") for n in range(4)]
        for each in silent[:3]:
            assert await connects(each, 2)
        await until(lambda: len(server.host.transports.ends()) == 3)
        with contextlib.suppress(ConnectionResetError):  # it may come before the connection is seen as made
            assert await connects(silent[3], 2)
            assert await ended(silent[3], 2) == b"", "the fourth is reset"
        assert server.refused == {"rs0": 1}
        silent[0].close()
        await until(lambda: len(server.host.transports.ends()) == 2)
        with client("127.0.0.143") as again:
            assert await connects(again, 2)
            await until(lambda: len(server.host.transports.ends()) == 3)
        for each in silent:
            each.close()

    serve(tmp_path, HEAD + "limits: {connections: 3}\npeers:\n" + peers, test)


@pytest.mark.live
def test_who_says_nothing_is_sent_away(tmp_path: Path) -> None:
    async def test(server: RouteServer) -> None:
        with client("127.0.0.132") as made:
            assert await connects(made, 2)
            begun = time.monotonic()
            said = await ended(made, 10)
            assert time.monotonic() - begun >= 0.7  # deadlines are jittered
        assert said is not None
        assert said[18] == 1, "our OPEN"
        assert said[-21:] == b"\xff" * 16 + bytes([0, 21, 3, 4, 0]), "Hold Timer Expired (RFC 4271 section 6.5)"

    serve(tmp_path, HEAD + "limits: {open_s: 1}\npeers: [{name: a, address: 127.0.0.132, asn: 65001}]\n", test)


# --- memory ---------------------------------------------------------------------------------------------------------------


def test_a_limit_of_memory_reaches_every_peer() -> None:
    text = HEAD + "peers: [{name: a, address: 127.0.0.132, asn: 65001}, {name: b, range: 127.1.0.0/16, asn: any}]\n"
    for limits, octets in (("", 1 << 30), ("limits: {memory_mb: 3}\n", 3 << 20)):
        config = parse(text + limits)
        assert {each.memory_mb << 20 for each in (*config.peers, config.ranges[0].peer)} == {octets}
        assert speaker_config(config, config.instances[0]).peers["a"].policy.max_memory == octets
    with pytest.raises(TopologyError, match="memory_mb"):
        parse(text + "limits: {memory_mb: 0}\n")


@pytest.mark.live
def test_a_peer_whose_routes_take_too_much_memory_is_told_so_and_others_stay(tmp_path: Path) -> None:
    """100 routes whose attributes fill a message each, at a limit of 1 MiB: Cease/8 (RFC 4486 section 4), in history and status, and all memory comes back."""
    text = (
        HEAD + "limits: {memory_mb: 1}\npeers: [{name: a, address: 127.0.0.132, asn: 65001}, {name: b, address: 127.0.0.133, asn: 65002}]\n"
    )
    head = bytes.fromhex("40010100" + "4002060201" + "0000fde9" + "4003047f000084")

    def update(number: int) -> bytes:
        block = head + b"\xd0\xc8" + (60_000).to_bytes(2) + number.to_bytes(4) * 15_000
        body = bytes(2) + len(block).to_bytes(2) + block + b"\x18\x14\x00" + bytes([number])
        return b"\xff" * 16 + (19 + len(body)).to_bytes(2) + b"\x02" + body

    async def test(server: RouteServer) -> None:
        loop, rs = asyncio.get_running_loop(), server.speakers["rs0"]
        made = {name: client(address) for name, address in (("a", "127.0.0.132"), ("b", "127.0.0.133"))}
        for number, (name, each) in enumerate(made.items()):
            assert await connects(each, 5)
            opened = encode_open(asn=65001 + number, hold_time_s=180, router_id=f"10.0.0.{number + 1}", families=[(1, 1)])
            await loop.sock_sendall(each, opened + encode_keepalive())
            await until(lambda name=name: rs.session(name).state is State.ESTABLISHED)  # type: ignore[misc]
        with contextlib.suppress(ConnectionError):
            for number in range(5):
                await loop.sock_sendall(made["a"], update(number))
        await until(lambda: rs.counts("a")[0] == 5)
        assert 5 * 60_000 < server._answers.of({"ask": "status", "peer": "a"})[0]["memory_bytes"] < 6 * 60_000  # type: ignore[index,operator]
        with contextlib.suppress(ConnectionError):
            for number in range(5, 100):
                await loop.sock_sendall(made["a"], update(number))
        await until(lambda: rs.session("a").state is not State.ESTABLISHED)
        said = [each.text for each in server.history.events(["rs0"], ["a"], 0) if each.kind == "notification"]
        assert len(said) == 1
        assert said[0].startswith("sent Cease, Out of Resources (6/8): its routes take 1")
        assert said[0].endswith("KiB of memory, limit 1024 KiB")
        assert (rs.rib.memory(rs.peer_number("a")), rs.counts("a")[0]) == (0, 0)
        assert rs.session("b").state is State.ESTABLISHED
        for each in made.values():
            each.close()

    serve(tmp_path, text, test)
