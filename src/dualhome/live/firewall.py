"""What nodes do beside forwarding, as rules of nftables: NVAs and on-premises routers translate (`translates`) and keep state (`stateful`), gateways keep
circuits apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dualhome.forwarding.packets import PRIVATE
from dualhome.live.layout import Node

TABLE: Final = "inet dualhome"


def ruleset(node: Node) -> str:
    """Rules for `nft -f`; "" where the node has none."""
    router = node.router
    lines = [*_stateful(router.stateful), *_translation(node)] if router is not None else [*_between_circuits(node)]
    return "\n".join([f"table {TABLE} {{", *lines, "}", ""]) if lines else ""


def _stateful(on: bool) -> Iterator[str]:
    """A firewall drops what belongs to no flow of which it saw the beginning (R64)."""
    if on:
        yield "  chain forward { type filter hook forward priority filter; policy accept;"
        yield "    ct state invalid drop"
        yield "    icmp type echo-reply ct state new drop"
        yield "    tcp flags & (syn | ack) != syn ct state new drop"
        yield "  }"


def _between_circuits(node: Node) -> Iterator[str]:
    """A gateway carries nothing from one circuit to another (R131)."""
    circuits = [", ".join(f'"{device}"' for device in devices) for devices in node.circuits]
    if len(circuits) > 1:
        yield "  chain forward { type filter hook forward priority filter; policy accept;"
        for devices in circuits:
            others = ", ".join(each for each in circuits if each != devices)
            yield f"    iifname {{ {devices} }} oifname {{ {others} }} drop"
        yield "  }"


def _translation(node: Node) -> Iterator[str]:
    """Toward the Internet, or toward the prefixes that are listed: from the node's own address."""
    router = node.router
    assert router is not None, f"{node.name} is no router"
    translates = router.translates
    if not translates:
        return
    yield "  chain postrouting { type nat hook postrouting priority srcnat; policy accept;"
    for device, own in _ways_out(node):
        family = "ip" if ":" not in own else "ip6"
        if isinstance(translates, tuple):
            mine = [str(p) for p in translates if (p.version == 4) == (family == "ip")]
            where = f"{family} daddr {{ {', '.join(mine)} }}" if mine else ""
        else:
            private = [str(p) for p in PRIVATE if (p.version == 4) == (family == "ip")]
            where = f"{family} daddr != {{ {', '.join(private)} }}"
        if where:
            yield f'    oifname "{device}" {where} {family} saddr != {own} snat {family} to {own}'
    yield "  }"


def _ways_out(node: Node) -> Iterator[tuple[str, str]]:
    """Devices out of which packets are translated, and the address that they get."""
    router = node.router
    assert router is not None, f"{node.name} is no router"
    if router.nics:
        yield from ((each.device, str(address)) for each in node.interfaces if each.nic for address in each.addresses)
    elif isinstance(router.translates, tuple):
        yield from ((each.device, str(node.addresses[0])) for each in node.interfaces)
    else:
        yield from ((each.device, str(node.addresses[0])) for each in node.interfaces if each.nic)
