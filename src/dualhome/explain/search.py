"""Where a route got to on its way to speakers that lack it: a walk from those that hold it, along the plan's sessions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from dualhome.check.facts import Facts
from dualhome.explain.story import Remedy, Step
from dualhome.explain.tale import best, way
from dualhome.forwarding.trace import paths
from dualhome.model import base_name
from dualhome.net import Prefix
from dualhome.plan import Carrier, SpeakerKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A session over which the route did not pass toward where it was wanted, and why."""

    sender: str
    receiver: str
    distance: int
    step: Step
    remedy: Remedy | None = None


def holders(facts: Facts, prefix: Prefix) -> list[str]:
    """Working speakers with a route for the prefix, in the plan's order: what a dead one holds is of no use to anyone."""
    return [name for name in facts.plan.speakers if facts.has(name) and facts.engine.alive(name) and best(facts, name, prefix) is not None]


def distances(facts: Facts, wanted: Iterable[str]) -> dict[str, int]:
    """Of every speaker, how many sessions lie between it and the nearest of those; sessions down count too."""
    found = dict.fromkeys(wanted, 0)
    queue = deque(found)
    while queue:
        here = queue.popleft()
        for peer in facts.peers(here) if facts.has(here) else ():
            if peer not in found:
                found[peer] = found[here] + 1
                queue.append(peer)
    return found


def stops(facts: Facts, prefix: Prefix, wanted: tuple[str, ...], having: list[str]) -> list[Stop]:
    """Sessions from a holder to a speaker without the route that is nearer to where it was wanted; the nearest first.

    Of each branch only the last counts: a holder that others have passed on from, nearer, says nothing.
    """
    far = distances(facts, wanted)
    without = set(far) - set(having)
    found = []
    for sender in (name for name in having if name in far):
        for receiver in (p for p in facts.peers(sender) if p in without and far[p] < far[sender]):
            found.append(judge(facts, prefix, sender, receiver, far[receiver]))
    for receiver in (name for name in wanted if name in without and facts.has(name)):
        for sender in facts.outside(receiver):
            found.append(_from_outside(facts, prefix, sender, receiver))
    order = {name: index for index, name in enumerate(facts.plan.speakers)}
    return sorted(found, key=lambda s: (s.distance, order[s.receiver], order[s.sender]))


def _from_outside(facts: Facts, prefix: Prefix, sender: str, receiver: str) -> Stop:
    """Of a sender for which another program speaks only what the receiver made of it is known."""
    if any(judgement.effect == "reject" for judgement in facts.imports(receiver, sender, prefix)):
        step, remedy = _refused(facts, prefix, sender, receiver)
        return Stop(sender=sender, receiver=receiver, distance=0, step=step, remedy=remedy)
    state = facts.state(receiver, sender)
    cause = "it has not told of it" if state == "Established" else f"the session is {state}"
    text = f"{receiver} has no {prefix} from {sender}, for which another program speaks: {cause}"
    return Stop(sender=sender, receiver=receiver, distance=0, step=Step(node=receiver, what="absent", text=text, rule="R115"))


def refusals(facts: Facts, prefix: Prefix, speaker: str) -> list[Stop]:
    """What a speaker that has the route refused of others, but for its own that came back."""
    found = []
    for peer in facts.peers(speaker):
        if not any(judgement.effect == "reject" for judgement in facts.imports(speaker, peer, prefix)):
            continue
        told = facts.advertised(peer, speaker, prefix)
        if told and base_name(facts.source(peer, told[0]) or peer) != base_name(speaker):
            step, remedy = _refused(facts, prefix, peer, speaker)
            found.append(Stop(sender=peer, receiver=speaker, distance=0, step=step, remedy=remedy))
    return found


def judge(facts: Facts, prefix: Prefix, sender: str, receiver: str, distance: int) -> Stop:
    """Why the receiver has no route from the sender."""
    step, remedy = _down(facts, sender, receiver) or _withheld(facts, prefix, sender, receiver) or _refused(facts, prefix, sender, receiver)
    return Stop(sender=sender, receiver=receiver, distance=distance, step=step, remedy=remedy)


