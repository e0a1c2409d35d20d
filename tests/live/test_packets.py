"""Real packets in live networks: who sees them, what traces show, what NVAs and load balancers do to them, what the fabric drops and counts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

import dualhome
from dualhome.app import LiveRun, UpOptions
from dualhome.errors import RequestError
from dualhome.live import machine
from dualhome.live.place import Place
from tests.consoles import ROOT

pytestmark = pytest.mark.live

INTERNET = (ROOT / "examples/1-internet/topology.yaml").read_text("utf-8")
EXPRESSROUTE = (ROOT / "examples/2-expressroute/topology.yaml").read_text("utf-8")
UNSEEN = {"gateway", "circuit", "load balancer"}  # of Azure's own network, which no trace shows
TRANSLATED = "198.18."  # how the Internet sees whom the fabric translates; the port's number follows

Up = Callable[[str], LiveRun]


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """Networks by their text, each brought up once, sixty times as fast as the world."""
    if reason := "; ".join(machine.missing()):
        pytest.skip(reason)
    running: dict[str, LiveRun] = {}

    def start(text: str) -> LiveRun:
        if text not in running:
            live = dualhome.parse(text).up(f"packets-{os.getpid()}-{len(running)}", UpOptions(speed=60, tunnels="plain"))
            running[text] = live
            live.settle(600)
        return running[text]

    yield start
    for live in running.values():
        live.close()
        with suppress(RequestError):
            Place(live.place.name).clear()


def inside(live: LiveRun, node: str, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
    words = ["nsenter", f"--net={live.nodes()[node]}", "--", *command]
    return subprocess.run(words, capture_output=True, text=True, input=text, timeout=30, check=False)


def pings(live: LiveRun, node: str, address: str, *options: str) -> bool:
    return inside(live, node, "ping", "-n", "-c", "2", "-i", "0.05", "-W", "1", *options, address).returncode == 0


def execute(live: LiveRun, node: str, *command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "dualhome.cli", "exec", "--network", live.place.name, node, "--", *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)


def dropped(live: LiveRun, reason: str) -> int:
    return int(live.status()["packets"].get(reason, 0))


def port_of(live: LiveRun, node: str, device: str = "eth0") -> int:
    """A port's number is the index of the fabric's end of its veth."""
    return int(inside(live, node, "ip", "-o", "link", "show", device).stdout.partition("@if")[2].partition(":")[0])


def traced(live: LiveRun, source: str, destination: str, flows: int = 96) -> set[tuple[str, ...]]:
    """What a trace of so many flows shows."""
    return set(live.probe(source, destination, rate=200, flows=flows, seconds_=0.1).paths)


def told(live: LiveRun, source: str, destination: str) -> set[tuple[str, ...]]:
    """What `trace` says, as far as packets can show it."""
    found = set()
    for path in live.paths(source, destination):
        assert path.outcome == "delivered"
        shown = [hop.name for hop in path.hops if hop.kind not in UNSEEN and hop.name != source]
        found.add((*shown, path.end) if path.end and path.end not in shown else tuple(shown))
    return found


# --- example 2 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "destination"),
    [("spoke-vm", "192.168.1.10"), ("dc-host", "10.10.1.4"), ("hub1-vm", "192.168.1.10"), ("dc-host", "10.1.3.4")],
)
def test_machines_reach_each_other(up: Up, source: str, destination: str) -> None:
    assert pings(up(EXPRESSROUTE), source, destination)


@pytest.mark.parametrize(("source", "destination"), [("spoke-vm", "dc-host"), ("dc-host", "spoke-vm"), ("hub1-vm", "dc-host")])
def test_a_trace_of_many_flows_finds_the_paths_that_trace_tells_of(up: Up, source: str, destination: str) -> None:
    live = up(EXPRESSROUTE)
    assert traced(live, source, destination) == told(live, source, destination)


def test_both_nvas_carry_flows_of_the_spoke(up: Up) -> None:
    assert {way[0] for way in traced(up(EXPRESSROUTE), "spoke-vm", "dc-host")} == {"hub1-nva", "hub2-nva"}


@pytest.mark.skipif(shutil.which("traceroute") is None, reason="traceroute is missing (apt-get install traceroute)")
def test_traceroute_shows_an_nva_first_and_nothing_of_azure(up: Up) -> None:
    done = execute(up(EXPRESSROUTE), "spoke-vm", "traceroute", "-n", "-w", "1", "192.168.1.10")
    hops = [set(line.split()) for line in done.stdout.splitlines()[1:]]
    assert len(hops) == 3, done.stdout
    assert hops[0] & {"10.1.2.4", "10.2.2.4"}
    assert hops[1] & {"192.168.0.1", "192.168.0.2", *(f"169.254.0.{link}" for link in (1, 5, 9, 13))}, (
        "a router's own, or its end of a circuit's link"
    )
    assert "192.168.1.10" in hops[2]
    assert "*" not in set.union(*hops)


def test_hops_of_azure_cost_no_ttl(up: Up) -> None:
    """NVA and router are two hops; the packet arrives with what is left, and one with less doesn't."""
    live = up(EXPRESSROUTE)
    assert not pings(live, "spoke-vm", "192.168.1.10", "-t", "2")
    answered = inside(live, "spoke-vm", "ping", "-n", "-c", "1", "-W", "1", "-t", "3", "192.168.1.10").stdout
    assert "ttl=62" in answered


