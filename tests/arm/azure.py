"""A server for tests, without sockets: `with azure() as az: az.put("virtualNetworks/spoke", {...})`."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from dualhome.arm.backend import Backend, Engine, Simulated
from dualhome.arm.http.api import Api
from dualhome.arm.http.deployments import DeploymentRequests
from dualhome.arm.http.terms import Terms
from dualhome.arm.kinds.base import Context
from dualhome.arm.operations import Operations
from dualhome.arm.records import Records
from dualhome.arm.service import Service
from dualhome.arm.settings import Settings
from dualhome.arm.store import MemoryStore, Store

SUBSCRIPTION = "00000000-0000-4000-8000-00000000ab01"
TENANT = "00000000-0000-4000-8000-00000000ab02"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg1"
NETWORK = f"{GROUP}/providers/Microsoft.Network"
VERSION = "2025-07-01"


class Azure:
    """A client. Paths that don't begin with `/` are beneath Microsoft.Network of the group rg1."""

    def __init__(self, client: TestClient, service: Service) -> None:
        self.client, self.service = client, service

    def url(self, path: str) -> str:
        whole = path if path.startswith(("/", "https:")) else f"{NETWORK}/{path}"
        return whole if "api-version=" in whole else f"{whole}{'&' if '?' in whole else '?'}api-version={VERSION}"

    def ask(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
        """The answer, whatever it is."""
        return self.client.request(method, self.url(path), json=body, headers=dict(headers or {}))

    def put(self, path: str, properties: Mapping[str, Any] | None = None, **top: Any) -> Any:
        """Make a resource; it must be accepted. What GET would show."""
        body = {"location": "westeurope", **top, "properties": dict(properties or {})}
        answer = self.ask("PUT", path, body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object = None) -> Any:
        answer = self.ask("POST", path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def delete(self, path: str) -> int:
        answer = self.ask("DELETE", path)
        assert answer.status_code in (200, 202, 204), answer.text
        return int(answer.status_code)

    def refused(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Status and code of a refusal."""
        answer = self.ask(method, path, body, headers)
        assert answer.status_code >= 400, answer.text
        error = answer.json()["error"]
        assert error["message"]
        return answer.status_code, error["code"]

    def id(self, path: str) -> dict[str, str]:
        """A reference to a resource of Microsoft.Network."""
        return {"id": f"{NETWORK}/{path}"}


@contextmanager
def azure(store: Store | None = None, engine: Engine | None = None, *, group: bool = True, **settings: Any) -> Iterator[Azure]:
    """A server and its client, with the group rg1."""
    store = store or MemoryStore()
    wanted = Settings(subscription=SUBSCRIPTION, tenant=TENANT, **settings)
    records = Records(store)
    ticks = itertools.count()
    context = Context(records, Backend(records, engine or Simulated()), lambda: time.time() + next(ticks) * 1e-6, wanted.shared())
    service = Service(context)
    api = Api(service, Operations(store, context.now), wanted, extras=(DeploymentRequests(service, wanted, store), Terms(wanted, store)))
    methods = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS"]
    app = Starlette(routes=[Route("/{path:path}", api.__call__, methods=methods)])
    with TestClient(app, base_url="https://localhost:8443", raise_server_exceptions=False) as client:
        found = Azure(client, service)
        if group:
            found.put(GROUP)
        yield found
