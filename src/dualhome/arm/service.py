"""What requests do to resources, without HTTP: make or replace, patch, delete, show, list, act. Each change is one transaction."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from dualhome.arm import shapes
from dualhome.arm.errors import ArmError, bad_request, not_found
from dualhome.arm.ids import GROUPS, ResourceId
from dualhome.arm.kinds import kind_of
from dualhome.arm.kinds.base import Call, Context, Kind
from dualhome.arm.kinds.generic import Stored
from dualhome.arm.kinds.locks import check_locks
from dualhome.arm.records import Record, new_etag
from dualhome.arm.world.names import handle_for

Data = dict[str, Any]

LOG: Final = logging.getLogger("dualhome.arm")
NAME: Final = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9_.\-]{0,78}[A-Za-z0-9_])?$")
GROUP_NAME: Final = re.compile(r"^[\w\-.()]{0,89}[\w\-()]$")
COMMON: Final = ("location", "tags", "sku", "zones", "identity", "plan", "extendedLocation", "managedBy", "kind")
ALWAYS_READ_ONLY: Final = frozenset(("provisioningState", "resourceGuid"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request to make or change a resource."""

    record: Record
    created: bool


class Service:
    """The resources of all subscriptions. Begin at `put`."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.records = context.records

    # --- reading ------------------------------------------------------------------------------------------------------

    def get(self, id_: ResourceId) -> Record:
        """The resource. Raises ArmError 404, of its group, its parent or itself."""
        record = self.records.get(id_.text)
        if record is None:
            self._require_home(id_)
            raise not_found(id_.text)
        return record

    def collection(self, scope: str, type_: str, parent: ResourceId | None = None) -> list[Record]:
        """All of a type beneath a scope: a subscription, a group, or a parent resource."""
        if parent is not None:
            self.get(parent)
            return self.records.children(parent.text, type_.rpartition("/")[2])
        under = scope.lower() + "/" if scope else ""
        if "/resourcegroups/" in under and self.records.get(scope) is None:
            raise not_found(scope)
        return [each for each in self.records.of_type(type_) if each.key.startswith(under)]

    def show(self, record: Record) -> Data:
        """The resource as a GET answers it."""
        kind = kind_of(record.type)
        now = self.context.now()
        properties = copy.deepcopy(record.properties)
        properties["provisioningState"] = record.provisioning_state(now)
        for name, word in kind.embedded.items():
            properties[name] = [self._show_child(each) for each in self.records.children(record.id, word)]
        for name in kind.parts:
            properties[name] = [self._show_part(record, kind, name, part) for part in properties.get(name) or []]
        kind.show(self.context, record, properties)
        shown: Data = {"id": record.id, "name": record.name, "type": record.type}
        shown |= {name: copy.deepcopy(value) for name, value in record.body.items() if name != "properties"}
        if kind.has_etag:
            shown["etag"] = record.etag
        shown["properties"] = properties
        kind.show_top(self.context, record, shown)
        return shown

    def _show_child(self, record: Record) -> Data:
        return self.show(record)

    def _show_part(self, record: Record, kind: Kind, name: str, part: Data) -> Data:
        """A thing with an id of its own within a resource."""
        properties = {**(part.get("properties") or {}), "provisioningState": record.provisioning_state(self.context.now())}
        id_ = f"{record.id}/{name}/{part.get('name')}"
        return {**part, "id": id_, "type": f"{record.type}/{name}", "etag": record.etag, "properties": properties}

    # --- changing -----------------------------------------------------------------------------------------------------

    def put(
        self, id_: ResourceId, body: object, query: Mapping[str, str] | None = None, match: str | None = None, none_match: bool = False
    ) -> Outcome:
        """Make a resource, or replace it. `match`: its etag must be this one (`*`: it must be there); `none_match`: it must not be there.

        Raises:
            ArmError: in Azure's words; nothing is changed then.
        """
        check_locks(self.records, id_, deleting=False)
        with self.records.change():
            return self._put(id_, body, query or {}, match, none_match)

    def _put(self, id_: ResourceId, body: object, query: Mapping[str, str], match: str | None = None, none_match: bool = False) -> Outcome:
        kind = kind_of(id_.type)
        if not isinstance(body, dict):
            raise bad_request(
                "InvalidRequestContent", "The request content was invalid and could not be deserialized: a JSON object is wanted."
            )
        id_, old = self._place(id_, kind, match, none_match)
        if not isinstance(kind, Stored):
            shapes.check({"properties": body.get("properties")}, id_.text)
        call, children = self._call(kind, id_, old, body, query)
        try:
            kind.accept(call)
            record = self.records.put(self._record(kind, call))
            for word, items in children:
                self._put_children(record, word, items, query)
            kind.accepted(call, record)
            self._touch_parent(record)
            self.show(record)
        except (
            AttributeError,
            TypeError,
            KeyError,
            ValueError,
            IndexError,
        ) as error:  # a shape that no rule foresaw; nothing of it is kept
            LOG.warning("%s was not understood", id_.text, exc_info=error)
            raise bad_request(
                "InvalidRequestFormat", f"Cannot parse the request: {id_.text} has a property of a form that {kind.type} does not have."
            ) from error
        current = self.records.get(record.id)
        assert current is not None, "it was put just now"
        return Outcome(current, old is None)

    def _place(self, id_: ResourceId, kind: Kind, match: str | None, none_match: bool) -> tuple[ResourceId, Record | None]:
        """Its id in canonical spelling, and what is there."""
        old = self.records.get(id_.text)
        self._match(id_, old, match, none_match)
        if old is not None:
            return old.parsed, old
        pattern = kind.names or (GROUP_NAME if kind.type == GROUPS else NAME)
        if id_.namespace.lower() in ("microsoft.network", "microsoft.resources") and not pattern.match(id_.name):
            raise bad_request(
                "InvalidResourceName",
                f"Resource name {id_.name} is invalid. The name can be up to 80 characters long. It must begin with a word character, and it must end with "
                "a word character or with '_'. The name may contain word characters or '.', '-', '_'.",
            )
        return self._canonical(id_, kind), None

    def _canonical(self, id_: ResourceId, kind: Kind) -> ResourceId:
        """Types in Azure's spelling, groups and parents as they were first written."""
        home = self._require_home(id_)
        namespace, *types = kind.type.split("/")
        if isinstance(home, Record) and id_.parent is not None:
            parent = home.parsed
            return ResourceId(parent.scope, parent.namespace, (*parent.types, types[-1]), (*parent.names, id_.name))
        scope = home.id if isinstance(home, Record) else id_.scope
        return ResourceId(scope, namespace, tuple(types), id_.names)

    def _require_home(self, id_: ResourceId) -> Record | None:
        """What it is right beneath: parent or group; None of a subscription's own. Raises ArmError 404 where that isn't there."""
        if id_.parent is not None:
            parent = self.records.get(id_.parent.text)
            if parent is None:
                self._require_home(id_.parent)
                raise ArmError(
                    404,
                    "ParentResourceNotFound",
                    f"Failed to perform 'write' on resource(s) of type '{'/'.join(id_.types)}', because the parent resource "
                    f"'{id_.parent.text}' could not be found.",
                )
            return parent
        if id_.type.lower() == GROUPS.lower() or "/" not in id_.scope.strip("/"):
            return None
        home = self.records.get(id_.scope)
        if home is None and len(id_.scope.strip("/").split("/")) > 2:
            raise not_found(id_.scope)
        return home

    def _match(self, id_: ResourceId, old: Record | None, match: str | None, none_match: bool) -> None:
        """If-Match and If-None-Match (RFC 9110, section 13.1)."""
        if match is not None and (old is None or (match not in ("*", old.etag))):
            found = f"its etag is {old.etag}" if old else "it does not exist"
            raise ArmError(412, "PreconditionFailed", f"Precondition failed: If-Match was {match}, but of {id_.text} {found}.")
        if none_match and old is not None:
            raise ArmError(412, "PreconditionFailed", f"Precondition failed: {id_.text} exists already.")

    def _call(
        self, kind: Kind, id_: ResourceId, old: Record | None, body: Data, query: Mapping[str, str]
    ) -> tuple[Call, list[tuple[str, list[Any]]]]:
        """The request as kinds judge it, and the children that come with it."""
        given = body.get("properties")
        if given is not None and not isinstance(given, dict):
            raise bad_request("InvalidRequestFormat", "Cannot parse the request: properties is no object.")
        properties = _without_nulls(copy.deepcopy(given or {}))
        children = []
        for name, word in kind.embedded.items():
            items = properties.pop(name, None)
            if items is not None:
                if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
                    raise bad_request("InvalidRequestFormat", f"Cannot parse the request: properties.{name} is no list of objects.")
                children.append((word, items))
        for name in kind.read_only | ALWAYS_READ_ONLY:
            properties.pop(name, None)
        for name in kind.parts:
            _check_parts(name, properties)
        rest = {name: _without_nulls(copy.deepcopy(body[name])) for name in (*COMMON, *kind.top) if body.get(name) is not None}
        if not isinstance(rest.get("sku", {}), dict) or not isinstance(rest.get("plan", {}), dict):
            raise bad_request("InvalidRequestFormat", f"Cannot parse the request: sku and plan of {id_.text} are objects.")
        self._check_common(kind, id_, old, rest)
        private = copy.deepcopy(old.private) if old else {}
        return Call(self.context, id_, old, rest, properties, private, query), children

    def _check_common(self, kind: Kind, id_: ResourceId, old: Record | None, rest: Data) -> None:
        tags = rest.get("tags")
        if tags is not None and (
            not isinstance(tags, dict) or not all(isinstance(value, str | int | bool | float) for value in tags.values())
        ):
            raise bad_request("InvalidTags", "The tags of a resource are a JSON object of names and texts.")
        if isinstance(rest.get("location"), str):
            rest["location"] = rest["location"].lower().replace(" ", "")
        if kind.location and id_.parent is None:
            location = rest.get("location") or (old.body.get("location") if old else None)
            if not isinstance(location, str):
                raise bad_request("LocationRequired", f"The location property is required for this definition ({id_.type}/{id_.name}).")
            rest["location"] = location.lower().replace(" ", "")
            if old is not None and kind.type != GROUPS and old.body.get("location") != rest["location"]:
                raise ArmError(
                    409,
                    "InvalidResourceLocation",
                    f"The resource '{id_.name}' already exists in location '{old.body.get('location')}' in resource group '{id_.group}'. A resource "
                    f"with the same name cannot be created in location '{rest['location']}'. Please select a new resource name.",
                )

    def _record(self, kind: Kind, call: Call) -> Record:
        now, old = self.context.now(), call.old
        body = {**call.body, "properties": call.properties}
        if old is None:
            handle = handle_for(call.text, kind.type, self.records.handles) if kind.handle else ""
            made = Record(
                id=call.text,
                type=kind.type,
                body=body,
                etag=new_etag(),
                number=0,
                handle=handle,
                made=now,
                changed=now,
                private=call.private,
            )
            return replace(
                made,
                doing="Creating" if kind.type == "Microsoft.Compute/virtualMachines" else "Updating",
                ready_at=now + self.takes(kind.times.create),
            )
        return replace(
            old,
            body=body,
            etag=new_etag(),
            changed=now,
            private=call.private,
            doing="Updating",
            failure=None,
            ready_at=now + self.takes(kind.times.update),
        )

    def takes(self, seconds: float) -> float:
        """How long an operation lasts that takes Azure so many seconds."""
        return seconds if self.context.settings.get("realistic_times") else float(self.context.settings.get("operation_s", 0))

    def _put_children(self, record: Record, word: str, items: list[Data], query: Mapping[str, str]) -> None:
        """Children that came within their parent: those that are there and not named go."""
        named = {str(each.get("name", "")).lower() for each in items}
        for each in self.records.children(record.id, word):
            if each.name.lower() not in named:
                self._delete(each)
        for item in items:
            if not isinstance(item.get("name"), str):
                raise bad_request("InvalidRequestFormat", f"Cannot parse the request: an item of {word} of {record.id} has no name.")
            self._put(record.parsed.child(word, item["name"]), item, query)

    def _touch_parent(self, record: Record) -> None:
        """A child's change is its parent's: it gets another etag."""
        if (above := record.parsed.parent) is not None and (parent := self.records.get(above.text)) is not None:
            self.records.put(replace(parent, etag=new_etag(), changed=self.context.now()))

    def patch(self, id_: ResourceId, body: object, match: str | None = None) -> Outcome:
        """Tags, and whatever else the body has, merged into the resource (RFC 7396)."""
        record = self.get(id_)
        if not isinstance(body, dict):
            raise bad_request(
                "InvalidRequestContent", "The request content was invalid and could not be deserialized: a JSON object is wanted."
            )
        check_locks(self.records, record.parsed, deleting=False)
        if set(body) <= {"tags"}:
            with self.records.change():
                self._match(id_, record, match, False)
                self._check_common(kind_of(record.type), record.parsed, record, {"location": record.body.get("location"), **body})
                tags = body.get("tags") or {}
                return Outcome(
                    self.records.put(replace(record, body={**record.body, "tags": tags}, etag=new_etag(), changed=self.context.now())),
                    False,
                )
        full = {name: value for name, value in self.show(record).items() if name not in ("id", "name", "type", "etag")}
        return self.put(record.parsed, _merged(full, body), match=match)

    def delete(self, id_: ResourceId, match: str | None = None) -> list[Record]:
        """Delete it and all beneath; what was there, itself first, [] where nothing was."""
        record = self.records.get(id_.text)
        if record is None:
            return []
        self._match(id_, record, match, False)
        check_locks(self.records, record.parsed, deleting=True)
        gone = [record, *self.records.beneath(record.id)]
        with self.records.change():
            self._delete(record)
            self._touch_parent(record)
        return gone

    def _delete(self, record: Record) -> None:
        gone = [record, *self.records.beneath(record.id)]
        before = set(self.context.going)
        self.context.going |= {each.key for each in gone}
        try:
            for each in reversed(gone):
                if self.records.get(each.id) is not None:
                    kind_of(each.type).leaves(self.context, each)
            self.records.delete(record.id)
        finally:
            self.context.going.clear()
            self.context.going |= before

    # --- acting -------------------------------------------------------------------------------------------------------

    async def act(self, record: Record, action: str, query: Mapping[str, str], body: Any) -> Any:
        """POST …/{action}: what it answers; a record as GET shows it. Raises ArmError where the type has no such action."""
        kind = kind_of(record.type)
        method = kind.actions.get(action.lower())
        if method is None:
            raise ArmError(404, "InvalidResourceOperation", f"The resource type '{record.type}' has no action '{action}'.")
        if body is not None and not isinstance(body, dict):
            raise bad_request(
                "InvalidRequestContent", "The request content was invalid and could not be deserialized: a JSON object is wanted."
            )
        check_locks(self.records, record.parsed, deleting=False)
        shapes.check(body, f"{record.id}/{action}")
        answer = await getattr(kind, method)(self.context, record, query, body)
        return self.show(answer) if isinstance(answer, Record) else answer

    async def view(self, record: Record, view: str, query: Mapping[str, str]) -> Any:
        """GET …/{view}: what it answers; a list of records as a collection shows it."""
        kind = kind_of(record.type)
        answer = await getattr(kind, kind.views[view.lower()])(self.context, record, query)
        return {"value": [self.show(each) for each in answer]} if isinstance(answer, list) else answer


def _without_nulls(value: Any) -> Any:
    """What is null was not given."""
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _check_parts(name: str, properties: Data) -> None:
    parts = properties.get(name)
    if parts is None:
        return
    if not isinstance(parts, list) or not all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in parts):
        raise bad_request("InvalidRequestFormat", f"Cannot parse the request: properties.{name} is a list of objects that have names.")
    for part in parts:
        for each in ("id", "type", "etag"):
            part.pop(each, None)
        values = part.setdefault("properties", {})
        if not isinstance(values, dict):
            raise bad_request("InvalidRequestFormat", f"Cannot parse the request: properties of {name}/{part['name']} is no object.")
        values.pop("provisioningState", None)
    names = [str(each["name"]).lower() for each in parts]
    if doubled := next(_doubled(names), None):
        raise bad_request("DuplicateResourceName", f"The name '{doubled}' is used more than once in {name}.")


def _doubled(names: list[str]) -> Iterator[str]:
    return (name for place, name in enumerate(names) if name in names[:place])


def _merged(base: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    known = base if isinstance(base, dict) else {}
    found = {**known, **{name: _merged(known.get(name), value) for name, value in patch.items()}}
    return {name: value for name, value in found.items() if value is not None}
