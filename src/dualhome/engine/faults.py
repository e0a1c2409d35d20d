"""What is broken at present, and what follows for nodes and for what joins them. Names without # mean all instances."""

from __future__ import annotations

from collections.abc import Iterator

from dualhome.engine.events import Target
from dualhome.model import Network, base_name


def covers(name: str, full: str) -> bool:
    """Whether a name as written means this full name."""
    return name == full or ("#" not in name and base_name(full) == name)


def pair_of(name: str) -> tuple[str, str]:
    """The two that `a<->b` or `a/b` names."""
    first, _, second = name.partition("<->" if "<->" in name else "/")
    return first, second


class Faults:
    """Targets that are failed, in the order in which they failed."""

    def __init__(self) -> None:
        self.active: list[Target] = []

    def add(self, target: Target) -> None:
        """Something fails; failing anew replaces how it failed."""
        self.remove(target)
        self.active.append(target)

    def remove(self, target: Target) -> list[Target]:
        """It is mended; what was removed. A node's restoration mends its instances too."""
        gone = [t for t in self.active if t.kind == target.kind and (t.name == target.name or _same(t, target))]
        self.active = [t for t in self.active if t not in gone]
        return gone

    def of_node(self, network: Network, node: str) -> Iterator[Target]:
        """Everything that is wrong with a node."""
        place = virtual_network_of(network, node)
        for target in self.active:
            if (
                (target.kind == "node" and covers(target.name, node))
                or (target.kind == "virtual_network" and place == target.name)
                or (target.kind == "region" and place and network.virtual_networks[place].region == target.name)
            ):
                yield target

    def of_pair(self, kind: str, a: str, b: str) -> Iterator[Target]:
        """Everything that is wrong with what joins two (kind link), or with their session (kind session)."""
        for target in self.active:
            if target.kind == kind:
                first, second = pair_of(target.name)
                if (covers(first, a) and covers(second, b)) or (covers(first, b) and covers(second, a)):
                    yield target


def _same(one: Target, other: Target) -> bool:
    if one.kind == "node":
        return covers(other.name, one.name)
    if one.kind in ("link", "session"):
        return set(pair_of(one.name)) == set(pair_of(other.name))
    return False


def virtual_network_of(network: Network, node: str) -> str | None:
    """The virtual network that a node stands in."""
    base = base_name(node)
    for rs in network.route_servers.values():
        if rs.name == base:
            return rs.virtual_network
    if base in network.gateways:
        return network.gateways[base].virtual_network
    if base in network.nvas:
        return network.nvas[base].virtual_network
    if base in network.virtual_machines:
        return network.virtual_machines[base].nic.virtual_network
    if base in network.load_balancers:
        return network.load_balancers[base].subnet.partition("/")[0]
    return None
