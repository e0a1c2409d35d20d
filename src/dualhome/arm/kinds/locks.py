"""Locks: what stands at or beneath a scope is not deleted, or not changed either, until its lock goes."""

from __future__ import annotations

from typing import Final

from dualhome.arm.errors import ArmError, bad_request, conflict
from dualhome.arm.ids import ResourceId
from dualhome.arm.kinds.base import Call, Kind
from dualhome.arm.records import Record, Records

LOCKS: Final = "Microsoft.Authorization/locks"
LEVELS: Final = {each.lower(): each for each in ("CanNotDelete", "ReadOnly", "NotSpecified")}


class Lock(Kind):
    """A lock on a subscription, a group or a resource."""

    type = LOCKS
    location = False
    has_etag = False
    at_once = True

    def accept(self, call: Call) -> None:
        """Its level is one of Azure's words."""
        level = LEVELS.get(str(call.properties.get("level")).lower())
        if level is None:
            raise bad_request(
                "InvalidLockLevel", f"The lock level '{call.properties.get('level')}' is invalid: {', '.join(LEVELS.values())}."
            )
        call.properties["level"] = level


def check_locks(records: Records, id_: ResourceId, *, deleting: bool) -> None:
    """Nobody has locked it: nor what it stands in, nor, where it is to be deleted, what stands in it.

    Raises:
        ArmError: 409 ScopeLocked.
    """
    locks = records.of_type(LOCKS)
    if not locks or id_.type.lower() == LOCKS.lower():
        return
    found = [each for each in locks if _holds(each, id_.key, deleting=deleting)]
    if found:
        doing = "delete" if deleting else "write"
        raise locked(id_.text, doing, found)


def locked(scope: str, doing: str, locks: list[Record]) -> ArmError:
    """The refusal."""
    where = ",".join(f"'{each.parsed.scope}'" for each in locks)
    return conflict(
        "ScopeLocked",
        f"The scope '{scope}' cannot perform {doing} operation because following scope(s) are locked: {where}. Please remove the lock and try again.",
    )


def _holds(lock: Record, key: str, *, deleting: bool) -> bool:
    scope, level = lock.parsed.scope.lower(), lock.properties.get("level")
    if key == scope or key.startswith(scope + "/"):
        return level == "ReadOnly" or (deleting and level == "CanNotDelete")
    return deleting and level in ("ReadOnly", "CanNotDelete") and scope.startswith(key + "/")


KINDS = (Lock(),)
