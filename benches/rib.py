"""How many routes a second go through one RIB: one peer announces 200,000 prefixes, ten others are told. Figures are printed, not asserted."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable

from dualhome._core import Rib

PREFIXES = 200_000
RECEIVERS = 10
PER_UPDATE = 6
ROUNDS = ["next-hop", "weight", "local-preference", "self", "as-path", "origin", "med", "ebgp", "|", "router-id", "peer-address", "peer"]


def config(number: int) -> str:
    """A route server's peer."""
    return json.dumps(
        {
            "name": f"peer{number}",
            "asn": 65100 + number,
            "ebgp": True,
            "local_address": "10.0.0.254",
            "peer_address": f"10.0.{number // 250 + 1}.{number % 250 + 1}",
            "tags": [f"peer{number}", "class:nva"],
            "export": [[{"name": "tag", "match": {"from": ["class:nva"]}, "do": [{"community_add": ["65517:65517"]}], "then": "continue"}]],
        }
    )


def updates(count: int, seed: int = 1) -> bytes:
    """UPDATEs of `PER_UPDATE` prefixes each, every one with a path of its own."""
    chance = random.Random(seed)
    out = []
    for first in range(0, count, PER_UPDATE):
        path = [65100, *(chance.randint(1, 60000) for _ in range(chance.randint(1, 6)))]
        attributes = b"\x40\x01\x01\x00" + bytes([0x40, 2, 2 + 4 * len(path), 2, len(path)]) + b"".join(a.to_bytes(4, "big") for a in path)
        attributes += b"\x40\x03\x04\x0a\x00\x00\x01"
        nlri = b"".join(b"\x18" + ((20 << 16) + n).to_bytes(3, "big") for n in range(first, min(first + PER_UPDATE, count)))
        body = b"\0\0" + len(attributes).to_bytes(2, "big") + attributes + nlri
        out.append(b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + b"\x02" + body)
    return b"".join(out)


def timed(what: str, routes: int, work: Callable[[], int]) -> None:
    """Do the work once, and print how long it took."""
    begin = time.perf_counter()
    result = work()
    took = time.perf_counter() - begin
    print(f"{what:<44} {took:7.3f} s  {routes / took:>12,.0f} routes/s  {result:>12,}")


def drain(rib: Rib) -> int:
    """Octets for all peers."""
    total = 0
    for peer in rib.pending():
        while data := rib.output(peer):
            total += len(data)
    return total


def speaker(peers: int) -> Rib:
    """A speaker whose peers are all up."""
    rib = Rib(asn=65000, router_id="1.1.1.1", rounds=ROUNDS)
    for number in range(peers):
        rib.set_peer(number, config(number))
        rib.peer_up(number, four_octet_as=True, families=[(1, 1)], max_message=4096, router_id=f"1.0.{number // 256}.{number % 256}")
    drain(rib)
    return rib


def main() -> None:
    """All measurements."""
    rib = speaker(1 + RECEIVERS)
    data = updates(PREFIXES)

    def receive() -> int:
        assert rib.receive(0, data) is None
        return len(data)

    print(f"1 sender, {RECEIVERS} receivers, {PREFIXES:,} prefixes, {len(data):,} octets; the last column: octets or prefixes")
    begin = time.perf_counter()
    timed("receive", PREFIXES, receive)
    timed("process (decide, export, encode)", PREFIXES, rib.process)
    timed(f"output to {RECEIVERS} peers", PREFIXES * RECEIVERS, lambda: drain(rib))
    took = time.perf_counter() - begin
    print(f"{'all':<44} {took:7.3f} s  {PREFIXES / took:>12,.0f} routes/s")
    timed("best()", PREFIXES, lambda: len(rib.best()))
    rib.peer_down(0)
    timed("the sender is gone: process", PREFIXES, rib.process)
    timed(f"the sender is gone: output to {RECEIVERS} peers", PREFIXES * RECEIVERS, lambda: drain(rib))

    rib, each = speaker(400), updates(1000)

    def many() -> int:
        for number in range(400):
            assert rib.receive(number, each.replace((65100).to_bytes(4, "big"), (65100 + number).to_bytes(4, "big"))) is None
        rib.process()
        return drain(rib)

    timed("400 peers announce the same 1,000 prefixes", 400_000, many)


if __name__ == "__main__":
    sys.exit(main())
