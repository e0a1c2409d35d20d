"""Best paths from a RIB to a kernel's table: what changed since the last time, or all where most of it did or something went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dualhome._core import Rib, Route
from dualhome.live.route_server.programming import Programming
from dualhome.net import Address, Prefix

SHARE: Final = 8
"""One of so many prefixes changed: then the whole table is compared, for a group that is rewritten takes all its routes along by one write."""


@dataclass(slots=True)
class Follower:
    """Keeps one table beside one RIB; only it asks this RIB for its changes."""

    program: Programming
    _rib: Rib | None = None  # whose changes are recorded, and whose best paths were written without a fault

    def follow(self, rib: Rib) -> int:
        """Write what changed; how many elements were written.

        Raises:
            SystemRefused: the kernel refuses something; the next call writes all.
        """
        known, self._rib = self._rib, None
        changed = rib.changes()
        everything = known is not rib or self.program.unresolved > 0 or self.program.crowded
        if everything or len(changed) * SHARE > rib.statistics()["prefixes"]:
            best = {Prefix(*prefix): tuple(hop for hop, peer, _ in hops if peer >= 0) for prefix, hops in rib.best()}
            writes = self.program.write({prefix: hops for prefix, hops in best.items() if hops})
        else:
            writes = self.program.change({Prefix(*prefix): hops(rib.candidates(prefix)) for prefix in changed})
        self._rib = rib
        return writes


def hops(candidates: list[Route]) -> tuple[str, ...]:
    """The next hops that are used of a prefix's paths: the best one's, then the others' in order; the speaker's own routes need none."""
    used = [route for route in candidates if route.multipath or route.best]
    others = sorted((route for route in used if not route.best), key=lambda route: Address.parse(route.next_hop))
    return tuple(route.next_hop for route in [*(each for each in used if each.best), *others] if route.peer >= 0)
