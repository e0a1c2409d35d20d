"""What a path means: a resource, a collection, an action on a resource, a part of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dualhome.arm.errors import ArmError
from dualhome.arm.ids import GROUPS, ResourceId
from dualhome.arm.kinds import kind_of, kinds
from dualhome.arm.kinds.base import Kind

VERBS: Final = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete", "POST": "action"}


@dataclass(frozen=True, slots=True)
class Meant:
    """What a path addresses.

    `how`: resource | collection | action | view | part | parts. `id`: the resource, or the one that the action, view or part is of; of a collection the
    parent, None at a scope; `scope` and `type` are a collection's. `word`: the action, the view, or the property that has the parts; `last`: the part's
    name, or the trailing argument of an action.
    """

    how: str
    id: ResourceId | None = None
    scope: str = ""
    type: str = ""
    word: str = ""
    last: str = ""

    def operation(self, method: str, type_: str) -> str:
        """What RBAC and the activity log call it: `Microsoft.Network/virtualHubs/bgpConnections/learnedRoutes/action`."""
        verb = VERBS.get(method, "action")
        if self.how == "action":
            other, _, word = self.word.rpartition(" ")
            return f"{type_}/{word.removesuffix('/{}')}/{VERBS[other.upper()] if other else 'action'}"
        return f"{type_}/{self.word}/{verb}" if self.how in ("view", "part", "parts") else f"{type_}/{verb}"


def segments(path: str) -> list[str]:
    """Without doubled slashes, which clients make."""
    return [part for part in path.split("/") if part]


def meant(method: str, parts: list[str]) -> Meant:
    """Of the segments of a path that names a provider, or a resource group.

    Raises:
        ArmError: nothing can be meant (404).
    """
    lower = [part.lower() for part in parts]
    if "providers" not in lower:
        return _group(method, parts, lower)
    at = len(lower) - 1 - lower[::-1].index("providers")
    scope = "/" + "/".join(parts[:at]) if at else ""
    rest = parts[at + 2 :]
    if at + 1 >= len(parts) or not rest:
        raise _nothing(parts)
    namespace = parts[at + 1]
    if len(rest) % 2 == 0:
        return _even(method, scope, namespace, rest)
    return _odd(method, scope, namespace, rest)


def _group(method: str, parts: list[str], lower: list[str]) -> Meant:
    if len(parts) >= 3 and lower[0] == "subscriptions" and lower[2] == "resourcegroups":
        scope = f"/subscriptions/{parts[1]}"
        if len(parts) == 3:
            return Meant("collection", scope=scope, type=GROUPS)
        id_ = ResourceId(scope, "Microsoft.Resources", ("resourceGroups",), (parts[3],))
        if len(parts) == 4:
            return Meant("resource", id_)
        if len(parts) == 5:
            return Meant("action", id_, word=parts[4])
    raise _nothing(parts)


def _even(method: str, scope: str, namespace: str, rest: list[str]) -> Meant:
    id_ = ResourceId(scope, namespace, tuple(rest[::2]), tuple(rest[1::2]))
    above = id_.parent
    if above is None or id_.type.lower() in kinds():
        return Meant("resource", id_)
    kind = kind_of(above.type)
    both = f"{rest[-2]}/{rest[-1]}".lower()
    if method == "POST":
        if both in kind.actions:
            return Meant("action", above, word=both)
        if f"{rest[-2].lower()}/{{}}" in kind.actions:
            return Meant("action", above, word=f"{rest[-2].lower()}/{{}}", last=rest[-1])
    if (name := _part(kind, rest[-2])) is not None:
        return Meant("part", above, word=name, last=rest[-1])
    return Meant("resource", id_)


def _odd(method: str, scope: str, namespace: str, rest: list[str]) -> Meant:
    type_ = "/".join((namespace, *rest[::2]))
    if len(rest) == 1:
        return Meant("collection", scope=scope, type=_known(type_))
    above = ResourceId(scope, namespace, tuple(rest[:-1][::2]), tuple(rest[1::2]))
    kind = kind_of(above.type)
    word = rest[-1].lower()
    if method == "POST":
        return Meant("action", above, word=rest[-1])
    if method == "GET" and word in kind.views:
        return Meant("view", above, word=word)
    if method != "GET" and f"{method.lower()} {word}" in kind.actions:
        return Meant("action", above, word=f"{method.lower()} {word}")
    if (name := _part(kind, word)) is not None:
        return Meant("parts", above, word=name)
    return Meant("collection", above, scope=above.text, type=_known(type_))


def _known(type_: str) -> str:
    return kind_of(type_).type


def _part(kind: Kind, word: str) -> str | None:
    """The property of a kind whose items are parts of this name."""
    return next((name for name in kind.parts if name.lower() == word.lower()), None)


def _nothing(parts: list[str]) -> ArmError:
    return ArmError(404, "InvalidResourcePath", f"The path '/{'/'.join(parts)}' names no resource, collection or action.")
