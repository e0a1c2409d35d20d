"""The fabric in the kernel: real namespaces behind its ports, real packets through it.

  vm 16 ── 10.1.1.4 ┐ network 1            network 2 ┌ 10.2.1.4 ── 19 far
 nva 17 ── 10.1.2.4 ┤          ── peering ──         │
nva2 18 ── 10.1.2.5 ┘                                └ internet 20 (8.8.8.8)
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dualhome.errors import SystemRefused
from dualhome.fabric.backend import Batch, Installed
from dualhome.fabric.difference import difference
from dualhome.fabric.flow import ICMP, TCP, UDP, Frame
from dualhome.fabric.kernel import Kernel
from dualhome.fabric.state import GATEWAY_MAC, Drop, Group, Hop, Local, Lookup, NextHops, Port, PortKind, PortState, Reason, State
from dualhome.net import Address, Prefix
from tests.fabric import wire
from tests.fabric.lab import SMALL, Lab, mac_of, missing

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(missing()), reason=missing())]

A, P = Address.parse, Prefix.parse
VM, NVA, NVA2, FAR, INTERNET, EDGE, BRANCH = range(16, 23)
BRANCHES = P("172.16.0.0/12")


def state(**more: Any) -> State:
    nics = [
        _nic(VM, "10.1.1.4", 1, 2),
        _nic(NVA, "10.1.2.4", 1, 2, ip_forwarding=True),
        _nic(NVA2, "10.1.2.5", 1, 2, ip_forwarding=True),
        _nic(FAR, "10.2.1.4", 2, 3),
        Port(number=INTERNET, name="internet", kind=PortKind.INTERNET, mac=bytes(6)),
        Port(number=EDGE, name="edge", kind=PortKind.WIRE, mac=bytes(6), far=BRANCH, core=True, bonus=2),
        Port(number=BRANCH, name="branch", kind=PortKind.WIRE, mac=bytes(6), far=EDGE),
    ]
    both: dict[Prefix, Group] = {
        P("10.1.0.0/16"): Local(1),
        P("10.2.0.0/16"): Local(2),
        P("fd00:1::/32"): Local(1),
        P("fd00:2::/32"): Local(2),
    }
    onward = NextHops((Hop(INTERNET),))
    made = State(
        ports={each.number: each for each in nics},
        tables={
            1: {P("0.0.0.0/0"): onward},
            2: {**both, BRANCHES: NextHops((Hop(NVA), Hop(NVA2))), P("0.0.0.0/0"): Lookup(1)},
            3: {**both, P("10.1.9.0/24"): Drop(Reason.NETWORK_ACCESS)},
        },
        owners={(each.network, each.address): Hop(each.number) for each in nics if each.address},
        spaces={1: (P("10.1.0.0/16"),), 2: (P("10.2.0.0/16"),)},
    )
    return replace(made, **more)


def _nic(number: int, address: str, network: int, table: int, **more: Any) -> Port:
    return Port(number=number, name=f"p{number}", kind=PortKind.NIC, mac=bytes(6), address=A(address), network=network, table=table, **more)


def changed(wanted: State, number: int, **more: Any) -> State:
    """With another port of this number."""
    return replace(wanted, ports={**wanted.ports, number: replace(wanted.ports[number], **more)})


def udp(sender: int, destination: str, source: str = "10.1.1.4", **more: Any) -> Frame:
    return Frame(
        port=sender, source=A(source), destination=A(destination), protocol=UDP, **{"source_port": 1, "destination_port": 2, **more}
    )


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Guests that say nothing by themselves."""
    made = Lab(tmp_path)
    try:
        made.plug(range(16, 23))
        made.hold(state())
        yield made
    finally:
        made.close()


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[Lab]:
    """Guests whose kernels speak."""
    made = Lab(tmp_path)
    try:
        made.plug((VM, NVA, NVA2, FAR, INTERNET), silent=False)
        made.hold(state())
        for number, address in ((VM, "10.1.1.4"), (NVA, "10.1.2.4"), (FAR, "10.2.1.4"), (INTERNET, "8.8.8.8")):
            made.address(number, address)
        yield made
    finally:
        made.close()


