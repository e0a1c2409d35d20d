"""What a speaker is told: its own identity, its peers, what it originates. Frozen; a change is another config."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from dualhome.bgp.policy import PeerPolicy
from dualhome.bgp.restart import GracefulRestart
from dualhome.bgp.timers import LARGE_HOLD_S
from dualhome.net import Address, Prefix

IPV4_UNICAST = (1, 1)
IPV6_UNICAST = (2, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """One side of a session: whatever of it changes resets the session (RFC 4271 section 8)."""

    peer: str  # the other speaker's name: hub1-nva, spoke-rs#0
    local_asn: int
    remote_asn: int
    router_id: str
    local_address: Address
    remote_address: Address
    hold_time_s: int = 180
    keepalive_s: float = 60  # when the agreed hold time is our own; else a third of the agreed one, if that is less
    connect_retry_s: float = 120
    families: tuple[tuple[int, int], ...] = (IPV4_UNICAST,)
    passive: bool = False
    zero_hold: bool = True  # whether a session without hold timer is agreed to
    open_s: int = LARGE_HOLD_S  # how long the peer's OPEN is awaited
    damping: bool = (
        True  # whether the peer's attempts are refused for a while after a fault (DampPeerOscillations); if not, ours alone wait
    )
    graceful_restart: GracefulRestart | None = None  # None: End-of-RIB is sent, nothing is kept
    enhanced_refresh: bool = False  # RFC 7313
    refresh_s: float = 300  # how long a peer may take to tell all its routes again
    extended_messages: bool = True  # RFC 8654
    four_octet_as: bool = True  # RFC 6793; False: AS numbers of two octets, as an old speaker, whose own number has no more
    role: str | None = None  # what we are to the peer: provider | customer | peer | rs | rs-client (RFC 9234)
    role_strict: bool = False  # whether a peer that says nothing of its role is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig:
    """A peer: the session, and the policy of its routes, which may change while the session stays.

    `asks_for` names what its routes are for: with one more name in it, the peer has to tell them all again, by a ROUTE-REFRESH (RFC 2918), or where it
    can't or `resets` is set, by a session that begins anew.
    """

    session: SessionConfig
    policy: PeerPolicy
    enabled: bool = True  # False: administratively down
    asks_for: tuple[str, ...] = ()
    resets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginConfig:
    """A route of the speaker's own. `tags` say to policies what it is: "self", and vnet | transit | static | summary | originated."""

    prefix: Prefix
    next_hop: Address
    as_path: tuple[int, ...] = ()
    communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = ()
    tags: tuple[str, ...] = ("self",)
    weight: int = 32768
    origin: str = "igp"

    def json(self) -> str:
        """What `_core.Rib.originate` takes."""
        return json.dumps(
            {
                "as_path": list(self.as_path),
                "next_hop": str(self.next_hop),
                "origin": self.origin,
                "local_preference": 100,
                "weight": self.weight,
                "communities": list(self.communities),
                "large_communities": list(self.large_communities),
                "tags": list(self.tags),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerConfig:
    """One speaker. `peers` is keyed by the other speaker's name, `origins` by prefix, both in the order of the plan."""

    name: str
    asn: int
    router_id: str
    rounds: tuple[str, ...]
    preference: str = "ExpressRoute"
    cluster_id: str | None = None
    multipath: int = 64
    peers: Mapping[str, PeerConfig] = field(default_factory=dict)
    origins: Mapping[Prefix, OriginConfig] = field(default_factory=dict)
