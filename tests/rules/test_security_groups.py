"""Network security groups: packets and the opening of sessions, judged by rules, tags, and Azure's default rules."""

from __future__ import annotations

from typing import Any

import pytest

import dualhome
from dualhome.app import Run
from dualhome.errors import RequestError
from dualhome.forwarding.packets import Flow
from dualhome.forwarding.security import tag_space
from dualhome.forwarding.trace import paths, replies
from tests.rules.asking import ways

# one: vm 10.1.1.4 and, with a group on its subnet, guarded 10.1.2.4 ══ two: nva 10.2.1.4 with a host behind it, route server, vm2 10.2.2.4
TWO = """
version: 1
name: groups
virtual_networks:
  one: {address_space: [10.1.0.0/16], subnets: {vm: 10.1.1.0/24, guarded: {prefix: 10.1.2.0/24, network_security_group: group, route_table: table}}}
  two: {address_space: [10.2.0.0/16], subnets: {RouteServerSubnet: 10.2.0.0/26, nva: {prefix: 10.2.1.0/24, network_security_group: at-nva}, vm: 10.2.2.0/24}}
peerings: [{between: [one, two], allow_forwarded_traffic: true}]
route_servers: {rs: {virtual_network: two, peers: [nva]}}
network_virtual_appliances:
  nva: {subnet: two/nva, address: 10.2.1.4, ip_forwarding: true, asn: 65001, originates: [172.30.0.0/16], hosts: {beyond: 172.30.0.9}, translates: internet}
virtual_machines: {vm: {subnet: one/vm, address: 10.1.1.4}, guarded: {subnet: one/guarded, address: 10.1.2.4}, vm2: {subnet: two/vm, address: 10.2.2.4}}
route_tables: {table: {routes: []}}
network_security_groups: {group: {rules: []}, at-nva: {rules: []}}
"""


def rule(text: str) -> dict[str, Any]:
    """`100 Inbound Deny Tcp from 10.1.0.0/16 to VirtualNetwork ports 179 8000-8080`."""
    priority, direction, access, protocol, *rest = text.split()
    made: dict[str, Any] = {"priority": int(priority), "direction": direction, "access": access, "protocol": protocol}
    key = ""
    for word in rest:
        if word in ("from", "to", "ports"):
            key = {"from": "source", "to": "destination", "ports": "ports"}[word]
            made[key] = []
        else:
            made[key].append(int(word) if key == "ports" and word.isdigit() else word)
    return made


def two(group: list[str], *changes: dict[str, Any], at_nva: list[str] | None = None) -> Run:
    groups = {"group": {"rules": [*map(rule, group)]}, "at-nva": {"rules": [*map(rule, at_nva or [])]}}
    topology = dualhome.parse(TWO).topology.changed({"network_security_groups": groups})
    for change in changes:
        topology = topology.changed(change)
    return dualhome.Net(topology).simulate()


def verdict(run: Run, source: str, destination: str, flow: str) -> str:
    """delivered, or who drops it and why."""
    protocol, _, port = flow.partition("/")
    found = {
        (p.outcome, p.at, p.because, p.detail) for p in paths(run.engine, source, destination, Flow(protocol=protocol, port=int(port or 0)))
    }
    ((outcome, at, because, detail),) = found
    return outcome if outcome == "delivered" else f"{because} at {at}: {detail}"


GROUP, NVA_GROUP = "group of one/guarded:", "at-nva of two/nva:"


