"""Each kind of failure, and its mending: sessions, what NICs have, how long flows are interrupted."""

from __future__ import annotations

import pytest

import dualhome
from dualhome.app import Run
from dualhome.engine import events
from dualhome.errors import NotSettled, RequestError
from tests.engine.networks import BRANCHES, DUAL, next_hops, outcomes, run, states

BOTH = ["10.1.2.4", "10.2.2.4"]
SHARED = "172.16.4.0/24"


def _broken(target: object, wait_s: float = 100) -> tuple[Run, float]:
    it = run()
    it.wait(wait_s)
    it.watch("vm", "far")
    it.fail(target)
    return it, it.settle()


@pytest.mark.parametrize(
    ("target", "sessions", "hops", "found"),
    [
        ("nva1", {"rs/nva1": {"Idle"}, "rs/nva2": {"Established"}}, ["10.2.2.4"], {"delivered"}),
        ({"node": "nva1", "how": "silent"}, {"rs/nva1": {"Idle"}, "nva1/rs": {"Idle"}}, ["10.2.2.4"], {"delivered"}),
        ({"node": "nva1", "how": "forwarding"}, {"rs/nva1": {"Established"}}, BOTH, {"delivered", "dropped"}),
        ("rs#0", {"rs#0/nva1": {"Idle"}, "rs#1/nva1": {"Established"}}, BOTH, {"delivered"}),
        ("rs/nva1", {"rs/nva1": {"Idle"}, "nva1/rs": {"Idle"}}, ["10.2.2.4"], {"delivered"}),
        ("rs#0/nva1", {"rs#0/nva1": {"Idle"}, "rs#1/nva1": {"Established"}}, BOTH, {"delivered"}),
        ({"session": "rs/nva1", "how": "silent"}, {"rs/nva1": {"Idle"}}, ["10.2.2.4"], {"delivered"}),
        ("spoke<->hub1", {"rs/nva1": {"Idle"}}, ["10.2.2.4"], {"delivered"}),
        ({"link": "hub1<->spoke", "how": "silent"}, {"rs/nva1": {"Idle"}}, ["10.2.2.4"], {"delivered"}),
        ({"virtual_network": "hub1"}, {"rs/nva1": {"Idle"}}, ["10.2.2.4"], {"delivered"}),
        ({"region": "north"}, {"rs/nva2": {"Idle"}, "rs/nva1": {"Established"}}, ["10.1.2.4"], {"delivered"}),
        ({"region": "west"}, {"rs/nva2": {"Idle"}}, BOTH, {"dropped"}),
        (["nva1", "rs#1"], {"rs/nva1": {"Idle"}, "rs#0/nva2": {"Established"}}, ["10.2.2.4"], {"delivered"}),
    ],
    ids=lambda value: "" if isinstance(value, set) else str(value),
)
def test_what_fails_goes_down_and_comes_back(target: object, sessions: dict[str, set[str]], hops: list[str], found: set[str]) -> None:
    it, _ = _broken(target)
    assert {name: states(it, name) for name in sessions} == sessions
    assert next_hops(it, "vm", SHARED) == hops
    assert outcomes(it, "vm", "far") == found
    it.restore(target if not isinstance(target, dict) else {k: v for k, v in target.items() if k != "how"})
    it.settle()
    assert set(it.session_states().values()) == {"Established"}
    assert next_hops(it, "vm", SHARED) == BOTH
    assert outcomes(it, "vm", "far") == {"delivered"}
    it.restore()


@pytest.mark.rules("R75", "R115")
def test_a_crash_is_known_at_once_and_silence_when_the_hold_time_is_over() -> None:
    it, took_s = _broken("nva1")
    assert took_s < 0.1
    assert 0 < it.outage("vm", "far") < 0.1
    it, took_s = _broken({"node": "nva1", "how": "silent"}, wait_s=59)
    assert 120 <= took_s <= 180
    assert it.outage("vm", "far") == pytest.approx(took_s, abs=0.01)
    view = it.sessions("rs#0/nva1")[0]
    assert "Hold Timer" in view.last_error


def test_silence_shorter_than_the_hold_time_costs_no_session() -> None:
    it = run()
    it.wait(100)
    since = [view.since_s for view in it.sessions()]
    it.fail("nva1", "silent")
    it.announce("nva1", ["10.99.0.0/16"])
    it.wait(60)
    assert next_hops(it, "vm", "10.99.0.0/16") == []
    it.restore("nva1")
    it.settle()
    assert [view.since_s for view in it.sessions()] == since
    assert next_hops(it, "vm", "10.99.0.0/16") == ["10.1.2.4"]  # sent again


