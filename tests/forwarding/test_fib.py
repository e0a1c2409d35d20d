"""Kernel tables as a whole say what single packets' steps say: of every node, in every network that is at hand, also while parts of it are broken."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import dualhome
from dualhome.errors import DualhomeError
from dualhome.forwarding.fib import NOWHERE, Out, To, Up, Way, Ways, node_routes
from dualhome.forwarding.packets import Dropped, Hop, Landed, Move, Packet, Result, Step, kind_of
from dualhome.forwarding.places import places
from dualhome.forwarding.routers import leave_nic
from dualhome.forwarding.steps import results_of
from dualhome.forwarding.trace import STEP_FROM
from dualhome.forwarding.world import RibHop, World
from dualhome.model import Network, StaticRoute, base_name
from dualhome.net import WIDTH, Address, Prefix
from tests.files import ALL as FILES
from tests.forwarding.fake import (
    A,
    FakeWorld,
    P,
    between,
    circuit,
    er_gateway,
    failing,
    network,
    nva,
    programs,
    rib,
    site,
    table,
    vm,
    vnet,
    vpn_gateway,
)

BROKEN = 3  # failures that each network is put through
SOURCE = A("203.0.113.77")


# --- every network --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.parent.name if p.stem == "topology" else p.stem)
def test_the_table_of_a_node_forwards_as_its_steps_do(file: Path) -> None:
    run = dualhome.load(file).simulate()
    chance = random.Random(file.name)
    agree(run.engine, chance)
    for _ in range(BROKEN):
        target = chance.choice(breakable(run.network))
        try:
            run.fail(target)
        except DualhomeError:  # no such link
            continue
        run.settle()
        agree(run.engine, chance)
        run.restore(target)


def breakable(net: Network) -> list[str]:
    """Nodes and pairs of nodes."""
    nodes = forwarding_nodes(net)
    pairs = [f"{a}<->{b}" for a in nodes for b in nodes if a < b and base_name(a) != base_name(b)]
    return [*nodes, *pairs, *(f"{name}<->internet" for name in net.nvas)]


def forwarding_nodes(net: Network) -> list[str]:
    """All that have a table."""
    return [
        *(router.name for router in net.routers()),
        *(f"{name}#{i}" for name in (*net.gateways, *net.circuits) for i in (0, 1)),
    ]


def agree(world: World, chance: random.Random) -> None:
    for node in forwarding_nodes(world.network):
        ways = node_routes(world, node)
        for destination in destinations(world, node, [*ways], chance):
            got = longest(ways, destination)
            assert set(got) == set(by_steps(world, node, destination, got)), f"{node} to {destination}"


def destinations(world: World, node: str, prefixes: list[Prefix], chance: random.Random) -> Iterator[Address]:
    """Ends and insides of prefixes, what lies beside them, everything with an address, and anything at all; but the node itself."""
    found = [A("8.8.8.8"), *(Address(4, chance.getrandbits(32)) for _ in range(20)), *(address for _, address in places(world).owners)]
    found += [address for address, _ in world.network.hosts().values()]
    found += [each for other in forwarding_nodes(world.network) for each in places(world).addresses(other)]
    for prefix in chance.sample(prefixes, min(len(prefixes), 60)):
        inside = (0, prefix.size - 1, chance.randrange(prefix.size), -1, prefix.size)
        found += [Address(prefix.version, bits) for i in inside if 0 <= (bits := prefix.bits + i) < 1 << WIDTH[prefix.version]]
    own = set(places(world).addresses(node))
    return (address for address in dict.fromkeys(found) if address not in own)


def longest(ways: dict[Prefix, Ways], destination: Address) -> Ways:
    best = max((prefix for prefix in ways if prefix.covers(destination)), key=lambda prefix: prefix.length, default=None)
    return NOWHERE if best is None else ways[best]


def by_steps(world: World, node: str, destination: Address, got: Ways) -> list[Way]:
    """What a packet's step says, as ways. What is left over of an NVA's or gateway's results is what the fabric did behind its NIC; of two NICs behind
    which it does the same, that of `got` is right.
    """
    kind = kind_of(world.network, node)
    nics = world.network.nvas[node].nics if kind == "nva" else ()
    hop = Hop(name=node, kind=kind, address=next(iter(places(world).addresses(node)), None))
    move = Move(hop=hop, step=STEP_FROM[kind], nic=nics[0] if nics else None)
    packet = Packet(source=SOURCE, destination=destination)
    joined: list[Way] = []
    down: list[Way] = []
    left: list[Result] = []
    for result in results_of(world, move, packet):
        if isinstance(result, Move) and result.hop.note == f"{node} joins {result.hop.name}":
            joined.append(To(result.hop.name))
        elif isinstance(result, Dropped) and result.detail.startswith(f"what joins {node} and "):
            down.append(To(result.detail.split()[4]))
        else:
            left.append(result)
    if kind == "nva" and left and not isinstance(left[0], Landed):
        fitting = [Out(nic.name) for nic in nics if leave_nic(world, Move(hop=hop, step=Step.LEAVE_NIC, nic=nic), packet) == left]
        return [*joined, next((out for out in fitting if out in got), fitting[0])]
    others = [way for result in left for way in _left_over(world, node, kind, result)]
    return [*joined, *others] or down


def _left_over(world: World, node: str, kind: str, result: Result) -> list[Way]:
    if isinstance(result, Landed):
        sibling = result.at != node and base_name(result.at) == base_name(node)
        return [Out(node)] if sibling else [To(result.end)] if result.end in world.network.hosts() else list(NOWHERE)
    if kind == "gateway":
        nowhere = isinstance(result, Dropped) and ("has no route to" in result.detail or result.detail.endswith(" None (R52)"))
        return list(NOWHERE) if nowhere else [Out(node)]
    if isinstance(result, Move):
        return [Up()] if result.hop.name == "internet" else [To(result.hop.name)]
    return [Up()] if "is cut off from the Internet" in result.detail else list(NOWHERE)


# --- networks drawn by hand -------------------------------------------------------------------------------------------------


def told(world: FakeWorld, node: str) -> dict[str, str]:
    """`10.0.0.0/8: "a b"`, a neighbor or host by its name, a NIC in brackets."""
    words = {Out: lambda way: f"[{way.nic}]", To: lambda way: way.node, Up: lambda way: "internet"}
    return {str(p): " ".join(words.get(type(way), lambda way: "-")(way) for way in ways) for p, ways in node_routes(world, node).items()}


def test_an_nva_sends_into_its_tunnels_and_everything_else_out_of_a_nic() -> None:
    one = nva(
        "one",
        "a/nva",
        "10.1.2.4",
        outside=("a/edge", "10.1.3.4"),
        hosts={"app": "172.31.0.9"},
        static_routes=(
            StaticRoute(prefix=P("0.0.0.0/0"), interface="outside"),
            StaticRoute(prefix=P("172.16.0.0/16"), to="branch", over_tunnel=True),
            StaticRoute(prefix=P("10.9.0.0/16"), to="10.1.2.9"),
        ),
    )
    net = network(vnet("a", "10.1.0.0/16", nva="10.1.2.0/24", edge="10.1.3.0/24"), one, site("branch", "172.16.0.1", "172.16.0.0/16"))
    world = FakeWorld(network=net, ribs={"one": rib("192.168.0.0/16 rs#0@10.1.0.4 rs#1@10.1.0.5", "172.16.0.0/16 rs#0@10.1.0.4")})
    assert told(world, "one") == {
        "192.168.0.0/16": "[one]",
        "0.0.0.0/0": "[one.outside]",
        "172.16.0.0/16": "branch",
        "172.31.0.9/32": "app",
        "10.9.0.0/16": "[one]",
    }


def test_a_router_has_its_lan_its_hosts_and_the_way_to_next_hops_that_are_no_neighbors() -> None:
    first = site(
        "first",
        "192.168.0.1",
        "192.168.0.0/24",
        hosts={"here": "192.168.0.9"},
        static_routes=(StaticRoute(prefix=P("0.0.0.0/0"), to="internet"),),
    )
    second = site("second", "192.168.0.2", "192.168.0.0/24", hosts={"there": "192.168.0.10"})
    hub = vnet("hub", "10.1.0.0/16", nva="10.1.2.0/24", gw_="10.1.1.0/27")
    net = network(
        hub,
        first,
        second,
        er_gateway("er", "hub", "10.1.1.4", "10.1.1.5"),
        circuit("c", "er", "first", 7),
        nva("far", "hub/nva", "10.1.2.4"),
    )
    ribs = {"first": rib("10.1.0.0/16 c#0@169.254.7.2 c#1@169.254.7.6", "10.50.0.0/16 far@10.1.2.4", "192.168.0.0/24 self")}
    whole = {
        "10.1.0.0/16": "c#0 c#1",
        "10.50.0.0/16": "c#0 c#1",
        "192.168.0.0/24": "-",
        "192.168.0.9/32": "here",
        "169.254.7.2/32": "c#0",
        "169.254.7.6/32": "c#1",
        "0.0.0.0/0": "internet",
        "192.168.0.10/32": "there",
        "10.0.0.0/8": "-",
        "172.16.0.0/12": "-",
        "192.168.0.0/16": "-",
        "100.64.0.0/10": "-",
        "169.254.0.0/16": "-",
    }
    assert told(FakeWorld(network=net, ribs=ribs), "first") == whole
    half = whole | {"10.1.0.0/16": "c#1", "10.50.0.0/16": "c#1"}
    assert told(FakeWorld(network=net, ribs=ribs, failed=failing("c#0<->first")), "first") == half
    assert told(FakeWorld(network=net, ribs=ribs, failed=failing("c<->first")), "first") == whole, (
        "nothing remains: the packets die on the way"
    )


def test_a_gateway_asks_the_effective_routes_of_its_subnet_first() -> None:
    net = network(
        vnet("hub", "10.1.0.0/16", nva="10.1.2.0/24", gw_="10.1.1.0/27 t"),
        vnet("spoke", "10.2.0.0/16"),
        between("hub", "spoke", transit=True),
        vpn_gateway("vpn", "hub", "10.1.1.4", "10.1.1.5", active_active=True),
        site("store", "172.16.5.1"),
        table("t", "10.2.0.0/16 VirtualAppliance 10.1.2.4", "172.16.6.0/24 None"),
    )
    world = FakeWorld(
        network=net,
        programs={"hub": programs("172.16.0.0/16 10.1.1.4 10.1.1.5", kind="vpn") | programs("192.168.0.0/16 10.1.2.4")},
        ribs={
            "vpn#0": rib(
                "10.1.0.0/16 self",
                "172.16.0.0/16 vpn#1@10.1.1.5 store@172.16.5.1",
                "172.16.6.0/25 store@172.16.5.1",
                "172.20.0.0/16 static:store",
            )
        },
    )
    assert told(world, "vpn#0") == {
        "0.0.0.0/0": "-",
        "10.0.0.0/8": "-",
        "10.1.0.0/16": "[vpn#0]",
        "10.1.1.5/32": "[vpn#0]",
        "10.2.0.0/16": "[vpn#0]",
        "100.64.0.0/10": "-",
        "172.16.0.0/12": "-",
        "172.16.0.0/16": "vpn#1 store",
        "172.16.6.0/24": "-",
        "172.16.6.0/25": "-",
        "172.20.0.0/16": "store",
        "192.168.0.0/16": "[vpn#0]",
    }


def test_a_machine_has_no_table_and_routes_of_the_same_ways_share_them() -> None:
    net = network(
        vnet("hub", "10.1.0.0/16", nva="10.1.2.0/24", gw_="10.1.1.0/27"),
        vm("vm", "hub/nva", "10.1.2.9"),
        er_gateway("er", "hub", "10.1.1.4", "10.1.1.5"),
    )
    hops = (RibHop(peer="c#0", next_hop=A("169.254.7.2")), RibHop(peer="c#1", next_hop=A("169.254.7.6")))
    many = {Prefix(4, 0x2D000000 + 256 * i, 24): hops for i in range(1000)} | {P("46.0.0.0/8"): tuple(hops[:])}
    ways = node_routes(FakeWorld(network=net, ribs={"er#0": many}), "er#0")
    assert len({id(ways[prefix]) for prefix in many}) == 1
    assert ways[P("46.0.0.0/8")] == (To("c#0"), To("c#1"))
    assert node_routes(FakeWorld(network=net), "vm") == {}
