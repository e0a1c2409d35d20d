"""What of a request is read: its JSON, its query, its api-version."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request

from dualhome.arm.errors import ArmError, bad_request

VERSION: Final = re.compile(r"^(\d{4}-\d{2}-\d{2})(-\w+)?$")
OLDEST: Final = "2014-04-01"  # templates of that time are still about
DEEPEST: Final = 100


def document(raw: bytes) -> Any:
    """A JSON document; None where there is none.

    Raises:
        ArmError: 400 InvalidRequestContent, with the place.
    """
    if not raw.strip():
        return None
    try:
        found = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_constant)
        _check_depth(found, DEEPEST)
    except (ValueError, RecursionError) as error:
        raise bad_request("InvalidRequestContent", f"The request content was invalid and could not be deserialized: '{error}'.") from error
    return found


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _check_depth(value: object, left: int) -> None:
    if left == 0:
        raise ValueError(f"more than {DEEPEST} levels deep")
    if isinstance(value, dict):
        for each in value.values():
            _check_depth(each, left - 1)
    elif isinstance(value, list):
        for each in value:
            _check_depth(each, left - 1)


def query_value(query: Mapping[str, str], name: str) -> str | None:
    """What a query says under a name, whose case doesn't count; None where it isn't there."""
    return next((value for each, value in query.items() if each.lower() == name.lower()), None)


def base_of(request: Request) -> str:
    """Scheme, host and port as the client sees them."""
    return f"{request.url.scheme}://{request.headers.get('host') or request.url.netloc}"


def api_version(query: Mapping[str, str], type_: str) -> str:
    """The query's api-version.

    Raises:
        ArmError: 400, there is none (MissingApiVersionParameter), it is no version (InvalidApiVersionParameter), or one that no type has (NoRegisteredProviderFound).
    """
    text = query_value(query, "api-version") or ""
    if not text:
        raise bad_request("MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
    found = VERSION.match(text)
    if not found or not _is_date(found[1]):
        raise bad_request(
            "InvalidApiVersionParameter",
            f"The api-version '{text}' is invalid. The supported versions are dates, such as '2025-07-01'.",
        )
    newest = (datetime.now(UTC) + timedelta(days=60)).strftime("%Y-%m-%d")
    if not OLDEST <= found[1] <= newest:
        raise ArmError(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for API version '{text}' for type '{type_.partition('/')[2] or type_}'. The supported api-versions are "
            f"those from '{OLDEST}' to '{newest}'.",
        )
    return text


def _is_date(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        return False
    return True
