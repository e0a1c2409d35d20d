"""The way into a machine: a program that makes its root and namespaces, or enters them and runs something there. Never imported.

`init` gives a machine its life: mounts, namespaces, then process 1, which collects the dead until it is killed, and all in the machine with it.
`enter` runs a command in it; exit code and signals are the command's. Both are `python -I -S inside.py` with JSON in the variable
SPEC, and have all they need loaded before they are inside: nothing of the machine's files is run or loaded while this machine's capabilities are still held.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import sys
from contextlib import suppress
from typing import Any, NoReturn

LIBC = ctypes.CDLL(None, use_errno=True)
NEWNS, NEWUTS, NEWIPC, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE, SLAVE, DETACH = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18, 1 << 19, 2
PDEATHSIG, DUMPABLE, CAPBSET_DROP, CAP_AMBIENT, CLEAR_ALL = 1, 4, 24, 47, 4
OPEN_TREE, MOVE_MOUNT, PIVOT_ROOT = 428, 429, {"aarch64": 41, "riscv64": 41}.get(os.uname().machine, 155)
AT_FDCWD, TREE_CLONE, FROM_EMPTY = -100, 1, 4
KEPT = (
    0,
    1,
    3,
    4,
    5,
    6,
    7,
    8,
    10,
    11,
    12,
    13,
    14,
    23,
    29,
)  # of root in a machine: its files, its users, its network; not mounts, devices, modules or the clock
NODES = {
    "null": (1, 3, 0o666),
    "zero": (1, 5, 0o666),
    "full": (1, 7, 0o666),
    "random": (1, 8, 0o666),
    "urandom": (1, 9, 0o666),
    "tty": (5, 0, 0o666),
}
TUN = (10, 200, 0o600)
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "PATH": "/dualhome-bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}


def checked(result: int, what: str) -> int:
    """Raises OSError where a call of libc's failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    words = [each.encode() if each else None for each in (source, target, kind)]
    checked(LIBC.mount(*words, ctypes.c_ulong(flags), data.encode() if data else None), f"mount {source} at {target}")


def unshare(flags: int) -> None:
    """unshare(2)."""
    checked(LIBC.unshare(flags), "unshare")


def join(file: str, flag: int) -> None:
    """setns(2)."""
    number = os.open(file, os.O_RDONLY)
    checked(LIBC.setns(number, flag), f"enter {file}")
    os.close(number)


def system(number: int, *values: int | bytes) -> int:
    """syscall(2)."""
    return int(LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(each) if isinstance(each, int) else each for each in values)))


def control(option: int, *values: int) -> int:
    """prctl(2)."""
    four = [*values, 0, 0, 0, 0][:4]
    return int(LIBC.prctl(option, *map(ctypes.c_ulong, four)))


def drop() -> None:
    """Hold no more than root in a machine may, for good."""
    for number in range(64):
        if number not in KEPT and control(CAPBSET_DROP, number) < 0:
            break  # there are no more
    control(CAP_AMBIENT, CLEAR_ALL)
    low = sum(1 << number for number in KEPT)
    header = struct.pack("Ii", 0x20080522, 0)
    checked(LIBC.capset(header, struct.pack("6I", low, low, 0, 0, 0, 0)), "capset")


def main() -> None:
    """What the command line says."""
    control(PDEATHSIG, signal.SIGKILL)
    spec = json.loads(os.environ["SPEC"])
    if os.getppid() != spec["parent"] and not spec.get("exec"):
        os._exit(1)  # who started this is gone already
    init(spec) if sys.argv[1] == "init" else enter(spec)


# --- process 1 ----------------------------------------------------------------------------------------------------------


def init(spec: dict[str, Any]) -> NoReturn:
    """Make the machine, say `ready PID` on standard output, and live as long as it."""
    if spec["net"]:
        join(spec["net"], NEWNET)
    unshare(NEWNS | NEWUTS | NEWIPC | NEWPID | (0 if spec["net"] else NEWNET))
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        if os.read(reading, 1):
            print("ready", child, flush=True)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
    control(PDEATHSIG, signal.SIGKILL)
    control(DUMPABLE, 0)  # neither its memory nor the program that it runs are to be had by /proc/1
    root(spec)
    checked(LIBC.sethostname(spec["name"].encode(), len(spec["name"].encode())), "sethostname")
    with suppress(OSError):
        loopback_up()
    drop()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    os.write(writing, b"1")
    nothing = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.closerange(3, 256)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            signal.sigwait({signal.SIGCHLD})


