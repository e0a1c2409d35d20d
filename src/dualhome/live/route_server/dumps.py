"""What peers say, and the tables, kept in MRT files (RFC 6396), a new one each `every_s` seconds. Disks are waited for beside the loop, and sessions never wait for a disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Protocol

from dualhome import _core, mrt
from dualhome.bgp import events
from dualhome.bgp.events import State
from dualhome.bgp.speaker import Speaker
from dualhome.live.route_server.bmp_station import minded
from dualhome.live.route_server.bmp_words import split
from dualhome.live.route_server.config import Mrt
from dualhome.live.route_server.pages import prefixes, short
from dualhome.net import Address, Prefix

STATES: Final = {state: number for number, state in enumerate(State, 1)}
"""RFC 6396 section 4.4.4: 1 Idle to 6 Established."""
MOST_WAITING: Final = 64 << 20
"""Octets that wait for the disk; what is beyond is lost, counted and said."""
FLUSH_S: Final = 0.5
STAMP: Final = "%Y%m%dT%H%M%SZ"


class Watched(Protocol):
    """Whose tables are kept."""

    @property
    def speakers(self) -> dict[str, Speaker]:
        """By instance."""
        ...

    @property
    def changed_s(self) -> Mapping[tuple[str, str], float]:
        """When a session last changed its state, as Unix time."""
        ...


class Dumps:
    """Both kinds of files. The speakers' driver tells `watch` of all that sessions ask for."""

    def __init__(self, config: Mrt, watched: Watched, log: Any) -> None:
        self._config, self._watched, self._log = config, watched, log
        self._two_octets: Final[set[tuple[str, str]]] = set()  # sessions whose AS_PATHs are so
        self._waiting: dict[Path, bytearray] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.lost_records = 0
        self.written_bytes = 0
        self.table_s = 0.0  # how long the last table took to write

    def begin(self) -> None:
        """Keep what comes from now on."""
        loop = asyncio.get_running_loop()
        if self._config.updates is not None:
            self._tasks.append(minded(loop.create_task(self._flushing())))
        if self._config.rib is not None:
            self._tasks.append(minded(loop.create_task(self._dumping())))

    async def end(self) -> None:
        """Write what waits, and no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._flush()

    def watch(self, instance: str, peer: str, action: events.Action) -> None:
        """Keep what came from a peer, and its session's states."""
        if self._config.updates is None:
            return
        match action:
            case events.Deliver(data=data):
                self._heard(instance, peer, split(data))
            case events.Up(open=said, received=octets):
                (self._two_octets.discard if said.four_octet_as else self._two_octets.add)((instance, peer))
                self._heard(instance, peer, [octets])
            case events.Notified(sent=False, code=code, subcode=subcode, data=data):
                self._heard(instance, peer, [_core.encode_notification(code, subcode, data)])
            case events.Transition(old=old, new=new):
                now = time.time_ns() // 1000
                self._put(now, mrt.state_change(now, *self._parties(instance, peer), STATES[old], STATES[new]))
            case _:
                pass

    # --- inside -------------------------------------------------------------------------------------------------------

    def _heard(self, instance: str, peer: str, messages: Iterable[bytes]) -> None:
        now, parties = time.time_ns() // 1000, self._parties(instance, peer)
        four = (instance, peer) not in self._two_octets
        for message in messages:
            self._put(now, mrt.message(now, *parties, message, four_octet_as=four))

    def _parties(self, instance: str, peer: str) -> tuple[tuple[Address, int], tuple[Address, int]]:
        session = self._watched.speakers[instance].session(peer)
        config, said = session.config, session.peer_open
        return (config.remote_address, said.asn if said else config.remote_asn), (config.local_address, config.local_asn)

    def _put(self, now_us: int, record: bytes) -> None:
        if sum(map(len, self._waiting.values())) + len(record) > MOST_WAITING:  # two files at most
            if not self.lost_records:
                self._log.error("mrt", text="the disk is too slow: records are lost")
            self.lost_records += 1
            return
        assert self._config.updates is not None
        self._waiting.setdefault(file_name(self._config.updates, now_us / 1e6, self._config.every_s), bytearray()).extend(record)

    async def _flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self._flush()

    async def _flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for path, data in waiting.items():
            await asyncio.to_thread(self._append, path, data)

    def _append(self, path: Path, data: bytearray) -> None:
        try:
            with path.open("ab") as file:
                file.write(data)
            self.written_bytes += len(data)
        except OSError as error:
            self.lost_records += 1
            self._log.error("mrt", file=str(path), text=f"can't be written: {error.strerror or error}")

    async def _dumping(self) -> None:
        """A table of each instance at every full period."""
        while True:
            await asyncio.sleep(self._config.every_s - time.time() % self._config.every_s)
            await self.dump()

    async def dump(self) -> list[Path]:
        """Write the tables of all instances now; the files, each under its name when it is whole."""
        assert self._config.rib is not None
        begun, now, files = time.monotonic(), time.time(), []
        for name in list(self._watched.speakers):
            several = name if len(self._watched.speakers) > 1 else ""
            path = file_name(self._config.rib, now, self._config.every_s, several)
            part = path.with_name(path.name + ".part")
            try:
                await self._table(name, part)
                part.replace(path)
                files.append(path)
            except asyncio.CancelledError:
                part.unlink(missing_ok=True)
                raise
            except OSError as error:
                self._log.error("mrt", file=str(path), text=f"can't be written: {error.strerror or error}")
        self.table_s = time.monotonic() - begun
        return files

    async def _table(self, instance: str, path: Path) -> None:
        """A peer that came after the beginning isn't in it."""
        speaker, now_us = self._watched.speakers[instance], time.time_ns() // 1000
        places, parties = self._index(instance, speaker)
        count = 0
        with await asyncio.to_thread(path.open, "wb") as file:
            records = [mrt.peer_index(now_us, Address.parse(speaker.config.router_id), instance, parties)]
            for some in prefixes(speaker):
                rows, blocks = speaker.rib.blocks("accepted", None, list(some))
                octets = [short(*block) for block in blocks]
                for prefix, group in groupby((row for row in rows if row[1] in places), key=itemgetter(0)):
                    entries = [mrt.Entry(*places[peer], octets[place]) for _, peer, place in group]
                    records.append(mrt.rib(now_us, count, Prefix(*prefix), entries))
                    count += 1
                await asyncio.to_thread(file.write, b"".join(records))
                records.clear()
            await asyncio.to_thread(file.write, b"".join(records))
        self._log.debug("mrt", file=str(path), prefixes=count)

    def _index(self, instance: str, speaker: Speaker) -> tuple[dict[int, tuple[int, int]], list[mrt.Party]]:
        """By number of a peer its place in the index and since when its session is as it is; the first is the speaker itself, for its own routes."""
        config = speaker.config
        first = next(iter(config.peers.values()), None)
        own = first.session.local_address if first is not None else Address.parse(config.router_id)
        parties = [mrt.Party(identifier=Address.parse(config.router_id), address=own, asn=config.asn)]
        places = {-1: (0, int(time.time()))}
        for peer in config.peers:
            session = speaker.session(peer)
            said = session.peer_open
            identifier = Address.parse(said.router_id) if said else Address(4, 0)
            asn = said.asn if said else session.config.remote_asn
            places[speaker.peer_number(peer)] = len(parties), int(self._watched.changed_s.get((instance, peer), time.time()))
            parties.append(mrt.Party(identifier=identifier, address=session.config.remote_address, asn=asn))
        return places, parties


def file_name(template: str, now_s: float, every_s: int, instance: str = "") -> Path:
    """The file of the period that `now_s` lies in: the words of strftime are filled in (UTC), or the time is put before the ending; so is an instance."""
    begun = time.gmtime(now_s // every_s * every_s)
    path = Path(time.strftime(template, begun))
    added = [*([instance] if instance else []), *([time.strftime(STAMP, begun)] if "%" not in template else [])]
    return path.with_name(".".join([path.stem, *added]) + path.suffix)
