"""The best paths in the kernel's table, over nexthop groups: a peer that goes costs one rewritten group and not a write a route."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Protocol
from zlib import crc32

from dualhome.errors import SystemRefused
from dualhome.fabric.difference import moves
from dualhome.live.route_server.config import Kernel
from dualhome.net import Address, Prefix

FIRST: Final = 0x40000000
BLOCKS: Final = 2048
BLOCK: Final = 1 << 19
"""Numbers of our nexthop objects and groups: each table and metric has a block of its own, the same after a restart, so that what a killed daemon
left behind is known."""
SPARE_GROUPS: Final = 256
OURS: Final = 84
"""The number of the protocol that marks our routes, as `_core.ROUTE_PROTOCOL`."""

Way = tuple[str | None, str]  # the router to send to, None where the destination is on the link; and the device
Ways = tuple[Way, ...]
Rows = Sequence[tuple[int, bytes, int, int, int, tuple[tuple[str | None, str, int], ...]]]


class Routing(Protocol):
    """A namespace, as far as its routes go."""

    def route_dump(self, table: int = 254) -> Rows:
        """All routes of a table: family, destination, length, protocol, metric, ways."""
        ...

    def nexthop_dump(self) -> Sequence[tuple[int, str | None, str | None, Sequence[tuple[int, int]], int]]:
        """All nexthop objects: number, router, device, members, protocol."""
        ...

    def nexthops(
        self,
        put: Sequence[tuple[int, str | None, str | None, bool]] = (),
        groups: Sequence[tuple[int, Sequence[int]]] = (),
        drop: Sequence[int] = (),
    ) -> Sequence[tuple[int, int, str]]:
        """Write and remove nexthop objects; what was refused: which, the error's number, and why."""
        ...

    def routes(
        self, put: Sequence[tuple[bytes, int, int]] = (), drop: Sequence[tuple[bytes, int]] = (), *, table: int = 254, metric: int = 0
    ) -> Sequence[tuple[int, int, str]]:
        """Write and remove routes over nexthop objects; what was refused: which, the error's number, and why."""
        ...


