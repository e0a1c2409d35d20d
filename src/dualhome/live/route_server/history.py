"""What happened to each peer, the latest events kept: changes of its session, NOTIFICATIONs, limits, refusals."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

PEERS: Final = 4096
"""Whose events are kept; beyond so many those of the peer that was quiet for longest go, for peers of a range come and go."""
LONGEST: Final = 500
"""Characters of a text, for the peer may have written a part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event; `at_s` is Unix time, `kind` session, notification, limit or stranger."""

    number: int
    at_s: float
    instance: str
    peer: str
    kind: str
    text: str


class History:
    """The last `most` events of each peer. They are numbered through all peers in the order in which they came."""

    def __init__(self, most: int) -> None:
        self._most, self._next = most, 0
        self._events: OrderedDict[tuple[str, str], deque[Happening]] = OrderedDict()
        self._errors: dict[tuple[str, str], Happening] = {}

    def note(self, instance: str, peer: str, kind: str, text: str, at_s: float, *, error: bool = False) -> None:
        """Keep an event; `error`: it is why the session ended, until the next such one."""
        self._next += 1
        event = Happening(number=self._next, at_s=at_s, instance=instance, peer=peer, kind=kind, text=text[:LONGEST])
        key = (instance, peer)
        if key not in self._events:
            self._events[key] = deque(maxlen=self._most)
        self._events[key].append(event)
        self._events.move_to_end(key)
        if error:
            self._errors[key] = event
        while len(self._events) > PEERS:
            gone, _ = self._events.popitem(last=False)
            self._errors.pop(gone, None)

    def error(self, instance: str, peer: str) -> Happening | None:
        """Why and when the session ended last, as far as that is known."""
        return self._errors.get((instance, peer))

    def resize(self, most: int) -> None:
        """Keep another number of events."""
        if most != self._most:
            self._most = most
            for key, events in self._events.items():
                self._events[key] = deque(events, maxlen=most)

    def events(self, instances: Collection[str], peers: Collection[str] | None, after: int = 0) -> Iterator[Happening]:
        """What came after that number, oldest first; of all peers, removed ones among them, where none are named."""
        chosen = [of for (instance, peer), of in self._events.items() if instance in instances and (peers is None or peer in peers)]
        yield from sorted((event for of in chosen for event in of if event.number > after), key=lambda event: event.number)
