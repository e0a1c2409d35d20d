"""Hashing both directions of a flow alike, which is beyond Azure (R64): a firewall then sees what it let out come back."""

from __future__ import annotations

import pytest

import dualhome

TWO_FIREWALLS = """
version: 1
name: firewalls
{flow_hash}
virtual_networks:
  hub: {{address_space: [10.0.0.0/16], subnets: {{RouteServerSubnet: 10.0.0.0/26, nva: 10.0.1.0/24}}}}
  a: {{address_space: [10.1.0.0/16], subnets: {{vm: {{prefix: 10.1.1.0/24, route_table: through}}}}}}
  b: {{address_space: [10.2.0.0/16], subnets: {{vm: {{prefix: 10.2.1.0/24, route_table: through}}}}}}
peerings:
  - {{between: [hub, a], allow_forwarded_traffic: true}}
  - {{between: [hub, b], allow_forwarded_traffic: true}}
network_virtual_appliances:
  one: {{subnet: hub/nva, ip_forwarding: true, stateful: true}}
  two: {{subnet: hub/nva, ip_forwarding: true, stateful: true}}
route_tables:
  through: {{routes: [{{prefix: 10.0.0.0/8, next_hop_type: VirtualApplianceEcmp, next_hops: [one, two]}}]}}
virtual_machines: {{vm-a: {{subnet: a/vm}}, vm-b: {{subnet: b/vm}}}}
"""


@pytest.mark.parametrize(("line", "found"), [("", {"delivered", "dropped"}), ("flow_hash: azure", {"delivered", "dropped"})])
def test_azure_hashes_each_direction_on_its_own(line: str, found: set[str]) -> None:
    run = dualhome.parse(TWO_FIREWALLS.format(flow_hash=line)).simulate()
    assert {reply.outcome for _, replies in run.trace("vm-a", "vm-b") for reply in replies} == found


def test_symmetric_hashing_brings_answers_to_the_firewall_that_knows_them() -> None:
    run = dualhome.parse(TWO_FIREWALLS.format(flow_hash="flow_hash: symmetric")).simulate()
    ways = run.trace("vm-a", "vm-b")
    assert {path.outcome for path, _ in ways} == {"delivered"}
    assert {reply.outcome for _, replies in ways for reply in replies} == {"delivered"}


def test_another_word_is_refused_with_its_line() -> None:
    with pytest.raises(dualhome.TopologyError, match=r"topology\.yaml:4:"):
        dualhome.parse(TWO_FIREWALLS.format(flow_hash="flow_hash: random"))