# --- kernels that speak -------------------------------------------------------------------------------------------------


def test_machines_ping_each_other_in_their_network_across_a_peering_and_the_internet(alive: Lab) -> None:
    for destination in ("10.1.2.4", "10.2.1.4", "8.8.8.8"):
        assert " 0% packet loss" in alive.run(VM, f"ping -c 2 -i 0.01 -W 2 {destination}")
    assert alive.kernel.counters()[VM, Reason.FORWARDED][0] >= 6


def test_ipv6_is_forwarded_and_neighbors_are_answered(alive: Lab) -> None:
    wanted = state()
    for number, address in ((VM, "fd00:1::4"), (FAR, "fd00:2::4")):
        wanted = changed(wanted, number, address=A(address))
        wanted.owners[wanted.ports[number].network, A(address)] = Hop(number)
        alive.address(number, address)
    alive.hold(wanted)
    alive.run(VM, "ip -6 neigh flush dev eth0 nud permanent")  # now its kernel has to ask for fe80::1
    assert " 0% packet loss" in alive.run(VM, "ping -6 -c 2 -i 0.01 -W 3 fd00:2::4")
    assert GATEWAY_MAC.hex(":") in alive.run(VM, "ip -6 neigh show fe80::1")


def test_tcp_and_udp_cross_the_internets_translation_with_their_checksums_left_to_hardware(alive: Lab) -> None:
    with (
        alive.socket(INTERNET, socket.AF_INET, socket.SOCK_STREAM) as server,
        alive.socket(VM, socket.AF_INET, socket.SOCK_STREAM) as client,
    ):
        server.bind(("8.8.8.8", 80))
        server.listen()
        client.connect(("8.8.8.8", 80))
        accepted, (heard, _) = server.accept()
        with accepted:
            assert heard == "198.18.0.16"
            client.sendall(bytes(200_000))  # cut into segments by the receiver's end only: the fabric sees frames of 64 KiB
            client.shutdown(socket.SHUT_WR)
            with accepted.makefile("rb") as file:
                assert len(file.read()) == 200_000
    with alive.socket(INTERNET, socket.AF_INET, socket.SOCK_DGRAM) as server, alive.socket(VM, socket.AF_INET, socket.SOCK_DGRAM) as client:
        server.bind(("8.8.8.8", 53))
        frames = alive.raw(INTERNET)
        client.sendto(b"question", ("8.8.8.8", 53))
        asked, whence = server.recvfrom(100)
        server.sendto(b"answer", whence)
        assert wire.left_to_hardware(frames.recv(2000))
        assert (asked, whence[0], client.recv(100)) == (b"question", "198.18.0.16", b"answer")


def test_an_error_from_the_internet_finds_the_socket_that_caused_it(alive: Lab) -> None:
    with alive.socket(VM, socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("8.8.8.8", 9))
        client.send(b"nobody listens")
        with pytest.raises(ConnectionRefusedError):
            client.recv(100)


# --- frames by hand -----------------------------------------------------------------------------------------------------


def test_flows_spread_over_a_group_and_a_rewritten_group_moves_them_all(lab: Lab) -> None:
    flows = [udp(VM, "172.16.0.9", source_port=port) for port in range(1000, 1200)]
    before = Counter(lab.send(flow).target for flow in flows)
    assert set(before) == {NVA, NVA2}
    assert min(before.values()) > 60
    ((number, _),) = [each for each in lab.kernel.groups().items() if each[1] == NextHops((Hop(NVA), Hop(NVA2)))]
    lab.kernel.apply([Batch("groups", put=[(number, NextHops((Hop(NVA2),)))])])
    assert {lab.send(flow).target for flow in flows} == {NVA2}


