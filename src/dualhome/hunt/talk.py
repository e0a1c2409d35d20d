"""What a speaker heard and said, read from the octets: its sessions, what each peer announced, what each was told.

What is said is judged here: that it is well-formed, has its place, and that collisions are lost by the right transport.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from dualhome._core import OpenMessage
from dualhome.bgp import events
from dualhome.bgp.config import SpeakerConfig
from dualhome.bgp.session import ENHANCED_REFRESH
from dualhome.bgp.speaker import Speaker
from dualhome.hunt import wire
from dualhome.hunt.wire import Agreed, Attributes, Family, MalformedError, Open, Prefix, Restart
from dualhome.net import Address
from dualhome.net import Prefix as Net
from dualhome.units import seconds


class BrokenError(Exception):
    """Something that must always hold doesn't."""


@dataclass(slots=True)
class Ear:
    """One direction of a transport, as the speaker at its end hears it."""

    buffer: bytearray = field(default_factory=bytearray)
    open: Open | None = None
    updates: deque[bytes] = field(default_factory=deque)  # that came, and were not delivered yet; and the marks of RFC 7313 among them
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
            if kind == wire.UPDATE or (kind == wire.REFRESH and len(message) == 23 and message[21] in (1, 2)):
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
    inherits_doubt: bool = False  # the same of a former session, whose routes are kept
    was_doubtful: bool = False  # it inherited doubt once
    limit: int = 1 << 32  # of routes, as of the last one
    has_too_many: bool = False  # it had more, and that ends the session
    over: int = 0  # routes that came beyond a limit that doesn't end the session
    offered: Restart | None = None  # by us
    restart: Restart | None = None  # what the peer offered
    stale: set[Prefix] = field(default_factory=set)  # of what is received: kept, or from before a refresh
    pending: set[Family] = field(default_factory=set)  # families of which routes are kept until their End-of-RIB
    until: int = 0  # how long they are
    refreshing: dict[Family, int] = field(default_factory=dict)  # families that the peer tells anew, and how long it may take
    untold: dict[Family, set[Prefix]] = field(default_factory=dict)  # what we tell anew, and have not told yet

    @property
    def is_doubtful(self) -> bool:
        """Whether the RIB alone says what is held of the peer."""
        return self.is_unsure or self.inherits_doubt

    @property
    def is_pending(self) -> bool:
        """Whether it holds what may go without a word of the peer's."""
        return bool(self.pending or self.refreshing)

    def forget(self, prefixes: set[Prefix]) -> None:
        """These are held no longer."""
        for prefix in prefixes:
            self.received.pop(prefix, None)
            self.unsure.discard(prefix)
        self.stale -= prefixes

    def sweep(self, family: Family) -> None:
        """What is stale of a family goes."""
        self.forget({prefix for prefix in self.stale if family_of(prefix) == family})

    def takes(self, prefix: Prefix, action: str) -> bool:
        """Whether one more is taken in under a limit; what is held already always is."""
        if prefix in self.received or len(self.received) < self.limit:
            return True
        self.over += action != "teardown"
        return action != "drop"


