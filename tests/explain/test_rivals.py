"""`why … --not`: why packets don't go by another next hop, by the rule that keeps them from it."""

from __future__ import annotations

from typing import Any

import pytest
from networks import dual_homed, hub
from settled import Settled

from dualhome.errors import RequestError
from dualhome.explain import Story, story
from tests.engine.networks import MANY
from tests.engine.networks import run as network

NVAS = "network_virtual_appliances"
P = "192.168.0.0/16"
NVA3 = {"subnet": "hub2/nva", "address": "10.2.2.5", "ip_forwarding": True, "asn": 65003, "originates": ["172.16.4.0/24"]}


def why_not(
    via: str, patch: dict[str, Any] | None = None, node: str = "spoke-vm", to: str = P, net: Any = dual_homed, down: Any = ()
) -> Story:
    return story(Settled(net(patch).network, down), node, to, via)


@pytest.mark.rules("R106", "R163")
def test_a_longer_as_path() -> None:
    told = why_not("hub2-nva", {NVAS: {"hub2-nva": {"prepend": {"spoke-rs": 2}}}})
    assert told.question == "Why does spoke-vm not send packets for 192.168.0.0/16 to hub2-nva?"
    assert told.answer == (
        "spoke-rs#0 has it from hub2-nva, and it lost in round as-path: a longer AS path, 6 against 4 of hub1-nva's (R106)"
    )
    assert told.steps[0].text == "spoke-vm sends packets for 192.168.0.0/16 to 10.1.2.4, which spoke-rs programs"
    assert len(told.refusals) == 1  # both instances say the same


def test_it_does() -> None:
    told = why_not("hub2-nva")
    assert told.answer == (
        "it does: spoke-vm sends packets for 192.168.0.0/16 to 10.1.2.4 and 10.2.2.4, which spoke-rs programs; each flow takes one of them (R64)"
    )
    assert why_not("10.2.2.4").answer == told.answer


def test_it_does_further_on() -> None:
    assert why_not("hub1-er").answer == (
        "it does, though not as the next hop: packets go spoke-vm → hub1-nva → hub1-er#0 → circuit1#0 → dc-r1"
    )


@pytest.mark.rules("R99")
def test_it_was_refused() -> None:
    told = why_not("hub2-nva", {NVAS: {"hub2-nva": {"as_override": False}}})
    assert told.answer == "spoke-rs#0 refused 192.168.0.0/16 from hub2-nva: AS path 65002 65515 12076 65010 holds its own ASN 65515 (R99)"
    assert told.remedy is not None
    assert told.remedy.change == {NVAS: {"hub2-nva": {"as_override": True}}}


@pytest.mark.rules("R115")
def test_it_is_down() -> None:
    assert why_not("hub2-nva", down=("hub2-nva",)).answer == "hub2-nva cannot tell spoke-rs#0: hub2-nva is down (R115)"


@pytest.mark.rules("R96")
def test_it_is_held_back_on_the_way() -> None:
    told = why_not("nva1", {NVAS: {"nva1": {"communities": {"rs": ["no-advertise"]}}}}, node="dc", to="172.16.0.0/16", net=hub)
    assert told.answer == "rs#0 does not tell er#0 of 172.16.0.0/16: it carries no-advertise (R96)"
    assert told.remedy is not None
    assert told.remedy.change == {NVAS: {"nva1": {"communities": {"rs": None}}}}


@pytest.mark.rules("R58")
def test_a_system_route_goes_before_whatever_bgp_says() -> None:
    told = why_not("hub2-nva", to="10.1.2.9")
    assert told.answer == "10.1.0.0/16 is reached by a system route (VNetPeering), and no route of BGP ever goes before that (R58)"
    assert told.remedy is not None


@pytest.mark.rules("R60")
def test_a_user_defined_route_goes_first() -> None:
    told = why_not("hub2-nva", node="hub1-er", to="10.10.0.0/16")
    assert told.answer == "the user-defined route of gateway1 leads to 10.1.2.4, and goes before what BGP says (R60)"
    routes = [{"prefix": P, "next_hop_type": "VirtualAppliance", "next_hop": "10.1.2.4"}]
    patch = {"virtual_networks": {"spoke": {"subnets": {"workload": {"route_table": "t"}}}}, "route_tables": {"t": {"routes": routes}}}
    told = why_not("hub2-nva", patch)
    assert told.answer == "spoke-rs programs it, and the user-defined route of t for the same prefix goes first (R60)"


@pytest.mark.rules("R63")
def test_propagation_is_off() -> None:
    told = why_not("hub2-nva", {"virtual_networks": {"spoke": {"subnets": {"workload": {"route_table": "off"}}}}})
    assert told.answer == "spoke-rs has it for spoke-vm, but route table off disables propagation to its subnet (R63)"


@pytest.mark.rules("R43")
def test_a_next_hop_out_of_reach() -> None:
    patch = {"peerings": {"spoke<->far": None}, NVAS: {"hub2-nva": {"next_hop": {"spoke-rs": "10.9.0.4"}}}}
    patch |= {"virtual_networks": {"far": {"address_space": ["10.9.0.0/16"], "subnets": {"vm": "10.9.0.0/24"}}}}
    patch |= {"virtual_machines": {"far-vm": {"subnet": "far/vm", "address": "10.9.0.4"}}}
    told = why_not("far-vm", patch)
    assert told.answer == "spoke-rs has far-vm as next hop, which is in no virtual network that is spoke itself or peered with it (R43)"
    assert told.remedy is not None
    assert told.remedy.change == {"peerings": {"spoke<->far": {}}}


