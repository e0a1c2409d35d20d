"""Where these programs are, and az beside them: a directory for PATH."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Final

PROGRAMS: Final = ("ssh", "scp", "sshpass", "ssh-keyscan")
AZ: Final = """#!/bin/sh
# The az of this machine, logged in at the server that runs; as it is, for whoever has a configuration of their own.
test -n "$AZURE_CONFIG_DIR" && test -n "$DUALHOME_AZ" && exec "$DUALHOME_AZ" "$@"
exec {python} -I -m dualhome.cli az -- "$@"
"""


def path_of_others() -> str:
    """PATH without directories that `directory` made: where the real programs are."""
    return os.pathsep.join(each for each in os.environ.get("PATH", os.defpath).split(os.pathsep) if not _is_ours(each))


def _is_ours(folder: str) -> bool:
    try:
        with open(os.path.join(folder, PROGRAMS[0]), "rb") as file:
            return b"dualhome.arm.ssh" in file.read(400)
    except OSError:
        return False


def directory(state: Path) -> Path:
    """The directory in the state directory, with the programs in it."""
    where = state / "bin"
    where.mkdir(parents=True, exist_ok=True, mode=0o755)
    python = shlex.quote(sys.executable)
    texts = {name: f'#!/bin/sh\nexec {python} -I -m dualhome.arm.ssh {name} "$@"\n' for name in PROGRAMS}
    for name, text in {**texts, "az": AZ.format(python=python)}.items():
        file = where / name
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            file.chmod(0o755)
    return where
