"""Clients that dial in at a VPN gateway (point-to-site), in real packets: the gateway answers for all of its pool."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import pytest

import dualhome
from dualhome.app import LiveRun, UpOptions
from dualhome.errors import RequestError
from dualhome.live import machine
from dualhome.live.place import Place

pytestmark = pytest.mark.live

CLIENTS = """
version: 1
name: clients
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/26, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
route_servers: {rs: {virtual_network: hub, branch_to_branch: true, peers: [nva]}}
network_virtual_appliances: {nva: {subnet: hub/nva, ip_forwarding: true, asn: 65001}}
virtual_network_gateways:
  er: {type: ExpressRoute, virtual_network: hub}
  vpn: {type: Vpn, virtual_network: hub, active_active: true, point_to_site: {address_pool: [172.31.0.0/24]}}
expressroute_circuits: {circuit: {gateways: [er], provider_edge: [dc]}}
vpn_connections: [{gateway: vpn, to: branch}]
on_premises:
  dc: {asn: 65010, prefixes: [192.168.1.0/24], hosts: {host: 192.168.1.9}}
  branch: {asn: 65020, prefixes: [192.168.2.0/24], hosts: {desk: 192.168.2.9}}
virtual_machines: {vm: {subnet: hub/vm}}
"""


@pytest.fixture(scope="module")
def live() -> Iterator[LiveRun]:
    if reason := "; ".join(machine.missing()):
        pytest.skip(reason)
    running = dualhome.parse(CLIENTS).up(f"clients-{os.getpid()}", UpOptions(speed=20, tunnels="plain"))
    try:
        running.settle(600)
        yield running
    finally:
        running.close()
        with suppress(RequestError):
            Place(running.place.name).clear()


def reaches(live: LiveRun, node: str, address: str) -> bool:
    words = ["nsenter", f"--net={live.nodes()[node]}", "--", "ping", "-n", "-c", "2", "-i", "0.05", "-W", "1", address]
    return subprocess.run(words, capture_output=True, timeout=30, check=False).returncode == 0


def test_machines_and_sites_reach_clients_and_expressroute_does_not(live: LiveRun) -> None:
    """D8."""
    assert [reaches(live, node, "172.31.0.77") for node in ("vm", "desk", "host")] == [True, True, False]
    assert {path.outcome for path in live.paths("vm", "172.31.0.77")} == {"delivered"}
    assert live.audit() == []


def test_another_pool_takes_the_old_ones_place(live: LiveRun) -> None:
    live.change({"virtual_network_gateways": {"vpn": {"point_to_site": {"address_pool": ["172.30.0.0/24"]}}}})
    live.settle(600)
    assert [reaches(live, "vm", address) for address in ("172.31.0.77", "172.30.0.77")] == [False, True]
    assert live.audit() == []
