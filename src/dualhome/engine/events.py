"""What happens to the network, and what it asks of its driver. All are plain values; `as_data` and `from_data` write them down and read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from dualhome.net import Prefix
from dualhome.plan import Plan


@dataclass(frozen=True, slots=True)
class Target:
    """What fails or is restored. `kind`: node, link, session, virtual_network, region; `how`: crash, silent, forwarding.

    Names are as in the topology file: `spoke-rs` (all instances), `spoke-rs#0`; `a<->b` for a link; `a/b` for a session.
    """

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
    """The peer opened a transport to the speaker."""

    speaker: str
    peer: str
    transport: int


@dataclass(frozen=True, slots=True)
class Bytes:
    """What the peer sent, cut anywhere."""

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
    """The network is another from now on."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Undetected:
    """BFD of a live driver: packets of this session don't arrive any more."""

    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Ready:
    """A speaker has something to do: its transport takes more again, or its process told what happened there."""

    speaker: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The process of a speaker ended by itself, and with it its transports."""

    speaker: str
    why: str


@dataclass(frozen=True, slots=True)
class Again:
    """A speaker whose process ended may have another."""

    speaker: str


OfNetwork = Fail | Restore | Announce | Withdraw | Change
OfDriver = Undetected | Ready | Ended | Again
OfTransport = TransportUp | TransportFailed | Accepted | Bytes | TransportClosed
Event = OfTransport | OfNetwork | OfDriver


@dataclass(frozen=True, slots=True)
class Open:
    """Open a transport from a speaker to its peer; an attempt that is still on its way is given up for it."""

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
    """Close a transport once all that was sent on it is written."""

    speaker: str
    peer: str
    transport: int


@dataclass(frozen=True, slots=True)
class Vanish:
    """The speaker is gone: it has no transports any more, and their far ends see them close."""

    speaker: str


@dataclass(frozen=True, slots=True)
class Cut:
    """What joined two speakers is gone, and both know it: transports between them close at both ends."""

    a: str
    b: str


Effect = Open | Send | Close | Vanish | Cut


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A line of the story: when (microseconds), what kind, who, what."""

    time_us: int
    kind: str
    who: str
    text: str


_WRITTEN = {
    each.__name__: each
    for each in (
        TransportUp,
        TransportFailed,
        Accepted,
        Bytes,
        TransportClosed,
        Fail,
        Restore,
        Announce,
        Withdraw,
        Undetected,
        Ready,
        Ended,
        Again,
    )
}


def as_data(event: Event) -> dict[str, object]:
    """An event as plain data. A `Change` has none: who writes it down numbers the plans."""
    assert not isinstance(event, Change), "a plan is kept, not written down"
    data: dict[str, object] = {"event": type(event).__name__}
    for field in fields(event):
        value = getattr(event, field.name)
        match value:
            case bytes():
                data[field.name] = value.hex()
            case Target():
                data[field.name] = {"kind": value.kind, "name": value.name, "how": value.how}
            case tuple():
                data[field.name] = [str(prefix) for prefix in value]
            case _:
                data[field.name] = value
    return data


def from_data(data: Mapping[str, object]) -> Event:
    """The event that `as_data` wrote."""
    values = {key: _value(key, value) for key, value in data.items() if key != "event"}
    return _WRITTEN[str(data["event"])](**values)  # type: ignore[arg-type]  # fields as `as_data` wrote them


def _value(key: str, value: object) -> object:
    match key, value:
        case "data", str():
            return bytes.fromhex(value)
        case "prefixes", Sequence():
            return tuple(Prefix.parse(str(each)) for each in value)
        case "target", Mapping():
            return Target(str(value["kind"]), str(value["name"]), str(value["how"]))
        case _:
            return value
