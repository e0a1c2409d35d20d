"""What Azure's own API and `az` answer: the JSON shapes of section 10 of the rules, made of views. No rule is decided here.

In: rows as the engine tells them, `RouteView`, `SessionView`, `EffectiveRoute`, and objects of the model. Out: plain data that `--azure` prints, and that an
API may send. Where section 10 and a capture of the wire differ, the capture goes first; each function says so (`Differs:`). What a virtual hub's
two instances know is keyed by their role, and a role's number is the place of its address in `virtualRouterIps`, whichever of the two is lower (R10).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dualhome.engine.views import RouteView, SessionView
    from dualhome.forwarding.effective import EffectiveRoute
    from dualhome.model import RouteServer

Data = dict[str, object]

WEIGHT: Final = 32768  # of what is learned (R189)
ESTABLISHED: Final = "Established"


def role(speaker: str) -> str:
    """RouteServiceRole_IN_0 of `spoke-rs#0`: by its number, not by its address (R10)."""
    return f"RouteServiceRole_IN_{speaker.partition('#')[2]}"


# --- NICs -----------------------------------------------------------------------------------------------------------------


def effective_routes(rows: Iterable[EffectiveRoute]) -> Data:
    """What `az network nic show-effective-route-table` prints (R192); addresses are lists.

    Differs: section 10 has all next hops of a prefix in one element (R65), captures have an element for each of them.
    """
    return {"value": [_effective(row, hops) for row in rows for hops in [[hop] for hop in map(str, row.next_hops)] or [[]]]}


def _effective(row: EffectiveRoute, next_hops: list[str]) -> Data:
    return {
        "addressPrefix": [str(row.prefix)],
        "disableBgpRoutePropagation": False,
        "hasBgpOverride": False,
        "name": None,
        "nextHopIpAddress": next_hops,
        "nextHopType": row.next_hop_type,
        "source": row.source,
        "state": row.state,
    }


# --- route servers --------------------------------------------------------------------------------------------------------


def peer_learned(rows: Iterable[RouteView], sessions: Sequence[SessionView]) -> Data:
    """What `az network routeserver peering list-learned-routes` prints (R189): what each instance learned of one peer.

    The next hop is the peer's own word. `value` is null and only printed: the API sends the roles alone.
    """
    by_speaker = {view.speaker: view for view in sessions}
    found = _roles()
    for row in rows:
        session = by_speaker[row.speaker]
        found[role(row.speaker)].append(_route(row, session, source=session.peer_address, weight=WEIGHT))
    return {**found, "value": None}


def peer_advertised(rows: Iterable[RouteView], sessions: Sequence[SessionView]) -> Data:
    """What `az network routeserver peering list-advertised-routes` prints (R189): no sourcePeer, origin Igp, weight 0, the instance as next hop."""
    by_speaker = {view.speaker: view for view in sessions}
    found = _roles()
    for row in rows:
        item = _route(row, by_speaker[row.speaker], source=None, weight=0)
        del item["sourcePeer"]
        found[role(row.speaker)].append(item)
    return {**found, "value": None}


def _roles() -> dict[str, list[Data]]:
    """Both, and empty lists where nothing is (R189)."""
    return {f"RouteServiceRole_IN_{i}": [] for i in (0, 1)}


def _route(row: RouteView, session: SessionView, *, source: str | None, weight: int) -> Data:
    return {
        "localAddress": session.local_address,
        "network": str(row.prefix),
        "nextHop": row.next_hop,
        "sourcePeer": source,
        "origin": row.origin,
        "asPath": dashed(row.as_path),
        "weight": weight,
    }


def dashed(as_path: str) -> str:
    """`65001-12076-65010`, as the API writes an AS path (R189)."""
    return as_path.replace(" ", "-")


def peerings(server: RouteServer, sessions: Sequence[SessionView]) -> list[Data]:
    """What `az network routeserver peering list` prints, an item for each BGP connection, by the connection's name (R190).

    `peeringState` is null there even while the session is up (R191); `connectionState` is what the API has for it now, and `states` is ours: each
    instance's state of RFC 4271.
    """
    found: list[Data] = []
    for peer in server.peers:
        mine = [view for view in sessions if view.peer == peer.name]
        one = next(iter(mine), None)
        found.append(
            {
                "name": peer.name,
                "type": "Microsoft.Network/virtualHubs/bgpConnections",
                "peerAsn": one.peer_asn if one else peer.asn,
                "peerIp": one.peer_address if one else str(peer.address),
                "provisioningState": "Succeeded",
                "peeringState": None,
                "connectionState": connection_state(mine),
                "states": {role(view.speaker): view.state for view in mine},
            }
        )
    return found


def connection_state(sessions: Iterable[SessionView]) -> str:
    """Connected while one of the two instances has a session, Connecting while one tries, else NotConnected."""
    states = {view.state for view in sessions}
    return "Connected" if ESTABLISHED in states else "Connecting" if states - {"Idle", "Unknown"} else "NotConnected"


# --- gateways -------------------------------------------------------------------------------------------------------------


def gateway_learned(rows: Iterable[RouteView], sessions: Sequence[SessionView], own: dict[str, str]) -> Data:
    """What `az network vnet-gateway list-learned-routes` prints (R193). A prefix of its own has origin Network, itself as source and no next hop.

    `own`: the address of each instance.
    """
    by_pair = {(view.speaker, view.peer): view for view in sessions}
    found: list[Data] = []
    for row in rows:
        session = by_pair.get((row.speaker, row.learned_from))
        address = own[row.speaker]
        found.append(
            {
                "localAddress": address,
                "network": str(row.prefix),
                "nextHop": row.next_hop if session else None,
                "sourcePeer": session.peer_address if session else address,
                "origin": row.origin,
                "asPath": dashed(row.as_path),
                "weight": row.weight if session else WEIGHT,
            }
        )
    return {"value": found}


def gateway_advertised(rows: Iterable[RouteView], sessions: Sequence[SessionView]) -> Data:
    """What `az network vnet-gateway list-advertised-routes --peer` prints: origin Incomplete and no source, as captures have it (R193)."""
    by_speaker = {view.speaker: view for view in sessions}
    return {"value": [_route(row, by_speaker[row.speaker], source=None, weight=0) | {"origin": "Incomplete"} for row in rows]}


def gateway_peers(sessions: Iterable[SessionView], now_s: float) -> Data:
    """What `az network vnet-gateway list-bgp-peer-status` prints (R193); the words of its states are BgpPeerState's."""
    return {
        "value": [
            {
                "localAddress": view.local_address,
                "neighbor": view.peer_address,
                "asn": view.peer_asn,
                "state": "Connected" if view.state == ESTABLISHED else "Idle" if view.state == "Idle" else "Connecting",
                "connectedDuration": duration(now_s - view.since_s) if view.state == ESTABLISHED else None,
                "routesReceived": view.routes_learned,
                "messagesSent": view.messages_sent,
                "messagesReceived": view.messages_received,
            }
            for view in sessions
        ]
    }


