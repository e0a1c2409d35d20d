"""A world of dictionaries, and networks in a few words: what forwarding is asked about, without an engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dualhome.forwarding.effective import EffectiveRoute, effective_routes
from dualhome.forwarding.security import answers_probes
from dualhome.forwarding.trace import Path, paths, replies
from dualhome.forwarding.world import Programmed, RibHop
from dualhome.model import (
    Circuit,
    Connection,
    GatewayKind,
    LoadBalancer,
    Network,
    Nic,
    Peering,
    Router,
    RouterKind,
    RouteServer,
    RouteTable,
    Subnet,
    UserRoute,
    VirtualMachine,
    VirtualNetwork,
    VirtualNetworkGateway,
)
from dualhome.net import Address, Prefix

A = Address.parse
P = Prefix.parse


@dataclass(kw_only=True)
class FakeWorld:
    """What a test says of the present: nothing programmed, nothing in RIBs, all alive, unless told."""

    network: Network
    programs: Mapping[str, Mapping[Prefix, Programmed]] = field(default_factory=dict)  # by virtual network, or NIC
    ribs: Mapping[str, Mapping[Prefix, tuple[RibHop, ...]]] = field(default_factory=dict)
    dead: frozenset[str] = frozenset()
    failed: frozenset[frozenset[str]] = frozenset()
    memo: dict[object, Any] = field(default_factory=dict)

    def alive(self, node: str) -> bool:
        return node not in self.dead

    def healthy(self, balancer: str, machine: str) -> bool:
        return any(nic.machine == machine and answers_probes(self, nic) for nic in self.network.nics())

    def in_service(self, instance: str) -> bool:
        return True

    def joined(self, a: str, b: str) -> bool:
        return frozenset((a.partition("#")[0], b.partition("#")[0])) not in self.failed and frozenset((a, b)) not in self.failed

    def programmed(self, virtual_network: str, nic: str | None) -> Mapping[Prefix, Programmed]:
        return self.programs.get(nic or "", {}) or self.programs.get(virtual_network, {})

    def rib(self, speaker: str, address: Address) -> tuple[Prefix, tuple[RibHop, ...]] | None:
        fitting = [prefix for prefix in self.ribs.get(speaker, {}) if prefix.covers(address)]
        best = max(fitting, key=lambda prefix: prefix.length, default=None)
        return None if best is None else (best, self.ribs[speaker][best])

    def loc_rib(self, speaker: str) -> list[tuple[Prefix, tuple[RibHop, ...]]]:
        return list(self.ribs.get(speaker, {}).items())

    def version(self) -> int:
        return 1

    def shape(self) -> int:
        return 1


def failing(*pairs: str) -> frozenset[frozenset[str]]:
    """What `a<->b` names, as broken."""
    return frozenset(frozenset(pair.split("<->")) for pair in pairs)


# --- a network ----------------------------------------------------------------------------------------------------------


def vnet(name: str, ranges: str, *, region: str | None = None, **subnets: str) -> VirtualNetwork:
    """`workload="10.1.1.0/24 table"`; an underscore stands for the big words: RouteServerSubnet is rs_, GatewaySubnet gw_."""
    words = {"rs_": "RouteServerSubnet", "gw_": "GatewaySubnet"}
    made = {}
    for key, text in subnets.items():
        prefix, _, table = text.partition(" ")
        label = words.get(key, key)
        made[label] = Subnet(virtual_network=name, name=label, prefix=P(prefix), route_table=table or None)
    return VirtualNetwork(name=name, address_space=tuple(map(P, ranges.split())), region=region, subnets=made)


def between(a: str, b: str, *, forwarded: bool = True, access: bool = True, transit: bool = False) -> tuple[Peering, Peering]:
    """Both directions; with `transit` `b` uses the gateways and route server of `a`."""
    return (
        Peering(local=a, remote=b, allow_forwarded_traffic=forwarded, allow_virtual_network_access=access, allow_gateway_transit=transit),
        Peering(local=b, remote=a, allow_forwarded_traffic=forwarded, allow_virtual_network_access=access, use_remote_gateways=transit),
    )


def vm(name: str, subnet: str, address: str, *, ip_forwarding: bool = False) -> VirtualMachine:
    nic = Nic(name=name, machine=name, subnet=subnet, address=A(address), ip_forwarding=ip_forwarding)
    return VirtualMachine(name=name, nic=nic)


def nva(name: str, subnet: str, address: str, *, ip_forwarding: bool = True, outside: tuple[str, str] | None = None, **more: Any) -> Router:
    nics = [Nic(name=name, machine=name, subnet=subnet, address=A(address), ip_forwarding=ip_forwarding)]
    if outside is not None:
        nics.append(Nic(name=f"{name}.outside", machine=name, subnet=outside[0], address=A(outside[1]), ip_forwarding=True))
    return Router(name=name, kind=RouterKind.NVA, address=A(address), nics=tuple(nics), **_router(more))


def site(name: str, address: str | None, prefixes: str = "", **more: Any) -> Router:
    """An on-premises router."""
    lans = tuple(map(P, prefixes.split()))
    return Router(name=name, kind=RouterKind.ON_PREMISES, address=A(address) if address else None, prefixes=lans, **_router(more))


def _router(more: dict[str, Any]) -> dict[str, Any]:
    hosts = {name: A(address) for name, address in more.pop("hosts", {}).items()}
    return {"hosts": hosts, **more}


def table(name: str, *routes: str, propagation: bool = True, peering_route: bool = True) -> RouteTable:
    """`"10.0.0.0/8 VirtualAppliance 10.1.2.4"`."""
    made = []
    for text in routes:
        prefix, kind, *hops = text.split()
        made.append(UserRoute(prefix=P(prefix), next_hop_type=kind, next_hops=tuple(map(A, hops))))
    return RouteTable(name=name, disable_bgp_route_propagation=not propagation, disable_peering_route=not peering_route, routes=tuple(made))


def er_gateway(name: str, virtual_network: str, *addresses: str) -> VirtualNetworkGateway:
    return VirtualNetworkGateway(
        name=name, kind=GatewayKind.EXPRESSROUTE, virtual_network=virtual_network, addresses=(A(addresses[0]), A(addresses[1]))
    )


def vpn_gateway(name: str, virtual_network: str, *addresses: str, active_active: bool = False) -> VirtualNetworkGateway:
    return VirtualNetworkGateway(
        name=name,
        kind=GatewayKind.VPN,
        virtual_network=virtual_network,
        addresses=(A(addresses[0]), A(addresses[1])),
        active_active=active_active,
    )


def circuit(name: str, gateway: str, edge: str, number: int, *, weight: int = 0, fast_path: bool = False) -> Circuit:
    """Its link subnets are 169.254.<number>.0/30 and .4/30: Microsoft has .2 and .6, the router .1 and .5."""
    return Circuit(
        name=name,
        gateways=(Connection(gateway=gateway, routing_weight=weight, fast_path=fast_path),),
        provider_edge=(edge, edge),
        link_subnets=(P(f"169.254.{number}.0/30"), P(f"169.254.{number}.4/30")),
    )


def network(*parts: Any, **more: Any) -> Network:
    """Of its objects, in any order."""
    fields: dict[type, str] = {
        VirtualNetwork: "virtual_networks",
        RouteServer: "route_servers",
        LoadBalancer: "load_balancers",
        VirtualMachine: "virtual_machines",
        VirtualNetworkGateway: "gateways",
        Circuit: "circuits",
        RouteTable: "route_tables",
    }
    made: dict[str, dict[str, Any]] = {name: {} for name in (*fields.values(), "nvas", "on_premises")}
    peerings: list[Peering] = []
    for part in parts:
        if isinstance(part, tuple):
            peerings += part
        elif isinstance(part, Peering):
            peerings.append(part)
        elif isinstance(part, Router):
            made["nvas" if part.kind is RouterKind.NVA else "on_premises"][part.name] = part
        else:
            made[fields[type(part)]][part.name] = part
    return Network(name="test", peerings=tuple(peerings), **made, **more)


def programs(*routes: str, by: str = "rs", kind: str = "nva") -> dict[Prefix, Programmed]:
    """`"192.168.0.0/16 10.1.2.4 10.2.2.4"`."""
    made = {}
    for text in routes:
        prefix, *hops = text.split()
        made[P(prefix)] = Programmed(prefix=P(prefix), next_hops=tuple(map(A, hops)), route_class=kind, by=by)
    return made


def rib(*routes: str) -> dict[Prefix, tuple[RibHop, ...]]:
    """`"10.10.0.0/16 hub1-nva@10.1.2.4"`; `self` for its own originations, `static:site` for what lies behind a connection."""
    made = {}
    for text in routes:
        prefix, *hops = text.split()
        made[P(prefix)] = tuple(_hop(hop) for hop in hops)
    return made


def _hop(text: str) -> RibHop:
    peer, _, address = text.partition("@")
    if peer == "self":
        return RibHop(peer=None, next_hop=A("0.0.0.0"), tags=("self",))
    if peer.startswith("static:"):
        return RibHop(peer=None, next_hop=A("0.0.0.0"), tags=("self", "static", peer))
    peer, *tags = peer.split("|")
    return RibHop(peer=peer, next_hop=A(address or "0.0.0.0"), tags=(peer.partition("#")[0], peer, *tags))


# --- answers as text ----------------------------------------------------------------------------------------------------


def row(route: EffectiveRoute) -> str:
    """`10.1.0.0/16 Default VNetPeering`, `192.168.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.1.2.4`, with Invalid at the end."""
    words = [str(route.prefix), route.source, route.next_hop_type, *map(str, route.next_hops)]
    return " ".join([*words, *(["Invalid"] if route.state != "Active" else [])])


def rows(world: FakeWorld, nic: str, *without: str) -> list[str]:
    """A NIC's table, but for rows of these types."""
    return [row(route) for route in effective_routes(world, nic) if route.next_hop_type not in without]


def told(path: Path) -> str:
    """`vm > nva > internet: delivered at internet`."""
    names = " > ".join(hop.name for hop in path.hops)
    because = f" because {path.because}" if path.because else f" ({path.end})" if path.end != path.at else ""
    return f"{names}: {path.outcome} at {path.at}{because}"


def ways(world: FakeWorld, source: str, destination: str) -> list[str]:
    return [told(path) for path in paths(world, source, destination)]


def back(world: FakeWorld, source: str, destination: str) -> list[str]:
    """Every way back of every way."""
    return [told(reply) for path in paths(world, source, destination) for reply in replies(world, path)]


def sentences(found: Iterable[Path]) -> list[str]:
    return [path.detail for path in found]