def _down(facts: Facts, sender: str, receiver: str) -> tuple[Step, Remedy | None] | None:
    if facts.established(sender, receiver):
        return None
    engine = facts.engine
    dead = [name for name in (sender, receiver) if not engine.alive(name)]
    plan = next((s for s in facts.plan.sessions if set(s.ends) == {sender, receiver}), None)
    cause = f"the session is {facts.state(receiver, sender)}"
    remedy: Remedy | None = None
    rule = "R115"
    configs = [facts.plan.speakers[a].config.peers.get(b) for a, b in ((sender, receiver), (receiver, sender))]
    if dead:
        cause, remedy = f"{' and '.join(dead)} is down", Remedy(text=f"restore {' and '.join(dead)}")
    elif any(config is None or not config.enabled for config in configs):
        cause = "the session is not in use"
    elif not (engine.carries(sender, receiver) and engine.carries(receiver, sender)):
        cause, rule = "its packets do not arrive", "R44"
        dropped = _drop(facts, sender, receiver) if plan is not None and plan.carrier is Carrier.NETWORK else ""
        if dropped:
            cause += dropped
        elif plan is not None and plan.carrier is Carrier.NETWORK:
            name = f"{base_name(sender)}/{base_name(receiver)}"
            cause, rule, remedy = "the session itself has failed", "R115", Remedy(text=f"restore {name}")
        elif not engine.joined(base_name(sender), base_name(receiver)):
            cause, remedy = "what joins them has failed", Remedy(text=f"restore {base_name(sender)}<->{base_name(receiver)}")
    elif error := facts.engine.speakers[receiver].session(sender).last_error or facts.engine.speakers[sender].session(receiver).last_error:
        cause += f", last error: {error}"
    return Step(node=receiver, what="absent", text=f"{sender} cannot tell {receiver}: {cause}", rule=rule), remedy


def _drop(facts: Facts, sender: str, receiver: str) -> str:
    """Which of the session's packets is dropped where."""
    for here, there in ((sender, receiver), (receiver, sender)):
        address = facts.plan.speakers[here].config.peers[there].session.remote_address
        for path in paths(facts.engine, here, str(address)):
            if path.outcome != "delivered":
                return f": from {here} to {address} they are dropped at {path.at} ({path.because})"
    return ""


def _withheld(facts: Facts, prefix: Prefix, sender: str, receiver: str) -> tuple[Step, Remedy | None] | None:
    """The sender's own doing."""
    if facts.advertised(sender, receiver, prefix):
        return None
    judgement = next((j for j in facts.exports(sender, receiver, prefix) if j.effect == "reject"), None)
    if judgement is None:
        text = f"{sender} does not tell {receiver} of {prefix}"
        return Step(node=sender, what="absent", text=text, rule="RFC 4271 section 9.1.3"), None
    word = judgement.term or judgement.reason or judgement.step
    texts = {
        "no-advertise": f"{sender} does not tell {receiver} of {prefix}: it carries no-advertise",
        "no-export": f"{sender} does not tell {receiver} of {prefix}: it carries no-export",
        "split-horizon": f"{sender} does not tell {receiver} of {prefix}: that is where its best route comes from",
        "ibgp-to-ibgp": f"{sender} does not tell {receiver} of {prefix}: it was learned by iBGP, and neither is a client",
    }
    by = f"{sender} does not tell {receiver} of {prefix}: {word}"
    text = texts.get(judgement.step, by)
    step = Step(node=sender, what="absent", text=text, rule=judgement.rule or "RFC 4271 section 9.1.3", before=judgement.before)
    return step, _remedy_for_export(facts, prefix, sender, receiver, judgement.step, judgement.term)


