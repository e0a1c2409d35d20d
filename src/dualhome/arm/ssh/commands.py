"""The programs. Begin at `main`."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Final

from dualhome.arm.ssh.copying import Copying
from dualhome.arm.ssh.frames import Channel
from dualhome.arm.ssh.options import Options, Target, scp, ssh
from dualhome.arm.ssh.place import path_of_others
from dualhome.arm.ssh.remote import Command, NotOursError, RefusedError, Server

FAILED: Final = 255
ADDRESS: Final = re.compile(r"[0-9.]+|[0-9a-fA-F:]*:[0-9a-fA-F:.]*|.*\.cloudapp\.azure\.com", re.IGNORECASE)
FORWARDS: Final = frozenset("DLRWw")
REAL_ONLY: Final = frozenset("GOQV")  # ask ssh itself something


def main(program: str, arguments: list[str]) -> int:
    """Do it here, or become the real program. The exit code."""
    deeds: dict[str, Callable[[list[str]], int]] = {"ssh": run_ssh, "scp": run_scp, "sshpass": run_sshpass, "ssh-keyscan": run_keyscan}
    try:
        return deeds[program](arguments)
    except NotOursError:
        return _become(program, arguments)
    except RefusedError as error:
        sys.stderr.write(f"{program}: {error}\n")
    except BrokenPipeError:
        pass
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        sys.stderr.write(f"{program}: {error}\n")
    return FAILED if program != "scp" else 1


def run_ssh(arguments: list[str]) -> int:
    """`ssh [options] host [command]`."""
    options = _parsed(ssh, arguments)
    if not options.words or REAL_ONLY & set(options.letters):
        raise NotOursError
    target = _explained(options, arguments)
    server, text = Server(os.environ), " ".join(options.words[1:])
    if "s" in options.letters or "N" in options.letters or (not text and FORWARDS & set(options.letters)):
        name = server.find(target.host, target.via, target.port)
        raise RefusedError(f"subsystems and port forwarding to {name} are not provided: run a command there, or copy files by scp")
    user = target.user or getpass.getuser()
    silent = bool({"n", "f"} & set(options.letters)) or options.named.get("stdinnull", "").lower() == "yes"
    command = Command(target.host, text, target.via, target.port, user, None if silent else 0)
    if not text and not silent and sys.stdin.isatty():
        return _terminal(server, command)
    return server.run(command, _take, _background if "f" in options.letters else lambda: None)


def run_scp(arguments: list[str]) -> int:
    """`scp [options] sources destination`."""
    return Copying(_parsed(scp, arguments), os.environ).run()


def run_sshpass(arguments: list[str]) -> int:
    """`sshpass -p PASSWORD ssh …`: nobody asks for it."""
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word[1:2] in ("h", "V"):
            raise NotOursError
        if word in ("-p", "-f", "-d", "-P") and rest:
            rest.pop(0)
    if not rest:
        raise NotOursError
    name = os.path.basename(rest[0])
    if name in ("ssh", "scp"):
        return run_ssh(rest[1:]) if name == "ssh" else run_scp(rest[1:])
    if shutil.which("sshpass", path=path_of_others()) is None:
        os.execvp(rest[0], rest)
    raise NotOursError


def run_keyscan(arguments: list[str]) -> int:
    """Machines have no keys, so there are none to be known."""
    server = Server(os.environ)
    hosts = [each for each in arguments if ADDRESS.fullmatch(each)]
    if not hosts:
        raise NotOursError
    for each in hosts:
        server.find(each)
    return 0


def _parsed(read: Callable[[Sequence[str]], Options], arguments: list[str]) -> Options:
    """Raises NotOursError: the real one says what is wrong."""
    try:
        return read(arguments)
    except ValueError as error:
        raise NotOursError from error


def _explained(options: Options, arguments: list[str]) -> Target:
    """Whom it means, by the user's ssh_config too. Raises NotOursError where that can be no machine."""
    target = options.target(options.words[0])
    if ADDRESS.fullmatch(target.host) or target.via:
        return target
    real = shutil.which("ssh", path=path_of_others())
    said = subprocess.run([real, "-G", *arguments], capture_output=True, text=True, check=False).stdout if real else ""
    known = dict(line.split(" ", 1) for line in reversed(said.splitlines()) if " " in line)
    for name in ("hostname", "port", "proxyjump", "proxycommand"):
        if name in known:
            options.named.setdefault(name, known[name])
    target = options.target(options.words[0])
    if not ADDRESS.fullmatch(target.host) and not target.via:
        raise NotOursError
    return Target(target.host, target.user or known.get("user", ""), target.port, target.via)


def _take(channel: int, data: bytes) -> None:
    stream = sys.stderr if channel == Channel.ERR else sys.stdout
    stream.buffer.write(data)
    stream.buffer.flush()


def _background() -> None:
    """`-f`: once it runs."""
    if os.fork():
        os._exit(0)
    os.setsid()


def _terminal(server: Server, command: Command) -> int:
    """A shell at a terminal."""
    if not server.here or os.geteuid() != 0:
        name = server.find(command.address, command.via, command.port)
        raise RefusedError(
            f"a shell in {name} at a terminal takes root on the machine where dualhome serve runs; a command, or one on standard input, doesn't"
        )
    words = server.shell(command)
    os.execv(words[0], words)


def _become(program: str, arguments: list[str]) -> int:
    real = shutil.which(program, path=path_of_others())
    if real is None:
        sys.stderr.write(f"{program}: no machine of the server that runs is meant, and {program} is not installed here\n")
        return 127
    return os.execv(real, [program, *arguments])
