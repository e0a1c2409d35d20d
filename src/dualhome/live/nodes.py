"""The namespaces of a network, with their interfaces: made, changed and removed as the layout says.

Every interface is a veth whose other end is a port of the fabric. Whatever lies behind it is one next hop, always the same (`fabric.state.NEXT_HOP`), with the
fabric's MAC address as a permanent neighbor, so that nobody asks for anybody's address.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from dualhome import _core
from dualhome.errors import SystemRefused
from dualhome.fabric.numbers import Numbers
from dualhome.fabric.state import GATEWAY_MAC, NEXT_HOP
from dualhome.live.firewall import TABLE, ruleset
from dualhome.live.layout import DEVICE_LENGTH, Interface, Layout, Node
from dualhome.live.place import FABRIC, Place
from dualhome.live.tunnels import End, Tunnels
from dualhome.live.wireguard_words import Device
from dualhome.net import WIDTH

PLUG: Final = "dh-"  # how devices begin that are handed to the user
AT_ONCE: Final = 200  # interfaces made in one batch
WIRE: Final = "wire~"  # of a device under a tunnel; its port's number follows, and no node has a ~ in its name

Progress = Callable[[int, int, str], None]  # how many, of how many, of what

COMMON: Final = (
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    ("net/ipv4/conf/all/send_redirects", "0"),
    ("net/ipv4/conf/default/send_redirects", "0"),
    ("net/ipv4/conf/all/accept_redirects", "0"),
    ("net/ipv4/conf/default/accept_redirects", "0"),
    ("net/ipv4/nexthop_compat_mode", "0"),
    ("net/ipv4/fib_multipath_hash_policy", "1"),
    ("net/ipv4/icmp_ratelimit", "0"),
    ("net/ipv4/icmp_msgs_per_sec", "100000"),
    ("net/ipv4/icmp_msgs_burst", "10000"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/addr_gen_mode", "1"),
    ("net/ipv6/fib_multipath_hash_policy", "1"),
    ("net/ipv6/icmp/ratelimit", "0"),
)
FORWARDS: Final = (("net/ipv4/ip_forward", "1"), ("net/ipv6/conf/all/forwarding", "1"))
STATEFUL: Final = (("net/netfilter/nf_conntrack_tcp_loose", "0"),)
FABRIC_ONLY: Final = (("net/ipv6/conf/all/disable_ipv6", "1"), ("net/ipv6/conf/default/disable_ipv6", "1"))
# A host of the Internet has every address; what it sends goes out, though every address is its own.
EVERY_ADDRESS: Final = (
    ("rule", "add", "pref", "10", "iif", "lo", "lookup", "main"),
    ("rule", "add", "pref", "100", "lookup", "local"),
    ("rule", "del", "pref", "0"),
    ("route", "add", "local", "0.0.0.0/0", "dev", "lo"),
    ("-6", "rule", "add", "pref", "10", "iif", "lo", "lookup", "main"),
    ("-6", "rule", "add", "pref", "100", "lookup", "local"),
    ("-6", "rule", "del", "pref", "0"),
    ("-6", "route", "add", "local", "::/0", "dev", "lo"),
)


def port_name(node: str, interface: Interface) -> str:
    """How the port of an interface is called: `hub1-nva/eth0`."""
    return f"{node}/{interface.device}"


def mac_of(number: int) -> bytes:
    """The MAC address of the guest's end of a port: locally administered, the port's number in it."""
    return bytes.fromhex("0264") + number.to_bytes(4)


class Nodes:
    """What is there of the layout. `handle` gives a node's namespace; the fabric's own is `fabric`."""

    def __init__(self, place: Place, numbers: Numbers, tunnels: Tunnels | None = None) -> None:
        self._place, self._numbers = place, numbers
        self._tunnels = tunnels or Tunnels(place, "plain")
        self._handles: dict[str, _core.Namespace] = {}
        self._there: dict[str, Node] = {}
        self._plugs: dict[tuple[str, str], str] = {}  # by node and interface: the device in this process's namespace
        self.fabric: _core.Namespace

    def begin(self) -> None:
        """The fabric's namespace."""
        self._refusing("the fabric's namespace", lambda: _core.namespace_create(str(self._place.namespace(FABRIC))))
        self.fabric = _core.Namespace(str(self._place.namespace(FABRIC)))
        self.fabric.sysctl(list(FABRIC_ONLY))

    def handle(self, node: str) -> _core.Namespace:
        """A node's namespace."""
        return self._handles[node]

    def there(self) -> Mapping[str, Node]:
        """Nodes as they are."""
        return self._there

    def number(self, node: str, interface: Interface) -> int:
        """The port of an interface."""
        return self._numbers.port(port_name(node, interface))

    def leave(self, layout: Layout, remade: bool) -> tuple[list[str], list[tuple[str, str]]]:
        """Remove what stands in the way of the layout (`remade`: it has the same names otherwise), or all that it has no more.

        The nodes that are gone, and for the others the devices, by node.
        """
        there = self._there.items()
        gone = [name for name, node in there if (_made_anew(node, layout.nodes[name]) if name in layout.nodes else not remade)]
        lost = []
        for name, node in there:
            wanted = layout.nodes[name].interfaces if name in layout.nodes else ()
            names = {each.device for each in wanted}
            for each in node.interfaces:
                if name in gone or (name in layout.nodes and each not in wanted and (not remade or each.device in names)):
                    lost.append((name, each))
        self._tunnels.drop(self.number(name, each) for name, each in lost)
        self._tunnels.forget(gone, layout)
        self.fabric.links_delete([self.number(name, each) for name, each in lost])
        for name in gone:
            del self._there[name]
        _core.namespaces_delete([str(self._place.namespace(name)) for name in gone if self._handles.pop(name, None)])
        for name, each in lost:
            self._plugs.pop((name, each.device), None)
        for name, each in lost:
            if name in self._there:
                node = self._there[name]
                self._there[name] = replace(node, interfaces=tuple(i for i in node.interfaces if i != each))
        return gone, [(name, each.device) for name, each in lost if name not in gone]

    def enter(self, layout: Layout, progress: Progress) -> list[int]:
        """Make what the layout has and isn't there; the numbers of new ports."""
        fresh = [node for name, node in layout.nodes.items() if name not in self._there]
        for place, node in enumerate(fresh):
            if place % 50 == 0:
                progress(place, len(fresh), "namespaces")
            self._make(node)
        ends = [
            (node, interface)
            for name, node in layout.nodes.items()
            for interface in node.interfaces
            if name not in self._there or interface not in self._there[name].interfaces
        ]
        for start in range(0, len(ends), AT_ONCE):
            progress(start, len(ends), "interfaces")
            self._plug(layout, ends[start : start + AT_ONCE])
        for node in fresh:
            self._finish(node)
        for name, node in layout.nodes.items():
            before = self._there.get(name)
            if before is not None and before.role != node.role:
                self._promote(before, node)
            if before is not None and ruleset(node) != ruleset(before):
                self._filter(node)
            stale = tuple(each for each in before.interfaces if each not in node.interfaces) if before is not None else ()
            self._there[name] = replace(node, interfaces=(*node.interfaces, *stale))
        return [self.number(node.name, interface) for node, interface in ends]

    def plugs(self) -> dict[tuple[str, str], tuple[str, bytes]]:
        """By node and interface the device that is handed to the user, and its MAC address."""
        ends = {(name, each.device): each for name, node in self._there.items() for each in node.interfaces}
        return {key: (device, mac_of(self.number(key[0], ends[key]))) for key, device in self._plugs.items()}

    def filter(self, node: str, table: str, rules: str) -> None:
        """A table of nftables in a node becomes these rules, in one transaction; connections go on."""
        self._run(node, ["nft", "-f", "-"], f"table {table}\ndelete table {table}\n{rules}")

    # --- inside -------------------------------------------------------------------------------------------------------

    def _make(self, node: Node) -> None:
        if node.external:
            return
        path = str(self._place.namespace(node.name))
        self._refusing(f"the namespace of {node.name}", lambda: _core.namespace_create(path))
        handle = self._handles[node.name] = _core.Namespace(path)
        handle.sysctl([*COMMON, *(FORWARDS if node.forwards else ())])
        handle.link_up("lo")
        handle.addresses([("lo", f"{address}/{WIDTH[address.version]}") for address in node.addresses])

    def _promote(self, before: Node, node: Node) -> None:
        """A virtual machine that is an NVA from now on."""
        handle = self._handles[node.name]
        handle.sysctl(list(FORWARDS))
        put, drop = (
            [("lo", f"{each}/{WIDTH[each.version]}") for each in one.addresses if each not in other.addresses]
            for one, other in ((node, before), (before, node))
        )
        handle.addresses(put, drop)

    def _plug(self, layout: Layout, ends: Iterable[tuple[Node, Interface]]) -> None:
        """Both ends of each interface, up; addresses and the one neighbor. Over some wires there are tunnels."""
        ends = list(ends)
        pairs = []
        tunnels = [self._tunnel(layout, *each) for each in ends if self._tunnels.encrypts(layout, *each)]
        wires = {end.device.number: end.device.wire for end in tunnels}
        for node, interface in ends:
            number = self.number(node.name, interface)
            device = self._plug_name(node, interface) if node.external else wires.get(number, interface.device)
            where = self._host() if node.external else self._handles[node.name]
            pairs.append((f"p{number}", number, _own_mac(number), device, where, mac_of(number), 0))
        self._refusing("interfaces", lambda: self.fabric.veths(pairs))
        self._tunnels.make(tunnels)
        for node, interface in ends:
            if node.external or self.number(node.name, interface) in wires:
                continue
            handle = self._handles[node.name]
            mine = [(interface.device, f"{address}/{WIDTH[address.version]}") for address in interface.addresses]
            handle.addresses([*mine, (interface.device, "fe80::2/64")])
            handle.neighbors([(interface.device, hop, GATEWAY_MAC) for hop in NEXT_HOP.values()])

    def _tunnel(self, layout: Layout, node: Node, interface: Interface) -> End:
        """The tunnel over a wire; the wire's own device has a name that no other has."""
        other = layout.nodes[interface.far]
        end = other.toward(node.name)
        assert end is not None, f"the tunnel from {node.name} to {other.name} has one end only"
        number = self.number(node.name, interface)
        device = Device(node=node.name, name=interface.device, number=number, far=self.number(other.name, end), wire=f"{WIRE}{number}")
        bonus = node.bonus if node.core and not other.core else 0
        return End(device=device, namespace=self._handles[node.name], addresses=interface.addresses, bonus=bonus)

    @staticmethod
    def _host() -> _core.Namespace:
        """The namespace of this process, where the user's own machines are."""
        return _core.Namespace("/proc/self/ns/net")

    def _plug_name(self, node: Node, interface: Interface) -> str:
        """`dh-hub1-nva` for its first interface, `dh-hub1-nva.1` for its second; with a number where that is taken."""
        place = node.interfaces.index(interface)
        taken = {name for _, name, *_ in self._host().links()} | set(self._plugs.values())
        end = f".{place}" if place else ""
        ends = (end, *(f"{end}~{i}" for i in range(2, 1000)))
        names = (f"{PLUG}{node.name}"[: DEVICE_LENGTH - len(each)] + each for each in ends)
        found = self._plugs[node.name, interface.device] = next(name for name in names if name not in taken)
        return found

    def _finish(self, node: Node) -> None:
        if node.external:
            return
        if node.role == "internet":
            for words in EVERY_ADDRESS:
                self._run(node.name, ["ip", *words])
        for pool in node.clients:
            self._run(node.name, ["ip", f"-{pool.version}", "route", "add", "local", str(pool), "dev", "lo"])
        if ruleset(node):
            self._filter(node)

    def _filter(self, node: Node) -> None:
        """Its rules of nftables, in one transaction; connections go on."""
        if node.router is not None and node.router.stateful:
            self._handles[node.name].sysctl(list(STATEFUL))
        self.filter(node.name, TABLE, ruleset(node))

    def _run(self, node: str, command: list[str], text: str = "") -> None:
        """A program inside a node's namespace."""
        words = ["nsenter", f"--net={self._place.namespace(node)}", *command]
        try:
            done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise SystemRefused(f"{error.filename} is not installed (Debian: apt-get install util-linux iproute2 nftables)") from error
        if done.returncode:
            raise SystemRefused(f"{node}: {' '.join(command)}: {done.stderr.strip()}")

    @staticmethod
    def _refusing(what: str, do: Callable[[], object]) -> None:
        try:
            do()
        except OSError as error:
            raise SystemRefused(f"{what} can't be made: {error}") from error


def _made_anew(node: Node, wanted: Node) -> bool:
    """Whether a node that is there is another kind of node, or has other addresses of its own, so that it can't become the wanted one.

    A virtual machine becomes an NVA where it is: what runs in it, and what it has set up, stays.
    """
    if (node.role, wanted.role) == ("vm", "nva") and not wanted.external:
        return False
    return (node.role, node.addresses, node.forwards, node.clients) != (wanted.role, wanted.addresses, wanted.forwards, wanted.clients)


def _own_mac(number: int) -> bytes:
    """Of the fabric's end, which nobody ever sees."""
    return bytes.fromhex("0265") + number.to_bytes(4)
