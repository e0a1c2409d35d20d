"""One BGP session: events and the time go in, actions come out (RFC 4271 section 8).

What happens in which state stands in `fsm.TABLE`; this file reads messages before the table and keeps transports and timers.
"""

from __future__ import annotations

import random
from typing import Final, assert_never

from dualhome import _core
from dualhome._core import OpenMessage, WireError
from dualhome.bgp import restart, roles
from dualhome.bgp.config import SessionConfig
from dualhome.bgp.events import (
    Accepted,
    Action,
    Close,
    Closed,
    Connect,
    Connected,
    ConnectFailed,
    Deliver,
    Down,
    Event,
    ManualStart,
    ManualStop,
    Notified,
    Received,
    Refresh,
    Send,
    State,
    Stuck,
    Transition,
    Up,
)
from dualhome.bgp.fsm import TABLE, Kind, Step, begin, ignore, stop
from dualhome.bgp.judge import collision_losers, judge_open
from dualhome.bgp.link import Counters, Link
from dualhome.bgp.notification import describe
from dualhome.bgp.timers import LONGEST_PAUSE_S, SHORTEST_PAUSE_S, jittered, keepalive_interval_s, negotiated_hold_time, pause_s
from dualhome.errors import PeerError
from dualhome.units import Duration, Instant, after, between, seconds

__all__ = [
    "Accepted", "Action", "Close", "Closed", "Connect", "ConnectFailed", "Connected", "Counters", "Deliver", "Down", "Event", "ManualStart",
    "ManualStop", "Notified", "Received", "Refresh", "Send", "Session", "State", "Stuck", "Transition", "Up",
]  # fmt: skip

_RANK: Final = {state: rank for rank, state in enumerate(State)}
ENHANCED_REFRESH: Final = 70
"""The capability of RFC 7313 section 3.1."""
_MARKER: Final = b"\xff" * 16  # a message begins so (RFC 4271 section 4.1)
_OF_TRANSPORTS: Final = (State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED)


