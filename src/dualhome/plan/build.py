"""A network becomes a plan: wires, then for each end of each wire its session and policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dualhome.bgp.config import IPV4_UNICAST, IPV6_UNICAST, OriginConfig, PeerConfig, SessionConfig, SpeakerConfig
from dualhome.bgp.policy import PeerPolicy, Policy
from dualhome.model import GatewayKind, Network, base_name
from dualhome.net import Address, Prefix
from dualhome.plan import azure, routers
from dualhome.plan.types import Carrier, Conditional, Plan, SessionPlan, SpeakerKind, SpeakerPlan
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
            multipath=azure.route_server_width(network.route_servers[base_name(name)]) if kind is SpeakerKind.ROUTE_SERVER else 64,
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
        rounds = azure.route_server_rounds(network.route_servers[base_name(name)])
        return tuple("weight" if each == "self" else each for each in rounds) if network.quirks.virtual_network_equal_bgp else rounds
    return azure.GATEWAY_ROUNDS if kind is SpeakerKind.GATEWAY else azure.ROUTER_ROUNDS


def _preference(network: Network, name: str, kind: SpeakerKind) -> str:
    return network.route_servers[base_name(name)].routing_preference.value if kind is SpeakerKind.ROUTE_SERVER else "ExpressRoute"


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
    )
    policy = _policy(network, kind, near, far, wire, local_asn, remote_asn)
    asks = kind is SpeakerKind.ROUTE_SERVER and wire.what != "exchange"
    asks_for = tuple(_beside(network, base_name(near.speaker))) if asks else ()
    resets = network.quirks.on_new_peering == "reset"
    return PeerConfig(session=session, policy=policy, enabled=wire.enabled, asks_for=asks_for, resets=asks and resets)


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


OTHERS_FIRST = 32769  # a weight over that of a speaker's own routes
CLASS_OF_WIRE = {"circuit": "class:edge", "vpn": "class:site", "sibling": "sibling", "exchange": "class:rs"}


def _policy(network: Network, kind: SpeakerKind, near: End, far: End, wire: Wire, local_asn: int, remote_asn: int) -> PeerPolicy:
    """By what the speaker is and how the session came about."""
    owner, peer_owner = base_name(near.speaker), base_name(far.speaker)
    checks: Policy = ()
    rules: Policy = ()
    export: tuple[Policy, ...] = ()
    tags: tuple[str, ...] = ()
    extra: dict[str, object] = {}
    match kind:
        case SpeakerKind.ROUTE_SERVER if wire.what == "exchange":
            rs, gateway = network.route_servers[owner], network.gateways[peer_owner]
            word = "er" if gateway.kind is GatewayKind.EXPRESSROUTE else "vpn"
            tags, checks = (f"class:{word}",), azure.checks_on_gateway(network, rs, gateway)
            rules = azure.inbound_map(network, rs, far.speaker)
            export = azure.export_to_gateway(network, rs, gateway, far.speaker)
            extra = {"route_class": word, "reflector_client": local_asn == remote_asn}
            extra |= {"next_hop": "unchanged" if local_asn == remote_asn else "self"}  # R91
        case SpeakerKind.ROUTE_SERVER:
            rs = network.route_servers[owner]
            tags, checks = ("class:nva",), azure.checks_on_nva(network, rs)
            rules, export = azure.inbound_map(network, rs, far.speaker), azure.export_to_nva(network, rs, far.speaker)
            extra = {"route_class": "nva"} | azure.limits_on_nva(rs)
        case SpeakerKind.GATEWAY:
            gateway = network.gateways[owner]
            tags = (CLASS_OF_WIRE[wire.what],)
            if wire.what == "circuit":
                checks, export = azure.checks_on_edge(network, gateway), azure.export_to_edge(network, gateway)
                extra = {"weight": 32769 + wire.weight}  # R137, R146
            elif wire.what == "vpn":
                checks, export = azure.checks_on_site(network, gateway), azure.export_to_site(network, gateway, peer_owner)
                extra = {"weight": 32768 + wire.weight, "max_prefixes": azure.VPN_PREFIX_LIMIT}
            elif wire.what == "sibling":
                export = azure.export_to_sibling()
            else:
                export = azure.export_from_gateway_to_route_server(gateway)
                extra = {"reflector_client": local_asn == remote_asn}
        case SpeakerKind.EDGE:
            circuit = network.circuits[owner]
            if wire.what == "circuit":
                tags, export = ("class:gateway",), azure.export_from_edge_to_gateway(circuit)
                extra = azure.edge_limit(network, far.address)
            elif wire.what == "edge":
                tags, rules, export = ("class:router",), azure.edge_rules(), azure.export_from_edge_to_router()
                extra = {"allowas_in": 2, "max_prefixes": circuit.max_prefixes}  # R141, R143
            else:
                tags, export = ("class:global-reach",), azure.export_over_global_reach(circuit)
                extra = {"allowas_in": 3}
        case SpeakerKind.NVA | SpeakerKind.ROUTER:
            router = network.router(owner)
            assert router is not None, f"{owner} speaks and is no router"
            is_rs = peer_owner in network.route_servers
            tags = (
                ("class:rs",)
                if is_rs
                else ("class:edge",)
                if wire.what == "edge"
                else ("class:site",)
                if wire.what == "vpn"
                else ("class:router",)
            )
            rules = routers.import_rules(router, far.speaker)
            export = routers.export(network, router, far.speaker, remote_asn, route_server=is_rs)
            extra = {"weight": 0, "usable": router.multihop or wire.carrier is not Carrier.NETWORK or local_asn == remote_asn}  # R74, L-003
    if kind is SpeakerKind.ROUTE_SERVER and network.quirks.virtual_network_equal_bgp:
        extra["weight"] = OTHERS_FIRST  # D3: what it hears of its own ranges goes before its own word
    ebgp = local_asn != remote_asn or wire.what == "global-reach"
    return PeerPolicy(
        name=f"{near.speaker}/{far.speaker}",
        asn=remote_asn,
        ebgp=ebgp,
        local_address=str(near.address),
        peer_address=str(far.address),
        tags=(*dict.fromkeys((peer_owner, far.speaker)), *tags),
        checks=checks,
        rules=rules,
        export=export,
        **extra,  # type: ignore[arg-type]  # keys are PeerPolicy's own, set above
    )
