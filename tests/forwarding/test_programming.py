"""What route servers and gateways program on NICs, from RIBs written out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from dualhome.forwarding.programming import programmed_by
from dualhome.forwarding.world import RibHop
from dualhome.model import Network, RouteServer
from dualhome.net import Prefix
from tests.forwarding.fake import A, circuit, er_gateway, network, rib, site, vnet, vpn_gateway

Ribs = Mapping[str, Mapping[Prefix, tuple[RibHop, ...]]]


def hub(*, rs: bool = True, active_active: bool = True, weights: tuple[int, int] = (0, 0)) -> Network:
    server = [RouteServer(name="rs", virtual_network="hub", addresses=(A("10.1.0.4"), A("10.1.0.5")))] if rs else []
    return network(
        vnet("hub", "10.1.0.0/16", rs_="10.1.0.0/26", gw_="10.1.1.0/27"),
        *server,
        er_gateway("er", "hub", "10.1.1.4", "10.1.1.5"),
        vpn_gateway("vpn", "hub", "10.1.1.6", "10.1.1.7", active_active=active_active),
        circuit("one", "er", "dc", 1, weight=weights[0]),
        circuit("two", "er", "dc", 2, weight=weights[1]),
        site("dc", "192.168.0.1", "192.168.0.0/16"),
    )


def programmed(net: Network, ribs: Ribs, *, dead: Sequence[str] = (), part: int | None = None) -> list[str]:
    """`prefix class next hops by`."""
    table: Callable[[str], Sequence[tuple[Prefix, tuple[RibHop, ...]]]] = lambda name: tuple(ribs.get(name, {}).items())  # noqa: E731
    found = programmed_by(net, "hub", table, lambda name: name not in dead, part)
    return [f"{p} {r.route_class} {' '.join(map(str, r.next_hops))} by {r.by}" for p, r in sorted(found.items())]


def both(name: str, *routes: str) -> Ribs:
    return {f"{name}#{i}": rib(*routes) for i in (0, 1)}


EDGES = both("er", "192.168.0.0/16 one#0@169.254.1.2 one#1@169.254.1.6 two#0@169.254.2.2 two#1@169.254.2.6")
FROM_ER = both("rs", "192.168.0.0/16 er#0|class:er@169.254.1.2 er#1|class:er@169.254.1.2")


def test_an_nvas_route_has_its_next_hops_as_told() -> None:
    """R50, R106, R116: the multipath set; a third party's address verbatim, once."""
    ribs = both(
        "rs", "8.0.0.0/8 nva1|class:nva@10.1.2.4 nva2|class:nva@10.1.2.5", "9.0.0.0/8 nva1|class:nva@10.1.2.100 nva2|class:nva@10.1.2.100"
    )
    assert programmed(hub(), ribs) == ["8.0.0.0/8 nva 10.1.2.4 10.1.2.5 by rs", "9.0.0.0/8 nva 10.1.2.100 by rs"]


def test_a_route_servers_own_origins_are_not_programmed() -> None:
    assert programmed(hub(), both("rs", "10.1.0.0/16 self")) == []


def test_the_instances_programs_are_united_or_one_alone() -> None:
    """R73: an NVA that peers with one instance only."""
    ribs = {
        "rs#0": rib("8.0.0.0/8 nva1|class:nva@10.1.2.4"),
        "rs#1": rib("8.0.0.0/8 nva2|class:nva@10.1.2.5", "9.0.0.0/8 nva2|class:nva@10.1.2.5"),
    }
    assert programmed(hub(), ribs) == ["8.0.0.0/8 nva 10.1.2.4 10.1.2.5 by rs", "9.0.0.0/8 nva 10.1.2.5 by rs"]
    assert programmed(hub(), ribs, part=0) == ["8.0.0.0/8 nva 10.1.2.4 by rs"]
    assert programmed(hub(), ribs, dead=["rs#1"]) == ["8.0.0.0/8 nva 10.1.2.4 by rs"]


@pytest.mark.parametrize(
    ("weights", "hops"),
    [((0, 0), "169.254.1.2 169.254.1.6"), ((0, 10), "169.254.2.2 169.254.2.6"), ((10, 0), "169.254.1.2 169.254.1.6")],
    ids=["the first name", "the heavier", "the heavier is the first"],
)
@pytest.mark.rules("R51", "R114")
def test_beside_a_route_server_of_equal_circuits_one_is_used(weights: tuple[int, int], hops: str) -> None:
    """R51: Microsoft's edge, not the gateway; R114, R146."""
    assert programmed(hub(weights=weights), {**EDGES, **FROM_ER}) == [f"192.168.0.0/16 er {hops} by rs"]


@pytest.mark.rules("R146")
def test_without_one_all_that_the_gateway_found_equal_are_used() -> None:
    found = programmed(hub(rs=False), {**EDGES, **FROM_ER})
    assert found == ["192.168.0.0/16 er 169.254.1.2 169.254.1.6 169.254.2.2 169.254.2.6 by er"]


@pytest.mark.parametrize(("active_active", "hops"), [(True, "10.1.1.6 10.1.1.7"), (False, "10.1.1.6")])
def test_a_vpn_gateway_is_its_instances(active_active: bool, hops: str) -> None:
    """R51: both when active-active, static prefixes as learned ones (R49)."""
    ribs = both("vpn", "10.1.0.0/16 self", "172.16.4.0/24 branch|class:site@172.16.4.1", "172.16.5.0/24 static:store")
    assert programmed(hub(rs=False, active_active=active_active), ribs) == [
        f"172.16.4.0/24 vpn {hops} by vpn",
        f"172.16.5.0/24 vpn {hops} by vpn",
    ]


def test_the_standby_programs_while_the_other_is_dead() -> None:
    ribs = both("vpn", "172.16.5.0/24 static:store")
    assert programmed(hub(rs=False, active_active=False), ribs, dead=["vpn#0"]) == ["172.16.5.0/24 vpn 10.1.1.7 by vpn"]


def test_by_a_route_server_vpn_routes_lead_to_the_gateway_whatever_next_hop_it_told() -> None:
    """R51."""
    ribs = both("rs", "172.16.4.0/24 vpn#0|class:vpn@172.16.4.1 vpn#1|class:vpn@172.16.4.1")
    assert programmed(hub(), ribs) == ["172.16.4.0/24 vpn 10.1.1.6 10.1.1.7 by rs"]


def test_without_a_route_server_expressroute_goes_before_vpn() -> None:
    """R107's default."""
    ribs = {**EDGES, **both("vpn", "192.168.0.0/16 branch|class:site@192.168.0.1", "172.16.4.0/24 branch|class:site@172.16.4.1")}
    assert programmed(hub(rs=False), ribs) == [
        "172.16.4.0/24 vpn 10.1.1.6 10.1.1.7 by vpn",
        "192.168.0.0/16 er 169.254.1.2 169.254.1.6 169.254.2.2 169.254.2.6 by er",
    ]


def test_what_a_gateway_has_from_nowhere_beyond_is_not_programmed() -> None:
    assert programmed(hub(rs=False), both("er", "10.1.0.0/16 self", "10.0.0.0/8 self")) == []
