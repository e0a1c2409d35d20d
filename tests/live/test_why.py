"""`why` asked of a network that is up: sessions as they are, and what would change, which is simulated and says so."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

import dualhome
from dualhome.cli import run as cli
from dualhome.live import machine
from dualhome.live.place import ROOT as RUN
from tests.consoles import ROOT

pytestmark = pytest.mark.live

NAME = f"why-{os.getpid()}"
INTERNET = (ROOT / "examples/1-internet/topology.yaml").read_text("utf-8")


@pytest.fixture(autouse=True)
def _needs() -> Iterator[None]:
    if reason := next(iter(machine.missing()), ""):
        pytest.skip(reason)
    yield
    assert not (RUN / NAME).exists()


def test_questions_to_a_network_that_is_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Its session goes down by a real failure; a simulation of what is left says what another one would do."""
    net = dualhome.parse(INTERNET)
    with net.up(NAME) as live:
        live.settle(60)
        up, simulated = live.why_session("spoke-rs/hub1-nva"), net.simulate().why_session("spoke-rs/hub1-nva")
        assert [step.text for step in up.steps] == [step.text for step in simulated.steps]
        assert live.why("spoke-vm", "internet", "hub2-nva").answer.startswith(
            "it does: spoke-vm sends packets for 0.0.0.0/0 to 10.1.2.4 and"
        )

        live.fail("hub1-nva")
        live.settle(60)
        down = live.why_session("spoke-rs/hub1-nva")
        assert down.question == "Why is the session spoke-rs/hub1-nva down?"
        assert "hub1-nva is down (crash)" in down.answer
        assert down.remedy is not None
        assert down.remedy.text == "restore hub1-nva"

        assert cli(["why", "spoke-vm", "internet", "--if", "fail hub2-nva", "--network", NAME, "--json"]) == 0
        told = capsys.readouterr()
        found = json.loads(told.out)
        assert found["note"] == f"simulated from the topology of {NAME}, which is up, as it is by now"
        assert found["note"] in told.err
        assert "to 10.2.2.4" in found["before"]["answer"]
        assert "spoke-vm sends packets" not in found["after"]["answer"]

        assert cli(["why", "spoke-vm", "branch-host", "--outage", "--fail", "hub2-nva", "--network", NAME]) == 0
        assert "it has no end: there is no other way" in capsys.readouterr().out.replace("\n", " ")
        assert live.session_states("spoke-rs/hub2-nva") == {"spoke-rs#0/hub2-nva": "Established", "spoke-rs#1/hub2-nva": "Established"}
