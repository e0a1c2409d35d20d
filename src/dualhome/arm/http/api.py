"""ARM's requests: from a path to what it does, and back to an answer. Begin at `Api.__call__`."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dualhome.arm.errors import ArmError, no_method, no_subscription, not_found
from dualhome.arm.http import subscriptions
from dualhome.arm.http.listing import filtered, generic, page, top_level
from dualhome.arm.http.paths import Meant, meant, segments
from dualhome.arm.http.reading import api_version, base_of, document, query_value
from dualhome.arm.ids import GROUPS, ResourceId
from dualhome.arm.kinds import kind_of, lookups
from dualhome.arm.kinds.generic import Stored
from dualhome.arm.operations import Operation, Operations
from dualhome.arm.records import Record
from dualhome.arm.service import Service
from dualhome.arm.settings import Settings
from dualhome.errors import DualhomeError

LOG: Final = logging.getLogger("dualhome.arm")
OPERATION: Final = re.compile(
    r"^/subscriptions/[^/]+/providers/[^/]+/locations/[^/]+/(operations|operationresults|operationstatuses)/([^/]+)$", re.IGNORECASE
)


GROUP_RIGHTS: Final = "Microsoft.Resources/subscriptions/resourceGroups"
"""What RBAC calls resource groups."""


class Door(Protocol):
    """Who may ask what; `identity.Guard` is one."""

    def who(self, request: Request) -> Any:
        """The principal of the request's token. ArmError 401 where there is none."""
        ...

    def allow(self, principal: Any, action: str, scope: str) -> None:
        """ArmError 403 where it may not."""
        ...


class Extra(Protocol):
    """A family of paths that are no plain resources (deployments, role assignments): None where the path is none of them."""

    async def answer(self, request: Request, parts: list[str], query: Mapping[str, str], principal: Any) -> Response | None:
        """The answer."""
        ...


