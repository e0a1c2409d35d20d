"""A machine's own file system: an overlay over this machine's. What is written in it stays in its layer; the rest of this machine is there to be read,
without its secrets. `inside.py` puts it together.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any, Final

from dualhome.arm.guests.shims import INSTEAD, REAL, SHIMS

MASKED: Final = (
    "root", "home", "mnt", "media", "srv", "etc/ssh", "etc/ssl/private", "etc/wireguard", "etc/letsencrypt", "etc/kubernetes", "etc/docker",
    "var/lib/dualhome", "var/spool/cron", "var/lib/docker", "var/lib/kubelet",
)  # fmt: skip
FOLDERS: Final = (  # of an image of Ubuntu's, where scripts put files without asking
    "etc/sysctl.d", "etc/netplan", "etc/iptables", "etc/networkd-dispatcher/routable.d", "etc/apt/sources.list.d", "etc/apt/keyrings", "etc/systemd/system",
    "etc/network/interfaces.d", "usr/share/keyrings", "var/log/frr", "var/lib/waagent",
)  # fmt: skip
LARGEST: Final = 1 << 20  # of a configuration that is read


def missing() -> str:
    """Why machines can't have file systems here, "" where they can."""
    if os.geteuid() != 0:
        return "it takes root to give machines a file system of their own"
    if "overlay" not in Path("/proc/filesystems").read_text():
        if shutil.which("modprobe"):
            subprocess.run(["modprobe", "overlay"], check=False, capture_output=True)
        if "overlay" not in Path("/proc/filesystems").read_text():
            return "the kernel has no overlayfs"
    return ""


class Machine:
    """One machine's layer. `directory` holds all of it."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory, self.name = directory, name
        self.upper, self.programs = directory / "upper", directory / "bin"
        self.hostname = directory / "hostname"  # where custom data gave it another name
        self.startup = directory / "startup.conf"  # of a router's image, what custom data said

    @classmethod
    def of(cls, root: Path, key: str) -> Machine:
        """Of a record's key."""
        return cls(root / hashlib.sha256(key.encode()).hexdigest()[:16], key.rpartition("/")[2])

    def prepare(self) -> None:
        """Its folders, and the programs that it expects. Nothing in it leads elsewhere: what the machine itself wrote is not followed."""
        fresh = not self.upper.exists()
        for each in ("upper", "work", "merged", "keep", "bin/real"):
            (self.directory / each).mkdir(parents=True, exist_ok=True)
        for each in MASKED:
            (self.directory / "keep" / each).mkdir(parents=True, exist_ok=True)
        for name, text in SHIMS.items():
            (self.programs / name).write_text(text)
            (self.programs / name).chmod(0o755)
        for name in REAL:
            (self.programs / "real" / name).touch(0o755)
        for script in self.programs.glob(".script-*"):
            script.unlink()
        if fresh:
            self._accounts()
            for each in FOLDERS:
                (self.upper / each).mkdir(parents=True, exist_ok=True)
            local = self.upper / "usr" / "local" / "sbin"  # for shells that set PATH anew
            local.mkdir(parents=True, exist_ok=True)
            for name in SHIMS:
                (local / name).symlink_to(f"/dualhome-bin/{name}")

    def _accounts(self) -> None:
        """Users are this machine's, without their passwords, and Quagga's."""
        etc = self.upper / "etc"
        etc.mkdir(mode=0o755)
        for name, shadow, form, more in (
            ("passwd", "shadow", "{}:*:19000:0:99999:7:::\n", "quagga:x:992:992::/run/quagga:/usr/sbin/nologin\n"),
            ("group", "gshadow", "{}:*::\n", "quagga:x:992:\nquaggavty:x:991:\n"),
        ):
            own = Path(f"/etc/{name}").read_text().rstrip("\n") + "\n"
            own += "" if "\nquagga:" in own else more
            (etc / name).write_text(own)
            names = [line.partition(":")[0] for line in own.splitlines() if ":" in line]
            for file in (etc / shadow, etc / f"{shadow}-"):
                file.write_text("".join(form.format(each) for each in names))
                file.chmod(0o640)

    def spec(self) -> dict[str, Any]:
        """What `inside.py init` is told about its file system."""
        name = self.hostname.read_text() if self.hostname.exists() else self.name
        return {
            "name": "".join(each for each in name if each.isascii() and (each.isalnum() or each in "-."))[:63] or "vm",
            "lowerdir": "/",
            "upperdir": str(self.upper),
            "workdir": str(self.directory / "work"),
            "merged": str(self.directory / "merged"),
            "keep": str(self.directory / "keep"),
            "masked": list(MASKED),
            "hidden": [
                str(self.directory.parent.parent),
                str(self.directory.parent.parent.with_name("az")),
            ],  # the server's, and az's with its tokens
            "programs": str(self.programs),
            "instead": list(INSTEAD),
        }

    def read(self, path: str) -> str | None:
        """A file that it wrote itself; None where there is none. Links are not followed, whoever made them."""
        where = os.open(self.upper, os.O_RDONLY | os.O_DIRECTORY)
        try:
            *folders, name = path.strip("/").split("/")
            for each in folders:
                inner = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=where)
                os.close(where)
                where = inner
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=where)
        except OSError:
            return None
        finally:
            os.close(where)
        with open(file, "rb") as found:
            return found.read(LARGEST).decode(errors="replace") if stat.S_ISREG(os.fstat(file).st_mode) else None

    def remove(self) -> None:
        """All of it."""
        shutil.rmtree(self.directory, ignore_errors=True)
