"""How much of one kind Azure takes. A network beyond a limit is simulated all the same; who judges a design tells of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dualhome.model import Network, RouteServer

PEERINGS: Final = 500  # of a virtual network (R28)
VIRTUAL_NETWORKS: Final = 500  # that a route server serves (R28)
MACHINES_A_UNIT: Final = 1000  # that each routing infrastructure unit beyond two adds (R90)
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


def too_many_virtual_networks(network: Network) -> Iterator[Beyond]:
    """Route servers with over 500 virtual networks, their own and those peered with it (R28)."""
    for server in network.route_servers.values():
        count = 1 + sum(1 for _ in network.connected(server.virtual_network))
        if count > VIRTUAL_NETWORKS:
            yield Beyond(name=server.name, count=count, limit=VIRTUAL_NETWORKS)


def too_many_machines(network: Network) -> Iterator[Beyond]:
    """Route servers with more machines than their units serve (R90, D6)."""
    for name, count in machines_served(network).items():
        limit = machines_by_units(network, network.route_servers[name])
        if count > limit:
            yield Beyond(name=name, count=count, limit=limit)


def machines_served(network: Network) -> Mapping[str, int]:
    """By route server, the machines of its virtual network and of those peered with it, NVAs too (R90, section 4.2)."""
    at: dict[str, set[str]] = {}
    for nic in network.nics():
        at.setdefault(nic.virtual_network, set()).add(nic.machine)
    found: dict[str, int] = {}
    for server in network.route_servers.values():
        places = (server.virtual_network, *(peering.remote for peering in network.connected(server.virtual_network)))
        found[server.name] = len(set().union(*(at.get(place, set()) for place in places)))
    return found


def machines_by_units(network: Network, server: RouteServer) -> int:
    """Machines that a route server's units serve: 4,000 by two (D6), 1,000 more by each further one (R90)."""
    return network.quirks.virtual_machines_at_two_units + MACHINES_A_UNIT * (server.routing_infrastructure_units - 2)


def too_many_user_routes(network: Network) -> Iterator[Beyond]:
    """Route tables with over 400 routes (R53)."""
    for table in network.route_tables.values():
        if len(table.routes) > USER_ROUTES:
            yield Beyond(name=table.name, count=len(table.routes), limit=USER_ROUTES)
