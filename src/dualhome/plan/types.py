"""What a plan is made of. `speakers` is all that BGP needs; the rest tells the engine what carries each session and who programs which NICs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dualhome.bgp.config import SpeakerConfig
from dualhome.model import Bfd, Network


class Carrier(StrEnum):
    """What carries the packets of a session."""

    NETWORK = "network"  # the virtual networks' forwarding: it lives while both addresses reach each other (R44)
    TUNNEL = "tunnel"  # over the public underlay: lives while both nodes and what joins them do
    LINK = "link"  # a circuit's or an on-premises link: the same
    PLATFORM = "platform"  # route server and gateway, gateway and Microsoft's edge: Azure's own wiring
    NOWHERE = "nowhere"  # a peer outside the file


class SpeakerKind(StrEnum):
    """What kind of node a speaker is."""

    ROUTE_SERVER = "route server"
    GATEWAY = "gateway"
    EDGE = "circuit"  # one of Microsoft's two edge routers
    NVA = "nva"
    ROUTER = "router"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """A session between two speakers (full names, with `#`); `joins` is what `fail: a<->b` names: the objects' pair."""

    a: str
    b: str
    carrier: Carrier
    bfd: Bfd | None = None

    @property
    def ends(self) -> tuple[str, str]:
        """Both speakers' names."""
        return self.a, self.b


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerPlan:
    """A speaker: its node (full name, as `spoke-rs#0`), the object it belongs to, its configuration."""

    name: str
    owner: str
    kind: SpeakerKind
    virtual_network: str | None
    config: SpeakerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """A prefix that a router originates only while it reaches a host (R162)."""

    speaker: str
    prefix: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Speakers by name, sessions, and origins that hang on reachability (they are in `config.origins`; the engine takes them out while the host isn't reached)."""

    network: Network
    speakers: Mapping[str, SpeakerPlan]
    sessions: tuple[SessionPlan, ...]
    conditions: tuple[Conditional, ...] = ()
    notes: tuple[str, ...] = field(default=())
