"""Names: that each is declared once, that each one in use names something of its kind, that what is said to be joined is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dualhome.topology.form import Use
from dualhome.topology.reading import Path
from dualhome.topology.words import (
    CIRCUITS,
    CONNECTIONS,
    GATEWAYS,
    GROUPS,
    LINKS,
    MACHINES,
    MAPS,
    NODES,
    NVAS,
    PAIRS,
    PEERINGS,
    ROUTERS,
    SERVERS,
    TABLES,
    TWINS,
    VNETS,
    Wrong,
    ends,
    entries,
    items,
    nearest,
    words,
)

NOUNS: Mapping[str, str] = {
    "subnets": "subnet",
    "speakers": "speaker of BGP",
    "peers": "speaker of BGP",
    "routers": "router",
    "nodes": "node or host",
    "hosts": "node or host",
    "names": "object",
    "gateways and routers": "gateway or router",
    "machines and gateways": "machine or gateway",
    "regions": "region",
    VNETS: "virtual network",
    SERVERS: "route server",
    NVAS: "NVA",
    GATEWAYS: "gateway",
    CIRCUITS: "circuit",
    ROUTERS: "on-premises router",
    TABLES: "route table",
    MAPS: "route map",
    GROUPS: "network security group",
}


class Names:
    """What a network declares, and what is joined with what. Reads any data: what is malformed declares nothing."""

    def __init__(self, net: Mapping[str, Any]) -> None:
        self.net = net
        self.kinds = {name: section for section in (VNETS, *NODES) for name in _keys(net, section)}
        self.joined = {frozenset(end.partition("#")[0] for end in pair) for pair in self._pairs()}
        hosts = {host for section in (NVAS, ROUTERS) for _, x in entries(net, section) for host in _keys(x, "hosts")}
        nics = {f"{name}.{nic}" for name, x in entries(net, NVAS) for nic in _keys(x, "interfaces")}
        far = {
            str(peer["name"])
            for _, x in entries(net, SERVERS)
            for peer in items(x, "peers")
            if isinstance(peer, Mapping) and {"address", "name"} <= {*peer}
        }
        hosts |= nics | {"internet"}
        of = {section: {*_keys(net, section)} for section in (VNETS, *NODES, TABLES, MAPS, GROUPS)}
        nodes = set().union(*(of[section] for section in NODES))
        speakers = set().union(far, *(of[section] for section in (*TWINS, NVAS, ROUTERS)))
        self.pools: dict[str, set[str]] = {
            **of,
            "subnets": {f"{name}/{subnet}" for name, x in entries(net, VNETS) for subnet in _keys(x, "subnets")},
            "speakers": speakers,
            "peers": speakers,
            "routers": of[NVAS] | of[ROUTERS],
            "nodes": nodes | hosts,
            "hosts": nodes | hosts,
            "names": of[VNETS] | nodes | hosts | far,
            "gateways and routers": of[GATEWAYS] | of[ROUTERS] | of[NVAS],
            "machines and gateways": of[MACHINES] | of[NVAS] | of[GATEWAYS] | nics,
            "regions": {region for _, x in entries(net, VNETS) if isinstance(region := x.get("region"), str)},
        }

    def _pairs(self) -> Iterator[Iterable[str]]:
        for name, x in entries(self.net, SERVERS):
            yield from ((name, peer) for peer in words(x, "peers"))
            yield from (
                (name, gateway) for gateway, y in entries(self.net, GATEWAYS) if y.get("virtual_network") == x.get("virtual_network")
            )
        for section in (NVAS, ROUTERS):
            for name, x in entries(self.net, section):
                yield name, "internet"
                for declared in items(x, "sessions") + items(x, "static_routes"):
                    if isinstance(declared, Mapping) and isinstance(declared.get("to"), str):
                        yield name, declared["to"]
        for name, x in entries(self.net, CIRCUITS):
            yield from ((name, to) for to in words(x, "gateways") + words(x, "provider_edge") + words(x, "global_reach"))
        for section in PAIRS:
            yield from (pair for item in items(self.net, section) if (pair := ends(item)))

    def missing(self, use: Use) -> Iterator[Wrong]:
        """Why the name in use does not name one of what it must."""
        parts = [use.name] if use.what == "subnets" else re.split("<->|/", use.name)
        pool = self.pools[use.what]
        for part in parts:
            base, _, index = part.partition("#")
            if use.what == "hosts" and not re.match("[A-Za-z](?!.*:)", part):
                continue  # an address
            if base not in pool:
                yield Wrong(use.path, f"no {NOUNS.get(use.what, use.what)} {base!r}", nearest(base, pool), use.key)
            elif index and (self.kinds.get(base) not in TWINS or index not in ("0", "1")):
                hint = (
                    f"{base}#0 and {base}#1"
                    if self.kinds.get(base) in TWINS
                    else "only route servers, gateways and circuits have instances"
                )
                yield Wrong(use.path, f"{base!r} has no instance {index}", hint, use.key)
            elif use.what == "peers" and {base, str(use.path[1])} not in self.joined:
                yield Wrong(
                    use.path, f"no session with {base!r}", nearest(base, self._peers(str(use.path[1])), what="sessions are with"), use.key
                )
        bases = [part.partition("#")[0] for part in parts]
        if len(bases) == 2 and {*bases} <= pool and {*bases} not in self.joined:
            hint = nearest(bases[1], self._peers(bases[0]), what=f"{bases[0]!r} is joined with")
            yield Wrong(
                use.path, f"nothing joins {parts[0]!r} and {parts[1]!r}", hint if not hint.startswith("did you mean") else "", use.key
            )

    def _peers(self, name: str) -> set[str]:
        return {other for pair in self.joined if name in pair for other in pair if other not in (name, "internet")}

    def conflicts(self) -> Iterator[Wrong]:
        """One name for two things; names are unique in the file, but for one host behind several routers."""
        for section in (VNETS, *NODES):
            for name in _keys(self.net, section):
                if self.kinds[name] != section:
                    yield Wrong(
                        (section, name),
                        f"the name {name!r} is taken",
                        f"by the {NOUNS.get(self.kinds[name], 'node')} of this name",
                        key=True,
                    )
        nics = {f"{name}.{nic}" for name, x in entries(self.net, NVAS) for nic in _keys(x, "interfaces")}
        for name in sorted(nics & self.kinds.keys()):
            yield Wrong((self.kinds[name], name), f"the name {name!r} is taken", "by the NIC of this name", key=True)
        first: dict[str, tuple[object, str]] = {}
        for section in (NVAS, ROUTERS):
            for name, x in entries(self.net, section):
                hosts = x.get("hosts")
                for host, address in hosts.items() if isinstance(hosts, Mapping) else ():
                    where: Path = (section, name, "hosts", host)
                    seen, by = first.setdefault(host, (address, name))
                    if host in self.kinds or host in nics:
                        yield Wrong(where, f"the name {host!r} of a host is taken", "names are unique in the file", key=True)
                    elif seen != address:
                        yield Wrong(
                            where,
                            f"the host {host!r} is at {address}, and behind {by!r} at {seen}",
                            "one address behind several routers is anycast",
                        )

    def pairs(self) -> Iterator[Wrong]:
        """Pairs that join something to itself, or that stand twice."""
        for section in (CONNECTIONS, LINKS):
            seen: dict[frozenset[str], int] = {}
            for place, item in enumerate(items(self.net, section)):
                pair = ends(item)
                if len(pair) != 2:
                    continue
                if len({end.partition("#")[0] for end in pair}) == 1:
                    yield Wrong((section, place), f"{pair[0]!r} is joined with itself")
                elif (first := seen.setdefault(frozenset(pair), place)) != place:
                    yield Wrong((section, place), "stands here a second time", f"first as entry {first + 1}")
        for place, item in enumerate(items(self.net, PEERINGS)):
            pair = ends(item)
            if len(pair) == 2 and pair[0] == pair[1]:
                yield Wrong((PEERINGS, place), f"{pair[0]!r} is peered with itself")
            for key in item if isinstance(item, Mapping) and isinstance(item.get("between"), list) and pair else ():
                if "->" in key and {*ends(key)} != {*pair}:
                    either = f"'{pair[0]}->{pair[1]}' or '{pair[1]}->{pair[0]}'"
                    yield Wrong((PEERINGS, place, key), f"{key!r} is no direction of this peering", f"wanted {either}", key=True)


def _keys(x: object, section: str) -> list[str]:
    found = x.get(section) if isinstance(x, Mapping) else None
    return [*found] if isinstance(found, Mapping) else []
