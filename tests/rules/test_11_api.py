"""Group 11: the JSON shapes of Azure's API and of `az`, R189 to R194, and the names and values of metrics.

dc1 AS 65010 ── circuit1 ── er ─┐
                                hub, rs 65515 (its first address is the higher one) ── nva AS 65001
branch AS 65020 ─── vpn ────────┘                                                      spoke ══ hub
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import dualhome
from dualhome import cli
from dualhome.app import Run, azure
from dualhome.errors import RequestError
from dualhome.report.azure import connection_state, duration, role, weeks
from dualhome.report.json import dumps

GOLDEN = Path(__file__).parent / "golden"

NETWORK = """
version: 1
name: api
virtual_networks:
  hub:
    address_space: [10.0.0.0/16]
    subnets: {RouteServerSubnet: 10.0.0.0/26, GatewaySubnet: 10.0.1.0/27, nva: 10.0.2.0/24}
  spoke: {address_space: [10.1.0.0/16], subnets: {work: 10.1.1.0/24}}
  alone: {address_space: [10.9.0.0/16], subnets: {work: 10.9.1.0/24}}
peerings:
  - {between: [hub, spoke], hub->spoke: {allow_gateway_transit: true}, spoke->hub: {use_remote_gateways: true}}
route_servers:
  rs:
    virtual_network: hub
    addresses: [10.0.0.5, 10.0.0.4]
    branch_to_branch: true
    peers: [nva, quiet, {name: far-connection, address: 10.0.2.9, asn: 65009}]
network_virtual_appliances:
  nva: {subnet: hub/nva, address: 10.0.2.4, ip_forwarding: true, asn: 65001, originates: [{prefix: 10.50.0.0/16, as_path: 64496}, 10.60.0.0/16]}
  quiet: {subnet: hub/nva, address: 10.0.2.5, ip_forwarding: true, asn: 65002, timers: {hold_s: 3, keepalive_s: 1}, export: {rs: [{actions: {prefix: drop}}]}}
virtual_machines:
  vm: {subnet: spoke/work, address: 10.1.1.4}
  other: {subnet: alone/work, address: 10.9.1.4}
virtual_network_gateways:
  er: {type: ExpressRoute, virtual_network: hub, addresses: [10.0.1.12, 10.0.1.13]}
  vpn: {type: Vpn, virtual_network: hub, active_active: true, addresses: [10.0.1.4, 10.0.1.5]}
expressroute_circuits:
  circuit1: {gateways: [er], provider_edge: [dc1], link_subnets: [192.168.255.0/30, 192.168.255.4/30]}
vpn_connections: [{gateway: vpn, to: branch}]
on_premises:
  dc1: {asn: 65010, prefixes: [192.168.0.0/16]}
  branch: {asn: 65020, prefixes: [172.16.4.0/24]}
