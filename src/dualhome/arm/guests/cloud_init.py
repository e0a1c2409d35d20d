"""Custom data of a machine: cloud-init's `#cloud-config`, scripts, several of them in one (MIME), packed (gzip); as files to write and a script to run."""

from __future__ import annotations

import base64
import binascii
import email
import gzip
import shlex
import zlib
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

LARGEST = 4 * 1024 * 1024  # unpacked


@dataclass(slots=True)
class FirstBoot:
    """`files`: (path, content, permissions, whether it is appended); `packages`; `scripts`: each run by itself, in order; `said`: what was not understood."""

    files: list[tuple[str, bytes, int, bool]] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    hostname: str = ""
    text: str = ""  # where it is neither: a router's own configuration (Cisco)


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
    boot.hostname = str(read.get("hostname", ""))
    boot.packages += [str(each[0] if isinstance(each, list) else each) for each in _listed(read.get("packages"))]
    for each in _listed(read.get("write_files")):
        if isinstance(each, dict) and isinstance(each.get("path"), str):
            boot.files.append((each["path"], _content(boot, each), _mode(each.get("permissions")), bool(each.get("append"))))
    for section in ("bootcmd", "runcmd"):
        lines = [shlex.join(map(str, each)) if isinstance(each, list) else str(each) for each in _listed(read.get(section))]
        if lines:
            boot.scripts.append("\n".join(lines) + "\n")


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
