"""Best paths follow the RIB into the kernel's table: by what changed, as if the whole table had been compared."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualhome import _core
from dualhome.bgp.policy import PeerPolicy
from dualhome.errors import SystemRefused
from dualhome.live.route_server.config import Kernel
from dualhome.live.route_server.following import Follower
from dualhome.live.route_server.programming import Programming
from dualhome.net import Prefix

HOPS = ("10.0.0.5", "10.0.0.6", "10.0.0.7", "10.9.0.1")
PREFIXES = [Prefix.parse(f"192.168.{i}.0/24") for i in range(24)]


class Table:
    """A kernel with one network on eth0 and a default route; `writes` counts what it is told, `broken` makes it refuse routes."""

    def __init__(self) -> None:
        self.objects: dict[int, Any] = {}
        self.table: dict[tuple[bytes, int], int] = {}
        self.writes = 0
        self.broken = False

    def route_dump(self, table: int = 254) -> Any:
        return [(2, bytes(4), 0, 3, 0, (("10.0.0.1", "eth0", 1),)), (2, bytes([10, 0, 0, 0]), 24, 2, 0, ((None, "eth0", 1),))]

    def nexthop_dump(self) -> Any:
        return []

    def nexthops(self, put: Any = (), groups: Any = (), drop: Any = ()) -> list[tuple[int, int, str]]:
        self.writes += len(put) + len(groups) + len(drop)
        self.objects.update({number: via for number, via, _, _ in put})
        self.objects.update({number: tuple(self.objects[each] for each in members) for number, members in groups})
        for number in drop:
            assert number not in self.table.values(), "a group that routes lead to"
            del self.objects[number]
        return []

    def routes(self, put: Any = (), drop: Any = (), *, table: int = 254, metric: int = 0) -> list[tuple[int, int, str]]:
        if self.broken and (put or drop):
            return [(0, 22, "Invalid argument")]
        self.writes += len(put) + len(drop)
        self.table.update({(bits, length): number for bits, length, number in put})
        for key in drop:
            self.table.pop(key, None)
        return []

    def ways(self) -> dict[str, Any]:
        return {f"{'.'.join(map(str, bits))}/{length}": self.objects[number] for (bits, length), number in self.table.items()}


def ways(best: dict[Prefix, tuple[str, ...]]) -> dict[str, Any]:
    return {str(prefix): tuple("10.0.0.1" if hop == "10.9.0.1" else hop for hop in hops) for prefix, hops in best.items() if hops}


SOME_HOPS = st.lists(st.sampled_from(HOPS), unique=True, max_size=3).map(tuple)
CHANGE = st.dictionaries(st.sampled_from(PREFIXES), SOME_HOPS, max_size=8)


@given(CHANGE, st.lists(st.tuples(st.booleans(), CHANGE), max_size=8))
@settings(deadline=None)
def test_changes_one_after_the_other_give_what_one_write_of_all_gives(first: Any, then: Any) -> None:
    kernel = Table()
    program = Programming(kernel, Kernel(table=254, metric=20))
    best = {prefix: hops for prefix, hops in first.items() if hops}
    program.write(best)
    for whole, change in then:
        best = {prefix: hops for prefix, hops in {**best, **change}.items() if hops}
        program.write(best) if whole else program.change(change)
        assert kernel.ways() == ways(best)
        assert program.unresolved == 0
    program.clear()
    assert (kernel.table, kernel.objects) == ({}, {})


ROUNDS = ["local-preference", "as-path", "origin", "|", "router-id", "peer"]


class Lab:
    """A RIB with three peers, a kernel beside it."""

    def __init__(self) -> None:
        self.rib = _core.Rib(asn=65515, router_id="10.0.0.4", rounds=ROUNDS)
        for number, hop in enumerate(HOPS[:3]):
            policy = PeerPolicy(name=hop, asn=65001 + number, ebgp=True, local_address="10.0.0.4", peer_address=hop, tags=(hop,))
            self.rib.set_peer(number, policy.json())
            self.rib.peer_up(number, four_octet_as=True, families=[(1, 1)], max_message=4096, router_id=hop)
        self.kernel = Table()
        self.follower = Follower(Programming(self.kernel, Kernel(table=254, metric=20)))

    def say(self, peer: int, prefixes: list[str], withdrawn: bool = False, longer: int = 0) -> None:
        path = " ".join([str(65001 + peer)] * (1 + longer))
        rows = [{"prefix": prefix, "withdrawn": withdrawn, "next_hop": HOPS[peer], "as_path": path, "origin": "igp"} for prefix in prefixes]
        assert self.rib.receive(peer, _core.encode_updates(json.dumps(rows))) is None

    def follow(self) -> int:
        """How many writes it took."""
        self.rib.process()
        before = self.kernel.writes
        self.follower.follow(self.rib)
        return self.kernel.writes - before

    def goal(self) -> dict[str, Any]:
        return {str(Prefix(*prefix)): tuple(hop for hop, _, _ in hops) for prefix, hops in self.rib.best()}


def test_a_change_of_one_prefix_is_written_alone() -> None:
    lab = Lab()
    many = [f"172.16.{i}.0/24" for i in range(200)]
    for peer in (0, 1):
        lab.say(peer, many)
    assert lab.follow() == 203, "two next hops, one group, the routes"
    assert lab.follow() == 0
    lab.say(1, many[:1], withdrawn=True)
    assert lab.follow() == 2, "another group, the route"
    lab.say(0, many[1:2], longer=3)
    lab.say(2, ["10.7.0.0/16"])
    lab.say(0, many[2:3], withdrawn=True)
    lab.follow()
    assert lab.kernel.ways() == lab.goal()
    assert lab.kernel.ways()[many[1]] == ("10.0.0.6",)
    lab.rib.peer_down(1)
    assert lab.follow() < 20, "a lost peer is a rewritten group"
    assert lab.kernel.ways() == lab.goal()


def test_after_a_refusal_all_is_written() -> None:
    lab = Lab()
    many = [f"172.16.{i}.0/24" for i in range(200)]
    lab.say(0, many)
    lab.follow()
    lab.say(1, many[:3])
    lab.kernel.broken = True
    with pytest.raises(SystemRefused, match="Invalid argument"):
        lab.follow()
    lab.kernel.broken = False
    lab.follow()
    assert lab.kernel.ways() == lab.goal()


PEER_SAYS = st.tuples(st.integers(0, 2), st.lists(st.integers(0, 99), min_size=1, max_size=6), st.booleans(), st.integers(0, 1))


@given(st.lists(PEER_SAYS, max_size=20))
@settings(deadline=None, max_examples=60)
def test_whatever_peers_say_the_table_is_that_of_the_rib(said: Any) -> None:
    lab = Lab()
    lab.say(0, [f"172.16.{i}.0/24" for i in range(100)])
    lab.follow()
    for peer, numbers, withdrawn, longer in said:
        lab.say(peer, [f"172.16.{i}.0/24" for i in sorted(set(numbers))], withdrawn, longer)
        lab.follow()
        assert lab.kernel.ways() == lab.goal()
