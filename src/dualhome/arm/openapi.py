"""The OpenAPI 3.1 description of the whole surface, made of the kinds that there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dualhome.arm import shapes
from dualhome.arm.ids import GROUPS
from dualhome.arm.kinds import kinds
from dualhome.arm.kinds.base import Kind

Data = dict[str, Any]
ERRORS: Final = {
    "400": "what was sent breaks a rule",
    "401": "no token, or none that counts",
    "403": "the principal may not",
    "404": "it is not there",
    "405": "no such method here",
    "409": "it can't be done now",
    "412": "the etag is another",
    "413": "too much was sent",
    "421": "not a host of this server",
    "429": "too many requests",
    "503": "busy",
}
SILENT: Final = frozenset(["start", "poweroff", "deallocate", "restart", "redeploy", "reapply", "generalize", "reset", "resetconnection"])
WORDS: Final = {"get": "Show", "head": "Whether it is there", "put": "Make or replace", "patch": "Change", "delete": "Delete", "post": "Do"}


def description() -> Data:
    """The document."""
    paths: Data = {}
    for kind in kinds().values():
        for path, item in _of_kind(kind):
            paths[path] = item
    paths |= _above() | _deployments() | _others()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Azure Resource Manager, as dualhome speaks it",
            "version": "2026-04-01",
            "description": "Every path needs a bearer token but for those that give one.",
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": _schemas(), "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}},
        "security": [{"bearer": []}],
    }


def _schemas() -> Data:
    error = {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "target": {}, "details": {"type": "array"}},
    }
    resource = {
        "type": "object",
        "required": ["id", "name", "type"],
        "properties": {
            "id": {"type": "string"},
            "name": {"type": "string"},
            "type": {"type": "string"},
            "location": {"type": "string"},
            "tags": {"type": ["object", "null"]},
            "etag": {"type": "string"},
            "properties": {"type": "object"},
        },
    }
    return {
        "Error": {"type": "object", "required": ["error"], "properties": {"error": error}},
        "Resource": resource,
        "List": {
            "type": "object",
            "required": ["value"],
            "properties": {"value": {"type": "array", "items": {"type": "object"}}, "nextLink": {"type": ["string", "null"]}},
        },
        "Write": {
            "type": "object",
            "properties": {
                "location": {"type": "string"},
                "tags": {"type": "object", "additionalProperties": {"type": "string"}},
                "properties": {"$ref": "#/components/schemas/Properties"},
            },
        },
        "Properties": {"type": "object", "properties": _properties()},
        "Any": {},
    }


def _properties() -> Data:
    """What properties are made of, whatever the type (`shapes`)."""
    found: Data = {}
    parts: tuple[tuple[frozenset[str], Data], ...] = (
        (shapes.WHOLE, {"type": "integer"}),
        (shapes.YES_NO, {"type": "boolean"}),
        (shapes.TEXT, {"type": "string"}),
        (shapes.TEXTS, {"type": "array", "items": {"type": "string"}}),
        (shapes.OBJECT, {"type": "object"}),
        (shapes.OBJECTS, {"type": "array", "items": {"type": "object"}}),
    )
    for names, schema in parts:
        found |= dict.fromkeys(sorted(names), schema)
    return found


# --- operations --------------------------------------------------------------------------------------------------------------


def operation(
    method: str,
    what: str,
    good: Mapping[str, str | None],
    *,
    body: str | None = None,
    parameters: list[Data] | None = None,
    open_: bool = False,
) -> Data:
    """One. `good`: by status the schema's name, None where there is no body; `body`: the schema of the request."""
    responses: Data = {}
    for status, schema in good.items():
        responses[status] = {"description": "done"} | ({"content": {"application/json": {"schema": _ref(schema)}}} if schema else {})
    for status, text in ERRORS.items():
        responses[status] = (
            {"description": text} if method == "head" else {"description": text, "content": {"application/json": {"schema": _ref("Error")}}}
        )
    version = {
        "name": "api-version",
        "in": "query",
        "required": True,
        "schema": {"type": "string", "enum": ["2025-07-01", "2024-05-01", "2023-11-01"]},
    }
    found: Data = {"summary": f"{WORDS[method]}: {what}", "parameters": [*(parameters or []), version], "responses": responses}
    if body:
        found["requestBody"] = {"required": False, "content": {"application/json": {"schema": _ref(body)}}}
    if open_:
        found["security"] = []
    return found


