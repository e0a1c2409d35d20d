"""What holds of every network: drawn at random from a small world of overlapping prefixes."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from dualhome.forwarding.effective import EffectiveRoute, effective_routes, select
from dualhome.forwarding.trace import LONGEST, FlowTable, Path, paths, reaches, replies
from dualhome.model import LoadBalancer
from tests.forwarding.fake import A, FakeWorld, between, failing, network, nva, programs, table, vm, vnet

PREFIXES = (
    "0.0.0.0/0 0.0.0.0/1 10.0.0.0/8 10.1.0.0/16 10.1.2.0/24 10.2.0.0/16 10.2.1.0/24 10.3.0.0/16 172.16.0.0/12 192.168.0.0/16 192.168.1.0/24"
)
HOPS = ["10.1.2.4", "10.1.2.5", "10.1.2.100", "10.2.2.4", "10.3.1.4"]
TARGETS = ["10.1.1.4", "10.2.1.4", "10.3.1.4", "10.1.2.4", "10.1.9.9", "172.16.0.9", "192.168.1.1", "203.0.113.9", "100.64.0.1"]
LOCAL = ("VnetLocal", "VNetPeering")

prefixes = st.sampled_from(PREFIXES.split())
hops = st.lists(st.sampled_from(HOPS), min_size=1, max_size=3, unique=True)
user_routes = st.dictionaries(
    prefixes,
    st.one_of(
        st.sampled_from(["None", "Internet", "VnetLocal", "VirtualNetworkGateway"]),
        st.sampled_from(HOPS).map(lambda hop: f"VirtualAppliance {hop}"),
        hops.map(lambda several: f"VirtualApplianceEcmp {' '.join(several)}"),
    ),
    max_size=4,
).map(lambda routes: [f"{prefix} {to}" for prefix, to in routes.items()])
programmed = st.dictionaries(prefixes, hops, max_size=5).map(lambda routes: programs(*(f"{p} {' '.join(h)}" for p, h in routes.items())))


@st.composite
def worlds(draw: st.DrawFn) -> FakeWorld:
    """Three virtual networks in a row, the middle one with two NVAs behind a load balancer; any tables, any failures."""
    flags = st.booleans()
    net = network(
        vnet("a", "10.1.0.0/16", work="10.1.1.0/24 ta", nva="10.1.2.0/24 tn"),
        vnet("b", "10.2.0.0/16", work="10.2.1.0/24 tb", nva="10.2.2.0/24"),
        vnet("c", "10.3.0.0/16", work="10.3.1.0/24"),
        between("a", "b", forwarded=draw(flags), access=draw(flags) or draw(flags), transit=draw(flags)),
        between("b", "c", forwarded=draw(flags)),
        vm("vm-a", "a/work", "10.1.1.4"),
        vm("vm-b", "b/work", "10.2.1.4"),
        vm("vm-c", "c/work", "10.3.1.4", ip_forwarding=draw(flags)),
        nva("one", "a/nva", "10.1.2.4", hosts={"h": "172.16.0.9"}, stateful=draw(flags), translates=draw(flags)),
        nva("two", "a/nva", "10.1.2.5", ip_forwarding=draw(flags)),
        nva("far", "b/nva", "10.2.2.4", translates=(A("10.1.0.0").host_prefix,)),
        LoadBalancer(name="ilb", subnet="a/nva", address=A("10.1.2.100"), backends=("one", "two")),
        *(table(name, *draw(user_routes), propagation=draw(flags), peering_route=draw(flags)) for name in ("ta", "tb", "tn")),
    )
    return FakeWorld(
        network=net,
        programs={name: draw(programmed) for name in "abc"},
        dead=frozenset(draw(st.sets(st.sampled_from(["one", "two", "far", "vm-b"]), max_size=2))),
        failed=failing(*draw(st.sets(st.sampled_from(["a<->b", "b<->c", "one<->internet"]), max_size=1))),
    )


@settings(max_examples=200, deadline=None)
@given(worlds(), st.sampled_from(["vm-a", "vm-b", "vm-c"]), st.sampled_from(TARGETS))
def test_a_trace_never_disagrees_with_the_effective_routes(world: FakeWorld, source: str, target: str) -> None:
    """The first step of every path from a machine is what its NIC's rows say (R56)."""
    row = select(effective_routes(world, source), A(target))
    found = paths(world, source, target)
    assert found, "a packet has an end"
    for path in found:
        if source in world.dead:
            assert (path.because, path.at) == ("down", source)
        elif path.hops[0].address == A(target):
            assert (path.outcome, len(path.hops)) == ("delivered", 1)
        else:
            _agree(path, row, A(target), source)


def _agree(path: Path, row: EffectiveRoute | None, target: object, source: str) -> None:
    if row is None or row.next_hop_type in ("None", "VirtualNetworkGateway") and not row.next_hops:  # noqa: RUF021  # as Azure's table reads
        assert (path.because, path.at, len(path.hops)) == ("no-route", source, 1)
    elif row.next_hop_type == "Internet":
        assert path.hops[1:2] == () or path.hops[1].name == "internet"
    elif len(path.hops) == 1:
        assert (path.because, path.at) == ("no-route", source), "nobody has the address"
    elif row.next_hop_type in LOCAL:
        assert path.hops[1].address == target
    else:
        assert path.hops[1].address in row.next_hops


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_rows_are_one_a_prefix_and_source_and_the_best_of_a_prefix_is_active(world: FakeWorld) -> None:
    """R60, R65; and nothing of BGP lies inside what is local or peered, but where peering routes are off (R56)."""
    for nic in ("vm-a", "vm-b", "vm-c", "one"):
        rows = effective_routes(world, nic)
        assert max(Counter((r.prefix, r.source) for r in rows).values()) == 1
        assert max(Counter(r.prefix for r in rows if r.state == "Active").values()) == 1
        space = [r.prefix for r in rows if r.source == "Default" and r.next_hop_type in LOCAL]
        assert not [r for r in rows if r.source == "VirtualNetworkGateway" and any(p.covers(r.prefix) for p in space)]
        for r in rows:
            assert (r.state == "Active") == (r.source == "User" or r.prefix not in {u.prefix for u in rows if u.source == "User"})


@settings(max_examples=200, deadline=None)
@given(worlds(), st.sampled_from(["vm-a", "vm-b", "h", "one", "ilb"]), st.sampled_from(TARGETS), st.integers(0, 1 << 16))
def test_a_flow_takes_one_of_the_paths_and_every_walk_ends(world: FakeWorld, source: str, target: str, flow: int) -> None:
    if source == "ilb":
        source = "10.2.1.4"
    found = paths(world, source, target)
    assert len({path.choices for path in found}) == len(found), "each branch has a name of its own"
    assert FlowTable(world, source, target).outcome(flow) in found
    for path in found:
        assert len(path.hops) <= LONGEST + 2
        assert (path.because is None) == (path.outcome == "delivered")
        back = replies(world, path)
        assert bool(back) == (path.outcome == "delivered")
        assert all(reply.outcome == "dropped" or reply.hops[-1].name == path.hops[0].name for reply in back)


@settings(max_examples=200, deadline=None)
@given(worlds(), st.sampled_from(["vm-a", "vm-b", "one"]), st.sampled_from(["10.1.1.4", "10.2.1.4", "10.1.2.5", "10.3.1.4", "172.16.0.9"]))
def test_the_short_way_to_reach_is_right(world: FakeWorld, node: str, target: str) -> None:
    """R56: within the own and peered virtual networks no route of BGP is asked."""
    assert reaches(world, node, A(target)) == any(path.outcome == "delivered" for path in paths(world, node, target))
