"""What Azure refuses of ranges, subnets and addresses; a function a rule, with its R number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dualhome.model import GATEWAY_SUBNET, ROUTE_SERVER_SUBNET, Quirks
from dualhome.net import Address, Prefix
from dualhome.topology.reading import Path
from dualhome.topology.site import Site, usable
from dualhome.topology.words import CIRCUITS, GATEWAYS, ROUTERS, SERVERS, VNETS, Wrong, entries, items, words

UNUSABLE = tuple(map(Prefix.parse, ("224.0.0.0/4", "255.255.255.255/32", "127.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32")))


def overlapping(ranges: Sequence[tuple[Prefix, str]]) -> Iterator[tuple[tuple[Prefix, str], tuple[Prefix, str]]]:
    """Pairs of ranges that overlap, each range with the nearest one that holds it; in one sweep."""
    holders: list[tuple[Prefix, str]] = []
    for each in sorted(ranges):
        while holders and not holders[-1][0].covers(each[0]):
            holders.pop()
        if holders:
            yield holders[-1], each
        holders.append(each)


def address_space(site: Site) -> Iterator[Wrong]:
    """R4: ranges that no virtual network may have; and ranges of one network overlap."""
    for name, ranges in site.ranges.items():
        for place, prefix in enumerate(ranges):
            for bad in UNUSABLE:
                if prefix.overlaps(bad):
                    yield Wrong(
                        (VNETS, name, "address_space", place),
                        f"{prefix} holds addresses of {bad}, which Azure keeps (R4)",
                        "choose another range",
                    )
        for (a, _), (b, index) in overlapping([(prefix, f"{place}") for place, prefix in enumerate(ranges)]):
            yield Wrong(
                (VNETS, name, "address_space", int(index)), f"its address ranges {a} and {b} overlap", "ranges of one network are apart"
            )


def subnets(site: Site) -> Iterator[Wrong]:
    """R2: a subnet lies in its network's address space, has at least eight addresses, and overlaps none."""
    by_network: dict[str, list[tuple[Prefix, str]]] = {}
    for key, subnet in site.subnets.items():
        network = key.partition("/")[0]
        by_network.setdefault(network, []).append((subnet.prefix, key))
        if not any(each.covers(subnet.prefix) for each in site.ranges[network]):
            space = ", ".join(map(str, site.ranges[network]))
            yield Wrong(subnet.path, f"{subnet.prefix} lies outside the address space of {network!r}", f"which is {space}")
        if subnet.prefix.size < 8:
            yield Wrong(
                subnet.path, f"{subnet.prefix} is too small: of a subnet's addresses Azure keeps five (R2)", "the smallest is a /29"
            )
    for ranges in by_network.values():
        for (a, one), (b, other) in overlapping(ranges):
            yield Wrong(site.subnets[other].path, f"{b} overlaps {a} of subnet '{one}'")


def special_subnets(site: Site) -> Iterator[Wrong]:
    """R5, R6, R12: a route server needs its RouteServerSubnet, /27 at least (D1: or /26), gateways theirs; R12: /27 where both types share it."""
    at_most = int(site.net.get("quirks", {}).get("route_server_subnet_at_most", Quirks().route_server_subnet_at_most))
    for section, special, rule in ((SERVERS, ROUTE_SERVER_SUBNET, "R5"), (GATEWAYS, GATEWAY_SUBNET, "R12")):
        for name, key, _, path in site.pairs(section, special):
            network = key.partition("/")[0]
            if network in site.ranges and key not in site.subnets:
                hint = f"add '{special}' to the subnets of {network!r}"
                text, code = f"{network!r} has no {special}, where {name!r} would live ({rule})", "L-017" if section == SERVERS else ""
                yield Wrong((*path, "virtual_network"), text, hint, code=code, rule=rule, on=name)
    for key, subnet in site.subnets.items():
        network, _, name = key.partition("/")
        kinds = {x["type"] for _, x in entries(site.net, GATEWAYS) if x["virtual_network"] == network} if name == GATEWAY_SUBNET else set()
        small = subnet.prefix.version == 4 and subnet.prefix.length > 27
        if name == ROUTE_SERVER_SUBNET and subnet.prefix.length > at_most and network in site.homes(SERVERS):
            wanted = "a /27 at least, better a /26" if at_most == 27 else "a /26 at least"
            yield Wrong(subnet.path, f"{subnet.prefix} is too small for a route server (R6)", wanted, code="L-017", rule="R6", on=key)
        if small and len(kinds) == 2:
            yield Wrong(subnet.path, f"{subnet.prefix} is too small for an ExpressRoute and a VPN gateway (R12)", "a /27 at least")
        if name == ROUTE_SERVER_SUBNET and subnet.route_table:
            yield Wrong(
                (*subnet.path, "route_table"),
                "no route table may be associated with RouteServerSubnet (R7)",
                "remove 'route_table'",
                key=True,
                code="L-016",
                rule="R7",
                on=key,
            )


