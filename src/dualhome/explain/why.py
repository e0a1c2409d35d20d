"""`why NODE PREFIX`: which kind of question it is, and the answer's frame."""

from __future__ import annotations

from dataclasses import replace

from dualhome.check.facts import Facts, Machine
from dualhome.errors import RequestError
from dualhome.explain.absence import absent_story
from dualhome.explain.nic import announced, nic_story, only_the_systems
from dualhome.explain.search import refusals
from dualhome.explain.story import Remedy, Step, Story
from dualhome.explain.tale import best, steps, way
from dualhome.forwarding.effective import effective_routes
from dualhome.model import base_name
from dualhome.net import Address, Prefix


def story(engine: Machine, node: str, prefix: Prefix | str) -> Story:
    """Why the node has a route for exactly this prefix, or why it has none; an address stands for the longest prefix that anyone has for it.

    For a machine, a NIC or a gateway its effective route; for any other speaker (and an NVA that has a route of its own) its Loc-RIB.

    Raises:
        RequestError: no such node, or a prefix that is none.
    """
    if isinstance(prefix, str):
        try:
            prefix = Prefix.parse(prefix) if "/" in prefix else _longest(engine, node, Address.parse(prefix))
        except ValueError as error:
            raise RequestError(f"'{prefix}' is no prefix ({error}); write it as 192.168.0.0/16") from error
    facts, network = Facts(engine), engine.network
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
    if base in network.virtual_machines:
        return nic_story(facts, network.virtual_machines[base].nic.name, prefix)
    instances = [name for name in engine.plan.speakers if name == node or (base_name(name) == node and facts.has(name))]
    if not instances and node in network.hosts():
        instances = [name for name in network.hosts()[node][1] if facts.has(name)]
    if not instances:
        known = ", ".join(sorted({base_name(name) for name in engine.plan.speakers} | set(network.virtual_machines)))
        raise RequestError(f"nothing here is named '{node}' and has routes; there are {known}")
    return speaker_story(
        facts, next((n for n in instances if engine.alive(n) and best(facts, n, prefix) is not None), instances[0]), prefix
    )


def _longest(engine: Machine, node: str, address: Address) -> Prefix:
    """The longest prefix around an address that the node has, or that anyone is to announce."""
    network = engine.network
    known = [prefix for speaker in engine.plan.speakers.values() for prefix in speaker.config.origins]
    if base_name(node) in network.gateways or network.nic(node):
        known += [row.prefix for row in effective_routes(engine, node) if row.source != "Default"]
    covering = [prefix for prefix in known if prefix.covers(address)]
    return max(covering, key=lambda prefix: prefix.length, default=address.host_prefix)


def speaker_story(facts: Facts, speaker: str, prefix: Prefix) -> Story:
    """Of a Loc-RIB."""
    question = f"Why does {speaker} have {prefix}?"
    if not facts.engine.alive(speaker):
        text = f"{speaker} is down"
        step = Step(node=speaker, what="absent", text=text)
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
        steps=tuple(steps(facts, stations, prefix)),
        refusals=tuple(stop.step for stop in refused),
        remedy=next((stop.remedy for stop in refused if stop.remedy is not None), None),
    )


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
