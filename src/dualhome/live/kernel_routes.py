"""Routes in the kernels of nodes: what each must hold, and the writer that brings a kernel there with nexthop groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from dualhome._core import ROUTE_PROTOCOL, Namespace
from dualhome.errors import SystemRefused
from dualhome.fabric.difference import moves
from dualhome.fabric.state import NEXT_HOP
from dualhome.forwarding.fib import Out, To, Up, Way, node_routes
from dualhome.forwarding.own import routes_beside_bgp
from dualhome.forwarding.world import World
from dualhome.live.layout import Node
from dualhome.live.nodes import WIRE
from dualhome.net import DEFAULT_V4, DEFAULT_V6, Address, Prefix

Devices = tuple[int, tuple[str, ...]]  # version of IP, devices; none: what goes there is dropped
BLACKHOLE: Final = {4: 1, 6: 2}
NOBODY: Final = {4: "0.0.0.0", 6: "::"}
FIRST_DEVICE: Final = 16
FIRST_GROUP: Final = 4096
BEFORE: Final = 1  # metric of a route that goes before a routing program's
BEHIND: Final = 240 << 24  # of one that goes behind them: FRR takes the highest octet for its distance
DEFAULTS: Final = (DEFAULT_V4, DEFAULT_V6)


def wanted_routes(world: World, node: Node) -> Mapping[Prefix, tuple[str, ...]]:
    """By prefix the devices out of which a node sends; several share the flows."""
    match node.role:
        case "vm" | "route server" | "internet":
            return dict.fromkeys(DEFAULTS, ("eth0",))
        case "host":
            alive = next((each.device for each in node.interfaces if world.alive(each.far)), None)
            return dict.fromkeys(DEFAULTS, (alive or node.interfaces[0].device,)) if node.interfaces else {}
        case _:
            known: dict[tuple[Way, ...], tuple[str, ...]] = {}
            found: dict[Prefix, tuple[str, ...]] = {}
            for prefix, ways in node_routes(world, node.name).items():
                devices = known.get(ways)
                if devices is None:
                    devices = known[ways] = tuple(dict.fromkeys(d for way in ways if (d := device_of(node, way))))
                found[prefix] = devices
            return found


def beside_program(world: World, node: Node, peers: Iterable[tuple[Address, str]]) -> dict[Prefix, tuple[str, ...]]:
    """Of a node whose routes of BGP somebody else writes, the others; and a route to each peer (its address, the wire to it)."""
    assert node.router is not None, "only routers have programs of their own"
    theirs = {prefix for prefix, _ in world.loc_rib(node.name)}
    beside = routes_beside_bgp(world, node.router)
    found = {prefix: devices for prefix, devices in wanted_routes(world, node).items() if prefix not in theirs or prefix in beside}
    if node.role == "nva":
        versions = {address.version for each in node.interfaces for address in each.addresses}
        for prefix in DEFAULTS:
            if prefix.version in versions:
                found.setdefault(prefix, (node.interfaces[0].device,))
    return found | {address.host_prefix: (device,) for address, device in peers}


def device_of(node: Node, way: Way) -> str | None:
    """The interface that a way leaves by; None where it leads nowhere."""
    match way:
        case Out(nic=nic):
            each = node.of_nic(nic)
        case To(node=far):
            each = node.toward(far) or (node.past_gateway if node.role == "edge" else None)
        case Up():
            each = node.of_nic(node.name)
        case _:
            each = None
    return each.device if each else None


@dataclass(slots=True)
class Routes:
    """What was written into one kernel, so that only differences are written."""

    node: str
    kernel: Namespace
    foreign: bool = False  # somebody else writes routes too: ours go before theirs, the default route behind them
    beside: bool = False  # everybody is a neighbor: of a node that has every address no next hop is another's
    _devices: dict[tuple[int, str], int] = field(default_factory=dict)  # nexthop objects
    _groups: dict[int, Devices] = field(default_factory=dict)
    _routes: dict[Prefix, int] = field(default_factory=dict)
    _known: Mapping[Prefix, tuple[str, ...]] | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(FIRST_DEVICE))

    def audit(self, wanted: Mapping[Prefix, tuple[str, ...]]) -> list[str]:
        """What our routes in the kernel are otherwise than wanted, in words; empty where nothing is."""
        there = {
            Prefix(4 if len(packed) == 4 else 6, int.from_bytes(packed), length): tuple(sorted({device for _, device, _ in hops if device}))
            for _, packed, length, protocol, _, hops in self.kernel.route_dump()
            if protocol == ROUTE_PROTOCOL and not any(device.startswith(WIRE) for _, device, _ in hops)
        }
        goal = {prefix: tuple(sorted(devices)) for prefix, devices in wanted.items()}
        return [
            f"{self.node}: {prefix} leads to {_words(there, prefix)} in the kernel, and should to {_words(goal, prefix)}"
            for prefix in sorted({*there, *goal})
            if there.get(prefix) != goal.get(prefix)
        ]

    def write(self, wanted: Mapping[Prefix, tuple[str, ...]]) -> int:
        """Bring the kernel there; how many elements were written.

        Raises:
            SystemRefused: the kernel refuses one.
        """
        if wanted is self._known:
            return 0
        shared: dict[tuple[int, tuple[str, ...]], Devices] = {}
        goal = {p: shared.setdefault((p.version, each), (p.version, each)) for p, each in wanted.items()}
        fresh = (number for number in range(FIRST_GROUP, 1 << 31) if number not in self._groups)
        todo = moves(self._groups, self._routes, goal, fresh)
        self._groups_put(todo.new_groups)
        self._routes_put(todo.moved)
        self._groups_put(todo.rewritten)
        self._routes_put(todo.followed)
        for metric in self._metrics():
            gone = [_key(prefix) for prefix in todo.dropped_routes if self._metric(prefix) == metric]
            self._check(self.kernel.routes(drop=gone, metric=metric), "removing a route")
        self._check(self.kernel.nexthops(drop=list(todo.dropped_groups)), "removing a nexthop group")
        for prefix in todo.dropped_routes:
            del self._routes[prefix]
        for number in todo.dropped_groups:
            del self._groups[number]
        self._known = wanted
        return todo.writes

    def follow(self, foreign: bool) -> None:
        """Whether somebody else's program writes the node's routes of BGP is another thing now: those that are there get other metrics, the new ones first.

        Raises:
            SystemRefused: the kernel refuses one.
        """
        if foreign == self.foreign:
            return
        before = {prefix: self._metric(prefix) for prefix in self._routes}
        self.foreign = foreign
        self._routes_put(list(self._routes.items()))
        for metric in sorted(set(before.values())):
            gone = [_key(prefix) for prefix, old in before.items() if old == metric != self._metric(prefix)]
            self._check(self.kernel.routes(drop=gone, metric=metric), "removing a route")

    def forget_device(self, device: str) -> None:
        """It is gone, and the kernel has dropped what led to it."""
        for key in [key for key in self._devices if key[1] == device]:
            del self._devices[key]
        gone = {number for number, (_, devices) in self._groups.items() if device in devices}
        self._routes = {prefix: number for prefix, number in self._routes.items() if number not in gone}
        for number in gone:
            del self._groups[number]
        self.kernel.nexthops(drop=sorted(gone))
        self._known = None

    def _groups_put(self, groups: Mapping[int, Devices]) -> None:
        fresh = [(version, d) for version, devices in groups.values() for d in devices if (version, d) not in self._devices]
        for key in dict.fromkeys(fresh):
            self._devices[key] = next(self._numbers)
        put: list[tuple[int, str | None, str | None, bool]] = [
            (self._devices[key], NOBODY[key[0]] if self.beside else NEXT_HOP[key[0]], key[1], not self.beside)
            for key in dict.fromkeys(fresh)
        ]
        if not self._groups and groups:
            put += [(number, NOBODY[version], None, False) for version, number in BLACKHOLE.items()]
        members = [
            (number, [self._devices[version, d] for d in devices] or [BLACKHOLE[version]]) for number, (version, devices) in groups.items()
        ]
        self._check(self.kernel.nexthops(put=put, groups=members), "writing a nexthop group")
        self._groups.update(groups)

    def _routes_put(self, routes: Sequence[tuple[Prefix, int]]) -> None:
        for metric in self._metrics():
            some = [(*_key(prefix), number) for prefix, number in routes if self._metric(prefix) == metric]
            self._check(self.kernel.routes(put=some, metric=metric), "writing a route")
        self._routes.update(routes)

    def _metrics(self) -> tuple[int, ...]:
        return (BEFORE, BEHIND) if self.foreign else (0,)

    def _metric(self, prefix: Prefix) -> int:
        return (BEHIND if prefix in DEFAULTS else BEFORE) if self.foreign else 0

    def _check(self, refused: Sequence[tuple[int, int, str]], what: str) -> None:
        if refused:
            raise SystemRefused(
                f"the kernel of {self.node} refused {what}: {refused[0][2]}" + f" ({len(refused)} in all)" * (len(refused) > 1)
            )


def _key(prefix: Prefix) -> tuple[bytes, int]:
    return prefix.bits.to_bytes(4 if prefix.version == 4 else 16), prefix.length


def _words(routes: Mapping[Prefix, tuple[str, ...]], prefix: Prefix) -> str:
    return "nothing" if prefix not in routes else ", ".join(routes[prefix]) or "nowhere"
