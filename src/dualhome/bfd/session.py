"""One BFD session: events and the time go in, actions come out (RFC 5880 section 6.8).

Which state follows which stands in `fsm.TABLE`; this file keeps what is known of the other end, the timers and Poll Sequences.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, assert_never

from dualhome.bfd.events import (
    Action,
    Configure,
    Disable,
    Down,
    Enable,
    Event,
    Received,
    Send,
    SessionConfig,
    Transition,
    Up,
)
from dualhome.bfd.fsm import KINDS, TABLE, Kind
from dualhome.bfd.packet import Diagnostic, Discarded, Packet, State, diagnostic_words
from dualhome.units import Duration, Instant, after, seconds

__all__ = [
    "Action", "Configure", "Disable", "Discarded", "Down", "Enable", "Event", "Received", "Remote", "Send", "Session", "SessionConfig",
    "State", "Transition", "Up",
]  # fmt: skip

SLOW: Final = seconds(1)
"""No session that isn't Up sends more often (RFC 5880 section 6.8.3)."""
_ONE: Final = Duration(1)


@dataclass(slots=True)
class Remote:
    """What the other end said last (RFC 5880 section 6.8.1)."""

    discriminator: int = 0
    state: State = State.DOWN
    diagnostic: int = 0
    demand: bool = False
    min_rx: Duration = _ONE
    min_tx: Duration = SLOW
    multiplier: int = 0


