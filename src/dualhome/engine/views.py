"""What the engine tells of sessions and routes, in the words of the topology format (R189, R193)."""

from __future__ import annotations

from dataclasses import dataclass

from dualhome._core import Route
from dualhome.bgp.events import State
from dualhome.engine.speaks import Speaks
from dualhome.net import Prefix
from dualhome.plan import SpeakerKind
from dualhome.units import Instant, as_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """One side of a session."""

    speaker: str
    peer: str
    state: str
    since_s: float
    last_error: str
    hold_time_s: float
    routes_learned: int
    carrier: str
    local_address: str = ""
    peer_address: str = ""
    peer_asn: int = 0
    messages_sent: int = 0
    messages_received: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """A route as a speaker holds it, tells it or refused it. `learned_from`: a speaker's full name, or self."""

    speaker: str
    peer: str
    prefix: Prefix
    next_hop: str
    as_path: str
    communities: tuple[str, ...]
    med: int | None
    local_preference: int
    origin: str
    weight: int
    learned_from: str
    best: bool
    multipath: bool
    lost_in: str | None
    reason: str | None
    detail: str | None


def session_view(name: str, speaker: Speaks, peer: str, *, since: Instant, carrier: str) -> SessionView:
    """One side of a session. A speaker that is dead has all its sessions Idle."""
    session = speaker.session(peer)
    up = session.state is State.ESTABLISHED
    return SessionView(
        speaker=name,
        peer=peer,
        state=session.state.value,
        since_s=as_seconds(since),
        last_error=session.last_error,
        hold_time_s=(session.hold_time_s or 0) if up else 0,
        routes_learned=len(speaker.learned(peer)) if up else 0,
        carrier=carrier,
        local_address=str(session.config.local_address),
        peer_address=str(session.config.remote_address),
        peer_asn=session.config.remote_asn,
        messages_sent=session.counters.messages_out,
        messages_received=session.counters.messages_in,
    )


def route_view(name: str, speaker: Speaks, kind: SpeakerKind, peer: str, route: Route, *, advertised: bool = False) -> RouteView:
    """A route of this speaker's; `peer` is whom it is told to, or learned from."""
    source = speaker.peer_name(route.peer) if route.peer >= 0 else None
    if advertised:
        origin = "Incomplete" if route.origin == "incomplete" else "Igp"
    elif source is None:
        origin = "Network" if kind is SpeakerKind.GATEWAY else "Igp"
    else:
        origin = "EBgp" if speaker.config.peers[source].policy.ebgp else "IBgp"
    return RouteView(
        speaker=name,
        peer=peer,
        prefix=Prefix(*route.prefix),
        next_hop=route.next_hop,
        as_path=route.as_path,
        communities=tuple(route.communities),
        med=route.med,
        local_preference=route.local_preference,
        origin=origin,
        weight=route.weight,
        learned_from=source or "self",
        best=route.best,
        multipath=route.multipath,
        lost_in=route.lost_in,
        reason=route.reason,
        detail=route.detail,
    )
