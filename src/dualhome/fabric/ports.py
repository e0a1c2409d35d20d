"""Which ports there are, as the live network lays them out: the fixed part of each, by the names of the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from dualhome.fabric.state import Port

INTERNET: Final = "internet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Of each port number, name, kind, MAC, far, core, bonus and plain are given here, and of an on-premises router's uplink the address; what else
    it is follows from the network. The same object means the same ports.
    """

    nics: Mapping[str, Port] = field(default_factory=dict)
    """By NIC (`hub1-nva`, `hub1-nva.outside`, `spoke-vm`), by instance (`spoke-rs#0`, `hub1-er#1`), by on-premises router (its uplink to the
    Internet), `internet` itself, and what `past_gateway` names."""
    wires: Mapping[tuple[str, str], Port] = field(default_factory=dict)
    """By node and the far node."""


def past_gateway(edge: str, virtual_network: str) -> str:
    """Name of the port by which one of Microsoft's edge routers stands in a gateway's virtual network, for FastPath: `circuit1#0/hub1` (R147)."""
    return f"{edge}/{virtual_network}"
