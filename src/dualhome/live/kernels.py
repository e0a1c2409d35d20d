"""Routes that routing programs of others wrote into the kernels of their nodes: read again whenever a kernel tells of a change."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from dualhome.forwarding.places import Places
from dualhome.forwarding.world import RibHop
from dualhome.live.layout import Node
from dualhome.live.nodes import Nodes
from dualhome.net import WIDTH, Address, Prefix

Row = tuple[Prefix, tuple[RibHop, ...]]
BGP_PROTOCOLS: Final = (186, 12)  # of routes in the kernel: RTPROT_BGP (FRR), RTPROT_BIRD
ROUTE_GROUPS: Final = 0x40 | 0x400  # RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE
GATHER_S: Final = 0.03  # between word of a change and reading all
LARGEST: Final = 1 << 16


@dataclass(slots=True)
class Known:
    """What was last read of one node's kernel."""

    rows: list[Row] = field(default_factory=list)
    by_length: dict[tuple[int, int], dict[int, Row]] = field(default_factory=dict)


class Kernels:
    """Those of all foreign speakers. `told` is called in the event loop a little after one of them changed."""

    def __init__(self, nodes: Nodes, told: Callable[[], None]) -> None:
        self._nodes, self._told = nodes, told
        self._known: dict[str, Known] = {}
        self._heard: dict[str, socket.socket] = {}
        self._reading: asyncio.TimerHandle | None = None

    def table(self, node: str) -> Sequence[Row]:
        """Routes of BGP in its kernel, as they were read last; the same object while they are the same."""
        known = self._known.get(node)
        return known.rows if known else ()

    def lookup(self, node: str, address: Address) -> Row | None:
        """The longest match among them."""
        known = self._known.get(node)
        for (version, length), rows in known.by_length.items() if known else ():
            shift = WIDTH[version] - length
            if version == address.version and (found := rows.get(address.bits >> shift << shift)):
                return found
        return None

    def look(self, nodes: Iterable[Node], peers: Callable[[str], Sequence[str]], known: Places) -> bool:
        """Read the kernels of these nodes, whose speakers have these peers; whether anything changed."""
        changed = False
        for node in nodes:
            rows = self._read(node, peers(node.name), known)
            if rows != list(self.table(node.name)):
                self._known[node.name] = _sorted(rows)
                changed = True
        return changed

    def _read(self, node: Node, peers: Sequence[str], known: Places) -> list[Row]:
        """Over a wire the next hop is who stands at its end, out of a NIC any peer that is reached by it: there the fabric decides."""
        far = {each.device: each.far for each in node.interfaces if each.far}
        beyond = next((peer for peer in peers if node.toward(peer) is None), None)
        sets: dict[tuple[str, ...], tuple[RibHop, ...]] = {}
        rows: dict[Prefix, tuple[RibHop, ...]] = {}
        for version, packed, length, protocol, _, ways in self._nodes.handle(node.name).route_dump(254):
            if protocol in BGP_PROTOCOLS:
                devices = tuple(device for _, device, _ in ways)
                if devices not in sets:
                    names = (far.get(device) or beyond for device in devices)
                    hops = [(name, next(iter(known.addresses(name)), None)) for name in names if name]
                    sets[devices] = tuple(RibHop(peer=name, next_hop=address) for name, address in hops if address)
                if sets[devices]:
                    rows[Prefix(version, int.from_bytes(packed), length)] = sets[devices]
        return sorted(rows.items(), key=lambda row: row[0])

    # --- word of changes ----------------------------------------------------------------------------------------------

    def hear(self, nodes: Iterable[str]) -> None:
        """Listen to the kernels of these nodes, and to no others."""
        wanted = set(nodes)
        for name in set(self._heard) - wanted:
            self.forget(name)
        for name in sorted(wanted - set(self._heard)):
            made = self._nodes.handle(name).socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            heard = self._heard[name] = socket.socket(fileno=made)
            heard.setblocking(False)
            heard.bind((0, ROUTE_GROUPS))
            asyncio.get_running_loop().add_reader(heard.fileno(), self._news, heard)

    def forget(self, name: str) -> None:
        """The node is gone."""
        self._known.pop(name, None)
        if (heard := self._heard.pop(name, None)) is not None:
            asyncio.get_running_loop().remove_reader(heard.fileno())
            heard.close()

    def close(self) -> None:
        """Listen no more."""
        self.hear(())
        if self._reading is not None:
            self._reading.cancel()

    def _news(self, heard: socket.socket) -> None:
        """What it says is of no interest, nor whether some was lost: all is read, soon."""
        while True:
            try:
                heard.recv(LARGEST)
            except BlockingIOError:
                break
            except OSError:
                continue
        if self._reading is None:
            self._reading = asyncio.get_running_loop().call_later(GATHER_S, self._read_now)

    def _read_now(self) -> None:
        self._reading = None
        self._told()


def _sorted(rows: list[Row]) -> Known:
    by_length: dict[tuple[int, int], dict[int, Row]] = {}
    for row in rows:
        prefix = row[0]
        by_length.setdefault((prefix.version, prefix.length), {})[prefix.bits] = row
    return Known(rows, dict(sorted(by_length.items(), reverse=True)))
