"""What a route server tells its clients (RFC 7947), by the core and by the oracle: transparent or not, with the second best for the best one's sender."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest

from dualhome import _core
from dualhome.bgp.config import PeerConfig, SessionConfig, SpeakerConfig
from dualhome.bgp.policy import PeerPolicy, Term
from dualhome.net import Address, Prefix
from dualhome.plan.azure import ROUTER_ROUNDS
from tests.reference.fixed_point import Message, Rib

PREFIXES = tuple(Prefix.parse(f"192.0.2.{16 * i}/28") for i in range(4))
CLIENTS = (1, 2, 3, 4)


def client(number: int, chance: random.Random) -> PeerConfig:
    address = f"10.0.0.{number}"
    refuse = Term(name="not this", match={"prefix_equals": [str(chance.choice(PREFIXES))]}, then="reject")
    longer = Term(name="longer", match={"from": [f"client{chance.choice(CLIENTS)}"]}, do=({"prepend": [64999]},), then="continue")
    policy = PeerPolicy(
        name=f"client{number}",
        asn=65000 + number,
        ebgp=True,
        local_address="10.0.0.254",
        peer_address=address,
        tags=(f"client{number}",),
        next_hop=chance.choice(("self", "unchanged")),
        transparent=chance.random() < 0.6,
        own=chance.choice(("none", "second", "second")),
        export=(tuple(chance.sample((refuse, longer), chance.choice((0, 0, 1, 2)))),),
    )
    session = SessionConfig(
        peer=policy.name,
        local_asn=65515,
        remote_asn=policy.asn,
        router_id="10.0.0.254",
        local_address=Address.parse("10.0.0.254"),
        remote_address=Address.parse(address),
    )
    return PeerConfig(session=session, policy=policy)


def heard(number: int, chance: random.Random) -> Sequence[Message]:
    return [
        Message(
            prefix=prefix,
            next_hop=f"10.0.0.{number}",
            as_path=(65000 + number, *chance.choices((7, 8, 9), k=chance.randint(0, 2))),
            med=chance.choice((None, 5)),
        )
        for prefix in PREFIXES
        if chance.random() < 0.8
    ]


@pytest.mark.parametrize("seed", range(50))
def test_clients_are_told_what_the_oracle_tells_them(seed: int) -> None:
    chance = random.Random(seed)
    peers = {f"client{number}": client(number, chance) for number in CLIENTS}
    config = SpeakerConfig(name="rs", asn=65515, router_id="10.0.0.254", rounds=ROUTER_ROUNDS, peers=peers)
    core = _core.Rib(asn=65515, router_id="10.0.0.254", rounds=list(ROUTER_ROUNDS))
    oracle = Rib(config)
    for number, (name, peer) in enumerate(peers.items()):
        core.set_peer(number, peer.policy.json())
        core.peer_up(number, four_octet_as=True, families=[(1, 1)], max_message=4096, router_id=peer.policy.peer_address)
        oracle.neighbor_ids[name] = Address.parse(peer.policy.peer_address).bits
    for _ in range(3):
        for number, name in enumerate(peers):
            if chance.random() < 0.7:
                routes = heard(number + 1, chance)
                oracle.heard[name] = {route.prefix: route for route in routes}
                gone = [{"prefix": str(prefix), "withdrawn": True} for prefix in PREFIXES if prefix not in oracle.heard[name]]
                rows = [
                    {"prefix": str(r.prefix), "as_path": " ".join(map(str, r.as_path)), "next_hop": r.next_hop, "med": r.med}
                    for r in routes
                ]
                assert core.receive(number, _core.encode_updates(json.dumps(gone + rows))) is None
        core.process()
        oracle.decide()
        for number, name in enumerate(peers):
            told = {(Prefix(*r.prefix), r.as_path, r.next_hop, r.med) for r in core.advertised(number)}
            wanted = {(m.prefix, " ".join(map(str, m.as_path)), m.next_hop, m.med) for m in oracle.told(name).values()}
            assert told == wanted, name
            assert core.counts(number)[2] == len(wanted)
