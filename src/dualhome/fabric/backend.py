"""Where a state is held: what is there, what is to be done to it, and who does it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from dualhome.fabric.state import Group, Hop, Port, Reason, State
from dualhome.net import Address, Prefix

What = Literal["ports", "groups", "routes", "owners", "spaces", "balancers", "controls", "settings"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes of one kind, done in order, each batch as a whole. What `put` and `drop` hold:

    | what | put | drop |
    |---|---|---|
    | ports | `Port` | number |
    | groups | id, `Group` | id |
    | routes | table, prefix, group's id | table, prefix |
    | owners | virtual network, address, `Hop` | virtual network, address |
    | spaces | virtual network, prefix | the same |
    | balancers | number, tuple of ports' numbers | number |
    | controls | port's number, address, port's number or 0 | port's number, address |
    | settings | name, value: `("symmetric", True)` | |
    """

    what: What
    put: Sequence[Any] = ()
    drop: Sequence[Any] = ()


@dataclass(slots=True, kw_only=True)
class Installed:
    """What is held: a `State`, but that routes lead to ids of groups. A group belongs to the routes of one table; two ids may stand for equal groups."""

    ports: dict[int, Port] = field(default_factory=dict)
    routes: dict[int, dict[Prefix, int]] = field(default_factory=dict)  # by table; no table without routes
    groups: dict[int, Group] = field(default_factory=dict)  # ids from 1 on
    owners: dict[tuple[int, Address], Hop] = field(default_factory=dict)
    spaces: dict[int, tuple[Prefix, ...]] = field(default_factory=dict)
    balancers: dict[int, tuple[int, ...]] = field(default_factory=dict)
    controls: dict[tuple[int, Address], int] = field(default_factory=dict)
    symmetric: bool = False
    known: dict[int, Mapping[Prefix, Group]] = field(default_factory=dict, compare=False)  # what tables were made of: the same is no change
    _ids: dict[int, set[int]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def ids_of(self, table: int) -> set[int]:
        """Groups that belong to a table."""
        if table not in self._ids:
            self._ids[table] = set(self.routes.get(table, {}).values())
        return self._ids[table]

    def take(self, batches: Iterable[Batch], desired: State | None = None) -> None:
        """What is held once these are done; where they lead to a desired state, its tables become those that are known."""
        for batch in batches:
            if batch.what in ("groups", "routes"):
                self.known.clear()
            match batch.what:
                case "ports":
                    self.ports.update((port.number, port) for port in batch.put)
                    _without(self.ports, batch.drop)
                case "groups":
                    self.groups.update(batch.put)
                    _without(self.groups, batch.drop)
                    for ids in self._ids.values():
                        ids.difference_update(batch.drop)
                case "routes":
                    self._take_routes(batch)
                case "owners":
                    self.owners.update(((network, address), hop) for network, address, hop in batch.put)
                    _without(self.owners, batch.drop)
                case "spaces":
                    self._take_spaces(batch)
                case "balancers":
                    self.balancers.update(batch.put)
                    _without(self.balancers, batch.drop)
                case "controls":
                    self.controls.update(((port, address), to) for port, address, to in batch.put)
                    _without(self.controls, batch.drop)
                case "settings":
                    self.symmetric = dict(batch.put).get("symmetric", self.symmetric)
        if desired is not None:
            self.known = dict(desired.tables)

    def _take_routes(self, batch: Batch) -> None:
        for table, prefix, group in batch.put:
            self.routes.setdefault(table, {})[prefix] = group
            if table in self._ids:
                self._ids[table].add(group)
        for table, prefix in batch.drop:
            del self.routes[table][prefix]
            if not self.routes[table]:
                del self.routes[table]

    def _take_spaces(self, batch: Batch) -> None:
        for network, prefix in batch.put:
            self.spaces[network] = tuple(sorted({*self.spaces.get(network, ()), prefix}))
        for network, prefix in batch.drop:
            self.spaces[network] = tuple(each for each in self.spaces[network] if each != prefix)
            if not self.spaces[network]:
                del self.spaces[network]


class Backend(Protocol):
    """Holds a state."""

    def read(self) -> Installed:
        """What is there; the caller's own copy.

        Raises:
            SystemRefused: the machine doesn't say.
        """
        ...

    def apply(self, batches: Iterable[Batch]) -> None:
        """Do these. Where one is refused, those before it are done: read again. What they drop is there.

        Raises:
            SystemRefused: the machine refuses: no space, no privilege.
        """
        ...

    def counters(self) -> dict[tuple[int, Reason], tuple[int, int]]:
        """Packets and bytes by the sender's port and what became of them."""
        ...


def _without(held: dict[Any, Any], keys: Iterable[Any]) -> None:
    for key in keys:
        del held[key]
