"""What a speaker heard and said, read from the octets: its sessions, what each peer announced, what each was told.

What is said is judged here: that it is well-formed, has its place, and that collisions are lost by the right transport.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from dualhome._core import OpenMessage
from dualhome.bgp import events
from dualhome.bgp.speaker import Speaker
from dualhome.hunt import wire
from dualhome.hunt.wire import Agreed, Attributes, MalformedError, Open, Prefix
from dualhome.net import Address
from dualhome.net import Prefix as Net


class BrokenError(Exception):
    """Something that must always hold doesn't."""


@dataclass(slots=True)
class Ear:
    """One direction of a transport, as the speaker at its end hears it."""

    buffer: bytearray = field(default_factory=bytearray)
    open: Open | None = None
    updates: deque[bytes] = field(default_factory=deque)  # that came, and were not delivered yet
    is_broken: bool = False  # what comes is no run of messages any more

    def hear(self, data: bytes) -> None:
        """Cut what comes into messages."""
        self.buffer += data
        while not self.is_broken and len(self.buffer) >= 19:
            length = int.from_bytes(self.buffer[16:18])
            if len(self.buffer) < length >= 19:
                return
            message = bytes(self.buffer[:length])
            try:
                [(kind, _)] = wire.split(message)
                if kind == wire.OPEN and self.open is None:
                    self.open = wire.read_open(message)
            except (MalformedError, ValueError):
                self.is_broken = True
                return
            if kind == wire.UPDATE:
                self.updates.append(message)
            del self.buffer[:length]


@dataclass(slots=True)
class Session:
    """A session that is Established."""

    transport: int
    agreed: Agreed
    router_id: str
    received: dict[Prefix, Attributes] = field(default_factory=dict)
    told: dict[Prefix, Attributes] = field(default_factory=dict)
    unsure: set[Prefix] = field(default_factory=set)  # whose message was remarkable
    is_unsure: bool = False  # a message was malformed: what it did to which prefix is not ours to say
    is_readable: bool = True  # what it sends can be read: four-octet AS numbers


