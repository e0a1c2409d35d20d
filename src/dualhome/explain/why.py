"""`why NODE PREFIX`: which kind of question it is, and the answer's frame."""

from __future__ import annotations

from dataclasses import replace

from dualhome.check.facts import Facts, Machine
from dualhome.errors import RequestError
from dualhome.explain.absence import absent_story
from dualhome.explain.nic import announced, nic_story, only_the_systems
from dualhome.explain.nic_rivals import nic_rival
from dualhome.explain.rivals import speaker_rival
from dualhome.explain.search import refusals
from dualhome.explain.story import Remedy, Step, Story
from dualhome.explain.tale import best, steps, way
from dualhome.forwarding.effective import effective_routes
from dualhome.forwarding.places import places
from dualhome.model import base_name
from dualhome.net import Address, Prefix


def story(engine: Machine, node: str, prefix: Prefix | str, instead_of: str | None = None) -> Story:
    """Why the node has a route for exactly this prefix, or why it has none; an address or a name stands for the longest prefix that anyone has for it.

    For a machine, a NIC or a gateway its effective route; for any other speaker (and an NVA that has a route of its own) its Loc-RIB. With `instead_of`
    why it does not send packets by that node or address.

    Raises:
        RequestError: no such node, or a prefix that is none.
    """
    asked, prefix = prefix, _prefix(engine, node, prefix)
    facts, subjects = Facts(engine), _subjects(engine, node)
    using = (name for name in subjects if facts.has(name) and engine.alive(name) and best(facts, name, prefix) is not None)
    subject = next(using, subjects[0])
    told = _story(facts, subject, prefix) if instead_of is None else _rival(facts, subject, prefix, instead_of)
    return _named(told, asked, prefix)


def _rival(facts: Facts, subject: str, prefix: Prefix, via: str) -> Story:
    """Of a NIC, or of an NVA's own routes where it has one."""
    network = facts.engine.network
    of_gateway = base_name(subject) in network.gateways
    speaks = facts.has(subject) and not of_gateway and best(facts, subject, prefix) is not None
    if (of_gateway or network.nic(subject) is not None) and not speaks:
        return nic_rival(facts, subject, prefix, via)
    return speaker_rival(facts, subject, prefix, via)


def _subjects(engine: Machine, node: str) -> list[str]:
    """The NIC, gateway or speakers whose routes are asked about."""
    network = engine.network
    base = base_name(node)
    if base in network.gateways or network.nic(node):
        return [node]
    if base in network.virtual_machines:
        return [network.virtual_machines[base].nic.name]
    instances = [name for name in engine.plan.speakers if name == node or (base_name(name) == node and name in engine.speakers)]
    if not instances and node in network.hosts():
        instances = [name for name in network.hosts()[node][1] if name in engine.speakers]
    if not instances:
        known = ", ".join(sorted({base_name(name) for name in engine.plan.speakers} | set(network.virtual_machines)))
        raise RequestError(f"nothing here is named '{node}' and has routes; there are {known}")
    return instances


def _story(facts: Facts, node: str, prefix: Prefix) -> Story:
    engine, network = facts.engine, facts.engine.network
    base = base_name(node)
    if base in network.gateways or network.nic(node):
        speaker = node if facts.has(node) and base not in network.gateways else None
        if speaker is not None and not engine.alive(speaker):
            return speaker_story(facts, speaker, prefix)
        if speaker is not None and best(facts, speaker, prefix) is not None:
            return _and_on_its_nic(facts, speaker_story(facts, speaker, prefix), speaker, prefix)
        if speaker is not None and facts.peers(speaker) and announced(facts, prefix):
            return _on_its_nic_alone(facts, speaker_story(facts, speaker, prefix), speaker, prefix)
        if speaker is not None and not any(row.prefix == prefix for row in effective_routes(engine, node)):
            return speaker_story(facts, speaker, prefix)
        return nic_story(facts, node, prefix)
    return speaker_story(facts, node, prefix)


def _prefix(engine: Machine, node: str, asked: Prefix | str) -> Prefix:
    """What is asked about: a prefix as it is written, else the longest one for an address or for what a name stands for."""
    if isinstance(asked, Prefix):
        return asked
    try:
        return Prefix.parse(asked) if "/" in asked else _longest(engine, node, Address.parse(asked))
    except ValueError as error:
        if "/" in asked or asked[:1].isdigit():
            raise RequestError(f"'{asked}' is no prefix ({error}); write it as 192.168.0.0/16") from error
    return _longest(engine, node, places(engine).address_of(asked))


