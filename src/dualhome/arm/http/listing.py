"""Lists as pages: `{"value": […], "nextLink": …}`, and the filters that lists of resources of all types have."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

from dualhome.arm.errors import bad_request
from dualhome.arm.http.reading import query_value
from dualhome.arm.ids import GROUPS
from dualhome.arm.records import Record

T = TypeVar("T")
FILTER: Final = re.compile(r"^\s*([\w/]+)\s+(eq|ne)\s+'([^']*)'\s*$", re.IGNORECASE)
SUBSTRING: Final = re.compile(r"^\s*substringof\(\s*'([^']*)'\s*,\s*(\w+)\s*\)\s*$", re.IGNORECASE)


def page(items: Sequence[T], show: Callable[[T], Any], query: Mapping[str, str], base: str, path: str, size: int) -> dict[str, Any]:
    """The page that `$skipToken` asks for, `$top` items at most; `base` and `path` are for the link to the next one.

    Raises:
        ArmError: 400 where $top or $skipToken is none.
    """
    limit = min(_number(query, "$top", size), size)
    start = _start(query)
    shown = [show(each) for each in items[start : start + limit]]
    if start + limit >= len(items) or "$top" in {name.lower(): 0 for name in query}:
        return {"value": shown}
    following = {name: value for name, value in query.items() if name.lower() != "$skiptoken"}
    following["$skipToken"] = base64.urlsafe_b64encode(str(start + limit).encode()).decode()
    return {"value": shown, "nextLink": f"{base}{quote(path)}?{urlencode(following)}"}


def _number(query: Mapping[str, str], word: str, default: int) -> int:
    text = query_value(query, word)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 7 and int(text)):
        raise bad_request(
            "InvalidQueryParameter", f"The value '{text}' of query parameter {word} is invalid: a whole number from 1 is wanted."
        )
    return int(text)


def _start(query: Mapping[str, str]) -> int:
    token = query_value(query, "$skipToken")
    if token is None:
        return 0
    try:
        return max(0, int(base64.urlsafe_b64decode(token.encode()).decode()))
    except ValueError as error:
        raise bad_request("InvalidSkipToken", f"The skip token '{token}' is invalid: take nextLink as it came.") from error


def filtered(records: Iterable[Record], text: str | None) -> list[Record]:
    """Those that `$filter` of a resource list lets through: resourceGroup, resourceType, name, location, tagName and tagValue, joined by `and`.

    Raises:
        ArmError: 400 InvalidFilterInQueryString.
    """
    found = list(records)
    for term in re.split(r"\s+and\s+", text or "", flags=re.IGNORECASE):
        if not term.strip():
            continue
        if inside := SUBSTRING.match(term):
            part, name = inside[1].lower(), inside[2].lower()
            found = [each for each in found if part in _value(each, name, term).lower()]
        elif said := FILTER.match(term):
            name, wanted = said[1].lower(), said[3].lower()
            found = [each for each in found if _holds(each, name, wanted, term) == (said[2].lower() == "eq")]
        else:
            raise _unknown(term)
    return found


def _holds(record: Record, name: str, wanted: str, term: str) -> bool:
    tags = {str(key).lower(): str(value).lower() for key, value in (record.body.get("tags") or {}).items()}
    if name == "tagname":
        return wanted in tags
    if name == "tagvalue":
        return wanted in tags.values()
    return _value(record, name, term).lower() == wanted


def _value(record: Record, name: str, term: str) -> str:
    values = {
        "resourcegroup": record.parsed.group or "",
        "resourcetype": record.type,
        "name": record.name,
        "location": str(record.body.get("location", "")),
        "plan/publisher": str((record.body.get("plan") or {}).get("publisher", "")),
    }
    if name not in values:
        raise _unknown(term)
    return values[name]


def _unknown(term: str) -> Exception:
    return bad_request("InvalidFilterInQueryString", f"Invalid $filter '{term}' specified in the query string.")


def top_level(records: Iterable[Record]) -> list[Record]:
    """What lists of resources hold: tracked ones, no groups and no children."""
    return [each for each in records if each.type != GROUPS and each.type.count("/") == 1 and "location" in each.body]


def generic(record: Record, shown: Mapping[str, Any], now: float) -> dict[str, Any]:
    """GenericResource."""
    words = ("id", "name", "type", "location", "tags", "sku", "kind", "zones", "plan", "identity", "managedBy")
    found = {word: shown[word] for word in words if shown.get(word) is not None}
    return found | {"provisioningState": record.provisioning_state(now)}
