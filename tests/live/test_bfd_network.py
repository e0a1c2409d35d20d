"""BFD of a live network: what its process takes out of groups at once is put right when the network knows."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.live.running import brought_up

pytestmark = pytest.mark.live

NETWORK = """
version: 1
name: bfd-beside-user-routes
virtual_networks:
  spoke: {address_space: [10.10.0.0/16], subnets: {RouteServerSubnet: 10.10.0.0/26, by-bgp: 10.10.1.0/24}}
  other: {address_space: [10.11.0.0/16], subnets: {by-user: {prefix: 10.11.2.0/24, route_table: both}}}
  hub1: {address_space: [10.1.0.0/16], subnets: {nva: 10.1.2.0/24}}
  hub2: {address_space: [10.2.0.0/16], subnets: {nva: 10.2.2.0/24}}
peerings:
  - {between: [spoke, hub1], allow_forwarded_traffic: true}
  - {between: [spoke, hub2], allow_forwarded_traffic: true}
  - {between: [other, hub1], allow_forwarded_traffic: true}
  - {between: [other, hub2], allow_forwarded_traffic: true}
route_servers: {rs: {virtual_network: spoke, peers: [nva1, nva2], bfd: {interval_ms: 50, multiplier: 3}}}
network_virtual_appliances:
  nva1: {subnet: hub1/nva, asn: 65001, ip_forwarding: true, originates: [172.16.0.0/12]}
  nva2: {subnet: hub2/nva, asn: 65002, ip_forwarding: true, originates: [172.16.0.0/12]}
virtual_machines: {vm1: {subnet: spoke/by-bgp}, vm2: {subnet: other/by-user}}
route_tables: {both: {routes: [{prefix: 172.16.0.0/12, next_hop_type: VirtualApplianceEcmp, next_hops: [nva1, nva2]}]}}
"""


def test_groups_of_user_routes_are_as_they_shall_be_after_bfd_lost_an_appliance() -> None:
    with brought_up(NETWORK, "bfd", 1) as run:
        until(lambda: [*run.status()["bfd"].values()] == ["Up"] * 8)
        assert run.audit() == []
        run.fail("nva1", "silent")
        until(lambda: run.session_states("rs/nva1") and "Established" not in run.session_states("rs/nva1").values())
        until(lambda: run.audit() == [])
        run.restore("nva1")
        until(lambda: {*run.session_states("rs/nva1").values()} == {"Established"})
        until(lambda: run.audit() == [])


def until(holds: Callable[[], bool], limit_s: float = 60) -> None:
    """Wait for it."""
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            pytest.fail("it never came to that")
        time.sleep(0.05)
