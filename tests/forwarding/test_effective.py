"""Effective routes: rules R45 to R68, one test each, on tables written out."""

from __future__ import annotations

import pytest

from dualhome.errors import RequestError
from dualhome.forwarding.effective import effective_routes, select
from dualhome.model import Network, Peering
from tests.forwarding.fake import (
    A,
    FakeWorld,
    between,
    circuit,
    er_gateway,
    failing,
    network,
    nva,
    programs,
    rows,
    site,
    table,
    vm,
    vnet,
    vpn_gateway,
)

NONE_ROWS = ["10.0.0.0/8 Default None", "100.64.0.0/10 Default None", "172.16.0.0/12 Default None", "192.168.0.0/16 Default None"]


def alone(ranges: str = "10.1.0.0/16", *routes: str, **flags: bool) -> Network:
    """One virtual network with one machine, whose subnet has these user-defined routes."""
    first = ranges.split()[0].partition("/")[0]
    address = f"{first}4" if ":" in first else f"{first.rpartition('.')[0]}.4"
    return network(vnet("hub", ranges, work=f"{ranges.split()[0]} udr"), vm("vm", "hub/work", address), table("udr", *routes, **flags))


def spoke_and_hub(*routes: str, regions: tuple[str | None, str | None] = (None, None), transit: bool = False, **flags: bool) -> Network:
    return network(
        vnet("spoke", "10.10.0.0/16", region=regions[0], work="10.10.1.0/24 udr"),
        vnet("hub", "10.1.0.0/16", region=regions[1], nva="10.1.2.0/24"),
        vnet("far", "10.99.0.0/16", nva="10.99.1.0/24"),
        between("hub", "spoke", transit=transit),
        between("hub", "far"),
        vm("vm", "spoke/work", "10.10.1.4"),
        nva("nva", "hub/nva", "10.1.2.4"),
        nva("stranger", "far/nva", "10.99.1.4"),
        table("udr", *routes, **flags),
    )


# --- system routes ------------------------------------------------------------------------------------------------------


@pytest.mark.rules("R1", "R45")
def test_a_range_is_local_the_rest_goes_to_the_internet_and_private_ranges_are_dropped() -> None:
    """R1, R45."""
    assert rows(FakeWorld(network=alone("10.1.0.0/16 10.3.0.0/16")), "vm") == [
        "0.0.0.0/0 Default Internet",
        "10.0.0.0/8 Default None",
        "10.1.0.0/16 Default VnetLocal",
        "10.3.0.0/16 Default VnetLocal",
        "100.64.0.0/10 Default None",
        "172.16.0.0/12 Default None",
        "192.168.0.0/16 Default None",
    ]


@pytest.mark.rules("R46")
@pytest.mark.parametrize(
    ("ranges", "gone"),
    [("10.0.0.0/8", 0), ("100.64.0.0/10", 1), ("172.0.0.0/8", 2), ("192.168.0.0/16", 3)],
    ids=["equal", "equal, carrier grade", "around", "equal, small"],
)
def test_a_range_that_equals_or_contains_a_none_row_takes_its_place(ranges: str, gone: int) -> None:
    """R46."""
    kept = [each for i, each in enumerate(NONE_ROWS) if i != gone]
    assert sorted(rows(FakeWorld(network=alone(ranges)), "vm", "Internet")) == sorted([*kept, f"{ranges} Default VnetLocal"])


def test_ipv6_has_a_default_and_no_none_rows() -> None:
    assert rows(FakeWorld(network=alone("fd00:1::/48")), "vm") == [
        "0.0.0.0/0 Default Internet",
        *NONE_ROWS,
        "::/0 Default Internet",
        "fd00:1::/48 Default VnetLocal",
    ]


