"""What users connect to machines of their own (`runtime: external`): devices in the host, and what is to be set on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dualhome.fabric.state import NEXT_HOP
from dualhome.live.layout import Interface, Layout
from dualhome.model import Network
from dualhome.net import WIDTH, Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """One interface of one node. `device` is in the host until the user moves it into a container; its MAC address is to stay.

    Where it becomes a port of a bridge, the machine behind the bridge has this MAC address and the device gets another one first.
    """

    node: str
    to: str
    device: str
    mac: str
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]


def plugs(network: Network, layout: Layout, devices: Mapping[tuple[str, str], tuple[str, bytes]]) -> Iterator[Plug]:
    """`devices`: by node and interface the device and its MAC address."""
    for (name, device), (plug, mac) in devices.items():
        node = layout.nodes[name]
        interface = next(each for each in node.interfaces if each.device == device)
        to, addresses, gateways = _subnet(network, interface) or _wire(interface, node.addresses)
        yield Plug(node=name, to=to, device=plug, mac=mac.hex(":"), addresses=addresses, gateways=gateways)


def _subnet(network: Network, interface: Interface) -> tuple[str, tuple[str, ...], tuple[str, ...]] | None:
    """Of a NIC: its subnet, whose first address is Azure's gateway."""
    if (nic := network.nic(interface.nic)) is None:
        return None
    prefix = network.subnet(nic.subnet).prefix
    return nic.subnet, (f"{nic.address}/{prefix.length}",), (str(prefix.address(1)),)


def _wire(interface: Interface, own: tuple[Address, ...]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Of a cable to another node: whatever is behind it is one next hop, which answers to any address."""
    addresses = interface.addresses or own
    gateways = tuple(NEXT_HOP[version] for version in sorted({address.version for address in addresses}))
    return interface.far or interface.nic, tuple(f"{address}/{WIDTH[address.version]}" for address in addresses), gateways
