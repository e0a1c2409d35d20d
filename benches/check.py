"""How long `dualhome check` takes on a design with many spokes, and what each phase of it costs.

`python benches/check.py [SHAPE …] [N …] [--prefixes P] [--profile] [--write DIR]` prints seconds of processor time for each shape (all of them without a name) and
each number of spokes (200 and 1,000 without one): reading the file, making the plan, simulating to rest, looking for findings; then the whole
command as a user starts it. Each run is a process of its own.

    regions   hubs of 500 spokes in transit pairs, each with a route server, an NVA, an ExpressRoute gateway and a circuit; hubs peered, NVAs joined by tunnels
    third     one route server in a network of its own serves all spokes, which are peered with two hubs (R175)
    dual      each spoke has a route server of its own that peers with the NVAs of two hubs, as in the article

`--profile` prints where the time goes, `--write DIR` keeps the topology files.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path as File

from figures import Rows

SPOKES_OF_A_HUB = 500  # Azure's limit of peerings
Data = dict[str, object]


# --- designs ----------------------------------------------------------------------------------------------------------


def hub(number: int, servers: Data, networks: Data, *, region: str | None = None) -> None:
    """A hub with its route server."""
    base = f"10.{number}"
    networks[f"hub{number}"] = {
        "address_space": [f"{base}.0.0/16"],
        **({"region": region} if region else {}),
        "subnets": {"RouteServerSubnet": f"{base}.0.0/26", "GatewaySubnet": f"{base}.1.0/27", "nva": f"{base}.2.0/24"},
    }
    servers[f"hub{number}-rs"] = {"virtual_network": f"hub{number}", "branch_to_branch": True, "peers": [f"hub{number}-nva"]}


def branches(hubs: int, prefixes: int) -> Data:
    """A gateway and a circuit for each hub, and the data centers behind them, which all have the same prefixes."""
    lans = [f"192.{168 + k // 250}.{k % 250}.0/24" for k in range(prefixes)]
    numbers = range(1, hubs + 1)
    own = [{"match": {"learned_from": ["self"]}}, {"actions": {"prefix": "drop"}}]
    return {
        "virtual_network_gateways": {f"hub{h}-er": {"type": "ExpressRoute", "virtual_network": f"hub{h}"} for h in numbers},
        "expressroute_circuits": {f"circuit{h}": {"gateways": [f"hub{h}-er"], "provider_edge": [f"dc{h}"]} for h in numbers},
        "on_premises": {f"dc{h}": {"asn": 65010, "prefixes": lans, "export": {f"circuit{h}": own}} for h in numbers},
        "links": [[f"dc{h}", f"dc{h + 1}"] for h in range(1, hubs)],
    }


def spoke(number: int, networks: Data, machines: Data, *, server: bool = False, space: str = "10.{}.{}.0/24") -> None:
    """A spoke with a machine."""
    base = f"10.{64 + number // 250}.{number % 250}"
    own = {"RouteServerSubnet": f"{base}.0/26"} if server else {}
    networks[f"spoke{number}"] = {"address_space": [f"{base}.0/24"], "subnets": {**own, "vm": f"{base}.128/26"}}
    machines[f"vm{number}"] = {"subnet": f"spoke{number}/vm"}


def regions(spokes: int, prefixes: int) -> Data:
    """Transit pairs with hubs of 500 spokes at most; each region tells the others one prefix."""
    hubs = max(2, -(-spokes // SPOKES_OF_A_HUB))
    networks: Data = {}
    servers: Data = {}
    machines: Data = {}
    peerings: list[Data] = []
    for h in range(1, hubs + 1):
        hub(h, servers, networks)
    nvas: Data = {}
    for n in range(spokes):
        h = 1 + n % hubs
        base = f"10.{64 + 16 * h + n // hubs // 250}.{n // hubs % 250}"
        networks[f"spoke{n}"] = {"address_space": [f"{base}.0/24"], "subnets": {"vm": f"{base}.128/26"}}
        machines[f"vm{n}"] = {"subnet": f"spoke{n}/vm"}
        transit = {f"hub{h}->spoke{n}": {"allow_gateway_transit": True}, f"spoke{n}->hub{h}": {"use_remote_gateways": True}}
        peerings.append({"between": [f"spoke{n}", f"hub{h}"], "allow_forwarded_traffic": True, **transit})
    for h in range(1, hubs + 1):
        others = [o for o in range(1, hubs + 1) if o != h]
        peerings += [{"between": [f"hub{h}", f"hub{o}"], "allow_forwarded_traffic": True} for o in others if o > h]
        onward = [
            {
                "match": {"prefix": {"contains": [f"10.{64 + 16 * h}.0.0/12"]}},
                "actions": {"prefix": {"replace": [f"10.{64 + 16 * h}.0.0/12"]}},
            },
            {"actions": {"prefix": "drop"}},
        ]
        inward = [{"match": {"learned_from": [f"hub{o}-nva" for o in others]}}, {"actions": {"prefix": "drop"}}]
        nvas[f"hub{h}-nva"] = {
            "subnet": f"hub{h}/nva", "ip_forwarding": True, "asn": 65000 + h, "as_override": True,
            "sessions": [{"to": f"hub{o}-nva", "over": "tunnel"} for o in others if o > h],
            "export": {f"hub{o}-nva": onward for o in others} | {f"hub{h}-rs": inward},
        }  # fmt: skip
    return {
        "version": 1, "name": f"regions-{spokes}", "virtual_networks": networks, "peerings": peerings, "route_servers": servers,
        "network_virtual_appliances": nvas, "virtual_machines": machines, **branches(hubs, prefixes),
    }  # fmt: skip


def two_hubs(own: list[str]) -> tuple[Data, Data, Data]:
    """Networks, route servers and NVAs of two hubs; NVAs speak with these route servers as well, and tell their hubs one prefix for all spokes."""
    networks: Data = {}
    servers: Data = {}
    nvas: Data = {}
    for h in (1, 2):
        hub(h, servers, networks)
        onward = [
            {"match": {"prefix": {"contains": ["10.64.0.0/10"]}}, "actions": {"prefix": {"replace": ["10.64.0.0/10"]}}},
            {"match": {"learned_from": [*own, "self"]}},
            {"actions": {"prefix": "drop"}},
        ]
        inward = [{"match": {"learned_from": [f"hub{h}-rs"]}}, {"actions": {"prefix": "drop"}}]
        nvas[f"hub{h}-nva"] = {
            "subnet": f"hub{h}/nva", "ip_forwarding": True, "asn": 65000 + h, "as_override": True,
            "export": {f"hub{h}-rs": onward} | dict.fromkeys(own, inward),
        }  # fmt: skip
    return networks, servers, nvas


def steered(networks: Data) -> Data:
    """Route tables of both GatewaySubnets: what comes from on premises goes by the NVA, as its answers do (R169)."""
    for h in (1, 2):
        found = networks[f"hub{h}"]
        assert isinstance(found, dict)
        found["subnets"] |= {"GatewaySubnet": {"prefix": f"10.{h}.1.0/27", "route_table": f"gateway{h}"}}
    spaces = ("10.3.0.0/16", "10.64.0.0/10")
    return {
        f"gateway{h}": {
            "disable_peering_route": "All",
            "routes": [{"prefix": prefix, "next_hop_type": "VirtualAppliance", "next_hop": f"hub{h}-nva"} for prefix in spaces],
        }
        for h in (1, 2)
    }


def third(spokes: int, prefixes: int) -> Data:
    """A route server in a third network serves all spokes, which are peered with both hubs (R175)."""
    networks, servers, nvas = two_hubs(["third-rs"])
    tables = steered(networks)
    machines: Data = {}
    networks["third"] = {"address_space": ["10.3.0.0/16"], "subnets": {"RouteServerSubnet": "10.3.0.0/26"}}
    servers["third-rs"] = {"virtual_network": "third", "peers": ["hub1-nva", "hub2-nva"]}
    peerings: list[Data] = [{"between": ["third", f"hub{h}"], "allow_forwarded_traffic": True} for h in (1, 2)]
    for n in range(spokes):
        spoke(n, networks, machines)
        transit = {f"third->spoke{n}": {"allow_gateway_transit": True}, f"spoke{n}->third": {"use_remote_gateways": True}}
        peerings.append({"between": [f"spoke{n}", "third"], **transit})
        peerings += [{"between": [f"spoke{n}", f"hub{h}"], "allow_forwarded_traffic": True} for h in (1, 2)]
    return {
        "version": 1, "name": f"third-{spokes}", "virtual_networks": networks, "peerings": peerings, "route_servers": servers,
        "network_virtual_appliances": nvas, "virtual_machines": machines, "route_tables": tables, **branches(2, prefixes),
    }  # fmt: skip


def dual(spokes: int, prefixes: int) -> Data:
    """Each spoke has a route server of its own, which peers with both hubs' NVAs."""
    own = [f"spoke{n}-rs" for n in range(spokes)]
    networks, servers, nvas = two_hubs(own)
    tables = steered(networks)
    machines: Data = {}
    peerings: list[Data] = []
    for n in range(spokes):
        spoke(n, networks, machines, server=True)
        servers[own[n]] = {"virtual_network": f"spoke{n}", "peers": ["hub1-nva", "hub2-nva"]}
        peerings += [{"between": [f"spoke{n}", f"hub{h}"], "allow_forwarded_traffic": True} for h in (1, 2)]
    return {
        "version": 1, "name": f"dual-{spokes}", "virtual_networks": networks, "peerings": peerings, "route_servers": servers,
        "network_virtual_appliances": nvas, "virtual_machines": machines, "route_tables": tables, **branches(2, prefixes),
    }  # fmt: skip


