"""A network that answers what a test wrote down, and remembers what was done to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from dualhome import topology
from dualhome.errors import DualhomeError
from dualhome.scenario import CheckResult, run

NETWORK = """\
version: 1
name: fake
description: what the tests of the runner are done to
virtual_networks:
  spoke: {address_space: [10.10.0.0/16], subnets: {RouteServerSubnet: 10.10.0.0/26, workload: 10.10.1.0/24}}
  hub1: {address_space: [10.1.0.0/16], subnets: {nva: 10.1.2.0/24}}
  hub2: {address_space: [10.2.0.0/16], subnets: {nva: 10.2.2.0/24}}
peerings:
  - {between: [spoke, hub1], allow_forwarded_traffic: true}
  - {between: [spoke, hub2], allow_forwarded_traffic: true}
route_servers: {spoke-rs: {virtual_network: spoke, peers: [hub1-nva, hub2-nva]}}
network_virtual_appliances:
  hub1-nva: {subnet: hub1/nva, address: 10.1.2.4, ip_forwarding: true, asn: 65001, originates: [0.0.0.0/0]}
  hub2-nva: {subnet: hub2/nva, address: 10.2.2.4, ip_forwarding: true, asn: 65002, originates: [0.0.0.0/0]}
virtual_machines: {spoke-vm: {subnet: spoke/workload, address: 10.10.1.4}}
scenario:
"""


def session(speaker: str, peer: str, state: str = "Established", last_error: str = "") -> Any:
    return SimpleNamespace(speaker=speaker, peer=peer, state=state, last_error=last_error)


def route(prefix: str, **fields: Any) -> Any:
    free = {"speaker": "spoke-rs#0", "peer": "hub1-nva", "next_hop": "10.1.2.4", "as_path": "65001", "communities": (), "med": None}
    rest = {"local_preference": 100, "origin": "EBgp", "weight": 32768, "learned_from": "hub1-nva", "best": True, "multipath": True}
    return SimpleNamespace(**{**free, **rest, "lost_in": None, "reason": None, "detail": None, "prefix": prefix, **fields})


def effective(
    prefix: str, *next_hops: str, source: str = "VirtualNetworkGateway", state: str = "Active", type_: str = "VirtualNetworkGateway"
) -> Any:
    return SimpleNamespace(prefix=prefix, source=source, state=state, next_hop_type=type_, next_hops=next_hops)


def finding(code: str, on: str) -> Any:
    text = {"severity": "error", "message": "m", "remedy": "r", "rule": "R1", "file": "f", "line": 1, "column": 1}
    return SimpleNamespace(code=code, on=on, edits=(), **text)


class RestlessError(DualhomeError):
    """Stands for NotSettled."""


@dataclass
class FakeRun:
    """Answers from what it was given."""

    network: Any = None
    now_s: float = 0
    settles_in: float | None = 4.0
    views: Sequence[Any] = ()
    routes: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # effective routes by NIC, else RIBs by session or speaker
    ways: Mapping[tuple[str, str], Sequence[Any]] = field(default_factory=dict)
    gaps: Mapping[tuple[str, str], float] = field(default_factory=dict)
    found: Sequence[Any] = ()
    done: list[Any] = field(default_factory=list)

    def settle(self, within_s: float) -> float:
        if self.settles_in is None:
            raise RestlessError("hub1-nva/spoke-rs#0 is flapping")
        self.now_s += self.settles_in
        return self.settles_in

    def wait(self, seconds: float) -> None:
        self.done.append(("wait", seconds))

    def fail(self, target: object) -> None:
        self.done.append(("fail", target))

    def restore(self, target: object) -> None:
        self.done.append(("restore", target))

    def announce(self, node: str, prefixes: Sequence[str]) -> None:
        self.done.append(("announce", node, *prefixes))

    def withdraw(self, node: str, prefixes: Sequence[str]) -> None:
        self.done.append(("withdraw", node, *prefixes))

    def change(self, patch: Mapping[str, object]) -> None:
        self.done.append(("change", tuple(patch)))

    def watch(self, source: str, destination: str) -> None:
        self.done.append(("watch", source, destination))

    def outage(self, source: str, destination: str) -> float:
        return self.gaps[source, destination]

    def sessions(self, name: str | None = None) -> tuple[Any, ...]:
        own, _, peer = (name or "").partition("/")
        means = lambda want, full: want in ("", full, full.partition("#")[0])  # noqa: E731
        return tuple(v for v in self.views if means(own, v.speaker) and means(peer, v.peer))

    def speakers(self, name: str) -> tuple[str, ...]:
        return tuple(n for n in self.routes if name in (n, n.partition("#")[0]))

    def effective_routes(self, nic: str) -> tuple[Any, ...]:
        return tuple(self.routes[nic])

    def learned(self, session_: str) -> tuple[Any, ...]:
        return tuple(self.routes.get(session_, ()))

    advertised = rejected = table = learned

    def verdict(self, source: str, destination: str) -> Sequence[Any]:
        return self.ways[source, destination]

    def check(self) -> Sequence[Any]:
        return self.found


def play(steps: str, fake: FakeRun) -> list[CheckResult]:
    """Do these steps (YAML, a list) to the fake."""
    text = NETWORK + "".join(f"  {line}\n" for line in steps.strip("\n").splitlines())
    whole = topology.parse(text, "fake.yaml")
    fake.network = whole.network
    return run(whole, lambda _: fake)
