"""The decision in Rust is the one of the slow oracle in `tests/reference/decision.py`, on 100,000 random destinations."""

from __future__ import annotations

import random
import struct

import pytest

from dualhome._core import Rib
from tests.bgp.rib_help import announce, config, make, prefix, row, up
from tests.reference.decision import Candidate, decide, order_of

DESTINATIONS = 5000
ALL = [
    "weight", "local-preference", "self", "preference", "as-path", "preference-tie", "origin", "med", "med-of-any", "ebgp", "|", "router-id",
    "cluster-list", "peer-address",
]  # fmt: skip


def attribute(kind: int, value: bytes) -> bytes:
    flags = {1: 0x40, 2: 0x40, 3: 0x40, 4: 0x80, 5: 0x40, 9: 0x80, 10: 0x80}[kind]
    return bytes([flags, kind, len(value)]) + value


def block(c: Candidate) -> bytes:
    """Attributes of a candidate, written by hand."""
    path = b""
    for hop in c.as_path:
        members = sorted(hop) if isinstance(hop, frozenset) else [hop]
        path += bytes([1 if isinstance(hop, frozenset) else 2, len(members)]) + b"".join(struct.pack("!I", a) for a in members)
    out = attribute(1, bytes([c.origin])) + attribute(2, path) + attribute(3, c.next_hop[1].to_bytes(4, "big"))
    if c.med is not None:
        out += attribute(4, struct.pack("!I", c.med))
    if not c.ebgp:
        out += attribute(5, struct.pack("!I", c.local_preference))
        if c.originator_id is not None:
            out += attribute(9, struct.pack("!I", c.originator_id))
        if c.cluster_list:
            out += attribute(10, b"".join(struct.pack("!I", i) for i in c.cluster_list))
    return out


def update(attributes: bytes, numbers: list[int]) -> bytes:
    """The destinations are 20.0.number.0/24 and up."""
    nlri = b"".join(b"\x18" + struct.pack("!I", (20 << 24) + (n << 8))[:3] for n in numbers)
    body = struct.pack("!HH", 0, len(attributes)) + attributes + nlri
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), 2) + body


def random_path(chance: random.Random) -> tuple[int | frozenset[int], ...]:
    path: list[int | frozenset[int]] = [chance.choice((1, 2, 3)) for _ in range(chance.choice((0, 1, 2, 2, 2, 3)))]
    if chance.random() < 0.15:
        path.insert(chance.randint(0, len(path)), frozenset(chance.sample((4, 5, 6), chance.randint(1, 3))))
    return tuple(path)


