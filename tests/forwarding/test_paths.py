"""Paths between machines, NVAs, load balancers and the Internet."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from dualhome.errors import RequestError
from dualhome.forwarding.trace import FlowTable, crossed, paths, reaches, replies, verdict
from dualhome.model import LoadBalancer, Network, Peering, RouteServer, SessionSpec, StaticRoute
from tests.forwarding.fake import A, FakeWorld, P, back, between, failing, network, nva, programs, rib, table, told, vm, vnet, ways

DEFAULT_BY_BOTH = {"spoke": programs("0.0.0.0/0 10.1.2.4 10.2.2.4", "172.16.4.0/24 10.1.2.4 10.2.2.4")}


def dual(**more: object) -> Network:
    """The article's first diagram: a spoke between two hubs, each with an NVA that leads to a branch and the Internet.

    spoke 10.10/16 ─┬─ hub1 10.1/16, hub1-nva 10.1.2.4 ─┬─ branch 172.16.4.0/24
                    └─ hub2 10.2/16, hub2-nva 10.2.2.4 ─┘
    """
    return network(
        vnet("spoke", "10.10.0.0/16", rs_="10.10.0.0/26", work="10.10.1.0/24"),
        vnet("hub1", "10.1.0.0/16", nva="10.1.2.0/24"),
        vnet("hub2", "10.2.0.0/16", nva="10.2.2.0/24"),
        between("spoke", "hub1"),
        between("spoke", "hub2"),
        vm("vm", "spoke/work", "10.10.1.4"),
        vm("vm2", "spoke/work", "10.10.1.5"),
        nva("hub1-nva", "hub1/nva", "10.1.2.4", hosts={"branch": "172.16.4.10"}, **more),
        nva("hub2-nva", "hub2/nva", "10.2.2.4", hosts={"branch": "172.16.4.10"}, **more),
        RouteServer(name="rs", virtual_network="spoke", addresses=(A("10.10.0.4"), A("10.10.0.5"))),
    )


# --- within and between virtual networks --------------------------------------------------------------------------------


@pytest.mark.rules("R45")
def test_a_neighbor_is_reached_directly() -> None:
    """R45: VnetLocal."""
    assert ways(FakeWorld(network=dual()), "vm", "vm2") == ["vm > vm2: delivered at vm2"]


def test_nobody_has_the_address() -> None:
    world = FakeWorld(network=dual())
    assert ways(world, "vm", "10.10.1.99") == ["vm: dropped at vm because no-route"]
    assert ways(world, "vm", "10.1.2.99") == ["vm: dropped at vm because no-route"]
    assert paths(world, "vm", "10.1.2.99")[0].detail == "vm: 10.1.0.0/16 VNetPeering (R48): nobody has the address 10.1.2.99"


@pytest.mark.rules("R52")
def test_a_user_defined_vnetlocal_does_not_reach_over_a_peering() -> None:
    """R52: it means the own virtual network; the quick answer says so too."""
    net = network(
        vnet("a", "10.1.0.0/16", work="10.1.1.0/24 local"),
        vnet("b", "10.2.0.0/16", work="10.2.1.0/24"),
        between("a", "b"),
        vm("vm-a", "a/work", "10.1.1.4"),
        vm("vm-b", "b/work", "10.2.1.4"),
        table("local", "10.2.0.0/16 VnetLocal"),
    )
    assert ways(FakeWorld(network=net), "vm-a", "vm-b") == ["vm-a: dropped at vm-a because no-route"]
    assert not reaches(FakeWorld(network=net), "vm-a", A("10.2.1.4"))


@pytest.mark.rules("R23")
def test_peerings_are_not_transitive() -> None:
    """R23: from hub to hub over the spoke there is no way."""
    assert ways(FakeWorld(network=dual()), "hub1-nva", "hub2-nva") == ["hub1-nva: dropped at hub1-nva because no-route"]


def test_a_route_server_answers_and_forwards_nothing() -> None:
    """R82."""
    world = FakeWorld(network=dual(), ribs={"hub1-nva": rib("10.10.0.0/16 rs#0@10.10.0.4 rs#1@10.10.0.5")})
    assert ways(world, "hub1-nva", "rs#1") == ["hub1-nva > rs#1: delivered at rs#1"]
    assert ways(world, "rs", "vm") == ["rs#0 > vm: delivered at vm", "rs#1 > vm: delivered at vm"]
    assert ways(world, "hub1-nva", "vm") == ["hub1-nva > vm: delivered at vm"], "the route server, its next hop, is not on the way (R136)"


def test_a_dead_end_is_told_at_its_node() -> None:
    world = FakeWorld(network=dual(), dead=frozenset({"vm2"}))
    assert ways(world, "vm", "vm2") == ["vm > vm2: dropped at vm2 because down"]


@pytest.mark.rules("R37")
@pytest.mark.parametrize(
    ("local", "remote", "foreign", "mine", "theirs"),
    list(product([True, False], [True, False], [False, True], [True, False], [True, False])),
)
def test_flags_of_both_resources(local: bool, remote: bool, foreign: bool, mine: bool, theirs: bool) -> None:
    """R37, D10, D11: access on both sides, and for a foreign source forwarded traffic on the receiver's; nothing else."""
    net = network(
        vnet("a", "10.1.0.0/16", nva="10.1.2.0/24"),
        vnet("b", "10.2.0.0/16", work="10.2.1.0/24"),
        Peering(local="a", remote="b", allow_virtual_network_access=local, allow_forwarded_traffic=mine),
        Peering(local="b", remote="a", allow_virtual_network_access=remote, allow_forwarded_traffic=theirs),
        nva("fw", "a/nva", "10.1.2.4", hosts={"behind": "172.16.4.10"}),
        vm("vm", "b/work", "10.2.1.4"),
    )
    if not (local and remote):
        expected = "fw > vm: dropped at vm because virtual-network-access"
    elif foreign and not theirs:
        expected = "fw > vm: dropped at vm because forwarded-traffic"
    else:
        expected = "fw > vm: delivered at vm"
    assert ways(FakeWorld(network=net), "behind" if foreign else "fw", "vm") == [expected]