class Session:
    """One BFD session with one other end, silent until it is enabled. Without `rng` intervals have no jitter.

    Differs: a remote in demand mode goes on being sent to, which it must bear (RFC 5880 section 6.6 lets us be silent for its sake).
    Echo is not supported, and says so.
    """

    def __init__(self, config: SessionConfig, discriminator: int, rng: random.Random | None = None) -> None:
        assert 0 < discriminator < 1 << 32, "a discriminator is not 0"
        self.config = config
        self.discriminator: Final = discriminator
        self.rng: Final = rng
        self.state = State.ADMIN_DOWN
        self.diagnostic = Diagnostic.NONE
        self.remote: Final = Remote()
        self._tx, self._rx = max(config.transmit, SLOW), config.receive  # as we say them
        self._used_tx, self._used_rx = self._tx, self._rx  # as timers use them
        self._multiplier = config.multiplier
        self._polling = False
        self._sent_at: Instant | None = None
        self._part = 1.0  # of the interval, until the next packet
        self._heard_at: Instant | None = None
        self._actions: list[Action] = []

    # --- questions ----------------------------------------------------------------------------------------------------

    @property
    def detection_time(self) -> Duration:
        """How long nothing may come: the agreed interval of the other end, times its multiplier (RFC 5880 section 6.8.4)."""
        return Duration(self.remote.multiplier * max(self._used_rx, self.remote.min_tx))

    @property
    def transmit_interval(self) -> Duration:
        """Longest time between two of our packets (RFC 5880 section 6.8.2)."""
        return max(self._used_tx, self.remote.min_rx)

    @property
    def polling(self) -> bool:
        """Whether new intervals wait for the other end's word that it heard of them."""
        return self._polling

    def deadline(self) -> Instant | None:
        """When to call `tick` at the latest; None: nothing runs."""
        return min((time for time in (self._send_due, self._expiry_due) if time is not None), default=None)

    # --- doors --------------------------------------------------------------------------------------------------------

    def handle(self, event: Event, now: Instant) -> list[Action]:
        """Take an event; what is to be done, in order."""
        match event:
            case Received(packet=packet):
                self._receive(packet, now)
            case Enable():
                self._step(Kind.ENABLE, "enabled", now)
            case Disable():
                self._step(Kind.DISABLE, "disabled", now)
            case Configure(config=config):
                self.config = config
                if self._announce() and self._sent_at is not None:
                    self._send(now)
            case _:
                assert_never(event)
        return self._take()

    def tick(self, now: Instant) -> list[Action]:
        """What is due by now: first what was missed, then what is to be sent."""
        if self._expiry_due is not None and self._expiry_due <= now:
            waited = self.detection_time
            self._heard_at = None
            self.remote.discriminator = 0
            self._step(Kind.DETECTION_EXPIRED, f"nothing came for {waited / 1000:g} ms", now)
        if self._send_due is not None and self._send_due <= now:
            self._send(now)
        return self._take()

    # --- what arrives -------------------------------------------------------------------------------------------------

    def _receive(self, packet: Packet, now: Instant) -> None:
        """Source: RFC 5880 section 6.8.6, from where the session is known."""
        if packet.your_discriminator not in (0, self.discriminator):
            self._actions.append(Discarded(f"no session has discriminator {packet.your_discriminator}"))
            return
        remote = self.remote
        remote.discriminator, remote.state, remote.diagnostic = packet.my_discriminator, packet.state, packet.diagnostic
        remote.demand, remote.multiplier = packet.demand, packet.multiplier
        remote.min_rx, remote.min_tx = Duration(packet.required_min_rx_us), Duration(packet.desired_min_tx_us)
        self._heard_at = now
        if packet.final and self._polling:
            self._polling = False
            self._used_tx, self._used_rx = self._tx, self._rx
            if self._announce():  # what was configured in the meantime
                self._send(now)
        if self.state is State.ADMIN_DOWN:
            self._actions.append(Discarded("the session is administratively down"))
            return
        self._step(KINDS[packet.state], self._said(packet), now)
        if packet.poll:
            self._actions.append(Send(self._packet(final=True).encode()))

    def _said(self, packet: Packet) -> str:
        if packet.state is State.ADMIN_DOWN:
            return "the other end is administratively down"
        detail = f" ({diagnostic_words(packet.diagnostic)})" if packet.state is State.DOWN and packet.diagnostic else ""
        return f"the other end says {packet.state.word}{detail}"

    # --- the table ----------------------------------------------------------------------------------------------------

    def _step(self, kind: Kind, why: str, now: Instant) -> None:
        """Look the event up and go there: the only place where the state changes. Whoever switches paths is told first."""
        old = self.state
        diagnostic, self.state = TABLE[old, kind]
        if self.state is old:
            return
        self.diagnostic = diagnostic
        if old is State.UP:
            self._actions.append(Down(why, failed=kind not in (Kind.REMOTE_ADMIN_DOWN, Kind.DISABLE)))
        elif self.state is State.UP:
            self._actions.append(Up())
        self._polling = False  # of intervals that this state may change anew
        self._announce()
        self._send(now)
        self._actions.append(Transition(old, self.state, why))

    # --- what is sent -------------------------------------------------------------------------------------------------

    def _announce(self) -> bool:
        """Take what state and configuration ask for; whether the other end is to hear of it: a Poll Sequence, one at a time.

        While Up, a longer interval to send and a shorter one to receive are used only once the other end has heard of them.
        Source: RFC 5880 sections 6.5 and 6.8.3.
        """
        up = self.state is State.UP
        wanted = (self.config.transmit if up else max(self.config.transmit, SLOW)), self.config.receive, self.config.multiplier
        if (up and self._polling) or wanted == (self._tx, self._rx, self._multiplier):
            return False
        self._tx, self._rx, self._multiplier = wanted
        self._used_tx = min(self._tx, self._used_tx) if up else self._tx
        self._used_rx = max(self._rx, self._used_rx) if up else self._rx
        self._polling = True
        return True

    def _send(self, now: Instant) -> None:
        """Send, and draw the time to the next packet: 75 to 100 % of the interval, with a multiplier of 1 at most 90 % (RFC 5880 section 6.8.7)."""
        most = 0.9 if self._multiplier == 1 else 1.0
        self._part = self.rng.uniform(0.75, most) if self.rng else most
        self._sent_at = now
        self._actions.append(Send(self._packet().encode()))

    def _packet(self, final: bool = False) -> Packet:
        return Packet(
            state=self.state,
            diagnostic=self.diagnostic,
            multiplier=self._multiplier,
            my_discriminator=self.discriminator,
            your_discriminator=self.remote.discriminator,
            desired_min_tx_us=self._tx,
            required_min_rx_us=self._rx,
            poll=self._polling and not final,
            final=final,
        )

    @property
    def _send_due(self) -> Instant | None:
        """From the last packet on, so that an interval that changed counts at once. Who wants no packets gets none but answers and news."""
        if self._sent_at is None or self.remote.min_rx == 0:
            return None
        return after(self._sent_at, Duration(int(self.transmit_interval * self._part)))

    @property
    def _expiry_due(self) -> Instant | None:
        return None if self._heard_at is None else after(self._heard_at, self.detection_time)

    def _take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions
