"""Findings that the rules suggest beyond their own list: limits, and sessions and peerings that can't come up."""

from __future__ import annotations

from collections.abc import Iterator

from dualhome.check.finding import Design, Draft
from dualhome.check.peerings import place as peering_place
from dualhome.check.policies import permits
from dualhome.check.servers import nva_place, place
from dualhome.forwarding.limits import (
    MACHINES_A_UNIT,
    Beyond,
    too_many_machines,
    too_many_peerings,
    too_many_user_routes,
    too_many_virtual_networks,
)
from dualhome.model import Router, RouteServer, base_name
from dualhome.net import Address

LEAST_HOLD_S = 3
PREFIXES = 10_000
SEVERAL_HUBS = "share the spokes among several hubs"


def hold_time(design: Design) -> Iterator[Draft]:
    """L-101: a session without hold timer is refused (R75, D29); a hold time of 1 or 2 s is refused by whoever reads the file."""
    network = design.network
    for rs in network.route_servers.values():
        speakers = [(rs.name, rs.timers.hold_s, place(rs))]
        speakers += [(n, network.nvas[n].timers.hold_s, nva_place(n)) for n in (p.name for p in rs.peers) if n in network.nvas]
        for name, hold_s, where in speakers:
            if hold_s == 0 and network.quirks.hold_time_zero == "refused":
                yield Draft(
                    on=name,
                    message=f"no session of {name} comes up: a hold time of 0 is refused",
                    remedy=f"set hold_s to {LEAST_HOLD_S} or more (Azure: 180)",
                    rule="R75, D29",
                    where=where,
                )


def peer_out_of_reach(design: Design) -> Iterator[Draft]:
    """L-102: a peer must be in the route server's virtual network or in one that is directly peered with it (R44, R80)."""
    for rs in design.network.route_servers.values():
        near = {rs.virtual_network, *(peering.remote for peering in design.network.connected(rs.virtual_network))}
        for peer in rs.peers:
            nva = design.network.nvas.get(peer.name)
            there = nva.virtual_network if nva is not None else _home(design, peer.address)
            if there is not None and there not in near and not _over_a_tunnel(design, rs, peer.name):
                yield Draft(
                    on=peer.name,
                    message=f"the session of {peer.name} with {rs.name} never comes up: {there} is not peered with {rs.virtual_network}",
                    remedy=f"peer {there} with {rs.virtual_network}, in both directions",
                    rule="R44, R80",
                    where=place(rs),
                )


def _home(design: Design, address: Address | None) -> str | None:
    found = (
        n.name for n in design.network.virtual_networks.values() if address and any(p.covers(address.host_prefix) for p in n.address_space)
    )
    return next(found, None)


def _over_a_tunnel(design: Design, rs: RouteServer, peer: str) -> bool:
    """Whether the NVA has declared its own way to the route server."""
    nva = design.network.nvas.get(peer)
    return nva is not None and any(session.to == rs.name for session in nva.sessions)


def half_a_peering(design: Design) -> Iterator[Draft]:
    """L-103: a peering without its mirror stays Initiated and carries nothing (R20)."""
    for peering in design.network.peerings:
        if design.network.peering(peering.remote, peering.local) is None:
            yield Draft(
                on=peering.name,
                message=f"{peering.name} stays Initiated and carries nothing: {peering.remote} has no peering with {peering.local}",
                remedy=f"create {peering.remote}->{peering.local} as well",
                rule="R20",
                where=peering_place(peering),
            )


def machines(design: Design) -> Iterator[Draft]:
    """L-104: two routing infrastructure units serve 4,000 machines in a route server's network and those peered with it, each further one 1,000
    (R90, D6).
    """
    for found in too_many_machines(design.network):
        units = design.network.route_servers[found.name].routing_infrastructure_units
        said = f"serves {found.count} machines, and {units} routing infrastructure units are meant for {found.limit}"
        yield _too_many(found, said, f"add routing infrastructure units ({MACHINES_A_UNIT:,} machines each)", "R90", "route_servers")


def virtual_networks(design: Design) -> Iterator[Draft]:
    """L-105: a route server supports 500 virtual networks (R28)."""
    for found in too_many_virtual_networks(design.network):
        said = f"serves {found.count} virtual networks, and Azure supports {found.limit}"
        yield _too_many(found, said, SEVERAL_HUBS, "R28", "route_servers")


def prefixes(design: Design) -> Iterator[Draft]:
    """L-106: a route server holds 10,000 prefixes in all, on-premises' and virtual networks' (section 4.2)."""
    facts = design.facts
    for rs in design.network.route_servers.values():
        if facts is None or not facts.has(f"{rs.name}#0"):
            continue
        held = facts.engine.speakers[f"{rs.name}#0"].rib.statistics()["prefixes"]
        if held > PREFIXES:
            found = Beyond(name=rs.name, count=held, limit=PREFIXES)
            said = f"holds {held} prefixes, and Azure supports {PREFIXES} in all"
            yield _too_many(found, said, "summarise on premises and at the NVAs", "R88", "route_servers")


def peerings(design: Design) -> Iterator[Draft]:
    """L-108: a virtual network has 500 peerings by default (R28)."""
    for found in too_many_peerings(design.network):
        said = f"has {found.count} peerings, and Azure creates {found.limit}"
        yield _too_many(found, said, SEVERAL_HUBS, "R28", "virtual_networks")


def user_routes(design: Design) -> Iterator[Draft]:
    """L-109: a route table takes 400 routes (R53)."""
    for found in too_many_user_routes(design.network):
        said = f"has {found.count} routes, and Azure takes {found.limit}"
        yield _too_many(found, said, "write fewer, shorter prefixes, or several route tables", "R53", "route_tables")


def _too_many(found: Beyond, said: str, remedy: str, rule: str, section: str) -> Draft:
    return Draft(on=found.name, message=f"{found.name} {said}", remedy=remedy, rule=rule, where=(section, found.name))


def too_many_to_a_circuit(design: Design) -> Iterator[Draft]:
    """L-107: a circuit ends the session with a router that announces more than it takes (R141)."""
    network = design.network
    for circuit in network.circuits.values():
        for name in dict.fromkeys(circuit.provider_edge):
            count = _announced(design, network.on_premises[name], circuit.name)
            if count > circuit.max_prefixes:
                yield Draft(
                    on=name,
                    message=f"{circuit.name} ends its session with {name}: {count} prefixes, and it takes {circuit.max_prefixes}",
                    remedy="summarise on premises, or use Premium (10,000)",
                    rule="R141",
                    where=("on_premises", name),
                )


def _announced(design: Design, router: Router, circuit: str) -> int:
    """How many prefixes of its own a router's export toward a circuit lets pass."""
    speaker = design.plan.speakers.get(router.name)
    peers = speaker.config.peers if speaker is not None else {}
    stages = next((peer.policy.export for name, peer in peers.items() if base_name(name) == circuit), None)
    if stages is None:
        return 0
    own = {*router.prefixes, *(origin.prefix for origin in router.originates)}
    return sum(all(permits(stage, prefix, ("self", "originated"), []) for stage in stages) for prefix in own)
