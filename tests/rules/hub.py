"""One hub with everything: a route server, NVAs, both kinds of gateways, circuits, sites; a spoke with a transit pair and one without."""

from __future__ import annotations

from typing import Any

HUB = """
version: 1
name: hub
virtual_networks:
  hub: {address_space: [10.0.0.0/16], region: westeurope, subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/26, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
  spoke: {address_space: [10.1.0.0/16], region: eastus, subnets: {vm: 10.1.0.0/24}}
  plain: {address_space: [10.2.0.0/16], subnets: {vm: 10.2.0.0/24}}
peerings:
  - {between: [hub, spoke], allow_forwarded_traffic: true, hub->spoke: {allow_gateway_transit: true}, spoke->hub: {use_remote_gateways: true}}
  - {between: [hub, plain], allow_forwarded_traffic: true}
route_servers:
  rs: {virtual_network: hub, branch_to_branch: BRANCH, peers: [nva, quiet]}
network_virtual_appliances:
  nva:
    {subnet: hub/nva, ip_forwarding: true, asn: 65001, originates: [172.16.0.0/16, 0.0.0.0/0, 0.0.0.0/1, 128.0.0.0/1],
     prepend: {rs: 2}, hosts: {app: 172.16.0.9}, export: {rs: own}}
  quiet: {subnet: hub/nva, ip_forwarding: true, asn: 65002, originates: [172.18.0.0/16], communities: {rs: [no-advertise]}}
virtual_network_gateways:
  er: {type: ExpressRoute, virtual_network: hub}
  vpn: {type: Vpn, virtual_network: hub, active_active: true, point_to_site: {address_pool: [172.31.0.0/24]}}
expressroute_circuits:
  c1: {gateways: [er], provider_edge: [dc1]}
  c2: {gateways: [er], provider_edge: [dc2]}
vpn_connections:
  - {gateway: vpn, to: branch}
  - {gateway: vpn, to: office}
  - {gateway: vpn, to: store}
on_premises:
  dc1: {asn: 65010, prefixes: [192.168.1.0/24], hosts: {host1: 192.168.1.9}, export: {c1: own}}
  dc2: {asn: 65011, prefixes: [192.168.2.0/24], hosts: {host2: 192.168.2.9}, export: {c2: own}}
  branch: {asn: 65020, prefixes: [192.168.3.0/24], hosts: {host3: 192.168.3.9}, export: {vpn: own}}
  office: {asn: 65021, prefixes: [192.168.4.0/24], hosts: {host4: 192.168.4.9}, export: {vpn: own}}
  store: {prefixes: [192.168.5.0/24], hosts: {host5: 192.168.5.9}}
route_maps: {own: [{match: {learned_from: [self]}}, {actions: {prefix: drop}}]}
virtual_machines: {hub-vm: {subnet: hub/vm}, spoke-vm: {subnet: spoke/vm}, plain-vm: {subnet: plain/vm}}
"""
ON, OFF = HUB.replace("BRANCH", "true"), HUB.replace("BRANCH", "false")
RANGES = {"10.0.0.0/16", "10.1.0.0/16"}
NVAS = {"172.16.0.0/16", "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"}
CIRCUITS, SITES, POOL = {"192.168.1.0/24", "192.168.2.0/24"}, {"192.168.3.0/24", "192.168.4.0/24", "192.168.5.0/24"}, {"172.31.0.0/24"}

NO_CONNECTIONS: dict[str, Any] = {
    "vpn_connections": {"vpn<->branch": None, "vpn<->office": None, "vpn<->store": None},
    "on_premises": {"branch": {"export": None}, "office": {"export": None}},
}


def prefixes(said: set[str]) -> set[str]:
    """The first word of each."""
    return {each.split()[0] for each in said}
