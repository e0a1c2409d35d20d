"""Group 4: what a route server tells, by table 4.3: with and without branch-to-branch, with and without a transit pair.

dc ── circuit ── er ─┐                 ┌─ nva1 AS65001 (172.16.1.0/24), nva2 AS65002 (172.16.2.0/24): in the hub
branch ── vpn ───────┼─ rs 10.0.0.4/5 ─┤
                     │                 └─ far-nva AS65003 (172.16.3.0/24): in a peered network
       hub 10.0.0.0/16 ══ transit 10.1.0.0/16, plain 10.2.0.0/16, far 10.3.0.0/16
"""

from __future__ import annotations

import pytest

from dualhome.app import Run
from tests.rules.asking import communities, heard, learned, paths_of, row, settled, told

HUB = """
version: 1
name: hub
virtual_networks:
  hub:
    address_space: [10.0.0.0/16, 10.100.0.0/16]
    subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/26, nva: 10.0.2.0/24, vm: 10.0.3.0/24}
  transit: {address_space: [10.1.0.0/16], subnets: {vm: 10.1.1.0/24}}
  plain: {address_space: [10.2.0.0/16], subnets: {vm: 10.2.1.0/24}}
  far: {address_space: [10.3.0.0/16], subnets: {nva: 10.3.1.0/24}}
peerings:
  - {between: [hub, transit], hub->transit: {allow_gateway_transit: true}, transit->hub: {use_remote_gateways: TRANSIT}}
  - {between: [hub, plain]}
  - {between: [hub, far]}
route_servers: {rs: {virtual_network: hub, branch_to_branch: BRANCHES, peers: [nva1, nva2, far-nva]}}
network_virtual_appliances:
  nva1: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001, originates: [172.16.1.0/24]}
  nva2: {subnet: hub/nva, address: 10.0.2.5, ip_forwarding: true, asn: 65002, originates: [172.16.2.0/24]}
  far-nva: {subnet: far/nva, address: 10.3.1.4, ip_forwarding: true, asn: 65003, originates: [172.16.3.0/24]}
virtual_network_gateways:
  er: {type: ExpressRoute, virtual_network: hub}
  vpn: {type: Vpn, virtual_network: hub, active_active: true, asn: VPN_ASN}
expressroute_circuits: {circuit: {gateways: [er], provider_edge: [dc]}}
vpn_connections: [{gateway: vpn, to: branch}, {gateway: vpn, to: store, bgp: false}]
on_premises:
  dc: {asn: 65010, prefixes: [192.168.1.0/24]}
  branch: {asn: 65020, prefixes: [192.168.2.0/24]}
  store: {prefixes: [192.168.3.0/24]}
route_tables: {unused: {routes: [{prefix: 10.77.0.0/16, next_hop_type: VirtualAppliance, next_hop: 10.0.2.4}]}}
virtual_machines: {vm: {subnet: hub/vm}}
"""


def network(*, branches: bool, transit: bool = False, vpn_asn: int = 65515, text: str = HUB) -> Run:
    words = (("BRANCHES", str(branches).lower()), ("TRANSIT", str(transit).lower()), ("VPN_ASN", str(vpn_asn)))
    for word, value in words:
        text = text.replace(word, value)
    return settled(text)


OWN = {"10.0.0.0/16 65515", "10.100.0.0/16 65515"}
OF_TRANSIT = {"10.1.0.0/16 65515"}
OF_GATEWAYS = {"192.168.1.0/24 65515 12076 65010", "192.168.2.0/24 65515 65020", "192.168.3.0/24 65515"}


@pytest.mark.rules("R34", "R35", "R92", "R95", "R98", "R127")
@pytest.mark.parametrize("transit", [False, True])
@pytest.mark.parametrize("branches", [False, True])
def test_what_an_nva_is_told(branches: bool, transit: bool) -> None:
    """Each range of its network and of transit spokes, never of other spokes; gateways' with branch-to-branch on; no default, no user-defined route."""
    run = network(branches=branches, transit=transit)
    shared = OWN | (OF_TRANSIT if transit else set()) | (OF_GATEWAYS if branches else set())
    assert learned(run, "nva1/rs") == shared | {"172.16.2.0/24 65515 65002"}
    assert learned(run, "nva2/rs") == shared | {"172.16.1.0/24 65515 65001"}
    assert learned(run, "far-nva/rs") == shared, "what other NVAs tell stays within the hub (R92)"


@pytest.mark.rules("R95", "R127")
def test_routes_of_a_vpn_gateway_with_an_asn_of_its_own_have_that_in_their_path() -> None:
    assert {"192.168.2.0/24 65515 65050 65020", "192.168.3.0/24 65515 65050"} <= learned(network(branches=True, vpn_asn=65050), "nva1/rs")


@pytest.mark.rules("R92")
@pytest.mark.parametrize(("setting", "heard_by"), [("all", {"nva2", "far-nva"}), ("same-virtual-network", {"nva2"}), ("none", set())])
def test_whom_an_nvas_routes_are_told(setting: str, heard_by: set[str]) -> None:
    text = HUB.replace("virtual_network: hub, branch_to_branch", f"virtual_network: hub, reflect_between_nvas: {setting}, branch_to_branch")
    run = network(branches=False, text=text)
    assert {nva for nva in ("nva1", "nva2", "far-nva") if "172.16.1.0/24 65515 65001" in learned(run, f"{nva}/rs")} == heard_by
    assert ("172.16.3.0/24 65515 65003" in learned(run, "nva1/rs")) is (setting == "all")


