"""Findings about route servers: their peers, their subnet, their route maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dualhome.check.facts import Facts, PrefixTuple
from dualhome.check.finding import Design, Draft, Path
from dualhome.model import (
    AZURE_ASN,
    PERSONALITIES,
    ROUTE_SERVER_SUBNET,
    Network,
    Router,
    RouteServer,
    Rule,
    Subnet,
    VirtualNetwork,
    base_name,
)
from dualhome.net import DEFAULT_V4, Prefix, covered
from dualhome.topology.edits import ABSENT, Edit

PEER_LIMIT = 8
RESERVED_ASNS = (8074, 8075, 12076, 23456, range(64496, 64512), AZURE_ASN, range(65517, 65521), range(65535, 65552))
PRIVATE_ASNS = (range(64512, 65535), range(4200000000, 4294967295))
AZURE_COMMUNITIES = frozenset(
    [
        "65517:12001",
        "65517:12002",
        "65517:12003",
        "65517:12005",
        "65517:12006",
        "65518:65518",
        "65517:65517",
        "65517:12076",
        "65518:12076",
        "65515:10000",
        "65515:20000",
    ]
)


def _within(asn: int, ranges: tuple[int | range, ...]) -> bool:
    return any(asn == each if isinstance(each, int) else asn in each for each in ranges)


def place(rs: RouteServer) -> Path:
    """Where a route server stands in the file."""
    return ("route_servers", rs.name)


def nva_place(name: str) -> Path:
    """Where an NVA stands in the file."""
    return ("network_virtual_appliances", name)


def one_instance_only(design: Design) -> Iterator[Draft]:
    """L-001: an NVA that doesn't tell both instances the same leaves some machines without its routes (R73)."""
    for rs in design.network.route_servers.values():
        for peer in rs.peers:
            remedy = f"let {peer.name} peer with {rs.name}#0 and {rs.name}#1, and tell both the same"
            nva = design.network.router(peer.name)
            if len(set(peer.instances)) < 2:
                yield Draft(
                    on=peer.name,
                    message=f"{peer.name} speaks with {rs.name}#{peer.instances[0]} only, so some machines do not get its routes"
                    if peer.instances
                    else f"{peer.name} speaks with no instance of {rs.name}",
                    remedy=remedy,
                    rule="R73",
                    where=place(rs),
                    edits=(Edit(path=(*place(rs), "peers", peer.name, "instances"), value=ABSENT),) if peer.instances else (),
                )
            elif nva is not None and (word := _differs_by_instance(nva, rs.name)):
                yield Draft(
                    on=peer.name,
                    message=f"{peer.name} gives the two instances of {rs.name} different routes ({word}), so machines differ in what they get",
                    remedy=remedy,
                    rule="R73",
                    where=nva_place(peer.name),
                )
            elif design.facts and (prefixes := _told_to_one(design.facts, rs.name, peer.name)):
                yield Draft(
                    on=peer.name,
                    message=f"{peer.name} gives the two instances of {rs.name} different routes ({prefixes}), so machines differ in what they get",
                    remedy=remedy,
                    rule="R73",
                    where=nva_place(peer.name),
                )


def _differs_by_instance(nva: Router, rs: str) -> str | None:
    """The key that says different things of the two instances."""
    settings: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("prepend", nva.prepend),
        ("next_hop", nva.next_hop),
        ("communities", nva.communities),
        ("export", nva.export_rules),
    )
    for word, values in settings:
        both = [values.get(f"{rs}#{i}", values.get(rs)) for i in (0, 1)]
        if both[0] != both[1]:
            return word
    for word, setting in (("as_override", nva.as_override), ("as_strip", nva.as_strip)):
        if not isinstance(setting, bool) and rs not in setting and (f"{rs}#0" in setting) != (f"{rs}#1" in setting):
            return word
    return None


def _told_to_one(facts: Facts, rs: str, nva: str) -> str:
    """Prefixes that one instance has from the NVA otherwise than the other, apart from what comes back to the same route server (L-013)."""
    sessions = dict(facts.pairs(rs, nva))
    if len(sessions) < 2 or _treated_alike(facts, sessions):
        return ""
    told = []
    echoed: set[PrefixTuple] = set()
    for instance in sorted(sessions):
        told.append({(r.prefix, r.as_path, r.next_hop) for r in facts.received(instance, nva)})
        echoed.update(facts.echoed(nva, instance))
    apart = sorted({prefix for prefix, _, _ in told[0] ^ told[1]} - echoed)
    return ", ".join(str(Prefix(*prefix)) for prefix in apart[:3])


