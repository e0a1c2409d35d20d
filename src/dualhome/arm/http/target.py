"""What deployments do things to on a server: its resources, with the rights of whoever deploys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from dualhome.arm.errors import ArmError, not_found
from dualhome.arm.http import subscriptions
from dualhome.arm.http.paths import Meant, meant, segments
from dualhome.arm.ids import GROUPS, ResourceId
from dualhome.arm.kinds import kind_of
from dualhome.arm.kinds.base import Context
from dualhome.arm.records import Record
from dualhome.arm.service import Service
from dualhome.arm.settings import Settings
from dualhome.arm.store import MemoryStore

Data = dict[str, Any]
CALLER: Final[ContextVar[Any]] = ContextVar("caller", default=None)  # who deploys; None: a deployment that goes on after a restart
ASSIGNMENTS: Final = "microsoft.authorization/roleassignments"


@dataclass(frozen=True, slots=True)
class Rights:
    """`allow(principal, action, scope)` raises ArmError 403; `assign(id, properties)` makes a role assignment, `assigned(id)` shows one."""

    allow: Callable[[Any, str, str], None]
    assign: Callable[[str, Data], Data]
    assigned: Callable[[str], Data | None]


class ServiceTarget:
    """`templates.Target` on a server's resources. `real`: what is done shall last; a rehearsal's is done on a copy and followed by nothing."""

    def __init__(self, service: Service, settings: Settings, rights: Rights | None = None, *, real: bool = True) -> None:
        self.service, self.settings, self.rights, self.real = service, settings, rights, real
        self.context = service.context

    def _allow(self, type_: str, verb: str, scope: str) -> None:
        principal = CALLER.get()
        if self.rights is None or principal is None:
            return
        named = "Microsoft.Resources/subscriptions/resourceGroups" if type_.lower() == GROUPS.lower() else type_
        self.rights.allow(principal, f"{named}/{verb}", scope)

    # --- reading ------------------------------------------------------------------------------------------------------

    def get(self, id_: str) -> Data | None:
        """As GET shows it; parts of resources (a load balancer's frontend) too."""
        parts = segments(id_)
        if "/".join(parts[:-1]).lower() == "subscriptions":
            return self.subscription()
        found = meant("GET", parts)
        if found.id is None:
            return None
        if found.id.type.lower() == ASSIGNMENTS and self.rights is not None:
            return self.rights.assigned(found.id.text)
        record = self.service.records.get(found.id.text)
        if record is None:
            return None
        self._allow(kind_of(record.type).type, "read", record.id)
        shown = self.service.show(record)
        if found.how != "part":
            return shown
        items = shown["properties"].get(found.word, [])
        return next((each for each in items if str(each["name"]).lower() == found.last.lower()), None)

    def has(self, id_: str) -> bool:
        """Without looking at it closely, where that is a resource of its own."""
        return self.service.records.get(id_) is not None or self.get(id_) is not None

    def subscription(self) -> Data:
        """The one that there is."""
        return subscriptions.subscription(self.settings.subscription, self.settings.tenant)

    def tenant(self) -> Data:
        """The one that there is."""
        found: Data = subscriptions.tenants(self.settings.tenant)["value"][0]
        return {**found, "countryCode": ""}

    def providers(self, namespace: str) -> Data:
        """One of them."""
        return subscriptions.provider(self.settings.subscription, namespace)

    def list_group(self, id_: str) -> list[str]:
        """Top-level resources of a group that may be looked at."""
        found = []
        for each in self.service.records.children(id_):
            try:
                self._allow(each.type, "read", each.id)
            except ArmError:
                continue
            found.append(each.id)
        return found

    # --- doing --------------------------------------------------------------------------------------------------------

    async def put(self, id_: str, body: Data, api_version: str) -> Data:
        """Make or replace, and wait until it is ready."""
        found = meant("PUT", segments(id_))
        if found.id is None or found.how not in ("resource", "part"):
            raise ArmError(400, "InvalidResourceType", f"'{id_}' is no resource that a template can have.")
        kind = kind_of(found.id.type)
        self._allow(kind.type if found.how == "resource" else f"{kind.type}/{found.word}", "write", found.id.text)
        if found.id.type.lower() == ASSIGNMENTS and self.rights is not None:
            properties = body.get("properties") or {}
            return self.rights.assign(found.id.text, properties) if self.real else {"id": found.id.text, "properties": properties}
        record = self._made(found, body, api_version)
        if self.real:
            self.context.network.changed()
            await kind.follow(self.context, record)
            await self._ready(record.id)
        else:
            await asyncio.sleep(0)  # others have their turn
        shown = self.get(found.id.text if found.how == "resource" else id_)
        return shown or {"id": id_}

    def _made(self, found: Meant, body: Data, api_version: str) -> Record:
        """The record of what was put; of a part, the one of what it is part of."""
        assert found.id is not None, "a resource has an id"
        if found.how == "part":
            return self._put_part(found.id, found.word, found.last, body)
        return self.service.put(found.id, body, {"api-version": api_version}).record

    def _put_part(self, above: ResourceId, word: str, name: str, body: Data) -> Record:
        record = self.service.get(above)
        kept = [each for each in record.properties.get(word) or [] if str(each["name"]).lower() != name.lower()]
        part = {"name": name, "properties": body.get("properties") or {}}
        return self.service.put(above, {**record.body, "properties": {**record.properties, word: [*kept, part]}}).record

    async def _ready(self, id_: str) -> None:
        """Until its operation is over (`--realistic-times`)."""
        while (record := self.service.records.get(id_)) is not None and record.ready_at > self.context.now():
            await asyncio.sleep(min(1.0, max(0.01, record.ready_at - self.context.now())))

    async def delete(self, id_: str) -> None:
        """Delete, and all that ends with it."""
        parsed = ResourceId.parse(id_)
        self._allow(kind_of(parsed.type).type, "delete", parsed.text)
        gone = self.service.delete(parsed)
        if self.real and gone:
            self.context.network.changed()
            for each in gone:
                await kind_of(each.type).gone(self.context, each)

    async def act(self, id_: str, action: str, body: Any, api_version: str) -> Any:
        """list…: the only actions that templates have."""
        parsed = ResourceId.parse(id_)
        record = self.service.records.get(parsed.text)
        if record is None:
            raise not_found(parsed.text)
        self._allow(kind_of(record.type).type, f"{action}/action", record.id)
        return await self.service.act(record, action, {"api-version": api_version}, body)

    def rehearsal(self) -> ServiceTarget:
        """On a copy of all records."""
        records = self.service.records.detached(MemoryStore())
        context = Context(records, self.context.network, self.context.now, self.context.settings)
        return ServiceTarget(Service(context), self.settings, self.rights, real=False)
