"""The effective route of a NIC or of GatewaySubnet: who programmed it, what it won over, or what kept it away."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from dualhome.check.facts import Facts
from dualhome.explain.absence import absent_story
from dualhome.explain.search import holders, refusals
from dualhome.explain.story import Remedy, Step, Story
from dualhome.explain.tale import best, steps, way
from dualhome.forwarding.effective import EffectiveRoute, effective_routes, select
from dualhome.forwarding.world import Programmed
from dualhome.model import GATEWAY_SUBNET, Network, base_name
from dualhome.net import Prefix

MOST_BRANCHES = 8
BGP = "VirtualNetworkGateway"
KINDS = {BGP: "the BGP route", "User": "the user-defined route", "Default": "the system route"}


def nic_story(facts: Facts, nic: str, prefix: Prefix) -> Story:
    """Why this next hop, or why none."""
    rows = [row for row in effective_routes(facts.engine, nic) if row.prefix == prefix]
    active = next((row for row in rows if row.state == "Active"), None)
    if active is None or (only_the_systems(active) and announced(facts, prefix)):
        return absent(facts, nic, prefix)
    hops = " and ".join(map(str, active.next_hops))
    beaten = tuple(_beaten(facts, nic, prefix, active, rows))
    question = f"Why does {nic} have {prefix}?"
    if active.source != BGP:
        kind = f"the user-defined route of {active.via}" if active.source == "User" else "a system route"
        answer = f"{nic} {does(active, prefix, hops)}: {kind}"
        step = Step(node=nic, what="selected", text=answer, rule=active.rule, after=row_data(active))
        return Story(question=question, answer=answer, steps=(step, *beaten))
    tale, announcers = _programmed(facts, active.via, nic, prefix)
    tells = "tell" if len(announcers) > 1 else "tells"
    by = f"{active.via} programs what {' and '.join(announcers)} {tells} it" if announcers else f"{active.via} programs it"
    server = facts.engine.network.route_servers.get(active.via)
    if server is not None and server.persist_routes_minutes and not announcers:
        by = f"{active.via} learned it before its last session ended, and persists routes"
    if not any(facts.engine.alive(name) for name in instances_of(facts, active.via, nic)):
        by = f"{active.via}, which programmed it, is down, and nobody takes it back"
    if active.next_hop_type == "None":
        text = f"{nic} drops packets for {prefix}: the next hop that {active.via} programs is in no virtual network that is its own or peered with it"
        remedy = Remedy(text=f"peer {stands_in(facts.engine.network, nic)[0]} with the virtual network of the next hop")
        last = Step(node=nic, what="selected", text=text, rule="R43", after=row_data(active))
        return Story(question=question, answer=f"{text} (R43)", steps=tale, refusals=(last,), remedy=remedy)
    text = f"{nic} sends packets for {prefix} to {hops or active.next_hop_type}"
    last = Step(node=nic, what="programmed", text=f"{text}: {by}", rule=active.rule, after=row_data(active))
    speaker = _holder(facts, active.via, nic, prefix)
    refused = refusals(facts, prefix, speaker) if speaker else []
    return Story(
        question=question,
        answer=f"{text}: {by}",
        steps=(*tale, last, *beaten),
        refusals=tuple(stop.step for stop in refused),
        remedy=next((stop.remedy for stop in refused if stop.remedy is not None), None),
    )


def does(row: EffectiveRoute, prefix: Prefix, hops: str) -> str:
    """What happens to its packets, by the kind of next hop."""
    where = {
        "None": "drops packets for {}",
        "VnetLocal": "sends packets for {} inside its own virtual network (VnetLocal)",
        "VNetPeering": "sends packets for {} over the peering (VNetPeering)",
        "VNetGlobalPeering": "sends packets for {} over the peering (VNetGlobalPeering)",
        "Internet": "sends packets for {} to the Internet",
    }.get(row.next_hop_type)
    return where.format(prefix) if where else f"sends packets for {prefix} to {row.next_hop_type}{' ' + hops if hops else ''}"


def only_the_systems(row: EffectiveRoute) -> bool:
    """A None row, or the way to the Internet: what is there before anyone announces anything (R45)."""
    return row.source == "Default" and row.next_hop_type in ("None", "Internet")


def announced(facts: Facts, prefix: Prefix) -> bool:
    """Whether the file lets anyone announce it, or anyone holds it."""
    return any(prefix in speaker.config.origins for speaker in facts.plan.speakers.values()) or bool(holders(facts, prefix))


def instances_of(facts: Facts, owner: str, nic: str) -> list[str]:
    """Speakers of an object that program this NIC: all of them, or under partition one (R73)."""
    rs = facts.engine.network.route_servers.get(base_name(owner))
    only = (
        facts.engine.programmer(rs.virtual_network, nic) if rs is not None and base_name(nic) not in facts.engine.network.gateways else None
    )
    mine = [name for name in facts.plan.speakers if base_name(name) == base_name(owner) and facts.has(name)]
    return [name for name in mine if only is None or name.endswith(f"#{only}")]


def _holder(facts: Facts, owner: str, nic: str, prefix: Prefix) -> str | None:
    """Its first working instance that has a route."""
    return next((n for n in instances_of(facts, owner, nic) if facts.engine.alive(n) and facts.candidates(n, prefix)), None)


def _programmed(facts: Facts, by: str, nic: str, prefix: Prefix) -> tuple[tuple[Step, ...], list[str]]:
    """The tale of each way that its route server or gateway uses, and from whom it has them."""
    speaker = _holder(facts, by, nic, prefix)
    if speaker is None:
        return (), []
    told: list[Step] = []
    announcers: list[str] = []
    for route in [r for r in facts.candidates(speaker, prefix) if r.multipath]:
        source = base_name(facts.source(speaker, route) or speaker)
        if source in announcers or len(announcers) >= MOST_BRANCHES:
            continue
        announcers.append(source)
        told += [step for step in steps(facts, way(facts, speaker, prefix, route), prefix) if step not in told]
    return tuple(told), announcers


def _beaten(facts: Facts, nic: str, prefix: Prefix, active: EffectiveRoute, rows: list[EffectiveRoute]) -> Iterator[Step]:
    """What has the same prefix and lost."""
    for row in rows:
        if row is not active:
            text = f"{KINDS[row.source]} ({row.next_hop_type}) is Invalid: {KINDS[active.source]} of the same prefix goes first"
            yield Step(node=nic, what="lost", text=text, rule=row.rule or "R56", after=row_data(row))
    if active.source == BGP:
        yield from _left_out(facts, nic, prefix, active)
    if active.source != BGP and not any(row.source == BGP for row in rows):
        for programmed in offers(facts, nic, prefix):
            rule = "R56" if active.source == "Default" else "R60"
            text = f"{programmed.by} has {prefix} for it too, to {' and '.join(map(str, programmed.next_hops))}; {KINDS[active.source]} goes first"
            yield Step(node=nic, what="lost", text=text, rule=rule)


def _left_out(facts: Facts, nic: str, prefix: Prefix, active: EffectiveRoute) -> Iterator[Step]:
    """Next hops that are programmed and not used: out of reach (R43), of another equal ExpressRoute connection (R114)."""
    programmed = next((p for p in offers(facts, nic, prefix) if p.by == active.via), None)
    if programmed is None:
        return
    network = facts.engine.network
    for hop in (hop for hop in programmed.next_hops if hop not in active.next_hops):
        text = f"next hop {hop} is left out: it is in no virtual network that is {stands_in(network, nic)[0]} itself or peered with it"
        yield Step(node=nic, what="lost", text=text, rule="R43")
    if programmed.route_class != "er":
        return
    gateways = {x.gateway for c in network.circuits.values() for x in c.gateways if c.microsoft_address(0) in programmed.next_hops}
    for circuit in network.circuits.values():
        beside = any(x.gateway in gateways for x in circuit.gateways) and not {circuit.microsoft_address(i) for i in (0, 1)} & {
            *active.next_hops
        }
        if beside and any(best(facts, f"{circuit.name}#{i}", prefix) for i in (0, 1) if facts.has(f"{circuit.name}#{i}")):
            text = f"{circuit.name} leads there too, and of several ExpressRoute connections only one is used: of the highest weight, then by name"
            yield Step(node=nic, what="lost", text=text, rule="R114")


def stands_in(network: Network, nic: str) -> tuple[str, str | None]:
    """Its virtual network and the route table of its subnet."""
    base = base_name(nic)
    if base in network.gateways:
        virtual_network = network.gateways[base].virtual_network
        subnet = network.virtual_networks[virtual_network].subnets.get(GATEWAY_SUBNET)
        return virtual_network, subnet.route_table if subnet else None
    found = next(each for each in network.nics() if each.name == nic)
    return found.virtual_network, network.subnet(found.subnet).route_table


def offers(facts: Facts, nic: str, prefix: Prefix) -> Iterator[Programmed]:
    """What its own virtual network and its transit hub would program for the prefix."""
    network = facts.engine.network
    home, _ = stands_in(network, nic)
    hub = network.transit_hub(home)
    part = None if base_name(nic) in network.gateways else nic
    for place in (home, hub) if hub else (home,):
        programmed = facts.engine.programmed(place, part).get(prefix)
        if programmed is not None:
            yield programmed


def absent(facts: Facts, nic: str, prefix: Prefix) -> Story:
    """What kept the route from the NIC: the subnet, a system route, the missing transit pair, or something before."""
    engine, network = facts.engine, facts.engine.network
    question = f"Why does {nic} not have {prefix}?"
    home, table = stands_in(network, nic)
    rows = effective_routes(engine, nic)
    used = select(rows, prefix.address(0))
    if used is None:
        instead = "nothing else covers it there"
    elif used.next_hop_type == "None":
        instead = f"its packets are dropped by {used.prefix} (None)"
    else:
        instead = f"it uses {used.prefix} ({used.next_hop_type}) instead"
    offered = next(offers(facts, nic, prefix), None)
    if offered is not None:
        reason, rule, remedy = hidden(network, nic, prefix, table, rows)
        tale, _ = _programmed(facts, offered.by, nic, prefix)
        step = Step(node=nic, what="absent", text=f"{offered.by} has {prefix} for {nic}, but {reason}; {instead}", rule=rule)
        answer = f"{nic} has no route {prefix}: {reason}" + (f" ({rule})" if rule else "") + f"; {instead}"
        return Story(question=question, answer=answer, steps=tale, refusals=(step,), remedy=remedy)
    wanted = programmers(facts, home, nic) or programmers(facts, network.transit_hub(home) or "", nic)
    if not wanted and (story := _no_transit(facts, question, nic, home, prefix)):
        return story
    apart = by_partition(facts, nic, prefix)
    if apart is not None:
        step, remedy = apart
        answer = f"{nic} has no route {prefix}: {step.text} ({step.rule}); {instead}"
        return Story(question=question, answer=answer, refusals=(step,), remedy=remedy)
    told = absent_story(facts, question, nic, prefix, wanted)
    meanwhile = (Step(node=nic, what="selected", text=f"{nic}: {instead}", rule=used.rule, after=row_data(used)),) if used else ()
    return replace(told, answer=f"{told.answer}; {instead}", refusals=(*told.refusals, *meanwhile))


def hidden(
    network: Network, nic: str, prefix: Prefix, table: str | None, rows: tuple[EffectiveRoute, ...]
) -> tuple[str, str, Remedy | None]:
    """Why a programmed route is not among the effective ones: reason, rule, remedy."""
    if table is not None and network.route_tables[table].disable_bgp_route_propagation:
        change = {"route_tables": {table: {"disable_bgp_route_propagation": False}}}
        return (
            f"route table {table} disables propagation to its subnet",
            "R63",
            Remedy(text=f"enable propagation in {table}", change=change),
        )
    system = next(
        (r for r in rows if r.next_hop_type in ("VnetLocal", "VNetPeering", "VNetGlobalPeering") and r.prefix.covers(prefix)), None
    )
    if system is not None:
        remedy = Remedy(text="only a user-defined route goes before the system's")
        return f"it lies in {system.prefix}, whose system route ({system.next_hop_type}) goes before BGP", "R56", remedy
    if base_name(nic) in network.gateways:
        return "a gateway takes no default route from a route server", "R68", None
    return "it is not programmed there", "", None


def by_partition(facts: Facts, nic: str, prefix: Prefix, tellers: Collection[str] | None = None) -> tuple[Step, Remedy] | None:
    """Whether only the other instance has the route (of these tellers), for they have no session with the one that programs this NIC (R73)."""
    network = facts.engine.network
    rs = network.route_server_of(stands_in(network, nic)[0])
    only = facts.engine.programmer(rs.virtual_network, nic) if rs is not None else None
    if rs is None or only is None:
        return None
    mine, other = f"{rs.name}#{only}", f"{rs.name}#{1 - only}"
    for route in facts.candidates(other, prefix) if facts.has(other) else ():
        teller = facts.source(other, route)
        if teller is None or (tellers is not None and teller not in tellers) or teller in facts.plan.speakers[mine].config.peers:
            continue
        text = f"{mine} programs {nic} and has no session with {teller}, which tells {other} alone"
        return Step(node=nic, what="absent", text=text, rule="R73"), Remedy(text=f"let {rs.name} peer with {teller} from both instances")
    return None


def programmers(facts: Facts, virtual_network: str, nic: str) -> tuple[str, ...]:
    """The speakers that program a NIC: its route server's instances (under partition one), else its gateways'."""
    network = facts.engine.network
    rs = network.route_server_of(virtual_network)
    owners = (rs.name,) if rs is not None else tuple(g.name for g in network.gateways_of(virtual_network))
    return tuple(name for owner in owners for name in instances_of(facts, owner, nic))


def _no_transit(facts: Facts, question: str, nic: str, home: str, prefix: Prefix) -> Story | None:
    """A peered virtual network has it, and no transit pair brings it here (R34, R35)."""
    network = facts.engine.network
    for peering in network.connected(home):
        for name in programmers(facts, peering.remote, nic):
            if not facts.candidates(name, prefix):
                continue
            hub = peering.remote
            text = f"{name} has {prefix}, but the peering of {home} with {hub} has no transit pair, so nothing is programmed here"
            change = {"peerings": {f"{hub}->{home}": {"allow_gateway_transit": True}, f"{home}->{hub}": {"use_remote_gateways": True}}}
            remedy = Remedy(text=f"set allow_gateway_transit at {hub}->{home} and use_remote_gateways at {home}->{hub}", change=change)
            tale, _ = _programmed(facts, base_name(name), nic, prefix)
            step = Step(node=nic, what="absent", text=text, rule="R34")
            answer = f"{nic} has no route {prefix}: {text} (R34, R35)"
            return Story(question=question, answer=answer, steps=tale, refusals=(step,), remedy=remedy)
    return None


def row_data(row: EffectiveRoute) -> dict[str, object]:
    """A row as steps show it."""
    return {
        "prefix": str(row.prefix),
        "source": row.source,
        "state": row.state,
        "next_hop_type": row.next_hop_type,
        "next_hops": [str(hop) for hop in row.next_hops],
    }
