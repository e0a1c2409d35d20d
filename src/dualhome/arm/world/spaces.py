"""Virtual networks, their peerings, route tables, security groups."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from dualhome.arm.records import Record
from dualhome.arm.world.draft import Data, Draft, overlaid, plain_name, prefixes, reference, unique

FLAGS: Final = {
    "allowVirtualNetworkAccess": ("allow_virtual_network_access", True),
    "allowForwardedTraffic": ("allow_forwarded_traffic", False),
    "allowGatewayTransit": ("allow_gateway_transit", False),
    "useRemoteGateways": ("use_remote_gateways", False),
}
TAGS: Final = ("VirtualNetwork", "Internet", "AzureLoadBalancer")
TYPES: Final = {
    each.lower(): each for each in ("VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "VirtualApplianceEcmp", "None")
}


def add_networks(draft: Draft) -> None:
    """Virtual networks and subnets (R1)."""
    draft.each(draft.of("virtualNetworks"), _add_network)


def _add_network(draft: Draft, record: Record) -> None:
    space = prefixes((record.properties.get("addressSpace") or {}).get("addressPrefixes"))
    if not space:
        draft.leave(record.id, "it has no address space")
        return
    one: Data = {"address_space": space, "region": str(record.body.get("location") or "westeurope"), "subnets": {}}
    if summary := prefixes((record.properties.get("summarizedGatewayPrefixes") or {}).get("addressPrefixes")):
        one["summarized_gateway_prefixes"] = summary
    if community := (record.properties.get("bgpCommunities") or {}).get("virtualNetworkCommunity"):
        one["bgp_community"] = str(community)
    draft.each(draft.records.children(record.id, "subnets"), lambda draft, subnet: _add_subnet(draft, record, subnet, one["subnets"]))
    if wan := record.private.get("virtual_wan_hub"):
        one["virtual_wan_hub"] = wan
    draft.section("virtual_networks")[record.handle] = overlaid(draft, record, one)
    draft.nodes[record.key] = record.handle


def subnet_prefix(subnet: Record) -> str | None:
    """The first of its prefixes, IPv4 before IPv6."""
    found = prefixes([subnet.properties.get("addressPrefix"), *(subnet.properties.get("addressPrefixes") or [])])
    return next((each for each in found if "." in each), found[0] if found else None)


def _add_subnet(draft: Draft, network: Record, subnet: Record, into: Data) -> None:
    prefix = subnet_prefix(subnet)
    if prefix is None:
        draft.leave(subnet.id, "it has no prefix")
        return
    name = plain_name(subnet.name)
    into[name] = {"prefix": prefix}
    draft.subnets[subnet.key] = f"{network.handle}/{name}"


def add_peerings(draft: Draft) -> None:
    """One direction each (R20); the flags with Azure's defaults (R39)."""
    draft.each(draft.of("virtualNetworks/virtualNetworkPeerings"), _add_peering)


def _add_peering(draft: Draft, record: Record) -> None:
    above = record.parsed.parent
    local = draft.nodes.get(above.key) if above else None
    remote = draft.nodes.get(reference(record.properties.get("remoteVirtualNetwork")))
    if local is None or remote is None:
        draft.leave(record.id, "one of its two virtual networks is not there")
        return
    if record.properties.get("peerCompleteVnets") is False:
        draft.leave(record.id, "it joins some subnets only (R27), for which a topology has no words")
        return
    one: Data = {"from": local, "to": remote}
    one |= {ours: bool(record.properties.get(theirs, default)) for theirs, (ours, default) in FLAGS.items()}
    known = prefixes((record.properties.get("remoteAddressSpace") or {}).get("addressPrefixes"))
    if known and set(known) != set(draft.data["virtual_networks"][remote]["address_space"]):
        one["remote_address_space"] = known  # R16: what this side knows until it is synced
    draft.listed("peerings").append(one)
    draft.pairs[local, remote] = record.id
    draft.neighbours.setdefault(local, []).append(remote)


def add_tables(draft: Draft) -> None:
    """Route tables that subnets have (R52, R54)."""
    draft.each(draft.of("routeTables"), _add_table)


def _add_table(draft: Draft, record: Record) -> None:
    users = _subnets_with(draft, record, "routeTable")
    if not users:
        return
    name = unique(record.name, draft.section("route_tables"))
    one: Data = {"routes": [found for each in draft.records.children(record.id, "routes") if (found := _route(draft, each)) is not None]}
    if record.properties.get("disableBgpRoutePropagation"):
        one["disable_bgp_route_propagation"] = True
    if str(record.properties.get("disablePeeringRoute", "")).lower() == "all":
        one["disable_peering_route"] = "All"
    draft.section("route_tables")[name] = one
    draft.named[name] = record
    for subnet in users:
        subnet["route_table"] = name


