"""Whoever deploys a template may do no more by it than without it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from dualhome.arm.backend import Backend, Simulated
from dualhome.arm.errors import ArmError
from dualhome.arm.http.deployments import DeploymentRequests
from dualhome.arm.http.target import CALLER, Rights, ServiceTarget
from dualhome.arm.ids import ResourceId
from dualhome.arm.kinds.base import Context
from dualhome.arm.records import Records
from dualhome.arm.service import Service
from dualhome.arm.settings import Settings
from dualhome.arm.store import MemoryStore, Store
from dualhome.arm.templates.deployments import Callers
from tests.arm.templates.resources import GROUP, NETWORK, SUBSCRIPTION, TENANT, body, template, vnet

ID = f"{GROUP}/providers/Microsoft.Resources/deployments/d1"
OTHER = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg2"


class Guarded:
    """A server on which `may` says what somebody may do: (action, scope)."""

    def __init__(self, may: Any, store: Store | None = None) -> None:
        store = store or MemoryStore()
        settings = Settings(subscription=SUBSCRIPTION, tenant=TENANT)
        records = Records(store)
        self.service = Service(Context(records, Backend(records, Simulated()), time.time, settings.shared()))
        self.asked: list[tuple[str, str]] = []
        self.assigned: dict[str, dict[str, Any]] = {}

        def allow(principal: Any, action: str, scope: str) -> None:
            assert principal == "somebody"
            self.asked.append((action, scope))
            if not may(action, scope):
                raise ArmError(403, "AuthorizationFailed", f"no {action} over {scope}")

        def assign(id_: str, properties: dict[str, Any]) -> dict[str, Any]:
            self.assigned[id_] = properties
            return {"id": id_, "properties": properties}

        callers = Callers(lambda: CALLER.get() or "", lambda name: CALLER.set(name) and None)
        rights = Rights(allow, assign, self.assigned.get)
        self.deployments = DeploymentRequests(self.service, settings, store, rights, allow, callers).deployments
        for group in (GROUP, OTHER):
            self.service.put(ResourceId.parse(group), {"location": "westeurope"})
        secret = ResourceId.parse(f"{OTHER}/providers/Microsoft.Network/virtualNetworks/secret")
        self.service.put(secret, {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}}})

    def deploy(self, wanted: Any, mode: str = "Incremental") -> Any:
        async def work() -> Any:
            CALLER.set("somebody")
            await self.deployments.begin(ID, body(wanted, mode))
            return await self.deployments.finished(ID)

        return asyncio.run(work())


def test_each_resource_is_asked_for() -> None:
    guarded = Guarded(lambda action, scope: True)
    assert guarded.deploy(template([vnet("a")])).state == "Succeeded"
    assert ("Microsoft.Network/virtualNetworks/write", f"{NETWORK}/virtualNetworks/a") in guarded.asked


def test_what_one_may_not_make_fails() -> None:
    guarded = Guarded(lambda action, scope: not action.endswith("virtualNetworks/write"))
    found = guarded.deploy(template([vnet("a")]))
    assert (found.state, found.error["details"][0]["code"]) == ("Failed", "AuthorizationFailed")
    assert guarded.service.records.get(f"{NETWORK}/virtualNetworks/a") is None


def test_what_one_may_not_read_is_not_referred_to() -> None:
    guarded = Guarded(lambda action, scope: "rg2" not in scope)
    secret = f"{OTHER}/providers/Microsoft.Network/virtualNetworks/secret"
    found = guarded.deploy(template([], outputs={"x": {"type": "object", "value": f"[reference('{secret}', '2025-07-01')]"}}))
    assert (found.state, found.error["details"][0]["code"]) == ("Failed", "AuthorizationFailed")
    assert found.outputs is None


def test_complete_mode_deletes_only_what_one_may_delete() -> None:
    guarded = Guarded(lambda action, scope: not action.endswith("/delete"))
    guarded.service.put(ResourceId.parse(f"{NETWORK}/routeTables/old"), {"location": "westeurope", "properties": {}})
    found = guarded.deploy(template([vnet("a")]), mode="Complete")
    assert (found.state, found.error["details"][0]["code"]) == ("Failed", "AuthorizationFailed")
    assert guarded.service.records.get(f"{NETWORK}/routeTables/old") is not None


def test_role_assignments_of_a_template_count_and_rehearsals_dont() -> None:
    guarded = Guarded(lambda action, scope: True)
    name = "11111111-2222-4333-8444-555555555555"
    role = {
        "type": "Microsoft.Authorization/roleAssignments",
        "apiVersion": "2022-04-01",
        "name": name,
        "properties": {"principalId": "p", "roleDefinitionId": "r"},
    }
    asyncio.run(guarded.deployments.validate(ID, body(template([role]))))
    assert guarded.assigned == {}
    assert guarded.deploy(template([role])).state == "Succeeded"
    assert list(guarded.assigned) == [f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/{name}"]


def test_what_goes_on_after_a_restart_has_the_rights_of_whoever_began_it() -> None:
    store = MemoryStore()
    first = Guarded(lambda action, scope: True, store)

    async def begin() -> None:
        CALLER.set("somebody")
        await first.deployments.begin(ID, body(template([vnet("a")])))

    asyncio.run(begin())  # and the process ends before anything is done
    second = Guarded(lambda action, scope: False, store)

    async def go_on() -> Any:
        await second.deployments.resume()
        return await second.deployments.finished(ID)

    found = asyncio.run(go_on())
    assert (found.state, found.error["details"][0]["code"]) == ("Failed", "AuthorizationFailed")


def test_a_rehearsal_changes_nothing() -> None:
    guarded = Guarded(lambda action, scope: True)
    before = [each.id for each in guarded.service.records]
    asyncio.run(guarded.deployments.what_if(ID, body(template([vnet("a")]), mode="Complete")))
    assert [each.id for each in guarded.service.records] == before


def test_parts_of_resources_can_be_deployed_and_referred_to() -> None:
    """`Microsoft.Network/loadBalancers/backendAddressPools` is a type that templates have, and no resource of its own."""
    guarded = Guarded(lambda action, scope: True)
    balancer = {
        "type": "Microsoft.Network/loadBalancers",
        "apiVersion": "2025-07-01",
        "name": "lb",
        "location": "westeurope",
        "sku": {"name": "Standard"},
        "properties": {},
    }
    pool = {
        "type": "Microsoft.Network/loadBalancers/backendAddressPools",
        "apiVersion": "2025-07-01",
        "name": "lb/pool",
        "dependsOn": ["lb"],
        "properties": {},
    }
    found = guarded.deploy(
        template([balancer, pool], outputs={"state": {"type": "string", "value": "[reference('lb/pool').provisioningState]"}})
    )
    assert found.state == "Succeeded", found.error
    assert found.outputs == {"state": {"type": "String", "value": "Succeeded"}}
    target = guarded.deployments.target
    assert isinstance(target, ServiceTarget)
    shown = target.get(f"{NETWORK}/loadBalancers/lb")
    assert shown is not None
    assert [each["name"] for each in shown["properties"]["backendAddressPools"]] == ["pool"]


@pytest.mark.parametrize("id_", ["/subscriptions/x/nothing", "/providers/Microsoft.Network", "nowhere"])
def test_ids_that_mean_nothing(id_: str) -> None:
    guarded = Guarded(lambda action, scope: True)
    with pytest.raises(ArmError):
        asyncio.run(guarded.deployments.target.put(id_, {}, "2025-07-01"))
