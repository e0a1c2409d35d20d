"""Steps from one state to another: they lead there, in few writes, and no route of both leads elsewhere on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from dualhome.fabric.backend import Batch, Installed
from dualhome.fabric.difference import Moves, difference, moves
from dualhome.fabric.state import Drop, Group, Hop, Local, NextHops, Port, PortKind, PortState, Reason, State
from dualhome.net import Address, Prefix

GROUPS: list[Group] = [
    Drop(Reason.NO_ROUTE),
    Local(1),
    *(NextHops((Hop(port),)) for port in (16, 17, 18)),
    NextHops((Hop(16), Hop(17))),
]
PREFIXES = [Prefix(4, (10 << 24) + (i << 8), 24) for i in range(12)]
ADDRESSES = [Address(4, (10 << 24) + i) for i in range(4)]
MAC = bytes(6)

tables = st.dictionaries(st.sampled_from(PREFIXES), st.sampled_from(GROUPS), max_size=12)
ports = st.builds(
    lambda number, state, far: Port(number=number, name=f"p{number}", kind=PortKind.WIRE, mac=MAC, state=state, far=far),
    st.integers(16, 19),
    st.sampled_from(PortState),
    st.integers(16, 19),
)
states = st.builds(
    State,
    ports=st.lists(ports, max_size=4).map(lambda several: {port.number: port for port in several}),
    tables=st.dictionaries(st.integers(1, 3), tables, max_size=3).map(lambda all_: {n: t for n, t in all_.items() if t}),
    owners=st.dictionaries(st.tuples(st.integers(1, 2), st.sampled_from(ADDRESSES)), st.integers(16, 18).map(Hop), max_size=3),
    spaces=st.dictionaries(st.integers(1, 2), st.sets(st.sampled_from(PREFIXES), min_size=1, max_size=2).map(lambda s: tuple(sorted(s)))),
    balancers=st.dictionaries(st.integers(1, 2), st.just((16, 17))),
    controls=st.dictionaries(st.tuples(st.integers(16, 17), st.sampled_from(ADDRESSES)), st.integers(0, 1), max_size=3),
    symmetric=st.booleans(),
)


def state_of(held: Installed) -> State:
    return State(
        ports=held.ports,
        tables={table: {prefix: held.groups[number] for prefix, number in routes.items()} for table, routes in held.routes.items()},
        owners=held.owners,
        spaces=held.spaces,
        balancers=held.balancers,
        controls=held.controls,
        symmetric=held.symmetric,
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(states, min_size=2, max_size=5), st.booleans())
def test_the_steps_lead_there_and_no_route_strays(all_: list[State], remembers: bool) -> None:
    held = Installed()
    for before, after in zip([State(), *all_], all_, strict=False):
        batches = difference(held, after)
        for batch in batches:
            for each in batch.put if batch.what == "groups" else ():
                known = held.groups.get(each[0])
                assert known is None or any(each[0] in routes.values() for routes in held.routes.values()), "an id in use is rewritten"
            held.take([batch])
            assert_on_the_way(state_of(held), before, after)
            used = [set(routes.values()) for routes in held.routes.values()]
            assert len(set().union(*used)) == sum(map(len, used)), "a group belongs to one table"
        assert state_of(held) == after
        assert set(held.groups) == {number for routes in held.routes.values() for number in routes.values()}
        assert difference(held, after) == []
        held.take([], after if remembers else None)
        assert difference(held, after) == []


def assert_on_the_way(now: State, before: State, after: State) -> None:
    for table in before.tables.keys() & after.tables.keys():
        for prefix in before.tables[table].keys() & after.tables[table].keys():
            assert now.tables[table][prefix] in (before.tables[table][prefix], after.tables[table][prefix])
    for number in before.ports.keys() & after.ports.keys():
        assert number in now.ports
    for key in before.owners.keys() & after.owners.keys():
        assert key in now.owners


def test_what_routes_refer_to_is_there_before_them_and_goes_after_them() -> None:
    port = Port(number=16, name="a", kind=PortKind.NIC, mac=MAC, table=2)
    state = State(ports={16: port}, tables={2: {PREFIXES[0]: NextHops((Hop(16),))}}, owners={(1, ADDRESSES[0]): Hop(16)})
    held = Installed()
    batches = difference(held, state)
    assert [(b.what, "put" if b.put else "drop") for b in batches] == [(what, "put") for what in ("ports", "owners", "groups", "routes")]
    held.take(batches, state)
    gone = difference(held, State())
    assert [(b.what, "drop" if b.drop else "put") for b in gone] == [(what, "drop") for what in ("routes", "groups", "owners", "ports")]
    other = replace(state, ports={16: replace(port, table=3)}, tables={3: dict(state.tables[2])})
    assert [b.what for b in difference(held, other)] == ["groups", "routes", "ports", "routes", "groups"], (
        "a port changes once its table is full"
    )


def test_a_group_that_nobody_uses_is_dropped() -> None:
    held = Installed(routes={1: {PREFIXES[0]: 4}}, groups={4: GROUPS[0], 5: GROUPS[1]})
    assert difference(held, State(tables={1: {PREFIXES[0]: GROUPS[0]}})) == [Batch("groups", drop=[5])]


# --- routes to groups ---------------------------------------------------------------------------------------------------

keys = st.integers(0, 15)
letters = st.sampled_from("ABCDE")


def steps(found: Moves[int, str], groups: dict[int, str], routes: dict[int, int]) -> Iterator[dict[int, str]]:
    """Does each single write, and tells where every route leads then."""
    for number, group in found.new_groups.items():
        assert number not in groups
        groups[number] = group
    yield {key: groups[number] for key, number in routes.items()}
    for key, number in found.moved:
        routes[key] = number
        yield {key: groups[number] for key, number in routes.items()}
    for number, group in found.rewritten.items():
        assert groups[number] != group
        groups[number] = group
        yield {key: groups[number] for key, number in routes.items()}
    for key, number in found.followed:
        routes[key] = number
        yield {key: groups[number] for key, number in routes.items()}
    for key in found.dropped_routes:
        del routes[key]
    for number in found.dropped_groups:
        del groups[number]
    yield {key: groups[number] for key, number in routes.items()}


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(keys, st.integers(1, 6), max_size=16), st.dictionaries(st.integers(1, 6), letters), st.dictionaries(keys, letters))
def test_every_single_write_leaves_each_route_at_its_old_or_its_new_group(
    routes: dict[int, int], contents: dict[int, str], wanted: dict[int, str]
) -> None:
    groups = {number: contents.get(number, "A") for number in {*routes.values(), *contents}}
    old = {key: groups[number] for key, number in routes.items()}
    found = moves(groups, routes, wanted)
    direct = len(set(wanted.values()) - set(groups.values())) + sum(old.get(key) != group for key, group in wanted.items())
    assert len(found.new_groups) + len(found.moved) + len(found.rewritten) + len(found.followed) <= 2 * direct + len(groups)
    now: Mapping[int, str] = {}
    for now in steps(found, groups, routes):
        for key in old.keys() & wanted.keys():
            assert now[key] in (old[key], wanted[key])
    assert now == wanted
    assert set(groups) == set(routes.values())
    assert moves(groups, routes, wanted).writes == 0


def test_when_all_move_one_element_is_written() -> None:
    assert moves({3: "A"}, dict.fromkeys(range(1000), 3), dict.fromkeys(range(1000), "B")) == Moves(rewritten={3: "B"})


def test_those_that_stay_get_a_group_of_their_own() -> None:
    wanted = {key: "A" if key < 3 else "B" for key in range(1000)}
    found = moves({3: "A"}, dict.fromkeys(range(1000), 3), wanted)
    assert found == Moves(new_groups={1: "A"}, moved=((0, 1), (1, 1), (2, 1)), rewritten={3: "B"})


def test_two_groups_that_change_places() -> None:
    routes = {key: 1 + key % 2 for key in range(100)}
    assert moves({1: "A", 2: "B"}, routes, {key: "BA"[key % 2] for key in range(100)}) == Moves(rewritten={1: "B", 2: "A"})


def test_ids_are_taken_from_those_that_are_free() -> None:
    assert moves({}, {}, {1: "A", 2: "B"}, islice((7, 9), 2)).new_groups == {7: "A", 9: "B"}


def test_a_hundred_thousand_routes_move_quickly() -> None:
    prefixes = [Prefix(4, i << 8, 24) for i in range(100_000)]
    old, new = NextHops((Hop(16),)), NextHops((Hop(17),))
    held = Installed()
    first = State(tables={2: dict.fromkeys(prefixes, old)})
    held.take(difference(held, first), first)
    fresh = [Prefix(*prefix) for prefix in prefixes]
    began = time.process_time()
    found = difference(held, State(tables={2: dict.fromkeys(fresh, new)}))
    took = time.process_time() - began
    assert [(batch.what, list(batch.put), list(batch.drop)) for batch in found] == [("groups", [(1, new)], [])]
    assert took < 0.3, "about 50 ms on an idle machine"
    began = time.process_time()
    assert difference(held, first) == []
    assert time.process_time() - began < 0.01
