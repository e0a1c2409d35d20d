"""The functions of the language, by name in lower case. One module a family; `FUNCTIONS` has them all.

Source: ARM template functions (Azure's documentation), one page a family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from dualhome.arm.templates.evaluate import Function, Scope, evaluate
from dualhome.arm.templates.faults import TemplateFault, not_here, unknown_function, wrong_argument
from dualhome.arm.templates.functions.collections import FAMILY as COLLECTIONS
from dualhome.arm.templates.functions.dates import FAMILY as DATES
from dualhome.arm.templates.functions.lambdas import FAMILY as LAMBDAS
from dualhome.arm.templates.functions.logic import FAMILY as LOGIC
from dualhome.arm.templates.functions.lookups import FAMILY as LOOKUPS
from dualhome.arm.templates.functions.networks import FAMILY as NETWORKS
from dualhome.arm.templates.functions.numbers import FAMILY as NUMBERS
from dualhome.arm.templates.functions.texts import FAMILY as TEXTS

FUNCTIONS: Final[Mapping[str, Function]] = {
    name.lower(): function
    for family in (COLLECTIONS, DATES, LAMBDAS, LOGIC, LOOKUPS, NETWORKS, NUMBERS, TEXTS)
    for name, function in family.items()
}


def list_function(written: str) -> Function:
    """`listKeys`, `list…`: POST …/{name} of a resource, while a deployment runs."""

    def call(scope: Scope, arguments: list[Any]) -> Any:
        name, version = arguments[0], arguments[1] if len(arguments) > 1 else ""
        if not isinstance(name, str) or not isinstance(version, str):
            raise wrong_argument(written, "a resource's name or id, and an api-version, are expected")
        if scope.references is None:
            raise not_here(written)
        return scope.references.act(scope, name, written, version, arguments[2] if len(arguments) > 2 else None)

    return Function(1, 3, call)


def user_function(name: str, written: str) -> Function:
    """`contoso.uniqueName('x')`: its parameters alone can be seen within."""

    def call(scope: Scope, arguments: list[Any]) -> Any:
        found = scope.functions.get(name)
        if found is None:
            raise unknown_function(written)
        if len(arguments) != len(found.parameters):
            raise wrong_argument(written, f"function requires {len(found.parameters)} argument(s) while {len(arguments)} were provided")
        own = dict(zip(found.parameters, arguments, strict=True))
        inner = replace(scope, parameters=own, variables={}, functions={}, loops={}, local={}, references=None, fresh=False)
        try:
            return evaluate(found.value, inner)
        except TemplateFault as fault:
            raise TemplateFault(f"The template function '{written}' is not valid: {fault}") from fault

    return Function(0, None, call)
