"""Sections 1 and 2.1 of the rules: ranges, subnets and addresses, and what peered networks know of each other's ranges."""

from __future__ import annotations

from typing import Any

import pytest

import dualhome
from dualhome.app import Run
from dualhome.errors import TopologyError
from dualhome.forwarding.limits import Beyond, too_many_peerings, too_many_user_routes
from dualhome.model import Network
from dualhome.report import plans
from tests.rules.asking import learned, row, rows, told, ways


def network(networks: str, more: str = "") -> Network:
    return dualhome.parse(f"version: 1\nname: addressing\nvirtual_networks: {networks}\n{more}").network


def faults(networks: str, more: str = "") -> list[str]:
    with pytest.raises(TopologyError) as found:
        network(networks, more)
    return [str(fault).partition(": ")[2] for fault in found.value.faults]


# --- ranges and subnets -------------------------------------------------------------------------------------------------


@pytest.mark.rules("R1")
def test_ranges_are_routed_and_subnets_are_not() -> None:
    """One VnetLocal row a range, one BGP route a range."""
    run = dualhome.parse("""
version: 1
name: ranges
virtual_networks:
  hub: {address_space: [10.1.0.0/16, 10.7.0.0/24], subnets: {RouteServerSubnet: 10.1.0.0/26, a: 10.1.1.0/24, b: 10.1.2.0/24, c: 10.7.0.0/26}}
route_servers: {rs: {virtual_network: hub, peers: [nva]}}
network_virtual_appliances: {nva: {subnet: hub/a, asn: 65001}}
""").simulate()
    assert [each for each in rows(run, "nva") if "VnetLocal" in each] == ["10.1.0.0/16 VnetLocal", "10.7.0.0/24 VnetLocal"]
    assert learned(run, "nva/rs") == {"10.1.0.0/16 65515", "10.7.0.0/24 65515"}


@pytest.mark.rules("R2")
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("10.1.1.0", "one of the five that Azure keeps of 'hub/vm' (R2)"),
        ("10.1.1.1", "one of the five that Azure keeps of 'hub/vm' (R2)"),
        ("10.1.1.3", "one of the five that Azure keeps of 'hub/vm' (R2)"),
        ("10.1.1.4", None),
        ("10.1.1.254", None),
        ("10.1.1.255", "one of the five that Azure keeps of 'hub/vm' (R2)"),
        ("10.1.2.4", "lies outside its subnet 'hub/vm', 10.1.1.0/24"),
    ],
)
def test_azure_keeps_five_addresses_of_each_subnet(address: str, said: str | None) -> None:
    where = "{hub: {address_space: [10.1.0.0/16], subnets: {vm: 10.1.1.0/24}}}"
    machine = f"virtual_machines: {{vm: {{subnet: hub/vm, address: {address}}}}}"
    if said is None:
        assert str(network(where, machine).virtual_machines["vm"].nic.address) == address
    else:
        (found,) = faults(where, machine)
        assert said in found


@pytest.mark.rules("R2")
@pytest.mark.parametrize(("prefix", "said"), [("10.1.1.0/29", None), ("10.1.1.0/30", "of a subnet's addresses Azure keeps five (R2)")])
def test_the_smallest_subnet_has_eight_addresses(prefix: str, said: str | None) -> None:
    where = f"{{hub: {{address_space: [10.1.0.0/16], subnets: {{vm: {prefix}}}}}}}"
    machine = "virtual_machines: {a: {subnet: hub/vm}, b: {subnet: hub/vm}, c: {subnet: hub/vm}}"
    if said is None:
        assert [str(vm.nic.address) for vm in network(where, machine).virtual_machines.values()] == ["10.1.1.4", "10.1.1.5", "10.1.1.6"]
    else:
        assert said in faults(where)[0]


@pytest.mark.rules("R4")
@pytest.mark.parametrize("prefix", ["224.0.0.0/24", "127.0.0.0/16", "169.254.0.0/24", "168.63.129.0/24", "255.255.255.0/24"])
def test_some_ranges_are_azures_own(prefix: str) -> None:
    (said,) = faults(f"{{hub: {{address_space: [{prefix}]}}}}")
    assert f"{prefix} holds addresses of" in said
    assert "which Azure keeps (R4)" in said


