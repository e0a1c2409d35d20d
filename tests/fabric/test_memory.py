"""The fabric in memory, step by step: what each kind of port lets pass, and to whom. The eBPF program is held against the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualhome.fabric.backend import Installed
from dualhome.fabric.difference import difference
from dualhome.fabric.flow import Frame, flow_hash, symmetric_hash
from dualhome.fabric.memory import Memory
from dualhome.fabric.state import Drop, Group, Hop, Local, Lookup, NextHops, Port, PortKind, PortState, Reason, State
from dualhome.net import Address, Prefix

A = Address.parse
P = Prefix.parse
VM, NVA, NVA2, FAR, GATEWAY, WIRE, BRANCH, INTERNET = range(16, 24)
TABLE: dict[str, Group] = {
    "10.1.0.0/16": Local(1),
    "10.2.0.0/16": Local(2, own_only=True),
    "10.2.9.0/24": Drop(Reason.NETWORK_ACCESS),
    "172.16.0.0/12": NextHops((Hop(NVA), Hop(NVA2))),
    "172.17.0.0/16": NextHops((Hop(FAR, own_only=True),)),
    "172.18.0.0/16": NextHops((Hop(balancer=1),)),
    "172.19.0.0/16": NextHops((Hop(balancer=2),)),
    "172.20.0.0/16": NextHops((Hop(GATEWAY),)),
    "172.21.0.0/16": NextHops((Hop(99),)),
    "0.0.0.0/0": Lookup(1),
    "::/0": Lookup(1),
    "198.51.100.0/24": Lookup(3),
}


def port(number: int, kind: PortKind, address: str = "", **more: Any) -> Port:
    return Port(number=number, name=f"p{number}", kind=kind, mac=bytes(6), address=A(address) if address else None, **more)


def state() -> State:
    ports = [
        port(VM, PortKind.NIC, "10.1.1.4", network=1, table=2, sources=(A("10.1.2.100"),)),
        port(NVA, PortKind.NIC, "10.1.2.4", network=1, table=2, ip_forwarding=True),
        port(NVA2, PortKind.NIC, "10.1.2.5", network=1, table=2, ip_forwarding=True),
        port(FAR, PortKind.NIC, "10.2.1.4", network=2, table=3),
        port(GATEWAY, PortKind.NIC, "10.1.3.4", network=1, table=2, ip_forwarding=True, core=True, bonus=2),
        port(WIRE, PortKind.WIRE, far=BRANCH, core=True),
        port(BRANCH, PortKind.WIRE, far=WIRE),
        port(INTERNET, PortKind.INTERNET),
    ]
    onward = NextHops((Hop(INTERNET),))
    return State(
        ports={each.number: each for each in ports},
        tables={
            1: {P("10.0.0.0/8"): Drop(Reason.NO_ROUTE), P("0.0.0.0/0"): onward, P("::/0"): onward},
            2: {P(prefix): group for prefix, group in TABLE.items()},
            3: {P("10.2.0.0/16"): Local(2), P("198.51.100.0/24"): Lookup(1)},
        },
        owners={
            **{(each.network, each.address): Hop(each.number) for each in ports if each.address},
            (1, A("10.1.2.100")): Hop(balancer=1),
        },
        spaces={1: (P("10.1.0.0/16"),), 2: (P("10.2.0.0/16"),)},
        balancers={1: (NVA, NVA2), 2: ()},
        controls={(VM, A("10.1.3.4")): GATEWAY, (VM, A("10.1.3.5")): 0},
    )


def held(wanted: State) -> Memory:
    memory = Memory()
    memory.apply(difference(Installed(), wanted))
    return memory


def frame(sender: int, destination: str, source: str = "10.1.1.4", protocol: int = 17, **more: Any) -> Frame:
    return Frame(port=sender, source=A(source), destination=A(destination), protocol=protocol, **more)


@pytest.mark.parametrize(
    ("sender", "destination", "source", "fate"),
    [
        (VM, "10.1.2.4", "10.1.1.4", NVA),
        (VM, "10.1.9.9", "10.1.1.4", Reason.NO_ROUTE),
        (VM, "10.2.1.4", "10.1.1.4", FAR),
        (VM, "10.2.9.9", "10.1.1.4", Reason.NETWORK_ACCESS),
        (VM, "10.9.9.9", "10.1.1.4", Reason.NO_ROUTE),
        (VM, "8.8.8.8", "10.1.1.4", INTERNET),
        (VM, "8.8.8.8", "10.7.7.7", Reason.IP_FORWARDING),
        (VM, "8.8.8.8", "10.1.2.100", INTERNET),
        (VM, "198.51.100.1", "10.1.1.4", Reason.NO_ROUTE),
        (VM, "172.21.0.1", "10.1.1.4", Reason.DOWN),
        (VM, "172.19.0.1", "10.1.1.4", Reason.DOWN),
        (NVA, "10.2.1.4", "10.7.7.7", Reason.FORWARDED_TRAFFIC),
        (NVA, "10.2.1.5", "10.7.7.7", Reason.NO_ROUTE),
        (NVA, "172.17.0.1", "10.7.7.7", Reason.FORWARDED_TRAFFIC),
        (NVA, "172.17.0.1", "10.1.7.7", FAR),
        (WIRE, "10.1.9.9", "10.7.7.7", BRANCH),
        (INTERNET, "198.18.0.16", "8.8.8.8", VM),
        (INTERNET, "198.18.0.21", "8.8.8.8", Reason.UNTRANSLATED),
        (INTERNET, "198.19.255.255", "8.8.8.8", Reason.UNTRANSLATED),
        (INTERNET, "10.1.1.4", "8.8.8.8", Reason.UNTRANSLATED),
        (99, "10.1.1.4", "8.8.8.8", Reason.DOWN),
    ],
)
def test_where_packets_go(sender: int, destination: str, source: str, fate: int | Reason) -> None:
    verdict = held(state()).forward(frame(sender, destination, source))
    assert (verdict.reason if isinstance(fate, Reason) else verdict.target) == fate
    assert (verdict.reason is Reason.FORWARDED) == (verdict.target != 0)


def test_the_internet_hears_a_number_for_an_own_address_and_the_address_itself_otherwise() -> None:
    memory = held(state())
    out = memory.forward(frame(VM, "8.8.8.8"))
    assert (out.source, out.destination) == (A("198.18.0.16"), A("8.8.8.8"))
    back = memory.forward(frame(INTERNET, str(out.source), "8.8.8.8"))
    assert (back.target, back.source, back.destination) == (VM, A("8.8.8.8"), A("10.1.1.4"))
    assert memory.forward(frame(NVA, "8.8.8.8")).source == A("10.1.1.4")
    assert memory.forward(frame(NVA, "2001:db8::1", "fd00::1")).source == A("fd00::1")


def test_a_port_that_is_cut_off_from_the_internet_reaches_all_else() -> None:
    wanted = state()
    wanted.ports[VM] = replace(wanted.ports[VM], internet=False)
    assert held(wanted).forward(frame(VM, "8.8.8.8")).reason is Reason.DOWN
    assert held(wanted).forward(frame(VM, "10.1.2.4")).target == NVA


def test_a_packet_gets_a_longer_life_when_it_enters_the_core() -> None:
    memory = held(state())
    assert memory.forward(frame(VM, "172.20.0.1", ttl=64)).ttl == 66
    assert memory.forward(frame(VM, "172.20.0.1", ttl=254)).ttl == 255
    assert memory.forward(frame(VM, "10.1.2.4", ttl=64)).ttl == 64
    assert memory.forward(frame(WIRE, "172.20.0.1", ttl=64)).ttl == 64


CONTROL = [
    ({"protocol": 6, "source_port": 179, "destination_port": 40000}, True),
    ({"protocol": 6, "source_port": 40000, "destination_port": 179}, True),
    ({"protocol": 17, "destination_port": 3784}, True),
    ({"protocol": 17, "destination_port": 3785}, True),
    ({"protocol": 17, "destination_port": 4784}, True),
    ({"protocol": 17, "source_port": 3784}, False),
    ({"protocol": 17, "destination_port": 179}, False),
    ({"protocol": 6, "destination_port": 3784}, False),
    ({"protocol": 6, "destination_port": 179, "fragment": True}, False),
    ({"protocol": 1}, False),
]


@pytest.mark.parametrize(("fields", "control"), CONTROL)
def test_control_packets_have_ways_of_their_own(fields: dict[str, Any], control: bool) -> None:
    memory = held(state())
    assert memory.forward(frame(VM, "10.1.3.4", **fields)).target == GATEWAY
    assert memory.forward(frame(VM, "10.1.3.5", **fields)).reason is (Reason.SESSION if control else Reason.NO_ROUTE)
    for one in (VM, GATEWAY):
        wanted = state()
        wanted.ports[one] = replace(wanted.ports[one], state=PortState.CONTROL_ONLY)
        assert held(wanted).forward(frame(VM, "10.1.3.4", **fields)).reason is (Reason.FORWARDED if control else Reason.DOWN)
        wanted.ports[one] = replace(wanted.ports[one], state=PortState.DEAD)
        assert held(wanted).forward(frame(VM, "10.1.3.4", **fields)).reason is Reason.DOWN


def test_counters_count_packets_and_bytes_by_sender_and_reason() -> None:
    memory = held(state())
    for destination in ("10.1.2.4", "10.1.2.5", "10.9.9.9"):
        memory.forward(frame(VM, destination, length=100))
    memory.forward(frame(99, "10.1.2.4"))
    assert memory.counters() == {(VM, Reason.FORWARDED): (2, 200), (VM, Reason.NO_ROUTE): (1, 100)}


# --- the hash -----------------------------------------------------------------------------------------------------------

addresses = st.integers(0, 2**32 - 1).map(lambda bits: Address(4, bits)) | st.integers(0, 2**128 - 1).map(lambda bits: Address(6, bits))
numbers = st.integers(0, 65535)


@given(addresses, addresses, numbers, numbers, st.sampled_from([6, 17, 1, 58, 47]), st.booleans())
def test_the_symmetric_hash_is_one_for_both_directions(a: Address, b: Address, p: int, q: int, protocol: int, fragment: bool) -> None:
    there = Frame(port=16, source=a, destination=b, protocol=protocol, source_port=p, destination_port=q, fragment=fragment)
    back = Frame(port=17, source=b, destination=a, protocol=protocol, source_port=q, destination_port=p, fragment=fragment)
    assert symmetric_hash(there) == symmetric_hash(back)
    assert 0 <= flow_hash(there) < 2**32 > symmetric_hash(there)


GOLDEN = [(2880153770, 3237814523), (451436417, 3237814523), (1075540592, 3259661634), (1353369599, 2631989002), (1965644495, 1285909221)]


def test_hashes_are_these() -> None:
    """Whoever writes the function anew gets the same numbers."""
    found = [
        (flow_hash(each), symmetric_hash(each))
        for each in (
            frame(16, "10.1.2.4", protocol=6, source_port=40000, destination_port=80),
            frame(17, "10.1.2.4", protocol=6, source_port=40000, destination_port=80),
            frame(16, "10.1.2.4", protocol=6, source_port=40000, destination_port=80, fragment=True),
            frame(16, "10.1.2.4", protocol=1, identifier=7),
            frame(16, "fd00::2", "fd00::1", protocol=17, source_port=1, destination_port=2),
        )
    ]
    assert found == GOLDEN


def test_flows_spread_evenly_over_next_hops_and_backends_and_stay() -> None:
    memory = held(state())
    frames = [frame(VM, "172.16.0.1", protocol=6, source_port=1024 + i, destination_port=80) for i in range(2000)]
    shares = Counter(memory.forward(each).target for each in frames)
    assert shares.keys() == {NVA, NVA2}
    assert 850 < shares[NVA] < 1150
    assert [memory.forward(each).target for each in frames[:50]] == [memory.forward(each).target for each in frames[:50]]
    shares = Counter(memory.forward(replace(each, destination=A("172.18.0.1"))).target for each in frames)
    assert 850 < shares[NVA] < 1150


def test_with_symmetric_hashing_both_directions_meet_the_same_next_hop() -> None:
    wanted = state()
    wanted.symmetric = True
    wanted.tables[2] = {**wanted.tables[2], P("10.1.0.0/16"): TABLE["172.16.0.0/12"]}
    memory = held(wanted)
    for i in range(100):
        there = frame(VM, "172.16.0.1", protocol=6, source_port=1024 + i, destination_port=80)
        back = frame(GATEWAY, "10.1.1.4", "172.16.0.1", protocol=6, source_port=80, destination_port=1024 + i)
        assert memory.forward(there).target == memory.forward(back).target
