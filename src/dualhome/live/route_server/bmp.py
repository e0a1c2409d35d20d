"""What peers say, told to collectors by the BGP Monitoring Protocol (RFC 7854): a connection for each instance and collector.

A collector that can't be reached is tried again, ever more seldom; one that reads too slowly loses its connection, and is told all anew in the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dualhome import _core
from dualhome._core import WireError
from dualhome.bgp import events
from dualhome.live.route_server import bmp_words as words
from dualhome.live.route_server.bmp_station import Followed, Source, Station, minded
from dualhome.live.route_server.config import Bmp
from dualhome.live.route_server.pages import SLICE, announcements, withdrawals
from dualhome.net import Address, Prefix

MOST_TOUCHED: Final = 1_000_000
"""Prefixes that wait to be told after the rules; beyond, collectors begin anew."""


class Monitoring:
    """All collectors. The speakers' driver tells `watch` of all that sessions ask for, and `decided` when routes are."""

    def __init__(self, collectors: Sequence[Bmp], source: Source, log: Any) -> None:
        self._source, self._log = source, log
        self._collectors: Final = collectors
        self.stations: Final[list[Station]] = []
        self._followed: Final[dict[tuple[str, str], Followed]] = {}
        self._touched: Final[dict[Followed, dict[Prefix, None]]] = {}
        self._retelling: asyncio.Task[None] | None = None
        self._parting: list[asyncio.Future[None]] = []  # held, for the loop holds no task itself

    def begin(self, instance: str) -> None:
        """Connect to all collectors, for an instance."""
        for collector in self._collectors:
            station = Station(instance, collector, self._source, self.followed, self._log)
            self.stations.append(station)
            station.start()

    async def end(self) -> None:
        """Say goodbye to all collectors."""
        if self._retelling is not None:
            self._retelling.cancel()
        stations, self.stations[:] = list(self.stations), []
        await asyncio.gather(*(each.end() for each in stations))

    def forget(self, instance: str) -> None:
        """An instance is gone: say goodbye to its collectors."""
        ending = [each for each in self.stations if each.instance == instance]
        self.stations[:] = [each for each in self.stations if each.instance != instance]
        self._parting = [*(each for each in self._parting if not each.done()), *(asyncio.ensure_future(each.end()) for each in ending)]

    def followed(self, instance: str) -> list[Followed]:
        """Its peers that are Established."""
        return [each for each in self._followed.values() if each.instance == instance]

    def watch(self, instance: str, peer: str, action: events.Action) -> None:
        """Tell collectors what they should know of this."""
        match action:
            case events.Up():
                self._up(instance, peer, action)
            case events.Deliver(data=data):
                if (known := self._followed.get((instance, peer))) is not None:
                    self._heard(known, data)
            case events.Notified(sent=sent, code=code, subcode=subcode, data=data, transport=transport):
                if (known := self._followed.get((instance, peer))) is not None and known.transport == transport:
                    known.notification = sent, _core.encode_notification(code, subcode, data)
            case events.Down():
                if (known := self._followed.pop((instance, peer), None)) is not None:
                    self._touched.pop(known, None)
                    self._tell(instance, words.peer_down(known.who, _now(), known.notification))
            case _:
                pass

    def decided(self) -> None:
        """Routes that were touched have been decided: tell what the rules made of them."""
        if self._touched and (self._retelling is None or self._retelling.done()):
            self._retelling = minded(asyncio.get_running_loop().create_task(self._retell()))

    def rejudged(self) -> None:
        """Rules have changed: all is told again to those who want it after the rules."""
        for known in self._followed.values():
            if self._wanted(known.instance):
                rows = self._source.speakers[known.instance].learned(known.peer)
                self._touch(known, [Prefix(*row.prefix) for row in rows])
        self.decided()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _up(self, instance: str, peer: str, up: events.Up) -> None:
        session = self._source.speakers[instance].session(peer)
        config, now = session.config, _now()
        local, remote = self._source.ends_of(up.transport) or ((config.local_address, 0), (config.remote_address, 0))
        who = words.Monitored(
            address=remote[0], asn=up.open.asn, identifier=Address.parse(up.open.router_id), two_octet_as=not up.open.four_octet_as
        )
        message = words.peer_up(who, now, local, remote[1], (up.sent, up.received), peer)
        families = tuple(family for family in config.families if family in up.open.families)
        self._followed[instance, peer] = Followed(
            instance=instance, peer=peer, who=who, transport=up.transport, up=message, families=families
        )
        self._tell(instance, message)

    def _heard(self, known: Followed, data: bytes) -> None:
        listening = [each for each in self.stations if each.instance == known.instance and each.listens]
        if not listening:
            return
        heard = judged(data, not known.who.two_octet_as)
        if any(each.to.pre_policy for each in listening):
            header = known.who.header(_now())
            told = words.route_monitoring(header, heard.good)
            if heard.withdrawn:
                told += words.route_monitoring(known.who.header(_now(), four_octet_as=True), withdrawals(heard.withdrawn))
            errored = b"".join(words.route_mirroring(header, each) for each in heard.bad)
            for station in listening:
                if station.to.pre_policy:
                    station.put(told + errored if station.to.mirror else told)
        if self._wanted(known.instance):
            self._touch(known, heard.prefixes)

    def _wanted(self, instance: str) -> bool:
        return any(each.instance == instance and each.listens and each.to.post_policy for each in self.stations)

    def _touch(self, known: Followed, prefixes: Sequence[Prefix]) -> None:
        waiting = self._touched.setdefault(known, {})
        waiting.update(dict.fromkeys(prefixes))
        if len(waiting) > MOST_TOUCHED:
            del self._touched[known]
            for station in self.stations:
                if station.instance == known.instance and station.to.post_policy:
                    station.drop("more routes changed than can be told")

    async def _retell(self) -> None:
        """What the rules made of prefixes that were touched, some at a time; a route that isn't let in is told as withdrawn."""
        while self._touched:
            known, waiting = next(iter(self._touched.items()))
            some = [prefix for prefix, _ in zip(waiting, range(SLICE), strict=False)]
            for prefix in some:
                del waiting[prefix]
            if not waiting:
                del self._touched[known]
            speaker = self._source.speakers.get(known.instance)
            if speaker is not None and self._followed.get((known.instance, known.peer)) is known:
                header = known.who.header(_now(), post_policy=True, four_octet_as=True)
                told, there = announcements(speaker, "accepted", known.peer, some)
                data = words.route_monitoring(header, withdrawals([prefix for prefix in some if prefix not in there]) + told)
                self._tell(known.instance, data, post_policy=True)
            await asyncio.sleep(0)

    def _tell(self, instance: str, data: bytes, *, post_policy: bool = False) -> None:
        for station in self.stations:
            if station.instance == instance and (station.to.post_policy or not post_policy):
                station.put(data)


