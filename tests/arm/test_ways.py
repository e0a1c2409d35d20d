"""ARM's ways with Azure's own SDK: how changes are answered, what is raised, pages, and what goes wrong on purpose (`--operations`, `--fault`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.arm.served import needs_sdk, served

pytestmark = needs_sdk
PROGRAM = Path(__file__).parent / "programs" / "sdk_ways.py"


def seen(home: Path, check: str, *options: str) -> Any:
    """What one check of the program saw, of a server with these options."""
    with served(home, *options) as server:
        return json.loads(server.python(PROGRAM, check))


@pytest.mark.parametrize("how", ["immediate", "async", "location", "body"])
def test_changes_are_waited_for_however_they_are_answered(tmp_path: Path, how: str) -> None:
    found = seen(tmp_path, "changes", "--operations", how)
    assert found["made"] == ["Succeeded", "a", "Connected"]
    assert found["peer"] == ["10.1.0.4", 65001]
    assert found["learned"] == ["RouteServiceRole_IN_0", "RouteServiceRole_IN_1"]
    assert found["groups"] == []


@pytest.mark.parametrize("how", ["immediate", "async"])
def test_refusals_are_the_exceptions_that_the_sdk_has(tmp_path: Path, how: str) -> None:
    assert seen(tmp_path, "errors", "--operations", how) == {
        "missing": ["ResourceNotFoundError", 404, "ResourceNotFound"],
        "no group": ["ResourceNotFoundError", 404, "ResourceGroupNotFound"],
        "overlap": [400, "NetcfgSubnetRangesOverlap"],
        "in use": [400, "InUseSubnetCannotBeDeleted"],
        "etag": [412, "PreconditionFailed"],
        "there": [412, "PreconditionFailed"],
    }


def test_operations_that_fail_or_are_canceled(tmp_path: Path) -> None:
    found = seen(tmp_path, "fails", "--operations", "async")  # sixty resources, one after the other, half a second each
    assert found["Failed"] == ["DeploymentFailed", "Failed"]
    assert found["Canceled"][1] == "Canceled"
    assert found["Canceled"][0] != "nothing was raised"


def test_lists_come_in_pages(tmp_path: Path) -> None:
    assert seen(tmp_path, "pages") == {"pages": [1000, 100]}


@pytest.mark.parametrize("how", ["immediate", "async", "location", "body"])
def test_what_an_operation_made_is_wherever_an_sdk_looks_for_it(tmp_path: Path, how: str) -> None:
    """`final-state-via`, as SDKs declare it: nothing, and each place that there is."""
    made_and_gone = ["Succeeded", "t", "Succeeded", "Succeeded", None]
    ways = ("None", "azure-async-operation", "location", "original-uri")
    assert seen(tmp_path, "final_states", "--operations", how) == dict.fromkeys(ways, made_and_gone)


@pytest.mark.parametrize(("fault", "status"), [("throttle=4", "429"), ("unavailable=5", "503")])
def test_what_goes_wrong_on_the_way_is_outlived(tmp_path: Path, fault: str, status: str) -> None:
    """Every fourth request is answered 429 with Retry-After, every fifth 503; each is asked again, and no change is made twice."""
    found = seen(tmp_path, "patience", "--fault", fault)
    assert found["names"] == [f"t{number}" for number in range(8)]
    assert found["statuses"].pop(status) >= 2
    assert found["statuses"] == {"201": 8, "200": 1}
    assert found["seconds"] > 0


def test_tokens_run_out_between_operations(tmp_path: Path) -> None:
    found = seen(tmp_path, "patience", "--operations", "async", "--fault", "tokens=2", "--fault", "slow=0.6")
    assert found["names"] == [f"t{number}" for number in range(8)]
    assert found["seconds"] > 4


def test_an_operation_outlasts_its_tokens(tmp_path: Path) -> None:
    """Tokens of two seconds, an operation of six: each question about it comes with a token that holds, and none is refused."""
    found = seen(tmp_path, "expiry", "--operations", "async", "--fault", "tokens=2", "--fault", "slow=6")
    assert found["name"] == "t"
    assert found["seconds"] >= 6
    assert found["tokens"] >= 3
    assert set(found["statuses"]) == {"200", "201"}


def test_routing_is_there_later_than_the_hub(tmp_path: Path) -> None:
    assert seen(tmp_path, "routing_state", "--fault", "routing-lag=2") == {"seen": ["Provisioning", "Provisioned"]}
