"""What Azure refuses of peerings, BGP peers and routes; a function a rule, with its R number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dualhome.model import PERSONALITIES
from dualhome.net import Address
from dualhome.topology.reading import Path
from dualhome.topology.rules_addressing import overlapping
from dualhome.topology.rules_personality import behaves_like
from dualhome.topology.site import Direction, Site
from dualhome.topology.words import CIRCUITS, GATEWAYS, NVAS, ROUTERS, SERVERS, TABLES, Wrong, entries, items, nearest

RESERVED = {8074, 8075, 12076, 23456, 65515, *range(65517, 65521), *range(64496, 64512), *range(65535, 65552)}


def one_peering(site: Site) -> Iterator[Wrong]:
    """R22: one peering per remote virtual network."""
    seen: dict[tuple[str, str], Direction] = {}
    for each in site.directions:
        first = seen.setdefault((each.local, each.remote), each)
        if first is not each and each.local != each.remote:
            text = f"'{each.local}->{each.remote}' stands here a second time (R22, AnotherPeeringAlreadyReferencesRemoteVnet)"
            yield Wrong(each.path, text, f"first as entry {int(first.path[1]) + 1}")


def peered_overlaps(site: Site) -> Iterator[Wrong]:
    """R15: peered networks do not overlap, nor do two that are peered with the same one."""
    around: dict[str, dict[str, Path]] = {}
    for each in site.directions:
        if each.local != each.remote:
            around.setdefault(each.local, {}).setdefault(each.remote, each.path)
            around.setdefault(each.remote, {}).setdefault(each.local, each.path)
    told: set[frozenset[str]] = set()
    for hub, peers in around.items():
        ranges = [(prefix, name) for name in (hub, *peers) for prefix in site.ranges.get(name, [])]
        for (a, one), (b, other) in overlapping(ranges):
            if one == other or frozenset((one, other)) in told:
                continue
            told.add(frozenset((one, other)))
            if hub in (one, other):
                text = f"the address spaces of {one!r} ({a}) and {other!r} ({b}) overlap (R15, VnetAddressSpacesOverlap)"
                yield Wrong(peers[one if other == hub else other], text, "peered virtual networks are apart")
            else:
                later = max((one, other), key=lambda name: int(peers[name][1]))
                text = f"{one!r} ({a}) and {other!r} ({b}), both peered with {hub!r}, overlap (R15, VnetAddressSpaceOverlapsWithAlreadyPeeredVnet)"
                yield Wrong(peers[later], text, "networks peered with the same one are apart")


def remote_gateways(site: Site) -> Iterator[Wrong]:
    """R30, R31, R32: one peering of a network may use remote gateways, where it has none itself and the remote has some. So a dual-homed spoke with a route
    server of its own uses none (R42, R168).
    """
    homes = site.homes()
    first: dict[str, Direction] = {}
    for each in site.directions:
        if not each.flags.get("use_remote_gateways"):
            continue
        name, path = f"{each.local}->{each.remote}", _flag(site, each)
        other = first.setdefault(each.local, each)
        if other.remote != each.remote:
            text = f"{name!r} cannot have use_remote_gateways set to true, because another peering '{other.local}->{other.remote}' already has it (R30)"
            yield Wrong(path, text, "one at most per virtual network", code="L-006", rule="R30", on=name)
        if each.local in homes:
            text = f"{name!r} cannot have use_remote_gateways set to true, because {each.local!r} has {homes[each.local][0]!r} of its own (R31)"
            yield Wrong(path, text, "a gateway or route server of its own excludes it", code="L-007", rule="R31", on=name)
        if each.remote in site.ranges and each.remote not in homes:
            text = f"{name!r} cannot have use_remote_gateways set to true, because {each.remote!r} does not have any gateways (R32, RemoteVnetHasNoGateways)"
            yield Wrong(path, text, f"give {each.remote!r} a gateway or a route server first", code="L-008", rule="R32", on=name)


def _flag(site: Site, each: Direction) -> Path:
    item = site.net["peerings"][each.path[1]]
    own = item.get(f"{each.local}->{each.remote}", {})
    return (
        (*each.path, f"{each.local}->{each.remote}", "use_remote_gateways")
        if "use_remote_gateways" in own
        else (*each.path, "use_remote_gateways")
    )


def route_server_peers(site: Site) -> Iterator[Wrong]:
    """R79: ASNs that a route server's peer may not have; a peer is named once, is an NVA or a router, and has an ASN."""
    routers = {name: x for section in (NVAS, ROUTERS) for name, x in entries(site.net, section)}
    for server, x in entries(site.net, SERVERS):
        seen: dict[str, int] = {}
        default = PERSONALITIES[behaves_like(site.net, x)]
        for place, peer in enumerate(x.get("peers", [])):
            given: Mapping[str, Any] = peer if isinstance(peer, Mapping) else {"name": peer}
            name, path = given["name"], (SERVERS, server, "peers", place)
            if seen.setdefault(name, place) != place:
                yield Wrong(path, f"the peer {name!r} stands here a second time", f"first as entry {seen[name] + 1}")
            if "asn" not in given and name not in routers:
                if name in {each for section in (SERVERS, GATEWAYS, CIRCUITS) for each, _ in entries(site.net, section)}:
                    yield Wrong(path, f"{name!r} cannot be a peer of a route server", "peers are NVAs, by name, or by address and ASN")
                continue
            asn = given.get("asn", routers.get(name, {}).get("asn"))
            if asn is None:
                yield Wrong(path, f"the peer {name!r} has no 'asn', and so no BGP", f"give {name!r} one, as 65001")
            elif not x.get("any_peer_asn", default.any_peer_asn) and (int(asn) in RESERVED or asn > 65535):
                why = "reserved" if int(asn) in RESERVED else "more than 16 bits"
                text = f"the peer {name!r} has ASN {int(asn)}, which is {why} (R79)"
                yield Wrong(
                    path,
                    text,
                    "64512 to 65514 or 65521 to 65534, or a public one; 'any_peer_asn: true' goes beyond Azure",
                    code="L-002",
                    rule="R79",
                    on=name,
                )


