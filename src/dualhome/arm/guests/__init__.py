"""Inside of virtual machines: a file system each, what custom data and scripts do in it, and which router that makes of the machine. Begin at `Guests`.

Routing programs are not started by the scripts: their configuration is read when a script has ended. In a live network dualhome starts the program, with
that very configuration, in the machine's namespace; in a simulated one the built-in speaker does what the configuration says.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dualhome.arm.guests.alive import Alive, Wanted
from dualhome.arm.guests.cloud_init import first_boot
from dualhome.arm.guests.configs import for_namespace, read
from dualhome.arm.guests.machine import Machine, missing
from dualhome.errors import SystemRefused
from dualhome.live.runtimes import RUNTIMES

if TYPE_CHECKING:
    from dualhome.arm.kinds.base import Context

LOG: Final = logging.getLogger("dualhome.arm")
CONFIGURATIONS: Final = (
    ("frr", "etc/frr/frr.conf", "frr"),
    ("frr", "etc/frr/bgpd.conf", "frr"),
    ("quagga", "etc/quagga/bgpd.conf", "quagga"),
    ("quagga", "etc/quagga/frr.conf", "quagga"),
    ("bird", "etc/bird/bird.conf", "bird"),
    ("bird", "etc/bird.conf", "bird"),
)
ROUTER_IMAGES: Final = ("cisco", "arista", "juniper", "vyos")
BOOT_S: Final = 1800.0
LOG_FILE: Final = "/var/log/cloud-init-output.log"


class Guests:
    """The insides of all machines. `namespace_of`: of a record's key the network namespace of its node, None in a simulation."""

    def __init__(self, root: Path, namespace_of: Callable[[str], Path | None]) -> None:
        self._root, self._namespace_of = root, namespace_of
        self._locks: dict[str, asyncio.Lock] = {}
        self._alive: dict[str, Alive] = {}
        self._refusals: dict[str, str] = {}  # of a configuration: what its program says against it

    @classmethod
    def open(cls, root: Path, namespace_of: Callable[[str], Path | None], *, simulated: bool) -> tuple[Guests | None, str]:
        """All, or why there are none."""
        why = missing()
        if why:
            return None, why
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(root, namespace_of), ""

    def machine(self, key: str) -> Machine:
        """The file system of a record's machine."""
        return Machine.of(self._root, key)

    def _one(self, key: str) -> Alive:
        if key not in self._alive:
            self._alive[key] = Alive(self.machine(key))
        return self._alive[key]

    async def boot(self, key: str, custom_data: bytes, image: Mapping[str, Any]) -> None:
        """A first boot: files, packages, commands; a router's image takes the data as its configuration."""
        machine = self.machine(key)
        await asyncio.to_thread(machine.prepare)
        boot = first_boot(custom_data)
        if boot.text and (any(word in str(image.get("publisher", "")).lower() for word in ROUTER_IMAGES) or read(boot.text) is not None):
            machine.startup.write_text(boot.text)
        if boot.hostname:
            machine.hostname.write_text(boot.hostname)
        for said in boot.said:
            LOG.warning("custom data of %s: %s", machine.name, said)
        one = self._one(key)
        for script in boot.steps():
            try:
                out, err, code = await self._run(key, one, Wanted(script=script), BOOT_S)
                if out or err:
                    note = Wanted(script=f"cat >>{LOG_FILE} <<'dualhome-end'\n{out}{err}\ndualhome-end\n")
                    await self._run(key, one, note, BOOT_S)
            except SystemRefused as error:
                LOG.warning("custom data of %s: %s", machine.name, error)
                return
            if code:
                LOG.warning("custom data of %s: a script ended with %s: %s", machine.name, code, err.strip().splitlines()[-1:] or "")

    async def run(self, key: str, script: str, parameters: Mapping[str, str], timeout: float) -> tuple[str, str, int]:
        """A script in the machine, as root, with parameters by name and in order; such scripts of one machine run one after the other.

        The last 4 KB of what it printed on each channel, and its exit code.
        """
        named = {name: value for name, value in parameters.items() if name.isidentifier()}
        wanted = Wanted(script=script, arguments=tuple(parameters.values()), environment=named)
        async with self._locks.setdefault(key, asyncio.Lock()):
            return await self._run(key, self._one(key), wanted, timeout)

    async def _run(self, key: str, one: Alive, wanted: Wanted, timeout: float) -> tuple[str, str, int]:
        namespace, node = await self._place(key)
        return await one.run(wanted, namespace, node, timeout)

    @asynccontextmanager
    async def running(self, key: str, wanted: Wanted) -> AsyncIterator[asyncio.subprocess.Process]:
        """A process in the machine, its channels in pipes; many at a time. It ends with the block."""
        namespace, node = await self._place(key)
        async with self._one(key).running(wanted, namespace, node) as process:
            yield process

    async def way_in(self, key: str, wanted: Wanted) -> list[str]:
        """The command that becomes a shell in the machine, for root on this machine."""
        one = self._one(key)
        namespace, node = await self._place(key)
        await one.up(namespace)
        return one.command(wanted, namespace, node)

    async def _place(self, key: str) -> tuple[Path | None, Path | None]:
        """The namespace of its network, and where its routing program has its sockets."""
        namespace = await asyncio.to_thread(self._namespace_of, key)
        return namespace, namespace.parent.parent / "nodes" / namespace.name if namespace is not None else None

    async def start(self, key: str) -> None:
        """It lives as soon as something is run in it; what it has enabled runs again."""
        if self.machine(key).upper.exists():
            await self._run(key, self._one(key), Wanted(script="systemctl boot"), BOOT_S)

    async def stop(self, key: str) -> None:
        """All that runs in it ends."""
        if (one := self._alive.pop(key, None)) is not None:
            await one.down()

    async def delete(self, key: str) -> None:
        """So does its file system."""
        await self.stop(key)
        self._locks.pop(key, None)
        await asyncio.to_thread(self.machine(key).remove)

    async def close(self) -> None:
        """All end; file systems stay for the next start."""
        await asyncio.gather(*(self.stop(key) for key in list(self._alive)))

    async def learn(self, context: Context, id_: str) -> None:
        """After a script: which router the machine is by now, kept with its record."""
        record = context.get(id_)
        if record is None:
            return
        found = await asyncio.to_thread(self.router, self.machine(record.key))
        record = context.get(id_)
        if record is not None and found != {name: record.private.get(name) for name in ("router", "program", "configuration")}:
            context.keep_private(record, **found)
            context.network.changed()

    def _taken(self, machine: Machine, program: str, unit: str, text: str) -> tuple[Path, str]:
        """A configuration as its program is given it, in a file that is another for another text; and what the program says against it, if it is here."""
        file = machine.directory / f"{unit}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.conf"
        if str(file) not in self._refusals or not file.exists():
            for old in machine.directory.glob(f"{unit}-*.conf"):
                self._refusals.pop(str(old), None)
                old.unlink()
            file.write_text(text)
            runtime = RUNTIMES["bird" if program == "bird" else "frr"]
            self._refusals[str(file)] = "" if runtime.missing() else runtime.check_configuration(file)
        return file, self._refusals[str(file)]

    def router(self, machine: Machine) -> dict[str, Any]:
        """What its files say: `router` as data, the program that reads them, and where they are."""
        if machine.startup.is_file() and (config := read(machine.startup.read_text(), "ios")) is not None:
            return {"router": config.data(), "program": None, "configuration": None}
        for program, path, unit in CONFIGURATIONS:
            text = machine.read(path)
            stopped = machine.read(f"var/lib/dualhome-guest/stopped-{unit}") is not None
            if text is None or stopped:
                continue
            config = read(text, program)
            if config is not None and config.asn is not None:
                file, refusal = self._taken(machine, program, unit, for_namespace(text, program))
                if refusal:
                    LOG.warning("%s: its configuration is refused, so it speaks no BGP: %s", machine.name, refusal)
                    continue
                return {"router": config.data(), "program": "bird" if program == "bird" else "frr", "configuration": str(file)}
        return {"router": None, "program": None, "configuration": None}
