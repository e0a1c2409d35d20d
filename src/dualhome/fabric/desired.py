"""What the fabric should hold: made from the world, from what failed, and from the ports that there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from dualhome.fabric.controls import DATA_ONLY, HowPair, controls
from dualhome.fabric.groups import Groups
from dualhome.fabric.numbers import INTERNET_TABLE, Numbers
from dualhome.fabric.ports import INTERNET, Ports
from dualhome.fabric.state import Group, Hop, Port, PortState, State
from dualhome.forwarding.effective import Routes, routes_of
from dualhome.forwarding.places import places
from dualhome.forwarding.security import live_backends
from dualhome.forwarding.world import World
from dualhome.model import LoadBalancer, Network, Nic, base_name
from dualhome.net import DEFAULT_V4, DEFAULT_V6, Address, Prefix
from dualhome.plan import Plan

Table = Mapping[Prefix, Group]
How = Callable[[str], tuple[str, ...]]


def desired(world: World, plan: Plan, numbers: Numbers, ports: Ports, how: How, how_pair: HowPair, before: State | None = None) -> State:
    """All of it. A table that is as it was in `before` is the same object.

    `how` tells how a node fails, `how_pair` how what joins two does (kind link) or their session (kind session): crash, silent, forwarding.
    """
    network = world.network
    groups = Groups(world, numbers, ports)
    tables = Tables(world, numbers, groups)
    states = port_states(network, ports, how, how_pair)
    made = [replace(_nic(network, numbers, tables, name, port, how_pair), state=states[port.number]) for name, port in ports.nics.items()]
    made += [replace(port, state=states[port.number]) for port in ports.wires.values()]
    then = before.tables if before else {}
    return State(
        ports={port.number: port for port in made},
        tables={number: then[number] if then.get(number) == table else table for number, table in tables.made.items()},
        owners=dict(_owners(world, numbers, groups)),
        spaces={numbers.network(each.name): tuple(sorted(set(each.address_space))) for each in network.virtual_networks.values()},
        balancers={numbers.balancer(each.name): tuple(sorted(_live(world, each, ports))) for each in network.load_balancers.values()},
        controls=controls(plan, ports, how_pair),
        symmetric=network.flow_hash == "symmetric",
    )


# --- tables -------------------------------------------------------------------------------------------------------------


class Tables:
    """Tables by number, each made once for the routes that it is made of, until something fails or is changed."""

    def __init__(self, world: World, numbers: Numbers, groups: Groups) -> None:
        self._world, self._numbers, self._groups = world, numbers, groups
        self._known: dict[str, tuple[object, Groups, Table]] = world.memo.setdefault("fabric tables", {})
        self._variants: dict[str, list[Routes]] = {}
        self.made: dict[int, Table] = {}
        self._put(INTERNET, INTERNET_TABLE, None, groups.internet)

    def of_nic(self, nic: Nic) -> int:
        """Its subnet's; under partition a subnet has two (R73)."""
        return self._of_subnet(nic.subnet, nic.virtual_network, nic.name)

    def of_route_server(self, instance: str) -> int:
        """RouteServerSubnet's, as its instances see it."""
        rs = self._world.network.route_servers[base_name(instance)]
        return self._of_subnet(rs.name, rs.virtual_network, instance)

    def of_gateway(self, instance: str) -> int:
        """GatewaySubnet's, as this instance sees it."""
        routes, groups = routes_of(self._world, instance), self._groups

        def make() -> dict[Prefix, Group]:
            table = {prefix: groups.of_gateway(instance, row) for prefix, row in routes.winners().items()}
            return {**dict.fromkeys((DEFAULT_V4, DEFAULT_V6), groups.of_gateway(instance, None)), **table}

        return self._put(instance, self._numbers.table(instance), routes, make)

    def past_gateway(self, place: str) -> int:
        """Of an edge router that reaches the machines of a virtual network past the gateway (R147)."""
        space, local = self._world.network.virtual_networks[place].address_space, self._groups.local(place)
        name = f"{place} past the gateway"
        return self._put(name, self._numbers.table(name), None, lambda: dict.fromkeys(space, local))

    def _of_subnet(self, subnet: str, place: str, nic: str) -> int:
        routes, groups = routes_of(self._world, nic), self._groups
        variants = self._variants.setdefault(subnet, [])
        index = next((i for i, each in enumerate(variants) if each is routes), len(variants))
        name = f"{subnet} {index + 1}" if index else subnet
        number = self._numbers.table(name)
        if index < len(variants):
            return number
        variants.append(routes)
        return self._put(name, number, routes, lambda: {prefix: groups.of_row(place, row) for prefix, row in routes.winners().items()})

    def _put(self, name: str, number: int, made_of: object, make: Callable[[], dict[Prefix, Group]]) -> int:
        known = self._known.get(name)
        if known is None or known[0] is not made_of or not known[1].same(self._groups):
            known = self._known[name] = (made_of, self._groups, make())
        self.made[number] = known[2]
        return number


