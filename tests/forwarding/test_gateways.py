"""Paths through gateways, Microsoft's edge, VPN connections and sites."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualhome.forwarding.effective import effective_routes
from dualhome.forwarding.trace import FlowTable, paths
from dualhome.model import Link, Network, RouteServer, SessionSpec, StaticRoute, VpnConnection
from tests.forwarding.fake import (
    A,
    FakeWorld,
    P,
    back,
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
    told,
    vm,
    vnet,
    vpn_gateway,
    ways,
)


def hub(*parts: object, udr: bool = True, fast_path: bool = False, forwarded: bool = True, access: bool = True) -> Network:
    """The article's second diagram, one hub of it: spoke ── hub1 with NVA and ExpressRoute ── dc-r1 ── dc-r2."""
    return network(
        vnet("spoke", "10.10.0.0/16", work="10.10.1.0/24"),
        vnet("hub", "10.1.0.0/16", rs_="10.1.0.0/26", gw_="10.1.1.0/27 inbound", nva="10.1.2.0/24", work="10.1.3.0/24"),
        between("spoke", "hub", forwarded=forwarded, access=access),
        vm("vm", "spoke/work", "10.10.1.4"),
        vm("hub-vm", "hub/work", "10.1.3.4"),
        nva("nva", "hub/nva", "10.1.2.4"),
        er_gateway("er", "hub", "10.1.1.4", "10.1.1.5"),
        circuit("circuit", "er", "dc-r1", 9, fast_path=fast_path),
        site("dc-r1", "192.168.0.1", "192.168.0.0/16", hosts={"dc-host": "192.168.1.10"}),
        site("dc-r2", "192.168.0.2", "192.168.0.0/16"),
        table("inbound", *(["10.10.0.0/16 VirtualAppliance 10.1.2.4"] if udr else [])),
        RouteServer(name="rs", virtual_network="hub", addresses=(A("10.1.0.4"), A("10.1.0.5"))),
        *parts,
        links=(Link(between=("dc-r1", "dc-r2")),),
    )


ON_PREMISES = {"hub": programs("192.168.0.0/16 169.254.9.2 169.254.9.6", kind="er", by="er"), "spoke": programs("192.168.0.0/16 10.1.2.4")}
SPOKE_PREFIX = {
    "circuit#0": rib("10.0.0.0/8 er#0@10.1.1.4 er#1@10.1.1.5", "192.168.0.0/16 dc-r1@169.254.9.1"),
    "circuit#1": rib("10.0.0.0/8 er#0@10.1.1.4 er#1@10.1.1.5", "192.168.0.0/16 dc-r1@169.254.9.5"),
    "dc-r1": rib("10.0.0.0/8 circuit#0@169.254.9.2"),
    "dc-r2": rib("10.0.0.0/8 dc-r1@192.168.0.1"),
    "er#0": rib("192.168.0.0/16 circuit#0@169.254.9.2 circuit#1@169.254.9.6", "10.10.0.0/16 rs#0@10.1.2.4"),
    "er#1": rib("192.168.0.0/16 circuit#0@169.254.9.2 circuit#1@169.254.9.6", "10.10.0.0/16 rs#0@10.1.2.4"),
}


def world(net: Network, **more: object) -> FakeWorld:
    return FakeWorld(network=net, **{"programs": ON_PREMISES, "ribs": SPOKE_PREFIX, **more})  # type: ignore[arg-type]


# --- out ----------------------------------------------------------------------------------------------------------------


@pytest.mark.rules("R51")
def test_out_through_the_nva_a_gateway_instance_and_microsofts_edge() -> None:
    """R51, R167: two next hops, each through either instance."""
    found = ways(world(hub()), "vm", "dc-host")
    assert found == [f"vm > nva > er#{i} > circuit#{j} > dc-r1: delivered at dc-r1 (dc-host)" for j in (0, 1) for i in (0, 1)]
    choices = [path.choices for path in paths(world(hub()), "vm", "dc-host")]
    assert choices == [(("nva", f"er#{i} circuit#{j}"),) for j in (0, 1) for i in (0, 1)], "each branch has a name of its own"