def test_exec_ends_as_its_program_does(up: Up) -> None:
    live = up(EXPRESSROUTE)
    done = execute(live, "spoke-vm", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert execute(live, "spoke-vm", "kill-the-cat").returncode == 127
    done = execute(live, "spoke-wm", "true")
    assert (done.returncode, done.stderr) == (2, "dualhome: no node 'spoke-wm' (did you mean 'spoke-vm'?)\n")


def test_a_packet_from_somebody_elses_address_is_dropped_and_counted(up: Up) -> None:
    live = up(EXPRESSROUTE)
    before = dropped(live, "ip-forwarding")
    inside(live, "spoke-vm", "ip", "address", "add", "10.10.1.66/32", "dev", "lo")
    assert not pings(live, "spoke-vm", "192.168.1.10", "-I", "10.10.1.66")
    assert dropped(live, "ip-forwarding") == before + 2
    assert pings(live, "spoke-vm", "192.168.1.10")
    assert dropped(live, "ip-forwarding") == before + 2


def test_nobody_answers_where_no_route_leads(up: Up) -> None:
    live = up(EXPRESSROUTE)
    before = dropped(live, "no-route")
    assert not pings(live, "spoke-vm", "172.16.0.1")
    assert dropped(live, "no-route") == before + 2


def test_the_gateways_address_is_known_to_guests_that_ask(up: Up) -> None:
    """ARP for the subnet's .1, as an unmodified guest asks, is answered with the fabric's MAC address."""
    live = up(EXPRESSROUTE)
    inside(live, "spoke-vm", "ip", "neighbor", "flush", "to", "10.10.1.1")
    inside(live, "spoke-vm", "ip", "route", "add", "192.168.1.10/32", "via", "10.10.1.1", "dev", "eth0", "onlink")
    try:
        assert pings(live, "spoke-vm", "192.168.1.10")
        assert "lladdr 12:34:56:78:9a:bc" in inside(live, "spoke-vm", "ip", "neighbor", "show", "to", "10.10.1.1").stdout
    finally:
        inside(live, "spoke-vm", "ip", "route", "del", "192.168.1.10/32", "via", "10.10.1.1")


# --- translation, state, forwarded traffic --------------------------------------------------------------------------------

LISTEN = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("9.9.9.9", 4711))
server.settimeout(10)
print("ready", flush=True)
for _ in range(16):
    data, sender = server.recvfrom(100)
    print(sender[0], flush=True)
    server.sendto(b"answer", sender)
"""
SEND = """
import socket
for port in range(5000, 5016):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.bind(("0.0.0.0", port))
    client.settimeout(5)
    client.sendto(b"question", ("9.9.9.9", 4711))
    print(client.recvfrom(100)[1][0])