# --- through NVAs -------------------------------------------------------------------------------------------------------


@pytest.mark.rules("R64")
def test_every_branch_of_a_multipath_route_is_a_path() -> None:
    """R64, R161."""
    world = FakeWorld(network=dual(), programs=DEFAULT_BY_BOTH)
    assert ways(world, "vm", "branch") == [
        "vm > hub1-nva: delivered at hub1-nva (branch)",
        "vm > hub2-nva: delivered at hub2-nva (branch)",
    ]
    assert ways(world, "vm", "internet") == [
        "vm > hub1-nva > internet: delivered at internet",
        "vm > hub2-nva > internet: delivered at internet",
    ]
    assert [crossed(path) for path in paths(world, "vm", "internet")] == [("hub1-nva",), ("hub2-nva",)]


def test_a_dead_member_is_still_chosen_until_bgp_tells() -> None:
    world = FakeWorld(network=dual(), programs=DEFAULT_BY_BOTH, dead=frozenset({"hub1-nva"}))
    assert ways(world, "vm", "branch") == [
        "vm > hub1-nva: dropped at hub1-nva because down",
        "vm > hub2-nva: delivered at hub2-nva (branch)",
    ]


@pytest.mark.rules("R64")
@pytest.mark.parametrize(
    "spoiled",
    ["dead", "refused"],
)
def test_flows_spread_over_members_that_deliver_and_members_that_do_not(spoiled: str) -> None:
    """R64: each flow keeps its member; some of 64 flows meet the broken one, whatever way it is broken."""
    net = dual()
    if spoiled == "refused":
        net = replace(net, peerings=tuple(replace(p, allow_virtual_network_access=p.local != "hub1") for p in net.peerings))
    world = FakeWorld(network=net, programs=DEFAULT_BY_BOTH, dead=frozenset({"hub1-nva"} if spoiled == "dead" else ()))
    flows = [FlowTable(world, "vm", "branch").outcome(flow) for flow in range(64)]
    assert flows == [FlowTable(world, "vm", "branch").outcome(flow) for flow in range(64)]
    assert 16 < sum(path.outcome == "delivered" for path in flows) < 48


