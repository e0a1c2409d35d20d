"""Network security groups in live networks: packets and BGP's own sockets meet the rules that the simulation tells of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

import dualhome
from dualhome.app import LiveRun
from dualhome.forwarding.packets import Flow
from dualhome.forwarding.trace import paths
from tests.live.running import brought_up

pytestmark = pytest.mark.live

# one: vm, guarded (its subnet's group lets in little) ══ two: route server, nva with a host behind it, vm2 ══ three: no access, but for one rule
NETWORK = """
version: 1
name: groups
virtual_networks:
  one: {address_space: [10.1.0.0/16], subnets: {vm: 10.1.1.0/24, guarded: {prefix: 10.1.2.0/24, network_security_group: guard}}}
  two: {address_space: [10.2.0.0/16], subnets: {RouteServerSubnet: 10.2.0.0/26, nva: {prefix: 10.2.1.0/24, network_security_group: at-nva}, vm: 10.2.2.0/24}}
  three: {address_space: [10.3.0.0/16], subnets: {open: {prefix: 10.3.1.0/24, network_security_group: opening}, closed: 10.3.2.0/24}}
peerings:
  - {between: [one, two], allow_forwarded_traffic: true, two->one: {allow_gateway_transit: true}, one->two: {use_remote_gateways: true}}
  - {between: [one, three], three->one: {allow_virtual_network_access: false}}
route_servers: {rs: {virtual_network: two, peers: [nva]}}
network_virtual_appliances:
  nva: {subnet: two/nva, address: 10.2.1.4, ip_forwarding: true, asn: 65001, originates: [172.30.0.0/16], hosts: {beyond: 172.30.0.9}}
virtual_machines:
  vm: {subnet: one/vm, address: 10.1.1.4}
  guarded: {subnet: one/guarded, address: 10.1.2.4}
  vm2: {subnet: two/vm, address: 10.2.2.4}
  open: {subnet: three/open, address: 10.3.1.4}
  closed: {subnet: three/closed, address: 10.3.2.4}
network_security_groups:
  guard:
    rules:
      - {priority: 100, direction: Inbound, access: Deny, protocol: Icmp, source: [10.1.1.0/24]}
      - {priority: 110, direction: Inbound, access: Deny, protocol: Tcp, source: [VirtualNetwork], ports: [22, 8000-8080]}
      - {priority: 120, direction: Outbound, access: Deny, protocol: Udp, destination: [10.2.0.0/16]}
      - {priority: 130, direction: Outbound, access: Deny, destination: [Internet]}
  at-nva: {rules: [{priority: 100, direction: Inbound, access: Deny, protocol: Tcp, ports: [179]}]}
  opening: {rules: [{priority: 100, direction: Inbound, access: Allow, protocol: Icmp, source: [10.1.1.4/32]}]}
"""
CONNECT = """
import socket, sys
made = socket.socket()
made.settimeout(1)
try:
    made.connect((sys.argv[1], int(sys.argv[2])))
except ConnectionRefusedError:
    pass
except TimeoutError:
    sys.exit(1)
