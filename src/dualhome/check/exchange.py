"""Findings about routes between NVAs, route servers, gateways and on-premises."""

from __future__ import annotations

from collections.abc import Iterator

from dualhome.check.facts import Facts
from dualhome.check.finding import Design, Draft
from dualhome.check.gateways import place as gateway_place
from dualhome.check.loops import listed, servers_of
from dualhome.check.servers import PRIVATE_ASNS, nva_place
from dualhome.check.servers import place as server_place
from dualhome.model import PERSONALITIES, GatewayKind, Router, RoutingPreference, base_name
from dualhome.net import DEFAULT_V4, Prefix, covered
from dualhome.plan import SpeakerKind
from dualhome.plan.azure import EDGE_ALERT, EDGE_PREFIX_LIMIT, own_space
from dualhome.plan.routers import for_peer
from dualhome.topology.edits import ABSENT, Edit

AZURE_LIMIT = PERSONALITIES["azure"].max_routes_per_peer or 0


def own_prefix_announced(design: Design) -> Iterator[Draft]:
    """L-019: a prefix in the route server's own or transit space is not programmed (R58, R59)."""
    network, facts = design.network, design.facts
    for nva in network.nvas.values():
        for rs in (network.route_servers[name] for name in servers_of(design, nva.name)):
            space = own_space(network, rs.virtual_network) if nva.originates else ()
            inside = [o.prefix for o in nva.originates if covered(o.prefix, space)]
            if facts is not None and inside:
                refused = {
                    Prefix(*r.prefix)
                    for i, peer in facts.pairs(rs.name, nva.name)
                    for r in facts.rejected(i, peer)
                    if r.reason == "own-prefix"
                }
                inside = [prefix for prefix in inside if prefix in refused]
            if inside:
                yield Draft(
                    on=nva.name,
                    message=f"{rs.name} gives {listed(inside)} to no machine: it lies in the space of {rs.virtual_network} or its transit spokes",
                    remedy="announce a supernet, or use a user-defined route",
                    rule="R59",
                    where=nva_place(nva.name),
                )


def too_many_from_peer(design: Design) -> Iterator[Draft]:
    """L-021: over the limit a route server ends the session, and what it holds counts again when all is announced anew (R87)."""
    facts = design.facts
    for rs in design.network.route_servers.values():
        limit, times = rs.max_routes_per_peer, 2 if PERSONALITIES[rs.behaves_like].counts == "azure" else 1
        for peer in (p.name for p in rs.peers if p.name in design.network.nvas and limit is not None):
            assert limit is not None
            held = len(design.network.nvas[peer].originates)
            if facts is not None:
                held = max(
                    [
                        held,
                        *(len(facts.received(i, n)) for i, n in facts.pairs(rs.name, peer) if _holds(facts, i) * times > limit),
                    ]
                )
            if held * times > limit:
                when = "at once" if held > limit else "when it announces all of them again"
                yield Draft(
                    on=peer,
                    message=f"{rs.name} ends its sessions with {peer} {when}: {held} routes at a limit of {limit}",
                    remedy="summarise what it announces, or raise max_routes_per_peer (Azure: 4000)",
                    rule="R87",
                    where=nva_place(peer),
                    edits=(Edit(path=(*server_place(rs), "max_routes_per_peer"), value=AZURE_LIMIT),)
                    if limit < held * times <= AZURE_LIMIT
                    else (),
                )


def _holds(facts: Facts, speaker: str) -> int:
    return facts.engine.speakers[speaker].rib.statistics()["prefixes"]


def too_many_to_circuit(design: Design) -> Iterator[Draft]:
    """L-022: a circuit takes 1,000 prefixes from a gateway; four fifths of them are reason to look (R88, R141, D23)."""
    facts = design.facts
    for gateway in design.network.gateways.values() if facts else ():
        speaker = f"{gateway.name}#0"
        assert facts is not None
        if gateway.kind is not GatewayKind.EXPRESSROUTE or not facts.has(speaker):
            continue
        edges = {n for n in facts.peers(speaker) if facts.plan.speakers[n].kind is SpeakerKind.EDGE}
        best = facts.engine.speakers[speaker].rib.best() if edges else []
        told = sum(1 for _, hops in best if facts.peer_name(speaker, hops[0][1]) not in edges)
        if told > EDGE_PREFIX_LIMIT * EDGE_ALERT:
            then = "end the session" if design.network.quirks.over_the_edge_limit == "session-down" else "ignore what comes"
            yield Draft(
                on=gateway.name,
                message=f"{gateway.name} tells its circuits {told} prefixes, and they {then} above {EDGE_PREFIX_LIMIT}",
                remedy="summarized_gateway_prefixes, a summary at the NVA, or no-advertise",
                rule="R88, R141",
                where=gateway_place(gateway),
            )


