"""What a file cannot say, since reading refuses it, is still a finding on a model that was made otherwise."""

from __future__ import annotations

from dataclasses import replace

from networks import dual_homed, hub

from dualhome.check import findings
from dualhome.model import Network, Peering
from dualhome.net import Prefix
from dualhome.plan import make_plan


def found(network: Network) -> set[tuple[str, str]]:
    return {(f.code, f.on) for f in findings(network, make_plan(network))}


def with_remote(network: Network, *names: str) -> Network:
    change = lambda p: replace(p, use_remote_gateways=True) if p.name in names else p  # noqa: E731  # one use
    return replace(network, peerings=tuple(map(change, network.peerings)))


def test_remote_gateways_twice_and_beside_ones_own() -> None:
    """L-006, L-007, L-008."""
    both = found(with_remote(dual_homed().network, "spoke->hub1", "spoke->hub2"))
    assert {("L-006", "spoke->hub2"), ("L-007", "spoke->hub1"), ("L-008", "spoke->hub1")} <= both


def test_remote_gateways_without_any() -> None:
    """L-008 (R32)."""
    net = hub().network
    assert ("L-008", "hub->spoke") in found(with_remote(net, "hub->spoke"))
    assert isinstance(net.peerings[0], Peering)


def test_reserved_asn() -> None:
    """L-002 (R79)."""
    net = hub().network
    for asn in (65515, 12076, 65518, 64500, 70000):
        assert ("L-002", "nva1") in found(replace(net, nvas={**net.nvas, "nva1": replace(net.nvas["nva1"], asn=asn)}))
    assert ("L-002", "nva1") not in found(net)


def test_route_server_subnets() -> None:
    """L-016, L-017."""
    net = hub().network
    home = net.virtual_networks["hub"]
    subnet = home.subnets["RouteServerSubnet"]

    def having(**change) -> Network:
        subnets = {**home.subnets, "RouteServerSubnet": replace(subnet, **change)}
        return replace(net, virtual_networks={**net.virtual_networks, "hub": replace(home, subnets=subnets)})

    assert ("L-016", "hub/RouteServerSubnet") in found(having(route_table="off"))
    assert ("L-017", "rs") in found(having(prefix=Prefix.parse("10.0.0.0/28")))
    second = replace(net.route_servers["rs"], name="rs2", peers=())
    assert ("L-017", "rs2") in found(replace(net, route_servers={**net.route_servers, "rs2": second}))
