"""The values that parameters have: what the request gives, or their defaults; checked against their definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from dualhome.arm.errors import ArmError, bad_request
from dualhome.arm.templates.evaluate import LazyMapping, Scope, evaluate
from dualhome.arm.templates.faults import TemplateFault, invalid, invalid_at
from dualhome.arm.templates.functions.arguments import same
from dualhome.arm.templates.reading import member, place_of
from dualhome.arm.templates.template import Data, Template

TYPES: Final = {
    "string": "String",
    "securestring": "SecureString",
    "int": "Int",
    "bool": "Bool",
    "object": "Object",
    "secureobject": "SecureObject",
    "array": "Array",
}
WANTED: Final = {"String": "String, Uri", "SecureString": "String, Uri", "Int": "Integer", "Bool": "Boolean", "Object": "Object",
                 "SecureObject": "Object", "Array": "Array"}  # fmt: skip
SECURE: Final = ("SecureString", "SecureObject")


def type_of(template: Template, what: str, name: str, definition: Data) -> str:
    """String, Int…; ArmError where there is no such type."""
    written = str(member(template.resolved(definition), "type", ""))
    found = TYPES.get(written.lower())
    if found is None:
        raise invalid_at(what, name, member(definition, "type"), f"the type '{written}' is not one of {', '.join(TYPES.values())}")
    return found


def fits(type_: str, value: Any) -> bool:
    """Whether a value is of a type."""
    match type_:
        case "String" | "SecureString":
            return isinstance(value, str)
        case "Int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "Bool":
            return isinstance(value, bool)
        case "Array":
            return isinstance(value, list)
        case _:
            return isinstance(value, dict)


def token(value: Any) -> str:
    """What Azure calls the type of a value that doesn't fit."""
    names = {bool: "Boolean", int: "Integer", float: "Float", list: "Array", type(None): "Null"}
    return "String" if isinstance(value, str) else names.get(type(value), "Object")


def values_of(template: Template, given: Any, scope: Scope) -> LazyMapping:
    """All parameters by their names in lower case.

    Raises:
        ArmError: 400 InvalidTemplate, of a parameter that is missing, unknown, or against its definition.
    """
    values = _given(template, given)
    named: dict[str, tuple[str, Data, str]] = {}
    for name, definition in template.parameters.items():
        named[name.lower()] = (name, template.resolved(definition), type_of(template, "parameter", name, definition))
    missing = [
        name
        for key, (name, definition, _) in named.items()
        if key not in values and member(definition, "defaultValue", _NONE) is _NONE and member(definition, "nullable") is not True
    ]
    if missing:
        name = missing[0]
        line, column = place_of(template.parameters[name])
        raise invalid(
            f"The value for the template parameter '{name}' at line '{line}' and column '{column}' is not provided. "
            "Please see https://aka.ms/arm-create-parameter-file for usage details."
        )
    inner: Scope = replace(scope, fresh=True, references=None)

    def maker(key: str) -> Any:
        name, definition, type_ = named[key]
        return _one(name, definition, type_, values[key]) if key in values else _default(name, definition, type_, lambda: inner)

    found = LazyMapping({key: partial(maker, key) for key in named}, "parameter")
    inner = replace(inner, parameters=found)
    for key in found:  # faults of parameters that nobody uses are told too
        _checked(named[key][0], template.parameters[named[key][0]], partial(found.__getitem__, key))
    return found


_NONE: Final = object()


def _checked(name: str, definition: Any, make: Any) -> None:
    try:
        make()
    except TemplateFault as fault:
        raise invalid_at("parameter", name, definition, fault, "arm-syntax-parameters") from fault


