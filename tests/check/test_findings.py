"""Each finding appears where one thing is wrong, on the object that is wrong, and not before."""

from __future__ import annotations

import json

import pytest
from networks import DUAL_HOMED, dual_homed, hub
from settled import Settled

from dualhome.check import CHECKS, ENTRIES, findings
from dualhome.plan import make_plan
from dualhome.report import data
from dualhome.topology import parse

NVAS = "network_virtual_appliances"
SERVERS = "route_servers"

BROKEN_DUAL_HOMED = [
    ("L-001", "hub1-nva", {SERVERS: {"spoke-rs": {"peers": [{"name": "hub1-nva", "instances": [0]}, "hub2-nva"]}}}),
    ("L-001", "hub1-nva", {NVAS: {"hub1-nva": {"prepend": {"spoke-rs#1": 2}}}}),
    ("L-003", "hub1-nva", {NVAS: {"hub1-nva": {"multihop": False}}}),
    ("L-004", "hub1-nva", {NVAS: {"hub1-nva": {"as_override": False}}}),
    ("L-005", "hub1-nva", {NVAS: {"hub1-nva": {"as_override": ["spoke-rs"]}}}),
    ("L-005", "hub1-nva", {NVAS: {"hub1-nva": {"as_override": ["hub1-rs"]}}}),
    (
        "L-008",
        "spoke->hub1",
        {
            SERVERS: {"spoke-rs": None},
            "peerings": {"spoke->hub1": {"use_remote_gateways": True}},
            NVAS: {"hub1-nva": {"export": None}, "hub2-nva": {"export": None}},
            "route_maps": {"from-spoke": None},
        },
    ),
    ("L-013", "hub1-nva", {NVAS: {"hub1-nva": {"export": None}}}),
    ("L-018", "spoke/RouteServerSubnet", {"virtual_networks": {"spoke": {"subnets": {"RouteServerSubnet": "10.10.0.0/27"}}}}),
    ("L-024", "spoke/workload", {"virtual_networks": {"spoke": {"subnets": {"workload": {"route_table": "off"}}}}}),
    ("L-027", "hub1-er", {"virtual_networks": {"hub1": {"subnets": {"GatewaySubnet": {"route_table": None}}}}}),
    ("L-029", "hub2-nva", {NVAS: {"hub2-nva": {"as_override": ["hub2-rs"], "as_strip": ["spoke-rs"]}}}),
    ("L-030", "hub1-nva", {NVAS: {"hub1-nva": {"prepend": {"hub1-rs": 2}}}}),
    ("L-034", "dc-r1", {"on_premises": {"dc-r1": {"communities": {"circuit1": ["65517:100"]}}}}),
    ("L-041", "hub1-nva", {NVAS: {"hub1-nva": {"ip_forwarding": False}}}),
    ("L-042", "spoke->hub1", {"peerings": {"spoke->hub1": {"allow_forwarded_traffic": False}}}),
    ("L-053", "hub1-nva", {SERVERS: {"spoke-rs": {"reflect_between_nvas": "all"}}, NVAS: {"hub1-nva": {"export": {"hub1-rs": None}}}}),
    ("L-055", "circuit1", {"expressroute_circuits": {"circuit1": {"gateways": [{"gateway": "hub1-er", "fast_path": True}]}}}),
]

BROKEN_HUB = [
    ("L-010", "spoke", {"peerings": {"spoke->hub": {"use_remote_gateways": False}}}),
    ("L-015", "vpn", {"virtual_network_gateways": {"vpn": {"active_active": False}}}),
    ("L-015", "vpn", {"virtual_network_gateways": {"vpn": {"asn": 65050}}}),
    ("L-019", "nva1", {NVAS: {"nva1": {"originates": ["10.1.2.0/24"]}}}),
    (
        "L-021",
        "nva1",
        {SERVERS: {"rs": {"max_routes_per_peer": 19}}, NVAS: {"nva1": {"originates": [f"172.16.{i}.0/24" for i in range(10)]}}},
    ),
    (
        "L-023",
        "rs",
        {
            SERVERS: {
                "rs": {"peers": ["nva1", "nva2", *({"name": f"x{i}", "address": f"10.0.2.{50 + i}", "asn": 65100 + i} for i in range(7))]}
            }
        },
    ),
    ("L-025", "vpn", {"virtual_networks": {"hub": {"subnets": {"GatewaySubnet": {"route_table": "off"}}}}}),
    ("L-026", "rs", {"virtual_networks": {"hub": {"subnets": {"GatewaySubnet": {"route_table": "firewall"}}}}}),
    ("L-031", "nva1", {NVAS: {"nva1": {"originates": ["0.0.0.0/0"]}}}),
    ("L-032", "nva1", {NVAS: {"nva1": {"originates": ["0.0.0.0/0"]}}}),
    (
        "L-037",
        "er",
        {
            "expressroute_circuits": {"second": {"gateways": ["er"], "provider_edge": ["dc"]}},
            "on_premises": {"dc": {"export": {"second": "own"}}},
        },
    ),
    ("L-038", "rs", {NVAS: {"nva1": {"originates": ["192.168.0.0/16"]}}}),
    ("L-039", "rs", {"virtual_networks": {"hub": {"address_space": ["10.0.0.0/16", "fd00::/64"]}}}),
    ("L-044", "rs", {SERVERS: {"rs": {"peers": ["nva1", "nva2", "nva9"], "route_maps": {"inbound": {"nva9": "long"}}}}}),
    ("L-045", "wrong", {SERVERS: {"rs": {"route_maps": {"inbound": {"nva1": "wrong"}}}}}),
    ("L-046", "nva1", {NVAS: {"nva1": {"next_hop": {"rs": "ilb"}}}}),
    (
        "L-051",
        "vpn<->branch",
        {"vpn_connections": {"vpn<->branch": {"prefixes": ["172.20.0.4/32"]}}, "on_premises": {"branch": {"address": "172.20.0.4"}}},
    ),
    ("L-051", "branch", {"on_premises": {"branch": {"originates": ["10.0.0.0/16"]}}}),
]


