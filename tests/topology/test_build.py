"""Defaults, addresses, names resolved, changes: from the file to the model."""

from __future__ import annotations

import pytest

from dualhome.errors import TopologyError
from dualhome.model import MetricAlert, Network, Quirks, SecurityRule
from dualhome.net import Address, Prefix
from dualhome.topology import parse

SMALL = """\
version: 1
name: small
virtual_networks:
  spoke: {address_space: [10.10.0.0/16], subnets: {RouteServerSubnet: 10.10.0.0/26, workload: {prefix: 10.10.1.0/24, route_table: to-nva}}}
  hub1:
    address_space: [10.1.0.0/16]
    subnets: {RouteServerSubnet: 10.1.0.0/26, GatewaySubnet: 10.1.1.0/27, nva: 10.1.2.0/24}
  hub2: {address_space: [10.2.0.0/16], subnets: {nva: 10.2.2.0/24}}
peerings:
  - {between: [spoke, hub1], allow_forwarded_traffic: true, hub1->spoke: {allow_gateway_transit: true}}
  - {from: spoke, to: hub2, allow_forwarded_traffic: true}
route_servers:
  spoke-rs: {virtual_network: spoke, peers: [hub1-nva, {name: hub2-nva, instances: [0]}]}
  hub1-rs: {virtual_network: hub1, branch_to_branch: true, route_maps: {inbound: {hub1-er: demote}}}
network_virtual_appliances:
  hub1-nva:
    subnet: hub1/nva
    asn: 65001
    interfaces: {outside: {subnet: hub1/nva}}
    static_routes: [{prefix: 0.0.0.0/0, interface: outside}]
    as_override: true
    originates: [0.0.0.0/0, {prefix: 172.16.5.0/24, as_path: 64496 64497, while: dc-host}]
    next_hop: {spoke-rs: ilb}
    export: {spoke-rs: demote}
    import: {spoke-rs: [{actions: {prefix: drop}}]}
    translates: internet
  hub2-nva: {subnet: hub2/nva, address: 10.2.2.9, asn: 65002, as_strip: [spoke-rs]}
load_balancers: {ilb: {subnet: hub1/nva, backends: [hub1-nva]}}
virtual_machines:
  one: {subnet: spoke/workload}
  two: {subnet: spoke/workload, address: 10.10.1.4}
virtual_network_gateways:
  hub1-er: {type: ExpressRoute, virtual_network: hub1}
  hub1-vpn: {type: Vpn, virtual_network: hub1, active_active: true, addresses: [10.1.1.4]}
expressroute_circuits:
  first: {gateways: [hub1-er], provider_edge: [r1, r2]}
  second: {gateways: [{gateway: hub1-er, routing_weight: 10}], provider_edge: [], link_subnets: [169.254.0.0/30, 192.168.255.4/30]}
vpn_connections:
  - {gateway: hub1-vpn, to: branch}
  - {gateway: hub1-vpn#1, to: store}
on_premises:
  r1: {asn: 65010, prefixes: [192.168.0.0/24], hosts: {dc-host: 192.168.0.1}}
  r2: {asn: 65010}
  branch: {asn: 65020, prefixes: [172.16.4.0/24]}
  store: {prefixes: [172.16.5.0/24]}
links: [[r1, r2], {between: [r1, branch], timers: {keepalive_s: 1, hold_s: 3}}]
route_tables:
  to-nva: {routes: [{prefix: 0.0.0.0/0, next_hop_type: VirtualAppliance, next_hop: hub1-nva}, {prefix: 1.0.0.0/8, next_hop_type: None}]}
route_maps:
  demote: [{name: all, actions: {as_path: {add: [64496]}}, then: continue}, {match: {prefix: {contains: [10.0.0.0/8]}}}]
intents: [{from: one, to: dc-host}]
scenario:
  - settle: {within_s: 10}
  - change: {peerings: {spoke->hub1: {allow_forwarded_traffic: false}, spoke<->hub2: null}}
  - change: {vpn_connections: {hub1-vpn<->store: {routing_weight: 5}}, links: {r1<->r2: null}}
  - description: the end
    wait_s: 1
"""


@pytest.fixture(scope="module")
def network() -> Network:
    return parse(SMALL).network


def texts(*values: object) -> list[str]:
    return [*map(str, values)]


def test_addresses_left_out_are_the_next_free_in_file_order(network: Network) -> None:
    assert texts(*network.route_servers["spoke-rs"].addresses) == ["10.10.0.4", "10.10.0.5"]
    assert texts(*(nic.address for nic in network.nvas["hub1-nva"].nics)) == ["10.1.2.4", "10.1.2.5"]
    assert str(network.load_balancers["ilb"].address) == "10.1.2.6"
    assert str(network.virtual_machines["one"].nic.address) == "10.10.1.5"
    assert texts(*network.gateways["hub1-er"].addresses) == ["10.1.1.5", "10.1.1.6"]
    assert texts(*network.gateways["hub1-vpn"].addresses) == ["10.1.1.4", "10.1.1.7"]


