"""Whether anything is on its way between speakers in processes of their own: what they told of both ends of their connections, held against each other.

Each process tells all it did in order, the bytes of its ends with it. So what is known is a cut through the story of the network; where by that cut every
byte that was sent has been read, nothing can be on its way but what timers or commands begin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dualhome.live.transports import End

Key = tuple[str, str, str]
LATE_S = 1.0  # until a connection that its maker ended already will not be accepted any more: whoever should is gone
MOST_EARLY = 10_000  # ends that were accepted before the other side told of them


@dataclass(frozen=True, slots=True)
class Told:
    """What changed of a speaker's connections since it told last. `met`: accepting ends; True where it is its own, False where it connected to it."""

    ends: dict[int, End] = field(default_factory=dict)
    gone: tuple[int, ...] = ()
    attempts: tuple[str, ...] = ()
    met: tuple[tuple[bool, Key], ...] = ()


@dataclass(slots=True)
class Awaited:
    """An end that will be accepted, by a speaker that doesn't know of it yet."""

    pair: tuple[str, str]
    until_s: float | None = None  # the connecting end is gone, and it may be never accepted


class Ledger:
    """All that was told; `clock` are seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ends: dict[str, dict[int, End]] = {}
        self._keys: dict[Key, End] = {}
        self._attempts: dict[str, tuple[str, ...]] = {}
        self._awaited: dict[Key, Awaited] = {}
        self._early: dict[Key, None] = {}

    def tell(self, speaker: str, told: Told) -> None:
        """What a speaker's process tells."""
        mine = self._ends.setdefault(speaker, {})
        self._attempts[speaker] = told.attempts
        for own, key in told.met:
            self._meet(speaker, own, key)
        for number, end in told.ends.items():
            mine[number] = self._keys[end.key] = end
        for number in told.gone:
            end = mine.pop(number)
            if self._keys.get(end.key) is end:
                del self._keys[end.key]
            if end.far_key in self._awaited:
                self._awaited[end.far_key].until_s = self._clock() + LATE_S

    def _meet(self, speaker: str, own: bool, key: Key) -> None:
        if own:
            if self._awaited.pop(key, None) is None:
                self._early[key] = None
                if len(self._early) > MOST_EARLY:
                    del self._early[next(iter(self._early))]
        elif key in self._early:
            del self._early[key]
        else:
            self._awaited[key] = Awaited((speaker, key[0]))

    def forget(self, speaker: str) -> None:
        """Its process is gone, and all its ends with it."""
        for end in self._ends.pop(speaker, {}).values():
            if self._keys.get(end.key) is end:
                del self._keys[end.key]
        self._attempts.pop(speaker, None)
        self._awaited = {key: each for key, each in self._awaited.items() if speaker not in each.pair}
        self._early = {key: None for key in self._early if key[0] != speaker}

    def in_flight(
        self,
        ours: Callable[[str], bool],
        lives: Callable[[str], bool],
        carries: Callable[[str, str], bool] = lambda a, b: True,
        opens: Callable[[str, str], bool] = lambda a, b: True,
    ) -> int:
        """Connections of two speakers of ours of which something is on its way, and attempts toward those that live.

        Those whose packets don't arrive don't count, nor do attempts that security groups drop.
        """
        now = self._clock()
        self._awaited = {key: each for key, each in self._awaited.items() if each.until_s is None or each.until_s > now}
        total = sum(lives(b) and carries(a, b) and opens(a, b) for a, peers in self._attempts.items() for b in peers)
        total += sum(lives(each.pair[1]) and carries(*each.pair) for each in self._awaited.values())
        for speaker, mine in self._ends.items():
            for end in mine.values():
                if not ours(end.peer) or not carries(speaker, end.peer):
                    continue
                far = self._keys.get(end.far_key)
                if far is not None and end.sent != far.read:
                    total += 1
                if not end.closing and (far is None or far.closing):
                    total += 1  # it is not accepted yet, or the far end is gone and its last word is on its way
        return total

    def lingering(self) -> int:
        """Connections that were closed and whose last bytes the far end may not have yet."""
        return sum(end.closing for mine in self._ends.values() for end in mine.values())
