"""Group 2: user-defined, BGP and system routes of equal and nested prefixes, and the None rows under three kinds of default.

hub 10.1.0.0/16, nva 10.1.2.4 ══ spoke 10.10.0.0/16 with a route server, vm 10.10.1.4
far 10.99.0.0/16 ══ hub
"""

from __future__ import annotations

from typing import Any

import pytest

import dualhome
from dualhome.app import Run
from dualhome.errors import TopologyError
from dualhome.forwarding.effective import select
from dualhome.net import Address
from tests.rules.asking import NONE_ROWS, row, rows, ways

SPOKE = """
version: 1
name: spoke
virtual_networks:
  spoke: {address_space: [10.10.0.0/16], subnets: {RouteServerSubnet: 10.10.0.0/26, vm: {prefix: 10.10.1.0/24, route_table: table}, plain: 10.10.2.0/24}}
  hub: {address_space: [10.1.0.0/16], subnets: {nva: 10.1.2.0/24}}
  far: {address_space: [10.99.0.0/16], subnets: {nva: 10.99.2.0/24}}
peerings:
  - {between: [spoke, hub], allow_forwarded_traffic: true}
  - {between: [hub, far], allow_forwarded_traffic: true}
route_servers: {rs: {virtual_network: spoke, peers: [nva]}}
network_virtual_appliances:
  nva: {subnet: hub/nva, address: 10.1.2.4, ip_forwarding: true, asn: 65001, hosts: {beyond: 172.30.5.9}}
  nva2: {subnet: hub/nva, address: 10.1.2.5, ip_forwarding: true, asn: 65002}
  stranger: {subnet: far/nva, address: 10.99.2.4, ip_forwarding: true}
virtual_machines: {vm: {subnet: spoke/vm, address: 10.10.1.4}, other: {subnet: spoke/plain, address: 10.10.2.4}}
route_tables: {table: {routes: []}}
"""


def spoke(user: list[str], bgp: list[str], **table: Any) -> Run:
    """With these user-defined routes, `prefix type next-hop...`, and what the NVA announces."""
    routes: list[dict[str, Any]] = []
    for text in user:
        prefix, kind, *hops = text.split()
        more = {"next_hops": hops} if len(hops) > 1 else {"next_hop": hops[0]} if hops else {}
        routes.append({"prefix": prefix, "next_hop_type": kind, **more})
    changes = {"route_tables": {"table": {"routes": routes, **table}}, "network_virtual_appliances": {"nva": {"originates": bgp}}}
    return dualhome.Net(dualhome.parse(SPOKE).topology.changed(changes)).simulate()


def covering(run: Run, nic: str, destination: str) -> list[str]:
    """Rows that hold the destination, but for the default, the longest last."""
    address = Address.parse(destination)
    kept = {f"{r.prefix} " for r in run.effective_routes(nic) if r.prefix.covers(address) and r.prefix.length}
    return [each for each in rows(run, nic) if each.startswith(tuple(kept))]


def winner(run: Run, nic: str, destination: str) -> str:
    found = select(run.effective_routes(nic), Address.parse(destination))
    assert found is not None
    return f"{found.prefix} {found.source}"


NVA = "VirtualAppliance 10.1.2.5"
BGP = "VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4"
LOSES = "VirtualNetworkGateway VirtualNetworkGateway Invalid 10.1.2.4"
NONE_10 = "10.0.0.0/8 None"
OWN, PEERED = "10.10.0.0/16 VnetLocal", "10.1.0.0/16 VNetPeering"

