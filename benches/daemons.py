"""BGP route servers that can be measured: ours, and those of Debian's packages where they are installed.

Each is told the same: many peers that connect to it, transparent for their routes (RFC 7947), every route for everybody, a hold time of 240 s, no
kernel. To measure another one, add its file and its command line to `OTHERS`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

START_S, STOP_S = 60.0, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a daemon works, and with whom: addresses and AS numbers of its peers."""

    directory: Path
    address: str
    port: int
    asn: int
    peers: Sequence[tuple[str, int]]

    @property
    def file(self) -> Path:
        """The daemon's configuration."""
        return self.directory / "configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A route server: where its program may be, what its file says, what starts it in the foreground."""

    name: str
    programs: Sequence[str]
    text: Callable[[Place], str]
    command: Callable[[Place], list[str]]
    """Behind the program's own name."""
    own: str = "none"
    """What it tells the sender of the best path: none, or the second best."""
    asks: Sequence[str] = ("--version",)
    """What makes it say its version."""
    only_root: bool = False
    """Whether it changes to another user."""
    only_named: bool = False
    """Whether it takes so long that it is measured on request alone."""

    def program(self) -> str | None:
        """Its path; None where it isn't installed."""
        path = os.environ.get("PATH", "") + ":/usr/sbin"
        return next((found for each in self.programs if (found := shutil.which(each, path=path))), None)

    def version(self) -> str:
        """As it says itself."""
        done = subprocess.run([str(self.program()), *self.asks], capture_output=True, text=True, check=False)
        words = [word.strip("v,") for word in (done.stdout + done.stderr).split()]
        return next((word for word in words if word[:1].isdigit()), "?")


def _dualhome_text(place: Place) -> str:
    peers = [f"  - {{name: p{n}, address: {address}, asn: {asn}}}" for n, (address, asn) in enumerate(place.peers)]
    instance = f'{{name: rs, asn: {place.asn}, router_id: {place.address}, listen: ["{place.address}"], port: {place.port}}}'
    lines = ["behaves_like: ideal", f"instances: [{instance}]", "defaults: {passive: true, timers: {hold_s: 240}}", "log: {level: warning}"]
    return "\n".join([*lines, "peers:", *peers, ""])


def _dualhome(place: Place) -> list[str]:
    return ["-m", "dualhome.cli", "route-server", "--config", str(place.file)]


def _bird_text(place: Place) -> str:
    lines = [f'log "{place.directory}/log" {{ warning, error, fatal, bug }};', f"router id {place.address};", "protocol device {}"]
    lines += ["template bgp of_rs {", f"  local {place.address} port {place.port} as {place.asn};"]
    lines += ["  direct; passive; strict bind; rs client; hold time 240;", "  ipv4 { import all; export all; };", "}"]
    lines += [f"protocol bgp p{n} from of_rs {{ neighbor {address} as {asn}; }}" for n, (address, asn) in enumerate(place.peers)]
    return "\n".join([*lines, ""])


def _bird(place: Place) -> list[str]:
    return ["-f", "-c", str(place.file), "-s", f"{place.directory}/control", "-P", f"{place.directory}/pid"]


def _frr_text(place: Place) -> str:
    """A view, as its documentation of route servers has it."""
    lines = [f"log file {place.directory}/log warnings", f"router bgp {place.asn} view RS", f" bgp router-id {place.address}"]
    lines += [" no bgp default ipv4-unicast", " no bgp ebgp-requires-policy", " bgp disable-ebgp-connected-route-check"]
    lines += [" neighbor CLIENTS peer-group"]
    for address, asn in place.peers:
        lines += [f" neighbor {address} remote-as {asn}", f" neighbor {address} peer-group CLIENTS"]
    lines += [" neighbor CLIENTS passive", " neighbor CLIENTS timers 60 240", " neighbor CLIENTS disable-connected-check"]
    lines += [" neighbor CLIENTS advertisement-interval 0", " address-family ipv4 unicast", "  neighbor CLIENTS activate"]
    return "\n".join([*lines, "  neighbor CLIENTS route-server-client", " exit-address-family", ""])


def _frr(place: Place) -> list[str]:
    """Its bgpd alone, without zebra."""
    files = ["-i", f"{place.directory}/pid", "--vty_socket", str(place.directory), "-P", "0"]
    return ["-f", str(place.file), "-n", "-Z", "-S", "-p", str(place.port), "-l", place.address, *files]


