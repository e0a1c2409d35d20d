"""The command line: one file a verb. In: words. Out: data on stdout, progress and complaints on stderr, an exit code.

0 fine · 1 the answer is no (a finding, a failed check) · 2 wrong input · 3 the system refused · 70 a fault of ours. Begin at `main`, then `verbs`.
Nothing heavy is imported before a verb needs it.
"""

from __future__ import annotations

import gc
import os
import sys

FINE, NO, WRONG_INPUT, REFUSED, OUR_FAULT, INTERRUPTED = 0, 1, 2, 3, 70, 130


def main() -> None:
    """The command `dualhome`."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Do what the words say (those of the process, where none are given); the exit code."""
    from dualhome.cli.verbs import program
    from dualhome.errors import DualhomeError, SystemRefused, TopologyError

    gc.set_threshold(50_000, 20, 100)  # a network of 1,000 spokes is millions of objects, and hardly any of them is garbage
    try:
        program(args=arguments, prog_name="dualhome")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else FINE if done.code is None else WRONG_INPUT
    except TopologyError as error:
        _complain(*map(str, error.faults))
        return WRONG_INPUT
    except SystemRefused as error:
        _complain(f"dualhome: {error}")
        return REFUSED
    except DualhomeError as error:
        _complain(f"dualhome: {error}")
        return WRONG_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more when it closes
        return FINE
    except OSError as error:
        _complain(f"dualhome: {error.filename or 'the system refused'}: {error.strerror or error}")
        return REFUSED
    except Exception as error:  # the last line of defence: whatever it is, it is ours, and the user gets no traceback
        _complain(*_our_fault(error))
        return OUR_FAULT
    return FINE


def _our_fault(error: Exception) -> list[str]:
    """What to tell of an error that should not have been."""
    import traceback

    if os.environ.get("DUALHOME_TRACEBACK"):
        return traceback.format_exc().splitlines()
    last = traceback.extract_tb(error.__traceback__)[-1]
    return [
        f"dualhome: internal error: {type(error).__name__}: {error} ({os.path.basename(last.filename)}:{last.lineno})",
        "This is a fault of dualhome and not yours. Please report it with the file and the command; DUALHOME_TRACEBACK=1 shows more.",
    ]


def _complain(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)
