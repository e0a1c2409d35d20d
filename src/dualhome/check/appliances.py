"""Findings about NVAs: what they forward, and what their own NICs are told."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from dualhome.check.finding import Design, Draft, Path
from dualhome.check.loops import listed
from dualhome.check.remedies import with_routes
from dualhome.check.servers import nva_place
from dualhome.forwarding.effective import EffectiveRoute
from dualhome.model import Nic, Router, base_name
from dualhome.net import DEFAULT_V4, Address, Prefix
from dualhome.plan import Carrier
from dualhome.topology.edits import Edit

HALVES = (Prefix.parse("0.0.0.0/1"), Prefix.parse("128.0.0.0/1"))
ASKED = 50  # machines, whether a default route leads to one
DEFAULTS = (DEFAULT_V4, *HALVES, Prefix.parse("::/0"))


def no_multihop(design: Design) -> Iterator[Draft]:
    """L-003: a route server sits in another subnet, so the session needs multihop (R74)."""
    for rs in design.network.route_servers.values():
        for peer in rs.peers:
            nva = design.network.router(peer.name)
            if nva is not None and nva.asn is not None and not nva.multihop:
                yield Draft(
                    on=nva.name,
                    message=f"{nva.name} can use no route of {rs.name}: it speaks eBGP without multihop",
                    remedy="set multihop to true",
                    rule="R74",
                    where=nva_place(nva.name),
                    edits=(Edit(path=(*nva_place(nva.name), "multihop"), value=True),),
                )


def _self_routes(design: Design, nva: Router, nic: Nic) -> list[EffectiveRoute]:
    """Active routes of the NIC that a route server programmed and whose next hop is the NVA itself, or a load balancer before it."""
    mine = {each.address for each in nva.nics}
    mine |= {lb.address for lb in design.network.load_balancers.values() if nva.name in lb.backends}
    rows = design.rows(nic.name)
    return [row for row in rows if row.source == "VirtualNetworkGateway" and row.state == "Active" and mine & set(row.next_hops)]


def _out_of(nva: Router, prefix: Prefix) -> Nic | None:
    """The NIC that the NVA sends packets for the prefix out of; None: into a tunnel, or to a host of its own."""
    if any(prefix.covers(host) and prefix.length == prefix_of(host).length for host in nva.hosts.values()):
        return None
    fitting = [route for route in nva.static_routes if route.prefix.covers(prefix)]
    best = max(fitting, key=lambda route: route.prefix.length, default=None)
    if best is not None and best.over_tunnel:
        return None
    named = f"{nva.name}.{best.interface}" if best is not None and best.interface else nva.name
    return next((nic for nic in nva.nics if nic.name == named), nva.nics[0])


def prefix_of(address: Address) -> Prefix:
    """The address alone, as a prefix."""
    return address.host_prefix


def default_to_itself(design: Design) -> Iterator[Draft]:
    """L-011: the default route that an NVA announces comes to its own NIC as well (R67, R177)."""
    for nva in design.network.nvas.values() if design.facts else ():
        out = _out_of(nva, DEFAULT_V4)
        if out is None or nva.asn is None:
            continue
        found = {row.prefix for row in _self_routes(design, nva, out)}
        covering = {row.prefix for row in design.rows(out.name) if row.source == "User" and row.state == "Active"}
        halves = [half for half in HALVES if half in found or (DEFAULT_V4 in found and half not in covering)]
        if halves:
            wanted = [half for half in halves if half in found] or [DEFAULT_V4]
            yield Draft(
                on=nva.name,
                message=f"{nva.name} sends packets for the Internet to itself: its own default route is programmed on its NIC {out.name}",
                remedy=f"give {out.subnet} a route table with {' and '.join(map(str, wanted))} to Internet",
                rule="R67, R177",
                where=nva_place(nva.name),
                edits=with_routes(design.network, out.subnet, *({"prefix": str(p), "next_hop_type": "Internet"} for p in wanted)),
            )


def route_to_itself(design: Design) -> Iterator[Draft]:
    """L-012: what an NVA has from a peer without a tunnel, and tells its route server, points at itself on its own NIC (R67, R180)."""
    facts = design.facts
    tunnels = {frozenset(s.ends) for s in design.plan.sessions if s.carrier is not Carrier.NETWORK}
    for nva in design.network.nvas.values():
        if facts is None or nva.asn is None or not facts.has(nva.name):
            continue
        circling = []
        for nic in nva.nics:
            for row in (r for r in _self_routes(design, nva, nic) if r.prefix not in DEFAULTS and _out_of(nva, r.prefix) == nic):
                found = facts.engine.rib(nva.name, row.prefix.address(0))
                peers = [hop.peer for hop in found[1]] if found is not None and found[0].covers(row.prefix) else []
                if any(peer is not None and frozenset((nva.name, peer)) not in tunnels for peer in peers):
                    circling.append(row.prefix)
        if circling:
            yield Draft(
                on=nva.name,
                message=f"packets for {listed(circling)} come back to {nva.name}: its own NIC has been given itself as their next hop",
                remedy="put a tunnel between the NVAs, or disable route propagation on the NVA's subnet and give it user-defined routes",
                rule="R67, R180",
                where=nva_place(nva.name),
            )


def stateful_side_by_side(design: Design) -> Iterator[Draft]:
    """L-028: packets of a flow and their answers are spread independently, so firewalls side by side drop what they saw no beginning of (R64, R164)."""
    network = design.network
    owner = {nic.address: nva for nva in network.nvas.values() for nic in nva.nics}
    found: dict[tuple[str, ...], list[Prefix]] = {}
    for nic in design.subnets_with_machines() if design.facts and network.flow_hash != "symmetric" else ():
        if nic.machine in network.nvas:
            continue
        for row in design.rows(nic.name):
            nvas = {owner[hop].name: owner[hop] for hop in row.next_hops if hop in owner} if row.state == "Active" else {}
            if len(nvas) < 2:
                continue
            names = tuple(sorted(name for name, nva in nvas.items() if nva.stateful and not _translated(nva, row.prefix)))
            if names:
                found.setdefault(names, []).append(row.prefix)
            hiding = tuple(sorted(name for name, nva in nvas.items() if nva.stateful and nva.translates is True and name not in names))
            if hiding and (other := _machine_beyond(design, nic, row)) is not None:
                found.setdefault(hiding, []).append(other)
    for names, prefixes in sorted(found.items()):
        for name in names:
            yield Draft(
                on=name,
                message=f"flows to {listed(prefixes)} are dropped where their answers come by another NVA: {', '.join(names)} keep state side by side",
                remedy="translate source addresses, announce a load balancer as next hop, or prepend at one of them",
                rule="R64, R164",
                where=nva_place(name),
            )


def _machine_beyond(design: Design, nic: Nic, row: EffectiveRoute) -> Prefix | None:
    """Another machine that this row leads to: what is translated toward the Internet alone isn't toward it. The first few are asked."""
    others = (each for each in design.subnets_with_machines() if each.machine not in design.network.nvas and each.subnet != nic.subnet)
    rows = design.routes(nic.name)
    return next((each.address.host_prefix for each in islice(others, ASKED) if rows.select(each.address) == row), None)


