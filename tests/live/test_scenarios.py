"""Every scenario holds on this machine too: real BGP, real packets, timers twenty times as fast."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import dualhome
from dualhome.app import UpOptions
from dualhome.live import machine
from tests.files import EXAMPLES, OURS, SHARED

pytestmark = pytest.mark.live

SPEED = 20.0
SOME = ("microhack-s2-s3-b2b-vpn-spoke", "docs-split-route-server", "ipspace-two-nva-ecmp", "opnsense-er-default")
FILES = [*EXAMPLES, *OURS, *(file for file in SHARED if file.stem in SOME)]


@pytest.fixture(autouse=True)
def machine_can() -> None:
    if reason := "; ".join(machine.missing()):
        pytest.skip(reason)


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.parent.name if p.stem == "topology" else p.stem)
def test_everything_that_a_scenario_expects_holds_live(file: Path) -> None:
    results = dualhome.load(file).test_live(name=f"scenario-{os.getpid()}", options=UpOptions(speed=SPEED, tunnels="plain"))
    assert results, f"{file} expects nothing"
    # How long an outage took is a timing of a busy machine, twenty times as long at this speed: benches/live.py measures it.
    wrong = [result.message for result in results if not result.ok and not result.what.startswith("outage")]
    assert not wrong, "\n".join(wrong)
