"""What forwarding must be told of the present: which parts work, what the RIBs hold, what reached the NICs."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dualhome.model import Network
from dualhome.net import Address, Prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class Programmed:
    """A route that a route server or gateway programs on NICs (R49, R50): addresses as the NIC lists them."""

    prefix: Prefix
    next_hops: tuple[Address, ...]  # NVA or load balancer; Microsoft's edge for ExpressRoute (R51); the gateway's instances for VPN
    route_class: str  # nva | er | vpn
    by: str  # the route server, or the gateway where there is no route server


@dataclass(frozen=True, slots=True, kw_only=True)
class RibHop:
    """One way of a speaker's Loc-RIB toward a destination: the peer it learned it from (None: its own origination), and the next hop."""

    peer: str | None
    next_hop: Address
    tags: tuple[str, ...] = ()


class World(Protocol):
    """The present state, as forwarding asks it."""

    @property
    def network(self) -> Network:
        """The model."""
        ...

    def alive(self, node: str) -> bool:
        """Whether packets pass this node (full name, as `hub1-er#0`): it is neither crashed nor silent nor does it drop data."""
        ...

    def healthy(self, balancer: str, machine: str) -> bool:
        """Whether a load balancer takes this backend for healthy: what its probes told it last, which may be seconds ago."""
        ...

    def in_service(self, instance: str) -> bool:
        """Whether a gateway's instance takes its part: not while it will stand in for the other one, and doesn't yet."""
        ...

    def joined(self, a: str, b: str) -> bool:
        """Whether what joins the two works, not failed by `a<->b`: a peering, tunnel, connection, link, `nva<->internet`."""
        ...

    def programmed(self, virtual_network: str, nic: str | None) -> Mapping[Prefix, Programmed]:
        """What the route server and gateways of this virtual network itself program (by partition: on this NIC, R73). The caller looks up the transit hub's."""
        ...

    def rib(self, speaker: str, address: Address) -> tuple[Prefix, tuple[RibHop, ...]] | None:
        """Longest match in the Loc-RIB of a router, a gateway instance or an edge router, with its multipath set; None where none matches, or no speaker is of that name."""
        ...

    def loc_rib(self, speaker: str) -> Sequence[tuple[Prefix, tuple[RibHop, ...]]]:
        """The same Loc-RIB as a whole, in a stated order; routes of the same ways share the tuple. Empty where no speaker is of that name."""
        ...

    @property
    def memo(self) -> MutableMapping[object, Any]:
        """A place where forwarding remembers what it computed."""
        ...

    def shape(self) -> int:
        """Grows with failures and changes of configuration, not with routes."""
        ...

    def version(self) -> int:
        """Grows whenever any answer of the other methods may have changed; caches hang on it."""
        ...
