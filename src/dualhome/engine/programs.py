"""What route servers have programmed: a function of their RIBs, but for delay and damping (R71), and while both instances are dead (D15)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dualhome.forwarding.world import Programmed
from dualhome.model import Programming
from dualhome.net import Prefix
from dualhome.units import Instant, seconds

Table = Mapping[Prefix, Programmed]


class Slow:
    """The NICs of one virtual network whose route server takes its time: what is programmed, and what is on its way."""

    def __init__(self, settings: Programming, first: Table) -> None:
        self.settings = settings
        self.installed: dict[Prefix, Programmed] = dict(first)
        self.due: dict[Prefix, Instant] = {}
        self._last: dict[Prefix, Instant] = {}
        self._wanted: Table = dict(first)

    def want(self, wanted: Table, now: Instant) -> None:
        """The RIBs say this now: each change takes the delay, and a second one to a prefix waits until the damping after the first is over."""
        if wanted is self._wanted:
            return
        for prefix in dict.fromkeys([*wanted, *self._wanted]):
            if wanted.get(prefix) == self._wanted.get(prefix):
                continue
            if wanted.get(prefix) == self.installed.get(prefix):
                self.due.pop(prefix, None)
                continue
            when = Instant(now + seconds(self.settings.delay_s))
            if prefix in self._last:
                when = Instant(max(when, self._last[prefix] + seconds(self.settings.damping_s)))
            self.due[prefix] = when
        self._wanted = wanted

    def tick(self, now: Instant) -> bool:
        """Install what is due; whether anything was."""
        ready = [prefix for prefix, when in self.due.items() if when <= now]
        for prefix in ready:
            del self.due[prefix]
            self._last[prefix] = now
            if prefix in self._wanted:
                self.installed[prefix] = self._wanted[prefix]
            else:
                self.installed.pop(prefix, None)
        if ready:
            self.installed = dict(self.installed)
        return bool(ready)

    def deadline(self) -> Instant | None:
        """When the next change is due."""
        return min(self.due.values(), default=None)


class Programs:
    """What is programmed in each virtual network, kept while nothing that it hangs on changes."""

    def __init__(
        self,
        compute: Callable[[str, int | None], Table],
        versions: Callable[[str], tuple[object, ...]],
        frozen: Callable[[str], bool],
    ) -> None:
        self._compute, self._versions, self._frozen = compute, versions, frozen
        self._known: dict[tuple[str, int | None], tuple[tuple[object, ...], Table]] = {}

    def table(self, virtual_network: str, part: int | None) -> Table:
        """The same object while nothing changed; the last one while nobody programs (D15)."""
        key = (virtual_network, part)
        known = self._known.get(key)
        if known is not None and self._frozen(virtual_network):
            return known[1]
        versions = self._versions(virtual_network)
        if known is None or known[0] != versions:
            fresh = self._compute(virtual_network, part)
            known = (versions, known[1] if known is not None and known[1] == fresh else fresh)
            self._known[key] = known
        return known[1]
