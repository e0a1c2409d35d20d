"""Who may ask: certificates, principals, tokens, roles, and the door in front of the resources. Begin at `Identity`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from dualhome.arm.errors import ArmError, no_method, not_found
from dualhome.arm.http.reading import base_of, document, query_value
from dualhome.arm.identity.certificates import ensure, signing_key
from dualhome.arm.identity.guard import Gate, Guard
from dualhome.arm.identity.principals import Directory, Principal, credentials
from dualhome.arm.identity.roles import ROLES, role
from dualhome.arm.identity.tokens import Tokens, metadata
from dualhome.arm.store import Store

__all__ = ["Identity", "Principal"]


class Identity:
    """All of it, of one server. `certificate` and `key` are files; `authority` is what clients trust."""

    def __init__(self, directory: Path, store: Store, *, hosts: Sequence[str], tls: tuple[Path, Path] | None, token_s: float) -> None:
        given = credentials(directory / "credentials.json")
        self.subscription, self.tenant = str(given["subscription_id"]), str(given["tenant_id"])
        self.authority, self.certificate, self.key = ensure(directory, hosts)
        if tls is not None:
            self.certificate, self.key = tls
        self.people = Directory(store, self.subscription)
        if given["client_id"] not in self.people.principals:
            self.people.create("owner", "Owner", "", str(given["client_id"]), str(given["client_secret"]))
        self.tokens = Tokens(signing_key(directory / "tokens.key"), self.people, self.tenant, token_s)
        self.guard = Guard(self.tokens, self.people)
        self.extra = Authorization(self)
        self.routes = [*self.tokens.routes(), Route("/metadata/endpoints", _metadata)]
        own = {"localhost", "127.0.0.1", "::1", *hosts}
        self._hosts = None if tls is not None else sorted(own)
        self.log = directory / "audit.log"

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """What stands in front of an application."""
        return Gate(app, self._hosts, self.log)


async def _metadata(request: Request) -> Response:
    version = query_value(request.query_params, "api-version")
    return JSONResponse(metadata(base_of(request), "2022-09-01" if version is None else version))


class Authorization:
    """Microsoft.Authorization: role definitions and assignments."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def answer(self, request: Request, parts: list[str], query: Mapping[str, str], principal: Any) -> Response | None:
        """None where the path is none of them."""
        lower = [part.lower() for part in parts]
        if lower[:2] == ["dualhome", "principals"]:
            return await self._principals(request, parts[2:], principal)
        if "microsoft.authorization" not in lower:
            return None
        at = len(lower) - 1 - lower[::-1].index("microsoft.authorization")
        rest, scope = lower[at + 1 :], "/" + "/".join(parts[: at - 1]) if at > 1 else ""
        if not rest or rest[0] not in ("roleassignments", "roledefinitions", "permissions") or len(rest) > 2:
            return None
        verb = {"GET": "read", "PUT": "write", "DELETE": "delete"}.get(request.method)
        if verb is None:
            raise no_method(request.method, rest[0])
        self._identity.guard.allow(principal, f"Microsoft.Authorization/{rest[0]}/{verb}", scope)
        if rest[0] == "permissions":
            return JSONResponse(
                {
                    "value": [
                        {"actions": list(each.actions), "notActions": list(each.not_actions)} for each in self._roles_of(principal, scope)
                    ]
                }
            )
        if rest[0] == "roledefinitions":
            return self._definitions(rest, query)
        return await self._assignments(request, scope, parts[at + 2] if len(rest) == 2 else None, query)

    async def _principals(self, request: Request, rest: list[str], principal: Principal) -> Response:
        """Our own: `dualhome principal`."""
        people = self._identity.people
        verb = {"GET": "read", "DELETE": "delete"}.get(request.method, "write")
        self._identity.guard.allow(principal, f"Microsoft.Authorization/principals/{verb}", "")
        if request.method == "GET":
            roles = {
                each.oid: [one for one in people.assignments.values() if one.principal == each.oid] for each in people.principals.values()
            }
            return JSONResponse(
                {
                    "value": [
                        {
                            "name": each.name,
                            "client_id": each.app,
                            "object_id": each.oid,
                            "roles": [{"role": role(one.role).name, "scope": one.scope} for one in roles[each.oid]],
                        }
                        for each in people.principals.values()
                    ]
                }
            )
        if request.method == "DELETE" and rest:
            return Response(status_code=200 if people.delete(rest[0]) else 204)
        given = document(await request.body())
        if not isinstance(given, dict) or not given.get("name"):
            raise ArmError(400, "InvalidRequestContent", "A principal needs a name and a role.")
        certificate = str(given.get("certificate") or "")
        wanted = str(given["name"]), str(given.get("role", "Reader")), str(given.get("scope") or "").rstrip("/")
        made, secret = people.create(*wanted, certificate=certificate)
        found = {
            "name": made.name,
            "client_id": made.app,
            "client_secret": secret,
            "object_id": made.oid,
            "tenant_id": self._identity.tenant,
        }
        return JSONResponse(found, 201)

    def _roles_of(self, principal: Principal, scope: str) -> list[Any]:
        mine = [each for each in self._identity.people.assignments.values() if each.principal == principal.oid and each.covers(scope)]
        return [role(each.role) for each in mine]

    def _definitions(self, rest: list[str], query: Mapping[str, str]) -> Response:
        if len(rest) == 2:
            return JSONResponse(role(rest[1]).show(self._identity.subscription))
        text = query_value(query, "$filter") or ""
        name = text.partition("'")[2].rpartition("'")[0].lower() if "rolename" in text.lower() else ""
        return JSONResponse({"value": [each.show(self._identity.subscription) for each in ROLES if not name or each.name.lower() == name]})

    async def _assignments(self, request: Request, scope: str, name: str | None, query: Mapping[str, str]) -> Response:
        people, subscription = self._identity.people, self._identity.subscription
        if name is None:
            text = (query_value(query, "$filter") or "").lower()
            wanted = text.partition("'")[2].partition("'")[0] if "principalid" in text or "assignedto" in text else ""
            under = [each for each in people.assignments.values() if each.covers(scope) or each.scope.lower().startswith(scope.lower())]
            return JSONResponse({"value": [each.show(subscription) for each in under if not wanted or each.principal == wanted]})
        id_ = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"
        if request.method == "PUT":
            body = document(await request.body())
            given = body.get("properties") if isinstance(body, dict) else None
            if not isinstance(given, dict) or not given.get("roleDefinitionId") or not given.get("principalId"):
                raise ArmError(
                    400, "InvalidRequestContent", "A role assignment needs properties.roleDefinitionId and properties.principalId."
                )
            made = people.assign(id_, str(given["principalId"]), str(given["roleDefinitionId"]), scope)
            return JSONResponse(made.show(subscription), 201)
        found = people.assignments.get(id_.lower())
        if request.method == "DELETE":
            people.unassign(id_)
            return JSONResponse(found.show(subscription)) if found else Response(status_code=204)
        if found is None:
            raise not_found(id_)
        return JSONResponse(found.show(subscription))
