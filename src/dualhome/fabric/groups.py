"""From effective routes to groups: where the fabric sends what a route takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from dualhome.fabric.numbers import INTERNET_TABLE, Numbers
from dualhome.fabric.ports import INTERNET, Ports, past_gateway
from dualhome.fabric.state import Drop, Group, Hop, Local, Lookup, NextHops, Reason
from dualhome.forwarding.effective import EffectiveRoute
from dualhome.forwarding.fabric import Way, border, through, ways
from dualhome.forwarding.gateways import GatewayWay, way_of
from dualhome.forwarding.packets import PRIVATE
from dualhome.forwarding.places import Owner
from dualhome.forwarding.world import World
from dualhome.model import GatewayKind, base_name
from dualhome.net import DEFAULT_V4, DEFAULT_V6, Prefix

MOST_HOPS: Final = 64  # of a group
REFUSALS: Final[Mapping[str, Reason]] = {"no-route": Reason.NO_ROUTE, "virtual-network-access": Reason.NETWORK_ACCESS}
NOWHERE: Final = Drop(Reason.NO_ROUTE)
Key = tuple[str, str, str, object, str]


class Groups:
    """Remembers what it made while nothing fails and nothing is changed; equal groups are one object."""

    def __init__(self, world: World, numbers: Numbers, ports: Ports) -> None:
        self._world, self._numbers, self._ports = world, numbers, ports
        known = world.memo.get("fabric groups")
        if known is None or known[0] != world.shape() or known[1] is not numbers or known[2] is not ports:
            known = world.memo["fabric groups"] = (world.shape(), numbers, ports, {})
        self._made: dict[Key, Group] = known[3]
        self._same: dict[Group, Group] = world.memo.setdefault("fabric groups that are equal", {})

    def same(self, other: Groups) -> bool:
        """Whether both make the same groups of the same rows."""
        return self._made is other._made

    def of_row(self, home: str, row: EffectiveRoute) -> Group:
        """For a machine's NIC or a route server in a virtual network."""
        key = (home, row.next_hop_type, row.source, row.next_hops, row.via)
        if key not in self._made:
            self._made[key] = self._one(self._of_row(home, row, gateway=False))
        return self._made[key]

    def of_gateway(self, instance: str, row: EffectiveRoute | None) -> Group:
        """For a gateway's instance. What its own table decides comes here only on its way to the sibling."""
        key = (instance, row.next_hop_type, row.source, row.next_hops, row.via) if row else (instance, "", "", (), "")
        if key not in self._made:
            self._made[key] = self._one(self._of_gateway(instance, row))
        return self._made[key]

    def internet(self) -> dict[Prefix, Group]:
        """The Internet's table: private addresses are unknown there."""
        onward = self._one(self._hops([Hop(self._ports.nics[INTERNET].number)] if INTERNET in self._ports.nics else []))
        return {**dict.fromkeys(PRIVATE, self._one(NOWHERE)), DEFAULT_V4: onward, DEFAULT_V6: onward}

    def local(self, place: str) -> Group:
        """To whoever is in this virtual network."""
        return self._one(Local(self._numbers.network(place)))

    def hop(self, owner: Owner, *, own_only: bool = False) -> Hop | None:
        """To the owner of an address; None where the owner has no port."""
        if owner.kind == "load balancer":
            return Hop(balancer=self._numbers.balancer(owner.node), own_only=own_only)
        port = self._ports.nics.get(owner.nic.name if owner.nic else owner.node)
        return Hop(port.number, own_only=own_only) if port else None

    def _one(self, group: Group) -> Group:
        return self._same.setdefault(group, group)

    def _of_gateway(self, instance: str, row: EffectiveRoute | None) -> Group:
        gateway = self._world.network.gateways[base_name(instance)]
        way = way_of(self._world, gateway, row)
        if way is GatewayWay.FABRIC and row is not None:
            return self._of_row(gateway.virtual_network, row, gateway=True)
        if way is GatewayWay.NOWHERE or gateway.kind is not GatewayKind.VPN or not gateway.active_active:
            return NOWHERE
        sibling = self._ports.nics.get(f"{gateway.name}#{1 - int(instance[-1])}")
        return self._hops([Hop(sibling.number)] if sibling else [])

    def _of_row(self, home: str, row: EffectiveRoute, *, gateway: bool) -> Group:
        match row.next_hop_type:
            case "None":
                return NOWHERE
            case "Internet":
                return Lookup(INTERNET_TABLE)
            case "VnetLocal":
                return Local(self._numbers.network(home))
            case "VNetPeering" | "VNetGlobalPeering":
                place = row.via.partition("->")[2]
                judged = border(self._world, home, place, gateway=gateway)
                if isinstance(judged, tuple):
                    return Drop(REFUSALS[judged[0]])
                return Local(self._numbers.network(place), own_only=judged is not None)
            case _:
                return self._next_hops(home, ways(self._world, home, row), gateway=gateway)

    def _next_hops(self, home: str, leading: Iterable[Way], *, gateway: bool) -> Group:
        """To those of the next hops that are there and that peerings let through; else the reason why there is none."""
        hops: list[Hop] = []
        reasons = {Reason.NO_ROUTE}
        for way in leading:
            judged = border(self._world, home, way.place, gateway=gateway) if way.place else None
            if isinstance(judged, tuple):
                reasons.add(REFUSALS[judged[0]])
            elif way.place:
                hops += self._of_way(way, own_only=judged is not None)
        return self._hops(hops) if hops else Drop(max(reasons))

    def _of_way(self, way: Way, *, own_only: bool) -> list[Hop]:
        """FastPath leads past the gateway where the edge router has a port there, else through it."""
        if way.owner is not None:
            hop = self.hop(way.owner, own_only=own_only)
            return [hop] if hop else []
        port = self._ports.nics.get(past_gateway(way.edge, way.place))
        if port is not None:
            return [Hop(port.number, own_only=own_only)]
        circuit = self._world.network.circuits[base_name(way.edge)]
        gateways = [g for g in self._world.network.gateways_of(way.place) if any(x.gateway == g.name for x in circuit.gateways)]
        owners = [each.owner for each in through(self._world, gateways[0])]
        return [hop for owner in owners if owner and (hop := self.hop(owner, own_only=own_only))]

    def _hops(self, hops: Iterable[Hop]) -> Group:
        chosen = tuple(sorted(set(hops)))[:MOST_HOPS]
        return NextHops(chosen) if chosen else NOWHERE