@pytest.mark.rules("R3", "R81")
def test_the_subnets_gateway_leads_everywhere() -> None:
    """What an NVA does not tunnel goes out of its NIC, whatever its next hop, and there the effective routes decide: so it reaches the route server."""
    run = dualhome.parse("""
version: 1
name: by-the-gateway
virtual_networks:
  hub: {address_space: [10.1.0.0/16], subnets: {nva: 10.1.1.0/24}}
  spoke: {address_space: [10.10.0.0/16], subnets: {RouteServerSubnet: 10.10.0.0/26, vm: 10.10.1.0/24}}
peerings: [{between: [hub, spoke]}]
route_servers: {rs: {virtual_network: spoke, peers: [nva]}}
network_virtual_appliances: {nva: {subnet: hub/nva, asn: 65001}}
virtual_machines: {vm: {subnet: spoke/vm}}
""").simulate()
    assert told(run, "rs#0/nva") == {"10.10.0.0/16 65515 via 10.10.0.4"}
    assert ways(run, "nva", "rs#0") == {"rs"}
    assert ways(run, "nva", "vm") == {"vm"}, "not by the route server, which its table names as next hop"


# --- subnets with a meaning ---------------------------------------------------------------------------------------------

SPECIAL = "{hub: {address_space: [10.1.0.0/16], subnets: {%s}}}"


@pytest.mark.rules("R5")
@pytest.mark.parametrize(
    ("subnets", "more", "said"),
    [
        ("rs: 10.1.0.0/26", "route_servers: {rs: {virtual_network: hub}}", "'hub' has no RouteServerSubnet, where 'rs' would live (R5)"),
        ("routeserversubnet: 10.1.0.0/26", "route_servers: {rs: {virtual_network: hub}}", "'hub' has no RouteServerSubnet, where 'rs' would live (R5)"),
        ("RouteServerSubnet: 10.1.0.0/26", "route_servers: {rs: {virtual_network: hub}, two: {virtual_network: hub}}", "'hub' has a route server already, 'rs' (R5)"),
        ("RouteServerSubnet: 10.1.0.0/26", "virtual_machines: {vm: {subnet: hub/RouteServerSubnet}}", "RouteServerSubnet is for a route server alone (R5)"),
    ],
)  # fmt: skip
def test_a_route_server_lives_alone_in_its_subnet(subnets: str, more: str, said: str) -> None:
    assert said in faults(SPECIAL % subnets, more)[0]


@pytest.mark.rules("R6")
@pytest.mark.parametrize(("length", "accepted"), [(26, True), (27, True), (28, False)])
def test_its_subnet_has_32_addresses_at_least(length: int, accepted: bool) -> None:
    where, server = SPECIAL % f"RouteServerSubnet: 10.1.0.0/{length}", "route_servers: {rs: {virtual_network: hub}}"
    if accepted:
        assert network(where, server).route_servers["rs"]
    else:
        assert f"10.1.0.0/{length} is too small for a route server (R6)" in faults(where, server)[0]


@pytest.mark.rules("R7")
def test_no_route_table_is_on_its_subnet() -> None:
    (said,) = faults(SPECIAL % "RouteServerSubnet: {prefix: 10.1.0.0/26, route_table: t}", "route_tables: {t: {routes: []}}")
    assert "no route table may be associated with RouteServerSubnet (R7)" in said


