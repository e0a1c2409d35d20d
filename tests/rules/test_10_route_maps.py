"""Group 10: route maps of a route server: every criterion and action, how rules follow one another, where a map may stand and what it may not do.

nva AS65001 announces 172.16.0.0/16 (path 3320 3356) and 172.17.1.0/24 (no more than itself), both with 65001:1 and 65001:2
  ── inbound map ── rs ── outbound map ── other AS65002
"""

from __future__ import annotations

import pytest

import dualhome
from dualhome.app import Run
from tests.rules.asking import row, settled

NETWORK = """
version: 1
name: maps
virtual_networks:
  hub: {address_space: [10.0.0.0/16], subnets: {RouteServerSubnet: 10.0.0.0/26, nva: 10.0.2.0/24, vm: 10.0.3.0/24}}
  spoke: {address_space: [10.9.0.0/16], subnets: {nva: 10.9.2.0/24}}
peerings: [{between: [hub, spoke]}]
route_servers: {rs: {virtual_network: hub, peers: [nva, other, spoke-nva], route_maps: {WHERE: {WHOM: map}}}}
route_maps: {map: [RULES]}
network_virtual_appliances:
  nva:
    subnet: hub/nva
    address: 10.0.2.4
    asn: 65001
    communities: {rs: ["65001:1", "65001:2"]}
    originates: [{prefix: 172.16.0.0/16, as_path: 3320 3356}, 172.17.1.0/24]
  other: {subnet: hub/nva, address: 10.0.2.5, asn: 65002}
  spoke-nva: {subnet: spoke/nva, address: 10.9.2.4, asn: 65003}
virtual_machines: {vm: {subnet: hub/vm}}
"""
FIRST, SECOND = "172.16.0.0/16", "172.17.1.0/24"
Routes = dict[str, tuple[str, str]]


def network(rules: str, where: str = "inbound", whom: str = "nva") -> Run:
    return settled(NETWORK.replace("WHERE", where).replace("WHOM", whom).replace("RULES", rules))


def inbound(rules: str) -> Routes:
    """What the map makes of the NVA's routes in the route server's table: path and communities by prefix."""
    run = network(rules)
    return {str(r.prefix): (r.as_path, " ".join(r.communities)) for r in run.table("rs#0") if r.learned_from == "nva"}


def outbound(rules: str) -> Routes:
    """What it makes of what the other NVA is told."""
    run = network(rules, "outbound", "other")
    return {str(r.prefix): (r.as_path, " ".join(r.communities)) for r in run.learned("other/rs#0")}


AS_RECEIVED: Routes = {FIRST: ("65001 3320 3356", "65001:1 65001:2"), SECOND: ("65001", "65001:1 65001:2")}

CRITERIA = [
    ("prefix: {equals: [172.16.0.0/16]}", {FIRST}),
    ("prefix: {equals: [172.16.0.0/12]}", set()),
    ("prefix: {equals: [172.16.0.0/16, 172.17.1.0/24]}", {FIRST, SECOND}),
    ("prefix: {contains: [172.16.0.0/12]}", {FIRST, SECOND}),
    ("prefix: {contains: [172.17.0.0/16]}", {SECOND}),
    ("prefix: {contains: [172.17.1.0/25]}", set()),
    ('community: {equals: ["65001:2", "65001:1"]}', {FIRST, SECOND}),
    ('community: {equals: ["65001:1"]}', {FIRST, SECOND}),
    ('community: {equals: ["65001:1", "65001:3"]}', set()),
    ('community: {contains: ["65001:1", "65001:3"]}', {FIRST, SECOND}),
    ('community: {contains: ["65001:3"]}', set()),
    ("as_path: {equals: [65001, 3320, 3356]}", {FIRST}),
    ("as_path: {equals: [3320, 65001, 3356]}", set()),
    ("as_path: {equals: [65001]}", {SECOND}),
    ("as_path: {contains: [3356, 7018]}", {FIRST}),
    ("as_path: {contains: [7018]}", set()),
    ("prefix: {contains: [172.16.0.0/12]}, as_path: {contains: [3320]}", {FIRST}),
    ("prefix: {equals: [172.17.1.0/24]}, as_path: {contains: [3320]}", set()),
    ("", {FIRST, SECOND}),
]


