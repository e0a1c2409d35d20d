"""Network security groups: which packets may leave and enter the NICs of a subnet, by rules, tags and Azure's default rules.

In: the world, a NIC, a packet. Out: None where it passes, else the reason and the rule that says so. A group is stateful: answers of a flow that a
NIC let out or in pass it unjudged. Begin at `refused`; `tag_space` is what the tag VirtualNetwork stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dualhome.forwarding.effective import Routes, Space, routes_of
from dualhome.forwarding.packets import PRIVATE, Flow, Packet
from dualhome.forwarding.world import World
from dualhome.model import LoadBalancer, Network, NetworkSecurityGroup, Nic, SecurityRule, VirtualMachine
from dualhome.net import Address, Prefix

PLATFORM: Final = Prefix.parse("168.63.129.16/32")  # the host's own address: load balancers probe from there
HEALTH: Final = Flow(protocol="Tcp", port=0)  # a load balancer's probe, of whose port the file says nothing
GROUP: Final = "network-security-group"
ACCESS: Final = "virtual-network-access"


def _default(name: str, priority: int, inbound: bool, allow: bool, source: str = "", destination: str = "") -> SecurityRule:
    ends = [(tag,) if tag else () for tag in (source, destination)]
    return SecurityRule(name=name, priority=priority, inbound=inbound, allow=allow, source=ends[0], destination=ends[1])


DEFAULT_RULES: Final = (
    _default("AllowVnetInBound", 65000, True, True, "VirtualNetwork", "VirtualNetwork"),
    _default("AllowAzureLoadBalancerInBound", 65001, True, True, "AzureLoadBalancer"),
    _default("DenyAllInBound", 65500, True, False),
    _default("AllowVnetOutBound", 65000, False, True, "VirtualNetwork", "VirtualNetwork"),
    _default("AllowInternetOutBound", 65001, False, True, "", "Internet"),
    _default("DenyAllOutBound", 65500, False, False),
)


def group_of(network: Network, nic: Nic) -> NetworkSecurityGroup | None:
    """That of the NIC's subnet."""
    name = network.subnet(nic.subnet).network_security_group
    return network.network_security_groups[name] if name else None


# --- the tag VirtualNetwork ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TagSpace:
    """`inside`: what the tag holds. `without`: peered ranges that it doesn't, whatever else covers them, for the peering allows no access (D11)."""

    inside: frozenset[Prefix]
    without: frozenset[Prefix]


def tag_space(world: World, nic: str) -> TagSpace:
    """The own space, peered networks with access, what gateways and route servers program, prefixes of user-defined routes, and the host's address."""
    return _tag(world, nic)[0]


def _tag(world: World, nic: str) -> tuple[TagSpace, Space, Space]:
    """Made once for each subnet and table of routes."""
    found_nic = world.network.nic(nic)
    assert found_nic is not None, f"{nic} is no machine's NIC"
    routes, key = routes_of(world, nic), ("tag", found_nic.subnet)
    known = world.memo.get(key)
    if known is None or known[0] is not routes:
        space = _tag_space(world.network, found_nic.virtual_network, routes)
        known = world.memo[key] = routes, (space, Space(space.inside), Space(space.without))
    found: tuple[TagSpace, Space, Space] = known[1]
    return found


def _tag_space(network: Network, place: str, routes: Routes) -> TagSpace:
    peered = [(peering, network.known_space(place, peering.remote)) for peering in network.connected(place)]
    allowed = [prefix for peering, ranges in peered if peering.allow_virtual_network_access for prefix in ranges]
    without = [prefix for peering, ranges in peered if not peering.allow_virtual_network_access for prefix in ranges]
    routed = [row.prefix for row in routes.rows if row.source != "Default" and row.state == "Active"]
    own = network.virtual_networks[place].address_space
    return TagSpace(frozenset((PLATFORM, *own, *allowed, *routed)), frozenset(without))


# --- rules --------------------------------------------------------------------------------------------------------------


def refused(world: World, nic: Nic, packet: Packet, *, inbound: bool) -> tuple[str, str] | None:
    """Why the security group of a NIC's subnet drops a packet: reason, and the rule. None where it passes, or is part of a flow that passed before.

    What the default rules drop only because a peering allows no access is dropped for that reason (D11).
    """
    group = group_of(world.network, nic)
    if group is None or packet.flow is None or nic.machine in packet.known_to:
        return None
    rule = deciding_rule(world, nic, group, packet, inbound=inbound)
    if rule.allow:
        return None
    _, _, without = _tag(world, nic.name)
    other = packet.source if inbound else packet.destination
    if rule in DEFAULT_RULES and without.covers(other.host_prefix):
        return ACCESS, f"{nic.subnet} allows no access to or from {other}, and {group.name} has no rule that does (D11)"
    way = "from" if inbound else "to"
    said = f"{group.name} of {nic.subnet}: {rule.name} ({rule.priority}) denies {packet.flow} {way} {other}"
    return GROUP, said


