"""scp: files go as they are, folders as an archive."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from dualhome.arm.ssh.frames import Channel
from dualhome.arm.ssh.options import Options, Target
from dualhome.arm.ssh.remote import Command, NotOursError, RefusedError, Server

PLAIN: Final = re.compile(r"[^A-Za-z0-9_./~*?\[\]{},@%+=:-]")
FETCH: Final = """bad=0
for f in {paths}; do
  if [ -d "$f" ] && [ -z "{deep}" ]; then echo "scp: $f: not a regular file" >&2; bad=1
  elif [ ! -e "$f" ]; then echo "scp: $f: No such file or directory" >&2; bad=1
  else tar -chf - -C "$(dirname "$f")" "$(basename "$f")" || bad=1; fi
done
exit $bad
"""
PUT: Final = """t={path}; [ -d "$t" ] && t="$t"/{name}
cat >"$t" && chmod {mode:o} "$t"{touch}
"""
PUT_FOLDER: Final = """t={path}; if [ -d "$t" ]; then t="$t"/{name}; fi
mkdir -p "$t" && tar -xf - -C "$t" --no-same-owner
"""


def remote(text: str) -> tuple[str, str] | None:
    """`user@host:path` in two parts; None of a local path."""
    if text.startswith("scp://"):
        host, _, path = text[6:].partition("/")
        return f"ssh://{host}", path
    found = re.match(r"((?:[^/:@]+@)?(?:\[[^\]/]+\]|[^/:\[]+)):(.*)", text, re.DOTALL)
    return (found[1], found[2]) if found else None


class Copying:
    """One command line of scp."""

    def __init__(self, options: Options, environment: Mapping[str, str]) -> None:
        self._options, self._server = options, Server(environment)
        self._deep, self._quiet = "r" in options.letters, "q" in options.letters

    def run(self) -> int:
        """All of it. Raises NotOursError before anything was done."""
        *sources, last = self._options.words
        ends = {each: self._options.target(where[0]) for each in (*sources, last) if (where := remote(each)) is not None}
        if not sources or not ends:
            raise NotOursError
        for each in ends.values():
            self._server.find(each.host, each.via, each.port)
        code = 0
        for source in sources:
            if source not in ends:
                code |= self._send(Path(source), ends[last], _path(last)) if last in ends else self._local(source, last)
            elif last not in ends:
                code |= self._fetch(ends[source], _path(source), Path(last), many=len(sources) > 1)
            else:
                with tempfile.TemporaryDirectory() as between:
                    code |= self._fetch(ends[source], _path(source), Path(between), many=True)
                    for file in sorted(Path(between).iterdir()):
                        code |= self._send(file, ends[last], _path(last))
        return code

    def _local(self, source: str, destination: str) -> int:
        shutil.copy(source, destination)
        return 0

    def _send(self, source: Path, target: Target, path: str) -> int:
        if not source.exists():
            return _complain(f"{source}: No such file or directory")
        name, to = shlex.quote(source.name or source.resolve().name), _quoted(path or ".")
        if source.is_dir():
            if not self._deep:
                return _complain(f"{source}: not a regular file")
            with tempfile.TemporaryFile() as packed:
                with tarfile.open(fileobj=packed, mode="w|") as archive:
                    archive.add(source, ".")
                packed.seek(0)
                return self._run(target, PUT_FOLDER.format(path=to, name=name), packed)
        try:
            with source.open("rb") as file:
                about = os.fstat(file.fileno())
                touch = f' && touch -d @{int(about.st_mtime)} "$t"' if "p" in self._options.letters else ""
                return self._run(target, PUT.format(path=to, name=name, mode=about.st_mode & 0o777, touch=touch), file)
        except OSError as error:
            return _complain(f"{source}: {error.strerror}")

    def _fetch(self, target: Target, path: str, to: Path, *, many: bool) -> int:
        if many and not to.is_dir():
            return _complain(f"{to}: Not a directory")
        with tempfile.TemporaryFile() as packed, tempfile.TemporaryDirectory(dir=to if to.is_dir() else to.absolute().parent) as inside:
            code = self._run(target, FETCH.format(paths=_quoted(path or "."), deep="yes" if self._deep else ""), None, packed)
            packed.seek(0)
            with suppress(tarfile.ReadError), tarfile.open(fileobj=packed, mode="r:", ignore_zeros=True) as archive:
                archive.extractall(inside, filter="data")  # whatever a machine says, nothing gets out of this folder
            found = sorted(Path(inside).iterdir())
            for each in found:
                where = to / each.name if to.is_dir() else to
                if each.is_dir() and where.is_dir():
                    shutil.copytree(each, where, dirs_exist_ok=True)
                else:
                    shutil.move(each, where)
        return code

    def _run(self, target: Target, script: str, source: IO[bytes] | None, into: IO[bytes] | None = None) -> int:
        """A script in a machine."""
        stdin = source.fileno() if source is not None else None
        if source is not None:
            os.lseek(source.fileno(), 0, os.SEEK_SET)

        def take(channel: int, data: bytes) -> None:
            if channel == Channel.OUT and into is not None:
                into.write(data)
            else:
                sys.stderr.buffer.write(data)
                sys.stderr.flush()

        server = Server(os.environ)  # a connection each
        try:
            code = server.run(Command(target.host, script, target.via, target.port, target.user, stdin), take)
        except RefusedError as error:
            return _complain(str(error))
        return 1 if code else 0


def _path(text: str) -> str:
    found = remote(text)
    assert found is not None, "it is a remote one"
    return found[1]


def _quoted(path: str) -> str:
    """For bash, which expands `~` and patterns as it does for the real scp."""
    return PLAIN.sub(lambda found: "\\" + found[0], path)


def _complain(text: str) -> int:
    sys.stderr.write(f"scp: {text}\n")
    return 1
