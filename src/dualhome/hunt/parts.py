"""What a world is made of: machines, transports and their two directions."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from dualhome.bgp.config import SpeakerConfig
from dualhome.bgp.speaker import Speaker
from dualhome.hunt.shadow import Shadow


@dataclass(slots=True)
class Node:
    """A machine with a speaker, or one that lies still."""

    name: str
    config: SpeakerConfig
    speaker: Speaker | None = None
    shadow: Shadow | None = None
    ahead: int = 0  # its clock, of the world's
    life: int = 0  # which process it is
    is_stopped: bool = False
    attempts: dict[str, int] = field(default_factory=dict)
    unsent: dict[str, int] = field(default_factory=dict)  # octets that the speaker asked to send, and that are not sent yet
    is_deferring: bool = False  # something happened of which nothing was decided yet
    asked_at: int = -1  # when its next tick is planned

    def dropping(self) -> list[str]:
        """Peers of which routes were dropped beyond a limit."""
        if (speaker := self.speaker) is None:
            return []
        limited = [name for name, each in self.config.peers.items() if each.policy.max_prefixes_action == "drop"]
        return [name for name in limited if speaker.rib.over_limit(speaker.peer_number(name))]


@dataclass(slots=True)
class Pipe:
    """One direction of a transport."""

    sender: str
    reader: str
    queue: deque[tuple[int, bytes | None]] = field(default_factory=deque)  # when it arrives, octets; None: the end
    waiting: int = 0
    last_at: int = 0


@dataclass(slots=True)
class Transport:
    """A TCP connection; `lives` says which process is at each end, of those that still are."""

    number: int
    lives: dict[str, int]
    pipes: dict[str, Pipe]  # by sender
