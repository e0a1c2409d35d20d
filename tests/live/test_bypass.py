"""The inbound bypass in real packets: with the gateway subnets' route tables the article's ExpressRoute network is symmetric, without them packets from
on-premises go past the NVA, while answers cross it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from dualhome.app import LiveRun
from tests.consoles import ROOT
from tests.live.running import brought_up, inside

pytestmark = [pytest.mark.live, pytest.mark.rules("R169")]

FILE = ROOT / "examples/2-expressroute/topology.yaml"
NVAS = ("hub1-nva", "hub2-nva")
COUNT = 64  # datagrams, each a flow of its own
PORT = 4713
HOST, MACHINE = ("dc-host", "192.168.1.10"), ("spoke-vm", "10.10.1.4")

RECEIVE = f"""
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", {PORT}))
server.settimeout(3)
print("ready", flush=True)
count = 0
try:
    while count < {COUNT}:
        server.recv(100)
        count += 1
except TimeoutError:
    pass
print(count)
"""
SEND = f"""
import socket, sys
for port in range(7000, 7000 + {COUNT}):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
        each.bind(("0.0.0.0", port))
        each.sendto(b"one way", (sys.argv[1], {PORT}))
"""


@pytest.fixture(scope="module")
def live() -> Iterator[LiveRun]:
    """NVA 2 waits, so that answers cross NVA 1; timers twenty times as fast."""
    text = FILE.read_text("utf-8").replace("    asn: 65002\n", "    asn: 65002\n    prepend: {spoke-rs: 2}\n")
    with brought_up(text, "bypass") as run:
        yield run


def forwarded(live: LiveRun, node: str) -> int:
    """Datagrams that a node's kernel has passed on (RFC 4293's ipForwDatagrams)."""
    text = subprocess.run(inside(live, node, "cat", "/proc/net/snmp"), capture_output=True, text=True, check=True).stdout
    names, values = (line.split() for line in text.splitlines() if line.startswith("Ip:"))
    return int(values[names.index("ForwDatagrams")])


def sent(live: LiveRun, source: tuple[str, str], destination: tuple[str, str]) -> tuple[int, Mapping[str, int]]:
    """Of so many datagrams, one way, how many arrive, and how many of them each NVA passes on."""
    words = inside(live, destination[0], sys.executable, "-c", RECEIVE)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout
        assert receiver.stdout.readline() == "ready\n"
        before = {name: forwarded(live, name) for name in NVAS}
        subprocess.run(inside(live, source[0], sys.executable, "-c", SEND, destination[1]), check=True, timeout=30)
        arrived = int(receiver.stdout.readline())
    return arrived, {name: forwarded(live, name) - before[name] for name in NVAS}


def route_tables(on: bool) -> dict[str, object]:
    hubs = {f"hub{i}": {"subnets": {"GatewaySubnet": {"route_table": f"gateway{i}-to-nva" if on else None}}} for i in (1, 2)}
    return {"virtual_networks": hubs}


def seen(live: LiveRun, source: str, destination: str) -> set[tuple[str, ...]]:
    """NVAs and routers that a trace of packets shows."""
    return set(live.probe(source, destination, rate=200, flows=32, seconds_=0.1).paths)


def told(live: LiveRun, source: str, destination: str) -> set[tuple[str, ...]]:
    """NVAs on the paths that the model tells of."""
    return {tuple(hop.name for hop in path.hops if hop.kind == "nva") for path in live.paths(source, destination)}


def has_finding(live: LiveRun) -> bool:
    return any(finding.code == "L-027" for finding in live.check())


BY_NVA_1, PAST_BOTH = {"hub1-nva": COUNT, "hub2-nva": 0}, {"hub1-nva": 0, "hub2-nva": 0}


def test_with_the_route_tables_both_directions_cross_the_nva_and_without_them_one(live: LiveRun) -> None:
    for tables in (True, False, True):
        live.change(route_tables(tables))
        live.settle(600)
        assert sent(live, HOST, MACHINE) == (COUNT, BY_NVA_1 if tables else PAST_BOTH)
        assert sent(live, MACHINE, HOST) == (COUNT, BY_NVA_1), "answers cross it in any case"
        assert seen(live, "dc-host", "spoke-vm") == {("dc-r1", "hub1-nva", "spoke-vm") if tables else ("dc-r1", "spoke-vm")}
        assert seen(live, "spoke-vm", "dc-host") == {("hub1-nva", "dc-r1", "dc-host")}
        assert told(live, "dc-host", "spoke-vm") == {("hub1-nva",) if tables else ()}
        assert has_finding(live) is not tables
        assert live.audit() == []


def test_a_stateful_nva_then_drops_the_answers(live: LiveRun) -> None:
    """It hasn't seen how the flow began: a connection from on-premises comes up with the route tables alone."""
    live.change({"network_virtual_appliances": {"hub1-nva": {"stateful": True}}})
    for tables in (True, False):
        live.change(route_tables(tables))
        live.settle(600)
        assert connects(live) is tables


CONNECT = f"""
import socket
try:
    socket.create_connection(("{MACHINE[1]}", {PORT}), timeout=2).close()
    print("up")
except OSError:
    print("not up")
"""


def connects(live: LiveRun) -> bool:
    """Whether TCP from the data centre to the spoke's machine comes up."""
    server = f"import socket; s = socket.create_server(('0.0.0.0', {PORT})); print('ready', flush=True); s.accept()"
    with subprocess.Popen(inside(live, "spoke-vm", sys.executable, "-c", server), stdout=subprocess.PIPE, text=True) as listening:
        assert listening.stdout
        assert listening.stdout.readline() == "ready\n"
        done = subprocess.run(
            inside(live, "dc-host", sys.executable, "-c", CONNECT), capture_output=True, text=True, timeout=30, check=True
        )
        listening.kill()
    return done.stdout == "up\n"
