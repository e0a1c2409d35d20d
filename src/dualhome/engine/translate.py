"""Between a speaker, which knows its peers, and those who know all speakers: transports' events become its session's, its actions become effects."""

from __future__ import annotations

from typing import assert_never

from dualhome.bgp import events as session_events
from dualhome.bgp import speaker as actions
from dualhome.engine import events


def session_event(event: events.OfTransport) -> session_events.Event:
    """What happened, as the session between `event.speaker` and `event.peer` is told."""
    match event:
        case events.Bytes(transport=number, data=data):
            return session_events.Received(number, data)
        case events.TransportUp(transport=number):
            return session_events.Connected(number)
        case events.TransportFailed():
            return session_events.ConnectFailed()
        case events.Accepted(transport=number):
            return session_events.Accepted(number)
        case events.TransportClosed(transport=number):
            return session_events.Closed(number)
        case _:
            assert_never(event)


def effect_of(speaker: str, action: actions.Connect | actions.Send | actions.Close) -> events.Effect:
    """What a speaker asks of its transports."""
    match action:
        case actions.Send(peer=peer, transport=number, data=data):
            return events.Send(speaker, peer, number, data)
        case actions.Connect(peer=peer):
            return events.Open(speaker, peer)
        case actions.Close(peer=peer, transport=number):
            return events.Close(speaker, peer, number)
        case _:
            assert_never(action)