# What is asked for, user-defined routes, what BGP has | rows that cover it | which of them takes it
CASES: dict[str, tuple[str, list[str], list[str], list[str], str]] = {
    # the own range (R56, R57, R58, R59)
    "own": ("10.10.5.9", [], [], [NONE_10, OWN], "10.10.0.0/16 Default"),
    "own, BGP equal": ("10.10.5.9", [], ["10.10.0.0/16"], [NONE_10, OWN], "10.10.0.0/16 Default"),
    "own, BGP inside": ("10.10.5.9", [], ["10.10.5.0/24"], [NONE_10, OWN], "10.10.0.0/16 Default"),
    "own, BGP around": ("10.10.5.9", [], ["10.0.0.0/8"], [f"10.0.0.0/8 {BGP}", OWN], "10.10.0.0/16 Default"),
    "own, user equal": (
        "10.10.5.9",
        [f"10.10.0.0/16 {NVA}"],
        [],
        [NONE_10, f"10.10.0.0/16 User {NVA}", "10.10.0.0/16 VnetLocal Invalid"],
        "10.10.0.0/16 User",
    ),
    "own, user inside": ("10.10.5.9", [f"10.10.5.0/24 {NVA}"], [], [NONE_10, OWN, f"10.10.5.0/24 User {NVA}"], "10.10.5.0/24 User"),
    "own, user around": (
        "10.10.5.9",
        [f"10.0.0.0/8 {NVA}"],
        [],
        [f"10.0.0.0/8 User {NVA}", "10.0.0.0/8 None Invalid", OWN],
        "10.10.0.0/16 Default",
    ),
    "own, user equal, BGP inside": (
        "10.10.5.9",
        [f"10.10.0.0/16 {NVA}"],
        ["10.10.5.0/24"],
        [NONE_10, f"10.10.0.0/16 User {NVA}", "10.10.0.0/16 VnetLocal Invalid"],
        "10.10.0.0/16 User",
    ),
    # a peered range (R56, R57, R58, R62)
    "peered": ("10.1.5.9", [], [], [NONE_10, PEERED], "10.1.0.0/16 Default"),
    "peered, BGP equal": ("10.1.5.9", [], ["10.1.0.0/16"], [NONE_10, PEERED], "10.1.0.0/16 Default"),
    "peered, BGP inside": ("10.1.5.9", [], ["10.1.5.0/24"], [NONE_10, PEERED], "10.1.0.0/16 Default"),
    "peered, BGP around": ("10.1.5.9", [], ["10.0.0.0/8"], [f"10.0.0.0/8 {BGP}", PEERED], "10.1.0.0/16 Default"),
    "peered, user equal": (
        "10.1.5.9",
        [f"10.1.0.0/16 {NVA}"],
        [],
        [NONE_10, f"10.1.0.0/16 User {NVA}", "10.1.0.0/16 VNetPeering Invalid"],
        "10.1.0.0/16 User",
    ),
    "peered, user inside": ("10.1.5.9", ["10.1.5.0/24 None"], [], [NONE_10, PEERED, "10.1.5.0/24 User None"], "10.1.5.0/24 User"),
    "peered, user and BGP equal": (
        "10.1.5.9",
        [f"10.1.0.0/16 {NVA}"],
        ["10.1.0.0/16"],
        [NONE_10, f"10.1.0.0/16 User {NVA}", "10.1.0.0/16 VNetPeering Invalid"],
        "10.1.0.0/16 User",
    ),
    "peered, user equal, BGP inside": (
        "10.1.5.9",
        [f"10.1.0.0/16 {NVA}"],
        ["10.1.5.0/24"],
        [NONE_10, f"10.1.0.0/16 User {NVA}", "10.1.0.0/16 VNetPeering Invalid"],
        "10.1.0.0/16 User",
    ),
    # elsewhere (R56 steps 3 and 4, R60)
    "elsewhere": ("172.30.5.9", [], [], ["172.16.0.0/12 None"], "172.16.0.0/12 Default"),
    "elsewhere, BGP": (
        "172.30.5.9",
        [],
        ["172.30.0.0/16"],
        ["172.16.0.0/12 None", f"172.30.0.0/16 {BGP}"],
        "172.30.0.0/16 VirtualNetworkGateway",
    ),
    "elsewhere, BGP in place of a None row": (
        "172.30.5.9",
        [],
        ["172.16.0.0/12"],
        [f"172.16.0.0/12 {BGP}"],
        "172.16.0.0/12 VirtualNetworkGateway",
    ),
    "elsewhere, user over BGP": (
        "172.30.5.9",
        [f"172.30.0.0/16 {NVA}"],
        ["172.30.0.0/16"],
        ["172.16.0.0/12 None", f"172.30.0.0/16 User {NVA}", f"172.30.0.0/16 {LOSES}"],
        "172.30.0.0/16 User",
    ),
    "elsewhere, user over BGP and a None row": (
        "172.30.5.9",
        [f"172.16.0.0/12 {NVA}"],
        ["172.16.0.0/12"],
        [f"172.16.0.0/12 User {NVA}", f"172.16.0.0/12 {LOSES}"],
        "172.16.0.0/12 User",
    ),
    "elsewhere, BGP inside user": (
        "172.30.5.9",
        [f"172.30.0.0/16 {NVA}"],
        ["172.30.5.0/24"],
        ["172.16.0.0/12 None", f"172.30.0.0/16 User {NVA}", f"172.30.5.0/24 {BGP}"],
        "172.30.5.0/24 VirtualNetworkGateway",
    ),
    "elsewhere, user inside BGP": (
        "172.30.5.9",
        [f"172.30.5.0/24 {NVA}"],
        ["172.30.0.0/16"],
        ["172.16.0.0/12 None", f"172.30.0.0/16 {BGP}", f"172.30.5.0/24 User {NVA}"],
        "172.30.5.0/24 User",
    ),
    "a network that the hub is peered with": (
        "10.99.2.4",
        [],
        ["10.99.0.0/16"],
        [NONE_10, f"10.99.0.0/16 {BGP}"],
        "10.99.0.0/16 VirtualNetworkGateway",
    ),
}