def family_of(prefix: Prefix) -> Family:
    """(AFI, SAFI) of a unicast prefix."""
    return (1, 1) if prefix[0] == 4 else (2, 1)


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
        self.kept: Final[dict[str, Session]] = {}  # what is kept of peers that are away (RFC 4724 section 4.2)
        self.now = 0  # the speaker's clock
        self._sends = sends
        self._ended_by: dict[int, tuple[bool, int, int]] = {}  # the NOTIFICATION that ended a transport: ours, code, subcode
        self._restarts_until: int | None = None

    def held(self, peer: str) -> Session | None:
        """The session whose routes are held: one that is up, or one that ended and is waited for."""
        return self.sessions.get(peer) or self.kept.get(peer)

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
            case events.Notified(sent=sent, code=code, subcode=subcode, transport=transport):
                self._ended_by[transport] = sent, code, subcode
            case events.Down(keep=keep, keep_s=keep_s):
                self._down(peer, keep, keep_s)
            case events.Deliver(data=data):
                self._delivered(peer, data)
            case events.Refreshing(afi=afi, safi=safi, begins=begins):
                self._refreshing(peer, (afi, safi), begins)

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
        offered = self.said[transport].restart
        session = Session(transport, agreed, theirs.router_id, offered=offered, restart=theirs.restart)
        if (kept := self.kept.pop(peer, None)) is not None:
            self._is_back(peer, session, kept)
        self.sessions[peer] = session
        self.has_news = True

    # --- restarts -----------------------------------------------------------------------------------------------------

    def _down(self, peer: str, keep: tuple[Family, ...], keep_s: float) -> None:
        """What is kept of a session that ended: of families that both named, where its end is a restart (RFC 4724 section 4.2, RFC 8538 section 4)."""
        self.has_news = True
        session = self.sessions.pop(peer, None)
        if session is None:
            raise BrokenError(f"a session with {peer} is down that was not up")
        restart = session.restart
        wanted: tuple[Family, ...] = ()
        if restart is not None and restart.time_s and session.offered is not None and self._is_restart(session, restart):
            wanted = tuple(each for each in session.agreed.families if each in restart.families and each in session.offered.families)
        if keep != wanted or (restart is not None and wanted and keep_s != restart.time_s):
            raise BrokenError(
                f"of {peer} {keep} is kept for {keep_s} s, and should be {wanted}; {restart}, {self._ended_by.get(session.transport)}"
            )
        session.refreshing.clear()
        session.forget(session.stale | {prefix for prefix in session.received if family_of(prefix) not in wanted})
        if restart is not None and wanted:
            session.stale = set(session.received)
            session.pending, session.until = set(wanted), self.now + seconds(restart.time_s)
            self.kept[peer] = session

    def _is_restart(self, session: Session, restart: Restart) -> bool:
        if (ended := self._ended_by.get(session.transport)) is None:
            return True
        sent, code, subcode = ended
        return restart.on_notification and ((code, subcode) == (4, 0) if sent else (code, subcode) != (6, 9))

    def _is_back(self, peer: str, session: Session, kept: Session) -> None:
        """What was kept is stale until it is told again; of families that were not forwarded on it goes at once."""
        offer = self.speaker.config.peers[peer].session.graceful_restart
        if offer is None:
            raise BrokenError(f"routes of {peer} are kept without graceful restart")
        forwards = session.restart.forwards if session.restart is not None else ()
        session.pending = {each for each in kept.pending if each in forwards and each in session.agreed.families}
        session.until = self.now + seconds(offer.stale_s)
        session.received = {prefix: a for prefix, a in kept.received.items() if family_of(prefix) in session.pending}
        session.stale = set(session.received)
        session.unsure = kept.unsure & session.stale
        session.inherits_doubt = session.was_doubtful = kept.is_doubtful and bool(session.pending)

    def expire(self, now: int) -> None:
        """The speaker is about to look at its clock: what was kept for too long goes."""
        for peer in [peer for peer, each in self.kept.items() if each.until <= now]:
            del self.kept[peer]
            self.has_news = True
        for session in self.sessions.values():
            if session.pending and session.until <= now:
                for family in session.pending:
                    session.sweep(family)
                session.pending.clear()
                session.inherits_doubt = False
                self.has_news = True
            for family in [family for family, until in session.refreshing.items() if until <= now]:
                del session.refreshing[family]
                session.sweep(family)
                self.has_news = True

    def reconfigured(self, config: SpeakerConfig) -> None:
        """The speaker is about to be told this: of peers whose sessions are others, or none, nothing is waited for."""
        old = self.speaker.config
        if config.router_id != old.router_id:
            self.kept.clear()
            if self._restarts_until is not None and self.speaker.restarting:
                self.restarts(config)
        for peer in list(self.kept):
            new = config.peers.get(peer)
            if new is None or not new.enabled or new.session != old.peers[peer].session:
                del self.kept[peer]
        self.has_news = True

    def restarts(self, config: SpeakerConfig | None = None) -> None:
        """It is one that restarts from now on: peers kept its routes, so it decides nothing before it has theirs, or for as long as it may."""
        peers = (config or self.speaker.config).peers.values()
        offers = [peer.session.graceful_restart.defer_s for peer in peers if peer.enabled and peer.session.graceful_restart is not None]
        self._restarts_until = self.now + seconds(max(offers, default=0))

    def check_restart(self) -> None:
        """It waits no longer than it may, nor for peers that have told all."""
        if self._restarts_until is None or self.now > self._restarts_until:
            raise BrokenError("it waits for its peers' routes, and may not any more")

    def _refreshing(self, peer: str, family: Family, begins: bool) -> None:
        """The peer marks where the answer to a ROUTE-REFRESH begins and ends (RFC 7313 section 4)."""
        session = self.sessions[peer]
        ear = self.ears[session.transport]
        mark = next(self._marks(ear), None)
        if not session.agreed.enhanced_refresh or (not ear.is_broken and (mark is None or mark != (family, begins))):
            raise BrokenError(f"{peer} never marked a refresh of {family}, or not now")
        self.has_news = True
        if begins:
            session.stale |= {prefix for prefix in session.received if family_of(prefix) == family}
            session.refreshing[family] = self.now + seconds(self.speaker.config.peers[peer].session.refresh_s)
        elif session.refreshing.pop(family, None) is not None:
            session.sweep(family)

    @staticmethod
    def _marks(ear: Ear) -> Iterator[tuple[Family, bool]]:
        """Marks that stand before the next UPDATE, taken out."""
        while ear.updates and ear.updates[0][18] == wire.REFRESH:
            mark = ear.updates.popleft()
            yield (int.from_bytes(mark[19:21]), mark[22]), mark[21] == 1

    def _delivered(self, peer: str, data: bytes) -> None:
        session = self.sessions.get(peer)
        if session is None:
            raise BrokenError(f"UPDATEs of {peer} come to the RIB while its session is not up")
        self.has_news = True
        ear = self.ears[session.transport]
        while data:
            length = int.from_bytes(data[16:18])
            message, data = data[:length], data[length:]
            passed = [family for family, _ in self._marks(ear) if family in session.agreed.families]
            if passed and session.agreed.enhanced_refresh:
                raise BrokenError(f"{peer} marked a refresh of {passed[0]}, and nothing came of it")
            if not ear.is_broken and (not ear.updates or ear.updates.popleft() != message):
                raise BrokenError(f"{peer} never sent {message.hex()}, or not now")
            self._read(peer, session, message)

    def _read(self, peer: str, session: Session, message: bytes) -> None:
        try:
            update = wire.read_update(message, session.agreed)
        except MalformedError:
            session.is_unsure = True
            return
        policy = self.speaker.config.peers[peer].policy
        session.limit = policy.max_prefixes or 1 << 32
        session.forget(set(update.withdrawn))
        if update.end_of_rib in session.pending:
            session.sweep(update.end_of_rib)
            session.pending.discard(update.end_of_rib)
            session.inherits_doubt = session.inherits_doubt and bool(session.pending)
        for prefix, attributes in update.announced:
            if not session.takes(prefix, policy.max_prefixes_action):
                continue
            session.received[prefix] = attributes
            session.stale.discard(prefix)
            unsure = update.is_remarkable or attributes.next_hop in self._own_addresses()
            (session.unsure.add if unsure else session.unsure.discard)(prefix)
        if update.announced and policy.max_prefixes_action == "teardown" and len(session.received) > session.limit:
            session.has_too_many = True

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
                if kind == wire.UPDATE and self.speaker.restarting:
                    raise MalformedError("it has restarted, and has not heard its peers yet")
                if kind == wire.REFRESH and session and message[21] and len(message) == 23:
                    self._said_mark(session, (int.from_bytes(message[19:21]), message[22]), message[21])
                if (
                    kind == wire.NOTIFICATION
                    and session
                    and is_up
                    and b"\6\1" in (message[19:21], message[21:23] if message[19:21] == b"\6\x09" else b"")
                ):
                    self._said_too_many(peer, session)
                if kind == wire.OPEN:
                    self._said_open(peer, transport, wire.read_open(message))
                elif kind == wire.NOTIFICATION and message[19:21] == b"\6\7":
                    self._lost_collision(peer, transport)
                elif kind == wire.UPDATE and session:
                    self._said_update(peer, session, message)
        except MalformedError as error:
            raise BrokenError(f"{peer} is sent {data.hex()}: {error}") from error

    def _said_open(self, peer: str, transport: int, said: Open) -> None:
        config = self.speaker.config.peers[peer].session
        wanted = (config.local_asn, config.router_id, config.hold_time_s, config.families)
        if (said.asn, said.router_id, said.hold_time_s, said.families) != wanted:
            raise MalformedError(f"{said} of {wanted}")
        offer, said_of_it = config.graceful_restart, said.restart
        if (said.four_octet_as, said.enhanced_refresh) != (config.four_octet_as, config.enhanced_refresh) or said_of_it is None:
            raise MalformedError(f"{said} of {config}")
        if (said_of_it.time_s, said_of_it.families) != ((offer.restart_s, config.families) if offer else (0, ())):
            raise MalformedError(f"{said_of_it} of {offer}")
        if said_of_it.has_restarted and not self.speaker.restarting:
            raise MalformedError("it says that it has restarted, and it is over, or was none")
        self.said[transport] = said
        self.links.setdefault(peer, set()).add(transport)

    def _said_update(self, peer: str, session: Session, message: bytes) -> None:
        policy, us = self.speaker.config.peers[peer].policy, self.speaker.config.asn
        update = wire.read_update(message, session.agreed)
        for prefix in update.withdrawn:
            if session.told.pop(prefix, None) is None:
                raise MalformedError(f"{Net(*prefix)} is withdrawn and was not announced")
            session.untold.get(family_of(prefix), set()).discard(prefix)
        for prefix, attributes in update.announced:
            if policy.ebgp and not policy.transparent and attributes.as_path[:1] != (us,):
                raise MalformedError(f"the path of {Net(*prefix)} does not begin with AS {us}")
            session.told[prefix] = attributes
            session.untold.get(family_of(prefix), set()).discard(prefix)

    def _said_mark(self, session: Session, family: Family, subtype: int) -> None:
        """Between both marks all is told again, for the peer forgets what isn't (RFC 7313 section 4.1)."""
        if not session.agreed.enhanced_refresh or family not in session.agreed.families or subtype not in (1, 2):
            raise MalformedError(f"a mark of {family} that the peer doesn't know")
        if subtype == 1:
            session.untold[family] = {prefix for prefix in session.told if family_of(prefix) == family}
            return
        left = session.untold.pop(family, None)
        if left is None:
            raise MalformedError(f"a refresh of {family} ends that never began")
        if left:
            raise MalformedError(f"a refresh ends without {sorted(str(Net(*prefix)) for prefix in left)}, which the peer forgets now")

    def _said_too_many(self, peer: str, session: Session) -> None:
        """Cease/1 has its reason."""
        policy = self.speaker.config.peers[peer].policy
        is_sure = not session.is_doubtful and not session.unsure
        if policy.max_prefixes is None or policy.max_prefixes_action != "teardown" or (is_sure and not session.has_too_many):
            raise MalformedError(f"{len(session.received)} routes are said to be too many, the limit is {policy.max_prefixes}")

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
        enhanced_refresh=any(code == ENHANCED_REFRESH for code, _ in message.capabilities),
        restart=None if (found := message.graceful_restart) is None else _believed_restart(*found),
    )


def _believed_restart(flags: int, time_s: int, rows: list[tuple[int, int, int]]) -> Restart:
    return wire.restart_of(flags, time_s, [((afi, safi), marks) for afi, safi, marks in rows])
