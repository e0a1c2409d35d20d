"""Graceful restart: what both ends say of it, and what is kept of a peer that is away (RFC 4724, RFC 8538)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dualhome._core import OpenMessage
from dualhome.errors import PeerError
from dualhome.units import Instant

CAPABILITY: Final = 64
RESTARTED: Final = 8
"""Restart State: the end that sends it has restarted, and is not to be waited for (RFC 4724 section 3)."""
NOTIFICATIONS: Final = 4
"""A NOTIFICATION, and silence for the hold time, are restarts too, but for a Cease with Hard Reset (RFC 8538 section 2)."""
FORWARDING: Final = 0x80
"""Forwarding State: of this family packets were forwarded on."""
HARD_RESET: Final = (6, 9)
FOR_GOOD: Final = ((6, 1), (6, 2), (6, 3))
"""Ceases after which nothing is to be kept: they are sent within a Hard Reset (RFC 8538 section 5.1)."""
LONGEST_S: Final = 4095
"""The field has 12 bits."""

Families = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GracefulRestart:
    """What we offer, in seconds: how long we may be away; how long a peer that came back may take to tell all its routes; how long we wait for all
    peers after a restart of our own.
    """

    restart_s: int = 120
    stale_s: float = 300
    defer_s: float = 60


@dataclass(slots=True)
class Kept:
    """Families of which routes of a peer are kept, and until when."""

    families: Families
    until: Instant


def capability(config: GracefulRestart, families: Families, restarted: bool) -> tuple[int, bytes]:
    """The capability as it stands in our OPEN: we forward on while we are away."""
    flags = NOTIFICATIONS | (RESTARTED if restarted else 0)
    value = (flags << 12 | min(config.restart_s, LONGEST_S)).to_bytes(2)
    return CAPABILITY, value + b"".join(bytes([*afi.to_bytes(2), safi, FORWARDING]) for afi, safi in families)


def kept_families(config: GracefulRestart | None, message: OpenMessage | None, families: Families) -> Families:
    """Of which families a peer's routes stay while it is away: those that both ends named, if it wants so (RFC 4724 section 4.2)."""
    if config is None or message is None or message.graceful_restart is None:
        return ()
    _, time_s, named = message.graceful_restart
    return tuple(family for family in families if time_s and any((afi, safi) == family for afi, safi, _ in named))


def preserved(message: OpenMessage) -> Families:
    """Families of which a peer that is back says that it forwarded on."""
    named = message.graceful_restart[2] if message.graceful_restart else []
    return tuple((afi, safi) for afi, safi, flags in named if flags & FORWARDING)


def has_restarted(message: OpenMessage) -> bool:
    """Whether a peer says that it restarted: it waits for us, so it isn't to be waited for (RFC 4724 section 4.1)."""
    return bool(message.graceful_restart and message.graceful_restart[0] & RESTARTED)


def keeps_on_notification(message: OpenMessage | None) -> bool:
    """Whether the peer takes NOTIFICATIONs for restarts, as we do (RFC 8538 section 4)."""
    return bool(message and message.graceful_restart and message.graceful_restart[0] & NOTIFICATIONS)


def as_it_is_sent(error: PeerError, config: GracefulRestart | None, message: OpenMessage | None) -> PeerError:
    """A NOTIFICATION to a peer that would take it for a restart: one that is none goes within a Hard Reset (RFC 8538 section 3.1)."""
    if config is None or (error.code, error.subcode) not in FOR_GOOD or not keeps_on_notification(message):
        return error
    return PeerError(*HARD_RESET, bytes([error.code, error.subcode]) + error.data, error.reason)
