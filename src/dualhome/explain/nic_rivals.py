"""Why a NIC doesn't send packets by another next hop: the rule that programs, hides or outranks its route, or what kept it from the route server."""

from __future__ import annotations

from collections.abc import Iterator

from dualhome.check.facts import Facts
from dualhome.explain.nic import BGP, KINDS, by_partition, does, hidden, instances_of, offers, programmers, row_data, stands_in
from dualhome.explain.rivals import Way, kept_away, lost_at, told, way_to
from dualhome.explain.story import Remedy, Step, Story
from dualhome.forwarding.effective import EffectiveRoute, effective_routes, select
from dualhome.forwarding.trace import paths
from dualhome.model import base_name
from dualhome.net import Prefix

SYSTEM = ("VnetLocal", "VNetPeering", "VNetGlobalPeering")
Reason = tuple[Step, Remedy | None]


def nic_rival(facts: Facts, nic: str, prefix: Prefix, via: str) -> Story:
    """Why packets of a NIC, or of a gateway's subnet, for the prefix don't go to `via`; or that they do."""
    way = way_to(facts, via)
    rows = effective_routes(facts.engine, nic)
    active = next((row for row in rows if row.prefix == prefix and row.state == "Active"), None) or select(rows, prefix.address(0))
    question = f"Why does {nic} not send packets for {prefix} to {via}?"
    used: tuple[Step, ...] = () if active is None else (_used(nic, active),)
    if active is not None and way.addresses.intersection(active.next_hops):
        beside = "; each flow takes one of them (R64)" if len(active.next_hops) > 1 else ""
        return Story(question=question, answer=f"it does: {used[0].text}{beside}", steps=used)
    if (passing := _passes(facts, nic, prefix, way)) is not None:
        return Story(question=question, answer=f"it does, though not as the next hop: {passing.text}", steps=(*used, passing))
    if active is not None and active.next_hop_type in SYSTEM and active.source == "Default":
        return told(facts, question, [_system(nic, active)], way, prefix, used)
    reasons = [*_outranked(facts, nic, prefix, way, active), *_before_the_nic(facts, nic, prefix, way)]
    if not reasons and active is not None and active.source == "User":
        reasons = [_users(nic, active)]
    telling = [(step, remedy) for step, remedy in reasons if step.rule != "R94"] or reasons
    reasons = telling if active is None or active.source != "User" or telling[0][0].rule == "R60" else [_users(nic, active), *telling]
    return told(facts, question, reasons, way, prefix, used)


def _used(nic: str, row: EffectiveRoute) -> Step:
    hops = " and ".join(map(str, row.next_hops))
    where = f"sends packets for {row.prefix} to {hops}" if row.source == BGP and hops else does(row, row.prefix, hops)
    by = (
        f", which {row.via} programs"
        if row.source == BGP
        else f": {KINDS[row.source]}" + (f" of {row.via}" if row.source == "User" else "")
    )
    return Step(node=nic, what="selected", text=f"{nic} {where}{by}", rule=row.rule, after=row_data(row))


def _passes(facts: Facts, nic: str, prefix: Prefix, way: Way) -> Step | None:
    """Whether its packets come by there later on."""
    for path in paths(facts.engine, nic, str(prefix.address(1 if prefix.length < 31 else 0))):
        names = [hop.name for hop in path.hops]
        if any(base_name(name) == base_name(way.name) for name in names[1:-1]):
            return Step(node=nic, what="selected", text=f"packets go {' → '.join(names)}", rule="R167")
    return None


def _system(nic: str, active: EffectiveRoute) -> Reason:
    """The way inside the own virtual network, or to a peered one (R58)."""
    text = f"{active.prefix} is reached by a system route ({active.next_hop_type}), and no route of BGP ever goes before that"
    remedy = Remedy(text=f"a user-defined route for {active.prefix}, or for a part of it, in the route table of the subnet of {nic}")
    return Step(node=nic, what="lost", text=text, rule="R58"), remedy


def _users(nic: str, active: EffectiveRoute) -> Reason:
    """A user-defined route goes before whatever BGP says of the same prefix (R60)."""
    hops = " and ".join(map(str, active.next_hops)) or active.next_hop_type
    text = f"the user-defined route of {active.via} leads to {hops}, and goes before what BGP says"
    return Step(node=nic, what="lost", text=text, rule="R60"), Remedy(text=f"change {active.prefix} in route table {active.via}")


