"""Functions that take a lambda: `map(parameters('names'), lambda('name', toLower(lambdaVariables('name'))))`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cmp_to_key
from typing import Any, Final

from dualhome.arm.templates.evaluate import Function, Scope, value_of
from dualhome.arm.templates.faults import TemplateFault, not_here, wrong_argument
from dualhome.arm.templates.functions.arguments import array, boolean, mapping, text
from dualhome.arm.templates.syntax import Call, Node


def _lambda(name: str, node: Node, scope: Scope, least: int, most: int) -> Callable[..., Any]:
    """The function that an argument `lambda('a', …, body)` is; it takes at least as many values as it has names."""
    if not isinstance(node, Call) or node.name != "lambda" or not node.arguments:
        raise wrong_argument(name, "a lambda function is expected")
    names = [text("lambda", value_of(each, scope)).lower() for each in node.arguments[:-1]]
    if not least <= len(names) <= most:
        raise wrong_argument(name, f"its lambda function has {len(names)} parameter(s), and {least} to {most} are expected")
    body = node.arguments[-1]

    def call(*values: Any) -> Any:
        own = dict(zip(names, values, strict=False))
        return value_of(body, replace(scope, local={**scope.local, **own}))

    return call


def _variable(scope: Scope, arguments: list[Any]) -> Any:
    name = text("lambdaVariables", arguments[0])
    if name.lower() not in scope.local:
        raise TemplateFault(
            f"The lambda variable '{name}' is not found. Please see https://aka.ms/arm-functions#lambdavariables for usage details."
        )
    return scope.local[name.lower()]


def _alone(scope: Scope, nodes: tuple[Node, ...]) -> Any:
    raise not_here("lambda", "It is an argument of map, filter, reduce, sort, toObject, groupBy and mapValues.")


def _map(scope: Scope, nodes: tuple[Node, ...]) -> list[Any]:
    items = array("map", value_of(nodes[0], scope))
    each = _lambda("map", nodes[1], scope, 1, 2)
    return [each(item, at) for at, item in enumerate(items)]


def _filter(scope: Scope, nodes: tuple[Node, ...]) -> list[Any]:
    items = array("filter", value_of(nodes[0], scope))
    holds = _lambda("filter", nodes[1], scope, 1, 2)
    return [item for at, item in enumerate(items) if boolean("filter", holds(item, at))]


def _reduce(scope: Scope, nodes: tuple[Node, ...]) -> Any:
    items = array("reduce", value_of(nodes[0], scope))
    result = value_of(nodes[1], scope)
    join = _lambda("reduce", nodes[2], scope, 2, 3)
    for at, item in enumerate(items):
        result = join(result, item, at)
    return result


def _sort(scope: Scope, nodes: tuple[Node, ...]) -> list[Any]:
    items = array("sort", value_of(nodes[0], scope))
    before = _lambda("sort", nodes[1], scope, 2, 2)

    def compare(a: Any, b: Any) -> int:
        if boolean("sort", before(a, b)):
            return -1
        return 1 if boolean("sort", before(b, a)) else 0

    return sorted(items, key=cmp_to_key(compare))


def _to_object(scope: Scope, nodes: tuple[Node, ...]) -> dict[str, Any]:
    items = array("toObject", value_of(nodes[0], scope))
    key = _lambda("toObject", nodes[1], scope, 1, 1)
    value = _lambda("toObject", nodes[2], scope, 1, 1) if len(nodes) > 2 else None
    return {text("toObject", key(item)): value(item) if value else item for item in items}


def _group_by(scope: Scope, nodes: tuple[Node, ...]) -> dict[str, list[Any]]:
    items = array("groupBy", value_of(nodes[0], scope))
    key = _lambda("groupBy", nodes[1], scope, 1, 1)
    made: dict[str, list[Any]] = {}
    for item in items:
        made.setdefault(text("groupBy", key(item)), []).append(item)
    return made


def _map_values(scope: Scope, nodes: tuple[Node, ...]) -> dict[str, Any]:
    of = mapping("mapValues", value_of(nodes[0], scope))
    value = _lambda("mapValues", nodes[1], scope, 1, 1)
    return {name: value(each) for name, each in of.items()}


FAMILY: Final = {
    "lambdaVariables": Function(1, 1, _variable),
    "lambda": Function(1, None, lazy=_alone),
    "map": Function(2, 2, lazy=_map),
    "filter": Function(2, 2, lazy=_filter),
    "reduce": Function(3, 3, lazy=_reduce),
    "sort": Function(2, 2, lazy=_sort),
    "toObject": Function(2, 3, lazy=_to_object),
    "groupBy": Function(2, 2, lazy=_group_by),
    "mapValues": Function(2, 2, lazy=_map_values),
}
