"""Findings about gateways, GatewaySubnet, circuits and connections."""

from __future__ import annotations

from collections.abc import Iterator

from dualhome.check.finding import Design, Draft, Path
from dualhome.check.loops import servers_of
from dualhome.check.peerings import APPLIANCES
from dualhome.check.remedies import users_of, with_routes
from dualhome.model import (
    AZURE_ASN,
    GATEWAY_SUBNET,
    ROUTE_SERVER_SUBNET,
    GatewayKind,
    Network,
    RouteTable,
    VirtualNetworkGateway,
    base_name,
)
from dualhome.net import DEFAULT_V4, Prefix
from dualhome.topology.edits import ABSENT, Edit


def place(gateway: VirtualNetworkGateway) -> Path:
    """Where a gateway stands in the file."""
    return ("virtual_network_gateways", gateway.name)


def gateway_table(network: Network, virtual_network: str) -> RouteTable | None:
    """The route table of its GatewaySubnet, if any."""
    subnet = network.virtual_networks[virtual_network].subnets.get(GATEWAY_SUBNET)
    return network.route_tables.get(subnet.route_table) if subnet is not None and subnet.route_table else None


def vpn_gateway_beside_route_server(design: Design) -> Iterator[Draft]:
    """L-015: route exchange is supported with an active-active VPN gateway of ASN 65515 only (R151, D7)."""
    for rs in (rs for rs in design.network.route_servers.values() if rs.branch_to_branch):
        for gateway in design.network.gateways_of(rs.virtual_network):
            wrong = [] if gateway.active_active else ["is not active-active"]
            wrong += [] if gateway.asn == AZURE_ASN else [f"has ASN {gateway.asn}"]
            if gateway.kind is GatewayKind.VPN and wrong:
                yield Draft(
                    on=gateway.name,
                    message=f"Microsoft does not support route exchange between {rs.name} and {gateway.name}, which {' and '.join(wrong)}",
                    remedy=f"set active_active to true and asn to {AZURE_ASN}",
                    rule="R151",
                    where=place(gateway),
                    edits=() if gateway.active_active else (Edit(path=(*place(gateway), "active_active"), value=True),),
                )


def broken_gateway_subnet(design: Design) -> Iterator[Draft]:
    """L-025: GatewaySubnet needs propagation, and with a VPN gateway no user-defined default route (R13)."""
    network = design.network
    for name in network.virtual_networks:
        table, gateways = gateway_table(network, name), network.gateways_of(name)
        if table is None or not gateways:
            continue
        where: Path = ("route_tables", table.name)
        if table.disable_bgp_route_propagation:
            wrong, remedy = "disables route propagation", "set disable_bgp_route_propagation to false"
            edit = Edit(path=(*where, "disable_bgp_route_propagation"), value=False)
        elif any(r.prefix == DEFAULT_V4 for r in table.routes) and any(g.kind is GatewayKind.VPN for g in gateways):
            wrong, remedy = "has a route for 0.0.0.0/0", "take the default route out"
            edit = Edit(path=(*where, "routes", str(DEFAULT_V4)), value=ABSENT)
        else:
            continue
        yield Draft(
            on=gateways[0].name,
            message=f"{gateways[0].name} stops working: route table {table.name} of {name}/{GATEWAY_SUBNET} {wrong}",
            remedy=remedy,
            rule="R13",
            where=where,
            edits=(edit,) if len(users_of(network, table.name)) == 1 else (),
        )


def route_server_behind_firewall(design: Design) -> Iterator[Draft]:
    """L-026: a route of GatewaySubnet for its own virtual network also catches the sessions between gateway and route server."""
    network = design.network
    for rs in network.route_servers.values():
        hub = network.virtual_networks[rs.virtual_network]
        table, subnet = gateway_table(network, hub.name), hub.subnets.get(ROUTE_SERVER_SUBNET)
        if table is None or subnet is None or not network.gateways_of(hub.name):
            continue
        system = max((p.length for p in hub.address_space if p.covers(subnet.prefix)), default=0)
        fitting = [r for r in table.routes if r.prefix.covers(subnet.prefix) and r.prefix.length >= system]
        best = max(fitting, key=lambda r: r.prefix.length, default=None)
        if best is not None and best.next_hop_type in APPLIANCES:
            yield Draft(
                on=rs.name,
                message=f"sessions between {rs.name} and its gateways are led to an appliance by {best.prefix} of route table {table.name}",
                remedy=f"add {subnet.prefix} to VnetLocal to {table.name}",
                rule="R57",
                where=("route_tables", table.name),
                edits=with_routes(network, f"{hub.name}/{GATEWAY_SUBNET}", {"prefix": str(subnet.prefix), "next_hop_type": "VnetLocal"}),
            )


def spoke_past_the_nva(design: Design) -> Iterator[Draft]:
    """L-027: the peering takes packets from on-premises to the spoke past the NVA, while answers cross it (R169)."""
    network = design.network
    for gateway in network.gateways.values():
        hub, rs = gateway.virtual_network, network.route_server_of(gateway.virtual_network)
        beside = {p.remote for p in network.connected(hub)} - {hub, *network.transit_spokes(hub)}
        for peer in rs.peers if rs else ():
            for other in (name for name in servers_of(design, peer.name) if rs and name != rs.name):
                home = network.route_servers[other].virtual_network
                for spoke in (name for name in (home, *network.transit_spokes(home)) if name in beside and _has_workloads(network, name)):
                    bare = [p for p in network.virtual_networks[spoke].address_space if not _steered(network, hub, p)]
                    if bare:
                        yield Draft(
                            on=gateway.name,
                            message=f"{gateway.name} sends packets for {spoke} ({bare[0]}) over the peering, past {peer.name}, which their answers cross",
                            remedy=f"give {hub}/{GATEWAY_SUBNET} a route table with {bare[0]} to VirtualAppliance {peer.name}",
                            rule="R169",
                            where=place(gateway),
                            edits=_back_by(network, hub, bare),
                        )


