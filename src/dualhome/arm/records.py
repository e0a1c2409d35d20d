"""What is kept of a resource, and all of them together: a dictionary with the ways through it that ARM needs, written through to a store."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any

from dualhome.arm.ids import ResourceId, key_of
from dualhome.arm.store import Store

RESOURCE = "resource"  # the store's table of records
BLOCKS = frozenset(("id",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A resource as it is kept. Never change one in place: `replace` it.

    `body`: location, tags, sku, zones, identity, plan, kind and `properties` without children and without what is worked out when it is read;
    `private`: of the server's own, never shown; `handle`: its name in the topology, "" where it has none; `number`: in the order of making;
    `ready_at`: when its last operation ends (seconds of `time.time`), `doing` (Creating, Updating, Deleting) until then; `failure` where it failed.
    """

    id: str
    type: str
    body: dict[str, Any]
    etag: str
    number: int
    handle: str = ""
    made: float = 0.0
    changed: float = 0.0
    ready_at: float = 0.0
    doing: str = "Updating"
    failure: dict[str, Any] | None = None
    private: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """For comparison."""
        return self.id.lower()

    @property
    def name(self) -> str:
        """Its own name."""
        return self.id.rpartition("/")[2]

    @property
    def properties(self) -> dict[str, Any]:
        """What the client gave, with defaults."""
        found: dict[str, Any] = self.body.get("properties", {})
        return found

    @property
    def parsed(self) -> ResourceId:
        """Its id, taken apart."""
        return ResourceId.parse(self.id)

    def provisioning_state(self, now: float) -> str:
        """Succeeded, Failed, or what is being done."""
        if now < self.ready_at:
            return self.doing
        return "Failed" if self.failure else "Succeeded"


def new_etag() -> str:
    """`W/"guid"`."""
    return f'W/"{uuid.uuid4()}"'


def references(body: object) -> Iterator[str]:
    """Keys of all that a body refers to: every `{"id": "/…"}` within."""
    if isinstance(body, Mapping):
        for name, value in body.items():
            if isinstance(value, Mapping) and isinstance(to := value.get("id"), str) and to.startswith("/") and name != "properties":
                yield key_of(to)
            yield from references(value)
    elif isinstance(body, list):
        for each in body:
            own = isinstance(each, Mapping) and "name" in each and "properties" in each  # a part with its id; a VM's NICs have no name
            if isinstance(each, Mapping) and not own and isinstance(to := each.get("id"), str) and to.startswith("/"):
                yield key_of(to)
            yield from references(each)


