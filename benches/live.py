"""The live network: how long a thousand machines take to come up, and how long failures interrupt a stream of 1,000 packets a second.

    .venv/bin/python benches/live.py scale [VMs] [subnets]      up, settled, first ping, down
    .venv/bin/python benches/live.py failover [runs]            each failure of example 2, with hold times of 3 s and with BFD, predicted and measured
    .venv/bin/python benches/live.py routes [prefixes]          an NVA is lost with ten and with 100,000 routes through it

Needs root. Figures are printed, nothing is asserted.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dualhome
from dualhome.app import LiveRun, Net, down

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples/2-expressroute/topology.yaml"
ENDS = ("spoke-vm", "dc-host")
FLOWS = 4  # gaps are known to 4 ms


def scale(machines: int = 1000, subnets: int = 100) -> None:
    """A spoke of many machines, with the two hubs of the article."""
    lines = [
        "version: 1",
        "name: many",
        "virtual_networks:",
        "  hub1: {address_space: [10.1.0.0/16], subnets: {nva: 10.1.2.0/24}}",
        "  hub2: {address_space: [10.2.0.0/16], subnets: {nva: 10.2.2.0/24}}",
        "  spoke:",
        "    address_space: [10.16.0.0/12]",
        "    subnets:",
        "      RouteServerSubnet: 10.31.255.0/26",
        *(f"      s{i}: 10.{16 + i // 256}.{i % 256}.0/24" for i in range(subnets)),
        "peerings:",
        "  - {between: [spoke, hub1], allow_forwarded_traffic: true}",
        "  - {between: [spoke, hub2], allow_forwarded_traffic: true}",
        "route_servers: {rs: {virtual_network: spoke, peers: [nva1, nva2]}}",
        "network_virtual_appliances:",
        "  nva1: {subnet: hub1/nva, ip_forwarding: true, asn: 65001, originates: [0.0.0.0/0, 172.16.0.0/16], translates: internet}",
        "  nva2: {subnet: hub2/nva, ip_forwarding: true, asn: 65002, originates: [0.0.0.0/0, 172.16.0.0/16], translates: internet}",
        "virtual_machines:",
        *(f"  vm{i}: {{subnet: spoke/s{i % subnets}}}" for i in range(machines)),
    ]
    net = dualhome.parse("\n".join(lines) + "\n", "many.yaml")
    start = time.monotonic()
    live = net.up("bench-scale")
    try:
        there = time.monotonic()
        live.settle(120)
        settled = time.monotonic()
        print(f"{machines} machines in {subnets} subnets: made in {there - start:.1f} s, settled {settled - there:.1f} s later")
        _ping(live, "vm0", str(live.network.addresses_of(f"vm{machines - 1}")[0]))
        _ping(live, f"vm{machines - 1}", "8.8.8.8")
        start = time.monotonic()
    finally:
        live.close()
        down("bench-scale")
    print(f"down in {time.monotonic() - start:.1f} s")


def _ping(live: LiveRun, node: str, address: str) -> None:
    command = ["nsenter", f"--net={live.nodes()[node]}", "ping", "-n", "-q", "-c", "5", "-i", "0.02", address]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    print(f"{node} -> {address}: {next((line for line in said if 'packets' in line), 'no answer')}")


def failover(runs: int = 3) -> None:
    """Each way to fail, with the timers that make a difference."""
    short = {"timers": {"keepalive_s": 1, "hold_s": 3}}
    bfd = {"bfd": {"interval_ms": 50, "multiplier": 3}}
    servers = ("spoke-rs", "hub1-rs", "hub2-rs")
    cases: list[tuple[str, str, str, Mapping[str, Any], float]] = [
        ("NVA process killed", "hub1-nva", "crash", {}, 1),
        ("NVA silent, BFD 50 ms x 3", "hub1-nva", "silent", {"route_servers": dict.fromkeys(servers, bfd)}, 1.5),
        ("NVA silent, hold 3 s", "hub1-nva", "silent", {"route_servers": dict.fromkeys(servers, short)}, 5),
        ("circuit failure", "circuit1", "crash", {}, 1),
        ("route server instance killed", "spoke-rs#0", "crash", {}, 1),
        ("hub lost", "hub1", "crash", {}, 1),
    ]
    print("| failure | predicted ms, there and back | measured ms, there | back | mending lost |")
    print("|---|---|---|---|---|")
    for what, target, how, patch, wait_s in cases:
        net = _changed(patch)
        run = net.simulate()
        for pair in (ENDS, ENDS[::-1]):
            run.watch(*pair)
        run.wait(30)
        run.fail(target, how)
        run.settle()
        predicted = [round(run.outage(*pair) * 1000) for pair in (ENDS, ENDS[::-1])]
        there, back, mended = zip(*(_measure(net, target, how, wait_s) for _ in range(runs)), strict=True)
        print(f"| {what} | {predicted[0]}, {predicted[1]} | {_ms(there)} | {_ms(back)} | {_ms(mended)} |", flush=True)


def _changed(patch: Mapping[str, Any]) -> Net:
    return Net(dualhome.load(EXAMPLE).topology.changed(patch)) if patch else dualhome.load(EXAMPLE)


def _measure(net: Net, target: str, how: str, wait_s: float) -> tuple[float, float, float]:
    """Outage there, back, and the worse one of mending, in milliseconds."""
    with net.up("bench-failover") as live:
        live.settle(30)
        for pair in (ENDS, ENDS[::-1]):
            live.watch(*pair, FLOWS)
        time.sleep(1.5)
        live.fail(target, how)
        time.sleep(wait_s)
        live.settle(60)
        time.sleep(0.5)
        gaps = [live.outage(*pair) * 1000 for pair in (ENDS, ENDS[::-1])]
        live.restore(target)
        live.settle(200)
        time.sleep(0.5)
        return gaps[0], gaps[1], max(live.outage(*pair) * 1000 for pair in (ENDS, ENDS[::-1]))


def _ms(values: tuple[float, ...]) -> str:
    return ", ".join(f"{each:.0f}" for each in values)


def routes(prefixes: int = 100_000, runs: int = 3) -> None:
    """Two NVAs announce the same prefixes; one is killed under a stream."""
    for count in (10, prefixes):
        gaps = [_lost_with(count) for _ in range(runs)]
        print(f"{count:>7} routes through the killed NVA: outage {_ms(tuple(gaps))} ms", flush=True)


def _lost_with(count: int) -> float:
    server = {"max_routes_per_peer": count + 100}
    net = _changed({"route_servers": {"spoke-rs": server, "hub1-rs": server, "hub2-rs": server}})
    with net.up("bench-routes") as live:
        live.settle(60)
        many = list(_many(count))
        for nva in ("hub1-nva", "hub2-nva"):
            live.announce(nva, many)
        live.settle(300)
        live.watch(*ENDS, FLOWS)
        time.sleep(1.5)
        live.fail("hub1-nva")
        time.sleep(1)
        live.settle(300)
        time.sleep(0.5)
        return live.outage(*ENDS) * 1000


def _many(count: int) -> Iterator[str]:
    for number in range(count):
        yield f"{20 + number // 65536}.{number // 256 % 256}.{number % 256}.0/24"


if __name__ == "__main__":
    what, *numbers = sys.argv[1:] or ["failover"]
    {"scale": scale, "failover": failover, "routes": routes}[what](*map(int, numbers))
