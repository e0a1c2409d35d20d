"""The finite state machine of RFC 4271 section 8 as a total table: (state, kind of event) -> (handler, next state).

A session follows up to three transports while a collision is being resolved, so every transport has its own state of OpenSent and later
ones, and the session's state is that of its farthest transport (RFC 4271 section 8.2.1). Events of one transport are looked up with that
transport's state, all others with the session's. A transport that goes to Idle or Active is gone; the session goes there with its last one.

Differs: a failed attempt leads from Connect to Active, not to Idle, so that the peer's own attempt is welcome in between. Delayed OPEN
(optional in the RFC) is not there. A NOTIFICATION in OpenSent is taken for what it is, not for an error of the state machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from dualhome._core import OpenMessage
from dualhome.bgp.events import Close, Deliver, Refresh, Refreshing, State, Up
from dualhome.bgp.notification import CEASE, COMMUNICATIVE, describe, shutdown_data
from dualhome.bgp.restart import HARD_RESET, keeps_on_notification
from dualhome.errors import PeerError
from dualhome.units import Instant

if TYPE_CHECKING:
    from dualhome.bgp.link import Link
    from dualhome.bgp.session import Session


class Kind(Enum):
    """Kinds of events; numbers are those of RFC 4271 section 8.1."""

    MANUAL_START = auto()  # 1
    MANUAL_START_PASSIVE = auto()  # 4
    AUTOMATIC_START = auto()  # 6, 13: the time in Idle after an error is over
    AUTOMATIC_START_PASSIVE = auto()  # 7, 13
    MANUAL_STOP = auto()  # 2
    CONNECT_RETRY_EXPIRED = auto()  # 9
    HOLD_EXPIRED = auto()  # 10
    KEEPALIVE_EXPIRED = auto()  # 11
    CONNECTED = auto()  # 16
    ACCEPTED = auto()  # 17
    CONNECT_FAILED = auto()  # 18, of our attempt
    CLOSED = auto()  # 18, of a transport
    OPEN_VALID = auto()  # 19
    OPEN_INVALID = auto()  # 22
    COLLISION_LOST = auto()  # 23
    HEADER_ERROR = auto()  # 21
    NOTIFICATION = auto()  # 24, 25
    KEEPALIVE = auto()  # 26
    UPDATE = auto()  # 27
    UPDATE_ERROR = auto()  # 28
    REFRESH = auto()  # RFC 2918
    REFRESH_ERROR = auto()  # RFC 7313 section 5
    STUCK = auto()  # 29: SendHoldTimer_Expires (RFC 9687 section 4)

    __hash__ = object.__hash__  # each is one object, and tables are looked up for every message


MESSAGE_TYPES: Final = {
    Kind.OPEN_VALID: 1, Kind.OPEN_INVALID: 1, Kind.UPDATE: 2, Kind.UPDATE_ERROR: 2, Kind.NOTIFICATION: 3, Kind.KEEPALIVE: 4,
    Kind.REFRESH: 5, Kind.REFRESH_ERROR: 5,
}  # fmt: skip
"""Of the kinds that are messages (RFC 4271 section 4.1)."""


@dataclass(slots=True, kw_only=True)
class Step:
    """One event on its way through the table."""

    kind: Kind
    now: Instant
    link: Link | None = None  # the transport it is about
    transport: int = -1  # a new one
    open: OpenMessage | None = None
    data: bytes = b""  # UPDATEs
    family: tuple[int, int, int] = (0, 0, 0)  # of a ROUTE-REFRESH: AFI, subtype, SAFI
    error: PeerError | None = None  # ours about the peer, or the peer's about us
    why: str = ""  # for the journal
    gentle: bool = False  # nothing went wrong: no longer wait than the shortest

    @property
    def of(self) -> Link:
        """The transport of an event that has one."""
        assert self.link is not None, f"{self.kind} without a transport"
        return self.link

    @property
    def fault(self) -> PeerError:
        """The error of an event that has one."""
        assert self.error is not None, f"{self.kind} without an error"
        return self.error


Handler = Callable[["Session", Step], None]


def ignore(session: Session, step: Step) -> None:
    """Nothing happens."""


def begin(session: Session, step: Step) -> None:
    """Enter the next state afresh: Connect makes an attempt, Active listens, both start the ConnectRetryTimer."""


def begin_anew(session: Session, step: Step) -> None:
    """The operator's start: earlier failures are forgotten."""
    session.wanted = True
    session.failures = 0


