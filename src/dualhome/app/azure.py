"""What Azure would answer about a network, by name: which objects Azure has an answer for, and in which shape (`report.azure`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dualhome.app.questions import hint
from dualhome.errors import RequestError
from dualhome.model import Network, base_name
from dualhome.report import azure
from dualhome.report.azure import Data
from dualhome.report.metrics import Metric, of_route_server

if TYPE_CHECKING:
    from dualhome.app.live import LiveRun
    from dualhome.app.run import Run
    from dualhome.engine.views import SessionView


def effective_routes(run: Run | LiveRun, nic: str) -> Data:
    """Of a NIC (R192)."""
    return azure.effective_routes(run.effective_routes(nic))


def learned(run: Run | LiveRun, session: str) -> Data:
    """What a route server or a gateway learned of a peer (R189, R193)."""
    owner, _ = _asked(run.network, session)
    if owner in run.network.route_servers:
        return azure.peer_learned(run.learned(session), run.sessions(session))
    views = run.sessions(session)
    return azure.gateway_learned(run.learned(session), views, {view.speaker: view.local_address for view in views})


def advertised(run: Run | LiveRun, session: str) -> Data:
    """What a route server or a gateway tells a peer (R189, R193)."""
    owner, _ = _asked(run.network, session)
    shape = azure.peer_advertised if owner in run.network.route_servers else azure.gateway_advertised
    return shape(run.advertised(session), run.sessions(session))


def speaker(run: Run | LiveRun, name: str) -> Data | list[Data]:
    """What Azure tells of a speaker: a route server's connections (R191), a gateway's routes (R193), those of a circuit's path (R194).

    Raises:
        RequestError: it is none of Azure's own, or a circuit without its path.
    """
    network, base = run.network, base_name(name)
    if base in network.route_servers:
        return azure.peerings(network.route_servers[base], run.sessions(name))
    if base in network.gateways:
        own = {f"{base}#{i}": str(address) for i, address in enumerate(network.gateways[base].addresses)}
        return azure.gateway_learned(run.table(name), run.sessions(name), own)
    return azure.circuit_routes(run.table(_path(network, name)))


def peers(run: Run | LiveRun, name: str) -> Data | list[Data]:
    """The state of a speaker's sessions: `peering list`, `list-bgp-peer-status`, or a circuit's summary (R191, R193, R194)."""
    network, base = run.network, base_name(name)
    if base in network.route_servers:
        return speaker(run, name)
    if base in network.gateways:
        return azure.gateway_peers(run.sessions(name), run.now_s)
    return azure.circuit_peers(run.sessions(_path(network, name)), run.now_s)


def metrics(run: Run | LiveRun, name: str | None = None) -> list[Metric]:
    """Of one route server, or of all."""
    servers = run.network.route_servers
    if name is not None and name not in servers:
        raise RequestError(f"no route server {name!r}{hint(name, servers)}")

    def told(view: SessionView) -> int:
        return len(run.advertised(f"{view.speaker}/{view.peer}"))

    return [
        metric
        for server in (servers.values() if name is None else [servers[name]])
        for metric in of_route_server(run.network, server, run.sessions(server.name), told)
    ]


def _path(network: Network, name: str) -> str:
    """A circuit's primary or secondary path, as `circuit1#0`."""
    base = base_name(name)
    if base not in network.circuits:
        known = (*network.route_servers, *network.gateways, *network.circuits)
        raise RequestError(f"Azure tells nothing of {name!r}: --azure is of route servers, gateways and circuits{hint(name, known)}")
    if "#" not in name:
        raise RequestError(f"a circuit has two paths: ask for {name}#0, the primary one, or {name}#1")
    return name


def _asked(network: Network, session: str) -> tuple[str, str]:
    """Owner and peer of `spoke-rs/hub1-nva`; a route server's peer is the name of its BGP connection, and gateways are none (R129, R190)."""
    own, _, peer = session.partition("/")
    owner = base_name(own)
    server = network.route_servers.get(owner)
    if server is None and owner not in network.gateways:
        known: Sequence[str] = (*network.route_servers, *network.gateways)
        raise RequestError(f"Azure tells no routes of {own!r}: --azure is of route servers and gateways{hint(own, known)}")
    if server is not None and peer not in (connections := [each.name for each in server.peers]):
        raise RequestError(f"{owner!r} has no BGP connection {peer!r}{hint(peer, connections)}")
    return owner, peer
