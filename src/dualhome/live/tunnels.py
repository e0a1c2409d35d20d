"""Tunnels: WireGuard over a wire. The wire has a device and addresses of its own in both nodes; the tunnel's device has the name that the layout gives.

The fabric sees WireGuard's own packets only, so what it decides by a packet's content is decided where the packet is decrypted, by rules of nftables:
failures that control packets pass, sessions that fail alone, and the TTL that hops of Azure's core take.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from dualhome import _core
from dualhome.errors import SystemRefused
from dualhome.fabric.backend import Batch
from dualhome.fabric.state import GATEWAY_MAC, PortState, State
from dualhome.live.layout import Interface, Layout, Node
from dualhome.live.place import Place
from dualhome.live.wireguard import driver, run_inside
from dualhome.live.wireguard_words import Device, Driver, Keys, new_keys, wire_address
from dualhome.net import WIDTH, Address

LOG: Final = logging.getLogger("dualhome.live")
MODES: Final = ("auto", "wireguard", "plain")
HOP_LIMITS: Final = "inet dualhome_hop_limits"
FAILURES: Final = "inet dualhome_failures"
HOPS: Final = 1 << 30  # nexthop objects from here on are wires under tunnels
NAMED: Final = 4  # tunnels that a warning names
BGP: Final = 179
BFD: Final = (3784, 3785, 4784)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A device, and what it is a part of. `bonus`: hops that a packet shall not lose when it enters here."""

    device: Device
    namespace: _core.Namespace
    addresses: tuple[Address, ...]
    bonus: int


