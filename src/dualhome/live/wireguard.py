"""WireGuard devices: by the kernel where it has it, else by a process of wireguard-go each. Begin at `driver`.

What is around them is the business of `tunnels`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from dualhome.errors import SystemRefused
from dualhome.live.place import Place
from dualhome.live.wireguard_words import EVERYTHING, KEEPALIVE_S, MTU, Device, Driver, Keys, hexadecimal, interface_text, peer_text

READY_S: Final = 15.0
# wireguard-go's control socket has a fixed place under the device's name, and other namespaces have devices of the same name:
# each process has a /run of its own, which is its directory.
IN_A_RUN_OF_ITS_OWN: Final = 'mount --bind "$1" "$2" && exec wireguard-go -f "$3"'


def driver(place: Place) -> tuple[Driver | None, str]:
    """What this machine has, or why it has nothing, and what would help."""
    if shutil.which("wg") is None:
        return None, "the program wg is missing (Debian: apt-get install wireguard-tools)"
    tried = subprocess.run(["unshare", "--net", "ip", "link", "add", "wg0", "type", "wireguard"], capture_output=True, check=False)
    if tried.returncode == 0:
        return Kernel(place), ""
    if shutil.which("wireguard-go") is None:
        return None, "the kernel has no WireGuard, and the program wireguard-go is missing (Debian: apt-get install wireguard-go)"
    if not Path("/dev/net/tun").exists():
        return None, "the kernel has neither WireGuard nor /dev/net/tun (CONFIG_WIREGUARD, CONFIG_TUN), which wireguard-go takes"
    return Userland(place), ""


def run_inside(place: Place, todo: Iterable[tuple[str, Sequence[str], str]]) -> None:
    """Programs in namespaces, all at once: (node, command, its input).

    Raises:
        SystemRefused: one fails; the message has its words.
    """
    started = []
    for node, command, text in todo:
        words = ["nsenter", f"--net={place.namespace(node)}", "--", *command]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        started.append((node, command, text, process))
    said = [(node, command, process.communicate(text)[1], process.returncode) for node, command, text, process in started]
    for node, command, words_, code in said:
        if code:
            raise SystemRefused(f"{node}: {' '.join(command)}: {words_.strip()}")


class Kernel:
    """The kernel's own."""

    name = "WireGuard in the kernel"

    def __init__(self, place: Place) -> None:
        self._place = place

    def make(self, devices: Sequence[tuple[Device, Keys]]) -> None:
        """A link and a key each."""
        run_inside(self._place, ((d.node, ["ip", "link", "add", d.name, "mtu", str(MTU), "type", "wireguard"], "") for d, _ in devices))
        run_inside(self._place, ((d.node, ["wg", "setconf", d.name, "/dev/stdin"], interface_text(d, keys)) for d, keys in devices))

    def join(self, peers: Sequence[tuple[Device, Keys]]) -> None:
        """One peer each."""
        run_inside(self._place, ((d.node, ["wg", "addconf", d.name, "/dev/stdin"], peer_text(d, keys)) for d, keys in peers))

    def drop(self, devices: Sequence[Device]) -> None:
        """The links."""
        run_inside(self._place, ((d.node, ["ip", "link", "delete", d.name], "") for d in devices))

    def ended(self) -> list[Device]:
        """The kernel doesn't end."""
        return []


class Userland:
    """A process of wireguard-go for each device, in the node's namespace; it ends with its device, and the device with it."""

    name = "WireGuard by wireguard-go"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._processes: dict[Device, subprocess.Popen[bytes]] = {}

    def make(self, devices: Sequence[tuple[Device, Keys]]) -> None:
        """All start at once, then each is told its key."""
        for device, _ in devices:
            self._start(device)
        end = time.monotonic() + READY_S
        for device, keys in devices:
            self._await(device, end)  # its control socket
            self._tell(device, f"private_key={hexadecimal(keys.private)}", f"listen_port={device.listens}")

    def join(self, peers: Sequence[tuple[Device, Keys]]) -> None:
        """Each is told its peer; one that has ended meanwhile is left out."""
        for device, far in peers:
            if self._processes[device].poll() is None:
                peer = (f"public_key={hexadecimal(far.public)}", "replace_allowed_ips=true", *(f"allowed_ip={p}" for p in EVERYTHING))
                self._tell(device, *peer, f"endpoint={device.endpoint}", f"persistent_keepalive_interval={KEEPALIVE_S}")

    def drop(self, devices: Sequence[Device]) -> None:
        """End their processes."""
        going = [self._processes.pop(device) for device in devices if device in self._processes]
        for process in going:
            process.kill()
        for process in going:
            process.wait()

    def ended(self) -> list[Device]:
        """Whose process isn't there any more."""
        return [device for device, process in self._processes.items() if process.poll() is not None]

    def _start(self, device: Device) -> None:
        directory = self._directory(device)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (directory / "log").open("wb") as log:
            self._processes[device] = subprocess.Popen(
                [
                    *("nsenter", f"--net={self._place.namespace(device.node)}", "--"),
                    *("unshare", "--mount", "--propagation", "slave", "sh", "-c", IN_A_RUN_OF_ITS_OWN, "sh"),
                    *(str(directory), os.path.realpath("/var/run"), device.name),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._place.environment() | {"LOG_LEVEL": "error"},
                start_new_session=True,
            )

    def _await(self, device: Device, end: float) -> None:
        while not self._listens(device):
            ended = self._processes[device].poll() is not None
            if ended or time.monotonic() > end:
                said = (self._directory(device) / "log").read_text(errors="replace").splitlines()
                words = " / ".join(line for line in said if line.strip() and not line.startswith(("┌", "│", "└")))
                raise SystemRefused(
                    f"{device.node}: wireguard-go {'ended' if ended else 'is not ready'} after its start: {words or 'no word'}"
                )
            time.sleep(0.005)

    def _tell(self, device: Device, *lines: str) -> None:
        """Over its control socket (wireguard.com/xplatform)."""
        try:
            with self._control(device) as control:
                control.sendall("\n".join(["set=1", *lines, "", ""]).encode())
                answer = control.recv(4096).decode()
        except OSError as error:
            raise SystemRefused(f"{device.node}: wireguard-go doesn't answer for {device.name}: {error.strerror or error}") from error
        if "errno=0" not in answer.split():
            raise SystemRefused(f"{device.node}: wireguard-go refuses the configuration of {device.name}: {answer.strip()}")

    def _listens(self, device: Device) -> bool:
        """Whether it can be told something; its socket is there a moment before that."""
        try:
            self._control(device).close()
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def _control(self, device: Device) -> socket.socket:
        directory = os.open(self._directory(device) / "wireguard", os.O_PATH)  # the path may be longer than a socket's may
        control = socket.socket(socket.AF_UNIX)
        try:
            control.settimeout(READY_S)
            control.connect(f"/proc/self/fd/{directory}/{device.name}.sock")
        except BaseException:
            control.close()
            raise
        finally:
            os.close(directory)
        return control

    def _directory(self, device: Device) -> Path:
        return self._place.path / "tunnels" / str(device.number)
