"""Imports: an ARM template, outputs of az, a plan of Terraform's; all become resources, and those a topology."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dualhome.arm.errors import ArmError
from dualhome.arm.exchange.sandbox import SUBSCRIPTION, Sandbox
from dualhome.arm.exchange.terraform import is_plan, resources_of_plan
from dualhome.arm.templates.reading import read as read_json
from dualhome.arm.world import World, world_of
from dualhome.errors import RequestError

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import. `left`: what is not in the topology, and why."""

    world: World
    left: list[tuple[str, str]]
    kind: str


def imported(path: Path, parameters: Path | None = None) -> Imported:
    """A file, or a folder of them.

    Raises:
        RequestError: nothing of what can be imported.
    """
    if path.is_dir():
        found = [each for file in sorted(path.rglob("*.json")) for each in listed(document(file))]
        return of_resources(found, "outputs of az")
    data = document(path)
    if isinstance(data, Mapping) and "deploymenttemplate" in str(data.get("$schema", "")).lower():
        return of_template(dict(data), _parameters(parameters))
    if isinstance(data, Mapping) and is_plan(data):
        sandbox_resources, left = resources_of_plan(data)
        done = of_resources(sandbox_resources, "a plan of Terraform's")
        return Imported(done.world, [*left, *done.left], done.kind)
    return of_resources(list(listed(data)), "outputs of az")


def document(file: Path) -> Any:
    """JSON, with the comments that templates may have. RequestError where it is none."""
    try:
        return read_json(file.read_text(encoding="utf-8-sig"))
    except (ArmError, ValueError) as error:
        raise RequestError(f"{file}: {error}") from error
    except OSError as error:
        raise RequestError(f"{file} can't be read: {error.strerror or error}") from error


def _parameters(file: Path | None) -> Data:
    if file is None:
        return {}
    found = document(file)
    inner = found.get("parameters", found) if isinstance(found, Mapping) else {}
    return {
        name: value if isinstance(value, Mapping) and ({"value", "reference"} & set(value)) else {"value": value}
        for name, value in inner.items()
    }


def of_template(template: Data, parameters: Data) -> Imported:
    """A template, deployed where nothing runs."""
    sandbox = Sandbox()
    try:
        shown = sandbox.deploy(template, parameters)
    except ArmError as error:
        details = "; ".join(each.message for each in error.details)
        raise RequestError(f"the template can't be deployed: {error.code}: {error.message}{f' ({details})' if details else ''}") from error
    failure = shown["properties"].get("error")
    if failure and not sandbox.left:
        sandbox.left.append(("the deployment", f"{failure.get('code')}: {failure.get('message')}"))
    fragment = (template.get("metadata") or {}).get("dualhome")
    return _done(sandbox, "an ARM template", fragment if isinstance(fragment, Mapping) else None)


def of_resources(resources: list[Data], kind: str) -> Imported:
    """Resources as GET shows them."""
    if not resources:
        raise RequestError(
            "there are no Azure resources in it: an ARM template, outputs of `az … -o json`, or `terraform show -json` are wanted"
        )
    first = next(
        (each["id"].split("/")[2] for each in resources if str(each.get("id", "")).lower().startswith("/subscriptions/")), SUBSCRIPTION
    )
    sandbox = Sandbox(first)
    sandbox.put_all(resources)
    return _done(sandbox, kind, None)


def _done(sandbox: Sandbox, kind: str, fragment: Mapping[str, Any] | None) -> Imported:
    world = world_of(sandbox.records, fragment)
    return Imported(world, [*sandbox.left, *((each.id, each.why) for each in world.omitted)], kind)


def listed(data: Any) -> Iterator[Data]:
    """Every resource of an output: a list, a page, a single object; az shows properties at the top, where REST has them beneath `properties`."""
    if isinstance(data, list):
        for each in data:
            yield from listed(each)
    elif isinstance(data, Mapping):
        if isinstance(data.get("value"), list):
            yield from listed(data["value"])
        elif isinstance(data.get("id"), str) and "/providers/" in data["id"]:
            yield restored(data)


TOP = frozenset(
    (
        "id",
        "name",
        "type",
        "location",
        "tags",
        "sku",
        "zones",
        "identity",
        "plan",
        "kind",
        "etag",
        "extendedLocation",
        "managedBy",
        "resourceGroup",
    )
)


def restored(data: Mapping[str, Any]) -> Data:
    """A resource as REST has it."""
    if isinstance(data.get("properties"), Mapping):
        return dict(data)
    flat = {key: _nested(value) for key, value in data.items() if key not in TOP}
    if isinstance(data.get("sku"), str):  # a virtual hub's is a property
        flat["sku"] = data["sku"]
    top = {key: data[key] for key in TOP if data.get(key) is not None and key != "resourceGroup" and not (key == "sku" and "sku" in flat)}
    return top | {"properties": flat}


def _nested(value: Any) -> Any:
    """Children and parts of a resource that az shows flat too: what has an id and a name is one."""
    if isinstance(value, list):
        return [_nested(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if isinstance(value.get("id"), str) and "name" in value and set(value) - TOP and "properties" not in value:
        inner = {key: _nested(each) for key, each in value.items() if key not in TOP}
        return {"id": value["id"], "name": value["name"], "properties": inner}
    if isinstance(value.get("id"), str) and set(value) <= {"id", "resourceGroup"}:
        return {"id": value["id"]}
    return {key: _nested(each) for key, each in value.items()}
