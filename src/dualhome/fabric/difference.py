"""From what is installed to what is desired, in few steps, and without a moment in which a route of both leads elsewhere than it did or will.

Routes lead to groups of next hops by id. Where most routes of a group go over to the same other group, the group is rewritten: one write instead
of one for each route.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic, TypeVar

from dualhome.fabric.backend import Batch, Installed, What
from dualhome.fabric.state import Group, State
from dualhome.net import Prefix

K = TypeVar("K", bound=Hashable)
G = TypeVar("G", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves(Generic[K, G]):
    """What is to be done, in this order."""

    new_groups: Mapping[int, G] = field(default_factory=dict)
    moved: Sequence[tuple[K, int]] = ()  # routes that go alone to groups that stay or are new; new routes to such groups
    rewritten: Mapping[int, G] = field(default_factory=dict)
    followed: Sequence[tuple[K, int]] = ()  # routes to rewritten groups
    dropped_routes: Sequence[K] = ()
    dropped_groups: Sequence[int] = ()

    @property
    def writes(self) -> int:
        """How many elements they write or delete."""
        groups = len(self.new_groups) + len(self.rewritten) + len(self.dropped_groups)
        return groups + len(self.moved) + len(self.followed) + len(self.dropped_routes)


def moves(groups: Mapping[int, G], routes: Mapping[K, int], wanted: Mapping[K, G], ids: Iterator[int] | None = None) -> Moves[K, G]:
    """The way from `routes` that lead to `groups` to `wanted`. `groups` belong to these routes alone; new ones take their ids from `ids` (any that are free).

    The fewer objects `wanted` shares its groups among, the quicker.
    """
    fresh = ids if ids is not None else (number for number in count(1) if number not in groups)
    objects = dict(zip(map(id, wanted.values()), wanted.values(), strict=True))
    pairs = Counter(zip(map(routes.get, wanted), map(id, wanted.values()), strict=True))  # old id (None: a new route), object
    plan = _assign(groups, pairs, objects, fresh)
    go = {(old, each): to for old, each in pairs if (to := plan.goal(old, objects[each])) != old}
    moved: list[tuple[K, int]] = []
    followed: list[tuple[K, int]] = []
    if go:
        for key, pair in zip(wanted, zip(map(routes.get, wanted), map(id, wanted.values()), strict=True), strict=True):
            if pair in go:
                (followed if go[pair] in plan.rewritten else moved).append((key, go[pair]))
    kept = len(wanted) - sum(n for (old, _), n in pairs.items() if old is None)
    used = {plan.goal(old, objects[each]) for old, each in pairs}
    return Moves(
        new_groups=plan.new,
        moved=tuple(moved),
        rewritten=plan.rewritten,
        followed=tuple(followed),
        dropped_routes=() if kept == len(routes) else tuple(key for key in routes if key not in wanted),
        dropped_groups=tuple(each for each in groups if each not in used),
    )


@dataclass(slots=True)
class _Plan(Generic[G]):
    """Which id each wanted group has, and what the ids will stand for."""

    groups: Mapping[int, G]
    main: dict[G, int] = field(default_factory=dict)
    new: dict[int, G] = field(default_factory=dict)
    rewritten: dict[int, G] = field(default_factory=dict)
    twins: dict[G, int] = field(default_factory=dict)  # new ids of groups that are rewritten as well, for routes that can't wait

    def goal(self, old: int | None, group: G) -> int:
        """Where a route goes that led to `old`: it stays if it can. One whose group is rewritten leaves before that, so not to another rewritten one."""
        if old is not None and self.stands_for(old) == group:
            return old
        main = self.main[group]
        return self.twins[group] if old in self.rewritten and main in self.rewritten else main

    def stands_for(self, number: int) -> G:
        """What an id will stand for in the end."""
        return self.rewritten.get(number, self.groups[number])


def _assign(groups: Mapping[int, G], pairs: Counter[tuple[int | None, int]], objects: Mapping[int, G], fresh: Iterator[int]) -> _Plan[G]:
    """Each old id goes to the group to which most of its routes go over, each wanted group to one id; what is as it was comes first."""
    weights: Counter[tuple[int, G]] = Counter()
    for (old, each), n in pairs.items():
        if old is not None:
            weights[old, objects[each]] += 2 * n
    targets = dict.fromkeys(objects.values())
    for number, group in groups.items():
        if group in targets:
            weights[number, group] += 1
    plan: _Plan[G] = _Plan(groups)
    taken: set[int] = set()
    for (number, group), _ in weights.most_common():
        if number not in taken and (group not in plan.main or groups[number] == group):
            taken.add(number)
            plan.main.setdefault(group, number)
            if groups[number] != group:
                plan.rewritten[number] = group
    for group in targets:
        if group not in plan.main:
            plan.main[group] = next(fresh)
            plan.new[plan.main[group]] = group
    for old, each in pairs:
        group = objects[each]
        leaves = old in plan.rewritten and plan.rewritten[old] != group
        if leaves and plan.main[group] in plan.rewritten and group not in plan.twins:
            plan.twins[group] = next(fresh)
            plan.new[plan.twins[group]] = group
    return plan


# --- the whole state ----------------------------------------------------------------------------------------------------


def difference(installed: Installed, desired: State) -> list[Batch]:
    """The steps from one to the other, in their order; none where they are equal. Tables that `installed` knows by their object cost nothing."""
    steps: list[tuple[What, str, list[Any]]] = []  # what, put or drop
    ports = installed.ports
    steps.append(("settings", "put", [("symmetric", desired.symmetric)] if desired.symmetric != installed.symmetric else []))
    steps.append(("ports", "put", [port for number, port in desired.ports.items() if number not in ports]))
    steps.append(("balancers", "put", _changed(installed.balancers, desired.balancers)))
    steps.append(("owners", "put", [(*key, hop) for key, hop in _changed(installed.owners, desired.owners)]))
    steps.append(("spaces", "put", _more(desired.spaces, installed.spaces)))
    steps.append(("controls", "put", [(*key, to) for key, to in _changed(installed.controls, desired.controls)]))
    tables = _tables(installed, desired.tables)
    steps.append(("groups", "put", [each for _, m in tables for each in m.new_groups.items()]))
    steps.append(("routes", "put", [(table, *each) for table, m in tables for each in m.moved]))
    steps.append(("groups", "put", [each for _, m in tables for each in m.rewritten.items()]))
    steps.append(("routes", "put", [(table, *each) for table, m in tables for each in m.followed]))
    steps.append(("ports", "put", [p for n, p in desired.ports.items() if n in ports and ports[n] is not p and ports[n] != p]))
    steps.append(("routes", "drop", [(table, key) for table, m in tables for key in m.dropped_routes]))
    steps.append(("groups", "drop", [*_orphans(installed, desired), *(each for _, m in tables for each in m.dropped_groups)]))
    steps.append(("controls", "drop", [key for key in installed.controls if key not in desired.controls]))
    steps.append(("spaces", "drop", _more(installed.spaces, desired.spaces)))
    steps.append(("owners", "drop", [key for key in installed.owners if key not in desired.owners]))
    steps.append(("balancers", "drop", [key for key in installed.balancers if key not in desired.balancers]))
    steps.append(("ports", "drop", [number for number in ports if number not in desired.ports]))
    return [Batch(what, put=each) if how == "put" else Batch(what, drop=each) for what, how, each in steps if each]


def _tables(installed: Installed, desired: Mapping[int, Mapping[Prefix, Group]]) -> list[tuple[int, Moves[Prefix, Group]]]:
    """What is to be done for each table that isn't known to be as it should."""
    held = installed.groups
    ids = (number for number in count(1) if number not in held)
    found = []
    for table in dict.fromkeys((*desired, *installed.routes)):
        wanted = desired.get(table, {})
        if table in installed.known and installed.known[table] is wanted:
            continue
        mine = {number: held[number] for number in sorted(installed.ids_of(table))}
        found.append((table, moves(mine, installed.routes.get(table, {}), wanted, ids)))
    return found


def _orphans(installed: Installed, desired: State) -> list[int]:
    """Groups that no route leads to, as a backend may hold that was interrupted: looked for where nothing is known yet."""
    if installed.known:
        return []
    used = {number for table in (*installed.routes, *desired.tables) for number in installed.ids_of(table)}
    return [number for number in installed.groups if number not in used]


def _changed(held: Mapping[K, G], wanted: Mapping[K, G]) -> list[tuple[K, G]]:
    """What is new or another."""
    return [(key, value) for key, value in wanted.items() if held.get(key) != value]


def _more(these: Mapping[int, tuple[Prefix, ...]], than: Mapping[int, tuple[Prefix, ...]]) -> list[tuple[int, Prefix]]:
    """Ranges that only the first have."""
    return [(network, prefix) for network, ranges in these.items() for prefix in ranges if prefix not in than.get(network, ())]