"""
ADDRESSES = {"RouteServiceRole_IN_0": "10.0.0.5", "RouteServiceRole_IN_1": "10.0.0.4"}


@pytest.fixture(scope="module")
def run() -> Run:
    return settled()


def settled(text: str = NETWORK) -> Run:
    return dualhome.parse(text).simulate()


def golden(name: str, value: object) -> None:
    """The whole answer is as it stands in the file (`make goldens` writes it anew)."""
    file, text = GOLDEN / f"{name}.json", dumps(value) + "\n"
    if os.environ.get("REGENERATE"):
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")


# --- R189: learned and advertised routes of a connection ------------------------------------------------------------------


@pytest.mark.rules("R189", "R95")
def test_learned_routes_golden(run: Run) -> None:
    found = azure.learned(run, "rs/nva")
    golden("learned-routes", found)
    assert list(found) == ["RouteServiceRole_IN_0", "RouteServiceRole_IN_1", "value"]
    assert found["value"] is None
    for name, address in ADDRESSES.items():
        rows: Any = found[name]
        assert {row["localAddress"] for row in rows} == {address}
        first = next(row for row in rows if row["network"] == "10.50.0.0/16")
        assert (first["asPath"], first["nextHop"], first["sourcePeer"]) == ("65001-64496", "10.0.2.4", "10.0.2.4")
        assert (first["origin"], first["weight"]) == ("EBgp", 32768)


@pytest.mark.rules("R189", "R91")
def test_advertised_routes_golden(run: Run) -> None:
    found = azure.advertised(run, "rs/nva")
    golden("advertised-routes", found)
    for name, address in ADDRESSES.items():
        rows: Any = found[name]
        assert {(row["localAddress"], row["nextHop"]) for row in rows} == {(address, address)}
        assert {(row["origin"], row["weight"]) for row in rows} == {("Igp", 0)}
        assert all(row["asPath"].startswith("65515") and "sourcePeer" not in row for row in rows)
        assert {row["network"]: row["asPath"] for row in rows}["192.168.0.0/16"] == "65515-12076-65010"


@pytest.mark.rules("R189")
def test_nothing_learned_is_two_empty_lists(run: Run) -> None:
    assert azure.learned(run, "rs/quiet") == {"RouteServiceRole_IN_0": [], "RouteServiceRole_IN_1": [], "value": None}


@pytest.mark.rules("R189", "R73")
def test_an_instance_that_a_peer_does_not_speak_to_has_an_empty_list() -> None:
    found: Any = azure.learned(settled(NETWORK.replace("peers: [nva,", "peers: [{name: nva, instances: [1]},")), "rs/nva")
    assert (len(found["RouteServiceRole_IN_0"]), len(found["RouteServiceRole_IN_1"])) == (0, 2)


@pytest.mark.rules("R189", "R116")
def test_the_next_hop_of_a_learned_route_is_the_peers_word() -> None:
    found: Any = azure.learned(settled(NETWORK.replace("address: 10.0.2.4,", "address: 10.0.2.4, next_hop: {rs: 10.0.2.100},")), "rs/nva")
    assert {(row["nextHop"], row["sourcePeer"]) for row in found["RouteServiceRole_IN_0"]} == {("10.0.2.100", "10.0.2.4")}


@pytest.mark.rules("R10")
def test_a_role_has_the_number_of_its_place_and_not_of_its_address(run: Run) -> None:
    """The first of the two addresses is the higher one here, and the first role's."""
    assert role("rs#0") == "RouteServiceRole_IN_0"
    rows: Any = azure.learned(run, "rs/nva")
    assert {name: rows[name][0]["localAddress"] for name in ADDRESSES} == ADDRESSES
    ordered: Any = azure.learned(settled(NETWORK.replace("[10.0.0.5, 10.0.0.4]", "[10.0.0.4, 10.0.0.5]")), "rs/nva")
    assert {name: ordered[name][0]["localAddress"] for name in ADDRESSES} == {
        "RouteServiceRole_IN_0": "10.0.0.4",
        "RouteServiceRole_IN_1": "10.0.0.5",
    }


# --- R190, R191: connections ----------------------------------------------------------------------------------------------


@pytest.mark.rules("R190", "R129")
@pytest.mark.parametrize("session", ["rs/10.0.2.9", "rs/far", "rs/er", "rs/vpn", "rs"])
def test_a_connection_is_asked_for_by_its_own_name(run: Run, session: str) -> None:
    """Not by the address of its peer, and gateways are no connections."""
    assert azure.learned(run, "rs/far-connection") == {"RouteServiceRole_IN_0": [], "RouteServiceRole_IN_1": [], "value": None}
    with pytest.raises(RequestError, match="'rs' has no BGP connection"):
        azure.learned(run, session)
    with pytest.raises(RequestError, match="'rs' has no BGP connection"):
        azure.advertised(run, session)


@pytest.mark.rules("R191", "R129", "R190")
def test_peerings_golden(run: Run) -> None:
    found = azure.speaker(run, "rs")
    golden("peerings", found)
    assert isinstance(found, list)
    assert [row["name"] for row in found] == ["nva", "quiet", "far-connection"]
    assert {row["peeringState"] for row in found} == {None}
    assert [row["connectionState"] for row in found] == ["Connected", "Connected", "Connecting"]
    assert azure.peers(run, "rs") == found