def test_a_sound_dual_homed_network_has_no_findings(check) -> None:
    assert check(dual_homed()) == []


def test_a_sound_hub_has_no_findings(check) -> None:
    assert check(hub()) == []


@pytest.mark.parametrize(("code", "on", "patch"), BROKEN_DUAL_HOMED, ids=lambda v: v if isinstance(v, str) else "")
def test_one_mistake_in_the_dual_homed_network_is_found(check, code, on, patch) -> None:
    assert (code, on) in {(f.code, f.on) for f in check(dual_homed(patch))}


@pytest.mark.parametrize(("code", "on", "patch"), BROKEN_HUB, ids=lambda v: v if isinstance(v, str) else "")
def test_one_mistake_in_the_hub_is_found(check, code, on, patch) -> None:
    assert (code, on) in {(f.code, f.on) for f in check(hub(patch))}


def test_an_override_toward_one_side_is_one_finding_not_two(check) -> None:
    found = check(dual_homed({NVAS: {"hub1-nva": {"as_override": ["spoke-rs"]}}}))
    assert [(f.code, f.on) for f in found] == [("L-005", "hub1-nva")]


def test_a_finding_says_what_happens_and_what_helps(check) -> None:
    (first, _) = check(dual_homed({NVAS: {"hub1-nva": {"as_override": False}}}))
    assert first.message == "hub1-rs drops 10.10.0.0/16 from hub1-nva: the AS path holds 65515, its own ASN"
    assert first.remedy == "set as_override (or as_strip) at hub1-nva toward hub1-rs"
    assert (first.severity, first.rule) == ("error", "R99")
    assert list(data.finding(first)) == [
        "code",
        "severity",
        "on",
        "message",
        "remedy",
        "rule",
        "file",
        "line",
        "column",
        "fixable",
        "edits",
    ]
    json.dumps(data.finding(first))


def test_a_finding_stands_at_its_object_in_the_file(check) -> None:
    net = parse(DUAL_HOMED.replace("ip_forwarding: true, asn: 65001", "ip_forwarding: false, asn: 65001"))
    (found,) = check(net)
    assert "hub1-nva" in DUAL_HOMED.splitlines()[found.line - 1]
    assert found.file == "topology.yaml"


def test_the_echo_to_the_other_instance_is_no_lost_route(check) -> None:
    """An NVA without rules tells rs#1 what rs#0 told it; rs#1 refuses that for 65515 in the path, and nothing is lost (L-004 is absent)."""
    world = Settled(hub().network)
    assert any(r.reason == "as-loop" for r in world.rejected("rs#1", "nva1"))
    assert check(hub()) == []


def test_a_branch_tag_that_keeps_a_route_out_is_found(check) -> None:
    """L-033 (R135): both hubs' gateways on one circuit; hub 2 does not hear what hub 1's NVA announces."""
    patch = {
        "expressroute_circuits": {"circuit1": {"gateways": ["hub1-er", "hub2-er"]}},
        NVAS: {"hub1-nva": {"originates": ["172.16.0.0/16"], "export": {"hub1-rs": None}}},
    }
    found = {(f.code, f.on) for f in check(dual_homed(patch))}
    assert ("L-033", "hub2-er") in found


def test_without_a_simulation_what_needs_no_routes_is_still_found() -> None:
    net = dual_homed({"peerings": {"spoke->hub1": {"allow_forwarded_traffic": False}}, NVAS: {"hub1-nva": {"as_override": False}}})
    assert [f.code for f in findings(net.network, make_plan(net.network))] == ["L-042"]


def test_every_code_has_a_check_and_an_entry_that_agree() -> None:
    codes = [c.code for c in CHECKS]
    assert {f"L-{n:03}" for n in range(1, 56)} <= {*codes}
    assert len(codes) == len({*codes})
    assert {c.code: c.severity for c in CHECKS} == {code: entry.severity for code, entry in ENTRIES.items()}
    assert all(c.code in (c.run.__doc__ or "") for c in CHECKS)
