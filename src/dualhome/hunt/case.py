"""What a seed draws, as data: speakers, links, faults. A fault has a number, so that a run can be told to do some of them only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from dualhome.bgp.config import OriginConfig, PeerConfig, SpeakerConfig
from dualhome.bgp.policy import PeerPolicy
from dualhome.net import Prefix
from dualhome.units import Duration, Instant, as_seconds

NOTHING: Final = Duration(0)


class Kind(Enum):
    """What may befall a network; `node` is whom, `peer` toward whom."""

    KILL = "the process ends, its transports are reset; started again, as one that restarts, after"
    VANISH = "the machine loses its power, its transports say nothing more; started again after"
    STOP = "stops by Cease/2; starts again after"
    SILENCE = "the link loses all packets for"
    STALL = "reads nothing of its peer for"
    CUT = "the transport from it to its peer is reset within the next octets:"
    JUMP = "its clock jumps by"
    REFRESH = "asks its peer for all routes again"
    RESET = "its session with the peer is reset by hand"
    SLIP_IN = "a message is slipped in after its own:"
    MUTATE = "of its next message to its peer bytes are altered:"
    CHANGE = "another configuration:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of a configuration; what is None stays, an origin or a peer of None goes."""

    what: str  # policy | hold | enabled | removed | added | origin | gone | rounds | identity
    peer: str = ""
    policy: PeerPolicy | None = None
    config: PeerConfig | None = None
    number: int = 0
    prefix: Prefix | None = None
    origin: OriginConfig | None = None
    rounds: tuple[str, ...] = ()
    router_id: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, [self.what, self.peer, str(self.prefix or ""), str(self.number or ""), self.router_id]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that befalls the network."""

    number: int
    at: Instant
    kind: Kind
    node: str
    peer: str = ""
    lasts: Duration = NOTHING
    seed: int = 0  # of what is drawn when it happens: octets, places
    count: int = 0
    change: Change | None = None

    def __str__(self) -> str:
        whom = f"{self.node} > {self.peer}" if self.peer else self.node
        value = str(self.change) if self.change else f"{as_seconds(self.lasts):.3f} s" if self.lasts else str(self.count or "")
        return f"{self.number}: {as_seconds(self.at):8.3f} s {whom}: {self.kind.value} {value}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How bytes fare between two speakers, in either direction."""

    latency: Duration
    wavering: Duration  # so much later, at most
    window: int  # octets that wait for a reader before its peer is asked to wait
    pieces: int  # into how many a write is cut, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A network and what befalls it. `links` by (lower name, higher name)."""

    seed: int
    shape: str
    speakers: Mapping[str, SpeakerConfig]
    links: Mapping[tuple[str, str], Link]
    faults: tuple[Fault, ...]
    ends: Instant  # of the faults
    deferred: float = 0.0  # the share of events after which nothing is decided yet, as when many come at once

    def only(self, numbers: frozenset[int]) -> Case:
        """With these faults alone."""
        return replace(self, faults=tuple(fault for fault in self.faults if fault.number in numbers))

    def link(self, a: str, b: str) -> Link:
        """That between two speakers."""
        return self.links[min(a, b), max(a, b)]


def changed(config: SpeakerConfig, change: Change) -> SpeakerConfig:
    """The configuration after a change; the same where there is no such peer."""
    peers, origins = dict(config.peers), dict(config.origins)
    peer = peers.get(change.peer)
    match change.what:
        case "policy" if peer and change.policy:
            peers[change.peer] = replace(peer, policy=change.policy)
        case "hold" if peer:
            session = replace(peer.session, hold_time_s=change.number, keepalive_s=change.number / 3)
            peers[change.peer] = replace(peer, session=session)
        case "enabled" if peer:
            peers[change.peer] = replace(peer, enabled=bool(change.number))
        case "removed" if peer:
            del peers[change.peer]
        case "added" if peer is None and change.config:
            peers[change.peer] = change.config
        case "origin" if change.origin:
            origins[change.origin.prefix] = change.origin
        case "gone" if change.prefix:
            origins.pop(change.prefix, None)
        case "rounds":
            return replace(config, rounds=change.rounds)
        case "identity":
            peers = {name: replace(each, session=replace(each.session, router_id=change.router_id)) for name, each in peers.items()}
            return replace(config, router_id=change.router_id, peers=peers)
    return replace(config, peers=peers, origins=origins)
