"""Configurations of routers as labs write them: what we read in them, simulated, is what FRR and BIRD do with the very same text."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dualhome.app import LiveRun, Net, Run, UpOptions
from dualhome.arm.guests.configs import for_namespace, keys_of, read
from dualhome.errors import RequestError
from dualhome.live import machine
from dualhome.live.place import Place
from dualhome.topology import Topology, parse
from tests.arm.served import until
from tests.live.running import inside

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool([*machine.missing()]), reason="; ".join(machine.missing()) or "live")]

HEAD = """
router bgp {asn}
 bgp router-id {address}
 no bgp ebgp-requires-policy
 neighbor 10.1.0.4 remote-as 65515
 neighbor 10.1.0.4 ebgp-multihop 255
 neighbor 10.1.0.5 remote-as 65515
 neighbor 10.1.0.5 ebgp-multihop 255
"""
OWN = {"0.0.0.0/0", "default", "10.1.0.0/16", "10.1.0.0/26"}  # of a machine's kernel, before any routing program's
BOTH = "10.1.0.4", "10.1.0.5"


def both(line: str) -> str:
    """A line for each of the route server's instances."""
    return "\n".join(f"  neighbor {each} {line}" for each in BOTH) + "\n"


FRR = {
    "static": "ip route 172.20.0.0/16 Null0\nip route 172.20.1.0/24 Null0\n" + HEAD + " address-family ipv4 unicast\n  redistribute static\n exit-address-family\n",
    "checked": "ip route 172.21.0.0/16 Null0\n" + HEAD + " address-family ipv4 unicast\n  network 172.21.0.0/16\n  network 172.21.9.0/24\n exit-address-family\n",
    "unchecked": HEAD.replace(" neighbor", " no bgp network import-check\n neighbor", 1) + " address-family ipv4 unicast\n  network 172.22.0.0/16\n exit-address-family\n",
    "default": HEAD + " address-family ipv4 unicast\n" + both("default-originate") + " exit-address-family\n",
    "prepend": (
        "ip route 172.23.0.0/16 Null0\nip route 172.23.1.0/24 Null0\nip prefix-list LONG seq 5 permit 172.23.1.0/24\n"
        + HEAD + " address-family ipv4 unicast\n  redistribute static\n" + both("route-map OUT out") + " exit-address-family\n"
        + "route-map OUT permit 10\n match ip address prefix-list LONG\n set as-path prepend {asn} {asn}\nroute-map OUT permit 20\n"
    ),
    "filtered": (
        "ip route 172.24.0.0/16 Null0\nip route 172.24.1.0/24 Null0\nip prefix-list IN seq 5 permit 172.31.0.0/16\nip prefix-list IN seq 10 deny any\n"
        + "ip prefix-list OUT seq 5 deny 172.24.1.0/24\nip prefix-list OUT seq 10 permit 0.0.0.0/0 le 32\n"
        + HEAD + " address-family ipv4 unicast\n  redistribute static\n"
        + both("prefix-list IN in") + both("prefix-list OUT out") + " exit-address-family\n"
    ),
    "group": (
        "ip route 172.25.0.0/16 Null0\nrouter bgp {asn}\n no bgp ebgp-requires-policy\n neighbor RS peer-group\n neighbor RS remote-as 65515\n neighbor RS ebgp-multihop 255\n"
        + " neighbor RS timers 10 30\n neighbor 10.1.0.4 peer-group RS\n neighbor 10.1.0.5 peer-group RS\n address-family ipv4 unicast\n  network 172.25.0.0/16\n"
        + "  neighbor RS soft-reconfiguration inbound\n"
        + "  neighbor RS next-hop-self\n  neighbor RS allowas-in\n  neighbor RS route-map ALL in\n  neighbor RS route-map TAG out\n"
        + " exit-address-family\nroute-map ALL permit 10\nroute-map TAG permit 10\n set community 65000:100 additive\n set metric 50\n"
    ),
    "policy": (
        "ip route 172.26.0.0/16 Null0\n" + HEAD.replace(" no bgp ebgp-requires-policy\n", "")
        + " address-family ipv4 unicast\n  network 172.26.0.0/16\n exit-address-family\n"
    ),
    "override": (
        "ip route 172.27.0.0/16 Null0\n" + HEAD + " address-family ipv4 unicast\n  redistribute static\n" + both("as-override") + both("route-map NH out")
        + " exit-address-family\nroute-map NH permit 10\n set ip next-hop 10.1.2.99\n"
    ),
}  # fmt: skip
BIRD = {
    "bird-all": r"""
router id {address};
protocol device { }
protocol kernel { ipv4 { import none; export all; }; }
protocol static { ipv4; route 10.1.0.0/26 via 10.1.2.1; route 172.29.0.0/16 blackhole; route 172.29.1.0/24 blackhole; }
template bgp azure { local as {asn}; multihop; ipv4 { import all; export where net ~ [ 172.29.0.0/16 ]; }; }
protocol bgp rs0 from azure { neighbor 10.1.0.4 as 65515; }
protocol bgp rs1 from azure { neighbor 10.1.0.5 as 65515; }
""",
    "bird-filters": r"""
router id {address};
protocol device { }
protocol kernel { ipv4 { import none; export all; }; }
protocol static { ipv4; route 10.1.0.0/26 via 10.1.2.1; route 172.30.0.0/16 blackhole; route 172.30.1.0/24 blackhole; }
filter tell { if net ~ [ 172.30.1.0/24, 10.1.0.0/26 ] then reject; bgp_path.prepend({asn}); bgp_community.add((65000,200)); accept; }
filter take { if net ~ [ 172.31.0.0/16+ ] then accept; reject; }
protocol bgp rs0 { local 10.1.2.4 as {asn}; neighbor 10.1.0.4 as 65515; multihop 255; ipv4 { import filter take; export filter tell; }; }
protocol bgp rs1 { local 10.1.2.4 as {asn}; neighbor 10.1.0.5 as 65515; multihop 255; ipv4 { import filter take; export filter tell; }; }
""".replace("local 10.1.2.4 as", "local as"),
}


