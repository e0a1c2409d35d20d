"""String functions."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, unquote, unquote_to_bytes, urljoin

from dualhome.arm.errors import ArmError
from dualhome.arm.templates.evaluate import LONGEST_TEXT, Function, Scope
from dualhome.arm.templates.faults import not_here, wrong_argument
from dualhome.arm.templates.functions.arguments import array, integer, show, text
from dualhome.arm.templates.functions.unique import unique
from dualhome.arm.templates.reading import compact, read

NAMESPACE: Final = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")  # of guid()
HOLE: Final = re.compile(r"\{\{|\}\}|\{(\d+)(?:,(-?\d+))?(?::([^{}]*))?\}|[{}]")
WIDEST: Final = 1024


def as_text(value: Any) -> str:
    """A value within a text: True, 5, JSON of what is no single value; null is nothing."""
    if isinstance(value, str):
        return str(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "True" if value else "False"
    return compact(value)


def _concat(_: Scope, arguments: list[Any]) -> Any:
    if all(isinstance(each, list) for each in arguments):
        return [item for each in arguments for item in each]
    if any(isinstance(each, (list, dict)) for each in arguments):
        raise wrong_argument("concat", "the arguments must be either all arrays or all strings, numbers or booleans")
    return "".join(as_text(each) for each in arguments)


def _string(_: Scope, arguments: list[Any]) -> str:
    value = arguments[0]
    if value is None:
        raise wrong_argument("string", "null can't be converted to a string")
    return as_text(value)


def _format(_: Scope, arguments: list[Any]) -> str:
    """As .NET's composite formatting: {0}, {1,10}, {2:D4}, {{."""

    def fill(found: re.Match[str]) -> str:
        if found[0] in ("{{", "}}"):
            return found[0][0]
        if found[1] is None:
            raise wrong_argument("format", f"'{text('format', arguments[0])[:80]}' is no format string")
        at = int(found[1][:9])
        if at + 1 >= len(arguments):
            raise wrong_argument("format", f"the format string has a place {{{at}}}, and there are {len(arguments) - 1} value(s)")
        shown = formatted(arguments[at + 1], found[3] or "")
        width = int((found[2] or "0")[:9])
        if abs(width) > WIDEST:
            raise wrong_argument("format", f"the width {width} is more than {WIDEST}")
        return shown.rjust(width) if width > 0 else shown.ljust(-width)

    return HOLE.sub(fill, text("format", arguments[0]))


def formatted(value: Any, how: str) -> str:
    """A value by a .NET format: D4, X2, N0, F2, 000."""
    if not how or isinstance(value, bool) or not isinstance(value, (int, float)):
        return as_text(value)
    if re.fullmatch(r"0+", how):
        return f"{'-' if value < 0 else ''}{abs(round(value)):0{len(how)}d}"
    found = re.fullmatch(r"([DdXxNnFfGg])(\d{0,2})", how)
    if found is None or (found[1] in "DdXx" and isinstance(value, float)):
        raise wrong_argument("format", f"the format '{how[:40]}' is not supported for {show(value)}")
    digits = int(found[2]) if found[2] else None
    match found[1]:
        case "D" | "d":
            return f"{'-' if value < 0 else ''}{abs(int(value)):0{digits or 1}d}"
        case "X" | "x":
            return f"{int(value) & (2**64 - 1) if value < 0 else int(value):0{digits or 1}{found[1]}}"
        case "N" | "n":
            return f"{value:,.{2 if digits is None else digits}f}"
        case "F" | "f":
            return f"{value:.{2 if digits is None else digits}f}"
        case _:
            return as_text(value)


def _changed(name: str, change: Callable[[str], str]) -> Function:
    return Function(1, 1, lambda _, a: change(text(name, a[0])))


def _replace(_: Scope, arguments: list[Any]) -> str:
    whole, old, new = (text("replace", each) for each in arguments)
    if not old:
        raise wrong_argument("replace", "the string to be replaced can't be empty")
    if len(whole) + whole.count(old) * len(new) > LONGEST_TEXT:
        raise wrong_argument("replace", f"the result is longer than {LONGEST_TEXT} characters")
    return whole.replace(old, new)


def _split(_: Scope, arguments: list[Any]) -> list[str]:
    whole = text("split", arguments[0])
    marks = arguments[1] if isinstance(arguments[1], list) else [arguments[1]]
    found = sorted((text("split", each) for each in marks if each != ""), key=len, reverse=True)
    return re.split("|".join(map(re.escape, found)), whole) if found else [whole]


def _join(_: Scope, arguments: list[Any]) -> str:
    return text("join", arguments[1]).join(as_text(each) for each in array("join", arguments[0]))


