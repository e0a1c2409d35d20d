"""Group 3: sessions of a route server. Who is let in, what is agreed on, what happens with one instance only, and how many routes a peer may announce.

nva 10.0.2.4 AS65001 ──┬── rs#0 10.0.0.4 ──┬── vm, vm2
                       └── rs#1 10.0.0.5 ──┘
"""

from __future__ import annotations

import pytest

import dualhome
from dualhome.app import Run
from dualhome.errors import TopologyError
from tests.rules.asking import learned, row, rows, settled, told, ways

HUB = """
version: 1
name: hub
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
route_servers: {rs: {virtual_network: hub, peers: [nva]}}
network_virtual_appliances:
  nva: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001, originates: [172.16.0.0/16], hosts: {far: 172.16.0.9}}
virtual_machines: {vm: {subnet: hub/vm}, vm2: {subnet: hub/vm}}
"""
BY_NVA = ["172.16.0.0/16 VirtualNetworkGateway VirtualNetworkGateway 10.0.2.4"]


def hub(server: str = "", nva: str = "") -> str:
    """The network with more keys of its route server and its NVA."""
    return HUB.replace("peers: [nva]", f"peers: [nva]{server}").replace("asn: 65001", f"asn: 65001{nva}")


def states(run: Run, sessions: str) -> set[str]:
    return {view.state for view in run.sessions(sessions)}


# --- who is let in ----------------------------------------------------------------------------------------------------


@pytest.mark.rules("R72", "R74", "R77", "R91")
def test_an_nva_has_a_session_with_each_instance_by_external_bgp() -> None:
    """It is in another subnet, so more than one hop away; either end opens the transport."""
    run = settled(HUB)
    assert {(view.speaker, view.state) for view in run.sessions("rs/nva")} == {("rs#0", "Established"), ("rs#1", "Established")}
    assert told(run, "rs/nva") == {"10.0.0.0/16 65515 via 10.0.0.4", "10.0.0.0/16 65515 via 10.0.0.5"}
    assert learned(run, "rs/nva") == {"172.16.0.0/16 65001"}


@pytest.mark.rules("R74")
def test_without_multihop_the_nva_cannot_use_what_it_hears_though_it_is_heard() -> None:
    run = settled(hub(nva=", multihop: false"))
    assert states(run, "nva/rs") == {"Established"}
    assert {r.lost_in for r in run.table("nva") if r.learned_from.startswith("rs")} == {"next-hop"}
    assert row(run, "vm", "172.16.0.0/16") == BY_NVA


@pytest.mark.rules("R76")
def test_an_unknown_peer_is_refused() -> None:
    """A second NVA knows the route server; the route server doesn't know it."""
    text = HUB.replace(
        "network_virtual_appliances:", "network_virtual_appliances:\n  stranger: {subnet: hub/nva, asn: 65002, originates: [172.17.0.0/16]}"
    ).replace("peers: [nva]", "peers: [nva, stranger]")
    run = settled(text)
    assert row(run, "vm", "172.17.0.0/16") != []
    run.change({"route_servers": {"rs": {"peers": ["nva"]}}})
    run.settle(600)
    assert not run.plan.speakers["rs#0"].config.peers.keys() - {"nva"}
    assert not any(view.peer == "stranger" for view in run.sessions("rs"))
    assert row(run, "vm", "172.17.0.0/16") == []


RESERVED = [8074, 8075, 12076, 65515, 65517, 65518, 65519, 65520, 23456, 64496, 64511, 65535, 65551]
FREE = [64495, 64512, 65514, 65516, 65521, 65534]


@pytest.mark.rules("R79")
@pytest.mark.parametrize(
    ("asn", "why"), [*((asn, "reserved") for asn in RESERVED), (65552, "more than 16 bits"), (4200000000, "more than 16 bits")]
)
def test_reserved_asns_and_those_of_32_bits_are_refused(asn: int, why: str) -> None:
    with pytest.raises(TopologyError, match=rf"ASN {asn}, which is {why} \(R79\)"):
        dualhome.parse(HUB.replace("65001", str(asn)))


@pytest.mark.rules("R79", "R78")
@pytest.mark.parametrize("asn", [65555, 4200000000])
def test_beyond_azure_an_asn_of_32_bits_is_told_in_four_octets(asn: int) -> None:
    """As the API once took 65555."""
    run = settled(hub(", any_peer_asn: true").replace("65001", str(asn)))
    assert learned(run, "rs/nva") == {f"172.16.0.0/16 {asn}"}


