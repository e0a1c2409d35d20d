"""What outlives the process: that an instance was there a moment ago, so that its next start is a restart (RFC 4724 section 4.1)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dualhome.errors import SystemRefused
from dualhome.live.route_server.config import Config, Instance
from dualhome.live.route_server.speakers import peers_of
from dualhome.net import Address

EVERY_S: Final = 5.0
"""How often it is written that an instance is there."""
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Before:
    """An instance before it ended: addresses and AS numbers of the peers that came by a range."""

    visitors: tuple[tuple[Address, int], ...]


class Presence:
    """A file for each instance that says who it is and when it was there last, by a clock that nobody sets; gone after a polite end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._boot = _BOOT.read_text().strip()

    def before(self, config: Config, instance: Instance) -> Before | None:
        """How the instance was, if its peers may still keep its routes: it was there in this uptime of the machine, as who it is now, and is not away for
        longer than it told them.
        """
        offers = [peer.graceful_restart for peer in peers_of(config, instance) if peer.enabled]
        offers += [each.peer.graceful_restart for each in config.ranges if each.peer.enabled]
        longest_s = max((each.restart_s for each in offers if each is not None), default=0)
        try:
            said = json.loads(self._file(instance.name).read_text())
            since_s = _clock() - float(said["seen_s"])
            visitors = tuple((Address.parse(address), int(asn)) for address, asn in said["visitors"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # there is none, or none that we wrote
        return Before(visitors) if said.get("who") == self._who(instance) and 0 <= since_s <= longest_s else None

    def note(self, config: Config) -> None:
        """All instances are there, with these visitors.

        Raises:
            SystemRefused: the file can't be written.
        """
        for instance in config.instances:
            visitors = [(str(each.address), each.asn) for each in config.peers if each.group and instance.name in each.instances]
            said = {"who": self._who(instance), "seen_s": _clock(), "visitors": visitors}
            file = self._file(instance.name)
            part = file.with_suffix(".part")
            try:
                self._directory.mkdir(parents=True, exist_ok=True)
                part.write_text(json.dumps(said))
                part.replace(file)
            except OSError as error:
                raise SystemRefused(f"state: {file} can't be written: {error.strerror or error}") from error

    def forget(self, name: str) -> None:
        """An instance ended politely, and its peers know."""
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._directory / f"{name}.json"

    def _who(self, instance: Instance) -> dict[str, Any]:
        return {"boot": self._boot, "asn": instance.asn, "router_id": instance.router_id, "listen": [str(each) for each in instance.listen]}


def _clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
