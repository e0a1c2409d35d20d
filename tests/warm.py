"""The command line, kept warm: one process has everything imported and forks for each command, so that hundreds of them take seconds.

Every command has a process, a folder and a standard output of its own, as from a shell. Requests and answers are lines of JSON.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST_S = 120


def ask(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `dualhome` with these words."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps({"words": list(words), "folder": str(folder), "environment": dict(environment)}) + "\n")
    server.stdin.flush()
    code, out, complaints = json.loads(server.stdout.readline())
    return code, out, complaints


@cache
def _server() -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONHASHSEED": "random"}
    words = [sys.executable, "-m", "tests.warm"]
    server = subprocess.Popen(words, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen[str]) -> None:
    assert server.stdin is not None
    with suppress(BrokenPipeError):
        server.stdin.close()
    server.wait(timeout=LONGEST_S)


def serve() -> None:
    """Answer until standard input ends."""
    from dualhome.cli import run

    answers = os.fdopen(os.dup(1), "w")
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        run(["check", str(ROOT / "examples/2-expressroute/topology.yaml")])  # imports all that commands need
        sys.stdout.flush()
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaints:
            child = os.fork()
            if child == 0:
                _become(request, out.fileno(), complaints.fileno())
            _, status = os.waitpid(child, 0)
            for each in (out, complaints):
                each.seek(0)
            answers.write(json.dumps([os.waitstatus_to_exitcode(status), out.read().decode(), complaints.read().decode()]) + "\n")
        answers.flush()


def _become(request: Mapping[str, object], out: int, complaints: int) -> None:
    """The child: the command, and nothing of pytest's or the server's after it."""
    from dualhome.cli import run

    code = 70
    try:
        signal.alarm(LONGEST_S)
        os.dup2(out, 1)
        os.dup2(complaints, 2)
        os.chdir(str(request["folder"]))
        os.environ.clear()
        os.environ.update(request["environment"])  # type: ignore[call-overload]
        code = run(request["words"])  # type: ignore[arg-type]
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
