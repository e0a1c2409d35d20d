"""A network on virtual time: do things to it, and ask what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from dualhome.app.questions import Questions, prefix_of
from dualhome.app.what_if import Change, compared, settled, understood
from dualhome.engine import events
from dualhome.errors import NotSettled
from dualhome.explain import Story, outage_story
from dualhome.explain.compare import WhatIf
from dualhome.plan import Plan, make_plan
from dualhome.sim.simulation import Simulation
from dualhome.topology import Topology
from dualhome.units import after, as_seconds, seconds


class Run(Questions):
    """A network that runs on virtual time: do things to it, and ask what became of it. Nodes are named as in the topology file."""

    def __init__(self, topology: Topology, plan: Plan, seed: int = 0) -> None:
        self.simulation = Simulation(plan, seed)
        super().__init__(topology, plan, self.simulation.engine)
        self._beginning = (topology, plan, seed)
        self._done: list[tuple[str, tuple[object, ...]]] = []  # all that was done to it, in order

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
        self._done.append(("settle", (within_s,)))
        self.simulation.settle(within_s)
        return self.now_s - start_s

    def wait(self, seconds_: float) -> None:
        """Let so many seconds pass."""
        self._done.append(("wait", (seconds_,)))
        self.simulation.run_until(after(self.simulation.now, seconds(seconds_)))

    def fail(self, target: object, how: str = "crash") -> None:
        """Break a node, instance, session, link, virtual network or region, or several at once, as a scenario's `fail` names them."""
        for each in list(self.targets(target, how)):
            self.simulation.handle(events.Fail(each))
        self._done.append(("fail", (target, how)))

    def restore(self, target: object = "all") -> None:
        """Mend what `fail` broke; `all` mends everything."""
        if target == "all":
            self.simulation.handle(events.Restore("all"))
        else:
            for each in list(self.targets(target, "crash")):
                self.simulation.handle(events.Restore(each))
        self._done.append(("restore", (target,)))

    def announce(self, node: str, prefixes: Sequence[str]) -> None:
        """Let a router announce prefixes besides those of the file."""
        self.simulation.handle(events.Announce(self.router_named(node), tuple(map(prefix_of, prefixes))))
        self._done.append(("announce", (node, tuple(prefixes))))

    def withdraw(self, node: str, prefixes: Sequence[str]) -> None:
        """Let a router take prefixes back, the file's too."""
        self.simulation.handle(events.Withdraw(self.router_named(node), tuple(map(prefix_of, prefixes))))
        self._done.append(("withdraw", (node, tuple(prefixes))))

    def change(self, patch: Mapping[str, object]) -> None:
        """Change the network's description, as a scenario's `change` does; sessions that it doesn't touch go on.

        Raises:
            TopologyError: what comes out is no valid network.
        """
        self._become(self.topology.changed(patch))
        self._done.append(("change", (patch,)))

    def become(self, topology: Topology) -> None:
        """Replace the whole network by another; what is the same in both goes on."""
        self._become(topology)
        self._done.append(("become", (topology,)))

    def _become(self, topology: Topology) -> None:
        self.topology = topology
        self.plan = make_plan(topology.network)
        self.simulation.handle(events.Change(self.plan))

    def watch(self, source: str, destination: str) -> None:
        """Send probes from now on, for `outage`."""
        self.simulation.probe(source, destination)
        self._done.append(("watch", (source, destination)))

    def outage(self, source: str, destination: str) -> float:
        """Seconds of the longest gap of the worst of 64 flows since the last event; `watch` the pair first."""
        return float(self.simulation.outage(source, destination))

    def why_outage(self, source: str, destination: str) -> Story:
        """Why that outage took as long as it did: its phases follow one another and add up to it."""
        gap = self.simulation.gap(source, destination)
        return outage_story(self.engine, gap, source, destination)

    def outage_by(self, source: str, destination: str, target: object, how: str = "crash") -> Story:
        """Fail something, let it settle, and say why packets from one to the other were lost as long as they were."""
        self.watch(source, destination)
        self.fail(target, how)
        settled(self)
        return self.why_outage(source, destination)

    # --- what would be if ---

    def again(self) -> Run:
        """The same network once more, to which the same was done; what is done to one of the two from now on leaves the other alone."""
        other = Run(*self._beginning)
        for verb, arguments in self._done:
            with suppress(NotSettled):
                getattr(other, verb)(*arguments)
        return other

    def what_if(self, *changes: Change) -> Run:
        """A second network, as this one is by now and changed, settled: `route_servers.hub1-rs.branch_to_branch=true`, a mapping, `fail hub1-nva`, …

        Raises:
            TopologyError: a change can't be understood, names what isn't there, or makes no valid network.
        """
        other = self.again()
        for deed in understood(changes):
            deed.do(other)
            settled(other)
        return other

    def why_if(self, changes: Sequence[Change], node: str, to: str | None = None, instead_of: str | None = None) -> WhatIf:
        """What changes would make of an answer: of `why(node, to)`, or of `why_session(node)` where `to` is left out."""

        other = self.what_if(*changes)
        before, after = (run.why_session(node) if to is None else run.why(node, to, instead_of) for run in (self, other))
        return compared((self, before), (other, after), changes, node, to)

    def why_outage_if(self, changes: Sequence[Change], source: str, destination: str, target: object) -> WhatIf:
        """What changes would make of the outage that a failure brings; nothing fails in this network itself."""
        before, after = self.again(), self.what_if(*changes)
        first, second = before.outage_by(source, destination, target), after.outage_by(source, destination, target)
        return compared((before, first), (after, second), changes, source, destination)