@pytest.mark.rules("R191", "R115")
def test_the_real_state_of_a_connection_follows_its_sessions() -> None:
    it = settled()

    def state(name: str) -> tuple[object, object]:
        found = azure.speaker(it, "rs")
        assert isinstance(found, list)
        row = next(row for row in found if row["name"] == name)
        return row["connectionState"], row["states"]

    it.fail("rs#0/nva")
    it.settle()
    connected, states = state("nva")
    assert connected == "Connected"
    assert isinstance(states, dict)
    assert states["RouteServiceRole_IN_1"] == "Established" != states["RouteServiceRole_IN_0"]
    it.fail("nva")
    it.settle()
    assert state("nva")[0] in ("Connecting", "NotConnected")


@pytest.mark.rules("R191")
def test_words_for_the_state_of_a_connection(run: Run) -> None:
    views = run.sessions("rs/nva")
    assert connection_state(views) == "Connected"
    assert connection_state(()) == "NotConnected"


# --- R192: effective routes -----------------------------------------------------------------------------------------------


@pytest.mark.rules("R192")
def test_effective_routes_golden(run: Run) -> None:
    found = azure.effective_routes(run, "vm")
    golden("effective-routes", found)
    rows: Any = found["value"]
    assert {row["source"] for row in rows} == {"Default", "VirtualNetworkGateway"}
    assert {row["state"] for row in rows} == {"Active"}
    assert {row["nextHopType"] for row in rows} == {"VnetLocal", "VNetPeering", "VirtualNetworkGateway", "Internet", "None"}
    assert all(isinstance(row["addressPrefix"], list) and isinstance(row["nextHopIpAddress"], list) for row in rows)
    branch = [row["nextHopIpAddress"] for row in rows if row["addressPrefix"] == ["172.16.4.0/24"]]
    assert branch == [["10.0.1.4"], ["10.0.1.5"]]  # an element for each next hop


# --- R193: gateways -------------------------------------------------------------------------------------------------------


@pytest.mark.rules("R193", "R158")
def test_learned_routes_of_a_gateway_golden(run: Run) -> None:
    found: Any = azure.speaker(run, "vpn")
    golden("gateway-learned-routes", found)
    rows = found["value"]
    own = [row for row in rows if row["network"] == "10.0.0.0/16" and row["origin"] == "Network"]
    assert {(row["nextHop"], row["sourcePeer"] == row["localAddress"], row["asPath"], row["weight"]) for row in own} == {
        (None, True, "", 32768)
    }
    assert {row["localAddress"] for row in rows} == {"10.0.1.4", "10.0.1.5"}
    site = {
        (row["origin"], row["asPath"], row["sourcePeer"]) for row in rows if row["network"] == "172.16.4.0/24" and row["origin"] == "EBgp"
    }
    assert site == {("EBgp", "65020", "172.16.4.1")}
    assert {row["asPath"] for row in rows if row["network"] == "192.168.0.0/16"} == {"12076-65010"}


@pytest.mark.rules("R193", "R137")
def test_an_expressroute_gateways_routes_have_their_weights(run: Run) -> None:
    rows: Any = azure.speaker(run, "er#0")
    weights = {(row["network"], row["origin"]): row["weight"] for row in rows["value"]}
    assert weights["192.168.0.0/16", "EBgp"] == 32769
    assert weights["172.16.4.0/24", "IBgp"] == 32768


@pytest.mark.rules("R193")
def test_advertised_routes_of_a_gateway_golden(run: Run) -> None:
    found: Any = azure.advertised(run, "vpn#0/branch")
    golden("gateway-advertised-routes", found)
    assert {row["network"]: row["asPath"] for row in found["value"]}["10.50.0.0/16"] == "65515-65001-64496"
    assert {(row["origin"], row["sourcePeer"], row["localAddress"]) for row in found["value"]} == {("Incomplete", None, "10.0.1.4")}


@pytest.mark.rules("R193")
def test_peers_of_a_gateway() -> None:
    """Durations and counts grow with time, so they are not golden."""
    it = settled()
    it.wait(3723)
    found: Any = azure.peers(it, "er#0")
    rows = {row["neighbor"]: row for row in found["value"]}
    assert list(found["value"][0]) == [
        "localAddress", "neighbor", "asn", "state", "connectedDuration", "routesReceived", "messagesSent", "messagesReceived",
    ]  # fmt: skip
    assert {neighbor: row["asn"] for neighbor, row in rows.items()} == {
        "10.0.0.5": 65515,
        "10.0.0.4": 65515,
        "192.168.255.2": 12076,
        "192.168.255.6": 12076,
    }
    edge = rows["192.168.255.2"]
    assert (edge["state"], edge["localAddress"], edge["routesReceived"]) == ("Connected", "10.0.1.12", 1)
    assert edge["connectedDuration"].startswith("01:02:0")
    assert 60 <= edge["messagesSent"] <= 75  # OPEN, UPDATEs, and a KEEPALIVE a minute
    assert 60 <= edge["messagesReceived"] <= 75