def test_routers_on_premises_have_an_address_of_their_lan_or_of_a_link(network: Network) -> None:
    assert str(network.on_premises["r1"].address) == "192.168.0.2"
    assert network.on_premises["r2"].address == network.circuits["first"].router_address(1)


def test_made_up_links_keep_clear_of_given_ones(network: Network) -> None:
    assert texts(*network.circuits["first"].link_subnets) == ["169.254.0.4/30", "169.254.0.8/30"]
    assert network.circuits["second"].provider_edge == ()
    assert network.circuits["second"].gateways[0].routing_weight == 10


def test_connections_default_to_bgp_where_both_ends_speak_it(network: Network) -> None:
    branch, store = network.vpn_connections
    assert (branch.bgp, branch.prefixes) == (True, ())
    assert (store.bgp, store.gateway_instance, texts(*store.prefixes)) == (False, 1, ["172.16.5.0/24"])


def test_peerings_are_one_a_direction(network: Network) -> None:
    assert [peering.name for peering in network.peerings] == ["spoke->hub1", "hub1->spoke", "spoke->hub2"]
    assert [peering.allow_gateway_transit for peering in network.peerings] == [False, True, False]


def test_names_are_resolved(network: Network) -> None:
    first, second = network.route_tables["to-nva"].routes
    assert first.next_hops == (Address.parse("10.1.2.4"),)
    assert (second.next_hop_type, second.next_hops) == ("None", ())
    nva = network.nvas["hub1-nva"]
    assert [rule.name for rule in nva.export_rules["spoke-rs"]] == ["all", "rule 2"]
    assert nva.import_rules["spoke-rs"][0].actions.drop
    assert nva.originates[1].as_path == (64496, 64497)
    assert nva.translates is True
    assert network.route_servers["spoke-rs"].peers[1].instances == (0,)
    assert network.route_maps["demote"][1].match.prefix_contains == (Prefix.parse("10.0.0.0/8"),)


def test_a_change_of_one_direction_keeps_its_other_flags_and_the_other_direction() -> None:
    before = parse(SMALL)
    after = before.changed(before.scenario[1].value)  # type: ignore[arg-type]
    peerings = after.network.peerings
    assert {p.name: (p.allow_forwarded_traffic, p.allow_gateway_transit) for p in peerings} == {
        "spoke->hub1": (False, False),
        "hub1->spoke": (True, True),
    }
    assert before.network.peerings[0].allow_forwarded_traffic
    back = after.changed({"peerings": {"spoke<->hub1": {"allow_forwarded_traffic": None}, "hub1<->hub2": {}}})
    assert [p.name for p in back.network.peerings] == ["spoke->hub1", "hub1->spoke", "hub1->hub2", "hub2->hub1"]
    assert [p.allow_gateway_transit for p in back.network.peerings] == [False, True, False, False]


def test_a_change_finds_connections_and_links_by_name() -> None:
    topology = parse(SMALL)
    after = topology.changed(topology.scenario[2].value).network  # type: ignore[arg-type]
    assert [(c.name, c.gateway_instance, c.routing_weight) for c in after.vpn_connections][1] == ("hub1-vpn<->store", 1, 5)
    assert [link.between for link in after.links] == [("r1", "branch")]


