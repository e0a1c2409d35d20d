"""What functions ask of their arguments."""

from __future__ import annotations

from typing import Any

from dualhome.arm.templates.faults import wrong_argument

Data = dict[str, Any]


def text(name: str, value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise wrong_argument(name, f"a string is expected, and {show(value)} was given")
    return str(value)


def integer(name: str, value: Any) -> int:
    """An integer."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_argument(name, f"an integer is expected, and {show(value)} was given")
    return value


def boolean(name: str, value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise wrong_argument(name, f"a boolean is expected, and {show(value)} was given")
    return value


def array(name: str, value: Any) -> list[Any]:
    """An array."""
    if not isinstance(value, list):
        raise wrong_argument(name, f"an array is expected, and {show(value)} was given")
    return value


def mapping(name: str, value: Any) -> Data:
    """An object."""
    if not isinstance(value, dict):
        raise wrong_argument(name, f"an object is expected, and {show(value)} was given")
    return value


def show(value: Any) -> str:
    """What was given, for a message."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    found = {None: "null", True: "true", False: "false"}.get(value) if value is None or isinstance(value, bool) else None
    return found or (f"'{value[:60]}'" if isinstance(value, str) else str(value)[:60])


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal; 1 is not true."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(each, b[key]) for key, each in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b if not (isinstance(a, str) and isinstance(b, str)) else str(a) == str(b)
