"""Durations of the session's timers (RFC 4271 sections 4.2, 8.1.3 and 10)."""

from __future__ import annotations

import random
from typing import Final

from dualhome.errors import PeerError
from dualhome.units import Duration, seconds

LARGE_HOLD_S: Final = 240
"""Hold time while the peer's OPEN is awaited (RFC 4271 section 8.2.2, "4 minutes")."""
SHORTEST_PAUSE_S: Final = 1
"""Time in Idle after a session that ended without a fault, and after the first fault."""
LONGEST_PAUSE_S: Final = 60
"""Where doubling ends; a session that lived that long has paid for earlier faults."""


def negotiated_hold_time(ours_s: int, theirs_s: int) -> int:
    """Hold time that both ends will use, in seconds: the smaller; 0 means no keepalives.

    Raises:
        PeerError: the peer offers 1 or 2 seconds (NOTIFICATION 2/6).

    Source: RFC 4271 section 4.2, "Hold Time".
    """
    if theirs_s in (1, 2):
        raise PeerError(2, 6, reason=f"hold time of {theirs_s} s (0, or 3 and more, are allowed)")
    return min(ours_s, theirs_s)


def keepalive_interval_s(ours_s: float, hold_time_s: int) -> float:
    """Seconds between KEEPALIVEs: our own setting, but never more than a third of the agreed hold time (RFC 4271 section 4.4)."""
    return min(ours_s, hold_time_s / 3)


def pause_s(failures: int) -> int:
    """Seconds in Idle after so many faults in a row before this one: 1, 2, 4, … 60 (RFC 4271 section 8.1.1, DampPeerOscillations)."""
    return min(SHORTEST_PAUSE_S << min(failures, 16), LONGEST_PAUSE_S)


def jittered(value_s: float, chance: random.Random | None) -> Duration:
    """Between three quarters of the value and all of it (RFC 4271 section 10); all of it without chance."""
    return seconds(value_s * chance.uniform(0.75, 1.0) if chance else value_s)