class Api:
    """The ARM surface as one function of requests."""

    def __init__(
        self, service: Service, operations: Operations, settings: Settings, door: Door | None = None, extras: tuple[Extra, ...] = ()
    ) -> None:
        self.service, self.operations, self.settings, self.door, self.extras = service, operations, settings, door, extras
        self.context = service.context
        self._count = 0
        self._leaving: dict[str, tuple[float, Any]] = {}  # by key, until when the operation of a delete lasts, and what is shown till then

    async def __call__(self, request: Request) -> Response:
        """Answer, whatever comes: refusals in ARM's envelope, and what is a fault of ours as 500 InternalServerError."""
        try:
            self._misbehave()
            response = await self._answer(request)
        except ArmError as error:
            response = JSONResponse(error.envelope(), error.status, headers=error.headers)
        except DualhomeError as error:
            LOG.error("%s %s: %s", request.method, request.url.path, error)
            response = JSONResponse(ArmError(409, "OperationNotAllowed", str(error)).envelope(), 409)
        except Exception:
            LOG.exception("%s %s", request.method, request.url.path)
            fault = ArmError(500, "InternalServerError", "A fault of dualhome's: its log says more. Please report it.")
            response = JSONResponse(fault.envelope(), 500)
        return self._sign(request, response)

    def _misbehave(self) -> None:
        """Faults that were asked for: 429 and 503 (`--fault`)."""
        self._count += 1
        for name, status, code in (("throttle", 429, "TooManyRequests"), ("unavailable", 503, "ServerUnavailable")):
            every = int(self.settings.faults.get(name, 0))
            if every and self._count % every == 0:
                error = ArmError(status, code, f"This request is refused on purpose (--fault {name}={every}); try it again.")
                error.headers["Retry-After"] = str(self.settings.retry_after_s)
                raise error

    def _sign(self, request: Request, response: Response) -> Response:
        """Headers that every answer has."""
        one = str(uuid.uuid4())
        response.headers["x-ms-request-id"] = one
        response.headers["x-ms-correlation-request-id"] = _plain(request.headers.get("x-ms-correlation-request-id")) or one
        if (theirs := _plain(request.headers.get("x-ms-client-request-id"))) is not None:
            response.headers["x-ms-client-request-id"] = theirs
        response.headers["Cache-Control"] = "no-cache"
        if response.headers.get("content-type") == "application/json":
            response.headers["content-type"] = "application/json; charset=utf-8"
        return response

    # --- which family of paths ----------------------------------------------------------------------------------------

    async def _answer(self, request: Request) -> Response:
        parts = segments(request.scope["path"])
        query = dict(request.query_params)
        principal = self.door.who(request) if self.door else None
        if (found := OPERATION.match("/" + "/".join(parts))) is not None:
            return self._operation(request, found[2], results=found[1].lower() == "operationresults")
        for extra in self.extras:
            if (response := await extra.answer(request, parts, query, principal)) is not None:
                return response
        if (response := await self._above(request, parts, query, principal)) is not None:
            return response
        return await self._resource(request, parts, query, principal)

    def _allow(self, principal: Any, action: str, scope: str) -> None:
        if self.door:
            self.door.allow(principal, action, scope)

    # --- tenants, subscriptions, locations, providers, lists over all types ---------------------------------------------

    async def _above(self, request: Request, parts: list[str], query: Mapping[str, str], principal: Any) -> Response | None:
        """Answers above resources; None where the path is of a resource type."""
        lower = [part.lower() for part in parts]
        mine = self.settings.subscription
        if lower[:1] == ["tenants"] and len(parts) == 1:
            return self._read(request, "tenants", query, subscriptions.tenants(self.settings.tenant))
        if lower == ["subscriptions"]:
            return self._read(request, "subscriptions", query, subscriptions.subscriptions(mine, self.settings.tenant))
        if not lower or lower[0] not in ("subscriptions", "providers"):
            raise ArmError(404, "InvalidResourcePath", f"The path '/{'/'.join(parts)}' names no resource, collection or action.")
        if lower[0] == "providers":
            return self._read(request, "providers", query, self._tenant_provider(lower))
        if lower[1] != mine.lower():
            raise no_subscription(parts[1])
        rest = lower[2:]
        scope = f"/subscriptions/{mine}"
        if (
            rest in ([], ["locations"])
            or rest == ["providers"]
            or (rest[:1] == ["providers"] and (len(rest) == 2 or rest[2:] in (["register"], ["unregister"])))
        ):
            self._allow(principal, "Microsoft.Resources/subscriptions/read", scope)
            return self._read(request, "subscriptions", query, self._of_subscription(rest, parts), ("GET", "POST"))
        if rest == ["resources"] or (len(rest) == 3 and rest[0] == "resourcegroups" and rest[2] == "resources"):
            return self._resources(request, scope if len(rest) == 1 else f"{scope}/resourceGroups/{parts[3]}", query, principal)
        if request.method in ("GET", "POST"):
            return await self._lookup(request, "/".join(parts[2:]), query, principal)
        return None

    def _read(self, request: Request, type_: str, query: Mapping[str, str], answer: Any, methods: tuple[str, ...] = ("GET",)) -> Response:
        if request.method not in (*methods, "HEAD"):
            raise no_method(request.method, type_)
        api_version(query, type_)
        return JSONResponse(answer)

    def _tenant_provider(self, lower: list[str]) -> Any:
        if len(lower) == 1:
            return subscriptions.providers(self.settings.subscription)
        if len(lower) == 2:
            return subscriptions.provider(self.settings.subscription, lower[1])
        raise ArmError(404, "InvalidResourceType", f"There is nothing at the tenant's '/{'/'.join(lower)}'.")

    def _of_subscription(self, rest: list[str], parts: list[str]) -> Any:
        mine = self.settings.subscription
        if not rest:
            return subscriptions.subscription(mine, self.settings.tenant)
        if rest == ["locations"]:
            return subscriptions.locations(mine)
        return subscriptions.providers(mine) if rest == ["providers"] else subscriptions.provider(mine, parts[3])

    def _resources(self, request: Request, scope: str, query: Mapping[str, str], principal: Any) -> Response:
        """Lists over all types."""
        self._allow(principal, "Microsoft.Resources/subscriptions/resources/read", scope)
        if request.method != "GET":
            raise no_method(request.method, "resources")
        api_version(query, "resources")
        if "/resourceGroups/" in scope and self.service.records.get(scope) is None:
            raise not_found(scope)
        under = scope.lower() + "/"
        listed = filtered(top_level(each for each in self.service.records if each.key.startswith(under)), query_value(query, "$filter"))
        now = self.context.now()
        shown = page(
            listed,
            lambda each: generic(each, self.service.show(each), now),
            query,
            base_of(request),
            request.url.path,
            self.settings.page_size,
        )
        return JSONResponse(shown)

    async def _lookup(self, request: Request, path: str, query: Mapping[str, str], principal: Any) -> Response | None:
        """What providers answer that is no resource: images, sizes, whether a name is free."""
        for pattern, answer in lookups():
            if (found := pattern.match(path)) is not None:
                self._allow(principal, f"{_namespace(path)}/locations/read", f"/subscriptions/{self.settings.subscription}")
                api_version(query, path)
                return JSONResponse(await answer(self.context, found.groupdict(), query))
        return None

    # --- resources ----------------------------------------------------------------------------------------------------

    async def _resource(self, request: Request, parts: list[str], query: Mapping[str, str], principal: Any) -> Response:
        found = meant(request.method, parts)
        type_ = found.type or (kind_of(found.id.type).type if found.id else "")
        version = api_version(query, type_)
        scope = found.id.text if found.id else found.scope
        self._allow(principal, found.operation(request.method, GROUP_RIGHTS if type_ == GROUPS else type_), scope)
        body = document(await request.body()) if request.method in ("PUT", "PATCH", "POST") else None
        match found.how:
            case "resource":
                response = await self._one(request, found, query, body, version)
            case "collection":
                if request.method == "GET" and kind_of(found.type).live:
                    await self.context.network.look()
                response = self._collection(request, found, query)
            case "action":
                response = await self._act(request, found, query, body, version)
            case "view":
                assert found.id is not None, "a view is of a resource"
                response = JSONResponse(await self.service.view(self.service.get(found.id), found.word, query))
            case _:
                response = self._parts(request, found, body)
        if found.id is not None and isinstance(kind_of(found.id.type), Stored):
            response.headers["Warning"] = f'299 dualhome "{found.id.type} is kept and given back, and is no part of the network"'
        return response

    async def _one(self, request: Request, found: Meant, query: Mapping[str, str], body: Any, version: str) -> Response:
        id_ = found.id
        assert id_ is not None, "a resource has an id"
        match request.method:
            case "GET":
                if (shown := self._left(id_)) is not None:
                    return JSONResponse(shown)
                record = self.service.get(id_)
                if kind_of(record.type).live:
                    await self.context.network.look()
                    record = self.service.get(id_)
                shown = self.service.show(record)
                for word in _expanded(query):
                    kind_of(record.type).expand(self.context, record, shown, word)
                return JSONResponse(shown, headers={"ETag": record.etag} if kind_of(record.type).has_etag else None)
            case "HEAD":
                there = self.service.records.get(id_.text) is not None
                return Response(status_code=204 if there else 404)
            case "PUT":
                self._not_busy(id_)
                none_match = request.headers.get("if-none-match") == "*"
                outcome = self.service.put(id_, body, query, request.headers.get("if-match"), none_match)
                await self._changed(outcome.record)
                return self._put_answer(request, outcome.record, kind_of(id_.type).created if outcome.created else 200, version)
            case "PATCH":
                self._not_busy(id_)
                outcome = self.service.patch(id_, body, request.headers.get("if-match"))
                await self._changed(outcome.record)
                return self._put_answer(request, outcome.record, 200, version)
            case "DELETE":
                self._not_busy(id_, deleted=True)
                return await self._delete(request, id_, version)
        raise no_method(request.method, id_.type)

    def _not_busy(self, id_: ResourceId, deleted: bool = False) -> None:
        """Not while it is being deleted. The fault mode `busy`: 409 while an operation on this resource or its parent runs (else requests queue, and none has to wait)."""
        if not deleted and self._left(id_) is not None:
            raise ArmError(409, "AnotherOperationInProgress", f"The resource {id_.text} is being deleted.")
        if "busy" in self.settings.faults:
            above = id_.parent or id_
            record = self.service.records.get(above.text)
            near = [*([record] if record else []), *(self.service.records.beneath(record.id) if record else [])]
            if any(self.context.now() < each.ready_at for each in near):
                error = ArmError(
                    409, "AnotherOperationInProgress", f"Another operation on this or dependent resource is in progress ({above.text})."
                )
                error.headers["Retry-After"] = str(self.settings.retry_after_s)
                raise error

    async def _changed(self, record: Record) -> None:
        """After a change was kept: what is not in the records follows (machines boot), and the network."""
        self.context.network.changed()
        kind = kind_of(record.type)
        await kind.follow(self.context, record)

    def _put_answer(self, request: Request, record: Record, status: int, version: str) -> Response:
        response = JSONResponse(self.service.show(record), status)
        how, now = self.settings.operations, self.context.now()
        if how in ("async", "location") and record.ready_at > now and record.type != GROUPS:
            operation = self.operations.begin(record.id, record.ready_at - now)
            self._point(request, response, operation, record, version, ("Azure-AsyncOperation",))
        elif record.ready_at > now:
            response.headers["Retry-After"] = str(self.settings.retry_after_s)
        return response

    def _left(self, id_: ResourceId) -> Any:
        """What is shown of a resource whose deletion is under way; None of any other."""
        until, shown = self._leaving.get(id_.key, (0.0, None))
        return shown if self.context.now() < until and self.service.records.get(id_.text) is None else None

    async def _delete(self, request: Request, id_: ResourceId, version: str) -> Response:
        kind, last = kind_of(id_.type), self.settings.operations in ("async", "location") or self.settings.realistic_times
        before = self.service.records.get(id_.text) if last and not kind.at_once else None
        shown = self.service.show(before) if before is not None else None
        gone = self.service.delete(id_, request.headers.get("if-match"))
        if not gone:
            if id_.type == GROUPS:
                raise not_found(id_.text)
            return Response(status_code=204)
        self.context.network.changed()
        for each in gone:
            await kind_of(each.type).gone(self.context, each)
        record = gone[0]
        if shown is not None:
            seconds, now = self.service.takes(kind.times.delete), self.context.now()
            response = Response(status_code=202)
            operation = self.operations.begin(record.id, seconds, status=204)
            self._leaving = {key: each for key, each in self._leaving.items() if now < each[0]}
            if "properties" in shown:
                shown["properties"]["provisioningState"] = "Deleting"
                self._leaving[id_.key] = now + seconds, shown
            headers = ("Location",) if self.settings.operations == "location" else ("Azure-AsyncOperation", "Location")
            self._point(request, response, operation, record, version, headers)
            return response
        return Response(status_code=200)

    def _collection(self, request: Request, found: Meant, query: Mapping[str, str]) -> Response:
        if request.method != "GET":
            raise no_method(request.method, found.type)
        listed = self.service.collection(found.scope, found.type, found.id)
        if found.type == GROUPS:
            listed = filtered(listed, query_value(query, "$filter"))
        return JSONResponse(page(listed, self.service.show, query, base_of(request), request.url.path, self.settings.page_size))

    async def _act(self, request: Request, found: Meant, query: Mapping[str, str], body: Any, version: str) -> Response:
        assert found.id is not None, "an action is of a resource"
        record = self.service.get(found.id)
        words = {**query, "/": found.last} if found.last else dict(query)
        before = self.service.records.version
        doing = self.service.act(record, found.word, words, body)
        if self.settings.operations in ("async", "location") and request.method == "POST":
            operation = self.operations.run(record.id, doing, self.service.takes(2))
            response = Response(status_code=202)
            headers = ("Location",) if self.settings.operations == "location" else ("Azure-AsyncOperation", "Location")
            self._point(request, response, operation, record, version, headers)
            return response
        answer = await doing
        if self.service.records.version != before:
            self.context.network.changed()
        return Response(status_code=200) if answer is None else JSONResponse(answer)

    def _parts(self, request: Request, found: Meant, body: Any) -> Response:
        """Things with an id within a resource: an ipConfiguration, a load balancer's pool."""
        assert found.id is not None, "a part is of a resource"
        record = self.service.get(found.id)
        kind = kind_of(record.type)
        word = next(name for name in kind.parts if name.lower() == found.word.lower())
        shown = self.service.show(record)["properties"].get(word, [])
        if found.how == "parts":
            if request.method != "GET":
                raise no_method(request.method, f"{record.type}/{word}")
            return JSONResponse({"value": shown})
        there = next((each for each in shown if each["name"].lower() == found.last.lower()), None)
        if request.method in ("GET", "HEAD"):
            if there is None:
                raise not_found(f"{record.id}/{word}/{found.last}")
            return JSONResponse(there)
        kept = [each for each in record.properties.get(word) or [] if each["name"].lower() != found.last.lower()]
        if request.method == "PUT":
            if not isinstance(body, dict):
                raise ArmError(
                    400, "InvalidRequestContent", "The request content was invalid and could not be deserialized: a JSON object is wanted."
                )
            kept.append({**body, "name": there["name"] if there else found.last})
        elif request.method != "DELETE":
            raise no_method(request.method, f"{record.type}/{word}")
        elif there is None:
            return Response(status_code=204)
        outcome = self.service.put(record.parsed, {**record.body, "properties": {**record.properties, word: kept}})
        self.context.network.changed()
        if request.method == "DELETE":
            return Response(status_code=200)
        now = next(each for each in self.service.show(outcome.record)["properties"][word] if each["name"].lower() == found.last.lower())
        return JSONResponse(now, 200 if there else 201)

    # --- operations ---------------------------------------------------------------------------------------------------

    def _operation(self, request: Request, id_: str, *, results: bool) -> Response:
        operation = self.operations.get(id_)
        if operation is None:
            raise ArmError(404, "OperationNotFound", f"There is no operation '{id_}'.")
        now = self.context.now()
        if not results:
            response: Response = JSONResponse(operation.body(now))
        elif not operation.over(now):
            response = Response(status_code=202, headers={"Location": str(request.url)})
        elif operation.error is not None:
            return JSONResponse({"error": operation.error}, operation.error_status)
        elif operation.result is None:
            return Response(status_code=operation.status if operation.status != 200 else 204)
        else:
            return JSONResponse(operation.result, operation.status)
        if not operation.over(now):
            response.headers["Retry-After"] = str(self.settings.retry_after_s)
        return response

    def _point(
        self, request: Request, response: Response, operation: Operation, record: Record, version: str, headers: tuple[str, ...]
    ) -> None:
        """Where to ask how far an operation is."""
        namespace = record.parsed.namespace
        place = f"/subscriptions/{self.settings.subscription}/providers/{namespace}/locations/{record.body.get('location', 'global')}"
        words = {"Azure-AsyncOperation": "operations", "Location": "operationResults"}
        for header in headers:
            response.headers[header] = f"{base_of(request)}{place}/{words[header]}/{operation.id}?api-version={version}"
        response.headers["Retry-After"] = str(self.settings.retry_after_s)


def _expanded(query: Mapping[str, str]) -> list[str]:
    text = query_value(query, "$expand") or ""
    return [word.strip() for word in text.split(",") if word.strip()]


def _namespace(path: str) -> str:
    parts = path.split("/")
    return parts[1] if parts[0].lower() == "providers" and len(parts) > 1 else "Microsoft.Resources"


def _plain(text: str | None) -> str | None:
    """What may go back as a header."""
    return text if text is not None and len(text) < 200 and text.isascii() and text.isprintable() else None
