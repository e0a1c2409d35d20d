"""One speaker's process from the network's side: orders to it, and what it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dualhome.bgp.config import SpeakerConfig
from dualhome.engine import events
from dualhome.live.channel import Channel
from dualhome.live.forks import Fork
from dualhome.live.ledger import Told
from dualhome.live.replica import Replica
from dualhome.live.replication import Entry

if TYPE_CHECKING:
    from dualhome.live.isolation import Isolation


class SpeakerProcess:
    """One speaker's process, or none; orders to it, what it tells."""

    def __init__(self, all_of_them: Isolation, name: str, seed: int | None) -> None:
        self._all, self._name, self._seed = all_of_them, name, seed
        self.replica: Replica
        self.fork: Fork | None = None
        self._channel: Channel | None = None
        self._ordered = self._done = 0
        self._held: list[tuple[str, tuple[Any, ...]]] | None = None  # orders that wait until all listen that start at the same time
        self._retired = False

    @property
    def behind(self) -> int:
        """Orders that it hasn't done yet."""
        return self._ordered - self._done + len(self._held or ()) if self.fork is not None else 0

    @property
    def held(self) -> bool:
        """Whether it waits for others."""
        return self._held is not None

    @property
    def listens(self) -> bool:
        """Whether all that it was told before it was held is done."""
        return self._ordered == self._done

    def begin(self, config: SpeakerConfig) -> None:
        """A fresh one."""
        self.kill()
        self.fork, end = self._all.forks.fork(self._name)
        self._channel = Channel(end, self._hear, lambda: None, self._all.loop)
        self._all.loop.add_reader(self.fork.descriptor, self._ended)
        self._ordered = self._done = 0
        self._held = None
        self.tell("begin", config, self._seed, self._all.clock)
        self._all.settle_in(self._name, self)
        self._held = []

    def order(self, what: str, config: SpeakerConfig | None = None) -> None:
        """Have it do something with its speaker."""
        self.tell(what, *(() if config is None else (config,)))

    def tell(self, what: str, *arguments: Any) -> None:
        """Any order; nothing where it doesn't live."""
        if self._held is not None:
            self._held.append((what, arguments))
        elif self._channel is not None:
            self._ordered += 1
            self._channel.send((self._ordered, what, arguments))

    def release(self) -> None:
        """It waits no more."""
        held, self._held = self._held, None
        for what, arguments in held or ():
            self.tell(what, *arguments)

    def retire(self) -> None:
        """Have it say goodbye and end; nothing it tells counts any more."""
        self._held = None
        self.tell("end")
        self._retired = True
        self._all.ledger.forget(self._name)

    def kill(self) -> None:
        """End it, and hear what it told before."""
        if self.fork is not None:
            self.fork.kill()
            self._forget()

    def _forget(self) -> int:
        assert self.fork is not None, "there is one"
        assert self._channel is not None, "it has one"
        self._channel.drain()
        self._channel.close()
        self._all.loop.remove_reader(self.fork.descriptor)
        self.fork.close()
        pid, self.fork, self._channel, self._held = self.fork.pid, None, None, None
        if not self._retired:
            self._all.ledger.forget(self._name)
        self._all.release()
        return pid

    def _ended(self) -> None:
        """It did so by itself."""
        pid = self._forget()
        if not self._retired:
            self._all.ended(self._name, pid)

    def _hear(self, message: tuple[tuple[Entry, ...], Told, int]) -> None:
        if self._retired:
            return
        entries, told, self._done = message
        for entry in entries:
            self.replica.hear(entry)
        self._all.ledger.tell(self._name, told)
        if entries:
            self._all.give(events.Ready(self._name))
        if self._held is not None:
            self._all.release()
