"""Paths through networks written as files: gateways, sites, the Internet, and what drops a packet; expected hops written out."""

from __future__ import annotations

import pytest

import dualhome
from dualhome.app import Run


def ways(run: Run, source: str, destination: str) -> list[str]:
    """`vm > nva > till: delivered at store`, one for each branch."""
    return [f"{' > '.join(hop.name for hop in p.hops)}: {p.because or p.outcome} at {p.at}" for p in run.paths(source, destination)]


def back(run: Run, source: str, destination: str) -> list[str]:
    """Ways of the answers, of all branches, without repetition."""
    replies = [
        f"{' > '.join(h.name for h in q.hops)}: {q.because or q.outcome} at {q.at}" for _, b in run.trace(source, destination) for q in b
    ]
    return list(dict.fromkeys(replies))


def listed(run: Run, nic: str, prefix: str) -> list[str]:
    rows = [r for r in run.effective_routes(nic) if str(r.prefix) == prefix]
    return [" ".join([r.source, r.state, r.next_hop_type, *map(str, r.next_hops)]) for r in rows]


# --- a site behind a VPN gateway, without BGP -----------------------------------------------------------------------------

SITE = """
version: 1
name: site
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {GatewaySubnet: {prefix: 10.0.1.0/27, route_table: gateway}, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
  spoke: {address_space: [10.1.0.0/16], subnets: {vm: {prefix: 10.1.1.0/24, route_table: spoke}}}
peerings:
  - {between: [hub, spoke], hub->spoke: {allow_gateway_transit: true}, spoke->hub: {use_remote_gateways: true}}
virtual_network_gateways:
  vpn: {type: Vpn, virtual_network: hub, active_active: true, addresses: [10.0.1.4, 10.0.1.5]}
vpn_connections:
  - {gateway: vpn, to: store, bgp: false}
on_premises:
  store: {prefixes: [172.16.5.0/24], address: 172.16.5.1, hosts: {till: 172.16.5.10}}
network_virtual_appliances:
  nva: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true}
virtual_machines:
  vm: {subnet: hub/vm, address: 10.0.3.4}
  spoke-vm: {subnet: spoke/vm, address: 10.1.1.4}
route_tables:
  gateway: {routes: []}
  spoke: {routes: []}
"""
INSPECT = {"gateway": {"routes": [{"prefix": "10.1.0.0/16", "next_hop_type": "VirtualAppliance", "next_hop": "nva"}]}}


def site(**patch: object) -> Run:
    run = dualhome.parse(SITE).simulate()
    if patch:
        run.change(patch)
        run.settle()
    return run


@pytest.mark.rules("R34", "R49", "R51")
def test_static_prefixes_of_a_connection_are_programmed_here_and_in_the_transit_spoke() -> None:
    """R34, R49, R51."""
    for nic in ("vm", "spoke-vm"):
        assert listed(site(), nic, "172.16.5.0/24") == ["VirtualNetworkGateway Active VirtualNetworkGateway 10.0.1.4 10.0.1.5"]
    assert ways(site(), "spoke-vm", "till") == [
        "spoke-vm > vpn#0 > store: delivered at store",
        "spoke-vm > vpn#1 > store: delivered at store",
    ]


@pytest.mark.rules("R38")
def test_a_gateways_traffic_needs_no_forwarded_flag() -> None:
    """R38: both directions of this peering have it off."""
    assert ways(site(), "till", "spoke-vm") == [
        "store > vpn#0 > spoke-vm: delivered at spoke-vm",
        "store > vpn#1 > spoke-vm: delivered at spoke-vm",
    ]


@pytest.mark.rules("R37")
def test_a_route_of_the_gateway_subnet_turns_the_bypass_into_inspection() -> None:
    """R169; what the NVA forwards then needs the spoke's flag (R37), and the answers go past it."""
    run = site(route_tables=INSPECT)
    assert ways(run, "till", "spoke-vm") == [
        "store > vpn#0 > nva > spoke-vm: forwarded-traffic at spoke-vm",
        "store > vpn#1 > nva > spoke-vm: forwarded-traffic at spoke-vm",
    ]
    run = site(route_tables=INSPECT, peerings={"spoke->hub": {"allow_forwarded_traffic": True}})
    assert ways(run, "till", "spoke-vm") == [
        "store > vpn#0 > nva > spoke-vm: delivered at spoke-vm",
        "store > vpn#1 > nva > spoke-vm: delivered at spoke-vm",
    ]
    assert back(run, "till", "spoke-vm") == ["spoke-vm > vpn#0 > store: delivered at store", "spoke-vm > vpn#1 > store: delivered at store"]


