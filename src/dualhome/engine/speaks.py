"""What the engine wants of a speaker: the speaker itself, or what a live driver has of one that runs in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dualhome._core import Rib, Route
from dualhome.bgp import events
from dualhome.bgp.config import SpeakerConfig
from dualhome.bgp.session import Session
from dualhome.bgp.speaker import SpeakerAction
from dualhome.net import Prefix
from dualhome.units import Instant


class Speaks(Protocol):
    """As `bgp.Speaker`, whose docstrings say what each does."""

    @property
    def config(self) -> SpeakerConfig: ...  # noqa: D102
    @property
    def rib(self) -> Rib: ...  # noqa: D102

    def start(self, now: Instant) -> list[SpeakerAction]: ...  # noqa: D102
    def stop(self, now: Instant, silent: bool = False) -> list[SpeakerAction]: ...  # noqa: D102
    def handle(self, peer: str, event: events.Event, now: Instant, *, defer: bool = False) -> list[SpeakerAction]: ...  # noqa: D102
    def tick(self, now: Instant) -> list[SpeakerAction]: ...  # noqa: D102
    def flush(self, now: Instant) -> list[SpeakerAction]: ...  # noqa: D102
    def reconfigure(self, config: SpeakerConfig, now: Instant) -> list[SpeakerAction]: ...  # noqa: D102
    def deadline(self) -> Instant | None: ...  # noqa: D102
    def session(self, peer: str) -> Session: ...  # noqa: D102
    def peer_number(self, peer: str) -> int: ...  # noqa: D102
    def peer_name(self, number: int) -> str | None: ...  # noqa: D102
    def learned(self, peer: str, prefix: Prefix | None = None) -> list[Route]: ...  # noqa: D102
    def rejected(self, peer: str | None = None) -> list[Route]: ...  # noqa: D102
    def advertised(self, peer: str, prefix: Prefix | None = None) -> list[Route]: ...  # noqa: D102
    def table(self, prefix: Prefix | None = None) -> list[Route]: ...  # noqa: D102
    def version(self) -> int: ...  # noqa: D102


MakeSpeaker = Callable[[SpeakerConfig, int | None, Callable[[str], bool]], Speaks]
"""From a configuration, the seed of its timers' jitter, and what says whether a peer's transport takes more."""
