"""Numbers for what has a name: they stay while the network changes, and outlive the process as plain data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import count
from typing import Final, Self

INTERNET_TABLE: Final = 1
FIRST_PORT: Final = 16  # a port's number is an interface index, and the kernel makes a few of its own
FIRST: Final[Mapping[str, int]] = {"ports": FIRST_PORT, "networks": 1, "tables": INTERNET_TABLE + 1, "balancers": 1}


class Numbers:
    """Hands out the smallest that is free, by kind and name."""

    def __init__(self, known: Mapping[str, Mapping[str, int]] | None = None) -> None:
        self._known: dict[str, dict[str, int]] = {kind: dict((known or {}).get(kind, {})) for kind in FIRST}
        self._taken = {kind: set(numbers.values()) for kind, numbers in self._known.items()}

    def port(self, name: str) -> int:
        """Of a port: from 16 on."""
        return self._number("ports", name)

    def network(self, name: str) -> int:
        """Of a virtual network: from 1 on, 0 is none."""
        return self._number("networks", name)

    def table(self, name: str) -> int:
        """Of a route table: from 2 on, 1 is the Internet's."""
        return self._number("tables", name)

    def balancer(self, name: str) -> int:
        """Of a load balancer: from 1 on, 0 is none."""
        return self._number("balancers", name)

    def keep(self, kind: str, names: Collection[str]) -> None:
        """Forget the others of this kind; their numbers are free again. `kind`: ports, networks, tables, balancers."""
        self._known[kind] = {name: number for name, number in self._known[kind].items() if name in names}
        self._taken[kind] = set(self._known[kind].values())

    def data(self) -> dict[str, dict[str, int]]:
        """As plain data, for `of_data`."""
        return {kind: dict(numbers) for kind, numbers in self._known.items()}

    @classmethod
    def of_data(cls, data: Mapping[str, Mapping[str, int]]) -> Self:
        """What `data` gave."""
        return cls(data)

    def _number(self, kind: str, name: str) -> int:
        known = self._known[kind]
        if name not in known:
            known[name] = next(number for number in count(FIRST[kind]) if number not in self._taken[kind])
            self._taken[kind].add(known[name])
        return known[name]