@pytest.mark.parametrize(
    ("rules", "source", "destination", "flow", "expected"),
    [
        ([], "vm", "guarded", "Tcp/80", "delivered"),  # AllowVnetInBound
        ([], "vm2", "guarded", "Tcp/80", "delivered"),  # the peered network is part of the tag
        (
            [],
            "beyond",
            "guarded",
            "Tcp/80",
            f"network-security-group at guarded: {GROUP} DenyAllInBound (65500) denies Tcp/80 from 172.30.0.9",
        ),
        ([], "guarded", "internet", "Tcp/443", "delivered"),  # AllowInternetOutBound
        (
            ["100 Inbound Deny *"],
            "vm",
            "guarded",
            "Udp/53",
            f"network-security-group at guarded: {GROUP} rule 1 (100) denies Udp/53 from 10.1.1.4",
        ),
        (["100 Inbound Deny Tcp"], "vm", "guarded", "Udp/53", "delivered"),
        (
            ["100 Inbound Deny Icmp"],
            "vm",
            "guarded",
            "Icmp",
            f"network-security-group at guarded: {GROUP} rule 1 (100) denies Icmp from 10.1.1.4",
        ),
        (
            ["100 Inbound Deny Tcp ports 80 8000-8080"],
            "vm",
            "guarded",
            "Tcp/8080",
            f"network-security-group at guarded: {GROUP} rule 1 (100) denies Tcp/8080 from 10.1.1.4",
        ),
        (["100 Inbound Deny Tcp ports 80 8000-8080"], "vm", "guarded", "Tcp/8081", "delivered"),
        (["100 Inbound Deny * from 10.1.1.0/24"], "vm2", "guarded", "Tcp/80", "delivered"),
        (["200 Inbound Deny *", "100 Inbound Allow * from 10.1.1.4/32"], "vm", "guarded", "Tcp/80", "delivered"),
        (
            ["100 Inbound Deny *", "200 Inbound Allow * from 10.1.1.4/32"],
            "vm",
            "guarded",
            "Tcp/80",
            f"network-security-group at guarded: {GROUP} rule 1 (100) denies Tcp/80 from 10.1.1.4",
        ),
        (["100 Inbound Allow * from 172.30.0.0/16"], "beyond", "guarded", "Tcp/80", "delivered"),
        (
            ["100 Inbound Deny * from VirtualNetwork"],
            "vm2",
            "guarded",
            "Tcp/80",
            f"network-security-group at guarded: {GROUP} rule 1 (100) denies Tcp/80 from 10.2.2.4",
        ),
        (
            ["100 Outbound Deny *"],
            "guarded",
            "vm",
            "Tcp/80",
            f"network-security-group at guarded: {GROUP} rule 1 (100) denies Tcp/80 to 10.1.1.4",
        ),
        (["100 Outbound Deny *"], "vm", "guarded", "Tcp/80", "delivered"),
        (
            ["100 Outbound Deny * to Internet"],
            "guarded",
            "internet",
            "Tcp/443",
            f"network-security-group at guarded: {GROUP} rule 1 (100) denies Tcp/443 to 8.8.8.8",
        ),
        (["100 Outbound Deny * to Internet"], "guarded", "vm2", "Tcp/443", "delivered"),
        (
            ["100 Outbound Deny * to 10.2.0.0/16 ports 443"],
            "guarded",
            "vm2",
            "Tcp/443",
            f"network-security-group at guarded: {GROUP} rule 1 (100) denies Tcp/443 to 10.2.2.4",
        ),
    ],
)
def test_rules_by_priority_then_azures_own(rules: list[str], source: str, destination: str, flow: str, expected: str) -> None:
    assert verdict(two(rules), source, destination, flow) == expected


def test_a_flow_that_was_let_through_is_answered() -> None:
    """Stateful: of the answers nobody asks; whoever sees an answer without the flow judges it as a flow of its own."""
    run = two(["100 Inbound Deny *"])
    (path,) = paths(run.engine, "guarded", "vm2")
    assert [reply.outcome for reply in replies(run.engine, path)] == ["delivered"]
    out = two(["100 Outbound Deny *"])
    (path,) = paths(out.engine, "vm2", "guarded")
    assert [reply.outcome for reply in replies(out.engine, path)] == ["delivered"]
    assert ways(run, "vm2", "guarded") == {"dropped at guarded: network-security-group"}


def test_an_nva_is_judged_where_it_takes_and_where_it_sends() -> None:
    """With the packet's own addresses, not those of next hops; toward the Internet as the NVA translated it."""
    by_nva = {"route_tables": {"table": {"routes": [{"prefix": "0.0.0.0/0", "next_hop_type": "VirtualAppliance", "next_hop": "nva"}]}}}
    run = two([], by_nva, at_nva=["100 Inbound Deny * to Internet"])
    assert (
        verdict(run, "guarded", "internet", "Tcp/443")
        == f"network-security-group at nva: {NVA_GROUP} rule 1 (100) denies Tcp/443 from 10.1.2.4"
    )
    taken = "300 Inbound Allow * from VirtualNetwork"  # the default rule takes what goes to the tag VirtualNetwork alone
    assert "DenyAllInBound" in verdict(two([], by_nva), "guarded", "internet", "Tcp/443")
    run = two([], by_nva, at_nva=[taken, "100 Outbound Deny * from 10.1.0.0/16"])
    assert verdict(run, "guarded", "internet", "Tcp/443") == "delivered", "it leaves with the NVA's address"
    run = two([], by_nva, at_nva=[taken, "100 Outbound Deny * from 10.2.1.4/32 to Internet"])
    assert (
        verdict(run, "guarded", "internet", "Tcp/443")
        == f"network-security-group at nva: {NVA_GROUP} rule 2 (100) denies Tcp/443 to 8.8.8.8"
    )