@pytest.mark.rules("R9", "R14")
@pytest.mark.parametrize(
    ("subnets", "servers", "gateways"),
    [
        ("RouteServerSubnet: 10.1.0.0/26, GatewaySubnet: 10.1.1.0/27", ["10.1.0.4", "10.1.0.5"], ["10.1.1.4", "10.1.1.5", "10.1.1.6", "10.1.1.7"]),
        ("RouteServerSubnet: 10.1.0.128/26, GatewaySubnet: 10.1.0.192/27", ["10.1.0.132", "10.1.0.133"], ["10.1.0.196", "10.1.0.197", "10.1.0.198", "10.1.0.199"]),
    ],
)  # fmt: skip
def test_instances_take_the_lowest_free_addresses(subnets: str, servers: list[str], gateways: list[str]) -> None:
    more = "route_servers: {rs: {virtual_network: hub}}\nvirtual_network_gateways: {er: {type: ExpressRoute, virtual_network: hub}, vpn: {type: Vpn, virtual_network: hub}}"
    found = network(SPECIAL % subnets, more)
    assert [str(each) for each in found.route_servers["rs"].addresses] == servers
    assert [str(a) for gateway in found.gateways.values() for a in gateway.addresses] == gateways


@pytest.mark.rules("R9", "R14")
def test_addresses_may_be_given() -> None:
    """Labs saw others too, so nobody may count on the lowest."""
    more = "virtual_network_gateways: {er: {type: ExpressRoute, virtual_network: hub, addresses: [10.1.1.12, 10.1.1.13]}, vpn: {type: Vpn, virtual_network: hub}}"
    found = network(SPECIAL % "GatewaySubnet: 10.1.1.0/27", more)
    assert [str(a) for gateway in found.gateways.values() for a in gateway.addresses] == ["10.1.1.12", "10.1.1.13", "10.1.1.4", "10.1.1.5"]


@pytest.mark.rules("R12")
def test_gateways_share_the_gateway_subnet_which_is_large_enough_for_both() -> None:
    er, vpn = "er: {type: ExpressRoute, virtual_network: hub}", "vpn: {type: Vpn, virtual_network: hub}"
    assert (
        "'hub' has no GatewaySubnet, where 'er' would live (R12)"
        in faults(SPECIAL % "gw: 10.1.1.0/27", f"virtual_network_gateways: {{{er}}}")[0]
    )
    small = SPECIAL % "GatewaySubnet: 10.1.1.0/28"
    assert network(small, f"virtual_network_gateways: {{{er}}}").gateways["er"]
    (said,) = faults(small, f"virtual_network_gateways: {{{er}, {vpn}}}")
    assert "10.1.1.0/28 is too small for an ExpressRoute and a VPN gateway (R12)" in said


@pytest.mark.rules("R19", "R139")
def test_a_circuits_links_are_outside_of_virtual_networks() -> None:
    more = (
        "virtual_network_gateways: {er: {type: ExpressRoute, virtual_network: hub}}\non_premises: {r: {asn: 65010, prefixes: [192.168.0.0/16]}}\n"
        "expressroute_circuits: {c: {gateways: [er], provider_edge: [r], link_subnets: [10.1.9.0/30, 172.16.0.0/30]}}"
    )
    (said,) = faults(SPECIAL % "GatewaySubnet: 10.1.1.0/27", more)
    assert "link subnet 10.1.9.0/30 overlaps 10.1.0.0/16 of virtual network 'hub' (R19)" in said


# --- ranges that the other side doesn't know yet ------------------------------------------------------------------------

# hub 10.0/16 with a route server, an NVA that announces 10.20/16 and 172.30/16, and a VPN gateway ══ spoke, which has a second range by now
SYNC = """
version: 1
name: sync
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/27, nva: 10.0.2.0/24}}
  spoke: {address_space: [10.1.0.0/16, 10.20.0.0/16], subnets: {vm: 10.1.1.0/24, nva: 10.20.1.0/24}}
peerings:
  - between: [hub, spoke]
    allow_forwarded_traffic: true
    hub->spoke: {allow_gateway_transit: true, remote_address_space: [10.1.0.0/16]}
    spoke->hub: {use_remote_gateways: true}
route_servers: {rs: {virtual_network: hub, peers: [nva], branch_to_branch: true}}
network_virtual_appliances:
  nva: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001, originates: [10.20.5.0/24, 172.30.0.0/16], next_hop: {rs: fw}}
  fw: {subnet: spoke/nva, address: 10.20.1.4, ip_forwarding: true}
virtual_network_gateways: {gw: {type: Vpn, virtual_network: hub, active_active: true}}
on_premises: {site: {asn: 65010, prefixes: [192.168.0.0/16]}}
vpn_connections: [{gateway: gw, to: site}]
virtual_machines: {hub-vm: {subnet: hub/nva, address: 10.0.2.9}, vm: {subnet: spoke/vm}}
"""
IN_SYNC = {"peerings": {"hub->spoke": {"remote_address_space": None}}}
BY_FW = "VirtualNetworkGateway VirtualNetworkGateway 10.20.1.4"


