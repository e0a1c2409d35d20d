"""A schema as functions, for data that has the right form: whether it has, and which names it uses, many times faster than by asking the schema.

It may say no where the schema says yes, and never the other way round; what is wrong, the schema itself has to say (`form.inspect`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dualhome.topology.reading import Path

Name = tuple[Path, str, str, bool]
"""Where a name stands, the name, what it must be one of, and whether it is a key there."""
Check = Callable[[Any, Path, list[Name]], bool]
Fits = Callable[[str, str], bool]
"""Whether a text fits a pattern, or a format."""

SILENT: Final = frozenset({"$schema", "$id", "$defs", "title", "description", "default", "then", "else"})
TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
BOUNDS: Final[Mapping[str, tuple[Callable[[Any], bool], Callable[[Any, Any], bool]]]] = {
    "minimum": (TYPES["number"], lambda value, bound: value >= bound),
    "maximum": (TYPES["number"], lambda value, bound: value <= bound),
    "exclusiveMinimum": (TYPES["number"], lambda value, bound: value > bound),
    "minItems": (TYPES["array"], lambda value, bound: len(value) >= bound),
    "maxItems": (TYPES["array"], lambda value, bound: len(value) <= bound),
    "minProperties": (TYPES["object"], lambda value, bound: len(value) >= bound),
    "maxProperties": (TYPES["object"], lambda value, bound: len(value) <= bound),
    "maxLength": (TYPES["string"], lambda value, bound: len(value) <= bound),
}


def compiled(shape: Mapping[str, Any], fits: Fits, *, key: bool = False) -> Check:
    """All that a schema without references asks for. `key`: whether what it judges is a key of a mapping.

    Raises:
        NotImplementedError: it has a keyword that isn't known here.
    """
    checks = [made for word, wanted in shape.items() if word not in SILENT and (made := _made(word, wanted, shape, fits, key)) is not None]
    if len(checks) == 1:
        return checks[0]

    def every(value: Any, path: Path, names: list[Name]) -> bool:
        for check in checks:  # noqa: SIM110 - a generator would cost more than what most of them do
            if not check(value, path, names):
                return False
        return True

    return every


def _made(word: str, wanted: Any, shape: Mapping[str, Any], fits: Fits, key: bool) -> Check | None:
    if word in BOUNDS:
        concerns, holds = BOUNDS[word]
        return lambda value, path, names: not concerns(value) or holds(value, wanted)
    match word:
        case "type":
            kinds = [TYPES[each] for each in ([wanted] if isinstance(wanted, str) else wanted)]
            return kinds_only(kinds)
        case "enum" | "const":
            words = wanted if word == "enum" else [wanted]
            return lambda value, path, names: any(type(value) is type(each) and value == each for each in words)
        case "pattern" | "format":
            return lambda value, path, names: not isinstance(value, str) or fits(wanted, value)
        case "uniqueItems":
            return lambda value, path, names: (
                not isinstance(value, list) or (all(isinstance(each, str) for each in value) and len(set(value)) == len(value))
            )
        case "required":
            return lambda value, path, names: not isinstance(value, dict) or all(each in value for each in wanted)
        case "dependentRequired":
            return lambda value, path, names: (
                not isinstance(value, dict) or all(other in value for given, others in wanted.items() if given in value for other in others)
            )
        case "x-names":
            return _names(wanted, key)
        case "x-never":
            return lambda value, path, names: False
        case "if" | "not" | "oneOf" | "anyOf" | "allOf":
            return _logic(word, wanted, shape, fits)
        case "properties":
            return _properties({name: compiled(each, fits) for name, each in wanted.items()})
        case "patternProperties":
            return _pattern_properties([(re.compile(name), compiled(each, fits)) for name, each in wanted.items()])
        case "additionalProperties":
            return _additional(wanted, shape, fits)
        case "propertyNames":
            judge = compiled(wanted, fits, key=True)
            return lambda value, path, names: not isinstance(value, dict) or all(judge(each, path, names) for each in value)
        case "items":
            return _items(compiled(wanted, fits))
    raise NotImplementedError(word)


def kinds_only(kinds: Sequence[Callable[[Any], bool]]) -> Check:
    """Of one of these types."""
    if len(kinds) == 1:
        kind = kinds[0]
        return lambda value, path, names: kind(value)
    return lambda value, path, names: any(kind(value) for kind in kinds)


def _names(what: str, key: bool) -> Check:
    def note(value: Any, path: Path, names: list[Name]) -> bool:
        if isinstance(value, str):
            names.append(((*path, value) if key else path, value, what, key))
        elif isinstance(value, list):
            names += [((*path, place), each, what, key) for place, each in enumerate(value) if isinstance(each, str)]
        return True

    return note


def _logic(word: str, wanted: Any, shape: Mapping[str, Any], fits: Fits) -> Check:
    """What is only asked, and not asked for, uses no names."""
    if word == "allOf":
        every = [compiled(each, fits) for each in wanted]
        return lambda value, path, names: all(each(value, path, names) for each in every)
    if word == "not":
        never = compiled(wanted, fits)
        return lambda value, path, names: not never(value, path, [])
    if word in ("oneOf", "anyOf"):
        options = [compiled(each, fits) for each in wanted]
        most = 1 if word == "oneOf" else len(options)
        return lambda value, path, names: 1 <= sum(each(value, path, []) for each in options) <= most
    test = compiled(wanted, fits)
    then, other = (compiled(shape.get(branch, {}), fits) for branch in ("then", "else"))
    return lambda value, path, names: then(value, path, names) if test(value, path, []) else other(value, path, names)


def _properties(known: Mapping[str, Check]) -> Check:
    def judge(value: Any, path: Path, names: list[Name]) -> bool:
        if isinstance(value, dict):
            for name, check in known.items():
                if name in value and not check(value[name], (*path, name), names):
                    return False
        return True

    return judge


def _pattern_properties(known: Sequence[tuple[re.Pattern[str], Check]]) -> Check:
    def judge(value: Any, path: Path, names: list[Name]) -> bool:
        return not isinstance(value, dict) or all(
            check(each, (*path, name), names) for pattern, check in known for name, each in value.items() if pattern.search(name)
        )

    return judge


def _additional(wanted: Any, shape: Mapping[str, Any], fits: Fits) -> Check:
    known = shape.get("properties", {})
    patterns = [re.compile(each) for each in shape.get("patternProperties", {})]
    check = None if wanted is False else compiled(wanted, fits)

    def judge(value: Any, path: Path, names: list[Name]) -> bool:
        if isinstance(value, dict):
            for name, each in value.items():
                if name in known or any(pattern.search(name) for pattern in patterns):
                    continue
                if check is None or not check(each, (*path, name), names):
                    return False
        return True

    return judge


def _items(check: Check) -> Check:
    def judge(value: Any, path: Path, names: list[Name]) -> bool:
        if isinstance(value, list):
            for place, each in enumerate(value):
                if not check(each, (*path, place), names):
                    return False
        return True

    return judge
