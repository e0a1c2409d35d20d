"""The fabric does what forwarding says, in every network that the project knows, whole and broken."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from dualhome.engine import events
from dualhome.fabric.backend import Installed
from dualhome.fabric.desired import desired
from dualhome.fabric.difference import difference
from dualhome.fabric.flow import TCP, Frame
from dualhome.fabric.numbers import Numbers
from dualhome.fabric.state import Hop, NextHops, Reason
from dualhome.model import base_name
from dualhome.plan import Carrier, make_plan
from dualhome.sim.simulation import Simulation
from dualhome.topology import load
from tests.fabric.networks import ROOT, Held, agree, ports_of
from tests.files import ALL as FILES
from tests.forwarding.fake import FakeWorld, network, programs, vm, vnet
from tests.forwarding.test_properties import worlds

EXAMPLES = ROOT / "examples"


def simulated(file: Path) -> Simulation:
    simulation = Simulation(make_plan(load(file).network))
    simulation.settle(1000)
    return simulation


def held(simulation: Simulation, *, fast_path: bool = True) -> Held:
    engine = simulation.engine
    return Held(engine, engine.plan, engine._faults.node, engine._faults.pair, fast_path=fast_path)


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.parent.name if p.stem == "topology" else p.stem)
def test_the_fabric_agrees_with_forwarding(file: Path) -> None:
    simulation = simulated(file)
    fabric = held(simulation)
    net = simulation.engine.network
    least = 10 if any(net.nics()) else 0  # a gateway alone is asked little: most that it has its own table decides
    assert agree(fabric) >= least
    twins = [f"{name}#0" for name in (*net.gateways, *net.route_servers, *net.circuits)]
    nodes = [*net.nvas, *twins, *net.on_premises]
    links = [f"{each.local}<->{each.remote}" for each in net.peerings[:1]] + [f"{name}<->internet" for name in [*net.nvas][:1]]
    failures = [
        *(("node", name, how) for name, how in zip(nodes, ("crash", "silent", "forwarding") * len(nodes), strict=False)),
        *(("link", name, how) for name in links for how in ("silent", "forwarding")),
    ]
    for seed, (kind, name, how) in enumerate(failures[:: 1 + len(failures) // 8]):
        simulation.handle(events.Fail(events.Target(kind, name, how)))
        fabric.update()
        agree(fabric, seed)
        if seed % 3 == 0:
            simulation.run_until(simulation.now + 200_000_000)
            fabric.update()
            agree(fabric, seed)
        simulation.handle(events.Restore(events.Target(kind, name, how)))
    simulation.run_until(simulation.now + 400_000_000)
    fabric.update()
    assert agree(fabric) >= least


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_random_networks_agree(world: FakeWorld) -> None:
    plan = make_plan(world.network)

    def how(node: str) -> tuple[str, ...]:
        return () if world.alive(node) else ("silent",)

    def how_pair(kind: str, a: str, b: str) -> tuple[str, ...]:
        return ("silent",) if kind == "link" and not world.joined(a, b) else ()

    assert agree(Held(world, plan, how, how_pair)) > 10


def test_control_packets_of_the_platform_go_straight_and_those_of_failed_sessions_nowhere() -> None:
    simulation = simulated(EXAMPLES / "2-expressroute" / "topology.yaml")
    engine, fabric = simulation.engine, held(simulation)
    nics, plan = fabric.ports.nics, engine.plan
    for session in plan.sessions:
        for a, b in (session.ends, session.ends[::-1]):
            address = plan.speakers[a].config.peers[b].session.remote_address
            expected = nics[b].number if session.carrier is Carrier.PLATFORM and (a, b) not in fabric.ports.wires else None
            leaving = fabric.ports.wires.get((a, b)) or nics[a]
            assert fabric.state.controls.get((leaving.number, address)) == expected, (a, b)
    session = next(each for each in plan.sessions if each.carrier is Carrier.NETWORK)
    simulation.handle(events.Fail(events.Target("session", "/".join(session.ends), "silent")))
    fabric.update()
    for a, b in (session.ends, session.ends[::-1]):
        address = plan.speakers[a].config.peers[b].session.remote_address
        frame = Frame(
            port=nics[a].number, source=engine.network.addresses_of(a)[0], destination=address, protocol=TCP, destination_port=179
        )
        assert fabric.memory.forward(frame).reason is Reason.SESSION
        assert fabric.memory.forward(replace(frame, destination_port=80)).reason is Reason.FORWARDED


def test_over_a_peering_that_drops_data_only_sessions_go_on() -> None:
    for file in FILES:
        simulation = Simulation(make_plan(load(file).network))
        plan = simulation.engine.plan
        over = [
            s for s in plan.sessions if s.carrier is Carrier.NETWORK and len({plan.speakers[end].virtual_network for end in s.ends}) == 2
        ]
        if over:
            break
    a, b = over[0].ends
    places = [str(plan.speakers[end].virtual_network) for end in (a, b)]
    simulation.handle(events.Fail(events.Target("link", "<->".join(places), "forwarding")))
    fabric = held(simulation)
    address = plan.speakers[a].config.peers[b].session.remote_address
    source = plan.speakers[b].config.peers[a].session.remote_address
    frame = Frame(port=fabric.ports.nics[a].number, source=source, destination=address, protocol=TCP, destination_port=179)
    assert fabric.memory.forward(frame).target == fabric.ports.nics[b].number
    assert fabric.memory.forward(replace(frame, destination_port=80)).reason is not Reason.FORWARDED


def test_fast_path_without_a_port_of_its_own_goes_through_the_gateway() -> None:
    simulation = simulated(EXAMPLES.parent / "tests/cases/route-maps-and-fastpath.yaml")
    past, through = held(simulation), held(simulation, fast_path=False)
    names = [name for name in past.ports.nics if "/" in name]
    assert names
    numbers = {past.ports.nics[name].number for name in names}
    assert any(hop.port in numbers for hop in hops_of(past))
    gateways = {port.number for name, port in through.ports.nics.items() if base_name(name) in simulation.engine.network.gateways}
    assert any(hop.port in gateways for hop in hops_of(through))


def hops_of(fabric: Held) -> set[Hop]:
    return {hop for table in fabric.state.tables.values() for group in table.values() if isinstance(group, NextHops) for hop in group.hops}


def test_a_large_network_is_quick_where_little_changed() -> None:
    """1,000 machines in 100 subnets with 1,000 routes each."""
    spaces = [vnet(f"v{i}", f"10.{i}.0.0/16", **{f"s{i}": f"10.{i}.1.0/24"}) for i in range(100)]
    machines = [vm(f"vm{i}-{j}", f"v{i}/s{i}", f"10.{i}.1.{j + 4}") for i in range(100) for j in range(10)]
    routes = {f"v{i}": programs(*(f"172.{16 + n // 250}.{n % 250}.0/24 10.{i}.1.4" for n in range(1000))) for i in range(100)}
    world = FakeWorld(network=network(*spaces, *machines), programs=routes)
    numbers = Numbers()
    ports = ports_of(world.network, numbers)
    args = (world, make_plan(world.network), numbers, ports, lambda node: (), lambda kind, a, b: ())
    first = desired(*args)
    installed = Installed()
    installed.take(difference(installed, first), first)
    routes["v7"] = programs(*(f"172.{16 + n // 250}.{n % 250}.0/24 10.7.1.5" for n in range(1000)))
    began = time.process_time()
    second = desired(*args, first)
    steps = difference(installed, second)
    assert time.process_time() - began < 0.5, "about 50 ms on an idle machine"
    assert [(batch.what, len(batch.put)) for batch in steps] == [("groups", 1)]
    world.memo.clear()
    third = desired(*args, second)
    assert all(third.tables[number] is second.tables[number] for number in second.tables)
