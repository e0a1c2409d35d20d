"""Routes that outlive their sessions: AWS's "persist routes" (`persist_routes_minutes`)."""

from __future__ import annotations

from collections.abc import Mapping

from dualhome.forwarding.world import Programmed
from dualhome.net import Prefix
from dualhome.units import Duration, Instant, after

Table = Mapping[Prefix, Programmed]


class Persistent:
    """What NICs have of one route server that persists routes.

    When its last session has ended they keep what they had. Once one is up again its peers have `time` to announce anew: what they announced by then
    goes before what was kept, and after it what was kept and not announced goes.

    Source: "Amazon VPC User Guide", Step 2: Create a route server (persist routes, persist duration); "Amazon EC2 API Reference", RouteServer,
    persistRoutesDuration: so long it waits after BGP is re-established.
    """

    def __init__(self, time: Duration, first: Table) -> None:
        self.time = time
        self.installed: Table = first
        self._seen: tuple[bool | None, Table] = (None, first)
        self._kept: Table | None = None  # None: nothing is kept, for all has been up and told
        self._until: Instant | None = None  # when what is kept goes; None: while no session is up

    def look(self, up: bool, wanted: Table, now: Instant) -> int:
        """Take in what sessions and RIBs are like now; how many prefixes are others on NICs."""
        if self._seen[0] is up and self._seen[1] is wanted and (self._until is None or now < self._until):
            return 0
        self._seen = (up, wanted)
        if not up:
            if self._kept is None or self._until is not None:
                self._kept, self._until = self.installed, None
        elif self._kept is not None:
            self._until = after(now, self.time) if self._until is None else self._until
            if self._until <= now:
                self._kept = self._until = None
        before = self.installed
        fresh: Table = wanted if self._kept is None else {**self._kept, **wanted}
        if fresh == before:
            return 0
        self.installed = fresh
        return sum(1 for prefix in dict.fromkeys([*before, *fresh]) if before.get(prefix) != fresh.get(prefix))

    def deadline(self) -> Instant | None:
        """When what is kept goes."""
        return self._until