def _ref(name: str) -> Data:
    return {"$ref": f"#/components/schemas/{name}"}


def _path(type_: str, group: bool = True) -> tuple[str, list[Data]]:
    """The path of a type's resources, with its parameters."""
    if type_ == GROUPS:
        return "/subscriptions/{subscription}/resourceGroups/{group}", _parameters("subscription", "group")
    namespace, *words = type_.split("/")
    scope = "/subscriptions/{subscription}" + ("/resourceGroups/{group}" if group else "")
    names = [f"name{place or ''}" for place in range(len(words))]
    path = f"{scope}/providers/{namespace}" + "".join(f"/{word}/{{{name}}}" for word, name in zip(words, names, strict=True))
    return path, _parameters("subscription", *(["group"] if group else []), *names)


def _parameters(*names: str) -> list[Data]:
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in names]


def _of_kind(kind: Kind) -> Iterator[tuple[str, Data]]:
    path, parameters = _path(kind.type)
    what = kind.type
    good = {"200": "Resource", "201": "Resource"}
    yield (
        path,
        {
            "get": operation("get", what, {"200": "Resource"}, parameters=parameters),
            "head": operation("head", what, {"204": None}, parameters=parameters),
            "put": operation("put", what, good, body="Write", parameters=parameters),
            "patch": operation("patch", what, {"200": "Resource", "202": "Resource"}, body="Write", parameters=parameters),
            "delete": operation("delete", what, {"200": None, "202": None, "204": None}, parameters=parameters),
        },
    )
    above = path.rpartition("/{")[0]
    yield above, {"get": operation("get", f"all of {what}", {"200": "List"}, parameters=parameters[:-1])}
    if kind.type.count("/") == 1 and kind.type != GROUPS:
        whole, few = _path(kind.type, group=False)
        yield whole.rpartition("/{")[0], {"get": operation("get", f"all of {what} of a subscription", {"200": "List"}, parameters=few[:-1])}
    for action in kind.actions:
        verb, _, word = action.rpartition(" ")
        extra = _parameters("argument") if word.endswith("{}") else []
        method = verb.lower() or "post"
        item = operation(
            method, f"{what}/{word}", {"200": None if word in SILENT else "Any", "202": None}, body="Any", parameters=[*parameters, *extra]
        )
        yield (
            f"{path}/{word.replace('{}', '{argument}')}",
            {method: item}
            | ({"get": operation("get", f"{what}/{word}", {"200": "Any"}, parameters=parameters)} if word in kind.views else {}),
        )
    for view in kind.views:
        if f"put {view}" not in kind.actions:
            yield f"{path}/{view}", {"get": operation("get", f"{what}/{view}", {"200": "Any"}, parameters=parameters)}
    for part in kind.parts:
        yield f"{path}/{part}", {"get": operation("get", f"{what}/{part}", {"200": "List"}, parameters=parameters)}
        within = [*parameters, *_parameters("part")]
        yield (
            f"{path}/{part}/{{part}}",
            {
                "get": operation("get", f"{what}/{part}", {"200": "Any"}, parameters=within),
                "put": operation("put", f"{what}/{part}", {"200": "Any", "201": "Any"}, body="Write", parameters=within),
                "delete": operation("delete", f"{what}/{part}", {"200": None, "204": None}, parameters=within),
            },
        )


