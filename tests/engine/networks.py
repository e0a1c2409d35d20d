"""Small networks whose parts the tests break."""

from __future__ import annotations

from typing import Any

import dualhome
from dualhome.app import Run

DUAL = """
version: 1
name: dual
virtual_networks:
  spoke: {address_space: [10.10.0.0/16], region: west, subnets: {RouteServerSubnet: 10.10.0.0/26, work: 10.10.1.0/24}}
  hub1: {address_space: [10.1.0.0/16], region: west, subnets: {nva: 10.1.2.0/24}}
  hub2: {address_space: [10.2.0.0/16], region: north, subnets: {nva: 10.2.2.0/24}}
peerings:
  - {between: [spoke, hub1], allow_forwarded_traffic: true}
  - {between: [spoke, hub2], allow_forwarded_traffic: true}
route_servers:
  rs: {virtual_network: spoke, peers: [nva1, nva2]}
network_virtual_appliances:
  nva1: {subnet: hub1/nva, address: 10.1.2.4, ip_forwarding: true, asn: 65001, originates: [172.16.4.0/24], hosts: {far: 172.16.4.10}}
  nva2: {subnet: hub2/nva, address: 10.2.2.4, ip_forwarding: true, asn: 65002, originates: [172.16.4.0/24], hosts: {far: 172.16.4.10}}
virtual_machines:
  vm: {subnet: spoke/work, address: 10.10.1.4}
  vm2: {subnet: spoke/work, address: 10.10.1.5}
"""

BRANCHES = """
version: 1
name: branches
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/27, work: 10.0.2.0/24}}
route_servers:
  rs: {virtual_network: hub, branch_to_branch: true, peers: [nva]}
network_virtual_appliances:
  nva: {subnet: hub/work, address: 10.0.2.4, ip_forwarding: true, asn: 65001, originates: [{prefix: 172.16.5.0/24, as_path: 64496, while: shop}]}
virtual_network_gateways:
  er: {type: ExpressRoute, virtual_network: hub}
  vpn: {type: Vpn, virtual_network: hub, active_active: false}
expressroute_circuits:
  circuit: {gateways: [er], provider_edge: [r1, r2]}
vpn_connections:
  - {gateway: vpn, to: branch}
on_premises:
  r1: {asn: 65010, prefixes: [192.168.0.0/16], hosts: {dc: 192.168.1.10}}
  r2: {asn: 65010, prefixes: [192.168.0.0/16]}
  branch: {asn: 65020, prefixes: [172.20.0.0/16], hosts: {shop: 172.20.0.10}}
  lab: {asn: 65030, prefixes: [172.30.0.0/16]}
links:
  - {between: [branch, lab], timers: {keepalive_s: 10, hold_s: 30}, bfd: {interval_ms: 100, multiplier: 3}}
virtual_machines:
  vm: {subnet: hub/work, address: 10.0.2.10}
"""

MANY = DUAL.replace("peers: [nva1, nva2]", "peers: [nva1, nva2], programming: {by: partition, delay_s: 2, damping_s: 30}").replace(
    "north", "south"
)
"""The same, slow and partitioned."""


def run(text: str = DUAL, **changes: Any) -> Run:
    """A settled run of a network, after changes of its file (as a scenario's)."""
    net = dualhome.Net(dualhome.parse(text).topology.changed(changes)) if changes else dualhome.parse(text)
    return net.simulate()


def next_hops(it: Run, nic: str, prefix: str) -> list[str]:
    """Of an effective route that the route server made; none where it is not there."""
    rows = [r for r in it.effective_routes(nic) if str(r.prefix) == prefix and r.source == "VirtualNetworkGateway"]
    return sorted(str(hop) for row in rows for hop in row.next_hops)


def states(it: Run, name: str) -> set[str]:
    """States of the sessions that a name means."""
    return set(it.session_states(name).values())


def outcomes(it: Run, source: str, destination: str) -> set[str]:
    """What becomes of the flows."""
    return {path.outcome for path in it.paths(source, destination)}
