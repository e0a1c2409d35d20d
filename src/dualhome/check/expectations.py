"""Findings about what the file expects of its network, by intents or by the first steps of its scenario, and Azure will not do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dualhome.check.finding import Design, Draft, Path
from dualhome.errors import RequestError
from dualhome.forwarding.trace import paths
from dualhome.model import GatewayKind, Network, Nic, VirtualNetworkGateway
from dualhome.net import Address

BY_SYSTEM = ("VnetLocal", "VNetPeering", "VNetGlobalPeering")
CHANGING = ("fail", "restore", "announce", "withdraw", "change")


@dataclass(frozen=True, slots=True)
class Wish:
    """That packets get from one end to the other, by way of all or one of these NVAs."""

    source: str
    target: str
    nvas: tuple[str, ...]
    where: Path


def wishes(design: Design) -> Iterator[Wish]:
    """What intents say, and what the scenario expects of paths before anything happens."""
    for index, intent in enumerate(design.network.intents):
        yield from _wish(design.network, intent.data, ("intents", index))
    for step in design.scenario:
        if step.kind in CHANGING:
            return
        listed = step.value.get("path") if step.kind == "expect" and isinstance(step.value, Mapping) else None
        for index, item in enumerate(listed if isinstance(listed, list) else []):
            yield from _wish(design.network, item, ("scenario", step.index, "expect", "path", index))


def _wish(network: Network, item: Mapping[str, object], where: Path) -> Iterator[Wish]:
    source, target = item.get("from"), item.get("to")
    if isinstance(source, str) and isinstance(target, str) and item.get("outcome", "delivered") == "delivered":
        named = [name for key in ("via", "spread_over") for name in _words(item.get(key))]
        yield Wish(source, target, tuple(name for name in named if name in network.nvas and name not in (source, target)), where)


def _words(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in value] if isinstance(value, (list, tuple)) else []


def steered_by_bgp(design: Design) -> Iterator[Draft]:
    """L-020: within a virtual network and between peered ones system routes win, whatever a route server programs (R56, R58)."""
    for wish, nic, kind in _unsteered(design):
        if not _from_its_hub(design.network, wish, nic, kind):
            near = "of its own virtual network" if kind == "VnetLocal" else "of a peered virtual network"
            yield Draft(
                on=wish.source,
                message=f"packets of {wish.source} to {wish.target} do not go by {', '.join(wish.nvas)}: the system route {near} ({kind}) wins over BGP",
                remedy=f"lead them there by a user-defined route in the route table of {nic.subnet}, or by a load balancer",
                rule="R56, R58",
                where=wish.where,
            )


def past_the_hubs_nva(design: Design) -> Iterator[Draft]:
    """L-052: a hub's machine reaches the spoke by the peering, and not by the hub's NVA that announces the spoke's prefix (R24, R56)."""
    for wish, nic, kind in _unsteered(design):
        if _from_its_hub(design.network, wish, nic, kind):
            yield Draft(
                on=wish.source,
                message=f"packets of {wish.source} to {wish.target} go by the peering and not by {', '.join(wish.nvas)}: {kind} wins over BGP",
                remedy=f"give {nic.subnet} a route table that leads to {wish.nvas[0]}",
                rule="R56",
                where=wish.where,
            )


def _unsteered(design: Design) -> Iterator[tuple[Wish, Nic, str]]:
    """Wishes for an NVA between two machines where the first one's NIC goes by a system route."""
    for wish in wishes(design) if design.facts else ():
        nic = design.network.nic(wish.source)
        target = _address(design.network, wish.target)
        if nic is None or target is None or not wish.nvas:
            continue
        best = design.routes(nic.name).select(target)
        if best is not None and best.source == "Default" and best.next_hop_type in BY_SYSTEM:
            yield wish, nic, best.next_hop_type


def _address(network: Network, name: str) -> Address | None:
    nic = network.nic(name)
    if nic is not None:
        return nic.address
    try:
        return Address.parse(name)
    except ValueError:
        return None


def _from_its_hub(network: Network, wish: Wish, nic: Nic, kind: str) -> bool:
    """Whether it is about a peered spoke, and about NVAs in the machine's own virtual network."""
    return kind != "VnetLocal" and all(network.nvas[name].virtual_network == nic.virtual_network for name in wish.nvas)


def between_circuits(design: Design) -> Iterator[Draft]:
    """L-035: neither route server nor gateway carries from circuit to circuit; Global Reach does (R131)."""
    network = design.network
    for wish in wishes(design) if design.facts else ():
        near, far = (_circuits(network, end) for end in (wish.source, wish.target))
        if not near or not far or set(near) & set(far) or _joined(network, near, far):
            continue
        if not _arrives(design, wish):
            yield Draft(
                on=wish.source,
                message=f"nothing gets from {wish.source} to {wish.target}: route servers and gateways do not carry from {near[0]} to {far[0]}",
                remedy=f"join {near[0]} and {far[0]} by Global Reach",
                rule="R131",
                where=wish.where,
            )


def _circuits(network: Network, name: str) -> list[str]:
    """Circuits that an on-premises router or a host behind it is at."""
    routers = {name} if name in network.on_premises else set(network.hosts().get(name, (None, ()))[1])
    return [circuit.name for circuit in network.circuits.values() if routers & {*circuit.provider_edge}]


def _joined(network: Network, near: list[str], far: list[str]) -> bool:
    return any(b in network.circuits[a].global_reach or a in network.circuits[b].global_reach for a in near for b in far)


def _arrives(design: Design, wish: Wish) -> bool:
    assert design.facts is not None
    try:
        return any(path.outcome == "delivered" for path in paths(design.facts.engine, wish.source, wish.target))
    except RequestError:
        return False


def clients_over_expressroute(design: Design) -> Iterator[Draft]:
    """L-036: ExpressRoute does not learn of the clients of a point-to-site gateway, branch-to-branch or not (D8)."""
    network = design.network
    if network.quirks.point_to_site_transit:
        return
    for gateway in (g for g in network.gateways.values() if g.point_to_site):
        beside = [g for g in network.gateways_of(gateway.virtual_network) if g.kind is GatewayKind.EXPRESSROUTE]
        rs = network.route_server_of(gateway.virtual_network)
        wish = next((w for w in wishes(design) if _is_of_clients(network, gateway, w)), None)
        if (beside and rs is not None and rs.branch_to_branch) or wish is not None:
            yield Draft(
                on=gateway.name,
                message=f"clients of {gateway.name} ({gateway.point_to_site[0]}) and what is behind ExpressRoute do not reach each other: no route server tells either",
                remedy="let clients dial in on premises, or translate their addresses at an NVA",
                rule="D8",
                where=("virtual_network_gateways", gateway.name) if wish is None else wish.where,
            )


def _is_of_clients(network: Network, gateway: VirtualNetworkGateway, wish: Wish) -> bool:
    """Whether one end is an address of the pool, and the other behind a circuit."""
    for client, other in ((wish.source, wish.target), (wish.target, wish.source)):
        address = _address(network, client)
        if address is not None and any(pool.covers(address.host_prefix) for pool in gateway.point_to_site) and _circuits(network, other):
            return True
    return False