@pytest.mark.rules("R47", "R60", "R61")
@pytest.mark.parametrize(
    ("routes", "programmed", "expected"),
    [
        ([], [], ["0.0.0.0/0 Default Internet", *NONE_ROWS]),
        (["0.0.0.0/0 VirtualAppliance 10.1.2.4"], [], ["0.0.0.0/0 User VirtualAppliance 10.1.2.4", "0.0.0.0/0 Default Internet Invalid"]),
        (["0.0.0.0/0 Internet"], [], ["0.0.0.0/0 User Internet", "0.0.0.0/0 Default Internet Invalid"]),
        ([], ["0.0.0.0/0 10.1.2.4"], ["0.0.0.0/0 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4"]),
        (
            ["0.0.0.0/0 Internet"],
            ["0.0.0.0/0 10.1.2.4"],
            [
                "0.0.0.0/0 User Internet",
                "0.0.0.0/0 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4 Invalid",
            ],
        ),
        ([], ["0.0.0.0/1 10.1.2.4", "128.0.0.0/1 10.1.2.4"], ["0.0.0.0/0 Default Internet", *NONE_ROWS]),
    ],
    ids=["system", "user", "user, to the Internet", "BGP", "user over BGP", "halves are no default"],
)
def test_none_rows_are_there_under_the_systems_default_alone(routes: list[str], programmed: list[str], expected: list[str]) -> None:
    """R47, R60, R61, D27."""
    world = FakeWorld(network=alone("10.1.0.0/16", *routes), programs={"hub": programs(*programmed)})
    found = [each for each in rows(world, "vm", "VnetLocal") if not each.startswith(("0.0.0.0/1 ", "128.0.0.0/1 "))]
    assert found == expected


@pytest.mark.rules("R47", "R63")
def test_with_propagation_off_a_bgp_default_leaves_the_systems_rows() -> None:
    """R47, R63."""
    world = FakeWorld(network=alone("10.1.0.0/16", propagation=False), programs={"hub": programs("0.0.0.0/0 10.1.2.4")})
    assert rows(world, "vm", "VnetLocal") == ["0.0.0.0/0 Default Internet", *NONE_ROWS]


# --- peerings -----------------------------------------------------------------------------------------------------------


@pytest.mark.rules("R25", "R23")
@pytest.mark.parametrize(
    ("regions", "kind"),
    [
        (("west", "west"), "VNetPeering"),
        (("west", "north"), "VNetGlobalPeering"),
        (("west", None), "VNetPeering"),
        ((None, None), "VNetPeering"),
    ],
)
def test_a_peering_across_regions_is_global(regions: tuple[str | None, str | None], kind: str) -> None:
    """R25: where both regions are told and differ. Peerings are not transitive (R23): 10.99/16 is not there."""
    world = FakeWorld(network=spoke_and_hub(regions=regions))
    assert rows(world, "vm", "None", "Internet") == [f"10.1.0.0/16 Default {kind}", "10.10.0.0/16 Default VnetLocal"]


@pytest.mark.rules("R20")
def test_a_peering_without_its_mirror_carries_nothing() -> None:
    """R20: it stays Initiated."""
    one_way = network(
        vnet("a", "10.1.0.0/16", work="10.1.1.0/24"),
        vnet("b", "10.2.0.0/16", work="10.2.1.0/24"),
        Peering(local="a", remote="b"),
        vm("vm-a", "a/work", "10.1.1.4"),
        vm("vm-b", "b/work", "10.2.1.4"),
    )
    for nic in ("vm-a", "vm-b"):
        assert not [each for each in rows(FakeWorld(network=one_way), nic) if "Peering" in each]


def test_a_failed_peering_is_as_one_removed() -> None:
    """Its row is gone, what came over it from the transit hub too, and next hops behind it are out of reach (failure table of section 8.2)."""
    net = spoke_and_hub("172.16.0.0/12 VirtualAppliance 10.1.2.4", transit=True)
    programmed = {"hub": programs("192.168.0.0/16 10.1.2.4"), "spoke": programs("8.0.0.0/8 10.1.2.4")}
    assert rows(FakeWorld(network=net, programs=programmed, failed=failing("spoke<->hub")), "vm", "Internet", "VnetLocal") == [
        "8.0.0.0/8 VirtualNetworkGateway None",
        "10.0.0.0/8 Default None",
        "100.64.0.0/10 Default None",
        "172.16.0.0/12 User None",
        "172.16.0.0/12 Default None Invalid",
        "192.168.0.0/16 Default None",
    ]


