"""What the schema sees: form, and every name in use. Its verdicts are put into the user's words here."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as File
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators

from dualhome.net import Address, Prefix
from dualhome.topology.quick import Check, Fits, Name, compiled
from dualhome.topology.reading import Path
from dualhome.topology.words import Wrong, nearest, owner, show

TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
ONLY_WITH = {
    "from": "beside 'between'; write 'between', or 'from' and 'to'",
    "to": "beside 'between'; write 'between', or 'from' and 'to'",
    "next_hop": "here; only next_hop_type VirtualAppliance takes it",
    "next_hops": "here; only next_hop_type VirtualApplianceEcmp takes it",
    "active_active": "here; only a gateway of type Vpn takes it",
    "vpn_type": "here; only a gateway of type Vpn takes it",
    "point_to_site": "here; only a gateway of type Vpn takes it",
    "standby_takeover_s": "here; only a gateway of type Vpn takes it",
    "allow_remote_virtual_network_traffic": "here; only a gateway of type ExpressRoute takes it",
}
# Keys of Azure's that the format leaves out, and why.
LEFT_OUT = dict.fromkeys(
    ("peer_complete_virtual_networks", "local_subnets", "remote_subnets"),
    "peerings are of whole virtual networks: subnet peering is left out (R27)",
)
LAST_ASN = 4294967295
UNKNOWN_KEY = "unknown key"  # the one fault of form that leaves all else readable


@dataclass(frozen=True, slots=True)
class Use:
    """A name in use: where, the name, and what it must be one of; `key` where the name is a key."""

    path: Path
    name: str
    what: str
    key: bool


@lru_cache(maxsize=1)
def schema() -> Mapping[str, Any]:
    """The schema of topology files, version 1."""
    found: Mapping[str, Any] = json.loads((File(__file__).parent / "topology.schema.json").read_text("utf-8"))
    return found


def _note_names(_: object, what: str, value: object, __: object) -> Iterator[ValidationError]:
    """The schema's own keyword x-names: report every name and what it must be one of, for `names` to judge."""
    if isinstance(value, str):
        yield ValidationError(what, instance=value)
    elif isinstance(value, list):
        for place, name in enumerate(value):
            if isinstance(name, str):
                yield ValidationError(what, instance=name, path=[place])


def _never(_: object, __: object, ___: object, ____: object) -> Iterator[ValidationError]:
    yield ValidationError("has no place here")


def _spelled_out(shape: Any, shapes: Mapping[str, Any]) -> Any:
    """The schema with `false` spelled as a keyword, whose errors carry the path that those of `false` lack; and with definitions where they are used,
    since each look-up of one costs more than what it says. No definition holds itself.
    """
    if isinstance(shape, list):
        return [_spelled_out(each, shapes) for each in shape]
    if not isinstance(shape, Mapping):
        return shape
    never = {"x-never": True}
    found = {
        key: {name: never if each is False else _spelled_out(each, shapes) for name, each in value.items()}
        if key in ("properties", "patternProperties")
        else _spelled_out(value, shapes)
        for key, value in shape.items()
        if key not in ("$ref", "$defs")
    }
    if "$ref" not in shape:
        return found
    used = _spelled_out(shapes[shape["$ref"].removeprefix("#/$defs/")], shapes)
    more = {
        key: value for key, value in found.items() if key not in ("description", "default")
    }  # what a value is, the definition says best
    assert not used.keys() & more.keys(), f"{shape} says again what its definition says"
    return used | more


@lru_cache(maxsize=1)
def _validator() -> Any:
    return validator(schema())


@lru_cache(maxsize=1)
def _quickly() -> Check:
    shapes = schema()["$defs"]
    return compiled(_spelled_out(schema(), shapes), _fits(shapes))


def names_of(data: Mapping[str, Any]) -> list[Use] | None:
    """The names in use in data of the right form; None where somebody must look whether it has that."""
    names: list[Name] = []
    return [Use(*each) for each in names] if _quickly()(data, (), names) else None


