"""The server's side of a command in a machine: found by address, its three channels carried. Begin at `Server`."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from dualhome.arm.place import on_loopback
from dualhome.arm.ssh.frames import HEAD, Channel

NEEDED: Final = ("AZURE_RESOURCE_MANAGER_URL", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
CHUNK: Final = 65536
TRIES: Final = 4  # where the server is busy


class NotOursError(Exception):
    """No machine of the server has the address, or no server is meant."""


class RefusedError(Exception):
    """The server says no; its words are for the user."""


class Command(NamedTuple):
    """What is to be run where. `text`: "" is a shell that reads standard input; `stdin`: a file that is read, or None."""

    address: str
    text: str
    via: str = ""
    port: int = 22
    user: str = ""
    stdin: int | None = None


class Server:
    """The server that `dualhome env` named."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Raises NotOursError where the environment names none."""
        if any(not environment.get(name) for name in NEEDED):
            raise NotOursError
        self.url, self._tenant, self._id, self._secret = (environment[name] for name in NEEDED)
        try:
            self._trust = ssl.create_default_context(cafile=environment.get("REQUESTS_CA_BUNDLE") or None)
        except OSError as error:
            raise NotOursError from error
        self._connection = self._connect()
        self._headers: dict[str, str] = {}

    @property
    def here(self) -> bool:
        """Whether it runs on this machine."""
        return on_loopback(urllib.parse.urlsplit(self.url).hostname or "")

    def _connect(self) -> http.client.HTTPSConnection:
        parts = urllib.parse.urlsplit(self.url)
        return http.client.HTTPSConnection(parts.hostname or "", parts.port, context=self._trust)

    def _login(self) -> None:
        form = {"grant_type": "client_credentials", "client_id": self._id, "client_secret": self._secret, "scope": f"{self.url}/.default"}
        try:
            self._connection.request("POST", f"/{self._tenant}/oauth2/v2.0/token", urllib.parse.urlencode(form))
            answer = self._connection.getresponse()
            said = json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise NotOursError from error  # it isn't running
        if answer.status != 200:
            raise RefusedError(str(said.get("error_description") or said))
        self._headers = {"Authorization": f"Bearer {said['access_token']}"}

    def _ask(self, method: str, path: str, body: object = None) -> http.client.HTTPResponse:
        """An answer whose body is still to be read. Raises NotOursError or RefusedError."""
        if not self._headers:
            self._login()
        for tries in range(TRIES):
            self._connection.request(method, path, json.dumps(body) if body is not None else None, self._headers)
            answer = self._connection.getresponse()
            if answer.status < 400:
                return answer
            said = _error(answer.read())
            if answer.status in (429, 503) and tries < TRIES - 1:
                time.sleep(float(answer.headers.get("Retry-After") or 1))
                continue
            if said.get("code") == "MachineNotFound":
                raise NotOursError
            if said.get("code") == "MachineOff":
                raise RefusedError(f"Connection timed out ({said['message']})")
            if answer.status in (401, 403):
                raise RefusedError(f"Permission denied: {said.get('message')}")
            raise RefusedError(str(said.get("message")))
        raise AssertionError("the last try returns or raises")

    def find(self, address: str, via: str = "", port: int = 22) -> str:
        """The name of the machine that has this address."""
        query = urllib.parse.urlencode({"address": address, "via": via, "port": port})
        return str(json.loads(self._ask("GET", f"/dualhome/machines?{query}").read())["name"])

    def shell(self, command: Command) -> list[str]:
        """What becomes a shell in the machine, for root on the server's machine."""
        return list(json.loads(self._ask("POST", "/dualhome/machines/run", _wanted(command) | {"terminal": True}).read())["command"])

    def run(self, command: Command, take: Callable[[int, bytes], None], began: Callable[[], None] = lambda: None) -> int:
        """Run it; `take` gets what it writes on Channel.OUT and ERR, `began` is called once it runs. Its exit code."""
        answer = self._ask("POST", "/dualhome/machines/run", _wanted(command))
        _, token = _frame(answer)
        began()
        if command.stdin is not None:
            threading.Thread(target=self._feed, args=(token.decode(), command.stdin), daemon=True).start()
        while True:
            channel, data = _frame(answer)
            if channel == Channel.CODE:
                return int(data)
            take(channel, data)

    def _feed(self, token: str, source: int) -> None:
        """Carry standard input, until its end or the command's."""
        connection = self._connect()
        with suppress(OSError, http.client.HTTPException):
            while True:
                data = os.read(source, CHUNK)
                connection.request("POST", f"/dualhome/machines/input/{token}{'' if data else '?end=1'}", data, self._headers)
                answer = connection.getresponse()
                answer.read()
                if not data or answer.status >= 400:
                    return


def _wanted(command: Command) -> dict[str, Any]:
    return {
        "address": command.address,
        "via": command.via,
        "port": command.port,
        "user": command.user,
        "command": command.text,
        "stdin": command.stdin is not None,
    }


def _frame(answer: http.client.HTTPResponse) -> tuple[int, bytes]:
    """Raises RefusedError where the server has gone."""
    channel, length = HEAD.unpack(_exactly(answer, HEAD.size))
    return channel, _exactly(answer, length)


def _exactly(answer: http.client.HTTPResponse, size: int) -> bytes:
    found = b""
    while len(found) < size:
        try:
            chunk = answer.read(size - len(found))
        except (OSError, http.client.HTTPException):
            chunk = b""
        if not chunk:
            raise RefusedError("Connection closed by the server")
        found += chunk
    return found


def _error(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        found = None
    return found if isinstance(found, dict) else {"message": body.decode(errors="replace")[:500]}