def _substring(_: Scope, arguments: list[Any]) -> str:
    whole, start = text("substring", arguments[0]), integer("substring", arguments[1])
    length = integer("substring", arguments[2]) if len(arguments) > 2 else len(whole) - start
    if start < 0 or length < 0 or start + length > len(whole):
        raise wrong_argument(
            "substring",
            f"the index and length parameters must refer to a location within the string: the string '{whole[:60]}' has {len(whole)} characters, "
            f"index {start}, length {length}",
        )
    return whole[start : start + length]


def _pad_left(_: Scope, arguments: list[Any]) -> str:
    value, width = arguments[0], integer("padLeft", arguments[1])
    fill = text("padLeft", arguments[2]) if len(arguments) > 2 else " "
    if isinstance(value, (list, dict)) or value is None or isinstance(value, bool):
        raise wrong_argument("padLeft", f"a string or an integer is expected, and {show(value)} was given")
    if len(fill) != 1 or not 0 <= width <= WIDEST:
        raise wrong_argument("padLeft", f"one character to pad with is expected, and a length from 0 to {WIDEST}")
    return as_text(value).rjust(width, fill)


def _starts(name: str, at_end: bool) -> Function:
    def call(_: Scope, arguments: list[Any]) -> bool:
        whole, part = (text(name, each).lower() for each in arguments)
        return whole.endswith(part) if at_end else whole.startswith(part)

    return Function(2, 2, call)


def _guid(_: Scope, arguments: list[Any]) -> str:
    return str(uuid.uuid5(NAMESPACE, "-".join(text("guid", each) for each in arguments)))


def _new_guid(scope: Scope, _: list[Any]) -> str:
    if not scope.fresh:
        raise not_here("newGuid", "It can be used in the default value of a parameter only.")
    return scope.around.new_guid()


def _decoded(name: str, value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong_argument(name, f"'{value[:60]}' isn't base64") from error


def _from_base64(name: str, value: Any) -> str:
    try:
        return _decoded(name, text(name, value)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise wrong_argument(name, "the value holds no text") from error


def _base64_to_json(_: Scope, arguments: list[Any]) -> Any:
    try:
        return read(_from_base64("base64ToJson", arguments[0]))
    except ArmError as error:
        raise wrong_argument("base64ToJson", f"the value isn't JSON: {error}") from error


def _uri(_: Scope, arguments: list[Any]) -> str:
    base, relative = (text("uri", each) for each in arguments)
    try:
        joined = urljoin(base, relative)
    except ValueError as error:
        raise wrong_argument("uri", f"'{base[:60]}' is no URI") from error
    if "://" not in joined:
        raise wrong_argument("uri", f"'{base[:60]}' is no absolute URI")
    return joined


def _data_uri_to_string(_: Scope, arguments: list[Any]) -> str:
    given = text("dataUriToString", arguments[0])
    found = re.fullmatch(r"data:([^,]*?)(;base64)?,(.*)", given, re.IGNORECASE | re.DOTALL)
    if found is None:
        raise wrong_argument("dataUriToString", f"'{given[:60]}' is no data URI")
    raw = _decoded("dataUriToString", found[3]) if found[2] else unquote_to_bytes(found[3])
    return raw.decode("utf-8", "replace")


def _data_uri(_: Scope, arguments: list[Any]) -> str:
    return "data:text/plain;charset=utf8;base64," + base64.b64encode(as_text(arguments[0]).encode()).decode()


FAMILY: Final = {
    "concat": Function(1, None, _concat),
    "string": Function(1, 1, _string),
    "format": Function(1, None, _format),
    "toLower": _changed("toLower", str.lower),
    "toUpper": _changed("toUpper", str.upper),
    "trim": _changed("trim", str.strip),
    "replace": Function(3, 3, _replace),
    "split": Function(2, 2, _split),
    "join": Function(2, 2, _join),
    "substring": Function(2, 3, _substring),
    "padLeft": Function(2, 3, _pad_left),
    "startsWith": _starts("startsWith", False),
    "endsWith": _starts("endsWith", True),
    "uniqueString": Function(1, None, lambda _, a: unique("-".join(text("uniqueString", each) for each in a))),
    "guid": Function(1, None, _guid),
    "newGuid": Function(0, 0, _new_guid),
    "base64": _changed("base64", lambda value: base64.b64encode(value.encode("utf-8", "replace")).decode()),
    "base64ToString": Function(1, 1, lambda _, a: _from_base64("base64ToString", a[0])),
    "base64ToJson": Function(1, 1, _base64_to_json),
    "uri": Function(2, 2, _uri),
    "uriComponent": _changed("uriComponent", lambda value: quote(value, safe="-_.~!*'()", errors="replace")),
    "uriComponentToString": _changed("uriComponentToString", unquote),
    "dataUri": Function(1, 1, _data_uri),
    "dataUriToString": Function(1, 1, _data_uri_to_string),
}