@pytest.mark.rules("R120")
@pytest.mark.parametrize(("criteria", "matched"), CRITERIA, ids=[each[0] or "none" for each in CRITERIA])
def test_which_routes_criteria_match(criteria: str, matched: set[str]) -> None:
    """All criteria of a rule must hold, none given always holds; what no rule matches is permitted as it is."""
    match = f"match: {{{criteria}}}, " if criteria else ""
    marked = {
        prefix
        for prefix, (_, communities) in inbound(f'{{{match}actions: {{community: {{add: ["65001:99"]}}}}}}').items()
        if "65001:99" in communities
    }
    assert marked == matched


ONE = "match: {prefix: {equals: [172.16.0.0/16]}}, "
ACTIONS = [
    ("prefix: drop", {}),
    ("prefix: {replace: [172.16.0.0/12]}", {"172.16.0.0/12": ("", "")}),
    ("prefix: {replace: [172.16.0.0/12, 10.128.0.0/9]}", {"172.16.0.0/12": ("", ""), "10.128.0.0/9": ("", "")}),
    ("as_path: {add: [3320, 7018, 3320]}", {FIRST: ("3320 7018 3320 65001 3320 3356", "65001:1 65001:2")}),
    ("as_path: {replace: [7018, 7018]}", {FIRST: ("7018 7018", "65001:1 65001:2")}),
    ("as_path: {replace: []}", {FIRST: ("", "65001:1 65001:2")}),
    ('community: {add: ["65001:7", "65001:1"]}', {FIRST: ("65001 3320 3356", "65001:1 65001:2 65001:7")}),
    ('community: {replace: ["65001:7"]}', {FIRST: ("65001 3320 3356", "65001:7")}),
    ("community: {replace: []}", {FIRST: ("65001 3320 3356", "")}),
    ('community: {remove: ["65001:2", "65001:9"]}', {FIRST: ("65001 3320 3356", "65001:1")}),
]


@pytest.mark.rules("R120")
@pytest.mark.parametrize(("action", "made"), ACTIONS, ids=[each[0] for each in ACTIONS])
def test_what_actions_do(action: str, made: Routes) -> None:
    """The other route stays as it is. A summary has neither path nor communities."""
    assert inbound(f"{{{ONE}actions: {{{action}}}}}") == {**made, SECOND: AS_RECEIVED[SECOND]}


@pytest.mark.rules("R120")
def test_continue_goes_on_with_the_changed_route_and_terminate_ends() -> None:
    add = 'actions: {community: {add: ["65001:%d"]}}'
    second = f'{{match: {{community: {{contains: ["65001:71"]}}}}, {add % 72}}}'
    assert "65001:72" in inbound(f"{{{ONE}{add % 71}, then: continue}}, {second}")[FIRST][1], (
        "the second rule sees what the first one added"
    )
    assert "65001:72" not in inbound(f"{{{ONE}{add % 71}, then: terminate}}, {second}")[FIRST][1]
    assert "65001:72" not in inbound(f"{{{ONE}{add % 71}}}, {second}")[FIRST][1], "terminate is the default"
    miss = "{match: {prefix: {equals: [1.0.0.0/8]}}, %s, then: terminate}" % (add % 71)
    assert "65001:72" in inbound(f"{miss}, {{{add % 72}}}")[FIRST][1], "a rule that doesn't match ends nothing"
    assert set(inbound(f"{{{ONE}actions: {{prefix: drop}}, then: continue}}")) == {SECOND}, "what is dropped is gone"


