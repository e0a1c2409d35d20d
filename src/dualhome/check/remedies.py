"""Remedies that several findings share, as edits."""

from __future__ import annotations

from collections.abc import Mapping

from dualhome.model import Network
from dualhome.topology.edits import END, Edit


def users_of(network: Network, table: str) -> list[str]:
    """Subnets that use a route table, by key."""
    return [s.key for each in network.virtual_networks.values() for s in each.subnets.values() if s.route_table == table]


def with_routes(network: Network, subnet: str, *routes: Mapping[str, object]) -> tuple[Edit, ...]:
    """User-defined routes for one subnet: in its route table, in a new one where it has none; () where others use that table too."""
    table = network.subnet(subnet).route_table
    if table is not None:
        if len(users_of(network, table)) > 1:
            return ()
        return tuple(Edit(path=("route_tables", table, "routes", END), value=dict(route)) for route in routes)
    home, _, name = subnet.partition("/")
    new = f"{home}-{name.lower()}"
    while new in network.route_tables:
        new += "-x"
    return (
        Edit(path=("route_tables", new), value={"routes": [dict(route) for route in routes]}),
        Edit(path=("virtual_networks", home, "subnets", name, "route_table"), value=new),
    )


def flag(peering: str, name: str, value: bool) -> Edit:
    """A flag of one direction of a peering."""
    return Edit(path=("peerings", peering, name), value=value)
