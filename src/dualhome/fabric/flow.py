"""A packet as the fabric sees it, and the hash that chooses among next hops: the same here and in the eBPF program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dualhome.fabric.state import Reason
from dualhome.net import Address, Prefix

WORD: Final = 0xFFFFFFFF
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
BGP: Final = 179  # RFC 4271 section 3
BFD: Final = (3784, 3785, 4784)  # RFC 5881 section 4, RFC 5883 section 5
HEARD: Final = Prefix.parse(
    "198.18.0.0/15"
)  # how the Internet hears ports: this, and the port's number in the low 17 bits (RFC 2544's own range)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """An IP packet that comes in at a port."""

    port: int
    source: Address
    destination: Address
    protocol: int
    source_port: int = 0
    destination_port: int = 0
    ttl: int = 64
    identifier: int = 0  # of an ICMP echo, request or reply
    fragment: bool = False  # a later one: without the header that has ports
    length: int = 98  # bytes, with the Ethernet header

    @property
    def control(self) -> bool:
        """Whether it is BGP's or BFD's."""
        if self.fragment:
            return False
        if self.protocol == TCP:
            return BGP in (self.source_port, self.destination_port)
        return self.protocol == UDP and self.destination_port in BFD

    @property
    def ports(self) -> tuple[int, int]:
        """What tells apart flows of the same ends: ports, or an echo's identifier and 0."""
        if self.fragment:
            return 0, 0
        if self.protocol in (TCP, UDP):
            return self.source_port, self.destination_port
        return (self.identifier, 0) if self.protocol in (ICMP, ICMP6) else (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a packet: where it goes (0: nowhere), and how it looks then."""

    reason: Reason
    target: int
    source: Address
    destination: Address
    ttl: int


def flow_hash(frame: Frame) -> int:
    """Another number for each direction of a flow, and at each port (R64): 32 bits."""
    first, second = frame.ports
    a, b = _folded(frame.source), _folded(frame.destination)
    ports = (first << 16 | second) if frame.protocol in (TCP, UDP) else first
    inner = _mix(b + 0x85EBCA77 & WORD) ^ _mix(ports + 0xC2B2AE3D & WORD)
    return _mix((a * 0x9E3779B1 & WORD) ^ inner ^ frame.protocol ^ _mix(frame.port))


def symmetric_hash(frame: Frame) -> int:
    """The same number for both directions of a flow, and everywhere: 32 bits."""
    first, second = frame.ports
    return _mix(_mix(_folded(frame.source) ^ _folded(frame.destination)) ^ _mix(first ^ second) ^ frame.protocol)


def _mix(x: int) -> int:
    """A bijection of 32 bits in which each bit of the input moves half of the output's."""
    x = (x ^ x >> 16) * 0x7FEB352D & WORD
    x = (x ^ x >> 15) * 0x846CA68B & WORD
    return x ^ x >> 16


def _folded(address: Address) -> int:
    """An address in 32 bits: of IPv6 the four words, one upon the other."""
    bits = address.bits
    return bits if address.version == 4 else (bits >> 96 ^ bits >> 64 ^ bits >> 32 ^ bits) & WORD
