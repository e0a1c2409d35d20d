"""Whose route servers these are (`behaves_like`): one network under the four, in detection, limits, selection and what is kept."""

from __future__ import annotations

from typing import Any

import pytest

import dualhome
from dualhome.app import Run
from dualhome.errors import TopologyError
from dualhome.model import AZURE_ASN, Bfd
from dualhome.net import Prefix
from tests.engine.networks import DUAL, next_hops, states

BOTH = ["10.1.2.4", "10.2.2.4"]
SHARED = "172.16.4.0/24"
MAKERS = ("azure", "aws", "google", "ideal")


def run(maker: str, *, server: str = "", nva1: str = "", nva2: str = "", text: str = DUAL) -> Run:
    """The network of two NVAs behind another maker's route server, with more keys of each."""
    text = text.replace("name: dual", f"name: dual\nbehaves_like: {maker}").replace("peers: [nva1, nva2]", f"peers: [nva1, nva2]{server}")
    for place, more in (("subnet: hub1/nva", nva1), ("subnet: hub2/nva", nva2)):
        text = text.replace(place, place + more)
    return dualhome.parse(text).simulate()


def lost_for_s(it: Run, how: str = "silent") -> float:
    """Fail the first NVA some time after it is settled; how long the worst flow is interrupted."""
    it.wait(97)
    it.watch("vm", "far")
    it.fail({"node": "nva1", "how": how})
    it.settle()
    return it.outage("vm", "far")


@pytest.mark.rules("R75")
@pytest.mark.parametrize(("maker", "keepalive_s", "hold_s"), [("azure", 60, 180), ("aws", 30, 90), ("google", 20, 60), ("ideal", 1, 3)])
def test_a_silent_loss_costs_each_maker_its_hold_time(maker: str, keepalive_s: float, hold_s: float) -> None:
    it = run(maker)
    assert {view.hold_time_s for view in it.sessions("rs/nva1")} == {hold_s}
    assert hold_s - keepalive_s <= lost_for_s(it) <= hold_s + 0.1
    assert next_hops(it, "vm", SHARED) == ["10.2.2.4"]


@pytest.mark.parametrize("maker", MAKERS)
def test_a_loss_that_is_told_costs_none_of_them_anything(maker: str) -> None:
    assert lost_for_s(run(maker), "crash") <= 0.1


@pytest.mark.parametrize("maker", MAKERS)
def test_the_lower_hold_time_is_agreed_with_each(maker: str) -> None:
    it = run(maker, nva1=", timers: {keepalive_s: 0.7, hold_s: 3}", server=", timers: {hold_s: 30}")
    assert {view.hold_time_s for view in it.sessions("rs/nva1")} == {3}
    assert {view.hold_time_s for view in it.sessions("rs/nva2")} == {30}


def test_bfd_has_the_intervals_of_aws_where_it_is_asked_for_without_any() -> None:
    assert run("aws").network.route_servers["rs"].bfd is None
    it = run("aws", server=", peer_liveness_detection: bfd")
    assert it.network.route_servers["rs"].bfd == Bfd(interval_ms=300, multiplier=3)
    assert 0.9 <= lost_for_s(it) <= 1.0


@pytest.mark.parametrize("maker", ["azure", "google", "ideal"])
def test_bfd_without_intervals_is_refused_where_the_maker_has_none(maker: str) -> None:
    with pytest.raises(TopologyError, match=f"a route server of {maker} has no BFD of its own"):
        run(maker, server=", peer_liveness_detection: bfd")
    assert 0.3 <= lost_for_s(run(maker, server=", bfd: {interval_ms: 100, multiplier: 3}")) <= 0.4


def announcing(count: int) -> str:
    """Keys of an NVA that announces so many prefixes, and nothing that it heard."""
    own = "export: {rs: [{match: {learned_from: [self]}}, {actions: {prefix: drop}}]}"
    return f", asn: 65001, {own}, originates: [{', '.join(f'20.{n // 256}.{n % 256}.0/24' for n in range(count))}]"