def _has_workloads(network: Network, name: str) -> bool:
    """Whether it has a subnet for machines: on-premises sends nothing to a virtual network of route servers alone (R175, R178)."""
    return any(subnet not in (ROUTE_SERVER_SUBNET, GATEWAY_SUBNET) for subnet in network.virtual_networks[name].subnets)


def _back_by(network: Network, hub: str, prefixes: list[Prefix]) -> tuple[Edit, ...]:
    """Routes of GatewaySubnet to the one NVA of the hub that tells of the spoke; () where several come into question, or a table is there already."""
    between = [nva for nva in network.nvas.values() if nva.virtual_network == hub and nva.asn is not None]
    if len(between) != 1 or len(prefixes) != 1:
        return ()
    route = {"prefix": str(prefixes[0]), "next_hop_type": "VirtualAppliance", "next_hop": str(between[0].nics[0].address)}
    return with_routes(network, f"{hub}/{GATEWAY_SUBNET}", route)


def _steered(network: Network, hub: str, prefix: Prefix) -> bool:
    """Whether a user-defined route of GatewaySubnet leads packets for the prefix, or its parts, to an appliance before the peering's row does."""
    table = gateway_table(network, hub)
    if table is None:
        return False
    leading = [r.prefix for r in table.routes if r.next_hop_type in APPLIANCES]
    return any(prefix.covers(each) or (table.disable_peering_route and each.covers(prefix)) for each in leading)


def equal_connections(design: Design) -> Iterator[Draft]:
    """L-037: beside a route server only one of several equal ExpressRoute connections is used (R114)."""
    network, facts = design.network, design.facts
    for gateway in network.gateways.values():
        if gateway.kind is not GatewayKind.EXPRESSROUTE or network.route_server_of(gateway.virtual_network) is None:
            continue
        weights = {c.name: x.routing_weight for c in network.circuits.values() for x in c.gateways if x.gateway == gateway.name}
        equal = [name for name in weights if weights[name] == max(weights.values())]
        if len(equal) > 1 and facts is not None:
            equal = _tied(design, f"{gateway.name}#0", equal)
        if len(equal) > 1:
            yield Draft(
                on=gateway.name,
                message=f"of {', '.join(equal)}, which are equal, only one carries packets to on-premises, since the virtual network has a route server",
                remedy="give the connections different routing weights, and know which one is used",
                rule="R114",
                where=place(gateway),
            )


def _tied(design: Design, speaker: str, circuits: list[str]) -> list[str]:
    """Those circuits of which two or more tie for one prefix in the gateway's RIB."""
    facts = design.facts
    assert facts is not None
    tied: set[str] = set()
    for _, hops in facts.engine.speakers[speaker].rib.best() if facts.has(speaker) else ():
        here = {base_name(facts.peer_name(speaker, peer) or "") for _, peer, _ in hops} & set(circuits)
        tied |= here if len(here) > 1 else set()
    return [name for name in circuits if name in tied]


def redundant_static_prefix(design: Design) -> Iterator[Draft]:
    """L-051: a site's BGP address needs no static prefix, and a site's copy of a virtual network's own prefix is filtered (R150, R156)."""
    network, facts = design.network, design.facts
    for connection in (c for c in network.vpn_connections if c.bgp):
        router = network.router(connection.to)
        if router is not None and router.address is not None and router.address.host_prefix in connection.prefixes:
            yield Draft(
                on=connection.name,
                message=f"{router.address}/32 is redundant: the gateway adds the BGP address of {router.name} by itself",
                remedy="take it out of prefixes",
                rule="R156",
                where=("vpn_connections", connection.name),
                edits=(Edit(path=("vpn_connections", connection.name, "prefixes", str(router.address.host_prefix)), value=ABSENT),),
            )
    for router in network.on_premises.values() if facts else ():
        assert facts is not None
        for speaker in (
            n for n in facts.plan.speakers if facts.has(n) and base_name(n) in network.gateways and router.name in facts.peers(n)
        ):
            refused = [Prefix(*r.prefix) for r in facts.rejected(speaker, router.name) if r.reason == "own-prefix"]
            own = [p for p in refused if any(o.prefix == p for o in router.originates) or p in router.prefixes]
            if own:
                yield Draft(
                    on=router.name,
                    message=f"{base_name(speaker)} filters {own[0]} from {router.name}: it lies in the virtual networks' own space",
                    remedy="announce a supernet instead",
                    rule="R150",
                    where=("on_premises", router.name),
                )


def fast_path_past_inspection(design: Design) -> Iterator[Draft]:
    """L-055: FastPath bypasses the gateway, and with it the route table of GatewaySubnet (R147)."""
    network = design.network
    for circuit in network.circuits.values():
        for connection in (c for c in circuit.gateways if c.fast_path):
            hub = network.gateways[connection.gateway].virtual_network
            table = gateway_table(network, hub)
            if table is not None and any(r.next_hop_type in APPLIANCES for r in table.routes):
                yield Draft(
                    on=circuit.name,
                    message=f"FastPath takes packets from {circuit.name} past route table {table.name} of {hub}/{GATEWAY_SUBNET}, so no appliance sees them",
                    remedy="set fast_path to false",
                    rule="R147",
                    where=("expressroute_circuits", circuit.name),
                    edits=(Edit(path=("expressroute_circuits", circuit.name, "gateways", connection.gateway, "fast_path"), value=False),),
                )