def test_a_dead_gateway_instance_is_not_entered() -> None:
    assert ways(world(hub(), dead=frozenset({"er#0"})), "hub-vm", "dc-host") == [
        f"hub-vm > er#1 > circuit#{j} > dc-r1: delivered at dc-r1 (dc-host)" for j in (0, 1)
    ]
    assert ways(world(hub(), dead=frozenset({"er#0", "er#1"})), "hub-vm", "dc-host")[0] == "hub-vm > er#0: dropped at er#0 because down"


@pytest.mark.rules("R64")
def test_a_dead_edge_takes_its_share_of_flows_until_bgp_tells() -> None:
    """R64."""
    table_ = FlowTable(world(hub(), dead=frozenset({"circuit#1"})), "hub-vm", "dc-host")
    outcomes = [table_.outcome(flow).outcome for flow in range(64)]
    assert 16 < outcomes.count("dropped") < 48


def test_what_joins_gateway_and_circuit_may_fail() -> None:
    broken = world(hub(), failed=failing("er#0<->circuit#0"))
    assert ways(broken, "hub-vm", "dc-host")[0] == "hub-vm > er#0: dropped at er#0 because down"


@pytest.mark.rules("R34", "R37")
@pytest.mark.parametrize("fast_path", [False, True])
@pytest.mark.parametrize(
    ("flags", "because"), [({"access": False}, "virtual-network-access"), ({"forwarded": False}, "forwarded-traffic"), ({}, None)]
)
def test_a_transit_spokes_way_to_the_hubs_circuit_is_over_the_peering(fast_path: bool, flags: dict[str, bool], because: str | None) -> None:
    """R34, D11, R37: an NVA of the spoke forwards for a host behind it to the hub's gateway."""
    net = network(
        vnet("spoke", "10.10.0.0/16", nva="10.10.2.0/24"),
        vnet("hub", "10.1.0.0/16", gw_="10.1.1.0/27"),
        between("hub", "spoke", transit=True, **{"forwarded": True, "access": True, **flags}),
        nva("nva", "spoke/nva", "10.10.2.4", hosts={"behind": "172.20.0.1"}),
        er_gateway("er", "hub", "10.1.1.4", "10.1.1.5"),
        circuit("circuit", "er", "dc-r1", 9, fast_path=fast_path),
        site("dc-r1", "192.168.0.1", "192.168.0.0/16", hosts={"dc-host": "192.168.1.10"}),
    )
    programmed = {"hub": programs("192.168.0.0/16 169.254.9.2", kind="er", by="er")}
    found = paths(world(net, programs=programmed, dead=frozenset({"er#1"})), "behind", "dc-host")
    assert [path.because for path in found] == [because]
    if because is None:
        assert told(found[0]) == f"nva > {'' if fast_path else 'er#0 > '}circuit#0 > dc-r1: delivered at dc-r1 (dc-host)"


# --- in -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("udr", [True, False])
def test_without_a_user_defined_route_at_the_gateway_packets_from_on_premises_bypass_the_nva(udr: bool) -> None:
    """R169: the peering's row beats the NVA's route in GatewaySubnet."""
    nva_ = "nva > " if udr else ""
    assert ways(world(hub(udr=udr)), "dc-host", "vm") == [f"dc-r1 > circuit#0 > er#{i} > {nva_}vm: delivered at vm" for i in (0, 1)]


@pytest.mark.rules("R37", "R38")
def test_a_gateway_may_forward_over_a_peering_but_an_nva_needs_leave() -> None:
    """R37, R38."""
    assert ways(world(hub(udr=False, forwarded=False)), "dc-host", "vm")[0].endswith("er#0 > vm: delivered at vm")
    assert ways(world(hub(forwarded=False)), "dc-host", "vm")[0].endswith("nva > vm: dropped at vm because forwarded-traffic")