def _remedy_for_export(facts: Facts, prefix: Prefix, sender: str, receiver: str, step: str, term: str) -> Remedy | None:
    owner, network = base_name(sender), facts.plan.network
    if owner in network.route_servers and term == "branch-to-branch is off":
        return Remedy(text=f"turn branch-to-branch on at {owner}", change={"route_servers": {owner: {"branch_to_branch": True}}})
    if owner in network.route_servers and term == "reflect_between_nvas":
        return Remedy(text=f"a tunnel between the NVAs, or reflect_between_nvas: all at {owner}")
    if step == "no-advertise":
        stations = way(facts, sender, prefix)
        nvas = (network.router(name) for name, _ in reversed(stations))
        nva = next((n for n in nvas if n is not None and any("no-advertise" in c for c in n.communities.values())), None)
        if nva is not None:
            peers = {peer: None for peer, words in nva.communities.items() if "no-advertise" in words}
            section = "network_virtual_appliances" if nva.nics else "on_premises"
            return Remedy(text=f"let {nva.name} leave no-advertise away", change={section: {nva.name: {"communities": peers}}})
        return Remedy(text="take the community no-advertise off where it is added")
    if facts.plan.speakers[sender].kind in (SpeakerKind.NVA, SpeakerKind.ROUTER) and term:
        return Remedy(text=f"let {sender} export {prefix} to {base_name(receiver)}: change {term} of its export")
    return None


def _refused(facts: Facts, prefix: Prefix, sender: str, receiver: str) -> tuple[Step, Remedy | None]:
    """The receiver's verdict."""
    judgement = next((j for j in facts.imports(receiver, sender, prefix) if j.effect == "reject"), None)
    told = facts.advertised(sender, receiver, prefix) if facts.has(sender) else []
    if judgement is None:
        text = f"{receiver} has not taken {prefix} from {sender} yet"
        return Step(node=receiver, what="absent", text=text, rule="RFC 4271 section 9.1.1"), None
    path = judgement.before.get("as_path") or (told[0].as_path if told else "")
    speaker = facts.plan.speakers[receiver]
    reason = judgement.reason or judgement.step
    own = facts.plan.speakers[sender].config.asn
    why = {
        "as-loop": f"AS path {path} holds its own ASN {speaker.config.asn}",
        "own-prefix": "it lies in its own address space or that of its transit spokes",
        "branch-tag": "it carries the tag of another route server's branch routes",
        "remote-virtual-network": f"its AS path {path} is that of another virtual network, and allow_remote_virtual_network_traffic is off",
        "invalid": "its attributes are malformed",
        "cluster-loop": "it has passed here before",
        "first-as": f"AS path {path} doesn't begin with the ASN of {sender}",
        "own-next-hop": "its next hop is the address of the one who is told",
        "martian": "the prefix is nobody's",
        "no-import-policy": f"an external peer needs an import policy, and {sender} has none",
        "route-leak": "ONLY_TO_CUSTOMER says that it mustn't come this way",
    }.get(reason, f"{judgement.term or reason} of its import refuses it")
    rule = judgement.rule
    if reason == "as-loop" and speaker.config.asn != 65515:
        rule = "RFC 4271 section 9.1.2"
    text = f"{receiver} refused {prefix} from {sender}: {why}"
    step = Step(node=receiver, what="absent", text=text, rule=rule or "RFC 4271 section 9.1.1", before=judgement.before)
    return step, _remedy_for_import(facts, prefix, sender, receiver, reason, own)


def _remedy_for_import(facts: Facts, prefix: Prefix, sender: str, receiver: str, reason: str, asn: int) -> Remedy | None:
    network, owner = facts.plan.network, base_name(receiver)
    nva = network.nvas.get(sender)
    if reason == "as-loop" and nva is not None and owner in network.route_servers:
        setting = True if isinstance(nva.as_override, bool) else [*nva.as_override, owner]
        return Remedy(
            text=f"let {sender} apply as_override toward {owner}",
            change={"network_virtual_appliances": {sender: {"as_override": setting}}},
        )
    if reason == "as-loop":
        return Remedy(text=f"give {sender} and {receiver} ASNs that the path does not share" if asn else "another ASN")
    if reason == "own-prefix":
        return Remedy(text=f"announce a supernet of {prefix}, or use a user-defined route")
    if reason == "branch-tag":
        return Remedy(text="put a tunnel between the NVAs, so that the route need not pass Microsoft's edge")
    if reason == "remote-virtual-network":
        change = {"virtual_network_gateways": {owner: {"allow_remote_virtual_network_traffic": True}}}
        return Remedy(text=f"set allow_remote_virtual_network_traffic at {owner}", change=change)
    if reason == "policy":
        return Remedy(text=f"change the import of {owner}")
    return None
