"""Who asks, whether they may, how often, and what they did."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dualhome.arm.errors import ArmError
from dualhome.arm.http.reading import base_of
from dualhome.arm.identity.principals import Directory, Principal
from dualhome.arm.identity.roles import READING
from dualhome.arm.identity.tokens import Tokens

LOG: Final = logging.getLogger("dualhome.arm")
LARGEST_BODY: Final = 8 * 1024 * 1024  # of a request; Azure: 4 MB of a template
RATE: Final = 500.0  # requests a second of one principal, on average
BURST: Final = 2000.0
AT_ONCE: Final = 400


class Guard:
    """The door of the ARM surface."""

    def __init__(self, tokens: Tokens, directory: Directory) -> None:
        self._tokens, self._directory = tokens, directory
        self._buckets: dict[str, tuple[float, float]] = {}

    def who(self, request: Request) -> Principal:
        """The principal of the request's token. Raises ArmError 401, 429."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        base = base_of(request)
        try:
            if kind.lower() != "bearer" or not token:
                raise ArmError(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
            principal = self._tokens.read(token.strip())
        except ArmError as error:
            words = f'Bearer authorization_uri="{base}/{self._tokens.tenant}", error="invalid_token", error_description="{error.message}"'
            error.headers["WWW-Authenticate"] = words.replace("\n", " ")
            raise
        request.scope["principal"] = principal
        self._slow_down(principal)
        return principal

    def _slow_down(self, principal: Principal) -> None:
        """A bucket of requests for each principal."""
        now = time.monotonic()
        left, since = self._buckets.get(principal.app, (BURST, now))
        left = min(BURST, left + (now - since) * RATE)
        self._buckets[principal.app] = (max(0.0, left - 1), now)
        if left < 1:
            error = ArmError(
                429,
                "SubscriptionRequestsThrottled",
                f"Number of requests for principal '{principal.name}' exceeded the limit. Please try again later.",
            )
            error.headers["Retry-After"] = "1"
            raise error

    def allow(self, principal: Principal, action: str, scope: str) -> None:
        """Raises ArmError 403 AuthorizationFailed."""
        if self._directory.allowed(principal, action, scope):
            return
        if action.lower() in READING and self._directory.allowed(principal, action.rpartition("/")[0].rpartition("/")[0] + "/read", scope):
            return
        raise ArmError(
            403,
            "AuthorizationFailed",
            f"The client '{principal.app}' with object id '{principal.oid}' does not have authorization to perform action '{action}' over scope "
            f"'{scope or '/'}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
        )


class Gate:
    """ASGI, in front of everything: the Host header, the size of bodies, how many at once; and the audit log behind it."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str] | None, log: Path) -> None:
        self._app, self._hosts = app, {each.lower() for each in hosts} if hosts is not None else None
        self._log = log.open("a", encoding="utf-8")
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(headers)
        if refusal is not None:
            await JSONResponse(refusal.envelope(), refusal.status, headers=refusal.headers)(scope, receive, send)
            return
        scope = {**scope, "path": re.sub("/{2,}", "/", scope["path"])}  # clients join addresses and paths that both have a slash
        self._now += 1
        started, status, size = time.time(), 0, 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > LARGEST_BODY:
                raise ArmError(413, "RequestContentTooLarge", f"The request content is larger than {LARGEST_BODY} bytes.")
            return message

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, counted, noted)
        finally:
            self._now -= 1
            if scope["method"] not in ("GET", "HEAD"):
                self._note(scope, started, status)

    def _refusal(self, headers: dict[str, str]) -> ArmError | None:
        host = (
            headers.get("host", "").rpartition(":")[0]
            if not headers.get("host", "").endswith("]") and ":" in headers.get("host", "")
            else headers.get("host", "")
        )
        if self._hosts is not None and host.strip("[]").lower() not in self._hosts:
            return ArmError(421, "MisdirectedRequest", f"This server does not answer for host '{host}'.")
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > LARGEST_BODY:
            return ArmError(413, "RequestContentTooLarge", f"The request content is larger than {LARGEST_BODY} bytes.")
        if self._now >= AT_ONCE:
            busy = ArmError(503, "ServerBusy", f"{AT_ONCE} requests are being answered already.")
            busy.headers["Retry-After"] = "1"
            return busy
        return None

    def _note(self, scope: Scope, started: float, status: int) -> None:
        principal = scope.get("principal")
        entry: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "who": getattr(principal, "name", None),
            "app": getattr(principal, "app", None),
            "from": (scope.get("client") or ("",))[0],
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "ms": round((time.time() - started) * 1000, 1),
        }
        try:
            self._log.write(json.dumps(entry) + "\n")
            self._log.flush()
        except OSError as error:
            LOG.error("the audit log can't be written: %s", error)