@pytest.mark.rules("R54")
def test_a_route_table_may_switch_peering_routes_off() -> None:
    """R54: disablePeeringRoute. What BGP offers inside is then listed."""
    world = FakeWorld(network=spoke_and_hub(peering_route=False), programs={"spoke": programs("10.1.0.0/16 10.1.2.4")})
    assert rows(world, "vm", "None", "Internet") == [
        "10.1.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4",
        "10.10.0.0/16 Default VnetLocal",
    ]


# --- what is programmed -------------------------------------------------------------------------------------------------


@pytest.mark.rules("R56", "R58", "R62")
@pytest.mark.parametrize(
    ("prefix", "listed"),
    [
        ("10.10.0.0/16", False),  # equals the own range
        ("10.10.5.0/24", False),  # inside it
        ("10.1.0.0/16", False),  # equals a peered range: D22
        ("10.1.2.4/32", False),  # inside it
        ("10.0.0.0/8", True),  # a supernet: R58
        ("10.99.0.0/16", True),  # of a virtual network beyond the peered one
        ("192.168.0.0/16", True),  # in place of a None row
        ("192.168.1.0/24", True),  # beneath one
        ("169.254.0.0/16", False),  # link-local is never programmed
        ("169.254.7.0/30", False),
    ],
)
def test_bgp_never_wins_inside_the_own_or_a_peered_space(prefix: str, listed: bool) -> None:
    """R56 step 2, R58, R62, D22."""
    world = FakeWorld(network=spoke_and_hub(), programs={"spoke": programs(f"{prefix} 10.1.2.4")})
    found = [each for each in rows(world, "vm") if each.startswith(f"{prefix} VirtualNetworkGateway")]
    assert found == ([f"{prefix} VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4"] if listed else [])


@pytest.mark.rules("R65")
def test_equal_routes_are_one_row_with_all_next_hops_in_order() -> None:
    """R65."""
    world = FakeWorld(network=spoke_and_hub(), programs={"spoke": programs("192.168.0.0/16 10.1.2.9 10.1.2.4")})
    assert "192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4 10.1.2.9" in rows(world, "vm")


@pytest.mark.rules("R43")
def test_a_next_hop_must_lie_in_the_own_or_a_directly_peered_network() -> None:
    """R43: else the row is there with next hop type None, and says so."""
    routes = ["172.16.0.0/12 VirtualAppliance 10.99.1.4"]
    world = FakeWorld(
        network=spoke_and_hub(*routes), programs={"spoke": programs("192.168.0.0/16 10.99.1.4", "8.0.0.0/8 10.99.1.4 10.1.2.4")}
    )
    assert rows(world, "vm", "Internet", "VnetLocal", "VNetPeering") == [
        "8.0.0.0/8 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4",
        "10.0.0.0/8 Default None",
        "100.64.0.0/10 Default None",
        "172.16.0.0/12 User None",
        "172.16.0.0/12 Default None Invalid",
        "192.168.0.0/16 VirtualNetworkGateway None",
    ]
    note = next(route.note for route in effective_routes(world, "vm") if route.rule == "R43")
    assert note == "next hop 10.99.1.4 is in no directly peered virtual network"


@pytest.mark.rules("R51", "R43")
def test_microsofts_edge_is_always_in_reach() -> None:
    """R51: ExpressRoute's next hops are in no virtual network, R43 doesn't ask for them."""
    world = FakeWorld(network=spoke_and_hub(), programs={"spoke": programs("192.168.0.0/16 169.254.9.2", kind="er", by="er")})
    assert "192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 169.254.9.2" in rows(world, "vm")


@pytest.mark.rules("R34", "R35")
@pytest.mark.parametrize("transit", [False, True])
def test_the_hubs_routes_reach_a_spoke_through_a_transit_pair_alone(transit: bool) -> None:
    """R34 c, R35."""
    world = FakeWorld(network=spoke_and_hub(transit=transit), programs={"hub": programs("192.168.0.0/16 10.1.2.4")})
    assert ("192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4" in rows(world, "vm")) is transit


