"""Findings about what a file's scenario does to its network, and about what an earlier change has left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dualhome.check.finding import Design, Draft
from dualhome.check.peerings import place
from dualhome.model import GatewayKind
from dualhome.topology.edits import ABSENT, Edit

DAMPING_S = 30


def withdrawn_and_announced(design: Design) -> Iterator[Draft]:
    """L-047: a second change to a prefix within 30 s is held back, and withdrawing and announcing are two (R71)."""
    since: dict[str, float] = {}  # prefixes that are withdrawn, and how long ago
    for step in design.scenario if design.network.route_servers else ():
        value = step.value if isinstance(step.value, Mapping) else {}
        prefixes = [str(prefix) for prefix in value.get("prefixes", ())]
        if step.kind == "settle":
            since = {}
        elif step.kind == "wait_s" and isinstance(step.value, (int, float)):
            since = {prefix: ago + step.value for prefix, ago in since.items() if ago + step.value < DAMPING_S}
        elif step.kind == "withdraw":
            since |= dict.fromkeys(prefixes, 0.0)
        elif step.kind == "announce":
            again = [prefix for prefix in prefixes if prefix in since]
            if again:
                yield Draft(
                    on=str(value.get("node", "")),
                    message=f"machines get {', '.join(again)} some {DAMPING_S} s late: it was withdrawn {since[again[0]]:g} s before, and a second change waits",
                    remedy="announce the new route in place of the old one, without withdrawing it first",
                    rule="R71",
                    where=("scenario", step.index),
                )


def route_server_beside_a_gateway(design: Design) -> Iterator[Draft]:
    """L-048: creating or deleting a route server beside a gateway cuts on-premises off for some ten minutes (R85)."""
    servers = {rs.name: rs.virtual_network for rs in design.network.route_servers.values()}
    gateways = {g.name: (g.virtual_network, g.kind is GatewayKind.VPN) for g in design.network.gateways.values()}
    for index, patch in _changes(design):
        beside = {virtual_network for virtual_network, _ in gateways.values()}
        for name, value in (patch.get("route_servers") or {}).items():
            home = servers.get(name) if value is None else (value or {}).get("virtual_network") if name not in servers else None
            if home in beside:
                what = "deleted" if value is None else "created"
                yield Draft(
                    on=name,
                    message=f"on-premises loses {home} for about ten minutes while {name} is {what}, since {home} has a gateway",
                    remedy="do it in a maintenance window",
                    rule="R85",
                    where=("scenario", index, "change", "route_servers", name),
                )
        _apply(patch, servers, gateways)


def vpn_gateway_after_route_server(design: Design) -> Iterator[Draft]:
    """L-049: in older deployments a VPN gateway that was created after the route server failed, or got no routes (R138)."""
    servers = {rs.name: rs.virtual_network for rs in design.network.route_servers.values()}
    gateways = {g.name: (g.virtual_network, g.kind is GatewayKind.VPN) for g in design.network.gateways.values()}
    for index, patch in _changes(design):
        for name, value in (patch.get("virtual_network_gateways") or {}).items():
            home = (
                value.get("virtual_network") if isinstance(value, Mapping) and value.get("type") == "Vpn" and name not in gateways else None
            )
            if home is not None and home in servers.values():
                yield Draft(
                    on=name,
                    message=f"{name} may fail to be created, or may get no routes: {home} has a route server already",
                    remedy="create gateways first, then the route server",
                    rule="R138",
                    where=("scenario", index, "change", "virtual_network_gateways", name),
                )
        _apply(patch, servers, gateways)


def _changes(design: Design) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return ((step.index, step.value) for step in design.scenario if step.kind == "change" and isinstance(step.value, Mapping))


def _apply(patch: Mapping[str, Any], servers: dict[str, str], gateways: dict[str, tuple[str, bool]]) -> None:
    """What route servers and gateways there are after a change, by virtual network."""
    for name, value in (patch.get("route_servers") or {}).items():
        if value is None:
            servers.pop(name, None)
        elif "virtual_network" in value:
            servers[name] = value["virtual_network"]
    for name, value in (patch.get("virtual_network_gateways") or {}).items():
        if value is None:
            gateways.pop(name, None)
        elif "virtual_network" in value:
            gateways[name] = value["virtual_network"], value.get("type") == "Vpn"


def out_of_sync(design: Design) -> Iterator[Draft]:
    """L-050: a virtual network's new range is not known to its peers until each peering is synced (R16)."""
    network = design.network
    for peering in network.peerings:
        known, ranges = peering.remote_address_space, network.virtual_networks[peering.remote].address_space
        if known is not None and set(known) != set(ranges):
            yield Draft(
                on=peering.name,
                message=f"{peering.local} takes {peering.remote} for {', '.join(map(str, known))}, and it is {', '.join(map(str, ranges))}: the peering is not synced",
                remedy="sync the peering (remote_address_space goes)",
                rule="R16",
                where=place(peering),
                edits=(Edit(path=(*place(peering), "remote_address_space"), value=ABSENT),),
            )
    spaces = {name: {str(p) for p in each.address_space} for name, each in network.virtual_networks.items()}
    for index, patch in _changes(design):
        for name, value in (patch.get("virtual_networks") or {}).items():
            given = value.get("address_space") if isinstance(value, Mapping) else None
            if not given or {*map(str, given)} == spaces.get(name):
                continue
            peers = [peering.name for peering in network.peerings if peering.remote == name]
            spaces[name] = {*map(str, given)}
            if peers and not _synced(patch, peers):
                yield Draft(
                    on=name,
                    message=f"peers of {name} keep its old ranges until each peering is synced ({', '.join(peers)})",
                    remedy="sync the peerings after the change",
                    rule="R16",
                    where=("scenario", index, "change", "virtual_networks", name),
                )


def _synced(patch: Mapping[str, Any], peers: list[str]) -> bool:
    """Whether the same change tells every peer's side of the new ranges."""
    changed = patch.get("peerings") or {}
    return all("remote_address_space" in (changed.get(name) or {}) for name in peers)
