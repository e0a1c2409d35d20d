"""What is broken at present, and what follows from it for nodes, for what joins them, and for sessions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dualhome.engine.events import Target
from dualhome.model import Network, base_name


def covers(name: str, full: str) -> bool:
    """Whether a name as written means this full name: without # it means all instances."""
    return name == full or ("#" not in name and base_name(full) == name)


def pair_of(name: str) -> tuple[str, str]:
    """The two that `a<->b` or `a/b` names."""
    first, _, second = name.partition("<->" if "<->" in name else "/")
    return first, second


def places(network: Network) -> dict[str, str]:
    """The virtual network that each node stands in, by the node's name without #; those on premises stand in none."""
    found = {rs.name: rs.virtual_network for rs in network.route_servers.values()}
    found |= {gateway.name: gateway.virtual_network for gateway in network.gateways.values()}
    found |= {nva.name: nva.virtual_network for nva in network.nvas.values() if nva.virtual_network}
    found |= {machine.name: machine.nic.virtual_network for machine in network.virtual_machines.values()}
    found |= {balancer.name: balancer.subnet.partition("/")[0] for balancer in network.load_balancers.values()}
    return found


class Faults:
    """All that is failed, in the order in which it failed; answers are remembered until something fails, is mended, or the network changes."""

    def __init__(self, network: Network) -> None:
        self.active: tuple[Target, ...] = ()
        self._nodes: dict[str, tuple[str, ...]] = {}
        self._pairs: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self.of_network(network)

    def of_network(self, network: Network) -> None:
        """The network is this one now; failures stay."""
        self._network, self.places = network, places(network)
        self._forget()

    def add(self, target: Target) -> None:
        """Something fails; what fails anew fails in the new way. An object of several instances fails as its instances, for they are mended one by one."""
        added = list(self._instances(target))
        self.active = (*(t for t in self.active if not any(_same(t, each) for each in added)), *added)
        self._forget()

    def remove(self, target: Target) -> bool:
        """It is mended; whether it, or an instance of it, had failed."""
        gone = [t for t in self.active if _same(t, target) or _part_of(t, target)]
        self.active = tuple(t for t in self.active if t not in gone)
        self._forget()
        return bool(gone)

    def clear(self) -> None:
        """All is mended."""
        self.active = ()
        self._forget()

    # --- what follows -------------------------------------------------------------------------------------------------

    def node(self, node: str) -> tuple[str, ...]:
        """How the node fails, in every way in which it does."""
        if not self.active:
            return ()
        if node not in self._nodes:
            place = self.places.get(base_name(node))
            region = self._network.virtual_networks[place].region if place else None
            words = {"virtual_network": place, "region": region}
            self._nodes[node] = tuple(
                t.how for t in self.active if (covers(t.name, node) if t.kind == "node" else t.kind in words and words[t.kind] == t.name)
            )
        return self._nodes[node]

    def pair(self, kind: str, a: str, b: str) -> tuple[str, ...]:
        """How what joins two fails (kind link), or their session (kind session)."""
        if not self.active:
            return ()
        key = (kind, a, b)
        if key not in self._pairs:
            self._pairs[key] = tuple(t.how for t in self.active if t.kind == kind and _joins(t.name, a, b))
        return self._pairs[key]

    def crashed(self, node: str) -> bool:
        """Whether the node's processes are gone."""
        return "crash" in self.node(node)

    def mute(self, node: str) -> bool:
        """Whether no packet passes the node, not even BGP's: it is crashed or silent."""
        return any(how != "forwarding" for how in self.node(node))

    def _instances(self, target: Target) -> Iterator[Target]:
        network = self._network
        twins = target.name in network.route_servers or target.name in network.gateways or target.name in network.circuits
        if target.kind == "node" and twins:
            yield from (replace(target, name=f"{target.name}#{i}") for i in (0, 1))
        else:
            yield target

    def _forget(self) -> None:
        self._nodes.clear()
        self._pairs.clear()


def _joins(name: str, a: str, b: str) -> bool:
    first, second = pair_of(name)
    return (covers(first, a) and covers(second, b)) or (covers(first, b) and covers(second, a))


def _same(one: Target, other: Target) -> bool:
    """Whether both mean the same thing, in whatever way it fails."""
    if one.kind != other.kind:
        return False
    return one.name == other.name or (one.kind in ("link", "session") and set(pair_of(one.name)) == set(pair_of(other.name)))


def _part_of(one: Target, whole: Target) -> bool:
    """Whether `one` is an instance of `whole`, or joins instances of what `whole` joins."""
    if one.kind != whole.kind:
        return False
    if one.kind == "node":
        return covers(whole.name, one.name)
    return one.kind in ("link", "session") and _joins(whole.name, *pair_of(one.name))
