"""`python -m dualhome.live.speaker_process FD`: forks a process for each speaker that it is asked for, with everything imported already.

On FD, a socket that keeps messages apart, comes the speaker's name with a socket for its process. Back go the process's number, and what became of those
that ended, each as JSON: {"begun": 4711}, {"ended": 4711, "status": -9} (a negative status is a signal). It ends with the far end of FD; so do they with theirs.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress

from dualhome.live.speaker_worker import Worker

NAME_BYTES = 15  # of a process, as the kernel keeps it
LARGEST = 4096


def main() -> None:
    """The process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the network ends us
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    gc.freeze()  # so that processes share these pages
    while True:
        ready, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, LARGEST)
            _reap(control)
        if control.fileno() in ready:
            try:
                name, descriptors, _, _ = socket.recv_fds(control, LARGEST, 1)
            except ConnectionResetError:
                return
            if not descriptors:
                return
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                os.close(woken)
                os.close(wake)
                _speak(name.decode(), descriptors[0])
            os.close(descriptors[0])
            control.send(json.dumps({"begun": pid}).encode())


def _reap(control: socket.socket) -> None:
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            with suppress(OSError):
                control.send(json.dumps({"ended": found[0], "status": os.waitstatus_to_exitcode(found[1])}).encode())


def _speak(name: str, descriptor: int) -> None:
    """In the fork: one speaker, until the network's end of its socket is closed; never returns."""
    status = 1
    try:
        with suppress(OSError), open("/proc/self/comm", "w", encoding="utf-8") as comm:
            comm.write(name.encode()[:NAME_BYTES].decode(errors="ignore"))
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(_failed)
        worker = Worker(socket.socket(fileno=descriptor), loop)
        loop.run_forever()
        del worker
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _failed(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """A fault of ours: a speaker that isn't what its double believes ends, and begins anew."""
    loop.default_exception_handler(context)
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    main()
