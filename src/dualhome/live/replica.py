"""The double of a speaker that runs in a process of its own, as the engine has it."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from dualhome._core import Rib, Route
from dualhome.bgp import events
from dualhome.bgp.config import SpeakerConfig
from dualhome.bgp.session import Session
from dualhome.bgp.speaker import Journal, Speaker, SpeakerAction
from dualhome.live.replication import Answers, Entry, apply, fingerprint
from dualhome.net import Prefix
from dualhome.units import Instant


class Process(Protocol):
    """The process of a speaker, as its double uses it."""

    def begin(self, config: SpeakerConfig) -> None:
        """Have one that runs."""
        ...

    def order(self, what: str, config: SpeakerConfig | None = None) -> None:
        """Have it do this: start, stop, reconfigure."""
        ...

    def kill(self) -> None:
        """End it at once, if it runs; its sockets are closed when this returns."""
        ...


class Replica:
    """A speaker, as the engine has it, of which every input comes from its process: what the engine commands takes effect when that tells of it."""

    def __init__(self, config: SpeakerConfig, seed: int | None, process: Process) -> None:
        self._seed: Final = seed
        self._process: Final = process
        self._inbox: deque[Entry] = deque()
        self._ordered: deque[SpeakerConfig] = deque()  # configurations that its process doesn't have yet
        self._running = False
        self._versions = 0  # of earlier lives
        self.differs = 0  # comparisons that failed
        self.compared = 0
        self._make(config)

    def _make(self, config: SpeakerConfig) -> None:
        self._answers = Answers()
        self._answers.given = []
        self._speaker = Speaker(config, self._seed, self._answers)
        self._inbox.clear()
        self._ordered.clear()

    # --- what happens -------------------------------------------------------------------------------------------------

    def hear(self, entry: Entry) -> None:
        """An input of its process; it counts from the next `flush` on."""
        self._inbox.append(entry)

    @property
    def behind(self) -> int:
        """Inputs that don't count yet."""
        return len(self._inbox)

    def flush(self, now: Instant) -> list[SpeakerAction]:
        """Catch up; of what the speaker did only the journal's lines are left to be done."""
        done: list[SpeakerAction] = []
        while self._inbox:
            entry = self._inbox.popleft()
            config = self._ordered.popleft() if entry.what == "reconfigure" else None
            self._answers.given = list(entry.writable)
            done += (action for action in apply(self._speaker, entry, config) if isinstance(action, Journal))
            if entry.what == "compare":
                self.compared += 1
                self.differs += fingerprint(self._speaker) != entry.fingerprint
        return done

    def start(self, now: Instant) -> list[SpeakerAction]:
        """Begin from nothing, in a fresh process if there is none."""
        if not self._running:
            config = self.config
            self._versions += self._speaker.version() + 1
            self._make(config)
            self._process.begin(config)
            self._running = True
        self._process.order("start")
        return []

    def stop(self, now: Instant, silent: bool = False) -> list[SpeakerAction]:
        """Have it say goodbye; or silently, end its process."""
        if not silent:
            if self._running:
                self._process.order("stop")
            return []
        done = self.flush(now)
        self._running = False
        self._process.kill()
        config = self._ordered[-1] if self._ordered else self._speaker.config
        done += self._speaker.stop(now, silent=True)
        if config is not self._speaker.config:
            self._become(config)
        return [action for action in done if isinstance(action, Journal)]

    def reconfigure(self, config: SpeakerConfig, now: Instant) -> list[SpeakerAction]:
        """Have it become another."""
        if not self._running:
            self._become(config)
        elif config != (self._ordered[-1] if self._ordered else self._speaker.config):
            self._ordered.append(config)
            self._process.order("reconfigure", config)
        return []

    def _become(self, config: SpeakerConfig) -> None:
        self._versions += self._speaker.version() + 1
        self._make(config)

    def handle(self, peer: str, event: events.Event, now: Instant, *, defer: bool = False) -> list[SpeakerAction]:
        """Transports are its process's; none here has events."""
        raise AssertionError("a double has no transports")

    def tick(self, now: Instant) -> list[SpeakerAction]:
        """So are timers."""
        return []

    def deadline(self) -> Instant | None:
        """None: its timers are its process's."""
        return None

    # --- questions ----------------------------------------------------------------------------------------------------

    @property
    def config(self) -> SpeakerConfig:
        """What it is by now, not yet what it was told to become."""
        return self._speaker.config

    @property
    def rib(self) -> Rib:
        """Of the double; another object after another start."""
        return self._speaker.rib

    def session(self, peer: str) -> Session:
        """The session with a peer; an idle one where its process doesn't know the peer yet."""
        if peer not in self.config.peers:
            ordered = next((each.peers[peer] for each in reversed(self._ordered) if peer in each.peers), None)
            if ordered is not None:
                return Session(ordered.session, None)
        return self._speaker.session(peer)

    def peer_number(self, peer: str) -> int:
        """As the speaker's."""
        return self._speaker.peer_number(peer)

    def peer_name(self, number: int) -> str | None:
        """As the speaker's."""
        return self._speaker.peer_name(number)

    def learned(self, peer: str, prefix: Prefix | None = None) -> list[Route]:
        """As the speaker's."""
        return self._speaker.learned(peer, prefix) if peer in self.config.peers else []

    def rejected(self, peer: str | None = None) -> list[Route]:
        """As the speaker's."""
        return self._speaker.rejected(peer) if peer is None or peer in self.config.peers else []

    def advertised(self, peer: str, prefix: Prefix | None = None) -> list[Route]:
        """As the speaker's."""
        return self._speaker.advertised(peer, prefix) if peer in self.config.peers else []

    def table(self, prefix: Prefix | None = None) -> list[Route]:
        """As the speaker's."""
        return self._speaker.table(prefix)

    def version(self) -> int:
        """Grows as the speaker's, over all its lives."""
        return self._versions + self._speaker.version()
