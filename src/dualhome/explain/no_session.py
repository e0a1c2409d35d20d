"""Why two nodes have no session: what the plan's rules say of such a pair."""

from __future__ import annotations

from dualhome.engine import Engine
from dualhome.errors import RequestError
from dualhome.explain.story import Remedy, Step, Story
from dualhome.model import base_name


def missing_instances(engine: Engine, own: str, peer: str) -> list[tuple[Step, Remedy | None]]:
    """A route server that names the peer for one of its instances only (R73)."""
    for server, far in ((own, peer), (peer, own)):
        rs = engine.network.route_servers.get(base_name(server))
        named = next((p for p in rs.peers if p.name == base_name(far)), None) if rs else None
        if rs is None or named is None or len(named.instances) == 2 or "#" in server:
            continue
        only, other = named.instances[0], 1 - named.instances[0]
        text = f"{rs.name}#{other} has no session with {far}: {rs.name} names it for instance {only} alone, so machines of the other instance may lack its routes"
        return [
            (
                Step(node=f"{rs.name}#{other}", what="absent", text=text, rule="R73"),
                Remedy(text=f"let {rs.name} peer with {far} from both instances"),
            )
        ]
    return []


def no_session(engine: Engine, own: str, peer: str) -> Story:
    """Why the plan has none between these two (R76, R79, R83, R128)."""
    network = engine.network
    _known_names(engine, own, peer)
    question = f"Why is there no session {own}/{peer}?"
    first, second = base_name(own), base_name(peer)
    servers = [name for name in (first, second) if name in network.route_servers]
    gateways = [name for name in (first, second) if name in network.gateways]
    machines = [name for name in (first, second) if name in {*network.virtual_machines, *network.load_balancers, *network.hosts()}]
    silent = [r.name for name in (first, second) if (r := network.router(name)) is not None and r.asn is None]
    remedy: Remedy | None = None
    if machines:
        text, rule = f"{machines[0]} speaks no BGP: only NVAs, routers, route servers, gateways and circuits do", ""
    elif len(servers) == 2:
        text, rule = "route servers never speak with one another: between two virtual networks only an NVA passes routes on", "R83"
        remedy = Remedy(text="let an NVA peer with both route servers, and apply as_override toward each")
    elif silent:
        text, rule = f"{silent[0]} has no ASN, so it speaks no BGP", "R79"
        remedy = Remedy(text=f"give {silent[0]} an ASN: a 16-bit one outside the reserved ranges")
    elif servers and gateways:
        text, rule = (
            f"{servers[0]} and {gateways[0]} stand in different virtual networks: a route server speaks with its own network's gateways only",
            "R128",
        )
        remedy = Remedy(text=f"a route server in {network.gateways[gateways[0]].virtual_network}, and an NVA between the two")
    elif servers:
        other = second if first in servers else first
        text, rule = f"{servers[0]} does not know {other}: a route server refuses whom it has no peer for", "R76"
        rs = network.route_servers[servers[0]]
        change = {"route_servers": {servers[0]: {"peers": [*[p.name for p in rs.peers], other]}}}
        remedy = Remedy(
            text=f"add {other} to the peers of {servers[0]}", change=change if all(p.address is None for p in rs.peers) else None
        )
    else:
        text, rule = f"nothing in the file joins {own} and {peer} by BGP", ""
        remedy = Remedy(text=f"declare it: sessions of {own}, a link, a VPN connection or a circuit")
    answer = f"{own}/{peer} does not exist: {text}" + (f" ({rule})" if rule else "")
    refusal = Step(node=own, what="absent", text=text, rule=rule)
    return Story(question=question, answer=answer, refusals=(refusal,), remedy=remedy, facts={"sessions": []})


def _known_names(engine: Engine, *names: str) -> None:
    """RequestError for one that nothing in the network has."""
    network = engine.network
    known = {base_name(name) for name in engine.plan.speakers} | {r.name for r in network.routers()}
    known |= {*network.virtual_machines, *network.load_balancers, *network.route_servers, *network.gateways, *network.hosts()}
    for name in names:
        if base_name(name) not in known:
            raise RequestError(f"nothing here is named {name!r}; there are {', '.join(sorted(known))}")