@pytest.mark.rules("R79")
def test_a_session_with_the_route_servers_own_asn_comes_up_and_carries_no_routes() -> None:
    run = settled(hub(", any_peer_asn: true").replace("65001", "65515"))
    assert states(run, "rs/nva") == {"Established"}
    assert learned(run, "rs/nva") == learned(run, "nva/rs") == set()
    assert row(run, "vm", "172.16.0.0/16") == []


@pytest.mark.rules("R79")
@pytest.mark.parametrize("asn", [64495, 64512, 65514, 65516, 65521, 65534])
def test_asns_beside_the_reserved_ones_are_taken(asn: int) -> None:
    assert states(settled(HUB.replace("65001", str(asn))), "rs/nva") == {"Established"}


FAR = HUB.replace("virtual_networks:", "virtual_networks:\n  other: {address_space: [10.9.0.0/16], subnets: {nva: 10.9.2.0/24}}").replace(
    "hub/nva, address: 10.0.2.4", "other/nva, address: 10.9.2.4"
)


@pytest.mark.rules("R80", "R44")
def test_a_peer_stands_in_the_route_servers_network_or_in_one_peered_with_it() -> None:
    run = settled(FAR)
    assert "Established" not in states(run, "rs/nva")
    run.change({"peerings": {"hub<->other": {}}})
    run.settle(600)
    assert states(run, "rs/nva") == {"Established"}


@pytest.mark.rules("R80")
def test_a_peer_is_named_once() -> None:
    with pytest.raises(TopologyError, match="second time"):
        dualhome.parse(HUB.replace("peers: [nva]", "peers: [nva, nva]"))


@pytest.mark.rules("R82")
def test_a_route_server_answers_pings_and_forwards_nothing() -> None:
    run = settled(HUB)
    assert {(path.outcome, path.at) for path in run.paths("nva", "10.0.0.4")} == {("delivered", "rs#0")}
    table = "route_tables: {by-rs: {routes: [{prefix: 8.8.8.8/32, next_hop_type: VirtualAppliance, next_hop: 10.0.0.4}]}}"
    run = settled(HUB.replace("vm: 10.0.3.0/24", "vm: {prefix: 10.0.3.0/24, route_table: by-rs}") + table)
    assert ways(run, "vm", "8.8.8.8") == {"dropped at rs#0: no-route"}


# --- what is agreed on ------------------------------------------------------------------------------------------------


@pytest.mark.rules("R75")
@pytest.mark.parametrize(
    ("theirs", "agreed"), [("", 180), ("{keepalive_s: 10, hold_s: 30}", 30), ("{keepalive_s: 5, hold_s: 15}", 15), ("{hold_s: 240}", 180)]
)
def test_the_lower_hold_time_is_agreed_on(theirs: str, agreed: int) -> None:
    """60 and 180 s are the route server's; ExaBGP's 30 s and IOS's 15 s were seen."""
    run = settled(hub(nva=f", timers: {theirs}" if theirs else ""))
    assert {view.hold_time_s for view in (*run.sessions("rs/nva"), *run.sessions("nva/rs"))} == {agreed}
    run.fail("nva", how="silent")
    run.wait(agreed * 0.6)
    assert row(run, "vm", "172.16.0.0/16") == BY_NVA
    run.wait(agreed * 0.4 + 1)
    assert row(run, "vm", "172.16.0.0/16") == []


# --- one instance only ------------------------------------------------------------------------------------------------


@pytest.mark.rules("R73", "R115")
def test_of_an_nva_that_peers_with_one_instance_all_machines_have_the_routes_while_that_lives() -> None:
    """The union of both instances, by default."""
    run = settled(HUB.replace("peers: [nva]", "peers: [{name: nva, instances: [0]}]"))
    assert {view.speaker for view in run.sessions("rs/nva")} == {"rs#0"}
    assert row(run, "vm", "172.16.0.0/16") == row(run, "vm2", "172.16.0.0/16") == BY_NVA
    assert "L-001" in {finding.code for finding in run.check()}
    run.fail("rs#0")
    run.settle(600)
    assert row(run, "vm", "172.16.0.0/16") == []