def _treated_alike(facts: Facts, sessions: Mapping[str, str]) -> bool:
    """Whether export there and import here say the same of each instance: then what differs could only be what comes back."""
    speakers = facts.plan.speakers
    given = {replace(speakers[nva].config.peers[i].policy, name="", peer_address="", tags=()).json() for i, nva in sessions.items()}
    taken = {replace(speakers[i].config.peers[nva].policy, name="", local_address="").json() for i, nva in sessions.items()}
    return len(given) == 1 and len(taken) == 1


def reserved_asn(design: Design) -> Iterator[Draft]:
    """L-002: 65515 makes the session iBGP and without routes; other reserved ASNs are refused, and those of 32 bits (R79)."""
    for rs in design.network.route_servers.values():
        for peer in rs.peers:
            nva = design.network.router(peer.name)
            asn = nva.asn if nva is not None else peer.asn
            if asn is None or (rs.any_peer_asn and asn != AZURE_ASN):
                continue
            if _within(asn, RESERVED_ASNS) or asn > 65535:
                what = "comes up as iBGP and carries no routes" if asn == AZURE_ASN else "is refused by Azure"
                yield Draft(
                    on=peer.name,
                    message=f"the session of {peer.name} with {rs.name} {what}: ASN {asn} is {'of 32 bits' if asn > 65551 else 'reserved'}",
                    remedy="use an ASN of 64512 to 65514 or 65521 to 65534, or a public one of 16 bits",
                    rule="R79",
                    where=nva_place(peer.name) if nva is not None else place(rs),
                )


def second_or_misplaced(design: Design) -> Iterator[Draft]:
    """L-017: one route server in a virtual network, in a RouteServerSubnet of /27 or larger (R5, R6)."""
    first: dict[str, str] = {}
    for rs in design.network.route_servers.values():
        subnet = design.network.virtual_networks[rs.virtual_network].subnets.get(ROUTE_SERVER_SUBNET)
        other = first.setdefault(rs.virtual_network, rs.name)
        if other != rs.name:
            wrong, remedy = f"{rs.virtual_network} has a route server already, {other}", "keep one of them"
        elif subnet is None:
            wrong, remedy = f"{rs.virtual_network} has no subnet {ROUTE_SERVER_SUBNET}", f"add {ROUTE_SERVER_SUBNET}, /26 or larger"
        elif subnet.prefix.length > 27:
            wrong, remedy = f"{subnet.key} is smaller than /27", "make it /26 or larger"
        else:
            continue
        yield Draft(on=rs.name, message=f"Azure refuses to create {rs.name}: {wrong}", remedy=remedy, rule="R5, R6", where=place(rs))


def small_subnet(design: Design) -> Iterator[Draft]:
    """L-018: the newest document asks for /26 (R6)."""
    for network in design.network.virtual_networks.values():
        subnet = network.subnets.get(ROUTE_SERVER_SUBNET)
        if subnet is not None and subnet.prefix.version == 4 and subnet.prefix.length == 27:
            yield Draft(
                on=subnet.key,
                message=f"{subnet.key} is a /27, and Azure's portal asks for /26 today",
                remedy="make it /26 or larger",
                rule="R6",
                where=("virtual_networks", network.name, "subnets", ROUTE_SERVER_SUBNET),
                edits=_enlarged(network, subnet),
            )


def _enlarged(network: VirtualNetwork, subnet: Subnet) -> tuple[Edit, ...]:
    """The /26 that begins where the /27 does; () where none does, or where something else is in it or it leaves the network."""
    larger = Prefix(4, subnet.prefix.bits, 26)
    if subnet.prefix.bits % larger.size or not covered(larger, network.address_space):
        return ()
    if any(other.prefix.overlaps(larger) for other in network.subnets.values() if other is not subnet):
        return ()
    where: Path = ("virtual_networks", network.name, "subnets", subnet.name)
    return (Edit(path=(*where, "prefix"), value=str(larger)),)


