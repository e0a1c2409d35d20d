"""Networks whose fabric is held in memory: ports for all that the layout has, and what the trace says of a packet."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from dualhome.fabric.backend import Installed
from dualhome.fabric.controls import HowPair
from dualhome.fabric.desired import How, desired
from dualhome.fabric.difference import difference
from dualhome.fabric.flow import TCP, Frame
from dualhome.fabric.memory import Memory
from dualhome.fabric.numbers import Numbers
from dualhome.fabric.ports import Ports, past_gateway
from dualhome.fabric.state import Port, PortKind, Reason, State
from dualhome.forwarding.effective import routes_of
from dualhome.forwarding.fabric import leave_nic
from dualhome.forwarding.gateways import GatewayWay, at_gateway, way_of
from dualhome.forwarding.packets import Dropped, Hop, Landed, Move, Packet, Results, Step
from dualhome.forwarding.places import INTERNET
from dualhome.forwarding.world import World
from dualhome.live.layout import lay_out
from dualhome.model import Network, base_name
from dualhome.net import Address
from dualhome.plan import Plan

ROOT = Path(__file__).parents[2]
REASONS = {
    "no-route": Reason.NO_ROUTE,
    "ip-forwarding": Reason.IP_FORWARDING,
    "forwarded-traffic": Reason.FORWARDED_TRAFFIC,
    "virtual-network-access": Reason.NETWORK_ACCESS,
    "down": Reason.DOWN,
}
Fate = int | Reason  # the port to which a packet goes, or why it goes nowhere


def ports_of(network: Network, numbers: Numbers, *, fast_path: bool = True) -> Ports:
    """All ports of the network."""
    nics: dict[str, Port] = {}
    wires: dict[tuple[str, str], Port] = {}
    layout = lay_out(network)
    for node in layout.nodes.values():
        for each in node.interfaces:
            name = each.nic or f"{node.name}>{each.far}"
            kind = PortKind.WIRE if each.far else PortKind.INTERNET if node.role == "internet" else PortKind.NIC
            number = numbers.port(name)
            far = numbers.port(f"{each.far}>{node.name}") if each.far else 0
            address = next(iter((*each.addresses, *node.addresses)), None)
            port = Port(number=number, name=name, kind=kind, mac=bytes(6), far=far, core=node.core, bonus=node.bonus, address=address)
            if each.far:
                wires[node.name, each.far] = port
            else:
                nics[each.nic] = port
    for circuit in network.circuits.values():
        for connection in circuit.gateways:
            for i in (0, 1) if connection.fast_path else ():
                name = past_gateway(f"{circuit.name}#{i}", network.gateways[connection.gateway].virtual_network)
                port = Port(number=numbers.port(name), name=name, kind=PortKind.NIC, mac=bytes(6), core=True, bonus=2)
                nics.setdefault(name, port)
                if not fast_path:
                    del nics[name]
    return Ports(nics=nics, wires=wires)


class Held:
    """A network's fabric in memory, brought up to date as the world changes."""

    def __init__(self, world: World, plan: Plan, how: How, how_pair: HowPair, *, fast_path: bool = True) -> None:
        self.numbers = Numbers()
        self.ports = ports_of(plan.network, self.numbers, fast_path=fast_path)
        self.memory, self.installed = Memory(), Installed()
        self.state = State()
        self._of = (world, plan, self.numbers, self.ports, how, how_pair)
        self.world = world
        self.update()

    def update(self) -> None:
        """What the world is now."""
        self.state = desired(*self._of, self.state)
        steps = difference(self.installed, self.state)
        self.memory.apply(steps)
        self.installed.take(steps, self.state)
        assert self.memory.read() == self.installed
        assert difference(self.memory.read(), self.state) == []

    # --- a packet ---------------------------------------------------------------------------------------------------------

    def fates(self, nic: str, source: Address, destination: Address, enough: int) -> set[Fate]:
        """Of many flows, until there are so many."""
        found: set[Fate] = set()
        for flow in range(600):
            port = self.ports.nics[nic].number
            frame = Frame(port=port, source=source, destination=destination, protocol=TCP, source_port=1024 + flow, destination_port=80)
            verdict = self.memory.forward(frame)
            found.add(verdict.target if verdict.reason is Reason.FORWARDED else verdict.reason)
            if len(found) >= enough and flow >= 8:
                break
        return found

    def expected(self, nic: str, source: Address, destination: Address) -> set[Fate] | None:
        """What forwarding says; None where the node itself decides."""
        network, world = self.world.network, self.world
        machine = network.nic(nic)
        node = machine.machine if machine else nic
        own = machine.address if machine else network.addresses_of(nic)[0]
        move = Move(hop=Hop(name=node, kind="", address=own), step=Step.LEAVE_NIC, nic=machine)
        packet = Packet(source=source, destination=destination)
        if base_name(nic) in network.gateways:
            gateway = network.gateways[base_name(nic)]
            if way_of(world, gateway, routes_of(world, nic).select(destination)) is GatewayWay.OWN_TABLE:
                return None
            return self._fates(at_gateway(world, move, packet))
        return self._fates(leave_nic(world, move, packet))

    def _fates(self, results: Results) -> set[Fate] | None:
        """Next hops that nobody has or that a peering blocks don't count where there are others."""
        found: set[Fate] = set()
        for result in results:
            if isinstance(result, Landed):
                return None
            found |= {REASONS[result.because]} if isinstance(result, Dropped) else set(self._arrives(result))
        lost = found & {Reason.NO_ROUTE, Reason.NETWORK_ACCESS}
        return found - lost or {max(lost)} if lost else found

    def _arrives(self, move: Move) -> Iterator[Fate]:
        world, network = self.world, self.world.network
        name = move.nic.name if move.nic else move.hop.name
        if name in network.load_balancers:
            healthy = [each for each in network.load_balancers[name].backends if world.healthy(name, each)]
            yield from (self.ports.nics[each].number if world.alive(each) else Reason.DOWN for each in healthy)
            if not healthy:
                yield Reason.DOWN
            return
        if name not in self.ports.nics:  # FastPath
            circuit = network.circuits[base_name(name)]
            places = [network.gateways[x.gateway].virtual_network for x in circuit.gateways if x.fast_path]
            found = [self.ports.nics[past_gateway(name, place)].number for place in places if past_gateway(name, place) in self.ports.nics]
            assert found, name
            yield from found if world.alive(name) else [Reason.DOWN]
            return
        yield self.ports.nics[name].number if name == "internet" or world.alive(move.hop.name) else Reason.DOWN