@pytest.mark.rules("R114")
def test_one_of_several_circuits() -> None:
    patch: dict[str, Any] = {"expressroute_circuits": {"circuit2": {"gateways": ["hub1-er", "hub2-er"]}}}
    patch |= {"virtual_machines": {"hub1-vm": {"subnet": "hub1/nva"}}}
    told = why_not("circuit2", patch, node="hub1-vm")
    assert told.answer == (
        "of several equal ExpressRoute connections only one is used for packets to on-premises, here that of circuit1 (R114)"
    )
    assert told.remedy is not None
    assert told.remedy.text == "a higher routing_weight for the connection of circuit2 makes it the one"
    story_ = story(Settled(dual_homed(patch).network), "hub1-vm", P)
    assert (
        story_.steps[-1].text
        == "circuit2 leads there too, and of several ExpressRoute connections only one is used: of the highest weight, then by name"
    )


@pytest.mark.rules("R107")
def test_another_kind_of_gateway_is_preferred() -> None:
    told = why_not("nva1", {NVAS: {"nva1": {"originates": ["192.168.0.0/16"]}}}, node="vm", net=hub)
    assert told.answer == (
        "rs#0 has it from nva1, and it lost in round preference: another kind of gateway is preferred, an NVA against ExpressRoute of er#0's (R107)"
    )


def test_a_route_server_is_no_next_hop() -> None:
    assert why_not("spoke-rs").answer == "spoke-rs is a route server: it forwards no packets, and is never a next hop (R82)"


def test_a_machine_that_nobody_names() -> None:
    told = why_not("vm", node="nva9", to="172.16.0.0/16", net=hub)
    assert (
        told.answer
        == "far has neither a route server nor a gateway, and uses nobody else's: only a user-defined route could lead there (R34)"
    )
    told = why_not("hub1-vm", {"virtual_machines": {"hub1-vm": {"subnet": "hub1/nva"}}})
    assert told.answer == (
        "hub1-vm speaks no BGP, and nobody announces 192.168.0.0/16 with its address as next hop; a user-defined route could lead there (R116)"
    )


def test_a_speakers_own_choice() -> None:
    told = why_not("hub2-nva", {NVAS: {"hub2-nva": {"prepend": {"spoke-rs": 1}}}}, node="spoke-rs")
    assert told.question == "Why does spoke-rs#0 not use 192.168.0.0/16 by hub2-nva?"
    assert told.answer.endswith("lost in round as-path: a longer AS path, 5 against 4 of hub1-nva's (R106)")
    assert why_not("hub1-nva", node="spoke-rs").answer == "it does: spoke-rs#0 uses what hub1-nva tells it"


def test_a_name_stands_for_its_prefix() -> None:
    told = why_not("hub2-nva", to="dc-host")
    assert told.question == "Why does spoke-vm not send packets for 192.168.0.0/16, the way to dc-host, to hub2-nva?"


def test_names_that_are_not_there() -> None:
    with pytest.raises(RequestError, match="nothing here is named 'hub9' or has that address"):
        why_not("hub9")
    with pytest.raises(RequestError, match="'dc-hots' is neither a name of the network nor an address"):
        why_not("hub2-nva", to="dc-hots")


@pytest.mark.rules("R73")
def test_the_instance_that_programs_a_nic_has_no_session_with_it() -> None:
    """Under partition the second machine belongs to the second instance, which the first NVA doesn't peer with."""
    peers = {"rs": {"peers": [{"name": "nva1", "instances": [0]}, "nva2"]}}
    run = network(MANY, route_servers=peers)
    text = "rs#1 programs vm2 and has no session with nva1, which tells rs#0 alone (R73)"
    assert run.why("vm2", "far", "nva1").answer == text
    assert run.why("vm", "far", "nva1").answer.startswith("it does: vm sends packets for 172.16.4.0/24 to 10.1.2.4 and 10.2.2.4")
    assert run.why("vm2", "far").answer == "vm2 sends packets for 172.16.4.0/24 to 10.2.2.4: rs programs what nva2 tells it"
    alone = network(MANY, route_servers={"rs": {"peers": [{"name": "nva1", "instances": [0]}]}})
    assert alone.why("vm2", "far").answer == f"vm2 has no route 172.16.4.0/24: {text}; its packets are dropped by 172.16.0.0/12 (None)"


def test_only_so_many_equal_ways_are_used() -> None:
    """D20."""
    run = network(
        quirks={"multipath_width": 1}, network_virtual_appliances={"nva3": NVA3}, route_servers={"rs": {"peers": ["nva1", "nva2", "nva3"]}}
    )
    assert run.why("vm", "far", "nva3").answer == (
        "rs#0 has it from nva3, and it lost in round router-id: a higher router ID (RFC 4271 section 9.1.2.2)"
    )
    run = network(
        quirks={"multipath_width": 2}, network_virtual_appliances={"nva3": NVA3}, route_servers={"rs": {"peers": ["nva1", "nva2", "nva3"]}}
    )
    told = run.why("vm", "far", "nva3")
    assert told.answer == (
        "rs#0 has it from nva3, and it is as good, and only 2 equal ways are used: it lost in round router-id: a higher router ID (D20)"
    )