@pytest.mark.rules("R37")
def test_the_tag_virtual_network_holds_what_routes_lead_to() -> None:
    """The own space, peered networks with access, what is programmed, prefixes of user-defined routes, the platform's address."""

    def inside(run: Run, nic: str) -> set[str]:
        return {str(prefix) for prefix in tag_space(run.engine, nic).inside}

    run = two(
        [], {"route_tables": {"table": {"routes": [{"prefix": "192.168.0.0/24", "next_hop_type": "VirtualAppliance", "next_hop": "nva"}]}}}
    )
    assert inside(run, "vm") == {"10.1.0.0/16", "10.2.0.0/16", "168.63.129.16/32"}
    assert inside(run, "guarded") == {"10.1.0.0/16", "10.2.0.0/16", "192.168.0.0/24", "168.63.129.16/32"}
    assert inside(run, "vm2") == {"10.2.0.0/16", "10.1.0.0/16", "172.30.0.0/16", "168.63.129.16/32"}
    run.change({"peerings": {"one->two": {"allow_virtual_network_access": False}}})
    assert inside(run, "vm") == {"10.1.0.0/16", "168.63.129.16/32"}
    assert {str(prefix) for prefix in tag_space(run.engine, "vm").without} == {"10.2.0.0/16"}
    assert inside(run, "vm2") == {"10.2.0.0/16", "10.1.0.0/16", "172.30.0.0/16", "168.63.129.16/32"}, "each side has its own flag"


# --- peerings without access --------------------------------------------------------------------------------------------

ACCESS = "virtual-network-access"


@pytest.mark.rules("R37")
@pytest.mark.parametrize(
    ("closed", "rules", "to_guarded", "from_guarded"),
    [
        ("one->two", [], ACCESS, ACCESS),
        ("two->one", [], ACCESS, ACCESS),
        ("one->two", ["100 Inbound Allow * from 10.2.0.0/16"], "delivered", ACCESS),
        ("one->two", ["100 Outbound Allow * to 10.2.0.0/16"], ACCESS, "delivered"),
        ("one->two", ["100 Inbound Allow * from VirtualNetwork"], ACCESS, ACCESS),  # the tag doesn't hold it
        ("one->two", ["100 Inbound Deny * from 10.2.0.0/16", "200 Inbound Allow *"], "network-security-group", ACCESS),
        ("two->one", ["100 Inbound Allow * from 10.2.0.0/16"], ACCESS, ACCESS),  # the other side allows none
    ],
)
def test_without_access_only_what_a_rule_allows_passes(closed: str, rules: list[str], to_guarded: str, from_guarded: str) -> None:
    """D11: the side that allows no access must allow the packet explicitly. Its answers pass."""
    run = two(rules, {"peerings": {closed: {"allow_virtual_network_access": False}}})
    for source, destination, expected in (("vm2", "guarded", to_guarded), ("guarded", "vm2", from_guarded)):
        (path,) = run.paths(source, destination)
        assert (path.because or path.outcome) == expected
        assert all(reply.outcome == "delivered" for reply in replies(run.engine, path))


# --- sessions -----------------------------------------------------------------------------------------------------------

SESSION = "rs/nva"


def established(run: Run) -> bool:
    return all(view.state == "Established" for view in run.sessions(SESSION))


@pytest.mark.rules("R44", "R77")
@pytest.mark.parametrize(
    ("rules", "up"),
    [
        ([], True),
        (["100 Inbound Deny Tcp ports 179"], True),  # the NVA opens it
        (["100 Outbound Deny Tcp ports 179"], True),  # the route server does
        (["100 Inbound Deny Tcp ports 179", "100 Outbound Deny Tcp ports 179"], False),
        (["100 Inbound Deny *", "100 Outbound Deny *"], False),
        (["100 Inbound Deny Udp", "100 Outbound Deny Udp"], True),
    ],
)
def test_either_side_may_open_a_session(rules: list[str], up: bool) -> None:
    """Whoever opens it is judged, and the answers pass."""
    run = two([], at_nva=rules)
    assert established(run) is up
    if not up:
        assert "at-nva of two/nva: rule 1 (100) denies Tcp/179 from 10.2.0.4" in str(run.why_session("rs/nva"))


