"""Control packets that don't go by the tables: of sessions that failed, of the platform's own, and over peerings that drop data only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dualhome.fabric.ports import Ports
from dualhome.fabric.state import Port
from dualhome.model import Network
from dualhome.net import Address
from dualhome.plan import Carrier, Plan, SessionPlan

HowPair = Callable[[str, str, str], tuple[str, ...]]
DATA_ONLY = "forwarding"  # what fails so lets control packets pass


def controls(plan: Plan, ports: Ports, how_pair: HowPair) -> dict[tuple[int, Address], int]:
    """By port and destination: to which port, or 0 where the session, or what joins its ends, failed."""
    found: dict[tuple[int, Address], int] = {}
    for session in plan.sessions:
        if session.carrier is Carrier.NOWHERE:
            continue
        dead = any(how != DATA_ONLY for kind in ("link", "session") for how in how_pair(kind, *session.ends))
        for a, b in (session.ends, session.ends[::-1]):
            address = plan.speakers[a].config.peers[b].session.remote_address
            to = 0 if dead else _straight(plan, ports, how_pair, session, b, address)
            if to is not None:
                found.update(((port.number, address), to) for port in _leaving(plan.network, ports, a, b))
    return found


def _straight(plan: Plan, ports: Ports, how_pair: HowPair, session: SessionPlan, to: str, address: Address) -> int | None:
    """The port to which the platform itself takes the packets; None where tables or a wire do."""
    if session.ends in ports.wires or session.ends[::-1] in ports.wires:
        return None
    if session.carrier is Carrier.NETWORK:
        places = [plan.speakers[end].virtual_network for end in session.ends]
        if places[0] is None or places[1] is None or set(how_pair("link", places[0], places[1])) != {DATA_ONLY}:
            return None
    elif session.carrier is not Carrier.PLATFORM:
        return None
    nics = plan.network.nvas[to].nics if to in plan.network.nvas else ()
    port = ports.nics.get(next((nic.name for nic in nics if nic.address == address), to))
    return port.number if port else None


def _leaving(network: Network, ports: Ports, node: str, far: str) -> Iterator[Port]:
    """Where packets of a session leave a node: on the wire to the far node where there is one, else by any of its NICs."""
    if (node, far) in ports.wires:
        yield ports.wires[node, far]
        return
    names = [nic.name for nic in network.nvas[node].nics] if node in network.nvas else [node]
    yield from (ports.nics[name] for name in names if name in ports.nics)