@pytest.mark.rules("R87")
@pytest.mark.parametrize(
    ("maker", "count", "up"),
    [
        ("azure", 4000, True),
        ("azure", 4001, False),
        ("aws", 100, True),
        ("aws", 101, False),
        ("google", 5000, True),
        ("google", 5001, False),
        ("ideal", 6000, True),
    ],
)
def test_each_takes_so_many_routes_of_a_peer(maker: str, count: int, up: bool) -> None:
    first = "asn: 65001, originates: [172.16.4.0/24], hosts: {far: 172.16.4.10}"
    it = run(maker, text=DUAL.replace(f", {first}", announcing(count)))
    assert (states(it, "rs/nva1") == {"Established"}) is up
    assert len(it.learned("rs#0/nva1")) == (count if up else 0)
    assert states(it, "rs/nva2") == {"Established"}


def test_only_azure_counts_what_it_holds_once_more_when_it_is_announced_again() -> None:
    """60 routes of 100, announced anew with another attribute: 120 by Azure's count."""
    found = {}
    for maker in MAKERS:
        text = DUAL.replace(", asn: 65001, originates: [172.16.4.0/24], hosts: {far: 172.16.4.10}", announcing(60))
        it = run(maker, text=text, server=", max_routes_per_peer: 100")
        it.change({"network_virtual_appliances": {"nva1": {"prepend": {"rs": 1}}}})
        it.settle()
        found[maker] = any("maximum number of prefixes" in str(e) or "(6/1)" in str(e) for e in it.journal)
    assert found == {"azure": True, "aws": False, "google": False, "ideal": False}


@pytest.mark.rules("R106")
@pytest.mark.parametrize(("maker", "hops"), [("azure", BOTH), ("aws", BOTH[:1]), ("google", BOTH), ("ideal", BOTH)])
def test_of_equal_routes_all_but_aws_use_each(maker: str, hops: list[str]) -> None:
    assert next_hops(run(maker), "vm", SHARED) == hops


@pytest.mark.parametrize("maker", MAKERS)
def test_the_shortest_as_path_goes_first_everywhere(maker: str) -> None:
    it = run(maker, nva1=", prepend: {rs: 2}")
    assert next_hops(it, "vm", SHARED) == ["10.2.2.4"]


MED = ", export: {rs: [{actions: {med: %d}}]}"


@pytest.mark.rules("R113")
@pytest.mark.parametrize(
    ("maker", "same_as", "hops"),
    [
        ("azure", False, BOTH),
        ("azure", True, BOTH),
        ("aws", False, ["10.1.2.4"]),  # of two neighboring AS nothing is compared, and the lower router ID is left
        ("aws", True, ["10.2.2.4"]),
        ("google", False, ["10.2.2.4"]),
        ("google", True, ["10.2.2.4"]),
        ("ideal", True, BOTH),
    ],
)
def test_med_counts_with_aws_within_one_as_and_with_google_always(maker: str, same_as: bool, hops: list[str]) -> None:
    text = DUAL.replace("asn: 65002", "asn: 65001") if same_as else DUAL
    it = run(maker, nva1=MED % 20, nva2=MED % 10, text=text)
    assert next_hops(it, "vm", SHARED) == hops


def test_aws_has_one_next_hop_even_where_its_endpoints_hear_different_peers() -> None:
    it = run("aws", text=DUAL.replace("peers: [nva1, nva2]", "peers: [{name: nva1, instances: [1]}, {name: nva2, instances: [0]}]"))
    assert next_hops(it, "vm", SHARED) == ["10.2.2.4"]


@pytest.mark.rules("R72")
def test_aws_and_google_let_the_user_choose_the_asn() -> None:
    assert run("azure").plan.speakers["rs#0"].config.asn == AZURE_ASN
    for maker, asn in (("aws", 7224), ("google", 4200000007)):
        it = run(maker, server=f", asn: {asn}")
        assert states(it, "rs/nva1") == {"Established"}
        assert [row.as_path for row in it.learned("nva1/rs#0") if row.prefix == Prefix.parse("10.10.0.0/16")] == [str(asn)]


