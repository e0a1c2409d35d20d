"""Where a server keeps its state, and how others of this machine learn that it runs. Imports nothing heavy: every `dualhome az` comes by here."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

CARD: Final = "server.json"  # in the state directory: where the server is that runs


def home() -> Path:
    """The state directory, absolute: $DUALHOME_HOME, /var/lib/dualhome for root, ~/.local/share/dualhome for others."""
    if named := os.environ.get("DUALHOME_HOME"):
        return Path(named).absolute()
    return Path("/var/lib/dualhome") if os.geteuid() == 0 else Path.home() / ".local" / "share" / "dualhome"


def on_loopback(host: str) -> bool:
    """Whether a host is this machine's alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def running(directory: Path) -> Mapping[str, Any] | None:
    """Where the server of a state directory is; None where none runs."""
    try:
        found: dict[str, Any] = json.loads((directory / "serve" / CARD).read_text())
        os.kill(int(found["pid"]), 0)
    except (OSError, ValueError, KeyError):
        return None
    return found
