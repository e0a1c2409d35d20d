"""Findings about what is attached to subnets and virtual networks, and about what an NVA needs besides BGP to speak with a route server."""

from __future__ import annotations

from collections.abc import Iterator

from dualhome.check.facts import Facts
from dualhome.check.finding import Design, Draft, Path
from dualhome.check.policies import permits
from dualhome.check.servers import nva_place, place
from dualhome.forwarding.packets import BGP, Packet
from dualhome.forwarding.security import refused
from dualhome.model import GATEWAY_SUBNET, ROUTE_SERVER_SUBNET, NetworkSecurityGroup, Router, RouteServer
from dualhome.topology.edits import ABSENT, END, Edit


def attached_to_its_subnet(design: Design) -> Iterator[Draft]:
    """L-016: no route table, security group or service endpoint policy on RouteServerSubnet (R7, R8); no endpoint policy on GatewaySubnet (R8)."""
    for network in design.network.virtual_networks.values():
        for name, who in ((ROUTE_SERVER_SUBNET, "route server"), (GATEWAY_SUBNET, "gateway")):
            subnet = network.subnets.get(name)
            if subnet is None:
                continue
            attached = {"service_endpoint_policy": ("service endpoint policy", subnet.service_endpoint_policy, "R8")}
            if name == ROUTE_SERVER_SUBNET:
                attached["route_table"] = ("route table", subnet.route_table, "R7")
                attached["network_security_group"] = ("network security group", subnet.network_security_group, "R7")
            where: Path = ("virtual_networks", network.name, "subnets", name)
            for key, (what, value, rule) in attached.items():
                if value:
                    yield Draft(
                        on=subnet.key,
                        message=f"Azure does not support {what} {value} on {subnet.key}; the {who} becomes unhealthy",
                        remedy=f"take the {what} off this subnet",
                        rule=rule,
                        where=where,
                        edits=(Edit(path=(*where, key), value=ABSENT),),
                    )


def no_way_to_the_route_server(design: Design) -> Iterator[Draft]:
    """L-014: the route server tells an NVA the very range that it sits in, with itself as next hop; without a static route the session flaps (R81)."""
    for rs in design.network.route_servers.values():
        for nva in (design.network.nvas[p.name] for p in rs.peers if p.name in design.network.nvas):
            if not nva.route_server_route and nva.asn is not None and _hears_its_range(design, nva, rs):
                yield Draft(
                    on=nva.name,
                    message=f"sessions of {nva.name} with {rs.name} flap: {rs.name} tells it the range that it sits in itself, with itself as next hop",
                    remedy=f"give {nva.name} a static route to the route server's subnet by its subnet's gateway (route_server_route)",
                    rule="R81",
                    where=nva_place(nva.name),
                    edits=(Edit(path=(*nva_place(nva.name), "route_server_route"), value=True),),
                )


def _hears_its_range(design: Design, nva: Router, rs: RouteServer) -> bool:
    """Whether the NVA's import lets the range pass that holds the route server's addresses."""
    speaker = design.plan.speakers.get(nva.name)
    space = [
        p for p in design.network.virtual_networks[rs.virtual_network].address_space if any(p.covers(a.host_prefix) for a in rs.addresses)
    ]
    peers = speaker.config.peers if speaker is not None else {}
    mine = [peers[name].policy for name in (f"{rs.name}#0", f"{rs.name}#1") if name in peers]
    return any(permits(policy.rules, prefix, policy.tags, []) for policy in mine for prefix in space)


def in_a_virtual_wan(design: Design) -> Iterator[Draft]:
    """L-040: a virtual network that is connected to a Virtual WAN hub can't host a route server (R86)."""
    for rs in design.network.route_servers.values():
        wan = design.network.virtual_networks[rs.virtual_network].virtual_wan_hub
        if wan:
            yield Draft(
                on=rs.name,
                message=f"Azure does not let {rs.name} be in {rs.virtual_network}, which is connected to Virtual WAN hub {wan}",
                remedy=f"put {rs.name} into another virtual network, or take {rs.virtual_network} off the hub",
                rule="R86",
                where=place(rs),
            )


def bgp_kept_out(design: Design) -> Iterator[Draft]:
    """L-043: a security group of the NVA's subnet that knows the own network only keeps out a route server of a peered one (R44, R77)."""
    for rs in design.network.route_servers.values() if design.facts else ():
        for nva in (design.network.nvas[p.name] for p in rs.peers if p.name in design.network.nvas):
            group = design.network.network_security_groups.get(design.network.subnet(nva.nics[0].subnet).network_security_group or "")
            if group is not None and design.facts and _kept_out(design.facts, nva, rs):
                subnet = design.network.virtual_networks[rs.virtual_network].subnets[ROUTE_SERVER_SUBNET]
                yield Draft(
                    on=nva.name,
                    message=f"the session of {nva.name} with {rs.name} never forms: {group.name} lets no TCP 179 from {subnet.prefix} into {nva.nics[0].subnet}",
                    remedy=f"let {group.name} allow TCP 179 from {subnet.prefix}, where {rs.name} is",
                    rule="R77",
                    where=("network_security_groups", group.name),
                    edits=_letting_in(group, str(subnet.prefix)),
                )


def _kept_out(facts: Facts, nva: Router, rs: RouteServer) -> bool:
    """Whether the group drops what an instance sends to BGP's port first."""
    nic = nva.nics[0]
    packets = [Packet(source=address, destination=nic.address, flow=BGP) for address in rs.addresses]
    return any(refused(facts.engine, nic, packet, inbound=True) is not None for packet in packets)


def _letting_in(group: NetworkSecurityGroup, prefix: str) -> tuple[Edit, ...]:
    """The prefix added to the sources of the rule that lets BGP in from elsewhere; () where there is none."""
    for rule in group.rules:
        if rule.inbound and rule.allow and rule.source and any(first <= BGP.port <= last for first, last in rule.ports):
            word, _, number = rule.name.partition(" ")
            at: str | int = int(number) - 1 if word == "rule" and number.isdigit() else rule.name
            return (Edit(path=("network_security_groups", group.name, "rules", at, "source", END), value=prefix),)
    return ()


def meaningless_metric(design: Design) -> Iterator[Draft]:
    """L-054: no data passes a route server, so the metric of data processed says nothing (R82, section 10.4)."""
    for index, alert in enumerate(design.network.metric_alerts):
        if alert.metric == "VirtualHubDataProcessed":
            yield Draft(
                on=alert.route_server,
                message=f"an alert on VirtualHubDataProcessed of {alert.route_server} means nothing: no data passes a route server",
                remedy="watch BgpPeerStatus or CountOfRoutesLearnedFromPeer instead",
                rule="R82",
                where=("metric_alerts", index),
                edits=(Edit(path=("metric_alerts", index), value=ABSENT),),
            )
