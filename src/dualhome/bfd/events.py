"""What goes into a BFD session and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

from dualhome.bfd.packet import Discarded, Packet, State
from dualhome.units import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """What we want: at most one packet each `transmit`, and each `receive` at most one packet to us; lost is who misses `multiplier` of ours."""

    transmit: Duration
    receive: Duration
    multiplier: int

    def __post_init__(self) -> None:
        assert 0 < self.transmit < 1 << 32, "an interval to send has 1 to 2^32 - 1 microseconds"
        assert 0 < self.receive < 1 << 32, "an interval to receive has 1 to 2^32 - 1 microseconds"
        assert 0 < self.multiplier < 256, "a multiplier is 1 to 255"


@dataclass(frozen=True, slots=True)
class Enable:
    """The operator wants the session."""


@dataclass(frozen=True, slots=True)
class Disable:
    """The operator ends it; the other end is told that no path has failed (RFC 5880 section 6.8.16)."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Other intervals, or another multiplier; a session that is Up stays so (RFC 5880 section 6.8.3)."""

    config: SessionConfig


@dataclass(frozen=True, slots=True)
class Received:
    """A packet of this session."""

    packet: Packet


Event = Enable | Disable | Configure | Received


@dataclass(frozen=True, slots=True)
class Send:
    """Send this datagram at once."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Up:
    """Packets pass in both directions."""


@dataclass(frozen=True, slots=True)
class Down:
    """The session was Up and isn't any more. `failed`: the path, or the other end; False: one of both ends was switched off (RFC 5882 section 3.2)."""

    why: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Transition:
    """For the journal: the session has another state."""

    old: State
    new: State
    why: str


Action = Send | Up | Down | Transition | Discarded