def test_both_directions_of_a_flow_meet_the_same_backend_of_a_balancer(lab: Lab) -> None:
    balanced = state(balancers={1: (NVA, NVA2)})
    balanced.owners[1, A("10.1.2.100")] = Hop(balancer=1)
    balanced.tables[2] = {**balanced.tables[2], P("10.2.0.0/16"): NextHops((Hop(balancer=1),))}
    balanced.tables[3] = {**balanced.tables[3], P("10.1.0.0/16"): NextHops((Hop(balancer=1),))}
    lab.hold(balanced)
    there = [lab.send(udp(VM, "10.2.1.4", source_port=port)).target for port in range(1000, 1040)]
    back = [lab.send(udp(FAR, "10.1.1.4", "10.2.1.4", source_port=2, destination_port=port)).target for port in range(1000, 1040)]
    assert there == back
    assert set(there) == {NVA, NVA2}
    assert lab.send(udp(VM, "10.1.2.100")).target in (NVA, NVA2)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (udp(VM, "10.1.7.7"), Reason.NO_ROUTE),
        (udp(FAR, "9.9.9.9", "10.2.1.4"), Reason.NO_ROUTE),
        (udp(VM, "10.2.1.4", "10.1.1.5"), Reason.IP_FORWARDING),
        (udp(FAR, "10.1.9.4", "10.2.1.4"), Reason.NETWORK_ACCESS),
        (udp(INTERNET, "10.1.1.4", "8.8.8.8"), Reason.UNTRANSLATED),
        (udp(INTERNET, "198.18.0.99", "8.8.8.8"), Reason.UNTRANSLATED),
    ],
)
def test_what_may_not_pass_is_dropped_and_counted_under_its_reason(lab: Lab, frame: Frame, reason: Reason) -> None:
    assert lab.send(frame).reason is reason
    assert lab.kernel.counters() == {(frame.port, reason): (1, frame.length)}


def test_a_foreign_source_passes_a_nic_that_forwards_or_has_it_among_its_own(lab: Lab) -> None:
    assert lab.send(udp(NVA, "10.1.1.4", "172.16.0.9")).target == VM
    lab.hold(changed(state(), VM, sources=(A("10.1.1.5"),)))
    assert lab.send(udp(VM, "10.2.1.4", "10.1.1.5")).target == FAR


def test_a_peering_without_forwarded_traffic_passes_its_own_networks_addresses_only(lab: Lab) -> None:
    own_only = state()
    own_only.tables[2] = {**own_only.tables[2], P("10.2.0.0/16"): Local(2, own_only=True)}
    lab.hold(own_only)
    assert lab.send(udp(NVA, "10.2.1.4", "10.1.2.4")).target == FAR
    assert lab.send(udp(NVA, "10.2.1.4", "172.16.0.9")).reason is Reason.FORWARDED_TRAFFIC


def test_a_wire_changes_sides_and_the_core_is_paid_for_in_advance(lab: Lab) -> None:
    there = lab.send(udp(BRANCH, "10.1.1.4", "172.16.0.9", ttl=64))
    back = lab.send(udp(EDGE, "172.16.0.9", ttl=64))
    assert there.seen is not None
    assert back.seen is not None
    assert (there.target, there.seen.ttl, there.seen.sound) == (EDGE, 66, True)
    assert (back.target, back.seen.ttl, back.seen.to_mac) == (BRANCH, 64, mac_of(BRANCH))


def test_a_dead_port_passes_nothing_and_a_half_dead_one_its_sessions_only(lab: Lab) -> None:
    bgp = replace(udp(VM, "10.1.2.4"), protocol=TCP, destination_port=179)
    lab.hold(changed(state(), NVA, state=PortState.CONTROL_ONLY))
    assert lab.send(udp(VM, "10.1.2.4")).reason is Reason.DOWN
    assert lab.send(bgp).target == NVA
    lab.hold(changed(state(), VM, state=PortState.CONTROL_ONLY))
    assert lab.send(udp(VM, "10.1.2.4")).reason is Reason.DOWN
    assert lab.send(bgp).target == NVA
    lab.hold(changed(state(), NVA, state=PortState.DEAD))
    assert lab.send(bgp).reason is Reason.DOWN


