"""Which namespaces a network needs, with which interfaces, and which pairs of them are wires. In: the model. Out: `Layout`, plain values.

Every interface is one end of a veth whose other end is a port of the fabric; a NIC's port is judged by effective routes, a wire's only changes sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from dualhome.fabric.ports import past_gateway
from dualhome.forwarding.places import Places
from dualhome.model import GatewayKind, Network, Router, base_name
from dualhome.net import Address, Prefix
from dualhome.plan.wiring import router_address, tunnel_ends

DEVICE_LENGTH: Final = 15  # of an interface's name, as Linux has it
CORE_HOPS: Final = {GatewayKind.EXPRESSROUTE: 2, GatewayKind.VPN: 1}  # Azure's own routers that a packet passes behind this gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What joins two nodes. A tunnel runs over the public underlay, so it is one that is to be encrypted."""

    a: str
    b: str
    tunnel: bool = False

    @property
    def ends(self) -> tuple[str, str]:
        """Both nodes."""
        return self.a, self.b


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A device in a node: a NIC (`nic`: its name, or the instance's; "" for none), or the end of a wire (`far`: the node at its other end)."""

    device: str
    nic: str = ""
    far: str = ""
    tunnel: bool = False
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A namespace. `addresses` are on `lo`. `forwards`: whether its kernel does; `bonus`: hops of Azure's core behind it, itself included."""

    name: str
    role: str  # vm | nva | gateway | edge | route server | router | host | internet
    interfaces: tuple[Interface, ...]
    addresses: tuple[Address, ...] = ()
    forwards: bool = False
    bonus: int = 0
    router: Router | None = None
    clients: tuple[Prefix, ...] = ()  # that dial in at a gateway: it answers for all of them

    @property
    def external(self) -> bool:
        """Whether it is a machine of the user's, of which the network has the cables alone."""
        return self.router is not None and self.router.runtime == "external"

    @property
    def core(self) -> bool:
        """Whether it belongs to Azure's own network, which no traceroute shows."""
        return self.role in ("gateway", "edge")

    @property
    def circuits(self) -> tuple[tuple[str, ...], ...]:
        """Of a gateway its devices toward each circuit: wires that are no tunnels and lead to no sibling."""
        found: dict[str, list[str]] = {}
        for each in self.interfaces if self.role == "gateway" else ():
            if each.far and not each.tunnel and base_name(each.far) != base_name(self.name):
                found.setdefault(base_name(each.far), []).append(each.device)
        return tuple(map(tuple, found.values()))

    def toward(self, far: str) -> Interface | None:
        """The end of the wire to a node."""
        return next((each for each in self.interfaces if each.far == far), None)

    @property
    def past_gateway(self) -> Interface | None:
        """An edge router's own NIC in a gateway's virtual network, for FastPath (R147)."""
        return next((each for each in self.interfaces if each.nic), None)

    def of_nic(self, nic: str) -> Interface | None:
        """The device of a NIC."""
        return next((each for each in self.interfaces if each.nic == nic), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """All nodes by name, in the order of the file, and all wires."""

    nodes: Mapping[str, Node]
    wires: tuple[Wire, ...]


def lay_out(network: Network) -> Layout:
    """Nodes and wires of a network."""
    known = Places(network)
    joined = _wires(network, known)
    far: dict[str, list[tuple[str, bool]]] = {}
    for wire in joined:
        far.setdefault(wire.a, []).append((wire.b, wire.tunnel))
        far.setdefault(wire.b, []).append((wire.a, wire.tunnel))
    nodes = {}
    for node in _nodes(network, known):
        ends = _ends(node, far.get(node.name, []), network)
        nodes[node.name] = Node(
            name=node.name,
            role=node.role,
            interfaces=(*node.interfaces, *ends),
            addresses=node.addresses,
            forwards=node.forwards,
            bonus=node.bonus,
            router=node.router,
            clients=node.clients,
        )
    return Layout(nodes=nodes, wires=tuple(wire for wire in joined if wire.a in nodes and wire.b in nodes))


# --- nodes --------------------------------------------------------------------------------------------------------------


def _nodes(network: Network, known: Places) -> Iterator[Node]:
    """Every node with its NICs, without its wires."""
    frontends = {name: tuple(b.address for b in network.load_balancers.values() if name in b.backends) for name in _machines(network)}
    for rs in network.route_servers.values():
        for i in (0, 1):
            yield _single(f"{rs.name}#{i}", "route server", rs.addresses[i])
    for nva in network.nvas.values():
        nics = tuple(Interface(device=f"eth{i}", nic=nic.name, addresses=(nic.address,)) for i, nic in enumerate(nva.nics))
        others = [a for a in known.addresses(nva.name) if a not in [nic.address for nic in nva.nics]]
        own = tuple(dict.fromkeys((*others, *frontends[nva.name])))
        yield Node(name=nva.name, role="nva", interfaces=nics, addresses=own, forwards=True, router=nva)
    for machine in network.virtual_machines.values():
        nic = Interface(device="eth0", nic=machine.nic.name, addresses=(machine.nic.address,))
        yield Node(name=machine.name, role="vm", interfaces=(nic,), addresses=frontends[machine.name])
    for gateway in network.gateways.values():
        for i in (0, 1):
            yield _single(f"{gateway.name}#{i}", "gateway", gateway.addresses[i], CORE_HOPS[gateway.kind], gateway.point_to_site)
    for circuit in network.circuits.values():
        places = [network.gateways[each.gateway].virtual_network for each in circuit.gateways if each.fast_path]
        for i in (0, 1):
            name = f"{circuit.name}#{i}"
            fast = tuple(Interface(device=f"fast{k}", nic=past_gateway(name, place)) for k, place in enumerate(dict.fromkeys(places)))
            yield Node(name=name, role="edge", interfaces=fast, addresses=(circuit.microsoft_address(i),), forwards=True, bonus=2)
    for router in network.on_premises.values():
        uplink = Interface(device="internet", nic=router.name)
        own = tuple(dict.fromkeys((router_address(network, router), *known.addresses(router.name))))
        yield Node(name=router.name, role="router", interfaces=(uplink,), addresses=own, forwards=True, router=router)
    for host, (address, _) in network.hosts().items():
        yield Node(name=host, role="host", interfaces=(), addresses=(address,))
    yield Node(name="internet", role="internet", interfaces=(Interface(device="eth0", nic="internet"),))


def _machines(network: Network) -> Iterator[str]:
    yield from network.nvas
    yield from network.virtual_machines


def _single(name: str, role: str, address: Address, bonus: int = 0, clients: tuple[Prefix, ...] = ()) -> Node:
    nic = Interface(device="eth0", nic=name, addresses=(address,))
    return Node(name=name, role=role, interfaces=(nic,), forwards=role == "gateway", bonus=bonus, clients=clients)


# --- wires --------------------------------------------------------------------------------------------------------------


def _wires(network: Network, known: Places) -> list[Wire]:
    """Each pair once, in a stated order."""
    found: dict[frozenset[str], Wire] = {}
    for a, b, tunnel in _pairs(network, known):
        if a != b:
            found.setdefault(frozenset((a, b)), Wire(a=a, b=b, tunnel=tunnel))
    return list(found.values())


def _pairs(network: Network, known: Places) -> Iterator[tuple[str, str, bool]]:
    for circuit in network.circuits.values():
        for connection, i, j in product(circuit.gateways, (0, 1), (0, 1)):
            yield f"{connection.gateway}#{i}", f"{circuit.name}#{j}", False
        for i, edge in enumerate(circuit.provider_edge):
            yield f"{circuit.name}#{i}", edge, False
        for other, i in product(circuit.global_reach, (0, 1)):
            yield f"{circuit.name}#{i}", f"{other}#{i}", False
    for gateway in network.gateways.values():
        if gateway.kind is GatewayKind.VPN and gateway.active_active:
            yield f"{gateway.name}#0", f"{gateway.name}#1", False
    for vpn in network.vpn_connections:
        for a, b, _ in tunnel_ends(network, vpn):
            yield a, b, True
    for link in network.links:
        yield *link.between, False
    for router in network.routers():
        for session in router.sessions:
            if session.over_tunnel:
                yield router.name, session.to, True
        for static in router.static_routes:
            if static.to and static.interface is None and static.to != "internet" and (static.over_tunnel or not router.nics):
                yield from ((router.name, far, static.over_tunnel) for far in _leading(network, known, router.name, static.to))
    yield from _to_hosts(network)


def _leading(network: Network, known: Places, node: str, to: str) -> Iterator[str]:
    """Nodes at the far end of a static route: instances of a gateway, the routers that lead to a host, whoever has the address."""
    if to in network.gateways:
        yield from (f"{to}#{i}" for i in known.far_instances(node, to))
    elif to in known.hosts:
        yield from known.hosts[to][1]
    elif network.router(to) is not None:
        yield to
    elif (name := known.node_at(to)) is not None:
        yield from known.hosts[name][1] if name in known.hosts else (base_name(name) if network.router(base_name(name)) else name,)


def _to_hosts(network: Network) -> Iterator[tuple[str, str, bool]]:
    """A host has a wire to each router that leads to it, and to the others on its LAN."""
    for host, (address, routers) in network.hosts().items():
        yield from ((router, host, False) for router in routers)
        lans = {p for name in routers if name in network.on_premises for p in network.on_premises[name].prefixes if p.covers(address)}
        yield from (
            (r.name, host, False) for r in network.on_premises.values() if r.name not in routers and any(p in lans for p in r.prefixes)
        )


def _ends(node: Node, far: list[tuple[str, bool]], network: Network) -> Iterator[Interface]:
    """A node's ends of its wires, each under a device name of its own, with the addresses that it has there."""
    taken = {each.device for each in node.interfaces} | {"lo"}
    for name, tunnel in far:
        device = _device(name, taken)
        taken.add(device)
        yield Interface(device=device, far=name, tunnel=tunnel, addresses=tuple(_link_addresses(network, node.name, name)))


def _device(far: str, taken: set[str]) -> str:
    """The far node's name, as far as it fits; with a number where it is taken."""
    plain = far.replace("#", ".")
    names = (plain[:DEVICE_LENGTH], *(f"{plain[: DEVICE_LENGTH - 3]}~{i}" for i in range(2, 100)))
    return next(name for name in names if name not in taken)


def _link_addresses(network: Network, node: str, far: str) -> Iterator[Address]:
    """Addresses that a node has on this wire alone: a provider edge router's on a circuit's link, a tunnel's inside."""
    for circuit in network.circuits.values():
        for i, edge in enumerate(circuit.provider_edge):
            if edge == node and far == f"{circuit.name}#{i}":
                yield circuit.router_address(i)
    for router in network.routers():
        for session in router.sessions:
            if session.addresses and router.name == node and session.to == far:
                yield session.addresses[0]
            if session.addresses and router.name == far and session.to == node:
                yield session.addresses[1]
