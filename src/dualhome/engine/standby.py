"""VPN gateways that aren't active-active: when the second instance stands in for the first.

Source: Azure VPN Gateway, "About highly available gateway configurations": 10 to 15 s in planned maintenance, 60 to 90 s where nobody planned it.
"""

from __future__ import annotations

from collections.abc import Callable

from dualhome.model import Network, base_name
from dualhome.units import Instant, after, seconds


class Standby:
    """Since when first instances are dead, as far as second ones wait for their turn."""

    def __init__(self, network: Network, dead: Callable[[str], bool]) -> None:
        self._dead = dead
        self._due: dict[str, Instant | None] = {}  # by gateway; None: the second instance works
        self.change(network)

    def change(self, network: Network) -> None:
        """Another network."""
        self._gateways = {gateway.name: gateway for gateway in network.gateways.values() if not gateway.both_work}

    def look(self, now: Instant) -> None:
        """Failures are others now. As soon as the first instance is back, it works again."""
        dead = {name: gateway for name, gateway in self._gateways.items() if self._dead(f"{name}#0")}
        self._due = {name: self._due.get(name, after(now, seconds(each.standby_takeover_s))) for name, each in dead.items()}
        self.tick(now)

    def tick(self, now: Instant) -> list[str]:
        """Gateways whose second instance stands in from now on."""
        found = [name for name, due in self._due.items() if due is not None and due <= now]
        self._due.update(dict.fromkeys(found))
        return found

    def deadline(self) -> Instant | None:
        """When the next one stands in."""
        return min((due for due in self._due.values() if due is not None), default=None)

    def waits(self, instance: str) -> bool:
        """Whether this is a second instance that will stand in, and doesn't yet."""
        return instance.endswith("#1") and self._due.get(base_name(instance)) is not None

    def waiting(self) -> list[str]:
        """Gateways whose second instance will stand in."""
        return [name for name, due in self._due.items() if due is not None]

    def works(self, instance: str) -> bool:
        """Whether this instance is in service: of a gateway that isn't active-active the second only where it stands in for the first."""
        name, _, index = instance.partition("#")
        return name not in self._gateways or index == "0" or (name in self._due and self._due[name] is None)