@dataclass(frozen=True, slots=True)
class Heard:
    """UPDATEs of a peer, judged: those that can be told as they are, those with a fault, what these withdraw, and all prefixes."""

    good: tuple[bytes, ...]
    bad: tuple[bytes, ...]
    withdrawn: tuple[Prefix, ...]
    prefixes: tuple[Prefix, ...]


def judged(data: bytes, four_octet_as: bool) -> Heard:
    """Look through whole UPDATEs: what RFC 7606 takes for a withdrawal is told as one, for a collector might read it otherwise."""
    rows = _rows(data, four_octet_as)
    if rows is not None and not any(row.error for row in rows):
        return Heard(tuple(words.split(data)), (), (), tuple(Prefix(*row.prefix) for row in rows))
    good: list[bytes] = []
    bad: list[bytes] = []
    withdrawn: list[Prefix] = []
    prefixes: list[Prefix] = []
    for message in words.split(data):
        rows = _rows(message, four_octet_as)
        wrong = rows is None or any(row.error for row in rows)
        (bad if wrong else good).append(message)
        found = [Prefix(*row.prefix) for row in rows or ()]
        prefixes += found
        if wrong:
            withdrawn += found
        if rows is None:
            break  # the session ends here
    return Heard(tuple(good), tuple(bad), tuple(withdrawn), tuple(prefixes))


def _rows(data: bytes, four_octet_as: bool) -> list[_core.UpdateRow] | None:
    try:
        return _core.decode_updates(data, four_octet_as)
    except WireError:
        return None


def _now() -> int:
    return time.time_ns() // 1000
