"""What each instance is told: the configuration of its speaker, from the file's. Rules of Azure's route server name their source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dualhome.bgp.config import IPV4_UNICAST, IPV6_UNICAST, OriginConfig, PeerConfig, SessionConfig, SpeakerConfig
from dualhome.bgp.policy import PeerPolicy, Policy, Term
from dualhome.live.route_server.config import Config, Instance, Peer
from dualhome.live.signatures import Secret
from dualhome.net import WIDTH, Address, Prefix
from dualhome.plan.azure import BRANCH_TAG, ROUTE_SERVER_ROUNDS, ROUTER_ROUNDS
from dualhome.plan.rules import policy_of

FAMILIES: Final = {"ipv4": IPV4_UNICAST, "ipv6": IPV6_UNICAST}
LEARNED: Final = "class:nva"


def speaker_config(config: Config, instance: Instance) -> SpeakerConfig:
    """All that one instance needs to know."""
    return SpeakerConfig(
        name=instance.name,
        asn=instance.asn,
        router_id=instance.router_id,
        rounds=ROUTE_SERVER_ROUNDS if config.azure else ROUTER_ROUNDS,
        multipath=config.multipath,
        peers={peer.name: peer_config(config, instance, peer) for peer in peers_of(config, instance)},
        origins={prefix: OriginConfig(prefix=prefix, next_hop=_own(instance, prefix.version)) for prefix in config.originate},
    )


def peers_of(config: Config, instance: Instance) -> Iterator[Peer]:
    """Those of an instance: all, but those that name others or are reached by an IP version that it doesn't listen on."""
    for peer in config.peers:
        if _is_of(instance, peer):
            yield peer


def secrets_of(config: Config, instance: Instance) -> dict[Prefix, Secret]:
    """With what its peers sign their segments, by their addresses."""
    visitors = {each.prefix: each.peer.secret for each in config.ranges if each.peer.secret is not None and _is_of(instance, each.peer)}
    return visitors | {
        Prefix(peer.address.version, peer.address.bits, WIDTH[peer.address.version]): peer.secret
        for peer in peers_of(config, instance)
        if peer.secret is not None and not peer.group
    }


def _is_of(instance: Instance, peer: Peer) -> bool:
    listens = any(each.version == peer.address.version for each in instance.listen)
    return listens and (not peer.instances or instance.name in peer.instances)


def _own(instance: Instance, version: int) -> Address:
    """Its own address of this version; of the other one where it has none, and then no message can hold the route."""
    return next((each for each in instance.listen if each.version == version), instance.listen[0])


def peer_config(config: Config, instance: Instance, peer: Peer) -> PeerConfig:
    """What an instance needs to know of a peer."""
    local = _own(instance, peer.address.version)
    internal = peer.asn == instance.asn
    session = SessionConfig(
        peer=peer.name,
        local_asn=instance.asn,
        remote_asn=peer.asn,
        router_id=instance.router_id,
        local_address=local,
        remote_address=peer.address,
        hold_time_s=peer.hold_s,
        keepalive_s=peer.keepalive_s,
        families=tuple(FAMILIES[each] for each in peer.families),
        passive=peer.passive,
        open_s=peer.open_s,
        damping=peer.damping,
        graceful_restart=peer.graceful_restart,
        enhanced_refresh=peer.enhanced_refresh,
        extended_messages=peer.extended_messages,
        role=None if internal else peer.role,  # RFC 9234 section 4.1: of external peers alone
        role_strict=peer.role_strict and not internal,
    )
    policy = PeerPolicy(
        name=f"{instance.name}/{peer.name}",
        asn=peer.asn,
        ebgp=not internal,
        local_address=str(local),
        peer_address=str(peer.address),
        tags=(peer.name, *((peer.group,) if peer.group else ()), LEARNED),
        route_class="nva" if config.azure else "other",
        allowas_in=peer.allowas_in,
        reflector_client=internal,
        next_hop="unchanged" if internal else peer.next_hop,  # R91
        transparent=peer.transparent and not internal,
        own="second" if peer.transparent and not internal else "none",
        max_prefixes=peer.max_routes,
        max_prefixes_count="azure" if config.azure else "held",  # R87
        max_prefixes_action=peer.over_limit,
        max_memory=peer.memory_mb << 20,
        discard_med=config.azure,  # R113
        first_as=peer.first_as and not internal,
        reject_as_sets=not peer.as_sets,
        reject_martians=not peer.martians,
        reject_own_next_hop=not config.azure,  # RFC 4271 section 6.3
        requires_policy=peer.requires_policy,
        role=None if internal else peer.role,
        checks=tuple(_checks(config)),
        rules=policy_of(peer.rules_in, f"{config.file}, import of {peer.name}"),
        export=tuple(_export(config, instance, peer)),
    )
    return PeerConfig(session=session, policy=policy, enabled=peer.enabled)


def _checks(config: Config) -> Iterator[Term]:
    """As in Azure, nothing equal to or inside what the server announces of its own is let in."""
    if config.azure and config.originate:
        within = [str(prefix) for prefix in config.originate]
        yield Term(name="own-prefix", match={"prefix_within": within}, then="reject", reason="own-prefix", source="R59")


def _export(config: Config, instance: Instance, peer: Peer) -> Iterator[Policy]:
    """What is not reflected, Azure's tag, the rules of the file, then as-override."""
    if not peer.reflect:
        yield (Term(name="reflect", match={"from": [LEARNED]}, then="reject", source="R92"),)
    if config.azure:
        yield (Term(name="branch tag", match={"from": [LEARNED]}, do=({"community_add": [BRANCH_TAG]},), then="continue", source="R95"),)
    if peer.rules_out:
        yield policy_of(peer.rules_out, f"{config.file}, export to {peer.name}")
    if peer.as_override:
        override = {"path_substitute": {"from": peer.asn, "to": instance.asn}}
        yield (Term(name="as-override", do=(override,), then="continue", source="R101"),)
