"""`why` of a NIC's route; effective and programmed routes are given."""

from __future__ import annotations

from typing import Any

import pytest
from dualhome.forwarding.effective import EffectiveRoute
from networks import dual_homed, hub
from settled import Settled

from dualhome.explain import Story, story
from dualhome.forwarding.world import Programmed
from dualhome.net import Address, Prefix

P = Prefix.parse("192.168.0.0/16")


def row(prefix: str, *hops: str, source: str, kind: str, via: str = "", rule: str = "", state: str = "Active") -> EffectiveRoute:
    hops_ = tuple(Address.parse(hop) for hop in hops)
    return EffectiveRoute(
        prefix=Prefix.parse(prefix), source=source, state=state, next_hop_type=kind, next_hops=hops_, via=via, rule=rule, note=""
    )


SYSTEM = row("0.0.0.0/0", source="Default", kind="Internet", rule="R45")


@pytest.fixture
def why(monkeypatch):
    def ask(net: Any, nic: str, prefix: str, *rows: EffectiveRoute, programmed: str | None = None) -> Story:
        world = Settled(net.network)
        offer = Programmed(prefix=Prefix.parse(prefix), next_hops=(Address.parse("10.1.2.4"),), route_class="nva", by=programmed or "")
        monkeypatch.setattr(Settled, "programmed", lambda self, network, part: {offer.prefix: offer} if programmed else {})
        for module in ("nic", "why"):
            monkeypatch.setattr(f"dualhome.explain.{module}.effective_routes", lambda world, nic: rows)
        return story(world, nic, prefix)

    return ask


def test_a_programmed_route_is_told_from_its_origin(why) -> None:
    bgp = row(str(P), "10.1.2.4", "10.2.2.4", source="VirtualNetworkGateway", kind="VirtualNetworkGateway", via="spoke-rs", rule="R50")
    told = why(dual_homed(), "spoke-vm", str(P), bgp, programmed="spoke-rs")
    assert told.answer == (
        "spoke-vm sends packets for 192.168.0.0/16 to 10.1.2.4 and 10.2.2.4: spoke-rs programs what hub1-nva and hub2-nva tell it"
    )
    assert {s.node for s in told.steps} >= {"dc-r1", "dc-r2", "hub1-er#0", "hub2-er#0", "hub1-nva", "hub2-nva", "spoke-rs#0", "spoke-vm"}


def test_a_user_defined_route_wins(why) -> None:
    user = row(str(P), "10.1.2.9", source="User", kind="VirtualAppliance", via="table", rule="R52")
    told = why(dual_homed(), "spoke-vm", str(P), user, programmed="spoke-rs")
    assert told.answer == "spoke-vm sends packets for 192.168.0.0/16 to VirtualAppliance 10.1.2.9: the user-defined route of table"
    assert "the User route wins" in told.steps[-1].text


def test_a_next_hop_out_of_reach(why) -> None:
    """R43."""
    none = row(str(P), source="VirtualNetworkGateway", kind="None", via="spoke-rs", rule="R43")
    told = why(dual_homed(), "spoke-vm", str(P), none, programmed="spoke-rs")
    assert told.answer.endswith("(R43)")
    assert told.remedy is not None
    assert told.remedy.text == "peer spoke with the virtual network of the next hop"


def test_propagation_is_disabled_on_the_subnet(why) -> None:
    """R63."""
    net = dual_homed({"virtual_networks": {"spoke": {"subnets": {"workload": {"route_table": "off"}}}}})
    told = why(net, "spoke-vm", str(P), SYSTEM, programmed="spoke-rs")
    assert told.answer == (
        "spoke-vm has no route 192.168.0.0/16: route table off disables propagation to its subnet (R63); it uses 0.0.0.0/0 (Internet) instead"
    )
    assert told.remedy is not None
    assert told.remedy.change == {"route_tables": {"off": {"disable_bgp_route_propagation": False}}}


def test_a_system_route_goes_first(why) -> None:
    """R56."""
    peering = row("10.1.0.0/16", source="Default", kind="VNetPeering", rule="R48")
    told = why(dual_homed(), "spoke-vm", "10.1.5.0/24", peering, programmed="spoke-rs")
    assert "it lies in 10.1.0.0/16, whose system route (VNetPeering) goes before BGP (R56)" in told.answer


def test_no_transit_pair(why) -> None:
    """R34, R35."""
    net = hub({"peerings": {"spoke->hub": {"use_remote_gateways": False}}})
    told = why(net, "vm", "172.16.0.0/16", SYSTEM)
    assert told.answer.endswith("so nothing is programmed here (R34, R35)")
    assert told.remedy is not None
    assert told.remedy.change == {"peerings": {"hub->spoke": {"allow_gateway_transit": True}, "spoke->hub": {"use_remote_gateways": True}}}


def test_where_it_got_lost_before_the_route_server(why) -> None:
    net = dual_homed({"network_virtual_appliances": {name: {"as_override": False} for name in ("hub1-nva", "hub2-nva")}})
    told = why(net, "spoke-vm", str(P), SYSTEM)
    assert "spoke-rs#0 refused 192.168.0.0/16 from hub1-nva: AS path 65001 65515 12076 65010 holds its own ASN 65515 (R99)" in told.answer
    assert told.answer.endswith("; it uses 0.0.0.0/0 (Internet) instead")