class Records:
    """All resources. Changes are made in a `change`, all of them or none; readers within it see them at once.

    `version` grows with each change that was accepted.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._all: dict[str, Record] = {}
        self._children: dict[str, dict[str, None]] = {}  # of a parent's key, or a group's or subscription's: those right beneath
        self._by_type: dict[str, dict[str, None]] = {}
        self._referrers: dict[str, dict[str, None]] = {}
        self.handles: set[str] = set()  # names in the topology that are in use
        self._undo: list[tuple[str, Record | None]] | None = None
        self.version = 0
        self.number = 0
        for _, text in store.rows(RESOURCE):
            self._enter(Record(**json.loads(text)))
        self.number = max((each.number for each in self._all.values()), default=0)

    # --- reading ---

    def get(self, id_: str) -> Record | None:
        """The resource of this id, in any case."""
        return self._all.get(key_of(id_))

    def __iter__(self) -> Iterator[Record]:
        """In the order of making."""
        return iter(_by_number(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)

    def of_type(self, type_: str) -> list[Record]:
        """All of a type, such as `Microsoft.Network/virtualNetworks`, in the order of making."""
        return _by_number(self._all[key] for key in self._by_type.get(type_.lower(), ()))

    def children(self, id_: str, type_: str | None = None) -> list[Record]:
        """Right beneath a resource, group or subscription; only of a type (its last word, such as `subnets`) where one is given."""
        found = _by_number(self._all[key] for key in self._children.get(key_of(id_), ()))
        return found if type_ is None else [each for each in found if each.type.rpartition("/")[2].lower() == type_.lower()]

    def beneath(self, id_: str) -> list[Record]:
        """All beneath, at any depth, parents first."""
        return [deep for each in self.children(id_) for deep in (each, *self.beneath(each.id))]

    def referrers(self, id_: str) -> list[Record]:
        """Resources whose body refers to this one, or to a part of it that is no resource of its own (an ipConfiguration)."""
        key = key_of(id_)
        found = [self._all[each] for each in self._referrers.get(key, ())]
        return [each for each in found if each.key != key]

    def copy(self) -> Records:
        """All as they are now, for another thread to read."""
        other = Records.__new__(Records)
        other._store, other._undo, other.version, other.number, other.handles = (
            self._store,
            None,
            self.version,
            self.number,
            set(self.handles),
        )
        other._all = dict(self._all)
        other._children, other._by_type, other._referrers = (
            {k: dict(v) for k, v in x.items()} for x in (self._children, self._by_type, self._referrers)
        )
        return other

    def detached(self, store: Store) -> Records:
        """All as they are now, to be changed without those that are here."""
        other = self.copy()
        other._store = store
        return other

    # --- changing ---

    @contextmanager
    def change(self) -> Iterator[None]:
        """All that is put and deleted within is one change: durable when this ends, undone where an error comes out of it. Within another: part of it."""
        if self._undo is not None:
            yield
            return
        self._undo = []
        try:
            yield
            keys = dict.fromkeys(key for key, _ in self._undo)
            if keys:
                puts = {(RESOURCE, key): _row(self._all[key]) for key in keys if key in self._all}
                self._store.write(puts, [(RESOURCE, key) for key in keys if key not in self._all])
                self.version += 1
        except BaseException:
            for key, before in reversed(self._undo):
                self._leave(key)
                if before is not None:
                    self._enter(before)
            raise
        finally:
            self._undo = None

    def put(self, record: Record) -> Record:
        """Keep it; a new one gets its number."""
        assert self._undo is not None, "within `change` only"
        before = self._all.get(record.key)
        if before is None:
            self.number += 1
            record = replace(record, number=self.number)
        self._undo.append((record.key, before))
        self._leave(record.key)
        self._enter(record)
        return record

    def delete(self, id_: str) -> None:
        """Forget it, and all beneath."""
        assert self._undo is not None, "within `change` only"
        for each in reversed((self._all[key_of(id_)], *self.beneath(id_))):
            self._undo.append((each.key, each))
            self._leave(each.key)

    def _enter(self, record: Record) -> None:
        key = record.key
        self._all[key] = record
        if record.handle:
            self.handles.add(record.handle)
        self._children.setdefault(_above(key), {})[key] = None
        self._by_type.setdefault(record.type.lower(), {})[key] = None
        for to in references(record.body):
            for known in _and_above(to):
                self._referrers.setdefault(known, {})[key] = None

    def _leave(self, key: str) -> None:
        record = self._all.pop(key, None)
        if record is None:
            return
        self.handles.discard(record.handle)
        self._children[_above(key)].pop(key, None)
        self._by_type[record.type.lower()].pop(key, None)
        for to in references(record.body):
            for known in _and_above(to):
                self._referrers.get(known, {}).pop(key, None)


def _by_number(records: Iterable[Record]) -> list[Record]:
    """In the order of making, whichever of them were changed since."""
    return sorted(records, key=lambda each: each.number)


def _row(record: Record) -> str:
    return json.dumps({each.name: getattr(record, each.name) for each in fields(record)})


def _above(key: str) -> str:
    """The key of what a resource is right beneath: its parent, or its group, or its subscription."""
    parts = key.split("/")
    above = parts[:-2]
    if len(above) >= 2 and above[-2] == "providers":
        above = above[:-2]
    return "/".join(above)


def _and_above(key: str) -> Iterator[str]:
    """A key, and those of the resources that it is a part of: who refers to an ipConfiguration refers to its NIC."""
    yield key
    parts = key.split("/")
    at = len(parts) - 1 - parts[::-1].index("providers") if "providers" in parts else len(parts)
    for end in range(len(parts) - 2, at + 3, -2):
        yield "/".join(parts[:end])
