"""The ports of a layout, as the fabric wants them."""

from __future__ import annotations

from dualhome.fabric.numbers import Numbers
from dualhome.fabric.ports import Ports
from dualhome.fabric.state import Port, PortKind
from dualhome.live.layout import Interface, Layout, Node
from dualhome.live.nodes import mac_of, port_name


def ports_of(layout: Layout, numbers: Numbers) -> Ports:
    """Every interface's port, under the name by which the network knows it."""
    nics: dict[str, Port] = {}
    wires: dict[tuple[str, str], Port] = {}
    for node in layout.nodes.values():
        for each in node.interfaces:
            if each.far:
                wires[node.name, each.far] = _port(node, each, numbers, PortKind.WIRE, far=_far(layout, node, each, numbers))
            else:
                nics[each.nic] = _port(node, each, numbers, PortKind.INTERNET if node.role == "internet" else PortKind.NIC)
    return Ports(nics=nics, wires=wires)


def _far(layout: Layout, node: Node, each: Interface, numbers: Numbers) -> int:
    other = layout.nodes[each.far]
    end = other.toward(node.name)
    assert end is not None, f"the wire from {node.name} to {each.far} has one end only"
    return numbers.port(port_name(other.name, end))


def _port(node: Node, each: Interface, numbers: Numbers, kind: PortKind, far: int = 0) -> Port:
    name = port_name(node.name, each)
    number = numbers.port(name)
    uplink = node.addresses[0] if node.role == "router" and not each.far else None
    return Port(number=number, name=name, kind=kind, mac=mac_of(number), far=far, core=node.core, bonus=node.bonus, address=uplink)
