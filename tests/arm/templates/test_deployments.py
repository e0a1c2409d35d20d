"""Deployments as such: what is recorded of them, failures, cancelling, going on after a crash, Complete mode, validate and what-if."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dualhome.arm.errors import ArmError
from dualhome.arm.store import MemoryStore
from dualhome.arm.templates import Deployments
from dualhome.arm.templates.deployment import duration, template_hash
from dualhome.arm.templates.whatif import differences
from tests.arm.templates.resources import GROUP, NETWORK, ROOT, World, body, template, vnet

THREE = template([vnet("a"), vnet("b", dependsOn=["a"]), vnet("c", dependsOn=["b"])])


def names(world: World) -> list[str]:
    return [each.rpartition("/")[2] for each in world.resources.log]


def test_what_get_shows() -> None:
    world = World()
    found = world.made(THREE).shown(0)
    assert (found["id"], found["name"], found["type"]) == (world.id(), "d1", "Microsoft.Resources/deployments")
    properties = found["properties"]
    assert properties["mode"] == "Incremental"
    assert properties["outputResources"] == [{"id": f"{NETWORK}/virtualNetworks/{each}"} for each in "abc"]
    assert properties["providers"] == [
        {"namespace": "Microsoft.Network", "resourceTypes": [{"resourceType": "virtualNetworks", "locations": ["westeurope"]}]}
    ]
    a, b, c = (
        {"id": f"{NETWORK}/virtualNetworks/{each}", "resourceType": "Microsoft.Network/virtualNetworks", "resourceName": each}
        for each in "abc"
    )
    assert properties["dependencies"] == [{"dependsOn": [a], **b}, {"dependsOn": [b], **c}]
    assert properties["templateHash"] == template_hash(THREE)
    assert properties["duration"].startswith("PT")


def test_operations_tell_of_each_resource() -> None:
    world = World()
    world.resources.enter(f"{NETWORK}/virtualNetworks/a", {})
    world.resources.refuse[f"{NETWORK}/virtualNetworks/c".lower()] = ArmError(400, "InvalidRequestFormat", "no good")
    world.deploy(THREE)
    told = {each["properties"]["targetResource"]["resourceName"]: each["properties"] for each in world.deployments.operations(world.id())}
    assert {name: (each["provisioningState"], each["statusCode"]) for name, each in told.items()} == {
        "a": ("Succeeded", "OK"), "b": ("Succeeded", "Created"), "c": ("Failed", "BadRequest"),
    }  # fmt: skip
    assert told["c"]["statusMessage"]["error"]["message"] == "no good"


def test_a_failure_stops_what_waits_for_it_and_nothing_else() -> None:
    world = World()
    world.resources.refuse[f"{NETWORK}/virtualNetworks/a".lower()] = ArmError(409, "Conflict", "no")
    found = world.deploy(template([vnet("a"), vnet("b", dependsOn=["a"]), vnet("other"), vnet("last", dependsOn=["other"])]))
    assert found.state == "Failed"
    assert found.error is not None
    assert found.error["message"].startswith("At least one resource deployment operation failed. Please list deployment operations")
    assert names(world) == ["other", "last"]


def test_what_azure_says_to_try_again_is_tried_again() -> None:
    world = World()
    key = f"{NETWORK}/virtualNetworks/a".lower()
    world.resources.refuse[key] = ArmError(409, "AnotherOperationInProgress", "wait")

    async def work() -> str:
        await world.deployments.begin(world.id(), body(THREE))
        await asyncio.sleep(0.02)
        del world.resources.refuse[key]
        return (await world.deployments.finished(world.id())).state

    assert asyncio.run(work()) == "Succeeded"
    assert names(world) == ["a", "b", "c"]


def test_one_that_runs_can_be_cancelled_and_not_replaced() -> None:
    world = World()

    async def work() -> str:
        world.resources.gate = asyncio.Event()
        await world.deployments.begin(world.id(), body(THREE))
        await asyncio.sleep(0)
        with pytest.raises(ArmError, match="is still active"):
            await world.deployments.begin(world.id(), body(THREE))
        with pytest.raises(ArmError, match="is running"):
            world.deployments.delete(world.id())
        world.deployments.cancel(world.id())
        world.resources.gate.set()
        return (await world.deployments.finished(world.id())).state

    assert asyncio.run(work()) == "Canceled"
    assert names(world) == ["a"]
    with pytest.raises(ArmError, match="it is Canceled"):
        world.deployments.cancel(world.id())
    assert world.made(THREE).state == "Succeeded"


@pytest.mark.parametrize("steps", range(12))
def test_a_deployment_goes_on_after_a_crash_wherever_it_was(steps: int) -> None:
    """The process ends at any instant; another with the same store and resources ends with the same as if nothing had happened, GUIDs too."""
    wanted = template(
        [vnet("a"), vnet("b", dependsOn=["a"], tags={"guid": "[parameters('guid')]"}), vnet("c", dependsOn=["b"])],
        parameters={"guid": {"type": "string", "defaultValue": "[newGuid()]"}},
        outputs={"guid": {"type": "string", "value": "[parameters('guid')]"}},
    )
    world = World(MemoryStore())

    async def crash() -> None:
        await world.deployments.begin(world.id(), body(wanted))
        for _ in range(steps):
            await asyncio.sleep(0)

    asyncio.run(crash())  # what is left of its tasks is cancelled
    before = world.resources.get(f"{NETWORK}/virtualNetworks/b")

    async def go_on() -> Any:
        world.deployments = Deployments(world.resources, world.store)
        await world.deployments.resume()
        return await world.deployments.finished(world.id())

    found = asyncio.run(go_on())
    assert found.state == "Succeeded"
    assert sorted(key.rpartition("/")[2] for key in world.resources.all if "virtualnetworks" in key) == ["a", "b", "c"]
    after = world.resources.get(f"{NETWORK}/virtualNetworks/b")
    assert after is not None
    assert after["tags"]["guid"] == found.outputs["guid"]["value"]
    assert before is None or before == after
    again = Deployments(world.resources, world.store)
    assert again.get(world.id()) == found.shown(0)
    assert sorted(each["operationId"] for each in again.operations(world.id())) == sorted(found.operations)


def test_complete_mode_deletes_users_before_what_they_use() -> None:
    world = World()
    world.resources.enter(f"{NETWORK}/routeTables/old", {})
    world.resources.enter(f"{NETWORK}/virtualNetworks/old", {"properties": {"table": {"id": f"{NETWORK}/routeTables/old"}}})
    found = world.made(template([vnet("a")]), mode="Complete")
    assert sorted(each.rpartition("/")[0].rpartition("/")[2] for each in found.deleted) == ["routeTables", "virtualNetworks"]
    assert world.resources.list_group(GROUP) == [f"{NETWORK}/virtualNetworks/a"]


def test_complete_mode_keeps_what_nested_deployments_make_and_tells_what_it_cant_delete() -> None:
    world = World()
    inner = {
        "type": "Microsoft.Resources/deployments",
        "apiVersion": "2024-11-01",
        "name": "n",
        "properties": {"mode": "Incremental", "template": template([vnet("b")])},
    }
    world.made(template([vnet("a"), inner]), mode="Complete")
    assert sorted(each.rpartition("/")[2] for each in world.resources.list_group(GROUP)) == ["a", "b"]
    world.resources.enter(f"{NETWORK}/routeTables/used", {})
    world.resources.enter(
        f"{ROOT}/resourceGroups/other/providers/Microsoft.Network/virtualNetworks/user", {"x": f"{NETWORK}/routeTables/used"}
    )
    found = world.deploy(template([vnet("a"), inner]), mode="Complete")
    assert found.error is not None
    assert found.error["details"][0]["code"] == "InUseResourceCannotBeDeleted"


def test_a_complete_deployment_that_fails_deletes_nothing() -> None:
    world = World()
    world.resources.enter(f"{NETWORK}/routeTables/old", {})
    world.resources.refuse[f"{NETWORK}/virtualNetworks/a".lower()] = ArmError(409, "Conflict", "no")
    assert world.deploy(template([vnet("a")]), mode="Complete").state == "Failed"
    assert world.resources.get(f"{NETWORK}/routeTables/old") is not None


def test_validate_does_it_all_and_leaves_no_trace() -> None:
    world = World()
    found = asyncio.run(world.deployments.validate(world.id(), body(THREE)))
    assert [each["id"].rpartition("/")[2] for each in found["properties"]["validatedResources"]] == ["a", "b", "c"]
    assert found["properties"]["provisioningState"] == "Succeeded"
    assert names(world) == []
    assert world.deployments.get(world.id()) is None
    world.resources.refuse[f"{NETWORK}/virtualNetworks/b".lower()] = ArmError(400, "NetcfgInvalidSubnet", "no")
    with pytest.raises(ArmError) as caught:
        asyncio.run(world.deployments.validate(world.id(), body(THREE)))
    assert (caught.value.status, caught.value.code) == (400, "InvalidTemplateDeployment")
    assert [each.code for each in caught.value.details] == ["NetcfgInvalidSubnet"]


def test_what_if_tells_of_everything_in_the_group() -> None:
    world = World()
    world.made(template([vnet("same"), vnet("changed"), vnet("left")]))
    wanted = template([vnet("same"), vnet("changed", properties={"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}}), vnet("new")])
    found = asyncio.run(world.deployments.what_if(world.id("x"), body(wanted)))
    kinds = {each["resourceId"].rpartition("/")[2]: each["changeType"] for each in found["properties"]["changes"]}
    assert kinds == {"same": "NoChange", "changed": "Modify", "new": "Create", "left": "Ignore"}
    found = asyncio.run(world.deployments.what_if(world.id("x"), body(wanted, mode="Complete")))
    kinds = {each["resourceId"].rpartition("/")[2]: each["changeType"] for each in found["properties"]["changes"]}
    assert kinds["left"] == "Delete"
    assert names(world) == ["same", "changed", "left"]


def test_differences_go_into_objects_and_arrays() -> None:
    old = {"a": 1, "gone": 2, "o": {"x": 1, "y": 2}, "l": [1, 2], "n": [{"name": "p", "v": 1}, {"name": "q", "v": 1}], "same": [{"a": 1}]}
    new = {"a": "1", "new": 3, "o": {"x": 1, "y": 3}, "l": [1, 2, 3], "n": [{"name": "q", "v": 2}, {"name": "r"}], "same": [{"a": 1}]}
    found = {each["path"]: each for each in differences(old, new)}
    assert {path: each["propertyChangeType"] for path, each in found.items()} == {
        "a": "Modify", "gone": "Delete", "o.y": "Modify", "l": "Array", "n": "Array", "new": "Create",
    }  # fmt: skip
    assert [(each["path"], each["propertyChangeType"]) for each in found["n"]["children"]] == [
        ("0", "Modify"),
        ("1", "Create"),
        ("0", "Delete"),
    ]
    assert found["n"]["children"][0]["children"] == [
        {"path": "v", "propertyChangeType": "Modify", "before": 1, "after": 2, "children": None}
    ]
    assert differences(old, old) == []


@pytest.mark.parametrize(("seconds", "shown"), [(0, "PT0S"), (3.2, "PT3.2S"), (60, "PT1M0S"), (3723.5, "PT1H2M3.5S"), (-1, "PT0S")])
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({}, "InvalidRequestContent"),
        ({"properties": {"mode": "Incremental"}}, "InvalidRequestContent"),
        ({"properties": {"template": {}}}, "InvalidRequestContent"),
        ({"properties": {"mode": "Sideways", "template": {}}}, "InvalidRequestContent"),
        ({"properties": {"mode": "Incremental", "template": {}, "onErrorDeployment": {}}}, "OnErrorDeploymentNotSupported"),
        ({"properties": {"mode": "Incremental", "template": THREE, "parameters": []}}, "InvalidRequestContent"),
        ({"properties": {"mode": "Incremental", "templateLink": {}}}, "InvalidTemplateLink"),
    ],
)
def test_requests_that_are_none(request_: Any, code: str) -> None:
    world = World()
    with pytest.raises(ArmError) as caught:
        asyncio.run(world.deployments.begin(world.id(), request_))
    assert (caught.value.status, caught.value.code) == (400, code)


def test_where_deployments_cant_go() -> None:
    world = World()
    for id_, status, code in (
        (world.id("a b"), 400, "InvalidDeploymentName"),
        (world.id("x" * 65), 400, "InvalidDeploymentName"),
        (world.id(above=f"{ROOT}/resourceGroups/none"), 404, "ResourceGroupNotFound"),
        (world.id(above="/subscriptions/other/resourceGroups/rg1"), 404, "SubscriptionNotFound"),
        (world.id(above="/providers/Microsoft.Management/managementGroups/m"), 400, "LocationRequired"),
    ):
        with pytest.raises(ArmError) as caught:
            asyncio.run(world.deployments.begin(id_, body(THREE)))
        assert (caught.value.status, caught.value.code) == (status, code), id_


def test_a_location_stays() -> None:
    world = World()
    group = {"type": "Microsoft.Resources/resourceGroups", "apiVersion": "2024-11-01", "name": "new", "location": "westeurope"}
    world.made(template([group]), above=ROOT)
    with pytest.raises(ArmError, match="already exists in location 'westeurope'"):
        asyncio.run(world.deployments.begin(world.id(above=ROOT), body(template([group]), location="eastus")))


def test_dependencies_of_loop_upon_loop_are_told_in_part() -> None:
    """200 that each wait for 200 others: 40,000 pairs, of which GET tells the first of each."""
    first = vnet("[concat('a', copyIndex())]", copy={"name": "first", "count": 200})
    second = vnet("[concat('b', copyIndex())]", copy={"name": "second", "count": 200}, dependsOn=["first"])
    world = World()
    told = world.made(template([first, second])).shown(0)["properties"]["dependencies"]
    assert len(told) == 200
    assert {len(each["dependsOn"]) for each in told} == {50}
    assert names(world) == [f"a{each}" for each in range(200)] + [f"b{each}" for each in range(200)]
