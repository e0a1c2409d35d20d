"""A network in Azure's words: what exists, with every default filled in and every address assigned. No rule lives here.

In: `dualhome.topology` reads a file into a `Network`. Out: `dualhome.plan` makes speakers and policies of it, `dualhome.forwarding` effective
routes. All are frozen values; a change of the network is another `Network`. Begin at `Network`.

Names (unique over the whole network, subnets, route tables and route maps apart): an object's name; `name#0`, one instance of a route
server, gateway or circuit; `nva.nic`, a further NIC; a subnet is `vnet/subnet`.
"""

from __future__ import annotations

from dualhome.model.network import *  # noqa: F403
from dualhome.model.network import __all__ as _of_network
from dualhome.model.personalities import PERSONALITIES, Personality
from dualhome.model.quirks import Quirks
from dualhome.model.security import NetworkSecurityGroup, SecurityRule

__all__ = [*_of_network, "PERSONALITIES", "NetworkSecurityGroup", "Personality", "Quirks", "SecurityRule"]
