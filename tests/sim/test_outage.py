"""How long flows are interrupted: the worst flow, since the last event."""

from __future__ import annotations

import pytest

from dualhome.errors import RequestError
from tests.engine.networks import run


def test_the_worst_flow_counts_since_the_last_event() -> None:
    it = run()
    it.wait(100)
    it.watch("vm", "far")
    it.fail("nva1", "forwarding")  # half of the flows
    assert it.outage("vm", "far") == 0
    it.wait(7)
    assert it.outage("vm", "far") == pytest.approx(7)  # still open
    it.fail("nva2", "forwarding")  # the rest: an open gap counts from here
    assert it.outage("vm", "far") == 0
    it.wait(3)
    assert it.outage("vm", "far") == pytest.approx(3)
    it.restore("nva2")
    it.wait(2)
    assert it.outage("vm", "far") == pytest.approx(2)  # those of the first are still lost
    it.restore("nva1")
    it.wait(5)
    assert it.outage("vm", "far") == 0


def test_what_nobody_did_is_no_event() -> None:
    it = run()
    it.watch("vm", "far")
    it.fail("nva1", "forwarding")
    it.wait(4)
    with pytest.raises(RequestError):
        it.restore("nva2")
    assert it.outage("vm", "far") == pytest.approx(4)


def test_two_gaps_are_not_added() -> None:
    it = run(route_servers={"rs": {"programming": {"delay_s": 2}}})
    it.wait(100)
    it.watch("vm", "far")
    it.fail("nva1")
    it.settle()
    assert it.outage("vm", "far") == pytest.approx(2.001, abs=0.01)
    it.wait(50)
    assert it.outage("vm", "far") == pytest.approx(2.001, abs=0.01)
