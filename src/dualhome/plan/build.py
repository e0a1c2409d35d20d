"""A network becomes a plan: wires, then for each end of each wire its session and policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dualhome.bgp.config import IPV4_UNICAST, IPV6_UNICAST, OriginConfig, PeerConfig, SessionConfig, SpeakerConfig
from dualhome.model import Network, base_name
from dualhome.net import Address, Prefix
from dualhome.plan import azure, route_servers, routers
from dualhome.plan.policies import Side, policy_of_side
from dualhome.plan.types import Conditional, Plan, SessionPlan, SpeakerKind, SpeakerPlan
from dualhome.plan.wiring import End, Wire, all_wires, router_address


def make_plan(network: Network) -> Plan:
    """All speakers in the order of the file's sections, and all sessions; a session is named by its ends."""
    wires = all_wires(network)
    ends: dict[str, list[tuple[End, End, Wire]]] = {}
    for wire in wires:
        ends.setdefault(wire.a.speaker, []).append((wire.a, wire.b, wire))
        ends.setdefault(wire.b.speaker, []).append((wire.b, wire.a, wire))
    speakers = {}
    for name, kind, virtual_network, address, asn in _speakers(network):
        peers = {far.speaker: _peer(network, kind, near, far, wire) for near, far, wire in ends.get(name, ())}
        config = SpeakerConfig(
            name=name,
            asn=asn,
            router_id=_router_id(name, address, network),
            rounds=_rounds(network, name, kind),
            multipath=route_servers.width(network, network.route_servers[base_name(name)]) if kind is SpeakerKind.ROUTE_SERVER else 64,
            preference=_preference(network, name, kind),
            peers=peers,
            origins=_first_of_each(_origins(network, name, kind)),
        )
        speakers[name] = SpeakerPlan(name=name, owner=base_name(name), kind=kind, virtual_network=virtual_network, config=config)
    conditions = tuple(
        Conditional(speaker=router.name, prefix=str(origin.prefix), host=origin.while_reaches)
        for router in network.routers()
        if router.asn is not None
        for origin in router.originates
        if origin.while_reaches
    )
    sessions = tuple(SessionPlan(a=w.a.speaker, b=w.b.speaker, carrier=w.carrier, bfd=w.bfd) for w in wires)
    return Plan(network=network, speakers=speakers, sessions=sessions, conditions=conditions)


def _speakers(network: Network) -> Iterator[tuple[str, SpeakerKind, str | None, Address, int]]:
    """Name, kind, virtual network, address and ASN of each."""
    for rs in network.route_servers.values():
        for i in (0, 1):
            yield f"{rs.name}#{i}", SpeakerKind.ROUTE_SERVER, rs.virtual_network, rs.addresses[i], rs.asn
    for gateway in network.gateways.values():
        for i in (0, 1):
            yield f"{gateway.name}#{i}", SpeakerKind.GATEWAY, gateway.virtual_network, gateway.addresses[i], gateway.asn
    for circuit in network.circuits.values():
        for i in (0, 1):
            yield f"{circuit.name}#{i}", SpeakerKind.EDGE, None, circuit.microsoft_address(i), circuit.microsoft_asn
    for router in network.routers():
        if router.asn is not None:
            kind = SpeakerKind.NVA if router.nics else SpeakerKind.ROUTER
            yield router.name, kind, router.virtual_network, router_address(network, router), router.asn


def _router_id(name: str, address: Address, network: Network) -> str:
    """The speaker's IPv4 address; one with an IPv6 address alone gets a number by its place (RFC 6286 asks only that it differs)."""
    if address.version == 4:
        return str(address)
    return str(Address(4, 1 + [router.name for router in network.routers()].index(name)))


def _rounds(network: Network, name: str, kind: SpeakerKind) -> tuple[str, ...]:
    if kind is SpeakerKind.ROUTE_SERVER:
        return route_servers.rounds(network, network.route_servers[base_name(name)])
    return azure.GATEWAY_ROUNDS if kind is SpeakerKind.GATEWAY else azure.ROUTER_ROUNDS


def _preference(network: Network, name: str, kind: SpeakerKind) -> str:
    return route_servers.preference(network, network.route_servers[base_name(name)]) if kind is SpeakerKind.ROUTE_SERVER else "ExpressRoute"


def _origins(network: Network, name: str, kind: SpeakerKind) -> Iterator[OriginConfig]:
    base, _, index = name.partition("#")
    if kind is SpeakerKind.ROUTE_SERVER:
        rs = network.route_servers[base]
        yield from azure.space_origins(network, rs.virtual_network, rs.addresses[int(index)])
    elif kind is SpeakerKind.GATEWAY:
        yield from azure.gateway_origins(network, network.gateways[base], int(index))
    elif router := network.router(name):
        yield from routers.origins(network, router)


def _first_of_each(origins: Iterable[OriginConfig]) -> dict[Prefix, OriginConfig]:
    """One route for each prefix: a summary goes before the range that it equals."""
    found: dict[Prefix, OriginConfig] = {}
    for origin in origins:
        found.setdefault(origin.prefix, origin)
    return found


def _peer(network: Network, kind: SpeakerKind, near: End, far: End, wire: Wire) -> PeerConfig:
    """One end's session and policy."""
    local_asn, remote_asn = _asn(network, near.speaker, wire), _asn(network, far.speaker, wire)
    families = (IPV4_UNICAST,) if near.address.version == far.address.version == 4 else (IPV6_UNICAST,)
    asks = kind is SpeakerKind.ROUTE_SERVER and wire.what == "route-server"
    session = SessionConfig(
        peer=far.speaker,
        local_asn=local_asn,
        remote_asn=remote_asn,
        router_id=_router_id(near.speaker, _identity(network, near), network),
        local_address=near.address,
        remote_address=far.address,
        hold_time_s=round(near.timers.hold_s),
        keepalive_s=near.timers.keepalive_s,
        families=families,
        zero_hold=not asks or route_servers.agrees_without_hold_timer(network),
    )
    side = Side(network=network, near=near, far=far, wire=wire, local_asn=local_asn, remote_asn=remote_asn)
    asks_for = tuple(_beside(network, base_name(near.speaker))) if asks else ()
    resets = network.quirks.on_new_peering == "reset"
    return PeerConfig(session=session, policy=policy_of_side(side, kind), enabled=wire.enabled, asks_for=asks_for, resets=asks and resets)


def _beside(network: Network, route_server: str) -> Iterator[str]:
    """Virtual networks peered with a route server's: with one more it has its NVAs tell all their routes again (R40, D18)."""
    return (peering.remote for peering in network.connected(network.route_servers[route_server].virtual_network))


def _identity(network: Network, end: End) -> Address:
    """The address that names the speaker, whatever address this session has."""
    router = network.router(end.speaker)
    return router_address(network, router) if router else end.address


def _asn(network: Network, speaker: str, wire: Wire) -> int:
    base = base_name(speaker)
    if base in network.route_servers:
        return network.route_servers[base].asn
    if base in network.gateways:
        return network.gateways[base].asn
    if base in network.circuits:
        return network.circuits[base].microsoft_asn
    router = network.router(base)
    asn = wire.far_asn if router is None else router.asn
    assert asn is not None, f"{speaker} has a session and no ASN"
    return asn
