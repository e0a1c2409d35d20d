"""`why` of a NIC's route, on networks at rest."""

from __future__ import annotations

from typing import Any

from networks import dual_homed, hub
from settled import Settled

from dualhome.explain import Story, story

P = "192.168.0.0/16"
NVAS = "network_virtual_appliances"


def workload(table: str) -> dict[str, Any]:
    """The spoke's machines under this route table."""
    return {"spoke": {"subnets": {"workload": {"route_table": table}}}}


def why(net: Any, nic: str, prefix: str, down: tuple[str, ...] = ()) -> Story:
    return story(Settled(net.network, down), nic, prefix)


def test_a_programmed_route_is_told_from_its_origin() -> None:
    told = why(dual_homed(), "spoke-vm", P)
    assert told.answer == (
        "spoke-vm sends packets for 192.168.0.0/16 to 10.1.2.4 and 10.2.2.4: spoke-rs programs what hub1-nva and hub2-nva tell it"
    )
    assert {s.node for s in told.steps} >= {"dc-r1", "dc-r2", "hub1-er#0", "hub2-er#0", "hub1-nva", "hub2-nva", "spoke-rs#0", "spoke-vm"}


def test_a_user_defined_route_wins() -> None:
    routes = [{"prefix": P, "next_hop_type": "VirtualAppliance", "next_hop": "10.1.2.9"}]
    told = why(dual_homed({"virtual_networks": workload("table"), "route_tables": {"table": {"routes": routes}}}), "spoke-vm", P)
    assert told.answer == "spoke-vm sends packets for 192.168.0.0/16 to VirtualAppliance 10.1.2.9: the user-defined route of table"
    assert any("the user-defined route of the same prefix goes first" in step.text for step in told.steps)


def test_a_next_hop_out_of_reach() -> None:
    """R43."""
    told = why(dual_homed({NVAS: {name: {"next_hop": {"spoke-rs": "10.99.0.4"}} for name in ("hub1-nva", "hub2-nva")}}), "spoke-vm", P)
    assert told.answer.endswith("(R43)")
    assert told.remedy is not None
    assert told.remedy.text == "peer spoke with the virtual network of the next hop"


def test_propagation_is_disabled_on_the_subnet() -> None:
    """R63."""
    told = why(dual_homed({"virtual_networks": workload("off")}), "spoke-vm", P)
    assert told.answer == (
        "spoke-vm has no route 192.168.0.0/16: route table off disables propagation to its subnet (R63); "
        "its packets are dropped by 192.168.0.0/16 (None)"
    )
    assert told.remedy is not None
    assert told.remedy.change == {"route_tables": {"off": {"disable_bgp_route_propagation": False}}}


def test_a_system_route_goes_first() -> None:
    """R56: the NVA announces a part of its hub, which the peering leads to already."""
    told = why(dual_homed({NVAS: {"hub1-nva": {"originates": ["10.1.5.0/24"], "export": {"spoke-rs": None}}}}), "spoke-vm", "10.1.5.0/24")
    assert "it lies in 10.1.0.0/16, whose system route (VNetPeering) goes before BGP (R56)" in told.answer


def test_the_same_prefix_as_a_system_route() -> None:
    """R56."""
    told = why(dual_homed({NVAS: {"hub1-nva": {"originates": ["10.1.0.0/16"], "export": {"spoke-rs": None}}}}), "spoke-vm", "10.1.0.0/16")
    assert told.answer == "spoke-vm sends packets for 10.1.0.0/16 over the peering (VNetPeering): a system route"
    assert told.steps[-1].text == "spoke-rs has 10.1.0.0/16 for it too, to 10.1.2.4; the system route goes first"


def test_no_transit_pair() -> None:
    """R34, R35."""
    told = why(hub({"peerings": {"spoke->hub": {"use_remote_gateways": False}}}), "vm", "172.16.0.0/16")
    assert told.answer.endswith("so nothing is programmed here (R34, R35)")
    assert told.remedy is not None
    assert told.remedy.change == {"peerings": {"hub->spoke": {"allow_gateway_transit": True}, "spoke->hub": {"use_remote_gateways": True}}}


def test_where_it_got_lost_before_the_route_server() -> None:
    told = why(dual_homed({NVAS: {name: {"as_override": False} for name in ("hub1-nva", "hub2-nva")}}), "spoke-vm", P)
    assert "spoke-rs#0 refused 192.168.0.0/16 from hub1-nva: AS path 65001 65515 12076 65010 holds its own ASN 65515 (R99)" in told.answer
    assert told.answer.endswith("; its packets are dropped by 192.168.0.0/16 (None)")


def test_a_route_server_that_is_down_leaves_what_it_programmed() -> None:
    """D15."""
    told = why(dual_homed(), "spoke-vm", P, down=("spoke-rs",))
    assert told.answer.endswith("spoke-rs, which programmed it, is down, and nobody takes it back")