def _fits(shapes: Mapping[str, Any]) -> Fits:
    """Whether a text fits a pattern or the format `prefix`; an address must be one as well, which its pattern alone can't tell."""
    checks: dict[str, Callable[[str], object]] = {
        shapes["address"]["pattern"]: Address.parse,
        shapes["host"]["pattern"]: lambda text: (text[:1].isalpha() and ":" not in text) or Address.parse(text),
        shapes["as_path"]["pattern"]: _as_path,
        shapes["community"]["pattern"]: _community,
    }
    patterns: dict[str, re.Pattern[str]] = {}

    def fits(wanted: str, text: str) -> bool:
        try:
            if wanted == "prefix":
                return bool(Prefix.parse(text))
            if wanted not in patterns:
                patterns[wanted] = re.compile(wanted.removesuffix("$") + r"\Z" if wanted.endswith("$") else wanted)
            return bool(patterns[wanted].search(text)) and (wanted not in checks or bool(checks[wanted](text)))
        except ValueError:
            return False

    return fits


def validator(whole: Mapping[str, Any]) -> Any:
    """What judges data by a schema that is written in the words of topology files', with their definitions in it."""
    shapes = whole["$defs"]
    fits = _fits(shapes)

    def pattern(_: object, wanted: str, value: object, __: object) -> Iterator[ValidationError]:
        if isinstance(value, str) and not fits(wanted, value):
            yield ValidationError("pattern")

    formats = FormatChecker(formats=())
    formats.checks("prefix", ValueError)(lambda text: not isinstance(text, str) or bool(Prefix.parse(text)))
    extended: Any = validators.extend(Draft202012Validator, {"x-names": _note_names, "pattern": pattern, "x-never": _never})  # type: ignore[no-untyped-call]
    return extended(_spelled_out(whole, shapes), format_checker=formats)


def _as_path(text: str) -> bool:
    return all(len(part) < 11 and 1 <= int(part) <= LAST_ASN for part in text.split())


def _community(text: str) -> bool:
    return not text[:1].isdigit() or all(int(part) <= 65535 for part in text.split(":"))


def inspect(data: Mapping[str, Any], by: Any = None) -> tuple[list[Wrong], list[Use]]:
    """Faults of form, and the names in use; by the schema of topology files, or another `validator`."""
    wrongs: dict[Wrong, None] = {}
    uses: list[Use] = []
    if by is None and (found := names_of(data)) is not None:
        return [], found
    for error in (by or _validator()).iter_errors(data):
        if error.validator == "x-names":
            key = "propertyNames" in error.absolute_schema_path
            path = tuple(error.absolute_path)
            uses.append(Use((*path, error.instance) if key else path, error.instance, error.message, key))
        else:
            wrongs.update(dict.fromkeys(_explain(error, data)))
    bad = {wrong.path for wrong in wrongs}
    return [*wrongs], [use for use in uses if use.path not in bad]


def _explain(error: Any, data: Mapping[str, Any]) -> Iterator[Wrong]:
    path, value, wanted, shape = tuple(error.absolute_path), error.instance, error.validator_value, error.schema
    if "propertyNames" in error.absolute_schema_path:
        yield Wrong((*path, value), f"the name {show(value)} is not {_wanted(shape)}", key=True)
        return
    match error.validator:
        case "additionalProperties":
            yield from _unknown_keys(path, value, shape)
        case "required":
            yield from _missing(error, path, value, wanted)
        case "dependentRequired":
            for given, needed in wanted.items():
                if given in value:
                    yield from (Wrong(path, f"{given!r} without {key!r}", f"add {key!r}") for key in needed if key not in value)
        case "oneOf" | "anyOf":
            yield from _choice(error.validator, path, value, shape)
        case "x-never":
            yield from _misplaced(path, data)
        case "minProperties" | "minItems" if not value:
            yield Wrong(
                path, f"{_subject(path, data)} empty", "there must be at least " + ("one entry" if wanted == 1 else f"{wanted} entries")
            )
        case _:
            text, *hint = _value(error.validator, path, value, wanted, shape, data)
            yield Wrong(path, text, "".join(hint))


def _subject(path: Path, data: Mapping[str, Any]) -> str:
    """How a message on the value at `path` begins."""
    _, taken = owner(path, data)
    keys = [step for step in path[taken:] if isinstance(step, str)]
    if not keys:
        return "found"
    return f"{keys[-1]!r} has" if isinstance(path[-1], int) else f"{keys[-1]!r} is"


def _wanted(shape: Mapping[str, Any]) -> str:
    if "description" in shape and ("pattern" in shape or "minimum" in shape):
        return str(shape["description"])
    if "pattern" in shape:
        return "a name: letters, digits, '-', '_', '.'"
    types = shape.get("type", [])
    return " or ".join(TYPES[each] for each in ([types] if isinstance(types, str) else types)) or "right"


