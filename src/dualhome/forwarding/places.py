"""Where addresses and names are: who owns an address in a virtual network, what joins two nodes by a tunnel."""

from __future__ import annotations

from dataclasses import dataclass

from dualhome.errors import RequestError
from dualhome.forwarding.world import World
from dualhome.model import Network, Nic, base_name
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
        self.tunnels: set[frozenset[str]] = {frozenset((c.gateway, c.to)) for c in network.vpn_connections}
        for router in network.routers():
            self.tunnels |= {frozenset((router.name, s.to)) for s in router.sessions if s.over_tunnel}
        self.fast = {(x.gateway, c.name) for c in network.circuits.values() for x in c.gateways if x.fast_path}

    def _own(self, virtual_network: str, owner: Owner) -> None:
        self.owners.setdefault((virtual_network, owner.address), owner)
        self._having.setdefault(owner.address, []).append(virtual_network)

    def owner_near(self, world: World, virtual_network: str, address: Address) -> tuple[str, Owner] | None:
        """Who has the address in this virtual network or a directly peered one, and where."""
        near = sorted(self._having.get(address, ()), key=lambda name: name != virtual_network)
        return next(
            ((name, self.owners[name, address]) for name in near if name == virtual_network or self._joined(world, virtual_network, name)),
            None,
        )

    def _joined(self, world: World, a: str, b: str) -> bool:
        return self.network.peering(a, b) is not None and self.network.peering(b, a) is not None and world.joined(a, b)

    def tunnel(self, a: str, b: str) -> bool:
        """Whether a tunnel joins two nodes."""
        return frozenset((base_name(a), base_name(b))) in self.tunnels

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


def places(world: World) -> Places:
    """Of the world's network."""
    known = world.memo.get("places")
    if known is None or known.network is not world.network:
        known = world.memo["places"] = Places(world.network)
    made: Places = known
    return made
