"""Azure's words become sessions and policies; each test names its rule."""

from __future__ import annotations

import pytest

from dualhome.bgp.policy import Policy
from dualhome.model import Network
from dualhome.net import Prefix
from dualhome.plan import Carrier, Plan, make_plan
from dualhome.topology import parse

HUB = """
version: 1
name: hub
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/27, nva: 10.0.2.0/24}}
  spoke: {address_space: [10.1.0.0/16]}
  plain: {address_space: [10.2.0.0/16]}
peerings:
  - {between: [hub, spoke], hub->spoke: {allow_gateway_transit: true}, spoke->hub: {use_remote_gateways: true}}
  - {between: [hub, plain]}
route_servers:
  rs: {virtual_network: hub, branch_to_branch: BRANCH, peers: [nva, {name: half, instances: [0]}]}
network_virtual_appliances:
  nva: {subnet: hub/nva, ip_forwarding: true, asn: 65001, as_override: true, prepend: {rs: 2}}
  half: {subnet: hub/nva, ip_forwarding: true, asn: 65002, multihop: false, as_strip: [rs]}
virtual_network_gateways:
  er: {type: ExpressRoute, virtual_network: hub}
  vpn: {type: Vpn, virtual_network: hub}
expressroute_circuits:
  circuit: {gateways: [{gateway: er, routing_weight: 10}], provider_edge: [dc]}
vpn_connections:
  - {gateway: vpn, to: branch}
  - {gateway: vpn, to: store}
on_premises:
  dc: {asn: 65010, prefixes: [192.168.0.0/16]}
  branch: {asn: 65020, prefixes: [172.16.4.0/24]}
  store: {prefixes: [172.16.5.0/24]}
"""


def hub(branch_to_branch: bool = True) -> tuple[Network, Plan]:
    network = parse(HUB.replace("BRANCH", str(branch_to_branch).lower())).network
    return network, make_plan(network)


def names(stages: tuple[Policy, ...]) -> list[str]:
    return [term.name for stage in stages for term in stage]


@pytest.mark.rules("R73")
def test_an_nva_peers_with_the_instances_that_are_named() -> None:
    """R73, R76."""
    _, plan = hub()
    assert list(plan.speakers["nva"].config.peers) == ["rs#0", "rs#1"]
    assert list(plan.speakers["half"].config.peers) == ["rs#0"]
    assert {s.carrier for s in plan.sessions if "nva" in s.ends} == {Carrier.NETWORK}


@pytest.mark.rules("R128", "R129")
def test_route_server_and_gateways_exchange_of_themselves() -> None:
    """R128, R129: one session for each pair of instances; the idle instance of a VPN gateway waits."""
    _, plan = hub()
    peers = plan.speakers["rs#1"].config.peers
    assert [n for n in peers if n.startswith(("er", "vpn"))] == ["er#0", "er#1", "vpn#0", "vpn#1"]
    assert [peers[n].enabled for n in ("er#0", "er#1", "vpn#0", "vpn#1")] == [True, True, True, False]
    assert not peers["er#0"].policy.ebgp
    assert peers["er#0"].policy.reflector_client


@pytest.mark.rules("R34", "R36")
def test_a_route_server_originates_its_space_and_that_of_transit_spokes() -> None:
    """R34, R35: a plain peering adds nothing."""
    _, plan = hub()
    origins = plan.speakers["rs#0"].config.origins
    assert [str(p) for p in origins] == ["10.0.0.0/16", "10.1.0.0/16"]
    assert origins[Prefix.parse("10.1.0.0/16")].communities == ("65518:65518",)
    assert str(origins[Prefix.parse("10.0.0.0/16")].next_hop) == "10.0.0.4"


@pytest.mark.rules("R59", "R105", "R150")
def test_own_space_is_refused_from_nvas_and_sites() -> None:
    """R59, R150."""
    _, plan = hub()
    for speaker, peer in (("rs#0", "nva"), ("vpn#0", "branch"), ("er#0", "circuit#0")):
        check = next(t for t in plan.speakers[speaker].config.peers[peer].policy.checks if t.name == "own-prefix")
        assert check.match == {"prefix_within": ["10.0.0.0/16", "10.1.0.0/16"]}
        assert check.reason == "own-prefix"


