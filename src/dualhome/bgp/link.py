"""One transport of a session, and what the session counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from dualhome import _core
from dualhome._core import OpenMessage
from dualhome.bgp.events import State
from dualhome.bgp.timers import LARGE_HOLD_S
from dualhome.units import Instant, after, seconds


@dataclass(slots=True)
class Counters:
    """What a session did since it was made. UPDATEs are counted in octets as well, of the others each kind in messages."""

    messages_in: int = 0
    messages_out: int = 0
    established: int = 0
    dropped: int = 0
    keepalives_in: int = 0
    keepalives_out: int = 0
    notifications_in: int = 0
    notifications_out: int = 0
    refreshes_in: int = 0
    refreshes_out: int = 0
    update_bytes_in: int = 0
    update_bytes_out: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Link:
    """One transport, from the OPEN that we sent on it."""

    transport: int
    ours: bool  # whether we made the attempt
    state: State = State.OPEN_SENT
    framer: _core.Framer = field(default_factory=_core.Framer)
    open: OpenMessage | None = None  # the peer's
    sent_open: bytes = b""  # both OPENs as they were on the wire, for monitors
    received_open: bytes = b""
    silence_s: int = LARGE_HOLD_S  # how long the peer may say nothing; 0: for ever
    hold_at: Instant | None = None
    keepalive_at: Instant | None = None
    up_since: Instant | None = None

    def restart_hold(self, now: Instant) -> None:
        """The peer is there: count the hold time from now."""
        self.hold_at = after(now, seconds(self.silence_s)) if self.silence_s else None
