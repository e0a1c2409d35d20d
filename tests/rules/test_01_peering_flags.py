"""Group 1: what the four flags of a peering do, in all sixteen combinations, beside a hub with a route server, with a gateway, and with neither.

nva2 ── (host behind) ─┐
vm in hub ─────────────┴── hub 10.0.0.0/16 ══ spoke 10.1.0.0/16 ── vm
site 192.168.0.0/16 ── VPN gateway, or nva ── route server
"""

from __future__ import annotations

import pytest

import dualhome
from dualhome.app import Run
from dualhome.errors import TopologyError
from tests.rules.asking import learned, rows, told, ways

HUB = """
version: 1
name: flags
virtual_networks:
  hub: {{address_space: [10.0.0.0/16], subnets: {{RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/27, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}}}
  spoke: {{address_space: [10.1.0.0/16], subnets: {{vm: 10.1.1.0/24}}}}
peerings:
  - between: [hub, spoke]
    allow_virtual_network_access: {access}
    allow_forwarded_traffic: {forwarded}
    hub->spoke: {{allow_gateway_transit: {transit}}}
    spoke->hub: {{use_remote_gateways: {remote}}}
network_virtual_appliances:
  nva: {{subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001, originates: [192.168.0.0/16]}}
  fw: {{subnet: hub/nva, address: 10.0.2.5, ip_forwarding: true, hosts: {{behind: 172.30.0.9}}}}
virtual_machines:
  hub-vm: {{subnet: hub/vm, address: 10.0.3.4}}
  vm: {{subnet: spoke/vm, address: 10.1.1.4}}
"""
BESIDE = {
    "route server": "route_servers: {rs: {virtual_network: hub, peers: [nva]}}",
    "gateway": """
virtual_network_gateways: {gw: {type: Vpn, virtual_network: hub}}
on_premises: {site: {asn: 65010, prefixes: [192.168.0.0/16], hosts: {dc: 192.168.0.9}}}
vpn_connections: [{gateway: gw, to: site}]
""",
    "none": "",
}

# access, forwarded, transit, remote gateways | what comes of it beside a route server | a gateway | neither.
# pair: the spoke's prefix is told (R34 a, b) and routes are programmed in the spoke (R34 c); direct: from VM to VM; forwarded: from behind an NVA;
# site: from behind the gateway, which needs no forwarded flag (R38).
TABLE = """
-      -         -       -      |                       |                            |
-      -         -       remote |                       |                            | refused
-      -         transit -      |                       |                            |
-      -         transit remote | pair                  | pair                       | refused
-      forwarded -       -      |                       |                            |
-      forwarded -       remote |                       |                            | refused
-      forwarded transit -      |                       |                            |
-      forwarded transit remote | pair                  | pair                       | refused
access -         -       -      | direct                | direct site                | direct
access -         -       remote | direct                | direct site                | refused
access -         transit -      | direct                | direct site                | direct
access -         transit remote | pair direct           | pair direct site           | refused
access forwarded -       -      | direct forwarded      | direct forwarded site      | direct forwarded
access forwarded -       remote | direct forwarded      | direct forwarded site      | refused
access forwarded transit -      | direct forwarded      | direct forwarded site      | direct forwarded
access forwarded transit remote | pair direct forwarded | pair direct forwarded site | refused
"""
FLAGS = ("access", "forwarded", "transit", "remote")
CELLS = [
    (beside, frozenset(flags.split()) - {"-"}, frozenset(outcome.split()))
    for flags, *outcomes in (line.split("|") for line in TABLE.strip().splitlines())
    for beside, outcome in zip(BESIDE, outcomes, strict=True)
]


def test_the_table_is_whole() -> None:
    assert len({(beside, flags) for beside, flags, _ in CELLS}) == 16 * 3


def text_of(beside: str, flags: frozenset[str]) -> str:
    return HUB.format(**{flag: "true" if flag in flags else "false" for flag in FLAGS}) + BESIDE[beside]