def one_route_server(site: Site) -> Iterator[Wrong]:
    """R5: a virtual network has one route server at most."""
    for network, names in site.homes(SERVERS).items():
        for name in names[1:]:
            text = f"{network!r} has a route server already, {names[0]!r} (R5)"
            yield Wrong((SERVERS, name, "virtual_network"), text, "one at most", code="L-017", rule="R5", on=name)


def addresses(site: Site) -> Iterator[Wrong]:
    """R2, R5, R12: an address is a usable one of its subnet, and of one thing; special subnets are for their own."""
    taken: dict[tuple[str, Address], str] = {}
    for name, key, address, path in _given(site):
        subnet = site.subnets.get(key)
        if subnet is None:
            continue
        if not subnet.prefix.covers(address):
            first, last = (
                (subnet.prefix.address(usable(subnet.prefix)[place]) for place in (0, -1)) if subnet.prefix.size >= 8 else ("", "")
            )
            yield Wrong(
                path,
                f"address {address} lies outside its subnet '{key}', {subnet.prefix}",
                f"usable are {first} to {last}" if first else "",
            )
        elif subnet.prefix.size >= 8 and address.bits - subnet.prefix.bits not in usable(subnet.prefix):
            first, last = (subnet.prefix.address(usable(subnet.prefix)[place]) for place in (0, -1))
            yield Wrong(path, f"address {address} is one of the five that Azure keeps of '{key}' (R2)", f"usable are {first} to {last}")
        other = taken.setdefault((key.partition("/")[0], address), name)
        if other != name:
            yield Wrong(path, f"address {address} is taken", f"by {other!r}")
    for machine in site.machines():
        special = machine.subnet.partition("/")[2]
        if special in (ROUTE_SERVER_SUBNET, GATEWAY_SUBNET):
            tenant = "a route server" if special == ROUTE_SERVER_SUBNET else "gateways"
            rule = "R5" if special == ROUTE_SERVER_SUBNET else "R12"
            yield Wrong((*machine.path[:-1], "subnet"), f"{special} is for {tenant} alone ({rule})", "choose another subnet")


def _given(site: Site) -> Iterator[tuple[str, str, Address, Path]]:
    for section, subnet in ((SERVERS, ROUTE_SERVER_SUBNET), (GATEWAYS, GATEWAY_SUBNET)):
        for name, key, given, path in site.pairs(section, subnet):
            yield from ((f"{name}#{place}", key, address, (*path, "addresses", place)) for place, address in enumerate(given))
    for machine in site.machines():
        if machine.address:
            yield machine.name, machine.subnet, machine.address, machine.path


def link_subnets(site: Site) -> Iterator[Wrong]:
    """R19, R139: a circuit's links are /30s apart from each other and from every virtual network; of a /29 these are its halves."""
    seen: list[tuple[Prefix, str]] = []
    networks = [(prefix, name) for name, ranges in site.ranges.items() for prefix in ranges]
    for name, x in entries(site.net, CIRCUITS):
        for place, text in enumerate(items(x, "link_subnets")):
            prefix, path = Prefix.parse(text), (CIRCUITS, name, "link_subnets", place)
            if (prefix.version, prefix.length) not in ((4, 30), (6, 126)):
                yield Wrong(
                    path, f"link subnet {prefix} is no /30 (R139)", "the router takes its first usable address, Microsoft the second"
                )
            for other, network in networks:
                if other.overlaps(prefix):
                    yield Wrong(path, f"link subnet {prefix} overlaps {other} of virtual network {network!r} (R19)", "choose one outside")
            for other, circuit in seen:
                if other.overlaps(prefix):
                    yield Wrong(path, f"link subnet {prefix} overlaps {other} of circuit {circuit!r}")
            seen.append((prefix, name))


def router_addresses(site: Site) -> Iterator[Wrong]:
    """Two on-premises routers on one LAN do not share an address."""
    taken: dict[tuple[str, str], str] = {}
    for name, x in entries(site.net, ROUTERS):
        if "address" in x:
            for lan in [each for each in words(x, "prefixes") if Prefix.parse(each).covers(Address.parse(x["address"]))]:
                other = taken.setdefault((lan, x["address"]), name)
                if other != name:
                    yield Wrong((ROUTERS, name, "address"), f"address {x['address']} is taken", f"by {other!r} on the same LAN")


RULES = (address_space, subnets, special_subnets, one_route_server, addresses, link_subnets, router_addresses)
