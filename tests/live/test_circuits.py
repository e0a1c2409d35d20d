"""Two circuits of one gateway, in real packets: nothing goes from one to the other, whatever routes lead there (R131)."""

from __future__ import annotations

import pytest

from tests.live.running import brought_up, reaches

pytestmark = [pytest.mark.live, pytest.mark.rules("R131")]

TWO = """
version: 1
name: circuits
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/26, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
route_servers: {rs: {virtual_network: hub, branch_to_branch: true, peers: [nva]}}
network_virtual_appliances: {nva: {subnet: hub/nva, ip_forwarding: true, asn: 65001, originates: [0.0.0.0/0]}}
virtual_network_gateways: {er: {type: ExpressRoute, virtual_network: hub}}
expressroute_circuits:
  c1: {gateways: [er], provider_edge: [dc1]}
  c2: {gateways: [er], provider_edge: [dc2]}
on_premises:
  dc1: {asn: 65010, prefixes: [192.168.1.0/24], hosts: {host1: 192.168.1.9}}
  dc2: {asn: 65020, prefixes: [192.168.2.0/24], hosts: {host2: 192.168.2.9}}
virtual_machines: {vm: {subnet: hub/vm, address: 10.0.3.9}}
"""


def test_nothing_goes_from_one_circuit_to_the_other_unless_global_reach_joins_them() -> None:
    with brought_up(TWO, "circuits") as live:
        assert {path.outcome for path in live.paths("host1", "host2")} == {"dropped"}
        assert [reaches(live, "host1", address) for address in ("10.0.3.9", "192.168.2.9")] == [True, False]
        assert [reaches(live, "vm", address) for address in ("192.168.1.9", "192.168.2.9")] == [True, True]
        live.change({"expressroute_circuits": {"c1": {"global_reach": ["c2"]}}})
        live.settle(600)
        assert {path.outcome for path in live.paths("host1", "host2")} == {"delivered"}
        assert reaches(live, "host1", "192.168.2.9")
        assert live.audit() == []
