"""A server as a whole: state, identity, resources, the network behind them, and HTTPS in front. Begin at `serve`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dualhome.arm.backend import Backend, Engine, Live, Simulated
from dualhome.arm.downloads import Downloads
from dualhome.arm.http.activity import Activity
from dualhome.arm.http.api import Api, Extra
from dualhome.arm.http.machines import Machines
from dualhome.arm.http.terms import Terms
from dualhome.arm.identity import Identity
from dualhome.arm.kinds import kind_of
from dualhome.arm.kinds.base import Context
from dualhome.arm.kinds.images import aliases
from dualhome.arm.openapi import description
from dualhome.arm.operations import Operations
from dualhome.arm.place import CARD, on_loopback
from dualhome.arm.records import Records
from dualhome.arm.service import Service
from dualhome.arm.settings import Settings
from dualhome.arm.store import MemoryStore, SqliteStore, Store
from dualhome.errors import RequestError, SystemRefused

LOG: Final = logging.getLogger("dualhome.arm")
PORT: Final = 8443


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `dualhome serve` is told. `state`: `memory`, a file, or None for the one in the state directory; `extra`: a fragment of a topology that is merged in."""

    directory: Path
    host: str = "127.0.0.1"
    port: int = PORT
    engine: str = "auto"
    name: str = "azure"
    state: str | None = None
    tls: tuple[Path, Path] | None = None
    extra: Mapping[str, Any] | None = None
    run_commands: bool | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    downloads: Path | None = None


class Ours:
    """Paths of our own, beside Azure's: what `dualhome export` asks."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def answer(self, request: Request, parts: list[str], query: Mapping[str, str], principal: Any) -> Response | None:
        """None where the path is none of them."""
        if [part.lower() for part in parts] != ["dualhome", "topology"]:
            return None
        self._server.identity.guard.allow(principal, "Microsoft.Resources/subscriptions/resources/read", "")
        await self._server.backend.follow()
        world = self._server.backend.world
        assert world is not None, "it follows the resources"
        return JSONResponse(
            {
                "data": world.data,
                "left": [{"id": each.id, "why": each.why} for each in world.omitted],
                "trouble": self._server.backend.trouble,
            }
        )


class Server:
    """All parts, wired. `app` is the ASGI application; `begin` and `end` go around its life."""

    def __init__(self, options: Options, engine: Engine) -> None:
        self.options = options
        self.store = self._open_store()
        directory = options.directory / "serve"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        wanted = dict(options.settings)
        token_s = float(wanted.get("faults", {}).get("tokens", 3600))
        self.identity = Identity(directory, self.store, hosts=(options.host,), tls=options.tls, token_s=token_s)
        self.settings = Settings(subscription=self.identity.subscription, tenant=self.identity.tenant, **wanted)
        self.records = Records(self.store)
        self.backend = Backend(self.records, engine, lambda: options.extra)
        self.downloads = Downloads(options.downloads)
        shared = self.settings.shared() | {"downloads": self.downloads}
        self.context = Context(self.records, self.backend, time.time, shared)
        self.service = Service(self.context)
        self.operations = Operations(self.store, time.time)
        self.guests = self._make_guests(engine, directory, shared)
        self.deployments = self._make_deployments()
        extras: tuple[Extra, ...] = tuple(
            each
            for each in (
                Ours(self),
                Machines(self.context, self.identity.guard.allow),
                self.identity.extra,
                self.deployments,
                Terms(self.settings, self.store, self.identity.guard),
                Activity(self.settings, self.identity.log, self.identity.guard),
            )
            if each is not None
        )
        self.api = Api(self.service, self.operations, self.settings, self.identity.guard, extras)
        routes = [*self.identity.routes, Route("/openapi.json", _openapi), Route("/aliases.json", _aliases)]
        inner = Starlette(routes=routes)
        inner.router.redirect_slashes = False
        inner.router.default = self._rest
        self.app = self.identity.middleware(inner)

    async def _rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every other path is ARM's, whatever it is made of."""
        await (await self.api(Request(scope, receive)))(scope, receive, send)

    def _open_store(self) -> Store:
        state = self.options.state
        if state == "memory":
            return MemoryStore()
        return SqliteStore(Path(state) if state else self.options.directory / "serve" / "state.db")

    def _make_guests(self, engine: Engine, directory: Path, shared: dict[str, Any]) -> Any:
        """File systems and programs of machines, where this machine can."""
        try:
            from dualhome.arm.guests import Guests
        except ImportError:
            shared["no_guests"] = "this server runs no programs in machines"
            return None
        allowed = self.options.run_commands if self.options.run_commands is not None else on_loopback(self.options.host)
        if not allowed:
            told = "with --no-run-command" if self.options.run_commands is False else "without --allow-run-command, and is not on loopback"
            shared["no_guests"] = f"the server was started {told}"
            return None
        found, why = Guests.open(directory / "guests", self.backend.namespace_of, simulated=engine.word == "simulated")
        shared["guests"], shared["no_guests"] = found, why
        return found

    def _make_deployments(self) -> Any:
        try:
            from dualhome.arm.http.deployments import deployments_of
        except ImportError:
            return None
        return deployments_of(self)

    async def begin(self) -> None:
        """The network becomes what the state says, and what was under way goes on."""
        self.backend.changed()
        for record in list(self.records):
            await kind_of(record.type).follow(self.context, record)
        if self.deployments is not None:
            await self.deployments.resume()

    async def end(self) -> None:
        """Take the network down; the state stays."""
        if self.guests is not None:
            await self.guests.close()
        await self.backend.close()
        self.store.close()