@pytest.mark.rules("R68")
def test_a_gateway_follows_what_the_route_server_programmed_not_the_route_server() -> None:
    """R68, R136: next hop NVA, though its own table learned it from the route server."""
    programmed = {**ON_PREMISES, "hub": {**ON_PREMISES["hub"], **programs("172.20.0.0/16 10.1.2.4")}}
    net = hub()
    net = replace(net, nvas={"nva": replace(net.nvas["nva"], hosts={"behind": A("172.20.0.1")})})
    ribs = {
        **SPOKE_PREFIX,
        "dc-r1": rib("172.20.0.0/16 circuit#0"),
        "circuit#0": rib("172.20.0.0/16 er#0"),
        "er#0": rib("172.20.0.0/16 rs#0"),
    }
    assert ways(world(net, programs=programmed, ribs=ribs), "dc-host", "behind") == [
        "dc-r1 > circuit#0 > er#0 > nva: delivered at nva (behind)"
    ]


@pytest.mark.rules("R68", "R185")
def test_an_nvas_default_is_no_row_of_a_gateways_yet_packets_through_it_follow_it() -> None:
    """R68, R185: what comes from beyond Azure for the Internet leaves by the NVA, which here sends it to itself (L-011)."""
    programmed = {"hub": {**ON_PREMISES["hub"], **programs("0.0.0.0/0 10.1.2.4")}}
    ribs = {**SPOKE_PREFIX, "dc-r1": rib("0.0.0.0/0 circuit#0"), "circuit#0": rib("0.0.0.0/0 er#0"), "er#0": rib("0.0.0.0/0 rs#0")}
    there = world(hub(), programs=programmed, ribs=ribs)
    assert [row.next_hop_type for row in effective_routes(there, "er") if row.prefix == P("0.0.0.0/0")] == ["Internet"]
    assert ways(there, "dc-host", "internet") == ["dc-r1 > circuit#0 > er#0 > nva > nva: dropped at nva because loop"]


def test_fastpath_bypasses_the_gateway_and_its_route_table_toward_its_own_network_alone() -> None:
    """R147, L-055."""
    net = hub(
        table("inbound", "10.10.0.0/16 VirtualAppliance 10.1.2.4", "10.1.3.0/24 VirtualAppliance 10.1.2.4"),
        fast_path=True,
    )
    assert ways(world(net), "dc-host", "hub-vm") == ["dc-r1 > circuit#0 > hub-vm: delivered at hub-vm"]
    assert ways(world(net), "dc-host", "vm") == [f"dc-r1 > circuit#0 > er#{i} > nva > vm: delivered at vm" for i in (0, 1)]
    assert ways(world(net), "hub-vm", "dc-host") == [f"hub-vm > circuit#{i} > dc-r1: delivered at dc-r1 (dc-host)" for i in (0, 1)]


def test_a_gateways_own_address_is_reached_at_the_instance_that_has_it() -> None:
    assert ways(world(hub()), "vm", "er#1") == ["vm > er#1: delivered at er#1"]
    assert ways(world(hub()), "dc-host", "10.1.1.5")[0] == "dc-r1 > circuit#0 > er#0: delivered at er#1"


# --- sites --------------------------------------------------------------------------------------------------------------


def test_a_host_sends_to_another_router_of_its_lan_while_its_own_is_dead() -> None:
    """Section 1 of the format."""
    dead = world(hub(), dead=frozenset({"dc-r1"}))
    assert ways(dead, "dc-host", "vm") == ["dc-r2 > dc-r1: dropped at dc-r1 because down"]


def test_an_answer_of_a_host_starts_at_its_own_router() -> None:
    """Delivered on the LAN by the other router; the host itself sends to its own."""
    ribs = {**SPOKE_PREFIX, "circuit#0": {**SPOKE_PREFIX["circuit#0"], **rib("192.168.0.0/16 dc-r2")}}
    net = hub(circuit("circuit", "er", "dc-r2", 9))
    there = world(net, ribs=ribs, programs={"hub": programs("192.168.0.0/16 169.254.9.2", kind="er")})
    assert ways(there, "hub-vm", "dc-host")[0] == "hub-vm > er#0 > circuit#0 > dc-r2: delivered at dc-r2 (dc-host)"
    assert back(there, "hub-vm", "dc-host")[0].startswith("dc-r1 > circuit#0 > er#0 > hub-vm")


def test_there_is_no_default_on_premises() -> None:
    assert ways(world(hub()), "dc-host", "8.8.8.8") == ["dc-r1: dropped at dc-r1 because no-route"]


@pytest.mark.parametrize("translates", [True, False])
def test_a_site_with_internet_of_its_own(translates: bool) -> None:
    net = hub(
        site(
            "branch",
            "172.16.4.1",
            "172.16.4.0/24",
            hosts={"pc": "172.16.4.9"},
            translates=translates,
            static_routes=(StaticRoute(prefix=P("0.0.0.0/0"), to="internet"),),
        )
    )
    assert ways(world(net), "pc", "internet") == ["branch > internet: delivered at internet"]
    answer = "internet > branch > branch: delivered at branch (pc)" if translates else "internet: dropped at internet because no-route"
    assert back(world(net), "pc", "internet") == [answer]
    assert ways(world(net), "pc", "10.99.0.1") == ["branch: dropped at branch because no-route"], "private addresses are unknown there"
    assert ways(world(net, failed=failing("branch<->internet")), "pc", "internet") == ["branch: dropped at branch because down"]


def test_a_plain_session_leaves_the_way_to_the_routers_between() -> None:
    """A router on premises that learns from an NVA by multihop sends to its next hop's way, not straight to it."""
    net = hub(site("dc-r1", "192.168.0.1", "192.168.0.0/16", hosts={"dc-host": "192.168.1.10"}, sessions=(SessionSpec(to="nva"),)))
    net = replace(net, nvas={"nva": replace(net.nvas["nva"], hosts={"behind": A("172.20.0.1")})})
    ribs = {**SPOKE_PREFIX, "dc-r1": rib("10.0.0.0/8 circuit#0@169.254.9.2", "172.20.0.0/16 nva@10.1.2.4")}
    assert ways(world(net, ribs=ribs), "dc-host", "behind") == ["dc-r1 > circuit#0: dropped at circuit#0 because no-route"]


def test_global_reach_joins_two_sites_past_azure() -> None:
    """R131: from edge to edge."""
    second = replace(circuit("circuit2", "er", "dc-r2", 10), global_reach=("circuit",))
    net = hub(second, site("dc-r2", "192.168.0.2", "172.20.0.0/16", hosts={"far": "172.20.0.9"}))
    ribs = {
        "dc-r1": rib("172.20.0.0/16 circuit#0"),
        "circuit#0": rib("172.20.0.0/16 circuit2#0"),
        "circuit2#0": rib("172.20.0.0/16 dc-r2"),
    }
    assert ways(world(net, ribs=ribs), "dc-host", "far") == ["dc-r1 > circuit#0 > circuit2#0 > dc-r2: delivered at dc-r2 (far)"]


# --- VPN ----------------------------------------------------------------------------------------------------------------


def vpn(*, active_active: bool = False, bgp: bool = False, instance: int | None = None) -> Network:
    return network(
        vnet("hub", "10.1.0.0/16", gw_="10.1.1.0/27", work="10.1.3.0/24"),
        vnet("spoke", "10.10.0.0/16", work="10.10.1.0/24 out"),
        between("hub", "spoke", transit=True),
        vm("hub-vm", "hub/work", "10.1.3.4"),
        vm("vm", "spoke/work", "10.10.1.4"),
        vpn_gateway("gw", "hub", "10.1.1.4", "10.1.1.5", active_active=active_active),
        site("store", "172.16.5.1", "172.16.5.0/24", hosts={"till": "172.16.5.9"}),
        table("out", "198.51.100.0/24 VirtualNetworkGateway"),
        vpn_connections=(VpnConnection(gateway="gw", to="store", bgp=bgp, prefixes=(P("172.16.5.0/24"),), gateway_instance=instance),),
    )