@pytest.mark.rules("R16")
@pytest.mark.parametrize("synced", [False, True])
def test_until_synced_the_other_side_knows_the_ranges_of_before(synced: bool) -> None:
    """In rows (R48), in what a next hop reaches (R43), in what keeps BGP away (R56, R59), and in what route servers and gateways tell (R34)."""
    topology = dualhome.parse(SYNC).topology
    run = dualhome.Net(topology.changed(IN_SYNC) if synced else topology).simulate()
    assert row(run, "hub-vm", "10.1.0.0/16") == ["10.1.0.0/16 VNetPeering"]
    assert row(run, "hub-vm", "10.20.0.0/16") == (["10.20.0.0/16 VNetPeering"] if synced else [])
    assert row(run, "hub-vm", "172.30.0.0/16") == [f"172.30.0.0/16 {BY_FW}" if synced else "172.30.0.0/16 VirtualNetworkGateway None"]
    assert row(run, "hub-vm", "10.20.5.0/24") == ([] if synced else ["10.20.5.0/24 VirtualNetworkGateway None"])
    assert {str(route.prefix) for route in run.rejected("rs#0/nva") if route.reason == "own-prefix"} == (
        {"10.20.5.0/24"} if synced else set()
    )
    spoke = {"10.1.0.0/16 65515", *({"10.20.0.0/16 65515"} if synced else ())}
    assert {each for each in learned(run, "nva/rs") if each.endswith(" 65515") and not each.startswith("10.0.0.0/16")} == spoke
    assert {each for each in learned(run, "site/gw") if each.startswith(("10.1.", "10.20.0.0/16 65515"))} == spoke
    assert row(run, "vm", "172.30.0.0/16") == [f"172.30.0.0/16 {BY_FW}"], "the spoke knows its own"


@pytest.mark.rules("R16")
@pytest.mark.parametrize(
    ("of_hub", "of_spoke", "levels"),
    [
        (None, None, ["FullyInSync", "FullyInSync"]),
        (["10.1.0.0/16"], None, ["RemoteNotInSync", "LocalNotInSync"]),
        (None, ["10.9.0.0/16"], ["LocalNotInSync", "RemoteNotInSync"]),
        (["10.1.0.0/16"], ["10.9.0.0/16"], ["LocalAndRemoteNotInSync", "LocalAndRemoteNotInSync"]),
        (["10.20.0.0/16", "10.1.0.0/16"], None, ["FullyInSync", "FullyInSync"]),
    ],
)
def test_each_side_says_how_far_it_is_in_sync(of_hub: Any, of_spoke: Any, levels: list[str]) -> None:
    """peeringSyncLevel, as `plan --json` shows it."""
    peerings = {"hub->spoke": {"remote_address_space": of_hub}, "spoke->hub": {"remote_address_space": of_spoke}}
    net = dualhome.Net(dualhome.parse(SYNC).topology.changed({"peerings": peerings}))
    shown: list[dict[str, Any]] = plans.plan(net.plan)["peerings"]  # type: ignore[assignment]
    assert [(each["name"], each["sync_level"]) for each in shown] == list(zip(("hub->spoke", "spoke->hub"), levels, strict=True))
    assert shown[0]["remote_address_space"] == (of_hub or ["10.1.0.0/16", "10.20.0.0/16"])
    assert {each["state"] for each in shown} == {"Connected"}