def stop(session: Session, step: Step) -> None:
    """Cease on every transport, and no automatic start afterwards (RFC 4271 event 2, RFC 4486, RFC 9003)."""
    session.wanted = False
    error = step.fault
    data = shutdown_data(error.reason) if (error.code, error.subcode) in COMMUNICATIVE else b""
    for link in tuple(session.links.values()):
        session.notify(link, PeerError(error.code, error.subcode, data, error.reason), step.now)


def send_open(session: Session, step: Step) -> None:
    """A new transport: say who we are; the hold timer is large until the peer has spoken (RFC 4271 section 8.2.2)."""
    step.why = f"transport {step.transport} {'connected' if step.kind is Kind.CONNECTED else 'accepted'}"
    session.open_link(step.transport, ours=step.kind is Kind.CONNECTED, now=step.now)


def refuse_transport(session: Session, step: Step) -> None:
    """A transport that nobody wants now."""
    session.actions.append(Close(step.transport))


def confirm_open(session: Session, step: Step) -> None:
    """The peer is who it should be: agree on the hold time, answer with a KEEPALIVE (RFC 4271 section 8.2.2)."""
    assert step.open is not None
    session.agree(step.of, step.open, step.now)
    session.send_keepalive(step.of, step.now)


def establish(session: Session, step: Step) -> None:
    """The peer has accepted our OPEN: routes may flow."""
    link = step.of
    assert link.open is not None
    link.restart_hold(step.now)
    link.up_since = step.now
    session.counters.established += 1
    session.actions.append(Up(link.open, link.transport, link.sent_open, link.received_open))


def send_keepalive(session: Session, step: Step) -> None:
    """The KeepaliveTimer ran out."""
    session.send_keepalive(step.of, step.now)


def note_alive(session: Session, step: Step) -> None:
    """A KEEPALIVE restarts the hold timer."""
    step.of.restart_hold(step.now)


def deliver(session: Session, step: Step) -> None:
    """UPDATEs restart the hold timer and go to the RIB."""
    step.of.restart_hold(step.now)
    session.actions.append(Deliver(step.data))


def ask_refresh(session: Session, step: Step) -> None:
    """A request for a family that both ends named, or a mark of our own one's answer; any other is ignored (RFC 2918 section 4, RFC 7313 section 5)."""
    afi, subtype, safi = step.family
    if (afi, safi) not in session.families:
        return
    if subtype == 0:
        session.actions.append(Refresh(afi, safi, session.has_enhanced_refresh))
    elif subtype in (1, 2) and session.has_enhanced_refresh:
        session.actions.append(Refreshing(afi, safi, subtype == 1))


def notify(session: Session, step: Step) -> None:
    """The peer broke the protocol, or lost a collision: say so, and end the transport (RFC 4271 section 6)."""
    step.why = describe(step.fault.code, step.fault.subcode)
    session.notify(step.of, step.fault, step.now)


def notify_hold_expired(session: Session, step: Step) -> None:
    """Nothing came for the hold time (RFC 4271 section 6.5)."""
    step.error = PeerError(4, 0, reason=f"nothing for {step.of.silence_s} s")
    step.why = describe(4, 0)
    session.notify(step.of, step.fault, step.now, keep=keeps_on_notification(step.of.open))


def notify_stuck(session: Session, step: Step) -> None:
    """The peer took nothing of what was to be sent (RFC 9687 section 4)."""
    step.error = PeerError(8, 0, reason="nothing of what was to be sent was taken")
    notify(session, step)


def notify_unexpected(session: Session, step: Step) -> None:
    """A message that has no place in this state; the data is its type (RFC 4271 section 6.6, RFC 6608 section 3)."""
    subcode = {State.OPEN_SENT: 1, State.OPEN_CONFIRM: 2, State.ESTABLISHED: 3}[step.of.state]
    kind = MESSAGE_TYPES[step.kind]
    step.error = PeerError(5, subcode, bytes([kind]), f"message of type {kind}")
    notify(session, step)


def obey_notification(session: Session, step: Step) -> None:
    """The peer gives up. A Cease of a session that was up is no failure, but that for too many prefixes is (RFC 4486 section 4)."""
    step.gentle = step.of.state is State.ESTABLISHED and step.fault.code == CEASE and step.fault.subcode != 1
    keep = keeps_on_notification(step.of.open) and (step.fault.code, step.fault.subcode) != HARD_RESET
    session.drop(step.of, f"received {step.why}", step.now, keep=keep)
    session.actions.append(Close(step.of.transport))


def lose_transport(session: Session, step: Step) -> None:
    """The transport is gone without a word."""
    step.gentle = step.of.state is State.ESTABLISHED
    session.drop(step.of, step.why, step.now, keep=True)


Cell = tuple[Handler, State]

