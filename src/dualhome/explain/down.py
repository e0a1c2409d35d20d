"""Why a session is down: the first reason that holds, of packets, configuration, and how the state machine left it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dualhome.bgp.events import State
from dualhome.engine import Engine, JournalEntry
from dualhome.explain.carrying import lost_packets
from dualhome.explain.story import Remedy
from dualhome.model import base_name

UP = State.ESTABLISHED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a session is down, in words."""

    text: str
    rule: str = ""
    remedy: Remedy | None = None


def cause_of(engine: Engine, speaker: str, peer: str) -> Cause:
    """The first of the reasons that holds: packets, configuration, how the state machine left it."""
    if (standing_by := _standing_by(engine, speaker, peer)) is not None:
        return standing_by
    if (lost := lost_packets(engine, speaker, peer)) is not None:
        ended = _last_end(engine, speaker, peer)
        return Cause(text=lost.text + (f"; {ended}" if ended else ""), rule=lost.rule, remedy=lost.remedy)
    if any(how == "crash" for how in engine.fails_between("session", speaker, peer)):
        name = f"{base_name(speaker)}/{base_name(peer)}"
        return Cause(text="the session itself has failed: it is shut at both ends", rule="R115", remedy=Remedy(text=f"restore {name}"))
    if (flaps := astray(engine, speaker, peer)) is not None:
        return flaps
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


def astray(engine: Engine, speaker: str, peer: str) -> Cause | None:
    """Whether it comes and goes: an NVA without a static route to the route server's subnet finds the way to its next hop by what that tells it (R81)."""
    for near, far in ((speaker, peer), (peer, speaker)):
        nva = engine.network.nvas.get(near)
        server = base_name(far)
        if nva is None or nva.route_server_route or server not in engine.network.route_servers or not ends_of(engine, speaker, peer):
            continue
        text = (
            f"it comes and goes: {near} learns the range that {server} stands in from {server} itself, and then looks for it behind itself"
        )
        change = {"network_virtual_appliances": {near: {"route_server_route": True}}}
        remedy = Remedy(text=f"give {near} a static route to the subnet of {server} by its own subnet's gateway", change=change)
        return Cause(text=text, rule="R81", remedy=remedy)
    return None


def _standing_by(engine: Engine, speaker: str, peer: str) -> Cause | None:
    """Of a VPN gateway that isn't active-active the second instance works only in place of the first (R51)."""
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
        return Cause(text=text, rule="R51", remedy=Remedy(text=f"make {gateway.name} active-active", change=change))
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
            most = "; Azure takes 4,000 at most" if network.route_servers[server].behaves_like == "azure" else ""
            remedy = Remedy(text=f"let {sender} announce fewer, by a summary{most}")
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
    ends = ends_of(engine, speaker, peer)
    if not ends:
        return ""
    often = f"for the {len(ends)}th time, " if len(ends) > 3 else ""
    return f"it ended {often}at {ends[-1].time_us / 1_000_000:.2f} s, {ends[-1].text.partition(': ')[2]}"


def ends_of(engine: Engine, speaker: str, peer: str) -> list[JournalEntry]:
    """Lines of the journal by which it went down."""
    return [e for e in engine.journal if e.kind == "session" and e.who == f"{speaker}/{peer}" and e.text.startswith(f"{UP} ->")]