@pytest.mark.rules("R63")
def test_propagation_off_takes_all_of_bgp_and_leaves_the_rest() -> None:
    """R63: from the own and from the hub's, gateways' and NVAs'."""
    programmed = {"hub": programs("192.168.0.0/16 169.254.9.2", kind="er"), "spoke": programs("8.0.0.0/8 10.1.2.4")}
    net = spoke_and_hub("172.16.0.0/12 VirtualAppliance 10.1.2.4", transit=True, propagation=False)
    assert rows(FakeWorld(network=net, programs=programmed), "vm", "None") == [
        "0.0.0.0/0 Default Internet",
        "10.1.0.0/16 Default VNetPeering",
        "10.10.0.0/16 Default VnetLocal",
        "172.16.0.0/12 User VirtualAppliance 10.1.2.4",
    ]


def test_by_partition_two_nics_of_a_subnet_may_differ() -> None:
    """R73: each has what its instance programs, and asking one doesn't change the other."""
    net = network(vnet("hub", "10.1.0.0/16", work="10.1.1.0/24"), vm("one", "hub/work", "10.1.1.4"), vm("two", "hub/work", "10.1.1.5"))
    world = FakeWorld(network=net, programs={"one": programs("8.0.0.0/8 10.1.2.4"), "two": programs("9.0.0.0/8 10.1.2.4")})
    for _ in (1, 2):
        assert "8.0.0.0/8 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4" in rows(world, "one")
        assert "9.0.0.0/8 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4" in rows(world, "two")


# --- user-defined routes, and who wins ----------------------------------------------------------------------------------


@pytest.mark.rules("R60")
def test_a_user_defined_route_of_the_same_prefix_leaves_the_other_row_invalid() -> None:
    """R60: of the own range, a peering, BGP, a None row and the default; the table of Microsoft's routing example has this form."""
    routes = [
        "0.0.0.0/0 VirtualAppliance 10.1.2.4",
        "10.10.0.0/16 VirtualAppliance 10.1.2.4",
        "10.1.0.0/16 None",
        "192.168.0.0/16 VirtualAppliance 10.1.2.4",
    ]
    world = FakeWorld(network=spoke_and_hub(*routes), programs={"spoke": programs("192.168.0.0/16 10.1.2.9")})
    assert rows(world, "vm") == [
        "0.0.0.0/0 User VirtualAppliance 10.1.2.4",
        "0.0.0.0/0 Default Internet Invalid",
        "10.1.0.0/16 User None",
        "10.1.0.0/16 Default VNetPeering Invalid",
        "10.10.0.0/16 User VirtualAppliance 10.1.2.4",
        "10.10.0.0/16 Default VnetLocal Invalid",
        "192.168.0.0/16 User VirtualAppliance 10.1.2.4",
        "192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.9 Invalid",
    ]


@pytest.mark.rules("R54")
def test_an_appliance_group_is_one_row() -> None:
    """R54: VirtualApplianceEcmp."""
    world = FakeWorld(network=spoke_and_hub("172.16.0.0/12 VirtualApplianceEcmp 10.1.2.5 10.1.2.4"))
    assert "172.16.0.0/12 User VirtualApplianceEcmp 10.1.2.4 10.1.2.5" in rows(world, "vm")


@pytest.mark.rules("R56", "R57")
@pytest.mark.parametrize(
    ("destination", "winner"),
    [
        ("10.10.9.9", "10.10.0.0/16 Default"),  # BGP's 10/8 doesn't steer what is local
        ("10.10.1.9", "10.10.1.0/24 User"),  # a user's does: R57
        ("10.1.2.9", "10.1.0.0/16 Default"),
        ("10.1.7.9", "10.1.7.0/24 User"),
        ("10.99.0.1", "10.0.0.0/8 VirtualNetworkGateway"),  # BGP over the None row of equal length
        ("172.16.0.1", "172.16.0.0/12 User"),  # user over BGP of equal length
        ("172.16.4.1", "172.16.4.0/24 VirtualNetworkGateway"),  # but the longer one first
        ("192.168.0.1", "192.168.0.0/16 Default"),
        ("8.8.8.8", "0.0.0.0/0 Default"),
    ],
)
def test_longest_first_then_user_then_bgp_then_system(destination: str, winner: str) -> None:
    """R56, R57."""
    net = spoke_and_hub(
        "10.10.1.0/24 VirtualAppliance 10.1.2.4", "10.1.7.0/24 VirtualAppliance 10.1.2.4", "172.16.0.0/12 VirtualAppliance 10.1.2.4"
    )
    programmed = programs(*(f"{p} 10.1.2.4" for p in ("10.0.0.0/8", "10.10.9.0/24", "10.1.2.0/24", "172.16.0.0/12", "172.16.4.0/24")))
    found = select(effective_routes(FakeWorld(network=net, programs={"spoke": programmed}), "vm"), A(destination))
    assert found is not None
    assert f"{found.prefix} {found.source}" == winner


