"""Requests about deployments: Microsoft.Resources/deployments of a resource group or a subscription. Begin at `DeploymentRequests.answer`."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dualhome.arm.errors import ArmError, bad_request, no_method, no_subscription, not_found
from dualhome.arm.http.listing import page
from dualhome.arm.http.reading import api_version, base_of, query_value
from dualhome.arm.http.target import CALLER, Rights, ServiceTarget
from dualhome.arm.identity.principals import Principal
from dualhome.arm.ids import key_of
from dualhome.arm.service import Service
from dualhome.arm.settings import Settings
from dualhome.arm.store import Store
from dualhome.arm.templates import Deployment, Deployments, read
from dualhome.arm.templates.deployment import template_hash
from dualhome.arm.templates.deployments import Callers
from dualhome.arm.templates.links import Links
from dualhome.arm.templates.reading import compact

if TYPE_CHECKING:
    from dualhome.arm.server import Server

TYPE: Final = "Microsoft.Resources/deployments"
SOON_S: Final = 1.0  # a deployment that is over by then is answered as a whole at once
FILTER: Final = re.compile(r"^\s*provisioningState\s+eq\s+'(\w+)'\s*$", re.IGNORECASE)
VERBS: Final = {"GET": "read", "HEAD": "read", "PUT": "write", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A path of deployments, taken apart: the scope's id, the deployment's name, what of it, and which."""

    scope: str
    name: str = ""
    word: str = ""
    last: str = ""

    @property
    def id(self) -> str:
        """The deployment's."""
        return f"{self.scope}/providers/{TYPE}/{self.name}"


def asked(parts: list[str]) -> Asked | None:
    """What a path asks of deployments; None where it is another's."""
    lower = [part.lower() for part in parts]
    if lower[:1] != ["subscriptions"]:
        return None
    at = 4 if lower[2:3] == ["resourcegroups"] else 2
    if lower[at : at + 1] == ["deployments"]:  # an old path, which az still asks for operations
        below = at + 1
    elif lower[at : at + 3] == ["providers", "microsoft.resources", "deployments"]:
        below = at + 3
    else:
        return None
    if len(parts) > below + 3:
        return None
    rest = [*parts[below:], "", "", ""]
    group = f"/resourceGroups/{parts[3]}" if at == 4 else ""
    return Asked(f"/subscriptions/{parts[1]}{group}", rest[0], rest[1].lower(), rest[2])