def _remedy(value: object, shape: Mapping[str, Any]) -> tuple[str, ...]:
    """The right prefix in place of one with host bits."""
    if shape.get("format") == "prefix" and isinstance(value, str):
        try:
            return (f"did you mean {str(ipaddress.ip_network(value, strict=False))!r}?",)
        except ValueError:
            pass
    return ()


def _value(rule: str, path: Path, value: Any, wanted: Any, shape: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[str, ...]:
    subject = f"{_subject(path, data)} {show(value)}"
    match rule:
        case "type":
            return (f"{subject}, wanted {_wanted(shape)}",)
        case "pattern" | "format" | "not":
            return (f"{subject}, wanted {_wanted(shape)}", *_remedy(value, shape))
        case "enum":
            near = nearest(str(value), map(str, wanted), what="possible") if isinstance(value, str) else ""
            return f"{subject}, wanted one of {', '.join(map(str, wanted))}", near if near.startswith("did") else ""
        case "const":
            return (f"{subject}, wanted {wanted}",)
        case "minimum" | "exclusiveMinimum":
            return (f"{subject}, wanted {'at least' if rule == 'minimum' else 'more than'} {wanted}",)
        case "maximum":
            return (f"{subject}, wanted at most {wanted}",)
        case "uniqueItems":
            twice = next((item for place, item in enumerate(value) if item in value[:place]), None)
            return (f"{_subject(path, data)} {show(twice)} twice".replace("' is ", "' has "),)
        case "minItems" | "maxItems" | "minProperties" | "maxProperties":
            bound = "at least" if rule.startswith("min") else "at most"
            if shape.get("minItems", shape.get("minProperties")) == shape.get("maxItems", shape.get("maxProperties")):
                bound = "exactly"
            return (
                f"{_subject(path, data)} {len(value)} {'entry' if len(value) == 1 else 'entries'}, wanted {bound} {wanted}".replace(
                    "' is ", "' has "
                ),
            )
        case "maxLength":
            return (f"{subject}, wanted at most {wanted} characters",)
    raise AssertionError(f"the schema has a keyword that this package has no words for: {rule}")


def _unknown_keys(path: Path, value: Mapping[str, Any], shape: Mapping[str, Any]) -> Iterator[Wrong]:
    known = shape.get("properties", {})
    patterns = shape.get("patternProperties", {})
    for key in value:
        if key not in known and not any(re.search(pattern, key) for pattern in patterns):
            hint = LEFT_OUT.get(key) or nearest(key, known, what="possible")
            yield Wrong((*path, key), f"{UNKNOWN_KEY} {show(key)}", hint, key=True)


def _missing(error: Any, path: Path, value: Mapping[str, Any], wanted: list[str]) -> Iterator[Wrong]:
    if "allOf" in error.absolute_schema_path and "next_hop_type" not in value:
        return  # that key itself is missing, which another fault says
    if wanted == ["from", "to"] and not {*wanted} & {*value}:
        yield Wrong(path, "'between' is missing", "or 'from' and 'to', for one direction")
        return
    yield from (Wrong(path, f"{key!r} is missing") for key in wanted if key not in value)


def _choice(rule: str, path: Path, value: Mapping[str, Any], shape: Mapping[str, Any]) -> Iterator[Wrong]:
    options = [each["required"][0] for each in shape[rule]]
    given = [repr(option) for option in options if option in value]
    if given:
        yield Wrong(path, f"{' and '.join(given)} stand together, wanted one of them alone")
    elif {*value} <= {*shape["properties"]}:
        yield Wrong(path, f"none of {', '.join(map(repr, options))} is there, wanted one")


def _misplaced(path: Path, data: Mapping[str, Any]) -> Iterator[Wrong]:
    """A key that is right elsewhere; silent where the key that decides on it is wrong itself, for that has a fault of its own."""
    key = str(path[-1])
    holder: Any = data
    for step in path[:-1]:
        holder = holder[step]
    if key in ("next_hop", "next_hops") and holder.get("next_hop_type") not in schema()["$defs"]["next_hop_type"]["enum"]:
        return
    if key in ("active_active", "vpn_type", "point_to_site", "allow_remote_virtual_network_traffic") and holder.get("type") not in (
        "ExpressRoute",
        "Vpn",
    ):
        return
    why = ONLY_WITH.get(key, "here; only 'between' takes it")
    yield Wrong(path, f"{show(key)} has no place {why}", key=True)
