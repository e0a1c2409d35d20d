"""Takes a port whose far end was lost out of every group at once, before anybody has decided anything, and puts it back when it is found again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dualhome.fabric.backend import Batch
from dualhome.fabric.state import Group, NextHops


class Switch(Protocol):
    """What happens to groups when a session goes down or comes up."""

    def lose(self, port: int) -> None:
        """Nothing that has another way goes through this port."""
        ...

    def regain(self, port: int) -> None:
        """What `lose` did to groups that nobody wrote since is undone."""
        ...

    def forget(self, port: int) -> None:
        """Groups are as somebody wants them now: nothing is to be undone for this port."""
        ...


class NoSwitch:
    """Without a fabric: nothing to do."""

    def lose(self, port: int) -> None:
        """Nothing."""

    def regain(self, port: int) -> None:
        """Nothing."""

    def forget(self, port: int) -> None:
        """Nothing."""


class Groups(Protocol):
    """The fabric's groups by id."""

    def read(self) -> Mapping[int, Group]:
        """All of them."""
        ...

    def write(self, groups: Mapping[int, Group]) -> None:
        """Each of these as a whole."""
        ...


class HasGroups(Protocol):
    """A backend, as far as groups go."""

    def groups(self) -> Mapping[int, Group]:
        """All of them, by id."""
        ...

    def apply(self, batches: Iterable[Batch]) -> None:
        """Do these."""
        ...


class BackendGroups:
    """The groups of a backend."""

    def __init__(self, backend: HasGroups) -> None:
        self._backend = backend

    def read(self) -> Mapping[int, Group]:
        """All of them."""
        return self._backend.groups()

    def write(self, groups: Mapping[int, Group]) -> None:
        """In one batch."""
        self._backend.apply([Batch("groups", put=tuple(groups.items()))])


@dataclass(slots=True)
class _Changed:
    """A group as we found it, as we wrote it, and the ports that are lost."""

    found: NextHops
    written: NextHops
    lost: set[int]

    def without_lost(self) -> NextHops:
        """What is to be there; where nothing would be left, it stays as it is: sending nowhere helps nobody."""
        left = tuple(hop for hop in self.found.hops if hop.port not in self.lost)
        return NextHops(left) if left else self.written


class GroupSwitch:
    """A switch over groups. What it wrote it remembers; what somebody else has written since is left alone."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._changed: dict[int, _Changed] = {}

    def lose(self, port: int) -> None:
        """Groups with this port among several hops go without it."""
        put: dict[int, NextHops] = {}
        groups = self._groups.read()
        for number, change in tuple(self._changed.items()):
            if groups.get(number) != change.written:
                del self._changed[number]
        for number, group in groups.items():
            if not isinstance(group, NextHops) or all(hop.port != port for hop in group.hops):
                continue
            if number not in self._changed and len(group.hops) > 1:
                self._changed[number] = _Changed(group, group, set())
            if number in self._changed:
                self._changed[number].lost.add(port)
                self._settle(number, put)
        self._write(put)

    def regain(self, port: int) -> None:
        """Groups that we wrote last get the port back."""
        put: dict[int, NextHops] = {}
        concerned = [number for number, change in self._changed.items() if port in change.lost]
        groups = self._groups.read() if concerned else {}
        for number in concerned:
            change = self._changed[number]
            if groups.get(number) != change.written:
                del self._changed[number]
                continue
            change.lost.discard(port)
            self._settle(number, put)
            if not change.lost:
                del self._changed[number]
        self._write(put)

    def forget(self, port: int) -> None:
        """Nothing is to be undone for this port."""
        for number, change in tuple(self._changed.items()):
            if port in change.lost:
                del self._changed[number]

    def _settle(self, number: int, put: dict[int, NextHops]) -> None:
        change = self._changed[number]
        wanted = change.without_lost()
        if wanted != change.written:
            change.written = put[number] = wanted

    def _write(self, put: Mapping[int, NextHops]) -> None:
        if put:
            self._groups.write(put)