@pytest.mark.rules("R66")
@pytest.mark.parametrize("at", ["receiving", "second nic"])
def test_whoever_forwards_needs_ip_forwarding(at: str) -> None:
    """R66: on the NIC that takes the packet, and on the one that sends it."""
    net = network(
        vnet("hub", "10.1.0.0/16", inside="10.1.2.0/24 in", edge="10.1.3.0/24", work="10.1.4.0/24 in"),
        nva(
            "fw",
            "hub/inside",
            "10.1.2.4",
            ip_forwarding=at != "receiving",
            outside=("hub/edge", "10.1.3.4"),
            static_routes=(StaticRoute(prefix=P("8.0.0.0/8"), interface="outside"),),
        ),
        vm("vm", "hub/work", "10.1.4.4"),
        table("in", "8.0.0.0/8 VirtualAppliance 10.1.2.4"),
    )
    fw = net.nvas["fw"]
    nics = (fw.nics[0], replace(fw.nics[1], ip_forwarding=at != "second nic"))
    world = FakeWorld(network=replace(net, nvas={"fw": replace(fw, nics=nics)}))
    (path,) = paths(world, "vm", "8.8.8.8")
    assert told(path) == "vm > fw: dropped at fw because ip-forwarding"
    assert ("fw takes" if at == "receiving" else "NIC fw.outside may not send") in path.detail


@pytest.mark.rules("R66")
def test_a_machine_is_no_router() -> None:
    """R66: without IP forwarding the platform drops it; with it the machine has nowhere to send it."""
    for allowed, because in ((False, "ip-forwarding"), (True, "no-route")):
        net = network(
            vnet("hub", "10.1.0.0/16", work="10.1.4.0/24 out"),
            vm("vm", "hub/work", "10.1.4.4"),
            vm("other", "hub/work", "10.1.4.5", ip_forwarding=allowed),
            table("out", "0.0.0.0/0 VirtualAppliance 10.1.4.5"),
        )
        assert ways(FakeWorld(network=net), "vm", "8.8.8.8") == [f"vm > other: dropped at other because {because}"]


@pytest.mark.rules("R67")
def test_an_nvas_own_nic_has_the_route_that_it_announced() -> None:
    """R67, R177: without a route table of its own its packets come back to it."""
    world = FakeWorld(network=dual(), programs={**DEFAULT_BY_BOTH, "hub1": programs("0.0.0.0/0 10.1.2.4")})
    assert ways(world, "vm", "internet")[0] == "vm > hub1-nva > hub1-nva: dropped at hub1-nva because loop"
    assert ways(world, "hub1-nva", "internet") == ["hub1-nva > hub1-nva: dropped at hub1-nva because loop"]


def test_two_nvas_that_point_at_each_other_are_a_loop() -> None:
    """R172."""
    net = network(
        vnet("hub", "10.1.0.0/16", one="10.1.1.0/24 to-two", two="10.1.2.0/24 to-one"),
        nva("one", "hub/one", "10.1.1.4"),
        nva("two", "hub/two", "10.1.2.4"),
        table("to-two", "0.0.0.0/0 VirtualAppliance 10.1.2.4"),
        table("to-one", "0.0.0.0/0 VirtualAppliance 10.1.1.4"),
    )
    assert ways(FakeWorld(network=net), "one", "8.8.8.8") == ["one > two > one: dropped at one because loop"]


def test_an_nva_sends_into_its_tunnel_what_its_table_learned_there() -> None:
    """Section 1 of the format: else out of its NIC, where the effective routes decide."""
    session = SessionSpec(to="hub2-nva", over_tunnel=True, addresses=(A("169.254.1.1"), A("169.254.1.2")))
    net = dual()
    one = replace(net.nvas["hub1-nva"], sessions=(session,), hosts={})
    net = replace(net, nvas={**net.nvas, "hub1-nva": one})
    world = FakeWorld(network=net, programs=DEFAULT_BY_BOTH, ribs={"hub1-nva": rib("172.16.4.0/24 hub2-nva@169.254.1.2")})
    assert ways(world, "hub1-nva", "branch") == ["hub1-nva > hub2-nva: delivered at hub2-nva (branch)"]
    assert ways(world, "hub1-nva", "169.254.1.2") == ["hub1-nva > hub2-nva: delivered at hub2-nva"], "the tunnel's far end is on it"
    world.failed = failing("hub1-nva<->hub2-nva")
    assert ways(world, "hub1-nva", "branch") == ["hub1-nva: dropped at hub1-nva because down"]


