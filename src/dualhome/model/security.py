"""Network security groups: which packets may enter and leave the NICs of a subnet."""

from __future__ import annotations

from dataclasses import dataclass

from dualhome.net import Prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityRule:
    """One rule. Ends are prefixes or the tags VirtualNetwork, Internet, AzureLoadBalancer; () is any. `ports` are the destination's, first and last."""

    name: str
    priority: int
    inbound: bool
    allow: bool
    protocol: str = "*"  # * | Tcp | Udp | Icmp
    source: tuple[Prefix | str, ...] = ()
    destination: tuple[Prefix | str, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSecurityGroup:
    """Rules in the order of their priority; Azure's default rules follow them."""

    name: str
    rules: tuple[SecurityRule, ...] = ()
