"""Group 6: which way to a prefix that ExpressRoute, a VPN gateway and an NVA offer: R110's three examples, under each preference, and ties (D12).

dc1 AS65001 ── circuit ── er ─┐
dc2 AS65002 ── vpn ───────────┼── rs ── vm
                         nva ─┘
"""

from __future__ import annotations

import pytest

from dualhome.app import Run
from tests.rules.asking import row, settled

NETWORK = """
version: 1
name: preference
virtual_networks:
  hub: {address_space: [10.100.0.0/16], subnets: {RouteServerSubnet: 10.100.0.0/26, GatewaySubnet: 10.100.1.0/26, nva: 10.100.2.0/24, vm: 10.100.3.0/24}}
route_servers: {rs: {virtual_network: hub, branch_to_branch: true, routing_preference: PREFERENCE, peers: [nva]}}
network_virtual_appliances: {nva: {subnet: hub/nva, address: 10.100.2.4, ip_forwarding: true, asn: 65003, originates: [BY_NVA]}}
virtual_network_gateways:
  er: {type: ExpressRoute, virtual_network: hub}
  vpn: {type: Vpn, virtual_network: hub, active_active: true}
expressroute_circuits: {circuit: {gateways: [er], provider_edge: [dc1]}}
vpn_connections: [{gateway: vpn, to: dc2}]
on_premises:
  dc1: {asn: 65001, originates: [BY_ER]}
  dc2: {asn: 65002, originates: [BY_VPN]}
virtual_machines: {vm: {subnet: hub/vm}}
"""
EDGES = "169.254.0.2 169.254.0.6"
ENDS = {"ER": EDGES, "VPN": "10.100.1.6 10.100.1.7", "NVA": "10.100.2.4"}
PREFERENCES = ("ExpressRoute", "VpnGateway", "ASPath")


def network(preference: str, *, er: str = "", vpn: str = "", nva: str = "", more: str = "") -> Run:
    """`10.1.0.0/16 65001`: the prefix and what lies beyond whoever announces it."""
    text = NETWORK.replace("PREFERENCE", preference)
    for word, said in (("BY_ER", er), ("BY_VPN", vpn), ("BY_NVA", nva)):
        prefix, _, path = said.partition(" ")
        text = text.replace(word, f"{{prefix: {prefix}, as_path: {path}}}" if path else prefix)
    return settled(text + more)


def way(run: Run, prefix: str) -> str:
    """Where a machine's route to the prefix leads."""
    hops = " ".join(row(run, "vm", prefix)[0].split()[3:])
    return " ".join(name for name, addresses in ENDS.items() if addresses in hops)


OTHERS = pytest.mark.parametrize("other", ["vpn", "nva"])


@OTHERS
@pytest.mark.rules("R107", "R110", "R112")
@pytest.mark.parametrize(("preference", "chosen"), [("ExpressRoute", "ER"), ("VpnGateway", "other"), ("ASPath", "other")])
def test_one_prefix_by_both(preference: str, chosen: str, other: str) -> None:
    """10.1.0.0/16 by ExpressRoute (12076 65001) and by the other (one ASN less)."""
    run = network(preference, er="10.1.0.0/16", **{other: "10.1.0.0/16"})
    assert way(run, "10.1.0.0/16") == (other.upper() if chosen == "other" else chosen)


@OTHERS
@pytest.mark.rules("R107", "R110")
@pytest.mark.parametrize("preference", PREFERENCES)
def test_the_longer_prefix_wins_under_any_preference(preference: str, other: str) -> None:
    """A /16 by ExpressRoute, a /24 of it by the other: each is programmed, and the machine's longest match decides."""
    run = network(preference, er="10.1.0.0/16", **{other: "10.1.1.0/24"})
    assert way(run, "10.1.0.0/16") == "ER"
    assert way(run, "10.1.1.0/24") == other.upper()
    hop = next(path for path in run.paths("vm", "10.1.1.9"))
    assert any(each.name.startswith(other) for each in hop.hops)


@OTHERS
@pytest.mark.rules("R107", "R110")
def test_the_shorter_path_wins_under_aspath(other: str) -> None:
    """ExpressRoute 65001 65002 against the other's 65003, and the other way round."""
    assert way(network("ASPath", er="10.1.0.0/16 65002", **{other: "10.1.0.0/16"}), "10.1.0.0/16") == other.upper()
    assert way(network("ASPath", er="10.1.0.0/16", **{other: "10.1.0.0/16 65007 65008 65009"}), "10.1.0.0/16") == "ER"


@OTHERS
@pytest.mark.rules("R107")
def test_of_equal_paths_under_aspath_expressroute_wins(other: str) -> None:
    """D12: 12076 65001 against two ASNs of the other."""
    assert way(network("ASPath", er="10.1.0.0/16", **{other: "10.1.0.0/16 65009"}), "10.1.0.0/16") == "ER"