@pytest.mark.rules("R3")
def test_a_session_without_a_tunnel_leaves_the_way_to_the_effective_routes() -> None:
    """R3, R180: only the destination counts."""
    net = dual()
    one = replace(net.nvas["hub1-nva"], sessions=(SessionSpec(to="hub2-nva"),), hosts={})
    net = replace(net, nvas={**net.nvas, "hub1-nva": one})
    world = FakeWorld(
        network=net, programs={"hub1": programs("172.16.4.0/24 10.1.2.4")}, ribs={"hub1-nva": rib("172.16.4.0/24 hub2-nva@10.2.2.4")}
    )
    assert ways(world, "hub1-nva", "branch") == ["hub1-nva > hub1-nva: dropped at hub1-nva because loop"]


def test_a_static_route_goes_before_bgp_of_the_same_length_and_a_longer_one_before_both() -> None:
    session = SessionSpec(to="hub2-nva", over_tunnel=True)
    net = dual()
    statics = (StaticRoute(prefix=P("172.16.4.0/24"), to="branch", over_tunnel=True),)
    one = replace(net.nvas["hub1-nva"], sessions=(session,), hosts={}, static_routes=statics)
    net = replace(net, nvas={**net.nvas, "hub1-nva": one})
    world = FakeWorld(network=net, ribs={"hub1-nva": rib("172.16.4.0/24 self")})
    assert ways(world, "hub1-nva", "branch") == ["hub1-nva > hub2-nva: delivered at hub2-nva (branch)"], "to a host: to its router"
    world.ribs = {"hub1-nva": rib("172.16.4.0/25 self")}
    assert ways(world, "hub1-nva", "branch") == ["hub1-nva: dropped at hub1-nva because no-route"], "out of its NIC, and there a None row"


# --- load balancers -----------------------------------------------------------------------------------------------------


def behind_balancers(*, stateful: bool = True, back_by: str = "10.1.2.100") -> Network:
    """Two NVAs behind a load balancer in the hub; the far virtual network has one of its own."""
    return network(
        vnet("spoke", "10.10.0.0/16", work="10.10.1.0/24 out"),
        vnet("hub", "10.1.0.0/16", nva="10.1.2.0/24 onward"),
        vnet("far", "10.2.0.0/16", nva="10.2.2.0/24", work="10.2.1.0/24 back"),
        between("hub", "spoke"),
        between("hub", "far"),
        vm("vm", "spoke/work", "10.10.1.4"),
        vm("far-vm", "far/work", "10.2.1.4"),
        *(nva(f"nva{i}", "hub/nva", f"10.1.2.{i + 3}", stateful=stateful) for i in (1, 2)),
        nva("far-nva", "far/nva", "10.2.2.4"),
        LoadBalancer(name="ilb", subnet="hub/nva", address=A("10.1.2.100"), backends=("nva1", "nva2")),
        LoadBalancer(name="far-ilb", subnet="far/nva", address=A("10.2.2.100"), backends=("far-nva",)),
        table("out", "10.2.0.0/16 VirtualAppliance 10.1.2.100"),
        table("onward", "10.2.0.0/16 VirtualAppliance 10.2.2.100"),
        table("back", f"10.10.0.0/16 VirtualAppliance {back_by}"),
    )


def test_a_path_may_cross_two_load_balancers() -> None:
    assert ways(FakeWorld(network=behind_balancers()), "vm", "far-vm") == [
        "vm > ilb > nva1 > far-ilb > far-nva > far-vm: delivered at far-vm",
        "vm > ilb > nva2 > far-ilb > far-nva > far-vm: delivered at far-vm",
    ]


def test_a_load_balancer_keeps_its_choice_for_the_way_back() -> None:
    """R186: stateful inspection works."""
    world = FakeWorld(network=behind_balancers())
    assert back(world, "vm", "far-vm") == [
        "far-vm > ilb > nva1 > vm: delivered at vm",
        "far-vm > ilb > nva2 > vm: delivered at vm",
    ]
    assert [path.outcome for path, _ in verdict(world, "vm", "far-vm")] == ["delivered", "delivered"]


@pytest.mark.rules("R64")
def test_without_it_answers_meet_a_firewall_that_never_saw_the_flow() -> None:
    """R64, L-028: the flow counts as dropped there."""
    world = FakeWorld(network=behind_balancers(back_by="10.1.2.4"))
    assert [told(path) for path, _ in verdict(world, "vm", "far-vm")] == [
        "vm > ilb > nva1 > far-ilb > far-nva > far-vm: delivered at far-vm",
        "vm > ilb > nva2 > far-ilb > far-nva > far-vm: dropped at nva1 because no-state",
    ]
    world = FakeWorld(network=behind_balancers(back_by="10.1.2.4", stateful=False))
    assert [path.outcome for path, _ in verdict(world, "vm", "far-vm")] == ["delivered", "delivered"]


