"""Where these programs are: a directory for PATH."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

PROGRAMS: Final = ("ssh", "scp", "sshpass", "ssh-keyscan")


def directory(state: Path) -> Path:
    """The directory in the state directory, with the programs in it."""
    where = state / "bin"
    where.mkdir(parents=True, exist_ok=True, mode=0o755)
    for name in PROGRAMS:
        text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -m dualhome.arm.ssh {name} "$@"\n'
        file = where / name
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            file.chmod(0o755)
    return where
