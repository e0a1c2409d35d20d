"""Why a BGP session is up or down: what carries it, what the two agreed on, what passes over it, how it ended last."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dualhome.bgp.events import State
from dualhome.engine import Engine
from dualhome.engine.faults import covers
from dualhome.errors import RequestError
from dualhome.explain.carrying import WORDS, lost_packets
from dualhome.explain.story import Remedy, Step, Story
from dualhome.forwarding.packets import home_of
from dualhome.model import AZURE_ASN, base_name
from dualhome.plan import Carrier, SpeakerKind

UP = State.ESTABLISHED.value
MOST_SIDES = 4
INSTANCE = re.compile(r"#\d")
FAMILIES = {(1, 1): "IPv4 unicast", (2, 1): "IPv6 unicast"}
REASON_RULES = {"as-loop": "R99", "own-prefix": "R59", "branch-tag": "R135", "remote-virtual-network": "R145", "invalid": "RFC 7606"}

Side = tuple[str, str]  # speaker, peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a session is down, in words."""

    text: str
    rule: str = ""
    remedy: Remedy | None = None


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
        return _no_session(engine, own, peer)
    up = [side for side in sides if engine.session(*side).state == UP]
    causes = {side: _cause(engine, *side) for side in sides if side not in up}
    downs = [Step(node=a, what="down", text=cause.text, rule=cause.rule) for (a, _), cause in causes.items()]
    troubles = [(side, *trouble) for side in up for trouble in _troubles(engine, *side)]
    missing = _missing_instances(engine, own, peer)
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
        whose = "" if len(same) == every else f"{_sides([side for side, _ in same])}: "
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
        return told + (f"; but {amiss[0].text} ({amiss[0].rule})" if amiss else "")
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
            text=f"{kind}, AS {asn.local_asn} and AS {asn.remote_asn}; both can {', '.join(words)}",
            rule="R78",
        )
    if speaker in engine.speakers:
        yield _routes(engine, speaker, peer)


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
    """What is wrong with a session although it is up: routes that can't be used (R74), the same ASN (R79)."""
    config = engine.plan.speakers[speaker].config.peers[peer]
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


# --- a session that is down -----------------------------------------------------------------------------------------------


def _cause(engine: Engine, speaker: str, peer: str) -> Cause:
    """The first of the reasons that holds: packets, configuration, how the state machine left it."""
    if (standing_by := _standing_by(engine, speaker, peer)) is not None:
        return standing_by
    if (lost := lost_packets(engine, speaker, peer)) is not None:
        ended = _last_end(engine, speaker, peer)
        return Cause(text=lost.text + (f"; {ended}" if ended else ""), rule=lost.rule, remedy=lost.remedy)
    if any(how == "crash" for how in engine.fails_between("session", speaker, peer)):
        name = f"{base_name(speaker)}/{base_name(peer)}"
        return Cause(text="the session itself has failed: it is shut at both ends", rule="R115", remedy=Remedy(text=f"restore {name}"))
    errors = [(a, _last_error(engine, a, b)) for a, b in ((speaker, peer), (peer, speaker))]
    endings = [(end, error) for end, error in errors if error]
    for end, error in endings:
        if (known := _known(engine, speaker, peer, end, error)) is not None:
            return known
    if endings:
        return Cause(text=f"{_who_ended(speaker, endings)}; it is tried again", rule="RFC 4271 section 8")
    if not all(engine.wants(*side) for side in ((speaker, peer), (peer, speaker))):
        unwilling = next(a for a, b in ((speaker, peer), (peer, speaker)) if not engine.wants(a, b))
        return Cause(text=f"{unwilling} takes no connection: it does not run, or has no such peer", rule="R76")
    return Cause(text="it has not come up yet", rule="RFC 4271 section 8")


def _standing_by(engine: Engine, speaker: str, peer: str) -> Cause | None:
    """Of a VPN gateway that isn't active-active the second instance works only in place of the first (R51, R158)."""
    for end in (speaker, peer):
        gateway = engine.network.gateways.get(base_name(end))
        if gateway is None or gateway.both_work or not end.endswith("#1") or engine.fails(end):
            continue
        first = f"{gateway.name}#0"
        if engine.alive(first):
            text = f"{end} stands by: {gateway.name} is not active-active, and {first} works"
        elif not engine.alive(end):
            text = f"{end} stands in for {first} soon: that takes {gateway.standby_takeover_s:g} s"
        else:
            continue
        change = {"virtual_network_gateways": {gateway.name: {"active_active": True}}}
        return Cause(text=text, rule="R158", remedy=Remedy(text=f"make {gateway.name} active-active", change=change))
    return None


def _last_error(engine: Engine, speaker: str, peer: str) -> str:
    mine = engine.speakers.get(speaker)
    return mine.session(peer).last_error if mine is not None and peer in mine.config.peers else ""


def _who_ended(speaker: str, ended: Sequence[tuple[str, str]]) -> str:
    end, error = ended[0]
    return f"{end} {error}" if error.startswith(("sent", "received")) else f"at {end} {error}"


