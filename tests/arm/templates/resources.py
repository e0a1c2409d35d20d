"""Resources in a dictionary, for deployments to be done to: what a server keeps, without any rule but that parents and groups must be there."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping
from typing import Any

import pytest

from dualhome.arm.errors import ArmError, not_found
from dualhome.arm.ids import ResourceId, key_of
from dualhome.arm.store import MemoryStore, Store
from dualhome.arm.templates import Deployment, Deployments, Links

SUBSCRIPTION = "00000000-0000-4000-8000-00000000ab01"
TENANT = "00000000-0000-4000-8000-00000000ab02"
ROOT = f"/subscriptions/{SUBSCRIPTION}"
GROUP = f"{ROOT}/resourceGroups/rg1"
NETWORK = f"{GROUP}/providers/Microsoft.Network"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"


class Resources:
    """By id. `log`: ids in the order in which they were put; `refuse`: id -> the error that a put of it meets; `slow`: puts take a turn of the loop."""

    def __init__(self) -> None:
        self.all: dict[str, dict[str, Any]] = {}
        self.log: list[str] = []
        self.refuse: dict[str, ArmError] = {}
        self.gate: asyncio.Event | None = None
        self.going = self.most = 0
        self.enter(GROUP, {"location": "westeurope"})

    def enter(self, id_: str, body: Mapping[str, Any]) -> dict[str, Any]:
        parsed = ResourceId.parse(id_)
        found = copy.deepcopy({"id": parsed.text, "name": parsed.name, "type": parsed.type, **body})
        found["properties"] = {**(found.get("properties") or {}), "provisioningState": "Succeeded"}
        self.all[key_of(id_)] = found
        return found

    def get(self, id_: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.all.get(key_of(id_)))

    def has(self, id_: str) -> bool:
        return key_of(id_) in self.all

    async def put(self, id_: str, body: dict[str, Any], api_version: str) -> dict[str, Any]:
        assert api_version, "each has one"
        self.going += 1
        self.most = max(self.most, self.going)
        try:
            await (self.gate.wait() if self.gate else asyncio.sleep(0))
            if key_of(id_) in self.refuse:
                raise self.refuse[key_of(id_)]
            parsed = ResourceId.parse(id_)
            if parsed.group and parsed.names != (parsed.group,) and f"{ROOT}/resourcegroups/{parsed.group}".lower() not in self.all:
                raise not_found(f"{ROOT}/resourceGroups/{parsed.group}")
            if parsed.parent is not None and parsed.parent.key not in self.all:
                raise ArmError(
                    404,
                    "ParentResourceNotFound",
                    f"Can not perform requested operation on nested resource. Parent resource '{parsed.parent.name}' not found.",
                )
            self.log.append(parsed.text)
            return self.enter(id_, body)
        finally:
            self.going -= 1

    async def delete(self, id_: str) -> None:
        key = key_of(id_)
        users = [
            each["id"]
            for other, each in self.all.items()
            if other != key and not other.startswith(key + "/") and id_.lower() in str(each).lower()
        ]
        if users:
            raise ArmError(400, "InUseResourceCannotBeDeleted", f"{id_} is in use by {users[0]}.")
        for each in [each for each in self.all if each == key or each.startswith(key + "/")]:
            del self.all[each]

    async def act(self, id_: str, action: str, body: Any, api_version: str) -> Any:
        if self.get(id_) is None:
            raise not_found(id_)
        return {"keys": [{"value": f"{action} of {ResourceId.parse(id_).name}", "body": body, "version": api_version}]}

    def subscription(self) -> dict[str, Any]:
        return {"id": ROOT, "subscriptionId": SUBSCRIPTION, "tenantId": TENANT, "displayName": "test"}

    def tenant(self) -> dict[str, Any]:
        return {"id": f"/tenants/{TENANT}", "tenantId": TENANT, "displayName": "test", "countryCode": "CH"}

    def providers(self, namespace: str) -> dict[str, Any]:
        return {
            "namespace": namespace,
            "resourceTypes": [{"resourceType": "virtualNetworks", "locations": ["West Europe"], "apiVersions": ["2025-07-01"]}],
        }

    def list_group(self, id_: str) -> list[str]:
        above = key_of(id_) + "/providers/"
        return [each["id"] for key, each in self.all.items() if key.startswith(above) and len(ResourceId.parse(key).names) == 1]

    def rehearsal(self) -> Resources:
        other = Resources()
        other.all, other.refuse = copy.deepcopy(self.all), self.refuse
        return other


def template(resources: Any, **more: Any) -> dict[str, Any]:
    """A template with these resources."""
    return {"$schema": SCHEMA, "contentVersion": "1.0.0.0", **more, "resources": resources}


def body(wanted: Any, mode: str = "Incremental", location: str | None = None, **parameters: Any) -> dict[str, Any]:
    """The body of a deployment's request."""
    values = {name: {"value": each} for name, each in parameters.items()}
    found: dict[str, Any] = {"properties": {"mode": mode, "template": wanted, "parameters": values}}
    return {**found, "location": location} if location else found


def vnet(name: str = "v1", **more: Any) -> dict[str, Any]:
    """A virtual network, as a template has it."""
    found = {"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2025-07-01", "name": name, "location": "westeurope"}
    return {**found, "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}, **more}


class World:
    """Resources and their deployments. `deploy` does one to its end."""

    def __init__(self, store: Store | None = None, links: Links | None = None) -> None:
        self.resources = Resources()
        self.store = store or MemoryStore()
        self.deployments = Deployments(self.resources, self.store, links=links)

    def id(self, name: str = "d1", above: str = GROUP) -> str:
        return f"{above}/providers/Microsoft.Resources/deployments/{name}"

    def deploy(self, wanted: Any, mode: str = "Incremental", above: str = GROUP, name: str = "d1", **parameters: Any) -> Deployment:
        async def work() -> Deployment:
            location = None if above == GROUP else "westeurope"
            await self.deployments.begin(self.id(name, above), body(wanted, mode, location, **parameters))
            return await self.deployments.finished(self.id(name, above))

        return asyncio.run(work())

    def made(self, wanted: Any, mode: str = "Incremental", above: str = GROUP, **parameters: Any) -> Deployment:
        """As `deploy`; it must succeed."""
        found = self.deploy(wanted, mode, above, **parameters)
        assert found.state == "Succeeded", found.error
        return found

    def refused(self, wanted: Any, **parameters: Any) -> str:
        """The message with which a template is refused."""
        with pytest.raises(ArmError) as caught:
            self.deploy(wanted, **parameters)
        assert caught.value.code == "InvalidTemplate" or caught.value.code.startswith("InvalidDeployment"), caught.value.code
        assert caught.value.status == 400
        return caught.value.message

    def output(self, expression: Any, **more: Any) -> Any:
        """What an expression gives as an output."""
        wanted = template([], outputs={"x": {"type": more.pop("type", "object"), "value": expression}}, **more)
        outputs = self.made(wanted).outputs
        assert outputs is not None
        return outputs["x"]["value"]