def test_control_packets_take_the_way_of_their_session(lab: Lab) -> None:
    lab.hold(state(controls={(VM, A("10.2.1.4")): NVA, (VM, A("10.1.2.4")): 0}))
    bgp = replace(udp(VM, "10.2.1.4"), protocol=TCP, source_port=179)
    assert lab.send(bgp).target == NVA
    assert lab.send(replace(bgp, destination=A("10.1.2.4"))).reason is Reason.SESSION
    assert lab.send(udp(VM, "10.2.1.4", destination_port=3784)).target == NVA
    assert lab.send(udp(VM, "10.2.1.4")).target == FAR


@pytest.mark.parametrize("protocol", [UDP, TCP, ICMP])
def test_the_internet_hears_a_port_by_its_number_and_answers_it(lab: Lab, protocol: int) -> None:
    ports = {"source_port": 0, "destination_port": 0, "identifier": 5} if protocol == ICMP else {}
    out = lab.send(replace(udp(VM, "8.8.8.8", **ports), protocol=protocol))
    back = lab.send(replace(udp(INTERNET, "198.18.0.16", "8.8.8.8", **ports), protocol=protocol))
    assert out.seen is not None
    assert back.seen is not None
    assert (out.target, str(out.seen.source), out.seen.sound) == (INTERNET, "198.18.0.16", True)
    assert (back.target, str(back.seen.destination), back.seen.sound) == (VM, "10.1.1.4", True)
    lab.hold(changed(state(), VM, internet=False))
    assert lab.send(udp(VM, "8.8.8.8")).reason is Reason.DOWN


def test_whoever_asks_for_any_address_but_its_own_hears_the_gateways_mac(lab: Lab) -> None:
    outcome = lab.send_bytes(VM, wire.arp_request("10.77.0.1", "10.1.1.4"))
    assert (outcome.reason, outcome.target) == (Reason.ANSWERED, VM)
    assert lab.last == wire.arp_reply(GATEWAY_MAC, "10.77.0.1", "10.1.1.4")
    for request in (wire.arp_request("10.1.1.4", "10.1.1.4"), wire.arp_request("10.77.0.1", "0.0.0.0")):
        assert lab.send_bytes(VM, request).reason is Reason.NOT_IP
    outcome = lab.send_bytes(VM, wire.solicitation("fd00:1::1", "fd00:1::4"))
    assert outcome.seen is not None
    assert (outcome.reason, str(outcome.seen.source), str(outcome.seen.destination)) == (Reason.ANSWERED, "fd00:1::1", "fd00:1::4")
    assert (outcome.seen.ttl, outcome.seen.sound, outcome.seen.payload[0]) == (255, True, 136)
    assert outcome.seen.payload[-8:] == b"\2\1" + GATEWAY_MAC
    assert lab.send_bytes(VM, wire.solicitation("fd00:1::1", "::")).reason is Reason.NOT_IP


@pytest.mark.parametrize("kind", [b"\x88\xcc", b"\x08\x00", b"\x86\xdd", b"\x08\x06"])
def test_what_is_no_packet_or_is_cut_short_is_dropped(lab: Lab, kind: bytes) -> None:
    assert lab.send_bytes(VM, GATEWAY_MAC + wire.OWN_MAC + kind + bytes(6)).reason is Reason.NOT_IP


# --- what is held -------------------------------------------------------------------------------------------------------


def test_a_port_that_the_fabric_does_not_know_passes_and_counts_nothing(lab: Lab) -> None:
    lab.kernel.apply([Batch("ports", drop=[VM])])
    lab.patience_s = 0.2
    with pytest.raises(AssertionError, match="counted nothing"):
        lab.send(udp(VM, "10.1.2.4"))