def private_prepend(design: Design) -> Iterator[Draft]:
    """L-030: private ASNs leave the path at Microsoft's edge, so a prepend by them does not count on premises (R134).

    Where a circuit has several gateways its edge does see it, and chooses by it.
    """
    network = design.network
    for nva in network.nvas.values():
        for rs in (network.route_servers[name] for name in servers_of(design, nva.name)):
            if not rs.branch_to_branch or not _prepends_in_vain(nva, f"{rs.name}#0"):
                continue
            names = {g.name for g in network.gateways_of(rs.virtual_network) if g.kind is GatewayKind.EXPRESSROUTE}
            circuits = [c for c in network.circuits.values() if names & {x.gateway for x in c.gateways}]
            if circuits and all(len(c.gateways) == 1 for c in circuits):
                yield Draft(
                    on=nva.name,
                    message=f"on premises the prepend of {nva.name} toward {rs.name} is not seen over {circuits[0].name}: private ASNs are taken out",
                    remedy="prepend with a public ASN, or set a local preference on premises",
                    rule="R134",
                    where=nva_place(nva.name),
                )


def _prepends_in_vain(nva: Router, peer: str) -> bool:
    """Whether it makes paths longer toward a peer by private ASNs alone, and lets that peer tell others."""
    if any(word in ("no-advertise", "65535:65282") for word in for_peer(nva.communities, peer) or ()):
        return False
    own = bool(for_peer(nva.prepend, peer)) and _is_private(nva.asn or 0)
    added = [rule.actions.as_path_add for rule in for_peer(nva.export_rules, peer) or () if rule.actions.as_path_add]
    return own or any(all(map(_is_private, path)) for path in added)


def _is_private(asn: int) -> bool:
    return any(asn in block for block in PRIVATE_ASNS)


def _default_from(design: Design, speaker: str) -> list[str]:
    """NVAs whose default route a gateway instance has from its route server; () where it has none."""
    facts = design.facts
    if facts is None or not facts.has(speaker):
        return []
    best = next((r for r in facts.candidates(speaker, DEFAULT_V4) if r.best), None)
    source = facts.source(speaker, best) if best is not None else None
    if source is None or base_name(source) not in design.network.route_servers:
        return []
    announcers = (base_name(facts.source(source, r) or "") for r in facts.candidates(source, DEFAULT_V4) if r.multipath)
    return [name for name in dict.fromkeys(announcers) if name in design.network.nvas]


def default_not_to_sites(design: Design) -> Iterator[Draft]:
    """L-031: a VPN gateway never passes on 0.0.0.0/0 (R133)."""
    for gateway in design.network.gateways.values():
        sites = [c.to for c in design.network.vpn_connections if c.gateway == gateway.name and c.bgp]
        for nva in _default_from(design, f"{gateway.name}#0") if gateway.kind is GatewayKind.VPN and sites else ():
            yield Draft(
                on=nva,
                message=f"{', '.join(sites)} will not hear of the default route of {nva}: {gateway.name} passes on no 0.0.0.0/0",
                remedy="announce 0.0.0.0/1 and 128.0.0.0/1 if the sites shall have it",
                rule="R133",
                where=nva_place(nva),
            )


def default_leaks(design: Design) -> Iterator[Draft]:
    """L-032: with branch-to-branch an NVA's default route goes to on-premises over ExpressRoute, unless filtered there (R133)."""
    facts = design.facts
    for gateway in design.network.gateways.values() if facts else ():
        assert facts is not None
        circuits = [c for c in design.network.circuits.values() if any(x.gateway == gateway.name for x in c.gateways)]
        routers = {name for c in circuits for name in c.provider_edge if facts.has(name)}
        edges = {c.name for c in circuits}
        reached = [n for n in sorted(routers) if any(base_name(facts.source(n, r) or "") in edges for r in facts.candidates(n, DEFAULT_V4))]
        for nva in _default_from(design, f"{gateway.name}#0") if reached else ():
            yield Draft(
                on=nva,
                message=f"the default route of {nva} leaks to {', '.join(reached)} by way of {gateway.name}",
                remedy="add no-advertise to it (communities), or filter it on premises (import)",
                rule="R133",
                where=nva_place(nva),
            )


