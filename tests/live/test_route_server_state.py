"""`state`: a route server that was killed starts again as one that restarts (RFC 4724), and its routes in the kernel stay meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from dualhome._core import Namespace, decode_open, namespace_directory_delete, namespaces_create
from dualhome.errors import SystemRefused
from dualhome.live.route_server.config import Kernel, load, parse
from dualhome.live.route_server.daemon import RouteServer
from dualhome.live.route_server.programming import BLOCK, Programming
from dualhome.live.route_server.state import Presence
from dualhome.net import Prefix
from tests.live.test_linux import missing
from tests.live.test_route_server_kernel import BOTH, ways
from tests.live.test_route_server_net import until
from tests.live.test_route_server_ranges import says
from tests.live.workers import port

PORT = port(17961)
FILE = """\
behaves_like: ideal
instances: [{name: rs0, router_id: 10.0.0.4, listen: [127.0.1.1], port: 17961}]
state: STATE
defaults: {graceful_restart: {restart_s: 60}}
peers:
  - {name: fixed, address: 127.0.2.9, asn: 65009, passive: true}
  - {name: wide, range: 127.0.0.0/16, asn: any}
""".replace("17961", str(PORT))
needs_linux = pytest.mark.skipif(bool(missing()), reason=missing())


def presence(path: Path) -> tuple[Presence, Path]:
    (path / "state").mkdir(exist_ok=True)
    return Presence(path / "state"), path / "state" / "rs0.json"


def test_only_a_moment_ago_and_in_the_same_uptime_counts(tmp_path: Path) -> None:
    config = parse(FILE)
    (instance,) = config.instances
    there, file = presence(tmp_path)
    assert there.before(config, instance) is None, "never there"
    there.note(config)
    assert there.before(config, instance) is not None
    whole = json.loads(file.read_text())
    others: list[object] = [
        whole | {"seen_s": whole["seen_s"] - 61},
        whole | {"seen_s": whole["seen_s"] + 1000},
        whole | {"who": whole["who"] | {"boot": "another"}},
        whole | {"who": whole["who"] | {"router_id": "10.0.0.5"}},
        {"seen_s": 1},
        [],
    ]
    for other in others:
        file.write_text(json.dumps(other))
        assert there.before(config, instance) is None, other
    file.write_text(json.dumps(whole)[:-5])
    assert there.before(config, instance) is None, "half a file"
    file.write_text(json.dumps(whole))
    without = parse(FILE.replace("graceful_restart: {restart_s: 60}", "graceful_restart: false"))
    assert there.before(without, instance) is None, "nobody keeps its routes"
    there.forget("rs0")
    assert there.before(config, instance) is None


def start(path: Path, test: Callable[[RouteServer], Awaitable[None]], kill: bool) -> None:
    async def main() -> None:
        (path / "rs.yaml").write_text(FILE.replace("STATE", str(path / "state")))
        server = RouteServer(load(path / "rs.yaml"))
        try:
            await server.start()
            await test(server)
        finally:
            server.host.close() if kill else await server.stop()

    asyncio.run(main())


@pytest.mark.live
def test_one_that_was_killed_says_so_to_its_peers_and_knows_its_visitors(tmp_path: Path) -> None:
    async def before(server: RouteServer) -> None:
        assert not server.speakers["rs0"].restarting
        with await says("127.0.3.1", 65003):
            await until(lambda: "wide-127.0.3.1" in server.speakers["rs0"].config.peers)
            server._note()

    async def again(server: RouteServer) -> None:
        rs = server.speakers["rs0"]
        assert rs.restarting
        assert list(rs.config.peers) == ["fixed", "wide-127.0.3.1"]
        for address, asn in (("127.0.2.9", 65009), ("127.0.3.1", 65003)):
            with await says(address, asn) as made:
                said = await asyncio.get_running_loop().sock_recv(made, 4096)
            opened = decode_open(said[19 : int.from_bytes(said[16:18])])
            assert opened.graceful_restart is not None
            assert opened.graceful_restart[0] & 8, "Restart State"

    async def after(server: RouteServer) -> None:
        assert not server.speakers["rs0"].restarting

    start(tmp_path, before, kill=True)
    start(tmp_path, again, kill=False)
    assert list((tmp_path / "state").iterdir()) == [], "a polite end is no restart"
    start(tmp_path, after, kill=False)


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    there = Presence(tmp_path / "state")
    with pytest.raises(SystemRefused, match=r"state: .*rs0\.json can't be written"):
        there.note(parse(FILE))


# --- the kernel -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Namespace]:
    """A namespace with 10.0.0.4/24 and fd00::4/64 on eth0."""
    path = tmp_path / "ns"
    path.mkdir()
    namespaces_create([path / "a", path / "b"])
    a, b = Namespace(path / "a"), Namespace(path / "b")
    a.veth("eth0", 21, b"\x02\0\0\0\0\x01", "eth0", b, b"\x02\0\0\0\0\x02", 22)
    a.addresses([("eth0", "10.0.0.4/24"), ("eth0", "fd00::4/64")])
    yield a
    namespace_directory_delete(path)


@pytest.mark.live
@needs_linux
def test_adopted_routes_are_replaced_in_their_place_and_the_rest_goes(kernel: Namespace) -> None:
    where = Kernel(table=100, metric=20)
    six = Prefix.parse("fd01::/64")
    Programming(kernel, where).write({**BOTH, Prefix.parse("198.51.100.0/24"): ("10.0.0.5",), six: ("fd00::5",)})
    for start in range(4):  # each after the one before was killed
        again = Programming(kernel, where)
        again.adopt()
        assert len(kernel.route_dump(100)) == (4 if start == 0 else 3), "nothing changes before the first write"
        again.write({**dict.fromkeys(BOTH, ("10.0.0.6",)), six: ("fd00::5",)})
        assert ways(kernel, 100) == {"192.168.0.0/16": ["10.0.0.6"], "172.16.0.0/12": ["10.0.0.6"]} | {
            key: value for key, value in ways(kernel, 100).items() if value == ["fd00::5"]
        }
        assert len(kernel.route_dump(100)) == 3
        mine = [row[0] for row in kernel.nexthop_dump()]
        assert len(mine) == 4, "two ways and a group of each; those of before are gone"
        assert all((number % BLOCK >= BLOCK // 2) == (start % 2 == 0) for number in mine)
    again.clear()
    assert (kernel.route_dump(100), kernel.nexthop_dump()) == ([], [])


@pytest.mark.live
@needs_linux
def test_routes_in_the_kernel_stay_until_the_restart_is_over(kernel: Namespace, tmp_path: Path) -> None:
    text = f"""\
behaves_like: ideal
instances: [{{name: rs0, router_id: 10.0.0.4, listen: [10.0.0.4], port: 17961, namespace: {kernel.path}}}]
state: {tmp_path / "state"}
programming: {{kernel: {{table: 100}}}}
peers: [{{name: a, address: 10.0.0.5, asn: 65001, passive: true, graceful_restart: {{restart_s: 60, defer_s: 2}}}}]
"""
    config = parse(text)

    async def main() -> None:
        Presence(tmp_path / "state").note(config)
        Programming(kernel, Kernel(table=100, metric=20)).write(BOTH)
        server = RouteServer(config)
        await server.start()
        try:
            for _ in range(5):
                assert len(ways(kernel, 100)) == 2
                assert server.speakers["rs0"].restarting
                await asyncio.sleep(0.2)
            await until(lambda: ways(kernel, 100) == {})
            assert not server.speakers["rs0"].restarting, "it waited for its peer, and now knows that none tells these routes"
        finally:
            await server.stop()

    asyncio.run(main())