def _subnets_with(draft: Draft, record: Record, of: str) -> list[Data]:
    """The subnets that have this route table or security group."""
    users = [each for each in draft.records.referrers(record.id) if each.key in draft.subnets]
    places = [draft.subnets[each.key].partition("/") for each in users if reference(each.properties.get(of)) == record.key]
    return [draft.data["virtual_networks"][network]["subnets"][short] for network, _, short in places]


def _route(draft: Draft, record: Record) -> Data | None:
    prefix = next(iter(prefixes([record.properties.get("addressPrefix")])), None)
    kind = TYPES.get(str(record.properties.get("nextHopType", "")).lower())
    if prefix is None or kind is None:
        draft.leave(
            record.id, f"its prefix is no range of addresses, or its next hop type unknown: {record.properties.get('addressPrefix')}"
        )
        return None
    one: Data = {"prefix": prefix, "next_hop_type": kind}
    if kind == "VirtualAppliance":
        one["next_hop"] = str(record.properties.get("nextHopIpAddress", ""))
    if kind == "VirtualApplianceEcmp":
        hops = [str(each) for each in (record.properties.get("nextHop") or {}).get("nextHopIpAddresses", [])]
        if len(hops) < 2:
            if not hops:
                draft.leave(record.id, "it has no next hop")
            return {"prefix": prefix, "next_hop_type": "VirtualAppliance", "next_hop": hops[0]} if hops else None
        one["next_hops"] = hops
    return one


def add_groups(draft: Draft) -> None:
    """Security groups that subnets have. A topology knows none of a NIC alone."""
    draft.each(draft.of("networkSecurityGroups"), _add_group)


def _add_group(draft: Draft, record: Record) -> None:
    users = _subnets_with(draft, record, "networkSecurityGroup")
    if not users:
        if draft.records.referrers(record.id):
            draft.leave(record.id, "no subnet has it, and a topology knows security groups of subnets alone")
        return
    rules = [rule for each in draft.records.children(record.id, "securityRules") for rule in _rules(draft, each)]
    name = unique(record.name, draft.section("network_security_groups"))
    draft.section("network_security_groups")[name] = {"rules": rules}
    draft.named.setdefault(name, record)
    for subnet in users:
        subnet["network_security_group"] = name


def _rules(draft: Draft, record: Record) -> list[Data]:
    """A rule of which we can say all; [] where it speaks of tags, groups or protocols that the topology has no words for."""
    given = record.properties
    protocol = str(given.get("protocol", "*")).capitalize()
    one: Data = {
        "name": record.name,
        "priority": int(given.get("priority", 4096)),
        "direction": str(given.get("direction", "Inbound")).capitalize(),
        "access": str(given.get("access", "Allow")).capitalize(),
    }
    if protocol not in ("*", "Tcp", "Udp", "Icmp"):
        draft.leave(record.id, f"protocol {protocol} has no word in a topology")
        return []
    if protocol != "*":
        one["protocol"] = protocol
    if {"*", *map(str, [given.get("sourcePortRange") or "*", *(given.get("sourcePortRanges") or [])])} != {"*"}:
        draft.leave(record.id, "its source ports have no word in a topology")
        return []
    for ours, theirs in (("source", "source"), ("destination", "destination")):
        ends = _ends(given, theirs)
        if ends is None or given.get(f"{theirs}ApplicationSecurityGroups"):
            draft.leave(record.id, f"its {theirs} has no word in a topology")
            return []
        if ends:
            one[ours] = ends
    ports = [
        str(each) for each in [given.get("destinationPortRange"), *(given.get("destinationPortRanges") or [])] if each not in (None, "")
    ]
    if ports and "*" not in ports:
        one["ports"] = ports
    return [one]


def _ends(given: Data, which: str) -> list[Any] | None:
    """Prefixes and tags; [] is any; None where one is neither."""
    words = [
        str(each) for each in [given.get(f"{which}AddressPrefix"), *(given.get(f"{which}AddressPrefixes") or [])] if each not in (None, "")
    ]
    if "*" in words or "0.0.0.0/0" in words:
        return []
    found = []
    for word in words:
        tag = next((each for each in TAGS if each.lower() == word.lower()), None)
        try:
            found.append(tag or str(ipaddress.ip_network(word, strict=False)))
        except ValueError:
            return None
    return found