@pytest.mark.rules("R20", "R29", "R32", "R33", "R34", "R35", "R36", "R37", "R38", "R48", "R49")
@pytest.mark.parametrize(("beside", "flags", "outcome"), CELLS, ids=lambda each: each if isinstance(each, str) else " ".join(sorted(each)))
def test_what_comes_of_the_flags(beside: str, flags: frozenset[str], outcome: frozenset[str]) -> None:
    """Refused, with Azure's code; or a transit pair with all its effects; or a peering and nothing more."""
    if "refused" in outcome:
        with pytest.raises(TopologyError) as refused:
            dualhome.parse(text_of(beside, flags))
        (fault,) = refused.value.faults
        assert (
            "cannot have use_remote_gateways set to true, because 'hub' does not have any gateways (R32, RemoteVnetHasNoGateways)"
            in str(fault)
        )
        return
    run = dualhome.parse(text_of(beside, flags)).simulate()
    assert "10.0.0.0/16 VNetPeering" in rows(run, "vm"), "whatever the flags say"
    assert is_told(run, beside) is ("pair" in outcome), "the spoke's prefix, though nobody but its range speaks for it (R36)"
    assert is_programmed(run, beside) is ("pair" in outcome)
    assert arrives(run, "hub-vm", "vm") is ("direct" in outcome)
    assert arrives(run, "vm", "hub-vm") is ("direct" in outcome)
    assert arrives(run, "behind", "vm") is ("forwarded" in outcome)
    if beside == "gateway":
        run.change({"vpn_connections": {"gw<->site": {}}, "on_premises": {"site": {"static_routes": [TO_SPOKE]}}})
        assert arrives(run, "dc", "vm") is ("site" in outcome)


TO_SPOKE = {"prefix": "10.1.0.0/16", "to": "gw", "over": "tunnel"}  # the site needn't hear of the spoke to send there


def is_told(run: Run, beside: str) -> bool:
    """R34 a, b: the route server tells its NVAs of the spoke, the gateway its sites."""
    if beside == "route server":
        found = {each for each in told(run, "rs#0/nva") if each.startswith("10.1.0.0/16")}
        assert found <= {"10.1.0.0/16 65515 via 10.0.0.4"}
        return bool(found)
    if beside == "gateway":
        return "10.1.0.0/16 65515" in learned(run, "site/gw")
    return False


def is_programmed(run: Run, beside: str) -> bool:
    """R34 c: what the NVA told the route server, or the site the gateway, is in the spoke."""
    hop = {"route server": "10.0.2.4", "gateway": "10.0.1.4", "none": ""}[beside]
    found = [each for each in rows(run, "vm") if each.startswith("192.168.0.0/16 VirtualNetworkGateway")]
    assert found in ([], [f"192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway {hop}"])
    return bool(found)


def arrives(run: Run, source: str, destination: str) -> bool:
    found = ways(run, source, destination)
    dropped = {each for each in found if "dropped" in each}
    assert all(each.endswith(("virtual-network-access", "forwarded-traffic")) for each in dropped), found
    assert not dropped or dropped == found
    return not dropped


# --- refusals that hang on other things than these flags ----------------------------------------------------------------


def faults(text: str) -> list[str]:
    with pytest.raises(TopologyError) as refused:
        dualhome.parse(text)
    return [fault.message for fault in refused.value.faults]


TWO_HUBS = """
version: 1
name: two-hubs
virtual_networks:
  hub1: {address_space: [10.1.0.0/16], subnets: {GatewaySubnet: 10.1.1.0/27, RouteServerSubnet: 10.1.0.0/26}}
  hub2: {address_space: [10.2.0.0/16], subnets: {RouteServerSubnet: 10.2.0.0/26, GatewaySubnet: 10.2.1.0/27}}
  spoke: {address_space: [10.10.0.0/16], subnets: {RouteServerSubnet: 10.10.0.0/26, vm: 10.10.1.0/24, GatewaySubnet: 10.10.2.0/27}}
"""
TRANSIT = "{between: [%s, spoke], %s->spoke: {allow_gateway_transit: true}, spoke->%s: {use_remote_gateways: true}}"
BOTH = ", ".join(TRANSIT % (hub, hub, hub) for hub in ("hub1", "hub2"))


@pytest.mark.rules("R30", "R41")
def test_of_two_hubs_gateways_of_one_may_be_used() -> None:
    """The second one is refused and the first one named; any number may be peered without."""
    servers = "route_servers: {rs1: {virtual_network: hub1}, rs2: {virtual_network: hub2}}"
    (said,) = faults(f"{TWO_HUBS}{servers}\npeerings: [{BOTH}]")
    assert said == (
        "peering 'hub2<->spoke': 'spoke->hub2' cannot have use_remote_gateways set to true, because another peering 'spoke->hub1' already has it (R30)"
    )
    run = dualhome.parse(
        f"{TWO_HUBS}{servers}\nvirtual_machines: {{vm: {{subnet: spoke/vm}}}}\npeerings: [{TRANSIT % (('hub1',) * 3)}, {{between: [spoke, hub2]}}]"
    )
    assert {row for row in rows(run.simulate(), "vm") if "Peering" in row} == {"10.1.0.0/16 VNetPeering", "10.2.0.0/16 VNetPeering"}