def _outranked(facts: Facts, nic: str, prefix: Prefix, way: Way, active: EffectiveRoute | None) -> Iterator[Reason]:
    """Its route server or gateway has the way for this NIC; what keeps it out of the effective routes (R43, R56, R60, R63, R68)."""
    network = facts.engine.network
    place, table = stands_in(network, nic)
    remedy: Remedy | None
    for index, programmed in enumerate(offers(facts, nic, prefix)):
        if not way.addresses.intersection(programmed.next_hops):
            continue
        if active is not None and active.prefix == prefix and active.source == "User":
            text = f"{programmed.by} programs it, and the user-defined route of {active.via} for the same prefix goes first"
            remedy = Remedy(text=f"take {prefix} out of route table {active.via}, or let it lead to {way.name}")
            yield Step(node=nic, what="lost", text=text, rule="R60"), remedy
        elif active is not None and active.source == BGP and active.prefix == prefix and index > 0:
            text = f"{programmed.by} programs it too, and what {place}'s own {active.via} programs goes first"
            yield Step(node=nic, what="lost", text=text, rule="R34"), None
        elif active is not None and active.source == BGP and active.prefix == prefix:
            where = next(
                (v for v in network.virtual_networks.values() if any(p.covers(a) for p in v.address_space for a in way.addresses)), None
            )
            text = f"{programmed.by} has {way.name} as next hop, which is in no virtual network that is {place} itself or peered with it"
            remedy = Remedy(text=f"peer {place} with {where.name}", change={"peerings": {f"{place}<->{where.name}": {}}}) if where else None
            yield Step(node=nic, what="absent", text=text, rule="R43"), remedy
        else:
            reason, rule, remedy = hidden(network, nic, prefix, table, effective_routes(facts.engine, nic))
            yield Step(node=nic, what="absent", text=f"{programmed.by} has it for {nic}, but {reason}", rule=rule), remedy


def _before_the_nic(facts: Facts, nic: str, prefix: Prefix, way: Way) -> Iterator[Reason]:
    """The way is not programmed: it lost at the route server or gateway, never came there, or is one of several equal ones that are not used."""
    network = facts.engine.network
    place, _ = stands_in(network, nic)
    wanted = programmers(facts, place, nic) or programmers(facts, network.transit_hub(place) or "", nic)
    if not wanted:
        text = f"{place} has neither a route server nor a gateway, and uses nobody else's: only a user-defined route could lead there"
        yield Step(node=nic, what="absent", text=text, rule="R34"), None
        return
    found = [step for name in wanted for step in lost_at(facts, name, prefix, way)]
    yield from ((step, None) for step in found if step.what == "lost")
    if any(step.what == "chosen" for step in found):
        yield from _unprogrammed(facts, nic, prefix, way, [step.node for step in found if step.what == "chosen"])
    if not found and (apart := by_partition(facts, nic, prefix, way.speakers)) is not None:
        yield apart
    elif not found:
        stopped = list(kept_away(facts, prefix, way, wanted))
        yield from stopped
        if not stopped and any(base_name(name) in network.circuits for name in way.speakers):
            yield from _other_connection(facts, nic, prefix, way)


def _unprogrammed(facts: Facts, nic: str, prefix: Prefix, way: Way, users: list[str]) -> Iterator[Reason]:
    """An instance uses the way, and the NIC has it not: of ExpressRoute's connections one is used (R114), or it is on its way still (R71)."""
    engine, owner = facts.engine, base_name(users[0])
    rs = engine.network.route_servers.get(owner)
    programmed = next(iter(offers(facts, nic, prefix)), None)
    if programmed is not None and way.addresses.intersection(programmed.next_hops):
        return
    alive = [name for name in instances_of(facts, owner, nic) if engine.alive(name)]
    if not alive:
        yield Step(node=owner, what="absent", text=f"{owner} is down, and programs nothing", rule="D15"), Remedy(text=f"restore {owner}")
    elif programmed is not None and programmed.route_class == "er":
        yield from _other_connection(facts, nic, prefix, way)
    elif rs is not None and (rs.programming.delay_s or rs.programming.damping_s):
        text = f"{owner} has chosen it, and programming takes {rs.programming.delay_s:g} s, once in {rs.programming.damping_s:g} s for a prefix"
        yield Step(node=nic, what="absent", text=text, rule="R71"), None


def _other_connection(facts: Facts, nic: str, prefix: Prefix, way: Way) -> Iterator[Reason]:
    """Of several equal ExpressRoute connections one is used (R114), the one of the highest weight (R146)."""
    programmed = next(iter(offers(facts, nic, prefix)), None)
    if programmed is None or programmed.route_class != "er":
        return
    network = facts.engine.network
    used = [
        c.name for c in network.circuits.values() if {c.microsoft_address(0), c.microsoft_address(1)}.intersection(programmed.next_hops)
    ]
    text = f"of several equal ExpressRoute connections only one is used for packets to on-premises, here that of {' and '.join(used)}"
    remedy = Remedy(text=f"a higher routing_weight for the connection of {base_name(way.name)} makes it the one")
    yield Step(node=nic, what="lost", text=text, rule="R114"), remedy