def loopback_up() -> None:
    """Bring `lo` up (SIOCGIFFLAGS, SIOCSIFFLAGS)."""
    number = LIBC.socket(2, 2, 0)
    request = ctypes.create_string_buffer(struct.pack("16sH22x", b"lo", 0x1 | 0x40))
    checked(LIBC.ioctl(number, ctypes.c_ulong(0x8914), request), "lo up")
    os.close(number)


def root(spec: dict[str, Any]) -> None:
    """The machine's root: an overlay over this machine's. The old root is let go of only at the end; sources are in it, relative; targets in the new one."""
    mount("", "/", "", REC | PRIVATE)
    layers = ",".join(f"{name}={escaped(spec[name])}" for name in ("lowerdir", "upperdir", "workdir"))
    mount("dualhome", spec["merged"], "overlay", 0, layers)
    old = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    os.chdir(spec["merged"])
    checked(system(PIVOT_ROOT, b".", b"."), "pivot_root")
    os.fchdir(old)
    mount("", ".", "", REC | SLAVE)
    devices()
    processes()
    mount("sysfs", "/sys", "sysfs", RDONLY | NOSUID | NODEV | NOEXEC)
    for name in ("run", "tmp"):
        os.makedirs(f"/{name}", exist_ok=True)
        mount("tmpfs", f"/{name}", "tmpfs", NOSUID | NODEV, f"mode={'1777' if name == 'tmp' else '755'},size=25%")
    os.makedirs("/run/lock", exist_ok=True)
    for name in spec["masked"]:  # what this machine has there is nobody's business; what the machine puts there is kept beside its layer
        if os.path.isdir(f"/{name}"):
            mount(f"{spec['keep'].lstrip('/')}/{name}", f"/{name}", "", BIND)
    for name in spec["hidden"]:
        if os.path.isdir(name):
            mount("tmpfs", name, "tmpfs", RDONLY | NOSUID | NODEV | NOEXEC, "mode=700,size=4k")
    programs(spec)
    os.fchdir(old)
    checked(LIBC.umount2(b".", DETACH), "let the old root go")
    os.close(old)
    os.chdir("/")


def escaped(path: str) -> str:
    """As an option of overlayfs."""
    return path.replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:") if path != "/" else path