def _above() -> Data:
    one = _parameters("subscription")
    scope = "/subscriptions/{subscription}"
    return {
        "/tenants": {"get": operation("get", "tenants", {"200": "List"})},
        "/subscriptions": {"get": operation("get", "subscriptions", {"200": "List"})},
        scope: {"get": operation("get", "a subscription", {"200": "Any"}, parameters=one)},
        f"{scope}/locations": {"get": operation("get", "locations", {"200": "List"}, parameters=one)},
        f"{scope}/providers": {"get": operation("get", "providers", {"200": "List"}, parameters=one)},
        f"{scope}/providers/{{namespace}}": {
            "get": operation("get", "a provider", {"200": "Any"}, parameters=[*one, *_parameters("namespace")])
        },
        f"{scope}/providers/{{namespace}}/register": {
            "post": operation("post", "register a provider", {"200": "Any"}, parameters=[*one, *_parameters("namespace")])
        },
        f"{scope}/resources": {"get": operation("get", "resources of all types", {"200": "List"}, parameters=one)},
        f"{scope}/resourceGroups/{{group}}/resources": {
            "get": operation("get", "resources of a group", {"200": "List"}, parameters=[*one, *_parameters("group")])
        },
    }


def _deployments() -> Data:
    found: Data = {}
    for scope, names in (
        ("/subscriptions/{subscription}/resourceGroups/{group}", ("subscription", "group")),
        ("/subscriptions/{subscription}", ("subscription",)),
    ):
        path, all_ = f"{scope}/providers/Microsoft.Resources/deployments", _parameters(*names)
        one = [*all_, *_parameters("deployment")]
        found[path] = {"get": operation("get", "deployments", {"200": "List"}, parameters=all_)}
        found[f"{path}/{{deployment}}"] = {
            "get": operation("get", "a deployment", {"200": "Resource"}, parameters=one),
            "head": operation("head", "a deployment", {"204": None}, parameters=one),
            "put": operation("put", "deploy a template", {"200": "Resource", "201": "Resource"}, body="Any", parameters=one),
            "delete": operation("delete", "a deployment", {"202": None, "204": None}, parameters=one),
        }
        found[f"{path}/{{deployment}}/validate"] = {
            "post": operation("post", "validate a template", {"200": "Any", "202": None}, body="Any", parameters=one)
        }
        found[f"{path}/{{deployment}}/whatIf"] = {
            "post": operation("post", "foresee a deployment", {"200": "Any", "202": None}, body="Any", parameters=one)
        }
        found[f"{path}/{{deployment}}/cancel"] = {"post": operation("post", "cancel", {"204": None}, parameters=one)}
        found[f"{path}/{{deployment}}/exportTemplate"] = {"post": operation("post", "its template", {"200": "Any"}, parameters=one)}
        found[f"{path}/{{deployment}}/operations"] = {"get": operation("get", "its operations", {"200": "List"}, parameters=one)}
    return found


def _others() -> Data:
    one = _parameters("subscription")
    roles = "/subscriptions/{subscription}/providers/Microsoft.Authorization"
    places = "/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}"
    events = "/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values"
    polled = [*one, *_parameters("location", "operation")]
    assignment = [*one, *_parameters("assignment")]
    return {
        f"{roles}/roleDefinitions": {"get": operation("get", "role definitions", {"200": "List"}, parameters=one)},
        f"{roles}/roleAssignments": {"get": operation("get", "role assignments", {"200": "List"}, parameters=one)},
        f"{roles}/roleAssignments/{{assignment}}": {
            "get": operation("get", "a role assignment", {"200": "Resource"}, parameters=assignment),
            "put": operation("put", "a role assignment", {"201": "Resource"}, body="Any", parameters=assignment),
            "delete": operation("delete", "a role assignment", {"200": "Resource", "204": None}, parameters=assignment),
        },
        events: {"get": operation("get", "the activity log", {"200": "List"}, parameters=one)},
        f"{places}/operations/{{operation}}": {"get": operation("get", "an operation", {"200": "Any"}, parameters=polled)},
        f"{places}/operationResults/{{operation}}": {
            "get": operation("get", "an operation's result", {"200": "Any", "202": None, "204": None}, parameters=polled)
        },
        "/dualhome/principals": {
            "get": operation("get", "principals", {"200": "List"}),
            "post": operation("post", "a principal", {"201": "Any"}, body="Any"),
        },
        "/dualhome/topology": {"get": operation("get", "the topology of all resources", {"200": "Any"})},
        "/metadata/endpoints": {"get": operation("get", "where a cloud's endpoints are", {"200": "Any"}, open_=True)},
        "/openapi.json": {"get": operation("get", "this document", {"200": "Any"}, open_=True)},
    }
