"""The file's data as the rules look at it: ranges, subnets and directions parsed, nothing assigned yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dualhome.net import Address, Prefix
from dualhome.topology.reading import Path
from dualhome.topology.words import BALANCERS, GATEWAYS, MACHINES, NVAS, PEERINGS, SERVERS, VNETS, entries, items

FLAGS = ("allow_virtual_network_access", "allow_forwarded_traffic", "allow_gateway_transit", "use_remote_gateways", "remote_address_space")


@dataclass(frozen=True, slots=True)
class Direction:
    """One direction of a peering as the file gives it: `flags` only those that are given."""

    local: str
    remote: str
    flags: Mapping[str, Any]
    path: Path


@dataclass(frozen=True, slots=True)
class Place:
    """A subnet: its prefix, route table, and where it stands."""

    prefix: Prefix
    route_table: str | None
    path: Path


@dataclass(frozen=True, slots=True)
class Placed:
    """Something with an address (or none yet) in a subnet; `subnet` is a key as hub1/nva."""

    name: str
    subnet: str
    address: Address | None
    path: Path  # of the address, or where it would be


@dataclass(slots=True)
class Site:
    """A network's data, of the right form; names may still dangle."""

    net: Mapping[str, Any]
    ranges: dict[str, list[Prefix]] = field(default_factory=dict)
    subnets: dict[str, Place] = field(default_factory=dict)
    directions: list[Direction] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, x in entries(self.net, VNETS):
            self.ranges[name] = [*map(Prefix.parse, x["address_space"])]
            for subnet, y in x.get("subnets", {}).items():
                prefix, table = (y["prefix"], y.get("route_table")) if isinstance(y, Mapping) else (y, None)
                self.subnets[f"{name}/{subnet}"] = Place(Prefix.parse(prefix), table, (VNETS, name, "subnets", subnet))
        self.directions = [direction for place, item in enumerate(items(self.net, PEERINGS)) for direction in directions(item, place)]

    def machines(self) -> Iterator[Placed]:
        """NICs and load balancers, in the order of the file."""
        for section in self.net:
            if section in (NVAS, MACHINES, BALANCERS):
                for name, x in entries(self.net, section):
                    yield _placed(name, x, (section, name))
                    for nic, y in x.get("interfaces", {}).items():
                        yield _placed(f"{name}.{nic}", y, (section, name, "interfaces", nic))

    def pairs(self, section: str, subnet: str) -> Iterator[tuple[str, str, list[Address], Path]]:
        """Route servers or gateways: name, subnet's key, given addresses, path."""
        for name, x in entries(self.net, section):
            yield name, f"{x['virtual_network']}/{subnet}", [*map(Address.parse, x.get("addresses", []))], (section, name)

    def homes(self, *sections: str) -> dict[str, list[str]]:
        """Route servers and gateways by virtual network."""
        found: dict[str, list[str]] = {}
        for section in sections or (SERVERS, GATEWAYS):
            for name, x in entries(self.net, section):
                found.setdefault(x["virtual_network"], []).append(name)
        return found


def directions(item: Mapping[str, Any], place: int) -> Iterator[Direction]:
    """The one or two directions that an item of `peerings` writes."""
    common = {flag: item[flag] for flag in FLAGS if flag in item}
    if "between" not in item:
        yield Direction(item["from"], item["to"], common, (PEERINGS, place))
        return
    for local, remote in (item["between"], item["between"][::-1]):
        own = item.get(f"{local}->{remote}", {})
        yield Direction(local, remote, common | own, (PEERINGS, place))


def _placed(name: str, x: Mapping[str, Any], path: Path) -> Placed:
    return Placed(name, x["subnet"], Address.parse(x["address"]) if "address" in x else None, (*path, "address"))


def usable(prefix: Prefix) -> range:
    """Places of a subnet's addresses that Azure leaves to its users: all but the first four and the last (R2)."""
    return range(4, prefix.size - 1)
