"""Networks that checks and stories are tried on. The first has no finding at all; each test breaks one thing in it."""

from __future__ import annotations

from collections.abc import Mapping

from dualhome.topology import Topology, parse

DUAL_HOMED = """
version: 1
name: dual-homed
virtual_networks:
  spoke: {address_space: [10.10.0.0/16], region: west, subnets: {RouteServerSubnet: 10.10.0.0/26, workload: 10.10.1.0/24}}
  hub1: {address_space: [10.1.0.0/16], region: west, subnets: {RouteServerSubnet: 10.1.0.0/26, GatewaySubnet: {prefix: 10.1.1.0/27, route_table: gateway1}, nva: 10.1.2.0/24}}
  hub2: {address_space: [10.2.0.0/16], region: west, subnets: {RouteServerSubnet: 10.2.0.0/26, GatewaySubnet: {prefix: 10.2.1.0/27, route_table: gateway2}, nva: 10.2.2.0/24}}
peerings:
  - {between: [spoke, hub1], allow_forwarded_traffic: true}
  - {between: [spoke, hub2], allow_forwarded_traffic: true}
route_servers:
  spoke-rs: {virtual_network: spoke, peers: [hub1-nva, hub2-nva]}
  hub1-rs: {virtual_network: hub1, branch_to_branch: true, peers: [hub1-nva]}
  hub2-rs: {virtual_network: hub2, branch_to_branch: true, peers: [hub2-nva]}
network_virtual_appliances:
  hub1-nva:
    {subnet: hub1/nva, address: 10.1.2.4, ip_forwarding: true, asn: 65001, as_override: true, export: {spoke-rs: from-hub, hub1-rs: from-spoke}}
  hub2-nva:
    {subnet: hub2/nva, address: 10.2.2.4, ip_forwarding: true, asn: 65002, as_override: true, export: {spoke-rs: from-hub, hub2-rs: from-spoke}}
virtual_machines:
  spoke-vm: {subnet: spoke/workload, address: 10.10.1.4}
virtual_network_gateways:
  hub1-er: {type: ExpressRoute, virtual_network: hub1}
  hub2-er: {type: ExpressRoute, virtual_network: hub2}
expressroute_circuits:
  circuit1: {gateways: [hub1-er], provider_edge: [dc-r1]}
  circuit2: {gateways: [hub2-er], provider_edge: [dc-r2]}
on_premises:
  dc-r1: {asn: 65010, prefixes: [192.168.0.0/16], hosts: {dc-host: 192.168.1.10}, export: {circuit1: own}}
  dc-r2: {asn: 65010, prefixes: [192.168.0.0/16], export: {circuit2: own}}
links: [[dc-r1, dc-r2]]
route_tables:
  gateway1: {routes: [{prefix: 10.10.0.0/16, next_hop_type: VirtualAppliance, next_hop: 10.1.2.4}]}
  gateway2: {routes: [{prefix: 10.10.0.0/16, next_hop_type: VirtualAppliance, next_hop: 10.2.2.4}]}
  off: {disable_bgp_route_propagation: true}
route_maps:
  own: [{match: {learned_from: [self]}}, {actions: {prefix: drop}}]
  from-hub: [{match: {prefix: {contains: [192.168.0.0/16]}, learned_from: [hub1-rs, hub2-rs]}}, {actions: {prefix: drop}}]
  from-spoke: [{match: {prefix: {equals: [10.10.0.0/16]}, learned_from: [spoke-rs]}}, {actions: {prefix: drop}}]
"""

HUB = """
version: 1
name: hub
virtual_networks:
  hub:
    address_space: [10.0.0.0/16]
    region: west
    subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/27, nva: {prefix: 10.0.2.0/24, route_table: to-internet}, edge: 10.0.3.0/24}
  spoke: {address_space: [10.1.0.0/16], region: west, subnets: {workload: 10.1.1.0/24}}
  far: {address_space: [10.9.0.0/16], region: east, subnets: {nva: 10.9.1.0/24, RouteServerSubnet: 10.9.2.0/26}}
peerings:
  - {between: [hub, spoke], allow_forwarded_traffic: true, hub->spoke: {allow_gateway_transit: true}, spoke->hub: {use_remote_gateways: true}}
  - {between: [hub, far], allow_forwarded_traffic: true}
route_servers:
  rs: {virtual_network: hub, branch_to_branch: true, peers: [nva1, nva2]}
network_virtual_appliances:
  nva1: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001, originates: [172.16.0.0/16], hosts: {shop: 172.16.0.9}}
  nva2: {subnet: hub/nva, address: 10.0.2.5, ip_forwarding: true, asn: 65002, originates: [172.17.0.0/16], hosts: {mill: 172.17.0.9}}
  nva9: {subnet: far/nva, address: 10.9.1.4, ip_forwarding: true, asn: 65009}
virtual_machines:
  vm: {subnet: spoke/workload, address: 10.1.1.4}
virtual_network_gateways:
  vpn: {type: Vpn, virtual_network: hub, active_active: true}
  er: {type: ExpressRoute, virtual_network: hub}
vpn_connections: [{gateway: vpn, to: branch}]
expressroute_circuits:
  circuit: {gateways: [er], provider_edge: [dc]}
on_premises:
  branch: {asn: 65020, prefixes: [172.20.0.0/16]}
  dc: {asn: 65010, prefixes: [192.168.0.0/16], export: {circuit: own}}
  dc2: {asn: 65011, prefixes: [192.168.128.0/24]}
route_tables:
  to-internet: {routes: [{prefix: 0.0.0.0/0, next_hop_type: Internet}]}
  off: {disable_bgp_route_propagation: true}
  firewall: {routes: [{prefix: 10.0.0.0/16, next_hop_type: VirtualAppliance, next_hop: 10.0.2.4}]}
load_balancers:
  ilb: {subnet: far/nva, address: 10.9.1.100, backends: [nva9]}
  ilb1: {subnet: hub/nva, address: 10.0.2.100, backends: [nva1, nva2]}
route_maps:
  own: [{match: {learned_from: [self]}}, {actions: {prefix: drop}}]
  long: [{match: {prefix: {equals: [172.16.0.0/16]}}, actions: {as_path: {add: [3320]}}}]
  wrong: [{name: first, actions: {as_path: {add: [65001]}}}]
"""


def dual_homed(patch: Mapping[str, object] | None = None) -> Topology:
    """Two hubs with circuits, a spoke with a route server of its own."""
    net = parse(DUAL_HOMED)
    return net.changed(patch) if patch else net


def hub(patch: Mapping[str, object] | None = None) -> Topology:
    """One hub with everything, a spoke with a transit pair, another virtual network."""
    net = parse(HUB)
    return net.changed(patch) if patch else net
