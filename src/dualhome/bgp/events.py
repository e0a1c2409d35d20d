"""What goes into a session and what comes out of it. A transport (TCP connection) is a number that the driver gives, unique in a speaker."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dualhome._core import OpenMessage


class State(Enum):
    """The states of RFC 4271 section 8.2.2, from the farthest to the goal; values are the words of the RFC."""

    IDLE = "Idle"
    CONNECT = "Connect"
    ACTIVE = "Active"
    OPEN_SENT = "OpenSent"
    OPEN_CONFIRM = "OpenConfirm"
    ESTABLISHED = "Established"

    __hash__ = object.__hash__  # each is one object, and tables are looked up for every message


@dataclass(frozen=True, slots=True)
class ManualStart:
    """The operator wants the session (RFC 4271 section 8.1.2, events 1 and 4)."""


@dataclass(frozen=True, slots=True)
class ManualStop:
    """The operator ends it, by a Cease of this subcode (RFC 4486); 2 and 4 carry the reason as text (RFC 9003)."""

    reason: str = "administrative shutdown"
    subcode: int = 2


@dataclass(frozen=True, slots=True)
class Connected:
    """Our own attempt succeeded (event 16)."""

    transport: int


@dataclass(frozen=True, slots=True)
class ConnectFailed:
    """Our own attempt failed (event 18)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The peer opened a transport to us (event 17)."""

    transport: int


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes of the peer, cut anywhere."""

    transport: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The other end, or the network, closed the transport (event 18)."""

    transport: int


@dataclass(frozen=True, slots=True)
class Stuck:
    """The peer took nothing of what waits to be written for the send hold time (RFC 9687)."""

    transport: int


Event = ManualStart | ManualStop | Connected | ConnectFailed | Accepted | Received | Closed | Stuck


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a transport to the peer; an attempt that is still on its way is given up for it."""


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes."""

    transport: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the transport once all that was sent on it is written; nothing of it is wanted any more."""

    transport: int


@dataclass(frozen=True, slots=True)
class Up:
    """The session is Established on this transport; `open` is what the peer said of itself. For monitors: both OPENs as they were on the wire."""

    open: OpenMessage
    transport: int
    sent: bytes = b""
    received: bytes = b""


@dataclass(frozen=True, slots=True)
class Down:
    """The session is not Established any more. Of the families in `keep` its routes stay for `keep_s` seconds at most (RFC 4724 section 4.2)."""

    reason: str
    keep: tuple[tuple[int, int], ...] = ()
    keep_s: float = 0


@dataclass(frozen=True, slots=True)
class Deliver:
    """Whole UPDATE messages, with headers, for the RIB."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Refresh:
    """The peer wants all routes of a family again (RFC 2918); `enhanced`: between two marks (RFC 7313)."""

    afi: int
    safi: int
    enhanced: bool = False


@dataclass(frozen=True, slots=True)
class Refreshing:
    """The peer begins to tell all routes of a family again, or is through with it (RFC 7313 section 4)."""

    afi: int
    safi: int
    begins: bool


@dataclass(frozen=True, slots=True)
class Transition:
    """For the journal: the session has another state."""

    old: State
    new: State
    why: str


@dataclass(frozen=True, slots=True)
class Notified:
    """For the journal: a NOTIFICATION was sent or received; `text` says it in words."""

    sent: bool
    code: int
    subcode: int
    text: str
    data: bytes = b""
    transport: int = -1


Action = Connect | Send | Close | Up | Down | Deliver | Refresh | Refreshing | Transition | Notified