def _openbgpd_text(place: Place) -> str:
    lines = [f"AS {place.asn}", f"router-id {place.address}", f"listen on {place.address} port {place.port}"]
    lines += [f'socket "{place.directory}/control"', "holdtime 240", "fib-update no", "transparent-as yes", "group clients {"]
    lines += ["  passive", "  announce IPv4 unicast", "  enforce neighbor-as no", "  set nexthop no-modify"]
    lines += [f"  neighbor {address} {{ remote-as {asn} }}" for address, asn in place.peers]
    return "\n".join([*lines, "}", "allow from any", "allow to any", ""])


def _openbgpd(place: Place) -> list[str]:
    Path("/run/openbgpd").mkdir(exist_ok=True)  # it shuts itself in there
    return ["-d", "-f", str(place.file)]


def _gobgp_text(place: Place) -> str:
    lines = ["[global.config]", f"as = {place.asn}", f'router-id = "{place.address}"', f"port = {place.port}"]
    lines += [f'local-address-list = ["{place.address}"]']
    for address, asn in place.peers:
        lines += ["[[neighbors]]", "[neighbors.config]", f'neighbor-address = "{address}"', f"peer-as = {asn}"]
        lines += ["[neighbors.transport.config]", "passive-mode = true", "[neighbors.timers.config]", "hold-time = 240"]
        lines += ["[neighbors.route-server.config]", "route-server-client = true"]
        lines += ["[[neighbors.afi-safis]]", "[neighbors.afi-safis.config]", 'afi-safi-name = "ipv4-unicast"']
    return "\n".join([*lines, ""])


def _gobgp(place: Place) -> list[str]:
    return ["-t", "toml", "-f", str(place.file), "-l", "warn", "--api-hosts", "127.0.0.1:50551", "--pprof-disable"]


OURS = Daemon(
    name="dualhome",
    programs=(sys.executable,),
    text=_dualhome_text,
    command=_dualhome,
    own="second",
    asks=("-m", "dualhome.cli", "--version"),
)
OTHERS = (
    Daemon(name="bird", programs=("bird",), text=_bird_text, command=_bird),
    Daemon(name="frr", programs=("/usr/lib/frr/bgpd",), text=_frr_text, command=_frr),
    Daemon(name="openbgpd", programs=("/usr/sbin/bgpd",), text=_openbgpd_text, command=_openbgpd, asks=("-V",), only_root=True),
    Daemon(name="gobgp", programs=("gobgpd",), text=_gobgp_text, command=_gobgp, own="second", only_named=True),
)
DAEMONS: dict[str, Daemon] = {each.name: each for each in (OURS, *OTHERS)}


@contextlib.contextmanager
def running(daemon: Daemon, place: Place) -> Iterator[list[int]]:
    """Its processes, once it listens; they end with the block.

    Raises:
        RuntimeError: it doesn't listen, or ended before the block; with its own last words.
    """
    place.file.write_text(daemon.text(place), encoding="utf-8")
    place.file.chmod(0o600)
    output = place.directory / "output"
    with output.open("wb") as sink:
        made = subprocess.Popen(
            [str(daemon.program()), *daemon.command(place)],
            cwd=place.directory,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _await_listening(daemon, place, made, output)
            yield _family(made.pid)
            if made.poll() is not None:
                raise RuntimeError(f"{daemon.name} ended by itself ({made.poll()}): {_last_words(output)}")
        finally:
            _stop(made)


def _await_listening(daemon: Daemon, place: Place, made: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + START_S
    while not _listening(place.port):
        if made.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{daemon.name} doesn't listen: {_last_words(output) or f'exit {made.poll()}'}")
        time.sleep(0.05)
    time.sleep(0.3)  # some read on after that


def _last_words(output: Path) -> str:
    return output.read_text(errors="replace").strip()[-800:]


def _listening(port: int) -> bool:
    """Whether anybody listens on a port of this namespace; to connect would be an event for the daemon."""
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(file).read_text().splitlines()[1:]:
            near, state = line.split()[1], line.split()[3]
            if state == "0A" and int(near.rpartition(":")[2], 16) == port:
                return True
    return False


def _family(pid: int) -> list[int]:
    """A process and all that came of it."""
    children: dict[int, list[int]] = {}
    for each in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            children.setdefault(int(each.read_text().rpartition(")")[2].split()[1]), []).append(int(each.parent.name))
    family = [pid]
    for member in family:
        family += children.get(member, [])
    return family


def _stop(made: subprocess.Popen[bytes]) -> None:
    """End it and its children, which are in a session of their own."""
    made.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        made.wait(STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(made.pid, signal.SIGKILL)
    made.wait()
