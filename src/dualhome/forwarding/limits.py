"""How much of one kind Azure takes. A network beyond a limit is simulated all the same; who judges a design tells of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dualhome.model import Network

PEERINGS: Final = 500  # of a virtual network, and virtual networks that a route server serves (R28)
USER_ROUTES: Final = 400  # of a route table (R53)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What is beyond a limit: its name, how many there are, and how many there may be."""

    name: str
    count: int
    limit: int


def too_many_peerings(network: Network) -> Iterator[Beyond]:
    """Virtual networks with over 500 peerings (R28)."""
    counted = Counter(peering.local for peering in network.peerings)
    yield from (Beyond(name=name, count=counted[name], limit=PEERINGS) for name in network.virtual_networks if counted[name] > PEERINGS)


def too_many_user_routes(network: Network) -> Iterator[Beyond]:
    """Route tables with over 400 routes (R53)."""
    for table in network.route_tables.values():
        if len(table.routes) > USER_ROUTES:
            yield Beyond(name=table.name, count=len(table.routes), limit=USER_ROUTES)