_IDLE, _CONNECT, _ACTIVE = State.IDLE, State.CONNECT, State.ACTIVE
_SENT, _CONFIRM, _UP = State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED

# One row a kind, one column a state, in the order of `State`.
_ROWS: Final[Mapping[Kind, tuple[Cell, Cell, Cell, Cell, Cell, Cell]]] = {
    Kind.MANUAL_START: (
        (begin_anew, _CONNECT), (ignore, _CONNECT), (ignore, _ACTIVE),
        (ignore, _SENT), (ignore, _CONFIRM), (ignore, _UP)),
    Kind.MANUAL_START_PASSIVE: (
        (begin_anew, _ACTIVE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (ignore, _SENT), (ignore, _CONFIRM), (ignore, _UP)),
    Kind.AUTOMATIC_START: (
        (begin, _CONNECT), (ignore, _CONNECT), (ignore, _ACTIVE),
        (ignore, _SENT), (ignore, _CONFIRM), (ignore, _UP)),
    Kind.AUTOMATIC_START_PASSIVE: (
        (begin, _ACTIVE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (ignore, _SENT), (ignore, _CONFIRM), (ignore, _UP)),
    Kind.MANUAL_STOP: (
        (stop, _IDLE), (stop, _IDLE), (stop, _IDLE),
        (stop, _IDLE), (stop, _IDLE), (stop, _IDLE)),
    Kind.CONNECT_RETRY_EXPIRED: (
        (ignore, _IDLE), (begin, _CONNECT), (begin, _CONNECT),
        (ignore, _SENT), (ignore, _CONFIRM), (ignore, _UP)),
    Kind.CONNECTED: (
        (refuse_transport, _IDLE), (send_open, _SENT), (send_open, _SENT),
        (send_open, _SENT), (send_open, _CONFIRM), (refuse_transport, _UP)),
    Kind.ACCEPTED: (
        (refuse_transport, _IDLE), (send_open, _SENT), (send_open, _SENT),
        (send_open, _SENT), (send_open, _CONFIRM), (send_open, _UP)),
    Kind.CONNECT_FAILED: (
        (ignore, _IDLE), (begin, _ACTIVE), (ignore, _ACTIVE),
        (ignore, _SENT), (ignore, _CONFIRM), (ignore, _UP)),
    # From here on events are of a transport, and none is there before OpenSent.
    Kind.HOLD_EXPIRED: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (notify_hold_expired, _IDLE), (notify_hold_expired, _IDLE), (notify_hold_expired, _IDLE)),
    Kind.KEEPALIVE_EXPIRED: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (ignore, _SENT), (send_keepalive, _CONFIRM), (send_keepalive, _UP)),
    Kind.CLOSED: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (lose_transport, _ACTIVE), (lose_transport, _IDLE), (lose_transport, _IDLE)),
    Kind.OPEN_VALID: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (confirm_open, _CONFIRM), (notify_unexpected, _IDLE), (notify_unexpected, _IDLE)),
    Kind.OPEN_INVALID: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (notify, _IDLE), (notify_unexpected, _IDLE), (notify_unexpected, _IDLE)),
    Kind.COLLISION_LOST: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (notify, _IDLE), (notify, _IDLE), (notify, _IDLE)),
    Kind.HEADER_ERROR: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (notify, _IDLE), (notify, _IDLE), (notify, _IDLE)),
    Kind.NOTIFICATION: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (obey_notification, _IDLE), (obey_notification, _IDLE), (obey_notification, _IDLE)),
    Kind.KEEPALIVE: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (notify_unexpected, _IDLE), (establish, _UP), (note_alive, _UP)),
    Kind.UPDATE: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (notify_unexpected, _IDLE), (notify_unexpected, _IDLE), (deliver, _UP)),
    Kind.UPDATE_ERROR: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (notify_unexpected, _IDLE), (notify_unexpected, _IDLE), (notify, _IDLE)),
    Kind.REFRESH: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (notify_unexpected, _IDLE), (notify_unexpected, _IDLE), (ask_refresh, _UP)),
    Kind.REFRESH_ERROR: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (notify_unexpected, _IDLE), (notify_unexpected, _IDLE), (notify, _IDLE)),
    Kind.STUCK: (
        (ignore, _IDLE), (ignore, _CONNECT), (ignore, _ACTIVE),
        (notify_stuck, _IDLE), (notify_stuck, _IDLE), (notify_stuck, _IDLE)),
}  # fmt: skip

TABLE: Final[Mapping[tuple[State, Kind], Cell]] = MappingProxyType(
    {(state, kind): cell for kind, cells in _ROWS.items() for state, cell in zip(State, cells, strict=True)}
)
"""Every state on every kind of event. "Ignored" is a cell too."""
