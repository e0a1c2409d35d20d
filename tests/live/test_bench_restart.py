"""`benches/restart.py` with few routes: no packet is lost where none may be, and it sees losses where there are some."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from dualhome.live import machine
from tests.consoles import ROOT


@pytest.mark.live
@pytest.mark.parametrize("case", ["graceful", "instances", "alone"])
def test_packets_while_a_route_server_is_killed_and_comes_back(case: str) -> None:
    if reason := next(machine.missing(), ""):
        pytest.skip(reason)
    command = [sys.executable, "benches/restart.py", "--quick", "--routes", "200", "--json", case]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    [row] = json.loads(done.stdout)["rows"]
    assert (row["case"], row["routes"], row["verdict"]) == (case, 200, "fine")
    assert (row["lost"] > 0) is (case == "alone")
    assert row["sent"] > 4000
