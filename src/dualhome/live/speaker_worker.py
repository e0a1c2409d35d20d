"""One speaker with its sockets and timers, alone in a process. Every input is written down and told, so that the network's process knows all that it knows."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from dualhome._core import Namespace
from dualhome.bgp import speaker as actions
from dualhome.bgp.config import SpeakerConfig
from dualhome.bgp.speaker import Speaker
from dualhome.engine import events
from dualhome.engine.translate import effect_of, session_event
from dualhome.errors import SystemRefused
from dualhome.live.channel import Channel
from dualhome.live.clock import Clock
from dualhome.live.endpoints import Side
from dualhome.live.ledger import Told
from dualhome.live.replication import Answers, Entry, apply, fingerprint
from dualhome.live.sockets import Endpoint
from dualhome.live.transports import End, Transports
from dualhome.net import Address
from dualhome.units import Instant

LOG: Final = logging.getLogger("dualhome.live")
LOOK_S: Final = 0.02  # how often connections are looked at that end or wait for room
GOODBYE_S: Final = 2.0


class Worker:
    """The speaker. Orders come as (number, what, arguments); what it tells is (entries, Told, number of the last order that was done)."""

    def __init__(self, end: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._channel = Channel(end, lambda message: self._order(*message), loop.stop, loop)
        self._clock = Clock()
        self._name = ""
        self._speaker: Speaker
        self._transports: Transports
        self._namespace: Namespace | None = None
        self._sides: Mapping[str, Side] = {}
        self._entries: list[Entry] = []
        self._ends: dict[int, End] = {}
        self._attempts: tuple[str, ...] = ()
        self._done = self._told = 0
        self._early: list[events.OfTransport] | None = []  # what happened before it started
        self._arrived: list[events.Bytes | events.TransportClosed] = []  # in this turn
        self._touched = False
        self._turn: asyncio.Handle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed: Instant | None = None

    # --- orders -------------------------------------------------------------------------------------------------------

    def _order(self, number: int, what: str, arguments: tuple[Any, ...]) -> None:
        match what:
            case "begin":
                self._begin(*arguments)
            case "where":
                self._where(*arguments)
            case "listen":
                self._listen(*arguments)
            case "start" | "stop":
                self._input(Entry(what, self._clock.now()))
                early, self._early = self._early, None
                for event in early or ():
                    self._deliver(event)
            case "reconfigure":
                self._input(Entry(what, self._clock.now()), *arguments)
            case "compare":
                self._entries.append(Entry(what, self._clock.now(), fingerprint=fingerprint(self._speaker)))
            case "cut":
                self._transports.perform(events.Cut(self._name, *arguments))
            case "vanish":
                self._transports.perform(events.Vanish(self._name))
            case "deafen":
                self._transports.deafen(self._name)
            case "end":
                self._transports.deafen(self._name)
                self._end(self._loop.time() + GOODBYE_S)
            case _:
                raise AssertionError(f"no such order: {what!r}")
        self._done = number
        self._soon()

    def _begin(self, config: SpeakerConfig, seed: int | None, clock: Clock) -> None:
        self._name, self._clock = config.name, clock
        self._transports = Transports(self._deliver, self._endpoint, self._who, lambda *_: self._touch(), self._loop)
        self._transports.met = []
        self._answers = Answers(lambda peer: self._transports.writable(self._name, peer))
        self._speaker = Speaker(config, seed, self._answers)

    def _where(self, namespace: str, sides: Mapping[str, Side]) -> None:
        self._namespace, self._sides = Namespace(namespace), sides

    def _listen(self, address: Address, device: str | None) -> None:
        try:
            self._transports.listen(self._name, self._namespace, address, device=device)
        except SystemRefused as error:
            LOG.error("%s: %s", self._name, error)

    def _end(self, until_s: float) -> None:
        """When all that was said has been heard, or it takes too long."""
        if self._transports.lingering and self._loop.time() < until_s:
            self._loop.call_later(LOOK_S, self._end, until_s)
        else:
            self._loop.stop()

    # --- inputs -------------------------------------------------------------------------------------------------------

    def _input(self, entry: Entry, config: SpeakerConfig | None = None) -> None:
        done = apply(self._speaker, entry, config)
        writable = self._answers.take()
        self._entries.append(replace(entry, writable=writable) if writable else entry)
        for action in done:
            if not isinstance(action, actions.Journal):  # its lines are said by the double
                self._transports.perform(effect_of(self._name, action))
        self._soon()

    def _deliver(self, event: events.OfTransport) -> None:
        if self._early is not None:
            self._early.append(event)
        elif isinstance(event, events.Bytes | events.TransportClosed):
            # After connections of this turn: one that the peer prefers to another must be known before the end of the other one.
            self._arrived.append(event)
            self._soon()
        else:
            self._handle(event)

    def _handle(self, event: events.OfTransport) -> None:
        self._input(Entry("handle", self._clock.now(), peer=event.peer, event=session_event(event)))
        self._touch()

    def _touch(self) -> None:
        self._touched = True
        self._soon()

    def _soon(self) -> None:
        if self._turn is None:
            self._turn = self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        """All events of this turn of the loop are one instant."""
        arrived, self._arrived = self._arrived, []
        for event in arrived:
            self._handle(event)
        if self._touched:
            self._touched = False
            self._input(Entry("flush", self._clock.now()))
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._arm()
        self._tell()

    def _arm(self) -> None:
        deadline = self._speaker.deadline()
        if deadline != self._armed:
            if self._timer is not None:
                self._timer.cancel()
            self._armed = deadline
            self._timer = None if deadline is None else self._loop.call_later(self._clock.wait_s(deadline), self._tick)

    def _tick(self) -> None:
        self._armed = self._timer = None
        self._input(Entry("tick", self._clock.now()))

    # --- what it tells ------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        ends, attempts = self._transports.ends(), self._transports.attempts()
        changed = {number: end for number, end in ends.items() if self._ends.get(number) != end}
        gone = tuple(number for number in self._ends if number not in ends)
        assert self._transports.met is not None, "it is kept"
        met, self._transports.met = tuple(self._transports.met), []
        if changed or gone or met or self._entries or attempts != self._attempts or self._done != self._told:
            self._channel.send((tuple(self._entries), Told(changed, gone, attempts, met), self._done))
        self._entries, self._ends, self._attempts, self._told = [], ends, attempts, self._done
        if self._transports.busy and self._look is None:
            self._look = self._loop.call_later(LOOK_S, self._looked)

    def _looked(self) -> None:
        self._look = None
        self._soon()

    def _endpoint(self, _: str, peer: str) -> Endpoint | None:
        each = self._sides.get(peer)
        if each is None or self._namespace is None:
            return None
        return Endpoint(namespace=self._namespace, local=each.local, remote=each.remote, device=each.device)

    def _who(self, _: str, remote: Address, device: str | None) -> str | None:
        return next((peer for peer, each in self._sides.items() if each.remote == remote and each.device == device), None)