@pytest.mark.rules("R16")
def test_a_range_that_is_added_in_a_scenario_is_synced_at_once() -> None:
    run = dualhome.Net(dualhome.parse(SYNC).topology.changed(IN_SYNC)).simulate()
    run.change({"virtual_networks": {"spoke": {"address_space": ["10.1.0.0/16", "10.20.0.0/16", "10.30.0.0/16"]}}})
    run.settle()
    assert row(run, "hub-vm", "10.30.0.0/16") == ["10.30.0.0/16 VNetPeering"]
    assert "10.30.0.0/16 65515" in learned(run, "nva/rs")


# --- IPv6 ---------------------------------------------------------------------------------------------------------------


def dual_stack(server: str) -> Run:
    return dualhome.parse(f"""
version: 1
name: dual-stack
virtual_networks:
  hub: {{address_space: [10.0.0.0/16, "fd00:a::/48"], subnets: {{RouteServerSubnet: 10.0.0.0/26, v4: 10.0.2.0/24, v6: "fd00:a:0:1::/64"}}}}
  spoke: {{address_space: [10.1.0.0/16, "fd00:b::/48"], subnets: {{v4: 10.1.1.0/24, v6: "fd00:b:0:1::/64", more: "fd00:b:0:2::/64"}}}}
peerings: [{{between: [hub, spoke]}}]
{server}
virtual_machines:
  hub4: {{subnet: hub/v4}}
  hub6: {{subnet: hub/v6}}
  spoke4: {{subnet: spoke/v4}}
  spoke6: {{subnet: spoke/v6}}
  other6: {{subnet: spoke/more}}
""").simulate()


@pytest.mark.rules("R17")
@pytest.mark.parametrize("hosts", [False, True])
def test_a_virtual_network_with_a_route_server_loses_ipv6(hosts: bool) -> None:
    """One that is peered with it keeps IPv4 toward it, and IPv6 for itself."""
    run = dual_stack("route_servers: {rs: {virtual_network: hub}}" if hosts else "")
    lost = {True: {"dropped at hub6: no-route"}, False: {"spoke6"}}
    assert [each for each in rows(run, "hub6") if ":" in each] == (
        [] if hosts else ["::/0 Internet", "fd00:a::/48 VnetLocal", "fd00:b::/48 VNetPeering"]
    )
    assert row(run, "spoke6", "fd00:a::/48") == ([] if hosts else ["fd00:a::/48 VNetPeering"])
    assert ways(run, "hub6", "spoke6") == lost[hosts]
    assert ways(run, "spoke6", "hub6") == ({"dropped at spoke6: no-route"} if hosts else {"hub6"})
    assert ways(run, "spoke6", "other6") == {"other6"}
    assert ways(run, "hub4", "spoke4") == {"spoke4"}


# --- limits -------------------------------------------------------------------------------------------------------------


@pytest.mark.rules("R28", "R53")
@pytest.mark.parametrize("count", [1, 2])
def test_what_is_beyond_a_limit_is_told_and_taken(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 peerings of a virtual network, 400 routes of a table; a test makes do with less."""
    monkeypatch.setattr("dualhome.forwarding.limits.PEERINGS", 1)
    monkeypatch.setattr("dualhome.forwarding.limits.USER_ROUTES", 1)
    names = ["a", "b", "c"][: count + 1]
    spaces = ", ".join(f"{name}: {{address_space: [10.{place}.0.0/16]}}" for place, name in enumerate(names))
    routes = ", ".join(f"{{prefix: 10.{200 + i}.0.0/16, next_hop_type: None}}" for i in range(count))
    peered = ", ".join(f"{{between: [a, {name}]}}" for name in names[1:])
    found = network(f"{{{spaces}}}", f"peerings: [{peered}]\nroute_tables: {{t: {{routes: [{routes}]}}}}")
    assert list(too_many_peerings(found)) == ([] if count == 1 else [Beyond(name="a", count=2, limit=1)])
    assert list(too_many_user_routes(found)) == ([] if count == 1 else [Beyond(name="t", count=2, limit=1)])
