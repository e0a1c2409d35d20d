"""A network that runs on this machine becomes another one, whole, and has the tables that a simulation of that one has."""

from __future__ import annotations

from pathlib import Path

import pytest

import dualhome
from dualhome.app import LiveRun, Run
from tests.engine.networks import BRANCHES, DUAL
from tests.live.running import brought_up, inside, reaches

pytestmark = pytest.mark.live


def tables(run: Run | LiveRun) -> dict[str, set[tuple[str, ...]]]:
    """Active effective routes of all machines' NICs."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for nic in run.network.nics():
        rows = run.effective_routes(nic.name)
        found[nic.name] = {
            (str(each.prefix), str(each.next_hop_type), *sorted(map(str, each.next_hops))) for each in rows if each.state == "Active"
        }
    return found


def states(run: Run | LiveRun) -> dict[str, bool]:
    return {name: state == "Established" for name, state in run.session_states().items()}


def test_it_becomes_another_network_and_is_itself_again() -> None:
    """Machines and sessions of the first one are gone; of those that both have the names alone are the same."""
    first, second = dualhome.parse(DUAL), dualhome.parse(BRANCHES)
    with brought_up(DUAL, "become") as live:
        before = tables(live)
        for net in (second, first):
            live.become(net.topology)
            live.settle(600)
            wanted = net.simulate()
            assert live.network == net.network
            assert tables(live) == tables(wanted)
            assert states(live) == states(wanted)
            assert set(live.nodes()) >= set(net.network.virtual_machines)
        assert tables(live) == before
        assert "branch" not in live.nodes()
        assert live.audit() == []


def test_what_is_the_same_in_both_goes_on() -> None:
    """A machine's namespace stays what it was, and so does a session; the newcomer is reached."""
    net = dualhome.parse(DUAL)
    with brought_up(DUAL, "become") as live:
        namespace = Path(live.nodes()["vm"]).stat().st_ino
        since = {each.speaker: each.since_s for each in live.sessions("rs") if each.peer == "nva1"}
        live.become(net.topology.changed({"virtual_machines": {"newcomer": {"subnet": "spoke/work"}}}))
        live.settle(600)
        assert Path(live.nodes()["vm"]).stat().st_ino == namespace
        assert {each.speaker: each.since_s for each in live.sessions("rs") if each.peer == "nva1"} == since
        address = next(str(nic.address) for nic in live.network.nics() if nic.name == "newcomer")
        assert reaches(live, "vm", address), inside(live, "vm", "ip", "route")