def devices() -> None:
    """/dev with what every program expects, and /dev/net/tun where this machine has it."""
    mount("tmpfs", "/dev", "tmpfs", NOSUID | NOEXEC, "mode=755,size=1m")
    mask = os.umask(0)
    for name, (major, minor, mode) in NODES.items():
        os.mknod(f"/dev/{name}", mode | 0o020000, os.makedev(major, minor))
    if os.path.exists("dev/net/tun"):  # in the old root, where we stand
        os.mkdir("/dev/net", 0o755)
        os.mknod("/dev/net/tun", TUN[2] | 0o020000, os.makedev(*TUN[:2]))
    for name in ("pts", "shm"):
        os.mkdir(f"/dev/{name}", 0o755)
    mount("devpts", "/dev/pts", "devpts", NOSUID | NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5")
    mount("tmpfs", "/dev/shm", "tmpfs", NOSUID | NODEV, "mode=1777,size=64m")
    os.umask(mask)
    links = {
        "ptmx": "pts/ptmx",
        "fd": "/proc/self/fd",
        "stdin": "/proc/self/fd/0",
        "stdout": "/proc/self/fd/1",
        "stderr": "/proc/self/fd/2",
    }
    for name, target in links.items():
        os.symlink(target, f"/dev/{name}")


def processes() -> None:
    """/proc of its own processes; of the kernel's settings only those of its network may be written."""
    mount("proc", "/proc", "proc", NOSUID | NODEV | NOEXEC)
    for name in ("sys", "sysrq-trigger", "irq", "bus", "fs"):
        if os.path.exists(f"/proc/{name}"):
            mount(f"/proc/{name}", f"/proc/{name}", "", BIND)
            mount("", f"/proc/{name}", "", REMOUNT | BIND | RDONLY | NOSUID | NODEV | NOEXEC)
    mount("proc/sys/net", "/proc/sys/net", "", BIND)
    for name in ("kcore", "keys", "kmsg", "timer_list"):
        if os.path.exists(f"/proc/{name}"):
            mount("/dev/null", f"/proc/{name}", "", BIND)


def programs(spec: dict[str, Any]) -> None:
    """Programs of ours, first on PATH and in place of those that this machine has; `real` keeps the latter within reach."""
    for name in ("/dualhome-bin", "/dualhome-node"):
        os.makedirs(name, exist_ok=True)
    mount(spec["programs"].lstrip("/"), "/dualhome-bin", "", BIND)
    for path in spec["instead"]:
        name, ours = os.path.basename(path), f"{spec['programs'].lstrip('/')}/{os.path.basename(path)}"
        if os.path.isfile(f"/{path}") and not os.path.islink(f"/{path}") and os.path.isfile(ours):
            if os.path.isfile(f"/dualhome-bin/real/{name}"):
                mount(path, f"/dualhome-bin/real/{name}", "", BIND)
            mount(ours, f"/{path}", "", BIND)
    mount("", "/dualhome-bin", "", REMOUNT | BIND | RDONLY | NOSUID | NODEV)


# --- and others ---------------------------------------------------------------------------------------------------------


def enter(spec: dict[str, Any]) -> NoReturn:
    """Run a command in a machine that lives."""
    control(DUMPABLE, 0)
    there = f"/proc/{spec['pid']}/ns"
    files = {name: os.open(f"{there}/{name}", os.O_RDONLY) for name in ("pid", "uts", "ipc", "mnt")}
    net = os.open(spec["net"] or f"{there}/net", os.O_RDONLY)
    node = -1
    with suppress(OSError):
        if spec["node"]:
            node = checked(system(OPEN_TREE, AT_FDCWD, spec["node"].encode(), TREE_CLONE | os.O_CLOEXEC), "open_tree")
    wanted = os.stat(spec["node"]) if node >= 0 else None
    checked(LIBC.setns(net, NEWNET), "enter the network")
    for name, flag in (("pid", NEWPID), ("uts", NEWUTS), ("ipc", NEWIPC), ("mnt", NEWNS)):
        checked(LIBC.setns(files[name], flag), f"enter {name}")
    os.chdir("/")
    if wanted is not None:
        bring_node(node, wanted)
    for number in (*files.values(), net, node):
        with suppress(OSError):
            os.close(number)
    drop()
    child = os.fork()
    if not child:
        run(spec)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: end(child))
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    if not spec.get("exec"):  # whoever reads its output waits for the command alone
        os.closerange(0, 3)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(code if code >= 0 else 128 - code)


def bring_node(node: int, wanted: os.stat_result) -> None:
    """Where a routing program runs for the machine, its sockets are in /dualhome-node."""
    with suppress(OSError):
        found = os.stat("/dualhome-node")
        if (found.st_dev, found.st_ino) != (wanted.st_dev, wanted.st_ino):
            LIBC.umount2(b"/dualhome-node", DETACH)
            checked(system(MOVE_MOUNT, node, b"", AT_FDCWD, b"/dualhome-node", FROM_EMPTY), "move_mount")


def end(child: int) -> None:
    """End a script and what it has left in its session."""
    with suppress(OSError):
        os.killpg(child, signal.SIGKILL)


def run(spec: dict[str, Any]) -> NoReturn:
    """Become the command."""
    try:
        control(PDEATHSIG, signal.SIGKILL)
        if not spec.get("exec"):
            os.setsid()
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGQUIT, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        home = spec["home"]
        os.makedirs(home, exist_ok=True)
        os.chdir(home)
        user = {"HOME": home, "USER": spec["user"], "LOGNAME": spec["user"], "SHELL": "/bin/bash"}
        os.umask(0o022)
        os.execve(spec["command"][0], spec["command"], {**ENVIRONMENT, **user, **spec["environment"]})
    except OSError as error:
        os.write(2, f"{error}\n".encode())
    os._exit(126)


if __name__ == "__main__":
    main()