@pytest.mark.rules("R45", "R48", "R49", "R50", "R56", "R57", "R58", "R59", "R60", "R62")
@pytest.mark.parametrize("case", CASES)
def test_rows_that_cover_a_destination_and_which_takes_it(case: str) -> None:
    destination, user, bgp, expected, takes = CASES[case]
    run = spoke(user, bgp)
    assert covering(run, "vm", destination) == expected
    assert winner(run, "vm", destination) == takes


@pytest.mark.rules("R59", "R58")
def test_a_prefix_of_the_own_space_is_neither_learned_nor_programmed_one_of_a_peered_network_is_passed_on() -> None:
    """The dual-homed hub's route server depends on the latter."""
    run = spoke([], ["10.10.5.0/24", "10.1.5.0/24", "10.0.0.0/8"])
    assert [(str(r.prefix), r.reason) for r in run.rejected("rs#0/nva")] == [("10.10.5.0/24", "own-prefix")]
    assert {str(r.prefix) for r in run.learned("rs#0/nva")} == {"10.1.5.0/24", "10.0.0.0/8"}


# --- defaults -----------------------------------------------------------------------------------------------------------

DEFAULTS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "the system's": ([], [], ["0.0.0.0/0 Internet"]),
    "a user's": ([f"0.0.0.0/0 {NVA}"], [], [f"0.0.0.0/0 User {NVA}", "0.0.0.0/0 Internet Invalid"]),
    "a user's to the Internet": (["0.0.0.0/0 Internet"], [], ["0.0.0.0/0 User Internet", "0.0.0.0/0 Internet Invalid"]),
    "BGP's": ([], ["0.0.0.0/0"], [f"0.0.0.0/0 {BGP}"]),
    "a user's over BGP's": ([f"0.0.0.0/0 {NVA}"], ["0.0.0.0/0"], [f"0.0.0.0/0 User {NVA}", f"0.0.0.0/0 {LOSES}"]),
}


