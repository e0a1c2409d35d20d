"""A network at rest: simulated until nothing changes, with these nodes down."""

from __future__ import annotations

from dualhome.engine import Engine, Target, events
from dualhome.model import Network
from dualhome.plan import make_plan
from dualhome.sim.simulation import Simulation


def Settled(network: Network, down: tuple[str, ...] = ()) -> Engine:  # noqa: N802  # reads as the noun that it gives
    simulation = Simulation(make_plan(network))
    simulation.settle(600)
    for name in down:
        simulation.handle(events.Fail(Target("node", name)))
    simulation.settle(600)
    return simulation.engine