def refused_branch_tag(design: Design) -> Iterator[Draft]:
    """L-033: a gateway beside a route server refuses what another route server tagged, so one hub's routes do not come over the circuit (R135)."""
    network, facts = design.network, design.facts
    for gateway in network.gateways.values() if facts else ():
        lost: list[Prefix] = []
        for speaker in (f"{gateway.name}#0", f"{gateway.name}#1"):
            assert facts is not None
            for peer in facts.peers(speaker) if facts.has(speaker) else ():
                if base_name(peer) in network.circuits:
                    refused = [Prefix(*r.prefix) for r in facts.rejected(speaker, peer) if r.reason == "branch-tag"]
                    lost += [p for p in refused if not facts.candidates(speaker, p) and not _tagged_on_premises(design, facts, peer, p)]
        if lost:
            yield Draft(
                on=gateway.name,
                message=f"{gateway.name} refuses {listed(lost)} from its circuit: another route server's NVA routes do not pass Microsoft's edge",
                remedy="put a tunnel between the NVAs",
                rule="R135",
                where=gateway_place(gateway),
            )


def _tagged_on_premises(design: Design, facts: Facts, edge: str, prefix: Prefix) -> bool:
    """Whether the edge has the route from a router that adds the tag itself, which is L-034."""
    if not facts.has(edge):
        return False
    sources = {facts.source(edge, route) for route in facts.candidates(edge, prefix) if route.best}
    return any(bool(_tags(router)) for name, router in design.network.on_premises.items() if name in sources)


def _tags(router: Router) -> list[str]:
    """Communities of Azure's that an on-premises router adds."""
    added = [c for words in router.communities.values() for c in words]
    for rules in router.export_rules.values():
        for rule in rules:
            added += [*(rule.actions.community_add or ()), *(rule.actions.community_replace or ())]
    return sorted({c for c in added if c.partition(":")[0] in ("65515", "65517")})


def azure_communities(design: Design) -> Iterator[Draft]:
    """L-034: routes from on-premises with communities of Azure's are dropped (R104, R135)."""
    for router in design.network.on_premises.values():
        bad = _tags(router)
        if bad:
            yield Draft(
                on=router.name,
                message=f"gateways or route servers drop what {router.name} announces with {', '.join(bad)}",
                remedy="use communities of an ASN of your own",
                rule="R104, R135",
                where=("on_premises", router.name),
                edits=tuple(
                    Edit(path=("on_premises", router.name, "communities", peer, word), value=ABSENT)
                    for peer, words in router.communities.items()
                    for word in words
                    if word in bad
                ),
            )


def no_way_back_to_expressroute(design: Design) -> Iterator[Draft]:
    """L-038: a path by VPN or NVA that is no longer than ExpressRoute's may keep the traffic once ExpressRoute is back (R111)."""
    facts = design.facts
    for rs in design.network.route_servers.values():
        circuits = any(g.kind is GatewayKind.EXPRESSROUTE for g in design.network.gateways_of(rs.virtual_network))
        speaker = f"{rs.name}#0"
        if facts is None or rs.routing_preference is not RoutingPreference.EXPRESSROUTE or not circuits or not facts.has(speaker):
            continue
        shortest: dict[tuple[int, int, int], dict[str, int]] = {}
        for route in facts.engine.speakers[speaker].rib.candidates():
            kind = "er" if "class:er" in route.tags else "other" if {"class:vpn", "class:nva"} & set(route.tags) else ""
            if kind:
                lengths = shortest.setdefault(route.prefix, {})
                lengths[kind] = min(route.as_path_length, lengths.get(kind, route.as_path_length))
        stuck = [Prefix(*p) for p, lengths in shortest.items() if len(lengths) == 2 and lengths["other"] <= lengths["er"]]
        if stuck:
            yield Draft(
                on=rs.name,
                message=f"traffic to {listed(stuck)} may stay with VPN or NVA after ExpressRoute has failed and come back: their paths are not longer",
                remedy="prepend at the VPN site or NVA",
                rule="R111",
                where=server_place(rs),
            )
