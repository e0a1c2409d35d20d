"""A network on virtual time: do things to it, and ask what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dualhome.app.questions import Questions, prefix_of
from dualhome.engine import events
from dualhome.plan import Plan, make_plan
from dualhome.sim.simulation import Simulation
from dualhome.topology import Topology
from dualhome.units import after, as_seconds, seconds


class Run(Questions):
    """A network that runs on virtual time: do things to it, and ask what became of it. Nodes are named as in the topology file."""

    def __init__(self, topology: Topology, plan: Plan, seed: int = 0) -> None:
        self.simulation = Simulation(plan, seed)
        super().__init__(topology, plan, self.simulation.engine)

    @property
    def now_s(self) -> float:
        """Seconds of virtual time since the start."""
        return as_seconds(self.simulation.now)

    # --- doing things to it ---

    def settle(self, within_s: float = 600) -> float:
        """Run until only keepalives, and attempts to connect that must fail, are left; the seconds it took.

        Raises:
            NotSettled: it didn't come to rest in that time; says what was still going on.
        """
        start_s = self.now_s
        self.simulation.settle(within_s)
        return self.now_s - start_s

    def wait(self, seconds_: float) -> None:
        """Let so many seconds pass."""
        self.simulation.run_until(after(self.simulation.now, seconds(seconds_)))

    def fail(self, target: object, how: str = "crash") -> None:
        """Break a node, instance, session, link, virtual network or region, or several at once, as a scenario's `fail` names them."""
        for each in self.targets(target, how):
            self.simulation.handle(events.Fail(each))

    def restore(self, target: object = "all") -> None:
        """Mend what `fail` broke; `all` mends everything."""
        if target == "all":
            self.simulation.handle(events.Restore("all"))
            return
        for each in self.targets(target, "crash"):
            self.simulation.handle(events.Restore(each))

    def announce(self, node: str, prefixes: Sequence[str]) -> None:
        """Let a router announce prefixes besides those of the file."""
        self.simulation.handle(events.Announce(self.router_named(node), tuple(map(prefix_of, prefixes))))

    def withdraw(self, node: str, prefixes: Sequence[str]) -> None:
        """Let a router take prefixes back, the file's too."""
        self.simulation.handle(events.Withdraw(self.router_named(node), tuple(map(prefix_of, prefixes))))

    def change(self, patch: Mapping[str, object]) -> None:
        """Change the network's description, as a scenario's `change` does; sessions that it doesn't touch go on.

        Raises:
            TopologyError: what comes out is no valid network.
        """
        self.topology = self.topology.changed(patch)
        self.plan = make_plan(self.topology.network)
        self.simulation.handle(events.Change(self.plan))

    def watch(self, source: str, destination: str) -> None:
        """Send probes from now on, for `outage`."""
        self.simulation.probe(source, destination)

    def outage(self, source: str, destination: str) -> float:
        """Seconds of the longest gap of the worst of 64 flows since the last event; `watch` the pair first."""
        return float(self.simulation.outage(source, destination))