@pytest.mark.rules("R73")
def test_where_instances_share_the_machines_one_half_misses_what_the_other_instance_has() -> None:
    run = settled(HUB.replace("peers: [nva]", "peers: [{name: nva, instances: [0]}], programming: {by: partition}"))
    assert sorted([row(run, "vm", "172.16.0.0/16"), row(run, "vm2", "172.16.0.0/16")]) == [[], BY_NVA]
    assert sorted([*ways(run, "vm", "far"), *ways(run, "vm2", "far")])[1] == "nva > far"
    assert "L-001" in {finding.code for finding in run.check()}
    run.change({"route_servers": {"rs": {"peers": ["nva"]}}})
    run.settle(600)
    assert row(run, "vm", "172.16.0.0/16") == row(run, "vm2", "172.16.0.0/16") == BY_NVA


@pytest.mark.rules("R84", "R115")
@pytest.mark.parametrize("by", ["all", "partition"])
def test_while_one_instance_is_maintained_the_other_keeps_the_routes(by: str) -> None:
    run = settled(hub(f", programming: {{by: {by}}}"))
    for nic in ("vm", "vm2"):
        run.watch(nic, "far")
    for instance in ("rs#0", "rs#1"):
        run.fail(instance)
        run.settle(600)
        assert row(run, "vm", "172.16.0.0/16") == row(run, "vm2", "172.16.0.0/16") == BY_NVA
        assert run.outage("vm", "far") == run.outage("vm2", "far") == 0
        run.restore(instance)
        run.settle(600)


# --- how many routes --------------------------------------------------------------------------------------------------


def prefixes(count: int) -> str:
    return ", ".join(f"100.{64 + n // 256}.{n % 256}.0/24" for n in range(count))


def announcing(count: int) -> str:
    return HUB.replace("originates: [172.16.0.0/16]", f"originates: [{prefixes(count)}]")


@pytest.mark.rules("R87")
def test_4000_routes_are_taken_and_with_one_more_the_session_ends() -> None:
    """Nothing is truncated: no route of the peer is left."""
    run = settled(announcing(4000))
    assert len(rows(run, "vm")) > 4000
    run.announce("nva", ["172.16.0.0/16"])
    run.settle(600)
    assert states(run, "rs/nva").isdisjoint({"Established"})
    assert row(run, "vm", "100.64.0.0/24") == []
    assert any("maximum number of prefixes" in view.last_error.lower() for view in run.sessions("rs/nva")), [
        v.last_error for v in run.sessions("rs/nva")
    ]


@pytest.mark.rules("R87")
@pytest.mark.parametrize(("count", "survives"), [(2000, True), (2001, False)])
def test_what_is_announced_again_counts_again(count: int, survives: bool) -> None:
    """A change of the path tells all routes anew in few messages: those held and those that arrive are counted, 2 times 2,001 are too many."""
    run = settled(announcing(count))
    ended = sum("Established ->" in entry.text for entry in run.journal if entry.kind == "session")
    assert ended == 0
    run.change({"network_virtual_appliances": {"nva": {"prepend": {"rs": 1}}}})
    run.settle(600)
    ended = sum("Established ->" in entry.text for entry in run.journal if entry.kind == "session")
    assert (ended == 0) is survives


# --- an NVA that loses its route server behind itself -----------------------------------------------------------------

ASTRAY = hub(nva=", timers: {keepalive_s: 10, hold_s: 30}, route_server_route: false")


@pytest.mark.rules("R81")
def test_an_nva_without_a_route_to_the_route_servers_subnet_flaps_once_it_imports_their_range() -> None:
    """The session ends by the hold timer, the route goes with it, and the session is back; for ever, so that counts as being at rest."""
    run = dualhome.parse(ASTRAY).simulate()
    run.settle(600)
    ends = [entry.text for entry in run.journal if entry.kind == "session" and entry.who == "rs#0/nva" and "Established ->" in entry.text]
    assert len(ends) >= 3
    assert all("hold" in text.lower() for text in ends)
    run.wait(600)
    more = [entry.text for entry in run.journal if entry.kind == "session" and entry.who == "rs#0/nva" and "Established ->" in entry.text]
    assert len(more) > len(ends)


@pytest.mark.rules("R81")
def test_a_static_route_or_a_filter_on_that_range_mends_it() -> None:
    for nva in (
        ", static_routes: [{prefix: 10.0.0.0/26, interface: inside}], interfaces: {inside: {subnet: hub/nva}}",
        ", import: {rs: [{match: {prefix: {equals: [10.0.0.0/16]}}, actions: {prefix: drop}}]}",
    ):
        run = dualhome.parse(ASTRAY.replace("route_server_route: false", f"route_server_route: false{nva}")).simulate()
        run.settle(100)
        run.wait(300)
        assert not any("Established ->" in entry.text for entry in run.journal), nva
        assert states(run, "rs/nva") == {"Established"}
