"""Namespaces, links, nexthop objects and routes as `dualhome._core` makes them, seen through the eyes of `ip` and `ping`."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import get_native_id

import pytest

from dualhome._core import Namespace, namespace_create, namespace_delete, namespace_directory_delete, namespaces_create, namespaces_delete

MAC = bytes.fromhex("123456789abc")
IPV6 = bytes.fromhex("fd000000000000000000000000000000")


def missing() -> str:
    """Why these can't run here; "" where they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    return "" if shutil.which("ip") and shutil.which("nsenter") else "ip or nsenter is not installed (apt-get install iproute2 util-linux)"


pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(missing()), reason=missing())]


def sh(namespace: Namespace | Path, command: str) -> str:
    """What a command says inside."""
    path = namespace.path if isinstance(namespace, Namespace) else namespace
    return subprocess.run(["nsenter", f"--net={path}", *command.split()], check=True, capture_output=True, text=True).stdout


def octets(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Where namespaces are; whatever is left in it goes."""
    path = tmp_path / "ns"
    path.mkdir()
    yield path
    namespace_directory_delete(path)
    assert not path.exists()


@pytest.fixture
def pair(directory: Path) -> tuple[Namespace, Namespace]:
    """Two namespaces with loopback up, as the live network makes them, and one link between them."""
    namespaces_create([directory / "a", directory / "b"])
    a, b = Namespace(directory / "a"), Namespace(directory / "b")
    for namespace in (a, b):
        namespace.sysctl([("net.ipv4.nexthop_compat_mode", "0"), ("net.ipv4.ip_forward", "1")])
        namespace.link_up("lo")
    a.veth("port", 21, b"\x02\0\0\0\0\x01", "eth0", b, b"\x02\0\0\0\0\x02", 1234, mtu=1400)
    return a, b


def test_a_namespace_is_a_file_until_it_is_deleted_and_deleting_twice_is_fine(directory: Path) -> None:
    path = directory / "one"
    own = Path("/proc/self/ns/net").stat().st_ino
    namespace_create(path)
    assert sh(path, "ip -o link").startswith("1: lo:")
    assert path.stat().st_ino != own == Path(f"/proc/self/task/{get_native_id()}/ns/net").stat().st_ino
    with pytest.raises(FileExistsError, match=f"network namespace {path}: File exists"):
        namespace_create(path)
    namespace_delete(path)
    assert not path.exists()
    namespace_delete(path)
    path.touch()  # one that died half-way: the file, and nothing mounted on it
    namespace_delete(path)
    assert not path.exists()


def test_a_file_that_is_no_namespace_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file as a network namespace: Invalid argument"):
        Namespace(tmp_path / "file")
    with pytest.raises(FileNotFoundError, match=r"network namespace .*/nothing: No such file or directory"):
        Namespace(tmp_path / "nothing")


def test_five_hundred_namespaces_come_and_go(directory: Path) -> None:
    paths = [directory / f"n{number}" for number in range(500)]
    namespaces_create(paths)
    assert len({path.stat().st_ino for path in paths}) == 500
    handles = [Namespace(path) for path in paths]
    handles[0].veths([(f"p{16 + n}", 16 + n, b"", "eth0", peer, MAC, 0) for n, peer in enumerate(handles[1:])])
    links = handles[0].links()
    assert [(number, name) for number, name, *_ in links[1:]] == [(16 + n, f"p{16 + n}") for n in range(499)]
    assert handles[0].links_delete([16 + n for n in range(499)]) == []
    assert [name for _, name, *_ in handles[0].links()] == ["lo"]
    del handles
    namespaces_delete(paths)
    assert list(directory.iterdir()) == []
    assert "/ns/n" not in "".join(line for line in Path("/proc/self/mounts").read_text().splitlines() if str(directory) in line)


def test_a_namespace_lives_no_longer_than_its_users_even_where_others_copied_our_mounts(directory: Path) -> None:
    """A process with mounts of its own, as `ip netns exec` makes, holds none alive: its copies are unmounted with ours."""
    namespace_create(directory / "one")
    other_mounts = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", "echo; read x; cat /proc/self/mounts"]
    with subprocess.Popen(other_mounts, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin
        assert other.stdout
        other.stdout.readline()
        namespace_delete(directory / "one")
        seen, _ = other.communicate("\n")
    assert str(directory / "one") not in seen


def test_both_ends_of_a_veth_have_the_numbers_names_and_macs_that_were_asked_for(pair: tuple[Namespace, Namespace]) -> None:
    a, b = pair
    assert a.links()[1:] == [(21, "port", "veth", b"\x02\0\0\0\0\x01", True)]
    assert b.links()[1:] == [(1234, "eth0", "veth", b"\x02\0\0\0\0\x02", True)]
    assert "21: port@if1234: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400" in sh(a, "ip link show port")
    assert "1234: eth0@if21: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400" in sh(b, "ip link show eth0")


def test_a_refused_link_says_which_and_the_others_of_the_batch_are_made(pair: tuple[Namespace, Namespace]) -> None:
    a, b = pair
    message = r"^\[Errno 17\] veth port \(0\) with x1 \(0\): File exists \(and 1 more\)$"
    with pytest.raises(FileExistsError, match=message):
        a.veths([("port", 0, b"", "x1", b, b"", 0), ("x2", 0, b"", "eth0", b, b"", 0), ("x3", 0, b"", "x3", b, b"", 0)])
    assert sorted(name for _, name, *_ in a.links()) == ["lo", "port", "x3"]
    assert all(up for *_, up in b.links())
    with pytest.raises(OSError, match=r"\[Errno 22\] \"a name too long for it\" is no interface name"):
        a.veth("a name too long for it", 0, b"", "x", b, b"")
    with pytest.raises(OSError, match="x: a MAC address of 5 octets"):
        a.veth("x", 0, b"12345", "x", b, b"")


def test_links_go_down_and_up_and_away(pair: tuple[Namespace, Namespace]) -> None:
    a, b = pair
    a.link_up("port", False)
    assert "state DOWN" in sh(a, "ip link show port")
    a.link_up(21)
    assert "state UP" in sh(a, "ip link show port")
    with pytest.raises(OSError, match=r"^\[Errno 19\] interface nope: No such device$"):
        a.link_up("nope")
    assert a.links_delete(["nope", "port"]) == [(0, errno.ENODEV, "interface nope: No such device")]
    assert [name for _, name, *_ in b.links()] == ["lo"]
    with pytest.raises(OSError, match=r"\[Errno 19\] delete link: interface port: No such device"):
        a.link_delete("port")


@pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="no /dev/net/tun")
def test_a_tap_stays_with_its_number_and_mac(pair: tuple[Namespace, Namespace]) -> None:
    a, _ = pair
    assert a.tap("tap0", 77, MAC) == 77
    assert (77, "tap0", "tun", MAC, True) in a.links()
    assert "tun type tap pi off vnet_hdr off persist on" in sh(a, "ip -d link show tap0")
    with pytest.raises(OSError, match=r"tap tap0: "):
        a.tap("tap0")
    a.link_delete("tap0")


def test_sysctls_are_the_namespaces_own(pair: tuple[Namespace, Namespace]) -> None:
    a, b = pair
    a.sysctl([("net.ipv4.conf.all.rp_filter", "0"), ("net/ipv4/conf/port/rp_filter", "2")])
    b.sysctl([("net.ipv4.conf.all.rp_filter", "1")])
    assert sh(a, "cat /proc/sys/net/ipv4/conf/all/rp_filter /proc/sys/net/ipv4/conf/port/rp_filter") == "0\n2\n"
    assert sh(b, "cat /proc/sys/net/ipv4/conf/all/rp_filter") == "1\n"
    with pytest.raises(FileNotFoundError, match=r"sysctl net.ipv4.nothing=1: No such file or directory"):
        a.sysctl([("net.ipv4.nothing", "1")])
    with pytest.raises(OSError, match=r"sysctl kernel.hostname: only keys below net belong to a network namespace"):
        a.sysctl([("kernel.hostname", "x")])


def test_a_socket_made_inside_stays_inside(pair: tuple[Namespace, Namespace]) -> None:
    a, b = pair
    with socket.socket(fileno=a.socket(socket.AF_INET, socket.SOCK_STREAM)) as listener:
        assert not os.get_blocking(listener.fileno())
        assert not listener.get_inheritable()
        listener.bind(("127.0.0.1", 4179))
        listener.listen()
        assert "127.0.0.1:4179" in sh(a, "ss -ltn")
        assert "4179" not in sh(b, "ss -ltn")


def test_hosts_reach_each_other_over_an_onlink_gateway_with_a_permanent_neighbor(pair: tuple[Namespace, Namespace]) -> None:
    """Each knows the other's addresses only as `via 169.254.0.1 dev X onlink` (fe80::1), whose MAC is the other's."""
    for namespace, device, number, mac in ((pair[0], "port", 1, b"\x02\0\0\0\0\x02"), (pair[1], "eth0", 2, b"\x02\0\0\0\0\x01")):
        namespace.addresses([("lo", f"10.0.0.{number}/32"), ("lo", f"fd00::{number}/128")])
        namespace.addresses([("lo", f"10.0.0.{number}/32")])  # once more is fine
        namespace.neighbors([(device, "169.254.0.1", mac), (device, "fe80::1", mac)])
        assert namespace.nexthops([(1, "169.254.0.1", device, True), (2, "fe80::1", device, True)], [(3, [1]), (4, [2])]) == []
        assert namespace.routes([(octets("10.0.0.0"), 24, 3), (IPV6, 64, 4)]) == []
    a, _ = pair
    for own, other in (("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")):  # a link that just came up may drop for a second
        assert " 0 received" not in sh(a, f"ping -c 6 -i 0.4 -W 1 -I {own} {other}")
    assert sh(a, "ip neigh show 169.254.0.1").strip() == "169.254.0.1 dev port lladdr 02:00:00:00:00:02 PERMANENT"
    assert "10.0.0.0/24 nhid 3 proto 84" in sh(a, "ip route")
    assert "id 1 via 169.254.0.1 dev port scope link proto 84 onlink" in sh(a, "ip nexthop")
    assert a.nexthop_dump()[2:] == [(3, None, None, [(1, 1)], 84), (4, None, None, [(2, 1)], 84)]
    a.addresses(drop=[("lo", "10.0.0.1/32")])
    a.neighbors(drop=[("port", "169.254.0.1")])
    assert "10.0.0.1" not in sh(a, "ip addr")
    assert sh(a, "ip neigh show 169.254.0.1") == ""


def test_what_is_refused_of_a_batch_is_told_by_its_index_and_the_rest_is_done(pair: tuple[Namespace, Namespace]) -> None:
    a, _ = pair
    put = [(1, "169.254.0.1", "port", True), (2, "169.254.0.1", "nope", True), (3, None, None, False)]
    refused = a.nexthops(put, [(10, [1]), (11, [1, 99])], [55])
    assert [(index, number) for index, number, _ in refused] == [(1, errno.ENODEV), (4, errno.EINVAL), (5, errno.ENOENT)]
    assert refused[1][2] == "Invalid argument (Invalid nexthop id)"
    refused = a.routes([(octets("10.1.0.0"), 16, 10), (octets("10.2.0.0"), 16, 99), (b"123", 3, 10)], [(octets("10.3.0.0"), 16)])
    assert [(index, number) for index, number, _ in refused] == [(1, errno.EINVAL), (2, errno.EINVAL), (3, errno.ESRCH)]
    assert "10.1.0.0/16 nhid 10" in sh(a, "ip route")


def test_special_routes_of_both_families_in_tables_of_their_own(pair: tuple[Namespace, Namespace]) -> None:
    a, _ = pair
    assert a.special_routes("unreachable", [(octets("10.66.0.0"), 16), (octets("fd66::"), 16)]) == []
    assert a.special_routes("blackhole", [(octets("10.67.0.0"), 16)], metric=7) == []
    assert a.special_routes("local", [(octets("10.68.0.0"), 16), (octets("fd68::"), 16)], table=1000) == []
    assert "unreachable 10.66.0.0/16 proto 84" in sh(a, "ip route")
    assert "blackhole 10.67.0.0/16 proto 84 metric 7" in sh(a, "ip route")
    assert "unreachable fd66::/16 dev lo proto 84" in sh(a, "ip -6 route")
    assert "local 10.68.0.0/16 dev lo proto 84 scope host" in sh(a, "ip route show table 1000")
    assert "local fd68::/16 dev lo proto 84" in sh(a, "ip -6 route show table 1000")
    lo = ((None, "lo", 1),)
    assert a.route_dump(1000) == [(2, octets("10.68.0.0"), 16, 84, 0, lo), (10, octets("fd68::"), 16, 84, 1024, lo)]
    assert a.route_dump(4711) == []
    assert a.routes(drop=[(octets("10.66.0.0"), 16), (octets("fd66::"), 16)]) == []
    assert [row[1:5] for row in a.route_dump() if row[0] == 2] == [(octets("10.67.0.0"), 16, 84, 7)]


def test_routes_of_others_are_read_with_their_hops_and_left_alone(pair: tuple[Namespace, Namespace]) -> None:
    """As FRR and BIRD install them: nexthop objects, groups with weights, multipath, and IPv4 over an IPv6 gateway."""
    a, _ = pair
    for command in (
        "ip nexthop add id 7 via 169.254.0.7 dev port onlink proto zebra",
        "ip nexthop add id 8 via fe80::8 dev port proto zebra",
        "ip nexthop add id 9 group 7,2/8,300 proto zebra",
        "ip route add 10.1.0.0/16 nhid 7 proto bgp metric 20",
        "ip route add 10.2.0.0/16 nhid 9 proto bgp metric 20",
        "ip route add 10.3.0.0/16 proto bird nexthop via 169.254.0.1 dev port onlink weight 5 nexthop via inet6 fe80::9 dev port onlink",
        "ip route add 10.4.0.0/16 via inet6 fe80::4 dev port proto bird",
        "ip -6 route add fd05::/16 proto bird nexthop via fe80::1 dev port nexthop via fe80::2 dev port",
        "ip route add unreachable default proto bgp",
    ):
        try:
            sh(a, command)
        except subprocess.CalledProcessError:
            assert "300" in command  # a kernel or ip of before 6.12 has weights of one octet
            sh(a, command.replace("300", "200"))
    weight = dict(a.nexthop_dump()[2][3])[8]
    assert weight in (200, 300)
    rows = {(address, length): (protocol, metric, hops) for _, address, length, protocol, metric, hops in a.route_dump()}
    assert rows[octets("10.1.0.0"), 16] == (186, 20, (("169.254.0.7", "port", 1),))
    assert rows[octets("10.2.0.0"), 16] == (186, 20, (("169.254.0.7", "port", 2), ("fe80::8", "port", weight)))
    assert rows[octets("10.3.0.0"), 16] == (12, 0, (("169.254.0.1", "port", 5), ("fe80::9", "port", 1)))
    assert rows[octets("10.4.0.0"), 16] == (12, 0, (("fe80::4", "port", 1),))
    assert rows[octets("fd05::"), 16] == (12, 1024, (("fe80::1", "port", 1), ("fe80::2", "port", 1)))
    assert rows[bytes(4), 0] == (186, 0, ())
    assert a.routes(drop=[(octets("10.1.0.0"), 16)])[0][:2] == (0, errno.ESRCH)
    assert "10.1.0.0/16 nhid 7 proto bgp" in sh(a, "ip route")


def test_a_hundred_thousand_routes_move_with_one_group(pair: tuple[Namespace, Namespace], capsys: pytest.CaptureFixture[str]) -> None:
    a, _ = pair
    a.nexthops([(1, "169.254.0.1", "port", True), (2, "169.254.0.2", "port", True)], [(10, [1])])
    routes = [((20 << 24 | n << 8).to_bytes(4, "big"), 24, 10) for n in range(100_000)]
    begin = time.perf_counter()
    assert a.routes(routes) == []
    put = time.perf_counter()
    assert a.nexthops(groups=[(10, [2])]) == []
    moved = time.perf_counter()
    dumped = [row for row in a.route_dump() if row[0] == socket.AF_INET]
    assert [row[1] for row in dumped] == [address for address, *_ in routes]
    assert {row[5] for row in dumped} == {(("169.254.0.2", "port", 1),)}
    begin_drop = time.perf_counter()
    assert a.routes(drop=[(address, length) for address, length, _ in routes]) == []
    dropped = time.perf_counter()
    assert sh(a, "ip route") == ""
    with capsys.disabled():
        print(f"\n100,000 routes: put {put - begin:.3f} s, moved {(moved - put) * 1e3:.2f} ms, dropped {dropped - begin_drop:.3f} s")
