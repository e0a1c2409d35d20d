"""Custom data of a machine: cloud-init's `#cloud-config`, scripts, several of them in one (MIME), packed (gzip); as files to write and a script to run."""

from __future__ import annotations

import base64
import binascii
import email
import gzip
import os
import shlex
import zlib
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

LARGEST = 4 * 1024 * 1024  # unpacked


@dataclass(frozen=True, slots=True)
class FileOf:
    """A file to write. `deferred`: after packages."""

    path: str
    content: bytes
    mode: int = 0o644
    owner: str = ""
    append: bool = False
    deferred: bool = False

    def script(self) -> str:
        """Commands that write it."""
        path, text = shlex.quote(self.path), base64.b64encode(self.content).decode()
        lines = [f"mkdir -p {shlex.quote(os.path.dirname(self.path) or '/')}", f"base64 -d {'>>' if self.append else '>'}{path} <<<{text}"]
        lines += [f"chmod {self.mode:o} {path}"] + ([f"chown {shlex.quote(self.owner)} {path}"] if self.owner else [])
        return " &&\n".join(lines) + "\n"


@dataclass(slots=True)
class FirstBoot:
    """`early` (bootcmd) and `users` are commands, `scripts` are run each by itself, in order; `said`: what was not understood."""

    early: list[str] = field(default_factory=list)
    files: list[FileOf] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    hostname: str = ""
    text: str = ""  # where it is neither: a router's own configuration (Cisco)

    def steps(self) -> list[str]:
        """All that is to be run, in cloud-init's order."""
        name = [f"echo {shlex.quote(self.hostname)} >/etc/hostname\n"] if self.hostname else []
        now, later = ([each.script() for each in self.files if each.deferred is late] for late in (False, True))
        packages = [f"apt-get install -y {shlex.quote(each)} || true\n" for each in self.packages]
        return [*self.early, *_joined(now), *_joined([*name, *self.users]), *_joined(packages), *_joined(later), *self.scripts]


def _joined(scripts: list[str]) -> list[str]:
    return ["".join(scripts)] if scripts else []


def first_boot(data: bytes) -> FirstBoot:
    """What custom data wants at first boot; never raises."""
    boot = FirstBoot()
    _part(boot, _unpacked(boot, data), "")
    return boot


def _unpacked(boot: FirstBoot, data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return zlib.decompressobj(31).decompress(data, LARGEST)
    except zlib.error as error:
        boot.said.append(f"custom data is no gzip after all: {error}")
        return b""


def _part(boot: FirstBoot, data: bytes, type_: str) -> None:
    text = data.decode("utf-8", errors="replace")
    start = text.lstrip()
    if start.startswith(("Content-Type: multipart", "MIME-Version:", "From nobody")):
        for part in email.message_from_bytes(data).walk():
            if isinstance(part, Message) and not part.is_multipart():
                body = part.get_payload(decode=True)
                _part(boot, body if isinstance(body, bytes) else b"", part.get_content_type())
    elif start.startswith("#cloud-config") or type_ == "text/cloud-config":
        _config(boot, text)
    elif start.startswith("#!") or type_ == "text/x-shellscript":
        boot.scripts.append(text)
    elif start.startswith("#include"):
        boot.said.append("#include wants the Internet, which this machine has not")
    elif start:
        boot.text += text


def _config(boot: FirstBoot, text: str) -> None:
    try:
        read = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, RecursionError, ValueError) as error:
        boot.said.append(f"#cloud-config is no YAML: {str(error).splitlines()[0]}")
        return
    if not isinstance(read, dict):
        return
    boot.hostname = str(read.get("hostname") or read.get("fqdn") or "").partition(".")[0]
    boot.packages += [str(each[0] if isinstance(each, list) and each else each) for each in _listed(read.get("packages"))]
    for each in _listed(read.get("write_files")):
        if isinstance(each, dict) and isinstance(each.get("path"), str):
            mode, flags = _mode(each.get("permissions")), (bool(each.get("append")), bool(each.get("defer")))
            boot.files.append(FileOf(each["path"], _content(boot, each), mode, str(each.get("owner") or ""), *flags))
    for each in _listed(read.get("users")):
        if isinstance(each, dict) and each.get("name"):
            boot.users.append(_user(each))
    for section, scripts in (("bootcmd", boot.early), ("runcmd", boot.scripts)):
        lines = [
            shlex.join(map(str, each)) if isinstance(each, list) else str(each) for each in _listed(read.get(section)) if each is not None
        ]
        if lines:
            scripts.append("#!/bin/sh\n" + "\n".join(lines) + "\n")


def _user(each: dict[str, Any]) -> str:
    """Commands that make a user, in its groups as far as there are such."""
    name, shell = shlex.quote(str(each["name"])), shlex.quote(str(each.get("shell") or "/bin/bash"))
    groups = each.get("groups") or []
    listed = [one.strip() for one in (groups.split(",") if isinstance(groups, str) else map(str, _listed(groups)))]
    into = "".join(f"getent group {shlex.quote(one)} >/dev/null && usermod -aG {shlex.quote(one)} {name}\n" for one in listed if one)
    return f"id {name} >/dev/null 2>&1 || useradd -m -s {shell} {name}\n{into}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _content(boot: FirstBoot, each: dict[str, Any]) -> bytes:
    raw = each.get("content", "")
    words = str(each.get("encoding", "")).lower().replace("+", " ").split()
    data = raw if isinstance(raw, bytes) else str(raw).encode()
    try:
        if "base64" in words or "b64" in words:
            data = base64.b64decode(data)
        if "gzip" in words or "gz" in words:
            data = gzip.decompress(data)
    except (binascii.Error, OSError, EOFError, zlib.error) as error:
        boot.said.append(f"{each['path']}: {error}")
    return data


def _mode(value: Any) -> int:
    try:
        return int(str(value), 8) & 0o7777 if value is not None else 0o644
    except ValueError:
        return 0o644
