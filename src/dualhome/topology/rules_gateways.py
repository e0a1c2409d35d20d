"""What Azure refuses of gateways, circuits and VPN connections; a function a rule, with its R number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dualhome.model import AZURE_ASN
from dualhome.topology.rules_routing import RESERVED
from dualhome.topology.site import Site
from dualhome.topology.words import CIRCUITS, CONNECTIONS, GATEWAYS, NVAS, ROUTERS, SERVERS, Wrong, entries, items, nearest, words

Data = Mapping[str, Mapping[str, Any]]

ON_PREMISES_RESERVED = range(65515, 65521)
SITES_RESERVED = {8074, 8075, 12076, 65515, *range(65517, 65521)}
FAST_SKUS = ("ultraperformance", "ergw3az", "ergwscale")
CIRCUITS_OF_A_LOCATION = 4


def on_premises_asns(site: Site) -> Iterator[Wrong]:
    """R140: a router at a circuit has no ASN of 65515 to 65520."""
    routers = dict(entries(site.net, ROUTERS))
    for circuit, x in entries(site.net, CIRCUITS):
        for place, name in enumerate(words(x, "provider_edge")):
            if name not in routers:
                continue
            asn, path = routers[name].get("asn", 0), (CIRCUITS, circuit, "provider_edge", place)
            if int(asn) in ON_PREMISES_RESERVED:
                yield Wrong(path, f"{name!r} has ASN {int(asn)}, and a circuit takes none of 65515 to 65520 (R140)", "choose another")


def gateways(site: Site) -> Iterator[Wrong]:
    """R152: ASNs that a VPN gateway may not have. R157: beside an ExpressRoute gateway or a route server it is route-based and no Basic one."""
    kinds: dict[str, set[str]] = {}
    for _, x in entries(site.net, GATEWAYS):
        kinds.setdefault(x["virtual_network"], set()).add(x["type"])
    homes = site.homes(SERVERS)
    for name, x in entries(site.net, GATEWAYS):
        if x["type"] != "Vpn":
            continue
        asn, place = int(x.get("asn", AZURE_ASN)), x["virtual_network"]
        if asn != AZURE_ASN and asn in RESERVED:
            text = f"{name!r} has ASN {asn}, which is reserved (R152)"
            yield Wrong((GATEWAYS, name, "asn"), text, "65515, 64512 to 65514, 65521 to 65534, or a public one")
        near = (
            "an ExpressRoute gateway" if "ExpressRoute" in kinds[place] else f"route server {homes[place][0]!r}" if place in homes else ""
        )
        if near and x.get("vpn_type") == "PolicyBased":
            yield Wrong((GATEWAYS, name, "vpn_type"), f"{name!r} is policy-based, and {place!r} has {near} (R157)", "RouteBased")
        if near and str(x.get("sku", "")).lower() == "basic":
            yield Wrong((GATEWAYS, name, "sku"), f"{name!r} is of SKU Basic, and {place!r} has {near} (R157)", "VpnGw1 or larger")


def fast_path(site: Site) -> Iterator[Wrong]:
    """R147: FastPath needs the largest gateways; where the file names no SKU, it is one of them."""
    skus = {name: str(x.get("sku", "")) for name, x in entries(site.net, GATEWAYS)}
    for circuit, x in entries(site.net, CIRCUITS):
        for place, connection in enumerate(items(x, "gateways")):
            name = connection["gateway"] if isinstance(connection, Mapping) and connection.get("fast_path") else ""
            if skus.get(name) and skus[name].lower() not in FAST_SKUS:
                text = f"gateway {name!r} is of SKU {skus[name]}, which has no FastPath (R147)"
                yield Wrong((CIRCUITS, circuit, "gateways", place, "fast_path"), text, "UltraPerformance, ErGw3AZ or ErGwScale")


def peering_locations(site: Site) -> Iterator[Wrong]:
    """R146: of one peering location four circuits at most lead to one virtual network."""
    places = {name: x["virtual_network"] for name, x in entries(site.net, GATEWAYS)}
    seen: dict[tuple[str, str], list[str]] = {}
    for circuit, x in entries(site.net, CIRCUITS):
        location = str(x.get("peering_location", ""))
        for network in dict.fromkeys(places[name] for name in words(x, "gateways") if location and name in places):
            known = seen.setdefault((network, location.lower()), [])
            known.append(circuit)
            if len(known) > CIRCUITS_OF_A_LOCATION:
                text = f"{circuit!r} is the fifth circuit from {location} to {network!r} (R146)"
                yield Wrong((CIRCUITS, circuit, "peering_location"), text, "four at most from one peering location")


def circuits(site: Site) -> Iterator[Wrong]:
    """R146: a gateway connects to a circuit once; it is of type ExpressRoute. Global Reach leads to another circuit."""
    kinds = {name: x["type"] for name, x in entries(site.net, GATEWAYS)}
    for circuit, x in entries(site.net, CIRCUITS):
        names = words(x, "gateways")
        for place, name in enumerate(names):
            path = (CIRCUITS, circuit, "gateways", place)
            if kinds.get(name) == "Vpn":
                near = nearest("", [each for each, kind in kinds.items() if kind == "ExpressRoute"])
                yield Wrong(path, f"gateway {name!r} is of type Vpn, and a circuit connects to ExpressRoute", near)
            if name in names[:place]:
                yield Wrong(path, f"gateway {name!r} is connected twice (R146)", "one connection per gateway and circuit")
        for place, name in enumerate(words(x, "global_reach")):
            if name == circuit:
                yield Wrong(
                    (CIRCUITS, circuit, "global_reach", place), f"{circuit!r} is joined with itself", "global_reach lists other circuits"
                )


def vpn_connections(site: Site) -> Iterator[Wrong]:
    """A VPN connection begins and ends at VPN gateways, NVAs, routers; BGP needs an ASN at both ends, and two that differ (R153)."""
    gateways = dict(entries(site.net, GATEWAYS))
    routers = {name: x for section in (NVAS, ROUTERS) for name, x in entries(site.net, section)}
    for place, item in enumerate(items(site.net, CONNECTIONS)):
        for key in ("gateway", "to"):
            name = item[key].partition("#")[0]
            if name in gateways and gateways[name]["type"] != "Vpn":
                yield Wrong(
                    (CONNECTIONS, place, key), f"gateway {name!r} is of type ExpressRoute", "a VPN connection needs one of type Vpn"
                )
            if item.get("bgp") and name in routers and "asn" not in routers[name]:
                yield Wrong(
                    (CONNECTIONS, place, "bgp"), f"BGP is on, and {name!r} has no 'asn'", f"give {name!r} one, or write 'bgp: false'"
                )
        yield from _bgp_ends(gateways, routers, item, place)


def _bgp_ends(gateways: Data, routers: Data, item: Mapping[str, Any], place: int) -> Iterator[Wrong]:
    """R153: where BGP is asked for, the ASNs differ. R152: a site has none of Azure's own."""
    near, far = (item[key].partition("#")[0] for key in ("gateway", "to"))
    if not item.get("bgp", True) or near not in gateways or gateways[near]["type"] != "Vpn":
        return
    mine = int(gateways[near].get("asn", AZURE_ASN))
    theirs = int(gateways[far].get("asn", AZURE_ASN)) if far in gateways else int(routers.get(far, {}).get("asn", 0))
    if item.get("bgp") and theirs == mine:
        yield Wrong(
            (CONNECTIONS, place, "bgp"), f"BGP is on, and {near!r} and {far!r} have the same ASN {mine} (R153)", "give one another ASN"
        )
    elif far in routers and theirs in SITES_RESERVED and theirs != mine:
        yield Wrong((CONNECTIONS, place, "to"), f"{far!r} has ASN {theirs}, which Azure keeps for itself (R152)", "choose another")


RULES = (on_premises_asns, gateways, fast_path, peering_locations, circuits, vpn_connections)