@pytest.mark.rules("R45", "R47", "R60", "R61", "R70")
@pytest.mark.parametrize("kind", DEFAULTS)
def test_none_rows_go_with_every_default_but_the_systems(kind: str) -> None:
    """A user's leaves the system's default listed as Invalid, one of BGP removes it. Private destinations then follow the new default."""
    user, bgp, expected = DEFAULTS[kind]
    run = spoke(user, bgp)
    assert row(run, "vm", "0.0.0.0/0") == expected
    assert [each for each in rows(run, "vm") if each in NONE_ROWS] == (list(NONE_ROWS) if kind == "the system's" else [])
    assert winner(run, "vm", "172.30.5.9").startswith("172.16.0.0/12" if kind == "the system's" else "0.0.0.0/0")
    assert winner(run, "vm", "20.50.1.1").startswith("0.0.0.0/0"), "public addresses of Azure's services too"


@pytest.mark.rules("R47", "R63")
def test_without_propagation_a_default_of_bgp_is_none() -> None:
    """All of BGP is gone from the subnet, peerings stay, and so do user-defined routes; other subnets are as before."""
    run = spoke([f"172.30.0.0/16 {NVA}"], ["0.0.0.0/0", "192.168.0.0/16"], disable_bgp_route_propagation=True)
    assert rows(run, "vm") == [
        "0.0.0.0/0 Internet",
        NONE_10,
        PEERED,
        OWN,
        "100.64.0.0/10 None",
        "172.16.0.0/12 None",
        f"172.30.0.0/16 User {NVA}",
        "192.168.0.0/16 None",
    ]
    assert row(run, "other", "0.0.0.0/0") == [f"0.0.0.0/0 {BGP}"]


@pytest.mark.rules("R54")
def test_without_peering_routes_what_bgp_has_in_their_place_counts() -> None:
    """A next hop there stays in reach, for the peering is there."""
    run = spoke([], ["10.1.0.0/16"], disable_peering_route="All")
    assert row(run, "vm", "10.1.0.0/16") == [f"10.1.0.0/16 {BGP}"]
    assert row(run, "other", "10.1.0.0/16") == [PEERED]


# --- ranges that take the place of None rows ----------------------------------------------------------------------------


@pytest.mark.rules("R1", "R45", "R46")
@pytest.mark.parametrize(
    ("ranges", "kept"),
    [
        (["10.0.0.0/8"], NONE_ROWS[1:]),  # equal
        (["172.0.0.0/8"], (*NONE_ROWS[:2], NONE_ROWS[3])),  # around
        (["192.168.0.0/24", "100.64.0.0/10"], (NONE_ROWS[0], *NONE_ROWS[2:])),  # inside, and equal
    ],
    ids=["equal", "around", "inside, and equal"],
)
def test_each_range_has_a_row_and_those_of_none_that_it_holds_are_gone(ranges: list[str], kept: tuple[str, ...]) -> None:
    first = ranges[0].partition("/")[0].rpartition(".")[0]
    text = f"""
version: 1
name: alone
virtual_networks: {{one: {{address_space: {ranges}, subnets: {{a: {first}.0/26, b: {first}.64/26}}}}}}
virtual_machines: {{vm: {{subnet: one/a}}}}
"""
    found = rows(dualhome.parse(text).simulate(), "vm")
    assert found == sorted([*(f"{each} VnetLocal" for each in ranges), *kept, "0.0.0.0/0 Internet"], key=found.index)


# --- next hops ----------------------------------------------------------------------------------------------------------


