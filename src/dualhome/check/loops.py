"""Findings about AS paths that hold 65515, and about routes that go in circles."""

from __future__ import annotations

from collections.abc import Iterator

from dualhome.check.facts import Facts
from dualhome.check.finding import Design, Draft
from dualhome.check.policies import permits
from dualhome.check.servers import nva_place
from dualhome.model import Router, base_name
from dualhome.net import Prefix, covered
from dualhome.plan.azure import own_space
from dualhome.plan.routers import applies
from dualhome.topology.edits import Edit

ANYTHING = Prefix.parse("192.0.2.0/24")  # where a policy is asked about the source of a route alone


def listed(prefixes: list[Prefix], most: int = 3) -> str:
    """The first few, in order."""
    unique = sorted(set(prefixes))
    return ", ".join(map(str, unique[:most])) + (f" and {len(unique) - most} more" if len(unique) > most else "")


def servers_of(design: Design, nva: str) -> list[str]:
    """Route servers that name the NVA, in the file's order."""
    return [rs.name for rs in design.network.route_servers.values() if any(peer.name == nva for peer in rs.peers)]


def lost_to_the_loop_check(design: Design, nva: str, rs: str) -> list[Prefix]:
    """Prefixes from elsewhere that the route server refuses from this NVA for its own ASN in the path (R99).

    What the NVA has from the same route server, or what lies in its own space, is no loss.
    """
    facts = design.facts
    if facts is None:
        return []
    space = own_space(design.network, design.network.route_servers[rs].virtual_network)
    lost = []
    for instance, peer in facts.pairs(rs, nva):
        refused = [Prefix(*r.prefix) for r in facts.rejected(instance, peer) if r.reason == "as-loop"]
        for prefix in (p for p in refused if not covered(p, space)):
            told = facts.advertised(peer, instance, prefix)
            if told and base_name(facts.source(peer, told[0]) or "") != rs:
                lost.append(prefix)
    return lost


def _rewrites(nva: Router, rs: str) -> bool:
    """Whether it takes 65515 out of paths toward this route server, by as-override or strip."""
    return any(applies(setting, rs, route_server=True) or f"{rs}#0" in named(setting) for setting in (nva.as_override, nva.as_strip))


def named(setting: bool | tuple[str, ...]) -> tuple[str, ...]:
    """The peers that a setting names."""
    return () if isinstance(setting, bool) else setting


def refused_as_loop(design: Design) -> Iterator[Draft]:
    """L-004: a route server silently drops what has 65515 in its AS path (R99). Half of an override is L-005."""
    for nva in design.network.nvas.values():
        servers = servers_of(design, nva.name)
        if any(_rewrites(nva, rs) for rs in servers):
            servers = [rs for rs in servers if _rewrites(nva, rs)]
        for rs in servers:
            if lost := lost_to_the_loop_check(design, nva.name, rs):
                yield Draft(
                    on=nva.name,
                    message=f"{rs} drops {listed(lost)} from {nva.name}: the AS path holds {design.network.route_servers[rs].asn}, its own ASN",
                    remedy=f"set as_override (or as_strip) at {nva.name} toward {rs}",
                    rule="R99",
                    where=nva_place(nva.name),
                    edits=_overriding(nva, rs),
                )


def half_overridden(design: Design) -> Iterator[Draft]:
    """L-005: an NVA between two route servers must rewrite the path toward both, since both are 65515 (R165, R173)."""
    for nva in design.network.nvas.values():
        servers = servers_of(design, nva.name)
        done = [rs for rs in servers if _rewrites(nva, rs)]
        for rs in (rs for rs in servers if done and rs not in done):
            if lost := lost_to_the_loop_check(design, nva.name, rs):
                yield Draft(
                    on=nva.name,
                    message=f"{nva.name} rewrites AS paths toward {' and '.join(done)} only, so {rs} drops {listed(lost)}: one direction of routes is missing",
                    remedy=f"set as_override (or as_strip) at {nva.name} toward {rs} as well",
                    rule="R165, R173",
                    where=nva_place(nva.name),
                    edits=_overriding(nva, rs),
                )


def _overriding(nva: Router, rs: str) -> tuple[Edit, ...]:
    """The technique that it has already, toward this route server as well; as-override toward all where it has none."""
    if any(f"{rs}#{i}" in named(setting) for setting in (nva.as_override, nva.as_strip) for i in (0, 1)):
        return ()
    key = "as_strip" if nva.as_strip and not nva.as_override else "as_override"
    toward = named(nva.as_strip if key == "as_strip" else nva.as_override)
    return (Edit(path=(*nva_place(nva.name), key), value=[*toward, rs] if toward else True),)


