"""The activity log (Microsoft.Insights, `az monitor activity-log list`): the audit log's changes, as Azure shows them."""

from __future__ import annotations

import json
import operator
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dualhome.arm.errors import ArmError, bad_request, no_method, no_subscription
from dualhome.arm.http.listing import page
from dualhome.arm.http.paths import meant, segments
from dualhome.arm.http.reading import api_version, base_of, query_value
from dualhome.arm.ids import ResourceId
from dualhome.arm.settings import Settings

Data = dict[str, Any]

VALUES: Final = re.compile(
    r"^subscriptions/(?P<subscription>[^/]+)/providers/microsoft\.insights/eventtypes/management/values$", re.IGNORECASE
)
ACTION: Final = "Microsoft.Insights/eventtypes/values/Read"
LATEST: Final = 16 << 20
"""Octets of the log's end that are looked at."""
TERM: Final = re.compile(r"^(?P<name>\w+)\s+(?P<relation>eq|ge|le)\s+'?(?P<value>[^']*)'?$", re.IGNORECASE)
SPACE: Final = uuid.UUID("5f1b2c34-3c0f-5d51-9d8e-7f0f3f2f6c11")
"""Of the identifiers of events, which are made of their content."""


class Activity:
    """`http.api.Extra` for the activity log. `rights`: who may read it."""

    def __init__(self, settings: Settings, log: Path, rights: Any = None) -> None:
        self.settings, self.log, self.rights = settings, log, rights

    async def answer(self, request: Request, parts: list[str], query: Mapping[str, str], principal: Any) -> Response | None:
        """GET of the events, the latest first. None of other paths."""
        found, mine = VALUES.match("/".join(parts)), self.settings.subscription
        if found is None:
            return None
        if found["subscription"].lower() != mine.lower():
            raise no_subscription(found["subscription"])
        if self.rights is not None:
            self.rights.allow(principal, ACTION, f"/subscriptions/{mine}")
        if request.method != "GET":
            raise no_method(request.method, "eventtypes")
        api_version(query, "microsoft.insights/eventtypes")
        wanted = terms(query_value(query, "$filter") or "")
        changes = await run_in_threadpool(lambda: [each for each in latest(self.log, mine) if all(holds(each) for holds in wanted)])
        shown = page(
            changes,
            lambda each: each.shown(mine, self.settings.tenant),
            query,
            base_of(request),
            request.url.path,
            self.settings.page_size,
        )
        return JSONResponse(shown)


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the audit log that is about a resource. `operation`: what was done, as RBAC calls it."""

    entry: Data
    id: ResourceId
    operation: str
    at: datetime

    @property
    def name(self) -> str:
        """Its own, the same each time it is asked for."""
        return str(uuid.uuid5(SPACE, json.dumps(self.entry, sort_keys=True)))

    @property
    def status(self) -> str:
        """How it ended."""
        return "Succeeded" if 200 <= self.entry["status"] < 400 else "Failed"

    def shown(self, subscription: str, tenant: str) -> Data:
        """As Azure shows it."""
        entry, name = self.entry, self.name
        return {
            "id": f"{self.id.text}/events/{name}",
            "eventDataId": name,
            "correlationId": name,
            "operationId": name,
            "eventTimestamp": entry["at"],
            "submissionTimestamp": entry["at"],
            "caller": entry["who"],
            "claims": {"appid": entry["app"]},
            "category": _word("Administrative"),
            "channels": "Operation",
            "eventName": _word("EndRequest", "End request"),
            "level": "Informational" if self.status == "Succeeded" else "Error",
            "operationName": _word(self.operation),
            "resourceGroupName": self.id.group or "",
            "resourceId": self.id.text,
            "resourceProviderName": _word(self.id.namespace),
            "resourceType": _word(self.id.type),
            "status": _word(self.status),
            "subStatus": _word(str(entry["status"])),
            "httpRequest": {"clientIpAddress": entry["from"], "method": entry["method"], "uri": entry["path"]},
            "subscriptionId": subscription,
            "tenantId": tenant,
        }


def _word(value: str, shown: str = "") -> Data:
    return {"value": value, "localizedValue": shown or value}


def latest(log: Path, subscription: str) -> Iterator[Change]:
    """The changes of a log's end, the last first; a line that is cut off is none."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - LATEST))
        lines = file.read().splitlines()
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if (change := _change(entry, subscription)) is not None:
            yield change


def _change(entry: Data, subscription: str) -> Change | None:
    parts = segments(entry["path"])
    if [part.lower() for part in parts[:2]] != ["subscriptions", subscription.lower()] or len(parts) < 3:
        return None
    try:
        what = meant(entry["method"], parts)
    except ArmError:
        return None
    if what.id is None:
        return None
    return Change(entry, what.id, what.operation(entry["method"], what.id.type), _moment(entry["at"]))


# --- what a filter asks for -----------------------------------------------------------------------------------------------

RELATIONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {"eq": operator.eq, "ge": operator.ge, "le": operator.le}
FACTS: Final[Mapping[str, Callable[[Change], Any]]] = {
    "resourcegroupname": lambda change: change.id.group or "",
    "resourceuri": lambda change: change.id.text,
    "resourceid": lambda change: change.id.text,
    "resourceprovider": lambda change: change.id.namespace,
    "caller": lambda change: change.entry["who"],
    "status": lambda change: change.status,
    "correlationid": lambda change: change.name,
}


def terms(text: str) -> list[Callable[[Change], bool]]:
    """What each of a filter's terms, which `and` joins, lets through. Terms that only choose a channel let all through.

    Raises:
        ArmError: 400, a term or a time that is none.
    """
    parts = re.split(r"\s+and\s+", text.strip()) if text.strip() else []
    return [_term(part.strip()) for part in parts]


def _term(text: str) -> Callable[[Change], bool]:
    if (said := TERM.match(text)) is None:
        raise bad_request(
            "BadRequest", f"The filter term '{text}' is invalid: it should be as in eventTimestamp ge '2026-01-31T12:00:00Z'."
        )
    name, value = said["name"].lower(), said["value"]
    if name == "eventtimestamp":
        holds, moment = RELATIONS[said["relation"].lower()], _moment(value)
        return lambda change: holds(change.at, moment)
    fact = FACTS.get(name)
    return lambda change: fact is None or str(fact(change)).lower() == value.lower()


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise bad_request("BadRequest", f"The time '{text}' is invalid: it should be as 2026-01-31T12:00:00Z.") from error
    return moment.astimezone()