def test_nothing_covers_what_has_no_route() -> None:
    assert select((), A("10.0.0.1")) is None
    assert select(effective_routes(FakeWorld(network=alone()), "vm"), A("fd00::1")) is None


# --- gateways and instances ---------------------------------------------------------------------------------------------


def hub_with_gateways() -> Network:
    return network(
        vnet("spoke", "10.10.0.0/16", work="10.10.1.0/24"),
        vnet("hub", "10.1.0.0/16", gw_="10.1.1.0/27 inbound", nva="10.1.2.0/24"),
        between("hub", "spoke"),
        er_gateway("er", "hub", "10.1.1.4", "10.1.1.5"),
        vpn_gateway("vpn", "hub", "10.1.1.6", "10.1.1.7"),
        circuit("circuit", "er", "dc", 9),
        site("dc", "192.168.0.1", "192.168.0.0/16"),
        table("inbound", "10.10.0.0/16 VirtualAppliance 10.1.2.4"),
    )


@pytest.mark.rules("R68")
@pytest.mark.parametrize("name", ["er", "er#1", "vpn"])
def test_a_gateway_has_the_table_of_its_subnet(name: str) -> None:
    """R68: an NVA's specific prefixes, but not its default; R169: the user-defined route before the peering."""
    nvas = programs("0.0.0.0/0 10.1.2.4", "172.16.4.0/24 10.1.2.4", by="rs")
    programmed = {"hub": {**nvas, **programs("192.168.0.0/16 169.254.9.2", kind="er", by="er")}}
    assert rows(FakeWorld(network=hub_with_gateways(), programs=programmed), name, "None") == [
        "0.0.0.0/0 Default Internet",
        "10.1.0.0/16 Default VnetLocal",
        "10.10.0.0/16 User VirtualAppliance 10.1.2.4",
        "10.10.0.0/16 Default VNetPeering Invalid",
        "172.16.4.0/24 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4",
        "192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 169.254.9.2",
    ]


@pytest.mark.rules("R68")
def test_a_default_from_on_premises_is_a_gateways_own() -> None:
    """R68 speaks of NVAs' defaults; one that ExpressRoute brought stays (R142)."""
    world = FakeWorld(network=hub_with_gateways(), programs={"hub": programs("0.0.0.0/0 169.254.9.2", kind="er", by="er")})
    assert "0.0.0.0/0 VirtualNetworkGateway VirtualNetworkGateway 169.254.9.2" in rows(world, "er")


def test_a_second_nic_has_the_table_of_its_own_subnet() -> None:
    net = network(
        vnet("hub", "10.1.0.0/16", inside="10.1.2.0/24", edge="10.1.3.0/24 out"),
        nva("fw", "hub/inside", "10.1.2.4", outside=("hub/edge", "10.1.3.4")),
        table("out", "0.0.0.0/0 Internet"),
    )
    assert "0.0.0.0/0 User Internet" in rows(FakeWorld(network=net), "fw.outside")
    assert "0.0.0.0/0 User Internet" not in rows(FakeWorld(network=net), "fw")


def test_who_has_no_nic_has_no_table() -> None:
    with pytest.raises(RequestError, match="'dc' is no NIC and no gateway"):
        effective_routes(FakeWorld(network=hub_with_gateways()), "dc")


def test_the_same_question_is_computed_once() -> None:
    """Tables hang on what is programmed, by identity, and are made anew only when that is another."""
    world = FakeWorld(network=spoke_and_hub(), programs={"spoke": programs("8.0.0.0/8 10.1.2.4")})
    assert effective_routes(world, "vm") is effective_routes(world, "vm")
    before = len(world.memo)
    for i in range(1, 20):
        world.programs = {"spoke": programs(f"{i}.0.0.0/8 10.1.2.4")}
        assert f"{i}.0.0.0/8 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4" in rows(world, "vm")
    assert len(world.memo) == before, "old tables are forgotten"
