"""Stock az, the SDK and an ARM template build the article's network live; each ends with the tables that the topology file has."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dualhome import app
from dualhome.app import azure as shapes
from dualhome.live import machine
from tests.arm.served import DUALHOME, ROOT, Served, needs_az, needs_sdk, served

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool([*machine.missing()]), reason="; ".join(machine.missing()) or "live")]
EXAMPLES = ROOT / "examples" / "as-azure"


def tables(run: app.Run, *, after: bool) -> dict[str, Any]:
    """What the topology file's network tells, as sets that know no order."""
    found: dict[str, Any] = {}
    for hub in (1, 2):
        gone = after and hub == 1
        for what, ask in (("learned", shapes.learned), ("advertised", shapes.advertised)):
            rows = {} if gone else ask(run, f"spoke-rs/hub{hub}-nva")
            found[f"{what}-hub{hub}-nva"] = {role: routes_of(listed) for role, listed in rows.items() if listed}
    found["effective-spoke-vm"] = effective_of(shapes.effective_routes(run, "spoke-vm"))
    return found


def routes_of(rows: Any) -> set[tuple[str, str, str]]:
    return {(row["network"], row["nextHop"], row["asPath"]) for row in rows}


def effective_of(answer: Any) -> set[tuple[Any, ...]]:
    listed = answer["value"]
    return {
        (tuple(row["addressPrefix"]), row["source"], row["state"], row["nextHopType"], tuple(row["nextHopIpAddress"])) for row in listed
    }


def read(folder: Path) -> dict[str, Any]:
    """The same of what a client wrote down."""
    found: dict[str, Any] = {}
    for file in folder.glob("*.json"):
        data = json.loads(file.read_text())
        if file.stem.startswith("effective"):
            found[file.stem] = effective_of(data)
        else:
            found[file.stem] = {role: routes_of(listed) for role, listed in data.items() if listed}
    return found


@pytest.fixture(scope="module")
def expected() -> tuple[dict[str, Any], dict[str, Any]]:
    run = app.load(ROOT / "examples" / "2-expressroute" / "topology.yaml").simulate()
    before = tables(run, after=False)
    run.fail("hub1-nva")
    run.settle()
    return before, tables(run, after=True)


@needs_az
def test_a_script_of_stock_az(tmp_path: Path, expected: tuple[dict[str, Any], dict[str, Any]]) -> None:
    with served(tmp_path, engine="live") as server:
        programs = tmp_path / "bin"
        programs.mkdir()
        (programs / "az").write_text('#!/bin/sh\nexec "$DUALHOME" az -- "$@"\n')
        (programs / "az").chmod(0o755)
        path = f"{programs}:{server.environment['PATH']}"
        environment = server.environment | {"PATH": path, "DUALHOME": str(DUALHOME), "OUT": str(tmp_path / "out")}
        done = subprocess.run(["bash", EXAMPLES / "expressroute.sh"], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    assert (read(tmp_path / "out" / "before"), read(tmp_path / "out" / "after")) == expected


@needs_sdk
def test_a_program_of_the_sdk(tmp_path: Path, expected: tuple[dict[str, Any], dict[str, Any]]) -> None:
    with served(tmp_path, engine="live") as server:
        server.python(EXAMPLES / "expressroute.py", OUT=str(tmp_path / "out"))
    assert (read(tmp_path / "out" / "before"), read(tmp_path / "out" / "after")) == expected


@needs_az
def test_one_template(tmp_path: Path, expected: tuple[dict[str, Any], dict[str, Any]]) -> None:
    with served(tmp_path, engine="live") as server:
        server.az("group", "create", "-n", "rg", "-l", "westeurope")
        template = str(EXAMPLES / "expressroute.json")
        assert server.az("deployment", "group", "validate", "-g", "rg", "-f", template)["properties"]["provisioningState"] == "Succeeded"
        made = server.az("deployment", "group", "create", "-g", "rg", "-f", template)["properties"]
        assert made["provisioningState"] == "Succeeded"
        assert made["outputs"]["spokeRouteServer"]["value"] == ["10.10.0.4", "10.10.0.5"]
        assert collect(server) == expected[0]
        changes = server.az("deployment", "group", "what-if", "-g", "rg", "-f", template, "--no-pretty-print")["changes"]
        assert {change["changeType"] for change in changes} <= {"NoChange", "Ignore"}  # disks are in no template
        server.az("vm", "delete", "-g", "rg", "-n", "hub1-nva", "--yes")
        assert collect(server) == expected[1]


def collect(server: Served) -> dict[str, Any]:
    peering = ("network", "routeserver", "peering")
    found: dict[str, Any] = {}
    for hub in (1, 2):
        for what in ("learned", "advertised"):
            rows = server.az(*peering, f"list-{what}-routes", "-g", "rg", "--routeserver", "spoke-rs", "-n", f"hub{hub}-nva")
            found[f"{what}-hub{hub}-nva"] = {role: routes_of(listed) for role, listed in rows.items() if listed}
    found["effective-spoke-vm"] = effective_of(server.az("network", "nic", "show-effective-route-table", "-g", "rg", "-n", "spoke-vm-nic"))
    return found
