"""From resources to a network: all records become one topology, with the names that objects have there.

Whatever clients stored, `world_of` gives a valid topology: what fits into none is left out, with its reason.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dualhome.arm.records import Records
from dualhome.arm.world.draft import Draft, Omission
from dualhome.arm.world.edges import add_circuits, add_connections, add_gateways
from dualhome.arm.world.hubs import add_route_servers
from dualhome.arm.world.machines import add_balancers, add_machines, add_speech
from dualhome.arm.world.spaces import add_groups, add_networks, add_peerings, add_tables
from dualhome.topology import Locator, Topology, change_data, examine, from_data
from dualhome.topology.change import malformed

__all__ = ["Omission", "World", "world_of"]

TRIES = 50  # how often what is wrong is left out before the whole is given up


@dataclass(frozen=True, slots=True)
class World:
    """The network of all resources. `topology` is None where there is no virtual network.

    `nodes`: by a record's key its name in the topology (NICs, VMs, hubs, gateways, circuits, local network gateways, load balancers, virtual networks);
    `sessions`: by a bgpConnection's key the session's, as `spoke-rs/hub1-nva`; `links`: by a
    connection's key what joins its ends, as `hub1-vpn<->branch1`; `down`: names of what is powered off.
    """

    data: dict[str, Any]
    topology: Topology | None
    nodes: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    down: tuple[str, ...] = ()
    omitted: tuple[Omission, ...] = ()


def world_of(records: Records, extra: Mapping[str, Any] | None = None) -> World:
    """The network that records describe; `extra`: a fragment of a topology that is merged into it, as `change` merges."""
    draft = Draft(records)
    add_networks(draft)
    add_peerings(draft)
    add_groups(draft)
    add_machines(draft)
    add_balancers(draft)
    add_tables(draft)
    add_gateways(draft)
    add_route_servers(draft)
    add_circuits(draft)
    add_connections(draft)
    add_speech(draft)
    topology = (_merged(draft, extra) if extra else None) or _valid(draft)
    names = _names(topology)
    nodes = {key: name for key, name in draft.nodes.items() if name.partition(".")[0] in names or name in names}
    sessions = {key: name for key, name in draft.sessions.items() if name.partition("/")[0] in names}
    return World(
        draft.data,
        topology,
        nodes,
        sessions,
        draft.links if topology else {},
        tuple(n for n in draft.down if n in names),
        tuple(draft.omitted),
    )


def _merged(draft: Draft, extra: Mapping[str, Any]) -> Topology | None:
    """The topology with the fragment; None, and the draft as it was, where that makes none."""
    before, omitted = copy.deepcopy(draft.data), len(draft.omitted)
    wrongs = list(malformed(extra))
    if not wrongs:
        draft.data, _ = change_data(draft.data, Locator(), extra, ())
        if (topology := _valid(draft)) is not None or not draft.data.get("virtual_networks"):
            return topology
    why = "; ".join(wrong.text for wrong in wrongs) or draft.omitted[-1].why
    draft.data, draft.omitted = before, draft.omitted[:omitted]
    draft.leave("--with", f"the fragment can't be merged: {why}")
    return None


def _valid(draft: Draft) -> Topology | None:
    """The topology, without what makes it none."""
    for _ in range(TRIES):
        if not draft.data.get("virtual_networks"):
            return None
        network, wrongs = examine(draft.data)
        if network is not None:
            return from_data(draft.data, network, "resources")
        if not draft.drop([(wrong.path, wrong.text) for wrong in wrongs]):
            break
    draft.leave("", "the resources make no valid network: " + "; ".join(wrong.text for wrong in wrongs[:3]))
    return None


def _names(topology: Topology | None) -> set[str]:
    if topology is None:
        return set()
    network = topology.network
    groups: tuple[Mapping[str, object], ...] = (
        network.virtual_networks,
        network.virtual_machines,
        network.nvas,
        network.route_servers,
        network.gateways,
        network.load_balancers,
        network.circuits,
        network.on_premises,
    )
    return {name for group in groups for name in group} | {nic.name for nic in network.nics()}