# --- ports --------------------------------------------------------------------------------------------------------------


def port_states(network: Network, ports: Ports, how: How, how_pair: HowPair) -> dict[int, PortState]:
    """By number, how each port works: as its node does, a wire's as what joins its ends does too."""
    states = {port.number: _state(how(_node_of(network, name))) for name, port in ports.nics.items()}
    return states | {port.number: _state((*how(node), *how_pair("link", node, far))) for (node, far), port in ports.wires.items()}


def _node_of(network: Network, name: str) -> str:
    nic = network.nic(name)
    return nic.machine if nic else name.partition("/")[0]


def _nic(network: Network, numbers: Numbers, tables: Tables, name: str, port: Port, how_pair: HowPair) -> Port:
    """What the network makes of a port that isn't a wire's."""
    nic, base = network.nic(name), base_name(name)
    port = replace(port, internet=not how_pair("link", _node_of(network, name), INTERNET))
    if nic is not None:
        sources = tuple(each.address for each in network.load_balancers.values() if nic in _backends(network, each))
        return replace(
            port,
            network=numbers.network(nic.virtual_network),
            table=tables.of_nic(nic),
            address=nic.address,
            sources=sources,
            ip_forwarding=nic.ip_forwarding,
        )
    if base in network.gateways:
        gateway = network.gateways[base]
        place, address = numbers.network(gateway.virtual_network), gateway.addresses[int(name[-1])]
        return replace(port, network=place, table=tables.of_gateway(name), address=address, ip_forwarding=True)
    if base in network.route_servers:
        rs = network.route_servers[base]
        place, address = numbers.network(rs.virtual_network), rs.addresses[int(name[-1])]
        return replace(port, network=place, table=tables.of_route_server(name), address=address)
    if base in network.on_premises:
        return replace(port, table=INTERNET_TABLE, ip_forwarding=False)
    if "/" in name:
        beyond = name.partition("/")[2]
        return replace(port, network=numbers.network(beyond), table=tables.past_gateway(beyond), ip_forwarding=True)
    return port


def _state(fails: tuple[str, ...]) -> PortState:
    """What fails silently or crashes passes nothing; what fails to forward passes control packets."""
    if any(how != DATA_ONLY for how in fails):
        return PortState.DEAD
    return PortState.CONTROL_ONLY if fails else PortState.UP


# --- who has which address ----------------------------------------------------------------------------------------------


def _owners(world: World, numbers: Numbers, groups: Groups) -> Iterator[tuple[tuple[int, Address], Hop]]:
    for (place, address), owner in places(world).owners.items():
        if (hop := groups.hop(owner)) is not None:
            yield (numbers.network(place), address), hop


def _backends(network: Network, balancer: LoadBalancer) -> list[Nic]:
    """NICs of a load balancer's backends: of an NVA the primary."""
    return [network.nvas[name].nics[0] if name in network.nvas else network.virtual_machines[name].nic for name in balancer.backends]


def _live(world: World, balancer: LoadBalancer, ports: Ports) -> Iterator[int]:
    yield from (ports.nics[nic.name].number for nic in live_backends(world, balancer) if nic.name in ports.nics)
