"""Built-in speakers in processes of their own (`dualhome up --isolate`): one that dies, or is killed, takes no other with it.

To the network this is what `Transports` is where all speakers share its process. A process that ends by itself has a successor after `AGAIN_S`; one that has
ended `MOST_ENDS` times within `ENDS_S` stays away until its node is restored.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from dualhome._core import Namespace
from dualhome.bgp.config import SpeakerConfig
from dualhome.engine import events
from dualhome.live.clock import Clock
from dualhome.live.endpoints import Side
from dualhome.live.forks import Forks
from dualhome.live.ledger import Ledger
from dualhome.live.place import Place
from dualhome.live.replica import Replica
from dualhome.live.speaker_handle import SpeakerProcess
from dualhome.net import Address

AGAIN_S: Final = 1.0
MOST_ENDS: Final = 5
ENDS_S: Final = 60.0
END_S: Final = 0.2  # for processes to end when the network does, which has waited for their last words

Listen = tuple[str, Address, str | None]  # namespace, address, device


class Isolation:
    """All of them. `give` takes events for the engine."""

    def __init__(self, place: Place, clock: Clock, give: Callable[[events.Event], None], loop: asyncio.AbstractEventLoop) -> None:
        self.clock, self.give, self.loop = clock, give, loop
        self.forks: Final = Forks(place)
        self.ledger: Final = Ledger(loop.time)
        self._processes: dict[str, SpeakerProcess] = {}
        self._sides: dict[str, dict[str, Side]] = {}
        self._listens: dict[str, list[Listen]] = {}
        self._namespaces: dict[str, str] = {}
        self._ends: dict[str, deque[float]] = {}
        self._again: dict[str, asyncio.TimerHandle] = {}
        self._closing = False

    def make(self, config: SpeakerConfig, seed: int | None, _: Callable[[str], bool]) -> Replica:
        """A speaker for the engine, whose process begins when it starts."""
        name = config.name
        if name in self._processes:
            self._processes[name].kill()
        process = self._processes[name] = SpeakerProcess(self, name, seed)
        process.replica = Replica(config, seed, process)
        return process.replica

    def pids(self) -> dict[str, int | None]:
        """Their processes, by speaker; None where it has none."""
        return {name: each.fork.pid if each.fork is not None else None for name, each in self._processes.items()}

    # --- what the network tells it ------------------------------------------------------------------------------------

    def know(self, sides: Mapping[tuple[str, str], Side], namespaces: Mapping[str, str]) -> None:
        """Where speakers are by now, and their peers."""
        mine: dict[str, dict[str, Side]] = {}
        for (name, peer), side in sides.items():
            mine.setdefault(name, {})[peer] = side
        old, self._sides = self._sides, mine
        stayed, self._namespaces = self._namespaces, dict(namespaces)
        for name, process in self._processes.items():
            if name in mine and name in namespaces and (mine[name] != old.get(name) or name not in stayed):
                process.tell("where", namespaces[name], mine[name])

    def listen(self, speaker: str, namespace: Namespace, address: Address, *, device: str | None = None) -> None:
        """Have a speaker accept connections, in each of its lives."""
        each = (namespace.path, address, device)
        self._listens.setdefault(speaker, []).append(each)
        if speaker in self._processes:
            self._processes[speaker].tell("listen", address, device)

    def settle_in(self, name: str, process: SpeakerProcess) -> None:
        """A process has begun: where it is."""
        if name in self._namespaces:
            process.tell("where", self._namespaces[name], self._sides.get(name, {}))
        for _, address, device in self._listens.get(name, ()):
            process.tell("listen", address, device)

    def release(self) -> None:
        """Let those start that wait for each other, once all of them listen."""
        waiting = [each for each in self._processes.values() if each.held]
        if all(each.listens for each in waiting):
            for each in waiting:
                each.release()

    def deafen(self, speaker: str) -> None:
        """Its node is gone, or will be made anew: end its listeners."""
        self._listens.pop(speaker, None)
        self._namespaces.pop(speaker, None)
        if speaker in self._processes:
            self._processes[speaker].tell("deafen")

    def keep(self, speakers: Iterable[str]) -> None:
        """Of all others the processes end, when they have said goodbye."""
        kept = set(speakers)
        for name in [name for name in self._processes if name not in kept]:
            self._processes.pop(name).retire()
            self._ends.pop(name, None)

    def perform(self, effect: events.Effect) -> None:
        """What the engine asks that its doubles don't do: connections vanish, or are cut."""
        match effect:
            case events.Cut(a=a, b=b):
                for one, other in ((a, b), (b, a)):
                    if one in self._processes:
                        self._processes[one].tell("cut", other)
            case events.Vanish(speaker=name) if name in self._processes:
                self._processes[name].tell("vanish")
            case _:
                pass

    def compare(self) -> None:
        """Have every double compare itself with its speaker, as both are at the same point of the story."""
        for process in self._processes.values():
            process.tell("compare")

    def compared(self) -> dict[str, tuple[int, int]]:
        """By speaker how often they were compared, and how often they differed."""
        return {name: (each.replica.compared, each.replica.differs) for name, each in self._processes.items()}

    def writable(self, speaker: str, peer: str) -> bool:
        """Its process knows."""
        return True

    # --- ends ---------------------------------------------------------------------------------------------------------

    def ended(self, name: str, pid: int) -> None:
        """The process of a speaker ended by itself."""
        if self._closing or name not in self._processes:
            return
        now = self.loop.time()
        ends = self._ends.setdefault(name, deque(maxlen=MOST_ENDS))
        often = len(ends) == MOST_ENDS and now - ends[0] < ENDS_S
        ends.append(now)
        if often:
            then = f"more than {MOST_ENDS} did within {ENDS_S:g} s, so it stays away until `dualhome restore {name}`"
            ends.clear()
        else:
            then = f"another starts in {AGAIN_S:g} s"
            self._again[name] = self.loop.call_later(AGAIN_S, partial(self._begin_again, name))
        self.give(events.Ended(name, f"process {pid} {self.forks.ended(pid)}; {then}"))

    def _begin_again(self, name: str) -> None:
        del self._again[name]
        self.give(events.Again(name))

    # --- rest ---------------------------------------------------------------------------------------------------------

    def in_flight(
        self, carries: Callable[[str, str], bool] = lambda a, b: True, opens: Callable[[str, str], bool] = lambda a, b: True
    ) -> int:
        """As of `Transports`: what is on its way between speakers, and between them and their doubles."""
        total = len(self._again) + sum(each.behind + each.replica.behind for each in self._processes.values() if each.fork)
        return total or self.ledger.in_flight(self._processes.__contains__, self._lives, carries, opens)

    def _lives(self, name: str) -> bool:
        return name in self._processes and self._processes[name].fork is not None

    @property
    def lingering(self) -> int:
        """What still has to be done and heard before all can be closed."""
        return sum(each.behind for each in self._processes.values()) + self.ledger.lingering()

    def close(self) -> None:
        """End all processes."""
        self._closing = True
        for timer in self._again.values():
            timer.cancel()
        forks = [each.fork for each in self._processes.values() if each.fork is not None]
        for process in self._processes.values():
            process.retire()
        end = self.loop.time() + END_S
        for fork in forks:
            if not fork.wait(max(0.0, end - self.loop.time())):
                fork.kill()
        for process in self._processes.values():
            process.kill()
        self.forks.close()
