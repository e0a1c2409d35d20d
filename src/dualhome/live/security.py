"""Network security groups of live machines, as rules of nftables in their namespaces: what `forwarding.security` says of single packets, for all.

Packets are judged as they enter and leave a NIC, translated or not, as on the wire; those of a flow that was let through pass. What the tag
VirtualNetwork holds hangs on routes, so the rules are made anew when routes are programmed. Begin at `ruleset`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from dualhome.forwarding.packets import PRIVATE
from dualhome.forwarding.security import DEFAULT_RULES, PLATFORM, TagSpace, group_of, tag_space
from dualhome.forwarding.world import World
from dualhome.live.layout import Interface, Node
from dualhome.model import GATEWAY_SUBNET, Network, Nic, SecurityRule, base_name
from dualhome.net import Prefix

TABLE: Final = "inet dualhome-security"
FAMILIES: Final = ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr"))
PROTOCOLS: Final = {"*": "", "Tcp": "meta l4proto tcp", "Udp": "meta l4proto udp", "Icmp": "meta l4proto { icmp, ipv6-icmp }"}
NEIGHBORS: Final = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept"
UNDER_WAY: Final = (
    "ct state new tcp flags & (syn | ack) == ack accept"  # of a connection that was there before its kernel kept track of any
)
VIRTUAL_NETWORK, INTERNET, LOAD_BALANCER = "VirtualNetwork", "Internet", "AzureLoadBalancer"


def ruleset(world: World, node: Node) -> str:
    """Rules for `nft -f`; "" where no group and no peering without access concerns the node."""
    if node.external or not _concerned(world.network):
        return ""
    judged = [(place, each, *found) for place, each in enumerate(node.interfaces) if (found := _of_interface(world, each)) is not None]
    if not judged:
        return ""
    lines: list[str] = []
    for place, _, space, rules in judged:
        lines += _sets(place, space)
        for inbound in (True, False):
            lines += [f"  chain {_chain(place, inbound)} {{", *(f"    {line}" for line in _judging(place, rules, inbound=inbound)), "  }"]
    for inbound, hook in ((True, "prerouting priority -140"), (False, "postrouting priority 110")):
        device = "iifname" if inbound else "oifname"
        lines += [f"  chain {'inbound' if inbound else 'outbound'} {{ type filter hook {hook}; policy accept;"]
        lines += ["    ct state established,related accept", f"    {UNDER_WAY}", f"    {NEIGHBORS}"]
        lines += [f'    {device} "{each.device}" jump {_chain(place, inbound)}' for place, each, _, _ in judged]
        lines += ["  }"]
    return "\n".join([f"table {TABLE} {{", *lines, "}", ""])


def _concerned(network: Network) -> bool:
    return bool(network.network_security_groups)


def _of_interface(world: World, interface: Interface) -> tuple[TagSpace, tuple[SecurityRule, ...]] | None:
    """What the tag holds there, and the rules by priority; none of these but a peering without access where there is no group."""
    network = world.network
    nic = network.nic(interface.nic)
    if nic is not None:
        group = group_of(network, nic)
        if group is not None:
            return tag_space(world, nic.name), (*group.rules, *DEFAULT_RULES)
    closed = _closed(network, _home(network, nic, interface))
    return (TagSpace(frozenset(), closed), ()) if closed else None


def _home(network: Network, nic: Nic | None, interface: Interface) -> str:
    """The virtual network of a NIC, a route server's or a gateway's; "" for others."""
    base = base_name(interface.nic)
    if nic is not None:
        return nic.virtual_network
    if base in network.route_servers:
        return network.route_servers[base].virtual_network
    gateway = network.gateways.get(base)
    return gateway.virtual_network if gateway and GATEWAY_SUBNET in network.virtual_networks[gateway.virtual_network].subnets else ""


def _closed(network: Network, virtual_network: str) -> frozenset[Prefix]:
    """Ranges beyond its own peerings without access, from and to which only an explicit rule lets pass (D11)."""
    if not virtual_network or network.quirks.without_virtual_network_access != "dropped":
        return frozenset()
    closed = (p for p in network.connected(virtual_network) if not p.allow_virtual_network_access)
    return frozenset(prefix for p in closed for prefix in network.known_space(p.local, p.remote))


# --- lines --------------------------------------------------------------------------------------------------------------


def _chain(place: int, inbound: bool) -> str:
    return f"{'in' if inbound else 'out'}_{place}"


def _sets(place: int, space: TagSpace) -> Iterator[str]:
    for name, prefixes in (("inside", space.inside), ("without", space.without)):
        for version, _, kind in FAMILIES:
            mine = [str(prefix) for prefix in _outermost(p for p in prefixes if p.version == version)]
            elements = f" elements = {{ {', '.join(mine)} }}" if mine else ""
            yield f"  set {name}{version}_{place} {{ type {kind}; flags interval; auto-merge;{elements} }}"


def _outermost(prefixes: Iterable[Prefix]) -> list[Prefix]:
    """Without those that others cover, in order."""
    kept: list[Prefix] = []
    for prefix in sorted(prefixes):
        if not kept or not kept[-1].covers(prefix):
            kept.append(prefix)
    return kept


def _judging(place: int, rules: Iterable[SecurityRule], *, inbound: bool) -> Iterator[str]:
    """By priority; before the default rules what lies beyond a peering without access is dropped (D11)."""
    end = "saddr" if inbound else "daddr"
    dropped = [f"{family} {end} @without{version}_{place} drop" for version, family, _ in FAMILIES]
    for rule in (each for each in rules if each.inbound == inbound):
        if rule in DEFAULT_RULES:
            yield from dropped
            dropped = []
        yield from _lines(place, rule)
    yield from dropped


def _lines(place: int, rule: SecurityRule) -> Iterator[str]:
    """One for each pair of ends, for nftables knows no rule of a prefix or a tag."""
    verdict = "accept" if rule.allow else "drop"
    if not rule.source and not rule.destination:
        yield " ".join(filter(None, (_flow(rule), verdict)))
        return
    for version, family, _ in FAMILIES:
        sources = list(_ends(place, rule.source, f"{family} saddr", version))
        destinations = list(_ends(place, rule.destination, f"{family} daddr", version))
        for source, destination in product(sources, destinations):
            yield " ".join(filter(None, (source, destination, _flow(rule), verdict)))


def _flow(rule: SecurityRule) -> str:
    """Protocol and ports of its destination."""
    if not rule.ports:
        return PROTOCOLS[rule.protocol]
    ports = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in rule.ports)
    return f"{PROTOCOLS[rule.protocol] or 'meta l4proto { tcp, udp }'} th dport {{ {ports} }}"


def _ends(place: int, wanted: tuple[Prefix | str, ...], field: str, version: int) -> Iterator[str]:
    """Matches of which one must hold; "" for any address."""
    if not wanted:
        yield ""
    prefixes = [each for each in wanted if isinstance(each, Prefix)]
    prefixes += [PLATFORM] if LOAD_BALANCER in wanted else []
    if mine := [str(prefix) for prefix in _outermost(p for p in prefixes if p.version == version)]:
        yield f"{field} {{ {', '.join(mine)} }}"
    if VIRTUAL_NETWORK in wanted:
        yield f"{field} @inside{version}_{place} {field} != @without{version}_{place}"
    if INTERNET in wanted:
        private = ", ".join(str(prefix) for prefix in PRIVATE if prefix.version == version)
        yield f"{field} != @inside{version}_{place} {field} != {{ {private} }}"
