"""What the control socket answers: sessions, and routes as the topology's questions print them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from dualhome._core import Route
from dualhome.bgp.speaker import Speaker
from dualhome.engine.views import route_view
from dualhome.errors import RequestError
from dualhome.live.route_server.metrics import Watched
from dualhome.net import Prefix
from dualhome.plan import SpeakerKind
from dualhome.report import data
from dualhome.topology.words import nearest

Row = dict[str, object]


class Answers:
    """Questions to the daemon: `ask` is status, routes, learned, advertised or rejected; `instance`, `peer` and `prefix` narrow them down."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def of(self, request: Mapping[str, Any]) -> list[Row]:
        """The rows.

        Raises:
            RequestError: it names what isn't there.
        """
        what = request.get("ask")
        if what not in ("status", "routes", "learned", "advertised", "rejected"):
            raise RequestError(f"nothing is known of {what!r}; ask for status, routes, learned, advertised or rejected")
        names = self._chosen(request.get("instance"), list(self._watched.speakers), "instance")
        everybody = list(dict.fromkeys(peer for name in names for peer in self._watched.speakers[name].config.peers))
        peers = self._chosen(request.get("peer"), everybody, "peer")
        prefix = _prefix(request.get("prefix"))
        rows: list[Row] = []
        for name in names:
            speaker = self._watched.speakers[name]
            if what == "status":
                rows += [self._status(name, speaker, peer) for peer in peers if peer in speaker.config.peers]
            elif what == "routes":
                rows += [_row(name, speaker, speaker.peer_name(each.peer) or "", each) for each in speaker.table(prefix)]
            else:
                rows += [row for peer in peers if peer in speaker.config.peers for row in _of_peer(what, name, speaker, peer, prefix)]
        return rows

    def _status(self, name: str, speaker: Speaker, peer: str) -> Row:
        session, config = speaker.session(peer), speaker.config.peers[peer]
        accepted, rejected, advertised, over = speaker.counts(peer)
        return {
            "instance": name,
            "peer": peer,
            "address": str(config.session.remote_address),
            "asn": config.session.remote_asn,
            "state": session.state.value if config.enabled else "Disabled",
            "for_s": round(time.time() - self._watched.changed_s.get((name, peer), self._watched.started_s), 1),
            "accepted": accepted,
            "rejected": sum(rejected.values()),
            "over_limit": over,
            "advertised": advertised,
            "hold_time_s": session.hold_time_s,
            "last_error": session.last_error,
        }

    @staticmethod
    def _chosen(name: object, known: Sequence[str], what: str) -> list[str]:
        if name is None:
            return list(known)
        if name not in known:
            raise RequestError(f"no {what} {name!r} ({nearest(str(name), known)})")
        return [str(name)]


def _prefix(text: object) -> Prefix | None:
    try:
        return None if text is None else Prefix.parse(str(text))
    except ValueError as error:
        raise RequestError(f"{text!r} is no prefix") from error


def _of_peer(what: str, name: str, speaker: Speaker, peer: str, prefix: Prefix | None) -> list[Row]:
    if what == "learned":
        found = speaker.learned(peer, prefix)
    elif what == "advertised":
        found = speaker.advertised(peer, prefix)
    else:
        found = [route for route in speaker.rejected(peer) if prefix is None or route.prefix == prefix]
    return [_row(name, speaker, peer, route, told=what == "advertised") for route in found]


def _row(name: str, speaker: Speaker, peer: str, route: Route, told: bool = False) -> Row:
    return data.route(route_view(name, speaker, SpeakerKind.ROUTE_SERVER, peer, route, advertised=told))
