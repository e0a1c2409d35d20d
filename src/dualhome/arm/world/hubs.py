"""Route servers: a virtual hub, the subnet of its ipConfiguration, its BGP connections and route maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dualhome.arm.ids import key_of
from dualhome.arm.records import Record
from dualhome.arm.world.draft import Data, Draft, overlaid, prefixes, reference, unique

PREFERENCES: Final = {each.lower(): each for each in ("ExpressRoute", "VpnGateway", "ASPath")}


def is_route_server(record: Record) -> bool:
    """A virtual hub that belongs to no Virtual WAN."""
    return not record.properties.get("virtualWan") and not record.properties.get("addressPrefix")


def home_of(draft: Draft, hub: Record) -> str | None:
    """The virtual network in which its ipConfiguration puts it."""
    for part in draft.records.children(hub.id, "ipConfigurations"):
        if (subnet := draft.subnets.get(reference(part.properties.get("subnet")))) is not None:
            return subnet.partition("/")[0]
    return None


def add_route_servers(draft: Draft) -> None:
    """Every hub that has a place (R5, R10)."""
    draft.each(draft.of("virtualHubs"), _add_route_server)


def _add_route_server(draft: Draft, hub: Record) -> None:
    if not is_route_server(hub):
        draft.leave(hub.id, "it is a hub of Virtual WAN, which is not modelled")
        return
    home = home_of(draft, hub)
    if home is None:
        draft.leave(hub.id, "it has no ipConfiguration in a RouteServerSubnet yet")
        return
    given = hub.properties
    one: Data = {
        "virtual_network": home,
        "branch_to_branch": bool(given.get("allowBranchToBranchTraffic", False)),
        "routing_preference": PREFERENCES.get(str(given.get("hubRoutingPreference", "")).lower(), "ExpressRoute"),
        "routing_infrastructure_units": int((given.get("virtualRouterAutoScaleConfiguration") or {}).get("minCapacity") or 2),
        "peers": [],
    }
    if ips := hub.private.get("router_ips"):
        one["addresses"] = list(ips)
    connections = draft.records.children(hub.id, "bgpConnections")
    draft.each(connections, lambda draft, each: one["peers"].append(_peer(draft, hub, each, home)))
    one = draft.section("route_servers")[hub.handle] = overlaid(draft, hub, one)
    draft.nodes[hub.key] = hub.handle
    _add_maps(draft, hub, one)


def _peer(draft: Draft, hub: Record, connection: Record, home: str) -> str | Data:
    """An NVA of the network by its name where address and ASN are its own, else a speaker outside it (R76, R190)."""
    address, asn = str(connection.properties.get("peerIp")), connection.properties.get("peerAsn")
    near = [home, *neighbours(draft, home)]
    name = next((draft.addresses[where, address] for where in near if (where, address) in draft.addresses), None)
    nva = draft.section("network_virtual_appliances").get(name) if name else None
    if nva is not None and nva.get("asn") == asn and nva.get("address") == address:
        draft.sessions[connection.key] = f"{hub.handle}/{name}"
        return str(name)
    peer = unique(
        connection.name,
        {*draft.taken(), *(name.rpartition("/")[2] for name in draft.sessions.values() if name.startswith(f"{hub.handle}/"))},
    )
    draft.sessions[connection.key] = f"{hub.handle}/{peer}"
    return {"name": peer, "address": address, "asn": asn}


def neighbours(draft: Draft, home: str) -> list[str]:
    """The virtual networks to which one is peered."""
    return draft.neighbours.get(home, [])


# --- route maps -------------------------------------------------------------------------------------------------------------


def _add_maps(draft: Draft, hub: Record, one: Data) -> None:
    """Route maps, and to which connections they apply (R120, R121): as the connection says, or as the map does."""
    for record in draft.records.children(hub.id, "routeMaps"):
        name = unique(record.name, draft.section("route_maps"))
        draft.section("route_maps")[name] = rules_of(record.properties.get("rules") or [])
        draft.maps[record.key] = name
        draft.named.setdefault(name, record)
        for way, listed in (("inbound", "associatedInboundConnections"), ("outbound", "associatedOutboundConnections")):
            for id_ in record.properties.get(listed) or []:
                _associate(draft, one, way, str(id_), name)
    for connection in (*draft.records.children(hub.id, "bgpConnections"), *draft.of("connections")):
        for way in ("inbound", "outbound"):
            key = reference((connection.properties.get("routingConfiguration") or {}).get(f"{way}RouteMap"))
            if key in draft.maps and key.startswith(hub.key + "/"):
                _associate(draft, one, way, connection.id, draft.maps[key])


def _associate(draft: Draft, one: Data, way: str, id_: str, name: str) -> None:
    """By the peer's name, or that of the gateway whose connection it is."""
    key = key_of(id_)
    peer = draft.sessions.get(key, "").rpartition("/")[2]
    if not peer and (record := draft.records.get(id_)) is not None:
        peer = draft.nodes.get(reference(record.properties.get("virtualNetworkGateway1")), "")
    if peer:
        one.setdefault("route_maps", {}).setdefault(way, {})[peer] = name
    else:
        draft.leave(id_, f"the route map {name} is associated with it, which is no connection of that route server")


def rules_of(rules: list[Any]) -> list[Data]:
    """A route map's rules in the topology's words (section 3 of its format)."""
    return [_rule(rule) for rule in rules if isinstance(rule, Mapping)]


def _rule(rule: Mapping[str, Any]) -> Data:
    one: Data = {"name": str(rule.get("name", "rule"))}
    match: Data = {}
    for criterion in rule.get("matchCriteria") or []:
        how = "equals" if str(criterion.get("matchCondition", "")).lower() == "equals" else "contains"
        for theirs, ours, read in (("routePrefix", "prefix", prefixes), ("asPath", "as_path", _asns), ("community", "community", _texts)):
            if values := read(criterion.get(theirs)):
                match[ours] = {how: values}
    if match:
        one["match"] = match
    actions: Data = {}
    for action in rule.get("actions") or []:
        _action(actions, str(action.get("type", "")).lower(), action.get("parameters") or [])
    if actions:
        one["actions"] = actions
    if str(rule.get("nextStepIfMatched", "")).lower() == "continue" and actions.get("prefix") != "drop":
        one["then"] = "continue"
    return one


def _action(actions: Data, kind: str, parameters: list[Any]) -> None:
    if kind == "drop":
        actions["prefix"] = "drop"
        return
    for parameter in parameters:
        if replaced := prefixes(parameter.get("routePrefix")):
            actions["prefix"] = {"replace": replaced}
        if asns := _asns(parameter.get("asPath")):
            actions["as_path"] = {kind: asns}
        if communities := _texts(parameter.get("community")):
            actions["community"] = {kind: communities}


def _asns(value: object) -> list[int]:
    return [int(each) for each in value if str(each).isdigit()] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