@pytest.mark.rules("R31", "R42")
@pytest.mark.parametrize(
    "own",
    [
        "route_servers: {own: {virtual_network: spoke}, rs: {virtual_network: hub1}}",
        "virtual_network_gateways: {own: {type: Vpn, virtual_network: spoke}, gw: {type: ExpressRoute, virtual_network: hub1}}",
    ],
)
def test_who_has_a_gateway_or_route_server_cannot_use_remote_ones(own: str) -> None:
    (said,) = faults(f"{TWO_HUBS}{own}\npeerings: [{TRANSIT % (('hub1',) * 3)}]")
    assert said.endswith("'spoke->hub1' cannot have use_remote_gateways set to true, because 'spoke' has 'own' of its own (R31)")


@pytest.mark.rules("R32")
def test_an_empty_gateway_subnet_is_no_gateway() -> None:
    (said,) = faults(f"{TWO_HUBS}\npeerings: [{TRANSIT % (('hub1',) * 3)}]")
    assert "RemoteVnetHasNoGateways" in said


@pytest.mark.rules("R22")
def test_one_peering_per_remote_network() -> None:
    (said, *_) = faults(f"{TWO_HUBS}\npeerings: [{{from: hub1, to: spoke}}, {{from: spoke, to: hub1}}, {{from: hub1, to: spoke}}]")
    assert "AnotherPeeringAlreadyReferencesRemoteVnet" in said


@pytest.mark.rules("R27")
@pytest.mark.parametrize("key", ["peer_complete_virtual_networks: false", "local_subnets: [vm]", "remote_subnets: [vm]"])
def test_subnet_peering_is_refused(key: str) -> None:
    """It exists in Azure, and not in the format."""
    with pytest.raises(TopologyError) as refused:
        dualhome.parse(f"{TWO_HUBS}\npeerings: [{{between: [hub1, spoke], {key}}}]")
    (fault,) = refused.value.faults
    assert fault.message == f"peering 'hub1<->spoke': unknown key '{key.partition(':')[0]}'"
    assert "subnet peering is left out (R27)" in str(fault)


@pytest.mark.rules("R39")
def test_what_is_left_out_is_off_but_for_access() -> None:
    peering = dualhome.parse(f"{TWO_HUBS}\npeerings: [{{between: [hub1, spoke]}}]").network.peerings[0]
    flags = (
        peering.allow_virtual_network_access,
        peering.allow_forwarded_traffic,
        peering.allow_gateway_transit,
        peering.use_remote_gateways,
    )
    assert flags == (True, False, False, False)


# --- state, and what a peering never does -------------------------------------------------------------------------------


@pytest.mark.rules("R20", "R21")
def test_a_peering_is_connected_when_both_sides_are_there_and_carries_nothing_before() -> None:
    """Deleting one side stops routes and traffic of both."""
    text = text_of("route server", frozenset(FLAGS))
    run = dualhome.parse(text).simulate()
    states = [run.network.peering_state(peering) for peering in run.network.peerings]
    assert states == ["Connected", "Connected"]
    assert arrives(run, "hub-vm", "vm")
    run.change({"peerings": {"hub->spoke": None}})
    run.settle()
    assert [(each.name, run.network.peering_state(each)) for each in run.network.peerings] == [("spoke->hub", "Initiated")]
    assert not [row for row in rows(run, "vm") if "Peering" in row or "192.168.0.0/16 VirtualNetworkGateway" in row]
    assert not is_told(run, "route server")
    assert ways(run, "hub-vm", "vm") == {"dropped at hub-vm: no-route"}
    run.change({"peerings": {"hub->spoke": {"allow_gateway_transit": True}}})
    run.settle()
    assert is_told(run, "route server")