def _translated(nva: Router, prefix: Prefix) -> bool:
    """Whether it hides sources toward this prefix, so that answers must come back to it."""
    if isinstance(nva.translates, bool):
        return nva.translates and prefix in DEFAULTS
    return any(each.covers(prefix) for each in nva.translates)


def no_ip_forwarding(design: Design) -> Iterator[Draft]:
    """L-041: without IP forwarding on its NIC the platform drops what an NVA would forward (R66)."""
    network = design.network
    wanted: dict[Address, str] = {}
    for table in network.route_tables.values():
        wanted |= {hop: f"route table {table.name}" for route in table.routes for hop in route.next_hops}
    for lb in network.load_balancers.values():
        if lb.address in wanted or any(lb.name in nva.next_hop.values() for nva in network.nvas.values()):
            backends = (network.nvas[name] for name in lb.backends if name in network.nvas)
            wanted |= {nva.nics[0].address: f"load balancer {lb.name}" for nva in backends}
    for rs in network.route_servers.values():
        for nva in (network.nvas[p.name] for p in rs.peers if p.name in network.nvas):
            speaker = design.plan.speakers.get(nva.name)
            others = speaker is not None and any(base_name(peer) != rs.name for peer in speaker.config.peers)
            if (nva.originates or others) and rs.name not in nva.next_hop:
                wanted.setdefault(nva.nics[0].address, rs.name)
    for nva in network.nvas.values():
        for nic in nva.nics:
            if not nic.ip_forwarding and nic.address in wanted:
                yield Draft(
                    on=nva.name,
                    message=f"packets that {wanted[nic.address]} leads to {nic.name} ({nic.address}) are dropped: IP forwarding is off",
                    remedy="set ip_forwarding to true",
                    rule="R66",
                    where=nva_place(nva.name),
                    edits=(Edit(path=(*_place_of_nic(nva, nic), "ip_forwarding"), value=True),),
                )


def _place_of_nic(nva: Router, nic: Nic) -> Path:
    """The primary is the NVA itself, a further one stands under `interfaces`."""
    return nva_place(nva.name) if nic is nva.nics[0] else (*nva_place(nva.name), "interfaces", nic.name.removeprefix(f"{nva.name}."))


def load_balancer_elsewhere(design: Design) -> Iterator[Draft]:
    """L-046: a load balancer that is announced as next hop must be in the route server's region (R117)."""
    network = design.network
    for nva in network.nvas.values():
        for peer, word in nva.next_hop.items():
            rs = network.route_servers.get(peer.partition("#")[0])
            lb = network.load_balancers.get(word)
            if rs is None or lb is None:
                continue
            here = network.virtual_networks[rs.virtual_network].region
            there = network.virtual_networks[lb.subnet.partition("/")[0]].region
            if here and there and here != there:
                yield Draft(
                    on=nva.name,
                    message=f"{lb.name} as next hop toward {rs.name} is unsupported: it is in {there}, the route server in {here}",
                    remedy=f"use a load balancer in {here}",
                    rule="R117",
                    where=nva_place(nva.name),
                )