@pytest.mark.rules("R127")
def test_branch_to_branch_off_keeps_gateways_routes_from_nvas() -> None:
    """R127."""
    _, on = hub(True)
    _, off = hub(False)
    term = "branch-to-branch is off"
    assert term not in names(on.speakers["rs#0"].config.peers["nva"].policy.export)
    assert term in names(off.speakers["rs#0"].config.peers["nva"].policy.export)
    assert term in names(off.speakers["rs#0"].config.peers["er#0"].policy.export)


def test_a_gateway_beside_a_route_server_refuses_branch_routes_of_others() -> None:
    """R135, R145."""
    _, plan = hub()
    reasons = [t.reason for t in plan.speakers["er#1"].config.peers["circuit#1"].policy.checks]
    assert reasons == ["own-prefix", "branch-tag", "remote-virtual-network"]


def test_weights_prefer_the_circuit_over_the_route_server() -> None:
    """R137, R146."""
    _, plan = hub()
    peers = plan.speakers["er#0"].config.peers
    assert peers["circuit#0"].policy.weight == 32779
    assert peers["rs#0"].policy.weight == 32768


def test_the_edge_overrides_azures_asn_and_strips_private_ones() -> None:
    """R143, R134."""
    _, plan = hub()
    peers = plan.speakers["circuit#0"].config.peers
    assert names(peers["er#0"].policy.export) == ["as-override"]
    assert names(peers["dc"].policy.export) == ["remove-private-as"]
    assert peers["dc"].policy.allowas_in == 2


def test_a_vpn_gateway_knows_static_prefixes_and_never_tells_a_site_its_own() -> None:
    """R49, R151, R154."""
    _, plan = hub()
    origins = plan.speakers["vpn#0"].config.origins
    assert origins[Prefix.parse("172.16.5.0/24")].tags == ("self", "static", "static:store")
    assert "no default route" in names(plan.speakers["vpn#0"].config.peers["branch"].policy.export)
    assert "store" not in plan.speakers


@pytest.mark.rules("R101")
def test_what_an_nva_tells_a_route_server() -> None:
    """R101, R163: override or strip, then extra copies; without multihop what it hears is of no use (R74)."""
    _, plan = hub()
    finish = plan.speakers["nva"].config.peers["rs#0"].policy.export[1]
    assert [t.do[0] for t in finish] == [{"path_substitute": {"from": 65515, "to": 65001}}, {"prepend": [65001, 65001]}]
    half = plan.speakers["half"].config.peers["rs#0"].policy
    assert half.export[1][0].do == ({"path_remove": [65515]},)
    assert not half.usable
    assert plan.speakers["nva"].config.peers["rs#0"].policy.usable


@pytest.mark.rules("R92")
def test_a_route_server_reflects_within_its_own_network_only() -> None:
    """R92: the knob's default."""
    text = HUB.replace("BRANCH", "false").replace("  - {between: [hub, plain]}", "  - {between: [hub, plain]}")
    text = text.replace("plain: {address_space: [10.2.0.0/16]}", "plain: {address_space: [10.2.0.0/16], subnets: {nva: 10.2.0.0/24}}")
    text = text.replace("  nva: {subnet: hub/nva", "  far: {subnet: plain/nva, ip_forwarding: true, asn: 65003}\n  nva: {subnet: hub/nva")
    text = text.replace("peers: [nva,", "peers: [far, nva,")
    config = make_plan(parse(text).network).speakers["rs#0"].config
    to_far = next(t for t in config.peers["far"].policy.export[0] if t.name == "reflect_between_nvas")
    to_near = next(t for t in config.peers["nva"].policy.export[0] if t.name == "reflect_between_nvas")
    assert to_far.match == {"from": ["class:nva"]}
    assert to_near.match == {"from": ["far"]}


def test_summaries_replace_ranges() -> None:
    """R148: the hub's always, a spoke's where covered."""
    text = HUB.replace("BRANCH", "true").replace("hub: {address_space", "hub: {summarized_gateway_prefixes: [10.0.0.0/15], address_space")
    config = make_plan(parse(text).network).speakers["er#0"].config
    assert next(str(p) for p in config.origins) == "10.0.0.0/15"
    assert names(config.peers["circuit#0"].policy.export) == ["circuit to circuit", "the summary itself", "summarized", "summarized"]
