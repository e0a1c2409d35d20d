"""What NICs get: from the route server's choice where there is one, else from the gateways themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from dualhome.forwarding.world import Programmed, RibHop
from dualhome.model import Circuit, GatewayKind, Network, VirtualNetworkGateway, base_name
from dualhome.net import Address, Prefix
from dualhome.plan.route_servers import width

Row = tuple[Prefix, tuple[RibHop, ...]]
Table = Callable[[str], Sequence[Row]]
Chosen = tuple[str, tuple[Address, ...]]  # class and next hops


def programmed_by(
    network: Network, virtual_network: str, table: Table, works: Callable[[str], bool], part: int | None
) -> dict[Prefix, Programmed]:
    """By prefix, what the route server and gateways of a virtual network program on NICs; of one instance alone where `part` names it (R73)."""
    rs = network.route_server_of(virtual_network)
    if rs is None:
        return _by_gateways(network, virtual_network, table, works)
    instances = [f"{rs.name}#{i}" for i in (0, 1) if (part is None or i == part) and works(f"{rs.name}#{i}")]
    gateways = _Gateways(network, table)
    found: dict[Prefix, Chosen] = {}
    for instance in instances:
        same: dict[int, Chosen] = {}  # by the one object that the hops of many prefixes are
        for prefix, hops in table(instance):
            chosen = same.get(id(hops))
            if chosen is None:
                chosen = _of_route_server(prefix, hops, gateways)
                if chosen[0] != "er":  # edge routers hang on the prefix as well
                    same[id(hops)] = chosen
            if chosen[1]:
                found[prefix] = _together(found[prefix], chosen) if prefix in found else chosen
    most, listed = width(network, rs), _Listed()
    return {p: Programmed(prefix=p, next_hops=listed[hops[:most]], route_class=kind, by=rs.name) for p, (kind, hops) in found.items()}


class _Listed(dict[tuple[Address, ...], tuple[Address, ...]]):
    """Addresses as a route lists them: in order. Routes of the same share the tuple."""

    def __missing__(self, addresses: tuple[Address, ...]) -> tuple[Address, ...]:
        self[addresses] = listed = tuple(sorted(addresses))
        return listed


def _together(one: Chosen, other: Chosen) -> Chosen:
    """What two instances chose: of different classes the one that counts, of the same all addresses, in the order of the instances."""
    if one == other:
        return one
    if one[0] != other[0]:
        return min(one, other, key=lambda chosen: _rank(chosen[0]))
    return one[0], tuple(dict.fromkeys((*one[1], *other[1])))


def _rank(kind: str) -> int:
    return ("er", "vpn", "nva").index(kind)


def _of_route_server(prefix: Prefix, hops: Sequence[RibHop], gateways: _Gateways) -> Chosen:
    """Class and next hops of what a route server chose: an NVA's as it was announced (R50, R116), a gateway's as NICs see it (R51); never the route server's
    own, through which no packet goes (R161, R167).
    """
    if not hops or hops[0].peer is None:
        return "nva", ()
    by_er = [hop.peer for hop in hops if hop.peer is not None and "class:er" in hop.tags]
    others = dict.fromkeys(gateways.address(hop) for hop in hops if "class:er" not in hop.tags)
    if by_er:
        return "er", (*gateways.edges(prefix, by_er), *others)
    return "vpn" if "class:vpn" in hops[0].tags else "nva", tuple(others)


def _by_gateways(network: Network, virtual_network: str, table: Table, works: Callable[[str], bool]) -> dict[Prefix, Programmed]:
    """Without a route server each gateway programs what it learned; ExpressRoute goes before VPN (R107's default)."""
    gateways = _Gateways(network, table)
    found: dict[Prefix, Programmed] = {}
    for gateway in sorted(network.gateways_of(virtual_network), key=lambda g: g.kind is not GatewayKind.EXPRESSROUTE):
        kind = "er" if gateway.kind is GatewayKind.EXPRESSROUTE else "vpn"
        rows: dict[Prefix, list[str]] = {}
        for instance in _in_service(gateway, works):
            for prefix, hops in table(instance):
                if _from_beyond(hops):
                    rows.setdefault(prefix, []).append(instance)
        for prefix, instances in rows.items():
            if prefix not in found:
                addresses = (
                    gateways.edges(prefix, instances, every=True) if kind == "er" else [_address(gateway, each) for each in instances]
                )
                found[prefix] = Programmed(prefix=prefix, next_hops=tuple(sorted(addresses)), route_class=kind, by=gateway.name)
    return found


def _in_service(gateway: VirtualNetworkGateway, works: Callable[[str], bool]) -> list[str]:
    """Instances that program: both, of a VPN gateway that isn't active-active one at a time (R51)."""
    working = [instance for instance in (f"{gateway.name}#0", f"{gateway.name}#1") if works(instance)]
    return working if gateway.both_work else working[:1]


def _from_beyond(hops: Sequence[RibHop]) -> bool:
    """Learned from a circuit or a site, or static behind one; not the gateway's own space."""
    return bool(hops) and (hops[0].peer is not None or "static" in hops[0].tags)


def _address(gateway: VirtualNetworkGateway, instance: str) -> Address:
    return gateway.addresses[int(instance[-1])]


class _Gateways:
    """Which edge routers the gateways of a virtual network use toward a prefix."""

    def __init__(self, network: Network, table: Table) -> None:
        self._network, self._table = network, table
        self._rows: dict[str, Mapping[Prefix, tuple[RibHop, ...]]] = {}

    def address(self, hop: RibHop) -> Address:
        """A VPN gateway's instance for what it told (R51), an NVA's next hop as it told it (R50, R116)."""
        gateway = self._network.gateways.get(base_name(hop.peer or ""))
        return hop.next_hop if gateway is None or hop.peer is None else _address(gateway, hop.peer)

    def edges(self, prefix: Prefix, instances: Sequence[str], *, every: bool = False) -> list[Address]:
        """Next hops of ExpressRoute as NICs list them (R51): edge routers of every connection that the gateway found equal (R146), but beside a route
        server of one alone, that of the highest weight (R114).
        """
        hops = [
            hop
            for each in dict.fromkeys(instances)
            for hop in self._of(each).get(prefix, ())
            if hop.peer and base_name(hop.peer) in self._network.circuits
        ]
        if every:
            return list(dict.fromkeys(hop.next_hop for hop in hops))
        weights = dict(self._weights(instances))
        circuits = sorted({base_name(hop.peer) for hop in hops if hop.peer}, key=lambda name: (-weights.get(name, 0), name))
        return list(dict.fromkeys(hop.next_hop for hop in hops if hop.peer and base_name(hop.peer) == circuits[0])) if circuits else []

    def _of(self, instance: str) -> Mapping[Prefix, tuple[RibHop, ...]]:
        if instance not in self._rows:
            self._rows[instance] = dict(self._table(instance))
        return self._rows[instance]

    def _weights(self, instances: Sequence[str]) -> Iterator[tuple[str, int]]:
        owners = {base_name(each) for each in instances}
        circuits: list[Circuit] = list(self._network.circuits.values())
        return ((c.name, x.routing_weight) for c in circuits for x in c.gateways if x.gateway in owners)