SHAPES: Mapping[str, Callable[[int, int], Data]] = {"regions": regions, "third": third, "dual": dual}


# --- as a user would write it -----------------------------------------------------------------------------------------


def yaml(data: Mapping[str, object]) -> str:
    """Block style down to what fits a line; what stands there more than once is written once and named after that, as `&a1` and `*a1`."""
    seen: dict[int, int] = {}
    _count(data, seen)
    return "\n".join(_lines(data, "", seen, {})) + "\n"


def _count(value: object, seen: dict[int, int]) -> None:
    if isinstance(value, (dict, list)):
        seen[id(value)] = seen.get(id(value), 0) + 1
        if seen[id(value)] == 1:
            for each in value.values() if isinstance(value, dict) else value:
                _count(each, seen)


def _lines(data: Mapping[str, object], indent: str, seen: dict[int, int], named: dict[int, str]) -> list[str]:
    out = []
    for key, value in data.items():
        if id(value) in named:
            out.append(f"{indent}{key}: *{named[id(value)]}")
            continue
        anchor = ""
        if seen.get(id(value), 0) > 1:
            named[id(value)] = f"a{len(named) + 1}"
            anchor = f"&{named[id(value)]} "
        flow = json.dumps(value)
        if not isinstance(value, (dict, list)) or len(flow) < 90:
            out.append(f"{indent}{key}: {anchor}{_flow(value)}")
        elif isinstance(value, dict):
            out += [f"{indent}{key}: {anchor}".rstrip(), *_lines(value, indent + "  ", seen, named)]
        else:
            out += [f"{indent}{key}: {anchor}".rstrip(), *(f"{indent}  - {_flow(each)}" for each in value)]
    return out


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value) if isinstance(value, (bool, int)) else str(value)


