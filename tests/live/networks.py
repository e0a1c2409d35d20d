"""Random small networks with something of everything, and random things to do to them. Nothing in them hangs on which route came first.

That holds by construction: NVAs and routers have ASNs of their own and no rules that prefer, so shorter paths win and no two neighbors prefer each other's.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

Text = dict[str, Any]


def network(seed: int) -> Text:
    """One or two hubs and spokes, NVAs, and by chance load balancers, gateways, circuits, tunnels, routers with links, route tables."""
    chance = random.Random(seed)
    hubs = [f"hub{i}" for i in range(1, chance.choice((1, 2, 2)) + 1)]
    spokes = [f"spoke{i}" for i in range(1, chance.choice((1, 1, 2)) + 1)]
    net: Text = {"version": 1, "name": f"everything-{seed}", "peerings": []}
    for key in ("virtual_networks", "route_servers", "network_virtual_appliances", "virtual_machines", "route_tables", "load_balancers"):
        net[key] = {}
    for i, spoke in enumerate(spokes, 1):
        subnets = {"RouteServerSubnet": f"10.10{i}.0.0/26", "workload": {"prefix": f"10.10{i}.1.0/24"}}
        net["virtual_networks"][spoke] = {"address_space": [f"10.10{i}.0.0/16"], "subnets": subnets}
        net["route_servers"][f"{spoke}-rs"] = {"virtual_network": spoke, "peers": []}
        net["virtual_machines"][f"{spoke}-vm"] = {"subnet": f"{spoke}/workload", "address": f"10.10{i}.1.4"}
    for i, hub in enumerate(hubs, 1):
        _hub(net, chance, i, hub, spokes)
    _outside(net, chance, hubs)
    for spoke in spokes:
        if chance.random() < 0.5:
            routes = list(_user_routes(net, chance))
            net["route_tables"][f"of-{spoke}"] = {"routes": routes, "disable_bgp_route_propagation": chance.random() < 0.2}
            net["virtual_networks"][spoke]["subnets"]["workload"]["route_table"] = f"of-{spoke}"
    return {key: value for key, value in net.items() if value}


def _hub(net: Text, chance: random.Random, i: int, hub: str, spokes: list[str]) -> None:
    subnets = {
        "RouteServerSubnet": f"10.{i}.0.0/26",
        "GatewaySubnet": f"10.{i}.1.0/27",
        "nva": f"10.{i}.2.0/24",
        "workload": f"10.{i}.3.0/24",
    }
    net["virtual_networks"][hub] = {"address_space": [f"10.{i}.0.0/16"], "subnets": subnets}
    net["virtual_machines"][f"{hub}-vm"] = {"subnet": f"{hub}/workload", "address": f"10.{i}.3.4"}
    net["peerings"] += [{"between": [spoke, hub], "allow_forwarded_traffic": chance.random() < 0.8} for spoke in spokes]
    servers = [f"{spoke}-rs" for spoke in spokes]
    if chance.random() < 0.6:
        net["route_servers"][f"{hub}-rs"] = {"virtual_network": hub, "branch_to_branch": True, "peers": []}
        servers.append(f"{hub}-rs")
    nvas = [f"{hub}-nva{k}" for k in range(1, chance.choice((1, 1, 2)) + 1)]
    if len(nvas) > 1 and not net["load_balancers"]:  # a single one: their numbers hang on which is met first
        net["load_balancers"][f"{hub}-ilb"] = {"subnet": f"{hub}/nva", "address": f"10.{i}.2.100", "backends": nvas}
    for k, name in enumerate(nvas, 1):
        nva = net["network_virtual_appliances"][name] = {
            "subnet": f"{hub}/nva",
            "address": f"10.{i}.2.{3 + k}",
            "ip_forwarding": True,
            "asn": 65000 + 10 * i + k,
            "as_override": chance.random() < 0.8,
            "originates": chance.sample(["0.0.0.0/0", f"172.16.{i}.0/24", "172.17.0.0/16"], chance.randint(1, 3)),
            "hosts": {f"{name}-host": f"172.16.{i}.{k}"},
        }
        for key, value in (("prepend", chance.randint(1, 2)), ("communities", ["65001:100"])):
            if chance.random() < 0.3:
                nva[key] = {chance.choice(servers): value}
        if f"{hub}-ilb" in net["load_balancers"] and chance.random() < 0.5:
            nva["next_hop"] = {servers[0]: f"{hub}-ilb"}
        for server in servers:
            net["route_servers"][server]["peers"].append(name)


def _outside(net: Text, chance: random.Random, hubs: list[str]) -> None:
    gateways: Text = {}
    circuits: Text = {}
    tunnels: list[Text] = []
    routers: Text = {}
    for i, hub in enumerate(hubs, 1):
        kind = chance.choice(("", "er", "vpn", "er"))
        if not kind:
            continue
        lan, name = f"192.168.{i}", f"dc{i}"
        routers[name] = {"asn": 65100 + i, "address": f"{lan}.1", "prefixes": [f"{lan}.0/24"], "hosts": {f"{name}-host": f"{lan}.10"}}
        if kind == "er":
            gateways[f"{hub}-er"] = {"type": "ExpressRoute", "virtual_network": hub}
            circuits[f"circuit{i}"] = {"gateways": [f"{hub}-er"], "provider_edge": [name]}
            routers[name]["export"] = {
                f"circuit{i}": "only-our-own"
            }  # else both edge routers may prefer the other's route, by way of this one
        else:
            gateways[f"{hub}-vpn"] = {"type": "Vpn", "virtual_network": hub, "active_active": chance.random() < 0.7}
            tunnels.append({"gateway": f"{hub}-vpn", "to": name})
    links = [list(routers)] if len(routers) == 2 and chance.random() < 0.7 else []
    sections = {"virtual_network_gateways": gateways, "expressroute_circuits": circuits, "vpn_connections": tunnels}
    only = [{"match": {"learned_from": ["self"]}}, {"actions": {"prefix": "drop"}}]
    net.update({**sections, "on_premises": routers, "links": links, "route_maps": {"only-our-own": only} if circuits else {}})


def _user_routes(net: Text, chance: random.Random) -> Iterator[Text]:
    hops = [each["address"] for each in (*net["network_virtual_appliances"].values(), *net["load_balancers"].values())]
    prefixes = ["0.0.0.0/0", "172.16.0.0/12", "10.1.0.0/16", "192.168.0.0/16", "8.8.8.0/24", "10.2.3.0/24"]
    for prefix in chance.sample(prefixes, chance.randint(1, 3)):
        kind = chance.choice(("VirtualAppliance", "VirtualAppliance", "None", "Internet", "VnetLocal"))
        yield {"prefix": prefix, "next_hop_type": kind, **({"next_hop": chance.choice(hops)} if kind == "VirtualAppliance" else {})}


def deeds(net: Text, seed: int) -> list[tuple[str, object]]:
    """Three things to do, by the name of what does it: fail, restore, announce, withdraw, change."""
    chance = random.Random(f"deeds {seed}")
    nvas, servers = list(net["network_virtual_appliances"]), list(net["route_servers"])
    routers = [*nvas, *net.get("on_premises", {})]
    twins = [f"{name}#{chance.randint(0, 1)}" for key in ("virtual_network_gateways", "expressroute_circuits") for name in net.get(key, {})]
    fallen = chance.choice([*nvas, *nvas, *(f"{name}#0" for name in servers), *twins, *net.get("on_premises", {})])
    speaker = chance.choice(routers)
    link = f"spoke1<->{chance.choice([name for name in net['virtual_networks'] if name.startswith('hub')])}"
    failure = chance.choice([(fallen, "crash"), (fallen, "crash"), (fallen, "silent"), (link, "forwarding")])
    nva = chance.choice(nvas)
    by_nva = {"prefix": "172.16.0.0/12", "next_hop_type": "VirtualAppliance", "next_hop": net["network_virtual_appliances"][nva]["address"]}
    late = {"subnet": "hub1/nva", "address": "10.1.2.50", "ip_forwarding": True, "asn": 65050, "originates": ["172.18.0.0/16"]}
    workload = {"prefix": "10.101.1.0/24", "route_table": "late"}
    changes: list[Text] = [
        {"virtual_machines": {"fresh-vm": {"subnet": "spoke1/workload", "address": "10.101.1.77"}}},
        {"network_virtual_appliances": {nva: {"prepend": {"spoke1-rs": 3}}}},
        {"route_servers": {"spoke1-rs": {"peers": nvas[1:] or nvas}}},
        {"peerings": {"spoke1<->hub1": None}},
        {"virtual_networks": {"spoke1": {"subnets": {"workload": workload}}}, "route_tables": {"late": {"routes": [by_nva]}}},
        {"network_virtual_appliances": {"late-nva": late}, "route_servers": {"spoke1-rs": {"peers": [*nvas, "late-nva"]}}},
    ]
    announced = ("announce", (speaker, ["172.20.0.0/16", "10.99.0.0/24"]))
    withdrawn = ("withdraw", (nva, net["network_virtual_appliances"][nva]["originates"][:1]))
    return [
        ("fail", f"{failure[0]}:{failure[1]}"),
        chance.choice([("change", chance.choice(changes)), announced, ("restore", failure[0])]),
        chance.choice([("restore", "all"), ("change", chance.choice(changes)), withdrawn]),
    ]
