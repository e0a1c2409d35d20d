"""What NVAs and on-premises routers tell and accept: the file's own words, as policies (topology-format.md, section 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from dualhome.bgp.config import OriginConfig
from dualhome.bgp.policy import Action, Policy, Term
from dualhome.model import Network, Router, base_name
from dualhome.net import Address
from dualhome.plan.rules import policy_of
from dualhome.plan.wiring import router_address

V = TypeVar("V")


def for_peer(values: Mapping[str, V], peer: str) -> V | None:
    """What a mapping says of this peer: by instance first, then by object."""
    return values[peer] if peer in values else values.get(base_name(peer))


def applies(setting: bool | tuple[str, ...], peer: str, *, route_server: bool) -> bool:
    """Whether as_override or as_strip is meant toward this peer: True means every route server."""
    if isinstance(setting, bool):
        return setting and route_server
    return peer in setting or base_name(peer) in setting


def origins(network: Network, router: Router) -> Iterator[OriginConfig]:
    """Its LANs and what it says that it originates."""
    address = router_address(network, router)
    for prefix in router.prefixes:
        if prefix.version == address.version:
            yield OriginConfig(prefix=prefix, next_hop=address, tags=("self", "originated"))
    for origin in router.originates:
        if origin.prefix.version == address.version:
            yield OriginConfig(prefix=origin.prefix, next_hop=address, as_path=origin.as_path, tags=("self", "originated"))


def import_rules(router: Router, peer: str) -> Policy:
    """Its rules for what this peer tells it."""
    return policy_of(for_peer(router.import_rules, peer) or (), f"import of {router.name}")


def export(network: Network, router: Router, peer: str, peer_asn: int, *, route_server: bool) -> tuple[Policy, ...]:
    """Rules first (R171), then communities, next hop, as-override or strip (R101, R165, R179), extra copies of its own ASN (the engine adds the one of
    RFC 4271 5.1.2).
    """
    rules = policy_of(for_peer(router.export_rules, peer) or (), f"export of {router.name}")
    finish = tuple(_finish(network, router, peer, peer_asn, route_server=route_server))
    return (rules, finish) if finish else (rules,)


def _finish(network: Network, router: Router, peer: str, peer_asn: int, *, route_server: bool) -> Iterator[Term]:
    if communities := for_peer(router.communities, peer):
        yield _always("communities", {"community_add": list(communities)})
    if next_hop := for_peer(router.next_hop, peer):
        yield _always("next hop", {"next_hop": str(_next_hop(network, next_hop))}, "R116")
    assert router.asn is not None, "a speaker has an ASN"
    if applies(router.as_override, peer, route_server=route_server):
        yield _always("as-override", {"path_substitute": {"from": peer_asn, "to": router.asn}}, "R101")
    elif applies(router.as_strip, peer, route_server=route_server):
        yield _always("as-strip", {"path_remove": [peer_asn]}, "R101")
    if copies := for_peer(router.prepend, peer):
        yield _always("prepend", {"prepend": [router.asn] * copies}, "R163")


def _always(name: str, action: Action, source: str = "") -> Term:
    return Term(name=name, do=(action,), then="continue", source=source)


def _next_hop(network: Network, word: str) -> Address | str:
    """An address (R116, R186), or `unchanged`, as of a speaker that stands for many NVAs (R188); a name stands for the first address of what it names."""
    if word == "unchanged":
        return word
    named = network.addresses_of(word)
    return named[0] if named else Address.parse(word)
