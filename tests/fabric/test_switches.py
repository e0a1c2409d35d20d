"""What the quirks of effective routes and peerings make of the fabric: the same as of a simulation's paths."""

from __future__ import annotations

from typing import Any

import pytest

import dualhome
from tests.fabric.networks import Held, agree
from tests.rules.test_quirks_forwarding import DUAL, announcing

CLOSED = {"peerings": {"spoke->hub": {"allow_virtual_network_access": False}}}
JUDGED = {"peerings": {"spoke->hub": {"allow_forwarded_traffic": False}}}
ALONE = {"route_servers": {"spoke-rs": None}}
PAIR = {"peerings": {"hub->spoke": {"allow_gateway_transit": True}, "spoke->hub": {"use_remote_gateways": True}}}
NO_ROUTES = {
    "virtual_networks": {"hub": {"subnets": {"GatewaySubnet": {"route_table": "off"}}}},
    "route_tables": {"off": {"disable_bgp_route_propagation": True}},
}


@pytest.mark.rules("R13", "R26", "R37", "R47", "R59", "R62", "R169")
@pytest.mark.parametrize(
    ("quirks", "changes"),
    [
        ({}, []),
        ({}, [CLOSED]),
        ({}, [JUDGED]),
        ({}, [NO_ROUTES]),
        ({"virtual_network_equal_bgp": True}, [{"network_virtual_appliances": {"nva": {"as_override": False}}}, announcing("10.10.7.7/32", "10.10.0.0/16")]),
        ({"gateway_subnet_follows_bgp": True}, []),
        ({"forwarded_traffic_judged_by": "sender"}, [JUDGED]),
        ({"without_virtual_network_access": "unlisted"}, [CLOSED]),
        ({"losing_bgp_rows": "listed"}, [announcing("10.1.0.0/16")]),
        ({"transit_over_global_peering": True}, [ALONE, PAIR]),
        ({"transit_over_global_peering": False}, [ALONE, PAIR]),
        ({"none_rows_under_bgp_default": "present"}, [announcing("0.0.0.0/0")]),
        ({"none_rows_under_bgp_default": "absent"}, [announcing("0.0.0.0/0")]),
    ],
)  # fmt: skip
def test_the_fabric_agrees_with_forwarding_under_each_switch(quirks: dict[str, Any], changes: list[dict[str, Any]]) -> None:
    topology = dualhome.parse(DUAL).topology.changed({"quirks": quirks})
    for change in changes:
        topology = topology.changed(change)
    engine = dualhome.Net(topology).simulate().engine
    assert agree(Held(engine, engine.plan, engine._faults.node, engine._faults.pair)) > 100