@pytest.mark.rules("R66")
def test_without_ip_forwarding_the_inspecting_nva_drops() -> None:
    """R66."""
    run = site(route_tables=INSPECT, network_virtual_appliances={"nva": {"ip_forwarding": False}})
    assert ways(run, "till", "spoke-vm") == ["store > vpn#0 > nva: ip-forwarding at nva", "store > vpn#1 > nva: ip-forwarding at nva"]


def test_a_dead_instance_is_gone_from_both_directions() -> None:
    run = site()
    run.fail("vpn#0")
    run.settle()
    assert listed(run, "vm", "172.16.5.0/24") == ["VirtualNetworkGateway Active VirtualNetworkGateway 10.0.1.5"]
    assert ways(run, "vm", "till") == ["vm > vpn#1 > store: delivered at store"]
    assert ways(run, "till", "vm") == ["store > vpn#1 > vm: delivered at vm"]


def test_a_site_router_translates_toward_the_prefixes_that_it_lists() -> None:
    """Section 1 of the format: `translates` holds on-premises too; the answer is translated back."""
    run = site(on_premises={"store": {"translates": ["10.1.0.0/16"]}})
    (first, _) = run.paths("till", "spoke-vm")
    assert str(first.source) == "172.16.5.1"
    assert [(node, str(to), str(before)) for node, to, before in first.translated] == [("store", "172.16.5.1", "172.16.5.10")]
    assert {reply.end for _, replies in run.trace("till", "spoke-vm") for reply in replies} == {"till"}
    assert [str(path.source) for path in run.paths("till", "vm")] == ["172.16.5.10"] * 2


@pytest.mark.rules("R52")
def test_a_user_defined_route_to_the_gateway() -> None:
    """R52: to the VPN gateway, of the hub for a transit spoke; the prefix lies behind nothing it knows."""
    run = site(route_tables={"spoke": {"routes": [{"prefix": "172.16.5.0/25", "next_hop_type": "VirtualNetworkGateway"}]}})
    assert ways(run, "spoke-vm", "till") == ["spoke-vm > vpn#0 > store: delivered at store", "spoke-vm > vpn#1 > store: delivered at store"]


# --- ExpressRoute ---------------------------------------------------------------------------------------------------------

CIRCUIT = """
version: 1
name: circuit
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {GatewaySubnet: {prefix: 10.0.1.0/27, route_table: inspect}, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
virtual_network_gateways:
  er: {type: ExpressRoute, virtual_network: hub}
expressroute_circuits:
  circuit: {gateways: [{gateway: er}], provider_edge: [dc], link_subnets: [192.168.255.0/30, 192.168.255.4/30]}
on_premises:
  dc: {asn: 65010, prefixes: [192.168.0.0/24], hosts: {dc-host: 192.168.0.10}}
network_virtual_appliances:
  nva: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true}
virtual_machines:
  vm: {subnet: hub/vm, address: 10.0.3.4}
route_tables:
  inspect: {routes: [{prefix: 10.0.3.0/24, next_hop_type: VirtualAppliance, next_hop: nva}]}
"""


@pytest.mark.rules("R51")
def test_fast_path_passes_the_gateway_and_its_route_table_by() -> None:
    """R147; NICs list Microsoft's edge either way (R51)."""
    run = dualhome.parse(CIRCUIT).simulate()
    assert listed(run, "vm", "192.168.0.0/24") == ["VirtualNetworkGateway Active VirtualNetworkGateway 192.168.255.2 192.168.255.6"]
    assert ways(run, "dc-host", "vm") == [
        f"dc > circuit#{edge} > er#{instance} > nva > vm: delivered at vm" for edge in (0, 1) for instance in (0, 1)
    ]
    run.change({"expressroute_circuits": {"circuit": {"gateways": [{"gateway": "er", "fast_path": True}]}}})
    run.settle()
    assert ways(run, "dc-host", "vm") == [f"dc > circuit#{edge} > vm: delivered at vm" for edge in (0, 1)]
    assert ways(run, "vm", "dc-host") == [f"vm > circuit#{edge} > dc: delivered at dc" for edge in (0, 1)]