async def _aliases(request: Request) -> Response:
    return JSONResponse(aliases())


async def _openapi(request: Request) -> Response:
    return JSONResponse(description())


def engine_of(word: str, name: str) -> tuple[Engine, str]:
    """The engine that a word means, and why it is not the live one.

    Raises:
        SystemRefused: `live` was asked for, and this machine can't.
        RequestError: no such word.
    """
    if word not in ("auto", "live", "simulated"):
        raise RequestError(f"no engine {word!r} (there are auto, live, simulated)")
    if word == "simulated":
        return Simulated(), ""
    from dualhome.live import machine

    try:
        machine.require()
    except SystemRefused as error:
        if word == "live":
            raise
        return Simulated(), str(error)
    return Live(name), ""


def _socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted ones inherit it
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise SystemRefused(f"port {port} of {host} can't be had: {error.strerror}; another is chosen by --port") from error
    return found


def serve(options: Options, ready: Callable[[Server, str, str], None]) -> None:
    """Run a server until SIGTERM or SIGINT. `ready` is called once with the server, its URL, and why it is not live, when it answers.

    Raises:
        SystemRefused: the port, the state or the machine refuse.
        RequestError: options that don't go together.
    """
    if not on_loopback(options.host) and options.tls is None:
        raise RequestError(f"{options.host} is not loopback: give --tls-cert and --tls-key, a certificate that its clients trust")
    engine, why = engine_of(options.engine, options.name)
    listening = _socket(options.host, options.port)
    port = listening.getsockname()[1]
    host = f"[{options.host}]" if ":" in options.host else "localhost" if on_loopback(options.host) else options.host
    url = f"https://{host}:{port}"
    try:
        server = Server(replace(options, port=port), engine)
        asyncio.run(_run(server, listening, url, why, ready))
    finally:
        listening.close()


async def _run(server: Server, listening: socket.socket, url: str, why: str, ready: Callable[[Server, str, str], None]) -> None:
    config = uvicorn.Config(
        server.app,
        ssl_certfile=str(server.identity.certificate),
        ssl_keyfile=str(server.identity.key),
        log_config=None,
        access_log=False,
        lifespan="off",
        http="httptools",
        timeout_keep_alive=60,
        h11_max_incomplete_event_size=64 * 1024,
    )
    http = uvicorn.Server(config)
    http.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # ours are below
    card = server.options.directory / "serve" / CARD
    loop = asyncio.get_running_loop()
    await server.begin()
    serving = loop.create_task(http.serve([listening]))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, http)
    try:
        while not http.started and not serving.done():
            await asyncio.sleep(0.01)
        card.write_text(json.dumps({"url": url, "pid": os.getpid(), "engine": server.backend.engine.word}))
        ready(server, url, why)
        await serving
    finally:
        with suppress(OSError):
            card.unlink()
        await server.end()


def _stop(http: uvicorn.Server) -> None:
    http.should_exit = True


__all__: Sequence[str] = ("Options", "Server", "serve")
