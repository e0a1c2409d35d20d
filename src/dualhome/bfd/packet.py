"""The control packet of RFC 5880 section 4.1: to bytes, and from bytes with the reason why a packet is discarded.

| version 3, diagnostic 5 | state 2, P F C A D M | multiplier | length |
| my discriminator | your discriminator |
| desired min TX | required min RX | required min echo RX |   32 bits each, microseconds
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

VERSION: Final = 1
LENGTH_BYTES: Final = 24
AUTHENTICATED_LENGTH_BYTES: Final = 26
_LAYOUT: Final = struct.Struct("!BBBBIIIII")
_POLL, _FINAL, _INDEPENDENT, _AUTHENTICATED, _DEMAND, _MULTIPOINT = 0x20, 0x10, 0x08, 0x04, 0x02, 0x01


class State(IntEnum):
    """States of a session, as the packet numbers them (RFC 5880 section 4.1)."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3

    @property
    def word(self) -> str:
        """As the RFC writes it."""
        return "".join(part.capitalize() for part in self.name.split("_"))


class Diagnostic(IntEnum):
    """Why a session changed its state last (RFC 5880 section 4.1)."""

    NONE = 0
    DETECTION_TIME_EXPIRED = 1
    ECHO_FAILED = 2
    NEIGHBOR_SIGNALED_DOWN = 3
    FORWARDING_PLANE_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_PATH_DOWN = 6
    ADMINISTRATIVELY_DOWN = 7
    REVERSE_CONCATENATED_PATH_DOWN = 8

    @property
    def words(self) -> str:
        """In words."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A control packet. Intervals in microseconds; `diagnostic` is a number, since other ends may use numbers that nobody has named yet."""

    state: State
    multiplier: int
    my_discriminator: int
    your_discriminator: int = 0
    desired_min_tx_us: int
    required_min_rx_us: int
    required_min_echo_rx_us: int = 0
    diagnostic: int = Diagnostic.NONE
    poll: bool = False
    final: bool = False
    independent: bool = False  # of the control plane: its BFD survives a restart of that (C)
    demand: bool = False

    def encode(self) -> bytes:
        """As bytes."""
        flags = _POLL * self.poll | _FINAL * self.final | _INDEPENDENT * self.independent | _DEMAND * self.demand
        return _LAYOUT.pack(
            VERSION << 5 | self.diagnostic,
            self.state << 6 | flags,
            self.multiplier,
            LENGTH_BYTES,
            self.my_discriminator,
            self.your_discriminator,
            self.desired_min_tx_us,
            self.required_min_rx_us,
            self.required_min_echo_rx_us,
        )


@dataclass(frozen=True, slots=True)
class Discarded:
    """A packet that has no effect, and why."""

    reason: str


def decode(data: bytes) -> Packet | Discarded:
    """A packet from a datagram, or why it is discarded. To which session it belongs is asked afterwards (`demux`).

    Source: RFC 5880 section 6.8.6, in its order. Octets after the packet are left alone.
    """
    if len(data) < LENGTH_BYTES:
        return Discarded(f"{len(data)} octets are less than a packet has ({LENGTH_BYTES})")
    first, second, multiplier, length, mine, yours, tx, rx, echo = _LAYOUT.unpack_from(data)
    state = State(second >> 6)
    authenticated = bool(second & _AUTHENTICATED)
    least = AUTHENTICATED_LENGTH_BYTES if authenticated else LENGTH_BYTES
    if first >> 5 != VERSION:
        return Discarded(f"version {first >> 5} is not {VERSION}")
    if length < least:
        return Discarded(f"its length says {length} octets, less than {least}")
    if length > len(data):
        return Discarded(f"its length says {length} octets, but {len(data)} came")
    if multiplier == 0:
        return Discarded("its multiplier is 0")
    if second & _MULTIPOINT:
        return Discarded("it is multipoint")
    if mine == 0:
        return Discarded("its own discriminator is 0")
    if yours == 0 and state not in (State.DOWN, State.ADMIN_DOWN):
        return Discarded(f"it is {state.word} without our discriminator")
    if authenticated:
        return Discarded("it is authenticated, and no authentication is in use")
    return Packet(
        state=state,
        multiplier=multiplier,
        my_discriminator=mine,
        your_discriminator=yours,
        desired_min_tx_us=tx,
        required_min_rx_us=rx,
        required_min_echo_rx_us=echo,
        diagnostic=first & 0x1F,
        poll=bool(second & _POLL),
        final=bool(second & _FINAL),
        independent=bool(second & _INDEPENDENT),
        demand=bool(second & _DEMAND),
    )


def diagnostic_words(number: int) -> str:
    """A diagnostic of the other end in words."""
    return Diagnostic(number).words if number in Diagnostic._value2member_map_ else f"diagnostic {number}"