def too_many_peers(design: Design) -> Iterator[Draft]:
    """L-023: a route server takes eight peers (R89), those of others so many as their makers say (`behaves_like`)."""
    for rs in design.network.route_servers.values():
        most = PERSONALITIES[rs.behaves_like].max_peers
        if most is not None and len(rs.peers) > most:
            refused = "Azure refuses the ninth" if most == PEER_LIMIT else f"{most} is the most"
            yield Draft(
                on=rs.name,
                message=f"{rs.name} has {len(rs.peers)} peers, and {refused}",
                remedy="put a speaker between that peers with the NVAs and keeps their next hops (next_hop: unchanged)",
                rule="R89, R188",
                where=place(rs),
            )


def ipv6(design: Design) -> Iterator[Draft]:
    """L-039: a route server takes IPv6 from its virtual network (R17)."""
    for rs in design.network.route_servers.values():
        if any(prefix.version == 6 for prefix in design.network.virtual_networks[rs.virtual_network].address_space):
            yield Draft(
                on=rs.name,
                message=f"IPv6 stops working in {rs.virtual_network}, since it hosts {rs.name}",
                remedy=f"keep IPv6 to virtual networks that are peered with {rs.virtual_network}",
                rule="R17",
                where=place(rs),
            )


def route_map_across_networks(design: Design) -> Iterator[Draft]:
    """L-044: a route map cannot be attached to a peer outside the route server's virtual network (R121, R123)."""
    network = design.network
    for rs in network.route_servers.values():
        for peer in dict.fromkeys((*rs.inbound_route_maps, *rs.outbound_route_maps)):
            owner = network.router(base_name(peer)) or network.gateways.get(base_name(peer))
            home = owner.virtual_network if owner is not None else _home_of_peer(network, rs, peer)
            if home != rs.virtual_network:
                yield Draft(
                    on=rs.name,
                    message=f"Azure refuses the route map for {peer} (HubBgpConnectionFromSpokeVnetCannotReferenceRouteMap): it is not in {rs.virtual_network}",
                    remedy=f"change what {peer} exports instead (prepend, export)",
                    rule="R123",
                    where=place(rs),
                )


def _home_of_peer(network: Network, rs: RouteServer, name: str) -> str | None:
    """The virtual network that a peer is in which the file knows by its address alone."""
    address = next((peer.address for peer in rs.peers if peer.name == base_name(name)), None)
    if address is None:
        return None
    return next((n for n, x in network.virtual_networks.items() if any(p.covers(address.host_prefix) for p in x.address_space)), None)


def route_map_against_the_rules(design: Design) -> Iterator[Draft]:
    """L-045: what Azure's route maps may not do, or do to more than meant (R120, R122, R125)."""
    maps = {
        name: rs.name
        for rs in design.network.route_servers.values()
        for name in (*rs.inbound_route_maps.values(), *rs.outbound_route_maps.values())
    }
    for name in sorted(maps):
        for rule in design.network.route_maps.get(name, ()):
            for message, remedy, source in _against(rule):
                yield Draft(on=name, message=f"{rule.name}: {message}", remedy=remedy, rule=source, where=("route_maps", name))


def _against(rule: Rule) -> Iterator[tuple[str, str, str]]:
    match, actions = rule.match, rule.actions
    criteria = (match.prefix_equals, match.prefix_contains, match.as_path_equals, match.as_path_contains)
    if all(c is None for c in (*criteria, match.community_equals, match.community_contains, match.learned_from)):
        yield "has no criteria, so it matches every route", "give it a match", "R120"
    asns = (*(actions.as_path_add or ()), *(actions.as_path_replace or ()))
    if bad := sorted({asn for asn in asns if asn > 65535 or _within(asn, (*RESERVED_ASNS, *PRIVATE_ASNS))}):
        yield (
            f"Azure does not take private, reserved or 32-bit ASNs in a path ({', '.join(map(str, bad))})",
            "use a public ASN of your own",
            "R122",
        )
    if bad_tags := sorted(set(actions.community_remove or ()) & AZURE_COMMUNITIES):
        yield f"communities of Azure's cannot be removed ({', '.join(bad_tags)})", "leave them", "R122"
    if (
        match.learned_from is not None
        or actions.local_preference is not None
        or actions.med is not None
        or actions.as_path_remove is not None
    ):
        yield (
            "learned_from, local_preference, med and as_path remove are for routers, Azure's route maps have none",
            "take them out",
            "R120",
        )
    if actions.prefix_replace is not None and DEFAULT_V4 in actions.prefix_replace:
        yield "0.0.0.0/0 cannot be made by a route map", "let an NVA announce it", "R122"
