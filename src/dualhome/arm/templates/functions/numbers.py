"""Numeric functions: integers of 64 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dualhome.arm.templates.evaluate import Function, Scope
from dualhome.arm.templates.faults import wrong_argument
from dualhome.arm.templates.functions.arguments import integer, show, text
from dualhome.arm.templates.reading import NUMBER

LIMIT: Final = 2**63


def _in_range(name: str, value: int) -> int:
    if not -LIMIT <= value < LIMIT:
        raise wrong_argument(name, "the result is no integer of 64 bits")
    return value


def _two(name: str, compute: Callable[[int, int], int]) -> Function:
    def call(_: Scope, arguments: list[Any]) -> int:
        return _in_range(name, compute(integer(name, arguments[0]), integer(name, arguments[1])))

    return Function(2, 2, call)


def _divided(a: int, b: int) -> int:
    """Towards zero."""
    if b == 0:
        raise wrong_argument("div", "the second number can't be 0")
    return -(-a // b) if (a < 0) != (b < 0) else a // b


def _rest(a: int, b: int) -> int:
    if b == 0:
        raise wrong_argument("mod", "the second number can't be 0")
    return a - b * _divided(a, b)


def _int(_: Scope, arguments: list[Any]) -> int:
    value = arguments[0]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise wrong_argument("int", f"a string or an integer is expected, and {show(value)} was given")
    if isinstance(value, str):
        found = NUMBER.fullmatch(value.strip().removeprefix("+"))
        if found is None or found[1] or found[2] or len(value) > 40:
            raise wrong_argument("int", f"{show(value)} can't be converted to an integer")
        return _in_range("int", int(value))
    if isinstance(value, float) and (value != value or abs(value) >= LIMIT):
        raise wrong_argument("int", f"{show(value)} can't be converted to an integer")
    return int(value)


def _float(_: Scope, arguments: list[Any]) -> float:
    value = arguments[0]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise wrong_argument("float", f"a string or a number is expected, and {show(value)} was given")
    if isinstance(value, str) and NUMBER.fullmatch(text("float", value).strip()) is None:
        raise wrong_argument("float", f"{show(value)} can't be converted to a number")
    return float(value)


def _extreme(name: str, choose: Callable[[list[int]], int]) -> Function:
    def call(_: Scope, arguments: list[Any]) -> int:
        numbers = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else arguments
        if not numbers:
            raise wrong_argument(name, "an empty array has neither least nor greatest")
        return choose([integer(name, each) for each in numbers])

    return Function(1, None, call)


FAMILY: Final = {
    "add": _two("add", lambda a, b: a + b),
    "sub": _two("sub", lambda a, b: a - b),
    "mul": _two("mul", lambda a, b: a * b),
    "div": _two("div", _divided),
    "mod": _two("mod", _rest),
    "int": Function(1, 1, _int),
    "float": Function(1, 1, _float),
    "min": _extreme("min", min),
    "max": _extreme("max", max),
}