@dataclass(slots=True)
class Programming:
    """What was written into one kernel's table, so that only differences are written."""

    kernel: Routing
    where: Kernel
    _objects: dict[Way, int] = field(default_factory=dict)
    _groups: dict[int, Ways] = field(default_factory=dict)
    _routes: dict[Prefix, int] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)
    _missing: set[Prefix] = field(default_factory=set)  # prefixes without a way in the kernel's own routes
    _left: tuple[set[Prefix], list[int]] = field(default_factory=lambda: (set(), []))  # routes and objects that `adopt` found
    _settled: int = 0  # groups after the last `write`
    _ways: dict[tuple[str, ...], Ways] = field(default_factory=dict)  # of next hops, as the kernel had them at the last `write`

    def __post_init__(self) -> None:
        self._numbers = count(self._first)

    @property
    def _first(self) -> int:
        return FIRST + crc32(f"{self.where.table}/{self.where.metric}".encode()) % BLOCKS * BLOCK

    def sweep(self) -> None:
        """Take away what is ours in the kernel, whoever wrote it: a daemon that was killed, or we before something went wrong.

        Raises:
            SystemRefused: the kernel refuses it.
        """
        rows = self.kernel.route_dump(self.where.table)
        left = [(row[1], row[2]) for row in rows if row[3] == OURS and row[4] == self.where.metric]
        self._check(self.kernel.routes(drop=left, table=self.where.table, metric=self.where.metric), gone=True)
        mine = [row for row in self.kernel.nexthop_dump() if row[4] == OURS and self._first <= row[0] < self._first + BLOCK]
        self._check(self.kernel.nexthops(drop=[row[0] for row in sorted(mine, key=lambda row: not row[3])]), gone=True)
        self._objects, self._groups, self._routes, self._left = {}, {}, {}, (set(), [])

    def adopt(self) -> None:
        """Leave what a killed daemon wrote as it is, for packets go by it: the next `write` replaces each route in its place, and takes the others away."""
        rows = self.kernel.route_dump(self.where.table)
        routes = {
            Prefix(4 if len(row[1]) == 4 else 6, int.from_bytes(row[1]), row[2])
            for row in rows
            if row[3] == OURS and row[4] == self.where.metric
        }
        mine = [row for row in self.kernel.nexthop_dump() if row[4] == OURS and self._first <= row[0] < self._first + BLOCK]
        objects = [row[0] for row in sorted(mine, key=lambda row: not row[3])]
        half = self._first + BLOCK // 2
        if any(number < half for number in objects):  # its numbers aren't ours; each start has the other half of them
            self._numbers = count(half)
        self._left = routes, objects

    @property
    def unresolved(self) -> int:
        """How many prefixes have no way in the kernel's own routes."""
        return len(self._missing)

    @property
    def crowded(self) -> bool:
        """Whether many groups have come since the last `write`, which drops those that aren't used any more."""
        return len(self._groups) > 2 * self._settled + SPARE_GROUPS

    def change(self, best: Mapping[Prefix, tuple[str, ...]]) -> int:
        """Bring these prefixes to their next hops, none where they are gone, and leave the others as they are; how many elements were written.

        Raises:
            SystemRefused: the kernel refuses one; `write` brings all to order.
        """
        if any(hops and not self._ways.get(hops) for hops in best.values()):
            resolver = _Resolver(self.kernel.route_dump(254))
            self._ways.update({hops: resolver.ways(hops) for hops in best.values() if not self._ways.get(hops)})
        numbers = {ways: number for number, ways in self._groups.items()}
        goal = {prefix: self._ways[hops] for prefix, hops in best.items() if hops and self._ways[hops]}
        new = {next(self._numbers): ways for ways in dict.fromkeys(goal.values()) if ways not in numbers}
        numbers.update({ways: number for number, ways in new.items()})
        moved = [(prefix, numbers[ways]) for prefix, ways in goal.items() if self._routes.get(prefix) != numbers[ways]]
        gone = [prefix for prefix in best if prefix not in goal and prefix in self._routes]
        self._put_groups(new)
        self._put_routes(moved)
        self._drop_routes(gone)
        self._missing.difference_update(best)
        self._missing.update(prefix for prefix, hops in best.items() if hops and prefix not in goal)
        return len(new) + len(moved) + len(gone)

    def write(self, best: Mapping[Prefix, tuple[str, ...]]) -> int:
        """Bring the table to these next hops by prefix; how many elements were written. What was refused once is tried on a clean table.

        Raises:
            SystemRefused: the kernel refuses one.
        """
        try:
            return self._write(best)
        except SystemRefused:
            self.sweep()
            return self._write(best)

    def _write(self, best: Mapping[Prefix, tuple[str, ...]]) -> int:
        resolver = _Resolver(self.kernel.route_dump(254))
        self._ways = {hops: resolver.ways(hops) for hops in dict.fromkeys(best.values())}
        goal = {prefix: ways for prefix, hops in best.items() if (ways := self._ways[hops])}
        self._missing = best.keys() - goal.keys()
        todo = moves(self._groups, self._routes, goal, self._numbers)
        self._put_groups(todo.new_groups)
        self._put_routes(todo.moved)
        self._put_groups(todo.rewritten)
        self._put_routes(todo.followed)
        self._drop_routes(todo.dropped_routes)
        self._check(self.kernel.nexthops(drop=list(todo.dropped_groups)), gone=True)
        for number in todo.dropped_groups:
            del self._groups[number]
        self._drop_left()
        self._settled = len(self._groups)
        return todo.writes

    def _drop_left(self) -> None:
        routes, objects = self._left
        gone = [_key(prefix) for prefix in routes if prefix not in self._routes]
        self._check(self.kernel.routes(drop=gone, table=self.where.table, metric=self.where.metric), gone=True)
        self._check(self.kernel.nexthops(drop=objects), gone=True)
        self._left = set(), []

    def clear(self) -> None:
        """Take all away that was written."""
        self.write({})
        self.kernel.nexthops(drop=list(self._objects.values()))
        self._objects.clear()

    def _put_groups(self, groups: Mapping[int, Ways]) -> None:
        fresh = [way for ways in groups.values() for way in ways if way not in self._objects]
        put: list[tuple[int, str | None, str | None, bool]] = []
        for via, device in dict.fromkeys(fresh):
            self._objects[via, device] = number = next(self._numbers)
            put.append((number, via, device, True))
        members = [(number, [self._objects[way] for way in ways]) for number, ways in groups.items()]
        self._check(self.kernel.nexthops(put=put, groups=members))
        self._groups.update(groups)

    def _put_routes(self, routes: Sequence[tuple[Prefix, int]]) -> None:
        put = [(*_key(prefix), number) for prefix, number in routes]
        self._check(self.kernel.routes(put=put, table=self.where.table, metric=self.where.metric))
        self._routes.update(routes)

    def _drop_routes(self, prefixes: Sequence[Prefix]) -> None:
        gone = [_key(prefix) for prefix in prefixes]
        self._check(self.kernel.routes(drop=gone, table=self.where.table, metric=self.where.metric), gone=True)
        for prefix in prefixes:
            del self._routes[prefix]

    def _check(self, refused: Sequence[tuple[int, int, str]], *, gone: bool = False) -> None:
        if gone:  # what the kernel dropped by itself, with a device
            refused = [each for each in refused if each[1] not in (errno.ENOENT, errno.ESRCH)]
        if refused:
            raise SystemRefused(f"the kernel refused {len(refused)} elements of table {self.where.table}: {refused[0][2]}")


class _Resolver:
    """Which way the kernel's own routes lead; none of ours is asked, so that no next hop is reached by what it brought."""

    def __init__(self, rows: Rows) -> None:
        own = [row for row in rows if row[3] != OURS and row[5]]
        self._rows = sorted(((int.from_bytes(row[1]), row[2], len(row[1]) * 8, row[5][0]) for row in own), key=lambda row: -row[1])

    def ways(self, hops: Sequence[str]) -> Ways:
        """Those of several next hops, each once."""
        return tuple(dict.fromkeys(way for hop in hops if (way := self.way(hop)) is not None))

    def way(self, hop: str) -> Way | None:
        """The way to a next hop; None where there is none."""
        address = Address.parse(hop)
        bits = 32 if address.version == 4 else 128
        for network, length, width, (via, device, _) in self._rows:
            if width == bits and (address.bits ^ network) >> (bits - length) == 0:
                return via or hop, device
        return None


def _key(prefix: Prefix) -> tuple[bytes, int]:
    return prefix.bits.to_bytes(4 if prefix.version == 4 else 16), prefix.length
