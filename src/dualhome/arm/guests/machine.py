"""A machine's own file system, and scripts that run in it: an overlay over this machine's, in mount, process and host name namespaces of their own.

What a script writes stays in the machine's layer; the rest of this machine is there to be read, without its secrets.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dualhome.arm.guests.shims import SHIMS

CAPABILITIES: Final = (  # of root in a machine: its files and its network, not this machine's mounts, devices, modules or clock
    "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_broadcast,+net_admin,+net_raw,+ipc_lock,+sys_nice,+audit_write"
)
MASKED: Final = ("root", "home", "var/lib/dualhome", "etc/ssh", "etc/shadow", "run", "tmp", "mnt", "media", "var/spool/cron")
LARGEST: Final = 4096 * 16  # of what a script prints; Azure keeps the last 4 KB
ENTER: Final = r"""
set -e
mount --make-rprivate /
mount -t overlay dualhome -o "lowerdir=/,upperdir=$UPPER,workdir=$WORK" "$MERGED"
mount -t tmpfs -o mode=755 tmpfs "$MERGED/dev"
for each in null zero full random urandom tty; do touch "$MERGED/dev/$each"; mount --bind "/dev/$each" "$MERGED/dev/$each"; done
ln -s /proc/self/fd "$MERGED/dev/fd"
ln -s /proc/self/fd/0 "$MERGED/dev/stdin"; ln -s /proc/self/fd/1 "$MERGED/dev/stdout"; ln -s /proc/self/fd/2 "$MERGED/dev/stderr"
mount -t proc proc "$MERGED/proc"
for each in sys sysrq-trigger; do
  if [ -e "$MERGED/proc/$each" ]; then mount --bind "$MERGED/proc/$each" "$MERGED/proc/$each"; mount -o remount,bind,ro "$MERGED/proc/$each"; fi
done
mount --bind /proc/sys/net "$MERGED/proc/sys/net"
mount --bind /sys "$MERGED/sys"
mount -o remount,bind,ro "$MERGED/sys"
for each in run tmp; do mkdir -p "$MERGED/$each"; mount -t tmpfs -o mode=1777 tmpfs "$MERGED/$each"; done
for each in $MASK; do
  if [ -d "$MERGED/$each" ] && [ ! -e "$UPPER/$each/.dualhome" ]; then mkdir -p "$KEEP/$each"; mount --bind "$KEEP/$each" "$MERGED/$each"; fi
  if [ -f "$MERGED/$each" ]; then mount --bind /dev/null "$MERGED/$each"; fi
done
mkdir -p "$MERGED$STATE"; mount -t tmpfs -o mode=700 tmpfs "$MERGED$STATE"
mkdir -p "$MERGED/dualhome-bin"; mount --bind "$PROGRAMS" "$MERGED/dualhome-bin"; mount -o remount,bind,ro "$MERGED/dualhome-bin"
if [ -n "$NODE" ] && [ -d "$NODE" ]; then mkdir -p "$MERGED/dualhome-node"; mount --bind "$NODE" "$MERGED/dualhome-node"; fi
hostname "$NAME" 2>/dev/null || true
ip link set lo up 2>/dev/null || true
exec chroot "$MERGED" /usr/bin/setpriv --inh-caps=-all --bounding-set="$CAPABILITIES" \
  /usr/bin/env -i HOME=/root USER=root LOGNAME=root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
  PATH=/dualhome-bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /bin/bash -c 'cd /root; exec /bin/bash /dualhome-bin/.script "$@"' script "$@"
"""


def missing() -> str:
    """Why machines can't have file systems here, "" where they can."""
    if os.geteuid() != 0:
        return "it takes root to give machines a file system of their own"
    for program in ("unshare", "nsenter", "mount", "chroot", "setpriv"):
        if shutil.which(program) is None:
            return f"the program {program} is missing"
    if "overlay" not in Path("/proc/filesystems").read_text():
        subprocess.run(["modprobe", "overlay"], check=False, capture_output=True)
        if "overlay" not in Path("/proc/filesystems").read_text():
            return "the kernel has no overlayfs"
    return ""


class Machine:
    """One machine's layer. `directory` holds all of it."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory, self.name = directory, name
        self.upper = directory / "upper"

    @classmethod
    def of(cls, root: Path, key: str) -> Machine:
        """Of a record's key."""
        return cls(root / hashlib.sha256(key.encode()).hexdigest()[:16], key.rpartition("/")[2])

    def prepare(self) -> None:
        """Its folders, and the programs that it expects."""
        for each in ("upper", "work", "merged", "keep"):
            (self.directory / each).mkdir(parents=True, exist_ok=True)
        programs = self.directory / "bin"  # beside the layer, so that nothing in it leads elsewhere
        programs.mkdir(parents=True, exist_ok=True)
        for name, text in SHIMS.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)

    def write(self, path: str, content: bytes, mode: int = 0o644, append: bool = False) -> None:
        """A file of its own; never outside its layer."""
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        where = self.upper if parts[:1] not in (["root"], ["home"]) else self.directory / "keep"
        file = where.joinpath(*parts)
        if not parts or not file.resolve().is_relative_to(where.resolve()):
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab" if append else "wb") as out:
            out.write(content)
        file.chmod(mode)

    def read(self, path: str) -> str | None:
        """A file that it wrote itself; None where there is none."""
        file = self.upper / path.lstrip("/")
        if not file.is_file() or file.is_symlink() or not file.resolve().is_relative_to(self.upper.resolve()):
            return None
        return file.read_text(errors="replace")

    async def run(
        self, script: str, parameters: Mapping[str, str], namespace: Path | None, node: Path | None, timeout: float
    ) -> tuple[str, str, int]:
        """What a script prints on both channels, and its exit code. Nothing of it lives on."""
        self.prepare()
        words = "".join(f"export {name}={_quoted(value)}\n" for name, value in parameters.items() if name.isidentifier())
        (self.directory / "bin" / ".script").write_bytes((words + script + "\n").encode(errors="replace"))
        command = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL"]
        command = ["nsenter", f"--net={namespace}", *command] if namespace is not None else [*command, "--net"]
        environment = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "UPPER": str(self.upper),
            "WORK": str(self.directory / "work"),
            "MERGED": str(self.directory / "merged"),
            "KEEP": str(self.directory / "keep"),
            "MASK": " ".join(MASKED[:6] + MASKED[8:]),
            "STATE": str(self.directory.parent.parent),
            "PROGRAMS": str(self.directory / "bin"),
            "CAPABILITIES": CAPABILITIES,
            "NODE": str(node or ""),
            "NAME": self.name[:63],
        }
        process = await asyncio.create_subprocess_exec(
            *command,
            "bash",
            "-c",
            ENTER,
            "enter",
            *parameters.values(),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), timeout)
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
            err += f"\nThe script did not end within {timeout:g} s.".encode()
        return out.decode(errors="replace")[-LARGEST:], err.decode(errors="replace")[-LARGEST:], process.returncode or 0

    def remove(self) -> None:
        """All of it."""
        shutil.rmtree(self.directory, ignore_errors=True)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
