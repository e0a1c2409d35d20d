"""A server's resources without a server: what imports are put into, by the same rules, so that what comes out is what the server would run."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from dualhome.arm.backend import Backend, Simulated
from dualhome.arm.errors import ArmError
from dualhome.arm.http.target import ServiceTarget
from dualhome.arm.ids import GROUPS, ResourceId
from dualhome.arm.kinds.base import Context
from dualhome.arm.records import Records
from dualhome.arm.service import Service
from dualhome.arm.settings import Settings
from dualhome.arm.store import MemoryStore
from dualhome.arm.templates.deployments import Deployments

T = TypeVar("T")
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
TENANT = "00000000-0000-0000-0000-000000000001"


class Sandbox:
    """Resources in memory; `left`: what was refused, and why."""

    def __init__(self, subscription: str = SUBSCRIPTION) -> None:
        self.store = MemoryStore()
        self.settings = Settings(subscription=subscription, tenant=TENANT)
        self.records = Records(self.store)
        self.backend = Backend(self.records, Simulated())
        self.service = Service(Context(self.records, self.backend, time.time, self.settings.shared()))
        self.left: list[tuple[str, str]] = []

    def group(self, name: str, location: str = "westeurope") -> ResourceId:
        """A resource group, made where it is not there."""
        id_ = ResourceId(f"/subscriptions/{self.settings.subscription}", "Microsoft.Resources", ("resourceGroups",), (name,))
        if self.records.get(id_.text) is None:
            self.service.put(id_, {"location": location})
        return id_

    def put_all(self, resources: list[dict[str, Any]]) -> None:
        """Resources in any order, each with its id: again and again, until no more of them is accepted."""
        waiting = [part for each in resources if isinstance(each.get("id"), str) for part in _apart(each)]
        refused: dict[str, str] = {}
        while waiting:
            later = []
            for each in waiting:
                try:
                    id_ = ResourceId.parse(each["id"])
                    if id_.group:
                        self.group(id_.group, str(each.get("location") or "westeurope"))
                    if id_.type != GROUPS:
                        self.service.put(id_, {"location": "westeurope", **each})
                except ArmError as error:
                    refused[str(each["id"])] = f"{error.code}: {error.message}"
                    later.append(each)
            if len(later) == len(waiting):
                break
            waiting = later
        self.left += [(str(each["id"]), refused[str(each["id"])]) for each in waiting]

    def deploy(self, template: dict[str, Any], parameters: dict[str, Any], group: str = "imported") -> dict[str, Any]:
        """A template into a group. Raises ArmError where it can't be."""
        id_ = self.group(group)
        level = str(template.get("$schema", "")).lower()
        scope = f"/subscriptions/{self.settings.subscription}" if "subscriptiondeploymenttemplate" in level else id_.text
        body: dict[str, Any] = {"properties": {"mode": "Incremental", "template": template, "parameters": parameters}}
        if scope != id_.text:
            body["location"] = "westeurope"

        async def do(deployments: Deployments) -> dict[str, Any]:
            name = f"{scope}/providers/Microsoft.Resources/deployments/import-{uuid.uuid4().hex[:8]}"
            await deployments.begin(name, body)
            found = (await deployments.finished(name)).shown(time.time())
            for operation in deployments.operations(name):
                said = operation["properties"]
                if said.get("provisioningState") == "Failed":
                    target = (said.get("targetResource") or {}).get("id", "")
                    error = (said.get("statusMessage") or {}).get("error") or {}
                    self.left.append((target, f"{error.get('code')}: {error.get('message')}"))
            return found

        return self._loop(do)

    def _loop(self, do: Callable[[Deployments], Awaitable[T]]) -> T:
        async def whole() -> T:
            return await do(Deployments(ServiceTarget(self.service, self.settings, real=False), self.store))

        return asyncio.run(whole())


def _apart(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """A virtual network, and its peerings, which refer to one another's networks."""
    properties = resource.get("properties")
    if not isinstance(properties, dict) or not properties.get("virtualNetworkPeerings"):
        return [resource]
    peerings = [
        {**each, "id": each.get("id") or f"{resource['id']}/virtualNetworkPeerings/{each.get('name')}"}
        for each in properties["virtualNetworkPeerings"]
    ]
    return [{**resource, "properties": {key: value for key, value in properties.items() if key != "virtualNetworkPeerings"}}, *peerings]
