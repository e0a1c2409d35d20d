"""A collector of the BGP Monitoring Protocol that takes every octet literally (RFC 7854 section 4): what doesn't fit is a ValueError."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from ipaddress import ip_address

from dualhome import _core
from dualhome.net import Prefix

MARKER = b"\xff" * 16


def bgp_messages(octets: bytes, kinds: tuple[int, ...]) -> list[bytes]:
    """Whole BGP messages of these types, and nothing else."""
    found = []
    while octets:
        length = int.from_bytes(octets[16:18])
        if octets[:16] != MARKER or length < 19 or length > len(octets) or octets[18] not in kinds:
            raise ValueError(f"no BGP message of type {kinds}: {octets[:19].hex()}")
        found.append(octets[:length])
        octets = octets[length:]
    return found


def tlvs(octets: bytes) -> list[tuple[int, bytes]]:
    found = []
    while octets:
        kind, length = struct.unpack_from("!HH", octets)
        if len(octets) < 4 + length:
            raise ValueError("a TLV that is too long")
        found.append((kind, octets[4 : 4 + length]))
        octets = octets[4 + length :]
    return found


@dataclass
class Table:
    """One peer as the collector knows it: routes before the rules (False) and after them (True)."""

    asn: int
    identifier: str
    up: bool = True
    routes: dict[bool, dict[str, str]] = field(default_factory=lambda: {False: {}, True: {}})
    ended: set[tuple[bool, int]] = field(default_factory=set)  # End-of-RIB was told: after the rules?, octets of its message


class Collector:
    """A server; `said` holds messages in words, `peers` what is known of them by address."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.peers: dict[str, Table] = {}
        self.statistics: dict[str, dict[int, int]] = {}
        self.mirrored: list[bytes] = []
        self.connections = 0
        self.wrong: list[str] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        self.peers.clear()
        first = True
        try:
            while True:
                try:
                    version, length, kind = struct.unpack("!BIB", await reader.readexactly(6))
                except (asyncio.IncompleteReadError, ConnectionError) as error:
                    if isinstance(error, asyncio.IncompleteReadError) and error.partial:
                        raise ValueError("half a header") from error
                    return
                if version != 3 or length < 6 or (first and kind != 4):
                    raise ValueError(f"version {version}, length {length}, type {kind}, first {first}")
                first = False
                self.take(kind, await reader.readexactly(length - 6))
        except (ValueError, struct.error) as error:
            self.wrong.append(str(error))
        except asyncio.IncompleteReadError:
            pass  # the connection was hung up

    def take(self, kind: int, body: bytes) -> None:
        if kind == 4:
            rows = dict(tlvs(body))
            if not {1, 2} <= set(rows):
                raise ValueError("an Initiation needs sysDescr and sysName")
            self.said.append(f"initiation {rows[2].decode()}")
        elif kind == 5:
            rows = dict(tlvs(body))
            self.said.append(f"termination {int.from_bytes(rows[1])}")
        else:
            self._of_peer(kind, body)

    def _of_peer(self, kind: int, body: bytes) -> None:
        what, flags, distinguisher, octets, asn, identifier, _, micro = struct.unpack_from("!BBQ16sIIII", body)
        if what != 0 or distinguisher != 0 or flags & 0x1F or micro >= 1_000_000:
            raise ValueError(f"a per-peer header of type {what}, flags {flags:#x}, distinguisher {distinguisher}, {micro} us")
        if not flags & 0x80 and any(octets[:12]):
            raise ValueError("an IPv4 address with something before it")
        address = str(ip_address(octets if flags & 0x80 else octets[12:]))
        post, two, rest = bool(flags & 0x40), bool(flags & 0x20), body[42:]
        if kind == 3:
            self._up(address, asn, str(ip_address(identifier)), rest)
            return
        peer = self.peers.get(address)
        if peer is None or not peer.up or peer.asn != asn:
            raise ValueError(f"type {kind} of {address}, which is not up")
        if kind == 0:
            self._routes(peer, post, two, rest)
        elif kind == 1:
            self._statistics(address, rest)
        elif kind == 2:
            self._down(address, peer, rest)
        elif kind == 6:
            rows = tlvs(rest)
            if [each for each, _ in rows] != [1, 0]:
                raise ValueError(f"Route Mirroring of {rows}")
            self.mirrored.append(rows[1][1])
        else:
            raise ValueError(f"a message of type {kind}")

    def _up(self, address: str, asn: int, identifier: str, rest: bytes) -> None:
        local, port, remote = ip_address(rest[:16] if any(rest[:12]) else rest[12:16]), *struct.unpack_from("!HH", rest, 16)
        length = int.from_bytes(rest[36:38])
        theirs_length = int.from_bytes(rest[20 + length + 16 : 20 + length + 18])
        ours, theirs = bgp_messages(rest[20 : 20 + length + theirs_length], (1,))
        name = dict(tlvs(rest[20 + length + theirs_length :]))[0].decode()
        if not port or not remote:
            raise ValueError("a port of zero")
        sent, heard = _core.decode_open(ours[19:]), _core.decode_open(theirs[19:])
        if (heard.asn, heard.router_id) != (asn, identifier):
            raise ValueError("another one's OPEN")
        self.peers[address] = Table(asn=asn, identifier=identifier)
        self.said.append(f"up {name} {address} from {local}, AS{heard.asn} to AS{sent.asn}")

    def _down(self, address: str, peer: Table, rest: bytes) -> None:
        peer.up = False
        why = ""
        if rest[0] in (1, 3):
            [notification] = bgp_messages(rest[1:], (3,))
            why = f" {notification[19]}/{notification[20]}"
        elif rest[0] != 4 or rest[1:]:
            raise ValueError(f"Peer Down for {rest.hex()}")
        self.said.append(f"down {address} {rest[0]}{why}")

    def _statistics(self, address: str, rest: bytes) -> None:
        rows = tlvs(rest[4:])
        if len(rows) != int.from_bytes(rest[:4]):
            raise ValueError("another number of statistics")
        for kind, value in rows:
            if len(value) != (8 if kind in (7, 8, 14, 15) else 4):
                raise ValueError(f"statistic {kind} of {len(value)} octets")
        self.statistics[address] = {kind: int.from_bytes(value) for kind, value in rows}

    def _routes(self, peer: Table, post: bool, two: bool, rest: bytes) -> None:
        [update] = bgp_messages(rest, (2,))
        rows = _core.decode_updates(update, not two)
        if not rows:
            peer.ended.add((post, len(update)))
        for row in rows:
            if row.error:
                raise ValueError(f"a malformed UPDATE: {row.error}")
            prefix = str(Prefix(*row.prefix))
            if row.withdrawn:
                peer.routes[post].pop(prefix, None)
            else:
                peer.routes[post][prefix] = row.as_path
