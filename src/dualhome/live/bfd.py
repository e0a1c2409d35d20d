"""BFD of a live network: which sessions its process has, and what the network learns from it."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from dualhome.live.endpoints import Side
from dualhome.live.layout import Layout
from dualhome.live.place import Place
from dualhome.plan import Carrier, Plan, SpeakerKind

LOG: Final = logging.getLogger("dualhome.live")

Lost = Callable[[str, str], None]


class Bfd:
    """The process, from the first session that has BFD to `close`. `lost` is called with both speakers of a session whose packets don't arrive any more;
    `restore` with a port that the process took out of groups, once these have been written anew.
    """

    def __init__(self, place: Place, lost: Lost, restore: Callable[[int], None]) -> None:
        self._place, self._lost, self._restore = place, lost, restore
        self._switched: dict[int, None] = {}
        self._popen: subprocess.Popen[bytes] | None = None
        self._there: dict[str, dict[str, Any]] = {}
        self._buffer = b""
        self.states: dict[str, str] = {}

    def follow(self, wanted: Mapping[str, dict[str, Any]]) -> None:
        """Have these sessions, by id, and no others."""
        if not wanted and self._popen is None:
            return
        for name in [name for name in self._there if name not in wanted]:
            del self._there[name]
            self.states.pop(name, None)
            self._tell({"remove": name})
        for name, fields in wanted.items():
            if self._there.get(name) != fields:
                self._there[name] = fields
                self._tell({"add": {"id": name, **fields}})

    def settle(self) -> None:
        """What was lost is written down by now. The process took its ports out of every group, also those of user-defined routes, which know nothing of
        BFD; and would put them back before BGP is up. So groups become as they shall be, and it forgets what it did.
        """
        for port in self._switched:
            self._restore(port)
            self._tell({"forget": port})
        self._switched.clear()

    def close(self) -> None:
        """End the process."""
        if self._popen is not None:
            assert self._popen.stdin is not None, "it is a pipe"
            assert self._popen.stdout is not None, "it is a pipe"
            asyncio.get_running_loop().remove_reader(self._popen.stdout.fileno())
            with suppress(BrokenPipeError):  # it has ended, with words unread
                self._popen.stdin.close()
            try:
                self._popen.wait(1)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
            self._popen = None

    # --- inside -------------------------------------------------------------------------------------------------------

    def _tell(self, command: Mapping[str, Any]) -> None:
        if self._popen is None:
            self._begin()
        assert self._popen is not None, "it was begun"
        assert self._popen.stdin is not None, "it is a pipe"
        try:
            self._popen.stdin.write(json.dumps(command).encode() + b"\n")
            self._popen.stdin.flush()
        except BrokenPipeError:
            LOG.error("the BFD process has ended; sessions have their hold timers")

    def _begin(self) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "dualhome.live.bfd_process", "--bpf", str(self._place.pins)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._place.environment(),
        )
        assert self._popen.stdout is not None, "it is a pipe"
        asyncio.get_running_loop().add_reader(self._popen.stdout.fileno(), self._read)

    def _read(self) -> None:
        assert self._popen is not None, "it is read while it is there"
        assert self._popen.stdout is not None, "it is a pipe"
        data = self._popen.stdout.read1(1 << 16)  # type: ignore[attr-defined]  # a BufferedReader
        if not data:
            asyncio.get_running_loop().remove_reader(self._popen.stdout.fileno())
            LOG.error("the BFD process has ended; sessions have their hold timers")
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            said = json.loads(line)
            name = said["id"]
            if "error" in said:
                LOG.error("BFD of %s: %s", name, said["error"])
            elif name in self._there:
                self.states[name] = said["state"]
                if said.get("failed"):
                    if port := self._there[name]["port"]:
                        self._switched[port] = None
                    a, _, b = name.partition(">")
                    self._lost(a, b)


def wanted_sessions(
    plan: Plan, layout: Layout, sides: Mapping[tuple[str, str], Side], ports: Mapping[str, int], place: Place, runs: Callable[[str], bool]
) -> dict[str, dict[str, Any]]:
    """By `a>b` what the process is told of each of our sides. `ports`: by NIC; `runs`: whether a speaker is ours and lives."""
    found: dict[str, dict[str, Any]] = {}
    for session in plan.sessions:
        for a, b in (session.ends, session.ends[::-1]) if session.bfd else ():
            side = sides.get((a, b))
            if side is None or session.carrier is Carrier.NOWHERE or not runs(a):
                continue
            assert session.bfd is not None, "asked above"
            watched = next(_programmed(plan, layout, a, b), "")
            found[f"{a}>{b}"] = {
                "namespace": str(place.namespace(a)),
                "local": str(side.local),
                "remote": str(side.remote),
                "device": side.device or "",
                "multihop": side.device is None,
                "interval_ms": session.bfd.interval_ms,
                "multiplier": session.bfd.multiplier,
                "port": ports.get(watched, 0),
            }
    return found


def _programmed(plan: Plan, layout: Layout, a: str, b: str) -> Iterator[str]:
    """The NIC that a route server's routes from this peer lead to: what is to be taken out of groups when the peer is lost."""
    if plan.speakers[a].kind is SpeakerKind.ROUTE_SERVER and b in layout.nodes:
        yield from (each.nic for each in layout.nodes[b].interfaces if each.nic)
