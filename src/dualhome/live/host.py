"""Speakers on real sockets without a network around them: of a route server's daemon, and of routers that run in a process of their own.

All that arrives in one turn of the loop is handled first, then decided and sent once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from dualhome.bgp import speaker as actions
from dualhome.bgp.config import SpeakerConfig
from dualhome.bgp.events import Action, State, Stuck
from dualhome.bgp.speaker import Journal, Speaker
from dualhome.engine import events
from dualhome.engine.translate import effect_of, session_event
from dualhome.live.transports import EndpointOf, Transports, Who
from dualhome.units import Instant, as_seconds

AT_ONCE: Final = 4 * 1024 * 1024
"""Octets of routes for a peer in one turn, so that a large table for one that reads fast doesn't keep the others waiting: some milliseconds of writing. With
a sixteenth of it ten peers with 100,000 prefixes cost twice the time, for those that lag are caught up one by one."""


class SpeakerHost:
    """Some speakers, their transports, one timer.

    `journal` gets every line of a speaker's story; `decided` is called after each turn in which routes may have changed, with the speakers' names;
    `watch` gets a speaker, a peer and what their session asks for, before it is done.
    """

    def __init__(
        self,
        endpoint: EndpointOf,
        who: Who,
        journal: Callable[[str, Journal], None] = lambda speaker, line: None,
        decided: Callable[[Sequence[str]], None] = lambda speakers: None,
        watch: Callable[[str, str, Action], None] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._loop: Final = loop or asyncio.get_running_loop()
        self._began: Final = self._loop.time()
        self._journal, self._decided, self._watch = journal, decided, watch
        self.speakers: Final[dict[str, Speaker]] = {}
        self.turns, self.turns_s = 0, 0.0
        """In how many turns routes were decided and sent, and how long that took in all."""
        self.transports: Final = Transports(self._deliver, endpoint, who, self._drained, self._loop, self._stuck, self._is_up)
        self._touched: dict[str, None] = {}
        self._flushing: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed: Instant | None = None

    @property
    def now(self) -> Instant:
        """Microseconds since this host was made."""
        return Instant(round((self._loop.time() - self._began) * 1_000_000))

    def add(self, config: SpeakerConfig, restarted: bool = False) -> Speaker:
        """A speaker, not started yet; `restarted`: it was there a moment ago, and its peers may keep its routes."""
        name = config.name
        assert name not in self.speakers, f"there is a speaker {name} already"
        watch = self._watch
        self.speakers[name] = speaker = Speaker(
            config,
            writable=lambda peer: self.transports.writable(name, peer),
            at_once=AT_ONCE,
            restarted=restarted,
            watch=None if watch is None else lambda peer, action: watch(name, peer, action),
        )
        return speaker

    def start(self, name: str) -> None:
        """Start the sessions of a speaker."""
        self._take(name, self.speakers[name].start(self.now))

    def stop(self, name: str) -> None:
        """End its sessions, by Cease/2; it stays, and may be started again."""
        self._take(name, self.speakers[name].stop(self.now))

    def remove(self, name: str) -> None:
        """End its sessions and its listeners, and forget it."""
        self.stop(name)
        self.transports.deafen(name)
        del self.speakers[name]
        self._touched.pop(name, None)

    def reconfigure(self, config: SpeakerConfig) -> None:
        """Another configuration for the speaker of that name; sessions that didn't change stay."""
        self._take(config.name, self.speakers[config.name].reconfigure(config, self.now))

    async def end(self) -> None:
        """Stop all speakers, wait until their last words are out, and close everything."""
        for name in self.speakers:
            self.stop(name)
        while self.transports.lingering:
            await asyncio.sleep(0.01)
        self.close()

    def close(self) -> None:
        """End everything at once."""
        for handle in (self._timer, self._flushing):
            if handle is not None:
                handle.cancel()
        self.transports.close()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _deliver(self, event: events.OfTransport) -> None:
        speaker = self.speakers.get(event.speaker)
        if speaker is None:
            return
        self._take(event.speaker, speaker.handle(event.peer, session_event(event), self.now, defer=True))

    def _drained(self, speaker: str, _: str) -> None:
        self._touch(speaker)

    def _stuck(self, speaker: str, peer: str, number: int) -> None:
        if (each := self.speakers.get(speaker)) is not None:
            self._take(speaker, each.handle(peer, Stuck(number), self.now, defer=True))

    def _is_up(self, speaker: str, peer: str) -> bool:
        each = self.speakers.get(speaker)
        return each is not None and peer in each.config.peers and each.session(peer).state is State.ESTABLISHED

    def _touch(self, name: str) -> None:
        self._touched[name] = None
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = None
        touched, self._touched = list(self._touched), {}
        begun = self._loop.time()
        for name in touched:
            speaker = self.speakers[name]
            for piece in speaker.flushing(self.now):
                self._perform(name, piece)
            if speaker.more:
                self._touch(name)
        self.turns, self.turns_s = self.turns + 1, self.turns_s + self._loop.time() - begun
        self._arm()
        self._decided(touched)

    def _take(self, name: str, done: Sequence[actions.SpeakerAction]) -> None:
        self._perform(name, done)
        self._touch(name)

    def _perform(self, name: str, done: Sequence[actions.SpeakerAction]) -> None:
        for action in done:
            if isinstance(action, Journal):
                self._journal(name, action)
            else:
                self.transports.perform(effect_of(name, action))

    def _arm(self) -> None:
        """One timer, for the earliest deadline of all speakers."""
        deadline = min((d for speaker in self.speakers.values() if (d := speaker.deadline()) is not None), default=None)
        if deadline == self._armed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed = deadline
        self._timer = None if deadline is None else self._loop.call_at(self._began + as_seconds(deadline), self._tick)

    def _tick(self) -> None:
        self._armed = self._timer = None
        for name, speaker in list(self.speakers.items()):
            deadline = speaker.deadline()
            if deadline is not None and deadline <= self.now:
                self._take(name, speaker.tick(self.now))
        self._arm()
