"""Where the sessions of a plan have their sockets: in which namespace, from which address to which, out of which device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dualhome.live.layout import Layout, Node
from dualhome.net import Address
from dualhome.plan import Carrier, Plan

EVERYWHERE = {4: Address.parse("0.0.0.0"), 6: Address.parse("::")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a session. `device`: the end of a wire that carries it; None where the node's routes decide."""

    speaker: str
    peer: str
    local: Address
    remote: Address
    device: str | None


def sides(plan: Plan, layout: Layout) -> dict[tuple[str, str], Side]:
    """By speaker and peer."""
    carriers = {pair: s.carrier for s in plan.sessions for pair in ((s.a, s.b), (s.b, s.a))}
    found = {}
    for name, speaker in plan.speakers.items():
        node = layout.nodes.get(name)
        for peer, config in speaker.config.peers.items() if node else ():
            assert node is not None, "asked only of nodes that are there"
            found[name, peer] = Side(
                speaker=name,
                peer=peer,
                local=config.session.local_address,
                remote=config.session.remote_address,
                device=_device(node, peer, carriers.get((name, peer), Carrier.NOWHERE)),
            )
    return found


def _device(node: Node, peer: str, carrier: Carrier) -> str | None:
    """Sessions of tunnels, links and Azure's own wiring stay on their wire; those that the network carries go where its routes lead."""
    wire = node.toward(peer)
    return wire.device if wire is not None and carrier is not Carrier.NETWORK else None


def listeners(mine: Mapping[tuple[str, str], Side], speaker: str) -> Iterator[tuple[Address, str | None]]:
    """Addresses and devices that a speaker listens on: everywhere, and on each wire of a session, so that answers take it too."""
    sides = [each for (name, _), each in mine.items() if name == speaker]
    for version in dict.fromkeys(each.local.version for each in sides):
        devices = [each.device for each in sides if each.device and each.local.version == version]
        yield from ((EVERYWHERE[version], device) for device in (None, *dict.fromkeys(devices)))
