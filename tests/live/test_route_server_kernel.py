"""Best paths of a route server in a real kernel's table: groups, a lost next hop, what a killed daemon left, and two writers beside each other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from dualhome._core import Namespace
from dualhome.live.route_server.config import Kernel, load
from dualhome.live.route_server.daemon import RouteServer
from dualhome.live.route_server.programming import Programming
from dualhome.net import Prefix
from tests.live.test_linux import missing, namespace_directory_delete, namespaces_create, sh

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(missing()), reason=missing())]
BOTH = {Prefix.parse(text): ("10.0.0.5", "10.0.0.6") for text in ("192.168.0.0/16", "172.16.0.0/12")}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Namespace]:
    """A namespace with 10.0.0.4/24 on eth0."""
    path = tmp_path / "ns"
    path.mkdir()
    namespaces_create([path / "a", path / "b"])
    a, b = Namespace(path / "a"), Namespace(path / "b")
    a.veth("eth0", 21, b"\x02\0\0\0\0\x01", "eth0", b, b"\x02\0\0\0\0\x02", 22)
    a.addresses([("eth0", "10.0.0.4/24")])
    yield a
    namespace_directory_delete(path)


def ways(kernel: Namespace, table: int) -> dict[str, list[str | None]]:
    """By prefix the routers of our routes."""
    rows = kernel.route_dump(table)
    return {f"{'.'.join(map(str, row[1]))}/{row[2]}": [hop[0] for hop in row[5]] for row in rows if row[3] == 84}


def test_a_lost_next_hop_leaves_the_other_and_the_end_leaves_nothing(kernel: Namespace) -> None:
    program = Programming(kernel, Kernel(table=100, metric=20))
    program.write(BOTH)
    assert ways(kernel, 100) == {"192.168.0.0/16": ["10.0.0.5", "10.0.0.6"], "172.16.0.0/12": ["10.0.0.5", "10.0.0.6"]}
    assert program.write(dict.fromkeys(BOTH, ("10.0.0.6",))) == 1
    assert set(map(tuple, ways(kernel, 100).values())) == {("10.0.0.6",)}
    program.clear()
    assert (ways(kernel, 100), kernel.nexthop_dump()) == ({}, [])


def test_what_a_killed_daemon_left_is_swept_and_nothing_else(kernel: Namespace) -> None:
    sh(kernel, "ip nexthop add id 7 via 10.0.0.9 dev eth0")
    sh(kernel, "ip route add 198.51.100.0/24 via 10.0.0.9 table 100 metric 20")
    other = Programming(kernel, Kernel(table=200, metric=20))
    other.write(BOTH)
    Programming(kernel, Kernel(table=100, metric=20)).write(BOTH)
    again = Programming(kernel, Kernel(table=100, metric=20))
    again.sweep()
    assert (ways(kernel, 100), len(ways(kernel, 200))) == ({}, 2)
    again.write(dict.fromkeys(BOTH, ("10.0.0.5",)))
    assert set(map(tuple, ways(kernel, 100).values())) == {("10.0.0.5",)}
    assert set(map(tuple, ways(kernel, 200).values())) == {("10.0.0.5", "10.0.0.6")}
    again.clear()
    other.clear()
    assert [row[0] for row in kernel.nexthop_dump()] == [7]
    assert "198.51.100.0/24" in sh(kernel, "ip route show table 100")


def test_routes_come_back_after_their_device_was_away(kernel: Namespace) -> None:
    program = Programming(kernel, Kernel(table=100, metric=20))
    program.write(BOTH)
    kernel.link_up("eth0", False)
    assert ways(kernel, 100) == {}
    program.write({})
    assert kernel.route_dump(100) == []
    kernel.link_up("eth0")
    program.write(BOTH)
    assert len(ways(kernel, 100)) == 2


def test_instances_in_one_namespace_write_beside_each_other_and_a_start_sweeps(kernel: Namespace, tmp_path: Path) -> None:
    """Both are told nothing here; what counts is where each would write, and that routes of one that was killed are gone."""
    Programming(kernel, Kernel(table=100, metric=20)).write(BOTH)
    file = tmp_path / "rs.yaml"
    instance = "{{name: rs{0}, router_id: 10.0.0.{0}, listen: [10.0.0.4], port: 1790{0}, namespace: {1}}}"
    file.write_text(f"""\
instances: [{instance.format(1, kernel.path)}, {instance.format(2, kernel.path)}]
peers: []
programming: {{kernel: {{table: 100}}}}
""")

    async def main() -> None:
        server = RouteServer(load(file))
        await server.start()
        try:
            assert ways(kernel, 100) == {}
            assert [program.where.metric for program in server.programs.values()] == [20, 21]
        finally:
            await server.stop()

    asyncio.run(main())
