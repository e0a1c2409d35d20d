"""What is on its way, and what a node may do with it: hand it on, keep it, drop it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from dualhome.errors import RequestError
from dualhome.model import Network, Nic, base_name
from dualhome.net import Address, Prefix

PRIVATE: Final = tuple(
    map(Prefix.parse, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10"))
)
Translation = tuple[str, Address, Address]  # NVA or router, its address, the source before


class Step(StrEnum):
    """What happens to a packet at a hop; `steps.STEPS` has a function for each."""

    NIC = "arrives at a machine's NIC"
    LEAVE_NIC = "leaves a NIC, a route server"
    LEAVE_NVA = "an NVA forwards it"
    TUNNEL = "comes out of a tunnel in an NVA"
    ROUTER = "at an on-premises router"
    GATEWAY = "at a gateway's instance"
    EDGE = "at one of Microsoft's edge routers"
    LOAD_BALANCER = "at a load balancer"
    ROUTE_SERVER = "arrives at a route server"
    INTERNET = "arrives at the Internet"
    FROM_INTERNET = "comes from the Internet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What a security rule asks of a flow beside its addresses: its protocol (Tcp, Udp, Icmp), and the port that it goes to."""

    protocol: str
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Flow:
        """Of `Tcp/443`, `udp/53` or `icmp`; RequestError where it is none."""
        name, _, port = text.partition("/")
        protocol = name.capitalize()
        if (
            protocol not in ("Tcp", "Udp", "Icmp")
            or (port and not (port.isdigit() and 0 < int(port) < 65536))
            or (port and protocol == "Icmp")
        ):
            raise RequestError(f"{text!r} is no flow: Tcp/443, Udp/53 or Icmp")
        return cls(protocol=protocol, port=int(port or 0))

    def __str__(self) -> str:
        """`Tcp/179`."""
        return f"{self.protocol}/{self.port}" if self.port else self.protocol


PROBE: Final = Flow(protocol="Udp", port=40007)  # what a live network's probes are
ANSWER: Final = Flow(protocol="Udp", port=20000)  # and what their answers would be
BGP: Final = Flow(protocol="Tcp", port=179)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A node on a path; `note` says why the packet came here."""

    name: str
    kind: str
    address: Address | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """What is on its way. `flow`: as security groups judge it; None for one that they let pass before. `translated`: SNATs done. On the way back
    `undo` are those of the way out, `heard` is whom the Internet heard, and `known_to` are the nodes of the way out: to them it is no new flow,
    so they translate nothing. `circuit` is the last one by which it came to a gateway.
    """

    source: Address
    destination: Address
    flow: Flow | None = PROBE
    translated: tuple[Translation, ...] = ()
    undo: tuple[Translation, ...] = ()
    heard: str = ""
    known_to: frozenset[str] = frozenset()
    circuit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """On to a node, where `step` goes on, or `then` where the node only hands on. `nic`: where it arrives or leaves; `pin`: the load balancer that chose."""

    hop: Hop
    step: Step
    nic: Nic | None = None
    then: Move | None = None
    pin: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the packet's fields

    @property
    def label(self) -> str:
        """How the choice is called where there are several."""
        return f"{self.hop.name} {self.then.hop.name}" if self.then else self.hop.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """Delivered at a node; `end` is the host behind it, else the node."""

    at: str
    end: str

    @property
    def label(self) -> str:
        """How the choice is called where there are several."""
        return self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Dropped, and why; `more` holds the node that drops it, where it is the next one."""

    at: str
    because: str
    detail: str
    more: tuple[Hop, ...] = ()

    @property
    def label(self) -> str:
        """How the choice is called where there are several."""
        return self.at


Result = Move | Landed | Dropped
Results = Sequence[Result]


def kind_of(network: Network, node: str) -> str:
    """What a node is, as paths say it."""
    base = base_name(node)
    if base in network.gateways:
        return "gateway"
    if base in network.circuits:
        return "circuit"
    if base in network.route_servers:
        return "route server"
    if base in network.nvas:
        return "nva"
    return "router" if base in network.on_premises else "vm"


def home_of(network: Network, node: str) -> str | None:
    """The virtual network that a node sends from."""
    base = base_name(node)
    if base in network.gateways:
        return network.gateways[base].virtual_network
    if base in network.route_servers:
        return network.route_servers[base].virtual_network
    nic = network.nic(node) or network.nic(base)
    return nic.virtual_network if nic else None
