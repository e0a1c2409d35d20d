"""Group 5: loops. A route server drops every path with 65515 in it; what that needs on an NVA, and what it costs to do it carelessly.

remote AS65010 ─tunnel─ nva AS65001 ── rs ── vm
"""

from __future__ import annotations

import pytest

from dualhome.app import Run
from tests.rules.asking import learned, refused, row, settled, told

NVA = """
version: 1
name: loops
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
route_servers: {rs: {virtual_network: hub, peers: [nva]MAPS}}
network_virtual_appliances:
  nva: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001, originates: [{prefix: 172.16.0.0/16, as_path: PATH}]MORE}
virtual_machines: {vm: {subnet: hub/vm}}
"""


def network(path: str, more: str = "", maps: str = "", tail: str = "") -> Run:
    return settled(NVA.replace("PATH", path).replace("MORE", more).replace("MAPS", maps) + tail)


@pytest.mark.rules("R99")
@pytest.mark.parametrize("path", ["65515", "65515 65010", "12076 65515 65010", "12076 65010 65515", "65515 65515"])
def test_a_path_with_65515_anywhere_is_dropped(path: str) -> None:
    """First (behind the NVA's own ASN), in the middle or last: not held, not programmed, not passed on."""
    run = network(path)
    assert "172.16.0.0/16 as-loop" in refused(run, "rs/nva")
    assert learned(run, "rs/nva") == set()
    assert row(run, "vm", "172.16.0.0/16") == []


@pytest.mark.rules("R99")
@pytest.mark.parametrize("path", ["12076 65010", "65514 65516"])
def test_any_other_path_is_taken(path: str) -> None:
    assert learned(network(path), "rs/nva") == {f"172.16.0.0/16 65001 {path}"}


@pytest.mark.rules("R100")
def test_an_inbound_route_map_cannot_rescue_it() -> None:
    """It would clear the path, but the check comes first."""
    maps = "route_maps: {clear: [{actions: {as_path: {replace: []}}}]}\n"
    run = network("65515", maps=", route_maps: {inbound: {nva: clear}}", tail=maps)
    assert "172.16.0.0/16 as-loop" in refused(run, "rs/nva")
    assert row(run, "vm", "172.16.0.0/16") == []
    rescued = network("65010", maps=", route_maps: {inbound: {nva: clear}}", tail=maps)
    assert {r.as_path for r in rescued.table("rs#0") if str(r.prefix) == "172.16.0.0/16"} == {""}


@pytest.mark.rules("R101")
@pytest.mark.parametrize(
    ("technique", "path"),
    [
        (", as_override: true", "65001 65001 12076 65010"),
        (", as_strip: true", "65001 12076 65010"),
        (", as_override: [rs]", "65001 65001 12076 65010"),
    ],
)
def test_as_override_keeps_the_length_and_stripping_shortens(technique: str, path: str) -> None:
    run = network("65515 12076 65010", technique)
    assert learned(run, "rs/nva") == {f"172.16.0.0/16 {path}"}
    assert {r.as_path for r in run.advertised("nva/rs")} >= {path}


TWO = """
version: 1
name: two-techniques
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
route_servers: {rs: {virtual_network: hub, peers: [nva1, nva2]}}
network_virtual_appliances:
  nva1: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001, FIRST: true, originates: [{prefix: 172.16.0.0/16, as_path: 65515 12076}]}
  nva2: {subnet: hub/nva, address: 10.0.2.5, ip_forwarding: true, asn: 65002, SECOND: true, originates: [{prefix: 172.16.0.0/16, as_path: 65515 12076}]}
virtual_machines: {vm: {subnet: hub/vm}}
"""


@pytest.mark.rules("R101", "R106")
@pytest.mark.parametrize(
    ("first", "second", "by"),
    [
        ("as_override", "as_override", "10.0.2.4 10.0.2.5"),
        ("as_strip", "as_strip", "10.0.2.4 10.0.2.5"),
        ("as_strip", "as_override", "10.0.2.4"),
        ("as_override", "as_strip", "10.0.2.5"),
    ],
)
def test_two_nvas_that_mix_techniques_are_active_and_passive(first: str, second: str, by: str) -> None:
    run = settled(TWO.replace("FIRST", first).replace("SECOND", second))
    assert row(run, "vm", "172.16.0.0/16") == [f"172.16.0.0/16 VirtualNetworkGateway VirtualNetworkGateway {by}"]


BOOMERANG = """
version: 1
name: boomerang
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/27, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
route_servers: {rs: {virtual_network: hub, branch_to_branch: true, peers: [nva]}}
network_virtual_appliances:
  nva: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001MORE}
virtual_network_gateways: {er: {type: ExpressRoute, virtual_network: hub}}
expressroute_circuits: {circuit: {gateways: [er], provider_edge: [dc]}}
on_premises: {dc: {asn: 65010, prefixes: [192.168.0.0/16]}}
virtual_machines: {vm: {subnet: hub/vm}}
"""


def came_back(run: Run) -> set[str]:
    """Instances that hold the route of ExpressRoute from the NVA."""
    return {instance for instance in ("rs#0", "rs#1") if any(each.startswith("192.168.") for each in learned(run, f"{instance}/nva"))}


@pytest.mark.rules("R99", "R102", "R103")
def test_an_nva_that_tells_a_route_server_what_it_heard_of_it_is_a_loop_that_65515_ends() -> None:
    run = settled(BOOMERANG.replace("MORE", ""))
    assert came_back(run) == set()
    assert {each for each in refused(run, "rs/nva") if each.startswith("192.168.")} == {"192.168.0.0/16 as-loop"}


@pytest.mark.rules("R102", "R103")
@pytest.mark.parametrize("technique", ["as_override", "as_strip"])
def test_the_boomerang_once_the_nva_takes_65515_out_one_instance_has_the_routes_of_the_other_back(technique: str) -> None:
    """The NVA tells its best route to the instance that it didn't hear it from: the only guard is gone. A filter on what it tells is the remedy."""
    run = settled(BOOMERANG.replace("MORE", f", {technique}: true"))
    assert came_back(run) == {"rs#1"}
    assert "L-013" in {finding.code for finding in run.check()}
    filtered = settled(
        BOOMERANG.replace("MORE", f", {technique}: true, export: {{rs: [{{match: {{learned_from: [rs]}}, actions: {{prefix: drop}}}}]}}")
    )
    assert came_back(filtered) == set()
    assert not any(each.startswith("192.168.") for each in told(filtered, "nva/rs"))
