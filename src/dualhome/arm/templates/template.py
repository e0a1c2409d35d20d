"""A template's parts, looked at once: resources as a list (2015, 2019) or, of language version 2.0, as an object with symbolic names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dualhome.arm.errors import ArmError, bad_request
from dualhome.arm.templates.evaluate import UserFunction
from dualhome.arm.templates.faults import invalid_at
from dualhome.arm.templates.reading import member

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """One. `parameters`, `outputs`: name as written -> definition; `functions`: `namespace.name` in lower case; `resources`: symbolic name or "", and the resource."""

    raw: Data
    parameters: Mapping[str, Data]
    variables: Data
    functions: Mapping[str, UserFunction]
    resources: tuple[tuple[str, Data], ...]
    outputs: Mapping[str, Data]
    symbolic: bool

    def resolved(self, definition: Data) -> Data:
        """A parameter's or output's definition with the type that its `$ref` names (user-defined types)."""
        seen = 0
        while isinstance(ref := member(definition, "$ref"), str):
            name = ref.rpartition("/")[2]
            known = member(member(self.raw, "definitions"), name)
            seen += 1
            if not isinstance(known, dict) or seen > 20:
                raise invalid_at("type reference", ref, ref, f"there is no definition '{name}'")
            definition = {**known, **{key: value for key, value in definition.items() if key != "$ref"}}
        return definition


def template_of(raw: Any) -> Template:
    """A template's parts.

    Raises:
        ArmError: 400 InvalidTemplate, it is none.
    """
    if not isinstance(raw, dict):
        raise _parse("The template is no JSON object")
    for required in ("$schema", "contentVersion", "resources"):
        if member(raw, required) is None:
            raise _parse(f"Required property '{required}' not found in JSON. Path ''")
    version = member(raw, "languageVersion", "1.0")
    return Template(
        raw,
        _definitions(raw, "parameters"),
        _object(raw, "variables"),
        dict(_functions(raw)),
        _resources(member(raw, "resources")),
        _definitions(raw, "outputs"),
        str(version).startswith("2.") or isinstance(member(raw, "resources"), dict),
    )


def _object(raw: Data, name: str) -> Data:
    found = member(raw, name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _parse(f"'{name}' must be an object")
    return found


def _definitions(raw: Data, name: str) -> Data:
    found = _object(raw, name)
    for key, value in found.items():
        if not isinstance(value, dict) or not isinstance(member(value, "type", member(value, "$ref")), str):
            raise invalid_at(name.removesuffix("s"), key, value, "it is an object with a 'type'")
    return found


def _functions(raw: Data) -> list[tuple[str, UserFunction]]:
    found = []
    spaces = member(raw, "functions") or []
    if not isinstance(spaces, list):
        raise _parse("'functions' must be an array")
    for space in spaces:
        members = member(space, "members") or {}
        if not isinstance(space, dict) or not isinstance(member(space, "namespace"), str) or not isinstance(members, dict):
            raise _parse("each of 'functions' is an object with a 'namespace' and 'members'")
        for name, definition in members.items():
            parameters = member(definition, "parameters") or []
            output = member(definition, "output")
            if not isinstance(output, dict) or not isinstance(parameters, list):
                raise invalid_at("function", f"{member(space, 'namespace')}.{name}", definition, "it has 'parameters' and an 'output'")
            names = tuple(str(member(each, "name", "")).lower() for each in parameters)
            found.append((f"{member(space, 'namespace')}.{name}".lower(), UserFunction(names, member(output, "value"))))
    return found


def _resources(raw: Any) -> tuple[tuple[str, Data], ...]:
    pairs = list(raw.items()) if isinstance(raw, dict) else [("", each) for each in raw] if isinstance(raw, list) else None
    if pairs is None:
        raise _parse("'resources' must be an array or, with languageVersion 2.0, an object")
    return tuple(checked(symbol, each) for symbol, each in pairs)


def checked(symbol: str, raw: Any) -> tuple[str, Data]:
    """A resource that has what each has to have."""
    if not isinstance(raw, dict):
        raise _parse(f"Resource '{symbol}' is no object" if symbol else "A resource is no object")
    for required in ("type", "apiVersion", "name"):
        if not isinstance(member(raw, required), str):
            shown = member(raw, "name") or symbol
            raise invalid_at(
                "resource", str(shown), raw, f"the required property '{required}' is missing or is no string", "arm-syntax-resources"
            )
    return symbol, raw


def _parse(message: str) -> ArmError:
    return bad_request("InvalidTemplate", f"Deployment template parse failed: '{message}.'.")
