"""How long a big network takes to converge: two hubs, N spokes with a route server each, 1,000 on-premises prefixes behind both circuits.

`python benches/simulate.py [N …]` prints, for each N, seconds of wall clock, peak memory, sessions, and microseconds for each session and prefix. Each
size runs in a process of its own, so that the memory is its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

from figures import Rows

PREFIXES = 1000


def topology(spokes: int) -> dict[str, object]:
    """The network as plain data; JSON is YAML."""
    networks: dict[str, object] = {}
    peerings, servers, machines = [], {}, {}
    nvas: dict[str, dict[str, object]] = {}
    for hub in (1, 2):
        subnets = {"RouteServerSubnet": f"10.{hub}.0.0/26", "GatewaySubnet": f"10.{hub}.1.0/27", "nva": f"10.{hub}.2.0/24"}
        networks[f"hub{hub}"] = {"address_space": [f"10.{hub}.0.0/16"], "subnets": subnets}
        servers[f"hub{hub}-rs"] = {"virtual_network": f"hub{hub}", "branch_to_branch": True, "peers": [f"hub{hub}-nva"]}
        own = [f"spoke{n}-rs" for n in range(spokes)]
        onward = [{"match": {"learned_from": own}}, {"actions": {"prefix": "drop"}}]
        inward = [{"match": {"learned_from": [f"hub{hub}-rs"]}}, {"actions": {"prefix": "drop"}}]
        nvas[f"hub{hub}-nva"] = {
            "subnet": f"hub{hub}/nva", "ip_forwarding": True, "asn": 65000 + hub, "as_override": True,
            "export": {f"hub{hub}-rs": onward} | dict.fromkeys(own, inward),
        }  # fmt: skip
    for n in range(spokes):
        base = f"10.{10 + n // 250}.{n % 250}"
        networks[f"spoke{n}"] = {
            "address_space": [f"{base}.0/24"],
            "subnets": {"RouteServerSubnet": f"{base}.0/26", "vm": f"{base}.128/26"},
        }
        peerings += [{"between": [f"spoke{n}", f"hub{hub}"], "allow_forwarded_traffic": True} for hub in (1, 2)]
        servers[f"spoke{n}-rs"] = {"virtual_network": f"spoke{n}", "peers": ["hub1-nva", "hub2-nva"]}
        machines[f"vm{n}"] = {"subnet": f"spoke{n}/vm"}
    lans = [f"192.{168 + k // 250}.{k % 250}.0/24" for k in range(PREFIXES)]
    only = [{"match": {"learned_from": ["self"]}}, {"actions": {"prefix": "drop"}}]
    return {
        "version": 1, "name": f"bench-{spokes}", "virtual_networks": networks, "peerings": peerings, "route_servers": servers,
        "network_virtual_appliances": nvas, "virtual_machines": machines,
        "virtual_network_gateways": {f"hub{h}-er": {"type": "ExpressRoute", "virtual_network": f"hub{h}"} for h in (1, 2)},
        "expressroute_circuits": {f"circuit{h}": {"gateways": [f"hub{h}-er"], "provider_edge": [f"dc{h}"]} for h in (1, 2)},
        "on_premises": {f"dc{h}": {"asn": 65010, "prefixes": lans, "export": {f"circuit{h}": only}} for h in (1, 2)},
        "links": [["dc1", "dc2"]],
    }  # fmt: skip


def measure(spokes: int) -> dict[str, float]:
    """One run, in this process."""
    import dualhome

    text = json.dumps(topology(spokes))
    begun = time.perf_counter()
    net = dualhome.parse(text)
    read = time.perf_counter()
    run = net.simulate(settle=False)
    run.settle(600)
    settled = time.perf_counter()
    rows = run.effective_routes(f"vm{spokes - 1}")
    assert sum(len(row.next_hops) == 2 for row in rows) >= PREFIXES, "a spoke lacks routes"
    run.fail("hub1-nva")
    run.settle(600)
    failed = time.perf_counter()
    sessions = len(net.plan.sessions)
    return {
        "spokes": spokes,
        "sessions": sessions,
        "read_s": round(read - begun, 2),
        "converge_s": round(settled - read, 2),
        "failover_s": round(failed - settled, 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "us_a_session_and_prefix": round((settled - read) * 1e6 / sessions / PREFIXES, 2),
    }


def main() -> None:
    """A table, one process a size."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
        return
    rows = Rows("--json" in sys.argv)
    sizes = [int(a) for a in sys.argv[1:] if a.isdigit()] or [10, 50, 100, 200]
    rows.say("two hubs, a route server in each spoke, 1,000 on-premises prefixes; wall clock, this machine")
    for index, size in enumerate(sizes):
        row = json.loads(subprocess.run([sys.executable, __file__, "--one", str(size)], check=True, capture_output=True, text=True).stdout)
        if index == 0:
            rows.say("  ".join(f"{key:>12}" for key in row))
        rows.add("  ".join(f"{value:>{max(12, len(key))}}" for key, value in row.items()), **row)
    rows.end()


if __name__ == "__main__":
    main()
