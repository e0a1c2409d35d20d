"""Which function does which step of a packet. Each gives the branches: on to another node, delivered, or dropped with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from dualhome.forwarding import fabric, gateways, routers
from dualhome.forwarding.packets import Landed, Move, Packet, Results, Step
from dualhome.forwarding.places import INTERNET
from dualhome.forwarding.world import World


def at_internet(world: World, move: Move, packet: Packet) -> Results:
    """It has arrived."""
    return [Landed(at="internet", end="internet" if packet.destination == INTERNET else str(packet.destination))]


STEPS: Final[Mapping[Step, Callable[[World, Move, Packet], Results]]] = {
    Step.NIC: routers.at_nic,
    Step.LEAVE_NIC: fabric.leave_nic,
    Step.LEAVE_NVA: routers.leave_nva,
    Step.TUNNEL: routers.from_tunnel,
    Step.ROUTER: routers.at_router,
    Step.GATEWAY: gateways.at_gateway,
    Step.EDGE: gateways.at_edge,
    Step.LOAD_BALANCER: routers.at_load_balancer,
    Step.ROUTE_SERVER: routers.at_route_server,
    Step.INTERNET: at_internet,
    Step.FROM_INTERNET: fabric.from_internet,
}


def results_of(world: World, move: Move, packet: Packet) -> Results:
    """What becomes of a packet at the node of this move."""
    if move.then is not None:
        return routers.passed_on(world, move.hop.name, move.then)
    return STEPS[move.step](world, move, packet)
