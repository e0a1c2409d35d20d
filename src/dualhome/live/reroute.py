"""What can't wait until all routes are computed anew: ports of what just failed, and groups with an appliance that a route server just lost.

Losing an appliance changes one element of a map for each table, however many routes point at it. What is written here is only a beginning: the next
`difference` compares all of it with what RIBs say, and mends what was guessed wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from dualhome.bgp.events import State as SessionState
from dualhome.engine import Engine, JournalEntry
from dualhome.fabric.backend import Batch, Installed
from dualhome.fabric.desired import port_states
from dualhome.fabric.ports import Ports
from dualhome.fabric.state import Hop, NextHops
from dualhome.forwarding.places import places
from dualhome.model import base_name
from dualhome.net import Prefix

SAMPLES: Final = 8  # routes of a group that are asked where they lead by now
WAS_UP: Final = f"{SessionState.ESTABLISHED.value} ->"

Lost = dict[str, tuple[str, ...]]  # by route server the peers that no instance has a session with any more


def failing_ports(engine: Engine, installed: Installed, ports: Ports) -> Batch | None:
    """Ports that are dead, or pass control packets only, or are well again; None where all are as they were."""
    states = port_states(engine.network, ports, engine.fails, engine.fails_between)
    changed = [replace(installed.ports[number], state=state) for number, state in states.items() if _differs(installed, number, state)]
    return Batch("ports", put=changed) if changed else None


def _differs(installed: Installed, number: int, state: object) -> bool:
    return number in installed.ports and installed.ports[number].state is not state


def lost_peers(engine: Engine, entries: Sequence[JournalEntry]) -> Lost:
    """Appliances that a route server has lost with these lines of the journal: the last of its sessions with them ended."""
    found: dict[str, dict[str, None]] = {}
    for entry in entries:
        if entry.kind != "session" or not entry.text.startswith(WAS_UP):
            continue
        speaker, _, peer = entry.who.partition("/")
        server = base_name(speaker)
        if server in engine.network.route_servers and not any(_is_up(engine, f"{server}#{i}", peer) for i in (0, 1)):
            found.setdefault(server, {})[peer] = None
    return {server: tuple(peers) for server, peers in found.items()}


def _is_up(engine: Engine, speaker: str, peer: str) -> bool:
    mine = engine.speakers.get(speaker)
    return mine is not None and peer in mine.config.peers and mine.session(peer).state is SessionState.ESTABLISHED


def without(engine: Engine, installed: Installed, ports: Ports, lost: Lost) -> Batch | None:
    """Groups that have other members go without what was lost. Only in tables that the route server programs: user-defined routes may share a group
    with what it programs; the next difference gives it back to them.
    """
    put = {}
    for server, peers in lost.items():
        gone = _numbers(ports, engine, peers)
        for table in _tables(engine, installed, ports, server):
            for number in installed.ids_of(table):
                group = installed.groups.get(number)
                if isinstance(group, NextHops) and any(hop.port in gone for hop in group.hops):
                    left = tuple(hop for hop in group.hops if hop.port not in gone)
                    if left:
                        put[number] = NextHops(left)
    return Batch("groups", put=tuple(put.items())) if put else None


def instead(engine: Engine, installed: Installed, ports: Ports, lost: Lost) -> Batch | None:
    """Groups of which nothing is left go where a few of their routes lead by now, if these agree; asked once the RIBs have decided."""
    put = {}
    for server, peers in lost.items():
        gone = _numbers(ports, engine, peers)
        for table in _tables(engine, installed, ports, server):
            hopeless = {
                number
                for number in installed.ids_of(table)
                if isinstance(group := installed.groups.get(number), NextHops) and all(hop.port in gone for hop in group.hops)
            }
            for number in hopeless:
                routes = installed.routes[table].items()
                samples = list(islice((prefix for prefix, each in routes if each == number), SAMPLES))
                ways = {tuple(_hops(engine, ports, server, prefix)) for prefix in samples}
                if len(ways) == 1 and (hops := ways.pop()):
                    put[number] = NextHops(hops)
    return Batch("groups", put=tuple(put.items())) if put else None


def _hops(engine: Engine, ports: Ports, server: str, prefix: Prefix) -> Iterator[Hop]:
    """Ports of the appliances to which this route leads by now, in the RIBs of a route server's instances."""
    place = engine.network.route_servers[server].virtual_network
    found: dict[int, None] = {}
    for instance in (f"{server}#0", f"{server}#1"):
        row = engine.rib(instance, prefix.address(0)) if engine.alive(instance) else None
        for hop in row[1] if row is not None and row[0] == prefix else ():
            owner = places(engine).owner_near(engine, place, hop.next_hop)
            if owner is not None and owner[1].nic is not None and owner[1].nic.name in ports.nics:
                found[ports.nics[owner[1].nic.name].number] = None
    yield from (Hop(port=number) for number in sorted(found))


def _numbers(ports: Ports, engine: Engine, peers: Sequence[str]) -> set[int]:
    """Ports of the NICs of these appliances."""
    nics = [nic.name for peer in peers if peer in engine.network.nvas for nic in engine.network.nvas[peer].nics]
    return {ports.nics[name].number for name in nics if name in ports.nics}


def _tables(engine: Engine, installed: Installed, ports: Ports, server: str) -> list[int]:
    """Tables of the virtual networks that a route server programs: its own, and those that use it (R29)."""
    network = engine.network
    own = network.route_servers[server].virtual_network
    served = {own, *network.transit_spokes(own)}
    numbers = [ports.nics[nic.name].number for nic in network.nics() if nic.virtual_network in served and nic.name in ports.nics]
    return sorted({installed.ports[number].table for number in numbers if number in installed.ports})