@pytest.mark.rules("R120")
def test_what_no_rule_matches_is_permitted() -> None:
    assert inbound("{match: {prefix: {equals: [1.0.0.0/8]}}, actions: {prefix: drop}}") == AS_RECEIVED


@pytest.mark.rules("R121")
def test_an_inbound_map_changes_what_is_programmed_and_an_outbound_one_only_what_is_told() -> None:
    """One map a direction and peer; other peers are told as ever."""
    drop = f"{{{ONE}actions: {{prefix: drop}}}}"
    run = network(drop)
    assert row(run, "vm", FIRST) == []
    assert {str(r.prefix) for r in run.learned("rs/nva")} == {FIRST, SECOND}, "learned routes are as received"
    run = network(drop, "outbound", "other")
    assert row(run, "vm", FIRST) == [f"{FIRST} VirtualNetworkGateway VirtualNetworkGateway 10.0.2.4"]
    assert {str(r.prefix) for r in run.learned("other/rs")} == {SECOND, "10.0.0.0/16"}
    assert outbound(f"{{{ONE}actions: {{as_path: {{add: [3320]}}}}}}")[FIRST] == (
        "65515 3320 65001 3320 3356",
        "65001:1 65001:2 65517:65517",
    )


@pytest.mark.rules("R122", "R125")
def test_no_outbound_map_touches_the_address_space_of_virtual_networks() -> None:
    """Not even one that matches everything."""
    assert outbound("{actions: {prefix: drop}}") == {"10.0.0.0/16": ("65515", "")}
    assert outbound("{actions: {as_path: {add: [3320]}}}")["10.0.0.0/16"] == ("65515", "")


def codes(run: Run) -> set[str]:
    return {finding.code for finding in run.check()}


FORBIDDEN = [
    "as_path: {add: [65001]}",
    "as_path: {replace: [12076]}",
    "as_path: {add: [4200000000]}",
    "as_path: {add: [64496]}",
    *(
        f'community: {{remove: ["{tag}"]}}'
        for tag in ("65517:12001", "65518:65518", "65517:65517", "65517:12076", "65515:10000", "65515:20000")
    ),
    "prefix: {replace: [0.0.0.0/0]}",
    "local_preference: 200",
]


@pytest.mark.rules("R122", "R125")
@pytest.mark.parametrize("action", FORBIDDEN)
def test_what_azure_refuses_in_a_rule_is_found(action: str) -> None:
    assert "L-045" in codes(network(f"{{{ONE}actions: {{{action}}}}}"))


@pytest.mark.rules("R122")
@pytest.mark.parametrize(
    "action", ["as_path: {add: [3320, 3320]}", 'community: {remove: ["65001:1"]}', "prefix: {replace: [172.16.0.0/12]}", "prefix: drop"]
)
def test_what_azure_takes_is_not_found(action: str) -> None:
    assert not codes(network(f"{{{ONE}actions: {{{action}}}}}")) & {"L-044", "L-045"}


@pytest.mark.rules("R123")
@pytest.mark.parametrize("where", ["inbound", "outbound"])
def test_a_map_for_a_peer_outside_the_route_servers_network_is_refused(where: str) -> None:
    """So none can stand on a dual-homed spoke's route server: its NVAs are in the hubs."""
    found = [finding for finding in network(f"{{{ONE}actions: {{prefix: drop}}}}", where, "spoke-nva").check() if finding.code == "L-044"]
    assert [(finding.severity, finding.on) for finding in found] == [("error", "rs")]
    assert "HubBgpConnectionFromSpokeVnetCannotReferenceRouteMap" in found[0].message


@pytest.mark.rules("R126")
def test_a_map_cannot_be_attached_to_a_virtual_network() -> None:
    text = NETWORK.replace("WHERE", "outbound").replace("WHOM", "spoke").replace("RULES", f"{{{ONE}actions: {{prefix: drop}}}}")
    with pytest.raises(dualhome.TopologyError, match="spoke"):
        dualhome.parse(text)
