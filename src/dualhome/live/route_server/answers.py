"""What the control socket answers: sessions, what happened to them, and routes as the topology's questions print them, slice by slice."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, Protocol

from dualhome._core import Route
from dualhome.bgp.speaker import Speaker
from dualhome.engine.views import route_view
from dualhome.errors import RequestError
from dualhome.live.route_server import metrics
from dualhome.live.route_server.history import History
from dualhome.live.route_server.pages import SLICE, Table, slices
from dualhome.net import Prefix
from dualhome.plan import SpeakerKind
from dualhome.report import data
from dualhome.topology.words import nearest

Row = dict[str, object]
TABLES: Final[Mapping[str, Table]] = {"routes": "candidates", "learned": "received", "advertised": "advertised", "rejected": "rejected"}


class Watched(metrics.Watched, Protocol):
    """What answers are made of."""

    @property
    def history(self) -> History:
        """What happened to the peers."""
        ...


class Answers:
    """Questions to the daemon: `ask` is status, history, routes, learned, advertised or rejected; `instance`, `peer` and `prefix` narrow them down.

    Of tables `after` (a prefix) and `limit` (prefixes) say which page is wanted; they come as an iterator of slices.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def of(self, request: Mapping[str, Any]) -> list[Row] | Iterator[list[Row]]:
        """The rows.

        Raises:
            RequestError: it names what isn't there.
        """
        what = request.get("ask")
        if what not in ("status", "history", *TABLES):
            raise RequestError(f"nothing is known of {what!r}; ask for status, history, routes, learned, advertised or rejected")
        names = self._chosen(request.get("instance"), list(self._watched.speakers), "instance")
        if what == "history":
            return self._history(names, request.get("peer"), _number(request, "limit"), _number(request, "after") or 0)
        everybody = list(dict.fromkeys(peer for name in names for peer in self._watched.speakers[name].config.peers))
        peers = self._chosen(request.get("peer"), everybody, "peer")
        if what == "status":
            return [self._status(name, peer) for name in names for peer in peers if peer in self._watched.speakers[name].config.peers]
        prefix, after, limit = _prefix(request.get("prefix")), _prefix(request.get("after")), _number(request, "limit")
        tables = [(name, peer) for name in names for peer in (peers if what != "routes" else [""])]
        tables = [(name, peer) for name, peer in tables if not peer or peer in self._watched.speakers[name].config.peers]
        if after is not None and len(tables) > 1:
            raise RequestError(f"'after' goes with one table: give the instance{'' if what == 'routes' else ' and the peer'}")
        return self._tables(what, tables, prefix, after, limit)

    def _tables(
        self, what: str, tables: Sequence[tuple[str, str]], prefix: Prefix | None, after: Prefix | None, limit: int | None
    ) -> Iterator[list[Row]]:
        left = limit
        for name, peer in tables:
            speaker = self._watched.speakers.get(name)
            if speaker is None or (peer and peer not in speaker.config.peers):
                continue  # gone since the question was asked
            found = (
                [_of_prefix(what, speaker, peer, prefix)]
                if prefix is not None
                else slices(speaker, TABLES[what], peer or None, after, SLICE)
            )
            for routes in found:
                if left is not None:
                    routes = _first(routes, left)
                    left -= len({route.prefix for route in routes})
                yield [
                    _row(name, speaker, peer or speaker.peer_name(route.peer) or "", route, told=what == "advertised") for route in routes
                ]
                if left == 0:
                    return

    def _history(self, names: Sequence[str], peer: str | None, limit: int | None, after: int) -> list[Row]:
        """The latest, oldest first."""
        found = list(self._watched.history.events(names, None if peer is None else [peer], after))
        return [asdict(event) for event in (found if limit is None else found[-limit:] if limit else [])]

    def _status(self, name: str, peer: str) -> Row:
        speaker = self._watched.speakers[name]
        session, config = speaker.session(peer), speaker.config.peers[peer]
        accepted, rejected, advertised, over = speaker.counts(peer)
        error = self._watched.history.error(name, peer)
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
            "last_error": session.last_error or (error.text if error else ""),
            "last_error_s": round(time.time() - error.at_s, 1) if error else None,
            "rejected_by_reason": rejected,
            "memory_bytes": speaker.rib.memory(speaker.peer_number(peer)),
            "queued_bytes": self._watched.queued_bytes(name, peer),
            "counters": asdict(session.counters),
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


def _number(request: Mapping[str, Any], key: str) -> int | None:
    value = request.get(key)
    if value is not None and (not isinstance(value, int) or value < 0):
        raise RequestError(f"{key!r} is {value!r}, wanted a number")
    return value


def _of_prefix(what: str, speaker: Speaker, peer: str, prefix: Prefix) -> list[Route]:
    if what == "routes":
        return speaker.table(prefix)
    if what == "learned":
        return speaker.learned(peer, prefix)
    if what == "advertised":
        return speaker.advertised(peer, prefix)
    return speaker.rejected(peer, prefix)


def _first(routes: Sequence[Route], prefixes: int) -> list[Route]:
    """The routes of the first so many prefixes."""
    wanted = set(list(dict.fromkeys(route.prefix for route in routes))[:prefixes])
    return [route for route in routes if route.prefix in wanted]


def _row(name: str, speaker: Speaker, peer: str, route: Route, told: bool = False) -> Row:
    return data.route(route_view(name, speaker, SpeakerKind.ROUTE_SERVER, peer, route, advertised=told))