def test_a_machine_that_is_not_there() -> None:
    run = dualhome.parse(CIRCUIT).simulate()
    assert {each.split(": ")[1] for each in ways(run, "dc-host", "10.0.9.9")} == {"no-route at er#0", "no-route at er#1"}


# --- NVAs and a route server ----------------------------------------------------------------------------------------------

DEFAULT = """
version: 1
name: default
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, nva: {prefix: 10.0.2.0/24, route_table: nva}, vm: 10.0.3.0/24}}
route_servers:
  rs: {virtual_network: hub, peers: [nva1, nva2]}
network_virtual_appliances:
  nva1: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001, originates: [0.0.0.0/0, 172.30.0.9/32], hosts: {app: 172.30.0.9}}
  nva2: {subnet: hub/nva, address: 10.0.2.5, ip_forwarding: true, asn: 65002, originates: [172.30.0.9/32], prepend: {rs: 1}, hosts: {app: 172.30.0.9}}
virtual_machines:
  vm: {subnet: hub/vm, address: 10.0.3.4}
route_tables:
  nva: {routes: []}
"""
OUT = {"nva": {"routes": [{"prefix": "0.0.0.0/0", "next_hop_type": "Internet"}]}}


@pytest.mark.rules("R67")
def test_the_default_of_an_nva_comes_back_to_itself_until_its_subnet_says_otherwise() -> None:
    """R67, R177; who doesn't translate hears no answer."""
    run = dualhome.parse(DEFAULT).simulate()
    assert ways(run, "vm", "internet") == ["vm > nva1 > nva1: loop at nva1"]
    run.change({"route_tables": OUT})
    assert ways(run, "vm", "internet") == ["vm > nva1 > internet: delivered at internet"]
    assert back(run, "vm", "internet") == ["internet: no-route at internet"]
    run.change({"network_virtual_appliances": {"nva1": {"translates": "internet"}}})
    run.settle()
    assert back(run, "vm", "internet") == ["internet > nva1 > nva1 > vm: delivered at vm"]


@pytest.mark.parametrize(("dead", "at"), [(None, "nva1"), ("nva1", "nva2")])
def test_anycast_ends_at_whoever_is_nearer_and_alive(dead: str | None, at: str) -> None:
    """R183: one address behind two, the prepending one is the backup."""
    run = dualhome.parse(DEFAULT).simulate(fail=[dead] if dead else [])
    assert ways(run, "vm", "app") == [f"vm > {at}: delivered at {at}"]
    assert [path.end for path in run.paths("vm", "app")] == ["app"]


def test_route_server_answers_a_machine_too() -> None:
    """R82."""
    assert ways(dualhome.parse(DEFAULT).simulate(), "vm", "10.0.0.5") == ["vm > rs#1: delivered at rs#1"]


# --- IPv6 -----------------------------------------------------------------------------------------------------------------

SIX = """
version: 1
name: six
virtual_networks:
  a: {address_space: ["fd00:a::/48", 10.1.0.0/16], subnets: {vm: "fd00:a:0:1::/64"}}
  b: {address_space: ["fd00:b::/48", 10.2.0.0/16], subnets: {vm: "fd00:b:0:1::/64"}}
  c: {address_space: ["fd00:c::/48"], subnets: {vm: "fd00:c:0:1::/64"}}
peerings: [{between: [a, b]}, {between: [b, c]}]
virtual_machines:
  a-vm: {subnet: a/vm, address: "fd00:a:0:1::10"}
  b-vm: {subnet: b/vm, address: "fd00:b:0:1::10"}
  c-vm: {subnet: c/vm, address: "fd00:c:0:1::10"}
"""


@pytest.mark.rules("R23", "R45", "R48")
def test_ipv6_ranges_have_the_same_rules() -> None:
    """R23, R45, R48: own, peered, the Internet; private ones have no None rows but are unknown to the Internet."""
    run = dualhome.parse(SIX).simulate()
    assert listed(run, "a-vm", "fd00:a::/48") == ["Default Active VnetLocal"]
    assert listed(run, "a-vm", "fd00:b::/48") == ["Default Active VNetPeering"]
    assert listed(run, "a-vm", "::/0") == ["Default Active Internet"]
    assert ways(run, "a-vm", "b-vm") == ["a-vm > b-vm: delivered at b-vm"]
    assert ways(run, "a-vm", "c-vm") == ["a-vm: no-route at a-vm"]
    assert ways(run, "a-vm", "2001:4860::8888") == ["a-vm > internet: delivered at internet"]
