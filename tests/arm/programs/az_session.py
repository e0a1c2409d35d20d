"""azure-cli as a process that stays, as its own scenario tests run it: a line of input is a command's words in JSON, a line of output what came of it.

Run by the Python of azure-cli's virtual environment. Each command goes the whole way of `az` (its parser, its HTTP, its tables); only what takes
a second each time, loading it, is done once.
"""

import contextlib
import io
import json
import logging
import sys

from azure.cli.core import get_default_cli


def run(words):
    """Exit code, standard output and standard error of one command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = get_default_cli().invoke(words, out_file=out)
        except SystemExit as end:
            code = end.code
        finally:
            for name in ("cli", "azure", None):  # handlers write to this command's standard error
                logging.getLogger(name).handlers.clear()
    return {"code": code or 0, "out": out.getvalue(), "err": err.getvalue()}


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