def _known(engine: Engine, speaker: str, peer: str, end: str, error: str) -> Cause | None:
    """Errors that have a meaning here, and a remedy."""
    network = engine.network
    if "(6/1)" in error:
        server = next((name for name in map(base_name, (speaker, peer)) if name in network.route_servers), None)
        sender = peer if base_name(speaker) == server else speaker
        limit = network.route_servers[server].max_routes_per_peer if server else 0
        if server:
            text = f"{sender} announces more than the {limit} routes that {server} takes of a peer, and {server} ends the session each time"
            remedy = Remedy(text=f"let {sender} announce fewer, by a summary; Azure takes 4,000 at most")
            return Cause(text=text, rule="R87", remedy=remedy)
        return Cause(text=f"{_who_ended(speaker, [(end, error)])}: more routes than are taken", rule="R141" if "circuit" in end else "R155")
    if "(2/2)" in error:
        a = engine.plan.speakers[speaker].config.peers[peer].session.remote_asn
        text = f"the ASN is another one than expected: {_who_ended(speaker, [(end, error)])}"
        return Cause(text=text, rule="R79", remedy=Remedy(text=f"let {peer} speak for AS {a}, or tell {speaker} of its ASN"))
    if "(4/0)" in error:
        hold = engine.plan.speakers[end].config.peers[peer if end == speaker else speaker].session.hold_time_s
        return Cause(text=f"{_who_ended(speaker, [(end, error)])}; packets arrive by now, so it is tried again", rule="R75" if hold else "")
    if "(2/6)" in error:
        return Cause(text=f"the proposed hold time is refused: {_who_ended(speaker, [(end, error)])}", rule="R75")
    return None


def _last_end(engine: Engine, speaker: str, peer: str) -> str:
    """When it went down and how, if it was up."""
    ends = (e for e in reversed(engine.journal) if e.kind == "session" and e.who == f"{speaker}/{peer}" and e.text.startswith(f"{UP} ->"))
    entry = next(ends, None)
    if entry is None:
        return ""
    return f"it ended at {entry.time_us / 1_000_000:.2f} s, {entry.text.partition(': ')[2]}"


# --- no such session ------------------------------------------------------------------------------------------------------


def _missing_instances(engine: Engine, own: str, peer: str) -> list[tuple[Step, Remedy | None]]:
    """A route server that names the peer for one of its instances only (R73)."""
    for server, far in ((own, peer), (peer, own)):
        rs = engine.network.route_servers.get(base_name(server))
        named = next((p for p in rs.peers if p.name == base_name(far)), None) if rs else None
        if rs is None or named is None or len(named.instances) == 2 or "#" in server:
            continue
        only, other = named.instances[0], 1 - named.instances[0]
        text = f"{rs.name}#{other} has no session with {far}: {rs.name} names it for instance {only} alone, so machines of the other instance may lack its routes"
        return [
            (
                Step(node=f"{rs.name}#{other}", what="absent", text=text, rule="R73"),
                Remedy(text=f"let {rs.name} peer with {far} from both instances"),
            )
        ]
    return []


def _no_session(engine: Engine, own: str, peer: str) -> Story:
    """Why the plan has none between these two (R76, R79, R83, R128)."""
    network = engine.network
    _known_names(engine, own, peer)
    question = f"Why is there no session {own}/{peer}?"
    first, second = base_name(own), base_name(peer)
    servers = [name for name in (first, second) if name in network.route_servers]
    gateways = [name for name in (first, second) if name in network.gateways]
    machines = [name for name in (first, second) if name in {*network.virtual_machines, *network.load_balancers, *network.hosts()}]
    silent = [r.name for name in (first, second) if (r := network.router(name)) is not None and r.asn is None]
    remedy: Remedy | None = None
    if machines:
        text, rule = f"{machines[0]} speaks no BGP: only NVAs, routers, route servers, gateways and circuits do", ""
    elif len(servers) == 2:
        text, rule = "route servers never speak with one another: between two virtual networks only an NVA passes routes on", "R83"
        remedy = Remedy(text="let an NVA peer with both route servers, and apply as_override toward each")
    elif silent:
        text, rule = f"{silent[0]} has no ASN, so it speaks no BGP", "R79"
        remedy = Remedy(text=f"give {silent[0]} an ASN: a 16-bit one outside the reserved ranges")
    elif servers and gateways:
        text, rule = (
            f"{servers[0]} and {gateways[0]} stand in different virtual networks: a route server speaks with its own network's gateways only",
            "R128",
        )
        remedy = Remedy(text=f"a route server in {network.gateways[gateways[0]].virtual_network}, and an NVA between the two")
    elif servers:
        other = second if first in servers else first
        text, rule = f"{servers[0]} does not know {other}: a route server refuses whom it has no peer for", "R76"
        rs = network.route_servers[servers[0]]
        change = {"route_servers": {servers[0]: {"peers": [*[p.name for p in rs.peers], other]}}}
        remedy = Remedy(
            text=f"add {other} to the peers of {servers[0]}", change=change if all(p.address is None for p in rs.peers) else None
        )
    else:
        text, rule = f"nothing in the file joins {own} and {peer} by BGP", ""
        remedy = Remedy(text=f"declare it: sessions of {own}, a link, a VPN connection or a circuit")
    answer = f"{own}/{peer} does not exist: {text}" + (f" ({rule})" if rule else "")
    refusal = Step(node=own, what="absent", text=text, rule=rule)
    return Story(question=question, answer=answer, refusals=(refusal,), remedy=remedy, facts={"sessions": []})


def _known_names(engine: Engine, *names: str) -> None:
    """RequestError for one that nothing in the network has."""
    network = engine.network
    known = {base_name(name) for name in engine.plan.speakers} | {r.name for r in network.routers()}
    known |= {*network.virtual_machines, *network.load_balancers, *network.route_servers, *network.gateways, *network.hosts()}
    for name in names:
        if base_name(name) not in known:
            raise RequestError(f"nothing here is named {name!r}; there are {', '.join(sorted(known))}")


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
