"""Whether the packets of a session arrive: by what carries it, and by what is broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dualhome.engine.faults import Faults
from dualhome.forwarding.packets import BGP
from dualhome.forwarding.trace import reaches
from dualhome.forwarding.world import Programmed, RibHop, World
from dualhome.model import GATEWAY_SUBNET, ROUTE_SERVER_SUBNET, Network, UserRoute, base_name
from dualhome.net import Address, Prefix
from dualhome.plan import Carrier, Plan, SessionPlan

NOTHING: Final[Mapping[Prefix, Programmed]] = {}  # one object, so that what is made of it is made once


class ControlPlane:
    """The world as BGP's own packets meet it: nodes and links that only drop data let them pass. Where BGP can't steer them, it is without routes of BGP."""

    def __init__(self, world: World, faults: Faults, *, steered: bool) -> None:
        self._world, self._faults, self._steered = world, faults, steered
        self.memo: dict[object, object] = {}

    @property
    def network(self) -> Network:
        """As the world says."""
        return self._world.network

    def alive(self, node: str) -> bool:
        """Neither crashed nor silent."""
        return not self._faults.mute(node)

    def healthy(self, balancer: str, machine: str) -> bool:
        """As the world says."""
        return self._world.healthy(balancer, machine)

    def in_service(self, instance: str) -> bool:
        """As the world says."""
        return self._world.in_service(instance)

    def joined(self, a: str, b: str) -> bool:
        """Not failed, or only for data."""
        return all(how == "forwarding" for how in self._faults.pair("link", a, b))

    def programmed(self, virtual_network: str, nic: str | None) -> Mapping[Prefix, Programmed]:
        """As the world says, or nothing."""
        return self._world.programmed(virtual_network, nic) if self._steered else NOTHING

    def rib(self, speaker: str, address: Address) -> tuple[Prefix, tuple[RibHop, ...]] | None:
        """As the world says."""
        return self._world.rib(speaker, address)

    def loc_rib(self, speaker: str) -> Sequence[tuple[Prefix, tuple[RibHop, ...]]]:
        """As the world says."""
        return self._world.loc_rib(speaker)

    def version(self) -> int:
        """As the world says."""
        return self._world.version()

    def shape(self) -> int:
        """As the world says."""
        return self._world.shape()


class Carriers:
    """Answers whether a session's packets arrive, and remembers it.

    Where a virtual network's own routes lead to the peer, BGP can't steer the packets (R56), so an answer holds until something fails or the
    configuration changes; elsewhere until any route changes.
    """

    def __init__(self, world: World, faults: Faults, plan: Plan) -> None:
        self._world, self._faults = world, faults
        self._views = {steered: ControlPlane(world, faults, steered=steered) for steered in (True, False)}
        self._known: dict[tuple[str, str], bool] = {}
        self._steered: dict[tuple[str, str], tuple[int, bool]] = {}
        self._opening: dict[tuple[str, str], tuple[int, bool]] = {}
        self.change(plan)

    def change(self, plan: Plan) -> None:
        """Another plan, or other failures: nothing that was remembered holds."""
        self._plan = plan
        self._sessions = {pair: s for s in plan.sessions for pair in ((s.a, s.b), (s.b, s.a))}
        self.forget()

    def forget(self) -> None:
        """Something failed or was mended."""
        self._known.clear()
        self._steered.clear()
        self._opening.clear()
        for view in self._views.values():
            view.memo.clear()

    def session(self, a: str, b: str) -> SessionPlan | None:
        """What the plan says of the session of two speakers, whichever side is named first."""
        return self._sessions.get((a, b))

    def carries(self, speaker: str, peer: str) -> bool:
        """Whether a packet of their session, sent by `speaker` now, arrives at `peer`."""
        pair = (speaker, peer)
        if pair in self._known:
            return self._known[pair]
        if pair in self._steered and self._steered[pair][0] == self._world.version():
            return self._steered[pair][1]
        session, version = self._sessions.get(pair), self._world.version()
        steered = session is not None and session.carrier is Carrier.NETWORK and self._may_be_steered(speaker, peer)
        arrives = session is not None and self._arrives(session, speaker, peer, steered=steered)
        if steered:
            self._steered[pair] = (version, arrives)
        else:
            self._known[pair] = arrives
        return arrives

    def opens(self, speaker: str, peer: str) -> bool:
        """Whether network security groups let `speaker` open a transport to its peer's TCP port 179. They judge whoever opens it, and either side may
        (R77); of a transport that is open they let everything pass, so `carries` doesn't ask them.
        """
        session, pair = self._sessions.get((speaker, peer)), (speaker, peer)
        if session is None or session.carrier is not Carrier.NETWORK or not self._plan.network.network_security_groups:
            return True
        version = self._world.version()
        if pair not in self._opening or self._opening[pair][0] != version:
            address = self._plan.speakers[speaker].config.peers[peer].session.remote_address
            self._opening[pair] = version, reaches(self._views[True], speaker, address, BGP)
        return self._opening[pair][1]

    def _arrives(self, session: SessionPlan, speaker: str, peer: str, *, steered: bool) -> bool:
        faults = self._faults
        if session.carrier is Carrier.NOWHERE or faults.mute(speaker) or faults.mute(peer):
            return False
        if any(how != "forwarding" for kind in ("link", "session") for how in faults.pair(kind, speaker, peer)):
            return False
        if session.carrier is not Carrier.NETWORK:
            return True
        return reaches(self._views[steered], speaker, self._plan.speakers[speaker].config.peers[peer].session.remote_address)

    def _may_be_steered(self, speaker: str, peer: str) -> bool:
        """Whether routes of BGP, or of a user, decide where these packets go; else the sender's virtual network or a peering of it leads to the peer."""
        network = self._plan.network
        if network.quirks.virtual_network_equal_bgp:  # BGP's routes may win there too (D3)
            return True
        nva = network.nvas.get(speaker)
        if nva is not None and not nva.route_server_route:  # what it hears of route servers leads it astray (R81)
            return True
        mine, theirs = self._plan.speakers[speaker].virtual_network, self._plan.speakers[peer].virtual_network
        if mine is None or theirs is None:
            return True
        address = self._plan.speakers[speaker].config.peers[peer].session.remote_address
        if any(route.prefix.covers(address) for route in _user_routes(network, speaker)):
            return True
        if mine == theirs:
            return False
        if network.peering(mine, theirs) is None or network.peering(theirs, mine) is None:
            return True
        return not any(prefix.covers(address) for prefix in network.known_space(mine, theirs))  # a range that isn't synced yet (R16)


def _user_routes(network: Network, speaker: str) -> Iterator[UserRoute]:
    """Those of the subnets that the speaker stands in."""
    base = base_name(speaker)
    if base in network.nvas:
        subnets = [network.subnet(nic.subnet) for nic in network.nvas[base].nics]
    elif base in network.route_servers:
        subnets = [network.virtual_networks[network.route_servers[base].virtual_network].subnets[ROUTE_SERVER_SUBNET]]
    else:
        subnets = [network.virtual_networks[network.gateways[base].virtual_network].subnets[GATEWAY_SUBNET]]
    tables = dict.fromkeys(subnet.route_table for subnet in subnets if subnet.route_table)
    return (route for name in tables for route in network.route_tables[name].routes)