@pytest.mark.rules("R72", "R79")
@pytest.mark.parametrize(
    ("maker", "server", "nva1", "message"),
    [
        (
            "azure",
            ", asn: 64512",
            "",
            "'rs' has ASN 64512, and a route server of azure is 65515 .R72. .only route servers of aws and google",
        ),
        ("ideal", ", asn: 64512", "", "a route server of ideal is 65515"),
        ("google", ", asn: 7224", "", "'rs' has ASN 7224, and a route server of google takes private ones only .64512 to 65534"),
        ("aws", ", asn: 65001", "", "the peer 'nva1' has ASN 65001, which is 'rs''s own .R79."),
        ("google", ", persist_routes_minutes: 1", "", "a route server of google does not persist routes .only route servers of aws"),
    ],
)
def test_keys_of_others_are_refused_where_they_mean_nothing(maker: str, server: str, nva1: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        run(maker, server=server, nva1=nva1)


@pytest.mark.rules("R79")
@pytest.mark.parametrize("asn", [8074, 4200000000])
def test_only_azure_refuses_reserved_and_long_asns_of_peers(asn: int) -> None:
    text = DUAL.replace("asn: 65001", f"asn: {asn}")
    with pytest.raises(TopologyError, match="R79"):
        run("azure", text=text)
    for maker in MAKERS[1:]:
        assert states(run(maker, text=text), "rs/nva1") == {"Established"}


def test_what_the_file_says_goes_before_what_the_maker_does() -> None:
    keys = ", behaves_like: google, timers: {hold_s: 45}, max_routes_per_peer: 7, any_peer_asn: false, reflect_between_nvas: all"
    rs = run("aws", server=keys).network.route_servers["rs"]
    assert (rs.behaves_like, rs.timers.keepalive_s, rs.timers.hold_s) == ("google", 20, 45)
    assert (rs.max_routes_per_peer, rs.any_peer_asn, rs.reflect_between_nvas) == (7, False, "all")


@pytest.mark.rules("R92")
def test_google_tells_nobody_what_it_learned() -> None:
    """Both NVAs stand beside the route server, where Azure's tells each of the other's routes."""
    text = DUAL.replace("subnet: hub1/nva, address: 10.1.2.4", "subnet: spoke/work, address: 10.10.1.20")
    text = text.replace("subnet: hub2/nva, address: 10.2.2.4", "subnet: spoke/work, address: 10.10.1.21")
    told = {maker: {str(row.prefix) for row in run(maker, text=text).learned("nva2/rs#0")} for maker in MAKERS}
    assert told["google"] == {"10.10.0.0/16"}
    assert told["azure"] == told["ideal"] == {"10.10.0.0/16", SHARED}


def test_a_route_server_may_tell_its_peers_nothing() -> None:
    it = run("aws", server=", advertises: false")
    assert it.learned("nva1/rs") == ()
    assert next_hops(it, "vm", SHARED) == ["10.1.2.4"]


# --- routes that persist --------------------------------------------------------------------------------------------------


def persisting() -> Run:
    it = run("aws", server=", persist_routes_minutes: 2")
    it.fail("nva2")
    it.settle()
    it.fail("nva1")
    it.settle()
    return it


def test_routes_persist_when_the_last_session_of_aws_ends() -> None:
    it = persisting()
    assert "Established" not in states(it, "rs")
    assert next_hops(it, "vm", SHARED) == ["10.1.2.4"]
    it.wait(3600)
    assert next_hops(it, "vm", SHARED) == ["10.1.2.4"]
    assert "rs learned it before its last session ended, and persists routes" in it.why("vm", SHARED).answer


def test_what_persisted_goes_two_minutes_after_a_session_is_back_and_did_not_announce_it() -> None:
    it = persisting()
    it.withdraw("nva2", [SHARED])
    it.restore("nva2")
    up_s = _until_up(it, "rs#0/nva2")
    it.wait(up_s + 119 - it.now_s)
    assert next_hops(it, "vm", SHARED) == ["10.1.2.4"]
    it.wait(2)
    assert next_hops(it, "vm", SHARED) == []


def test_what_is_announced_anew_goes_before_what_persisted() -> None:
    it = persisting()
    it.restore("nva2")
    _until_up(it, "rs#0/nva2")
    it.wait(1)
    assert next_hops(it, "vm", SHARED) == ["10.2.2.4"]
    it.settle()
    assert next_hops(it, "vm", SHARED) == ["10.2.2.4"]


def test_without_it_routes_go_with_the_last_session() -> None:
    it = run("aws")
    it.fail(["nva1", "nva2"])
    it.settle()
    assert next_hops(it, "vm", SHARED) == []


def test_a_change_of_the_network_keeps_what_persists_and_takes_another_time() -> None:
    it = persisting()
    it.change({"route_servers": {"rs": {"persist_routes_minutes": 1}}})
    assert next_hops(it, "vm", SHARED) == ["10.1.2.4"]
    it.withdraw("nva2", [SHARED])
    it.restore("nva2")
    up_s = _until_up(it, "rs#0/nva2")
    it.wait(up_s + 61 - it.now_s)
    assert next_hops(it, "vm", SHARED) == []


def test_persistent_routes_may_be_slow_as_well() -> None:
    it = run("aws", server=", persist_routes_minutes: 2, programming: {delay_s: 5}")
    assert next_hops(it, "vm", SHARED) == ["10.1.2.4"]
    it.fail(["nva1", "nva2"])
    it.settle()
    assert next_hops(it, "vm", SHARED) == ["10.1.2.4"]


def _until_up(it: Run, session: str) -> float:
    while states(it, session) != {"Established"}:
        it.wait(0.5)
    return it.now_s


# --- findings -------------------------------------------------------------------------------------------------------------

CROWDED = """
version: 1
name: crowded
behaves_like: %s
virtual_networks:
  hub: {address_space: [10.0.0.0/16, "2001:db8::/48"], virtual_wan_hub: vwan, subnets: {RouteServerSubnet: 10.0.0.0/27, nva: 10.0.1.0/24}}
route_servers:
  rs: {virtual_network: hub, peers: [%s]}
network_virtual_appliances:
%s
"""


def crowded(maker: str, count: int) -> set[str]:
    """Codes of findings on a route server in a small IPv6 subnet, with so many peers."""
    names = [f"nva{n}" for n in range(count)]
    nvas = "\n".join(f"  {name}: {{subnet: hub/nva, ip_forwarding: true, asn: {65100 + n}}}" for n, name in enumerate(names))
    return {finding.code for finding in dualhome.parse(CROWDED % (maker, ", ".join(names), nvas)).simulate().check()}


@pytest.mark.rules("R6", "R17", "R89")
def test_findings_about_azures_limits_are_of_azure() -> None:
    assert crowded("azure", 9) >= {"L-018", "L-023", "L-039"}
    for maker in MAKERS[1:]:
        assert not crowded(maker, 9) & {"L-001", "L-002", "L-016", "L-017", "L-018", "L-023", "L-039", "L-040", "L-044", "L-045"}


@pytest.mark.parametrize(("maker", "count", "found"), [("aws", 20, False), ("aws", 21, True), ("ideal", 21, False)])
def test_each_maker_has_its_own_number_of_peers(maker: str, count: int, found: bool) -> None:
    assert ("L-023" in crowded(maker, count)) is found


def test_the_limit_of_routes_is_found_by_each_makers_own_count() -> None:
    found: dict[str, Any] = {}
    for maker in MAKERS:
        text = DUAL.replace(", asn: 65001, originates: [172.16.4.0/24], hosts: {far: 172.16.4.10}", announcing(60))
        server = "" if maker == "ideal" else ", max_routes_per_peer: 100"
        found[maker] = "L-021" in {finding.code for finding in run(maker, text=text, server=server).check()}
    assert found == {"azure": True, "aws": False, "google": False, "ideal": False}