@pytest.mark.rules("R75")
def test_a_lower_hold_time_of_either_end_counts() -> None:
    it = run(network_virtual_appliances={"nva1": {"timers": {"keepalive_s": 3, "hold_s": 9}}})
    it.wait(100)
    it.fail("nva1", "silent")
    assert 6 <= it.settle() <= 9


def test_failing_twice_replaces_the_first_way() -> None:
    it = run()
    it.fail("nva1", "forwarding")
    it.settle()
    it.fail("nva1")
    it.settle()
    assert states(it, "rs/nva1") == {"Idle"}
    it.fail("nva1")
    it.fail("nva1", "forwarding")
    it.settle()
    assert states(it, "rs/nva1") == {"Established"}
    assert outcomes(it, "vm", "far") == {"delivered", "dropped"}
    it.restore("nva1")
    assert outcomes(it, "vm", "far") == {"delivered"}


def test_instances_of_what_failed_as_a_whole_come_back_one_by_one_and_the_other_way_round() -> None:
    it = run()
    it.fail("rs")
    it.settle()
    it.restore("rs#0")
    it.settle()
    assert (states(it, "rs#0"), states(it, "rs#1")) == ({"Established"}, {"Idle"})
    it.fail("rs#0")
    it.restore("rs")
    it.fail("rs#1/nva2")
    it.restore("nva2/rs")
    it.settle()
    assert states(it, "rs") == {"Established"}


@pytest.mark.parametrize("target", ["nva1", "rs", "rs#1", "rs/nva1", "hub1<->spoke", "hub1", "west", {"region": "north"}])
def test_what_has_not_failed_can_not_be_mended(target: object) -> None:
    it = run()
    it.fail("nva2")
    with pytest.raises(RequestError, match="has not failed"):
        it.restore(target)
    it.settle()
    assert states(it, "rs/nva2") == {"Idle"}
    it.restore()
    it.restore()  # everything may be mended at any time


def test_names_that_are_not_there_are_no_failures() -> None:
    it = run()
    for target in ("nva9", "rs/nva9", "hub1<->nowhere", {"region": "south"}, {"virtual_network": "nva1"}, {"what": "nva1"}):
        with pytest.raises(RequestError):
            it.fail(target)
    with pytest.raises(RequestError, match="no such way"):
        it.fail("nva1", "slowly")
    with pytest.raises(RequestError):
        it.announce("rs", ["10.0.0.0/8"])


def test_rest_has_reasons() -> None:
    net = dualhome.parse(DUAL)
    it = net.simulate(settle=False)
    with pytest.raises(NotSettled, match="not settled after 0 s"):
        it.settle(0)
    it.settle()
    assert it.settle(0) == 0
    it.fail("nva1", "silent")
    with pytest.raises(NotSettled, match="nva1 don't arrive: a hold timer will end it"):
        it.settle(5)
    it.change({"route_servers": {"rs": {"peers": ["nva2"]}}})  # and that session is gone
    it.settle(5)
    assert states(it, "rs") == {"Established"}
    slow = run(route_servers={"rs": {"programming": {"delay_s": 4}}})
    slow.announce("nva1", ["10.99.0.0/16"])
    with pytest.raises(NotSettled, match="on their way to the NICs of spoke"):
        slow.settle(1)
    slow.settle(4)


@pytest.mark.rules("R76")
def test_an_unknown_peer_is_refused() -> None:
    """R76."""
    it = run(
        network_virtual_appliances={"nva3": {"subnet": "hub1/nva", "asn": 65003}},
        route_servers={"rs": {"peers": ["nva1", "nva2", {"name": "outside", "address": "10.1.2.9", "asn": 65009}]}},
    )
    assert "Established" not in states(it, "rs/outside")
    assert not any("nva3" in name for name in it.session_states("rs"))
    transport = it.engine.handle(events.Accepted("rs#0", "nva3", 999), it.simulation.now)
    assert transport == [events.Close("rs#0", "nva3", 999)]
    assert not it.engine.wants("rs#0", "nva3")


