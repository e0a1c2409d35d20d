"""What a live network needs of the machine, tried out before anything is made."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dualhome import _core
from dualhome.errors import SystemRefused
from dualhome.fabric.state import NEXT_HOP

TOOLS: Final = {"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux", "mount": "mount"}


def require() -> None:
    """All that is needed is there.

    Raises:
        SystemRefused: something is missing; the message names all of it.
    """
    if lacking := list(missing()):
        raise SystemRefused("this machine can't run a live network: " + "; ".join(lacking))


def missing() -> Iterator[str]:
    """What is missing, each with what would help."""
    if os.geteuid() != 0:
        yield (
            "it takes root (CAP_NET_ADMIN, CAP_SYS_ADMIN and CAP_BPF in the machine's own user namespace; eBPF isn't allowed in another one): "
            "run it with sudo, or ask a simulation with -f FILE"
        )
        return
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            yield f"the program {tool} is missing (Debian: apt-get install {package})"
    if "nodev\tbpf" not in Path("/proc/filesystems").read_text():
        yield "the kernel has no bpffs (CONFIG_BPF_SYSCALL)"
    with tempfile.TemporaryDirectory(prefix="dualhome-") as directory:
        yield from _kernel(Path(directory))


def _kernel(directory: Path) -> Iterator[str]:
    """Namespaces, veths, nexthop groups, a classifier."""
    (directory / "ns").mkdir()
    first, second = directory / "ns" / "a", directory / "ns" / "b"
    try:
        _core.namespaces_create([str(first), str(second)])
    except OSError as error:
        yield f"the kernel makes no network namespaces (CONFIG_NET_NS): {error}"
        return
    try:
        a, b = _core.Namespace(str(first)), _core.Namespace(str(second))
        try:
            a.veths([("x", 16, b"\2\0\0\0\0\1", "y", b, b"\2\0\0\0\0\2", 0)])
        except OSError as error:
            yield f"the kernel makes no veth pairs (CONFIG_VETH): {error}"
            return
        b.link_up("lo")
        if refused := b.nexthops(put=[(1, NEXT_HOP[4], "y", True)], groups=[(2, [1])]):
            yield f"the kernel has no nexthop groups (Linux 5.3 and newer): {refused[0][2]}"
        done = subprocess.run(
            ["nsenter", f"--net={first}", "tc", "qdisc", "add", "dev", "x", "clsact"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            yield f"the kernel has no clsact queueing discipline (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF): {done.stderr.strip()}"
    finally:
        _core.namespaces_delete([str(first), str(second)])
        _core.namespace_directory_delete(str(directory / "ns"))