def boomerang(design: Design) -> Iterator[Draft]:
    """L-013: what an NVA has from one instance it gives back to the other, and nothing stops it once 65515 is gone from the path (R102)."""
    facts = design.facts
    for nva in design.network.nvas.values() if facts else ():
        for rs in servers_of(design, nva.name):
            back: list[Prefix] = []
            for instance, peer in facts.pairs(rs, nva.name) if facts else ():
                assert facts is not None
                back += [prefix for prefix in facts.echoed(peer, instance) if facts.received(instance, peer, prefix)]
            if back:
                yield Draft(
                    on=nva.name,
                    message=f"{nva.name} tells {rs} what it has from {rs} itself ({listed(back)}); packets may circle once it is preferred there",
                    remedy=f"let {nva.name} export to {rs} only what it has from elsewhere (export, learned_from)",
                    rule="R102",
                    where=nva_place(nva.name),
                    edits=_filtered(nva, rs),
                )


def _filtered(nva: Router, rs: str) -> tuple[Edit, ...]:
    """An export rule that drops what came from there; () where the file has rules for that peer, which somebody must read."""
    if any(peer.partition("#")[0] == rs for peer in nva.export_rules):
        return ()
    rule = {"match": {"learned_from": [rs]}, "actions": {"prefix": "drop"}}
    return (Edit(path=(*nva_place(nva.name), "export", rs), value=[rule]),)


def override_beside_strip(design: Design) -> Iterator[Draft]:
    """L-029: as-override keeps the path's length and strip shortens it, so that one of two NVAs wins alone (R101)."""
    network = design.network
    for rs in network.route_servers.values():
        nvas = [nva for peer in rs.peers if (nva := network.nvas.get(peer.name)) is not None]
        overriding = [nva.name for nva in nvas if applies(nva.as_override, rs.name, route_server=True)]
        stripping = [nva.name for nva in nvas if nva.name not in overriding and applies(nva.as_strip, rs.name, route_server=True)]
        for name in stripping if overriding else ():
            yield Draft(
                on=name,
                message=f"paths of {name} at {rs.name} are shorter than those of {overriding[0]}, which overrides where it strips: active and passive, not both active",
                remedy="use the same technique at both",
                rule="R101",
                where=nva_place(name),
            )


def transit_through_the_spoke(design: Design) -> Iterator[Draft]:
    """L-053: one hub's routes come to the other hub's NVA through the spoke's route server, and it would offer them to its own (R171, R172).

    It shows only once that NVA has lost its own way, so what counts is whether its export would let them pass.
    """
    facts = design.facts
    if facts is None:
        return
    for nva in design.network.nvas.values():
        servers = servers_of(design, nva.name)
        for spoke_rs in servers if len(servers) > 1 else ():
            relayed = _relayed(design, facts, nva.name, spoke_rs)
            for rs in (name for name in servers if relayed and name != spoke_rs):
                if foreign := _passing(design, facts, nva.name, rs, relayed):
                    yield Draft(
                        on=nva.name,
                        message=f"{nva.name} would tell {rs} what other NVAs tell {spoke_rs} ({listed(foreign)}): transit between hubs, and a loop",
                        remedy=f"let {nva.name} export to {rs} only prefixes of the spoke",
                        rule="R171, R172",
                        where=nva_place(nva.name),
                    )


def _relayed(design: Design, facts: Facts, nva: str, source: str) -> list[tuple[Prefix, tuple[str, ...], list[str]]]:
    """Routes of other NVAs that a route server may relay to this one: prefix, tags that they have here, communities."""
    found = []
    for instance, peer in facts.pairs(source, nva):
        told = design.plan.speakers[instance].config
        relay = told.peers[peer].policy.export
        tags = design.plan.speakers[nva].config.peers[instance].policy.tags
        others = {
            name: each.policy.tags
            for name, each in told.peers.items()
            if name in design.network.nvas and name != nva and all(permits(stage, ANYTHING, each.policy.tags, []) for stage in relay)
        }
        for route in facts.engine.speakers[instance].rib.candidates() if others else ():
            prefix, sender = Prefix(*route.prefix), facts.source(instance, route)
            if sender in others and all(permits(stage, prefix, others[sender], route.communities) for stage in relay):
                found.append((prefix, tags, route.communities))
    return found


def _passing(design: Design, facts: Facts, nva: str, target: str, routes: list[tuple[Prefix, tuple[str, ...], list[str]]]) -> list[Prefix]:
    """Those that the NVA's export toward a route server does not refuse, and that are not in that one's own space."""
    config = design.plan.speakers[nva].config
    exports = next((config.peers[mine].policy.export for mine in config.peers if base_name(mine) == target), None)
    if exports is None or not any(facts.pairs(target, nva)):
        return []
    space = own_space(design.network, design.network.route_servers[target].virtual_network)
    return [p for p, tags, words in routes if not covered(p, space) and all(permits(stage, p, tags, words) for stage in exports)]
