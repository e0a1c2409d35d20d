"""Findings that hold of Azure's route servers alone: what `behaves_like` says is of another maker is not judged by them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from dualhome.check.finding import Design
from dualhome.model import PERSONALITIES, ROUTE_SERVER_SUBNET, VirtualNetwork

OF_AZURE: Final = frozenset(["L-001", "L-002", "L-016", "L-017", "L-018", "L-039", "L-040", "L-044", "L-045"])
"""Instances that share the machines (R73), ASNs of peers (R79), the subnet (R5 to R8), IPv6 (R17), Virtual WAN (R86), route maps (R120 to R125)."""


def azures_alone(design: Design) -> Design:
    """The design as these findings see it: without other makers' route servers and their subnets; the same one where there are none."""
    network = design.network
    others = [rs for rs in network.route_servers.values() if not PERSONALITIES[rs.behaves_like].has_azures_rules]
    if not others:
        return design
    names, places = {rs.name for rs in others}, {rs.virtual_network for rs in others}

    def bare(virtual_network: VirtualNetwork) -> VirtualNetwork:
        kept = {name: subnet for name, subnet in virtual_network.subnets.items() if name != ROUTE_SERVER_SUBNET}
        return replace(virtual_network, subnets=kept)

    azures = replace(
        network,
        route_servers={name: rs for name, rs in network.route_servers.items() if name not in names},
        virtual_networks={name: bare(each) if name in places else each for name, each in network.virtual_networks.items()},
    )
    return replace(design, network=azures)
