"""Functions of arrays and objects, and those that take either and strings too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from dualhome.arm.templates.evaluate import Function, Scope
from dualhome.arm.templates.faults import wrong_argument
from dualhome.arm.templates.functions.arguments import Data, array, integer, mapping, same, show, text
from dualhome.arm.templates.reading import compact, member

MOST_IN_RANGE: Final = 10_000
NOTHING: Final = object()


def _array(_: Scope, arguments: list[Any]) -> list[Any]:
    return arguments[0] if isinstance(arguments[0], list) else [arguments[0]]


def _create_object(_: Scope, arguments: list[Any]) -> Data:
    if len(arguments) % 2:
        raise wrong_argument("createObject", "keys and values are expected in turn, an even number of arguments")
    return {text("createObject", key): value for key, value in zip(arguments[::2], arguments[1::2], strict=True)}


def _key(value: Any) -> object:
    """For sets of values: quick where they are texts."""
    return ("", str(value)) if isinstance(value, str) else compact(value)


def _union(_: Scope, arguments: list[Any]) -> Any:
    if all(isinstance(each, list) for each in arguments):
        return list({_key(item): item for each in reversed(arguments) for item in reversed(each)}.values())[::-1]
    if all(isinstance(each, dict) for each in arguments):
        made: Data = {}
        for each in arguments:
            made = merged(made, each)
        return made
    raise wrong_argument("union", "either arrays or objects are expected, all of one kind")


def merged(base: Data, more: Data) -> Data:
    """Objects within objects too; what comes later wins."""
    made = dict(base)
    for name, value in more.items():
        known = next((key for key in made if key.lower() == name.lower()), name)
        old = made.get(known)
        made[known] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return made


def _intersection(_: Scope, arguments: list[Any]) -> Any:
    if all(isinstance(each, list) for each in arguments):
        others = [{_key(item) for item in each} for each in arguments[1:]]
        return list({_key(item): item for item in arguments[0] if all(_key(item) in each for each in others)}.values())
    if all(isinstance(each, dict) for each in arguments):
        first, rest = arguments[0], arguments[1:]
        return {name: value for name, value in first.items() if all(same(member(each, name, NOTHING), value) for each in rest)}
    raise wrong_argument("intersection", "either arrays or objects are expected, all of one kind")


def _contains(_: Scope, arguments: list[Any]) -> bool:
    of, what = arguments
    if isinstance(of, str):
        return text("contains", what if not _is_number(what) else str(what)) in of
    if isinstance(of, list):
        return any(same(each, what) for each in of)
    if isinstance(of, dict):
        return member(of, text("contains", what), NOTHING) is not NOTHING
    raise wrong_argument("contains", f"an array, an object or a string is expected, and {show(of)} was given")


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _empty(_: Scope, arguments: list[Any]) -> bool:
    value = arguments[0]
    if value is None:
        return True
    if not isinstance(value, (str, list, dict)):
        raise wrong_argument("empty", f"an array, an object or a string is expected, and {show(value)} was given")
    return not value


def _length(_: Scope, arguments: list[Any]) -> int:
    value = arguments[0]
    if not isinstance(value, (str, list, dict)):
        raise wrong_argument("length", f"an array, an object or a string is expected, and {show(value)} was given")
    return len(value)


def _end(name: str, at: int) -> Function:
    def call(_: Scope, arguments: list[Any]) -> Any:
        value = arguments[0]
        if isinstance(value, list):
            return value[at] if value else None
        return text(name, value)[at:][:1]

    return Function(1, 1, call)


def _part(name: str, cut: Callable[[Any, int], Any]) -> Function:
    def call(_: Scope, arguments: list[Any]) -> Any:
        value, count = arguments[0], max(0, integer(name, arguments[1]))
        return cut(value if isinstance(value, list) else text(name, value), count)

    return Function(2, 2, call)


def _range(_: Scope, arguments: list[Any]) -> list[int]:
    start, count = (integer("range", each) for each in arguments)
    if count < 0 or count > MOST_IN_RANGE or start + count > 2147483647:
        raise wrong_argument("range", f"the count must be between 0 and {MOST_IN_RANGE}, and the numbers at most 2147483647")
    return list(range(start, start + count))


def _index(name: str, found: Callable[[list[int]], int]) -> Function:
    def call(_: Scope, arguments: list[Any]) -> int:
        of, what = arguments
        if isinstance(of, list):
            places = [at for at, each in enumerate(of) if same(each, what)]
        else:
            whole, part = text(name, of).lower(), text(name, what).lower()
            places = [at for at in (whole.find(part), whole.rfind(part)) if at >= 0]
        return found(places) if places else -1

    return Function(2, 2, call)


def _flatten(_: Scope, arguments: list[Any]) -> list[Any]:
    return [item for each in array("flatten", arguments[0]) for item in array("flatten", each)]


def _object_keys(_: Scope, arguments: list[Any]) -> list[str]:
    return sorted(mapping("objectKeys", arguments[0]))


def _items(_: Scope, arguments: list[Any]) -> list[Data]:
    """Sorted by key."""
    return [{"key": key, "value": value} for key, value in sorted(mapping("items", arguments[0]).items())]


def _shallow_merge(_: Scope, arguments: list[Any]) -> Data:
    made: Data = {}
    for each in array("shallowMerge", arguments[0]):
        made.update(mapping("shallowMerge", each))
    return made


def _json(_: Scope, arguments: list[Any]) -> Any:
    from dualhome.arm.errors import ArmError
    from dualhome.arm.templates.reading import read

    try:
        return read(text("json", arguments[0]))
    except ArmError as error:
        raise wrong_argument("json", f"the value isn't JSON: {error}") from error


def _try_get(_: Scope, arguments: list[Any]) -> Any:
    of, *path = arguments
    return _down(of, path)


def _down(of: Any, path: Iterable[Any]) -> Any:
    for each in path:
        if isinstance(of, dict) and isinstance(each, str):
            of = member(of, each)
        elif isinstance(of, list) and _is_number(each) and 0 <= each < len(of):
            of = of[each]
        else:
            return None
    return of


def _from_end(name: str, *, safe: bool) -> Function:
    def call(_: Scope, arguments: list[Any]) -> Any:
        of, at = array(name, arguments[0]), integer(name, arguments[1])
        if 1 <= at <= len(of):
            return of[-at]
        if safe:
            return None
        raise wrong_argument(name, f"the index {at} from the end is out of bounds")

    return Function(2, 2, call)


FAMILY: Final = {
    "array": Function(1, 1, _array),
    "createArray": Function(0, None, lambda _, a: a),
    "createObject": Function(0, None, _create_object),
    "union": Function(1, None, _union),
    "intersection": Function(2, None, _intersection),
    "contains": Function(2, 2, _contains),
    "empty": Function(1, 1, _empty),
    "length": Function(1, 1, _length),
    "first": _end("first", 0),
    "last": _end("last", -1),
    "take": _part("take", lambda value, count: value[:count]),
    "skip": _part("skip", lambda value, count: value[count:]),
    "range": Function(2, 2, _range),
    "indexOf": _index("indexOf", min),
    "lastIndexOf": _index("lastIndexOf", max),
    "flatten": Function(1, 1, _flatten),
    "objectKeys": Function(1, 1, _object_keys),
    "items": Function(1, 1, _items),
    "shallowMerge": Function(1, 1, _shallow_merge),
    "json": Function(1, 1, _json),
    "tryGet": Function(2, None, _try_get),
    "indexFromEnd": _from_end("indexFromEnd", safe=False),
    "tryIndexFromEnd": _from_end("tryIndexFromEnd", safe=True),
}