def targets(world: World, chance: random.Random) -> list[Address]:
    """Addresses of the network, some inside its routes, some outside all."""
    network = world.network
    found = [nic.address for nic in network.nics()]
    found += [each.address for each in network.load_balancers.values()]
    found += [a for each in (*network.route_servers.values(), *network.gateways.values()) for a in each.addresses]
    found += [address for address, _ in network.hosts().values()]
    found += [INTERNET, *map(Address.parse, ("100.64.1.1", "10.255.255.1", "192.168.77.7", "169.254.9.9", "2001:db8::1", "fd99::1"))]
    for nic in [each.name for each in network.nics()][:4]:
        for row in routes_of(world, nic).rows:
            found.append(row.prefix.address(chance.randrange(min(row.prefix.size, 1 << 16))))
    found = list(dict.fromkeys(found))
    return chance.sample(found, min(len(found), 40))


def agree(held: Held, seed: int = 1) -> int:
    """Whether the fabric and forwarding agree on packets from every NIC; how many were compared."""
    chance, world = random.Random(seed), held.world
    network = world.network
    addresses = targets(world, chance)
    compared = 0
    instances = [f"{name}#{i}" for name in (*network.route_servers, *network.gateways) for i in (0, 1)]
    for nic in [*(each.name for each in network.nics()), *instances]:
        machine = network.nic(nic)
        own = machine.address if machine else network.addresses_of(nic)[0]
        if not world.alive(machine.machine if machine else nic):
            assert held.fates(nic, own, INTERNET, 1) == {Reason.DOWN}
            continue
        for destination in addresses:
            sources = [own] if base_name(nic) in network.route_servers else [own, chance.choice(addresses)]
            for source in sources:
                if source.version != destination.version and source != own:
                    continue
                if machine and source in held.state.ports[held.ports.nics[nic].number].sources:
                    continue
                expected = held.expected(nic, source, destination)
                if expected is not None:
                    compared += 1
                    found = held.fates(nic, source, destination, len(expected))
                    if found == {Reason.NETWORK_ACCESS} and expected == {Reason.NO_ROUTE}:
                        continue  # a peering that blocks all blocks what is sent to nobody as well
                    assert found == expected, f"{nic}: {source} -> {destination}: {found}, but forwarding says {expected}"
    return compared