THREE = """
version: 1
name: three-in-a-row
virtual_networks:
  a: {address_space: [10.1.0.0/16], region: north, subnets: {vm: 10.1.1.0/24}}
  b: {address_space: [10.2.0.0/16], region: north, subnets: {vm: 10.2.1.0/24, RouteServerSubnet: 10.2.0.0/26}}
  c: {address_space: [10.3.0.0/16], region: south, subnets: {vm: 10.3.1.0/24, RouteServerSubnet: 10.3.0.0/26}}
route_servers: {rs: {virtual_network: b, peers: [nva]}, far: {virtual_network: c, peers: [far-nva]}}
network_virtual_appliances: {nva: {subnet: b/vm, asn: 65001}, far-nva: {subnet: c/vm, asn: 65002}}
virtual_machines: {a-vm: {subnet: a/vm}, b-vm: {subnet: b/vm}, c-vm: {subnet: c/vm}}
peerings:
  - {between: [a, b], allow_forwarded_traffic: true, b->a: {allow_gateway_transit: true}, a->b: {use_remote_gateways: true}}
"""
BESIDE_C = {"peerings": {"b<->c": {"allow_forwarded_traffic": True}}}


@pytest.mark.rules("R23", "R25", "R83")
def test_a_peering_of_two_hubs_adds_one_row_on_each_side_and_nothing_to_bgp() -> None:
    """Across regions it is a global one. Nothing of it is passed on: not to whom the hub is peered with, and not to route servers' peers."""
    run = dualhome.parse(THREE).simulate()
    before = {name: set(rows(run, name)) for name in ("a-vm", "b-vm", "c-vm")}
    said = told(run, "rs/nva"), told(run, "far/far-nva")
    run.change(BESIDE_C)
    run.settle()
    after = {name: set(rows(run, name)) for name in before}
    assert {name: after[name] - before[name] for name in after} == {
        "a-vm": set(),
        "b-vm": {"10.3.0.0/16 VNetGlobalPeering"},
        "c-vm": {"10.2.0.0/16 VNetGlobalPeering"},
    }
    assert (told(run, "rs/nva"), told(run, "far/far-nva")) == said
    assert ways(run, "a-vm", "c-vm") == {"dropped at a-vm: no-route"}
    assert ways(run, "b-vm", "c-vm") == {"c-vm"}


@pytest.mark.rules("R24")
def test_a_peering_goes_before_gateways() -> None:
    """Two hubs that hear of each other over VPN gateways send over their peering."""
    text = """
version: 1
name: two-gateways
virtual_networks:
  one: {address_space: [10.1.0.0/16], subnets: {GatewaySubnet: 10.1.1.0/27, vm: 10.1.2.0/24}}
  two: {address_space: [10.2.0.0/16], subnets: {GatewaySubnet: 10.2.1.0/27, vm: 10.2.2.0/24}}
virtual_network_gateways: {gw1: {type: Vpn, virtual_network: one, asn: 65101}, gw2: {type: Vpn, virtual_network: two, asn: 65102}}
vpn_connections: [{gateway: gw1, to: gw2}]
virtual_machines: {vm1: {subnet: one/vm}, vm2: {subnet: two/vm}}
"""
    run = dualhome.parse(text).simulate()
    assert ways(run, "vm1", "vm2") == {"gw1 > gw2 > vm2"}
    run.change({"peerings": {"one<->two": {}}})
    run.settle()
    assert ways(run, "vm1", "vm2") == {"vm2"}


@pytest.mark.rules("R26", "R34")
def test_a_transit_pair_works_across_regions() -> None:
    run = dualhome.parse(THREE.replace("region: north", "region: south", 1)).simulate()
    assert "10.1.0.0/16 65515" in learned(run, "nva/rs")


@pytest.mark.rules("R15")
@pytest.mark.parametrize(
    ("ranges", "code"),
    [
        (("10.1.0.0/16", "10.1.128.0/17", "10.3.0.0/16"), "VnetAddressSpacesOverlap"),
        (("10.1.0.0/16", "10.2.0.0/16", "10.1.0.0/24"), "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet"),
    ],
)
def test_peered_networks_do_not_overlap_nor_those_peered_with_the_same_one(ranges: tuple[str, str, str], code: str) -> None:
    a, b, c = ranges
    (said,) = faults(
        f"version: 1\nname: x\nvirtual_networks: {{a: {{address_space: [{a}]}}, b: {{address_space: [{b}]}}, c: {{address_space: [{c}]}}}}\n"
        "peerings: [{between: [a, b]}, {between: [b, c]}]"
    )
    assert code in said
