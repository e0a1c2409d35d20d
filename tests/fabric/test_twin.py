"""The eBPF program against its twin in memory: random states, random packets; the same fate, the same packet, the same counters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random

import pytest

from dualhome.fabric.backend import Installed
from dualhome.fabric.difference import difference
from dualhome.fabric.flow import ICMP, ICMP6, TCP, UDP, Frame
from dualhome.fabric.memory import Memory
from dualhome.fabric.state import GATEWAY_MAC, Drop, Group, Hop, Local, Lookup, NextHops, Port, PortKind, PortState, Reason, State
from dualhome.net import WIDTH, Address, Prefix
from tests.fabric.lab import Lab, mac_of, missing

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(missing()), reason=missing())]

SEED = int(os.environ.get("DUALHOME_SEED", "1"))
STATES = int(os.environ.get("DUALHOME_STATES", "12"))
PACKETS = 120
PORTS = range(16, 26)
ADDRESSES = [Address.parse(f"10.{a}.{b}.{c}") for a in (1, 2) for b in (0, 1) for c in (4, 5, 6)]
ADDRESSES += [Address.parse(f"fd00:{a}::{b}") for a in (1, 2) for b in (4, 5)]
FAR = [
    Address.parse(each) for each in ("8.8.8.8", "172.16.0.9", "198.18.0.17", "198.18.0.20", "198.19.255.255", "2001:db8::7", "fd00:9::9")
]
SPOTS = (0, 8, 16, 24, 32)
PROTOCOLS = (TCP, UDP, UDP, TCP, ICMP, 47)
CONTROL = (179, 3784, 3785, 4784)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("fabric"))
    try:
        made.plug(PORTS)
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("seed", range(SEED, SEED + STATES))
def test_the_kernel_decides_as_its_twin_does(lab: Lab, seed: int) -> None:
    chance = Random(seed)
    for step in range(3):  # the fabric goes from one state to the next, as it does when things fail
        lab.hold(a_state(chance))
        twin = Memory()
        twin.apply(difference(Installed(), lab.state))
        before = lab.kernel.counters()
        assert lab.kernel.read().ports == lab.state.ports
        for number in range(PACKETS // 3):
            frame = a_frame(chance, lab.state)
            told = f"seed {seed} state {step} packet {number}: {frame}"
            verdict, outcome = twin.forward(frame), lab.send(frame)
            assert (outcome.reason, outcome.target, outcome.length) == (verdict.reason, verdict.target, frame.length), told
            if outcome.seen is not None:
                assert (outcome.seen.source, outcome.seen.destination, outcome.seen.ttl) == (
                    verdict.source,
                    verdict.destination,
                    verdict.ttl,
                ), told
                assert (outcome.seen.to_mac, outcome.seen.from_mac) == (mac_of(verdict.target), GATEWAY_MAC), told
                assert outcome.seen.sound, told
        counted = {
            key: (n - before.get(key, (0, 0))[0], size - before.get(key, (0, 0))[1]) for key, (n, size) in lab.kernel.counters().items()
        }
        assert {key: each for key, each in counted.items() if each != (0, 0)} == twin.counters()


def a_state(chance: Random) -> State:
    owned = chance.sample(ADDRESSES, len(PORTS))
    ports = {number: a_port(chance, number, owned[number - 16]) for number in PORTS}
    groups = [a_group(chance) for _ in range(6)]
    owners = {(network, at): Hop(chance.choice(PORTS)) for network in (1, 2) for at in chance.sample(ADDRESSES, 8)}
    owners[1, owned[0]] = Hop(balancer=1)
    return State(
        ports=ports,
        tables={table: {a_prefix(chance): chance.choice(groups) for _ in range(12)} for table in (1, 2, 3)},
        owners=owners,
        spaces={network: tuple(sorted({a_prefix(chance) for _ in range(3)})) for network in (1, 2)},
        balancers={1: tuple(sorted(chance.sample(PORTS, 3))), 2: ()},
        controls={(port, at): chance.choice((0, 0, 0, *PORTS)) for port in PORTS for at in chance.sample(ADDRESSES, 6)},
        symmetric=chance.random() < 0.3,
    )


def a_port(chance: Random, number: int, address: Address) -> Port:
    return Port(
        number=number,
        name=f"port {number}",
        kind=chance.choices((PortKind.NIC, PortKind.WIRE, PortKind.INTERNET), (8, 1, 1))[0],
        mac=mac_of(number),
        network=chance.choice((1, 2)),
        table=chance.choice((2, 3)),
        address=address if chance.random() < 0.9 else None,
        sources=tuple(sorted(chance.sample(ADDRESSES, chance.choice((0, 0, 2))))),
        ip_forwarding=chance.random() < 0.4,
        far=chance.choice(PORTS),
        core=chance.random() < 0.3,
        bonus=chance.choice((0, 1, 2, 200)),
        state=chance.choices(tuple(PortState), (10, 1, 1))[0],
        internet=chance.random() < 0.8,
        plain=chance.random() < 0.2,
    )


def a_group(chance: Random) -> Group:
    match chance.randrange(8):
        case 0:
            return Drop(chance.choice((Reason.NO_ROUTE, Reason.NETWORK_ACCESS)))
        case 1:
            return Lookup(chance.choice((1, 2)))
        case 2 | 3 | 4:
            return Local(chance.choice((1, 2)), own_only=chance.random() < 0.3)
    hops = [Hop(number, own_only=chance.random() < 0.2) for number in chance.sample(PORTS, chance.randint(1, 5))]
    if chance.random() < 0.3:
        hops.append(Hop(balancer=chance.choice((1, 1, 2, 3)), own_only=chance.random() < 0.2))
    return NextHops(tuple(sorted(hops)))


def a_prefix(chance: Random) -> Prefix:
    at = chance.choice([*ADDRESSES, *FAR])
    length = chance.choice(SPOTS) * (WIDTH[at.version] // 32)
    shift = WIDTH[at.version] - length
    return Prefix(at.version, at.bits >> shift << shift, length)


def a_frame(chance: Random, state: State) -> Frame:
    port = state.ports[chance.choice(PORTS)]
    source = port.address if port.address and chance.random() < 0.6 else chance.choice(ADDRESSES)
    same_kind = [each for each in [*ADDRESSES, *FAR] if each.version == source.version]
    protocol = chance.choice(PROTOCOLS)
    if protocol == ICMP and source.version == 6:
        protocol = ICMP6
    low, high = chance.randrange(1, 65536), chance.choice((chance.randrange(1, 65536), *CONTROL))
    first, second = (high, low) if chance.random() < 0.3 else (low, high)
    return Frame(
        port=port.number,
        source=source,
        destination=chance.choice(same_kind),
        protocol=protocol,
        source_port=first if protocol in (TCP, UDP) else 0,
        destination_port=second if protocol in (TCP, UDP) else 0,
        ttl=chance.choice((1, 64, 254, 255)),
        identifier=low if protocol in (ICMP, ICMP6) else 0,
        fragment=source.version == 4 and chance.random() < 0.1,
        length=chance.choice((98, 99, 1400)),
    )
