"""Ranges of addresses as Azure writes and refuses them."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable, Iterator
from functools import lru_cache
from itertools import islice

from dualhome.arm.errors import bad_request

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=65536)
def network_of(text: str) -> Network:
    """A range that is known to be one."""
    return ipaddress.ip_network(text, strict=False)


def canonical(text: object, by: str) -> str:
    """The range as it is written canonically.

    Raises:
        ArmError: 400, it is none (InvalidAddressPrefixFormat), or has bits set beyond its length (InvalidCIDRNotation).
    """
    try:
        found = ipaddress.ip_network(str(text).strip(), strict=False)
    except ValueError as error:
        raise bad_request(
            "InvalidAddressPrefixFormat",
            f"Address prefix {text} of resource {by} is not formatted correctly. It should follow CIDR notation, for example 10.0.0.0/24.",
        ) from error
    if (
        str(text).strip().partition("/")[0] != str(found.network_address)
        and ipaddress.ip_address(str(text).strip().partition("/")[0]) != found.network_address
    ):
        raise bad_request(
            "InvalidCIDRNotation",
            f"The address prefix {text} in resource {by} has an invalid CIDR notation. For the given prefix length, the address prefix should be {found}.",
        )
    return str(found)


def address(text: object, by: str) -> str:
    """An address, canonical. ArmError 400 InvalidIPAddress... where it is none."""
    try:
        return str(ipaddress.ip_address(str(text).strip()))
    except ValueError as error:
        raise bad_request("InvalidIPAddress", f"IP address {text} of resource {by} is invalid.") from error


@lru_cache(maxsize=65536)
def overlap(a: str, b: str) -> bool:
    """Whether two ranges have an address in common."""
    one, other = network_of(a), network_of(b)
    return one.version == other.version and one.overlaps(other)


def addresses_in(network: Network, taken: Container[str]) -> Iterator[str]:
    """Free addresses that a subnet may give, lowest first: without the first four and the last (R2)."""
    for place in range(4, network.num_addresses - (1 if network.version == 4 else 0)):
        found = str(network[place])
        if found not in taken:
            yield found


def free_in(ranges: Iterable[Network], taken: Container[str], count: int = 1) -> list[str]:
    """The lowest addresses that nobody has in a subnet's ranges; fewer than `count` where there are no more."""
    return list(islice((free for each in ranges for free in addresses_in(each, taken)), count))