@pytest.mark.rules("R193")
def test_both_ends_count_the_same_messages() -> None:
    """Since all was settled: before that, transports were given up with what was on its way on them."""
    it = settled()
    it.wait(1)
    before = {(view.speaker, view.peer): view for view in it.sessions()}
    it.wait(1000)
    after = {(view.speaker, view.peer): view for view in it.sessions() if view.state == "Established"}
    assert len(after) > 20
    for (speaker, peer), view in after.items():
        sent = view.messages_sent - before[speaker, peer].messages_sent
        assert sent == after[peer, speaker].messages_received - before[peer, speaker].messages_received > 15


@pytest.mark.rules("R193")
def test_a_gateway_tells_that_a_peer_is_gone() -> None:
    it = settled()
    it.fail("circuit1#0")
    it.settle()
    found: Any = azure.peers(it, "er#0")
    row = next(row for row in found["value"] if row["neighbor"] == "192.168.255.2")
    assert row["state"] in ("Idle", "Connecting")
    assert (row["connectedDuration"], row["routesReceived"]) == (None, 0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00:00"), (8024.1234567, "02:13:44.1234567"), (93824.5, "1.02:03:44.5000000"), (59.99999999, "00:01:00")],
)
def test_a_duration_is_written_as_net_does(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# --- R194: circuits -------------------------------------------------------------------------------------------------------


@pytest.mark.rules("R194")
def test_routes_of_a_circuit_golden(run: Run) -> None:
    found: Any = azure.speaker(run, "circuit1#0")
    golden("circuit-routes", found)
    rows = [(row["network"], row["nextHop"], row["path"]) for row in found["value"]]
    assert ("192.168.0.0/16", "192.168.255.1", "65010") in rows
    assert [row for row in rows if row[0] == "10.50.0.0/16"] == [
        ("10.50.0.0/16", "10.0.1.12*", "65515 65001 64496"),
        ("10.50.0.0/16", "10.0.1.13", "65515 65001 64496"),
    ]
    assert {(row["locPrf"], row["weight"]) for row in found["value"]} == {("100", 0)}


@pytest.mark.rules("R194")
def test_the_summary_of_a_circuit_counts_prefixes_or_tells_the_state() -> None:
    it = settled()
    it.fail("circuit1#1<->dc1")
    it.settle()
    it.wait(3800 - it.now_s)
    found: Any = azure.peers(it, "circuit1#1")
    rows = {row["neighbor"]: row for row in found["value"]}
    assert (rows["10.0.1.12"]["v"], rows["10.0.1.12"]["as"], rows["10.0.1.12"]["upDown"]) == (4, 65515, "01:03:19")
    assert rows["10.0.1.12"]["statePfxRcd"] == "5"
    assert rows["192.168.255.5"]["statePfxRcd"] in ("Idle", "Active", "Connect")


def test_how_long_is_written_as_routers_do() -> None:
    assert [weeks(s) for s in (62, 3723, 93600, 8 * 86400)] == ["00:01:02", "01:02:03", "1d02h", "1w1d"]


@pytest.mark.rules("R194")
@pytest.mark.parametrize(("name", "message"), [("circuit1", "two paths: ask for circuit1#0"), ("nva", "Azure tells nothing of 'nva'")])
def test_azure_tells_only_of_its_own(run: Run, name: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        azure.speaker(run, name)
    with pytest.raises(RequestError, match=message):
        azure.peers(run, name)


def test_azure_tells_no_routes_of_an_nvas_side(run: Run) -> None:
    with pytest.raises(RequestError, match="Azure tells no routes of 'nva'"):
        azure.learned(run, "nva/rs")


# --- section 10.4: metrics ------------------------------------------------------------------------------------------------


def value(run: Run, name: str, **dimensions: str) -> float:
    rows = [m for m in azure.metrics(run, "rs") if m.name == name and dimensions.items() <= m.dimensions.items()]
    assert len(rows) == 1, rows
    return rows[0].value


def test_metrics_golden(run: Run) -> None:
    golden("metrics", azure.metrics(run))


def test_metrics_of_a_peer() -> None:
    it = settled()
    one = {"routeserviceinstance": "RouteServiceRole_IN_0", "bgppeerip": "10.0.2.4"}
    assert value(it, "BgpPeerStatus", **one) == 1
    assert value(it, "CountOfRoutesLearnedFromPeer", **one) == 2
    assert value(it, "CountOfRoutesAdvertisedToPeer", **one) == len(it.advertised("rs#0/nva")) == 4
    it.fail("nva")
    it.settle()
    for name in ("BgpPeerStatus", "CountOfRoutesLearnedFromPeer", "CountOfRoutesAdvertisedToPeer"):
        assert value(it, name, **one) == 0
    types = {m.dimensions["bgppeerip"]: m.dimensions["bgppeertype"] for m in azure.metrics(it) if m.name == "BgpPeerStatus"}
    assert types["10.0.2.4"] == "NVA"
    assert types["10.0.1.12"] == "ExpressRouteGateway"
    assert types["10.0.1.4"] == "VpnGateway"


@pytest.mark.rules("R90")
@pytest.mark.parametrize(
    ("units", "quirk", "percent"),
    [
        ("", "", 0.07),
        ("routing_infrastructure_units: 2, ", "quirks: {virtual_machines_at_two_units: 2000}", 0.15),
        ("routing_infrastructure_units: 5, ", "", 0.04),
    ],
)
def test_utilization_is_of_4000_machines_and_1000_more_a_unit(units: str, quirk: str, percent: float) -> None:
    """Two NVAs in the hub, one VM in the peered spoke; the VM of a network that is not peered does not count."""
    text = NETWORK.replace("    branch_to_branch: true", f"    {units.rstrip(', ')}\n    branch_to_branch: true").replace(
        "name: api", f"name: api\n{quirk}"
    )
    it = settled(text)
    assert value(it, "SpokeVMUtilization") == percent
    assert value(it, "RoutingInfrastructureUnits") == (5 if "5" in units else 2)


def test_metrics_are_of_route_servers(run: Run) -> None:
    with pytest.raises(RequestError, match="no route server 'vpn'"):
        azure.metrics(run, "vpn")


# --- the command line -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        (("learned", "rs/nva", "--azure"), lambda run: azure.learned(run, "rs/nva")),
        (("advertised", "rs/nva", "--azure"), lambda run: azure.advertised(run, "rs/nva")),
        (("routes", "vm", "--azure"), lambda run: azure.effective_routes(run, "vm")),
        (("bgp", "rs", "--azure"), lambda run: azure.speaker(run, "rs")),
        (("bgp", "vpn", "--azure"), lambda run: azure.speaker(run, "vpn")),
        (("bgp", "circuit1#0", "--azure"), lambda run: azure.speaker(run, "circuit1#0")),
        (("bgp", "rs", "--azure", "--peers"), lambda run: azure.peers(run, "rs")),
        (("metrics", "rs", "--json"), lambda run: azure.metrics(run, "rs")),
    ],
)
def test_commands_print_the_shapes(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], shape: Any
) -> None:
    file = tmp_path / "api.yaml"
    file.write_text(NETWORK, "utf-8")
    assert cli.run([*words, "-f", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(dumps(shape(run)))


def test_metrics_as_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "api.yaml"
    file.write_text(NETWORK, "utf-8")
    assert cli.run(["metrics", "-f", str(file)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["CountOfRoutesLearnedFromPeer", "rs#0/10.0.2.4", "NVA", "2"] in lines
    assert ["SpokeVMUtilization", "rs", "0.07", "%"] in lines


def test_what_is_not_azures_is_wrong_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "api.yaml"
    file.write_text(NETWORK, "utf-8")
    assert cli.run(["learned", "rs/er", "--azure", "-f", str(file)]) == 2
    assert "'rs' has no BGP connection 'er'" in capsys.readouterr().err