@pytest.mark.rules("R43", "R119")
@pytest.mark.parametrize("who", ["BGP", "user"])
def test_a_next_hop_must_lie_in_the_own_or_a_directly_peered_network(who: str) -> None:
    """Else the row is there, of type None, and packets are dropped; with a peering it is as any other."""
    run = spoke(["192.168.0.0/16 VirtualAppliance stranger"] if who == "user" else [], ["192.168.0.0/16"] if who == "BGP" else [])
    if who == "BGP":
        run.change({"network_virtual_appliances": {"nva": {"next_hop": {"rs": "stranger"}}}})
        run.settle()
    source, kind = ("User", "VirtualAppliance") if who == "user" else ("VirtualNetworkGateway", "VirtualNetworkGateway")
    beaten = ["192.168.0.0/16 None Invalid"] if who == "user" else []
    assert row(run, "vm", "192.168.0.0/16") == [f"192.168.0.0/16 {source} None", *beaten]
    assert ways(run, "vm", "192.168.7.7") == {"dropped at vm: no-route"}
    run.change({"peerings": {"spoke<->far": {"allow_forwarded_traffic": True}}})
    run.settle()
    assert row(run, "vm", "192.168.0.0/16") == [f"192.168.0.0/16 {source} {kind} 10.99.2.4", *beaten]


GATEWAYS = """
version: 1
name: gateways
virtual_networks:
  hub: {address_space: [10.1.0.0/16], subnets: {GatewaySubnet: 10.1.1.0/27, vm: {prefix: 10.1.2.0/24, route_table: table}, nva: 10.1.3.0/24}}
virtual_network_gateways: {vpn: {type: Vpn, virtual_network: hub, active_active: true}}
on_premises: {site: {asn: 65010, prefixes: [192.168.0.0/16], hosts: {dc: 192.168.0.9}}, store: {prefixes: [172.20.0.0/16]}}
vpn_connections: [{gateway: vpn, to: site}, {gateway: vpn, to: store, bgp: false}]
virtual_machines: {vm: {subnet: hub/vm}}
route_tables: {table: {routes: [{prefix: 192.168.0.0/24, next_hop_type: VirtualNetworkGateway}]}}
"""
WITH_CIRCUIT = {
    "virtual_network_gateways": {"er": {"type": "ExpressRoute", "virtual_network": "hub"}},
    "on_premises": {"edge": {"asn": 65020, "prefixes": ["10.200.0.0/16"]}},
    "expressroute_circuits": {
        "circuit": {"gateways": ["er"], "provider_edge": ["edge"], "link_subnets": ["172.31.255.0/30", "172.31.255.4/30"]}
    },
}


@pytest.mark.rules("R49", "R51", "R65")
def test_gateways_routes_have_the_vpn_gateways_instances_or_microsofts_edge_as_next_hops() -> None:
    """Those of BGP and those that are static look the same; equal next hops stand in one row."""
    run = dualhome.Net(dualhome.parse(GATEWAYS).topology.changed(WITH_CIRCUIT)).simulate()
    by_vpn = "VirtualNetworkGateway VirtualNetworkGateway 10.1.1.4 10.1.1.5"
    assert row(run, "vm", "192.168.0.0/16") == [f"192.168.0.0/16 {by_vpn}"]
    assert row(run, "vm", "172.20.0.0/16") == [f"172.20.0.0/16 {by_vpn}"]
    assert row(run, "vm", "10.200.0.0/16") == ["10.200.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 172.31.255.2 172.31.255.6"]


@pytest.mark.rules("R52", "R149")
@pytest.mark.parametrize(
    ("change", "kind", "note"),
    [
        ({}, "VirtualNetworkGateway", ""),
        (WITH_CIRCUIT, "None", "a user-defined route can't lead to a gateway where there is one of type ExpressRoute beside a VPN gateway"),
        (
            {
                **WITH_CIRCUIT,
                "virtual_network_gateways": {**WITH_CIRCUIT["virtual_network_gateways"], "vpn": None},
                "vpn_connections": None,
            },
            "None",
            "a user-defined route can't lead to a gateway where there is one of type ExpressRoute",
        ),
        ({"virtual_network_gateways": None, "vpn_connections": None}, "None", "there is no VPN gateway"),
    ],
    ids=["VPN", "both", "ExpressRoute", "neither"],
)
def test_a_user_defined_route_leads_to_a_vpn_gateway_alone(change: dict[str, Any], kind: str, note: str) -> None:
    """Azure takes the route table, for it knows of no gateway; the packets are dropped."""
    run = dualhome.Net(dualhome.parse(GATEWAYS).topology.changed(change)).simulate() if change else dualhome.parse(GATEWAYS).simulate()
    (found,) = [r for r in run.effective_routes("vm") if r.source == "User"]
    assert (str(found.prefix), found.next_hop_type, found.note) == ("192.168.0.0/24", kind, note)
    assert ways(run, "vm", "192.168.0.9") == ({"vpn > site > dc"} if kind != "None" else {"dropped at vm: no-route"})


