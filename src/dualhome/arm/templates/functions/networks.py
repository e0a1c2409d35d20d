"""CIDR functions: parseCidr, cidrSubnet, cidrHost.

Source: CIDR functions for Bicep and ARM templates (Azure's documentation).
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from dualhome.arm.templates.evaluate import Function, Scope
from dualhome.arm.templates.faults import wrong_argument
from dualhome.arm.templates.functions.arguments import Data, integer, text

Network = IPv4Network | IPv6Network


def _network(name: str, value: Any) -> Network:
    given = text(name, value)
    try:
        return ip_network(given, strict=False)
    except ValueError as error:
        raise wrong_argument(name, f"'{given[:60]}' is no CIDR range") from error


def _parse(_: Scope, arguments: list[Any]) -> Data:
    network = _network("parseCidr", arguments[0])
    low, high = int(network.network_address), int(network.broadcast_address)
    address = type(network.network_address)
    wide = network.num_addresses > 2
    usable = (low + 1 if wide else low, high - 1 if wide and network.version == 4 else high)
    return {
        "network": str(network.network_address),
        "netmask": str(network.netmask),
        **({"broadcast": str(network.broadcast_address)} if network.version == 4 else {}),
        "firstUsable": str(address(usable[0])),
        "lastUsable": str(address(usable[1])),
        "cidr": network.prefixlen,
    }


def _subnet(_: Scope, arguments: list[Any]) -> str:
    network = _network("cidrSubnet", arguments[0])
    length, index = integer("cidrSubnet", arguments[1]), integer("cidrSubnet", arguments[2])
    if not network.prefixlen <= length <= network.max_prefixlen:
        raise wrong_argument("cidrSubnet", f"the new length must be from {network.prefixlen} to {network.max_prefixlen}, not {length}")
    if not 0 <= index < 2 ** (length - network.prefixlen):
        raise wrong_argument("cidrSubnet", f"{network} has no subnet {index} of length {length}")
    start = int(network.network_address) + index * 2 ** (network.max_prefixlen - length)
    return f"{type(network.network_address)(start)}/{length}"


def _host(_: Scope, arguments: list[Any]) -> str:
    network, index = _network("cidrHost", arguments[0]), integer("cidrHost", arguments[1])
    last = network.num_addresses - (2 if network.version == 4 and network.num_addresses > 2 else 1)
    if not 0 <= index < max(last, 1):
        raise wrong_argument("cidrHost", f"{network} has no host {index}")
    first = 1 if network.num_addresses > 2 else 0
    return str(network.network_address + index + first)


FAMILY: Final = {
    "parseCidr": Function(1, 1, _parse),
    "cidrSubnet": Function(3, 3, _subnet),
    "cidrHost": Function(2, 2, _host),
}
