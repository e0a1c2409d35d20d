"""Running things in machines as `ssh` does: by an address, with standard input, and output as it comes. A path of our own; who may run commands may use it.

POST /dualhome/machines/run      {"address", "via", "port", "user", "command", "stdin", "terminal"} -> frames (channel, length, bytes), or for a terminal
                                 {"command": […]}, which becomes a shell there, for root on this machine
POST /dualhome/machines/input/T  what its standard input gets, `?end=1` at the end; T is the text of the first frame
GET  /dualhome/machines?address= which machine that is
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from dualhome.arm.errors import ArmError, bad_request, conflict
from dualhome.arm.guests.alive import CHUNK, LINGER_S, Wanted, ended
from dualhome.arm.guests.console import is_console
from dualhome.arm.ids import key_of
from dualhome.arm.kinds.addresses import machine_of
from dualhome.arm.kinds.base import Context, Data
from dualhome.arm.kinds.compute import MACHINES, NICS, guests_for, image_of, power_of, type_in
from dualhome.arm.records import Record
from dualhome.arm.ssh.frames import Channel, frame
from dualhome.errors import DualhomeError

RUN: Final = f"{MACHINES}/runCommand/action"
USER: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9._-]{0,63}")
PENDING: Final = 16  # chunks that wait for a client
MOST_TYPED: Final = 1 << 20  # bytes
MOST: Final = 256  # sessions at once


class Machines:
    """The paths. `allow(principal, action, scope)` raises ArmError 403."""

    def __init__(self, context: Context, allow: Callable[[Any, str, str], None]) -> None:
        self._context, self._allow = context, allow
        self._sessions: dict[str, tuple[Any, Session | Console]] = {}

    async def answer(self, request: Request, parts: list[str], query: Mapping[str, str], principal: Any) -> Response | None:
        """None where the path is none of them."""
        match [request.method, *(part.lower() for part in parts)]:
            case ["GET", "dualhome", "machines"]:
                found = self._find(query.get("address", ""), query.get("via", ""), query.get("port", "22"))
                self._allow(principal, f"{MACHINES}/read", found.id)
                return JSONResponse({"id": found.id, "name": found.name})
            case ["POST", "dualhome", "machines", "run"]:
                return await self._run(_asked(await request.body()), principal)
            case ["POST", "dualhome", "machines", "input", token]:
                return await self._input(token, await request.body(), principal, end="end" in query)
        return None

    def _find(self, address: str, via: str, port: str) -> Record:
        found = machine_at(self._context, address, via, int(port) if port.isdigit() else 22)
        if found is None:
            raise ArmError(404, "MachineNotFound", f"No virtual machine has the address '{address}'.")
        return found

    async def _run(self, asked: Data, principal: Any) -> Response:
        address, via, user = (str(asked.get(name) or "") for name in ("address", "via", "user"))
        machine = self._find(address, via, str(asked.get("port") or 22))
        self._allow(principal, RUN, machine.id)
        if user and not USER.fullmatch(user):
            raise bad_request("InvalidParameter", f"'{user}' is no name of a user.", "user")
        command = asked.get("command")
        if is_console(image_of(machine)):
            _runs(machine)
            session: Session | Console = Console(self._context, machine, str(command or ""))
        else:
            guests = guests_for(self._context, machine)
            _runs(machine)
            wanted = Wanted(script=str(command) if command else None, user=user or "root", stdin=bool(asked.get("stdin")))
            await self._context.network.follow()
            if asked.get("terminal"):
                return JSONResponse({"command": await guests.way_in(machine.key, wanted)})
            session = Session(self._context, guests, machine, wanted)
        if len(self._sessions) >= MOST:
            raise ArmError(429, "TooManyRequests", f"{MOST} sessions run already.")
        await session.begin()
        token = uuid.uuid4().hex
        self._sessions[token] = principal, session
        return StreamingResponse(self._frames(token, session), media_type="application/octet-stream")

    async def _frames(self, token: str, session: Session | Console) -> AsyncIterator[bytes]:
        try:
            yield frame(Channel.TOKEN, token.encode())
            while (chunk := await session.output.get()) is not None:
                yield frame(*chunk)
        finally:
            self._sessions.pop(token, None)
            session.end()

    async def _input(self, token: str, data: bytes, principal: Any, *, end: bool) -> Response:
        owner, session = self._sessions.get(token, (None, None))
        if session is None or owner != principal:
            raise ArmError(404, "SessionNotFound", "There is no such session, or it has ended.")
        await session.feed(data, end=end)
        return Response(status_code=204)


class Session:
    """One command that runs. `output`: its chunks by channel, None at the end."""

    def __init__(self, context: Context, guests: Any, machine: Record, wanted: Wanted) -> None:
        self._context, self._guests, self._machine, self._wanted = context, guests, machine, wanted
        self.output: asyncio.Queue[tuple[Channel, bytes] | None] = asyncio.Queue(PENDING)
        self._process: asyncio.subprocess.Process | None = None
        self._moved = 0.0

    async def begin(self) -> None:
        """It runs, when this is over. DualhomeError where it can't."""
        began: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.get_running_loop().create_task(self._run(began))
        await began

    def end(self) -> None:
        """Nobody listens any more: what still runs is ended."""
        self._task.cancel()

    async def feed(self, data: bytes, *, end: bool) -> None:
        """Standard input; what nobody reads is dropped, as a closed pipe does."""
        stdin = self._process.stdin if self._process is not None else None
        if stdin is None or stdin.is_closing():
            return
        with suppress(OSError):
            stdin.write(data)
            await stdin.drain()
        if end:
            stdin.close()

    async def _run(self, began: asyncio.Future[None]) -> None:
        try:
            async with self._guests.running(self._machine.key, self._wanted) as process:
                self._process = process
                began.set_result(None)
                code = await self._pump(process)
            await self._guests.learn(self._context, self._machine.id)
            await self.output.put((Channel.CODE, str(code).encode()))
        except asyncio.CancelledError:
            await self._guests.learn(self._context, self._machine.id)
            raise
        except Exception as error:
            if not began.done():
                began.set_exception(error)
            else:
                await self.output.put((Channel.ERR, f"{error}\n".encode()))
                await self.output.put((Channel.CODE, b"255"))
        await self.output.put(None)

    async def _pump(self, process: asyncio.subprocess.Process) -> int:
        """Both channels to their ends, or until the command has ended and whoever it left behind is quiet."""
        loop = asyncio.get_running_loop()
        pumps = [loop.create_task(self._copy(process.stdout, Channel.OUT)), loop.create_task(self._copy(process.stderr, Channel.ERR))]
        try:
            code = await ended(process)
            self._moved = loop.time()
            while not all(each.done() for each in pumps) and (self.output.full() or loop.time() - self._moved < LINGER_S):
                await asyncio.wait(pumps, timeout=0.05)
            return code
        finally:
            for each in pumps:
                each.cancel()

    async def _copy(self, stream: asyncio.StreamReader | None, channel: Channel) -> None:
        assert stream is not None, "output goes to pipes"
        while chunk := await stream.read(CHUNK):
            await self.output.put((channel, chunk))
            self._moved = asyncio.get_running_loop().time()