class Talk:
    """`watch` is told by the speaker itself, `arrived` and `closed` by the world."""

    def __init__(self, sends: Callable[[str, int], None]) -> None:
        self.speaker: Speaker  # set by who makes it
        self.sessions: Final[dict[str, Session]] = {}
        self.ears: Final[dict[int, Ear]] = {}
        self.said: Final[dict[int, Open]] = {}  # our OPEN on each transport
        self.made_by_us: Final[dict[int, bool]] = {}  # which end made each transport
        self.links: Final[dict[str, set[int]]] = {}  # transports on which our OPEN was sent, by peer, until they are closed
        self.has_news = True  # something came that may change a RIB
        self._sends = sends

    # --- what happens -------------------------------------------------------------------------------------------------

    def arrived(self, transport: int, data: bytes) -> None:
        """These octets are about to be handed to the speaker."""
        self.ears.setdefault(transport, Ear()).hear(data)

    def closed(self, peer: str, transport: int) -> None:
        """The network ended this transport."""
        self.links.get(peer, set()).discard(transport)

    def watch(self, peer: str, action: events.Action) -> None:
        """What a session asks for."""
        match action:
            case events.Send(transport=transport, data=data):
                self._sends(peer, len(data))
                self._sent(peer, transport, data)
            case events.Close(transport=transport):
                self.closed(peer, transport)
            case events.Up(open=message, transport=transport):
                self._up(peer, transport, message)
            case events.Down():
                self.has_news = True
                if self.sessions.pop(peer, None) is None:
                    raise BrokenError(f"a session with {peer} is down that was not up")
            case events.Deliver(data=data):
                self._delivered(peer, data)

    def _up(self, peer: str, transport: int, message: OpenMessage) -> None:
        ear = self.ears[transport]
        theirs = _believed_open(message) if ear.open is None and ear.is_broken else ear.open
        if theirs is None or transport not in self.said:
            raise BrokenError(f"the session with {peer} is Established before both OPENs")
        policy = self.speaker.config.peers[peer].policy
        agreed = wire.agree(self.said[transport], theirs, policy.ebgp)
        if theirs.asn != policy.asn or not agreed.families:
            raise BrokenError(f"the session with {peer} is Established with {theirs}")
        if peer in self.sessions:
            raise BrokenError(f"two sessions with {peer}")
        self.sessions[peer] = Session(transport, agreed, theirs.router_id, is_readable=agreed.four_octet_as)
        self.has_news = True

    def _delivered(self, peer: str, data: bytes) -> None:
        session = self.sessions.get(peer)
        if session is None:
            raise BrokenError(f"UPDATEs of {peer} come to the RIB while its session is not up")
        self.has_news = True
        ear = self.ears[session.transport]
        while data:
            length = int.from_bytes(data[16:18])
            message, data = data[:length], data[length:]
            if not ear.is_broken and (not ear.updates or ear.updates.popleft() != message):
                raise BrokenError(f"{peer} never sent {message.hex()}, or not now")
            self._read(session, message)

    def _read(self, session: Session, message: bytes) -> None:
        try:
            update = wire.read_update(message, session.agreed)
        except MalformedError:
            session.is_unsure = True
            return
        for prefix in update.withdrawn:
            session.received.pop(prefix, None)
            session.unsure.discard(prefix)
        for prefix, attributes in update.announced:
            session.received[prefix] = attributes
            unsure = update.is_remarkable or attributes.next_hop in self._own_addresses()
            (session.unsure.add if unsure else session.unsure.discard)(prefix)

    def _own_addresses(self) -> set[str]:
        return {str(peer.session.local_address) for peer in self.speaker.config.peers.values()}

    # --- what is sent -------------------------------------------------------------------------------------------------

    def _sent(self, peer: str, transport: int, data: bytes) -> None:
        """Every octet is of a message that is well-formed, and has its place."""
        session = self.sessions.get(peer)
        is_up = session is not None and session.transport == transport
        longest = session.agreed.longest if session and is_up else 4096
        try:
            for kind, message in wire.split(data, longest):
                if (kind == wire.OPEN) is (transport in self.said) or (kind in (wire.UPDATE, wire.REFRESH) and not is_up):
                    raise MalformedError(f"a message of type {kind} has no place here")
                if kind == wire.OPEN:
                    self._said_open(peer, transport, wire.read_open(message))
                elif kind == wire.NOTIFICATION and message[19:21] == b"\6\7":
                    self._lost_collision(peer, transport)
                elif kind == wire.UPDATE and session and session.is_readable:
                    self._said_update(peer, session, message)
        except MalformedError as error:
            raise BrokenError(f"{peer} is sent {data.hex()}: {error}") from error

    def _said_open(self, peer: str, transport: int, said: Open) -> None:
        config = self.speaker.config.peers[peer].session
        wanted = (config.local_asn, config.router_id, config.hold_time_s, config.families)
        if (said.asn, said.router_id, said.hold_time_s, said.families) != wanted:
            raise MalformedError(f"{said} of {wanted}")
        self.said[transport] = said
        self.links.setdefault(peer, set()).add(transport)

    def _said_update(self, peer: str, session: Session, message: bytes) -> None:
        policy, us = self.speaker.config.peers[peer].policy, self.speaker.config.asn
        update = wire.read_update(message, session.agreed)
        for prefix in update.withdrawn:
            if session.told.pop(prefix, None) is None:
                raise MalformedError(f"{Net(*prefix)} is withdrawn and was not announced")
        for prefix, attributes in update.announced:
            if policy.ebgp and not policy.transparent and attributes.as_path[:1] != (us,):
                raise MalformedError(f"the path of {Net(*prefix)} does not begin with AS {us}")
            session.told[prefix] = attributes

    def _lost_collision(self, peer: str, lost: int) -> None:
        """Which transport goes is known: RFC 4271 section 6.8, RFC 6286 section 2.3."""
        stays = sorted(self.links.get(peer, set()) - {lost})
        session = self.sessions.get(peer)
        if session and session.transport in stays:
            return
        heard = (
            self.ears[lost] if lost in self.ears and self.ears[lost].open else next((self.ears[t] for t in stays if t in self.ears), None)
        )
        theirs = heard.open if heard else None
        if not stays or theirs is None:
            raise BrokenError(f"transport {lost} with {peer} is closed for a collision with none")
        ours = self.said[lost]
        higher = (Address.parse(ours.router_id).bits, ours.asn) > (Address.parse(theirs.router_id).bits, theirs.asn)
        by_us = self.made_by_us[lost]
        if all(self.made_by_us[each] != by_us for each in stays) and by_us is higher:
            raise BrokenError(f"transport {lost} with {peer} loses a collision that it should win ({ours.router_id}, {theirs.router_id})")


def _believed_open(message: OpenMessage) -> Open:
    """An OPEN that was altered on its way, as the speaker took it."""
    return Open(
        asn=message.asn,
        hold_time_s=message.hold_time_s,
        router_id=message.router_id,
        families=tuple(message.families),
        four_octet_as=message.four_octet_as,
        extended_message=message.extended_message,
        route_refresh=message.route_refresh,
    )