def test_a_change_merges_and_removes_and_reads_short_forms_as_long_ones() -> None:
    after = parse(SMALL).changed(
        {"virtual_networks": {"hub2": {"subnets": {"nva": {"route_table": "to-nva"}}}}, "virtual_machines": {"two": None}}
    )
    assert after.network.subnet("hub2/nva").route_table == "to-nva"
    assert [*after.network.virtual_machines] == ["one"]
    assert str(after.network.virtual_machines["one"].nic.address) == "10.10.1.4"
    assert len(after.scenario) == 4


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"virtual_networks": {"hub1": None}}, "no virtual network 'hub1'"),
        ({"peerings": {"hub1<->hub3": {}}}, "no virtual network 'hub3'"),
        ({"peerings": {"hub1": {}}}, "names no pair"),
        ({"peerings": {"spoke->hub1": {"use_remote_gateways": True}}}, "R31"),
        ({"network_virtual_appliances": {"hub1-nva": {"asn": 65515}}}, "R79"),
        ({"nothing": {}}, "unknown key 'nothing'"),
    ],
)
def test_a_change_to_what_is_not_valid_is_refused(patch: dict[str, object], message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        parse(SMALL).changed(patch)


def test_steps_know_their_line_and_kind() -> None:
    topology = parse(SMALL)
    assert [step.kind for step in topology.scenario] == ["settle", "change", "change", "wait_s"]
    assert topology.scenario[0].line == SMALL.splitlines().index("  - settle: {within_s: 10}") + 1
    assert topology.scenario[3].description == "the end"


def test_a_subnet_that_runs_out_of_addresses_is_told() -> None:
    machines = "".join(f"  vm{i}: {{subnet: a/s}}\n" for i in range(4))
    text = f"version: 1\nname: t\nvirtual_networks: {{a: {{address_space: [10.0.0.0/16], subnets: {{s: 10.0.0.0/29}}}}}}\nvirtual_machines:\n{machines}"
    with pytest.raises(TopologyError, match=r"topology.yaml:8:\d+: virtual machine 'vm3': no free address is left in subnet 'a/s'"):
        parse(text)


def test_merge_keys_and_aliases() -> None:
    text = SMALL + "  - expect: &both {sessions: {hub1-nva/spoke-rs: Established}}\n  - expect: {<<: *both, confidence: observed}\n"
    value = parse(text).scenario[5].value
    assert value == {"sessions": {"hub1-nva/spoke-rs": "Established"}, "confidence": "observed"}


def test_every_fault_is_told_at_once() -> None:
    text = SMALL.replace("as_override", "as_overide").replace("10.2.2.9", "10.3.2.9").replace("[hub1-nva]", "[hub1-nav]")
    with pytest.raises(TopologyError) as caught:
        parse(text)
    assert [fault.message.partition(": ")[2][:25] for fault in caught.value.faults] == [
        "unknown key 'as_overide'",
        "address 10.3.2.9 lies out",
        "no NVA 'hub1-nav'",
    ]


def test_what_came_after_the_first_form_of_the_file() -> None:
    network = parse(
        """\
version: 1
name: later
behaves_like: aws
quirks: {multipath_width: 4, forwarded_traffic_judged_by: sender}
virtual_networks:
  hub:
    address_space: [10.1.0.0/16]
    virtual_wan_hub: vwan
    subnets: {RouteServerSubnet: 10.1.0.0/26, GatewaySubnet: {prefix: 10.1.1.0/27, service_endpoint_policy: storage}, nva: {prefix: 10.1.2.0/24, network_security_group: bgp}}
  spoke: {address_space: [10.2.0.0/16]}
peerings: [{between: [hub, spoke], hub->spoke: {remote_address_space: [10.3.0.0/16]}}]
route_servers: {rs: {virtual_network: hub, peers: [nva]}}
network_virtual_appliances: {nva: {subnet: hub/nva, asn: 65001, route_server_route: false}}
virtual_network_gateways: {vpn: {type: Vpn, virtual_network: hub, sku: VpnGw2AZ, point_to_site: {address_pool: [172.20.0.0/24]}}}
network_security_groups:
  bgp:
    rules:
      - {priority: 200, direction: Outbound, access: Deny}
      - {name: bgp, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, source: [VirtualNetwork, 10.9.0.0/16], ports: [179, 8000-8080]}
metric_alerts: [{on: rs, metric: BgpPeerStatus}]
"""
    ).network
    assert network.quirks == Quirks(multipath_width=4, forwarded_traffic_judged_by="sender")
    assert network.route_servers["rs"].behaves_like == "aws"
    assert network.virtual_networks["hub"].virtual_wan_hub == "vwan"
    assert network.subnet("hub/GatewaySubnet").service_endpoint_policy == "storage"
    assert network.subnet("hub/nva").network_security_group == "bgp"
    assert [(p.name, p.remote_address_space) for p in network.peerings] == [
        ("hub->spoke", (Prefix.parse("10.3.0.0/16"),)),
        ("spoke->hub", None),
    ]
    assert not network.nvas["nva"].route_server_route
    assert (network.gateways["vpn"].sku, network.gateways["vpn"].point_to_site) == ("VpnGw2AZ", (Prefix.parse("172.20.0.0/24"),))
    first, second = network.network_security_groups["bgp"].rules
    assert first == SecurityRule(
        name="bgp",
        priority=100,
        inbound=True,
        allow=True,
        protocol="Tcp",
        source=("VirtualNetwork", Prefix.parse("10.9.0.0/16")),
        ports=((179, 179), (8000, 8080)),
    )
    assert (second.inbound, second.allow, second.source) == (False, False, ())
    assert network.metric_alerts == (MetricAlert(route_server="rs", metric="BgpPeerStatus"),)