def test_what_was_applied_is_read_again_also_by_the_one_who_comes_later(lab: Lab) -> None:
    wanted = state(balancers={1: (NVA, NVA2), 2: ()}, controls={(VM, A("10.1.2.4")): NVA, (VM, A("fd00::1")): 0}, symmetric=True)
    wanted = changed(wanted, VM, sources=(A("10.1.1.5"), A("10.1.1.6")), plain=True, core=True, bonus=3, address=A("fd00:1::4"))
    wanted.spaces[1] = (P("10.1.0.0/16"), P("fd00:1::/32"))
    wanted.tables[7] = {P("10.0.0.0/8"): NextHops(tuple(Hop(number, own_only=bool(number % 2)) for number in range(100, 164)))}
    wanted.tables[8] = {P("::/0"): Local(3, own_only=True), P("0.0.0.0/0"): Lookup(9), P("fd00::1/128"): Drop(Reason.DOWN)}
    lab.hold(wanted)
    assert not difference(lab.kernel.read(), lab.state)
    names = {number: replace(port, name=f"p{number}") for number, port in lab.state.ports.items()}
    lab.kernel = Kernel.open(lab.namespace, str(lab.pins))
    assert lab.kernel.read().ports == names
    assert not difference(lab.kernel.read(), replace(lab.state, ports=names))
    assert lab.send(udp(NVA, "10.1.2.5", "10.1.2.4")).target == NVA2
    lab.hold(State())
    assert lab.kernel.read() == Installed()


def test_it_goes_on_when_the_process_that_made_it_is_gone(lab: Lab) -> None:
    del lab.kernel
    lab.kernel = Kernel.open(lab.namespace, str(lab.pins))
    assert lab.send(udp(VM, "10.1.2.4")).target == NVA


def test_a_guest_whose_interface_is_down_gets_nothing_though_the_fabric_counts_it(lab: Lab) -> None:
    """`bpf_redirect_peer` drops by itself what the far end can't take: a state of its own, UP, that only the guest knows."""
    lab.send(udp(VM, "10.1.2.4"))
    lab.guests[NVA].link_up("eth0", False)
    lab.patience_s = 0.2
    with pytest.raises(AssertionError, match="came out 0 times"):
        lab.send(udp(VM, "10.1.2.4"))
    lab.guests[NVA].link_up("eth0")
    assert lab.send(udp(VM, "10.1.2.4")).target == NVA


def test_a_full_map_and_a_wrong_directory_are_told_in_a_sentence(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {**SMALL, "owners": 2})
    try:
        with pytest.raises(SystemRefused, match=r"owners.*holds 2 elements at most.*the fabric is full"):
            lab.hold(state())
        with pytest.raises(SystemRefused, match="interface 99"):
            lab.kernel.attach([99])
        with pytest.raises(SystemRefused, match="nowhere"):
            Kernel.open(lab.namespace, "/run/nowhere")
        (tmp_path / "disk").mkdir()
        with pytest.raises(SystemRefused, match=r"disk is no file system for eBPF \(mount -t bpf\)"):
            Kernel.create(lab.namespace, str(tmp_path / "disk"), SMALL)
    finally:
        lab.close()


def test_hundreds_of_ports_are_attached_in_a_second_and_again_without_harm(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {**SMALL, "ports": 1024})
    try:
        guest = lab.guests[0] = lab.guest("all")
        numbers = list(range(16, 216))
        lab.namespace.veths([(f"p{n}", n, mac_of(n), f"eth{n}", guest, mac_of(n), 0) for n in numbers])
        began = time.monotonic()
        lab.kernel.attach(numbers)
        lab.kernel.attach(numbers)
        print(f"{2 * len(numbers) / (time.monotonic() - began):.0f} ports a second on {os.cpu_count()} CPUs")
    finally:
        lab.close()