class Session:
    """One BGP session with one peer. Same events at same times give the same actions; without `rng` timers have no jitter."""

    def __init__(self, config: SessionConfig, rng: random.Random | None = None) -> None:
        self.config: Final = config
        self.rng: Final = rng
        self.links: Final[dict[int, Link]] = {}  # by transport, oldest first
        self.counters: Final = Counters()
        self.actions: list[Action] = []
        self.wanted = False
        self.failures = 0  # in a row
        self.last_error = ""  # how the last transport ended, in words
        self.restarted = False  # whether we tell the peer that we have restarted (RFC 4724 section 4.1)
        self._base = State.IDLE  # the state without transports
        self._retry_at: Instant | None = None
        self._idle_until: Instant | None = None

    # --- questions ----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """That of the farthest transport; without one Idle, Connect or Active."""
        link = self._farthest
        return link.state if link else self._base

    @property
    def hold_time_s(self) -> int | None:
        """The agreed hold time; None while there is none, 0 where no KEEPALIVEs are sent."""
        link = self._farthest
        return link.silence_s if link and link.open else None

    @property
    def peer_open(self) -> OpenMessage | None:
        """What the peer said of itself on the farthest transport."""
        link = self._farthest
        return link.open if link else None

    @property
    def transport(self) -> int | None:
        """The transport that the session is Established on."""
        link = self._established
        return link.transport if link else None

    @property
    def up_since(self) -> Instant | None:
        """When it became Established; None while it is not."""
        link = self._established
        return link.up_since if link else None

    @property
    def families(self) -> tuple[tuple[int, int], ...]:
        """(AFI, SAFI) that both ends named, in our order (RFC 4760 section 8)."""
        peer_open = self.peer_open
        return tuple(family for family in self.config.families if peer_open and family in peer_open.families)

    def deadline(self) -> Instant | None:
        """When to call `tick` next, at the latest."""
        due = [self._retry_at, self._idle_until]
        for link in self.links.values():
            due += (link.hold_at, link.keepalive_at)
        running = [at for at in due if at is not None]
        return min(running) if running else None

    # --- events -------------------------------------------------------------------------------------------------------

    def handle(self, event: Event | None, now: Instant) -> list[Action]:
        """What is to be done about an event, in this order; without an event `tick`."""
        if event is None:
            return self.tick(now)
        match event:
            case ManualStart():
                kind = Kind.MANUAL_START_PASSIVE if self.config.passive else Kind.MANUAL_START
                self._step(Step(kind=kind, now=now, why="started by hand"))
            case ManualStop(reason=reason, subcode=subcode):
                self._step(Step(kind=Kind.MANUAL_STOP, now=now, error=PeerError(6, subcode, reason=reason), why=reason))
            case Connected(transport=transport):
                self._step(Step(kind=Kind.CONNECTED, now=now, transport=transport))
            case Accepted(transport=transport):
                self._step(Step(kind=Kind.ACCEPTED, now=now, transport=transport))
            case ConnectFailed():
                self._step(Step(kind=Kind.CONNECT_FAILED, now=now, why="the attempt to connect failed"))
            case Received(transport=transport, data=data):
                self._receive(transport, data, now)
            case Closed(transport=transport):
                if transport in self.links:
                    self._step(Step(kind=Kind.CLOSED, now=now, link=self.links[transport], why="the transport was closed"))
            case Stuck(transport=transport):
                if transport in self.links:
                    self._step(Step(kind=Kind.STUCK, now=now, link=self.links[transport]))
            case _:
                assert_never(event)
        return self._take()

    def tick(self, now: Instant) -> list[Action]:
        """What is due by now, in the order of the deadlines."""
        while due := [timer for timer in self._timers() if timer[0] <= now]:
            _, kind, link = min(due, key=lambda timer: timer[0])
            if kind is Kind.CONNECT_RETRY_EXPIRED:
                self._retry_at = None
            elif kind in (Kind.AUTOMATIC_START, Kind.AUTOMATIC_START_PASSIVE):
                self._idle_until = None
            self._step(Step(kind=kind, now=now, link=link))
        return self._take()

    def peer_refused_at(self, now: Instant, error: PeerError) -> list[Action]:
        """The RIB can't take what was delivered: NOTIFICATION and end (RFC 4271 section 6.3, RFC 4486)."""
        if link := self._established:
            self._step(Step(kind=Kind.UPDATE_ERROR, now=now, link=link, error=error))
        return self._take()

    def send_update(self, data: bytes, now: Instant) -> list[Action]:
        """Send whole UPDATEs; the keepalive timer starts again (RFC 4271 section 8.2.2). Nothing where the session is not Established."""
        if link := self._established:
            self.counters.update_bytes_out += len(data)
            self._send(link, data)
            self._restart_keepalive(link, now)
        return self._take()

    @property
    def can_refresh(self) -> bool:
        """Whether the session is Established and the peer understands a ROUTE-REFRESH."""
        return bool((link := self._established) and link.open and link.open.route_refresh)

    @property
    def has_enhanced_refresh(self) -> bool:
        """Whether both ends mark where the answer to a ROUTE-REFRESH begins and ends (RFC 7313 section 3.1)."""
        link = self._established
        return self.config.enhanced_refresh and bool(
            link and link.open and any(code == ENHANCED_REFRESH for code, _ in link.open.capabilities)
        )

    def request_refresh(self) -> list[Action]:
        """Ask for all routes again, by one ROUTE-REFRESH a family that both ends named (RFC 2918 section 3).

        Nothing where the session is not Established, or where the peer didn't say that it understands.
        """
        if (link := self._established) and link.open and link.open.route_refresh:
            for afi, safi in self.families:
                self.counters.refreshes_out += 1
                self._send(link, _core.encode_route_refresh(afi, safi))
        return self._take()

    # --- the table ----------------------------------------------------------------------------------------------------

    def _step(self, step: Step) -> None:
        """Look the event up and do what stands there: the only place where states change."""
        old, first = self.state, len(self.actions)
        state = step.link.state if step.link else old
        handler, target = TABLE[state, step.kind]
        if handler is ignore:
            return
        step.why = step.why or step.kind.name.lower().replace("_", " ")
        handler(self, step)
        if target in _OF_TRANSPORTS:
            if step.link:
                step.link.state = target
        elif not self.links and (target is not state or handler in (begin, stop)):
            self._enter(target, step)
        if self.links:
            self._retry_at = self._idle_until = None
        if self.state is not old:
            self.actions.insert(first, Transition(old, self.state, step.why))

    def _enter(self, state: State, step: Step) -> None:
        """Start the timer of a state without transports, and only that one."""
        self._base, self._retry_at, self._idle_until = state, None, None
        if state is State.CONNECT:
            self.actions.append(Connect())
            self._retry_at = after(step.now, self._retry_time())
        elif state is State.ACTIVE and not self.config.passive:
            # An end that hangs up before its OPEN is there, so it is asked again soon. (Differs: RFC 4271 waits the full time.)
            hung_up = step.kind is Kind.CLOSED
            wait = self._retry_time()
            self._retry_at = after(step.now, min(wait, self._pause(step)) if hung_up else wait)
        elif state is State.IDLE and self.wanted and self.config.damping:
            self._idle_until = after(step.now, self._pause(step))
        elif state is State.IDLE and self.wanted:  # the peer may come back at once, only we ourselves wait
            self._base = State.ACTIVE
            if not self.config.passive:
                self._retry_at = after(step.now, self._pause(step))

    def hurry(self, now: Instant) -> None:
        """A peer that waits to be tried again is tried at once: its way may be another now."""
        if self._retry_at is not None:
            self._retry_at = min(self._retry_at, now)

    def _retry_time(self) -> Duration:
        return jittered(self.config.connect_retry_s, self.rng)

    def _pause(self, step: Step) -> Duration:
        if step.gentle:
            return seconds(SHORTEST_PAUSE_S)
        self.failures += 1
        return seconds(pause_s(self.failures - 1))

    def _timers(self) -> list[tuple[Instant, Kind, Link | None]]:
        """All that run; of equal deadlines the first comes first."""
        timers: list[tuple[Instant, Kind, Link | None]] = []
        if self._retry_at is not None:
            timers.append((self._retry_at, Kind.CONNECT_RETRY_EXPIRED, None))
        if self._idle_until is not None:
            timers.append((self._idle_until, Kind.AUTOMATIC_START_PASSIVE if self.config.passive else Kind.AUTOMATIC_START, None))
        for link in self.links.values():
            if link.hold_at is not None:
                timers.append((link.hold_at, Kind.HOLD_EXPIRED, link))
            if link.keepalive_at is not None:
                timers.append((link.keepalive_at, Kind.KEEPALIVE_EXPIRED, link))
        return timers

    # --- messages, judged before the table ----------------------------------------------------------------------------

    def _receive(self, transport: int, data: bytes, now: Instant) -> None:
        if transport not in self.links:
            return  # closed by us in the meantime
        link = self.links[transport]
        messages, error = link.framer.feed(data)
        for kind, body in messages:
            self._message(link, kind, body, now)
            if transport not in self.links:
                return
        if error:
            self._step(Step(kind=Kind.HEADER_ERROR, now=now, link=link, error=_peer_error(error)))

    def _message(self, link: Link, message_type: int, body: bytes, now: Instant) -> None:
        self.counters.messages_in += _core.count_messages(body) if message_type == 2 else 1  # UPDATEs come with their headers, many at once
        match message_type:
            case 1:
                self._open(link, body, now)
            case 2:
                self.counters.update_bytes_in += len(body)
                self._step(Step(kind=Kind.UPDATE, now=now, link=link, data=body))
            case 3:
                self._notification(link, body, now)
            case 4:
                self.counters.keepalives_in += 1
                self._step(Step(kind=Kind.KEEPALIVE, now=now, link=link))
            case _:
                assert message_type == 5, f"the framer let through a message of type {message_type}"
                self._refresh(link, body, now)

    def _open(self, link: Link, body: bytes, now: Instant) -> None:
        """Only a good OPEN takes part in the resolution of collisions; a second one on a transport is not judged."""
        if link.state is not State.OPEN_SENT:
            self._step(Step(kind=Kind.OPEN_VALID, now=now, link=link))
            return
        try:
            message = _core.decode_open(body)
            link.received_open = _MARKER + (19 + len(body)).to_bytes(2) + b"\x01" + body
            judge_open(message, self.config)
        except WireError as error:
            self._step(Step(kind=Kind.OPEN_INVALID, now=now, link=link, error=_peer_error(error)))
        except PeerError as error:
            self._step(Step(kind=Kind.OPEN_INVALID, now=now, link=link, error=error))
        else:
            self._end_former(link, now)
            for loser in collision_losers(tuple(self.links.values()), link, message, self.config):
                lost = PeerError(6, 7, reason="another transport stays")
                self._step(Step(kind=Kind.COLLISION_LOST, now=now, link=loser, error=lost))
            if link.transport in self.links:
                self._step(Step(kind=Kind.OPEN_VALID, now=now, link=link, open=message))

    def _end_former(self, link: Link, now: Instant) -> None:
        """A peer that may restart comes anew while its former transport seems to live: that one has ended unheard (RFC 4724 section 4.2)."""
        for former in tuple(self.links.values()):
            if former is not link and former.state is State.ESTABLISHED and self._kept(former):
                self._step(Step(kind=Kind.CLOSED, now=now, link=former, why="the peer restarted, and is back"))
                self.actions.append(Close(former.transport))

    def _kept(self, link: Link) -> tuple[tuple[int, int], ...]:
        return restart.kept_families(self.config.graceful_restart, link.open, self.families)

    def _notification(self, link: Link, body: bytes, now: Instant) -> None:
        self.counters.notifications_in += 1
        code, subcode, data = _core.decode_notification(body)
        text = describe(code, subcode, data)
        self.actions.append(Notified(False, code, subcode, text, data, link.transport))
        self._step(Step(kind=Kind.NOTIFICATION, now=now, link=link, error=PeerError(code, subcode, data, text), why=text))

    def _refresh(self, link: Link, body: bytes, now: Instant) -> None:
        self.counters.refreshes_in += 1
        try:
            family = _core.decode_route_refresh(body)
        except WireError as error:
            self._step(Step(kind=Kind.REFRESH_ERROR, now=now, link=link, error=_peer_error(error)))
        else:
            self._step(Step(kind=Kind.REFRESH, now=now, link=link, family=family))

    # --- what handlers use --------------------------------------------------------------------------------------------

    def open_link(self, transport: int, ours: bool, now: Instant) -> None:
        """Follow a new transport and send our OPEN; it replaces an older one of the same end on which no OPEN has come."""
        for old in [link for link in self.links.values() if link.ours == ours and link.state is State.OPEN_SENT]:
            del self.links[old.transport]
            self.actions.append(Close(old.transport))
        config = self.config
        link = self.links[transport] = Link(transport=transport, ours=ours, silence_s=config.open_s)
        if config.extended_messages:
            link.framer.extend()  # as our OPEN says (RFC 8654 section 4)
        link.restart_hold(now)
        more: list[tuple[int, bytes]] = []
        if config.graceful_restart is not None:
            more.append(restart.capability(config.graceful_restart, config.families, self.restarted))
        if config.role is not None:
            more.append((roles.CAPABILITY, bytes([roles.VALUES[config.role]])))
        if config.enhanced_refresh:
            more.append((ENHANCED_REFRESH, b""))
        link.sent_open = _core.encode_open(
            asn=config.local_asn,
            hold_time_s=config.hold_time_s,
            router_id=config.router_id,
            families=list(config.families),
            four_octet_as=config.four_octet_as,
            extended_message=config.extended_messages,
            graceful_restart=config.graceful_restart is None,
            more=more,
        )
        self._send(link, link.sent_open)

    def agree(self, link: Link, message: OpenMessage, now: Instant) -> None:
        """Both OPENs are known on this transport: from now on the agreed hold time counts."""
        link.open = message
        link.silence_s = negotiated_hold_time(self.config.hold_time_s, message.hold_time_s)
        link.restart_hold(now)

    def send_keepalive(self, link: Link, now: Instant) -> None:
        """A KEEPALIVE, and the next one in time."""
        self.counters.keepalives_out += 1
        self._send(link, _core.encode_keepalive())
        self._restart_keepalive(link, now)

    def notify(self, link: Link, error: PeerError, now: Instant, keep: bool = False) -> None:
        """NOTIFICATION, then the transport is closed and forgotten."""
        self.counters.notifications_out += 1
        error = restart.as_it_is_sent(error, self.config.graceful_restart, link.open)
        text = describe(error.code, error.subcode, error.data)
        if error.reason and error.reason not in text:
            text += f": {error.reason}"
        self._send(link, _core.encode_notification(error.code, error.subcode, error.data))
        self.actions += (Close(link.transport), Notified(True, error.code, error.subcode, text, error.data, link.transport))
        self.drop(link, f"sent {text}", now, keep)

    def drop(self, link: Link, reason: str, now: Instant, keep: bool = False) -> None:
        """Forget a transport. A session that lived a minute has paid for earlier faults. With `keep` the peer's routes may wait for it (RFC 4724)."""
        kept = self._kept(link) if keep and link.state is State.ESTABLISHED else ()
        del self.links[link.transport]
        if not self.links:
            self.last_error = reason
        if link.state is State.ESTABLISHED:
            assert link.up_since is not None
            if between(link.up_since, now) >= seconds(LONGEST_PAUSE_S):
                self.failures = 0
            self.counters.dropped += 1
            keep_s = link.open.graceful_restart[1] if kept and link.open and link.open.graceful_restart else 0
            self.actions.append(Down(reason, kept, keep_s))

    @property
    def _farthest(self) -> Link | None:
        links = self.links
        if len(links) < 2:  # but while a collision is being resolved
            return next(iter(links.values()), None)
        return max(links.values(), key=lambda link: _RANK[link.state])

    @property
    def _established(self) -> Link | None:
        link = self._farthest
        return link if link and link.state is State.ESTABLISHED else None

    def _restart_keepalive(self, link: Link, now: Instant) -> None:
        interval_s = keepalive_interval_s(self.config.keepalive_s, link.silence_s)
        link.keepalive_at = after(now, jittered(interval_s, self.rng)) if interval_s > 0 else None

    def _send(self, link: Link, data: bytes) -> None:
        self.counters.messages_out += _core.count_messages(data)
        self.actions.append(Send(link.transport, data))

    def _take(self) -> list[Action]:
        actions, self.actions = self.actions, []
        return actions


def _peer_error(error: WireError) -> PeerError:
    return PeerError(error.code, error.subcode, error.data, error.reason)