@pytest.mark.rules("R87")
def test_over_the_limit_the_session_ends_and_at_the_limit_it_stays() -> None:
    """R87: what is held and what arrives count together."""
    it = run(route_servers={"rs": {"max_routes_per_peer": 5}})
    it.announce(
        "nva1", [f"198.18.{i}.0/24" for i in range(4)]
    )  # with its own: 5; what it has of rs#0 and tells rs#1 is a loop and does not count (R99)
    it.settle()
    assert states(it, "rs/nva1") == {"Established"}
    it.announce("nva1", ["198.19.0.0/24"])
    it.wait(0.5)
    assert "Idle" in states(it, "rs/nva1")
    assert any("Maximum Number of Prefixes" in view.last_error for view in it.sessions("rs/nva1"))
    it.settle(120)  # it goes on trying, in vain: it ended three times for the same reason
    assert states(it, "rs/nva1") != {"Established"}
    it.withdraw("nva1", ["198.19.0.0/24"])
    it.settle()
    assert states(it, "rs/nva1") == {"Established"}


@pytest.mark.rules("R87")
def test_announcing_all_anew_counts_twice() -> None:
    """R87: 2,001 of 4,000 are too many when they come again."""
    it = run(route_servers={"rs": {"max_routes_per_peer": 8}})
    it.announce("nva1", [f"198.18.{i}.0/24" for i in range(4)])
    it.settle()
    it.change({"network_virtual_appliances": {"nva1": {"prepend": {"rs": 1}}}})
    it.wait(0.5)
    assert any("Maximum Number of Prefixes" in str(entry) for entry in it.journal)


def test_bfd_knows_after_its_detection_time() -> None:
    it = run(BRANCHES)
    it.wait(100)
    it.fail("branch<->lab", "silent")
    it.wait(0.299)
    assert states(it, "branch/lab") == {"Established"}
    it.settle(0.1)
    assert "Established" not in states(it, "branch/lab")
    it.fail("nva")  # something else is no news of it
    it.settle()
    assert sum(getattr(entry, "kind", "") == "bfd" for entry in it.journal) == 1
    it.restore()
    it.settle()
    assert states(it, "branch/lab") == {"Established"}
    it.fail("branch<->lab", "silent")
    it.wait(0.2)
    it.restore("branch<->lab")  # too short to be known
    it.wait(1)
    assert states(it, "branch/lab") == {"Established"}
    it.fail("branch<->lab", "forwarding")
    assert it.settle() == 0


@pytest.mark.parametrize("how", ["crash", "silent"])
def test_the_standby_instance_takes_over_and_hands_back(how: str) -> None:
    it = run(BRANCHES)
    assert (states(it, "vpn#0"), states(it, "vpn#1")) == ({"Established"}, {"Idle"})
    assert next_hops(it, "vm", "172.20.0.0/16") == ["10.0.1.6"]
    it.fail("vpn#0", how)
    it.settle()
    assert states(it, "vpn#1") == {"Established"}
    assert next_hops(it, "vm", "172.20.0.0/16") == ["10.0.1.7"]
    assert outcomes(it, "vm", "shop") == {"delivered"}
    it.restore("vpn#0")
    it.settle()
    assert (states(it, "vpn#0"), states(it, "vpn#1")) == ({"Established"}, {"Idle"})
    assert next_hops(it, "vm", "172.20.0.0/16") == ["10.0.1.6"]
    it.fail("vpn")
    it.settle()
    assert next_hops(it, "vm", "172.20.0.0/16") == []
    it.restore("vpn#1")
    it.settle()
    assert next_hops(it, "vm", "172.20.0.0/16") == ["10.0.1.7"]


@pytest.mark.rules("R162")
@pytest.mark.parametrize("delay_s", [0, 2])
def test_a_prefix_is_announced_while_its_host_is_reached(delay_s: int) -> None:
    """R162; with slow programming the host is reached only when the NICs know."""
    it = run(BRANCHES, route_servers={"rs": {"programming": {"delay_s": delay_s}}})
    it.wait(50)
    for _ in range(2):
        assert next_hops(it, "vm", "172.16.5.0/24") == ["10.0.2.4"]
        it.withdraw("branch", ["172.20.0.0/16"])
        it.settle()
        assert next_hops(it, "vm", "172.16.5.0/24") == []
        it.announce("branch", ["172.20.0.0/16"])
        it.settle()
    it.fail("branch")
    it.settle()
    assert next_hops(it, "vm", "172.16.5.0/24") == []
    it.restore()
    it.settle()
    assert next_hops(it, "vm", "172.16.5.0/24") == ["10.0.2.4"]