@pytest.mark.rules("R69", "R43")
def test_a_next_hop_behind_a_gateway_is_out_of_reach() -> None:
    routes = [{"prefix": "8.0.0.0/8", "next_hop_type": "VirtualAppliance", "next_hop": "site"}]
    run = dualhome.Net(dualhome.parse(GATEWAYS).topology.changed({"route_tables": {"table": {"routes": routes}}})).simulate()
    (found,) = [r for r in run.effective_routes("vm") if r.source == "User"]
    assert (found.next_hop_type, found.rule) == ("None", "R43")


@pytest.mark.rules("R54")
@pytest.mark.parametrize("count", [2, 64])
def test_an_appliance_group_has_2_to_64_next_hops(count: int) -> None:
    hops = [f"10.1.2.{i + 4}" for i in range(count)]
    run = spoke([f"192.168.0.0/16 VirtualApplianceEcmp {' '.join(hops)}"], [])
    (found,) = [r for r in run.effective_routes("vm") if r.source == "User"]
    assert (found.next_hop_type, [str(hop) for hop in found.next_hops]) == ("VirtualApplianceEcmp", hops)


@pytest.mark.rules("R54")
@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ([("10.0.0.0/8", ["10.1.2.4"])], "'next_hops' has 1 entry, wanted at least 2"),
        ([("10.0.0.0/8", [f"10.1.2.{i}" for i in range(4, 69)])], "'next_hops' has 65 entries, wanted at most 64"),
        (
            [("10.0.0.0/8", ["10.1.2.4", "10.1.2.5"]), ("10.0.0.0/8", ["10.1.2.6", "10.1.2.7"])],
            "a second route for 10.0.0.0/8 (R54, RouteConflict)",
        ),
    ],
    ids=["one", "65", "two routes"],
)
def test_other_numbers_and_a_second_route_of_a_prefix_are_refused(routes: list[tuple[str, list[str]]], said: str) -> None:
    listed = [{"prefix": prefix, "next_hop_type": "VirtualApplianceEcmp", "next_hops": hops} for prefix, hops in routes]
    with pytest.raises(TopologyError) as refused:
        dualhome.parse(SPOKE).topology.changed({"route_tables": {"table": {"routes": listed}}})
    assert said in str(refused.value)


# --- packets ------------------------------------------------------------------------------------------------------------


@pytest.mark.rules("R64", "R65", "R106")
def test_flows_spread_over_equal_next_hops_and_each_direction_on_its_own() -> None:
    run = spoke([], ["192.168.0.0/16"])
    run.change(
        {"network_virtual_appliances": {"nva2": {"originates": ["192.168.0.0/16"], "hosts": {"dc": "192.168.0.9"}, "stateful": True}}}
    )
    run.change(
        {
            "network_virtual_appliances": {"nva": {"hosts": {"dc": "192.168.0.9"}, "stateful": True}},
            "route_servers": {"rs": {"peers": ["nva", "nva2"]}},
        }
    )
    run.settle()
    assert row(run, "vm", "192.168.0.0/16") == ["192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4 10.1.2.5"]
    assert {path.hops[1].name for path in run.paths("vm", "dc")} == {"nva", "nva2"}


