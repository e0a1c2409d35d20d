"""Where addresses and names are: who owns an address in a virtual network, what joins two nodes by a tunnel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dualhome.errors import RequestError
from dualhome.forwarding.world import World
from dualhome.model import Network, Nic, VirtualNetworkGateway, base_name
from dualhome.net import Address

INTERNET = Address.parse("8.8.8.8")  # what stands for a host outside every virtual network; nothing is ever sent to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who has an address. `kind`: vm, nva, load balancer, route server, gateway; `nic` for the first two."""

    kind: str
    node: str
    address: Address
    nic: Nic | None = None


class Places:
    """Look-ups that hang on the model alone, made once."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.owners: dict[tuple[str, Address], Owner] = {}
        self._having: dict[Address, list[str]] = {}
        for nic in network.nics():
            kind = "vm" if nic.machine in network.virtual_machines else "nva"
            self._own(nic.virtual_network, Owner(kind=kind, node=nic.machine, address=nic.address, nic=nic))
        for balancer in network.load_balancers.values():
            self._own(balancer.subnet.partition("/")[0], Owner(kind="load balancer", node=balancer.name, address=balancer.address))
        for rs in network.route_servers.values():
            for i, address in enumerate(rs.addresses):
                self._own(rs.virtual_network, Owner(kind="route server", node=f"{rs.name}#{i}", address=address))
        for gateway in network.gateways.values():
            for i, address in enumerate(gateway.addresses):
                self._own(gateway.virtual_network, Owner(kind="gateway", node=f"{gateway.name}#{i}", address=address))
        self.edges = {c.microsoft_address(i): f"{c.name}#{i}" for c in network.circuits.values() for i in (0, 1)}
        self.hosts = network.hosts()
        self.host_at = {address: host for host, (address, _) in reversed(list(self.hosts.items()))}
        self.tunnels: set[frozenset[str]] = {frozenset((c.gateway, c.to)) for c in network.vpn_connections}
        self.links: set[frozenset[str]] = {frozenset(link.between) for link in network.links}
        self._attached: dict[str, dict[Address, str]] = {}
        for router in network.routers():
            self.tunnels |= {frozenset((router.name, s.to)) for s in router.sessions if s.over_tunnel}
            for far, mine, theirs in ((s.to, *s.addresses) for s in router.sessions if s.over_tunnel and s.addresses):
                self._attach(router.name, mine, far, theirs)
        for circuit in network.circuits.values():
            for i, edge in enumerate(circuit.provider_edge):
                self.links.add(frozenset((circuit.name, edge)))
                self._attach(edge, circuit.router_address(i), f"{circuit.name}#{i}", circuit.microsoft_address(i))
        self._addresses: dict[str, tuple[Address, ...]] = {}
        self._node_at: dict[Address, str] = {}
        for router in network.on_premises.values():
            for address in self.addresses(router.name):
                self._node_at.setdefault(address, router.name)

    def _own(self, virtual_network: str, owner: Owner) -> None:
        self.owners.setdefault((virtual_network, owner.address), owner)
        self._having.setdefault(owner.address, []).append(virtual_network)

    def _attach(self, a: str, address_of_a: Address, b: str, address_of_b: Address) -> None:
        self._attached.setdefault(a, {})[address_of_b] = b
        self._attached.setdefault(b, {})[address_of_a] = a

    def owners_of(self, address: Address) -> list[Owner]:
        """Whoever has the address, in any virtual network."""
        return [self.owners[name, address] for name in self._having.get(address, ())]

    def addresses(self, node: str) -> tuple[Address, ...]:
        """Every address that a node has, its own first."""
        if node not in self._addresses:
            self._addresses[node] = self.network.addresses_of(node)
        return self._addresses[node]

    def attached(self, node: str) -> Mapping[Address, str]:
        """Far ends of a node's tunnels and circuits, by their address there."""
        return self._attached.get(node, {})

    def node_at(self, text: str) -> str | None:
        """Who has the address that this text is: a NIC's name, an instance, a host, a router. None where it is no address, or nobody's."""
        try:
            address = Address.parse(text)
        except ValueError:
            return None
        owner = next(iter(self.owners_of(address)), None)
        if owner is not None:
            return owner.nic.name if owner.nic else owner.node
        return self.host_at.get(address) or self._node_at.get(address) or self.edges.get(address)

    def owner_near(self, world: World, virtual_network: str, address: Address) -> tuple[str, Owner] | None:
        """Who has the address in this virtual network or a directly peered one, and where."""
        near = sorted(self._having.get(address, ()), key=lambda name: name != virtual_network)
        return next(
            ((name, self.owners[name, address]) for name in near if name == virtual_network or self._joined(world, virtual_network, name)),
            None,
        )

    def _joined(self, world: World, a: str, b: str) -> bool:
        return self.network.peering(a, b) is not None and self.network.peering(b, a) is not None and world.joined(a, b)

    def gateway_of_client(self, text: str) -> str | None:
        """The VPN gateway at which a client of this address dials in (point-to-site); None where the text is no such address."""
        try:
            address = Address.parse(text)
        except ValueError:
            return None
        return next((g.name for g in self.network.gateways.values() if any(pool.covers(address) for pool in g.point_to_site)), None)

    def tunnel(self, a: str, b: str) -> bool:
        """Whether a tunnel joins two nodes."""
        return frozenset((base_name(a), base_name(b))) in self.tunnels

    def beside(self, a: str, b: str) -> bool:
        """Whether two nodes are joined by a tunnel, a link or a circuit."""
        return self.tunnel(a, b) or frozenset((base_name(a), base_name(b))) in self.links

    def far_instances(self, node: str, gateway: str) -> Sequence[int]:
        """Instances of a gateway to which connections join a node."""
        index = node.partition("#")[2]
        found: set[int] = set()
        for c in self.network.vpn_connections:
            for near, near_instance, far, far_instance in (
                (c.gateway, c.gateway_instance, c.to, c.to_instance),
                (c.to, c.to_instance, c.gateway, c.gateway_instance),
            ):
                if near == base_name(node) and far == gateway and (near_instance is None or str(near_instance) == index):
                    found |= {0, 1} if far_instance is None else {far_instance}
        return sorted(found) or (0, 1)

    def address_of(self, name: str) -> Address:
        """The address that a destination's name stands for.

        Raises:
            RequestError: it stands for none.
        """
        if name == "internet":
            return INTERNET
        if name in self.hosts:
            return self.hosts[name][0]
        if found := self.network.addresses_of(name):
            return found[0]
        try:
            return Address.parse(name)
        except ValueError:
            raise RequestError(f"{name!r} is neither a name of the network nor an address") from None


def active_instances(world: World, gateway: VirtualNetworkGateway, among: Sequence[int] = (0, 1)) -> list[int]:
    """Instances that packets enter: all live ones, of a VPN gateway that isn't active-active one at a time (R151). While all are dead, and until the second
    stands in for the first, the first.
    """
    if not gateway.both_work:
        first, second = f"{gateway.name}#0", f"{gateway.name}#1"
        works = [1] if not world.alive(first) and world.alive(second) and world.in_service(second) else [0]
        among = [i for i in works if i in among] or among
    return [i for i in among if world.alive(f"{gateway.name}#{i}")] or list(among[:1])


def places(world: World) -> Places:
    """Of the world's network."""
    known = world.memo.get("places")
    if known is None or known.network is not world.network:
        known = world.memo["places"] = Places(world.network)
    made: Places = known
    return made
