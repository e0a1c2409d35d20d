"""A deployment as it is kept, and as Azure shows it."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from dualhome.arm.errors import bad_request
from dualhome.arm.ids import ResourceId
from dualhome.arm.templates.expand import Place, Resource
from dualhome.arm.templates.reading import member
from dualhome.arm.templates.target import Data

MOST_DEPENDENCIES: Final = 20_000
OVER: Final = ("Succeeded", "Failed", "Canceled")


@dataclass(slots=True, kw_only=True)
class Deployment:
    """One. `request`: its properties as given, links replaced by what they lead to; `state`: Accepted, Running, Succeeded, Failed, Canceled.

    `inner`: it is part of another, which does it again after a crash. `caller`: who deploys; `operations`: by their id.
    """

    id: str
    request: Data
    begun: float
    seed: str
    correlation: str
    location: str = ""
    tags: Data = field(default_factory=dict)
    uri: str = ""  # of its template, for relative links
    inner: bool = False
    caller: str = ""
    state: str = "Accepted"
    ended: float = 0.0
    error: Data | None = None
    parameters: Data = field(default_factory=dict)
    outputs: Data | None = None
    made: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    dependencies: list[Data] = field(default_factory=list)
    providers: list[Data] = field(default_factory=list)
    operations: dict[str, Data] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The last name of its id."""
        return self.id.rpartition("/")[2]

    @property
    def place(self) -> Place:
        """Where it goes."""
        return place_of(self.id)

    @property
    def mode(self) -> str:
        """Incremental or Complete."""
        return "Complete" if str(member(self.request, "mode", "")).lower() == "complete" else "Incremental"

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state in OVER

    def shown(self, now: float) -> Data:
        """As GET answers it."""
        properties: Data = {
            "templateHash": template_hash(member(self.request, "template")),
            "parameters": self.parameters,
            "mode": self.mode,
            "provisioningState": self.state,
            "timestamp": stamp(self.ended or now),
            "duration": duration((self.ended or now) - self.begun),
            "correlationId": self.correlation,
            "providers": self.providers,
            "dependencies": self.dependencies,
        }
        if self.uri:
            properties["templateLink"] = {"uri": self.uri}
        if self.outputs is not None:
            properties["outputs"] = self.outputs
        if self.state == "Succeeded":
            properties["outputResources"] = [{"id": each} for each in self.made]
        if self.error is not None:
            properties["error"] = self.error
        found: Data = {"id": self.id, "name": self.name, "type": "Microsoft.Resources/deployments"}
        if self.location:
            found["location"] = self.location
        if self.tags:
            found["tags"] = self.tags
        return {**found, "properties": properties}

    def status(self) -> Data:
        """As its operationStatuses URL answers."""
        return {"status": self.state, **({"error": self.error} if self.error is not None and self.state == "Failed" else {})}

    def plan(self, resources: list[Resource]) -> None:
        """What GET tells of the resources it will make: providers, and what depends on what.

        Differs: where that were more than 20,000 pairs (each of one loop waits for all of another), only the first of each resource are told.
        """
        edges = sum(len(each.before) for each in resources)
        most = None if edges <= MOST_DEPENDENCIES else max(1, MOST_DEPENDENCIES // len(resources))
        by_key = {each.key: each for each in resources}
        types: dict[str, dict[str, Any]] = {}
        for each in resources:
            namespace, _, type_ = each.type.partition("/")
            locations = types.setdefault(namespace, {}).setdefault(type_, {})
            location = member(each.body, "location")
            locations[location if isinstance(location, str) else None] = None
        self.providers = [
            {"namespace": name, "resourceTypes": [{"resourceType": type_, "locations": list(known)} for type_, known in each.items()]}
            for name, each in types.items()
        ]
        self.dependencies = [
            {"dependsOn": [target_of(by_key[key]) for key in islice(each.before, most) if key in by_key], **target_of(each)}
            for each in resources
            if each.before
        ]


def target_of(resource: Resource) -> Data:
    """A resource as deployments name it."""
    return {"id": resource.id, "resourceType": resource.type, "resourceName": resource.name}


def place_of(id_: str) -> Place:
    """Where a deployment of this id goes. Raises ArmError."""
    parsed = ResourceId.parse(id_)
    if parsed.subscription is None:
        raise bad_request("InvalidDeploymentScope", f"Deployments into '{parsed.scope or '/'}' are not supported.")
    return Place(parsed.subscription, parsed.group or "")


def template_hash(template: Any) -> str:
    """A number that is the same for the same template."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    return str(int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big"))


def stamp(seconds: float) -> str:
    """`2026-01-01T00:00:00.123456Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def duration(seconds: float) -> str:
    """`PT1M3.2S`."""
    seconds = max(0.0, seconds)
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    return f"PT{f'{int(hours)}H' if hours else ''}{f'{int(minutes)}M' if minutes else ''}{rest:.7f}".rstrip("0").rstrip(".") + "S"


def new_seed() -> str:
    """For its GUIDs."""
    return str(uuid.uuid4())