@pytest.mark.rules("R66")
@pytest.mark.parametrize(("what", "at"), [("takes what isn't for it", "nva"), ("sends what isn't its own", "nva")])
def test_without_ip_forwarding_a_nic_neither_takes_nor_sends_what_is_not_its_own(what: str, at: str) -> None:
    run = spoke([], ["192.168.0.0/16"])
    run.change({"network_virtual_appliances": {"nva": {"ip_forwarding": False}}})
    source, destination = ("vm", "192.168.7.7") if what.startswith("takes") else ("beyond", "vm")
    (path,) = run.paths(source, destination)
    assert (path.because, path.at) == ("ip-forwarding", at)
    assert ("takes only what is sent to" if what.startswith("takes") else "may not send for") in path.detail


@pytest.mark.rules("R67")
def test_an_nvas_own_nic_has_what_it_announced() -> None:
    """In a route server's own network: what it announces and doesn't hold comes back to it."""
    run = dualhome.parse("""
version: 1
name: own-nic
virtual_networks: {hub: {address_space: [10.1.0.0/16], subnets: {RouteServerSubnet: 10.1.0.0/26, nva: 10.1.2.0/24, vm: 10.1.3.0/24}}}
route_servers: {rs: {virtual_network: hub, peers: [nva]}}
network_virtual_appliances: {nva: {subnet: hub/nva, address: 10.1.2.4, ip_forwarding: true, asn: 65001, originates: [0.0.0.0/0]}}
virtual_machines: {vm: {subnet: hub/vm}}
""").simulate()
    assert row(run, "nva", "0.0.0.0/0") == [f"0.0.0.0/0 {BGP}"]
    assert ways(run, "vm", "internet") == {"nva > dropped at nva: loop"}


@pytest.mark.rules("R68", "R136")
def test_gateways_take_an_nvas_prefixes_but_not_its_default() -> None:
    """So a gateway whose next hop is a route server's address delivers to the NVA."""
    run = dualhome.Net(
        dualhome.parse(GATEWAYS).topology.changed(
            {
                "virtual_networks": {"hub": {"subnets": {"RouteServerSubnet": "10.1.0.0/26"}}},
                "route_servers": {"rs": {"virtual_network": "hub", "branch_to_branch": True, "peers": ["nva"]}},
                "network_virtual_appliances": {
                    "nva": {
                        "subnet": "hub/nva",
                        "address": "10.1.3.4",
                        "ip_forwarding": True,
                        "asn": 65001,
                        "originates": ["0.0.0.0/0", "172.30.0.0/16"],
                        "hosts": {"beyond": "172.30.0.9"},
                    }
                },
            }
        )
    ).simulate()
    assert row(run, "vm", "0.0.0.0/0") == ["0.0.0.0/0 VirtualNetworkGateway VirtualNetworkGateway 10.1.3.4"]
    assert row(run, "vpn", "0.0.0.0/0") == ["0.0.0.0/0 Internet"]
    assert row(run, "vpn", "172.30.0.0/16") == ["172.30.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.1.3.4"]
    assert ways(run, "dc", "beyond") == {"site > vpn > nva > beyond"}


@pytest.mark.rules("R13")
def test_without_propagation_on_its_subnet_a_gateway_does_not_work() -> None:
    run = dualhome.Net(
        dualhome.parse(GATEWAYS).topology.changed(
            {
                "virtual_networks": {"hub": {"subnets": {"GatewaySubnet": {"route_table": "off"}}}},
                "route_tables": {"off": {"disable_bgp_route_propagation": True}},
            }
        )
    ).simulate()
    assert ways(run, "dc", "vm") == {"site > vpn > dropped at vpn#0: no-route", "site > vpn > dropped at vpn#1: no-route"}
    assert ways(run, "vm", "dc") == {"vpn > dropped at vpn#0: no-route", "vpn > dropped at vpn#1: no-route"}
    assert "the gateway doesn't work (R13)" in run.paths("vm", "dc")[0].detail