def topology(folder: Path) -> Topology:
    """A route server and one appliance a configuration, beside one that announces 172.31.0.0/16 and 192.168.0.0/24 by itself."""
    one: dict[str, Any] = {
        "source": {"subnet": "hub/nva", "address": "10.1.2.4", "asn": 65100, "originates": ["172.31.0.0/16", "192.168.0.0/24"]},
    }
    for number, (name, text) in enumerate([*FRR.items(), *BIRD.items()], 1):
        program, address, asn = "bird" if name in BIRD else "frr", f"10.1.2.{10 + number}", 65000 + number
        written = text.replace("{asn}", str(asn)).replace("{address}", address)
        config = read(written, program)
        assert config is not None, name
        assert config.unread == [], name
        file = folder / f"{name}.conf"
        file.write_text(for_namespace(written, program))
        keys = keys_of(config, dict.fromkeys(BOTH, "rs").get)
        one[name] = {"subnet": "hub/nva", "address": address, **keys, "runtime": program, "configuration": str(file)}
    return parse(
        json.dumps(
            {
                "version": 1,
                "name": "guest-configs",
                "virtual_networks": {
                    "hub": {"address_space": ["10.1.0.0/16"], "subnets": {"RouteServerSubnet": "10.1.0.0/26", "nva": "10.1.2.0/24"}}
                },
                "route_servers": {"rs": {"virtual_network": "hub", "peers": list(one)}},
                "network_virtual_appliances": one,
            }
        )
    )


def told(run: Run | LiveRun, name: str) -> set[tuple[str, ...]]:
    """What the route server hears from an appliance: of each instance prefix, AS path, next hop, communities, MED."""
    found = set()
    for instance in ("rs#0", "rs#1"):
        for each in run.learned(f"{instance}/{name}"):
            found.add(
                (
                    instance,
                    str(each.prefix),
                    str(each.as_path),
                    str(each.next_hop),
                    " ".join(map(str, each.communities)),
                    str(each.med or 0),
                )
            )
    return found


def taken(run: Run | LiveRun, name: str) -> set[str]:
    """Prefixes that an appliance has from the route server; live as its program has brought them into its kernel, where some are the machine's own."""
    if isinstance(run, Run):
        return {str(each.prefix) for each in run.table(name) if each.best and each.learned_from.startswith("rs")} - OWN
    said = subprocess.run(inside(run, name, "ip", "-j", "-4", "route"), capture_output=True, check=True).stdout
    return {each["dst"] for each in json.loads(said) if each.get("protocol") in ("bgp", "bird") and each.get("type") != "blackhole"} - OWN


def echo(live: LiveRun, name: str) -> set[tuple[str, ...]]:
    """What FRR tells an instance again that has told it the same: it does where several peers are told alike, and with as-override they take it."""
    heard = {(instance, str(each.prefix)) for instance in ("rs#0", "rs#1") for each in live.advertised(f"{instance}/{name}")}
    return {each for each in told(live, name) if name == "override" and each[0] == "rs#0" and each[:2] in heard}


def tables(live: LiveRun, network: str, name: str) -> str:
    """What an appliance's FRR says of itself, for whoever has to find out why a route is missing."""
    said = [f"== {name}: told by {[sorted(str(each.prefix) for each in live.advertised(f'{one}/{name}')) for one in ('rs#0', 'rs#1')]}"]
    if name in FRR:
        for show in ("show bgp ipv4 unicast", "show bgp nexthop", "show ip route", "show bgp neighbors 10.1.0.4"):
            command = inside(live, name, "vtysh", "--vty_socket", str(Place(network).nodes / name), "-c", show)
            said += [f"-- {show}", subprocess.run(command, capture_output=True, text=True, check=False).stdout]
    return "\n".join(said)


def test_programs_do_what_was_read(tmp_path: Path) -> None:
    """Told and taken, of all configurations, in one network."""
    found = topology(tmp_path)
    simulated = Net(found).simulate()
    names = [*FRR, *BIRD]
    network = f"guest-configs-{os.getpid()}"

    def wrong(live: LiveRun) -> list[tuple[str, str]]:
        """Whose, and what."""
        pairs = [(name, "tells", told(live, name) - echo(live, name), told(simulated, name)) for name in names]
        pairs += [(name, "takes", taken(live, name), taken(simulated, name)) for name in names]
        return [
            (name, f"{name} {what}: live alone {sorted(a - b)}, simulated alone {sorted(b - a)}") for name, what, a, b in pairs if a != b
        ]

    try:
        with Net(found).up(network, UpOptions(tunnels="plain")) as live:
            live.settle(60)
            until(lambda: not wrong(live), 40)
            still = wrong(live)
            assert not still, "\n".join(
                [*(text for _, text in still), *(tables(live, network, name) for name in sorted({name for name, _ in still}))]
            )
    finally:
        with suppress(RequestError):
            Place(network).clear()
    assert all(told(simulated, name) for name in names if name != "policy")
