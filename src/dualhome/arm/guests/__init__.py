"""Inside of virtual machines: a file system each, what custom data and scripts do in it, and which router that makes of the machine. Begin at `Guests`.

Routing programs are not started by the scripts: their configuration is read when a script has ended. In a live network dualhome starts the program, with
that very configuration, in the machine's namespace; in a simulated one the built-in speaker does what the configuration says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dualhome.arm.guests.cloud_init import first_boot
from dualhome.arm.guests.configs import for_namespace, read
from dualhome.arm.guests.machine import Machine, missing
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


class Guests:
    """The insides of all machines. `namespace_of`: of a record's key the network namespace of its node, None in a simulation."""

    def __init__(self, root: Path, namespace_of: Callable[[str], Path | None]) -> None:
        self._root, self._namespace_of = root, namespace_of
        self._locks: dict[str, asyncio.Lock] = {}

    @classmethod
    def open(cls, root: Path, namespace_of: Callable[[str], Path | None], *, simulated: bool) -> tuple[Guests | None, str]:
        """All, or why there are none."""
        why = missing()
        if why:
            return None, why
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(root, namespace_of), ""

    def _lock(self, key: str) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())

    async def boot(self, key: str, custom_data: bytes, image: Mapping[str, Any]) -> None:
        """A first boot: files, packages, commands; a router's image takes the data as its configuration."""
        machine = Machine.of(self._root, key)
        machine.prepare()
        boot = first_boot(custom_data)
        if boot.text and (any(word in str(image.get("publisher", "")).lower() for word in ROUTER_IMAGES) or read(boot.text) is not None):
            machine.write("etc/dualhome/startup.conf", boot.text.encode())
        for path, content, mode, append in boot.files:
            try:
                machine.write(path, content, mode, append)
            except (OSError, ValueError) as error:
                boot.said.append(f"{path!r}: {error}")
        for said in boot.said:
            LOG.warning("custom data of %s: %s", machine.name, said)
        scripts = ([f"apt-get install -y {' '.join(boot.packages)} || true\n"] if boot.packages else []) + boot.scripts
        for script in scripts:
            out, err, code = await self.run(key, script, {}, timeout=BOOT_S)
            machine.write("var/log/cloud-init-output.log", (out + err).encode(errors="replace"), append=True)
            if code:
                LOG.warning("custom data of %s: a script ended with %s: %s", machine.name, code, err.strip().splitlines()[-1:] or "")

    async def run(self, key: str, script: str, parameters: Mapping[str, str], timeout: float) -> tuple[str, str, int]:
        """A script in the machine, as root; scripts of one machine run one after the other."""
        async with self._lock(key):
            namespace = await asyncio.to_thread(self._namespace_of, key)
            node = namespace.parent.parent / "nodes" / namespace.name if namespace is not None else None
            return await Machine.of(self._root, key).run(script, parameters, namespace, node, timeout)

    async def start(self, key: str) -> None:
        """Nothing lives in a machine between scripts, so nothing is started."""

    async def stop(self, key: str) -> None:
        """Nothing lives in a machine between scripts, so nothing is stopped."""

    async def delete(self, key: str) -> None:
        """Its file system goes."""
        self._locks.pop(key, None)
        await asyncio.to_thread(Machine.of(self._root, key).remove)

    async def close(self) -> None:
        """File systems stay for the next start."""

    async def learn(self, context: Context, id_: str) -> None:
        """After a script: which router the machine is by now, kept with its record."""
        record = context.get(id_)
        if record is None:
            return
        found = self.router(Machine.of(self._root, record.key))
        if found != {name: record.private.get(name) for name in ("router", "program", "configuration")}:
            context.keep_private(record, **found)
            context.network.changed()

    def _refusal(self, program: str, file: Path) -> str:
        """What the program itself says is wrong with a configuration; "" where nothing is, or where the program is not there to ask."""
        runtime = RUNTIMES["bird" if program == "bird" else "frr"]
        return "" if runtime.missing() else runtime.check_configuration(file)

    def router(self, machine: Machine) -> dict[str, Any]:
        """What its files say: `router` as data, the program that reads them, and where they are."""
        if (text := machine.read("etc/dualhome/startup.conf")) is not None and (config := read(text, "ios")) is not None:
            return {"router": config.data(), "program": None, "configuration": None}
        for program, path, unit in CONFIGURATIONS:
            text = machine.read(path)
            stopped = machine.read(f"var/lib/dualhome-guest/stopped-{unit}") is not None
            if text is None or stopped:
                continue
            config = read(text, program)
            if config is not None and config.asn is not None:
                file = machine.directory / f"{unit}.conf"
                file.write_text(for_namespace(text, program))
                if refusal := self._refusal(program, file):
                    LOG.warning("%s: its configuration is refused, so it speaks no BGP: %s", machine.name, refusal)
                    continue
                return {"router": config.data(), "program": "bird" if program == "bird" else "frr", "configuration": str(file)}
        return {"router": None, "program": None, "configuration": None}
