"""What happens to the whole network, and what it asks of its driver. All are plain values, so that a record can be written down."""

from __future__ import annotations

from dataclasses import dataclass

from dualhome.net import Prefix
from dualhome.plan import Plan


@dataclass(frozen=True, slots=True)
class Target:
    """What fails or is restored. `kind`: node, link, session, virtual_network, region; `how`: crash, silent, forwarding."""

    kind: str
    name: str
    how: str = "crash"


@dataclass(frozen=True, slots=True)
class TransportUp:
    """Our own attempt to connect succeeded."""

    speaker: str
    peer: str
    transport: int


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """It failed."""

    speaker: str
    peer: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The peer opened a transport."""

    speaker: str
    peer: str
    transport: int


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes of the peer arrived."""

    speaker: str
    peer: str
    transport: int
    data: bytes


@dataclass(frozen=True, slots=True)
class TransportClosed:
    """The other end, or what carried it, closed the transport."""

    speaker: str
    peer: str
    transport: int


@dataclass(frozen=True, slots=True)
class Fail:
    """Something breaks."""

    target: Target


@dataclass(frozen=True, slots=True)
class Restore:
    """It is mended; "all" mends everything."""

    target: Target | str


@dataclass(frozen=True, slots=True)
class Announce:
    """A router announces prefixes beside what the file lets it announce."""

    node: str
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """It takes prefixes back, the file's too."""

    node: str
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """The network is another now."""

    plan: Plan


Event = TransportUp | TransportFailed | Accepted | Bytes | TransportClosed | Fail | Restore | Announce | Withdraw | Change


@dataclass(frozen=True, slots=True)
class Open:
    """Open a transport from a speaker to its peer."""

    speaker: str
    peer: str


@dataclass(frozen=True, slots=True)
class Send:
    """Write bytes."""

    speaker: str
    peer: str
    transport: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close a transport."""

    speaker: str
    peer: str
    transport: int


@dataclass(frozen=True, slots=True)
class Break:
    """All transports between two speakers (of one speaker with everyone where `peer` is None) end: their far ends see them close at once."""

    speaker: str
    peer: str | None = None


Effect = Open | Send | Close | Break


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A line of the story: when (microseconds), what kind, who, what."""

    time_us: int
    kind: str
    who: str
    text: str
