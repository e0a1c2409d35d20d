"""What the fabric holds, as frozen values: the same whether it lives in memory or in the kernel's eBPF maps.

A port is where a node's interface meets the fabric; its number is its interface index in the fabric's namespace. A packet that comes in at a NIC's
port is judged by the port's table: longest match, then the group of the route. A wire is a pair of ports whose packets only change sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from dualhome.net import Address, Prefix

GATEWAY_MAC = bytes.fromhex("123456789abc")
"""The one MAC address behind which a guest sees everything, as in Azure."""


NEXT_HOP = {4: "192.0.0.8", 6: "fe80::1"}
"""By version of IP, the address of that MAC address on every interface of a node: nobody's anywhere (RFC 7600 section 4.8)."""


class Reason(IntEnum):
    """What became of packets, as counters number it."""

    FORWARDED = 0
    NO_ROUTE = 1  # no route, a None route, or nobody has the address
    IP_FORWARDING = 2  # a foreign source from a NIC without IP forwarding (R66)
    FORWARDED_TRAFFIC = 3  # the peering doesn't allow forwarded traffic (R37)
    NETWORK_ACCESS = 4  # the peering blocks all traffic (D11)
    DOWN = 5  # a port on the way is dead, or passes control packets only
    UNTRANSLATED = 6  # an answer from the Internet to an address that it never heard
    NOT_IP = 7  # neither IPv4, IPv6 nor an ARP or neighbor request that the fabric answers
    SESSION = 8  # a control packet of a session that failed
    ANSWERED = 9  # ARP and neighbor discovery, answered by the fabric


class PortKind(StrEnum):
    """What a port is."""

    NIC = "nic"
    WIRE = "wire"
    INTERNET = "internet"


class PortState(StrEnum):
    """How a port works. Control packets are BGP's (TCP port 179) and BFD's (UDP 3784, 3785, 4784)."""

    UP = "up"
    DEAD = "dead"
    CONTROL_ONLY = "control only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """Where an interface meets the fabric.

    `network` is the number of the sender's virtual network (0: none), `table` of its route table, `far` of a wire's other port. A core port belongs to
    Azure's own routers (gateways, edges), which no traceroute shows: a packet that enters the core at it gets `bonus` added to its TTL, for what the
    core's kernels will take away. `plain`: the guest end isn't in a namespace of ours (a tap, a veth end in the host).
    """

    number: int
    name: str
    kind: PortKind
    mac: bytes
    network: int = 0
    table: int = 0
    address: Address | None = None
    sources: tuple[Address, ...] = ()  # besides `address`, whose packets it may send without IP forwarding
    ip_forwarding: bool = False
    far: int = 0
    core: bool = False
    bonus: int = 0
    state: PortState = PortState.UP
    internet: bool = True  # False: cut off from the Internet
    plain: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Hop:
    """A member of a group: a port, or a balancer. `own_only`: only sources of the sender's virtual network pass (R37)."""

    port: int = 0
    balancer: int = 0
    own_only: bool = False


@dataclass(frozen=True, slots=True)
class NextHops:
    """To one of these, by the flow's hash (R64). Sorted, 1 to 64 of them."""

    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class Local:
    """To whoever has the destination's address in this virtual network."""

    network: int
    own_only: bool = False


@dataclass(frozen=True, slots=True)
class Lookup:
    """Look up again in another table (the Internet's)."""

    table: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop, and count under this reason."""

    reason: Reason


Group = NextHops | Local | Lookup | Drop
Route = tuple[int, Prefix]  # table, prefix


@dataclass(slots=True, kw_only=True)
class State:
    """All of it. `routes` share group objects; a group that is NextHops gets an element of its own in the kernel, so that one write moves all its routes."""

    ports: dict[int, Port] = field(default_factory=dict)
    tables: dict[int, Mapping[Prefix, Group]] = field(default_factory=dict)
    owners: dict[tuple[int, Address], Hop] = field(default_factory=dict)  # by virtual network and address; own_only is not used
    spaces: dict[int, tuple[Prefix, ...]] = field(default_factory=dict)  # address space of each virtual network, and whoever is heard there
    balancers: dict[int, tuple[int, ...]] = field(
        default_factory=dict
    )  # live backends' ports, sorted; a flow meets the same one in both directions
    controls: dict[tuple[int, Address], int] = field(
        default_factory=dict
    )  # control packets from a port to an address: to this port; 0: dropped
    symmetric: bool = False  # hash both directions of a flow alike (Azure doesn't, R64)
