"""What NICs have: delayed, damped, by one instance, and of the dead."""

from __future__ import annotations

import pytest

from dualhome.engine import events
from tests.engine.networks import next_hops, run

NEW = "10.99.0.0/16"
SHARED = "172.16.4.0/24"


@pytest.mark.rules("R71")
def test_a_change_takes_the_delay() -> None:
    """R71."""
    it = run(route_servers={"rs": {"programming": {"delay_s": 3}}})
    it.wait(10)
    it.announce("nva1", [NEW])
    it.wait(2.9)
    assert next_hops(it, "vm", NEW) == []
    it.wait(0.2)
    assert next_hops(it, "vm", NEW) == ["10.1.2.4"]
    it.withdraw("nva1", [NEW])
    it.wait(1)
    it.announce("nva1", [NEW])  # and back before NICs knew
    assert it.settle() < 0.1
    assert next_hops(it, "vm", NEW) == ["10.1.2.4"]


@pytest.mark.rules("R71")
def test_a_second_change_of_a_prefix_waits() -> None:
    """R71: 30 s after the first."""
    it = run(route_servers={"rs": {"programming": {"delay_s": 1, "damping_s": 30}}})
    it.wait(60)
    it.announce("nva1", [NEW])
    it.wait(1.5)
    assert next_hops(it, "vm", NEW) == ["10.1.2.4"]
    it.announce("nva2", [NEW, "10.98.0.0/16"])
    it.wait(10)
    assert next_hops(it, "vm", NEW) == ["10.1.2.4"]
    assert next_hops(it, "vm", "10.98.0.0/16") == ["10.2.2.4"]  # another prefix, its first change
    assert 18 < it.settle() < 21
    assert next_hops(it, "vm", NEW) == ["10.1.2.4", "10.2.2.4"]


@pytest.mark.rules("R73", "R84")
def test_under_partition_each_nic_has_what_its_instance_has() -> None:
    """R73, R84."""
    for delay_s in (0, 2):
        programming = {"by": "partition", "delay_s": delay_s}
        it = run(route_servers={"rs": {"programming": programming, "peers": ["nva1", {"name": "nva2", "instances": [0]}]}})
        nics = ("vm", "vm2")
        assert sorted(next_hops(it, nic, SHARED) for nic in nics) == [["10.1.2.4"], ["10.1.2.4", "10.2.2.4"]]
        it.fail("rs#0")
        it.settle()
        assert [next_hops(it, nic, SHARED) for nic in nics] == [["10.1.2.4"], ["10.1.2.4"]]
        it.restore("rs#0")
        it.settle()
        assert sorted(next_hops(it, nic, SHARED) for nic in nics) == [["10.1.2.4"], ["10.1.2.4", "10.2.2.4"]]


@pytest.mark.rules("R73")
def test_by_default_nics_have_what_either_instance_has() -> None:
    it = run(route_servers={"rs": {"peers": ["nva1", {"name": "nva2", "instances": [0]}]}})
    assert next_hops(it, "vm", SHARED) == next_hops(it, "vm2", SHARED) == ["10.1.2.4", "10.2.2.4"]


@pytest.mark.rules("R84", "R115")
def test_what_both_dead_instances_programmed_stays() -> None:
    """D15; one that lives keeps all up to date (R84)."""
    for how in ("crash", "silent"):
        it = run()
        it.fail("rs#0", how)
        it.settle()
        it.withdraw("nva2", [SHARED])
        it.settle()
        assert next_hops(it, "vm", SHARED) == ["10.1.2.4"]
        it.fail("rs#1", how)
        it.fail("nva1")
        it.announce("nva2", [SHARED])
        it.settle()
        assert next_hops(it, "vm", SHARED) == ["10.1.2.4"]
        it.restore("rs#1")
        it.settle()
        assert next_hops(it, "vm", SHARED) == ["10.2.2.4"]


def test_what_was_on_its_way_when_both_died() -> None:
    """A dead route server programs nothing more."""
    it = run(route_servers={"rs": {"programming": {"delay_s": 5}}})
    it.wait(10)
    it.withdraw("nva1", [SHARED])
    it.wait(1)
    it.fail("rs")
    it.settle()
    assert next_hops(it, "vm", SHARED) == ["10.1.2.4", "10.2.2.4"]
    it.restore()
    it.settle()
    assert next_hops(it, "vm", SHARED) == ["10.2.2.4"]


@pytest.mark.rules("R115")
def test_what_was_programmed_stays_when_both_processes_end_by_themselves() -> None:
    """D15, of a live network whose speakers are processes of their own; once both are back NICs have what they say."""
    it = run()
    for instance in ("rs#0", "rs#1"):
        it.simulation.handle(events.Ended(instance, "killed"))
    it.wait(5)
    assert next_hops(it, "vm", SHARED) == ["10.1.2.4", "10.2.2.4"]
    it.withdraw("nva1", [SHARED])
    it.wait(5)
    assert next_hops(it, "vm", SHARED) == ["10.1.2.4", "10.2.2.4"]
    for instance in ("rs#0", "rs#1"):
        it.simulation.handle(events.Again(instance))
    it.settle()
    assert next_hops(it, "vm", SHARED) == ["10.2.2.4"]