def _given(template: Template, given: Any) -> dict[str, Any]:
    """Values that came with the request, by names in lower case."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise bad_request(
            "InvalidRequestContent", "The request content was invalid and could not be deserialized: 'parameters' must be an object."
        )
    if "$schema" in given and isinstance(member(given, "parameters"), dict):  # a parameter file as it is
        given = member(given, "parameters")
    known = {name.lower(): name for name in template.parameters}
    unknown = [name for name in given if name.lower() not in known]
    if unknown:
        raise invalid(
            f"The template parameters '{', '.join(unknown)}' in the parameters file are not valid; they are not present in the original template and can "
            f"therefore not be provided at deployment time. The only supported parameters for this template are '{', '.join(known.values())}'. "
            "Please see https://aka.ms/arm-pass-parameter-values for usage details."
        )
    found = {}
    for name, entry in given.items():
        value = _value(known[name.lower()], entry)
        definition = template.resolved(template.parameters[known[name.lower()]])
        if value is None and member(definition, "nullable") is not True:
            if member(definition, "defaultValue", _NONE) is _NONE:
                raise bad_request(
                    "InvalidDeploymentParameterValue",
                    f"The value of deployment parameter '{name}' is null. Please specify the value or use the parameter reference. "
                    "See https://aka.ms/arm-create-parameter-file for details.",
                )
            continue
        found[name.lower()] = value
    return found


def _value(name: str, entry: Any) -> Any:
    if isinstance(entry, dict):
        if (found := member(entry, "value", _NONE)) is not _NONE:
            return found
        if member(entry, "reference") is not None:
            raise bad_request(
                "KeyVaultParameterReferenceNotFound",
                f"The parameter '{name}' refers to a key vault, and there is none here: give its value.",
            )
    raise bad_request(
        "InvalidDeploymentParameterValue", f"The value of deployment parameter '{name}' is invalid: an object with a 'value' is expected."
    )


def _default(name: str, definition: Data, type_: str, scope: Any) -> Any:
    default = member(definition, "defaultValue", _NONE)
    return None if default is _NONE else _one(name, definition, type_, evaluate(default, scope()))


def _one(name: str, definition: Data, type_: str, value: Any) -> Any:
    """A value that fits its definition."""
    if value is None and member(definition, "nullable") is True:
        return None
    if not fits(type_, value):
        raise invalid(
            f"Template parameter JToken type is not valid. Expected '{WANTED[type_]}'. Actual '{token(value)}' (parameter '{name}'). "
            "Please see https://aka.ms/arm-pass-parameter-values for usage details."
        )
    _check_allowed(name, definition, type_, value)
    size = value if type_ == "Int" else len(value) if type_ != "Bool" else 0
    of, words = ("Value", "The value") if type_ == "Int" else ("Length", "Length of the value")
    least, most = member(definition, f"min{of}"), member(definition, f"max{of}")
    if isinstance(least, int) and size < least:
        raise _out_of_range(name, definition, f"{words} should be greater than or equal to '{least}'")
    if isinstance(most, int) and size > most:
        raise _out_of_range(name, definition, f"{words} should be less than or equal to '{most}'")
    return value


def _check_allowed(name: str, definition: Data, type_: str, value: Any) -> None:
    allowed = member(definition, "allowedValues")
    if not isinstance(allowed, list):
        return
    if any(_alike(value, each) for each in allowed):
        return
    if type_ == "Array" and all(any(_alike(item, each) for each in allowed) for item in value):
        return
    shown = "****" if type_ in SECURE else value
    raise invalid(
        f"The provided value '{shown}' for the template parameter '{name}' is not valid. The value '{shown}' is not part of the allowed value(s): "
        f"'{','.join(map(str, allowed))}'."
    )


def _alike(a: Any, b: Any) -> bool:
    return a.lower() == b.lower() if isinstance(a, str) and isinstance(b, str) else same(a, b)


def _out_of_range(name: str, definition: Data, why: str) -> ArmError:
    line, column = place_of(definition)
    return invalid(
        f"The provided value for the template parameter '{name}' at line '{line}' and column '{column}' is not valid. {why}. "
        "Please see https://aka.ms/arm-syntax-parameters for usage details."
    )


def shown(template: Template, values: Mapping[str, Any]) -> Data:
    """Parameters as the deployment object shows them: secrets without their values."""
    made: Data = {}
    for name, definition in template.parameters.items():
        type_ = type_of(template, "parameter", name, definition)
        made[name] = {"type": type_} if type_ in SECURE else {"type": type_, "value": values[name.lower()]}
    return made
