"""Peers by address range: whoever connects from it, and says an AS number that is let in, is a peer as long as the session lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace
from typing import Final, Protocol

from dualhome._core import WireError, decode_open
from dualhome.bgp.events import State
from dualhome.live.host import SpeakerHost
from dualhome.live.route_server.config import Config, Peer, Range
from dualhome.live.route_server.strangers import Strangers
from dualhome.net import Address

LOOK_S: Final = 5.0
"""How often it is looked who has gone."""
_OPEN: Final = 1


class Serving(Protocol):
    """The daemon, as far as visitors go."""

    config: Config
    host: SpeakerHost

    def is_peer(self, instance: str, remote: Address) -> bool:
        """Whether an address is that of a peer which the file names."""
        ...

    def take_in(self, peer: Peer) -> None:
        """One more peer of an instance, or one with another AS number."""
        ...

    def let_go(self, gone: Set[tuple[str, str]]) -> None:
        """These peers, by instance and name, are peers no more."""
        ...


class Visitors:
    """Who came by a range, from the OPEN to the moment when it is gone for good. They stand among the peers of the daemon's configuration."""

    def __init__(self, serving: Serving, strangers: Strangers) -> None:
        self._serving, self._strangers = serving, strangers
        self._leaving: set[tuple[str, str]] = set()  # those that had gone when it was looked last
        self._timer: asyncio.TimerHandle | None = None

    def awaits(self, instance: str, remote: Address) -> float:
        """How long the first message of an address is awaited; 0 where no range has it, or it is a peer by address."""
        of = None if self._serving.is_peer(instance, remote) else range_of(self._serving.config, instance, remote)
        return 0 if of is None else of.peer.open_s

    def meets(self, instance: str, remote: Address, message: bytes) -> str | None:
        """Somebody of a range said the first message: the name of its peer, which may be there already; None where it is refused."""
        of = range_of(self._serving.config, instance, remote)
        asn = None if of is None else asn_of(of, message)
        if of is None or asn is None:
            self._strangers.came(instance, str(remote))
            return None
        peer = visitor(of, instance, remote, asn)
        known = self._serving.host.speakers[instance].config.peers.get(peer.name)
        if known is not None and (known.session.remote_asn == asn or self._is_there(instance, peer.name)):
            return peer.name
        beside = [each for each in self._serving.config.peers if each.group == peer.group and each.instances == (instance,)]
        if sum(each.name != peer.name for each in beside) >= of.limit:
            self._strangers.came(instance, str(remote))
            return None
        self._serving.take_in(peer)
        self.watch()
        return peer.name

    def watch(self) -> None:
        """Look now and then who has gone, as long as there are any."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        """Those go that are gone, and were when it was looked before."""
        self._timer = None
        visitors = [key_of(each) for each in self._serving.config.peers if each.group]
        gone = {key for key in visitors if not self._is_there(*key)}
        over = gone & self._leaving
        self._leaving = gone - over
        if over:
            self._serving.let_go(over)
        if len(over) < len(visitors):
            self.watch()

    def _is_there(self, instance: str, peer: str) -> bool:
        """Whether it has a connection, or its routes are kept for it (RFC 4724)."""
        host = self._serving.host
        speaker = host.speakers.get(instance)
        if speaker is None:
            return False  # its instance could not be started
        return host.transports.has(instance, peer) or speaker.session(peer).state is State.ESTABLISHED or speaker.keeps(peer)


def key_of(peer: Peer) -> tuple[str, str]:
    """The instance of a visitor, none of other peers, and the name."""
    return peer.instances[0] if peer.group else "", peer.name


def range_of(config: Config, instance: str, remote: Address) -> Range | None:
    """The range that an address belongs to: the smallest of those that the instance has."""
    fits = (each for each in config.ranges if each.prefix.covers(remote) and each.peer.enabled)
    mine = [each for each in fits if not each.peer.instances or instance in each.peer.instances]
    return max(mine, key=lambda each: each.prefix.length, default=None)


def visitor(of: Range, instance: str, remote: Address, asn: int) -> Peer:
    """A peer of a range, of one instance alone."""
    return replace(of.peer, name=f"{of.peer.name}-{remote}", address=remote, asn=asn, instances=(instance,), group=of.peer.name)


def asn_of(of: Range, message: bytes) -> int | None:
    """The AS number of who says this: what its OPEN says, where that is let in; else one that is, so that its session tells it what is wrong. None where
    there is no telling.
    """
    said = None
    if message[18] == _OPEN:
        try:
            said = decode_open(message[19:]).asn
        except WireError:
            said = None
    if not of.asns or said in of.asns:
        return said
    return of.asns[0]


def recalled(config: Config, instance: str, visitors: Iterable[tuple[Address, int]]) -> Iterator[Peer]:
    """Peers for those who were there before a restart."""
    for remote, asn in visitors:
        if (of := range_of(config, instance, remote)) is not None and (not of.asns or asn in of.asns):
            yield visitor(of, instance, remote, asn)


def still_welcome(config: Config, peers: tuple[Peer, ...]) -> Iterator[Peer]:
    """Of visitors those that another configuration lets in too, as it wants them."""
    known = {each.address for each in config.peers}
    instances = {each.name for each in config.instances}
    for each in peers:
        (instance,) = each.instances
        if instance in instances and each.address not in known:
            yield from recalled(config, instance, [(each.address, each.asn)])