@pytest.mark.parametrize("seed", range(20))
def test_the_decision_is_that_of_the_oracle(seed: int) -> None:
    chance = random.Random(seed)
    rounds = [name for name in ALL if name == "|" or chance.random() < 0.8]
    if seed % 4 == 3:
        chance.shuffle(rounds)
    rounds = ["|=" if name == "|" and seed % 3 == 0 else name for name in rounds]
    rounds = ["next-hop", *rounds, "peer"] if seed % 5 else [*rounds, "next-hop", "peer"]
    preference = chance.choice(("ExpressRoute", "VpnGateway", "ASPath"))
    multipath = chance.choice((1, 2, 64))
    rib = Rib(asn=65000, router_id="1.1.1.1", rounds=rounds, preference=preference, multipath=multipath)
    known: dict[int, list[Candidate]] = {n: [] for n in range(DESTINATIONS)}
    addresses = [chance.randint(1, 200) for _ in range(6)]
    for peer in range(6):
        ebgp, usable = chance.random() < 0.6, chance.random() < 0.85
        kind, weight = chance.choice(("nva", "er", "vpn", "other")), chance.choice((1, 1, 2))
        router_id = chance.choice((1, 2, 3))
        asn = 100 + chance.randint(0, 2) if ebgp else 65000
        given = {"asn": asn, "ebgp": ebgp, "usable": usable, "route_class": kind, "weight": weight}
        rib.set_peer(peer, config(peer, **given, peer_address=f"10.0.0.{addresses[peer]}"))
        rib.peer_up(peer, four_octet_as=True, families=[(1, 1)], max_message=4096, router_id=f"0.0.0.{router_id}")
        pool = [
            Candidate(
                peer=peer,
                peer_asn=asn,
                peer_address=(4, (10 << 24) + addresses[peer]),
                router_id=router_id,
                ebgp=ebgp,
                usable=usable,
                route_class=kind,
                weight=weight,
                local_preference=100 if ebgp else chance.choice((100, 100, 100, 99, 200)),
                as_path=random_path(chance),
                origin=chance.choice((0, 0, 1, 2)),
                med=chance.choice((None, 0, 1, 2)),
                next_hop=(4, (10 << 24) + chance.randint(1, 9)),
                originator_id=None if ebgp else chance.choice((None, 1, 2)),
                cluster_list=() if ebgp else tuple(chance.sample((7, 8, 9), chance.randint(0, 2))),
            )
            for _ in range(40)
        ]
        drawn: dict[int, list[int]] = {}
        for n in range(DESTINATIONS):
            if chance.random() < 0.6:
                choice = chance.randrange(len(pool))
                drawn.setdefault(choice, []).append(n)
                known[n].append(pool[choice])
        for choice, numbers in drawn.items():
            assert rib.receive(peer, update(block(pool[choice]), numbers)) is None
    for n in chance.sample(range(DESTINATIONS), DESTINATIONS // 8):
        own = Candidate(
            peer=-1, peer_asn=65000, peer_address=None, router_id=0x01010101, ebgp=False, usable=True, route_class="other", weight=1,
            local_preference=100, as_path=(), origin=0, med=None, next_hop=(4, 1),
        )  # fmt: skip
        rib.originate((4, (20 << 24) + (n << 8), 24), '{"next_hop": "0.0.0.1", "weight": 1}')
        known[n].append(own)
    rib.process()
    found: dict[int, list[tuple[int, bool, bool, str | None]]] = {}
    for r in rib.candidates():
        found.setdefault((r.prefix[1] >> 8) & 0xFFFF, []).append((r.peer, r.best, r.multipath, r.lost_in))
    sets = {(p[1] >> 8) & 0xFFFF: [peer for _, peer, _ in rows] for p, rows in rib.best()}
    for n, candidates in known.items():
        expected = decide(candidates, rounds, preference, multipath)
        rows = [
            (peer, peer == expected.best, peer in expected.multipath, expected.lost_in.get(peer)) for peer in order_of(expected, rounds)
        ]
        assert found.get(n, []) == rows, candidates
        assert set(sets.get(n, [])) == expected.multipath
        assert sets.get(n, [None])[0] == expected.best


PATH = {"er": "65010", "vpn": "65020", "nva": "65030"}


@pytest.mark.parametrize(
    ("preference", "er", "vpn", "nva", "expected"),
    [
        ("ExpressRoute", "1", "1", "1", ["er"]),
        ("ExpressRoute", "1 2 3", "1", "1", ["er"]),
        ("ExpressRoute", None, "1", "1", ["vpn", "nva"]),
        ("VpnGateway", "1", "1 2", "1 2 3", ["vpn"]),
        ("VpnGateway", "1", "1 2", "1 2", ["vpn", "nva"]),
        ("VpnGateway", "1", None, None, ["er"]),
        ("ASPath", "1 2", "1", "1 2", ["vpn"]),
        ("ASPath", "1", "1", "1", ["er"]),
        ("ASPath", "1 2", "1", "1", ["vpn", "nva"]),
    ],
)
def test_the_routing_preference_comes_before_the_path(
    preference: str, er: str | None, vpn: str | None, nva: str | None, expected: list[str]
) -> None:
    """R107, R108, R110, D12: classes first, then the shortest path, equal ones together."""
    kinds = ["er", "vpn", "nva"]
    rounds = ["next-hop", "self", "preference", "as-path", "preference-tie", "|", "router-id", "peer-address", "peer"]
    rib = make({n: config(n, route_class=kind) for n, kind in enumerate(kinds)}, rounds=rounds, preference=preference)
    for n, path in enumerate((er, vpn, nva)):
        if path:
            rib.receive(n, announce(row("10.9.0.0/16", path, f"10.0.0.{n + 1}")))
    rib.process()
    assert [kinds[r.peer] for r in rib.lookup("10.9.1.1")] == expected


def test_a_next_hop_that_cannot_be_used_is_never_best() -> None:
    rib = make({1: config(1, usable=False)})
    rib.receive(1, announce(row("10.0.0.0/8")))
    rib.process()
    assert [(r.best, r.lost_in) for r in rib.candidates()] == [(False, "next-hop")]
    assert rib.best() == []
    rib.set_peer(1, config(1))
    assert rib.process() == 1
    assert rib.best() == [(prefix("10.0.0.0/8"), [("10.0.0.1", 1, 1)])]


@pytest.mark.parametrize("rounds", [["nonsense"], ["|", "as-path", "|"], ["med", "med"]])
def test_rounds_that_make_no_sense_are_refused(rounds: list[str]) -> None:
    with pytest.raises(ValueError, match="rounds: "):
        Rib(asn=1, router_id="1.1.1.1", rounds=rounds)


def test_other_rounds_decide_anew() -> None:
    rib = make([1, 2])
    rib.receive(1, announce(row("10.0.0.0/8", "1 2")))
    rib.receive(2, announce(row("10.0.0.0/8", "1", med=5)))
    rib.process()
    assert [r.peer for r in rib.lookup("10.1.1.1")] == [2]
    rib.set_decision(rounds=["med", "|", "peer"], preference="ExpressRoute")
    assert rib.process() == 1
    assert [r.peer for r in rib.lookup("10.1.1.1")] == [1]
    up(rib, 1)  # a session that comes up anew has announced nothing yet
    rib.process()
    assert [r.peer for r in rib.lookup("10.1.1.1")] == [2]
