"""How each small design is made right by hand, where no remedy can be carried out without a decision: words of the file, and what stands there then."""

from __future__ import annotations

from collections.abc import Mapping

BY_HAND: Mapping[str, tuple[tuple[str, str], ...]] = {
    "L-002": (("asn: 65515", "asn: 65001"),),
    "L-006": (("spoke->hub2: {use_remote_gateways: true}, ", ""),),
    "L-009": (("peerings:\n", "peerings:\n  - {between: [spoke1, spoke2], allow_forwarded_traffic: true}\n"),),
    "L-012": (("over: network", "over: tunnel"),),
    "L-017": (("10.0.0.0/28", "10.0.0.0/26"),),
    "L-019": (("[10.0.7.0/24]", "[10.0.0.0/8]"),),
    "L-020": (
        ("one: 10.0.2.0/24", "one: {prefix: 10.0.2.0/24, route_table: to-nva}"),
        ("intents:", "route_tables: {to-nva: {routes: [{prefix: 10.0.3.0/24, next_hop_type: VirtualAppliance, next_hop: nva}]}}\nintents:"),
    ),
    "L-022": (("asn: 65001,", "asn: 65001, communities: {rs: [no-advertise]},"),),
    "L-023": ((", nva9]", "]"),),
    "L-024": (("disable_bgp_route_propagation: true", "disable_bgp_route_propagation: false"),),
    "L-028": (("stateful: true", "stateful: false"),),
    "L-029": (("as_strip", "as_override"),),
    "L-030": (("asn: 65001", "asn: 3320"),),
    "L-031": (
        ("[0.0.0.0/0]", "[0.0.0.0/1, 128.0.0.0/1]"),
        (
            "{prefix: 0.0.0.0/0, next_hop_type: Internet}",
            "{prefix: 0.0.0.0/1, next_hop_type: Internet}, {prefix: 128.0.0.0/1, next_hop_type: Internet}",
        ),
    ),
    "L-032": (("asn: 65001,", "asn: 65001, communities: {rs: [no-advertise]},"),),
    "L-033": (("asn: 65001,", "asn: 65001, communities: {rs1: [no-advertise]},"),),
    "L-035": (("circuit1: {", "circuit1: {global_reach: [circuit2], "),),
    "L-036": ((", point_to_site: {address_pool: [172.20.0.0/24]}", ""),),
    "L-037": (("circuit1: {gateways: [er]", "circuit1: {gateways: [{gateway: er, routing_weight: 10}]"),),
    "L-038": (("asn: 65001,", "asn: 65001, prepend: {rs: 2}, communities: {rs: [no-advertise]},"),),
    "L-039": ((', "fd00::/64"', ""),),
    "L-040": ((" virtual_wan_hub: vwan-north,", ""),),
    "L-044": ((", route_maps: {inbound: {nva: longer}}", ""),),
    "L-045": (("[65001]", "[3320]"),),
    "L-046": (("region: eastus", "region: westeurope"),),
    "L-047": (("wait_s: 10", "wait_s: 40"),),
    "L-048": (("rs: {virtual_network: hub}}}", "rs: null}}"),),
    "L-049": (("type: Vpn, virtual_network: hub, active_active: true", "type: ExpressRoute, virtual_network: hub"),),
    "L-052": (
        ("workload: 10.2.3.0/24", "workload: {prefix: 10.2.3.0/24, route_table: to-nva}"),
        (
            "intents:",
            "route_tables: {to-nva: {routes: [{prefix: 10.10.0.0/16, next_hop_type: VirtualAppliance, next_hop: hub2-nva}]}}\nintents:",
        ),
    ),
    "L-053": (("rs1: any-of-the-spoke", "rs1: from-spoke"),),
}
