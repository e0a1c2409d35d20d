"""Peers by address range: whoever connects from it, and says an AS number that is let in, is a peer as long as the session lasts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from dualhome._core import WireError, decode_open
from dualhome.live.route_server.config import Config, Instance, Peer, Range
from dualhome.net import Address

LOOK_S: Final = 5.0
"""How often it is looked who has gone."""
_OPEN: Final = 1


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


def instance_of(config: Config, name: str) -> Instance:
    """The instance of a name."""
    return next(each for each in config.instances if each.name == name)