STATIC = {f"gw#{i}": rib("172.16.5.0/24 static:store", "198.51.100.0/24 static:store") for i in (0, 1)}


@pytest.mark.rules("R52")
@pytest.mark.parametrize(("active_active", "dead", "instances"), [
    (False, "", [0]),
    (False, "gw#0", [1]),
    (True, "", [0, 1]),
    (True, "gw#0", [1]),
])  # fmt: skip
def test_one_instance_at_a_time_unless_active_active(active_active: bool, dead: str, instances: list[int]) -> None:
    """The standby is entered only while the other is dead: from the site, and for a user-defined route to the gateway (R52)."""
    here = FakeWorld(network=vpn(active_active=active_active), ribs=STATIC, dead=frozenset({dead}))
    assert ways(here, "till", "vm") == [f"store > gw#{i} > vm: delivered at vm" for i in instances]
    # a site without BGP knows its own addresses alone, and the Internet isn't one of its own
    assert ways(here, "vm", "198.51.100.7") == [f"vm > gw#{i} > store: dropped at store because no-route" for i in instances]


@pytest.mark.rules("R49")
def test_static_prefixes_lie_behind_the_connection() -> None:
    """R49, R151."""
    programmed = {"hub": programs("172.16.5.0/24 10.1.1.4", kind="vpn", by="gw")}
    here = FakeWorld(network=vpn(), ribs=STATIC, programs=programmed)
    assert ways(here, "hub-vm", "till") == ["hub-vm > gw#0 > store: delivered at store (till)"]
    assert ways(here, "vm", "till") == ["vm > gw#0 > store: delivered at store (till)"], "of a transit spoke as well"
    assert ways(here, "till", "hub-vm") == ["store > gw#0 > hub-vm: delivered at hub-vm"], "back by the tunnel's selectors"
    here.failed = failing("gw<->store")
    assert ways(here, "hub-vm", "till") == ["hub-vm > gw#0: dropped at gw#0 because down"]


def test_a_connection_of_one_instance_is_a_tunnel_to_that_one() -> None:
    here = FakeWorld(network=vpn(active_active=True, instance=1), ribs=STATIC)
    assert ways(here, "till", "hub-vm") == ["store > gw#1 > hub-vm: delivered at hub-vm"]


def test_an_instance_hands_to_its_sibling_what_that_one_learned() -> None:
    """R158."""
    programmed = {"hub": programs("172.16.5.0/24 10.1.1.4 10.1.1.5", kind="vpn", by="gw")}
    ribs = {"gw#0": rib("172.16.5.0/24 gw#1@10.1.1.5"), "gw#1": rib("172.16.5.0/24 store@172.16.5.1")}
    here = FakeWorld(network=vpn(active_active=True, bgp=True, instance=1), ribs=ribs, programs=programmed)
    assert ways(here, "hub-vm", "till") == [
        "hub-vm > gw#0 > gw#1 > store: delivered at store (till)",
        "hub-vm > gw#1 > store: delivered at store (till)",
    ]