@pytest.mark.rules("R91", "R50")
def test_the_next_hop_on_the_wire_is_the_instance_and_on_nics_the_nva() -> None:
    """Gateways of its ASN have the NVA's next hop; one with an ASN of its own has the instance's, as NVAs do."""
    run = network(branches=True)
    assert {each for each in heard(run, "nva2/rs#1") if each.startswith("172.16.1.")} == {"172.16.1.0/24 65515 65001 via 10.0.0.5"}
    assert {each for each in heard(run, "nva2/rs#0") if each.startswith("192.168.1.")} == {"192.168.1.0/24 65515 12076 65010 via 10.0.0.4"}
    for gateway in ("er", "vpn"):
        assert {each for each in told(run, f"rs#0/{gateway}") if each.startswith("172.16.1.")} == {"172.16.1.0/24 65001 via 10.0.2.4"}
        assert {each for each in told(run, f"rs#0/{gateway}") if each.startswith("10.0.")} == {"10.0.0.0/16  via 10.0.0.4"}
    assert {r.next_hop for r in run.table("rs#0") if str(r.prefix) == "172.16.1.0/24"} == {"10.0.2.4"}
    assert row(run, "vm", "172.16.1.0/24") == ["172.16.1.0/24 VirtualNetworkGateway VirtualNetworkGateway 10.0.2.4"]
    own_asn = network(branches=True, vpn_asn=65050)
    assert {each for each in told(own_asn, "rs#0/vpn") if each.startswith("172.16.1.")} == {"172.16.1.0/24 65515 65001 via 10.0.0.4"}


@pytest.mark.rules("R93", "R94")
def test_the_receivers_asn_is_not_looked_for_and_nobody_hears_himself() -> None:
    run = network(branches=True, text=HUB.replace("asn: 65002", "asn: 65001"))
    assert "172.16.1.0/24 65515 65001" in paths_of(run.advertised("rs/nva2"))
    assert {f"{r.prefix} {r.reason}" for r in run.rejected("nva2/rs")} == {"172.16.1.0/24 as-loop"}, "the receiver drops it"
    assert not any("172.16.1." in each for each in paths_of(run.advertised("rs/nva1")))


PATH = HUB.replace(
    "asn: 65001, originates: [172.16.1.0/24]",
    'asn: 65001, prepend: {rs: 2}, communities: {rs: ["65001:100", "12076:5001"]}, originates: [{prefix: 172.16.1.0/24, as_path: 64512 3356}]',
)


@pytest.mark.rules("R95")
def test_paths_and_communities_stay_as_they_are_and_branch_routes_are_tagged() -> None:
    """Private ASNs, copies and customers' communities; 65517:65517 on branches' routes, not on those of virtual networks."""
    run = network(branches=True, transit=True, text=PATH)
    for session in ("nva2/rs", "er/rs", "vpn/rs"):
        expected = (
            "172.16.1.0/24 65515 65001 65001 65001 64512 3356" if session == "nva2/rs" else "172.16.1.0/24 65001 65001 65001 64512 3356"
        )
        assert expected in learned(run, session)
        assert communities(run.learned(session), "172.16.1.0/24") == {"65001:100", "12076:5001", "65517:65517"}
    for prefix in ("192.168.1.0/24", "192.168.2.0/24", "192.168.3.0/24"):
        assert "65517:65517" in communities(run.learned("nva1/rs"), prefix)
    for prefix in ("10.0.0.0/16", "10.1.0.0/16"):
        assert "65517:65517" not in communities(run.learned("nva1/rs"), prefix)


def with_community(community: str) -> Run:
    text = HUB.replace("originates: [172.16.1.0/24]", f"communities: {{rs: [{community}]}}, originates: [172.16.1.0/24]")
    return network(branches=True, text=text)


@pytest.mark.rules("R96")
def test_no_advertise_is_programmed_and_told_to_nobody() -> None:
    run = with_community("no-advertise")
    assert row(run, "vm", "172.16.1.0/24") == ["172.16.1.0/24 VirtualNetworkGateway VirtualNetworkGateway 10.0.2.4"]
    for session in ("nva2/rs", "far-nva/rs", "er/rs", "vpn/rs"):
        assert not any(each.startswith("172.16.1.") for each in learned(run, session))


@pytest.mark.rules("R97")
def test_no_export_goes_to_gateways_of_the_same_asn_and_no_further() -> None:
    """RFC 1997. A gateway has it, and tells it neither to Microsoft's edge nor to its sites."""
    run = with_community("no-export")
    assert row(run, "vm", "172.16.1.0/24") == ["172.16.1.0/24 VirtualNetworkGateway VirtualNetworkGateway 10.0.2.4"]
    assert "172.16.1.0/24 65001" in learned(run, "er/rs")
    assert "172.16.1.0/24 65001" in learned(run, "vpn/rs")
    for session in ("nva2/rs", "circuit/er", "dc/circuit", "branch/vpn"):
        assert not any(each.startswith("172.16.1.") for each in learned(run, session))


@pytest.mark.rules("R98")
def test_nothing_is_summarized_or_left_out() -> None:
    """Halves of a range, and the range, all go through."""
    many = ["172.16.0.0/16", "172.16.0.0/17", "172.16.128.0/17", "172.16.1.0/24", "172.16.1.7/32"]
    run = network(branches=True, text=HUB.replace("originates: [172.16.1.0/24]", f"originates: [{', '.join(many)}]"))
    for session in ("nva2/rs", "er/rs", "vpn/rs"):
        assert {each.split()[0] for each in learned(run, session)} >= set(many)
