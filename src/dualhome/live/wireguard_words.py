"""WireGuard in words: what a device is told, who tells it, keys. Each device has one peer, at the far end of a wire, and sends it everything."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from dualhome.errors import SystemRefused
from dualhome.net import Address

MTU: Final = 1420  # what 1500 leaves when IPv6 (40), UDP (8) and WireGuard (32) are around a packet
KEEPALIVE_S: Final = 25
FIRST_PORT: Final = 51820
UNDERLAY: Final = Address.parse("fdd4:7564:616c::").bits
EVERYTHING: Final = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One end of a tunnel. `number`, `far`: of its wire's ports; `wire`: the device of the wire that is under it."""

    node: str
    name: str
    number: int
    far: int
    wire: str

    @property
    def listens(self) -> int:
        """Its UDP port; a node has several tunnels."""
        return FIRST_PORT + self.number

    @property
    def endpoint(self) -> str:
        """The far end, as WireGuard is told."""
        return f"[{wire_address(self.far)}]:{FIRST_PORT + self.far}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Of one end, in base 64."""

    private: str
    public: str


class Driver(Protocol):
    """Whoever encrypts."""

    name: str

    def make(self, devices: Sequence[tuple[Device, Keys]]) -> None:
        """Make them, down, without a peer."""
        ...

    def join(self, peers: Sequence[tuple[Device, Keys]]) -> None:
        """Give each its peer, which has this public key; it shakes hands at once."""
        ...

    def drop(self, devices: Sequence[Device]) -> None:
        """Remove them."""
        ...

    def ended(self) -> list[Device]:
        """Those that work no more."""
        ...


def wire_address(number: int) -> Address:
    """The address of a wire's end under a tunnel; nobody but the far end has a route to it."""
    return Address(6, UNDERLAY + number)


def new_keys(count: int) -> list[Keys]:
    """So many pairs, by `wg`.

    Raises:
        SystemRefused: it makes none.
    """
    script = 'i=0; while [ "$i" -lt "$1" ]; do key=$(wg genkey) && echo "$key $(echo "$key" | wg pubkey)"; i=$((i + 1)); done'
    done = subprocess.run(["sh", "-c", script, "sh", str(count)], capture_output=True, text=True, check=False)
    keys = [Keys(private=words[0], public=words[1]) for line in done.stdout.splitlines() if len(words := line.split()) == 2]
    if len(keys) != count:
        raise SystemRefused(f"wg makes no keys: {done.stderr.strip() or 'no word'}")
    return keys


def interface_text(device: Device, keys: Keys) -> str:
    """A device's own part, as `wg setconf` reads it."""
    return f"[Interface]\nPrivateKey = {keys.private}\nListenPort = {device.listens}\n"


def peer_text(device: Device, far: Keys) -> str:
    """Its peer."""
    allowed = ", ".join(EVERYTHING)
    return f"[Peer]\nPublicKey = {far.public}\nEndpoint = {device.endpoint}\nAllowedIPs = {allowed}\nPersistentKeepalive = {KEEPALIVE_S}\n"


def hexadecimal(key: str) -> str:
    """A key as wireguard-go wants it."""
    return base64.b64decode(key).hex()