def _named(told: Story, asked: Prefix | str, prefix: Prefix) -> Story:
    """With the name or address that stands for the prefix."""
    if isinstance(asked, Prefix) or asked == str(prefix):
        return told
    return replace(told, question=told.question.replace(str(prefix), f"{prefix}, the way to {asked},", 1).replace(",?", "?"))


def _longest(engine: Machine, node: str, address: Address) -> Prefix:
    """The longest prefix around an address that the node has, or that anyone is to announce."""
    network = engine.network
    known = [prefix for speaker in engine.plan.speakers.values() for prefix in speaker.config.origins]
    if base_name(node) in network.gateways or network.nic(node):
        known += [row.prefix for row in effective_routes(engine, node) if row.state == "Active"]
    covering = [prefix for prefix in known if prefix.covers(address)]
    return max(covering, key=lambda prefix: prefix.length, default=address.host_prefix)


def speaker_story(facts: Facts, speaker: str, prefix: Prefix) -> Story:
    """Of a Loc-RIB."""
    question = f"Why does {speaker} have {prefix}?"
    if not facts.engine.alive(speaker):
        text = f"{speaker} is down"
        step = Step(node=speaker, what="absent", text=text, rule="R115")
        question = f"Why does {speaker} not have {prefix}?"
        return Story(
            question=question,
            answer=f"{speaker} uses no route {prefix}: it is down",
            refusals=(step,),
            remedy=Remedy(text=f"restore {speaker}"),
        )
    chosen = best(facts, speaker, prefix)
    if chosen is None:
        return absent_story(facts, f"Why does {speaker} not have {prefix}?", speaker, prefix, (speaker,))
    stations = way(facts, speaker, prefix)
    source = facts.source(speaker, chosen)
    if source is None:
        answer = f"{speaker} announces it itself"
    else:
        answer = f"{speaker} uses {prefix} from {source}, AS path {chosen.as_path or 'empty'}, next hop {chosen.next_hop}; {stations[0][0]} announces it"
    refused = refusals(facts, prefix, speaker)
    return Story(
        question=question,
        answer=answer,
        steps=(*steps(facts, stations, prefix), _chosen(facts, speaker, prefix)),
        refusals=tuple(stop.step for stop in refused),
        remedy=next((stop.remedy for stop in refused if stop.remedy is not None), None),
    )


def _chosen(facts: Facts, speaker: str, prefix: Prefix) -> Step:
    """How the decision ended: alone, as the best, or as one of several equal ones (R106)."""
    candidates = facts.candidates(speaker, prefix)
    used = list(dict.fromkeys(facts.source(speaker, route) or "itself" for route in candidates if route.multipath or route.best))
    if len(candidates) == 1:
        text = f"{speaker} uses it: there is no other"
    elif len(used) > 1:
        text = f"{speaker} uses those of {' and '.join(used)} alike, of {len(candidates)}"
    else:
        text = f"{speaker} uses the one from {used[0]}, the best of {len(candidates)}"
    of_server = base_name(speaker) in facts.engine.network.route_servers
    return Step(node=speaker, what="selected", text=text, rule="R106" if of_server else "RFC 4271 section 9.1.2")


def _and_on_its_nic(facts: Facts, told: Story, nva: str, prefix: Prefix) -> Story:
    """An NVA forwards by its own route, then out of its NIC, where the effective route decides (R3, R67)."""
    rows = [row for row in effective_routes(facts.engine, nva) if row.prefix == prefix and row.state == "Active"]
    if not rows:
        return told
    hops = " and ".join(map(str, rows[0].next_hops))
    text = f"packets that {nva} sends out of its NIC follow the NIC's effective route: {rows[0].next_hop_type}{' ' + hops if hops else ''}"
    step = Step(node=nva, what="selected", text=text, rule="R67")
    return replace(told, steps=(*told.steps, step))


def _on_its_nic_alone(facts: Facts, told: Story, nva: str, prefix: Prefix) -> Story:
    """An NVA that has no route of its own may still have one on its NIC: both are told (R67)."""
    row = next((r for r in effective_routes(facts.engine, nva) if r.prefix == prefix and r.state == "Active"), None)
    if row is None or only_the_systems(row):
        return told
    of_nic = nic_story(facts, nva, prefix)
    return replace(told, answer=f"{told.answer}; on its NIC {of_nic.answer}", steps=of_nic.steps, refusals=told.refusals or of_nic.refusals)