def duration(seconds: float) -> str:
    """`1.02:13:44.1234567`, days only where there are any: .NET's constant format, seven digits of a second (R193)."""
    ticks = round(seconds * 10_000_000)
    whole, fraction = divmod(ticks, 10_000_000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{f'{days}.' if days else ''}{hour:02}:{minute:02}:{second:02}{f'.{fraction:07}' if fraction else ''}"


# --- circuits -------------------------------------------------------------------------------------------------------------


def circuit_routes(rows: Iterable[RouteView]) -> Data:
    """What `az network express-route list-route-tables` prints of the primary or secondary path (R194): AS paths with spaces.

    Of several routes to one network the best have a `*` behind the next hop; of a single one captures have none.
    """
    listed = list(rows)
    several = {row.prefix for row in listed if sum(other.prefix == row.prefix for other in listed) > 1}
    return {
        "value": [
            {
                "network": str(row.prefix),
                "nextHop": row.next_hop + ("*" if row.prefix in several and row.best else ""),
                "locPrf": str(row.local_preference),
                "weight": 0,
                "path": row.as_path,
            }
            for row in listed
        ]
    }


def circuit_peers(sessions: Iterable[SessionView], now_s: float) -> Data:
    """What `az network express-route list-route-tables-summary` prints: the count of prefixes, or the state where a session is down."""
    return {
        "value": [
            {
                "neighbor": view.peer_address,
                "v": 4,
                "as": view.peer_asn,
                "upDown": weeks(now_s - view.since_s) if view.since_s or view.state == ESTABLISHED else "never",
                "statePfxRcd": str(view.routes_learned) if view.state == ESTABLISHED else view.state,
            }
            for view in sessions
        ]
    }


def weeks(seconds: float) -> str:
    """`2w1d`, `3d04h`, `01:02:03`, as routers write how long a session is up or down."""
    whole = int(seconds)
    days, rest = divmod(whole, 86400)
    if days >= 7:
        return f"{days // 7}w{days % 7}d"
    return f"{days}d{rest // 3600:02}h" if days else f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