def test_dead_backends_are_left_out_and_with_none_left_it_is_down() -> None:
    world = FakeWorld(network=behind_balancers(), dead=frozenset({"nva1"}))
    assert ways(world, "vm", "far-vm") == ["vm > ilb > nva2 > far-ilb > far-nva > far-vm: delivered at far-vm"]
    world.dead = frozenset({"nva1", "nva2"})
    assert ways(world, "vm", "far-vm") == ["vm > ilb: dropped at ilb because down"]


def test_what_is_for_the_frontend_is_for_a_backend() -> None:
    assert ways(FakeWorld(network=behind_balancers()), "far-vm", "ilb") == [
        "far-vm > ilb > nva1: delivered at nva1",
        "far-vm > ilb > nva2: delivered at nva2",
    ]


# --- translation and the Internet ---------------------------------------------------------------------------------------


def test_an_answer_of_the_internet_finds_back_where_it_was_translated() -> None:
    world = FakeWorld(network=dual(translates=True, stateful=True), programs=DEFAULT_BY_BOTH)
    assert back(world, "vm", "internet") == [
        "internet > hub1-nva > hub1-nva > vm: delivered at vm",
        "internet > hub2-nva > hub2-nva > vm: delivered at vm",
    ]
    assert [path.translated for path in paths(world, "vm", "internet")] == [
        (("hub1-nva", A("10.1.2.4"), A("10.10.1.4")),),
        (("hub2-nva", A("10.2.2.4"), A("10.10.1.4")),),
    ]


def test_untranslated_the_internet_does_not_know_whom_to_answer() -> None:
    world = FakeWorld(network=dual(), programs=DEFAULT_BY_BOTH)
    assert back(world, "vm", "internet") == ["internet: dropped at internet because no-route"] * 2
    assert back(FakeWorld(network=dual()), "vm", "internet") == ["internet > vm: delivered at vm"], "straight from a NIC Azure translates"


@pytest.mark.rules("R64")
def test_a_list_of_prefixes_is_translated_and_the_answers_of_others_are_not() -> None:
    """Symmetric by SNAT: the answer comes to the NVA that translated (R64), and is no new flow to it."""
    net = network(
        vnet("spoke", "10.10.0.0/16", work="10.10.1.0/24 out"),
        vnet("hub", "10.1.0.0/16", nva="10.1.2.0/24"),
        vnet("far", "10.2.0.0/16", work="10.2.1.0/24 back"),
        between("hub", "spoke"),
        between("hub", "far"),
        vm("vm", "spoke/work", "10.10.1.4"),
        vm("far-vm", "far/work", "10.2.1.4"),
        nva("fw", "hub/nva", "10.1.2.4", translates=(P("10.2.0.0/16"),)),
        table("out", "10.2.0.0/16 VirtualAppliance 10.1.2.4"),
        table("back", "10.10.0.0/16 VirtualAppliance 10.1.2.4"),
    )
    world = FakeWorld(network=net)
    (path,) = paths(world, "vm", "far-vm")
    assert (path.source, path.translated) == (A("10.1.2.4"), (("fw", A("10.1.2.4"), A("10.10.1.4")),))
    assert [told(reply) for reply in replies(world, path)] == ["far-vm > fw > fw > vm: delivered at vm"]
    (other,) = paths(world, "far-vm", "vm")
    (answer,) = replies(world, other)
    assert (told(answer), answer.translated, answer.source) == ("vm > fw > far-vm: delivered at far-vm", (), A("10.10.1.4"))


def test_a_second_nic_leads_out_and_is_the_address_that_is_heard() -> None:
    net = network(
        vnet("hub", "10.1.0.0/16", inside="10.1.2.0/24 loop", edge="10.1.3.0/24", work="10.1.4.0/24 loop"),
        nva(
            "fw",
            "hub/inside",
            "10.1.2.4",
            outside=("hub/edge", "10.1.3.4"),
            static_routes=(StaticRoute(prefix=P("0.0.0.0/0"), interface="outside"),),
            translates=True,
        ),
        vm("vm", "hub/work", "10.1.4.4"),
        table("loop", "0.0.0.0/0 VirtualAppliance 10.1.2.4"),
    )
    world = FakeWorld(network=net)
    (path,) = paths(world, "vm", "internet")
    assert (told(path), path.source) == ("vm > fw > internet: delivered at internet", A("10.1.3.4"))
    # the answer leaves by the static default's NIC, where only the destination counts: the virtual network is local there as well
    assert back(world, "vm", "internet") == ["internet > fw > fw > vm: delivered at vm"]