class Tunnels:
    """All tunnels of a network. `mode`: wireguard, plain, or auto, which is wireguard where the machine can."""

    def __init__(self, place: Place, mode: str = "auto") -> None:
        assert mode in MODES, mode
        self._place, self._mode = place, mode
        self._tried: tuple[Driver | None, str] | None = None
        self._ends: dict[int, End] = {}  # by port
        self._keys: dict[int, Keys] = {}
        self._fresh: list[Device] = []
        self._rules: dict[tuple[str, str], str] = {}  # by node and table
        self._plain: dict[tuple[str, str], str] = {}  # by both nodes: why this tunnel isn't encrypted

    # --- which --------------------------------------------------------------------------------------------------------

    def encrypts(self, layout: Layout, node: Node, interface: Interface) -> bool:
        """Whether the device of this interface is one of WireGuard's, and the wire another under it."""
        if not interface.tunnel:
            return False
        pair = (min(node.name, interface.far), max(node.name, interface.far))
        if reason := self._why_plain(node, layout.nodes[interface.far]):
            if reason not in self._plain.values():
                LOG.warning("%s<->%s, and maybe other tunnels, are not encrypted: %s", *pair, reason)
            self._plain[pair] = reason
            return False
        self._plain.pop(pair, None)
        return True

    def _why_plain(self, *ends: Node) -> str:
        if external := [each.name for each in ends if each.external]:
            return f"{external[0]} is a machine of yours"
        if self._mode == "plain":
            return "as asked"
        lacking = self._driver()[1]
        if lacking and self._mode == "wireguard":
            raise SystemRefused(f"tunnels can't be encrypted on this machine: {lacking}; `--tunnels plain` does without")
        return lacking

    def _driver(self) -> tuple[Driver | None, str]:
        if self._tried is None:
            self._tried = driver(self._place)
        return self._tried

    def forget(self, nodes: Collection[str], layout: Layout) -> None:
        """These nodes are gone, and whatever the layout hasn't."""
        there = {(min(wire.ends), max(wire.ends)) for wire in layout.wires}
        self._plain = {pair: reason for pair, reason in self._plain.items() if pair in there}
        self._rules = {key: text for key, text in self._rules.items() if key[0] not in nodes}

    def status(self) -> dict[str, object]:
        """How tunnels are made, and what is wrong with them."""
        found = self._tried[0] if self._tried else None
        warnings = []
        for reason in dict.fromkeys(self._plain.values()):
            pairs = ["<->".join(pair) for pair, why in self._plain.items() if why == reason]
            named = ", ".join(pairs[:NAMED]) + (", …" if len(pairs) > NAMED else "")
            warnings.append(f"{len(pairs)} tunnel{'s are' if len(pairs) > 1 else ' is'} not encrypted ({named}): {reason}")
        for device in found.ended() if found else ():
            warnings.append(f"the process of the tunnel {device.node}/{device.name} has ended")
        return {"how": found.name if found and self._ends else "", "encrypted": len(self._ends) // 2, "warnings": warnings}

    # --- making them --------------------------------------------------------------------------------------------------

    def make(self, ends: Sequence[End]) -> None:
        """Devices on wires that are there: up, with their addresses; `join` gives them their peers.

        Raises:
            SystemRefused: WireGuard doesn't start.
        """
        if not ends:
            return
        chosen = self._driver()[0]
        assert chosen is not None, "only where the machine can"
        lacking = [end.device.number for end in ends if end.device.number not in self._keys]
        for number, keys in zip(lacking, new_keys(len(lacking)), strict=True):
            self._keys[number] = keys
            self._keep(number, keys)
        for end in ends:
            self._lay(end)
            self._ends[end.device.number] = end
        chosen.make([(end.device, self._keys[end.device.number]) for end in ends])
        for end in ends:
            name = end.device.name
            end.namespace.link_up(name)
            mine = [(name, f"{address}/{WIDTH[address.version]}") for address in end.addresses]
            end.namespace.addresses([*mine, (name, "fe80::2/64")])
        self._fresh += [end.device for end in ends]

    def _lay(self, end: End) -> None:
        """What is under a tunnel: an address, and the way to the far end's."""
        device, far = end.device, wire_address(end.device.far)
        end.namespace.addresses([(device.wire, f"{wire_address(device.number)}/128")])
        end.namespace.neighbors([(device.wire, str(far), GATEWAY_MAC)])
        refused = end.namespace.nexthops(put=[(HOPS + device.number, "::", device.wire, False)])
        refused += end.namespace.routes(put=[(far.bits.to_bytes(16), 128, HOPS + device.number)])
        if refused:
            raise SystemRefused(f"{device.node}: the way under the tunnel {device.name}: {refused[0][2]}")

    def _keep(self, number: int, keys: Keys) -> None:
        """For root alone."""
        directory = self._place.path / "tunnels" / str(number)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = directory / "key"
        file.touch(mode=0o600)
        file.write_text(keys.private + "\n")

    def join(self) -> None:
        """New devices get their peers. Wires must carry packets by now: a handshake that is lost is tried again after five seconds."""
        fresh, self._fresh = self._fresh, []
        chosen = self._driver()[0] if fresh else None
        if chosen is not None:
            chosen.join([(device, self._keys[device.far]) for device in fresh])

    def drop(self, numbers: Iterable[int]) -> None:
        """Remove the devices over these ports' wires."""
        going = [self._ends.pop(number).device for number in numbers if number in self._ends]
        chosen = self._driver()[0] if going else None
        if chosen is not None:
            chosen.drop(going)
        self._fresh = [device for device in self._fresh if device not in going]

    # --- what the fabric can't see ------------------------------------------------------------------------------------

    def follow(self, wanted: State) -> State:
        """What the fabric shall do, without what is done here where packets come out of a tunnel; that is done now.

        Raises:
            SystemRefused: nftables refuses it.
        """
        if not self._ends and not self._rules:
            return wanted
        rules = dict(self._wanted_rules(wanted))
        changed = sorted(key for key in {*self._rules, *rules} if self._rules.get(key) != rules.get(key))
        run_inside(self._place, ((node, ["nft", "-f", "-"], _anew(table, rules.get((node, table), ""))) for node, table in changed))
        self._rules = rules
        partly = {n: replace(port, state=PortState.UP) for n in self._ends if (port := wanted.ports.get(n)) and _data_only(wanted, n)}
        return replace(wanted, ports=wanted.ports | partly) if partly else wanted

    def through(self, batch: Batch | None) -> Batch | None:
        """Ports that change at once: those under tunnels pass what they pass, `follow` drops what is to be dropped."""
        if batch is None or batch.what != "ports":
            return batch
        put = [replace(p, state=PortState.UP) if p.number in self._ends and p.state is PortState.CONTROL_ONLY else p for p in batch.put]
        return replace(batch, put=put)

    def _wanted_rules(self, wanted: State) -> Iterator[tuple[tuple[str, str], str]]:
        failed: dict[int, list[Address]] = {}
        for (port, address), to in wanted.controls.items():
            if to == 0 and port in self._ends:
                failed.setdefault(port, []).append(address)
        by_node: dict[str, list[End]] = {}
        for end in self._ends.values():
            by_node.setdefault(end.device.node, []).append(end)
        for node, ends in by_node.items():
            if raised := [end.device.name for end in ends if end.bonus]:
                yield (node, HOP_LIMITS), _hop_limits(tuple(raised), max(end.bonus for end in ends))
            lines: list[str] = []
            for end in ends:
                mine, far = end.device.number, end.device.far
                partly = _data_only(wanted, mine) or _data_only(wanted, far)
                lines += _drops(end.device.name, failed.get(far, ()), data=partly)
            if lines:
                yield (node, FAILURES), "\n".join(_chain(lines))


def _data_only(state: State, number: int) -> bool:
    port = state.ports.get(number)
    return port is not None and port.state is PortState.CONTROL_ONLY


def _anew(table: str, rules: str) -> str:
    """A table with these rules alone; none where there are none."""
    return f"table {table}\ndelete table {table}\n" + (f"table {table} {{\n{rules}\n}}\n" if rules else "")


def _chain(rules: Iterable[str]) -> Iterator[str]:
    """One chain, before connections are tracked."""
    yield "  chain arrives {"
    yield "    type filter hook prerouting priority raw; policy accept;"
    yield from rules
    yield "  }"


@cache
def _hop_limits(devices: tuple[str, ...], bonus: int) -> str:
    """What comes out of these devices has so many hops more. Of IPv4 nftables sets constants only, so there is a chain for each."""
    which = ", ".join(f'"{device}"' for device in devices)
    ttls = range(1, 255)
    set4 = [f"  chain ttl{ttl} {{\n    ip ttl set {min(255, ttl + bonus)}\n  }}" for ttl in ttls]
    find4 = ", ".join(f"{ttl} : jump ttl{ttl}" for ttl in ttls)
    map6 = ", ".join(f"{limit} : {min(255, limit + bonus)}" for limit in range(256))
    rules = (
        f"    iifname {{ {which} }} ip ttl vmap {{ {find4} }}",
        f"    iifname {{ {which} }} ip6 hoplimit set ip6 hoplimit map {{ {map6} }}",
    )
    return "\n".join((*set4, *_chain(rules)))


def _drops(device: str, sessions: Iterable[Address], *, data: bool) -> Iterator[str]:
    """Control packets are BGP's and BFD's. `sessions`: addresses that they don't reach; `data`: nothing else passes."""
    bfd = f"udp dport {{ {', '.join(map(str, BFD))} }}"
    control = (f"tcp dport {BGP}", f"tcp sport {BGP}", bfd)
    for address in sessions:
        family = "ip" if address.version == 4 else "ip6"
        yield from (f'    iifname "{device}" {family} daddr {address} {what} drop' for what in control)
    if data:
        yield from (f'    iifname "{device}" {what} accept' for what in control)
        yield f'    iifname "{device}" drop'
