"""What the tests of the RIB share: peers, UPDATEs, and a receiver that keeps what it was told."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Sequence
from typing import Any

from dualhome import _core
from dualhome._core import Rib, Route

ROUNDS = [
    "next-hop", "weight", "local-preference", "self", "as-path", "origin", "med", "ebgp", "|", "router-id", "cluster-list", "peer-address", "peer",
]  # fmt: skip
PrefixTuple = tuple[int, int, int]


def prefix(text: str) -> PrefixTuple:
    network = ipaddress.ip_network(text)
    return network.version, int(network.network_address), network.prefixlen


def text(p: PrefixTuple) -> str:
    version, bits, length = p
    address = ipaddress.IPv4Address(bits) if version == 4 else ipaddress.IPv6Address(bits)
    return f"{address}/{length}"


def config(number: int, **given: Any) -> str:
    """Peer `number` is 10.0.0.number, AS 65100 + number, external, unless told otherwise."""
    peer = {
        "name": f"peer{number}",
        "asn": 65100 + number,
        "ebgp": True,
        "local_address": "10.0.0.254",
        "peer_address": f"10.0.0.{number}",
        "tags": [f"peer{number}"],
    }
    return json.dumps({**peer, **given})


def row(p: str, path: str = "65101", next_hop: str = "10.0.0.1", **given: Any) -> dict[str, Any]:
    return {"prefix": p, "as_path": path, "next_hop": next_hop, **given}


def announce(*rows: dict[str, Any]) -> bytes:
    return _core.encode_updates(json.dumps(rows))


def withdraw(*prefixes: str) -> bytes:
    return _core.encode_updates(json.dumps([{"prefix": p, "withdrawn": True} for p in prefixes]))


def up(rib: Rib, *numbers: int, families: Sequence[tuple[int, int]] = ((1, 1),), four_octet_as: bool = True) -> None:
    for number in numbers:
        rib.peer_up(number, four_octet_as=four_octet_as, families=list(families), max_message=4096, router_id=f"1.0.0.{number}")


def make(peers: dict[int, str] | Iterable[int], **given: Any) -> Rib:
    """A speaker of AS 65000 with these peers, all up."""
    rib = Rib(**{"asn": 65000, "router_id": "1.1.1.1", "rounds": ROUNDS, **given})
    peers = peers if isinstance(peers, dict) else {number: config(number) for number in peers}
    for number, each in peers.items():
        rib.set_peer(number, each)
    up(rib, *peers)
    for number in peers:
        drain(rib, number)
    return rib


def drain(rib: Rib, number: int, max_bytes: int = 65536) -> bytes:
    data = b""
    while more := rib.output(number, max_bytes):
        data += more
    return data


def told(rib: Rib, number: int) -> list[str]:
    """What the peer is told now, in words: "10.0.0.0/8 65000 65101" or "-10.0.0.0/8"; End-of-RIB is left out."""
    rows = _core.decode_updates(drain(rib, number))
    return [f"-{text(r.prefix)}" if r.withdrawn else f"{text(r.prefix)} {r.as_path}" for r in rows]


class Receiver:
    """A peer that keeps what it is told, and complains of what it need not have been told."""

    def __init__(self, four_octet_as: bool = True, reflected: bool = False) -> None:
        self.four_octet_as = four_octet_as
        self.reflected = reflected  # rows show no ORIGINATOR_ID and CLUSTER_LIST, so routes that differ may look alike
        self.table: dict[PrefixTuple, tuple[object, ...]] = {}

    def read(self, data: bytes, exact: bool = True) -> None:
        for r in _core.decode_updates(data, self.four_octet_as):
            assert r.error is None
            if r.withdrawn:
                assert not exact or r.prefix in self.table, f"{text(r.prefix)} is withdrawn, but was not advertised"
                self.table.pop(r.prefix, None)
            else:
                new = (r.as_path, r.next_hop, r.origin, r.med, r.local_preference, tuple(r.communities))
                assert not exact or self.reflected or self.table.get(r.prefix) != new, f"{text(r.prefix)} is advertised again, unchanged"
                self.table[r.prefix] = new


def on_the_wire(routes: Iterable[Route], ebgp: bool) -> dict[PrefixTuple, tuple[object, ...]]:
    """Routes of `Rib.advertised` as a `Receiver` has them."""
    return {r.prefix: (r.as_path, r.next_hop, r.origin, r.med, None if ebgp else r.local_preference, tuple(r.communities)) for r in routes}


def plain(routes: Iterable[Route]) -> list[tuple[object, ...]]:
    """All fields of routes."""
    return [
        (
            r.prefix, r.next_hop, r.as_path, r.origin, r.med, r.local_preference, r.weight, tuple(r.communities), r.peer, tuple(r.tags),
            r.best, r.multipath, r.lost_in, r.reason, r.detail,
        )
        for r in routes
    ]  # fmt: skip
