"""What a resource type is: the rules by which a request for it is accepted, and how it is shown.

A kind is a class with one instance, registered in `kinds.KINDS`. What it does not say is as for any resource: stored, and given back.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from dualhome.arm.errors import ArmError, bad_request, missing_reference, not_found
from dualhome.arm.ids import ResourceId, key_of
from dualhome.arm.records import Record, Records

if TYPE_CHECKING:
    from dualhome.arm.backend import Backend

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Times:
    """How long Azure itself takes, in seconds (`--realistic-times`)."""

    create: float = 3
    update: float = 2
    delete: float = 3


@dataclass(slots=True)
class Context:
    """What kinds look things up in. `now`: seconds of `time.time`; `network`: the network that runs; `settings`: how the server behaves."""

    records: Records
    network: Backend
    now: Callable[[], float]
    settings: Mapping[str, Any] = field(default_factory=dict)
    going: set[str] = field(default_factory=set)  # keys of all that the present request deletes

    def get(self, id_: str | None) -> Record | None:
        """The resource of this id."""
        return self.records.get(id_) if id_ else None

    def require(self, id_: str) -> Record:
        """As `get`. Raises ArmError 404 where it isn't there."""
        record = self.records.get(id_)
        if record is None:
            raise not_found(id_)
        return record

    def keep_private(self, record: Record, **values: Any) -> None:
        """Keep something of the server's own with a resource, durably."""
        with self.records.change():
            current = self.require(record.id)
            self.records.put(replace(current, private={**current.private, **values}))

    def referred(self, reference: object, by: str, type_: str | None = None) -> Record:
        """The resource that `{"id": …}` refers to.

        Raises:
            ArmError: 400 InvalidResourceReference where it isn't there or is of another type.
        """
        id_ = reference.get("id") if isinstance(reference, Mapping) else None
        if not isinstance(id_, str) or not id_:
            raise bad_request("InvalidRequestFormat", f"Cannot parse the request: a reference of {by} has no id.")
        parsed = ResourceId.parse(id_)
        record = self.records.get(id_)
        if record is None or (type_ is not None and parsed.type.lower() != type_.lower()):
            raise missing_reference(id_, by)
        return record


@dataclass(slots=True)
class Call:
    """A request to make or replace one resource, as `accept` judges it.

    `properties` is its own copy of what the client wants: without nulls, without what is read-only, without embedded children; `accept` fills in
    defaults and what the server sets. `body` is the rest of the resource (location, tags, sku, zones, plan, identity), `private` as in `Record`.
    """

    context: Context
    id: ResourceId
    old: Record | None
    body: Data
    properties: Data
    private: Data
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The id."""
        return self.id.text

    def reference(self, *path: str, type_: str | None = None) -> Record | None:
        """What `properties.a.b` refers to, None where nothing stands there. ArmError where it refers to what isn't there."""
        value: Any = self.properties
        for each in path:
            value = value.get(each) if isinstance(value, Mapping) else None
        return None if value is None else self.context.referred(value, self.text, type_)


Action = Callable[..., Awaitable[Any]]


class Kind:
    """A resource type. `type` in Azure's spelling."""

    type: ClassVar[str] = ""
    embedded: ClassVar[
        Mapping[str, str]
    ] = {}  # property that is an array of children -> their type's last word; each is a resource of its own
    parts: ClassVar[
        tuple[str, ...]
    ] = ()  # properties that are arrays of named things with an id of theirs but no life of their own (ipConfigurations)
    read_only: ClassVar[frozenset[str]] = frozenset()  # properties that only the server sets; provisioningState and resourceGuid always are
    top: ClassVar[frozenset[str]] = frozenset()  # members beside the common ones at the top of the resource
    location: ClassVar[bool] = True  # whether one must be given (top-level types only)
    has_etag: ClassVar[bool] = True
    names: ClassVar[re.Pattern[str] | None] = None  # what its names look like, where they aren't as most of Azure's
    created: ClassVar[int] = 201  # the status of a PUT that makes one
    at_once: ClassVar[bool] = False  # whether a DELETE is over when it is answered, whatever `--operations` says: its clients take no 202
    times: ClassVar[Times] = Times()
    in_use: ClassVar[tuple[int, str]] = (400, "InUseResourceCannotBeDeleted")  # how deleting it is refused while others refer to it
    live: ClassVar[bool] = False  # whether a GET shows what the network is doing: then it follows the resources first
    handle: ClassVar[bool] = False  # whether it has a name in the topology
    actions: ClassVar[Mapping[str, str]] = {}  # POST …/{action}, lower case -> method `async (context, record, query, body) -> JSON`
    views: ClassVar[Mapping[str, str]] = {}  # GET …/{view}, likewise -> method `async (context, record, query) -> JSON`

    def accept(self, call: Call) -> None:
        """Judge a request and fill in what it leaves out. Raises ArmError in Azure's words; then nothing is changed."""

    def accepted(self, call: Call, record: Record) -> None:
        """After the resource and its embedded children are in `records`: rules over them all, and what others must learn (in the same change)."""

    def leaves(self, context: Context, record: Record) -> None:
        """Before it is deleted: rules, and what others must learn. By default nobody may refer to it who stays. Called for children too."""
        users = [each for each in context.records.referrers(record.id) if each.key not in context.going]
        if users:
            raise self.used_by(record, users)

    def used_by(self, record: Record, users: list[Record]) -> ArmError:
        """The refusal of a delete."""
        status, code = self.in_use
        what = self.type.rpartition("/")[2]
        names = ", ".join(each.id for each in users[:3])
        return ArmError(status, code, f"{what} {record.name} is in use by {names} and cannot be deleted.", record.id)

    def show(self, context: Context, record: Record, properties: Data) -> None:
        """Add to a copy of its properties what is worked out when it is read. Embedded children and provisioningState are there already."""

    def show_top(self, context: Context, record: Record, shown: Data) -> None:
        """Add to the top of the resource as it is shown (kind, …)."""

    def expand(self, context: Context, record: Record, shown: Data, what: str) -> None:
        """Add what `$expand` asks for."""

    async def follow(self, context: Context, record: Record) -> None:
        """After a change was kept: what is done outside the records (a machine boots). Not undone where it fails: it keeps its failure itself."""

    async def gone(self, context: Context, record: Record) -> None:
        """After it was deleted: what is left outside the records goes."""


def same(a: str | None, b: str | None) -> bool:
    """Whether two ids, or two words of Azure's enumerations, are the same: case doesn't count."""
    return (
        a is not None and b is not None and key_of(a) == key_of(b) if (a or "").startswith("/") else (a or "").lower() == (b or "").lower()
    )
