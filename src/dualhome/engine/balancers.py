"""What load balancers know of their backends by their health probes: a dead one gets flows until its probe failed often enough.

Source: Azure Load Balancer, "health probes": interval and threshold, "probe down behavior"; one probe that is answered brings a backend back.
"""

from __future__ import annotations

from collections.abc import Callable

from dualhome.forwarding.security import backends
from dualhome.model import LoadBalancer, Network, Nic
from dualhome.units import Duration, Instant, after, seconds

Pair = tuple[str, str]  # load balancer, machine


class Balancers:
    """Which backends load balancers take for healthy, and when that changes (R116, R117, R118)."""

    def __init__(self, network: Network, answers: Callable[[Nic], bool]) -> None:
        self._answers = answers
        self._healthy: dict[Pair, bool] = {}
        self._due: dict[Pair, Instant] = {}  # when probes will have told
        self.change(network, Instant(0))

    def change(self, network: Network, now: Instant) -> None:
        """Another network; a load balancer that is new, or has a new backend, has probed it already."""
        self._balancers = dict(network.load_balancers)
        self._nics = {(b.name, nic.machine): nic for b in self._balancers.values() for nic in backends(network, b)}
        self._healthy = {pair: self._healthy.get(pair, self._answers(nic)) for pair, nic in self._nics.items()}
        self.look(now)

    def look(self, now: Instant) -> None:
        """Failures or security groups are others now: what probes will tell, and when at the latest."""
        truth = {pair: self._answers(nic) for pair, nic in self._nics.items()}
        different = {pair: answers for pair, answers in truth.items() if answers != self._healthy[pair]}
        self._due = {p: self._due.get(p, after(now, _time(self._balancers[p[0]], answers))) for p, answers in different.items()}

    def tick(self, now: Instant) -> list[tuple[str, str, bool]]:
        """Load balancer, backend, and whether it is healthy from now on."""
        told = [pair for pair, due in self._due.items() if due <= now]
        for pair in told:
            del self._due[pair]
            self._healthy[pair] = not self._healthy[pair]
        return [(*pair, self._healthy[pair]) for pair in told]

    def deadline(self) -> Instant | None:
        """When the next one is told."""
        return min(self._due.values(), default=None)

    def pending(self) -> list[str]:
        """Load balancers that take a backend for other than it is."""
        return list(dict.fromkeys(balancer for balancer, _ in self._due))

    def healthy(self, balancer: str, machine: str) -> bool:
        """Whether a load balancer gives new flows to this backend."""
        return self._healthy.get((balancer, machine), False)


def _time(balancer: LoadBalancer, answers: bool) -> Duration:
    """At the latest: `threshold` probes unanswered, or one answered."""
    return seconds(balancer.probe_interval_s * (1 if answers else balancer.probe_threshold))