class DeploymentRequests:
    """An `Extra` of the API."""

    def __init__(
        self,
        service: Service,
        settings: Settings,
        store: Store,
        rights: Rights | None = None,
        allow: Callable[[Any, str, str], None] | None = None,
        callers: Callers | None = None,
    ) -> None:
        self.service, self.settings = service, settings
        self._allow = allow
        links = Links(downloads=service.context.settings.get("downloads"))
        self.deployments = Deployments(ServiceTarget(service, settings, rights), store, service.context.now, links, callers)

    async def resume(self) -> None:
        """Go on with what a process that died has left."""
        self._forget_orphans()
        await self.deployments.resume()

    async def answer(self, request: Request, parts: list[str], query: Mapping[str, str], principal: Any) -> Response | None:
        """None where the path is no deployment's."""
        if [part.lower() for part in parts[-2:]] == ["microsoft.resources", "calculatetemplatehash"] and request.method == "POST":
            api_version(query, TYPE)
            template = read(await request.body())
            return JSONResponse({"minifiedTemplate": compact(template), "templateHash": template_hash(template)})
        what = asked(parts)
        if what is None:
            return None
        version = api_version(query, TYPE)
        self._check_scope(what, parts)
        self._right(request.method, what, principal)
        self._forget_orphans()
        CALLER.set(principal)
        if not what.name:
            return self._list(request, what, query)
        if what.word:
            return await self._part(request, what, query, version)
        return await self._whole(request, what, version)

    def _check_scope(self, what: Asked, parts: list[str]) -> None:
        if parts[1].lower() != self.settings.subscription.lower():
            raise no_subscription(parts[1])
        if "/resourceGroups/" in what.scope and self.service.records.get(what.scope) is None:
            raise not_found(what.scope)

    def _right(self, method: str, what: Asked, principal: Any) -> None:
        if self._allow is None:
            return
        action = VERBS.get(method, "action")
        if what.word in ("operations", "operationstatuses", "operationresults"):
            action = f"{what.word}/read"
        elif what.word:
            action = f"{what.word}/action"
        self._allow(principal, f"{TYPE}/{action}", what.id if what.name else what.scope)

    def _forget_orphans(self) -> None:
        """Deployments into groups that were deleted (and perhaps made anew since) went with them."""
        scopes = {each.partition("/providers/")[0]: None for each in self.deployments.everything()}
        for scope in scopes:
            if "/resourcegroups/" in scope.lower():
                record = self.service.records.get(scope)
                self.deployments.forget_before(scope, record.made if record else float("inf"))

    # --- one of them ----------------------------------------------------------------------------------------------------

    async def _whole(self, request: Request, what: Asked, version: str) -> Response:
        match request.method:
            case "GET":
                return JSONResponse(self.deployments.require(what.id).shown(self.deployments.now()))
            case "HEAD":
                return Response(status_code=204 if self.deployments.get(what.id) else 404)
            case "DELETE":
                self.deployments.delete(what.id)
                return Response(status_code=204)
            case "PUT":
                return await self._put(request, what, version)
        raise no_method(request.method, TYPE)

    async def _put(self, request: Request, what: Asked, version: str) -> Response:
        known = self.deployments.get(what.id) is not None
        body = await _body(request)
        deployment = await self.deployments.begin(what.id, body)
        if self.settings.operations == "immediate":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self.deployments.finished(what.id)), SOON_S)
        response = JSONResponse(deployment.shown(self.deployments.now()), 200 if known else 201)
        if self.settings.operations != "body" and deployment.state != "Succeeded":
            number = deployment.correlation
            base = base_of(request)
            response.headers["Azure-AsyncOperation"] = f"{base}{deployment.id}/operationStatuses/{number}?api-version={version}"
            response.headers["Retry-After"] = "0" if deployment.is_over else str(self.settings.retry_after_s)
        return response

    async def _part(self, request: Request, what: Asked, query: Mapping[str, str], version: str) -> Response:
        """…/validate, …/whatIf, …/operations, …"""
        match (request.method, what.word):
            case ("POST", "validate"):
                return JSONResponse(await self.deployments.validate(what.id, await _body(request)))
            case ("POST", "whatif"):
                return JSONResponse(await self.deployments.what_if(what.id, await _body(request)))
            case ("POST", "cancel"):
                self.deployments.cancel(what.id)
                return Response(status_code=204)
            case ("POST", "exporttemplate"):
                return JSONResponse(self.deployments.template(what.id))
            case ("GET", "operations"):
                return self._operations(request, what, query)
            case ("GET", "operationstatuses"):
                return self._status(self.deployments.require(what.id))
            case ("GET", "operationresults"):
                return self._result(request, self.deployments.require(what.id))
        raise no_method(request.method, TYPE)

    def _status(self, deployment: Deployment) -> Response:
        response = JSONResponse(deployment.status())
        if not deployment.is_over:
            response.headers["Retry-After"] = str(self.settings.retry_after_s)
        return response

    def _result(self, request: Request, deployment: Deployment) -> Response:
        if not deployment.is_over:
            return Response(status_code=202, headers={"Location": str(request.url), "Retry-After": str(self.settings.retry_after_s)})
        return JSONResponse(deployment.shown(self.deployments.now()))

    # --- lists ----------------------------------------------------------------------------------------------------------

    def _list(self, request: Request, what: Asked, query: Mapping[str, str]) -> Response:
        if request.method != "GET":
            raise no_method(request.method, TYPE)
        found = self.deployments.all(what.scope)
        if (text := query_value(query, "$filter")) is not None:
            said = FILTER.match(text)
            if said is None:
                raise bad_request("InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string.")
            found = [each for each in found if each["properties"]["provisioningState"].lower() == said[1].lower()]
        return self._page(request, found, query)

    def _operations(self, request: Request, what: Asked, query: Mapping[str, str]) -> Response:
        found = self.deployments.operations(what.id)
        if not what.last:
            return self._page(request, found, query)
        one = next((each for each in found if each["operationId"].lower() == what.last.lower()), None)
        if one is None:
            raise ArmError(404, "DeploymentOperationNotFound", f"The deployment operation '{what.last}' could not be found.")
        return JSONResponse(one)

    def _page(self, request: Request, found: list[dict[str, Any]], query: Mapping[str, str]) -> Response:
        return JSONResponse(page(found, lambda each: each, query, base_of(request), request.url.path, self.settings.page_size))


async def _body(request: Request) -> Any:
    """A body as az sends it: the template's text within, comments and all. Raises ArmError."""
    raw = await request.body()
    if not raw.strip():
        raise bad_request("InvalidRequestContent", "The request content was invalid and could not be deserialized: there is none.")
    return read(raw)


def deployments_of(server: Server) -> DeploymentRequests:
    """Those of a server."""
    people, guard = server.identity.people, server.identity.guard

    def assign(id_: str, properties: dict[str, Any]) -> dict[str, Any]:
        scope = id_.lower().rpartition("/providers/microsoft.authorization/")[0]
        wanted = [properties.get(each) for each in ("principalId", "roleDefinitionId")]
        if not all(isinstance(each, str) for each in wanted):
            raise bad_request("InvalidRequestContent", "A role assignment needs a principalId and a roleDefinitionId.")
        return people.assign(id_, str(wanted[0]), str(wanted[1]), id_[: len(scope)]).show(server.settings.subscription)

    def assigned(id_: str) -> dict[str, Any] | None:
        found = next((each for each in people.assignments.values() if key_of(each.id) == key_of(id_)), None)
        return found.show(server.settings.subscription) if found else None

    rights = Rights(guard.allow, assign, assigned)

    def present() -> str:
        caller = CALLER.get()
        return str(caller.oid) if caller is not None else ""

    def become(oid: str) -> None:
        """A principal that was deleted meanwhile has no rights left."""
        if CALLER.get() is None and oid:
            known = next((each for each in people.principals.values() if each.oid == oid), None)
            CALLER.set(known or Principal(name=oid, app=oid, oid=oid, salt="", secret=""))

    return DeploymentRequests(server.service, server.settings, server.store, rights, guard.allow, Callers(present, become))