"""


def test_the_internet_hears_the_nva_and_not_the_machine(up: Up) -> None:
    """Each NVA translates to its own address, and Azure that to a public one, which stands for its NIC."""
    live = up(INTERNET)
    words = ["nsenter", f"--net={live.nodes()['internet']}", "--", sys.executable, "-c", LISTEN]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        done = inside(live, "spoke-vm", sys.executable, "-c", SEND)
        assert done.stdout.split() == ["9.9.9.9"] * 16, done.stderr
        heard = {server.stdout.readline().strip() for _ in range(16)}
    nvas = {f"{TRANSLATED}0.{port_of(live, f'hub{i}-nva')}" for i in (1, 2)}
    assert heard == nvas
    assert pings(live, "spoke-vm", "8.8.8.8")


UNSOLICITED = """
import socket, struct
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
body = struct.pack("!HH", 4242, 1) + b"unsolicited."
data = struct.pack("!BBH", 0, 0, checksum(struct.pack("!BBH", 0, 0, 0) + body)) + body
each = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
for _ in range(3):
    each.sendto(data, ("10.10.1.4", 0))
"""
HEAR = """
import socket, struct, sys
each = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
each.settimeout(0.7)
print("ready", flush=True)
count = 0
try:
    while True:
        data = each.recv(200)
        count += data[20] == 0 and struct.unpack("!H", data[24:26])[0] == 4242
except TimeoutError:
    print(count)
"""


@pytest.mark.parametrize(("stateful", "arrive"), [("false", 3), ("true", 0)])
def test_a_stateful_nva_drops_what_nobody_asked_for(up: Up, stateful: str, arrive: int) -> None:
    live = up(INTERNET.replace("ip_forwarding: true\n", f"ip_forwarding: true\n    stateful: {stateful}\n"))
    words = ["nsenter", f"--net={live.nodes()['spoke-vm']}", "--", sys.executable, "-c", HEAR]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as hearing:
        assert hearing.stdout
        assert hearing.stdout.readline() == "ready\n"
        inside(live, "branch-host", sys.executable, "-c", UNSOLICITED)
        assert int(hearing.stdout.readline()) == arrive


def test_forwarded_packets_pass_a_peering_that_allows_them_and_no_other(up: Up) -> None:
    """R170: the machine's packets go out by its own routes; answers from behind the NVA don't come from hub 1's own range."""
    live = up(INTERNET.replace(", allow_forwarded_traffic: true", ""))
    before = dropped(live, "forwarded-traffic")
    assert not pings(live, "branch-host", "10.10.1.4")
    assert dropped(live, "forwarded-traffic") == before + 2
    assert pings(live, "spoke-vm", "10.1.2.4"), "an NVA's own packets are not forwarded ones"
    assert dropped(live, "forwarded-traffic") == before + 2
    assert pings(up(INTERNET), "branch-host", "10.10.1.4")


# --- load balancers -------------------------------------------------------------------------------------------------------

BALANCED = """
version: 1
name: balanced
virtual_networks:
  hub: {address_space: [10.1.0.0/16], subnets: {nva: 10.1.2.0/24}}
  east: {address_space: [10.10.0.0/16], subnets: {workload: {prefix: 10.10.1.0/24, route_table: by-firewalls}}}
  west: {address_space: [10.20.0.0/16], subnets: {workload: {prefix: 10.20.1.0/24, route_table: by-firewalls}}}
peerings:
  - {between: [hub, east], allow_forwarded_traffic: true}
  - {between: [hub, west], allow_forwarded_traffic: true}
network_virtual_appliances:
  fw1: {subnet: hub/nva, address: 10.1.2.4, ip_forwarding: true, stateful: true}
  fw2: {subnet: hub/nva, address: 10.1.2.5, ip_forwarding: true, stateful: true}
load_balancers:
  ilb: {subnet: hub/nva, address: 10.1.2.10, backends: [fw1, fw2]}
virtual_machines:
  east-vm: {subnet: east/workload, address: 10.10.1.4}
  west-vm: {subnet: west/workload, address: 10.20.1.4}
route_tables:
  by-firewalls: {routes: [{prefix: 0.0.0.0/0, next_hop_type: VirtualAppliance, next_hop: 10.1.2.10}]}
"""
SERVE = """
import socket
server = socket.create_server(("0.0.0.0", 4712))
print("ready", flush=True)
while True:
    with server.accept()[0] as each:
        each.sendall(each.recv(100))
"""
CALL = """
import socket, sys
for port in range(6000, 6032):
    with socket.create_connection((sys.argv[1], 4712), timeout=3, source_address=("0.0.0.0", port)) as each:
        each.sendall(b"word")
        assert each.recv(100) == b"word"
print("all")
"""


