"""Why a BGP session is up or down: what carries it, what the two agreed on, what passes over it, how it ended last."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from dualhome.engine import Engine
from dualhome.engine.faults import covers
from dualhome.errors import RequestError
from dualhome.explain.carrying import WORDS, lost_packets
from dualhome.explain.down import UP, Cause, astray, cause_of, ends_of
from dualhome.explain.no_session import missing_instances, no_session
from dualhome.explain.story import Remedy, Step, Story
from dualhome.forwarding.packets import home_of
from dualhome.model import AZURE_ASN, base_name
from dualhome.plan import Carrier, SpeakerKind

MOST_SIDES = 4
INSTANCE = re.compile(r"#\d")
FAMILIES = {(1, 1): "IPv4 unicast", (2, 1): "IPv6 unicast"}
REASON_RULES = {"as-loop": "R99", "own-prefix": "R59", "branch-tag": "R135", "remote-virtual-network": "R145", "invalid": "RFC 7606"}

Side = tuple[str, str]  # speaker, peer


def pair_of(name: str) -> tuple[str, str] | None:
    """The two that `a/b` or `a<->b` names; None where the text is no such name, a prefix included."""
    first, mark, second = name.partition("<->" if "<->" in name else "/")
    return (first, second) if mark and first and second and not re.fullmatch(r"[0-9a-fA-F.:]+/[0-9]+", name) else None


def session_story(engine: Engine, name: str) -> Story:
    """Of every side that `spoke-rs/hub1-nva` means: of each instance of the first toward each of the second.

    Raises:
        RequestError: the name names no two things of the network.
    """
    pair = pair_of(name)
    if pair is None:
        raise RequestError(f"{name!r} names no session: write it as spoke-rs/hub1-nva")
    own, peer = pair
    sides = [(a, b) for a, s in engine.plan.speakers.items() if covers(own, a) for b in s.config.peers if covers(peer, b)]
    if not sides and any(covers(peer, a) for a in engine.plan.speakers):
        sides = [(a, b) for a, s in engine.plan.speakers.items() if covers(peer, a) for b in s.config.peers if covers(own, b)]
    if not sides:
        return no_session(engine, own, peer)
    up = [side for side in sides if engine.session(*side).state == UP]
    causes = {side: cause_of(engine, *side) for side in sides if side not in up}
    downs = [Step(node=a, what="down", text=cause.text, rule=cause.rule) for (a, _), cause in causes.items()]
    troubles = [(side, *trouble) for side in up for trouble in _troubles(engine, *side)]
    missing = missing_instances(engine, own, peer)
    amiss = [*_together([(side, step) for side, step, _ in troubles], len(troubles)), *(step for step, _ in missing)]
    remedies = [*(cause.remedy for cause in causes.values()), *(remedy for *_, remedy in troubles), *(remedy for _, remedy in missing)]
    return Story(
        question=f"Why is the session {own}/{peer} {'up' if len(up) == len(sides) else 'down' if not up else 'down in part'}?",
        answer=_answer(engine, up, causes, amiss),
        steps=tuple(_together([(side, step) for side in up for step in _up_steps(engine, *side)], len(up))),
        refusals=(*_together(list(zip(causes, downs, strict=True)), 0), *amiss),
        remedy=next((remedy for remedy in remedies if remedy is not None), None),
        facts={"sessions": [_data(engine, *side) for side in sides]},
    )


def _together(told: Sequence[tuple[Side, Step]], every: int) -> Iterator[Step]:
    """What is the same of several sides is said once, with the sides it is said of; without them where it holds of `every`."""
    groups: dict[tuple[str, str], list[tuple[Side, Step]]] = {}
    for side, step in told:
        groups.setdefault((step.what, INSTANCE.sub("", step.text)), []).append((side, step))
    for same in groups.values():
        step = same[0][1]
        said = len(same) == every or step.text.startswith(same[0][0][0])
        whose = "" if said else f"{_sides([side for side, _ in same])}: "
        yield replace(step, text=whose + (INSTANCE.sub("", step.text) if len(same) > 1 else step.text))


def _sides(sides: Sequence[Side]) -> str:
    return ", ".join(f"{a}/{b}" for a, b in sides[:MOST_SIDES]) + (
        f" and {len(sides) - MOST_SIDES} more" if len(sides) > MOST_SIDES else ""
    )


def _answer(engine: Engine, up: Sequence[Side], causes: Mapping[Side, Cause], amiss: Sequence[Step]) -> str:
    if not causes:
        since = max(engine.session(*side).since_s for side in up)
        which = f"{_sides(up)} is" if len(up) == 1 else f"all of {_sides(up)} are"
        told = f"{which} Established since {since:.3f} s"
        told += next((f"; {_hold(engine, *side)[0]}" for side in up if side[0] in engine.speakers), "; a program of its own speaks there")
        rule = f" ({amiss[0].rule})" if amiss and f"({amiss[0].rule})" not in amiss[0].text else ""
        return told + (f"; but {amiss[0].text}{rule}" if amiss else "")
    first = next(iter(causes))
    cause = causes[first]
    alike = [side for side, other in causes.items() if INSTANCE.sub("", other.text) == INSTANCE.sub("", cause.text)]
    text = INSTANCE.sub("", cause.text) if len(alike) > 1 else cause.text
    states = " and ".join(dict.fromkeys(engine.session(*side).state for side in alike))
    rule = f" ({cause.rule})" if cause.rule and f"({cause.rule})" not in text else ""
    told = f"{_sides(alike)} {'is' if len(alike) == 1 else 'are'} {states}: {text}{rule}"
    if others := [side for side in causes if side not in alike]:
        told += f"; {_sides(others)} {'is' if len(others) == 1 else 'are'} down too"
    return told + (f"; {_sides(up)} {'is' if len(up) == 1 else 'are'} up" if up else "")


# --- a session that is up -------------------------------------------------------------------------------------------------


def _up_steps(engine: Engine, speaker: str, peer: str) -> Iterator[Step]:
    carrier = engine.carrier(speaker, peer)
    over = WORDS[carrier]
    mine, theirs = home_of(engine.network, speaker), home_of(engine.network, peer)
    if carrier is Carrier.NETWORK and mine and theirs:
        over = f"the virtual network {mine}" if mine == theirs else f"the peering of {mine} and {theirs}"
    rule = "R44" if carrier is Carrier.NETWORK else "R128" if carrier is Carrier.PLATFORM else ""
    yield Step(node=speaker, what="carrier", text=f"its packets are carried by {over}", rule=rule)
    if speaker in engine.speakers:
        text, rule = _hold(engine, speaker, peer)
        yield Step(node=speaker, what="hold time", text=text, rule=rule)
    if speaker in engine.speakers and (said := engine.speakers[speaker].session(peer).peer_open):
        words = [FAMILIES.get(family, f"AFI {family[0]} SAFI {family[1]}") for family in engine.speakers[speaker].session(peer).families]
        words += ["4-octet AS numbers"] if said.four_octet_as else []
        words += ["route refresh"] if said.route_refresh else []
        words += ["messages up to 65535 octets"] if said.extended_message else []
        asn = engine.plan.speakers[speaker].config.peers[peer].session
        kind = "eBGP" if asn.local_asn != asn.remote_asn else "iBGP"
        yield Step(
            node=speaker,
            what="capabilities",
            text=f"{kind}, AS {asn.local_asn} and AS {asn.remote_asn}; both know {', '.join(words)}",
            rule="R78",
        )
    if speaker in engine.speakers:
        yield _routes(engine, speaker, peer)
    if ends := ends_of(engine, speaker, peer):
        often = f"{len(ends)} times" if len(ends) > 1 else "once"
        text = f"it ended {often} before, last at {ends[-1].time_us / 1_000_000:.2f} s: {ends[-1].text.partition(': ')[2]}"
        yield Step(node=speaker, what="history", text=text, rule="R115")


def _hold(engine: Engine, speaker: str, peer: str) -> tuple[str, str]:
    """The hold time, and who proposed it: the lower proposal counts (R75)."""
    agreed = engine.session(speaker, peer).hold_time_s
    mine = engine.plan.speakers[speaker].config.peers[peer].session.hold_time_s
    said = engine.speakers[speaker].session(peer).peer_open if speaker in engine.speakers else None
    far = engine.plan.speakers.get(peer)
    theirs = said.hold_time_s if said else far.config.peers[speaker].session.hold_time_s if far and speaker in far.config.peers else mine
    if not agreed:
        return "no hold time: neither end sends KEEPALIVEs", "R75"
    if mine == theirs:
        return f"hold time {agreed:g} s, as both propose", "R75"
    lower, higher = ((speaker, mine), (peer, theirs)) if mine < theirs else ((peer, theirs), (speaker, mine))
    return f"hold time {agreed:g} s, which {lower[0]} proposes; {higher[0]} would have {higher[1]:g} s, and the lower one counts", "R75"


def _routes(engine: Engine, speaker: str, peer: str) -> Step:
    """How many routes pass, and what is refused."""
    mine = engine.speakers[speaker]
    refused = mine.rejected(peer)
    accepted = sum(route.reason is None for route in mine.learned(peer))
    reasons = dict.fromkeys(route.reason or "policy" for route in refused)
    told = len(mine.advertised(peer))
    why = f" ({', '.join(reasons)})" if refused else ""
    text = f"{speaker} has received {_count(accepted + len(refused))} from {peer}: {accepted} accepted, {len(refused)} rejected{why}; it advertises {_count(told)}"
    return Step(node=speaker, what="routes", text=text, rule=", ".join(REASON_RULES[r] for r in reasons if r in REASON_RULES))


def _count(number: int) -> str:
    return f"{number} route" + ("" if number == 1 else "s")


def _troubles(engine: Engine, speaker: str, peer: str) -> Iterator[tuple[Step, Remedy | None]]:
    """What is wrong with a session although it is up: packets that don't arrive any more, an end again and again (R81), routes that can't be used (R74),
    the same ASN (R79).
    """
    config = engine.plan.speakers[speaker].config.peers[peer]
    if (flaps := astray(engine, speaker, peer)) is not None:
        yield Step(node=speaker, what="absent", text=flaps.text, rule=flaps.rule), flaps.remedy
    elif (lost := lost_packets(engine, speaker, peer)) is not None:
        text = f"its packets do not arrive any more, and its hold timer will end it: {lost.text}"
        yield Step(node=speaker, what="absent", text=text, rule=lost.rule), lost.remedy
    for near, far in ((speaker, peer), (peer, speaker)):
        router = engine.network.router(base_name(near))
        if router is None or near not in engine.plan.speakers or engine.plan.speakers[near].config.peers[far].policy.usable:
            continue
        text = f"{near} can use nothing of what {far} tells it, for it has no multihop: the next hop is not beside it"
        section = "network_virtual_appliances" if router.nics else "on_premises"
        remedy = Remedy(text=f"let {near} speak eBGP with multihop", change={section: {router.name: {"multihop": True}}})
        yield Step(node=near, what="absent", text=text, rule="R74"), remedy
    server = base_name(speaker) in engine.network.route_servers and base_name(peer) not in engine.network.gateways
    if server and config.session.remote_asn == AZURE_ASN:
        text = f"{peer} has the ASN {AZURE_ASN} of the route server itself, so this is iBGP: the session is up, and no routes pass"
        yield Step(node=speaker, what="absent", text=text, rule="R79"), Remedy(text=f"give {peer} another ASN")


def _data(engine: Engine, speaker: str, peer: str) -> dict[str, object]:
    """One side for JSON."""
    view = engine.session(speaker, peer)
    mine = engine.speakers.get(speaker)
    up = view.state == UP
    refused = mine.rejected(peer) if mine is not None and up else []
    accepted = sum(route.reason is None for route in mine.learned(peer)) if mine is not None and up else 0
    return {
        "speaker": speaker,
        "peer": peer,
        "state": view.state,
        "since_s": view.since_s,
        "hold_time_s": view.hold_time_s,
        "last_error": view.last_error,
        "carrier": view.carrier,
        "received": accepted + len(refused),
        "accepted": accepted,
        "rejected": len(refused),
        "advertised": len(mine.advertised(peer)) if mine is not None and up else 0,
        "kind": engine.plan.speakers[speaker].kind.value if speaker in engine.plan.speakers else SpeakerKind.ROUTER.value,
    }