@pytest.mark.rules("R106", "R108")
@pytest.mark.parametrize("preference", PREFERENCES)
@pytest.mark.parametrize(("vpn", "nva", "chosen"), [("65009", "", "NVA"), ("", "65009", "VPN"), ("", "", "VPN NVA")])
def test_between_vpn_and_nva_the_shorter_path_decides_and_a_tie_is_shared(preference: str, vpn: str, nva: str, chosen: str) -> None:
    """Whatever the preference: that isn't configurable."""
    run = network(preference, vpn=f"10.1.0.0/16 {vpn}".strip(), nva=f"10.1.0.0/16 {nva}".strip(), er="10.2.0.0/16")
    assert way(run, "10.1.0.0/16") == chosen


@pytest.mark.rules("R109")
def test_a_static_prefix_of_a_vpn_connection_is_of_class_vpn_with_an_empty_path() -> None:
    """So it beats every NVA's, and ExpressRoute's where the preference isn't for that."""
    static = NETWORK.replace("[{gateway: vpn, to: dc2}]", "[{gateway: vpn, to: dc2, bgp: false, prefixes: [10.1.0.0/16]}]").replace(
        "dc2: {asn: 65002, originates: [BY_VPN]}", "dc2: {prefixes: [10.1.0.0/16]}"
    )
    static = static.replace("branch_to_branch: true", "branch_to_branch: false")  # else the edge hears of it and prefers that to dc1
    for preference, chosen in (("ExpressRoute", "ER"), ("VpnGateway", "VPN"), ("ASPath", "VPN")):
        text = static.replace("PREFERENCE", preference).replace("BY_ER", "10.1.0.0/16").replace("BY_NVA", "10.1.0.0/16")
        assert way(settled(text), "10.1.0.0/16") == chosen


@pytest.mark.rules("R112")
def test_expressroute_is_programmed_before_an_nva_even_without_branch_to_branch() -> None:
    run = network("ExpressRoute", er="10.1.0.0/16", nva="10.1.0.0/16")
    run.change({"route_servers": {"rs": {"branch_to_branch": False}}})
    run.settle(600)
    assert way(run, "10.1.0.0/16") == "ER"


@OTHERS
@pytest.mark.rules("R111")
def test_after_an_outage_of_expressroute_traffic_goes_back_to_it(other: str) -> None:
    """By default what is chosen hangs on the present alone (D14)."""
    run = network("ExpressRoute", er="10.1.0.0/16", **{other: "10.1.0.0/16"})
    run.fail("circuit")
    run.settle(600)
    assert way(run, "10.1.0.0/16") == other.upper()
    run.restore("circuit")
    run.settle(600)
    assert way(run, "10.1.0.0/16") == "ER"


@pytest.mark.rules("R113")
@pytest.mark.parametrize("told", ["med: 5", "local_preference: 900"])
def test_med_and_local_preference_of_nvas_mean_nothing_and_go_no_further(told: str) -> None:
    """Two NVAs of equal paths share the load whatever one of them says of itself."""
    two = NETWORK.replace("peers: [nva]", "peers: [nva, nva2]").replace(
        "network_virtual_appliances: {nva:",
        f"network_virtual_appliances: {{nva2: {{subnet: hub/nva, address: 10.100.2.5, asn: 65004, originates: [10.1.0.0/16], "
        f"export: {{rs: [{{actions: {{{told}}}}}]}}}}, nva:",
    )
    run = settled(
        two.replace("PREFERENCE", "ASPath")
        .replace("BY_ER", "10.2.0.0/16")
        .replace("BY_VPN", "10.3.0.0/16")
        .replace("BY_NVA", "10.1.0.0/16")
    )
    assert row(run, "vm", "10.1.0.0/16") == ["10.1.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.100.2.4 10.100.2.5"]
    assert {
        (r.med, r.local_preference)
        for session in ("nva/rs", "er/rs", "vpn/rs")
        for r in run.learned(session)
        if str(r.prefix) == "10.1.0.0/16"
    } == {(None, 100)}


@pytest.mark.rules("R114")
def test_beside_a_route_server_one_of_several_equal_circuits_is_used() -> None:
    """Without it both are."""
    text = NETWORK.replace(
        "expressroute_circuits: {circuit: {gateways: [er], provider_edge: [dc1]}}",
        "expressroute_circuits: {circuit: {gateways: [er], provider_edge: [dc1]}, second: {gateways: [er], provider_edge: [dc3]}}",
    ).replace("on_premises:", "on_premises:\n  dc3: {asn: 65001, originates: [BY_ER]}")
    for word, said in (("PREFERENCE", "ExpressRoute"), ("BY_ER", "10.1.0.0/16"), ("BY_VPN", "10.3.0.0/16"), ("BY_NVA", "10.4.0.0/16")):
        text = text.replace(word, said)
    run = settled(text)
    assert row(run, "vm", "10.1.0.0/16") == [f"10.1.0.0/16 VirtualNetworkGateway VirtualNetworkGateway {EDGES}"]
    run.change({"route_servers": {"rs": None}})
    run.settle(600)
    assert len(row(run, "vm", "10.1.0.0/16")[0].split()) == 3 + 4