@pytest.mark.rules("R44")
def test_an_nva_that_takes_bgp_from_its_own_network_alone_has_no_session_with_a_remote_route_server() -> None:
    """The mistake that labs of dual-homed networks warn of: port 179 allowed from the own range, the rest denied."""
    rules = [
        "100 Inbound Allow Tcp from 10.2.0.0/16 ports 179",
        "110 Outbound Allow Tcp to 10.2.0.0/16 ports 179",
        "200 Inbound Deny *",
        "200 Outbound Deny *",
    ]
    remote = {
        "virtual_networks": {"one": {"subnets": {"RouteServerSubnet": "10.1.0.0/26"}}},
        "route_servers": {"remote": {"virtual_network": "one", "peers": ["nva"]}},
    }
    run = two([], remote, at_nva=rules)
    assert established(run)
    assert {view.state for view in run.sessions("remote/nva")}.isdisjoint({"Established"})
    run.change({"network_security_groups": {"at-nva": {"rules": [rule("100 Inbound Allow Tcp from 10.1.0.0/26 10.2.0.0/16 ports 179")]}}})
    run.settle()
    assert {view.state for view in run.sessions("remote/nva")} == {"Established"}


def test_a_group_that_comes_later_leaves_sessions_that_are_up() -> None:
    """It judges whoever opens one: after the next failure it doesn't come back."""
    run = two([])
    run.change({"network_security_groups": {"at-nva": {"rules": [rule("100 Inbound Deny *"), rule("100 Outbound Deny *")]}}})
    run.settle()
    assert established(run)
    run.fail("nva")
    run.settle()
    run.restore()
    run.settle()
    assert not established(run)


def test_probes_of_a_load_balancer_are_judged_too() -> None:
    """A rule that denies everything inbound denies them as well, and no backend is left."""
    balancer = {"load_balancers": {"lb": {"subnet": "two/vm", "address": "10.2.2.100", "backends": ["nva"]}}}
    assert ways(two([], balancer), "vm2", "lb") == {"nva"}
    denied = two([], balancer, at_nva=["100 Inbound Allow Udp", "200 Inbound Deny *"])
    assert ways(denied, "vm2", "lb") == {"dropped at lb: down"}
    probed = two([], balancer, at_nva=["100 Inbound Allow Udp", "150 Inbound Allow * from AzureLoadBalancer", "200 Inbound Deny *"])
    assert ways(probed, "vm2", "lb") == {"nva"}


def test_paths_are_asked_of_any_flow() -> None:
    run = two(["100 Inbound Deny Tcp ports 8080", "110 Inbound Deny Udp ports 40007"])
    asked = {
        flow: [path.outcome for path, _ in run.trace("vm", "guarded", flow)] for flow in (None, "Tcp/8080", "tcp/443", "udp/53", "Icmp")
    }
    assert asked == {None: ["dropped"], "Tcp/8080": ["dropped"], "tcp/443": ["delivered"], "udp/53": ["delivered"], "Icmp": ["delivered"]}
    for wrong in ("Tcp/0", "Tcp/70000", "Icmp/8", "Sctp/5", "443"):
        with pytest.raises(RequestError, match="is no flow: Tcp/443, Udp/53 or Icmp"):
            run.paths("vm", "guarded", wrong)


@pytest.mark.rules("R44")
@pytest.mark.parametrize(
    ("closed", "rules", "up"),
    [
        ("two->one", [], False),
        ("two->one", ["100 Inbound Allow Tcp from 10.1.0.0/26 ports 179"], True),
        ("two->one", ["100 Outbound Allow Tcp to 10.1.0.0/26 ports 179"], True),
        ("one->two", ["100 Inbound Allow *", "110 Outbound Allow *"], False),  # no group can be on a route server's subnet
    ],
)
def test_a_session_over_a_peering_without_access_needs_a_rule(closed: str, rules: list[str], up: bool) -> None:
    """D11: a rule of the side that allows no access, for either direction of opening."""
    remote = {
        "virtual_networks": {"one": {"subnets": {"RouteServerSubnet": "10.1.0.0/26"}}},
        "route_servers": {"remote": {"virtual_network": "one", "peers": ["nva"]}},
        "peerings": {closed: {"allow_virtual_network_access": False}},
    }
    run = two([], remote, at_nva=rules)
    assert {view.state == "Established" for view in run.sessions("remote/nva")} == {up}
