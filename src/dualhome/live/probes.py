"""Probe streams of a live network: real packets between real nodes, by a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dualhome.errors import RequestError
from dualhome.forwarding.places import Places
from dualhome.live.layout import Layout
from dualhome.live.place import Place
from dualhome.live.probing import Prober
from dualhome.model import Network

FLOWS: Final = 64
RATE: Final = 1000
MOST_FLOWS: Final = 1024


class Probes:
    """The streams that are watched; the process that sends them starts with the first one."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._prober: Prober | None = None
        self._watched: set[str] = set()
        self.where: Callable[[], tuple[Network, Layout]]

    def watch(self, source: str, destination: str, flows: int = FLOWS, rate: int = RATE) -> None:
        """Send from one to the other from now on.

        Raises:
            RequestError: one of the two is nothing that sends or receives.
        """
        name = _name(source, destination)
        if name in self._watched:
            return
        if not 0 < flows <= MOST_FLOWS:
            raise RequestError(f"{flows} flows: 1 to {MOST_FLOWS}")
        network, layout = self.where()
        self._start().add(name, flows=flows, rate=rate, **ends(network, layout, self._place, source, destination))
        self._watched.add(name)

    def mark(self) -> None:
        """Something was done to the network: gaps count from here."""
        for name in sorted(self._watched):
            self._start().mark(name)

    def outage(self, source: str, destination: str) -> float:
        """Seconds of the longest gap of the worst flow since the last mark."""
        self.watch(source, destination)
        return float(self._start().read(_name(source, destination))["longest_gap_ms"]) / 1000

    def close(self) -> None:
        """End the process."""
        if self._prober is not None:
            self._prober.close()
            self._prober = None

    def _start(self) -> Prober:
        if self._prober is None:
            self._prober = Prober(self._place.environment())
        return self._prober


def ends(network: Network, layout: Layout, place: Place, source: str, destination: str) -> dict[str, Any]:
    """Where a stream between two names sets out, where it may arrive, and to which address it goes.

    Raises:
        RequestError: one of the two is nothing that sends or receives.
    """
    known = Places(network)
    node = _node(layout, known, source)
    address = known.address_of(destination)
    if node is None:
        raise RequestError(f"{source!r} is no node that sends packets")
    own = known.address_of(source)
    if layout.nodes[node].external:
        raise RequestError(f"{node} is a machine of yours (`runtime: external`), which sends no probes of ours")
    targets = [
        each.name for each in layout.nodes.values() if any(address in i.addresses for i in each.interfaces) or address in each.addresses
    ]
    if any(layout.nodes[name].external for name in targets):
        raise RequestError(f"{destination} is a machine of yours (`runtime: external`), where no probes of ours are received")
    return {
        "source": {"namespace": str(place.namespace(node)), "address": str(own)},
        "targets": [{"namespace": str(place.namespace(name)), "address": str(address)} for name in targets or ["internet"]],
        "destination": str(address),
    }


def _node(layout: Layout, known: Places, name: str) -> str | None:
    """The namespace of a name: a node, the first instance of one that has two, the machine of a NIC."""
    if name in layout.nodes:
        return name
    if f"{name}#0" in layout.nodes:
        return f"{name}#0"
    nic = known.network.nic(name)
    return nic.machine if nic else None


def _name(source: str, destination: str) -> str:
    return f"{source}>{destination}"
