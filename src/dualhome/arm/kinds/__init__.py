"""Every resource type that the server knows more of than its name, and how to find the kind of a type.

A module of this package has a tuple `KINDS`; a type without a class of its own is kept and given back as it came (`generic.Stored`).
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Final

from dualhome.arm.errors import ArmError
from dualhome.arm.kinds.base import Kind
from dualhome.arm.kinds.generic import Stored
from dualhome.arm.kinds.known import KNOWN, STRICT

MODULES: Final = (
    "groups",
    "networks",
    "tables",
    "addresses",
    "balancers",
    "security",
    "servers",
    "gateways",
    "connections",
    "circuits",
    "compute",
    "scripts",
    "images",
    "around",
    "locks",
    "zones",
)
Lookup = Callable[..., Awaitable[Any]]


@cache
def kinds() -> dict[str, Kind]:
    """By type in lower case."""
    found: dict[str, Kind] = {}
    for name in MODULES:
        if importlib.util.find_spec(f"dualhome.arm.kinds.{name}") is not None:
            module = importlib.import_module(f"dualhome.arm.kinds.{name}")
            found |= {kind.type.lower(): kind for kind in getattr(module, "KINDS", ())}
    return found


@cache
def lookups() -> tuple[tuple[re.Pattern[str], Lookup], ...]:
    """Paths beneath a subscription that are no resources, and what answers them: `async (context, named groups, query) -> JSON`."""
    found: list[tuple[re.Pattern[str], Lookup]] = []
    for name in MODULES:
        if importlib.util.find_spec(f"dualhome.arm.kinds.{name}") is not None:
            module = importlib.import_module(f"dualhome.arm.kinds.{name}")
            found += [(re.compile(pattern + "/?$", re.IGNORECASE), answer) for pattern, answer in getattr(module, "LOOKUPS", ())]
    return tuple(found)


def kind_of(type_: str) -> Kind:
    """What is known of a type.

    Raises:
        ArmError: there is no such namespace or type (404 InvalidResourceNamespace, InvalidResourceType).
    """
    lower = type_.lower()
    if (kind := kinds().get(lower)) is not None:
        return kind
    namespace, _, rest = type_.partition("/")
    if not namespace.lower().startswith("microsoft."):
        raise ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")
    if lower in KNOWN:
        return _stored(KNOWN[lower])
    if namespace.lower() in STRICT:
        raise ArmError(404, "InvalidResourceType", f"The resource type '{rest}' could not be found in the namespace '{namespace}'.")
    return _stored(type_)


@cache
def _stored(type_: str) -> Kind:
    return Stored(type_)
