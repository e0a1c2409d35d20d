"""Whether the packets of a session arrive: by what carries it, and by what is broken."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from dualhome.engine.faults import Faults, virtual_network_of
from dualhome.forwarding.trace import reaches
from dualhome.forwarding.world import Programmed, RibHop, World
from dualhome.model import Network, base_name
from dualhome.net import Address, Prefix
from dualhome.plan import Carrier, Plan, SessionPlan


@dataclass(frozen=True, slots=True)
class ControlView:
    """The world as BGP's packets meet it: a node that only drops data still passes them on to itself."""

    world: World
    faults: Faults
    own_memo: dict[object, Any] = field(default_factory=dict)

    @property
    def network(self) -> Network:
        """The model."""
        return self.world.network

    def alive(self, node: str) -> bool:
        """Neither crashed nor silent."""
        return not mute(self.faults, self.world.network, node)

    def joined(self, a: str, b: str) -> bool:
        """As the world says, but for what only drops data."""
        return not any(t.how != "forwarding" for t in self.faults.of_pair("link", a, b))

    def programmed(self, virtual_network: str, nic: str | None) -> Mapping[Prefix, Programmed]:
        """As the world says."""
        return self.world.programmed(virtual_network, nic)

    def rib(self, speaker: str, address: Address) -> tuple[Prefix, tuple[RibHop, ...]] | None:
        """As the world says."""
        return self.world.rib(speaker, address)

    @property
    def memo(self) -> MutableMapping[object, Any]:
        """Its own, as its answers differ."""
        return self.own_memo

    def shape(self) -> int:
        """As the world says."""
        return self.world.shape()

    def version(self) -> int:
        """As the world says."""
        return self.world.version()


def mute(faults: Faults, network: Network, node: str) -> bool:
    """Whether no packet passes the node: crashed or silent."""
    return any(t.how in ("crash", "silent") for t in faults.of_node(network, node))


def crashed(faults: Faults, network: Network, node: str) -> bool:
    """Whether the node's processes are gone."""
    return any(t.how == "crash" for t in faults.of_node(network, node))


class Carriers:
    """Answers `carries`, remembered until the shape of the network changes (failures, configuration): routes of BGP never steer such packets where
    a virtual network or peering covers the destination (R56), and elsewhere the answer is asked anew.
    """

    def __init__(self, world: World, faults: Faults, plan: Plan) -> None:
        self._view = ControlView(world, faults)
        self._faults = faults
        self._known: dict[tuple[str, str], bool] = {}
        self._sessions: dict[tuple[str, str], SessionPlan] = {}
        self.change(plan)

    def change(self, plan: Plan) -> None:
        """Another plan, or other failures."""
        self._plan = plan
        self._known.clear()
        self._sessions = {pair: s for s in plan.sessions for pair in ((s.a, s.b), (s.b, s.a))}

    def session(self, a: str, b: str) -> SessionPlan | None:
        """The session between two speakers."""
        return self._sessions.get((a, b))

    def carries(self, speaker: str, peer: str) -> bool:
        """Whether a packet of their session, sent by `speaker` now, arrives at `peer`."""
        key = (speaker, peer)
        if key not in self._known:
            self._known[key] = self._arrives(speaker, peer)
        return self._known[key]

    def _arrives(self, speaker: str, peer: str) -> bool:
        session, network = self._sessions.get((speaker, peer)), self._plan.network
        if session is None or session.carrier is Carrier.NOWHERE:
            return False
        if mute(self._faults, network, speaker) or mute(self._faults, network, peer):
            return False
        if any(t.how != "forwarding" for t in self._faults.of_pair("link", speaker, peer)):
            return False
        if session.carrier is not Carrier.NETWORK:
            return True
        config = self._plan.speakers[speaker].config.peers[peer].session
        if virtual_network_of(network, base_name(speaker)) is None and network.router(speaker) is None:
            return False
        return reaches(self._view, speaker, config.remote_address)
