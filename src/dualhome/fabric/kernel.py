"""The fabric in the kernel: a backend whose elements are those of eBPF maps. `bpf/fabric.bpf.c` is the program, and says how elements are laid out."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from dualhome import _core
from dualhome.errors import SystemRefused
from dualhome.fabric.backend import Batch, Installed
from dualhome.fabric.state import Drop, Group, Hop, Local, Lookup, NextHops, Port, PortKind, PortState, Reason
from dualhome.net import Address, Prefix

OBJECT: Final = Path(__file__).with_name("fabric.bpf.o")
REASONS: Final = 16
MOST_HOPS: Final = 64
BALANCER, OWN_ONLY, NUMBER = 1 << 31, 1 << 30, (1 << 30) - 1
SIZES: Final[Mapping[str, int]] = {
    "ports": 8192,
    "routes4": 4_000_000,
    "routes6": 1_000_000,
    "spaces4": 65536,
    "spaces6": 65536,
    "groups": 65536,
    "balancers": 1024,
    "owners": 65536,
    "controls": 65536,
    "sources": 16384,
    "counters": 8192 * REASONS,
}
"""The most elements of each map. Only `ports` and `counters` take their memory at once."""

KINDS: Final = (None, PortKind.NIC, PortKind.WIRE, PortKind.INTERNET)
STATES: Final = (PortState.UP, PortState.DEAD, PortState.CONTROL_ONLY)
MAY_FORWARD, CORE, HAS_INTERNET, PLAIN, HAS_ADDRESS = 1, 2, 4, 8, 16
NEXT_HOPS, LOCAL, LOOKUP, DROP = 1, 2, 3, 4
ROOM: Final = errno.ENOSPC, errno.E2BIG, errno.ENOMEM

U32: Final = struct.Struct("=I")
PORT: Final = struct.Struct("=7I6s2x16s")
GROUP: Final = struct.Struct(f"=3I{MOST_HOPS}I")
BALANCERS: Final = struct.Struct(f"=I{MOST_HOPS}I")
PLACE: Final = struct.Struct("=I16s")
KEY4: Final = struct.Struct("=I4s4s")
KEY6: Final = struct.Struct("=I4s16s")
BIG: Final = struct.Struct(">I")


class Kernel:
    """A backend in the kernel. The names of ports are not there: they are kept here, and asked for anew after a restart."""

    def __init__(self, maps: _core.Fabric, namespace: _core.Namespace | None) -> None:
        self._maps, self._namespace = maps, namespace
        self._names: dict[int, str] = {}
        self._sources: dict[int, tuple[Address, ...]] = {}
        self._put: Final[Mapping[str, Callable[[Sequence[Any]], None]]] = {
            "ports": self._put_ports,
            "groups": lambda put: self._write("groups", ((U32.pack(number), _group(group)) for number, group in put)),
            "routes": lambda put: self._put_prefixes("routes", put),
            "owners": lambda put: self._write("owners", ((_place(network, at), U32.pack(_hop(hop))) for network, at, hop in put)),
            "spaces": lambda put: self._put_prefixes("spaces", [(network, prefix, 1) for network, prefix in put]),
            "balancers": lambda put: self._write("balancers", ((U32.pack(number), _balancer(ports)) for number, ports in put)),
            "controls": lambda put: self._write("controls", ((_place(port, at), U32.pack(to)) for port, at, to in put)),
            "settings": lambda put: self._write("settings", ((U32.pack(0), U32.pack(value)) for name, value in put if name == "symmetric")),
        }
        self._drop: Final[Mapping[str, Callable[[Sequence[Any]], None]]] = {
            "ports": self._drop_ports,
            "groups": lambda drop: self._delete("groups", map(U32.pack, drop)),
            "routes": lambda drop: self._drop_prefixes("routes", drop),
            "owners": lambda drop: self._delete("owners", (_place(*key) for key in drop)),
            "spaces": lambda drop: self._drop_prefixes("spaces", drop),
            "balancers": lambda drop: self._delete("balancers", map(U32.pack, drop)),
            "controls": lambda drop: self._delete("controls", (_place(*key) for key in drop)),
            "settings": lambda drop: None,
        }

    @classmethod
    def create(cls, namespace: _core.Namespace, pins: str, sizes: Mapping[str, int] = SIZES) -> Kernel:
        """A new one, empty, pinned in a directory of a bpffs.

        Raises:
            SystemRefused: a privilege or a feature of the kernel is missing.
        """
        try:
            return cls(_core.Fabric.create(OBJECT.read_bytes(), list(sizes.items()), pins), namespace)
        except OSError as error:
            _refuse(error)

    @classmethod
    def open(cls, namespace: _core.Namespace | None, pins: str) -> Kernel:
        """The one that is pinned there, with all that it holds. Without its namespace no port can be attached.

        Raises:
            SystemRefused: there is none, or a privilege is missing.
        """
        try:
            return cls(_core.Fabric.open(pins), namespace)
        except OSError as error:
            _refuse(error)

    def attach(self, ports: Sequence[int]) -> None:
        """Judge what comes in at these interfaces of the fabric's namespace from now on."""
        assert self._namespace is not None, "it was opened without its namespace"
        try:
            self._maps.attach(self._namespace, list(ports))
        except OSError as error:
            _refuse(error)

    # --- writing ------------------------------------------------------------------------------------------------------

    def apply(self, batches: Iterable[Batch]) -> None:
        """Do these; what is given up goes after what comes."""
        try:
            for batch in batches:
                if batch.put:
                    self._put[batch.what](batch.put)
                if batch.drop:
                    self._drop[batch.what](batch.drop)
        except OSError as error:
            _refuse(error)

    def _write(self, name: str, elements: Iterable[tuple[bytes, bytes]]) -> None:
        pairs = list(elements)
        if pairs:
            self._maps.update(name, b"".join(key for key, _ in pairs), b"".join(value for _, value in pairs))

    def _delete(self, name: str, keys: Iterable[bytes]) -> None:
        if joined := b"".join(keys):
            self._maps.delete(name, joined)

    def _put_ports(self, put: Sequence[Port]) -> None:
        for port in put:
            old = self._sources.get(port.number, ())
            self._write("sources", ((_place(port.number, each), U32.pack(1)) for each in port.sources))
            self._delete("sources", (_place(port.number, each) for each in old if each not in port.sources))
            self._names[port.number], self._sources[port.number] = port.name, port.sources
        self._write("ports", ((U32.pack(port.number), _port(port)) for port in put))

    def _drop_ports(self, drop: Sequence[int]) -> None:
        self._delete("ports", map(U32.pack, drop))
        for number in drop:
            self._delete("sources", (_place(number, each) for each in self._sources.pop(number, ())))
            self._names.pop(number, None)

    def _put_prefixes(self, name: str, put: Sequence[tuple[int, Prefix, int]]) -> None:
        keys: dict[int, list[bytes]] = {4: [], 6: []}
        values: dict[int, list[bytes]] = {4: [], 6: []}
        for number, prefix, value in put:
            keys[prefix[0]].append(_prefix(number, prefix))
            values[prefix[0]].append(U32.pack(value))
        for version in (4, 6):
            if keys[version]:
                self._maps.update(f"{name}{version}", b"".join(keys[version]), b"".join(values[version]))

    def _drop_prefixes(self, name: str, drop: Sequence[tuple[int, Prefix]]) -> None:
        for version in (4, 6):
            self._delete(f"{name}{version}", (_prefix(number, prefix) for number, prefix in drop if prefix.version == version))

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self) -> Installed:
        """What is there."""
        try:
            return self._read()
        except OSError as error:
            _refuse(error)

    def groups(self) -> dict[int, Group]:
        """The groups alone, by id."""
        try:
            return {number: _as_group(value) for number, value in self._numbered("groups", GROUP.size)}
        except OSError as error:
            _refuse(error)

    def _read(self) -> Installed:
        held = Installed(groups=self.groups())
        sources: dict[int, list[Address]] = {}
        for number, at, _ in self._placed("sources"):
            sources.setdefault(number, []).append(at)
        self._sources = {number: tuple(sorted(found)) for number, found in sources.items()}
        for number, value in self._numbered("ports", PORT.size):
            held.ports[number] = _as_port(number, value, self._names.get(number, f"p{number}"), self._sources.get(number, ()))
        for table, prefix, group in self._prefixes("routes"):
            held.routes.setdefault(table, {})[prefix] = group
        spaces: dict[int, list[Prefix]] = {}
        for network, prefix, _ in self._prefixes("spaces"):
            spaces.setdefault(network, []).append(prefix)
        held.spaces = {network: tuple(sorted(found)) for network, found in spaces.items()}
        held.owners = {(network, at): _as_hop(value) for network, at, value in self._placed("owners")}
        held.controls = {(port, at): to for port, at, to in self._placed("controls")}
        for number, value in self._numbered("balancers", BALANCERS.size):
            count, *ports = BALANCERS.unpack(value)
            held.balancers[number] = tuple(ports[:count])
        held.symmetric = any(any(value) for _, value in self._numbered("settings", U32.size))
        return held

    def counters(self) -> dict[tuple[int, Reason], tuple[int, int]]:
        """Packets and bytes by the sender's port and what became of them."""
        try:
            return {(index // REASONS, Reason(index % REASONS)): (packets, size) for index, packets, size in self._maps.sums("counters")}
        except OSError as error:
            _refuse(error)

    def _numbered(self, name: str, width: int) -> Iterator[tuple[int, bytes]]:
        keys, values = self._maps.read(name)
        for i, (number,) in enumerate(U32.iter_unpack(keys)):
            yield number, values[i * width : (i + 1) * width]

    def _placed(self, name: str) -> Iterator[tuple[int, Address, int]]:
        keys, values = self._maps.read(name)
        for (number, packed), (value,) in zip(PLACE.iter_unpack(keys), U32.iter_unpack(values), strict=True):
            yield number, _as_address(packed), value

    def _prefixes(self, name: str) -> Iterator[tuple[int, Prefix, int]]:
        for version, key in ((4, KEY4), (6, KEY6)):
            keys, values = self._maps.read(f"{name}{version}")
            for (length, number, packed), (value,) in zip(key.iter_unpack(keys), U32.iter_unpack(values), strict=True):
                yield BIG.unpack(number)[0], Prefix(version, int.from_bytes(packed), length - 32), value


# --- elements -----------------------------------------------------------------------------------------------------------


def _address(address: Address | None) -> bytes:
    """IPv4 as ::ffff:a.b.c.d."""
    if address is None:
        return bytes(16)
    return bytes(10) + b"\xff\xff" + address.bits.to_bytes(4) if address.version == 4 else address.bits.to_bytes(16)


def _as_address(packed: bytes) -> Address:
    return Address(4, int.from_bytes(packed[12:])) if packed[:12] == bytes(10) + b"\xff\xff" else Address(6, int.from_bytes(packed))


def _place(number: int, address: Address) -> bytes:
    return PLACE.pack(number, _address(address))


def _prefix(number: int, prefix: Prefix) -> bytes:
    version, bits, length = prefix
    if version == 4:
        return KEY4.pack(32 + length, BIG.pack(number), BIG.pack(bits))
    return KEY6.pack(32 + length, BIG.pack(number), bits.to_bytes(16))


def _port(port: Port) -> bytes:
    flags = MAY_FORWARD * port.ip_forwarding | CORE * port.core | HAS_INTERNET * port.internet | PLAIN * port.plain
    flags |= HAS_ADDRESS * (port.address is not None)
    words = (KINDS.index(port.kind), STATES.index(port.state), flags, port.network, port.table, port.far, port.bonus)
    return PORT.pack(*words, port.mac, _address(port.address))


def _as_port(number: int, packed: bytes, name: str, sources: tuple[Address, ...]) -> Port:
    kind, state, flags, network, table, far, bonus, mac, address = PORT.unpack(packed)
    is_a = KINDS[kind]
    assert is_a is not None, "absent ports are all zeros, and not read"
    return Port(
        number=number,
        name=name,
        kind=is_a,
        mac=mac,
        network=network,
        table=table,
        address=_as_address(address) if flags & HAS_ADDRESS else None,
        sources=sources,
        ip_forwarding=bool(flags & MAY_FORWARD),
        far=far,
        core=bool(flags & CORE),
        bonus=bonus,
        state=STATES[state],
        internet=bool(flags & HAS_INTERNET),
        plain=bool(flags & PLAIN),
    )


def _hop(hop: Hop) -> int:
    return (BALANCER | hop.balancer if hop.balancer else hop.port) | OWN_ONLY * hop.own_only


def _as_hop(word: int) -> Hop:
    number, own_only = word & NUMBER, bool(word & OWN_ONLY)
    return Hop(balancer=number, own_only=own_only) if word & BALANCER else Hop(port=number, own_only=own_only)


def _group(group: Group) -> bytes:
    match group:
        case NextHops(hops):
            return GROUP.pack(NEXT_HOPS, 0, min(len(hops), MOST_HOPS), *map(_hop, hops[:MOST_HOPS]), *(0,) * (MOST_HOPS - len(hops)))
        case Local(network, own_only):
            return GROUP.pack(LOCAL, network | OWN_ONLY * own_only, 0, *(0,) * MOST_HOPS)
        case Lookup(table):
            return GROUP.pack(LOOKUP, table, 0, *(0,) * MOST_HOPS)
        case Drop(reason):
            return GROUP.pack(DROP, reason, 0, *(0,) * MOST_HOPS)


def _as_group(packed: bytes) -> Group:
    kind, argument, count, *hops = GROUP.unpack(packed)
    if kind == NEXT_HOPS:
        return NextHops(tuple(map(_as_hop, hops[:count])))
    if kind == LOCAL:
        return Local(argument & NUMBER, bool(argument & OWN_ONLY))
    return Lookup(argument) if kind == LOOKUP else Drop(Reason(argument))


def _balancer(ports: Sequence[int]) -> bytes:
    most = list(ports[:MOST_HOPS])
    return BALANCERS.pack(len(most), *most, *(0,) * (MOST_HOPS - len(most)))


def _refuse(error: OSError) -> NoReturn:
    """In a sentence that helps."""
    if error.errno in (errno.EPERM, errno.EACCES):
        raise SystemRefused(f"{error.strerror}: it takes root (CAP_BPF, CAP_NET_ADMIN) in the machine's own user namespace") from error
    if error.errno in ROOM:
        raise SystemRefused(f"{error.strerror}: the fabric is full, or the machine has no memory for it") from error
    raise SystemRefused(f"{error.strerror or error}") from error
