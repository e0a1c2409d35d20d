"""How this machine's own commands reach the server that runs: its address, its authority, the owner's credentials."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from dualhome.arm.place import home, running
from dualhome.errors import RequestError, SystemRefused


def variables() -> dict[str, str]:
    """Environment variables by which Azure's clients find the server, and log in as its owner.

    Raises:
        RequestError: no server runs.
    """
    directory = home()
    card = running(directory)
    if card is None:
        raise RequestError("no server runs here: start one by `dualhome serve`")
    given = _credentials()
    authority, bundle = str(directory / "serve" / "ca.pem"), str(directory / "serve" / "bundle.pem")
    url = str(card["url"])
    names = {
        "AZURE_TENANT_ID": "tenant_id",
        "AZURE_SUBSCRIPTION_ID": "subscription_id",
        "AZURE_CLIENT_ID": "client_id",
        "AZURE_CLIENT_SECRET": "client_secret",
    }
    found = {name: str(given[key]) for name, key in names.items()}
    return {
        "AZURE_RESOURCE_MANAGER_URL": url,
        "AZURE_AUTHORITY_HOST": url,
        **found,
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "NODE_EXTRA_CA_CERTS": authority,
        "AZURE_CORE_INSTANCE_DISCOVERY": "false",
        "ARM_METADATA_HOSTNAME": urllib.parse.urlsplit(url).netloc,
        "ARM_TENANT_ID": found["AZURE_TENANT_ID"],
        "ARM_SUBSCRIPTION_ID": found["AZURE_SUBSCRIPTION_ID"],
        "ARM_CLIENT_ID": found["AZURE_CLIENT_ID"],
        "ARM_CLIENT_SECRET": found["AZURE_CLIENT_SECRET"],
        "ARM_RESOURCE_PROVIDER_REGISTRATIONS": "none",
    }


def _credentials() -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((home() / "serve" / "credentials.json").read_text())
    except (OSError, ValueError) as error:
        raise SystemRefused(f"the owner's credentials can't be read: {error}") from error
    return found


class Client:
    """Asks the server, as its owner."""

    def __init__(self, url: str, authority: str, token: str) -> None:
        self.url, self._token = url, token
        self._trust = ssl.create_default_context(cafile=authority)

    @classmethod
    def of_owner(cls) -> Client:
        """Logged in. RequestError where no server runs."""
        found = variables()
        client = cls(found["AZURE_RESOURCE_MANAGER_URL"], found["REQUESTS_CA_BUNDLE"], "")
        form = {
            "grant_type": "client_credentials",
            "client_id": found["AZURE_CLIENT_ID"],
            "client_secret": found["AZURE_CLIENT_SECRET"],
            "scope": f"{client.url}/.default",
        }
        answer = client._send(
            "POST",
            f"/{found['AZURE_TENANT_ID']}/oauth2/v2.0/token",
            urllib.parse.urlencode(form).encode(),
            "application/x-www-form-urlencoded",
        )
        client._token = str(answer["access_token"])
        return client

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON. RequestError with the server's words where it refuses."""
        return self._send(method, path, None if body is None else json.dumps(body).encode(), "application/json")

    def _send(self, method: str, path: str, data: bytes | None, type_: str) -> Any:
        headers = {"Content-Type": type_} | ({"Authorization": f"Bearer {self._token}"} if self._token else {})
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, context=self._trust, timeout=300) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            told = error.read().decode(errors="replace")
            try:
                inner = json.loads(told)["error"]
                told = f"{inner['code']}: {inner['message']}" if isinstance(inner, dict) else str(inner)
            except (ValueError, KeyError):
                pass
            raise RequestError(f"{method} {path}: {error.code} {told}") from error
        except OSError as error:
            raise SystemRefused(f"{self.url} does not answer: {error}") from error
        return json.loads(text) if text else None
