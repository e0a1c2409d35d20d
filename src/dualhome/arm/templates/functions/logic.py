"""Logical functions and comparisons. `if`, `and`, `or` and `coalesce` evaluate no more than they must."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dualhome.arm.templates.evaluate import Function, Scope, value_of
from dualhome.arm.templates.faults import TemplateFault, wrong_argument
from dualhome.arm.templates.functions.arguments import boolean, same, show
from dualhome.arm.templates.syntax import Node


def _if(scope: Scope, nodes: tuple[Node, ...]) -> Any:
    return value_of(nodes[1] if boolean("if", value_of(nodes[0], scope)) else nodes[2], scope)


def _and(scope: Scope, nodes: tuple[Node, ...]) -> bool:
    return all(boolean("and", value_of(each, scope)) for each in nodes)


def _or(scope: Scope, nodes: tuple[Node, ...]) -> bool:
    return any(boolean("or", value_of(each, scope)) for each in nodes)


def _coalesce(scope: Scope, nodes: tuple[Node, ...]) -> Any:
    return next((found for each in nodes if (found := value_of(each, scope)) is not None), None)


def _bool(_: Scope, arguments: list[Any]) -> bool:
    value = arguments[0]
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value != 0
    words = {"true": True, "1": True, "false": False, "0": False}
    if not isinstance(value, str) or value.lower() not in words:
        raise wrong_argument("bool", f"{show(value)} can't be converted to a boolean")
    return words[value.lower()]


def _order(name: str, holds: Callable[[Any, Any], bool]) -> Function:
    def call(_: Scope, arguments: list[Any]) -> bool:
        a, b = arguments
        numbers = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in arguments)
        if not numbers and not (isinstance(a, str) and isinstance(b, str)):
            raise wrong_argument(name, f"two integers or two strings are expected, and {show(a)} and {show(b)} were given")
        return holds(a, b)

    return Function(2, 2, call)


def _fail(_: Scope, arguments: list[Any]) -> Any:
    raise TemplateFault(str(arguments[0]))


FAMILY: Final = {
    "if": Function(3, 3, lazy=_if),
    "and": Function(2, None, lazy=_and),
    "or": Function(2, None, lazy=_or),
    "not": Function(1, 1, lambda _, a: not boolean("not", a[0])),
    "bool": Function(1, 1, _bool),
    "true": Function(0, 0, lambda _, a: True),
    "false": Function(0, 0, lambda _, a: False),
    "null": Function(0, 0, lambda _, a: None),
    "coalesce": Function(1, None, lazy=_coalesce),
    "equals": Function(2, 2, lambda _, a: same(a[0], a[1])),
    "less": _order("less", lambda a, b: a < b),
    "lessOrEquals": _order("lessOrEquals", lambda a, b: a <= b),
    "greater": _order("greater", lambda a, b: a > b),
    "greaterOrEquals": _order("greaterOrEquals", lambda a, b: a >= b),
    "fail": Function(1, 1, _fail),
}