# --- measuring --------------------------------------------------------------------------------------------------------


def phases(text: str) -> dict[str, float]:
    """Seconds of processor time, in this process; as `Net.check` goes about it."""
    import dualhome
    from dualhome import topology
    from dualhome.app import Net

    assert dualhome.__all__, "the library is read before the clock starts"
    marks = [time.process_time()]
    read = topology.parse(text)
    marks.append(time.process_time())
    net = Net(read)
    marks.append(time.process_time())
    run = net.simulate()
    marks.append(time.process_time())
    found = run.check()
    marks.append(time.process_time())
    spent = dict(zip(("load", "plan", "simulate", "findings"), (b - a for a, b in pairwise(marks)), strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**spent, "speakers": len(net.plan.speakers), "sessions": len(net.plan.sessions), "MiB": peak, "found": len(found)}


def command(path: File) -> tuple[float, float]:
    """Processor and wall seconds of `dualhome check`, from start to exit."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "dualhome.cli", "check", str(path)], capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 1), done.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def profiled(text: str) -> None:
    """Where the time goes."""
    import cProfile
    import pstats

    profile = cProfile.Profile()
    profile.runcall(phases, text)
    pstats.Stats(profile).sort_stats("cumulative").print_stats(70)
    pstats.Stats(profile).sort_stats("tottime").print_stats(40)


def main() -> None:
    """A line for each shape and size."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", nargs="*", help=f"shapes ({', '.join(SHAPES)}) and numbers of spokes")
    arguments.add_argument("--prefixes", type=int, default=50, help="on premises (50)")
    arguments.add_argument("--profile", action="store_true")
    arguments.add_argument("--write", type=File)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--one", type=File, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.one:
        print(json.dumps(phases(given.one.read_text("utf-8"))))
        return
    shapes = [word for word in given.what if word in SHAPES] or list(SHAPES)
    sizes = [int(word) for word in given.what if word not in SHAPES] or [200, 1000]
    rows = Rows(given.json)
    if not given.profile:
        rows.say(f"seconds of processor time; load of this machine by now {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        rows.say("shape    spokes speakers sessions   load   plan  simulate  findings   MiB  findings-found   command (wall)")
    with tempfile.TemporaryDirectory() as scratch:
        for shape in shapes:
            for size in sizes:
                path = (given.write or File(scratch)) / f"{shape}-{size}.yaml"
                path.write_text(yaml(SHAPES[shape](size, given.prefixes)), encoding="utf-8")
                if given.profile:
                    profiled(path.read_text("utf-8"))
                else:
                    line(rows, shape, size, path)
    rows.end()


def line(rows: Rows, shape: str, size: int, path: File) -> None:
    """One run, printed."""
    child = subprocess.run([sys.executable, __file__, "--one", str(path)], check=True, capture_output=True, text=True)
    row = json.loads(child.stdout)
    cpu, wall = command(path)
    rows.add(
        f"{shape:<8} {size:>6} {row['speakers']:>8} {row['sessions']:>8} {row['load']:>6.2f} {row['plan']:>6.2f} {row['simulate']:>9.2f} "
        f"{row['findings']:>9.2f} {row['MiB']:>5.0f} {row['found']:>15}   {cpu:.2f} ({wall:.2f})",
        shape=shape,
        spokes=size,
        **row,
        command_cpu_s=cpu,
        command_wall_s=wall,
    )


if __name__ == "__main__":
    main()