def test_an_nva_cut_off_from_the_internet() -> None:
    world = FakeWorld(network=dual(), programs=DEFAULT_BY_BOTH, failed=failing("hub1-nva<->internet"))
    assert ways(world, "vm", "internet")[0] == "vm > hub1-nva: dropped at hub1-nva because down"


@pytest.mark.parametrize("destination", ["172.31.0.1", "192.168.7.7", "100.64.0.9"])
def test_private_addresses_are_unknown_to_the_internet(destination: str) -> None:
    net = network(vnet("hub", "10.1.0.0/16", work="10.1.1.0/24 out"), vm("vm", "hub/work", "10.1.1.4"), table("out", "0.0.0.0/0 Internet"))
    assert ways(FakeWorld(network=net), "vm", destination) == ["vm: dropped at vm because no-route"]


def test_two_halves_are_as_good_as_a_default() -> None:
    """R133: 0.0.0.0/1 and 128.0.0.0/1."""
    halves = {"spoke": programs("0.0.0.0/1 10.1.2.4", "128.0.0.0/1 10.2.2.4")}
    assert ways(FakeWorld(network=dual(), programs=halves), "vm", "internet") == ["vm > hub1-nva > internet: delivered at internet"]
    assert ways(FakeWorld(network=dual(), programs=halves), "vm", "200.1.1.1") == [
        "vm > hub2-nva > internet: delivered at internet (200.1.1.1)"
    ]


# --- who may be asked ---------------------------------------------------------------------------------------------------


def test_an_address_may_stand_for_its_owner() -> None:
    world = FakeWorld(network=dual())
    assert ways(world, "10.10.1.4", "10.10.1.5") == ways(world, "vm", "vm2")
    assert ways(world, "172.16.4.10", "10.10.1.5") == ways(world, "branch", "vm2") == ["hub1-nva > vm2: delivered at vm2"]


@pytest.mark.parametrize(("source", "destination"), [("nobody", "vm"), ("vm", "nobody"), ("10.66.0.1", "vm")])
def test_what_means_nothing_is_refused(source: str, destination: str) -> None:
    with pytest.raises(RequestError, match=r"nobody|10\.66\.0\.1"):
        paths(FakeWorld(network=dual()), source, destination)


def test_to_oneself() -> None:
    assert ways(FakeWorld(network=dual()), "vm", "vm") == ["vm: delivered at vm"]


def test_anycast_answers_come_from_where_the_packet_was_delivered() -> None:
    """R183: `at` tells the hosts apart."""
    world = FakeWorld(network=dual(), programs=DEFAULT_BY_BOTH)
    assert [(path.at, path.end) for path in paths(world, "vm", "branch")] == [("hub1-nva", "branch"), ("hub2-nva", "branch")]
    assert back(world, "vm", "branch") == ["hub1-nva > vm: delivered at vm", "hub2-nva > vm: delivered at vm"]


@pytest.mark.parametrize(
    ("node", "destination", "spoiled", "expected"),
    [
        ("rs#0", "10.1.2.4", {}, True),
        ("hub1-nva", "10.10.0.5", {}, True),
        ("hub1-nva", "10.2.2.4", {}, False),
        ("rs#0", "10.1.2.4", {"dead": frozenset({"hub1-nva"})}, False),
        ("rs#0", "10.1.2.4", {"failed": failing("spoke<->hub1")}, False),
        ("rs#0", "10.1.2.9", {}, False),
        ("vm", "172.16.4.10", {"programs": DEFAULT_BY_BOTH}, True),
        ("vm", "172.16.4.10", {}, False),
        ("rs#0", "203.0.113.9", {}, True),
    ],
)
def test_reaching_is_what_paths_say_but_quick(node: str, destination: str, spoiled: dict[str, object], expected: bool) -> None:
    world = FakeWorld(network=dual(), **spoiled)  # type: ignore[arg-type]
    assert reaches(world, node, A(destination)) is expected
    assert any(path.outcome == "delivered" for path in paths(world, node, destination)) is expected