class Console:
    """A session at a router's command line: one command, or lines of standard input, all at its end."""

    def __init__(self, context: Context, machine: Record, command: str) -> None:
        self._context, self._machine, self._lines = context, machine, bytearray(command.encode())
        self._whole = bool(command)
        self.output: asyncio.Queue[tuple[Channel, bytes] | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """A command is typed at once."""
        if self._whole:
            self._type()

    def end(self) -> None:
        """Nobody listens any more; what was typed is typed."""

    async def feed(self, data: bytes, *, end: bool) -> None:
        """More lines. ArmError 413 where they are too many."""
        if self._whole:
            return
        self._lines += data
        if len(self._lines) > MOST_TYPED:
            raise ArmError(413, "RequestContentTooLarge", f"More than {MOST_TYPED} bytes were typed.")
        if end:
            self._whole = True
            self._type()

    def _type(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            said = await type_in(self._context, self._machine, self._lines.decode(errors="replace"))
            await self._context.network.follow()
            await self.output.put((Channel.OUT, said.encode()))
            await self.output.put((Channel.CODE, b"0"))
        except DualhomeError as error:
            await self.output.put((Channel.ERR, f"{error}\n".encode()))
            await self.output.put((Channel.CODE, b"255"))
        finally:
            await self.output.put(None)


def _runs(machine: Record) -> None:
    """ArmError 409 where it is off."""
    if power_of(machine) != "running":
        raise conflict("MachineOff", f"{machine.name} does not run.")


def _asked(body: bytes) -> Data:
    try:
        found = json.loads(body or b"{}")
    except ValueError as error:
        raise bad_request("InvalidRequestContent", f"The request content was invalid and could not be deserialized: {error}.") from error
    if not isinstance(found, dict):
        raise bad_request("InvalidRequestContent", "The request content was invalid and could not be deserialized: an object is wanted.")
    return found


# --- who has an address -------------------------------------------------------------------------------------------------


def machine_at(context: Context, address: str, via: str = "", port: int = 22) -> Record | None:
    """The virtual machine that has a public address or its name, or a private address; from a machine `via`, near that one.

    Raises:
        ArmError: 409 AmbiguousAddress, several have the private address, and none is nearer.
    """
    address = address.strip("[]").lower()
    for public in context.records.of_type("Microsoft.Network/publicIPAddresses"):
        names = (public.properties.get("ipAddress"), (public.properties.get("dnsSettings") or {}).get("fqdn"))
        if address in (str(name).lower() for name in names if name):
            return next(_behind(context, public, port), None)
    start = machine_at(context, via) if via else None
    near = list(_networks(context, start)) if start is not None else []
    ranked: dict[int, dict[str, Record]] = {}
    for nic in context.records.of_type(NICS):
        for network in _where(nic, address):
            if (owner := machine_of(context, nic)) is not None:
                ranked.setdefault(near.index(network) if network in near else len(near), {})[owner.key] = owner
    if not ranked and start is not None and not _numeric(address):
        named = [each for each in context.records.of_type(MACHINES) if address.partition(".")[0] in _names(each)]
        ranked = {0: {each.key: each for each in named}} if named else {}
    if not ranked:
        return None
    best = list(ranked[min(ranked)].values())
    if len(best) > 1:
        listed = ", ".join(sorted(each.id for each in best))
        raise conflict("AmbiguousAddress", f"Several machines have the address {address} ({listed}): go by a public address, or ssh -J.")
    return best[0]


def _behind(context: Context, public: Record, port: int) -> Iterator[Record]:
    """Machines that a public address leads to: by their NIC, or by a NAT rule of a load balancer."""
    for user in context.records.referrers(public.id):
        if user.type.lower() == NICS.lower() and (owner := machine_of(context, user)) is not None:
            yield owner
        for rule in user.properties.get("inboundNatRules") or []:
            values = rule.get("properties") or {}
            behind = str((values.get("backendIPConfiguration") or {}).get("id", "")).lower().partition("/ipconfigurations/")[0]
            nic = context.get(behind) if values.get("frontendPort") == port else None
            if nic is not None and (owner := machine_of(context, nic)) is not None:
                yield owner


def _where(nic: Record, address: str | None = None) -> Iterator[str]:
    """Virtual networks in which it has the address; any."""
    for part in nic.properties.get("ipConfigurations") or []:
        values = part.get("properties") or {}
        if address is None or values.get("privateIPAddress") == address:
            yield key_of(str((values.get("subnet") or {}).get("id", ""))).rpartition("/subnets/")[0]


def _networks(context: Context, machine: Record) -> Iterator[str]:
    """A machine's virtual network, then those that are peered with it."""
    for each in machine.properties["networkProfile"]["networkInterfaces"]:
        nic = context.get(each["id"])
        home = next(_where(nic), None) if nic is not None else None
        if home is not None:
            yield home
            for peering in context.records.of_type("Microsoft.Network/virtualNetworks/virtualNetworkPeerings"):
                if peering.key.startswith(f"{home}/"):
                    yield key_of(str((peering.properties.get("remoteVirtualNetwork") or {}).get("id", "")))


def _names(machine: Record) -> set[str]:
    return {machine.name.lower(), str((machine.properties.get("osProfile") or {}).get("computerName", "")).lower()}


def _numeric(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
