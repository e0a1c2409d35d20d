"""What a speaker in a process of its own tells the network's process: every input, so that its double there (`replica`) is given the same.

A speaker does the same whenever it is given the same at the same times. So the process that has its sockets writes down every input in order (`Entry`). What
a speaker can't know by itself, whether a transport takes more, is written down with the input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from dualhome._core import Route
from dualhome.bgp import events
from dualhome.bgp.config import SpeakerConfig
from dualhome.bgp.speaker import Speaker, SpeakerAction
from dualhome.units import Instant


@dataclass(frozen=True, slots=True)
class Entry:
    """One input. `what`: start, stop, reconfigure, handle, flush, tick; or compare, by a fingerprint that both have then.

    `writable` are the answers to the speaker's questions whether a transport takes more, up to the last that was no.
    """

    what: str
    at: Instant
    writable: tuple[bool, ...] = ()
    peer: str = ""
    event: events.Event | None = None
    fingerprint: str = ""


class Answers:
    """Who answers whether a transport takes more: `ask`, whose words are kept; or, while a list is given, that."""

    def __init__(self, ask: Callable[[str], bool] = lambda peer: True) -> None:
        self._ask = ask
        self.given: list[bool] | None = None
        self.kept: list[bool] = []

    def __call__(self, peer: str) -> bool:
        """Whether the transport to this peer takes more."""
        if self.given is not None:
            return self.given.pop(0) if self.given else True
        answer = self._ask(peer)
        self.kept.append(answer)
        return answer

    def take(self) -> tuple[bool, ...]:
        """What was kept since the last time; what follows the last no is left out."""
        kept, self.kept = self.kept, []
        while kept and kept[-1]:
            kept.pop()
        return tuple(kept)


def apply(speaker: Speaker, entry: Entry, config: SpeakerConfig | None) -> list[SpeakerAction]:
    """Give a speaker an input; `config` is the new one of a reconfiguration."""
    match entry.what:
        case "start":
            return speaker.start(entry.at)
        case "stop":
            return speaker.stop(entry.at)
        case "flush":
            return speaker.flush(entry.at)
        case "tick":
            return speaker.tick(entry.at)
        case "reconfigure":
            assert config is not None, "a reconfiguration has a configuration"
            return speaker.reconfigure(config, entry.at)
        case "handle":
            assert entry.event is not None, "an event is handled"
            return speaker.handle(entry.peer, entry.event, entry.at, defer=True)
        case "compare":
            return []
        case _:
            raise AssertionError(f"no such input: {entry.what!r}")


def fingerprint(speaker: Speaker) -> str:
    """A digest of all that a speaker holds, refused and tells, and of its sessions: equal states have equal ones."""
    digest = hashlib.sha256()
    for peer in speaker.config.peers:
        session = speaker.session(peer)
        digest.update(f"{peer} {session.state.value} {session.last_error} {session.deadline()}\n".encode())
        for routes in (speaker.learned(peer), speaker.rejected(peer), speaker.advertised(peer)):
            digest.update("".join(f"{_row(each)}\n" for each in routes).encode() + b"\n")
    digest.update("".join(f"{_row(each)}\n" for each in speaker.table()).encode())
    return digest.hexdigest()


def _row(route: Route) -> tuple[object, ...]:
    return (
        *(route.prefix, route.next_hop, route.as_path, route.origin, route.med, route.local_preference, route.weight, route.communities),
        *(route.large_communities, route.peer, route.tags, route.best, route.multipath, route.lost_in, route.reason, route.detail),
    )