def sessions(site: Site) -> Iterator[Wrong]:
    """Sessions that routers declare: to another one, once for both ends, each with an ASN."""
    routers = {name: x for section in (NVAS, ROUTERS) for name, x in entries(site.net, section)}
    declared: dict[frozenset[str], str] = {}
    for section in (NVAS, ROUTERS):
        for name, x in entries(site.net, section):
            for place, session in enumerate(items(x, "sessions")):
                path, to = (section, name, "sessions", place), session["to"]
                if to == name:
                    yield Wrong((*path, "to"), f"{name!r} is joined with itself", "a session leads to another speaker")
                    continue
                first = declared.setdefault(frozenset((name, to)), name)
                if first != name:
                    yield Wrong(path, f"{first!r} declares the session with {name!r} already", "one end declares it for both")
                for end in (name, to):
                    if end in routers and "asn" not in routers[end]:
                        yield Wrong((*path, "to"), f"a session with {to!r}, and {end!r} has no 'asn'", f"give {end!r} one, as 65001")


def interfaces(site: Site) -> Iterator[Wrong]:
    """A static route leaves by a NIC that the machine has."""
    for section in (NVAS, ROUTERS):
        for name, x in entries(site.net, section):
            for place, route in enumerate(items(x, "static_routes")):
                nic = route.get("interface")
                if nic is not None and nic not in x.get("interfaces", {}):
                    path = (section, name, "static_routes", place, "interface")
                    yield Wrong(path, f"no interface {nic!r}", nearest(nic, x.get("interfaces", {})))


def user_routes(site: Site) -> Iterator[Wrong]:
    """R54: one route per prefix in a table."""
    for table, x in entries(site.net, TABLES):
        seen: dict[str, int] = {}
        for place, route in enumerate(items(x, "routes")):
            if seen.setdefault(route["prefix"], place) != place:
                text = f"a second route for {route['prefix']} (R54, RouteConflict)"
                yield Wrong((TABLES, table, "routes", place, "prefix"), text, "VirtualApplianceEcmp takes several next hops")


def next_hops(site: Site) -> Iterator[Wrong]:
    """A next hop has an address."""
    for table, x in entries(site.net, TABLES):
        for place, route in enumerate(items(x, "routes")):
            named = [(("next_hop",), route["next_hop"])] if "next_hop" in route else []
            named += [(("next_hops", i), hop) for i, hop in enumerate(route.get("next_hops", []))]  # type: ignore[misc]
            for where, hop in named:
                if hop == "internet":
                    yield Wrong(
                        (TABLES, table, "routes", place, *where), "'internet' has no address", "'next_hop_type: Internet' leads there"
                    )
    for section in (NVAS, ROUTERS):
        for name, x in entries(site.net, section):
            for peer, hop in x.get("next_hop", {}).items():
                if hop == "internet":
                    yield Wrong((section, name, "next_hop", peer), "'internet' has no address", "a host, an address or 'unchanged'")


def session_addresses(site: Site) -> Iterator[Wrong]:
    """An encapsulated link's addresses are of one version."""
    for section in (NVAS, ROUTERS):
        for name, x in entries(site.net, section):
            for place, session in enumerate(items(x, "sessions")):
                given = [*map(Address.parse, session.get("addresses", []))]
                if len({address.version for address in given}) > 1:
                    yield Wrong(
                        (section, name, "sessions", place, "addresses"), "one IPv4 and one IPv6 address", "both ends have the same version"
                    )


RULES = (
    one_peering, peered_overlaps, remote_gateways, route_server_peers, sessions, interfaces, user_routes, next_hops, session_addresses,
)  # fmt: skip