def deciding_rule(world: World, nic: Nic, group: NetworkSecurityGroup, packet: Packet, *, inbound: bool) -> SecurityRule:
    """The first rule by priority that matches; Azure's default rules come last."""
    return next(rule for rule in (*group.rules, *DEFAULT_RULES) if _matches(world, nic, rule, packet, inbound=inbound))


def _matches(world: World, nic: Nic, rule: SecurityRule, packet: Packet, *, inbound: bool) -> bool:
    flow = packet.flow
    if flow is None or rule.inbound != inbound or rule.protocol not in ("*", flow.protocol):
        return False
    if rule.ports and (flow.protocol == "Icmp" or not any(first <= flow.port <= last for first, last in rule.ports)):
        return False
    ends = ((rule.source, packet.source), (rule.destination, packet.destination))
    return all(not wanted or any(_is_in(world, nic, each, address) for each in wanted) for wanted, address in ends)


def _is_in(world: World, nic: Nic, end: Prefix | str, address: Address) -> bool:
    """Whether an address is in a prefix, or in what a tag stands for at this NIC."""
    if isinstance(end, Prefix):
        return end.covers(address)
    if end == "AzureLoadBalancer":
        return PLATFORM.covers(address)
    _, inside, without = _tag(world, nic.name)
    host = address.host_prefix
    in_virtual_network = inside.covers(host) and not without.covers(host)
    return in_virtual_network if end == "VirtualNetwork" else not in_virtual_network and not any(p.covers(address) for p in PRIVATE)


# --- peerings without access --------------------------------------------------------------------------------------------


def without_access(network: Network, sender: str, receiver: str) -> Iterator[tuple[str, bool]]:
    """Of two peered virtual networks those whose own side of the peering allows no access, and whether that one receives; nothing where the peering's
    routes go instead (D11).
    """
    if network.quirks.without_virtual_network_access != "dropped":
        return
    for local, remote, receives in ((sender, receiver, False), (receiver, sender, True)):
        peering = network.peering(local, remote)
        if peering is not None and not peering.allow_virtual_network_access:
            yield local, receives


def may_pass_without_access(network: Network, sender: str, receiver: str) -> bool:
    """Whether any rule could let a packet pass, or the flow that it answers: at each side without access a group with a rule of its own that allows
    something (D11).
    """
    return all(_allows_something(network, place) for place, _ in without_access(network, sender, receiver))


def _allows_something(network: Network, virtual_network: str) -> bool:
    names = {subnet.network_security_group for subnet in network.virtual_networks[virtual_network].subnets.values()}
    groups = (network.network_security_groups[name] for name in names if name)
    return any(rule.allow for group in groups for rule in group.rules)


def crossing_refused(
    world: World, sender: str, receiver: str, packet: Packet, ends: tuple[Nic | None, Nic | None]
) -> tuple[str, str] | None:
    """Without access a packet is dropped, unless a rule of the side that allows none lets it pass explicitly (D11). `ends`: NICs, where there are."""
    for place, receives in without_access(world.network, sender, receiver):
        nic = ends[receives]
        if nic is not None and nic.machine in packet.known_to:
            continue  # an answer
        group = group_of(world.network, nic) if nic else None
        rule = deciding_rule(world, nic, group, packet, inbound=receives) if nic and group and packet.flow else None
        if rule is None or rule in DEFAULT_RULES:
            return ACCESS, f"the peering of {sender} and {receiver} blocks all traffic (D11): {place} allows no access"
        if not rule.allow and nic and group:
            return GROUP, f"{group.name} of {nic.subnet}: {rule.name} ({rule.priority}) denies {packet.flow}"
    return None


# --- load balancers' probes ---------------------------------------------------------------------------------------------


def live_backends(world: World, balancer: LoadBalancer) -> list[Nic]:
    """NICs of the backends that it takes for healthy: those that answered its last probes."""
    return [nic for nic in backends(world.network, balancer) if world.healthy(balancer.name, nic.machine)]


def backends(network: Network, balancer: LoadBalancer) -> list[Nic]:
    """NICs of a load balancer's backends: of an NVA the primary."""
    return [_nic(network.virtual_machines.get(name), network, name) for name in balancer.backends]


def _nic(machine: VirtualMachine | None, network: Network, name: str) -> Nic:
    return machine.nic if machine else network.nvas[name].nics[0]


def answers_probes(world: World, nic: Nic) -> bool:
    """Whether a probe sent now would be answered: the machine lives, and its security group lets the probe in."""
    probe = Packet(source=PLATFORM.address(0), destination=nic.address, flow=HEALTH)
    return world.alive(nic.machine) and refused(world, nic, probe, inbound=True) is None
