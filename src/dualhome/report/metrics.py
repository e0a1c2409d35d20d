"""Metrics of route servers under Azure Monitor's names (section 10.4 of the rules), namespace microsoft.network/virtualhubs.

VirtualHubDataProcessed is not among them: of a route server it means nothing (L-054).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dualhome.forwarding.limits import machines_by_units, machines_served
from dualhome.report.azure import ESTABLISHED, role
from dualhome.report.tables import light

if TYPE_CHECKING:
    from rich.table import Table

    from dualhome.engine.views import SessionView
    from dualhome.model import Network, RouteServer

NAMES: Final = {
    "BgpPeerStatus": "BGP Peer Status",
    "CountOfRoutesAdvertisedToPeer": "Count Of Routes Advertised To Peer",
    "CountOfRoutesLearnedFromPeer": "Count Of Routes Learned From Peer",
    "RoutingInfrastructureUnits": "Routing Infrastructure Units",
    "SpokeVMUtilization": "Spoke VM Utilization",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One value of a metric, as it is now. All are aggregated by their maximum."""

    resource: str
    name: str
    value: float
    unit: str = "Count"
    dimensions: dict[str, str] = field(default_factory=dict)


def of_route_server(
    network: Network, server: RouteServer, sessions: Sequence[SessionView], told: Callable[[SessionView], int]
) -> Iterator[Metric]:
    """Of each session status and routes, then units, and how many virtual machines they serve of those that they can. `told`: how many routes it tells.

    Dimensions are Azure's; of `bgppeertype` no document gives the words.
    """
    for view in sessions:
        up = view.state == ESTABLISHED
        values = (int(up), told(view) if up else 0, view.routes_learned)
        dimensions = {"routeserviceinstance": role(view.speaker), "bgppeerip": view.peer_address, "bgppeertype": _type(network, view.peer)}
        for name, value in zip(list(NAMES)[:3], values, strict=True):
            yield Metric(resource=server.name, name=name, value=value, dimensions=dimensions)
    yield Metric(resource=server.name, name="RoutingInfrastructureUnits", value=server.routing_infrastructure_units)
    share = 100 * machines_served(network)[server.name] / machines_by_units(network, server)
    yield Metric(resource=server.name, name="SpokeVMUtilization", value=round(share, 2), unit="Percent")


def _type(network: Network, peer: str) -> str:
    gateway = network.gateways.get(peer.partition("#")[0])
    return "NVA" if gateway is None else f"{gateway.kind}Gateway"


def table(rows: Sequence[Metric]) -> Table:
    """For a terminal: a row for each value; `rs#0/10.1.2.4` is a session of instance 0."""
    found = light("metric", "of", "type", "value")
    for row in rows:
        instance, peer = (row.dimensions.get(key, "") for key in ("routeserviceinstance", "bgppeerip"))
        of = f"{row.resource}#{instance[-1]}/{peer}" if instance else row.resource
        found.add_row(row.name, of, row.dimensions.get("bgppeertype", ""), f"{row.value:g}" + (" %" if row.unit == "Percent" else ""))
    return found
