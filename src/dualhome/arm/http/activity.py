"""The activity log (Microsoft.Insights, `az monitor activity-log list`): the audit log's changes, as Azure shows them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dualhome.arm.errors import ArmError, bad_request
from dualhome.arm.http.paths import meant, segments
from dualhome.arm.http.reading import api_version
from dualhome.arm.settings import Settings

Data = dict[str, Any]

VALUES: Final = re.compile(
    r"^subscriptions/(?P<subscription>[^/]+)/providers/microsoft\.insights/eventtypes/management/values$", re.IGNORECASE
)
ACTION: Final = "Microsoft.Insights/eventtypes/values/Read"
LATEST: Final = 16 << 20
"""Octets of the log's end that are looked at."""
VERBS: Final = {"PUT": "write", "PATCH": "write", "DELETE": "delete", "POST": "action"}
TERM: Final = re.compile(r"^(?P<name>\w+)\s+(?P<relation>eq|ge|le)\s+'?(?P<value>[^']*)'?$", re.IGNORECASE)
SPACE: Final = uuid.UUID("5f1b2c34-3c0f-5d51-9d8e-7f0f3f2f6c11")
"""Of the identifiers of events, which are made of their content."""


class Activity:
    """`http.api.Extra` for the activity log. `rights`: who may read it."""

    def __init__(self, settings: Settings, log: Path, rights: Any = None) -> None:
        self.settings, self.log, self.rights = settings, log, rights

    async def answer(self, request: Request, parts: list[str], query: Mapping[str, str], principal: Any) -> Response | None:
        """GET of the events, the latest first. None of other paths."""
        found = VALUES.match("/".join(parts))
        if found is None:
            return None
        if found["subscription"].lower() != self.settings.subscription.lower():
            raise ArmError(404, "SubscriptionNotFound", f"The subscription '{found['subscription']}' could not be found.")
        if self.rights is not None:
            self.rights.allow(principal, ACTION, f"/subscriptions/{self.settings.subscription}")
        if request.method != "GET":
            raise ArmError(405, "MethodNotAllowed", f"The HTTP method '{request.method}' is not supported at 'eventtypes'.")
        api_version(query, "microsoft.insights/eventtypes")
        wanted = terms(next((value for name, value in query.items() if name.lower() == "$filter"), ""))
        return JSONResponse({"value": await run_in_threadpool(self._events, wanted)})

    def _events(self, wanted: list[tuple[str, str, str]]) -> list[Data]:
        events = (event(entry, self.settings.subscription, self.settings.tenant) for entry in latest(self.log))
        return [each for each in events if each is not None and all(holds(each, *term) for term in wanted)]


def latest(log: Path) -> Iterator[Data]:
    """Entries of the log, the last first; a line that is cut off is none."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - LATEST))
        lines = file.read().splitlines()
    for line in reversed(lines):
        try:
            yield json.loads(line)
        except ValueError:
            continue


def terms(text: str) -> list[tuple[str, str, str]]:
    """Name, relation and value of each of a filter's terms, which `and` joins.

    Raises:
        ArmError: 400, a term that is none.
    """
    found = []
    for part in re.split(r"\s+and\s+", text.strip()) if text.strip() else []:
        if (term := TERM.match(part.strip())) is None:
            raise bad_request(
                "BadRequest", f"The filter term '{part}' is invalid: it should be as in eventTimestamp ge '2026-01-31T12:00:00Z'."
            )
        found.append((term["name"].lower(), term["relation"].lower(), term["value"]))
    return found


def holds(event: Data, name: str, relation: str, value: str) -> bool:
    """Whether an event is one that a term asks for. Terms that only choose a channel hold for all."""
    if name == "eventtimestamp":
        at, asked = _moment(event["eventTimestamp"]), _moment(value)
        return at >= asked if relation == "ge" else at <= asked
    known = {
        "resourcegroupname": event["resourceGroupName"],
        "resourceuri": event["resourceId"],
        "resourceid": event["resourceId"],
        "resourceprovider": event["resourceProviderName"]["value"],
        "caller": event["caller"],
        "status": event["status"]["value"],
        "correlationid": event["correlationId"],
    }
    return name not in known or str(known[name]).lower() == value.lower()


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise bad_request("BadRequest", f"The time '{text}' is invalid: it should be as 2026-01-31T12:00:00Z.") from error
    return moment.astimezone()


def event(entry: Data, subscription: str, tenant: str) -> Data | None:
    """An entry of the audit log as Azure shows a change of a resource; None of what was none."""
    parts, verb = segments(entry["path"]), VERBS.get(entry["method"])
    if verb is None or [part.lower() for part in parts[:2]] != ["subscriptions", subscription.lower()] or len(parts) < 3:
        return None
    try:
        what = meant(entry["method"], parts)
    except ArmError:
        return None
    if what.id is None:
        return None
    operation = f"{what.id.type}/{what.word}/action" if verb == "action" else f"{what.id.type}/{verb}"
    succeeded = 200 <= entry["status"] < 400
    name = str(uuid.uuid5(SPACE, json.dumps(entry, sort_keys=True)))
    return {
        "id": f"{what.id.text}/events/{name}",
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
        "level": "Informational" if succeeded else "Error",
        "operationName": _word(operation),
        "resourceGroupName": what.id.group or "",
        "resourceId": what.id.text,
        "resourceProviderName": _word(what.id.type.partition("/")[0]),
        "resourceType": _word(what.id.type),
        "status": _word("Succeeded" if succeeded else "Failed"),
        "subStatus": _word(str(entry["status"])),
        "httpRequest": {"clientIpAddress": entry["from"], "method": entry["method"], "uri": entry["path"]},
        "subscriptionId": subscription,
        "tenantId": tenant,
    }


def _word(value: str, shown: str = "") -> Data:
    return {"value": value, "localizedValue": shown or value}
