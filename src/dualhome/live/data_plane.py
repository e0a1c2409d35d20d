"""What the kernel forwards by: the fabric's maps and each node's routes, written from what the engine knows.

`program` writes all that changed; `fail` and `see` write at once what can't wait for that, and the next `program` mends what they guessed wrong (`reroute`).
"""

from __future__ import annotations

from collections.abc import Mapping

from dualhome.engine import Engine
from dualhome.fabric.backend import Batch, Installed
from dualhome.fabric.desired import desired
from dualhome.fabric.difference import difference
from dualhome.fabric.kernel import Kernel
from dualhome.fabric.numbers import Numbers
from dualhome.fabric.ports import Ports
from dualhome.fabric.state import NextHops, State
from dualhome.live import security
from dualhome.live.endpoints import Side
from dualhome.live.kernel_routes import Routes, beside_program, wanted_routes
from dualhome.live.layout import Layout, Node
from dualhome.live.nodes import Nodes
from dualhome.live.ports import ports_of
from dualhome.live.reroute import Lost, failing_ports, instead, lost_peers, without
from dualhome.live.tunnels import Tunnels
from dualhome.net import Prefix


class DataPlane:
    """Of one network, from the time that its fabric is there."""

    def __init__(self, engine: Engine, nodes: Nodes, numbers: Numbers, tunnels: Tunnels, fabric: Kernel) -> None:
        self._engine, self._nodes, self._numbers, self._tunnels, self._fabric = engine, nodes, numbers, tunnels, fabric
        self._installed = Installed()
        self._wanted = State()
        self._routes: dict[str, Routes] = {}
        self._judging: dict[str, str] = {}  # security groups, by node
        self._layout: Layout
        self._sides: Mapping[tuple[str, str], Side] = {}
        self._version = self._shape = -1
        self._read = 0  # of the journal
        self._lost: Lost = {}
        self.ports: Ports

    # --- nodes come and go --------------------------------------------------------------------------------------------

    def enter(self, layout: Layout, fresh: list[int], sides: Mapping[tuple[str, str], Side]) -> None:
        """The nodes of this layout are there; `fresh` are the numbers of new ports."""
        self._fabric.attach(fresh)
        self._layout, self._sides, self.ports = layout, sides, ports_of(layout, self._numbers)
        for name, node in layout.nodes.items():
            if name in self._routes:
                self._routes[name].follow(self._engine.foreign(name))
            elif not node.external:
                mine = self._routes[name] = Routes(name, self._nodes.handle(name), beside=node.role == "internet")
                mine.foreign = self._engine.foreign(name)

    def leave(self, node: str) -> None:
        """It is gone, and its kernel with it."""
        self._routes.pop(node, None)
        self._judging.pop(node, None)

    def lose(self, node: str, device: str) -> None:
        """A device of a node is gone."""
        if node in self._routes:
            self._routes[node].forget_device(device)

    # --- writing ------------------------------------------------------------------------------------------------------

    @property
    def behind(self) -> bool:
        """Whether the engine knows what isn't written yet."""
        return self._version != self._engine.version()

    def program(self) -> None:
        """Write what the engine knows by now."""
        engine = self._engine
        self._version = engine.version()
        reshaped, self._shape = self._shape != engine.shape(), engine.shape()
        if reshaped:
            self._judge()  # before the fabric lets anything pass on behalf of a security group
        wanted = desired(engine, engine.plan, self._numbers, self.ports, engine.fails, engine.fails_between, self._wanted)
        self._wanted = self._tunnels.follow(wanted)
        batches = difference(self._installed, self._wanted)
        self._fabric.apply(batches)
        self._installed.take(batches, self._wanted)
        self._tunnels.join()
        for name, node in self._layout.nodes.items():
            if name in self._routes:
                self._routes[name].write(self._kernel_routes(node))
        if not reshaped:
            self._judge()

    def _judge(self) -> None:
        """Security groups, where routes or the network made them others."""
        for name, node in self._layout.nodes.items():
            text = security.ruleset(self._engine, node)
            if text != self._judging.get(name, ""):
                self._nodes.filter(name, security.TABLE, text)
                self._judging[name] = text

    def fail(self) -> None:
        """Something failed or was mended: its ports, at once."""
        self._write(self._tunnels.through(failing_ports(self._engine, self._installed, self.ports)))

    def see(self) -> None:
        """What route servers lost by what the journal has anew goes out of groups, before anything is decided."""
        entries, self._read = self._engine.journal[self._read :], len(self._engine.journal)
        if entries and (lost := lost_peers(self._engine, entries)):
            self._lost |= lost
            self._write(without(self._engine, self._installed, self.ports, lost))

    def decided(self) -> None:
        """RIBs have decided: groups of which nothing was left go where routes lead now."""
        if self._lost:
            self._write(instead(self._engine, self._installed, self.ports, self._lost))
            self._lost = {}

    def restore(self, port: int) -> None:
        """Groups with this port, out of which BFD may have taken it behind our back, are as they shall be again."""
        groups = self._installed.groups.items()
        put = tuple((n, group) for n, group in groups if isinstance(group, NextHops) and any(hop.port == port for hop in group.hops))
        if put:
            self._fabric.apply([Batch("groups", put=put)])

    def _write(self, batch: Batch | None) -> None:
        """At once, and remembered."""
        if batch is not None:
            self._fabric.apply([batch])
            self._installed.take([batch])

    def _kernel_routes(self, node: Node) -> Mapping[Prefix, tuple[str, ...]]:
        if not self._engine.foreign(node.name):
            return wanted_routes(self._engine, node)
        ways = [(each.remote, each.device) for (speaker, _), each in self._sides.items() if speaker == node.name and each.device]
        return beside_program(self._engine, node, ways)

    # --- questions ----------------------------------------------------------------------------------------------------

    def audit(self) -> list[str]:
        """Where fabric and kernels are otherwise than they should be, in words; empty where they aren't. Reads all that they hold."""
        found = [
            f"the fabric: {len(batch.put)} {batch.what} to write, {len(batch.drop)} to remove"
            for batch in difference(self._fabric.read(), self._wanted)
        ]
        nodes = self._layout.nodes
        return found + [line for name, routes in self._routes.items() for line in routes.audit(self._kernel_routes(nodes[name]))]

    def status(self) -> dict[str, object]:
        """How much the fabric holds, and what became of packets."""
        counted: dict[str, int] = {}
        for (_, reason), (packets, _) in sorted(self._fabric.counters().items(), key=lambda item: item[0][1]):
            word = reason.name.lower().replace("_", "-")
            counted[word] = counted.get(word, 0) + packets
        routes = sum(len(each) for each in self._installed.routes.values())
        return {"ports": len(self._installed.ports), "routes": routes, "packets": {word: count for word, count in counted.items() if count}}