"""
ADDRESSES = {"vm": "10.1.1.4", "guarded": "10.1.2.4", "vm2": "10.2.2.4", "open": "10.3.1.4", "closed": "10.3.2.4", "nva": "10.2.1.4"}


@pytest.fixture(scope="module")
def live() -> Iterator[LiveRun]:
    with brought_up(NETWORK, "groups", 60) as run:
        yield run


@pytest.fixture
def bare() -> Iterator[LiveRun]:
    """The same network without any group."""
    text = NETWORK.partition("network_security_groups:")[0]
    for group in ("guard", "at-nva", "opening"):
        text = text.replace(f", network_security_group: {group}", "")
    with brought_up(text, "bare", 60) as run:
        yield run


def arrives(live: LiveRun, source: str, destination: str, flow: str) -> bool:
    """Whether a ping is answered, or an attempt to connect (a reset is an answer too)."""
    protocol, _, port = flow.partition("/")
    address = ADDRESSES[destination]
    words = ["ping", "-n", "-c", "1", "-W", "1", address] if protocol == "Icmp" else [sys.executable, "-c", CONNECT, address, port]
    return (
        subprocess.run(["nsenter", f"--net={live.nodes()[source]}", "--", *words], capture_output=True, timeout=30, check=False).returncode
        == 0
    )


def simulated(source: str, destination: str, flow: str) -> bool:
    run, (protocol, _, port) = dualhome.parse(NETWORK).simulate(), flow.partition("/")
    return all(p.outcome == "delivered" for p in paths(run.engine, source, destination, Flow(protocol=protocol, port=int(port or 0))))


@pytest.mark.parametrize(
    ("source", "destination", "flow", "passes"),
    [
        ("vm", "guarded", "Icmp", False),
        ("vm2", "guarded", "Icmp", True),
        ("vm", "guarded", "Tcp/22", False),
        ("vm", "guarded", "Tcp/8080", False),
        ("vm", "guarded", "Tcp/443", True),
        ("guarded", "vm", "Icmp", True),  # answers of its own flows come in
        ("guarded", "vm2", "Tcp/80", True),
        ("vm2", "nva", "Tcp/179", False),
        ("vm2", "nva", "Icmp", True),
        ("vm", "open", "Icmp", True),  # no access, but a rule that says so
        ("vm", "open", "Tcp/80", False),
        ("vm", "closed", "Icmp", False),
        ("guarded", "open", "Icmp", False),
        ("open", "vm", "Icmp", False),  # the side without access sends
    ],
)
def test_packets_meet_the_rules_that_the_simulation_tells_of(live: LiveRun, source: str, destination: str, flow: str, passes: bool) -> None:
    assert simulated(source, destination, flow) is passes
    assert arrives(live, source, destination, flow) is passes


@pytest.mark.parametrize(
    ("source", "destination", "passes"),
    [("guarded", "vm2", False), ("vm", "vm2", True), ("vm2", "guarded", True), ("beyond", "guarded", True), ("beyond", "vm2", True)],
)
def test_probes_do_as_paths_say(live: LiveRun, source: str, destination: str, passes: bool) -> None:
    """UDP to port 40007. What is programmed is part of the tag VirtualNetwork, so what comes from there is let in by default."""
    assert all(path.outcome == "delivered" for path in live.paths(source, destination)) is passes
    found = live.probe(source, destination, rate=100, seconds_=0.3)
    assert (found.lost == 0) is passes


@pytest.mark.rules("R77")
def test_the_session_is_opened_by_the_side_that_may(live: LiveRun) -> None:
    """The NVA's group drops what comes to its port 179, so the NVA opens it; once both directions are closed nobody does."""
    assert {view.state for view in live.sessions("rs/nva")} == {"Established"}
    both = {"priority": 110, "direction": "Outbound", "access": "Deny", "protocol": "Tcp", "ports": [179]}
    inbound = {"priority": 100, "direction": "Inbound", "access": "Deny", "protocol": "Tcp", "ports": [179]}
    live.change({"network_security_groups": {"at-nva": {"rules": [inbound, both]}}})
    live.settle(600)
    assert {view.state for view in live.sessions("rs/nva")} == {"Established"}, "what is open stays open"
    live.fail("nva/rs")
    live.settle(600)
    live.restore("nva/rs")
    live.settle(600)
    assert {view.state for view in live.sessions("rs/nva")}.isdisjoint({"Established"})
    live.change({"network_security_groups": {"at-nva": {"rules": [both]}}})
    live.settle(600)
    assert {view.state for view in live.sessions("rs/nva")} == {"Established"}, "now the route server opens it"


@pytest.mark.rules("R77")
def test_a_session_that_is_up_outlives_a_group_that_comes_later(bare: LiveRun) -> None:
    """Even where no kernel kept track of its connection until then; but it doesn't come back once it is lost."""
    closing = [{"priority": 100, "direction": way, "access": "Deny", "protocol": "Tcp"} for way in ("Inbound", "Outbound")]
    bare.change(
        {
            "virtual_networks": {"two": {"subnets": {"nva": {"network_security_group": "later"}}}},
            "network_security_groups": {"later": {"rules": closing}},
        }
    )
    bare.settle(600)
    assert not arrives(bare, "vm2", "nva", "Tcp/179")
    bare.wait(400)
    assert {view.state for view in bare.sessions("rs/nva")} == {"Established"}, "after more than two hold times"
    bare.fail("nva/rs")
    bare.settle(600)
    bare.restore("nva/rs")
    bare.settle(600)
    assert {view.state for view in bare.sessions("rs/nva")}.isdisjoint({"Established"})
