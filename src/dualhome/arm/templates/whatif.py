"""What-if: what a deployment would change, from the resources before it and after its rehearsal."""

from __future__ import annotations

from typing import Any, Final

from dualhome.arm.ids import key_of
from dualhome.arm.templates.deployment import Deployment
from dualhome.arm.templates.target import Data, Target

UNSAID: Final = frozenset(("etag", "provisioningState", "resourceGuid", "provisioningTime", "changedTime", "createdTime"))


def changes(before: Target, after: Target, deployment: Deployment, done: list[str], *, ids_only: bool) -> list[Data]:
    """One entry a resource: those of the template, those that Complete would delete, and the rest of the group as Ignore."""
    found: list[Data] = []
    mine = {key_of(each) for each in done}
    for id_ in dict.fromkeys(done):
        old, new = _plain(before.get(id_)), _plain(after.get(id_))
        if ids_only:
            found.append({"resourceId": id_, "changeType": "Deploy"})
        elif old is None:
            found.append({"resourceId": id_, "changeType": "Create", "after": new})
        else:
            delta = differences(old, new or {})
            entry: Data = {"resourceId": id_, "changeType": "Modify" if delta else "NoChange", "before": old, "after": new}
            found.append({**entry, "delta": delta} if delta else entry)
    if deployment.place.group:
        gone = {key_of(each) for each in deployment.deleted}
        for id_ in before.list_group(deployment.place.id):
            if key_of(id_) in mine or "/microsoft.resources/deployments/" in id_.lower():
                continue
            if key_of(id_) in gone:
                found.append({"resourceId": id_, "changeType": "Delete", **({} if ids_only else {"before": _plain(before.get(id_))})})
            else:
                kept = _plain(before.get(id_))
                found.append({"resourceId": id_, "changeType": "Ignore", **({} if ids_only else {"before": kept, "after": kept})})
    return found


def _plain(value: Any) -> Any:
    """Without what says nothing of what is wanted."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if name not in UNSAID}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def differences(old: Data, new: Data, path: str = "") -> list[Data]:
    """Property by property: Create, Delete, Modify, and Array with its items as children."""
    found: list[Data] = []
    for name in dict.fromkeys((*old, *new)):
        where = f"{path}.{name}" if path else name
        found.extend(
            _one(where, old.get(name), new.get(name), name in old and old[name] is not None, name in new and new[name] is not None)
        )
    return found


def _one(where: str, old: Any, new: Any, had: bool, has: bool) -> list[Data]:
    if not had and not has:
        return []
    if not had:
        return [{"path": where, "propertyChangeType": "Create", "before": None, "after": new, "children": None}]
    if not has:
        return [{"path": where, "propertyChangeType": "Delete", "before": old, "after": None, "children": None}]
    if isinstance(old, dict) and isinstance(new, dict):
        return differences(old, new, where)
    if isinstance(old, list) and isinstance(new, list):
        children = _items(old, new)
        return [{"path": where, "propertyChangeType": "Array", "before": None, "after": None, "children": children}] if children else []
    if old == new and type(old) is type(new):
        return []
    return [{"path": where, "propertyChangeType": "Modify", "before": old, "after": new, "children": None}]


def _items(old: list[Any], new: list[Any]) -> list[Data]:
    """Items of an array: by name where all have one, else by equality, then place."""
    if all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in (*old, *new)):
        return _named(old, new)
    rest_old = [(at, each) for at, each in enumerate(old) if each not in new]
    rest_new = [(at, each) for at, each in enumerate(new) if each not in old]
    found: list[Data] = []
    for (at, a), (_, b) in zip(rest_old, rest_new, strict=False):
        if isinstance(a, dict) and isinstance(b, dict):
            found.append({"path": str(at), "propertyChangeType": "Modify", "before": a, "after": b, "children": differences(a, b)})
        else:
            found.append({"path": str(at), "propertyChangeType": "Modify", "before": a, "after": b, "children": None})
    both = min(len(rest_old), len(rest_new))
    found += [{"path": str(at), "propertyChangeType": "Delete", "before": a, "after": None, "children": None} for at, a in rest_old[both:]]
    found += [{"path": str(at), "propertyChangeType": "Create", "before": None, "after": b, "children": None} for at, b in rest_new[both:]]
    return found


def _named(old: list[Data], new: list[Data]) -> list[Data]:
    before = {each["name"].lower(): (at, each) for at, each in enumerate(old)}
    after = {each["name"].lower(): (at, each) for at, each in enumerate(new)}
    found: list[Data] = []
    for name, (at, each) in after.items():
        if name not in before:
            found.append({"path": str(at), "propertyChangeType": "Create", "before": None, "after": each, "children": None})
        elif delta := differences(before[name][1], each):
            found.append({"path": str(at), "propertyChangeType": "Modify", "before": before[name][1], "after": each, "children": delta})
    found += [
        {"path": str(at), "propertyChangeType": "Delete", "before": each, "after": None, "children": None}
        for name, (at, each) in before.items()
        if name not in after
    ]
    return found