def test_vpn_and_expressroute_gateways_hand_to_each_other() -> None:
    """R127: what branch-to-branch brings, GatewaySubnet's table carries."""
    net = hub(
        vpn_gateway("gw", "hub", "10.1.1.6", "10.1.1.7"),
        site("store", "172.16.5.1", "172.16.5.0/24", hosts={"till": "172.16.5.9"}),
    )
    net = replace(net, vpn_connections=(VpnConnection(gateway="gw", to="store", bgp=True),))
    programmed = {"hub": {**ON_PREMISES["hub"], **programs("172.16.5.0/24 10.1.1.6", kind="vpn", by="rs")}}
    ribs = {
        **SPOKE_PREFIX,
        "store": rib("192.168.0.0/16 gw#0@10.1.1.6"),
        "gw#0": rib("172.16.5.0/24 store@172.16.5.1", "192.168.0.0/16 rs#0@10.1.0.4"),
        "dc-r1": rib("172.16.5.0/24 circuit#0"),
        "circuit#0": rib("172.16.5.0/24 er#0", "192.168.0.0/16 dc-r1"),
    }
    both = world(net, programs=programmed, ribs=ribs)
    assert ways(both, "till", "dc-host")[0] == "store > gw#0 > er#0 > circuit#0 > dc-r1: delivered at dc-r1 (dc-host)"
    assert ways(both, "dc-host", "till") == ["dc-r1 > circuit#0 > er#0 > gw#0 > store: delivered at store (till)"]


def test_two_gateways_joined_without_bgp() -> None:
    net = network(
        vnet("one", "10.1.0.0/16", gw_="10.1.1.0/27", work="10.1.3.0/24"),
        vnet("two", "10.2.0.0/16", gw_="10.2.1.0/27", work="10.2.3.0/24"),
        vm("vm1", "one/work", "10.1.3.4"),
        vm("vm2", "two/work", "10.2.3.4"),
        vpn_gateway("gw1", "one", "10.1.1.4", "10.1.1.5"),
        vpn_gateway("gw2", "two", "10.2.1.4", "10.2.1.5"),
        vpn_connections=(VpnConnection(gateway="gw1", to="gw2", bgp=False),),
    )
    programmed = {
        "one": programs("10.2.0.0/16 10.1.1.4", kind="vpn", by="gw1"),
        "two": programs("10.1.0.0/16 10.2.1.4", kind="vpn", by="gw2"),
    }
    ribs = {"gw1#0": rib("10.2.0.0/16 static:gw2"), "gw2#0": rib("10.1.0.0/16 static:gw1")}
    here = FakeWorld(network=net, programs=programmed, ribs=ribs)
    assert ways(here, "vm1", "vm2") == ["vm1 > gw1#0 > gw2#0 > vm2: delivered at vm2"]
    assert back(here, "vm1", "vm2") == ["vm2 > gw2#0 > gw1#0 > vm1: delivered at vm1"]


def test_a_gateways_tunnel_to_an_nva() -> None:
    net = network(
        vnet("hub", "10.1.0.0/16", gw_="10.1.1.0/27", work="10.1.3.0/24"),
        vnet("branch", "10.3.0.0/16", nva="10.3.1.0/24", work="10.3.2.0/24"),
        vm("vm", "hub/work", "10.1.3.4"),
        vm("pc", "branch/work", "10.3.2.4"),
        nva("csr", "branch/nva", "10.3.1.4"),
        vpn_gateway("gw", "hub", "10.1.1.4", "10.1.1.5"),
        vpn_connections=(VpnConnection(gateway="gw", to="csr", bgp=True),),
    )
    programmed = {"hub": programs("10.3.0.0/16 10.1.1.4", kind="vpn", by="gw"), "branch": programs("10.1.0.0/16 10.3.1.4")}
    ribs = {"gw#0": rib("10.3.0.0/16 csr@10.3.1.4"), "csr": rib("10.1.0.0/16 gw#0@10.1.1.4")}
    here = FakeWorld(network=net, programs=programmed, ribs=ribs)
    assert ways(here, "vm", "pc") == ["vm > gw#0 > csr > pc: delivered at pc"]
    assert back(here, "vm", "pc") == ["pc > csr > gw#0 > vm: delivered at vm"]


def test_a_circuit_is_a_source_and_an_end() -> None:
    assert ways(world(hub()), "circuit#0", "dc-host") == ["circuit#0 > dc-r1: delivered at dc-r1 (dc-host)"]
    assert ways(world(hub()), "dc-r1", "169.254.9.2") == ["dc-r1 > circuit#0: delivered at circuit#0"]