@pytest.mark.parametrize(("client", "server", "address"), [("east-vm", "west-vm", "10.20.1.4"), ("west-vm", "east-vm", "10.10.1.4")])
def test_a_load_balancer_sends_both_directions_of_a_flow_to_one_firewall(up: Up, client: str, server: str, address: str) -> None:
    """Firewalls that keep state drop the rest of a connection of which they haven't seen the beginning."""
    live = up(BALANCED)
    words = ["nsenter", f"--net={live.nodes()[server]}", "--", sys.executable, "-c", SERVE]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout
        assert serving.stdout.readline() == "ready\n"
        done = inside(live, client, sys.executable, "-c", CALL, address)
        serving.kill()
    assert done.stdout == "all\n", done.stderr
    assert traced(live, client, server, flows=32) == {("fw1", server), ("fw2", server)}


def test_a_firewall_that_failed_gets_nothing_of_its_load_balancer(up: Up) -> None:
    live = up(BALANCED)
    live.fail("fw1")
    live.settle(100)
    try:
        assert traced(live, "east-vm", "west-vm", flows=32) == {("fw2", "west-vm")} == told(live, "east-vm", "west-vm")
    finally:
        live.restore("fw1")
        live.settle(100)


# --- IPv6 -----------------------------------------------------------------------------------------------------------------

SIX = """
version: 1
name: six
virtual_networks:
  hub: {address_space: ["fd00:a::/48"], subnets: {nva: "fd00:a:0:1::/64"}}
  east: {address_space: ["fd00:b::/48"], subnets: {workload: {prefix: "fd00:b:0:1::/64", route_table: by-nva}}}
  west: {address_space: ["fd00:c::/48"], subnets: {workload: {prefix: "fd00:c:0:1::/64", route_table: by-nva}}}
peerings:
  - {between: [hub, east], allow_forwarded_traffic: true}
  - {between: [hub, west], allow_forwarded_traffic: true}
network_virtual_appliances:
  nva:
    subnet: hub/nva
    address: fd00:a:0:1::4
    ip_forwarding: true
    asn: 65001
    originates: ["fd00:b::/48", "fd00:c::/48"]
    sessions: [{to: dc-r, over: tunnel, addresses: ["fd00:f::1", "fd00:f::2"]}]
virtual_machines:
  hub-vm: {subnet: hub/nva, address: "fd00:a:0:1::10"}
  east-vm: {subnet: east/workload, address: "fd00:b:0:1::10"}
  west-vm: {subnet: west/workload, address: "fd00:c:0:1::10"}
on_premises:
  dc-r:
    asn: 65010
    address: fd00:9::1
    prefixes: ["fd00:9::/48"]
    hosts: {dc-host: "fd00:9::10"}
route_tables:
  by-nva: {routes: [{prefix: "fd00::/16", next_hop_type: VirtualAppliance, next_hop: "fd00:a:0:1::4"}]}
"""


@pytest.mark.parametrize(
    ("source", "destination", "address", "ways"),
    [
        ("hub-vm", "nva", "fd00:a:0:1::4", {("nva",)}),
        ("hub-vm", "east-vm", "fd00:b:0:1::10", {("east-vm",)}),
        ("east-vm", "west-vm", "fd00:c:0:1::10", {("nva", "west-vm")}),
        ("west-vm", "dc-host", "fd00:9::10", {("nva", "dc-r", "dc-host")}),
        ("dc-host", "east-vm", "fd00:b:0:1::10", {("dc-r", "nva", "east-vm")}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_ipv6(up: Up, source: str, destination: str, address: str, ways: set[tuple[str, ...]]) -> None:
    """Over a peering, through an NVA by a route table, and past it to where BGP over IPv6 leads."""
    live = up(SIX)
    assert live.session_states()["nva/dc-r"] == "Established"
    assert pings(live, source, address)
    assert traced(live, source, destination, flows=8) == ways
    assert live.audit() == []
